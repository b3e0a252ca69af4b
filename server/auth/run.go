package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	recheckEvery = 30 * time.Second
	recheckAfter = maxAccessLife - recheckEvery // so that no identity stands longer than that unasked
	recheckBatch = 2000
	// abandonAfter is when a sign-in is ended that another gateway on the store took and has
	// not asked about. No token of it was good for longer than maxAccessLife.
	abandonAfter   = 3 * maxAccessLife
	recheckAtATime = 16
	lapseEvery     = time.Second
	sweepEvery     = 10 * time.Minute
	sweepAfter     = time.Hour // a code that expired is told from one that never was
)

// Run does what must happen without a client: it asks the identity providers about
// sign-ins that no client refreshes, so that keeping a session open and never
// refreshing does not outlive a disabled account, it has the live sessions of people
// cut whose last sign-in expired or was ended by another gateway on the same store, and it
// deletes what expired. It returns when ctx ends, with nil.
func (s *Server) Run(ctx context.Context) error {
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	lapse := time.NewTicker(lapseEvery)
	defer lapse.Stop()
	var others <-chan time.Time // never, where there are none
	if s.o.Store.Shared() {
		t := time.NewTicker(elsewhereEvery)
		defer t.Stop()
		others = t.C
	}
	lapsed := s.now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-recheck.C:
			if err := s.recheckDue(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.ErrorContext(ctx, "ask identity providers again", "error", err)
			}
		case <-others:
			if err := s.meetElsewhere(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.ErrorContext(ctx, "look for what other gateways ended", "error", err)
			}
		case <-lapse.C:
			now := s.now()
			if err := s.lapse(ctx, lapsed, now); err != nil {
				if ctx.Err() == nil {
					s.o.Logger.ErrorContext(ctx, "end expired sign-ins", "error", err)
				}
				continue // they come again with the next second's
			}
			lapsed = now
		case <-sweep.C:
			if err := s.o.Store.Sweep(ctx, s.now().Add(-sweepAfter)); err != nil && ctx.Err() == nil {
				s.o.Logger.ErrorContext(ctx, "delete expired sign-ins", "error", err)
			}
		}
	}
}

// lapse ends the sign-ins of people that expired after a time and until another; of several
// gateways on a store the first does, and the others learn of it as of any other end. A
// service account's token ends quietly: its program gets another when it needs one, and its
// removal is seen at once. Where it stood for another issuer's token that did not come
// again, the issuer vouches for the program no more.
func (s *Server) lapse(ctx context.Context, after, until time.Time) error {
	families, err := s.o.Store.Lapsed(ctx, after, until)
	if err != nil {
		return fmt.Errorf("list expired sign-ins: %w", err)
	}
	for i := range families {
		f := &families[i]
		switch {
		case !f.EndedAt.IsZero():
		case f.Identity.Kind == hoop.Human:
			if err := s.end(ctx, f, hoop.CauseSignInOver, whyExpired, false); err != nil {
				return err
			}
		case s.federates(f):
			s.cutUnlessElsewhere(ctx, f.Subject)
		}
	}
	return nil
}

// whyExpired is why a sign-in ended that reached its end.
const whyExpired = "expired"

// cutUnlessElsewhere has the live sessions of a subject cut that is signed in nowhere.
func (s *Server) cutUnlessElsewhere(ctx context.Context, subject string) {
	others, err := s.o.Store.Families(ctx, subject, s.now())
	if err != nil || len(others) == 0 {
		s.o.OnEnd(ctx, subject)
	}
}

// recheckDue asks about every family whose identity was last vouched for too long ago.
func (s *Server) recheckDue(ctx context.Context) error {
	now := s.now()
	due, err := s.due(ctx, now, recheckBatch)
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

// due lists the families that this gateway is to ask about, those first that were asked about
// the longest ago. It looks through so many, and through more where none of those is one.
func (s *Server) due(ctx context.Context, now time.Time, batch int) ([]Family, error) {
	for {
		found, err := s.o.Store.Due(ctx, now, now.Add(-recheckAfter), batch)
		if err != nil {
			return nil, err
		}
		last := len(found) < batch
		due := slices.DeleteFunc(found, func(f Family) bool { return s.anothers(&f, now) })
		if last || len(due) > 0 {
			return due, nil
		}
		batch *= 2
	}
}

// anothers reports whether another gateway on the same store, with a key of its own, is to ask
// about a family: only that one can read what the identity provider gave. One that is gone
// asks no more.
func (s *Server) anothers(f *Family, now time.Time) bool {
	return s.foreign(f) && now.Sub(f.CheckedAt) < abandonAfter
}

// errFresh says that somebody else was quicker.
var errFresh = errors.New("checked meanwhile")

func (s *Server) recheck(ctx context.Context, f *Family) {
	unlock, err := s.refreshes.Lock(ctx, f.ID)
	if err != nil {
		return // the gateway stops
	}
	defer unlock()
	ctx = context.WithoutCancel(ctx)
	_, err = s.claim(ctx, f, func(row *Family, now time.Time) (bool, error) {
		if now.Sub(row.CheckedAt) < recheckAfter && !row.CheckedAt.After(now.Add(elsewhereBack)) {
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
