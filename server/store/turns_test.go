package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// Who ends a right goes before all who wait already; others come in their order, and who
// gives up is passed over.
func TestTurns_UrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := new(turns)
		if err := turns.take(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		var order []string
		var work sync.WaitGroup
		join := func(ctx context.Context, name string, urgent bool) {
			work.Go(func() {
				if err := turns.take(ctx, urgent); err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				order = append(order, name)
				turns.leave()
			})
			synctest.Wait()
		}
		gone, leave := context.WithCancel(t.Context())
		join(t.Context(), "first", false)
		join(gone, "gone", false)
		join(t.Context(), "second", false)
		join(gone, "gone, urgent", true)
		join(t.Context(), "urgent", true)
		join(t.Context(), "urgent, second", true)
		leave()
		synctest.Wait()
		turns.leave()
		work.Wait()
		if want := []string{"urgent", "urgent, second", "first", "second"}; !slices.Equal(order, want) {
			t.Errorf("got %q", order)
		}
		if turns.busy || len(turns.urgent)+len(turns.waiting) > 0 {
			t.Errorf("somebody is left: %+v", turns)
		}
	})
}

// A turn that comes at the moment when its owner gives up is passed on.
func TestTurns_GivenUpAsItComes(t *testing.T) {
	turns := new(turns)
	for range 500 {
		if err := turns.take(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() {
			if turns.take(ctx, false) == nil {
				turns.leave()
			}
		})
		work.Go(leave)
		work.Go(turns.leave)
		work.Wait()
		if turns.busy {
			t.Fatal("nobody has the turn, and nobody gets it")
		}
	}
}
