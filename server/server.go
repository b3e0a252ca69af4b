// Package server builds every part of the gateway from its configuration, runs them
// and stops them in reverse. It is the only package that knows them all; it decides
// nothing.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/idle"
	"github.com/hoopctl/hoopctl/pkg/tunnel"
	"github.com/hoopctl/hoopctl/server/api"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/budget"
	"github.com/hoopctl/hoopctl/server/decoy"
	"github.com/hoopctl/hoopctl/server/edge"
	"github.com/hoopctl/hoopctl/server/explain"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/infer"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pki"
	"github.com/hoopctl/hoopctl/server/policy"
	"github.com/hoopctl/hoopctl/server/protect"
	"github.com/hoopctl/hoopctl/server/proxy/postgres"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/store"
	"github.com/hoopctl/hoopctl/server/target"
	"github.com/hoopctl/hoopctl/server/web"
	"github.com/hoopctl/hoopctl/server/witness"
)

// Options are what a gateway is given beside its configuration file.
type Options struct {
	Version  string
	Log      *slog.Logger
	DevUsers []auth.DevUser   // sample users of `dev`, who sign in without a password
	FS       journal.FS       // what evidence and keys are written through; nil: the operating system's
	Now      func() time.Time // the clock that sessions and the end of recordings go by; nil: the system's
	Parser   *pgparse.Pool    // shared with others, who close it; nil: the gateway starts its own
	// AcceptStore takes a store that is older than the gateway left it, or another one.
	AcceptStore bool
}

// Gateway is every part, built and connected. Serve runs it; Close stops the parts in
// reverse, and must be called also when Serve was not.
type Gateway struct {
	cfg      *Config
	log      *slog.Logger
	fs       journal.FS // what evidence and keys are written through
	now      func() time.Time
	rules    *rules
	policies policies
	keeper   *witness.Keeper // nil: no witness cosigns
	memory   *memory
	catalogs *catalogs
	audit    *audit.Log
	grants   *grant.Service
	protect  *protect.Rules
	line     *session.Line
	proxy    *postgres.Proxy
	signIn   *auth.Server
	streams  api.Streams
	edge     *edge.Edge
	holding  sync.Mutex // a legal hold is set, or recordings expire; not both
	listener net.Listener
	url      string
	parts    []part
}

// part is something to stop.
type part struct {
	name string
	stop func() error
}

// New builds a gateway: everything is open, warm and listening when it returns, and
// the event `start` is durable.
func New(ctx context.Context, cfg *Config, opts Options) (*Gateway, error) {
	g := &Gateway{cfg: cfg, log: opts.Log}
	if err := g.build(ctx, opts); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gateway) build(ctx context.Context, opts Options) error {
	if opts.FS == nil {
		opts.FS = journal.OS{}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	g.fs, g.now = opts.FS, opts.Now
	if err := journal.MakeDir(g.fs, g.keys()); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	var err error
	if g.rules, err = loadRules(ctx, g.cfg.Resources, g.cfg.Policy.Module); err != nil {
		return err
	}
	if err := g.cfg.needsWitness(g.rules.current.Load().set); err != nil {
		return err
	}
	unlock, err := lockData(g.cfg.DataDir)
	if err != nil {
		return err
	}
	g.add("data folder", unlock)
	g.policies = policies{g.fs, filepath.Join(g.cfg.DataDir, "policies")}
	if err := g.policies.keep(g.rules.Text()); err != nil {
		return err
	}
	parser := opts.Parser
	if parser == nil {
		if parser, err = pgparse.New(pgparse.Options{Log: g.log}); err != nil {
			return fmt.Errorf("start the parser: %w", err)
		}
		g.add("parser", parser.Close)
	}

	db, err := store.Open(ctx, g.cfg.Store.URL)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	g.add("store", db.Close)
	if g.memory, err = recall(ctx, g.fs, filepath.Join(g.cfg.DataDir, "store-age"), db, opts.AcceptStore, g.log); err != nil {
		return err
	}

	evidence, err := g.buildEvidence(g.fs)
	if err != nil {
		return err
	}
	former, err := g.inForceBefore(ctx)
	if err != nil {
		return err
	}
	if g.grants, err = grant.New(ctx, grant.Options{
		Store: db, Policy: g.rules, Audit: g.audit, Roles: g.rules.Roles, Gateway: g.audit.VerifierKey(), URL: func() string { return g.url }, Log: g.log,
		Masks: func(id hoop.Identity, target string) *mask.Rules { return g.protect.For(id, target) },
		SignedIn: func(ctx context.Context, subject string) (hoop.Identity, error) {
			return g.signIn.Current(ctx, subject)
		},
	}); err != nil {
		return err
	}
	g.add("grants", func() error { g.grants.Close(); return nil })

	if err := g.endLost(ctx, db, evidence.recorder); err != nil {
		return err
	}
	if err := g.buildKeeper(); err != nil {
		return err
	}
	if err := g.buildLine(ctx, db, evidence, parser); err != nil {
		return err
	}
	if err := g.listen(); err != nil {
		return err
	}
	signIn, err := g.buildSignIn(db, opts)
	if err != nil {
		return err
	}
	g.signIn = signIn
	mux := http.NewServeMux()
	g.buildExpiry(evidence.recorder)
	if err := g.buildSinks(); err != nil {
		return err
	}
	mux.Handle("/api/", g.buildAPI(opts.Version, db, evidence.recorder, edge.Recognizing(signIn.Identify)))
	chats, err := g.buildNotify(mux, db, signIn)
	if err != nil {
		return err
	}
	page := web.Options{SignIn: signIn, API: g.buildAPI(opts.Version, db, evidence.recorder, edge.Recognizing(signIn.IdentifyBrowser)), Log: g.log}
	if len(chats) > 0 {
		page.Links = chats
	}
	pages, err := web.New(page)
	if err != nil {
		return err
	}
	mux.Handle("/", pages)
	for _, path := range []string{"/.well-known/", "/oauth/", "/device", "/device/", auth.PathSignIn, auth.PathSignIn + "/"} {
		mux.Handle(path, signIn.Handler())
	}
	if err := g.buildWitness(mux); err != nil {
		return err
	}
	cert, err := g.certificate()
	if err != nil {
		return err
	}
	g.edge = edge.New(edge.Options{
		TLS:  &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
		HTTP: mux, Identify: signIn.Identify, Handle: g.handle, Log: g.log,
	})
	start := &hoop.Event{
		Time: time.Now().UTC(), Type: hoop.EventStart, Policy: g.rules.Revision(), Text: "hoop-gateway " + opts.Version,
		Details: []hoop.Detail{{Name: "url", Value: g.url}, {Name: "operator", Value: operator()}},
	}
	events := g.startEvents(start, former)
	if alert := g.memory.event(start); alert != nil {
		events = append(events, alert)
	}
	if err := g.writeAll(ctx, events...); err != nil {
		return err
	}
	return g.memory.settle(ctx)
}

// evidence is what records.
type evidence struct {
	journal  *journal.Journal
	recorder *record.Recorder
}

// buildEvidence opens the journal and its two consumers, which catch up with what a
// crash kept from them.
func (g *Gateway) buildEvidence(fsys journal.FS) (*evidence, error) {
	var e evidence
	var err error
	if e.journal, err = journal.Open(filepath.Join(g.cfg.DataDir, "journal"), journal.Options{FS: fsys, Log: g.log}); err != nil {
		return nil, err
	}
	g.add("journal", e.journal.Close)
	if e.recorder, err = record.New(record.Options{
		Dir: g.cfg.recordingsDir(), Keys: g.keys(), Journal: e.journal, Mirrored: g.cfg.mirrored(), FS: fsys, Log: g.log,
	}); err != nil {
		return nil, err
	}
	u, err := url.Parse(g.cfg.PublicURL)
	if err != nil {
		return nil, err
	}
	if g.audit, err = audit.Open(audit.Options{
		Dir: filepath.Join(g.cfg.DataDir, "audit"), Keys: g.keys(), Origin: u.Hostname() + "/audit",
		Journal: e.journal, Recordings: e.recorder, Revision: g.rules.Revision, FS: fsys, Log: g.log,
	}); err != nil {
		return nil, err
	}
	g.add("audit log", g.audit.Close)
	if err := g.buildStore(&e); err != nil {
		return nil, err
	}
	return &e, nil
}

// buildLine connects the parts that a statement passes.
func (g *Gateway) buildLine(ctx context.Context, db *store.Store, e *evidence, parser *pgparse.Pool) error {
	key, err := secretFile(g.fs, filepath.Join(g.keys(), "mask.key"))
	if err != nil {
		return err
	}
	if g.protect, err = protect.New(ctx, db, g.rules.current.Load().set, key); err != nil {
		return err
	}
	g.line = &session.Line{
		Grants: leases{g.grants}, Policy: g.rules, Protection: g.protect, Recorder: e.recorder, Audit: g.audit,
		Journal: e.journal, Shared: db.Shared(), Gateway: g.audit.VerifierKey(), Registry: db, Budgets: budget.New(db, time.Now), Inference: infer.New(db, derived(key, "inference counts")), Decoys: decoy.New(db), Revision: g.rules.Revision, Cosigned: g.keeper.Cosigned, Now: g.now, Log: g.log,
	}
	if db.Shared() {
		g.followProtection()
	}
	dialer := target.New(g.rules.Target)
	g.catalogs = newCatalogs(dialer, g.log)
	g.add("catalogs", g.catalogs.Close)
	g.proxy = postgres.New(postgres.Config{Parser: parser, Catalog: g.catalogs.For, Dial: postgresDialer{dialer}, Own: dialer.Connect, Log: g.log})
	g.add("proxy", func() error { g.proxy.Close(); return nil })
	return nil
}

// leases is the grants as sessions hold them.
type leases struct{ *grant.Service }

// Attach implements session.Grants.
func (l leases) Attach(ctx context.Context, g hoop.Grant) (session.Lease, error) {
	return held(l.Service.Attach(ctx, g))
}

// Watch implements session.Grants.
func (l leases) Watch(ctx context.Context, g hoop.Grant) (session.Lease, error) {
	return held(l.Service.Watch(ctx, g))
}

func held(l *grant.Lease, err error) (session.Lease, error) {
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (g *Gateway) buildSignIn(db *store.Store, opts Options) (*auth.Server, error) {
	secret, err := secretFile(g.fs, filepath.Join(g.keys(), "sign-in.key"))
	if err != nil {
		return nil, err
	}
	oidc, err := g.cfg.oidc()
	if err != nil {
		return nil, err
	}
	saml, err := g.cfg.saml()
	if err != nil {
		return nil, err
	}
	o := auth.Options{
		Issuer: g.url, Store: db, Log: g.audit, Secret: secret, DevUsers: opts.DevUsers, Providers: oidc, SAML: saml,
		ServiceAccount: g.rules.ServiceAccount, Logger: g.log,
		OnEnd: func(_ context.Context, subject string) {
			g.cut(subject, hoop.CauseSignIn, "its sign-in has ended")
		},
		OnSignInEnd: func(ctx context.Context, signIn string) {
			const why = "the sign-in of who started the agent has ended"
			g.grants.CutSignIn(signIn, why)
			g.streams.CutSignIn(signIn, why)
			if err := g.grants.LeaveSignIn(context.WithoutCancel(ctx), signIn); err != nil {
				g.log.ErrorContext(ctx, "requests of agents whose sign-in has ended", "err", err)
			}
		},
		OnChange: func(ctx context.Context, id hoop.Identity) {
			g.cut(id.Subject, hoop.CauseIdentity, "its groups have changed")
			if err := g.grants.Leave(context.WithoutCancel(ctx), id); err != nil {
				g.log.ErrorContext(ctx, "requests that somebody approved who has other groups now", "subject", id.Subject, "err", err)
			}
		},
	}
	if len(opts.DevUsers) > 0 {
		o.Interval = time.Second // a person at this machine, not a thousand laptops
	}
	s, err := auth.New(o)
	if err != nil {
		return nil, fmt.Errorf("sign-in: %w", err)
	}
	return s, nil
}

func (g *Gateway) buildAPI(version string, db *store.Store, rec *record.Recorder, identify func(context.Context, string) (hoop.Identity, error)) http.Handler {
	return api.New(api.Options{
		Version: version, Tunnel: tunnel.ALPN, Identify: identify, Forget: g.signIn.Forget, Streams: &g.streams, Roles: g.rules.Roles, Literals: g.rules.Literals,
		Targets: g.rules.TargetsFor, Access: g.rules, Grants: g.grants, Sessions: db,
		Recording: func(ctx context.Context, id string) (api.Recording, error) { return rec.Reader(ctx, id) },
		Hold: func(ctx context.Context, by hoop.Identity, s hoop.SessionInfo, reason string, on bool) (waiting bool, err error) {
			return g.hold(ctx, rec, by, s, reason, on)
		},
		Disable:     g.disable,
		Delegate:    g.delegate,
		Protections: g.protect.Inherited, Lift: g.lift,
		Export: g.audit.Export, Bundle: g.bundle, Events: g.audit.Entries, Grown: g.audit.Grown, LogKey: g.audit.VerifierKey, Audit: g.audit, Log: g.log,
		Explainer: explain.New(explain.Options{
			Read: g.proxy.Read, Foresee: g.line.Foresee, Try: g.rules.Try, InForce: g.grants.InForce,
			Target: g.rules.Public, Targets: g.rules.TargetsFor, Roles: g.rules.Roles,
		}),
	})
}

// bundle prepares an audit bundle.
func (g *Gateway) bundle(ctx context.Context, ask api.BundleRequest) (api.Bundle, error) {
	return g.audit.Bundle(ctx, audit.BundleOptions{
		From: ask.From, To: ask.To, Recordings: ask.Recordings, Size: ask.Size, Since: ask.Since, Policy: g.policies.text,
	})
}

// listen takes the port, and fixes the URL where port 0 was asked for.
func (g *Gateway) listen() (err error) {
	if g.listener, err = net.Listen("tcp", g.cfg.Listen); err != nil {
		return &hoop.Error{
			Code: hoop.CodeUnavailable, Message: "cannot listen on " + g.cfg.Listen,
			Hint: "is another gateway running? set listen to another port (dev: --listen)", Err: err,
		}
	}
	g.add("listener", func() error {
		if err := g.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	u, err := url.Parse(g.cfg.PublicURL)
	if err != nil {
		return err
	}
	if u.Port() == "0" {
		_, port, err := net.SplitHostPort(g.listener.Addr().String())
		if err != nil {
			return err
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	g.url = u.String()
	return nil
}

// certificate loads the configured one, or has the private CA issue one.
func (g *Gateway) certificate() (tls.Certificate, error) {
	if g.cfg.TLS.CertFile != "" {
		return g.cfg.certificate()
	}
	return pki.Issue(g.fs, g.cfg.DataDir, time.Now(), g.cfg.hosts()...)
}

// certificate loads the one that is configured.
func (c *Config) certificate() (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
	if err != nil {
		return cert, fmt.Errorf("tls: %w", err)
	}
	return cert, nil
}

// handle serves one stream of a tunnel: by the target's type, one proxy.
func (g *Gateway) handle(ctx context.Context, conn net.Conn, p *edge.Peer) (rest func()) {
	t, known := g.rules.Public(p.Preamble.Target)
	open := func(ctx context.Context, start session.Start) (*session.Session, error) {
		switch {
		case p.Err != nil:
			return nil, p.Err
		case !known:
			return nil, g.unknown(ctx, p)
		}
		return g.line.Open(ctx, session.Peer{Identity: p.Identity, RemoteAddr: p.RemoteAddr, Still: p.Still}, t, start)
	}
	serve, err := g.proxy.Begin(ctx, conn, p.Preamble.User, p.Preamble.Verifier, t, open)
	who := &caller{subject: p.Identity.Subject, target: p.Preamble.Target}
	if serve == nil {
		g.over(ctx, who, err)
		return nil
	}
	return func() { g.over(ctx, who, serve()) }
}

// unknown refuses a target that there is not as one that the caller may not reach.
func (g *Gateway) unknown(ctx context.Context, p *edge.Peer) error {
	if _, err := g.grants.InForce(ctx, p.Identity, p.Preamble.Target); err != nil {
		return err
	}
	return policy.NoAccess(p.Preamble.Target) // it was removed, and its grants are not revoked yet
}

// caller is whose connection it is, for the log.
type caller struct{ subject, target string }

// over logs the end of a connection; err is nil where the client left in good order.
// Inlined, it would take room on the stack of each connection that waits.
//
//go:noinline
func (g *Gateway) over(ctx context.Context, who *caller, err error) {
	if err != nil {
		level := ended(err)
		if who.subject == "" { // whoever reaches the port can have as many as they like
			level = slog.LevelDebug
		}
		g.log.LogAttrs(ctx, level, "connection ended", slog.String("subject", who.subject),
			slog.String("target", who.target), slog.Any("error", err))
	}
}

// ended is how loudly the end of a connection is logged: the gateway's own faults are
// errors, what clients and targets do is not.
func ended(err error) slog.Level {
	switch hoop.AsError(err).Code {
	case hoop.CodeUnrecorded, hoop.CodeInternal:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// URL is what clients call the gateway.
func (g *Gateway) URL() string { return g.url }

// CAFile is the private CA's certificate, for --ca-file.
func (g *Gateway) CAFile() string { return filepath.Join(g.cfg.DataDir, pki.CAFile) }

// Serve runs until ctx ends, or the store is older than it was; live sessions are then told
// and closed.
func (g *Gateway) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	rechecks := make(chan error, 1)
	go func() { rechecks <- g.signIn.Run(ctx) }()
	var beside sync.WaitGroup
	beside.Go(func() { idle.Run(ctx) })
	var restored error
	beside.Go(func() {
		if restored = g.memory.watch(ctx); restored != nil {
			cancel()
		}
	})
	err := g.edge.Serve(ctx, g.listener)
	cancel()
	beside.Wait()
	return errors.Join(err, <-rechecks, restored)
}

// Reload puts the resources and the site's module as they are on disk in force. Where they have a fault, the former
// stay and the fault is logged.
func (g *Gateway) Reload(ctx context.Context) {
	if err := g.reload(ctx); err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "resources not loaded; the former stay in force", slog.Any("error", err))
	}
}

func (g *Gateway) reload(ctx context.Context) error {
	next, err := readRules(ctx, g.cfg.Resources, g.cfg.Policy.Module)
	if err != nil {
		return err
	}
	if err := g.cfg.needsWitness(next.set); err != nil {
		return err
	}
	if err := g.policies.keep(next.engine.Text()); err != nil {
		return err
	}
	was := g.rules.current.Load()
	changes, err := policy.Changes(was.engine.Text(), next.engine.Text())
	if err != nil {
		return err
	}
	changes = append(changes, secretChanges(was.accounts, next.accounts, changes)...)
	loaded := &hoop.Event{
		Time: time.Now().UTC(), Type: hoop.EventPolicy, Subject: gatewayItself, Policy: next.engine.Revision(), Text: "resources loaded again",
		Details: []hoop.Detail{{Name: "former", Value: was.engine.Revision()}, {Name: "operator", Value: operator()}},
	}
	if err := g.writeAll(ctx, append([]*hoop.Event{loaded}, resourceEvents(loaded.Policy, changes)...)...); err != nil {
		return err
	}
	if err := g.protect.Declare(ctx, next.set); err != nil {
		return err
	}
	if err := g.line.Follow(ctx); err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "what statements under way copy is not protected", slog.Any("error", err))
	}
	former := g.rules.current.Swap(next)
	g.proxy.Flush()
	g.cutAccounts(former.accounts, next.accounts)
	g.grants.Recheck(ctx)
	g.streams.Recheck()
	g.log.LogAttrs(ctx, slog.LevelInfo, "resources loaded", slog.String("policy", next.engine.Revision()))
	return nil
}

// Close stops the parts in reverse. The event `stop` comes before the log closes.
func (g *Gateway) Close() error {
	var errs []error
	if g.edge != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, g.audit.Write(ctx, &hoop.Event{Time: time.Now().UTC(), Type: hoop.EventStop, Policy: g.rules.Revision()}))
		last, done := context.WithTimeout(ctx, ageEvery)
		defer done()
		if err := g.memory.look(last); err != nil {
			g.log.ErrorContext(ctx, "the store is older than it was", "error", err)
		}
	}
	for len(g.parts) > 0 {
		last := g.parts[len(g.parts)-1]
		g.parts = g.parts[:len(g.parts)-1]
		if err := last.stop(); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}

func (g *Gateway) add(name string, stop func() error) { g.parts = append(g.parts, part{name, stop}) }

func (g *Gateway) keys() string { return filepath.Join(g.cfg.DataDir, "keys") }
