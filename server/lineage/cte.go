package lineage

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// cte is a query of a WITH clause. It is analysed when it is first referred to.
type cte struct {
	expr      *pg_query.CommonTableExpr
	scope     *scope // where it is defined
	recursive bool
	again     bool // it was read while it is analysed itself
	state     progress
	rel       *relation // nil before there is an approximation
}

type progress byte

const (
	fresh progress = iota
	running
	done
)

// with opens the level of a WITH clause. A query sees those before it, or all of them
// with RECURSIVE (PostgreSQL manual, "WITH Queries").
func (a *analysis) with(c *pg_query.WithClause, parent *scope) *scope {
	if c == nil {
		return parent
	}
	at := parent
	var storing []*cte
	if c.Recursive {
		at = &scope{parent: parent, ctes: map[string]*cte{}}
	}
	for _, n := range c.Ctes {
		x := n.GetCommonTableExpr()
		if x == nil {
			continue
		}
		q := &cte{expr: x, scope: at, recursive: c.Recursive}
		if !c.Recursive {
			at = &scope{parent: at, ctes: map[string]*cte{}}
		}
		at.ctes[x.Ctename] = q
		if x.Ctequery.GetSelectStmt() == nil {
			storing = append(storing, q)
		}
	}
	for _, q := range storing { // it runs whether it is referred to or not
		a.reference(q)
	}
	return at
}

// cte finds the common table expression that a name means.
func (s *scope) cte(rv *pg_query.RangeVar) *cte {
	if rv.Schemaname != "" {
		return nil
	}
	for at := s; at != nil; at = at.parent {
		if c, ok := at.ctes[rv.Relname]; ok {
			return c
		}
	}
	return nil
}

// reference gives the relation of a common table expression: while it is analysed
// itself, what is known of it so far.
func (a *analysis) reference(c *cte) *relation {
	if c.state == fresh {
		c.state = running
		a.define(c)
		c.state = done
	}
	if c.rel == nil {
		return opaque()
	}
	c.again = c.again || c.state == running
	return c.rel
}

// define analyses a common table expression. A recursive one is what its first branch
// gives, and then what it gives where it reads that, until nothing is added.
func (a *analysis) define(c *cte) {
	q := c.expr.Ctequery.GetSelectStmt()
	if !c.recursive || q == nil || q.Larg == nil {
		c.rel = c.named(a.query(c.expr.Ctequery, c.scope))
		return
	}
	approx := c.named(a.selectStmt(q.Larg, a.with(q.WithClause, c.scope)))
	for a.steps > 0 {
		c.rel = approx
		approx = either(c.rel, c.named(a.query(c.expr.Ctequery, c.scope)))
		ends := a.ends(c, q).computed()
		approx.mult, approx.cuts = approx.mult.times(ends), approx.cuts.times(ends)
		if approx.same(c.rel) {
			return
		}
	}
	c.rel = opaque()
}

// ends gives what decides when a recursive query ends, and so how many rows it has: the conditions
// under which its second branch finds more, but for those that find stored rows by stored values,
// as a join does. Nothing does where that does not read it.
func (a *analysis) ends(c *cte, q *pg_query.SelectStmt) flow {
	whole := c.rel
	begun := *whole
	begun.decide = flow{unknown: whole.decide.unknown} // what chose the first rows
	c.rel, c.again = &begun, false
	var r *relation
	if w := a.with(q.WithClause, c.scope); q.Rarg.GetLarg() != nil || len(q.Rarg.GetValuesLists()) > 0 {
		r = a.selectStmt(q.Rarg, w)
	} else {
		r = a.simpleSelect(q.Rarg, &scope{parent: a.with(q.Rarg.GetWithClause(), w), keyed: true})
	}
	c.rel = whole
	switch {
	case !c.again:
		return flow{}
	case !q.All || c.expr.CycleClause != nil: // it ends where rows come again
		return r.decide.and(r.ungiven(whole))
	}
	return r.decide
}

// ungiven is what a row of r derives from without columns that are certainly stored values in all,
// of which r is a part: of these there are as many as are stored.
func (r *relation) ungiven(all *relation) flow {
	if !r.fixed || !all.fixed {
		return r.whole()
	}
	var f flow
	for i, c := range r.cols {
		if i >= len(all.cols) || !all.cols[i].flow.given() {
			f = f.and(c.flow)
		}
	}
	return f
}

// condition is what a condition in the text of a level derives from.
func (a *analysis) condition(n *pg_query.Node, s *scope) flow {
	if b := n.GetBoolExpr(); s.keyed && b.GetBoolop() == pg_query.BoolExprType_AND_EXPR {
		var f flow
		for _, part := range b.Args {
			f = f.and(a.condition(part, s))
		}
		return f
	}
	x := n.GetAExpr()
	if s.keyed && x.GetKind() == pg_query.A_Expr_Kind_AEXPR_OP && last(x.GetName()) == "=" && a.givenOrConstant(x.Lexpr, s) && a.givenOrConstant(x.Rexpr, s) {
		return a.operator(x.Name)
	}
	return a.expr(n, s)
}

func (a *analysis) givenOrConstant(n *pg_query.Node, s *scope) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AConst, *pg_query.Node_ParamRef:
		return true
	case *pg_query.Node_ColumnRef:
		f, _ := a.columnRef(x.ColumnRef, s)
		return f.given()
	}
	return false
}

// named gives the columns their names, and adds those of SEARCH and CYCLE, which are
// made of all the others.
func (c *cte) named(r *relation) *relation {
	r = r.renamed(stringsOf(c.expr.Aliascolnames))
	var extra []string
	if x := c.expr.SearchClause; x != nil {
		extra = append(extra, x.SearchSeqColumn)
	}
	if x := c.expr.CycleClause; x != nil {
		extra = append(extra, x.CycleMarkColumn, x.CyclePathColumn)
	}
	if len(extra) == 0 {
		return r
	}
	out := *r
	out.cols = append([]column(nil), r.cols...)
	for _, name := range extra {
		out.cols = append(out.cols, column{name: name, flow: r.whole(), sure: true})
	}
	return &out
}
