package web_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/hoop/hooptest"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/api"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/store"
	"github.com/hoopctl/hoopctl/server/web"
)

type access struct{}

func (access) Access(context.Context, hoop.Identity, string) (hoop.Access, error) {
	return hoop.Access{Rule: "one", Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1}}, nil
}

func (access) BreakGlass(context.Context, hoop.Identity, string) (hoop.Access, error) {
	return hoop.Access{}, hoop.Errorf(hoop.CodeDenied, "not even in an emergency")
}

type tape []recording.Record

func (t *tape) Next() (*recording.Record, error) {
	if len(*t) == 0 {
		return nil, io.EOF
	}
	r := (*t)[0]
	*t = (*t)[1:]
	return &r, nil
}

func (*tape) Close() error { return nil }

func (*tape) Seek(recording.Position) error { return errors.New("a tape is read from its beginning") }

func (*tape) Position() (recording.Position, bool) { return recording.Position{}, true }

func (*tape) Index() (recording.Index, error) { return recording.Index{}, nil }

// site is the web UI over real sign-in, grants and store.
type site struct {
	*httptest.Server
	t        *testing.T
	grants   *grant.Service
	store    *store.Store
	log      *hooptest.Log
	linked   string
	literals bool          // auditors see them
	later    time.Duration // the web UI's clock runs ahead by
}

func newSite(t *testing.T) *site {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
	must(t, err)
	s := &site{t: t, store: st, log: &hooptest.Log{}}
	roles := func(id hoop.Identity) []hoop.Role {
		if id.InGroup("compliance") {
			return []hoop.Role{hoop.RoleAuditor}
		}
		return nil
	}
	masks, err := mask.Compile([]resource.MaskRule{{
		Meta: resource.Meta{Name: "ssn"}, Targets: []string{"*"}, Columns: []string{"clinic.patients.ssn"}, With: resource.Redact,
	}}, nil, nil)
	must(t, err)
	s.grants, err = grant.New(t.Context(), grant.Options{Store: st, Policy: access{}, Audit: s.log, Roles: roles, Masks: masks.For})
	must(t, err)
	s.Server = httptest.NewUnstartedServer(nil)
	issuer := "https://" + s.Listener.Addr().String()
	secret := make([]byte, 32)
	rand.Read(secret)
	signIn, err := auth.New(auth.Options{Issuer: issuer, Store: st, Log: s.log, Secret: secret, DevUsers: []auth.DevUser{
		{Name: "dana", Groups: []string{"devs"}}, {Name: "alex", Groups: []string{"dba"}}, {Name: "avery", Groups: []string{"compliance"}},
	}})
	must(t, err)
	quiet := slog.New(slog.DiscardHandler)
	pages, err := web.New(web.Options{
		SignIn: signIn, Log: quiet, Links: s, Now: func() time.Time { return time.Now().Add(s.later) },
		API: api.New(api.Options{
			Identify: signIn.IdentifyBrowser, Forget: signIn.Forget, Streams: &api.Streams{}, Roles: roles, Literals: func(hoop.Identity) bool { return s.literals }, Access: access{}, Grants: s.grants, Sessions: st, Audit: s.log, Log: quiet,
			Targets: func(hoop.Identity) []hoop.Target { return nil },
			Recording: func(context.Context, string) (api.Recording, error) {
				return &tape{
					{Kind: recording.KindStatement, Counter: 2, Statement: &recording.Statement{
						Text: "SELECT '<script>'", Shape: "SELECT <$1>", Params: []recording.Param{{Null: true}}, Decision: hoop.Decision{Action: hoop.Allow},
					}},
					{Kind: recording.KindResult, Counter: 2, Result: &hoop.Result{Rows: 7}},
				}, nil
			},
		}),
	})
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.Handle("/signin", signIn.Handler())
	mux.Handle("/signin/", signIn.Handler())
	s.Config.Handler = mux
	s.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	s.StartTLS()
	t.Cleanup(func() {
		s.Close()
		s.grants.Close()
		must(t, st.Close())
	})
	return s
}

// Peek and Link are of a chat with one account that waits to be linked.
func (s *site) Peek(code string) (account, name string, ok bool) {
	return "T1/U9", "kim\u202e", code == "CODE"
}

func (s *site) Link(_ context.Context, id hoop.Identity, code string) (string, error) {
	s.linked = id.Subject + " " + code
	return "T1/U9", nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// browser is signed in, where somebody is named, and at path.
func (s *site) browser(user, path string) *authtest.Browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	must(s.t, err)
	c := *s.Client()
	c.Jar = jar
	b := &authtest.Browser{Client: &c}
	must(s.t, b.Open(s.t.Context(), s.URL+path))
	if user != "" {
		must(s.t, b.Submit(s.t.Context(), "/signin/dev", url.Values{"user": {user}}))
	}
	return b
}

var dana = hoop.Identity{Subject: "dana", Name: "dana", Kind: hoop.Human, Groups: []string{"devs"}}

// hold has dana's statement wait.
func (s *site) hold() int64 { return s.holdOf(dana, 1) }

// holdOf is hold of somebody else, for so many approvals.
func (s *site) holdOf(who hoop.Identity, count int) int64 {
	s.t.Helper()
	const text = "DELETE FROM clinic.patients WHERE ssn = '123-45-6789' -- \u202eevil\u202c\u3164<b>"
	at := strings.Index(text, "'123")
	r, err := s.grants.Hold(s.t.Context(), hoop.Request{
		Requester: who, Target: "pg-prod", Session: "5e55", Rule: "risky", Groups: []string{"dba"}, Count: count, Reason: "it deletes",
		Duration: hoop.Duration(time.Minute), Statement: text, Params: []string{"5"}, Shape: "DELETE FROM clinic.patients WHERE ssn = $1", Digest: "d",
		Effects: []hoop.Use{{Effect: hoop.EffectUnboundedWrite, Tables: []string{"clinic.patients"}, Why: "no limit"}}, InTx: true,
		Writing: []hoop.Writing{{
			Known: true, Tables: []string{"clinic.patients"}, Places: []hoop.Place{{Start: at, End: at + len("'123-45-6789'")}},
			Params: []hoop.Purpose{{Known: true}},
		}},
		Facts: &hoop.Facts{
			Session: hoop.SessionSoFar{Client: "psql", RemoteAddr: "192.0.2.7", StartedAt: time.Now(), Statements: 1}, Transaction: "one is open",
			Estimate: hoop.Estimate{Known: true, Rows: 1234, What: "change"},
			Locks:    hoop.Locks{Held: []hoop.Lock{{On: "clinic.patients", Mode: "RowShareLock"}}, Blocked: 2},
		},
	})
	must(s.t, err)
	return r.ID
}

func (s *site) state(id int64) hoop.RequestState {
	s.t.Helper()
	r, err := s.store.Request(s.t.Context(), id)
	must(s.t, err)
	return r.State
}

func TestWeb_ShowsWhatDecidingTakes(t *testing.T) {
	s := newSite(t)
	who := dana
	who.Chain = []string{"kim", "lee"}
	id := strconv.FormatInt(s.holdOf(who, 1), 10)
	b := s.browser("alex", "/")
	if !strings.Contains(b.Text, "1 request waits for you") || !strings.Contains(b.Text, "DELETE FROM clinic.patients") {
		t.Errorf("inbox: %s", b.Text)
	}
	must(t, b.Open(t.Context(), "/requests/"+id))
	for _, want := range []string{
		"DELETE FROM clinic.patients WHERE ssn = '[masked]'", "U+202E evil U+202C U+3164 <b>", "1 value is masked for you", "$1 5", "unbounded-write clinic.patients no limit",
		"about 1,234 would change", "one is open", "RowShareLock on clinic.patients; 2 other backends wait for them", "psql from 192.0.2.7", "From dana on behalf of kim, for lee",
		"A transaction is open and keeps its locks", "Approvers dba", "1 statement, 0 rows, 0 masked cells so far",
	} {
		if !strings.Contains(strings.Join(strings.Fields(b.Text), " "), want) {
			t.Errorf("no %q in: %s", want, b.Text)
		}
	}
	if strings.Contains(b.Text, "6789") || strings.Contains(b.Text, "\u202e") {
		t.Errorf("shows what it must not: %s", b.Text)
	}
}

// An agent is called as whoever starts it likes; lists say whose it is, and pages who
// approved, by the gateway's own word.
func TestWeb_NamesNobodyByAChosenNameAlone(t *testing.T) {
	s := newSite(t)
	agent := hoop.Identity{Subject: "agent:1f", Name: "Robin", Kind: hoop.Service, Groups: []string{"devs"}, Chain: []string{"dana"}}
	id := s.holdOf(agent, 2)
	b := s.browser("alex", "/")
	for _, page := range []string{"/", "/requests"} {
		must(t, b.Open(t.Context(), page))
		if got := strings.Join(strings.Fields(b.Text), " "); !strings.Contains(got, "Robin agent:1f service account on behalf of dana on pg-prod") {
			t.Errorf("%s: %s", page, got)
		}
	}
	_, err := s.grants.Approve(t.Context(), hoop.Identity{Subject: "corp:robin", Name: "alex", Kind: hoop.Human, Groups: []string{"dba"}}, id, "")
	must(t, err)
	must(t, b.Open(t.Context(), "/requests/"+strconv.FormatInt(id, 10)))
	if got := strings.Join(strings.Fields(b.Text), " "); !strings.Contains(got, "Approved alex corp:robin at ") {
		t.Errorf("%s", got)
	}
}

func TestWeb_DecidesAsTheAPIDoes(t *testing.T) {
	s := newSite(t)
	t.Run("approve", func(t *testing.T) {
		id := s.hold()
		path := "/requests/" + strconv.FormatInt(id, 10)
		b := s.browser("alex", path)
		if b.URL.Path != path {
			t.Errorf("sign-in led to %s", b.URL)
		}
		must(t, b.Submit(t.Context(), path+"/approve", url.Values{"reason": {"fine"}}))
		if s.state(id) != hoop.Approved || b.URL.Path != path || !strings.Contains(b.Text, "Approved alex") {
			t.Errorf("%s: %s", s.state(id), b.Text)
		}
		if err := b.Post(t.Context(), path+"/approve", nil); err == nil {
			t.Error("approved without a token")
		}
	})
	t.Run("twice, which counts once", func(t *testing.T) {
		path := "/requests/" + strconv.FormatInt(s.holdOf(dana, 2), 10)
		one, other := s.browser("alex", path), s.browser("alex", path)
		must(t, one.Submit(t.Context(), path+"/approve", nil))
		if _, ok := one.Form(path + "/approve"); ok {
			t.Error("whoever approved is asked again")
		}
		_ = other.Submit(t.Context(), path+"/approve", nil)
		if !strings.Contains(other.Text, "your approval counted before, and counts once; 1 of 2 approvals are there") {
			t.Errorf("got %s", other.Text)
		}
	})
	t.Run("deny wants a reason", func(t *testing.T) {
		id := s.hold()
		path := "/requests/" + strconv.FormatInt(id, 10)
		b := s.browser("alex", path)
		_ = b.Submit(t.Context(), path+"/deny", url.Values{"reason": {" "}})
		if s.state(id) != hoop.Pending || !strings.Contains(b.Text, "a denial needs a reason") {
			t.Errorf("%s: %s", s.state(id), b.Text)
		}
		must(t, b.Open(t.Context(), path))
		must(t, b.Submit(t.Context(), path+"/deny", url.Values{"reason": {"use the replica"}}))
		if s.state(id) != hoop.Denied {
			t.Errorf("got %s", s.state(id))
		}
	})
	t.Run("not one's own, and not a stranger's", func(t *testing.T) {
		id := s.hold()
		path := "/requests/" + strconv.FormatInt(id, 10)
		b := s.browser("dana", path)
		if _, ok := b.Form(path + "/approve"); ok {
			t.Error("the requester is offered to approve")
		}
		out, _ := b.Form("/signout")
		_ = b.Post(t.Context(), path+"/approve", url.Values{"csrf": out["csrf"]})
		if s.state(id) != hoop.Pending || !strings.Contains(b.Text, "nobody decides about a request of their own") {
			t.Errorf("%s: %s", s.state(id), b.Text)
		}
		other := s.browser("avery", path)
		if strings.Contains(other.Text, "evil") || !strings.Contains(other.Text, "WHERE ssn = $1") {
			t.Errorf("an auditor sees %s", other.Text)
		}
	})
	t.Run("an old sign-in signs in again", func(t *testing.T) {
		id := s.hold()
		path := "/requests/" + strconv.FormatInt(id, 10)
		b := s.browser("alex", path)
		s.later = 2 * time.Hour
		defer func() { s.later = 0 }()
		must(t, b.Submit(t.Context(), path+"/approve", nil))
		if s.state(id) != hoop.Pending || b.URL.Path != "/signin" {
			t.Errorf("%s at %s", s.state(id), b.URL)
		}
	})
}

func TestWeb_RefusesFormsOfOthers(t *testing.T) {
	s := newSite(t)
	id := s.hold()
	path := "/requests/" + strconv.FormatInt(id, 10)
	b := s.browser("alex", path)
	form, _ := b.Form(path + "/approve")
	for name, change := range map[string]func(r *http.Request){
		"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"an origin":    func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"JSON":         func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"text":         func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"no cookie":    func(r *http.Request) { r.Header.Set("X-No-Cookie", "1") },
		"a token of nobody": func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("csrf=x"))
			r.ContentLength = 6
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path+"/approve", strings.NewReader(form.Encode()))
			must(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			change(r)
			c := *b.Client
			if r.Header.Get("X-No-Cookie") != "" {
				c.Jar = nil
			}
			resp, err := c.Do(r)
			must(t, err)
			must(t, resp.Body.Close())
			if resp.StatusCode/100 != 4 || s.state(id) != hoop.Pending {
				t.Errorf("status %d, request %s", resp.StatusCode, s.state(id))
			}
		})
	}
}

func TestWeb_HeadersAndSignOut(t *testing.T) {
	s := newSite(t)
	b := s.browser("avery", "/sessions")
	resp, err := b.Client.Get(s.URL + "/requests")
	must(t, err)
	must(t, resp.Body.Close())
	csp := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'; script-src 'self'") || strings.Contains(csp, "unsafe") || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", resp.Header)
	}
	for _, file := range []string{"/static/app.css", "/static/app.js"} {
		resp, err := b.Client.Get(s.URL + file)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", file, resp.StatusCode)
		}
	}
	must(t, b.Submit(t.Context(), "/signout", nil))
	must(t, b.Open(t.Context(), "/requests"))
	if b.URL.Path != "/signin" {
		t.Errorf("after signing out: %s", b.URL)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/", nil)
	must(t, err)
	r.Header.Set("X-Fragment", "1")
	if resp, err = b.Client.Do(r); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the script hears %v, %v", resp, err)
	}
	must(t, resp.Body.Close())
	if !slices.ContainsFunc(s.log.Events(), func(e hoop.Event) bool { return e.Type == hoop.EventSignOut && e.Subject == "avery" }) {
		t.Error("the sign-out is not in the log")
	}
}

func TestWeb_SessionsForThoseWhoMaySeeThem(t *testing.T) {
	s := newSite(t)
	must(t, s.store.SaveSession(t.Context(), hoop.SessionInfo{ID: "5e55", Identity: dana, Target: "pg-prod", StartedAt: time.Now(), Statements: 1}))
	b := s.browser("avery", "/sessions/5e55")
	if !strings.Contains(b.Text, "SELECT <$1>") || strings.Contains(b.Text, "script") || !strings.Contains(b.Text, "not shown") || strings.Contains(b.Text, "NULL") {
		t.Errorf("session without literals: %s", b.Text)
	}
	s.literals = true
	b = s.browser("avery", "/sessions/5e55")
	if !strings.Contains(b.Text, "SELECT '<script>'") || !strings.Contains(b.Text, "7 rows") || !strings.Contains(b.Text, "NULL") {
		t.Errorf("session: %s", b.Text)
	}
	read := slices.ContainsFunc(s.log.Events(), func(e hoop.Event) bool {
		return e.Type == hoop.EventRead && e.Subject == "avery" && e.Session == "5e55"
	})
	if !read {
		t.Error("that it was read is not in the log")
	}
	other := s.browser("alex", "/requests")
	_ = other.Open(t.Context(), "/sessions/5e55")
	if strings.Contains(other.Text, "SELECT") || !strings.Contains(other.Text, "there is no session") {
		t.Errorf("a stranger sees %s", other.Text)
	}
}

func TestWeb_LinksAChatAccountAfterShowingIt(t *testing.T) {
	s := newSite(t)
	b := s.browser("alex", "/link")
	_ = b.Submit(t.Context(), "/link", url.Values{"code": {"WRONG"}})
	if !strings.Contains(b.Text, "there is no such code") {
		t.Errorf("got %s", b.Text)
	}
	must(t, b.Open(t.Context(), "/link"))
	must(t, b.Submit(t.Context(), "/link", url.Values{"code": {"CODE"}}))
	if s.linked != "" || !strings.Contains(b.Text, "T1/U9") || !strings.Contains(b.Text, "U+202E") {
		t.Errorf("linked %q before it was confirmed: %s", s.linked, b.Text)
	}
	must(t, b.Submit(t.Context(), "/link", nil))
	if s.linked != "alex CODE" {
		t.Errorf("linked %q", s.linked)
	}
}
