package grant

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// InForce gives the identity's grant for a target: by rank, then the one that ends last.
// Having one is not enough: an access rule must still let the identity have the target.
func (s *Service) InForce(ctx context.Context, id hoop.Identity, target string) (hoop.Grant, error) {
	_, err := s.policy.Access(ctx, id, target)
	_, noGlass := s.policy.BreakGlass(ctx, id, target)
	if err != nil && noGlass != nil {
		return hoop.Grant{}, err
	}
	ordinary := err == nil
	if id.Subject == "" {
		return hoop.Grant{}, noGrant(target)
	}
	now := s.now()
	found, err := s.store.GrantsAt(ctx, id.Subject, target, now, 100)
	if err != nil {
		return hoop.Grant{}, err
	}
	// An agent that acts for others holds its grants for each of them apart.
	found = slices.DeleteFunc(found, func(g hoop.Grant) bool {
		return g.BreakGlass && noGlass != nil || !g.BreakGlass && !ordinary || !g.InForce(now) || g.Target != target || !slices.Equal(g.Owner.Chain, id.Chain)
	})
	usable := slices.DeleteFunc(slices.Clone(found), hoop.Grant.UsedUp)
	switch {
	case len(found) == 0:
		return hoop.Grant{}, noGrant(target)
	case len(usable) == 0:
		return hoop.Grant{}, usedUp(found[0])
	}
	slices.SortStableFunc(usable, func(a, b hoop.Grant) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), b.ExpiresAt.Compare(a.ExpiresAt))
	})
	return usable[0], nil
}

// rank orders grants, the first to be used first. A whole one that people or rules gave covers
// whatever one taken in an emergency does. A narrowed one does not: who has it and took
// another in an emergency, asked for what that one covers.
func rank(g hoop.Grant) int {
	whole := g.Scope.IsZero()
	switch {
	case whole && !g.BreakGlass:
		return 0
	case whole:
		return 1
	case g.BreakGlass:
		return 2
	}
	return 3
}

func noGrant(target string) error {
	return hoop.Errorf(hoop.CodeDenied, "no grant for %s is in force", target).WithHint("hoopctl request %s", target)
}

func usedUp(g hoop.Grant) error {
	return hoop.Errorf(hoop.CodeDenied, "your grant for %s has had its %d sessions (max_uses of rule %s)", g.Target, g.MaxUses, g.Rule).
		WithHint("hoopctl request %s", g.Target)
}

// Lease is a hold on a grant: a session's, or of something that stays for the next
// one. Its methods may be called concurrently.
type Lease struct {
	service *Service
	ctx     context.Context
	cancel  context.CancelCauseFunc
	session bool   // counts as one
	seat    string // in the store; "" has none; guarded by service.mu
	grant   atomic.Pointer[hoop.Grant]
	timer   *time.Timer // guarded by service.mu
}

// Context ends with the grant: at its expiry, or within a second after its revocation,
// here or by another gateway on the same store. Its cause is then a *hoop.Error.
func (l *Lease) Context() context.Context { return l.ctx }

// Grant is the grant as it is known to be now.
func (l *Lease) Grant() hoop.Grant { return *l.grant.Load() }

// End gives the hold up; it must be called, and may be again.
func (l *Lease) End() {
	s, id := l.service, l.Grant().ID
	s.mu.Lock()
	l.timer.Stop()
	delete(s.live[id], l)
	if l.seat != "" {
		s.left, l.seat = append(s.left, l.seat), ""
	}
	if len(s.live[id]) == 0 {
		delete(s.live, id)
	}
	s.mu.Unlock()
	l.cancel(context.Canceled)
}

// Attach begins a session's hold on a grant, counted where the grant limits how many
// there may be. ctx is the parent of the lease's.
func (s *Service) Attach(ctx context.Context, g hoop.Grant) (*Lease, error) {
	return s.attach(ctx, g, true)
}

// Watch begins the hold of what is no session, and counts as none.
func (s *Service) Watch(ctx context.Context, g hoop.Grant) (*Lease, error) {
	return s.attach(ctx, g, false)
}

func (s *Service) attach(ctx context.Context, g hoop.Grant, session bool) (*Lease, error) {
	l := &Lease{service: s, session: session}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	if err := s.enter(l, g); err != nil {
		l.cancel(context.Canceled)
		return nil, err
	}
	if err := s.take(ctx, l, g); err != nil {
		l.End()
		return nil, err
	}
	// Only now are a revocation and new rules sure to reach us: had they come before?
	now, err := g, s.allowed(ctx, g)
	if err == nil {
		now, err = s.begin(ctx, g, session)
	}
	if err != nil {
		l.End()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.Grant().ExpiresAt.After(now.ExpiresAt) { // else it was renewed since
		s.stand(l, &now)
	}
	return l, nil
}

// stand has l stand on g until g ends, and no longer where the clock is set back meanwhile:
// the timer does not go by it. s.mu is held.
func (s *Service) stand(l *Lease, g *hoop.Grant) {
	l.grant.Store(g)
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(g.ExpiresAt.Sub(s.now()), func() { s.due(l, g.ExpiresAt) })
}

// enter notes a lease, unless it is one session too many.
func (s *Service) enter(l *Lease, g hoop.Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sessions := 0
	for other := range s.live[g.ID] {
		if other.session {
			sessions++
		}
	}
	if l.session && g.MaxSessions > 0 && sessions >= g.MaxSessions {
		return full(g)
	}
	if s.live[g.ID] == nil {
		s.live[g.ID] = map[*Lease]struct{}{}
	}
	s.live[g.ID][l] = struct{}{}
	s.stand(l, &g)
	return nil
}

// begin looks at the grant as it is stored, and counts the session where sessions are
// counted.
func (s *Service) begin(ctx context.Context, g hoop.Grant, session bool) (hoop.Grant, error) {
	look := func(g *hoop.Grant) error {
		switch {
		case !g.RevokedAt.IsZero():
			return revoked(*g)
		case !g.InForce(s.now()):
			return expired(*g)
		case session && g.UsedUp():
			return usedUp(*g)
		}
		return nil
	}
	if session && g.MaxUses > 0 {
		return s.store.UpdateGrant(ctx, g.ID, func(g *hoop.Grant) error {
			if err := look(g); err != nil {
				return err
			}
			g.Uses++
			return nil
		})
	}
	stored, err := s.store.Grant(ctx, g.ID)
	if err == nil {
		err = look(&stored)
	}
	return stored, err
}

// lookTimeout is how long a lease that seems due may wait for what other gateways did.
const lookTimeout = 400 * time.Millisecond

// due ends a lease whose grant was to end at end, unless it was renewed, by another gateway
// maybe.
func (s *Service) due(l *Lease, end time.Time) {
	if s.store.Shared() {
		ctx, cancel := context.WithTimeout(l.ctx, lookTimeout)
		defer cancel()
		if g, err := s.store.Grant(ctx, l.Grant().ID); err == nil && g.InForce(s.now()) {
			s.extend(&g)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := l.Grant(); !g.ExpiresAt.After(end) { // else it has another timer
		l.cancel(expired(g))
	}
}

// extend tells what stands on a grant of its later end; nil is none.
func (s *Service) extend(g *hoop.Grant) {
	if g == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.live[g.ID] {
		if g.ExpiresAt.After(l.Grant().ExpiresAt) {
			s.stand(l, g)
		}
	}
}

func expired(g hoop.Grant) error {
	return hoop.Errorf(hoop.CodeExpired, "the grant for %s ended at %s", g.Target, g.ExpiresAt.UTC().Format("15:04:05 MST")).
		WithHint("hoopctl request %s", g.Target)
}

func revoked(g hoop.Grant) error {
	why := ""
	if g.Why != "" {
		why = ": " + g.Why
	}
	return hoop.Errorf(hoop.CodeRevoked, "the grant for %s was revoked by %s%s", g.Target, g.RevokedBy, why).
		WithHint("hoopctl request %s", g.Target)
}

// Revoke ends a grant now, and what is attached to it. Its owner may, those the owner
// acts for or belongs to, who could have decided its request, and administrators.
func (s *Service) Revoke(ctx context.Context, by hoop.Identity, id, reason string) (hoop.Grant, error) {
	reason, err := cleanReason(reason)
	if err != nil {
		return hoop.Grant{}, err
	}
	g, err := s.store.Grant(ctx, id)
	if err != nil {
		return hoop.Grant{}, err
	}
	if err := s.mayRevoke(ctx, by, &g); err != nil {
		return hoop.Grant{}, err
	}
	if g, err = s.revoke(ctx, id, by, s.guard(g.Target, reason)); err != nil {
		return hoop.Grant{}, err
	}
	if _, err := s.cancelAll(context.WithoutCancel(ctx), by, func(r *hoop.Request) (bool, string) {
		return r.Renews == id, "the grant that it would renew was revoked"
	}); err != nil { // who approves it is refused
		s.log.LogAttrs(ctx, slog.LevelError, "renewals of a grant that was revoked", slog.String("grant", id), slog.Any("error", err))
	}
	return g, nil
}

// RevokeAll ends every grant that a subject has or that was given on its behalf, those to
// come too, and cancels the requests for more: the directory or an administrator disabled
// it. It says how many. by may be the zero Identity: the gateway itself.
func (s *Service) RevokeAll(ctx context.Context, by hoop.Identity, subject, reason string) (revoked, cancelled int, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return 0, 0, err
	}
	// First, so that none is approved behind the list of grants. Statements that are held
	// end with their sessions.
	cancelled, err = s.cancelAll(ctx, by, func(r *hoop.Request) (bool, string) {
		return r.Kind == hoop.RequestGrant && heldFor(r.Requester, subject), s.guard(r.Target, reason)
	})
	if err != nil {
		return 0, cancelled, err
	}
	for last := ""; ; {
		page, err := s.store.GrantsBehind(ctx, last, s.now(), grantPage)
		if err != nil || len(page) == 0 {
			return revoked, cancelled, err
		}
		some, err := s.revokeEach(ctx, page, by, subject, reason)
		if revoked += some; err != nil {
			return revoked, cancelled, err
		}
		last = page[len(page)-1].ID
	}
}

// grantPage is how many grants are looked through at once.
const grantPage = 5000

// RevokeLive is RevokeAll of the grants that sessions stand on here, and no more: it does
// not take long, however many others the subject has.
func (s *Service) RevokeLive(ctx context.Context, by hoop.Identity, subject, reason string) (revoked int, err error) {
	if reason, err = cleanReason(reason); err != nil {
		return 0, err
	}
	return s.revokeEach(ctx, s.liveGrants(), by, subject, reason)
}

// heldFor reports whether owner is a subject, belongs to it, or acts for it.
func heldFor(owner hoop.Identity, subject string) bool {
	return owner.Subject == subject || owner.Owner == subject || slices.Contains(owner.Chain, subject)
}

// revokeEach revokes those of the grants that are a subject's, and says how many.
func (s *Service) revokeEach(ctx context.Context, grants []hoop.Grant, by hoop.Identity, subject, reason string) (revoked int, err error) {
	for _, g := range grants {
		if !heldFor(g.Owner, subject) {
			continue
		}
		switch _, err := s.revoke(ctx, g.ID, by, s.guard(g.Target, reason)); {
		case err == nil:
			revoked++
		case hoop.AsError(err).Code != hoop.CodeConflict:
			return revoked, err
		}
	}
	return revoked, nil
}

// holdsReins reports whether somebody may revoke a grant whoever decided about it: whose it
// is, whose account or agent has it, and administrators.
func (s *Service) holdsReins(by hoop.Identity, g *hoop.Grant) bool {
	return own(by, g.Owner) || owns(by, g.Owner) || s.hasRole(by, hoop.RoleAdmin)
}

// mayDecideGrant is mayDecide about the request of a grant, r; about one that was taken in an
// emergency it is up to the reviewers, who are alerted.
func mayDecideGrant(by hoop.Identity, g *hoop.Grant, r hoop.Request) error {
	if g.BreakGlass {
		r.Groups = g.Reviewers
	}
	return mayDecide(by, &r)
}

func (s *Service) mayRevoke(ctx context.Context, by hoop.Identity, g *hoop.Grant) error {
	if s.holdsReins(by, g) {
		return nil
	}
	r, err := s.store.Request(ctx, g.Request)
	if err != nil {
		return err
	}
	if mayDecideGrant(by, g, r) == nil {
		return nil
	}
	if s.hasRole(by, hoop.RoleAuditor) {
		return hoop.Errorf(hoop.CodeDenied, "auditors see grant %s and cannot revoke it", g.ID).WithHint("tell an administrator")
	}
	return hoop.Errorf(hoop.CodeNotFound, "there is no grant %q that you may revoke", g.ID).WithHint("hoopctl grants lists yours")
}

func (s *Service) revoke(ctx context.Context, id string, by hoop.Identity, reason string) (hoop.Grant, error) {
	ctx, stop := stepContext(ctx)
	defer stop()
	who := by.Subject
	if who == "" {
		who = "the gateway"
	}
	g, err := s.store.UpdateGrant(ctx, id, func(g *hoop.Grant) error {
		now := s.stamp()
		switch {
		case !g.RevokedAt.IsZero():
			return hoop.Errorf(hoop.CodeConflict, "grant %s was revoked at %s by %s", id, g.RevokedAt.Format(time.RFC3339), g.RevokedBy)
		case !now.Before(g.ExpiresAt):
			return hoop.Errorf(hoop.CodeConflict, "grant %s ended at %s", id, g.ExpiresAt.Format(time.RFC3339))
		}
		g.RevokedAt, g.RevokedBy, g.Why = now, who, reason
		return s.record(ctx, &hoop.Event{
			Time: now, Type: hoop.EventRevocation, Subject: by.Subject, Chain: by.Chain, Target: g.Target, Grant: g.ID,
			Request: g.Request, Rule: g.Rule, Reason: reason, Details: []hoop.Detail{{Name: "owner", Value: g.Owner.Subject}},
		})
	})
	if err != nil {
		return hoop.Grant{}, err
	}
	s.cut(g.ID, revoked(g))
	return g, nil
}

// cut ends what is attached to a grant.
func (s *Service) cut(grant string, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.live[grant] {
		l.cancel(cause)
	}
}

// Cut ends what is attached to grants of a subject, or of those who act for it, and
// leaves the grants in force: its sign-in ended, and another one may follow. It does
// not block.
func (s *Service) Cut(subject string, cause hoop.Cause, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.live {
		for l := range all {
			if owner := l.Grant().Owner; owner.Subject == subject || slices.Contains(owner.Chain, subject) {
				l.cancel(hoop.Errorf(hoop.CodeRevoked, "the session was ended: %s", why).WithHint("hoopctl login").Because(cause))
			}
		}
	}
}

// CutSignIn ends what is attached to grants of agents that stand on a sign-in: it ended,
// though whoever started them may be signed in elsewhere. It does not block.
func (s *Service) CutSignIn(signIn, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.live {
		for l := range all {
			if d := l.Grant().Owner.Delegation; d != nil && d.SignIn == signIn {
				l.cancel(hoop.Errorf(hoop.CodeRevoked, "the session was ended: %s", why).WithHint("hoopctl agent token starts another agent").Because(hoop.CauseSignIn))
			}
		}
	}
}

// Recheck ends what is attached to grants that no access rule allows any more. It is
// for the moment after the rules changed; who opens a session later is refused by
// InForce.
func (s *Service) Recheck(ctx context.Context) {
	for _, g := range s.liveGrants() {
		if err := s.allowed(ctx, g); err != nil {
			s.cut(g.ID, err)
		}
	}
}

// liveGrants are those that something stands on here.
func (s *Service) liveGrants() []hoop.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	var live []hoop.Grant
	for _, all := range s.live {
		for l := range all {
			live = append(live, l.Grant())
			break
		}
	}
	return live
}

// allowed reports by nil that the access rules still let a grant's owner have its target.
func (s *Service) allowed(ctx context.Context, g hoop.Grant) error {
	if _, err := s.terms(ctx, g.Owner, g.Target, g.BreakGlass); err != nil {
		return hoop.Errorf(hoop.CodeRevoked, "the access rules no longer let you have %s", g.Target).
			WithHint("hoopctl targets lists what you may reach").Because(hoop.CauseAccess).Wrap(err)
	}
	return nil
}

// cutDue ends what is attached to grants that have ended: by other gateways on a shared
// store, and by the wall clock, should the timers have slept with the machine.
func (s *Service) cutDue(ctx context.Context) {
	if s.store.Shared() {
		s.meetGrants(ctx)
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.live {
		for l := range all {
			if g := l.Grant(); !now.Before(g.ExpiresAt) {
				l.cancel(expired(g))
			}
		}
	}
}

// meetGrants takes over what other gateways made of the grants that are held here.
func (s *Service) meetGrants(ctx context.Context) {
	s.mu.Lock()
	live := slices.Collect(maps.Keys(s.live))
	s.mu.Unlock()
	for page := range slices.Chunk(live, 500) {
		found, err := s.store.GrantsByID(ctx, page)
		if err != nil {
			if ctx.Err() == nil {
				s.log.LogAttrs(ctx, slog.LevelWarn, "revocations by other gateways unknown", slog.Any("error", err))
			}
			return
		}
		for _, g := range found {
			if !g.RevokedAt.IsZero() {
				s.cut(g.ID, revoked(g))
				continue
			}
			s.extend(&g)
		}
	}
}
