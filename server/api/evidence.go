package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	if !own(id, &s) && !h.examines(id) {
		return hoop.SessionInfo{}, hoop.Errorf(hoop.CodeNotFound, "there is no session %q", session).
			WithHint("hoopctl sessions list shows those you may see")
	}
	return s, nil
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
	if !h.examines(id) {
		return hoop.Errorf(hoop.CodeDenied, "only auditors and administrators hold recordings").
			WithHint("an administrator can give your group the role with a GroupRole")
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
	if !h.examines(id) {
		return hoop.Errorf(hoop.CodeDenied, "only auditors and administrators export the audit log").
			WithHint("an administrator can give your group the role with a GroupRole")
	}
	if err := h.record(r.Context(), id, &hoop.Event{Type: hoop.EventExport}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Disposition", `attachment; filename="hoop-audit.tar"`)
	w.WriteHeader(http.StatusOK)
	out := &stream{to: w}
	h.abortOn(r, out, h.Export(r.Context(), out))
	return nil
}

// events streams the log's events as lines, to those who examine. That somebody follows
// the log is on record once an hour: an event for each call would be one to follow.
func (h *handler) events(w http.ResponseWriter, r *http.Request, id hoop.Identity) error {
	if !h.examines(id) {
		return hoop.Errorf(hoop.CodeDenied, "only auditors and administrators follow the audit log").
			WithHint("an administrator can give your group the role with a GroupRole")
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
		if _, err := h.identify(r); err != nil { // whoever waited may be disabled meanwhile
			return err
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := &stream{to: w}
	enc := json.NewEncoder(out)
	for e, err := range h.Events(r.Context(), from) {
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
	if !h.examines(id) {
		return hoop.Errorf(hoop.CodeDenied, "only auditors and administrators export the audit log").
			WithHint("an administrator can give your group the role with a GroupRole")
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
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="hoop-audit-%d.zip"`, b.Manifest().Size))
	w.WriteHeader(http.StatusOK)
	out := &stream{to: w}
	h.abortOn(r, out, b.Write(r.Context(), out))
	return nil
}

// stream is the body of an answer that may break off.
type stream struct {
	to  io.Writer
	err error // why the reader could not be written to
}

func (s *stream) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// left reports whether err says no more than that the reader is gone.
func (s *stream) left(ctx context.Context, err error) bool {
	return s.err != nil && errors.Is(err, s.err) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx))
}

// abortOn breaks the connection where a stream failed, so that nobody takes a part for
// the whole. A reader that leaves, as `hoopctl sessions replay ID | head` does, is no
// fault of the gateway's.
func (h *handler) abortOn(r *http.Request, out *stream, err error) {
	if err == nil {
		return
	}
	level, what := slog.LevelError, "answer broken off"
	if out.left(r.Context(), err) {
		level, what = slog.LevelInfo, "a reader left before the end of the answer"
	}
	h.Log.LogAttrs(r.Context(), level, what, slog.String("path", r.URL.Path), slog.Any("error", err))
	panic(http.ErrAbortHandler)
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
