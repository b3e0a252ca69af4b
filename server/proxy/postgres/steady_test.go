package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Under masks a portal is executed as what it was judged to be: where a function that it
// calls reads something else by then, it is bound again.
func TestPortals_FunctionsRedefinedBeforeExecute(t *testing.T) {
	const reads = "create or replace function shown() returns text language sql stable as 'select %s from patients where id = 1'"
	for name, tt := range map[string]struct {
		change string
		runs   bool
	}{
		"what it reads":  {strings.ReplaceAll(reads, "%s from patients", "ssn from patients p"), false},
		"something else": {"create or replace function other() returns int language sql as 'select 1'", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema+"; create table plain (id int, name text); insert into plain values (1, 'plain'); "+
				strings.ReplaceAll(reads, "%s from patients", "name from plain"), maskRules()...)
			c := rawConn(t, g.dsn())
			c.exchange(step{send: msgs(query("begin")), ready: 1},
				step{send: msgs(parse("", "select shown() from generate_series(1, 2)"), bind("p", ""), execute("p", 1), syncMsg), ready: 1})
			other := g.connect()
			for _, sql := range []string{tt.change, "select 1"} { // the second has the catalog loaded
				if _, err := other.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
			}
			got := c.exchange(step{send: msgs(execute("p", 0), syncMsg), ready: 1})
			if strings.Contains(got, marker) {
				t.Errorf("the client received the marker:\n%s", got)
			}
			if runs := !strings.Contains(got, "42501"); runs != tt.runs {
				t.Errorf("got\n%s", got)
			}
		})
	}
}
