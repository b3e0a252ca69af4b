package grant_test

import (
	"context"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
)

// A request is taken for one that waits already only where all of it is the same: people
// would decide about something else otherwise.
func TestAsk_WhateverDiffersIsAnotherRequest(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		base := api.NewRequest{Target: "one", Duration: hoop.Duration(time.Hour), Reason: "ticket 4"}
		ask := func(id hoop.Identity, change func(*api.NewRequest)) int64 {
			t.Helper()
			r := base
			change(&r)
			got, _, err := b.Ask(t.Context(), id, r)
			if err != nil {
				t.Fatal(err)
			}
			return got.ID
		}
		same := func(*api.NewRequest) {}
		seen := map[int64]string{ask(alice, same): "the first"}
		differs := func(what string, id int64) {
			t.Helper()
			if was, ok := seen[id]; ok {
				t.Errorf("with %s it is the request of %s", what, was)
			}
			seen[id] = what
		}
		forBob, more, work := alice, alice, alice
		forBob.Chain, more.Groups = []string{"bob"}, []string{"devs", "oncall"}
		work.Subject, work.Chain = "agent:alice", []string{"alice"}
		b.rules.set("other", b.rules.by["one"])
		differs("another target", ask(alice, func(r *api.NewRequest) { r.Target = "other" }))
		differs("another duration", ask(alice, func(r *api.NewRequest) { r.Duration *= 2 }))
		differs("another reason", ask(alice, func(r *api.NewRequest) { r.Reason = "ticket 5" }))
		differs("a scope", ask(alice, func(r *api.NewRequest) { r.Scope.Tables = []string{"clinic.*"} }))
		differs("another scope", ask(alice, func(r *api.NewRequest) { r.Scope.Tables = []string{"clinic.wards"} }))
		differs("a window", ask(alice, func(r *api.NewRequest) { r.StartsAt = time.Now().Add(time.Hour) }))
		differs("another window", ask(alice, func(r *api.NewRequest) { r.StartsAt = time.Now().Add(2 * time.Hour) }))
		differs("other groups", ask(more, same))
		differs("somebody to act for", ask(forBob, same))
		differs("a program of hers", ask(work, same))
		one := b.rules.by["one"]
		for what, a := range map[string]hoop.Access{
			"another rule":     {Rule: "uno", MaxDuration: one.MaxDuration, Approval: one.Approval},
			"more people":      {Rule: "one", MaxDuration: one.MaxDuration, Approval: dba(2, 0)},
			"other approvers":  {Rule: "one", MaxDuration: one.MaxDuration, Approval: &hoop.ApprovalRule{Groups: []string{"security"}, Count: 1}},
			"fewer of a group": {Rule: "one", MaxDuration: one.MaxDuration, Approval: &hoop.ApprovalRule{Groups: []string{"dba", "security"}, Count: 1}},
		} {
			b.rules.set("one", a)
			differs(what, ask(alice, same))
		}
		b.rules.set("one", one)
		if id := ask(alice, same); seen[id] != "the first" {
			t.Errorf("asked once more it is %s", seen[id])
		}
		prolong := renewal(b.granted(eve, "one"), 3*time.Hour)
		differs("a renewal", ask(eve, func(r *api.NewRequest) { *r = prolong }))
		prolong.Renews = ""
		differs("a grant beside the one that ends", ask(eve, func(r *api.NewRequest) { *r = prolong }))
	})
}

// Who decides is looked up once more at that moment: one who has lost the group elsewhere
// decides nothing, and nobody does where it cannot be told who owns the account that asks.
func TestApprove_ByWhomItIsNow(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		signedIn := map[string]hoop.Identity{"bob": person("bob", "devs"), "carol": carol}
		faults := map[string]error{}
		known, err := grant.New(t.Context(), grant.Options{
			Store: b.store, Policy: b.rules, Audit: b.log, Roles: roles, Masks: masks,
			SignedIn: func(_ context.Context, subject string) (hoop.Identity, error) {
				if err := faults[subject]; err != nil {
					return hoop.Identity{}, err
				}
				if id, ok := signedIn[subject]; ok {
					return id, nil
				}
				return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "your sign-in has ended")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer known.Close()
		r := b.ask(alice, "one")
		_, err = known.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeDenied, "only members of dba")
		if _, err := known.Approve(t.Context(), carol, r.ID, ""); err != nil {
			t.Error(err)
		}
		owned := b.ask(withOwner(agent, "corp:dana"), "one")
		faults["corp:dana"] = hoop.Errorf(hoop.CodeUnavailable, "the store cannot be reached")
		_, err = known.Approve(t.Context(), carol, owned.ID, "")
		wantCode(t, err, hoop.CodeUnavailable)
		if got := b.request(owned.ID); got.State != hoop.Pending || len(got.Approvals) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A gateway that has heard of what another holds still does not know the statement.
func TestShared_NobodyApprovesBlindWhatIsHeardOf(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		other := serve(t, amongOthers{b.store}, b.rules, b.log, "other", 0)
		defer other.Close()
		held := b.hold(alice)
		answer := b.await(t.Context(), held.ID)
		time.Sleep(5 * time.Second)
		_, err := other.Approve(t.Context(), bob, held.ID, "")
		wantCode(t, err, hoop.CodeConflict, "only that one knows the statement")
		b.approve(bob, held.ID)
		if got := <-answer; got.err != nil || got.r.State != hoop.Approved {
			t.Errorf("%+v", got)
		}
	})
}

// The first of two approvals of a renewal is no more on record than the last where the grant
// was revoked a moment ago.
func TestRenew_RevokedBeforeTheFirstOfTwo(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "one")
		b.rules.set("one", hoop.Access{Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(2, 0)})
		r, _, err := b.Ask(t.Context(), alice, renewal(g, 2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.store.UpdateGrant(t.Context(), g.ID, func(g *hoop.Grant) error {
			g.RevokedAt, g.RevokedBy = time.Now(), "root"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		_, err = b.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "not in force")
		if got := b.request(r.ID); len(got.Approvals) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// A grant taken in an emergency is renewed by no rule, and covers nobody once no rule for
// emergencies does.
func TestBreakGlass_StandsOnItsOwnRule(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		_, g, err := b.Ask(t.Context(), alice, glass("now"))
		if err != nil {
			t.Fatal(err)
		}
		b.rules.set("glass", b.rules.by["open"])
		_, _, err = b.Ask(t.Context(), alice, renewal(*g, 2*time.Hour))
		wantCode(t, err, hoop.CodeConflict, "taken in an emergency")
		if _, err := b.InForce(t.Context(), alice, "glass"); err != nil {
			t.Error(err)
		}
		b.rules.noGlass = true
		_, err = b.InForce(t.Context(), alice, "glass")
		wantCode(t, err, hoop.CodeDenied, "no grant")
	})
}

func TestRevoke_WhatHasEnded(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "open")
		time.Sleep(time.Hour)
		_, err := b.Revoke(t.Context(), alice, g.ID, "late")
		wantCode(t, err, hoop.CodeConflict, "ended at")
		if stored, err := b.store.Grant(t.Context(), g.ID); err != nil || !stored.RevokedAt.IsZero() {
			t.Errorf("%+v, %v", stored, err)
		}
	})
}

// A sign-in that ends takes along what its agents have open, and nothing else.
func TestCutSignIn_EndsItsAgents(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ctxs := map[string]context.Context{}
		for who, id := range map[string]hoop.Identity{"agent": agentOf(alice, time.Hour), "another": agentOf(eve, time.Hour), "herself": alice} {
			ctx, detach := b.attach(b.granted(id, "open"))
			defer detach()
			ctxs[who] = ctx
		}
		b.CutSignIn("s-alice", "she signed out")
		for who, ctx := range ctxs {
			if ended := ctx.Err() != nil; ended != (who == "agent") {
				t.Errorf("%s: ended %v", who, ended)
			}
		}
		wantCode(t, context.Cause(ctxs["agent"]), hoop.CodeRevoked, "she signed out")
	})
}

// An agent's grant cannot begin when its token has ended.
func TestAsk_BehindTheToken(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		_, _, err := b.Ask(t.Context(), agentOf(alice, time.Hour), api.NewRequest{Target: "one", StartsAt: time.Now().Add(time.Hour)})
		wantCode(t, err, hoop.CodeInvalid, "token ends")
	})
}

// What a program asks for in the name of one is not shown to it when it acts for another,
// nor to programs of those who may decide, or whose account asks.
func TestRequests_ProgramsSeeTheirOwn(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		forAlice, forEve := agent, agent
		forAlice.Chain, forEve.Chain = []string{"alice"}, []string{"eve"}
		r := b.ask(forAlice, "one")
		ofOwner := agentOf(person("dan", "data-team"), time.Hour)
		for who, viewer := range map[string]hoop.Identity{"for another": forEve, "for nobody": agent, "of an approver": agentOf(bob, time.Hour), "of the owner": ofOwner} {
			_, err := b.Request(t.Context(), viewer, r.ID)
			if hoop.AsError(err).Code != hoop.CodeNotFound {
				t.Errorf("a program %s sees it: %v", who, err)
			}
		}
		for _, viewer := range []hoop.Identity{forAlice, alice, bob, person("dan", "data-team")} {
			if _, err := b.Request(t.Context(), viewer, r.ID); err != nil {
				t.Errorf("%s: %v", viewer.Subject, err)
			}
		}
	})
}
