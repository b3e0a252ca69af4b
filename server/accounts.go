package server

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
)

// cutAccounts ends the sessions of the service accounts that next declares otherwise
// than before: what their tokens stand for is gone. An account that is as it was keeps
// them.
func (g *Gateway) cutAccounts(before, next map[string]auth.ServiceAccount) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if cause, why := changed(before, next, name); why != "" {
			g.cut(auth.ServiceSubject(name), cause, why)
		}
	}
}

// cut ends what an identity has under way: sessions, and long answers.
func (g *Gateway) cut(subject string, cause hoop.Cause, why string) {
	g.grants.Cut(subject, cause, why)
	g.streams.Cut(subject, why)
}

// changed says what became of an account; "" is nothing that matters to its sessions.
func changed(before, next map[string]auth.ServiceAccount, name string) (cause hoop.Cause, why string) {
	was := before[name]
	is, ok := next[name]
	switch {
	case !ok:
		return hoop.CauseAccount, "this service account no longer exists"
	case is.SecretHash != was.SecretHash || is.Federation != was.Federation:
		return hoop.CauseIdentity, "its sign-in is another now"
	case !slices.Equal(slices.Sorted(slices.Values(is.Groups)), slices.Sorted(slices.Values(was.Groups))) || is.Owner != was.Owner:
		return hoop.CauseIdentity, "its groups or its owner have changed"
	}
	return "", ""
}

// passes is how often disable looks for what was asked for before the sign-ins ended and is
// stored only now.
const passes = 3

// disable ends all that an identity has. What sessions stand on comes first, so that they
// hear the reason; then the sign-ins, so that nothing new is asked for while the rest is
// ended, however much that is.
func (g *Gateway) disable(ctx context.Context, by hoop.Identity, d api.Disable) (api.Disabled, error) {
	done := api.Disabled{Subject: d.Subject}
	var err, ended error
	done.Grants, err = g.grants.RevokeLive(ctx, by, d.Subject, d.Reason)
	// People's words are about a target, or nothing: an event of sign-in carries none.
	done.SignIns, ended = g.signIn.Disable(ctx, d.Subject, "disabled by "+by.Subject)
	for range passes {
		grants, requests, revoked := g.grants.RevokeAll(ctx, by, d.Subject, d.Reason)
		done.Grants, done.Requests = done.Grants+grants, done.Requests+requests
		if err = errors.Join(err, revoked); revoked != nil || grants+requests == 0 {
			break
		}
	}
	left := g.grants.Leave(ctx, hoop.Identity{Subject: d.Subject})
	return done, errors.Join(err, ended, left)
}
