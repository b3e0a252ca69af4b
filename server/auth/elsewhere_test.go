package auth

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// neighbour is another gateway on the same store, with live sessions of its own.
type neighbour struct {
	*Server
	mu   sync.Mutex
	told []string
}

// said is what it was told since it was last asked.
func (n *neighbour) said() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told
	n.told = nil
	return told
}

func newNeighbour(t *testing.T, w *world) *neighbour {
	t.Helper()
	n := &neighbour{}
	tell := func(what string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.told = append(n.told, what)
	}
	o := w.o
	o.OnEnd = func(_ context.Context, subject string) { tell("end " + subject) }
	o.OnChange = func(_ context.Context, id hoop.Identity) { tell("change " + id.Subject) }
	var err error
	if n.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return n
}

// What one gateway ends, another on the same store has cut too, within its next look, once,
// and only where it must.
func TestRun_AnotherGatewayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.shared = true
		n := newNeighbour(t, w)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = n.Run(ctx) })
		running.Go(func() { _ = w.Run(ctx) })
		defer running.Wait()
		defer stop()

		look := func(what string, want ...string) {
			t.Helper()
			time.Sleep(elsewhereEvery)
			synctest.Wait()
			if got := n.said(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		laptop, desk := w.refreshWith(refreshable(w)), w.refreshWith(refreshable(w))
		look("nothing happened")
		if err := w.revoke(t.Context(), caller{id: ClientID}, laptop.Refresh); err != nil {
			t.Fatal(err)
		}
		look("signed out on one of two devices")
		if err := w.revoke(t.Context(), caller{id: ClientID}, desk.Access); err != nil {
			t.Fatal(err)
		}
		look("signed out on the other", "end alice")
		look("later")

		refreshable(w)
		w.store.failWith(func(op string) error {
			if op == "Cuts" {
				return errors.New("the store is away")
			}
			return nil
		})
		if _, err := w.Disable(t.Context(), "alice", "left"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * elsewhereBack)
		look("the store is away")
		w.store.failWith(nil)
		look("the store is back", "end alice")

		tok := refreshable(w)
		w.providers[devProvider] = devUsers{{Name: "alice", Groups: []string{"nobody"}}}
		w.refreshWith(tok)
		look("other groups", "change alice")
		if got := w.cut(); !slices.Equal(got, []string{"alice", "alice", "alice"}) {
			t.Errorf("the gateway that ended them cut %q", got) // out; disabled, and once more for those without sign-in
		}
	})
}
