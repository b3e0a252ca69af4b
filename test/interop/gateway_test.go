package interop

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/servertest"
)

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(m.Run())
}

// watchers are the two systems that get copies of events, as servers that keep their
// indexes.
type watchers struct {
	ca, syslog, otlp string

	mu   sync.Mutex
	seen map[string]map[int64]bool
}

func newWatchers(t *testing.T) *watchers {
	t.Helper()
	w := &watchers{seen: map[string]map[int64]bool{"syslog": {}, "otlp": {}}}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body struct {
			ResourceLogs []struct {
				ScopeLogs []struct {
					LogRecords []struct {
						Attributes []struct {
							Key   string
							Value struct{ IntValue string }
						}
					}
				}
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		for _, res := range body.ResourceLogs {
			for _, scope := range res.ScopeLogs {
				for _, rec := range scope.LogRecords {
					for _, a := range rec.Attributes {
						if a.Key == "hoop.index" {
							w.note("otlp", a.Value.IntValue)
						}
					}
				}
			}
		}
		_, _ = rw.Write([]byte("{}"))
	}))
	t.Cleanup(srv.Close)
	w.otlp = srv.URL + "/v1/logs"
	w.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(w.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w.syslog = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.read(c)
		}
	}()
	return w
}

// read takes syslog messages by octet counting (RFC 5425).
func (w *watchers) read(c net.Conn) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	for {
		n, err := r.ReadString(' ')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSpace(n))
		if err != nil {
			return
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		_, rest, _ := strings.Cut(string(b), `[hoop index="`)
		index, _, _ := strings.Cut(rest, `"`)
		w.note("syslog", index)
	}
}

func (w *watchers) note(who, index string) {
	n, err := strconv.ParseInt(index, 10, 64)
	if err != nil {
		n = -1
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[who][n] = true
}

// missing is the first index that somebody did not get, of the first n.
func (w *watchers) missing(n int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for who, seen := range w.seen {
		for i := range n {
			if !seen[i] {
				return fmt.Sprintf("%s lacks event %d of %d", who, i, n)
			}
		}
	}
	return ""
}

// until waits for something that other processes do.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond) // another process's work cannot be waited for otherwise
	}
}

// past writes sessions that ended days ago below a data folder, as the gateway does.
func past(t *testing.T, data string, store record.Store, began time.Time, sessions ...string) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	j, err := journal.Open(filepath.Join(data, "journal"), journal.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.New(record.Options{Dir: filepath.Join(data, "recordings"), Keys: filepath.Join(data, "keys"), Journal: j, Log: quiet, Mirrored: true})
	if err != nil {
		t.Fatal(err)
	}
	r.Mirror(store, time.Hour, 0, func(string) time.Duration { return 24 * time.Hour })
	l, err := audit.Open(audit.Options{
		Dir: filepath.Join(data, "audit"), Keys: filepath.Join(data, "keys"), Origin: "localhost/audit", Journal: j, Recordings: r, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range sessions {
		rec, err := r.Open(hoop.SessionInfo{ID: id, Target: "pg-prod", StartedAt: began}, []byte("key"))
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := rec.Close(recording.Record{Kind: recording.KindEnd})
		if err != nil {
			t.Fatal(err)
		}
		h.Events = 2
		events := []hoop.Event{
			{Type: hoop.EventSessionStart, Counter: 1}, {Type: hoop.EventSessionEnd, Counter: 2, Record: &h},
		}
		if strings.HasPrefix(id, "held") {
			events = append(events, hoop.Event{Type: hoop.EventLegalHold, Action: hoop.Deny, Reason: "case 7"})
		}
		for _, e := range events {
			e.Time, e.Session, e.Target, e.Subject = began, id, "pg-prod", "alice"
			if err := l.Write(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(r.CopyAll(t.Context()), r.Close(), l.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

// A whole gateway whose recordings go to a real S3 server with object lock: while they
// grow; while the server is lost they wait, and the line goes on; the gateway is killed
// then, and the next goes on where it was. What is past its time goes, unless held. A
// bundle has them from there and verifies, and what watches missed no event.
func TestGateway_OnS3(t *testing.T) {
	v := newVersity(t)
	if err := v.admin(t).MakeBucket(t.Context(), "rec", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	store := v.open(t, "rec")
	secret := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(secret, []byte("gateway:not-a-real-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parts := func(session string) int {
		list, err := store.List(t.Context(), session+"/")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	data := filepath.Join(t.TempDir(), "data")
	past(t, data, store, time.Now().Add(-72*time.Hour), "old1", "held1")
	if parts("old1") == 0 || parts("held1") == 0 {
		t.Fatal("the past is not in the store")
	}

	w := newWatchers(t)
	options := servertest.Options{
		DataDir: data, Broken: true,
		Resources: strings.Replace(servertest.Resources, "  tls: disable\n", "  tls: disable\n  retention: 1d\n", 1),
		Config: func(c *server.Config) {
			c.Recordings.URL = "s3://rec/gw1?endpoint=http://" + v.addr + "&region=us-east-1&credentials_file=" + secret
			c.Sinks = []server.SinkConfig{
				{Name: "syslog", Syslog: &server.SyslogConfig{Address: w.syslog, CAFile: w.ca, Format: "cef"}},
				{Name: "otlp", OTLP: &server.OTLPConfig{URL: w.otlp, CAFile: w.ca}},
			}
		},
	}
	g := servertest.Start(t, options)
	until(t, "what is past its time goes", func() bool { return parts("old1") == 0 })
	if parts("held1") == 0 {
		t.Error("a recording under a legal hold is gone")
	}

	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	much := func(n int) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("SELECT md5(i::text) FROM generate_series(1, %d) i", n)); err != nil {
			t.Fatal(err)
		}
	}
	much(300_000)
	sessions, err := g.API("auditor").Sessions(t.Context(), 10)
	if err != nil || len(sessions) == 0 {
		t.Fatal(sessions, err)
	}
	id := sessions[0].ID
	until(t, "a part of a session that runs", func() bool { return parts(id) > 0 })

	v.stop() // lost
	much(100_000)
	killed := servertest.Killed(t, data)
	g.Stop()
	v.start(t) // and back
	sent := parts(id)

	options.DataDir, options.PG, options.Broken = killed, g.PG, false
	g = servertest.Start(t, options)
	until(t, "what waited is copied", func() bool {
		left, err := filepath.Glob(filepath.Join(killed, "recordings", "*.hrec"))
		return err == nil && len(left) == 0
	})
	if n := parts(id); n <= sent {
		t.Errorf("%d parts, before the kill %d", n, sent)
	}
	if set, err := g.API("auditor").Hold(t.Context(), id, api.Hold{On: true, Reason: "case 8"}); err != nil || set.Waiting {
		t.Errorf("%+v, %v", set, err)
	}
	list, err := store.List(t.Context(), id+"/")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		status, err := v.admin(t).GetObjectLegalHold(t.Context(), "rec", "gw1/"+p.Name, minio.GetObjectLegalHoldOptions{})
		if err != nil || *status != minio.LegalHoldEnabled {
			t.Errorf("%s: legal hold %v, %v", p.Name, status, err)
		}
	}

	key, err := g.API("auditor").LogKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := g.API("auditor").Bundle(t.Context(), api.BundleAsk{Recordings: true})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "bundle.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n, err := io.Copy(f, b)
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Verify(f, n, bundle.Options{Key: key.Verifier})
	if err != nil {
		t.Fatal(err)
	}
	if r.Expired != 1 || r.Recovered != 1 || r.Recordings != 2 || r.RecordingBytes < 4<<20 {
		t.Errorf("the bundle: %+v", r)
	}
	until(t, "copies of all events", func() bool { return w.missing(r.Size) == "" })
}
