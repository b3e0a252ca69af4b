package tunnel

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/tunnel/tunneltest"
)

// serveStreams runs a tunnel's server end for each connection until the test ends.
func serveStreams(t *testing.T, conf *tls.Config, log *slog.Logger, handle func(context.Context, net.Conn)) (addr string) {
	t.Helper()
	return serveHandler(t, conf, log, func(ctx context.Context, s net.Conn) func() {
		return func() { handle(ctx, s) }
	})
}

func serveHandler(t *testing.T, conf *tls.Config, log *slog.Logger, handle Handler) (addr string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				if c.(*tls.Conn).HandshakeContext(ctx) == nil {
					_ = Serve(ctx, c, log, func(ctx context.Context, s net.Conn) func() {
						Known(s)
						return handle(ctx, s)
					})
				}
			})
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, addr string, conf *tls.Config) *Client {
	t.Helper()
	c, err := Dial(t.Context(), addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// dialKnown dials a gateway that echoes, and waits until it knows whose the tunnel is.
func dialKnown(t *testing.T, addr string, conf *tls.Config) *Client {
	t.Helper()
	c := dial(t, addr, conf)
	s, err := c.Open()
	if err == nil {
		_, err = s.Write([]byte("x"))
	}
	if err == nil {
		_, err = io.ReadFull(s, make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	return c
}

func echo(_ context.Context, s net.Conn) { _, _ = io.Copy(s, s) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestTunnel_ManyStreamsBothWays(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	c := dialKnown(t, serveStreams(t, server, discard(), echo), client)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			s, err := c.Open()
			if err != nil {
				t.Error(err)
				return
			}
			want := bytes.Repeat([]byte{byte(i), 1, 2, 3, 5}, 50_000+i)
			wg.Go(func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 12+i*4096) // 12 is the size of a header
					if _, err := s.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
				_ = s.Close()
			})
			got, err := io.ReadAll(s)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("stream %d: %d bytes, %v; want %d", i, len(got), err, len(want))
			}
		})
	}
	wg.Wait()
}

func TestTunnel_PanicEndsItsStreamOnly(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	var log lockedBuffer
	c := dial(t, serveHandler(t, server, slog.New(slog.NewTextHandler(&log, nil)), func(ctx context.Context, s net.Conn) func() {
		b := make([]byte, 1)
		_, err := io.ReadFull(s, b)
		switch {
		case err == nil && b[0] == '!':
			panic("at the beginning")
		case err == nil && b[0] == '?':
			return func() { panic("in the rest") }
		}
		return func() { echo(ctx, s) }
	}), client)
	good, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	for say, want := range map[string]string{"!": "at the beginning", "?": "in the rest"} {
		bad, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bad.Write([]byte(say)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(bad); err != nil || len(got) != 0 {
			t.Errorf("the panicking stream gave %q, %v", got, err)
		}
		if !strings.Contains(log.String(), want) {
			t.Errorf("the panic %s is not in the log: %s", want, log.String())
		}
	}
	if _, err := good.Write([]byte("xyz")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2)
	if _, err := io.ReadFull(good, b); err != nil || string(b) != "yz" {
		t.Errorf("the other stream gave %q, %v", b, err)
	}
}

func TestTunnel_StalledStreamHoldsUpNobody(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	stalled := make(chan struct{})
	c := dial(t, serveStreams(t, server, discard(), func(ctx context.Context, s net.Conn) {
		b := make([]byte, 1)
		if _, err := io.ReadFull(s, b); err == nil && b[0] == 'w' {
			_, _ = s.Write(make([]byte, 3*streamWindow)) // the client reads nothing
			close(stalled)
			return
		}
		echo(ctx, s)
	}), client)
	slow, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Write([]byte("w")); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		s, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("-hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(s, b); err != nil || string(b) != "hello" {
			t.Fatalf("got %q, %v", b, err)
		}
		_ = s.Close()
	}
	select {
	case <-stalled:
		t.Error("the writer was not held back")
	default:
	}
}

func TestDial_RefusesWhatIsNoGateway(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	for name, change := range map[string]func(*tls.Config){
		"other protocol": func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		"no protocol":    func(c *tls.Config) { c.NextProtos = nil },
		"old TLS":        func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
	} {
		t.Run(name, func(t *testing.T) {
			conf := server.Clone()
			change(conf)
			if c, err := Dial(t.Context(), serveStreams(t, conf, discard(), echo), client); err == nil {
				_ = c.Close()
				t.Error("Dial succeeded")
			}
		})
	}
	t.Run("untrusted", func(t *testing.T) {
		_, other := tunneltest.Certificates(t, ALPN)
		if c, err := Dial(t.Context(), serveStreams(t, server, discard(), echo), other); err == nil {
			_ = c.Close()
			t.Error("Dial succeeded")
		}
	})
}

func TestServe_EndsWithItsContext(t *testing.T) {
	server, client := tunneltest.Certificates(t, ALPN)
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	ctx, cancel := context.WithCancel(context.Background())
	served, handled := make(chan error, 1), make(chan struct{})
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.(*tls.Conn).HandshakeContext(ctx)
		}
		if err != nil {
			served <- err
			return
		}
		served <- Serve(ctx, conn, discard(), func(ctx context.Context, s net.Conn) func() {
			close(handled)
			<-ctx.Done()
			_, _ = s.Write([]byte("goodbye"))
			return nil
		})
	}()
	c := dial(t, l.Addr().String(), client)
	s, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-handled // a stream that no handler has yet may be dropped
	cancel()
	if got, err := io.ReadAll(s); string(got) != "goodbye" {
		t.Errorf("last words %q, %v", got, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	<-c.Done()
}

func TestPreamble_RoundTrip(t *testing.T) {
	want := Preamble{Token: "hoop_s3cret<&>", Target: "pg-prod", Protocol: "postgres", User: "u", Verifier: "SCRAM-SHA-256$4096:AA$BB:CC", Client: "hoopctl \"1.0\""}
	var b bytes.Buffer
	if err := WritePreamble(&b, &want); err != nil {
		t.Fatal(err)
	}
	b.WriteString("rest")
	got, err := ReadPreamble(&b)
	if err != nil || *got != want {
		t.Errorf("got %#v, %v", got, err)
	}
	if b.String() != "rest" {
		t.Errorf("read too far: %q is left", b.String())
	}
	for _, text := range []string{fmt.Sprint(want), fmt.Sprintf("%#v", want), fmt.Sprintf("%+v", &want), want.LogValue().String()} {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "SCRAM") {
			t.Errorf("a secret shows in %s", text)
		}
	}
	if err := WritePreamble(io.Discard, &Preamble{Token: strings.Repeat("x", MaxPreamble)}); err == nil {
		t.Error("a preamble beyond the limit was written")
	}
}

func framed(body string) []byte {
	return append([]byte{0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestReadPreamble_Refuses(t *testing.T) {
	for name, in := range map[string][]byte{
		"nothing":          nil,
		"half a length":    {0, 0},
		"too long":         {0, 0, 0x40, 1},
		"4 GiB":            {0xff, 0xff, 0xff, 0xff},
		"cut off":          framed(`{"token":"secret"}`)[:9],
		"no JSON":          framed(`token=secret`),
		"array":            framed(`["secret"]`),
		"unknown field":    framed(`{"token":"secret","admin":"yes"}`),
		"other case":       framed(`{"Token":"secret"}`),
		"twice":            framed(`{"token":"a","token":"secret"}`),
		"other order":      framed(`{"target":"a","token":"secret"}`),
		"white space":      framed(`{ "token":"secret"}`),
		"trailing":         framed(`{"token":"secret"}{}`),
		"empty field":      framed(`{"token":"secret","target":""}`),
		"null":             framed(`null`),
		"invalid UTF-8":    framed("{\"token\":\"secret\xff\"}"),
		"needless escapes": framed(`{"token":"\u0073ecret"}`),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ReadPreamble(bytes.NewReader(in))
			if err == nil {
				t.Fatalf("accepted: %v", p)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows what was read: %v", err)
			}
		})
	}
	if _, err := ReadPreamble(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("a stream that is closed at once: %v, want io.EOF", err)
	}
}

func FuzzReadPreamble(f *testing.F) {
	f.Add(framed(`{}`))
	f.Add(framed(`{"token":"t","target":"pg","protocol":"postgres","user":"u","verifier":"v","client":"c"}`))
	f.Add(framed(`{"token":"<>&\u2028\n\"\\"}`))
	f.Add([]byte{0, 0, 0x40, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, '{', '}'})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		p, err := ReadPreamble(r)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := WritePreamble(&out, p); err != nil {
			t.Fatal(err)
		}
		if used := in[:len(in)-r.Len()]; !bytes.Equal(out.Bytes(), used) {
			t.Errorf("read %q, written again %q", used, out.Bytes())
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
