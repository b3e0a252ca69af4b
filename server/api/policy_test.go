package api_test

import (
	"context"
	"strings"
	"testing"

	wire "github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Explain implements api.Explainer.
func (g *gateway) Explain(_ context.Context, id hoop.Identity, ask wire.Explain) (wire.Explanation, error) {
	if ask.Target != "open" {
		return wire.Explanation{}, hoop.Errorf(hoop.CodeDenied, "there is no target %q for you", ask.Target)
	}
	return wire.Explanation{
		Target: ask.Target, Database: "app", Shape: "SELECT $1", Decision: hoop.Decision{Action: hoop.Approve, Rule: "risky", Policy: "p"},
		Effects: []wire.ExplainedEffect{{Use: hoop.Use{Effect: hoop.EffectRead}}, {Use: hoop.Use{Effect: hoop.EffectRead}}},
	}, nil
}

// Test implements api.Explainer.
func (g *gateway) Test(context.Context, hoop.Identity, wire.PolicyCases) ([]wire.PolicyOutcome, error) {
	return []wire.PolicyOutcome{{Name: "a", OK: true}, {Name: "b"}}, nil
}

// That somebody asked is on record before the answer is given, with the shape only.
func TestExplain(t *testing.T) {
	g := newGateway(t)
	ask := wire.Explain{Target: "open", Groups: []string{"devs", "ops"}, SQL: "SELECT 'secret'"}
	x, err := g.as("ann").Explain(t.Context(), ask)
	if err != nil || x.Shape != "SELECT $1" {
		t.Fatalf("got %+v, %v", x, err)
	}
	if _, err := g.as("ann").TestPolicy(t.Context(), wire.PolicyCases{Text: "cases: 'secret'"}); err != nil {
		t.Fatal(err)
	}
	if n := len(g.log.Of(hoop.EventExplain)); n != 2 {
		t.Fatalf("%d events", n)
	}
	events := g.log.Events()
	e := events[len(events)-2]
	if e.Text != "SELECT $1" || e.Subject != "ann" || e.Target != "open" || e.Action != hoop.Approve || e.Rule != "risky" || len(e.Effects) != 1 ||
		e.Details[1] != (hoop.Detail{Name: "as_groups", Value: "devs,ops"}) {
		t.Errorf("event %+v", e)
	}
	if d := events[len(events)-1].Details; d[0].Value != "2" || d[1].Value != "1" {
		t.Errorf("of the cases: %+v", d)
	}
	_, err = g.as("ann").Explain(t.Context(), wire.Explain{Target: "other", SQL: "SELECT 'secret'"})
	wantCode(t, err, hoop.CodeDenied)
	g.log.Fail(context.DeadlineExceeded)
	x, err = g.as("ann").Explain(t.Context(), ask)
	wantCode(t, err, hoop.CodeUnrecorded)
	if x.Shape != "" {
		t.Error("an answer without a record")
	}
	_, err = g.as("ann").TestPolicy(t.Context(), wire.PolicyCases{Text: "x"})
	wantCode(t, err, hoop.CodeUnrecorded)
	_, err = g.as("ann").TestPolicy(t.Context(), wire.PolicyCases{Text: strings.Repeat("x", wire.MaxExplained)})
	wantCode(t, err, hoop.CodeTooLarge)
	for _, e := range g.log.Events() {
		if strings.Contains(e.Text+e.Reason, "secret") {
			t.Errorf("event %+v", e)
		}
	}
}
