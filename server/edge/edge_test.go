package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
	"github.com/hoopctl/hoopctl/pkg/tunnel/tunneltest"
)

// start serves until the test ends, or until stop is called, which gives Serve's error.
func start(t *testing.T, opts Options) (addr string, client *tls.Config, stop func() error) {
	t.Helper()
	opts.TLS, client = tunneltest.Certificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(opts).Serve(ctx, l) }()
	var stopped bool
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), client, stop
}

func hello(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }

func get(t *testing.T, addr string, conf *tls.Config, h2 bool) string {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: h2}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: 10 * time.Second}).Get("https://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEdge_OnePortServesAll(t *testing.T) {
	addr, conf, _ := start(t, Options{
		HTTP: http.HandlerFunc(hello),
		Identify: func(_ context.Context, token string) (hoop.Identity, error) {
			if token != "good" {
				return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "unknown token")
			}
			return hoop.Identity{Subject: "alice"}, nil
		},
		Handle: func(_ context.Context, conn net.Conn, p *Peer) func() {
			code := hoop.Code("")
			if p.Err != nil {
				code = hoop.AsError(p.Err).Code
			}
			fmt.Fprintf(conn, "%s %s %q %q", p.Identity.Subject, p.Preamble.Target, code, p.Preamble.Token)
			return nil
		},
	})
	if got := get(t, addr, conf, true); got != "HTTP/2.0" {
		t.Errorf("h2 gave %q", got)
	}
	if got := get(t, addr, conf, false); got != "HTTP/1.1" {
		t.Errorf("http/1.1 gave %q", got)
	}
	c, err := tunnel.Dial(t.Context(), addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	for token, want := range map[string]string{
		"good": `alice pg "" ""`, "bad": ` pg "unauthenticated" ""`, "": ` pg "unauthenticated" ""`,
	} {
		s, err := c.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := tunnel.WritePreamble(s, &tunnel.Preamble{Token: token, Target: "pg"}); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(s); string(got) != want {
			t.Errorf("token %q: %q, %v; want %q", token, got, err, want)
		}
	}
}

func TestEdge_SilentPeersBlockNobody(t *testing.T) {
	addr, conf, _ := start(t, Options{HTTP: http.HandlerFunc(hello)})
	for range 50 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // the test is over
	}
	if got := get(t, addr, conf, true); got != "HTTP/2.0" {
		t.Errorf("got %q", got)
	}
}

func TestEdge_RefusesOldTLSAndPlainText(t *testing.T) {
	addr, conf, _ := start(t, Options{HTTP: http.HandlerFunc(hello)})
	old := conf.Clone()
	old.MaxVersion = tls.VersionTLS12
	if c, err := tls.Dial("tcp", addr, old); err == nil {
		_ = c.Close()
		t.Error("TLS 1.2 was accepted")
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode == http.StatusOK {
		t.Error("plain HTTP was served")
	}
}

// Who sends a request and never the end of it is cut, before anybody knows who it is. An
// answer may take as long as it takes.
func TestEdge_RequestsThatDoNotEnd(t *testing.T) {
	conf, client := tunneltest.Certificates(t)
	now := time.Now()
	client.ServerName, client.NextProtos, client.Time = "127.0.0.1", []string{"http/1.1"}, func() time.Time { return now }
	for body, want := range map[string]error{"half": os.ErrDeadlineExceeded, "all of it": nil} {
		synctest.Test(t, func(t *testing.T) {
			read := make(chan error, 1)
			l := newChanListener(nil)
			ctx, stop := context.WithCancel(t.Context())
			stopped := make(chan error, 1)
			go func() {
				stopped <- New(Options{TLS: conf, HTTP: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.ReadAll(r.Body)
					if err == nil {
						time.Sleep(3 * requestTimeout)
						err = r.Context().Err()
					}
					read <- err
				})}).Serve(ctx, l)
			}()
			here, there := net.Pipe()
			go l.put(there)
			c := tls.Client(here, client)
			fmt.Fprint(c, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"+body)
			began := time.Now()
			go func() { _, _ = io.Copy(io.Discard, c) }()
			if err := <-read; !errors.Is(err, want) || want != nil && time.Since(began) > requestTimeout {
				t.Errorf("%s: %v, after %s; want %v", body, err, time.Since(began), want)
			}
			_ = c.Close()
			stop()
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEdge_StopsInOrder(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	addr, conf, stop := start(t, Options{
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-release
			hello(w, r)
		}),
		Identify: func(context.Context, string) (hoop.Identity, error) { return hoop.Identity{}, nil },
		Handle: func(ctx context.Context, conn net.Conn, _ *Peer) func() {
			fmt.Fprint(conn, "hi ")
			return func() {
				<-ctx.Done()
				fmt.Fprint(conn, hoop.CauseOf(context.Cause(ctx)))
			}
		},
	})
	c, err := tunnel.Dial(t.Context(), addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	s, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := tunnel.WritePreamble(s, &tunnel.Preamble{Token: "t"}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() { answer <- get(t, addr, conf, true) }()
	<-started
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if got, err := io.ReadAll(s); string(got) != string(hoop.CauseStopped) {
		t.Errorf("last words %q, %v", got, err)
	}
	close(release)
	if got := <-answer; got != "HTTP/2.0" {
		t.Errorf("the request in progress got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
}

func TestEdge_ServeTellsWhyAcceptFails(t *testing.T) {
	server, _ := tunneltest.Certificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := New(Options{TLS: server}).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Who shows no good token can have the gateway keep little on one connection.
func TestEdge_StrangersHaveLess(t *testing.T) {
	addr, conf, _ := start(t, Options{
		Identify: func(_ context.Context, token string) (hoop.Identity, error) {
			if token != "good" {
				return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "unknown token")
			}
			return hoop.Identity{Subject: "alice"}, nil
		},
		Handle: func(ctx context.Context, conn net.Conn, _ *Peer) func() {
			fmt.Fprint(conn, "x")
			return func() { <-ctx.Done() }
		},
	})
	for token, known := range map[string]bool{"good": true, "bad": false} {
		c, err := tunnel.Dial(t.Context(), addr, conf)
		if err != nil {
			t.Fatal(err)
		}
		open := func() (net.Conn, error) {
			s, err := c.Open()
			if err == nil {
				err = tunnel.WritePreamble(s, &tunnel.Preamble{Token: token, Target: "pg"})
			}
			if err == nil {
				_, err = io.ReadFull(s, make([]byte, 1))
			}
			return s, err
		}
		var streams []net.Conn
		for range 1030 {
			s, err := open()
			if err != nil {
				if known || !errors.Is(err, tunnel.ErrReset) {
					t.Errorf("%s: stream %d: %v", token, len(streams), err)
				}
				break
			}
			streams = append(streams, s)
		}
		if !known && len(streams) != 1024 {
			t.Fatalf("%d streams of nobody", len(streams))
		}
		for _, s := range streams[:30] {
			if _, err = s.Write(make([]byte, 200<<10)); err != nil {
				break
			}
		}
		if known {
			_, err = open()
		} else {
			_, err = streams[0].Read(make([]byte, 1))
		}
		if (err == nil) != known {
			t.Errorf("%s: after 6 MB: %v", token, err)
		}
		_ = c.Close()
	}
}

// Between a stream's opening and its session, a sign-in may end and groups may change.
func TestPeer_Still(t *testing.T) {
	alice := hoop.Identity{Subject: "alice", Groups: []string{"dev"}}
	for what, c := range map[string]struct {
		now  hoop.Identity
		err  error
		want hoop.Code
	}{
		"as before":    {now: hoop.Identity{Subject: "alice", Groups: []string{"dev"}}},
		"other groups": {now: hoop.Identity{Subject: "alice"}, want: hoop.CodeRevoked},
		"signed out":   {err: hoop.Errorf(hoop.CodeUnauthenticated, "the sign-in has ended"), want: hoop.CodeUnauthenticated},
	} {
		t.Run(what, func(t *testing.T) {
			asked := 0
			still := make(chan error, 1)
			addr, conf, _ := start(t, Options{
				Identify: func(_ context.Context, token string) (hoop.Identity, error) {
					if asked++; asked == 1 {
						return alice, nil
					}
					if token != "t" {
						t.Errorf("token %q", token)
					}
					return c.now, c.err
				},
				Handle: func(ctx context.Context, _ net.Conn, p *Peer) func() {
					still <- p.Still(ctx)
					return nil
				},
			})
			conn, err := tunnel.Dial(t.Context(), addr, conf)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // the test is over
			s, err := conn.Open()
			if err != nil {
				t.Fatal(err)
			}
			if err := tunnel.WritePreamble(s, &tunnel.Preamble{Token: "t"}); err != nil {
				t.Fatal(err)
			}
			err = <-still
			if (err == nil) != (c.want == "") || err != nil && hoop.AsError(err).Code != c.want {
				t.Errorf("%v; want code %q", err, c.want)
			}
		})
	}
}
