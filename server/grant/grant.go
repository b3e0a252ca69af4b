// Package grant is how access begins and ends: a request, the approvals of people,
// the grant that follows, its expiry or revocation; and the same for single statements
// that are held on the wire until people agree.
//
// Every step is in the audit log, durably, before it takes effect: an approval is on
// record before the one who waits for it wakes, and where the log cannot write nothing
// changes. The clock of a grant starts at its approval. Which rule applies to whom is
// left to the policy, what is kept to the store, and who is calling to sign-in.
package grant

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/keyed"
	"github.com/hoopctl/hoopctl/server/mask"
)

// Store keeps requests and grants. Step functions run inside a transaction that holds
// the row; their error undoes it and is returned as it is. They do not call the Store.
type Store interface {
	RequestStore
	GrantStore
	SeatStore
	// Shared reports whether other gateways decide in the same store.
	Shared() bool
}

// RequestStore keeps requests with their approvals, but never the text and parameters
// of a held statement.
type RequestStore interface {
	AddRequest(ctx context.Context, r hoop.Request, step func(r *hoop.Request, former *hoop.Grant) (*hoop.Grant, error)) (hoop.Request, error)
	UpdateRequest(ctx context.Context, id int64, step func(r *hoop.Request, former *hoop.Grant) (*hoop.Grant, error)) (hoop.Request, error)
	Request(ctx context.Context, id int64) (hoop.Request, error)
	Requests(ctx context.Context, state hoop.RequestState, before int64, limit int) ([]hoop.Request, error)
}

// GrantStore keeps grants, ended ones too.
type GrantStore interface {
	UpdateGrant(ctx context.Context, id string, step func(*hoop.Grant) error) (hoop.Grant, error)
	Grant(ctx context.Context, id string) (hoop.Grant, error)
	GrantsByID(ctx context.Context, ids []string) ([]hoop.Grant, error)
	GrantsAt(ctx context.Context, subject, target string, at time.Time, limit int) ([]hoop.Grant, error)
	GrantsAfter(ctx context.Context, subject string, at time.Time, limit int) ([]hoop.Grant, error)
	GrantsBehind(ctx context.Context, id string, at time.Time, limit int) ([]hoop.Grant, error)
	Grants(ctx context.Context, subject string, limit int) ([]hoop.Grant, error)
	BreakGlassGrants(ctx context.Context, all bool, limit int) ([]hoop.Grant, error)
}

// SeatStore counts the sessions of all gateways where a grant limits them.
type SeatStore interface {
	TakeSeat(ctx context.Context, seat hoop.Seat, most int, now time.Time) (taken bool, err error)
	KeepSeats(ctx context.Context, seats []hoop.Seat) error
	LeaveSeats(ctx context.Context, ids []string) error
	EmptySeats(ctx context.Context, gateway string) error
}

// Policy knows the access rules. Its error is a *hoop.Error for the caller; no rule is
// one.
type Policy interface {
	Access(ctx context.Context, id hoop.Identity, target string) (hoop.Access, error)
	// BreakGlass is Access in an emergency: other rules, which Access does not look at.
	BreakGlass(ctx context.Context, id hoop.Identity, target string) (hoop.Access, error)
}

// Log is the audit log: Write returns when the event is durable.
type Log interface {
	Write(ctx context.Context, e *hoop.Event) error
}

// Options of a Service. All of them are needed, save where it says otherwise.
type Options struct {
	Store  Store
	Policy Policy
	Audit  Log
	Roles  func(hoop.Identity) []hoop.Role
	// SignedIn is somebody who is signed in, as the store has them at this moment: other
	// gateways may have ended the sign-in, or know of other groups. Nil asks nobody.
	SignedIn func(ctx context.Context, subject string) (hoop.Identity, error)
	// Masks are the mask rules in force for whoever is shown a held statement.
	Masks   func(hoop.Identity, string) *mask.Rules
	Gateway string           // which one we are, where several share the store; the same after a restart
	URL     func() string    // its public_url, once statements are held
	Now     func() time.Time // left out: time.Now
	Log     *slog.Logger     // left out: slog.Default
}

// What is asked for where neither the caller nor a rule says.
const (
	defaultDuration       = time.Hour       // of a grant
	defaultRequestTimeout = time.Hour       // to decide about access
	defaultHoldTimeout    = 2 * time.Minute // to decide about a statement, which may keep locks
)

const (
	tick        = 500 * time.Millisecond // how often expiry and other gateways' decisions are looked for
	clockSkew   = time.Minute            // by which the clocks of gateways on one store may differ
	stepTimeout = 20 * time.Second       // of one step, log and store together
	maxPending  = 50                     // undecided requests of one person, with the programs that act for them
	maxReason   = 1000                   // bytes
	maxScope    = 100                    // tables that a request names
	maxAhead    = 31 * 24 * time.Hour    // from a request to the start of its grant
)

// Service is the one place where requests are decided. Its methods may be called
// concurrently. Errors are *hoop.Error, or become one by hoop.AsError.
type Service struct {
	store    Store
	policy   Policy
	audit    Log
	roles    func(hoop.Identity) []hoop.Role
	signedIn func(ctx context.Context, subject string) (hoop.Identity, error)
	masks    func(hoop.Identity, string) *mask.Rules
	gateway  string
	url      func() string
	now      func() time.Time
	log      *slog.Logger

	stop   context.CancelFunc
	work   sync.WaitGroup // the loops
	asking keyed.Locks    // one request at a time of each person

	mu        sync.Mutex // guards what follows
	questions map[int64]*question
	live      map[string]map[*Lease]struct{} // by grant
	left      []string                       // seats whose sessions ended, not given up in the store yet

	seating sync.Mutex // seats are kept or given up: what was given up is not kept again
	kept    time.Time  // when seats were kept last; of the loop that does
}

// New picks up what a former process left: requests for access live on; statements
// that this gateway held died with their sessions and are cancelled. The caller must
// Close it.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{
		store: o.Store, policy: o.Policy, audit: o.Audit, roles: o.Roles, signedIn: o.SignedIn, masks: o.Masks, gateway: o.Gateway, url: o.URL, now: o.Now, log: o.Log,
		questions: map[int64]*question{}, live: map[string]map[*Lease]struct{}{},
	}
	if s.url == nil {
		s.url = func() string { return "" }
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.store.Shared() {
		if err := s.store.EmptySeats(ctx, s.gateway); err != nil {
			return nil, fmt.Errorf("empty the seats of a former process: %w", err)
		}
	}
	if err := s.resume(ctx); err != nil {
		return nil, fmt.Errorf("resume requests: %w", err)
	}
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.work.Go(func() { s.every(loops, s.cutDue) })
	s.work.Go(func() { s.every(loops, s.settleDue) })
	if s.store.Shared() {
		s.work.Go(func() { s.every(loops, s.seats) })
	}
	return s, nil
}

// Close stops looking for expiry and for other gateways' decisions. Grants that are
// attached keep their own timers. Their seats are for others from here on.
func (s *Service) Close() {
	s.stop()
	s.work.Wait()
	if !s.store.Shared() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), seatTimeout)
	defer cancel()
	if err := s.store.EmptySeats(ctx, s.gateway); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "seats of sessions are given up only later", slog.Any("error", err))
	}
}

func (s *Service) every(ctx context.Context, do func(context.Context)) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do(ctx)
		}
	}
}

func (s *Service) resume(ctx context.Context) error {
	pending, err := s.allPending(ctx)
	if err != nil {
		return err
	}
	for _, r := range pending {
		if r.Kind == hoop.RequestStatement && r.Gateway == s.gateway {
			if _, err := s.cancel(ctx, r.ID, hoop.Identity{}, "the gateway that held it was restarted"); err != nil {
				return fmt.Errorf("request %d: %w", r.ID, err)
			}
			continue
		}
		s.ask(r)
	}
	return nil
}

// allPending lists every pending request.
func (s *Service) allPending(ctx context.Context) ([]hoop.Request, error) {
	const page = 500
	var all []hoop.Request
	for before := int64(0); ; {
		found, err := s.store.Requests(ctx, hoop.Pending, before, page)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if len(found) < page {
			return all, nil
		}
		before = found[len(found)-1].ID
	}
}

// stamp is the time now, as exact as the store keeps it.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// stepContext lets a step end, once begun, whoever hangs up: what the log says must
// take effect.
func stepContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
}

// record writes an event; without it, the step it belongs to is refused.
func (s *Service) record(ctx context.Context, e *hoop.Event) error {
	if err := s.audit.Write(ctx, e); err != nil {
		return &hoop.Error{
			Code: hoop.CodeUnrecorded, Message: "the gateway cannot record this, so it did not happen",
			Hint: "tell an administrator: the gateway's log names the disk or file", Err: err,
		}
	}
	return nil
}

// event is an event about a request.
func event(t hoop.EventType, at time.Time, r *hoop.Request) *hoop.Event {
	e := &hoop.Event{
		Time: at, Type: t, Target: r.Target, Request: r.ID, Session: r.Session, Rule: r.Rule,
		Details: []hoop.Detail{{Name: "kind", Value: string(r.Kind)}, {Name: "requester", Value: r.Requester.Subject}},
	}
	if r.Kind == hoop.RequestStatement {
		e.Grant, e.Text = r.Grant, r.Shape
		for _, u := range r.Effects {
			e.Effects = append(e.Effects, u.Effect)
			for _, t := range u.Tables {
				if !slices.Contains(e.Tables, t) {
					e.Tables = append(e.Tables, t)
				}
			}
		}
	}
	return e
}

func detail(e *hoop.Event, name, format string, args ...any) {
	e.Details = append(e.Details, hoop.Detail{Name: name, Value: fmt.Sprintf(format, args...)})
}
