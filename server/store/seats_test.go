package store_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/store"
)

func seat(id, grant, gateway string, until int) hoop.Seat {
	return hoop.Seat{ID: id, Grant: grant, Gateway: gateway, Until: at(until)}
}

func TestSeats_CountUntilTheyAreLeftOrForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		const grant, other = "g-alice", "g-carol"
		giveGrant(t, s, grant, "alice", "pg-prod", 0, 60)
		giveGrant(t, s, other, "carol", "pg-prod", 0, 60)
		take := func(id, grant, gateway string, until, now int, want bool) {
			t.Helper()
			if got, err := s.TakeSeat(ctx, seat(id, grant, gateway, until), 2, at(now)); got != want || err != nil {
				t.Errorf("seat %s: %v, %v; want %v", id, got, err, want)
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		take("1", grant, "a", 10, 0, true)
		take("2", grant, "b", 12, 0, true)
		take("3", grant, "a", 10, 0, false)
		take("x", other, "a", 10, 0, true)
		must(s.LeaveSeats(ctx, []string{"1", "unknown"}))
		take("3", grant, "a", 10, 0, true)
		take("4", grant, "b", 10, 9, false)
		must(s.KeepSeats(ctx, []hoop.Seat{seat("3", grant, "a", 30)}))
		take("4", grant, "b", 40, 12, true) // 2 was kept by nobody
		take("5", grant, "b", 40, 12, false)
		must(s.KeepSeats(ctx, []hoop.Seat{seat("2", grant, "b", 40)})) // its gateway was away, its session lives
		must(s.EmptySeats(ctx, "a"))
		take("5", grant, "a", 40, 13, false)
		must(s.EmptySeats(ctx, "b"))
		take("5", grant, "a", 40, 13, true)

		_, err := s.TakeSeat(ctx, seat("6", "no such", "a", 10), 2, at(0))
		wantCode(t, err, hoop.CodeNotFound)
	})
}

func TestSeats_AtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		const grant = "g-alice"
		giveGrant(t, s, grant, "alice", "pg-prod", 0, 60)
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				got, err := s.TakeSeat(t.Context(), seat(string(rune('a'+i)), grant, "a", 10), 3, at(0))
				if err != nil {
					t.Error(err)
				}
				if got {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		if n := taken.Load(); n != 3 {
			t.Errorf("%d seats of 3 were taken", n)
		}
	})
}
