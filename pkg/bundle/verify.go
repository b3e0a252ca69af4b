package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/report"
)

// Options say what a bundle is verified against.
type Options struct {
	// Key is the log's public key, had by another way than the bundle; see
	// auditlog.Options.
	Key string
	// OldCheckpoint is one kept from earlier, in full.
	OldCheckpoint []byte
	// Witnesses are the keys of witnesses that must have cosigned, "name+hash+key" of the
	// type cosignature/v1.
	Witnesses []string
	// AcceptMissing are revisions of the policy whose texts need not be there: somebody
	// knows that the gateway lost them. A bundle cannot say so itself.
	AcceptMissing []string
}

// Cosignature is one that holds.
type Cosignature struct {
	Witness string    `json:"witness"`
	Size    int64     `json:"size"` // of the checkpoint
	At      time.Time `json:"at"`   // of the witness's clock
}

// Report is what a bundle was found to prove.
type Report struct {
	auditlog.Report
	Bundle *Manifest `json:"bundle"`
	// RecordingsLeftOut are those that events of the span commit to, of a bundle without.
	RecordingsLeftOut int `json:"recordings_left_out,omitempty"`
	Policies          int `json:"policies"` // texts that are those which events name
	// AcceptedMissing are revisions without a text, by Options.AcceptMissing.
	AcceptedMissing []string `json:"accepted_missing_policies,omitempty"`
	// Cosignatures are those of Options.Witnesses, which all hold.
	Cosignatures []Cosignature `json:"cosignatures,omitempty"`
}

const (
	maxSmall  = 64 << 20 // bytes of a policy or a report
	maxPolicy = maxSmall
)

// Verify checks a bundle: the archive's form; everything that auditlog.Verify checks,
// for its events; that the events beside them lie outside its time; that the policy
// texts are those which the events name; that the report and the cosigned checkpoint are
// what the events say; that there is no other file. The error is a *auditlog.Fault, the first one found, or
// hoop.CodeInvalid where the options accept that a text is missing which is not.
func Verify(r io.ReaderAt, size int64, opt Options) (*Report, error) {
	z, err := container(r, size)
	if err != nil {
		return nil, err
	}
	v := &verifier{zip: z, opt: opt, builder: report.NewBuilder()}
	if err := v.manifest(); err != nil {
		return nil, err
	}
	m := v.m
	contained, err := v.readCosigned()
	if err != nil {
		return nil, err
	}
	log, err := v.log(contained)
	if err != nil {
		return nil, err
	}
	v.report = &Report{Report: *log, Bundle: m}
	for _, step := range []func() error{v.header, v.alone, v.policies, v.made, v.files} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if err := v.cosigned(contained[CosignedFile]); err != nil {
		return nil, err
	}
	return v.report, nil
}

// log verifies what the bundle has of the log.
func (v *verifier) log(contained map[string][]byte) (*auditlog.Report, error) {
	m := v.m
	opt := auditlog.Options{
		Key: v.opt.Key, OldCheckpoint: v.opt.OldCheckpoint, Contained: contained, WithoutRecordings: !m.Recordings,
		Span: m.Span(), From: m.From, To: m.To, Each: v.each, Other: v.other,
		Also: []string{auditlog.ReadmeFile, ManifestFile, CosignedFile, auditlog.OutsideFile, ReportJSON, ReportHTML, PoliciesDir},
	}
	f, err := v.zip.Open(auditlog.OutsideFile)
	switch {
	case err == nil:
		defer func() { _ = f.Close() }()
		v.outside = newOutside(f)
		opt.Outside = v.outside.next
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fault(auditlog.OutsideFile, err, "the file cannot be read")
	default:
		v.outside = newOutside(strings.NewReader(""))
	}
	return auditlog.Verify(v.zip, opt)
}

// verifier holds the state of one Verify.
type verifier struct {
	zip     *zip.Reader
	opt     Options
	m       *Manifest
	builder *report.Builder
	report  *Report
	ended   []string // sessions whose recordings should be here, in order
	texts   []string // revisions whose texts are here, sorted
	outside *outside
	newest  Cosigned // of which events here tell
}

func (v *verifier) read(name string, limit int64) ([]byte, error) {
	f, err := v.zip.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(name, nil, "the file is missing")
	}
	if err != nil {
		return nil, fault(name, err, "the file cannot be read")
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fault(name, err, "the file cannot be read")
	}
	if int64(len(b)) > limit {
		return nil, fault(name, nil, "the file is longer than the %d bytes it may have", limit)
	}
	return b, nil
}

func (v *verifier) manifest() error {
	b, err := v.read(ManifestFile, 1<<20)
	if err != nil {
		return err
	}
	if v.m, err = DecodeManifest(b); err != nil {
		return fault(ManifestFile, err, "it does not describe a bundle")
	}
	return nil
}

// readCosigned reads the cosigned checkpoint, if there is one.
func (v *verifier) readCosigned() (map[string][]byte, error) {
	if v.m.Cosigned == 0 {
		return nil, nil
	}
	b, err := v.read(CosignedFile, auditlog.MaxCheckpoint)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{CosignedFile: b}, nil
}

// cosigned checks that the cosigned checkpoint is the newest that events here tell of, and
// the cosignatures of those witnesses that are given.
func (v *verifier) cosigned(b []byte) error {
	if v.newest.Size != v.m.Cosigned {
		return fault(CosignedFile, nil, "bundle.json says that a checkpoint of %d events was cosigned, and events here that one of %d was (0 is none)", v.m.Cosigned, v.newest.Size)
	}
	if b == nil {
		if len(v.opt.Witnesses) > 0 {
			return fault(CosignedFile, nil, "no witness had cosigned this log, as far as its events tell")
		}
		return nil
	}
	log, err := auditlog.NewVerifier([]byte(v.report.Key))
	if err != nil {
		return err
	}
	c, err := auditlog.OpenCheckpoint(b, log)
	if err != nil {
		return fault(CosignedFile, err, "the signature does not hold")
	}
	own, rest, ok := bytes.Cut(b[len(c.Text())+1:], []byte("\n"))
	if !ok || !bytes.HasPrefix(own, []byte("— "+c.Origin+" ")) {
		return fault(CosignedFile, nil, "it is not written as it should be")
	}
	if c.Size != v.newest.Size || c.Root != v.newest.Root || string(rest) != v.newest.Lines {
		return fault(CosignedFile, nil, "it is not the checkpoint that events say was cosigned, or has other cosignatures than they say")
	}
	return v.witnesses(c)
}

// witnesses checks the cosignatures of those that are given.
func (v *verifier) witnesses(c auditlog.Checkpoint) error {
	lines := strings.SplitAfter(v.newest.Lines, "\n")
	for _, key := range v.opt.Witnesses {
		w, err := auditlog.NewCosignatureVerifier(key)
		if err != nil {
			return fault("--witness", err, "not a witness's key")
		}
		held := false
		for _, line := range lines {
			if !strings.HasPrefix(line, "— "+w.Name()+" ") {
				continue
			}
			_, at, err := auditlog.CheckCosignature(c, []byte(line), w)
			if err != nil {
				return fault(CosignedFile, err, "the cosignature of %s does not hold", w.Name())
			}
			held = true
			v.report.Cosignatures = append(v.report.Cosignatures, Cosignature{Witness: w.Name(), Size: c.Size, At: at})
		}
		if !held {
			return fault(CosignedFile, nil, "%s has not cosigned it", w.Name())
		}
	}
	if len(v.opt.Witnesses) == 0 {
		v.report.Warnings = append(v.report.Warnings, fmt.Sprintf(
			"%d cosignatures of a checkpoint at %d events were not checked: give the witness's key with --witness", len(lines)-1, c.Size))
	}
	return nil
}

func (v *verifier) each(index int64, e *hoop.Event) error {
	v.builder.Add(index, e)
	if e.Record != nil && e.Record.SHA256 != "" {
		v.ended = append(v.ended, e.Session)
	}
	return v.other(index, e)
}

// other looks at an event that may be outside of the span.
func (v *verifier) other(index int64, e *hoop.Event) error {
	if e.Type != hoop.EventCheckpoint {
		return nil
	}
	if err := v.newest.Take(index, e); err != nil {
		return &auditlog.Fault{File: ManifestFile, Index: index, What: "the event cannot be read", Err: err}
	}
	if !v.m.Span().Holds(index, v.m.Size) && (len(v.newest.Indexes) == 0 || v.newest.Size != v.m.Cosigned || v.newest.Indexes[len(v.newest.Indexes)-1] != index) {
		return &auditlog.Fault{File: auditlog.OutsideFile, Index: index, What: "it tells of another checkpoint than the cosigned one"}
	}
	return nil
}

// header compares the manifest with what the checkpoint says.
func (v *verifier) header() error {
	r := v.report
	if v.m.Origin != r.Origin || v.m.Size != r.Size || v.m.Root != r.Root {
		return fault(ManifestFile, nil, "it is of another log, or another size of it, than the checkpoint")
	}
	b, err := v.read(auditlog.ReadmeFile, 1<<20)
	if err != nil {
		return err
	}
	if string(b) != Readme {
		return fault(auditlog.ReadmeFile, nil, "it was changed, or is of another version")
	}
	return nil
}

// alone checks that the checkpoint has no signature but the log's: what others vouch for
// is in CosignedFile.
func (v *verifier) alone() error {
	b, err := v.read(auditlog.CheckpointFile, auditlog.MaxCheckpoint)
	if err != nil {
		return err
	}
	_, signatures, _ := bytes.Cut(b, []byte("\n\n"))
	if bytes.Count(signatures, []byte("\n")) != 1 {
		return fault(auditlog.CheckpointFile, nil, "it has signatures beside the log's own")
	}
	if !v.m.Recordings {
		v.report.RecordingsLeftOut = len(v.ended)
	}
	return nil
}

// policies compares the texts with the revisions that events name. That one is missing
// only the receiver can accept: a bundle without it may be one from which it was taken.
func (v *verifier) policies() error {
	named := v.builder.Policies()
	for _, rev := range v.opt.AcceptMissing {
		if !slices.Contains(named, rev) {
			return hoop.Errorf(hoop.CodeInvalid, "no event here names a policy %s: leave it out of --accept-missing-policy", rev)
		}
	}
	for _, rev := range named {
		name := PolicyFile(rev)
		accepted := slices.Contains(v.opt.AcceptMissing, rev)
		_, err := fs.Stat(v.zip, name)
		switch missing := errors.Is(err, fs.ErrNotExist); {
		case missing && accepted:
			v.report.AcceptedMissing = append(v.report.AcceptedMissing, rev)
			continue
		case missing:
			return fault(name, nil, "the policy text that events name is missing: if you know from the gateway's administrator "+
				"that it was lost, verify the rest with --accept-missing-policy %s", rev)
		case accepted:
			return hoop.Errorf(hoop.CodeInvalid, "the text of policy %s is here: leave it out of --accept-missing-policy", rev)
		}
		b, err := v.read(name, maxPolicy)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != rev {
			return fault(name, nil, "it is not the policy that events name: its SHA-256 is %x", sum)
		}
		v.report.Policies++
		v.texts = append(v.texts, rev)
	}
	return nil
}

// made makes the report again and compares.
func (v *verifier) made() error {
	texts := make(map[string][]byte, 2)
	for _, name := range []string{ReportHTML, ReportJSON} {
		b, err := v.read(name, maxSmall)
		if err != nil {
			return err
		}
		texts[name] = b
	}
	if v.m.Report != report.Format {
		return fault(ReportHTML, nil, "it is of format %d, and this version compares reports of format %d with the events: verify with the hoopctl of the gateway's version",
			v.m.Report, report.Format)
	}
	made := v.builder.Report(v.m.About())
	html, err := made.HTML()
	if err != nil {
		return err
	}
	text, err := made.JSON()
	if err != nil {
		return err
	}
	for name, want := range map[string][]byte{ReportHTML: html, ReportJSON: text} {
		if !bytes.Equal(texts[name], want) {
			return fault(name, nil, "it is not what the events say")
		}
	}
	return nil
}

// About is what the report says it is about.
func (m *Manifest) About() report.About {
	return report.About{Log: m.Origin, Size: m.Size, Root: m.Root, First: m.First, End: m.End, From: m.From, To: m.To}
}

// Names lists a bundle's files in their order. policies are the revisions whose texts are
// there, outside the indexes in auditlog.OutsideFile, sessions those whose recordings are
// there.
func (m *Manifest) Names(policies []string, outside []int64, sessions []string) []string {
	names := []string{auditlog.ReadmeFile, ManifestFile, auditlog.KeyFile, auditlog.CheckpointFile}
	if m.Cosigned > 0 {
		names = append(names, CosignedFile)
	}
	if len(outside) > 0 {
		names = append(names, auditlog.OutsideFile)
	}
	names = append(names, ReportHTML, ReportJSON)
	for _, rev := range policies {
		names = append(names, PolicyFile(rev))
	}
	for level := auditlog.Levels(m.Size) - 1; level > 0; level-- {
		full, width := auditlog.Widths(m.Size, level)
		for n := range full {
			names = append(names, auditlog.TilePath(level, n, auditlog.TileWidth))
		}
		if width > 0 {
			names = append(names, auditlog.TilePath(level, full, width))
		}
	}
	numbers, widths := m.Hashes(outside)
	for i, n := range numbers {
		names = append(names, auditlog.TilePath(0, n, widths[i]))
	}
	full, width := auditlog.Widths(m.Size, 0)
	first, end, last := m.Span().Tiles(m.Size)
	for n := first; n < end; n++ {
		names = append(names, auditlog.TilePath(0, n, auditlog.TileWidth), auditlog.EntriesPath(n, auditlog.TileWidth))
	}
	if last {
		names = append(names, auditlog.TilePath(0, full, width), auditlog.EntriesPath(full, width))
	}
	if m.Recordings {
		for _, id := range sessions {
			names = append(names, auditlog.RecordingFile(id))
		}
	}
	return names
}

// files compares the archive's list with what must be there.
func (v *verifier) files() error {
	here := slices.DeleteFunc(slices.Clone(v.ended), func(id string) bool {
		_, err := fs.Stat(v.zip, auditlog.RecordingFile(id))
		return err != nil // auditlog.Verify has found that it may be missing
	})
	want := v.m.Names(v.texts, v.outside.indexes, here)
	for i, f := range v.zip.File {
		switch {
		case i >= len(want):
			return fault(f.Name, nil, "the bundle has no use for this file")
		case f.Name == want[i]:
		case slices.Contains(want[i:], f.Name):
			return fault(f.Name, nil, "it stands where %s should be", want[i])
		default:
			return fault(f.Name, nil, "the bundle has no use for this file")
		}
	}
	if len(want) > len(v.zip.File) {
		return fault(want[len(v.zip.File)], nil, "the file is missing")
	}
	return nil
}

// IsZip reports whether a file name is that of a bundle.
func IsZip(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".zip") }
