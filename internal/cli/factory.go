// Package cli is the command line of hoopctl: one file per command. A command parses
// its flags into an Options struct and runs it; what it needs of the world comes from
// a Factory. Errors are printed once, in Main, which also chooses the exit code.
//
// It holds no rules: what may be done is the gateway's decision.
package cli

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/internal/config"
	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/internal/keyring"
	"github.com/hoopctl/hoopctl/internal/login"
	"github.com/hoopctl/hoopctl/pkg/api"
)

// Factory makes what commands need, each part when it is first asked for, so that
// `hoopctl version` costs nothing.
type Factory struct {
	Version string
	IO      *iostreams.IOStreams
	Getenv  func(string) string
	Environ func() []string
	Now     func() time.Time
	Browse  func(url string) error // opens a browser

	Settings func() (*config.Settings, error)
	Keyring  func() (*keyring.Store, error)
	TLS      func() (*tls.Config, error)
	HTTP     func() (*http.Client, error)
	Login    func() (*login.Source, error)
	API      func() (*api.Client, error)
	Tunnel   func() (Tunnel, error)

	flags config.Flags
}

// NewFactory wires the parts for this process.
func NewFactory(version string, io *iostreams.IOStreams) *Factory {
	f := &Factory{
		Version: version, IO: io,
		Getenv: os.Getenv, Environ: os.Environ, Now: time.Now, Browse: openBrowser,
	}
	f.Settings = sync.OnceValues(func() (*config.Settings, error) { return config.Load(f.Getenv, f.flags) })
	f.Keyring = sync.OnceValues(f.newKeyring)
	f.TLS = sync.OnceValues(f.newTLS)
	f.HTTP = sync.OnceValues(f.newHTTP)
	f.Login = sync.OnceValues(f.newLogin)
	f.API = sync.OnceValues(f.newAPI)
	f.Tunnel = f.newTunnel
	return f
}

func (f *Factory) newKeyring() (*keyring.Store, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	return keyring.New(keyring.Options{Dir: s.Dir, Getenv: f.Getenv, Warn: f.note}), nil
}

func (f *Factory) newTLS() (*tls.Config, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.CAFile == "" {
		return conf, nil
	}
	if conf.RootCAs, err = readCA(s.CAFile); err != nil {
		return nil, err
	}
	return conf, nil
}

func (f *Factory) newHTTP() (*http.Client, error) {
	conf, err := f.TLS()
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       conf.Clone(),
			ForceAttemptHTTP2:     true,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 2 * time.Minute, // longer than any wait that is asked for
			IdleConnTimeout:       time.Minute,
		},
		// The token goes to the gateway alone, and a gateway redirects nobody.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func (f *Factory) newLogin() (*login.Source, error) {
	s, err := f.Settings()
	if err != nil {
		return nil, err
	}
	client, err := f.HTTP()
	if err != nil {
		return nil, err
	}
	store, err := f.Keyring()
	if err != nil {
		return nil, err
	}
	return &login.Source{Gateway: s.Gateway, Dir: s.Dir, HTTP: client, Store: store, Env: s.Token, Now: f.Now}, nil
}

func (f *Factory) newAPI() (*api.Client, error) {
	src, err := f.Login()
	if err != nil {
		return nil, err
	}
	return &api.Client{
		Base: src.Gateway, HTTP: src.HTTP, Agent: f.agent(),
		Token: src.Token, Renew: src.Renew,
	}, nil
}

// agent is what hoopctl calls itself at the gateway.
func (f *Factory) agent() string {
	return "hoopctl/" + f.Version + " (" + runtime.GOOS + "; " + runtime.GOARCH + ")"
}

// context of a call that must be made even though the command was interrupted.
func (f *Factory) last(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
