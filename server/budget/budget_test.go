package budget

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func limit(who string, rows int64, per time.Duration) Limit {
	return Limit{Key: Key{Principal: who, Target: "pg", Budget: "a.b"}, Rows: rows, Per: per}
}

// Whatever is taken and whenever: no stretch of the window's length has more than the
// limit, and after a stretch and a part of nothing there is room for all of it.
func TestCounter_NeverMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := &clock{at: time.Unix(1, 0)}
		c := New(clk.now)
		per := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "per"))
		l := limit("a", rapid.Int64Range(1, 1000).Draw(t, "rows"), per)
		type taken struct {
			at   time.Time
			rows int64
		}
		var all []taken
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			clk.at = clk.at.Add(time.Duration(rapid.Int64Range(0, int64(per)/10).Draw(t, "wait")))
			n := rapid.Int64Range(1, l.Rows+1).Draw(t, "n")
			room := c.Room(l)
			if got := c.Take(n, l); got != (n <= room) {
				t.Fatalf("room for %d, Take(%d) is %v", room, n, got)
			} else if got {
				all = append(all, taken{clk.at, n})
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
		clk.at = clk.at.Add(per + 3*per/slots)
		if room := c.Room(l); room != l.Rows {
			t.Fatalf("after a stretch of nothing there is room for %d of %d", room, l.Rows)
		}
	})
}

func TestCounter_TakesAllOrNothing(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	alice, agent := limit("alice", 10, time.Minute), limit("agent", 10, time.Minute)
	if !c.Take(8, alice) {
		t.Fatal("no room in an empty count")
	}
	if c.Take(3, agent, alice) {
		t.Error("taken beyond one of two limits")
	}
	if room := c.Room(agent); room != 10 {
		t.Errorf("a refusal was counted: room %d", room)
	}
	if room := c.Room(agent, alice); room != 2 {
		t.Errorf("room %d, want the smaller one, 2", room)
	}
	c.Add(5, agent, alice)
	if room := c.Room(alice); room != 0 {
		t.Errorf("room %d beyond the limit", room)
	}
	if room := c.Room(); room != math.MaxInt64 {
		t.Errorf("without limits there is room for %d", room)
	}
}

// A limit that was changed applies to what was counted before.
func TestCounter_LimitChanges(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	c.Add(50, limit("a", 100, time.Minute))
	if room := c.Room(limit("a", 60, time.Minute)); room != 10 {
		t.Errorf("room %d, want 10", room)
	}
	c.Add(math.MaxInt64, limit("a", 60, time.Minute))
	c.Add(math.MaxInt64, limit("a", 60, time.Minute))
	if c.Take(1, limit("a", math.MaxInt64/4, time.Minute)) {
		t.Error("the count has turned over")
	}
}

func TestCounter_Parallel(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if c.Take(1, limit("a", 500, time.Minute)) {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := taken.Load(); got != 500 {
		t.Errorf("%d were taken, want 500", got)
	}
}

func TestCounter_MemoryIsBounded(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	for i := range 10_000 {
		clk.at = clk.at.Add(time.Second)
		c.Take(1, limit(fmt.Sprint(i), 10, time.Minute))
	}
	if n := len(c.counts); n > 200 {
		t.Errorf("%d counts are kept, about 60 still count", n)
	}
}
