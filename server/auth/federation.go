package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/hoopctl/hoopctl/server/keyed"
)

// Federation names the tokens of another issuer that stand for a service account.
// Issuer, audience and subject are compared as they are. The zero value names none.
type Federation struct {
	Issuer   string // https URL, whose OpenID Connect Discovery document leads to its keys
	Audience string // the only audience the token may have
	Subject  string
	CAFile   string // authorities to trust for Issuer in place of the system's; "" for those
}

const (
	// assertionType is that of RFC 7523 §2.2.
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionAhead is how far the clocks of issuers may be ahead of ours. An assertion
	// that ended by ours has ended.
	assertionAhead = time.Minute
	// assertionLife bounds how far ahead an assertion may end. It may be used again until
	// then, so one that leaked must not be good for ever (RFC 7523 §3, 4).
	assertionLife = 24 * time.Hour
	// issuerKeysLife is how long an issuer's keys are believed: a key that it withdrew is
	// worth nothing after that.
	issuerKeysLife = 10 * time.Minute
	// issuerRest is how long an issuer that did not answer is left alone.
	issuerRest = 5 * time.Second
	// issuerAnswer bounds a document of an issuer, in bytes.
	issuerAnswer = 1 << 20
)

// assertionAlgs are the signature algorithms believed: asymmetric ones only, whatever an
// issuer lists.
var assertionAlgs = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// period is when an assertion was issued, at the earliest, and when it ends.
type period struct{ issued, end time.Time }

// verify checks an assertion, and says what time it is of. Its errors are errRefused or
// errUnreachable. The issuer is asked only about what claims to be as declared, so that
// whoever knows just an account's name neither has requests sent nor learns, by their
// failing, that there is such an account.
func (i *issuers) verify(ctx context.Context, f Federation, assertion string) (period, error) {
	of, err := f.claimed(assertion, i.now())
	if err != nil {
		return period{}, fmt.Errorf("%w: %w", errRefused, err)
	}
	p, err := i.provider(ctx, f)
	if err != nil {
		return period{}, err
	}
	algs := make([]string, len(assertionAlgs))
	for n, a := range assertionAlgs {
		algs[n] = string(a)
	}
	v := p.Verifier(&oidc.Config{ClientID: f.Audience, SupportedSigningAlgs: algs, Now: i.now})
	t, err := v.Verify(ctx, assertion)
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "failed to verify signature: fetching keys"): // go-oidc tells it in words only
		i.fail(f.source())
		return period{}, fmt.Errorf("%w: its keys", errUnreachable)
	case err != nil:
		return period{}, fmt.Errorf("%w: %w", errRefused, err)
	case t.Issuer != f.Issuer || t.Subject != f.Subject || len(t.Audience) != 1:
		// go-oidc reads claims whatever their case, claimed does not.
		return period{}, fmt.Errorf("%w: a claim is there twice", errRefused)
	}
	return of, nil
}

// claimed checks what an assertion says of itself, its signature aside. Claims are
// matched by case, and each may be there once.
func (f Federation) claimed(assertion string, now time.Time) (of period, err error) {
	t, err := jwt.ParseSigned(assertion, assertionAlgs)
	if err != nil {
		return period{}, errors.New("it is no JWT with an asymmetric signature")
	}
	var c jwt.Claims
	if err := t.UnsafeClaimsWithoutVerification(&c); err != nil {
		return period{}, errors.New("its claims cannot be read")
	}
	latest := now.Add(assertionAhead)
	switch {
	case f == Federation{}:
		return period{}, errors.New("no token stands for the account")
	case c.Issuer != f.Issuer:
		return period{}, errors.New("another issuer")
	case len(c.Audience) != 1 || c.Audience[0] != f.Audience:
		return period{}, errors.New("another audience, or several")
	case c.Subject != f.Subject:
		return period{}, errors.New("another subject")
	case c.Expiry == nil || !now.Before(c.Expiry.Time()):
		return period{}, errors.New("it has expired, or never does")
	case c.Expiry.Time().After(latest.Add(assertionLife)):
		return period{}, fmt.Errorf("it is good for more than %s", assertionLife)
	case c.NotBefore != nil && latest.Before(c.NotBefore.Time()):
		return period{}, errors.New("it is not good yet")
	case c.IssuedAt != nil && (latest.Before(c.IssuedAt.Time()) || c.Expiry.Time().Before(c.IssuedAt.Time())):
		return period{}, errors.New("it was issued in the future")
	}
	of.end = c.Expiry.Time().UTC()
	if c.IssuedAt != nil { // by a clock that may be ahead
		of.issued = c.IssuedAt.Time().UTC().Add(-assertionAhead)
	} else { // it has not ended, so it may be as old as this
		of.issued = now.Add(-assertionLife - assertionAhead)
	}
	return of, nil
}

// issuers are those of federated service accounts, with their keys. They may be used
// concurrently.
type issuers struct {
	client *http.Client
	now    func() time.Time
	asking keyed.Locks // one discovery at a time for each issuer

	mu sync.Mutex
	m  map[keySource]issuerKeys
}

// keySource is where keys come from, and by whose word.
type keySource struct{ url, caFile string }

func (f Federation) source() keySource { return keySource{f.Issuer, f.CAFile} }

type issuerKeys struct {
	provider *oidc.Provider // nil: it did not answer
	until    time.Time
}

// newIssuers reaches issuers by c, nil for the default.
func newIssuers(c *http.Client, now func() time.Time) *issuers {
	if c == nil {
		c = &http.Client{}
	}
	return &issuers{client: guard(c), now: now, m: map[keySource]issuerKeys{}}
}

// guard is c, whose requests and redirects go to https only, whatever c allows, take 10
// seconds at most, and get bounded answers.
func guard(c *http.Client) *http.Client {
	own := *c
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport, own.Timeout, own.Jar = guarded{own.Transport}, upstreamTimeout, nil
	return &own
}

// reaching is the client for an issuer.
func (i *issuers) reaching(at keySource) (*http.Client, error) {
	if at.caFile == "" {
		return i.client, nil
	}
	c, err := Trusting(at.caFile)
	if err != nil {
		return nil, err
	}
	return guard(c), nil
}

// Trusting is a client that trusts the authorities in a PEM file in place of the
// system's.
func Trusting(caFile string) (*http.Client, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: no PEM certificate in %s", caFile)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: t}, nil
}

// provider is an issuer with its keys. A discovery once begun is finished even if ctx
// ends: others wait for it.
func (i *issuers) provider(ctx context.Context, f Federation) (*oidc.Provider, error) {
	at := f.source()
	unlock, err := i.asking.Lock(ctx, at.url+"\n"+at.caFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer unlock()
	i.mu.Lock()
	known, ok := i.m[at]
	i.mu.Unlock()
	if ok && i.now().Before(known.until) {
		if known.provider == nil {
			return nil, fmt.Errorf("%w: it did not answer a moment ago", errUnreachable)
		}
		return known.provider, nil
	}
	client, err := i.reaching(at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	// go-oidc keeps this context's client for fetching keys, and not its deadline.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), client), at.url)
	if err != nil {
		i.fail(at)
		return nil, fmt.Errorf("%w: discovery: %s", errUnreachable, clean(err.Error(), 200))
	}
	i.put(at, issuerKeys{provider: p, until: i.now().Add(issuerKeysLife)})
	return p, nil
}

func (i *issuers) fail(at keySource) { i.put(at, issuerKeys{until: i.now().Add(issuerRest)}) }

// put remembers an issuer, and forgets what is past its time.
func (i *issuers) put(at keySource, v issuerKeys) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	for k, old := range i.m {
		if !now.Before(old.until) {
			delete(i.m, k)
		}
	}
	i.m[at] = v
}

// guarded sends requests to https only, and bounds the answers.
type guarded struct{ http.RoundTripper }

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is no https address", r.URL.Host)
	}
	resp, err := g.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, issuerAnswer)
	return resp, nil
}
