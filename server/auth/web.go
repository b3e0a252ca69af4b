package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// PathSignIn is where a browser signs in for the web UI.
const PathSignIn = "/signin"

const (
	webClient  = "hoop-web" // in devices and families; no OAuth client may be called so
	webCookie  = "__Host-hoop-web"
	nextCookie = "__Host-hoop-next"
	webPrefix  = "hoopw_"
	webLife    = 8 * time.Hour // of a browser's sign-in, from its start
)

// local are the paths that a sign-in may lead back to: no host, no query.
var local = regexp.MustCompile(`^/([a-z]+(/[A-Za-z0-9-]{1,64})?)?$`)

// Browser is a browser that is signed in for the web UI.
type Browser struct {
	Identity   hoop.Identity
	Token      string    // for IdentifyBrowser
	CSRF       string    // what its forms carry
	SignedInAt time.Time // when the identity provider asked for the credentials; zero: it does not say
}

// Browser says who is signed in. Its errors are those of Identify; no cookie is one.
func (s *Server) Browser(r *http.Request) (Browser, error) {
	c, err := r.Cookie(webCookie)
	if err != nil {
		return Browser{}, errNoToken
	}
	id, f, err := s.identify(r.Context(), c.Value, webPrefix)
	if err != nil {
		return Browser{}, err
	}
	return Browser{Identity: id, Token: c.Value, CSRF: s.keys.csrfToken(c.Value), SignedInAt: f.AuthAt}, nil
}

// IdentifyBrowser says whose a browser's token is. It is for the gateway's own use of
// its API: over the network only cookies carry such tokens.
func (s *Server) IdentifyBrowser(ctx context.Context, token string) (hoop.Identity, error) {
	id, _, err := s.identify(ctx, token, webPrefix)
	return id, err
}

// Current is the identity of a person who is signed in somewhere, as the identity
// provider last had it. It is unauthenticated for whom no sign-in lives.
func (s *Server) Current(ctx context.Context, subject string) (hoop.Identity, error) {
	now := s.now()
	families, err := s.o.Store.Families(ctx, subject, now)
	if err != nil {
		return hoop.Identity{}, hoop.Errorf(hoop.CodeUnavailable, "the gateway cannot check who you are").WithHint("try again").Wrap(err)
	}
	var latest *Family
	for i := range families {
		f := &families[i]
		if f.Identity.Kind == hoop.Human && f.live(now) && (latest == nil || s.vouchedAt(f).After(s.vouchedAt(latest))) {
			latest = f
		}
	}
	if latest != nil {
		if p, ok := s.providers[latest.Provider]; ok {
			if id, ok := p.current(latest); ok {
				id.Groups, id.Chain = append([]string{}, id.Groups...), slices.Clone(id.Chain)
				return id, nil
			}
		}
	}
	return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "your sign-in has ended").
		WithHint("sign in at %s, then press again", s.o.Issuer+PathSignIn)
}

// ValidForm reports whether a form comes from our own page in the browser b.
func (s *Server) ValidForm(r *http.Request, b Browser) bool {
	return http.NewCrossOriginProtection().Check(r) == nil && equal(r.PostForm.Get("csrf"), b.CSRF)
}

// SignOut ends the browser's sign-in, and with it the cookie. Where the end could not
// be recorded, it says so.
func (s *Server) SignOut(w http.ResponseWriter, r *http.Request, b Browser) error {
	setCookie(w, webCookie, "", -1)
	_, f, err := s.lookUp(r.Context(), b.Token, webPrefix)
	if err != nil {
		return err
	}
	return s.end(r.Context(), &f, hoop.CauseSignedOut, "signed out", false)
}

// getSignIn shows the ways to sign in. It begins a device authorization for the browser
// itself, which no other browser can go on with.
func (s *Server) getSignIn(w http.ResponseWriter, r *http.Request) {
	if d := r.Header.Get("Sec-Fetch-Dest"); d != "" && d != "document" {
		http.NotFound(w, r) // not a person who goes there
		return
	}
	b := ensureBrowser(w, r)
	ip := remoteIP(r)
	if wait := s.limits.devices.wait(network(ip)); wait > 0 {
		s.sorry(w, r, errLockedOut(wait))
		return
	}
	code, err := s.beginBrowser(r.Context(), hash(b), ip, r.URL.Query().Get("again") != "")
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	if next := r.URL.Query().Get("next"); local.MatchString(next) {
		setCookie(w, nextCookie, encode([]byte(next)), int(s.o.DeviceLife/time.Second))
	}
	s.page.render(w, http.StatusOK, "signin", view{
		Title: "Sign in", CSRF: s.keys.csrfToken(b), UserCode: code, Web: true,
		Providers: s.choices(), DevUsers: s.o.DevUsers,
	})
}

// beginBrowser makes a device that stands for a browser (by hash), and gives its user
// code. Nobody gets its device code. again says that it is not enough for the identity
// provider to know the browser.
func (s *Server) beginBrowser(ctx context.Context, browser, ip string, again bool) (string, error) {
	s.limits.devices.add(network(ip))
	now := s.now()
	d := Device{
		Client: webClient, Name: "web browser", RemoteIP: ip, Browser: browser,
		Again: again, State: DevicePending, CreatedAt: now, ExpiresAt: now.Add(s.o.DeviceLife),
	}
	for range 5 {
		code := newUserCode()
		d.CodeHash, d.UserCodeHash = hash(random()), hash(code)
		err := s.o.Store.AddDevice(ctx, d)
		if errors.Is(err, ErrExists) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("store device: %w", err)
		}
		return code, nil
	}
	return "", errors.New("no user code is free")
}

// enter signs the browser in that began, and signed in at a provider, and leads it back.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, codeHash, browser string) {
	now := s.now()
	var d Device
	err := s.o.Store.UpdateDevice(r.Context(), codeHash, func(row *Device) error {
		if err := undecided(row, now); err != nil {
			return err
		}
		if !equal(row.Browser, browser) {
			return errOtherBrowser
		}
		d = *row
		row.State, row.Credential = DeviceUsed, nil
		return nil
	})
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	token, end, err := s.beginWeb(r.Context(), Family{
		Identity: d.Identity, Provider: d.Identity.Provider, Client: webClient, Device: d.Name, RemoteIP: remoteIP(r),
		Credential: d.Credential, AuthAt: d.AuthAt, CheckedAt: d.SignedInAt, ExpiresAt: d.SignInEnd,
	}, codeHash)
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	setCookie(w, webCookie, token, int(end.Sub(now)/time.Second)+1)
	next := "/"
	if c, err := r.Cookie(nextCookie); err == nil {
		if b, err := decode(c.Value); err == nil && local.Match(b) {
			next = string(b)
		}
		setCookie(w, nextCookie, "", -1)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// beginWeb starts the family of a browser, after the event is durable. Its one token
// lasts as long as the family, which the provider is asked about again and again; where
// it cannot be asked, that is as long as an access token.
func (s *Server) beginWeb(ctx context.Context, f Family, device string) (string, time.Time, error) {
	now := s.now()
	atMost := f.ExpiresAt
	f.ID, f.Subject, f.CreatedAt = newID(), f.Identity.Subject, now
	f.ExpiresAt = now.Add(min(webLife, s.o.SignInLife))
	p, ok := s.providers[f.Provider]
	if !ok {
		return "", time.Time{}, errProviderDown
	}
	if !atMost.IsZero() {
		f.ExpiresAt = earliest(f.ExpiresAt, atMost)
	}
	if p.renewable(f.Credential) {
		f.Recheck = p.remote()
	} else {
		f.ExpiresAt = earliest(f.ExpiresAt, now.Add(s.o.AccessLife))
	}
	if !now.Before(f.ExpiresAt) {
		return "", time.Time{}, errExpired
	}
	token := webPrefix + random()
	if err := s.write(ctx, s.event(hoop.EventSignIn, &f, "")); err != nil {
		return "", time.Time{}, &pageError{code: hoop.CodeUnrecorded, text: "The gateway cannot record the sign-in, so it refuses it.", err: err}
	}
	if err := s.o.Store.AddFamily(ctx, f, Token{Hash: hash(token), Kind: AccessToken, Family: f.ID, CreatedAt: now, ExpiresAt: f.ExpiresAt}); err != nil {
		return "", time.Time{}, fmt.Errorf("store sign-in: %w", err)
	}
	if err := s.settled(ctx, &f, device); errors.Is(err, errEnded) {
		return "", time.Time{}, errDenied
	} else if err != nil {
		return "", time.Time{}, err
	}
	return token, f.ExpiresAt, nil
}
