package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// Limits of what the client takes from a gateway.
const (
	maxAnswer   = 64 << 20         // bytes of a JSON answer
	maxProblem  = 64 << 10         // bytes of an error answer
	callTimeout = 30 * time.Second // of a call that does not stream, beside what it asks the gateway to wait
)

// Client calls a gateway's API. It may be used by several goroutines at once.
//
// Errors that the gateway states are *hoop.Error with its code, message and hint.
// Errors of the network are wrapped as they come.
type Client struct {
	Base  string       // "https://host:port", without a slash at the end
	HTTP  *http.Client // must refuse redirects: the token goes to Base alone
	Agent string       // User-Agent

	// Token gives the bearer token of each call that wants one.
	Token func(ctx context.Context) (string, error)
	// Renew gives another token after the gateway refused stale; nil where there is
	// none to be had. It is asked at most once per call.
	Renew func(ctx context.Context, stale string) (string, error)
}

// RequestFilter narrows a list of requests.
type RequestFilter struct {
	State hoop.RequestState // empty: every state
	Inbox bool              // only what I may decide
}

// Version tells what the gateway runs; it needs no token.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	err := c.do(ctx, call{method: http.MethodGet, path: PathVersion, open: true}, &v)
	return v, err
}

// Me tells who the token says I am.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var v Me
	err := c.do(ctx, call{method: http.MethodGet, path: PathMe}, &v)
	return v, err
}

// Targets lists the targets I may reach.
func (c *Client) Targets(ctx context.Context) ([]Target, error) {
	return list[Target](ctx, c, PathTargets, nil)
}

// Requests lists my requests and those I may decide.
func (c *Client) Requests(ctx context.Context, f RequestFilter) ([]hoop.Request, error) {
	q := url.Values{}
	if f.State != "" {
		q.Set("state", string(f.State))
	}
	if f.Inbox {
		q.Set("inbox", "1")
	}
	return list[hoop.Request](ctx, c, PathRequests, q)
}

// NewRequest asks for a grant; the answer carries it where no approval is needed.
func (c *Client) NewRequest(ctx context.Context, r NewRequest) (RequestAnswer, error) {
	var v RequestAnswer
	err := c.do(ctx, call{method: http.MethodPost, path: PathRequests, body: r}, &v)
	return v, err
}

// Request gives a request as it stands, after waiting up to wait for its decision.
func (c *Client) Request(ctx context.Context, id int64, wait time.Duration) (RequestAnswer, error) {
	k := call{method: http.MethodGet, path: withID(PathRequest, strconv.FormatInt(id, 10)), wait: wait}
	if wait > 0 {
		k.query = url.Values{"wait": {wait.String()}}
	}
	var v RequestAnswer
	err := c.do(ctx, k, &v)
	return v, err
}

// Approve says yes to a request.
func (c *Client) Approve(ctx context.Context, id int64, reason string) (hoop.Request, error) {
	return c.decide(ctx, PathApprove, id, reason)
}

// Deny says no to a request.
func (c *Client) Deny(ctx context.Context, id int64, reason string) (hoop.Request, error) {
	return c.decide(ctx, PathDeny, id, reason)
}

// Cancel withdraws a request of one's own.
func (c *Client) Cancel(ctx context.Context, id int64) (hoop.Request, error) {
	return c.decide(ctx, PathCancel, id, "")
}

func (c *Client) decide(ctx context.Context, path string, id int64, reason string) (hoop.Request, error) {
	var v hoop.Request
	k := call{method: http.MethodPost, path: withID(path, strconv.FormatInt(id, 10)), body: Verdict{Reason: reason}}
	err := c.do(ctx, k, &v)
	return v, err
}

// Grants lists my grants in force; with all, those that ended and those of others
// too, as far as I may see them.
func (c *Client) Grants(ctx context.Context, all bool) ([]hoop.Grant, error) {
	q := url.Values{}
	if all {
		q.Set("all", "1")
	}
	return list[hoop.Grant](ctx, c, PathGrants, q)
}

// Revoke ends a grant at once.
func (c *Client) Revoke(ctx context.Context, id, reason string) (hoop.Grant, error) {
	var v hoop.Grant
	k := call{method: http.MethodPost, path: withID(PathRevoke, id), body: Verdict{Reason: reason}}
	err := c.do(ctx, k, &v)
	return v, err
}

// Review says what one found about a grant that was taken in an emergency.
func (c *Client) Review(ctx context.Context, id, finding string) (hoop.Grant, error) {
	var v hoop.Grant
	k := call{method: http.MethodPost, path: withID(PathReview, id), body: Verdict{Reason: finding}}
	err := c.do(ctx, k, &v)
	return v, err
}

// Reviews lists the grants taken in an emergency that wait for a review; with all, those
// that have one too.
func (c *Client) Reviews(ctx context.Context, all bool) ([]hoop.Grant, error) {
	q := url.Values{}
	if all {
		q.Set("all", "1")
	}
	return list[hoop.Grant](ctx, c, PathReviews, q)
}

// Sessions lists sessions, newest first; limit 0 leaves their number to the gateway.
func (c *Client) Sessions(ctx context.Context, limit int) ([]hoop.SessionInfo, error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return list[hoop.SessionInfo](ctx, c, PathSessions, q)
}

// Session describes one session.
func (c *Client) Session(ctx context.Context, id string) (hoop.SessionInfo, error) {
	var v hoop.SessionInfo
	err := c.do(ctx, call{method: http.MethodGet, path: withID(PathSession, id)}, &v)
	return v, err
}

// Recording streams a session's recording in clear: one recording.Record in JSON per
// line. The caller closes it.
func (c *Client) Recording(ctx context.Context, id string) (io.ReadCloser, error) {
	return c.stream(ctx, withID(PathRecording, id), "application/x-ndjson")
}

// Index tells where the statements of a session's recording are.
func (c *Client) Index(ctx context.Context, id string) (recording.Index, error) {
	var v recording.Index
	err := c.do(ctx, call{method: http.MethodGet, path: withID(PathIndex, id), wait: indexTime}, &v)
	return v, err
}

// indexTime is what the gateway may take to read a recording that has no index of its own.
const indexTime = 10 * time.Minute

// Part gives the records from a position on that Index or Part gave, about as many as
// take that many bytes in the recording, and where the next part begins. more is false
// where there is none by now.
func (c *Client) Part(ctx context.Context, id string, from recording.Position, bytes int64) (records []*recording.Record, next recording.Position, more bool, err error) {
	q := url.Values{"bytes": {strconv.FormatInt(bytes, 10)}}
	if !from.IsZero() {
		q.Set("from", from.String())
	}
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	resp, err := c.send(ctx, call{method: http.MethodGet, path: withID(PathRecording, id), query: q, accept: "application/x-ndjson"})
	if err != nil {
		return nil, next, false, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	for dec := json.NewDecoder(resp.Body); ; {
		r := new(recording.Record)
		if err := dec.Decode(r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, next, false, fmt.Errorf("read the recording: %w", err)
		}
		records = append(records, r)
	}
	at := resp.Trailer.Get(HeaderNext)
	if at == "" {
		return records, next, false, nil
	}
	if err := next.UnmarshalText([]byte(at)); err != nil {
		return nil, next, false, fmt.Errorf("read the recording: %s: %w", HeaderNext, err)
	}
	return records, next, true, nil
}

// partTime is how long a part may take.
const partTime = 2 * time.Minute

// Hold sets or lifts a legal hold on a session's recording.
func (c *Client) Hold(ctx context.Context, id string, hold Hold) (Hold, error) {
	var v Hold
	err := c.do(ctx, call{method: http.MethodPost, path: withID(PathHold, id), body: hold}, &v)
	return v, err
}

// Protections lists what inherited protection.
func (c *Client) Protections(ctx context.Context) ([]hoop.Protection, error) {
	var l List[hoop.Protection]
	err := c.do(ctx, call{method: http.MethodGet, path: PathProtections}, &l)
	return l.Items, err
}

// Disable ends every grant and every sign-in of an identity, and its live sessions.
func (c *Client) Disable(ctx context.Context, d Disable) (Disabled, error) {
	var v Disabled
	err := c.do(ctx, call{method: http.MethodPost, path: PathDisable, body: d}, &v)
	return v, err
}

// NewAgent starts an agent on the caller's behalf.
func (c *Client) NewAgent(ctx context.Context, ask NewAgent) (Agent, error) {
	var v Agent
	err := c.do(ctx, call{method: http.MethodPost, path: PathAgents, body: ask}, &v)
	return v, err
}

// Lift ends an inherited protection.
func (c *Client) Lift(ctx context.Context, lift Lift) error {
	var v Lift
	return c.do(ctx, call{method: http.MethodPost, path: PathLift, body: lift}, &v)
}

// Export streams the audit log and what belongs to it as a tar archive. The caller
// closes it.
func (c *Client) Export(ctx context.Context) (io.ReadCloser, error) {
	return c.stream(ctx, PathExport, "application/x-tar")
}

// Events streams the audit log's events from an index on, as far as it has come: one
// siem.Entry in JSON per line. It waits for the first, at most wait. The caller closes it.
func (c *Client) Events(ctx context.Context, from int64, wait time.Duration) (io.ReadCloser, error) {
	q := url.Values{"from": {strconv.FormatInt(from, 10)}}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	resp, err := c.send(ctx, call{method: http.MethodGet, path: PathEvents, query: q, accept: "application/x-ndjson"})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// BundleAsk says which bundle is wanted.
type BundleAsk struct {
	From, To    time.Time // zero: no bound
	Recordings  bool
	Size, Since int64 // of the log, and of an older checkpoint; zero: as it is, and none
}

// Bundle streams an audit bundle. The caller closes it.
func (c *Client) Bundle(ctx context.Context, ask BundleAsk) (io.ReadCloser, error) {
	q := url.Values{}
	for name, t := range map[string]time.Time{"from": ask.From, "to": ask.To} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	if ask.Recordings {
		q.Set("recordings", "1")
	}
	for name, n := range map[string]int64{"size": ask.Size, "since": ask.Since} {
		if n > 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	resp, err := c.send(ctx, call{method: http.MethodGet, path: PathBundle, query: q, accept: "application/zip"})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// LogKey gives the public key of the audit log.
func (c *Client) LogKey(ctx context.Context) (LogKey, error) {
	var v LogKey
	err := c.do(ctx, call{method: http.MethodGet, path: PathLogKey}, &v)
	return v, err
}

// Explain asks what would happen to a statement.
func (c *Client) Explain(ctx context.Context, ask Explain) (Explanation, error) {
	var v Explanation
	err := c.do(ctx, call{method: http.MethodPost, path: PathExplain, body: ask, wait: explainTime}, &v)
	return v, err
}

// TestPolicy has a file of cases decided by the policy in force.
func (c *Client) TestPolicy(ctx context.Context, cases PolicyCases) ([]PolicyOutcome, error) {
	var v List[PolicyOutcome]
	err := c.do(ctx, call{method: http.MethodPost, path: PathCases, body: cases, wait: explainTime}, &v)
	return v.Items, err
}

// explainTime is what the gateway may take to read a target's catalog.
const explainTime = 45 * time.Second

// call is one HTTP request to be.
type call struct {
	method string
	path   string
	query  url.Values
	body   any           // sent as JSON
	accept string        // empty: JSON
	open   bool          // wants no token
	wait   time.Duration // how long the gateway was asked to wait
}

func list[T any](ctx context.Context, c *Client, path string, q url.Values) ([]T, error) {
	var v List[T]
	if err := c.do(ctx, call{method: http.MethodGet, path: path, query: q}, &v); err != nil {
		return nil, err
	}
	return v.Items, nil
}

func withID(path, id string) string {
	return strings.Replace(path, "{id}", url.PathEscape(id), 1)
}

// do makes a call and decodes its JSON answer.
func (c *Client) do(ctx context.Context, k call, answer any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout+k.wait,
		fmt.Errorf("no answer within %s", callTimeout+k.wait))
	defer cancel()
	resp, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read the gateway's answer to %s: %w", k.path, err)
	}
	return nil
}

func (c *Client) stream(ctx context.Context, path, accept string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: path, accept: accept})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// send makes a call, a second time with a renewed token where the first was refused.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	var token string
	if !k.open && c.Token != nil {
		t, err := c.Token(ctx)
		if err != nil {
			return nil, err
		}
		token = t
	}
	resp, err := c.once(ctx, k, token)
	if e := (*hoop.Error)(nil); !errors.As(err, &e) || e.Code != hoop.CodeUnauthenticated || k.open || c.Renew == nil {
		return resp, err
	}
	again, renewErr := c.Renew(ctx, token)
	if renewErr != nil || again == token {
		return nil, err
	}
	return c.once(ctx, k, again)
}

// once makes a call with this token. The answer's status is 2xx when err is nil.
func (c *Client) once(ctx context.Context, k call, token string) (*http.Response, error) {
	req, err := c.request(ctx, k, token)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", k.method, c.Base+k.path, cause)
		}
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, problem(resp)
}

func (c *Client) request(ctx context.Context, k call, token string) (*http.Request, error) {
	var body io.Reader
	if k.body != nil {
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", k.path, err)
		}
		body = bytes.NewReader(b)
	}
	u := c.Base + k.path
	if len(k.query) > 0 {
		u += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if k.accept != "" {
		req.Header.Set("Accept", k.accept)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Agent != "" {
		req.Header.Set("User-Agent", c.Agent)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// problem turns an error answer into a *hoop.Error. An answer that is none of a
// gateway's (a proxy in between, another server) says so.
func problem(resp *http.Response) error {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err == nil && kind == "application/problem+json" {
		var p Problem
		err = json.NewDecoder(io.LimitReader(resp.Body, maxProblem)).Decode(&p)
		if err == nil && p.Code != "" && p.Title != "" {
			return &hoop.Error{Code: p.Code, Message: p.Title, Hint: p.Hint}
		}
	}
	code := hoop.CodeUnavailable
	if resp.StatusCode == http.StatusUnauthorized {
		code = hoop.CodeUnauthenticated
	}
	return hoop.Errorf(code, "%s answered %s, which is no answer of a gateway", resp.Request.URL.Host, resp.Status).
		WithHint("check the gateway's address: hoopctl doctor")
}
