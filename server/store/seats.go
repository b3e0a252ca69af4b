package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// TakeSeat gives a session its seat, unless its grant has that many already, here or at
// other gateways. Those that nobody kept until now are given away.
func (s *Store) TakeSeat(ctx context.Context, seat hoop.Seat, most int, now time.Time) (taken bool, err error) {
	err = s.write(ctx, "take a seat", func(tx *sql.Tx) error {
		// Who holds the grant's row counts alone.
		found, err := docs[hoop.Grant](ctx, tx, `SELECT doc FROM grants WHERE id = $1`+s.lock, seat.Grant)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return asIs{noGrant(seat.Grant)}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM seats WHERE grant_id = $1 AND until <= $2`, seat.Grant, micros(now)); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM seats WHERE grant_id = $1`, seat.Grant).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return nil
		}
		taken = true
		return keepSeat(ctx, tx, seat)
	})
	return taken && err == nil, err
}

// KeepSeats puts off when seats are given away. One that was given away meanwhile is
// there again: its session lives.
func (s *Store) KeepSeats(ctx context.Context, seats []hoop.Seat) error {
	return s.write(ctx, "keep seats", func(tx *sql.Tx) error {
		for _, seat := range seats {
			if err := keepSeat(ctx, tx, seat); err != nil {
				return err
			}
		}
		return nil
	})
}

func keepSeat(ctx context.Context, tx *sql.Tx, seat hoop.Seat) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO seats (id, grant_id, gateway, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET until = excluded.until`, seat.ID, seat.Grant, seat.Gateway, micros(seat.Until))
	return err
}

// LeaveSeats gives up seats of sessions that ended.
func (s *Store) LeaveSeats(ctx context.Context, ids []string) error {
	return s.write(ctx, "leave seats", func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM seats WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// EmptySeats gives up all seats of a gateway: it begins anew, or ends.
func (s *Store) EmptySeats(ctx context.Context, gateway string) error {
	return s.write(ctx, "empty seats", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM seats WHERE gateway = $1`, gateway)
		return err
	})
}
