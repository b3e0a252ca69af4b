package recording

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Reader reads a recording's records in order. It is not safe for concurrent use.
type Reader struct {
	frames  frameReader
	session hoop.SessionInfo
	keys    *keys
	ad      [sha256.Size + 1]byte
	zstd    *zstd.Decoder // made for the first compressed frame
	unpack  []byte
	rest    []byte // of the current frame
	ended   bool
	begin   int64   // of the first frame
	index   indexer // of what was read
	first   bool    // the next record is the first of its frame
	partial bool    // not all was read: index is not the file's
}

// NewReader reads the header, finds the data key with one of ids, and checks that the
// header is genuine. Close gives back the decompressor's memory.
func NewReader(r io.Reader, ids ...age.Identity) (*Reader, error) {
	h, raw, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	k, err := h.open(raw, ids)
	if err != nil {
		return nil, err
	}
	begin := int64(len(raw))
	rd := &Reader{frames: frameReader{r: r, offset: begin}, session: h.Session, keys: k, begin: begin}
	hashed := sha256.Sum256(raw)
	copy(rd.ad[:], hashed[:])
	return rd, nil
}

// Session is what the header says of the session, as it was when it began.
func (r *Reader) Session() hoop.SessionInfo { return r.session }

// Close gives back memory; it does not close what the Reader reads from.
func (r *Reader) Close() {
	if r.zstd != nil {
		r.zstd.Close()
		r.zstd = nil
	}
}

// Next gives the next record, valid until the call after. It returns io.EOF behind the
// end mark, ErrUnfinished where the file ends without one, and ErrFormat where it was
// changed.
func (r *Reader) Next() (*Record, error) {
	rec, meta, err := r.split()
	if err != nil {
		return nil, err
	}
	if err := decodeMeta(rec, meta); err != nil {
		return nil, fmt.Errorf("recording frame %d: %s record: %w", r.frames.count-1, rec.Kind, err)
	}
	return rec, nil
}

// split is Next without the meta, which it gives as it stands.
func (r *Reader) split() (rec *Record, meta []byte, err error) {
	for len(r.rest) == 0 {
		if err := r.frame(); err != nil {
			return nil, nil, err
		}
	}
	rec, meta, rest, err := splitRecord(r.rest)
	if err != nil {
		return nil, nil, fmt.Errorf("recording frame %d: %w", r.frames.count-1, err)
	}
	r.rest = rest
	r.index.record(Position{Frame: r.frames.count - 1, Offset: r.frames.last}, rec, r.first)
	r.first = false
	return rec, meta, nil
}

// frame goes on to the next frame.
func (r *Reader) frame() error {
	if r.ended {
		return io.EOF
	}
	kind, content, err := r.open()
	if err != nil {
		return err
	}
	switch kind {
	case frameEnd:
		r.ended = true
		return r.frames.atEnd()
	case frameIndex:
		if !r.partial && !bytes.Equal(content, r.index.append(nil)) {
			return r.damaged("the index is not that of the frames before")
		}
		return nil
	case frameCompressed:
		if content, err = r.decompress(content); err != nil {
			return r.damaged(err.Error())
		}
	}
	r.rest, r.first = content, true
	return nil
}

// open reads the next frame and decrypts it.
func (r *Reader) open() (kind byte, content []byte, err error) {
	kind, sealed, err := r.frames.next(false)
	if err != nil {
		return 0, nil, err
	}
	var nonce [nonceBytes]byte
	binary.BigEndian.PutUint64(nonce[4:], r.frames.count-1)
	r.ad[sha256.Size] = kind
	if content, err = r.keys.aead.Open(sealed[:0], nonce[:], sealed, r.ad[:]); err != nil {
		return 0, nil, r.damaged("it does not decrypt")
	}
	return kind, content, nil
}

// damaged says what is wrong with the frame read last.
func (r *Reader) damaged(what string) error {
	return fmt.Errorf("recording frame %d at offset %d: %w: %s", r.frames.count-1, r.frames.last, ErrFormat, what)
}

func (r *Reader) decompress(b []byte) ([]byte, error) {
	if r.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxFrame), zstd.WithDecoderMaxWindow(MaxFrame))
		if err != nil {
			return nil, err
		}
		r.zstd = d
	}
	out, err := r.zstd.DecodeAll(b, r.unpack[:0])
	r.unpack = out
	return out, err
}

// frameReader reads frames as they stand.
type frameReader struct {
	r      io.Reader
	offset int64 // of the next frame
	last   int64 // of the frame given last
	count  uint64
	index  *Position // of the index, once it was read
	buf    bytes.Buffer
	prefix [framePrefix]byte
}

// next reads a frame; sealed is valid until the call after, and empty with skip.
func (f *frameReader) next(skip bool) (kind byte, sealed []byte, err error) {
	if _, err := io.ReadFull(f.r, f.prefix[:]); err != nil {
		return 0, nil, f.fail(err)
	}
	n := int64(binary.BigEndian.Uint32(f.prefix[:]))
	kind = f.prefix[4]
	if kind < frameRecords || kind > frameIndex || n < tagBytes || n > MaxFrame+tagBytes ||
		kind == frameEnd && n != tagBytes || (kind == frameEnd) != (f.index != nil) {
		return 0, nil, fmt.Errorf("recording frame %d at offset %d: %w", f.count, f.offset, ErrFormat)
	}
	// Memory grows with what is there, not with what the length promises.
	f.buf.Reset()
	var to io.Writer = &f.buf
	if skip {
		to = io.Discard
	}
	if _, err := io.CopyN(to, f.r, n); err != nil {
		return 0, nil, f.fail(err)
	}
	if kind == frameIndex {
		f.index = &Position{Frame: f.count, Offset: f.offset}
	}
	f.last = f.offset
	f.offset += framePrefix + n
	f.count++
	return kind, f.buf.Bytes(), nil
}

// atEnd checks what stands behind the end frame; it returns io.EOF where that is right.
func (f *frameReader) atEnd() error {
	var got [footerBytes + 1]byte
	n, err := io.ReadFull(f.r, got[:])
	switch {
	case n < footerBytes:
		return f.fail(err)
	case n > footerBytes:
		return fmt.Errorf("recording at offset %d: %w: bytes after its end", f.offset, ErrFormat)
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return f.fail(err)
	case !bytes.Equal(got[:n], f.index.appendFooter(nil)):
		return fmt.Errorf("recording at offset %d: %w: the index is not where its end says", f.offset, ErrFormat)
	}
	return io.EOF
}

func (f *frameReader) fail(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrUnfinished
	}
	return fmt.Errorf("recording frame %d at offset %d: %w", f.count, f.offset, err)
}

// Structure is what Inspect finds.
type Structure struct {
	Session  hoop.SessionInfo
	Frames   uint64 // whole ones
	Finished bool   // the end mark is there, and nothing behind it
}

// Inspect reads a recording to its end and checks what can be checked without a key:
// the header's form and that frames follow one another up to the end mark. A file
// that ends early, between frames or inside one, is not Finished and no error.
func Inspect(r io.Reader) (Structure, error) {
	h, raw, err := readHeader(r)
	if err != nil {
		return Structure{}, err
	}
	s := Structure{Session: h.Session}
	f := frameReader{r: r, offset: int64(len(raw))}
	for {
		kind, _, err := f.next(true)
		if errors.Is(err, ErrUnfinished) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		s.Frames++
		if kind == frameEnd {
			err := f.atEnd()
			if s.Finished = errors.Is(err, io.EOF); s.Finished || errors.Is(err, ErrUnfinished) {
				return s, nil
			}
			return s, err
		}
	}
}
