package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Explainer says what would happen to statements; who may ask is for it to say. Errors
// may quote the statement.
type Explainer interface {
	Explain(ctx context.Context, id hoop.Identity, ask api.Explain) (api.Explanation, error)
	Test(ctx context.Context, id hoop.Identity, cases api.PolicyCases) ([]api.PolicyOutcome, error)
}

// explain answers when its event is durable. The event has the statement's shape only.
func (h *handler) explain(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	var ask api.Explain
	if err := bodyUpTo(w, r, &ask, api.MaxExplained); err != nil {
		return err
	}
	switch {
	case ask.Target == "":
		return hoop.Errorf(hoop.CodeInvalid, "which target?").WithHint("hoopctl targets lists what you may ask about")
	case strings.TrimSpace(ask.SQL) == "":
		return hoop.Errorf(hoop.CodeInvalid, "there is no statement to explain")
	}
	x, err := h.Explainer.Explain(r.Context(), id, ask)
	if err != nil {
		return err
	}
	e := &hoop.Event{
		Type: hoop.EventExplain, Target: x.Target, Policy: x.Decision.Policy, Text: x.Shape, Action: x.Decision.Action, Rule: x.Decision.Rule,
		Details: []hoop.Detail{{Name: "database", Value: x.Database}},
	}
	for _, u := range x.Effects {
		if !slices.Contains(e.Effects, u.Effect) {
			e.Effects = append(e.Effects, u.Effect)
		}
	}
	if ask.Groups != nil {
		e.Details = append(e.Details, hoop.Detail{Name: "as_groups", Value: short(strings.Join(ask.Groups, ","), 200)})
	}
	if err := h.record(r.Context(), id, e); err != nil {
		return err
	}
	return answer(w, http.StatusOK, x)
}

// cases decides a file of policy cases.
func (h *handler) cases(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	var ask api.PolicyCases
	if err := bodyUpTo(w, r, &ask, api.MaxExplained); err != nil {
		return err
	}
	out, err := h.Explainer.Test(r.Context(), id, ask)
	if err != nil {
		return err
	}
	failed := 0
	for _, o := range out {
		if !o.OK {
			failed++
		}
	}
	if err := h.record(r.Context(), id, &hoop.Event{
		Type: hoop.EventExplain, Text: "policy cases",
		Details: []hoop.Detail{{Name: "cases", Value: strconv.Itoa(len(out))}, {Name: "differ", Value: strconv.Itoa(failed)}},
	}); err != nil {
		return err
	}
	return answer(w, http.StatusOK, listOf(out))
}
