package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// provider vouches for identities.
type provider interface {
	// current is the identity behind a living family, for Identify: quick, without a
	// request to anybody. False: the provider no longer knows it.
	current(f *Family) (hoop.Identity, bool)
	// check asks whether an identity still stands, and for its groups of now. The
	// credential is what sign-in or the last check left; what it returns replaces it. Its
	// errors are errRefused or errUnreachable.
	check(ctx context.Context, id hoop.Identity, credential []byte) (hoop.Identity, []byte, error)
	// renewable says whether check can work with the credential.
	renewable(credential []byte) bool
	// remote says that check asks somebody else, who may change their mind unasked.
	remote() bool
}

// How a check fails.
var (
	errRefused     = errors.New("the identity provider refuses")
	errUnreachable = errors.New("the identity provider cannot be reached")
)

// providerName is part of subjects and paths.
var providerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// addProviders fills s.providers.
func (s *Server) addProviders() error {
	s.providers[serviceProvider], s.providers[agentProvider] = accounts{s}, agents{}
	if len(s.o.DevUsers) > 0 {
		for _, u := range s.o.DevUsers {
			if u.Name == "" || strings.Contains(u.Name, ":") {
				return fmt.Errorf("sample user %q: want a name without a colon", u.Name)
			}
		}
		s.providers[devProvider] = devUsers(s.o.DevUsers)
	}
	for _, o := range s.o.Providers {
		if err := s.nameable(o.Name); err != nil {
			return err
		}
		p, err := newUpstream(o, s.o.Issuer)
		if err != nil {
			return fmt.Errorf("identity provider %s: %w", o.Name, err)
		}
		s.providers[o.Name] = p
	}
	for _, o := range s.o.SAML {
		if err := s.nameable(o.Name); err != nil {
			return err
		}
		p, err := newSAML(o, s.o.Issuer, s.o.Now, s.o.Logger)
		if err != nil {
			return fmt.Errorf("identity provider %s: %w", o.Name, err)
		}
		s.providers[o.Name] = p
	}
	return nil
}

// nameable says whether an identity provider may have a name.
func (s *Server) nameable(name string) error {
	if !providerName.MatchString(name) || name == strings.TrimSuffix(servicePrefix, ":") || s.providers[name] != nil || name == devProvider {
		return fmt.Errorf("identity provider %q: want a name of its own of letters a-z, digits and hyphens, other than dev, service, service-account and agent", name)
	}
	return nil
}

// upstream finds an identity provider by name.
func (s *Server) upstream(name string) (*upstream, bool) {
	u, ok := s.providers[name].(*upstream)
	return u, ok
}

// samlUpstream finds a SAML identity provider by name.
func (s *Server) samlUpstream(name string) (*samlUpstream, bool) {
	u, ok := s.providers[name].(*samlUpstream)
	return u, ok
}

// DevUser is a sample user, who signs in by a click.
type DevUser struct {
	Name   string // the subject too
	Groups []string
}

const devProvider = "dev"

type devUsers []DevUser

func (p devUsers) find(name string) (hoop.Identity, bool) {
	i := slices.IndexFunc(p, func(u DevUser) bool { return u.Name == name })
	if i < 0 {
		return hoop.Identity{}, false
	}
	return hoop.Identity{
		Subject: p[i].Name, Name: p[i].Name, Kind: hoop.Human, Provider: devProvider,
		Groups: slices.Clone(p[i].Groups),
	}, true
}

func (p devUsers) current(f *Family) (hoop.Identity, bool) { return p.find(f.Subject) }
func (devUsers) renewable([]byte) bool                     { return true }
func (devUsers) remote() bool                              { return false }

func (p devUsers) check(_ context.Context, id hoop.Identity, _ []byte) (hoop.Identity, []byte, error) {
	now, ok := p.find(id.Subject)
	if !ok {
		return hoop.Identity{}, nil, fmt.Errorf("%w: no such sample user", errRefused)
	}
	return now, nil, nil
}
