package grant_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

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
		if e := b.log.Events()[1]; e.Subject != "alice" || e.Grant != g.ID || e.Request != r.ID || e.Target != "open" || e.Rule != "open" {
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
			"unseen reason":        {api.NewRequest{Target: "why", Reason: "\u3164 \u2800\ufe0f"}, hoop.CodeInvalid, "--reason"},
			"no effects":           {api.NewRequest{Target: "open", Scope: hoop.Scope{Effects: []hoop.Effect{}}}, hoop.CodeInvalid, "leave out"},
			"no tables":            {api.NewRequest{Target: "open", Scope: hoop.Scope{Effects: []hoop.Effect{"read"}, Tables: []string{}}}, hoop.CodeInvalid, "leave out"},
			"terminal escapes":     {api.NewRequest{Target: "open", Reason: "ok\x1b[2J"}, hoop.CodeInvalid, "shown"},
			"bidi override":        {api.NewRequest{Target: "open", Reason: "ok\u202egnp"}, hoop.CodeInvalid, "shown"},
			"NUL":                  {api.NewRequest{Target: "open", Reason: "a\x00b"}, hoop.CodeInvalid, "shown"},
			"not UTF-8":            {api.NewRequest{Target: "open", Reason: "a\xffb"}, hoop.CodeInvalid, "shown"},
			"a novel":              {api.NewRequest{Target: "open", Reason: strings.Repeat("x", 1001)}, hoop.CodeInvalid, "longer"},
			"no such effect":       {api.NewRequest{Target: "open", Scope: hoop.Scope{Effects: []hoop.Effect{"levitate"}}}, hoop.CodeInvalid, "unbounded-write"},
			"no such pattern":      {api.NewRequest{Target: "open", Scope: hoop.Scope{Tables: []string{"patients"}}}, hoop.CodeInvalid, "schema.table"},
			"too many tables":      {api.NewRequest{Target: "open", Scope: hoop.Scope{Tables: slices.Repeat([]string{"a.b"}, 101)}}, hoop.CodeInvalid, "clinic.*"},
			"a start in the past":  {api.NewRequest{Target: "open", StartsAt: time.Now().Add(-time.Hour)}, hoop.CodeInvalid, "past"},
			"a start far ahead":    {api.NewRequest{Target: "open", StartsAt: time.Now().Add(32 * 24 * time.Hour)}, hoop.CodeInvalid, "31 days"},
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

// A window begins when it says, or with an approval that comes later; it is no grant
// before, and can be taken back before.
func TestAsk_Window(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ask := func(target string, in time.Duration) hoop.Request {
			r, _, err := b.Ask(t.Context(), alice, api.NewRequest{Target: target, Duration: hoop.Duration(time.Hour), StartsAt: time.Now().Add(in)})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		grantOf := func(r hoop.Request) hoop.Grant {
			g, err := b.store.Grant(t.Context(), r.Grant)
			if err != nil {
				t.Fatal(err)
			}
			return g
		}
		r := ask("open", 2*time.Hour)
		g := grantOf(r)
		if !g.StartsAt.Equal(r.StartsAt) || g.ExpiresAt.Sub(g.StartsAt) != time.Hour {
			t.Errorf("grant %+v", g)
		}
		_, err := b.InForce(t.Context(), alice, "open")
		wantCode(t, err, hoop.CodeDenied)
		if _, err := b.Attach(t.Context(), g); err == nil {
			t.Error("a session began before the window")
		}
		if list, err := b.Grants(t.Context(), alice, false); err != nil || len(list) != 1 {
			t.Errorf("what is to come: %v, %v", list, err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := b.InForce(t.Context(), alice, "open"); err != nil {
			t.Error(err)
		}

		late := ask("one", 10*time.Minute)
		time.Sleep(30 * time.Minute)
		b.approve(bob, late.ID)
		if g := grantOf(b.request(late.ID)); !g.StartsAt.Equal(b.request(late.ID).DecidedAt) {
			t.Errorf("approved after its start: %+v", g)
		}

		back := grantOf(ask("open", time.Hour))
		if _, err := b.Revoke(t.Context(), alice, back.ID, "not needed"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Minute)
		_, err = b.InForce(t.Context(), alice, "open")
		wantCode(t, err, hoop.CodeDenied)
	})
}

// A narrowed grant is for whoever has no other: its scope is in the request that people
// approve, in the grant, and in both events.
func TestAsk_Scope(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		narrow := api.NewRequest{Target: "open", Duration: hoop.Duration(2 * time.Hour), Scope: hoop.Scope{Effects: []hoop.Effect{"read", "infer", "read"}, Tables: []string{"clinic.*"}}}
		r, g, err := b.Ask(t.Context(), alice, narrow)
		want := hoop.Scope{Effects: []hoop.Effect{"infer", "read"}, Tables: []string{"clinic.*"}}
		if err != nil || !r.Scope.Equal(want) || !g.Scope.Equal(want) {
			t.Fatalf("request %+v, grant %+v, %v", r, g, err)
		}
		for _, e := range b.log.Events() {
			if !slices.Contains(e.Details, hoop.Detail{Name: "scope", Value: "infer, read on clinic.*"}) {
				t.Errorf("event %+v", e)
			}
		}
		if got, err := b.InForce(t.Context(), alice, "open"); err != nil || got.ID != g.ID {
			t.Errorf("%+v, %v", got, err)
		}
		whole := b.granted(alice, "open") // ends earlier
		if got, err := b.InForce(t.Context(), alice, "open"); err != nil || got.ID != whole.ID || !got.Scope.IsZero() {
			t.Errorf("%+v, %v", got, err)
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

// Who asks for much at once, or has many agents ask, fills nobody's inbox either.
func TestAsk_TooManyWaitAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		var all sync.WaitGroup
		for i := range 70 {
			all.Go(func() {
				who := alice
				if i%2 > 0 {
					who = hoop.Identity{Subject: fmt.Sprintf("agent:%d", i), Kind: hoop.Service, Groups: alice.Groups, Chain: []string{alice.Subject}}
				}
				_, _, err := b.Ask(t.Context(), who, api.NewRequest{Target: "one", Reason: fmt.Sprint(i)})
				if err != nil && hoop.AsError(err).Code != hoop.CodeTooMany {
					t.Error(err)
				}
			})
		}
		all.Wait()
		pending, err := b.store.Requests(t.Context(), hoop.Pending, 0, 100)
		if err != nil || len(pending) != 50 {
			t.Errorf("%d requests wait, %v", len(pending), err)
		}
		b.ask(eve, "one")
	})
}
