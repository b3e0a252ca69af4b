package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Age is how far a store has come. A store that was put back from a copy is the same, and
// has made fewer steps than whoever used it has seen.
type Age struct {
	Store string `json:"store"` // which one: random
	// Steps are those that must not be forgotten: what they decided, ended, revoked, used up
	// or protected would be open again, in force, or shown.
	Steps int64 `json:"steps"`
}

// Age reads it, as of the last commit.
func (s *Store) Age(ctx context.Context) (a Age, err error) {
	err = each(ctx, s.r, func(rows *sql.Rows) error { return rows.Scan(&a.Store, &a.Steps) }, `SELECT store, steps FROM age`)
	if err == nil && a.Store == "" { // it was emptied
		err = asIs{hoop.Errorf(hoop.CodeConflict, "the gateway's store does not say which one it is").WithHint("put the store back from its newest copy")}
	}
	return a, fault("read the store's age", err)
}

// born gives a store that has none yet a name of its own.
func (s *Store) born(ctx context.Context) error {
	if _, err := s.w.ExecContext(ctx, `INSERT INTO age (one, store, steps) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING`, rand.Text()); err != nil {
		return fault("name the store", fmt.Errorf("age: %w", err))
	}
	return nil
}

// step is write for what adds to the store's age.
func (s *Store) step(ctx context.Context, name string, fn func(tx *sql.Tx) error) error {
	return s.write(ctx, name, func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE age SET steps = steps + 1 WHERE one = 1`) // last: all wait for this row
		return err
	})
}
