package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// The cookies. The prefix makes browsers take them only over TLS, from this very host,
// for all its paths (RFC 6265bis §4.1.3.2), so no neighbour can plant one. They are Lax,
// since identity providers send people back from another site; but for SAML's, since its
// identity providers have the browser post the answer, and browsers send no Lax cookie
// with a POST from elsewhere.
const (
	browserCookie = "__Host-hoop"
	flowCookie    = "__Host-hoop-flow"
	samlCookie    = "__Host-hoop-saml"
	browserLen    = 43 // of what random makes
)

// routes is everything that Handler serves.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathDiscovery, s.getMetadata)
	mux.HandleFunc("GET "+pathMetadata, s.getMetadata)
	mux.HandleFunc("GET "+pathKeys, s.getKeys)
	mux.HandleFunc("POST "+pathDevice, s.oauth(s.postDeviceAuthorization))
	mux.HandleFunc("POST "+pathToken, s.oauth(s.postToken))
	mux.HandleFunc("POST "+pathRevoke, s.oauth(s.postRevoke))
	mux.HandleFunc("GET "+PathSignIn, s.getSignIn)
	mux.HandleFunc("GET /device", s.getDevice)
	mux.HandleFunc("POST /device", s.form(s.postDevice))
	mux.HandleFunc("POST /signin/dev", s.form(s.postDev))
	mux.HandleFunc("GET /signin/oidc/{provider}", s.getUpstream)
	mux.HandleFunc("GET /signin/oidc/{provider}/callback", s.getCallback)
	mux.HandleFunc("GET /signin/saml/{provider}", s.getSAML)
	mux.HandleFunc("GET /signin/saml/{provider}/metadata", s.getSAMLMetadata)
	mux.HandleFunc("POST /signin/saml/{provider}/acs", s.postACS)
	mux.HandleFunc("GET /device/confirm", s.getConfirm)
	mux.HandleFunc("POST /device/confirm", s.form(s.postConfirm))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.page.headers(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// browser is the random value of the browser's cookie; "" where it has none of ours.
func browser(r *http.Request) string {
	c, err := r.Cookie(browserCookie)
	if err != nil || len(c.Value) != browserLen {
		return ""
	}
	return c.Value
}

// ensureBrowser is browser, after making one where needed.
func ensureBrowser(w http.ResponseWriter, r *http.Request) string {
	if b := browser(r); b != "" {
		return b
	}
	b := random()
	setCookie(w, browserCookie, b, 0)
	return b
}

// setCookie sets a cookie for this host; maxAge 0 is until the browser closes, below 0
// deletes it.
func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	site := http.SameSiteLaxMode
	if name == samlCookie {
		site = http.SameSiteNoneMode
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: site,
	})
}

var (
	errForm   = &pageError{code: hoop.CodeDenied, text: "This form is out of date or came from another site. Enter the code again."}
	errMethod = &pageError{code: hoop.CodeInvalid, text: "This form is not one of ours. Enter the code again."}
)

// form guards a form's handler: the request comes from our own page in the same
// browser, and is small.
func (s *Server) form(next func(w http.ResponseWriter, r *http.Request, browser string)) http.HandlerFunc {
	cross := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err != nil || ct != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
			s.sorry(w, r, errMethod)
			return
		}
		b := browser(r)
		if cross.Check(r) != nil || b == "" || !equal(r.PostForm.Get("csrf"), s.keys.csrfToken(b)) {
			s.sorry(w, r, errForm)
			return
		}
		next(w, r, b)
	}
}

// sorry shows an error on a page of its own.
func (s *Server) sorry(w http.ResponseWriter, r *http.Request, err error) {
	status, text := s.say(w, r, err)
	s.page.render(w, status, "problem", view{Title: "That did not work", Error: text})
}

// say turns an error into a status and a sentence for the page; what people must not
// see goes to the log.
func (s *Server) say(w http.ResponseWriter, r *http.Request, err error) (int, string) {
	var e *pageError
	if errors.As(err, &e) {
		if e.err != nil {
			s.o.Logger.WarnContext(r.Context(), "sign-in page", "path", r.URL.Path, "error", err)
		}
		if e.wait > 0 {
			w.Header().Set("Retry-After", seconds(e.wait))
		}
		return api.Status(e.code), e.text
	}
	s.o.Logger.ErrorContext(r.Context(), "sign-in page", "path", r.URL.Path, "error", err)
	return http.StatusInternalServerError, "The gateway met a fault of its own; its log tells more."
}

// pageError is what a page tells a person: text is one or two sentences.
type pageError struct {
	code hoop.Code
	text string
	wait time.Duration // until the next try makes sense
	err  error         // for the log
}

func (e *pageError) Error() string {
	if e.err != nil {
		return e.text + ": " + e.err.Error()
	}
	return e.text
}

func (e *pageError) Unwrap() error { return e.err }

// because returns a copy with a cause for the log.
func (e *pageError) because(err error) *pageError {
	c := *e
	c.err = err
	return &c
}

// errLockedOut says that too many attempts failed.
func errLockedOut(wait time.Duration) *pageError {
	text := "Too many attempts failed. Try again in a minute."
	if m := (wait + time.Minute - 1) / time.Minute; m > 1 {
		text = fmt.Sprintf("Too many attempts failed. Try again in %d minutes.", m)
	}
	return &pageError{code: hoop.CodeTooMany, text: text, wait: wait}
}

// attemptFailed counts and records a failed attempt.
func (s *Server) attemptFailed(ctx context.Context, ip, reason string, details ...hoop.Detail) {
	if s.limits.codes.add(network(ip)) {
		reason += "; further attempts are refused for a while"
	}
	s.failed(ctx, ip, reason, details...)
}

// find is the device of a user code that somebody may still decide about. Every page
// that takes a code looks it up here, so that each wrong one counts.
func (s *Server) find(ctx context.Context, ip, text string) (Device, string, error) {
	if wait := s.limits.codes.wait(network(ip)); wait > 0 {
		return Device{}, "", errLockedOut(wait)
	}
	code, ok := parseUserCode(text)
	if !ok {
		return Device{}, "", errMalformed
	}
	d, err := s.o.Store.DeviceByUserCode(ctx, hash(code))
	if errors.Is(err, ErrNotFound) {
		s.attemptFailed(ctx, ip, "wrong user code")
		return Device{}, "", errUnknown
	}
	if err != nil {
		return Device{}, "", fmt.Errorf("find device: %w", err)
	}
	return d, code, undecided(&d, s.now())
}

// getDevice shows where to enter the code.
func (s *Server) getDevice(w http.ResponseWriter, r *http.Request) {
	code, _ := parseUserCode(r.URL.Query().Get("user_code"))
	s.askCode(w, http.StatusOK, ensureBrowser(w, r), code, "")
}

func (s *Server) askCode(w http.ResponseWriter, status int, browser, code, problem string) {
	s.page.render(w, status, "code", view{Title: "Sign in a device", Error: problem, CSRF: s.keys.csrfToken(browser), UserCode: code})
}

// postDevice takes the code and shows the ways to sign in.
func (s *Server) postDevice(w http.ResponseWriter, r *http.Request, browser string) {
	typed := r.PostForm.Get("user_code")
	_, code, err := s.find(r.Context(), remoteIP(r), typed)
	if err != nil {
		status, text := s.say(w, r, err)
		s.askCode(w, status, browser, clean(typed, 16), text)
		return
	}
	s.page.render(w, http.StatusOK, "signin", view{
		Title: "Sign in", CSRF: s.keys.csrfToken(browser), UserCode: code,
		Providers: s.choices(), DevUsers: s.o.DevUsers,
	})
}

// choices lists the identity providers.
func (s *Server) choices() []choice {
	var list []choice
	for _, o := range s.o.Providers {
		if u, ok := s.upstream(o.Name); ok {
			list = append(list, choice{Path: "/signin/oidc/" + u.o.Name, Label: u.o.Label})
		}
	}
	for _, o := range s.o.SAML {
		if u, ok := s.samlUpstream(o.Name); ok {
			list = append(list, choice{Path: "/signin/saml/" + u.o.Name, Label: u.o.Label})
		}
	}
	return list
}

var errNoUser = &pageError{code: hoop.CodeNotFound, text: "There is no such user here. Enter the code again."}

// postDev signs in a sample user.
func (s *Server) postDev(w http.ResponseWriter, r *http.Request, browser string) {
	users, ok := s.providers[devProvider].(devUsers)
	if !ok {
		http.NotFound(w, r)
		return
	}
	d, code, err := s.find(r.Context(), remoteIP(r), r.PostForm.Get("user_code"))
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	id, ok := users.find(r.PostForm.Get("user"))
	if !ok {
		s.attemptFailed(r.Context(), remoteIP(r), "no such sample user")
		s.sorry(w, r, errNoUser)
		return
	}
	s.signedIn(w, r, d, code, signIn{browser: hash(browser), identity: id, authAt: s.now(), asked: s.now()})
}

// signedIn goes on to the confirmation.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, d Device, code string, in signIn) {
	if d.Client == webClient && (d.Browser == "" || !equal(d.Browser, in.browser)) {
		s.sorry(w, r, errOtherBrowser)
		return
	}
	if err := s.bind(r.Context(), d.CodeHash, in); err != nil {
		if errors.Is(err, errReplay) {
			s.attemptFailed(r.Context(), remoteIP(r), "identity provider's answer used twice", hoop.Detail{Name: "provider", Value: in.identity.Provider})
			err = errProviderRefused.because(err)
		}
		s.sorry(w, r, err)
		return
	}
	if err := s.givenSince(r.Context(), in.identity.Subject, in.asked); err != nil {
		if errors.Is(err, errEnded) {
			s.attemptFailed(r.Context(), remoteIP(r), "identity provider's answer is from before its subject was disabled", hoop.Detail{Name: "provider", Value: in.identity.Provider})
			err = errProviderRefused.because(errors.Join(err, s.deny(r.Context(), d.CodeHash, in.identity.Subject)))
		}
		s.sorry(w, r, err)
		return
	}
	if d.Client == webClient {
		s.enter(w, r, d.CodeHash, in.browser)
		return
	}
	http.Redirect(w, r, "/device/confirm?user_code="+code, http.StatusSeeOther)
}

// getConfirm shows which device asks.
func (s *Server) getConfirm(w http.ResponseWriter, r *http.Request) {
	b := browser(r)
	d, code, err := s.find(r.Context(), remoteIP(r), r.URL.Query().Get("user_code"))
	if err == nil && (b == "" || d.Browser == "" || !equal(d.Browser, hash(b))) {
		err = errOtherBrowser
	}
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	s.page.render(w, http.StatusOK, "confirm", view{
		Title: "Approve this sign-in?", CSRF: s.keys.csrfToken(b), UserCode: code,
		Identity: d.Identity, Device: d, Elsewhere: network(d.RemoteIP) != network(remoteIP(r)),
	})
}

// postConfirm takes the answer.
func (s *Server) postConfirm(w http.ResponseWriter, r *http.Request, browser string) {
	action := r.PostForm.Get("action")
	if action != "approve" && action != "deny" {
		s.sorry(w, r, errMethod)
		return
	}
	d, _, err := s.find(r.Context(), remoteIP(r), r.PostForm.Get("user_code"))
	if err == nil {
		d, err = s.decide(r.Context(), d.CodeHash, browser, action == "approve")
	}
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	v := view{Title: "Signed in", Text: "You can close this window and go back to your terminal."}
	if d.State == DeviceDenied {
		s.failedAs(r.Context(), d.Identity.Subject, d.RemoteIP, "denied in the browser")
		v = view{Title: "Denied", Text: "Nobody was signed in. You can close this window."}
	}
	s.page.render(w, http.StatusOK, "done", v)
}

var (
	errProviderDown    = &pageError{code: hoop.CodeUnavailable, text: "The identity provider cannot be reached. Try again in a moment."}
	errProviderRefused = &pageError{code: hoop.CodeDenied, text: "The identity provider did not sign you in. Enter the code again to retry."}
	errFlow            = &pageError{code: hoop.CodeDenied, text: "This sign-in was not begun in this browser, or took too long. Enter the code again."}
)

// getUpstream sends the browser to an identity provider. It is a link, not a form:
// browsers apply form-action of the content security policy to redirects as well.
func (s *Server) getUpstream(w http.ResponseWriter, r *http.Request) {
	u, ok := s.upstream(r.PathValue("provider"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.depart(w, r, flowCookie, u.begin)
}

// depart sends the browser away, with what begin makes in its cookie.
func (s *Server) depart(w http.ResponseWriter, r *http.Request, cookie string, begin func(context.Context, bool) (flow, string, error)) {
	d, code, err := s.find(r.Context(), remoteIP(r), r.URL.Query().Get("user_code"))
	b := browser(r)
	if err == nil && b == "" {
		err = errForm
	}
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	f, target, err := begin(r.Context(), d.Again)
	if err != nil {
		s.sorry(w, r, errProviderDown.because(err))
		return
	}
	f.UserCode, f.Browser, f.Again, f.Begun = code, hash(b), d.Again, s.now()
	plain, err := json.Marshal(f)
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	setCookie(w, cookie, encode(s.keys.seal(plain, cookie)), int(d.ExpiresAt.Sub(s.now())/time.Second)+1)
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// getCallback takes what the identity provider says (OpenID Connect Core 1.0 §3.1.2.5).
func (s *Server) getCallback(w http.ResponseWriter, r *http.Request) {
	u, ok := s.upstream(r.PathValue("provider"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	f, err := s.openFlow(r, u)
	setCookie(w, flowCookie, "", -1) // used once
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	q := r.URL.Query()
	ip := remoteIP(r)
	provider := hoop.Detail{Name: "provider", Value: u.o.Name}
	if q.Get("error") != "" || q.Get("code") == "" {
		s.attemptFailed(r.Context(), ip, "identity provider: "+clean(q.Get("error"), 64), provider)
		s.sorry(w, r, errProviderRefused)
		return
	}
	d, code, err := s.find(r.Context(), ip, f.UserCode)
	if err != nil {
		s.sorry(w, r, err)
		return
	}
	id, credential, authAt, err := u.finish(r.Context(), f, q.Get("code"))
	if err == nil {
		err = f.asked(authAt)
	}
	switch {
	case errors.Is(err, errUnreachable):
		s.attemptFailed(r.Context(), ip, "identity provider out of reach", provider)
		s.sorry(w, r, errProviderDown.because(err))
	case err != nil:
		s.attemptFailed(r.Context(), ip, "identity provider's answer refused", provider)
		s.sorry(w, r, errProviderRefused.because(err))
	default:
		if len(credential) == 0 {
			s.o.Logger.WarnContext(r.Context(), "identity provider gave no refresh token: the sign-in will last as long as one access token; add the scope offline_access", "provider", u.o.Name)
		}
		s.signedIn(w, r, d, code, signIn{browser: f.Browser, identity: id, credential: credential, authAt: notAfter(authAt, s.now()), asked: f.Begun})
	}
}

// openFlow is the flow this callback belongs to.
func (s *Server) openFlow(r *http.Request, u *upstream) (flow, error) {
	f, err := s.unsealFlow(r, flowCookie)
	if err != nil {
		return f, err
	}
	q := r.URL.Query()
	iss := q.Get("iss") // RFC 9207
	b := browser(r)
	switch {
	case f.State == "" || !equal(f.State, q.Get("state")),
		f.Provider != u.o.Name,
		iss != "" && strings.TrimSuffix(iss, "/") != strings.TrimSuffix(u.o.Issuer, "/"),
		b == "" || !equal(f.Browser, hash(b)):
		return f, errFlow
	}
	return f, nil
}

// unsealFlow reads the flow in a cookie.
func (s *Server) unsealFlow(r *http.Request, cookie string) (flow, error) {
	var f flow
	c, err := r.Cookie(cookie)
	if err != nil {
		return f, errFlow
	}
	sealed, err := decode(c.Value)
	if err != nil {
		return f, errFlow
	}
	plain, err := s.keys.open(sealed, cookie)
	if err != nil || json.Unmarshal(plain, &f) != nil {
		return f, errFlow
	}
	return f, nil
}
