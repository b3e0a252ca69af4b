package agent

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// caller is a client that sends in pieces and keeps what it is answered.
type caller struct {
	net.Conn
	in  io.Reader
	n   int // bytes in a piece
	out bytes.Buffer
}

func (c *caller) Read(p []byte) (int, error)      { return c.in.Read(p[:min(c.n, len(p))]) }
func (c *caller) Write(p []byte) (int, error)     { return c.out.Write(p) }
func (c *caller) SetReadDeadline(time.Time) error { return nil }

// opening is what a client begins with: 4B length + 4B code + body.
func opening(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(startupHeader+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

// Requests for encryption are declined, each with one byte and two at most; of what
// follows, not a byte more than the head is taken.
func FuzzGreet(f *testing.F) {
	hello := opening(3<<16, "user\x00hoop\x00database\x00app\x00\x00")
	gss, ssl := opening(gssEncRequest, ""), opening(sslRequest, "")
	for _, in := range [][]byte{
		hello, opening(3<<16|2, "user\x00hoop\x00\x00"), opening(cancelRequest, "\x00\x00\x12\x34secr"),
		bytes.Join([][]byte{ssl, hello}, nil), bytes.Join([][]byte{gss, ssl, hello}, nil), bytes.Join([][]byte{ssl, ssl, ssl, hello}, nil),
		opening(sslRequest, "x"), hello[:7],
		{},
		[]byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		f.Add(in, uint8(0))
		f.Add(in, uint8(255))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		rest := bytes.NewReader(in)
		c := &caller{in: rest, n: int(piece) + 1}
		head, err := greet(c)
		declined := c.out.Len()
		if declined > maxEncRequests || !bytes.Equal(c.out.Bytes(), bytes.Repeat([]byte{'N'}, declined)) {
			t.Fatalf("answered %q", c.out.Bytes())
		}
		if err != nil {
			return
		}
		at := declined * startupHeader
		if !bytes.Equal(head, in[at:at+startupHeader]) || rest.Len() != len(in)-at-startupHeader {
			t.Errorf("%q gave %q, and %d bytes are left", in, head, rest.Len())
		}
		if code := binary.BigEndian.Uint32(head[4:]); code == sslRequest || code == gssEncRequest {
			t.Errorf("gave a request for encryption")
		}
		for i := range declined {
			if asked := in[i*startupHeader:][:startupHeader]; !bytes.Equal(asked, gss) && !bytes.Equal(asked, ssl) {
				t.Errorf("declined %q", asked)
			}
		}
	})
}
