package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/policy"
	"github.com/hoopctl/hoopctl/server/resource"
)

// rules is what is declared now. The parts ask it, so that a reload is one pointer.
type rules struct{ current atomic.Pointer[declared] }

// declared is one state of the resources, compiled.
type declared struct {
	set      *resource.Set
	engine   *policy.Engine
	accounts map[string]auth.ServiceAccount
}

func loadRules(ctx context.Context, files []string, module string) (*rules, error) {
	d, err := readRules(ctx, files, module)
	if err != nil {
		return nil, err
	}
	r := &rules{}
	r.current.Store(d)
	return r, nil
}

// readRules reads the files of resources and the site's own module, "" where there is
// none.
func readRules(ctx context.Context, files []string, module string) (*declared, error) {
	set, err := resource.Load(files...)
	if err != nil {
		return nil, err
	}
	var site *policy.Module
	if module != "" {
		if site, err = policy.ReadModule(module); err != nil {
			return nil, err
		}
	}
	engine, err := policy.New(ctx, set, site)
	if err != nil {
		return nil, err
	}
	d := &declared{set: set, engine: engine, accounts: map[string]auth.ServiceAccount{}}
	for _, a := range set.ServiceAccounts {
		account := auth.ServiceAccount{Groups: a.Groups, Owner: a.Owner}
		if a.Federation != nil {
			account.Federation = auth.Federation(*a.Federation)
		} else {
			secret, err := a.Secret.Resolve()
			if err != nil {
				return nil, fmt.Errorf("service account %s: %w", a.Name, err)
			}
			account.SecretHash = sha256.Sum256([]byte(secret))
		}
		d.accounts[a.Name] = account
	}
	return d, nil
}

// Decide implements session.Policy.
func (r *rules) Decide(ctx context.Context, id hoop.Identity, target string, uses []hoop.Use) (hoop.Decision, error) {
	return r.current.Load().engine.Decide(ctx, id, target, uses)
}

// Approvers implements session.Policy.
func (r *rules) Approvers() *hoop.ApprovalRule { return r.current.Load().engine.Approvers() }

// Try decides a case that begins with effects.
func (r *rules) Try(ctx context.Context, c policy.Case) policy.Outcome {
	return r.current.Load().engine.Test(ctx, c)
}

// Access implements grant.Policy.
func (r *rules) Access(ctx context.Context, id hoop.Identity, target string) (hoop.Access, error) {
	if !id.Reaches(target) {
		return hoop.Access{}, beyond(id, target)
	}
	return r.current.Load().engine.Access(ctx, id, target)
}

// BreakGlass implements grant.Policy.
func (r *rules) BreakGlass(ctx context.Context, id hoop.Identity, target string) (hoop.Access, error) {
	switch {
	case !id.Reaches(target):
		return hoop.Access{}, beyond(id, target)
	case id.Delegation != nil:
		return hoop.Access{}, hoop.Errorf(hoop.CodeDenied, "only people declare an emergency, not agents that they start").
			WithHint("whoever started the agent can: hoopctl request %s --break-glass", target)
	}
	return r.current.Load().engine.BreakGlass(ctx, id, target)
}

// beyond refuses an agent a target that it was not given.
func beyond(id hoop.Identity, target string) error {
	return hoop.Errorf(hoop.CodeDenied, "the agent's token is not for %s", target).
		WithHint("it is for %s; hoopctl agent token --target %s starts another agent", strings.Join(id.Delegation.Targets, ", "), target)
}

// Revision is the policy's in force.
func (r *rules) Revision() string { return r.current.Load().engine.Revision() }

// Text is the policy in force.
func (r *rules) Text() []byte { return r.current.Load().engine.Text() }

// Roles is what the identity may do in hoop itself: nothing, where it acts for others.
func (r *rules) Roles(id hoop.Identity) []hoop.Role {
	if len(id.Chain) > 0 {
		return nil
	}
	return r.current.Load().set.Roles(id)
}

// Literals reports whether the identity sees literals in recordings of others.
func (r *rules) Literals(id hoop.Identity) bool {
	return len(id.Chain) == 0 && r.current.Load().set.Literals(id)
}

// Target finds a target with its credential.
func (r *rules) Target(name string) (*resource.Target, bool) {
	return r.current.Load().set.Target(name)
}

// Public finds a target without its credential.
func (r *rules) Public(name string) (hoop.Target, bool) {
	t, ok := r.Target(name)
	if !ok {
		return hoop.Target{Name: name}, false
	}
	return t.Public(), true
}

// TargetsFor lists what the identity may ask for.
func (r *rules) TargetsFor(id hoop.Identity) []hoop.Target {
	var out []hoop.Target
	for _, t := range r.current.Load().set.TargetsFor(id) {
		if !id.Reaches(t.Name) {
			continue
		}
		out = append(out, t.Public())
	}
	return out
}

// issuers lists those whose tokens stand for service accounts, each once with each of the
// authorities that it is reached by.
func (r *rules) issuers() []auth.Federation {
	var all []auth.Federation
	for _, a := range r.current.Load().accounts {
		if f := a.Federation; f.Issuer != "" {
			all = append(all, auth.Federation{Issuer: f.Issuer, CAFile: f.CAFile})
		}
	}
	slices.SortFunc(all, func(a, b auth.Federation) int {
		return cmp.Or(strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.CAFile, b.CAFile))
	})
	return slices.Compact(all)
}

// ServiceAccount finds an account by its name.
func (r *rules) ServiceAccount(name string) (auth.ServiceAccount, bool) {
	a, ok := r.current.Load().accounts[name]
	return a, ok
}
