package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/grant"
)

func (h *handler) targets(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	list := []api.Target{}
	for _, t := range h.Targets(id) {
		a, err := h.Access.Access(r.Context(), id, t.Name)
		approval := approvalWords(a.Approval)
		if err != nil && hoop.AsError(err).Code == hoop.CodeDenied {
			a, err = h.Access.BreakGlass(r.Context(), id, t.Name)
			approval = "break-glass"
		}
		if err != nil && hoop.AsError(err).Code == hoop.CodeDenied {
			continue
		}
		if err != nil {
			return err
		}
		at := api.Target{
			Name: t.Name, Type: t.Type, Database: t.Database, Databases: t.Databases,
			MaxDuration: a.MaxDuration, Approval: approval, Reason: "optional", Rule: a.Rule,
		}
		if a.ReasonRequired {
			at.Reason = "required"
		}
		switch g, err := h.Grants.InForce(r.Context(), id, t.Name); {
		case err == nil:
			at.Grant = &g
		case hoop.AsError(err).Code != hoop.CodeDenied:
			return err
		}
		list = append(list, at)
	}
	return answer(w, http.StatusOK, listOf(list))
}

// approvalWords is who must approve, for people: "2 of dba or security".
func approvalWords(a *hoop.ApprovalRule) string {
	if a == nil {
		return "none"
	}
	return fmt.Sprintf("%d of %s", max(1, a.Count), strings.Join(a.Groups, " or "))
}

func (h *handler) requests(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	q := query{values: r.URL.Query()}
	f := grant.Filter{State: q.state(), Inbox: q.flag("inbox"), Limit: q.limit()}
	if q.err != nil {
		return q.err
	}
	list, err := h.Grants.Requests(r.Context(), id, f)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, listOf(list))
}

func (h *handler) ask(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	var ask api.NewRequest
	if err := body(w, r, &ask); err != nil {
		return err
	}
	if ask.Target == "" {
		return hoop.Errorf(hoop.CodeInvalid, "name a target").WithHint("hoopctl targets lists them")
	}
	req, g, err := h.Grants.Ask(r.Context(), id, ask)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, api.RequestAnswer{Request: req, Grant: g})
}

// request answers at once, or with ?wait= as soon as the request is decided.
func (h *handler) request(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	n, err := number(r)
	if err != nil {
		return err
	}
	q := query{values: r.URL.Query()}
	wait := q.wait()
	if q.err != nil {
		return q.err
	}
	req, err := h.Grants.Wait(r.Context(), id, n, wait)
	if err == nil && wait > 0 { // whoever waited may be disabled meanwhile, or have other groups
		if id, err = h.identify(r); err == nil {
			req, err = h.Grants.Wait(r.Context(), id, n, 0)
		}
	}
	if err != nil {
		return err
	}
	g, err := h.Grants.Grant(r.Context(), id, req)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, api.RequestAnswer{Request: req, Grant: g})
}

// decide is approve and deny.
func (h *handler) decide(say func(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error)) func(http.ResponseWriter, *http.Request, hoop.Identity) error {
	return func(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
		var v api.Verdict
		n, err := number(r)
		if err != nil {
			return err
		}
		if err := body(w, r, &v); err != nil {
			return err
		}
		req, err := say(r.Context(), id, n, v.Reason)
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, req)
	}
}

func (h *handler) cancel(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	return h.decide(func(ctx context.Context, by hoop.Identity, id int64, _ string) (hoop.Request, error) {
		return h.Grants.Cancel(ctx, by, id)
	})(w, r, id)
}

// lists is lists of grants, with ?all=1 those that are over too.
func (h *handler) lists(find func(ctx context.Context, viewer hoop.Identity, all bool) ([]hoop.Grant, error)) func(http.ResponseWriter, *http.Request, hoop.Identity) error {
	return func(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
		q := query{values: r.URL.Query()}
		all := q.flag("all")
		if q.err != nil {
			return q.err
		}
		list, err := find(r.Context(), id, all)
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, listOf(list))
	}
}

// change is revoke and review.
func (h *handler) change(do func(ctx context.Context, by hoop.Identity, id, reason string) (hoop.Grant, error)) func(http.ResponseWriter, *http.Request, hoop.Identity) error {
	return func(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
		var v api.Verdict
		if err := body(w, r, &v); err != nil {
			return err
		}
		g, err := do(r.Context(), id, r.PathValue("id"), v.Reason)
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, g)
	}
}
