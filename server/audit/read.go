package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/siem"
	"github.com/hoopctl/hoopctl/server/journal"
)

var errCut = errors.New("its bundle is cut short")

// Entry is an event with its place.
type Entry struct {
	Index int64
	Raw   []byte // canonical bytes, valid until the next entry
	Event *hoop.Event
}

// Settle returns when every event appended so far is durable, and Events gives it.
func (l *Log) Settle(ctx context.Context) error { return l.settle(ctx) }

// Grown returns when the log has an event of this index, or ctx ends.
func (l *Log) Grown(ctx context.Context, index int64) {
	const look = 200 * time.Millisecond
	t := time.NewTicker(look)
	defer t.Stop()
	for l.tree.size() <= index {
		select {
		case <-ctx.Done():
			return
		case <-l.stop:
			return
		case <-t.C:
		}
	}
}

// settleTime is how long those who watch wait for what is on its way to a slow disk.
const settleTime = time.Second

// Entries is Events for those who watch: what happened before they asked is among it,
// unless the disk is slow to take it. Then it comes later.
func (l *Log) Entries(ctx context.Context, from int64) iter.Seq2[siem.Entry, error] {
	return func(yield func(siem.Entry, error) bool) {
		settled, cancel := context.WithTimeout(ctx, settleTime)
		_ = l.settle(settled)
		cancel()
		for e, err := range l.Events(ctx, from) {
			if !yield(siem.Entry{Index: e.Index, Event: e.Event}, err) {
				return
			}
		}
	}
}

// Events gives the events from index from on, as far as they are durable when the loop
// comes to its end. The first error ends it.
func (l *Log) Events(ctx context.Context, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		index := max(from, 0)
		named := func(n int64, err error) error {
			return fmt.Errorf("%s: event %d: %w", auditlog.EntriesPath(n/auditlog.TileWidth, auditlog.TileWidth), n, err)
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, context.Cause(ctx))
				return
			}
			first, bundle, err := l.tree.entries(index)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			before := index
			for n := first; len(bundle) > 0; n++ {
				e := Entry{Index: n}
				if e.Raw, bundle, err = auditlog.NextEntry(bundle); err != nil {
					yield(Entry{}, named(n, err))
					return
				}
				if n < index {
					continue
				}
				if e.Event, err = auditlog.Decode(e.Raw); err != nil {
					yield(Entry{}, named(n, err))
					return
				}
				if !yield(e, nil) {
					return
				}
				index++
			}
			if index >= l.tree.size() {
				return
			}
			if index == before {
				yield(Entry{}, named(index, errCut))
				return
			}
		}
	}
}

// entries gives the bundle that holds index, from its first entry on; empty when index
// is the tree's size.
func (t *tree) entries(index int64) (first int64, bundle []byte, err error) {
	t.mu.Lock()
	size := t.edge.Size()
	n := index / auditlog.TileWidth
	if full, _ := auditlog.Widths(size, 0); n >= full {
		bundle = append([]byte(nil), t.bundle...)
		t.mu.Unlock()
		if index >= size {
			bundle = nil
		}
		return n * auditlog.TileWidth, bundle, nil
	}
	t.mu.Unlock()
	path := auditlog.EntriesPath(n, auditlog.TileWidth)
	bundle, err = journal.ReadFile(t.fs, filepath.Join(t.dir, path))
	if err != nil {
		return 0, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return n * auditlog.TileWidth, bundle, nil
}
