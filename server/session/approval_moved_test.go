package session_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// movable has code that finds its tables by their names.
const movable = counted + `
	INSERT INTO allowed VALUES (0);
	CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE true; RETURN 1; END'`

// A view of the session's own that has a table's name stands before it. What is done to
// the name may reach any table, so people are told, and rules for other tables count.
func TestApproval_ViewsOfTheSessionStandBeforeTables(t *testing.T) {
	const guarded = `
---
kind: StatementRule
name: nobody-writes-allowed
spec: {targets: [pg-prod], groups: ["*"], effects: [read, write, unbounded-write], tables: [public.allowed], decision: deny}
`
	a := startApprovals(t, servertest.Options{Setup: movable})
	simple := func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }
	conn := open(t, a.Gateway, simple)
	run(t, conn, "CREATE TEMP VIEW hits AS SELECT n FROM allowed")
	done := exec(conn, hit)
	held := a.pending(1)[0]
	if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool {
		return u.Effect == hoop.EffectUnboundedWrite && slices.Contains(u.Tables, "*") && strings.Contains(u.Why, "view of its own")
	}) {
		t.Errorf("nothing is said of the view: %+v", held.Effects)
	}
	a.decide(held.ID, false)
	if err := <-done; state(err) != "42501" {
		t.Error(err)
	}
	run(t, conn, "DISCARD TEMP")
	done = exec(conn, hit)
	if held = a.pending(1)[0]; slices.ContainsFunc(held.Effects, func(u hoop.Use) bool { return slices.Contains(u.Tables, "*") }) {
		t.Errorf("the view is gone: %+v", held.Effects)
	}
	a.decide(held.ID, false)
	<-done

	a.Reload(servertest.Resources+guarded, "")
	for _, sqls := range [][]string{
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed", "PREPARE p AS UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"PREPARE p AS UPDATE hits SET n = n + 1 WHERE n < 1000", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "EXECUTE p"},
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed; UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"CREATE VIEW pg_temp.hits AS SELECT n FROM allowed", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
		{"CREATE TEMP VIEW hits AS SELECT n FROM allowed", "BEGIN", "ROLLBACK", "DISCARD ALL", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
	} {
		conn := open(t, a.Gateway, simple)
		var last error
		for _, sql := range sqls {
			_, last = conn.Exec(t.Context(), sql)
		}
		if state(last) != "42501" {
			t.Errorf("%s: %v", sqls, last)
		}
	}
	if n := a.Count("SELECT sum(n) FROM allowed"); n != 0 {
		t.Errorf("the table that nobody may write has %d", n)
	}
}

// Who agreed to a cursor over code agreed to what that code found when it was declared.
// Where a name may stand for something else since, going on is asked about.
func TestApproval_CursorsGoOnAsTheyWere(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable})
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	for _, change := range []string{
		"SET search_path = other", "SET LOCAL search_path = other", "SELECT set_config('search_path', 'other', true)",
		"CREATE TEMP TABLE hits (n int)", "CREATE TEMP VIEW hits AS SELECT n FROM allowed", "SET app.tenant = '2'",
	} {
		run(t, conn, "BEGIN")
		done := exec(conn, "DECLARE c CURSOR FOR SELECT bump() FROM generate_series(1, 3)")
		a.decide(a.pending(1)[0].ID, true)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		run(t, conn, "FETCH 1 FROM c")
		run(t, conn, change)
		done = exec(conn, "FETCH ALL FROM c")
		a.decide(a.pending(1)[0].ID, false)
		if err := <-done; state(err) != "42501" {
			t.Errorf("%s: %v", change, err)
		}
		run(t, conn, "ROLLBACK")
	}
	if n, m := a.hits(), a.Count("SELECT sum(n) FROM allowed"); n != 0 || m != 0 {
		t.Errorf("%d and %d", n, m)
	}
}

// The same of a portal, that was approved at Bind and is executed later.
func TestApproval_PortalsRunAsTheyWereBound(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable})
	l := dial(t, a)
	const call = "SELECT bump() FROM generate_series(1, 3)"
	for _, change := range []string{"SET search_path = other", "CREATE TEMP VIEW hits AS SELECT n FROM allowed"} {
		for _, rows := range []uint32{0, 1} { // 1: executed once before, and suspended
			l.send(&pgproto3.Query{String: "BEGIN"})
			l.until(ready)
			l.send(&pgproto3.Parse{Query: call}, &pgproto3.Bind{DestinationPortal: "p"})
			if rows > 0 {
				l.send(&pgproto3.Execute{Portal: "p", MaxRows: rows})
			}
			l.send(&pgproto3.Sync{})
			l.until(notice)
			a.decide(a.pending(1)[0].ID, true)
			l.until(ready)
			l.send(&pgproto3.Query{String: change})
			l.until(ready)
			l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
			if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
				t.Errorf("%s: %v", change, seen)
			}
			l.send(&pgproto3.Query{String: "ROLLBACK"})
			l.until(ready)
		}
	}
	// In one pipeline: bound, approved, and then the path before it is executed.
	l.send(&pgproto3.Parse{Query: call}, &pgproto3.Bind{DestinationPortal: "p"})
	l.send(pipelined("SET search_path = other")...)
	l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	if seen := l.until(ready); !slices.Equal(seen, []string{"SET", "42501"}) {
		t.Errorf("in a pipeline: %v", seen)
	}
	if n, m := a.hits(), a.Count("SELECT sum(n) FROM allowed"); n != 0 || m != 0 {
		t.Errorf("%d and %d", n, m)
	}
}
