// Package journal is the gateway's one write-ahead file: what happened, in order,
// before it is told.
//
// Append copies a record into a batch in memory and gives it its position. One
// goroutine writes the batch with one write, makes it durable with one fsync and wakes
// all who wait for it; a second hands each durable record, in order, to the consumer
// of its kind: the audit log's tree, the files of the recordings. A crash loses
// nothing that Wait has returned for: the next Open finds it, and Consume gives it to
// the consumers again.
//
// The journal fails closed, and for good. A write or an fsync that fails or takes
// longer than Options.Timeout, or a consumer that cannot keep up or write, makes every
// later Append and Wait return a *hoop.Error with hoop.CodeUnrecorded. After an
// fsync has failed, nothing is known about what reached the disk (PostgreSQL wiki,
// "Fsync Errors"), so it is never tried again; the next start reads what is there.
//
// What records mean is their consumers' business; encryption is too.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Options say how a journal works; the zero value is fit for use.
type Options struct {
	SyncEvery    time.Duration // the window: how old a record that is not durable may be, see Recent; 50 ms
	Timeout      time.Duration // how long a write, an fsync or a consumer may take before the journal fails; 10 s
	SegmentBytes int64         // a file that is larger is followed by the next; 32 MiB
	BatchBytes   int           // records not yet durable, above which Append blocks; 4 MiB
	FS           FS            // OS{}
	Log          *slog.Logger  // slog.Default()
}

func (o Options) withDefaults() Options {
	if o.SyncEvery <= 0 {
		o.SyncEvery = 50 * time.Millisecond
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 32 << 20
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 4 << 20
	}
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// batch is what one write and one fsync make durable.
type batch struct {
	base   Pos
	since  int64         // by clock, when its first record was appended
	buf    []byte        // a mark, then frames; empty when there are none
	done   chan struct{} // made for the first who waits; closed when durable or failed
	wanted bool          // somebody waits: do not wait for the timer
}

// Journal is safe for concurrent use.
type Journal struct {
	dir   string
	opt   Options
	codec frameCodec

	mu       sync.Mutex // guards down to segments
	room     sync.Cond  // the batch was taken, or the journal failed or closed
	current  *batch     // filling
	flying   *batch     // being written; nil between batches
	spare    []*batch   // of earlier rounds, for reuse
	durable  Pos
	applied  Pos
	advanced chan struct{} // made for the first who waits for applied; closed when it moves
	closed   bool
	err      error
	segments []segment // oldest first; the last is being written

	wake   chan struct{} // a batch is wanted, large, or the last
	timer  *time.Timer   // half of SyncEvery after the first record of a batch
	born   time.Time     // of this value: see clock
	oldest atomic.Int64  // by clock, when the oldest record that is not durable was appended; 0 for none
	broken chan struct{} // closed by fail
	fresh  bool          // Open found no segment

	// The writer's own.
	file    File
	number  int
	written chan struct{} // closed by the writer when it ends
	queue   chan *batch   // durable batches for the applier; closed by the writer

	delivery  sync.Mutex // guards down to seen: one record is delivered at a time
	byKind    map[Kind]Consumer
	consumers []Consumer
	seen      map[Kind]bool // kinds that segments hold
	drained   chan struct{} // closed by the applier when it ends
}

// Append adds a record made of parts, which it copies, and returns the position to
// Wait for. Records are ordered as Append returns. It blocks while too much is not yet
// durable, for at most the time-out. Errors: hoop.CodeUnrecorded, hoop.CodeTooLarge.
func (j *Journal) Append(kind Kind, parts ...[]byte) (Pos, error) {
	n := frameBytes
	for _, p := range parts {
		n += len(p)
	}
	if n > MaxRecord {
		return 0, hoop.Errorf(hoop.CodeTooLarge, "a record of %d bytes is more than the journal takes", n)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.err == nil && !j.closed && len(j.current.buf) > 0 && len(j.current.buf)+n > j.opt.BatchBytes {
		j.push()
		j.room.Wait()
	}
	if err := j.refusal(); err != nil {
		return 0, err
	}
	b := j.current
	if len(b.buf) == 0 {
		b.buf = j.codec.appendMark(b.buf, b.base)
		j.timer.Reset(j.opt.SyncEvery / 2)
		if b.since = j.clock(); j.flying == nil {
			j.oldest.Store(b.since)
		}
	}
	b.buf = j.codec.append(b.buf, b.base+Pos(len(b.buf)), kind, parts...)
	if len(b.buf) >= eager {
		j.push()
	}
	return b.base + Pos(len(b.buf)), nil
}

// eager is the size of a batch, in bytes, that is written without waiting for the timer:
// large writes cost no more per byte than larger ones.
const eager = 1 << 20

// Wait returns when the record that Append gave pos for is durable, together with all
// before it. All that wait share one fsync. Errors: hoop.CodeUnrecorded, or the cause
// of ctx.
func (j *Journal) Wait(ctx context.Context, pos Pos) error {
	j.mu.Lock()
	if pos <= j.durable {
		j.mu.Unlock()
		return nil
	}
	if j.err != nil {
		defer j.mu.Unlock()
		return j.err
	}
	b := j.flying
	if b == nil || pos > j.current.base {
		b = j.current
		if pos > b.base+Pos(len(b.buf)) {
			j.mu.Unlock()
			return fmt.Errorf("wait for position %d: nothing was appended there", pos)
		}
		if !b.wanted {
			b.wanted = true
			j.push()
		}
	}
	if b.done == nil {
		b.done = make(chan struct{})
	}
	done := b.done
	j.mu.Unlock()

	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("wait for the record: %w", context.Cause(ctx))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if pos <= j.durable {
		return nil
	}
	return j.err
}

// Recent is for whoever need not wait for a record of their own. It returns at once while
// every record that is not durable was appended within Options.SyncEvery, and otherwise
// when that is so again: what goes on without waiting is never further ahead of the disk,
// however slow that is. Errors: as Wait.
func (j *Journal) Recent(ctx context.Context) error {
	for {
		since := j.oldest.Load()
		if since == 0 || j.clock()-since <= int64(j.opt.SyncEvery) {
			return nil
		}
		j.mu.Lock()
		b := j.flying
		if b == nil {
			b = j.current
		}
		pos := b.base + Pos(len(b.buf))
		j.mu.Unlock()
		if err := j.Wait(ctx, pos); err != nil {
			return err
		}
	}
}

// clock is the time since the journal was opened, in nanoseconds; never 0.
func (j *Journal) clock() int64 { return int64(time.Since(j.born)) + 1 }

// Failed returns why the journal refuses everything, nil while it does not.
func (j *Journal) Failed() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Fresh reports whether Open found no journal, and began one.
func (j *Journal) Fresh() bool { return j.fresh }

// Broken is closed when the journal fails.
func (j *Journal) Broken() <-chan struct{} { return j.broken }

// Durable is the position up to which all is durable.
func (j *Journal) Durable() Pos {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable
}

// Fail makes the journal refuse everything from now on. It is for consumers that find
// between two records that they cannot write; the first cause is kept.
func (j *Journal) Fail(cause error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return
	}
	j.err = unrecorded(cause)
	close(j.broken)
	for _, b := range []*batch{j.current, j.flying} {
		if b != nil && b.done != nil {
			close(b.done)
			b.done = nil
		}
	}
	j.room.Broadcast()
	j.moved()
	j.opt.Log.Error("journal: failed; nothing runs until the gateway is started again", "error", cause)
}

// Close makes all records durable, hands them to the consumers, has these sync, and
// ends. It does not wait for a disk that stalls: the journal has failed then, and that
// error is returned.
func (j *Journal) Close() error {
	j.mu.Lock()
	already := j.closed
	j.closed = true
	j.room.Broadcast()
	j.push()
	j.mu.Unlock()
	if already {
		return nil
	}
	select {
	case <-j.drained:
	case <-j.broken:
	}
	if err := j.Failed(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// push has the writer take the current batch; it never blocks.
func (j *Journal) push() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// refusal is why no record is taken. The caller holds mu.
func (j *Journal) refusal() error {
	if j.err != nil {
		return j.err
	}
	if j.closed {
		return unrecorded(errClosed)
	}
	return nil
}

var errClosed = errors.New("journal is closed")

func unrecorded(cause error) *hoop.Error {
	return &hoop.Error{
		Code:    hoop.CodeUnrecorded,
		Message: "the gateway cannot record, so nothing runs",
		Hint:    "ask an administrator to look at the gateway's log and disk, and to start it again",
		Err:     cause,
	}
}
