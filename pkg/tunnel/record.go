package tunnel

import (
	"bufio"
	"encoding/binary"
	"net"
)

// Layout of a yamux header (yamux spec.md):
// 1B version + 1B type + 2B flags + 4B stream + 4B length.
const (
	headerSize = 12
	typeData   = 0
)

// recordConn joins the header and the body of a yamux frame, which yamux writes one
// after the other, into one write: one TLS record and one system call instead of two.
//
// yamux calls Write from one goroutine, and Read from another.
type recordConn struct {
	net.Conn
	r    *bufio.Reader
	out  []byte
	held bool // out holds a header whose body comes next
}

func newRecordConn(c net.Conn) *recordConn {
	return &recordConn{Conn: c, r: bufio.NewReaderSize(c, readBuffer)}
}

// Read reads through the buffer.
func (c *recordConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// Write holds a data frame's header back until its body follows. A failure to send a
// held header is reported by the write of the body.
func (c *recordConn) Write(p []byte) (int, error) {
	if !c.held {
		if len(p) != headerSize || p[1] != typeData || binary.BigEndian.Uint32(p[8:]) == 0 {
			return c.Conn.Write(p)
		}
		c.out = append(c.out[:0], p...)
		c.held = true
		return len(p), nil
	}
	c.held = false
	c.out = append(c.out, p...)
	_, err := c.Conn.Write(c.out)
	if cap(c.out) > maxKept {
		c.out = nil
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxKept is the largest write buffer kept for the next frame.
const maxKept = 1 << 20
