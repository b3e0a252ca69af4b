package server

import (
	"database/sql"
	"log/slog"
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
