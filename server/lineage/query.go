package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// query gives what a query answers with, seen from the level around it.
func (a *analysis) query(n *pg_query.Node, parent *scope) *relation {
	if !a.enter() {
		return opaque()
	}
	defer a.leave()
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		return a.selectStmt(x.SelectStmt, parent)
	case *pg_query.Node_InsertStmt:
		return a.insert(x.InsertStmt, parent)
	case *pg_query.Node_UpdateStmt:
		return a.update(x.UpdateStmt, parent)
	case *pg_query.Node_DeleteStmt:
		return a.delete(x.DeleteStmt, parent)
	case *pg_query.Node_MergeStmt:
		return a.merge(x.MergeStmt, parent)
	}
	return opaque()
}

func (a *analysis) selectStmt(q *pg_query.SelectStmt, parent *scope) *relation {
	if !a.enter() || q == nil {
		return opaque()
	}
	defer a.leave()
	w := a.with(q.WithClause, parent)
	switch {
	case q.Larg != nil || q.Rarg != nil:
		return a.setOperation(q, w)
	case len(q.ValuesLists) > 0:
		return a.values(q, w)
	}
	return a.simpleSelect(q, &scope{parent: w})
}

// setOperation is UNION, INTERSECT or EXCEPT. But for UNION ALL rows are compared.
func (a *analysis) setOperation(q *pg_query.SelectStmt, w *scope) *relation {
	r := either(a.selectStmt(q.Larg, w), a.selectStmt(q.Rarg, w))
	if !q.All || q.Op != pg_query.SetOperation_SETOP_UNION || len(q.SortClause) > 0 {
		r.decide = r.decide.and(r.whole())
	}
	if !q.All && r.given() {
		r.mult = r.cuts
	}
	r.limited(a.limits(q, &scope{parent: w}))
	return r
}

// limited notes what LIMIT and OFFSET are: so many rows.
func (r *relation) limited(by flow) {
	r.decide, r.mult, r.cuts = r.decide.and(by), r.mult.times(by.computed()), r.cuts.times(by.computed())
}

// limits is LIMIT and OFFSET.
func (a *analysis) limits(q *pg_query.SelectStmt, s *scope) flow {
	return a.expr(q.LimitCount, s).and(a.expr(q.LimitOffset, s))
}

// values is a VALUES list: columns column1, column2 and so on.
func (a *analysis) values(q *pg_query.SelectStmt, w *scope) *relation {
	s := &scope{parent: w}
	var r *relation
	for _, row := range q.ValuesLists {
		next := &relation{fixed: true}
		for i, n := range row.GetList().GetItems() {
			next.cols = append(next.cols, column{name: numbered(i), flow: a.expr(n, s), sure: true})
		}
		if r == nil {
			r = next
		} else {
			r = either(r, next)
		}
	}
	r.decide, r.mult, r.cuts = s.decide, s.mult, s.cuts
	r.limited(a.limits(q, s))
	if len(q.SortClause) > 0 {
		r.decide = r.decide.and(r.whole())
	}
	return r
}

// simpleSelect is a SELECT with FROM and the rest.
func (a *analysis) simpleSelect(q *pg_query.SelectStmt, s *scope) *relation {
	a.from(q.FromClause, s)
	s.windows = map[string]*pg_query.WindowDef{}
	for _, n := range q.WindowClause {
		if d := n.GetWindowDef(); d != nil {
			s.windows[d.Name] = d
		}
	}
	s.decide = s.decide.and(a.condition(q.WhereClause, s))
	s.listed = flow{}
	r := a.targets(q.TargetList, s)
	decide := a.expr(q.HavingClause, s)
	for _, list := range [][]*pg_query.Node{q.GroupClause, q.SortClause, q.DistinctClause} {
		for _, n := range list {
			decide = decide.and(a.key(n, s, r))
		}
	}
	r.decide, r.mult, r.cuts = s.decide.and(decide), s.mult, s.cuts
	switch {
	case s.folds && len(q.GroupClause) == 0 && q.HavingClause == nil: // one row, whatever there is in FROM
		r.mult, r.cuts = s.listed, flow{}
	case len(q.GroupClause) > 0 && a.given(q.GroupClause, s, r):
		r.mult = s.cuts.times(s.listed)
	}
	if len(q.DistinctClause) > 0 && a.given(q.DistinctClause, s, r) {
		r.mult = r.cuts
	}
	r.limited(a.limits(q, s))
	return r
}

// key is what GROUP BY, ORDER BY or DISTINCT compares: an expression, or a column of
// the answer by name or number. DISTINCT alone compares all of them.
func (a *analysis) key(n *pg_query.Node, s *scope, r *relation) flow {
	switch x := n.GetNode().(type) {
	case nil:
		return r.whole()
	case *pg_query.Node_AConst:
		return r.whole()
	case *pg_query.Node_SortBy:
		return a.key(x.SortBy.Node, s, r).and(a.operator(x.SortBy.UseOp))
	case *pg_query.Node_GroupingSet:
		return a.keys(x.GroupingSet.Content, s, r)
	case *pg_query.Node_List:
		return a.keys(x.List.Items, s, r)
	case *pg_query.Node_RowExpr:
		return a.keys(x.RowExpr.Args, s, r)
	case *pg_query.Node_ColumnRef:
		if len(x.ColumnRef.Fields) != 1 {
			break
		}
		f, ok := a.columnRef(x.ColumnRef, s)
		if g, got := r.lookup(last(x.ColumnRef.Fields)); got != none {
			if !ok {
				return g.computed()
			}
			f = f.and(g)
		}
		return f.computed()
	}
	return a.expr(n, s)
}

func (a *analysis) keys(list []*pg_query.Node, s *scope, r *relation) flow {
	var f flow
	for _, n := range list {
		f = f.and(a.key(n, s, r))
	}
	return f
}

// given reports whether all keys of GROUP BY or DISTINCT are values that are stored. There are as many
// rows then as these make, whatever multiplies the rows of each: that one is there at all is for
// conditions to say, and a search as they are.
func (a *analysis) given(keys []*pg_query.Node, s *scope, r *relation) bool {
	return !slices.ContainsFunc(keys, func(n *pg_query.Node) bool {
		switch x := n.GetNode().(type) {
		case nil: // DISTINCT alone
			return !r.given()
		case *pg_query.Node_AConst:
			i := int(x.AConst.GetIval().GetIval())
			return !r.fixed || i < 1 || i > len(r.cols) || !r.cols[i-1].flow.given()
		case *pg_query.Node_GroupingSet:
			return !a.given(x.GroupingSet.Content, s, r)
		case *pg_query.Node_List:
			return !a.given(x.List.Items, s, r)
		case *pg_query.Node_RowExpr:
			return !a.given(x.RowExpr.Args, s, r)
		case *pg_query.Node_ColumnRef:
			f, ok := a.columnRef(x.ColumnRef, s)
			if g, got := r.lookup(last(x.ColumnRef.Fields)); len(x.ColumnRef.Fields) == 1 && got != none {
				if !g.given() || !ok {
					f = g
				}
			}
			return !f.given()
		}
		return true
	})
}

// targets gives the columns of a SELECT or RETURNING list.
func (a *analysis) targets(list []*pg_query.Node, s *scope) *relation {
	out := &relation{fixed: true}
	for _, n := range list {
		rt := n.GetResTarget()
		if rt == nil {
			return opaque()
		}
		if rels, known, is := a.star(rt.Val, s); is {
			if !known {
				f := unknown
				out.fixed, out.rest = false, &f
			}
			for _, r := range rels {
				out.expand(r)
			}
			if a.widens(len(out.cols)); len(out.cols) > maxColumns { // each query in WITH can have twice those of the one before
				a.steps = 0
				return opaque()
			}
			continue
		}
		name := rt.Name
		if name == "" {
			name = impliedName(rt.Val)
		}
		out.cols = append(out.cols, column{name: name, flow: a.expr(rt.Val, s), sure: true})
	}
	return out
}

// maxColumns is how many a list may have (MaxTupleAttributeNumber of PostgreSQL's htup_details.h).
const maxColumns = 1664

// widens takes steps for columns that were put together: a join has those of all before it.
func (a *analysis) widens(columns int) { a.steps -= columns / 20 }

// expand adds the columns that * stands for.
func (r *relation) expand(of *relation) {
	r.cols = append(r.cols, of.cols...)
	r.fixed = r.fixed && of.fixed
	if of.rest != nil {
		f := *of.rest
		if r.rest != nil {
			f = f.and(*r.rest)
		}
		r.rest = &f
	}
}

// star reads *, alias.* and (alias).* as an item of the list; is reports whether it is
// such an item at all.
func (a *analysis) star(n *pg_query.Node, s *scope) (rels []*relation, known, is bool) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		fields := x.ColumnRef.Fields
		if len(fields) == 0 || fields[len(fields)-1].GetAStar() == nil {
			return nil, false, false
		}
		rels, known = starred(stringsOf(fields), s)
		return rels, known, true
	case *pg_query.Node_AIndirection:
		ind := x.AIndirection.Indirection
		if len(ind) == 0 || ind[len(ind)-1].GetAStar() == nil {
			return nil, false, false
		}
		if c := x.AIndirection.Arg.GetColumnRef(); c != nil && len(ind) == 1 && len(c.Fields) == 1 {
			if name := last(c.Fields); !s.mayBeColumn(name) {
				rels, known = starred([]string{name}, s)
				return rels, known, true
			}
		}
		f := a.expr(x.AIndirection.Arg, s) // the fields of a row of some type
		return []*relation{{rest: &f}}, true, true
	}
	return nil, false, false
}

// mayBeColumn reports whether a bare name can be a column, in any level.
func (s *scope) mayBeColumn(name string) bool {
	for at := s; at != nil; at = at.parent {
		if _, got := at.column(name); got != none {
			return true
		}
	}
	return false
}
