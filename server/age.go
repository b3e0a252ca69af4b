package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/store"
)

// memory is what a gateway keeps of its store's age, beside the log: in a store that was put
// back from a copy grants are in force again that were revoked since, and copies of protected
// data are protected no more. Whoever runs a gateway on one says so, and that is in the log.
type memory struct {
	fs   journal.FS
	file string
	db   *store.Store
	log  *slog.Logger

	seen     store.Age
	saved    store.Age
	saving   store.Age
	written  chan error // of the write that is under way; nil: none is
	accepted error      // what whoever started the gateway knows; nil: nothing is wrong
	failed   bool       // the last look failed, and the log says so
}

// ageEvery is how long it may go unnoticed that a store is older than it was, and how much a
// kill of the gateway may have it forget.
const ageEvery = time.Second

const acceptHint = "put the newest copy back; or start once with --accept-store, and revoke and disable anew what the audit log has"

// recall compares the store with what this gateway knows of it. Where accept says so, one that
// is older, or another, is taken as it is.
func recall(ctx context.Context, fsys journal.FS, file string, db *store.Store, accept bool, log *slog.Logger) (*memory, error) {
	m := &memory{fs: fsys, file: file, db: db, log: log}
	var err error
	if m.seen, err = db.Age(ctx); err != nil {
		return nil, err
	}
	b, err := journal.ReadFile(fsys, file)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the first start, or the first of this version
		return m, nil
	case err != nil:
		return nil, fmt.Errorf("read what is known of the store: %w", err)
	}
	if json.Unmarshal(b, &m.saved) != nil || m.saved.Store == "" {
		err = hoop.Errorf(hoop.CodeConflict, "%s is damaged, so it is not known whether the store is as this gateway left it", file).WithHint(acceptHint)
	} else {
		err = older(m.saved, m.seen)
	}
	if err != nil && !accept {
		return nil, err
	}
	m.accepted = err
	return m, nil
}

// older is an error where a store cannot have come from was to is.
func older(was, is store.Age) error {
	switch {
	case is.Store != was.Store:
		return hoop.Errorf(hoop.CodeConflict, "the store is another one than this gateway had: what was revoked, used up, ended, disabled or protected there is not known here").
			WithHint(acceptHint)
	case is.Steps < was.Steps:
		return hoop.Errorf(hoop.CodeConflict,
			"the store was put back from a copy: it has made %d steps, and had made %d when this gateway last saw it. What was revoked, used up, ended or disabled since is in force again, and what was protected is not", is.Steps, was.Steps).
			WithHint(acceptHint)
	}
	return nil
}

// event says which store the gateway begins with, in the event of the start; what was wrong
// with it and is accepted is an alert behind that.
func (m *memory) event(start *hoop.Event) (alert *hoop.Event) {
	start.Details = append(start.Details, hoop.Detail{Name: "store", Value: fmt.Sprintf("%s, %d steps", m.seen.Store, m.seen.Steps)})
	if m.accepted == nil {
		return nil
	}
	return &hoop.Event{
		Time: start.Time, Type: hoop.EventAlert, Subject: gatewayItself, Policy: start.Policy, Text: "a store was accepted that is not as the gateway left it",
		Reason: hoop.AsError(m.accepted).Message, Details: []hoop.Detail{{Name: "operator", Value: operator()}},
	}
}

// settle makes durable with which store the gateway begins, once that is in the log. One that is
// older than it was has another name from then on, so that other gateways, which are not told
// so by its steps any more some day, ask whether it is accepted as well.
func (m *memory) settle(ctx context.Context) (err error) {
	if m.accepted != nil && m.saved.Store == m.seen.Store {
		if m.seen, err = m.db.NameAnew(ctx, m.seen); err != nil {
			return err
		}
	}
	return m.save(ctx)
}

// look has another look at the store, and remembers how far it has come.
func (m *memory) look(ctx context.Context) error {
	is, err := m.db.Age(ctx)
	if err == nil {
		err = older(m.seen, is)
	}
	if err != nil && hoop.AsError(err).Code == hoop.CodeConflict {
		return err
	}
	if err == nil {
		m.seen = is
		err = m.save(ctx)
	}
	if err != nil && !m.failed && ctx.Err() == nil {
		m.log.WarnContext(ctx, "how far the store has come is not remembered", "error", err)
	}
	m.failed = err != nil
	return nil
}

// save makes what was seen of the store durable, where it is more than before. A disk may
// stall: ctx bounds the wait for it, and there is one write at a time.
func (m *memory) save(ctx context.Context) error {
	if m.written == nil {
		if m.saved == m.seen {
			return nil
		}
		b, err := json.Marshal(m.seen)
		if err != nil {
			return err
		}
		written := make(chan error, 1)
		go func() { written <- journal.WriteFile(m.fs, m.file, b) }()
		m.written, m.saving = written, m.seen
	}
	select {
	case err := <-m.written:
		m.written = nil
		if err != nil {
			return fmt.Errorf("remember the store's age: %w", err)
		}
		m.saved = m.saving
		return nil
	case <-ctx.Done():
		return fmt.Errorf("remember the store's age: the disk does not answer: %w", ctx.Err())
	}
}

// watch looks at the store until ctx ends; its error is that the store is older than it was.
func (m *memory) watch(ctx context.Context) error {
	t := time.NewTicker(ageEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := m.look(ctx); err != nil {
				return err
			}
		}
	}
}
