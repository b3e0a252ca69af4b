package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

// enter opens the page for a code and submits it.
func enter(t *testing.T, b *authtest.Browser, code string) error {
	t.Helper()
	if err := b.Open(t.Context(), issuer+"/device"); err != nil {
		t.Fatal(err)
	}
	return b.Submit(t.Context(), "/device", url.Values{"user_code": {code}})
}

func TestPages_ConfirmationShowsWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		da, err := w.oauth().DeviceAuth(w.ctx(), oauthParam("device_name", "<b>alices-laptop</b>\u202e\x00\u3164\ufe0f (linux)"))
		if err != nil {
			t.Fatal(err)
		}
		w.wire.from = "198.51.100.9" // the browser is somewhere else
		b := w.browser()
		if err := b.Open(t.Context(), da.VerificationURIComplete); err != nil {
			t.Fatal(err)
		}
		form, _ := b.Form("/device")
		if form.Get("user_code") != da.UserCode {
			t.Errorf("the code is not filled in: %v", form)
		}
		if err := b.Submit(t.Context(), "/device", nil); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"alice agents", "bob dba, agents", "carol compliance"} {
			if !strings.Contains(b.Text, user) {
				t.Errorf("sign-in page does not offer %q: %s", user, b.Text)
			}
		}
		if err := b.Submit(t.Context(), "/signin/dev", url.Values{"user": {"bob"}}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"act as you, bob", da.UserCode, "hoopctl", "<b>alices-laptop</b> (linux)", "192.0.2.7", "2000-01-01 00:00:00 UTC", "another address"} {
			if !strings.Contains(b.Text, want) {
				t.Errorf("no %q in: %s", want, b.Text)
			}
		}
		if err := b.Submit(t.Context(), "/device/confirm", url.Values{"action": {"approve"}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.Text, "Signed in") {
			t.Errorf("done page: %s", b.Text)
		}
		if a := w.poll(da.DeviceCode); w.who(a.Access) != "bob" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestPages_WrongCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		used, denied, expired := w.begin(), w.begin(), w.begin()
		b := w.browser()
		if err := authtest.SignIn(t.Context(), w.http, used.VerificationURIComplete, "alice", true); err != nil {
			t.Fatal(err)
		}
		mustFail(t, enter(t, b, used.UserCode), "This code was used already.") // approved is enough
		w.poll(used.DeviceCode)
		mustFail(t, enter(t, b, used.UserCode), "This code was used already.")
		if err := authtest.SignIn(t.Context(), w.http, denied.VerificationURIComplete, "alice", false); err != nil {
			t.Fatal(err)
		}
		mustFail(t, enter(t, b, denied.UserCode), "This sign-in was denied.")
		mustFail(t, enter(t, b, "BCDF-GHJK"), "This code is unknown.")
		mustFail(t, enter(t, b, "not a code"), "That is not a code")
		mustFail(t, enter(t, b, ""), "That is not a code")
		advance(10 * time.Minute)
		mustFail(t, enter(t, b, expired.UserCode), "This code has expired.")
		if b.Status != http.StatusForbidden {
			t.Errorf("status %d", b.Status)
		}
		if form, ok := b.Form("/device"); !ok || form.Get("csrf") == "" {
			t.Error("the page offers no second try")
		}
	})
}

func TestPages_ExpiresBetweenPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		da := w.begin()
		b := w.browser()
		if err := enter(t, b, da.UserCode); err != nil {
			t.Fatal(err)
		}
		if err := b.Submit(t.Context(), "/signin/dev", url.Values{"user": {"alice"}}); err != nil {
			t.Fatal(err)
		}
		advance(10 * time.Minute)
		mustFail(t, b.Submit(t.Context(), "/device/confirm", url.Values{"action": {"approve"}}), "This code has expired.")
		if a := w.poll(da.DeviceCode); a.Error != "expired_token" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestPages_GuessingIsLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		da := w.begin()
		b := w.browser()
		for range 10 {
			mustFail(t, enter(t, b, "BCDF-GHJK"), "This code is unknown.")
		}
		mustFail(t, enter(t, b, da.UserCode), "Too many attempts failed. Try again in 10 minutes.") // the right one too
		if b.Status != http.StatusTooManyRequests {
			t.Errorf("status %d", b.Status)
		}
		// No other page is a way round.
		for path, form := range map[string]url.Values{
			"/signin/dev":     {"user": {"alice"}},
			"/device/confirm": {"action": {"approve"}},
		} {
			f, _ := b.Form("/device")
			form.Set("csrf", f.Get("csrf"))
			form.Set("user_code", da.UserCode)
			page := *b
			mustFail(t, page.Post(t.Context(), path, form), "Too many attempts failed.")
		}
		page := *b
		mustFail(t, page.Open(t.Context(), "/device/confirm?user_code="+da.UserCode), "Too many attempts failed.")
		if got := w.log.types(); len(got) != 10 || got[9] != "sign-in-failed: wrong user code; further attempts are refused for a while" {
			t.Errorf("events: %q", got)
		}
		w.wire.from = "198.51.100.1"
		if err := enter(t, w.browser(), da.UserCode); err != nil {
			t.Errorf("another address: %v", err)
		}
		w.wire.from = "192.0.2.7"
		advance(10 * time.Minute)
		if err := enter(t, b, w.begin().UserCode); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
	})
}

func TestPages_GuessingFromEverywhereIsLockedOut(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) { o.Limits.CodesInAll = 20 })
	b := w.browser()
	for i := range 20 {
		w.wire.from = "2001:db8:" + string(rune('a'+i%6)) + string(rune('0'+i/6)) + "::1"
		mustFail(t, enter(t, b, "BCDF-GHJK"), "This code is unknown.")
	}
	w.wire.from = "198.51.100.1"
	mustFail(t, enter(t, b, "BCDF-GHJK"), "Too many attempts failed.")
}

func TestPages_ForgedForms(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	b, other := w.browser(), w.browser()
	if err := enter(t, b, da.UserCode); err != nil {
		t.Fatal(err)
	}
	if err := enter(t, other, da.UserCode); err != nil {
		t.Fatal(err)
	}
	mine, _ := b.Form("/signin/dev")
	theirs, _ := other.Form("/signin/dev")
	const refused = "This form is out of date or came from another site."
	form := url.Values{"user": {"alice"}, "user_code": {da.UserCode}}
	mustFail(t, b.Post(t.Context(), "/signin/dev", form), refused)
	form.Set("csrf", theirs.Get("csrf"))
	mustFail(t, b.Post(t.Context(), "/signin/dev", form), refused)
	form.Set("csrf", mine.Get("csrf"))
	mustFail(t, w.browser().Post(t.Context(), issuer+"/signin/dev", form), refused) // no cookie
	for _, path := range []string{"/device", "/device/confirm"} {
		mustFail(t, b.Post(t.Context(), path, url.Values{"user_code": {da.UserCode}, "action": {"approve"}}), refused)
	}
	// Even with cookie and token, a browser that says the form is another site's is believed.
	b.Client.Transport = header{w.wire, "Sec-Fetch-Site", "cross-site"}
	mustFail(t, b.Post(t.Context(), "/signin/dev", form), refused)
	b.Client.Transport = header{w.wire, "Origin", "https://evil.test"}
	mustFail(t, b.Post(t.Context(), "/signin/dev", form), refused)
	b.Client.Transport = header{w.wire, "Sec-Fetch-Site", "same-origin"}
	if err := b.Post(t.Context(), "/signin/dev", form); err != nil {
		t.Errorf("our own form: %v", err)
	}
}

// header adds a header to each request.
type header [3]any

func (h header) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(h[1].(string), h[2].(string))
	return h[0].(*wire).RoundTrip(r)
}

func TestPages_OnlyTheBrowserThatSignedInApproves(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	alice, mallory := w.browser(), w.browser()
	if err := enter(t, alice, da.UserCode); err != nil {
		t.Fatal(err)
	}
	if err := enter(t, mallory, da.UserCode); err != nil {
		t.Fatal(err)
	}
	const refused = "This browser has not signed in for this code."
	approve := func(b *authtest.Browser) error {
		form, _ := b.Form("/signin/dev")
		if form == nil {
			form, _ = b.Form("/device/confirm")
		}
		form.Set("action", "approve")
		page := *b
		return page.Post(t.Context(), "/device/confirm", form)
	}
	mustFail(t, approve(alice), refused) // not signed in yet
	signInAs := func(b *authtest.Browser, user string) {
		if err := b.Submit(t.Context(), "/signin/dev", url.Values{"user": {user}}); err != nil {
			t.Fatal(err)
		}
	}
	signInAs(alice, "alice")
	mustFail(t, approve(mallory), refused)
	page := *mallory
	mustFail(t, page.Open(t.Context(), "/device/confirm?user_code="+da.UserCode), refused)
	signInAs(mallory, "carol") // takes the code over, as herself
	mustFail(t, approve(alice), refused)
	if err := approve(mallory); err != nil {
		t.Fatal(err)
	}
	if a := w.poll(da.DeviceCode); w.who(a.Access) != "carol" {
		t.Errorf("got %+v", a)
	}
}

func TestPages_StrangeForms(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	b := w.browser()
	if err := enter(t, b, da.UserCode); err != nil {
		t.Fatal(err)
	}
	page := *b
	mustFail(t, page.Submit(t.Context(), "/signin/dev", url.Values{"user": {"root"}}), "There is no such user here.")
	page = *b
	mustFail(t, page.Submit(t.Context(), "/signin/dev", url.Values{"pad": {strings.Repeat("x", maxBody)}}), "This form is not one of ours.")
	if err := b.Submit(t.Context(), "/signin/dev", url.Values{"user": {"alice"}}); err != nil {
		t.Fatal(err)
	}
	page = *b
	mustFail(t, page.Submit(t.Context(), "/device/confirm", url.Values{"action": {"maybe"}}), "This form is not one of ours.")
	if err := b.Submit(t.Context(), "/device/confirm", url.Values{"action": {"approve"}}); err != nil {
		t.Fatal(err)
	}
}

func TestPages_SampleUsersOnlyWhereConfigured(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) {
		o.DevUsers = nil
		o.Providers = []OIDC{{Name: "corp", Issuer: "https://idp.example", ClientID: "hoop"}}
	})
	da := w.begin()
	b := w.browser()
	if err := enter(t, b, da.UserCode); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Form("/signin/dev"); ok {
		t.Error("there is a form for sample users")
	}
	if err := b.Open(t.Context(), "/device"); err != nil {
		t.Fatal(err)
	}
	form, _ := b.Form("/device")
	form.Set("user_code", da.UserCode)
	form.Set("user", "alice")
	mustFail(t, b.Post(t.Context(), "/signin/dev", form), "404")
}

func TestDevice_RefusedAtOnceWhereNobodyCouldApprove(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) { o.DevUsers = nil })
	_, err := w.oauth().DeviceAuth(w.ctx())
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) || e.ErrorCode != "unauthorized_client" {
		t.Errorf("without a provider: %v, want unauthorized_client", err)
	}
}

func TestPages_HeadersAndCookie(t *testing.T) {
	w := newWorld(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/device?user_code=%3Cscript%3E", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	csp := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'", "style-src 'sha256-"} {
		if !strings.Contains(csp, want) {
			t.Errorf("no %s in %s", want, csp)
		}
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, style, _ := strings.Cut(string(page), "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if style == "" || !strings.Contains(csp, base64.StdEncoding.EncodeToString(sum[:])) {
		t.Error("the policy does not let browsers use the page's style")
	}
	if strings.Contains(string(page), "<script") || strings.Contains(string(page), " style=") {
		t.Error("the page has what the policy forbids")
	}
	for k, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
	} {
		if got := resp.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	c := resp.Cookies()
	if len(c) != 1 || c[0].Name != "__Host-hoop" || !c[0].HttpOnly || !c[0].Secure || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].Domain != "" {
		t.Errorf("cookies: %v", c)
	}
}

func TestPages_StoreFailureTellsNothing(t *testing.T) {
	w := newWorld(t)
	da := w.begin()
	w.store.fail = func(string) error { return errors.New("dial tcp 10.0.0.3:5432: refused") }
	b := w.browser()
	mustFail(t, enter(t, b, da.UserCode), "The gateway met a fault of its own")
	if strings.Contains(b.Text, "10.0.0.3") || b.Status != http.StatusInternalServerError {
		t.Errorf("%d: %s", b.Status, b.Text)
	}
}

func TestUserCode_Forms(t *testing.T) {
	for _, s := range []string{"bcdfghjk", " BCDF-GHJK ", "b-c-d-f-g-h-j-k", "BCDF GHJK", "bcdf_ghjk"} {
		if got, ok := parseUserCode(s); !ok || got != "BCDF-GHJK" {
			t.Errorf("%q: %q %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "BCDFGHJ", "BCDFGHJKL", "ABCDFGHJ", "BCDFGHJ1", "BCDF\x00GHJK", "ｂCDFGHJK", strings.Repeat(" ", 100) + "BCDFGHJK"} {
		if got, ok := parseUserCode(s); ok {
			t.Errorf("%q became %q", s, got)
		}
	}
	seen := map[rune]int{}
	for range 2000 {
		code := newUserCode()
		if got, ok := parseUserCode(code); !ok || got != code {
			t.Fatalf("made %q", code)
		}
		for _, c := range code {
			seen[c]++
		}
	}
	for _, c := range userCodeLetters {
		if n := seen[c]; n < 600 || n > 1000 {
			t.Errorf("%c came %d times of 16000, want about 800", c, n)
		}
	}
}

func FuzzUserCode(f *testing.F) {
	for _, s := range []string{"BCDF-GHJK", "bcdfghjk", "", "----", "BCDF-GHJK-", "ſßıK"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := parseUserCode(s)
		if !ok {
			return
		}
		if again, ok := parseUserCode(code); !ok || again != code || len(code) != userCodeLen+1 {
			t.Errorf("%q became %q became %q", s, code, again)
		}
	})
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"laptop", "a\u202eb", "a\u3164\u2800\ufe0f", "\x00\xff\n", strings.Repeat("é", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := clean(s, 20)
		if n := len([]rune(c)); n > 21 {
			t.Errorf("%d characters", n)
		}
		if again := clean(c, 21); again != c {
			t.Errorf("%q became %q", c, again)
		}
		if strings.ContainsAny(c, "\n\r\x00\x1b\u202e\u200b\u3164\u2800\ufe0f") {
			t.Errorf("%q", c)
		}
	})
}

// Whatever a stranger sends to the endpoints, the answer is an error of theirs.
func FuzzEndpoints(f *testing.F) {
	f.Add(pathToken, "grant_type=refresh_token&client_id=hoopctl&refresh_token=hoopr_x", "")
	f.Add(pathToken, "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=hoopctl&device_code=%00", "")
	f.Add(pathToken, "grant_type=client_credentials&client_id=a&client_secret=b", "")
	f.Add(pathRevoke, "client_id=hoopctl&token=%ff", "")
	f.Add(pathDevice, "client_id=hoopctl&scope=openid+openid&device_name=%f0", "")
	f.Add("/device", "user_code=BCDFGHJK", "__Host-hoop=x")
	f.Add("/signin/oidc/corp/callback", "state=x", "__Host-hoop-flow=AAAA")
	w := newWorld(&testing.T{})
	f.Fuzz(func(t *testing.T, path, body, cookie string) {
		if !slices.Contains([]string{pathToken, pathRevoke, pathDevice, "/device", "/signin/dev", "/device/confirm"}, path) {
			return
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, issuer+path, strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Cookie", cookie)
		resp, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 500 {
			t.Errorf("%s %q: %s", path, body, resp.Status)
		}
	})
}
