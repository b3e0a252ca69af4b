package store

import (
	"context"
	"database/sql"
	"sync"
)

// statements keeps what each new connection of a client asks prepared: SQLite takes as
// long to read such a text as to answer it. The driver of PostgreSQL does so by itself.
type statements struct {
	db *sql.DB

	mu  sync.Mutex // guards what follows
	all map[string]*sql.Stmt
}

// maxStatements is how many texts are kept: far more than there are, but lists have as
// many texts as lengths.
const maxStatements = 64

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, all: map[string]*sql.Stmt{}}
}

// get prepares a text, or gives what it was prepared to; nil where no more are kept. It
// must not be called within a transaction of the writer, which has one connection.
func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.all[query]
	if ok || len(s.all) >= maxStatements {
		return st, nil
	}
	st, err := s.db.PrepareContext(ctx, query)
	if err == nil {
		s.all[query] = st
	}
	return st, err
}

// QueryContext implements querier.
func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.get(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case st == nil:
		return s.db.QueryContext(ctx, query, args...)
	}
	return st.QueryContext(ctx, args...)
}
