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

// NameAnew gives the store of that age another name, and reads its age: who knew it by the former
// one, as it was before it was put back from a copy, is not to take it for that once it has made
// as many steps. Where somebody else was quicker, theirs stays.
func (s *Store) NameAnew(ctx context.Context, was Age) (Age, error) {
	if _, err := s.w.ExecContext(ctx, `UPDATE age SET store = $1 WHERE store = $2`, rand.Text(), was.Store); err != nil {
		return was, fault("rename the store", err)
	}
	return s.Age(ctx)
}

// step is write for what adds to the store's age.
func (s *Store) step(ctx context.Context, name string, fn func(tx *sql.Tx) error) error {
	return s.inTurn(ctx, name, false, ages(ctx, fn))
}

// end is step for what may end somebody's right, which is urgent.
func (s *Store) end(ctx context.Context, name string, fn func(tx *sql.Tx) error) error {
	return s.inTurn(ctx, name, true, ages(ctx, fn))
}

// ages has what fn does add to the store's age.
func ages(ctx context.Context, fn func(tx *sql.Tx) error) func(tx *sql.Tx) error {
	return func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE age SET steps = steps + 1 WHERE one = 1`) // last: all wait for this row
		return err
	}
}
