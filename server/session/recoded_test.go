package session_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/server/servertest"
)

const recodable = `
	DROP SCHEMA IF EXISTS other, public CASCADE;
	CREATE SCHEMA public;
	CREATE TABLE hits (n int);
	INSERT INTO hits VALUES (0);
	CREATE TABLE plain (n int);
	CREATE FUNCTION tame() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION outer_tame() RETURNS int LANGUAGE sql AS 'SELECT tame()';
	CREATE VIEW tame_view AS SELECT tame() AS n;
	CREATE FUNCTION wild() RETURNS int LANGUAGE sql AS 'UPDATE hits SET n = n + 1 RETURNING n';
	CREATE FUNCTION check_it(int) RETURNS boolean LANGUAGE sql AS 'UPDATE hits SET n = n + $1 RETURNING true';
	CREATE FUNCTION same(int, text) RETURNS boolean LANGUAGE sql AS 'UPDATE hits SET n = n + $1 RETURNING true';
	CREATE DOMAIN small AS int;`

// What somebody agreed to is that code changes. What it does when it runs was never asked:
// behind it, in the same transaction, it is any code, and so it is for a session that comes next.
func TestTransaction_CodeItChangedIsAskedAbout(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: recodable, Resources: servertest.Resources + `
---
kind: StatementRule
name: hits-stay
spec: {targets: [pg-prod], groups: ["*"], effects: [write, unbounded-write], tables: [public.hits], decision: deny}
`})
	const replace = "CREATE OR REPLACE FUNCTION tame() RETURNS int LANGUAGE sql AS 'UPDATE hits SET n = n + 1 RETURNING n'"
	for _, tt := range []struct{ change, use string }{
		{replace, "SELECT tame()"},
		{replace, "SELECT outer_tame()"},
		{replace, "SELECT n FROM tame_view"},
		{replace, "INSERT INTO plain VALUES (tame())"},
		{"ALTER FUNCTION tame() RENAME TO tame2; ALTER FUNCTION wild() RENAME TO tame", "SELECT tame()"},
		{"ALTER DOMAIN small ADD CHECK (check_it(VALUE))", "SELECT 1::small"},
		{"CREATE OPERATOR = (leftarg = int, rightarg = text, function = same)", "SELECT 1 = 'a'::text"},
	} {
		conn := open(t, a.Gateway, nil)
		run(t, conn, "BEGIN")
		changed := exec(conn, tt.change)
		a.decide(a.pending(1)[0].ID, true)
		if err := <-changed; err != nil {
			t.Fatalf("%s: %v", tt.change, err)
		}
		run(t, conn, "SAVEPOINT s") // no code runs: nobody is asked
		used := exec(conn, tt.use)
		a.decide(a.pending(1)[0].ID, false)
		var pg *pgconn.PgError
		if err := <-used; !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s; %s: %v", tt.change, tt.use, err)
		}
		run(t, conn, "ROLLBACK")
		run(t, conn, "SELECT tame()") // as it was
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := a.Count("SELECT n FROM hits"); n != 0 {
		t.Errorf("code ran %d times that nobody had agreed to", n)
	}

	conn, other := open(t, a.Gateway, nil), open(t, a.Gateway, nil)
	run(t, other, "SELECT tame()")
	changed := exec(conn, replace)
	a.decide(a.pending(1)[0].ID, true)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	var pg *pgconn.PgError
	if _, err := other.Exec(t.Context(), "SELECT tame()"); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("in another session: %v", err) // it writes by now
	}
}
