package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/api"
)

// paths are all of the API's, with the methods they take.
var paths = api.Paths()

// only are those who have a role that an operation takes; of others each says itself what
// is somebody's, or whom it decides for.
var only = map[string]string{
	"POST " + wire.PathHold: "paul ann root", "POST " + wire.PathDisable: "root", "POST " + wire.PathLift: "root", "GET " + wire.PathProtections: "paul ann root",
	"GET " + wire.PathExport: "paul ann root", "GET " + wire.PathEvents: "paul ann root", "GET " + wire.PathBundle: "paul ann root",
}

// anybody are the operations for whoever is signed in.
var anybody = []string{
	"GET " + wire.PathVersion, "GET " + wire.PathMe, "GET " + wire.PathTargets, "GET " + wire.PathRequests, "POST " + wire.PathRequests, "GET " + wire.PathRequest,
	"POST " + wire.PathApprove, "POST " + wire.PathDeny, "POST " + wire.PathCancel, "GET " + wire.PathGrants, "POST " + wire.PathRevoke, "POST " + wire.PathReview,
	"GET " + wire.PathReviews, "GET " + wire.PathSessions, "GET " + wire.PathSession, "GET " + wire.PathRecording, "GET " + wire.PathIndex, "GET " + wire.PathLogKey,
	"POST " + wire.PathAgents, "POST " + wire.PathExplain, "POST " + wire.PathCases,
}

// Whoever has not the role is refused before anything else is looked at, and nothing of
// others exists for whom it is not shown: every operation is asked for by everybody.
func TestAPI_EveryOperationByEverybody(t *testing.T) {
	g := newGateway(t)
	if _, err := g.as("eve").NewRequest(t.Context(), wire.NewRequest{Target: "one", Reason: "x"}); err != nil { // request 1
		t.Fatal(err)
	}
	g.session("1", "eve", true)
	g.export = func(context.Context, io.Writer) error { return nil }
	g.bundle = func(api.BundleRequest) (api.Bundle, error) {
		return fakeBundle{func(io.Writer) error { return nil }}, nil
	}
	seen := map[string]string{ // those who may see request 1, and session 1
		wire.PathRequest: "eve bob paul ann root", wire.PathApprove: "eve bob paul ann root", wire.PathDeny: "eve bob paul ann root", wire.PathCancel: "eve bob paul ann root",
		wire.PathSession: "eve paul ann root", wire.PathRecording: "eve paul ann root", wire.PathIndex: "eve paul ann root",
	}
	for path, methods := range paths {
		for method := range strings.SplitSeq(methods, ", ") {
			op := method + " " + path
			role, narrow := only[op]
			if narrow == slices.Contains(anybody, op) {
				t.Errorf("%s: say for whom it is", op)
				continue
			}
			body := "{}"
			if path == wire.PathDeny {
				body = `{"reason":"no"}`
			}
			for who := range people {
				got := g.raw(method, strings.Replace(path, "{id}", "1", 1), body, "Authorization", "Bearer token-"+who, "Content-Type", "application/json")
				viewers, hidden := seen[path]
				switch {
				case narrow && !slices.Contains(strings.Fields(role), who):
					if got.status != 403 || got.problem.Code != hoop.CodeDenied {
						t.Errorf("%s by %s: %d %s", op, who, got.status, got.body)
					}
				case hidden && !slices.Contains(strings.Fields(viewers), who):
					if got.status != 404 {
						t.Errorf("%s by %s: %d %s", op, who, got.status, got.body)
					}
				case got.status == 401 || got.status >= 500 || narrow && got.status == 403:
					t.Errorf("%s by %s: %d %s", op, who, got.status, got.body)
				}
			}
		}
	}
	if r, err := g.store.Request(t.Context(), 1); err != nil || len(r.Approvals) > 1 || len(r.Approvals) == 1 && r.Approvals[0].By != "bob" {
		t.Errorf("%+v, %v", r, err)
	}
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
	if err != nil || len(targets) != 3 {
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

func TestAPI_BreakGlassAndReview(t *testing.T) {
	g, ctx := newGateway(t), t.Context()
	targets, err := g.as("alice").Targets(ctx)
	if err != nil || len(targets) != 3 || targets[2].Name != "glass" || targets[2].Approval != "break-glass" || targets[2].Reason != "required" {
		t.Fatalf("%+v, %v", targets, err)
	}
	got, err := g.as("alice").NewRequest(ctx, wire.NewRequest{Target: "glass", Reason: "the ward is dark", Duration: hoop.Duration(time.Hour), BreakGlass: true})
	if err != nil || got.Grant == nil || !got.Grant.BreakGlass || len(g.log.Of(hoop.EventAlert)) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := g.as("ann").Review(ctx, got.Grant.ID, "fine"); err == nil {
		t.Error("reviewed while it is in force")
	}
	if _, err := g.as("alice").Revoke(ctx, got.Grant.ID, "lights are on"); err != nil {
		t.Fatal(err)
	}
	if open, err := g.as("ann").Reviews(ctx, false); err != nil || len(open) != 1 {
		t.Errorf("%v, %v", open, err)
	}
	if done, err := g.as("ann").Review(ctx, got.Grant.ID, "fine"); err != nil || done.Review.By != "ann" {
		t.Errorf("%+v, %v", done, err)
	}
	for all, want := range map[bool]int{false: 0, true: 1} {
		if list, err := g.as("ann").Reviews(ctx, all); err != nil || len(list) != want {
			t.Errorf("all %v: %v, %v", all, list, err)
		}
	}
}

func TestAPI_AFaultOfOursTellsNothing(t *testing.T) {
	g := newGateway(t)
	g.log.Fail(errors.New("write /var/lib/hoop/secret-path: no space left"))
	got := g.raw("POST", wire.PathRequests, `{"target":"open"}`, "Authorization", "Bearer token-alice", "Content-Type", "application/json")
	if got.status != 503 || got.problem.Code != hoop.CodeUnrecorded || strings.Contains(got.body, "secret-path") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// Whoever is disabled while the body of a decision is still on its way decides nothing.
func TestBody_ComesAfterTheSignInHasEnded(t *testing.T) {
	g := newGateway(t)
	a, err := g.as("alice").NewRequest(t.Context(), wire.NewRequest{Target: "one", Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	body, rest := io.Pipe()
	var disabled atomic.Bool
	g.identified = func(subject string) error {
		if subject != "bob" {
			return nil
		}
		if disabled.Swap(true) {
			return hoop.Errorf(hoop.CodeUnauthenticated, "the sign-in has ended")
		}
		go func() { // the token was good when the request began
			_, _ = io.WriteString(rest, `{"reason":"late"}`)
			_ = rest.Close()
		}()
		return nil
	}
	path := strings.Replace(wire.PathApprove, "{id}", strconv.FormatInt(a.Request.ID, 10), 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token-bob")
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if a, err = g.as("alice").Request(t.Context(), a.Request.ID, 0); err != nil || resp.StatusCode != http.StatusUnauthorized || a.Request.State != hoop.Pending {
		t.Errorf("%d, %s, %v", resp.StatusCode, a.Request.State, err)
	}
}

// Whoever is disabled while they wait for an answer gets none.
func TestWait_ForAnAnswerAfterTheSignInHasEnded(t *testing.T) {
	g := newGateway(t)
	a, err := g.as("alice").NewRequest(t.Context(), wire.NewRequest{Target: "one", Reason: "r"})
	if err != nil {
		t.Fatal(err)
	}
	for who, wait := range map[string]func(*wire.Client) error{
		"bob": func(c *wire.Client) error {
			_, err := c.Request(t.Context(), a.Request.ID, time.Millisecond)
			return err
		},
		"ann": func(c *wire.Client) error {
			_, err := c.Events(t.Context(), 0, time.Millisecond)
			return err
		},
	} {
		began := false
		g.identified = func(string) error {
			if began {
				return hoop.Errorf(hoop.CodeUnauthenticated, "the sign-in has ended")
			}
			began = true
			return nil
		}
		wantCode(t, wait(g.as(who)), hoop.CodeUnauthenticated)
	}
	bob := people["bob"]
	defer func() { people["bob"] = bob }()
	g.identified = func(string) error { // whoever has other groups meanwhile gets what those may see
		people["bob"] = hoop.Identity{Subject: bob.Subject, Kind: bob.Kind}
		return nil
	}
	_, err = g.as("bob").Request(t.Context(), a.Request.ID, time.Millisecond)
	wantCode(t, err, hoop.CodeNotFound)
}
