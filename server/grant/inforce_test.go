package grant_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/store"
)

func newRequest(target string) api.NewRequest { return api.NewRequest{Target: target} }

func TestInForce_OnlyToItsOwner(t *testing.T) {
	forEve := agent
	forEve.Chain = []string{"eve"}
	run(t, func(t *testing.T, b *bench) {
		b.granted(alice, "open")
		b.granted(forEve, "open")
		forBob := agent
		forBob.Chain = []string{"bob"}
		for what, id := range map[string]hoop.Identity{
			"another person":              eve,
			"the agent in its own name":   agent,
			"the agent for somebody else": forBob,
			"nobody":                      {},
		} {
			_, err := b.InForce(t.Context(), id, "open")
			wantCode(t, err, hoop.CodeDenied, "hoopctl request open")
			if err == nil {
				t.Errorf("%s has a grant", what)
			}
		}
		if _, err := b.InForce(t.Context(), forEve, "open"); err != nil {
			t.Error(err)
		}
		_, err := b.InForce(t.Context(), alice, "one")
		wantCode(t, err, hoop.CodeDenied, "hoopctl request one")
	})
}

func TestInForce_EndsWithTheAccessRule(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.granted(alice, "open")
		b.rules.remove("open")
		_, err := b.InForce(t.Context(), alice, "open")
		wantCode(t, err, hoop.CodeDenied)
	})
}

func TestInForce_TheOneThatEndsLast(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		for _, d := range []time.Duration{time.Hour, 3 * time.Hour, 2 * time.Hour} {
			if _, _, err := b.Ask(t.Context(), alice, api.NewRequest{Target: "open", Duration: hoop.Duration(d)}); err != nil {
				t.Fatal(err)
			}
		}
		g, err := b.InForce(t.Context(), alice, "open")
		if err != nil || g.ExpiresAt.Sub(g.StartsAt) != 3*time.Hour {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

// Elsewhere each new session restarted the full clock.
func TestAttach_EveryClientOfAGrantEndsAtItsExpiry(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "open")
		var all []context.Context
		for range 3 {
			ctx, detach := b.attach(g)
			defer detach()
			all = append(all, ctx)
			time.Sleep(15 * time.Minute)
		}
		time.Sleep(time.Until(g.ExpiresAt) - time.Millisecond)
		for i, ctx := range all {
			if ctx.Err() != nil {
				t.Errorf("client %d was cut early: %v", i, context.Cause(ctx))
			}
		}
		time.Sleep(time.Millisecond)
		for i, ctx := range all {
			<-ctx.Done()
			wantCode(t, context.Cause(ctx), hoop.CodeExpired, "hoopctl request open")
			if late := time.Since(g.ExpiresAt); late > time.Second {
				t.Errorf("client %d was cut %s late", i, late)
			}
		}
	})
}

// Elsewhere revoking left sessions alive.
func TestAttach_RevocationCutsAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g, other := b.granted(alice, "open"), b.granted(eve, "open")
		ctx, detach := b.attach(g)
		defer detach()
		untouched, detach2 := b.attach(other)
		defer detach2()
		got, err := b.Revoke(t.Context(), admin, g.ID, "leaves today")
		if err != nil || got.RevokedBy != "root" || got.RevokedAt.IsZero() {
			t.Fatalf("%+v, %v", got, err)
		}
		<-ctx.Done()
		wantCode(t, context.Cause(ctx), hoop.CodeRevoked, "by root", "leaves today")
		if untouched.Err() != nil {
			t.Error("another's session was cut")
		}
		_, err = b.InForce(t.Context(), alice, "open")
		wantCode(t, err, hoop.CodeDenied)
		// A session that was opening while it was revoked.
		_, err = b.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeRevoked)
		_, err = b.Revoke(t.Context(), admin, g.ID, "")
		wantCode(t, err, hoop.CodeConflict, "was revoked at")
		events := b.log.Events()
		if e := events[len(events)-1]; e.Type != hoop.EventRevocation || e.Subject != "root" || e.Grant != g.ID || e.Reason != "leaves today" {
			t.Errorf("event %+v", e)
		}
	})
}

func TestAttach_FailsClosed(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "open")
		for what, g := range map[string]hoop.Grant{
			"made up": {ID: "g-none", Target: "open", ExpiresAt: time.Now().Add(time.Hour)},
			"zero":    {},
		} {
			if _, err := b.Attach(t.Context(), g); err == nil {
				t.Errorf("a grant %s holds", what)
			}
		}
		ctx, detach := b.attach(g)
		detach()
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("after detaching: %v", context.Cause(ctx))
		}
		detach() // harmless
	})
}

// What is under way ends when it was to end, whatever the clock says then.
func TestExpiry_ClockSetBack(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.Close()
		var back atomic.Int64
		b.Service = serveBy(t, func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }, b.store, b.rules, b.log, "")
		ctx, detach := b.attach(b.granted(alice, "open")) // for an hour
		defer detach()
		time.Sleep(59 * time.Minute)
		held := b.holdFor(alice, 2*time.Minute)
		answer := b.await(ctx, held.ID)
		synctest.Wait()
		back.Store(int64(30 * time.Minute))
		time.Sleep(time.Minute - time.Millisecond)
		if ctx.Err() != nil {
			t.Error("ended too early")
		}
		other := b.await(t.Context(), b.hold(eve).ID)
		synctest.Wait()
		time.Sleep(time.Minute)
		back.Store(int64(2 * time.Hour))
		wantCode(t, context.Cause(ctx), hoop.CodeExpired)
		if got := <-answer; got.r.State != hoop.Cancelled {
			t.Errorf("%+v, %v", got.r, got.err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case got := <-other:
			if got.err != nil || got.r.State != hoop.Expired {
				t.Errorf("%+v, %v", got.r, got.err)
			}
		default:
			t.Error("a statement waits for longer than was said")
		}
	})
}

func TestCut_EndsSessionsAndLeavesTheGrant(t *testing.T) {
	forAlice := agent
	forAlice.Chain = []string{"alice"}
	run(t, func(t *testing.T, b *bench) {
		cut := map[string]bool{}
		ctxs := map[string]context.Context{}
		for who, id := range map[string]hoop.Identity{"alice": alice, "agent": forAlice, "eve": eve} {
			ctx, detach := b.attach(b.granted(id, "open"))
			defer detach()
			ctxs[who] = ctx
		}
		b.Cut("alice", hoop.CauseSignIn, "signed out")
		for who, ctx := range ctxs {
			cut[who] = ctx.Err() != nil
		}
		if !cut["alice"] || !cut["agent"] || cut["eve"] {
			t.Errorf("cut: %v", cut)
		}
		wantCode(t, context.Cause(ctxs["alice"]), hoop.CodeRevoked, "signed out")
		if _, err := b.InForce(t.Context(), alice, "open"); err != nil {
			t.Errorf("the grant went too: %v", err)
		}
	})
}

func TestRecheck_CutsWhatNoRuleAllows(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		open := b.granted(alice, "open")
		gone, detach := b.attach(open)
		defer detach()
		stays, detach2 := b.attach(b.granted(alice, "one"))
		defer detach2()
		b.rules.remove("open")
		b.Recheck(t.Context())
		if gone.Err() == nil || stays.Err() != nil {
			t.Errorf("cut: %v and %v; want the first only", gone.Err(), stays.Err())
		}
		wantCode(t, context.Cause(gone), hoop.CodeRevoked, "access rules")
		// A session that was opening while the rules changed.
		_, err := b.Attach(t.Context(), open)
		wantCode(t, err, hoop.CodeRevoked, "access rules")
	})
}

// scant gives few grants at once.
type scant struct{ *store.Store }

func (s scant) GrantsBehind(ctx context.Context, id string, at time.Time, limit int) ([]hoop.Grant, error) {
	return s.Store.GrantsBehind(ctx, id, at, min(limit, 2))
}

func TestRevokeAll_OfADisabledIdentity(t *testing.T) {
	forAlice := agent
	forAlice.Chain = []string{"alice"}
	run(t, func(t *testing.T, b *bench) {
		b.granted(alice, "open")
		g := b.granted(alice, "one")
		b.granted(forAlice, "open")
		b.granted(withOwner(agent, "alice"), "open")
		b.granted(eve, "open")
		if _, err := b.Revoke(t.Context(), alice, g.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Ask(t.Context(), alice, api.NewRequest{Target: "open", StartsAt: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		var waiting []int64
		for _, id := range []hoop.Identity{alice, forAlice, withOwner(agent, "alice"), eve} {
			waiting = append(waiting, b.ask(id, "one").ID)
		}
		few := serve(t, scant{b.store}, b.rules, b.log, "", 0)
		defer few.Close()
		grants, requests, err := few.RevokeAll(t.Context(), admin, "alice", "left; 123-45-6789")
		if err != nil || grants != 4 || requests != 3 {
			t.Fatalf("%d grants, %d requests, %v", grants, requests, err)
		}
		for i, id := range waiting {
			r := b.request(id)
			if i == 3 {
				if r.State != hoop.Pending {
					t.Errorf("another's: %+v", r)
				}
				continue
			}
			if r.State != hoop.Cancelled || !strings.HasPrefix(r.DecisionWhy, "left; ") || strings.Contains(r.DecisionWhy, "6789") {
				t.Errorf("%+v", r)
			}
		}
		left, err := b.store.GrantsAfter(t.Context(), "", time.Now(), 100)
		if err != nil || len(left) != 1 || left[0].Owner.Subject != "eve" {
			t.Errorf("left: %+v, %v", left, err)
		}
	})
}

func TestRevoke_WhoMay(t *testing.T) {
	forAlice := agent
	forAlice.Chain = []string{"alice"}
	for what, tt := range map[string]struct {
		owner, by hoop.Identity
		code      hoop.Code // "" where it is allowed
	}{
		"its owner":                    {alice, alice, ""},
		"whom the agent acts for":      {forAlice, alice, ""},
		"the service account's owners": {agent, person("dan", "data-team"), ""},
		"who could have approved":      {alice, carol, ""},
		"an administrator":             {alice, admin, ""},
		"an auditor":                   {alice, auditor, hoop.CodeDenied},
		"anybody":                      {alice, eve, hoop.CodeNotFound},
		"nobody":                       {alice, hoop.Identity{}, hoop.CodeNotFound},
		"the agent, its principal's":   {alice, forAlice, hoop.CodeNotFound},
	} {
		t.Run(what, func(t *testing.T) {
			run(t, func(t *testing.T, b *bench) {
				g := b.granted(tt.owner, "one")
				_, err := b.Revoke(t.Context(), tt.by, g.ID, "")
				if tt.code == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantCode(t, err, tt.code)
				if _, err := b.InForce(t.Context(), tt.owner, "one"); err != nil {
					t.Errorf("revoked all the same: %v", err)
				}
			})
		})
	}
}

func TestRequests_WhoSeesWhat(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		a, e, s := b.ask(alice, "one"), b.ask(eve, "two"), b.ask(agent, "one")
		dataDBA := person("dan", "data-team", "dba")
		for _, tt := range []struct {
			what   string
			viewer hoop.Identity
			filter grant.Filter
			want   []int64
		}{
			{"one's own", alice, grant.Filter{}, []int64{a.ID}},
			{"nothing", dave, grant.Filter{}, nil},
			{"what one may decide", bob, grant.Filter{}, []int64{s.ID, e.ID, a.ID}},
			{"everything", auditor, grant.Filter{}, []int64{s.ID, e.ID, a.ID}},
			{"everything", admin, grant.Filter{State: hoop.Pending}, []int64{s.ID, e.ID, a.ID}},
			{"nothing decided yet", admin, grant.Filter{State: hoop.Denied}, nil},
			{"inbox", bob, grant.Filter{Inbox: true}, []int64{s.ID, e.ID, a.ID}},
			{"inbox of one who owns an account", dataDBA, grant.Filter{Inbox: true}, []int64{e.ID, a.ID}},
			{"what one owns", person("dan", "data-team"), grant.Filter{}, []int64{s.ID}},
			{"an administrator's inbox", admin, grant.Filter{Inbox: true}, nil},
			{"what its group decides", person("dan", "data-team", "dba"), grant.Filter{}, []int64{s.ID, e.ID, a.ID}},
			{"the newest", bob, grant.Filter{Limit: 1}, []int64{s.ID}},
			{"nothing without a name", hoop.Identity{Groups: []string{"dba"}, Kind: hoop.Human}, grant.Filter{}, nil},
		} {
			list, err := b.Requests(t.Context(), tt.viewer, tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range list {
				got = append(got, r.ID)
				if _, err := b.Request(t.Context(), tt.viewer, r.ID); err != nil {
					t.Errorf("%s: listed, and then: %v", tt.what, err)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s sees %v (%s); want %v", tt.viewer.Subject, got, tt.what, tt.want)
			}
		}
		_, err := b.Request(t.Context(), alice, e.ID)
		wantCode(t, err, hoop.CodeNotFound)
		b.approve(bob, e.ID) // one of two
		if inbox, err := b.Requests(t.Context(), bob, grant.Filter{Inbox: true}); err != nil || len(inbox) != 2 {
			t.Errorf("inbox after deciding: %v, %v", inbox, err)
		}
	})
}

func TestGrants_WhoSeesWhat(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.granted(alice, "open")
		g := b.granted(alice, "one")
		b.granted(eve, "open")
		b.granted(eve, "one")
		if _, err := b.Revoke(t.Context(), alice, g.ID, ""); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			viewer hoop.Identity
			all    bool
			want   int
		}{
			{alice, false, 1},
			{alice, true, 2},
			{eve, true, 2},
			{dave, true, 0},
			{bob, true, 2}, // may decide about them
			{bob, false, 0},
			{auditor, false, 0},
			{auditor, true, 4},
			{admin, true, 4},
			{hoop.Identity{}, true, 0},
			{hoop.Identity{}, false, 0},
		} {
			got, err := b.Grants(t.Context(), tt.viewer, tt.all)
			if err != nil || len(got) != tt.want || got == nil {
				t.Errorf("%s (all %v) sees %d, %v; want %d", tt.viewer.Subject, tt.all, len(got), err, tt.want)
			}
		}
		r := b.request(g.Request)
		if got, err := b.Grant(t.Context(), alice, r); err != nil || got.ID != g.ID {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := b.Grant(t.Context(), eve, r); err == nil {
			t.Errorf("eve gets %v", got)
		}
	})
}

// Whoever may revoke a grant sees it in the list of all, marked; nobody else's mark lies.
func TestGrants_MarkedWhereTheyCanBeRevoked(t *testing.T) {
	for _, viewer := range []hoop.Identity{alice, bob, carol, dave, eve, auditor, admin, person("lead", "data-team"), agent} {
		run(t, func(t *testing.T, b *bench) {
			b.granted(alice, "open")
			b.granted(eve, "one")
			b.granted(agent, "open")
			glass, _, err := b.Ask(t.Context(), alice, glass("fire"))
			if err != nil {
				t.Fatal(err)
			}
			all, err := b.Grants(t.Context(), admin, true)
			if err != nil || len(all) != 4 || glass.Grant == "" {
				t.Fatalf("%+v, %v", all, err)
			}
			listed, err := b.Grants(t.Context(), viewer, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range all {
				marked := slices.ContainsFunc(listed, func(l hoop.Grant) bool { return l.ID == g.ID && l.Revocable })
				if _, err := b.Revoke(t.Context(), viewer, g.ID, "x"); (err == nil) != marked {
					t.Errorf("%s, grant of %s on %s: marked %v, revoked %v", viewer.Subject, g.Owner.Subject, g.Target, marked, err)
				}
			}
		})
	}
}

func TestWait_EndsWithTheDecisionOrTheTime(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "one")
		began := time.Now()
		if got, err := b.Wait(t.Context(), alice, r.ID, 30*time.Second); err != nil || got.State != hoop.Pending || time.Since(began) != 30*time.Second {
			t.Errorf("%+v, %v after %s", got, err, time.Since(began))
		}
		time.AfterFunc(5*time.Second, func() { b.approve(bob, r.ID) })
		began = time.Now()
		if got, err := b.Wait(t.Context(), alice, r.ID, time.Minute); err != nil || got.State != hoop.Approved || time.Since(began) != 5*time.Second {
			t.Errorf("%+v, %v after %s", got, err, time.Since(began))
		}
		_, err := b.Wait(t.Context(), eve, r.ID, time.Minute)
		wantCode(t, err, hoop.CodeNotFound)
	})
}

func TestAttach_SoManyAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.rules.set("few", hoop.Access{Rule: "few", MaxDuration: hoop.Duration(time.Hour), MaxSessions: 2})
		g := b.granted(alice, "few")
		_, end := b.attach(g)
		stay, err := b.Watch(t.Context(), g) // no session
		if err != nil {
			t.Fatal(err)
		}
		defer stay.End()
		_, end2 := b.attach(g)
		defer end2()
		_, err = b.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeTooMany, "2 sessions", "close another")
		end()
		end() // counts once
		_, end3 := b.attach(g)
		defer end3()
		_, err = b.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeTooMany)
	})
}

func TestAttach_SoManyInAll(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.rules.set("twice", hoop.Access{Rule: "twice", MaxDuration: hoop.Duration(time.Hour), MaxUses: 2})
		g := b.granted(alice, "twice")
		first, end := b.attach(g)
		end()
		second, end2 := b.attach(g)
		defer end2()
		_, err := b.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeDenied, "2 sessions", "hoopctl request twice")
		_, err = b.InForce(t.Context(), alice, "twice")
		wantCode(t, err, hoop.CodeDenied, "2 sessions")
		if first.Err() == nil || second.Err() != nil {
			t.Errorf("first %v, second %v: the last use ends the session before its time", first.Err(), second.Err())
		}
		b.restart()
		_, err = b.Attach(t.Context(), g)
		wantCode(t, err, hoop.CodeDenied, "2 sessions")
		if again := b.granted(alice, "twice"); again.ID == g.ID || again.Uses != 0 {
			t.Errorf("another grant: %+v", again)
		}
	})
}

// Sessions that begin at the same time do not share the last use.
func TestAttach_UsesAreCountedOnce(t *testing.T) {
	a, b := twoGateways(t)
	a.rules.set("five", hoop.Access{Rule: "five", MaxDuration: hoop.Duration(time.Hour), MaxUses: 5})
	g := a.granted(alice, "five")
	var begun atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			l, err := []*bench{a, b}[i%2].Attach(t.Context(), g)
			if err == nil {
				begun.Add(1)
				l.End()
			}
		})
	}
	wg.Wait()
	if n := begun.Load(); n != 5 {
		t.Errorf("%d sessions began under a grant for 5", n)
	}
}
