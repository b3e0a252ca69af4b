package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Decider takes what approvers say; *grant.Service is one.
type Decider interface {
	Request(ctx context.Context, viewer hoop.Identity, id int64) (hoop.Request, error)
	// Look gives a pending request to somebody who may approve it.
	Look(ctx context.Context, by hoop.Identity, id int64) (hoop.Request, error)
	Approve(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error)
	Deny(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error)
}

// Requests are those of all gateways on a store.
type Requests interface {
	Request(ctx context.Context, id int64) (hoop.Request, error)
	Requests(ctx context.Context, state hoop.RequestState, before int64, limit int) ([]hoop.Request, error)
}

// EventLog records that accounts are linked: Write returns when the event is durable.
type EventLog interface {
	Write(ctx context.Context, e *hoop.Event) error
}

// Slack is a channel where approvers decide.
type Slack struct {
	Token         string // bot token: chat:write
	SigningSecret string // of requests by Slack
	Channel       string // C0123456789
	// Users are accounts that the configuration links: TEAM/USER to a subject.
	Users  map[string]string
	Public string // the gateway's URL
	API    string // left out: https://slack.com/api
	// Identity is the identity of somebody who is signed in, as their identity provider
	// last had it. Nobody decides in a chat whose sign-ins have all ended.
	Identity func(ctx context.Context, subject string) (hoop.Identity, error)
	Decide   Decider
	Audit    EventLog
	// Shared are the requests that other gateways decide too, of which our log says nothing;
	// nil: there are no others.
	Shared Requests
}

const (
	slackSkew   = 5 * time.Minute // Slack, "Verifying requests from Slack"
	slackBody   = 256 << 10       // bytes of a request by Slack
	slackText   = 2500            // bytes of a statement in a message; a block takes 3,000 characters
	maxSeen     = 10_000          // requests by Slack in ten minutes
	maxMessages = 1000            // that are remembered, of pending requests
	linkLife    = 10 * time.Minute
	maxCodes    = 1000
	watchEvery  = 2 * time.Second // it is looked for what other gateways decided
)

// message is where a request was told.
type message struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Text    string `json:"text"`         // how it began, for when it ends
	At      int64  `json:"at,omitempty"` // ref.at
}

// ref names a request in a button. Another gateway, with a store of its own, has other
// requests of the same numbers, and Slack may call it in place of ours.
type ref struct {
	id int64
	at int64 // when it was made, in microseconds; 0: a button of an older version does not say
}

func (r ref) String() string {
	if r.at == 0 {
		return strconv.FormatInt(r.id, 10)
	}
	return fmt.Sprintf("%d.%d", r.id, r.at)
}

func parseRef(s string) (r ref, err error) {
	id, at, ok := strings.Cut(s, ".")
	r.id, err = strconv.ParseInt(id, 10, 64)
	if err == nil && ok {
		r.at, err = strconv.ParseInt(at, 10, 64)
	}
	if err == nil && r.id <= 0 {
		err = errors.New("no request")
	}
	return r, err
}

// linking says whose a chat account is.
type linking struct {
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
}

// code is a link to be.
type code struct {
	account, name string
	until         time.Time
}

// Chat is a Slack channel with its sink.
type Chat struct {
	*Sink
	slack Slack
	http  *http.Client

	doing   sync.WaitGroup // what goes on behind an answer to Slack
	watched time.Time      // of the last look at what other gateways decided; of Run's goroutine

	lock  sync.Mutex           // guards what follows
	seen  map[string]time.Time // signatures, so that none is taken twice
	codes map[string]code
	tried map[string]time.Time // what was refused lately: account, verb and request
}

// NewSlack makes the sink of a Slack channel. Its handler must be served, and its
// goroutines end with Wait.
func NewSlack(o Options, s Slack) (*Chat, error) {
	if s.API == "" {
		s.API = "https://slack.com/api"
	}
	if s.Token == "" || s.SigningSecret == "" || s.Channel == "" {
		return nil, fmt.Errorf("notify %s: slack wants token, signing_secret and channel", o.Name)
	}
	c := &Chat{slack: s, http: client(), seen: map[string]time.Time{}, codes: map[string]code{}, tried: map[string]time.Time{}}
	o.Events = []hoop.EventType{hoop.EventRequest, hoop.EventApproval, hoop.EventDenial, hoop.EventExpiry, hoop.EventCancel, hoop.EventGrant, hoop.EventAlert}
	var err error
	c.Sink, err = newSink(o, c)
	if c.state.Messages == nil {
		c.state.Messages = map[int64]message{}
	}
	if c.state.Links == nil {
		c.state.Links = map[string]linking{}
	}
	return c, err
}

// Wait returns when nothing goes on any more.
func (c *Chat) Wait() { c.doing.Wait() }

// tell implements teller: a message for a new request, a change of it for what follows.
func (c *Chat) tell(ctx context.Context, _ int64, e *hoop.Event) error {
	if e.Request == 0 {
		return nil
	}
	c.mu.Lock()
	m, known := c.state.Messages[e.Request]
	c.mu.Unlock()
	switch {
	case e.Type == hoop.EventAlert:
		text := fmt.Sprintf("Alert: %s took access to %s in an emergency (request %d): %s", shown(e.Subject, 200), shown(e.Target, 200), e.Request, shown(e.Reason, 1000))
		return c.call(ctx, "chat.postMessage", map[string]any{
			"channel": c.slack.Channel, "text": text, "blocks": []any{section(text), c.buttons(ref{id: e.Request}, false)},
		}, nil)
	case e.Type == hoop.EventRequest:
		if known {
			return nil
		}
		return c.post(ctx, e)
	case !known:
		return nil
	}
	text, final := outcome(e)
	blocks := []any{section(m.Text), section(text)}
	if !final {
		blocks = append(blocks, c.buttons(ref{e.Request, m.At}, true))
	}
	err := c.call(ctx, "chat.update", map[string]any{"channel": m.Channel, "ts": m.TS, "text": plainOf(m.Text, text), "blocks": blocks}, nil)
	if err != nil && !errors.Is(err, errRefused) || !final {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.state.Messages, e.Request) // of one that is not there any more, too
	return errors.Join(err, c.save())
}

// watch tells how those requests ended that other gateways on the store decided.
func (c *Chat) watch(ctx context.Context) error {
	now := c.o.Now()
	c.mu.Lock()
	open := slices.Sorted(maps.Keys(c.state.Messages))
	c.mu.Unlock()
	if c.slack.Shared == nil || len(open) == 0 || now.Sub(c.watched) < watchEvery {
		return nil
	}
	c.watched = now
	pending := map[int64]bool{}
	for before := int64(0); ; {
		const page = 500
		found, err := c.slack.Shared.Requests(ctx, hoop.Pending, before, page)
		if err != nil {
			return err
		}
		for _, r := range found {
			pending[r.ID], before = true, r.ID
		}
		if len(found) < page {
			break
		}
	}
	for _, id := range open {
		if pending[id] {
			continue
		}
		r, err := c.slack.Shared.Request(ctx, id)
		switch {
		case hoop.AsError(err).Code == hoop.CodeNotFound, err == nil && r.State == hoop.Pending: // about to be stored
			continue
		case err == nil:
			err = c.tell(ctx, 0, ending(&r))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ending is the event that ended a request, as far as a message tells it.
func ending(r *hoop.Request) *hoop.Event {
	e := &hoop.Event{Time: r.DecidedAt, Type: hoop.EventCancel, Request: r.ID, Reason: r.DecisionWhy}
	if n := len(r.Approvals); n > 0 {
		e.Subject = r.Approvals[n-1].By
	}
	switch r.State {
	case hoop.Approved:
		e.Type = hoop.EventApproval
		if len(r.Approvals) == 0 {
			e.Type = hoop.EventGrant
		}
	case hoop.Denied:
		e.Type = hoop.EventDenial
	case hoop.Expired:
		e.Type = hoop.EventExpiry
	}
	return e
}

// post tells a request. What is too long for a message is decided elsewhere, where it
// can be read.
func (c *Chat) post(ctx context.Context, e *hoop.Event) error {
	text := fmt.Sprintf("Request %d: %s asks", e.Request, shown(e.Subject, 200))
	if len(e.Chain) > 0 {
		text += " on behalf of " + shown(strings.Join(e.Chain, ", for "), 200)
	}
	statement := barred(e.Text)
	whole := len(statement) <= slackText
	if e.Text == "" {
		text += " for access to " + shown(e.Target, 200)
	} else {
		text += " to run on " + shown(e.Target, 200) + ":\n" + statement
		if !whole {
			text += "\n(there is more: open it to decide)"
		}
	}
	if len(e.Effects) > 0 {
		var names []string
		for _, f := range e.Effects {
			names = append(names, string(f))
		}
		text += "\nEffects: " + strings.Join(names, ", ")
	}
	if len(e.Tables) > 0 {
		text += "\nTables: " + shown(strings.Join(e.Tables, ", "), 300)
	}
	about := ref{id: e.Request}
	if !e.Time.IsZero() {
		about.at = e.Time.UnixMicro()
	}
	var sent struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	if err := c.call(ctx, "chat.postMessage", map[string]any{
		"channel": c.slack.Channel, "text": text, "unfurl_links": false,
		"blocks": []any{section(text), c.buttons(about, whole)},
	}, &sent); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.state.Messages) >= maxMessages { // the oldest: its buttons still work, and say what became of it
		oldest := e.Request
		for id := range c.state.Messages {
			oldest = min(oldest, id)
		}
		delete(c.state.Messages, oldest)
	}
	c.state.Messages[e.Request] = message{sent.Channel, sent.TS, text, about.at}
	return c.save()
}

// call calls a method of Slack's Web API; answer may be nil.
func (c *Chat) call(ctx context.Context, method string, args map[string]any, answer any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.slack.API+"/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Authorization", "Bearer "+c.slack.Token)
	resp, err := c.http.Do(req)
	if err != nil {
		return hideURL(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("slack %s: %w", method, err)
	}
	var said struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("slack %s: status %d", method, resp.StatusCode)
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return fmt.Errorf("slack %s: its answer is no JSON", method)
	}
	if !said.OK {
		err := fmt.Errorf("slack %s: %s", method, shown(said.Error, 64))
		if slices.Contains([]string{"message_not_found", "cant_update_message", "edit_window_closed"}, said.Error) {
			err = fmt.Errorf("%w: %w", err, errRefused)
		}
		return err
	}
	if answer != nil {
		return json.Unmarshal(b, answer)
	}
	return nil
}

// hideURL keeps a URL out of logs: it may hold a secret path.
func hideURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// ServeHTTP takes what people press (Slack, "Handling user interaction"). Only what
// Slack signed in the last five minutes counts, and only once.
func (c *Chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, slackBody))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := c.verify(r.Header, body); err != nil {
		c.o.Logger.WarnContext(r.Context(), "notify: not from Slack", "sink", c.o.Name, "error", err)
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	p, err := parsePayload(body)
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	answer := c.act(r.Context(), p)
	if answer == nil {
		return // 200 and nothing: taken
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// verify checks Slack's signature, version v0.
func (c *Chat) verify(h http.Header, body []byte) error {
	at, err := strconv.ParseInt(h.Get("X-Slack-Request-Timestamp"), 10, 64)
	if err != nil {
		return errors.New("no timestamp")
	}
	now := c.o.Now()
	if d := now.Sub(time.Unix(at, 0)); d > slackSkew || d < -slackSkew {
		return errors.New("its time is not now")
	}
	mac := hmac.New(sha256.New, []byte(c.slack.SigningSecret))
	fmt.Fprintf(mac, "v0:%d:", at)
	mac.Write(body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(want), []byte(h.Get("X-Slack-Signature"))) {
		return errors.New("the signature is not Slack's")
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	for s, t := range c.seen {
		if now.Sub(t) > 2*slackSkew {
			delete(c.seen, s)
		}
	}
	if _, again := c.seen[want]; again || len(c.seen) >= maxSeen {
		return errors.New("it was sent before")
	}
	c.seen[want] = now
	return nil
}

// unlinked makes a code, and says what to do with it.
func (c *Chat) unlinked(account, name string) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	now := c.o.Now()
	for k, v := range c.codes {
		if !now.Before(v.until) || v.account == account {
			delete(c.codes, k)
		}
	}
	if len(c.codes) >= maxCodes {
		return hoop.Errorf(hoop.CodeTooMany, "too many accounts are being linked").WithHint("try again in ten minutes")
	}
	text := rand.Text()[:16]
	c.codes[text] = code{account, name, now.Add(linkLife)}
	return hoop.Errorf(hoop.CodeUnauthenticated, "this chat account is not linked to you").
		WithHint("within ten minutes, enter the code %s at %s/link, and press again; give it to nobody", text, c.slack.Public)
}

// Peek says which account a code would link, and what it calls itself.
func (c *Chat) Peek(text string) (account, name string, ok bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	k, ok := c.codes[cleanCode(text)]
	if !ok || !c.o.Now().Before(k.until) {
		return "", "", false
	}
	return k.account, shown(k.name, 80), true
}

func cleanCode(text string) string { return strings.ToUpper(strings.TrimSpace(text)) }

// Link gives the chat account that asked for the code to id, after that is on record. A
// code is good for one try.
func (c *Chat) Link(ctx context.Context, id hoop.Identity, text string) (account string, err error) {
	if id.Kind != hoop.Human || len(id.Chain) > 0 {
		return "", hoop.Errorf(hoop.CodeDenied, "only people link chat accounts")
	}
	c.lock.Lock()
	k, ok := c.codes[cleanCode(text)]
	delete(c.codes, cleanCode(text))
	c.lock.Unlock()
	now := c.o.Now()
	if !ok || !now.Before(k.until) {
		return "", errNoCode
	}
	if err := c.slack.Audit.Write(ctx, &hoop.Event{
		Time: now.UTC(), Type: hoop.EventChatLink, Subject: id.Subject,
		Details: []hoop.Detail{{Name: "chat", Value: c.o.Name}, {Name: "account", Value: k.account}, {Name: "account_name", Value: shown(k.name, 80)}},
	}); err != nil {
		return "", hoop.Errorf(hoop.CodeUnrecorded, "the gateway cannot record this, so it did not happen").Wrap(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Links[k.account] = linking{id.Subject, now.UTC()}
	if err := c.save(); err != nil {
		delete(c.state.Links, k.account)
		return "", err
	}
	return k.account, nil
}

var errNoCode = hoop.Errorf(hoop.CodeNotFound, "there is no such code, or its ten minutes are over").
	WithHint("press the button in the chat again")

// Chats are all chats of a gateway, for the page that links accounts.
type Chats []*Chat

// Peek asks them all.
func (c Chats) Peek(text string) (account, name string, ok bool) {
	for _, chat := range c {
		if account, name, ok = chat.Peek(text); ok {
			return account, name, true
		}
	}
	return "", "", false
}

// Link links by the code of any of them.
func (c Chats) Link(ctx context.Context, id hoop.Identity, text string) (string, error) {
	for _, chat := range c {
		if _, _, ok := chat.Peek(text); ok {
			return chat.Link(ctx, id, text)
		}
	}
	return "", errNoCode
}
