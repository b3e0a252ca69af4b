package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// ServiceAccount is a program that signs in by a secret, or by another issuer's token
// (kind ServiceAccount).
type ServiceAccount struct {
	Groups     []string
	Owner      string   // a subject or a group
	SecretHash [32]byte // SHA-256 of the secret, without the line end of its file; all zero: none, no sign-in (nothing hashes to zero)
	Federation Federation
}

// serviceProvider is hoop.Identity.Provider of service accounts; their subjects start
// with servicePrefix, so no identity provider may have that name.
const (
	serviceProvider = "service-account"
	servicePrefix   = "service:"
)

// ServiceSubject is the subject of the service account of that name.
func ServiceSubject(name string) string { return servicePrefix + name }

func (a ServiceAccount) identity(name string) hoop.Identity {
	return hoop.Identity{
		Subject: ServiceSubject(name), Name: name, Kind: hoop.Service, Provider: serviceProvider,
		Groups: slices.Clone(a.Groups), Owner: a.Owner,
	}
}

// verifyAccount checks a service account's secret. Wrong secrets make the next tries
// wait, right ones included; an unknown account looks like a wrong secret, and takes as
// long.
func (s *Server) verifyAccount(ctx context.Context, ip, name, secret string) (ServiceAccount, error) {
	if err := s.mayTry(ip, name); err != nil {
		return ServiceAccount{}, err
	}
	account, ok := s.o.ServiceAccount(name)
	got := sha256.Sum256([]byte(secret))
	same := subtle.ConstantTimeCompare(got[:], account.SecretHash[:]) == 1
	if !ok || !same {
		s.triedInVain(ctx, ip, name, "wrong service account or secret")
		return ServiceAccount{}, invalidClient("this service account is unknown, or its secret is wrong")
	}
	s.limits.accounts.reset(accountKey(ip, name))
	return account, nil
}

// verifyFederated checks another issuer's token, and says what time it is of. Wrong ones count
// as wrong secrets do. Whatever was wrong looks the same from outside; the log tells the
// operator. That the issuer cannot be reached hears only who shows a token that claims
// to be as declared, and it is not counted.
func (s *Server) verifyFederated(ctx context.Context, ip, name, assertion string) (ServiceAccount, period, error) {
	if err := s.mayTry(ip, name); err != nil {
		return ServiceAccount{}, period{}, err
	}
	account, ok := s.o.ServiceAccount(name)
	of, err := s.issuers.verify(ctx, account.Federation, assertion)
	if ok && err == nil {
		if err = s.givenSince(ctx, ServiceSubject(name), of.issued); err != nil && !errors.Is(err, errEnded) {
			return ServiceAccount{}, period{}, err
		}
	}
	switch {
	case errors.Is(err, errUnreachable):
		s.o.Logger.WarnContext(ctx, "issuer of a service account's tokens unreachable", "account", name, "issuer", account.Federation.Issuer, "error", err)
		return ServiceAccount{}, period{}, unavailable("the issuer of this service account's tokens cannot be reached; try again")
	case !ok || err != nil:
		if ok {
			s.o.Logger.InfoContext(ctx, "token for a service account refused", "account", name, "error", err)
		}
		s.triedInVain(ctx, ip, name, "wrong service account or token")
		return ServiceAccount{}, period{}, invalidClient("this service account is unknown, or the token does not stand for it")
	}
	s.limits.accounts.reset(accountKey(ip, name))
	return account, of, nil
}

func accountKey(ip, name string) string { return network(ip) + " " + hash(name) }

// mayTry refuses who must wait first.
func (s *Server) mayTry(ip, name string) error {
	wait := max(s.limits.accounts.wait(accountKey(ip, name)), s.limits.secrets.wait(network(ip)))
	if wait <= 0 {
		return nil
	}
	p := invalidClient("too many wrong secrets; try again in " + seconds(wait) + " seconds")
	p.status, p.retryAfter = http.StatusTooManyRequests, wait
	return p
}

// triedInVain counts and records a wrong secret or token.
func (s *Server) triedInVain(ctx context.Context, ip, name, reason string) {
	s.limits.accounts.add(accountKey(ip, name))
	s.limits.secrets.add(network(ip))
	s.failed(ctx, ip, reason, hoop.Detail{Name: "client", Value: clean(name, maxDeviceName)})
}

// signInAccount gives a service account an access token. There is no refresh token: the
// secret, or the issuer's token, is at hand. What a token gave ends with it.
func (s *Server) signInAccount(ctx context.Context, c caller) (*oidc.AccessTokenResponse, error) {
	return s.begin(ctx, Family{
		Identity: c.account.identity(c.id), Provider: serviceProvider, Client: c.id, RemoteIP: c.ip,
		Credential: s.keys.fingerprint(c.id, *c.account), Key: s.keys.name, CheckedAt: s.now(), ExpiresAt: c.shown.end, GivenAt: c.shown.issued,
	}, "")
}

// federates reports whether another issuer's tokens stand for the account of a sign-in.
func (s *Server) federates(f *Family) bool {
	if f.Provider != serviceProvider {
		return false
	}
	a, ok := s.o.ServiceAccount(f.Client)
	return ok && a.Federation != Federation{}
}

// accounts is the provider of service accounts. It looks at the resources each time, so
// that an account that is gone, has other groups, another secret or another issuer, is so at once.
type accounts struct{ s *Server }

func (p accounts) current(f *Family) (hoop.Identity, bool) {
	a, ok := p.s.o.ServiceAccount(f.Client)
	if !ok || !equal(string(f.Credential), string(p.s.keys.fingerprint(f.Client, a))) {
		return hoop.Identity{}, false
	}
	return a.identity(f.Client), true
}

func (accounts) renewable([]byte) bool { return false }
func (accounts) remote() bool          { return false }

func (accounts) check(context.Context, hoop.Identity, []byte) (hoop.Identity, []byte, error) {
	return hoop.Identity{}, nil, errRefused // never renewed
}
