package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// subLink handles IN (SELECT …), = ANY (SELECT …) and EXISTS (…).
func (l *limiter) subLink(sub *pg_query.SubLink) map[string]bool {
	q := sub.Subselect.GetSelectStmt()
	if q == nil {
		return nil
	}
	switch sub.SubLinkType {
	case pg_query.SubLinkType_ANY_SUBLINK:
		if l.looksOut(sub.Subselect, nil) {
			return nil // it gives what the row itself has
		}
		if op := stringsOf(sub.OperName); len(op) > 0 && op[len(op)-1] != "=" {
			return nil
		}
		if a := l.column(sub.Testexpr); a != "" && l.query(sub.Subselect) {
			return set(a)
		}
		if row := sub.Testexpr.GetRowExpr(); row != nil && l.query(sub.Subselect) {
			for _, arg := range row.Args {
				if a := l.column(arg); a != "" {
					return set(a)
				}
			}
		}
	case pg_query.SubLinkType_EXISTS_SUBLINK:
		return l.exists(q)
	}
	return nil
}

// exists: the sub-select limits an outer alias where a limited inner one is equal to
// it.
func (l *limiter) exists(q *pg_query.SelectStmt) map[string]bool {
	if !plain(q) || q.WhereClause == nil || l.calls(q) { // an aggregate gives a row where there is none
		return nil
	}
	inner := l.inner(q)
	out := map[string]bool{}
	for alias := range l.tables {
		if _, hidden := inner.tables[alias]; hidden {
			continue
		}
		both := l.inner(q)
		for a, t := range l.tables {
			if _, hidden := both.tables[a]; !hidden {
				both.tables[a] = t
			}
		}
		if both.limits(q.WhereClause, alias) && both.qualifiedOnly(q.WhereClause) {
			out[alias] = true
		}
	}
	return out
}

// calls reports whether a query calls anything where an aggregate may stand beside HAVING:
// one without GROUP BY has a row then.
func (l *limiter) calls(q *pg_query.SelectStmt) bool {
	in, found := l.inner(q), false
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		found = found || n.GetFuncCall() != nil || n.GetJsonArrayAgg() != nil || n.GetJsonObjectAgg() != nil
		if u, ok := nameOf(n.GetColumnRef()); ok && u.qualifier != "" && !allHave(in.tables[u.qualifier], u.name) {
			found = found || isAggregate(l.s.cat, u.name)
		}
		found = found || slices.ContainsFunc(stringsOf(n.GetAIndirection().GetIndirection()), func(name string) bool { return isAggregate(l.s.cat, name) })
		children(n, look)
	}
	for _, n := range slices.Concat(q.TargetList, q.SortClause, q.DistinctClause, q.WindowClause) {
		look(n)
	}
	return found
}

// qualifiedOnly reports whether every column names its table, so that no inner name
// was taken for an outer one.
func (l *limiter) qualifiedOnly(n *pg_query.Node) bool {
	if c := n.GetColumnRef(); c != nil {
		u, ok := nameOf(c)
		return ok && u.qualifier != ""
	}
	all := true
	known := children(n, func(c *pg_query.Node) { all = all && l.qualifiedOnly(c) })
	return all && known
}

// plain tells simple SELECTs from set operations, grouping and WITH.
func plain(q *pg_query.SelectStmt) bool {
	return q.Larg == nil && q.WithClause == nil && len(q.GroupClause) == 0 && q.HavingClause == nil && len(q.ValuesLists) == 0
}

// inner is a limiter for the FROM of a sub-select.
func (l *limiter) inner(q *pg_query.SelectStmt) *limiter {
	in := l.s.limiter(l.scope)
	for _, n := range q.FromClause {
		in.from(n)
	}
	return in
}

// query reports whether a query gives a limited number of rows by itself: VALUES, no
// FROM, or each table limited by its conditions. LIMIT is no limit here: it can be as
// high as it likes, unless it is a small constant.
func (l *limiter) query(n *pg_query.Node) bool {
	if !l.s.spend() {
		return false
	}
	q := n.GetSelectStmt()
	if q == nil {
		return false // a data-modifying WITH query, or nothing
	}
	if q.WithClause != nil {
		return false
	}
	if q.Larg != nil || q.Rarg != nil {
		return l.query(selectNode(q.Larg)) && l.query(selectNode(q.Rarg))
	}
	if len(q.ValuesLists) > 0 {
		return !slices.ContainsFunc(q.ValuesLists, l.hasSet)
	}
	if smallLimit(q) {
		return true
	}
	if len(q.FromClause) == 0 {
		return !l.setReturning(q)
	}
	in := l.inner(q)
	if len(in.tables) == 0 {
		return false
	}
	for alias := range in.tables {
		if !in.limits(q.WhereClause, alias) {
			return false
		}
	}
	return !l.setReturning(q)
}

// maxSmallLimit is a LIMIT that counts as an effective one, in rows.
const maxSmallLimit = 1000

func smallLimit(q *pg_query.SelectStmt) bool {
	v := q.LimitCount.GetAConst().GetIval()
	return v != nil && v.Ival <= maxSmallLimit && q.LimitOption == pg_query.LimitOption_LIMIT_OPTION_COUNT
}

// setReturning reports whether the output list may multiply rows.
func (l *limiter) setReturning(q *pg_query.SelectStmt) bool {
	for _, t := range q.TargetList {
		if l.hasSet(t) {
			return true
		}
	}
	return false
}

func (l *limiter) hasSet(n *pg_query.Node) bool {
	if f := n.GetFuncCall(); f != nil {
		parts := stringsOf(f.Funcname)
		fns := l.s.cat.Functions("", parts[len(parts)-1])
		for _, fn := range fns {
			if fn.Set {
				return true
			}
		}
		if len(fns) == 0 {
			return true
		}
	}
	found := false
	children(n, func(c *pg_query.Node) { found = found || l.hasSet(c) })
	return found
}

// looksOut reports whether a sub-select may name a column of the row outside: one that none
// of the tables around it has, from the inside out.
func (l *limiter) looksOut(n *pg_query.Node, around []*limiter) bool {
	if q := n.GetSelectStmt(); q != nil && q.Larg == nil {
		around = append(around[:len(around):len(around)], l.inner(q))
	}
	if c := n.GetColumnRef(); c != nil {
		u, ok := nameOf(c)
		if !ok {
			return true
		}
		inside := func(in *limiter) bool {
			if _, alias := in.tables[u.name]; alias && u.qualifier == "" {
				return true // a row, or what a function in FROM gives
			}
			for alias, tables := range in.tables {
				if u.qualifier == alias || u.qualifier == "" && (u.name == "*" || in.has(alias, u.name) || len(tables) == 0 && !l.ours(u.name)) {
					return true
				}
			}
			return false
		}
		return !slices.ContainsFunc(around, inside)
	}
	out := false
	known := children(n, func(c *pg_query.Node) { out = out || l.looksOut(c, around) })
	return out || !known
}

// ours reports whether a table of the row outside has a column of the name.
func (l *limiter) ours(column string) bool {
	for alias := range l.tables {
		if l.has(alias, column) {
			return true
		}
	}
	return false
}

// independent reports whether a sub-select does not look at the row outside: every
// column is one of its own FROM, and it holds no further sub-select.
func (l *limiter) independent(n *pg_query.Node) bool {
	q := n.GetSelectStmt()
	if q == nil || !plain(q) {
		return false
	}
	in := l.inner(q)
	for _, tables := range in.tables {
		if len(tables) == 0 {
			return false // what it has is not known
		}
	}
	return in.ownColumns(n, true)
}

func (l *limiter) ownColumns(n *pg_query.Node, top bool) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		if !top {
			return false
		}
	case *pg_query.Node_ColumnRef:
		u, ok := nameOf(x.ColumnRef)
		if !ok {
			return false
		}
		if u.qualifier != "" {
			tables, inside := l.tables[u.qualifier]
			return inside && (u.name == "*" || allHave(tables, u.name))
		}
		for alias := range l.tables {
			if u.name == "*" || l.has(alias, u.name) {
				return true
			}
		}
		return false
	}
	own := true
	known := children(n, func(c *pg_query.Node) { own = own && l.ownColumns(c, false) })
	return own && known
}

func allHave(tables []*catalog.Table, column string) bool {
	for _, t := range tables {
		if _, ok := t.Column(column); !ok {
			return false
		}
	}
	return len(tables) > 0
}
