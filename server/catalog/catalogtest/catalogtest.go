// Package catalogtest loads, for tests, the catalog of a schema on a real server.
package catalogtest

import (
	"context"
	"errors"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

// Load runs the SQL of a file in the database postgres and gives the catalog it has then.
func Load(ctx context.Context, s *pgserver.Server, file string) (*catalog.Snapshot, error) {
	schema, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := s.Exec(ctx, "postgres", string(schema)); err != nil {
		return nil, err
	}
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, s.DSN("postgres"))
	}})
	snap, err := cat.Snapshot(ctx)
	return snap, errors.Join(err, cat.Close())
}
