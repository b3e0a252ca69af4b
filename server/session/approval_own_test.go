package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// No catalog shows what is in pg_temp. Who agrees to a view, a check, a trigger or a type of
// the session's own over code agrees to its making: what runs that code later is asked
// about, until the session's own objects are gone.
func TestApproval_CodeInObjectsOfTheSessionsOwn(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable + `;
		CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.allowed';
		CREATE TABLE filled (a int, b int DEFAULT bump());
		CREATE FUNCTION same(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.bump(); RETURN $1; END';
		CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.bump(); RETURN NEW; END'`})
	simple := func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }
	for name, tt := range map[string]struct{ before, makes, uses string }{
		"a view":               {"", "CREATE TEMP VIEW v AS SELECT bump()", "SELECT * FROM v"},
		"a view by its schema": {"", "CREATE VIEW pg_temp.v AS SELECT bump()", "SELECT * FROM v"},
		"a view by the path":   {"SET search_path = pg_temp, public", "CREATE VIEW v AS SELECT bump()", "SELECT * FROM v"},
		"a default":            {"", "CREATE TEMP TABLE x (a int, b int DEFAULT bump())", "INSERT INTO x VALUES (1)"},
		"a later default":      {"CREATE TEMP TABLE x (a int, b int)", "ALTER TABLE x ALTER b SET DEFAULT bump()", "INSERT INTO x VALUES (1)"},
		"a check":              {"", "CREATE TEMP TABLE x (a int CHECK (bump() > 0))", "INSERT INTO x VALUES (1)"},
		"a default by LIKE":    {"", "CREATE TEMP TABLE x (LIKE filled INCLUDING ALL)", "INSERT INTO x VALUES (1)"},
		"a trigger":            {"CREATE TEMP TABLE x (a int)", "CREATE TRIGGER t AFTER INSERT ON x FOR EACH ROW EXECUTE FUNCTION fires()", "INSERT INTO x VALUES (1)"},
		"a rule":               {"CREATE TEMP TABLE x (a int)", "CREATE RULE r AS ON INSERT TO x DO ALSO UPDATE hits SET n = n + 1", "INSERT INTO x VALUES (1)"},
		"a type":               {"", "CREATE DOMAIN pg_temp.d AS int CHECK (bump() > 0)", "SELECT 1::d"},
		"a type by the path":   {"SET search_path = pg_temp, public", "CREATE DOMAIN d AS int CHECK (bump() > 0)", "SELECT 1::d"},
		"an operator":          {"", "CREATE OPERATOR pg_temp.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)", "SELECT 1 OPERATOR(pg_temp.===) 1"},
		"an index":             {"CREATE TEMP TABLE x (a int)", "CREATE INDEX ON x (same(a))", "INSERT INTO x VALUES (1)"},
		"an index of some":     {"CREATE TEMP TABLE x (a int)", "CREATE INDEX ON x (a) WHERE same(a) > 0", "INSERT INTO x VALUES (1)"},
		"a later check":        {"", "CREATE DOMAIN pg_temp.d AS int\nALTER DOMAIN d ADD CHECK (bump() > 0)", "SELECT 1::d"},
		"a cast": {"", "CREATE TYPE pg_temp.e AS ENUM ('a')\nCREATE FUNCTION pg_temp.f(e) RETURNS int LANGUAGE sql AS 'SELECT public.bump()'\n" +
			"CREATE CAST (e AS int) WITH FUNCTION pg_temp.f(e)", "SELECT 'a'::e::int"},
		"a view by code":                 {"", "DO $$ BEGIN CREATE TEMP VIEW v AS SELECT bump(); END $$", "SELECT * FROM v"},
		"a view by code, for a table":    {"", "DO $$ BEGIN CREATE TEMP VIEW hits AS SELECT n FROM allowed; END $$", "UPDATE hits SET n = n + 1 WHERE n < 1000"},
		"a type by code":                 {"", "DO $$ BEGIN CREATE DOMAIN pg_temp.d AS int CHECK (bump() > 0); END $$", "SELECT 1::d"},
		"a default by code made by code": {"", "DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE x (a int, b int DEFAULT bump())'; END $$", "INSERT INTO x VALUES (1)"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			conn := open(t, a.Gateway, simple)
			if tt.before != "" {
				run(t, conn, tt.before)
			}
			makes := strings.Split(tt.makes, "\n")
			a.runs(conn, makes, slices.Repeat([]bool{true}, len(makes)))
			for range 2 {
				a.refuses(conn, tt.uses)
			}
			run(t, conn, "DISCARD TEMP")
			run(t, conn, "SELECT 1")
			a.anew("SELECT 1")
		})
	}
	if n := a.hits(); n != 0 {
		t.Errorf("code ran %d times", n)
	}

	// What only reads is nobody's business, and of what runs once nothing stays.
	a.t = t
	conn := open(t, a.Gateway, simple)
	for _, sql := range []string{
		"CREATE TEMP TABLE x AS SELECT peek()", "CREATE TEMP TABLE y (a int, b bigint DEFAULT peek())", "CREATE TEMP VIEW v AS SELECT peek()",
		"INSERT INTO y VALUES (1)", "SELECT * FROM v, x, y", "INSERT INTO allowed VALUES (0)", "DISCARD ALL",
	} {
		run(t, conn, sql)
	}
	a.runs(conn, []string{"CREATE TEMP TABLE z AS SELECT bump()", "SELECT * FROM z", "CREATE VIEW shown AS SELECT bump()", "SELECT 1"}, []bool{true, false, true, false})
	a.runs(conn, []string{"DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE made (n int)'; END $$", "INSERT INTO made VALUES (1)", "UPDATE allowed SET n = 0 WHERE n = 0"}, []bool{true, false, false})
	a.runs(conn, []string{"BEGIN", "DO $$ BEGIN EXECUTE 'CREATE TEMP VIEW made2 AS SELECT 1'; END $$", "ROLLBACK", "SELECT 1"}, []bool{false, true, false, false})

	// A portal that was bound before is not executed.
	l := dial(t, a)
	for _, sql := range []string{"CREATE TEMP TABLE x (a int)", "BEGIN"} {
		l.send(&pgproto3.Query{String: sql})
		l.until(ready)
	}
	l.send(&pgproto3.Parse{Query: "INSERT INTO x VALUES (1)"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{})
	l.until(ready)
	l.send(&pgproto3.Query{String: "ALTER TABLE x ADD CHECK (bump() > 0)"})
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	l.until(ready)
	l.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	if seen := l.until(ready); len(seen) != 1 || seen[0] != "34000" {
		t.Errorf("a portal bound before: %v", seen)
	}

	// Nor does the target read what follows otherwise than it was judged.
	l = dial(t, a)
	before := a.hits()
	l.send(slices.Concat(pipelined("DO $$ BEGIN SET standard_conforming_strings = off; END $$"), pipelined(`SELECT concat('a\', ' , bump()) --')`), []pgproto3.FrontendMessage{&pgproto3.Sync{}})...)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	if seen := l.until(ready); !slices.Equal(seen, []string{"DO", "SELECT 1"}) {
		t.Errorf("behind another setting: %v", seen)
	}
	if n := a.hits() - before; n != 0 {
		t.Errorf("code ran %d times", n)
	}
}

// refuses has conn run a text, which is asked about and denied.
func (a *approvals) refuses(conn *pgx.Conn, sql string) {
	a.t.Helper()
	done := exec(conn, sql)
	a.decide(a.pending(1)[0].ID, false)
	if err := <-done; state(err) != "42501" {
		a.t.Errorf("%s: %v", sql, err)
	}
}

// What a table is made of gives its columns types, and these their checks.
func TestApproval_TypesOfNewTables(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable + `;
		CREATE DOMAIN checked AS int CHECK (bump() > 0);
		CREATE TABLE typed (a int, b checked);
		CREATE TYPE pair AS (a int, b checked);
		CREATE TABLE plain (a int, b int)`})
	simple := func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }
	for _, begin := range []string{"SELECT 1", "BEGIN; SELECT 1"} {
		for _, makes := range []string{
			"CREATE %s TABLE x AS SELECT * FROM typed", "SELECT * INTO %s x FROM typed", "CREATE %s TABLE x (LIKE typed)", "CREATE %s TABLE x () INHERITS (typed)", "CREATE %s TABLE x OF pair",
		} {
			temp := "TEMP"
			if begin != "SELECT 1" {
				temp = ""
			}
			conn := open(t, a.Gateway, simple)
			a.runs(conn, []string{begin, fmt.Sprintf(makes, temp)}, []bool{false, true})
			a.refuses(conn, "INSERT INTO x VALUES (1, 2)")
			run(t, conn, "ROLLBACK")
		}
	}
	conn := open(t, a.Gateway, simple)
	a.runs(conn, []string{"BEGIN", "CREATE TABLE x (LIKE plain)", "INSERT INTO x VALUES (1, 2)", "ROLLBACK"}, []bool{false, true, false, false})
	if n := a.hits(); n != 0 {
		t.Errorf("code ran %d times", n)
	}
}

// A setting that changes whenever a row is written, or a view read, would change what code
// that people agreed to finds, and nobody would see it.
func TestApproval_SettingsThatChangeUnseen(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable})
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	run(t, conn, "CREATE TEMP TABLE x (a int, b text)")
	for _, sql := range []string{
		"CREATE TEMP VIEW v AS SELECT set_config('search_path', 'other', false)",
		"CREATE TEMP TABLE y (a text DEFAULT set_config('search_path', 'other', false))",
		"CREATE TEMP TABLE y (a int CHECK (set_config('search_path', 'other', false) <> ''))",
		"ALTER TABLE x ALTER b SET DEFAULT set_config('search_path', 'other', false)",
		"CREATE TABLE y (a text DEFAULT set_config('search_path', 'other', false))",
		"CREATE DOMAIN d AS int CHECK (set_config('search_path', 'other', false) <> '')",
	} {
		if _, err := conn.Exec(t.Context(), sql); state(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"CREATE TEMP TABLE y AS SELECT set_config('app.tenant', '7', false)", "SELECT set_config('app.tenant', '7', false)"} {
		run(t, conn, sql)
	}
}

// PostgreSQL lets the owner drop what another session has made for itself, by the schema's
// own name: that is nobody's own.
func TestApproval_TemporaryObjectsOfOtherSessions(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, nil)
	run(t, conn, "CREATE TEMP TABLE mine (n int)")
	var schema string
	if err := conn.QueryRow(t.Context(), "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	a.refuses(open(t, a.Gateway, nil), "DROP TABLE "+schema+".mine")
	run(t, conn, "INSERT INTO mine VALUES (1)")
	run(t, conn, "DROP TABLE pg_temp.mine")
}
