// Package budget counts what people and programs were given, over a sliding stretch
// of time: how many rows of a budgeted table, however many sessions and gateways they
// came through.
//
// It knows no tables and no statements. Who counts as one, what counts as a row, and
// what follows when there is no room left, is the session's to say. Counts live in a
// Store, which outlives the gateway and which several share.
package budget

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// slots is into how many parts a stretch is cut. What was counted in a part is
// forgotten when all of it is older than the stretch, so up to one part too late and
// never too early.
const slots = 60

// Store keeps documents by name.
type Store interface {
	// Counts reads documents, nil for what is not there, and tells the time that counts.
	Counts(ctx context.Context, names []string) (found [][]byte, now time.Time, err error)
	// UpdateCounts changes documents, all or none, while nobody else does. until is when
	// they may be forgotten.
	UpdateCounts(ctx context.Context, names []string, step func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error)) error
}

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

// name is that of the limit's document: another stretch after a change of the rules is
// another count.
func (l Limit) name() string {
	b, err := json.Marshal([]any{"export", l.Key.Principal, l.Key.Target, l.Key.Budget, l.Per})
	if err != nil {
		panic(err) // strings and a number: cannot happen
	}
	return string(b)
}

// Counter counts for everybody. It is safe for concurrent use. Its errors are those of
// the store: what it did not count must not be given.
type Counter struct {
	store Store
	now   func() time.Time
}

// New makes a counter on store. now is the clock of rows that were taken ahead; it must
// not go back (time.Now does not).
func New(store Store, now func() time.Time) *Counter { return &Counter{store, now} }

// Room is how many more rows all of the limits allow at this moment. Rows that somebody
// has taken ahead are not among them.
func (c *Counter) Room(ctx context.Context, limits ...Limit) (int64, error) {
	found, now, err := c.store.Counts(ctx, names(limits))
	if err != nil {
		return 0, err
	}
	counts, err := read(found)
	if err != nil {
		return 0, err
	}
	return room(counts, limits, now), nil
}

// Take counts rows where all of the limits have room for them, else none.
func (c *Counter) Take(ctx context.Context, rows int64, limits ...Limit) (bool, error) {
	return c.Draw(limits...).take(ctx, rows, rows)
}

// Add counts rows that were allowed otherwise, room or not.
func (c *Counter) Add(ctx context.Context, rows int64, limits ...Limit) error {
	d := c.Draw(limits...)
	d.free = true
	_, err := d.take(ctx, rows, rows)
	return err
}

// update changes the counts of limits.
func (c *Counter) update(ctx context.Context, limits []Limit, step func(now time.Time, counts []*count)) error {
	return c.store.UpdateCounts(ctx, names(limits), func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error) {
		counts, err := read(found)
		if err != nil {
			return nil, until, err
		}
		step(now, counts)
		for i, n := range counts {
			b, err := json.Marshal(n)
			if err != nil {
				return nil, until, fmt.Errorf("write a count: %w", err)
			}
			next = append(next, b)
			if end := now.Add(limits[i].Per + 2*limits[i].Per/slots); end.After(until) {
				until = end
			}
		}
		return next, until, nil
	})
}

func names(limits []Limit) (names []string) {
	for _, l := range limits {
		names = append(names, l.name())
	}
	return names
}

func read(found [][]byte) (counts []*count, err error) {
	for _, doc := range found {
		n := &count{}
		if len(doc) > 0 {
			if err := json.Unmarshal(doc, n); err != nil {
				return nil, fmt.Errorf("read a count: %w", err)
			}
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// room is how many rows all of the limits allow.
func room(counts []*count, limits []Limit, now time.Time) int64 {
	room := int64(1<<63 - 1)
	for i, l := range limits {
		counts[i].forget(part(now, l.Per))
		room = min(room, max(l.Rows-counts[i].sum(), 0))
	}
	return room
}

// part is the number of the part of a stretch that a time is in.
func part(at time.Time, per time.Duration) int64 { return at.UnixNano() / step(per) }

// step is how long a part is, in nanoseconds: slots of them are no shorter than the stretch.
func step(per time.Duration) int64 { return (int64(per) + slots - 1) / slots }

// count is one sliding window: the parts that still count, in no order.
type count struct {
	Parts []counted `json:"parts"`
}

type counted struct {
	Part int64 `json:"part"`
	Rows int64 `json:"rows"`
}

func (n *count) sum() (sum int64) {
	for _, p := range n.Parts {
		sum += min(p.Rows, most-sum)
	}
	return sum
}

// most is where a count stays that nobody can use up, rather than turning over.
const most = 1 << 62

// forget drops the parts that ended longer ago than the stretch: the present part counts
// with the slots before it. Parts to come count too: a clock was set back.
func (n *count) forget(now int64) {
	n.Parts = slices.DeleteFunc(n.Parts, func(p counted) bool { return p.Rows == 0 || p.Part < now-slots })
}

// add counts rows in a part, or takes back as many as are counted there.
func (n *count) add(at, rows int64) {
	i := slices.IndexFunc(n.Parts, func(p counted) bool { return p.Part == at })
	if i < 0 {
		n.Parts = append(n.Parts, counted{Part: at})
		i = len(n.Parts) - 1
	}
	p := &n.Parts[i]
	p.Rows += max(min(rows, most-p.Rows), -p.Rows)
}
