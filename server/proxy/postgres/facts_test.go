package postgres

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

const factsSchema = `
create table people (id int primary key, ssn text, state text);
insert into people select i, 'x' || i, case when i <= 100 then 'OR' else 'NY' end from generate_series(1, 1000) i;
analyze people;
create table ran (at timestamptz);
create function side(text) returns text language plpgsql immutable as $$ begin insert into ran values (now()); return $1; end $$;
create table indexed (id int, x text);
create domain checked as text check (side(value) is not null);
create view seen as select * from people where ssn = side('x');
`

// facts has a statement held, gives what was found out about it, and denies it.
func (g *gateway) facts(t *testing.T, c *pgx.Conn, sql string, args ...any) (hoop.Request, hoop.Facts) {
	t.Helper()
	return g.held(t, func() error {
		_, err := c.Exec(context.Background(), sql, args...)
		return err
	})
}

// held does so with what run sends.
func (g *gateway) held(t *testing.T, run func() error) (hoop.Request, hoop.Facts) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- run() }()
	var r hoop.Request
	select {
	case r = <-g.grants.held:
	case err := <-done:
		t.Fatalf("it was not held: %v", err)
	}
	if id := <-g.grants.tells; id != r.ID {
		t.Errorf("told about %d, want %d", id, r.ID)
	}
	g.grants.answer <- hoop.Request{ID: r.ID, State: hoop.Denied, DecisionWhy: "no"}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("%s: got %v", r.Statement, err)
	}
	g.grants.mu.Lock()
	defer g.grants.mu.Unlock()
	return r, g.grants.told[r.ID]
}

// One test for all that the target is asked: it shares a database.
func TestFacts(t *testing.T) {
	g := setup(t, factsSchema, resource.MaskRule{Meta: resource.Meta{Name: "ssn"}, Targets: []string{"*"}, Columns: []string{"public.people.ssn"}, With: resource.Redact})
	g.adjust(unlimited)
	db := g.target.Database
	g.proxy.cfg.Own = func(ctx context.Context, _ hoop.Target, database string) (*pgx.Conn, error) {
		if database != db {
			t.Errorf("asked database %s", database)
		}
		return pgx.Connect(ctx, shared.pg.DSN(database))
	}
	g.grants.tells = make(chan int64, 10)
	var holding atomic.Bool
	g.policy.decide = func([]hoop.Use) hoop.Decision {
		d := hoop.Decision{Action: hoop.Allow, Rule: "test", Policy: "test"}
		if holding.Load() {
			d.Action = hoop.Approve
			d.Approval = &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1, Timeout: hoop.Duration(2 * time.Minute)}
		}
		return d
	}
	c := g.connect()
	facts := func(t *testing.T, sql string, args ...any) (hoop.Request, hoop.Facts) {
		t.Helper()
		holding.Store(true)
		defer holding.Store(false)
		return g.facts(t, c, sql, args...)
	}

	t.Run("rows, protected columns, session", func(t *testing.T) {
		if _, err := c.Exec(t.Context(), "select id from people where id < 4"); err != nil {
			t.Fatal(err)
		}
		r, f := facts(t, "DELETE FROM people WHERE state = $1", "OR")
		if f.Estimate != (hoop.Estimate{Known: true, Rows: 100, What: "change"}) {
			t.Errorf("estimate %+v", f.Estimate)
		}
		if len(f.Protected) != 1 || f.Protected[0].String() != "public.people.ssn" {
			t.Errorf("protected %v", f.Protected)
		}
		if f.Transaction != "none is open" || f.Session.Statements == 0 || f.Session.Rows != 3 {
			t.Errorf("facts %+v", f)
		}
		if len(r.Writing) != 1 || !r.Writing[0].Known || len(r.Writing[0].Params) != 1 || !r.Writing[0].Params[0].Known {
			t.Errorf("writing %+v", r.Writing)
		}
	})
	t.Run("a plan that comes back", func(t *testing.T) {
		_, f := facts(t, "SELECT id FROM people WHERE state = 'NY' AND ssn > '' ORDER BY ssn", pgx.QueryExecModeSimpleProtocol)
		if !f.Estimate.Known || f.Estimate.What != "come back" || f.Estimate.Rows < 800 {
			t.Errorf("estimate %+v", f.Estimate)
		}
	})
	t.Run("locks and transaction", func(t *testing.T) {
		tx, err := c.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "SELECT id FROM people WHERE id = 1 FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		_, f := facts(t, "DELETE FROM people")
		if !slices.Contains(f.Locks.Held, hoop.Lock{On: "public.people", Mode: "RowShareLock"}) || f.Locks.Why != "" || f.Locks.Blocked != 0 {
			t.Errorf("locks %+v", f.Locks)
		}
		if !strings.Contains(f.Transaction, "keeps its locks") {
			t.Errorf("transaction %q", f.Transaction)
		}
		check(t, tx.Rollback(t.Context()))
	})
	t.Run("a lock in the way", func(t *testing.T) {
		other := g.direct()
		if _, err := other.Exec(t.Context(), "begin; lock table people"); err != nil {
			t.Fatal(err)
		}
		_, f := facts(t, "DELETE FROM people")
		if f.Estimate.Known || !strings.Contains(f.Estimate.Why, "lock was in the way") {
			t.Errorf("estimate %+v", f.Estimate)
		}
		if _, err := other.Exec(t.Context(), "rollback"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("EXECUTE, COPY, DECLARE, CREATE TABLE AS and EXPLAIN ANALYZE", func(t *testing.T) {
		for _, sql := range []string{
			"PREPARE gone (text) AS DELETE /* the query */ FROM people WHERE state = $1;",
			"prepare \"A name\" as select id from people where state = $1",
		} {
			if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Prepare(t.Context(), "wired", "DELETE FROM people WHERE id < $1::bigint AND state = $2"); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			sql  string
			what string
			rows int64
		}{
			{"EXECUTE gone('OR')", "change", 100},
			{"EXECUTE gone(upper('ny'))", "change", 900},
			{"EXECUTE gone(NULL);", "change", 0},
			{"execute \"A name\" ('OR') -- a word", "come back", 100},
			{"EXECUTE wired(101, 'NY')", "change", 90}, // by itself 0; the planner knows no better
			{"CREATE TEMP TABLE copied AS EXECUTE gone('OR')", "", 0},
			{"CREATE TEMP TABLE copied AS EXECUTE \"A name\" ('OR')", "be stored", 100},
			{"CREATE TABLE copied (\"select\") AS /* select */ SELECT id FROM people WHERE state = 'OR' WITH DATA", "be stored", 100},
			{"EXPLAIN ANALYZE EXECUTE gone('OR')", "change", 100},
			{"EXPLAIN (ANALYZE, COSTS off) DELETE FROM people", "change", 1000},
			{"EXPLAIN ANALYZE SELECT id FROM people", "be read", 1000},
			{"DECLARE cur CURSOR WITH HOLD FOR SELECT id FROM people WHERE state = 'OR'", "come back", 100},
			{"COPY (SELECT id FROM people WHERE state IN ('OR', ')')) TO STDOUT (FORMAT csv)", "come back", 100},
			{"COPY people (id) TO STDOUT", "come back", 1000},
			{"COPY (DELETE FROM people WHERE state = 'OR' RETURNING id) TO STDOUT", "change", 100},
		} {
			r, f := facts(t, tt.sql, pgx.QueryExecModeSimpleProtocol)
			if want := (hoop.Estimate{Known: tt.what != "", Rows: tt.rows, What: tt.what}); tt.what != "" && f.Estimate != want {
				t.Errorf("%s: %+v", tt.sql, f.Estimate)
			}
			if strings.Contains(strings.ToUpper(tt.sql), "EXECUTE") && len(r.Executes) != 1 {
				t.Errorf("%s: executes %q", tt.sql, r.Executes)
			}
		}
		if _, err := c.Exec(t.Context(), "DEALLOCATE ALL", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("bound in the protocol", func(t *testing.T) {
		var domain uint32
		check(t, g.direct().QueryRow(t.Context(), "select 'checked'::regtype::oid").Scan(&domain))
		for _, tt := range []struct {
			oid  uint32
			want string
		}{{25, "about 100 would change"}, {0, "about 100 would change"}, {domain, "not estimated: a parameter has a user's type"}} {
			_, f := g.held(t, func() error {
				holding.Store(true)
				defer holding.Store(false)
				return c.PgConn().ExecParams(context.Background(), "DELETE FROM people WHERE state = $1", [][]byte{[]byte("OR")}, []uint32{tt.oid}, nil, nil).Read().Err
			})
			if got := f.Estimate.String(); got != tt.want {
				t.Errorf("type %d: %s", tt.oid, got)
			}
		}
	})
	if _, err := c.Exec(t.Context(), "PREPARE given (text) AS DELETE FROM people WHERE state = $1", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	// Nothing of users runs because somebody wants to know: planning alone would run side.
	for _, sql := range []string{
		"DELETE FROM people WHERE ssn = side('x')",
		"DELETE FROM people WHERE id IN (SELECT id FROM seen)",
		"EXPLAIN DELETE FROM people",
		"DELETE FROM people; DELETE FROM ran",
		"DELETE FROM people WHERE random() < 2",
		"TRUNCATE people",
		"PREPARE runs (text) AS DELETE FROM people WHERE ssn = side($1)",
		"EXECUTE given(side('x'))",
		"EXECUTE given('x'::checked)",
		"EXECUTE given(1) ; SELECT 1",
		"CREATE TABLE copied AS SELECT id FROM seen",
		"COPY (SELECT id FROM seen) TO STDOUT",
		"EXPLAIN ANALYZE SELECT id FROM people WHERE ssn = side('x')",
		"SELECT id FROM people WHERE ssn < (table_to_xml('seen', true, true, '')::text)",
		"SELECT id FROM people WHERE ssn < domain_in('x', 'checked'::regtype, -1)::text",
	} {
		t.Run(sql, func(t *testing.T) {
			_, f := facts(t, sql, pgx.QueryExecModeSimpleProtocol)
			if f.Estimate.Known || f.Estimate.Why == "" || f.Estimate.Why == unasked || strings.Contains(f.Estimate.Why, "SQLSTATE") { // it was not asked
				t.Errorf("estimate %+v", f.Estimate)
			}
		})
	}
	t.Run("no connection", func(t *testing.T) {
		own := g.proxy.cfg.Own
		defer func() { g.proxy.cfg.Own = own }()
		g.proxy.cfg.Own = func(context.Context, hoop.Target, string) (*pgx.Conn, error) {
			return nil, hoop.Errorf(hoop.CodeUnavailable, "no")
		}
		_, f := facts(t, "DELETE FROM people")
		if f.Estimate.Known || f.Estimate.Why != unasked || f.Locks.Why != unasked {
			t.Errorf("facts %+v", f)
		}
	})
	if _, err := c.Exec(t.Context(), "CREATE TEMP TABLE people AS SELECT id, ssn AS state FROM public.people"); err != nil {
		t.Fatal(err)
	}
	t.Run("a session with objects of its own", func(t *testing.T) {
		r, f := facts(t, "DELETE FROM people WHERE state = 'x1'", pgx.QueryExecModeSimpleProtocol)
		if f.Estimate.Known || !strings.Contains(f.Estimate.Why, "several schemas") {
			t.Errorf("estimate %+v", f.Estimate)
		}
		if w := r.Writing[0]; len(w.Places) != 1 || w.Places[0].Purpose.Known {
			t.Errorf("what state holds came from ssn: %+v", w)
		}
	})
	check(t, c.Close(t.Context()))
	check(t, g.ended())
	var n int
	check(t, g.direct().QueryRow(t.Context(), "select count(*) from ran").Scan(&n))
	if n != 0 {
		t.Errorf("a function of a user ran %d times", n)
	}
	check(t, g.direct().QueryRow(t.Context(), "select count(*) from people").Scan(&n))
	if n != 1000 {
		t.Errorf("%d rows are left", n)
	}
}
