package journal_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// FuzzOpen gives Open a last segment of any content: it refuses it, or what it kept is
// found again, with what was appended behind.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	j, err := journal.Open(dir, journal.Options{Log: quiet})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "one", "another record"} {
		if err := write(f.Context(), j, s); err != nil {
			f.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(dir, "00000001.wal"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-5])
	f.Add(seed[:24])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys := faultfs.New()
		if err := fsys.MkdirAll("/j", 0o700); err != nil {
			t.Fatal(err)
		}
		w, err := fsys.OpenFile("/j/00000001.wal", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open("/j", journal.Options{FS: fsys, Log: quiet})
		if err != nil {
			return
		}
		k := &keeper{}
		if err := j.Consume(k, journal.KindEvent); err != nil {
			t.Fatal(err)
		}
		kept := slices.Clone(k.got)
		if err := write(t.Context(), j, "after"); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if want := append(kept, "after"); !slices.Equal(k.got, want) {
			t.Errorf("got %q, want %q", k.got, want)
		}
	})
}
