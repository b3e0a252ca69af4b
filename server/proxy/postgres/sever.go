package postgres

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

const (
	// tellFirst is how long the target's connections of sessions that are cut at the same
	// moment wait, at most, until the clients of all have been told why: a thousand
	// processes of a database on the same machine that end at once take its processors.
	tellFirst = 200 * time.Millisecond
	// cutWords is how long a client may take that is told; the target's side does not wait
	// for it.
	cutWords = 3 * time.Second
	// maxCancels is how many CancelRequests of sessions that were cut are under way at
	// once: each is a new process of the target.
	maxCancels = 4
)

// crowd is the sessions that are being cut and whose clients are not told yet.
type crowd struct {
	mu   sync.Mutex // guards what follows
	n    int
	told chan struct{} // closed when n is 0 again
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		c.told = make(chan struct{})
	}
	c.n++
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 {
		close(c.told)
	}
}

// wait returns when everybody is told, or after that long.
func (c *crowd) wait(atMost time.Duration) {
	c.mu.Lock()
	told, n := c.told, c.n
	c.mu.Unlock()
	if n == 0 {
		return
	}
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-told:
	case <-timer.C:
	}
}

// sever cuts both sides at once, whatever the other goroutines have still to put on
// record. The client is told why; neither one that does not read what it was sent before
// nor a tunnel that is full of others' answers holds up the end of what runs at the target.
func (c *conn) sever(ctx context.Context) {
	c.proxy.cut.enter()
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { c.tellCut(ctx) })
	c.proxy.cut.wait(tellFirst)
	reset(c.up.Conn)
	c.proxy.cancels <- struct{}{}
	defer func() { <-c.proxy.cancels }()
	c.cancelBusy(ctx) // that the connection is closed sees only who reads or writes
}

// reset closes a connection so that the other end knows at once, even one that waits until
// it may send more: such a one finds an orderly end only when it next asks whether the window
// has opened (RFC 9293 §3.8.6.1), many seconds after the last time, and PostgreSQL heeds no
// CancelRequest until then.
func reset(nc net.Conn) {
	socket := nc
	if t, ok := socket.(interface{ NetConn() net.Conn }); ok {
		socket = t.NetConn()
	}
	if w, ok := socket.(*netio.Conn); ok {
		socket = w.Conn
	}
	if t, ok := socket.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it may be closed already
	}
	_ = nc.Close()
}

// tellCut tells the client, and leaves the crowd at once where it must wait for what
// was being written.
func (c *conn) tellCut(ctx context.Context) {
	free := c.writing.TryLock()
	if !free {
		c.proxy.cut.leave()
		c.writing.Lock()
	}
	defer c.writing.Unlock()
	c.lastWordLocked(ctx, context.Cause(c.sess.Context()), cutWords)
	if free {
		c.proxy.cut.leave()
	}
}

// cancelBusy ends what runs at the target.
func (c *conn) cancelBusy(ctx context.Context) {
	c.mu.Lock()
	busy := len(c.queue) > 0
	c.mu.Unlock()
	if !busy {
		return
	}
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
