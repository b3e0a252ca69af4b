// Package netread reads connections into buffers that are borrowed when there is
// something to read, so that a connection that waits holds none.
package netread

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// Source reads one connection. It is for one goroutine at a time.
type Source struct {
	conn net.Conn
	wait func() error // of a connection that can be waited for
	raw  syscall.RawConn
	try  func(fd uintptr) bool
	lend func() []byte
	back func([]byte)
	b    []byte
	n    int
	err  error
}

// Readable is a connection that can be waited for without a buffer; a stream of
// pkg/tunnel is one.
type Readable interface {
	// Readable returns when Read would not wait.
	Readable() error
}

// New makes a Source. lend gives a buffer that is not empty; back takes one that
// nothing was read into.
func New(c net.Conn, lend func() []byte, back func([]byte)) *Source {
	s := &Source{conn: c, lend: lend, back: back}
	if r, ok := c.(Readable); ok {
		s.wait = r.Readable
		return s
	}
	if sc, ok := c.(syscall.Conn); ok && canTry {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw, s.try = raw, s.once
		}
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
	if err := s.raw.Read(s.try); err != nil {
		if s.b != nil {
			s.back(s.b)
			s.b = nil
		}
		// As Read of a connection says it: net.ErrClosed, os.ErrDeadlineExceeded.
		return nil, 0, err
	}
	b, s.b = s.b, nil
	if s.err == nil && s.n > 0 {
		return b, s.n, nil
	}
	s.back(b)
	if s.err == nil {
		return nil, 0, io.EOF
	}
	if errors.Is(s.err, syscall.ECONNRESET) || errors.Is(s.err, syscall.EPIPE) {
		return nil, 0, &net.OpError{Op: "read", Net: "tcp", Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(), Err: s.err}
	}
	return nil, 0, s.err
}
