// Package servertest is for tests what httptest is for handlers: a gateway in this
// process, a real PostgreSQL, and programs signed in to it.
package servertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/hoopctl/hoopctl/internal/agent"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgparse/pgparsetest"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

// Options of a gateway under test.
type Options struct {
	// Resources is the text of resources.yaml; ${ADDRESS} and ${PASSWORD} stand for
	// PostgreSQL's. "": Resources.
	Resources string
	// Module is the text of the site's own part of the policy; "": none.
	Module string
	// Setup is run in the database before the gateway starts.
	Setup string
	// Configure may change the configuration; nil leaves it as it is.
	Configure func(*server.Config)
	// DataDir is kept between gateways where a test stops one and starts another.
	DataDir string
	// PG is used where given; otherwise one is started.
	PG *pgserver.Server
	// Beside is a gateway on the same store, whose sign-ins this one takes; nil: none.
	Beside *Gateway
	// AcceptStore takes a store that was put back from a copy.
	AcceptStore bool
	// FS is what evidence is written through; nil is the operating system's.
	FS journal.FS
	// Now is the clock that sessions and the end of recordings go by; nil is the system's.
	Now func() time.Time
	// Config changes the configuration before the gateway is built; nil: nothing.
	Config func(*server.Config)
	// Broken says that the test breaks the gateway, so that it cannot stop in order.
	Broken bool
}

// People sign in at every gateway, without a password: a DBA who may approve, and another,
// and somebody whom rules may show what they mask for others.
var People = []auth.DevUser{
	{Name: "dba", Groups: []string{"dba"}}, {Name: "second-dba", Groups: []string{"dba"}}, {Name: "privacy-officer", Groups: []string{"privacy-office"}},
}

// Resources is one target, an account that works (agent) and one that audits (auditor),
// and the contract's sample rules.
const Resources = `
kind: Target
name: pg-prod
spec:
  type: postgres
  address: ${ADDRESS}
  database: postgres
  tls: disable
  credential: {username: postgres, password: {value: "${PASSWORD}"}}
---
kind: AccessRule
name: everybody
spec: {groups: ["*"], targets: ["*"], max_duration: 8h, approval: none, reason: optional}
---
kind: StatementRule
name: risky-needs-a-human
spec:
  targets: [pg-prod]
  groups: ["*"]
  effects: [ddl, destroy, role, unbounded-write, export, derive, opaque]
  tables: ["*"]
  decision: approve
  approval: {groups: [dba], count: 1, timeout: 30s}
---
kind: ServiceAccount
name: agent
spec: {groups: [agents], owner: data-team, secret: {value: agent-secret}}
---
kind: ServiceAccount
name: auditor
spec: {groups: [compliance], owner: compliance-team, secret: {value: auditor-secret}}
---
kind: GroupRole
name: auditors
spec: {group: compliance, role: auditor}
`

// Gateway is a running gateway.
type Gateway struct {
	URL     string
	DataDir string
	PG      *pgserver.Server
	Log     *Buffer

	tb      testing.TB
	beside  *Gateway
	gw      *server.Gateway
	config  *server.Config
	tls     *tls.Config
	http    *http.Client // of API: one, since tests that wait ask often
	stop    func()
	mu      sync.Mutex
	sources map[string]oauth2.TokenSource
}

// parser is one pool for all gateways of the test process, since a worker takes
// seconds to warm up. Its workers end with the process.
var parser = sync.OnceValues(func() (*pgparse.Pool, error) {
	return pgparsetest.New(pgparse.Options{Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
})

// cluster is what the PostgreSQL servers of the test process begin as.
var cluster pgserver.Template

// Start starts a gateway; it is stopped when the test ends.
func Start(tb testing.TB, o Options) *Gateway {
	tb.Helper()
	g, err := Try(tb, o)
	if err != nil {
		tb.Fatalf("start the gateway: %v\n%s", err, g.Log.String())
	}
	return g
}

// Try is Start for a gateway that may not start: it gives why.
func Try(tb testing.TB, o Options) (*Gateway, error) {
	tb.Helper()
	g := &Gateway{tb: tb, beside: o.Beside, PG: o.PG, DataDir: o.DataDir, Log: &Buffer{}, sources: map[string]oauth2.TokenSource{}}
	if g.PG == nil {
		pg, err := pgserver.Start(tb.Context(), pgserver.Options{Template: &cluster})
		must(tb, err)
		tb.Cleanup(func() { must(tb, pg.Stop()) })
		g.PG = pg
	}
	if o.Setup != "" {
		g.Direct(o.Setup)
	}
	if g.DataDir == "" {
		g.DataDir = tb.TempDir()
	}
	if o.Resources == "" {
		o.Resources = Resources
	}
	cfg, err := server.DevConfig("127.0.0.1:0", g.DataDir, filepath.Join(tb.TempDir(), "resources.yaml"))
	must(tb, err)
	if o.Module != "" {
		cfg.Policy.Module = filepath.Join(tb.TempDir(), "site.rego")
	}
	if o.Config != nil {
		o.Config(cfg)
	}
	if o.Configure != nil {
		o.Configure(cfg)
	}
	g.config = cfg
	g.declare(o.Resources, o.Module)
	parser, err := parser()
	must(tb, err)
	gw, err := server.New(tb.Context(), cfg, server.Options{Version: "test", FS: o.FS, Now: o.Now, Parser: parser, DevUsers: People, AcceptStore: o.AcceptStore, Log: slog.New(slog.NewTextHandler(g.Log, nil))})
	if err != nil {
		return g, err
	}
	g.gw, g.URL = gw, gw.URL()
	g.trust(gw.CAFile())

	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- gw.Serve(ctx) }()
	var once sync.Once
	g.stop = func() {
		once.Do(func() {
			cancel()
			must(tb, <-served)
			if err := gw.Close(); err != nil && !o.Broken {
				tb.Errorf("stop the gateway: %v", err)
			}
		})
	}
	tb.Cleanup(func() {
		g.stop()
		if tb.Failed() {
			tb.Logf("the gateway's log:\n%s", g.Log.String())
		}
	})
	return g, nil
}

// Refused tries to start a gateway on a data folder, and gives why it does not.
func Refused(tb testing.TB, dataDir string) error {
	tb.Helper()
	resources := filepath.Join(tb.TempDir(), "resources.yaml")
	must(tb, os.WriteFile(resources, []byte("kind: GroupRole\nname: auditors\nspec: {group: compliance, role: auditor}\n"), 0o600))
	cfg, err := server.DevConfig("127.0.0.1:0", dataDir, resources)
	must(tb, err)
	parser, err := parser()
	must(tb, err)
	gw, err := server.New(tb.Context(), cfg, server.Options{Version: "test", Parser: parser, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		must(tb, gw.Close())
	}
	return err
}

// Reach is a gateway that runs in a process of its own, whose private CA is in caFile, for
// what API, Connect, HTTP, Listen and Token do.
func Reach(tb testing.TB, url, caFile string) *Gateway {
	tb.Helper()
	g := &Gateway{tb: tb, URL: url, Log: &Buffer{}, sources: map[string]oauth2.TokenSource{}}
	g.trust(caFile)
	return g
}

// trust takes the gateway's certificate by its private CA.
func (g *Gateway) trust(caFile string) {
	g.tb.Helper()
	pem, err := os.ReadFile(caFile)
	must(g.tb, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	g.tls = &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}
	g.http = g.HTTP()
	g.tb.Cleanup(g.http.CloseIdleConnections)
}

// declare writes the files that the gateway reads.
func (g *Gateway) declare(resources, module string) {
	g.tb.Helper()
	text := strings.NewReplacer("${ADDRESS}", g.PG.Address(), "${PASSWORD}", g.PG.Password).Replace(resources)
	must(g.tb, os.WriteFile(g.config.Resources[0], []byte(text), 0o600))
	if g.config.Policy.Module != "" {
		must(g.tb, os.WriteFile(g.config.Policy.Module, []byte(module), 0o600))
	}
}

// Reload puts other resources and another module in force, as SIGHUP does. A module can
// take the place of another only.
func (g *Gateway) Reload(resources, module string) {
	g.tb.Helper()
	g.declare(resources, module)
	g.gw.Reload(g.tb.Context())
}

// Stop stops the gateway in order; it may be called before the test ends.
func (g *Gateway) Stop() { g.stop() }

// Killed copies the data folder of a gateway that runs as kill -9 would leave it. While it is
// copied nothing should go on there, but that temporary files may come and go.
func Killed(tb testing.TB, dataDir string) string {
	tb.Helper()
	for {
		to := filepath.Join(tb.TempDir(), "data")
		err := os.CopyFS(to, os.DirFS(dataDir))
		if err == nil {
			return to
		}
		if !errors.Is(err, fs.ErrNotExist) {
			tb.Fatal(err)
		}
	}
}

// Direct runs sql on PostgreSQL itself, past the gateway.
func (g *Gateway) Direct(sql string) {
	g.tb.Helper()
	must(g.tb, g.PG.Exec(g.tb.Context(), "postgres", sql))
}

// Count gives the number that sql answers on PostgreSQL itself, past the gateway.
func (g *Gateway) Count(sql string) (n int64) {
	g.tb.Helper()
	conn, err := pgx.Connect(g.tb.Context(), g.PG.DSN("postgres"))
	must(g.tb, err)
	err = conn.QueryRow(g.tb.Context(), sql).Scan(&n)
	must(g.tb, errors.Join(err, conn.Close(g.tb.Context())))
	return n
}

// HTTP is a client that trusts the gateway.
func (g *Gateway) HTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: g.tls.Clone(), ForceAttemptHTTP2: true}, Timeout: time.Minute}
}

// Token signs in one of People, by the device flow and its pages, or else the service
// account, whose secret is NAME-secret.
func (g *Gateway) Token(ctx context.Context, account string) (string, error) {
	if g.beside != nil {
		return g.beside.Token(ctx, account)
	}
	g.mu.Lock()
	src, ok := g.sources[account]
	person := slices.ContainsFunc(People, func(u auth.DevUser) bool { return u.Name == account })
	switch {
	case ok:
	case person:
		var err error
		if src, err = g.signIn(account); err != nil {
			g.mu.Unlock()
			return "", err
		}
		g.sources[account] = src
	default:
		conf := clientcredentials.Config{
			ClientID: account, ClientSecret: account + "-secret",
			TokenURL: g.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams,
		}
		src = conf.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, g.HTTP()))
		g.sources[account] = src
	}
	g.mu.Unlock()
	tok, err := src.Token()
	if err != nil && person { // a long test outlasts a sign-in
		g.mu.Lock()
		if src, err = g.signIn(account); err == nil {
			g.sources[account] = src
			tok, err = src.Token()
		}
		g.mu.Unlock()
	}
	if err != nil {
		return "", err
	}
	return tok.AccessToken, nil
}

// Hold gives an account a token that it has from elsewhere.
func (g *Gateway) Hold(account, token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources[account] = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

// signIn plays a person at the browser. g.mu is held.
func (g *Gateway) signIn(person string) (oauth2.TokenSource, error) {
	conf := oauth2.Config{ClientID: "hoopctl", Endpoint: oauth2.Endpoint{
		DeviceAuthURL: g.URL + "/oauth/device_authorization", TokenURL: g.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	client := g.HTTP()
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, client)
	device, err := conf.DeviceAuth(ctx)
	if err != nil {
		return nil, fmt.Errorf("sign %s in: %w", person, err)
	}
	if err := authtest.SignIn(ctx, client, device.VerificationURIComplete, person, true); err != nil {
		return nil, fmt.Errorf("sign %s in: %w", person, err)
	}
	token, err := conf.DeviceAccessToken(ctx, device)
	if err != nil {
		return nil, fmt.Errorf("sign %s in: %w", person, err)
	}
	return conf.TokenSource(ctx, token), nil
}

// API is the HTTP API as the account.
func (g *Gateway) API(account string) *api.Client {
	return &api.Client{
		Base: g.URL, HTTP: g.http, Agent: "servertest",
		Token: func(ctx context.Context) (string, error) { return g.Token(ctx, account) },
	}
}

// Connect asks for a grant and opens a local port to target as the account; it gives
// a connection URL.
func (g *Gateway) Connect(account, target string) string {
	g.tb.Helper()
	_, err := g.API(account).NewRequest(g.tb.Context(), api.NewRequest{Target: target, Reason: "a test"})
	must(g.tb, err)
	return g.Listen(account, target)
}

// Listen opens a local port to target as the account, without asking for a grant.
func (g *Gateway) Listen(account, target string) string {
	g.tb.Helper()
	url, lose := g.Tunnel(account, target)
	g.tb.Cleanup(lose)
	return url
}

// Tunnel is Listen for a test that loses the tunnel, whatever goes on in it.
func (g *Gateway) Tunnel(account, target string) (dsn string, lose func()) {
	g.tb.Helper()
	u, err := url.Parse(g.URL)
	must(g.tb, err)
	a := agent.New(agent.Options{
		Gateway: u.Host, TLS: g.tls.Clone(), Client: "servertest",
		Token: func(ctx context.Context) (string, error) { return g.Token(ctx, account) },
		Log:   slog.New(slog.NewTextHandler(g.Log, nil)),
	})
	l, err := a.Listen(g.tb.Context(), agent.Target{Name: target, Protocol: "postgres"}, 0)
	must(g.tb, err)
	return fmt.Sprintf("postgres://%s:%s@%s/postgres?sslmode=disable", l.User, l.Password, net.JoinHostPort(l.Host, strconv.Itoa(l.Port))),
		func() { must(g.tb, a.Close()) }
}

// Buffer is a bytes.Buffer for several goroutines.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
