package auth

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// The messages and claims are those of zitadel/oidc; the endpoints are our own. Its
// pkg/op redeems a device code in two steps, tells a client access_denied where the
// store fails, cannot say Retry-After, and logs each poll to the process's default
// logger (v3.51.17).

// The paths of the OAuth endpoints.
const (
	pathDiscovery = "/.well-known/openid-configuration"
	pathMetadata  = "/.well-known/oauth-authorization-server"
	pathKeys      = "/oauth/keys"
	pathDevice    = "/oauth/device_authorization"
	pathToken     = "/oauth/token"
	pathRevoke    = "/oauth/revoke"
)

// maxBody bounds a form, in bytes.
const maxBody = 16 << 10

// caller is an OAuth client: hoopctl, or a service account that showed its secret or
// another issuer's token.
type caller struct {
	id      string
	ip      string
	account *ServiceAccount // nil: hoopctl
	shown   period          // of the token that was shown; zero: none was
}

// oauth serves an endpoint for OAuth clients. No CORS header: a browser's script is no
// client of ours.
func (s *Server) oauth(endpoint func(ctx context.Context, c caller, form url.Values) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var data any
		err := readForm(w, r)
		if err == nil {
			var c caller
			if c, err = s.caller(r); err == nil {
				data, err = endpoint(r.Context(), c, r.PostForm)
			}
		}
		s.answer(w, r, data, err)
	}
}

// readForm parses the form and refuses what RFC 6749 §3.2 does not allow: parameters
// given twice, in the URL (§2.3.1), or in another encoding.
func readForm(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return invalidRequest("parameters belong in the body, not in the URL")
	}
	if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/x-www-form-urlencoded" {
		return invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return invalidRequest("the form cannot be read")
	}
	for _, v := range r.PostForm {
		if len(v) > 1 {
			return invalidRequest("a parameter is given twice")
		}
	}
	return nil
}

// caller says who calls (RFC 6749 §2.3; RFC 7523 §2.2 for client_assertion, which here
// is another issuer's, so that its subject is that issuer's name and client_id is needed). A public client that sends credentials is
// refused, so that clients which try Basic first (golang.org/x/oauth2 does, unless told)
// learn to name themselves in the body before their poll is counted.
func (s *Server) caller(r *http.Request) (caller, error) {
	c := caller{id: r.PostForm.Get("client_id"), ip: remoteIP(r)}
	secret := r.PostForm.Get("client_secret")
	if r.PostForm.Has("client_assertion") || r.PostForm.Has("client_assertion_type") {
		return s.assertedCaller(r, c)
	}
	if r.Header.Get("Authorization") != "" {
		if secret != "" {
			return c, invalidRequest("the client authenticates in two ways")
		}
		id, pass, ok := basicAuth(r)
		if !ok || c.id != "" && c.id != id {
			return c, invalidClient("the authorization header cannot be read, or names another client")
		}
		if id == ClientID {
			return c, invalidClient("hoopctl is a public client: it sends client_id in the body, and no authorization header")
		}
		c.id, secret = id, pass
	}
	switch {
	case c.id == ClientID && secret == "":
		return c, nil
	case c.id == ClientID:
		return c, invalidClient("hoopctl is a public client: it sends no secret")
	case c.id == "" || secret == "":
		return c, invalidClient("the client is unknown, or must show its secret")
	}
	account, err := s.verifyAccount(r.Context(), c.ip, c.id, secret)
	c.account = &account
	return c, err
}

// assertedCaller is the caller that shows another issuer's token.
func (s *Server) assertedCaller(r *http.Request, c caller) (caller, error) {
	assertion := r.PostForm.Get("client_assertion")
	switch {
	case r.Header.Get("Authorization") != "" || r.PostForm.Has("client_secret"):
		return c, invalidRequest("the client authenticates in two ways")
	case r.PostForm.Get("client_assertion_type") != assertionType || assertion == "":
		return c, invalidClient("want client_assertion, and client_assertion_type " + assertionType)
	case c.id == ClientID:
		return c, invalidClient("hoopctl is a public client: it sends no token")
	case c.id == "":
		return c, invalidClient("client_id is missing: the service account's name")
	}
	account, of, err := s.verifyFederated(r.Context(), c.ip, c.id, assertion)
	c.account, c.shown = &account, of
	return c, err
}

// basicAuth reads credentials that are form-encoded within Basic (RFC 6749 §2.3.1).
func basicAuth(r *http.Request) (id, secret string, ok bool) {
	id, secret, ok = r.BasicAuth()
	if !ok {
		return "", "", false
	}
	id, err := url.QueryUnescape(id)
	if err != nil {
		return "", "", false
	}
	secret, err = url.QueryUnescape(secret)
	return id, secret, err == nil
}

// postDeviceAuthorization is RFC 8628 §3.1.
func (s *Server) postDeviceAuthorization(ctx context.Context, c caller, form url.Values) (any, error) {
	if c.account != nil {
		return nil, errNotForAccounts
	}
	return s.authorizeDevice(ctx, c, strings.Fields(form.Get("scope")), form.Get("device_name"))
}

// postToken is the token endpoint (RFC 6749 §3.2).
func (s *Server) postToken(ctx context.Context, c caller, form url.Values) (any, error) {
	grant := oidc.GrantType(form.Get("grant_type"))
	switch grant {
	case "":
		return nil, invalidRequest("grant_type is missing")
	case oidc.GrantTypeClientCredentials:
		if c.account == nil {
			return nil, newProblem(http.StatusBadRequest, string(oidc.UnauthorizedClient), "only service accounts sign in by a secret or a token")
		}
		return s.signInAccount(ctx, c)
	case oidc.GrantTypeDeviceCode, oidc.GrantTypeRefreshToken:
		if c.account != nil {
			return nil, errNotForAccounts
		}
		if grant == oidc.GrantTypeDeviceCode {
			return s.redeem(ctx, c, form.Get("device_code"))
		}
		return s.refresh(ctx, c, form.Get("refresh_token"))
	}
	return nil, newProblem(http.StatusBadRequest, string(oidc.UnsupportedGrantType), "this grant_type is not offered here")
}

// postRevoke is RFC 7009 §2.
func (s *Server) postRevoke(ctx context.Context, c caller, form url.Values) (any, error) {
	if form.Get("token") == "" {
		return nil, invalidRequest("token is missing")
	}
	return struct{}{}, s.revoke(ctx, c, form.Get("token"))
}

// problem is an error answer (RFC 6749 §5.2). Its text is for the client.
type problem struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	status      int
	retryAfter  time.Duration
}

func (p *problem) Error() string { return p.Code + ": " + p.Description }

func newProblem(status int, code, description string) *problem {
	return &problem{Code: code, Description: description, status: status}
}

var errNotForAccounts = newProblem(http.StatusBadRequest, string(oidc.UnauthorizedClient), "service accounts sign in by their secret or token only")

func invalidRequest(description string) *problem {
	return newProblem(http.StatusBadRequest, string(oidc.InvalidRequest), description)
}

func invalidGrant(description string) *problem {
	return newProblem(http.StatusBadRequest, string(oidc.InvalidGrant), description)
}

func invalidClient(description string) *problem {
	return newProblem(http.StatusUnauthorized, string(oidc.InvalidClient), description)
}

// temporarilyUnavailable is a word of RFC 6749 §4.1.2.1. None is registered for the
// token endpoint; clients show it as it is.
const temporarilyUnavailable = "temporarily_unavailable"

func unavailable(description string) *problem {
	p := newProblem(http.StatusServiceUnavailable, temporarilyUnavailable, description)
	p.retryAfter = 5 * time.Second
	return p
}

// answer writes data, or the problem in err. Whatever else is in err is our fault:
// logged, and not told.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, data any, err error) {
	status := http.StatusOK
	if err != nil {
		var p *problem
		known := errors.As(err, &p)
		if error(p) != err { // there is more to it than the client may hear
			s.o.Logger.ErrorContext(r.Context(), "sign-in endpoint failed", "path", r.URL.Path, "error", err)
		}
		if !known {
			p = newProblem(http.StatusInternalServerError, string(oidc.ServerError), "the gateway met a fault of its own; see its log")
		}
		if p.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="hoop"`)
		}
		if p.retryAfter > 0 {
			w.Header().Set("Retry-After", seconds(p.retryAfter))
		}
		status, data = p.status, p
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(data) // of a connection that broke there is nobody to tell
}

// seconds is d in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
