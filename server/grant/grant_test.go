package grant_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
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
	mu sync.Mutex
	by map[string]grant.Access
}

func (r *rules) Access(_ context.Context, _ hoop.Identity, target string) (grant.Access, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.by[target]
	if !ok {
		return grant.Access{}, hoop.Errorf(hoop.CodeDenied, "no access rule gives you %s", target)
	}
	return a, nil
}

func (r *rules) set(target string, a grant.Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[target] = a
}

func (r *rules) remove(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, target)
}

// auditLog keeps events, and can fail or block.
type auditLog struct {
	mu     sync.Mutex
	events []hoop.Event
	err    error
	before func(hoop.Event) // called before an event is durable
}

func (l *auditLog) Write(_ context.Context, e *hoop.Event) error {
	l.mu.Lock()
	before := l.before
	l.mu.Unlock()
	if before != nil {
		before(*e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.events = append(l.events, *e)
	return nil
}

func (l *auditLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *auditLog) hook(f func(hoop.Event)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

func (l *auditLog) all() []hoop.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// types is what happened, in order.
func (l *auditLog) types() string {
	var out []string
	for _, e := range l.all() {
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
	return &rules{by: map[string]grant.Access{
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

func start(t *testing.T, st *store.Store, r *rules, l *auditLog, gateway string) *bench {
	t.Helper()
	s, err := grant.New(t.Context(), grant.Options{Store: st, Policy: r, Audit: l, Roles: roles, Gateway: gateway})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Service: s, t: t, store: st, rules: r, log: l}
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

func TestAsk_WithoutApprovalIsGrantedAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r, g, err := b.Ask(t.Context(), alice, api.NewRequest{Target: "open"})
		if err != nil || g == nil || r.State != hoop.Approved || r.Grant != g.ID {
			t.Fatalf("request %+v, grant %+v, %v", r, g, err)
		}
		if got := g.ExpiresAt.Sub(g.StartsAt); got != time.Hour {
			t.Errorf("a grant of %s; want 1h where nothing is said", got)
		}
		if got, want := b.log.types(), "request grant"; got != want {
			t.Errorf("events %q; want %q", got, want)
		}
		if e := b.log.all()[1]; e.Subject != "alice" || e.Grant != g.ID || e.Request != r.ID || e.Target != "open" || e.Rule != "open" {
			t.Errorf("grant event %+v", e)
		}
	})
}

func TestAsk_Refused(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		for what, tt := range map[string]struct {
			ask  api.NewRequest
			code hoop.Code
			says string
		}{
			"no rule":              {api.NewRequest{Target: "secret"}, hoop.CodeDenied, "secret"},
			"longer than the rule": {api.NewRequest{Target: "open", Duration: hoop.Duration(9 * time.Hour)}, hoop.CodeInvalid, "--duration 8h"},
			"negative":             {api.NewRequest{Target: "open", Duration: -1}, hoop.CodeInvalid, ""},
			"no reason":            {api.NewRequest{Target: "why"}, hoop.CodeInvalid, "--reason"},
			"blank reason":         {api.NewRequest{Target: "why", Reason: " \n\t "}, hoop.CodeInvalid, "--reason"},
			"terminal escapes":     {api.NewRequest{Target: "open", Reason: "ok\x1b[2J"}, hoop.CodeInvalid, "shown"},
			"bidi override":        {api.NewRequest{Target: "open", Reason: "ok\u202egnp"}, hoop.CodeInvalid, "shown"},
			"NUL":                  {api.NewRequest{Target: "open", Reason: "a\x00b"}, hoop.CodeInvalid, "shown"},
			"not UTF-8":            {api.NewRequest{Target: "open", Reason: "a\xffb"}, hoop.CodeInvalid, "shown"},
			"a novel":              {api.NewRequest{Target: "open", Reason: strings.Repeat("x", 1001)}, hoop.CodeInvalid, "longer"},
			"nobody may approve":   {api.NewRequest{Target: "nobody"}, hoop.CodeDenied, "nobody who may"},
		} {
			_, g, err := b.Ask(t.Context(), alice, tt.ask)
			wantCode(t, err, tt.code, tt.says)
			if g != nil {
				t.Errorf("%s: a grant all the same", what)
			}
		}
		_, _, err := b.Ask(t.Context(), hoop.Identity{Groups: []string{"devs"}}, api.NewRequest{Target: "open"})
		wantCode(t, err, hoop.CodeUnauthenticated)
		if got := b.log.types(); got != "" {
			t.Errorf("events of refused requests: %q", got)
		}
	})
}

func TestAsk_DefaultDurationIsAtMostTheRules(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		_, g, err := b.Ask(t.Context(), alice, api.NewRequest{Target: "why", Reason: "because"})
		if err != nil || g.ExpiresAt.Sub(g.StartsAt) != 30*time.Minute {
			t.Errorf("grant %+v, %v; want 30m", g, err)
		}
	})
}

func TestAsk_HonestRetriesFindTheSameRequest(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		first := b.ask(alice, "one")
		if again := b.ask(alice, "one"); again.ID != first.ID {
			t.Errorf("a retry made request %d beside %d", again.ID, first.ID)
		}
		if other := b.ask(eve, "one"); other.ID == first.ID {
			t.Error("another requester got the same request")
		}
		forBob := alice
		forBob.Chain = []string{"bob"}
		if other := b.ask(forBob, "one"); other.ID == first.ID {
			t.Error("a request on another's behalf is the same request")
		}
		b.approve(bob, first.ID)
		if next := b.ask(alice, "one"); next.ID == first.ID || next.State != hoop.Pending {
			t.Errorf("a decided request answers a new one: %+v", next)
		}
	})
}

func TestAsk_TooManyWait(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		var err error
		for i := 0; i < 60 && err == nil; i++ {
			_, _, err = b.Ask(t.Context(), alice, api.NewRequest{Target: "one", Reason: fmt.Sprint(i)})
		}
		wantCode(t, err, hoop.CodeTooMany)
		b.ask(eve, "one")
	})
}

// Elsewhere the grant's clock ran from the request, so slow approvers ate it.
func TestApprove_ClockStartsAtApproval(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "one")
		time.Sleep(50 * time.Minute)
		approved := b.approve(bob, r.ID)
		g, err := b.InForce(t.Context(), alice, "one")
		if err != nil {
			t.Fatal(err)
		}
		if !g.StartsAt.Equal(approved.DecidedAt) || time.Until(g.ExpiresAt) != time.Hour {
			t.Errorf("grant from %s to %s; want an hour from now, %s", g.StartsAt, g.ExpiresAt, time.Now())
		}
		if got, want := b.log.types(), "request approval grant"; got != want {
			t.Errorf("events %q; want %q", got, want)
		}
		time.Sleep(time.Hour)
		_, err = b.InForce(t.Context(), alice, "one")
		wantCode(t, err, hoop.CodeDenied, "hoopctl request one")
	})
}

// Elsewhere the quorum counted groups, and approving again extended the time.
func TestApprove_CountsDistinctPeople(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "two")
		for range 3 {
			if got := b.approve(bob, r.ID); got.State != hoop.Pending || len(got.Approvals) != 1 {
				t.Fatalf("after bob: %+v", got)
			}
		}
		twoGroups := carol // is in dba and security: still one person
		got := b.approve(twoGroups, r.ID)
		if got.State != hoop.Approved || len(got.Approvals) != 2 {
			t.Fatalf("after two people: %+v", got)
		}
		g, err := b.InForce(t.Context(), alice, "two")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		_, err = b.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "was approved at", "carol")
		if again, err := b.InForce(t.Context(), alice, "two"); err != nil || !again.ExpiresAt.Equal(g.ExpiresAt) {
			t.Errorf("approving again moved the end from %s to %s (%v)", g.ExpiresAt, again.ExpiresAt, err)
		}
		if got, want := b.log.types(), "request approval approval grant"; got != want {
			t.Errorf("events %q; want %q", got, want)
		}
	})
}

func TestDecide_WhoMay(t *testing.T) {
	inDBA := func(id hoop.Identity, change func(*hoop.Identity)) hoop.Identity {
		id.Groups = append(slices.Clone(id.Groups), "dba")
		if change != nil {
			change(&id)
		}
		return id
	}
	forAlice := hoop.Identity{Subject: "service:helper", Kind: hoop.Service, Groups: []string{"devs"}, Chain: []string{"alice", "zoe"}}
	for what, tt := range map[string]struct {
		requester, by hoop.Identity
		says          string // "" where it is allowed
	}{
		"a member of the group":                      {alice, bob, ""},
		"nobody of the group":                        {alice, eve, "no request"},
		"an administrator who is no member":          {alice, admin, "only members of dba"},
		"the requester":                              {inDBA(alice, nil), inDBA(alice, nil), "of their own"},
		"an administrator, of the own request":       {inDBA(admin, nil), inDBA(admin, nil), "of their own"},
		"whom the requester acts for":                {forAlice, inDBA(alice, nil), "on your behalf"},
		"further up the chain":                       {forAlice, inDBA(person("zoe"), nil), "on your behalf"},
		"the account's owner by group":               {agent, inDBA(person("dan", "data-team"), nil), "belongs to you"},
		"the account's owner by name":                {withOwner(agent, "dan"), inDBA(person("dan"), nil), "belongs to you"},
		"an account, for its owner":                  {person("dan"), inDBA(withOwner(agent, "dan"), nil), "only people"},
		"an account, for anybody":                    {alice, inDBA(agent, nil), "only people"},
		"a person's agent in the person's name":      {alice, inDBA(bob, func(i *hoop.Identity) { i.Subject, i.Chain = "agent", []string{"bob"} }), "only people"},
		"the requester's agent":                      {alice, inDBA(forAlice, nil), "only people"},
		"a person who calls itself like a requester": {alice, inDBA(person("bob2"), func(i *hoop.Identity) { i.Name = "ALICE" }), ""},
		"somebody without a subject":                 {alice, hoop.Identity{Kind: hoop.Human, Groups: []string{"dba"}}, "no request"},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, b *bench) {
				r := b.ask(tt.requester, "one")
				_, denyErr := b.Deny(t.Context(), tt.by, r.ID, "no")
				if tt.says == "" {
					r = b.ask(tt.requester, "one") // the first one is denied now
				}
				_, err := b.Approve(t.Context(), tt.by, r.ID, "")
				if tt.says == "" {
					if err != nil || denyErr != nil {
						t.Errorf("approve: %v, deny: %v", err, denyErr)
					}
					return
				}
				for verb, err := range map[string]error{"approve": err, "deny": denyErr} {
					if err == nil || !strings.Contains(err.Error(), tt.says) {
						t.Errorf("%s: %v; want an error that says %q", verb, err, tt.says)
					}
				}
				if got := b.request(r.ID); got.State != hoop.Pending || len(got.Approvals) != 0 {
					t.Errorf("the request changed: %+v", got)
				}
			})
		})
	}
}

func withOwner(id hoop.Identity, owner string) hoop.Identity {
	id.Owner = owner
	return id
}

func TestDeny_NeedsAReasonAndIsFinal(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "two")
		b.approve(bob, r.ID)
		_, err := b.Deny(t.Context(), carol, r.ID, "  ")
		wantCode(t, err, hoop.CodeInvalid, "needs a reason", "hoopctl deny")
		got, err := b.Deny(t.Context(), carol, r.ID, "not today")
		if err != nil || got.State != hoop.Denied || got.DecisionWhy != "not today" {
			t.Fatalf("%+v, %v", got, err)
		}
		_, err = b.Approve(t.Context(), carol, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "was denied at", "by carol")
		_, err = b.Cancel(t.Context(), alice, r.ID)
		wantCode(t, err, hoop.CodeConflict, "was denied")
		_, err = b.InForce(t.Context(), alice, "two")
		wantCode(t, err, hoop.CodeDenied)
		if got, want := b.log.types(), "request approval denial"; got != want {
			t.Errorf("events %q; want %q", got, want)
		}
	})
}

func TestCancel_ByTheRequesterOnly(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "one")
		_, err := b.Cancel(t.Context(), bob, r.ID)
		wantCode(t, err, hoop.CodeDenied, "hoopctl deny")
		_, err = b.Cancel(t.Context(), eve, r.ID)
		wantCode(t, err, hoop.CodeNotFound)
		if got, err := b.Cancel(t.Context(), alice, r.ID); err != nil || got.State != hoop.Cancelled {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = b.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "was cancelled")
	})
}

// Rules that became stricter while a request waited are the ones that count.
func TestApprove_RulesChangedMeanwhile(t *testing.T) {
	for what, change := range map[string]func(*rules){
		"no rule any more": func(r *rules) { r.remove("one") },
		"another rule": func(r *rules) {
			r.set("one", grant.Access{Rule: "new", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(1, 0)})
		},
		"more people": func(r *rules) {
			r.set("one", grant.Access{Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(2, 0)})
		},
		"other people": func(r *rules) {
			r.set("one", grant.Access{Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), Approval: &hoop.ApprovalRule{Groups: []string{"security"}, Count: 1}})
		},
		"shorter than granted": func(r *rules) {
			r.set("one", grant.Access{Rule: "one", MaxDuration: hoop.Duration(time.Minute), Approval: dba(1, 0)})
		},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, b *bench) {
				r := b.ask(alice, "one")
				change(b.rules)
				_, err := b.Approve(t.Context(), bob, r.ID, "")
				wantCode(t, err, hoop.CodeConflict)
				if got := b.request(r.ID); got.State != hoop.Pending {
					t.Errorf("request %+v", got)
				}
				if _, err := b.Deny(t.Context(), bob, r.ID, "ask again"); err != nil {
					t.Errorf("it can not even be denied: %v", err)
				}
			})
		})
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
