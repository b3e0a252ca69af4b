package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Counts reads the documents of names, nil for what is not there, and tells what time it
// is for whoever counts in this store: of PostgreSQL its own, since the clocks of several
// gateways differ.
func (s *Store) Counts(ctx context.Context, names []string) (found [][]byte, now time.Time, err error) {
	found = make([][]byte, len(names))
	for i, name := range names {
		err := each(ctx, s.r, func(rows *sql.Rows) error { return rows.Scan(&found[i]) }, `SELECT doc FROM counts WHERE name = $1`, name)
		if err != nil {
			return nil, now, fault("read counts", err)
		}
	}
	now, err = s.clock(ctx, s.r)
	return found, now, fault("read counts", err)
}

// UpdateCounts has step turn the documents of names, which must differ, into others, all
// or none. until is when nothing in them counts any more. An error of step changes
// nothing and is returned as it is.
func (s *Store) UpdateCounts(ctx context.Context, names []string, step func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error)) error {
	return s.write(ctx, "update counts", func(tx *sql.Tx) error {
		found := make([][]byte, len(names))
		order := make([]int, len(names))
		for i := range order {
			order[i] = i
		}
		// Always in the same order, so that two do not wait for each other.
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(names[a], names[b]) })
		for _, i := range order {
			err := each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&found[i]) }, `INSERT INTO counts (name, doc, expires_at) VALUES ($1, $2, 0)
				ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING doc`, names[i], []byte{})
			if err != nil {
				return err
			}
		}
		now, err := s.clock(ctx, tx)
		if err != nil {
			return err
		}
		next, until, err := step(now, found)
		if err != nil {
			return asIs{err}
		}
		for i, doc := range next {
			if doc == nil {
				doc = []byte{} // nil is NULL
			}
			if _, err := tx.ExecContext(ctx, `UPDATE counts SET doc = $1, expires_at = $2 WHERE name = $3`, doc, micros(until), names[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// clock is the time that counts go by.
func (s *Store) clock(ctx context.Context, q querier) (now time.Time, err error) {
	if !s.shared {
		return s.now(), nil
	}
	err = each(ctx, q, func(rows *sql.Rows) error {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return err
		}
		now = time.UnixMicro(at)
		return nil
	}, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`)
	return now, err
}
