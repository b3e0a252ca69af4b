package grant_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/store"
)

func renewal(g hoop.Grant, d time.Duration) api.NewRequest {
	return api.NewRequest{Target: g.Target, Duration: hoop.Duration(d), Renews: g.ID}
}

// A renewal puts the end off; what stands on the grant goes on, and ends with the new end.
func TestRenew_SessionsGoOn(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "one")
		l, err := b.Attach(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		defer l.End()
		time.Sleep(50 * time.Minute)
		r, at, err := b.Ask(t.Context(), alice, renewal(g, time.Hour))
		if err != nil || at != nil || r.State != hoop.Pending || r.Renews != g.ID {
			t.Fatalf("%+v, %+v, %v: the rule asks people again", r, at, err)
		}
		time.Sleep(5 * time.Minute)
		if r = b.approve(bob, r.ID); r.Grant != g.ID {
			t.Errorf("led to grant %s, not %s", r.Grant, g.ID)
		}
		if now := l.Grant(); now.ExpiresAt.Sub(r.DecidedAt) != time.Hour || !now.StartsAt.Equal(g.StartsAt) || len(now.Renewals) != 1 || now.Renewals[0] != r.ID {
			t.Errorf("renewed: %+v", now)
		}
		time.Sleep(59 * time.Minute)
		if l.Context().Err() != nil {
			t.Fatalf("cut before the new end: %v", context.Cause(l.Context()))
		}
		if again, err := b.InForce(t.Context(), alice, "one"); err != nil || again.ID != g.ID {
			t.Errorf("%+v, %v", again, err)
		}
		time.Sleep(61 * time.Second)
		<-l.Context().Done()
		wantCode(t, context.Cause(l.Context()), hoop.CodeExpired)
		if got, want := b.log.types(), "request approval grant request approval grant"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

func TestRenew_Refused(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "open")
		forBob := alice
		forBob.Chain = []string{"bob"}
		other := renewal(g, time.Hour)
		other.Target = "one"
		scoped := renewal(g, time.Hour)
		scoped.Scope.Tables = []string{"*"}
		later := renewal(g, time.Hour)
		later.StartsAt = time.Now().Add(time.Hour)
		for what, tt := range map[string]struct {
			id   hoop.Identity
			ask  api.NewRequest
			code hoop.Code
		}{
			"another's":       {eve, renewal(g, time.Hour), hoop.CodeNotFound},
			"for another":     {forBob, renewal(g, time.Hour), hoop.CodeNotFound},
			"another target":  {alice, other, hoop.CodeNotFound},
			"another scope":   {alice, scoped, hoop.CodeInvalid},
			"later":           {alice, later, hoop.CodeInvalid},
			"made up":         {alice, renewal(hoop.Grant{ID: "g-none", Target: "open"}, time.Hour), hoop.CodeNotFound},
			"longer than may": {alice, renewal(g, 9*time.Hour), hoop.CodeInvalid},
		} {
			_, _, err := b.Ask(t.Context(), tt.id, tt.ask)
			if err == nil {
				t.Errorf("%s: renewed", what)
				continue
			}
			wantCode(t, err, tt.code)
		}
		if stored, err := b.store.Grant(t.Context(), g.ID); err != nil || !stored.ExpiresAt.Equal(g.ExpiresAt) {
			t.Errorf("%+v, %v", stored, err)
		}
		time.Sleep(time.Hour)
		_, _, err := b.Ask(t.Context(), alice, renewal(g, time.Hour))
		wantCode(t, err, hoop.CodeConflict, "not in force", "hoopctl request open")
	})
}

// meanwhile lets something happen before a request is changed.
type meanwhile struct {
	*store.Store
	happens func()
}

func (m meanwhile) UpdateRequest(ctx context.Context, id int64, step store.Step) (hoop.Request, error) {
	m.happens()
	return m.Store.UpdateRequest(ctx, id, step)
}

// A revocation at the moment of the approval: nothing is on record of a renewal that there
// is not.
func TestRenew_RevokedMeanwhile(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "one")
		r, _, err := b.Ask(t.Context(), alice, renewal(g, 2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		other := serve(t, meanwhile{b.store, func() { // before its renewals are cancelled
			if _, err := b.store.UpdateGrant(t.Context(), g.ID, func(g *hoop.Grant) error {
				g.RevokedAt, g.RevokedBy = time.Now(), "root"
				return nil
			}); err != nil {
				t.Error(err)
			}
		}}, b.rules, b.log, "", 0)
		defer other.Close()
		_, err = other.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "not in force")
		if got := b.log.types(); !strings.HasSuffix(got, "grant request") {
			t.Errorf("events %q", got)
		}
	})
}

// An approval that comes after the grant's end, or after its revocation, renews nothing.
func TestRenew_TooLate(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "one")
		expired, _, err := b.Ask(t.Context(), alice, renewal(g, 2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(59*time.Minute + 59*time.Second)
		revoked := b.granted(eve, "one")
		r, _, err := b.Ask(t.Context(), eve, renewal(revoked, 2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Revoke(t.Context(), admin, revoked.ID, "no"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		_, err = b.Approve(t.Context(), bob, r.ID, "")
		wantCode(t, err, hoop.CodeConflict, "cancelled", "the grant that it would renew was revoked")
		if inbox, err := b.Requests(t.Context(), bob, grant.Filter{Inbox: true}); err != nil || len(inbox) != 1 || inbox[0].ID != expired.ID {
			t.Errorf("inbox %+v, %v", inbox, err)
		}
		if got, want := b.log.types(), "request approval grant request request approval grant request revocation cancel"; got != want {
			t.Errorf("events %q, want %q: no approval that changes nothing is on record", got, want)
		}
		time.Sleep(500 * time.Millisecond) // the grant has ended, and the request with it
		_, err = b.Approve(t.Context(), bob, expired.ID, "")
		wantCode(t, err, hoop.CodeConflict)
		for _, id := range []hoop.Identity{alice, eve} {
			if _, err := b.InForce(t.Context(), id, "one"); err == nil {
				t.Errorf("%s has a grant in force", id.Subject)
			}
		}
	})
}

// Nobody is asked about a renewal that would change nothing, and none that came to that
// while it waited is approved.
func TestRenew_ChangesNothing(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(alice, "one")
		time.Sleep(10 * time.Minute)
		for _, d := range []time.Duration{time.Minute, 50 * time.Minute} {
			_, _, err := b.Ask(t.Context(), alice, renewal(g, d))
			wantCode(t, err, hoop.CodeConflict, "would not end later", "more than 50m")
		}
		if got, want := b.log.types(), "request approval grant"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
		shorter, _, err := b.Ask(t.Context(), alice, renewal(g, 51*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		longer, _, err := b.Ask(t.Context(), alice, renewal(g, 2*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		b.approve(bob, longer.ID)
		_, err = b.Approve(t.Context(), bob, shorter.ID, "")
		wantCode(t, err, hoop.CodeConflict, "would not end later")
		if now, err := b.InForce(t.Context(), alice, "one"); err != nil || len(now.Renewals) != 1 || time.Until(now.ExpiresAt) != 2*time.Hour {
			t.Errorf("%+v, %v", now, err)
		}

		// A rule that lets fewer sessions begin than were left is no reason to renew.
		b.rules.set("twice", hoop.Access{Rule: "twice", MaxDuration: hoop.Duration(time.Hour), MaxUses: 2})
		g = b.granted(alice, "twice")
		_, _, err = b.Ask(t.Context(), alice, renewal(g, time.Minute))
		wantCode(t, err, hoop.CodeConflict, "would not end later")
		_, end := b.attach(g)
		end()
		if _, now, err := b.Ask(t.Context(), alice, renewal(g, time.Minute)); err != nil || now.MaxUses != 3 || !now.ExpiresAt.Equal(g.ExpiresAt) {
			t.Errorf("%+v, %v: one more session may begin", now, err)
		}
	})
}

// An agent's token is the end of its grants, whatever is asked for.
func TestRenew_EndsWithTheAgentsToken(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		g := b.granted(agentOf(alice, 30*time.Minute), "open")
		if time.Until(g.ExpiresAt) != 30*time.Minute {
			t.Fatalf("%+v", g)
		}
		_, _, err := b.Ask(t.Context(), g.Owner, renewal(g, 2*time.Hour))
		wantCode(t, err, hoop.CodeConflict, "would not end later", "hoopctl agent token")
	})
}

func TestRenew_CountsUsesAnew(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.rules.set("twice", hoop.Access{Rule: "twice", MaxDuration: hoop.Duration(time.Hour), MaxUses: 2})
		g := b.granted(alice, "twice")
		for range 2 {
			_, end := b.attach(g)
			end()
		}
		_, now, err := b.Ask(t.Context(), alice, renewal(g, time.Hour))
		if err != nil || now.Uses != 2 || now.MaxUses != 4 {
			t.Fatalf("%+v, %v", now, err)
		}
		for range 2 {
			_, end := b.attach(*now)
			end()
		}
		_, err = b.Attach(t.Context(), *now)
		wantCode(t, err, hoop.CodeDenied, "4 sessions")
	})
}

// A grant that another rule prolongs has no more sessions at once than that rule gives.
func TestRenew_UnderAnotherRule(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		limited := func(sessions int) {
			b.rules.set("few", hoop.Access{Rule: "few", MaxDuration: hoop.Duration(time.Hour), MaxSessions: sessions})
		}
		limited(0)
		g := b.granted(alice, "few")
		for _, c := range []struct{ gives, want int }{{2, 2}, {5, 2}, {0, 2}, {1, 1}} {
			time.Sleep(time.Minute)
			limited(c.gives)
			if _, now, err := b.Ask(t.Context(), alice, renewal(g, time.Hour)); err != nil || now.MaxSessions != c.want {
				t.Errorf("by a rule that gives %d: %+v, %v, want %d", c.gives, now, err, c.want)
			}
		}
	})
}

// A gateway that did not renew the grant itself learns of it before it cuts.
func TestShared_RenewalByAnotherGateway(t *testing.T) {
	a, b := twoGateways(t)
	_, g, err := a.Ask(t.Context(), alice, api.NewRequest{Target: "open", Duration: hoop.Duration(1500 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := a.attach(*g)
	defer end()
	if _, _, err := b.Ask(t.Context(), alice, renewal(*g, time.Hour)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
		t.Fatalf("cut at the former end: %v", context.Cause(ctx))
	case <-time.After(time.Until(g.ExpiresAt) + time.Second):
	}
	if _, err := b.Revoke(t.Context(), admin, g.ID, "enough"); err != nil {
		t.Fatal(err)
	}
	within(t, "cut", ctx.Done())
	wantCode(t, context.Cause(ctx), hoop.CodeRevoked)
}
