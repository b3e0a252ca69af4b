package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	recheckEvery   = 30 * time.Second
	recheckAfter   = maxAccessLife - recheckEvery // so that no identity stands longer than that unasked
	recheckBatch   = 2000
	recheckAtATime = 16
	sweepEvery     = 10 * time.Minute
	sweepAfter     = time.Hour // a code that expired is told from one that never was
)

// Run does what must happen without a client: it asks the identity providers about
// sign-ins that no client refreshes, so that keeping a session open and never
// refreshing does not outlive a disabled account, and it deletes what expired. It
// returns when ctx ends, with nil.
func (s *Server) Run(ctx context.Context) error {
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-recheck.C:
			if err := s.recheckDue(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.ErrorContext(ctx, "ask identity providers again", "error", err)
			}
		case <-sweep.C:
			if err := s.o.Store.Sweep(ctx, s.now().Add(-sweepAfter)); err != nil && ctx.Err() == nil {
				s.o.Logger.ErrorContext(ctx, "delete expired sign-ins", "error", err)
			}
		}
	}
}

// recheckDue asks about every family whose identity was last vouched for too long ago.
func (s *Server) recheckDue(ctx context.Context) error {
	now := s.now()
	due, err := s.o.Store.Due(ctx, now, now.Add(-recheckAfter), recheckBatch)
	if err != nil {
		return fmt.Errorf("list sign-ins to check: %w", err)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, recheckAtATime)
	for i := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			s.recheck(ctx, &due[i])
		})
	}
	wg.Wait()
	return nil
}

// errFresh says that somebody else was quicker.
var errFresh = errors.New("checked meanwhile")

func (s *Server) recheck(ctx context.Context, f *Family) {
	unlock, err := s.refreshes.lock(ctx, f.ID)
	if err != nil {
		return // the gateway stops
	}
	defer unlock()
	ctx = context.WithoutCancel(ctx)
	_, err = s.claim(ctx, f, func(row *Family, now time.Time) (bool, error) {
		if now.Sub(row.CheckedAt) < recheckAfter {
			return false, errFresh
		}
		return false, nil
	}, "")
	if err == nil {
		err = s.renew(ctx, f, func(*Family, time.Time) []Token { return nil })
	}
	if err == nil || errors.Is(err, errFresh) {
		return
	}
	// What the client would hear is of no use here; what refused did is.
	var p *problem
	if err = s.refused(ctx, f, err); !errors.As(err, &p) {
		s.o.Logger.ErrorContext(ctx, "ask identity provider again", "subject", f.Subject, "error", err)
	}
}
