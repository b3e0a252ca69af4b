package catalog

import (
	"context"
	"errors"
	"fmt"
)

// ErrUnsure is for what a transaction has that could not be read as of one moment.
var ErrUnsure = errors.New("the transaction does not show the catalog as of now, or somebody else is changing it")

// Within reads the catalog as a transaction that is open at ask shows it, with what it has
// changed and not committed. It gives known, which is what others see, where that shows the same.
// What it has written twice bears no mark of that, so the version of another ends in mark, which
// no other answer to the same session may have.
//
// All of it lies in a savepoint that is rolled back, so the transaction is as before, and goes on,
// whether there is an error or not: only if ask itself fails is its state not known. Statements
// of a transaction see each what was committed when they began (READ COMMITTED; manual, "Transaction
// Isolation"), so it is ErrUnsure where the last one shows another catalog than the first one, and in
// transactions of other levels, whose names stand for what is there now while their queries see what was.
func Within(ctx context.Context, ask Ask, known *Snapshot, mark string) (*Snapshot, error) {
	l := newLoader(ask)
	var seen *Snapshot
	err := l.within(ctx, "hoopctl", func() (err error) {
		seen, err = l.seen(ctx, known)
		return err
	})
	if err != nil {
		return nil, err
	}
	if seen != known {
		seen.Version += " " + mark
	}
	return seen, nil
}

func (l *loader) seen(ctx context.Context, known *Snapshot) (*Snapshot, error) {
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	const patience = `select pg_catalog.set_config('statement_timeout', '2000', true), pg_catalog.set_config('lock_timeout', '100', true)`
	if err := l.ask(ctx, patience, discard); err != nil {
		return nil, err
	}
	var level, version string
	if err := l.one(ctx, "select pg_catalog.current_setting('transaction_isolation')", &level); err != nil {
		return nil, err
	}
	if level != "read committed" && level != "read uncommitted" {
		return nil, ErrUnsure
	}
	if err := l.one(ctx, versionQuery, &version); err != nil {
		return nil, fmt.Errorf("look for changes of the catalog: %w", err)
	}
	if version == known.Version {
		return known, nil
	}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	if err := l.one(ctx, versionQuery, &version); err != nil {
		return nil, err
	}
	if version != l.snap.Version { // or there are no definitions of views
		return nil, ErrUnsure
	}
	return l.snap, nil
}
