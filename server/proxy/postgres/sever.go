package postgres

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

const (
	// cutFirst is how long the target's connections of sessions that are cut at the same
	// moment wait, at most, until the clients of all have been told why and what runs at the
	// target is cancelled: a thousand processes of a database on the same machine that end
	// at once take its processors. Nothing passes meanwhile (conn.ended).
	cutFirst = 500 * time.Millisecond
	// gathering is how long a crowd waits for more of its kind at least.
	gathering = 20 * time.Millisecond
	// cutWords is how long a client may take that is told; the target's side does not wait
	// for it.
	cutWords = 3 * time.Second
	// maxCancels is how many CancelRequests of sessions that were cut are under way at
	// once: each is a new process of the target.
	maxCancels = 4
	// lateCancel is how much longer, for each session of a crowd, a CancelRequest waits
	// that most likely finds nothing to do any more: about what a process takes to end.
	lateCancel = time.Millisecond
)

// ended is why nothing may pass any more, in either direction; nil while the session
// lives. It is true before any goroutine of the connection hears of it.
func (c *conn) ended() error {
	if ctx := c.sess.Context(); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// crowd is the sessions that are being cut at about the same moment. What matters most
// comes first: the clients of all are told, and what runs at the target is cancelled. Then
// the target's connections of the others are closed, one after the other by one goroutine, and
// only then is each session's end put on record.
type crowd struct {
	mu  sync.Mutex // guards now, and what is in it
	now *company
}

// company is one crowd. Its members wait for the goroutine that closes their connections.
type company struct {
	pending int // members that are not told yet, or whose statement is not cancelled
	members []*conn
	quiet   chan struct{} // has a token when pending became 0
	over    chan struct{} // closed when the target's connections are, and members is final
}

// enter adds a session to the crowd; the first one begins it.
func (c *crowd) enter(one *conn) *company {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now = &company{quiet: make(chan struct{}, 1), over: make(chan struct{})}
		go c.close(c.now)
	}
	c.now.members = append(c.now.members, one)
	c.now.pending++
	return c.now
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

// close closes the target's connections of a crowd, once nobody is pending or it has
// waited long enough. Who comes later is another crowd.
func (c *crowd) close(all *company) {
	time.Sleep(gathering)
	late := time.NewTimer(cutFirst)
	defer late.Stop()
	for over := false; !over && !c.isDone(all); {
		select {
		case <-all.quiet:
		case <-late.C:
			over = true
		}
	}
	members := c.end(all)
	for _, first := range []bool{true, false} { // those in the middle of something keep locks and snapshots
		for _, one := range members {
			if one.late == first {
				one.closeTarget()
			}
		}
	}
	close(all.over)
}

func (c *crowd) isDone(all *company) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return all.pending == 0
}

// end lets nobody in any more, and gives the members.
func (c *crowd) end(all *company) []*conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = nil
	return all.members
}

// sever cuts both sides, whatever the other goroutines have still to put on record. The
// client is told why; neither one that does not read what it was sent before nor a tunnel
// that is full of others' answers holds up the end of what runs at the target.
func (c *conn) sever(ctx context.Context) {
	c.severed = true
	free := c.writing.TryLock() // nobody writes to the client
	busy, waits := c.occupied()
	c.late = busy && (!free || waits)
	all := c.proxy.cut.enter(c)
	var first, work sync.WaitGroup
	defer work.Wait()
	if busy && !c.late {
		first.Go(func() {
			c.cancelBusy(ctx)
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
	c.proxy.cut.done(all)
	<-all.over
	c.lateBy = time.Duration(len(all.members)) * lateCancel
}

// occupied tells whether the target has something to do for c, and whether it waits for
// data of COPY FROM STDIN, so that the end of the connection ends it.
func (c *conn) occupied() (busy, waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0, c.gated != nil && c.gated.copying && !c.gated.over
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

// reset closes a connection so that the other end knows at once, even one that waits until
// it may send more: such a one finds an orderly end only when it next asks whether the window
// has opened (RFC 9293 §3.8.6.1), many seconds after the last time, and PostgreSQL heeds no
// CancelRequest until then. It does not wait.
func reset(nc net.Conn) {
	socket := nc
	if t, ok := socket.(interface{ NetConn() net.Conn }); ok {
		socket = t.NetConn() // TLS would wait until its goodbye can be sent
	}
	inner := socket
	if w, ok := socket.(*netio.Conn); ok {
		inner = w.Conn
	}
	if t, ok := inner.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it may be closed already
	}
	_ = socket.Close()
}

// tellCut tells the client and closes its stream. c.writing is held.
func (c *conn) tellCut(ctx context.Context) {
	c.lastWordLocked(ctx, context.Cause(c.sess.Context()), cutWords)
	_ = c.nc.Close()
}

// cancelLate sends the CancelRequest of a session whose closed connection ends what ran at
// the target, most likely: it was sending to us, or waited for COPY data.
func (c *conn) cancelLate(ctx context.Context) {
	if !c.late {
		return
	}
	timer := time.NewTimer(c.lateBy)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done(): // the gateway stops
	}
	c.cancelTarget(context.WithoutCancel(ctx))
}

// cancelBusy ends what runs at the target.
func (c *conn) cancelBusy(ctx context.Context) {
	if busy, _ := c.occupied(); busy {
		c.cancelTarget(ctx)
	}
}

func (c *conn) cancelTarget(ctx context.Context) {
	c.proxy.cancels <- struct{}{}
	defer func() { <-c.proxy.cancels }()
	if err := c.up.cancel(ctx); err != nil {
		c.proxy.cfg.Log.WarnContext(ctx, "cancel at the target", "session", c.sess.ID(), "err", err)
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
