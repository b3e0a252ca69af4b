package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Inherit remembers, for good, that tables of a target hold protected data since by, a
// session or a request, copied it there. Tables known already stay as they are.
func (s *Store) Inherit(ctx context.Context, target string, tables []string, by string) error {
	return s.step(ctx, "inherit protection", func(tx *sql.Tx) error {
		for _, table := range tables {
			_, err := tx.ExecContext(ctx, `INSERT INTO inherited (target, name, inherited_at, inherited_by)
				VALUES ($1, $2, $3, $4) ON CONFLICT (target, name) DO NOTHING`, target, table, micros(s.now()), by)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Inherited lists what inherited protection, by target and table.
func (s *Store) Inherited(ctx context.Context) ([]hoop.Protection, error) {
	var out []hoop.Protection
	err := each(ctx, s.r, func(rows *sql.Rows) error {
		var p hoop.Protection
		var since int64
		if err := rows.Scan(&p.Target, &p.Table, &since, &p.By); err != nil {
			return err
		}
		p.Since = time.UnixMicro(since).UTC()
		out = append(out, p)
		return nil
	}, `SELECT target, name, inherited_at, inherited_by FROM inherited ORDER BY target, name`)
	return out, fault("read inherited protection", err)
}

// Disinherit forgets that a table inherited protection; it is no error where it did not.
func (s *Store) Disinherit(ctx context.Context, target, table string) error {
	return s.step(ctx, "lift inherited protection", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM inherited WHERE target = $1 AND name = $2`, target, table)
		return err
	})
}
