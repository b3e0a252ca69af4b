package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What COMMIT PREPARED brings about counts for the next statement already: the catalog is
// read anew, as after DDL of the session's own.
func TestTwoPhase_DefinitionsCountAtOnce(t *testing.T) {
	g := setup(t, maskSchema+"; create view pub as select id, name from patients", maskRules()...)
	conn, tap := g.tapped()
	exec := func(sql string) string {
		t.Helper()
		rows, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if last := rows[len(rows)-1]; len(last.Rows) > 0 {
			return string(last.Rows[0][0])
		}
		return ""
	}
	const reads = "select upper(name) from pub where id = 1"
	if got := exec(reads); got != "ANN" {
		t.Errorf("before: %q", got)
	}
	direct := g.direct()
	for _, sql := range []string{"begin", "create or replace view pub as select id, lower(ssn) as name from patients", "prepare transaction 'two phase view'"} {
		if _, err := direct.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("commit prepared 'two phase view'")
	if got := exec(reads); got != "[masked]" {
		t.Errorf("after: %q", got)
	}
	if got := tap.String(); strings.Contains(got, marker) {
		t.Errorf("the client received the marker: …%q", around(got, marker))
	}
}

// A transaction that was prepared is no longer the session's: what the session knows of
// itself stays true, whoever ends that transaction, and however.
func TestTwoPhase_SessionsGoOn(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	for name, tt := range map[string]struct {
		texts []string
		state string // of the last of them
		then  string
		want  string
	}{
		"temporary tables":         {[]string{"create temp table own as select ssn as s from patients where id = 1", "begin", "insert into patients values (10, 'Ten', 'x', 1, null)", "prepare transaction 'two'"}, "", "select s || '' from own", "[masked]"},
		"a prepared name":          {[]string{"begin", "prepare s as select lower(name) from patients where id = 1", "prepare transaction 'two'"}, "", "execute s", "ann"},
		"a prepared name replaced": {[]string{"prepare s as select lower(name) from patients where id = 1", "begin", "deallocate s", "prepare s as select lower(ssn) from patients where id = 1", "prepare transaction 'two'"}, "", "execute s", "[masked]"},
		"a cursor":                 {[]string{"begin", "declare c cursor for select lower(name) from patients", "prepare transaction 'two'", "begin", "declare c cursor for select lower(ssn) from patients"}, "", "fetch all from c", "[masked]"},
		"a setting":                {[]string{"begin", "set application_name = 'two'", "prepare transaction 'two'"}, "", "select current_setting('application_name')", "two"},
		"rolled back by another":   {[]string{"create temp table own as select name as s from patients where id = 1", "begin", "update patients set name = 'Zoe' where id = 1", "prepare transaction 'two'", "rollback prepared 'two'"}, "", "select lower(name) from patients where id = 1", "ann"},
		"tables of its own in it":  {[]string{"begin", "create temp table own as select ssn as s from patients where id = 1", "prepare transaction 'two'"}, "0A000", "select lower(name) from patients where id = 1", "ann"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, tap := g.tapped()
			var err error
			for i, sql := range tt.texts {
				if _, err = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil && i < len(tt.texts)-1 {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if state(err) != tt.state {
				t.Errorf("%s: %v", tt.texts[len(tt.texts)-1], err)
			}
			rows, err := conn.PgConn().Exec(t.Context(), tt.then).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(rows[0].Rows[0][0]); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if got := tap.String(); strings.Contains(got, marker) {
				t.Errorf("the client received the marker: …%q", around(got, marker))
			}
			direct := g.direct()
			var left int
			check(t, direct.QueryRow(t.Context(), "select count(*) from pg_prepared_xacts where gid = 'two'").Scan(&left))
			if left > 0 {
				if _, err := direct.Exec(t.Context(), "rollback prepared 'two'"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Code that set hoop.* in a transaction leaves nothing of that behind where the transaction
// is prepared: PostgreSQL keeps settings then, as at COMMIT.
func TestTwoPhase_Identity(t *testing.T) {
	g := setup(t, identitySchema)
	const who = "select current_setting('hoop.user')"
	for name, sqls := range map[string][]string{
		"prepared":        {"begin", "do $$ begin perform set_config('hoop.user', 'bob', false); end $$", "prepare transaction 'who'"},
		"in one text":     {"begin; do $$ begin perform set_config('hoop.user', 'bob', false); end $$; prepare transaction 'who'"},
		"locally":         {"begin", "do $$ begin perform set_config('hoop.user', 'bob', true); end $$", "prepare transaction 'who'"},
		"with savepoints": {"begin", "savepoint s", "do $$ begin perform set_config('hoop.user', 'bob', false); end $$", "release s", "prepare transaction 'who'"},
	} {
		t.Run(name, func(t *testing.T) {
			c := g.connect()
			for _, sql := range append(sqls, "rollback prepared 'who'") {
				if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				var got string
				if err := c.QueryRow(t.Context(), who, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != "alice" {
					t.Errorf("after %s: %q, %v", sql, got, err)
				}
			}
		})
	}
}

// Ending a transaction that was prepared is opaque: nobody here knows what is in it.
func TestTwoPhase_EndingOneIsAskedAbout(t *testing.T) {
	g := setup(t, "create table notes (n int)")
	g.policy.on(hoop.Deny, hoop.EffectOpaque)
	c := g.connect()
	for _, sql := range []string{"begin", "insert into notes values (1)", "prepare transaction 'asked'"} {
		if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"commit prepared 'asked'", "rollback prepared 'asked'"} {
		for name, mode := range modes {
			if _, err := c.Exec(t.Context(), sql, mode); state(err) != "42501" {
				t.Errorf("%s (%s): %v", sql, name, err)
			}
		}
	}
	if _, err := g.direct().Exec(t.Context(), "rollback prepared 'asked'"); err != nil {
		t.Error(err)
	}
}
