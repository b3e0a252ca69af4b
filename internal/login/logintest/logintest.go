// Package logintest is for tests: a gateway's sign-in endpoints in memory, over TLS.
// It rotates refresh tokens and ends a sign-in whose refresh token comes twice, as a
// real gateway does (RFC 9700 §4.14.2).
package logintest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Gateway is the double. Its fields may be changed under Mu.
type Gateway struct {
	URL    string
	CAFile string         // PEM of its certificate
	Mux    *http.ServeMux // more paths may be added
	Client *http.Client   // trusts it, follows no redirects

	Mu        sync.Mutex
	Discovery map[string]string // what its discovery document says
	Pending   int               // device polls to answer authorization_pending
	Deny      string            // error code the device poll is answered with
	Lifetime  time.Duration     // of access tokens
	Secrets   map[string]string // of service accounts
	Tokens    map[string]string // other issuers' tokens that service accounts sign in with
	Live      map[string]bool   // access tokens
	Refresh   map[string]string // live refresh token -> access token
	Spent     map[string]bool   // refresh tokens used
	Grants    map[string]int    // token requests by grant type
	Revoked   []string          // by token_type_hint
	Reused    int               // refresh tokens that came twice

	n int
}

// New starts a gateway that ends with the test.
func New(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{
		Mux: http.NewServeMux(), Lifetime: time.Hour, Secrets: map[string]string{}, Tokens: map[string]string{}, Live: map[string]bool{},
		Refresh: map[string]string{}, Spent: map[string]bool{}, Grants: map[string]int{},
	}
	srv := httptest.NewTLSServer(g.Mux)
	t.Cleanup(srv.Close)
	g.URL = srv.URL
	g.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(g.CAFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Client = srv.Client()
	g.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	g.Discovery = map[string]string{
		"issuer": g.URL, "token_endpoint": g.URL + "/oauth/token",
		"device_authorization_endpoint": g.URL + "/oauth/device", "revocation_endpoint": g.URL + "/oauth/revoke",
	}
	g.Mux.HandleFunc("GET /.well-known/openid-configuration", g.discovery)
	g.Mux.HandleFunc("POST /oauth/device", g.device)
	g.Mux.HandleFunc("POST /oauth/token", g.token)
	g.Mux.HandleFunc("POST /oauth/revoke", g.revoke)
	return g
}

// Authorized reports whether a request carries a live access token.
func (g *Gateway) Authorized(r *http.Request) bool {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	h := r.Header.Get("Authorization")
	return len(h) > len("Bearer ") && g.Live[h[len("Bearer "):]]
}

// Issue makes a live access token and its refresh token.
func (g *Gateway) Issue() (access, refresh string) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	return g.issue()
}

func (g *Gateway) issue() (access, refresh string) {
	g.n++
	access, refresh = fmt.Sprintf("access-%d", g.n), fmt.Sprintf("refresh-%d", g.n)
	g.Live[access], g.Refresh[refresh] = true, access
	return access, refresh
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (g *Gateway) discovery(w http.ResponseWriter, _ *http.Request) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	reply(w, http.StatusOK, g.Discovery)
}

func (g *Gateway) device(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("client_id") != "hoopctl" {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	g.Mu.Lock()
	defer g.Mu.Unlock()
	uri := g.Discovery["verification_uri"]
	if uri == "" {
		uri = g.URL + "/device"
	}
	reply(w, http.StatusOK, map[string]any{
		"device_code": "device-1", "user_code": "BCDF-GHJK", "verification_uri": uri,
		"verification_uri_complete": uri + "?user_code=BCDF-GHJK", "expires_in": 60, "interval": 1,
	})
}

func (g *Gateway) token(w http.ResponseWriter, r *http.Request) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	grant := r.PostFormValue("grant_type")
	g.Grants[grant]++
	fail := func(status int, code string) { reply(w, status, map[string]string{"error": code}) }
	out := map[string]any{"token_type": "Bearer", "expires_in": int(g.Lifetime.Seconds())}
	switch grant {
	case "urn:ietf:params:oauth:grant-type:device_code":
		if g.Pending > 0 {
			g.Pending--
			fail(http.StatusBadRequest, "authorization_pending")
			return
		}
		if g.Deny != "" {
			fail(http.StatusBadRequest, g.Deny)
			return
		}
		out["access_token"], out["refresh_token"] = g.issue()
	case "refresh_token":
		old := r.PostFormValue("refresh_token")
		access, ok := g.Refresh[old]
		if !ok {
			if g.Spent[old] {
				g.Reused++
				clear(g.Live)
				clear(g.Refresh)
			}
			fail(http.StatusBadRequest, "invalid_grant")
			return
		}
		delete(g.Refresh, old)
		delete(g.Live, access)
		g.Spent[old] = true
		out["access_token"], out["refresh_token"] = g.issue()
	case "client_credentials":
		name, secret, _ := r.BasicAuth()
		accounts := g.Secrets
		if r.PostFormValue("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" && name == "" {
			name, secret, accounts = r.PostFormValue("client_id"), r.PostFormValue("client_assertion"), g.Tokens
		}
		if want, ok := accounts[name]; !ok || want != secret {
			fail(http.StatusUnauthorized, "invalid_client")
			return
		}
		access, refresh := g.issue()
		delete(g.Refresh, refresh)
		out["access_token"] = access
	default:
		fail(http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	reply(w, http.StatusOK, out)
}

func (g *Gateway) revoke(w http.ResponseWriter, r *http.Request) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	g.Revoked = append(g.Revoked, r.PostFormValue("token_type_hint"))
	token := r.PostFormValue("token")
	delete(g.Live, token)
	delete(g.Refresh, token)
	w.WriteHeader(http.StatusOK)
}
