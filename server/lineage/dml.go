package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// assigned is what a statement stores, by column; values at places that are not known
// are in rest.
type assigned struct {
	byName map[string]flow
	rest   flow
	spread bool // there are such values, constants perhaps
	rows   flow // what decides how many rows, but for conditions that are known
	mult   flow // of that, what multiplies them
	decide flow // what decides which rows
}

// anywhere notes a value that may be in any column.
func (x *assigned) anywhere(f flow) { x.rest, x.spread = x.rest.and(f), true }

func (x *assigned) set(name string, f flow) {
	if x.byName == nil {
		x.byName = map[string]flow{}
	}
	if was, is := x.byName[name]; is {
		f = was.and(f)
	}
	x.byName[name] = f
}

// target is the table that a statement changes, which is never a common table
// expression, with the values that it holds afterwards. Triggers and rules make them
// anything.
func (a *analysis) target(rv *pg_query.RangeVar, x *assigned) item {
	it := item{name: rv.Relname, schema: rv.Schemaname, real: true, rel: a.table(rv)}
	for _, t := range a.cat.Lookup(rv.Schemaname, rv.Relname) {
		if codeRuns(t) || slices.ContainsFunc(a.cat.Related(t), codeRuns) {
			it.rel = opaque()
		}
	}
	if x != nil {
		it.rel = it.rel.after(x, a.generated(rv))
	}
	if rv.Alias != nil {
		it.name, it.real = rv.Alias.Aliasname, false
	}
	return it
}

// codeRuns reports whether more happens to rows that are stored than the statement
// says; what a view passes on is not followed.
func codeRuns(t *catalog.Table) bool {
	return t.HasTriggers || t.HasRules || t.RunsCode || t.Kind == catalog.KindView
}

// generated names the generated columns of the tables that a name may mean.
func (a *analysis) generated(rv *pg_query.RangeVar) map[string]bool {
	out := map[string]bool{}
	for _, t := range a.cat.Lookup(rv.Schemaname, rv.Relname) {
		for _, t := range append([]*catalog.Table{t}, a.cat.Related(t)...) {
			for _, c := range t.Columns {
				if c.Generated {
					out[c.Name] = true
				}
			}
		}
	}
	return out
}

// after is a table whose columns hold what was stored there, too.
func (r *relation) after(x *assigned, generated map[string]bool) *relation {
	out := *r
	out.cols = slices.Clone(r.cols)
	all := x.rest
	for _, f := range x.byName {
		all = all.and(f)
	}
	for i, c := range out.cols {
		add, is := x.byName[c.name]
		if generated[c.name] {
			add, is = all, true
		}
		if add = add.and(x.rest); is || x.spread || len(add.ids) > 0 || add.unknown {
			out.cols[i].flow = c.flow.or(add)
		}
	}
	return &out
}

func (a *analysis) insert(q *pg_query.InsertStmt, parent *scope) *relation {
	w := a.with(q.WithClause, parent)
	x := a.inserted(q, w)
	a.keeps(x)
	return a.returning(q.ReturningList, &scope{parent: w, decide: x.decide, mult: x.mult, cuts: x.mult}, a.target(q.Relation, x))
}

// inserted is what an INSERT stores.
func (a *analysis) inserted(q *pg_query.InsertStmt, w *scope) *assigned {
	x := &assigned{}
	if q.SelectStmt != nil {
		source := a.query(q.SelectStmt, w)
		a.puts(source)
		x.mult, x.decide = source.mult, source.decide
		x.rows = x.mult.and(flow{unknown: x.decide.unknown})
		names := a.insertColumns(q)
		if !source.fixed || len(source.cols) > len(names) {
			x.anywhere(source.whole())
		} else {
			for i, c := range source.cols {
				x.set(names[i], c.flow.computed().converted(c.flow))
			}
		}
	}
	for _, n := range q.Cols {
		for _, ind := range n.GetResTarget().GetIndirection() { // it can be seen in what is stored
			x.set(n.GetResTarget().GetName(), a.expr(ind, &scope{parent: w}).computed())
			a.computed = true
		}
	}
	if oc := q.OnConflictClause; oc != nil && len(oc.TargetList) > 0 {
		s := &scope{parent: w}
		s.items = []item{a.target(q.Relation, nil), {name: "excluded", rel: a.target(q.Relation, x).rel, hidden: true}}
		for name, f := range a.sets(oc.TargetList, s).byName {
			x.set(name, f)
		}
		x.decide = x.decide.and(a.expr(oc.WhereClause, s))
		if a.apart != nil {
			r := a.blank(q.Relation)
			*a.apart = a.apart.and(a.besides(oc.WhereClause, s, r, r))
		}
	}
	return x
}

// insertColumns names the columns that an INSERT gives values for, in order; none
// where they are not known.
func (a *analysis) insertColumns(q *pg_query.InsertStmt) []string {
	var out []string
	for _, n := range q.Cols {
		out = append(out, n.GetResTarget().GetName())
	}
	if len(q.Cols) > 0 {
		return out
	}
	if r := a.table(q.Relation); r.fixed {
		for _, c := range r.cols {
			out = append(out, c.name)
		}
	}
	return out
}

// sets is a list of SET a = …, or of INSERT within MERGE.
func (a *analysis) sets(list []*pg_query.Node, s *scope) *assigned {
	x := &assigned{}
	for _, n := range list {
		rt := n.GetResTarget()
		f := a.expr(rt.GetVal(), s)
		a.computed = a.computed || !f.keepsShape() || len(rt.GetIndirection()) > 0
		for _, ind := range rt.GetIndirection() {
			f = f.and(a.expr(ind, s))
		}
		x.set(rt.GetName(), f.computed().converted(f))
	}
	return x
}

func (a *analysis) update(q *pg_query.UpdateStmt, parent *scope) *relation {
	w := a.with(q.WithClause, parent)
	x, s := a.updated(q, w)
	a.keeps(x)
	s.items[0] = a.target(q.Relation, x)
	s.mult, s.cuts = s.mult.times(s.items[0].rel.mult), s.cuts.times(s.items[0].rel.cuts)
	return a.returning(q.ReturningList, s)
}

// updated is what an UPDATE stores, and its level, whose first item is the target.
func (a *analysis) updated(q *pg_query.UpdateStmt, w *scope) (*assigned, *scope) {
	s := &scope{parent: w, items: []item{a.target(q.Relation, nil)}}
	a.from(q.FromClause, s)
	x := a.sets(q.TargetList, s)
	a.changed(q.Relation, q.WhereClause, s)
	x.decide = s.decide.and(s.mult)
	return x, s
}

func (a *analysis) delete(q *pg_query.DeleteStmt, parent *scope) *relation {
	s := &scope{parent: a.with(q.WithClause, parent), items: []item{a.target(q.Relation, nil)}}
	a.from(q.UsingClause, s)
	a.changed(q.Relation, q.WhereClause, s)
	if name := q.Relation.GetRelname(); a.left != nil && a.temporary(q.Relation) {
		a.left[name] = a.left[name].and(s.decide).and(s.mult)
	}
	s.mult, s.cuts = s.mult.times(s.items[0].rel.mult), s.cuts.times(s.items[0].rel.cuts)
	return a.returning(q.ReturningList, s)
}

// changed reads the condition of an UPDATE or DELETE at the level s, whose first item is the
// target.
func (a *analysis) changed(target *pg_query.RangeVar, condition *pg_query.Node, s *scope) {
	if a.apart != nil {
		*a.apart = a.apart.and(s.decide).and(s.mult).and(a.besides(condition, s, a.blank(target)))
	}
	s.decide = s.decide.and(a.expr(condition, s))
}

// besides is what a condition derives from where the first items of the level s are the
// target's rows, whose own columns do not count.
func (a *analysis) besides(condition *pg_query.Node, s *scope, own ...*relation) flow {
	out := *s
	out.items = slices.Clone(s.items)
	for i, r := range own {
		out.items[i].rel = r
	}
	return a.expr(condition, &out)
}

// blank is the target of a statement with columns that derive from nothing.
func (a *analysis) blank(rv *pg_query.RangeVar) *relation {
	return a.anyOf(rv, func(t *catalog.Table) *relation {
		r := &relation{fixed: true, table: true}
		for _, c := range t.Columns {
			r.cols = append(r.cols, column{name: c.Name, sure: true})
		}
		return r
	})
}

// merge is MERGE: any value that a WHEN clause stores may be in any column.
func (a *analysis) merge(q *pg_query.MergeStmt, parent *scope) *relation {
	s := &scope{parent: a.with(q.WithClause, parent)}
	a.from([]*pg_query.Node{q.SourceRelation}, s)
	s.items = append(s.items, a.target(q.Relation, nil))
	x := &assigned{}
	for _, n := range q.MergeWhenClauses {
		c := n.GetMergeWhenClause()
		for _, f := range a.sets(c.GetTargetList(), s).byName {
			x.anywhere(f)
		}
		for _, v := range c.GetValues() {
			f := a.expr(v, s)
			a.computed = a.computed || !f.keepsShape()
			x.anywhere(f)
		}
		s.decide = s.decide.and(a.expr(c.GetCondition(), s))
	}
	s.decide = s.decide.and(a.expr(q.JoinCondition, s))
	x.mult, x.rows, x.decide = s.mult, s.mult, s.decide
	a.keeps(x)
	last := len(s.items) - 1
	s.items[last] = a.target(q.Relation, x)
	s.mult, s.cuts = s.mult.times(s.items[last].rel.mult), s.cuts.times(s.items[last].rel.cuts)
	if star(q.ReturningList) {
		return a.returning(q.ReturningList, s).smeared() // servers differ in the order of columns
	}
	return a.returning(q.ReturningList, s)
}

// star reports whether a list has an item *.
func star(list []*pg_query.Node) bool {
	return slices.ContainsFunc(list, func(n *pg_query.Node) bool {
		c := n.GetResTarget().GetVal().GetColumnRef()
		return c != nil && len(c.Fields) == 1 && c.Fields[0].GetAStar() != nil
	})
}

func (a *analysis) returning(list []*pg_query.Node, s *scope, items ...item) *relation {
	s.items = append(s.items, items...)
	r := a.targets(list, s)
	r.decide, r.mult, r.cuts = s.decide, s.mult, s.cuts
	return r
}
