package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// Texts are prepared once and no more of them than there is room for; a caller that gives
// up spoils the text for nobody.
func TestStatements_KeepsSomeTexts(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // the test is over
	all := newStatements(s.r)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.QueryContext(gone, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	for range 2 {
		for i := range maxStatements + 5 {
			rows, err := all.QueryContext(t.Context(), fmt.Sprintf("SELECT $1 + %d", i), 1)
			if err != nil {
				t.Fatal(err)
			}
			var got int
			if !rows.Next() || rows.Scan(&got) != nil || got != i+1 {
				t.Errorf("text %d gives %d", i, got)
			}
			if err := rows.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(all.all); n != maxStatements {
		t.Errorf("%d texts are kept, want %d", n, maxStatements)
	}
	if _, err := all.QueryContext(t.Context(), "SELECT nothing FROM nowhere"); err == nil {
		t.Error("a text that cannot be prepared has an answer")
	}
}
