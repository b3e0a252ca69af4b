package audit_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/witness"
)

// policyTexts are those that events of these tests name.
var policyTexts = [][]byte{[]byte(`{"data":{}}`), []byte(`{"data":{"targets":[]}}`)}

// policyRevision is the revision of a text; there are several.
func policyRevision(n int) string {
	sum := sha256.Sum256(policyTexts[n%len(policyTexts)])
	return hex.EncodeToString(sum[:])
}

func policyFor(revision string) ([]byte, error) {
	for i, text := range policyTexts {
		if policyRevision(i) == revision {
			return text, nil
		}
	}
	return nil, hoop.Errorf(hoop.CodeNotFound, "no text")
}

// month is a log of several sessions, of sign-ins a minute apart between them.
func month(t testing.TB) *gateway {
	t.Helper()
	return monthOf(t, faultfs.New(), "alice", 0, 4)
}

// monthOf is a month's sessions from one number up to another, on a disk that may have
// those before.
func monthOf(t testing.TB, fsys journal.FS, who string, from, to int) *gateway {
	t.Helper()
	g, err := started("/data", fsys, 1<<20, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.close() })
	g.at = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(150*from) * time.Minute)
	if _, err := g.log.Append(&hoop.Event{Time: g.at, Type: hoop.EventStart}); err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		if err := g.session(t.Context(), fmt.Sprintf("s%d", i), 10); err != nil {
			t.Fatal(err)
		}
		g.signIns(t, who, policyRevision(i), 150)
	}
	return g
}

// signIns appends n of them, a minute apart.
func (g *gateway) signIns(t testing.TB, who, policy string, n int) {
	t.Helper()
	for range n {
		g.at = g.at.Add(time.Minute)
		if _, err := g.log.Append(&hoop.Event{Time: g.at, Type: hoop.EventSignIn, Subject: who, Policy: policy}); err != nil {
			t.Fatal(err)
		}
	}
}

// expire appends that a session's recording is gone. The file stays: what stands in the
// log decides.
func (g *gateway) expire(t testing.TB, session string) {
	t.Helper()
	hash := ""
	for e, err := range g.log.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Type == hoop.EventSessionEnd && e.Event.Session == session {
			hash = e.Event.Record.SHA256
		}
	}
	if err := g.log.Write(t.Context(), &hoop.Event{
		Time: g.at, Type: hoop.EventExpired, Session: session, Details: []hoop.Detail{{Name: auditlog.ExpiredHash, Value: hash}},
	}); err != nil {
		t.Fatal(err)
	}
}

// cosign has a witness cosign the log as it stands, and gives the witness's key.
func (g *gateway) cosign(t *testing.T) string {
	t.Helper()
	w, err := witness.New(witness.Options{Dir: "/w/logs", Key: "/w/key", Name: "w.example", Logs: []string{g.log.VerifierKey()}, FS: faultfs.New(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	signed, c, _, err := g.log.Prove(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	line, err := w.Add(append([]byte("old 0\n\n"), signed...))
	if err != nil {
		t.Fatal(err)
	}
	signature := strings.Fields(string(line))[2]
	if err := g.log.Cosigned(t.Context(), witness.Cosignature{Witness: "w.example", Checkpoint: c, Signature: signature, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return w.VerifierKey()
}

func bundled(t testing.TB, g *gateway, opt audit.BundleOptions) []byte {
	t.Helper()
	if opt.Policy == nil {
		opt.Policy = policyFor
	}
	b, err := g.log.Bundle(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (g *gateway) verifyBundle(b, old []byte) (*bundle.Report, error) {
	return bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: g.log.VerifierKey(), OldCheckpoint: old})
}

func TestBundle_VerifiesAndReports(t *testing.T) {
	g := month(t)
	r, err := g.verifyBundle(bundled(t, g, audit.BundleOptions{Recordings: true}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != g.log.Size() || r.Sessions != 4 || r.Recordings != 4 || r.Policies != 2 || len(r.Warnings) != 0 {
		t.Errorf("got %+v", r)
	}
	_, err = g.log.Bundle(t.Context(), audit.BundleOptions{From: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)})
	if hoop.AsError(err).Code != hoop.CodeInvalid {
		t.Errorf("a time without events: got %v", err)
	}
}

// A gateway whose own events were changed while it runs exports nothing, and says which file.
func TestBundle_NamesADamagedFile(t *testing.T) {
	e, _ := newSite(t)
	const name = "tile/entries/001"
	f, err := e.disk.OpenFile("/data/audit/"+name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("{"), 1000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.log.Bundle(t.Context(), audit.BundleOptions{}); err == nil || !strings.HasPrefix(hoop.AsError(err).Message, name+" of the audit log") {
		t.Errorf("got %v", err)
	}
}

// Two exports of the same range at the same size of the log are the same bytes, however
// far the log has gone on; each verifies, against every checkpoint it was made for.
func TestBundle_SameBytes(t *testing.T) {
	e, _ := newSite(t)
	g := e.gateway
	first := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		opt := audit.BundleOptions{
			Size:       rapid.Int64Range(1, g.log.Size()).Draw(rt, "size"),
			Recordings: rapid.Bool().Draw(rt, "recordings"), Policy: policyFor,
		}
		opt.Since = rapid.Int64Range(0, opt.Size).Draw(rt, "since")
		if rapid.Bool().Draw(rt, "ranged") {
			opt.From = first.Add(time.Duration(rapid.IntRange(0, 1200).Draw(rt, "from")) * time.Minute)
			opt.To = opt.From.Add(time.Duration(rapid.IntRange(1, 1200).Draw(rt, "for")) * time.Minute)
		}
		b, err := g.log.Bundle(t.Context(), opt)
		if hoop.AsError(err).Code == hoop.CodeInvalid && err != nil {
			return // no event in that time, or a recording that is gone since
		}
		if err != nil {
			rt.Fatal(err)
		}
		one := bundled(t, g, opt)
		if err := g.log.Write(t.Context(), &hoop.Event{Type: hoop.EventSignIn}); err != nil {
			rt.Fatal(err)
		}
		if two := bundled(t, g, opt); !bytes.Equal(one, two) {
			rt.Fatalf("%+v: the second export differs", b.Manifest())
		}
		var old []byte
		if opt.Since > 0 {
			earlier, err := g.log.Bundle(t.Context(), audit.BundleOptions{Size: opt.Since, Policy: policyFor})
			if err != nil {
				rt.Fatal(err)
			}
			var out bytes.Buffer
			if err := earlier.Write(t.Context(), &out); err != nil {
				rt.Fatal(err)
			}
			old = file(t, out.Bytes(), auditlog.CheckpointFile)
		}
		if _, err := g.verifyBundle(one, old); err != nil {
			rt.Fatalf("%+v: %v", b.Manifest(), err)
		}
	})
}

func file(t testing.TB, b []byte, name string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// member is a file of a bundle.
type member struct {
	name string
	data []byte
}

func unzipped(t testing.TB, b []byte) []member {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out []member
	for _, f := range z.File {
		out = append(out, member{f.Name, file(t, b, f.Name)})
	}
	return out
}

func zipped(t testing.TB, files []member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := bundle.NewWriter(&out)
	for _, f := range files {
		if err := w.File(f.name, f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func flipped(b []byte, at int) []byte {
	c := slices.Clone(b)
	c[at] ^= 1
	return c
}

func with(files []member, i int, data []byte) []member {
	c := slices.Clone(files)
	c[i].data = data
	return c
}

// Any bit of the archive, of its own headers too, is evidence.
func TestBundle_AnyBit(t *testing.T) {
	g := month(t)
	whole := bundled(t, g, audit.BundleOptions{Recordings: true})
	flip := func(at int) {
		c := slices.Clone(whole)
		c[at] ^= 1 << (at % 8)
		var fault *auditlog.Fault
		if _, err := g.verifyBundle(c, nil); !errors.As(err, &fault) {
			t.Errorf("byte %d of %d: %v", at, len(whole), err)
		}
	}
	r := rand.New(rand.NewPCG(5, 1))
	for range 100 {
		flip(r.IntN(len(whole)))
	}
	for at := len(whole) - 22; at < len(whole); at++ { // the end record
		flip(at)
	}
	for at := range 46 { // the first header
		flip(at)
	}
	for _, c := range [][]byte{append(slices.Clone(whole), 0), append([]byte{0}, whole...), whole[:len(whole)-1], whole[1:], nil} {
		if _, err := g.verifyBundle(c, nil); err == nil {
			t.Errorf("%d bytes: not noticed", len(c))
		}
	}
}

// FuzzBundle_Verify: of a bundle with recordings no other bytes are taken.
func FuzzBundle_Verify(f *testing.F) {
	g := monthOf(f, faultfs.New(), "alice", 0, 1)
	whole := bundled(f, g, audit.BundleOptions{Recordings: true})
	files := unzipped(f, whole)
	f.Add(whole)
	f.Add(append(slices.Clone(whole), 0))
	for i, m := range files {
		f.Add(zipped(f, with(files, i, flipped(m.data, len(m.data)/2))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := g.verifyBundle(b, nil); err == nil && !bytes.Equal(b, whole) {
			t.Error("other bytes were taken")
		}
	})
}

// A gateway that was started again makes the same bytes of the same stretch, at the same
// size, with recordings; and so does one that was killed.
func TestBundle_SameBytesAfterARestart(t *testing.T) {
	from := time.Date(2026, 10, 1, 0, 10, 0, 0, time.UTC)
	opt := audit.BundleOptions{Recordings: true, From: from, To: from.Add(8 * time.Hour), Since: 3}
	disk := faultfs.New()
	g := monthOf(t, disk, "alice", 0, 3)
	opt.Size = g.log.Size()
	want := bundled(t, g, opt)
	killed := folder(files(t, disk, "/data")).disk(t)
	if err := g.close(); err != nil {
		t.Fatal(err)
	}
	if r, err := g.verifyBundle(want, nil); err != nil || r.Recordings < 2 {
		t.Fatal(r, err)
	}
	for name, disk := range map[string]*faultfs.FS{"stopped": disk, "killed": killed} {
		again := monthOf(t, disk, "bob", 3, 4)
		if got := bundled(t, again, opt); !bytes.Equal(got, want) {
			t.Errorf("%s: %d other bytes than the %d before", name, len(got), len(want))
		}
		if err := again.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A bundle without a policy text that its events name is none, whether the text was taken
// out or the gateway had lost it, unless who verifies it says so; and that only of what is
// missing.
func TestBundle_MissingPolicy(t *testing.T) {
	g := month(t)
	named, other := policyRevision(0), policyRevision(1)
	whole := unzipped(t, bundled(t, g, audit.BundleOptions{}))
	taken := zipped(t, slices.DeleteFunc(slices.Clone(whole), func(f member) bool { return f.name == bundle.PolicyFile(named) }))
	lost := bundled(t, g, audit.BundleOptions{Policy: func(revision string) ([]byte, error) {
		if revision == named {
			return nil, hoop.Errorf(hoop.CodeNotFound, "lost")
		}
		return policyFor(revision)
	}})
	if !bytes.Equal(taken, lost) {
		t.Error("a bundle says by itself why a text is missing")
	}
	verify := func(b []byte, accept ...string) (*bundle.Report, error) {
		return bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: g.log.VerifierKey(), AcceptMissing: accept})
	}
	var fault *auditlog.Fault
	if _, err := verify(lost); !errors.As(err, &fault) || fault.File != bundle.PolicyFile(named) || !strings.Contains(err.Error(), "--accept-missing-policy "+named) {
		t.Errorf("not accepted: got %v", err)
	}
	r, err := verify(lost, named)
	if err != nil || r.Policies != 1 || !slices.Equal(r.AcceptedMissing, []string{named}) {
		t.Errorf("accepted: got %+v, %v", r, err)
	}
	for name, tt := range map[string]struct {
		b      []byte
		accept []string
	}{
		"a text that is here":          {lost, []string{named, other}},
		"a text that is here, alone":   {zipped(t, whole), []string{named}},
		"a policy that no event names": {lost, []string{named, "ab"}},
	} {
		if _, err := verify(tt.b, tt.accept...); errors.As(err, &fault) || hoop.AsError(err).Code != hoop.CodeInvalid {
			t.Errorf("%s: got %v, want a fault of the options", name, err)
		}
	}
	if _, err := verify(taken, other); !errors.As(err, &fault) || fault.File != bundle.PolicyFile(named) {
		t.Errorf("another accepted: got %v", err)
	}
}

// An older checkpoint that the bundle was not made for, another log's, and a fork.
func TestBundle_OlderCheckpoint(t *testing.T) {
	g := month(t)
	from := time.Date(2026, 10, 1, 9, 0, 0, 0, time.UTC)
	whole := bundled(t, g, audit.BundleOptions{From: from})
	old := file(t, bundled(t, g, audit.BundleOptions{Size: 77}), auditlog.CheckpointFile)
	if _, err := g.verifyBundle(whole, old); err == nil || !strings.Contains(err.Error(), "export again with --checkpoint") {
		t.Errorf("not made for it: got %v", err)
	}
	if _, err := g.verifyBundle(bundled(t, g, audit.BundleOptions{From: from, Since: 77}), old); err != nil {
		t.Error(err)
	}
	other := month(t)
	foreign := file(t, bundled(t, other, audit.BundleOptions{Size: 77}), auditlog.CheckpointFile)
	if _, err := g.verifyBundle(whole, foreign); err == nil || !strings.Contains(err.Error(), "older checkpoint") {
		t.Errorf("another log's: got %v", err)
	}
}

// BenchmarkBundle_Verify makes a bundle of HOOP_BENCH_EVENTS events (20,000) in sessions
// of 100 statements and verifies it; HOOP_BENCH_BUNDLE keeps it, and its key beside it.
func BenchmarkBundle_Verify(b *testing.B) {
	events := int64(20_000)
	if s := os.Getenv("HOOP_BENCH_EVENTS"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		events = n
	}
	g, err := started(b.TempDir(), journal.OS{}, 64<<20, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = g.close() })
	for i := 0; g.log.Size() < events; i++ {
		g.large(b, fmt.Sprintf("%012x", i))
	}
	name := os.Getenv("HOOP_BENCH_BUNDLE")
	if name == "" {
		name = filepath.Join(b.TempDir(), "bundle.zip")
	}
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	made, err := g.log.Bundle(b.Context(), audit.BundleOptions{Recordings: true, Policy: policyFor})
	if err != nil {
		b.Fatal(err)
	}
	if err := made.Write(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(name+".key", []byte(g.log.VerifierKey()), 0o600); err != nil {
		b.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := bundle.Verify(f, st.Size(), bundle.Options{Key: g.log.VerifierKey()}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(g.log.Size())*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// large appends a session of 100 statements as a gateway writes them.
func (g *gateway) large(b *testing.B, id string) {
	rec, err := g.recorder.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("key"))
	if err != nil {
		b.Fatal(err)
	}
	counter := int64(0)
	add := func(e hoop.Event) {
		counter++
		e.Session, e.Counter, e.Target, e.Subject, e.Grant, e.Policy = id, counter, "pg-prod", "corp:2482", "g1", policyRevision(0)
		if _, err := g.log.Append(&e); err != nil {
			b.Fatal(err)
		}
	}
	add(hoop.Event{Type: hoop.EventSessionStart})
	for range 100 {
		add(hoop.Event{
			Type: hoop.EventStatement, Text: "SELECT full_name, email FROM patients WHERE id = $1 AND ward < $2", Effects: []hoop.Effect{hoop.EffectRead},
			Tables: []string{"public.patients"}, Action: hoop.Allow, Rule: "default", Reason: "reads are allowed",
		})
		add(hoop.Event{Type: hoop.EventResult, Duration: 812, Result: &hoop.Result{
			Statement: counter, Tag: "SELECT 1", Rows: 1, Bytes: 231, Masked: 2, Digest: policyRevision(0),
		}})
	}
	r, _, err := rec.Close(recording.Record{Kind: recording.KindEnd})
	if err != nil {
		b.Fatal(err)
	}
	r.Events = counter + 1
	add(hoop.Event{Type: hoop.EventSessionEnd, Record: &r})
}

// A gateway that has run for long: mono_ns has all its digits before an event's type.
func TestBundle_CosignedAndExpiredLate(t *testing.T) {
	g, fsys := &gateway{}, faultfs.New()
	var err error
	if g.journal, err = journal.Open("/journal", journal.Options{FS: fsys, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.close() })
	if g.recorder, err = record.New(record.Options{Dir: "/recordings", Keys: "/keys", Journal: g.journal, FS: fsys, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	if g.log, err = audit.Open(audit.Options{
		Dir: "/audit", Keys: "/keys", Origin: "test.example/audit", Journal: g.journal, Recordings: g.recorder, FS: fsys, Log: quiet,
		Every: time.Hour, Mono: func() time.Duration { return math.MaxInt64 },
	}); err != nil {
		t.Fatal(err)
	}
	if err := g.session(t.Context(), "s0", 1); err != nil {
		t.Fatal(err)
	}
	witness := g.cosign(t)
	g.expire(t, "s0")
	b := bundled(t, g, audit.BundleOptions{Recordings: true})
	r, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: g.log.VerifierKey(), Witnesses: []string{witness}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cosignatures) != 1 || r.Expired != 1 {
		t.Errorf("%d cosignatures, %d expired: want 1 and 1", len(r.Cosignatures), r.Expired)
	}
}
