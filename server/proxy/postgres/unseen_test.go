package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// unseenSchema has code that copies, and ways to it that no name in a text shows.
const unseenSchema = deriveSchema + `;
	create function w() returns boolean language plpgsql as 'begin insert into public.log (a) select ssn from public.patients where id = 1; return true; end';
	create function gi(text) returns text language plpgsql immutable as 'begin perform public.w(); return $1; end';
	create domain d as text check (w());
	create type comp as (a d);
	create table c1 (k int, b text default ('x'::d)::text);
	create table c2 (b text check ((b::d)::text <> 'q'));
	create table c3 (b text);
	create index on c3 (((b::d)::text));
	create table c4 (b text, g text generated always as ((b::d)::text) stored);
	create table c6 (b text);
	create rule r as on insert to c6 do also select ('x'::d)::text;
	create table c7 (k int, b text default ('(x)'::text::comp)::text);
	create function f8(b text default ('x'::d)::text) returns text language sql immutable as 'select $1';
	create function sf(anyelement, text) returns anyelement language sql immutable as 'select $1';
	create function ff(anyelement) returns text language sql immutable as 'select ''x''::text';
	create aggregate f9(text) (sfunc = sf, stype = d, finalfunc = ff, initcond = 'x');
	create view c10 as select 'x'::text as b from jsonb_to_recordset('[{"a":"x"}]') as x(a d);
	create domain d2 as text check ((value::d)::text <> 'q');
	create function d(int) returns int language sql immutable as 'select $1';
	create table c11 (a text);
	insert into c11 values ('x');
	create function f11() returns void language plpgsql as 'begin update only (c11) set a = (select ssn from patients where id = 1); end';
	create table c12 (k int, b text default query_to_xml('select ssn from patients where id = 1', true, false, '')::text);
	create domain d3 as text default query_to_xml('select ssn from patients where id = 1', true, false, '')::text;
	create table c13 (k int, b d3);
	create domain d4 as text default ssn_of_one();
	create table c14 (k int, b d4);
	create domain d5 as text;
	create table c15 (b d5);
	insert into c15 values ('x');
	alter domain d5 add constraint c check (w()) not valid;
	create table c16 (b text);
	create index c16_i on c16 (gi(b));
	insert into c16 values ('x');
	create table u (k int, b text);
	insert into u values (1, 'x');
	create function weq(u, u) returns boolean language sql as 'select w()';
	create operator = (leftarg = u, rightarg = u, function = weq);
	create function wl(u, text) returns boolean language sql as 'select w()';
	create operator ~~ (leftarg = u, rightarg = text, function = wl);
	create function f17() returns boolean language plpgsql as 'begin return (select x is distinct from x from u x limit 1); end';
	create function f18() returns boolean language plpgsql as 'begin return (select nullif(x, x) is null from u x limit 1); end';
	create function f19() returns boolean language plpgsql as 'begin return (select x like ''x''::text from u x limit 1); end';
	create function f20() returns boolean language plpgsql as 'begin return pg_temp.f(); end';
	update patients set n = 91755 where id = 1;
	create function f22() returns bigint language sql as $$ select currval('public.numbers') $$;
	create table c21 (b text);
	create function ft() returns trigger language plpgsql as 'begin perform w(); return null; end';
	create trigger tr after truncate on c21 for each statement execute function ft();
	create function f21() returns void language plpgsql as 'begin truncate c1 *, c21 *; end';
	create table c24 (k int, n bigint default currval('numbers'::text::regclass));
	create table c25 (k int, n bigint default lastval());
	create domain d6 as bigint default currval('numbers');
	create table c26 (k int, n d6);
	create function f27(text) returns bigint language sql as 'select currval($1)';
	create function f28(bigint default currval('numbers')) returns bigint language sql immutable as 'select $1';
	create table c29 (k int, n bigint default currval('ours'::text::regclass));
	create table c30 (k int, b text);
	create view v30 as select * from c30;
	alter view v30 alter b set default ssn_of_one();
	create table c31 (k int, b text);
	create function pure() returns text language sql as $$ select 'x'::text $$;
	create type comp2 as (k int, b d4);
	create table c38 (k int, b text default ssn_of_one()) partition by list (k);
	create table c39 (k text);
	create function copy() returns trigger language plpgsql as 'begin insert into public.log (a) values (new.k); return null; end';
	create function fresh() returns trigger language plpgsql as 'begin insert into public.log (a) select a from fresh; return null; end';
	create table fresh (a text);
	create constraint trigger t after insert on c39 deferrable initially deferred for each row execute function fresh();
	create function soon() returns trigger language plpgsql as 'begin return null; end';
	create table c40 (k text);
	create constraint trigger t after insert on c40 deferrable initially deferred for each row execute function soon();
	create table c41 (k text);
	create trigger t after insert on c41 for each statement execute function ft();
	alter table c41 disable trigger t;
	create type comp3 as (a text);
	create schema mine`

// What copies though no text names it is told of all the same: the copy is protected.
func TestDerive_Unseen(t *testing.T) {
	g := setup(t, unseenSchema, maskRules()...)
	masks := g.inherits(maskRules())
	g.adjust(unlimited)
	direct := g.direct()
	const copied, number = "select a from log", "select setval('numbers', (select n from patients where id = 1))"
	for name, texts := range map[string][]string{
		"a domain in a default":         {"insert into c1 (k) values (1)", copied},
		"a domain in a check":           {"insert into c2 values ('x')", copied},
		"a domain in an index":          {"insert into c3 values ('x')", copied},
		"a domain in a generated one":   {"insert into c4 values ('x')", copied},
		"a domain in a rule":            {"insert into c6 values ('x')", copied},
		"a domain in a composite":       {"insert into c7 (k) values (1)", copied},
		"a domain in an argument":       {"select f8()", copied},
		"a domain in an aggregate":      {"select f9('y') over ()", copied},
		"a domain in a view":            {"select b from c10", copied},
		"a domain in a domain":          {"select 'x'::d2", copied},
		"a domain called as a function": {"select d('x')", copied},
		"ONLY in brackets":              {"select f11()", "select a from c11"},
		"an asterisk":                   {"select f21()", copied},
		"a default of PostgreSQL's own": {"insert into c12 (k) values (1) returning b", "select b from c12"},
		"a domain's default":            {"insert into c13 (k) values (1) returning b", "select b from c13"},
		"a domain's default, a user's":  {"insert into c14 (k) values (1) returning b", "select b from c14"},
		"a domain that is validated":    {"alter domain d5 validate constraint c", copied},
		"CLUSTER":                       {"cluster c16 using c16_i", copied},
		"IS DISTINCT FROM":              {"select f17()", copied},
		"NULLIF":                        {"select f18()", copied},
		"LIKE":                          {"select f19()", copied},
		"a function of pg_temp":         {"create function pg_temp.f() returns boolean language sql as 'select w()'", "select pg_temp.f()", copied},
		"a sequence by its name":        {number, "select f22()"},
		"a sequence by a text":          {number, "insert into c24 (k) values (1)", "select n from c24"},
		"the last number":               {"select count(*) from (select nextval('numbers')) x", number, "insert into c25 (k) values (1)", "select n from c25"},
		"a sequence of a domain":        {number, "insert into c26 (k) values (1)", "select n from c26"},
		"a sequence by an argument":     {number, "select f27('numbers')"},
		"a sequence in an argument":     {number, "select f28()"},
		"a sequence of the session's":   {"create temp sequence ours", "select setval('ours', (select n from patients where id = 1))", "insert into c29 (k) values (1)", "select n from c29"},
		"a view's default":              {"insert into v30 (k) values (1)", "select b from c30"},
		"a new trigger":                 {"begin", "create function f31() returns trigger language plpgsql as 'begin new.b := (select ssn from patients where id = 1); return new; end'", "create trigger t before insert on c31 for each row execute function f31()", "insert into c31 (k) values (1)", "commit", "select b from c31"},
		"a new function":                {"begin", "create function f32(x text) returns void language sql as 'insert into log (a) values (x)'", "select f32(ssn) from patients", "commit", copied},
		"a new function with escapes":   {"begin", "create function f32b() returns void language sql as E'insert\x20into log (a) select ssn from patients'", "select f32b()", "commit", copied},
		"another function":              {"begin", "create or replace function pure() returns text language sql as 'select ssn from patients where id = 1'", "insert into log (a) select pure()", "commit", copied},
		"another function by its name":  {"begin", "alter function pure() rename to impure", "alter function ssn_of_one() rename to pure", "insert into log (a) select pure()", "commit", "alter function pure() rename to ssn_of_one", "alter function impure() rename to pure", copied},
		"a new operator":                {"begin", "create function f33(text, text) returns text language sql as 'select ssn from patients where id = 1'", "create operator ### (leftarg = text, rightarg = text, function = f33)", "insert into log (a) select 'a' ### 'b'", "commit", copied},
		"a new cast":                    {"begin", "create function f34(comp3) returns text language sql as 'select ssn from patients where id = 1'", "create cast (comp3 as text) with function f34(comp3) as assignment", "insert into log (a) select row('a')::comp3", "commit", "drop cast (comp3 as text)", copied},
		"what a new function reads":     {"begin", "create table c35 as select ssn as a from patients", "create function f35() returns void language sql as 'insert into log (a) select a from c35'", "select f35()", "commit", copied},
		"a new table's default":         {"begin", "create table c36 (k int, b text default ssn_of_one())", "insert into c36 (k) values (1)", "commit", "select b from c36"},
		"a new table's type":            {"begin", "create table c37 of comp2", "insert into c37 (k) values (1)", "commit", "select b from c37"},
		"a new partition":               {"begin", "create table c38_1 partition of c38 for values in (1)", "insert into c38_1 (k) values (1)", "commit", "select b from c38_1"},
		"a new sequence":                {"begin", "create sequence s42", "select setval('s42', (select n from patients where id = 1))", "commit", "select last_value from s42"},
		"a new table's sequence":        {"begin", "create table c43 (k int, n bigint default currval('numbers'::text::regclass))", number, "insert into c43 (k) values (1)", "commit", "select n from c43"},
		"a new quoted sequence":         {"begin", "create sequence \"S44\"", "select setval('\"S44\"', (select n from patients where id = 1))", "commit", "select last_value from \"S44\""},
		"a new serial column":           {"begin", "create table c45 (id serial, k int)", "select setval(pg_get_serial_sequence('c45', 'id'), (select n from patients where id = 1))", "insert into c45 (k) values (1)", "commit", "select id - 1 from c45"},
		"a new table of the name":       {"begin", "create table mine.log (a text)", "set local search_path = mine, public", "insert into log (a) select ssn from patients", "commit", "select a from mine.log"},
		"a new schema":                  {"begin", "create schema ours", "set local search_path = ours, public", "create table c46 (a text)", "insert into c46 (a) select ssn from patients", "commit", "select a from ours.c46"},
		"another name":                  {"begin", "alter table c11 rename to log2x", "insert into log2x (a) select ssn from patients", "alter table log2x rename to c11", "commit", "select a from c11"},
		"a trigger that is switched on": {"begin", "alter table c41 enable trigger t", "insert into c41 values ('x')", "commit", copied},
		"a trigger that is put off":     {"begin", "insert into c40 values ('x')", "create or replace function soon() returns trigger language plpgsql as 'begin perform w(); return null; end'", "commit", copied},
		"what a trigger finds later":    {"begin", "insert into c39 values ('x')", "create temp table fresh as select ssn as a from patients", "commit", copied},
		"a trigger of the session's":    {"create temp table t (k text)", "create trigger t after insert on t for each row execute function copy()", "insert into t select ssn from patients", copied},
		"code that calls one":           {"create function pg_temp.f() returns boolean language sql as 'select w()'", "select f20()", copied},
	} {
		t.Run(name, func(t *testing.T) {
			masks.mu.Lock()
			masks.tables = nil
			masks.mu.Unlock()
			_, err := direct.Exec(t.Context(), "truncate log, c12, c13, c14, c24, c25, c26, c29, c30; insert into log (id) values (1)", pgx.QueryExecModeSimpleProtocol)
			check(t, err)
			conn, tap := g.tapped()
			defer func() { check(t, conn.Close(context.Background())) }()
			for _, sql := range texts {
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			another, beside := g.tapped()
			defer func() { check(t, another.Close(context.Background())) }()
			if last := texts[len(texts)-1]; last == copied {
				var there bool
				check(t, direct.QueryRow(t.Context(), "select exists (select from log where a like '%"+marker+"%')").Scan(&there))
				if !there {
					t.Error("nothing was copied")
				}
				_, err := another.Exec(t.Context(), last, pgx.QueryExecModeSimpleProtocol)
				check(t, err)
			}
			for _, got := range []string{tap.String(), beside.String()} {
				if strings.Contains(got, marker) || strings.Contains(got, "91755") {
					t.Errorf("the client received the marker: …%q", around(got, marker))
				}
			}
		})
	}
}

// What commands set off that event triggers fire for is told, too, and none stores a protected
// value in the catalog.
func TestDerive_Events(t *testing.T) {
	g := setup(t, deriveSchema+`;
		create materialized view made as select 1 as a;
		create function maker() returns void language plpgsql as 'begin create temp table if not exists x (a int); end';
		create function copy() returns event_trigger language plpgsql as 'begin insert into log2 (a) select ssn from patients where id = 1; end';
		create domain d as int;
		alter table patients alter n type d;
		create function keep(int) returns boolean language plpgsql as 'begin insert into log (a) values ($1); return true; end';
		alter domain d add constraint c check (keep(value)) not valid;
		insert into log2 (a) values ('x');
		create event trigger e on ddl_command_end when tag in ('REFRESH MATERIALIZED VIEW', 'CREATE TABLE') execute function copy()`, maskRules()...)
	masks := g.inherits(maskRules())
	for sql, into := range map[string]string{"refresh materialized view made": "log2", "select maker()": "log2", "alter domain d validate constraint c": "log"} {
		masks.mu.Lock()
		masks.tables = nil
		masks.mu.Unlock()
		conn := g.connect()
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		check(t, err)
		check(t, conn.Close(t.Context()))
		conn = g.connect()
		var got string
		if err := conn.QueryRow(t.Context(), "select max(a) from "+into).Scan(&got); err != nil || got != "[masked]" {
			t.Errorf("%s: %q %v", sql, got, err)
		}
		check(t, conn.Close(t.Context()))
	}
	conn := g.connect()
	_, err := conn.Exec(t.Context(), "create table part_2 partition of parts for values in ((ssn_of_one())::int)", pgx.QueryExecModeSimpleProtocol)
	if state(err) != "42501" {
		t.Errorf("a partition's bounds: %v", err)
	}
	_, err = conn.Exec(t.Context(), "create table part_2 partition of parts for values in (2, 3 + 4)", pgx.QueryExecModeSimpleProtocol)
	check(t, err)
	check(t, conn.Close(t.Context()))
}
