package mask

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/server/resource"
)

// A value that is too long to be held is masked while it passes. Its length goes before
// it on the wire, so what comes out has a length that the length of the value tells: what
// replaces a part of a text is as long as that part, a type with a structure is NULL, and
// of transforms that leave something only hash does.

const (
	streamChunk  = 64 << 10 // is looked at at once
	streamAhead  = 16 << 10 // is looked at again with what follows
	streamBehind = 1 << 10  // before it tells what a value is
)

// Stream masks one value that comes in pieces, in memory that does not depend on its
// length. Values that a pattern finds are found up to 16 KiB; of longer ones some of the
// beginning may stay.
type Stream struct {
	t       *Transform
	fixed   []byte // comes out at the end, whatever the value
	scans   bool
	relays  bool
	blanks  int    // of char(n), which count only where something follows
	held    []byte // behind, and then what has not come out yet
	behind  int
	changed bool
}

// Stream begins a value of size bytes, which is not NULL. The stream belongs to the
// transform: it ends before the next value begins.
func (t *Transform) Stream(size int64) *Stream {
	s := &Stream{t: t}
	text := t.shape != nil && t.shape.kind == shapeText && !t.shape.domain
	switch {
	case t.relay:
		s.relays = true
	case t.whole && t.with == resource.Redact:
		if out, null := t.constant(t.shape, []byte{}); !null {
			s.fixed = out
		}
	case t.scan != nil && t.shape.kind == shapeText:
		s.scans = true
	case t.scan != nil && !t.shape.scannable():
		s.relays = true
	case t.scan != nil || t.with == resource.Null: // NULL
	case text && t.with == resource.Hash:
		t.mac.Reset()
		s.fixed = fit(make([]byte, 2*len(t.sum)), 0, t.shape) // once it is known
	case text:
		s.fixed = fit(appendMarker(nil, t.shape), 0, t.shape)
	case t.shape.kind == shapeBytea && !t.shape.domain && t.with == resource.Redact:
		s.fixed, _, _, _ = t.scalar(t.shape, []byte{}, nil)
	}
	s.changed = !s.scans && !s.relays
	return s
}

// Len gives the length in bytes of what comes out for a value of size bytes; null
// reports that it is NULL.
func (s *Stream) Len(size int64) (n int64, null bool) {
	switch {
	case s.scans, s.relays:
		return size, false
	case s.fixed != nil:
		return int64(len(s.fixed)), false
	}
	return 0, true
}

// Append takes the next piece of the value and appends what can come out by now. dst
// and piece must not overlap.
func (s *Stream) Append(dst, piece []byte) []byte {
	switch {
	case s.relays:
		return append(dst, piece...)
	case s.scans:
		for len(piece) > 0 {
			n := min(len(piece), streamChunk)
			s.held = append(s.held, piece[:n]...)
			piece = piece[n:]
			if len(s.held) >= s.behind+streamChunk+streamAhead {
				dst = s.pass(dst, len(s.held)-streamAhead)
			}
		}
	case s.fixed != nil && s.t.with == resource.Hash:
		s.digest(piece)
	}
	return dst
}

// digest hashes the next piece as textTransform does: the blanks at the end of char(n)
// are not part of the value.
func (s *Stream) digest(piece []byte) {
	if s.t.shape.pad {
		text := bytes.TrimRight(piece, " ")
		blanks := len(piece) - len(text)
		for ; s.blanks > 0 && len(text) > 0; s.blanks -= min(s.blanks, len(spaces)) {
			_, _ = io.WriteString(s.t.mac, spaces[:min(s.blanks, len(spaces))]) // never fails: hash.Hash
		}
		piece, s.blanks = text, s.blanks+blanks
	}
	_, _ = s.t.mac.Write(piece) // never fails: hash.Hash
}

var spaces = strings.Repeat(" ", 1<<10)

// End appends what is left of the value; changed reports that it is not the value.
func (s *Stream) End(dst []byte) (out []byte, changed bool) {
	switch {
	case s.scans:
		dst = s.pass(dst, len(s.held))
	case s.fixed != nil && s.t.with == resource.Hash:
		dst = append(dst, fit(hex.AppendEncode(s.fixed[:0], s.t.mac.Sum(s.t.sum[:0])), 0, s.t.shape)...)
	default:
		dst = append(dst, s.fixed...)
	}
	return dst, s.changed
}

// pass lets out what is held up to end, but for a find that goes beyond it.
func (s *Stream) pass(dst []byte, end int) []byte {
	at := s.behind
	for _, f := range s.t.scan.spans(s.held) {
		if f.end <= at {
			continue
		}
		if f.start >= end {
			break
		}
		f.start = max(f.start, at)
		if f.end > end && f.start > s.behind {
			end = f.start
			break
		}
		f.end = min(f.end, max(end, at))
		dst = append(dst, s.held[at:f.start]...)
		dst = s.t.scan.markSame(dst, s.held[f.start:f.end], f.by)
		s.changed, at = true, f.end
	}
	dst = append(dst, s.held[at:end]...)
	from := max(0, end-streamBehind)
	s.behind = end - from
	s.held = s.held[:copy(s.held, s.held[from:])]
	return dst
}

// markSame appends what stands for a value, with as many bytes and no more characters.
func (s *scanner) markSame(dst, v []byte, by *entry) []byte {
	at := len(dst)
	if by.with != resource.Partial && len(v) == asciiPrefix(v) {
		if dst = s.mark(dst, v, by); len(dst)-at <= len(v) {
			return append(dst, bytes.Repeat([]byte("*"), len(v)-(len(dst)-at))...)
		}
		dst = dst[:at]
	}
	keep := 0
	if by.with == resource.Partial && utf8.RuneCount(v) > by.last {
		keep = by.last
	}
	end := len(v)
	for range keep {
		_, size := utf8.DecodeLastRune(v[:end])
		end -= size
	}
	for i := 0; i < end; {
		_, size := utf8.DecodeRune(v[i:])
		dst = append(dst, sameSize[size-1]...)
		i += size
	}
	return append(dst, v[end:]...)
}

// sameSize are characters of one to four bytes to stand for others.
var sameSize = [utf8.UTFMax]string{"*", "¤", "＊", "𝅭"}
