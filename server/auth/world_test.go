package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/hoop/hooptest"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

const issuer = "https://hoop.test"

// wire is a network without sockets: hosts are handlers. So tests run in a synctest
// bubble, whose clock jumps.
type wire struct {
	hosts map[string]http.Handler
	from  string // remote address
	down  map[string]bool
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	h := w.hosts[req.URL.Host]
	if h == nil || w.down[req.URL.Host] {
		return nil, errors.New("connection refused")
	}
	r := req.Clone(req.Context())
	r.RemoteAddr, r.RequestURI, r.Host = w.from+":4242", req.URL.RequestURI(), req.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	resp := rec.Result()
	resp.Request = req
	return resp, nil
}

// memLog is a Log in memory that tells what happened in a line each.
type memLog struct{ hooptest.Log }

// types lists what was recorded: "sign-in alice", with the reason after a colon.
func (l *memLog) types() []string {
	var s []string
	for _, e := range l.Events() {
		line := strings.TrimSpace(string(e.Type) + " " + e.Subject)
		if e.Reason != "" {
			line += ": " + e.Reason
		}
		s = append(s, line)
	}
	return s
}

func (l *memLog) last() string {
	if t := l.types(); len(t) > 0 {
		return t[len(t)-1]
	}
	return ""
}

// world is a gateway's sign-in and its surroundings.
type world struct {
	*Server
	t     *testing.T
	store *memStore
	log   *memLog
	wire  *wire
	http  *http.Client // without cookies
	logs  *syncBuffer

	mu       sync.Mutex
	accounts map[string]ServiceAccount
	ended    []string
	changed  []hoop.Identity
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t *testing.T, adjust ...func(*world, *Options)) *world {
	t.Helper()
	w := &world{t: t, store: newMemStore(), log: &memLog{}, logs: &syncBuffer{}, accounts: map[string]ServiceAccount{}}
	w.wire = &wire{hosts: map[string]http.Handler{}, from: "192.0.2.7", down: map[string]bool{}}
	w.http = &http.Client{Transport: w.wire}
	o := Options{
		Issuer: issuer, Store: w.store, Log: w.log, Secret: bytes.Repeat([]byte{7}, 32),
		DevUsers: []DevUser{{"alice", []string{"agents"}}, {"bob", []string{"dba", "agents"}}, {"carol", []string{"compliance"}}},
		Logger:   slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		ServiceAccount: func(name string) (ServiceAccount, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			a, ok := w.accounts[name]
			return a, ok
		},
		OnEnd: func(_ context.Context, subject string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ended = append(w.ended, subject)
		},
		OnChange: func(_ context.Context, id hoop.Identity) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed = append(w.changed, id)
		},
	}
	for _, f := range adjust {
		f(w, &o)
	}
	var err error
	if w.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.wire.hosts["hoop.test"] = w.Handler()
	return w
}

func (w *world) setAccount(name, secret string, groups ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accounts[name] = ServiceAccount{Groups: groups, Owner: "data-team", SecretHash: sha256.Sum256([]byte(secret))}
}

func (w *world) removeAccount(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.accounts, name)
}

func (w *world) cut() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.ended...)
}

// ctx carries the client that x/oauth2 uses.
func (w *world) ctx() context.Context {
	return context.WithValue(w.t.Context(), oauth2.HTTPClient, w.http)
}

func (w *world) oauth() *oauth2.Config {
	return &oauth2.Config{
		ClientID: ClientID, Scopes: []string{"openid", "offline_access", "profile", "groups"},
		Endpoint: oauth2.Endpoint{
			DeviceAuthURL: issuer + pathDevice, TokenURL: issuer + pathToken, AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// begin starts a device authorization.
func (w *world) begin() *oauth2.DeviceAuthResponse {
	w.t.Helper()
	da, err := w.oauth().DeviceAuth(w.ctx(), oauth2.SetAuthURLParam("device_name", "alices-laptop (linux)"))
	if err != nil {
		w.t.Fatal(err)
	}
	return da
}

// signIn signs a sample user in, from the device's request to its tokens.
func (w *world) signIn(user string) *oauth2.Token {
	w.t.Helper()
	da := w.begin()
	if err := authtest.SignIn(w.t.Context(), w.http, da.VerificationURIComplete, user, true); err != nil {
		w.t.Fatal(err)
	}
	tok, err := w.oauth().DeviceAccessToken(w.ctx(), da)
	if err != nil {
		w.t.Fatal(err)
	}
	return tok
}

// answer is what the token endpoint said.
type answer struct {
	Status      int
	Header      http.Header
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	ExpiresIn   int    `json:"expires_in"`
}

func (w *world) post(path string, form url.Values, auth ...string) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(auth) == 2 {
		req.SetBasicAuth(auth[0], auth[1])
	}
	return w.do(req)
}

func (w *world) do(req *http.Request) answer {
	w.t.Helper()
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{Status: resp.StatusCode, Header: resp.Header}
	if len(b) > 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(b, &a); err != nil {
			w.t.Fatalf("answer %q: %v", b, err)
		}
	}
	return a
}

func (w *world) poll(code string) answer {
	return w.post(pathToken, url.Values{
		"client_id": {ClientID}, "device_code": {code}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
	})
}

func (w *world) refreshWith(token string) answer {
	return w.post(pathToken, url.Values{"client_id": {ClientID}, "refresh_token": {token}, "grant_type": {"refresh_token"}})
}

// browser is one with its own cookies.
func (w *world) browser() *authtest.Browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &authtest.Browser{Client: &http.Client{Transport: w.wire, Jar: jar}}
}

// who is the subject of a token, or the code of the error.
func (w *world) who(token string) string {
	w.t.Helper()
	id, err := w.Identify(w.t.Context(), token)
	if err != nil {
		return string(hoop.AsError(err).Code)
	}
	return id.Subject
}

func advance(d time.Duration) { time.Sleep(d) } // in a synctest bubble: at once

func mustFail(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

func oauthParam(k, v string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(k, v) }

func jsonUnmarshal(doc string, v any) error { return json.Unmarshal([]byte(doc), v) }

func dump(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// captureDefaultLog has op's own logging, which goes to the default logger, go to b.
func captureDefaultLog(t *testing.T, b *syncBuffer) {
	t.Helper()
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(b, nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
}
