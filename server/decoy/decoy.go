// Package decoy knows where the columns of decoys are, whatever they are called by now: who may
// rename a table or a column takes no decoy out of sight by that.
//
// It knows neither values nor statements. Where a name leads to is the catalog's to say, what a
// decoy is good for the session's. What it has found is in a Store, which outlives the gateway
// and which several share.
package decoy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Store keeps documents by name.
type Store interface {
	// Counts reads documents, nil for what is not there, and tells the time that counts.
	Counts(ctx context.Context, names []string) (found [][]byte, now time.Time, err error)
	// UpdateCounts changes documents, all or none, while nobody else does. until is when
	// they may be forgotten.
	UpdateCounts(ctx context.Context, names []string, step func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error)) error
}

// Columns tells where columns are in a database, and what they are called.
type Columns interface {
	Place(hoop.ColumnRef) (hoop.ColumnID, bool)
	Named(hoop.ColumnID) (hoop.ColumnRef, bool)
}

// Key names one decoy's column.
type Key struct {
	Target, Database string
	Column           hoop.ColumnRef // as it is declared
}

// Change is something that became of a decoy's column since anybody looked last.
type Change struct {
	How string         // renamed, replaced or dropped
	Now hoop.ColumnRef // of renamed: what it is called
}

// Keeper remembers. It is safe for concurrent use. Its errors are those of the store.
type Keeper struct{ store Store }

// New makes a Keeper on store.
func New(store Store) *Keeper { return &Keeper{store} }

// Limits of what is remembered.
const (
	maxPlaces = 16 // of a decoy: it is declared by name, so each table of that name had it
	years     = 10 * 365 * 24 * time.Hour
)

// Follow gives the places of a decoy in the database that in tells of, which everybody sees:
// where its name leads now, and where it led before, as long as that is there. Each change is told once, to
// one of those who ask.
func (k *Keeper) Follow(ctx context.Context, key Key, in Columns) ([]hoop.ColumnID, []Change, error) {
	name := key.name()
	found, _, err := k.store.Counts(ctx, []string{name})
	if err != nil {
		return nil, nil, fmt.Errorf("read the places of a decoy: %w", err)
	}
	known, err := read(found[0])
	if err != nil {
		return nil, nil, err
	}
	if now, _ := known.follow(key.Column, in); slices.Equal(now, known) {
		return now.places(), nil, nil
	}
	var now seen
	var changes []Change
	err = k.store.UpdateCounts(ctx, []string{name}, func(at time.Time, found [][]byte) ([][]byte, time.Time, error) {
		known, err := read(found[0])
		if err != nil {
			return nil, at, err
		}
		now, changes = known.follow(key.Column, in)
		doc, err := json.Marshal(now)
		return [][]byte{doc}, at.Add(years), err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store the places of a decoy: %w", err)
	}
	return now.places(), changes, nil
}

func (k Key) name() string {
	b, err := json.Marshal([]string{"decoy", k.Target, k.Database, k.Column.String()})
	if err != nil {
		panic(err) // strings: cannot happen
	}
	return string(b)
}

// place is one, and what the column was called there when it was looked at last.
type place struct {
	ID hoop.ColumnID `json:"id"`
	hoop.ColumnRef
}

// seen are the places of a decoy, those that were found first coming first.
type seen []place

func read(doc []byte) (s seen, err error) {
	if len(doc) > 0 {
		err = json.Unmarshal(doc, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the places of a decoy: %w", err)
	}
	return s, nil
}

func (s seen) places() (all []hoop.ColumnID) {
	for _, p := range s {
		all = append(all, p.ID)
	}
	return all
}

// follow gives what is seen of a column in the database now, and what changed.
func (s seen) follow(declared hoop.ColumnRef, in Columns) (now seen, changes []Change) {
	gone := false
	for _, p := range s {
		name, there := in.Named(p.ID)
		if gone = gone || !there; !there {
			continue
		}
		if name != p.ColumnRef && name != declared {
			changes = append(changes, Change{How: "renamed", Now: name})
		}
		now = append(now, place{p.ID, name})
	}
	p, there := in.Place(declared)
	if there && !slices.ContainsFunc(now, func(other place) bool { return other.ID == p }) {
		if now = append(now, place{p, declared}); len(s) > 0 {
			changes = append(changes, Change{How: "replaced"})
		}
	}
	if gone && len(now) == 0 {
		changes = append(changes, Change{How: "dropped"})
	}
	return now[max(0, len(now)-maxPlaces):], changes
}
