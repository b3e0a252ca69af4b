package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/infer"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// A session's own tables hold what was put into them, column by column; what was
// computed elsewhere is shown as before.
func TestOverlay_Answers(t *testing.T) {
	shared := setup(t, overlaySchema, maskRules()...)
	shared.adjust(unlimited)
	const other = "select upper(name) from patients where id = 1"
	for name, c := range map[string]struct {
		texts []string
		last  string
		want  string // the row; masked or NULL values are ""
	}{
		"others are not touched":              {[]string{"create temp table t (a int)"}, other, "ANN"},
		"a copy by column":                    {[]string{"create temp table t as select id, name, ssn from patients"}, "select id + 1, upper(name), lower(ssn), name from t order by id limit 1", "2|ANN||Ann"},
		"select into":                         {[]string{"select name, ssn into temp t from patients where id = 1"}, "select name, ssn from t", "Ann|"},
		"like another":                        {[]string{"create temp table t (like patients including all)", "create index on t (name)", "insert into t (id, name, ssn) select id, name, ssn from patients where id = 1"}, "select upper(name), upper(ssn), name, ssn from t", "ANN||Ann|"},
		"like another, others as before":      {[]string{"create temp table t (like patients including all)", "create unique index on t (ssn)"}, other, "ANN"},
		"like one with code":                  {[]string{"create temp table t (like coded including all)", "insert into t default values"}, "select a || '' from t", ""},
		"like one with a default":             {[]string{"create temp table t (like numbered including defaults)", "insert into t (a) values ('x')"}, "select a || '', n + 1 from t", "x|2"},
		"filled later":                        {[]string{"create temp table t (a text, b text)", "insert into t select name, ssn from patients where id = 1"}, "select a, b from t", "Ann|"},
		"filled in a plan":                    {[]string{"create temp table t (a text, b text)", "explain analyze insert into t select name, ssn from patients where id = 1"}, "select a, b, b || '' from t", "Ann||"},
		"updated":                             {[]string{"create temp table t as select 1 as id, 'x' as a, 'y' as b", "update t set b = p.ssn from patients p where p.id = t.id"}, "select a, b from t", "x|"},
		"returning":                           {[]string{"create temp table t (a text, b text)"}, "insert into t select name, ssn from patients where id = 1 returning a, b", "Ann|"},
		"a copy of a copy":                    {[]string{"create temp table t as select ssn from patients", "create temp table u as select ssn as x, 1 as y from t"}, "select x, y + 1 from u limit 1", "|2"},
		"rolled back and made again":          {[]string{"begin", "create temp table t as select ssn as a from patients", "rollback", "create temp table t as select 'x' as a", "select 1"}, "select a from t", "x"},
		"a failed command":                    {[]string{"create temp table t as select ssn as a, 1/0 from patients", "create temp table t (a text)", "insert into t values ('x')"}, "select a from t", "x"},
		"dropped and made again":              {[]string{"create temp table t as select ssn as a from patients", "drop table t", "create temp table t as select 'x' as a"}, "select a from t", "x"},
		"dropped, and rolled back":            {[]string{"create temp table t as select ssn as a from patients", "begin", "drop table t", "create temp table t as select 'x' as a", "rollback"}, "select a from t limit 1", ""},
		"dropped, back to savepoint":          {[]string{"create temp table t as select ssn as a from patients", "begin", "savepoint s", "drop table t", "create temp table t as select 'x' as a", "rollback to s", "commit"}, "select a from t limit 1", ""},
		"on commit drop":                      {[]string{"begin", "create temp table t on commit drop as select ssn as a from patients", "commit", "create temp table t as select 'x' as a"}, "select a from t", "x"},
		"if not exists":                       {[]string{"create temp table t as select ssn as a from patients", "create temp table if not exists t (a text)"}, "select a from t limit 1", ""},
		"discarded":                           {[]string{"create temp table t as select ssn as a from patients", "discard temp", "create temp table t as select 'x' as a"}, "select a from t", "x"},
		"in the place of a table":             {[]string{"create temp table patients as select id, ssn as name from public.patients"}, "select upper(name), name from patients where id = 1", "|"},
		"by the schema's own name":            {[]string{"create temp table t as select ssn as a, 'x' as b from patients", "do $$ begin end $$"}, "select a, b || '' from pg_temp.t limit 1", "|"},
		"a number of a sequence":              {[]string{"create temp table t (id serial, a text)", "select setval('t_id_seq', (select n from patients where id = 1)::bigint)", "insert into t (a) values ('x')"}, "select id + 1, id, a from t", "||"},
		"code that writes":                    {[]string{"create temp table t (a text)", "do $$ begin insert into t select ssn from patients; end $$"}, "select a from t limit 1", ""},
		"a function that writes":              {[]string{"create temp table own (a text)", "select fill()"}, "select a from own limit 1", ""},
		"a trigger that writes":               {[]string{"create temp table own (a text)", "update patients set name = name where id = 1"}, "select a from own limit 1", ""},
		"a function that reads":               {[]string{"create temp table own as select ssn as a from patients where id = 1"}, "select own_a(), 'x'", "|x"},
		"a function that reads no copy":       {[]string{"create temp table own as select 'x' as a"}, "select own_a()", "x"},
		"renamed":                             {[]string{"create temp table t as select 'x' as a, ssn as b from patients", "alter table t rename a to c", "alter table t rename b to a"}, "select a, a || '' from t limit 1", "|"},
		"renamed, others as before":           {[]string{"create temp table t as select 'x' as a", "alter table t rename a to c", "alter table t rename to u"}, "select upper(name), c || '' from patients, u where id = 1", "ANN|x"},
		"renamed and rolled back":             {[]string{"create temp table t as select 'x' as a, ssn as b from patients", "begin", "alter table t rename a to c", "alter table t rename b to a", "alter table t rename c to b", "rollback"}, "select b, b || '' from t limit 1", "|"},
		"renamed after a savepoint":           {[]string{"create temp table t as select 'x' as a, ssn as b from patients", "begin", "savepoint s", "alter table t rename a to c", "alter table t rename b to a", "alter table t rename c to b", "rollback to s", "alter table t rename b to z", "commit"}, "select z, z || '' from t limit 1", "|"},
		"a table by another name":             {[]string{"create temp table t as select ssn as name, 1 as id from patients", "alter table t rename to patients"}, "select name, name || '' from patients limit 1", "|"},
		"altered, by column":                  {[]string{"create temp table t as select name as a, ssn as b from patients where id = 1", "alter table t add c int default 4, alter a set not null", "create index on t (b)", "alter table t drop b"}, "select a || '', c + 1 from t", "Ann|5"},
		"dropped and added again":             {[]string{"create temp table t as select ssn as a, 1 as b from patients", "alter table t drop a", "alter table t add a text default 'x'"}, "select a || '', b + 1 from t limit 1", "x|2"},
		"another type":                        {[]string{"create temp table t as select '7' as a, ssn as b from patients where id = 1", "alter table t alter a type int using a::int"}, "select a + 1, b from t", "8|"},
		"a type by another column":            {[]string{"create temp table t as select 'x' as a, ssn as b from patients", "alter table t alter a type varchar using b, drop b"}, "select a, a || '' from t limit 1", "|"},
		"columns that change places":          {[]string{"create temp table t as select 'x' as a, ssn as b from patients", "alter table t alter a type text using b, alter b type text using a"}, "select a, a || '', b from t limit 1", "||x"},
		"altered in many ways at once":        {[]string{"create temp table t as select ssn as a from patients", "begin", "alter table t add b text", "alter table t add c text", "alter table t add d text", "alter table t add e text", "alter table t add f text", "alter table t add g text", "alter table t add h text", "alter table t add i text", "update t set i = a"}, "select i, i || '' from t limit 1", "|"},
		"filled after it was altered":         {[]string{"create temp table t (a text)", "alter table t add b text", "alter table t rename a to c", "insert into t select name, ssn from patients where id = 1"}, "select c || '', b || '' from t", "Ann|"},
		"computed from one added":             {[]string{"create temp table t as select ssn as a from patients", "alter table t add g text generated always as (a || '') stored", "alter table t alter g drop expression"}, "select g, g || '' from t limit 1", "|"},
		"an alteration that fails":            {[]string{"create temp table t as select ssn as a, 'x' as b from patients", "alter table t alter b type int using a::int"}, "select a || '', b || '' from t limit 1", "|x"},
		"a sequence":                          {[]string{"create temp sequence s start 7", "alter sequence s increment 3"}, "select last_value + 1, upper(name) from s, patients where id = 1", "8|ANN"},
		"a sequence that was set":             {[]string{"create temp sequence s", "select setval('s', (select n from patients where id = 1)::bigint)"}, "select nextval('s'), (select last_value + 1 from s)", "|"},
		"a sequence that is dropped":          {[]string{"create temp sequence s", "drop sequence s"}, other, "ANN"},
		"a view in the place of a table":      {[]string{"create temp view patients as select id, ssn as name from public.patients"}, "select name, name || '' from patients limit 1", "|"},
		"filled by name, then renamed":        {[]string{"create temp table t (a text)", "prepare i as insert into t select ssn from patients where id = 1", "drop table t", "create temp table t (a text)", "execute i; alter table t rename a to c"}, "select c, c || '' from t", "|"},
		"filled in a plan, then renamed":      {[]string{"create temp table t (a text)", "prepare i as insert into t select ssn from patients where id = 1", "drop table t", "create temp table t (a text)", "explain analyze execute i; alter table t rename to u"}, "select a, a || '' from u", "|"},
		"a view of the session's own":         {[]string{"create temp view t as select ssn as a from patients"}, "select a, a || '' from t limit 1", "|"},
		"a view by column":                    {[]string{"create temp view mine (x, y, z) as select name, ssn, id + 1 from patients where id = 1"}, "select upper(x), upper(y), x, y, z + 1 from mine", "ANN||Ann||3"},
		"a view, others as before":            {[]string{"create temp view mine as select ssn from patients", "create or replace temp view mine as select ssn, name from patients", "drop view mine"}, other, "ANN"},
		"a view replaced":                     {[]string{"create temp view mine as select 'x' as a, 1 as b", "create or replace temp view mine as select ssn as a, 1 as b from patients"}, "select a || '', b + 1 from mine limit 1", "|2"},
		"a view dropped and made again":       {[]string{"create temp view mine as select ssn as a from patients", "drop view pg_temp.mine", "create temp view mine as select 'x' as a"}, "select a || '' from mine", "x"},
		"a view that failed":                  {[]string{"create temp view mine as select 'x' as a", "create temp view mine as select ssn as a from patients"}, "select a || '' from mine", "x"},
		"a view, back to savepoint":           {[]string{"create temp view mine as select ssn as a from patients", "begin", "savepoint s", "create or replace temp view mine as select 'x' as a", "rollback to s", "commit"}, "select a || '' from mine limit 1", ""},
		"a view that is rolled back":          {[]string{"create temp view mine as select 'x'::text as a", "begin", "create or replace temp view mine as select ssn as a from patients", "rollback", "create or replace temp view mine as select 'y'::text as a"}, "select a || '' from mine limit 1", "y"},
		"a view of a table filled later":      {[]string{"create temp table t (a text, b text)", "create view mine as select a as x, b as y from t", "insert into t select name, ssn from patients where id = 1"}, "select x || '', y || '' from mine", "Ann|"},
		"a view of a view, filled later":      {[]string{"create temp table t (a text)", "create temp view mine as select a from t", "create view w as select a || '' as a from mine", "insert into t select ssn from patients"}, "select a || '' from w limit 1", ""},
		"filled by a view":                    {[]string{"create temp table t (a text)", "create temp view mine as select a from t", "insert into mine select ssn from patients"}, "select a || '' from t limit 1", ""},
		"filled by a view, in one text":       {[]string{"create temp table t (a text)", "create temp view mine as select a from t; insert into mine select ssn from patients"}, "select a || '' from t limit 1", ""},
		"filled under another name":           {[]string{"create temp table t (a text)", "create temp view mine as select a from t", "alter table t rename to u", "insert into u select ssn from patients"}, "select a || '' from mine limit 1", ""},
		"a view over another's view":          {[]string{"create temp view mine as select who, n from shown"}, "select who || '', n + 1 from mine limit 1", "|2"},
		"a view of a table of its name":       {[]string{"set search_path = pg_catalog, public", "create temp view patients as select name as ssn, ssn as name, id from public.patients"}, "select ssn, name || '' from pg_temp.patients where id = 1", "Ann|"},
		"a recursive view":                    {[]string{"create temp recursive view mine (n, s) as select 1, 'x' union all select n + 1, (select ssn from patients where id = 1) from mine where n < 2"}, "select n + 1, s || '' from mine where n = 2", "3|"},
		"a view in one text":                  {nil, "create temp view mine as select name, ssn from patients where id = 1; select name || '', ssn || '' from mine", "Ann|"},
		"a view after other definitions":      {[]string{repeatable, "alter table other add c text", "create temp view mine as select name from patients", "commit"}, "select name || '' from mine limit 1", ""},
		"a view that a function reads":        {[]string{"create temp view own as select ssn as a from patients where id = 1"}, "select own_a(), 'x'", "|x"},
		"a view with a rule":                  {[]string{"create temp view mine as select name as a from patients", "create rule r as on insert to mine do instead select 1"}, "select a || '' from mine limit 1", ""},
		"a view of another's name":            {[]string{"create temp view v as select name as other, id from patients"}, "select other, other || '' from v where id = 1", "|"},
		"a child of a table":                  {[]string{"create temp table t () inherits (parent)", "insert into t select ssn from patients"}, "select a, a || '' from parent limit 1", "|"},
		"a table made a child":                {[]string{"create temp table t (a text)", "insert into t select ssn from patients", "alter table t inherit parent"}, "select a, a || '' from parent limit 1", "|"},
		"a table that is a child for a while": {[]string{"create temp table t (a text)", "begin", "alter table t inherit parent", "insert into t select ssn from patients", "commit"}, "select a, a || '' from parent limit 1", "|"},
		"a new child, not committed":          {[]string{repeatable, "create table kid () inherits (parent)", "insert into kid select ssn from patients"}, "select a, a || '' from parent limit 1", "|"},
		"a new partition, not committed":      {[]string{repeatable, "create table kid partition of parts default", "insert into kid select ssn from patients"}, "select a, a || '' from parts limit 1", "|"},
		"a child, discarded":                  {[]string{"create temp table t () inherits (parent)", "discard temp"}, other, "ANN"},
		"a child of one's own":                {[]string{"create temp table p (a text)", "create temp table t (b int) inherits (p)", "insert into t select ssn from patients"}, "select a, a || '' from p limit 1", "|"},
		"a partition of one's own":            {[]string{"create temp table p (a text) partition by list (a)", "create temp table t partition of p default", "insert into t select ssn from patients"}, "select a, a || '' from p limit 1", "|"},
		"made by name":                        {[]string{"prepare s as select ssn as a, name as b from patients where id = 1", "create temp table t as execute s"}, "select a || '', b || '' from t limit 1", "|"},
		"prepared before":                     {[]string{"create temp table t (a text)", "prepare s as select a || '' from t", "insert into t select ssn from patients where id = 1"}, "execute s", ""},
		"prepared to store":                   {[]string{"create temp table t (a text)", "prepare s as insert into t select ssn from patients where id = 1", "execute s"}, "select a || '' from t", ""},
		"stored by COPY's query":              {[]string{"create temp table t (a text)", "copy (insert into t select name from patients where id = 1 returning 1) to stdout", "with i as (insert into t select ssn from patients where id = 1 returning 1) select * from i"}, "select max(a) from t", ""},
		"a drop and a permanent one":          {[]string{"set search_path = public, pg_temp", "create temp table v as select 1 as id, ssn as other from patients"}, "select other, other || '' from pg_temp.v limit 1", "|"},
		"one text":                            {nil, "create temp table t as select name, ssn from patients where id = 1; select name || '', ssn || '' from t", "Ann|"},
	} {
		t.Run(name, func(t *testing.T) {
			g := shared
			if strings.Contains(strings.Join(c.texts, " "), "do $$") || strings.Contains(name, "function") || strings.Contains(name, "trigger") || strings.Contains(name, "not committed") {
				g = setup(t, overlaySchema, maskRules()...) // where code has run everything is masked from then on, and what is not committed has locks
				g.adjust(unlimited)
			}
			conn, tap := g.tapped()
			for _, sql := range c.texts {
				_, _ = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol) // some are there to fail
			}
			answers(t, conn, tap, c.last, c.want)
		})
	}
}

// answers checks the first row that the last command of a text gives, with what is masked or
// NULL as "", and that no byte of a protected value came.
func answers(t *testing.T, conn *pgx.Conn, tap *tapped, text, want string) {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var row []string
	for _, v := range results[len(results)-1].Rows[0] {
		row = append(row, strings.TrimPrefix(string(v), "[masked]"))
	}
	if got := strings.Join(row, "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tap.String(); strings.Contains(got, marker) || strings.Contains(got, "91755") {
		t.Errorf("the client received the marker: …%q", around(got, marker))
	}
}

// unlimited has sessions to come compare whatever they want, as if somebody approved it.
func unlimited(l *session.Line) { l.Inference = freely{l.Inference} }

type freely struct{ session.Inference }

func (freely) Over(context.Context, []infer.Claim) ([]infer.Count, error) { return nil, nil }

func (f freely) Take(ctx context.Context, claims []infer.Claim) (used, over []infer.Count, err error) {
	used, err = f.Add(ctx, claims)
	return used, nil, err
}

// repeatable begins a transaction that does not show what it has changed in the catalog: see look.
const repeatable = "begin isolation level repeatable read"

const overlaySchema = maskSchema + `;
	create function fill() returns void language plpgsql as $$ begin insert into own select ssn from patients; end $$;
	create function own_a() returns text language plpgsql stable as $$ begin return (select max(a) from own); end $$;
	create table other (a text);
	create table parent (a text);
	create table parts (a text) partition by list (a);
	create view shown as select ssn as who, id as n from patients where id = 1;
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
	if got = c.exchange( // constants of the client's own are no reason
		step{send: msgs(query("create temp table u (a text)")), ready: 1},
		step{send: msgs(query("begin")), ready: 1},
		step{send: msgs(parse("rest", "select g, u.a from generate_series(1, 3) g left join u on false"), bind("p", "rest"), execute("p", 1), syncMsg), ready: 1},
		step{send: msgs(query("insert into u values ('x')")), ready: 1},
		step{send: msgs(execute("p", 1), syncMsg), ready: 1},
		step{send: msgs(query("commit; insert into t select ssn from patients")), ready: 1},
		step{send: msgs(query("begin")), ready: 1},
	); strings.Contains(got, "ErrorResponse") {
		t.Errorf("got\n%s", got)
	}
	if got = c.exchange( // nor is what chooses the rows, where they are only read
		step{send: msgs(query("commit; create temp table w as select id, name from patients")), ready: 1},
		step{send: msgs(query("begin")), ready: 1},
		step{send: msgs(parse("rest2", "select id from w"), bind("p", "rest2"), execute("p", 1), syncMsg), ready: 1},
		step{send: msgs(query("delete from w where id in (select id from patients where ssn like '7%')")), ready: 1},
		step{send: msgs(execute("p", 1), syncMsg), ready: 1},
	); strings.Contains(got, "ErrorResponse") {
		t.Errorf("got\n%s", got)
	}
	if got = c.exchange( // but where what decides has protected values
		step{send: msgs(parse("keys", "select 1 from t order by a"), bind("k", "keys"), syncMsg), ready: 1},
		step{send: msgs(query("insert into t values ('x')")), ready: 1},
		step{send: msgs(execute("k", 0), syncMsg), ready: 1},
	); !strings.Contains(got, "temporary tables have changed") {
		t.Errorf("got\n%s", got)
	}
}

// A view of the session's own shows what its columns are called by now. Where that is not
// known any more, nothing that is computed of it is shown.
func TestOverlay_DefinitionsChangeUnderAView(t *testing.T) {
	g := setup(t, overlaySchema, maskRules()...)
	conn, beside := g.connect(), g.direct()
	read := func(sql string) (got string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return got
	}
	for _, sql := range []string{
		"create temp view mine as select name as a from patients where id = 1", "create temp view over as select a || '!' as b from mine",
		"create temp view still as select 'x' as a from numbered right join (values (1)) v (i) on true",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if a, b := read("select a || '' from mine"), read("select b || '' from over"); a != "Ann" || b != "Ann!" {
		t.Fatalf("got %q and %q", a, b)
	}
	for _, sql := range []string{"alter table patients rename ssn to was", "alter table patients rename name to ssn"} {
		if _, err := beside.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	another := g.connect()
	for _, sql := range []string{"create table fresh (a int)", "select"} { // has the catalog loaded again
		if _, err := another.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"select a || '' from mine", "select b || '' from over", "select a from mine"} {
		if got := read(sql); got != "[masked]" {
			t.Errorf("%s: %q", sql, got)
		}
	}
	if got := read("select a || '' from still"); got != "x" {
		t.Errorf("a view over other tables: %q", got)
	}
}

// Behind the session's own definitions answers are what they are in a session that begins then,
// but where something may be in pg_temp, which no catalog shows.
func TestOverlay_Definitions(t *testing.T) {
	g := setup(t, overlaySchema, maskRules()...)
	g.adjust(unlimited)
	const other = "select upper(name) from patients where id = 1"
	for name, c := range map[string]struct {
		texts []string
		last  string
		want  string // the row; masked or NULL values are ""
	}{
		"committed": {[]string{
			"create table d1 (id serial, a text)", "comment on table d1 is 'x'", "create index on d1 (a)", "alter table d1 add b text", "create view d1v as select * from d1",
			"create sequence d1s", "create type d1t as enum ('a')", "create domain d1d as text check (value <> '')", "create schema d1 create table t (a int)", "grant select on d1 to public",
			"create function d1f(text) returns text language sql immutable as 'select $1'", "drop view d1v", "alter table d1 rename to d1r", "create table d1c as select name, id from patients",
		}, other, "ANN"},
		"what was made":                                 {[]string{"create table d2 as select name, id from patients where id = 1", "create view d2v as select upper(name) as u, id from patients"}, "select u || '', upper(d2.name) from d2v join d2 using (id)", "ANN|ANN"},
		"in one transaction":                            {[]string{"begin", "create table d3 (a text)", "alter table d3 add b text", "commit"}, other, "ANN"},
		"not committed":                                 {[]string{repeatable, "create table d4 (a text)"}, other, ""},
		"rolled back":                                   {[]string{"begin", "create table d5 (a text)", "rollback"}, other, "ANN"},
		"beside temporary tables":                       {[]string{"create temp table t as select ssn as a, name from patients where id = 1", "create table d6 (a text)", "create table d6b as select name from t", "alter table d6 add b text"}, "select upper(a), upper(name) from t", "|ANN"},
		"dropped beside it":                             {[]string{"create temp table t as select ssn as a, name from patients where id = 1", "create table d22 (a text)", "comment on table d22 is 'x'", "comment on table t is 'x'", "drop table d22"}, "select upper(a), upper(name) from t", "|ANN"},
		"dropped with more beside it":                   {[]string{"create temp table t (a text, b text, c text)", "create table d23 (a text)", "drop table d23 cascade"}, "select upper(name) from patients where id = 1", ""},
		"dropped under another":                         {[]string{"create temp table other as select ssn as a from patients where id = 1", "drop table other"}, "select max(upper(a)) from (select a from other union all select name from patients where id = 1) x", ""},
		"a temporary table, not committed":              {[]string{"begin", "create table d7 (a text)", "create temp table t as select name, ssn from patients where id = 1", "commit"}, "select upper(name), upper(ssn) from t", "ANN|"},
		"a temporary table, in a repeatable one":        {[]string{repeatable, "create table d7r (a text)", "create temp table t as select name from patients where id = 1", "commit"}, "select upper(name) from t", ""},
		"a path without pg_temp":                        {[]string{"set search_path = public, \"$user\"", "select set_config('search_path', 'public', false)", "create table d8 (a text)"}, other, "ANN"},
		"a reset path":                                  {[]string{"set search_path = pg_temp", "discard all", "create table d9 (a text)"}, other, "ANN"},
		"pg_temp first":                                 {[]string{"set search_path = pg_temp, public", "create table t as select ssn as name from patients where id = 1"}, "select name, upper(name) from t", "|"},
		"pg_temp by its number":                         {[]string{"create temp table u ()", "do $$ begin perform set_config('search_path', (select nspname from pg_namespace where oid = pg_my_temp_schema()), false); end $$", "discard temp", "create table patients as select id, ssn as name from public.patients"}, other, ""},
		"pg_temp first, in one text":                    {nil, "set search_path = pg_temp; create table patients as select id, ssn as name from public.patients; " + other, ""},
		"pg_temp first, by set_config":                  {[]string{"select set_config('search_path', ' PG_TEMP', false)", "create table patients as select id, ssn as name from public.patients"}, other, ""},
		"pg_temp first, local":                          {[]string{"begin", "set local search_path = pg_temp", "create table patients as select id, ssn as name from public.patients", "commit"}, other, ""},
		"pg_temp first, a type":                         {[]string{"set search_path = pg_temp, public", "create type text as (a int)"}, other, ""},
		"a view over what is temporary":                 {[]string{"create temp table t as select ssn as name, id from patients", "create view patients as select * from t"}, other, ""},
		"a view, by another name":                       {[]string{"create temp view t as select ssn as name, id from public.patients", "alter view t rename to patients"}, other, ""},
		"a temporary one by another name":               {[]string{"create temp table t as select ssn as name, id from public.patients", "alter table t rename to patients"}, other, ""},
		"a new type of a column":                        {[]string{"create temp table t as select ssn as name, id from public.patients", "create type d10 as (a int)", "alter table t add c d10", "alter table t rename to patients"}, other, ""},
		"a cursor, not committed":                       {[]string{"begin", "create or replace view shown as select ssn as who, id as n from patients where id = 1", "create view d11 as select upper(name) as u from patients where id = 1", "alter table patients rename name to d11", "alter table patients rename ssn to name", "declare c cursor with hold for " + other, "alter table patients rename name to ssn", "alter table patients rename d11 to name", "commit"}, "fetch c", ""},
		"a cursor over another view, not committed":     {[]string{"create view d13 as select a from other", "begin", "create or replace view d13 as select ssn as a from patients where id = 1", "declare c cursor with hold for select upper(a) from d13", "commit"}, "fetch c", ""},
		"a view over what is temporary and more":        {[]string{"create temp table t as select ssn as name, id from patients", "create view patients as select t.* from t, pg_stats limit 1"}, "select upper(name) from patients", ""},
		"a trigger on what is temporary":                {[]string{"create temp table own (a text)", "create temp table t (a text)", "create function d14() returns trigger language plpgsql as 'begin perform fill(); return null; end'", "create trigger d14 after insert on t for each row execute function d14()", "insert into t values ('x')"}, "select max(upper(a)) from own", ""},
		"a child that is not followed":                  {[]string{"create type d15 as enum ('a')", "create temp table other (a text, more d15)", "insert into other select ssn from patients where id = 1", "alter table other inherit parent"}, "select a, a || '' from parent", "|"},
		"a child that code has made":                    {[]string{"do $$ begin create temp table other as select ssn as a from patients where id = 1; end $$", "alter table other inherit parent"}, "select a, a || '' from parent", "|"},
		"code that names pg_temp":                       {[]string{"set check_function_bodies = off", "create function d17() returns setof text language sql as 'select a from pg_temp.d17'", "create temp table d17 as select ssn as a from patients where id = 1"}, "select a, upper(a) from d17() a", "|"},
		"code that names pg_temp, in a plan of its own": {[]string{"create temp view d18 as select ssn as a from patients where id = 1", "create function d18() returns setof text language plpgsql as 'begin return query select a from pg_temp.d18; end'"}, "select a, upper(a) from d18() a", "|"},
		"code that is bound to what is temporary":       {[]string{"create temp table d19 as select ssn as a from patients where id = 1", "create function d19() returns setof text begin atomic select a from d19; end"}, "select a, upper(a) from d19() a", "|"},
		"code that sets the path":                       {[]string{"create function d20() returns void language plpgsql as 'begin set search_path = pg_temp; end'", "select d20()", "create table patients as select id, ssn as name from public.patients"}, other, ""},
		"code that sets the schema":                     {[]string{"create function d21() returns void language plpgsql as 'begin set local schema ''pg_temp''; end'", "begin", "select d21()", "create table patients as select id, ssn as name from public.patients", "commit"}, other, ""},
		"a prepared one, not committed":                 {[]string{"begin", "create view d12 as select ssn as x from patients where id = 1", "prepare s as select upper(x) from d12", "commit"}, "execute s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn, tap := g.tapped()
			defer func() { check(t, conn.Close(context.Background())) }()
			for _, sql := range c.texts {
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			answers(t, conn, tap, c.last, c.want)
		})
	}
	// The path that a session begins with counts too.
	begins := func(options ...string) {
		t.Helper()
		conn := g.connect(options...)
		_, err := conn.Exec(t.Context(), "create table patients as select id, ssn as name from public.patients")
		check(t, err)
		var got string
		if err := conn.QueryRow(t.Context(), other).Scan(&got); err != nil || got != "[masked]" {
			t.Errorf("with %q: %q %v", options, got, err)
		}
		check(t, conn.Close(t.Context()))
	}
	begins("search_path=pg_temp")
	begins("options=-c%20search_path%3Dpg_temp")
	_, err := g.direct().Exec(t.Context(), "alter database "+g.target.Database+" set search_path = 'pg_temp', public")
	check(t, err)
	begins()
}

// What a text makes behind a path of its own is the session's own in the same text.
func TestOverlay_PathOfTheText(t *testing.T) {
	a := &sqlscan.Analysis{Unplaced: []string{"v"}}
	if got := new(shadows).unplaced(a); got != nil {
		t.Errorf("got %q", got)
	}
	a.Paths = true
	if got := new(shadows).unplaced(a); !cmp.Equal(got, a.Unplaced) {
		t.Errorf("got %q", got)
	}
	a = &sqlscan.Analysis{Renamed: []string{"v"}}
	for made, want := range []bool{false, true} {
		if got := (&shadows{made: made}).unplaced(a); (len(got) > 0) != want {
			t.Errorf("%d things made: %q", made, got)
		}
	}
	a.Temp = true
	if got := new(shadows).unplaced(a); !cmp.Equal(got, a.Renamed) {
		t.Errorf("got %q", got)
	}
}
