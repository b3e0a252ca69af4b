package audit_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit/audittest"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// unconsumed is a kind of record that nobody takes, so that the journal forgets nothing.
const unconsumed = journal.Kind(200)

// folder is the files of a data folder, by path.
type folder map[string][]byte

func (f folder) disk(t *testing.T) *faultfs.FS {
	t.Helper()
	fsys := faultfs.New()
	for name, b := range f {
		if err := fsys.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		file, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	return fsys
}

// sample is a data folder as kill -9 left it: a run ended in order, one did not, one
// recovered its session (d) and ended in order, and the last was killed with a session (c)
// that nobody recovered yet.
type sample struct {
	now, early, fork folder // early: after the first run; fork: what became of that elsewhere
	checkpoint       []byte // of early, kept elsewhere
	acked            map[string]bool
	boundaries       []string // the last segment of the journal that each run wrote
}

// newSample makes one; with keep, the journal has still all that was ever in it.
func newSample(t *testing.T, keep bool) *sample {
	t.Helper()
	e := &sample{acked: make(map[string]bool)}
	ack := func(what string) { e.acked[what] = true }
	run := func(fsys *faultfs.FS, id string, n int, acked func(string)) []byte {
		t.Helper()
		g, err := start("/data", fsys)
		if err != nil {
			t.Fatal(err)
		}
		g.acked = acked
		if keep {
			if _, err := g.journal.Append(unconsumed, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.session(t.Context(), id, n); err != nil {
			t.Fatal(err)
		}
		if err := g.close(); err != nil {
			t.Fatal(err)
		}
		return g.log.Checkpoint()
	}
	fsys := faultfs.New()
	boundary := func() {
		e.boundaries = append(e.boundaries, slices.Max(slices.Collect(maps.Keys(files(t, fsys, "/data/journal")))))
	}
	e.checkpoint = run(fsys, "a", 150, ack)
	boundary()
	e.early = files(t, fsys, "/data")
	elsewhere := e.early.disk(t)
	run(elsewhere, "x", 300, nil) // larger than what became of it here
	e.fork = files(t, elsewhere, "/data")
	fsys = e.killed(t, fsys, "d", keep)
	boundary()
	run(fsys, "b", 150, ack)
	boundary()
	e.now = files(t, e.killed(t, fsys, "c", keep), "/data")
	return e
}

// killed is a run that is killed with a session that has not ended. The last statements of it
// stand under no checkpoint.
func (e *sample) killed(t *testing.T, fsys *faultfs.FS, id string, keep bool) *faultfs.FS {
	t.Helper()
	g, err := start("/data", fsys)
	if err != nil {
		t.Fatal(err)
	}
	g.acked = func(what string) { e.acked[what] = true }
	if keep {
		if _, err := g.journal.Append(unconsumed, nil); err != nil {
			t.Fatal(err)
		}
	}
	s := &session{g: g, ctx: t.Context(), id: id}
	if err := s.event(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
		t.Fatal(err)
	}
	if s.rec, err = g.recorder.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("key")); err != nil {
		t.Fatal(err)
	}
	for i := range 67 {
		if i == 64 {
			if err := g.log.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.statement(i); err != nil {
			t.Fatal(err)
		}
	}
	left := fsys.Kill()
	_ = g.journal.Close()
	return left
}

// judge starts a gateway's evidence on a folder, verifies its export against the checkpoint
// that was kept, and then looks for what was acknowledged.
func (e *sample) judge(t *testing.T, f folder, all bool) error {
	g, err := start("/data", f.disk(t))
	if err != nil {
		return err
	}
	defer func() { _ = g.close() }()
	exported, err := g.exported(t.Context())
	if err != nil {
		return err
	}
	if _, err := auditlog.Verify(exported, auditlog.Options{Key: g.log.VerifierKey(), OldCheckpoint: e.checkpoint}); err != nil {
		return err
	}
	found, err := g.found(t.Context())
	if err != nil {
		return err
	}
	for what := range e.acked {
		if all && !found[what] {
			return fmt.Errorf("%q was acknowledged and is lost", what)
		}
	}
	return nil
}

// harmless are changes after which everything that was acknowledged is there and
// verifies, with the reason.
var harmless = map[string]string{
	"derived/*":                   "made anew from the log",
	"kept checkpoint/drop":        "it only says that the log was once as large; the journal and witnesses say so too",
	"kept checkpoint/roll back":   "as above",
	"signing key/truncate":        "the line's end",
	"recording key/truncate":      "the line's end",
	"first segment/drop":          "the folder has all of it, durably: the journal forgets segments in this order",
	"last segment/append":         "a torn end is dropped",
	"unfinished recording/append": "the journal writes its bytes again; behind them, a torn end is no record",
}

// mended are changes that are noticed, or mended from the journal, which has still some of
// the bytes: how many depends on what was in a batch when the run was killed.
var mended = []string{"unfinished recording/truncate", "unfinished recording/flip a bit at the end"}

// unseen are changes that nothing on the machine can tell from a power cut: the very end of
// a journal after an unclean stop, which stands under no checkpoint yet
// (docs/limitations.md).
var unseen = []string{"last segment/flip a bit at the end", "last segment/truncate"}

// Every kind of file in a data folder, changed in every way while the gateway is down, is
// noticed when it starts or when its export is verified, and named.
func TestTamper_DataFolder(t *testing.T) {
	seen := make(map[string]int)
	for _, keep := range []bool{true, false} {
		e := newSample(t, keep)
		paths := slices.Sorted(maps.Keys(e.now))
		var segments []string
		for _, path := range paths {
			if strings.HasSuffix(path, ".wal") {
				segments = append(segments, path)
			}
		}
		chosen := chosenOf(paths, func(path string) string {
			k, _ := audittest.Of(audittest.DataFolder, strings.TrimPrefix(path, "/data/"))
			return k.Name
		})
		for i, path := range paths {
			k, ok := audittest.Of(audittest.DataFolder, strings.TrimPrefix(path, "/data/"))
			if !ok {
				t.Errorf("%s is of a kind that this matrix does not know", path)
				continue
			}
			kind, named := k.Name, append([]string{filepath.Base(path)}, k.Named...)
			if keep != (kind == "journal segment") {
				continue
			}
			at := slices.Index(segments, path)
			switch {
			case path == "/data/recordings/c.hrec":
				kind = "unfinished recording"
			case at < 0:
			case at == 0:
				kind = "first segment"
			case at == len(segments)-1:
				kind, named = "last segment", append(named, "journal")
			case !slices.Contains(e.boundaries, path) && !slices.Contains(e.boundaries, segments[at-1]):
				continue // one like the others
			}
			if seen[k.Name]++; at < 0 && !chosen[path] {
				continue
			}
			for way, do := range e.ways(paths, i, func(p string) bool { return k.Has(strings.TrimPrefix(p, "/data/")) }) {
				changed := maps.Clone(e.now)
				if do(changed); maps.EqualFunc(changed, e.now, bytes.Equal) {
					continue
				}
				t.Run(strings.TrimPrefix(path, "/data/")+"/"+way, func(t *testing.T) {
					err := e.judge(t, changed, true)
					_, fine := harmless[kind+"/"+way]
					_, always := harmless[kind+"/*"]
					lost := err != nil && strings.Contains(err.Error(), "was acknowledged and is lost")
					switch {
					case fine || always:
						if err != nil {
							t.Errorf("it does no harm, and yet: %v", err)
						}
					case err == nil && slices.Contains(mended, kind+"/"+way):
					case slices.Contains(unseen, kind+"/"+way):
						if !lost {
							t.Errorf("the end of the journal: %v", err)
						}
					case err == nil || lost:
						t.Errorf("not noticed: %v", err)
					case !slices.ContainsFunc(named, func(name string) bool { return strings.Contains(err.Error(), name) }):
						t.Errorf("it does not name the file: %v", err)
					}
				})
			}
		}
	}
	for _, k := range audittest.DataFolder {
		if k.Not == "" && seen[k.Name] == 0 && !slices.Contains(elsewhere, k.Name) {
			t.Errorf("the samples have no %s", k.Name)
		}
	}
}

// elsewhere are kinds of evidence whose matrix is where they are written: server and
// server/witness.
var elsewhere = []string{"policy text", "witness memory", "witness key"}

// chosenOf chooses of each kind of file some: all of few, else first, middle, last and
// others (audittest.Some).
func chosenOf(paths []string, kind func(path string) string) map[string]bool {
	of := make(map[string][]string)
	for _, path := range paths {
		of[kind(path)] = append(of[kind(path)], path)
	}
	chosen := make(map[string]bool)
	for _, alike := range of {
		for i := range audittest.Some(len(alike), 6) {
			chosen[alike[i]] = true
		}
	}
	return chosen
}

// ways are the changes of one file.
func (e *sample) ways(paths []string, i int, alike func(path string) bool) map[string]func(folder) {
	path := paths[i]
	change := func(with func(b []byte) []byte) func(folder) {
		return func(f folder) {
			if len(f[path]) > 2 {
				f[path] = with(bytes.Clone(f[path]))
			}
		}
	}
	from := func(other folder) func(folder) {
		return func(f folder) {
			if b, ok := other[path]; ok {
				f[path] = b
			}
		}
	}
	return map[string]func(folder){
		"flip a bit":            change(func(b []byte) []byte { b[len(b)/2] ^= 4; return b }),
		"flip a bit at the end": change(func(b []byte) []byte { b[len(b)-2] ^= 1; return b }),
		"truncate":              change(func(b []byte) []byte { return b[:len(b)-1] }),
		"truncate to half":      change(func(b []byte) []byte { return b[:len(b)/2] }),
		"empty":                 change(func([]byte) []byte { return nil }),
		"append":                change(func(b []byte) []byte { return append(b, 'x') }),
		"reorder":               change(func(b []byte) []byte { return append(b[len(b)/2:], b[:len(b)/2]...) }),
		"roll back":             from(e.early),
		"fork":                  from(e.fork),
		"drop":                  func(f folder) { delete(f, path) },
		"swap": func(f folder) {
			for _, other := range paths {
				if other != path && alike(other) {
					f[path], f[other] = f[other], f[path]
					return
				}
			}
		},
	}
}

// Whole folders: the journal taken away, the audit folder exchanged for one from before, or
// for a fork's, with or without the journal that belongs to it.
func TestTamper_WholeFolders(t *testing.T) {
	e := newSample(t, false)
	take := func(f folder, dir string, other folder) {
		for name := range f {
			if strings.HasPrefix(name, dir) {
				delete(f, name)
			}
		}
		for name, b := range other {
			if strings.HasPrefix(name, dir) {
				f[name] = b
			}
		}
	}
	for name, tc := range map[string]struct {
		do   func(folder)
		want string
	}{
		"the journal dropped":                  {func(f folder) { take(f, "/data/journal/", nil) }, "the journal is missing"},
		"the audit folder dropped":             {func(f folder) { take(f, "/data/audit/", nil) }, "checkpoint"},
		"the audit folder rolled back":         {func(f folder) { take(f, "/data/audit/", e.early) }, "rolled back"},
		"audit folder and journal rolled back": {func(f folder) { take(f, "/data/audit/", e.early); take(f, "/data/journal/", e.early) }, "rolled back"},
		"the audit folder of a fork":           {func(f folder) { take(f, "/data/audit/", e.fork) }, "fork"},
		"audit folder and journal of a fork":   {func(f folder) { take(f, "/data/audit/", e.fork); take(f, "/data/journal/", e.fork) }, "fork"},
		"recordings dropped":                   {func(f folder) { take(f, "/data/recordings/", nil) }, "recordings/a.hrec"},
		"recordings rolled back":               {func(f folder) { take(f, "/data/recordings/", e.early) }, "recordings/d.hrec"},
		"keys dropped":                         {func(f folder) { take(f, "/data/keys/", nil) }, "key"},
		"everything but the keys dropped":      {func(f folder) { take(f, "/data/audit/", nil); take(f, "/data/journal/", nil) }, "checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(e.now)
			tc.do(changed)
			err := e.judge(t, changed, false)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// All segments of the journal that one run wrote are dropped, or all behind it: no torn record
// tells, as where a segment is cut. Those of the oldest run the folder has durably.
func TestTamper_ProcessBoundaries(t *testing.T) {
	e := newSample(t, true)
	before := ""
	for i, last := range e.boundaries {
		for what, gone := range map[string]func(segment string) bool{
			"a run":              func(s string) bool { return s > before && s <= last },
			"all that came then": func(s string) bool { return s > last },
		} {
			changed := maps.Clone(e.now)
			maps.DeleteFunc(changed, func(name string, _ []byte) bool {
				return strings.HasPrefix(name, "/data/journal/") && gone(name)
			})
			err := e.judge(t, changed, true)
			switch {
			case len(changed) == len(e.now):
				t.Errorf("%s, %s: there is none", what, last)
			case i == 0 && what == "a run":
				if err != nil {
					t.Errorf("the oldest run: %v", err)
				}
			case err == nil || strings.Contains(err.Error(), "was acknowledged and is lost") || !strings.Contains(err.Error(), "journal"):
				t.Errorf("%s, %s: %v", what, last, err)
			}
		}
		before = last
	}
}

// What is kept to save reading all events decides nothing once it was changed, however little:
// every session that a crash ended is recovered, once, with the count found.
func TestTamper_SavedSessions(t *testing.T) {
	e := newSample(t, false)
	const name = "/data/audit/sessions.json"
	for i := range e.now[name] {
		for _, bit := range []byte{1, 4} {
			changed := maps.Clone(e.now)
			changed[name] = bytes.Clone(e.now[name])
			changed[name][i] ^= bit
			if err := e.judge(t, changed, true); err != nil {
				t.Errorf("%q: %v", changed[name], err)
			}
		}
	}
}

// Without what is kept of the sessions, all events are read: those of a changed file are no
// ground for what a recovery writes, so that the gateway does not start.
func TestTamper_EntriesThatRecoveryReads(t *testing.T) {
	e := newSample(t, false)
	delete(e.now, "/data/audit/sessions.json")
	if err := e.judge(t, e.now, true); err != nil {
		t.Fatal(err)
	}
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(e.now)), func(path string) bool {
		return !strings.HasPrefix(path, "/data/audit/tile/entries/") || strings.Contains(path, ".p/")
	})
	if len(paths) < 3 {
		t.Fatal(paths)
	}
	for i, path := range paths {
		for way, do := range e.ways(paths, i, func(string) bool { return true }) {
			changed := maps.Clone(e.now)
			if do(changed); maps.EqualFunc(changed, e.now, bytes.Equal) {
				continue
			}
			g, err := start("/data", changed.disk(t))
			if err == nil {
				_ = g.close()
			}
			if err == nil || !strings.Contains(err.Error(), "tile/entries/") {
				t.Errorf("%s, %s: %v", path, way, err)
			}
		}
	}
}
