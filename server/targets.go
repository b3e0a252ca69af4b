package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/proxy/postgres"
	"github.com/hoopctl/hoopctl/server/target"
)

// catalogs keeps one catalog for each database of each target, loaded at first use.
type catalogs struct {
	dialer *target.Dialer
	log    *slog.Logger

	mu  sync.Mutex // guards all
	all map[database]*catalog.Catalog
}

// database is one database as a target declares it: a target that was declared anew
// has a catalog anew.
type database struct{ target, address, name string }

func newCatalogs(d *target.Dialer, log *slog.Logger) *catalogs {
	return &catalogs{dialer: d, log: log, all: map[database]*catalog.Catalog{}}
}

// For gives the catalog of a target's database.
func (c *catalogs) For(t hoop.Target, name string) *catalog.Catalog {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := database{t.Name, t.Address, name}
	cat, ok := c.all[key]
	if !ok {
		cat = catalog.New(catalog.Options{
			Connect: func(ctx context.Context) (*pgx.Conn, error) { return c.dialer.Connect(ctx, t, name) },
			Log:     c.log,
		})
		c.all[key] = cat
	}
	return cat
}

// Close closes them all.
func (c *catalogs) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for key, cat := range c.all {
		errs = append(errs, cat.Close())
		delete(c.all, key)
	}
	return errors.Join(errs...)
}

// postgresDialer gives target's connections the form that the proxy declares.
type postgresDialer struct{ *target.Dialer }

// Dial implements postgres.Dialer.
func (d postgresDialer) Dial(ctx context.Context, t hoop.Target, database string, params map[string]string) (*postgres.Upstream, error) {
	conn, err := d.Dialer.Dial(ctx, t, database, params)
	if err != nil {
		return nil, err
	}
	return &postgres.Upstream{HijackedConn: conn}, nil
}
