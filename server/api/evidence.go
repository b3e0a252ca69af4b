package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// examines reports whether id may look into what others did.
func (h *handler) examines(id hoop.Identity) bool {
	return h.hasRole(id, hoop.RoleAuditor, hoop.RoleAdmin)
}

// mustExamine refuses what is for those alone who may look into what others did.
func (h *handler) mustExamine(id hoop.Identity, what string) error {
	if h.examines(id) {
		return nil
	}
	return hoop.Errorf(hoop.CodeDenied, "only auditors and administrators %s", what).
		WithHint("an administrator can give your group the role with a GroupRole")
}

func (h *handler) mayExport(id hoop.Identity) error { return h.mustExamine(id, "export the audit log") }

func (h *handler) mayFollow(id hoop.Identity) error { return h.mustExamine(id, "follow the audit log") }

// own reports whether the session is id's: its very identity, or one that acts for it.
func own(id hoop.Identity, s *hoop.SessionInfo) bool {
	if id.Subject == s.Identity.Subject {
		return slices.Equal(id.Chain, s.Identity.Chain)
	}
	return slices.Contains(s.Identity.Chain, id.Subject)
}

// sessions lists one's own; auditors and administrators get everybody's.
func (h *handler) sessions(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	q := query{values: r.URL.Query()}
	limit := q.limit()
	if q.err != nil {
		return q.err
	}
	all, subject := h.examines(id), id.Subject
	if all {
		subject = ""
	}
	list, err := h.Sessions.Sessions(r.Context(), subject, limit)
	if err != nil {
		return err
	}
	if !all {
		list = slices.DeleteFunc(list, func(s hoop.SessionInfo) bool { return !own(id, &s) })
	}
	return answer(w, http.StatusOK, listOf(list))
}

// visible gives a session that id may see; others do not exist for it.
func (h *handler) visible(ctx context.Context, id hoop.Identity, session string) (hoop.SessionInfo, error) {
	s, err := h.Sessions.Session(ctx, session)
	if err != nil {
		return hoop.SessionInfo{}, err
	}
	return s, h.sees(id, &s)
}

func (h *handler) sees(id hoop.Identity, s *hoop.SessionInfo) error {
	if own(id, s) || h.examines(id) {
		return nil
	}
	return hoop.Errorf(hoop.CodeNotFound, "there is no session %q", s.ID).WithHint("hoopctl sessions list shows those you may see")
}

func (h *handler) session(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	s, err := h.visible(r.Context(), id, r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, s)
}

// hold sets or lifts a legal hold, for administrators and auditors.
func (h *handler) hold(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if err := h.mustExamine(id, "hold recordings"); err != nil {
		return err
	}
	var v api.Hold
	if err := body(w, r, &v); err != nil {
		return err
	}
	s, err := h.visible(r.Context(), id, r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.Reason, err = h.Grants.Reason(s.Target, v.Reason); err != nil {
		return err
	}
	if v.Reason == "" {
		return hoop.Errorf(hoop.CodeInvalid, "a legal hold, and its end, need a reason")
	}
	if v.Waiting, err = h.Hold(r.Context(), id, s, v.Reason, v.On); err != nil {
		return err
	}
	return answer(w, http.StatusOK, v)
}

// export streams the evidence folder, to those who examine.
func (h *handler) export(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if err := h.mayExport(id); err != nil {
		return err
	}
	if err := h.record(r.Context(), id, &hoop.Event{Type: hoop.EventExport}); err != nil {
		return err
	}
	out, err := h.stream(w, r, id, h.mayExport)
	if err != nil {
		return err
	}
	defer out.end()
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Disposition", `attachment; filename="hoop-audit.tar"`)
	w.WriteHeader(http.StatusOK)
	h.abortOn(r, out, h.Export(out.ctx, out))
	return nil
}

// events streams the log's events as lines, to those who examine. That somebody follows
// the log is on record once an hour: an event for each call would be one to follow.
func (h *handler) events(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if err := h.mayFollow(id); err != nil {
		return err
	}
	q := query{values: r.URL.Query()}
	from, wait := q.number("from"), q.wait()
	if q.err != nil {
		return q.err
	}
	if last, ok := h.following.Load(id.Subject); !ok || h.Now().Sub(last.(time.Time)) >= time.Hour {
		if err := h.record(r.Context(), id, &hoop.Event{Type: hoop.EventExport, Details: []hoop.Detail{
			{Name: "form", Value: "events"}, {Name: "from", Value: strconv.FormatInt(from, 10)},
		}}); err != nil {
			return err
		}
		h.following.Store(id.Subject, h.Now())
	}
	if wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		h.Grown(ctx, from)
		cancel()
	}
	out, err := h.stream(w, r, id, h.mayFollow) // whoever waited may be disabled meanwhile
	if err != nil {
		return err
	}
	defer out.end()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	enc := json.NewEncoder(out)
	for e, err := range h.Events(out.ctx, from) {
		if err == nil {
			err = enc.Encode(e)
		}
		h.abortOn(r, out, err)
	}
	return nil
}

// bundle streams an audit bundle, to those who examine. Its event is in the log before
// the bundle is made; so two exports of one size name that size (?size=).
func (h *handler) bundle(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if err := h.mayExport(id); err != nil {
		return err
	}
	q := query{values: r.URL.Query()}
	ask := BundleRequest{
		From: q.time("from"), To: q.time("to"), Recordings: q.flag("recordings"), Size: q.number("size"), Since: q.number("since"),
	}
	if q.err != nil {
		return q.err
	}
	e := &hoop.Event{Type: hoop.EventExport, Details: []hoop.Detail{{Name: "form", Value: "bundle"}}}
	for _, name := range []string{"from", "to", "recordings", "size", "since"} {
		if v := q.values.Get(name); v != "" {
			e.Details = append(e.Details, hoop.Detail{Name: name, Value: v})
		}
	}
	if err := h.record(r.Context(), id, e); err != nil {
		return err
	}
	b, err := h.Bundle(r.Context(), ask)
	if err != nil {
		return err
	}
	out, err := h.stream(w, r, id, h.mayExport)
	if err != nil {
		return err
	}
	defer out.end()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="hoop-audit-%d.zip"`, b.Manifest().Size))
	w.WriteHeader(http.StatusOK)
	h.abortOn(r, out, b.Write(out.ctx, out))
	return nil
}

// record writes what id does to the audit log.
func (h *handler) record(ctx context.Context, id hoop.Identity, e *hoop.Event) error {
	e.Time, e.Subject, e.Chain = h.Now().UTC(), id.Subject, id.Chain
	if err := h.Audit.Write(ctx, e); err != nil {
		return &hoop.Error{
			Code: hoop.CodeUnrecorded, Message: "the gateway cannot record this, so it did not happen",
			Hint: "tell an administrator: the gateway's log names the disk or file", Err: err,
		}
	}
	return nil
}

func (h *handler) logKey(w http.ResponseWriter, _ *http.Request, _ hoop.Identity) error {
	return answer(w, http.StatusOK, api.LogKey{Verifier: h.LogKey()})
}
