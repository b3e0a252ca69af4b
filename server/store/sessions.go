package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// SaveSession stores a session when it starts and again when it ends (EndedAt is
// set). An ended session does not change any more, and an ID never passes to another
// subject, grant or start. Those that come while others are being saved share one
// transaction: a thousand sessions that are cut at once do not keep other writers waiting
// for a thousand fsyncs.
func (s *Store) SaveSession(ctx context.Context, info hoop.SessionInfo) error {
	b, err := json.Marshal(info)
	if err != nil {
		return fault("save session", err)
	}
	one := &saving{info: info, doc: string(b), done: make(chan error, 1)}
	s.saves.add(one, s.saveSessions)
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
		return fault("save session", ctx.Err())
	}
}

// saving is a session on its way into the store.
type saving struct {
	info hoop.SessionInfo
	doc  string
	done chan error // has room for the answer
}

// saves gathers what comes while a transaction is under way.
type saves struct {
	mu      sync.Mutex // guards what follows
	waiting []*saving
	busy    bool
	work    sync.WaitGroup
}

func (g *saves) add(one *saving, save func([]*saving)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, one)
	if g.busy {
		return
	}
	g.busy = true
	g.work.Go(func() {
		for all := g.next(); len(all) > 0; all = g.next() {
			save(all)
		}
	})
}

func (g *saves) next() []*saving {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.waiting
	g.waiting, g.busy = nil, len(all) > 0
	return all
}

// saveTimeout bounds a transaction that saves sessions.
const saveTimeout = 10 * time.Second

func (s *Store) saveSessions(all []*saving) {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	conflicts := make([]error, len(all))
	err := s.saveAll(ctx, all, conflicts)
	for i, one := range all {
		if err != nil {
			one.done <- err
			continue
		}
		one.done <- conflicts[i]
	}
}

// saveAll saves them in one transaction, and notes what each has for a conflict.
func (s *Store) saveAll(ctx context.Context, all []*saving, conflicts []error) error {
	var save *sql.Stmt
	if s.writes != nil {
		var err error
		if save, err = s.writes.get(ctx, saveText); err != nil {
			return fault("save sessions", err)
		}
	}
	return s.write(ctx, "save sessions", func(tx *sql.Tx) error {
		for i, one := range all {
			var err error
			if conflicts[i], err = saveSession(ctx, tx, save, one); err != nil {
				return err
			}
		}
		return nil
	})
}

const saveText = `INSERT INTO sessions (id, state, subject, target, grant_id, started_at, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, doc = excluded.doc
		WHERE sessions.state = 'open' AND sessions.subject = excluded.subject AND sessions.target = excluded.target
		AND sessions.grant_id = excluded.grant_id AND sessions.started_at = excluded.started_at`

// saveSession saves one; a conflict is its own and spoils nothing for others. save is
// saveText prepared, nil where it is not.
func saveSession(ctx context.Context, tx *sql.Tx, save *sql.Stmt, one *saving) (conflict, err error) {
	info, state := &one.info, "open"
	if !info.EndedAt.IsZero() {
		state = "ended"
	}
	args := []any{info.ID, state, info.Identity.Subject, info.Target, info.Grant, micros(info.StartedAt), one.doc}
	var res sql.Result
	if save != nil {
		res, err = tx.StmtContext(ctx, save).ExecContext(ctx, args...)
	} else {
		res, err = tx.ExecContext(ctx, saveText, args...)
	}
	if err != nil {
		return nil, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 1 {
		return nil, err
	}
	return hoop.Errorf(hoop.CodeConflict, "session %s exists already", info.ID), nil
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
