// Package web is the gateway's web UI: the requests that wait for somebody, each with all
// that deciding takes, and one's own grants and sessions.
//
// It holds no rules. Whoever is signed in calls the same API as hoopctl does, in this
// process, in their own name; what a page shows is what the API answered. Left to the
// pages are forms (each carries a token that only our own pages have), how old a sign-in
// may be for a decision, and that no text of others can pass for ours.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/auth"
)

// SignIn knows who sits before a browser; *auth.Server is one.
type SignIn interface {
	Browser(r *http.Request) (auth.Browser, error)
	ValidForm(r *http.Request, b auth.Browser) bool
	SignOut(w http.ResponseWriter, r *http.Request, b auth.Browser) error
}

// Linker links accounts of chat services to identities; nil where there is no chat.
type Linker interface {
	// Peek says which account a code would link, and what it calls itself.
	Peek(code string) (account, name string, ok bool)
	// Link redeems a code that a person got in the chat, in the name of who is signed in.
	Link(ctx context.Context, id hoop.Identity, code string) (account string, err error)
}

// Options of the web UI. All are needed, save where it says otherwise.
type Options struct {
	SignIn SignIn
	API    http.Handler // the API, which takes the tokens of browsers
	Links  Linker       // may be nil
	// Fresh is how old a sign-in may be to decide or revoke; default 1h.
	Fresh time.Duration
	Now   func() time.Time // left out: time.Now
	Log   *slog.Logger     // left out: slog.Default
}

const (
	maxForm       = 16 << 10 // bytes
	maxStatements = 200      // of a session, shown
)

type handler struct {
	Options
	pages *pages
}

// New makes the handler of the pages and what they need.
func New(o Options) (http.Handler, error) {
	if o.Fresh <= 0 {
		o.Fresh = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	p, err := newPages(o.Now)
	if err != nil {
		return nil, err
	}
	h := &handler{o, p}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.signedIn(h.inbox))
	mux.HandleFunc("GET /requests", h.signedIn(h.requests))
	mux.HandleFunc("GET /requests/{id}", h.signedIn(h.request))
	mux.HandleFunc("POST /requests/{id}/approve", h.form(h.approve))
	mux.HandleFunc("POST /requests/{id}/deny", h.form(h.deny))
	mux.HandleFunc("GET /grants", h.signedIn(h.grants))
	mux.HandleFunc("POST /grants/{id}/revoke", h.form(h.revoke))
	mux.HandleFunc("GET /sessions", h.signedIn(h.sessions))
	mux.HandleFunc("GET /sessions/{id}", h.signedIn(h.session))
	mux.HandleFunc("GET /link", h.signedIn(h.linkPage))
	mux.HandleFunc("POST /link", h.form(h.link))
	mux.HandleFunc("POST /signout", h.form(h.signOut))
	mux.Handle("GET /static/", p.static())
	mux.HandleFunc("GET /", h.signedIn(func(*visit) error {
		return hoop.Errorf(hoop.CodeNotFound, "there is nothing at this address")
	}))
	return secured(mux), nil
}

// secured has browsers run our own script only, and keep nothing.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// visit is one request of somebody who is signed in.
type visit struct {
	w   http.ResponseWriter
	r   *http.Request
	who auth.Browser
	api *api.Client
}

func (h *handler) visit(w http.ResponseWriter, r *http.Request, who auth.Browser) *visit {
	return &visit{w, r, who, &api.Client{
		Base: "https://hoop.invalid", HTTP: &http.Client{Transport: inproc{h.API}}, Agent: "web",
		Token: func(context.Context) (string, error) { return who.Token, nil },
	}}
}

// signedIn lets those pass who are signed in; others go and sign in, and come back.
func (h *handler) signedIn(next func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := h.SignIn.Browser(r)
		if err != nil {
			if hoop.AsError(err).Code != hoop.CodeUnauthenticated {
				h.sorry(w, r, auth.Browser{}, err)
				return
			}
			if r.Header.Get("Sec-Fetch-Mode") == "cors" || r.Header.Get("X-Fragment") != "" { // the script: a page of its own would not help it
				http.Error(w, "sign in first", http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, auth.PathSignIn+"?next="+r.URL.EscapedPath(), http.StatusSeeOther)
			return
		}
		if err := next(h.visit(w, r, who)); err != nil {
			h.sorry(w, r, who, err)
		}
	}
}

// form lets those pass whose form is one of ours.
func (h *handler) form(next func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		whole := err == nil && kind == "application/x-www-form-urlencoded" && r.ParseForm() == nil
		who, err := h.SignIn.Browser(r) // once all of the form has come: a sign-in may end meanwhile
		if err != nil {
			h.sorry(w, r, who, err)
			return
		}
		if !whole || !h.SignIn.ValidForm(r, who) {
			h.sorry(w, r, who, hoop.Errorf(hoop.CodeDenied, "this form is out of date or came from another site").WithHint("go back, reload the page and try again"))
			return
		}
		if err := next(h.visit(w, r, who)); err != nil {
			h.sorry(w, r, who, err)
		}
	}
}

// fresh sends people whose sign-in is old to sign in again; false: they were sent.
func (h *handler) fresh(v *visit, back string) bool {
	if h.Now().Sub(v.who.SignedInAt) <= h.Fresh {
		return true
	}
	http.Redirect(v.w, v.r, auth.PathSignIn+"?again=1&next="+back, http.StatusSeeOther)
	return false
}

// sorry shows what went wrong; what is the gateway's own fault goes to the log.
func (h *handler) sorry(w http.ResponseWriter, r *http.Request, who auth.Browser, err error) {
	e := hoop.AsError(err)
	status := api.Status(e.Code)
	if status >= http.StatusInternalServerError {
		h.Log.LogAttrs(r.Context(), slog.LevelError, "web page", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	h.pages.render(w, status, "problem", page{Title: "That did not work", Who: who, Problem: e})
}

func (h *handler) show(v *visit, name string, p page) error {
	p.Who = v.who
	if v.r.Header.Get("X-Fragment") != "" {
		name += "-live"
	}
	h.pages.render(v.w, http.StatusOK, name, p)
	return nil
}

func (h *handler) inbox(v *visit) error {
	list, err := v.api.Requests(v.r.Context(), api.RequestFilter{State: hoop.Pending, Inbox: true})
	if err != nil {
		return err
	}
	return h.show(v, "inbox", page{Title: "Approvals", Tab: "inbox", Requests: list})
}

func (h *handler) requests(v *visit) error {
	list, err := v.api.Requests(v.r.Context(), api.RequestFilter{})
	if err != nil {
		return err
	}
	return h.show(v, "requests", page{Title: "Requests", Tab: "requests", Requests: list})
}

// number is the request's number in the path.
func number(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, hoop.Errorf(hoop.CodeNotFound, "there is no such request")
	}
	return id, nil
}

func (h *handler) request(v *visit) error {
	id, err := number(v.r)
	if err != nil {
		return err
	}
	a, err := v.api.Request(v.r.Context(), id, 0)
	if err != nil {
		return err
	}
	mine, err := v.api.Requests(v.r.Context(), api.RequestFilter{State: hoop.Pending, Inbox: true})
	if err != nil {
		return err
	}
	p := page{Title: "Request " + strconv.FormatInt(id, 10), Tab: "requests", Request: a.Request}
	for _, r := range mine {
		p.Decides = p.Decides || r.ID == id
	}
	return h.show(v, "request", p)
}

func (h *handler) approve(v *visit) error {
	return h.decide(v, func(id int64, reason string) error {
		r, err := v.api.Approve(v.r.Context(), id, reason)
		if r.Repeated {
			err = hoop.Errorf(hoop.CodeConflict, "request %d: %s", id, r.Progress()).WithHint("nothing has changed; others must approve it, too")
		}
		return err
	})
}

func (h *handler) deny(v *visit) error {
	return h.decide(v, func(id int64, reason string) error {
		_, err := v.api.Deny(v.r.Context(), id, reason)
		return err
	})
}

func (h *handler) decide(v *visit, how func(id int64, reason string) error) error {
	id, err := number(v.r)
	if err != nil {
		return err
	}
	back := "/requests/" + strconv.FormatInt(id, 10)
	if !h.fresh(v, back) {
		return nil
	}
	if err := how(id, v.r.PostForm.Get("reason")); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, back, http.StatusSeeOther)
	return nil
}

func (h *handler) grants(v *visit) error {
	list, err := v.api.Grants(v.r.Context(), true)
	if err != nil {
		return err
	}
	return h.show(v, "grants", page{Title: "Grants", Tab: "grants", Grants: list})
}

func (h *handler) revoke(v *visit) error {
	if !h.fresh(v, "/grants") {
		return nil
	}
	if _, err := v.api.Revoke(v.r.Context(), v.r.PathValue("id"), v.r.PostForm.Get("reason")); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/grants", http.StatusSeeOther)
	return nil
}

func (h *handler) sessions(v *visit) error {
	list, err := v.api.Sessions(v.r.Context(), 100)
	if err != nil {
		return err
	}
	return h.show(v, "sessions", page{Title: "Sessions", Tab: "sessions", Sessions: list})
}

// session shows what ran in a session. That its recording was read is in the log.
func (h *handler) session(v *visit) error {
	id := v.r.PathValue("id")
	s, err := v.api.Session(v.r.Context(), id)
	if err != nil {
		return err
	}
	p := page{Title: "Session", Tab: "sessions", Session: s}
	rec, err := v.api.Recording(v.r.Context(), id)
	if err != nil {
		return err
	}
	defer rec.Close()
	at := map[int64]int{}
	for dec := json.NewDecoder(rec); ; {
		var r recording.Record
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		switch {
		case r.Kind == recording.KindStatement && r.Statement != nil:
			if p.More = len(p.Statements) == maxStatements; p.More {
				return h.show(v, "session", p)
			}
			at[r.Counter] = len(p.Statements)
			p.Statements = append(p.Statements, ran{At: s.StartedAt.Add(r.At), Statement: *r.Statement, Hidden: r.Hidden})
		case r.Kind == recording.KindResult && r.Result != nil:
			if i, ok := at[r.Counter]; ok {
				p.Statements[i].Result = r.Result
			}
		}
	}
	return h.show(v, "session", p)
}

func (h *handler) linkPage(v *visit) error {
	if h.Links == nil {
		return hoop.Errorf(hoop.CodeNotFound, "this gateway is connected to no chat")
	}
	return h.show(v, "link", page{Title: "Link your chat account", Tab: ""})
}

func (h *handler) link(v *visit) error {
	if h.Links == nil {
		return hoop.Errorf(hoop.CodeNotFound, "this gateway is connected to no chat")
	}
	if !h.fresh(v, "/link") {
		return nil
	}
	code := v.r.PostForm.Get("code")
	if v.r.PostForm.Get("confirm") == "" {
		account, name, ok := h.Links.Peek(code)
		if !ok {
			return hoop.Errorf(hoop.CodeNotFound, "there is no such code, or its ten minutes are over").WithHint("press the button in the chat again")
		}
		return h.show(v, "link", page{Title: "Link this chat account?", Account: account, AccountName: name, Code: code})
	}
	account, err := h.Links.Link(v.r.Context(), v.who.Identity, code)
	if err != nil {
		return err
	}
	return h.show(v, "link", page{Title: "Link your chat account", Linked: account})
}

func (h *handler) signOut(v *visit) error {
	if err := h.SignIn.SignOut(v.w, v.r, v.who); err != nil {
		return err
	}
	h.pages.render(v.w, http.StatusOK, "signedout", page{Title: "Signed out"})
	return nil
}
