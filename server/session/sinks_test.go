package session_test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// A syslog server that never reads and a collector that never answers hold up no
// statement, and not the end of the gateway; the log has everything.
func TestSession_SinksNeverBlockTheLine(t *testing.T) {
	asked, over := make(chan struct{}, 1000), make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(over) })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetReadBuffer(1) // what is sent stays with the sender
			if tls.Server(c, &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12}).Handshake() == nil {
				asked <- struct{}{}
			}
		}
	}()
	g := servertest.Start(t, servertest.Options{Setup: setup, Config: func(c *server.Config) {
		c.Sinks = []server.SinkConfig{
			{Name: "syslog", Syslog: &server.SyslogConfig{Address: l.Addr().String(), CAFile: ca, Format: "json"}},
			{Name: "otlp", OTLP: &server.OTLPConfig{URL: srv.URL + "/v1/logs", CAFile: ca}},
		}
	}})
	<-asked
	<-asked
	conn := open(t, g, nil)
	const n = 600
	for i := range n {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO scratch VALUES (%d)", i)); err != nil {
			t.Fatal(err)
		}
	}
	if r := verified(t, g); r.Events["statement"] != n {
		t.Errorf("%d statements are on record, of %d", r.Events["statement"], n)
	}
}
