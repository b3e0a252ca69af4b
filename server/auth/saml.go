package auth

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	xrv "github.com/mattermost/xml-roundtrip-validator"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// SAML is an identity provider that speaks SAML 2.0: the Web Browser SSO profile, begun
// here (SAML Profiles 2.0 §4.1), the request by HTTP redirect and the answer by HTTP
// POST. The gateway's entity ID at it is the public URL with /signin/saml/NAME/metadata,
// which is also where its metadata is; its assertion consumer service is
// /signin/saml/NAME/acs.
type SAML struct {
	Name            string // prefix of its subjects: NAME:NameID
	Label           string // for people; default Name
	MetadataURL     string // https; read again every hour
	MetadataFile    string // in place of MetadataURL; read again every hour too
	EntityID        string // which of the metadata's identity providers; "" where there is one
	GroupsAttribute string // default "groups"; the attribute's Name, not its FriendlyName
	Client          *http.Client
	Now             func() time.Time // default: that of the Server
}

const (
	samlSignInLife   = 8 * time.Hour  // how long an assertion is believed; it cannot be asked for again
	samlMetadataLife = time.Hour      // until metadata is read again
	samlMetadataKept = 24 * time.Hour // how long it serves while it cannot be read again
	samlMetadataWait = time.Minute    // between two tries
	maxMetadata      = 4 << 20        // bytes
)

// samlUpstream signs people in at a SAML identity provider. Nobody can ask such a
// provider whether an identity still stands, so its sign-ins end by themselves: at
// SessionNotOnOrAfter, or after samlSignInLife.
type samlUpstream struct {
	o    SAML
	base string // public URL of what it serves here
	log  *slog.Logger

	mu      sync.Mutex
	idp     *samlIDP // nil until read
	retryAt time.Time
}

// samlIDP is what the metadata says of an identity provider.
type samlIDP struct {
	entity *saml.EntityDescriptor
	certs  []*x509.Certificate // that sign
	sso    string              // where requests go, by HTTP redirect
	readAt time.Time
	until  time.Time // zero: no end
}

func newSAML(o SAML, issuer string, now func() time.Time, log *slog.Logger) (*samlUpstream, error) {
	if (o.MetadataURL == "") == (o.MetadataFile == "") {
		return nil, errors.New("want either metadata_url or metadata_file")
	}
	if o.MetadataURL != "" {
		if u, err := url.Parse(o.MetadataURL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil, fmt.Errorf("metadata_url %q: want an https URL; or keep the metadata in a file and name it in metadata_file", o.MetadataURL)
		}
	}
	if o.Label == "" {
		o.Label = o.Name
	}
	if o.GroupsAttribute == "" {
		o.GroupsAttribute = "groups"
	}
	if o.Now == nil {
		o.Now = now
	}
	c := http.Client{}
	if o.Client != nil {
		c = *o.Client
	}
	if c.Timeout == 0 {
		c.Timeout = upstreamTimeout
	}
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" || len(via) > 5 {
			return errors.New("it redirects too often, or away from https")
		}
		return nil
	}
	o.Client = &c
	return &samlUpstream{o: o, base: issuer + "/signin/saml/" + o.Name, log: log}, nil
}

func (u *samlUpstream) now() time.Time { return u.o.Now().UTC() }

// metadata is what the provider says of itself, at most samlMetadataLife old where it
// can be read, and at most samlMetadataKept where it cannot.
func (u *samlUpstream) metadata(ctx context.Context) (*samlIDP, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	usable := u.idp != nil && now.Sub(u.idp.readAt) < samlMetadataKept && (u.idp.until.IsZero() || now.Before(u.idp.until))
	if usable && (now.Sub(u.idp.readAt) < samlMetadataLife || now.Before(u.retryAt)) {
		return u.idp, nil
	}
	idp, err := u.read(ctx)
	if err != nil {
		u.retryAt = now.Add(samlMetadataWait)
		if usable {
			u.log.WarnContext(ctx, "metadata not read again; the former serves for now", "provider", u.o.Name, "error", err)
			return u.idp, nil
		}
		return nil, err
	}
	u.idp = idp
	return idp, nil
}

func (u *samlUpstream) read(ctx context.Context) (*samlIDP, error) {
	b, err := u.fetch(ctx)
	switch {
	case err != nil && u.o.MetadataFile != "":
		return nil, fmt.Errorf("metadata: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: metadata: %w", errUnreachable, err)
	}
	idp, err := parseIDP(b, u.o.EntityID, u.now())
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return idp, nil
}

func (u *samlUpstream) fetch(ctx context.Context) ([]byte, error) {
	var from io.ReadCloser
	if u.o.MetadataFile != "" {
		f, err := os.Open(u.o.MetadataFile)
		if err != nil {
			return nil, err
		}
		from = f
	} else {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.o.MetadataURL, nil)
		if err != nil {
			return nil, err
		}
		resp, err := u.o.Client.Do(req)
		if err != nil {
			return nil, err
		}
		from = resp.Body
		if resp.StatusCode != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("%s answered %s", u.o.MetadataURL, resp.Status), from.Close())
		}
	}
	b, err := io.ReadAll(io.LimitReader(from, maxMetadata+1))
	if err = errors.Join(err, from.Close()); err != nil {
		return nil, err
	}
	if len(b) > maxMetadata {
		return nil, fmt.Errorf("it is larger than %d MiB: keep the part about this provider in a file and name it in metadata_file", maxMetadata>>20)
	}
	return b, nil
}

// parseIDP reads metadata (SAML Metadata 2.0): of one entity, or of several of which
// entityID names one.
func parseIDP(b []byte, entityID string, now time.Time) (*samlIDP, error) {
	if err := xrv.Validate(bytes.NewReader(b)); err != nil {
		return nil, fmt.Errorf("not XML: %w", err)
	}
	all, err := readEntities(b)
	if err != nil {
		return nil, err
	}
	var found []*saml.EntityDescriptor
	for _, e := range all {
		if len(e.IDPSSODescriptors) > 0 && (entityID == "" || e.EntityID == entityID) {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0 && entityID != "":
		return nil, fmt.Errorf("it does not describe an identity provider with entity_id %q", entityID)
	case len(found) == 0:
		return nil, errors.New("it does not describe an identity provider (no IDPSSODescriptor)")
	case len(found) > 1:
		return nil, fmt.Errorf("it describes %d identity providers: name one with entity_id", len(found))
	case found[0].EntityID == "":
		return nil, errors.New("the identity provider has no entityID")
	}
	idp := &samlIDP{entity: found[0], until: found[0].ValidUntil, readAt: now}
	if !idp.until.IsZero() && !now.Before(idp.until) {
		return nil, fmt.Errorf("it was valid until %s", idp.until.UTC().Format(time.RFC3339))
	}
	idp.entity.IDPSSODescriptors = idp.entity.IDPSSODescriptors[:1]
	if idp.sso, err = redirectEndpoint(idp.entity); err != nil {
		return nil, err
	}
	idp.certs, err = signingCerts(idp.entity, now)
	return idp, err
}

// readEntities reads the entities of metadata, whatever they are nested in.
func readEntities(b []byte) ([]*saml.EntityDescriptor, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(b); err != nil {
		return nil, fmt.Errorf("not XML: %w", err)
	}
	if doc.Root() == nil || doc.Root().NamespaceURI() != samlMetadataNS {
		return nil, errors.New("not SAML 2.0 metadata")
	}
	var out []*saml.EntityDescriptor
	if doc.Root().Tag == "EntityDescriptor" {
		var e saml.EntityDescriptor
		if err := xml.Unmarshal(b, &e); err != nil {
			return nil, fmt.Errorf("not SAML 2.0 metadata: %w", err)
		}
		return append(out, &e), nil
	}
	var all saml.EntitiesDescriptor
	if err := xml.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("not SAML 2.0 metadata: %w", err)
	}
	var walk func(*saml.EntitiesDescriptor)
	walk = func(d *saml.EntitiesDescriptor) {
		for i := range d.EntityDescriptors {
			e := &d.EntityDescriptors[i]
			if until := d.ValidUntil; until != nil && (e.ValidUntil.IsZero() || until.Before(e.ValidUntil)) {
				e.ValidUntil = *until
			}
			out = append(out, e)
		}
		for i := range d.EntitiesDescriptors {
			walk(&d.EntitiesDescriptors[i])
		}
	}
	walk(&all)
	return out, nil
}

func redirectEndpoint(e *saml.EntityDescriptor) (string, error) {
	for _, s := range e.IDPSSODescriptors[0].SingleSignOnServices {
		if s.Binding != saml.HTTPRedirectBinding {
			continue
		}
		if u, err := url.Parse(s.Location); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return "", fmt.Errorf("its sign-in address %q is no https URL", s.Location)
		}
		return s.Location, nil
	}
	return "", errors.New("it has no sign-in address for the binding HTTP-Redirect (SingleSignOnService)")
}

// signingCerts are the certificates whose keys may sign assertions now.
func signingCerts(e *saml.EntityDescriptor, now time.Time) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	var expired *x509.Certificate
	for _, k := range e.IDPSSODescriptors[0].KeyDescriptors {
		if k.Use != "" && k.Use != "signing" {
			continue
		}
		for _, c := range k.KeyInfo.X509Data.X509Certificates {
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.Data), ""))
			if err != nil {
				return nil, fmt.Errorf("its signing certificate is not base64: %w", err)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("its signing certificate: %w", err)
			}
			if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
				expired = cert
				continue
			}
			certs = append(certs, cert)
		}
	}
	switch {
	case len(certs) > 0:
		return certs, nil
	case expired != nil:
		return nil, fmt.Errorf("its signing certificate is good from %s to %s only",
			expired.NotBefore.UTC().Format(time.DateOnly), expired.NotAfter.UTC().Format(time.DateOnly))
	}
	return nil, errors.New("it has no signing certificate")
}

// sp is the gateway as the provider sees it.
func (u *samlUpstream) sp(idp *samlIDP) (*saml.ServiceProvider, error) {
	acs, err := url.Parse(u.base + "/acs")
	if err != nil {
		return nil, err
	}
	sp := &saml.ServiceProvider{
		EntityID: u.base + "/metadata", AcsURL: *acs, AuthnNameIDFormat: saml.UnspecifiedNameIDFormat,
		// The library takes an assertion without audience; ours is judged on the signed part.
		ValidateAudienceRestriction: func(*saml.Assertion) error { return nil },
	}
	if idp != nil {
		sp.IDPMetadata, sp.SignatureVerifier = idp.entity, signatures{idp.certs, u.now}
	}
	return sp, nil
}

// spMetadata is what the provider's administrator needs to know of the gateway.
func (u *samlUpstream) spMetadata() ([]byte, error) {
	sp, err := u.sp(nil)
	if err != nil {
		return nil, err
	}
	m := sp.Metadata()
	d := &m.SPSSODescriptors[0]
	d.ValidUntil = nil
	d.AssertionConsumerServices = d.AssertionConsumerServices[:1] // POST; no artifacts
	d.NameIDFormats = []saml.NameIDFormat{saml.PersistentNameIDFormat, saml.UnspecifiedNameIDFormat, saml.EmailAddressNameIDFormat}
	b, err := xml.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(b); err != nil {
		return nil, err
	}
	// It holds as long as the configuration; the library would say 48 hours, or the year 1.
	doc.Root().RemoveAttr("validUntil")
	if b, err = doc.WriteToBytes(); err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), b...), nil
}

// begin makes a flow and the URL that starts it. The flow's State is the request's ID,
// which the answer must name. again has the provider ask for the credentials (SAML Core
// 2.0 §3.4.1, ForceAuthn).
func (u *samlUpstream) begin(ctx context.Context, again bool) (flow, string, error) {
	idp, err := u.metadata(ctx)
	if err != nil {
		return flow{}, "", err
	}
	sp, err := u.sp(idp)
	if err != nil {
		return flow{}, "", err
	}
	req, err := sp.MakeAuthenticationRequest(idp.sso, saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	if err != nil {
		return flow{}, "", fmt.Errorf("make authentication request: %w", err)
	}
	// 256 bits of ours; an xs:ID begins with a letter. The provider chooses the NameID's
	// format: to ask for one makes providers that have another refuse.
	req.ID, req.IssueInstant, req.NameIDPolicy.Format = "id-"+random(), u.now(), nil
	if again {
		req.ForceAuthn = &again
	}
	target, err := req.Redirect("", sp)
	if err != nil {
		return flow{}, "", fmt.Errorf("make authentication request: %w", err)
	}
	return flow{Provider: u.o.Name, State: req.ID}, target.String(), nil
}

// check implements provider: there is nobody to ask, and the sign-in's end bounds what
// is believed.
func (u *samlUpstream) check(_ context.Context, id hoop.Identity, _ []byte) (hoop.Identity, []byte, error) {
	return id, nil, nil
}

func (u *samlUpstream) current(f *Family) (hoop.Identity, bool) { return f.Identity, true }
func (u *samlUpstream) renewable([]byte) bool                   { return true }
func (u *samlUpstream) remote() bool                            { return false }
