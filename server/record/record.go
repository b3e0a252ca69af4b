// Package record writes what a session does and sees to its recording.
//
// A Recorder makes recordings; their bytes (pkg/recording) go into the journal first,
// and from there, once durable, into one file per session. So a recording's file never
// holds what the journal could lose, and a crash leaves it whole up to its last frame.
// What is recorded, and when it may be released, is server/session's business.
package record

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/journal"
)

// Options say where recordings go and who can read them.
type Options struct {
	Dir     string // of the recordings
	Keys    string // folder of the gateway's own identity, recording.key; made at first start
	Journal *journal.Journal
	// Recipients can read recordings besides the gateway itself.
	Recipients []age.Recipient
	// StatementBytes is how much of one statement's output, and of its input, is kept;
	// what comes after leaves its length and digest. 64 MiB.
	StatementBytes int64
	// Mirrored says that a store takes over recordings that have ended (Mirror): what the
	// journal gives again of one that is not here any more was sent.
	Mirrored bool
	FS       journal.FS       // journal.OS{}
	Now      func() time.Time // time.Now
	Log      *slog.Logger     // slog.Default()
}

func (o Options) withDefaults() Options {
	if o.StatementBytes <= 0 {
		o.StatementBytes = 64 << 20
	}
	if o.FS == nil {
		o.FS = journal.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Recorder is safe for concurrent use.
type Recorder struct {
	opt        Options
	identity   *age.X25519Identity
	recipients []age.Recipient
	compressor *recording.Compressor
	files      *files
	buffers    sync.Pool // of *[]byte, for frames on their way to the journal

	mirror *mirror // nil: recordings stay here

	mu     sync.Mutex
	live   map[string]*Recording
	ending map[string]journal.Pos // closed, and durable at this position
}

// New opens or creates the folder of recordings, and takes from the journal what a
// crash kept from the files.
func New(opt Options) (*Recorder, error) {
	opt = opt.withDefaults()
	for _, dir := range []string{opt.Dir, opt.Keys} {
		if err := journal.MakeDir(opt.FS, dir); err != nil {
			return nil, fmt.Errorf("open recordings: %w", err)
		}
	}
	id, err := loadIdentity(opt.FS, filepath.Join(opt.Keys, "recording.key"), opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("open recordings: %w", err)
	}
	c, err := recording.NewCompressor(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, fmt.Errorf("open recordings: %w", err)
	}
	r := &Recorder{
		opt:        opt,
		identity:   id,
		recipients: append([]age.Recipient{id.Recipient()}, opt.Recipients...),
		compressor: c,
		files:      newFiles(opt.FS, opt.Dir),
		live:       make(map[string]*Recording),
		ending:     make(map[string]journal.Pos),
	}
	if opt.Mirrored {
		r.files.moved = func(id string) bool { return !r.isLive(id) }
	}
	if err := opt.Journal.Consume(r.files, journal.KindRecording); err != nil {
		return nil, fmt.Errorf("open recordings: %w", err)
	}
	return r, nil
}

// Recipient is the gateway's own public key ("age1…"), for people to read.
func (r *Recorder) Recipient() string { return r.identity.Recipient().String() }

// Open begins a session's recording: its header, and a start record with the session
// and the key of its digests. It waits for nothing. A session ID that was ever used is
// hoop.CodeConflict.
func (r *Recorder) Open(info hoop.SessionInfo, digestKey []byte) (*Recording, error) {
	if err := r.spooled(); err != nil {
		return nil, err
	}
	if !validID(info.ID) {
		return nil, hoop.Errorf(hoop.CodeInvalid, "%q cannot be a session's ID", info.ID)
	}
	enc, err := recording.NewEncoder(info, r.compressor, r.recipients...)
	if err != nil {
		return nil, err
	}
	rec := &Recording{
		recorder:  r,
		id:        info.ID,
		started:   r.opt.Now(),
		digestKey: append([]byte(nil), digestKey...),
		enc:       enc,
	}
	if err := r.add(rec); err != nil {
		return nil, err
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if _, err := rec.send(func(dst []byte) ([]byte, error) { return enc.AppendHeader(dst), nil }); err != nil {
		r.remove(rec)
		return nil, fmt.Errorf("open recording %s: %w", info.ID, err)
	}
	if _, err := rec.write(recording.Record{Kind: recording.KindStart, Session: &info, DigestKey: rec.digestKey}); err != nil {
		r.remove(rec)
		return nil, fmt.Errorf("open recording %s: %w", info.ID, err)
	}
	return rec, nil
}

func (r *Recorder) add(rec *Recording) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live[rec.id] != nil || r.files.exists(rec.id) {
		return hoop.Errorf(hoop.CodeConflict, "session %s has a recording already", rec.id)
	}
	r.live[rec.id] = rec
	return nil
}

func (r *Recorder) remove(rec *Recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, rec.id)
}

// isLive reports whether a recording may still grow: it is open, or its last frame is
// not durable yet.
func (r *Recorder) isLive(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live[id] != nil {
		return true
	}
	pos, ok := r.ending[id]
	if ok && r.opt.Journal.Durable() >= pos {
		delete(r.ending, id)
		ok = false
	}
	return ok
}

// Raw opens a recording as it is stored, with its size in bytes: what is durable by
// now. Close it. An unknown session is hoop.CodeNotFound.
func (r *Recorder) Raw(ctx context.Context, session string) (io.ReadCloser, int64, error) {
	return r.raw(ctx, session)
}

func (r *Recorder) raw(ctx context.Context, session string) (io.ReadSeekCloser, int64, error) {
	if !validID(session) {
		return nil, 0, hoop.Errorf(hoop.CodeNotFound, "there is no recording of session %q", session)
	}
	f, size, err := r.localRaw(ctx, session)
	if err != nil && hoop.AsError(err).Code == hoop.CodeNotFound && r.mirror != nil {
		return r.mirror.open(ctx, session)
	}
	if err != nil {
		return nil, 0, err
	}
	return f, size, nil
}

// localRaw opens the copy on this machine.
func (r *Recorder) localRaw(ctx context.Context, session string) (*rawFile, int64, error) {
	if err := r.opt.Journal.Applied(ctx, r.opt.Journal.Durable()); err != nil {
		return nil, 0, err
	}
	if err := r.files.flush(session); err != nil {
		return nil, 0, fmt.Errorf("open recording %s: %w", session, err)
	}
	f, err := r.opt.FS.OpenFile(r.files.name(session), os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, hoop.Errorf(hoop.CodeNotFound, "there is no recording of session %s", session)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open recording %s: %w", session, err)
	}
	size, err := f.Size()
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("open recording %s: %w", session, err)
	}
	return &rawFile{io.NewSectionReader(f, 0, size), f}, size, nil
}

type rawFile struct {
	*io.SectionReader
	io.Closer
}

// headerOf reads whose session a recording is of.
func (r *Recorder) headerOf(raw io.ReaderAt) (target string, began time.Time, err error) {
	s, err := recording.Peek(io.NewSectionReader(raw, 0, 1<<40))
	if err != nil {
		return "", time.Time{}, err
	}
	return s.Target, s.StartedAt, nil
}

// Reader reads a recording in clear.
type Reader struct {
	*recording.Reader
	file io.Closer
	size int64
	// live is the index of a session that runs; nil where it has ended.
	live *recording.Index
}

// Close closes the file too.
func (r *Reader) Close() error {
	r.Reader.Close()
	return r.file.Close()
}

// Index is that of the recording. One that its gateway did not finish has none, and is
// read to its end for it.
func (r *Reader) Index() (recording.Index, error) {
	if r.live != nil {
		return *r.live, nil
	}
	x, err := r.Reader.Index(r.size)
	if errors.Is(err, recording.ErrUnfinished) {
		return r.ReadIndex()
	}
	return x, err
}

// Reader opens a recording in clear: what is durable by now. The last record of a
// session that still runs is followed by recording.ErrUnfinished. Close it.
func (r *Recorder) Reader(ctx context.Context, session string) (*Reader, error) {
	live := r.liveIndex(session) // first: one that ends now has its own in the file
	raw, size, err := r.raw(ctx, session)
	if err != nil {
		return nil, err
	}
	rd, err := recording.NewReader(&buffered{bufio.NewReaderSize(raw, readBytes), raw}, r.identity)
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("open recording %s: %w", session, err)
	}
	return &Reader{Reader: rd, file: raw, size: size, live: live}, nil
}

// liveIndex is the index of a recording that grows; nil where none does.
func (r *Recorder) liveIndex(session string) *recording.Index {
	r.mu.Lock()
	rec := r.live[session]
	r.mu.Unlock()
	if rec == nil {
		return nil
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	x := rec.enc.Index()
	return &x
}

// readBytes is how much of a recording is read ahead: most frames are far smaller.
const readBytes = 32 << 10

// buffered reads ahead.
type buffered struct {
	*bufio.Reader
	from io.ReadSeeker
}

// Seek implements io.Seeker, from the beginning only.
func (b *buffered) Seek(offset int64, whence int) (int64, error) {
	n, err := b.from.Seek(offset, whence)
	b.Reset(b.from)
	return n, err
}

// Found hashes a recording as it lies there: what a recovery event commits to after a
// crash. found is false where the session has no recording. Events is left zero.
func (r *Recorder) Found(session string) (rec hoop.Record, found bool, err error) {
	raw, size, err := r.Raw(context.Background(), session)
	if hoop.AsError(err).Code == hoop.CodeNotFound && err != nil {
		return hoop.Record{}, false, nil
	}
	if err != nil {
		return hoop.Record{}, false, err
	}
	h := sha256.New()
	_, err = io.Copy(h, raw)
	if err := errors.Join(err, raw.Close()); err != nil {
		return hoop.Record{}, false, fmt.Errorf("hash recording %s: %w", session, err)
	}
	return hoop.Record{SHA256: hex.EncodeToString(h.Sum(nil)), Size: size}, true, nil
}

// Sessions lists the sessions that have a recording on this machine, sorted.
func (r *Recorder) Sessions() ([]string, error) { return r.local() }

func (r *Recorder) local() ([]string, error) {
	names, err := r.opt.FS.ReadDir(r.opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("list recordings: %w", err)
	}
	ids := names[:0]
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, suffix); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Recording is one session's recording. It is safe for concurrent use: records are
// ordered as Append returns.
type Recording struct {
	recorder  *Recorder
	id        string
	started   time.Time
	digestKey []byte

	mu      sync.Mutex // guards what follows
	enc     *recording.Encoder
	prefix  []byte
	frame   []*recording.Record // of write; its room is used again
	counter int64               // statement that output and input are counted for
	kept    [2]int64
	closed  bool
	err     error // of an earlier write: the file would have a hole
}

// Append records rs in their order, as one frame. It copies their bytes and returns
// the position at which they are durable. In rs itself At becomes now where it is zero,
// and output and input above the size limit of a statement are replaced by their length
// and digest.
func (rec *Recording) Append(rs ...recording.Record) (journal.Pos, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.closed {
		return 0, hoop.Errorf(hoop.CodeInternal, "session %s is recorded after its end", rec.id)
	}
	if err := rec.recorder.spooled(); err != nil {
		return 0, err
	}
	return rec.write(rs...)
}

// Close records r as the last record, ends the recording, and returns what the audit
// log commits to (without Events).
func (rec *Recording) Close(r recording.Record) (hoop.Record, journal.Pos, error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.closed {
		return hoop.Record{}, 0, hoop.Errorf(hoop.CodeInternal, "session %s ends twice", rec.id)
	}
	rec.closed = true
	defer rec.recorder.remove(rec)
	if _, err := rec.write(r); err != nil {
		return hoop.Record{}, 0, err
	}
	pos, err := rec.send(func(dst []byte) ([]byte, error) { return rec.enc.AppendEnd(dst), nil })
	if err != nil {
		return hoop.Record{}, 0, err
	}
	if rec.recorder.mirror != nil {
		rec.recorder.mu.Lock()
		rec.recorder.ending[rec.id] = pos
		rec.recorder.mu.Unlock()
	}
	sum := rec.enc.Sum()
	return hoop.Record{SHA256: hex.EncodeToString(sum[:]), Size: rec.enc.Size()}, pos, nil
}

// limit replaces bytes of output or input that are above the statement's limit.
func (rec *Recording) limit(r *recording.Record) {
	direction := 0
	switch r.Kind {
	case recording.KindOutput:
	case recording.KindInput:
		direction = 1
	default:
		return
	}
	if r.Counter != rec.counter {
		rec.counter, rec.kept = r.Counter, [2]int64{}
	}
	n := int64(len(r.Wire))
	if rec.kept[direction]+n <= rec.recorder.opt.StatementBytes {
		rec.kept[direction] += n
		return
	}
	// Nothing of this statement is kept from here on: a gap in the middle would be
	// taken for its end.
	rec.kept[direction] = rec.recorder.opt.StatementBytes
	mac := hmac.New(sha256.New, rec.digestKey)
	mac.Write(r.Wire)
	r.Dropped, r.Digest, r.Wire = n, hex.EncodeToString(mac.Sum(nil)), nil
}

// write encodes records as a frame and sends it.
func (rec *Recording) write(rs ...recording.Record) (journal.Pos, error) {
	for i := range rs {
		r := &rs[i]
		if r.At == 0 {
			r.At = max(rec.recorder.opt.Now().Sub(rec.started), 0)
		}
		rec.limit(r)
		rec.frame = append(rec.frame, r)
	}
	defer func() {
		clear(rec.frame) // it holds bytes of callers
		rec.frame = rec.frame[:0]
	}()
	return rec.send(func(dst []byte) ([]byte, error) { return rec.enc.Append(dst, rec.frame...) })
}

// send hands what encode appends, the file's next bytes, to the journal.
func (rec *Recording) send(encode func(dst []byte) ([]byte, error)) (journal.Pos, error) {
	if rec.err != nil {
		return 0, rec.err
	}
	buf, ok := rec.recorder.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	at := rec.enc.Size()
	b, err := encode((*buf)[:0])
	if err != nil {
		return 0, fmt.Errorf("record session %s: %w", rec.id, err)
	}
	rec.prefix = appendPrefix(rec.prefix[:0], rec.id, at)
	pos, err := rec.recorder.opt.Journal.Append(journal.KindRecording, rec.prefix, b)
	if *buf = b; cap(b) <= 4<<20 {
		rec.recorder.buffers.Put(buf)
	}
	if err != nil {
		rec.err = err
		return 0, fmt.Errorf("record session %s: %w", rec.id, err)
	}
	return pos, nil
}
