package catalog

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/pgserver/pgservertest"
)

var server *pgserver.Server // set by TestMain, used by every test

func TestMain(m *testing.M) { pgservertest.Main(m, &server, pgserver.Options{}) }

// database makes a database with a schema and gives a connection to it.
func database(t *testing.T, schema string) (string, *pgx.Conn) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("db%d", dbCount.Add(1))
	if _, err := admin.Exec(t.Context(), "create database "+name+" strategy file_copy"); err != nil {
		t.Fatal(err)
	}
	if err := admin.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	mustExec(t, conn, schema)
	return name, conn
}

var dbCount atomic.Int32

func mustExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func newCatalog(t *testing.T, db string, opts Options) *Catalog {
	t.Helper()
	if opts.Connect == nil {
		opts.Connect = func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, server.DSN(db)) }
	}
	c := New(opts)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func snapshot(t *testing.T, c *Catalog) *Snapshot {
	t.Helper()
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func one(t *testing.T, s *Snapshot, schema, name string) *Table {
	t.Helper()
	found := s.Lookup(schema, name)
	if len(found) != 1 {
		t.Fatalf("%s.%s: %d relations, want 1", schema, name, len(found))
	}
	return found[0]
}

const clinic = `
create schema clinic; create sequence clinic.s;
create type clinic.mood as enum ('good', 'bad');
create type clinic.address as (street text, zip varchar(5), lines text[]);
create domain clinic.code as text check (value ~ '^[A-Z]+$');
create function clinic.is_code(text) returns boolean language sql immutable as $$ select $1 <> '' $$;
create domain clinic.checked as text check (clinic.is_code(value));
create type clinic.span as range (subtype = int4);
create table clinic.patients (id bigint primary key, name text not null default 'x', ssn varchar(11), home clinic.address, m clinic.mood,
	low text generated always as (lower(ssn)) stored);
alter table clinic.patients drop column name;
create table clinic.visits (id int, patient bigint references clinic.patients on delete cascade, at date) partition by range (at);
create table clinic.visits_2024 partition of clinic.visits for values from ('2024-01-01') to ('2025-01-01');
create table base (a int); create table child () inherits (base);
create view clinic.names as select id, ssn, nextval('clinic.s') from clinic.patients where clinic.is_code(ssn);
create materialized view clinic.mv as select 1 as one;
create function clinic.tf() returns trigger language plpgsql security definer as $$ begin return new; end $$;
create trigger tr before insert on clinic.patients for each row execute function clinic.tf();
create table ruled (a int); create rule r as on insert to ruled do instead nothing;
create procedure clinic.p(a int) language sql as $$ select 1 $$;
create function clinic.eq(text, int) returns boolean language sql as $$ select true $$;
create operator clinic.=== (leftarg = text, rightarg = int, function = clinic.eq);
create function clinic.m2t(clinic.mood) returns text language sql as $$ select 'x' $$;
create cast (clinic.mood as text) with function clinic.m2t(clinic.mood);
create table coded (a text check (clinic.is_code(a)));
`

func TestSnapshot_HoldsWhatTheDatabaseContains(t *testing.T) {
	db, _ := database(t, clinic)
	s := snapshot(t, newCatalog(t, db, Options{}))

	p := one(t, s, "clinic", "patients")
	var names []string
	for _, c := range p.Columns {
		names = append(names, fmt.Sprintf("%s/%d/%v", c.Name, c.Attr, c.Generated))
	}
	want := []string{"id/1/false", "ssn/3/false", "home/4/false", "m/5/false", "low/6/true"}
	if !slices.Equal(names, want) {
		t.Errorf("columns %v, want %v", names, want)
	}
	if !p.HasTriggers || p.HasRules || p.System || p.Kind != KindOrdinary || p.RunsCode {
		t.Errorf("patients: %+v", p)
	}
	if got, ok := s.Table(p.OID); !ok || got != p {
		t.Error("not found by OID")
	}
	if len(p.Cascades) != 2 || !p.Cascades[0].OnDelete { // the partition has its own
		t.Errorf("cascades %+v", p.Cascades)
	}
	v := one(t, s, "", "visits")
	if v.Kind != KindPartitioned || len(v.Children) != 1 || len(s.Related(v)) != 1 {
		t.Errorf("visits: %+v", v)
	}
	if rel := s.Related(one(t, s, "public", "child")); len(rel) != 1 || rel[0].Name != "base" {
		t.Errorf("relatives of child: %v", rel)
	}
	if !one(t, s, "", "ruled").HasRules || !one(t, s, "", "coded").RunsCode {
		t.Error("rule or check not seen")
	}
	names = nil
	view := one(t, s, "clinic", "names")
	for _, oid := range view.Calls {
		f, ok := s.Function(oid)
		if !ok {
			t.Fatalf("function %d", oid)
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"is_code", "nextval"}) || !slices.Equal(view.Uses, []uint32{p.OID}) || view.HasRules {
		t.Errorf("view calls %v, uses %v", names, view.Uses)
	}
	if k := one(t, s, "clinic", "mv").Kind; k != KindMatView {
		t.Errorf("mv is %c", k)
	}
	if !one(t, s, "pg_catalog", "pg_class").System || !one(t, s, "information_schema", "tables").System {
		t.Error("system relations are not System")
	}
}

func TestSnapshot_TypesFunctionsOperators(t *testing.T) {
	db, _ := database(t, clinic)
	s := snapshot(t, newCatalog(t, db, Options{}))
	p := one(t, s, "clinic", "patients")

	ssn, _ := p.Column("ssn")
	if ty := s.Type(ssn.Type); ty.Name != "varchar" || ty.Kind != hoop.TypeBase || ssn.Mod != 15 {
		t.Errorf("ssn: %+v, modifier %d", ty, ssn.Mod)
	}
	home, _ := p.Column("home")
	addr := s.Type(home.Type)
	if addr.Name != "clinic.address" || addr.Kind != hoop.TypeComposite || len(addr.Fields) != 3 {
		t.Fatalf("address: %+v", addr)
	}
	if addr.Fields[1].Mod != 9 || addr.Fields[2].Kind != hoop.TypeArray || addr.Fields[2].Elem.Name != "text" {
		t.Errorf("fields: %+v %+v", addr.Fields[1], addr.Fields[2])
	}
	for name, want := range map[string]UserType{
		"mood": {Kind: hoop.TypeEnum}, "code": {Kind: hoop.TypeDomain},
		"checked": {Kind: hoop.TypeDomain, RunsCode: true}, "span": {Kind: hoop.TypeRange},
	} {
		got := s.UserTypes(name)
		if len(got) != 1 {
			t.Fatalf("%s: %+v, want one type", name, got)
		}
		if ends := s.Type(got[0].OID).Ends; name == "mood" && !slices.Equal(ends, []string{"good", "bad"}) {
			t.Errorf("ends of %s: %q", name, ends)
		}
		if want.Schema, want.OID = "clinic", got[0].OID; got[0] != want || s.Type(want.OID) == nil {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	tf := s.Functions("clinic", "tf")
	if len(tf) != 1 || tf[0].Language != "plpgsql" || !tf[0].SecurityDefiner || tf[0].System || tf[0].Source == "" {
		t.Errorf("tf: %+v", tf)
	}
	if f := s.Functions("", "p"); len(f) != 1 || f[0].Kind != 'p' || f[0].Args != 1 {
		t.Errorf("p: %+v", f)
	}
	if f := s.Functions("pg_catalog", "random"); len(f) == 0 || !f[0].System || f[0].Volatility != Volatile {
		t.Errorf("random: %+v", f)
	}
	if f := s.Functions("", "generate_series"); len(f) == 0 || !f[0].Set {
		t.Errorf("generate_series: %+v", f)
	}
	if len(s.Operators("===")) != 1 || len(s.Operators("=")) != 0 || len(s.Casts()) != 1 {
		t.Errorf("operators %v, casts %v", s.Operators("==="), s.Casts())
	}
}

func TestSnapshot_KnowsCodeThatRunsUnseen(t *testing.T) {
	db, _ := database(t, `
create table seen (id int, x text); create table log (x text);
create function d() returns text language sql stable as $$ select x from seen $$;
create function arg(a text default d()) returns text language sql return (select x from seen);
create function ok(text) returns boolean language sql immutable as $$ select true $$;
create function eqs(text, text) returns boolean language sql immutable as $$ select true $$;
create function up(text) returns text language sql immutable as $$ select $1 $$;
create operator ==== (leftarg = text, rightarg = text, function = eqs);
create domain checked as text check (ok(value));
create type pair as (a int, b checked);
create table t (id int, x text default d(), y text check (y ==== 'a'), z text generated always as (up(y) || id) stored, p pair[]);
create index on t (up(x));
create policy pol on t using (ok(x));
create function tf() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger tr before insert or update on t for each row when (ok(new.x)) execute function tf();
create trigger tl after delete on t for each statement execute function tf();
create table watched (id int, a text, b text);
create trigger tc after update of b, id on watched for each row execute function tf();
create trigger tm after update on watched referencing old table as was new table as "Is" for each statement execute function tf();
create trigger toff before insert on watched for each row execute function tf();
alter table watched disable trigger toff;
create function named(a int, out b int) language sql as 'select 1';
create rule r as on update to t do also insert into log values (d());
create function step(text, text) returns text language sql as $$ select $1 $$;
create aggregate agg (text) (sfunc = step, stype = text, finalfunc = up);
create function ev() returns event_trigger language plpgsql as $$ begin end $$;
create event trigger e on ddl_command_end execute function ev();
create table numbered (a serial, b int generated by default as identity);
`)
	s := snapshot(t, newCatalog(t, db, Options{}))
	names := func(oids []uint32) string {
		var out []string
		for _, oid := range oids {
			if f, ok := s.Function(oid); ok && !f.System {
				out = append(out, f.Name)
			}
		}
		slices.Sort(out)
		return strings.Join(slices.Compact(out), " ")
	}
	tab := one(t, s, "", "t")
	z, _ := tab.Column("z")
	p, _ := tab.Column("p")
	for what, got := range map[string][2]string{
		"values":    {names(tab.Values), "d up"},
		"checks":    {names(tab.Checks), "eqs up"},
		"policies":  {names(tab.Policies), "ok"},
		"rule":      {names(tab.RuleCalls), "d"},
		"aggregate": {names(s.Functions("", "agg")[0].Calls), "step up"},
		"argument":  {names(s.Functions("", "arg")[0].Calls), "d"},
		"events":    {names(s.EventTriggers()), "ev"},
		"type":      {names(s.TypeCode(p.Type)), "ok"},
		"generated": {strings.Join(z.From, " "), "id y"},
		"when":      {names(tab.Triggers[1].Calls), "ok"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
	if n := one(t, s, "", "numbered").Sequences; len(n) != 2 {
		t.Errorf("sequences %v, want 2", n)
	}
	if len(tab.RuleUses) != 1 || tab.RuleUses[0] != one(t, s, "", "log").OID {
		t.Errorf("rule uses %v", tab.RuleUses)
	}
	if src := s.Functions("", "arg")[0].Source; !strings.Contains(src, "seen") {
		t.Errorf("body of a tree: %q", src)
	}
	if tr := tab.Triggers[1]; !tr.Rewrites || tr.On != OnInsert|OnUpdate {
		t.Errorf("trigger %+v", tr)
	}
	if tl := tab.Triggers[0]; tl.Rewrites || tl.On != OnDelete || len(tl.Columns)+len(tl.Moved) > 0 {
		t.Errorf("trigger %+v", tl)
	}
	if w := one(t, s, "", "watched").Triggers; len(w) != 2 || fmt.Sprint(w[0].Columns, w[0].Moved, w[1].Columns, w[1].Moved) != "[id b] [] [] [was Is]" {
		t.Errorf("triggers %+v", w)
	}
	if f := s.Functions("", "named")[0]; !slices.Equal(f.ArgNames, []string{"a", "b"}) {
		t.Errorf("names of arguments %q", f.ArgNames)
	}
}

func TestSnapshot_Keys(t *testing.T) {
	db, _ := database(t, `
		create table t (a int primary key, b text, c int unique deferrable initially deferred, "D e" int, f int, unique ("D e", b));
		create unique index on t (f) where a > 1;
		create unique index on t (lower(b));
		create unique index on t (b text_pattern_ops);
		create unique index on t (b collate "POSIX");
		create unique index on t (f) include (c);
		create index on t (c);
		create table p (a int, b int, unique (a)) partition by list (a);
		create table p1 partition of p for values in (1)`)
	snap := snapshot(t, newCatalog(t, db, Options{}))
	for name, want := range map[string][][]string{"t": {{"a"}, {"D e", "b"}, {"f"}}, "p": {{"a"}}, "p1": {{"a"}}} {
		if got := snap.Lookup("public", name)[0].Keys; !reflect.DeepEqual(got, want) {
			t.Errorf("keys of %s: %q, want %q", name, got, want)
		}
	}
}

// Collations and types that call texts equal which differ, whatever is made of them.
func TestSnapshot_Loose(t *testing.T) {
	db, _ := database(t, `
		create extension citext;
		create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		create collation strict (provider = icu, locale = 'und');
		create domain d as text collate ci;
		create type pair as (a int, b d[]);
		create table t (a text, b text collate ci, c citext, d d, e pair, f text collate strict, g name, h text[] collate ci, i citext[], j varchar(3) collate "C");
		create view v as select a collate ci as x, a as y from t`)
	snap := snapshot(t, newCatalog(t, db, Options{}))
	for name, want := range map[string]string{"t": "bcdehi", "v": "x"} {
		got := ""
		for _, c := range snap.Lookup("public", name)[0].Columns {
			if c.Loose {
				got += c.Name
			}
		}
		if got != want {
			t.Errorf("loose columns of %s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]bool{"ci": true, "strict": false, "C": false, "d": true, "pair": true, "citext": true, "text": false, "_text": false} {
		if got := snap.Loose(name); got != want {
			t.Errorf("Loose(%s) is %v", name, got)
		}
	}
}

// What a change may fail on: expressions and conditions of indexes, checks and both sides of
// foreign keys count.
func TestSnapshot_Clashes(t *testing.T) {
	db, _ := database(t, `
		create table t (a int, b text unique, c int, d int check (d > 1), e int, f int, check (e <> f), x int);
		create unique index on t (lower(b)) where a > 1;
		create index on t (x);
		create table r (t text references t (b), n int not null)`)
	snap := snapshot(t, newCatalog(t, db, Options{}))
	for name, want := range map[string][]string{"t": {"r.t t.b", "t.a t.b", "t.b", "t.d", "t.e t.f"}, "r": {"r.t t.b"}} {
		var got []string
		for _, clash := range snap.Lookup("public", name)[0].Clashes {
			var columns []string
			for _, c := range clash {
				columns = append(columns, c.Table+"."+c.Column)
			}
			slices.Sort(columns)
			got = append(got, strings.Join(columns, " "))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s can fail on %q, want %q", name, got, want)
		}
	}
}

func TestSnapshot_VersionFollowsEveryChange(t *testing.T) {
	db, conn := database(t, "create table t (a int); create function f() returns int language sql as 'select 1'")
	c := newCatalog(t, db, Options{})
	old := snapshot(t, c)
	for _, ddl := range []string{
		"create table u (b int)", "alter table t rename a to z", "alter table t add column c int", "alter table t alter c type bigint",
		"create or replace function f() returns int language sql as 'select 2'", "create view v as select 1 as x",
		"create or replace view v as select 2 as x", "create schema s", "alter table u set schema s", "alter table t inherit s.u",
		"create type e as enum ('a')", "create operator @@@ (leftarg = int, rightarg = int, function = int4pl)",
		"create rule r as on delete to t do instead nothing", "alter table t enable row level security", "create policy p on t using (true)", "alter policy p on t using (f() = 1)",
		"alter table t alter z set default 1", "alter table t alter z set default f()", "create index on t ((z + 1))",
		"create unique index tz on t (z)", "drop index tz", "alter table t add constraint k unique (z, c)", "alter table t drop constraint k",
		"create type mood as enum ('a')", "alter type mood add value 'b'", "create type span as range (subtype = float8)", "create cast (text as span) with inout",
		"create function same(int, int) returns bool language sql as 'select $1 = $2'", "create operator === (leftarg = int, rightarg = int, function = same)",
		"create domain d as text", "alter domain d add check (value <> '')",
		"create function ev() returns event_trigger language plpgsql as 'begin end'", "create event trigger ev on sql_drop execute function ev()",
		"drop table t cascade",
	} {
		if ddl == "alter table t inherit s.u" {
			mustExec(t, conn, "alter table t add column b int")
			old, _ = c.Refresh(t.Context())
		}
		mustExec(t, conn, ddl)
		got, err := c.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Version == old.Version {
			t.Errorf("%s: the version stayed", ddl)
		}
		old = got
	}
	mustExec(t, conn, `create temp table tt (a int default 1); create index on tt ((a + 1)); insert into s.u values (1);
		create temp view tv as select a from tt; create or replace temp view tv as select a, 1 as b from tt;
		create temp table tc () inherits (tt); create rule r as on delete to tt do instead nothing;
		alter table tt enable row level security; create policy p on tt using (true);
		create type pg_temp.mood as enum ('a', 'b'); alter type pg_temp.mood add value 'c'; create type pg_temp.span as range (subtype = float8);
		create domain pg_temp.short as text check (value < 'x'); create type pg_temp.pair as (a int, b text);
		create function pg_temp.same(int, int) returns bool language sql as 'select $1 = $2';
		create or replace function pg_temp.same(int, int) returns bool language sql as 'select $2 = $1';
		create aggregate pg_temp.total (int) (sfunc = int4pl, stype = int)`)
	if got, _ := c.Refresh(t.Context()); got != old {
		t.Error("temporary objects, or rows, made a new snapshot")
	}
	if len(old.Lookup("", "tt")) != 0 {
		t.Error("a temporary table of another session is in the snapshot")
	}
}

func TestCatalog_PollSeesChanges(t *testing.T) {
	db, conn := database(t, "")
	c := newCatalog(t, db, Options{Poll: 5 * time.Millisecond})
	snapshot(t, c)
	mustExec(t, conn, "create table later (a int)")
	for ctx := t.Context(); ; {
		if s := snapshot(t, c); len(s.Lookup("public", "later")) == 1 {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("never seen")
		}
	}
}

func TestCatalog_IdleStopsPollingAndReloadsWhenAsked(t *testing.T) {
	db, conn := database(t, "")
	var now atomic.Int64
	c := newCatalog(t, db, Options{Poll: time.Millisecond, Idle: time.Minute, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	snapshot(t, c)
	now.Add(int64(time.Hour))
	c.wg.Wait() // the poller ends by itself
	if c.conn != nil {
		t.Error("the connection stayed open")
	}
	mustExec(t, conn, "create table meanwhile (a int)")
	if len(snapshot(t, c).Lookup("public", "meanwhile")) != 1 {
		t.Error("an old snapshot after idling")
	}
}

func TestCatalog_FailsClosedAndRecovers(t *testing.T) {
	db, conn := database(t, "create table t (a int)")
	var down atomic.Bool
	var dials atomic.Int32
	var now atomic.Int64
	c := newCatalog(t, "", Options{
		Poll: time.Hour, Now: func() time.Time { return time.Unix(0, now.Load()) },
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			dials.Add(1)
			if down.Load() {
				return nil, errors.New("down")
			}
			return pgx.Connect(ctx, server.DSN(db))
		},
	})
	snapshot(t, c)
	down.Store(true)
	mustExec(t, conn, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	now.Add(int64(3 * time.Hour))
	var e *hoop.Error
	if _, err := c.Snapshot(t.Context()); !errors.As(err, &e) || e.Code != hoop.CodeUnavailable {
		t.Fatalf("%v, want unavailable", err)
	}
	before := dials.Load()
	if _, err := c.Snapshot(t.Context()); !errors.As(err, &e) {
		t.Fatalf("%v, want unavailable", err)
	}
	if got := dials.Load(); got != before+1 && got != before { // the dead connection, then at most one dial before backing off
		t.Errorf("%d dials while backing off", got-before)
	}
	down.Store(false)
	now.Add(int64(time.Minute))
	snapshot(t, c)
}

// A caller that goes away while the database is asked leaves others no back-off: one
// client that cancels again and again would keep all from being judged.
func TestCatalog_CallersThatGoAwayDelayNobody(t *testing.T) {
	db, _ := database(t, "create table t (a int)")
	asked := make(chan struct{})
	var stall atomic.Bool
	c := newCatalog(t, "", Options{
		Poll: time.Hour, Now: func() time.Time { return time.Unix(0, 0) }, // a back-off would never end
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			if stall.Load() {
				asked <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return pgx.Connect(ctx, server.DSN(db))
		},
	})
	stall.Store(true)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := c.Refresh(ctx)
			done <- err
		}()
		<-asked
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want cancelled", err)
		}
	}
	stall.Store(false)
	snapshot(t, c)
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

func TestCatalog_ClosedRefuses(t *testing.T) {
	db, _ := database(t, "")
	c := newCatalog(t, db, Options{})
	snapshot(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot after Close")
	}
	if _, err := c.Refresh(t.Context()); err == nil {
		t.Error("a refresh after Close")
	}
}

func BenchmarkLoad(b *testing.B) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if _, err := load(ctx, conn); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("version", func(b *testing.B) {
		for b.Loop() {
			if _, err := readVersion(ctx, conn); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Whoever has altered what a view reads, and not committed, keeps nobody waiting.
func TestCatalog_WaitsForNoLock(t *testing.T) {
	db, conn := database(t, "create table kept(a int); create view seen as select a from kept")
	mustExec(t, conn, "begin; alter table kept add b int")
	c := newCatalog(t, db, Options{})
	snap, err := c.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	view := func(s *Snapshot) *Table {
		for _, v := range s.tables {
			if v.Name == "seen" {
				return v
			}
		}
		t.Fatal("no view")
		return nil
	}
	if v := view(snap); v.Definition != "" || len(v.Uses) == 0 {
		t.Errorf("under the lock: definition %q, uses %v", v.Definition, v.Uses)
	}
	mustExec(t, conn, "rollback")
	if snap, err = c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := view(snap); v.Definition == "" {
		t.Error("no definition though nothing is locked")
	}
}

// What runs functions in a view that its stored query does not name, in the words of each
// version (outfuncs.c).
func TestCatalog_FogInViews(t *testing.T) {
	db, _ := database(t, `create table t (a int, b int, d date); create domain code as int check (value > 0);
		create function less(int, int) returns boolean language sql immutable as 'select $1 < $2';
		create operator <<% (leftarg = int, rightarg = int, function = less);
		create operator class ints for type int using btree as operator 1 <<%, operator 3 =, function 1 btint4cmp(int, int);
		create view checked as select a::code from t; create view sorted as select a from t order by a using <<%;
		create view compared as select (b, a) <<% (1, 2) as less from t; create view framed as select sum(a) over (order by d range between '1 day' preceding and current row) from t;
		create view clear as select a, (a, b) < (1, 2) as less from (select a, b from t) s where (a, b) in (select b, a from t) order by a`)
	snap := snapshot(t, newCatalog(t, db, Options{}))
	for name, foggy := range map[string]bool{"checked": true, "sorted": true, "compared": true, "framed": false, "clear": false} {
		if v := one(t, snap, "public", name); v.Foggy != foggy || len(v.Uses) != 1 {
			t.Errorf("%s: foggy %v, want %v; it uses %v", name, v.Foggy, foggy, v.Uses)
		}
	}
}

// What sessions do to views of their own says nothing about those of the database.
func TestCatalog_ViewsOfSessions(t *testing.T) {
	db, conn := database(t, "create table kept(a int); create view seen as select a from kept")
	mustExec(t, conn, "create temp view mine as select a from kept")
	mustExec(t, conn, "begin; create or replace temp view mine as select a, 1 as b from kept")
	snap, err := newCatalog(t, db, Options{}).Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := snap.Lookup("public", "seen")
	if len(found) != 1 || found[0].Definition == "" {
		t.Errorf("no definition of a view, since one of a session's own is locked: %+v", found)
	}
}
