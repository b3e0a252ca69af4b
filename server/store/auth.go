package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/hoopctl/hoopctl/server/auth"
)

// AddDevice inserts a device authorization; auth.ErrExists where a code is taken.
func (s *Store) AddDevice(ctx context.Context, d auth.Device) error {
	b, err := json.Marshal(d)
	if err != nil {
		return fault("add device", err)
	}
	return s.write(ctx, "add device", func(tx *sql.Tx) error {
		return insertNew(ctx, tx, `INSERT INTO devices (code_hash, user_code_hash, expires_at, doc)
			VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, d.CodeHash, d.UserCodeHash, micros(d.ExpiresAt), string(b))
	})
}

// insertNew runs an INSERT … ON CONFLICT DO NOTHING that must insert.
func insertNew(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return asIs{auth.ErrExists}
}

// Device finds a device by the hash of its code; auth.ErrNotFound.
func (s *Store) Device(ctx context.Context, codeHash string) (auth.Device, error) {
	return device(ctx, s.r, `SELECT doc FROM devices WHERE code_hash = $1`, codeHash)
}

// DeviceByUserCode finds a device by the hash of what a person types;
// auth.ErrNotFound.
func (s *Store) DeviceByUserCode(ctx context.Context, userCodeHash string) (auth.Device, error) {
	return device(ctx, s.r, `SELECT doc FROM devices WHERE user_code_hash = $1`, userCodeHash)
}

// Devices lists the device authorizations that have not expired.
func (s *Store) Devices(ctx context.Context, now time.Time) ([]auth.Device, error) {
	found, err := docs[auth.Device](ctx, s.r, `SELECT doc FROM devices WHERE expires_at > $1`, micros(now))
	return found, fault("list devices", err)
}

// UpdateDevice lets update change a device, one caller after the other.
func (s *Store) UpdateDevice(ctx context.Context, codeHash string, update func(*auth.Device) error) error {
	return s.write(ctx, "change device", func(tx *sql.Tx) error {
		d, err := device(ctx, tx, `SELECT doc FROM devices WHERE code_hash = $1`+s.lock, codeHash)
		if err != nil {
			return asIs{err}
		}
		if err := update(&d); err != nil {
			return asIs{err}
		}
		b, err := json.Marshal(d)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE devices SET expires_at = $1, doc = $2 WHERE code_hash = $3`,
			micros(d.ExpiresAt), string(b), codeHash)
		return err
	})
}

func device(ctx context.Context, q querier, query string, args ...any) (auth.Device, error) {
	found, err := docs[auth.Device](ctx, q, query, args...)
	if err != nil {
		return auth.Device{}, fault("read device", err)
	}
	if len(found) == 0 {
		return auth.Device{}, auth.ErrNotFound
	}
	return found[0], nil
}

// AddFamily inserts a sign-in with its first tokens, all or nothing; auth.ErrExists.
func (s *Store) AddFamily(ctx context.Context, f auth.Family, tokens ...auth.Token) error {
	b, err := json.Marshal(f)
	if err != nil {
		return fault("add sign-in", err)
	}
	return s.write(ctx, "add sign-in", func(tx *sql.Tx) error {
		if err := insertNew(ctx, tx, `INSERT INTO families (id, subject, recheck, checked_at, expires_at, ended_at, cut_at, doc)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			f.ID, f.Subject, bit(f.Recheck), micros(f.CheckedAt), micros(f.ExpiresAt), micros(f.EndedAt), micros(f.CutAt), string(b)); err != nil {
			return err
		}
		return addTokens(ctx, tx, f.ID, tokens)
	})
}

func addTokens(ctx context.Context, tx *sql.Tx, family string, tokens []auth.Token) error {
	for _, t := range tokens {
		t.Family = family
		b, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if err := insertNew(ctx, tx, `INSERT INTO tokens (hash, family, expires_at, doc)
			VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, t.Hash, t.Family, micros(t.ExpiresAt), string(b)); err != nil {
			return err
		}
	}
	return nil
}

// Token finds a token by its hash, with the sign-in it comes from; auth.ErrNotFound.
func (s *Store) Token(ctx context.Context, hash string) (auth.Token, auth.Family, error) {
	var t auth.Token
	var f auth.Family
	found := false
	err := each(ctx, s.r, func(rows *sql.Rows) error {
		var token, family string
		found = true
		if err := rows.Scan(&token, &family); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(token), &t); err != nil {
			return err
		}
		return json.Unmarshal([]byte(family), &f)
	}, `SELECT t.doc, f.doc FROM tokens t JOIN families f ON f.id = t.family WHERE t.hash = $1`, hash)
	if err != nil {
		return auth.Token{}, auth.Family{}, fault("read token", err)
	}
	if !found {
		return auth.Token{}, auth.Family{}, auth.ErrNotFound
	}
	return t, f, nil
}

// Family finds a sign-in by its ID; auth.ErrNotFound.
func (s *Store) Family(ctx context.Context, id string) (auth.Family, error) {
	found, err := docs[auth.Family](ctx, s.r, `SELECT doc FROM families WHERE id = $1`, id)
	if err != nil {
		return auth.Family{}, fault("read sign-in", err)
	}
	if len(found) == 0 {
		return auth.Family{}, auth.ErrNotFound
	}
	return found[0], nil
}

// UpdateFamily lets update change a sign-in, one caller after the other, and inserts
// the tokens that it returns in the same step.
func (s *Store) UpdateFamily(ctx context.Context, id string, update func(*auth.Family) ([]auth.Token, error)) error {
	return s.end(ctx, "change sign-in", func(tx *sql.Tx) error {
		found, err := docs[auth.Family](ctx, tx, `SELECT doc FROM families WHERE id = $1`+s.lock, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return asIs{auth.ErrNotFound}
		}
		f := found[0]
		tokens, err := update(&f)
		if err != nil {
			return asIs{err}
		}
		b, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE families
			SET recheck = $1, checked_at = $2, expires_at = $3, ended_at = $4, cut_at = $5, doc = $6 WHERE id = $7`,
			bit(f.Recheck), micros(f.CheckedAt), micros(f.ExpiresAt), micros(f.EndedAt), micros(f.CutAt), string(b), id); err != nil {
			return err
		}
		return addTokens(ctx, tx, id, tokens)
	})
}

// Families lists the sign-ins of a subject that hold at now.
func (s *Store) Families(ctx context.Context, subject string, now time.Time) ([]auth.Family, error) {
	found, err := docs[auth.Family](ctx, s.r, `SELECT doc FROM families
		WHERE subject = $1 AND ended_at = 0 AND expires_at > $2 ORDER BY id`, subject, micros(now))
	return found, fault("list sign-ins", err)
}

// Due lists the sign-ins that hold at now and whose provider was last asked before
// checked, or more than a minute after now, before a clock was set back; those first that
// were asked about the longest ago, at most limit.
func (s *Store) Due(ctx context.Context, now, checked time.Time, limit int) ([]auth.Family, error) {
	found, err := docs[auth.Family](ctx, s.r, `SELECT doc FROM families
		WHERE recheck = 1 AND ended_at = 0 AND expires_at > $1 AND (checked_at < $2 OR checked_at > $3)
		ORDER BY checked_at, id LIMIT $4`, micros(now), micros(checked), micros(now.Add(time.Minute)), limit)
	return found, fault("list sign-ins to check", err)
}

// Lapsed lists the sign-ins that expired after a time and until another, ended or not,
// those that expired first before others.
func (s *Store) Lapsed(ctx context.Context, after, until time.Time) ([]auth.Family, error) {
	found, err := docs[auth.Family](ctx, s.r, `SELECT doc FROM families
		WHERE expires_at > $1 AND expires_at <= $2 ORDER BY expires_at, id`, micros(after), micros(until))
	return found, fault("list expired sign-ins", err)
}

// Cuts lists the sign-ins whose sessions had to be cut after a time.
func (s *Store) Cuts(ctx context.Context, after time.Time) ([]auth.Family, error) {
	found, err := docs[auth.Family](ctx, s.r, `SELECT doc FROM families WHERE cut_at > $1`, micros(after))
	return found, fault("list sign-ins that ended", err)
}

// SetDisabled notes when a subject was disabled, where that is later than what is noted.
func (s *Store) SetDisabled(ctx context.Context, subject string, at, until time.Time) error {
	return s.end(ctx, "note who is disabled", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO disabled (subject, at, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (subject) DO UPDATE SET at = excluded.at, expires_at = excluded.expires_at WHERE disabled.at < excluded.at`,
			subject, micros(at), micros(until))
		return err
	})
}

// DisabledAt is when a subject was disabled last; zero where nothing is noted.
func (s *Store) DisabledAt(ctx context.Context, subject string) (time.Time, error) {
	var at time.Time
	err := each(ctx, s.r, func(rows *sql.Rows) error {
		var us int64
		err := rows.Scan(&us)
		at = time.UnixMicro(us).UTC()
		return err
	}, `SELECT at FROM disabled WHERE subject = $1`, subject)
	return at, fault("read who is disabled", err)
}

// Sweep deletes what expired before a time: of sign-ins, with their tokens, of who was
// disabled, and of counts.
func (s *Store) Sweep(ctx context.Context, before time.Time) error {
	return s.write(ctx, "sweep what expired", func(tx *sql.Tx) error {
		for _, query := range []string{
			`DELETE FROM devices WHERE expires_at < $1`,
			`DELETE FROM tokens WHERE expires_at < $1`,
			`DELETE FROM families WHERE expires_at < $1`,
			`DELETE FROM disabled WHERE expires_at < $1`,
			`DELETE FROM counts WHERE expires_at < $1`,
		} {
			if _, err := tx.ExecContext(ctx, query, micros(before)); err != nil {
				return err
			}
		}
		return nil
	})
}

// bit is how booleans are stored.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
