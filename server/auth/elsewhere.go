package auth

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// elsewhereEvery is how often it is looked for what other gateways ended.
	elsewhereEvery = 500 * time.Millisecond
	// elsewhereBack is how far back: clocks of gateways differ, and what one writes down is
	// seen when its transaction has ended.
	elsewhereBack = time.Minute
)

// elsewhere keeps apart what is known already of the cuts in a shared store.
type elsewhere struct {
	mu    sync.Mutex // guards what follows
	known map[cutKey]struct{}
	since time.Time // of the last look that succeeded; of one goroutine
}

type cutKey struct {
	family string
	at     int64
}

func (f *Family) cutKey() cutKey { return cutKey{f.ID, f.CutAt.UnixMicro()} }

// cutAt writes down that the live sessions of a family's subject must be cut, those that
// stand on other sign-ins too, or only where there is none. This gateway does so itself,
// once the store's transaction, which the caller is in, has ended.
func (s *Server) cutAt(f *Family, now time.Time, all bool) {
	f.CutAt, f.CutAll = now, all
	if s.o.Store.Shared() {
		s.elsewhere.first(f.cutKey())
	}
}

// first reports whether a cut was unknown.
func (e *elsewhere) first(k cutKey) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.known[k]; ok {
		return false
	}
	e.known[k] = struct{}{}
	return true
}

// forget drops what no look will find again.
func (e *elsewhere) forget(before time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k := range e.known {
		if k.at < before.UnixMicro() {
			delete(e.known, k)
		}
	}
}

// meetElsewhere has sessions here cut whose sign-in another gateway ended, or found to
// have other groups.
func (s *Server) meetElsewhere(ctx context.Context) error {
	e := &s.elsewhere
	now := s.now()
	if e.since.IsZero() {
		e.since = now
	}
	back := e.since.Add(-elsewhereBack)
	found, err := s.o.Store.Cuts(ctx, back)
	if err != nil {
		return fmt.Errorf("list sign-ins that other gateways ended: %w", err)
	}
	for i := range found {
		f := &found[i]
		if !e.first(f.cutKey()) {
			continue
		}
		s.cache.drop(f.ID)
		if !f.EndedAt.IsZero() {
			s.o.OnSignInEnd(ctx, f.ID)
		}
		switch {
		case f.EndedAt.IsZero():
			s.o.OnChange(ctx, f.Identity)
		case f.CutAll:
			s.o.OnEnd(ctx, f.Subject)
		default:
			s.cutUnlessElsewhere(ctx, f.Subject)
		}
	}
	e.since = now
	e.forget(now.Add(-2 * elsewhereBack))
	return nil
}
