package budget

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hoopctl/hoopctl/server/store/storetest"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func limit(who string, rows int64, per time.Duration) Limit {
	return Limit{Key: Key{Principal: who, Target: "pg", Budget: "a.b"}, Rows: rows, Per: per}
}

// counting is a counter as a test asks it: the store works.
type counting struct {
	t interface{ Fatal(args ...any) }
	*Counter
}

func newCounter(t interface{ Fatal(args ...any) }, store *storetest.Counts) counting {
	return counting{t, New(store, store.Now)}
}

func (c counting) room(limits ...Limit) int64 {
	n, err := c.Room(context.Background(), limits...)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c counting) take(rows int64, limits ...Limit) bool {
	ok, err := c.Take(context.Background(), rows, limits...)
	if err != nil {
		c.t.Fatal(err)
	}
	return ok
}

func (c counting) add(rows int64, limits ...Limit) {
	if err := c.Add(context.Background(), rows, limits...); err != nil {
		c.t.Fatal(err)
	}
}

// Whatever is taken and whenever, at once or ahead, through one gateway or another: no
// stretch of the window's length has more than the limit, and after a stretch and a part
// of nothing there is room for all of it.
func TestCounter_NeverMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := &clock{at: time.Unix(1, 0)}
		counts := &storetest.Counts{Now: clk.now}
		gateways := []counting{newCounter(t, counts), newCounter(t, counts)}
		per := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "per"))
		l := limit("a", rapid.Int64Range(1, 1000).Draw(t, "rows"), per)
		draws := []*Draw{gateways[0].Draw(l), gateways[1].Draw(l), gateways[0].Draw(l)}
		type taken struct {
			at   time.Time
			rows int64
		}
		var all []taken
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			clk.at = clk.at.Add(time.Duration(rapid.Int64Range(0, int64(per)/10).Draw(t, "wait")))
			n := rapid.Int64Range(1, l.Rows+1).Draw(t, "n")
			c := gateways[rapid.IntRange(0, 1).Draw(t, "gateway")]
			d := rapid.IntRange(0, len(draws)).Draw(t, "draw")
			switch room := c.room(l); {
			case d == len(draws):
				if got := c.take(n, l); got != (n <= room) {
					t.Fatalf("room for %d, Take(%d) is %v", room, n, got)
				} else if got {
					all = append(all, taken{clk.at, n})
				}
			case rapid.IntRange(0, 9).Draw(t, "close") == 0:
				if err := draws[d].Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			default:
				ok, err := draws[d].Take(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					all = append(all, taken{clk.at, n})
				} else if n <= room {
					t.Fatalf("room for %d, a Draw did not take %d", room, n)
				}
			}
			sum := int64(0)
			for _, x := range all {
				if clk.at.Sub(x.at) <= per {
					sum += x.rows
				}
			}
			if sum > l.Rows {
				t.Fatalf("%d rows within %s, the limit is %d", sum, per, l.Rows)
			}
		}
		clk.at = clk.at.Add(per + per/slots + slots) // one part later, and what a part was rounded up by
		if room := gateways[0].room(l); room != l.Rows {
			t.Fatalf("after a stretch of nothing there is room for %d of %d", room, l.Rows)
		}
	})
}

func TestCounter_TakesAllOrNothing(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	alice, agent := limit("alice", 10, time.Minute), limit("agent", 10, time.Minute)
	if !c.take(8, alice) {
		t.Fatal("no room in an empty count")
	}
	if c.take(3, agent, alice) {
		t.Error("taken beyond one of two limits")
	}
	if room := c.room(agent); room != 10 {
		t.Errorf("a refusal was counted: room %d", room)
	}
	if room := c.room(agent, alice); room != 2 {
		t.Errorf("room %d, want the smaller one, 2", room)
	}
	c.add(5, agent, alice)
	if room := c.room(alice); room != 0 {
		t.Errorf("room %d beyond the limit", room)
	}
	if room := c.room(); room != math.MaxInt64 {
		t.Errorf("without limits there is room for %d", room)
	}
}

// A limit that was changed applies to what was counted before.
func TestCounter_LimitChanges(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	c.add(50, limit("a", 100, time.Minute))
	if room := c.room(limit("a", 60, time.Minute)); room != 10 {
		t.Errorf("room %d, want 10", room)
	}
	c.add(math.MaxInt64, limit("a", 60, time.Minute))
	c.add(math.MaxInt64, limit("a", 60, time.Minute))
	if c.take(1, limit("a", math.MaxInt64/4, time.Minute)) {
		t.Error("the count has turned over")
	}
}

// A clock that is set back forgets nothing.
func TestCounter_ClockSetBack(t *testing.T) {
	clk := &clock{at: time.Unix(100_000, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	l := limit("a", 10, time.Minute)
	c.add(10, l)
	clk.at = time.Unix(50_000, 0)
	if c.take(1, l) {
		t.Error("there is room again")
	}
}

// A gateway that begins anew finds what was counted, and so does one beside it.
func TestCounter_Parallel(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	counts := &storetest.Counts{Now: clk.now}
	var taken atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := newCounter(t, counts)
			d := c.Draw(limit("a", 500, time.Minute))
			for range 1000 {
				var ok bool
				if i%2 == 0 {
					ok = c.take(1, limit("a", 500, time.Minute))
				} else {
					var err error
					if ok, err = d.Take(t.Context(), 1); err != nil {
						t.Error(err)
					}
				}
				if ok {
					taken.Add(1)
				}
			}
			if err := d.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, room := taken.Load(), newCounter(t, counts).room(limit("a", 500, time.Minute)); got+room != 500 || room > 64 {
		t.Errorf("%d were taken and there is room for %d, want 500 and none", got, room)
	}
}

// Few of the rows of a stream ask the store, and those that were not needed come back.
func TestDraw_AsksTheStoreRarely(t *testing.T) {
	clk := &clock{at: time.Unix(60, 0)}
	asks := &asked{Store: &storetest.Counts{Now: clk.now}}
	c := counting{t, New(asks, clk.now)}
	l := limit("a", 100_000, time.Minute)
	d := c.Draw(l)
	for range 10_000 {
		if ok, err := d.Take(t.Context(), 1); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if asks.n > 25 {
		t.Errorf("the store was asked %d times for 10000 rows", asks.n)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if room := c.room(l); room != 90_000 {
		t.Errorf("room for %d after 10000 of 100000", room)
	}
}

// What was taken ahead is not given out later than it counts for.
func TestDraw_AheadIsForNow(t *testing.T) {
	clk := &clock{at: time.Unix(60, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	l := limit("a", 80, time.Minute)
	d := c.Draw(l)
	for range 4 {
		if ok, err := d.Take(t.Context(), 1); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	clk.at = clk.at.Add(70 * time.Second)
	if !c.take(80, l) {
		t.Fatal("what was taken a stretch ago counts on")
	}
	if ok, err := d.Take(t.Context(), 1); ok || err != nil {
		t.Error("rows were given out that nothing counts any more", err)
	}
}

// A store that fails gives nothing, not even what was taken ahead.
func TestDraw_StoreFails(t *testing.T) {
	clk := &clock{at: time.Unix(60, 0)}
	counts := &storetest.Counts{Now: clk.now}
	c := newCounter(t, counts)
	l := limit("a", 1000, time.Minute)
	d := c.Draw(l)
	for range 8 {
		if ok, err := d.Take(t.Context(), 1); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	broken := errors.New("broken")
	counts.Fail(broken)
	if _, err := c.Room(t.Context(), l); !errors.Is(err, broken) {
		t.Errorf("Room: %v", err)
	}
	clk.at = clk.at.Add(2 * time.Second)
	if ok, err := d.Take(t.Context(), 1); ok || !errors.Is(err, broken) {
		t.Errorf("Take: %v, %v", ok, err)
	}
	if err := c.Add(t.Context(), 1, l); !errors.Is(err, broken) {
		t.Errorf("Add: %v", err)
	}
	counts.Fail(nil)
	if room := c.room(l); room > 992 {
		t.Errorf("room for %d: what the store may have counted counts", room)
	}
}

// What is counted as a whole counts once in each part, however many rows it has.
func TestDraw_Mark(t *testing.T) {
	clk := &clock{at: time.Unix(60, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	l := limit("a", 10, time.Minute)
	d := c.Draw(l)
	for range 100 {
		if err := d.Mark(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if room := c.room(limit("a", 15, time.Minute)); room != 5 {
		t.Errorf("room for %d, want 5", room)
	}
	clk.at = clk.at.Add(40 * time.Second)
	if err := d.Mark(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	clk.at = clk.at.Add(40 * time.Second)
	if room := c.room(l); room != 0 {
		t.Errorf("room for %d, though rows came within the stretch", room)
	}
}

// asked counts the updates of a store.
type asked struct {
	Store
	n int
}

func (a *asked) UpdateCounts(ctx context.Context, names []string, step func(time.Time, [][]byte) ([][]byte, time.Time, error)) error {
	a.n++
	return a.Store.UpdateCounts(ctx, names, step)
}
