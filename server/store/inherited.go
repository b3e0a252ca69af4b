package store

import (
	"context"
	"database/sql"
)

// Inherit remembers, for good, that tables of a target hold protected data since by, a
// session or a request, copied it there. Tables known already stay as they are.
func (s *Store) Inherit(ctx context.Context, target string, tables []string, by string) error {
	return s.write(ctx, "inherit protection", func(tx *sql.Tx) error {
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

// Inherited gives, for each target, the tables that inherited protection.
func (s *Store) Inherited(ctx context.Context) (map[string][]string, error) {
	tables := map[string][]string{}
	err := each(ctx, s.r, func(rows *sql.Rows) error {
		var target, name string
		if err := rows.Scan(&target, &name); err != nil {
			return err
		}
		tables[target] = append(tables[target], name)
		return nil
	}, `SELECT target, name FROM inherited ORDER BY target, name`)
	return tables, fault("read inherited protection", err)
}
