package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/internal/agent"
	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/internal/login/logintest"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// TestMain is also hoopctl itself, for tests that need a process, and a parser's worker for
// the one that has a real gateway.
func TestMain(m *testing.M) {
	pgparse.RunWorker()
	if os.Getenv("HOOPCTL_TEST_MAIN") != "" {
		os.Exit(Main("1.2.3", os.Args[1:]))
	}
	os.Exit(m.Run())
}

// noon is when these tests happen.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a gateway's API in memory and what a hoopctl process finds around it.
type world struct {
	*logintest.Gateway
	env map[string]string
	now func() time.Time
	tun *fakeTunnel

	mu       sync.Mutex
	me       api.Me
	targets  []api.Target
	requests map[int64]*hoop.Request
	grants   []hoop.Grant
	sessions []hoop.SessionInfo
	waits    chan int64                           // requests that somebody waits for
	onAsk    func(w *world, r *hoop.Request)      // what becomes of a new request
	problem  map[string]api.Problem               // by "METHOD /path"
	stream   map[string]func(http.ResponseWriter) // by path
	got      []string                             // calls made
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		Gateway: logintest.New(t), tun: &fakeTunnel{}, now: func() time.Time { return noon },
		requests: map[int64]*hoop.Request{}, waits: make(chan int64, 16),
		problem: map[string]api.Problem{}, stream: map[string]func(http.ResponseWriter){},
	}
	w.me = api.Me{
		Identity: hoop.Identity{Subject: "dana", Name: "Dana", Email: "dana@clinic.example", Kind: hoop.Human, Provider: "dev", Groups: []string{"developers"}},
		Roles:    []hoop.Role{},
	}
	w.targets = []api.Target{
		{Name: "pg-prod", Type: "postgres", Database: "clinic", MaxDuration: hoop.Duration(8 * time.Hour), Approval: "none", Reason: "optional", Rule: "r"},
		{Name: "pg-pay", Type: "postgres", Database: "pay", MaxDuration: hoop.Duration(time.Hour), Approval: "1 of dba", Reason: "required", Rule: "r2"},
		{Name: "web", Type: "http", Approval: "none", Reason: "optional"},
	}
	token, _ := w.Issue()
	w.env = map[string]string{
		"HOOPCTL_CONFIG_DIR": t.TempDir(), "HOOPCTL_GATEWAY": w.URL, "HOOPCTL_CA_FILE": w.CAFile, "HOOPCTL_TOKEN": token,
		"PATH": os.Getenv("PATH"),
	}
	w.Mux.HandleFunc("/api/v1/", w.serve)
	return w
}

// serve answers as server/api does.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	w.mu.Lock()
	w.got = append(w.got, r.Method+" "+r.URL.RequestURI())
	p, bad := w.problem[r.Method+" "+r.URL.Path]
	stream := w.stream[r.URL.Path]
	w.mu.Unlock()
	switch {
	case bad:
		fail(rw, p)
	case r.URL.Path == api.PathVersion:
		send(rw, api.Version{Version: "9.9", Tunnel: "hoop/1"})
	case !w.Authorized(r):
		fail(rw, api.Problem{Code: hoop.CodeUnauthenticated, Title: "the token is not valid", Hint: "hoopctl login"})
	case stream != nil:
		stream(rw)
	default:
		w.answer(rw, r)
	}
}

func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	var id int64
	if len(parts) > 1 {
		id, _ = strconv.ParseInt(parts[1], 10, 64)
	}
	q := w.requests[id]
	switch {
	case parts[0] == "me":
		send(rw, w.me)
	case parts[0] == "targets":
		send(rw, api.List[api.Target]{Items: w.targets})
	case parts[0] == "requests" && r.Method == http.MethodPost && len(parts) == 1:
		send(rw, w.ask(r))
	case parts[0] == "requests" && len(parts) == 1:
		send(rw, api.List[hoop.Request]{Items: w.list(r)})
	case parts[0] == "requests" && q == nil:
		fail(rw, api.Problem{Code: hoop.CodeNotFound, Title: "there is no request " + parts[1]})
	case parts[0] == "requests" && len(parts) == 2:
		w.await(rw, r, q)
	case parts[0] == "requests":
		w.decide(rw, r, q, parts[2])
	case parts[0] == "grants" && len(parts) == 1:
		send(rw, api.List[hoop.Grant]{Items: w.inForce(r.URL.Query().Get("all") != "")})
	case parts[0] == "reviews":
		send(rw, api.List[hoop.Grant]{Items: w.grants})
	case parts[0] == "grants" && parts[2] == "review":
		w.review(rw, r, parts[1])
	case parts[0] == "identities":
		var d api.Disable
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			panic(http.ErrAbortHandler)
		}
		send(rw, api.Disabled{Subject: d.Subject, Grants: len(d.Reason), Requests: 2, SignIns: 1})
	case parts[0] == "grants":
		w.revoke(rw, parts[1])
	case parts[0] == "sessions" && len(parts) == 1:
		send(rw, api.List[hoop.SessionInfo]{Items: w.sessions})
	case parts[0] == "sessions":
		for _, s := range w.sessions {
			if s.ID == parts[1] {
				send(rw, s)
				return
			}
		}
		fail(rw, api.Problem{Code: hoop.CodeNotFound, Title: "there is no session " + parts[1]})
	case r.URL.Path == api.PathLogKey:
		send(rw, api.LogKey{Verifier: "log+0badcafe+AbCd"})
	default:
		fail(rw, api.Problem{Code: hoop.CodeNotFound, Title: "no such path"})
	}
}

func (w *world) list(r *http.Request) []hoop.Request {
	var items []hoop.Request
	for id := int64(0); id < 1000; id++ {
		q := w.requests[id]
		if q == nil || r.URL.Query().Get("state") != "" && string(q.State) != r.URL.Query().Get("state") {
			continue
		}
		items = append(items, *q)
	}
	return items
}

// ask makes a request; onAsk says what becomes of it.
func (w *world) ask(r *http.Request) api.RequestAnswer {
	var n api.NewRequest
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		panic(http.ErrAbortHandler)
	}
	q := &hoop.Request{
		ID: int64(17 + len(w.requests)), Kind: hoop.RequestGrant, State: hoop.Pending, Requester: w.me.Identity, Target: n.Target,
		Reason: n.Reason, Duration: n.Duration, Scope: n.Scope, StartsAt: n.StartsAt, Renews: n.Renews, BreakGlass: n.BreakGlass, Groups: []string{"dba"}, Count: 1, CreatedAt: w.now(), ExpiresAt: w.now().Add(time.Hour),
	}
	if q.Duration == 0 {
		q.Duration = hoop.Duration(time.Hour)
	}
	w.requests[q.ID] = q
	for _, t := range w.targets {
		if t.Name == n.Target && (t.Approval == "none" || n.BreakGlass) {
			w.grant(q)
		}
	}
	if w.onAsk != nil {
		w.onAsk(w, q)
	}
	return w.stand(q)
}

// grant approves a request. w.mu is held.
func (w *world) grant(q *hoop.Request) {
	q.State, q.Grant = hoop.Approved, "g"+strconv.FormatInt(q.ID, 10)
	w.grants = append(w.grants, hoop.Grant{
		ID: q.Grant, Request: q.ID, Owner: q.Requester, Target: q.Target, Rule: "r", Reason: q.Reason,
		StartsAt: w.now(), ExpiresAt: w.now().Add(time.Duration(q.Duration)),
	})
}

func (w *world) stand(q *hoop.Request) api.RequestAnswer {
	a := api.RequestAnswer{Request: *q}
	for _, g := range w.grants {
		if g.ID == q.Grant && q.Grant != "" {
			a.Grant = &g
		}
	}
	return a
}

// await holds the question until the request is decided. w.mu is held.
func (w *world) await(rw http.ResponseWriter, r *http.Request, q *hoop.Request) {
	if r.URL.Query().Get("wait") != "" && q.State == hoop.Pending {
		w.waits <- q.ID
		for q.State == hoop.Pending && r.Context().Err() == nil {
			w.mu.Unlock()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Millisecond):
			}
			w.mu.Lock()
		}
	}
	send(rw, w.stand(q))
}

func (w *world) decide(rw http.ResponseWriter, r *http.Request, q *hoop.Request, verb string) {
	var v api.Verdict
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		panic(http.ErrAbortHandler)
	}
	if q.State != hoop.Pending {
		fail(rw, api.Problem{Code: hoop.CodeConflict, Title: "request " + strconv.FormatInt(q.ID, 10) + " is " + string(q.State) + " already"})
		return
	}
	q.DecisionWhy = v.Reason
	switch verb {
	case "approve":
		if q.Count > 1 { // others must, too
			answer := *q
			if answer.Repeated = len(q.Approvals) > 0; !answer.Repeated {
				answer.Approvals = []hoop.Approval{{By: w.me.Identity.Subject, Name: w.me.Identity.Name, Approve: true}}
				q.Approvals = answer.Approvals
			}
			send(rw, answer)
			return
		}
		w.grant(q)
	case "deny":
		q.State = hoop.Denied
	case "cancel":
		q.State = hoop.Cancelled
	}
	send(rw, q)
}

func (w *world) inForce(all bool) []hoop.Grant {
	var items []hoop.Grant
	for _, g := range w.grants {
		if all || g.InForce(w.now()) {
			items = append(items, g)
		}
	}
	return items
}

func (w *world) revoke(rw http.ResponseWriter, id string) {
	for i := range w.grants {
		if w.grants[i].ID == id {
			w.grants[i].RevokedAt, w.grants[i].RevokedBy, w.grants[i].Why = w.now(), "alex", "shift is over"
			send(rw, w.grants[i])
			return
		}
	}
	fail(rw, api.Problem{Code: hoop.CodeNotFound, Title: "there is no grant " + id})
}

func (w *world) review(rw http.ResponseWriter, r *http.Request, id string) {
	var v api.Verdict
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		panic(http.ErrAbortHandler)
	}
	for i := range w.grants {
		if w.grants[i].ID == id {
			w.grants[i].Review = &hoop.Review{By: w.me.Identity.Subject, At: w.now(), Finding: v.Reason}
			send(rw, w.grants[i])
			return
		}
	}
	fail(rw, api.Problem{Code: hoop.CodeNotFound, Title: "there is no grant " + id})
}

func send(rw http.ResponseWriter, v any) {
	if err := json.NewEncoder(rw).Encode(v); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func fail(rw http.ResponseWriter, p api.Problem) {
	p.Status = api.Status(p.Code)
	rw.Header().Set("Content-Type", "application/problem+json")
	rw.WriteHeader(p.Status)
	send(rw, p)
}

// lock runs f while the gateway answers nobody.
func (w *world) lock(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// calls counts the calls that begin with prefix.
func (w *world) calls(prefix string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.got {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// fakeTunnel gives out ports that lead nowhere.
type fakeTunnel struct {
	mu     sync.Mutex
	open   []string
	rounds []int // of SCRAM, of each port
	closed bool
}

func (t *fakeTunnel) Listen(_ context.Context, target agent.Target, port int) (Endpoint, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.rounds = append(t.open, target.Name), append(t.rounds, target.Iterations)
	if port == 0 {
		port = 40000 + len(t.open)
	}
	return Endpoint{Host: "127.0.0.1", Port: port, User: "hoop", Password: "p/w@" + target.Name}, nil
}

func (t *fakeTunnel) Drain(time.Duration) {}

func (t *fakeTunnel) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return nil
}

// result is what a user sees of a command.
type result struct {
	code        int
	out, errOut string
}

// proc is a command of hoopctl to be run within the test's process.
type proc struct {
	w    *world
	ctx  context.Context
	tty  bool
	in   string
	out  *syncBuffer // nil: made by run
	tune func(*Factory)
}

// syncBuffer may be read while it is written to.
type syncBuffer struct {
	mu  sync.Mutex
	b   bytes.Buffer
	saw chan struct{} // closed at the first write; may be nil
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saw != nil && s.b.Len() == 0 {
		close(s.saw)
	}
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (p proc) run(args ...string) result {
	io, in, _, _ := iostreams.Test()
	in.WriteString(p.in)
	io.SetTTY(p.tty)
	out, errOut := p.out, &syncBuffer{}
	if out == nil {
		out = &syncBuffer{}
	}
	io.Out, io.ErrOut = out, errOut
	f := NewFactory("1.2.3", io)
	f.Getenv = func(k string) string { return p.w.env[k] }
	f.Environ = func() []string {
		var env []string
		for k, v := range p.w.env {
			env = append(env, k+"="+v)
		}
		return env
	}
	f.Now = p.w.now
	f.Tunnel = func() (Tunnel, error) { return p.w.tun, nil }
	if p.tune != nil {
		p.tune(f)
	}
	ctx := p.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	code := Run(ctx, f, args)
	return result{code, out.String(), errOut.String()}
}

// pipe runs a command whose streams are no terminals.
func (w *world) pipe(args ...string) result { return proc{w: w}.run(args...) }

// terminal runs a command at a terminal.
func (w *world) terminal(args ...string) result { return proc{w: w, tty: true}.run(args...) }
