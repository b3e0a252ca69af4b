package cli

import (
	"context"
	"errors"
	"time"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// grants gives a grant in force for each target, asking for those that are missing
// all at once, before waiting for any.
func (o *connectOptions) grants(ctx context.Context, c *api.Client, targets []api.Target) ([]hoop.Grant, error) {
	answers := make([]api.RequestAnswer, len(targets))
	for i, t := range targets {
		a, err := o.ask(ctx, c, t)
		if err != nil {
			return nil, err
		}
		answers[i] = a
	}
	grants := make([]hoop.Grant, len(targets))
	for i, a := range answers {
		a, err := o.settle(ctx, c, a)
		if err == nil {
			err = outcome(a)
		}
		if err != nil {
			if !o.NoWait && errors.Is(ctx.Err(), context.Canceled) {
				o.withdraw(ctx, c, answers[i:])
			}
			return nil, err
		}
		grants[i] = *a.Grant
	}
	return grants, nil
}

// ask gives the grant in force, the request that waits already, or a new one.
func (o *connectOptions) ask(ctx context.Context, c *api.Client, t api.Target) (api.RequestAnswer, error) {
	if g := t.Grant; g != nil && (!o.Glass || g.BreakGlass || g.Scope.IsZero()) { // an emergency is more than a narrowed grant
		if o.Duration > 0 && g.ExpiresAt.Sub(g.StartsAt).Round(time.Second) != o.Duration {
			o.f.notef("the grant for %s that is in force until %s (%s) is used, so --duration asks for nothing; to put off its end: hoopctl request %s --renew --duration %s",
				t.Name, o.f.clock(g.ExpiresAt), relative(g.ExpiresAt.Sub(o.f.Now())), t.Name, hoop.Duration(o.Duration))
		}
		return api.RequestAnswer{Request: hoop.Request{State: hoop.Approved, Target: t.Name}, Grant: t.Grant}, nil
	}
	if t.Approval != "none" && !o.Glass {
		if r, ok, err := o.waiting(ctx, c, t.Name); err != nil || ok {
			return api.RequestAnswer{Request: r}, err
		}
	}
	return c.NewRequest(ctx, api.NewRequest{Target: t.Name, Duration: hoop.Duration(o.Duration), Reason: o.Reason, BreakGlass: o.Glass})
}

// waiting finds a request of mine for the target that is still open, so that connect
// typed twice is one question to approvers. Other words make another request.
func (o *connectOptions) waiting(ctx context.Context, c *api.Client, target string) (hoop.Request, bool, error) {
	me, err := c.Me(ctx)
	if err != nil {
		return hoop.Request{}, false, err
	}
	items, err := c.Requests(ctx, api.RequestFilter{State: hoop.Pending})
	if err != nil {
		return hoop.Request{}, false, err
	}
	for _, r := range items {
		if r.Kind != hoop.RequestGrant || r.Target != target || r.Requester.Subject != me.Identity.Subject || r.State != hoop.Pending {
			continue
		}
		if (o.Duration == 0 || time.Duration(r.Duration) == o.Duration) && (o.Reason == "" || r.Reason == o.Reason) {
			return r, true, nil
		}
	}
	return hoop.Request{}, false, nil
}

// settle waits for a request that is pending, unless told not to.
func (o *connectOptions) settle(ctx context.Context, c *api.Client, a api.RequestAnswer) (api.RequestAnswer, error) {
	if a.Request.State != hoop.Pending || o.NoWait {
		return a, nil
	}
	o.f.note(waitingFor(a.Request))
	return o.f.await(ctx, c, a.Request)
}

// withdraw takes back what connect asked for and no longer waits for: an approval
// after its requester went away would open a door nobody stands at.
func (o *connectOptions) withdraw(ctx context.Context, c *api.Client, answers []api.RequestAnswer) {
	ctx, cancel := o.f.last(ctx)
	defer cancel()
	for _, a := range answers {
		if a.Request.State != hoop.Pending {
			continue
		}
		if _, err := c.Cancel(ctx, a.Request.ID); err != nil {
			o.f.notef("request %d could not be withdrawn and stays open: %v", a.Request.ID, err)
			continue
		}
		o.f.notef("withdrew request %d", a.Request.ID)
	}
}

// watchEvery is how often connect asks whether its grants are still in force. The
// gateway cuts sessions within a second by itself; this is for the announcement.
const watchEvery = 5 * time.Second

// grantWatch tells of the end of grants: warnings before, and the error that ends
// connect.
type grantWatch struct {
	f      *Factory
	api    *api.Client
	grants []hoop.Grant
	warned map[string]time.Duration // by grant: the last warning given
}

// run returns when the first grant has ended, or with nil when ctx has.
func (w *grantWatch) run(ctx context.Context) error {
	w.warned = map[string]time.Duration{}
	for {
		w.warn()
		pause(ctx, w.next())
		if ctx.Err() != nil {
			return nil
		}
		if err := w.look(ctx); err != nil {
			return err
		}
	}
}

// next is how long to wait: a step of watchEvery, or up to the end of a grant that is
// nearer.
func (w *grantWatch) next() time.Duration {
	d := watchEvery
	for _, g := range w.grants {
		if left := g.ExpiresAt.Sub(w.f.Now()); left > 0 {
			d = min(d, left)
		}
	}
	return d
}

func (w *grantWatch) warn() {
	for _, g := range w.grants {
		left := g.ExpiresAt.Sub(w.f.Now())
		for _, at := range []time.Duration{time.Minute, 5 * time.Minute} {
			before, warned := w.warned[g.ID]
			if left <= 0 || left > at || warned && before <= at {
				continue
			}
			w.warned[g.ID] = at
			w.f.notef("the grant on %s ends in %s", g.Target, short(left.Round(time.Second)))
			break
		}
	}
}

// look asks the gateway. Its word counts while it answers: the clock here may be
// wrong. Where it does not answer, the clock must do.
func (w *grantWatch) look(ctx context.Context) error {
	inForce, err := w.api.Grants(ctx, false)
	if err != nil {
		return w.unanswered(ctx, err)
	}
	known := map[string]hoop.Grant{}
	for _, g := range inForce {
		known[g.ID] = g
	}
	for i, g := range w.grants {
		now, ok := known[g.ID]
		if !ok {
			return w.ended(ctx, g)
		}
		if now.ExpiresAt.After(g.ExpiresAt) {
			w.grants[i] = now
			delete(w.warned, g.ID)
			w.f.notef("the grant on %s was renewed and ends at %s", g.Target, w.f.clock(now.ExpiresAt))
		}
	}
	return nil
}

func (w *grantWatch) unanswered(ctx context.Context, err error) error {
	var e *hoop.Error
	if errors.As(err, &e) && e.Code == hoop.CodeUnauthenticated {
		return err
	}
	for _, g := range w.grants {
		if !w.f.Now().Before(g.ExpiresAt) {
			return w.ended(ctx, g)
		}
	}
	return nil
}

// ended says how a grant ended.
func (w *grantWatch) ended(ctx context.Context, g hoop.Grant) error {
	all, err := w.api.Grants(ctx, true)
	if err == nil {
		for _, x := range all {
			if x.ID == g.ID {
				g = x
			}
		}
	}
	if g.RevokedAt.IsZero() {
		return hoop.Errorf(hoop.CodeExpired, "the grant on %s ended at %s", g.Target, w.f.clock(g.ExpiresAt)).
			WithHint("hoopctl connect %s asks for another", g.Target)
	}
	e := hoop.Errorf(hoop.CodeRevoked, "the grant on %s was revoked by %s at %s", g.Target, g.RevokedBy, w.f.clock(g.RevokedAt))
	if g.Why != "" {
		e.Message += ": " + g.Why
	}
	return e.WithHint("ask %s why; hoopctl connect %s asks for another grant", g.RevokedBy, g.Target)
}
