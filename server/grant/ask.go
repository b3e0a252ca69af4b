package grant

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Ask requests access to a target. Where the rule asks nobody, the grant is there at
// once; else it is nil and the request waits. Asking the same again, while the first
// request waits, gives that one.
func (s *Service) Ask(ctx context.Context, id hoop.Identity, ask api.NewRequest) (hoop.Request, *hoop.Grant, error) {
	if id.Subject == "" {
		return hoop.Request{}, nil, hoop.Errorf(hoop.CodeUnauthenticated, "sign in first").WithHint("hoopctl login")
	}
	access, err := s.terms(ctx, id, ask.Target, ask.BreakGlass)
	if err != nil {
		return hoop.Request{}, nil, err
	}
	r, err := s.newRequest(id, ask, access)
	if err != nil {
		return hoop.Request{}, nil, err
	}
	if err := s.renewable(ctx, &r, ask, access); err != nil {
		return hoop.Request{}, nil, err
	}
	if err := delegated(&r); err != nil {
		return hoop.Request{}, nil, err
	}
	unlock, err := s.asking.Lock(ctx, person(id))
	if err != nil {
		return hoop.Request{}, nil, err
	}
	defer unlock()
	if same, err := s.pendingOf(ctx, &r); err != nil || same != nil {
		if same == nil {
			return hoop.Request{}, nil, err
		}
		return *same, nil, nil
	}
	ctx, cancel := stepContext(ctx)
	defer cancel()
	var g *hoop.Grant
	r, err = s.store.AddRequest(ctx, r, func(r *hoop.Request, former *hoop.Grant) (_ *hoop.Grant, err error) {
		if access.Approval == nil {
			r.State, r.DecidedAt = hoop.Approved, r.CreatedAt
			if g, err = grantOf(r, former, access); err != nil {
				return nil, err
			}
		}
		e := event(hoop.EventRequest, r.CreatedAt, r)
		e.Subject, e.Chain, e.Reason = id.Subject, id.Chain, r.Reason
		detail(e, "duration", "%s", r.Duration.Text())
		asked(e, r)
		if err := s.record(ctx, e); err != nil || g == nil {
			return nil, err
		}
		if r.BreakGlass {
			if err := s.record(ctx, alert(r)); err != nil {
				return nil, err
			}
		}
		return g, s.record(ctx, grantEvent(g, r))
	})
	if err != nil {
		return hoop.Request{}, nil, err
	}
	s.extend(g)
	if r.State == hoop.Pending {
		s.ask(r)
	}
	return r, g, nil
}

// newRequest makes the request that ask leads to under a rule, or says what is wrong
// with it.
func (s *Service) newRequest(id hoop.Identity, ask api.NewRequest, a hoop.Access) (hoop.Request, error) {
	reason, err := s.Reason(ask.Target, ask.Reason)
	if err != nil {
		return hoop.Request{}, err
	}
	if a.ReasonRequired && reason == "" {
		return hoop.Request{}, hoop.Errorf(hoop.CodeInvalid, "rule %s wants a reason", a.Rule).
			WithHint(`%s --reason "…"`, command(ask))
	}
	duration, err := grantDuration(ask, a)
	if err != nil {
		return hoop.Request{}, err
	}
	now := s.stamp()
	r := hoop.Request{
		Kind: hoop.RequestGrant, State: hoop.Pending, Requester: id, Target: ask.Target, Reason: reason, Rule: a.Rule,
		Groups: []string{}, Duration: duration, CreatedAt: now, ExpiresAt: now.Add(defaultRequestTimeout), BreakGlass: ask.BreakGlass,
	}
	if r.BreakGlass && (!ask.StartsAt.IsZero() || ask.Renews != "") {
		return hoop.Request{}, hoop.Errorf(hoop.CodeInvalid, "a grant in an emergency begins at once, and none is renewed").
			WithHint(`hoopctl request %s --break-glass --reason "…"`, ask.Target)
	}
	if r.Scope, err = CleanScope(ask.Scope); err != nil {
		return hoop.Request{}, err
	}
	if r.StartsAt, err = start(ask.StartsAt, now); err != nil {
		return hoop.Request{}, err
	}
	if a.Approval == nil {
		return r, nil
	}
	if len(a.Approval.Groups) == 0 {
		return hoop.Request{}, hoop.Errorf(hoop.CodeDenied, "rule %s wants an approval and names nobody who may give it", a.Rule).
			WithHint("tell an administrator")
	}
	r.Groups, r.Count = slices.Clone(a.Approval.Groups), max(1, a.Approval.Count)
	if a.Approval.Timeout > 0 {
		r.ExpiresAt = now.Add(time.Duration(a.Approval.Timeout))
	}
	return r, nil
}

// command is how a request is typed, as far as it says which rules apply.
func command(ask api.NewRequest) string {
	s := "hoopctl request " + ask.Target
	switch {
	case ask.BreakGlass:
		return s + " --break-glass"
	case ask.Renews != "":
		return s + " --renew"
	}
	return s
}

// delegated fits the request of an agent into what it was given: people see its scope,
// and its grant begins before its token ends.
func delegated(r *hoop.Request) error {
	d := r.Requester.Delegation
	if d == nil {
		return nil
	}
	if !r.StartsAt.Before(d.ExpiresAt) {
		return hoop.Errorf(hoop.CodeInvalid, "the agent's token ends at %s, before the grant would start", d.ExpiresAt.Format(time.RFC3339)).
			WithHint("leave --start out")
	}
	if r.Renews == "" && r.Scope.IsZero() {
		r.Scope = d.Scope
	}
	return nil
}

// untilToken is when a grant ends whose time would be up at end: no later than the token
// of the agent that has it.
func untilToken(owner hoop.Identity, end time.Time) time.Time {
	if d := owner.Delegation; d != nil && d.ExpiresAt.Before(end) {
		return d.ExpiresAt
	}
	return end
}

// grantDuration is how long the grant will be: what was asked for, at most the rule's
// maximum.
func grantDuration(ask api.NewRequest, a hoop.Access) (hoop.Duration, error) {
	longest := a.MaxDuration
	if longest <= 0 {
		longest = hoop.Duration(defaultDuration)
	}
	d := ask.Duration
	switch {
	case d == 0:
		d = min(longest, hoop.Duration(defaultDuration))
	case d < hoop.Duration(time.Second):
		return 0, hoop.Errorf(hoop.CodeInvalid, "a grant cannot last %s", d).
			WithHint("ask for a second at least: %s --duration 1h", command(ask))
	case d > longest:
		return 0, hoop.Errorf(hoop.CodeInvalid, "rule %s gives %s for at most %s, not %s", a.Rule, ask.Target, longest, d).
			WithHint("%s --duration %s", command(ask), longest)
	}
	return hoop.Duration(time.Duration(d).Truncate(time.Microsecond)), nil
}

// start checks when the grant is to begin: zero is with its approval.
func start(at, now time.Time) (time.Time, error) {
	switch {
	case at.IsZero():
		return at, nil
	case at.After(now.Add(maxAhead)):
		return at, hoop.Errorf(hoop.CodeInvalid, "a grant can be asked for at most %d days ahead", maxAhead/(24*time.Hour))
	case at.Before(now.Add(-time.Minute)): // clocks differ a little
		return at, hoop.Errorf(hoop.CodeInvalid, "a grant cannot start at %s: that is past", at.UTC().Format(time.RFC3339)).
			WithHint("leave --start out for a grant that starts with its approval")
	}
	return at.UTC().Truncate(time.Microsecond), nil
}

// CleanScope checks what a grant, or an agent, is to be narrowed to.
func CleanScope(s hoop.Scope) (hoop.Scope, error) {
	if s.Effects != nil && len(s.Effects) == 0 || s.Tables != nil && len(s.Tables) == 0 {
		return s, hoop.Errorf(hoop.CodeInvalid, "a scope with an empty list of effects or tables would narrow nothing").
			WithHint("leave out what the scope is not to narrow")
	}
	if len(s.Tables) > maxScope {
		return s, hoop.Errorf(hoop.CodeInvalid, "a scope names at most %d tables, not %d", maxScope, len(s.Tables)).
			WithHint("name a schema: --tables 'clinic.*'")
	}
	for _, name := range s.Tables {
		if _, err := resource.ParseTable(name); err != nil {
			return s, hoop.Errorf(hoop.CodeInvalid, "tables: %s", err)
		}
	}
	var known []string
	for _, e := range hoop.Effects {
		known = append(known, string(e.Effect))
	}
	for _, e := range s.Effects {
		if !slices.Contains(known, string(e)) {
			return s, hoop.Errorf(hoop.CodeInvalid, "there is no effect %q", string(e)).WithHint("the effects are %s", strings.Join(known, ", "))
		}
	}
	sorted := hoop.Scope{Effects: slices.Clone(s.Effects), Tables: slices.Clone(s.Tables)}
	slices.Sort(sorted.Effects)
	slices.Sort(sorted.Tables)
	return hoop.Scope{Effects: slices.Compact(sorted.Effects), Tables: slices.Compact(sorted.Tables)}, nil
}

// pendingOf finds the pending request that asks for the same as r, and refuses one
// more where too many wait.
func (s *Service) pendingOf(ctx context.Context, r *hoop.Request) (*hoop.Request, error) {
	mine, err := s.waiting(ctx, r.Requester)
	if err != nil {
		return nil, err
	}
	for _, p := range mine {
		if p.Kind == hoop.RequestGrant && p.Requester.Subject == r.Requester.Subject && p.Target == r.Target && p.Duration == r.Duration && p.Reason == r.Reason &&
			p.Rule == r.Rule && p.Count == r.Count && p.Scope.Equal(r.Scope) && p.StartsAt.Equal(r.StartsAt) && p.Renews == r.Renews && slices.Equal(p.Groups, r.Groups) &&
			slices.Equal(p.Requester.Chain, r.Requester.Chain) && slices.Equal(p.Requester.Groups, r.Requester.Groups) {
			return &p, nil
		}
	}
	return nil, tooMany(mine)
}

// person is whose request it is: of whoever the programs in the chain act for in the end.
func person(requester hoop.Identity) string {
	if n := len(requester.Chain); n > 0 {
		return requester.Chain[n-1]
	}
	return requester.Subject
}

// waiting lists what a requester waits for, and others in the name of the same person.
func (s *Service) waiting(ctx context.Context, requester hoop.Identity) ([]hoop.Request, error) {
	pending, err := s.allPending(ctx)
	if err != nil {
		return nil, err
	}
	now := s.stamp()
	return slices.DeleteFunc(pending, func(p hoop.Request) bool {
		return person(p.Requester) != person(requester) || !now.Before(p.ExpiresAt)
	}), nil
}

// tooMany keeps one person from filling everybody's inbox, with agents too.
func tooMany(waiting []hoop.Request) error {
	if len(waiting) < maxPending {
		return nil
	}
	return hoop.Errorf(hoop.CodeTooMany, "%d requests of yours wait already", len(waiting)).
		WithHint("hoopctl requests lists them")
}

// newGrant is the grant that a request leads to. Its clock starts at the decision, or
// where the request says, should that be later.
func newGrant(r *hoop.Request, a hoop.Access) (*hoop.Grant, error) {
	starts := r.DecidedAt
	if r.StartsAt.After(starts) {
		starts = r.StartsAt
	}
	g := &hoop.Grant{
		ID: "g-" + strings.ToLower(rand.Text()[:12]), Request: r.ID, Owner: r.Requester, Target: r.Target,
		Rule: r.Rule, Reason: r.Reason, Scope: r.Scope, StartsAt: starts, ExpiresAt: untilToken(r.Requester, starts.Add(time.Duration(r.Duration))),
		MaxSessions: a.MaxSessions, MaxUses: a.MaxUses, BreakGlass: r.BreakGlass, Reviewers: a.Reviewers,
	}
	if !g.StartsAt.Before(g.ExpiresAt) {
		return nil, hoop.Errorf(hoop.CodeConflict, "the token of the agent that asked ended at %s", g.ExpiresAt.UTC().Format(time.RFC3339)).
			WithHint(`hoopctl deny %d --reason "…"`, r.ID)
	}
	r.Grant = g.ID
	return g, nil
}

// grantOf is what a decided request leads to: a grant, or a later end of the former one
// where it asked for that.
func grantOf(r *hoop.Request, former *hoop.Grant, a hoop.Access) (*hoop.Grant, error) {
	if r.Renews == "" {
		return newGrant(r, a)
	}
	g, err := renewed(former, r, a, r.DecidedAt)
	if err != nil {
		return nil, err
	}
	g.Renewals = append(slices.Clone(g.Renewals), r.ID)
	r.Grant = g.ID
	return &g, nil
}

// renewable finds the grant that a request is to renew, if it is to, and takes over its scope.
func (s *Service) renewable(ctx context.Context, r *hoop.Request, ask api.NewRequest, a hoop.Access) error {
	if ask.Renews == "" {
		return nil
	}
	g, err := s.store.Grant(ctx, ask.Renews)
	if err != nil {
		return err
	}
	if g.Owner.Subject != r.Requester.Subject || !slices.Equal(g.Owner.Chain, r.Requester.Chain) || g.Target != r.Target {
		return hoop.Errorf(hoop.CodeNotFound, "you have no grant %q for %s", ask.Renews, ask.Target).WithHint("hoopctl grants lists yours")
	}
	if !r.StartsAt.IsZero() || !r.Scope.IsZero() {
		return hoop.Errorf(hoop.CodeInvalid, "a renewal keeps the scope of its grant, and begins with its approval").
			WithHint("hoopctl request %s, without --renew, asks for another grant", ask.Target)
	}
	if _, err := renewed(&g, r, a, r.CreatedAt); err != nil {
		return err
	}
	r.Renews, r.Scope = g.ID, g.Scope
	return nil
}

// renewed is a grant as r makes it at now: it ends later, or more sessions may begin
// under it. A renewal that does neither is refused, before anybody is asked about it.
func renewed(former *hoop.Grant, r *hoop.Request, a hoop.Access, now time.Time) (hoop.Grant, error) {
	g := *former
	if err := stillRenewable(former, now); err != nil {
		return g, err
	}
	end := untilToken(r.Requester, now.Add(time.Duration(r.Duration)))
	if end.After(g.ExpiresAt) {
		g.ExpiresAt = end
	}
	if a.MaxUses > 0 {
		g.MaxUses = g.Uses + a.MaxUses
	}
	if a.MaxSessions > 0 && (g.MaxSessions == 0 || a.MaxSessions < g.MaxSessions) {
		g.MaxSessions = a.MaxSessions // of the rule that prolongs it
	}
	if g.ExpiresAt.After(former.ExpiresAt) || g.MaxUses > former.MaxUses && former.MaxUses > 0 {
		return g, nil
	}
	err := hoop.Errorf(hoop.CodeConflict, "grant %s ends at %s already, and with this renewal it would not end later", g.ID, g.ExpiresAt.UTC().Format(time.RFC3339))
	if end.Before(now.Add(time.Duration(r.Duration))) {
		return g, err.WithHint("the agent's token ends then: hoopctl agent token starts another agent")
	}
	return g, err.WithHint("--duration counts from now, so it takes more than %s", hoop.Duration(former.ExpiresAt.Sub(now).Truncate(time.Second)))
}

// stillRenewable refuses what no renewal can prolong.
func stillRenewable(g *hoop.Grant, now time.Time) error {
	if g.BreakGlass {
		return hoop.Errorf(hoop.CodeConflict, "grant %s was taken in an emergency, and such a grant is not renewed", g.ID).
			WithHint(`hoopctl request %s --break-glass --reason "…"`, g.Target)
	}
	if !g.InForce(now) {
		return hoop.Errorf(hoop.CodeConflict, "grant %s is not in force, so it cannot be renewed", g.ID).
			WithHint("another one has to be asked for: hoopctl request %s", g.Target)
	}
	return nil
}

func grantEvent(g *hoop.Grant, r *hoop.Request) *hoop.Event {
	e := event(hoop.EventGrant, r.DecidedAt, r)
	e.Subject, e.Chain, e.Grant, e.Action, e.Reason = g.Owner.Subject, g.Owner.Chain, g.ID, hoop.Allow, g.Reason
	detail(e, "expires_at", "%s", g.ExpiresAt.Format(time.RFC3339))
	asked(e, r)
	return e
}

// asked adds to an event what narrows the grant.
func asked(e *hoop.Event, r *hoop.Request) {
	if !r.Scope.IsZero() {
		detail(e, "scope", "%s", r.Scope)
	}
	if r.BreakGlass {
		detail(e, "break_glass", "true")
	}
	if r.Renews != "" {
		detail(e, "renews", "%s", r.Renews)
	}
	if !r.StartsAt.IsZero() {
		detail(e, "starts_at", "%s", r.StartsAt.Format(time.RFC3339))
	}
}

// Reason is what people wrote about a target, as it goes on record: checked, and guarded.
func (s *Service) Reason(target, words string) (string, error) {
	words, err := cleanReason(words)
	if err != nil {
		return "", err
	}
	return s.guard(target, words), nil
}

// guard takes out of people's words what a value rule protects, for the target with
// nobody excepted: what they say of a patient would leave by webhooks, chats and SIEM
// sinks, and stay in the log.
func (s *Service) guard(target, words string) string {
	return string(s.masks(hoop.Identity{}, target).Text(nil, []byte(words)))
}

// cleanReason checks a text that people wrote: it is shown to others in terminals and
// web pages. One of which nothing can be seen is none.
func cleanReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if len(reason) > maxReason {
		return "", hoop.Errorf(hoop.CodeInvalid, "the reason is longer than %d bytes", maxReason)
	}
	if !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(c rune) bool { return !unicode.IsPrint(c) && c != '\n' && c != '\t' }) {
		return "", hoop.Errorf(hoop.CodeInvalid, "the reason has characters that cannot be shown")
	}
	if !strings.ContainsFunc(reason, func(c rune) bool { return !unicode.IsSpace(c) && !hoop.Unseen(c) }) {
		return "", nil
	}
	return reason, nil
}
