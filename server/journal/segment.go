package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment file, NNNNNNNN.wal, is a header and frames; all numbers are
// little-endian:
//
//	header: 8B magic | 8B position of the first frame | 4B salt | 4B own number | 4B that of the segment before | 4B CRC32C of the 28B before
//	frame:  4B length of the payload | 4B CRC32C | 1B kind | payload
//
// A position counts the bytes of all frames since the journal began, headers left
// out. The numbers in headers are random: a segment that another run wrote from the same
// beginning does not pass for the one between its neighbours. The CRC of a frame starts from the journal's salt and covers its position,
// length, kind and payload, so neither an old block nor a moved frame passes for one.
//
// Each batch (one write, one fsync) begins with a mark: kind 0, with its own position
// as payload. A batch is written only after all before it is durable. So damage
// before a mark is damage to what was acknowledged, and damage with no mark behind
// it is the torn end of a batch that nobody was told of.
const (
	magic       = "HOOPWAL2"
	headerBytes = 32
	frameBytes  = 9
	markBytes   = frameBytes + 8

	// MaxRecord is the most bytes that one record may hold.
	MaxRecord = 80 << 20

	kindMark Kind = 0
)

// Kind says whose record it is.
type Kind byte

// The kinds of record.
const (
	KindEvent     Kind = 1 // of server/audit
	KindRecording Kind = 2 // of server/record
)

// Pos is a position in the journal: the count of bytes up to the end of a record.
type Pos int64

// segment is one file; base is the position of its first frame, size that of all its
// frames in bytes.
type segment struct {
	number int
	base   Pos
	size   int64
	id     uint32 // its own number in its header
}

func (s segment) end() Pos { return s.base + Pos(s.size) }

func segmentName(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%08d.wal", number))
}

func segmentNumber(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, ".wal")
	if !ok || len(digits) < 8 {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0
}

// A CorruptError tells where the journal is damaged beyond what a crash explains.
type CorruptError struct {
	File   string
	Offset int64 // bytes from the start of the file
	What   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal segment %s is damaged at offset %d: %s", e.File, e.Offset, e.What)
}

// frameCodec appends and reads frames; castagnoli is shared by all.
type frameCodec struct {
	salt  uint32
	table *crc32.Table
}

// header begins a segment.
type header struct {
	base            Pos
	salt, id, after uint32 // after is the id of the segment before
}

func (c frameCodec) appendHeader(dst []byte, h header) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.base))
	for _, n := range []uint32{h.salt, h.id, h.after} {
		dst = binary.LittleEndian.AppendUint32(dst, n)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], c.table))
}

func (c frameCodec) parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerBytes || string(b[:8]) != magic ||
		crc32.Checksum(b[:headerBytes-4], c.table) != binary.LittleEndian.Uint32(b[headerBytes-4:]) {
		return header{}, false
	}
	n := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	return header{Pos(binary.LittleEndian.Uint64(b[8:])), n(16), n(20), n(24)}, true
}

// follows reports whether a segment that begins so is the one behind s.
func (h header) follows(s segment, salt uint32) bool {
	return h.base == s.end() && h.after == s.id && h.salt == salt
}

// append adds one frame that starts at position at.
func (c frameCodec) append(dst []byte, at Pos, kind Kind, parts ...[]byte) []byte {
	start, n := len(dst), 0
	for _, p := range parts {
		n += len(p)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	dst = append(dst, 0, 0, 0, 0, byte(kind))
	for _, p := range parts {
		dst = append(dst, p...)
	}
	binary.LittleEndian.PutUint32(dst[start+4:], c.sum(at, dst[start:]))
	return dst
}

func (c frameCodec) appendMark(dst []byte, at Pos) []byte {
	var payload [8]byte
	binary.LittleEndian.PutUint64(payload[:], uint64(at))
	return c.append(dst, at, kindMark, payload[:])
}

// sum is the CRC of a whole frame at a position, its CRC field left out.
func (c frameCodec) sum(at Pos, frame []byte) uint32 {
	var head [13]byte
	binary.LittleEndian.PutUint64(head[:], uint64(at))
	copy(head[8:], frame[:4])
	head[12] = frame[8]
	crc := ^c.salt
	for _, b := range head { // as crc32.Update, for which head would have to be on the heap
		crc = c.table[byte(crc)^b] ^ crc>>8
	}
	return crc32.Update(^crc, c.table, frame[frameBytes:])
}

// next takes the first frame off b; ok is false where there is none whole and intact.
func (c frameCodec) next(b []byte, at Pos) (kind Kind, payload, rest []byte, ok bool) {
	if len(b) < frameBytes {
		return 0, nil, nil, false
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n > MaxRecord || n > int64(len(b)-frameBytes) {
		return 0, nil, nil, false
	}
	frame := b[: frameBytes+n : frameBytes+n]
	if c.sum(at, frame) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, nil, nil, false
	}
	return Kind(b[8]), frame[frameBytes:], b[len(frame):], true
}

// marked reports whether a mark lies anywhere in b, whose first byte has position at.
func (c frameCodec) marked(b []byte, at Pos) bool {
	length := []byte{8, 0, 0, 0}
	for len(b) >= markBytes {
		i := bytes.Index(b, length)
		if i < 0 {
			return false
		}
		b, at = b[i:], at+Pos(i)
		kind, payload, _, ok := c.next(b, at)
		if ok && kind == kindMark && Pos(binary.LittleEndian.Uint64(payload)) == at {
			return true
		}
		b, at = b[1:], at+1
	}
	return false
}

// scan reads a segment's frames in order; each is called with the position behind the
// frame. It returns the bytes of intact frames, which are fewer than those of the
// body where the tail is torn.
func (c frameCodec) scan(body []byte, base Pos, each func(Kind, Pos, []byte) error) (int64, error) {
	rest, at := body, base
	for len(rest) > 0 {
		kind, payload, tail, ok := c.next(rest, at)
		if !ok {
			break
		}
		at += Pos(len(rest) - len(tail))
		rest = tail
		if kind == kindMark {
			continue
		}
		if err := each(kind, at, payload); err != nil {
			return int64(at - base), err
		}
	}
	return int64(at - base), nil
}
