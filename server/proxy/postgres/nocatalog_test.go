package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// watchedBy has the gateway read the catalog as a role of its own, which may be refused
// what it needs while the sessions' connections go on.
func (g *gateway) watchedBy() (role string) {
	g.t.Helper()
	role = "watch" + random(4)
	admin(g.t, g.target.Database, "create role "+role+" login password 'w'; revoke connect on database "+g.target.Database+" from public; grant connect on database "+g.target.Database+" to "+role)
	g.t.Cleanup(func() { admin(g.t, g.target.Database, "drop owned by "+role+"; drop role "+role) })
	cat := catalog.New(catalog.Options{Poll: 50 * time.Millisecond, Connect: func(ctx context.Context) (*pgx.Conn, error) {
		cfg, err := pgx.ParseConfig(shared.pg.DSN(g.target.Database))
		if err != nil {
			return nil, err
		}
		cfg.User, cfg.Password = role, "w"
		return pgx.ConnectConfig(ctx, cfg)
	}})
	g.t.Cleanup(func() { check(g.t, cat.Close()) })
	g.proxy.cfg.Catalog = func(hoop.Target, string) *catalog.Catalog { return cat }
	return role
}

// unjudgeable are statements of every kind and by every message that runs one.
var unjudgeable = map[string][]pgproto3.FrontendMessage{
	"a query":                   msgs(query("select n from kept")),
	"what reads no table":       msgs(query("select 1")),
	"a change":                  msgs(query("insert into kept values (1)")),
	"several":                   msgs(query("select 1; insert into kept values (1)")),
	"a new table":               msgs(query("create table made (n int)")),
	"a setting":                 msgs(query("set work_mem = '8MB'")),
	"a transaction":             msgs(query("begin")),
	"nothing":                   msgs(query("")),
	"COPY FROM STDIN":           msgs(query("copy kept from stdin")),
	"COPY TO STDOUT":            msgs(query("copy kept to stdout")),
	"a prepared statement":      msgs(parse("", "insert into kept values ($1)"), bind("", "", "1"), execute("", 0), syncMsg),
	"one that is described":     msgs(parse("s", "select n from kept"), describe('S', "s"), syncMsg),
	"a call of a function":      msgs(fastpath(177, "2", "3")),
	"a cursor that nobody made": msgs(execute("c", 0), syncMsg),
}

// What is in the target is not known where its catalog cannot be read: then no statement
// runs, whatever it is, and its error says why and what to do next.
func TestServe_NothingRunsWithoutTheCatalog(t *testing.T) {
	for name, x := range map[string]struct{ lose, give string }{
		"its role may not connect":            {"revoke connect on database DB from ROLE", "grant connect on database DB to ROLE"},
		"its role may not read what is there": {"revoke select on pg_catalog.pg_proc from public", "grant select on pg_catalog.pg_proc to public"},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, "create table kept (n int)")
			words := strings.NewReplacer("DB", g.target.Database, "ROLE", g.watchedBy())
			admin(t, g.target.Database, words.Replace(x.lose))
			for what, send := range unjudgeable {
				g.unjudged(what, g.connect(), send)
			}
			g.keepsNothing()
			for _, e := range g.audit.Of(hoop.EventStatement) {
				if e.Action != hoop.Deny {
					t.Errorf("%s: %q is on record", e.Action, e.Text)
				}
			}
			admin(t, g.target.Database, words.Replace(x.give))
			g.recovers(g.connect())
		})
	}
}

// So it is where the catalog is lost under a session, also within a transaction that has begun.
func TestServe_NothingRunsOnceTheCatalogIsLost(t *testing.T) {
	g := setup(t, "create table kept (n int)")
	role := g.watchedBy()
	begun, idle := g.connect(), g.connect()
	for _, c := range []*pgx.Conn{begun, idle} {
		if _, err := c.Exec(t.Context(), "begin; insert into kept values (1)", pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := idle.Exec(t.Context(), "rollback", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	admin(t, g.target.Database, "revoke connect on database "+g.target.Database+" from "+role+
		"; select pg_terminate_backend(pid) from pg_stat_activity where usename = '"+role+"'")
	time.Sleep(500 * time.Millisecond) // more polls than a snapshot is good for
	for _, c := range []*pgx.Conn{begun, idle} {
		var pg *pgconn.PgError
		_, err := c.Exec(t.Context(), "insert into kept values (2)", pgx.QueryExecModeSimpleProtocol)
		if !errors.As(err, &pg) || !isBlind(pg.Code, pg.Message, pg.Hint) {
			t.Errorf("without the catalog: %v", err)
		}
	}
	g.keepsNothing()
	admin(t, g.target.Database, "grant connect on database "+g.target.Database+" to "+role)
	g.recovers(idle)
}

// unjudged sends what runs a statement, and wants it refused for want of the catalog.
func (g *gateway) unjudged(what string, c *pgx.Conn, send []pgproto3.FrontendMessage) {
	g.t.Helper()
	raw, err := c.PgConn().Hijack()
	if err != nil {
		g.t.Fatal(err)
	}
	defer raw.Conn.Close() //nolint:errcheck // it was used enough
	check(g.t, raw.Conn.SetDeadline(time.Now().Add(time.Minute)))
	for _, m := range send {
		raw.Frontend.Send(m)
	}
	check(g.t, raw.Frontend.Flush())
	refused := false
	for {
		m, err := raw.Frontend.Receive()
		if err != nil {
			g.t.Fatalf("%s: %v", what, err)
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			if refused = true; !isBlind(m.Code, m.Message, m.Hint) {
				g.t.Errorf("%s: %+v", what, m)
			}
		case *pgproto3.ReadyForQuery:
			if !refused {
				g.t.Errorf("%s: it was not refused", what)
			}
			return
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default:
			g.t.Errorf("%s: %T came", what, m)
		}
	}
}

// keepsNothing looks whether a statement ran all the same.
func (g *gateway) keepsNothing() {
	g.t.Helper()
	var rows, tables int
	err := g.direct().QueryRow(g.t.Context(), "select (select count(*) from kept), (select count(*) from pg_class where relname = 'made')").Scan(&rows, &tables)
	if err != nil || rows+tables > 0 {
		g.t.Errorf("%d rows and %d tables were made: %v", rows, tables, err)
	}
}

// isBlind reports whether an error says that the catalog cannot be read, and names the next step.
func isBlind(code, message, hint string) bool {
	return code == "57P03" && strings.HasPrefix(message, "the gateway cannot read the target's catalog, so it cannot judge statements") && strings.Contains(hint, "administrator")
}

// recovers waits until statements run again.
func (g *gateway) recovers(c *pgx.Conn) {
	g.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		_, err := c.Exec(g.t.Context(), "insert into kept values (3)", pgx.QueryExecModeSimpleProtocol)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the catalog can be read again, and statements still do not run: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
