package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A function that there is not is for the target to call unknown. Where the session may
// have made it, nobody else sees it yet and it is code that nobody has read.
func TestAbsent_Functions(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	g.policy.on(hoop.Deny, hoop.EffectOpaque)
	for _, sql := range []string{"select no_such(1)", "select no_such(), name from patients", "select no_such(id, ssn) from patients", "select public.no_such(1, 2)"} {
		conn := g.connect()
		want, got := "", ""
		if _, err := g.direct().Exec(t.Context(), sql); err != nil {
			want = err.Error()
		}
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			got = err.Error()
		}
		if got != want || !strings.Contains(got, "42883") {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	for name, texts := range map[string][]string{
		"a column":            {"select ssn(p) from patients p"},
		"a column of a query": {"select other(p) from (select ssn as other from patients) p"},
		"of the session":      {"select pg_temp.no_such(1)"},
		"renamed in the text": {"alter function hint() rename to no_such; select no_such()"},
		"made before":         {repeatable, "create table more ()", "select no_such()"},
		"made, and by name":   {repeatable, "create table more ()", "prepare p as select no_such()"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := g.connect()
			for i, sql := range texts {
				_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				if last := i == len(texts)-1; last != (state(err) == "42501") {
					t.Errorf("%s: %v", sql, err)
				}
			}
		})
	}
}

// A function that somebody has just made is found.
func TestAbsent_MadeSince(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	g.policy.on(hoop.Deny, hoop.EffectOpaque)
	conn := g.connect()
	if _, err := conn.Exec(t.Context(), "select 1"); err != nil { // the catalog is there
		t.Fatal(err)
	}
	admin(t, g.target.Database, "create function made(int) returns text language plpgsql as $$ declare s text; begin execute 'select ssn from patients where id = ' || $1 into s; return s; end $$")
	if _, err := conn.Exec(t.Context(), "select made(1)"); state(err) != "42501" {
		t.Errorf("%v", err)
	}
}
