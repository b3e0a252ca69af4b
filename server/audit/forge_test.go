package audit_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/report"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// site is a gateway with a log of which a bundle has every kind of file: two policies, a
// cosignature; recordings that are there, and that are gone by an event of the span (s2),
// of a full bundle of entries that is not there (s3), and of the partial one (s4).
type site struct {
	*gateway
	disk    *faultfs.FS
	witness string
	asked   audit.BundleOptions
}

// newSite makes one, and a fork of it by the same key, which a witness of the same key
// has cosigned: only the older checkpoint, or the other witness, tells them apart.
func newSite(t *testing.T) (real, fork *site) {
	t.Helper()
	disk := faultfs.New()
	if err := monthOf(t, disk, "alice", 0, 1).close(); err != nil {
		t.Fatal(err)
	}
	elsewhere := folder(files(t, disk, "/data")).disk(t)
	return continued(t, disk, "alice"), continued(t, elsewhere, "mallory")
}

func continued(t *testing.T, disk *faultfs.FS, who string) *site {
	t.Helper()
	first := monthOf(t, disk, who, 1, 3)
	first.expire(t, "s2")
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	e := &site{gateway: monthOf(t, disk, who, 3, 8), disk: disk}
	e.cosign(t)
	e.signIns(t, who, policyRevision(1), 10)
	e.witness = e.cosign(t)
	for _, session := range []string{"s3", "s4"} {
		e.expire(t, session)
		e.signIns(t, who, policyRevision(0), 200)
	}
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	e.asked = audit.BundleOptions{
		Recordings: true, From: begin.Add(4 * time.Hour), To: begin.Add(17 * time.Hour), Since: 3, Size: e.log.Size(), Policy: policyFor,
	}
	return e
}

// kind is the kind of a bundle's file: what stands beside it in the matrix.
func kind(name string) string {
	for _, p := range []string{"policies/", "recordings/", "tile/entries/", "tile/0/", "tile/1/"} {
		if strings.HasPrefix(name, p) {
			if strings.Contains(name, ".p/") {
				return "partial " + p
			}
			return p
		}
	}
	return name
}

// kinds are all of them. A bundle's partial tile/0 has entries, or, where the span ends
// before it, has none.
var kinds = []string{
	"README.txt", "bundle.json", "key.pub", "checkpoint", "cosigned", "outside", "report.html", "report.json", "policies/",
	"partial tile/1/", "tile/0/", "partial tile/0/", "tile/entries/", "partial tile/entries/", "recordings/",
}

// forger changes bundles, and makes the rest of each fit: it has all that the gateway has
// but its keys.
type forger struct {
	t     *testing.T
	e     *site
	m     bundle.Manifest
	base  map[string][]byte
	log   map[string][]byte // the gateway's files
	ended map[int64]string  // sessions, by the event that commits to the recording
	spans map[report.About]span
}

// span is what follows from the events of a span.
type span struct {
	html, json         []byte
	policies, sessions []string
}

func newForger(t *testing.T, e *site, opt audit.BundleOptions) *forger {
	t.Helper()
	f := &forger{t: t, e: e, base: make(map[string][]byte), log: files(t, e.disk, "/data/audit"), ended: make(map[int64]string), spans: make(map[report.About]span)}
	for _, m := range unzipped(t, bundled(t, e.gateway, opt)) {
		f.base[m.name] = m.data
	}
	m, err := bundle.DecodeManifest(f.base[bundle.ManifestFile])
	if err != nil {
		t.Fatal(err)
	}
	f.m = *m
	for entry, err := range e.log.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Event.Record != nil {
			f.ended[entry.Index] = entry.Event.Session
		}
	}
	return f
}

// event is the canonical bytes of one.
func (f *forger) event(index int64) []byte {
	f.t.Helper()
	for e, err := range f.e.log.Events(f.t.Context(), index) {
		if err != nil {
			f.t.Fatal(err)
		}
		return bytes.Clone(e.Raw)
	}
	f.t.Fatalf("no event %d", index)
	return nil
}

// outside is the file of that name with these events.
func (f *forger) outside(indexes ...int64) (b []byte) {
	for _, index := range indexes {
		b = bundle.AppendOutside(b, index, f.event(index))
	}
	return b
}

// gone is the event that says that a session's recording is.
func (f *forger) gone(session string) int64 {
	f.t.Helper()
	for e, err := range f.e.log.Events(f.t.Context(), 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		if e.Event.Type == hoop.EventExpired && e.Event.Session == session {
			return e.Index
		}
	}
	f.t.Fatalf("session %s has its recording", session)
	return 0
}

// made is the archive that m describes, in its order, with its report: of what is in change,
// where nil takes a file out, else of the bundle, else of the log.
func (f *forger) made(m bundle.Manifest, change map[string][]byte) []byte {
	f.t.Helper()
	text, err := m.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	fitting := map[string][]byte{bundle.ManifestFile: text}
	content := func(name string) []byte {
		for _, from := range []map[string][]byte{change, fitting, f.base} {
			if b, ok := from[name]; ok {
				return b
			}
		}
		return f.log["/data/audit/"+name]
	}
	s := f.span(m)
	fitting[bundle.ReportHTML], fitting[bundle.ReportJSON] = s.html, s.json
	policies := slices.DeleteFunc(slices.Clone(s.policies), func(rev string) bool { return content(bundle.PolicyFile(rev)) == nil })
	sessions := slices.DeleteFunc(slices.Clone(s.sessions), func(id string) bool { return content(auditlog.RecordingFile(id)) == nil })
	var indexes []int64
	for line := range strings.Lines(string(content(auditlog.OutsideFile))) {
		number, _, _ := strings.Cut(line, " ")
		if index, err := strconv.ParseInt(number, 10, 64); err == nil {
			indexes = append(indexes, index)
		}
	}
	var out []member
	names := m.Names(policies, indexes, sessions)
	for _, name := range append(names, slices.Sorted(maps.Keys(change))...) {
		if b := content(name); b != nil && !slices.ContainsFunc(out, func(o member) bool { return o.name == name }) {
			out = append(out, member{name, b})
		}
	}
	return zipped(f.t, out)
}

// span reads the events of m's span.
func (f *forger) span(m bundle.Manifest) span {
	f.t.Helper()
	if s, ok := f.spans[m.About()]; ok {
		return s
	}
	builder, s := report.NewBuilder(), span{}
	for e, err := range f.e.log.Events(f.t.Context(), m.First) {
		if err != nil {
			f.t.Fatal(err)
		}
		if e.Index >= m.End {
			break
		}
		builder.Add(e.Index, e.Event)
		if session, ok := f.ended[e.Index]; ok {
			s.sessions = append(s.sessions, session)
		}
	}
	made, err := builder.Report(m.About()), error(nil)
	if s.html, err = made.HTML(); err != nil {
		f.t.Fatal(err)
	}
	if s.json, err = made.JSON(); err != nil {
		f.t.Fatal(err)
	}
	s.policies = builder.Policies()
	f.spans[m.About()] = s
	return s
}

// judge verifies an archive. What passes must be what the gateway itself exports to those
// who ask for what bundle.json says: then the change was none, or nobody was deceived. It is not
// told of a witness.
func (f *forger) judge(b []byte) *auditlog.Fault {
	f.t.Helper()
	_, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: f.e.log.VerifierKey()})
	var fault *auditlog.Fault
	if errors.As(err, &fault) {
		return fault
	}
	if err != nil {
		f.t.Fatalf("got %v, want a fault", err)
	}
	m, err := bundle.DecodeManifest(file(f.t, b, bundle.ManifestFile))
	if err != nil {
		f.t.Fatal(err)
	}
	honest := bundled(f.t, f.e.gateway, audit.BundleOptions{From: m.From, To: m.To, Recordings: m.Recordings, Size: m.Size, Since: m.Since})
	if bytes.Equal(b, honest) {
		return nil
	}
	// A cosignature of which no event here tells can be left out: it is missed by whoever
	// names the witness.
	if tells := func(index int64) bool { return m.Span().Holds(index, m.Size) }; m.Cosigned == 0 && !slices.ContainsFunc(f.checkpoints(), tells) {
		_, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: f.e.log.VerifierKey(), Witnesses: []string{f.e.witness}})
		if errors.As(err, &fault) {
			return fault
		}
	}
	f.t.Error("it was taken, and it is not what the gateway exports")
	return nil
}

// A bundle that has all kinds of files verifies, and its forger knows how they are put
// together: what is to be noticed below is not that it fails at this.
func TestBundle_Whole(t *testing.T) {
	e, fork := newSite(t)
	for _, e := range []*site{e, fork} {
		f := newForger(t, e, e.asked)
		whole := bundled(t, e.gateway, e.asked)
		if !bytes.Equal(f.made(f.m, nil), whole) {
			t.Error("the forger's bundle is another one")
		}
		r, err := bundle.Verify(bytes.NewReader(whole), int64(len(whole)), bundle.Options{Key: e.log.VerifierKey(), Witnesses: []string{e.witness}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Recordings != 2 || r.Expired != 3 || r.Policies != 2 || len(r.Cosignatures) != 1 || len(r.Warnings) != 0 {
			t.Errorf("got %+v", r)
		}
		if got := bytes.Count(f.base[auditlog.OutsideFile], []byte("\n")); got != 3 {
			t.Errorf("%d events stand outside, want s3's and s4's end and a cosignature", got)
		}
	}
}

// samples are the bundles of the matrix: one ends before the log's last bundle of entries,
// one with it.
func (e *site) samples() map[string]audit.BundleOptions {
	later := e.asked
	later.From, later.To = later.From.Add(time.Hour), time.Time{}
	return map[string]audit.BundleOptions{"a stretch": e.asked, "to the end": later}
}

// Every kind of file, changed in every way by somebody who can write a perfect archive,
// is noticed, and the file is named, or the one that it must agree with; whatever
// bundle.json says to excuse it.
func TestBundle_TamperMatrix(t *testing.T) {
	e, fork := newSite(t)
	seen, excused := make(map[string]int), make(map[string]bool)
	for sample, opt := range e.samples() {
		t.Run(sample, func(t *testing.T) {
			early := opt
			early.Size, early.Since = e.log.Size()-150, 2
			forkOpt := opt
			forkOpt.Size = fork.log.Size()
			others := map[string]map[string][]byte{
				"roll back": newForger(t, e, early).base, "fork": newForger(t, fork, forkOpt).base,
			}
			f := newForger(t, e, opt)
			names := slices.Sorted(maps.Keys(f.base))
			chosen := chosenOf(names, kind)
			for _, name := range names {
				if seen[kind(name)]++; !chosen[name] {
					continue
				}
				first := !excused[kind(name)]
				excused[kind(name)] = true
				for way, change := range f.ways(name, names, others) {
					t.Run(name+"/"+way, func(t *testing.T) { f.tampered(t, name, way, change, first) })
				}
			}
		})
	}
	for _, k := range kinds {
		if seen[k] == 0 {
			t.Errorf("the samples have no %s", k)
		}
	}
	for k := range seen {
		if !slices.Contains(kinds, k) {
			t.Errorf("the matrix does not know the kind %s", k)
		}
	}
}

// instead is what may be named in place of a kind of file.
var instead = map[string][]string{
	"key.pub":               {"checkpoint"},
	"tile/0/":               {"tile/entries/", "tile/1/", "checkpoint", "outside"},
	"partial tile/0/":       {"tile/entries/", "tile/1/", "checkpoint", "outside"},
	"partial tile/1/":       {"tile/0/", "checkpoint"},
	"tile/entries/":         {"tile/0/"},
	"partial tile/entries/": {"tile/0/"},
	"checkpoint":            {"tile/", "cosigned"}, // what a smaller log has, and what events say that was cosigned
	"cosigned":              {"checkpoint"},        // it is a fork of the other, and the error names both
	"outside":               {"recordings/", "cosigned"},
	"bundle.json":           {"report", "tile/", "recordings/", "policies/", "checkpoint"},
}

// tampered makes one change, and with excused then each excuse for it: what passes then,
// judge has found to be an honest export of something else.
func (f *forger) tampered(t *testing.T, name, way string, change map[string][]byte, excused bool) {
	g := *f
	g.t = t
	fault := g.judge(g.made(g.m, change))
	if fault == nil {
		t.Fatal("not noticed")
	}
	k := kind(name)
	if kind(fault.File) != k && way != "rename" && !slices.ContainsFunc(instead[k], func(p string) bool { return strings.HasPrefix(fault.File, p) }) {
		t.Errorf("it names %s: %v", fault.File, fault)
	}
	if strings.HasPrefix(way, "flip") && strings.Contains(fault.What, "fork") && k != "checkpoint" && k != bundle.CosignedFile {
		t.Errorf("a damaged file is called a fork: %v", fault)
	}
	if name == bundle.ManifestFile || !excused { // of bundle.json: TestBundle_EveryWord
		return
	}
	for _, excuse := range excuses {
		m, c := g.m, maps.Clone(change)
		excuse(&g, &m, c)
		g.judge(g.made(m, c))
	}
}

// excuses are what bundle.json can say, with what goes with it.
var excuses = []func(f *forger, m *bundle.Manifest, change map[string][]byte){
	func(_ *forger, m *bundle.Manifest, c map[string][]byte) { m.Cosigned, c[bundle.CosignedFile] = 0, nil },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.Cosigned-- },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.Since = 0 },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.Size-- },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.First++ },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.End-- },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.From = time.Time{} },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.To = time.Time{} },
	func(_ *forger, m *bundle.Manifest, _ map[string][]byte) { m.Report-- },
	func(_ *forger, _ *bundle.Manifest, c map[string][]byte) { c[auditlog.OutsideFile] = nil },
	func(f *forger, m *bundle.Manifest, c map[string][]byte) { f.bare(m, c) },
}

// bare makes it a bundle without recordings.
func (f *forger) bare(m *bundle.Manifest, change map[string][]byte) {
	m.Recordings = false
	change[auditlog.OutsideFile] = f.outside(f.told())
	for _, session := range f.ended {
		change[auditlog.RecordingFile(session)] = nil
	}
}

// ways are the changes of one file. Each may take others with it.
func (f *forger) ways(name string, names []string, others map[string]map[string][]byte) map[string]map[string][]byte {
	b := f.base[name]
	ways := map[string]map[string][]byte{
		"flip a bit":        {name: flipped(b, len(b)/2)},
		"flip the last bit": {name: flipped(b, len(b)-1)},
		"drop":              {name: nil},
		"truncate":          {name: b[:len(b)-1]},
		"empty":             {name: {}},
		"append":            {name: append(slices.Clone(b), ' ')},
		"reorder":           {name: append(slices.Clone(b[len(b)/2:]), b[:len(b)/2]...)},
		"rename":            {name: nil, "x" + name: b},
	}
	for way, other := range others {
		if c, ok := other[name]; ok && !bytes.Equal(c, b) {
			ways[way] = map[string][]byte{name: c}
		}
	}
	if i := slices.IndexFunc(names, func(o string) bool {
		return kind(o) == kind(name) && o != name && !bytes.Equal(f.base[o], b)
	}); i >= 0 {
		ways["swap"] = map[string][]byte{name: f.base[names[i]], names[i]: b}
	}
	if kind(name) == "cosigned" || kind(name) == "checkpoint" {
		foreign := "— other.example " + strings.Repeat("A", 4) + strings.Repeat("B", 100) + "\n"
		ways["append a signature"] = map[string][]byte{name: append(slices.Clone(b), foreign...)}
	}
	if lines := bytes.SplitAfter(b, []byte("\n")); name == auditlog.OutsideFile {
		ways["drop a line"] = map[string][]byte{name: bytes.Join(lines[1:], nil)}
		ways["reorder lines"] = map[string][]byte{name: bytes.Join([][]byte{lines[1], lines[0], lines[2]}, nil)}
		ways["a line twice"] = map[string][]byte{name: bytes.Join([][]byte{lines[0], b}, nil)}
	}
	return ways
}

// In an archive of the right files nothing stands twice, or at another place.
func TestBundle_TamperOrder(t *testing.T) {
	e, _ := newSite(t)
	f := newForger(t, e, e.asked)
	files := unzipped(t, f.made(f.m, nil))
	for i, m := range files {
		moved := slices.Insert(slices.Delete(slices.Clone(files), i, i+1), (i+3)%len(files), m)
		for way, changed := range map[string][]member{"twice": append(slices.Clone(files), m), "moved": moved} {
			if f.judge(zipped(t, changed)) == nil {
				t.Errorf("%s %s: not noticed", m.name, way)
			}
		}
	}
}

// bundle.json is not signed. Whatever one word of it is changed to, with all that must go
// with it: the bundle is refused, or it is the one that the gateway exports to whoever
// asks for that, which is what its output says.
func TestBundle_EveryWord(t *testing.T) {
	e, _ := newSite(t)
	f := newForger(t, e, e.asked)
	minute := time.Minute
	taken := 0
	for name, change := range map[string]func(*bundle.Manifest){
		"format":           func(m *bundle.Manifest) { m.Format++ },
		"origin":           func(m *bundle.Manifest) { m.Origin += "x" },
		"size, more":       func(m *bundle.Manifest) { m.Size++ },
		"size, less":       func(m *bundle.Manifest) { m.Size-- },
		"root":             func(m *bundle.Manifest) { m.Root = strings.Repeat("A", 43) + "=" },
		"first, later":     func(m *bundle.Manifest) { m.First++ },
		"first, earlier":   func(m *bundle.Manifest) { m.First-- },
		"first, a bundle":  func(m *bundle.Manifest) { m.First += 256 },
		"end, later":       func(m *bundle.Manifest) { m.End++ },
		"end, earlier":     func(m *bundle.Manifest) { m.End-- },
		"end, a bundle":    func(m *bundle.Manifest) { m.End -= 256 },
		"from, none":       func(m *bundle.Manifest) { m.From = time.Time{} },
		"from, earlier":    func(m *bundle.Manifest) { m.From = m.From.Add(-minute) },
		"from, later":      func(m *bundle.Manifest) { m.From = m.From.Add(minute) },
		"from, a little":   func(m *bundle.Manifest) { m.From = m.From.Add(-1) },
		"to, none":         func(m *bundle.Manifest) { m.To = time.Time{} },
		"to, earlier":      func(m *bundle.Manifest) { m.To = m.To.Add(-minute) },
		"to, later":        func(m *bundle.Manifest) { m.To = m.To.Add(minute) },
		"to, a little":     func(m *bundle.Manifest) { m.To = m.To.Add(-1) },
		"since, none":      func(m *bundle.Manifest) { m.Since = 0 },
		"since, another":   func(m *bundle.Manifest) { m.Since++ },
		"since, far":       func(m *bundle.Manifest) { m.Since = m.Size - 5 },
		"cosigned, none":   func(m *bundle.Manifest) { m.Cosigned = 0 },
		"cosigned, less":   func(m *bundle.Manifest) { m.Cosigned-- },
		"cosigned, more":   func(m *bundle.Manifest) { m.Cosigned++ },
		"recordings, none": func(m *bundle.Manifest) { m.Recordings = false },
		"report":           func(m *bundle.Manifest) { m.Report++ },
	} {
		m := f.m
		change(&m)
		drop := map[string][]byte{}
		if !m.Recordings {
			f.bare(&m, drop)
		}
		t.Run(name, func(t *testing.T) {
			g := *f
			g.t = t
			fault := g.judge(g.made(m, drop))
			word, _, _ := strings.Cut(name, ",")
			if fault == nil {
				taken++
			}
			if fault == nil && word != "from" && word != "to" && word != "since" && word != "recordings" {
				t.Error("nobody can ask for that, and it was taken")
			}
		})
	}
	if taken < 4 {
		t.Errorf("%d were taken: the forger makes nothing that fits", taken)
	}
}

// told is the event that tells of the newest cosignature.
func (f *forger) told() int64 {
	all := f.checkpoints()
	return all[len(all)-1]
}

// checkpoints are the events that tell of cosignatures.
func (f *forger) checkpoints() (indexes []int64) {
	f.t.Helper()
	for e, err := range f.e.log.Events(f.t.Context(), 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		if e.Event.Type == hoop.EventCheckpoint {
			indexes = append(indexes, e.Index)
		}
	}
	return indexes
}

// A bundle that leaves events of its time out says so, however well it is made: the
// events beside its span are in it.
func TestBundle_LeavesNothingOut(t *testing.T) {
	e, _ := newSite(t)
	f := newForger(t, e, e.asked)
	for name, change := range map[string]func(*bundle.Manifest){
		"the first": func(m *bundle.Manifest) { m.First++ },
		"some":      func(m *bundle.Manifest) { m.First += 20 },
		"the last":  func(m *bundle.Manifest) { m.End-- },
	} {
		m := f.m
		change(&m)
		if fault := f.judge(f.made(m, nil)); fault == nil || !strings.Contains(fault.What, "leaves it out") {
			t.Errorf("%s event left out: got %v", name, fault)
		}
	}
}

// Events of one moment may stand in the log out of their order: those of the time that
// stand before its first neighbour of another time, or behind its last, are not left out
// either.
func TestBundle_LeavesNothingOutOfAMoment(t *testing.T) {
	disk := faultfs.New()
	g, err := started("/data", disk, 1<<20, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.close() })
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for _, us := range []int{0, 10, 9, 11, 20, 19, 21} {
		if err := g.log.Write(t.Context(), &hoop.Event{Time: begin.Add(time.Duration(us) * time.Microsecond), Type: hoop.EventSignIn}); err != nil {
			t.Fatal(err)
		}
	}
	f := newForger(t, &site{gateway: g, disk: disk}, audit.BundleOptions{From: begin.Add(10 * time.Microsecond), To: begin.Add(20 * time.Microsecond)})
	if f.m.First != 1 || f.m.End != 6 || f.judge(f.made(f.m, nil)) != nil {
		t.Fatalf("got events %d to %d", f.m.First, f.m.End)
	}
	for _, span := range [][2]int64{{3, 6}, {1, 4}, {3, 4}} {
		m := f.m
		m.First, m.End = span[0], span[1]
		if fault := f.judge(f.made(m, nil)); fault == nil || !strings.Contains(fault.What, "leaves it out") {
			t.Errorf("events %d to %d: got %v", m.First, m.End, fault)
		}
	}
}

// A recording is gone only by the event that says so, which the log has: no other event
// excuses that it is missing, and none stands there that excuses nothing.
func TestBundle_FalseExcuses(t *testing.T) {
	e, _ := newSite(t)
	f := newForger(t, e, e.asked)
	s3, s4, told := f.gone("s3"), f.gone("s4"), f.told()
	first := slices.Min([]int64{s3, told})
	other := func(index int64, session string) []byte { // another event that claims to be there
		return bundle.AppendOutside(nil, index, bytes.Replace(f.event(s3), []byte(`"s3"`), []byte(`"`+session+`"`), 1))
	}
	missing := func(session string) string { return auditlog.RecordingFile(session) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, tt := range map[string]struct {
		drop    string
		outside []byte
		named   string
	}{
		"without any reason":                      {"s5", f.base[auditlog.OutsideFile], missing("s5")},
		"by another's event":                      {"s5", join(f.outside(told, s3, s4)), missing("s5")},
		"by an event that was made up":            {"s5", join(f.outside(told, s3), other(s3+1, "s5"), f.outside(s4)), auditlog.OutsideFile},
		"by one at the place of another":          {"s5", join(f.outside(told), other(s3, "s5"), f.outside(s4)), auditlog.OutsideFile},
		"by an event of another kind":             {"s5", f.outside(told, s3, s3+7, s4), auditlog.OutsideFile},
		"by one beyond the log":                   {"s5", join(f.outside(told, s3, s4), other(f.m.Size, "s5")), auditlog.OutsideFile},
		"by one before the first":                 {"s5", join(other(-1, "s5"), f.outside(told, s3, s4)), auditlog.OutsideFile},
		"by one that has its place here":          {"s5", join(other(f.m.First+3, "s5"), f.outside(told, s3, s4)), auditlog.OutsideFile},
		"by one that is not a number":             {"s5", join([]byte("x "), f.event(first), []byte("\n")), auditlog.OutsideFile},
		"by one with another number":              {"s5", join([]byte("0"), f.outside(told, s3, s4)), auditlog.OutsideFile},
		"by one without an end":                   {"s5", bytes.TrimSuffix(f.outside(told, s3, s4), []byte("\n")), auditlog.OutsideFile},
		"one that is said to be gone twice":       {"", f.outside(told, s3, s3, s4), auditlog.OutsideFile},
		"one whose reason was taken out":          {"", f.outside(told, s4), missing("s3")},
		"one whose reason in the edge is missing": {"", f.outside(told, s3), missing("s4")},
		"the cosignature's event":                 {"", f.outside(s3, s4), bundle.CosignedFile},
		"an older cosignature's event":            {"", f.outside(f.checkpoints()[0], told, s3, s4), auditlog.OutsideFile},
		"an event that nothing rests on":          {"", f.outside(told, told+1, s3, s4), auditlog.OutsideFile},
	} {
		change := map[string][]byte{auditlog.OutsideFile: tt.outside}
		if tt.drop != "" {
			change[auditlog.RecordingFile(tt.drop)] = nil
		}
		if fault := f.judge(f.made(f.m, change)); fault == nil || fault.File != tt.named {
			t.Errorf("%s: got %v, want a fault of %s", name, fault, tt.named)
		}
	}

	// A recording that is there and gone; the end of one that ended at another time; that of
	// any, where recordings are left out.
	before := e.asked
	before.Size = f.gone("s4")
	if _, err := e.log.Bundle(t.Context(), before); hoop.AsError(err).Code != hoop.CodeInvalid || !strings.Contains(err.Error(), "s4 was over since") {
		t.Errorf("of a size at which it was there: got %v", err)
	}
	kept := files(t, e.disk, "/data/recordings")["/data/recordings/s3.hrec"]
	if fault := f.judge(f.made(f.m, map[string][]byte{missing("s3"): kept})); fault == nil || fault.File != missing("s3") {
		t.Errorf("here and gone: got %v", fault)
	}
	wrong := month(t)
	if err := wrong.log.Write(t.Context(), &hoop.Event{
		Type: hoop.EventExpired, Session: "s1", Details: []hoop.Detail{{Name: auditlog.ExpiredHash, Value: policyRevision(0)}},
	}); err != nil {
		t.Fatal(err)
	}
	var fault *auditlog.Fault
	if _, err := wrong.verifyBundle(bundled(t, wrong, audit.BundleOptions{Recordings: true}), nil); !errors.As(err, &fault) || fault.File != missing("s1") {
		t.Errorf("by an event of another recording's hash: got %v", err)
	}
	short := e.asked
	short.To = short.From.Add(2 * time.Hour) // s2 alone
	g := newForger(t, e, short)
	if fault := g.judge(g.made(g.m, map[string][]byte{auditlog.OutsideFile: g.outside(g.gone("s2"), told, s3)})); fault == nil || fault.File != auditlog.OutsideFile {
		t.Errorf("of another time: got %v", fault)
	}
	bare := e.asked
	bare.Recordings = false
	g = newForger(t, e, bare)
	if fault := g.judge(g.made(g.m, map[string][]byte{auditlog.OutsideFile: g.outside(told, s3)})); fault == nil || fault.File != auditlog.OutsideFile {
		t.Errorf("where recordings are left out: got %v", fault)
	}
}
