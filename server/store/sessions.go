package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// SaveSession stores a session when it starts and again when it ends (EndedAt is
// set). An ended session does not change any more, and an ID never passes to another
// subject, grant or start.
func (s *Store) SaveSession(ctx context.Context, info hoop.SessionInfo) error {
	b, err := json.Marshal(info)
	if err != nil {
		return fault("save session", err)
	}
	state := "open"
	if !info.EndedAt.IsZero() {
		state = "ended"
	}
	return s.write(ctx, "save session", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO sessions (id, state, subject, target, grant_id, started_at, doc)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (id) DO UPDATE SET state = excluded.state, doc = excluded.doc
			WHERE sessions.state = 'open' AND sessions.subject = excluded.subject AND sessions.target = excluded.target
			AND sessions.grant_id = excluded.grant_id AND sessions.started_at = excluded.started_at`,
			info.ID, state, info.Identity.Subject, info.Target, info.Grant, micros(info.StartedAt), string(b))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return asIs{hoop.Errorf(hoop.CodeConflict, "session %s exists already", info.ID)}
	})
}

// Session gives one session.
func (s *Store) Session(ctx context.Context, id string) (hoop.SessionInfo, error) {
	found, err := s.sessions(ctx, `SELECT doc FROM sessions WHERE id = $1`, id)
	if err != nil {
		return hoop.SessionInfo{}, err
	}
	if len(found) == 0 {
		return hoop.SessionInfo{}, hoop.Errorf(hoop.CodeNotFound, "there is no session %q", id).
			WithHint("hoopctl sessions list shows those you may see")
	}
	return found[0], nil
}

// Sessions lists the sessions of a subject ("" is anybody), newest first, at most
// limit.
func (s *Store) Sessions(ctx context.Context, subject string, limit int) ([]hoop.SessionInfo, error) {
	var w where
	if subject != "" {
		w.and("subject = $", subject)
	}
	query, args := w.query("SELECT doc FROM sessions", "ORDER BY started_at DESC, id DESC LIMIT $", limit)
	return s.sessions(ctx, query, args...)
}

// OpenSessions lists the sessions that did not end: after a crash, those whose end
// nobody recorded.
func (s *Store) OpenSessions(ctx context.Context) ([]hoop.SessionInfo, error) {
	return s.sessions(ctx, `SELECT doc FROM sessions WHERE state = 'open' ORDER BY started_at, id`)
}

func (s *Store) sessions(ctx context.Context, query string, args ...any) ([]hoop.SessionInfo, error) {
	found, err := docs[hoop.SessionInfo](ctx, s.r, query, args...)
	return found, fault("read sessions", err)
}
