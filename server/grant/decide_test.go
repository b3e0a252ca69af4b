package grant_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
)

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
		for i := range 3 {
			if got := b.approve(bob, r.ID); got.State != hoop.Pending || len(got.Approvals) != 1 || got.Repeated != (i > 0) {
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

// Somebody who leaves the groups between their approval and the last one takes the request
// along: it must be asked for anew. What they did not approve, or may still decide, stays.
func TestLeave_BetweenTwoApprovals(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r, other := b.ask(alice, "two"), b.ask(person("erin"), "two")
		b.approve(bob, r.ID)
		b.approve(carol, other.ID)
		if err := b.Leave(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		if got := b.request(r.ID); got.State != hoop.Pending {
			t.Errorf("bob is still there, and the request is %s", got.State)
		}
		gone := bob
		gone.Groups = nil
		if err := b.Leave(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		_, err := b.Approve(t.Context(), carol, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "was cancelled", "bob, who approved it, may not decide it any more")
		if got := b.request(r.ID); got.State != hoop.Cancelled || !strings.Contains(got.DecisionWhy, "may not decide it any more") {
			t.Errorf("%+v", got)
		}
		if got := b.request(other.ID); got.State != hoop.Pending {
			t.Errorf("the other is %s", got.State)
		}
		if _, err = b.InForce(t.Context(), alice, "two"); err == nil {
			t.Error("there is a grant")
		}
	})
}

// agentOf is an agent that acts for somebody, with a token.
func agentOf(id hoop.Identity, d time.Duration) hoop.Identity {
	return hoop.Identity{
		Subject: "agent:" + id.Subject, Name: "agent", Kind: hoop.Service, Groups: id.Groups, Chain: []string{id.Subject},
		Delegation: &hoop.Delegation{SignIn: "s-" + id.Subject, Targets: []string{"open", "one"}, ExpiresAt: time.Now().Add(d)},
	}
}

// Another gateway ends the sign-in of somebody who approves at this moment: before, so that
// it counts for nothing, or a moment after, when nobody would cancel what others count on.
func TestApprove_SignedOutElsewhereAtThatMoment(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ended := hoop.Errorf(hoop.CodeUnauthenticated, "your sign-in has ended")
		signedIn := map[int]error{}
		asked := 0
		other, err := grant.New(t.Context(), grant.Options{
			Store: b.store, Policy: b.rules, Audit: b.log, Roles: roles, Masks: masks,
			SignedIn: func(context.Context, string) (hoop.Identity, error) {
				asked++
				return bob, signedIn[asked]
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		r := b.ask(alice, "two")
		signedIn[1] = ended
		for _, decide := range []func(context.Context, hoop.Identity, int64, string) (hoop.Request, error){other.Approve, other.Deny} {
			asked = 0
			_, err = decide(t.Context(), bob, r.ID, "fine")
			wantCode(t, err, hoop.CodeUnauthenticated, "has ended")
		}
		if got := b.request(r.ID); got.State != hoop.Pending || len(got.Approvals) != 0 {
			t.Errorf("%+v", got)
		}
		signedIn, asked = map[int]error{2: ended}, 0
		_, err = other.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "bob, who approved it, may not decide it any more")
		if got := b.request(r.ID); got.State != hoop.Cancelled || !strings.Contains(got.DecisionWhy, "bob, who approved it") {
			t.Errorf("%+v", got)
		}
		signedIn = nil
		if got, err := other.Approve(t.Context(), bob, b.ask(alice, "two").ID, ""); err != nil || got.State != hoop.Pending {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// What an agent asked for is nobody's once its token or the sign-in of whoever started it
// has ended.
func TestApprove_TheAgentIsGoneMeanwhile(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		mine, other := b.ask(agentOf(alice, 10*time.Minute), "one"), b.ask(agentOf(eve, time.Hour), "one")
		time.Sleep(10 * time.Minute)
		_, err := b.Approve(t.Context(), bob, mine.ID, "")
		wantCode(t, err, hoop.CodeConflict, "token of the agent", "hoopctl deny")
		if err := b.LeaveSignIn(t.Context(), "s-eve"); err != nil {
			t.Fatal(err)
		}
		_, err = b.Approve(t.Context(), bob, other.ID, "")
		wantCode(t, err, hoop.CodeConflict, "was cancelled")
		if got := b.request(mine.ID); got.State != hoop.Pending || len(got.Approvals) != 0 {
			t.Errorf("%+v", got)
		}
		if got, want := b.log.types(), "request request cancel"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
		if grants, err := b.store.Grants(t.Context(), "", 10); err != nil || len(grants) != 0 {
			t.Errorf("%+v, %v", grants, err)
		}
	})
}

// Who approves sees what the agent's token leaves of the grant.
func TestAsk_ShowsTheScopeOfTheToken(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		narrow := agentOf(alice, time.Hour)
		narrow.Delegation.Scope = hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"clinic.visits"}}
		if got := b.ask(narrow, "one").Scope; !reflect.DeepEqual(got, narrow.Delegation.Scope) {
			t.Errorf("%+v", got)
		}
	})
}

func mail(id hoop.Identity, address string) hoop.Identity {
	id.Email = address
	return id
}

// One person who signs in by two providers is one, by the e-mail address.
func TestDecide_TwoSubjectsOfOneAddressAreOnePerson(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		r := b.ask(alice, "two")
		b.approve(mail(bob, "bob@clinic.example"), r.ID)
		if got := b.approve(mail(person("other:bob", "dba"), "BOB@clinic.example"), r.ID); got.State != hoop.Pending || len(got.Approvals) != 1 {
			t.Errorf("one person approved for two: %+v", got)
		}
		if inbox, err := b.Requests(t.Context(), mail(person("other:bob", "dba"), "bob@clinic.example"), grant.Filter{Inbox: true}); err != nil || len(inbox) != 0 {
			t.Errorf("it still waits for them: %v, %v", inbox, err)
		}
		if got := b.approve(mail(carol, "carol@clinic.example"), r.ID); got.State != hoop.Approved {
			t.Errorf("%+v", got)
		}

		// The owner of a service account, signed in by another provider, too.
		owner := mail(person("corp:dana"), "dana@clinic.example")
		same, another := mail(person("other:dana", "dba"), "Dana@clinic.example"), mail(bob, "bob@clinic.example")
		known, err := grant.New(t.Context(), grant.Options{
			Store: b.store, Policy: b.rules, Audit: b.log, Roles: roles, Masks: masks,
			SignedIn: func(_ context.Context, subject string) (hoop.Identity, error) {
				for _, id := range []hoop.Identity{owner, same, another} {
					if id.Subject == subject {
						return id, nil
					}
				}
				return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "your sign-in has ended")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer known.Close()
		for _, named := range []string{"corp:dana", "DANA@clinic.example"} {
			r := b.ask(withOwner(agent, named), "one")
			_, err := known.Approve(t.Context(), same, r.ID, "")
			wantCode(t, err, hoop.CodeDenied, "belongs to you")
			if got, err := known.Approve(t.Context(), another, r.ID, ""); err != nil || got.State != hoop.Approved {
				t.Errorf("%s: %+v, %v", named, got, err)
			}
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
		"an account, for its owner":                  {person("dan"), inDBA(withOwner(agent, "dan"), nil), "only people decide"},
		"an account, for a member of its owner":      {person("dan", "data-team"), inDBA(agent, nil), "only people decide"},
		"an account, for another of its owner":       {agent, inDBA(agent, func(i *hoop.Identity) { i.Subject = "service:other" }), "only people decide"},
		"an account, for who acts for its owner":     {forAlice, inDBA(withOwner(agent, "alice"), nil), "only people decide"},
		"an account of others":                       {alice, inDBA(agent, nil), "only people decide"},
		"the requester, signed in elsewhere":         {mail(alice, "alice@clinic.example"), mail(inDBA(person("other:alice"), nil), "Alice@clinic.example"), "of their own"},
		"somebody of another address":                {mail(alice, "alice@clinic.example"), mail(bob, "bob@clinic.example"), ""},
		"a person's agent in the person's name":      {alice, inDBA(bob, func(i *hoop.Identity) { i.Subject, i.Chain = "agent", []string{"bob"} }), "act for themselves"},
		"the requester's agent":                      {alice, inDBA(forAlice, nil), "act for themselves"},
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
			r.set("one", hoop.Access{Rule: "new", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(1, 0)})
		},
		"more people": func(r *rules) {
			r.set("one", hoop.Access{Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), Approval: dba(2, 0)})
		},
		"other people": func(r *rules) {
			r.set("one", hoop.Access{Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), Approval: &hoop.ApprovalRule{Groups: []string{"security"}, Count: 1}})
		},
		"shorter than granted": func(r *rules) {
			r.set("one", hoop.Access{Rule: "one", MaxDuration: hoop.Duration(time.Minute), Approval: dba(1, 0)})
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

// What people say of a patient in a reason is masked before anything keeps or tells it,
// whoever may see it elsewhere.
func TestReasons_KeepNoProtectedValues(t *testing.T) {
	const words = "SSN 219-09-9998 is locked"
	run(t, func(t *testing.T, b *bench) {
		r, _, err := b.Ask(t.Context(), alice, api.NewRequest{Target: "one", Reason: words})
		if err != nil {
			t.Fatal(err)
		}
		if r, err = b.Approve(t.Context(), bob, r.ID, words); err != nil {
			t.Fatal(err)
		}
		g, err := b.Revoke(t.Context(), admin, r.Grant, words)
		if err != nil {
			t.Fatal(err)
		}
		denied := b.ask(alice, "one")
		if denied, err = b.Deny(t.Context(), bob, denied.ID, words); err != nil {
			t.Fatal(err)
		}
		_, emergency, err := b.Ask(t.Context(), alice, glass(words))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Revoke(t.Context(), admin, emergency.ID, words); err != nil {
			t.Fatal(err)
		}
		reviewed, err := b.Review(t.Context(), person("rita", "compliance"), emergency.ID, words)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := json.Marshal([]any{b.request(r.ID), b.request(denied.ID), g, reviewed, b.log.Events()})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(kept), "219-09-9998") || strings.Count(string(kept), "is locked") < 10 {
			t.Errorf("%s", kept)
		}
	})
}
