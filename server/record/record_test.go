package record_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/record"
)

var quiet = slog.New(slog.DiscardHandler)

// recorder opens the recordings below dir; change may set more options.
func recorder(t testing.TB, dir string, fsys journal.FS, change func(*record.Options)) (*record.Recorder, *journal.Journal) {
	t.Helper()
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{FS: fsys, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	opt := record.Options{Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: j, FS: fsys, Log: quiet}
	if change != nil {
		change(&opt)
	}
	r, err := record.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return r, j
}

func begin(t testing.TB, r *record.Recorder, id string) *record.Recording {
	t.Helper()
	rec, err := r.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("digest key"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func appendWait(t testing.TB, j *journal.Journal, rec *record.Recording, r recording.Record) {
	t.Helper()
	pos, err := rec.Append(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Wait(t.Context(), pos); err != nil {
		t.Fatal(err)
	}
}

// records reads a recording; unfinished tells how it ended.
func records(t testing.TB, r *record.Recorder, id string) (got []recording.Record, unfinished bool) {
	t.Helper()
	rd, err := r.Reader(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rd.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		rec, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return got, false
		}
		if errors.Is(err, recording.ErrUnfinished) {
			return got, true
		}
		if err != nil {
			t.Fatal(err)
		}
		c := *rec
		c.Wire = bytes.Clone(rec.Wire)
		got = append(got, c)
	}
}

func TestRecorder_WritesWhatItSays(t *testing.T) {
	dir := t.TempDir()
	r, j := recorder(t, dir, journal.OS{}, nil)
	rec := begin(t, r, "s1")
	appendWait(t, j, rec, recording.Record{Kind: recording.KindOutput, Counter: 2, Wire: []byte("hello")})
	if got, unfinished := records(t, r, "s1"); len(got) != 2 || !unfinished {
		t.Errorf("while it runs: %+v, unfinished %v", got, unfinished)
	}
	sum, pos, err := rec.Close(recording.Record{Kind: recording.KindEnd, Text: "bye"})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Wait(t.Context(), pos); err != nil {
		t.Fatal(err)
	}
	got, unfinished := records(t, r, "s1")
	if len(got) != 3 || unfinished || string(got[1].Wire) != "hello" || string(got[0].DigestKey) != "digest key" || got[2].Text != "bye" {
		t.Errorf("got %+v", got)
	}
	found, ok, err := r.Found("s1")
	if err != nil || !ok || found != sum {
		t.Errorf("the file is %+v, %v, %v; Close said %+v", found, ok, err, sum)
	}
	if _, err := rec.Append(recording.Record{Kind: recording.KindNotice}); err == nil {
		t.Error("recorded after the end")
	}
	if _, _, err := rec.Close(recording.Record{Kind: recording.KindEnd}); err == nil {
		t.Error("ended twice")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"recordings/s1.hrec": 0o600, "keys/recording.key": 0o600, "keys": 0o700, "recordings": 0o700} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, st.Mode(), err, mode)
		}
	}
}

// A session's ID is used once: in this run, and in all later ones.
func TestRecorder_IDsAreUsedOnce(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		r, j := recorder(t, dir, journal.OS{}, nil)
		rec, err := r.Open(hoop.SessionInfo{ID: "s1"}, nil)
		if err == nil {
			_, err = r.Open(hoop.SessionInfo{ID: "s1"}, nil)
			if _, _, err := rec.Close(recording.Record{Kind: recording.KindEnd}); err != nil {
				t.Fatal(err)
			}
		}
		if hoop.AsError(err).Code != hoop.CodeConflict {
			t.Errorf("got %v", err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r, j := recorder(t, dir, journal.OS{}, nil)
	for _, id := range []string{"", "../s2", "a/b", "a.b", "a\x00", strings.Repeat("x", 129), "ä"} {
		if _, err := r.Open(hoop.SessionInfo{ID: id}, nil); hoop.AsError(err).Code != hoop.CodeInvalid {
			t.Errorf("%q: %v", id, err)
		}
		if _, _, err := r.Raw(t.Context(), id); hoop.AsError(err).Code != hoop.CodeNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecorder_FurtherRecipients(t *testing.T) {
	auditor, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, j := recorder(t, "/d", faultfs.New(), func(o *record.Options) { o.Recipients = []age.Recipient{auditor.Recipient()} })
	appendWait(t, j, begin(t, r, "s1"), recording.Record{Kind: recording.KindNotice, Text: "x"})
	raw, _, err := r.Raw(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	rd, err := recording.NewReader(raw, auditor)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := rd.Next(); err != nil || rec.Kind != recording.KindStart {
		t.Errorf("%+v, %v", rec, err)
	}
	rd.Close()
	if err := errors.Join(raw.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

// What is above a statement's limit leaves its length and keyed digest, and the session
// goes on being recorded.
func TestRecording_LimitOfAStatement(t *testing.T) {
	r, j := recorder(t, "/d", faultfs.New(), func(o *record.Options) { o.StatementBytes = 100 })
	rec := begin(t, r, "s1")
	big := bytes.Repeat([]byte("x"), 60)
	for _, x := range []recording.Record{
		{Kind: recording.KindOutput, Counter: 2, Wire: big},
		{Kind: recording.KindOutput, Counter: 2, Wire: big},
		{Kind: recording.KindOutput, Counter: 2, Wire: []byte("small, and behind the limit")},
		{Kind: recording.KindInput, Counter: 2, Wire: big},
		{Kind: recording.KindOutput, Counter: 4, Wire: big},
		{Kind: recording.KindStatement, Counter: 6, Statement: &recording.Statement{Text: strings.Repeat("y", 500)}},
	} {
		appendWait(t, j, rec, x)
	}
	got, _ := records(t, r, "s1")
	kept := func(i int, want []byte) {
		if x := got[i]; !bytes.Equal(x.Wire, want) || x.Dropped != 0 || x.Digest != "" {
			t.Errorf("record %d: %+v, want it kept", i, x)
		}
	}
	dropped := func(i int, want []byte) {
		mac := hmac.New(sha256.New, []byte("digest key"))
		mac.Write(want)
		if x := got[i]; x.Wire != nil || x.Dropped != int64(len(want)) || x.Digest != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("record %d: %+v, want it dropped", i, x)
		}
	}
	kept(1, big)
	dropped(2, big)
	dropped(3, []byte("small, and behind the limit"))
	kept(4, big) // input has a limit of its own
	kept(5, big) // so has the next statement
	if len(got[6].Statement.Text) != 500 {
		t.Error("a statement's text is never cut")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// More sessions than files may be open, their frames interleaved, with frames larger
// than what is gathered in one write.
func TestRecorder_ManySessions(t *testing.T) {
	dir := t.TempDir()
	r, j := recorder(t, dir, journal.OS{}, nil)
	const sessions = 300
	var wg sync.WaitGroup
	sums := make([]hoop.Record, sessions)
	for s := range sessions {
		rec := begin(t, r, fmt.Sprintf("s%d", s))
		wg.Go(func() {
			for i := range 5 {
				wire := bytes.Repeat([]byte{byte(s), byte(i)}, 50)
				if i == 3 && s%20 == 0 {
					wire = bytes.Repeat(wire, 1000)
				}
				if _, err := rec.Append(recording.Record{Kind: recording.KindOutput, Counter: int64(i), Wire: wire}); err != nil {
					t.Error(err)
				}
			}
			var err error
			if sums[s], _, err = rec.Close(recording.Record{Kind: recording.KindEnd}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r, j = recorder(t, dir, journal.OS{}, nil)
	for s := range sessions {
		id := fmt.Sprintf("s%d", s)
		found, ok, err := r.Found(id)
		if err != nil || !ok || found != sums[s] {
			t.Errorf("%s: %+v, %v, %v; want %+v", id, found, ok, err, sums[s])
		}
		if got, unfinished := records(t, r, id); len(got) != 7 || unfinished {
			t.Errorf("%s: %d records, unfinished %v", id, len(got), unfinished)
		}
	}
	if ids, err := r.Sessions(); err != nil || len(ids) != sessions {
		t.Errorf("%d sessions, %v", len(ids), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// A full disk under the recordings stops everything, not only the sessions it hit.
func TestRecorder_FullDiskFailsClosed(t *testing.T) {
	fsys := faultfs.New()
	var full atomic.Bool
	fsys.Hook = func(op faultfs.Op, name string) error {
		if full.Load() && op == faultfs.OpWrite && strings.HasSuffix(name, ".hrec") {
			return syscall.ENOSPC
		}
		return nil
	}
	r, j := recorder(t, "/d", fsys, nil)
	rec, other := begin(t, r, "s1"), begin(t, r, "s2")
	appendWait(t, j, rec, recording.Record{Kind: recording.KindNotice, Text: "x"})
	full.Store(true)
	big := make([]byte, 100<<10)
	if _, err := rand.Read(big); err != nil { // does not compress
		t.Fatal(err)
	}
	if _, err := rec.Append(recording.Record{Kind: recording.KindOutput, Wire: big}); err != nil {
		t.Fatal(err)
	}
	<-j.Broken()
	if _, err := other.Append(recording.Record{Kind: recording.KindNotice}); hoop.AsError(err).Code != hoop.CodeUnrecorded {
		t.Errorf("another session: %v", err)
	}
	if _, err := r.Open(hoop.SessionInfo{ID: "s3"}, nil); hoop.AsError(err).Code != hoop.CodeUnrecorded {
		t.Errorf("a new session: %v", err)
	}
}

// The key of recordings is never replaced because it cannot be read.
func TestRecorder_KeepsItsKey(t *testing.T) {
	dir := t.TempDir()
	r, j := recorder(t, dir, journal.OS{}, nil)
	first := r.Recipient()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r, j = recorder(t, dir, journal.OS{}, nil)
	if r.Recipient() != first {
		t.Error("another key after a restart")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "keys", "recording.key")
	if err := os.WriteFile(key, []byte("AGE-SECRET-KEY-1SECRET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	_, err = record.New(record.Options{Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: j})
	if err == nil || strings.Contains(err.Error(), "SECRET-KEY-1") {
		t.Errorf("got %v, want an error that does not quote the key", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	r, j := recorder(b, b.TempDir(), journal.OS{}, nil)
	rec := begin(b, r, "s1")
	wire := bytes.Repeat([]byte("0123456789"), 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rec.Append(recording.Record{Kind: recording.KindOutput, Counter: 2, Wire: wire}); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
