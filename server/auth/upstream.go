package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// OIDC is an identity provider that speaks OpenID Connect. Its redirect URI is the
// gateway's public URL with /signin/oidc/NAME/callback.
type OIDC struct {
	Name         string // prefix of its subjects: NAME:sub
	Label        string // for people; default Name
	Issuer       string
	ClientID     string
	ClientSecret string   // "" for a public client
	GroupsClaim  string   // in the ID token, or else in userinfo; default "groups"
	Scopes       []string // beside openid; default profile, email, offline_access
	Client       *http.Client
}

// upstreamTimeout bounds each request to an identity provider.
const upstreamTimeout = 10 * time.Second

// upstream signs people in at an identity provider: authorization code with PKCE, state
// and nonce (OpenID Connect Core 1.0 §3.1, RFC 7636). Its credential is the refresh
// token. A provider that gives none can't be asked again, so such a sign-in ends with
// its access token.
type upstream struct {
	o        OIDC
	redirect string

	mu   sync.Mutex
	idp  *oidc.Provider // nil until discovered
	conf *oauth2.Config
}

func newUpstream(o OIDC, issuer string) (*upstream, error) {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("issuer %q: want an https URL", o.Issuer)
	}
	if o.ClientID == "" {
		return nil, errors.New("client_id is missing")
	}
	if o.Label == "" {
		o.Label = o.Name
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if o.Scopes == nil {
		o.Scopes = []string{"profile", "email", oidc.ScopeOfflineAccess}
	}
	c := http.Client{}
	if o.Client != nil {
		c = *o.Client
	}
	if c.Timeout == 0 {
		c.Timeout = upstreamTimeout
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	c.Transport = guarded{c.Transport}
	o.Client = &c
	return &upstream{o: o, redirect: issuer + "/signin/oidc/" + o.Name + "/callback"}, nil
}

// discover reads the provider's configuration, until it once succeeded.
func (u *upstream) discover(ctx context.Context) (*oidc.Provider, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.idp != nil {
		return u.idp, nil
	}
	// go-oidc keeps this context's client for fetching keys, and not its deadline.
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, u.o.Client), u.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: discovery: %w", errUnreachable, err)
	}
	u.conf, err = u.config(p)
	if err != nil {
		return nil, err
	}
	u.idp = p
	return p, nil
}

// config says how to talk to the provider. The way the client authenticates is settled
// here: x/oauth2 would otherwise try both ways, and show a refresh token twice.
func (u *upstream) config(p *oidc.Provider) (*oauth2.Config, error) {
	var doc struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := p.Claims(&doc); err != nil {
		return nil, fmt.Errorf("%w: discovery: %w", errUnreachable, err)
	}
	e := p.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInHeader // the default (OpenID Connect Discovery 1.0 §3)
	if u.o.ClientSecret == "" || len(doc.Methods) > 0 && !slices.Contains(doc.Methods, "client_secret_basic") {
		e.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: u.o.ClientID, ClientSecret: u.o.ClientSecret, Endpoint: e,
		RedirectURL: u.redirect, Scopes: append([]string{oidc.ScopeOpenID}, u.o.Scopes...),
	}, nil
}

// flow is one visit to the provider, kept by the browser, sealed. It is worth nothing
// once its user code has expired.
type flow struct {
	Provider string
	State    string
	Nonce    string
	Verifier string
	UserCode string
	Browser  string // hash
	Again    bool   // the provider was told to ask for the credentials
	Begun    time.Time
}

// clockSlack is how far a provider's clock may be off ours.
const clockSlack = 3 * time.Minute

// asked refuses the answer of a provider that was told to ask for the credentials, and
// did not: it must say when it did, which is since the flow began.
func (f *flow) asked(at time.Time) error {
	if f.Again && at.Before(f.Begun.Add(-clockSlack)) { // zero, too
		return fmt.Errorf("%w: it did not ask for the credentials, or does not say when (auth_time, AuthnInstant)", errRefused)
	}
	return nil
}

// notAfter is a time of somebody else's clock, which may be ahead.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// begin makes a flow and the URL that starts it. again has the provider ask for the
// credentials, and say so (OpenID Connect Core 1.0 §3.1.2.1, prompt and max_age).
func (u *upstream) begin(ctx context.Context, again bool) (flow, string, error) {
	if _, err := u.discover(ctx); err != nil {
		return flow{}, "", err
	}
	f := flow{Provider: u.o.Name, State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier()}
	opts := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if again {
		opts = append(opts, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return f, u.conf.AuthCodeURL(f.State, opts...), nil
}

// finish turns the code of a flow into an identity, a credential, and when the provider
// asked for the person's own: zero where it does not say (auth_time).
func (u *upstream) finish(ctx context.Context, f flow, code string) (_ hoop.Identity, credential []byte, authAt time.Time, _ error) {
	none := hoop.Identity{}
	p, err := u.discover(ctx)
	if err != nil {
		return none, nil, authAt, err
	}
	ctx = oidc.ClientContext(ctx, u.o.Client)
	t, err := u.conf.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return none, nil, authAt, tokenError("exchange code", err)
	}
	idToken, err := u.verify(ctx, p, t)
	switch {
	case err != nil:
		return none, nil, authAt, err
	case idToken == nil:
		return none, nil, authAt, fmt.Errorf("%w: no ID token in its answer", errRefused)
	case !equal(idToken.Nonce, f.Nonce):
		return none, nil, authAt, fmt.Errorf("%w: the ID token's nonce is not ours", errRefused)
	}
	var c struct {
		AuthTime int64 `json:"auth_time"`
	}
	if err := idToken.Claims(&c); err != nil {
		return none, nil, authAt, fmt.Errorf("%w: ID token: %w", errRefused, err)
	}
	if c.AuthTime > 0 {
		authAt = time.Unix(c.AuthTime, 0).UTC()
	}
	id, err := u.identity(ctx, p, t, idToken, idToken.Subject)
	return id, []byte(t.RefreshToken), authAt, err
}

// check implements provider: it uses the refresh token.
func (u *upstream) check(ctx context.Context, id hoop.Identity, credential []byte) (hoop.Identity, []byte, error) {
	if len(credential) == 0 {
		return hoop.Identity{}, nil, fmt.Errorf("%w: it gave no refresh token", errRefused)
	}
	p, err := u.discover(ctx)
	if err != nil {
		return hoop.Identity{}, nil, err
	}
	ctx = oidc.ClientContext(ctx, u.o.Client)
	t, err := u.conf.TokenSource(ctx, &oauth2.Token{RefreshToken: string(credential)}).Token()
	if err != nil {
		return hoop.Identity{}, nil, tokenError("refresh", err)
	}
	idToken, err := u.verify(ctx, p, t) // optional here (OpenID Connect Core 1.0 §12.2)
	if err != nil {
		return hoop.Identity{}, nil, err
	}
	now, err := u.identity(ctx, p, t, idToken, strings.TrimPrefix(id.Subject, u.o.Name+":"))
	return now, []byte(t.RefreshToken), err
}

func (u *upstream) current(f *Family) (hoop.Identity, bool) { return f.Identity, true }
func (u *upstream) renewable(credential []byte) bool        { return len(credential) > 0 }
func (u *upstream) remote() bool                            { return true }

// verify checks the answer's ID token; nil where there is none.
func (u *upstream) verify(ctx context.Context, p *oidc.Provider, t *oauth2.Token) (*oidc.IDToken, error) {
	raw, ok := t.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, nil
	}
	idToken, err := p.Verifier(&oidc.Config{ClientID: u.o.ClientID}).Verify(ctx, raw)
	switch {
	case err != nil && strings.Contains(err.Error(), "fetching keys"): // go-oidc tells it in words only
		return nil, fmt.Errorf("%w: ID token: its keys", errUnreachable)
	case err != nil:
		return nil, fmt.Errorf("%w: ID token: %w", errRefused, err)
	}
	return idToken, nil
}

// claims are what we read of an ID token or of userinfo.
type claims struct {
	Subject  string `json:"sub"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`
	Email    string `json:"email"`
}

// identity reads the ID token, and userinfo where the groups are not in it. Both must
// be about subject.
func (u *upstream) identity(ctx context.Context, p *oidc.Provider, t *oauth2.Token, idToken *oidc.IDToken, subject string) (hoop.Identity, error) {
	var c claims
	var groups []string
	found := false
	if idToken != nil {
		if err := idToken.Claims(&c); err != nil {
			return hoop.Identity{}, fmt.Errorf("%w: ID token: %w", errRefused, err)
		}
		var err error
		if groups, found, err = readGroups(idToken.Claims, u.o.GroupsClaim); err != nil {
			return hoop.Identity{}, err
		}
	}
	if !found {
		info, err := u.userInfo(ctx, p, t, idToken != nil)
		if err != nil {
			return hoop.Identity{}, err
		}
		if info != nil {
			if groups, _, err = readGroups(info, u.o.GroupsClaim); err != nil {
				return hoop.Identity{}, err
			}
			if err := info(&c); err != nil {
				return hoop.Identity{}, fmt.Errorf("%w: userinfo: %w", errRefused, err)
			}
		}
	}
	if c.Subject == "" || c.Subject != subject || idToken != nil && idToken.Subject != subject {
		return hoop.Identity{}, fmt.Errorf("%w: its answer is about another subject", errRefused)
	}
	if clean(c.Subject, maxSubject) != c.Subject {
		return hoop.Identity{}, fmt.Errorf("%w: the subject is too long, or has blanks around it or characters that nobody can read", errRefused)
	}
	name := clean(c.Name, maxDeviceName)
	if name == "" {
		name = clean(c.Username, maxDeviceName)
	}
	if name == "" {
		name = clean(c.Subject, maxDeviceName)
	}
	return hoop.Identity{
		Subject: u.o.Name + ":" + c.Subject, Name: name, Email: clean(c.Email, 254), Kind: hoop.Human,
		Provider: u.o.Name, Groups: groups,
	}, nil
}

// userInfo asks the userinfo endpoint (OpenID Connect Core 1.0 §5.3). A provider that
// has none is fine where the ID token already vouched (optional).
func (u *upstream) userInfo(ctx context.Context, p *oidc.Provider, t *oauth2.Token, optional bool) (func(any) error, error) {
	if p.UserInfoEndpoint() == "" {
		if optional {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: neither an ID token nor a userinfo endpoint", errRefused)
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(t))
	if err != nil {
		// go-oidc tells statuses only in words, "401 Unauthorized: body".
		if s := err.Error(); strings.HasPrefix(s, "401 ") || strings.HasPrefix(s, "403 ") {
			return nil, fmt.Errorf("%w: userinfo: %s", errRefused, s[:3])
		}
		return nil, fmt.Errorf("%w: userinfo", errUnreachable)
	}
	return info.Claims, nil
}

// maxSubject bounds a subject, in characters (OpenID Connect Core 1.0 §2).
const maxSubject = 255

// maxGroups bounds how many groups of an identity are believed.
const maxGroups = 1000

// readGroups reads the groups claim: a list of strings, or one string. found is false
// where there is no such claim.
func readGroups(read func(any) error, claim string) (groups []string, found bool, err error) {
	var all map[string]json.RawMessage
	if err := read(&all); err != nil {
		return nil, false, fmt.Errorf("%w: claims: %w", errRefused, err)
	}
	raw, ok := all[claim]
	if !ok {
		return []string{}, false, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		groups = []string{one}
	} else if json.Unmarshal(raw, &groups) != nil {
		return nil, false, fmt.Errorf("%w: the claim %q is not a list of strings", errRefused, claim)
	}
	// "*" names everybody in rules; nobody is called that.
	groups = slices.DeleteFunc(groups, func(g string) bool { return g == "" || g == "*" })
	if len(groups) > maxGroups {
		return nil, false, fmt.Errorf("%w: the claim %q lists more than %d groups", errRefused, claim, maxGroups)
	}
	if groups == nil {
		groups = []string{}
	}
	return groups, true, nil
}

// tokenError tells a refusal of the token endpoint from its being out of reach. The
// provider's text stays out: it is a stranger's, and may repeat what we sent.
func tokenError(step string, err error) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) {
		return fmt.Errorf("%w: %s", errUnreachable, step)
	}
	status := 0
	if re.Response != nil {
		status = re.Response.StatusCode
	}
	kind := errUnreachable
	if status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
		kind = errRefused
	}
	return fmt.Errorf("%w: %s: status %d, error %q", kind, step, status, clean(re.ErrorCode, 64))
}
