package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/server/pgserver"
)

// TestMain lets this test program be a relay, as the tool itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == relayCommand {
		os.Exit(exit(relayMain(os.Args[2:])))
	}
	os.Exit(m.Run())
}

func TestParseFlags(t *testing.T) {
	o, err := parseFlags([]string{"-rounds", "1", "-workloads", "L1, S8", "-paths", "relay-tls,direct"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"S8", "L1"}; !slices.Equal(o.Workloads, want) {
		t.Errorf("workloads %v, want %v", o.Workloads, want)
	}
	if want := []string{pathDirect, pathTLS}; !slices.Equal(o.Paths, want) {
		t.Errorf("paths %v, want %v", o.Paths, want)
	}
	for _, args := range [][]string{{"-paths", "nowhere"}, {"-workloads", ""}, {"-rounds", "0"}, {"more"}, {"-nonsense"}} {
		if _, err := parseFlags(args); !errors.As(err, new(*usageError)) {
			t.Errorf("%q: %v, want a usage error", args, err)
		}
	}
}

// echo answers every connection with what it sends.
func echo(t *testing.T) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		_ = acceptEach(l, func(c net.Conn) {
			defer c.Close()
			_, _ = io.Copy(c, c)
		})
	}()
	return l.Addr().(*net.TCPAddr)
}

// exchange sends b to addr and expects it back.
func exchange(t *testing.T, addr string, b []byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(b)
		sent <- err
	}()
	got := make([]byte, len(b))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, b) {
		t.Error("other bytes came back")
	}
}

func TestRelay_CarriesBytesAndEnds(t *testing.T) {
	addr := echo(t)
	e := &env{dir: t.TempDir(), pg: &pgserver.Server{Host: "127.0.0.1", Port: addr.Port}}
	for name, mux := range map[string]bool{"tls": false, "yamux": true} {
		t.Run(name, func(t *testing.T) {
			p, err := startRelay(mux)(t.Context(), e, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, (&net.TCPAddr{IP: addr.IP, Port: p.port}).String(), bytes.Repeat([]byte("0123456789"), 200_000))
			if used, err := p.cpu(); err != nil || used <= 0 {
				t.Errorf("CPU time %v, %v", used, err)
			}
			if now, peak, err := p.memory("client"); err != nil || now <= 0 || peak < now {
				t.Errorf("memory %d, peak %d, %v", now, peak, err)
			}
			processes := p.processes
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			for _, proc := range processes {
				<-proc.done
			}
		})
	}
}

func TestDelayRelay_DelaysBothWays(t *testing.T) {
	const delay = 10 * time.Millisecond
	d, err := newDelayRelay(echo(t).String(), delay)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	exchange(t, d.Addr(), []byte("x"))
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("there and back took %v, want at least %v", took, 2*delay)
	}
	exchange(t, d.Addr(), bytes.Repeat([]byte("0123456789"), 1_000_000))
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestStart_SaysWhyItEnded(t *testing.T) {
	p := (&env{pg: &pgserver.Server{}}).newPath()
	_, err := p.startRelayEnd(t.Context(), "client", true, "127.0.0.1:1", t.TempDir())
	if err == nil {
		// It says that it listens before it dials.
		<-p.processes[0].done
		err = errors.New(p.processes[0].errs.String())
	}
	if !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("%v does not say what is missing", err)
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := relayCmd(self, "client", false, "127.0.0.1:1", "")
	if _, err := run(ctx, cmd); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's end", err)
	}
}

func TestLineFinder_FindsALineInPieces(t *testing.T) {
	found := make(chan string, 1)
	f := &lineFinder{ready: func(l string) bool { return strings.HasPrefix(l, "{") }, found: found}
	for _, piece := range []string{"warming\n{\"a\"", ":1", "}\n{2}\n", "{3}\n"} {
		if n, err := f.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if got := <-found; got != `{"a":1}` {
		t.Errorf("found %q", got)
	}
}

func TestTail_KeepsTheEnd(t *testing.T) {
	var e tail
	for range 1000 {
		_, _ = e.Write([]byte("noise noise noise\n"))
	}
	_, _ = e.Write([]byte("error: it broke\nhint: mend it\n"))
	if got, want := e.String(), "error: it broke; hint: mend it"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if len(e.b) > tailSize {
		t.Errorf("%d bytes kept", len(e.b))
	}
}
