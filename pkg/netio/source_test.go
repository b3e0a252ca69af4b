package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// lender counts the buffers that are lent out.
type lender struct{ out, lent atomic.Int32 }

func (l *lender) lend() []byte {
	l.out.Add(1)
	l.lent.Add(1)
	return make([]byte, 8)
}

func (l *lender) back([]byte) { l.out.Add(-1) }

// waiting hides that a connection has a descriptor, and can be waited for otherwise.
type waiting struct {
	net.Conn
	ready chan struct{}
}

func (w *waiting) Readable() error {
	<-w.ready
	return nil
}

func tcp(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the pair is made
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func TestSource_ReadsAndEnds(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TCP":      func(c net.Conn) net.Conn { return c },
		"readable": func(c net.Conn) net.Conn { r := make(chan struct{}); close(r); return &waiting{c, r} },
		"other":    func(c net.Conn) net.Conn { return struct{ net.Conn }{c} },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcp(t)
			var l lender
			s := NewSource(wrap(a), l.lend, l.back)
			go func() {
				_, _ = b.Write([]byte("a long greeting"))
				_ = b.(*net.TCPConn).CloseWrite()
			}()
			var got []byte
			for {
				buf, n, err := s.Read()
				if err != nil {
					if !errors.Is(err, io.EOF) || buf != nil {
						t.Errorf("the end: %v", err)
					}
					break
				}
				got = append(got, buf[:n]...)
				l.back(buf)
			}
			if string(got) != "a long greeting" {
				t.Errorf("read %q", got)
			}
			_ = a.SetReadDeadline(time.Unix(1, 0))
			if _, _, err := s.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after the deadline: %v", err)
			}
			_ = a.Close()
			if _, _, err := s.Read(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
			if n := l.out.Load(); n != 0 {
				t.Errorf("%d buffers were not given back", n)
			}
		})
	}
}

func TestSource_ResetIsAnError(t *testing.T) {
	a, b := tcp(t)
	var l lender
	s := NewSource(a, l.lend, l.back)
	_ = b.(*net.TCPConn).SetLinger(0)
	_ = b.Close()
	if _, _, err := s.Read(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a connection that was reset: %v", err)
	}
	if n := l.out.Load(); n != 0 {
		t.Errorf("%d buffers were not given back", n)
	}
}

// A connection on which nothing comes holds no buffer.
func TestSource_WaitsWithoutABuffer(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TCP":      func(c net.Conn) net.Conn { return c },
		"readable": func(c net.Conn) net.Conn { return &waiting{c, make(chan struct{})} },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcp(t)
			var l lender
			c := wrap(a)
			s := NewSource(c, l.lend, l.back)
			read := make(chan string)
			go func() {
				buf, n, _ := s.Read()
				read <- string(buf[:n])
			}()
			// TCP is tried first; then nothing must be lent.
			for name == "TCP" && l.lent.Load() == 0 || l.out.Load() != 0 {
				runtime.Gosched()
			}
			if _, err := b.Write([]byte("now")); err != nil {
				t.Fatal(err)
			}
			if w, ok := c.(*waiting); ok {
				close(w.ready)
			}
			if got := <-read; got != "now" {
				t.Errorf("read %q", got)
			}
		})
	}
}
