package grant_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/hoop/hooptest"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/store"
)

// The people of these tests.
var (
	alice   = person("alice", "devs")
	bob     = person("bob", "dba")
	carol   = person("carol", "dba", "security")
	dave    = person("dave", "security")
	eve     = person("eve", "devs")
	auditor = person("ann", "compliance")
	admin   = person("root", "admins")
	agent   = hoop.Identity{Subject: "service:ci", Name: "ci", Kind: hoop.Service, Groups: []string{"devs"}, Owner: "data-team"}
)

func person(subject string, groups ...string) hoop.Identity {
	return hoop.Identity{Subject: subject, Name: strings.ToUpper(subject), Kind: hoop.Human, Groups: groups}
}

func roles(id hoop.Identity) []hoop.Role {
	var out []hoop.Role
	if id.InGroup("compliance") {
		out = append(out, hoop.RoleAuditor)
	}
	if id.InGroup("admins") {
		out = append(out, hoop.RoleAdmin)
	}
	return out
}

// rules is a policy: access by target. It may change.
type rules struct {
	mu      sync.Mutex
	by      map[string]hoop.Access
	noGlass bool
}

func (r *rules) Access(_ context.Context, _ hoop.Identity, target string) (hoop.Access, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.by[target]
	if !ok {
		return hoop.Access{}, hoop.Errorf(hoop.CodeDenied, "no access rule gives you %s", target)
	}
	return a, nil
}

// BreakGlass implements grant.Policy: "glass" is for devs, in an emergency only.
func (r *rules) BreakGlass(_ context.Context, id hoop.Identity, target string) (hoop.Access, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if target != "glass" || !id.InGroup("devs") || r.noGlass {
		return hoop.Access{}, hoop.Errorf(hoop.CodeDenied, "no access rule with break_glass gives you %s", target)
	}
	return hoop.Access{Rule: "glass", MaxDuration: hoop.Duration(time.Hour), ReasonRequired: true, Reviewers: []string{"compliance"}}, nil
}

func (r *rules) set(target string, a hoop.Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[target] = a
}

func (r *rules) remove(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, target)
}

// auditLog says what happened in one line.
type auditLog struct{ hooptest.Log }

// types is what happened, in order.
func (l *auditLog) types() string {
	var out []string
	for _, e := range l.Events() {
		out = append(out, string(e.Type))
	}
	return strings.Join(out, " ")
}

// bench is a service with all it needs.
type bench struct {
	*grant.Service
	t     *testing.T
	store *store.Store
	rules *rules
	log   *auditLog
}

func dba(count int, timeout time.Duration) *hoop.ApprovalRule {
	return &hoop.ApprovalRule{Groups: []string{"dba"}, Count: count, Timeout: hoop.Duration(timeout)}
}

func newRules() *rules {
	return &rules{by: map[string]hoop.Access{
		"open":   {Rule: "open", MaxDuration: hoop.Duration(8 * time.Hour)},
		"one":    {Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(1, 0)},
		"two":    {Rule: "two", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(2, 30*time.Minute)},
		"why":    {Rule: "why", MaxDuration: hoop.Duration(30 * time.Minute), ReasonRequired: true},
		"nobody": {Rule: "nobody", MaxDuration: hoop.Duration(time.Hour), Approval: &hoop.ApprovalRule{Count: 1}},
	}}
}

func openStore(t *testing.T, url string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// run runs a test in a bubble of its own time, with a SQLite store.
func run(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t, url)
		b := start(t, st, newRules(), &auditLog{}, "")
		test(t, b)
		b.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

// masks protect clinic.patients.ssn from everybody but the privacy office, and social
// security numbers in texts from others.
func masks(id hoop.Identity, target string) *mask.Rules {
	set, err := mask.Compile([]resource.MaskRule{{
		Meta: resource.Meta{Name: "ssn"}, Targets: []string{"*"}, Columns: []string{"clinic.patients.ssn"}, With: resource.Redact, Except: []string{"privacy"},
	}, {
		Meta: resource.Meta{Name: "texts"}, Targets: []string{"*"}, Detect: []string{"us-ssn"}, With: resource.Redact, Except: []string{"privacy"},
	}}, nil, nil)
	if err != nil {
		panic(err) // it is always the same
	}
	return set.For(id, target)
}

func start(t *testing.T, st *store.Store, r *rules, l *auditLog, gateway string) *bench {
	t.Helper()
	return startAhead(t, st, r, l, gateway, 0)
}

// startAhead is start with a clock that is so far ahead.
func startAhead(t *testing.T, st *store.Store, r *rules, l *auditLog, gateway string, ahead time.Duration) *bench {
	t.Helper()
	return &bench{Service: serve(t, st, r, l, gateway, ahead), t: t, store: st, rules: r, log: l}
}

// serve is the service alone.
func serve(t *testing.T, st grant.Store, r *rules, l *auditLog, gateway string, ahead time.Duration) *grant.Service {
	t.Helper()
	return serveBy(t, func() time.Time { return time.Now().Add(ahead) }, st, r, l, gateway)
}

func serveBy(t *testing.T, now func() time.Time, st grant.Store, r *rules, l *auditLog, gateway string) *grant.Service {
	t.Helper()
	s, err := grant.New(t.Context(), grant.Options{Store: st, Policy: r, Audit: l, Roles: roles, Masks: masks, Gateway: gateway, URL: func() string { return "https://" + gateway }, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// restart is a new process on the same store.
func (b *bench) restart() {
	b.t.Helper()
	b.Close()
	b.Service = start(b.t, b.store, b.rules, b.log, "").Service
}

func (b *bench) ask(id hoop.Identity, target string) hoop.Request {
	b.t.Helper()
	r, _, err := b.Ask(b.t.Context(), id, api.NewRequest{Target: target, Duration: hoop.Duration(time.Hour), Reason: "ticket 4"})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) approve(by hoop.Identity, id int64) hoop.Request {
	b.t.Helper()
	r, err := b.Approve(b.t.Context(), by, id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// granted is a grant in force for id.
func (b *bench) granted(id hoop.Identity, target string) hoop.Grant {
	b.t.Helper()
	r := b.ask(id, target)
	if r.State == hoop.Pending {
		b.approve(bob, r.ID)
	}
	g, err := b.InForce(b.t.Context(), id, target)
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

// attach begins a session's hold on a grant.
func (b *bench) attach(g hoop.Grant) (ctx context.Context, end func()) {
	b.t.Helper()
	l, err := b.Attach(b.t.Context(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	return l.Context(), l.End
}

func (b *bench) request(id int64) hoop.Request {
	b.t.Helper()
	r, err := b.store.Request(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func wantCode(t *testing.T, err error, want hoop.Code, words ...string) {
	t.Helper()
	var e *hoop.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("error %v; want code %s", err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(e.Message+" / "+e.Hint, w) {
			t.Errorf("error %q (hint %q) does not say %q", e.Message, e.Hint, w)
		}
	}
}

// Elsewhere expired requests vanished from the list that auditors needed.
func TestExpiry_OfARequest(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "two") // half an hour to decide
		time.Sleep(30*time.Minute - time.Second)
		b.approve(bob, r.ID)
		time.Sleep(time.Second)
		_, err := b.Approve(t.Context(), carol, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "expired at")
		time.Sleep(time.Second)
		if got := b.request(r.ID); got.State != hoop.Expired || got.DecidedAt.IsZero() {
			t.Errorf("request %+v", got)
		}
		if got, want := b.log.types(), "request approval expiry"; got != want {
			t.Errorf("events %q; want %q", got, want)
		}
		for _, viewer := range []hoop.Identity{alice, bob, auditor} {
			list, err := b.Requests(t.Context(), viewer, grant.Filter{})
			if err != nil || len(list) != 1 || list[0].State != hoop.Expired {
				t.Errorf("%s sees %v, %v", viewer.Subject, list, err)
			}
		}
	})
}

func TestRestart_RequestsLiveOnAndHeldStatementsDie(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		short, long := b.ask(alice, "two"), b.ask(alice, "one")
		held := b.hold(alice)
		time.Sleep(10 * time.Minute)
		late := b.hold(alice)
		b.Close()
		time.Sleep(25 * time.Minute) // the request of "two" and the statements expire while nobody looks
		b.restart()
		time.Sleep(time.Second)
		for id, want := range map[int64]hoop.RequestState{
			short.ID: hoop.Expired, long.ID: hoop.Pending, held.ID: hoop.Expired, late.ID: hoop.Cancelled,
		} {
			if got := b.request(id); got.State != want {
				t.Errorf("request %d is %s; want %s", id, got.State, want)
			}
		}
		if got := b.approve(bob, long.ID); got.State != hoop.Approved {
			t.Errorf("after the restart: %+v", got)
		}
		_, err := b.Await(t.Context(), late.ID)
		wantCode(t, err, hoop.CodeNotFound)
	})
}
