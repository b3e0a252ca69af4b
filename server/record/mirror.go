package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Object is what a Store has.
type Object struct {
	Name string
	Size int64
}

// Store keeps parts of recordings elsewhere; objects.Store is one. A part is put once
// and never changed.
type Store interface {
	// Put keeps data under name, durable when it returns, and as keep says where the store
	// can enforce that. The same again is no error.
	Put(ctx context.Context, name string, data []byte, keep Keep) error
	List(ctx context.Context, prefix string) ([]Object, error) // sorted by name
	// Get reads a part from an offset on, which lies in it.
	Get(ctx context.Context, name string, from int64) (io.ReadCloser, error)
	// Delete removes all whose names begin with prefix, older versions of them too. What the
	// store must keep stays, and is an error.
	Delete(ctx context.Context, prefix string) error
	// Hold sets or lifts a legal hold on all whose names begin with prefix, where the store
	// knows holds.
	Hold(ctx context.Context, prefix string, on bool) error
}

// Keep says how long a part must stay.
type Keep struct {
	Until time.Time
	Held  bool // and longer, for as long as the legal hold lasts
}

const (
	partBytes  = 8 << 20         // the most of a part
	partAge    = 5 * time.Second // a part is sent when it is this old, however small
	spoolBytes = 10 << 30        // what may wait for the store
)

// part names the part of a recording that begins at an offset; names sort as offsets.
func part(session string, at int64) string { return fmt.Sprintf("%s/%020d", session, at) }

// mirror copies recordings to a store while they grow, and removes the local copy of
// one that has ended and is there whole. What waits is bounded: beyond, sessions are
// refused rather than recorded where nobody keeps it.
type mirror struct {
	recorder *Recorder
	store    Store
	keep     func(target string) time.Duration
	now      func() time.Time
	limit    int64

	behind atomic.Int64 // bytes that the store does not have
	full   atomic.Bool

	holds *holds

	mu    sync.Mutex
	state map[string]*mirrored

	stop chan struct{}
	done chan struct{}
	once sync.Once
}

// mirrored is what is known of one local recording.
type mirrored struct {
	sent  int64 // bytes that the store has
	known bool  // sent was asked for
	since time.Time
	until time.Time // retention, by the recording's header
}

// Mirror keeps recordings in store: from now on, and those that are there. every is how
// often files are looked at (1 s), spool how many bytes may wait (10 GiB), keep for how
// long recordings of a target are kept. Call it before the first session, once; Close
// ends it.
func (r *Recorder) Mirror(store Store, every time.Duration, spool int64, keep func(target string) time.Duration) {
	if every <= 0 {
		every = time.Second
	}
	if spool <= 0 {
		spool = spoolBytes
	}
	m := &mirror{
		recorder: r, store: store, keep: keep, now: r.opt.Now, limit: spool,
		holds: newHolds(), state: make(map[string]*mirrored), stop: make(chan struct{}), done: make(chan struct{}),
	}
	r.mirror = m
	go m.run(every)
}

// Close stops copying to a store; what was not copied is copied after the next start.
func (r *Recorder) Close() error {
	if m := r.mirror; m != nil {
		m.once.Do(func() { close(m.stop) })
		<-m.done
	}
	return nil
}

// CopyAll copies what the store does not have yet, and gives the first error.
func (r *Recorder) CopyAll(ctx context.Context) error {
	if r.mirror == nil {
		return nil
	}
	return r.mirror.pass(ctx, true)
}

// spooled refuses where too much waits for the store.
func (r *Recorder) spooled() error {
	if m := r.mirror; m != nil && m.full.Load() {
		return hoop.Errorf(hoop.CodeUnrecorded, "%d MB of recordings wait for the object store, which is as much as may", m.behind.Load()>>20).
			WithHint("the gateway's log says why the store cannot be reached; what waits is sent once it can")
	}
	return nil
}

func (m *mirror) run(every time.Duration) {
	defer close(m.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-m.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	failing := false
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		err := m.pass(ctx, false)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			m.recorder.opt.Log.Error("recordings: the object store cannot be written; they wait on this machine", "error", err)
		case err == nil && failing:
			m.recorder.opt.Log.Info("recordings: the object store has caught up")
		}
		failing = err != nil
		select {
		case <-m.stop:
			return
		case <-t.C:
		}
	}
}

// pass looks at every local recording. All sends also what is neither large nor old.
func (m *mirror) pass(ctx context.Context, all bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.recorder.opt.Journal.Applied(ctx, m.recorder.opt.Journal.Durable()); err != nil {
		return err
	}
	ids, err := m.recorder.local()
	if err != nil {
		return err
	}
	var errs error
	behind := int64(0)
	for _, id := range ids {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left, err := m.one(ctx, id, all, errs == nil)
		behind += left
		if err != nil && errs == nil {
			errs = fmt.Errorf("recording %s: %w", id, err)
		}
	}
	m.behind.Store(behind)
	m.full.Store(behind > m.limit)
	// Last, and whatever went wrong before: neither waits for the other.
	return errors.Join(errs, m.tellHolds(ctx))
}

// one sends what is due of one recording and gives the bytes that the store lacks. With
// send false it only counts: the store has failed in this pass already.
func (m *mirror) one(ctx context.Context, id string, all, send bool) (left int64, err error) {
	s := m.state[id]
	if s == nil {
		s = &mirrored{since: m.now()}
		m.state[id] = s
	}
	// Live is asked before the size: one that ends in between is looked at again.
	live := m.recorder.isLive(id)
	raw, size, err := m.recorder.localRaw(ctx, id)
	if err != nil {
		return 0, err
	}
	defer func() { _ = raw.Close() }()
	if !send {
		return size - s.sent, nil
	}
	if !s.known {
		if err := m.ask(ctx, id, s, size); err != nil {
			return size, err
		}
	}
	for s.sent < size {
		n := min(size-s.sent, partBytes)
		if n < partBytes && live && !all && m.now().Sub(s.since) < partAge {
			return size - s.sent, nil
		}
		if err := m.send(ctx, id, s, raw, n); err != nil {
			return size - s.sent, err
		}
		s.since = m.now()
	}
	if live {
		return 0, nil
	}
	// It has ended, and the store has all of it.
	if err := m.recorder.files.forget(id); err != nil {
		return 0, err
	}
	delete(m.state, id)
	return 0, nil
}

// ask finds how much of a recording the store has.
func (m *mirror) ask(ctx context.Context, id string, s *mirrored, size int64) error {
	sent, err := m.length(ctx, id)
	if err != nil {
		return err
	}
	if sent > size {
		return fmt.Errorf("the store has %d bytes of it, this machine %d: it was changed", sent, size)
	}
	s.sent, s.known = sent, true
	return nil
}

// length is how many bytes of a recording the store has without a gap.
func (m *mirror) length(ctx context.Context, id string) (int64, error) {
	parts, err := m.store.List(ctx, id+"/")
	if err != nil {
		return 0, err
	}
	var at int64
	for _, p := range parts {
		if p.Name != part(id, at) {
			return 0, fmt.Errorf("the store has the part %s where %s should be", p.Name, part(id, at))
		}
		at += p.Size
	}
	return at, nil
}

func (m *mirror) send(ctx context.Context, id string, s *mirrored, raw io.ReaderAt, n int64) error {
	if s.until.IsZero() {
		target, began, err := m.recorder.headerOf(raw)
		if err != nil {
			return err
		}
		if began.IsZero() {
			began = m.now()
		}
		s.until = began.Add(m.keep(target))
	}
	data := make([]byte, n)
	if _, err := raw.ReadAt(data, s.sent); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h := m.holds.get(id)
	err := m.store.Put(ctx, part(id, s.sent), data, Keep{Until: s.until, Held: h.on})
	m.holds.put(id, h)
	if err != nil {
		// It may be there all the same: the next pass asks.
		s.known = false
		return err
	}
	s.sent += n
	return nil
}

// open reads a recording from the store.
func (m *mirror) open(ctx context.Context, id string) (io.ReadSeekCloser, int64, error) {
	parts, err := m.store.List(ctx, id+"/")
	if err != nil {
		return nil, 0, fmt.Errorf("open recording %s: %w", id, err)
	}
	if len(parts) == 0 {
		return nil, 0, hoop.Errorf(hoop.CodeNotFound, "there is no recording of session %s", id)
	}
	var size int64
	for _, p := range parts {
		_, offset, _ := strings.Cut(p.Name, "/")
		if at, err := strconv.ParseInt(offset, 10, 64); err != nil || at != size {
			return nil, 0, fmt.Errorf("open recording %s: the store has the part %s where %s should be", id, p.Name, part(id, size))
		}
		size += p.Size
	}
	return &stored{ctx: ctx, store: m.store, parts: parts}, size, nil
}

// stored reads parts one after another.
type stored struct {
	ctx   context.Context
	store Store
	parts []Object
	part  int   // the one that is open, or next
	at    int64 // in it
	open  io.ReadCloser
}

func (s *stored) Read(b []byte) (int, error) {
	for {
		for s.part < len(s.parts) && s.at >= s.parts[s.part].Size {
			if err := s.Close(); err != nil {
				return 0, err
			}
			s.at -= s.parts[s.part].Size
			s.part++
		}
		if s.part == len(s.parts) {
			return 0, io.EOF
		}
		if s.open == nil {
			var err error
			if s.open, err = s.store.Get(s.ctx, s.parts[s.part].Name, s.at); err != nil {
				return 0, err
			}
		}
		left := s.parts[s.part].Size - s.at
		n, err := s.open.Read(b[:min(int64(len(b)), left)])
		s.at += int64(n)
		if err = eofIsNone(err); err == nil && n == 0 && len(b) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// Seek implements io.Seeker, from the beginning only. It asks the store for nothing.
func (s *stored) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart || offset < 0 {
		return 0, fs.ErrInvalid
	}
	s.part, s.at = 0, offset
	return offset, s.Close()
}

func eofIsNone(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (s *stored) Close() error {
	if s.open == nil {
		return nil
	}
	err := s.open.Close()
	s.open = nil
	return err
}

// Delete removes a recording whose time is over, from this machine and from the store;
// what is not there is no error. Hold keeps one from being deleted by others.
func (r *Recorder) Delete(ctx context.Context, session string) error {
	if !validID(session) {
		return fmt.Errorf("%q cannot be a session's ID", session)
	}
	if r.isLive(session) {
		return fmt.Errorf("session %s still runs", session)
	}
	if m := r.mirror; m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.tell(ctx, session); err != nil { // a hold that was lifted still holds there
			return err
		}
		if err := m.store.Delete(ctx, session+"/"); err != nil {
			return err
		}
		delete(m.state, session)
	}
	return r.files.forget(session)
}

// forget removes a local file, durably.
func (s *files) forget(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.open[id]; f != nil {
		_ = f.f.Close()
		delete(s.open, id)
	}
	delete(s.dirty, id)
	if err := s.fs.Remove(s.name(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the local copy of recording %s: %w", id, err)
	}
	return s.fs.SyncDir(s.dir)
}
