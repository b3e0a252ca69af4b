package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// ServiceAccount is a program that signs in by a secret (kind ServiceAccount).
type ServiceAccount struct {
	Groups     []string
	Owner      string   // a subject or a group
	SecretHash [32]byte // SHA-256 of the secret, without the line end of its file; all zero: none, no sign-in (nothing hashes to zero)
}

// serviceProvider is hoop.Identity.Provider of service accounts; their subjects start
// with servicePrefix, so no identity provider may have that name.
const (
	serviceProvider = "service-account"
	servicePrefix   = "service:"
)

func (a ServiceAccount) identity(name string) hoop.Identity {
	return hoop.Identity{
		Subject: servicePrefix + name, Name: name, Kind: hoop.Service, Provider: serviceProvider,
		Groups: slices.Clone(a.Groups), Owner: a.Owner,
	}
}

// verifyAccount checks a service account's secret. Wrong secrets make the next tries
// wait, right ones included; an unknown account looks like a wrong secret, and takes as
// long.
func (s *Server) verifyAccount(ctx context.Context, ip, name, secret string) (ServiceAccount, error) {
	from := network(ip)
	key := from + " " + hash(name)
	if wait := max(s.limits.accounts.wait(key), s.limits.secrets.wait(from)); wait > 0 {
		p := invalidClient("too many wrong secrets; try again in " + seconds(wait) + " seconds")
		p.status, p.retryAfter = http.StatusTooManyRequests, wait
		return ServiceAccount{}, p
	}
	account, ok := s.o.ServiceAccount(name)
	got := sha256.Sum256([]byte(secret))
	same := subtle.ConstantTimeCompare(got[:], account.SecretHash[:]) == 1
	if ok && same {
		s.limits.accounts.reset(key)
		return account, nil
	}
	s.limits.accounts.add(key)
	s.limits.secrets.add(from)
	s.failed(ctx, ip, "wrong service account or secret", hoop.Detail{Name: "client", Value: clean(name, maxDeviceName)})
	return ServiceAccount{}, invalidClient("this service account is unknown, or its secret is wrong")
}

// signInAccount gives a service account an access token. There is no refresh token: the
// secret is at hand.
func (s *Server) signInAccount(ctx context.Context, c caller) (*oidc.AccessTokenResponse, error) {
	return s.begin(ctx, Family{
		Identity: c.account.identity(c.id), Provider: serviceProvider, Client: c.id, RemoteIP: c.ip,
		Credential: s.keys.fingerprint(c.id, c.account.SecretHash), CheckedAt: s.now(),
	})
}

// accounts is the provider of service accounts. It looks at the resources each time, so
// that an account that is gone, has other groups or another secret, is so at once.
type accounts struct{ s *Server }

func (p accounts) current(f *Family) (hoop.Identity, bool) {
	a, ok := p.s.o.ServiceAccount(f.Client)
	if !ok || !equal(string(f.Credential), string(p.s.keys.fingerprint(f.Client, a.SecretHash))) {
		return hoop.Identity{}, false
	}
	return a.identity(f.Client), true
}

func (accounts) renewable([]byte) bool { return false }
func (accounts) remote() bool          { return false }

func (accounts) check(context.Context, hoop.Identity, []byte) (hoop.Identity, []byte, error) {
	return hoop.Identity{}, nil, errRefused // never renewed
}
