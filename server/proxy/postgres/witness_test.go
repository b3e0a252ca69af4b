package postgres

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Where the target demands that a witness has cosigned the log lately, nothing runs
// without that, and it runs again once it has.
func TestWitness_NothingRunsUncosigned(t *testing.T) {
	g := setup(t, `CREATE TABLE t (a int)`)
	g.declare(func(t *hoop.Target) { t.CosignedWithin = hoop.Duration(5 * time.Minute) })
	var at atomic.Pointer[time.Time]
	g.line.Cosigned = func() time.Time { return *at.Load() }
	set := func(t time.Time) { at.Store(&t) }
	set(time.Now())
	c := g.connect()
	if _, err := c.Exec(t.Context(), `INSERT INTO t VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	for _, when := range []time.Time{{}, time.Now().Add(-6 * time.Minute)} {
		set(when)
		for _, sql := range []string{`INSERT INTO t VALUES (2)`, `SELECT a FROM t`, `COMMIT`} {
			if _, err := c.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "no witness has cosigned") {
				t.Errorf("cosigned at %s: %s: got %v", when, sql, err)
			}
		}
	}
	set(time.Now().Add(-4 * time.Minute))
	var n int
	if err := c.QueryRow(t.Context(), `SELECT count(*) FROM t`).Scan(&n); err != nil || n != 1 {
		t.Errorf("got %d rows, %v", n, err)
	}
	denied := 0
	for _, e := range g.audit.of(hoop.EventStatement) {
		if e.Rule == "cosigned_within" && e.Action == hoop.Deny {
			denied++
		}
	}
	if denied != 6 {
		t.Errorf("%d refusals are on record, want 6", denied)
	}
}
