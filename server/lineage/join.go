package lineage

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// join reads a JOIN (transformFromClauseItem): its right side sees its left side if
// lateral, its condition sees both sides and nothing else of this level.
func (a *analysis) join(j *pg_query.JoinExpr, s *scope) []item {
	left := a.fromItem(j.Larg, s)
	mark := len(s.items)
	s.items = append(s.items, left...)
	right := a.fromItem(j.Rarg, s)
	s.items = s.items[:mark]

	l, r := shown(left), shown(right)
	joined, using := joinColumns(l, r, stringsOf(j.UsingClause), j.IsNatural)
	if a.widens(len(joined.cols)); a.steps <= 0 {
		joined = opaque()
	}
	for _, c := range using.cols {
		if !s.keyed || !c.flow.given() {
			s.decide = s.decide.and(c.flow)
		}
	}
	if using.rest != nil {
		s.decide = s.decide.and(*using.rest)
	}
	both := make([]item, 0, len(left)+len(right)+2)
	both = append(append(both, left...), right...)
	if j.Quals != nil {
		items, building := s.items, s.building
		s.items, s.building = both, false
		s.decide = s.decide.and(a.condition(j.Quals, s))
		s.items, s.building = items, building
	}
	if alias := j.JoinUsingAlias; alias != nil {
		both = append(both, item{name: alias.Aliasname, rel: using, hidden: true})
	}
	if j.Alias != nil {
		return []item{{name: j.Alias.Aliasname, rel: joined.renamed(stringsOf(j.Alias.Colnames))}}
	}
	for i := range both {
		both[i].hidden = true
	}
	return append(both, item{rel: joined, silent: true})
}

// shown is the relation that a side of a join shows to bare names.
func shown(items []item) *relation {
	for _, it := range items {
		if !it.hidden {
			return it.rel
		}
	}
	return opaque()
}

// joinColumns gives the columns of a join: those that it merges, then the others of
// the left side, then those of the right. using is what it merges.
func joinColumns(l, r *relation, names []string, natural bool) (joined, using *relation) {
	if natural {
		if !listed(l) || !listed(r) {
			f := l.whole().and(r.whole())
			return &relation{rest: &f}, &relation{rest: &f}
		}
		for _, c := range l.cols {
			if _, got := r.lookup(c.name); got != none && !contains(names, c.name) {
				names = append(names, c.name)
			}
		}
	}
	using = &relation{fixed: true}
	for _, name := range names {
		f, inLeft := l.lookup(name)
		g, inRight := r.lookup(name)
		c := column{name: name, flow: f.or(g), sure: !natural || inLeft == sure && inRight == sure}
		if inLeft == none || inRight == none {
			c.flow = unknown
		}
		using.cols = append(using.cols, c)
	}
	joined = &relation{fixed: l.fixed && r.fixed}
	joined.cols = append(joined.cols, using.cols...)
	for _, side := range [2]*relation{l, r} {
		for _, c := range side.cols {
			if !contains(names, c.name) || c.name == anyName {
				joined.cols = append(joined.cols, c)
			}
		}
		if side.rest != nil {
			f := *side.rest
			if joined.rest != nil {
				f = f.and(*joined.rest)
			}
			joined.rest = &f
		}
	}
	return joined, using
}

// listed reports whether the names of all columns are known.
func listed(r *relation) bool {
	for _, c := range r.cols {
		if c.name == anyName {
			return false
		}
	}
	return r.rest == nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
