package server

import (
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/store"
)

// A store that becomes older while a gateway runs on it, or another one, ends the gateway
// within a second; one that goes on does not.
func TestMemory_WatchesTheStore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hoop.db")
	db, err := store.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	beside, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	for change, want := range map[string]string{
		"UPDATE age SET steps = 7":    "put back from a copy: it has made 7 steps, and had made 9",
		"UPDATE age SET store = 'it'": "another one than this gateway had",
		"DELETE FROM age":             "",
	} {
		if _, err := beside.ExecContext(t.Context(), "INSERT INTO age VALUES (1, 'this', 8) ON CONFLICT (one) DO UPDATE SET store = 'this', steps = 8"); err != nil {
			t.Fatal(err)
		}
		m, err := recall(t.Context(), journal.OS{}, filepath.Join(t.TempDir(), "store-age"), db, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Inherit(t.Context(), "pg", []string{"a.b"}, "s"); err != nil {
			t.Fatal(err)
		}
		if err := m.look(t.Context()); err != nil {
			t.Errorf("a store that went on: %v", err)
		}
		if _, err := beside.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if err := m.watch(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
}

// What one gateway accepted another has to as well, however many steps the store has made by
// then; and no third time.
func TestMemory_EachGatewayAccepts(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "hoop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	is, err := db.Age(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(t.TempDir(), "store-age"), filepath.Join(t.TempDir(), "store-age")}
	for _, file := range files {
		if err := os.WriteFile(file, fmt.Appendf(nil, `{"store":%q,"steps":2}`, is.Store), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(file string, accept bool) error {
		m, err := recall(t.Context(), journal.OS{}, file, db, accept, slog.New(slog.DiscardHandler))
		if err == nil {
			err = m.settle(t.Context())
		}
		return err
	}
	if err := start(files[0], false); err == nil {
		t.Error("a store that is older was taken")
	}
	if err := start(files[0], true); err != nil {
		t.Error(err)
	}
	for _, table := range []string{"a.b", "a.c", "a.d"} {
		if err := db.Inherit(t.Context(), "pg", []string{table}, "s"); err != nil {
			t.Fatal(err)
		}
	}
	if err := start(files[1], false); err == nil {
		t.Error("a store that was older was taken, since it has made as many steps by now")
	}
	if err := start(files[1], true); err != nil {
		t.Error(err)
	}
	for _, file := range files {
		if err := start(file, false); err != nil {
			t.Errorf("once all have accepted it: %v", err)
		}
	}
}
