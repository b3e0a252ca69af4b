package tunnel

import (
	"net"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/netio"
)

// Wire is a connection beneath TLS that can gather the records of one large write, so
// that they take one system call and not one each, and that reads and writes as netio
// does. Both ends put it there; Serve finds it.
func Wire(c net.Conn) net.Conn { return &wire{Conn: netio.Wrap(c)} }

type wire struct {
	net.Conn
	mu      sync.Mutex // guards what follows
	holding bool
	held    []byte
}

// gathered serves all wires: each holds bytes only while a large write is on its way.
var gathered = sync.Pool{New: func() any { b := make([]byte, 0, maxFrame+maxFrame/8); return &b }}

// Write sends p, or keeps it until release.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.holding {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// hold keeps what is written from now on until release.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holding = true
	w.held = (*gathered.Get().(*[]byte))[:0]
}

// release sends what was kept.
func (w *wire) release() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holding = false
	b := w.held
	w.held = nil
	_, err := w.Conn.Write(b)
	if cap(b) <= 2*maxQueued {
		gathered.Put(&b)
	}
	return err
}
