package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/hoopctl/hoopctl/pkg/tunnel/tunneltest"
)

// tcpPair is a connection as the two ends see it.
func tcpPair(t *testing.T) (a, b net.Conn) {
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

// talk sends a message of n bytes through s in pieces, closes it, and compares what an
// echo gives back.
func talk(s io.ReadWriteCloser, n int) error {
	want := make([]byte, n)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	sent := make(chan error, 1)
	go func() {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		for rest := want; len(rest) > 0; {
			k := min(1+r.IntN(100_000), len(rest))
			if _, err := s.Write(rest[:k]); err != nil {
				sent <- err
				return
			}
			rest = rest[k:]
		}
		sent <- s.Close()
	}()
	got, err := io.ReadAll(s)
	if err = errors.Join(err, <-sent); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes came back, not the %d that were sent", len(got), n)
	}
	return nil
}

// The protocol is hashicorp/yamux's: each end must work with that library at the other.
func TestMux_WorksWithHashicorp(t *testing.T) {
	sizes := []int{0, 1, headerSize, chunkSize, maxFrame + 1, initialWindow, initialWindow + 1, 3 * initialWindow, streamWindow + 7}
	theirs := yamux.DefaultConfig()
	theirs.LogOutput = t.Output()
	for _, window := range []uint32{initialWindow, streamWindow} {
		theirs.MaxStreamWindowSize = window
		t.Run(fmt.Sprintf("their client, window %d", window), func(t *testing.T) {
			a, b := tcpPair(t)
			m := newMux(b, func(s *stream) {
				go func() {
					_, _ = io.Copy(s, s)
					_ = s.Close()
				}()
			})
			defer m.close()
			c, err := yamux.Client(a, theirs)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() //nolint:errcheck // the test is over
			all(t, sizes, func() (io.ReadWriteCloser, error) { return c.Open() })
			if _, err := c.Ping(); err != nil {
				t.Error(err)
			}
			if _, err := m.Ping(); err != nil {
				t.Error(err)
			}
		})
		t.Run(fmt.Sprintf("their server, window %d", window), func(t *testing.T) {
			a, b := tcpPair(t)
			s, err := yamux.Server(b, theirs)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close() //nolint:errcheck // the test is over
			go func() {
				for {
					c, err := s.Accept()
					if err != nil {
						return
					}
					go func() {
						_, _ = io.Copy(c, c)
						_ = c.Close()
					}()
				}
			}()
			m := newMux(a, nil)
			defer m.close()
			all(t, sizes[1:], func() (io.ReadWriteCloser, error) { return m.open() })
			if _, err := s.Ping(); err != nil {
				t.Error(err)
			}
			if _, err := m.Ping(); err != nil {
				t.Error(err)
			}
			if err := s.GoAway(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Ping(); err != nil { // the go-away has arrived
				t.Fatal(err)
			}
			if _, err := m.open(); !errors.Is(err, errAway) {
				t.Errorf("a stream after the other end's go-away: %v", err)
			}
		})
	}
}

func all(t *testing.T, sizes []int, open func() (io.ReadWriteCloser, error)) {
	t.Helper()
	var wg sync.WaitGroup
	for range 3 {
		for _, n := range sizes {
			wg.Go(func() {
				s, err := open()
				if err == nil {
					err = talk(s, n)
				}
				if err != nil {
					t.Errorf("%d bytes: %v", n, err)
				}
			})
		}
	}
	wg.Wait()
}

// pair is two ends over a connection in memory that holds nothing.
func pair(t *testing.T, handle func(*stream)) (client, server *mux, raw net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	server = newMux(b, func(s *stream) { go handle(s) })
	client = newMux(a, nil)
	t.Cleanup(func() {
		client.end(errEnded)
		server.end(errEnded)
		client.work.Wait()
		server.work.Wait()
	})
	return client, server, a
}

func opened(t *testing.T, m *mux, first string) *stream {
	t.Helper()
	s, err := m.open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte(first)); err != nil {
		t.Fatal(err)
	}
	return s
}

// What nobody reads is held up at the sender: by the first window where nothing was
// read at all, and by the full one otherwise.
func TestMux_HoldsBackWhoeverIsNotRead(t *testing.T) {
	for name, tt := range map[string]struct{ read, limit int }{
		"nothing read": {0, initialWindow},
		"some read":    {initialWindow, initialWindow + streamWindow},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				accepted := make(chan *stream, 1)
				c, _, _ := pair(t, func(s *stream) { accepted <- s })
				s, err := c.open()
				if err != nil {
					t.Fatal(err)
				}
				sent := make(chan int, 1)
				go func() {
					n := 0
					for {
						k, err := s.Write(make([]byte, 10_000))
						n += k
						if err != nil {
							sent <- n
							return
						}
					}
				}()
				r := <-accepted
				if _, err := io.ReadFull(r, make([]byte, tt.read)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				// The window may have grown with what was read half-way.
				came := r.size + tt.read
				if came > tt.limit || came < tt.limit-tt.read/2 {
					t.Errorf("%d bytes came, want %d", came, tt.limit)
				}
				if err := s.SetWriteDeadline(time.Now()); err != nil {
					t.Fatal(err)
				}
				if n := <-sent; n != came {
					t.Errorf("the writer got rid of %d bytes, and %d came", n, came)
				}
			})
		})
	}
}

func TestMux_Deadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := pair(t, func(s *stream) { <-s.m.done })
		s := opened(t, c, "x")
		begin := time.Now()
		_ = s.SetDeadline(begin.Add(time.Second))
		var ne net.Error
		if _, err := s.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		if err := s.Readable(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Readable: %v", err)
		}
		if _, err := s.WriteTo(io.Discard); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("WriteTo: %v", err)
		}
		_ = s.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := s.Write(make([]byte, 2*initialWindow)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("the deadlines passed after %s", d)
		}
		// A new deadline wakes whoever waits already.
		_ = s.SetReadDeadline(time.Time{})
		read := make(chan error)
		go func() {
			_, err := s.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		_ = s.SetReadDeadline(time.Unix(1, 0))
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
	})
}

// The other end of a dead network answers no pings; one that stands still takes nothing
// in.
func TestMux_EndsWithoutTheOtherEnd(t *testing.T) {
	t.Run("no answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, b) }()
			m := newMux(a, nil)
			begin := time.Now()
			m.work.Wait()
			if d := time.Since(begin); d != keepAlive+writeTimeout || !errors.Is(m.err, errSilent) {
				t.Errorf("ended after %s: %v", d, m.err)
			}
			_ = b.Close()
		})
	})
	t.Run("nothing taken in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			m := newMux(a, nil)
			s, err := m.open()
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if _, err := s.Write(make([]byte, 100)); err == nil {
				_, err = s.Write(make([]byte, 100))
				if err == nil {
					t.Error("two writes went nowhere")
				}
			}
			m.work.Wait()
			if d := time.Since(begin); d > 2*writeTimeout || !errors.Is(m.err, errStalled) {
				t.Errorf("ended after %s: %v", d, m.err)
			}
			_ = b.Close()
		})
	})
	t.Run("mid-stream", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, srv, _ := pair(t, func(s *stream) { _, _ = s.Write([]byte("half an answer")) })
			s := opened(t, c, "x")
			synctest.Wait()
			srv.end(errEnded)
			got, err := io.ReadAll(s)
			if string(got) != "half an answer" || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("read %q, %v: an answer that was cut must not look whole", got, err)
			}
			if _, err := s.Write([]byte("x")); err == nil {
				t.Error("a write to nobody succeeded")
			}
			if _, err := c.open(); err == nil {
				t.Error("a stream to nobody was opened")
			}
		})
	})
}

func frame(h header, body string) []byte { return append(appendHeader(nil, h), body...) }

// What the protocol forbids ends the tunnel; what one end may still send when the
// stream is over here does not.
func TestMux_Faults(t *testing.T) {
	syn := frame(header{kind: typeWindow, flags: flagSYN, stream: 1}, "")
	for name, tt := range map[string]struct {
		in   []byte
		ends bool
	}{
		"other version":            {[]byte{1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, true},
		"unknown type":             {[]byte{0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, true},
		"stream opened twice":      {append(bytes.Clone(syn), syn...), true},
		"more than the window":     {append(bytes.Clone(syn), frame(header{kind: typeData, stream: 1, length: initialWindow + 1}, "")...), true},
		"gave up":                  {frame(header{kind: typeGoAway, length: goAwayProtocol}, ""), true},
		"data of no stream":        {frame(header{kind: typeData, stream: 7, length: 3}, "abc"), false},
		"window of no stream":      {frame(header{kind: typeWindow, stream: 7, length: 3}, ""), false},
		"the end of no stream":     {frame(header{kind: typeWindow, flags: flagFIN, stream: 7}, ""), false},
		"the server's own number":  {frame(header{kind: typeWindow, flags: flagSYN, stream: 2}, ""), false},
		"an answer to no ping":     {frame(header{kind: typePing, flags: flagACK, length: 7}, ""), false},
		"data behind the end":      {append(bytes.Clone(syn), append(frame(header{kind: typeData, flags: flagFIN, stream: 1, length: 1}, "a"), frame(header{kind: typeData, stream: 1, length: 1}, "b")...)...), false},
		"a reset with data":        {append(bytes.Clone(syn), frame(header{kind: typeData, flags: flagRST, stream: 1, length: 3}, "abc")...), false},
		"half a header, then more": {syn[:5], false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				m := newMux(b, func(s *stream) {
					go func() {
						_, _ = io.Copy(io.Discard, s)
						_ = s.Close()
					}()
				})
				go func() { _, _ = io.Copy(io.Discard, a) }()
				if _, err := a.Write(tt.in); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				select {
				case <-m.done:
					if !tt.ends {
						t.Errorf("the tunnel ended: %v", m.err)
					}
				default:
					if tt.ends {
						t.Error("the tunnel goes on")
					}
				}
				m.end(errEnded)
				m.work.Wait()
				_ = a.Close()
			})
		})
	}
}

// An end that asks and never reads must not make the other queue answers forever.
func TestMux_FloodOfPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		m := newMux(b, func(*stream) {})
		ping := bytes.Repeat(frame(header{kind: typePing, flags: flagSYN}, ""), 1000)
		n := 0
		for ; n < 1000; n++ {
			if _, err := a.Write(ping); err != nil {
				break
			}
		}
		if n == 1000 {
			t.Error("12 MB of answers were queued")
		}
		m.work.Wait()
		_ = a.Close()
	})
}

// A stream whose other half is never closed ends, and the other end learns it.
func TestMux_HalfClosedForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		c, srv, _ := pair(t, func(s *stream) {
			if _, err := io.Copy(io.Discard, s); err != nil {
				failed <- err
				return
			}
			<-time.After(2 * closeTimeout)
			_, err := s.Write([]byte("too late"))
			failed <- err
		})
		s := opened(t, c, "x")
		_ = s.Close()
		if err := <-failed; !errors.Is(err, ErrReset) {
			t.Errorf("the other end: %v", err)
		}
		if len(c.streams)+len(srv.streams) != 0 {
			t.Errorf("%d and %d streams are left", len(c.streams), len(srv.streams))
		}
	})
}

// A client's socket gets every byte in order, whether the tunnel's reader could write
// them or somebody had to be woken.
func TestStream_WriteToSocketThatStandsStill(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	const n = 12 << 20
	pattern := func(off int) byte { return byte(off*31 + off>>13) }
	c := dial(t, serveStreams(t, server, discard(), func(_ context.Context, s net.Conn) {
		b := make([]byte, 50_000)
		if _, err := io.ReadFull(s, b[:1]); err != nil {
			return
		}
		r := rand.New(rand.NewPCG(1, 1))
		for off := 0; off < n; {
			k := min(1+r.IntN(len(b)), n-off)
			for i := range k {
				b[i] = pattern(off + i)
			}
			if _, err := s.Write(b[:k]); err != nil {
				return
			}
			off += k
		}
	}), client)
	s, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	in, out := tcpPair(t)
	copied := make(chan int64, 1)
	go func() {
		k, _ := io.Copy(in, s)
		_ = in.Close()
		copied <- k
	}()
	off := 0
	b := make([]byte, 3000)
	for {
		k, err := out.Read(b)
		for i := range k {
			if b[i] != pattern(off+i) {
				t.Fatalf("byte %d is wrong", off+i)
			}
		}
		off += k
		if err != nil {
			break
		}
		if off > n/2 && len(b) == 3000 {
			b = make([]byte, 300_000) // the first half is read slower than it comes
		}
	}
	if off != n || <-copied != n {
		t.Errorf("%d bytes came, want %d", off, n)
	}
}

// Many who write at once share writes and are all held back by a slow connection.
func TestMux_ManyWriters(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	c := dialKnown(t, serveStreams(t, server, discard(), echo), client)
	all(t, []int{1, 100, 5000, maxFrame, 2 * maxFrame, 1 << 20}, func() (io.ReadWriteCloser, error) { return c.Open() })
	c.mux.w.mu.Lock()
	defer c.mux.w.mu.Unlock()
	if n := cap(c.mux.w.out) + cap(c.mux.w.old); n > 2*keptBuffer+2*headerSize {
		t.Logf("the idle tunnel keeps %d bytes for frames", n)
	}
}

func TestMux_StreamThatWasNeverUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, srv, _ := pair(t, func(*stream) { t.Error("the other end heard of it") })
		s, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Error("a read of nothing succeeded")
		}
		if _, err := c.Ping(); err != nil {
			t.Fatal(err)
		}
		if len(c.streams)+len(srv.streams) != 0 {
			t.Error("it is still there")
		}
	})
}

// Whatever comes, a gateway's end neither panics nor hangs, and what it takes in is
// bounded by the windows.
func FuzzMux(f *testing.F) {
	syn := frame(header{kind: typeWindow, flags: flagSYN, stream: 1, length: 1 << 20}, "")
	f.Add(syn)
	f.Add(append(bytes.Clone(syn), frame(header{kind: typeData, stream: 1, length: 5}, "hello")...))
	f.Add(frame(header{kind: typeData, flags: flagSYN | flagFIN, stream: 3, length: 2}, "hi"))
	f.Add(append(frame(header{kind: typePing, flags: flagSYN, length: 9}, ""), frame(header{kind: typeGoAway}, "")...))
	f.Add(append(bytes.Clone(syn), frame(header{kind: typeData, flags: flagRST, stream: 1, length: 1 << 31}, "x")...))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, b := net.Pipe()
		var handlers sync.WaitGroup
		m := newMux(b, func(s *stream) {
			handlers.Go(func() {
				_, _ = io.Copy(s, s)
				_ = s.Close()
			})
		})
		drained := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, a)
			close(drained)
		}()
		_, _ = a.Write(in) // it may end the tunnel before it is all out
		m.mu.Lock()
		for _, s := range m.streams {
			s.mu.Lock()
			if int64(s.size) > streamWindow {
				t.Errorf("a stream holds %d bytes", s.size)
			}
			s.mu.Unlock()
		}
		m.mu.Unlock()
		m.end(errEnded)
		m.work.Wait()
		handlers.Wait()
		_ = a.Close()
		<-drained
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add(appendHeader(nil, header{kind: typeData, flags: flagSYN, stream: 1, length: 5}))
	f.Add(appendHeader(nil, header{kind: typeGoAway, length: goAwayProtocol}))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < headerSize {
			return
		}
		h, err := parseHeader(in)
		if err != nil {
			return
		}
		if got := appendHeader(nil, h); !bytes.Equal(got, in[:headerSize]) {
			t.Errorf("read %x, written again %x", in[:headerSize], got)
		}
	})
}
