package server

import (
	"context"
	"fmt"

	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/policy"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/store"
	"github.com/hoopctl/hoopctl/server/target"
)

// Check validates the configuration and the resources, and reaches every target and
// identity provider; it changes nothing. report is told of each as it is tried; the
// error says how many failed.
func Check(ctx context.Context, cfg *Config, report func(what string, err error)) error {
	r, err := loadRules(ctx, cfg.Resources, cfg.Policy.Module)
	what := "resources"
	if cfg.Policy.Module != "" {
		what += " and policy module"
	}
	if err == nil {
		err = cfg.needsWitness(r.current.Load().set)
	}
	report(what, err)
	if err != nil {
		return err
	}
	failed := 0
	told := func(what string, err error) {
		report(what, err)
		if err != nil {
			failed++
		}
	}
	if cfg.TLS.CertFile != "" {
		_, err := cfg.certificate()
		told("certificate", err)
	}
	told("store", store.Check(ctx, cfg.Store.URL))
	d := target.New(r.Target)
	for _, t := range r.current.Load().set.Targets {
		told("target "+t.Name, d.Check(ctx, t.Public()))
	}
	oidc, err := cfg.oidc()
	if err != nil {
		return err
	}
	for _, p := range oidc {
		told("identity provider "+p.Name, auth.CheckOIDC(ctx, p, cfg.PublicURL))
	}
	saml, err := cfg.saml()
	if err != nil {
		return err
	}
	for _, p := range saml {
		told("identity provider "+p.Name, auth.CheckSAML(ctx, p, cfg.PublicURL))
	}
	for _, f := range r.issuers() {
		told("issuer "+f.Issuer, auth.CheckIssuer(ctx, f))
	}
	if failed > 0 {
		return fmt.Errorf("%d of the above failed", failed)
	}
	return nil
}

// TestPolicy decides the cases of a file under resources and the site's own module, ""
// where there is none, offline.
func TestPolicy(ctx context.Context, resources []string, module, cases string) ([]policy.Outcome, error) {
	r, err := loadRules(ctx, resources, module)
	if err != nil {
		return nil, err
	}
	return r.current.Load().engine.TestFile(ctx, cases)
}

// PolicyData is the data that the policy's modules see, as JSON.
func PolicyData(resources []string) ([]byte, error) {
	set, err := resource.Load(resources...)
	if err != nil {
		return nil, err
	}
	return policy.Data(set)
}
