package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/crypto"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// metadata is the discovery document. It lists what exists: no authorization endpoint,
// so no response type.
type metadata struct {
	oidc.DiscoveryConfiguration
	ResponseTypesSupported []string `json:"response_types_supported"` // required by RFC 8414 §2
}

// getMetadata is OpenID Connect Discovery 1.0 §4 and RFC 8414 §3.
func (s *Server) getMetadata(w http.ResponseWriter, r *http.Request) {
	iss := s.o.Issuer
	auths := []oidc.AuthMethod{oidc.AuthMethodNone, oidc.AuthMethodBasic, oidc.AuthMethodPost}
	s.answer(w, r, metadata{
		DiscoveryConfiguration: oidc.DiscoveryConfiguration{
			Issuer:                                 iss,
			TokenEndpoint:                          iss + pathToken,
			RevocationEndpoint:                     iss + pathRevoke,
			DeviceAuthorizationEndpoint:            iss + pathDevice,
			JwksURI:                                iss + pathKeys,
			ScopesSupported:                        knownScopes(),
			GrantTypesSupported:                    []oidc.GrantType{oidc.GrantTypeDeviceCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials},
			SubjectTypesSupported:                  []string{"public"},
			IDTokenSigningAlgValuesSupported:       []string{string(jose.ES256)},
			TokenEndpointAuthMethodsSupported:      auths,
			RevocationEndpointAuthMethodsSupported: auths,
			ClaimsSupported:                        []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "at_hash", "name", "groups"},
		},
		ResponseTypesSupported: []string{},
	}, nil)
}

// getKeys is the JWK set (RFC 7517 §5).
func (s *Server) getKeys(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.signer.public}}, nil)
}

func knownScopes() []string {
	return []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, oidc.ScopeProfile, "groups"}
}

// grantScopes are the scopes asked for that mean something here (RFC 6749 §3.3 lets the
// server ignore the rest, and the answer says which were granted).
func grantScopes(asked []string) []string {
	return slices.DeleteFunc(knownScopes(), func(s string) bool { return !slices.Contains(asked, s) })
}

// signer signs ID tokens.
type signer struct {
	jose   jose.Signer
	public jose.JSONWebKey
}

func newSigner(key *ecdsa.PrivateKey) (*signer, error) {
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, fmt.Errorf("make ID token key: %w", err)
		}
	}
	if key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("ID token key: want curve P-256")
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("ID token key: %w", err)
	}
	sum := sha256.Sum256(point)
	id := base64.RawURLEncoding.EncodeToString(sum[:12])
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("ID token signer: %w", err)
	}
	return &signer{jose: s, public: jose.JSONWebKey{Key: &key.PublicKey, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}}, nil
}

// idToken is an ID token for the client that holds access (OpenID Connect Core 1.0 §2).
func (s *Server) idToken(id hoop.Identity, clientID, access string, scopes []string, signedInAt, now time.Time) (string, error) {
	c := oidc.NewIDTokenClaims(s.o.Issuer, id.Subject, []string{clientID}, now.Add(s.o.AccessLife), signedInAt, "", "", nil, clientID, 0)
	c.IssuedAt = oidc.FromTime(now)
	var err error
	if c.AccessTokenHash, err = oidc.ClaimHash(access, jose.ES256); err != nil {
		return "", fmt.Errorf("hash access token: %w", err)
	}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		c.Name = id.Name
	}
	if slices.Contains(scopes, "groups") {
		c.Claims = map[string]any{"groups": id.Groups}
	}
	t, err := crypto.Sign(c, s.signer.jose)
	if err != nil {
		return "", fmt.Errorf("sign ID token: %w", err)
	}
	return t, nil
}
