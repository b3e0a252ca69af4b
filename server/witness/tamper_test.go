package witness_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/witness"
)

// What a witness remembers, and its key, changed in every way while it is down: it does
// not start, and names the file; or, where its own disk cannot tell, the log that it
// cosigned is told that it forgot.
func TestTamper_Witness(t *testing.T) {
	l, _ := openLog(t, t.TempDir())
	other, _ := openLog(t, t.TempDir())
	world := func(t *testing.T) (w *world, k *witness.Keeper, out *bytes.Buffer, memory string, early []byte) {
		t.Helper()
		w = newWorld(t, l.VerifierKey())
		k, out = w.keeper(t, l, nil)
		for range 2 {
			grow(t, l, 10)
			if !k.Once(t.Context()) || out.Len() > 0 {
				t.Fatal(out)
			}
			files, err := filepath.Glob(filepath.Join(w.opt.Dir, "*.checkpoint"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			memory = files[0]
			if early == nil {
				if early, err = os.ReadFile(memory); err != nil {
					t.Fatal(err)
				}
			}
		}
		return w, k, out, memory, early
	}
	grow(t, other, 10)
	for way, change := range map[string]func(b []byte) []byte{
		"flip a bit":            func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"flip a bit of the end": func(b []byte) []byte { b[len(b)-2] ^= 1; return b },
		"truncate":              func(b []byte) []byte { return b[:len(b)-1] },
		"empty":                 func([]byte) []byte { return nil },
		"append":                func(b []byte) []byte { return append(b, 'x') },
		"reorder":               func(b []byte) []byte { return append(b[len(b)/2:], b[:len(b)/2]...) },
		"swap":                  func([]byte) []byte { return other.Checkpoint() },
	} {
		t.Run("memory/"+way, func(t *testing.T) {
			w, _, _, memory, _ := world(t)
			b, err := os.ReadFile(memory)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(memory, change(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := witness.New(w.opt); err == nil || !strings.Contains(err.Error(), memory) {
				t.Errorf("got %v, want an error that names %s", err, memory)
			}
		})
	}
	for way, change := range map[string]func(memory string, early []byte) error{
		"drop":      func(memory string, _ []byte) error { return os.Remove(memory) },
		"roll back": func(memory string, early []byte) error { return os.WriteFile(memory, early, 0o600) },
	} {
		t.Run("memory/"+way, func(t *testing.T) {
			w, k, out, memory, early := world(t)
			if err := change(memory, early); err != nil {
				t.Fatal(err)
			}
			w.restart(t)
			grow(t, l, 10)
			if !k.Once(t.Context()) {
				t.Errorf("it does not cosign the log that it saw: %s", out)
			}
			if got := out.String(); strings.Count(got, "a witness forgot what it cosigned") != 1 || !strings.Contains(got, "witness=w ") {
				t.Errorf("the log is not told: %q", got)
			}
			out.Reset()
			grow(t, l, 10)
			if !k.Once(t.Context()) || out.Len() > 0 {
				t.Errorf("afterwards: %s", out)
			}
		})
	}
	for way, change := range map[string]func(key string) error{
		"drop":       os.Remove,
		"flip a bit": func(key string) error { return replaced(key, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) },
		"truncate":   func(key string) error { return replaced(key, func(b []byte) []byte { return b[:len(b)/2] }) },
		"empty":      func(key string) error { return replaced(key, func([]byte) []byte { return nil }) },
	} {
		t.Run("key/"+way, func(t *testing.T) {
			w, _, _, _, _ := world(t)
			if err := change(w.opt.Key); err != nil {
				t.Fatal(err)
			}
			if _, err := witness.New(w.opt); err == nil || !strings.Contains(err.Error(), w.opt.Key) {
				t.Errorf("got %v, want an error that names %s", err, w.opt.Key)
			}
		})
	}
}

func replaced(name string, change func(b []byte) []byte) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, change(b), 0o600)
}
