package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/resource"
)

// A recording whose time is over is deleted, after the event that keeps its hash; one
// under a legal hold is not, until the hold is lifted; the evidence verifies throughout.
func TestExpire_KeepsTheHashAndHonoursHolds(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{cfg: &Config{DataDir: dir}, rules: &rules{}}
	g.rules.current.Store(&declared{set: &resource.Set{Targets: []resource.Target{
		{Meta: resource.Meta{Name: "short"}, Retention: 30 * hoop.Day}, {Meta: resource.Meta{Name: "long"}},
	}}})
	rec, err := record.New(record.Options{Dir: filepath.Join(dir, "recordings"), Keys: g.keys(), Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	if g.audit, err = audit.Open(audit.Options{Dir: filepath.Join(dir, "audit"), Keys: g.keys(), Origin: "x/audit", Journal: j, Recordings: rec}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.audit.Close(); _ = j.Close() })
	began := time.Now().UTC()
	for _, s := range []struct{ id, target string }{{"s1", "short"}, {"s2", "short"}, {"s3", "long"}, {"s4", "unknown"}} {
		r, err := rec.Open(hoop.SessionInfo{ID: s.id, Target: s.target}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := r.Close(recording.Record{Kind: recording.KindEnd})
		if err != nil {
			t.Fatal(err)
		}
		h.Events = 2
		for i, e := range []hoop.Event{{Type: hoop.EventSessionStart}, {Type: hoop.EventSessionEnd, Record: &h}} {
			e.Time, e.Session, e.Counter, e.Target, e.Grant, e.Subject = began, s.id, int64(i+1), s.target, "g-"+s.id, "alice"
			if err := g.audit.Write(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
	}
	left := func() string {
		ids, err := rec.Sessions()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(ids)
	}
	verified := func(want int64) {
		t.Helper()
		for _, opt := range []audit.BundleOptions{{Recordings: true}, {Recordings: true, To: began.Add(time.Hour)}} {
			b, err := g.audit.Bundle(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := b.Write(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			r, err := bundle.Verify(bytes.NewReader(out.Bytes()), int64(out.Len()), bundle.Options{Key: g.audit.VerifierKey()})
			if err != nil || r.Expired != want {
				t.Errorf("got %v, %+v, want %d expired", err, r, want)
			}
		}
	}
	gone := make(map[string]bool)
	pass := func(after time.Duration) {
		t.Helper()
		if err := g.expire(t.Context(), rec, gone, began.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	day := 24 * time.Hour
	if _, err := g.hold(t.Context(), rec, hoop.Identity{Subject: "ann"}, hoop.SessionInfo{ID: "s2"}, "case 7", true); err != nil {
		t.Fatal(err)
	}
	pass(29 * day)
	if got := left(); got != "[s1 s2 s3 s4]" {
		t.Errorf("before their time: %s", got)
	}
	verified(0)
	pass(31 * day)
	if got := left(); got != "[s2 s3 s4]" {
		t.Errorf("after 31 days: %s", got)
	}
	verified(1)
	if _, err := g.hold(t.Context(), rec, hoop.Identity{Subject: "ann"}, hoop.SessionInfo{ID: "s2"}, "case closed", false); err != nil {
		t.Fatal(err)
	}
	pass(32 * day)
	if got := left(); got != "[s3 s4]" {
		t.Errorf("with the hold lifted: %s", got)
	}
	pass(6 * 365 * day)
	if got := left(); got != "[s3 s4]" {
		t.Errorf("six years less a day: %s", got)
	}
	pass(2193 * day)
	if got := left(); got != "[]" {
		t.Errorf("after six years: %s", got)
	}
	verified(4)
	for e, err := range g.audit.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Type == hoop.EventExpired && (e.Event.Grant != "g-"+e.Event.Session || e.Event.Target == "") {
			t.Errorf("what expired is not told whole: %+v", e.Event)
		}
	}
	size := g.audit.Size()
	gone = make(map[string]bool)
	pass(2194 * day)
	if g.audit.Size() != size {
		t.Error("what is gone goes again")
	}
}

// heldStore is an object store that knows holds, and may be away.
type heldStore struct {
	mu   sync.Mutex
	away bool
	held map[string]bool // by part
}

var errAway = errors.New("connection refused")

func (s *heldStore) do(prefix string, f func(name string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	for name := range maps.Clone(s.held) {
		if strings.HasPrefix(name, prefix) {
			f(name)
		}
	}
	return nil
}

func (s *heldStore) Put(_ context.Context, name string, _ []byte, keep record.Keep) error {
	return s.do("", func(string) { s.held[name] = keep.Held })
}

func (s *heldStore) List(_ context.Context, prefix string) (parts []record.Object, err error) {
	err = s.do(prefix, func(name string) { parts = append(parts, record.Object{Name: name, Size: 1}) })
	return parts, err
}

func (s *heldStore) Get(context.Context, string, int64) (io.ReadCloser, error) { return nil, errAway }

func (s *heldStore) Delete(_ context.Context, prefix string) error {
	return s.do(prefix, func(name string) { delete(s.held, name) })
}

func (s *heldStore) Hold(_ context.Context, prefix string, on bool) error {
	return s.do(prefix, func(name string) { s.held[name] = on })
}

// A legal hold that the object store could not be told of is in the log and counts; it
// is told after the gateway was started again, and its end likewise.
func TestHold_IsToldAfterAStart(t *testing.T) {
	dir := t.TempDir()
	store := &heldStore{held: map[string]bool{"s1/00000000000000000000": false, "s2/00000000000000000000": true}}
	run := func(f func(g *Gateway, rec *record.Recorder)) {
		t.Helper()
		j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := &Gateway{cfg: &Config{DataDir: dir}, rules: &rules{}, log: slog.New(slog.DiscardHandler)}
		g.rules.current.Store(&declared{set: &resource.Set{}})
		rec, err := record.New(record.Options{Dir: filepath.Join(dir, "recordings"), Keys: g.keys(), Journal: j, Mirrored: true})
		if err != nil {
			t.Fatal(err)
		}
		rec.Mirror(store, time.Hour, 0, g.retention)
		if g.audit, err = audit.Open(audit.Options{Dir: filepath.Join(dir, "audit"), Keys: g.keys(), Origin: "x/audit", Journal: j, Recordings: rec}); err != nil {
			t.Fatal(err)
		}
		f(g, rec)
		if err := errors.Join(g.audit.Close(), rec.Close(), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	set := func(session string, on bool) func(*Gateway, *record.Recorder) {
		return func(g *Gateway, rec *record.Recorder) {
			waiting, err := g.hold(t.Context(), rec, hoop.Identity{Subject: "ann"}, hoop.SessionInfo{ID: session}, "case 7", on)
			if err != nil || !waiting {
				t.Errorf("with the store away: waiting %v, %v", waiting, err)
			}
		}
	}
	store.away = true
	run(set("s1", true))
	run(set("s2", false))
	store.away = false
	run(func(g *Gateway, rec *record.Recorder) {
		if err := errors.Join(g.expire(t.Context(), rec, make(map[string]bool), time.Now()), rec.CopyAll(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
	if !store.held["s1/00000000000000000000"] || store.held["s2/00000000000000000000"] {
		t.Errorf("held: %v", store.held)
	}
}
