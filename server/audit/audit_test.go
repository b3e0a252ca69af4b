package audit_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/record"
)

// gateway is the evidence side of one.
type gateway struct {
	journal  *journal.Journal
	recorder *record.Recorder
	log      *audit.Log
	acked    func(what string) // called for what was acknowledged; may be nil
	at       time.Time         // of a session's events; zero: now
}

// quiet is for faults made on purpose.
var quiet = slog.New(slog.DiscardHandler)

// start opens the evidence below dir as the server does, with small segments and many
// checkpoints, so that much happens.
func start(dir string, fsys journal.FS) (*gateway, error) {
	g, err := started(dir, fsys, 8<<10, time.Millisecond)
	if err != nil {
		return nil, err
	}
	if _, err := g.log.Append(&hoop.Event{Type: hoop.EventStart}); err != nil {
		_ = g.close()
		return nil, err
	}
	return g, nil
}

func started(dir string, fsys journal.FS, segment int64, every time.Duration) (*gateway, error) {
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{FS: fsys, SegmentBytes: segment, Log: quiet})
	if err != nil {
		return nil, err
	}
	g := &gateway{journal: j}
	g.recorder, err = record.New(record.Options{
		Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: j, FS: fsys, Log: quiet,
	})
	if err != nil {
		_ = j.Close()
		return nil, err
	}
	g.log, err = audit.Open(audit.Options{
		Dir: filepath.Join(dir, "audit"), Keys: filepath.Join(dir, "keys"), Origin: "test.example/audit",
		Journal: j, Recordings: g.recorder, FS: fsys, Log: quiet, Every: every,
	})
	if err != nil {
		_ = j.Close()
		return nil, err
	}
	return g, nil
}

func (g *gateway) close() error {
	if err := g.log.Close(); err != nil {
		_ = g.journal.Close()
		return err
	}
	return g.journal.Close()
}

// session runs a whole session of n statements and waits for each step.
func (g *gateway) session(ctx context.Context, id string, n int) error {
	s := &session{g: g, ctx: ctx, id: id}
	if err := s.event(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
		return err
	}
	var err error
	if s.rec, err = g.recorder.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("key")); err != nil {
		return err
	}
	for i := range n {
		if err := s.statement(i); err != nil {
			return err
		}
	}
	r, _, err := s.rec.Close(recording.Record{Kind: recording.KindEnd})
	if err != nil {
		return err
	}
	r.Events = s.counter + 1
	return s.event(hoop.Event{Type: hoop.EventSessionEnd, Record: &r})
}

type session struct {
	g       *gateway
	ctx     context.Context
	id      string
	counter int64
	rec     *record.Recording
}

func (s *session) event(e hoop.Event) error {
	s.counter++
	e.Session, e.Counter, e.Target, e.Subject = s.id, s.counter, "pg", "alice"
	e.Time = s.g.at
	if err := s.g.log.Write(s.ctx, &e); err != nil {
		return err
	}
	if s.g.acked != nil {
		s.g.acked(eventKey(&e))
	}
	return nil
}

func eventKey(e *hoop.Event) string {
	return fmt.Sprintf("event %s %d %s", e.Session, e.Counter, e.Type)
}

func (s *session) statement(i int) error {
	err := s.event(hoop.Event{Type: hoop.EventStatement, Text: fmt.Sprintf("select %d", i), Action: hoop.Allow})
	if err != nil {
		return err
	}
	wire := fmt.Sprintf("output %s %d", s.id, i)
	pos, err := s.rec.Append(recording.Record{Kind: recording.KindOutput, Counter: s.counter, Wire: []byte(wire)})
	if err != nil {
		return err
	}
	if err := s.g.journal.Wait(s.ctx, pos); err != nil {
		return err
	}
	if s.g.acked != nil {
		s.g.acked(wire)
	}
	return s.event(hoop.Event{Type: hoop.EventResult, Result: &hoop.Result{Statement: s.counter, Tag: "SELECT 1"}})
}

// found lists what the log and the recordings hold, by the names that acked got.
func (g *gateway) found(ctx context.Context) (map[string]bool, error) {
	found := make(map[string]bool)
	for e, err := range g.log.Events(ctx, 0) {
		if err != nil {
			return nil, err
		}
		found[eventKey(e.Event)] = true
	}
	ids, err := g.recorder.Sessions()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := g.recorder.Reader(ctx, id)
		if errors.Is(err, recording.ErrUnfinished) {
			continue // not even the header: nothing was acknowledged
		}
		if err != nil {
			return nil, err
		}
		for {
			rec, err := r.Next()
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, recording.ErrUnfinished) {
				return nil, err
			}
			if err != nil {
				break
			}
			found[string(rec.Wire)] = true
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// exported gives the evidence folder as an auditor gets it.
func (g *gateway) exported(ctx context.Context) (fstest.MapFS, error) {
	var b bytes.Buffer
	if err := g.log.Export(ctx, &b); err != nil {
		return nil, err
	}
	m := make(fstest.MapFS)
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		m[h.Name] = &fstest.MapFile{Data: data}
	}
}

// check opens the evidence once more and says what is missing of it. Checkpoints are
// those that were seen.
func check(ctx context.Context, dir string, fsys journal.FS, acked map[string]bool, checkpoints [][]byte) error {
	g, err := start(dir, fsys)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { _ = g.close() }()
	found, err := g.found(ctx)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	for what := range acked {
		if !found[what] {
			return fmt.Errorf("%q was acknowledged and is lost", what)
		}
	}
	folder, err := g.exported(ctx)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, old := range append(checkpoints, nil) {
		r, err := auditlog.Verify(folder, auditlog.Options{Key: g.log.VerifierKey(), OldCheckpoint: old})
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if r.Open != 0 {
			return fmt.Errorf("%d sessions are open after a start", r.Open)
		}
	}
	return g.close()
}

// The clock jumps, by years and while sessions run, and between two runs: events keep their
// places, the evidence verifies, and whoever verifies is told.
func TestLog_ClockJumps(t *testing.T) {
	fsys := faultfs.New()
	for run, by := range []time.Duration{0, -24 * 365 * time.Hour, 10 * 24 * 365 * time.Hour, -time.Hour} {
		g, err := start("/data", fsys)
		if err != nil {
			t.Fatal(err)
		}
		s := &session{g: g, ctx: t.Context(), id: fmt.Sprintf("s%d", run)}
		if err := s.event(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
			t.Fatal(err)
		}
		if s.rec, err = g.recorder.Open(hoop.SessionInfo{ID: s.id, Target: "pg"}, []byte("key")); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			g.at = time.Now().Add(time.Duration(i%3-1) * by).UTC()
			if err := s.statement(i); err != nil {
				t.Fatal(err)
			}
		}
		if run < 3 {
			if r, _, err := s.rec.Close(recording.Record{Kind: recording.KindEnd}); err != nil {
				t.Fatal(err)
			} else if r.Events = s.counter + 1; s.event(hoop.Event{Type: hoop.EventSessionEnd, Record: &r}) != nil {
				t.Fatal("no end")
			}
		}
		if err := g.close(); err != nil {
			t.Fatal(err)
		}
	}
	g, err := start("/data", fsys)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := g.exported(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := auditlog.Verify(folder, auditlog.Options{Key: g.log.VerifierKey()})
	if err != nil || r.Sessions != 4 || r.Recovered != 1 || r.Recordings != 4 {
		t.Errorf("%v, %+v", err, r)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "the clock goes back") {
		t.Errorf("nobody is told: %q", r.Warnings)
	}
	if err := g.close(); err != nil {
		t.Error(err)
	}
}

func TestLog_GoesOnAfterRestart(t *testing.T) {
	dir := t.TempDir()
	for run := range 4 {
		g, err := start(dir, journal.OS{})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.session(t.Context(), fmt.Sprintf("s%d", run), 100); err != nil {
			t.Fatal(err)
		}
		if got, want := g.log.Size(), int64(run+1)*203; got != want {
			t.Fatalf("size %d, want %d", got, want)
		}
		if err := g.close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(t.Context(), dir, journal.OS{}, nil, nil); err != nil {
		t.Error(err)
	}
}

// Who asks what happened is told of what happened before, though it is on its way to the
// disk yet.
func TestEntries_HaveWhatHappenedBefore(t *testing.T) {
	g, err := start(t.TempDir(), journal.OS{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	for n := range 3 {
		if _, err := g.log.Append(&hoop.Event{Type: hoop.EventSignIn, Subject: "alice", Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		last := int64(-1)
		for e, err := range g.log.Entries(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Event.Type == hoop.EventSignIn {
				last++
			}
		}
		if last != int64(n) {
			t.Errorf("after %d events %d are told", n+1, last+1)
		}
	}
}
