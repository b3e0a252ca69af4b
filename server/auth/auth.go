// Package auth is the gateway's sign-in: it gives tokens to programs after a person
// approved them in a browser, or after a service account showed its secret or another
// issuer's token, and it says whose a token is. What an identity may do is decided
// elsewhere.
//
// # On the wire
//
// An OAuth 2 authorization server and OpenID provider at [Options.Issuer]:
//
//	GET  /.well-known/openid-configuration      OpenID Connect Discovery 1.0
//	GET  /.well-known/oauth-authorization-server  RFC 8414, the same document
//	GET  /oauth/keys                            JWK set, ES256
//	POST /oauth/device_authorization            RFC 8628 §3.1
//	POST /oauth/token                           device_code, refresh_token, client_credentials
//	POST /oauth/revoke                          RFC 7009: any token of a sign-in ends it whole
//
// The public client is "hoopctl"; it names itself by client_id in the body and has no
// secret. With its device authorization it may send device_name (host name, system),
// which the person who approves will see. A service account's client_id is its name; it
// shows client_secret (or Basic), or another issuer's token as client_assertion with
// client_assertion_type (RFC 7523 §2.2), where it is declared with federation. Such a token
// may be used again until it ends, 24 hours ahead at most; what it gave ends with it.
// A refresh token is given where the scope has offline_access. Access tokens are opaque.
// Parameters come in the body only, each once: a query string is refused, so that no
// secret gets into a log of URLs.
//
// # Pages
//
// A person enters the user code, signs in, sees which device asks, and approves:
//
//	GET  /device?user_code=       form: POST /device {csrf, user_code}
//	POST /device                  the sign-in page: a form POST /signin/dev {csrf, user_code, user} for
//	                              each sample user, a link GET /signin/{oidc|saml}/NAME?user_code= for each provider
//	POST /signin/dev              303 to /device/confirm?user_code=
//	GET  /signin/oidc/NAME        303 to the identity provider, back to /signin/oidc/NAME/callback,
//	                              303 to /device/confirm?user_code=
//	GET  /signin/saml/NAME        303 to the identity provider; the browser then posts its answer to
//	POST /signin/saml/NAME/acs    303 to /device/confirm?user_code=
//	GET  /signin/saml/NAME/metadata  what the identity provider's administrator needs
//	GET  /device/confirm          form: POST /device/confirm {csrf, user_code, action=approve|deny}
//	POST /device/confirm          the page that says it is done
//
// A browser that signs in for the web UI is a device of its own: it needs no code and no
// confirmation, and must be the one that began.
//
//	GET  /signin?next=            the sign-in page; back to next, a page of the web UI
//
// The pages need one cookie, __Host-hoop, and no script; while somebody is at an identity
// provider, a second one keeps what was begun, sealed. Every form carries csrf, a
// keyed hash of that cookie; only the browser that signed in for a device can
// approve it.
//
// # Tokens
//
// A sign-in is a [Family] with an absolute end, at which the person's live sessions are
// cut. Only hashes of tokens and codes are
// stored. Each refresh asks the identity provider again and replaces the refresh token;
// a refresh token used twice ends the family (RFC 9700 §4.14.2). One grace exists, for
// an answer that got lost: within ten seconds, from the same address, the previous
// refresh token gets the same successor again, and a new access token. The successor is
// derived from a key, so neither it nor its predecessor need be kept in the clear.
package auth

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/keyed"
)

// ClientID is the public OAuth client.
const ClientID = "hoopctl"

// Log is where events go. Write returns when the event is durable.
type Log interface {
	Write(ctx context.Context, e *hoop.Event) error
}

// Options configure a Server. Issuer, Store, Log and Secret must be set.
type Options struct {
	Issuer string // https URL without path: gateway.yaml's public_url
	Store  Store
	Log    Log
	// Secret is at least 32 random bytes, the same at every gateway that shares the Store
	// and after each restart. It seals the identity providers' refresh tokens and derives
	// ours. When it changes, people sign in again.
	Secret []byte
	// Key signs ID tokens (P-256). Nil makes one for as long as the process runs.
	Key *ecdsa.PrivateKey

	DevUsers  []DevUser // sample users that sign in by a click; for hoop-gateway dev only
	Providers []OIDC    // identity providers, in the order shown
	SAML      []SAML    // more of them, shown after Providers
	// ServiceAccount finds a service account by name. It is called at each use of its
	// tokens, must be quick, and may be called concurrently. Nil: there are none.
	ServiceAccount func(name string) (ServiceAccount, bool)
	// IssuerClient reaches the issuers of service accounts' tokens. Nil: the default
	// transport, which trusts the system's authorities.
	IssuerClient *http.Client

	// OnEnd is told when live sessions of a subject must be cut: the identity was
	// disabled, a token was used twice, or its last sign-in ended or expired. It is called
	// after the end is stored, and must not block.
	OnEnd func(ctx context.Context, subject string)
	// OnSignInEnd is told when live sessions of the agents must be cut that stand on a
	// sign-in: it ended, or expired. As OnEnd otherwise.
	OnSignInEnd func(ctx context.Context, signIn string)
	// OnChange is told when an identity's groups are no longer what they were.
	OnChange func(ctx context.Context, id hoop.Identity)

	AccessLife time.Duration // of an access token; default and maximum 5m
	SignInLife time.Duration // of a sign-in, from its start; default 12h
	DeviceLife time.Duration // of a device code; default 10m
	Interval   time.Duration // between polls, in whole seconds; default 5s
	Limits     Limits

	Logger *slog.Logger     // default: discards
	Now    func() time.Time // default: time.Now
}

// Server signs in. Its methods may be called concurrently.
type Server struct {
	o         Options
	keys      keys
	providers map[string]provider
	page      *pages
	cache     *cache
	limits    *limits
	polls     *polls
	signer    *signer
	issuers   *issuers
	refreshes keyed.Locks // one refresh at a time for each family
	elsewhere elsewhere
	handler   http.Handler
}

// New makes a Server. It reaches no identity provider yet; CheckOIDC does.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		o:         o,
		keys:      newKeys(o.Secret),
		providers: map[string]provider{},
		cache:     newCache(),
		limits:    newLimits(o.Limits, o.Now),
		polls:     newPolls(o.Interval, o.Now),
		issuers:   newIssuers(o.IssuerClient, o.Now),
		elsewhere: elsewhere{known: map[cutKey]struct{}{}},
	}
	var err error
	if s.signer, err = newSigner(o.Key); err != nil {
		return nil, err
	}
	if s.page, err = newPages(); err != nil {
		return nil, err
	}
	if err := s.addProviders(); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

func (o *Options) complete() error {
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil:
		return fmt.Errorf("issuer: %w", err)
	case u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("issuer %q: want https://host[:port], without a path", o.Issuer)
	case o.Store == nil || o.Log == nil:
		return errors.New("sign-in: no store or no log")
	case len(o.Secret) < 32:
		return errors.New("sign-in: the secret is shorter than 32 bytes")
	}
	if o.AccessLife <= 0 || o.AccessLife > maxAccessLife {
		o.AccessLife = maxAccessLife
	}
	setDefault(&o.SignInLife, 12*time.Hour)
	setDefault(&o.DeviceLife, 10*time.Minute)
	setDefault(&o.Interval, 5*time.Second)
	if o.Interval < time.Second || o.Interval%time.Second != 0 {
		return fmt.Errorf("sign-in: poll interval %s: want whole seconds", o.Interval)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ServiceAccount == nil {
		o.ServiceAccount = func(string) (ServiceAccount, bool) { return ServiceAccount{}, false }
	}
	if o.OnEnd == nil {
		o.OnEnd = func(context.Context, string) {}
	}
	if o.OnSignInEnd == nil {
		o.OnSignInEnd = func(context.Context, string) {}
	}
	if o.OnChange == nil {
		o.OnChange = func(context.Context, hoop.Identity) {}
	}
	return nil
}

// maxAccessLife bounds how long an identity stands without being asked for again.
const maxAccessLife = 5 * time.Minute

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Handler serves everything in the package comment.
func (s *Server) Handler() http.Handler { return s.handler }

// now is the time, UTC and no finer than a database keeps it.
func (s *Server) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

// remoteIP is the address a request came from. Headers that claim another one are not
// believed.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
