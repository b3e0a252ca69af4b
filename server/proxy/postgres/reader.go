package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

// bufferSize is what is read at once; longer messages make the buffer grow for as long
// as they are in it.
const bufferSize = 64 << 10

// maxMessage is the longest message PostgreSQL itself accepts or sends
// (PQ_LARGE_MESSAGE_LIMIT in libpq.h, MaxAllocSize - 1), plus its type.
const maxMessage = 1<<30 - 1 + 1

// headerSize: 1B type + 4B length (which counts itself and not the type).
const headerSize = 5

var errFraming = errors.New("a message has an impossible length")

// reader finds messages in what a connection sends. It never allocates for a length
// that a peer merely claims: the buffer doubles as bytes arrive. While it waits with
// nothing unread it has no buffer.
type reader struct {
	conn net.Conn
	src  *netio.Source // the same
	buf  []byte        // nil while nothing is unread
	r, w int           // buf[r:w] is unread
	want int           // size of the message that is coming, from buf[r]; 0: not known
}

func newReader(c net.Conn) *reader {
	return &reader{conn: c, src: netio.NewSource(c, lend, giveBack)}
}

// buffers serve all readers.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func lend() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// keptSize is the most that a connection keeps of a buffer while nothing is in it.
const keptSize = 4 << 10

// windows are what answers and long messages are gathered in.
var windows = sync.Pool{New: func() any { return new([windowRoom]byte) }}

// windowRoom holds a window, the row that made it full, and what came with that.
const windowRoom = windowSize + 2*bufferSize

// window lends an empty window; trim takes it back.
func window() []byte { return windows.Get().(*[windowRoom]byte)[:0] }

// trim empties b, and gives its room to others where that is more than a connection
// keeps.
func trim(b []byte) []byte {
	switch {
	case cap(b) <= keptSize:
		return b[:0]
	case cap(b) == windowRoom:
		windows.Put((*[windowRoom]byte)(b[:windowRoom]))
	}
	return nil
}

// giveBack takes a buffer of any size.
func giveBack(b []byte) {
	if cap(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b[:bufferSize]))
	}
}

func (rd *reader) buffered() int { return rd.w - rd.r }

// header looks at the next message. ok is false when fewer than headerSize bytes are
// there. size counts the header.
func (rd *reader) header() (kind byte, size int, ok bool, err error) {
	return headerOf(rd.buf[rd.r:rd.w])
}

func headerOf(b []byte) (kind byte, size int, ok bool, err error) {
	if len(b) < headerSize {
		return 0, 0, false, nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 4 || n > maxMessage-1 {
		return 0, 0, false, fmt.Errorf("%w: type %q, length %d", errFraming, b[0], n)
	}
	return b[0], int(n) + 1, true, nil
}

// bytes gives the next n unread bytes, valid until the next discard or fill.
func (rd *reader) bytes(n int) []byte { return rd.buf[rd.r : rd.r+n] }

// discard consumes n bytes.
func (rd *reader) discard(n int) {
	rd.r += n
	if rd.r == rd.w {
		rd.r, rd.w = 0, 0
	}
}

// fill reads once, after making room. Slices given by bytes die.
func (rd *reader) fill() (filled bool, err error) {
	if rd.r == rd.w {
		giveBack(rd.buf)
		rd.buf, rd.r, rd.w = nil, 0, 0
		rd.buf, rd.w, err = rd.src.Read()
		return err == nil && rd.w == len(rd.buf), err
	}
	if rd.r > 0 && (rd.w == len(rd.buf) || rd.r > bufferSize/2) {
		rd.w = copy(rd.buf, rd.buf[rd.r:rd.w])
		rd.r = 0
	}
	if rd.w == len(rd.buf) {
		rd.grow()
	}
	return rd.read()
}

// append reads once without moving what is there: slices given by bytes live on.
func (rd *reader) append() error {
	if rd.w == len(rd.buf) {
		rd.grow()
	}
	_, err := rd.read()
	return err
}

// take gives the next n unread bytes to the caller for good, and consumes them. It is
// for long messages.
func (rd *reader) take(n int) []byte {
	taken := rd.buf[rd.r : rd.r+n : rd.r+n]
	rest := rd.buf[rd.r+n : rd.w]
	rd.buf, rd.r, rd.w = make([]byte, max(bufferSize, len(rest))), 0, len(rest)
	copy(rd.buf, rest)
	return taken
}

// believed is how much of a message has come before its length is believed: the buffer
// has room for all of it from then on, and no more.
const believed = 32 << 20

// grow moves to a buffer of twice the size and leaves the old one as it is.
func (rd *reader) grow() {
	if rd.buf == nil {
		rd.buf = lend()
		return
	}
	size := 2 * len(rd.buf)
	if all := rd.r + rd.want; rd.buffered() >= believed && all > len(rd.buf) {
		size = all
	}
	b := make([]byte, size)
	copy(b[rd.r:], rd.buf[rd.r:rd.w])
	rd.buf = b
}

// read reports whether it filled the buffer, so that more is probably there.
func (rd *reader) read() (filled bool, err error) {
	n, err := rd.conn.Read(rd.buf[rd.w:])
	rd.w += n
	if n > 0 {
		return rd.w == len(rd.buf), nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return false, err
}

// need reads until n bytes are buffered.
func (rd *reader) need(n int) error {
	for rd.buffered() < n {
		if _, err := rd.fill(); err != nil {
			return err
		}
	}
	return nil
}
