// Package keyed has locks by name: what concerns one name happens one after the other,
// and what concerns others goes on.
package keyed

import (
	"context"
	"sync"
)

// Locks is a set of locks by name. The zero value is ready, and keeps nothing about names
// that nobody uses.
type Locks struct {
	mu sync.Mutex
	m  map[string]*lock
}

type lock struct {
	held  chan struct{} // holds one while locked
	users int           // guarded by Locks.mu
}

// Lock takes the lock of name, or gives up with ctx. The function it returns gives the
// lock back.
func (k *Locks) Lock(ctx context.Context, name string) (unlock func(), err error) {
	k.mu.Lock()
	if k.m == nil {
		k.m = map[string]*lock{}
	}
	l := k.m[name]
	if l == nil {
		l = &lock{held: make(chan struct{}, 1)}
		k.m[name] = l
	}
	l.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.m, name)
		}
	}
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
