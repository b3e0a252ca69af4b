// Package store keeps what the gateway must remember across a restart: requests and
// their approvals, grants, the list of sessions, sign-ins, the tables that inherited
// protection, and how much of a limit somebody has used. SQLite serves one gateway, PostgreSQL several.
//
// It knows the nouns and satisfies the interfaces that the packages above declare; it
// holds no rules. It never keeps the text or the parameters of a held statement, and
// of tokens and codes only hashes. The audit log and the recordings are elsewhere: they
// are evidence, this is working state.
package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Store is an open store. Its methods may be called concurrently; errors are
// *hoop.Error where they are for people (not found, conflict, unavailable). Step
// functions that methods take run inside a transaction that holds the row, and with
// SQLite the whole store, locked: they must not call the store.
type Store struct {
	w, r   *sql.DB     // the one writer and the readers; PostgreSQL has one pool for both
	asks   querier     // r, for what each new connection of a client asks
	writes *statements // w's; nil with PostgreSQL
	turns  *turns      // for w; nil with PostgreSQL
	shared bool
	lock   string // appended to a SELECT so that the row stays ours until commit
	unlock func() error
	now    func() time.Time
	saves  saves // of sessions
}

// Open opens the store that rawURL names and brings its tables up to date:
// sqlite:/path/to/file, sqlite:relative/path or postgres://…. A SQLite file and its
// folder are made where missing (modes 0600 and 0700), and belong to one process at a
// time. The caller must Close it.
func Open(ctx context.Context, rawURL string) (*Store, error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, rawURL)
	default:
		// The rest of the URL may hold a password.
		return nil, hoop.Errorf(hoop.CodeInvalid, "store URL: unknown scheme %q", url.PathEscape(scheme)).
			WithHint("write sqlite:/path/to/file or postgres://user@host/database")
	}
}

// Shared reports whether other gateways may use the same store at this moment, so
// that their decisions must be looked for.
func (s *Store) Shared() bool { return s.shared }

// Close closes the store. Nothing may use it afterwards.
func (s *Store) Close() error {
	s.saves.work.Wait()
	var errs []error
	if s.r != s.w {
		errs = append(errs, s.r.Close())
	}
	errs = append(errs, s.w.Close())
	if s.unlock != nil {
		errs = append(errs, s.unlock())
	}
	return errors.Join(errs...)
}

// write runs fn in a transaction of the writer. An error of fn undoes it all; one in
// asIs is returned as it is, others as a fault of the store.
func (s *Store) write(ctx context.Context, step string, fn func(tx *sql.Tx) error) error {
	return s.inTurn(ctx, step, false, fn)
}

// inTurn is write, for what is urgent before all others that wait.
func (s *Store) inTurn(ctx context.Context, step string, urgent bool, fn func(tx *sql.Tx) error) error {
	if s.turns != nil {
		if err := s.turns.take(ctx, urgent); err != nil {
			return fault(step, err)
		}
		defer s.turns.leave()
	}
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return fault(step, err)
	}
	defer tx.Rollback() // does nothing after Commit
	if err := fn(tx); err != nil {
		return fault(step, err)
	}
	if err := tx.Commit(); err != nil {
		return fault(step, fmt.Errorf("commit: %w", err))
	}
	return nil
}

// asIs marks an error that is not a fault of the store: a caller's step said no, or
// there is nothing to find.
type asIs struct{ error }

// fault is what people hear of a store that fails.
func fault(step string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(asIs); ok {
		return e.error
	}
	return &hoop.Error{
		Code: hoop.CodeUnavailable, Message: "the gateway's store does not answer",
		Hint: "try again; the gateway's log has the cause", Err: fmt.Errorf("%s: %w", step, err),
	}
}

// micros is how times are stored: microseconds since 1970 UTC, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// querier is a transaction or a pool.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls fn for every row of a query.
func each(ctx context.Context, q querier, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// docs reads rows whose only column is the JSON of a T.
func docs[T any](ctx context.Context, q querier, query string, args ...any) ([]T, error) {
	var found []T
	err := each(ctx, q, func(rows *sql.Rows) error {
		var v T
		if err := scanDoc(rows, &v); err != nil {
			return err
		}
		found = append(found, v)
		return nil
	}, query, args...)
	return found, err
}

// scanDoc reads a row of columns, then doc, into columns and v.
func scanDoc(rows *sql.Rows, v any, columns ...any) error {
	var doc string
	if err := rows.Scan(append(columns, &doc)...); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		return fmt.Errorf("stored document: %w", err)
	}
	return nil
}

// where collects conditions and their arguments. Conditions that do not apply are left
// out, so that the planner of either database can use an index for those that do.
type where struct {
	clauses []string
	args    []any
}

// and adds a condition; $ in it stands for the argument.
func (w *where) and(clause string, arg any) {
	w.args = append(w.args, arg)
	w.clauses = append(w.clauses, strings.ReplaceAll(clause, "$", fmt.Sprintf("$%d", len(w.args))))
}

// query is "prefix WHERE … suffix"; $ in suffix stands for last, a further argument.
func (w *where) query(prefix, suffix string, last any) (string, []any) {
	if len(w.clauses) > 0 {
		prefix += " WHERE " + strings.Join(w.clauses, " AND ")
	}
	args := append(w.args, last)
	return prefix + " " + strings.ReplaceAll(suffix, "$", fmt.Sprintf("$%d", len(args))), args
}

// placeholders is "$from, …" for n values.
func placeholders(from, n int) string {
	p := make([]string, n)
	for i := range p {
		p[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(p, ", ")
}
