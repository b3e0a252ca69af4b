package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// double is Slack's Web API, as far as we call it.
type double struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // method and what it says
	fail  string
}

func newDouble(t *testing.T) *double {
	d := &double{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer xoxb-token" || !json.Valid(b) {
			fmt.Fprint(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		}
		d.calls = append(d.calls, strings.TrimPrefix(r.URL.Path, "/")+" "+string(b))
		if d.fail != "" {
			fmt.Fprintf(w, `{"ok":false,"error":%q}`, d.fail)
			return
		}
		fmt.Fprint(w, `{"ok":true,"channel":"C1","ts":"1700000000.000100"}`)
	}))
	t.Cleanup(d.Close)
	return d
}

// take gives what was called since.
func (d *double) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.calls
	d.calls = nil
	return out
}

// made is when the decider's requests were.
var made = time.UnixMicro(1_790_000_000_000_123)

// decider notes what was decided, and refuses a requester's own.
type decider struct {
	mu      sync.Mutex
	more    string // of the statement
	before  bool   // whoever approves did so before
	decided []string
}

func (d *decider) note(verb string, by hoop.Identity, id int64, reason string) (hoop.Request, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if by.Subject == "corp:dana" {
		return hoop.Request{}, hoop.Errorf(hoop.CodeDenied, "nobody decides about a request of their own")
	}
	if verb == "denied" && strings.TrimSpace(reason) == "" {
		return hoop.Request{}, hoop.Errorf(hoop.CodeInvalid, "a denial needs a reason")
	}
	d.decided = append(d.decided, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", by.Subject, verb, id, reason)))
	return hoop.Request{}, nil
}

func (d *decider) Request(ctx context.Context, by hoop.Identity, id int64) (hoop.Request, error) {
	return d.Look(ctx, by, id)
}

func (d *decider) Look(_ context.Context, by hoop.Identity, id int64) (hoop.Request, error) {
	if by.Subject == "corp:dana" {
		return hoop.Request{}, hoop.Errorf(hoop.CodeDenied, "nobody decides about a request of their own")
	}
	return hoop.Request{
		ID: id, CreatedAt: made, Kind: hoop.RequestStatement, State: hoop.Pending, Target: "pg-prod", Requester: hoop.Identity{Subject: "corp:dana", Chain: []string{"corp:kim"}},
		Statement: "DELETE FROM t WHERE ssn = 'literal'", Params: []string{"literal"}, Executes: []string{"literal"}, Shape: "DELETE FROM t WHERE ssn = $1" + d.more,
		Effects: []hoop.Use{{Effect: hoop.EffectUnboundedWrite, Tables: []string{"public.t"}, Why: "no condition"}}, Groups: []string{"dba"}, Count: 2,
		Facts: &hoop.Facts{
			Session: hoop.SessionSoFar{Client: "psql\x1b", Statements: 4}, Estimate: hoop.Estimate{Known: true, Rows: 1234, What: "change"},
			Protected: []hoop.ColumnRef{{Schema: "public", Table: "t", Column: "ssn"}}, Transaction: "one is open", Locks: hoop.Locks{Held: []hoop.Lock{{On: "public.t", Mode: "RowShareLock"}}},
		},
	}, nil
}

func (d *decider) Approve(_ context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error) {
	r, err := d.note("approved", by, id, reason)
	r.Count, r.Repeated = 2, d.before
	return r, err
}

func (d *decider) Deny(_ context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error) {
	return d.note("denied", by, id, reason)
}

type room struct {
	*Chat
	t       *testing.T
	api     *double
	log     *memLog
	decider *decider
	gone    map[string]bool // whose sign-ins have ended
	at      time.Time
	o       Options
}

func newRoom(t *testing.T) *room {
	r := &room{t: t, api: newDouble(t), log: &memLog{}, decider: &decider{}, gone: map[string]bool{}, at: time.Now()}
	r.o = options(t, r.log)
	r.o.Now = func() time.Time { return r.at }
	r.open()
	return r
}

func (r *room) open() {
	r.t.Helper()
	var err error
	r.Chat, err = NewSlack(r.o, Slack{
		Token: "xoxb-token", SigningSecret: "sssh", Channel: "C1", Users: map[string]string{"T1/U1": "corp:alex", "T1/U2": "corp:dana"},
		Public: "https://gateway.example", API: r.api.URL, Decide: r.decider, Audit: r.log,
		Identity: func(_ context.Context, subject string) (hoop.Identity, error) {
			if r.gone[subject] {
				return hoop.Identity{}, hoop.Errorf(hoop.CodeUnauthenticated, "your sign-in has ended")
			}
			return hoop.Identity{Subject: subject, Kind: hoop.Human}, nil
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) round() []string {
	r.t.Helper()
	if err := r.Chat.round(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return r.api.take()
}

// send posts a payload as Slack does; change may spoil it.
func (r *room) send(payload string, change ...func(*http.Request)) (int, string) {
	r.t.Helper()
	body := url.Values{"payload": {payload}}.Encode()
	req := httptest.NewRequest(http.MethodPost, "/slack/siem", strings.NewReader(body))
	at := r.at.Unix()
	mac := hmac.New(sha256.New, []byte("sssh"))
	fmt.Fprintf(mac, "v0:%d:%s", at, body)
	req.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(at))
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	for _, c := range change {
		c(req)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	r.Wait()
	return w.Code, w.Body.String()
}

func press(user, action string, nonce int) string {
	return fmt.Sprintf(`{"type":"block_actions","trigger_id":"t%d","user":{"id":%q,"username":"alex","team_id":"T1"},"channel":{"id":"C1"},"actions":[{"action_id":%q,"value":"17"}]}`, nonce, user, action)
}

func TestSlack_TellsAndUpdates(t *testing.T) {
	r := newRoom(t)
	r.log.add(&hoop.Event{
		Type: hoop.EventRequest, Request: 17, Subject: "corp:dana", Chain: []string{"corp:kim", "corp:lee"}, Target: "pg-prod", Text: "DELETE FROM t WHERE a = $1 <!channel> \u202e\u3164",
		Effects: []hoop.Effect{hoop.EffectUnboundedWrite}, Tables: []string{"public.t"},
	})
	calls := r.round()
	if len(calls) != 1 || !strings.HasPrefix(calls[0], "chat.postMessage") {
		t.Fatalf("got %v", calls)
	}
	for _, want := range []string{`plain_text`, `corp:dana asks on behalf of corp:kim, for corp:lee to run on pg-prod`, "‹U+202E›‹U+3164›", `"action_id":"approve"`, `"action_id":"deny"`, `https://gateway.example/requests/17`, "unbounded-write", "public.t"} {
		if !strings.Contains(calls[0], want) {
			t.Errorf("no %q in %s", want, calls[0])
		}
	}
	if strings.Contains(calls[0], "mrkdwn") {
		t.Error("a text of others is read as markup")
	}
	r.open() // the gateway was started again
	r.log.add(&hoop.Event{Type: hoop.EventApproval, Request: 17, Subject: "corp:alex", Details: []hoop.Detail{{Name: "approvals", Value: "1 of 2"}}})
	if calls = r.round(); len(calls) != 1 || !strings.HasPrefix(calls[0], "chat.update") || !strings.Contains(calls[0], "1 of 2") || !strings.Contains(calls[0], `"action_id":"approve"`) {
		t.Errorf("got %v", calls)
	}
	r.log.add(&hoop.Event{Type: hoop.EventDenial, Request: 17, Subject: "corp:kim", Reason: "no"}, &hoop.Event{Type: hoop.EventExpiry, Request: 17})
	if calls = r.round(); len(calls) != 1 || !strings.Contains(calls[0], "Denied by corp:kim: no") || strings.Contains(calls[0], "action_id") {
		t.Errorf("got %v", calls)
	}
}

// Nothing that a requester writes begins a line, where it could pass for one of ours.
func TestSlack_NothingPassesForOurs(t *testing.T) {
	const evil = "x\nEVIL: y"
	lines := described(&hoop.Request{
		Kind: hoop.RequestStatement, Requester: hoop.Identity{Subject: evil, Chain: []string{evil}}, Target: evil, Reason: evil, Shape: evil, Groups: []string{evil},
		Scope: hoop.Scope{Tables: []string{evil}}, Effects: []hoop.Use{{Effect: hoop.EffectDDL, Tables: []string{evil}, Why: evil}}, Approvals: []hoop.Approval{{Name: evil, Approve: true}},
		Facts: &hoop.Facts{Session: hoop.SessionSoFar{Client: evil, Database: evil}, Transaction: evil},
	}, time.Now())
	if got := strings.Join(lines, "\n"); strings.Contains(got, "\nEVIL") || !strings.Contains(got, "│ x\n│ EVIL: y\n") {
		t.Errorf("%s", got)
	}
	r := newRoom(t)
	r.log.add(
		&hoop.Event{Type: hoop.EventRequest, Request: 17, Subject: evil, Chain: []string{evil}, Target: evil, Text: evil, Tables: []string{evil}, Effects: []hoop.Effect{hoop.EffectDDL}},
		&hoop.Event{Type: hoop.EventAlert, Request: 18, Subject: evil, Target: evil, Reason: evil},
		&hoop.Event{Type: hoop.EventDenial, Request: 17, Subject: evil, Reason: evil},
	)
	if got := strings.Join(r.round(), "\n"); strings.Contains(got, `\nEVIL`) || strings.Count(got, `│ x\n│ EVIL: y\nEffects: ddl`) < 2 {
		t.Errorf("%s", got)
	}
}

// A statement of many lines gets longer by its bars, and is not offered where it does not fit.
func TestSlack_CutsAStatementOfManyLines(t *testing.T) {
	if got := barred(strings.Repeat("\n", slackText)); len(got) <= slackText || len(got) > slackText+20 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestSlack_TakesTheButtonsFromWhatIsGrantedAtOnce(t *testing.T) {
	r := newRoom(t)
	r.log.add(&hoop.Event{Type: hoop.EventRequest, Request: 17, Subject: "x", Target: "pg"}, &hoop.Event{Type: hoop.EventGrant, Request: 17, Subject: "x"})
	if calls := r.round(); len(calls) != 2 || !strings.Contains(calls[1], "no approval was needed") || strings.Contains(calls[1], `"approve"`) {
		t.Errorf("got %v", calls)
	}
}

func TestSlack_TellsOfEmergencies(t *testing.T) {
	r := newRoom(t)
	r.log.add(&hoop.Event{Type: hoop.EventAlert, Request: 17, Subject: "corp:dana", Target: "pg-prod", Reason: "the ward is offline"})
	if calls := r.round(); len(calls) != 1 || !strings.Contains(calls[0], "corp:dana took access to pg-prod in an emergency (request 17): the ward is offline") || strings.Contains(calls[0], `"approve"`) {
		t.Errorf("got %v", calls)
	}
}

func TestSlack_OffersNoButtonForWhatIsCut(t *testing.T) {
	r := newRoom(t)
	r.log.add(&hoop.Event{Type: hoop.EventRequest, Request: 17, Subject: "x", Text: strings.Repeat("x", slackText+1)})
	if calls := r.round(); len(calls) != 1 || strings.Contains(calls[0], `"action_id":"approve"`) || !strings.Contains(calls[0], "open it to decide") {
		t.Errorf("got %v", calls)
	}
}

// Buttons are for the request that the message is about. Another gateway, with another store,
// has one of the same number, and Slack calls one address only.
func TestSlack_ButtonsOfAnotherGateway(t *testing.T) {
	r := newRoom(t)
	r.log.add(&hoop.Event{Type: hoop.EventRequest, Request: 17, Subject: "corp:dana", Time: made})
	const value = "17.1790000000000123"
	if calls := r.round(); len(calls) != 1 || strings.Count(calls[0], `"value":"`+value+`"`) != 3 {
		t.Fatalf("got %v", calls)
	}
	submit := strings.NewReplacer(`"17"`, `"`+value+`"`)
	for _, action := range []string{"approve", "deny"} {
		r.send(submit.Replace(press("U1", action, 1)))
		if calls := r.api.take(); len(calls) != 1 || !strings.HasPrefix(calls[0], "views.open") || !strings.Contains(calls[0], `"private_metadata":"`+value+`"`) {
			t.Errorf("%s: got %v", action, calls)
		}
		r.send(strings.Replace(press("U1", action, 2), `"17"`, `"17.1790000000000124"`, 1))
		if calls := r.api.take(); len(calls) != 1 || !strings.Contains(calls[0], "request 17 of another gateway") {
			t.Errorf("%s of another's: got %v", action, calls)
		}
	}
	if _, body := r.send(strings.Replace(submitted("no"), `"17"`, `"17.1790000000000124"`, 1)); !strings.Contains(body, "request 17 of another gateway") || len(r.decider.decided) != 0 {
		t.Errorf("%s, %v", body, r.decider.decided)
	}
	if _, body := r.send(submit.Replace(submitted("no"))); body != "" || len(r.decider.decided) != 1 {
		t.Errorf("%s, %v", body, r.decider.decided)
	}
}

// elsewhere are requests in a store that other gateways decide in.
type elsewhere map[int64]hoop.Request

func (e elsewhere) Request(_ context.Context, id int64) (hoop.Request, error) {
	if r, ok := e[id]; ok {
		return r, nil
	}
	return hoop.Request{}, hoop.Errorf(hoop.CodeNotFound, "there is no request %d", id)
}

func (e elsewhere) Requests(_ context.Context, state hoop.RequestState, before int64, _ int) (found []hoop.Request, err error) {
	for _, r := range e {
		if r.State == state && (before == 0 || r.ID < before) {
			found = append(found, r)
		}
	}
	return found, nil
}

// A message is updated when its request ends, whichever gateway decided it.
func TestSlack_DecidedAtAnotherGateway(t *testing.T) {
	r := newRoom(t)
	all := elsewhere{}
	r.slack.Shared = all
	watch := func() []string {
		t.Helper()
		r.at = r.at.Add(watchEvery)
		if err := r.watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r.api.take()
	}
	by := []hoop.Approval{{By: "corp:alex", Approve: true}, {By: "corp:kim", Approve: true}}
	for id, state := range []hoop.RequestState{hoop.Pending, hoop.Approved, hoop.Denied, hoop.Expired, hoop.Cancelled, hoop.Approved} {
		q := hoop.Request{ID: int64(id + 1), State: state, DecisionWhy: "since"}
		if id == 1 || id == 2 {
			q.Approvals = by
		}
		all[q.ID] = q
	}
	for id := range int64(7) {
		r.log.add(&hoop.Event{Type: hoop.EventRequest, Request: id + 1, Subject: "corp:dana"})
	}
	r.round()
	calls := watch()
	if len(calls) != 5 {
		t.Fatalf("got %v", calls)
	}
	for i, want := range []string{"Approved by corp:kim.", "Denied by corp:kim: since", "Expired", "Cancelled", "Granted: no approval was needed."} {
		if !strings.HasPrefix(calls[i], "chat.update") || !strings.Contains(calls[i], want) || strings.Contains(calls[i], "action_id") {
			t.Errorf("got %s, want %q", calls[i], want)
		}
	}
	if calls := watch(); len(calls) != 0 {
		t.Errorf("told again: %v", calls)
	}
}

// submitted is the answer to the question for a reason to deny.
func submitted(reason string) string {
	return fmt.Sprintf(`{"type":"view_submission","user":{"id":"U1","team_id":"T1"},"view":{"callback_id":"deny","private_metadata":"17","state":{"values":{"reason":{"reason":{"value":%q}}}}}}`, reason)
}

func TestSlack_Decides(t *testing.T) {
	r := newRoom(t)
	if code, body := r.send(press("U1", "approve", 1)); code != http.StatusOK || body != "" {
		t.Errorf("got %d %s", code, body)
	}
	// The button alone decides nothing: whoever pressed reads first what there is to know.
	calls := r.api.take()
	if len(calls) != 1 || !strings.HasPrefix(calls[0], "views.open") || len(r.decider.decided) != 0 || strings.Contains(calls[0], "literal") {
		t.Fatalf("got %v, %v", calls, r.decider.decided)
	}
	for _, want := range []string{
		"corp:dana, on behalf of corp:kim on pg-prod", "DELETE FROM t WHERE ssn = $1", "unbounded-write on public.t: no condition", "psql‹U+001B› from", "4 statements",
		"about 1,234 would change", "Protected: public.t.ssn", "Transaction: one is open", "RowShareLock on public.t", "2 people of dba", `"private_metadata":"17"`,
	} {
		if !strings.Contains(calls[0], want) {
			t.Errorf("no %q in %s", want, calls[0])
		}
	}
	if _, body := r.send(strings.Replace(submitted("looked at it"), `"deny"`, `"approve"`, 1)); body != "" {
		t.Errorf("got %s", body)
	}
	r.decider.more = strings.Repeat("x", 3000)
	r.send(press("U1", "approve", 9))
	if calls := r.api.take(); len(calls) != 1 || !strings.HasPrefix(calls[0], "chat.postEphemeral") || !strings.Contains(calls[0], "https://gateway.example/requests/17") {
		t.Errorf("got %v", calls)
	}
	r.send(press("U1", "deny", 2))
	if calls := r.api.take(); len(calls) != 1 || !strings.HasPrefix(calls[0], "views.open") || !strings.Contains(calls[0], `"trigger_id":"t2"`) || !strings.Contains(calls[0], `"private_metadata":"17"`) {
		t.Errorf("got %v", calls)
	}
	if _, body := r.send(submitted(" ")); !strings.Contains(body, "a denial needs a reason") {
		t.Errorf("got %s", body)
	}
	if _, body := r.send(submitted("use the replica")); body != "" {
		t.Errorf("got %s", body)
	}
	r.decider.before = true
	if _, body := r.send(strings.Replace(submitted("again"), `"deny"`, `"approve"`, 1)); !strings.Contains(body, "request 17: your approval counted before, and counts once") {
		t.Errorf("approving twice: %s", body)
	}
	r.decider.decided = r.decider.decided[:2]
	if want := []string{"corp:alex approved 17 looked at it", "corp:alex denied 17 use the replica"}; !slices.Equal(r.decider.decided, want) {
		t.Errorf("got %v", r.decider.decided)
	}
	r.send(press("U2", "approve", 3))
	if calls := r.api.take(); len(calls) != 1 || !strings.HasPrefix(calls[0], "chat.postEphemeral") || !strings.Contains(calls[0], "request of their own") || !strings.Contains(calls[0], `"user":"U2"`) {
		t.Errorf("got %v", calls)
	}
	r.send(press("U2", "approve", 5))
	r.api.take()
	if e := r.log.events[len(r.log.events)-1]; len(r.log.events) != 1 || e.Type != hoop.EventAPIDenied || e.Subject != "corp:dana" || !strings.Contains(e.Reason, "request of their own") ||
		!slices.Contains(e.Details, hoop.Detail{Name: "id", Value: "17"}) || !slices.Contains(e.Details, hoop.Detail{Name: "account", Value: "T1/U2"}) {
		t.Errorf("on record: %+v", r.log.events)
	}
	r.gone["corp:alex"] = true
	r.send(press("U1", "approve", 4))
	if calls := r.api.take(); len(calls) != 1 || !strings.Contains(calls[0], "your sign-in has ended") || len(r.decider.decided) != 2 {
		t.Errorf("got %v, %v", calls, r.decider.decided)
	}
}

func TestSlack_TakesOnlyWhatSlackSigned(t *testing.T) {
	r := newRoom(t)
	for name, change := range map[string]func(*http.Request){
		"no signature": func(q *http.Request) { q.Header.Del("X-Slack-Signature") },
		"another one":  func(q *http.Request) { q.Header.Set("X-Slack-Signature", "v0="+strings.Repeat("0", 64)) },
		"no time":      func(q *http.Request) { q.Header.Del("X-Slack-Request-Timestamp") },
		"another time": func(q *http.Request) { q.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(r.at.Unix()+1)) },
		"another body": func(q *http.Request) { q.Body = io.NopCloser(strings.NewReader("payload=%7B%7D")) },
	} {
		if code, _ := r.send(press("U1", "approve", 1), change); code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, code)
		}
	}
	now := r.at
	r.send(press("U1", "approve", 1), func(*http.Request) { r.at = now.Add(slackSkew + time.Second) })
	r.at = now
	r.send(press("U1", "approve", 2))
	if code, _ := r.send(press("U1", "approve", 2)); code != http.StatusUnauthorized {
		t.Errorf("again: status %d", code)
	}
	if calls := r.api.take(); len(calls) != 1 || !strings.HasPrefix(calls[0], "views.open") {
		t.Errorf("got %v", calls)
	}
	for _, p := range []string{`{}`, `[]`, `{"user":{"id":"U1"},"type":"block_actions","actions":[]}`, `{"user":{"id":"U1"},"type":"block_actions","actions":[{"action_id":"approve","value":"x"}]}`} {
		if code, _ := r.send(p); code >= 500 {
			t.Errorf("%s: status %d", p, code)
		}
	}
}

// An account decides in nobody's name until somebody who is signed in says it is theirs:
// no name and no address links it.
func TestSlack_LinksAccountsByCodeOnly(t *testing.T) {
	r := newRoom(t)
	r.send(press("U9", "approve", 1))
	calls := r.api.take()
	if len(calls) != 1 || !strings.Contains(calls[0], "not linked to you") || len(r.decider.decided) != 0 {
		t.Fatalf("got %v, %v", calls, r.decider.decided)
	}
	_, rest, _ := strings.Cut(calls[0], "enter the code ")
	code := rest[:16]
	kim := hoop.Identity{Subject: "corp:kim", Kind: hoop.Human}
	if account, name, ok := (Chats{r.Chat}).Peek(code); !ok || account != "T1/U9" || name != "alex" {
		t.Errorf("got %s, %s, %v", account, name, ok)
	}
	if _, err := r.Link(t.Context(), hoop.Identity{Subject: "service:x", Kind: hoop.Service}, code); err == nil {
		t.Error("a program links an account")
	}
	if account, err := (Chats{r.Chat}).Link(t.Context(), kim, strings.ToLower(code)); err != nil || account != "T1/U9" {
		t.Fatalf("got %s, %v", account, err)
	}
	if _, err := r.Link(t.Context(), kim, code); err == nil {
		t.Error("a code is good twice")
	}
	if e := r.log.events[len(r.log.events)-1]; e.Type != hoop.EventChatLink || e.Subject != "corp:kim" {
		t.Errorf("event %+v", e)
	}
	r.open() // the gateway was started again
	r.send(strings.NewReplacer(`"deny"`, `"approve"`, "U1", "U9").Replace(submitted("")))
	if want := []string{"corp:kim approved 17"}; !slices.Equal(r.decider.decided, want) {
		t.Errorf("got %v", r.decider.decided)
	}
	// The same user in another workspace is another account.
	r.send(strings.Replace(press("U9", "approve", 3), `"T1"`, `"T2"`, 1))
	if len(r.decider.decided) != 1 {
		t.Errorf("got %v", r.decider.decided)
	}
	calls = r.api.take()
	_, rest, _ = strings.Cut(calls[len(calls)-1], "enter the code ")
	r.at = r.at.Add(linkLife)
	if _, err := r.Link(t.Context(), kim, rest[:16]); err == nil {
		t.Error("a code outlives its ten minutes")
	}
}

func FuzzParsePayload(f *testing.F) {
	f.Add([]byte(url.Values{"payload": {press("U1", "approve", 1)}}.Encode()))
	f.Add([]byte("payload=%7B%7D&payload="))
	f.Fuzz(func(t *testing.T, body []byte) {
		if p, err := parsePayload(body); err == nil && p.User.ID == "" {
			t.Error("a payload of nobody")
		}
	})
}
