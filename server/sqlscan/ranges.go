package sqlscan

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// end is a column's one end of a range.
type end struct {
	column *pg_query.ColumnRef
	value  hoop.Operand
	low    bool
	open   bool // the value itself is beyond it
}

// where looks at a condition that chooses rows.
func (l *looker) where(n *pg_query.Node) {
	l.condition(n)
	l.ranges(n)
}

// ranges notes the ranges that rows are wanted from: BETWEEN, and two ends that belong to
// one AND. What is negated says which are not.
func (l *looker) ranges(n *pg_query.Node) {
	if l.depth++; l.depth > maxDepth {
		l.depth--
		return
	}
	defer func() { l.depth-- }()
	switch b := n.GetBoolExpr(); {
	case b == nil:
		l.between(n.GetAExpr())
	case b.Boolop == pg_query.BoolExprType_OR_EXPR:
		for _, a := range b.Args {
			l.ranges(a)
		}
	case b.Boolop == pg_query.BoolExprType_AND_EXPR:
		var ends []end
		for _, a := range b.Args {
			if e, ok := l.end(a.GetAExpr()); ok {
				ends = append(ends, e)
			} else {
				l.ranges(a)
			}
		}
		l.meet(ends[:min(len(ends), maxEnds)])
	}
}

// maxEnds is how many ends of ranges in one AND are looked at.
const maxEnds = 100

// meet makes ranges of the ends of one AND.
func (l *looker) meet(ends []end) {
	for _, low := range ends {
		for _, high := range ends {
			if low.low && !high.low && dotted(low.column) == dotted(high.column) {
				p := l.at(low.column)
				p.between = append(p.between, hoop.Range{Low: low.value, High: high.value, LowOpen: low.open, HighOpen: high.open})
			}
		}
	}
}

// between notes the range of a BETWEEN.
func (l *looker) between(e *pg_query.A_Expr) {
	list := listOf(e.GetRexpr())
	c := bare(uncollated(e.GetLexpr()))
	if c == nil || len(list) != 2 {
		return
	}
	low, ok := l.operand(uncollated(list[0]))
	high, also := l.operand(uncollated(list[1]))
	if !ok || !also {
		return
	}
	p := l.at(c)
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM:
		p.between = append(p.between, hoop.Range{Low: high, High: low})
		fallthrough
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN:
		p.between = append(p.between, hoop.Range{Low: low, High: high})
	}
}

// inRange notes that columns are told apart by a range that is made of two values, as by
// int4range(1, 5, '[]').
func (l *looker) inRange(made, of *pg_query.Node) {
	f := uncast(made).GetFuncCall()
	if !strings.HasSuffix(lastOf(f.GetFuncname()), "range") || len(f.Args) < 2 || len(f.Args) > 3 {
		return
	}
	low, ok := l.operand(f.Args[0])
	high, also := l.operand(f.Args[1])
	if !ok || !also {
		return
	}
	r := hoop.Range{Low: low, High: high, HighOpen: true}
	if len(f.Args) == 3 { // the ends count where it is not known that they do not
		text := textOf(f.Args[2])
		r.LowOpen, r.HighOpen = strings.HasPrefix(text, "("), strings.HasSuffix(text, ")")
	}
	for _, c := range l.subjects(of) {
		p := l.at(c)
		p.between = append(p.between, r)
	}
}

// end reads a column that is above or below a constant.
func (l *looker) end(e *pg_query.A_Expr) (end, bool) {
	if e.GetKind() != pg_query.A_Expr_Kind_AEXPR_OP {
		return end{}, false
	}
	c, other, turned := bare(uncollated(e.Lexpr)), e.Rexpr, false
	if c == nil {
		c, other, turned = bare(uncollated(e.Rexpr)), e.Lexpr, true
	}
	if c == nil {
		return end{}, false
	}
	value, ok := l.operand(uncollated(other))
	if !ok {
		return end{}, false
	}
	switch op := lastOf(e.Name); op {
	case ">", ">=":
		return end{c, value, !turned, op == ">"}, true
	case "<", "<=":
		return end{c, value, turned, op == "<"}, true
	}
	return end{}, false
}

// uncollated is what is given a collation: of texts that differ in digits only all but those that
// users make order alike.
func uncollated(n *pg_query.Node) *pg_query.Node {
	for n.GetCollateClause() != nil {
		n = n.GetCollateClause().Arg
	}
	return n
}

// bare is the column that an expression is, nil where it is none.
func bare(n *pg_query.Node) *pg_query.ColumnRef { return n.GetColumnRef() }
