package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// reusing keeps connections of sessions to come.
func (g *gateway) reusing(n int) {
	g.declare(func(t *hoop.Target) { t.Reuse = hoop.Reuse{MaxIdle: n, IdleTimeout: hoop.Duration(time.Minute)} })
}

// waiting is how many connections are on the shelf, once all are cleaned.
func (g *gateway) waiting() int {
	g.proxy.shelf.work.Wait()
	g.proxy.shelf.mu.Lock()
	defer g.proxy.shelf.mu.Unlock()
	return len(g.proxy.shelf.idle[g.target.Name])
}

// leave closes a connection and waits until its session has ended.
func (g *gateway) leave(c *pgx.Conn) {
	g.t.Helper()
	check(g.t, c.Close(context.Background()))
	check(g.t, g.ended())
}

func pid(t *testing.T, c *pgx.Conn) (pid uint32) {
	t.Helper()
	check(t, c.QueryRow(t.Context(), "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid))
	if own := c.PgConn().PID(); own != pid {
		t.Errorf("the client was told process %d, its backend is %d", own, pid)
	}
	return pid
}

// The next session of the same user gets the same backend, as new: nothing of the
// former session is left but its number.
func TestReuse_NextSessionFindsItClean(t *testing.T) {
	g := setup(t, "create table f (i int); create sequence s")
	g.reusing(2)
	c := g.connect()
	first := pid(t, c)
	for _, sql := range []string{
		"set application_name = 'left behind'", "set timezone = 'Asia/Tokyo'", "set my.own = 'secret'", "prepare p as select 1", "listen news",
		"begin", "declare c cursor with hold for select 1", "commit", "select pg_advisory_lock(7)", "insert into f values (1)", "select nextval('s')",
		"set session characteristics as transaction read only", "select set_config('work_mem', '1MB', false)",
	} {
		if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(sql, err)
		}
	}
	g.leave(c)
	if n := g.waiting(); n != 1 {
		t.Fatalf("%d connections wait", n)
	}
	c = g.connect()
	if again := pid(t, c); again != first {
		t.Fatalf("backend %d, then %d", first, again)
	}
	if got := c.PgConn().ParameterStatus("TimeZone"); strings.Contains(got, "Tokyo") {
		t.Errorf("the client is told of time zone %s", got)
	}
	for sql, want := range map[string]string{
		"select current_setting('application_name')":                    "hoopctl:alice",
		"select current_setting('default_transaction_read_only')":       "off",
		"select coalesce(current_setting('my.own', true), '')":          "",
		"select (current_setting('work_mem') <> '1MB')::text":           "true",
		"select count(*)::text from pg_prepared_statements":             "0",
		"select count(*)::text from pg_cursors where name = 'c'":        "0",
		"select count(*)::text from pg_listening_channels()":            "0",
		"select count(*)::text from pg_locks where locktype='advisory'": "0",
		identity: "alice " + g.sessions[1].ID(),
	} {
		var got string
		if err := c.QueryRow(t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", sql, got, err, want)
		}
	}
	if _, err := c.Exec(t.Context(), "select currval('s')"); state(err) != "55000" {
		t.Errorf("currval: %v", err)
	}
}

// What clients do to the settings of a connection that served another session before
// does not bring that one's identity back.
func TestReuse_IdentityStays(t *testing.T) {
	g := setup(t, `create procedure p() language plpgsql as $$ begin execute 'set hoop."user" = ''bob'''; commit; raise 'x'; end $$`)
	g.reusing(2)
	c := g.connect()
	pid(t, c)
	g.leave(c)
	if n := g.waiting(); n != 1 {
		t.Fatalf("%d connections wait", n)
	}
	c = g.connect()
	want := "alice " + g.sessions[1].ID()
	see := func(after string, mode pgx.QueryExecMode) {
		t.Helper()
		var got string
		if err := c.QueryRow(t.Context(), identity, mode).Scan(&got); err != nil || got != want {
			t.Errorf("after %s: %q %v, want %q", after, got, err, want)
		}
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
		for _, sql := range []string{
			"reset all", "discard all", `do $$ begin execute 'set hoop."us' || 'er" = ''bob'''; end $$`, "do $$ begin execute 'reset all'; end $$",
			"select set_config(lower('HOOP.USER'), 'bob', false)",
		} {
			_ = runIn(t.Context(), c, mode, sql)
			if strings.HasPrefix(sql, "discard") {
				check(t, c.DeallocateAll(t.Context()))
			}
			see(sql, mode)
		}
	}
	_, _ = c.Exec(t.Context(), "call p()", pgx.QueryExecModeSimpleProtocol)
	see("a procedure that commits and fails", pgx.QueryExecModeSimpleProtocol)
	if _, err := c.Exec(t.Context(), "reset all; "+identity, pgx.QueryExecModeSimpleProtocol); state(err) != "0A000" {
		t.Errorf("RESET ALL among others: %v", err)
	}
	tx, err := c.Begin(t.Context())
	check(t, err)
	_, err = tx.Exec(t.Context(), "reset all")
	check(t, err)
	see("RESET ALL in a transaction", pgx.QueryExecModeSimpleProtocol)
	check(t, tx.Rollback(t.Context()))
	see("its end", pgx.QueryExecModeSimpleProtocol)

	// In one burst, with and without a Sync in between.
	r := rawConn(t, g.dsn())
	for name, steps := range map[string]step{
		"one batch": {ready: 1, send: msgs(parse("", "reset all"), bind("", ""), execute("", 0), parse("", identity), bind("", ""), execute("", 0), &pgproto3.Sync{})},
		"two":       {ready: 2, send: msgs(parse("", "do 'begin perform 1; end'"), bind("", ""), execute("", 0), &pgproto3.Sync{}, parse("", identity), bind("", ""), execute("", 0), &pgproto3.Sync{})},
		"queries":   {ready: 2, send: msgs(query("reset all"), query(identity))},
	} {
		g.mu.Lock()
		id := g.sessions[len(g.sessions)-1].ID()
		g.mu.Unlock()
		if out := r.exchange(steps); !strings.Contains(out, "alice "+id) || strings.Contains(out, "Error") {
			t.Errorf("%s:\n%s", name, out)
		}
	}
}

// Sessions that may have left something that DISCARD ALL does not undo, or that did
// not end in good order, take their backend with them.
func TestReuse_NotAfter(t *testing.T) {
	g := setup(t, "create table f (i int)")
	g.reusing(10)
	for _, sql := range []string{
		"do 'begin perform 1; end'", "create table t1 (i int)", "drop table if exists t1", "begin", "begin; select 1/0", "set session authorization default; set role none; set role postgres",
		"alter table f add column j int", "create temporary table x as select 1", "load 'auto_explain'", "comment on table f is 'x'",
	} {
		c := g.connect()
		_, _ = c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		g.leave(c)
		if n := g.waiting(); n != 0 && !strings.HasPrefix(sql, "create temp") {
			t.Errorf("after %q the connection is kept", sql)
		}
		g.proxy.Flush()
	}
	for name, send := range map[string][]pgproto3.FrontendMessage{
		"a batch without Sync":         msgs(parse("", "select 1"), bind("", ""), execute("", 0), &pgproto3.Flush{}),
		"a refused batch without Sync": msgs(parse("", "selec"), &pgproto3.Flush{}),
		"the middle of COPY":           msgs(query("copy f from stdin")),
	} {
		r := rawConn(t, g.dsn())
		r.exchange(step{send: send})
		if _, err := r.Frontend.Receive(); err != nil {
			t.Error(name, err)
		}
		check(t, r.Conn.Close())
		check(t, g.ended())
		if n := g.waiting(); n != 0 {
			t.Errorf("%s: the connection is kept", name)
		}
	}
	// A cancel may arrive late.
	c := g.connect()
	done := make(chan error)
	go func() {
		_, err := c.Exec(context.Background(), "select pg_sleep(60)")
		done <- err
	}()
	d := g.direct()
	eventually(t, "the statement runs", func() bool { return g.backends(d, "select pg_sleep(60)") == 1 })
	check(t, c.PgConn().CancelRequest(t.Context()))
	if err := <-done; state(err) != "57014" {
		t.Error(err)
	}
	g.leave(c)
	if n := g.waiting(); n != 0 {
		t.Error("after a cancel the connection is kept")
	}
}

// Another option, another credential, other rules: another connection.
func TestReuse_OnlyForTheSame(t *testing.T) {
	g := setup(t, "")
	g.reusing(10)
	c := g.connect()
	first := pid(t, c)
	g.leave(c)
	for name, options := range map[string]string{"application_name": "application_name=mine", "options": "options=-c%20work_mem%3D2MB", "a setting": "search_path=x"} {
		c := g.connect(options)
		if pid(t, c) == first {
			t.Errorf("%s: the connection of others is used", name)
		}
		g.leave(c)
	}
	g.waiting()
	g.mu.Lock()
	g.stamp = "another credential"
	g.mu.Unlock()
	c = g.connect()
	if pid(t, c) == first {
		t.Error("the connection of another credential is used")
	}
	if n := g.waiting(); n != 0 {
		t.Errorf("%d connections of the former credential wait", n)
	}
	g.leave(c)
	second := pid(t, g.connect())
	if second == first {
		t.Error("the wrong connection is used")
	}
}

// They are few, do not outlive the grant, and are closed with the gateway.
func TestReuse_IsBounded(t *testing.T) {
	g := setup(t, "")
	g.reusing(2)
	var all []*pgx.Conn
	for range 4 {
		all = append(all, g.connect())
	}
	for _, c := range all {
		g.leave(c)
	}
	if n := g.waiting(); n != 2 {
		t.Errorf("%d connections wait, want 2", n)
	}
	d := g.direct()
	ours := func() (n int) {
		check(t, d.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'hoopctl:alice'").Scan(&n))
		return n
	}
	eventually(t, "only two backends are left", func() bool { return ours() == 2 })
	g.grants.end(hoop.Errorf(hoop.CodeRevoked, "revoked"))
	eventually(t, "no backend is left after the grant", func() bool { return ours() == 0 && g.waiting() == 0 })

	g.leave(g.connect())
	if n := g.waiting(); n != 1 {
		t.Fatalf("%d wait", n)
	}
	// One whose backend is gone is not given to anybody.
	admin(t, "postgres", fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_activity where datname = '%s' and application_name = 'hoopctl:alice'", g.target.Database))
	eventually(t, "the backend has ended", func() bool { return ours() == 0 })
	c := g.connect()
	pid(t, c)
	g.leave(c)
	g.proxy.Flush()
	eventually(t, "none is left after a flush", func() bool { return ours() == 0 && g.waiting() == 0 })
	g.declare(func(t *hoop.Target) { t.Reuse.IdleTimeout = hoop.Duration(time.Millisecond) })
	g.leave(g.connect())
	eventually(t, "none is left after its time", func() bool { return ours() == 0 && g.waiting() == 0 })
	g.proxy.Close()
	g.leave(g.connect())
	if n := g.waiting(); n != 0 {
		t.Error("kept by a gateway that stops")
	}
}

// A target that has no room for another connection takes one of those that wait.
func TestReuse_MakesRoom(t *testing.T) {
	g := setup(t, "")
	g.reusing(10)
	g.leave(g.connect())
	if n := g.waiting(); n != 1 {
		t.Fatalf("%d wait", n)
	}
	var full atomic.Bool
	full.Store(true)
	g.declare(func(*hoop.Target) {
		dial := g.dial
		g.dial = func(ctx context.Context, params map[string]string) (*Upstream, error) {
			if full.CompareAndSwap(true, false) {
				return nil, (&hoop.Error{Code: hoop.CodeTooMany, Message: "full", Err: &pgconn.PgError{Code: "53300"}})
			}
			return dial(ctx, params)
		}
	})
	pid(t, g.connect("application_name=other"))
	if n := g.waiting(); n != 0 || full.Load() {
		t.Errorf("%d wait", n)
	}
}
