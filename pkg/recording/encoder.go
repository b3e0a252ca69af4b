package recording

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// After the header come frames:
//
//	4B length of what is sealed, big-endian | 1B type | sealed
//
// sealed is AES-256-GCM of the content: the nonce is the frame's number from 0 as 12B
// big-endian; the additional data is SHA-256 of the whole header, then the type. The
// content of types 1 and 2 is records, of type 4 the index, of type 3 empty. Behind the
// end frame stands where the index is:
//
//	8B offset of the index frame | 8B its number, big-endian
const (
	framePrefix = 5
	nonceBytes  = 12
	tagBytes    = 16

	frameRecords    = 1
	frameCompressed = 2 // zstd (RFC 8878)
	frameEnd        = 3 // the last
	frameIndex      = 4 // the last but one

	footerBytes = 16

	// compressAbove is the size in bytes from which compression is worth its time.
	compressAbove = 1 << 10
	// windowBytes bounds what a reader needs to take a frame apart.
	windowBytes = 1 << 20
)

// Compressor compresses frames for any number of Encoders, at most n at a time, and
// lends them memory, so that an idle session holds none.
type Compressor struct {
	z       *zstd.Encoder
	scratch sync.Pool // of *scratch
}

// scratch is the memory that encoding one frame takes.
type scratch struct{ plain, packed []byte }

// maxScratch is the largest memory that is kept for reuse, in bytes.
const maxScratch = 4 << 20

func (c *Compressor) borrow() *scratch {
	if c != nil {
		if s, ok := c.scratch.Get().(*scratch); ok {
			return s
		}
	}
	return new(scratch)
}

func (c *Compressor) giveBack(s *scratch) {
	if c != nil && cap(s.plain) <= maxScratch && cap(s.packed) <= maxScratch {
		c.scratch.Put(s)
	}
}

// NewCompressor makes a Compressor; each of n parallel uses holds a few MB.
func NewCompressor(n int) (*Compressor, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(windowBytes),
		zstd.WithEncoderConcurrency(max(n, 1)), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("recording compressor: %w", err)
	}
	return &Compressor{z: z}, nil
}

// Encoder writes one recording. It is not safe for concurrent use.
type Encoder struct {
	keys       *keys
	compressor *Compressor
	ad         [sha256.Size + 1]byte // header hash, type
	frames     uint64
	size       int64
	sum        hash.Hash
	header     []byte // until AppendHeader
	ended      bool
	index      indexer
}

// NewEncoder begins a recording that recipients can read. c may be shared; nil means
// that nothing is compressed.
func NewEncoder(session hoop.SessionInfo, c *Compressor, recipients ...age.Recipient) (*Encoder, error) {
	raw, k, err := newHeader(session, recipients)
	if err != nil {
		return nil, err
	}
	e := &Encoder{keys: k, compressor: c, sum: sha256.New(), header: raw}
	hashed := sha256.Sum256(raw)
	copy(e.ad[:], hashed[:])
	return e, nil
}

// AppendHeader adds the header to dst; it comes first, and once.
func (e *Encoder) AppendHeader(dst []byte) []byte {
	dst = append(dst, e.header...)
	e.count(e.header)
	e.header = nil
	return dst
}

// Append adds one frame with records to dst: the file's bytes from Size on.
func (e *Encoder) Append(dst []byte, records ...*Record) ([]byte, error) {
	if e.header != nil || e.ended {
		return nil, errors.New("recording: a frame before the header or after the end")
	}
	mem := e.compressor.borrow()
	defer e.compressor.giveBack(mem)
	mem.plain = mem.plain[:0]
	for _, r := range records {
		// A record that cannot be written leaves the encoder as it was.
		plain, err := AppendRecord(mem.plain, r)
		if err != nil {
			return nil, err
		}
		mem.plain = plain
	}
	if len(mem.plain) > MaxFrame {
		return nil, hoop.Errorf(hoop.CodeTooLarge, "%d bytes are too many for one record", len(mem.plain))
	}
	kind, content := byte(frameRecords), mem.plain
	if e.compressor != nil && len(content) > compressAbove {
		mem.packed = e.compressor.z.EncodeAll(content, mem.packed[:0])
		if len(mem.packed) < len(content) {
			kind, content = frameCompressed, mem.packed
		}
	}
	for i, r := range records {
		e.index.record(e.position(), r, i == 0)
	}
	return e.seal(dst, kind, content), nil
}

// AppendEnd adds the index and the end mark to dst, after which nothing may follow.
func (e *Encoder) AppendEnd(dst []byte) []byte {
	e.ended = true
	at := e.position()
	dst = e.seal(dst, frameIndex, e.index.append(nil))
	dst = e.seal(dst, frameEnd, nil)
	start := len(dst)
	dst = at.appendFooter(dst)
	e.count(dst[start:])
	return dst
}

// Index is that of what was given out so far. It stays as it is.
func (e *Encoder) Index() Index { return e.index.copy() }

// position is that of the next frame.
func (e *Encoder) position() Position { return Position{Frame: e.frames, Offset: e.size} }

func (e *Encoder) seal(dst []byte, kind byte, content []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(content)+tagBytes))
	dst = append(dst, kind)
	var nonce [nonceBytes]byte
	binary.BigEndian.PutUint64(nonce[4:], e.frames)
	e.ad[sha256.Size] = kind
	dst = e.keys.aead.Seal(dst, nonce[:], content, e.ad[:])
	e.frames++
	e.count(dst[start:])
	return dst
}

func (e *Encoder) count(b []byte) {
	e.size += int64(len(b))
	e.sum.Write(b)
}

// Size is the bytes given out so far.
func (e *Encoder) Size() int64 { return e.size }

// Sum is the SHA-256 of the bytes given out so far.
func (e *Encoder) Sum() [sha256.Size]byte {
	var s [sha256.Size]byte
	e.sum.Sum(s[:0])
	return s
}
