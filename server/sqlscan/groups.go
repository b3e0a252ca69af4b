package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// An aggregate over few rows tells of those few. A query says itself that it shows no
// small groups: HAVING count(*) >= 5 over one table, or HAVING count(DISTINCT k) >= 5 of a
// column that tells the table's rows apart, where joins may show a row several times. One
// that shows counts alone need not: small counts can be left out of its answer.

// counting is a SELECT with aggregates.
type counting struct {
	least  int              // rows in each group that it shows; 0 where that is not proven
	tables []*catalog.Table // of which table: one of these
	with   bool             // it reads a WITH query
	counts []int            // of the answer, where it is what answers and shows counts alone
	query  *pg_query.SelectStmt
}

// groups says which aggregates a column reference may decide the rows of.
type groups struct {
	s      *stmt
	all    []*counting
	around map[*pg_query.ColumnRef][]*counting
	in     map[*pg_query.ColumnRef]*pg_query.SelectStmt // the innermost
	inWith map[*pg_query.ColumnRef]bool
	shown  map[*pg_query.ColumnRef]bool // they neither filter nor group
	names  map[string]bool              // of WITH queries
}

func (s *stmt) groups() *groups {
	g := &groups{
		s: s, around: map[*pg_query.ColumnRef][]*counting{}, in: map[*pg_query.ColumnRef]*pg_query.SelectStmt{},
		inWith: map[*pg_query.ColumnRef]bool{}, shown: map[*pg_query.ColumnRef]bool{}, names: map[string]bool{},
	}
	g.name(s.node, 0)
	g.walk(s.node, nil, nil, false, 0)
	return g
}

func (g *groups) name(n *pg_query.Node, depth int) {
	if c := n.GetCommonTableExpr(); c != nil {
		g.names[c.Ctename] = true
	}
	if depth < maxDepth {
		children(n, func(c *pg_query.Node) { g.name(c, depth+1) })
	}
}

func (g *groups) walk(n *pg_query.Node, in *pg_query.SelectStmt, around []*counting, with bool, depth int) {
	if depth > maxDepth {
		g.all = append(g.all, &counting{with: true}) // and then nothing is proven
		return
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		g.around[x.ColumnRef], g.in[x.ColumnRef], g.inWith[x.ColumnRef] = around, in, with
	case *pg_query.Node_RangeVar:
		if x.RangeVar.Schemaname == "" && g.names[x.RangeVar.Relname] {
			for _, c := range around {
				c.with = true
			}
		}
	case *pg_query.Node_CommonTableExpr:
		with = true
	case *pg_query.Node_SelectStmt:
		in = x.SelectStmt
		if c := g.counting(x.SelectStmt); c != nil {
			g.all = append(g.all, c)
			around = append(slices.Clip(around), c)
		}
	}
	children(n, func(c *pg_query.Node) { g.walk(c, in, around, with, depth+1) })
}

// look says of a look whether aggregates count what it decides, and the least rows that
// their groups are proven to have. ref is nil where the column stands in no expression.
func (g *groups) look(look *hoop.Look, ref *pg_query.ColumnRef) {
	of := g.all
	if g.shown[ref] {
		return
	}
	if ref != nil {
		of = g.around[ref]
		if g.inWith[ref] {
			for _, c := range g.all {
				if c.with {
					of = append(slices.Clip(of), c)
				}
			}
		}
	}
	for i, c := range of {
		least := c.least
		proven := ref != nil && g.in[ref] == c.query && c.covers(look.Columns) // what a sub-select finds is not counted
		if !proven {
			least = 0
		}
		if i == 0 || least < look.Least {
			look.Counted, look.Least = true, least
		}
		if proven && len(of) == 1 {
			look.Counts = c.counts
		}
	}
}

func (c *counting) covers(columns []hoop.ColumnRef) bool {
	return !slices.ContainsFunc(columns, func(col hoop.ColumnRef) bool {
		return !slices.ContainsFunc(c.tables, func(t *catalog.Table) bool { return t.Schema == col.Schema && t.Name == col.Table })
	})
}

func (g *groups) counting(q *pg_query.SelectStmt) *counting {
	found := false
	for _, list := range [][]*pg_query.Node{q.TargetList, {q.HavingClause}, q.SortClause} {
		for _, n := range list {
			found = found || g.aggregates(n, nil, 0)
		}
	}
	if !found {
		return nil
	}
	if !ordinals(q) {
		for _, n := range q.TargetList {
			g.show(n.GetResTarget().GetVal(), 0)
		}
	}
	c := &counting{query: q}
	if g.proves(q.HavingClause, q, c); c.least == 0 {
		g.shows(q, c)
	}
	return c
}

// shows notes the counts of a statement that shows nothing else of its groups.
func (g *groups) shows(q *pg_query.SelectStmt, c *counting) {
	if q != g.s.node.GetSelectStmt() || g.s.out.Multi > 1 || q.Op > pg_query.SetOperation_SETOP_NONE || len(q.FromClause) != 1 ||
		q.WithClause != nil || q.IntoClause != nil || len(q.DistinctClause) > 0 || g.aggregates(q.HavingClause, nil, 0) {
		return
	}
	table := q.FromClause[0].GetRangeVar()
	if table == nil {
		return
	}
	for _, n := range q.SortClause {
		if by := n.GetSortBy().GetNode(); !g.counts(by.GetFuncCall()) && g.aggregates(by, nil, 0) {
			return
		}
	}
	var counts []int
	for i, n := range q.TargetList {
		switch v := n.GetResTarget().GetVal(); {
		case g.counts(v.GetFuncCall()):
			counts = append(counts, i)
		case v.GetColumnRef() != nil && slices.ContainsFunc(v.GetColumnRef().Fields, func(f *pg_query.Node) bool { return f.GetAStar() != nil }),
			g.aggregates(v, nil, 0):
			return
		}
	}
	if c.tables = g.plain(table, ""); c.tables != nil {
		c.counts = counts
	}
}

// show notes the columns of an output that neither filter nor group: those beside
// aggregates, and those whose values an aggregate takes as they are.
func (g *groups) show(n *pg_query.Node, depth int) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		g.shown[x.ColumnRef] = true
		return
	case *pg_query.Node_SubLink, *pg_query.Node_JsonObjectAgg, *pg_query.Node_JsonArrayAgg:
		return
	case *pg_query.Node_FuncCall:
		f := x.FuncCall
		if !g.aggregates(n, nil, depth) {
			break
		}
		for _, a := range f.Args {
			if c := a.GetColumnRef(); c != nil && f.AggFilter == nil {
				g.shown[c] = true
			}
		}
		return
	}
	if depth < maxDepth {
		children(n, func(c *pg_query.Node) { g.show(c, depth+1) })
	}
}

// counts reports whether a call counts rows of a group, none twice where it is over one
// table.
func (g *groups) counts(f *pg_query.FuncCall) bool {
	return f != nil && lastOf(f.Funcname) == "count" && len(f.Args) <= 1 && f.AggFilter == nil && f.Over == nil &&
		!slices.ContainsFunc(g.s.cat.Functions("", "count"), func(fn *catalog.Function) bool { return !fn.System })
}

// aggregates reports whether n has an aggregate of the query that it stands in; those of
// a sub-select, where their columns are its own, are not.
func (g *groups) aggregates(n *pg_query.Node, inner []*pg_query.SelectStmt, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		inner = append(slices.Clip(inner), x.SelectStmt)
	case *pg_query.Node_JsonObjectAgg, *pg_query.Node_JsonArrayAgg:
		return true
	case *pg_query.Node_ColumnRef, *pg_query.Node_AIndirection:
		if g.s.gathers(n) && (len(inner) == 0 || !g.owns(inner, n)) {
			return true
		}
	case *pg_query.Node_FuncCall:
		f := x.FuncCall
		aggregate := f.AggStar || f.AggWithinGroup || f.AggFilter != nil || isAggregate(g.s.cat, lastOf(f.Funcname))
		if aggregate && f.Over == nil && (len(inner) == 0 || !f.AggStar && !g.owns(inner, f.Args...)) {
			return true
		}
	}
	found := false
	children(n, func(c *pg_query.Node) { found = found || g.aggregates(c, inner, depth+1) })
	return found
}

func lastOf(name []*pg_query.Node) string {
	if parts := stringsOf(name); len(parts) > 0 {
		return parts[len(parts)-1]
	}
	return ""
}

// owns reports whether the columns of an aggregate's arguments are those of tables in
// sub-selects around it.
func (g *groups) owns(inner []*pg_query.SelectStmt, args ...*pg_query.Node) bool {
	any, all := false, true
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if c := n.GetColumnRef(); c != nil {
			u, ok := nameOf(c)
			any, all = true, all && ok && slices.ContainsFunc(inner, func(q *pg_query.SelectStmt) bool {
				return slices.ContainsFunc(tablesOf(q.FromClause), func(rv *pg_query.RangeVar) bool {
					if u.qualifier != "" {
						return g.goesBy(rv, u, schemaOf(c))
					}
					other := rv.Schemaname == "" && g.names[rv.Relname] || len(rv.GetAlias().GetColnames()) > 0
					return !other && slices.ContainsFunc(g.s.lookup(rv), func(t *catalog.Table) bool { _, ok := t.Column(u.name); return ok })
				})
			})
		}
		children(n, look)
	}
	for _, a := range args {
		look(a)
	}
	return any && all
}

// goesBy reports whether a qualifier, with a schema before it or "", is that of rv.
func (g *groups) goesBy(rv *pg_query.RangeVar, u usedName, schema string) bool {
	return aliasOf(rv) == u.qualifier && (schema == "" || rv.Alias == nil &&
		!slices.ContainsFunc(g.s.lookup(rv), func(t *catalog.Table) bool { return t.Schema != schema }))
}

// tablesOf gives the tables of a FROM clause whose columns go by their names: a join with an
// alias hides those in it.
func tablesOf(from []*pg_query.Node) (out []*pg_query.RangeVar) {
	for _, n := range from {
		switch x := n.GetNode().(type) {
		case *pg_query.Node_RangeVar:
			out = append(out, x.RangeVar)
		case *pg_query.Node_JoinExpr:
			if x.JoinExpr.Alias != nil {
				continue
			}
			out = append(out, tablesOf([]*pg_query.Node{x.JoinExpr.Larg, x.JoinExpr.Rarg})...)
		}
	}
	return out
}

// proves reads HAVING count(…) >= n.
func (g *groups) proves(having *pg_query.Node, q *pg_query.SelectStmt, c *counting) {
	if b := having.GetBoolExpr(); b != nil && b.Boolop == pg_query.BoolExprType_AND_EXPR {
		for _, a := range b.Args {
			g.proves(a, q, c)
		}
		return
	}
	e := having.GetAExpr()
	if e == nil || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || !PlainOperator(g.s.cat, e.Name) {
		return
	}
	op, call, n := stringsOf(e.Name)[0], e.Lexpr.GetFuncCall(), e.Rexpr
	if call == nil {
		op, call, n = map[string]string{"<=": ">=", "<": ">"}[op], e.Rexpr.GetFuncCall(), e.Lexpr
	}
	least, ok := leastRows(n)
	switch op {
	case ">=":
	case ">":
		least++
	default:
		return
	}
	if tables := g.counted(call, q.FromClause); ok && tables != nil && least > c.least {
		c.least, c.tables = least, tables
	}
}

// leastRows reads the number that a count is compared with.
func leastRows(n *pg_query.Node) (int, bool) {
	c := n.GetAConst()
	if c == nil || c.Isnull || c.GetIval() == nil {
		return 0, false
	}
	return int(c.GetIval().Ival), true
}

// counted gives the table whose rows a call counts, each once, with its relatives; nil
// where it is none.
func (g *groups) counted(f *pg_query.FuncCall, from []*pg_query.Node) []*catalog.Table {
	if !g.counts(f) {
		return nil
	}
	if f.AggStar {
		if len(from) != 1 || from[0].GetRangeVar() == nil {
			return nil
		}
		return g.plain(from[0].GetRangeVar(), "")
	}
	if !f.AggDistinct || len(f.Args) != 1 {
		return nil
	}
	c := f.Args[0].GetColumnRef()
	u, ok := nameOf(c)
	if !ok || u.qualifier == "" && (len(from) != 1 || from[0].GetRangeVar() == nil) {
		return nil
	}
	for _, rv := range tablesOf(from) {
		if u.qualifier == "" || g.goesBy(rv, u, schemaOf(c)) {
			return g.plain(rv, u.name)
		}
	}
	return nil
}

// plain gives what a name means that is nothing but a table, of which key, where it is
// not empty, tells the rows apart.
func (g *groups) plain(rv *pg_query.RangeVar, key string) (out []*catalog.Table) {
	if rv.Schemaname == "" && g.names[rv.Relname] || len(rv.GetAlias().GetColnames()) > 0 {
		return nil
	}
	for _, t := range g.s.lookup(rv) {
		if t.Temporary || t.Kind != catalog.KindOrdinary && t.Kind != catalog.KindPartitioned {
			return nil
		}
		if key != "" && (t.Kind == catalog.KindOrdinary && len(t.Children) > 0 ||
			!slices.ContainsFunc(t.Keys, func(k []string) bool { return len(k) == 1 && k[0] == key })) {
			return nil
		}
		out = append(append(out, t), g.s.cat.Related(t)...)
	}
	return out
}
