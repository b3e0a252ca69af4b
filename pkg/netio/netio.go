// Package netio reads and writes sockets for programs whose cost is wakeups: with as few
// of them as Go lets one have, and with buffers that are borrowed only while there is
// something to read.
//
// Go's runtime must know of a system call that may block, and wakes a thread that
// watches over it: in a process that carries one small message after the other that
// thread is up to a fifth of all work. Reading and writing a socket that never blocks
// needs no watch.
package netio

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Wrap gives c cheaper Read and Write where it is a socket of a system that they are
// made for, and c itself otherwise.
func Wrap(c net.Conn) net.Conn {
	if !cheap {
		return c
	}
	var sc syscall.Conn
	switch t := c.(type) {
	case *net.TCPConn:
		sc = t
	case *net.UnixConn:
		sc = t
	default:
		return c
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return c
	}
	w := &Conn{Conn: c, raw: raw}
	w.pull, w.push = w.readOnce, w.writeAll
	return w
}

// Conn is a socket; Wrap makes it. Its methods may be called concurrently, as those of
// every net.Conn.
type Conn struct {
	net.Conn
	raw        syscall.RawConn
	pull, push func(fd uintptr) bool

	reading sync.Mutex // guards what follows
	in      []byte
	got     int
	readErr error

	writing  sync.Mutex // guards what follows
	out      []byte
	sent     int
	writeErr error
}

// SyscallConn implements syscall.Conn.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// CloseWrite closes the writing half.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.in, c.got, c.readErr = b, 0, nil
	err := c.raw.Read(c.pull)
	c.in = nil
	switch {
	case err != nil:
		return 0, err
	case c.readErr != nil:
		return 0, c.fault("read", c.readErr)
	case c.got == 0:
		return 0, io.EOF
	}
	return c.got, nil
}

// readOnce reads what is there; false when there is nothing yet.
func (c *Conn) readOnce(fd uintptr) bool {
	n, err := read(fd, c.in)
	if err == syscall.EAGAIN {
		return false
	}
	c.got, c.readErr = max(n, 0), err
	return true
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out, c.sent, c.writeErr = b, 0, nil
	err := c.raw.Write(c.push)
	c.out = nil
	if err == nil && c.writeErr != nil {
		err = c.fault("write", c.writeErr)
	}
	return c.sent, err
}

// writeAll writes on; false when that would block.
func (c *Conn) writeAll(fd uintptr) bool {
	for c.sent < len(c.out) {
		n, err := write(fd, c.out[c.sent:])
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			c.writeErr = err
			return true
		}
		c.sent += n
	}
	return true
}

func (c *Conn) fault(op string, err error) error {
	return &net.OpError{
		Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
		Err: os.NewSyscallError(op, err),
	}
}

// Trier is a writer around one that Try knows; its method gives what Try does.
type Trier interface{ Try() func([]byte) int }

// Try gives a function that writes to w what it takes without waiting, and returns how
// many bytes that was; nil where w is no socket that can be tried, and no Trier. It is for one
// goroutine at a time. What goes wrong shows with the next Write.
func Try(w io.Writer) func([]byte) int {
	var raw syscall.RawConn
	switch t := w.(type) {
	case Trier:
		return t.Try()
	case *Conn:
		raw = t.raw
	case *net.TCPConn:
		if cheap {
			raw, _ = t.SyscallConn()
		}
	}
	if raw == nil {
		return nil
	}
	var b []byte
	var n int
	once := func(fd uintptr) bool {
		n, _ = write(fd, b)
		return true
	}
	return func(p []byte) int {
		b, n = p, 0
		err := raw.Write(once)
		b = nil
		if err != nil {
			return 0
		}
		return max(n, 0)
	}
}
