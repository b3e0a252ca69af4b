package session_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// raced has tables whose triggers and functions others redefine while a statement waits.
const raced = movable + `;
	INSERT INTO other.hits VALUES (5);
	CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE SEQUENCE begun;
	SELECT nextval('begun');
	CREATE FUNCTION foreign_to_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''public.begun''); UPDATE public.allowed SET n = n + 1; RETURN NULL; END';
	CREATE TABLE owners (id int PRIMARY KEY);
	CREATE TABLE owned (o int REFERENCES owners ON DELETE CASCADE);
	CREATE TABLE parts (n int) PARTITION BY RANGE (n);
	CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE fired (n int);
	CREATE TRIGGER own BEFORE UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION own();
	CREATE VIEW shown AS SELECT n FROM hits;
	CREATE SCHEMA postgres;
	CREATE TABLE postgres.aside (n int);
	INSERT INTO postgres.aside VALUES (1);
	INSERT INTO owners VALUES (1);
	INSERT INTO owned VALUES (1);
	INSERT INTO parts VALUES (1);
	INSERT INTO fired VALUES (1);`

// past opens a connection to PostgreSQL itself.
func (a *approvals) past() *pgx.Conn {
	a.t.Helper()
	conn, err := pgx.Connect(a.t.Context(), a.PG.DSN("postgres"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// waits waits until the backend of that process waits for a lock. Others may too: the
// gateway plans and reads the catalog on connections of its own.
func (a *approvals) waits(pid uint32) {
	a.t.Helper()
	conn := a.past()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); ; {
		var waits bool
		if err := conn.QueryRow(a.t.Context(), "SELECT cardinality(pg_blocking_pids($1)) > 0", int32(pid)).Scan(&waits); err != nil {
			a.t.Fatal(err)
		}
		if waits {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			a.t.Fatalf("backend %d does not wait for a lock", pid)
		}
	}
}

// behind approves what the backend of that process is held with, and waits until it waits in
// the target for a transaction that has run lock, which it gives.
func (a *approvals) behind(pid uint32, held hoop.Request, lock string) *pgx.Conn {
	a.t.Helper()
	other := a.past()
	run(a.t, other, "BEGIN")
	run(a.t, other, lock)
	a.decide(held.ID, true)
	a.waits(pid)
	return other
}

// anew defines sql past the gateway and has that load the catalog, as after any approval.
// What is approved then is refused where the gateway did not know yet.
func (a *approvals) anew(sql string) {
	a.t.Helper()
	a.Direct(sql)
	done := exec(open(a.t, a.Gateway, nil), "UPDATE allowed SET n = n WHERE true")
	a.decide(a.pending(1)[0].ID, true)
	if err := <-done; err != nil && state(err) != "42501" {
		a.t.Errorf("after %s: %v", sql, err)
	}
}

// refusals counts the refusals on record of statements under another definition.
func (a *approvals) refusals() (n int) {
	for _, e := range events(a.t, a.Gateway) {
		if e.Type == hoop.EventStatement && e.Action == hoop.Deny && slices.Contains([]string{
			"the catalog changed before the statement ran, and with it what the statement does",
			"the catalog changed while the statement ran, and with it perhaps what it did: its transaction is rolled back",
		}, e.Reason) {
			n++
		}
	}
	return n
}

// What somebody changes past the gateway and has not committed yet makes an approved
// statement wait in the target. When that is committed, it does not go on under the new
// definition: either it has not begun, or what it did is rolled back. Both are on record.
func TestApproval_DefinitionsOfOthersUnderWay(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: raced})
	const own, bump = "CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"CREATE OR REPLACE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.hits SET n = n + 1 WHERE true; RETURN 1; END'"
	writes := strings.NewReplacer("hits", "allowed", "BEGIN RETURN", "BEGIN UPDATE public.allowed SET n = n + 1 WHERE true; RETURN")
	const everything = "SELECT (SELECT sum(n) FROM public.hits) + (SELECT sum(n) FROM fired) + (SELECT count(*) FROM owners) + (SELECT sum(n) FROM parts)"
	for _, tt := range []struct {
		what, sql string
		lock      string // what another transaction does before the approval, and commits while the statement waits
		meanwhile string // what a third commits before that; "" for nothing
		undo      string
		begun     int64 // how often what others defined has begun by then: where its lock is taken when it runs, not at Bind
	}{
		{"a trigger", hit, "CREATE TRIGGER noise AFTER UPDATE ON hits EXECUTE FUNCTION foreign_to_it()", "", "DROP TRIGGER noise ON hits", 0},
		{"a trigger behind a view", "UPDATE shown SET n = n + 1 WHERE true", "CREATE TRIGGER noise AFTER UPDATE ON hits EXECUTE FUNCTION foreign_to_it()", "", "DROP TRIGGER noise ON hits", 0},
		{"a view", "UPDATE allowed SET n = allowed.n + 1000 FROM shown WHERE true", "LOCK TABLE allowed IN EXCLUSIVE MODE", "CREATE OR REPLACE VIEW shown AS SELECT n FROM other.hits", "CREATE OR REPLACE VIEW shown AS SELECT n FROM hits", 0},
		{"a trigger of a partition", "UPDATE parts SET n = n + 1 WHERE true", "CREATE TRIGGER noise AFTER UPDATE ON part FOR EACH ROW EXECUTE FUNCTION foreign_to_it()", "", "DROP TRIGGER noise ON part", 0},
		{"a trigger of a table that a cascade reaches", "DELETE FROM owners WHERE true", "CREATE TRIGGER noise AFTER DELETE ON owned EXECUTE FUNCTION foreign_to_it()", "", "DROP TRIGGER noise ON owned", 1},
		{"a trigger of TRUNCATE", "TRUNCATE hits", "CREATE TRIGGER noise AFTER TRUNCATE ON hits EXECUTE FUNCTION foreign_to_it()", "", "DROP TRIGGER noise ON hits", 1},
		{"a function, while a row is locked", "UPDATE fired SET n = n + 1 WHERE true", "UPDATE fired SET n = n", writes.Replace(own), own, 0},
		{"a function that the text calls", "SELECT bump(), n FROM fired FOR UPDATE", "UPDATE fired SET n = n", writes.Replace(bump), bump, 0},
		// What has the same effects and tables is told by its words alone, at Bind and behind it.
		{"a function that computes", "UPDATE hits SET n = n + step() WHERE true", "LOCK TABLE hits IN EXCLUSIVE MODE", "CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1000'", "CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'", 0},
		{"a trigger that computes, while a row is locked", "UPDATE fired SET n = n + 1 WHERE true", "UPDATE fired SET n = n", strings.Replace(own, "BEGIN", "BEGIN NEW.n := 1000;", 1), own, 0},
		// And what is defined as it was, by its effects: the name is another table's.
		{"a table before it in the search_path", hit, "LOCK TABLE hits IN EXCLUSIVE MODE", "ALTER TABLE postgres.aside RENAME TO hits", "ALTER TABLE postgres.hits RENAME TO aside", 0},
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
			for _, within := range []bool{false, true} {
				name := tt.what + ", " + mode.String()
				if within {
					name += ", in a transaction"
				}
				t.Run(name, func(t *testing.T) {
					a.t = t
					before := a.refusals()
					conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
					if mode == pgx.QueryExecModeCacheStatement { // before BEGIN: Parse takes locks, which a transaction keeps
						if _, err := conn.Prepare(t.Context(), tt.sql, tt.sql); err != nil {
							t.Fatal(err)
						}
					}
					if within {
						run(t, conn, "BEGIN")
					}
					stood, begun := a.Count(everything), a.Count("SELECT last_value FROM begun")
					done := query(conn, tt.sql)
					held := a.pending(1)[0]
					other := a.behind(conn.PgConn().PID(), held, tt.lock)
					if tt.meanwhile != "" {
						a.Direct(tt.meanwhile)
					}
					run(t, other, "COMMIT")
					if err := <-done; state(err) != "42501" {
						t.Errorf("it went on: %v", err)
					}
					if within {
						if tag, err := conn.Exec(t.Context(), "COMMIT"); err != nil || tag.String() != "ROLLBACK" {
							t.Errorf("COMMIT of its transaction: %s, %v", tag, err)
						}
					}
					if n := a.Count(everything); n != stood {
						t.Errorf("it left %d, want %d", n, stood)
					}
					if n := a.Count("SELECT sum(n) FROM allowed"); n != 0 {
						t.Errorf("what others defined has run %d times", n)
					}
					if n := a.Count("SELECT last_value FROM begun") - begun; n != tt.begun {
						t.Errorf("what others defined has begun %d times, want %d", n, tt.begun)
					}
					if n := a.refusals(); n != before+1 {
						t.Errorf("%d refusals on record, want one more than %d", n, before)
					}
					a.anew(tt.undo)
				})
			}
		}
	}
}

// Where they take it back, and where nobody changes anything, it runs as it was approved; a
// cancel while it waits ends it.
func TestApproval_DefinitionsOfOthersTakenBack(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: raced})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
		for _, cancel := range []bool{false, true} {
			conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
			before := a.hits()
			done := query(conn, hit)
			other := a.behind(conn.PgConn().PID(), a.pending(1)[0], "CREATE TRIGGER noise AFTER UPDATE ON hits EXECUTE FUNCTION foreign_to_it()")
			want, ran := "", int64(1)
			if cancel {
				want, ran = "57014", 0
				if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := <-done; state(err) != want {
					t.Errorf("%s, cancelled: %v", mode, err)
				}
			}
			run(t, other, "ROLLBACK")
			if !cancel {
				if err := <-done; err != nil {
					t.Errorf("%s: %v", mode, err)
				}
			}
			if n := a.hits() - before; n != ran {
				t.Errorf("%s, cancelled %v: it ran %d times", mode, cancel, n)
			}
			run(t, conn, "SELECT 1")
		}
	}
}

// A portal that was approved at Bind is executed as the functions were then, in portions
// too.
func TestApproval_PortalsOfFunctionsRedefined(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: raced})
	const remade = "CREATE OR REPLACE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE allowed SET n = n + 1 WHERE true; RETURN 1; END'"
	const again = "CREATE OR REPLACE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE true; RETURN 1; END'"
	for _, rows := range []uint32{0, 1} { // 1: executed once before, and suspended
		before := a.refusals()
		l := dial(t, a)
		l.send(&pgproto3.Query{String: "BEGIN"})
		l.until(ready)
		l.send(&pgproto3.Parse{Query: "SELECT bump() FROM generate_series(1, 3)"}, &pgproto3.Bind{DestinationPortal: "p"})
		if rows > 0 {
			l.send(&pgproto3.Execute{Portal: "p", MaxRows: rows})
		}
		l.send(&pgproto3.Sync{})
		l.until(notice)
		a.decide(a.pending(1)[0].ID, true)
		l.until(ready)
		a.Direct(remade)
		l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
		if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
			t.Errorf("%d rows before: %v", rows, seen)
		}
		l.send(&pgproto3.Query{String: "COMMIT"})
		if seen := l.until(ready); !slices.Equal(seen, []string{"ROLLBACK"}) {
			t.Errorf("%d rows before: COMMIT is %v", rows, seen)
		}
		if n := a.refusals(); n != before+1 {
			t.Errorf("%d refusals on record, want one more than %d", n, before)
		}
		a.anew(again)
	}
	if n, m := a.hits(), a.Count("SELECT sum(n) FROM allowed"); n != 5 || m != 0 {
		t.Errorf("%d and %d", n, m)
	}
}

// A portal with writes that nobody was asked about is not executed once its triggers do
// what people would be asked about and the gateway knows; where they are as they were, it is.
func TestApproval_PortalsThatNobodyWasAskedAbout(t *testing.T) {
	const remade = "CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1 WHERE true; RETURN NEW; END'"
	a := startApprovals(t, servertest.Options{Setup: raced})
	for _, redefined := range []bool{false, true} {
		before := a.hits()
		l := dial(t, a)
		l.send(&pgproto3.Query{String: "BEGIN"})
		l.until(ready)
		l.send(&pgproto3.Parse{Query: "UPDATE fired SET n = 2 WHERE n = 1"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{})
		l.until(ready)
		want := []string{"UPDATE 1"}
		if redefined {
			a.anew(remade)
			want = []string{"42501"}
		}
		refused := a.refusals()
		l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
		if seen := l.until(ready); !slices.Equal(seen, want) {
			t.Errorf("redefined %v: %v, want %v", redefined, seen, want)
		}
		if n := a.hits() - before; n != 0 {
			t.Errorf("redefined %v: it ran %d times", redefined, n)
		}
		if n := a.refusals() - refused; (n == 1) != redefined {
			t.Errorf("redefined %v: %d refusals on record", redefined, n)
		}
		l.send(&pgproto3.Query{String: "ROLLBACK"})
		l.until(ready)
	}
}

// A transaction that was prepared takes what was approved in it along, once; ending it is
// asked about in whatever session. Nothing that waits or was bound in it can follow it.
func TestApproval_TwoPhase(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: raced})
	simple := func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }
	asked := func(conn *pgx.Conn, sql string, approve bool) {
		t.Helper()
		done := exec(conn, sql)
		held := a.pending(1)[0]
		a.decide(held.ID, approve)
		if err := <-done; (err == nil) != approve {
			t.Errorf("%s: %v", sql, err)
		}
		a.tooLate(held.ID)
	}
	before := a.hits()
	one, two := open(t, a.Gateway, simple), open(t, a.Gateway, simple)
	for i, end := range []string{"ROLLBACK PREPARED 'kept'", "COMMIT PREPARED 'kept'"} {
		run(t, one, "BEGIN")
		asked(one, hit, true)
		run(t, one, "PREPARE TRANSACTION 'kept'")
		asked(two, end, false)
		asked(one, end, false)
		if n := a.hits() - before; n != 0 {
			t.Errorf("before %s: %d", end, n)
		}
		asked(two, end, true)
		if n := a.hits() - before; n != int64(i) {
			t.Errorf("after %s: %d", end, n)
		}
	}

	// A portal is of its transaction.
	l := dial(t, a)
	before = a.hits()
	l.send(&pgproto3.Query{String: "BEGIN"})
	l.until(ready)
	l.send(&pgproto3.Parse{Query: hit}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{})
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	l.until(ready)
	l.send(&pgproto3.Query{String: "PREPARE TRANSACTION 'bound'"})
	l.until(ready)
	l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	if seen := l.until(ready); !slices.Equal(seen, []string{"34000"}) {
		t.Errorf("executed in no transaction: %v", seen)
	}
	a.Direct("ROLLBACK PREPARED 'bound'")

	// So is a lock, that another transaction keeps while it is prepared.
	refused := a.refusals()
	done := exec(one, hit)
	held := a.pending(1)[0]
	for other, sqls := a.past(), []string{
		"BEGIN", "CREATE TRIGGER noise AFTER UPDATE ON hits EXECUTE FUNCTION foreign_to_it()", "PREPARE TRANSACTION 'trigger'",
	}; len(sqls) > 0; sqls = sqls[1:] {
		run(t, other, sqls[0])
	}
	a.decide(held.ID, true)
	a.waits(one.PgConn().PID())
	a.Direct("COMMIT PREPARED 'trigger'")
	if err := <-done; state(err) != "42501" {
		t.Errorf("it went on: %v", err)
	}
	if n, m := a.hits()-before, a.Count("SELECT sum(n) FROM allowed"); n != 0 || m != 0 || a.refusals() != refused+1 {
		t.Errorf("%d and %d", n, m)
	}
}

// What ROLLBACK TO SAVEPOINT makes of names: cursors that were declared behind the savepoint
// are gone, those that were closed behind it stay closed, and prepared statements stay as
// they are. What a name stands for is asked about each time, and nothing else runs.
func TestApproval_NamesBehindSavepoints(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: raced})
	const (
		code  = " CURSOR FOR SELECT bump() FROM generate_series(1, 3)"
		plain = " CURSOR FOR SELECT n FROM allowed"
	)
	for name, tt := range map[string]struct {
		texts []string
		asked []bool // whether each is asked about, and approved
		last  string
		held  bool   // the last is asked about, and denied
		state string // of the last
	}{
		"declared behind it":         {[]string{"SAVEPOINT s", "DECLARE c" + code, "ROLLBACK TO s"}, []bool{false, true, false}, "FETCH ALL FROM c", true, "42501"},
		"declared anew after it":     {[]string{"SAVEPOINT s", "DECLARE c" + plain, "ROLLBACK TO s", "DECLARE c" + code}, []bool{false, false, false, true}, "FETCH 1 FROM c", false, ""},
		"closed behind it":           {[]string{"DECLARE c" + code, "SAVEPOINT s", "CLOSE c", "ROLLBACK TO s"}, []bool{true, false, false, false}, "FETCH ALL FROM c", false, "34000"},
		"closed and made anew":       {[]string{"DECLARE c" + plain, "SAVEPOINT s", "CLOSE c", "DECLARE c" + code, "ROLLBACK TO s"}, []bool{false, false, false, true, false}, "FETCH ALL FROM c", true, "42501"},
		"prepared behind it":         {[]string{"SAVEPOINT s", "PREPARE p AS SELECT n FROM allowed", "ROLLBACK TO s"}, []bool{false, false, false}, "EXECUTE p", false, ""},
		"prepared and replaced":      {[]string{"PREPARE p AS SELECT n FROM allowed", "SAVEPOINT s", "DEALLOCATE p", "PREPARE p AS " + hit, "ROLLBACK TO s"}, []bool{false, false, false, true, false}, "EXECUTE p", true, "42501"},
		"deallocated behind it":      {[]string{"PREPARE p AS " + hit, "SAVEPOINT s", "DEALLOCATE p", "ROLLBACK TO s"}, []bool{true, false, false, false}, "EXECUTE p", false, "26000"},
		"replaced after an approval": {[]string{"PREPARE p AS " + hit, "SAVEPOINT s", "DEALLOCATE p", "PREPARE p AS " + thousand, "ROLLBACK TO s"}, []bool{true, false, false, true, false}, "EXECUTE p", true, "42501"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			before := a.hits()
			conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
			run(t, conn, "BEGIN")
			a.runs(conn, tt.texts, tt.asked)
			done := exec(conn, tt.last)
			if tt.held {
				a.decide(a.pending(1)[0].ID, false)
			}
			if err := <-done; state(err) != tt.state {
				t.Errorf("%s: %v", tt.last, err)
			}
			run(t, conn, "ROLLBACK")
			if n := a.hits() - before; n != 0 {
				t.Errorf("%d", n)
			}
		})
	}
}
