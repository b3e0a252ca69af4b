package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// agentProvider is hoop.Identity.Provider of agents; their subjects start with
// agentPrefix, so no identity provider may have that name.
const (
	agentProvider = "agent"
	agentPrefix   = "agent:"
)

// Agent is what an agent is to be.
type Agent struct {
	Name       string // for people; "" names it after who starts it
	Life       time.Duration
	Delegation hoop.Delegation // targets and scope; the rest is for Delegate
}

// errNoDelegate is for who cannot give anything on.
var errNoDelegate = hoop.Errorf(hoop.CodeDenied, "only people start agents, and only in their own name").
	WithHint("hoopctl login, as yourself; a program signs in with its own service account")

// Delegate gives a token for a new agent that acts for whom an access token belongs to:
// a person, and not another agent. It ends with the sign-in that the access token
// belongs to, whatever Life says, and cannot be renewed. The token is told to nobody
// before its event is durable. Its errors are *hoop.Error.
func (s *Server) Delegate(ctx context.Context, token, ip string, a Agent) (hoop.Identity, string, error) {
	id, parent, err := s.identify(ctx, token, accessPrefix)
	switch {
	case err != nil:
		return hoop.Identity{}, "", err
	case id.Kind != hoop.Human || len(id.Chain) > 0:
		return hoop.Identity{}, "", errNoDelegate
	case a.Life < time.Second:
		return hoop.Identity{}, "", hoop.Errorf(hoop.CodeInvalid, "an agent's token cannot last %s", a.Life).WithHint("hoopctl agent token --for 30m --target T")
	}
	now := s.now()
	f := Family{
		ID: newID(), Provider: agentProvider, Client: ClientID, Device: clean(a.Name, maxDeviceName), RemoteIP: ip, Parent: parent.ID,
		CreatedAt: now, CheckedAt: now, ExpiresAt: earliest(now.Add(a.Life), parent.ExpiresAt),
	}
	d := a.Delegation
	d.SignIn, d.ExpiresAt = parent.ID, f.ExpiresAt
	f.Subject = agentPrefix + f.ID[:16]
	f.Identity = hoop.Identity{Subject: f.Subject, Name: f.Device, Delegation: &d}
	if f.Identity.Name == "" {
		f.Identity.Name = "agent of " + id.Name
	}
	f.Identity = agentOf(f.Identity, id)
	e := s.event(hoop.EventSignIn, &f, "")
	e.Details = append(e.Details, hoop.Detail{Name: "started_by", Value: parent.ID},
		hoop.Detail{Name: "targets", Value: strings.Join(d.Targets, " ")})
	if !d.Scope.IsZero() {
		e.Details = append(e.Details, hoop.Detail{Name: "scope", Value: d.Scope.String()})
	}
	if err := s.write(ctx, e); err != nil {
		return hoop.Identity{}, "", hoop.Errorf(hoop.CodeUnrecorded, "the gateway cannot record the agent, so it starts none").WithHint("tell an administrator").Wrap(err)
	}
	access := accessPrefix + random()
	row := Token{Hash: hash(access), Kind: AccessToken, Family: f.ID, CreatedAt: now, ExpiresAt: f.ExpiresAt}
	if err := s.o.Store.AddFamily(ctx, f, row); err != nil {
		return hoop.Identity{}, "", hoop.Errorf(hoop.CodeUnavailable, "the agent's token could not be stored").WithHint("try again").Wrap(err)
	}
	return f.Identity, access, nil
}

// agentOf is an agent as long as the person who started it is so: it has that person's
// groups, and no rights of a role.
func agentOf(agent, person hoop.Identity) hoop.Identity {
	return hoop.Identity{
		Subject: agent.Subject, Name: agent.Name, Email: person.Email, Kind: hoop.Service, Provider: agentProvider,
		Groups: slices.Clone(person.Groups), Chain: append([]string{person.Subject}, person.Chain...), Delegation: agent.Delegation,
	}
}

// starterOf reads the sign-in that an agent stands on; nil where f is no agent's.
func (s *Server) starterOf(ctx context.Context, f *Family, now time.Time) (*Family, error) {
	if f.Parent == "" {
		return nil, nil
	}
	p, err := s.o.Store.Family(ctx, f.Parent)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !p.live(now):
		return nil, errTokenEnded
	case err != nil:
		return nil, hoop.Errorf(hoop.CodeUnavailable, "the gateway cannot check the token").WithHint("try again").Wrap(err)
	}
	return &p, nil
}

// agents is the provider of agents. They are what their starters are, which identify
// asks about; nothing renews them.
type agents struct{}

func (agents) current(f *Family) (hoop.Identity, bool) { return f.Identity, true }
func (agents) renewable([]byte) bool                   { return false }
func (agents) remote() bool                            { return false }

func (agents) check(context.Context, hoop.Identity, []byte) (hoop.Identity, []byte, error) {
	return hoop.Identity{}, nil, errRefused
}
