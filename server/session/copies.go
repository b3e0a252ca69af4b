package session

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// copies are the statements under way that store what they read. One that waits, for a lock, say,
// may go on once protected data was let be copied to where it reads, and carries it further.
type copies struct {
	mu   sync.Mutex // guards runs
	runs map[*Run]struct{}
}

func (c *copies) add(r *Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[*Run]struct{}{}
	}
	c.runs[r] = struct{}{}
}

// remove takes out those that gone says.
func (c *copies) remove(gone func(*Run) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.runs, func(r *Run, _ struct{}) bool { return gone(r) })
}

func (c *copies) done(r *Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, r)
}

func (c *copies) list() []*Run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.runs))
}

// underWay notes that r goes on to store what it reads. uses is what was decided: where
// what r reads was protected since, r copies what nobody decided about.
func (r *Run) underWay(uses []hoop.Use) error {
	if !slices.ContainsFunc(r.st.Uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectDerive }) {
		return nil
	}
	s := r.session
	r.copying = true
	s.line.copies.add(r)
	was := destinations(uses)
	if slices.ContainsFunc(destinations(s.rules().Uses(r.st)), func(t string) bool { return !slices.Contains(was, t) }) {
		r.arrived()
		return hoop.Errorf(hoop.CodeDenied, "what the statement copies was protected while it was judged").WithHint("run it again")
	}
	return nil
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
	runs := l.copies.list()
	for range runs {
		further := false
		for _, r := range runs {
			s := r.session
			into := lasting(destinations(s.rules().Uses(r.st)))
			if len(into) == 0 {
				continue
			}
			further = true
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
