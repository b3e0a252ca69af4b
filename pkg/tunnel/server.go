package tunnel

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// Handler serves one stream. ctx ends with the tunnel. What is left to do when the stream
// has begun may be returned as rest: a stream lives long and mostly waits, so rest runs
// where the stack that its beginning needed is not kept. The stream is closed when rest,
// or the handler that returns none, has returned.
type Handler func(ctx context.Context, stream net.Conn) (rest func())

// drainTime is how long streams have for their last words when Serve's ctx ends.
const drainTime = 2 * time.Second

// Serve is the gateway's end: it calls handle in a goroutine for each stream of conn,
// until the tunnel or ctx ends, then closes conn and waits for all handlers. When ctx
// ends, handlers have two seconds to take leave of their clients. A handler that
// panics loses its stream; the others live on.
//
// The TLS handshake of conn is done. A client that just goes away is no error.
func Serve(ctx context.Context, conn net.Conn, log *slog.Logger, handle Handler) error {
	if t, ok := conn.(*tls.Conn); ok {
		if st := t.ConnectionState(); st.Version != tls.VersionTLS13 || st.NegotiatedProtocol != ALPN {
			_ = conn.Close()
			return fmt.Errorf("serve tunnel: want TLS 1.3 with %s", ALPN)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var handlers sync.WaitGroup
	var drain drainer
	m := startMux(conn, func(s *stream) {
		handlers.Go(func() {
			if drain.enter() {
				serve(ctx, s, log, handle) // never panics
				drain.leave()
			}
			_ = s.Close() // the other end may be gone already
		})
	}, false)
	stop := context.AfterFunc(ctx, func() { drain.begin(m) })
	<-m.done
	m.close() // waits for the goroutine that accepts
	cancel()
	stop()
	handlers.Wait()
	return nil // the tunnel has ended; there is no other reason
}

// Known says that a stream, which a Handler was given, is somebody's. Until one of a tunnel
// is, the tunnel may not have as much open, nor send as much.
func Known(s net.Conn) {
	if s, ok := s.(*stream); ok {
		s.m.known.Store(true)
	}
}

// drainer closes a tunnel that takes no more streams as soon as the last has ended.
type drainer struct {
	mu     sync.Mutex // guards all
	active int
	mux    *mux // nil until begin
}

func (d *drainer) begin(m *mux) {
	time.AfterFunc(drainTime, m.close)
	d.mu.Lock()
	d.mux = m
	idle := d.active == 0
	d.mu.Unlock()
	if idle {
		m.close()
	}
}

// enter counts a stream until leave. Inlined, both would take room on the stack of each
// stream that waits.
//
//go:noinline
func (d *drainer) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mux != nil {
		return false
	}
	d.active++
	return true
}

//go:noinline
func (d *drainer) leave() {
	d.mu.Lock()
	d.active--
	m := d.mux
	last := d.active == 0
	d.mu.Unlock()
	if m != nil && last {
		m.close()
	}
}

// serve runs the handler on a goroutine of its own, and the rest on this one.
func serve(ctx context.Context, stream net.Conn, log *slog.Logger, handle Handler) {
	begun := make(chan func())
	go func() {
		var rest func()
		defer func() { begun <- rest }()
		isolate(ctx, log, func() { rest = handle(ctx, stream) })
	}()
	if rest := <-begun; rest != nil {
		isolate(ctx, log, rest)
	}
}

func isolate(ctx context.Context, log *slog.Logger, f func()) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "panic in a stream", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}
