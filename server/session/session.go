// Package session is the order of the line, and nothing else: is a grant in force,
// what may this statement do, who must agree, is it recorded, what may be shown, is
// that recorded too, and only then the answer.
//
// A proxy knows *Session and nothing behind it. It calls Judge before it forwards a
// statement, Plan before it answers, and Release before a byte of the answer leaves.
// Each step returns an error, and an error stops the statement.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/decoy"
	"github.com/hoopctl/hoopctl/server/infer"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/record"
)

// Policy decides what effects lead to.
type Policy interface {
	Decide(ctx context.Context, id hoop.Identity, target string, uses []hoop.Use) (hoop.Decision, error)
	// Approvers is who approves where no rule says; nil where nobody may.
	Approvers() *hoop.ApprovalRule
}

// Protection tells which mask rules are in force, and passes them on to the tables
// that protected data was copied to.
type Protection interface {
	For(id hoop.Identity, target string) *mask.Rules
	Inherit(ctx context.Context, target string, tables []string, session string) error
}

// Grants tells whether one may, and asks people where a rule says so.
type Grants interface {
	InForce(ctx context.Context, id hoop.Identity, target string) (hoop.Grant, error)
	Attach(ctx context.Context, g hoop.Grant) (Lease, error)
	Watch(ctx context.Context, g hoop.Grant) (Lease, error) // no session, and counts as none
	Hold(ctx context.Context, r hoop.Request) (hoop.Request, error)
	Await(ctx context.Context, id int64) (hoop.Request, error)
	// Tell adds facts to a request that is held. It never fails: nothing hangs on them.
	Tell(id int64, facts hoop.Facts)
}

// Lease is a session's hold on a grant. Its context ends when the session must; the
// cause is a *hoop.Error for the client. End gives it up, and may be called again.
type Lease interface {
	Context() context.Context
	Grant() hoop.Grant // as it is now
	End()
}

// Log is the audit log.
type Log interface {
	// Append keeps nothing of the event.
	Append(*hoop.Event) (journal.Pos, error)
}

// Journal makes what was appended durable; one fsync serves all that wait.
type Journal interface {
	Wait(ctx context.Context, pos journal.Pos) error
	// Recent waits while something that is not durable is older than the window.
	Recent(ctx context.Context) error
}

// Registry keeps the list of sessions for people to browse.
type Registry interface {
	SaveSession(ctx context.Context, s hoop.SessionInfo) error
}

// Line is the parts in their order. Its fields are set once; it is safe for
// concurrent use.
type Line struct {
	Grants     Grants
	Policy     Policy
	Protection Protection
	Recorder   *record.Recorder
	Audit      Log
	Journal    Journal
	Registry   Registry
	Budgets    Budgets
	Inference  Inference
	Decoys     Decoys
	Gateway    string           // the verifier key of Audit, which sessions name
	Shared     bool             // others let tables inherit protection, too; FollowOthers is called again and again
	Revision   func() string    // of the policy in force
	Cosigned   func() time.Time // when the newest checkpoint was cosigned that counts; zero: none was
	Now        func() time.Time
	Log        *slog.Logger

	written   writings // into protected columns
	shortages shortages
	copies    copies // by statements under way
}

// Peer is who opened the stream.
type Peer struct {
	Identity   hoop.Identity
	RemoteAddr string
	// Still reports by nil that Identity is still signed in, as who it was.
	Still func(ctx context.Context) error
}

// Start is what the client said when it connected.
type Start struct {
	Protocol string // "postgres"
	Database string
	Client   string // what the client calls itself, application_name
	Refused  error  // why the client may not come in, whatever its grant; nil where it may
}

// Session is one stream: one identity, one target, one recording. Judge and Release
// may be called from different goroutines; each of them from one at a time.
type Session struct {
	line   *Line
	target hoop.Target
	lease  Lease
	ctx    context.Context         // the lease's, or shorter
	end    context.CancelCauseFunc // of ctx
	scopes []scope
	rec    *record.Recording
	// allowances are of export budgets; their cursors belong to Judge.
	allowances []*allowance
	learned    []learned // inference limits
	// stored are tables with decoys of the target, see decoys; of Judge.
	stored map[int]map[string]bool
	loose  looseness // likewise
	// places are those of the target's decoys in the catalog that was followed last; of Judge.
	places   [][]hoop.ColumnID
	followed decoy.Columns

	mu      sync.Mutex // guards what follows, and the order of events and frames
	info    hoop.SessionInfo
	events  int64 // of this session in the log
	started time.Time
	key     []byte              // of the digest; it is in the recording
	binds   []byte              // key of the digests that approvals name; in memory only
	mac     hash.Hash           // HMAC-SHA256 with key
	chain   []byte              // keyed digest of all output so far
	window  []byte              // that of the last piece of it
	ended   []*Run              // told by Done, logged by the next Release
	records []recording.Record  // on their way to rec; their room is used again
	event   hoop.Event          // on its way to the log
	asked   recording.Statement // of records, while one of it is there
	owed    []infer.Claim       // what a constraint may fail on that waits for COMMIT
	closed  bool
	silent  error // nothing more may be released, and why
}

// Open begins a session: grant, recording, event, all durable before it returns. One that
// does not begin has an event too. The error is a *hoop.Error.
func (l *Line) Open(ctx context.Context, peer Peer, target hoop.Target, start Start) (*Session, error) {
	s := &Session{line: l, target: target, started: l.Now(), key: random(32), binds: random(32), allowances: allowances(peer.Identity, target), learned: limitsOf(target), stored: map[int]map[string]bool{}}
	s.mac = hmac.New(sha256.New, s.key)
	s.info = hoop.SessionInfo{
		ID: newID(s.started), Identity: peer.Identity, Target: target.Name, Database: start.Database,
		Protocol: start.Protocol, Client: start.Client, RemoteAddr: peer.RemoteAddr,
		Gateway: l.Gateway, StartedAt: s.started.UTC(),
	}
	err := start.Refused
	if err == nil {
		err = s.open(ctx, peer.Still)
	}
	if err != nil {
		e := hoop.AsError(err)
		l.refused(ctx, &s.info, e)
		return nil, e
	}
	return s, nil
}

func (s *Session) open(ctx context.Context, still func(context.Context) error) (err error) {
	g, err := s.line.Grants.InForce(ctx, s.info.Identity, s.target.Name)
	if err != nil {
		return err
	}
	if !s.target.HasDatabase(s.info.Database) {
		return hoop.Errorf(hoop.CodeNoDatabase, "database %q of target %s is not offered", s.info.Database, s.target.Name).
			WithHint("the target lists %s; an administrator can add others", strings.Join(append([]string{s.target.Database}, s.target.Databases...), ", "))
	}
	s.info.Grant, s.scopes = g.ID, scopes(s.info.Identity, g.Scope)
	if s.lease, err = s.line.Grants.Attach(context.WithoutCancel(ctx), g); err != nil {
		return err
	}
	// Only now is the end of a sign-in sure to reach us: had it come before?
	if err := still(ctx); err != nil {
		s.lease.End()
		return err
	}
	s.ctx, s.end = context.WithCancelCause(s.lease.Context())
	if g.BreakGlass {
		s.target.Record = hoop.RecordStrict
	}
	if s.rec, err = s.line.Recorder.Open(s.info, s.key); err != nil {
		s.end(nil)
		s.lease.End()
		return unrecorded(err)
	}
	details := []hoop.Detail{
		{Name: "database", Value: s.info.Database},
		{Name: "protocol", Value: s.info.Protocol},
		{Name: "remote_addr", Value: s.info.RemoteAddr},
	}
	if g.BreakGlass {
		details = append(details, hoop.Detail{Name: "break_glass", Value: "true"})
	}
	pos, err := s.log(&hoop.Event{Type: hoop.EventSessionStart, Details: details})
	if err == nil {
		err = s.begun(ctx, pos)
	}
	if err != nil {
		s.end(nil)
		s.lease.End()
		_, _, cerr := s.rec.Close(recording.Record{Kind: recording.KindEnd, At: s.since()})
		return unrecorded(errors.Join(err, cerr))
	}
	return nil
}

// begun returns when the session's beginning is durable, in the log and in the list for
// people; both disks are waited for at once.
func (s *Session) begun(ctx context.Context, pos journal.Pos) error {
	info, listed := s.info, make(chan error, 1)
	go func() { listed <- s.line.Registry.SaveSession(ctx, info) }()
	return errors.Join(s.line.Journal.Wait(ctx, pos), <-listed)
}

// ID is the session's name: sortable by time, unique.
func (s *Session) ID() string { return s.info.ID }

// Identity is who the session belongs to.
func (s *Session) Identity() hoop.Identity { return s.info.Identity }

// Target is what it reaches.
func (s *Session) Target() hoop.Target { return s.target }

// Grant is the ID of the grant that the session was opened under.
func (s *Session) Grant() string { return s.info.Grant }

// Context ends when the session must: at the grant's expiry or revocation, or when
// the gateway stops. Its cause is a *hoop.Error for the client.
func (s *Session) Context() context.Context { return s.ctx }

// Stay gives a context that ends when the grant does, for what may outlive the
// session and serve the grant's next one. Whoever calls it calls release.
func (s *Session) Stay() (ctx context.Context, release func()) {
	l, err := s.line.Grants.Watch(context.Background(), s.lease.Grant())
	if err != nil { // it has ended already
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(err)
		return ctx, func() {}
	}
	return l.Context(), l.End
}

// Revision is that of the rules in force now.
func (s *Session) Revision() string { return s.line.Revision() }

// Masks reports whether some mask rule applies to this identity on this target.
func (s *Session) Masks() bool { return s.rules().Any() }

// Compares reports whether it matters what statements compare columns with.
func (s *Session) Compares() bool { return len(s.target.Decoys) > 0 || s.Masks() }

// Rules gives the mask rules that are in force for this identity on this target now.
func (s *Session) Rules() *mask.Rules { return s.rules() }

func (s *Session) rules() *mask.Rules {
	return s.line.Protection.For(s.info.Identity, s.target.Name)
}

// AllRules gives the mask rules that somebody without any group has on this target: all
// of them.
func (s *Session) AllRules() *mask.Rules {
	return s.line.Protection.For(hoop.Identity{}, s.target.Name)
}

// Release records wire, bytes exactly as the client is about to see them, and
// returns when they may be written to it: when record and results are durable, or, where
// the target's record is batched, while all that is not is within the window. wire is at most 1 MiB; it is
// copied. r is the statement it answers, nil where it answers none.
func (s *Session) Release(ctx context.Context, r *Run, wire []byte) error {
	s.mu.Lock()
	silent := s.silent
	s.mu.Unlock()
	if silent != nil {
		return silent
	}
	pos, err := s.release(r, wire)
	if err != nil {
		return unrecorded(err)
	}
	return s.kept(ctx, pos)
}

// kept returns when whatever comes of a record may happen: when it is durable, or, where
// the target's record is batched, while what is not durable is within the window.
func (s *Session) kept(ctx context.Context, pos journal.Pos) error {
	var err error
	if s.target.Record == hoop.RecordBatched {
		err = s.line.Journal.Recent(ctx)
	} else {
		err = s.line.Journal.Wait(ctx, pos)
	}
	if err != nil {
		return unrecorded(err)
	}
	return nil
}

// silence has nothing more released.
func (s *Session) silence(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = why
}

func (s *Session) release(r *Run, wire []byte) (journal.Pos, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chained(wire)
	s.info.Bytes += int64(len(wire))
	rec := recording.Record{Kind: recording.KindOutput, At: s.since(), Wire: wire}
	if r != nil {
		rec.Counter = r.number
	}
	return s.results(rec)
}

// chained takes the next window into the digest of all output: by the window's own
// digest, which is all that a recording keeps of what is above its limit
// (pkg/recording/spec.md, "Digests"). s.mu is held.
func (s *Session) chained(window []byte) {
	s.mac.Reset()
	s.mac.Write(window)
	s.window = s.mac.Sum(s.window[:0])
	s.mac.Reset()
	s.mac.Write(s.chain)
	s.mac.Write(s.window)
	s.chain = s.mac.Sum(s.chain[:0])
}

// maxResults is how many results one frame of the recording holds at most.
const maxResults = 256

// results writes how the statements in ended have ended, behind the records in before:
// in the recording, and in the log. s.mu is held.
func (s *Session) results(before ...recording.Record) (pos journal.Pos, err error) {
	now := s.line.Now()
	frame := append(s.records[:0], before...)
	ended := s.ended
	for len(frame) > 0 || len(ended) > 0 {
		some := ended[:min(len(ended), maxResults)]
		ended = ended[len(some):]
		for _, r := range some {
			r.result.Statement = r.number
			r.result.Digest = hex.EncodeToString(s.chain)
			s.info.Rows += r.result.Rows
			s.info.Changed += r.result.Changed
			s.info.Masked += r.result.Masked
			frame = append(frame, recording.Record{Kind: recording.KindResult, At: now.Sub(s.started), Counter: r.number, Result: &r.result})
		}
		if pos, err = s.rec.Append(frame...); err != nil {
			break
		}
		clear(frame)
		frame = frame[:0]
		for _, r := range some {
			s.event = hoop.Event{Type: hoop.EventResult, Result: &r.result, Duration: now.Sub(r.at).Microseconds()}
			pos, err = s.logLocked(&s.event)
			if err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	clear(frame) // it holds the caller's bytes
	s.records = frame[:0]
	clear(s.ended)
	s.ended = s.ended[:0]
	return pos, err
}

// Received records what the client sends as data (COPY FROM STDIN). It does not
// wait: the data takes effect only with its end (ReceivedAll).
func (s *Session) Received(r *Run, wire []byte) error {
	_, err := s.received(r, wire)
	return err
}

// ReceivedAll records the end of the data, and returns when the target may be told, as
// Release does.
func (s *Session) ReceivedAll(ctx context.Context, r *Run, wire []byte) error {
	pos, err := s.received(r, wire)
	if err != nil {
		return err
	}
	return s.kept(ctx, pos)
}

func (s *Session) received(r *Run, wire []byte) (journal.Pos, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, err := s.rec.Append(recording.Record{Kind: recording.KindInput, At: s.since(), Counter: r.number, Wire: wire})
	return pos, unrecorded(err)
}

// Cancelled puts a CancelRequest on record.
func (s *Session) Cancelled() error {
	if _, err := s.log(&hoop.Event{Type: hoop.EventCancel}); err != nil {
		return unrecorded(err)
	}
	return nil
}

// Close ends the session: why is nil when the client left by itself. The log then
// commits to the number of its events and to the recording's hash.
func (s *Session) Close(why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.line.copies.left(s)
	s.end(nil)
	s.lease.End()
	s.info.EndedAt = s.line.Now().UTC()
	s.info.Cause = hoop.CauseOf(why)
	if why != nil {
		s.info.Why = hoop.AsError(why).Message
	}
	var errs []error
	_, err := s.results() // answered, and the client was gone
	errs = append(errs, err)
	rec, _, err := s.rec.Close(recording.Record{Kind: recording.KindEnd, At: s.since(), Text: s.info.Why})
	errs = append(errs, err)
	rec.Events = s.events + 1
	pos, err := s.logLocked(&hoop.Event{Type: hoop.EventSessionEnd, Reason: s.info.Why, Cause: s.info.Cause, Record: &rec})
	errs = append(errs, err)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
	defer cancel()
	errs = append(errs, s.line.Journal.Wait(ctx, pos), s.line.Registry.SaveSession(ctx, s.info))
	return errors.Join(errs...)
}

// log appends an event of this session.
func (s *Session) log(e *hoop.Event) (journal.Pos, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logLocked(e)
}

func (s *Session) logLocked(e *hoop.Event) (journal.Pos, error) {
	e.Time = s.line.Now().UTC()
	e.Subject, e.Chain = s.info.Identity.Subject, s.info.Identity.Chain
	e.Target, e.Grant, e.Session = s.info.Target, s.info.Grant, s.info.ID
	e.Policy = s.line.Revision()
	e.Counter = s.events + 1
	pos, err := s.line.Audit.Append(e)
	if err == nil {
		s.events++
	}
	return pos, err
}

// refused puts on record that a session did not begin. It cannot fail the caller
// further: the session is refused already.
func (l *Line) refused(ctx context.Context, info *hoop.SessionInfo, why *hoop.Error) {
	_, err := l.Audit.Append(&hoop.Event{
		Time: l.Now().UTC(), Type: hoop.EventSessionDenied, Subject: info.Identity.Subject, Chain: info.Identity.Chain,
		Target: info.Target, Grant: info.Grant, Policy: l.Revision(), Reason: why.Message, Cause: hoop.CauseOf(why),
		Details: []hoop.Detail{{Name: "remote_addr", Value: info.RemoteAddr}},
	})
	l.Log.LogAttrs(ctx, slog.LevelWarn, "session refused", slog.String("subject", info.Identity.Subject),
		slog.String("target", info.Target), slog.Any("error", why), slog.Any("audit", err))
}

func (s *Session) since() time.Duration { return s.line.Now().Sub(s.started) }

// unrecorded is the refusal of a gateway that cannot record.
func unrecorded(err error) error {
	if err == nil {
		return nil
	}
	return &hoop.Error{
		Code: hoop.CodeUnrecorded, Message: "the gateway cannot record, so nothing runs",
		Hint: "tell an administrator: the gateway's log names the disk or file", Err: err,
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand
	return b
}

// newID is 6 bytes of milliseconds and 6 of chance, in hex: sortable and unique.
func newID(at time.Time) string {
	ms := at.UnixMilli()
	id := []byte{byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)}
	return hex.EncodeToString(append(id, random(6)...))
}
