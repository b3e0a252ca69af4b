package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

const (
	// cutFirst is how long the target's connections of sessions that are cut at the same
	// moment wait, at most, until the clients of all have been told why and what runs at the
	// target has ended; twice as long where they are many: a thousand processes of a database
	// on the same machine that end take its processors. Nothing passes meanwhile (conn.ended).
	cutFirst = 500 * time.Millisecond
	many     = 100
	// gathering is how long a crowd waits for more of its kind at least.
	gathering = 20 * time.Millisecond
	// cutWords is how long a client may take that is told; the target's side does not wait
	// for it.
	cutWords = 3 * time.Second
	// maxCancels is how many CancelRequests of sessions that are over are under way at
	// once: each is a new process of the target.
	maxCancels = 4
	// maxEnds is how many of the target's processes end at once, so that the sessions that are
	// cut next, and whoever cuts them, find a processor.
	maxEnds = 4
	// askFirst is how long what a process runs goes on at most since the gateway asks the target
	// something else, such as what its catalog contains now; and askLast is for a process that a
	// CancelRequest did not end.
	askFirst = 300 * time.Millisecond
	askLast  = 30 * time.Second
	// copyEnds is how long the process of a COPY that waits for data may take to end: one that
	// takes longer computes with what it has.
	copyEnds = 250 * time.Millisecond
	// endsBy is how long a process of the target may take to end until the gateway waits for
	// no other one.
	endsBy = 2 * time.Second
)

// ended is why nothing may pass any more, in either direction; nil while the session
// lives. It is true before any goroutine of the connection hears of it.
func (c *conn) ended() error {
	if ctx := c.sess.Context(); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// crowd is the sessions of a database that are being cut at about the same moment. What matters
// most comes first: the clients of all are told, and what runs at the target is ended. Then the
// target's connections of the others are, a few at a time, and each session's end is put on
// record when its own is.
type crowd struct {
	turns chan struct{} // holds a token for each connection that is being ended

	mu  sync.Mutex // guards now, and what is in it
	now *company
}

func newCrowd() *crowd { return &crowd{turns: make(chan struct{}, maxEnds)} }

// company is one crowd. Its members wait for the goroutine that ends their connections.
type company struct {
	pending int // members that are not told yet, or whose statement has not ended
	members []*member
	quiet   chan struct{} // has a token when pending became 0
	hung    atomic.Bool   // a process of the target did not end in time
}

// member is a session of a company.
type member struct {
	*conn
	all   *company
	first bool          // it keeps locks or a snapshot, which others may wait for
	runs  bool          // its process runs something, and is ended without a turn
	over  chan struct{} // closed when its connection to the target is
}

// enter adds a session to the crowd; the first one begins it.
func (c *crowd) enter(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now = &company{quiet: make(chan struct{}, 1)}
		go c.lead(c.now)
	}
	m.all = c.now
	m.all.members = append(m.all.members, m)
	m.all.pending++
}

// done notes that for a member what comes first is done, or cannot be for now.
func (c *crowd) done(all *company) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all.pending--; all.pending == 0 {
		select {
		case all.quiet <- struct{}{}:
		default:
		}
	}
}

// lead ends the target's connections of a crowd, once nobody is pending or it has waited
// long enough. Who comes later is another crowd.
func (c *crowd) lead(all *company) {
	time.Sleep(gathering)
	late := time.NewTimer(cutFirst)
	defer late.Stop()
	for waited := time.Duration(0); !c.isDone(all, waited); {
		select {
		case <-all.quiet:
		case <-late.C:
			waited += cutFirst
			late.Reset(cutFirst)
		}
	}
	members := c.end(all)
	for _, first := range []bool{true, false} {
		for _, m := range members {
			if m.first == first {
				c.turns <- struct{}{}
				go c.endOne(m)
			}
		}
	}
}

// isDone reports that a crowd has waited long enough.
func (c *crowd) isDone(all *company, waited time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return all.pending == 0 || waited >= 2*cutFirst || waited >= cutFirst && len(all.members) < many
}

// end lets nobody in any more, and gives the members.
func (c *crowd) end(all *company) []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = nil
	return all.members
}

// endOne ends a member's connection to the target, which takes about as long as the target's
// process does.
func (c *crowd) endOne(m *member) {
	defer func() { <-c.turns }()
	defer close(m.over)
	defer m.closeTarget()
	busy, waits := m.occupied()
	now := time.Now()
	switch {
	case m.runs:
	case m.all.hung.Load():
		m.late = busy
	case busy:
		if waits && m.awaitTarget(now.Add(copyEnds)) {
			break
		}
		// It sends to us, or computes.
		ctx, stop := context.WithDeadline(context.Background(), now.Add(endsBy))
		defer stop()
		m.endProcess(ctx, askFirst)
		if m.late = !m.awaitTarget(now.Add(endsBy)); m.late {
			m.all.hung.Store(true)
		}
	case !m.awaitTarget(now.Add(endsBy)):
		m.all.hung.Store(true)
	}
}

// sever cuts both sides, whatever the other goroutines have still to put on record. The
// client is told why; neither one that does not read what it was sent before nor a tunnel
// that is full of others' answers holds up the end of what runs at the target.
func (c *conn) sever(ctx context.Context) {
	c.severed = true
	free := c.writing.TryLock() // nobody writes to the client
	busy, waits := c.occupied()
	late := busy && (!free || waits)
	m := &member{conn: c, first: c.keeps(), runs: busy && !late, over: make(chan struct{})}
	c.beside.cut.enter(m)
	var first, work sync.WaitGroup
	defer work.Wait()
	if m.runs {
		first.Go(func() {
			c.endBusy(ctx)
			c.late = !c.awaitTarget(time.Now().Add(endsBy)) // or until its turn has come
			c.closeTarget()
		})
	}
	if free {
		first.Go(func() {
			defer c.writing.Unlock()
			c.tellCut(ctx)
		})
	} else {
		work.Go(func() {
			c.writing.Lock() // what is being written has its deadline
			defer c.writing.Unlock()
			c.tellCut(ctx)
		})
	}
	first.Wait()
	c.beside.cut.done(m.all)
	<-m.over
}

// occupied tells whether the target has something to do for c, and whether it waits for
// data of COPY FROM STDIN, so that the end of the connection ends it.
func (c *conn) occupied() (busy, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0, c.gated != nil && c.gated.copying && !c.gated.over
}

// keeps tells whether the target has locks or a snapshot for c.
func (c *conn) keeps() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0 || c.status != 'I'
}

// closeTarget closes the connection to the target: in order where it does nothing, else
// so that it notices at once.
func (c *conn) closeTarget() {
	if busy, _ := c.occupied(); busy {
		reset(c.up.Conn)
		return
	}
	_ = c.up.Conn.SetWriteDeadline(time.Now().Add(lastWords)) // TLS says goodbye
	_ = c.up.Conn.Close()
}

// awaitTarget ends the connection to a target that waits for c, and reports whether its process was
// gone in time: PostgreSQL leaves the socket to the end of the process (backend/libpq/pqcomm.c), and
// so that is when the other end of it is closed.
func (c *conn) awaitTarget(by time.Time) bool {
	if t, ok := c.up.Conn.(*tls.Conn); ok {
		if busy, _ := c.occupied(); !busy { // nothing is on its way there that may block
			_ = t.CloseWrite() // says goodbye
		}
	}
	socket, inner := sockets(c.up.Conn)
	half, ok := inner.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || socket.SetReadDeadline(by) != nil {
		return false
	}
	_, err := io.Copy(io.Discard, socket) // not decrypted; nobody is told
	return !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// reset closes a connection so that the other end knows at once, even one that waits until
// it may send more: such a one finds an orderly end only when it next asks whether the window
// has opened (RFC 9293 §3.8.6.1), many seconds after the last time, and PostgreSQL heeds no
// CancelRequest until then. It does not wait.
func reset(nc net.Conn) {
	socket, inner := sockets(nc)
	if t, ok := inner.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it may be closed already
	}
	_ = socket.Close()
}

// sockets are what nc encrypts, where closing waits for nothing, and the operating system's
// connection in it.
func sockets(nc net.Conn) (socket, inner net.Conn) {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	if w, ok := nc.(*netio.Conn); ok {
		return w, w.Conn
	}
	return nc, nc
}

// tellCut tells the client and closes its stream. c.writing is held.
func (c *conn) tellCut(ctx context.Context) {
	c.lastWordLocked(ctx, context.Cause(c.sess.Context()), cutWords)
	_ = c.nc.Close()
}

// endBusy ends the target's process where it runs something.
func (c *conn) endBusy(ctx context.Context) {
	if busy, _ := c.occupied(); busy {
		c.endProcess(ctx, askFirst)
	}
}

// endProcess ends the target's process; what it runs, where that is not possible or others ask
// the target something for longer than patience. A CancelRequest takes a process more.
func (c *conn) endProcess(ctx context.Context, patience time.Duration) {
	asking, stop := context.WithTimeout(ctx, patience)
	defer stop()
	ended := c.cat.Terminate(asking, c.up.PID, c.up.Conn.LocalAddr())
	if ended == nil {
		return
	}
	c.proxy.cancels <- struct{}{}
	defer func() { <-c.proxy.cancels }()
	if err := c.up.cancel(ctx); err != nil {
		c.proxy.cfg.Log.WarnContext(ctx, "end a process of the target", "session", c.sess.ID(), "err", errors.Join(ended, err))
	}
}

// lastWord writes a FATAL ErrorResponse, unless the client has one already or is in
// the middle of another message.
func (c *conn) lastWord(ctx context.Context, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.lastWordLocked(ctx, err, lastWords)
}

func (c *conn) lastWordLocked(ctx context.Context, err error, patience time.Duration) {
	if c.told || c.partial {
		return
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	wire := cut(err).append(nil)
	if rerr := c.sess.Release(ctx, nil, wire); rerr != nil {
		// The record may be what failed. These bytes are ours and hold nothing of the
		// target's.
		c.proxy.cfg.Log.WarnContext(ctx, "last words are not on record", "session", c.sess.ID(), "err", rerr)
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(patience))
	if cs := c.charset.Load(); cs != nil {
		wire = cs.lossy(wire)
	}
	_, _ = c.nc.Write(wire) // the client may be gone
	c.told, c.silent = true, true
}
