package netio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// pieces is a connection that gives what it has in pieces, and then an error.
type pieces struct {
	net.Conn
	in  []byte
	n   int
	err error
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.n)], p.in)
	if p.in = p.in[n:]; len(p.in) == 0 {
		return n, p.err // with the last bytes
	}
	return n, nil
}

// FuzzSource reads what comes in pieces of any size into buffers of any size: every byte
// comes out, in order, and then the error; no buffer is kept.
func FuzzSource(f *testing.F) {
	f.Add([]byte("a message that is longer than the buffer"), uint8(3), uint8(8), false)
	f.Add([]byte("x"), uint8(0), uint8(0), true)
	f.Add([]byte{}, uint8(9), uint8(1), false)
	f.Add(bytes.Repeat([]byte("0123456789"), 1000), uint8(255), uint8(254), true)
	f.Fuzz(func(t *testing.T, in []byte, piece, size uint8, broken bool) {
		end := io.EOF
		if broken {
			end = iotest.ErrTimeout
		}
		lent := 0
		lend := func() []byte { lent++; return make([]byte, int(size)+1) }
		s := NewSource(&pieces{in: in, n: int(piece) + 1, err: end}, lend, func([]byte) { lent-- })
		var out []byte
		for {
			b, n, err := s.Read()
			if err != nil {
				if !errors.Is(err, end) || b != nil {
					t.Errorf("ended by %v, with a buffer of %d", err, len(b))
				}
				break
			}
			if n == 0 || n > len(b) {
				t.Fatalf("%d bytes in a buffer of %d", n, len(b))
			}
			out = append(out, b[:n]...)
			lent--
		}
		if !bytes.Equal(out, in) || lent != 0 {
			t.Errorf("read %q, want %q; %d buffers are out", out, in, lent)
		}
	})
}

// FuzzTry writes to a socket that may be full: what it takes at once and what is written
// after that is the whole.
func FuzzTry(f *testing.F) {
	f.Add([]byte("short"), uint16(1))
	f.Add(bytes.Repeat([]byte("long"), 1000), uint16(4096))
	f.Add([]byte{}, uint16(0))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	f.Fuzz(func(t *testing.T, in []byte, repeat uint16) {
		if len(in) == 0 {
			return // nothing to write is the caller's
		}
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close() //nolint:errcheck // the test is over
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close() //nolint:errcheck // the test is over
		want := bytes.Repeat(in, min(int(repeat)%64+1, 1<<20/len(in)+1))
		got := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(b)
			got <- all
		}()
		w := Wrap(a)
		n := 0
		if try := Try(w); try != nil {
			n = try(want)
		}
		if _, err := w.Write(want[n:]); err != nil && n < len(want) {
			t.Fatal(err)
		}
		if err := a.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if all := <-got; !bytes.Equal(all, want) {
			t.Errorf("%d bytes arrived of %d", len(all), len(want))
		}
	})
}
