package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Step looks at a request, may change it, and may return a grant that begins with the
// change, or former as the request renews it: that is the grant to be renewed, which nobody
// else changes meanwhile, and nil for other requests. Its error undoes everything. It runs
// inside the transaction.
type Step = func(r *hoop.Request, former *hoop.Grant) (*hoop.Grant, error)

// AddRequest stores a new request. step sees it with its number before anybody else
// does. Statement, Params, Executes and Facts are never stored.
func (s *Store) AddRequest(ctx context.Context, r hoop.Request, step Step) (hoop.Request, error) {
	err := s.step(ctx, "add request", func(tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx, `INSERT INTO requests (kind, state, requester, target, expires_at, doc)
			VALUES ($1, $2, $3, $4, $5, '') RETURNING id`,
			r.Kind, r.State, r.Requester.Subject, r.Target, micros(r.ExpiresAt))
		if err := row.Scan(&r.ID); err != nil {
			return err
		}
		return applyStep(ctx, tx, s.lock, &r, 0, step)
	})
	return r, err
}

// UpdateRequest lets step change a request; concurrent changes of the same request
// wait for each other. It returns the request as stored.
func (s *Store) UpdateRequest(ctx context.Context, id int64, step Step) (hoop.Request, error) {
	var r hoop.Request
	err := s.step(ctx, "change request", func(tx *sql.Tx) error {
		found, err := requests(ctx, tx, `SELECT id, doc FROM requests WHERE id = $1`+s.lock, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return asIs{noRequest(id)}
		}
		r = found[0]
		return applyStep(ctx, tx, s.lock, &r, len(r.Approvals), step)
	})
	return r, err
}

// applyStep runs step on r, of which known approvals are stored, and stores what came
// of it.
func applyStep(ctx context.Context, tx *sql.Tx, lock string, r *hoop.Request, known int, step Step) error {
	former, err := formerOf(ctx, tx, lock, r)
	if err != nil {
		return err
	}
	g, err := step(r, former)
	if err != nil {
		return asIs{err}
	}
	switch {
	case g == nil:
	case former != nil:
		if err := renewGrant(ctx, tx, r, former, g); err != nil {
			return err
		}
	default:
		if err := addGrant(ctx, tx, g); err != nil {
			return err
		}
	}
	for _, a := range r.Approvals[known:] {
		if err := addApproval(ctx, tx, r.ID, a); err != nil {
			return err
		}
	}
	doc := *r
	doc.Statement, doc.Params, doc.Approvals = "", nil, nil
	doc.Executes, doc.Facts, doc.Writing = nil, nil, nil
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE requests SET state = $1, expires_at = $2, doc = $3 WHERE id = $4`,
		r.State, micros(r.ExpiresAt), string(b), r.ID)
	return err
}

func addApproval(ctx context.Context, tx *sql.Tx, request int64, a hoop.Approval) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO approvals (request, subject, approve, at, doc) VALUES ($1, $2, $3, $4, $5)`,
		request, a.By, bit(a.Approve), micros(a.At), string(b))
	if err != nil {
		return fmt.Errorf("approval: %w", err)
	}
	return nil
}

// Request gives one request with its approvals.
func (s *Store) Request(ctx context.Context, id int64) (hoop.Request, error) {
	found, err := requests(ctx, s.r, `SELECT id, doc FROM requests WHERE id = $1`, id)
	if err != nil {
		return hoop.Request{}, fault("read request", err)
	}
	if len(found) == 0 {
		return hoop.Request{}, noRequest(id)
	}
	return found[0], nil
}

// Requests lists requests in a state ("" is any) whose number is below before (0: no
// bound), newest first, at most limit.
func (s *Store) Requests(ctx context.Context, state hoop.RequestState, before int64, limit int) ([]hoop.Request, error) {
	var w where
	if state != "" {
		w.and("state = $", state)
	}
	if before > 0 {
		w.and("id < $", before)
	}
	query, args := w.query("SELECT id, doc FROM requests", "ORDER BY id DESC LIMIT $", limit)
	found, err := requests(ctx, s.r, query, args...)
	return found, fault("list requests", err)
}

// requests reads rows of id and doc, and their approvals.
func requests(ctx context.Context, q querier, query string, args ...any) ([]hoop.Request, error) {
	var found []hoop.Request
	at := map[int64]int{}
	err := each(ctx, q, func(rows *sql.Rows) error {
		var id int64
		var r hoop.Request
		if err := scanDoc(rows, &r, &id); err != nil {
			return err
		}
		at[id] = len(found)
		found = append(found, r)
		return nil
	}, query, args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	ids := make([]any, len(found))
	for i, r := range found {
		ids[i] = r.ID
	}
	err = each(ctx, q, func(rows *sql.Rows) error {
		var id int64
		var a hoop.Approval
		if err := scanDoc(rows, &a, &id); err != nil {
			return err
		}
		r := &found[at[id]]
		r.Approvals = append(r.Approvals, a)
		return nil
	}, `SELECT request, doc FROM approvals WHERE request IN (`+placeholders(1, len(ids))+`) ORDER BY request, at, subject`, ids...)
	return found, err
}

func noRequest(id int64) error {
	return hoop.Errorf(hoop.CodeNotFound, "there is no request %d", id).WithHint("hoopctl requests lists those you may see")
}
