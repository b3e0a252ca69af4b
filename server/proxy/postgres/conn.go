package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/netio"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

const (
	// leaveTime is how long a client that has closed its end may still get answers to
	// what it sent before: it may have closed that half only. Then its backend is
	// cancelled, a second after the client left at the latest: this leaves most of it for
	// dialling the target with TLS and for the backend to take it in.
	leaveTime = 250 * time.Millisecond
	// lastWords is how long a client has to take in why it is cut.
	lastWords = 500 * time.Millisecond
)

// conn is one client's connection that has started.
type conn struct {
	proxy    *Proxy
	nc       net.Conn
	in       *reader // what the client sends
	up       *Upstream
	sess     *session.Session
	cat      *catalog.Catalog
	beside   *beside
	database string
	key      key

	left func() // it no longer counts

	foreign bool // the target's database has another encoding than UTF8

	reuse  reuseKey // of the target's connection on the shelf
	reused bool     // it served another session before

	idle idleness

	ctx  context.Context
	stop context.CancelCauseFunc
	// Set before relay's end:
	severed bool // the session was ended: both sides are cut
	late    bool // what ran at the target is still to be cancelled

	mu       sync.Mutex // guards what follows
	cond     *sync.Cond // queue, skipping, settled or a message's fate changed
	gated    *expected  // the COPY FROM STDIN that was forwarded last
	queue    []*expected
	spare    []*expected    // empty; its room is used again
	skipping bool           // the target skips messages until Sync, which was not sent yet
	batch    int64          // number of the batch that the next message belongs to
	status   byte           // of the last ReadyForQuery: I, T or E
	stale    bool           // the catalog changed: ask again before judging
	ddl      int64          // batch of the last uncommitted DDL, -1 for none
	public   bool           // that DDL is of what others see, too
	recoded  bool           // by that DDL: see sqlscan.Analysis.Recodes
	restated restated       // by that DDL
	prepares restated       // the same of a transaction that is being prepared; nil for none
	judged   *judged        // the statement that is being judged; nil once it is in the queue
	behind   []sqlscan.Left // by that DDL
	filled   []string       // where statements of the open transaction copied to since that DDL
	altered  int64          // counts what was forwarded and may have changed the catalog, or brought back what it was
	insight  *insight       // nil for none
	looked   int64          // counts the looks
	counted  int32          // how many catalogs count as this transaction's: see countLocked
	blind    int64          // altered, when the transaction did not show its catalog; -1 for never
	fresh    fresh          // by that DDL
	defined  int64          // counts the ends of transactions that had some
	joined   bool           // such DDL made a table a child or a partition of another
	adopted  int64          // batch that made a table which may be the session's own a child of another; -1 for none
	settled  bool           // everything the target sent so far has been written to the client
	prepared names[prepared]
	portals  names[portal]
	cursors  names[cursor] // declared in SQL
	// generation counts what names of prepared statements have stood for.
	generation int64
	hold       context.CancelCauseFunc // ends the statement that waits for approval
	endLook    context.CancelFunc      // ends the look that is under way; nil for none
	shadows    shadows                 // what may change the meaning of later texts
	overlay    overlay                 // tables of the session's own
	veils      veils                   // views of the session's own
	dialect    dialect                 // by which settings texts are read as times
	finds      map[string]bool         // names that code of the open transaction may find: see intercepts
	lands      []string                // where that code puts what it finds
	due        []due                   // what people agreed to that goes on when the open transaction ends
	quiet      []due                   // the same of statements that nobody was asked about: moved is not used
	moved      int64                   // counts what changed what code finds by name: see moves
	tuned      int64                   // counts what changed settings
	opaque     bool                    // code that was not read has run in the open transaction, and may have opened cursors
	opening    int64                   // moved, when it first did
	channels   map[string]bool         // that the client's own texts listen to
	fails      byte                    // the target must fail as a statement did here: P in the batch, Q in the transaction
	midBatch   bool                    // something was forwarded that no Sync has followed yet
	begunBatch bool                    // an Execute was
	worn       bool                    // the connection may not be used again
	over       bool                    // the session is: the connection is another's
	reading    bool                    // the client is waited for, while something is enclosed
	roused     bool                    // which has been answered

	// charset is the client's encoding, nil for UTF8. The goroutine that reads the client
	// changes it, when all is quiet.
	charset atomic.Pointer[charset]
	begun   *charset // what the connection began with

	early atomic.Int32 // see judging

	writing sync.Mutex // guards nc's writing half and what follows
	half    []byte     // a message that is not complete yet; of clients with a charset
	told    bool       // the client knows why it is cut
	silent  bool       // and hears nothing more
	partial bool       // a message was written in part

	// Of the goroutine that reads the client:
	out      []byte    // to the target, not sent yet
	refused  bool      // skip the client's messages until Sync
	gate     *expected // COPY FROM STDIN that was forwarded; see passGate
	enclosed *enclosed // whose transaction is still to be ended; nil for none
	passing  int       // bytes still to come of a long CopyData
	holds    int       // bytes of a long Bind message that count
	keeping  bool      // these are forwarded

	changing  *change // of the client's encoding, when the batch ends
	character []byte  // the beginning of one, at the end of the last CopyData
	unsettled bool    // hoop.* may not be this session's; see settleIdentity
	fleeting  bool    // hoop.* was set again in a transaction, whose end may undo it
	midway    bool    // in that of a batch, which ends at Sync
}

func newConn(p *Proxy, nc net.Conn, in *reader, up *Upstream, sess *session.Session, st *startup) *conn {
	up.Conn, up.Frontend = netio.Wrap(up.Conn), nil // whose buffers are empty, and large
	c := &conn{
		proxy: p, nc: nc, in: in, up: up, sess: sess, database: st.database,
		cat: p.cfg.Catalog(sess.Target(), st.database), status: 'I', ddl: -1, blind: -1, adopted: -1, settled: true,
		spare: make([]*expected, 0, 8), shadows: shadows{last: -1, first: sqlscan.Temporary(up.path)}, overlay: overlay{settled: -1, broken: -1},
	}
	c.dialect.report(up.ParameterStatuses)
	c.foreign = up.ParameterStatuses["server_encoding"] != "UTF8"
	c.begun = st.charset
	c.charset.Store(st.charset)
	c.queue = c.spare
	c.cond = sync.NewCond(&c.mu)
	return c
}

// relay runs until either side leaves or the session ends. This goroutine and the one
// that answers wait most of their lives, so what they need only once is in functions of
// its own: a stack of 4 KiB holds what is left, if it takes less than a quarter of 8
// (shrinkstack in Go's runtime).
func (c *conn) relay(ctx context.Context) error {
	c.proxy.besides.join(c)
	g := c.guard(ctx)
	a := newAnswerer(c)
	go c.answer(a)
	return c.finish(isolate(c.serveClient), a, g)
}

// guard is what ends a connection from outside.
type guard struct {
	quiet    chan struct{} // closed when the connection was interrupted
	stop     context.CancelCauseFunc
	session  func() bool
	idleness func() bool
}

// guard has the connection interrupted when ctx or its session ends, or it is idle for
// too long, until lift.
func (c *conn) guard(ctx context.Context) *guard {
	ctx, stop := context.WithCancelCause(ctx)
	c.mu.Lock()
	c.ctx, c.stop = ctx, stop
	c.mu.Unlock()
	g := &guard{quiet: make(chan struct{}), stop: stop}
	g.session = context.AfterFunc(c.sess.Context(), func() { stop(context.Cause(c.sess.Context())) })
	context.AfterFunc(ctx, func() {
		defer close(g.quiet)
		c.interrupt()
		if c.ended() != nil {
			c.sever(context.WithoutCancel(ctx))
		}
	})
	g.idleness = c.watchIdle()
	return g
}

func (g *guard) lift() {
	g.idleness()
	g.session()
	g.stop(nil)
}

// answer runs a until it ends, and wakes the other goroutine.
func (c *conn) answer(a *answerer) {
	c.stop(isolate(a.loop))
	close(a.stopped)
}

// finish ends both sides after serveClient has ended with err.
func (c *conn) finish(err error, a *answerer, g *guard) error {
	defer g.lift()
	if errors.Is(err, errTerminated) && !errors.Is(err, errClientGone) {
		err = c.leave()
	}
	c.stop(err)
	<-a.stopped
	<-g.quiet // deadlines stay as they are from here on
	a.loseTag(stateAdminShutdown)
	away := c.commits()
	c.endAll()
	if away {
		c.cat.Unsettled(c.up.PID, func() { c.proxy.besides.leave(c) })
	} else {
		c.proxy.besides.leave(c)
	}
	c.release()
	err = ender(c.ctx) // whatever was first
	if a.fatality != nil && (errors.Is(err, errTerminated) || errors.Is(err, errClientGone)) {
		err = a.fatality // which the client has heard, and left
	}
	return c.farewell(err, a)
}

// ender is why a connection's context has ended: who ended it has said so, or else the
// tunnel has ended, and the client with it.
func ender(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		return hoop.Errorf(hoop.CodeCancelled, "the client went away").Wrap(errClientGone)
	}
	return err
}

// isolate turns a panic into an error.
func isolate(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = hoop.AsError(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return f()
}

// interrupt wakes both goroutines, wherever they wait.
func (c *conn) interrupt() {
	_ = c.up.Conn.SetDeadline(longAgo)
	_ = c.nc.SetReadDeadline(longAgo)
	_ = c.nc.SetWriteDeadline(time.Now().Add(lastWords))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cond.Broadcast()
}

// leave is what happens when the client has left: answers under way get a moment, then
// the target is told to stop.
func (c *conn) leave() error {
	timer := time.AfterFunc(leaveTime, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cond.Broadcast()
	})
	defer timer.Stop()
	deadline := time.Now().Add(leaveTime)
	c.mu.Lock()
	for (len(c.queue) > 0 || !c.settled) && c.ctx.Err() == nil && time.Now().Before(deadline) {
		c.cond.Wait()
	}
	c.mu.Unlock()
	return errTerminated
}

// farewell tells the client why it is cut, if it is still there, and ends the target's
// side.
func (c *conn) farewell(err error, a *answerer) error {
	// The context is over: what follows has its own limits.
	ctx := context.WithoutCancel(c.ctx)
	left := err == nil || errors.Is(err, errTerminated) || errors.Is(err, errClientGone)
	if !left {
		c.lastWord(ctx, err)
	}
	_ = c.nc.Close()
	if left && !c.severed && c.reusable(a) {
		return nil
	}
	if c.severed {
		if left {
			return nil
		}
		return err
	}
	if !errors.Is(err, errUpstreamGone) {
		c.endBusy(ctx)
	}
	_ = c.up.Conn.SetDeadline(time.Now().Add(lastWords))
	_, _ = c.up.Conn.Write([]byte{'X', 0, 0, 0, 4}) // closing would do as well
	if left {
		return nil
	}
	return err
}

// commits reports whether the target may yet commit what others see of the catalog, though
// nobody hears of it: a COMMIT waits for a disk or a standby whoever has left.
func (c *conn) commits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ddl >= 0 && c.public && len(c.queue) > 0
}

// endAll tells the session of statements whose end was never seen.
func (c *conn) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.queue {
		if e.run != nil {
			e.run.end("", stateAdminShutdown)
		}
	}
	c.portals.each(func(_ string, p *portal) { p.run.end("", stateAdminShutdown) })
	c.unlookLocked()
}

// awaitLocked waits until f holds or ctx ends. c.mu is held.
func (c *conn) awaitLocked(ctx context.Context, f func() bool) error {
	if f() {
		return nil
	}
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cond.Broadcast()
	})()
	for !f() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.cond.Wait()
	}
	return nil
}

// write sends to the client. c.writing is held.
func (c *conn) writeLocked(wire []byte) error {
	if c.silent {
		return errInterrupted
	}
	if err := c.ended(); err != nil {
		return err
	}
	was := c.partial
	c.partial = true // until all of it is out; what is refused above has not begun
	if cs := c.charset.Load(); cs != nil {
		if err := c.writeIn(cs, wire); err != nil {
			return err
		}
	} else if _, err := c.nc.Write(wire); err != nil {
		return errors.Join(errClientGone, err)
	}
	c.partial = was
	return nil
}

// tell sends a message of ours between the target's answers.
func (c *conn) tell(ctx context.Context, r report) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	wire := r.append(nil)
	if err := c.sess.Release(ctx, nil, wire); err != nil {
		return err
	}
	return c.writeLocked(wire)
}

var (
	errClientGone   = errors.New("the client is gone")
	errUpstreamGone = errors.New("the target closed the connection")
)

// gone tells an orderly end of input from others.
func gone(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
