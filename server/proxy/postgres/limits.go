package postgres

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// counts is how many sessions there are, where a target limits them.
type counts struct {
	mu  sync.Mutex // guards all
	all map[counted]int
}

// counted is a target, or one grant for it.
type counted struct{ target, grant string }

// enter counts a session of a grant until leave is called. The error says which limit
// is reached.
func (n *counts) enter(t hoop.Target, grant string) (leave func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	whole, own := counted{t.Name, ""}, counted{t.Name, grant}
	switch {
	case t.MaxSessions > 0 && n.all[whole] >= t.MaxSessions:
		return nil, hoop.Errorf(hoop.CodeTooMany, "target %s has its %d sessions (max_sessions)", t.Name, t.MaxSessions).
			WithHint("try again when others have closed theirs")
	case t.MaxGrantSessions > 0 && n.all[own] >= t.MaxGrantSessions:
		return nil, hoop.Errorf(hoop.CodeTooMany, "your grant for %s has its %d sessions (max_grant_sessions)", t.Name, t.MaxGrantSessions).
			WithHint("close one of them")
	}
	if n.all == nil {
		n.all = map[counted]int{}
	}
	n.all[whole]++
	n.all[own]++
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, k := range [2]counted{whole, own} {
			if n.all[k]--; n.all[k] == 0 {
				delete(n.all, k)
			}
		}
	}), nil
}

// idleness ends a connection that does nothing for too long. Judging and running a
// statement, waiting for an approval and reading a long answer are something.
type idleness struct {
	limit time.Duration // zero: never
	since atomic.Int64  // when it did something last, in ns of the Unix clock; 0: now
}

// rest says that nothing happens from now on until the client sends something.
func (i *idleness) rest() {
	if i.limit > 0 {
		i.since.Store(time.Now().UnixNano())
	}
}

// work says that the client sent something, which lasts until rest.
func (i *idleness) work() { i.since.Store(0) }

// stir says that something happened while the client may rest.
func (i *idleness) stir() {
	if since := i.since.Load(); since != 0 {
		i.since.CompareAndSwap(since, time.Now().UnixNano())
	}
}

// watchIdle starts to watch; the caller calls stop.
func (c *conn) watchIdle() (stop func() bool) {
	if c.idle.limit <= 0 {
		return func() bool { return true }
	}
	c.idle.rest()
	var timer *time.Timer
	armed := make(chan struct{})
	timer = time.AfterFunc(c.idle.limit, func() {
		<-armed
		if left := c.idleFor(); left > 0 {
			timer.Reset(left)
			return
		}
		c.stop(hoop.Errorf(hoop.CodeIdle, "terminating connection: it did nothing for %s", c.idle.limit).
			WithHint("connect again, the local port stays open; idle_timeout of the target sets the limit"))
	})
	close(armed)
	return timer.Stop
}

// idleFor gives how long the connection may still do nothing.
func (c *conn) idleFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.idle.since.Load()
	if len(c.queue) > 0 || !c.settled || since == 0 {
		return c.idle.limit
	}
	return c.idle.limit - time.Since(time.Unix(0, since))
}
