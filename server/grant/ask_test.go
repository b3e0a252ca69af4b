package grant_test

import (
	"fmt"
	"strings"
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
