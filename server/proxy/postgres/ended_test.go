package postgres

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/session"
)

// A grant whose time is over covers nothing more, though nothing has cut the session yet: not
// what people agree to then, and not what nobody is asked about.
func TestHold_TheGrantEndedMeanwhile(t *testing.T) {
	g := setup(t, `CREATE TABLE t (a int)`)
	var ahead atomic.Int64
	g.adjust(func(l *session.Line) {
		l.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c := g.connect()
	g.policy.on(hoop.Approve, hoop.EffectDDL)
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(t.Context(), `ALTER TABLE t ADD COLUMN late int`)
		done <- err
	}()
	select {
	case r := <-g.grants.held:
		ahead.Store(int64(2 * time.Hour))
		g.grants.answer <- hoop.Request{ID: r.ID, State: hoop.Approved, Digest: r.Digest}
	case err := <-done:
		t.Fatalf("not held: %v", err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("approved after the end: %v", err)
	}
	if _, err := c.Exec(t.Context(), `INSERT INTO t VALUES (1)`); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("after the end: %v", err)
	}
	ahead.Store(0)
	var columns, rows int
	if err := c.QueryRow(t.Context(), `SELECT count(*), (SELECT count(*) FROM t) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0`).Scan(&columns, &rows); err != nil || columns != 1 || rows != 0 {
		t.Errorf("%d columns, %d rows, %v", columns, rows, err)
	}
}
