package sink

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/siem"
)

func entry(i int64) siem.Entry {
	e := &hoop.Event{Time: time.Unix(i, 0).UTC(), Type: hoop.EventStatement, Subject: "alice", Text: "SELECT $1", Action: hoop.Allow}
	if i%2 == 1 {
		e.Action = hoop.Deny
	}
	return siem.Entry{Index: i, Event: e}
}

// flaky fails as told, and keeps what it took.
type flaky struct {
	mu    sync.Mutex
	fails int
	got   []int64
	full  chan struct{} // closed at want
	want  int
}

func (f *flaky) Send(_ context.Context, es []siem.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errors.New("away")
	}
	for _, e := range es {
		f.got = append(f.got, e.Index)
	}
	if len(f.got) == f.want {
		close(f.full)
	}
	return nil
}

func upTo(n int64) func(context.Context, int64) iter.Seq2[siem.Entry, error] {
	return func(_ context.Context, from int64) iter.Seq2[siem.Entry, error] {
		return func(yield func(siem.Entry, error) bool) {
			for i := from; i < n; i++ {
				if !yield(entry(i), nil) {
					return
				}
			}
		}
	}
}

// A system that is away gets everything once it is back, in order, and after a restart
// what comes after.
func TestRun_ResumesWithoutLoss(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	at := int64(0)
	for _, upto := range []int64{700, 1000} {
		f := &flaky{fails: 2, full: make(chan struct{}), want: int(upto - at)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, Options{Name: "s", Position: file, Sender: f, Events: upTo(upto), Every: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		}()
		<-f.full
		for { // the position is written after the last event was sent
			if n, err := position(file); err != nil {
				t.Fatal(err)
			} else if n == upto {
				break
			}
		}
		cancel()
		<-done
		for i, got := range f.got {
			if got != at+int64(i) {
				t.Fatalf("event %d came as %d", at+int64(i), got)
			}
		}
		at = upto
	}
}

func TestSyslog_OverTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // for its certificate
	cert := srv.TLS.Certificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	srv.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lines := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					n, err := r.ReadString(' ')
					if err != nil {
						return
					}
					size, err := strconv.Atoi(strings.TrimSuffix(n, " "))
					if err != nil {
						lines <- "bad count " + n
						return
					}
					b := make([]byte, size)
					if _, err := io.ReadFull(r, b); err != nil {
						return
					}
					lines <- string(b)
				}
			}()
		}
	}()
	s := &Syslog{Address: l.Addr().String(), TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"}, Format: "cef", Host: "gw.example"}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.Send(ctx, []siem.Entry{entry(6), entry(7)}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-lines, `<110>1 1970-01-01T00:00:06.000000Z gw.example hoop-gateway - statement [hoop index="6"] CEF:0|hoopctl|hoop-gateway|1|statement|statement|3|rt=6000 externalId=6 suser=alice act=allow msg=SELECT $1`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := <-lines; !strings.HasPrefix(got, "<108>1 ") {
		t.Errorf("a denial: %s", got)
	}
	s.TLS = &tls.Config{}
	s.conn = nil
	if err := s.Send(ctx, []siem.Entry{entry(1)}); err == nil {
		t.Error("an unknown certificate is trusted")
	}
}

// A server that takes the connection and never reads ends the try when it is called off.
func TestSyslog_ServerThatNeverReads(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // for its certificate
	cert, roots := srv.TLS.Certificates[0], x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	srv.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil && c.(*tls.Conn).Handshake() == nil {
			taken <- c
		}
	}()
	large := make([]siem.Entry, batch)
	for i := range large {
		large[i] = siem.Entry{Index: int64(i), Event: &hoop.Event{Type: hoop.EventStatement, Text: strings.Repeat("x", 60_000)}} // more than sockets hold
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	sent := make(chan error, 1)
	s := &Syslog{Address: l.Addr().String(), TLS: &tls.Config{RootCAs: roots}, Format: "json", Host: "gw"}
	go func() { sent <- s.Send(ctx, large) }()
	conn := <-taken
	defer func() { _ = conn.Close() }()
	cancel()
	if err := <-sent; err == nil {
		t.Error("sent to nobody")
	}
}

func TestOTLP(t *testing.T) {
	answer := `{}`
	var got struct {
		ResourceLogs []struct {
			ScopeLogs []struct {
				LogRecords []struct {
					TimeUnixNano   string
					SeverityNumber int
					Body           struct{ StringValue string }
					Attributes     []struct {
						Key   string
						Value map[string]string
					}
				}
			}
		}
	}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer x" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	o := &OTLP{URL: srv.URL, HTTP: srv.Client(), Authorization: "Bearer x", Host: "gw"}
	if err := o.Send(t.Context(), []siem.Entry{entry(6), entry(7)}); err != nil {
		t.Fatal(err)
	}
	recs := got.ResourceLogs[0].ScopeLogs[0].LogRecords
	if len(recs) != 2 || recs[0].TimeUnixNano != "6000000000" || recs[1].SeverityNumber != 13 || !strings.Contains(recs[0].Body.StringValue, `"text":"SELECT $1"`) ||
		recs[0].Attributes[0].Value["intValue"] != "6" {
		t.Errorf("got %+v", recs)
	}
	answer = `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}`
	if err := o.Send(t.Context(), []siem.Entry{entry(1)}); err == nil {
		t.Error("a rejected record passes for sent")
	}
}
