package store

import (
	"context"
	"slices"
	"sync"
)

// turns is who writes next, where there is one writer: who ends a right goes before all that
// wait already, and others come in their order. A thousand sessions that are cut write what
// became of each, and the revocation that is to cut the next thousand does not wait for them.
type turns struct {
	mu      sync.Mutex // guards what follows
	busy    bool
	urgent  []chan struct{}
	waiting []chan struct{}
}

// take waits for the caller's turn, which it must leave.
func (t *turns) take(ctx context.Context, urgent bool) error {
	t.mu.Lock()
	if !t.busy {
		t.busy = true
		t.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	queue := t.queue(urgent)
	*queue = append(*queue, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	at := slices.Index(*queue, mine)
	if at >= 0 {
		*queue = slices.Delete(*queue, at, at+1)
	}
	t.mu.Unlock()
	if at < 0 { // it came at that moment
		t.leave()
	}
	return context.Cause(ctx)
}

// leave gives the turn to who is next.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := t.queue(len(t.urgent) > 0)
	if len(*queue) == 0 {
		t.busy = false
		return
	}
	close((*queue)[0])
	*queue = slices.Delete(*queue, 0, 1)
}

func (t *turns) queue(urgent bool) *[]chan struct{} {
	if urgent {
		return &t.urgent
	}
	return &t.waiting
}
