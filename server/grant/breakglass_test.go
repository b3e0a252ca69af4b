package grant_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
)

func glass(reason string) api.NewRequest {
	return api.NewRequest{Target: "glass", Duration: hoop.Duration(time.Hour), Reason: reason, BreakGlass: true}
}

// In an emergency the grant is there at once, others hear of it before it is, and
// somebody else must say afterwards what they think of it.
func TestBreakGlass(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		_, _, err := b.Ask(t.Context(), alice, newRequest("glass"))
		wantCode(t, err, hoop.CodeDenied, "--break-glass")
		_, _, err = b.Ask(t.Context(), alice, glass(""))
		wantCode(t, err, hoop.CodeInvalid, `hoopctl request glass --break-glass --reason "…"`)
		long := glass("the ward is dark")
		long.Duration = hoop.Duration(2 * time.Hour)
		_, _, err = b.Ask(t.Context(), alice, long)
		wantCode(t, err, hoop.CodeInvalid, "hoopctl request glass --break-glass --duration 1h")
		_, _, err = b.Ask(t.Context(), bob, glass("I am no dev"))
		wantCode(t, err, hoop.CodeDenied)
		if got := b.log.types(); got != "" {
			t.Fatalf("events of refused requests: %q", got)
		}

		r, g, err := b.Ask(t.Context(), alice, glass("the ward has no beds table"))
		if err != nil || g == nil || !g.BreakGlass || r.State != hoop.Approved || !slices.Equal(g.Reviewers, []string{"compliance"}) {
			t.Fatalf("%+v, %+v, %v", r, g, err)
		}
		if got, want := b.log.types(), "request alert grant"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
		if e := b.log.Events()[1]; e.Subject != "alice" || e.Target != "glass" || e.Rule != "glass" || e.Reason != "the ward has no beds table" {
			t.Errorf("alert %+v", e)
		}
		if got, err := b.InForce(t.Context(), alice, "glass"); err != nil || got.ID != g.ID {
			t.Errorf("%+v, %v", got, err)
		}
		_, _, err = b.Ask(t.Context(), alice, api.NewRequest{Target: "glass", Reason: "more", BreakGlass: true, Renews: g.ID})
		wantCode(t, err, hoop.CodeInvalid, "renewed")

		_, err = b.Review(t.Context(), auditor, g.ID, "fine")
		wantCode(t, err, hoop.CodeConflict, "in force", "hoopctl revoke")
		time.Sleep(time.Hour)
		for what, tt := range map[string]struct {
			by      hoop.Identity
			finding string
			code    hoop.Code
		}{
			"the owner":              {alice, "fine", hoop.CodeDenied},
			"the owner, a reviewer":  {person("alice", "devs", "compliance"), "fine", hoop.CodeDenied},
			"the owner's other name": {mail(person("x:alice", "compliance"), "a@b.example"), "", hoop.CodeInvalid},
			"an administrator":       {admin, "fine", hoop.CodeDenied},
			"somebody":               {eve, "fine", hoop.CodeNotFound},
			"nobody":                 {hoop.Identity{}, "fine", hoop.CodeNotFound},
			"a program":              {hoop.Identity{Subject: "service:x", Kind: hoop.Service, Groups: []string{"compliance"}}, "fine", hoop.CodeDenied},
			"without a finding":      {auditor, " ", hoop.CodeInvalid},
		} {
			if _, err := b.Review(t.Context(), tt.by, g.ID, tt.finding); err == nil {
				t.Errorf("%s reviewed it", what)
			} else {
				wantCode(t, err, tt.code)
			}
		}
		for who, want := range map[*hoop.Identity]int{&alice: 1, &auditor: 1, &admin: 1, &eve: 0} {
			if list, err := b.Reviews(t.Context(), *who, false); err != nil || len(list) != want || list == nil {
				t.Errorf("%s sees %d open reviews, want %d (%v)", who.Subject, len(list), want, err)
			}
		}
		done, err := b.Review(t.Context(), auditor, g.ID, "only the beds table was read")
		if err != nil || done.Review == nil || done.Review.By != "ann" || !done.ExpiresAt.Equal(g.ExpiresAt) {
			t.Fatalf("%+v, %v", done, err)
		}
		if e := b.log.Events()[len(b.log.Events())-1]; e.Type != hoop.EventReview || e.Subject != "ann" || e.Grant != g.ID || e.Reason != "only the beds table was read" {
			t.Errorf("event %+v", e)
		}
		_, err = b.Review(t.Context(), person("ben", "compliance"), g.ID, "me too")
		wantCode(t, err, hoop.CodeConflict, "reviewed by ann")
		for all, want := range map[bool]int{false: 0, true: 1} {
			if list, err := b.Reviews(t.Context(), auditor, all); err != nil || len(list) != want {
				t.Errorf("all %v: %d reviews, want %d (%v)", all, len(list), want, err)
			}
		}
	})
}

// The alert is not durable: no grant. The rule is taken away: none either.
func TestBreakGlass_FailsClosed(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.log.Before(func(e hoop.Event) {
			if e.Type == hoop.EventAlert {
				b.log.Fail(errors.New("no space left on device"))
			}
		})
		_, _, err := b.Ask(t.Context(), alice, glass("now"))
		wantCode(t, err, hoop.CodeUnrecorded)
		b.log.Before(nil)
		b.log.Fail(nil)
		if _, err := b.InForce(t.Context(), alice, "glass"); err == nil {
			t.Error("a grant without an alert")
		}
		_, g, err := b.Ask(t.Context(), alice, glass("now"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := b.attach(*g)
		defer end()
		b.Recheck(t.Context())
		if ctx.Err() != nil {
			t.Fatal("cut although the rule is there")
		}
		b.rules.mu.Lock()
		b.rules.noGlass = true
		b.rules.mu.Unlock()
		b.Recheck(t.Context())
		<-ctx.Done()
		if _, err := b.InForce(t.Context(), alice, "glass"); err == nil {
			t.Error("in force without a rule")
		}
	})
}

// Who is alerted can end it.
func TestBreakGlass_ReviewersRevoke(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		_, g, err := b.Ask(t.Context(), alice, glass("now"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Revoke(t.Context(), bob, g.ID, ""); err == nil {
			t.Error("bob, no reviewer, revoked it")
		}
		if _, err := b.Revoke(t.Context(), auditor, g.ID, "call me first"); err != nil {
			t.Error(err)
		}
		if _, err := b.Review(t.Context(), auditor, g.ID, "revoked after a minute"); err != nil {
			t.Error(err)
		}
	})
}

// The owner of the service account that took it does not review it by another sign-in, nor
// does whose sign-ins have ended elsewhere.
func TestReview_ByWhomItIsNow(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		owner := mail(person("corp:dana"), "dana@clinic.example")
		same := mail(person("other:dana", "compliance"), "Dana@clinic.example")
		signedIn := map[string]hoop.Identity{owner.Subject: owner, same.Subject: same}
		known, err := grant.New(t.Context(), grant.Options{
			Store: b.store, Policy: b.rules, Audit: b.log, Roles: roles, Masks: masks,
			SignedIn: func(_ context.Context, subject string) (hoop.Identity, error) {
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
		account := withOwner(agent, owner.Subject)
		account.Groups = []string{"devs"}
		_, g, err := known.Ask(t.Context(), account, glass("now"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		_, err = known.Review(t.Context(), same, g.ID, "fine")
		wantCode(t, err, hoop.CodeDenied, "belongs to you", "another member of compliance must review")
		_, err = known.Review(t.Context(), auditor, g.ID, "fine")
		wantCode(t, err, hoop.CodeUnauthenticated, "has ended")
		signedIn[auditor.Subject] = auditor
		if _, err := known.Review(t.Context(), auditor, g.ID, "fine"); err != nil {
			t.Error(err)
		}
	})
}

// With a grant that people approved, a session stands on that one.
func TestBreakGlass_IsTheLastResort(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		_, emergency, err := b.Ask(t.Context(), alice, glass("now"))
		if err != nil {
			t.Fatal(err)
		}
		b.rules.set("glass", b.rules.by["open"])
		_, ordinary, err := b.Ask(t.Context(), alice, api.NewRequest{Target: "glass", Duration: hoop.Duration(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if g, err := b.InForce(t.Context(), alice, "glass"); err != nil || g.ID != ordinary.ID {
			t.Errorf("%+v, %v", g, err)
		}
		b.rules.remove("glass") // the ordinary rule
		if g, err := b.InForce(t.Context(), alice, "glass"); err != nil || g.ID != emergency.ID {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

// Who has a narrowed grant and takes one in an emergency is judged under what they asked
// for then, until it ends; a whole grant needs no emergency.
func TestBreakGlass_BeforeANarrowedGrant(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.rules.set("glass", b.rules.by["open"])
		inForce := func(want string) {
			t.Helper()
			if g, err := b.InForce(t.Context(), alice, "glass"); err != nil || g.ID != want {
				t.Errorf("%+v, %v; want grant %s", g, err, want)
			}
		}
		ask := func(n api.NewRequest) string {
			t.Helper()
			_, g, err := b.Ask(t.Context(), alice, n)
			if err != nil {
				t.Fatal(err)
			}
			return g.ID
		}
		beds := hoop.Scope{Tables: []string{"public.beds"}}
		narrow := ask(api.NewRequest{Target: "glass", Duration: hoop.Duration(time.Hour), Scope: beds})
		inForce(narrow)

		some := glass("the ward has no beds table")
		some.Duration, some.Scope = hoop.Duration(time.Minute), hoop.Scope{Tables: []string{"public.wards"}}
		narrowed := ask(some)
		inForce(narrowed)

		all := glass("nor any other")
		all.Duration = hoop.Duration(time.Minute)
		emergency := ask(all)
		inForce(emergency)

		whole := ask(api.NewRequest{Target: "glass", Duration: hoop.Duration(30 * time.Second)})
		inForce(whole)
		time.Sleep(30 * time.Second)
		inForce(emergency)
		time.Sleep(30 * time.Second)
		inForce(narrow)
	})
}
