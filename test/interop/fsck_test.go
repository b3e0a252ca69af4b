// Package interop holds what must agree with other people's programs. It is a module
// of its own, so that their dependencies are none of the product's.
package interop

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
)

// logged writes a log of n events as the gateway does and returns its folder and key.
func logged(t *testing.T, n int) (dir, key string) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	dir = t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(audit.Options{
		Dir: filepath.Join(dir, "audit"), Keys: filepath.Join(dir, "keys"), Origin: "gw.example/audit", Journal: j, Log: quiet, Every: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := l.Append(&hoop.Event{Type: hoop.EventSignIn, Subject: "alice", Reason: "<é\u2028>"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "audit"), l.VerifierKey()
}

func leaves(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range b.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}

func check(t *testing.T, dir, key string) error {
	t.Helper()
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return fsck.New("gw.example/audit", v, client.FileFetcher{Root: dir}, leaves, fsck.Opts{N: 2}).Check(t.Context())
}

// An independent verifier accepts our log, at sizes around those of tiles, and not
// when it was changed.
func TestTessera_AcceptsOurLog(t *testing.T) {
	for _, n := range []int{1, 255, 256, 257, 1000, 66000} {
		dir, key := logged(t, n)
		if err := check(t, dir, key); err != nil {
			t.Errorf("%d events: %v", n, err)
		}
		if n != 1000 {
			continue
		}
		for _, name := range []string{"tile/entries/001", "tile/0/002", "tile/1/000.p/3", "checkpoint"} {
			file := filepath.Join(dir, name)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			at := len(b) / 2
			if i := bytes.Index(b[at:], []byte(`"type":"`)); i > 0 {
				at += i + 1 // within an event: of a changed length their program panics
			}
			b[at] ^= 1
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := check(t, dir, key); err == nil {
				t.Errorf("%s was changed, and accepted", name)
			}
			b[at] ^= 1
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
