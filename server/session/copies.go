package session

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
)

// copies are the statements that store what they read, and go on when more is protected. One
// that waits, for a lock, say, may do so once protected data was let be copied to where it
// reads, and carries it further. So may one that has ended, where another gateway let that
// happen and it is not known here yet.
type copies struct {
	mu   sync.Mutex // guards what follows
	runs map[*Run]struct{}
	past []*copied // that ended since others were asked last
}

// copied is what is kept of a statement that copied.
type copied struct {
	session *Session
	st      hoop.Statement
}

// mostPast is how many statements may have copied since others were asked last.
const mostPast = 100_000

// add notes that r copies.
func (c *copies) add(r *Run) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.past) >= mostPast {
		return hoop.Errorf(hoop.CodeUnavailable, "what other gateways have protected is not known, so nothing is copied").
			WithHint("try again; the gateway's log has the cause")
	}
	if c.runs == nil {
		c.runs = map[*Run]struct{}{}
	}
	c.runs[r] = struct{}{}
	return nil
}

// done notes that r copies no more.
func (c *copies) done(r *Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doneLocked(r)
}

func (c *copies) doneLocked(r *Run) {
	if _, there := c.runs[r]; !there {
		return
	}
	delete(c.runs, r)
	if !r.session.line.Shared {
		return
	}
	st := *r.st
	st.Text, st.Shape, st.Params, st.Secrets, st.Literal = "", "", nil, nil, nil // they may be large
	c.past = append(c.past, &copied{r.session, st})
}

// left notes that s has ended.
func (c *copies) left(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.runs {
		if r.session == s {
			c.doneLocked(r)
		}
	}
}

// list gives all, those that ended first.
func (c *copies) list() []*copied {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.past)
	for r := range c.runs {
		all = append(all, &copied{r.session, *r.st})
	}
	return all
}

// ended is how many have ended by now.
func (c *copies) ended() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.past)
}

// forget drops the first n that ended.
func (c *copies) forget(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = slices.Delete(c.past, 0, n)
}

// underWay notes that r goes on to store what it reads. uses is what was decided: where
// what r reads was protected since, r copies what nobody decided about.
func (r *Run) underWay(uses []hoop.Use) error {
	if !slices.ContainsFunc(r.st.Uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectDerive }) {
		return nil
	}
	s := r.session
	if err := s.line.copies.add(r); err != nil {
		return err
	}
	r.copying = true
	now, refused := s.unmasked(r.st) // by rules that came meanwhile
	if refused != nil {
		r.arrived()
		return refused
	}
	was := destinations(uses)
	if slices.ContainsFunc(destinations(now), func(t string) bool { return !slices.Contains(was, t) }) {
		r.arrived()
		return hoop.Errorf(hoop.CodeDenied, "what the statement copies was protected while it was judged").WithHint("run it again")
	}
	return nil
}

// inheritors are the tables that a statement with uses by rules lets inherit protection.
func inheritors(rules *mask.Rules, st *hoop.Statement, uses []hoop.Use) []string {
	return append(destinations(uses), rules.Reshaped(st)...)
}

// destinations are where protected data is copied to.
func destinations(uses []hoop.Use) []string {
	var into []string
	for _, u := range uses {
		if u.Effect == hoop.EffectDerive {
			into = append(into, u.Into...)
		}
	}
	return into
}

// unmasked gives the effects that the mask rules of now leave, and refuses a statement that puts rows
// into a table as often as protected values say: how many a table has is shown, as it is of any, and no
// decision lifts a mask.
func (s *Session) unmasked(st *hoop.Statement) (uses []hoop.Use, refused *hoop.Error) {
	rules := s.rules()
	uses = rules.Uses(st)
	return uses, multiplied(st, rules, lasting(destinations(uses)))
}

// multiplied is why a statement that fills tables so is refused.
func multiplied(st *hoop.Statement, rules *mask.Rules, filled []string) *hoop.Error {
	if !slices.ContainsFunc(st.Uses, func(u hoop.Use) bool { return len(u.Rows)+len(u.Elements) > 0 }) {
		return nil
	}
	filled = slices.DeleteFunc(filled, func(t string) bool { return t == "*" })
	columns, tables := rules.Inheriting(filled).Multiplied(st) // one command of a text may read what another fills
	tables = slices.Clone(tables)
	if len(tables) > 3 { // of a name that many have
		tables = append(tables[:3], "others")
	}
	into := strings.Join(tables, " or ")
	switch {
	case len(columns) == 0:
		return nil
	case slices.Contains(columns, hoop.AnyColumn):
		return hoop.Errorf(hoop.CodeDenied, "how many rows this puts into %s may tell values that are masked for you: what multiplies them is not known", into).
			WithHint("write the query itself in place of EXECUTE and of temporary tables, in a text of its own, with no users' functions in arguments of functions that give rows")
	}
	return hoop.Errorf(hoop.CodeDenied, "how many rows this puts into %s would tell values that are masked for you, of %s", into, columns[0]).
		WithHint("put one row there, with a value made of the others, as (SELECT count(*) FROM …) or array_agg: columns of a copy are masked")
}

// Linger has r count as under way when it is Done, until Over: what it set off runs when its
// transaction ends. It is called before r is forwarded.
func (r *Run) Linger() { r.lingers.Store(true) }

// Over says that the transaction of a run which lingers has ended.
func (r *Run) Over() { r.arrived() }

// arrived notes that r stores nothing more.
func (r *Run) arrived() {
	if r.copying {
		r.session.line.copies.done(r)
	}
}

// Follow has what is under way protect where it copies to, now that more is protected. What one
// copies may be what another reads.
func (l *Line) Follow(ctx context.Context) error {
	all := l.copies.list()
	known := map[[2]string]bool{} // by target and table
	for range all {
		further := false
		for _, c := range all {
			s := c.session
			rules := s.rules()
			into := slices.DeleteFunc(lasting(inheritors(rules, &c.st, rules.Uses(&c.st))), func(t string) bool { return known[[2]string{s.target.Name, t}] })
			if len(into) == 0 {
				continue
			}
			further = true
			for _, t := range into {
				known[[2]string{s.target.Name, t}] = true
			}
			if err := l.Protection.Inherit(ctx, s.target.Name, into, s.info.ID); err != nil {
				return err
			}
		}
		if !further {
			break
		}
	}
	return nil
}

// FollowOthers has refresh take over what others let inherit, and follows it. What ended
// before that was asked for can have copied nothing that others protect later.
func (l *Line) FollowOthers(ctx context.Context, refresh func(context.Context) error) error {
	n := l.copies.ended()
	if err := refresh(ctx); err != nil {
		return err
	}
	if err := l.Follow(ctx); err != nil {
		return err
	}
	l.copies.forget(n)
	return nil
}
