// Package login signs hoopctl in at a gateway and keeps it signed in: the device
// authorization grant (RFC 8628) for people, client credentials (RFC 6749 §4.4) and
// token files for programs, renewal, and revocation (RFC 7009).
//
// The endpoints come from the gateway's own discovery document (OpenID Connect
// Discovery 1.0 §4), which must speak for that gateway and no other. What a sign-in
// leaves behind is kept by the caller's Store; a lock file in the config directory
// keeps several hoopctl processes from spending the same refresh token.
package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/internal/keyring"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	// ClientID is what hoopctl calls itself at the gateway's token endpoint.
	ClientID = "hoopctl"
	// margin is how long before its end a token counts as ended, so that it does not
	// end on the way.
	margin = 30 * time.Second
	// exchange bounds one exchange with the token endpoint, waiting for other
	// processes included.
	exchange = 30 * time.Second
	// lockName is the file in the config directory that renewals are serialised by.
	lockName = "renew.lock"
	// lockPoll is how often a process looks whether the lock is free.
	lockPoll = 20 * time.Millisecond
)

// Kind is how one signed in.
type Kind string

// The kinds of sign-in.
const (
	Device         Kind = "device"          // a person, in a browser
	ServiceAccount Kind = "service-account" // a program, by a secret in a file
	Federated      Kind = "federated"       // a program, by another issuer's token in a file that somebody else renews
	TokenFile      Kind = "token-file"      // a program, by a gateway's token in a file that somebody else renews
	Environment    Kind = "environment"     // HOOPCTL_TOKEN
)

// Kept is what a sign-in leaves behind. Of a service account it has the path of the
// file, not the secret or the token in it.
type Kept struct {
	Kind    Kind      `json:"kind"`
	Access  string    `json:"access,omitempty"`
	Refresh string    `json:"refresh,omitempty"`
	Expiry  time.Time `json:"expiry,omitzero"`
	Account string    `json:"account,omitempty"` // name of the service account
	File    string    `json:"file,omitempty"`    // absolute path of the secret's or the token's file
}

// String tells nothing secret.
func (k Kept) String() string { return string(k.Kind) }

func (k Kept) valid(now time.Time) bool {
	return k.Access != "" && (k.Expiry.IsZero() || now.Add(margin).Before(k.Expiry))
}

// Store keeps what a sign-in leaves behind; internal/keyring has one. Get answers
// keyring.ErrNotFound when there is nothing.
type Store interface {
	Get(gateway string) (string, error)
	Set(gateway, value string) error
	Delete(gateway string) error
}

// Source is the sign-in at one gateway. It may be used by several goroutines.
type Source struct {
	Gateway string       // normalised, see config.NormalizeGateway
	Dir     string       // config directory, for the lock
	HTTP    *http.Client // must refuse redirects
	Store   Store
	Env     string // HOOPCTL_TOKEN: used as it is, and nothing else is
	Now     func() time.Time

	mu   sync.Mutex
	kept *Kept // guarded by mu: what Store had when last asked
}

// errSignIn is what callers see who are not signed in.
func (s *Source) errSignIn(why string) *hoop.Error {
	return hoop.Errorf(hoop.CodeUnauthenticated, "%s at %s", why, s.Gateway).WithHint("hoopctl login")
}

// Token gives a token that is good for half a minute at least, renewing it first
// where needed. The error is a *hoop.Error of CodeUnauthenticated when one has to
// sign in.
func (s *Source) Token(ctx context.Context) (string, error) {
	if s.Env != "" {
		return s.Env, nil
	}
	k, err := s.Kept()
	if err != nil {
		return "", err
	}
	if k.Kind == TokenFile {
		return readSecret(k.File)
	}
	if k.valid(s.Now()) {
		return k.Access, nil
	}
	return s.Renew(ctx, k.Access)
}

// Renew gives another token than stale, which the gateway refused or which is about
// to end. Where another process has renewed it meanwhile, its result is taken.
func (s *Source) Renew(ctx context.Context, stale string) (string, error) {
	if s.Env != "" {
		return "", hoop.Errorf(hoop.CodeUnauthenticated, "%s does not take the token in HOOPCTL_TOKEN", s.Gateway).
			WithHint("put a fresh token into HOOPCTL_TOKEN, or unset it and type hoopctl login")
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	k, err := s.reload()
	if err != nil {
		return "", err
	}
	if k.Kind == TokenFile {
		return readSecret(k.File)
	}
	if k.Access != stale && k.valid(s.Now()) {
		return k.Access, nil
	}
	return s.renew(ctx, k)
}

// renew exchanges what is kept for a new token. The lock is held. An exchange once
// begun is finished even if ctx ends: a refresh token that was spent and not replaced
// would sign the user out.
func (s *Source) renew(ctx context.Context, k Kept) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchange)
	defer cancel()
	d, err := s.discover(ctx)
	if err != nil {
		return "", err
	}
	var next Kept
	switch {
	case k.Kind == ServiceAccount || k.Kind == Federated:
		next, err = s.clientCredentials(ctx, d, k.Kind, k.Account, k.File)
	case k.Refresh == "":
		return "", s.errSignIn("your sign-in has ended")
	default:
		next, err = s.refresh(ctx, d, k)
	}
	if err != nil {
		return "", s.explain(err, "your sign-in has ended")
	}
	return next.Access, s.keep(next)
}

func (s *Source) refresh(ctx context.Context, d *discovery, k Kept) (Kept, error) {
	tok, err := d.config().TokenSource(s.context(ctx), &oauth2.Token{RefreshToken: k.Refresh}).Token()
	if err != nil {
		return Kept{}, err
	}
	k.Access, k.Expiry = tok.AccessToken, tok.Expiry
	if tok.RefreshToken != "" {
		k.Refresh = tok.RefreshToken
	}
	return k, nil
}

// Kept tells how one is signed in; a *hoop.Error of CodeUnauthenticated when not.
func (s *Source) Kept() (Kept, error) {
	if s.Env != "" {
		return Kept{Kind: Environment}, nil
	}
	s.mu.Lock()
	k := s.kept
	s.mu.Unlock()
	if k != nil {
		return *k, nil
	}
	return s.reload()
}

// reload asks the store, whatever is remembered.
func (s *Source) reload() (Kept, error) {
	v, err := s.Store.Get(s.Gateway)
	if errors.Is(err, keyring.ErrNotFound) {
		e := s.errSignIn("you are not signed in")
		if errors.Is(err, keyring.ErrOutOfReach) {
			e = e.Wrap(err)
		}
		return Kept{}, e
	}
	if err != nil {
		return Kept{}, err
	}
	var k Kept
	if err := json.Unmarshal([]byte(v), &k); err != nil {
		return Kept{}, s.errSignIn("the kept sign-in is damaged; you are not signed in")
	}
	s.mu.Lock()
	s.kept = &k
	s.mu.Unlock()
	return k, nil
}

func (s *Source) keep(k Kept) error {
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	if err := s.Store.Set(s.Gateway, string(b)); err != nil {
		return err
	}
	s.mu.Lock()
	s.kept = &k
	s.mu.Unlock()
	return nil
}

// lock serialises renewals of all processes that share the config directory.
func (s *Source) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock the sign-in: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, exchange)
	defer cancel()
	l := flock.New(filepath.Join(s.Dir, lockName), flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("lock the sign-in, %s: %w", l.Path(), err)
	}
	return func() { l.Close() }, nil
}

// context makes x/oauth2 use our HTTP client.
func (s *Source) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, s.HTTP)
}

// explain turns what a token endpoint refused (RFC 6749 §5.2, RFC 8628 §3.5) into
// what a user can act on. Answers of the endpoint are shown by their code alone: a
// description may carry what was sent.
func (s *Source) explain(err error, refused string) error {
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) {
		return err
	}
	switch e.ErrorCode {
	case "invalid_grant":
		return s.errSignIn(refused)
	case "unauthorized_client":
		return hoop.Errorf(hoop.CodeUnauthenticated, "%s signs in only service accounts this way", s.Gateway).
			WithHint("hoopctl login --service-account NAME --secret-file F, or --token-file F; people need an identity provider in gateway.yaml")
	case "invalid_client":
		return hoop.Errorf(hoop.CodeUnauthenticated, "%s does not know these credentials", s.Gateway).
			WithHint("check the name, and the secret or the token, which may have expired: hoopctl login --service-account NAME --secret-file F, or --token-file F")
	case "access_denied":
		return hoop.Errorf(hoop.CodeDenied, "the sign-in was refused in the browser").WithHint("hoopctl login begins another")
	case "expired_token":
		return hoop.Errorf(hoop.CodeUnauthenticated, "the code was not entered in time").WithHint("hoopctl login gives another")
	case "":
		return hoop.Errorf(hoop.CodeUnavailable, "the token endpoint of %s answered %s", s.Gateway, e.Response.Status).
			WithHint("try again; hoopctl doctor tells what is wrong")
	case "temporarily_unavailable", "server_error":
		return hoop.Errorf(hoop.CodeUnavailable, "%s cannot sign anybody in now (%s)", s.Gateway, e.ErrorCode).
			WithHint("try again in a while; if it stays so, an administrator finds the reason in the gateway's log")
	}
	return hoop.Errorf(hoop.CodeUnauthenticated, "the token endpoint of %s answered %q", s.Gateway, e.ErrorCode)
}

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 64 << 10

// readSecret reads a secret or token, without the white space around it. A pipe is
// refused: it would be empty, or block, when the sign-in is renewed.
func readSecret(path string) (string, error) {
	const again = "the file is read again at every renewal: keep it where it is, or sign in anew with another"
	st, err := os.Stat(path)
	if err != nil {
		return "", hoop.Errorf(hoop.CodeInvalid, "read the secret: %v", err).WithHint(again)
	}
	if !st.Mode().IsRegular() {
		return "", hoop.Errorf(hoop.CodeInvalid, "%s is not a regular file", path).WithHint(again)
	}
	if st.Size() > maxSecret {
		return "", hoop.Errorf(hoop.CodeInvalid, "%s is too large to be a secret", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", hoop.Errorf(hoop.CodeInvalid, "read the secret: %v", err).WithHint(again)
	}
	v := strings.TrimSpace(string(b))
	if v == "" || strings.ContainsAny(v, "\r\n\x00") {
		return "", hoop.Errorf(hoop.CodeInvalid, "%s must hold one line", path).
			WithHint("the secret or token, and nothing else")
	}
	return v, nil
}
