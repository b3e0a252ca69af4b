package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// How many rows CREATE TABLE AS EXECUTE makes is for the prepared statement to say, and a table of
// the session's own that is not followed can have any number.
func TestDerive_RowsOfExecute(t *testing.T) {
	g, masks, _ := deriving(t)
	const (
		many = "prepare p as select id from patients, generate_series(1, length(ssn))\n"
		one  = "prepare p (int) as select id, ssn from patients where id >= $1\n"
		made = "create table made as execute "
	)
	for name, c := range map[string]struct {
		script  string
		refused string // why its last statement is
	}{
		"of one that multiplies nothing":                             {one + made + "p (1)", ""},
		"of one with elements":                                       {"prepare p as select id, x from patients, unnest(tags) x\n" + made + "p", ""},
		"of one that a parameter multiplies":                         {"prepare p (int) as select id from patients, generate_series(1, $1)\n" + made + "p (length('abc'))", ""},
		"by EXPLAIN ANALYZE":                                         {one + "explain analyze " + made + "p (1)", ""},
		"in the same text":                                           {one + "+" + made + "p (1)", ""},
		"in the same text, behind what reads":                        {one + "+select state from patients; " + made + "p (1)", ""},
		"of one that is prepared anew":                               {many + "deallocate p\n" + one + made + "p (1)", ""},
		"of one that multiplies":                                     {many + made + "p", "of public.patients.ssn"},
		"of one that multiplies, in EXPLAIN":                         {many + "explain analyze " + made + "p", "of public.patients.ssn"},
		"of one that multiplies, in one text":                        {many + "+" + made + "p", "of public.patients.ssn"},
		"of one that came to multiply":                               {one + "deallocate p\n" + many + made + "p", "of public.patients.ssn"},
		"of a parameter that code computes":                          {"prepare p (int) as select id from patients, generate_series(1, $1)\n" + made + "p (length(ssn_of_one()))", "not known"},
		"behind another EXECUTE in one text":                         {one + "prepare q as select 1\nexecute q; " + made + "p (1)", "not known"},
		"behind code in one text":                                    {one + "do 'begin end'; " + made + "p (1)", "not known"},
		"of what code may have prepared":                             {one + "do 'begin execute concat(''dealloc'', ''ate p''); end'\n" + made + "p (1)", "not known"},
		"of what a table of one's own was told":                      {"create temp table t (i int)\nprepare p as select i from t\ninsert into t select id from patients, generate_series(1, length(ssn))\n" + made + "p", "of public.patients.ssn"},
		"beside what fills one":                                      {"create temp table t (i int)\nprepare p as select i from t\ninsert into t select id from patients, generate_series(1, length(ssn)); " + made + "p", "not known"},
		"one's own with elements":                                    {"create temp table t as select id, x from patients, unnest(tags) x\ninsert into t select id, unnest(tags) from patients\ncreate table made as select id from t", ""},
		"a view of one's own with elements":                          {"create temp view t as select id, x from patients, unnest(tags) x\ncreate table made as select id from t", ""},
		"one's own with elements, and more":                          {"create temp table t as select id, x from patients, unnest(tags) x\ninsert into t select id from patients, generate_series(1, cardinality(tags))\ncreate table made as select id from t", "of public.patients.tags"},
		"a view of that":                                             {"create temp table t as select id, x from patients, unnest(tags) x\ncreate temp view u as select id from t\ninsert into t select id from patients, generate_series(1, cardinality(tags))\ncreate table made as select id from u", "of public.patients.tags"},
		"one's own made by it":                                       {many + "create temp table t as execute p", "into pg_temp.t would tell values that are masked for you, of public.patients.ssn"},
		"one's own made by it, as it is":                             {one + "create temp table t as execute p (1)\ncreate table made as select id from t", ""},
		"one's own made by it, in one text":                          {many + "create temp table t as execute p; create table made as select id from t", "masked for you"},
		"one's own, not followed":                                    {"create temp table t (id int) partition by list (id)\ncreate temp table u partition of t default\ninsert into pg_temp.t select id from patients, generate_series(1, length(ssn))", "of public.patients.ssn"},
		"one's own, not followed, as it is":                          {"create temp table t (id int) partition by list (id)\ncreate temp table u partition of t default\ninsert into t select id from patients\ninsert into log (id) select id + 1000 from t", ""},
		"one's own, not followed, in one text":                       {"create temp table t (id int) partition by list (id); insert into pg_temp.t select id from patients, generate_series(1, length(ssn))", "of public.patients.ssn"},
		"one's own with a parent":                                    {"create temp table t () inherits (parent)\ninsert into pg_temp.t select 'x' from patients, generate_series(1, length(ssn))", "of public.patients.ssn"},
		"one's own filled by it, in one text":                        {"create temp table t (a text)\nprepare i as insert into t select ssn from patients\nexecute i; create temp table u as select a from t", "not known"},
		"behind it, in one text":                                     {"create temp table t (a text)\nprepare i as insert into t select ssn from patients\nexecute i; create temp table u as select id from patients", ""},
		"a view of the same text":                                    {"create view seen as select id from patients, generate_series(1, length(ssn)); create table made as select id from seen", "not known"},
		"a view of the transaction":                                  {"begin\ncreate view seen as select id from patients, generate_series(1, length(ssn))\ncreate table made as select id from seen", "not known"},
		"a view that is another in the same text":                    {"create or replace view shown as select p.id, name from patients p, generate_series(1, length(ssn)); create table made as select id from shown", "not known"},
		"a view that is another in the transaction":                  {"begin\ncreate or replace view shown as select p.id, name from patients p, generate_series(1, length(ssn))\ncreate table made as select id from shown", "not known"},
		"a view of another name in the same text":                    {"create view seen as select id from patients, generate_series(1, length(ssn))\nalter view seen rename to other; create table made as select id from other", "not known"},
		"a view of another name in the transaction":                  {"create view seen as select id from patients, generate_series(1, length(ssn))\nbegin\nalter view seen rename to other\ncreate table made as select id from other", "not known"},
		"a view of two other names":                                  {"begin\ncreate view seen as select id from patients, generate_series(1, length(ssn))\nalter view seen rename to one\nalter view one rename to two\ncreate table made as select id from two", "not known"},
		"a view of a view of the transaction":                        {"begin\ncreate view seen as select id from patients, generate_series(1, length(ssn))\ncreate view other as select id from seen\ninsert into log (id) select id + 1000 from other", "masked for you"},
		"a materialized view of the same text":                       {"create materialized view seen_once as select id from patients, generate_series(1, length(ssn)); create table made as select id from seen_once", "masked for you"},
		"a view of one's own that is not followed":                   {"create temp view mine as select p.id from patients p, generate_series(1, length(ssn)) where ssn_of_one() <> ''\ncreate table made as select id from mine", "not known"},
		"a view that is long":                                        {"create view seen as select p.id from patients p, generate_series(1, length(ssn)) where name <> '" + strings.Repeat("x", 300<<10) + "'\ncreate table made as select id from seen", "not known"},
		"a view that is calm, of the transaction, and another table": {"begin\ncreate view seen as select id from patients\ncreate table made as select id from log", ""},
		"a table of the transaction":                                 {"begin\ncreate table other as select id, ssn from patients\nalter table log rename to log0\ncreate table made as select id, ssn from other", ""},
		"a table of another name in the transaction":                 {"begin\nalter table log2 rename to log3\ncreate table made as select id from log3", ""},
		"lexemes": {"insert into log (a) select word from ts_stat('select to_tsvector(ssn) from patients')", "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			masks.mu.Lock()
			masks.tables = nil
			masks.mu.Unlock()
			conn := g.connect()
			defer func() {
				check(t, conn.Close(t.Context()))
				_, _ = g.direct().Exec(t.Context(), "drop table if exists made; drop view if exists seen, other; drop materialized view if exists seen_once; create or replace view shown as select id, name from patients")
			}()
			texts := strings.Split(strings.ReplaceAll(c.script, "\n+", "; "), "\n")
			for i, sql := range texts {
				_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				last := i == len(texts)-1
				switch {
				case last && c.refused != "":
					if err == nil || !strings.Contains(err.Error(), "how many rows this puts into") || !strings.Contains(err.Error(), c.refused) {
						t.Errorf("%s: %v", sql, err)
					}
				case err != nil:
					t.Errorf("%s: %v", sql, err)
				}
			}
		})
	}
	conn := g.connect()
	if _, err := conn.Prepare(t.Context(), "by_protocol", "select id, ssn from patients"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table made as execute by_protocol", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Errorf("prepared by the protocol: %v", err)
	}
}

// A relation that has no columns as the catalog is may get some, or its name another one's, before the
// catalog shows that: what is copied from it is not known.
func TestDerive_FromWithoutColumns(t *testing.T) {
	g, masks, _ := deriving(t)
	const made = "create table made as select * from nothing"
	for name, script := range map[string][]string{
		"a view of the same text":       {"create view nothing as select", "create or replace view nothing as select ssn from patients; " + made},
		"a view of the transaction":     {"create view nothing as select", "begin", "create or replace view nothing as select ssn from patients", made, "commit"},
		"another table of its name":     {"create table nothing ()", "create table second as select ssn from patients", "begin", "alter table nothing rename to first_one", "alter table second rename to nothing", made, "commit"},
		"a new table of its name":       {"create table nothing ()", "begin", "drop table nothing", "create table nothing as select ssn from patients", made, "commit"},
		"a new table in the same text":  {"create table nothing ()", "drop table nothing; create table nothing as select ssn from patients; " + made},
		"a new column in the same text": {"create table nothing ()", "alter table nothing add ssn text; insert into nothing select ssn from patients; " + made},
	} {
		t.Run(name, func(t *testing.T) {
			masks.mu.Lock()
			masks.tables = nil
			masks.mu.Unlock()
			conn := g.connect()
			refused := false
			for _, sql := range script {
				_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
				if refused = refused || err != nil && strings.Contains(err.Error(), "how many rows this puts into"); err != nil && !refused {
					t.Errorf("%s: %v", sql, err)
				}
			}
			check(t, conn.Close(t.Context()))
			conn = g.connect()
			var got string
			err := conn.QueryRow(t.Context(), "select max(ssn) from made", pgx.QueryExecModeSimpleProtocol).Scan(&got)
			if strings.Contains(got, marker) || (err == nil) == refused {
				t.Errorf("%q, %v", got, err)
			}
			check(t, conn.Close(t.Context()))
			for _, sql := range []string{"drop table if exists made", "drop view if exists nothing", "drop table if exists nothing, second, first_one"} {
				_, _ = g.direct().Exec(t.Context(), sql)
			}
		})
	}
	_, err := g.connect().Exec(t.Context(), "create view no_column as select; begin; create or replace view no_column as select from patients, generate_series(1, length(ssn)); create table made as select 1 from no_column", pgx.QueryExecModeSimpleProtocol)
	if err == nil || !strings.Contains(err.Error(), "how many rows") {
		t.Errorf("a view's rows: %v", err)
	}
}
