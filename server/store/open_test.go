package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestOpen_SQLiteFileIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s, err := Open(t.Context(), "sqlite:"+dir+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Inherit(t.Context(), "pg", []string{"a.b"}, "x"); err != nil { // so that there is a WAL
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		".": 0o700, "store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600, "store.db.lock": 0o600,
	} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o; want %o", name, got, want)
		}
	}
	if s.Shared() {
		t.Error("a SQLite store says that others use it")
	}
}

func TestOpen_SQLiteMakesAnOpenFilePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
	}
}

func TestOpen_SQLitePaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for url, want := range map[string]string{
		"sqlite:relative.db":                  "relative.db",
		"sqlite:./a/b.db":                     "a/b.db",
		"sqlite:" + dir + "/absolute.db":      "absolute.db",
		"sqlite://" + dir + "/slashes.db":     "slashes.db",
		"sqlite:odd ?mode=memory#x%41&b.db":   "odd ?mode=memory#x%41&b.db",
		"sqlite:" + dir + "/%20?_pragma=x.db": "%20?_pragma=x.db",
	} {
		s, err := Open(t.Context(), url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if st, err := os.Stat(filepath.Join(dir, want)); err != nil || st.Size() == 0 {
			t.Errorf("%s: no store at %s: %v", url, want, err)
		}
	}
}

func TestOpen_SQLiteIsDurableAndReadersCannotWrite(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2" /* FULL */, "foreign_keys": "1", "busy_timeout": "5000",
	} {
		var got string
		if err := s.w.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
		}
	}
	if _, err := s.r.ExecContext(t.Context(), "DELETE FROM requests"); err == nil {
		t.Error("a reader may write")
	}
}

// A second gateway on one file would not hear of the first one's revocations.
func TestOpen_SQLiteBelongsToOneProcess(t *testing.T) {
	dir := t.TempDir()
	url := "sqlite:" + dir + "/store.db"
	if err := os.Symlink("store.db", filepath.Join(dir, "link.db")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	hard := filepath.Join(dir, "hard.db")
	if err := os.Link(filepath.Join(dir, "store.db"), hard); err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{url, "sqlite:" + dir + "/link.db", "sqlite:" + hard} {
		if _, err := Open(t.Context(), same); err == nil || hoop.AsError(err).Code != hoop.CodeConflict {
			t.Errorf("second Open of %s: %v; want a conflict", same, err)
		}
	}
	if err := os.Remove(hard); err != nil {
		t.Fatal(err)
	}
	if err := s.Inherit(t.Context(), "pg", []string{"a.b"}, "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), url); err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	if got, err := s.Inherited(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("after a restart: %v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpen_ClosedStoreIsUnavailable(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Request(t.Context(), 1); hoop.AsError(err).Code != hoop.CodeUnavailable {
		t.Errorf("read: %v; want unavailable", err)
	}
	if err := s.Inherit(t.Context(), "pg", []string{"a.b"}, "x"); hoop.AsError(err).Code != hoop.CodeUnavailable {
		t.Errorf("write: %v; want unavailable", err)
	}
}

// A full disk refuses what would have to be kept, and nothing is half done.
func TestStore_FullDisk(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var pages int
	if err := s.w.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
	r := hoop.Request{Kind: hoop.RequestGrant, State: hoop.Pending, Reason: strings.Repeat("x", 1<<16)}
	if _, err := s.AddRequest(t.Context(), r, func(*hoop.Request, *hoop.Grant) (*hoop.Grant, error) { return nil, nil }); hoop.AsError(err).Code != hoop.CodeUnavailable {
		t.Errorf("with a full disk: %v", err)
	}
	if all, err := s.Requests(t.Context(), "", 0, 10); err != nil || len(all) != 0 {
		t.Errorf("after it: %v, %v", all, err)
	}
}

func TestOpen_RefusesOtherURLsWithoutRepeatingSecrets(t *testing.T) {
	for _, url := range []string{
		"", "mysql://root:hunter2@db/x", "/plain/path", "hunter2", "postgres://u:hunter2@db:port/x",
		"postgres://u:hunter2@db/x?sslmode=prefer", "postgres://u:hunter2@db/x?sslmode=allow", "postgres://u:hunter2%zz@db/x",
	} {
		s, err := Open(t.Context(), url)
		if err == nil {
			t.Errorf("%q was opened", url)
			s.Close()
			continue
		}
		if url != "hunter2" && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestPostgresConfig_TLSUnlessLocal(t *testing.T) {
	for url, want := range map[string]bool{
		"postgres://u@db.example/x":                     true,
		"postgres://u@10.0.0.5:5432/x":                  true,
		"postgresql://u@db.example/x?sslmode=disable":   false,
		"postgres://u@127.0.0.1:5432/x":                 false,
		"postgres://u@[::1]/x":                          false,
		"postgres://u@localhost/x":                      false,
		"postgres://u@localhost/x?sslmode=verify-full":  true,
		"postgres:///x?host=/var/run/postgresql&user=u": false,
		"postgres://u@db.example/x?sslmode=require":     true,
		"postgres:///x?host=db.example&user=u":          true,
		"postgres://127.0.0.1,db.example/x?user=u":      true,
	} {
		cfg, err := postgresConfig(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := cfg.TLSConfig != nil; got != want || len(cfg.Fallbacks) > 0 && cfg.Fallbacks[0].TLSConfig == nil && want {
			t.Errorf("%s: TLS %v (fallbacks %d); want %v", url, got, len(cfg.Fallbacks), want)
		}
		if want && !strings.Contains(url, "require") && cfg.TLSConfig.InsecureSkipVerify {
			t.Errorf("%s: the certificate is not verified", url)
		}
	}
}

// openMany is what several gateways do when they are started together.
func openMany(t *testing.T, url string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if !s.Shared() {
				t.Error("a PostgreSQL store says that nobody else uses it")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
