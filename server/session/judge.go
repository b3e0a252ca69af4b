package session

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/decoy"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/mask"
)

// inTxTimeout is how long people have at most while a transaction is open: others may
// wait for its locks.
const inTxTimeout = hoop.Duration(time.Minute)

// Ask is a statement put to the line.
type Ask struct {
	Statement *hoop.Statement
	// Columns is the catalog that it was read with, Others what everybody else sees of it then.
	Columns, Others decoy.Columns
	// Catalog names the state of the target's catalog that the statement was read with.
	Catalog string
	// Tree gives the canonical form of the text, and of those that it executes by name:
	// what an approval binds to, instead of how the text is written. Where it fails,
	// nobody is asked.
	Tree func(ctx context.Context) ([][]byte, error)
	// Ready is called before people are asked. It waits until the target has answered what
	// came before; an error says why it would not run the statement, so that nobody needs
	// to decide.
	Ready func(ctx context.Context) error
	// Held is called at once when people must agree first, so that the client can be
	// told; an error ends the request.
	Held func(Hold) error
	// Writing tells, at once, what is known of the literals of the statement's text, and
	// which texts it executes that were prepared before. May be nil.
	Writing func(ctx context.Context) (executes []string, writing []hoop.Writing)
	// Facts finds out, while people think, what they should know. It gives up when ctx
	// ends, and what it does not find out holds and releases nothing. May be nil.
	Facts func(ctx context.Context) hoop.Facts
	// Confirm is called after an approval: does the text still mean what was approved?
	// An error refuses the statement.
	Confirm func() error
}

// Hold is a statement that waits for people.
type Hold struct {
	ID        int64 // hoopctl approve ID
	Groups    []string
	Count     int
	ExpiresAt time.Time
	InTx      bool   // a transaction is open and keeps its locks meanwhile
	Reason    string // why it is held
}

// Run is a statement that may be forwarded, until its result is told.
type Run struct {
	session *Session
	st      *hoop.Statement
	rules   *mask.Rules
	exports *exports
	infers  *inferences
	decoys  decoys
	request int64   // that asked people about it; 0 where nobody was asked
	former  []int64 // those before it, which asked others
	number  int64   // counter of its event in the session
	at      time.Time
	result  hoop.Result
	copying bool        // it is among the line's copies
	lingers atomic.Bool // until Over
}

// Preview tells early what Judge would refuse outright, before the parameters are
// known. A refusal is put on record as Judge's is. withheld is as Run.Withheld would have
// it: a target that only parses the statement may run code for its constants already.
func (s *Session) Preview(ctx context.Context, st *hoop.Statement) (withheld bool, err error) {
	r := &Run{session: s, st: st}
	uses, exports, refused, err := s.uses(ctx, st)
	switch {
	case err != nil:
		return false, s.refuse(ctx, r, st.Uses, hoop.Decision{}, hoop.AsError(err))
	case refused != nil:
		return false, s.refuse(ctx, r, uses, hoop.Decision{Rule: hoop.RuleGateway}, refused)
	}
	d, err := s.decide(ctx, uses)
	if err != nil {
		return false, s.refuse(ctx, r, uses, hoop.Decision{Rule: "policy"}, hoop.AsError(err))
	}
	if d.Action != hoop.Deny {
		return s.rules().Withheld(st) || exports.withheld, nil
	}
	return false, s.refuse(ctx, r, uses, d, s.denied(d))
}

// Passes reports whether a statement would run without anybody being asked, as far as
// policy goes. Nothing of it is put on record.
func (s *Session) Passes(ctx context.Context, st *hoop.Statement) bool {
	uses, _, refused, err := s.uses(ctx, st)
	if err != nil || refused != nil {
		return false
	}
	d, err := s.decide(ctx, uses)
	return err == nil && d.Action == hoop.Allow
}

// Judge takes a statement through the line up to the target: grant, decision,
// approval, record. It returns when the statement may be forwarded; with an error (a
// *hoop.Error) nothing was and nothing may be. When ctx ends while the statement is
// held, its request ends too.
func (s *Session) Judge(ctx context.Context, ask Ask) (_ *Run, err error) {
	st := ask.Statement
	r := &Run{session: s, st: st}
	if err := s.inForce(); err != nil {
		return nil, s.refuse(ctx, r, st.Uses, hoop.Decision{Rule: "grant"}, hoop.AsError(err))
	}
	watched, err := s.watchedIn(ctx, ask.Columns, ask.Others)
	if err != nil {
		return nil, s.refuse(ctx, r, st.Uses, hoop.Decision{}, hoop.AsError(err))
	}
	uses, exports, refused, err := s.uses(ctx, st)
	switch {
	case err != nil:
		return nil, s.refuse(ctx, r, st.Uses, hoop.Decision{}, hoop.AsError(err))
	case refused != nil:
		return nil, s.refuse(ctx, r, uses, hoop.Decision{Rule: hoop.RuleGateway}, refused)
	}
	d, err := s.decide(ctx, uses)
	if err != nil {
		return nil, s.refuse(ctx, r, uses, hoop.Decision{Rule: "policy"}, hoop.AsError(err))
	}
	if err := s.witnessed(d); err != nil {
		return nil, s.refuse(ctx, r, uses, hoop.Decision{Rule: "cosigned_within"}, err)
	}
	infers := s.infers(st, s.rules())
	asks, err := infers.limit(ctx, s, d)
	if d = asks[0]; err != nil {
		return nil, s.refuse(ctx, r, uses, d, hoop.AsError(err))
	}
	switch d.Action {
	case hoop.Allow:
	case hoop.Approve:
		now, err := s.agree(ctx, ask, r, uses, asks)
		if err != nil {
			return nil, s.refuse(ctx, r, uses, d, hoop.AsError(err))
		}
		if err := s.witnessed(now); err != nil { // people took their time
			return nil, s.refuse(ctx, r, uses, hoop.Decision{Rule: "cosigned_within"}, err)
		}
	default:
		return nil, s.refuse(ctx, r, uses, d, s.denied(d))
	}
	if err := r.underWay(uses); err != nil {
		return nil, s.refuse(ctx, r, uses, d, hoop.AsError(err))
	}
	defer func() {
		if err != nil {
			r.arrived()
		}
	}()
	if err := infers.begin(ctx, s.line); err != nil {
		return nil, s.refuse(ctx, r, uses, d, hoop.AsError(err))
	}
	if err := exports.begin(ctx, s.line, st); err != nil {
		return nil, s.refuse(ctx, r, uses, d, hoop.AsError(err))
	}
	if err := s.inherit(ctx, st, uses); err != nil {
		return nil, s.refuse(ctx, r, uses, d, hoop.AsError(err))
	}
	// The rules again: what inherited protection just now counts for RETURNING too.
	r.rules, r.exports, r.infers, r.at = s.rules(), exports, infers, s.line.Now()
	s.owe(st, infers.fails)
	pos, err := s.recordStatement(r, uses, d, nil)
	if err != nil {
		return nil, unrecorded(err)
	}
	if len(watched) > 0 {
		r.decoys = decoys{list: watched, hits: map[int]bool{}, told: map[int]bool{}, stored: s.stored, types: pgtype.NewMap(), loose: &s.loose}
		compared, copied := r.decoys.compared(st)
		if err := s.touched(ctx, r, compared, "compared"); err != nil {
			return nil, err
		}
		if err := s.touched(ctx, r, copied, "copied"); err != nil {
			return nil, err
		}
	}
	switch {
	case d.Action == hoop.Approve:
		if err := s.line.Journal.Wait(ctx, pos); err != nil {
			return nil, unrecorded(err)
		}
	case st.Changes():
		if err := s.kept(ctx, pos); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// uses are the effects that matter here: with what the mask rules leave of them, and
// export where a budget is at stake. refused is why it must not run, whatever is decided about them.
func (s *Session) uses(ctx context.Context, st *hoop.Statement) (uses []hoop.Use, x *exports, refused *hoop.Error, err error) {
	if x, err = s.exports(ctx, st); err != nil {
		return nil, nil, nil, err
	}
	uses, refused = s.unmasked(st)
	if x.use != nil {
		uses = append(slices.Clone(uses), *x.use)
	}
	return uses, x, refused, nil
}

// inForce tells whether the session may go on.
func (s *Session) inForce() error {
	if s.ctx.Err() != nil {
		return hoop.AsError(context.Cause(s.ctx))
	}
	if !s.lease.Grant().InForce(s.line.Now()) {
		return hoop.Errorf(hoop.CodeExpired, "the grant for %s has ended", s.target.Name).
			WithHint("hoopctl request %s", s.target.Name)
	}
	return nil
}

// witnessed tells whether a witness has cosigned the log as lately as the target, and the
// rules that the statement meets, demand.
func (s *Session) witnessed(d hoop.Decision) *hoop.Error {
	demanded, who := s.target.CosignedWithin, s.target.Name
	if demanded == 0 || d.CosignedWithin > 0 && d.CosignedWithin < demanded {
		demanded, who = d.CosignedWithin, "a rule"
	}
	limit := time.Duration(demanded)
	if limit == 0 {
		return nil
	}
	last := s.line.Cosigned()
	if !last.IsZero() && s.line.Now().Sub(last) <= limit {
		return nil
	}
	since := "since the gateway was started"
	if !last.IsZero() {
		since = "since " + last.UTC().Format(time.RFC3339)
	}
	return hoop.Errorf(hoop.CodeUnrecorded, "no witness has cosigned the audit log %s, and %s demands it every %s: nothing runs",
		since, who, demanded).
		WithHint("tell an administrator: the gateway's log names the witness and the cause")
}

// decide asks the policy. A policy that fails denies.
func (s *Session) decide(ctx context.Context, uses []hoop.Use) (hoop.Decision, error) {
	d, err := s.line.Policy.Decide(ctx, s.info.Identity, s.target.Name, uses)
	if err != nil {
		return d, &hoop.Error{
			Code: hoop.CodeDenied, Message: "the policy could not decide, so the statement is denied",
			Hint: "tell an administrator: the gateway's log has the cause", Err: err,
		}
	}
	for _, narrowed := range s.scopes {
		if outside := narrowed.judge(uses); outside != nil && d.Action != hoop.Deny {
			outside.Policy, outside.Observed = d.Policy, d.Observed
			return *outside, nil
		}
	}
	return d, nil
}

// agree puts the statement to all who must agree, one group after the other: each of asks. now
// is what the policy decides then.
func (s *Session) agree(ctx context.Context, ask Ask, r *Run, uses []hoop.Use, asks []hoop.Decision) (now hoop.Decision, err error) {
	began := s.line.Now()
	for i, d := range asks {
		if i > 0 {
			r.former = append(r.former, r.request)
		}
		left := inTxTimeout - hoop.Duration(s.line.Now().Sub(began).Truncate(time.Second))
		if left = min(max(left, hoop.Duration(time.Second)), inTxTimeout); ask.Statement.InTx && d.Approval.Timeout > left {
			rule := *d.Approval
			rule.Timeout = left
			d.Approval = &rule
		}
		if r.request, now, err = s.hold(ctx, ask, uses, d, asks, asks[i+1:]); err != nil {
			return now, err
		}
	}
	return now, nil
}

// hold puts the statement to people and waits. Without an error exactly this
// statement was approved and still means the same; now is what the policy decides then. id
// is the request's, 0 where it could not be made. asks are d and whatever else people are asked
// about, next those of them that come after d.
func (s *Session) hold(ctx context.Context, ask Ask, uses []hoop.Use, d hoop.Decision, asks, next []hoop.Decision) (id int64, now hoop.Decision, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var asking sync.WaitGroup
	defer func() {
		cancel(nil)
		asking.Wait()
	}()
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	defer stop()

	if err := ask.Ready(ctx); err != nil {
		return 0, now, err
	}
	st := ask.Statement
	digest, err := s.digest(ctx, ask, uses)
	if err != nil {
		return 0, now, err
	}
	facts := &hoop.Facts{Session: s.soFar(), Pending: ask.Facts != nil}
	facts.Digest = recording.FactsDigest(s.key, facts)
	var executes []string
	var writing []hoop.Writing
	if ask.Writing != nil {
		executes, writing = ask.Writing(ctx)
	}
	req, err := s.line.Grants.Hold(ctx, hoop.Request{
		Kind: hoop.RequestStatement, Requester: s.info.Identity, Target: s.target.Name, Session: s.info.ID,
		Reason: d.Reason, Rule: d.Rule, Groups: d.Approval.Groups, Count: d.Approval.Count,
		Duration: d.Approval.Timeout, Statement: st.Shown(), Shape: st.Shape, Params: Printable(st.Params, st.SecretParams),
		Effects: uses, Digest: digest, InTx: st.InTx, Grant: s.info.Grant,
		Executes: executes, Writing: writing, Facts: facts, Next: approvals(next),
	})
	if err != nil {
		return 0, now, err
	}
	if ask.Facts != nil {
		asking.Go(func() {
			found := ask.Facts(ctx)
			found.Session = facts.Session
			found.Digest = recording.FactsDigest(s.key, &found)
			s.line.Grants.Tell(req.ID, found)
		})
	}
	if err := s.frame(recording.Record{Kind: recording.KindApproval, At: s.since(), Request: &req}); err != nil {
		cancel(unrecorded(err))
	}
	if err := ask.Held(Hold{
		ID: req.ID, Groups: req.Groups, Count: req.Count, ExpiresAt: req.ExpiresAt, InTx: st.InTx, Reason: d.Reason,
	}); err != nil {
		cancel(err)
	}
	answer, err := s.line.Grants.Await(ctx, req.ID)
	if err != nil {
		return req.ID, now, err
	}
	if err := s.frame(recording.Record{Kind: recording.KindApproval, At: s.since(), Request: &answer}); err != nil {
		return req.ID, now, unrecorded(err)
	}
	if err := verdict(answer); err != nil {
		return req.ID, now, err
	}
	if answer.Digest != digest {
		return req.ID, now, hoop.Errorf(hoop.CodeDenied, "approval %d names another statement", answer.ID)
	}
	if err := s.inForce(); err != nil {
		return req.ID, now, err
	}
	if now, err = s.stillHolds(ctx, st, uses, asks); err == nil {
		err = ask.Confirm()
	}
	if err != nil && ctx.Err() != nil { // what was asked then was not answered to the end
		err = hoop.Errorf(hoop.CodeCancelled, "request %d was approved when nobody waited any more", req.ID).Wrap(err)
	}
	return req.ID, now, err
}

// approvals is who must approve each.
func approvals(asks []hoop.Decision) []hoop.ApprovalRule {
	var who []hoop.ApprovalRule
	for _, d := range asks {
		who = append(who, *d.Approval)
	}
	return who
}

// stillHolds asks the policy again once people agreed to one of what was asked: rules that
// became stricter meanwhile count, and so does what was protected meanwhile: nobody was asked
// about a copy or a search of that. It gives what the policy decides now.
func (s *Session) stillHolds(ctx context.Context, st *hoop.Statement, uses []hoop.Use, asks []hoop.Decision) (now hoop.Decision, err error) {
	for _, u := range s.rules().Uses(st) {
		if !slices.ContainsFunc(uses, func(was hoop.Use) bool { return reflect.DeepEqual(u, was) }) {
			return now, hoop.Errorf(hoop.CodeDenied, "what is protected of what the statement touches has changed while it waited, and it has effect %s now", u.Effect).
				WithHint("run the statement again")
		}
	}
	now, err = s.decide(ctx, uses)
	switch {
	case err != nil:
		return now, err
	case now.Action == hoop.Deny:
		return now, s.denied(now)
	case slices.ContainsFunc(append([]hoop.Decision{now}, now.Also...), func(wanted hoop.Decision) bool {
		return wanted.Action == hoop.Approve && !slices.ContainsFunc(asks, func(d hoop.Decision) bool {
			return wanted.Approval.Count <= d.Approval.Count && slices.Equal(wanted.Approval.Groups, d.Approval.Groups)
		})
	}):
		return now, hoop.Errorf(hoop.CodeDenied, "the rules changed while the statement waited, and others must approve it now").
			WithHint("run the statement again")
	}
	return now, nil
}

// soFar is what the session has done, for those who decide what it does next.
func (s *Session) soFar() hoop.SessionSoFar {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hoop.SessionSoFar{
		Client: s.info.Client, Database: s.info.Database, RemoteAddr: s.info.RemoteAddr, StartedAt: s.info.StartedAt,
		Statements: s.info.Statements, Rows: s.info.Rows, Masked: s.info.Masked,
	}
}

// verdict turns what became of a request into an error, nil when it was approved.
func verdict(r hoop.Request) error {
	by := ""
	if n := len(r.Approvals); n > 0 {
		by = " by " + r.Approvals[n-1].Name
	}
	switch r.State {
	case hoop.Approved:
		return nil
	case hoop.Denied:
		return hoop.Errorf(hoop.CodeDenied, "approval %d was denied%s: %s", r.ID, by, r.DecisionWhy).
			WithHint("talk to whoever denied it, or change the statement")
	case hoop.Expired:
		return hoop.Errorf(hoop.CodeDenied, "approval %d: nobody in %s decided in time", r.ID, strings.Join(r.Groups, ", ")).
			WithHint("run the statement again and tell an approver the new number")
	default:
		return hoop.Errorf(hoop.CodeCancelled, "approval %d was cancelled%s", r.ID, because(r.DecisionWhy))
	}
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// denied is the policy's no, for the client.
func (s *Session) denied(d hoop.Decision) *hoop.Error {
	e := hoop.Errorf(hoop.CodeDenied, "denied by %s: %s", ruleName(d.Rule), strings.TrimPrefix(d.Reason, "denied: "))
	switch d.Rule {
	case hoop.RuleScope:
		return e.WithHint("ask for a grant that covers it: hoopctl request %s, with --effects and --tables, or without", s.target.Name)
	case "", hoop.RuleDefault:
		return e.WithHint("an administrator can allow it with a StatementRule for effect %s", d.Effect)
	case hoop.RuleMasked:
		return e.WithHint("no rule can allow it where values are masked: write it in another way")
	case hoop.RuleSite:
		return e.WithHint("the site's own policy module denies it, whatever rules allow: talk to an administrator")
	case hoop.RuleInference:
		return e.WithHint("an administrator can say who may agree: approval of the target's inference_limits, or a GroupRole of role approver")
	}
	return e.WithHint("no other rule can allow what one denies: talk to an administrator")
}

func ruleName(rule string) string {
	switch rule {
	case "", hoop.RuleDefault:
		return "the default policy"
	case hoop.RuleScope:
		return "your grant"
	}
	return "rule " + rule
}

// Refuse puts a statement on record that cannot be judged, or that no rule may allow,
// and returns why; where even that fails, the fault of the record. reason is for the
// log, which has no literals.
func (s *Session) Refuse(ctx context.Context, st *hoop.Statement, reason string, why error) error {
	if len(st.Uses) == 0 {
		unknown := *st
		unknown.Uses = []hoop.Use{{Effect: hoop.EffectUnknown, Why: reason}}
		st = &unknown
	}
	told := *hoop.AsError(why)
	told.Message = reason
	err := s.refuse(ctx, &Run{session: s, st: st}, st.Uses, hoop.Decision{Effect: hoop.EffectUnknown, Policy: s.line.Revision()}, &told)
	if r := Refused(err); r != nil {
		return &refusal{why, r}
	}
	return err
}

// refuse puts a refused statement on record, durably, and returns why. Where even
// that fails, the fault of the record is what the client hears.
func (s *Session) refuse(ctx context.Context, r *Run, uses []hoop.Use, d hoop.Decision, why *hoop.Error) error {
	r.at = s.line.Now()
	pos, err := s.recordStatement(r, uses, d, why)
	if err == nil {
		// The client may be gone (that may be why it is refused); the record stays.
		wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = s.line.Journal.Wait(wctx, pos)
	}
	if err != nil {
		return unrecorded(err)
	}
	return &refusal{why, r}
}

// refusal is why a statement was refused that is on record.
type refusal struct {
	why error
	run *Run
}

func (r *refusal) Error() string { return r.why.Error() }
func (r *refusal) Unwrap() error { return r.why }

// Refused gives the statement that was refused with err and is on record, nil where there
// is none. Release takes the answer with it.
func Refused(err error) *Run {
	var r *refusal
	if errors.As(err, &r) {
		return r.run
	}
	return nil
}

// inherit lets the destinations of protected data inherit its protection, before the
// statement runs.
func (s *Session) inherit(ctx context.Context, st *hoop.Statement, uses []hoop.Use) error {
	into := inheritors(s.rules(), st, uses)
	if len(into) == 0 {
		return nil
	}
	err := s.line.Protection.Inherit(ctx, s.target.Name, into, s.info.ID)
	if err == nil {
		err = s.line.Follow(ctx)
	}
	if err != nil {
		return &hoop.Error{
			Code: hoop.CodeUnavailable, Message: "the destination's protection could not be stored, so the statement is refused",
			Hint: "try again; the gateway's log has the cause", Err: err,
		}
	}
	return nil
}

// recordStatement writes the statement to the recording and its event to the log.
// why is nil when it may run.
func (s *Session) recordStatement(r *Run, uses []hoop.Use, d hoop.Decision, why *hoop.Error) (journal.Pos, error) {
	if why != nil {
		d.Action, d.Reason = hoop.Deny, why.Message
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.event
	*e = hoop.Event{Type: hoop.EventStatement, Request: r.request, Text: r.st.Shape, Action: d.Action, Rule: d.Rule, Reason: d.Reason}
	for _, u := range uses {
		e.Effects = append(e.Effects, u.Effect)
		e.Tables = append(e.Tables, u.Tables...)
	}
	e.Effects, e.Tables = compact(e.Effects), compact(e.Tables)
	if r.infers != nil {
		e.Details = append(e.Details, r.infers.details()...)
	}
	for _, id := range r.former {
		e.Details = append(e.Details, hoop.Detail{Name: "request", Value: strconv.FormatInt(id, 10)})
	}
	if d.Observed != nil {
		e.Details = append(e.Details, hoop.Detail{Name: "observed", Value: d.Observed.String()})
	}
	if s.closed {
		return 0, hoop.Errorf(hoop.CodeShuttingDown, "the session has ended")
	}
	r.number = s.events + 1
	s.info.Statements++
	s.asked = recording.Statement{
		Text: r.st.Shown(), Secrets: len(r.st.Secrets), Shape: r.st.Shape, Params: recorded(r.st.Params, r.st.SecretParams), Uses: uses, Decision: d,
	}
	s.records = append(s.records[:0], recording.Record{Kind: recording.KindStatement, At: s.since(), Counter: r.number, Statement: &s.asked})
	_, err := s.rec.Append(s.records...)
	s.asked = recording.Statement{} // its values may be large
	if err != nil {
		return 0, err
	}
	if err := s.recordLong(r); err != nil {
		return 0, err
	}
	return s.logLocked(e)
}

// frame appends one record to the recording.
func (s *Session) frame(rec recording.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.rec.Append(rec)
	return err
}

// digest binds an approval to what was asked: the statement as the grammar reads it,
// parameters, effects with the objects they touch, the catalog, target, session,
// requester and rules. It is keyed, with a key that no record has: whoever sees it cannot try
// out literals, nor secrets who reads the recording.
func (s *Session) digest(ctx context.Context, ask Ask, uses []hoop.Use) (string, error) {
	st := ask.Statement
	params, long := digested(st.Params)
	trees, err := ask.Tree(ctx)
	if err != nil {
		return "", fmt.Errorf("read the statement for its digest: %w", err)
	}
	b, err := json.Marshal(struct {
		Trees                                                 [][]byte
		Catalog, Database, Target, Session, Requester, Policy string
		Chain                                                 []string
		Params                                                []hoop.Param
		Uses                                                  []hoop.Use
		Reads                                                 []string
		Long                                                  map[int]int `json:",omitempty"` // lengths of values that are digests
	}{
		trees, ask.Catalog, st.Database, s.target.Name, s.info.ID, s.info.Identity.Subject, s.line.Revision(),
		s.info.Identity.Chain, params, uses, st.Reads, long,
	})
	if err != nil {
		panic(err) // plain values: cannot happen
	}
	mac := hmac.New(sha256.New, s.binds)
	mac.Write(b)
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// Plan says how each column of an answer is masked.
func (r *Run) Plan(cols []hoop.Column) *mask.Plan {
	cols = r.untried(cols)
	p := r.rules.Plan(r.st, cols)
	p.AtLeast(r.infers.counts, r.infers.least, cols)
	r.decoys.watch(p, r.st, cols)
	return p
}

// Withheld reports whether texts of errors and notices, and COPY TO, of this
// statement must not reach the client.
func (r *Run) Withheld() bool { return r.rules.Withheld(r.st) || r.exports.withheld }

// Protected are the tables with protected values that the statement reads, by canonical
// name; there are none where it is not known which it can read.
func (r *Run) Protected() []string {
	if r.st.Opaque {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.st.Reads), func(t string) bool { return !r.rules.ProtectsTable(t) })
}

// Rules gives the mask rules that were in force when the statement was judged, or that it
// was renewed by.
func (r *Run) Rules() *mask.Rules { return r.rules }

// Renew has what is still to come of the answer masked by other rules. It is for the
// goroutine that answers.
func (r *Run) Renew(by *mask.Rules) { r.rules = by }

// Done tells how the statement ended; the next Release puts it on record with the
// bytes that tell the client. It is called once.
func (r *Run) Done(res hoop.Result) {
	r.countEnd(res.SQLState)
	r.failed(res.SQLState)
	s := r.session
	if !r.lingers.Load() {
		r.arrived()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.result = res
	s.ended = append(s.ended, r)
}

// compact sorts and drops what occurs twice; it works in place.
func compact[T cmp.Ordered](in []T) []T {
	slices.Sort(in)
	return slices.Compact(in)
}
