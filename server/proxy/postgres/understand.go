package postgres

import (
	"context"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// understand analyses text. The error says that it cannot be judged, so nothing may be
// forwarded.
func (c *conn) understand(ctx context.Context, text string) (*meaning, error) {
	snap, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return c.means(ctx, text, nil, snap)
}

// understandWith does so for a text whose parameters have types. Those that the catalog
// does not have yet may have just been made.
func (c *conn) understandWith(ctx context.Context, text string, types []uint32) (*meaning, error) {
	snap, err := c.snapshot(ctx)
	if err == nil && unknownType(types, snap) {
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
		snap, err = c.snapshot(ctx)
	}
	if err != nil {
		return nil, err
	}
	m, err := c.means(ctx, text, types, snap)
	if err != nil {
		return nil, err
	}
	if more, err := c.look(m, nil); err != nil || !more {
		return m, err
	}
	return c.renewed(ctx, m)
}

// snapshot is what the database contains, with the session's own tables; after this
// session's own DDL it asks anew.
func (c *conn) snapshot(ctx context.Context) (*catalog.Snapshot, error) {
	base, err := c.base(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overlay.on(base), nil
}

// base is the same without these: as the open transaction has it, where that is known.
func (c *conn) base(ctx context.Context) (*catalog.Snapshot, error) {
	snap, err := c.others(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if own := c.insightLocked(snap); own != nil {
		return own.snap, nil
	}
	return snap, nil
}

// others is what other sessions see.
func (c *conn) others(ctx context.Context) (*catalog.Snapshot, error) {
	c.mu.Lock()
	stale := c.stale
	c.stale = false
	c.mu.Unlock()
	if !stale {
		return c.cat.Snapshot(ctx)
	}
	snap, err := c.cat.Refresh(ctx)
	if err != nil {
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
	}
	return snap, err
}

// endings counts the ends of transactions that had DDL.
func (c *conn) endings() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.defined
}

// renewed analyses again when the catalog has changed since.
func (c *conn) renewed(ctx context.Context, m *meaning) (*meaning, error) {
	m, _, err := c.renew(ctx, m)
	return m, err
}

// renew does so, and gives the snapshot that the meaning belongs to.
func (c *conn) renew(ctx context.Context, m *meaning) (*meaning, *catalog.Snapshot, error) {
	code, err := c.goesOn(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	if m.analysis.Absent != "" || code { // somebody may have just made it, or another of it
		c.stale = true
	}
	c.mu.Unlock()
	snap, err := c.snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	if snap.Version != m.version && m.encodes == nil {
		m, err = c.meansAgain(ctx, m, snap)
	}
	return m, snap, err
}
