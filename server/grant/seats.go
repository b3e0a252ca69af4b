package grant

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	// seatTime is how long a seat counts that its gateway does not keep any more. Clocks of
	// gateways may differ by a minute.
	seatTime = 2 * time.Minute
	// seatEvery is how often a gateway keeps those of its sessions.
	seatEvery = 20 * time.Second
	// seatTimeout bounds giving seats up.
	seatTimeout = 5 * time.Second
)

// take gives l its seat among the sessions of its grant at all gateways, where the grant
// limits how many there are. A store that no other gateway uses needs none: enter counts.
func (s *Service) take(ctx context.Context, l *Lease, g hoop.Grant) error {
	if !l.session || g.MaxSessions == 0 || !s.store.Shared() {
		return nil
	}
	if err := s.leave(ctx); err != nil { // of those that ended a moment ago
		return err
	}
	seat := s.seat(rand.Text(), g.ID)
	taken, err := s.store.TakeSeat(ctx, seat, g.MaxSessions, s.now())
	if err != nil {
		return err
	}
	if !taken {
		return full(g)
	}
	s.mu.Lock()
	l.seat = seat.ID
	s.mu.Unlock()
	return nil
}

func (s *Service) seat(id, grant string) hoop.Seat {
	return hoop.Seat{ID: id, Grant: grant, Gateway: s.gateway, Until: s.now().Add(seatTime)}
}

func full(g hoop.Grant) error {
	return hoop.Errorf(hoop.CodeTooMany, "your grant for %s has its %s (max_sessions of rule %s)", g.Target, hoop.Counted(int64(g.MaxSessions), "session"), g.Rule).
		WithHint("close another session first")
}

// leave gives up the seats of sessions that ended.
func (s *Service) leave(ctx context.Context) error {
	s.seating.Lock()
	defer s.seating.Unlock()
	s.mu.Lock()
	left := s.left
	s.left = nil
	s.mu.Unlock()
	if len(left) == 0 {
		return nil
	}
	err := s.store.LeaveSeats(ctx, left)
	if err != nil {
		s.mu.Lock()
		s.left = append(s.left, left...)
		s.mu.Unlock()
	}
	return err
}

// seats gives up those of sessions that ended, and keeps those of sessions that live.
func (s *Service) seats(ctx context.Context) {
	err := s.leave(ctx)
	if now := s.now(); err == nil && now.Sub(s.kept) >= seatEvery {
		if err = s.keep(ctx); err == nil {
			s.kept = now
		}
	}
	if err != nil && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "seats of sessions not kept", slog.Any("error", err))
	}
}

func (s *Service) keep(ctx context.Context) error {
	s.seating.Lock()
	defer s.seating.Unlock()
	var all []hoop.Seat
	s.mu.Lock()
	for id, leases := range s.live {
		for l := range leases {
			if l.seat != "" {
				all = append(all, s.seat(l.seat, id))
			}
		}
	}
	s.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	return s.store.KeepSeats(ctx, all)
}
