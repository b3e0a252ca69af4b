package record_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/record"
)

// shelf is a store in memory that can be lost.
type shelf struct {
	mu    sync.Mutex
	parts map[string][]byte
	keep  map[string]record.Keep
	lost  error
	got   int64 // bytes that were asked for
	// half puts, and says that it did not.
	half bool
}

func newShelf() *shelf {
	return &shelf{parts: make(map[string][]byte), keep: make(map[string]record.Keep)}
}

func (s *shelf) Put(_ context.Context, name string, data []byte, keep record.Keep) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return s.lost
	}
	if have, ok := s.parts[name]; ok && !bytes.Equal(have, data) {
		return fmt.Errorf("%s was put with other bytes", name)
	}
	s.parts[name], s.keep[name] = bytes.Clone(data), keep
	if s.half {
		return errors.New("the connection broke")
	}
	return nil
}

func (s *shelf) List(_ context.Context, prefix string) ([]record.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return nil, s.lost
	}
	var out []record.Object
	for name, b := range s.parts {
		if strings.HasPrefix(name, prefix) {
			out = append(out, record.Object{Name: name, Size: int64(len(b))})
		}
	}
	slices.SortFunc(out, func(a, b record.Object) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *shelf) Get(_ context.Context, name string, from int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return nil, s.lost
	}
	s.got += int64(len(s.parts[name])) - from
	return io.NopCloser(bytes.NewReader(s.parts[name][from:])), nil
}

func (s *shelf) Delete(_ context.Context, prefix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return s.lost
	}
	for name := range s.parts {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if s.keep[name].Held {
			return fmt.Errorf("%s is under a legal hold", name)
		}
		delete(s.parts, name)
	}
	return nil
}

func (s *shelf) Hold(_ context.Context, prefix string, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return s.lost
	}
	for name, keep := range s.keep {
		if strings.HasPrefix(name, prefix) {
			keep.Held = on
			s.keep[name] = keep
		}
	}
	return nil
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func mirrored(t *testing.T, fsys journal.FS, s record.Store, spool int64) (*record.Recorder, *journal.Journal) {
	t.Helper()
	r, j := recorder(t, "/d", fsys, func(o *record.Options) { o.Mirrored = true })
	r.Mirror(s, time.Hour, spool, func(string) time.Duration { return 24 * time.Hour })
	return r, j
}

func end(t *testing.T, j *journal.Journal, rec *record.Recording) hoop.Record {
	t.Helper()
	h, pos, err := rec.Close(recording.Record{Kind: recording.KindEnd})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Wait(t.Context(), pos); err != nil {
		t.Fatal(err)
	}
	return h
}

// What grows is copied; what has ended and is there whole is here no more, and is read
// from there.
func TestMirror_CopiesWhileItGrows(t *testing.T) {
	store, fsys := newShelf(), faultfs.New()
	r, j := mirrored(t, fsys, store, 0)
	rec := begin(t, r, "s1")
	for i := range 3 {
		appendWait(t, j, rec, recording.Record{Kind: recording.KindOutput, Wire: bytes.Repeat([]byte{byte(i)}, 1000)})
		if err := r.CopyAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(store.parts); n != i+1 {
			t.Fatalf("%d parts after %d records", n, i+1)
		}
	}
	want := end(t, j, rec)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if local, err := r.Sessions(); err != nil || len(local) != 0 {
		t.Errorf("%v is still here: %v", local, err)
	}
	if got, found, err := r.Found("s1"); err != nil || !found || got.SHA256 != want.SHA256 || got.Size != want.Size {
		t.Errorf("got %+v, %v, %v, want %+v", got, found, err, want)
	}
	if recs, unfinished := records(t, r, "s1"); unfinished || len(recs) != 5 {
		t.Errorf("%d records, unfinished %v", len(recs), unfinished)
	}
	for name, keep := range store.keep {
		if left := time.Until(keep.Until); left < 23*time.Hour || left > 25*time.Hour {
			t.Errorf("%s is kept until %s", name, keep.Until)
		}
	}
	if _, _, err := r.Raw(t.Context(), "nobody"); hoop.AsError(err).Code != hoop.CodeNotFound {
		t.Errorf("an unknown session: %v", err)
	}
	if err := r.Delete(t.Context(), "s1"); err != nil || len(store.parts) != 0 {
		t.Errorf("deleted: %v, %d parts stay", err, len(store.parts))
	}
}

// Parts in the store are changed, dropped, moved, exchanged or made up: the recording cannot
// be read, and the part is named, or it is not the one that the log commits to.
func TestMirror_TamperedParts(t *testing.T) {
	store, fsys := newShelf(), faultfs.New()
	r, j := mirrored(t, fsys, store, 0)
	noise := rand.NewChaCha8([32]byte{1})
	committed := make(map[string]hoop.Record)
	for _, id := range []string{"s1", "s2"} {
		rec := begin(t, r, id)
		for range 4 {
			wire := make([]byte, 3000)
			_, _ = noise.Read(wire)
			appendWait(t, j, rec, recording.Record{Kind: recording.KindOutput, Wire: wire})
			if err := r.CopyAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		committed[id] = end(t, j, rec)
		if err := r.CopyAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var names []string // of s1
	for _, name := range slices.Sorted(maps.Keys(store.parts)) {
		if strings.HasPrefix(name, "s1/") {
			names = append(names, name)
		}
	}
	if len(names) < 4 {
		t.Fatal(names)
	}
	whole := maps.Clone(store.parts)
	change := func(name string, with func(b []byte) []byte) func() {
		return func() { store.parts[name] = with(bytes.Clone(store.parts[name])) }
	}
	ways := map[string]func(){
		"swap":                 func() { p := store.parts; p[names[1]], p[names[2]] = p[names[2]], p[names[1]] },
		"swap, with its place": func() { p := store.parts; p[names[1]+"0"], p[names[1]] = p[names[2]], p[names[2]] },
		"another session's":    func() { store.parts[names[1]] = store.parts[strings.Replace(names[1], "s1/", "s2/", 1)] },
		"one that is made up":  func() { store.parts[fmt.Sprintf("s1/%020d", committed["s1"].Size)] = []byte("x") },
		"all": func() {
			maps.DeleteFunc(store.parts, func(name string, _ []byte) bool { return strings.HasPrefix(name, "s1/") })
		},
	}
	for i, name := range names {
		ways[fmt.Sprintf("flip a bit of %d", i)] = change(name, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		ways[fmt.Sprintf("truncate %d", i)] = change(name, func(b []byte) []byte { return b[:len(b)-1] })
		ways[fmt.Sprintf("append to %d", i)] = change(name, func(b []byte) []byte { return append(b, 0) })
		ways[fmt.Sprintf("reorder %d", i)] = change(name, func(b []byte) []byte { return append(b[len(b)/2:], b[:len(b)/2]...) })
		ways[fmt.Sprintf("drop %d", i)] = func() { delete(store.parts, name) }
	}
	for way, do := range ways {
		t.Run(way, func(t *testing.T) {
			store.parts = maps.Clone(whole)
			do()
			got, found, err := r.Found("s1")
			if err != nil && !strings.Contains(err.Error(), "s1") {
				t.Errorf("it does not name the part: %v", err)
			}
			if err == nil && found && got == committed["s1"] {
				t.Error("not noticed")
			}
			if got, _, err := r.Found("s2"); err != nil || got != committed["s2"] {
				t.Errorf("another session: %+v, %v", got, err)
			}
		})
	}
}

// The store is lost: recordings wait, up to a bound; then nothing is recorded where
// nobody keeps it. When it is back, it catches up, and nothing was lost.
func TestMirror_LostStore(t *testing.T) {
	store, fsys := newShelf(), faultfs.New()
	r, j := mirrored(t, fsys, store, 20_000)
	rec := begin(t, r, "s1")
	store.set(func() { store.lost = errors.New("connection refused") })
	wire := bytes.Repeat([]byte("0123456789abcdef"), 64)
	appended := 0
	for {
		pos, err := rec.Append(recording.Record{Kind: recording.KindInput, Wire: append([]byte(fmt.Sprint(appended)), wire...)})
		if err != nil {
			if hoop.AsError(err).Code != hoop.CodeUnrecorded {
				t.Fatal(err)
			}
			break
		}
		if appended++; appended > 2000 {
			t.Fatal("nothing bounds what waits")
		}
		if err := j.Wait(t.Context(), pos); err != nil {
			t.Fatal(err)
		}
		if err := r.CopyAll(t.Context()); err == nil {
			t.Fatal("copied to a store that is lost")
		}
	}
	if _, err := r.Open(hoop.SessionInfo{ID: "s2"}, nil); hoop.AsError(err).Code != hoop.CodeUnrecorded {
		t.Errorf("another session: %v", err)
	}
	store.set(func() { store.lost, store.half = nil, true })
	if err := r.CopyAll(t.Context()); err == nil {
		t.Error("a part whose answer was lost passes for sent")
	}
	store.set(func() { store.half = false })
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(t, r, "s3")
	end(t, j, rec)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if recs, unfinished := records(t, r, "s1"); unfinished || len(recs) != appended+2 {
		t.Errorf("%d records of %d, unfinished %v", len(recs), appended+2, unfinished)
	}
}

// The power goes at any operation, the journal gives again what the store has already:
// no recording is lost, none has a hole, and each is in the store whole afterwards.
func TestMirror_PowerCut(t *testing.T) {
	run := func(fsys *faultfs.FS, store *shelf, name string) (acked map[string]bool) {
		acked = make(map[string]bool)
		j, err := journal.Open("/d/journal", journal.Options{FS: fsys, SegmentBytes: 4 << 10, Log: quiet})
		if err != nil {
			return acked
		}
		defer func() { _ = j.Close() }()
		r, err := record.New(record.Options{Dir: "/d/recordings", Keys: "/d/keys", Journal: j, FS: fsys, Log: quiet, Mirrored: true})
		if err != nil {
			return acked
		}
		r.Mirror(store, time.Hour, 0, func(string) time.Duration { return time.Hour })
		defer func() { _ = r.Close() }()
		noise := rand.NewChaCha8([32]byte{})
		show := func(id string, rec *record.Recording, i int) bool {
			b := make([]byte, 400)
			_, _ = noise.Read(b)
			wire := fmt.Sprintf("%s %d %x", id, i, b)
			pos, err := rec.Append(recording.Record{Kind: recording.KindOutput, Wire: []byte(wire)})
			if err != nil || j.Wait(context.Background(), pos) != nil {
				return false
			}
			acked[wire] = true
			_ = r.CopyAll(context.Background())
			return true
		}
		long, err := r.Open(hoop.SessionInfo{ID: name + "-long"}, nil)
		if err != nil {
			return acked
		}
		for s := range 4 {
			id := fmt.Sprintf("%s-%d", name, s)
			rec, err := r.Open(hoop.SessionInfo{ID: id}, nil)
			if err != nil {
				return acked
			}
			for i := range 6 {
				if !show(id, rec, i) {
					return acked
				}
			}
			_, pos, err := rec.Close(recording.Record{Kind: recording.KindEnd})
			if err != nil || j.Wait(context.Background(), pos) != nil {
				return acked
			}
			_ = r.CopyAll(context.Background())
			for i := range 12 { // no file is made meanwhile, and the journal goes on
				if !show(name+"-long", long, 100*s+i) {
					return acked
				}
			}
		}
		return acked
	}
	whole := faultfs.New()
	run(whole, newShelf(), "whole")
	n := whole.Ops()
	count := 60
	if s := os.Getenv("HOOP_CRASH_ROUNDS"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for round := range count {
		chance := rand.New(rand.NewPCG(uint64(round), 11))
		fsys, store := faultfs.New(), newShelf()
		fsys.CutAt(1 + round*n/count + chance.IntN(n/count+1))
		acked := run(fsys, store, "a")
		if kill := chance.IntN(2) == 0; kill {
			// On a copy: the next run goes on from what this one left.
			caughtUp(t, fmt.Sprintf("round %d, after the kill", round), fsys.Kill(), store.copy(), acked)
			fsys = fsys.Kill()
			fsys.CutAt(1 + chance.IntN(n))
			maps.Copy(acked, run(fsys, store, "b"))
		}
		if round%2 == 0 {
			chance = nil
		}
		caughtUp(t, fmt.Sprintf("round %d", round), fsys.Crash(chance), store, acked)
	}
}

// copy is another store with the same parts.
func (s *shelf) copy() *shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &shelf{parts: maps.Clone(s.parts), keep: maps.Clone(s.keep)}
}

// caughtUp demands that after a start every recording is in the store whole, with all that
// was acknowledged.
func caughtUp(t *testing.T, when string, fsys *faultfs.FS, store *shelf, acked map[string]bool) {
	t.Helper()
	r, j := mirrored(t, fsys, store, 0)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if local, err := r.Sessions(); err != nil || len(local) != 0 {
		t.Errorf("%s: %v is not in the store whole: %v", when, local, err)
	}
	found := make(map[string]bool)
	for name := range store.parts {
		id, offset, _ := strings.Cut(name, "/")
		if strings.Trim(offset, "0") != "" {
			continue
		}
		rd, err := r.Reader(t.Context(), id)
		if err != nil {
			t.Fatalf("%s: %s: %v", when, id, err)
		}
		for {
			rec, err := rd.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, recording.ErrUnfinished) {
					t.Errorf("%s: %s: %v", when, id, err)
				}
				break
			}
			found[string(rec.Wire)] = true
		}
		_ = rd.Close()
	}
	for wire := range acked {
		if !found[wire] {
			t.Fatalf("%s: %.20q was acknowledged and is lost", when, wire)
		}
	}
	if err := errors.Join(r.Close(), j.Close()); err != nil {
		t.Error(err)
	}
}

// A recording in the store is opened at its end and in its middle without the rest.
func TestMirror_ReadsFromAnywhere(t *testing.T) {
	store, fsys := newShelf(), faultfs.New()
	r, j := mirrored(t, fsys, store, 0)
	rec := begin(t, r, "s1")
	for i := range 20 {
		random := make([]byte, 100_000)
		if _, err := crand.Read(random); err != nil {
			t.Fatal(err)
		}
		appendWait(t, j, rec, recording.Record{Kind: recording.KindStatement, Counter: int64(2*i + 1), Statement: &recording.Statement{Text: fmt.Sprint(i)}})
		appendWait(t, j, rec, recording.Record{Kind: recording.KindOutput, Counter: int64(2*i + 1), Wire: random})
		if err := r.CopyAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	live, err := r.Reader(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	growing, err := live.Index()
	if err != nil || growing.Finished || growing.Statements != 20 {
		t.Errorf("while it grows: %+v, %v", growing, err)
	}
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	want := end(t, j, rec)
	if err := r.CopyAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.set(func() { store.got = 0 })
	rd, err := r.Reader(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	x, err := rd.Index()
	if err != nil || !x.Finished || len(x.Marks) != 20 || !slices.Equal(x.Marks, growing.Marks) {
		t.Fatalf("%+v, %v", x, err)
	}
	if err := rd.Seek(x.Marks[19].Position); err != nil {
		t.Fatal(err)
	}
	if first, err := rd.Next(); err != nil || first.Statement == nil || first.Statement.Text != "19" {
		t.Errorf("at the last mark: %+v, %v", first, err)
	}
	if store.got > want.Size/2 {
		t.Errorf("%d bytes of %d were asked for", store.got, want.Size)
	}
	if err := rd.Seek(recording.Position{}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = rd.Next()
	}
	if !errors.Is(err, io.EOF) || n < 40 {
		t.Errorf("%d records, %v", n, err)
	}
}
