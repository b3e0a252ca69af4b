package journal

import (
	"context"
	"fmt"
)

// A Consumer keeps records of its kinds elsewhere. Its methods are called one at a
// time. An error fails the journal: what cannot be kept must not be told.
type Consumer interface {
	// Apply takes one durable record, whose end is at pos. Records come in order, and
	// after a start again from some earlier one on, so a record may come twice. The
	// payload is valid until Apply returns.
	Apply(kind Kind, pos Pos, payload []byte) error
	// Sync makes durable all that was applied; the journal then forgets it.
	Sync() error
}

// Consume attaches the consumer of kinds and gives it, before it returns, every record
// of theirs that the journal still holds. Attach all consumers before the first
// Append. Segments that hold records of a kind without a consumer are kept.
func (j *Journal) Consume(c Consumer, kinds ...Kind) error {
	j.delivery.Lock()
	defer j.delivery.Unlock()
	mine := make(map[Kind]bool, len(kinds))
	for _, k := range kinds {
		if j.byKind[k] != nil {
			return fmt.Errorf("journal: records of kind %d have a consumer already", k)
		}
		mine[k] = true
	}
	if err := j.replay(c, mine); err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	for k := range mine {
		j.byKind[k] = c
	}
	j.consumers = append(j.consumers, c)
	return nil
}

// replay gives c what segments hold of its kinds, up to the applied position: the
// applier brings what comes after. The caller holds delivery.
func (j *Journal) replay(c Consumer, kinds map[Kind]bool) error {
	j.mu.Lock()
	segments, applied := append([]segment(nil), j.segments...), j.applied
	j.mu.Unlock()
	for _, s := range segments {
		if s.base >= applied {
			break
		}
		name := segmentName(j.dir, s.number)
		b, err := ReadFile(j.opt.FS, name)
		if err != nil {
			return err
		}
		body := b[min(headerBytes, len(b)):]
		body = body[:min(int64(len(body)), s.size, int64(applied-s.base))]
		size, err := j.codec.scan(body, s.base, func(kind Kind, pos Pos, payload []byte) error {
			if !kinds[kind] {
				return nil
			}
			return c.Apply(kind, pos, payload)
		})
		if err != nil {
			return err
		}
		if size < min(s.size, int64(applied-s.base)) {
			return &CorruptError{File: name, Offset: headerBytes + size, What: "a record changed since the journal was opened"}
		}
	}
	return nil
}

// Applied returns when the consumers were given all up to pos.
func (j *Journal) Applied(ctx context.Context, pos Pos) error {
	for {
		j.mu.Lock()
		if j.applied >= pos {
			j.mu.Unlock()
			return nil
		}
		if j.err != nil {
			defer j.mu.Unlock()
			return j.err
		}
		if j.advanced == nil {
			j.advanced = make(chan struct{})
		}
		advanced := j.advanced
		j.mu.Unlock()
		select {
		case <-advanced:
		case <-ctx.Done():
			return fmt.Errorf("wait for the journal's consumers: %w", context.Cause(ctx))
		}
	}
}

// moved wakes those in Applied. The caller holds mu.
func (j *Journal) moved() {
	if j.advanced != nil {
		close(j.advanced)
		j.advanced = nil
	}
}

// apply is the applier: it gives each durable batch to the consumers, and has them
// sync when the journal ends.
func (j *Journal) apply() {
	defer close(j.drained)
	for b := range j.queue {
		if err := j.deliver(b); err != nil {
			j.Fail(err)
			return
		}
	}
	<-j.written
	if j.Failed() != nil {
		return
	}
	if err := j.finish(); err != nil {
		j.Fail(err)
	}
}

// deliver gives one batch to the consumers and frees the segments they are done with.
func (j *Journal) deliver(b *batch) error {
	j.delivery.Lock()
	defer j.delivery.Unlock()
	_, err := j.codec.scan(b.buf, b.base, func(kind Kind, pos Pos, payload []byte) error {
		j.seen[kind] = true
		if c := j.byKind[kind]; c != nil {
			return c.Apply(kind, pos, payload)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("apply journal: %w", err)
	}
	j.mu.Lock()
	j.applied = b.base + Pos(len(b.buf))
	j.moved()
	j.recycle(b)
	j.mu.Unlock()
	return j.retire()
}

// maxSpare is how many batches are under way at once: one fills, one is written, one
// waits for the applier and one is with it.
const maxSpare = 4

// recycle keeps a batch's memory for the next one, unless that was a rare large one.
// The caller holds mu.
func (j *Journal) recycle(b *batch) {
	if len(j.spare) < maxSpare && cap(b.buf) <= 2*eager {
		*b = batch{buf: b.buf[:0]}
		j.spare = append(j.spare, b)
	}
}

// retire removes the segments whose records all consumers have synced; the one being
// written stays. The caller holds delivery.
func (j *Journal) retire() error {
	j.mu.Lock()
	n := 0
	for n < len(j.segments)-1 && j.segments[n].end() <= j.applied {
		n++
	}
	old := append([]segment(nil), j.segments[:n]...)
	j.mu.Unlock()
	for kind := range j.seen {
		if j.byKind[kind] == nil {
			return nil
		}
	}
	if n == 0 {
		return nil
	}
	if err := j.syncConsumers(); err != nil {
		return err
	}
	for _, s := range old {
		// One at a time: a gap must never be left by a crash.
		if err := j.opt.FS.Remove(segmentName(j.dir, s.number)); err != nil {
			return fmt.Errorf("remove journal segment: %w", err)
		}
		if err := j.opt.FS.SyncDir(j.dir); err != nil {
			return fmt.Errorf("remove journal segment: %w", err)
		}
	}
	j.mu.Lock()
	j.segments = j.segments[n:]
	j.mu.Unlock()
	return nil
}

func (j *Journal) syncConsumers() error {
	for _, c := range j.consumers {
		if err := c.Sync(); err != nil {
			return fmt.Errorf("sync what is kept from the journal: %w", err)
		}
	}
	return nil
}

// finish ends a journal that was closed.
func (j *Journal) finish() error {
	j.delivery.Lock()
	defer j.delivery.Unlock()
	if err := j.syncConsumers(); err != nil {
		return err
	}
	return j.file.Close()
}
