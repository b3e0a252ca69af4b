package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

func TestLimits_Sessions(t *testing.T) {
	for name, limit := range map[string]func(*hoop.Target){
		"max_sessions":       func(t *hoop.Target) { t.MaxSessions = 2 },
		"max_grant_sessions": func(t *hoop.Target) { t.MaxGrantSessions = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, "")
			g.declare(limit)
			a, _ := g.connect(), g.connect()
			_, err := pgx.Connect(t.Context(), g.dsn())
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "53300" || !strings.Contains(pg.Message, name) || pg.Hint == "" {
				t.Fatalf("a third: %v", err)
			}
			check(t, a.Close(t.Context()))
			_, _ = g.ended(), g.ended() // of the third and of a, whichever is first
			g.mu.Lock()
			ends := slices.Clone(g.served)
			g.mu.Unlock()
			for _, err := range ends {
				if err != nil && hoop.AsError(err).Code != hoop.CodeTooMany {
					t.Fatal(err)
				}
			}
			g.connect()
		})
	}
}

// Grants and targets are counted apart, and sessions that never began do not count.
func TestCounts(t *testing.T) {
	var n counts
	limited := hoop.Target{Name: "a", MaxSessions: 3, MaxGrantSessions: 2}
	enter := func(grant string, ok bool) func() {
		t.Helper()
		leave, err := n.enter(limited, grant)
		if (err == nil) != ok {
			t.Errorf("grant %s: %v", grant, err)
		}
		return leave
	}
	one := enter("g1", true)
	enter("g1", true)
	enter("g1", false)
	two := enter("g2", true)
	enter("g2", false)
	one()
	one()
	enter("g2", true)
	enter("g3", false)
	two()
	if _, err := n.enter(hoop.Target{Name: "b", MaxSessions: 1}, "g1"); err != nil {
		t.Error(err)
	}
}

func TestLimits_Idle(t *testing.T) {
	g := setup(t, "")
	g.declare(func(t *hoop.Target) { t.IdleTimeout = hoop.Duration(2 * time.Second) })
	busy := make(chan error, 1)
	c := g.connect()
	go func() {
		_, err := c.Exec(context.Background(), "select pg_sleep(4)")
		busy <- err
	}()
	idle := rawConn(t, g.dsn())
	idle.exchange(step{send: msgs(query("begin")), ready: 1})
	start := time.Now()
	m, err := idle.Frontend.Receive()
	if err != nil || !strings.Contains(render(m), "57P05") || !strings.Contains(render(m), "idle_timeout") || !strings.Contains(render(m), "FATAL") {
		t.Errorf("got %v %v", m, err)
	}
	if d := time.Since(start); d < 1900*time.Millisecond {
		t.Errorf("ended after %s", d)
	}
	if err := <-busy; err != nil {
		t.Errorf("a statement that runs is not idle: %v", err)
	}
}

// A client that waits for an approval is not idle, nor is one whose statement takes long
// to judge, before or after.
func TestLimits_IdleWhileHeld(t *testing.T) {
	g := setup(t, "create table f (i int)")
	g.declare(func(t *hoop.Target) { t.IdleTimeout = hoop.Duration(2 * time.Second) })
	g.policy.on(hoop.Approve, hoop.EffectUnboundedWrite)
	defer g.policy.around(func(decide func([]hoop.Use) hoop.Decision, uses []hoop.Use) hoop.Decision {
		time.Sleep(2500 * time.Millisecond)
		return decide(uses)
	})()
	c := g.connect()
	done := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "delete from f")
		done <- err
	}()
	var r hoop.Request
	select {
	case err := <-done:
		t.Fatalf("not held: %v", err)
	case r = <-g.grants.held:
	}
	select {
	case err := <-done:
		t.Fatalf("ended while held: %v", err)
	case <-time.After(2500 * time.Millisecond):
	}
	r.State = hoop.Approved
	g.grants.answer <- r
	check(t, <-done)
}

// A target that crashes and comes back costs the connections it had, not the port.
func TestTarget_RestartsUnderItsClients(t *testing.T) {
	g := setup(t, "")
	pg, err := pgserver.Start(t.Context(), pgserver.Options{Settings: map[string]string{"restart_after_crash": "on"}})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Stop() //nolint:errcheck // the test is over
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, pg.DSN("postgres")) }})
	defer cat.Close() //nolint:errcheck // its connection is gone
	g.declare(func(target *hoop.Target) {
		target.Address, target.Database = pg.Address(), "postgres"
		g.dial = func(ctx context.Context, params map[string]string) (*Upstream, error) {
			return dialTest(ctx, pg.DSN("postgres"), params)
		}
		g.proxy.cfg.Catalog = func(hoop.Target, string) *catalog.Catalog { return cat }
	})

	idle, running := rawConn(t, g.dsn()), rawConn(t, g.dsn())
	idle.exchange(step{send: msgs(query("begin; create table t (i int)")), ready: 1})
	running.Frontend.Send(query("select 1, pg_sleep(60)"))
	check(t, running.Frontend.Flush())
	victim := rawConn(t, g.dsn())
	if err := syscall.Kill(int(victim.PID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*raw{idle, running, victim} {
		var last string
		for {
			m, err := c.Frontend.Receive()
			if err != nil {
				break
			}
			last = render(m)
		}
		if !strings.Contains(last, `"57P01"`) || !strings.Contains(last, "FATAL") {
			t.Errorf("last words: %s", last)
		}
	}
	for {
		c, err := pgx.Connect(t.Context(), g.dsn())
		if err == nil {
			if _, err := c.Exec(t.Context(), "create table t (i int)"); err != nil {
				t.Error(err)
			}
			check(t, c.Close(t.Context()))
			return
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// A client that does not sign in within its time hears why.
func TestLimits_StartTimeout(t *testing.T) {
	g := setup(t, "")
	g.declare(func(*hoop.Target) { g.proxy.cfg.StartTimeout = 100 * time.Millisecond })
	for name, said := range map[string]string{
		"nothing":           "",
		"half a packet":     "\x00\x00\x00\x20\x00\x03\x00\x00user",
		"a startup message": "\x00\x00\x00\x14\x00\x03\x00\x00user\x00alice\x00\x00",
	} {
		c, err := net.Dial("tcp", g.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write([]byte(said))
		check(t, err)
		got, err := io.ReadAll(c)
		for _, want := range []string{"FATAL", "57014", "canceling authentication due to timeout", "100ms"} {
			if !strings.Contains(string(got), want) || err != nil {
				t.Errorf("%s: got %q, %v", name, got, err)
				break
			}
		}
		check(t, c.Close())
	}
}
