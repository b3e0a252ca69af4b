// Package api answers the HTTP API that pkg/api describes: it tells who is calling,
// checks the form of what is asked, asks the part that knows, and writes the answer or
// the Problem. It holds no rules of its own but one: whose sessions and whose evidence
// one may read.
package api

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/pkg/siem"
	"github.com/hoopctl/hoopctl/server/grant"
)

// Asker takes requests and tells what became of them.
type Asker interface {
	Ask(ctx context.Context, id hoop.Identity, ask api.NewRequest) (hoop.Request, *hoop.Grant, error)
	Requests(ctx context.Context, viewer hoop.Identity, f grant.Filter) ([]hoop.Request, error)
	Wait(ctx context.Context, viewer hoop.Identity, id int64, wait time.Duration) (hoop.Request, error)
	Cancel(ctx context.Context, by hoop.Identity, id int64) (hoop.Request, error)
}

// Decider takes what approvers say.
type Decider interface {
	Approve(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error)
	Deny(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error)
}

// Granter knows the grants.
type Granter interface {
	Grant(ctx context.Context, viewer hoop.Identity, r hoop.Request) (*hoop.Grant, error)
	Grants(ctx context.Context, viewer hoop.Identity, all bool) ([]hoop.Grant, error)
	InForce(ctx context.Context, id hoop.Identity, target string) (hoop.Grant, error)
	Revoke(ctx context.Context, by hoop.Identity, id, reason string) (hoop.Grant, error)
	Review(ctx context.Context, by hoop.Identity, id, finding string) (hoop.Grant, error)
	Reviews(ctx context.Context, viewer hoop.Identity, all bool) ([]hoop.Grant, error)
	// Reason is what somebody wrote about a target, as it may go on record.
	Reason(target, words string) (string, error)
}

// Grants is all three; *grant.Service is one.
type Grants interface {
	Asker
	Decider
	Granter
}

// Sessions knows the sessions, of one subject or of all ("").
type Sessions interface {
	Session(ctx context.Context, id string) (hoop.SessionInfo, error)
	Sessions(ctx context.Context, subject string, limit int) ([]hoop.SessionInfo, error)
}

// Recording is a session's recording in clear. Next ends with io.EOF, or with
// recording.ErrUnfinished while the session runs; recording.Reader says the rest.
type Recording interface {
	Next() (*recording.Record, error)
	Seek(p recording.Position) error
	Position() (p recording.Position, whole bool)
	Index() (recording.Index, error)
	Close() error
}

// Log is the audit log: Write returns when the event is durable.
type Log interface {
	Write(ctx context.Context, e *hoop.Event) error
}

// BundleRequest asks for an audit bundle.
type BundleRequest struct {
	From, To    time.Time // zero: no bound
	Recordings  bool
	Size, Since int64 // of the log, and of an older checkpoint; zero: as it is, and none
}

// Bundle is an audit bundle to be written.
type Bundle interface {
	Manifest() bundle.Manifest
	Write(ctx context.Context, w io.Writer) error
}

// Options of the handler. All are needed, save where it says otherwise.
type Options struct {
	Version  string
	Tunnel   string // ALPN protocol of the tunnel
	Identify func(ctx context.Context, token string) (hoop.Identity, error)
	// Forget has Identify ask anew about a token, whatever it knew a moment ago.
	Forget func(token string)
	Roles  func(hoop.Identity) []hoop.Role
	// Literals says who sees literals and parameters in the recordings of others that
	// they may read.
	Literals func(hoop.Identity) bool
	// Targets lists the targets that some access rule lets the identity ask for; Access
	// says on what terms.
	Targets   func(hoop.Identity) []hoop.Target
	Access    grant.Policy
	Grants    Grants
	Sessions  Sessions
	Recording func(ctx context.Context, session string) (Recording, error)
	// Hold sets or lifts a legal hold on a session's recording. Waiting says that the object
	// store is still to be told.
	Hold func(ctx context.Context, by hoop.Identity, s hoop.SessionInfo, reason string, on bool) (waiting bool, err error)
	// Disable ends all that an identity has.
	Disable func(ctx context.Context, by hoop.Identity, d api.Disable) (api.Disabled, error)
	// Delegate starts an agent for whom the token belongs to, who asked from an address.
	Delegate func(ctx context.Context, id hoop.Identity, token, address string, ask api.NewAgent) (api.Agent, error)
	// Protections lists what inherited protection, and Lift ends one.
	Protections func(ctx context.Context) ([]hoop.Protection, error)
	Lift        func(ctx context.Context, by hoop.Identity, lift api.Lift) error
	Export      func(ctx context.Context, w io.Writer) error // the evidence folder, as tar
	// Events gives the log from an index on, as far as it has come; Grown returns when it
	// has an event of that index, or with ctx.
	Events func(ctx context.Context, from int64) iter.Seq2[siem.Entry, error]
	Grown  func(ctx context.Context, index int64)
	// Bundle prepares an audit bundle; only its Write writes.
	Bundle  func(ctx context.Context, ask BundleRequest) (Bundle, error)
	Streams *Streams      // answers under way, which others end
	LogKey  func() string // verifier key of the audit log
	// Explainer answers what would happen to statements.
	Explainer Explainer
	Audit     Log
	Now       func() time.Time // left out: time.Now
	Log       *slog.Logger     // left out: slog.Default
}

// handler answers the API.
type handler struct {
	Options
	refusals  refusals
	following sync.Map // subject to time.Time: when its following the log was put on record
	readings  readings
}

// New makes the handler of everything below /api/v1.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	h := &handler{Options: o}
	mux, allowed := http.NewServeMux(), map[string][]string{}
	for _, r := range h.routes() {
		mux.HandleFunc(r.method+" "+r.path, r.handle)
		allowed[r.path] = append(allowed[r.path], r.method)
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		mux.HandleFunc(path, h.methodNotAllowed(strings.Join(methods, ", ")))
	}
	mux.HandleFunc("/", h.notFound)
	return private(mux)
}

// route is an operation: a path with one method.
type route struct {
	method, path string
	handle       http.HandlerFunc
}

// routes are all operations.
func (h *handler) routes() []route {
	return []route{
		{http.MethodGet, api.PathVersion, h.version},
		{http.MethodGet, api.PathMe, h.signedIn(h.me)},
		{http.MethodGet, api.PathTargets, h.signedIn(h.targets)},
		{http.MethodGet, api.PathRequests, h.signedIn(h.requests)},
		{http.MethodPost, api.PathRequests, h.signedIn(h.ask)},
		{http.MethodGet, api.PathRequest, h.signedIn(h.request)},
		{http.MethodPost, api.PathApprove, h.signedIn(h.decide(h.Grants.Approve))},
		{http.MethodPost, api.PathDeny, h.signedIn(h.decide(h.Grants.Deny))},
		{http.MethodPost, api.PathCancel, h.signedIn(h.cancel)},
		{http.MethodGet, api.PathGrants, h.signedIn(h.lists(h.Grants.Grants))},
		{http.MethodPost, api.PathRevoke, h.signedIn(h.change(h.Grants.Revoke))},
		{http.MethodPost, api.PathReview, h.signedIn(h.change(h.Grants.Review))},
		{http.MethodGet, api.PathReviews, h.signedIn(h.lists(h.Grants.Reviews))},
		{http.MethodGet, api.PathSessions, h.signedIn(h.sessions)},
		{http.MethodGet, api.PathSession, h.signedIn(h.session)},
		{http.MethodGet, api.PathRecording, h.signedIn(h.recording)},
		{http.MethodGet, api.PathIndex, h.signedIn(h.index)},
		{http.MethodPost, api.PathHold, h.signedIn(h.hold)},
		{http.MethodGet, api.PathProtections, h.signedIn(h.protections)},
		{http.MethodPost, api.PathDisable, h.signedIn(h.disable)},
		{http.MethodPost, api.PathAgents, h.signedIn(h.delegate)},
		{http.MethodPost, api.PathLift, h.signedIn(h.lift)},
		{http.MethodGet, api.PathExport, h.signedIn(h.export)},
		{http.MethodGet, api.PathEvents, h.signedIn(h.events)},
		{http.MethodGet, api.PathBundle, h.signedIn(h.bundle)},
		{http.MethodGet, api.PathLogKey, h.signedIn(h.logKey)},
		{http.MethodPost, api.PathExplain, h.signedIn(h.explain)},
		{http.MethodPost, api.PathCases, h.signedIn(h.cases)},
	}
}

// private says to browsers and proxies that nothing here is to be kept, guessed at or
// framed.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-store")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// signedIn lets those pass whose token is good (RFC 6750 §2.1: in the Authorization
// header only), and still is once all of the body has come: whoever sends it may be
// disabled meanwhile, at another gateway too. A handler's error becomes a Problem, and an event where it is a refusal.
func (h *handler) signedIn(next func(http.ResponseWriter, *http.Request, hoop.Identity) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := h.identify(r)
		if err == nil && r.Method == http.MethodPost {
			await(w, r)
			if token, ok := bearer(r); ok {
				h.Forget(token)
			}
			id, err = h.identify(r)
		}
		if err == nil {
			if err = next(w, r, id); err != nil {
				h.refused(r, id, err)
			}
		}
		if err != nil {
			h.problem(w, r, err)
		}
	}
}

func (h *handler) identify(r *http.Request) (hoop.Identity, error) {
	token, ok := bearer(r)
	if !ok {
		return hoop.Identity{}, signInFirst()
	}
	id, err := h.Identify(r.Context(), token)
	if err == nil && id.Subject == "" {
		return hoop.Identity{}, signInFirst()
	}
	return id, err
}

// bearer is the token that a request carries.
func bearer(r *http.Request) (token string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

func signInFirst() error {
	return hoop.Errorf(hoop.CodeUnauthenticated, "sign in first").WithHint("hoopctl login")
}

func (h *handler) hasRole(id hoop.Identity, roles ...hoop.Role) bool {
	return slices.ContainsFunc(h.Roles(id), func(r hoop.Role) bool { return slices.Contains(roles, r) })
}

func (h *handler) version(w http.ResponseWriter, r *http.Request) {
	if err := answer(w, http.StatusOK, api.Version{Version: h.Version, Tunnel: h.Tunnel}); err != nil {
		h.problem(w, r, err)
	}
}

func (h *handler) me(w http.ResponseWriter, _ *http.Request, id hoop.Identity) error {
	roles := h.Roles(id)
	if roles == nil {
		roles = []hoop.Role{}
	}
	return answer(w, http.StatusOK, api.Me{Identity: id, Roles: roles, Literals: h.Literals(id)})
}
