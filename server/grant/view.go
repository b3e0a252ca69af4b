package grant

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/review"
)

// Filter says which requests to list.
type Filter struct {
	State hoop.RequestState // "" is any
	Inbox bool              // pending ones that wait for this viewer's decision
	Limit int               // 0: 100; at most 1,000
}

// scanned is how many of the newest requests a list looks through for those the
// viewer may see.
const scanned = 5000

// own reports whether what the requester does is done by viewer or in viewer's name. An
// agent that acts for one person has no part in what it does for another.
func own(viewer, requester hoop.Identity) bool {
	switch viewer.Subject {
	case "":
		return false
	case requester.Subject:
		return slices.Equal(viewer.Chain, requester.Chain)
	}
	return slices.Contains(requester.Chain, viewer.Subject)
}

// owns reports whether the service account belongs to viewer, who acts for nobody else.
func owns(viewer, account hoop.Identity) bool {
	return account.Owner != "" && len(viewer.Chain) == 0 && (account.Owner == viewer.Subject || viewer.InGroup(account.Owner))
}

func (s *Service) hasRole(id hoop.Identity, roles ...hoop.Role) bool {
	return slices.ContainsFunc(s.roles(id), func(r hoop.Role) bool { return slices.Contains(roles, r) })
}

// sees tells whether viewer may see a request, and whether with the exact statement:
// the requester may and those who may decide. Members of the approving groups who may
// not decide this one, owners of service accounts, auditors and administrators see the
// rest of it; agents that one of them started do not.
func (s *Service) sees(viewer hoop.Identity, r *hoop.Request) (request, text bool) {
	if own(viewer, r.Requester) || mayDecide(viewer, r) == nil {
		return true, true
	}
	if viewer.Subject == "" {
		return false, false
	}
	return viewer.Delegation == nil && viewer.InAnyGroup(r.Groups) || owns(viewer, r.Requester) || s.hasRole(viewer, hoop.RoleAuditor, hoop.RoleAdmin), false
}

// show is a stored request as viewer may see it. A statement that is pending and held
// here has its text: as it is for those who asked, and for those who decide with what
// is masked for them, and with the facts.
func (s *Service) show(viewer hoop.Identity, r hoop.Request) hoop.Request {
	r.Statement, r.Params, r.Executes, r.Facts, r.Writing = "", nil, nil, nil, nil
	if _, text := s.sees(viewer, &r); !text || r.State != hoop.Pending {
		return r
	}
	held, ok := s.heldHere(r.ID)
	if !ok {
		return r
	}
	r.Statement, r.Params, r.Executes = held.Statement, slices.Clone(held.Params), slices.Clone(held.Executes)
	if own(viewer, r.Requester) {
		return r
	}
	r.Writing = held.Writing
	r = review.Show(s.masks(viewer, r.Target), r)
	r.Writing, r.Facts = nil, held.Facts
	return r
}

// heldHere is a held statement as this process knows it; its lists must not be changed.
func (s *Service) heldHere(id int64) (hoop.Request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.questions[id]
	if q == nil || !q.local {
		return hoop.Request{}, false
	}
	return q.request, true
}

// Tell adds what was found out about a statement that is held here, for those who
// decide. Where nobody decides any more it does nothing.
func (s *Service) Tell(id int64, facts hoop.Facts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.questions[id]; q != nil && q.local && q.settled.IsZero() {
		q.request.Facts = &facts // never changed: those who have the former keep it
	}
}

// Request gives one request; not found also where viewer may not see it.
func (s *Service) Request(ctx context.Context, viewer hoop.Identity, id int64) (hoop.Request, error) {
	r, err := s.store.Request(ctx, id)
	if err != nil {
		return hoop.Request{}, err
	}
	if ok, _ := s.sees(viewer, &r); !ok {
		return hoop.Request{}, hoop.Errorf(hoop.CodeNotFound, "there is no request %d", id).
			WithHint("hoopctl requests lists those you may see")
	}
	return s.show(viewer, r), nil
}

// Look gives a pending request to somebody who is about to approve it; the error says why
// they may not.
func (s *Service) Look(ctx context.Context, by hoop.Identity, id int64) (hoop.Request, error) {
	r, err := s.Request(ctx, by, id)
	if err != nil {
		return hoop.Request{}, err
	}
	_, err = s.check(ctx, by, &r, true)
	return r, err
}

// Requests lists what viewer may see, newest first, decided and expired ones too. It
// looks through the newest 5,000.
func (s *Service) Requests(ctx context.Context, viewer hoop.Identity, f Filter) ([]hoop.Request, error) {
	if f.Inbox {
		f.State = hoop.Pending
	}
	limit := min(f.Limit, 1000)
	if limit <= 0 {
		limit = 100
	}
	list := []hoop.Request{}
	const page = 500
	for before, seen := int64(0), 0; seen < scanned; seen += page {
		found, err := s.store.Requests(ctx, f.State, before, page)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if !s.listed(viewer, &r, f) {
				continue
			}
			if list = append(list, s.show(viewer, r)); len(list) == limit {
				return list, nil
			}
		}
		if len(found) < page {
			break
		}
		before = found[len(found)-1].ID
	}
	return list, nil
}

func (s *Service) listed(viewer hoop.Identity, r *hoop.Request, f Filter) bool {
	if f.Inbox {
		return mayDecide(viewer, r) == nil && open(r, s.now()) == nil && !approvedBy(r, viewer.Subject, viewer.Email)
	}
	ok, _ := s.sees(viewer, r)
	return ok
}

// Wait gives a request as soon as it is not pending any more, or as it is after wait.
func (s *Service) Wait(ctx context.Context, viewer hoop.Identity, id int64, wait time.Duration) (hoop.Request, error) {
	r, err := s.Request(ctx, viewer, id)
	if err != nil || r.State != hoop.Pending || wait <= 0 {
		return r, err
	}
	s.mu.Lock()
	q := s.questions[id]
	s.mu.Unlock()
	if q != nil {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-q.done:
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return s.Request(ctx, viewer, id)
}

// Grant gives the grant that a request led to, to whoever may see the request.
func (s *Service) Grant(ctx context.Context, viewer hoop.Identity, r hoop.Request) (*hoop.Grant, error) {
	if r.Kind != hoop.RequestGrant || r.Grant == "" {
		return nil, nil
	}
	if ok, _ := s.sees(viewer, &r); !ok {
		return nil, noGrant(r.Target)
	}
	g, err := s.store.Grant(ctx, r.Grant)
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// Grants lists the viewer's grants in force and those that have yet to begin; with all, every grant that viewer may
// see, ended ones too: auditors and administrators see everybody's, others those about which they may decide, too. Those
// that viewer may revoke are marked.
func (s *Service) Grants(ctx context.Context, viewer hoop.Identity, all bool) ([]hoop.Grant, error) {
	if viewer.Subject == "" {
		return []hoop.Grant{}, nil
	}
	const limit = 1000
	var found []hoop.Grant
	var err error
	switch {
	case !all:
		found, err = s.current(ctx, viewer.Subject, limit)
	case s.hasRole(viewer, hoop.RoleAuditor, hoop.RoleAdmin):
		found, err = s.store.Grants(ctx, "", limit)
	default:
		found, err = s.store.Grants(ctx, viewer.Subject, limit)
	}
	if err == nil && all {
		found, err = s.withDecided(ctx, viewer, found, limit)
	}
	if found == nil {
		found = []hoop.Grant{}
	}
	return found, err
}

// withDecided adds the grants of others about which viewer may decide, and marks what they
// may revoke; they are known by the requests that Requests looks through. Newest first.
func (s *Service) withDecided(ctx context.Context, viewer hoop.Identity, found []hoop.Grant, limit int) ([]hoop.Grant, error) {
	live, err := s.store.GrantsAfter(ctx, "", s.now(), limit)
	if err != nil {
		return nil, err
	}
	newest, err := s.store.Grants(ctx, "", limit)
	if err != nil {
		return nil, err
	}
	asked, err := s.Requests(ctx, viewer, Filter{State: hoop.Approved, Limit: limit})
	if err != nil {
		return nil, err
	}
	requests, at := map[int64]hoop.Request{}, map[string]int{}
	for _, r := range asked {
		requests[r.ID] = r
	}
	for i, g := range found {
		at[g.ID] = i
	}
	for _, g := range append(newest, live...) {
		r, seen := requests[g.Request]
		if g.BreakGlass { // reviewers need not see what was asked
			r, seen = hoop.Request{ID: g.Request, Requester: g.Owner}, true
		}
		if !s.holdsReins(viewer, &g) && (!seen || mayDecideGrant(viewer, &g, r) != nil) {
			continue
		}
		if _, listed := at[g.ID]; !listed {
			at[g.ID] = len(found)
			found = append(found, g)
		}
		found[at[g.ID]].Revocable = g.RevokedAt.IsZero() && s.now().Before(g.ExpiresAt)
	}
	slices.SortStableFunc(found, func(a, b hoop.Grant) int { return b.StartsAt.Compare(a.StartsAt) })
	return found, nil
}

// current lists a subject's grants that have not ended.
func (s *Service) current(ctx context.Context, subject string, limit int) ([]hoop.Grant, error) {
	now := s.now()
	found, err := s.store.GrantsAfter(ctx, subject, now, limit)
	slices.SortStableFunc(found, func(a, b hoop.Grant) int { // those to come behind the others
		return cmp.Compare(max(0, a.StartsAt.Sub(now)), max(0, b.StartsAt.Sub(now)))
	})
	return found, err
}
