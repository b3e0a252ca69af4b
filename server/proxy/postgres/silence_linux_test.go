package postgres

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// hole is a way to a server that can swallow everything: packets to it are dropped
// unseen, so that not even TCP acknowledges them, as when a machine loses its power.
type hole struct {
	t    *testing.T
	addr string
	mu   sync.Mutex // guards near
	near []*net.TCPConn
}

func newHole(t *testing.T, to string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{t: t, addr: l.Addr().String()}
	t.Cleanup(func() { check(t, l.Close()) })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			h.mu.Lock()
			h.near = append(h.near, near.(*net.TCPConn))
			h.mu.Unlock()
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
		}
	}()
	return h
}

// swallow drops what comes on every connection from here on (socket(7),
// SO_ATTACH_FILTER).
func (h *hole) swallow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.near {
		raw, err := c.SyscallConn()
		check(h.t, err)
		check(h.t, raw.Control(func(fd uintptr) {
			nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
			check(h.t, unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing}))
		}))
	}
}

// A target that vanishes while a statement is on its way to it is given up, and the
// client learns why. One that only does not read is not.
func TestSilence_OfATargetEndsTheConnection(t *testing.T) {
	g := setup(t, "create table c (s text)")
	u, err := url.Parse(shared.pg.DSN(g.target.Database))
	check(t, err)
	h := newHole(t, u.Host)
	u.Host = h.addr
	var direct func(ctx context.Context, params map[string]string) (*Upstream, error)
	g.declare(func(*hoop.Target) {
		g.proxy.cfg.SilenceTimeout = 2 * time.Second
		direct, g.dial = g.dial, func(ctx context.Context, params map[string]string) (*Upstream, error) {
			return dialTest(ctx, u.String(), params)
		}
	})
	c := rawConn(t, g.dsn())
	g.declare(func(*hoop.Target) { g.dial = direct })
	watch, locker := g.direct(), g.direct()
	_, err = locker.Exec(t.Context(), "begin; lock table c")
	check(t, err)
	waiting := rawConn(t, g.dsn()) // its backend waits for a lock, and reads nothing meanwhile
	sent := make(chan error, 1)
	go func() {
		for _, m := range msgs(query("select count(*) from c"), parse("", "select length($1)"), &pgproto3.Bind{Parameters: [][]byte{bytes.Repeat([]byte("x"), 16_000_000)}}, execute("", 0), syncMsg) {
			waiting.Frontend.Send(m)
		}
		sent <- waiting.Frontend.Flush()
	}()
	eventually(t, "it waits", func() bool { return g.backends(watch, "select count(*) from c") == 1 })

	h.swallow()
	c.Frontend.Send(query("select 1"))
	check(t, c.Frontend.Flush())
	m, err := c.Frontend.Receive()
	if err != nil || !strings.Contains(render(m), "57P01") || !strings.Contains(render(m), "FATAL") || !strings.Contains(render(m), "does not answer any more") {
		t.Errorf("got %v %v", m, err)
	}
	if err := g.ended(); hoop.AsError(err).Code != hoop.CodeShuttingDown {
		t.Errorf("Serve: %v", err)
	}
	_, err = locker.Exec(t.Context(), "rollback")
	check(t, err)
	check(t, <-sent)
	if out := waiting.exchange(step{ready: 2}); !strings.Contains(out, "16000000") {
		t.Errorf("a connection whose target does not read: %s", out)
	}
}

// One that vanishes while nothing is said is noticed by keepalives.
func TestSilence_OfATargetNobodyAsks(t *testing.T) {
	g := setup(t, "")
	u, err := url.Parse(shared.pg.DSN(g.target.Database))
	check(t, err)
	h := newHole(t, u.Host)
	u.Host = h.addr
	g.declare(func(*hoop.Target) {
		g.dial = func(ctx context.Context, params map[string]string) (*Upstream, error) {
			return dialTest(ctx, u.String(), params, func(cfg *pgconn.Config) {
				cfg.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 1}}).DialContext
			})
		}
	})
	c := rawConn(t, g.dsn())
	h.swallow()
	m, err := c.Frontend.Receive()
	if err != nil || !strings.Contains(render(m), "57P01") || !strings.Contains(render(m), "FATAL") || !strings.Contains(render(m), "does not answer any more") {
		t.Errorf("got %v %v", m, err)
	}
	check(t, c.Conn.Close())
	if err := g.ended(); hoop.AsError(err).Code != hoop.CodeShuttingDown {
		t.Errorf("Serve: %v", err)
	}
}
