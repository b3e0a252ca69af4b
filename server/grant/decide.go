package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Approve is one person's yes. The request is approved when enough distinct people
// said so; the same person again changes nothing, and is told (Repeated). It returns the request as it is now.
func (s *Service) Approve(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error) {
	reason, err := cleanReason(reason)
	if err != nil {
		return hoop.Request{}, err
	}
	return s.decide(ctx, by, id, hoop.Approval{By: by.Subject, Name: by.Name, Email: by.Email, Approve: true, Reason: reason})
}

// Deny is one person's no, with a reason; it ends the request.
func (s *Service) Deny(ctx context.Context, by hoop.Identity, id int64, reason string) (hoop.Request, error) {
	reason, err := cleanReason(reason)
	if err != nil {
		return hoop.Request{}, err
	}
	if reason == "" {
		return hoop.Request{}, hoop.Errorf(hoop.CodeInvalid, "a denial needs a reason").WithHint(`hoopctl deny %d --reason "…"`, id)
	}
	return s.decide(ctx, by, id, hoop.Approval{By: by.Subject, Name: by.Name, Email: by.Email, Reason: reason})
}

// errNoChange ends a step that has nothing to do.
var errNoChange = errors.New("nothing to change")

func (s *Service) decide(ctx context.Context, by hoop.Identity, id int64, a hoop.Approval) (hoop.Request, error) {
	seen, err := s.Request(ctx, by, id)
	if err != nil {
		return hoop.Request{}, err
	}
	a.Reason = s.guard(seen.Target, a.Reason)
	access, err := s.check(ctx, by, &seen, a.Approve)
	if err == nil {
		err = s.checkNow(ctx, by, &seen)
	}
	if err != nil {
		return hoop.Request{}, err
	}
	ctx, cancel := stepContext(ctx)
	defer cancel()
	var before hoop.Request
	var led *hoop.Grant
	r, err := s.store.UpdateRequest(ctx, id, func(r *hoop.Request, former *hoop.Grant) (_ *hoop.Grant, err error) {
		before = *r
		a.At = s.stamp()
		if err := open(r, a.At); err != nil {
			return nil, err
		}
		if a.Approve && approvedBy(r, a.By, a.Email) {
			return nil, errNoChange
		}
		r.Approvals = append(r.Approvals, a)
		// Before an approval is on record that changes nothing: the grant that it would renew may
		// have been revoked a moment ago.
		if r.Kind == hoop.RequestGrant && a.Approve {
			trial := *r
			trial.DecidedAt = a.At
			if _, err := grantOf(&trial, former, access); err != nil {
				return nil, err
			}
		}
		if led, err = conclude(r, a, access, former); err != nil {
			return nil, err
		}
		err = s.record(ctx, verdictEvent(by, r, a, seen))
		if err == nil && led != nil {
			err = s.record(ctx, grantEvent(led, r))
		}
		return led, err
	})
	if errors.Is(err, errNoChange) {
		r, err = before, nil
		r.Repeated = true
	}
	if err != nil {
		return hoop.Request{}, err
	}
	s.extend(led)
	switch {
	case r.State != hoop.Pending:
		s.settle(r)
	case a.Approve && s.checkNow(ctx, by, &r) != nil:
		// Whoever disabled them meanwhile has not seen the approval, and others would count on it.
		if _, err := s.cancel(ctx, id, hoop.Identity{}, left(by.Subject)); err != nil {
			return hoop.Request{}, err
		}
		return hoop.Request{}, hoop.Errorf(hoop.CodeConflict, "request %d was cancelled: %s", id, left(by.Subject)).WithHint("it must be asked for anew")
	}
	return s.show(by, r), nil
}

// checkNow refuses a decision of somebody whose sign-ins have ended, or who has other groups,
// a moment ago, elsewhere: what they decide outlives them. So it does of who has the address of
// the owner of the requesting service account, who is known while signed in.
func (s *Service) checkNow(ctx context.Context, by hoop.Identity, r *hoop.Request) error {
	if s.signedIn == nil {
		return nil
	}
	now, err := s.signedIn(ctx, by.Subject)
	if err == nil {
		err = mayDecide(now, r)
	}
	if err != nil || r.Requester.Owner == "" {
		return err
	}
	owner, err := s.signedIn(ctx, r.Requester.Owner)
	switch {
	case err == nil && samePerson(now.Subject, now.Email, owner.Subject, owner.Email):
		return yours(r)
	case err != nil && hoop.AsError(err).Code != hoop.CodeUnauthenticated: // a group is not, nor who is not signed in
		return err
	}
	return nil
}

// left is why a request is cancelled that somebody approved.
func left(subject string) string { return subject + ", who approved it, may not decide it any more" }

// conclude sets what follows from an approval or denial.
func conclude(r *hoop.Request, a hoop.Approval, access hoop.Access, former *hoop.Grant) (*hoop.Grant, error) {
	if !a.Approve {
		r.State, r.DecidedAt, r.DecisionWhy = hoop.Denied, a.At, a.Reason
		return nil, nil
	}
	if approvals(r) < max(1, r.Count) {
		return nil, nil
	}
	r.State, r.DecidedAt, r.DecisionWhy = hoop.Approved, a.At, a.Reason
	if r.Kind != hoop.RequestGrant {
		return nil, nil
	}
	return grantOf(r, former, access)
}

// check refuses a decision before it is looked at as a change: the wrong person, or
// the wrong moment. It gives the terms of the grant that an approval leads to.
func (s *Service) check(ctx context.Context, by hoop.Identity, r *hoop.Request, approve bool) (hoop.Access, error) {
	if err := open(r, s.stamp()); err != nil {
		return hoop.Access{}, err
	}
	if err := mayDecide(by, r); err != nil || !approve {
		return hoop.Access{}, err
	}
	if r.Kind == hoop.RequestStatement {
		if !s.holds(r.ID) {
			return hoop.Access{}, elsewhere(r)
		}
		return hoop.Access{}, nil
	}
	return s.stillAllowed(ctx, r)
}

// elsewhere refuses to approve a statement that another gateway holds, and names that one.
func elsewhere(r *hoop.Request) error {
	if r.GatewayURL == "" { // it was held by an older version
		return hoop.Errorf(hoop.CodeConflict, "request %d is held by another gateway, and only that one knows the statement", r.ID).WithHint("approve it there")
	}
	return hoop.Errorf(hoop.CodeConflict, "request %d is held by the gateway %s, and only that one knows the statement", r.ID, r.GatewayURL).
		WithHint("hoopctl approve %d --gateway %s", r.ID, r.GatewayURL)
}

// stillAllowed asks the policy again: the rules may have become stricter while the
// request waited.
func (s *Service) stillAllowed(ctx context.Context, r *hoop.Request) (hoop.Access, error) {
	a, err := s.policy.Access(ctx, r.Requester, r.Target)
	if err != nil {
		return a, &hoop.Error{
			Code: hoop.CodeConflict, Message: fmt.Sprintf("no access rule lets %s have %s any more", r.Requester.Subject, r.Target),
			Hint: fmt.Sprintf(`hoopctl deny %d --reason "…"`, r.ID), Err: err,
		}
	}
	same := a.Rule == r.Rule && (a.MaxDuration <= 0 || r.Duration <= a.MaxDuration)
	if a.Approval != nil {
		same = same && a.Approval.Count <= max(1, r.Count) && slices.Equal(a.Approval.Groups, r.Groups)
	}
	if !same {
		return a, hoop.Errorf(hoop.CodeConflict, "the access rules changed since request %d was made", r.ID).
			WithHint("deny it, and have %s ask again", r.Requester.Subject)
	}
	return a, nil
}

// open refuses a request that is not pending any more, and says what became of it.
func open(r *hoop.Request, now time.Time) error {
	at := r.DecidedAt.Format("15:04:05 MST on 2006-01-02")
	var what string
	switch {
	case r.State == hoop.Pending && now.Before(r.ExpiresAt):
		return nil
	case r.State == hoop.Pending || r.State == hoop.Expired:
		what = "expired at " + r.ExpiresAt.Format("15:04:05 MST on 2006-01-02") + ": nobody decided in time"
	case r.State == hoop.Approved:
		what = "was approved at " + at + decidedBy(r)
	case r.State == hoop.Denied:
		what = "was denied at " + at + decidedBy(r)
	default:
		what = "was cancelled at " + at
		if r.DecisionWhy != "" {
			what += ": " + r.DecisionWhy
		}
	}
	return hoop.Errorf(hoop.CodeConflict, "request %d %s", r.ID, what).WithHint("hoopctl requests shows what is open")
}

func decidedBy(r *hoop.Request) string {
	if len(r.Approvals) == 0 {
		return ""
	}
	return " by " + r.Approvals[len(r.Approvals)-1].By
}

// approvals counts the people who approved: one who has two subjects is known by the
// e-mail address.
func approvals(r *hoop.Request) int {
	var people []hoop.Approval
	for _, a := range r.Approvals {
		if a.Approve && !slices.ContainsFunc(people, func(p hoop.Approval) bool { return samePerson(p.By, p.Email, a.By, a.Email) }) {
			people = append(people, a)
		}
	}
	return len(people)
}

func approvedBy(r *hoop.Request, subject, email string) bool {
	return slices.ContainsFunc(r.Approvals, func(a hoop.Approval) bool { return a.Approve && samePerson(a.By, a.Email, subject, email) })
}

// samePerson takes two identities of one e-mail address for one person. The address may
// be unverified: it can only make somebody count less.
func samePerson(subject, email, otherSubject, otherEmail string) bool {
	return subject == otherSubject || email != "" && strings.EqualFold(email, otherEmail)
}

// mayDecide tells whether by may approve or deny r, and if not, why. It takes a person
// who acts in nobody's name but their own, out of the groups that the rule names, and
// who has no part in the request: not the requester, nobody the requester acts for,
// not the owner of the requesting service account.
func mayDecide(by hoop.Identity, r *hoop.Request) error {
	q := r.Requester
	no := func(format string, args ...any) error { return others(r, format, args...) }
	switch {
	case by.Subject == "":
		return hoop.Errorf(hoop.CodeUnauthenticated, "sign in first").WithHint("hoopctl login")
	case by.Subject == q.Subject, by.Email != "" && strings.EqualFold(by.Email, q.Email):
		return no("nobody decides about a request of their own")
	case slices.Contains(q.Chain, by.Subject):
		return no("request %d was made on your behalf, so others must decide", r.ID)
	case q.Owner != "" && (q.Owner == by.Subject || strings.EqualFold(q.Owner, by.Email) || by.InGroup(q.Owner)):
		return yours(r)
	case len(by.Chain) > 0:
		return no("only those decide who act for themselves, not programs that act for them")
	case by.Kind != hoop.Human:
		return no("only people decide, and %s is a service account", by.Subject)
	case !by.InAnyGroup(r.Groups):
		return no("only members of %s decide request %d", strings.Join(r.Groups, " or "), r.ID)
	}
	return nil
}

// others refuses somebody who must leave r to others.
func others(r *hoop.Request, format string, args ...any) error {
	return hoop.Errorf(hoop.CodeDenied, format, args...).
		WithHint("another member of %s must decide request %d", strings.Join(r.Groups, " or "), r.ID)
}

func yours(r *hoop.Request) error {
	return others(r, "%s belongs to you, so others must decide", r.Requester.Subject)
}

// verdictEvent tells what somebody decided, and what they could see of a held statement:
// the facts in short, without values. The recording has them whole.
func verdictEvent(by hoop.Identity, r *hoop.Request, a hoop.Approval, seen hoop.Request) *hoop.Event {
	t, action := hoop.EventDenial, hoop.Deny
	if a.Approve {
		t, action = hoop.EventApproval, hoop.Allow
	}
	e := event(t, a.At, r)
	e.Subject, e.Chain, e.Action, e.Reason = by.Subject, by.Chain, action, a.Reason
	detail(e, "groups", "%s", strings.Join(slices.DeleteFunc(slices.Clone(r.Groups), func(g string) bool { return !by.InGroup(g) }), " "))
	if a.Approve {
		detail(e, "approvals", "%d of %d", approvals(r), max(1, r.Count))
	}
	if f := seen.Facts; f != nil {
		detail(e, "hidden_values", "%d", seen.Hidden)
		detail(e, "facts_digest", "%s", f.Digest)
		if f.Pending {
			detail(e, "facts", "not known yet")
			return e
		}
		detail(e, "estimate", "%s", f.Estimate)
		more := ""
		if f.More {
			more = " and more"
		}
		detail(e, "protected_columns", "%d%s", len(f.Protected), more)
		detail(e, "transaction", "%s", f.Transaction)
		detail(e, "locks", "%s", f.Locks.Short())
	}
	return e
}

// Cancel withdraws a pending request; its requester may, and those the requester acts
// for.
func (s *Service) Cancel(ctx context.Context, by hoop.Identity, id int64) (hoop.Request, error) {
	r, err := s.Request(ctx, by, id)
	if err != nil {
		return hoop.Request{}, err
	}
	if !own(by, r.Requester) {
		return hoop.Request{}, hoop.Errorf(hoop.CodeDenied, "only %s may cancel request %d", r.Requester.Subject, id).
			WithHint(`hoopctl deny %d --reason "…"`, id)
	}
	return s.cancel(ctx, id, by, "")
}

// cancel ends a pending request nobody wants an answer to any more.
func (s *Service) cancel(ctx context.Context, id int64, by hoop.Identity, why string) (hoop.Request, error) {
	return s.end(ctx, id, func(r *hoop.Request, now time.Time) (*hoop.Event, error) {
		r.State, r.DecisionWhy = hoop.Cancelled, why
		e := event(hoop.EventCancel, now, r)
		e.Subject, e.Chain, e.Reason = by.Subject, by.Chain, why
		return e, nil
	})
}

// Leave is for when id is known to have other groups than before, or none: requests that it
// has approved and may not decide any more, and that wait for others, are cancelled, since
// whoever approves them next counts on it.
func (s *Service) Leave(ctx context.Context, id hoop.Identity) error {
	_, err := s.cancelAll(ctx, hoop.Identity{}, func(r *hoop.Request) (bool, string) {
		approved := slices.ContainsFunc(r.Approvals, func(a hoop.Approval) bool { return a.Approve && a.By == id.Subject })
		return approved && !id.InAnyGroup(r.Groups), left(id.Subject)
	})
	return err
}

// LeaveSignIn is for when a sign-in has ended: what its agents asked for is nobody's any
// more, and is cancelled.
func (s *Service) LeaveSignIn(ctx context.Context, signIn string) error {
	_, err := s.cancelAll(ctx, hoop.Identity{}, func(r *hoop.Request) (bool, string) {
		d := r.Requester.Delegation
		return d != nil && d.SignIn == signIn, "the sign-in of who started the agent has ended"
	})
	return err
}

// cancelAll cancels those pending requests that which picks, for the reason that it gives,
// and says how many.
func (s *Service) cancelAll(ctx context.Context, by hoop.Identity, which func(*hoop.Request) (picked bool, why string)) (cancelled int, err error) {
	pending, err := s.allPending(ctx)
	if err != nil {
		return 0, err
	}
	for i := range pending {
		picked, why := which(&pending[i])
		if !picked {
			continue
		}
		switch _, err := s.cancel(ctx, pending[i].ID, by, why); {
		case err == nil:
			cancelled++
		case hoop.AsError(err).Code != hoop.CodeConflict: // it has ended meanwhile
			return cancelled, err
		}
	}
	return cancelled, nil
}

// expire ends a pending request whose time has run out, whatever a clock says that was set
// back meanwhile.
func (s *Service) expire(ctx context.Context, id int64) (hoop.Request, error) {
	return s.end(ctx, id, func(r *hoop.Request, now time.Time) (*hoop.Event, error) {
		r.State = hoop.Expired
		return event(hoop.EventExpiry, now, r), nil
	})
}

// end moves a pending request to a final state that no person decided. Where it is
// final already, that is the answer, with a conflict.
func (s *Service) end(ctx context.Context, id int64, how func(*hoop.Request, time.Time) (*hoop.Event, error)) (hoop.Request, error) {
	ctx, stop := stepContext(ctx)
	defer stop()
	var before hoop.Request
	r, err := s.store.UpdateRequest(ctx, id, func(r *hoop.Request, _ *hoop.Grant) (*hoop.Grant, error) {
		before = *r
		if r.State != hoop.Pending {
			return nil, open(r, s.stamp())
		}
		r.DecidedAt = s.stamp()
		e, err := how(r, r.DecidedAt)
		if err != nil {
			return nil, err
		}
		return nil, s.record(ctx, e)
	})
	if err != nil {
		if before.ID != 0 && before.State != hoop.Pending {
			s.settle(before)
		}
		return before, err
	}
	s.settle(r)
	return r, nil
}
