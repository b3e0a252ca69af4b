package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Values of these types run code that no text names: it shows an SSN, or writes.
const declaredSchema = maskSchema + `;
	create function shows() returns text language plpgsql as $$
	declare s text; begin select ssn into s from patients where id = 1; raise notice 'found %', s; return s; end $$;
	create type ticket as (a int);
	create function ticket_text(ticket) returns text language sql as 'select shows()';
	create cast (ticket as text) with function ticket_text(ticket) as implicit;
	create type mood as enum ('glad');
	create function mood_text(mood) returns text language sql as 'select shows()';
	create cast (mood as text) with function mood_text(mood) as implicit;
	create function ok_shows(int) returns boolean language plpgsql as $$ begin perform shows(); return true; end $$;
	create domain told as int check (ok_shows(value));
	create type told_row as (d told);
	create table written (a int);
	create function ok_writes(int) returns boolean language plpgsql as $$ begin insert into written values (1); return true; end $$;
	create domain writes as int check (ok_writes(value));
	create type writes_row as (d writes);
	create table writing (d writes);
	create domain later as int;
	create type later_row as (d later)`

func typeOID(t *testing.T, c *pgx.Conn, typ string) (oid uint32) {
	t.Helper()
	if err := c.QueryRow(t.Context(), "select $1::text::regtype::oid", typ).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	return oid
}

// What the cast or the check of a declared type shows stays masked, and so do the words
// that it says.
func TestDeclared_Masked(t *testing.T) {
	g := setup(t, declaredSchema, maskRules()...)
	direct := g.direct()
	for _, tt := range []struct{ sql, typ, value string }{
		{"SELECT $1::text", "ticket", "(5)"},
		{"SELECT upper($1)", "ticket", "(5)"},
		{"SELECT $1::text", "mood", "glad"},
		{"SELECT $1", "told", "5"},
		{"SELECT $1", "told_row", "(5)"},
		{"SELECT $1", "told_row[]", `{"(5)"}`},
	} {
		t.Run(tt.sql+" "+tt.typ, func(t *testing.T) {
			oid := typeOID(t, direct, tt.typ)
			run := func(c *pgx.Conn) {
				for _, format := range []int16{0, 1} {
					// What is not a value in binary format is refused by the target.
					_ = c.PgConn().ExecParams(t.Context(), tt.sql, [][]byte{[]byte(tt.value)}, []uint32{oid}, []int16{format}, nil).Read()
				}
				if _, err := c.PgConn().Prepare(t.Context(), "p", tt.sql, []uint32{oid}); err == nil {
					_, _ = c.PgConn().Exec(t.Context(), "EXECUTE p('"+tt.value+"')").ReadAll()
				}
			}
			c, tap := g.tapped()
			run(c)
			if got := tap.String(); strings.Contains(got, marker) {
				t.Errorf("the client got the protected value: %q", got)
			}
			_ = c.Close(t.Context())
			_ = g.ended()
			if !strings.Contains(tap.String(), "D\x00") {
				t.Error("no row came")
			}
			var said strings.Builder
			past, err := pgx.ParseConfig(shared.pg.DSN(g.target.Database))
			if err != nil {
				t.Fatal(err)
			}
			past.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { said.WriteString(n.Message) }
			without, err := pgx.ConnectConfig(t.Context(), past)
			if err != nil {
				t.Fatal(err)
			}
			defer without.Close(t.Context())
			if run(without); !strings.Contains(said.String(), marker) {
				t.Error("past the gateway the code does not run: the test proves nothing")
			}
		})
	}
	if strings.Contains(g.recorded(), marker) {
		t.Error("the protected value was recorded")
	}
}

// The check of a declared type counts as what it does.
func TestDeclared_Judged(t *testing.T) {
	g := setup(t, declaredSchema)
	direct, c := g.direct(), g.connect().PgConn()
	if err := c.Exec(t.Context(), "CREATE TEMP TABLE kept AS SELECT d FROM writing").Close(); err != nil {
		t.Fatal(err)
	}
	g.policy.on(hoop.Deny, hoop.EffectOpaque)
	refused := func(what string, err error) {
		t.Helper()
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: got %v, want a refusal", what, err)
		}
	}
	for _, typ := range []string{"writes", "writes_row", "writes_row[]"} {
		value := map[string]string{"writes": "5", "writes_row": "(5)", "writes_row[]": `{"(5)"}`}[typ]
		for _, format := range []int16{0, 1} {
			refused(typ, c.ExecParams(t.Context(), "SELECT $1", [][]byte{[]byte(value)}, []uint32{typeOID(t, direct, typ)}, []int16{format}, nil).Read().Err)
		}
	}
	refused("a column of a table of the session's own", c.Exec(t.Context(), "SELECT coalesce('5', d) FROM kept").Close())
	if err := c.Exec(t.Context(), "DISCARD TEMP").Close(); err != nil {
		t.Fatal(err)
	}
	refused("an unknown type", c.ExecParams(t.Context(), "SELECT $1", [][]byte{[]byte("5")}, []uint32{4_000_000_000}, nil, nil).Read().Err)
	for _, typ := range []string{"later", "later_row", "mood", "int"} {
		value := map[string]string{"later": "5", "later_row": "(5)", "mood": "glad", "int": "5"}[typ]
		if err := c.ExecParams(t.Context(), "SELECT $1", [][]byte{[]byte(value)}, []uint32{typeOID(t, direct, typ)}, nil, nil).Read().Err; err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	// A check that comes after Parse counts at Bind.
	later := typeOID(t, direct, "later_row")
	if _, err := c.Prepare(t.Context(), "p", "SELECT $1", []uint32{later}); err != nil {
		t.Fatal(err)
	}
	if _, err := direct.Exec(t.Context(), "alter domain later add check (ok_writes(value)); truncate written"); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), "CREATE TEMP TABLE x (a int)").Close(); err != nil { // the gateway looks at the catalog again
		t.Fatal(err)
	}
	refused("a check that was added", c.ExecPrepared(t.Context(), "p", [][]byte{[]byte("(5)")}, nil, nil).Read().Err)
	refused("a check that was added, by EXECUTE", c.Exec(t.Context(), "EXECUTE p('(5)')").Close())
	var n int
	if err := direct.QueryRow(t.Context(), "select count(*) from written").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows were written, %v", n, err)
	}
}

// The target reads constants when it parses a statement: what their checks say then stays
// masked, and those that write do not run before the statement is judged.
func TestParse_RunsChecks(t *testing.T) {
	g := setup(t, declaredSchema, maskRules()...)
	direct := g.direct()
	c, tap := g.tapped()
	for _, sql := range []string{"SELECT '{5}'::told[]", "SELECT '(5)'::told_row"} {
		if _, err := c.PgConn().Prepare(t.Context(), "p", sql, nil); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		if _, err := c.PgConn().Prepare(t.Context(), "", sql, nil); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		_ = c.PgConn().Exec(t.Context(), "DEALLOCATE p").Close()
	}
	if got := tap.String(); strings.Contains(got, marker) || !strings.Contains(got, withheldText) {
		t.Errorf("the client got %q", got)
	}
	for _, sql := range []string{"SELECT '{5}'::writes[]", "SELECT '(5)'::writes_row", "INSERT INTO writing SELECT ('{5}'::writes[])[1]"} {
		var pg *pgconn.PgError
		if _, err := c.PgConn().Prepare(t.Context(), "", sql, nil); !errors.As(err, &pg) || pg.Code != "42501" || pg.Hint == "" {
			t.Errorf("%s: %v, want a refusal", sql, err)
		}
	}
	for _, sql := range []string{"SELECT $1::writes[]", "SELECT 5::writes", "SELECT '{5}'::later[]"} {
		if _, err := c.PgConn().Prepare(t.Context(), "", sql, nil); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var n int
	if err := direct.QueryRow(t.Context(), "select count(*) from written").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows were written by Parse, %v", n, err)
	}
	if err := c.PgConn().Exec(t.Context(), "SELECT '{5}'::writes[]").Close(); err != nil {
		t.Errorf("in a Query message: %v", err)
	}
}
