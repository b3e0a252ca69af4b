package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Rows of cursors and of EXECUTE are masked as those of the query itself.
func TestCursors(t *testing.T) {
	g := setup(t, maskSchema+`;
		create function swap() returns void language plpgsql as $$ declare c refcursor := 'c'; begin
			close c; open c for select lower(ssn) from patients; end $$`, maskRules()...)
	const names, ssns = "select upper(name), lower(ssn) from patients where id = 1", "select lower(ssn), 'x' from patients where id = 1"
	for name, c := range map[string]struct {
		texts []string
		last  string
		want  string
	}{
		"fetch":                   {[]string{"begin", "declare c cursor for " + names}, "fetch all from c", "ANN|"},
		"in one text":             {nil, "begin; declare c cursor for " + names + "; fetch all from c", "ANN|"},
		"declared again":          {[]string{"begin", "declare c cursor for " + names, "close c", "declare c cursor for " + ssns}, "fetch all from c", "|x"},
		"closed by CLOSE ALL":     {[]string{"begin", "declare c cursor for " + names, "close all", "declare c cursor for " + ssns}, "fetch all from c", "|x"},
		"in another transaction":  {[]string{"begin", "declare c cursor for " + names, "commit", "begin", "declare c cursor for " + ssns}, "fetch all from c", "|x"},
		"back to a savepoint":     {[]string{"begin", "savepoint s", "declare c cursor for " + ssns, "rollback to s", "declare c cursor for " + names}, "fetch all from c", "ANN|"},
		"closed in a savepoint":   {[]string{"begin", "declare c cursor for " + names, "savepoint s", "close c", "declare c cursor for " + names, "rollback to s", "declare c cursor for " + ssns}, "fetch all from c", "|x"},
		"execute, of a savepoint": {[]string{"begin", "prepare s as " + names, "savepoint a", "deallocate s", "prepare s as " + ssns, "rollback to a"}, "execute s", "|x"},
		"with hold":               {[]string{"declare c cursor with hold for " + names}, "fetch all from c; close c", "|"},
		"replaced by code":        {[]string{"begin", "declare c cursor for " + names, "select swap()"}, "fetch all from c", ""},
		"not there by that name":  {[]string{"begin", "declare c cursor for " + ssns, `declare "C" cursor for ` + names}, "fetch all from C", "|x"},
		"of a temporary table":    {[]string{"create temp table own as select name, ssn from patients where id = 1", "begin", "declare c cursor for select name || '', ssn || '' from own"}, "fetch all from c", "Ann|"},
		"execute":                 {[]string{"prepare s as " + names}, "execute s", "ANN|"},
		"execute twice":           {[]string{"prepare s as " + names, "execute s"}, "execute s", "ANN|"},
		"execute with parameters": {[]string{"prepare s(int, text) as select upper(name), lower(ssn), $2 from patients where id = $1"}, "execute s(1, 'y')", "ANN||y"},
		"execute what is new":     {[]string{"prepare s as " + names, "deallocate s", "prepare s as " + ssns}, "execute s", "|x"},
		"execute a fetch":         {[]string{"begin", "declare c cursor for " + ssns, "prepare s as " + names}, "fetch all from c; execute s", "|"},
		"execute after code":      {[]string{"prepare s as " + names, "do $$ begin execute 'deallocate s'; execute 'prepare s as " + strings.ReplaceAll(ssns, "'", "''") + "'; end $$"}, "execute s", "|"},
		"execute with code":       {[]string{"prepare s(int) as " + names}, "execute s(length(current_setting('work_mem')))", "|"},
		"explain execute":         {[]string{"prepare s as " + names}, "explain (costs off) execute s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := g
			if strings.Contains(name, "code") {
				g = setup(t, maskSchema+`;
		create function swap() returns void language plpgsql as $$ declare c refcursor := 'c'; begin
			close c; open c for select lower(ssn) from patients; end $$`, maskRules()...)
			}
			conn, tap := g.tapped()
			for _, sql := range c.texts {
				_, _ = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			}
			results, err := conn.PgConn().Exec(t.Context(), c.last).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			var row []string
			for _, r := range results {
				if len(r.Rows) > 0 {
					row = nil
					for _, v := range r.Rows[0] {
						row = append(row, strings.TrimPrefix(string(v), "[masked]"))
					}
				}
			}
			if got := strings.Join(row, "|"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := tap.String(); strings.Contains(got, marker) {
				t.Errorf("the client received the marker: …%q", around(got, marker))
			}
		})
	}
}

// The protocol takes a cursor's name for a portal, and closes cursors.
func TestCursors_Portals(t *testing.T) {
	const names, ssns = "select upper(name) from patients", "select upper(ssn) from patients"
	for name, steps := range map[string][]step{
		"a portal of the name": {
			{send: msgs(query("declare c cursor for " + names)), ready: 1},
			{send: msgs(parse("", ssns), closeMsg('P', "c"), bind("c", ""), syncMsg), ready: 1},
			{send: msgs(query("fetch all from c")), ready: 1},
		},
		"in one batch": {
			{send: msgs(query("declare c cursor for " + names)), ready: 1},
			{send: msgs(parse("s", ssns), parse("f", "fetch all from c"), closeMsg('P', "c"), bind("c", "s"), bind("", "f"), describe('P', ""), execute("", 0), syncMsg), ready: 1},
		},
		"FETCH was bound before": {
			{send: msgs(query("declare c cursor for " + names)), ready: 1},
			{send: msgs(parse("s", ssns), parse("f", "fetch all from c"), bind("f", "f"), describe('P', "f"), closeMsg('P', "c"), bind("c", "s"), execute("f", 0), syncMsg), ready: 1},
		},
		"pipelined": {
			{send: msgs(query("declare c cursor for "+names), query("close c"), query("declare c cursor for "+ssns), query("fetch all from c")), ready: 4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema, maskRules()...)
			c := rawConn(t, g.dsn())
			if got := c.exchange(append([]step{{send: msgs(query("begin")), ready: 1}}, steps...)...); strings.Contains(got, marker) || strings.Contains(got, "FATAL") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}
