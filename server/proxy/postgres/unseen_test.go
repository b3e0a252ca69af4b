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
	alter view v30 alter b set default ssn_of_one()`

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
