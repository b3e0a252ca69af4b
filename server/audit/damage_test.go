package audit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// A folder that is not what the checkpoint vouches for, or that was rolled back, is not
// gone on with.
func TestOpen_RefusesAFolderThatWasChanged(t *testing.T) {
	src := t.TempDir()
	var early string
	for run := range 2 {
		g, err := start(src, journal.OS{})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.session(t.Context(), []string{"a", "b"}[run], 150); err != nil {
			t.Fatal(err)
		}
		if err := g.close(); err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			early = t.TempDir()
			if err := os.CopyFS(early, os.DirFS(filepath.Join(src, "audit"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(path string, with func([]byte) []byte) func(dir string) error {
		return func(dir string) error {
			name := filepath.Join(dir, path)
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, with(b), 0o600)
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	remove := func(path string) func(dir string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, path)) }
	}
	for _, tc := range []struct {
		name, want string
		do         func(dir string) error
	}{
		{"nothing", "", func(string) error { return nil }},
		{"checkpoint flipped", "checkpoint", replace("audit/checkpoint", flip)},
		{"checkpoint removed", "checkpoint", remove("audit/checkpoint")},
		{"folder removed", "checkpoint", remove("audit")},
		{"key removed", "signing key", remove("keys/audit.key")},
		{"key flipped", "signing key", replace("keys/audit.key", func(b []byte) []byte { b[20] ^= 1; return b })},
		{"tile flipped", "root", replace("audit/tile/0/002.p/92", flip)},
		{"tile cut", "bytes", replace("audit/tile/0/002.p/92", func(b []byte) []byte { return b[:5] })},
		{"entries flipped", "entry", replace("audit/tile/entries/002.p/92", flip)},
		{"entries cut", "cut short", replace("audit/tile/entries/002.p/92", func(b []byte) []byte { return b[:len(b)-1] })},
		{"full entries emptied", "cut short", replace("audit/tile/entries/000", func([]byte) []byte { return nil })},
		{"rolled back", "rolled back", func(dir string) error {
			if err := os.RemoveAll(filepath.Join(dir, "audit")); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(dir, "audit"), os.DirFS(early))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
				t.Fatal(err)
			}
			if err := tc.do(dir); err != nil {
				t.Fatal(err)
			}
			if tc.name == "full entries emptied" {
				// Read only where the derived state is missing.
				if err := os.Remove(filepath.Join(dir, "audit", "sessions.json")); err != nil {
					t.Fatal(err)
				}
			}
			g, err := start(dir, journal.OS{})
			if err == nil {
				err = g.close()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE+KEY") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

// Those who append wait for the consumers when much is under way, and the consumers
// must not wait for them.
func TestLog_AppendersAndConsumersDoNotWaitForEachOther(t *testing.T) {
	fsys := faultfs.New()
	j, err := journal.Open("/d/journal", journal.Options{FS: fsys, SegmentBytes: 2 << 10, BatchBytes: 2 << 10, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(audit.Options{Dir: "/d/audit", Keys: "/d/keys", Origin: "x", Journal: j, FS: fsys, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for range 200 {
				if _, err := l.Append(&hoop.Event{Type: hoop.EventSignIn, Subject: fmt.Sprint(w)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if l.Size() != 1600 {
		t.Errorf("size %d", l.Size())
	}
	if err := errors.Join(l.Close(), j.Close()); err != nil {
		t.Error(err)
	}
}
