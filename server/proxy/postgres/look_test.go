package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A transaction that has changed the catalog is answered by what it has made of it, in
// whatever way the session has set out to be misread.
func TestLook_Answers(t *testing.T) {
	g := setup(t, overlaySchema, maskRules()...)
	g.adjust(unlimited)
	const (
		clear  = "select upper(name) from patients where id = 1"
		hidden = "select upper(ssn) from patients where id = 1"
	)
	for name, c := range map[string]struct {
		texts []string
		last  string
		want  string // the row; masked or NULL values are ""
	}{
		"computed":                      {[]string{"create table l1 (a text)"}, clear, "ANN"},
		"computed, protected":           {[]string{"create table l1 (a text)"}, hidden, ""},
		"the catalog":                   {[]string{"create table l2 (a text)"}, "select case when c.relkind = 'r' then 't' else 'v' end from pg_catalog.pg_class c where relname = 'l2'", "t"},
		"a table":                       {[]string{"create table l3 (a text, b text)", "insert into l3 select name, 'x' from patients where id = 1"}, "select upper(a), b || '' from l3", "ANN|x"},
		"a column":                      {[]string{"alter table other add nick text", "insert into other (nick) select name from patients where id = 1"}, "select upper(nick) from other where nick is not null", "ANN"},
		"a view":                        {[]string{"create view l4 as select name as a, ssn as b from patients where id = 1"}, "select upper(a), upper(b), b from l4", "ANN||"},
		"another view":                  {[]string{"create or replace view shown as select name as who, id as n, ssn as more from patients where id = 1"}, "select upper(who), upper(more), n + 1 from shown", "ANN||2"},
		"a function":                    {[]string{"create function l5() returns text language sql as 'select ssn from patients where id = 1'"}, "select l5(), upper(name) from patients where id = 1", "|ANN"},
		"a function with no secret":     {[]string{"create function l6() returns int language sql as 'select 1'"}, "select l6() + 1", "2"},
		"of a long body":                {[]string{"create function l7() returns int language sql as 'select 1 /*" + strings.Repeat("x", 300<<10) + "*/'"}, "select l7() + 1", "2"},
		"a child":                       {[]string{"create table l8 () inherits (patients)", "insert into l8 (id, name) values (9, 'Kim')"}, "select upper(name), upper(ssn), ssn from patients where id = 9", "KIM||"},
		"dropped":                       {[]string{"create view l9 as select name as a from patients where id = 1", "drop view l9", "create view l9 as select ssn as a from patients where id = 1"}, "select a, upper(a) from l9", "|"},
		"back to a savepoint":           {[]string{"create view l10 as select ssn as a from patients where id = 1", clear, "savepoint s", "create or replace view l10 as select name as a from patients where id = 1", "select upper(a) from l10", "rollback to s"}, "select a, upper(a) from l10", "|"},
		"to one of our names":           {[]string{"savepoint hoopctl", "savepoint views", "create view l11 as select name as a from patients where id = 1", "select upper(a) from l11", "rollback to views", "rollback to hoopctl", "create view l11 as select ssn as a from patients where id = 1"}, "select a, upper(a) from l11", "|"},
		"changed again":                 {[]string{"create view l12 as select name as a from patients where id = 1", "select upper(a) from l12", "create or replace view l12 as select ssn as a from patients where id = 1"}, "select a, upper(a) from l12", "|"},
		"in one text":                   {[]string{"create view l13 as select name as a from patients where id = 1", "select upper(a) from l13"}, "create or replace view l13 as select ssn as a from patients where id = 1; select a, upper(a) from l13", "|"},
		"by code":                       {[]string{"create view l14 as select name as a from patients where id = 1", "select upper(a) from l14", "do $$ begin execute 'create or replace view l14 as select ssn as a from patients where id = 1'; end $$"}, "select a, upper(a) from l14", "|"},
		"at another level":              {[]string{"rollback", "begin isolation level repeatable read", "create table l15 (a text)"}, clear, ""},
		"quoted names":                  {[]string{"set local quote_all_identifiers = on", "create view l18 as select name as a, ssn as b from patients where id = 1"}, "select upper(a), upper(b) from l18", "ANN|"},
		"other dates":                   {[]string{"set local datestyle = german", "set local timezone = 'Asia/Tokyo'", "set local bytea_output = escape", "create table l19 (a text)"}, clear, "ANN"},
		"with NULL compared":            {[]string{"set local transform_null_equals = on", "create table l20 (a text)"}, clear, "ANN"},
		"every message":                 {[]string{"set local client_min_messages = debug5", "create table l21 (a text)"}, clear, "ANN"},
		"a path of its own":             {[]string{"create schema evil", "create function evil.o(text, text) returns text language sql as 'select 1::text'", "create operator evil.|| (leftarg = text, rightarg = text, function = evil.o)", "create function evil.sum(numeric) returns numeric language sql as 'select 1.0'", "create view l22 as select ssn as a from public.patients", "set local search_path = evil, pg_catalog, public"}, "select a from l22 limit 1", ""},
		"types of PostgreSQL's names":   {[]string{"create domain pg_temp.oid as text", "create domain pg_temp.text as int", "create domain pg_temp.regclass as text", "create table l23 (a varchar)"}, "select name from patients where id = 1", "Ann"},
		"tables of the catalog's names": {[]string{"create temp table pg_class as select 1 as oid", "create view l24 as select ssn as a from patients where id = 1"}, "select a, upper(a) from l24", "|"},
		"a temporary table":             {[]string{"create table l25 (a text)", clear, "create temp table t as select name as a, ssn as b from patients where id = 1"}, "select upper(a), upper(b), b from t", "ANN||"},
		"with patience of its own":      {[]string{"set local statement_timeout = '50s'", "set local lock_timeout = '40s'", "create table l27 (a text)"}, "select current_setting('statement_timeout'), current_setting('lock_timeout'), upper(name) from patients where id = 1", "50s|40s|ANN"},
		"without writing":               {[]string{"create table l26 (a text)", "set transaction read only"}, clear, "ANN"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, tap := g.tapped()
			defer func() { check(t, conn.Close(context.Background())) }()
			for _, sql := range append([]string{"begin"}, c.texts...) {
				if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%.200s: %v", sql, err)
				}
			}
			answers(t, conn, tap, c.last, c.want)
			if strings.Contains(tap.String(), lookName) {
				t.Errorf("the client received %q", lookName)
			}
			_, err := conn.Exec(t.Context(), "rollback", pgx.QueryExecModeSimpleProtocol)
			check(t, err)
		})
	}
	if n := g.proxy.insights.Load(); n != 0 {
		t.Errorf("%d catalogs are held", n)
	}
}

// Nothing that the client has in the transaction is touched by looking, and it hears
// nothing of it.
func TestLooks_LeaveTheTransaction(t *testing.T) {
	g := setup(t, overlaySchema, maskRules()...)
	c := rawConn(t, g.dsn())
	got := c.exchange(
		step{send: msgs(query("begin")), ready: 1},
		step{send: msgs(parse("", "select upper(name) from patients where id = $1"), syncMsg), ready: 1},
		step{send: msgs(parse("s", "select id + 0 from patients order by id"), bind("p", "s"), execute("p", 1), bind("", "s"), execute("", 1), syncMsg), ready: 1},
		step{send: msgs(parse("d", "create table l1 (a text)"), bind("d", "d"), execute("d", 0), syncMsg), ready: 1},
		step{send: msgs(parse("a", "select upper(a) from l1"), describe('S', "a"), syncMsg), ready: 1},
		step{send: msgs(bind("", "", "1"), execute("", 0), syncMsg), ready: 1},
		step{send: msgs(execute("p", 1), syncMsg), ready: 1},
		step{send: msgs(query("show datestyle")), ready: 1},
		step{send: msgs(query("commit")), ready: 1},
	)
	for _, want := range []string{`"ANN"`, `"2"`, `"ISO, MDY"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "ParameterStatus") || strings.Contains(got, "ErrorResponse") {
		t.Errorf("got\n%s", got)
	}
}

// A migration in one transaction, as Django, Alembic and Rails write them, goes through where
// nobody may copy protected data or run code that cannot be read.
func TestLook_Migration(t *testing.T) {
	g := setup(t, overlaySchema+"; create table book (id serial primary key, title varchar(100)); insert into book (title) values ('x')", maskRules()...)
	g.policy.on(hoop.Deny, hoop.EffectDerive, hoop.EffectOpaque)
	conn, tap := g.tapped()
	for _, sql := range []string{
		"begin",
		"create table author (id serial primary key, name varchar(100) not null)",
		"alter table book alter column title set not null",
		"create index book_title_like on book (title varchar_pattern_ops)",
		"select c.relname, case when c.relispartition then 'p' else 't' end from pg_catalog.pg_class c where pg_catalog.pg_table_is_visible(c.oid)",
		"insert into author (name) values ('A') returning id",
		"alter table book add column author_id integer null constraint fk references author (id) deferrable initially deferred; set constraints fk immediate",
		"create index on book (author_id)",
		"update book set author_id = (select max(id) from author), title = upper(title)",
		"alter table book alter column author_id set not null",
		"alter table book add column note text",
		"update book set note = title || ' by ' || author_id",
		"savepoint s", "alter table author rename to writer", "select count(*), max(upper(name)) from writer", "rollback to s",
		"set constraints fk immediate; alter table book drop constraint fk",
		"create table version (num varchar(32) primary key)", "insert into version values ('a1')", "update version set num = 'a2' where num = 'a1'",
		"commit",
	} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	answers(t, conn, tap, "select upper(note) || '', (select count(*) from version where num = 'a2') from book", "X BY 1|1")
}

// What was looked up counts no longer once the transaction may be over, though its end is not
// answered yet, and once it goes on in a cursor, or runs what was put off.
func TestLook_Past(t *testing.T) {
	g := setup(t, overlaySchema+`; create table calm (a text); insert into calm values ('x');
		create function swap() returns trigger language plpgsql as $$ begin alter table patients rename name to was; alter table patients rename ssn to name; return null; end $$;
		create constraint trigger swap after insert on calm deferrable initially deferred for each row execute function swap();
		create function swaps() returns int language plpgsql as $$ begin alter table patients rename name to was; alter table patients rename ssn to name; return 1; end $$`, maskRules()...)
	g.adjust(unlimited)
	const read, changed = "select who || '' from shown", "create or replace view shown as select 'x'::text as who, id as n from patients where id = 1"
	const named = "select name, upper(name) from patients where id = 1"
	for name, steps := range map[string][]step{
		"rolled back":        {{send: msgs(query(changed)), ready: 1}, {send: msgs(query(read)), ready: 1}, {send: msgs(query("rollback"), query(read)), ready: 2}},
		"in one text":        {{send: msgs(query(changed)), ready: 1}, {send: msgs(query(read)), ready: 1}, {send: msgs(query("rollback; " + read)), ready: 1}},
		"another begins":     {{send: msgs(query(changed)), ready: 1}, {send: msgs(query(read)), ready: 1}, {send: msgs(query("rollback and chain")), ready: 1}, {send: msgs(query(read)), ready: 1}},
		"back":               {{send: msgs(query("savepoint s")), ready: 1}, {send: msgs(query(changed)), ready: 1}, {send: msgs(query(read)), ready: 1}, {send: msgs(query("rollback to s"), query(read)), ready: 2}},
		"a commit fails":     {{send: msgs(query(changed + "; create table twice (n int unique deferrable initially deferred); insert into twice values (1), (1)")), ready: 1}, {send: msgs(query(read)), ready: 1}, {send: msgs(query("commit"), query(read)), ready: 2}},
		"put off":            {{send: msgs(query("create table l1 (a text)")), ready: 1}, {send: msgs(query("insert into calm values ('y')")), ready: 1}, {send: msgs(query(named)), ready: 1}, {send: msgs(query("set constraints all immediate"), query(named)), ready: 2}},
		"a cursor":           {{send: msgs(query("create table l2 (a text)")), ready: 1}, {send: msgs(query("declare c cursor for select swaps()")), ready: 1}, {send: msgs(query(named)), ready: 1}, {send: msgs(query("fetch c"), query(named)), ready: 2}},
		"a portal":           {{send: msgs(query("create table l3 (a text)")), ready: 1}, {send: msgs(parse("s", "select swaps()"), bind("p", "s"), syncMsg), ready: 1}, {send: msgs(query(named)), ready: 1}, {send: msgs(execute("p", 0), syncMsg, query(named)), ready: 2}},
		"another portal":     {{send: msgs(query("create function l4() returns text language plpgsql as $$ begin return 'x'; end $$")), ready: 1}, {send: msgs(parse("s", "select l4() || '' from generate_series(1, 3)"), bind("p", "s"), execute("p", 1), syncMsg), ready: 1}, {send: msgs(query("create or replace function l4() returns text language plpgsql as $$ begin return (select ssn from patients where id = 1); end $$")), ready: 1}, {send: msgs(execute("p", 0), syncMsg), ready: 1}},
		"in a pipeline":      {{send: msgs(query(changed), query(read), query("rollback"), query(read)), ready: 4}},
		"in a batch":         {{send: msgs(query(changed)), ready: 1}, {send: msgs(parse("", "rollback"), bind("", ""), execute("", 0), parse("", read), bind("", ""), execute("", 0), syncMsg), ready: 1}},
		"parsed before it":   {{send: msgs(query("create view l5 as select name as a from patients where id = 1")), ready: 1}, {send: msgs(parse("s", "select a || '' from l5"), bind("", "s"), execute("", 0), syncMsg), ready: 1}, {send: msgs(query("create or replace view l5 as select ssn as a from patients where id = 1")), ready: 1}, {send: msgs(bind("", "s"), execute("", 0), syncMsg), ready: 1}},
		"prepared before it": {{send: msgs(query("create view l6 as select name as a from patients where id = 1")), ready: 1}, {send: msgs(query("prepare q as select a || '' from l6")), ready: 1}, {send: msgs(query("execute q")), ready: 1}, {send: msgs(query("create or replace view l6 as select ssn as a from patients where id = 1")), ready: 1}, {send: msgs(query("execute q")), ready: 1}},
		"bound before it":    {{send: msgs(query(changed)), ready: 1}, {send: msgs(parse("s", read), syncMsg), ready: 1}, {send: msgs(query("rollback"), bind("", "s"), execute("", 0), syncMsg), ready: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			c := rawConn(t, g.dsn())
			got := c.exchange(append([]step{{send: msgs(query("begin")), ready: 1}}, steps...)...)
			_ = c.Conn.Close()
			if strings.Contains(got, marker) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// What others commit while a statement waits for a lock is not what it was judged by.
func TestLook_Overtaken(t *testing.T) {
	g := setup(t, overlaySchema+"; create table above (id int, name text, ssn text); create table calm (a text); insert into calm values ('x')", maskRules()...)
	g.adjust(unlimited)
	do := func(c *pgx.Conn, sql string) {
		t.Helper()
		_, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		check(t, err)
	}
	locks, beside := g.direct(), g.connect()
	c := rawConn(t, g.dsn())
	c.exchange(step{send: msgs(query("begin; alter table patients inherit above")), ready: 1}, step{send: msgs(query("select count(*) from above")), ready: 1})
	do(locks, "begin; lock table calm")
	c.exchange(step{send: msgs(query("select p.ssn, p.name from above p, calm where p.id = 1"))})
	for waits := false; !waits; {
		check(t, locks.QueryRow(t.Context(), "select exists (select from pg_locks where not granted and relation = 'calm'::regclass)").Scan(&waits))
	}
	do(beside, "create table more (a text)")
	do(locks, "rollback")
	if got := c.exchange(step{ready: 1}); strings.Contains(got, marker) || !strings.Contains(got, `"DataRow"`) {
		t.Errorf("got\n%s", got)
	}
}

// Portals keep the catalog that they were judged by: there are not many of them.
func TestLook_Kept(t *testing.T) {
	g := setup(t, overlaySchema, maskRules()...)
	g.adjust(unlimited)
	c := rawConn(t, g.dsn())
	c.exchange(step{send: msgs(query("begin")), ready: 1})
	for i := range maxOwn + 2 {
		name := fmt.Sprintf("p%d", i)
		c.exchange(step{send: msgs(query("create table "+name+" (a text)"), parse("", "select upper(name) from patients where id = 1"), bind(name, ""), syncMsg), ready: 2})
		if n := g.proxy.insights.Load(); int(n) != min(i+1, maxOwn) {
			t.Errorf("%d catalogs count with %d portals", n, i+1)
		}
	}
	for name, want := range map[string]string{"p0": `"ANN"`, fmt.Sprintf("p%d", maxOwn+1): "[masked]"} {
		if got := c.exchange(step{send: msgs(execute(name, 0), syncMsg), ready: 1}); !strings.Contains(got, want) {
			t.Errorf("%s: no %s in\n%s", name, want, got)
		}
	}
	c.exchange(step{send: msgs(query("rollback")), ready: 1})
	if n := g.proxy.insights.Load(); n != 0 {
		t.Errorf("%d catalogs are held", n)
	}
}

// What others have just committed is in the transaction's catalog as well as in everybody's.
func TestLook_Others(t *testing.T) {
	g := setup(t, overlaySchema, maskRules()...)
	conn, tap := g.tapped()
	other := g.direct()
	do := func(c *pgx.Conn, sql string) {
		t.Helper()
		_, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		check(t, err)
	}
	do(conn, "begin")
	do(conn, "create table l1 (a text)")
	for i := range 10 {
		do(other, fmt.Sprintf("create table more%d (a text); create view theirs%d as select name as a, ssn as b from patients where id = 1", i, i))
		time.Sleep(time.Duration(i*200) * time.Millisecond) // a poll may lie between, or come meanwhile
		do(conn, "alter table l1 alter a drop not null")
		answers(t, conn, tap, fmt.Sprintf("select upper(a), upper(b), b from theirs%d", i), "ANN||")
	}
}

// Whoever has locked what a view reads makes nobody wait: what is computed is withheld meanwhile.
func TestLook_Locked(t *testing.T) {
	g := setup(t, overlaySchema+"; create view over_other as select a from other", maskRules()...)
	conn := g.connect()
	defer func() { check(t, conn.Close(context.Background())) }()
	shown := func() (got string) {
		t.Helper()
		check(t, conn.QueryRow(t.Context(), "select upper(name) from patients where id = 1").Scan(&got))
		return got
	}
	do := func(c *pgx.Conn, sql string) {
		t.Helper()
		_, err := c.Exec(t.Context(), sql)
		check(t, err)
	}
	other := g.direct()
	do(conn, "begin")
	do(conn, "create table l1 (a text)")
	do(other, "begin; alter table other add b text")
	if got := shown(); got != "[masked]" {
		t.Errorf("while a view is locked: %q", got)
	}
	do(other, "rollback")
	do(conn, "alter table l1 add b text")
	if got := shown(); got != "ANN" {
		t.Errorf("afterwards: %q", got)
	}
	do(conn, "rollback")
}

// A cancel, a client that leaves and the end of the grant count while the transaction is asked
// for its catalog, too: what would be judged by that does not run.
func TestLook_Interrupted(t *testing.T) {
	g := setup(t, overlaySchema+"; create view over_other as select a from other", maskRules()...)
	g.adjust(unlimited)
	locks, watch := g.direct(), g.direct()
	do := func(c *pgx.Conn, sql string) {
		t.Helper()
		_, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		check(t, err)
	}
	for name, c := range map[string]struct {
		interrupt func(*raw)
		want      string
		lives     bool
	}{
		"cancelled": {func(c *raw) { <-g.sendCancel(c) }, `"Code":"57014"`, true},
		"left":      {func(c *raw) { check(t, c.Conn.Close()) }, "", false},
		"revoked":   {func(*raw) { g.grants.end(errOver) }, errOver.Message, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn := rawConn(t, g.dsn())
			conn.exchange(step{send: msgs(query("begin; create table l1 (a text)")), ready: 1})
			do(locks, "begin; alter table other add b text")
			conn.Frontend.Send(query("select pg_sleep(5), upper(name) from patients where id = 1"))
			check(t, conn.Frontend.Flush())
			eventually(t, "it is asked", func() (asked bool) {
				check(t, watch.QueryRow(t.Context(), "select exists (select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock')", int(conn.PID)).Scan(&asked))
				return asked
			})
			c.interrupt(conn)
			if c.want != "" {
				if got := conn.exchange(step{ready: 1}); !strings.Contains(got, c.want) {
					t.Errorf("no %s in\n%s", c.want, got)
				}
			}
			do(locks, "rollback")
			if c.lives {
				if got := conn.exchange(step{send: msgs(query("rollback"), query("select 'lives'")), ready: 2}); !strings.Contains(got, "lives") {
					t.Errorf("got\n%s", got)
				}
				check(t, conn.Conn.Close())
			}
			eventually(t, "its backend ends", func() (gone bool) {
				check(t, watch.QueryRow(t.Context(), "select not exists (select from pg_stat_activity where pid = $1)", int(conn.PID)).Scan(&gone))
				return gone
			})
			<-g.done
		})
	}
}
