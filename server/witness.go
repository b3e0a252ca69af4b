package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pki"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/witness"
)

// witnessPath is where a gateway that is a witness takes checkpoints.
const witnessPath = "/witness"

func (c *Config) checkWitnesses() error {
	seen := map[string]bool{}
	for _, w := range c.Witnesses {
		u, err := url.Parse(w.URL)
		switch {
		case w.Name == "":
			return errors.New("witnesses: a witness has no name")
		case seen[w.Name]:
			return fmt.Errorf("witnesses: two are named %s", w.Name)
		case err != nil || u.Scheme != "https" || u.Host == "":
			return fmt.Errorf("witnesses: %s: url: want https://host[:port][/path], got %q", w.Name, w.URL)
		case w.Key == "":
			return fmt.Errorf("witnesses: %s: key is missing: hoop-gateway witness prints it when it is ready", w.Name)
		}
		seen[w.Name] = true
	}
	if c.Quorum < 0 || c.Quorum > len(c.Witnesses) {
		return fmt.Errorf("witness_quorum: %d of %d witnesses", c.Quorum, len(c.Witnesses))
	}
	if c.Witness != nil && len(c.Witness.Logs) == 0 {
		return errors.New("witness: logs: name the keys of the logs to cosign")
	}
	return nil
}

// keeper asks the configured witnesses; nil where there are none.
func (g *Gateway) buildKeeper() error {
	if len(g.cfg.Witnesses) == 0 {
		return nil
	}
	opt := witness.KeeperOptions{Quorum: g.cfg.Quorum, Log: g.log}
	for _, w := range g.cfg.Witnesses {
		client, err := witnessClient(w.CAFile)
		if err != nil {
			return fmt.Errorf("witness %s: %w", w.Name, err)
		}
		opt.Witnesses = append(opt.Witnesses, witness.Witness{Name: w.Name, URL: w.URL, Key: w.Key, HTTP: client})
	}
	var err error
	if g.keeper, err = witness.NewKeeper(g.audit, opt); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.keeper.Run(ctx)
	}()
	g.add("witnesses", func() error {
		cancel()
		<-done
		return nil
	})
	return nil
}

func witnessClient(caFile string) (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s has no certificate", caFile)
		}
	}
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// buildWitness makes this gateway a witness for others; nil where it is none.
func (g *Gateway) buildWitness(mux *http.ServeMux) error {
	w := g.cfg.Witness
	if w == nil {
		return nil
	}
	name := w.Name
	if name == "" {
		u, err := url.Parse(g.cfg.PublicURL)
		if err != nil {
			return err
		}
		name = u.Hostname() + witnessPath
	}
	s, err := witness.New(witness.Options{
		Dir: filepath.Join(g.cfg.DataDir, "witness"), Key: filepath.Join(g.keys(), "witness.key"), Name: name, Logs: w.Logs, FS: g.fs, Log: g.log,
	})
	if err != nil {
		return err
	}
	mux.Handle(witnessPath+witness.Path, s)
	g.log.Info("this gateway is a witness", "key", s.VerifierKey(), "path", witnessPath, "logs", len(w.Logs))
	return nil
}

// needsWitness refuses targets and rules that demand a cosignature where nobody cosigns.
func (c *Config) needsWitness(set *resource.Set) error {
	for _, t := range set.Targets {
		if t.CosignedWithin > 0 && len(c.Witnesses) == 0 {
			return fmt.Errorf("target %s: cosigned_within: no witness is configured in gateway.yaml (witnesses)", t.Name)
		}
	}
	for _, r := range set.StatementRules {
		if r.CosignedWithin > 0 && len(c.Witnesses) == 0 {
			return fmt.Errorf("statement rule %s: cosigned_within: no witness is configured in gateway.yaml (witnesses)", r.Name)
		}
	}
	return nil
}

// WitnessConfigFile is the configuration of `hoop-gateway witness`.
type WitnessConfigFile struct {
	Listen  string    `json:"listen"`   // host:port
	DataDir string    `json:"data_dir"` // of the key and what is remembered
	Name    string    `json:"name"`     // in cosignatures: "witness.example"
	TLS     TLSConfig `json:"tls"`      // left out: a private CA (data_dir/ca.pem)
	Hosts   []string  `json:"hosts"`    // names that the private CA's certificate must be good for
	Logs    []string  `json:"logs"`     // verifier keys
}

// LoadWitnessConfig reads the file strictly.
func LoadWitnessConfig(file string) (*WitnessConfigFile, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &WitnessConfigFile{Listen: "127.0.0.1:8444", DataDir: "witness-data"}
	if err := resource.Decode(file, b, c); err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	for _, p := range []*string{&c.DataDir, &c.TLS.CertFile, &c.TLS.KeyFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: listen: want host:port: %w", file, err)
	case c.Name == "":
		return nil, fmt.Errorf("%s: name: the witness needs a name, as in witness.example", file)
	case len(c.Logs) == 0:
		return nil, fmt.Errorf("%s: logs: name the keys of the logs to cosign; hoopctl audit export prints a gateway's", file)
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return nil, fmt.Errorf("%s: tls: cert_file and key_file go together", file)
	}
	if host != "" && host != "0.0.0.0" && host != "::" {
		c.Hosts = append(c.Hosts, host)
	}
	return c, nil
}

// ServeWitness runs a witness until ctx ends. ready is told its URL and its key.
func ServeWitness(ctx context.Context, c *WitnessConfigFile, log *slog.Logger, ready func(url, key string) error) (err error) {
	if err := journal.MakeDir(journal.OS{}, filepath.Join(c.DataDir, "keys")); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	unlock, err := lockData(c.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	s, err := witness.New(witness.Options{
		Dir: filepath.Join(c.DataDir, "witness"), Key: filepath.Join(c.DataDir, "keys", "witness.key"), Name: c.Name, Logs: c.Logs, Log: log,
	})
	if err != nil {
		return err
	}
	var cert tls.Certificate
	if c.TLS.CertFile != "" {
		cert, err = tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
	} else {
		cert, err = pki.Issue(journal.OS{}, c.DataDir, time.Now(), append([]string{"localhost", "127.0.0.1", "::1"}, c.Hosts...)...)
	}
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(witness.Path, s)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeTLS(l, "", "") }()
	if err := ready("https://"+l.Addr().String(), s.VerifierKey()); err != nil {
		return errors.Join(err, srv.Close())
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return srv.Shutdown(stop)
}
