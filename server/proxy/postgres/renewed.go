package postgres

import (
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What a statement gives may be younger than the rules by which it was judged: a row that it
// waited for, what a function reads, the rest of a portal. Meanwhile a derive may have been let
// copy protected data to where that comes from, and what it copied to is protected since
// before it ran. So the rules count that are in force when an answer is read.

// errRemasked ends what can be masked as it was judged only.
var errRemasked = hoop.Errorf(hoop.CodeDenied, "what is masked for you has changed while the statement ran").
	WithHint("connect again, and run it again")

// renewed has what is still to come of r's answer masked by the rules of now, and reports
// whether they say otherwise of what r reads.
func (a *answerer) renewed(r *running) (otherwise bool, err error) {
	if a.masks == nil {
		a.masks = a.sess.Rules()
	}
	was, now := r.run.Rules(), a.masks
	if was == now {
		return false, nil
	}
	protected := r.run.Protected()
	r.run.Renew(now)
	a.withheld = a.withheld || r.run.Withheld()
	if !r.masks && now.Any() {
		return true, errRemasked
	}
	if r.columns != nil {
		r.plan = nil
		if plan := r.run.Plan(r.columns); !plan.Clear() {
			r.plan = plan
		}
	}
	return was.Everything() != now.Everything() || was.Values() != now.Values() || !slices.Equal(protected, r.run.Protected()), nil
}

// renewedWhole is renewed for answers that are not masked column by column.
func (a *answerer) renewedWhole(r *running) error {
	if otherwise, err := a.renewed(r); err != nil || !otherwise || !r.run.Withheld() && !r.run.Rules().Values() {
		return err
	}
	return errRemasked
}
