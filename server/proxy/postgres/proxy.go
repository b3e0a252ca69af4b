// Package postgres speaks PostgreSQL's protocol (versions 3.0 and 3.2) to the client
// and to the target, and asks the session in between: nothing is forwarded before it
// was judged, nothing is answered before it was masked and recorded.
//
// It owns the wire: messages, their order, the names of prepared statements and
// portals, what belongs to which statement. It leaves to others what a statement does
// (sqlscan), whether it may (session), what a value becomes (mask), and how the target
// is dialled and proven (Dialer).
//
// Each connection has two goroutines. One reads the client, judges and forwards; the
// other reads the target, masks and answers. Between them is a queue of what the
// target is expected to answer, in order.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/session"
)

// Dialer reaches a target with the credential that only it holds.
type Dialer interface {
	// Dial connects to database and authenticates. params are startup parameters to pass
	// on. The error is a *hoop.Error; where the target itself refused, it wraps the
	// *pgconn.PgError.
	Dial(ctx context.Context, target hoop.Target, database string, params map[string]string) (*Upstream, error)
	// Stamp is equal as long as connections to database would be alike: same address,
	// credential and certificates.
	Stamp(target hoop.Target, database string) (string, error)
}

// Upstream is an authenticated connection to a target, idle, with nothing buffered and
// nobody reading: pgconn may have left a read in the background that would swallow the
// first answer, so SyncConn comes before Hijack.
type Upstream struct {
	*pgconn.HijackedConn
	path string // the search_path that it began with
}

// Opener opens the session that a connection belongs to. Its error is told to the
// client.
type Opener func(ctx context.Context, start session.Start) (*session.Session, error)

// Config of a proxy. Parser, Catalog and Dial are needed; limits of zero take the
// defaults.
type Config struct {
	Parser  *pgparse.Pool
	Catalog func(target hoop.Target, database string) *catalog.Catalog
	Dial    Dialer
	// Own opens a connection of the gateway's own to a target, to find out what approvers
	// should know. nil: they are told that it is not known.
	Own func(ctx context.Context, target hoop.Target, database string) (*pgx.Conn, error)
	Log *slog.Logger // nil: discard

	StartTimeout   time.Duration // from the first byte to ReadyForQuery; default 60 s
	SilenceTimeout time.Duration // a target that acknowledges nothing for so long is gone; default 60 s
	MaxStatement   int           // bytes of one Query or Parse message; default 64 MiB
	MaxBound       int           // bytes of Bind messages above MaxStatement that are held at once; default 1 GiB
	MaxRow         int           // bytes of one row that must be masked; default 64 MiB
}

const (
	defaultStartTimeout   = 60 * time.Second
	defaultSilenceTimeout = 60 * time.Second
	defaultMaxStatement   = 64 << 20
	defaultMaxRow         = 64 << 20
)

// Proxy serves connections. It is safe for concurrent use. Close ends what it keeps.
type Proxy struct {
	cfg      Config
	live     registry
	counts   counts
	shelf    shelf
	meanings *meanings
	besides  besides
	asking   chan struct{} // holds a token for each connection of the gateway's own
	bound    atomic.Int64  // bytes of long Bind messages that are held
	insights atomic.Int32  // catalogs of open transactions that are held
	cancels  chan struct{} // holds a token for each CancelRequest of ours that is under way

	overtakes time.Duration // see there
	patience  time.Duration // see besideTime
}

// New makes a proxy.
func New(cfg Config) *Proxy {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.StartTimeout <= 0 {
		cfg.StartTimeout = defaultStartTimeout
	}
	if cfg.SilenceTimeout <= 0 {
		cfg.SilenceTimeout = defaultSilenceTimeout
	}
	if cfg.MaxStatement <= 0 {
		cfg.MaxStatement = defaultMaxStatement
	}
	if cfg.MaxBound <= 0 {
		cfg.MaxBound = maxMessage
	}
	if cfg.MaxRow <= 0 {
		cfg.MaxRow = defaultMaxRow
	}
	return &Proxy{cfg: cfg, meanings: newMeanings(meaningsLimit), asking: make(chan struct{}, maxAsking), cancels: make(chan struct{}, maxCancels), shelf: shelf{log: cfg.Log}, overtakes: overtakes, patience: besideTime}
}

// Begin takes one client through its startup. The client must prove that it knows the
// password of verifier (SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey) for user; then
// open is asked for a session, then the target is dialled. serve, which the caller calls,
// speaks with the client until either side leaves or the session ends, and closes nc; it
// needs little stack while it waits. Where there is no more to do, serve is nil and nc is
// closed. The client has been told whatever the errors say. They are nil when the client
// left in good order.
func (p *Proxy) Begin(ctx context.Context, nc net.Conn, user, verifier string, target hoop.Target, open Opener) (serve func() error, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.cfg.Log.ErrorContext(ctx, "panic in a connection", "panic", r, "stack", string(debug.Stack()))
			serve, err = nil, fmt.Errorf("panic: %v", r)
		}
		if serve == nil {
			_ = nc.Close() // may be gone already
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(longAgo) })
	defer stop()
	if err := nc.SetDeadline(time.Now().Add(p.cfg.StartTimeout)); err != nil {
		return nil, err
	}
	s := &starter{proxy: p, nc: nc, in: newReader(nc), port: portOf(user, verifier)}
	c, err := s.start(ctx, user, verifier, target, open)
	if err != nil || c == nil {
		return nil, err
	}
	return func() error { return c.serve(ctx) }, nil
}

// serve runs a connection that has started, and ends its session.
func (c *conn) serve(ctx context.Context) (err error) {
	defer func() { err = c.close(ctx, err, recover()) }()
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	return c.relay(ctx)
}

// close ends the session of a connection that ends with err, or with a panic.
func (c *conn) close(ctx context.Context, err error, panicked any) error {
	p := c.proxy
	if panicked != nil {
		p.cfg.Log.ErrorContext(ctx, "panic in a connection", "panic", panicked, "stack", string(debug.Stack()), "session", c.sess.ID())
		err = hoop.AsError(fmt.Errorf("panic: %v", panicked))
	}
	_ = c.nc.Close() // may be gone already
	p.live.remove(c)
	if c.over {
		p.shelf.park(c)
	} else {
		_ = c.up.Conn.Close()
	}
	c.left()
	if cerr := c.sess.Close(err); cerr != nil {
		p.cfg.Log.ErrorContext(ctx, "close session", "session", c.sess.ID(), "err", cerr)
	}
	if c.late {
		c.endProcess(context.WithoutCancel(ctx), askLast)
	}
	return err
}

// longAgo is a deadline that has passed: it wakes whoever waits.
var longAgo = time.Unix(1, 0)

// errTerminated says that the client left: by Terminate or by closing.
var errTerminated = errors.New("the client has left")
