package agent

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
	"github.com/hoopctl/hoopctl/pkg/tunnel/tunneltest"
)

// gateway is the other end of the tunnel: it reads preambles and gives the rest of
// each stream to handle.
type gateway struct {
	addr string
	stop func() // ends the gateway and every tunnel

	mu        sync.Mutex // guards what follows
	preambles []tunnel.Preamble
	tunnels   []net.Conn
}

// cut ends every tunnel without a word.
func (g *gateway) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.tunnels {
		_ = c.Close()
	}
}

func startGateway(t *testing.T, addr string, conf *tls.Config, handle func(context.Context, net.Conn)) *gateway {
	t.Helper()
	l, err := tls.Listen("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &gateway{addr: l.Addr().String()}
	var wg sync.WaitGroup
	g.stop = sync.OnceFunc(func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	})
	t.Cleanup(g.stop)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				if c.(*tls.Conn).HandshakeContext(ctx) != nil {
					_ = c.Close()
					return
				}
				g.mu.Lock()
				g.tunnels = append(g.tunnels, c.(*tls.Conn).NetConn())
				g.mu.Unlock()
				_ = tunnel.Serve(ctx, c, slog.New(slog.DiscardHandler), func(ctx context.Context, s net.Conn) func() {
					p, err := tunnel.ReadPreamble(s)
					if err != nil {
						return nil
					}
					g.mu.Lock()
					g.preambles = append(g.preambles, *p)
					g.mu.Unlock()
					tunnel.Known(s)
					return func() { handle(ctx, s) }
				})
			})
		}
	})
	return g
}

func echo(_ context.Context, s net.Conn) { _, _ = io.Copy(s, s) }

func listen(t *testing.T, gatewayAddr string, client *tls.Config, protocol string) (*Agent, *Listener) {
	t.Helper()
	a := New(Options{
		Gateway: gatewayAddr, TLS: client, Client: "hoopctl test",
		Token: func(context.Context) (string, error) { return "token", nil },
	})
	t.Cleanup(func() { _ = a.Close() })
	l, err := a.Listen(t.Context(), Target{Name: "pg", Protocol: protocol}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a, l
}

func dial(t *testing.T, l *Listener) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(l.Host, fmt.Sprint(l.Port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func startupPacket(t *testing.T) []byte {
	t.Helper()
	b, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "u"}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func code(n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, n)
}

func TestAgent_RelaysAndSpeaksForItself(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	g := startGateway(t, "127.0.0.1:0", server, echo)
	_, l := listen(t, g.addr, client, "postgres")
	if l.Host != "127.0.0.1" || l.Port == 0 || len(l.Password) < 32 || l.User == "" {
		t.Fatalf("listener: %s:%d %s", l.Host, l.Port, l.User)
	}
	c := dial(t, l)
	// libpq asks for GSS encryption, then for TLS; here in pieces of a byte.
	for _, n := range []uint32{gssEncRequest, sslRequest} {
		for _, b := range code(n) {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		var answer [1]byte
		if _, err := io.ReadFull(c, answer[:]); err != nil || answer[0] != 'N' {
			t.Fatalf("answer %q, %v", answer, err)
		}
	}
	want := append(startupPacket(t), "and more"...)
	for _, b := range want {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	p := g.preambles[0]
	if p.Token != "token" || p.Target != "pg" || p.Protocol != "postgres" || p.User != l.User || p.Client != "hoopctl test" {
		t.Errorf("preamble %v", p)
	}
	if !strings.HasPrefix(p.Verifier, "SCRAM-SHA-256$4096:") || strings.Contains(p.Verifier, l.Password) {
		t.Errorf("verifier %s", p.Verifier)
	}
}

// The verifier has the rounds that were asked for, and is the password's.
func TestListener_Rounds(t *testing.T) {
	a := New(Options{Gateway: "127.0.0.1:1"})
	t.Cleanup(func() { _ = a.Close() })
	for asked, want := range map[int]int{0: DefaultIterations, 1: 1, MaxIterations: MaxIterations} {
		l, err := a.Listen(t.Context(), Target{Name: "pg", Protocol: "postgres", Iterations: asked}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Password) < 32 {
			t.Errorf("the password has %d hex digits: fewer than 128 bits", len(l.Password))
		}
		m := regexp.MustCompile(`^SCRAM-SHA-256\$(\d+):(.+)\$(.+):(.+)$`).FindStringSubmatch(l.verifier)
		if m == nil || m[1] != fmt.Sprint(want) {
			t.Fatalf("verifier %s, want %d rounds", l.verifier, want)
		}
		salt, err := base64.StdEncoding.DecodeString(m[2])
		if err != nil {
			t.Fatal(err)
		}
		salted, err := pbkdf2.Key(sha256.New, l.Password, salt, want, sha256.Size)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, salted)
		mac.Write([]byte("Client Key"))
		stored := sha256.Sum256(mac.Sum(nil)) // RFC 5802 §3
		if got := base64.StdEncoding.EncodeToString(stored[:]); got != m[3] {
			t.Errorf("%d rounds: stored key %s, want %s", want, m[3], got)
		}
	}
}

// An end of the client's input is passed on while the answer still comes.
func TestAgent_HalfClose(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	g := startGateway(t, "127.0.0.1:0", server, func(_ context.Context, s net.Conn) {
		n, err := io.Copy(io.Discard, s)
		fmt.Fprintf(s, "%d %v", n, err)
	})
	_, l := listen(t, g.addr, client, "other")
	c := dial(t, l)
	if _, err := c.Write(make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "300000 <nil>" {
		t.Errorf("got %q, %v", got, err)
	}
}

// One client that leaves in the middle of a large answer ended every connection of a
// local agent elsewhere.
func TestAgent_VanishedClientHarmsNobody(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	ended := make(chan error, 1)
	g := startGateway(t, "127.0.0.1:0", server, func(ctx context.Context, s net.Conn) {
		b := make([]byte, 1)
		if _, err := io.ReadFull(s, b); err != nil {
			return
		}
		if b[0] == 'e' {
			echo(ctx, s)
			return
		}
		go func() { _, _ = io.Copy(io.Discard, s); _ = s.SetWriteDeadline(time.Unix(1, 0)) }()
		_, err := s.Write(make([]byte, 64<<20))
		ended <- err
	})
	_, l := listen(t, g.addr, client, "other")
	steady := dial(t, l)
	if _, err := steady.Write([]byte("e")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c := dial(t, l)
		if _, err := c.Write([]byte("w")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
		if err := c.SetLinger(0); err != nil { // a reset
			t.Fatal(err)
		}
		_ = c.Close()
		if err := <-ended; err == nil {
			t.Error("the gateway was not told that the client left")
		}
		if _, err := steady.Write([]byte("still here")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 10)
		if _, err := io.ReadFull(steady, b); err != nil || string(b) != "still here" {
			t.Fatalf("the other connection got %q, %v", b, err)
		}
	}
}

func fatalOf(t *testing.T, c *net.TCPConn) *pgproto3.ErrorResponse {
	t.Helper()
	if _, err := c.Write(code(sslRequest)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(startupPacket(t)); err != nil {
		t.Fatal(err)
	}
	m, err := pgproto3.NewFrontend(c, c).Receive()
	if err != nil {
		t.Fatal(err)
	}
	e, ok := m.(*pgproto3.ErrorResponse)
	if !ok {
		t.Fatalf("got %T", m)
	}
	return e
}

func TestAgent_TellsWhyThereIsNoConnection(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	t.Run("gateway out of reach", func(t *testing.T) {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := free.Addr().String()
		_ = free.Close()
		_, l := listen(t, addr, client, "postgres")
		e := fatalOf(t, dial(t, l))
		if e.Severity != "FATAL" || e.Code != "08001" || !strings.Contains(e.Message, addr) || e.Hint == "" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("untrusted certificate", func(t *testing.T) {
		g := startGateway(t, "127.0.0.1:0", server, echo)
		_, other := tunneltest.Certificates(t, tunnel.ALPN)
		_, l := listen(t, g.addr, other, "postgres")
		if e := fatalOf(t, dial(t, l)); e.Code != "08001" || !strings.Contains(e.Message, "trusted") {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("signed out", func(t *testing.T) {
		a := New(Options{Gateway: "127.0.0.1:1", Token: func(context.Context) (string, error) {
			return "", hoop.Errorf(hoop.CodeUnauthenticated, "you are signed out").WithHint("hoopctl login")
		}})
		t.Cleanup(func() { _ = a.Close() })
		l, err := a.Listen(t.Context(), Target{Name: "pg", Protocol: "postgres"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if e := fatalOf(t, dial(t, l)); e.Code != "28000" || e.Hint != "hoopctl login" {
			t.Errorf("got %+v", e)
		}
	})
}

func TestAgent_RedialsWhenTheGatewayComesBack(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	g := startGateway(t, "127.0.0.1:0", server, echo)
	_, l := listen(t, g.addr, client, "other")
	talk := func() error {
		c := dial(t, l)
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 5))
		return err
	}
	if err := talk(); err != nil {
		t.Fatal(err)
	}
	g.stop()
	if err := talk(); err == nil {
		t.Error("a connection without a gateway")
	}
	startGateway(t, g.addr, server, echo)
	if err := talk(); err != nil {
		t.Errorf("after the gateway came back: %v", err)
	}
}

func TestAgent_PortInUse(t *testing.T) {
	a, l := listen(t, "127.0.0.1:1", nil, "postgres")
	_, err := a.Listen(t.Context(), Target{Name: "pg", Protocol: "postgres"}, l.Port)
	var e *hoop.Error
	if !errors.As(err, &e) || e.Code != hoop.CodeConflict || e.Message != fmt.Sprintf("port %d is in use", l.Port) || e.Hint == "" {
		t.Errorf("got %v", err)
	}
}

func TestAgent_CloseEndsEverything(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	g := startGateway(t, "127.0.0.1:0", server, echo)
	a, l := listen(t, g.addr, client, "other")
	c := dial(t, l)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection lives on")
	}
	if c, err := net.Dial("tcp", net.JoinHostPort(l.Host, fmt.Sprint(l.Port))); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
	if _, err := a.Listen(t.Context(), Target{}, 0); err == nil {
		t.Error("a closed agent listens")
	}
}

// Who waits for the gateway's last words gets them before the ports and the tunnel end,
// and no new connection holds that up.
func TestAgent_DrainWaitsForLastWords(t *testing.T) {
	server, client := tunneltest.Certificates(t, tunnel.ALPN)
	arrived, speak := make(chan struct{}), make(chan struct{})
	g := startGateway(t, "127.0.0.1:0", server, func(_ context.Context, s net.Conn) {
		close(arrived)
		<-speak
		fmt.Fprint(s, "the grant has ended")
	})
	a, l := listen(t, g.addr, client, "other")
	c := dial(t, l)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-arrived
	drained := make(chan struct{})
	go func() { a.Drain(time.Minute); close(drained) }()
	<-a.ports.Done()
	close(speak)
	if b, err := io.ReadAll(c); err != nil || string(b) != "the grant has ended" {
		t.Errorf("%q, %v", b, err)
	}
	_ = c.Close()
	<-drained
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestGreet_RefusesNonsense(t *testing.T) {
	for name, in := range map[string][]byte{
		"long encryption request": append([]byte{0, 0, 0, 9}, code(sslRequest)[4:]...),
		"endless requests":        bytes.Repeat(code(sslRequest), 4),
		"cut off":                 {0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			go func() {
				go io.Copy(io.Discard, client) //nolint:errcheck // ends with the pipe
				_, _ = client.Write(in)
				_ = client.Close()
			}()
			if head, err := greet(server); err == nil {
				t.Errorf("accepted: %x", head)
			}
			_ = server.Close()
		})
	}
}
