package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Options say what a folder is verified against.
type Options struct {
	// Key is the log's public key, "name+hash+key", had by another way than the folder.
	// Where it is empty the folder's own is used, and the report says what that means.
	Key string
	// OldCheckpoint is one kept from earlier, in full: the log must still contain it.
	OldCheckpoint []byte
	// Contained are checkpoints in the folder, by file, that the log must contain too.
	Contained map[string][]byte
	// WithoutRecordings leaves the recordings out, for a log that was copied alone.
	WithoutRecordings bool
	// Also are names beside the evidence that others check.
	Also []string
	// Span is which events are in the folder; the zero value is all. Of the others there
	// are hashes only.
	Span Span
	// From and To are the time that the span says it covers, without To: the events
	// beside it must lie outside. Zero is no bound.
	From, To time.Time
	// Outside gives, in their order, events that are in the folder without the bundle they
	// belong to; io.EOF ends them, and nil is none. The bytes are valid until the next call.
	// They are checkpoints, or say that a recording of the span is gone.
	Outside func() (index int64, event []byte, err error)
	// Each is given every event of the span, in order, once it is known to be canonical
	// and at its place; that the signature vouches for it is known when Verify returns.
	Each func(index int64, e *hoop.Event) error
	// Other is given likewise, in order with those, the events that are here and not of the
	// span: of its first and last bundle, and checkpoints of Outside.
	Other func(index int64, e *hoop.Event) error
}

// Span is a run of events, from First up to but without End.
type Span struct {
	First int64 `json:"first"`
	End   int64 `json:"end"`
}

// Tiles are the full bundles and tiles that a folder with this span has in a log of
// size events: from first up to but without end; partial tells whether the partial one
// behind them belongs too. Bundles are whole, and the events beside the span are
// there, if the log has them: that they lie outside can be checked.
func (s Span) Tiles(size int64) (first, end int64, partial bool) {
	full, width := Widths(size, 0)
	if s == (Span{}) {
		return 0, full, width > 0
	}
	first = max(s.First-1, 0) / TileWidth
	end = min(s.End, size-1)/TileWidth + 1
	if size == 0 {
		end = 0
	}
	return min(first, full), min(end, full), end > full
}

// Holds tells whether a folder with this span has the event of this index, in the span
// or beside it, of a log of size events.
func (s Span) Holds(index, size int64) bool {
	first, end, partial := s.Tiles(size)
	full, _ := Widths(size, 0)
	n := index / TileWidth
	return first <= n && n < end || partial && n == full
}

// Report is what a folder was found to prove.
type Report struct {
	Origin         string                   `json:"origin"`
	Key            string                   `json:"key"`
	KeyFromFolder  bool                     `json:"key_from_folder"` // it vouches only for itself
	Size           int64                    `json:"size"`            // events
	Root           string                   `json:"root"`            // base64, as in the checkpoint
	OldSize        int64                    `json:"old_size,omitempty"`
	Span           Span                     `json:"span"`           // of events that were looked at
	First          time.Time                `json:"first,omitzero"` // of the first event, UTC
	Last           time.Time                `json:"last,omitzero"`
	Events         map[hoop.EventType]int64 `json:"events"`    // by type
	Sessions       int64                    `json:"sessions"`  // that ended
	Recovered      int64                    `json:"recovered"` // of those, by a crash
	Open           int64                    `json:"open"`      // that had not ended
	Recordings     int64                    `json:"recordings"`
	RecordingBytes int64                    `json:"recording_bytes"`
	Expired        int64                    `json:"expired"` // recordings whose time was over; their hash is kept
	Warnings       []string                 `json:"warnings,omitempty"`
}

// Fault is what makes a folder no evidence, and where.
type Fault struct {
	File  string // in the folder
	Index int64  // of an event; -1 where it is not about one
	What  string
	Err   error
}

func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Index >= 0 {
		fmt.Fprintf(&b, ": event %d", f.Index)
	}
	b.WriteString(": " + f.What)
	if f.Err != nil {
		b.WriteString(": " + f.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Verify checks an evidence folder: the checkpoint's signature; that every event, in
// its canonical form and at its place, is in the tree that the signature vouches for;
// that each session's events are complete; that each recording is the file which the
// log commits to; and that the log contains an older checkpoint, if there is one. It
// needs no network and no gateway, and memory for a few bundles and the sessions'
// names. The error is a *Fault, the first one found.
func Verify(fsys fs.FS, opt Options) (*Report, error) {
	v := &verifier{fs: fsys, opt: opt, report: &Report{Events: make(map[hoop.EventType]int64)}}
	for _, step := range []func() error{v.checkpoint, v.events, v.recordings, v.others} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return v.report, nil
}

// verifier holds the state of one Verify.
type verifier struct {
	fs       fs.FS
	opt      Options
	report   *Report
	key      note.Verifier
	now      Checkpoint
	old      []older // that the log must contain
	fork     *Fault  // it does not contain one
	edge     Edge
	sessions ledger
	runs     runs
	outside  outside
	latest   time.Time
	backward int64
	above    struct { // the level-1 tile that was read last
		n      int64
		hashes []byte
	}
}

func (v *verifier) warn(format string, args ...any) {
	v.report.Warnings = append(v.report.Warnings, fmt.Sprintf(format, args...))
}

// read gives a file of at most limit bytes.
func (v *verifier) read(path string, limit int64) ([]byte, error) {
	f, err := v.fs.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &Fault{File: path, Index: -1, What: "the file is missing"}
		}
		return nil, &Fault{File: path, Index: -1, What: "the file cannot be read", Err: err}
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &Fault{File: path, Index: -1, What: "the file cannot be read", Err: err}
	}
	if int64(len(b)) > limit {
		return nil, &Fault{File: path, Index: -1, What: fmt.Sprintf("the file is longer than the %d bytes it may have", limit)}
	}
	return b, nil
}

// checkpoint establishes the key, and what is vouched for.
func (v *verifier) checkpoint() error {
	own, err := v.read(KeyFile, 4<<10)
	if err != nil {
		return err
	}
	key := []byte(v.opt.Key)
	if v.opt.Key == "" {
		key = own
		v.report.KeyFromFolder = true
		v.warn("no key was given: the folder's own was used, so the folder vouches only for itself; " +
			"get the key from the gateway's administrator and give it with --key")
	}
	if v.key, err = NewVerifier(key); err != nil {
		if v.report.KeyFromFolder {
			return &Fault{File: KeyFile, Index: -1, What: "not a public key", Err: err}
		}
		return &Fault{File: "--key", Index: -1, What: "not a public key", Err: err}
	}
	v.report.Key = string(bytes.TrimSpace(key))
	if string(own) != v.report.Key+"\n" {
		return &Fault{File: KeyFile, Index: -1, What: "it is not the key that was given, or not written as it should be"}
	}
	b, err := v.read(CheckpointFile, MaxCheckpoint)
	if err != nil {
		return err
	}
	if v.now, err = OpenCheckpoint(b, v.key); err != nil {
		return &Fault{File: CheckpointFile, Index: -1, What: "the signature does not hold", Err: err}
	}
	v.report.Origin, v.report.Size, v.report.Root = v.now.Origin, v.now.Size, v.now.Root.String()
	return v.older()
}

// older is a checkpoint that the log must contain.
type older struct {
	Checkpoint
	name string
}

const keptElsewhere = "the older checkpoint"

// older reads the checkpoint that was kept elsewhere, and others to be contained.
func (v *verifier) older() error {
	for _, name := range slices.Sorted(maps.Keys(v.opt.Contained)) {
		if err := v.contain(name, v.opt.Contained[name]); err != nil {
			return err
		}
	}
	if v.opt.OldCheckpoint != nil {
		if err := v.contain(keptElsewhere, v.opt.OldCheckpoint); err != nil {
			return err
		}
		v.report.OldSize = v.old[len(v.old)-1].Size
	}
	v.compareOld()
	return nil
}

func (v *verifier) contain(name string, b []byte) error {
	old, err := OpenCheckpoint(b, v.key)
	if err != nil {
		return &Fault{File: name, Index: -1, What: "the signature does not hold", Err: err}
	}
	if old.Size > v.now.Size {
		return &Fault{File: CheckpointFile, Index: -1, What: fmt.Sprintf(
			"the log was rolled back or cut: it has %d events, %s had %d", v.now.Size, name, old.Size)}
	}
	v.old = append(v.old, older{old, name})
	return nil
}

// compareOld compares the roots when the tree has an older checkpoint's size. That the log
// is a fork is told when the tree is the one that was signed: until then a file may just be
// damaged.
func (v *verifier) compareOld() {
	for _, old := range v.old {
		if v.fork == nil && v.edge.Size() == old.Size && v.edge.Root() != old.Root {
			v.fork = &Fault{File: CheckpointFile, Index: -1, What: fmt.Sprintf(
				"the log is a fork: its first %d events are not those of %s", old.Size, old.name)}
		}
	}
}

// bundle is a run of events, taken apart.
type bundle struct {
	first  int64
	path   string
	events []*hoop.Event
	leaves []tlog.Hash
	err    error
}

// events reads all bundles, several at a time, and checks them in order. Of bundles
// outside the span it takes the hashes.
func (v *verifier) events() error {
	if s := v.opt.Span; s.First < 0 || s.End < s.First || s.End > v.now.Size {
		return &Fault{File: CheckpointFile, Index: -1, What: fmt.Sprintf("events %d to %d are not in a log of %d events", s.First, s.End, v.now.Size)}
	}
	v.outside.index = -1
	if err := v.nextOutside(); err != nil {
		return err
	}
	full, width := Widths(v.now.Size, 0)
	first, end, last := v.opt.Span.Tiles(v.now.Size)
	for n := range first {
		if err := v.without(n); err != nil {
			return err
		}
	}
	v.sessions.entered = first > 0
	count := end
	if last {
		count++
	}
	if err := v.bundles(first, count, full, width); err != nil {
		return err
	}
	for n := end; n < full; n++ {
		if err := v.without(n); err != nil {
			return err
		}
	}
	if width > 0 && !last {
		if err := v.leaves(full, width); err != nil {
			return err
		}
	}
	if err := v.tree(); err != nil {
		return err
	}
	if v.fork != nil {
		return v.fork
	}
	return nil
}

// bundles checks those from first up to but without count; bundle full has width events.
func (v *verifier) bundles(first, count, full int64, partial int) error {
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	queue := make(chan chan bundle, 2*runtime.GOMAXPROCS(0))
	readers.Go(func() {
		defer close(queue)
		for n := first; n < count; n++ {
			width := TileWidth
			if n == full {
				width = partial
			}
			one := make(chan bundle, 1)
			select {
			case queue <- one: // its capacity bounds how many are read at a time
			case <-stop:
				return
			}
			readers.Go(func() { one <- v.bundle(n, width) })
		}
	})
	for one := range queue {
		if err := v.take(<-one); err != nil {
			return err
		}
	}
	return nil
}

// without takes a full tile whose events are not in the folder: by its hash, or by the
// tile, where that is here; so it must be where an older checkpoint ends inside it, or one
// of its events is here.
func (v *verifier) without(n int64) error {
	_, err := fs.Stat(v.fs, TilePath(0, n, TileWidth))
	if err == nil || v.outside.index/TileWidth == n {
		return v.leaves(n, TileWidth)
	}
	for _, old := range v.old {
		if old.Size > n*TileWidth && old.Size < (n+1)*TileWidth {
			return &Fault{File: TilePath(0, n, TileWidth), Index: -1, What: fmt.Sprintf(
				"%s of %d events lies outside the span of this export: export again with --checkpoint", old.name, old.Size)}
		}
	}
	at := n % TileWidth
	if v.above.hashes == nil || v.above.n != n/TileWidth {
		v.above.n = n / TileWidth
		full, partial := Widths(v.now.Size, 1)
		width := TileWidth
		if v.above.n == full {
			width = partial
		}
		path := TilePath(1, v.above.n, width)
		var err error
		if v.above.hashes, err = v.read(path, TileWidth*tlog.HashSize); err != nil {
			return err
		}
		if len(v.above.hashes) != width*tlog.HashSize {
			return &Fault{File: path, Index: -1, What: fmt.Sprintf("the tile has %d bytes, want %d", len(v.above.hashes), width*tlog.HashSize)}
		}
	}
	if err := v.edge.AddTile(tlog.Hash(v.above.hashes[at*tlog.HashSize:(at+1)*tlog.HashSize]), v.fullTile); err != nil {
		return err
	}
	v.compareOld()
	return nil
}

// leaves takes a tile whose events are not in the folder by their hashes.
func (v *verifier) leaves(n int64, width int) error {
	path := TilePath(0, n, width)
	tile, err := v.read(path, TileWidth*tlog.HashSize)
	if err != nil {
		return err
	}
	if len(tile) != width*tlog.HashSize {
		return &Fault{File: path, Index: -1, What: fmt.Sprintf("the tile has %d bytes, want %d", len(tile), width*tlog.HashSize)}
	}
	for ; len(tile) > 0; tile = tile[tlog.HashSize:] {
		leaf := tlog.Hash(tile[:tlog.HashSize])
		if v.edge.Size() == v.outside.index {
			if err := v.takeOutside(leaf, path); err != nil {
				return err
			}
		}
		if err := v.edge.Add(leaf, v.fullTile); err != nil {
			return err
		}
		v.compareOld()
	}
	return nil
}

// bundle reads one bundle and its tile. It is called concurrently.
func (v *verifier) bundle(n int64, width int) bundle {
	b := bundle{first: n * TileWidth, path: EntriesPath(n, width)}
	raw, err := v.read(b.path, TileWidth*(2+MaxEvent))
	if err != nil {
		b.err = err
		return b
	}
	tilePath := TilePath(0, n, width)
	tile, err := v.read(tilePath, TileWidth*tlog.HashSize)
	if err != nil {
		b.err = err
		return b
	}
	if len(tile) != width*tlog.HashSize {
		b.err = &Fault{File: tilePath, Index: -1, What: fmt.Sprintf("the tile has %d bytes, want %d", len(tile), width*tlog.HashSize)}
		return b
	}
	for i := range width {
		index := b.first + int64(i)
		var entry []byte
		if entry, raw, err = NextEntry(raw); err != nil {
			b.err = &Fault{File: b.path, Index: index, What: "the event is missing", Err: err}
			return b
		}
		leaf := tlog.RecordHash(entry)
		if !bytes.Equal(leaf[:], tile[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			b.err = &Fault{File: b.path, Index: index, What: "the event is not the one whose hash is in " + tilePath}
			return b
		}
		event, err := Decode(entry)
		if err != nil {
			b.err = &Fault{File: b.path, Index: index, What: "the event cannot be read", Err: err}
			return b
		}
		b.events, b.leaves = append(b.events, event), append(b.leaves, leaf)
	}
	if len(raw) > 0 {
		b.err = &Fault{File: b.path, Index: -1, What: fmt.Sprintf("%d bytes follow the last event", len(raw))}
	}
	return b
}

// take checks the next bundle.
func (v *verifier) take(b bundle) error {
	if b.err != nil {
		return b.err
	}
	for i, e := range b.events {
		index := b.first + int64(i)
		if err := v.edge.Add(b.leaves[i], v.fullTile); err != nil {
			return err
		}
		v.compareOld()
		for _, what := range []string{v.sessions.take(index, e), v.runs.take(index, e)} {
			if what != "" {
				return &Fault{File: b.path, Index: index, What: what}
			}
		}
		if s := v.opt.Span; s != (Span{}) && (index < s.First || index >= s.End) {
			if what := v.beside(index, e); what != "" {
				return &Fault{File: b.path, Index: index, What: what}
			}
			if err := v.other(index, e); err != nil {
				return err
			}
			continue
		}
		if what := v.edges(index, e); what != "" {
			return &Fault{File: b.path, Index: index, What: what}
		}
		v.note(index, e)
		if v.opt.Each != nil {
			if err := v.opt.Each(index, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// beside checks that the events around the span lie outside the time it covers.
func (v *verifier) beside(index int64, e *hoop.Event) string {
	switch {
	case index < v.opt.Span.First && !e.Time.Before(v.opt.From),
		index >= v.opt.Span.End && (v.opt.To.IsZero() || e.Time.Before(v.opt.To)):
		return "it lies in the time that the export says it covers, and the export leaves it out"
	}
	return ""
}

// edges checks that the span begins and ends with events of the time it covers.
func (v *verifier) edges(index int64, e *hoop.Event) string {
	switch {
	case index == v.opt.Span.First && e.Time.Before(v.opt.From),
		index == v.opt.Span.End-1 && !v.opt.To.IsZero() && !e.Time.Before(v.opt.To):
		return "it lies outside the time that the export says it covers, and the export begins or ends with it"
	}
	return ""
}

func (v *verifier) other(index int64, e *hoop.Event) error {
	if v.opt.Other == nil {
		return nil
	}
	return v.opt.Other(index, e)
}

// note counts an event for the report.
func (v *verifier) note(index int64, e *hoop.Event) {
	r := v.report
	r.Events[e.Type]++
	if r.First.IsZero() {
		r.First = e.Time
	}
	r.Last = e.Time
	// Events of different sessions are stamped before they get their place, so small
	// steps back are usual.
	const usual = 10 * time.Second
	if e.Time.Before(v.latest.Add(-usual)) {
		if v.backward == 0 {
			v.warn("the clock goes back at event %d, from %s to %s", index, v.latest.Format(time.RFC3339), e.Time.Format(time.RFC3339))
		}
		v.backward++
		v.latest = e.Time
	}
	if e.Time.After(v.latest) {
		v.latest = e.Time
	}
}

// fullTile compares a tile above the leaves with what the events make of it.
func (v *verifier) fullTile(level int, n int64, hashes []tlog.Hash) error {
	if level == 0 {
		return nil // compared with its bundle
	}
	return v.compareTile(level, n, hashes)
}

func (v *verifier) compareTile(level int, n int64, hashes []tlog.Hash) error {
	path := TilePath(level, n, len(hashes))
	got, err := v.read(path, TileWidth*tlog.HashSize)
	if err != nil {
		return err
	}
	want := TileBytes(hashes)
	if bytes.Equal(got, want) {
		return nil
	}
	if len(got) != len(want) {
		return &Fault{File: path, Index: -1, What: fmt.Sprintf("the tile has %d bytes, want %d", len(got), len(want))}
	}
	i := 0
	for got[i] == want[i] {
		i++
	}
	span := int64(1) << (tileHeight * level)
	first := (n*TileWidth + int64(i/tlog.HashSize)) * span
	return &Fault{File: path, Index: -1, What: fmt.Sprintf(
		"hash %d is not that of events %d to %d: they, or the tile, were changed", i/tlog.HashSize, first, first+span-1)}
}

// tree compares the right edge and the root.
func (v *verifier) tree() error {
	for level := 1; level < Levels(v.now.Size); level++ {
		n, width := Widths(v.now.Size, level)
		if width == 0 {
			continue
		}
		if err := v.compareTile(level, n, v.edge.Partial(level)); err != nil {
			return err
		}
	}
	if v.edge.Root() != v.now.Root {
		return &Fault{File: CheckpointFile, Index: -1, What: fmt.Sprintf(
			"its root is not that of the %d events in this folder: events were changed, moved or exchanged together with their tiles", v.now.Size)}
	}
	v.report.Span = v.opt.Span
	if v.report.Span == (Span{}) {
		v.report.Span.End = v.now.Size
	}
	v.report.Sessions, v.report.Recovered = v.sessions.closed, v.sessions.recovered
	v.report.Open = int64(len(v.sessions.open))
	return nil
}
