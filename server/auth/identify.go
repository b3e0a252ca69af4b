package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const hintLogin = "run hoopctl login"

var (
	errNoToken      = hoop.Errorf(hoop.CodeUnauthenticated, "the token is unknown").WithHint(hintLogin)
	errTokenExpired = hoop.Errorf(hoop.CodeUnauthenticated, "the token has expired").WithHint(hintLogin)
	errTokenEnded   = hoop.Errorf(hoop.CodeUnauthenticated, "the sign-in has ended").WithHint(hintLogin)
	errGone         = hoop.Errorf(hoop.CodeUnauthenticated, "this identity no longer exists").WithHint("ask an administrator of the gateway")
)

// Identify says whose an access token is. Its errors are *hoop.Error: unauthenticated,
// or unavailable when the store cannot tell. What this gateway ends is seen at once,
// what another one on the same store ends within a second.
func (s *Server) Identify(ctx context.Context, token string) (hoop.Identity, error) {
	now := s.now()
	h := hash(token)
	f, ok := s.cache.get(h, now)
	if !ok {
		mark := s.cache.mark()
		t, row, err := s.lookUp(ctx, token, accessPrefix)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && t.Kind != AccessToken:
			return hoop.Identity{}, errNoToken
		case err != nil:
			return hoop.Identity{}, hoop.Errorf(hoop.CodeUnavailable, "the gateway cannot check the token").WithHint("try again").Wrap(err)
		case !row.EndedAt.IsZero():
			return hoop.Identity{}, errTokenEnded
		case !now.Before(t.ExpiresAt), !now.Before(row.ExpiresAt):
			return hoop.Identity{}, errTokenExpired
		}
		f = row
		s.cache.put(h, cached{family: f, until: earliest(now.Add(cacheLife), t.ExpiresAt, f.ExpiresAt)}, mark)
	}
	p, ok := s.providers[f.Provider]
	if !ok {
		return hoop.Identity{}, errGone
	}
	id, ok := p.current(&f)
	if !ok {
		return hoop.Identity{}, errGone
	}
	id.Groups, id.Chain = append([]string{}, id.Groups...), slices.Clone(id.Chain)
	return id, nil
}

func earliest(t time.Time, more ...time.Time) time.Time {
	for _, u := range more {
		if u.Before(t) {
			t = u
		}
	}
	return t
}
