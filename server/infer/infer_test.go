package infer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hoopctl/hoopctl/server/store/storetest"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// counting is a counter as a test asks it: the store works.
type counting struct {
	t interface{ Fatal(args ...any) }
	*Counter
}

func newCounter(t interface{ Fatal(args ...any) }, store *storetest.Counts) counting {
	return counting{t, New(store, []byte("key"))}
}

func (c counting) over(claims ...Claim) []Count {
	over, err := c.Over(context.Background(), claims)
	if err != nil {
		c.t.Fatal(err)
	}
	return over
}

func (c counting) take(claims ...Claim) (used, over []Count) {
	used, over, err := c.Take(context.Background(), claims)
	if err != nil {
		c.t.Fatal(err)
	}
	return used, over
}

func (c counting) add(claims ...Claim) {
	if _, err := c.Add(context.Background(), claims); err != nil {
		c.t.Fatal(err)
	}
}

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
		c := newCounter(t, &storetest.Counts{Now: clk.now})
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
			if _, over := c.take(x); len(over) == 0 {
				all = append(all, taken{clk.at, x})
			} else if free := over[0].Free; !free.IsZero() {
				clk.at = free.Add(time.Nanosecond)
				if again := c.over(x); len(again) > 0 {
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
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	c.take(claim("a", 0, "1", "2", "3", "4", "5"))
	if _, over := c.take(claim("a", 0, "5", "1")); len(over) > 0 {
		t.Error("values that were compared before count again")
	}
	if _, over := c.take(claim("a", 0, "6")); len(over) == 0 {
		t.Error("a sixth value fits")
	}
	if _, over := c.take(claim("b", 0, "6")); len(over) > 0 {
		t.Error("another principal has no count of its own")
	}
	many := claim("c", 1)
	many.Many = true
	if over := c.over(many); len(over) == 0 || !over[0].Free.IsZero() {
		t.Error("any number of values fits")
	}
}

func TestCounter_AllOrNothingAndConcurrent(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	c.add(claim("b", 3))
	if _, over := c.take(claim("a", 1, "1"), claim("b", 1)); len(over) != 1 {
		t.Fatal(over)
	}
	if used, _ := c.take(claim("a", 1, "1")); used[0].UsedValues != 1 || used[0].UsedScans != 1 {
		t.Errorf("a refusal was counted: %+v", used)
	}
	var wg sync.WaitGroup
	var got atomic.Int32
	for i := range 50 {
		wg.Go(func() {
			if _, over := c.take(claim("x", 0, fmt.Sprint(i))); len(over) == 0 {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 5 {
		t.Errorf("%d of 50 parallel values fit, the limit is 5", got.Load())
	}
}

// Approved claims beyond the limit take bounded room.
func TestCounter_BoundedRoom(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	c := newCounter(t, &storetest.Counts{Now: clk.now})
	for i := range 10_000 {
		c.add(claim("a", 1, fmt.Sprint(i)))
	}
	found, _, err := c.store.Counts(t.Context(), []string{claim("a", 0).Key.name()})
	if err != nil || len(found[0]) != 20*sizeValue+12*sizeScan {
		t.Errorf("%d bytes are kept, %v", len(found[0]), err)
	}
}

// A gateway that begins anew, or one beside it, finds what was compared: hashes, no values.
func TestCounter_OutlivesTheGateway(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	counts := &storetest.Counts{Now: clk.now}
	newCounter(t, counts).add(claim("a", 3, "917-55-1234", "2", "3", "4", "5"))
	again := newCounter(t, counts)
	if _, over := again.take(claim("a", 0, "917-55-1234")); len(over) > 0 {
		t.Error("a value that was compared before counts again")
	}
	if _, over := again.take(claim("a", 0, "6")); len(over) == 0 {
		t.Error("a sixth value fits")
	}
	if _, over := again.take(claim("a", 1)); len(over) == 0 {
		t.Error("a fourth search fits")
	}
	other := counting{t, New(counts, []byte("another key"))}
	if _, over := other.take(claim("a", 0, "917-55-1234")); len(over) == 0 {
		t.Error("with another key a value is known, or there is room again")
	}
	found, _, err := counts.Counts(t.Context(), []string{claim("a", 0).Key.name()})
	if err != nil || len(found[0]) == 0 || bytes.Contains(found[0], []byte("917")) {
		t.Errorf("kept: %q, %v", found[0], err)
	}
}

// Without a store nothing fits, and what cannot be read is no empty count.
func TestCounter_StoreFails(t *testing.T) {
	clk := &clock{at: time.Unix(1, 0)}
	counts := &storetest.Counts{Now: clk.now}
	c := newCounter(t, counts)
	claims := []Claim{claim("a", 1, "1")}
	fails := func(want error) {
		t.Helper()
		if _, err := c.Over(t.Context(), claims); !errors.Is(err, want) {
			t.Errorf("Over: %v", err)
		}
		if used, _, err := c.Take(t.Context(), claims); !errors.Is(err, want) || used != nil {
			t.Errorf("Take: %v, %v", used, err)
		}
		if _, err := c.Add(t.Context(), claims); !errors.Is(err, want) {
			t.Errorf("Add: %v", err)
		}
	}
	broken := errors.New("broken")
	counts.Fail(broken)
	fails(broken)
	counts.Fail(nil)
	err := counts.UpdateCounts(t.Context(), names(claims), func(now time.Time, _ [][]byte) ([][]byte, time.Time, error) {
		return [][]byte{[]byte("v too short")}, now, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fails(errDamaged)
}
