package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/api"
	"github.com/hoopctl/hoopctl/server/grant"
	"github.com/hoopctl/hoopctl/server/store"
)

var people = map[string]hoop.Identity{
	"alice": {Subject: "alice", Name: "Alice", Kind: hoop.Human, Groups: []string{"devs"}},
	"bob":   {Subject: "bob", Name: "Bob", Kind: hoop.Human, Groups: []string{"dba"}},
	"eve":   {Subject: "eve", Name: "Eve", Kind: hoop.Human, Groups: []string{"devs"}},
	"ann":   {Subject: "ann", Name: "Ann", Kind: hoop.Human, Groups: []string{"compliance"}},
	"root":  {Subject: "root", Name: "Root", Kind: hoop.Human, Groups: []string{"admins"}},
	"agent": {Subject: "service:ci", Kind: hoop.Service, Groups: []string{"devs"}, Chain: []string{"alice"}},
	"other": {Subject: "service:ci", Kind: hoop.Service, Groups: []string{"devs"}, Chain: []string{"eve"}},
}

func roles(id hoop.Identity) []hoop.Role {
	switch {
	case id.InGroup("compliance"):
		return []hoop.Role{hoop.RoleAuditor}
	case id.InGroup("admins"):
		return []hoop.Role{hoop.RoleAdmin}
	case id.InGroup("dba"):
		return []hoop.Role{hoop.RoleApprover}
	}
	return nil
}

type access map[string]grant.Access

func (a access) Access(_ context.Context, _ hoop.Identity, target string) (grant.Access, error) {
	if got, ok := a[target]; ok {
		return got, nil
	}
	return grant.Access{}, hoop.Errorf(hoop.CodeDenied, "no access rule gives you %s", target)
}

type auditLog struct {
	mu     sync.Mutex
	events []hoop.Event
	err    error
}

func (l *auditLog) Write(_ context.Context, e *hoop.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.events = append(l.events, *e)
	return nil
}

func (l *auditLog) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *auditLog) count(t hoop.EventType) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Type == t {
			n++
		}
	}
	return n
}

// tape is a recording: records, then an error.
type tape struct {
	records []recording.Record
	end     error
	before  func()
}

func (t *tape) Next() (*recording.Record, error) {
	if t.before != nil {
		t.before()
	}
	if len(t.records) == 0 {
		return nil, t.end
	}
	r := t.records[0]
	t.records = t.records[1:]
	return &r, nil
}

func (t *tape) Close() error { return nil }

// gateway is the API over a real store and real grants.
type gateway struct {
	*httptest.Server
	t      *testing.T
	store  *store.Store
	grants *grant.Service
	log    *auditLog
	tape   *tape
	export func(ctx context.Context, w io.Writer) error
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, store: st, log: &auditLog{}, tape: &tape{end: io.EOF}}
	rules := access{
		"open": {Rule: "open", MaxDuration: hoop.Duration(8 * time.Hour)},
		"one":  {Rule: "one", MaxDuration: hoop.Duration(8 * time.Hour), ReasonRequired: true, Approval: &hoop.ApprovalRule{Groups: []string{"dba", "ops"}, Count: 1}},
	}
	g.grants, err = grant.New(t.Context(), grant.Options{Store: st, Policy: rules, Audit: g.log, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	g.Server = httptest.NewUnstartedServer(api.New(api.Options{
		Version: "1.2.3", Tunnel: "hoop/1",
		Identify: func(_ context.Context, token string) (hoop.Identity, error) {
			if id, ok := people[strings.TrimPrefix(token, "token-")]; ok {
				return id, nil
			}
			return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "the token is unknown").WithHint("hoopctl login")
		},
		Roles: roles,
		Targets: func(hoop.Identity) []hoop.Target {
			return []hoop.Target{{Name: "open", Type: "postgres", Database: "app"}, {Name: "one", Type: "postgres"}, {Name: "gone"}}
		},
		Access: rules, Grants: g.grants, Sessions: st,
		Recording: func(_ context.Context, session string) (api.Recording, error) {
			if session == "unrecorded" {
				return nil, hoop.Errorf(hoop.CodeNotFound, "there is no recording of session %s", session)
			}
			return g.tape, nil
		},
		Export: func(ctx context.Context, w io.Writer) error { return g.export(ctx, w) },
		LogKey: func() string { return "hoop+key" },
		Audit:  g.log, Log: quiet,
	}))
	g.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	g.Start()
	t.Cleanup(func() {
		g.Server.Close()
		g.grants.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// as is the API's client for one of the people.
func (g *gateway) as(who string) *wire.Client {
	return &wire.Client{Base: g.URL, HTTP: g.Client(), Token: func(context.Context) (string, error) { return "token-" + who, nil }}
}

type reply struct {
	status  int
	header  http.Header
	body    string
	problem wire.Problem
}

// raw sends what no client of ours would.
func (g *gateway) raw(method, path, body string, header ...string) reply {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.URL+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := g.Client().Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
	if resp.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(b, &r.problem); err != nil {
			g.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return r
}

func wantCode(t *testing.T, err error, want hoop.Code) {
	t.Helper()
	var e *hoop.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("error %v; want code %s", err, want)
	}
}

// session stores one of somebody's.
func (g *gateway) session(id, who string, ended bool) {
	g.t.Helper()
	info := hoop.SessionInfo{ID: id, Identity: people[who], Target: "open", Grant: "g-1", Protocol: "postgres", StartedAt: time.Now()}
	if ended {
		info.EndedAt = time.Now()
	}
	if err := g.store.SaveSession(g.t.Context(), info); err != nil {
		g.t.Fatal(err)
	}
}

// paths are all of the API's, with the methods they take.
var paths = map[string]string{
	wire.PathVersion: "GET", wire.PathMe: "GET", wire.PathTargets: "GET", wire.PathRequests: "GET, POST", wire.PathRequest: "GET",
	wire.PathApprove: "POST", wire.PathDeny: "POST", wire.PathCancel: "POST", wire.PathGrants: "GET", wire.PathRevoke: "POST",
	wire.PathSessions: "GET", wire.PathSession: "GET", wire.PathRecording: "GET", wire.PathExport: "GET", wire.PathLogKey: "GET",
}

func TestAPI_NothingWithoutAToken(t *testing.T) {
	g := newGateway(t)
	for path, methods := range paths {
		path = strings.Replace(path, "{id}", "1", 1)
		for method := range strings.SplitSeq(methods, ", ") {
			if path == wire.PathVersion {
				continue
			}
			for what, header := range map[string][]string{
				"no token":           nil,
				"an unknown one":     {"Authorization", "Bearer nonsense"},
				"an empty one":       {"Authorization", "Bearer "},
				"Basic":              {"Authorization", "Basic token-alice"},
				"two":                {"Authorization", "Bearer token-alice", "Authorization", "Bearer token-eve"},
				"in a cookie":        {"Cookie", "token=token-alice"},
				"without its scheme": {"Authorization", "token-alice"},
			} {
				got := g.raw(method, path+"?access_token=token-alice", "{}", append(header, "Content-Type", "application/json")...)
				if got.status != 401 || got.problem.Code != hoop.CodeUnauthenticated || got.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s with %s: %d %s", method, path, what, got.status, got.body)
				}
			}
		}
	}
	if v, err := g.as("nobody").Version(t.Context()); err != nil || v.Version != "1.2.3" || v.Tunnel != "hoop/1" {
		t.Errorf("%+v, %v", v, err)
	}
	if got := g.raw("GET", wire.PathMe, "", "Authorization", "bearer token-alice"); got.status != 200 {
		t.Errorf("a scheme in lower case (RFC 9110 §11.1): %d %s", got.status, got.body)
	}
}

func TestAPI_OtherMethodsAndPathsAreProblems(t *testing.T) {
	g := newGateway(t)
	for path, methods := range paths {
		path = strings.Replace(path, "{id}", "1", 1)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if strings.Contains(methods, method) {
				continue
			}
			got := g.raw(method, path, "", "Authorization", "Bearer token-root")
			allow := strings.ReplaceAll(got.header.Get("Allow"), "HEAD, ", "")
			if got.status != 405 || allow != methods || got.problem.Title == "" {
				t.Errorf("%s %s: %d, Allow %q, %s", method, path, got.status, allow, got.body)
			}
		}
	}
	for _, path := range []string{"/api/v1/nothing", "/api/v1", "/api/v2/me", "/", "/api/v1/requests/1/approve/x"} {
		got := g.raw("GET", path, "", "Authorization", "Bearer token-root")
		if got.status != 404 || got.problem.Code != hoop.CodeNotFound {
			t.Errorf("GET %s: %d %s", path, got.status, got.body)
		}
	}
}

func TestAPI_AnswersAreNotKeptNorGuessedAt(t *testing.T) {
	g := newGateway(t)
	for _, got := range []reply{
		g.raw("GET", wire.PathMe, "", "Authorization", "Bearer token-alice"),
		g.raw("GET", wire.PathMe, ""),
		g.raw("GET", "/nothing", ""),
	} {
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%d: %v", got.status, got.header)
		}
	}
}

func TestAPI_BodiesAreSmallStrictJSON(t *testing.T) {
	g := newGateway(t)
	asJSON := "application/json"
	for what, tt := range map[string]struct {
		kind, body string
		status     int
		code       hoop.Code
	}{
		"good":                 {asJSON, `{"target":"open","duration":"1h"}`, 201, ""},
		"with a charset":       {asJSON + "; charset=utf-8", `{"target":"open"}`, 201, ""},
		"a form":               {"application/x-www-form-urlencoded", `{"target":"open"}`, 415, hoop.CodeInvalid},
		"text, as pages send":  {"text/plain", `{"target":"open"}`, 415, hoop.CodeInvalid},
		"no type":              {"", `{"target":"open"}`, 415, hoop.CodeInvalid},
		"not JSON":             {asJSON, `target=open`, 400, hoop.CodeInvalid},
		"half of it":           {asJSON, `{"target":"open"`, 400, hoop.CodeInvalid},
		"two values":           {asJSON, `{"target":"open"}{"target":"one"}`, 400, hoop.CodeInvalid},
		"a field nobody knows": {asJSON, `{"target":"open","durration":"1h"}`, 400, hoop.CodeInvalid},
		"a bad duration":       {asJSON, `{"target":"open","duration":"-1h"}`, 400, hoop.CodeInvalid},
		"a number for a text":  {asJSON, `{"target":7}`, 400, hoop.CodeInvalid},
		"no target":            {asJSON, `{}`, 400, hoop.CodeInvalid},
		"nothing":              {asJSON, ``, 400, hoop.CodeInvalid},
		"64 KiB and more":      {asJSON, `{"target":"` + strings.Repeat("x", 64<<10) + `"}`, 413, hoop.CodeTooLarge},
		"64 KiB of blanks":     {asJSON, `{"target":"open"}` + strings.Repeat(" ", 64<<10), 413, hoop.CodeTooLarge},
	} {
		got := g.raw("POST", wire.PathRequests, tt.body, "Authorization", "Bearer token-alice", "Content-Type", tt.kind)
		if got.status != tt.status || got.problem.Code != tt.code {
			t.Errorf("%s: %d %s; want %d", what, got.status, got.body, tt.status)
		}
	}
	for path, methods := range paths {
		if strings.Contains(methods, "POST") {
			path = strings.Replace(path, "{id}", "1", 1)
			if got := g.raw("POST", path, `{}`, "Authorization", "Bearer token-root", "Content-Type", "text/plain"); got.status != 415 {
				t.Errorf("POST %s as text: %d %s", path, got.status, got.body)
			}
		}
	}
}

func TestAPI_ParametersAreChecked(t *testing.T) {
	g := newGateway(t)
	r, err := g.as("alice").NewRequest(t.Context(), wire.NewRequest{Target: "one", Reason: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/api/v1/requests?state=pending&inbox=1":   200,
		"/api/v1/requests?state=lost":              400,
		"/api/v1/requests?inbox=maybe":             400,
		"/api/v1/requests?limit=0":                 400,
		"/api/v1/requests?limit=100000":            400,
		"/api/v1/requests/1?wait=soon":             400,
		"/api/v1/requests/1?wait=-1s":              400,
		"/api/v1/requests/1?wait=1ms":              200,
		"/api/v1/requests/0":                       404,
		"/api/v1/requests/-1":                      404,
		"/api/v1/requests/x":                       404,
		"/api/v1/requests/99999999999999999999999": 404,
		"/api/v1/grants?all=yes":                   400,
		"/api/v1/sessions?limit=-1":                400,
	} {
		if got := g.raw("GET", path, "", "Authorization", "Bearer token-alice"); got.status != want || want >= 400 && got.problem.Title == "" {
			t.Errorf("GET %s: %d %s; want %d", path, got.status, got.body, want)
		}
	}
	if r.Request.ID != 1 {
		t.Errorf("request %d", r.Request.ID)
	}
}

func TestAPI_FromRequestToRevocation(t *testing.T) {
	g := newGateway(t)
	ctx, alice, bob := t.Context(), g.as("alice"), g.as("bob")
	if me, err := bob.Me(ctx); err != nil || me.Identity.Subject != "bob" || !slices.Equal(me.Roles, []hoop.Role{hoop.RoleApprover}) {
		t.Errorf("%+v, %v", me, err)
	}
	_, err := alice.NewRequest(ctx, wire.NewRequest{Target: "one"})
	wantCode(t, err, hoop.CodeInvalid)
	asked, err := alice.NewRequest(ctx, wire.NewRequest{Target: "one", Duration: hoop.Duration(time.Hour), Reason: "ticket 4"})
	if err != nil || asked.Grant != nil || asked.Request.State != hoop.Pending {
		t.Fatalf("%+v, %v", asked, err)
	}
	inbox, err := bob.Requests(ctx, wire.RequestFilter{Inbox: true})
	if err != nil || len(inbox) != 1 || inbox[0].ID != asked.Request.ID {
		t.Fatalf("%+v, %v", inbox, err)
	}
	if _, err := g.as("eve").Request(ctx, asked.Request.ID, 0); err == nil {
		t.Error("eve sees it")
	}
	decided := make(chan wire.RequestAnswer, 1)
	go func() {
		got, err := alice.Request(ctx, asked.Request.ID, time.Minute)
		if err != nil {
			t.Error(err)
		}
		decided <- got
	}()
	if _, err := bob.Approve(ctx, asked.Request.ID, "fine"); err != nil {
		t.Fatal(err)
	}
	got := <-decided
	if got.Request.State != hoop.Approved || got.Grant == nil {
		t.Fatalf("%+v", got)
	}
	_, err = bob.Deny(ctx, asked.Request.ID, "too late")
	wantCode(t, err, hoop.CodeConflict)
	targets, err := alice.Targets(ctx)
	if err != nil || len(targets) != 2 {
		t.Fatalf("%+v, %v", targets, err)
	}
	if o, one := targets[0], targets[1]; o.Approval != "none" || o.Reason != "optional" || o.Grant != nil || o.Database != "app" ||
		one.Approval != "1 of dba or ops" || one.Reason != "required" || one.Grant == nil || one.Grant.ID != got.Grant.ID {
		t.Errorf("%+v", targets)
	}
	if _, err := g.as("eve").Revoke(ctx, got.Grant.ID, ""); err == nil {
		t.Error("eve revoked it")
	}
	if rev, err := alice.Revoke(ctx, got.Grant.ID, "done"); err != nil || rev.RevokedBy != "alice" {
		t.Errorf("%+v, %v", rev, err)
	}
	if now, err := alice.Grants(ctx, false); err != nil || len(now) != 0 {
		t.Errorf("%+v, %v", now, err)
	}
	if all, err := alice.Grants(ctx, true); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	again, err := alice.NewRequest(ctx, wire.NewRequest{Target: "one", Reason: "again"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := alice.Cancel(ctx, again.Request.ID); err != nil || c.State != hoop.Cancelled {
		t.Errorf("%+v, %v", c, err)
	}
	if got := g.raw("GET", wire.PathSessions, "", "Authorization", "Bearer token-alice"); strings.TrimSpace(got.body) != `{"items":[]}` {
		t.Errorf("an empty list is %s", got.body)
	}
}

func TestAPI_AFaultOfOursTellsNothing(t *testing.T) {
	g := newGateway(t)
	g.log.fail(errors.New("write /var/lib/hoop/secret-path: no space left"))
	got := g.raw("POST", wire.PathRequests, `{"target":"open"}`, "Authorization", "Bearer token-alice", "Content-Type", "application/json")
	if got.status != 503 || got.problem.Code != hoop.CodeUnrecorded || strings.Contains(got.body, "secret-path") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestSessions_OwnOrAllForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	for id, who := range map[string]string{"s-alice": "alice", "s-eve": "eve", "s-agent": "agent"} {
		g.session(id, who, false)
	}
	for who, want := range map[string][]string{
		"alice": {"s-alice"},
		"eve":   {"s-eve"},
		"agent": {"s-agent"},
		"other": {}, // the same agent, for somebody else
		"bob":   {},
		"ann":   {"s-agent", "s-alice", "s-eve"},
		"root":  {"s-agent", "s-alice", "s-eve"},
	} {
		list, err := g.as(who).Sessions(t.Context(), 50)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, s := range list {
			got = append(got, s.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s lists %v; want %v", who, got, want)
		}
		for _, id := range []string{"s-alice", "s-eve", "s-agent", "s-none"} {
			may := slices.Contains(want, id) || who == "alice" && id == "s-agent" // acts for her
			s, err := g.as(who).Session(t.Context(), id)
			if may && (err != nil || s.ID != id) {
				t.Errorf("%s cannot see %s: %v", who, id, err)
			}
			if !may {
				wantCode(t, err, hoop.CodeNotFound)
			}
			rec, err := g.as(who).Recording(t.Context(), id)
			if may && err != nil {
				t.Errorf("%s cannot read %s: %v", who, id, err)
			}
			if !may {
				wantCode(t, err, hoop.CodeNotFound)
			}
			if err == nil {
				rec.Close()
			}
		}
	}
}

func TestRecording_ReadIsOnRecordBeforeTheFirstByte(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	g.tape = &tape{end: io.EOF, records: []recording.Record{
		{Kind: recording.KindStart, DigestKey: []byte("k3y"), Session: &hoop.SessionInfo{ID: "s1"}},
		{Kind: recording.KindOutput, Wire: []byte{0, 1, 255}},
		{Kind: recording.KindEnd},
	}, before: func() {
		if g.log.count(hoop.EventRead) != 1 {
			t.Error("read before it was on record")
		}
	}}
	body, err := g.as("ann").Recording(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var kinds []recording.Kind
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var r recording.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, r.Kind)
		if r.Kind == recording.KindStart && string(r.DigestKey) != "k3y" {
			t.Error("an auditor gets no key to check digests with")
		}
	}
	if err := lines.Err(); err != nil || !slices.Equal(kinds, []recording.Kind{recording.KindStart, recording.KindOutput, recording.KindEnd}) {
		t.Errorf("%v, %v", kinds, err)
	}
	e := g.log.events[0]
	if e.Subject != "ann" || e.Session != "s1" || e.Target != "open" || e.Time.IsZero() {
		t.Errorf("event %+v", e)
	}
}

func TestRecording_OwnerGetsNoDigestKey(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	g.tape = &tape{end: io.EOF, records: []recording.Record{{Kind: recording.KindStart, DigestKey: []byte("k3y")}}}
	body, err := g.as("alice").Recording(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b, err := io.ReadAll(body); err != nil || strings.Contains(string(b), "digest_key") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestRecording_NotRecordedNotRead(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	g.session("unrecorded", "alice", true)
	g.log.fail(errors.New("disk full"))
	g.tape = &tape{end: io.EOF, before: func() { t.Error("read though the log cannot write") }}
	_, err := g.as("ann").Recording(t.Context(), "s1")
	wantCode(t, err, hoop.CodeUnrecorded)
	_, err = g.as("ann").Recording(t.Context(), "unrecorded")
	wantCode(t, err, hoop.CodeNotFound)
}

func TestRecording_ADamagedOneIsBrokenOff(t *testing.T) {
	g := newGateway(t)
	g.session("s1", "alice", true)
	for what, tt := range map[string]struct {
		end  error
		good bool
	}{
		"to its end":      {io.EOF, true},
		"while it runs":   {recording.ErrUnfinished, true},
		"a damaged frame": {recording.ErrFormat, false},
	} {
		g.tape = &tape{end: tt.end, records: []recording.Record{{Kind: recording.KindStart}, {Kind: recording.KindOutput, Wire: make([]byte, 1<<20)}}}
		body, err := g.as("ann").Recording(t.Context(), "s1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, body)
		body.Close()
		if (err == nil) != tt.good {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestExport_ForThoseWhoExamine(t *testing.T) {
	g := newGateway(t)
	g.export = func(_ context.Context, w io.Writer) error {
		if g.log.count(hoop.EventExport) == 0 {
			t.Error("exported before it was on record")
		}
		_, err := io.WriteString(w, "tar")
		return err
	}
	for _, who := range []string{"alice", "bob", "agent"} {
		_, err := g.as(who).Export(t.Context())
		wantCode(t, err, hoop.CodeDenied)
	}
	if n := g.log.count(hoop.EventExport); n != 0 {
		t.Errorf("%d events of refused exports", n)
	}
	for _, who := range []string{"ann", "root"} {
		body, err := g.as(who).Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		body.Close()
		if err != nil || string(b) != "tar" {
			t.Errorf("%q, %v", b, err)
		}
	}
	if n := g.log.count(hoop.EventExport); n != 2 {
		t.Errorf("%d events", n)
	}
	if key, err := g.as("alice").LogKey(t.Context()); err != nil || key.Verifier != "hoop+key" {
		t.Errorf("%+v, %v", key, err)
	}
	g.export = func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, errors.New("disk"))
	}
	if body, err := g.as("ann").Export(t.Context()); err == nil {
		if _, err = io.ReadAll(body); err == nil {
			t.Error("half an export passes for a whole one")
		}
		body.Close()
	}
	g.log.fail(errors.New("disk full"))
	_, err := g.as("ann").Export(t.Context())
	wantCode(t, err, hoop.CodeUnrecorded)
}
