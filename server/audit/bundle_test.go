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
		for range 150 {
			g.at = g.at.Add(time.Minute)
			if _, err := g.log.Append(&hoop.Event{Time: g.at, Type: hoop.EventSignIn, Subject: who, Policy: policyRevision(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return g
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

// Two exports of the same range at the same size of the log are the same bytes, however
// far the log has gone on; each verifies, against every checkpoint it was made for.
func TestBundle_SameBytes(t *testing.T) {
	g := month(t)
	first := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		opt := audit.BundleOptions{
			Size:       rapid.Int64Range(1, g.log.Size()).Draw(rt, "size"),
			Recordings: rapid.Bool().Draw(rt, "recordings"), Policy: policyFor,
		}
		opt.Since = rapid.Int64Range(0, opt.Size).Draw(rt, "since")
		if rapid.Bool().Draw(rt, "ranged") {
			opt.From = first.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "from")) * time.Minute)
			opt.To = opt.From.Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "for")) * time.Minute)
		}
		b, err := g.log.Bundle(t.Context(), opt)
		if hoop.AsError(err).Code == hoop.CodeInvalid && err != nil {
			return // no event in that time
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

// kind is the kind of a bundle's file: what stands beside it in the matrix.
func kind(name string) string {
	for _, p := range []string{"policies/", "recordings/", "tile/entries/", "tile/0/", "tile/1/"} {
		if strings.HasPrefix(name, p) {
			return p
		}
	}
	return name
}

// Every kind of file, changed in every way by somebody who can write a perfect archive,
// is noticed, and the file is named, or the one that it must agree with.
func TestBundle_TamperMatrix(t *testing.T) {
	from := time.Date(2026, 10, 1, 0, 10, 0, 0, time.UTC)
	opt := audit.BundleOptions{Recordings: true, From: from, To: from.Add(8 * time.Hour), Since: 3}
	// A log, and a fork of it by the same key, cosigned by a witness of the same key: only
	// the older checkpoint, or the witness, tells them apart.
	disk := faultfs.New()
	if err := monthOf(t, disk, "alice", 0, 1).close(); err != nil {
		t.Fatal(err)
	}
	elsewhere := folder(files(t, disk, "/data")).disk(t)
	forked := monthOf(t, elsewhere, "mallory", 1, 4)
	forked.cosign(t)
	g := monthOf(t, disk, "alice", 1, 4)
	early := g.log.Size()
	key := g.cosign(t)
	whole := bundled(t, g, opt)
	if r, err := g.verifyBundle(whole, nil); err != nil || r.Size <= early {
		t.Fatal(r, err)
	}
	opt.Size = early - 1
	rolledBack, fork := unzipped(t, bundled(t, g, opt)), unzipped(t, bundled(t, forked, audit.BundleOptions{Recordings: true, From: opt.From, To: opt.To, Since: 3}))
	files := unzipped(t, whole)
	at := func(name string) int {
		return slices.IndexFunc(files, func(f member) bool { return f.name == name })
	}
	named := map[string][]string{ // what may be named instead
		"key.pub":       {"checkpoint"},
		"tile/0/":       {"tile/entries/", "tile/1/", "checkpoint"},
		"bundle.json":   {"report", "tile/", "recordings/", "policies/", "checkpoint"},
		"tile/entries/": {"tile/0/"},
		"cosigned":      {"checkpoint"}, // it is a fork of the other, and the error names both
	}
	seen := make(map[string]int)
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	chosen := chosenOf(names, kind)
	for i, f := range files {
		k := kind(f.name)
		if seen[k]++; !chosen[f.name] {
			continue
		}
		ways := map[string]func() []member{
			"flip a bit": func() []member { return with(files, i, flipped(f.data, len(f.data)/2)) },
			"flip the last bit": func() []member {
				return with(files, i, flipped(f.data, len(f.data)-1))
			},
			"drop":     func() []member { return slices.Delete(slices.Clone(files), i, i+1) },
			"truncate": func() []member { return with(files, i, f.data[:len(f.data)-1]) },
			"empty":    func() []member { return with(files, i, nil) },
			"append":   func() []member { return with(files, i, append(slices.Clone(f.data), ' ')) },
			"twice":    func() []member { return append(slices.Clone(files), f) },
			"reorder": func() []member {
				moved := slices.Delete(slices.Clone(files), i, i+1)
				return slices.Insert(moved, (i+3)%len(moved), f)
			},
			"rename": func() []member {
				moved := slices.Clone(files)
				moved[i].name = "x" + f.name
				return moved
			},
		}
		for way, other := range map[string][]member{"roll back": rolledBack, "fork": fork} {
			j := slices.IndexFunc(other, func(o member) bool { return o.name == f.name })
			if j >= 0 && !bytes.Equal(other[j].data, f.data) {
				ways[way] = func() []member { return with(files, i, other[j].data) }
			}
		}
		if j := slices.IndexFunc(files, func(o member) bool { return kind(o.name) == k && o.name != f.name && !bytes.Equal(o.data, f.data) }); j >= 0 {
			ways["swap"] = func() []member {
				moved := slices.Clone(files)
				moved[i].data, moved[j].data = moved[j].data, moved[i].data
				return moved
			}
		}
		for way, do := range ways {
			t.Run(f.name+"/"+way, func(t *testing.T) {
				b := zipped(t, do())
				_, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: g.log.VerifierKey(), Witnesses: []string{key}})
				var fault *auditlog.Fault
				if !errors.As(err, &fault) {
					t.Fatalf("not noticed: %v", err)
				}
				ok := way == "reorder" || way == "rename" || strings.HasPrefix(fault.File, k)
				for _, other := range named[k] {
					ok = ok || strings.HasPrefix(fault.File, other)
				}
				if !ok {
					t.Errorf("it names %s: %v", fault.File, err)
				}
			})
		}
	}
	for _, k := range []string{"README.txt", "bundle.json", "key.pub", "checkpoint", "cosigned", "report.html", "report.json", "policies/", "tile/1/", "tile/0/", "tile/entries/", "recordings/"} {
		if seen[k] == 0 {
			t.Errorf("the sample has no %s", k)
		}
	}
	if at(auditlog.TilePath(0, 0, 256)) < 0 {
		t.Error("the sample lacks the tile of the older checkpoint")
	}
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

// A bundle that leaves events of its time out says so, however well it is made: the
// events beside its span are in it.
func TestBundle_LeavesNothingOut(t *testing.T) {
	g := month(t)
	from := time.Date(2026, 10, 1, 0, 10, 0, 0, time.UTC)
	opt := audit.BundleOptions{From: from, To: from.Add(4 * time.Hour), Policy: policyFor}
	b, err := g.log.Bundle(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	m := b.Manifest()
	for name, change := range map[string]func(*bundle.Manifest){
		"the first": func(m *bundle.Manifest) { m.First++ },
		"the last":  func(m *bundle.Manifest) { m.End-- },
	} {
		lie := m
		change(&lie)
		text, err := lie.Encode()
		if err != nil {
			t.Fatal(err)
		}
		files := unzipped(t, bundled(t, g, opt))
		_, err = g.verifyBundle(zipped(t, with(files, 1, text)), nil)
		if err == nil || !strings.Contains(err.Error(), "leaves it out") {
			t.Errorf("%s event left out: got %v", name, err)
		}
	}
}

// What a bundle says is missing can be missing: no excuse that its own events refute
// passes, and none that excuses nothing.
func TestBundle_FalseExcuses(t *testing.T) {
	g := month(t)
	hash := ""
	for e, err := range g.log.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Type == hoop.EventSessionEnd && e.Event.Session == "s0" {
			hash = e.Event.Record.SHA256
		}
	}
	whole := audit.BundleOptions{Recordings: true, Policy: policyFor}
	part := whole
	part.To = time.Date(2026, 10, 1, 1, 0, 0, 0, time.UTC) // s0, and what follows in the first 256 events
	gone := func(session string, at int64) func(*bundle.Manifest) {
		return func(m *bundle.Manifest) { m.Expired = map[string]int64{session: at} }
	}
	size := g.log.Size()
	for name, tt := range map[string]struct {
		opt   audit.BundleOptions
		drop  string
		lie   func(*bundle.Manifest)
		named string // empty: nobody can tell, so it passes, with a warning
	}{
		"an event of the span":              {whole, "s1", gone("s1", 600), "recordings/s1.hrec"},
		"the last event, in a partial tile": {whole, "s1", gone("s1", size-1), "recordings/s1.hrec"},
		"no event":                          {whole, "s1", gone("s1", size), "recordings/s1.hrec"},
		"below the first":                   {whole, "s1", gone("s1", -1), "recordings/s1.hrec"},
		"beside the span, and here":         {part, "s0", gone("s0", 255), "recordings/s0.hrec"},
		"beside the span, and not here":     {part, "s0", gone("s0", 256), ""},
		"after the end":                     {part, "s0", gone("s0", size), "recordings/s0.hrec"},
		"a recording that is here":          {whole, "", gone("s1", 600), "recordings"},
		"a session of another time":         {part, "", gone("s3", size-1), "recordings"},
		"without recordings":                {audit.BundleOptions{Policy: policyFor}, "", gone("s1", 600), "recordings"},
		"a report of another format":        {whole, "", func(m *bundle.Manifest) { m.Report++ }, bundle.ReportHTML},
	} {
		b, err := g.log.Bundle(t.Context(), tt.opt)
		if err != nil {
			t.Fatal(err)
		}
		m := b.Manifest()
		tt.lie(&m)
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		files := slices.DeleteFunc(with(unzipped(t, bundled(t, g, tt.opt)), 1, text), func(f member) bool {
			return f.name == auditlog.RecordingFile(tt.drop)
		})
		r, err := g.verifyBundle(zipped(t, files), nil)
		var fault *auditlog.Fault
		switch {
		case tt.named == "" && (err != nil || r.Expired != 1 || len(r.Warnings) == 0):
			t.Errorf("%s: got %v, %+v; want a warning", name, err, r)
		case tt.named != "" && (!errors.As(err, &fault) || fault.File != tt.named):
			t.Errorf("%s: got %v, want a fault of %s", name, err, tt.named)
		}
	}

	// The truth: the event that says so is in the bundle, in its partial tile, or not there.
	if _, err := g.log.Append(&hoop.Event{Time: g.at, Type: hoop.EventExpired, Session: "s0", Details: []hoop.Detail{{Name: auditlog.ExpiredHash, Value: hash}}}); err != nil {
		t.Fatal(err)
	}
	for _, opt := range []audit.BundleOptions{whole, part} {
		b, err := g.log.Bundle(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		r, err := g.verifyBundle(bundled(t, g, opt), nil)
		if err != nil {
			t.Fatal(err)
		}
		if inside := opt.To.IsZero(); r.Expired != 1 || inside != (len(b.Manifest().Expired) == 0) || inside != (len(r.Warnings) == 0) {
			t.Errorf("until %v: %d expired, manifest %v, warnings %q", opt.To, r.Expired, b.Manifest().Expired, r.Warnings)
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
	expired := &hoop.Event{Type: hoop.EventExpired, Session: "s0"}
	for e, err := range g.log.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Type == hoop.EventSessionEnd {
			expired.Details = []hoop.Detail{{Name: auditlog.ExpiredHash, Value: e.Event.Record.SHA256}}
		}
	}
	if err := g.log.Write(t.Context(), expired); err != nil {
		t.Fatal(err)
	}
	b := bundled(t, g, audit.BundleOptions{Recordings: true})
	r, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: g.log.VerifierKey(), Witnesses: []string{witness}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cosignatures) != 1 || r.Expired != 1 {
		t.Errorf("%d cosignatures, %d expired: want 1 and 1", len(r.Cosignatures), r.Expired)
	}
}
