package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"

	"github.com/xdg-go/scram"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
)

const host = "127.0.0.1" // never more than this machine

// Rounds of a local port's SCRAM-SHA-256. They slow down who guesses at passwords that
// people choose (RFC 7677 §4); this one is 128 random bits, which one round protects as
// well as any number does.
const (
	// DefaultIterations is PostgreSQL's own (SCRAM_SHA_256_DEFAULT_ITERATIONS), and the
	// least that some drivers accept.
	DefaultIterations = 4096
	// MaxIterations is the most that the gateway accepts: a client takes a second for them.
	MaxIterations = 1_000_000
)

// Listener is one local port. User and Password let a client in; the gateway checks
// them, knowing only the password's verifier.
type Listener struct {
	Host     string
	Port     int
	User     string
	Password string

	agent    *Agent
	target   Target
	verifier string
	l        net.Listener
	ctx      context.Context
	stop     context.CancelFunc
}

func newListener(a *Agent, t Target, l net.Listener) *Listener {
	out := &Listener{
		Host: host, Port: l.Addr().(*net.TCPAddr).Port, User: "hoop_" + randomHex(4), Password: randomHex(16),
		agent: a, target: t, l: l,
	}
	out.verifier = verifier(out.Password, cmp.Or(t.Iterations, DefaultIterations))
	out.ctx, out.stop = context.WithCancel(a.ctx)
	return out
}

// Close closes the port and ends its connections.
func (l *Listener) Close() error {
	l.stop()
	return nil
}

func (l *Listener) accept() {
	stop := context.AfterFunc(l.ctx, func() { _ = l.l.Close() })
	defer stop()
	shut := context.AfterFunc(l.agent.ports, func() { _ = l.l.Close() })
	defer shut()
	for {
		c, err := l.l.Accept()
		if err != nil {
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			l.agent.opts.Log.Error("accept", "port", l.Port, "err", err)
			continue // a connection that was gone before we took it
		}
		l.agent.conns.Go(func() { l.serve(c.(*net.TCPConn)) })
	}
}

// serve carries one client's connection; nothing that goes wrong in it leaves it.
func (l *Listener) serve(c *net.TCPConn) {
	defer c.Close() //nolint:errcheck // the client may be gone already
	defer func() {
		if p := recover(); p != nil {
			l.agent.opts.Log.Error("panic in a connection", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()

	var first []byte
	if l.target.Protocol == "postgres" {
		var err error
		if first, err = greet(c); err != nil {
			l.agent.opts.Log.Debug("client left while connecting", "err", err)
			return
		}
	}
	stream, err := l.open(ctx)
	if err != nil {
		l.agent.opts.Log.Warn("connection refused", "target", l.target.Name, "err", err)
		if l.target.Protocol == "postgres" {
			refuse(c, first, hoop.AsError(err))
		}
		return
	}
	var out io.Writer = c
	if l.target.Protocol == "postgres" && !cancels(first) {
		out = newPGClient(c, l.agent.opts.Gateway)
	}
	relay(ctx, c, out, stream, first)
}

func (l *Listener) open(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return l.agent.open(ctx, &tunnel.Preamble{
		Target: l.target.Name, Protocol: l.target.Protocol, User: l.User, Verifier: l.verifier, Client: l.agent.opts.Client,
	})
}

// verifier is what PostgreSQL would store for the password (RFC 5802 §3, RFC 5803):
// SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
func verifier(password string, iterations int) string {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails: crypto/rand
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		panic(err) // hex digits are always valid SASLprep input
	}
	creds, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		panic(err) // the same
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(creds.StoredKey), b64(creds.ServerKey))
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
