package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

func TestDevice_SignInWithOAuth2Client(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx := oidc.ClientContext(w.ctx(), w.http)
		provider, err := oidc.NewProvider(ctx, issuer) // a stranger's client accepts our discovery
		if err != nil {
			t.Fatal(err)
		}
		conf := w.oauth()
		conf.Endpoint = provider.Endpoint()
		conf.Endpoint.AuthStyle = oauth2.AuthStyleAutoDetect // tries Basic first
		da, err := conf.DeviceAuth(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if da.Interval != 5 || !strings.HasPrefix(da.VerificationURI, issuer+"/device") || len(da.UserCode) != 9 {
			t.Errorf("device authorization: %+v", da)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			advance(12 * time.Second) // two polls find nothing
			if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
				t.Error(err)
			}
		})
		begun := time.Now()
		tok, err := conf.DeviceAccessToken(ctx, da)
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if got, want := time.Since(begun), 15*time.Second; got != want {
			t.Errorf("took %s, want %s: a poll was told to slow down", got, want)
		}
		if got := w.who(tok.AccessToken); got != "alice" {
			t.Errorf("identity: %s", got)
		}
		if tok.RefreshToken == "" || time.Until(tok.Expiry).Round(time.Second) != 5*time.Minute {
			t.Errorf("token: refresh %q, expiry %s", tok.RefreshToken, tok.Expiry)
		}
		raw, _ := tok.Extra("id_token").(string)
		idToken, err := provider.Verifier(&oidc.Config{ClientID: ClientID}).Verify(ctx, raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := idToken.VerifyAccessToken(tok.AccessToken); err != nil {
			t.Error(err)
		}
		var claims struct {
			Name   string
			Groups []string
		}
		if err := idToken.Claims(&claims); err != nil || idToken.Subject != "alice" || claims.Name != "alice" || !slices.Equal(claims.Groups, []string{"agents"}) {
			t.Errorf("ID token: %s %+v %v", idToken.Subject, claims, err)
		}
		if got := w.log.types(); !slices.Equal(got, []string{"sign-in alice"}) {
			t.Errorf("events: %q", got)
		}
	})
}

func TestDevice_PollAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		da := w.begin()
		expect := func(want string) {
			t.Helper()
			a := w.poll(da.DeviceCode)
			if a.Error != want || want != "" && a.Status != http.StatusBadRequest {
				t.Fatalf("poll: %d %q (%s), want %q", a.Status, a.Error, a.Description, want)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers: %v", a.Header)
			}
		}
		expect("authorization_pending")
		advance(5 * time.Second)
		expect("authorization_pending")
		advance(time.Second)
		expect("slow_down")
		advance(5 * time.Second) // not yet: the interval is 10 s now
		expect("slow_down")
		advance(15 * time.Second)
		expect("authorization_pending")
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
			t.Fatal(err)
		}
		expect("")
		expect("invalid_grant") // burnt

		da = w.begin()
		advance(10*time.Minute + time.Second)
		expect("expired_token")

		da = w.begin()
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "bob", false); err != nil {
			t.Fatal(err)
		}
		expect("access_denied")
		if got := w.log.last(); got != "sign-in-failed bob: denied in the browser" {
			t.Errorf("event: %s", got)
		}

		da.DeviceCode = random()
		expect("invalid_grant")
		da.DeviceCode = strings.Repeat("x", 9000)
		expect("invalid_grant")
	})
}

func TestDevice_ApprovedButTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		da := w.begin()
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
			t.Fatal(err)
		}
		advance(11 * time.Minute)
		if a := w.poll(da.DeviceCode); a.Error != "expired_token" {
			t.Errorf("got %q", a.Error)
		}
	})
}

// Whoever is disabled has approved nothing that a device may still fetch.
func TestDevice_DisabledMeanwhile(t *testing.T) {
	disable := func(w *world) {
		if _, err := w.Disable(w.t.Context(), "alice", "left"); err != nil {
			w.t.Error(err)
		}
	}
	for what, tt := range map[string]struct {
		during bool // while the sign-in is being stored
		want   string
	}{
		"before": {false, "access_denied"}, "during": {true, "invalid_grant"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			da := w.begin()
			if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
				t.Fatal(err)
			}
			if !tt.during {
				disable(w)
			}
			w.log.Before(func(e hoop.Event) {
				if e.Type == hoop.EventSignIn {
					disable(w)
				}
			})
			if a := w.poll(da.DeviceCode); a.Error != tt.want || a.Access != "" {
				t.Errorf("got %+v", a)
			}
			if f, err := w.store.Families(t.Context(), "alice", time.Now()); err != nil || len(f) != 0 {
				t.Errorf("%d sign-ins, %v", len(f), err)
			}
		})
	}
}

func TestDevice_OnePollWins(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() { answers[i] = w.poll(da.DeviceCode) })
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		if a.Access != "" {
			won++
		} else if a.Error != "invalid_grant" {
			t.Errorf("got %q", a.Error)
		}
	}
	if won != 1 {
		t.Errorf("%d polls got tokens, want 1", won)
	}
}

func TestDevice_NoRefreshTokenUnlessAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		conf := w.oauth()
		conf.Scopes = []string{"openid", "admin"}
		da, err := conf.DeviceAuth(w.ctx())
		if err != nil {
			t.Fatal(err)
		}
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
			t.Fatal(err)
		}
		tok, err := conf.DeviceAccessToken(w.ctx(), da)
		if err != nil {
			t.Fatal(err)
		}
		if tok.RefreshToken != "" || tok.Extra("scope") != "openid" {
			t.Errorf("refresh %q, scope %q", tok.RefreshToken, tok.Extra("scope"))
		}
		advance(5 * time.Minute)
		if got := w.who(tok.AccessToken); got != "unauthenticated" {
			t.Errorf("after its life: %s", got)
		}
	})
}

func TestDevice_UnrecordedIsRefused(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true); err != nil {
		t.Fatal(err)
	}
	w.log.Fail(errors.New("disk full at /var/lib/secret-place"))
	a := w.poll(da.DeviceCode)
	if a.Status != http.StatusServiceUnavailable || a.Access != "" || strings.Contains(a.Description, "disk") {
		t.Errorf("got %+v", a)
	}
	if !strings.Contains(w.logs.String(), "disk full") {
		t.Error("the cause is not in the log")
	}
	if len(w.store.families) != 0 {
		t.Error("a sign-in is stored that was not recorded")
	}
	w.log.Fail(nil)
	if a := w.poll(da.DeviceCode); a.Error != "invalid_grant" { // burnt: start again
		t.Errorf("got %+v", a)
	}
}

func TestDevice_StoreFailureTellsNothing(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	w.store.fail = func(string) error { return errors.New("dial tcp 10.0.0.3:5432: refused") }
	a := w.poll(da.DeviceCode)
	if a.Status != http.StatusInternalServerError || a.Error != "server_error" || strings.Contains(a.Description, "10.0.0.3") {
		t.Errorf("got %+v", a)
	}
}

func TestDevice_BeginIsLimited(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) { o.Limits.DevicesPerIP = 3 })
	form := url.Values{"client_id": {ClientID}}
	for range 3 {
		if a := w.post(pathDevice, form); a.Status != http.StatusOK {
			t.Fatalf("got %+v", a)
		}
	}
	if a := w.post(pathDevice, form); a.Status != http.StatusTooManyRequests || a.Error != "slow_down" || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %+v", a)
	}
	w.wire.from = "198.51.100.1"
	if a := w.post(pathDevice, form); a.Status != http.StatusOK {
		t.Errorf("another address: %+v", a)
	}
}

func TestOAuth_RefusedRequests(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "s3cret")
	device := "urn:ietf:params:oauth:grant-type:device_code"
	post := func(target, ct, body string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", ct)
		return req
	}
	const form = "application/x-www-form-urlencoded"
	basic := post(pathToken, form, "grant_type="+device+"&device_code=x")
	basic.SetBasicAuth(ClientID, "")
	twoWays := post(pathToken, form, "grant_type=client_credentials&client_id=ci-agent&client_secret=s3cret")
	twoWays.SetBasicAuth("ci-agent", "s3cret")
	twoNames := post(pathToken, form, "grant_type=client_credentials&client_id=other")
	twoNames.SetBasicAuth("ci-agent", "s3cret")
	bearer := post(pathToken, form, "grant_type=refresh_token&client_id=hoopctl&refresh_token=x")
	bearer.Header.Set("Authorization", "Bearer x")
	get := post(pathToken, form, "")
	get.Method = http.MethodGet
	for name, c := range map[string]struct {
		req    *http.Request
		status int
		code   string
	}{
		"secret in the URL":         {post(pathToken+"?client_secret=s3cret", form, "grant_type=client_credentials&client_id=ci-agent"), 400, "invalid_request"},
		"not a form":                {post(pathToken, "application/json", `{"grant_type":"refresh_token"}`), 400, "invalid_request"},
		"parameter twice":           {post(pathToken, form, "client_id=hoopctl&client_id=ci-agent&grant_type=refresh_token&refresh_token=x"), 400, "invalid_request"},
		"too large":                 {post(pathToken, form, "a="+strings.Repeat("b", maxBody)), 400, "invalid_request"},
		"no grant type":             {post(pathToken, form, "client_id=hoopctl"), 400, "invalid_request"},
		"unknown grant type":        {post(pathToken, form, "client_id=hoopctl&grant_type=password&username=a&password=b"), 400, "unsupported_grant_type"},
		"code flow":                 {post(pathToken, form, "client_id=hoopctl&grant_type=authorization_code&code=x&redirect_uri=y"), 400, "unsupported_grant_type"},
		"jwt bearer":                {post(pathToken, form, "client_id=hoopctl&grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x"), 400, "unsupported_grant_type"},
		"public client with basic":  {basic, 401, "invalid_client"},
		"public client with secret": {post(pathToken, form, "client_id=hoopctl&client_secret=x&grant_type="+device+"&device_code=x"), 401, "invalid_client"},
		"unknown public client":     {post(pathDevice, form, "client_id=somebody"), 401, "invalid_client"},
		"account without secret":    {post(pathToken, form, "client_id=ci-agent&grant_type=client_credentials"), 401, "invalid_client"},
		"hoopctl as an account":     {post(pathToken, form, "client_id=hoopctl&grant_type=client_credentials"), 400, "unauthorized_client"},
		"account wants a device":    {post(pathDevice, form, "client_id=ci-agent&client_secret=s3cret&grant_type="+device), 400, "unauthorized_client"},
		"account begins a device":   {post(pathDevice, form, "client_id=ci-agent&client_secret=s3cret"), 400, "unauthorized_client"},
		"no client":                 {post(pathToken, form, "grant_type=refresh_token&refresh_token=x"), 401, "invalid_client"},
		"client assertion":          {post(pathToken, form, "client_assertion=x&client_assertion_type=y&grant_type=client_credentials"), 401, "invalid_client"},
		"two ways":                  {twoWays, 400, "invalid_request"},
		"two names":                 {twoNames, 401, "invalid_client"},
		"bearer":                    {bearer, 401, "invalid_client"},
		"revoke nothing":            {post(pathRevoke, form, "client_id=hoopctl"), 400, "invalid_request"},
		"GET":                       {get, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.do(c.req)
			if a.Status != c.status || a.Error != c.code {
				t.Errorf("got %d %q (%s), want %d %q", a.Status, a.Error, a.Description, c.status, c.code)
			}
		})
	}
}
