package tunnel

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

// stream is one connection in a tunnel. Its methods may be called concurrently.
type stream struct {
	m  *mux
	id uint32

	reading sync.Mutex // one Read or WriteTo at a time
	writing sync.Mutex // one Write at a time

	mu       sync.Mutex // guards what follows; never held while something is waited for
	canRead  sync.Cond
	canWrite sync.Cond

	// Receiving.
	chunks []*chunk         // what nobody has read yet
	size   int              // of it, in bytes
	want   []byte           // where a Read waits for bytes; nothing is in chunks then
	got    int              // of them
	direct func([]byte) int // takes what it can without waiting; of a WriteTo that waits
	passed int64            // bytes that direct took
	window int64            // what the other end may still send
	target int64            // what it may have sent beyond what was read
	ended  bool             // the other end has said its last

	// Sending.
	credit int64  // what we may still send
	flags  uint16 // SYN or ACK, until a frame took it
	closed bool   // we have said our last

	err     error // the stream was reset, or the tunnel has ended
	readBy  deadline
	writeBy deadline
	linger  *time.Timer // since closed, until ended
}

// chunk is a piece of what was received and not yet read.
type chunk struct {
	r, w int
	b    [chunkSize]byte
}

const chunkSize = 16 << 10

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// deadline is a time after which waiting is over.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// set has wake called when the time comes; the caller wakes once more itself.
func (d *deadline) set(t time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() {
		if wait := time.Until(t); wait > 0 {
			d.timer = time.AfterFunc(wait, wake)
		}
	}
}

func newStream(m *mux, id uint32, flags uint16) *stream {
	s := &stream{m: m, id: id, flags: flags, window: initialWindow, target: initialWindow, credit: initialWindow}
	s.canRead.L, s.canWrite.L = &s.mu, &s.mu
	return s
}

// Read implements net.Conn. After Close it still reads what the other end sends, up to
// io.EOF.
func (s *stream) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	for s.size == 0 {
		if err := s.readError(); err != nil {
			s.mu.Unlock()
			return 0, err
		}
		s.want = b
		s.canRead.Wait()
		n := s.got
		s.want, s.got = nil, 0
		if n > 0 {
			s.readUnlock()
			return n, nil
		}
	}
	n := 0
	for n < len(b) && s.size > 0 {
		c := s.chunks[0]
		k := copy(b[n:], c.b[c.r:c.w])
		n += k
		c.r += k
		s.size -= k
		if c.r == c.w {
			s.pop()
			chunks.Put(c)
		}
	}
	s.readUnlock()
	return n, nil
}

// Readable returns when Read would not wait: there are bytes, or an error to tell. It
// is for those who hold no buffer meanwhile.
func (s *stream) Readable() error {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.size == 0 {
		if err := s.readError(); err != nil {
			return err
		}
		s.canRead.Wait()
	}
	return nil
}

// WriteTo implements io.WriterTo. It holds no buffer while nothing comes. Where w is a
// TCP connection the goroutine that reads the tunnel writes to it what it takes
// without waiting, and nobody needs to be woken.
func (s *stream) WriteTo(w io.Writer) (int64, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	try := netio.Try(w)
	var written int64
	for {
		s.mu.Lock()
		for s.size == 0 {
			if err := s.readError(); err != nil {
				s.mu.Unlock()
				if err == io.EOF { //nolint:errorlint // ours, as it is
					err = nil
				}
				return written, err
			}
			s.direct = try
			s.canRead.Wait()
			written += s.passed
			s.direct, s.passed = nil, 0
		}
		c := s.pop()
		s.size -= c.w - c.r
		s.mu.Unlock()
		n, err := w.Write(c.b[c.r:c.w])
		chunks.Put(c)
		written += int64(n)
		s.mu.Lock()
		s.readUnlock()
		if err != nil {
			return written, err
		}
	}
}

// pop takes the first chunk out. mu is held.
func (s *stream) pop() *chunk {
	c := s.chunks[0]
	s.chunks[0] = nil
	if s.chunks = s.chunks[1:]; len(s.chunks) == 0 {
		s.chunks = nil
	}
	return c
}

// readUnlock unlocks mu, after something was read, and lets the other end send more.
func (s *stream) readUnlock() {
	lead := s.grant()
	s.mu.Unlock()
	if lead {
		s.m.w.flush()
	}
}

// grant lets the other end send more when half of what it may was read. The first time
// the window grows to its full size: a stream that nobody reads from never gets that
// far. mu is held.
func (s *stream) grant() (lead bool) {
	more := s.target - int64(s.size) - s.window
	if more < s.target/2 || s.ended || s.err != nil {
		return false
	}
	s.target = streamWindow
	more = s.target - int64(s.size) - s.window
	s.window += more
	lead, _ = s.m.w.frame(header{kind: typeWindow, flags: s.takeFlags(), stream: s.id, length: uint32(more)}, nil)
	return lead
}

func (s *stream) takeFlags() uint16 {
	f := s.flags
	s.flags = 0
	return f
}

// readError is why there is nothing to wait for. mu is held.
func (s *stream) readError() error {
	switch {
	case s.ended:
		return io.EOF
	case s.err != nil:
		return fmt.Errorf("%w (%w)", s.err, io.ErrUnexpectedEOF)
	case s.readBy.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// expect counts n bytes that are about to come.
func (s *stream) expect(n uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(n) > s.window {
		return errWindow
	}
	s.window -= int64(n)
	return nil
}

// receive takes in bytes: where somebody waits for them, or into chunks.
func (s *stream) receive(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.ended {
		return
	}
	if s.size == 0 {
		n := 0
		switch {
		case s.want != nil && s.got == 0:
			n = copy(s.want, b)
			s.got = n
			s.canRead.Signal()
		case s.direct != nil:
			n = s.direct(b)
			s.passed += int64(n)
			if s.grant() {
				go s.m.w.flush()
			}
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	s.size += len(b)
	for len(b) > 0 {
		var last *chunk
		if n := len(s.chunks); n > 0 {
			last = s.chunks[n-1]
		}
		if last == nil || last.w == chunkSize {
			last = chunks.Get().(*chunk)
			last.r, last.w = 0, 0
			s.chunks = append(s.chunks, last)
		}
		n := copy(last.b[last.w:], b)
		last.w += n
		b = b[n:]
	}
	s.canRead.Signal()
}

// finished: the other end has said its last.
func (s *stream) finished() {
	s.mu.Lock()
	s.ended = true
	over := s.closed
	if s.linger != nil {
		s.linger.Stop()
	}
	s.canRead.Broadcast()
	s.mu.Unlock()
	if over {
		s.m.remove(s)
	}
}

// widen lets us send n bytes more.
func (s *stream) widen(n uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credit += int64(n)
	if n > 0 {
		s.canWrite.Broadcast()
	}
}

// fail ends the stream at once. What was received can still be read.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	if s.linger != nil {
		s.linger.Stop()
	}
	s.canRead.Broadcast()
	s.canWrite.Broadcast()
}

// Write implements net.Conn. It returns when b is on its way or waits behind another
// write that is.
func (s *stream) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	written := 0
	for written < len(b) {
		n, err := s.write(b[written:])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// write sends a beginning of b; none where the writer has no room.
func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	for {
		if err := s.writeError(); err != nil {
			s.mu.Unlock()
			return 0, err
		}
		if s.credit > 0 {
			break
		}
		s.canWrite.Wait()
	}
	n := int(min(s.credit, int64(len(b)), maxFrame))
	lead, full := s.m.w.frame(header{kind: typeData, flags: s.flags, stream: s.id, length: uint32(n)}, b[:n])
	if full == 0 {
		s.flags = 0
		s.credit -= int64(n)
	}
	s.mu.Unlock()
	if full != 0 {
		s.m.w.awaitRoom(full)
		return 0, nil
	}
	if lead {
		s.m.w.flush()
	}
	return n, nil
}

// writeError is why nothing can be sent. mu is held.
func (s *stream) writeError() error {
	switch {
	case s.err != nil:
		return s.err
	case s.closed:
		return io.ErrClosedPipe
	case s.writeBy.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Close closes the stream for writing. What the other end still sends can be read
// until it closes its half, for closeTimeout.
func (s *stream) Close() error {
	s.mu.Lock()
	if s.closed || s.err != nil {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.canWrite.Broadcast()
	lead := false
	over := s.ended
	if s.flags&flagSYN != 0 {
		// The other end never heard of it.
		s.err, over = io.ErrClosedPipe, true
		s.canRead.Broadcast()
	} else {
		lead, _ = s.m.w.frame(header{kind: typeWindow, flags: s.takeFlags() | flagFIN, stream: s.id}, nil)
	}
	if !over {
		s.linger = time.AfterFunc(closeTimeout, s.reset)
	}
	s.mu.Unlock()
	s.m.w.wake()
	if over {
		s.m.remove(s)
	}
	if lead {
		s.m.w.flush()
	}
	return nil
}

// reset ends a stream whose other half is never closed.
func (s *stream) reset() {
	s.fail(ErrReset)
	s.m.remove(s)
	s.m.control(header{kind: typeWindow, flags: flagRST, stream: s.id})
}

// LocalAddr is the tunnel's.
func (s *stream) LocalAddr() net.Addr { return s.m.conn.LocalAddr() }

// RemoteAddr is the tunnel's.
func (s *stream) RemoteAddr() net.Addr { return s.m.conn.RemoteAddr() }

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *stream) SetReadDeadline(t time.Time) error {
	wake := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.canRead.Broadcast()
	}
	s.mu.Lock()
	s.readBy.set(t, wake)
	s.mu.Unlock()
	wake()
	return nil
}

// SetWriteDeadline implements net.Conn. A write that is on its way to the other end
// already goes on.
func (s *stream) SetWriteDeadline(t time.Time) error {
	wake := func() {
		s.mu.Lock()
		s.canWrite.Broadcast()
		s.mu.Unlock()
		s.m.w.wake()
	}
	s.mu.Lock()
	s.writeBy.set(t, wake)
	s.mu.Unlock()
	wake()
	return nil
}
