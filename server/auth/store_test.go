package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/store"
)

type events struct {
	mu sync.Mutex
	l  []string
}

func (e *events) Write(_ context.Context, ev *hoop.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.l = append(e.l, string(ev.Type)+" "+ev.Subject)
	return nil
}

// gateway serves sign-in over TLS.
func gateway(t *testing.T, s auth.Store, log auth.Log) (*auth.Server, *httptest.Server) {
	t.Helper()
	ts := httptest.NewUnstartedServer(nil)
	srv, err := auth.New(auth.Options{
		Issuer: "https://" + ts.Listener.Addr().String(), Store: s, Log: log, Secret: bytes.Repeat([]byte{1}, 32),
		DevUsers: []auth.DevUser{{Name: "alice", Groups: []string{"agents"}}}, Interval: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ts.Config.Handler = srv.Handler()
	ts.StartTLS()
	t.Cleanup(ts.Close)
	return srv, ts
}

func signIn(t *testing.T, ts *httptest.Server) *oauth2.Token {
	t.Helper()
	conf := oauth2.Config{
		ClientID: auth.ClientID, Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{DeviceAuthURL: ts.URL + "/oauth/device_authorization", TokenURL: ts.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, ts.Client())
	da, err := conf.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := authtest.SignIn(ctx, ts.Client(), da.VerificationURIComplete, "alice", true); err != nil {
		t.Fatal(err)
	}
	tok, err := conf.DeviceAccessToken(ctx, da)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// reply is what a token endpoint said.
type reply struct {
	status  int
	Error   string `json:"error"`
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func refresh(ctx context.Context, ts *httptest.Server, token string) (reply, error) {
	form := url.Values{"client_id": {auth.ClientID}, "grant_type": {"refresh_token"}, "refresh_token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := ts.Client().Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("decode: %w", err)
	}
	return r, nil
}

// Two gateways on one real store, over real TLS.
func TestStore_TwoGateways(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Stop() })
	for name, url := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "store.db"),
		"postgres": pg.DSN("postgres"),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			log := &events{}
			a, tsA := gateway(t, s, log)
			b, tsB := gateway(t, s, log)
			tok := signIn(t, tsA)
			for _, g := range []*auth.Server{a, b} {
				if id, err := g.Identify(t.Context(), tok.AccessToken); err != nil || id.Subject != "alice" {
					t.Fatalf("got %+v %v", id, err)
				}
			}
			next := refreshAtOnce(t, tok.RefreshToken, tsA, tsB)
			if r, err := refresh(t.Context(), tsB, next); err != nil || r.status != http.StatusOK {
				t.Fatalf("the successor: %+v %v", r, err)
			}
			if r, err := refresh(t.Context(), tsA, tok.RefreshToken); err != nil || r.Error != "invalid_grant" {
				t.Errorf("the first one again: %+v %v", r, err)
			}
			if _, err := a.Identify(t.Context(), tok.AccessToken); err == nil {
				t.Error("after reuse, the access token still works")
			}
			if got := strings.Join(log.l, ", "); got != "sign-in alice, sign-out alice" {
				t.Errorf("events: %s", got)
			}
		})
	}
}

// refreshAtOnce shows one refresh token to both gateways many times: all who get an
// answer get the same successor; the others are told to try again.
func refreshAtOnce(t *testing.T, token string, servers ...*httptest.Server) (successor string) {
	t.Helper()
	var wg sync.WaitGroup
	replies := make([]reply, 12)
	for i := range replies {
		wg.Go(func() {
			r, err := refresh(t.Context(), servers[i%len(servers)], token)
			if err != nil {
				t.Error(err)
			}
			replies[i] = r
		})
	}
	wg.Wait()
	for _, r := range replies {
		switch {
		case r.status == http.StatusServiceUnavailable:
		case r.status != http.StatusOK || successor != "" && r.Refresh != successor:
			t.Errorf("got %+v, others got %s", r, successor)
		default:
			successor = r.Refresh
		}
	}
	if successor == "" {
		t.Fatal("nobody got an answer")
	}
	return successor
}
