package record_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/record"
)

// held says how many parts of a session the store has, and how many of them it holds.
func (s *shelf) held(session string) (held, parts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.parts {
		if strings.HasPrefix(name, session+"/") {
			parts++
			if s.keep[name].Held {
				held++
			}
		}
	}
	return held, parts
}

// A legal hold reaches the parts that the store has, those that come later, and, where
// the store was away, all of them when it is back; its end likewise.
func TestMirror_Holds(t *testing.T) {
	store, fsys := newShelf(), faultfs.New()
	r, j := mirrored(t, fsys, store, 0)
	rec, other := begin(t, r, "s1"), begin(t, r, "s2")
	grow := func() {
		t.Helper()
		for _, rec := range []*record.Recording{rec, other} {
			appendWait(t, j, rec, recording.Record{Kind: recording.KindOutput, Wire: []byte("more")})
		}
		if err := r.CopyAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when string, all bool, atLeast int) {
		t.Helper()
		held, parts := store.held("s1")
		if parts < atLeast || all && held != parts || !all && held != 0 {
			t.Errorf("%s: %d of %d parts are held", when, held, parts)
		}
		if held, _ := store.held("s2"); held != 0 {
			t.Errorf("%s: %d parts of another session are held", when, held)
		}
	}
	grow()
	if err := r.Hold(t.Context(), "s1", true); err != nil {
		t.Fatal(err)
	}
	want("set", true, 1)
	grow()
	want("a later part", true, 2)

	away := errors.New("connection refused")
	store.set(func() { store.lost = away })
	if err := r.Hold(t.Context(), "s1", false); !errors.Is(err, away) {
		t.Errorf("with the store away: %v", err)
	}
	store.set(func() { store.lost = nil })
	want("before it was told", true, 2)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("lifted while the store was away", false, 2)
	grow()
	want("a part after that", false, 3)

	store.set(func() { store.lost = away })
	if err := r.Hold(t.Context(), "s1", true); !errors.Is(err, away) {
		t.Errorf("with the store away: %v", err)
	}
	store.set(func() { store.lost = nil })
	grow()
	want("set while the store was away", true, 4)

	end(t, j, rec)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("its end", true, 5)
	if err := r.Delete(t.Context(), "s1"); err == nil {
		t.Error("deleted under a legal hold")
	}
	store.set(func() { store.lost = away })
	_ = r.Hold(t.Context(), "s1", false)
	if err := r.Delete(t.Context(), "s1"); !errors.Is(err, away) {
		t.Errorf("with the store away: %v", err)
	}
	store.set(func() { store.lost = nil })
	if err := r.Delete(t.Context(), "s1"); err != nil {
		t.Errorf("a hold that was lifted keeps it: %v", err)
	}
	if _, parts := store.held("s1"); parts != 0 {
		t.Errorf("%d parts are left", parts)
	}
}

// After a start nobody knows whether the store was told: what the log says is told again,
// once, and a later word of a person is not undone by it.
func TestMirror_HoldsAfterAStart(t *testing.T) {
	store, fsys := newShelf(), faultfs.New()
	r, j := mirrored(t, fsys, store, 0)
	for _, id := range []string{"s1", "s2"} {
		end(t, j, begin(t, r, id))
	}
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.set(func() {
		for name, keep := range store.keep {
			keep.Held = strings.HasPrefix(name, "s2/")
			store.keep[name] = keep
		}
	})
	want := func(when string, s1, s2 bool) {
		t.Helper()
		for id, want := range map[string]bool{"s1": s1, "s2": s2} {
			if held, parts := store.held(id); parts == 0 || want && held != parts || !want && held != 0 {
				t.Errorf("%s: %s: %d of %d parts are held", when, id, held, parts)
			}
		}
	}
	r.Held("s1", true)
	r.Held("s2", false)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("as the log has it", true, false)
	store.set(func() { store.lost = errors.New("asked again") })
	r.Held("s1", true)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Errorf("what was told is told again: %v", err)
	}
	store.set(func() { store.lost = nil })
	if err := r.Hold(t.Context(), "s1", false); err != nil {
		t.Fatal(err)
	}
	want("lifted", false, false)
}

// slowShelf stops a part on its way, before or after the store has it.
type slowShelf struct {
	*shelf
	before, after func()
}

func (s slowShelf) Put(ctx context.Context, name string, data []byte, keep record.Keep) error {
	s.before()
	err := s.shelf.Put(ctx, name, data, keep)
	s.after()
	return err
}

// A hold that is set or lifted while a part is on its way reaches that part too.
func TestMirror_HoldWhileAPartIsOnItsWay(t *testing.T) {
	for _, on := range []bool{true, false} {
		for _, when := range []string{"before", "after"} {
			store, fsys := slowShelf{shelf: newShelf()}, faultfs.New()
			var r *record.Recorder
			now := func() {
				if err := r.Hold(t.Context(), "s1", on); err != nil {
					t.Error(err)
				}
			}
			store.before, store.after = func() {}, func() {}
			if when == "before" {
				store.before = now
			} else {
				store.after = now
			}
			recorder, j := mirrored(t, fsys, store, 0)
			r = recorder
			rec := begin(t, r, "s1")
			r.Held("s1", !on)
			end(t, j, rec)
			if err := r.CopyAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			held, parts := store.held("s1")
			if parts == 0 || on && held != parts || !on && held != 0 {
				t.Errorf("hold %v, %s the store has it: %d of %d parts are held", on, when, held, parts)
			}
		}
	}
}
