package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/lineage"
)

// What is computed of unprotected columns is clear, whatever else the statement reads;
// what is computed of protected ones is withheld.
func TestLineage_ComputedColumns(t *testing.T) {
	statements := []struct {
		sql   string
		clear string // the row, "" is NULL or masked
	}{
		{"select count(*)::text from patients", "3"},
		{"select count(ssn)::text, upper(name), lower(ssn), length(ssn)::text from patients group by id order by name limit 1", "1|ANN||"},
		{"select upper(name), name || ssn, id + 1 || '', n + 1 || '' from only patients where id = 1", "ANN||2|"},
		{"select x.a, x.b || '' from (select upper(name) as a, lower(ssn) as b from patients where id = 1) x", "ANN|"},
		{"select (select max(name) from patients), (select max(ssn) from patients), (select max(name) from patients where ssn = '9')", "Kid||"},
		{"select case when ssn like '9%' then 'yes' else 'no' end, 'ok' from patients where id = 1", "|ok"},
		{"with recursive r(a, b) as (select name, ssn from patients where id = 1 union all select b, a from r where false) select a || '', 'x' from r", "|x"},
		{"select upper(name) from patients where id = 1 union all select upper(ssn) from patients where false", ""},
		{"select upper(other) from v where id = 1", ""},
		{"update patients set name = ssn where false returning upper(name)", "none"},
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema, maskRules()...)
			c, tap := g.tapped()
			for _, s := range statements {
				for range 2 { // what is remembered is right, too
					rows, err := c.Query(t.Context(), s.sql, mode)
					if err != nil {
						t.Fatalf("%s: %v", s.sql, err)
					}
					got := "none"
					for rows.Next() {
						var row []string
						for _, v := range rows.RawValues() {
							if string(v) == "[masked]" {
								v = nil
							}
							row = append(row, string(v))
						}
						got = strings.Join(row, "|")
					}
					if err := rows.Err(); err != nil {
						t.Fatalf("%s: %v", s.sql, err)
					}
					if got != s.clear {
						t.Errorf("%s: got %q, want %q", s.sql, got, s.clear)
					}
				}
			}
			if got := tap.String(); strings.Contains(got, marker) {
				t.Errorf("the client received the marker: …%q", around(got, marker))
			}
		})
	}
}

// Each command of a text has its own lineage, and so have texts that differ in
// literals only.
func TestLineage_Commands(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c := g.connect()
	for range 2 {
		results, err := c.PgConn().Exec(t.Context(), "select lower(ssn) from patients where id = 1; ; select 1; select lower(name) from patients where id = 1").ReadAll()
		check(t, err)
		var got []string
		for _, r := range results {
			got = append(got, string(r.Rows[0][0]))
		}
		if want := []string{"[masked]", "1", "ann"}; !cmp.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for id, want := range map[int]string{1: "ANN [masked]", 2: "BOB [masked]"} {
		var a, b string
		check(t, c.QueryRow(t.Context(), fmt.Sprintf("select upper(name), upper(ssn) from patients where id = %d", id)).Scan(&a, &b))
		if got := a + " " + b; got != want {
			t.Errorf("id %d: got %s, want %s", id, got, want)
		}
	}
}

// A table of the session takes the place of another, a cursor that of a portal, a view
// that of a table: what the text seems to say does not count then.
func TestLineage_OtherMeanings(t *testing.T) {
	upper := "select upper(name) from patients where id = 1"
	for name, steps := range map[string][]step{
		"temporary table": {
			{send: msgs(query("create temp table patients as select id, ssn as name from public.patients")), ready: 1},
			{send: msgs(query(upper)), ready: 1},
		},
		"temporary table, same text": {{send: msgs(query("create temp table patients as select id, ssn as name from public.patients; " + upper)), ready: 1}},
		"temporary table, pipelined": {{send: msgs(query("create temp table patients as select id, ssn as name from public.patients"), query(upper)), ready: 2}},
		"temporary table after parse": {
			{send: msgs(parse("s", upper), syncMsg), ready: 1},
			{send: msgs(query("create temp table patients as select id, ssn as name from public.patients")), ready: 1},
			{send: msgs(bind("", "s"), describe('P', ""), execute("", 0), syncMsg), ready: 1},
		},
		"temporary table in one batch": {{send: msgs(
			parse("s", upper), parse("", "create temp table patients as select id, ssn as name from public.patients"), bind("", ""), execute("", 0),
			bind("", "s"), describe('P', ""), execute("", 0), syncMsg), ready: 1}},
		"renamed columns": {
			{send: msgs(parse("s", upper), syncMsg), ready: 1},
			{send: msgs(query("alter table patients rename name to x; alter table patients rename ssn to name")), ready: 1},
			{send: msgs(bind("", "s"), describe('P', ""), execute("", 0), syncMsg), ready: 1},
			{send: msgs(query(upper)), ready: 1},
		},
		"renamed columns in a transaction": {
			{send: msgs(query("begin")), ready: 1},
			{send: msgs(query("alter table patients rename name to x; alter table patients rename ssn to name")), ready: 1},
			{send: msgs(query(upper)), ready: 1},
		},
		"cursor in the place of a portal": {
			{send: msgs(query("begin")), ready: 1},
			{send: msgs(parse("s", "select upper(name) from patients"), bind("c", "s"), execute("c", 1), syncMsg), ready: 1},
			{send: msgs(query("close c"), query("declare c cursor for select upper(ssn) from patients")), ready: 2},
			{send: msgs(execute("c", 0), syncMsg), ready: 1},
			{send: msgs(describe('P', "c"), execute("c", 0), syncMsg), ready: 1},
		},
		"the same in one batch": {
			{send: msgs(query("begin")), ready: 1},
			{send: msgs(parse("s", "select upper(name) from patients"), bind("c", "s"), describe('P', "c"),
				parse("", "close c"), bind("", ""), execute("", 0),
				parse("", "declare c cursor for select upper(ssn) from patients"), bind("", ""), execute("", 0),
				execute("c", 0), syncMsg), ready: 1},
		},
		"prepared by SQL in the place of a prepared statement": {
			{send: msgs(parse("s", "select upper(name) from patients"), syncMsg), ready: 1},
			{send: msgs(query("deallocate s"), query("prepare s as select upper(ssn) from patients")), ready: 2},
			{send: msgs(bind("", "s"), describe('P', ""), execute("", 0), syncMsg), ready: 1},
			{send: msgs(query("execute s")), ready: 1},
		},
		"copied in the same text": {{send: msgs(query("update patients set name = ssn; " + upper)), ready: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema, maskRules()...)
			g.inherits(maskRules())
			c := rawConn(t, g.dsn())
			got := c.exchange(steps...)
			if strings.Contains(got, marker) {
				t.Errorf("the client received the marker:\n%s", got)
			}
			if strings.Contains(got, "FATAL") || strings.Contains(got, "EOF") {
				t.Errorf("the connection ended:\n%s", got)
			}
		})
	}
}

func TestCombine_StricterWins(t *testing.T) {
	col := func(name string) hoop.ColumnRef { return hoop.ColumnRef{Schema: "s", Table: "t", Column: name} }
	proven := hoop.Column{Proven: true, Plain: true, Origins: []hoop.ColumnRef{col("a")}}
	derived := hoop.Column{Derived: true, Origins: []hoop.ColumnRef{col("b")}}
	stored := hoop.Column{Proven: true, Origins: proven.Origins} // not plain
	plain := func(o lineage.Output) lineage.Output { o.Plain, o.Shaped = true, true; return o }
	known := func(names ...string) lineage.Output {
		o := lineage.Output{Known: true}
		for _, n := range names {
			o.Origins = append(o.Origins, col(n))
		}
		return o
	}
	for name, c := range map[string]struct {
		cols   []hoop.Column
		out    []lineage.Output
		want   []hoop.Column
		stores bool
	}{
		"agree":             {[]hoop.Column{proven, {}}, []lineage.Output{known("a", "b"), known("b")}, []hoop.Column{proven, derived}, false},
		"lineage not known": {[]hoop.Column{proven, {}}, []lineage.Output{{}, {}}, []hoop.Column{proven, {}}, false},
		"contradiction":     {[]hoop.Column{proven, proven, {}}, []lineage.Output{known("b"), known("a"), known("b")}, []hoop.Column{{}, proven, {}}, false},
		"other number":      {[]hoop.Column{proven, {}}, []lineage.Output{known("a")}, []hoop.Column{proven, {}}, false},
		"a view's column":   {[]hoop.Column{{}}, []lineage.Output{plain(known("b"))}, []hoop.Column{{Derived: true, Plain: true, Shaped: true, Origins: derived.Origins}}, false},
		"stored and shown":  {[]hoop.Column{proven, proven}, []lineage.Output{plain(known("a")), known("a", "b")}, []hoop.Column{{Proven: true, Plain: true, Shaped: true, Origins: proven.Origins}, stored}, true},
		"a constant stored": {[]hoop.Column{proven}, []lineage.Output{{Known: true, Shaped: true, Origins: proven.Origins}}, []hoop.Column{{Proven: true, Shaped: true, Origins: proven.Origins}}, true},
		"stored, not known": {[]hoop.Column{proven}, nil, []hoop.Column{stored}, true},
		"none":              {[]hoop.Column{proven, {}}, nil, []hoop.Column{proven, {}}, false},
	} {
		combine(c.cols, c.out, c.stores)
		if d := cmp.Diff(c.want, c.cols); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
