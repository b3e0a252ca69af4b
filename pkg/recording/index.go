package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// firstSpacing is how far apart marks are at least, in bytes, until there are maxMarks.
	firstSpacing = 64 << 10
	// maxMarks bounds an index, however long the recording.
	maxMarks = 1024
)

// Position is where a frame stands: reading can begin there. Its text is
// "frame.offset"; the zero Position is the beginning.
type Position struct {
	Frame  uint64 // its number
	Offset int64  // of its first byte in the file
}

// IsZero reports whether p is the beginning of a recording.
func (p Position) IsZero() bool { return p == Position{} }

// String is its text.
func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Frame, p.Offset) }

// MarshalText implements encoding.TextMarshaler.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Position) UnmarshalText(b []byte) error {
	frame, offset, _ := strings.Cut(string(b), ".")
	f, err := strconv.ParseUint(frame, 10, 64)
	o, oerr := strconv.ParseInt(offset, 10, 64)
	if err != nil || oerr != nil || o < 0 {
		return errors.New("want FRAME.OFFSET")
	}
	*p = Position{f, o}
	return nil
}

func (p Position) appendFooter(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, uint64(p.Offset)), p.Frame)
}

// Mark is a frame that begins with a statement.
type Mark struct {
	Position   Position      `json:"position"`
	At         time.Duration `json:"at_ns"`      // the statement's, or that of a later record before it
	Statements int64         `json:"statements"` // before it
}

// Index tells where to begin to read. Every statement is less than twice the spacing of
// the marks (spec.md) behind one, so that it is found without what lies before.
type Index struct {
	Length     time.Duration `json:"length_ns"`  // the time of the last record
	Statements int64         `json:"statements"` // in all
	Finished   bool          `json:"finished"`   // the recording has its end
	Marks      []Mark        `json:"marks"`
}

// Before gives the last mark of which ok says true; ok is true up to some mark, and
// false from there on. The beginning of the recording, where there is none.
func (x *Index) Before(ok func(Mark) bool) Mark {
	n, _ := slices.BinarySearchFunc(x.Marks, true, func(m Mark, _ bool) int {
		if ok(m) {
			return -1
		}
		return 1
	})
	if n == 0 {
		return Mark{}
	}
	return x.Marks[n-1]
}

// indexer makes the index of records in their order.
type indexer struct {
	Index
	spacing int64
}

// record takes the next record; pos is that of its frame, in which it is the first or not.
func (x *indexer) record(pos Position, r *Record, first bool) {
	x.Length = max(x.Length, r.At)
	if r.Kind != KindStatement {
		return
	}
	if first {
		x.mark(Mark{Position: pos, At: x.Length, Statements: x.Statements})
	}
	x.Statements++
}

func (x *indexer) mark(m Mark) {
	if n := len(x.Marks); n > 0 && m.Position.Offset-x.Marks[n-1].Position.Offset < max(x.spacing, firstSpacing) {
		return
	}
	x.Marks = append(x.Marks, m)
	for len(x.Marks) > maxMarks {
		x.spacing = 2 * max(x.spacing, firstSpacing)
		kept := x.Marks[:1]
		for _, m := range x.Marks[1:] {
			if m.Position.Offset-kept[len(kept)-1].Position.Offset >= x.spacing {
				kept = append(kept, m)
			}
		}
		x.Marks = kept
	}
}

func (x *indexer) copy() Index {
	c := x.Index
	c.Marks = slices.Clone(x.Marks)
	return c
}

// append adds the content of an index frame to dst:
//
//	uvarint length, ns | uvarint statements | uvarint marks | each mark
//	mark = uvarint frame | uvarint offset | uvarint at, ns | uvarint statements
//
// where each field of a mark is the difference to the mark before.
func (x *Index) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(x.Length))
	dst = binary.AppendUvarint(dst, uint64(x.Statements))
	dst = binary.AppendUvarint(dst, uint64(len(x.Marks)))
	var last Mark
	for _, m := range x.Marks {
		dst = binary.AppendUvarint(dst, m.Position.Frame-last.Position.Frame)
		dst = binary.AppendUvarint(dst, uint64(m.Position.Offset-last.Position.Offset))
		dst = binary.AppendUvarint(dst, uint64(m.At-last.At))
		dst = binary.AppendUvarint(dst, uint64(m.Statements-last.Statements))
		last = m
	}
	return dst
}

// parseIndex reads what append writes, and nothing else.
func parseIndex(b []byte) (Index, error) {
	p := parser{b: b}
	x := Index{Length: time.Duration(p.uvarint()), Statements: int64(p.uvarint())}
	var last Mark
	for n := p.uvarint(); n > 0 && !p.failed && len(x.Marks) < maxMarks; n-- {
		last.Position.Frame += p.uvarint()
		last.Position.Offset += int64(p.uvarint())
		last.At += time.Duration(p.uvarint())
		last.Statements += int64(p.uvarint())
		x.Marks = append(x.Marks, last)
	}
	if p.failed || len(p.b) > 0 || !bytes.Equal(x.append(nil), b) {
		return Index{}, fmt.Errorf("index: %w", ErrFormat)
	}
	return x, nil
}

// Seek goes to a position that an Index or Position gave: Next gives the records from
// there on. At a place that is no frame's, Next says ErrFormat. What the Reader was made
// of must be an io.Seeker.
func (r *Reader) Seek(p Position) error {
	s, ok := r.frames.r.(io.Seeker)
	if !ok {
		return errors.New("recording: it can only be read from its beginning")
	}
	if p.IsZero() {
		p.Offset = r.begin
	}
	if p.Offset < r.begin {
		return fmt.Errorf("recording at offset %d: %w: no frame stands there", p.Offset, ErrFormat)
	}
	if _, err := s.Seek(p.Offset, io.SeekStart); err != nil {
		return fmt.Errorf("recording at offset %d: %w", p.Offset, err)
	}
	r.frames.offset, r.frames.last, r.frames.count, r.frames.index = p.Offset, p.Offset, p.Frame, nil
	r.rest, r.ended, r.partial, r.index = nil, false, p.Offset != r.begin || p.Frame != 0, indexer{}
	return nil
}

// Position is that of the next frame. whole reports whether Next begins it: nothing is
// left of the one before.
func (r *Reader) Position() (p Position, whole bool) {
	return Position{Frame: r.frames.count, Offset: r.frames.offset}, len(r.rest) == 0
}

// Index reads the index of a recording of size bytes from its end, and goes to the
// beginning. ErrUnfinished says that there is none; ReadIndex makes it then.
func (r *Reader) Index(size int64) (Index, error) {
	x, err := r.indexAtEnd(size)
	return x, errors.Join(err, r.Seek(Position{}))
}

func (r *Reader) indexAtEnd(size int64) (Index, error) {
	s, ok := r.frames.r.(io.Seeker)
	if !ok || size < r.begin+footerBytes {
		return Index{}, ErrUnfinished
	}
	var b [footerBytes]byte
	if _, err := s.Seek(size-footerBytes, io.SeekStart); err != nil {
		return Index{}, fmt.Errorf("recording: read its end: %w", err)
	}
	if _, err := io.ReadFull(r.frames.r, b[:]); err != nil {
		return Index{}, fmt.Errorf("recording: read its end: %w", err)
	}
	at := Position{Offset: int64(binary.BigEndian.Uint64(b[:])), Frame: binary.BigEndian.Uint64(b[8:])}
	// Whatever stands there in a file without an end is the end of a frame.
	if at.Offset < r.begin || at.Offset > size-footerBytes || r.Seek(at) != nil {
		return Index{}, ErrUnfinished
	}
	kind, content, err := r.open()
	if err != nil || kind != frameIndex {
		return Index{}, ErrUnfinished
	}
	x, err := parseIndex(content)
	if err != nil {
		return Index{}, err
	}
	if err := r.frame(); !errors.Is(err, io.EOF) {
		return Index{}, ErrUnfinished
	}
	x.Finished = true
	return x, nil
}

// ReadIndex reads a recording from its beginning to its end, or to where it stops, and
// gives the index of what is there. All frames are decrypted for it, and no record's meta is
// looked into: that is for Next to do, wherever it begins.
func (r *Reader) ReadIndex() (Index, error) {
	if err := r.Seek(Position{}); err != nil {
		return Index{}, err
	}
	for {
		_, _, err := r.split()
		if err == nil {
			continue
		}
		x := r.index.copy()
		x.Finished = errors.Is(err, io.EOF)
		if !x.Finished && !errors.Is(err, ErrUnfinished) {
			return Index{}, err
		}
		return x, r.Seek(Position{})
	}
}
