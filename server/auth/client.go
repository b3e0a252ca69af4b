package auth

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client is an OAuth client as op wants to see it: hoopctl, or a service account that
// showed its secret.
type client struct {
	id      string
	account *ServiceAccount // nil: hoopctl
}

var _ op.Client = client{}

func (c client) GetID() string { return c.id }

func (c client) GrantTypes() []oidc.GrantType {
	if c.account != nil {
		return []oidc.GrantType{oidc.GrantTypeClientCredentials}
	}
	return []oidc.GrantType{oidc.GrantTypeDeviceCode, oidc.GrantTypeRefreshToken}
}

func (c client) AuthMethod() oidc.AuthMethod {
	if c.account != nil {
		return oidc.AuthMethodBasic
	}
	return oidc.AuthMethodNone
}

func (c client) ApplicationType() op.ApplicationType {
	if c.account != nil {
		return op.ApplicationTypeWeb
	}
	return op.ApplicationTypeNative
}

// What follows is about flows that redirect to a client, or about tokens that op makes:
// there are none.

func (client) RedirectURIs() []string                  { return nil }
func (client) PostLogoutRedirectURIs() []string        { return nil }
func (client) ResponseTypes() []oidc.ResponseType      { return nil }
func (client) LoginURL(string) string                  { return "" }
func (client) AccessTokenType() op.AccessTokenType     { return op.AccessTokenTypeBearer }
func (client) IDTokenLifetime() time.Duration          { return maxAccessLife }
func (client) DevMode() bool                           { return false }
func (client) IsScopeAllowed(string) bool              { return false }
func (client) IDTokenUserinfoClaimsAssertion() bool    { return false }
func (client) ClockSkew() time.Duration                { return 0 }
func (client) RestrictAdditionalIdTokenScopes() filter { return none }
func (client) RestrictAdditionalAccessTokenScopes() filter {
	return none
}

type filter = func([]string) []string

func none([]string) []string { return nil }
