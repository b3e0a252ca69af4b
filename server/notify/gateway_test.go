package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/servertest"
)

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(m.Run())
}

const (
	hookSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // Standard Webhooks: base64 behind the prefix
	signingSecret = "8f742231b10e8888abcd99yyyzzz85a5"
)

// receiver is somebody else's program that takes webhooks: it checks the signature by
// itself, and fails at first.
type receiver struct {
	t      *testing.T
	failed bool
	events chan map[string]any
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	key, err2 := base64.StdEncoding.DecodeString(strings.TrimPrefix(hookSecret, "whsec_"))
	if err != nil || err2 != nil {
		r.t.Error(err, err2)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp"), body)
	if q.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		r.t.Errorf("a webhook with signature %q", q.Header.Get("webhook-signature"))
	}
	if !r.failed {
		r.failed = true
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var event map[string]any
	if err := json.Unmarshal(body, &event); err != nil || !strings.HasPrefix(q.Header.Get("Content-Type"), "application/cloudevents+json") || event["specversion"] != "1.0" {
		r.t.Errorf("%v: %s", err, body)
	}
	r.events <- event
	w.WriteHeader(http.StatusNoContent)
}

// slack is Slack's Web API, as far as the gateway calls it.
type slack struct {
	t     *testing.T
	calls chan string
}

func (s *slack) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil || q.Header.Get("Authorization") != "Bearer xoxb-token" {
		s.t.Errorf("%v, authorization %q", err, q.Header.Get("Authorization"))
	}
	s.calls <- strings.TrimPrefix(q.URL.Path, "/api/") + " " + string(body)
	fmt.Fprint(w, `{"ok":true,"channel":"C1","ts":"1700000000.000100"}`)
}

// until takes calls until one begins with method and holds text.
func (s *slack) until(method, text string) string {
	s.t.Helper()
	for deadline := time.After(2 * time.Minute); ; {
		select {
		case c := <-s.calls:
			if strings.HasPrefix(c, method+" ") && strings.Contains(c, text) {
				return c
			}
		case <-deadline:
			s.t.Fatalf("no %s with %q", method, text)
		}
	}
}

// press posts what Slack posts when somebody presses a button, and gives the status.
func press(t *testing.T, g *servertest.Gateway, user, action string, request int64, nonce int, change func(*http.Request)) int {
	t.Helper()
	payload := fmt.Sprintf(`{"type":"block_actions","trigger_id":"t%d","user":{"id":%q,"username":"x","team_id":"T1"},"channel":{"id":"C1"},"actions":[{"action_id":%q,"value":"%d"}]}`, nonce, user, action, request)
	return post(t, g, payload, time.Now(), change)
}

func post(t *testing.T, g *servertest.Gateway, payload string, at time.Time, change func(*http.Request)) int {
	t.Helper()
	body := url.Values{"payload": {payload}}.Encode()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+"/slack/approvals", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(signingSecret))
	fmt.Fprintf(mac, "v0:%d:%s", at.Unix(), body)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(at.Unix()))
	q.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	if change != nil {
		change(q)
	}
	res, err := g.HTTP().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// doubles starts those of a webhook's receiver and of Slack, and gives the configuration, as
// a file has it, that tells of events to the one and has users decide by the other.
func doubles(t *testing.T, hook, chat http.Handler, events, users string) func(*server.Config) {
	t.Helper()
	hooks, chatAPI := httptest.NewServer(hook), httptest.NewServer(chat)
	t.Cleanup(hooks.Close)
	t.Cleanup(chatAPI.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{"hook": hookSecret, "token": "xoxb-token\n", "signing": signingSecret + "\n", "gateway.yaml": fmt.Sprintf(`
notify:
  - name: siem
    webhook: {url: "%s/hoop", secret: {file: %[2]s/hook}, allow_http_loopback: true}
    events: %[4]s
  - name: approvals
    slack:
      token: {file: %[2]s/token}
      signing_secret: {file: %[2]s/signing}
      channel: C1
      users: %[5]s
      api_url: %[3]s/api
      allow_http_loopback: true
`, hooks.URL, dir, chatAPI.URL, events, users)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := server.LoadConfig(filepath.Join(dir, "gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return func(c *server.Config) { c.Notify = file.Notify }
}

// A whole gateway with a file that names a webhook and a Slack channel: a statement is
// told to both, and approved by a button, through the gateway's own port. What Slack did
// not sign, what is old, what came before, whoever asked and whoever is nobody decide
// nothing.
func TestGateway_ApprovesBySlackAndTellsWebhooks(t *testing.T) {
	hook := &receiver{t: t, events: make(chan map[string]any, 100)}
	chat := &slack{t: t, calls: make(chan string, 100)}
	configure := doubles(t, hook, chat, "[request, approval]", "[{account: T1/U1, subject: dba}, {account: T1/U2, subject: second-dba}]")
	g := servertest.Start(t, servertest.Options{
		Setup: "CREATE TABLE hits (n int); INSERT INTO hits VALUES (0)", Configure: configure,
	})
	for _, who := range []string{"dba", "second-dba"} { // an account decides while its owner is signed in
		me, err := g.API(who).Me(t.Context())
		if err != nil || me.Identity.Subject != who {
			t.Fatalf("%+v, %v", me, err)
		}
	}
	conn, err := pgx.Connect(t.Context(), g.Connect("second-dba", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "UPDATE hits SET n = n + 1 WHERE 'a secret' <> ''", pgx.QueryExecModeSimpleProtocol)
		done <- err
	}()
	said := chat.until("chat.postMessage", "UPDATE hits")
	if strings.Contains(said, "a secret") {
		t.Errorf("the chat hears a literal: %s", said)
	}
	pending, err := g.API("second-dba").Requests(t.Context(), api.RequestFilter{State: hoop.Pending})
	if err != nil || len(pending) != 1 {
		t.Fatalf("%+v, %v", pending, err)
	}
	id := pending[0].ID

	for name, tt := range map[string]struct {
		at     time.Duration
		change func(*http.Request)
	}{
		"no signature":      {0, func(q *http.Request) { q.Header.Del("X-Slack-Signature") }},
		"another signature": {0, func(q *http.Request) { q.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64)) }},
		"an old time":       {-6 * time.Minute, nil},
		"a time to come":    {6 * time.Minute, nil},
	} {
		payload := fmt.Sprintf(`{"type":"block_actions","trigger_id":"x","user":{"id":"U1","team_id":"T1"},"channel":{"id":"C1"},"actions":[{"action_id":"approve","value":"%d"}]}`, id)
		if code := post(t, g, payload, time.Now().Add(tt.at), tt.change); code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, code)
		}
	}
	press(t, g, "U2", "approve", id, 1, nil)
	chat.until("chat.postEphemeral", "request of their own")
	press(t, g, "U9", "approve", id, 2, nil)
	chat.until("chat.postEphemeral", "not linked")
	if r, err := g.API("dba").Request(t.Context(), id, 0); err != nil || r.Request.State != hoop.Pending || len(r.Request.Approvals) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if code := press(t, g, "U1", "approve", id, 3, nil); code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	if view := chat.until("views.open", "Approve request"); !strings.Contains(view, "Protected: no column of these tables") && !strings.Contains(view, "being asked") || strings.Contains(view, "a secret") {
		t.Errorf("whoever approves reads %s", view)
	}
	yes := fmt.Sprintf(`{"type":"view_submission","user":{"id":"U1","team_id":"T1"},"view":{"callback_id":"approve","private_metadata":"%d"}}`, id)
	if code := post(t, g, yes, time.Now(), nil); code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	chat.until("chat.update", "pproved by dba")
	if n := g.Count("SELECT n FROM hits"); n != 1 {
		t.Errorf("it ran %d times", n)
	}

	var got []string
	for len(got) < 3 {
		select {
		case e := <-hook.events:
			data, _ := e["data"].(map[string]any)
			if s := fmt.Sprint(data["text"]); strings.Contains(s, "a secret") {
				t.Errorf("the webhook hears a literal: %s", s)
			}
			if data["subject"] != nil && fmt.Sprint(e["subject"]) == fmt.Sprintf("requests/%d", id) || e["type"] == "hoop.request" {
				got = append(got, fmt.Sprint(e["type"]))
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("the webhook heard %v", got)
		}
	}
	if !hook.failed || !slices.Contains(got, "hoop.request") || !slices.Contains(got, "hoop.approval") {
		t.Errorf("the webhook heard %v", got)
	}
}
