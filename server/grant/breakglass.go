package grant

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// terms asks the policy, for an ordinary grant or for one in an emergency.
func (s *Service) terms(ctx context.Context, id hoop.Identity, target string, breakGlass bool) (hoop.Access, error) {
	glass, noGlass := s.policy.BreakGlass(ctx, id, target)
	if breakGlass {
		return glass, noGlass
	}
	a, err := s.policy.Access(ctx, id, target)
	if err != nil && noGlass == nil {
		return a, hoop.AsError(err).WithHint(`in an emergency only: hoopctl request %s --break-glass --reason "…"`, target)
	}
	return a, err
}

// alert is what others hear of at once when somebody takes a grant in an emergency.
func alert(r *hoop.Request) *hoop.Event {
	e := event(hoop.EventAlert, r.CreatedAt, r)
	e.Subject, e.Chain, e.Reason = r.Requester.Subject, r.Requester.Chain, r.Reason
	e.Text = "a grant was taken in an emergency, without an approval"
	detail(e, "duration", "%s", r.Duration.Text())
	return e
}

// Review puts on record what somebody else found about a grant that was taken in an
// emergency, once it has ended: a person out of the groups that its rule names, with no
// part in it.
func (s *Service) Review(ctx context.Context, by hoop.Identity, id, finding string) (hoop.Grant, error) {
	finding, err := cleanReason(finding)
	if err != nil {
		return hoop.Grant{}, err
	}
	g, err := s.store.Grant(ctx, id)
	if err != nil {
		return hoop.Grant{}, err
	}
	if !s.seesReview(by, &g) {
		return hoop.Grant{}, hoop.Errorf(hoop.CodeNotFound, "there is no grant %q that you may review", id).WithHint("hoopctl audit reviews lists those that wait")
	}
	taken := hoop.Request{ID: g.Request, Requester: g.Owner, Groups: g.Reviewers}
	err = mayDecide(by, &taken)
	if err == nil {
		err = s.checkNow(ctx, by, &taken)
	}
	switch {
	case err == nil:
	case hoop.AsError(err).Code == hoop.CodeDenied:
		return hoop.Grant{}, hoop.AsError(err).WithHint("another member of %s must review grant %s", strings.Join(g.Reviewers, " or "), id)
	default:
		return hoop.Grant{}, err
	}
	if finding == "" {
		return hoop.Grant{}, hoop.Errorf(hoop.CodeInvalid, "a review says what was found").WithHint(`hoopctl review %s --finding "…"`, id)
	}
	finding = s.guard(g.Target, finding)
	ctx, stop := stepContext(ctx)
	defer stop()
	return s.store.UpdateGrant(ctx, id, func(g *hoop.Grant) error {
		now := s.stamp()
		switch {
		case g.Review != nil:
			return hoop.Errorf(hoop.CodeConflict, "grant %s was reviewed by %s at %s", id, g.Review.By, g.Review.At.Format(time.RFC3339))
		case g.RevokedAt.IsZero() && now.Before(g.ExpiresAt):
			return hoop.Errorf(hoop.CodeConflict, "grant %s is in force until %s, and is reviewed when it has ended", id, g.ExpiresAt.Format(time.RFC3339)).
				WithHint(`hoopctl revoke %s --reason "…" ends it now`, id)
		}
		g.Review = &hoop.Review{By: by.Subject, Name: by.Name, At: now, Finding: finding}
		return s.record(ctx, &hoop.Event{
			Time: now, Type: hoop.EventReview, Subject: by.Subject, Chain: by.Chain, Target: g.Target, Grant: g.ID,
			Request: g.Request, Rule: g.Rule, Reason: finding, Details: []hoop.Detail{{Name: "owner", Value: g.Owner.Subject}},
		})
	})
}

// Reviews lists the grants taken in an emergency that viewer may see and nobody reviewed
// yet, those in force too; with all, reviewed ones as well. Newest first.
func (s *Service) Reviews(ctx context.Context, viewer hoop.Identity, all bool) ([]hoop.Grant, error) {
	found, err := s.store.BreakGlassGrants(ctx, all, scanned)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(found, func(g hoop.Grant) bool { return !s.seesReview(viewer, &g) })
	if list == nil {
		list = []hoop.Grant{}
	}
	return list, nil
}

// seesReview tells whether viewer may see that a grant was taken in an emergency.
func (s *Service) seesReview(viewer hoop.Identity, g *hoop.Grant) bool {
	if viewer.Subject == "" || !g.BreakGlass {
		return false
	}
	return own(viewer, g.Owner) || viewer.InAnyGroup(g.Reviewers) || s.hasRole(viewer, hoop.RoleAuditor, hoop.RoleAdmin)
}
