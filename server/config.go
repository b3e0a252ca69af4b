package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/objects"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Config is gateway.yaml. Paths are relative to the file's folder.
type Config struct {
	Listen     string           `json:"listen"`     // host:port
	PublicURL  string           `json:"public_url"` // what clients call the gateway
	DataDir    string           `json:"data_dir"`
	TLS        TLSConfig        `json:"tls"`
	Store      StoreConfig      `json:"store"`
	Recordings RecordingsConfig `json:"recordings"`
	Identity   IdentityConfig   `json:"identity"`
	Sinks      []SinkConfig     `json:"sinks"`          // who gets copies of the log's events
	Witnesses  []WitnessConfig  `json:"witnesses"`      // who cosigns this gateway's log
	Quorum     int              `json:"witness_quorum"` // how many of them must; 1
	Witness    *WitnessedConfig `json:"witness"`        // whose logs this gateway cosigns
	Notify     []NotifyConfig   `json:"notify"`         // whom to tell what happens
	Resources  []string         `json:"resources"`
	Policy     PolicyConfig     `json:"policy"`
}

// PolicyConfig names the site's own part of the policy.
type PolicyConfig struct {
	Module string `json:"module"` // a Rego file of package hoop.site; empty: none
}

// TLSConfig names the gateway's certificate; both empty: a private CA issues one.
type TLSConfig struct {
	CertFile string `json:"cert_file"`
	KeyFile  string `json:"key_file"`
}

// StoreConfig says where requests, grants, sessions and sign-ins live.
type StoreConfig struct {
	URL string `json:"url"` // sqlite:PATH or postgres://…
}

// RecordingsConfig says where recordings live.
type RecordingsConfig struct {
	URL   string `json:"url"`   // file:PATH, or s3://bucket/prefix?endpoint=…&region=…
	Spool int64  `json:"spool"` // bytes that may wait for an object store; 10 GiB
}

// WitnessConfig is a witness that cosigns the log.
type WitnessConfig struct {
	Name   string `json:"name"`
	URL    string `json:"url"`     // https://host[:port][/path], without /add-checkpoint
	Key    string `json:"key"`     // "name+hash+key", cosignature/v1
	CAFile string `json:"ca_file"` // certificates that its own must chain to; left out, those of the system
}

// WitnessedConfig lists the logs that are cosigned.
type WitnessedConfig struct {
	Name string   `json:"name"` // of the witness in its cosignatures; host/witness
	Logs []string `json:"logs"` // verifier keys, "name+hash+key"
}

// IdentityConfig lists who vouches for people.
type IdentityConfig struct {
	Providers []ProviderConfig `json:"providers"`
}

// ProviderConfig is one identity provider: oidc or saml.
type ProviderConfig struct {
	Name string      `json:"name"`
	OIDC *OIDCConfig `json:"oidc"`
	SAML *SAMLConfig `json:"saml"`
}

// OIDCConfig is an OpenID Connect provider.
type OIDCConfig struct {
	Issuer       string          `json:"issuer"`
	ClientID     string          `json:"client_id"`
	ClientSecret resource.Secret `json:"client_secret"`
	GroupsClaim  string          `json:"groups_claim"`
	CAFile       string          `json:"ca_file"` // authorities to trust for Issuer in place of the system's
}

// SAMLConfig is a SAML 2.0 identity provider.
type SAMLConfig struct {
	MetadataURL     string `json:"metadata_url"`     // https; or MetadataFile
	MetadataFile    string `json:"metadata_file"`    // in place of MetadataURL
	CAFile          string `json:"ca_file"`          // authorities to trust for MetadataURL in place of the system's
	EntityID        string `json:"entity_id"`        // where the metadata describes several identity providers
	GroupsAttribute string `json:"groups_attribute"` // default groups
}

// LoadConfig reads gateway.yaml strictly: an unknown field is an error with its line.
func LoadConfig(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &Config{Listen: "127.0.0.1:8443", DataDir: "data"}
	if err := resource.Decode(file, b, c); err != nil {
		return nil, err
	}
	c.anchor(filepath.Dir(file))
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// anchor makes paths relative to dir absolute, and fills in what was left out.
func (c *Config) anchor(dir string) {
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	c.DataDir = abs(c.DataDir)
	c.TLS.CertFile, c.TLS.KeyFile = abs(c.TLS.CertFile), abs(c.TLS.KeyFile)
	for i := range c.Sinks {
		if s := c.Sinks[i].Syslog; s != nil {
			s.CAFile = abs(s.CAFile)
		}
		if o := c.Sinks[i].OTLP; o != nil {
			o.CAFile = abs(o.CAFile)
		}
	}
	for i := range c.Witnesses {
		c.Witnesses[i].CAFile = abs(c.Witnesses[i].CAFile)
	}
	for i, r := range c.Resources {
		c.Resources[i] = abs(r)
	}
	c.Policy.Module = abs(c.Policy.Module)
	for _, p := range c.Identity.Providers {
		if p.OIDC != nil {
			p.OIDC.CAFile = abs(p.OIDC.CAFile)
		}
		if p.SAML != nil {
			p.SAML.MetadataFile, p.SAML.CAFile = abs(p.SAML.MetadataFile), abs(p.SAML.CAFile)
		}
	}
	if rest, ok := strings.CutPrefix(c.Store.URL, "sqlite:"); ok {
		c.Store.URL = "sqlite:" + abs(rest)
	}
	if rest, ok := strings.CutPrefix(c.Recordings.URL, "file:"); ok {
		c.Recordings.URL = "file:" + abs(rest)
	}
	if c.Store.URL == "" {
		c.Store.URL = "sqlite:" + filepath.Join(c.DataDir, "hoop.db")
	}
	if c.Recordings.URL == "" {
		c.Recordings.URL = "file:" + filepath.Join(c.DataDir, "recordings")
	}
	if c.PublicURL == "" {
		_, port, err := net.SplitHostPort(c.Listen)
		if err == nil {
			c.PublicURL = "https://" + net.JoinHostPort("localhost", port)
		}
	}
}

// check refuses what cannot work, and what this version does not do: better at the
// start than silently.
func (c *Config) check() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: want host:port: %w", err)
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("public_url: want https://host[:port], got %q", c.PublicURL)
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		return errors.New("tls: cert_file and key_file go together; leave both out for a private CA")
	}
	switch {
	case strings.HasPrefix(c.Recordings.URL, "file:"):
	case strings.HasPrefix(c.Recordings.URL, "s3:"):
		if _, err := objects.ParseURL(c.Recordings.URL); err != nil {
			return fmt.Errorf("recordings.url: %w", err)
		}
	default:
		return errors.New("recordings.url: want file:PATH or s3://bucket/prefix?endpoint=…&region=…")
	}
	if c.Recordings.Spool < 0 {
		return errors.New("recordings.spool: want a number of bytes")
	}
	if err := c.checkWitnesses(); err != nil {
		return err
	}
	if err := c.checkSinks(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range c.Identity.Providers {
		switch {
		case p.Name == "":
			return errors.New("identity.providers: a provider has no name")
		case seen[p.Name]:
			return fmt.Errorf("identity.providers: two providers are named %s", p.Name)
		case (p.OIDC == nil) == (p.SAML == nil):
			return fmt.Errorf("identity.providers: %s: want either oidc or saml", p.Name)
		}
		seen[p.Name] = true
	}
	return c.checkNotify()
}

// DevConfig is the configuration of `hoop-gateway dev` and of tests: everything
// embedded, on loopback.
func DevConfig(listen, dataDir string, resources ...string) (*Config, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen: want host:port: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen: %s is not a loopback address, and sample users sign in without a password", host)
	}
	c := &Config{Listen: listen, DataDir: dataDir, Resources: resources}
	c.anchor(dataDir)
	return c, c.check()
}

// oidc are the OpenID Connect providers with their secrets.
func (c *Config) oidc() ([]auth.OIDC, error) {
	var out []auth.OIDC
	for _, p := range c.Identity.Providers {
		if p.OIDC == nil {
			continue
		}
		o := auth.OIDC{Name: p.Name, Issuer: p.OIDC.Issuer, ClientID: p.OIDC.ClientID, GroupsClaim: p.OIDC.GroupsClaim}
		if !p.OIDC.ClientSecret.IsZero() {
			secret, err := p.OIDC.ClientSecret.Resolve()
			if err != nil {
				return nil, fmt.Errorf("identity provider %s: %w", p.Name, err)
			}
			o.ClientSecret = secret
		}
		if err := trust(p.Name, p.OIDC.CAFile, &o.Client); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// saml are the SAML identity providers, with the authorities that their metadata's
// server must be certified by.
func (c *Config) saml() ([]auth.SAML, error) {
	var out []auth.SAML
	for _, p := range c.Identity.Providers {
		if p.SAML == nil {
			continue
		}
		o := auth.SAML{
			Name: p.Name, MetadataURL: p.SAML.MetadataURL, MetadataFile: p.SAML.MetadataFile,
			EntityID: p.SAML.EntityID, GroupsAttribute: p.SAML.GroupsAttribute,
		}
		if err := trust(p.Name, p.SAML.CAFile, &o.Client); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// trust makes the client of an identity provider with authorities of its own; none where
// it has none.
func trust(provider, caFile string, client **http.Client) (err error) {
	if caFile == "" {
		return nil
	}
	if *client, err = auth.Trusting(caFile); err != nil {
		return fmt.Errorf("identity provider %s: %w", provider, err)
	}
	return nil
}

// recordingsDir is the folder of recordings: all of them, or, with an object store,
// those that it does not have whole.
func (c *Config) recordingsDir() string {
	if c.mirrored() {
		return filepath.Join(c.DataDir, "recordings")
	}
	return strings.TrimPrefix(c.Recordings.URL, "file:")
}

// mirrored reports whether recordings go to an object store.
func (c *Config) mirrored() bool { return strings.HasPrefix(c.Recordings.URL, "s3:") }

// hosts are the names that the gateway's own certificate must be good for.
func (c *Config) hosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(c.PublicURL); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	if h, _, err := net.SplitHostPort(c.Listen); err == nil && h != "" && h != "0.0.0.0" && h != "::" {
		hosts = append(hosts, h)
	}
	return hosts
}
