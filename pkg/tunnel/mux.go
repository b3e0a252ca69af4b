package tunnel

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// mux is one end of a yamux session: hashicorp/yamux's protocol, version 0, written
// so that a message costs as few wakeups as possible. Writes go to the connection from
// the goroutine that has something to say; what arrives is copied by the one goroutine
// that reads the connection to where its reader waits for it.
//
// One end opens streams, the other accepts them.
type mux struct {
	conn   net.Conn
	accept func(*stream) // nil at the end that opens streams; must not wait
	w      writer
	known  atomic.Bool // the other end is somebody; else it may have less

	mu      sync.Mutex // guards what follows
	streams map[uint32]*stream
	next    uint32 // number of the next stream to open
	away    bool   // the other end takes no more streams
	pings   map[uint32]chan struct{}
	pinged  uint32 // number of the last ping
	err     error  // why it has ended

	done chan struct{}  // closed when it has ended
	work sync.WaitGroup // reader and keeper
}

// maxStreams is how many streams one tunnel may have open.
const maxStreams = 8 << 10

// What a tunnel may have open, and send in all, before it is known to be of somebody: a
// preamble for each stream that is open, and what one of them may send unread.
const (
	strangeStreams = 1 << 10
	strangeBytes   = initialWindow // beside those for each stream
	strangeShare   = 4 << 10       // for each stream
)

// ErrReset is why a stream has ended that the other end did not want, while the tunnel
// goes on.
var ErrReset = errors.New("the other end has reset the stream")

var (
	errEnded   = errors.New("the tunnel is closed")
	errSilent  = errors.New("the other end does not answer")
	errStalled = errors.New("the other end takes nothing in")
	errWindow  = errors.New("the other end sent more than it may")
	errTwice   = errors.New("the other end opened a stream twice")
	errStrange = errors.New("the other end sent more than strangers may")
	errAway    = errors.New("the other end takes no more streams")
)

// newMux takes conn over. accept is called for each stream that the other end opens;
// nil makes this the end that opens them.
func newMux(conn net.Conn, accept func(*stream)) *mux { return startMux(conn, accept, true) }

// startMux is newMux. known says that the other end may have all that a tunnel has, and
// need not be known first.
func startMux(conn net.Conn, accept func(*stream), known bool) *mux {
	m := &mux{
		conn: conn, accept: accept, next: 1,
		streams: make(map[uint32]*stream), pings: make(map[uint32]chan struct{}), done: make(chan struct{}),
	}
	m.known.Store(known)
	m.w.conn, m.w.fail = conn, m.end
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		m.w.wire, _ = t.NetConn().(*wire)
	}
	m.w.room.L = &m.w.mu
	m.work.Go(func() { m.end(fmt.Errorf("the tunnel has ended: %w", m.read())) })
	m.work.Go(m.keep)
	return m
}

// open makes a stream. The other end learns of it with the first bytes.
func (m *mux) open() (*stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.err != nil:
		return nil, m.err
	case m.away || m.next > 1<<31:
		return nil, errAway
	}
	s := newStream(m, m.next, flagSYN)
	m.streams[s.id] = s
	m.next += 2
	return s, nil
}

// close ends the session after what is queued was sent, which gets a moment.
func (m *mux) close() {
	m.w.drain(time.Second)
	m.end(errEnded)
	m.work.Wait()
}

// end ends the session at once; the first reason is kept.
func (m *mux) end(err error) {
	m.mu.Lock()
	if m.err != nil {
		m.mu.Unlock()
		return
	}
	m.err = err
	streams := m.streams
	m.streams = nil
	close(m.done)
	m.mu.Unlock()
	_ = m.conn.Close() // it ends for another reason
	m.w.end(err)
	for _, s := range streams {
		s.fail(err)
	}
}

// read takes frames apart until the connection ends or something is wrong.
func (m *mux) read() error {
	buf := make([]byte, readBuffer)
	var r, w, strange int
	var in incoming
	for {
		for r < w {
			if in.left > 0 {
				n := min(in.left, w-r)
				if !m.known.Load() {
					if strange += n; strange > m.strangerMay() {
						m.control(header{kind: typeGoAway, length: goAwayProtocol})
						return errStrange
					}
				}
				in.body(buf[r : r+n])
				r += n
				continue
			}
			if w-r < headerSize {
				break
			}
			h, err := parseHeader(buf[r:w])
			if err == nil {
				r += headerSize
				in, err = m.frame(h)
			}
			if err != nil {
				m.control(header{kind: typeGoAway, length: goAwayProtocol})
				return err
			}
		}
		w = copy(buf, buf[r:w])
		r = 0
		n, err := m.conn.Read(buf[w:])
		w += n
		if n == 0 && err != nil {
			return err
		}
	}
}

// incoming is a data frame whose body is being read.
type incoming struct {
	stream *stream // nil: nobody wants it
	left   int
	fin    bool // the stream ends with it
}

func (in *incoming) body(b []byte) {
	in.left -= len(b)
	if in.stream == nil {
		return
	}
	in.stream.receive(b)
	if in.left == 0 && in.fin {
		in.stream.finished()
	}
}

// frame handles a header. An error ends the session.
func (m *mux) frame(h header) (in incoming, err error) {
	switch h.kind {
	case typePing:
		m.ping(h)
		return in, nil
	case typeGoAway:
		if h.length != goAwayNormal {
			return in, fmt.Errorf("the other end gave up (reason %d)", h.length)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.away = true
		return in, nil
	}
	if h.kind == typeData {
		in.left = int(h.length)
	}
	s, err := m.find(h)
	if err != nil || s == nil {
		return in, err
	}
	if h.flags&flagRST != 0 {
		s.fail(ErrReset)
		m.remove(s)
		return in, nil
	}
	if h.kind == typeWindow {
		s.widen(h.length)
	} else if h.length > 0 {
		if err := s.expect(h.length); err != nil {
			return in, err
		}
		in.stream, in.fin = s, h.flags&flagFIN != 0
		return in, nil
	}
	if h.flags&flagFIN != 0 {
		s.finished()
	}
	return in, nil
}

// find gives a frame's stream, a new one where the frame opens it, nil where there is
// none: it may be over here while the other end does not know yet.
func (m *mux) find(h header) (*stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streams[h.stream]
	if h.flags&flagSYN == 0 || m.err != nil {
		return s, nil
	}
	if s != nil {
		return nil, errTwice
	}
	most := maxStreams
	if !m.known.Load() {
		most = strangeStreams
	}
	if m.accept == nil || len(m.streams) >= most || h.stream&1 == 0 {
		m.control(header{kind: typeWindow, flags: flagRST, stream: h.stream})
		return nil, nil
	}
	s = newStream(m, h.stream, flagACK)
	m.streams[s.id] = s
	m.accept(s)
	return s, nil
}

// strangerMay is how many bytes the other end may have sent before it is known.
func (m *mux) strangerMay() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strangeBytes + strangeShare*len(m.streams)
}

func (m *mux) remove(s *stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.streams, s.id)
}

// control sends a frame for the goroutine that reads, which must not wait for a write:
// if both ends did, neither would ever read again.
func (m *mux) control(h header) {
	if lead, _ := m.w.frame(h, nil); lead {
		go m.w.flush()
	}
}

// ping answers a ping, or takes an answer.
func (m *mux) ping(h header) {
	if h.flags&flagSYN != 0 {
		m.control(header{kind: typePing, flags: flagACK, length: h.length})
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ch := m.pings[h.length]; ch != nil {
		close(ch)
		delete(m.pings, h.length)
	}
}

// Ping gives the time that a ping takes. It fails after writeTimeout.
func (m *mux) Ping() (time.Duration, error) {
	m.mu.Lock()
	if m.err != nil {
		defer m.mu.Unlock()
		return 0, m.err
	}
	m.pinged++
	id, answered := m.pinged, make(chan struct{})
	m.pings[id] = answered
	m.mu.Unlock()
	begin := time.Now()
	m.control(header{kind: typePing, flags: flagSYN, length: id})
	timer := time.NewTimer(writeTimeout)
	defer timer.Stop()
	select {
	case <-answered:
		return time.Since(begin), nil
	case <-m.done:
		return 0, errEnded
	case <-timer.C:
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.pings, id)
		return 0, errSilent
	}
}

// keep ends the session when the other end is gone: it answers no ping, or takes in
// nothing of what is written.
func (m *mux) keep() {
	const pace = 5 * time.Second
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var last uint64
	var was bool
	for n := 1; ; n++ {
		select {
		case <-m.done:
			return
		case <-tick.C:
		}
		now, busy := m.w.busy()
		if busy && was && now == last {
			m.end(errStalled)
			return
		}
		last, was = now, busy
		if n%int(keepAlive/pace) != 0 {
			continue
		}
		if _, err := m.Ping(); err != nil {
			m.end(err)
			return
		}
		was = false
	}
}
