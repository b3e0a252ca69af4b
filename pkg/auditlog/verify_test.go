package auditlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// sample is a folder of 700 events: three bundles, two levels of tiles; and its
// checkpoint at 300.
func sample(tb testing.TB) (f *folder, old []byte) {
	f = newFolder(tb)
	f.add(hoop.Event{Type: hoop.EventStart})
	for i := range 11 {
		f.session(fmt.Sprintf("s%02d", i), 12)
	}
	for f.edge.Size() < 300 {
		f.add(hoop.Event{Type: hoop.EventSignInFailed, Subject: "mallory"})
	}
	old = f.checkpoint()
	sweep(f)
	for i := range 14 {
		f.session(fmt.Sprintf("t%02d", i), 12)
	}
	f.begin("crashed")
	f.statement("crashed", 1)
	f.add(hoop.Event{Type: hoop.EventRecovery, Session: "crashed", Record: f.recording("crashed", false)})
	for f.edge.Size() < 700 {
		f.add(hoop.Event{Type: hoop.EventSignIn, Subject: "<alice> & \u2028 caf\u00e9 \xff"})
	}
	f.checkpoint()
	return f, old
}

// sweep removes the partial files of a checkpoint that the log went past.
func sweep(f *folder) {
	for _, p := range []string{"tile/0/001.p", "tile/entries/001.p", "tile/1/000.p"} {
		if err := os.RemoveAll(filepath.Join(f.dir, p)); err != nil {
			f.tb.Fatal(err)
		}
	}
}

func TestVerify_Report(t *testing.T) {
	f, old := sample(t)
	r, err := f.verify(old)
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != 700 || r.Sessions != 26 || r.Recovered != 1 || r.Recordings != 26 || r.Open != 0 || r.OldSize != 300 ||
		r.KeyFromFolder || len(r.Warnings) != 0 || r.Events[hoop.EventStatement] != 25*12+1 {
		t.Errorf("report %+v", r)
	}
	r, err = auditlog.Verify(os.DirFS(f.dir), auditlog.Options{})
	if err != nil || !r.KeyFromFolder || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "vouches only for itself") {
		t.Errorf("without a key: %+v, %v", r, err)
	}
}

func TestVerify_EmptyLog(t *testing.T) {
	f := newFolder(t)
	old := f.checkpoint()
	if r, err := f.verify(old); err != nil || r.Size != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Every size around the edges of tiles verifies, and has the root of a tree made by the
// library's own means.
func TestVerify_EverySize(t *testing.T) {
	f := newFolder(t)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	sizes := []int64{1, 2, 3, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537}
	for i := range sizes[len(sizes)-1] {
		b, err := auditlog.Encode(&hoop.Event{Time: f.now.Add(time.Duration(i)), Type: hoop.EventSignIn})
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := tlog.StoredHashes(i, b, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		f.entry(b)
		size := f.edge.Size()
		if !slices.Contains(sizes, size) {
			continue
		}
		root, err := tlog.TreeHash(size, reader)
		if err != nil {
			t.Fatal(err)
		}
		if f.edge.Root() != root {
			t.Fatalf("size %d: root %s, want %s", size, f.edge.Root(), root)
		}
		if size > 1000 && size != 65537 {
			continue
		}
		f.checkpoint()
		if _, err := f.verify(nil); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
	}
}

// tampering is one way to change a file.
type tampering struct {
	name string
	do   func(b []byte) []byte // nil: the file is removed
}

var tamperings = []tampering{
	{"flip a bit", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }},
	{"flip a bit of the last byte", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
	{"drop", nil},
	{"truncate", func(b []byte) []byte { return b[:len(b)-1] }},
	{"truncate to half", func(b []byte) []byte { return b[:len(b)/2] }},
	{"empty", func(b []byte) []byte { return b[:0] }},
	{"append a byte", func(b []byte) []byte { return append(b, 'x') }},
	{"append a line end", func(b []byte) []byte { return append(b, '\n') }},
	{"swap halves", func(b []byte) []byte { return append(append([]byte{}, b[len(b)/2:]...), b[:len(b)/2]...) }},
}

// Every kind of file, changed in every way, is noticed, and the file is named.
func TestVerify_TamperMatrix(t *testing.T) {
	f, _ := sample(t)
	files := map[string]string{ // the file, and what may be named instead
		"checkpoint":              "",
		"key.pub":                 "checkpoint",
		"tile/0/000":              "tile/entries/000",
		"tile/0/001":              "tile/entries/001",
		"tile/0/002.p/188":        "tile/entries/002.p/188",
		"tile/1/000.p/2":          "",
		"tile/entries/000":        "",
		"tile/entries/001":        "",
		"tile/entries/002.p/188":  "",
		"recordings/s03.hrec":     "",
		"recordings/crashed.hrec": "",
	}
	m := inMemory(t, f)
	for file, or := range files {
		if m[file] == nil {
			t.Fatalf("there is no %s", file)
		}
		for _, way := range tamperings {
			t.Run(file+"/"+way.name, func(t *testing.T) {
				c := maps.Clone(m)
				if way.do == nil {
					delete(c, file)
				} else {
					c[file] = &fstest.MapFile{Data: way.do(bytes.Clone(m[file].Data))}
				}
				_, err := auditlog.Verify(c, auditlog.Options{Key: f.key})
				var fault *auditlog.Fault
				if !errors.As(err, &fault) {
					t.Fatalf("not noticed: %v", err)
				}
				if fault.File != file && fault.File != or {
					t.Errorf("got %q, want it to name %s", err, file)
				}
			})
		}
	}
}

// Files exchanged for others of their kind are noticed.
func TestVerify_SwappedFiles(t *testing.T) {
	f, _ := sample(t)
	for _, pair := range [][2]string{
		{"tile/entries/000", "tile/entries/001"},
		{"tile/0/000", "tile/0/001"},
		{"recordings/s01.hrec", "recordings/s02.hrec"},
	} {
		c := f.copied(t)
		swap(t, c, pair[0], pair[1])
		if _, err := c.verify(nil); err == nil {
			t.Errorf("%v exchanged: not noticed", pair)
		}
	}
	// Entries and tile together: only the level above tells.
	c := f.copied(t)
	swap(t, c, "tile/entries/000", "tile/entries/001")
	swap(t, c, "tile/0/000", "tile/0/001")
	if _, err := c.verify(nil); err == nil {
		t.Error("bundles exchanged with their tiles: not noticed")
	}
}

func swap(t *testing.T, f *folder, a, b string) {
	t.Helper()
	tmp := filepath.Join(f.dir, "tmp")
	for _, r := range [][2]string{{filepath.Join(f.dir, a), tmp}, {filepath.Join(f.dir, b), filepath.Join(f.dir, a)}, {tmp, filepath.Join(f.dir, b)}} {
		if err := os.Rename(r[0], r[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// A log that was rewritten by somebody who can write every file but cannot sign.
func TestVerify_RewrittenTree(t *testing.T) {
	f, _ := sample(t)
	honest, err := os.ReadFile(filepath.Join(f.dir, auditlog.CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	g := newFolder(t)
	g.add(hoop.Event{Type: hoop.EventStart})
	for g.edge.Size() < 700 {
		g.add(hoop.Event{Type: hoop.EventSignIn})
	}
	g.checkpoint()
	g.write(auditlog.CheckpointFile, honest)
	g.write(auditlog.KeyFile, []byte(f.key+"\n"))
	g.key = f.key
	if _, err := g.verify(nil); err == nil || !strings.Contains(err.Error(), "root") {
		t.Errorf("got %v", err)
	}
}

// The gateway's own key signs another past: rolled back, cut or forked. Only an older
// checkpoint tells.
func TestVerify_OlderCheckpoint(t *testing.T) {
	f, old := sample(t)
	newest, err := os.ReadFile(filepath.Join(f.dir, auditlog.CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	again := func(first string, size int64) *folder {
		g := newFolder(t)
		g.signer, g.key = f.signer, f.key
		g.add(hoop.Event{Type: hoop.EventStart, Subject: first})
		for g.edge.Size() < size {
			g.add(hoop.Event{Type: hoop.EventSignIn})
		}
		g.checkpoint()
		return g
	}
	if _, err := f.verify(newest); err != nil {
		t.Errorf("its own checkpoint: %v", err)
	}
	for _, tc := range []struct {
		name string
		f    *folder
		old  []byte
		want string
	}{
		{"rolled back", again("", 200), old, "rolled back"},
		{"forked before", again("x", 800), old, "fork"},
		{"forked, of the same size", again("x", 700), newest, "fork"},
		{"another log's checkpoint", f, newFolder(t).checkpoint(), "signature"},
		{"not a checkpoint", f, []byte("hello"), "signature"},
	} {
		if _, err := tc.f.verify(tc.old); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// The gateway omitted or invented something, and signed it.
func TestVerify_Sessions(t *testing.T) {
	start := hoop.Event{Type: hoop.EventSessionStart, Session: "s", Counter: 1}
	statement := hoop.Event{Type: hoop.EventStatement, Session: "s", Counter: 2}
	end := func(counter, events int64) hoop.Event {
		return hoop.Event{Type: hoop.EventSessionEnd, Session: "s", Counter: counter, Record: &hoop.Record{Events: events}}
	}
	for _, tc := range []struct {
		name   string
		events []hoop.Event
		want   string // empty: fine
	}{
		{"in order", []hoop.Event{start, statement, end(3, 3)}, ""},
		{"no start", []hoop.Event{statement}, "without a start"},
		{"a start that is not the first", []hoop.Event{{Type: hoop.EventSessionStart, Session: "s", Counter: 2}}, "not the first"},
		{"two starts", []hoop.Event{start, start}, "starts twice"},
		{"an event left out", []hoop.Event{start, {Type: hoop.EventResult, Session: "s", Counter: 3}}, "event 3 after event 1"},
		{"an event twice", []hoop.Event{start, statement, statement}, "event 2 after event 2"},
		{"the last left out", []hoop.Event{start, end(2, 3)}, "commits to 3 events"},
		{"an end without a commitment", []hoop.Event{start, {Type: hoop.EventSessionEnd, Session: "s", Counter: 2}}, "without committing"},
		{"an event after the end", []hoop.Event{start, end(2, 2), {Type: hoop.EventResult, Session: "s", Counter: 3}}, "after its end"},
		{"an ID used again", []hoop.Event{start, end(2, 2), start}, "starts twice"},
		{"a statement without a place", []hoop.Event{{Type: hoop.EventStatement, Session: "s"}}, "without its place"},
		{"a counter without a session", []hoop.Event{{Type: hoop.EventSignIn, Counter: 1}}, "no session"},
		{"a result before its statement", []hoop.Event{start, {Type: hoop.EventResult, Session: "s", Counter: 2, Result: &hoop.Result{Statement: 2}}}, "result before"},
		{"a crash that nobody recovered", []hoop.Event{start, {Type: hoop.EventStart}}, "neither ended nor was recovered"},
		{"still open", []hoop.Event{start, statement}, ""},
		{"a refusal", []hoop.Event{{Type: hoop.EventSessionDenied, Session: "x"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFolder(t)
			for _, e := range tc.events {
				f.raw(e)
			}
			f.checkpoint()
			_, err := f.verify(nil)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// An entry that says the same in other bytes is no event.
func TestVerify_Canonical(t *testing.T) {
	e := hoop.Event{Type: hoop.EventSignIn, Subject: "<a>", Details: []hoop.Detail{{Name: "a", Value: "b"}}}
	good, err := auditlog.Encode(&e)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`{`, `{ `},
		{`"time"`, `"Time"`},
		{`"type":`, `"type": `},
		{`\u003c`, `<`},
		{`"subject"`, `"unknown":1,"subject"`},
		{`"subject"`, `"subject":"","subject"`},
		{`Z"`, `+00:00"`},
		{`00Z`, `00.000Z`},
		{`"details"`, `"counter":0,"details"`},
		{`}]}`, "}]}\n"},
		{`}]}`, `}]}{}`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(good, bad) {
			t.Fatalf("%q is not in %s", change[0], good)
		}
		f := newFolder(t)
		f.entry(bad)
		f.checkpoint()
		if _, err := f.verify(nil); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestVerify_RecordingsThatNobodyNamed(t *testing.T) {
	f, _ := sample(t)
	f.recording("stranger", true)
	if _, err := f.verify(nil); err == nil || !strings.Contains(err.Error(), "stranger") {
		t.Errorf("got %v", err)
	}
	r, err := auditlog.Verify(os.DirFS(f.dir), auditlog.Options{Key: f.key, WithoutRecordings: true})
	if err != nil || len(r.Warnings) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestVerify_UnfinishedRecordingOfAnOrderlyEnd(t *testing.T) {
	f := newFolder(t)
	f.begin("s")
	f.add(hoop.Event{Type: hoop.EventSessionEnd, Session: "s", Record: f.recording("s", false)})
	f.checkpoint()
	if _, err := f.verify(nil); err == nil || !strings.Contains(err.Error(), "end mark") {
		t.Errorf("got %v", err)
	}
}

// A session's ID never leads out of the folder.
func TestVerify_SessionIDIsNoPath(t *testing.T) {
	for _, id := range []string{"../../etc/passwd", "a/b", "..", "/x"} {
		f := newFolder(t)
		f.recordings = false
		f.begin(id)
		f.add(hoop.Event{Type: hoop.EventSessionEnd, Session: id, Record: &hoop.Record{SHA256: "00", Size: 1}})
		f.checkpoint()
		if _, err := f.verify(nil); err == nil {
			t.Errorf("%q was taken", id)
		}
	}
}

// Any bit of any evidence file: verification fails.
func TestVerify_AnyBit(t *testing.T) {
	f, _ := sample(t)
	var files []string
	err := fs.WalkDir(os.DirFS(f.dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m := inMemory(t, f)
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SampledFrom(files).Draw(t, "file")
		b := m[file].Data
		bit := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
		b[bit/8] ^= 1 << (bit % 8)
		defer func() { b[bit/8] ^= 1 << (bit % 8) }()
		if _, err := auditlog.Verify(m, auditlog.Options{Key: f.key}); err == nil {
			t.Fatalf("bit %d of %s can be flipped", bit, file)
		}
	})
}

// inMemory gives the folder's files.
func inMemory(t *testing.T, f *folder) fstest.MapFS {
	m := make(fstest.MapFS)
	err := fs.WalkDir(os.DirFS(f.dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(f.dir, p))
		m[p] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Every bit of the smallest files, where rapid would come by seldom.
func TestVerify_EveryBitOfTheCheckpoint(t *testing.T) {
	f := newFolder(t)
	f.session("s", 1)
	f.checkpoint()
	m := inMemory(t, f)
	for _, file := range []string{auditlog.CheckpointFile, auditlog.KeyFile} {
		b := m[file].Data
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			for _, key := range []string{f.key, ""} {
				if _, err := auditlog.Verify(m, auditlog.Options{Key: key}); err == nil {
					t.Errorf("bit %d of %s can be flipped (key given: %v)", bit, file, key != "")
				}
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}
