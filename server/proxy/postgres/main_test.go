package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/hoop/hooptest"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/decoy"
	"github.com/hoopctl/hoopctl/server/infer"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgparse/pgparsetest"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/store/storetest"
)

// shared is what all tests of the package use: starting it takes seconds.
var shared struct {
	pg     *pgserver.Server
	admin  *pgx.Conn // to the database postgres: a connection costs more than what is done on it
	parser *pgparse.Pool
}

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if shared.pg, err = pgserver.Start(context.Background(), pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "10", "autovacuum": "off"}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.pg.Stop() //nolint:errcheck // the tests are over
	if shared.admin, err = pgx.Connect(context.Background(), shared.pg.DSN("postgres")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.admin.Close(context.Background()) //nolint:errcheck // the tests are over
	if shared.parser, err = pgparsetest.New(pgparse.Options{Timeout: time.Minute}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.parser.Close() //nolint:errcheck // the tests are over
	return m.Run()
}

// gateway is a proxy with a real line behind it, a real database before it, and a
// listener in place of the tunnel.
type gateway struct {
	t        *testing.T
	proxy    *Proxy
	line     *session.Line
	recorder *record.Recorder
	journal  *journal.Journal
	policy   *testPolicy
	grants   *testGrants
	audit    *testAudit
	masks    *testMasks
	target   hoop.Target
	addr     *net.TCPAddr
	user     string
	password string
	dial     func(ctx context.Context, params map[string]string) (*Upstream, error)

	mu       sync.Mutex // guards served, sessions, refuse, and target while connections are served
	served   []error
	sessions []*session.Session
	refuse   error // of the next sessions
	stamp    string
	done     chan struct{}
}

// setup makes a database of its own with schema in it, and a gateway to it.
func setup(t *testing.T, schema string, rules ...resource.MaskRule) *gateway {
	t.Helper()
	g := &gateway{t: t, user: "hoop_" + random(4), password: random(8), done: make(chan struct{}, 100)}
	db := "t" + random(6)
	database := func(sql string) {
		t.Helper()
		_, err := shared.admin.Exec(context.Background(), sql)
		check(t, err)
	}
	database("create database " + db + " strategy file_copy")
	t.Cleanup(func() { database("drop database " + db + " with (force)") })
	if schema != "" {
		admin(t, db, schema)
	}
	g.target = hoop.Target{Name: "pg", Type: "postgres", Address: shared.pg.Address(), Database: db, Record: hoop.RecordStrict}
	g.newLine(rules)
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, shared.pg.DSN(db))
	}})
	t.Cleanup(func() { check(t, cat.Close()) })
	g.dial = func(ctx context.Context, params map[string]string) (*Upstream, error) {
		return dialTest(ctx, shared.pg.DSN(db), params)
	}
	g.proxy = New(Config{
		Parser: shared.parser, Dial: g, Log: testLog(t),
		Catalog: func(hoop.Target, string) *catalog.Catalog { return cat },
	})
	t.Cleanup(g.proxy.Close)
	g.listen()
	return g
}

func (g *gateway) Dial(ctx context.Context, _ hoop.Target, database string, params map[string]string) (*Upstream, error) {
	if database != g.target.Database {
		return nil, hoop.Errorf(hoop.CodeNoDatabase, "no such database")
	}
	g.mu.Lock()
	dial := g.dial
	g.mu.Unlock()
	return dial(ctx, params)
}

func (g *gateway) Stamp(hoop.Target, string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stamp, nil
}

func dialTest(ctx context.Context, dsn string, params map[string]string, edit ...func(*pgconn.Config)) (*Upstream, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	for _, e := range edit {
		e(cfg)
	}
	for k, v := range params {
		cfg.RuntimeParams[k] = v
	}
	c, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, hoop.Errorf(hoop.CodeUnavailable, "target pg cannot be reached").Wrap(err)
	}
	if err := c.SyncConn(ctx); err != nil {
		return nil, err
	}
	h, err := c.Hijack()
	return &Upstream{HijackedConn: h}, err
}

// batched relaxes the record mode of sessions to come.
func (g *gateway) batched() {
	g.declare(func(t *hoop.Target) { t.Record = hoop.RecordBatched })
}

// declare changes the target for sessions to come.
func (g *gateway) declare(edit func(*hoop.Target)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	edit(&g.target)
}

// adjust changes what sessions to come depend on.
func (g *gateway) adjust(edit func(*session.Line)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	edit(g.line)
}

func (g *gateway) newLine(rules []resource.MaskRule) {
	t := g.t
	dir := t.TempDir()
	var err error
	if g.journal, err = journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: testLog(t)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, g.journal.Close()) })
	g.recorder, err = record.New(record.Options{
		Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: g.journal, Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.policy, g.audit = &testPolicy{}, &testAudit{}
	g.grants = &testGrants{held: make(chan hoop.Request, 10), answer: make(chan hoop.Request, 10)}
	for i := range rules {
		rules[i].Targets = []string{"*"}
		if rules[i].With == "" {
			rules[i].With = resource.Redact
		}
	}
	set, err := mask.Compile(rules, nil, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	g.masks = &testMasks{set: set}
	g.line = &session.Line{
		Grants: g.grants, Policy: g.policy, Protection: g.masks, Recorder: g.recorder, Audit: g.audit,
		Journal: g.journal, Registry: testRegistry{}, Inference: infer.New(&storetest.Counts{Now: time.Now}, []byte("key")), Decoys: decoy.New(&storetest.Counts{Now: time.Now}), Revision: func() string { return "test" }, Now: time.Now, Log: testLog(t),
	}
}

func (g *gateway) listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	g.addr = l.Addr().(*net.TCPAddr)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	g.t.Cleanup(func() {
		cancel()
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { g.serve(ctx, c) })
		}
	})
}

func (g *gateway) serve(ctx context.Context, c net.Conn) {
	g.mu.Lock()
	target := g.target
	g.mu.Unlock()
	serve, err := g.proxy.Begin(ctx, c, g.user, verifierOf(g.password), target, func(ctx context.Context, st session.Start) (*session.Session, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.refuse != nil {
			return nil, g.refuse
		}
		s, err := g.line.Open(ctx, session.Peer{
			Identity:   hoop.Identity{Subject: "alice", Name: "Alice", Groups: []string{"dev"}},
			RemoteAddr: c.RemoteAddr().String(), Still: func(context.Context) error { return nil },
		}, target, st)
		if err == nil {
			g.sessions = append(g.sessions, s)
		}
		return s, err
	})
	if serve != nil {
		err = serve()
	}
	g.mu.Lock()
	g.served = append(g.served, err)
	g.mu.Unlock()
	select {
	case g.done <- struct{}{}:
	default:
	}
}

// ended waits until a connection has been served to its end.
func (g *gateway) ended() error {
	g.t.Helper()
	select {
	case <-g.done:
	case <-time.After(2 * time.Minute):
		g.t.Fatal("the connection does not end")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.served[len(g.served)-1]
}

func (g *gateway) dsn(options ...string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable&%s", g.user, g.password, g.addr, url.PathEscape(g.target.Database), strings.Join(options, "&"))
}

// connect gives a pgx connection through the gateway.
func (g *gateway) connect(options ...string) *pgx.Conn {
	g.t.Helper()
	c, err := pgx.Connect(g.t.Context(), g.dsn(options...))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// direct gives a pgx connection around the gateway.
func (g *gateway) direct() *pgx.Conn {
	g.t.Helper()
	c, err := pgx.Connect(g.t.Context(), shared.pg.DSN(g.target.Database))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// recorded is everything that the last session put on record as output.
func (g *gateway) recorded() string {
	g.t.Helper()
	var out strings.Builder
	for _, rec := range g.records() {
		if rec.Kind == recording.KindOutput {
			out.Write(rec.Wire)
		}
	}
	return out.String()
}

// records is all that the last session put on record.
func (g *gateway) records() (all []recording.Record) {
	g.t.Helper()
	g.mu.Lock()
	id := g.sessions[len(g.sessions)-1].ID()
	g.mu.Unlock()
	check(g.t, g.journal.Close()) // what is durable is in the files then
	r, err := g.recorder.Reader(g.t.Context(), id)
	if err != nil {
		g.t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			g.t.Fatal(err)
		}
		own := *rec
		own.Wire = bytes.Clone(rec.Wire)
		all = append(all, own)
	}
}

type testPolicy struct {
	mu     sync.Mutex // guards decide
	decide func(uses []hoop.Use) hoop.Decision
}

func (p *testPolicy) Approvers() *hoop.ApprovalRule { return nil }

func (p *testPolicy) Decide(_ context.Context, _ hoop.Identity, _ string, uses []hoop.Use) (hoop.Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.decide == nil {
		return hoop.Decision{Action: hoop.Allow, Rule: "test", Policy: "test"}, nil
	}
	return p.decide(uses), nil
}

// around puts f before what decides, until undo.
func (p *testPolicy) around(f func(decide func([]hoop.Use) hoop.Decision, uses []hoop.Use) hoop.Decision) (undo func()) {
	set := func(decide func([]hoop.Use) hoop.Decision) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.decide = decide
	}
	former := p.decide
	set(func(uses []hoop.Use) hoop.Decision { return f(former, uses) })
	return func() { set(former) }
}

// on decides effects as action; all else is allowed.
func (p *testPolicy) on(action hoop.Action, effects ...hoop.Effect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = func(uses []hoop.Use) hoop.Decision {
		for _, u := range uses {
			if slices.Contains(effects, u.Effect) {
				return hoop.Decision{
					Action: action, Effect: u.Effect, Rule: "test", Reason: u.Why, Policy: "test",
					Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1, Timeout: hoop.Duration(2 * time.Minute)},
				}
			}
		}
		return hoop.Decision{Action: hoop.Allow, Rule: "test", Policy: "test"}
	}
}

type testGrants struct {
	held   chan hoop.Request
	answer chan hoop.Request
	tells  chan int64 // set before use: gets the number of each request that facts came for
	mu     sync.Mutex // guards n, cut, told
	n      int64
	told   map[int64]hoop.Facts
	cut    []context.CancelCauseFunc
}

func (*testGrants) InForce(_ context.Context, id hoop.Identity, target string) (hoop.Grant, error) {
	return hoop.Grant{ID: "g1", Owner: id, Target: target, StartsAt: time.Now().Add(-time.Minute), ExpiresAt: time.Now().Add(time.Hour)}, nil
}

func (g *testGrants) Attach(ctx context.Context, of hoop.Grant) (session.Lease, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = append(g.cut, cancel)
	return &testLease{ctx, cancel, of}, nil
}

func (g *testGrants) Watch(ctx context.Context, of hoop.Grant) (session.Lease, error) {
	return g.Attach(ctx, of)
}

type testLease struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	grant  hoop.Grant
}

func (l *testLease) Context() context.Context { return l.ctx }
func (l *testLease) Grant() hoop.Grant        { return l.grant }
func (l *testLease) End()                     { l.cancel(nil) }

// end cuts all sessions.
func (g *testGrants) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, cancel := range g.cut {
		cancel(err)
	}
}

func (g *testGrants) Hold(_ context.Context, r hoop.Request) (hoop.Request, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	r.ID, r.State, r.ExpiresAt = 16+g.n, hoop.Pending, time.Now().Add(time.Duration(r.Duration))
	g.held <- r
	return r, nil
}

func (g *testGrants) Await(ctx context.Context, _ int64) (hoop.Request, error) {
	select {
	case r := <-g.answer:
		return r, nil
	case <-ctx.Done():
		return hoop.Request{}, hoop.Errorf(hoop.CodeCancelled, "cancelled").Wrap(context.Cause(ctx))
	}
}

func (g *testGrants) Tell(id int64, f hoop.Facts) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.told == nil {
		g.told = map[int64]hoop.Facts{}
	}
	g.told[id] = f
	if g.tells != nil {
		g.tells <- id
	}
}

type testAudit struct{ hooptest.Log }

func (a *testAudit) Append(e *hoop.Event) (journal.Pos, error) {
	return 0, a.Write(context.Background(), e)
}

type testMasks struct{ set *mask.Set }

func (m *testMasks) For(id hoop.Identity, target string) *mask.Rules { return m.set.For(id, target) }

func (m *testMasks) Inherit(context.Context, string, []string, string) error {
	return nil
}

type testRegistry struct{}

func (testRegistry) SaveSession(context.Context, hoop.SessionInfo) error { return nil }

func admin(t *testing.T, db, sql string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), shared.pg.DSN(db))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	check(t, err)
	check(t, c.Close(context.Background()))
}

// runIn runs sql in a mode. Exec sends a Query message whatever the mode, where the
// statement itself has no arguments.
func runIn(ctx context.Context, c *pgx.Conn, mode pgx.QueryExecMode, sql string) error {
	rows, err := c.Query(ctx, sql, mode)
	rows.Close()
	if err != nil {
		return err
	}
	return rows.Err()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// testLog shows the log of a failed test.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}
