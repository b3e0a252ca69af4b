package server

import (
	"context"
	"slices"
	"time"
	"unicode"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/grant"
)

// Limits of an agent.
const (
	maxAgentTargets = 100
	maxAgentName    = 64 // bytes
)

// delegate starts an agent on behalf of who has the token: for targets that some access
// rule lets them ask for themselves.
func (g *Gateway) delegate(ctx context.Context, id hoop.Identity, token, address string, ask api.NewAgent) (api.Agent, error) {
	targets := slices.Compact(slices.Sorted(slices.Values(ask.Targets)))
	switch {
	case len(targets) == 0 || len(targets) > maxAgentTargets:
		return api.Agent{}, hoop.Errorf(hoop.CodeInvalid, "an agent is for 1 to %d targets, not %d", maxAgentTargets, len(targets)).
			WithHint("hoopctl agent token --target T; hoopctl targets lists yours")
	case len(ask.Name) > maxAgentName || slices.ContainsFunc([]rune(ask.Name), func(c rune) bool { return !unicode.IsPrint(c) || hoop.Unseen(c) }):
		return api.Agent{}, hoop.Errorf(hoop.CodeInvalid, "the agent's name is longer than %d bytes, or cannot be shown", maxAgentName)
	}
	for _, t := range targets {
		if _, err := g.rules.Access(ctx, id, t); err != nil {
			return api.Agent{}, err
		}
	}
	scope, err := grant.CleanScope(ask.Scope)
	if err != nil {
		return api.Agent{}, err
	}
	agent, secret, err := g.signIn.Delegate(ctx, token, address, auth.Agent{
		Name: ask.Name, Life: time.Duration(ask.Duration), Delegation: hoop.Delegation{Targets: targets, Scope: scope},
	})
	if err != nil {
		return api.Agent{}, err
	}
	d := agent.Delegation
	return api.Agent{
		Token: secret, Subject: agent.Subject, Name: agent.Name, Chain: agent.Chain, Targets: d.Targets, Scope: d.Scope, ExpiresAt: d.ExpiresAt,
	}, nil
}
