package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

// idp is a real OpenID provider, whose directory the test changes.
type idp struct {
	*storage.Storage
	handler http.Handler

	mu        sync.Mutex
	user      string   // who signs in; nobody where empty
	subject   string   // who that is, where set
	groups    any      // the groups claim
	inID      bool     // the claim is in the ID token; else in userinfo only
	disabled  bool     // refresh tokens are refused
	refreshes []string // the refresh tokens seen
	asked     func()   // called at each refresh, where set
	// authTime is what it says of when it asked for the password, where set; zero: nothing.
	authTime func(at time.Time) time.Time
}

// claimed is a sign-in whose time the test sets.
type claimed struct {
	op.AuthRequest
	at time.Time
}

func (c claimed) GetAuthTime() time.Time { return c.at }

func (p *idp) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := p.Storage.AuthRequestByCode(ctx, code)
	if err != nil || p.authTime == nil {
		return r, err
	}
	return claimed{r, p.authTime(r.GetAuthTime())}, nil
}

const idpIssuer = "https://idp.test"

func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{user: "test-user2", groups: []string{"agents", "staff"}, inID: true}
	p.Storage = storage.NewStorageWithClients(storage.NewUserStore(idpIssuer), map[string]*storage.Client{
		"hoop": storage.WebClient("hoop", "idp-client-secret", issuer+"/signin/oidc/corp/callback"),
	})
	provider, err := op.NewProvider(&op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true}, p, op.StaticIssuer(idpIssuer))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login/username", func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("authRequestID")
		p.mu.Lock()
		user := p.user
		p.mu.Unlock()
		if err := p.CheckUsernamePassword(user, "verysecure", id); err != nil {
			http.Redirect(w, r, issuer+"/signin/oidc/corp/callback?error=access_denied", http.StatusFound)
			return
		}
		http.Redirect(w, r, op.AuthCallbackURL(provider)(op.ContextWithIssuer(r.Context(), idpIssuer), id), http.StatusFound)
	})
	mux.Handle("/", provider)
	p.handler = mux
	return p
}

func (p *idp) set(f func(*idp)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *idp) SetUserinfoFromRequest(ctx context.Context, u *zoidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inID && p.groups != nil {
		u.AppendClaims("groups", p.groups)
	}
	err := p.Storage.SetUserinfoFromRequest(ctx, u, r, scopes)
	if p.subject != "" {
		u.Subject = p.subject
	}
	return err
}

func (p *idp) SetUserinfoFromToken(ctx context.Context, u *zoidc.UserInfo, id, subject, origin string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.groups != nil {
		u.AppendClaims("groups", p.groups)
	}
	return p.Storage.SetUserinfoFromToken(ctx, u, id, subject, origin)
}

func (p *idp) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	if p.asked != nil {
		p.asked()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshes = append(p.refreshes, token)
	if p.disabled {
		return nil, errors.New("the account is disabled")
	}
	return p.Storage.TokenRequestByRefreshToken(ctx, token)
}

func withIDP(t *testing.T, p *idp) func(*world, *Options) {
	return func(w *world, o *Options) {
		w.wire.hosts["idp.test"] = p.handler
		o.Providers = []OIDC{{Name: "corp", Label: "Corp", Issuer: idpIssuer, ClientID: "hoop", ClientSecret: "idp-client-secret", Client: w.http}}
		o.DevUsers = nil
	}
}

func TestUpstream_SignInRefreshAndGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		if err := CheckOIDC(t.Context(), w.o.Providers[0], issuer); err != nil {
			t.Fatal(err)
		}
		tok := w.signIn("")
		id, err := w.Identify(t.Context(), tok.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		want := hoop.Identity{Subject: "corp:id2", Kind: hoop.Human, Provider: "corp", Groups: []string{"agents", "staff"}}
		if id.Subject != want.Subject || id.Kind != want.Kind || id.Provider != want.Provider || !slices.Equal(id.Groups, want.Groups) {
			t.Errorf("got %+v", id)
		}
		p.set(func(p *idp) { p.groups = []string{"staff"} })
		refresh := tok.RefreshToken
		for range 3 {
			advance(4 * time.Minute)
			a := w.refreshWith(refresh)
			if a.Status != http.StatusOK {
				t.Fatalf("got %+v", a)
			}
			refresh = a.Refresh
			if id, err := w.Identify(t.Context(), a.Access); err != nil || !slices.Equal(id.Groups, []string{"staff"}) {
				t.Errorf("groups after a refresh: %v %v", id.Groups, err)
			}
		}
		if len(w.changed) != 1 || !slices.Equal(w.changed[0].Groups, []string{"staff"}) {
			t.Errorf("told of changes: %+v", w.changed)
		}
		p.set(func(p *idp) { p.disabled = true })
		advance(4 * time.Minute)
		if a := w.refreshWith(refresh); a.Error != "invalid_grant" {
			t.Errorf("after the account was disabled: %+v", a)
		}
		if got := w.cut(); !slices.Equal(got, []string{"corp:id2"}) {
			t.Errorf("cut: %q", got)
		}
		if got := w.log.last(); got != "sign-out corp:id2: refused by the identity provider" {
			t.Errorf("event: %s", got)
		}
		seen := slices.Clone(p.refreshes)
		if slices.Sort(seen); len(slices.Compact(seen)) != 4 {
			t.Errorf("refresh tokens shown to the provider: %q, want each once", p.refreshes)
		}
	})
}

// What the provider says of one sign-in counts for the others of the same person at once.
func TestUpstream_GroupsCountForAllSignIns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		asked, other := w.signIn(""), w.signIn("")
		advance(4 * time.Minute)
		if id, err := w.Identify(t.Context(), other.AccessToken); err != nil || len(id.Groups) != 2 {
			t.Fatalf("got %+v, %v", id, err)
		}
		p.set(func(p *idp) { p.groups = []string{"staff"} })
		if a := w.refreshWith(asked.RefreshToken); a.Status != http.StatusOK {
			t.Fatalf("got %+v", a)
		}
		if id, err := w.Identify(t.Context(), other.AccessToken); err != nil || !slices.Equal(id.Groups, []string{"staff"}) {
			t.Errorf("the other sign-in: %+v, %v", id, err)
		}
		const event = "groups-changed corp:id2"
		if got := w.log.types(); !slices.Equal(got[max(0, len(got)-2):], []string{event, event}) {
			t.Errorf("events: %q", got)
		}

		// So it does where a sign-in is asked about at that moment, and answered as it was before.
		p.asked = func() {
			p.asked = nil
			p.set(func(p *idp) { p.groups = []string{"interns"} })
			w.signIn("")
			p.set(func(p *idp) { p.groups = []string{"staff"} })
		}
		advance(4 * time.Minute)
		a := w.refreshWith(other.RefreshToken)
		if id, err := w.Identify(t.Context(), a.Access); err != nil || !slices.Equal(id.Groups, []string{"interns"}) {
			t.Errorf("asked meanwhile: %+v, %v", id, err)
		}
	})
}

func TestUpstream_GroupsFromUserinfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.inID = false
		w := newWorld(t, withIDP(t, p))
		tok := w.signIn("")
		id, err := w.Identify(t.Context(), tok.AccessToken)
		if err != nil || !slices.Equal(id.Groups, []string{"agents", "staff"}) || id.Name == "" || id.Email == "" {
			t.Errorf("got %+v %v", id, err)
		}
		p.set(func(p *idp) { p.groups = nil })
		a := w.refreshWith(tok.RefreshToken)
		if id, err := w.Identify(t.Context(), a.Access); err != nil || len(id.Groups) != 0 {
			t.Errorf("without the claim: %+v %v", id, err)
		}
	})
}

// A session kept open by a client that never refreshes ends with the account, also where the
// clock was set back since it was asked about.
func TestUpstream_AccountIsAskedForWithoutTheClient(t *testing.T) {
	for _, back := range []time.Duration{0, 3 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) { accountIsAskedFor(t, back) })
	}
}

func accountIsAskedFor(t *testing.T, back time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		var behind atomic.Int64
		w := newWorld(t, withIDP(t, p), func(_ *world, o *Options) {
			o.Now = func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		tok := w.signIn("")
		advance(12 * time.Minute) // asked twice, and nothing was wrong
		p.set(func(p *idp) { p.disabled = true })
		behind.Store(int64(back))
		if len(w.cut()) != 0 {
			t.Fatal("cut too early")
		}
		advance(5 * time.Minute)
		synctest.Wait()
		if got := w.cut(); !slices.Equal(got, []string{"corp:id2"}) {
			t.Errorf("cut: %q", got)
		}
		if a := w.refreshWith(tok.RefreshToken); a.Error != "invalid_grant" {
			t.Errorf("got %+v", a)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestUpstream_OutOfReachEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		tok := w.signIn("")
		w.wire.down["idp.test"] = true
		advance(time.Minute)
		a := w.refreshWith(tok.RefreshToken)
		if a.Status != http.StatusServiceUnavailable || a.Error != temporarilyUnavailable {
			t.Errorf("got %+v", a)
		}
		if len(w.cut()) != 0 || w.who(tok.AccessToken) != "corp:id2" {
			t.Error("the sign-in ended")
		}
		w.wire.down["idp.test"] = false
		if a := w.refreshWith(tok.RefreshToken); a.Status != http.StatusOK {
			t.Errorf("when it is back: %+v", a)
		}
		w.wire.down["idp.test"] = true
		other := newWorld(t, func(o *world, opts *Options) { withIDP(t, p)(o, opts); o.wire.down["idp.test"] = true })
		b := other.browser()
		if err := enter(t, b, other.begin().UserCode); err != nil {
			t.Fatal(err)
		}
		mustFail(t, b.Open(t.Context(), b.Links()[0]), "The identity provider cannot be reached.")
		if err := CheckOIDC(t.Context(), other.o.Providers[0], issuer); err == nil {
			t.Error("the check reaches a provider that is down")
		}
	})
}

func TestUpstream_RefusedSignIns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		da := w.begin()
		start := func() *authtest.Browser {
			b := w.browser()
			if err := enter(t, b, da.UserCode); err != nil {
				t.Fatal(err)
			}
			return b
		}
		// Up to the provider's redirect back, which is not followed.
		callback := func(b *authtest.Browser) string {
			t.Helper()
			last := ""
			b.Client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				last = r.URL.String()
				if strings.Contains(last, "/signin/oidc/corp/callback") {
					return http.ErrUseLastResponse
				}
				return nil
			}
			_ = b.Open(t.Context(), issuer+"/signin/oidc/corp?user_code="+da.UserCode)
			b.Client.CheckRedirect = nil
			if !strings.Contains(last, "code=") {
				t.Fatalf("no callback: %s", last)
			}
			return last
		}
		const notBegun = "This sign-in was not begun in this browser"

		b := start()
		other := start() // an attacker's code in the victim's browser
		mustFail(t, other.Open(t.Context(), callback(b)), notBegun)

		b = start() // and the attacker's flow beside it
		back := callback(b)
		other = start()
		here, _ := url.Parse(issuer)
		for _, c := range b.Client.Jar.Cookies(here) {
			if c.Name == flowCookie {
				other.Client.Jar.SetCookies(here, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
			}
		}
		mustFail(t, other.Open(t.Context(), back), notBegun)

		b = start()
		u, _ := url.Parse(callback(b))
		q := u.Query()
		q.Set("state", random())
		u.RawQuery = q.Encode()
		mustFail(t, b.Open(t.Context(), u.String()), notBegun)

		b = start()
		back = callback(b)
		if err := b.Open(t.Context(), back); err != nil {
			t.Fatal(err)
		}
		mustFail(t, b.Open(t.Context(), back), notBegun) // a second time

		b = start()
		mustFail(t, b.Open(t.Context(), callback(b)+"&iss=https%3A%2F%2Fevil.test"), notBegun)

		b = start()
		back = callback(b)
		u, _ = url.Parse(back)
		q = u.Query()
		q.Set("code", "guess")
		u.RawQuery = q.Encode()
		mustFail(t, b.Open(t.Context(), u.String()), "The identity provider did not sign you in.")

		mustFail(t, w.browser().Open(t.Context(), issuer+"/signin/oidc/corp?user_code="+da.UserCode), "out of date")
		mustFail(t, start().Open(t.Context(), issuer+"/signin/oidc/other?user_code="+da.UserCode), "404")

		b = start()
		back = callback(b)
		advance(11 * time.Minute)
		mustFail(t, b.Open(t.Context(), back), notBegun)
		if a := w.poll(da.DeviceCode); a.Access != "" {
			t.Error("somebody is signed in")
		}
	})
}

func TestUpstream_ProviderSaysNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.user = ""
		w := newWorld(t, withIDP(t, p))
		b := w.browser()
		if err := enter(t, b, w.begin().UserCode); err != nil {
			t.Fatal(err)
		}
		// This provider's error comes without state: it is not believed.
		mustFail(t, b.Open(t.Context(), b.Links()[0]), "This sign-in was not begun in this browser")
		p.set(func(p *idp) { p.user = "test-user2" })
		for what, f := range map[string]func(*idp){
			"groups that are no list":                  func(p *idp) { p.subject, p.groups = "", map[string]any{"dba": true} },
			"a subject that looks like another's":      func(p *idp) { p.subject, p.groups = "id\u200b2", []string{"dba"} },
			"one with a letter that prints as nothing": func(p *idp) { p.subject, p.groups = "id\u31642", []string{"dba"} },
			"a subject that begins a line of its own":  func(p *idp) { p.subject, p.groups = "id3\nid2", []string{"dba"} },
			"a subject that never ends":                func(p *idp) { p.subject, p.groups = strings.Repeat("x", maxSubject+1), []string{"dba"} },
		} {
			p.set(f)
			if err := enter(t, b, w.begin().UserCode); err != nil {
				t.Fatal(err)
			}
			err := b.Open(t.Context(), b.Links()[0])
			if got := w.log.last(); err == nil || !strings.Contains(err.Error(), "The identity provider did not sign you in.") || got != "sign-in-failed: identity provider's answer refused" {
				t.Errorf("%s: %v, event %s", what, err, got)
			}
		}
	})
}

// A nonce or challenge that is not ours must not get through: the browser that carries
// them is the attacker's.
func TestUpstream_NonceAndChallengeAreChecked(t *testing.T) {
	for _, param := range []string{"nonce", "code_challenge"} {
		t.Run(param, func(t *testing.T) {
			p := newIDP(t)
			w := newWorld(t, withIDP(t, p))
			b := w.browser()
			if err := enter(t, b, w.begin().UserCode); err != nil {
				t.Fatal(err)
			}
			var authorize *url.URL
			b.Client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				authorize = r.URL
				return http.ErrUseLastResponse
			}
			_ = b.Open(t.Context(), b.Links()[0])
			b.Client.CheckRedirect = nil
			q := authorize.Query()
			if q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get(param) == "" {
				t.Fatalf("authorization request: %s", authorize)
			}
			q.Set(param, random())
			authorize.RawQuery = q.Encode()
			mustFail(t, b.Open(t.Context(), authorize.String()), "The identity provider did not sign you in.")
		})
	}
}

// The provider's answer to a refresh must be about the same person.
func TestUpstream_AnotherSubjectAtRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, withIDP(t, newIDP(t)))
		tok := w.signIn("")
		for id, f := range w.store.families {
			f.Subject, f.Identity.Subject = "corp:id1", "corp:id1"
			w.store.families[id] = f
		}
		if a := w.refreshWith(tok.RefreshToken); a.Error != "invalid_grant" {
			t.Errorf("got %+v", a)
		}
	})
}

// Without a refresh token there is nothing to ask with again.
func TestUpstream_NoRefreshTokenMeansShortSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p), func(_ *world, o *Options) { o.Providers[0].Scopes = []string{"profile"} })
		tok := w.signIn("")
		if tok.RefreshToken != "" {
			t.Error("got a refresh token")
		}
		advance(5 * time.Minute)
		if got := w.who(tok.AccessToken); got != "unauthenticated" {
			t.Errorf("got %s", got)
		}
		if !strings.Contains(w.logs.String(), "offline_access") {
			t.Error("the log does not say why")
		}
	})
}

func TestUpstream_RefreshesAtOnceAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		tok := w.signIn("")
		p.asked = func() { advance(time.Second) } // until all have come
		var wg sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			wg.Go(func() { answers[i] = w.refreshWith(tok.RefreshToken) })
		}
		wg.Wait()
		for _, a := range answers {
			if a.Status != http.StatusOK || a.Refresh != answers[0].Refresh {
				t.Errorf("got %+v", a)
			}
		}
		if len(p.refreshes) != 1 {
			t.Errorf("the provider was asked %d times", len(p.refreshes))
		}
	})
}

// A sign-in that is ended while the provider is being asked stays ended.
func TestUpstream_EndedDuringRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		tok := w.signIn("")
		p.asked = func() {
			if _, err := w.Disable(t.Context(), "corp:id2", "left"); err != nil {
				t.Error(err)
			}
		}
		if a := w.refreshWith(tok.RefreshToken); a.Error != "invalid_grant" || a.Access != "" {
			t.Errorf("got %+v", a)
		}
		if got := w.who(tok.AccessToken); got != "unauthenticated" {
			t.Errorf("got %s", got)
		}
	})
}

// The gateway is asked to stop, or the client goes, while a refresh is under way.
func TestUpstream_ClientGoesWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		tok := w.signIn("")
		p.asked = func() { advance(5 * time.Second) }
		var wg sync.WaitGroup
		wg.Go(func() { w.refreshWith(tok.RefreshToken) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.refresh(ctx, caller{id: ClientID, ip: w.wire.from}, tok.RefreshToken)
		var gone *problem
		if !errors.As(err, &gone) || gone.status != http.StatusServiceUnavailable {
			t.Errorf("got %v", err)
		}
		wg.Wait()
	})
}

func TestUpstream_ProviderIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		tok := w.signIn("")
		delete(w.providers, "corp")
		if got := w.who(tok.AccessToken); got != "unauthenticated" {
			t.Errorf("got %s", got)
		}
		if a := w.refreshWith(tok.RefreshToken); a.Error != "invalid_grant" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestReadGroups(t *testing.T) {
	read := func(doc string) func(any) error {
		return func(v any) error { return jsonUnmarshal(doc, v) }
	}
	for doc, want := range map[string][]string{
		`{"groups":["a","b"]}`:         {"a", "b"},
		`{"groups":"a"}`:               {"a"},
		`{"groups":["a","*",""]}`:      {"a"},
		`{"groups":null}`:              {},
		`{"groups":[]}`:                {},
		`{"sub":"x","Groups":["dba"]}`: {},
	} {
		got, _, err := readGroups(read(doc), "groups")
		if err != nil || !slices.Equal(got, want) || got == nil {
			t.Errorf("%s: %q %v", doc, got, err)
		}
	}
	many := `{"groups":["` + strings.Repeat(`g","`, maxGroups) + `g"]}`
	for _, doc := range []string{`{"groups":{"dba":true}}`, `{"groups":[1]}`, `{"groups":7}`, `[]`, many} {
		if got, _, err := readGroups(read(doc), "groups"); err == nil {
			t.Errorf("%.40s: %q", doc, got)
		}
	}
}

func FuzzReadGroups(f *testing.F) {
	f.Add(`{"groups":["a"]}`)
	f.Add(`{"groups":"a"}`)
	f.Add(`{"groups":[null]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		groups, _, err := readGroups(func(v any) error { return jsonUnmarshal(doc, v) }, "groups")
		if err == nil && (slices.Contains(groups, "*") || slices.Contains(groups, "") || len(groups) > maxGroups) {
			t.Errorf("%q: %q", doc, groups)
		}
	})
}

// No token, code or secret is in any log, event or row.
func TestSecrets_AreNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		captureDefaultLog(t, w.logs)
		w.setAccount("ci-agent", "agent-s3cret-value")
		da := w.begin()
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "", true); err != nil {
			t.Fatal(err)
		}
		tok, err := w.oauth().DeviceAccessToken(w.ctx(), da)
		if err != nil {
			t.Fatal(err)
		}
		a := w.refreshWith(tok.RefreshToken)
		service := w.secret("ci-agent", "agent-s3cret-value")
		w.secret("ci-agent", "wrong-s3cret-value")
		w.post(pathToken, url.Values{"client_id": {ClientID}, "client_secret": {"misplaced-s3cret"}, "grant_type": {"refresh_token"}})
		w.log.Fail(errors.New("disk full"))
		w.secret("ci-agent", "agent-s3cret-value")
		w.log.Fail(nil)
		sealed := "" // JSON has it in base64, and it is gone when the sign-in ends
		for _, f := range w.store.families {
			sealed += string(f.Credential)
		}
		p.set(func(p *idp) { p.disabled = true })
		w.refreshWith(a.Refresh)
		secrets := append([]string{
			da.DeviceCode, da.UserCode, tok.AccessToken, tok.RefreshToken, a.Access, a.Refresh, service.Access,
			"agent-s3cret-value", "wrong-s3cret-value", "misplaced-s3cret", "idp-client-secret",
		}, p.refreshes...)
		everything := sealed + w.logs.String() + dump(t, w.log.Events()) + dump(t, w.store.devices) + dump(t, w.store.families) + dump(t, w.store.tokens)
		if !strings.Contains(everything, "corp:id2") || !strings.Contains(w.logs.String(), "disk full") {
			t.Fatal("the test looks at nothing")
		}
		for i, s := range secrets {
			if s == "" || strings.Contains(everything, s) {
				t.Errorf("secret %d (%q) is in a log, an event or a row", i, s)
			}
		}
	})
}

// A device may fetch its tokens long after its person signed in: the provider is asked anew.
func TestUpstream_DisabledBeforeTheDeviceFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		w := newWorld(t, withIDP(t, p))
		da := w.begin()
		if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "", true); err != nil {
			t.Fatal(err)
		}
		p.set(func(p *idp) { p.disabled = true })
		advance(9 * time.Minute)
		if a := w.poll(da.DeviceCode); a.Error != "invalid_grant" || a.Access != "" {
			t.Errorf("got %+v", a)
		}
		if got := w.log.last(); got != "sign-out corp:id2: refused by the identity provider" {
			t.Error(got)
		}
	})
}
