package login

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// discovery is what hoopctl uses of OpenID Provider Metadata (OpenID Connect
// Discovery 1.0 §3; RFC 8628 §4; RFC 8414 §2 for the revocation endpoint).
type discovery struct {
	Issuer     string `json:"issuer"`
	Token      string `json:"token_endpoint"`
	Device     string `json:"device_authorization_endpoint"`
	Revocation string `json:"revocation_endpoint"`
}

func (d *discovery) config() *oauth2.Config {
	return &oauth2.Config{
		ClientID: ClientID,
		Scopes:   []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{
			TokenURL: d.Token, DeviceAuthURL: d.Device,
			AuthStyle: oauth2.AuthStyleInParams, // a public client: client_id in the form
		},
	}
}

// maxDiscovery bounds the discovery document, in bytes.
const maxDiscovery = 256 << 10

// discover asks the gateway for its endpoints. All must be at the gateway itself:
// a document that names others would have secrets sent elsewhere.
func (s *Source) discover(ctx context.Context) (*discovery, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Gateway+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, fmt.Errorf("discover the gateway: %w", err)
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("discover the gateway: %w", err)
	}
	defer resp.Body.Close()
	notGateway := hoop.Errorf(hoop.CodeUnavailable, "%s does not answer as a gateway does (%s)", s.Gateway, resp.Status).
		WithHint("check the address: hoopctl doctor")
	if resp.StatusCode != http.StatusOK {
		return nil, notGateway
	}
	var d discovery
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDiscovery)).Decode(&d); err != nil {
		return nil, notGateway.Wrap(err)
	}
	if issuer := strings.TrimSuffix(d.Issuer, "/"); issuer != s.Gateway {
		e := hoop.Errorf(hoop.CodeInvalid, "the gateway at %s calls itself %q", s.Gateway, d.Issuer)
		if webPage(issuer) {
			return nil, e.WithHint("use that address: hoopctl login --gateway %s", issuer)
		}
		return nil, e
	}
	for _, u := range []string{d.Token, d.Device, d.Revocation} {
		if u != "" && !s.own(u) {
			return nil, hoop.Errorf(hoop.CodeInvalid, "the gateway at %s names %q for sign-in, which is another place", s.Gateway, u)
		}
	}
	if d.Token == "" {
		return nil, notGateway
	}
	return &d, nil
}

// own reports whether u is at the gateway.
func (s *Source) own(u string) bool {
	p, err := url.Parse(u)
	return err == nil && p.User == nil && strings.TrimSuffix(p.Scheme+"://"+strings.ToLower(p.Host), ":443") == s.Gateway
}
