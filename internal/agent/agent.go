// Package agent is the client's side of a connect: local ports, each of which leads
// to one target, and the one tunnel to the gateway that they share.
//
// It knows nothing of what travels through it but how a PostgreSQL client begins
// (SSLRequest, GSSENCRequest), where messages to one begin, and how to tell it that the
// gateway is out of reach.
// Who may do what is the gateway's business.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/idle"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
)

// dialTimeout bounds making the tunnel, and opening a stream in it.
const dialTimeout = 10 * time.Second

// Options of an agent. Gateway and Token are needed.
type Options struct {
	Gateway string      // host:port
	TLS     *tls.Config // whom to trust; nil: the system's authorities
	// Token gives a valid access token; it is asked for each new connection.
	Token  func(ctx context.Context) (string, error)
	Client string       // program and version
	Log    *slog.Logger // nil: discard
}

// Target is what a local port leads to.
type Target struct {
	Name     string
	Protocol string // "postgres"
	// Iterations is how many rounds of SCRAM's hash clients of the port compute when they
	// connect; 0 is DefaultIterations.
	Iterations int
}

// Agent owns the tunnel and the local ports. Its methods may be called concurrently.
type Agent struct {
	opts  Options
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup // what gives memory back
	ports context.Context
	shut  context.CancelFunc // closes all ports
	loops sync.WaitGroup     // accept loops
	conns sync.WaitGroup     // connections; an accept loop adds to it

	dialing chan struct{} // one place: who dials or looks at the tunnel
	tunnel  *tunnel.Client
}

// New makes an agent. It dials when the first client connects, and again whenever the
// tunnel has ended.
func New(opts Options) *Agent {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	a := &Agent{opts: opts, dialing: make(chan struct{}, 1)}
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.ports, a.shut = context.WithCancel(a.ctx)
	a.work.Go(func() { idle.Run(a.ctx) })
	return a
}

// Listen opens a port on 127.0.0.1 for t; port 0 picks a free one. User and password
// are random, made for this call, and valid until the listener closes. ctx bounds this
// call only.
func (a *Agent) Listen(ctx context.Context, t Target, port int) (*Listener, error) {
	if err := a.ports.Err(); err != nil {
		return nil, hoop.Errorf(hoop.CodeShuttingDown, "the agent is closed")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		return nil, listenError(err, port)
	}
	out := newListener(a, t, l)
	a.loops.Go(out.accept)
	return out, nil
}

func listenError(err error, port int) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return hoop.Errorf(hoop.CodeConflict, "port %d is in use", port).
			WithHint("choose another with --port, or leave it out for a free one").Wrap(err)
	}
	return hoop.Errorf(hoop.CodeInvalid, "cannot listen on port %d", port).
		WithHint("choose another with --port, or leave it out for a free one").Wrap(err)
}

// Ping makes sure that the gateway can be reached and returns the round trip.
func (a *Agent) Ping(ctx context.Context) (time.Duration, error) {
	c, err := a.connect(ctx)
	if err != nil {
		return 0, err
	}
	return c.Ping()
}

// open gives a stream to the target, over the tunnel that is there or a new one.
func (a *Agent) open(ctx context.Context, p *tunnel.Preamble) (net.Conn, error) {
	token, err := a.opts.Token(ctx)
	if err != nil {
		return nil, err
	}
	p.Token = token
	for again := false; ; again = true {
		c, err := a.connect(ctx)
		if err != nil {
			return nil, err
		}
		stream, err := c.Open()
		if err == nil {
			if err = tunnel.WritePreamble(stream, p); err == nil {
				return stream, nil
			}
			_ = stream.Close()
		}
		if again {
			return nil, unreachable(a.opts.Gateway, err)
		}
		_ = c.Close() // a tunnel that died unnoticed: once more over a new one
	}
}

// connect gives the live tunnel; the first to miss it dials, the others wait.
func (a *Agent) connect(ctx context.Context) (*tunnel.Client, error) {
	select {
	case a.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, unreachable(a.opts.Gateway, context.Cause(ctx))
	}
	defer func() { <-a.dialing }()
	if a.tunnel != nil && !closed(a.tunnel.Done()) {
		return a.tunnel, nil
	}
	if a.ctx.Err() != nil {
		return nil, hoop.Errorf(hoop.CodeShuttingDown, "the agent is closed")
	}
	c, err := tunnel.Dial(ctx, a.opts.Gateway, a.opts.TLS)
	if err != nil {
		return nil, unreachable(a.opts.Gateway, err)
	}
	a.tunnel = c
	return c, nil
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func unreachable(gateway string, err error) error {
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return hoop.Errorf(hoop.CodeUnavailable, "the certificate of the gateway at %s is not trusted", gateway).
			WithHint("hoopctl login --ca-file FILE names the authority to trust").Wrap(err)
	}
	return hoop.Errorf(hoop.CodeUnavailable, "the gateway at %s cannot be reached", gateway).
		WithHint("check the network, then connect again: the local port stays open").Wrap(err)
}

// Drain closes all ports and waits until the gateway has ended every connection, at most
// that long: it is for the moment when the gateway cuts them and tells each client why.
func (a *Agent) Drain(atMost time.Duration) {
	a.shut()
	a.loops.Wait()
	ended := make(chan struct{})
	go func() { // ends with Close at the latest
		a.conns.Wait()
		close(ended)
	}()
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// Close closes all ports, ends all connections and waits for them.
func (a *Agent) Close() error {
	a.stop()
	a.dialing <- struct{}{}
	if a.tunnel != nil {
		_ = a.tunnel.Close() // it may have ended already
	}
	<-a.dialing
	a.loops.Wait()
	a.conns.Wait()
	a.work.Wait()
	return nil
}
