package sqlscan

import (
	"sort"
	"strconv"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What columns are compared with: constants and parameters, one by one.

// among notes a column that is equal, or not, to one of what a query of nothing but
// constants lists: IN (VALUES …) is no more than IN (…).
func (l *looker) among(sub *pg_query.SubLink) {
	c := bare(sub.Testexpr)
	if c == nil {
		return
	}
	name := stringsOf(sub.OperName)
	if len(name) == 0 {
		name = []string{"="} // IN
	}
	if !l.equates(name) {
		return
	}
	if ops, ok := l.given(sub.Subselect.GetSelectStmt(), 0); ok {
		p := l.at(c)
		p.exact, p.operands = true, append(p.operands, ops...)
	}
}

// given gives the constants that a query of nothing else lists.
func (l *looker) given(q *pg_query.SelectStmt, depth int) (ops []hoop.Operand, ok bool) {
	if q == nil || depth > maxDepth || len(q.FromClause) > 0 || q.WithClause != nil {
		return nil, false
	}
	if q.Larg != nil && q.Rarg != nil {
		left, ok := l.given(q.Larg, depth+1)
		right, also := l.given(q.Rarg, depth+1)
		return append(left, right...), ok && also
	}
	var shown []*pg_query.Node
	for _, t := range q.TargetList {
		shown = append(shown, t.GetResTarget().GetVal())
	}
	for _, values := range q.ValuesLists {
		shown = append(shown, listOf(values)...)
	}
	for _, n := range shown {
		op, ok := l.operand(n)
		if !ok {
			return nil, false
		}
		ops = append(ops, op)
	}
	return ops, len(ops) > 0
}

// operand reads a constant or a parameter, with or without a cast.
func (l *looker) operand(n *pg_query.Node) (op hoop.Operand, ok bool) {
	if c := n.GetTypeCast(); c != nil {
		op, ok = l.operand(c.Arg)
		op.Cast = castTo(c.TypeName) + op.Cast
		return op, ok
	}
	if p := n.GetParamRef(); p != nil {
		return hoop.Operand{Param: int(p.Number), Literal: -1}, true
	}
	c := n.GetAConst()
	if c == nil {
		return op, false
	}
	if l.text != nil && c.Location >= 0 {
		all, at := l.text.Literals, int(c.Location)
		i := sort.Search(len(all), func(i int) bool { return all[i].Start >= at }) // they are in order
		if i < len(all) && (all[i].Start == at || at < len(l.sql) && l.sql[at] == '-') {
			return hoop.Operand{Literal: i}, true
		}
	}
	return hoop.Operand{Literal: -1, Text: constantText(c)}, true
}

// castTo names a type as a cast does, its modifiers included.
func castTo(t *pg_query.TypeName) string {
	name := "::" + strings.Join(stringsOf(t.GetNames()), ".")
	for _, m := range t.GetTypmods() {
		name += " " + constantText(m.GetAConst())
	}
	return name + strings.Repeat("[]", len(t.GetArrayBounds()))
}

func constantText(c *pg_query.A_Const) string {
	switch v := c.Val.(type) {
	case *pg_query.A_Const_Sval:
		return v.Sval.Sval
	case *pg_query.A_Const_Ival:
		return strconv.Itoa(int(v.Ival.Ival))
	case *pg_query.A_Const_Fval:
		return v.Fval.Fval
	case *pg_query.A_Const_Bsval:
		return v.Bsval.Bsval
	case *pg_query.A_Const_Boolval:
		return strconv.FormatBool(v.Boolval.Boolval)
	}
	return "NULL"
}

// array reads ARRAY[…] of constants, or one constant that is an array.
func (l *looker) array(n *pg_query.Node) (ops []hoop.Operand, ok bool) {
	if c := n.GetTypeCast(); c != nil {
		ops, ok = l.array(c.Arg)
		for i := range ops {
			ops[i].Cast = castTo(c.TypeName) + ops[i].Cast
		}
		return ops, ok
	}
	if a := n.GetAArrayExpr(); a != nil {
		for _, e := range a.Elements {
			inner, ok := l.array(e)
			if !ok {
				return ops, false
			}
			ops = append(ops, inner...)
		}
		return ops, true
	}
	op, ok := l.operand(n)
	op.Array, op.Words = true, true
	return []hoop.Operand{op}, ok
}
