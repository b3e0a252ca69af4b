package session_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/pki"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const chatSecret = "8f742231b10e8888abcd99yyyzzz85a5"

// What happens to a gateway seldom is in its report too: an account of a chat is linked, a
// copy's protection lifted, a witness cosigns, the gateway is killed, and a recording's time
// is over. That it is over is proved to whoever asks for the time before.
func TestReport_OfRareEvents(t *testing.T) {
	data, rules := t.TempDir(), strings.Replace(servertest.Resources, "  decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "  decision: allow", 1)+protectedRules
	first := servertest.Start(t, servertest.Options{DataDir: data, Setup: inferSetup})
	key, err := first.API("auditor").LogKey(t.Context())
	must(t, err)
	first.Stop()
	cosigner, stopWitness := witnessOf(t, key.Verifier)
	chat := startChat(t)

	g := servertest.Start(t, servertest.Options{DataDir: data, PG: first.PG, Resources: rules, Broken: true, Config: func(c *server.Config) {
		c.Witnesses, c.Notify = []server.WitnessConfig{cosigner}, chat.config
	}})
	chat.link(t, g)
	conn := open(t, g, nil)
	for _, sql := range []string{"CREATE TABLE clinic.copies AS SELECT ssn AS secret FROM clinic.patients", "SELECT secret FROM clinic.copies"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	must(t, g.API("admin").Lift(t.Context(), api.Lift{Target: "pg-prod", Table: "clinic.copies", Reason: "it is a test"}))
	has := func(g *servertest.Gateway, typ hoop.EventType) bool {
		return slices.ContainsFunc(events(t, g), func(e hoop.Event) bool { return e.Type == typ })
	}
	for !has(g, hoop.EventCheckpoint) {
		runtime.Gosched() // the witness is asked when the gateway starts
	}
	stopWitness()
	killed := servertest.Killed(t, data) // the session is open
	g.Stop()

	g = servertest.Start(t, servertest.Options{DataDir: killed, PG: first.PG, Resources: rules})
	must(t, open(t, g, nil).Close(t.Context()))
	for !has(g, hoop.EventSessionEnd) {
		runtime.Gosched() // it may follow what the client was told
	}
	before := time.Now()
	// Events enough, so that the ends stand outside of what is exported of the time before.
	for range 600 {
		_, err := g.API("agent").Explain(t.Context(), api.Explain{Target: "pg-prod", SQL: "SELECT 1"})
		must(t, err)
	}
	g.Stop()

	forgetful := strings.Replace(rules, "  tls: disable\n", "  tls: disable\n  retention: 30d\n", 1)
	g = servertest.Start(t, servertest.Options{DataDir: killed, PG: first.PG, Resources: forgetful, Now: func() time.Time { return time.Now().Add(60 * 24 * time.Hour) }})
	expired := func() (n int) {
		for _, e := range events(t, g) {
			if e.Type == hoop.EventExpired {
				n++
			}
		}
		return n
	}
	for expired() < 2 {
		runtime.Gosched()
	}
	recounted(t, g, "accounts of a chat that decide in somebody's name from then on", "inherited protection of copies lifted",
		"cosignatures of witnesses on this log's checkpoints", "sessions that a crash of the gateway ended, completed afterwards",
		"recordings whose time was over (their hash stays)")

	body, err := g.API("auditor").Bundle(t.Context(), api.BundleAsk{To: before, Recordings: true})
	must(t, err)
	b, err := io.ReadAll(body)
	must(t, errors.Join(err, body.Close()))
	r, err := bundle.Verify(bytes.NewReader(b), int64(len(b)), bundle.Options{Key: key.Verifier, Witnesses: []string{cosigner.Key}})
	if err != nil || r.Expired != 2 || r.Recordings != 0 || len(r.Cosignatures) != 1 {
		t.Errorf("of the time before: %+v, %v", r, err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	if n := bytes.Count(content(t, z, auditlog.OutsideFile), []byte(`"type":"recording-expired"`)); n != 2 {
		t.Errorf("%d ends of recordings stand outside, want both", n)
	}
}

// witnessOf runs a witness of a log, until it is stopped.
func witnessOf(t *testing.T, log string) (config server.WitnessConfig, stop func()) {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.ServeWitness(ctx, &server.WitnessConfigFile{
			Listen: address, DataDir: dir, Name: "w.example", Logs: []string{log}, Hosts: []string{"127.0.0.1"},
		}, slog.New(slog.DiscardHandler), func(_, key string) error { ready <- key; return nil })
	}()
	stop = func() {
		cancel()
		must(t, <-ended)
	}
	select {
	case key := <-ready:
		return server.WitnessConfig{Name: "w", URL: "https://" + address, Key: key, CAFile: filepath.Join(dir, pki.CAFile)}, stop
	case err := <-ended:
		t.Fatal(err)
		return config, stop
	}
}

// chatRoom is Slack's Web API, as far as it tells somebody a code.
type chatRoom struct {
	config []server.NotifyConfig
	said   chan string
}

func startChat(t *testing.T) *chatRoom {
	t.Helper()
	c := &chatRoom{said: make(chan string, 100)}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		c.said <- string(b)
		fmt.Fprint(w, `{"ok":true,"channel":"C1","ts":"1700000000.000100"}`)
	}))
	t.Cleanup(web.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "xoxb-token\n", "signing": chatSecret + "\n", "gateway.yaml": fmt.Sprintf(`
notify:
  - name: approvals
    slack: {token: {file: %[1]s/token}, signing_secret: {file: %[1]s/signing}, channel: C1, api_url: %[2]s/api, allow_http_loopback: true}
`, dir, web.URL)} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	file, err := server.LoadConfig(filepath.Join(dir, "gateway.yaml"))
	must(t, err)
	c.config = file.Notify
	return c
}

// link has somebody press a button, and say in the browser that the account is theirs.
func (c *chatRoom) link(t *testing.T, g *servertest.Gateway) {
	t.Helper()
	payload := `{"type":"block_actions","trigger_id":"t1","user":{"id":"U9","username":"kim","team_id":"T1"},"channel":{"id":"C1"},"actions":[{"action_id":"approve","value":"1"}]}`
	body := url.Values{"payload": {payload}}.Encode()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/slack/approvals", strings.NewReader(body))
	must(t, err)
	now := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(chatSecret))
	fmt.Fprintf(mac, "v0:%s:%s", now, body)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("X-Slack-Request-Timestamp", now)
	q.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	res, err := g.HTTP().Do(q)
	must(t, err)
	must(t, res.Body.Close())
	code := ""
	for code == "" {
		if _, rest, ok := strings.Cut(<-c.said, "enter the code "); ok {
			code, _, _ = strings.Cut(rest, " ")
		}
	}
	client := g.HTTP()
	client.Jar, err = cookiejar.New(nil)
	must(t, err)
	b := &authtest.Browser{Client: client}
	must(t, b.Open(t.Context(), g.URL+"/link"))
	must(t, b.Submit(t.Context(), "/signin/dev", url.Values{"user": {"dba"}}))
	must(t, b.Submit(t.Context(), "/link", url.Values{"code": {code}}))
	must(t, b.Submit(t.Context(), "/link", nil))
	if !strings.Contains(b.Text, "T1/U9") {
		t.Fatalf("the page says: %s", b.Text)
	}
}
