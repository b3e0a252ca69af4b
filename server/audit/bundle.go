package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/report"
)

// BundleOptions say what a bundle holds.
type BundleOptions struct {
	From, To   time.Time // events of this time, without To; zero: from the first, up to the last
	Recordings bool
	// Size is the size of the log that the bundle vouches for; zero: all events so far.
	// The same range at the same size gives the same bytes.
	Size int64
	// Since is the size of an older checkpoint whose containment the bundle proves.
	Since int64
	// Policy gives the text of a revision; hoop.CodeNotFound where there is none.
	Policy func(revision string) ([]byte, error)
}

// Bundle prepares a bundle (pkg/bundle), to be written by its Write. Errors before the first byte: hoop.CodeInvalid where there is no event in
// the range, the log is not as large as asked, or a recording that it had at that size is
// gone since.
func (l *Log) Bundle(ctx context.Context, opt BundleOptions) (*Bundle, error) {
	if err := l.settle(ctx); err != nil {
		return nil, fmt.Errorf("export audit bundle: %w", err)
	}
	_, s, err := l.freeze()
	if err != nil {
		return nil, fmt.Errorf("export audit bundle: %w", err)
	}
	if opt.Size == 0 {
		opt.Size = s.edge.Size()
	}
	if opt.Size < 1 || opt.Size > s.edge.Size() {
		return nil, hoop.Errorf(hoop.CodeInvalid, "the log has %d events, not %d", s.edge.Size(), opt.Size)
	}
	if opt.Since < 0 || opt.Since > opt.Size {
		return nil, hoop.Errorf(hoop.CodeInvalid, "the older checkpoint has %d events, and the bundle vouches for %d", opt.Since, opt.Size)
	}
	b := &Bundle{view: view{l, s}, opt: opt}
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// Bundle is a bundle to be written, once.
type Bundle struct {
	view
	opt      BundleOptions
	signed   []byte
	m        *bundle.Manifest
	report   *report.Report
	policies []string // revisions whose texts there are, sorted
	texts    map[string][]byte
	ended    []Entry          // events that commit to recordings
	expired  map[string]int64 // sessions whose recordings are gone, by the event that says so
	since    map[string]int64 // likewise, by an event after opt.Size
	cosigned []byte
	told     []int64 // events that tell of the cosigned checkpoint
	outside  []int64 // events that are outside of the bundles here, and in the file of that name
}

// Manifest is what the bundle holds.
func (b *Bundle) Manifest() bundle.Manifest { return *b.m }

// raw calls f with the canonical bytes of the events from first up to but without end.
func (b *Bundle) raw(ctx context.Context, first, end int64, f func(index int64, raw []byte) error) error {
	for n := first / auditlog.TileWidth; n*auditlog.TileWidth < end; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		width := int(min(auditlog.TileWidth, end-n*auditlog.TileWidth))
		rest, err := b.entries(n, width)
		for i := 0; i < width && err == nil; i++ {
			var raw []byte
			if raw, rest, err = auditlog.NextEntry(rest); err != nil {
				break
			}
			if index := n*auditlog.TileWidth + int64(i); index >= first {
				err = f(index, raw)
			}
		}
		if err != nil {
			return damaged(auditlog.EntriesPath(n, width), err)
		}
	}
	return nil
}

// damaged names the file of the log that cannot be read.
func damaged(name string, err error) error {
	return &hoop.Error{
		Code: hoop.CodeInternal, Message: fmt.Sprintf("%s of the audit log cannot be read, or was changed", name),
		Hint: "nothing was exported: an administrator finds the cause in the gateway's log, and restores the file", Err: err,
	}
}

var (
	timePrefix   = []byte(`{"time":"`)
	typePrefix   = []byte(`,"type":"`)
	errCanonical = errors.New("an event is not in canonical form")
)

// timeOf reads an event's time from its canonical bytes.
func timeOf(raw []byte) (time.Time, error) {
	rest, ok := bytes.CutPrefix(raw, timePrefix)
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 0 {
		return time.Time{}, errCanonical
	}
	return time.Parse(time.RFC3339Nano, string(rest[:end]))
}

// typeOf reads an event's type from its canonical bytes: no quotation mark is in the
// values before it.
func typeOf(raw []byte) (hoop.EventType, error) {
	_, rest, ok := bytes.Cut(raw, typePrefix)
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 0 {
		return "", errCanonical
	}
	return hoop.EventType(rest[:end]), nil
}

// prepare reads what must be known before the first byte: the span, the report, the
// policies, the recordings.
func (b *Bundle) prepare(ctx context.Context) error {
	wrap := func(err error) error { return fmt.Errorf("export audit bundle: %w", err) }
	edge, err := auditlog.LoadEdge(b.opt.Size, b.tile)
	if err != nil {
		return wrap(err)
	}
	cp := auditlog.Checkpoint{Origin: b.log.opt.Origin, Size: b.opt.Size, Root: edge.Root()}
	if b.signed, err = cp.Sign(b.log.signer); err != nil {
		return wrap(err)
	}
	b.m = &bundle.Manifest{
		Format: bundle.Format, Origin: cp.Origin, Size: cp.Size, Root: cp.Root.String(), Since: b.opt.Since,
		From: b.opt.From.UTC(), To: b.opt.To.UTC(), Recordings: b.opt.Recordings, Report: report.Format,
	}
	if err := b.locate(ctx); err != nil {
		return err
	}
	builder := report.NewBuilder()
	if err := b.raw(ctx, b.m.First, b.m.End, func(index int64, raw []byte) error {
		e, err := auditlog.Decode(raw)
		if err != nil {
			return fmt.Errorf("event %d: %w", index, err)
		}
		builder.Add(index, e)
		if e.Record != nil && e.Record.SHA256 != "" {
			b.ended = append(b.ended, Entry{Index: index, Event: e})
		}
		return nil
	}); err != nil {
		return wrap(err)
	}
	for _, e := range b.ended {
		if at, ok := b.since[e.Event.Session]; ok && b.opt.Recordings {
			return hoop.Errorf(hoop.CodeInvalid, "the time of the recording of session %s was over since the log had %d events", e.Event.Session, b.opt.Size).
				WithHint("ask for a size of more than %d, or for no recordings", at)
		}
	}
	b.report = builder.Report(b.m.About())
	if err := b.policyTexts(builder.Policies()); err != nil {
		return wrap(err)
	}
	b.noteOutside()
	return nil
}

// locate finds the events of the time asked for, and what happened to recordings and
// checkpoints anywhere in the log.
func (b *Bundle) locate(ctx context.Context) error {
	first, end := int64(-1), int64(0)
	b.expired, b.since = make(map[string]int64), make(map[string]int64)
	var newest bundle.Cosigned
	err := b.raw(ctx, 0, b.now.edge.Size(), func(index int64, raw []byte) error {
		at, err := timeOf(raw)
		if err != nil {
			return fmt.Errorf("event %d: %w", index, err)
		}
		beyond := index >= b.opt.Size
		if !at.Before(b.opt.From) && first < 0 && !beyond {
			first = index
		}
		if (b.opt.To.IsZero() || at.Before(b.opt.To)) && !beyond {
			end = index + 1
		}
		kind, err := typeOf(raw)
		if err != nil {
			return fmt.Errorf("event %d: %w", index, err)
		}
		if kind != hoop.EventExpired && kind != hoop.EventCheckpoint {
			return nil
		}
		e, err := auditlog.Decode(raw)
		if err != nil {
			return fmt.Errorf("event %d: %w", index, err)
		}
		if kind == hoop.EventExpired {
			gone := b.expired
			if beyond {
				gone = b.since
			}
			if _, ok := b.expired[e.Session]; !ok {
				gone[e.Session] = index
			}
			return nil
		}
		if beyond {
			return nil
		}
		return newest.Take(index, e)
	})
	if err == nil && newest.Lines != "" {
		b.m.Cosigned, b.told = newest.Size, newest.Indexes
		b.cosigned, err = auditlog.Checkpoint{Origin: b.log.opt.Origin, Size: newest.Size, Root: newest.Root}.Sign(b.log.signer)
		b.cosigned = append(b.cosigned, newest.Lines...)
	}
	if err != nil {
		return fmt.Errorf("export audit bundle: %w", err)
	}
	if first < 0 || end <= first {
		return hoop.Errorf(hoop.CodeInvalid, "there is no event in that time").WithHint("times are UTC where they name no zone")
	}
	b.m.First, b.m.End = first, end
	return nil
}

// policyTexts reads the texts of the revisions that events name.
func (b *Bundle) policyTexts(revisions []string) error {
	b.texts = make(map[string][]byte)
	for _, rev := range revisions {
		text, err := b.opt.Policy(rev)
		if err != nil && hoop.AsError(err).Code == hoop.CodeNotFound {
			// The verifier will say so.
			b.log.opt.Log.Error("audit: a policy text that the log names is missing", "revision", rev)
			continue
		}
		if err != nil {
			return fmt.Errorf("policy %s: %w", rev, err)
		}
		b.texts[rev] = text
		b.policies = append(b.policies, rev)
	}
	return nil
}

// noteOutside finds the events that say what recordings are gone and what was cosigned,
// and have their place in a bundle that is not here.
func (b *Bundle) noteOutside() {
	indexes := slices.Clone(b.told)
	for _, e := range b.ended {
		if at, ok := b.expired[e.Event.Session]; ok && b.opt.Recordings {
			indexes = append(indexes, at)
		}
	}
	slices.Sort(indexes)
	for _, at := range indexes {
		if !b.m.Span().Holds(at, b.m.Size) {
			b.outside = append(b.outside, at)
		}
	}
}

// writeOutside writes the events of b.outside, read twice: their checksum stands before
// them.
func (b *Bundle) writeOutside(w *bundle.Writer) error {
	sum := crc32.NewIEEE()
	size, err := io.Copy(sum, &lines{b: b, indexes: b.outside})
	if err != nil {
		return err
	}
	return w.Stream(auditlog.OutsideFile, size, sum.Sum32(), &lines{b: b, indexes: b.outside})
}

// lines reads events of a log, ascending, as they stand in auditlog.OutsideFile. It holds
// one bundle of entries at a time.
type lines struct {
	b       *Bundle
	indexes []int64 // to come
	line    []byte  // to be read
	next    int64   // index of the first event in entries
	entries []byte
}

// Read implements io.Reader.
func (l *lines) Read(p []byte) (int, error) {
	if len(l.line) == 0 {
		if len(l.indexes) == 0 {
			return 0, io.EOF
		}
		if err := l.load(l.indexes[0]); err != nil {
			return 0, fmt.Errorf("event %d: %w", l.indexes[0], err)
		}
		l.indexes = l.indexes[1:]
	}
	n := copy(p, l.line)
	l.line = l.line[n:]
	return n, nil
}

func (l *lines) load(index int64) (err error) {
	if n := index / auditlog.TileWidth; len(l.entries) == 0 || l.next/auditlog.TileWidth != n {
		l.next = n * auditlog.TileWidth
		if l.entries, err = l.b.entries(n, int(min(auditlog.TileWidth, l.b.m.Size-l.next))); err != nil {
			return err
		}
	}
	var raw []byte
	for ; l.next <= index; l.next++ {
		if raw, l.entries, err = auditlog.NextEntry(l.entries); err != nil {
			return err
		}
	}
	l.line = bundle.AppendOutside(nil, index, raw)
	return nil
}

// Write writes the archive.
func (b *Bundle) Write(ctx context.Context, w io.Writer) error {
	if err := b.write(ctx, bundle.NewWriter(w)); err != nil {
		return fmt.Errorf("export audit bundle: %w", err)
	}
	return nil
}

func (b *Bundle) write(ctx context.Context, w *bundle.Writer) error {
	sessions := make(map[string]bool)
	var ids []string
	for _, e := range b.ended {
		id := e.Event.Session
		if _, gone := b.expired[id]; gone || !b.opt.Recordings || b.log.opt.Recordings == nil {
			continue
		}
		r, _, err := b.log.opt.Recordings.Raw(ctx, id)
		if err != nil && hoop.AsError(err).Code == hoop.CodeNotFound {
			// The verifier will say so.
			b.log.opt.Log.Error("audit: a recording that the log commits to is missing", "session", id, "size", e.Event.Record.Size)
			continue
		}
		if err != nil {
			return fmt.Errorf("recording of session %s: %w", id, err)
		}
		if err := r.Close(); err != nil {
			return fmt.Errorf("recording of session %s: %w", id, err)
		}
		ids = append(ids, id)
		sessions[auditlog.RecordingFile(id)] = true
	}
	small, err := b.small()
	if err != nil {
		return err
	}
	tiles := b.contents()
	for _, name := range b.m.Names(b.policies, b.outside, ids) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		if sessions[name] {
			err = b.recording(ctx, w, name)
		} else if name == auditlog.OutsideFile {
			err = b.writeOutside(w)
		} else if text, ok := small[name]; ok {
			err = w.File(name, text)
		} else if read := tiles[name]; read != nil {
			var data []byte
			if data, err = read(); err == nil {
				err = w.File(name, data)
			}
		} else {
			err = fmt.Errorf("%s: nobody has it", name)
		}
		if err != nil {
			return err
		}
	}
	return w.Close()
}

// small are the files that are at hand.
func (b *Bundle) small() (map[string][]byte, error) {
	m, err := b.m.Encode()
	if err != nil {
		return nil, err
	}
	html, err := b.report.HTML()
	if err != nil {
		return nil, err
	}
	text, err := b.report.JSON()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		auditlog.ReadmeFile: []byte(bundle.Readme), bundle.ManifestFile: m, auditlog.KeyFile: []byte(b.log.key + "\n"),
		auditlog.CheckpointFile: b.signed, bundle.CosignedFile: b.cosigned, bundle.ReportHTML: html, bundle.ReportJSON: text,
	}
	for rev, text := range b.texts {
		files[bundle.PolicyFile(rev)] = text
	}
	return files, nil
}

// contents says how each tile and bundle of entries is read.
func (b *Bundle) contents() map[string]func() ([]byte, error) {
	files := make(map[string]func() ([]byte, error))
	add := func(level int, n int64, width int, entries bool) {
		files[auditlog.TilePath(level, n, width)] = func() ([]byte, error) { return b.tile(level, n, width) }
		if entries {
			files[auditlog.EntriesPath(n, width)] = func() ([]byte, error) { return b.entries(n, width) }
		}
	}
	for level := 1; level < auditlog.Levels(b.m.Size); level++ {
		full, width := auditlog.Widths(b.m.Size, level)
		for n := range full {
			add(level, n, auditlog.TileWidth, false)
		}
		add(level, full, width, false)
	}
	numbers, widths := b.m.Hashes(b.outside)
	for i, n := range numbers {
		add(0, n, widths[i], false)
	}
	full, width := auditlog.Widths(b.m.Size, 0)
	first, end, _ := b.m.Span().Tiles(b.m.Size)
	for n := first; n < end; n++ {
		add(0, n, auditlog.TileWidth, true)
	}
	add(0, full, width, true)
	return files
}

// recording writes one recording, read twice: its checksum stands before it.
func (b *Bundle) recording(ctx context.Context, w *bundle.Writer, name string) error {
	session := name[len(auditlog.RecordingsDir)+1 : len(name)-len(".hrec")]
	open := func() (io.ReadCloser, error) {
		r, _, err := b.log.opt.Recordings.Raw(ctx, session)
		return r, err
	}
	r, err := open()
	if err != nil {
		return fmt.Errorf("recording of session %s: %w", session, err)
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(sum, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("recording of session %s: %w", session, err)
	}
	if r, err = open(); err != nil {
		return fmt.Errorf("recording of session %s: %w", session, err)
	}
	defer func() { _ = r.Close() }()
	return w.Stream(name, n, sum.Sum32(), r)
}
