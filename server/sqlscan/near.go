package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// tests notes the values that columns are tested for in e, other than by a plain
// comparison, which comparison notes.
func (l *looker) tests(e *pg_query.A_Expr) {
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_OP, pg_query.A_Expr_Kind_AEXPR_OP_ANY, pg_query.A_Expr_Kind_AEXPR_OP_ALL, pg_query.A_Expr_Kind_AEXPR_IN:
		switch lastOf(e.Name) {
		case "=", "<>", "!=", "@>", "<@", "&&":
			l.equal(e.Lexpr, e.Rexpr)
			l.inRange(e.Lexpr, e.Rexpr)
			l.inRange(e.Rexpr, e.Lexpr)
		case "~", "~*", "~~", "~~*", "^@":
			l.near(l.subjects(e.Lexpr), l.values(e.Rexpr))
		}
	case pg_query.A_Expr_Kind_AEXPR_DISTINCT, pg_query.A_Expr_Kind_AEXPR_NOT_DISTINCT, pg_query.A_Expr_Kind_AEXPR_NULLIF,
		pg_query.A_Expr_Kind_AEXPR_LIKE, pg_query.A_Expr_Kind_AEXPR_ILIKE, pg_query.A_Expr_Kind_AEXPR_SIMILAR:
		l.equal(e.Lexpr, e.Rexpr)
	}
}

// equal notes what the columns of one side are tested for by the other: rows place by
// place.
func (l *looker) equal(a, b *pg_query.Node) {
	if l.depth++; l.depth > maxDepth {
		l.depth--
		return
	}
	defer func() { l.depth-- }()
	a, b = uncast(a), uncast(b)
	if len(listOf(a)) > 0 {
		a, b = b, a
	}
	if list := listOf(b); len(list) > 0 {
		for _, n := range list {
			l.equal(a, n)
		}
		return
	}
	if q := queryOf(b); q != nil {
		l.equalQuery(a, q)
		return
	}
	if q := queryOf(a); q != nil {
		l.equalQuery(b, q)
		return
	}
	if x, y := a.GetRowExpr().GetArgs(), b.GetRowExpr().GetArgs(); len(x) > 0 && len(x) == len(y) {
		for i := range x {
			l.equal(x[i], y[i])
		}
		return
	}
	if x, y := bare(a), bare(b); x != nil && y != nil {
		l.pairs = append(l.pairs, [2]*pg_query.ColumnRef{x, y})
	}
	l.near(l.subjects(a), l.values(b))
	l.near(l.subjects(b), l.values(a))
	l.member(a, b)
	l.member(b, a)
}

// member notes one of the values that an expression of columns is tested for, or that it
// is computed.
func (l *looker) member(a, b *pg_query.Node) {
	if a == nil || b == nil || bare(b) != nil {
		return
	}
	values := l.values(b)
	if len(values) == 0 && len(l.parts(b, false).refs) > 0 {
		return // with other columns: see leaf
	}
	for _, c := range l.parts(a, false).refs {
		p := l.at(c)
		if p.members = append(p.members, values...); len(values) == 0 {
			p.computed++
		}
	}
}

// equalQuery is equal for what a query shows or lists.
func (l *looker) equalQuery(a *pg_query.Node, q *pg_query.SelectStmt) {
	row := a.GetRowExpr().GetArgs()
	if len(row) == 0 {
		row = []*pg_query.Node{a}
	}
	shown := [][]*pg_query.Node{nil}
	for _, t := range q.TargetList {
		shown[0] = append(shown[0], t.GetResTarget().GetVal())
	}
	for _, values := range q.ValuesLists {
		shown = append(shown, listOf(values))
	}
	for _, list := range shown {
		for i := range min(len(row), len(list)) {
			l.equal(row[i], list[i])
		}
	}
	for _, side := range []*pg_query.SelectStmt{q.Larg, q.Rarg} {
		if side != nil {
			l.equalQuery(a, side)
		}
	}
}

func (l *looker) near(refs []*pg_query.ColumnRef, values []hoop.Operand) {
	for _, c := range refs {
		p := l.at(c)
		p.near = append(p.near, values...)
	}
}

// uncast is what is cast, or given a collation, however often.
func uncast(n *pg_query.Node) *pg_query.Node {
	for {
		switch x := n.GetNode().(type) {
		case *pg_query.Node_TypeCast:
			n = x.TypeCast.Arg
		case *pg_query.Node_CollateClause:
			n = x.CollateClause.Arg
		default:
			return n
		}
	}
}

// queryOf is the query of a sub-select, or of what it is, nil where n is none.
func queryOf(n *pg_query.Node) *pg_query.SelectStmt {
	if sub := n.GetSubLink(); sub != nil {
		return sub.Subselect.GetSelectStmt()
	}
	return n.GetSelectStmt()
}

// inside gives the parts of a row or an array, and the argument of a function that has one.
func inside(n *pg_query.Node) []*pg_query.Node {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RowExpr:
		return x.RowExpr.Args
	case *pg_query.Node_AArrayExpr:
		return x.AArrayExpr.Elements
	case *pg_query.Node_FuncCall:
		if len(x.FuncCall.Args) == 1 {
			return x.FuncCall.Args
		}
	}
	return nil
}

// subjects are the columns that an expression is, but for casts and functions of one
// argument, or that it puts together.
func (l *looker) subjects(n *pg_query.Node) []*pg_query.ColumnRef {
	n = uncast(n)
	if c := n.GetColumnRef(); c != nil {
		return []*pg_query.ColumnRef{c}
	}
	var out []*pg_query.ColumnRef
	for _, part := range inside(n) {
		out = append(out, l.subjects(part)...)
	}
	return out
}

// values are the constants and parameters that an expression is, likewise.
func (l *looker) values(n *pg_query.Node) []hoop.Operand {
	n = uncast(n)
	if op, ok := l.operand(n); ok {
		op.Array = true // where it is one
		return []hoop.Operand{op}
	}
	var out []hoop.Operand
	for _, part := range inside(n) {
		out = append(out, l.values(part)...)
	}
	return out
}

// pass has columns that are equal to others be tested for what these are, and for what
// queries of constants give.
func (l *looker) pass() {
	if len(l.pairs) == 0 {
		return
	}
	tested := map[string][]hoop.Operand{}
	for c, p := range l.sights {
		if name := dotted(c); len(p.operands)+len(p.near) > 0 {
			tested[name] = append(append(tested[name], p.operands...), p.near...)
		}
	}
	for _, pair := range l.pairs {
		for i, c := range pair {
			l.near([]*pg_query.ColumnRef{c}, slices.Concat(tested[dotted(pair[1-i])], l.made))
		}
	}
}

// dotted is a column as the statement names it.
func dotted(c *pg_query.ColumnRef) string { return strings.Join(stringsOf(c.Fields), ".") }

// maxConstants is how many constants of a text are given.
const maxConstants = 10_000

// Constants gives the values of a text's constants.
func Constants(p *pgparse.Parsed) (values []string) {
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if c := n.GetAConst(); c != nil && len(values) < maxConstants {
			values = append(values, constantText(c))
		}
		children(n, look)
	}
	for _, raw := range p.Tree.GetStmts() {
		look(raw.GetStmt())
	}
	return values
}
