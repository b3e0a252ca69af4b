package session_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/server/servertest"
	"github.com/hoopctl/hoopctl/server/servertest/claims"
)

// literal is the sample resources, with an auditor who sees literals.
var literal = strings.Replace(servertest.Resources, "role: auditor", "role: auditor, literals: true", 1)

// lastSegment is the journal's.
func lastSegment(t *testing.T, data string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(data, "journal", "*.wal"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no journal: %v", err)
	}
	return slices.Max(names)
}

// The last segment of the journal ends in half a record, as a crash leaves it: the gateway
// starts, and nothing that was acknowledged is lost. Where it lost what was acknowledged,
// the gateway does not start, and says what is missing.
func TestSession_TruncatedLastSegment(t *testing.T) {
	data := t.TempDir()
	g := servertest.Start(t, servertest.Options{Setup: claims.Schema, Resources: literal, DataDir: data})
	c := claims.New(1)
	dsn := g.Connect("agent", "pg-prod")
	stop, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Limit, c.After = 100, cancel
	if err := c.Run(stop, dsn, 0, rand.New(rand.NewPCG(1, 1))); err == nil {
		t.Fatal("a client came to its end")
	}
	killed := servertest.Killed(t, data)
	f, err := os.OpenFile(lastSegment(t, killed), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write([]byte{0, 0, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	again := servertest.Start(t, servertest.Options{DataDir: killed, Resources: literal, PG: g.PG})
	if f, err := c.Check(t.Context(), again.API("auditor"), g.PG.DSN("postgres"), new(claims.Evidence)); err != nil || f.Rows < 20 {
		t.Errorf("torn: %+v, %v", f, err)
	}
	again.Stop()
	g.Stop()

	last := lastSegment(t, data)
	st, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(last, st.Size()/2); err != nil {
		t.Fatal(err)
	}
	if err := servertest.Refused(t, data); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("cut: %v", err)
	}
}

// The clock jumps while sessions run, within a grant and beyond: what has ended by it, or not begun, lets nothing run;
// events keep their places, and the log verifies and says that the clock went back.
func TestSession_ClockJumps(t *testing.T) {
	const year = 365 * 24 * time.Hour
	var by atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
	g := servertest.Start(t, servertest.Options{Setup: setup, Now: now})
	var conn *pgx.Conn
	insert := func() error {
		_, err := conn.Exec(t.Context(), "INSERT INTO scratch VALUES (1)")
		return err
	}
	conn = open(t, g, nil)
	want := int64(0)
	for _, jump := range []time.Duration{0, 30 * time.Minute, time.Minute, -year, 0, 10 * year, 20 * time.Minute, 0} {
		by.Store(int64(jump))
		out := jump.Abs() >= year // of the grant
		err := insert()
		if out != (err != nil) {
			t.Errorf("%s: %v", jump, err)
		}
		if out {
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || jump > 0 && !strings.Contains(pg.Message, "has ended") {
				t.Errorf("%s: %v", jump, err)
			}
			by.Store(0)
			conn = open(t, g, nil)
		} else {
			want++
		}
		if n := g.Count("SELECT count(*) FROM scratch"); n != want {
			t.Errorf("%s: %d rows, want %d", jump, n, want)
		}
	}
	r := verified(t, g)
	if r.Events["statement"] < want || !strings.Contains(strings.Join(r.Warnings, "\n"), "the clock goes back") {
		t.Errorf("%v, %q", r.Events, r.Warnings)
	}
}
