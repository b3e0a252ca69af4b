package auth

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crewjam/saml"

	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

// cookies gives a request with what a browser would send.
func asBrowser(b *authtest.Browser) *http.Request {
	r := httptest.NewRequest(http.MethodGet, issuer+"/", nil)
	u, _ := url.Parse(issuer)
	for _, c := range b.Client.Jar.Cookies(u) {
		r.AddCookie(c)
	}
	return r
}

func enterWeb(t *testing.T, b *authtest.Browser, user string) {
	t.Helper()
	if err := b.Open(t.Context(), issuer+PathSignIn+"?next=/requests/17"); err != nil {
		t.Fatal(err)
	}
	_ = b.Submit(t.Context(), "/signin/dev", url.Values{"user": {user}}) // the page it leads to is the web UI's
}

func TestWeb_SignsABrowserInAndOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		if _, err := w.Browser(asBrowser(b)); err == nil {
			t.Error("signed in before signing in")
		}
		enterWeb(t, b, "bob")
		if b.URL.Path != "/requests/17" {
			t.Errorf("led to %s", b.URL)
		}
		in, err := w.Browser(asBrowser(b))
		if err != nil || in.Identity.Subject != "bob" || in.CSRF == "" {
			t.Fatalf("got %+v, %v", in, err)
		}
		if _, err := w.Identify(t.Context(), in.Token); err == nil {
			t.Error("a browser's token is good for the API")
		}
		if id, err := w.Current(t.Context(), "bob"); err != nil || !slices.Contains(id.Groups, "dba") {
			t.Errorf("current: %+v, %v", id, err)
		}
		advance(webLife - time.Second)
		if _, err := w.Browser(asBrowser(b)); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		rec := httptest.NewRecorder()
		if err := w.SignOut(rec, asBrowser(b), in); err != nil {
			t.Fatal(err)
		}
		if got := rec.Header().Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") || !strings.Contains(got, "HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("cookie %s", got)
		}
		if _, err := w.Browser(asBrowser(b)); err == nil {
			t.Error("signed in after signing out")
		}
		if id, err := w.Current(t.Context(), "bob"); err == nil {
			t.Errorf("current after signing out: %+v", id)
		}
		if got := w.log.types(); !slices.Equal(got, []string{"sign-in bob", "sign-out bob: signed out"}) {
			t.Errorf("events %v", got)
		}
	})
}

func TestWeb_EndsWithItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		enterWeb(t, b, "bob")
		in, err := w.Browser(asBrowser(b))
		if err != nil {
			t.Fatal(err)
		}
		advance(webLife)
		if _, err := w.IdentifyBrowser(t.Context(), in.Token); err == nil {
			t.Error("still signed in")
		}
	})
}

// Somebody who begins a sign-in and has another person finish it gains nothing: neither
// is their browser signed in, nor the other one in their name.
func TestWeb_OnlyTheBrowserThatBeganSignsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		evil, victim := w.browser(), w.browser()
		if err := evil.Open(t.Context(), issuer+PathSignIn); err != nil {
			t.Fatal(err)
		}
		form, _ := evil.Form("/signin/dev")
		if err := victim.Open(t.Context(), issuer+"/device"); err != nil {
			t.Fatal(err)
		}
		if err := victim.Submit(t.Context(), "/device", url.Values{"user_code": {form.Get("user_code")}}); err != nil {
			t.Fatal(err)
		}
		mustFail(t, victim.Submit(t.Context(), "/signin/dev", url.Values{"user": {"bob"}}), "has not signed in for this code")
		for _, b := range []*authtest.Browser{evil, victim} {
			if in, err := w.Browser(asBrowser(b)); err == nil {
				t.Errorf("signed in as %s", in.Identity.Subject)
			}
		}
	})
}

func TestWeb_LeadsBackToThisSiteOnly(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/requests": true, "/requests/17": true, "/sessions/0abc-1": true,
		"//evil.example": false, "/\\evil": false, "https://evil.example": false, "/a/b/c": false, "/requests/../x": false, "/a?b=c": false, "": false,
	} {
		if got := local.MatchString(path); got != want {
			t.Errorf("%q: got %v", path, got)
		}
	}
}

// Whoever is to sign in again is asked for the credentials by the provider, which must say
// so; one that only knows the browser is refused, and an ordinary sign-in there is as old as
// the provider says, or unknown.
func TestWeb_SignsInAgainAtOIDC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		var asked url.Values
		fresh := true
		handler := w.wire.hosts["idp.test"]
		w.wire.hosts["idp.test"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/authorize" {
				asked = r.URL.Query()
			}
			handler.ServeHTTP(rw, r)
		})
		p.authTime = func(at time.Time) time.Time {
			if !fresh {
				return at.Add(-2 * time.Hour)
			}
			return at
		}
		enter := func(b *authtest.Browser, again string) {
			t.Helper()
			if err := b.Open(t.Context(), issuer+PathSignIn+"?next=/requests/17"+again); err != nil {
				t.Fatal(err)
			}
			_ = b.Open(t.Context(), b.Links()[0]) // the page it leads to is the web UI's
		}
		b := w.browser()
		enter(b, "")
		if in, err := w.Browser(asBrowser(b)); err != nil || !in.SignedInAt.Equal(time.Now().Truncate(time.Second)) || asked.Has("prompt") || asked.Has("max_age") {
			t.Errorf("signed in at %v, %v; asked %v", in.SignedInAt, err, asked)
		}
		fresh = false
		b = w.browser()
		enter(b, "")
		if in, err := w.Browser(asBrowser(b)); err != nil || time.Since(in.SignedInAt) < 2*time.Hour {
			t.Errorf("known to the provider for two hours, signed in at %v, %v", in.SignedInAt, err)
		}
		b = w.browser()
		enter(b, "&again=1")
		if asked.Get("prompt") != "login" || asked.Get("max_age") != "0" {
			t.Errorf("asked %v", asked)
		}
		if _, err := w.Browser(asBrowser(b)); err == nil || !strings.Contains(b.Text, "did not sign you in") {
			t.Errorf("the provider asked for nothing: %v, %s", err, b.Text)
		}
		fresh = true
		enter(b, "&again=1")
		if in, err := w.Browser(asBrowser(b)); err != nil || time.Since(in.SignedInAt) > time.Second {
			t.Errorf("signed in at %v, %v", in.SignedInAt, err)
		}
		p.authTime = func(time.Time) time.Time { return time.Time{} }
		b = w.browser()
		enter(b, "")
		if in, err := w.Browser(asBrowser(b)); err != nil || !in.SignedInAt.IsZero() {
			t.Errorf("a provider that does not say: signed in at %v, %v", in.SignedInAt, err)
		}
		enter(w.browser(), "&again=1")
		if got := w.log.last(); !strings.Contains(got, "answer refused") {
			t.Errorf("a provider that does not say: %s", got)
		}
	})
}

func TestWeb_SignsInAgainAtSAML(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idp, with := withSAML(t)
		w := newWorld(t, with)
		var asked string
		handler := w.wire.hosts["saml.test"]
		w.wire.hosts["saml.test"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if req := r.URL.Query().Get("SAMLRequest"); req != "" {
				asked = inflate(t, req)
			}
			handler.ServeHTTP(rw, r)
		})
		enter := func(b *authtest.Browser, again string) {
			t.Helper()
			if err := b.Open(t.Context(), issuer+PathSignIn+"?next=/requests/17"+again); err != nil {
				t.Fatal(err)
			}
			_ = w.deliver(b, w.response(b, b.Links()[0])) // the page it leads to is the web UI's
		}
		b := w.browser()
		enter(b, "")
		if in, err := w.Browser(asBrowser(b)); err != nil || time.Since(in.SignedInAt) > time.Minute || strings.Contains(asked, "ForceAuthn") {
			t.Errorf("signed in at %v, %v; asked %s", in.SignedInAt, err, asked)
		}
		b = w.browser()
		enter(b, "&again=1")
		if in, err := w.Browser(asBrowser(b)); err != nil || time.Since(in.SignedInAt) > time.Minute || !strings.Contains(asked, `ForceAuthn="true"`) {
			t.Errorf("signed in again at %v, %v; asked %s", in.SignedInAt, err, asked)
		}
		idp.change = func(a *saml.Assertion) {
			for i := range a.AuthnStatements {
				a.AuthnStatements[i].AuthnInstant = time.Now().Add(-2 * time.Hour)
			}
		}
		b = w.browser()
		enter(b, "&again=1")
		if _, err := w.Browser(asBrowser(b)); err == nil || !strings.Contains(b.Text, "did not sign you in") {
			t.Errorf("the provider asked for nothing: %v, %s", err, b.Text)
		}
	})
}

// inflate reads a request of the binding HTTP-Redirect (SAML Bindings 2.0 §3.4.4.1).
func inflate(t *testing.T, request string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(request)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}
