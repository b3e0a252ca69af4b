package login

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Code is what a person needs to sign in (RFC 8628 §3.3).
type Code struct {
	URL      string    // where to enter Code
	Complete string    // URL that carries the code already; may be empty
	Code     string    //
	Expiry   time.Time // of the code
}

// Device signs a person in. show is called once with what they need; then Device
// waits until they are done, the code ends, or ctx does.
func (s *Source) Device(ctx context.Context, show func(Code)) error {
	d, err := s.discover(ctx)
	if err != nil {
		return err
	}
	if d.Device == "" {
		return hoop.Errorf(hoop.CodeUnsupported, "%s offers no sign-in by device code", s.Gateway)
	}
	cfg := d.config()
	auth, err := cfg.DeviceAuth(s.context(ctx), oauth2.SetAuthURLParam("device_name", deviceName()))
	if err != nil {
		return s.explain(err, "the gateway refused to begin a sign-in")
	}
	for _, u := range []string{auth.VerificationURI, auth.VerificationURIComplete} {
		if !webPage(u) {
			return hoop.Errorf(hoop.CodeInvalid, "%s names %q as the page to sign in, which is no https address", s.Gateway, u)
		}
	}
	show(Code{URL: auth.VerificationURI, Complete: auth.VerificationURIComplete, Code: auth.UserCode, Expiry: auth.Expiry})
	tok, err := cfg.DeviceAccessToken(s.context(ctx), auth)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return hoop.Errorf(hoop.CodeUnauthenticated, "the code was not entered in time").WithHint("hoopctl login gives another")
	}
	if err != nil {
		return s.explain(err, "the gateway refused the sign-in")
	}
	return s.replace(ctx, Kept{Kind: Device, Access: tok.AccessToken, Refresh: tok.RefreshToken, Expiry: tok.Expiry})
}

// deviceName is what the person who approves sees of this machine.
func deviceName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return runtime.GOOS
	}
	return name + " (" + runtime.GOOS + ")"
}

// webPage reports whether a browser may be sent to u: a gateway that is not what it
// says must not open files or start programs by other schemes.
func webPage(u string) bool {
	if u == "" {
		return true
	}
	p, err := url.Parse(u)
	return err == nil && p.Scheme == "https" && p.Host != "" && p.User == nil
}

// Service signs a service account in with the secret in file, which is read again at
// each renewal.
func (s *Source) Service(ctx context.Context, name, file string) error {
	return s.service(ctx, ServiceAccount, name, file)
}

// Federated signs a service account in with another issuer's token in file, which is
// read again at each renewal: whoever writes it renews it.
func (s *Source) Federated(ctx context.Context, name, file string) error {
	return s.service(ctx, Federated, name, file)
}

func (s *Source) service(ctx context.Context, kind Kind, name, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("%s file: %w", kind, err)
	}
	d, err := s.discover(ctx)
	if err != nil {
		return err
	}
	k, err := s.clientCredentials(ctx, d, kind, name, file)
	if err != nil {
		return s.explain(err, "the gateway does not know these credentials")
	}
	return s.replace(ctx, k)
}

// assertion are the form fields that show another issuer's token (RFC 7523 §2.2).
func assertion(token string) url.Values {
	return url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {token},
	}
}

// clientCredentials is RFC 6749 §4.4: a secret goes in the Authorization header, a token
// in the form.
func (s *Source) clientCredentials(ctx context.Context, d *discovery, kind Kind, name, file string) (Kept, error) {
	secret, err := readSecret(file)
	if err != nil {
		return Kept{}, err
	}
	cfg := clientcredentials.Config{
		ClientID: name, ClientSecret: secret, TokenURL: d.Token,
		Scopes: []string{"openid"}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	if kind == Federated {
		cfg.ClientSecret, cfg.AuthStyle, cfg.EndpointParams = "", oauth2.AuthStyleInParams, assertion(secret)
	}
	tok, err := cfg.Token(s.context(ctx))
	if err != nil {
		return Kept{}, err
	}
	return Kept{Kind: kind, Access: tok.AccessToken, Expiry: tok.Expiry, Account: name, File: file}, nil
}

// File signs in by the token in file, which is read again at each use: whoever
// writes it renews it. It is kept only where known says that the gateway knows it.
func (s *Source) File(ctx context.Context, file string, known func(ctx context.Context, token string) error) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("token file: %w", err)
	}
	token, err := readSecret(file)
	if err != nil {
		return err
	}
	if err := known(ctx, token); err != nil {
		return err
	}
	return s.replace(ctx, Kept{Kind: TokenFile, File: file})
}

// replace keeps a new sign-in in place of an old one, which is revoked as far as the
// gateway answers.
func (s *Source) replace(ctx context.Context, k Kept) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if old, err := s.reload(); err == nil {
		s.retire(ctx, old)
	}
	return s.keep(k)
}

// Logout forgets the sign-in here and revokes it at the gateway. It is forgotten
// here even when the gateway could not be told, which is the error then.
func (s *Source) Logout(ctx context.Context) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	k, err := s.reload()
	if err != nil {
		return err
	}
	if err := s.Store.Delete(s.Gateway); err != nil {
		return err
	}
	s.mu.Lock()
	s.kept = nil
	s.mu.Unlock()
	if k.Kind == TokenFile {
		return nil
	}
	d, err := s.discover(ctx)
	if err == nil {
		err = s.revoke(ctx, d, k)
	}
	if err != nil {
		e := hoop.Errorf(hoop.CodeUnavailable, "the sign-in is forgotten here, but %s could not be told: what it gave stays good until it ends", s.Gateway).
			WithHint("if somebody may have a copy, have an administrator end the sign-in; hoopctl doctor tells why the gateway does not answer")
		e.Err = err
		return e
	}
	return nil
}

// retire revokes a sign-in that another takes the place of. One that cannot be revoked
// ends by itself and must not stand in the way of the new one.
func (s *Source) retire(ctx context.Context, old Kept) {
	if old.Kind == TokenFile {
		return
	}
	d, err := s.discover(ctx)
	if err != nil {
		return
	}
	if err := s.revoke(ctx, d, old); err != nil {
		return
	}
}

// revoke is RFC 7009 §2.1: the refresh token, and the access token for gateways that
// do not end it with the other.
func (s *Source) revoke(ctx context.Context, d *discovery, k Kept) error {
	if d.Revocation == "" {
		return hoop.Errorf(hoop.CodeUnsupported, "%s revokes no tokens", s.Gateway)
	}
	for _, t := range []struct{ hint, token string }{{"refresh_token", k.Refresh}, {"access_token", k.Access}} {
		if t.token == "" {
			continue
		}
		form := url.Values{"token": {t.token}, "token_type_hint": {t.hint}}
		if err := s.postAs(ctx, k, d.Revocation, form); err != nil {
			return fmt.Errorf("revoke: %w", err)
		}
	}
	return nil
}

// postAs sends a form as the client that got k's tokens, and wants a 200.
func (s *Source) postAs(ctx context.Context, k Kept, to string, form url.Values) error {
	secret := ""
	switch k.Kind {
	case ServiceAccount, Federated:
		v, err := readSecret(k.File)
		if err != nil {
			return err
		}
		if k.Kind == ServiceAccount {
			secret = v
			break
		}
		form.Set("client_id", k.Account)
		maps.Copy(form, assertion(v))
	default:
		form.Set("client_id", ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		req.SetBasicAuth(url.QueryEscape(k.Account), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return hoop.Errorf(hoop.CodeUnavailable, "%s answered %s", req.URL.Path, resp.Status)
	}
	return nil
}
