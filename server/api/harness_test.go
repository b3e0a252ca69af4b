package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/hoop/hooptest"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/pkg/siem"
	"github.com/hoopctl/hoopctl/server/api"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/store"
)

var people = map[string]hoop.Identity{
	"alice": {Subject: "alice", Name: "Alice", Kind: hoop.Human, Groups: []string{"devs"}},
	"bob":   {Subject: "bob", Name: "Bob", Kind: hoop.Human, Groups: []string{"dba"}},
	"eve":   {Subject: "eve", Name: "Eve", Kind: hoop.Human, Groups: []string{"devs"}},
	"paul":  {Subject: "paul", Name: "Paul", Kind: hoop.Human, Groups: []string{"compliance"}},
	"ann":   {Subject: "ann", Name: "Ann", Kind: hoop.Human, Groups: []string{"compliance"}},
	"root":  {Subject: "root", Name: "Root", Kind: hoop.Human, Groups: []string{"admins"}},
	"agent": {Subject: "service:ci", Kind: hoop.Service, Groups: []string{"devs"}, Chain: []string{"alice"}, Delegation: &hoop.Delegation{SignIn: "s-alice"}},
	"other": {Subject: "service:ci", Kind: hoop.Service, Groups: []string{"devs"}, Chain: []string{"eve"}},
}

func roles(id hoop.Identity) []hoop.Role {
	switch {
	case id.InGroup("compliance"):
		return []hoop.Role{hoop.RoleAuditor}
	case id.InGroup("admins"):
		return []hoop.Role{hoop.RoleAdmin}
	case id.InGroup("dba"):
		return []hoop.Role{hoop.RoleApprover}
	}
	return nil
}

type access map[string]hoop.Access

func (a access) Access(_ context.Context, _ hoop.Identity, target string) (hoop.Access, error) {
	if got, ok := a[target]; ok {
		return got, nil
	}
	return hoop.Access{}, hoop.Errorf(hoop.CodeDenied, "no access rule gives you %s", target)
}

func (access) BreakGlass(_ context.Context, _ hoop.Identity, target string) (hoop.Access, error) {
	if target == "glass" {
		return hoop.Access{Rule: "glass", MaxDuration: hoop.Duration(time.Hour), ReasonRequired: true, Reviewers: []string{"compliance"}}, nil
	}
	return hoop.Access{}, hoop.Errorf(hoop.CodeDenied, "no access rule with break_glass gives you %s", target)
}

// tape is a recording: records, then an error.
type tape struct {
	records []recording.Record
	end     error
	before  func()
}

func (t *tape) Next() (*recording.Record, error) {
	if t.before != nil {
		t.before()
	}
	if len(t.records) == 0 {
		return nil, t.end
	}
	r := t.records[0]
	t.records = t.records[1:]
	return &r, nil
}

func (t *tape) Close() error { return nil }

func (t *tape) Seek(recording.Position) error { return errors.New("a tape is read from its beginning") }

func (t *tape) Position() (recording.Position, bool) { return recording.Position{}, true }

func (t *tape) Index() (recording.Index, error) { return recording.Index{}, nil }

// film is a recording as it stands in a file.
type film struct {
	*recording.Reader
	size int64
}

func (f film) Index() (recording.Index, error) { return f.Reader.Index(f.size) }

func (f film) Close() error {
	f.Reader.Close()
	return nil
}

// gateway is the API over a real store and real grants.
type gateway struct {
	*httptest.Server
	t      *testing.T
	store  *store.Store
	grants *grant.Service
	log    *hooptest.Log
	tape   *tape
	film   func() api.Recording // instead of tape
	now    time.Time            // the API's clock; zero: the real one
	held   []string
	// storeAway says that the object store cannot be told of holds.
	storeAway bool
	bundle    func(api.BundleRequest) (api.Bundle, error)
	export    func(ctx context.Context, w io.Writer) error
	logged    logged
	streams   api.Streams
	retired   atomic.Bool // auditors are none any more
	// identified is told whose token was good.
	identified func(subject string) error
}

// logged are lines of the gateway's log, as many as fit.
type logged chan slog.Record

func (l logged) Enabled(context.Context, slog.Level) bool { return true }
func (l logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l logged) WithGroup(string) slog.Handler            { return l }

func (l logged) Handle(_ context.Context, r slog.Record) error {
	select {
	case l <- r:
	default:
	}
	return nil
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, store: st, log: &hooptest.Log{}, tape: &tape{end: io.EOF}, logged: make(logged, 100), identified: func(string) error { return nil }}
	rules := access{
		"open": {Rule: "open", MaxDuration: hoop.Duration(8 * time.Hour)},
		"one":  {Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), ReasonRequired: true, Approval: &hoop.ApprovalRule{Groups: []string{"dba", "ops"}, Count: 1}},
	}
	masks, err := mask.Compile([]resource.MaskRule{{
		Meta: resource.Meta{Name: "ssn"}, Targets: []string{"*"}, Detect: []string{"us-ssn"}, With: resource.Redact,
	}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.grants, err = grant.New(t.Context(), grant.Options{
		Store: st, Policy: rules, Audit: g.log, Roles: roles,
		Masks: masks.For,
	})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	g.Server = httptest.NewUnstartedServer(api.New(api.Options{
		Version: "1.2.3", Tunnel: "hoop/1",
		Forget: func(string) {}, Streams: &g.streams,
		Identify: func(_ context.Context, token string) (hoop.Identity, error) {
			if id, ok := people[strings.TrimPrefix(token, "token-")]; ok {
				return id, g.identified(id.Subject)
			}
			return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "the token is unknown").WithHint("hoopctl login")
		},
		Roles: func(id hoop.Identity) []hoop.Role {
			if g.retired.Load() && id.InGroup("compliance") {
				return nil
			}
			return roles(id)
		},
		Targets: func(hoop.Identity) []hoop.Target {
			return []hoop.Target{{Name: "open", Type: "postgres", Database: "app"}, {Name: "one", Type: "postgres"}, {Name: "gone"}, {Name: "glass"}}
		},
		Access: rules, Grants: g.grants, Sessions: st,
		Recording: func(_ context.Context, session string) (api.Recording, error) {
			if session == "unrecorded" {
				return nil, hoop.Errorf(hoop.CodeNotFound, "there is no recording of session %s", session)
			}
			if g.film != nil {
				return g.film(), nil
			}
			return g.tape, nil
		},
		Events: func(_ context.Context, from int64) iter.Seq2[siem.Entry, error] {
			return func(yield func(siem.Entry, error) bool) {
				for i := from; i < 3; i++ {
					if !yield(siem.Entry{Index: i, Event: &hoop.Event{Type: hoop.EventSignIn}}, nil) {
						return
					}
				}
			}
		},
		Grown: func(ctx context.Context, _ int64) { <-ctx.Done() },
		Hold: func(_ context.Context, by hoop.Identity, s hoop.SessionInfo, reason string, on bool) (waiting bool, err error) {
			g.held = append(g.held, fmt.Sprintln(by.Subject, s.ID, reason, on))
			return g.storeAway, nil
		},
		Disable: func(_ context.Context, by hoop.Identity, d wire.Disable) (wire.Disabled, error) {
			if d.Subject == "nobody" {
				return wire.Disabled{}, nil
			}
			g.held = append(g.held, fmt.Sprintln(by.Subject, d.Subject, d.Reason))
			return wire.Disabled{Subject: d.Subject, SignIns: 1}, nil
		},
		Delegate: func(context.Context, hoop.Identity, string, string, wire.NewAgent) (wire.Agent, error) {
			return wire.Agent{}, nil
		},
		Protections: func(context.Context) ([]hoop.Protection, error) {
			return []hoop.Protection{{Target: "pg", Table: "public.copies", By: "s1"}}, nil
		},
		Lift: func(_ context.Context, by hoop.Identity, lift wire.Lift) error {
			g.held = append(g.held, fmt.Sprintln(by.Subject, lift.Target, lift.Table, lift.Reason))
			return nil
		},
		Export: func(ctx context.Context, w io.Writer) error { return g.export(ctx, w) },
		Bundle: func(_ context.Context, ask api.BundleRequest) (api.Bundle, error) { return g.bundle(ask) },
		LogKey: func() string { return "hoop+key" }, Explainer: g,
		Audit: g.log, Log: slog.New(g.logged),
		Literals: func(id hoop.Identity) bool { return id.Subject == "paul" },
		Now: func() time.Time {
			if g.now.IsZero() {
				return time.Now()
			}
			return g.now
		},
	}))
	g.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	g.Start()
	t.Cleanup(func() {
		g.Server.Close()
		g.grants.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// as is the API's client for one of the people.
func (g *gateway) as(who string) *wire.Client {
	return &wire.Client{Base: g.URL, HTTP: g.Client(), Token: func(context.Context) (string, error) { return "token-" + who, nil }}
}

type reply struct {
	status  int
	header  http.Header
	body    string
	problem wire.Problem
}

// raw sends what no client of ours would.
func (g *gateway) raw(method, path, body string, header ...string) reply {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.URL+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := g.Client().Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
	if resp.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(b, &r.problem); err != nil {
			g.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return r
}

func wantCode(t *testing.T, err error, want hoop.Code) {
	t.Helper()
	var e *hoop.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("error %v; want code %s", err, want)
	}
}

// session stores one of somebody's.
func (g *gateway) session(id, who string, ended bool) {
	g.t.Helper()
	info := hoop.SessionInfo{ID: id, Identity: people[who], Target: "open", Grant: "g-1", Protocol: "postgres", StartedAt: time.Now()}
	if ended {
		info.EndedAt = time.Now()
	}
	if err := g.store.SaveSession(g.t.Context(), info); err != nil {
		g.t.Fatal(err)
	}
}
