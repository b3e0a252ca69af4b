// Package budget counts what people and programs were given, over a sliding stretch
// of time: how many rows of a budgeted table, however many sessions they came through.
//
// It knows no tables and no statements. Who counts as one, what counts as a row, and
// what follows when there is no room left, is the session's to say. Counts live in
// memory: they begin anew with the gateway, and each gateway has its own.
package budget

import (
	"sync"
	"time"
)

// slots is into how many parts a stretch is cut. What was counted in a part is
// forgotten when all of it is older than the stretch, so up to one part too late and
// never too early.
const slots = 60

// Key names one count.
type Key struct {
	Principal string // subject
	Target    string
	Budget    string // its tables
}

// Limit is how much of something there is.
type Limit struct {
	Key  Key
	Rows int64         // in any stretch of length Per
	Per  time.Duration // at least a second
}

// Counter counts for everybody. It is safe for concurrent use. Its memory is bounded
// by the number of keys that were counted on within their own stretch.
type Counter struct {
	now   func() time.Time
	start time.Time // times are told since then: a clock that is set moves nothing

	mu     sync.Mutex // guards what follows
	counts map[counted]*count
	sweep  int // look for what is forgotten when there are so many counts
}

// counted is a key with its stretch: another stretch after a change of the rules is
// another count.
type counted struct {
	key Key
	per time.Duration
}

// count is one sliding window: a ring of the parts that still count.
type count struct {
	ring [slots + 2]part
	sum  int64
	last int64 // the latest part that was counted in
}

type part struct {
	number int64 // of the part since start
	rows   int64
}

// New makes a counter whose clock is now; the clock must not go back (time.Now does
// not).
func New(now func() time.Time) *Counter {
	return &Counter{now: now, start: now(), counts: map[counted]*count{}, sweep: 64}
}

// Room is how many more rows all of the limits allow at this moment.
func (c *Counter) Room(limits ...Limit) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roomLocked(limits)
}

// Take counts rows where all of the limits have room for them, else none.
func (c *Counter) Take(rows int64, limits ...Limit) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rows > c.roomLocked(limits) {
		return false
	}
	c.addLocked(rows, limits)
	return true
}

// Add counts rows that were allowed otherwise, room or not.
func (c *Counter) Add(rows int64, limits ...Limit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(rows, limits)
}

func (c *Counter) roomLocked(limits []Limit) int64 {
	room := int64(1<<63 - 1)
	for _, l := range limits {
		left := l.Rows
		if n := c.counts[counted{l.Key, l.Per}]; n != nil {
			n.forget(c.part(l.Per))
			left -= n.sum
		}
		room = min(room, max(left, 0))
	}
	return room
}

func (c *Counter) addLocked(rows int64, limits []Limit) {
	if rows <= 0 {
		return
	}
	for _, l := range limits {
		k := counted{l.Key, l.Per}
		n := c.counts[k]
		if n == nil {
			c.sweepLocked()
			n = &count{}
			c.counts[k] = n
		}
		n.add(c.part(l.Per), rows)
	}
}

// part is the number of the part that it is now.
func (c *Counter) part(per time.Duration) int64 {
	return int64(c.now().Sub(c.start) / (per / slots))
}

// sweepLocked drops counts of nothing, now and then.
func (c *Counter) sweepLocked() {
	if len(c.counts) < c.sweep {
		return
	}
	for k, n := range c.counts {
		if n.forget(c.part(k.per)); n.sum == 0 {
			delete(c.counts, k)
		}
	}
	c.sweep = max(64, 2*len(c.counts))
}

// forget drops the parts that ended longer ago than the stretch. The present part
// counts with the slots+1 before it: per/slots is rounded down, so slots parts alone
// could be shorter than the stretch.
func (n *count) forget(now int64) {
	if n.last < now-slots-1 {
		*n = count{last: now}
		return
	}
	for i := range n.ring {
		if p := &n.ring[i]; p.rows != 0 && p.number < now-slots-1 {
			n.sum -= p.rows
			*p = part{}
		}
	}
}

// add counts rows in a part. A count that nobody can use up stays where it is rather
// than turning over.
func (n *count) add(now, rows int64) {
	n.forget(now)
	rows = min(rows, 1<<62-n.sum)
	p := &n.ring[now%int64(len(n.ring))]
	p.number = now
	p.rows += rows
	n.sum += rows
	n.last = now
}
