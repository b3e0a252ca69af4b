package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func addGrant(ctx context.Context, tx *sql.Tx, g *hoop.Grant) error {
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO grants (id, request, owner, target, starts_at, expires_at, revoked_at, review, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		g.ID, g.Request, g.Owner.Subject, g.Target, micros(g.StartsAt), micros(g.ExpiresAt), micros(g.RevokedAt), review(g), string(b))
	if err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	return nil
}

// review is where a grant stands that was taken in an emergency.
func review(g *hoop.Grant) string {
	switch {
	case !g.BreakGlass:
		return "none"
	case g.Review == nil:
		return "open"
	}
	return "done"
}

// BreakGlassGrants lists grants taken in an emergency that nobody reviewed yet; with all,
// reviewed ones too. Newest first, at most limit.
func (s *Store) BreakGlassGrants(ctx context.Context, all bool, limit int) ([]hoop.Grant, error) {
	var w where
	if all {
		w.and("review <> $", "none")
	} else {
		w.and("review = $", "open")
	}
	query, args := w.query("SELECT doc FROM grants", "ORDER BY starts_at DESC, id LIMIT $", limit)
	found, err := docs[hoop.Grant](ctx, s.r, query, args...)
	return found, fault("list grants taken in emergencies", err)
}

// formerOf is the grant that r is to renew, and keeps others from changing it; nil where r
// asks for another one.
func formerOf(ctx context.Context, tx *sql.Tx, lock string, r *hoop.Request) (*hoop.Grant, error) {
	if r.Renews == "" {
		return nil, nil
	}
	found, err := docs[hoop.Grant](ctx, tx, `SELECT doc FROM grants WHERE id = $1`+lock, r.Renews)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, asIs{noGrant(r.Renews)}
	}
	return &found[0], nil
}

// renewGrant puts off the end of former, which r renews; g is how it is to be.
func renewGrant(ctx context.Context, tx *sql.Tx, r *hoop.Request, former, g *hoop.Grant) error {
	n := len(g.Renewals)
	if g.ID != former.ID || !former.RevokedAt.IsZero() || n != len(former.Renewals)+1 || g.Renewals[n-1] != r.ID || g.ExpiresAt.Before(former.ExpiresAt) {
		return fmt.Errorf("grant %s: request %d does not renew it", former.ID, r.ID)
	}
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE grants SET expires_at = $1, doc = $2 WHERE id = $3`, micros(g.ExpiresAt), string(b), g.ID)
	return err
}

// Grant gives one grant.
func (s *Store) Grant(ctx context.Context, id string) (hoop.Grant, error) {
	found, err := s.GrantsByID(ctx, []string{id})
	if err != nil {
		return hoop.Grant{}, err
	}
	if len(found) == 0 {
		return hoop.Grant{}, noGrant(id)
	}
	return found[0], nil
}

// GrantsByID gives those of the grants that exist, in no order.
func (s *Store) GrantsByID(ctx context.Context, ids []string) ([]hoop.Grant, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	found, err := docs[hoop.Grant](ctx, s.asks, `SELECT doc FROM grants WHERE id IN (`+placeholders(1, len(ids))+`)`, args...)
	return found, fault("read grants", err)
}

// GrantsAt lists the grants of a subject ("" is anybody) for a target ("" is any) that
// are in force at a time, the one that ends last first, at most limit.
func (s *Store) GrantsAt(ctx context.Context, subject, target string, at time.Time, limit int) ([]hoop.Grant, error) {
	var w where
	if subject != "" {
		w.and("owner = $", subject)
	}
	if target != "" {
		w.and("target = $", target)
	}
	w.and("revoked_at = 0 AND starts_at <= $ AND expires_at > $", micros(at))
	query, args := w.query("SELECT doc FROM grants", "ORDER BY expires_at DESC, id LIMIT $", limit)
	found, err := docs[hoop.Grant](ctx, s.asks, query, args...)
	return found, fault("read grants in force", err)
}

// GrantsAfter lists the grants of a subject ("" is anybody) that have not ended at a time,
// those to come too, the one that ends last first, at most limit.
func (s *Store) GrantsAfter(ctx context.Context, subject string, at time.Time, limit int) ([]hoop.Grant, error) {
	var w where
	if subject != "" {
		w.and("owner = $", subject)
	}
	w.and("revoked_at = 0 AND expires_at > $", micros(at))
	query, args := w.query("SELECT doc FROM grants", "ORDER BY expires_at DESC, id LIMIT $", limit)
	found, err := docs[hoop.Grant](ctx, s.r, query, args...)
	return found, fault("list grants that have not ended", err)
}

// GrantsBehind lists grants that have not ended at a time, those to come too, in the order
// of their IDs from behind one ("" is before all), at most limit.
func (s *Store) GrantsBehind(ctx context.Context, id string, at time.Time, limit int) ([]hoop.Grant, error) {
	var w where
	w.and("id > $", id)
	w.and("revoked_at = 0 AND expires_at > $", micros(at))
	query, args := w.query("SELECT doc FROM grants", "ORDER BY id LIMIT $", limit)
	found, err := docs[hoop.Grant](ctx, s.r, query, args...)
	return found, fault("list grants that have not ended", err)
}

// Grants lists the grants of a subject ("" is anybody), ended ones too, newest first,
// at most limit.
func (s *Store) Grants(ctx context.Context, subject string, limit int) ([]hoop.Grant, error) {
	var w where
	if subject != "" {
		w.and("owner = $", subject)
	}
	query, args := w.query("SELECT doc FROM grants", "ORDER BY starts_at DESC, id LIMIT $", limit)
	found, err := docs[hoop.Grant](ctx, s.r, query, args...)
	return found, fault("list grants", err)
}

// UpdateGrant lets step change a grant's end; concurrent changes of the same grant
// wait for each other. Only a request that renews a grant prolongs it.
func (s *Store) UpdateGrant(ctx context.Context, id string, step func(*hoop.Grant) error) (hoop.Grant, error) {
	var g hoop.Grant
	err := s.end(ctx, "change grant", func(tx *sql.Tx) error {
		found, err := docs[hoop.Grant](ctx, tx, `SELECT doc FROM grants WHERE id = $1`+s.lock, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return asIs{noGrant(id)}
		}
		g = found[0]
		ends := g.ExpiresAt
		if err := step(&g); err != nil {
			return asIs{err}
		}
		if g.ExpiresAt.After(ends) {
			return fmt.Errorf("grant %s: its end may not move from %s to %s", id, ends, g.ExpiresAt)
		}
		b, err := json.Marshal(g)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE grants SET expires_at = $1, revoked_at = $2, review = $3, doc = $4 WHERE id = $5`,
			micros(g.ExpiresAt), micros(g.RevokedAt), review(&g), string(b), id)
		return err
	})
	return g, err
}

func noGrant(id string) error {
	return hoop.Errorf(hoop.CodeNotFound, "there is no grant %q", id).WithHint("hoopctl grants lists those you may see")
}
