package infer

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func claim(who string, looks int, values ...string) Claim {
	c := Claim{Limit: Limit{Key: Key{Principal: who, Target: "pg", Column: "a.b.c"}, Values: 5, Scans: 3, Per: time.Hour}, Looks: looks}
	for _, v := range values {
		c.Compared = append(c.Compared, []byte(v))
	}
	return c
}

// No stretch of the window's length has more different values or more scans than the
// limit, whatever is taken and when; and what was refused was not counted.
func TestCounter_NeverMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clk := &clock{at: time.Unix(1, 0)}
		c := New(clk.now)
		type taken struct {
			at time.Time
			Claim
		}
		var all []taken
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			clk.at = clk.at.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Minute)).Draw(t, "wait")))
			var values []string
			for range rapid.IntRange(0, 6).Draw(t, "values") {
				values = append(values, fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "v")))
			}
			x := claim("alice", rapid.IntRange(0, 2).Draw(t, "looks"), values...)
			if _, over := c.Take([]Claim{x}); len(over) == 0 {
				all = append(all, taken{clk.at, x})
			} else if free := over[0].Free; !free.IsZero() {
				clk.at = free.Add(time.Nanosecond)
				if again := c.Over([]Claim{x}); len(again) > 0 {
					t.Fatalf("no room at %s, when it should be free", free)
				}
			}
			distinct, scans := map[string]bool{}, 0
			for _, x := range all {
				if clk.at.Sub(x.at) <= time.Hour {
					scans += x.Looks
					for _, v := range x.Compared {
						distinct[string(v)] = true
					}
				}
			}
			if len(distinct) > 5 || scans > 3 {
				t.Fatalf("%d values and %d scans within an hour", len(distinct), scans)
			}
		}
	})
}

func TestCounter_SameValueIsFree(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	c.Take([]Claim{claim("a", 0, "1", "2", "3", "4", "5")})
	if _, over := c.Take([]Claim{claim("a", 0, "5", "1")}); len(over) > 0 {
		t.Error("values that were compared before count again")
	}
	if _, over := c.Take([]Claim{claim("a", 0, "6")}); len(over) == 0 {
		t.Error("a sixth value fits")
	}
	if _, over := c.Take([]Claim{claim("b", 0, "6")}); len(over) > 0 {
		t.Error("another principal has no count of its own")
	}
	many := claim("c", 1)
	many.Many = true
	if over := c.Over([]Claim{many}); len(over) == 0 || !over[0].Free.IsZero() {
		t.Error("any number of values fits")
	}
}

func TestCounter_AllOrNothingAndConcurrent(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	c.Add([]Claim{claim("b", 3)})
	if _, over := c.Take([]Claim{claim("a", 1, "1"), claim("b", 1)}); len(over) != 1 {
		t.Fatal(over)
	}
	if used, _ := c.Take([]Claim{claim("a", 1, "1")}); used[0].UsedValues != 1 || used[0].UsedScans != 1 {
		t.Errorf("a refusal was counted: %+v", used)
	}
	var wg sync.WaitGroup
	var got atomic.Int32
	for i := range 50 {
		wg.Go(func() {
			if _, over := c.Take([]Claim{claim("x", 0, fmt.Sprint(i))}); len(over) == 0 {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 5 {
		t.Errorf("%d of 50 parallel values fit, the limit is 5", got.Load())
	}
}

// Approved claims beyond the limit take bounded memory.
func TestCounter_BoundedMemory(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := New(clk.now)
	for i := range 10_000 {
		c.Add([]Claim{claim("a", 1, fmt.Sprint(i))})
	}
	n := c.counts[Key{Principal: "a", Target: "pg", Column: "a.b.c"}]
	if len(n.values) > 20 || len(n.scans) > 12 {
		t.Errorf("%d values, %d scans are kept", len(n.values), len(n.scans))
	}
	clk.at = clk.at.Add(2 * time.Hour)
	for i := range 200 {
		c.Add([]Claim{claim(fmt.Sprint("p", i), 1)})
		clk.at = clk.at.Add(2 * time.Hour)
	}
	if len(c.counts) > 66 {
		t.Errorf("%d counts of nothing are kept", len(c.counts))
	}
}
