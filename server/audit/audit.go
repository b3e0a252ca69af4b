// Package audit keeps the gateway's audit log.
//
// An event becomes durable in the journal, where it also gets its index. The journal
// hands it on to the tree of pkg/auditlog, a folder of tiles and entries, and about
// every second a signed checkpoint vouches for what is in the folder by then. A crash
// at any point loses no event that Write has returned for, and no checkpoint ever
// vouches for files that are not durable: the next start goes on exactly where the
// journal ends.
//
// What events say is the business of those who append them.
package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/journal"
)

// Options say where the log is and who vouches for it.
type Options struct {
	Dir     string // of checkpoint, tiles and entries
	Keys    string // folder of the signing key, audit.key; made at first start
	Origin  string // name of the log in its checkpoints, as "gateway.example/audit"; fixed at first start
	Journal *journal.Journal
	// Recordings gives what the log commits to; without it there are no recordings.
	Recordings Recordings
	// Revision is that of the policy in force, which every event names that names none
	// itself; nil: it then names none.
	Revision func() string
	Every    time.Duration        // between two checkpoints of a log that grows; 1 s
	FS       journal.FS           // journal.OS{}
	Now      func() time.Time     // time.Now
	Mono     func() time.Duration // since the start, however the clock is set; Go's monotonic clock
	Log      *slog.Logger         // slog.Default()
}

// Recordings are the sessions' recordings; *record.Recorder is one.
type Recordings interface {
	// Found hashes a recording as it lies there; false where there is none.
	Found(session string) (hoop.Record, bool, error)
	// Raw opens a recording as it is stored, with its size in bytes.
	Raw(ctx context.Context, session string) (io.ReadCloser, int64, error)
}

func (o Options) withDefaults() Options {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.FS == nil {
		o.FS = journal.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		start := time.Now()
		o.Mono = func() time.Duration { return time.Since(start) }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Log is safe for concurrent use.
type Log struct {
	opt      Options
	signer   note.Signer
	verifier note.Verifier
	key      string // of verifier
	derived  []byte // from the signing key: of the MAC of what is derived from the log
	tree     *tree
	buffers  sync.Pool // of *[]byte, for events on their way to the journal

	mu   sync.Mutex // guards down to last; never taken by a consumer's methods
	next int64      // index of the next event
	last journal.Pos

	saving sync.Mutex // one Sync at a time: Close's, or the journal's

	tracking sync.Mutex // guards down to aside; taken while mu is held
	sessions *sessions  // after all events appended; nil until they are known
	aside    *sessions  // as it was at some earlier event, to be saved

	signed atomic.Pointer[[]byte] // the newest checkpoint, as it stands in the folder

	publishing chan struct{} // holds one while a checkpoint is made; guards what follows
	published  auditlog.Checkpoint

	stop chan struct{}
	done chan struct{} // closed by the goroutine that publishes
	once sync.Once
}

// Open opens or creates the log, takes from the journal what a crash kept from the
// folder, checks the folder against its checkpoint, and appends a recovery event for
// each session that began and did not end. Attach the recordings to the journal first.
func Open(opt Options) (*Log, error) {
	opt = opt.withDefaults()
	l := &Log{opt: opt, publishing: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	if err := opt.Journal.Consume(consumer{l}, journal.KindEvent); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	if err := l.checkJournal(); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	l.next = l.tree.size()
	if err := l.recover(); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	go l.run()
	return l, nil
}

// VerifierKey is the log's public key, "name+hash+key" (C2SP signed-note).
func (l *Log) VerifierKey() string { return l.key }

// Size is the number of events appended so far, durable or not.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Append gives the event its place and returns the position in the journal at which it
// is durable. It changes nothing in e; where the time is zero, now is written, where no
// policy is named, the one in force, and what is too long is cut (auditlog.Fit). Errors: hoop.CodeUnrecorded, hoop.CodeTooLarge.
func (l *Log) Append(e *hoop.Event) (journal.Pos, error) {
	e = l.complete(e)
	mem, ok := l.buffers.Get().(*[]byte)
	if !ok {
		mem = new([]byte)
	}
	defer l.buffers.Put(mem)
	fitting := auditlog.Fit(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	// With its place, not before: a verifier wants the clock in order.
	fitting.Mono = max(l.opt.Mono().Nanoseconds(), 1)
	b, err := auditlog.AppendEvent(append((*mem)[:0], make([]byte, indexBytes)...), fitting)
	if err != nil {
		return 0, err
	}
	*mem = b
	binary.BigEndian.PutUint64(b, uint64(l.next))
	pos, err := l.opt.Journal.Append(journal.KindEvent, b)
	if err != nil {
		return 0, err
	}
	l.next++
	l.last = pos
	l.tracking.Lock()
	l.sessions.track(e)
	l.tracking.Unlock()
	return pos, nil
}

// complete gives an event the time and the policy that it lacks, in a copy.
func (l *Log) complete(e *hoop.Event) *hoop.Event {
	c := *e
	if c.Time.IsZero() {
		c.Time = l.opt.Now().UTC()
	}
	if e.Policy == "" && l.opt.Revision != nil {
		c.Policy = l.opt.Revision()
	}
	return &c
}

// Write appends the event and returns when it is durable. Errors: hoop.CodeUnrecorded,
// hoop.CodeTooLarge, or the cause of ctx; after the latter the event is in the log.
func (l *Log) Write(ctx context.Context, e *hoop.Event) error {
	pos, err := l.Append(e)
	if err != nil {
		return err
	}
	return l.opt.Journal.Wait(ctx, pos)
}

// Checkpoint gives the newest checkpoint, as it stands in the folder.
func (l *Log) Checkpoint() []byte {
	return *l.signed.Load()
}

// lock waits until no other checkpoint is made; not where the journal has failed, since
// the disk may never answer to the one that is.
func (l *Log) lock() error {
	select {
	case l.publishing <- struct{}{}:
		return nil
	case <-l.opt.Journal.Broken():
		return l.opt.Journal.Failed()
	}
}

func (l *Log) unlock() { <-l.publishing }

// Close signs a last checkpoint over all events. Close the journal afterwards. It does not
// wait for a disk that stalls: the journal has failed then, and that error is returned.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.stop) })
	select {
	case <-l.done:
	case <-l.opt.Journal.Broken():
	}
	if err := l.settle(context.Background()); err != nil {
		return fmt.Errorf("close audit log: %w", err)
	}
	if err := (consumer{l}).Sync(); err != nil {
		return fmt.Errorf("close audit log: %w", err)
	}
	return nil
}

// settle waits until every event appended so far is durable and in the tree.
func (l *Log) settle(ctx context.Context) error {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if err := l.opt.Journal.Wait(ctx, last); err != nil {
		return err
	}
	return l.opt.Journal.Applied(ctx, last)
}

// run publishes a checkpoint from time to time.
func (l *Log) run() {
	defer close(l.done)
	t := time.NewTicker(l.opt.Every)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.opt.Journal.Broken():
			return
		case <-t.C:
			if l.publish() != nil {
				return // the journal has failed
			}
		}
	}
}

// consumer is the journal's view of the log.
type consumer struct{ l *Log }

var errPayload = errors.New("not a record of an event")

// indexBytes: a record is the event's index, 8B big-endian, and its canonical bytes.
const indexBytes = 8

// Apply implements journal.Consumer.
func (c consumer) Apply(_ journal.Kind, _ journal.Pos, payload []byte) error {
	if len(payload) < indexBytes {
		return errPayload
	}
	return c.l.tree.add(int64(binary.BigEndian.Uint64(payload)), payload[indexBytes:])
}

// Sync implements journal.Consumer.
func (c consumer) Sync() error {
	c.l.saving.Lock()
	defer c.l.saving.Unlock()
	if err := c.l.publish(); err != nil {
		return fmt.Errorf("publish checkpoint: %w", err)
	}
	if err := c.l.anchor(); err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	return c.l.saveSessions()
}
