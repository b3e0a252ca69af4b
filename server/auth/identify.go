package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const hintLogin = "run hoopctl login"

var (
	errNoToken      = hoop.Errorf(hoop.CodeUnauthenticated, "the token is unknown").WithHint(hintLogin)
	errTokenExpired = hoop.Errorf(hoop.CodeUnauthenticated, "the token has expired").WithHint(hintLogin)
	errTokenEnded   = hoop.Errorf(hoop.CodeUnauthenticated, "the sign-in has ended").WithHint(hintLogin)
	errGone         = hoop.Errorf(hoop.CodeUnauthenticated, "this identity no longer exists").WithHint("ask an administrator of the gateway")
	errOtherKey     = hoop.Errorf(hoop.CodeUnauthenticated, "another gateway gave this token, with another sign-in key, and this one cannot check it").
			WithHint("sign in here: hoopctl login; gateways behind one address need the same keys/sign-in.key")
	errOtherSecret = hoop.Errorf(hoop.CodeUnauthenticated, "the service account has another secret, or another issuer, since it signed in").WithHint(hintLogin)
)

// Identify says whose an access token is. Its errors are *hoop.Error: unauthenticated,
// or unavailable when the store cannot tell. What this gateway ends is seen at once,
// what another one on the same store ends within a second.
func (s *Server) Identify(ctx context.Context, token string) (hoop.Identity, error) {
	id, _, err := s.identify(ctx, token, accessPrefix)
	return id, err
}

// Forget has the next Identify of a token ask the store, and so know what other gateways
// have ended by now.
func (s *Server) Forget(token string) { s.cache.forget(hash(token)) }

// identify says whose a token of a kind is, and which sign-in it belongs to.
func (s *Server) identify(ctx context.Context, token, prefix string) (hoop.Identity, Family, error) {
	if !strings.HasPrefix(token, prefix) { // before the cache, which knows every kind
		return hoop.Identity{}, Family{}, errNoToken
	}
	now := s.now()
	h := hash(token)
	e, ok := s.cache.get(h, now)
	f := e.family
	if !ok {
		mark := s.cache.mark()
		t, row, err := s.lookUp(ctx, token, prefix)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && t.Kind != AccessToken:
			return hoop.Identity{}, f, errNoToken
		case err != nil:
			return hoop.Identity{}, f, hoop.Errorf(hoop.CodeUnavailable, "the gateway cannot check the token").WithHint("try again").Wrap(err)
		case !row.EndedAt.IsZero():
			return hoop.Identity{}, f, errTokenEnded
		case !now.Before(t.ExpiresAt), !now.Before(row.ExpiresAt):
			return hoop.Identity{}, f, errTokenExpired
		}
		f = row
		e = cached{family: f, until: earliest(now.Add(cacheLife), t.ExpiresAt, f.ExpiresAt)}
		if e.starter, err = s.starterOf(ctx, &f, now); err != nil {
			return hoop.Identity{}, f, err
		}
		s.cache.put(h, e, mark)
	}
	id, ok := s.currently(&f)
	if ok && f.Parent != "" {
		var starter hoop.Identity
		starter, ok = s.currently(e.starter)
		id = agentOf(id, starter)
	}
	if !ok {
		return hoop.Identity{}, f, s.gone(&f)
	}
	id.Groups, id.Chain = append([]string{}, id.Groups...), slices.Clone(id.Chain)
	return id, f, nil
}

// currently is the identity behind a living family, as its provider has it now.
func (s *Server) currently(f *Family) (hoop.Identity, bool) {
	p, ok := s.providers[f.Provider]
	if !ok {
		return hoop.Identity{}, false
	}
	return p.current(f)
}

// gone says why nobody is behind a living family of a person or a service account any more.
func (s *Server) gone(f *Family) error {
	if f.Provider != serviceProvider {
		return errGone
	}
	switch _, ok := s.o.ServiceAccount(f.Client); {
	case !ok:
		return errGone
	case s.foreign(f):
		return errOtherKey
	}
	return errOtherSecret
}

func earliest(t time.Time, more ...time.Time) time.Time {
	for _, u := range more {
		if u.Before(t) {
			t = u
		}
	}
	return t
}
