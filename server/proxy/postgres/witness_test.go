package postgres

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/session"
)

// Where the target demands that a witness has cosigned the log lately, nothing runs
// without that, and it runs again once it has.
func TestWitness_NothingRunsUncosigned(t *testing.T) {
	g := setup(t, `CREATE TABLE t (a int)`)
	g.declare(func(t *hoop.Target) { t.CosignedWithin = hoop.Duration(5 * time.Minute) })
	var at atomic.Pointer[time.Time]
	g.adjust(func(l *session.Line) { l.Cosigned = func() time.Time { return *at.Load() } })
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
	for _, e := range g.audit.Of(hoop.EventStatement) {
		if e.Rule == "cosigned_within" && e.Action == hoop.Deny {
			denied++
		}
	}
	if denied != 6 {
		t.Errorf("%d refusals are on record, want 6", denied)
	}
}

// What was cosigned lately enough when people were asked is too old when they approve: it
// does not run. It runs where a witness has cosigned again meanwhile.
func TestWitness_CosignedAgainAfterAnApproval(t *testing.T) {
	g := setup(t, `CREATE TABLE t (a int)`)
	g.declare(func(t *hoop.Target) { t.CosignedWithin = hoop.Duration(5 * time.Minute) })
	var at atomic.Pointer[time.Time]
	g.adjust(func(l *session.Line) { l.Cosigned = func() time.Time { return *at.Load() } })
	set := func(t time.Time) { at.Store(&t) }
	set(time.Now())
	c := g.connect()
	g.policy.on(hoop.Approve, hoop.EffectDDL)
	alter := func(column string, meanwhile time.Time) error {
		set(time.Now())
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(t.Context(), `ALTER TABLE t ADD COLUMN `+column+` int`)
			done <- err
		}()
		select {
		case r := <-g.grants.held:
			set(meanwhile)
			g.grants.answer <- hoop.Request{ID: r.ID, State: hoop.Approved, Digest: r.Digest}
		case err := <-done:
			t.Fatalf("not held: %v", err)
		}
		return <-done
	}
	for _, when := range []time.Time{{}, time.Now().Add(-6 * time.Minute)} {
		if err := alter("late", when); err == nil || !strings.Contains(err.Error(), "no witness has cosigned") {
			t.Errorf("approved, cosigned at %s: got %v", when, err)
		}
	}
	if err := alter("b", time.Now().Add(-4*time.Minute)); err != nil {
		t.Errorf("approved, cosigned lately: %v", err)
	}
	set(time.Now())
	var columns string
	if err := c.QueryRow(t.Context(), `SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0`).Scan(&columns); err != nil || columns != "a b" {
		t.Errorf("columns %q, %v", columns, err)
	}
	denied := 0
	for _, e := range g.audit.Of(hoop.EventStatement) {
		if e.Rule == "cosigned_within" && e.Action == hoop.Deny {
			denied++
		}
	}
	if denied != 2 {
		t.Errorf("%d refusals are on record, want 2", denied)
	}
}
