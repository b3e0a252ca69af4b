package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/siem"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/sink"
)

// SinkConfig is a system that gets copies of events: syslog or otlp.
type SinkConfig struct {
	Name   string        `json:"name"`
	Syslog *SyslogConfig `json:"syslog"`
	OTLP   *OTLPConfig   `json:"otlp"`
}

// SyslogConfig is a syslog server (RFC 5424 over TLS).
type SyslogConfig struct {
	Address string `json:"address"` // host:port
	CAFile  string `json:"ca_file"`
	Format  string `json:"format"` // json, cef (default) or ocsf
}

// OTLPConfig is an OpenTelemetry collector (OTLP/HTTP, JSON).
type OTLPConfig struct {
	URL           string          `json:"url"` // https://host[:port]/v1/logs
	CAFile        string          `json:"ca_file"`
	Authorization resource.Secret `json:"authorization"` // the header's value
}

func (c *Config) checkSinks() error {
	seen := map[string]bool{}
	for i := range c.Sinks {
		s := &c.Sinks[i]
		switch {
		case !sinkName.MatchString(s.Name):
			return fmt.Errorf("sinks: name %q: want small letters, digits and -", s.Name)
		case seen[s.Name]:
			return fmt.Errorf("sinks: two are named %s", s.Name)
		case (s.Syslog == nil) == (s.OTLP == nil):
			return fmt.Errorf("sinks: %s: want either syslog or otlp", s.Name)
		}
		seen[s.Name] = true
		if err := s.check(); err != nil {
			return fmt.Errorf("sinks: %s: %w", s.Name, err)
		}
	}
	return nil
}

func (s *SinkConfig) check() error {
	if o := s.OTLP; o != nil {
		if u, err := url.Parse(o.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return errors.New("url: want https://host[:port]/v1/logs")
		}
		return nil
	}
	if s.Syslog.Format == "" {
		s.Syslog.Format = "cef"
	}
	if !slices.Contains(siem.Formats, s.Syslog.Format) {
		return fmt.Errorf("format: want one of %s", strings.Join(siem.Formats, ", "))
	}
	if _, _, err := net.SplitHostPort(s.Syslog.Address); err != nil {
		return errors.New("address: want host:port; syslog goes over TLS only (port 6514)")
	}
	return nil
}

// buildSinks starts sending copies of events.
func (g *Gateway) buildSinks() error {
	u, err := url.Parse(g.cfg.PublicURL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	g.add("sinks", func() error {
		cancel()
		all.Wait()
		return nil
	})
	for _, s := range g.cfg.Sinks {
		sender, err := s.sender(u.Hostname())
		if err != nil {
			return fmt.Errorf("sink %s: %w", s.Name, err)
		}
		all.Go(func() {
			sink.Run(ctx, sink.Options{
				Name: s.Name, Position: filepath.Join(g.cfg.DataDir, "sink-"+s.Name+".position"), Sender: sender,
				Events: g.audit.Entries, Every: time.Second, Log: g.log,
			})
		})
	}
	return nil
}

func (s *SinkConfig) sender(host string) (sink.Sender, error) {
	if o := s.OTLP; o != nil {
		client, err := witnessClient(o.CAFile)
		if err != nil {
			return nil, err
		}
		authorization := ""
		if !o.Authorization.IsZero() {
			if authorization, err = o.Authorization.Resolve(); err != nil {
				return nil, fmt.Errorf("authorization: %w", err)
			}
		}
		return &sink.OTLP{URL: o.URL, HTTP: client, Authorization: authorization, Host: host}, nil
	}
	client, err := witnessClient(s.Syslog.CAFile)
	if err != nil {
		return nil, err
	}
	conf := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	conf.MinVersion = tls.VersionTLS12 // of syslog servers as they are
	return &sink.Syslog{Address: s.Syslog.Address, TLS: conf, Format: s.Syslog.Format, Host: host}, nil
}
