package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A session's own tables hold what was put into them, column by column; what was
// computed elsewhere is shown as before.
func TestOverlay(t *testing.T) {
	shared := setup(t, overlaySchema, maskRules()...)
	const other = "select upper(name) from patients where id = 1"
	for name, c := range map[string]struct {
		texts []string
		last  string
		want  string // the row; masked or NULL values are ""
	}{
		"others are not touched":             {[]string{"create temp table t (a int)"}, other, "ANN"},
		"a copy by column":                   {[]string{"create temp table t as select id, name, ssn from patients"}, "select id + 1, upper(name), lower(ssn), name from t order by id limit 1", "2|ANN||Ann"},
		"select into":                        {[]string{"select name, ssn into temp t from patients where id = 1"}, "select name, ssn from t", "Ann|"},
		"like another":                       {[]string{"create temp table t (like patients including all)", "create index on t (name)", "insert into t (id, name, ssn) select id, name, ssn from patients where id = 1"}, "select upper(name), upper(ssn), name, ssn from t", "ANN||Ann|"},
		"like another, others as before":     {[]string{"create temp table t (like patients including all)", "create unique index on t (ssn)"}, other, "ANN"},
		"like one with code":                 {[]string{"create temp table t (like coded including all)", "insert into t default values"}, "select a || '' from t", ""},
		"like one with a default":            {[]string{"create temp table t (like numbered including defaults)", "insert into t (a) values ('x')"}, "select a || '', n + 1 from t", "x|2"},
		"filled later":                       {[]string{"create temp table t (a text, b text)", "insert into t select name, ssn from patients where id = 1"}, "select a, b from t", "Ann|"},
		"updated":                            {[]string{"create temp table t as select 1 as id, 'x' as a, 'y' as b", "update t set b = p.ssn from patients p where p.id = t.id"}, "select a, b from t", "x|"},
		"returning":                          {[]string{"create temp table t (a text, b text)"}, "insert into t select name, ssn from patients where id = 1 returning a, b", "Ann|"},
		"a copy of a copy":                   {[]string{"create temp table t as select ssn from patients", "create temp table u as select ssn as x, 1 as y from t"}, "select x, y + 1 from u limit 1", "|2"},
		"rolled back and made again":         {[]string{"begin", "create temp table t as select ssn as a from patients", "rollback", "create temp table t as select 'x' as a", "select 1"}, "select a from t", "x"},
		"a failed command":                   {[]string{"create temp table t as select ssn as a, 1/0 from patients", "create temp table t (a text)", "insert into t values ('x')"}, "select a from t", "x"},
		"dropped and made again":             {[]string{"create temp table t as select ssn as a from patients", "drop table t", "create temp table t as select 'x' as a"}, "select a from t", "x"},
		"dropped, and rolled back":           {[]string{"create temp table t as select ssn as a from patients", "begin", "drop table t", "create temp table t as select 'x' as a", "rollback"}, "select a from t limit 1", ""},
		"dropped, back to savepoint":         {[]string{"create temp table t as select ssn as a from patients", "begin", "savepoint s", "drop table t", "create temp table t as select 'x' as a", "rollback to s", "commit"}, "select a from t limit 1", ""},
		"on commit drop":                     {[]string{"begin", "create temp table t on commit drop as select ssn as a from patients", "commit", "create temp table t as select 'x' as a"}, "select a from t", "x"},
		"if not exists":                      {[]string{"create temp table t as select ssn as a from patients", "create temp table if not exists t (a text)"}, "select a from t limit 1", ""},
		"discarded":                          {[]string{"create temp table t as select ssn as a from patients", "discard temp", "create temp table t as select 'x' as a"}, "select a from t", "x"},
		"in the place of a table":            {[]string{"create temp table patients as select id, ssn as name from public.patients"}, "select upper(name), name from patients where id = 1", "|"},
		"by the schema's own name":           {[]string{"create temp table t as select ssn as a, 'x' as b from patients", "do $$ begin end $$"}, "select a, b || '' from pg_temp.t limit 1", "|"},
		"a number of a sequence":             {[]string{"create temp table t (id serial, a text)", "select setval('t_id_seq', (select n from patients where id = 1)::bigint)", "insert into t (a) values ('x')"}, "select id + 1, id, a from t", "||"},
		"code that writes":                   {[]string{"create temp table t (a text)", "do $$ begin insert into t select ssn from patients; end $$"}, "select a from t limit 1", ""},
		"a function that writes":             {[]string{"create temp table own (a text)", "select fill()"}, "select a from own limit 1", ""},
		"a trigger that writes":              {[]string{"create temp table own (a text)", "update patients set name = name where id = 1"}, "select a from own limit 1", ""},
		"a function that reads":              {[]string{"create temp table own as select ssn as a from patients where id = 1"}, "select own_a(), 'x'", "|x"},
		"a function that reads no copy":      {[]string{"create temp table own as select 'x' as a"}, "select own_a()", "x"},
		"renamed":                            {[]string{"create temp table t as select 'x' as a, ssn as b from patients", "alter table t rename a to c", "alter table t rename b to a"}, "select a, a || '' from t limit 1", "|"},
		"filled by name, then copied":        {[]string{"create temp table t (a text)", "prepare i as insert into t select ssn from patients where id = 1", "drop table t", "create temp table t (a text)", "execute i; create temp table u as select a from t"}, "select a, a || '' from u", "|"},
		"filled by name, then put elsewhere": {[]string{"create temp table t (a text)", "create temp table u (a text)", "prepare i as insert into t select ssn from patients where id = 1", "drop table t", "create temp table t (a text)", "execute i; insert into u select a from t"}, "select a, a || '' from u", "|"},
		"a view of the session's own":        {[]string{"create temp view t as select ssn as a from patients"}, "select a, a || '' from t limit 1", "|"},
		"prepared before":                    {[]string{"create temp table t (a text)", "prepare s as select a || '' from t", "insert into t select ssn from patients where id = 1"}, "execute s", ""},
		"prepared to store":                  {[]string{"create temp table t (a text)", "prepare s as insert into t select ssn from patients where id = 1", "execute s"}, "select a || '' from t", ""},
		"stored by COPY's query":             {[]string{"create temp table t (a text)", "copy (insert into t select name from patients where id = 1 returning 1) to stdout", "with i as (insert into t select ssn from patients where id = 1 returning 1) select * from i"}, "select max(a) from t", ""},
		"a drop and a permanent one":         {[]string{"set search_path = public, pg_temp", "create temp table v as select 1 as id, ssn as other from patients"}, "select other, other || '' from pg_temp.v limit 1", "|"},
		"one text":                           {nil, "create temp table t as select name, ssn from patients where id = 1; select name || '', ssn || '' from t", "Ann|"},
	} {
		t.Run(name, func(t *testing.T) {
			g := shared
			if strings.Contains(strings.Join(c.texts, " "), "do $$") || strings.Contains(name, "function") || strings.Contains(name, "trigger") {
				g = setup(t, overlaySchema, maskRules()...) // where code has run everything is masked from then on
			}
			conn, tap := g.tapped()
			for _, sql := range c.texts {
				_, _ = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol) // some are there to fail
			}
			results, err := conn.PgConn().Exec(t.Context(), c.last).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			var row []string
			for _, v := range results[len(results)-1].Rows[0] {
				row = append(row, strings.TrimPrefix(string(v), "[masked]"))
			}
			if got := strings.Join(row, "|"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := tap.String(); strings.Contains(got, marker) || strings.Contains(got, "91755") {
				t.Errorf("the client received the marker: …%q", around(got, marker))
			}
		})
	}
}

const overlaySchema = maskSchema + `;
	create function fill() returns void language plpgsql as $$ begin insert into own select ssn from patients; end $$;
	create function own_a() returns text language plpgsql stable as $$ begin return (select max(a) from own); end $$;
	create table other (a text);
	create function ssn_of_one() returns text language plpgsql stable as $$ begin return (select ssn from patients where id = 1); end $$;
	create table coded (a text default ssn_of_one());
	create table numbered (n serial, a text);
	create function copied() returns trigger language plpgsql as $$ begin
		if to_regclass('pg_temp.own') is not null then insert into own values (new.ssn); end if; return null; end $$;
	create trigger copied after update on patients for each row execute function copied()`

// A portal whose tables hold more than when it was judged does not run.
func TestOverlay_Portal(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c := rawConn(t, g.dsn())
	got := c.exchange(
		step{send: msgs(query("create temp table t (a text)")), ready: 1},
		step{send: msgs(query("begin")), ready: 1},
		step{send: msgs(parse("s", "select a || '' from t"), bind("p", "s"), syncMsg), ready: 1},
		step{send: msgs(query("insert into t select ssn from patients")), ready: 1},
		step{send: msgs(execute("p", 0), syncMsg), ready: 1},
		step{send: msgs(query("rollback")), ready: 1},
		step{send: msgs(bind("", "s"), execute("", 0), syncMsg), ready: 1},
	)
	if strings.Contains(got, marker) || !strings.Contains(got, "temporary tables have changed") {
		t.Errorf("got\n%s", got)
	}
}
