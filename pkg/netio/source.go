package netio

import (
	"io"
	"net"
	"syscall"
)

// Source reads one connection into buffers that are borrowed when there is something to
// read, so that a connection that waits holds none. It is for one goroutine at a time.
type Source struct {
	conn net.Conn
	wait func() error // of a connection that can be waited for
	raw  *Conn
	try  func(fd uintptr) bool
	lend func() []byte
	back func([]byte)

	b   []byte
	n   int
	err error
}

// Readable is a connection that can be waited for without a buffer; a stream of
// pkg/tunnel is one.
type Readable interface {
	// Readable returns when Read would not wait.
	Readable() error
}

// NewSource makes a Source. lend gives a buffer that is not empty; back takes one that
// nothing was read into.
func NewSource(c net.Conn, lend func() []byte, back func([]byte)) *Source {
	s := &Source{conn: c, lend: lend, back: back}
	if r, ok := c.(Readable); ok {
		s.wait = r.Readable
	} else if raw, ok := Wrap(c).(*Conn); ok {
		s.raw, s.try = raw, s.once
	} else if raw, ok := c.(*Conn); ok {
		s.raw, s.try = raw, s.once
	}
	return s
}

// Read waits for bytes, borrows a buffer and reads once. It returns the buffer, which
// is the caller's then, and how many bytes were read into it; with an error there is
// no buffer. Connections that cannot be waited for without a buffer hold one.
func (s *Source) Read() (b []byte, n int, err error) {
	if s.raw != nil {
		return s.readRaw()
	}
	if s.wait != nil {
		if err := s.wait(); err != nil {
			return nil, 0, err
		}
	}
	b = s.lend()
	n, err = s.conn.Read(b)
	if n > 0 {
		return b, n, nil // an error comes again
	}
	s.back(b)
	if err == nil {
		err = io.ErrNoProgress
	}
	return nil, 0, err
}

func (s *Source) readRaw() (b []byte, n int, err error) {
	s.b, s.n, s.err = nil, 0, nil
	err = s.raw.raw.Read(s.try)
	b, s.b = s.b, nil
	switch {
	case err != nil:
	case s.err != nil:
		err = s.raw.fault("read", s.err)
	case s.n == 0:
		err = io.EOF
	default:
		return b, s.n, nil
	}
	if b != nil {
		s.back(b)
	}
	return nil, 0, err
}

// once reads what is there; false when there is nothing yet.
func (s *Source) once(fd uintptr) bool {
	s.b = s.lend()
	n, err := read(fd, s.b)
	if err == syscall.EAGAIN {
		s.back(s.b)
		s.b = nil
		return false
	}
	s.n, s.err = n, err
	return true
}
