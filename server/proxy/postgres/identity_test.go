package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const identity = "select current_setting('hoop.user') || ' ' || current_setting('hoop.session')"

// identitySchema has what row-level security does with the settings, and objects that
// could be used to change them.
const identitySchema = `
	create table visits (who text, what text);
	insert into visits values ('alice', 'hers'), ('bob', 'his');
	create function keeper() returns text language sql as $$ ` + identity + ` $$`

// The target knows whose session it is, whatever the client resets.
func TestIdentity_IsASettingOfTheSession(t *testing.T) {
	g := setup(t, identitySchema)
	c := g.connect()
	g.mu.Lock()
	want := "alice " + g.sessions[0].ID()
	g.mu.Unlock()
	for _, sql := range []string{
		"", "reset all", "discard all", "reset hoop.user", "set session authorization default", "reset role",
		"begin; set local search_path = 'x'; rollback", "reset session authorization",
	} {
		if sql != "" {
			_, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			if reset := strings.Contains(sql, "hoop"); err != nil && !reset {
				t.Errorf("%s: %v", sql, err)
			}
		}
		var got string
		if err := c.QueryRow(t.Context(), identity, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != want {
			t.Errorf("after %q: %q %v, want %q", sql, got, err, want)
		}
	}
}

// Whatever the rules allow, no client sets hoop.*.
func TestIdentity_CannotBeChanged(t *testing.T) {
	g := setup(t, identitySchema)
	attack := func(sql string, modes map[string]pgx.QueryExecMode) {
		t.Helper()
		for name, mode := range modes {
			c := g.connect()
			if _, err := c.Exec(t.Context(), sql, mode); err == nil {
				t.Errorf("%s (%s) was let through", sql, name)
			}
			var got string
			if err := c.QueryRow(t.Context(), "select current_setting('hoop.user')", pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != "alice" {
				t.Errorf("after %s (%s): %q %v", sql, name, got, err)
			}
			check(t, c.Close(t.Context()))
		}
	}
	for _, sql := range []string{
		"set hoop.user = 'bob'", `set "hoop"."user" = 'bob'`, "set HOOP.User to 'bob'", "set local hoop.user = 'bob'", "set session hoop.user = 'bob'",
		"set hoop.anything = '1'", "set hoop.user from current", "select set_config('hoop.user', 'bob', false)",
		"select set_config('HOOP' || '.user', 'bob', false)", "select set_config(n, 'bob', false) from (values ('hoop.user')) v(n)",
		"select pg_catalog.set_config('hoop.session', 'x', true)", "prepare p as select set_config('hoop.user', 'bob', false)",
		"update pg_settings set setting = 'bob' where name = 'hoop.user'", "update pg_catalog.pg_settings set setting = 'bob'",
		"with u as (update pg_settings set setting = 'bob' where name = 'hoop.user' returning 1) select * from u",
		"create function f() returns void language sql set hoop.user = 'bob' as 'select 1'", "alter function keeper() set hoop.user = 'bob'",
		"alter role current_user set hoop.user = 'bob'", "alter database postgres set hoop.user = 'bob'",
		"create procedure q() language sql set hoop.session from current as 'select 1'",
		"begin; set local hoop.user = 'bob'; commit", "explain analyze select set_config('hoop.user', 'bob', false)",
		"merge into pg_settings s using (values (1)) v(i) on s.name = 'hoop.user' when matched then update set setting = 'bob'",
		"create rule r as on insert to visits do also update pg_settings set setting = 'bob' where name = 'hoop.user'",
	} {
		attack(sql, modes)
	}
	for _, sql := range []string{
		`set hoop."user" = 'bob'`, `set local hoop."user" to default`, `reset hoop."user"`, `set session hoop."user" = 'bob'`, `alter role all set hoop."user" = 'bob'`,
		`alter role current_user in database postgres set hoop."user" = 'bob'`, `alter role current_user reset hoop."user"`, `alter system set hoop."user" = 'bob'`,
		`create function g() returns int language sql set hoop."user" from current as 'select 1'`, "values (set_config('hoop.user', 'bob', false))",
		"select * from set_config('hoop.user', 'bob', false)", "select upper(coalesce(null, set_config('hoop.user', 'bob', false)))",
		"select case when true then set_config('hoop.user', 'bob', false) end", "select (select set_config('hoop.user', 'bob', false))",
		"insert into visits values (set_config('hoop.user', 'bob', false))", "insert into visits values ('a', 'b') returning set_config('hoop.user', 'bob', false)",
		"delete from visits where set_config('hoop.user', 'bob', false) = 'x'", "select 1 order by set_config('hoop.user', 'bob', false)",
		"select 1 limit length(set_config('hoop.user', 'bob', false))", "copy (select set_config('hoop.user', 'bob', false)) to stdout",
		"declare c cursor with hold for select set_config('hoop.user', 'bob', false)", "create view v as select set_config('hoop.user', 'bob', false)",
		"create table t (a text default set_config('hoop.user', 'bob', false))", "alter table visits alter what set default set_config('hoop.user', 'bob', false)",
		"create table t as select set_config('hoop.user', 'bob', false)", "create index on visits (set_config('hoop.user', what, false))",
		"select set_config(setting_name => 'hoop.user', new_value => 'bob', is_local => false)", "select set_config(variadic array['hoop.user', 'bob', 'f'])",
		"select set_config(chr(104) || 'oop.user', 'bob', false)", "select set_config($$hoop.user$$, 'bob', false)", `select set_config(U&'hoop\002euser', 'bob', false)`,
		"select set_config(who, what, false) from visits", "lock table visits; select set_config('hoop.user', 'bob', false)",
		"create policy p on visits using (set_config('hoop.user', 'bob', false) = 'bob')", "execute nothing(set_config('hoop.user', 'bob', false))",
	} {
		attack(sql, map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol})
	}
	for _, options := range []string{
		"options=-c%20hoop.user%3Dbob", "options=--hoop.user%3Dbob", "options=-choop.session%3Dx", "options=-c%20HOOP.USER%3Dbob", "hoop.user=bob", "Hoop.Session=x",
		`options=-c%20h\oop.user%3Dbob`,
	} {
		if c, err := pgx.Connect(t.Context(), g.dsn(options)); err == nil {
			var got string
			check(t, c.QueryRow(t.Context(), "select current_setting('hoop.user')").Scan(&got))
			t.Errorf("%s was let through: %s", options, got)
		} else if state(err) != "42501" {
			t.Errorf("%s: %v", options, err)
		}
	}
}

// A function that was made past the gateway with hoop.* settings of its own is not called,
// by whatever route.
func TestIdentity_FunctionsWithSettings(t *testing.T) {
	g := setup(t, identitySchema+`;
		create function as_bob() returns setof visits language sql stable set hoop."user" = 'bob' as
			$$ select * from visits where who = current_setting('hoop.user') $$;
		create function beneath() returns setof visits language sql stable as $$ select * from as_bob() $$;
		create view over as select * from beneath();
		create function plain() returns text language sql set work_mem = '1MB' as $$ select current_setting('hoop.user') $$`)
	g.policy.on(hoop.Deny, hoop.EffectOpaque)
	c := g.connect()
	for _, sql := range []string{
		"select * from as_bob()", "select (as_bob()).what", "select * from beneath()", "select * from over", "prepare p as select as_bob()",
		"select 1 where exists (select from as_bob())", "create table copy as select * from as_bob()", "explain analyze select * from as_bob()",
	} {
		for name, mode := range modes {
			if tag, err := c.Exec(t.Context(), sql, mode); state(err) != "42501" {
				t.Errorf("%s (%s): %s, %v", sql, name, tag, err)
			}
		}
	}
	g.policy.on(hoop.Deny, hoop.EffectUnknown) // whatever the rules
	for _, sql := range []string{"select * from as_bob()", "select * from beneath()"} {
		if tag, err := c.Exec(t.Context(), sql); state(err) != "42501" || !strings.Contains(err.Error(), "belongs to the gateway") {
			t.Errorf("%s: %s, %v", sql, tag, err)
		}
	}
	var who string
	if err := c.QueryRow(t.Context(), "select plain()").Scan(&who); err != nil || who != "alice" {
		t.Errorf("a function with other settings: %q, %v", who, err)
	}
	var oid uint32
	check(t, g.direct().QueryRow(t.Context(), "select 'as_bob()'::regprocedure::oid").Scan(&oid))
	if out := rawConn(t, g.dsn()).exchange(step{ready: 1, send: msgs(fastpath(oid))}); !strings.Contains(out, "42501") {
		t.Errorf("by message: %s", out)
	}
}

// Code that somebody lets run can set anything for the rest of its own text; before
// anything else runs, the identity is set again.
func TestIdentity_OpaqueCodeIsUndone(t *testing.T) {
	g := setup(t, identitySchema)
	for name, mode := range modes {
		c := g.connect()
		for _, sql := range []string{
			"create or replace function h() returns text language sql as $$ select set_config('hoop.user', 'bob', false) $$", "select h()",
			"do $$ begin perform set_config('hoop.' || 'user', 'bob', false); end $$",
			`do $$ begin execute 'set hoop."user" = ''bob'''; end $$`, `do $$ begin execute 'set local hoop."user" = ''bob'''; end $$`, `do $$ begin set hoop."user" = 'bob'; end $$`,
			"do $$ begin update pg_settings set setting = 'bob' where name = 'hoop.user'; end $$",
			`do $$ begin execute 'alter role current_user set hoop."user" = ''bob'''; execute 'alter role current_user reset hoop."user"'; end $$`,
			`do $$ begin execute 'prepare q as select set_config(''hoop.user'', ''bob'', false)'; execute 'execute q'; end $$`, "begin", "select h()", "savepoint s", "select h()", "rollback to s", "commit",
		} {
			if _, err := c.Exec(t.Context(), sql, mode); err != nil {
				t.Errorf("%s (%s): %v", sql, name, err)
			}
			var got string
			if err := c.QueryRow(t.Context(), "select current_setting('hoop.user')", mode).Scan(&got); err != nil || got != "alice" {
				t.Errorf("after %s (%s): %q %v", sql, name, got, err)
			}
		}
		check(t, c.Close(t.Context()))
	}
}

// A rollback that takes back what set the identity again does not bring another one's
// back: neither to a savepoint that was made in the text of the code that set it, nor of a
// transaction that began after such code had committed.
func TestIdentity_RollbackDoesNotUndoTheUndoing(t *testing.T) {
	g := setup(t, identitySchema)
	const (
		bob   = "do $$ begin perform set_config('hoop.user', 'bob', false); end $$"
		stays = "do $$ begin perform set_config('hoop.user', 'bob', false); commit; end $$"
		who   = "select current_setting('hoop.user')"
	)
	run := func(sql string) []pgproto3.FrontendMessage {
		return msgs(parse("", sql), bind("", ""), execute("", 0))
	}
	for name, texts := range map[string][]pgproto3.FrontendMessage{
		"savepoint behind it":       msgs(query("begin; "+bob+"; savepoint s"), query("rollback to s"), query(who), query("commit"), query(who)),
		"savepoint, later":          msgs(query("begin; "+bob+"; savepoint s"), query("select 1"), query("select 1/0"), query("rollback to s"), query(who), query("rollback"), query(who)),
		"savepoint, one text":       msgs(query("begin; "+bob+"; savepoint s"), query("select 1"), query("rollback to s; "+who), query("rollback"), query(who)),
		"failed in the same text":   msgs(query("begin; "+bob+"; savepoint s; select 1/0"), query("rollback to s; "+who), query("rollback to s"), query(who), query("commit"), query(who)),
		"committed, then begun":     msgs(query(bob+"; commit; begin"), query(who), query("rollback"), query(who)),
		"committed, begun, failed":  msgs(query(bob+"; commit; begin"), query("select 1/0"), query("commit"), query(who)),
		"failed, one text":          msgs(query(bob+"; commit; begin; select 1/0"), query("rollback; "+who), query("rollback"), query(who)),
		"chained":                   msgs(query("begin; "+bob+"; commit and chain"), query(who), query("rollback and chain"), query(who), query("rollback"), query(who)),
		"batch that fails":          slices.Concat(run(stays), run("select 1/0"), msgs(syncMsg, query(who))),
		"batch that begins":         slices.Concat(run(stays), run("begin"), msgs(syncMsg, query(who), query("rollback"), query(who))),
		"batch, rolled back inside": slices.Concat(run(stays), run("begin"), run("rollback"), run(who), msgs(syncMsg, query(who))),
	} {
		t.Run(name, func(t *testing.T) {
			ready := 0
			for _, m := range texts {
				switch m.(type) {
				case *pgproto3.Query, *pgproto3.Sync:
					ready++
				}
			}
			out := rawConn(t, g.dsn()).exchange(step{ready: ready, send: texts})
			if strings.Contains(out, `{"text":"bob"}`) || !strings.Contains(out, `{"text":"alice"}`) {
				t.Error(out)
			}
		})
	}
}

// What does not touch the identity is not kept from being in one text, nor slowed down.
func TestIdentity_TextsThatEndTransactions(t *testing.T) {
	g := setup(t, identitySchema)
	c := g.connect()
	for _, sql := range []string{
		"begin; savepoint s; rollback to s; select 1; commit; select 2", "do $$ begin end $$; commit", "begin; rollback; select 3",
		"begin; do $$ begin end $$; commit; begin; rollback; select 4", "begin; do $$ begin end $$", "rollback; begin; commit", "begin; commit; select 5",
	} {
		if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
