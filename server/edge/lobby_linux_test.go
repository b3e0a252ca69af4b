package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
)

// from dials as a client at another address of this machine does.
func from(t *testing.T, ip, addr string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 10 * time.Second}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// through is an address that leads to addr, which is dialled from another one.
func through(t *testing.T, ip, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	to := from(t, ip, addr)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(to, c) }()
		_, _ = io.Copy(c, to)
		_ = c.Close()
	}()
	return l.Addr().String()
}

// However many connections come from wherever, who shows a good token stays, and whoever
// comes, be it from where they come from, gets in: the oldest of strangers make room.
func TestEdge_StrangersMakeRoom(t *testing.T) {
	good := func(_ context.Context, token string) (string, error) {
		if token != "good" {
			return "", errors.New("unknown token")
		}
		return "alice", nil
	}
	addr, conf, _ := start(t, Options{
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, _ := Recognizing(good)(r.Context(), r.Header.Get("Token"))
			fmt.Fprint(w, id)
		}),
		Identify: func(ctx context.Context, token string) (hoop.Identity, error) {
			id, err := good(ctx, token)
			return hoop.Identity{Subject: id}, err
		},
		Handle: func(_ context.Context, conn net.Conn, p *Peer) func() {
			return func() { fmt.Fprint(conn, p.Identity.Subject) }
		},
	})
	tunnelFrom := func(ip, token string) func() string {
		c, err := tunnel.Dial(t.Context(), through(t, ip, addr), conf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return func() string {
			s, err := c.Open()
			if err == nil {
				err = tunnel.WritePreamble(s, &tunnel.Preamble{Token: token, Target: "pg"})
			}
			if err != nil {
				return err.Error()
			}
			b, err := io.ReadAll(s)
			if err != nil {
				return err.Error()
			}
			return string(b)
		}
	}
	webFrom := func(ip, token string) func() string {
		dials := 0
		tr := &http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			dials++
			return from(t, ip, addr), nil
		}}
		t.Cleanup(tr.CloseIdleConnections)
		return func() string {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/", nil)
			if err != nil {
				return err.Error()
			}
			req.Header.Set("Token", token)
			resp, err := tr.RoundTrip(req)
			if err != nil {
				return err.Error()
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || dials > 1 {
				return fmt.Sprint(err, " after ", dials, " connections")
			}
			return string(b)
		}
	}
	const here, there = "127.0.0.2", "127.0.0.3"
	known := map[string]func() string{"tunnel": tunnelFrom(here, "good"), "web": webFrom(here, "good")}
	strange := map[string]func() string{"tunnel": tunnelFrom(there, "bad"), "web": webFrom(there, "bad")}
	ask := func(all map[string]func() string, want, when string) {
		t.Helper()
		for what, f := range all {
			if got := f(); got != want {
				t.Errorf("%s, %s: %q, want %q", when, what, got, want)
			}
		}
	}
	ask(known, "alice", "at first")
	ask(strange, "", "at first")
	var silent []net.Conn
	for range maxStrangersOfOne + 20 {
		silent = append(silent, from(t, here, addr))
	}
	ask(known, "alice", "among many")
	ask(strange, "", "from elsewhere")
	for begun := time.Now(); webFrom(here, "good")() != "alice"; { // those that came last, at once, have a second
		if time.Since(begun) > 20*time.Second {
			t.Fatal("nobody gets in from there")
		}
		time.Sleep(50 * time.Millisecond)
	}
	ask(map[string]func() string{"tunnel": tunnelFrom(here, "good"), "web": webFrom(here, "good")}, "alice", "anew")
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest: %v", err)
	}
	if _, err := silent[len(silent)-1].Read(make([]byte, 1)); err == nil {
		t.Error("the latest of those that came at once stays")
	}
}
