// Package edge ends TLS on the gateway's one port: by ALPN, hoop/1 is the tunnel, h2
// and http/1.1 are the HTTP API and the web UI. For each stream of a tunnel it reads
// the preamble and finds out who is calling.
//
// It owns the listener's life and the deadlines before anybody is known. It leaves to
// others what a token means (Options.Identify) and everything after the preamble
// (Options.Handle).
package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
)

const (
	handshakeTimeout = 10 * time.Second // of TLS, from the accepted connection on
	preambleTimeout  = 10 * time.Second // of a stream, from its opening on
	identifyTimeout  = 10 * time.Second // of a token's check
	requestTimeout   = time.Minute      // of a request, from its first byte to the last of its body
	shutdownTimeout  = 5 * time.Second  // for HTTP requests in progress
	keepAlive        = 15 * time.Second
)

// Peer is who opened a stream, as far as the edge could tell.
type Peer struct {
	Identity   hoop.Identity
	Err        error // the token was refused; to be told in the stream's protocol
	Preamble   *tunnel.Preamble
	RemoteAddr string // of the tunnel

	again func(context.Context) (hoop.Identity, error)
}

// Still reports by nil that the token is still worth what it was when the stream was
// opened, and otherwise why not: its sign-in may have ended since, or its groups changed.
// The error is a *hoop.Error.
func (p *Peer) Still(ctx context.Context) error {
	now, err := p.again(ctx)
	switch {
	case err != nil:
		return err
	case !reflect.DeepEqual(now, p.Identity):
		return hoop.Errorf(hoop.CodeRevoked, "who you are has changed while you connected").WithHint("connect again")
	}
	return nil
}

// Options of an edge. TLS, Identify and Handle are needed.
type Options struct {
	TLS      *tls.Config  // certificates; versions and protocols are set here
	HTTP     http.Handler // nil: 404 for everything
	Identify func(ctx context.Context, token string) (hoop.Identity, error)
	// Handle serves a stream. What is left to do when the stream has begun may be returned
	// as rest (tunnel.Handler). A panic ends the stream only.
	Handle func(ctx context.Context, conn net.Conn, p *Peer) (rest func())
	Log    *slog.Logger // nil: discard
}

// Edge serves the gateway's port.
type Edge struct {
	opts  Options
	tls   *tls.Config
	lobby *lobby
	web   sync.Map // *tls.Conn to *guest, of connections that speak HTTP
}

// New prepares an edge; Serve runs it.
func New(opts Options) *Edge {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	conf := opts.TLS.Clone()
	// TLS 1.2 would be good enough for HTTP alone; the tunnel demands 1.3 and nothing
	// that speaks to a gateway is older.
	conf.MinVersion = tls.VersionTLS13
	conf.NextProtos = []string{tunnel.ALPN, "h2", "http/1.1"}
	conf.DynamicRecordSizingDisabled = true
	return &Edge{opts: opts, tls: conf, lobby: newLobby(opts.Log)}
}

// errStopping is why the contexts of streams end when the gateway stops.
var errStopping = hoop.Errorf(hoop.CodeShuttingDown, "the gateway is stopping").WithHint("connect again in a while")

// Serve accepts connections until ctx ends, then closes l, lets HTTP requests in
// progress finish for a few seconds, ends all tunnels and waits for their streams, whose
// contexts name that as their cause. It returns nil when ctx ended, else why accepting failed.
func (e *Edge) Serve(ctx context.Context, l net.Listener) error {
	tunnels, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	web := newChanListener(l.Addr())
	srv := e.httpServer()
	var conns sync.WaitGroup
	conns.Go(func() { _ = srv.Serve(web) }) // ends by Shutdown
	stop := context.AfterFunc(ctx, func() {
		cancel(errStopping)
		_ = l.Close()
	})
	err := e.accept(tunnels, l, web, &conns)
	if ctx.Err() != nil {
		err = nil // we closed the listener ourselves
	}
	cancel(errStopping)
	stop()
	_ = l.Close()
	late, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer done()
	if srv.Shutdown(late) != nil {
		_ = srv.Close() // answers still in progress after the time-out are cut
	}
	_ = web.Close()
	conns.Wait()
	return err
}

func (e *Edge) httpServer() *http.Server {
	h := e.opts.HTTP
	if h == nil {
		h = http.NotFoundHandler()
	}
	srv := &http.Server{
		Handler:           counted(h),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(e.opts.Log.Handler(), slog.LevelDebug),
		TLSConfig:         e.tls.Clone(),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			g, _ := e.web.Load(c)
			return context.WithValue(ctx, guestKey{}, g)
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				e.leaves(c)
			}
		},
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	srv.Protocols = p
	return srv
}

// counted counts requests of strangers as streams.
func counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok && g.opened() {
			defer g.closed()
		}
		h.ServeHTTP(w, r)
	})
}

// leaves is for a connection that has spoken HTTP.
func (e *Edge) leaves(c net.Conn) {
	if g, ok := e.web.LoadAndDelete(c); ok {
		g.(*guest).leave()
	}
}

// accept never waits for a peer: handshakes run beside it.
func (e *Edge) accept(ctx context.Context, l net.Listener, web *chanListener, conns *sync.WaitGroup) error {
	for delay := time.Duration(0); ; {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, say: wait and go on, as net/http does.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			e.opts.Log.ErrorContext(ctx, "accept", "err", err, "retry_in", delay)
			select {
			case <-time.After(delay):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		delay = 0
		g := e.lobby.admit(c)
		conns.Go(func() { e.conn(ctx, g, web) })
	}
}

func (e *Edge) conn(ctx context.Context, g *guest, web *chanListener) {
	c := g.conn
	setKeepAlive(c)
	t := tls.Server(tunnel.Wire(c), e.tls)
	hctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	err := t.HandshakeContext(hctx)
	cancel()
	if err != nil {
		g.leave()
		e.opts.Log.DebugContext(ctx, "TLS handshake", "remote", c.RemoteAddr().String(), "err", err)
		_ = c.Close()
		return
	}
	if t.ConnectionState().NegotiatedProtocol != tunnel.ALPN {
		e.web.Store(t, g)
		if !web.put(t) {
			e.leaves(t)
		}
		return
	}
	defer g.leave()
	remote := c.RemoteAddr().String()
	err = tunnel.Serve(ctx, t, e.opts.Log, func(ctx context.Context, stream net.Conn) func() {
		return e.stream(ctx, g, stream, remote)
	})
	if err != nil {
		e.opts.Log.DebugContext(ctx, "tunnel ended", "remote", c.RemoteAddr().String(), "err", err)
	}
}

func (e *Edge) stream(ctx context.Context, g *guest, stream net.Conn, remote string) (rest func()) {
	strange := g.opened()
	defer func() {
		switch then := rest; {
		case !strange:
		case then == nil:
			g.closed()
		default:
			rest = func() {
				defer g.closed()
				then()
			}
		}
	}()
	if stream.SetReadDeadline(time.Now().Add(preambleTimeout)) != nil {
		return nil
	}
	p, err := tunnel.ReadPreamble(stream)
	if err != nil {
		e.opts.Log.DebugContext(ctx, "stream refused", "remote", remote, "err", err)
		return nil
	}
	if stream.SetReadDeadline(time.Time{}) != nil {
		return nil
	}
	token := p.Token
	p.Token = "" // nobody after us reads it
	peer := &Peer{Preamble: p, RemoteAddr: remote, again: func(ctx context.Context) (hoop.Identity, error) {
		return e.identify(ctx, token)
	}}
	if peer.Identity, peer.Err = peer.again(ctx); peer.Err == nil {
		tunnel.Known(stream)
		g.leave()
		strange = false
	}
	return e.opts.Handle(ctx, stream, peer)
}

func (e *Edge) identify(ctx context.Context, token string) (hoop.Identity, error) {
	if token == "" {
		return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "no token was sent").WithHint("hoopctl login")
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	id, err := e.opts.Identify(ctx, token)
	if err != nil {
		return hoop.Identity{}, fmt.Errorf("identify the caller: %w", err)
	}
	return id, nil
}

func setKeepAlive(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		// Best effort: the tunnel's own pings find a dead peer as well.
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 4})
	}
}
