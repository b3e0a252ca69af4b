package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// expr gives what the value of an expression derives from.
func (a *analysis) expr(n *pg_query.Node, s *scope) flow {
	if n.GetNode() == nil {
		return flow{}
	}
	if !a.enter() {
		return unknown
	}
	defer a.leave()
	switch x := n.Node.(type) {
	case *pg_query.Node_ColumnRef:
		f, _ := a.columnRef(x.ColumnRef, s)
		return f
	case *pg_query.Node_FuncCall:
		return a.call(x.FuncCall, s)
	case *pg_query.Node_JsonObjectAgg, *pg_query.Node_JsonArrayAgg:
		return a.children(n, s).and(s.gathered(n))
	case *pg_query.Node_SubLink:
		return a.subLink(x.SubLink, s)
	case *pg_query.Node_JsonArrayQueryConstructor:
		r := a.query(x.JsonArrayQueryConstructor.Query, s)
		return r.whole().and(r.decide).and(r.mult)
	case *pg_query.Node_AExpr:
		return a.children(n, s).and(a.comparison(x.AExpr))
	case *pg_query.Node_SortBy:
		return a.expr(x.SortBy.Node, s).and(a.operator(x.SortBy.UseOp))
	case *pg_query.Node_WindowDef:
		return a.window(x.WindowDef, s)
	case *pg_query.Node_AIndirection:
		return a.indirection(x.AIndirection, s)
	case *pg_query.Node_TypeName:
		if !sqlscan.PlainType(a.cat, x.TypeName) {
			return unknown
		}
		return flow{}
	case *pg_query.Node_MultiAssignRef:
		return a.expr(x.MultiAssignRef.Source, s)
	case *pg_query.Node_AConst, *pg_query.Node_ParamRef, *pg_query.Node_SqlvalueFunction, *pg_query.Node_SetToDefault,
		*pg_query.Node_GroupingFunc, *pg_query.Node_MergeSupportFunc, *pg_query.Node_String_, *pg_query.Node_JsonFormat:
		return flow{}
	case *pg_query.Node_CaseExpr:
		return a.children(n, s).and(a.named("=", x.CaseExpr.Arg != nil))
	case *pg_query.Node_TypeCast:
		f := a.expr(x.TypeCast.Arg, s)
		kept := f.keepsShape() && textCast(x.TypeCast.TypeName)
		return f.and(a.expr(&pg_query.Node{Node: &pg_query.Node_TypeName{TypeName: x.TypeCast.TypeName}}, s)).built(kept).converted(f)
	case *pg_query.Node_AArrayExpr:
		f, kept := a.each(x.AArrayExpr.Elements, s)
		return f.built(kept)
	case *pg_query.Node_RowExpr:
		f, kept := a.each(x.RowExpr.Args, s)
		return f.built(kept)
	case *pg_query.Node_CoalesceExpr:
		f, kept := a.each(x.CoalesceExpr.Args, s)
		return f.built(kept)
	case *pg_query.Node_CollateClause, *pg_query.Node_BoolExpr, *pg_query.Node_NullTest, *pg_query.Node_BooleanTest,
		*pg_query.Node_CaseWhen, *pg_query.Node_MinMaxExpr,
		*pg_query.Node_List, *pg_query.Node_NamedArgExpr, *pg_query.Node_AIndices, *pg_query.Node_ResTarget, *pg_query.Node_XmlExpr,
		*pg_query.Node_XmlSerialize, *pg_query.Node_JsonObjectConstructor, *pg_query.Node_JsonArrayConstructor, *pg_query.Node_JsonKeyValue,
		*pg_query.Node_JsonValueExpr, *pg_query.Node_JsonOutput, *pg_query.Node_JsonReturning, *pg_query.Node_JsonFuncExpr,
		*pg_query.Node_JsonBehavior, *pg_query.Node_JsonArgument, *pg_query.Node_JsonIsPredicate, *pg_query.Node_JsonParseExpr,
		*pg_query.Node_JsonScalarExpr, *pg_query.Node_JsonSerializeExpr, *pg_query.Node_JsonAggConstructor,
		*pg_query.Node_JsonTable, *pg_query.Node_JsonTableColumn, *pg_query.Node_JsonTablePathSpec, *pg_query.Node_Alias:
		return a.children(n, s)
	}
	return unknown
}

// children is what a value derives from that is computed of all parts of a node.
func (a *analysis) children(n *pg_query.Node, s *scope) flow {
	var f flow
	if !sqlscan.Children(n, func(c *pg_query.Node) { f = f.and(a.expr(c, s)) }) {
		return unknown
	}
	return f
}

// operator is what an operator adds to its operands: nothing, unless it is a user's.
func (a *analysis) operator(name []*pg_query.Node) flow {
	if !sqlscan.PlainOperator(a.cat, name) {
		return unknown
	}
	return flow{}
}

func (a *analysis) named(op string, used bool) flow {
	if !used {
		return flow{}
	}
	return a.operator([]*pg_query.Node{pg_query.MakeStrNode(op)})
}

// comparison adds the operators that an expression uses.
func (a *analysis) comparison(x *pg_query.A_Expr) flow {
	f := a.operator(x.Name)
	switch x.Kind {
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN,
		pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		for _, op := range []string{"<", "<=", ">", ">="} {
			f = f.and(a.named(op, true))
		}
	}
	return f
}

// call is a function call. Beside its arguments an aggregate shows what filters and
// orders its input, a window function what its window is made of.
func (a *analysis) call(f *pg_query.FuncCall, s *scope) flow {
	var args flow
	var each []flow
	for i, n := range f.Args {
		arg := a.expr(n, s)
		if each = append(each, arg); i == 0 {
			args = arg
		} else {
			args = args.and(arg)
		}
	}
	kept := a.shapes(f, each)
	out := args.computed()
	aggregate, set := a.kinds(f)
	if aggregate && a.counts(f) && f.Over == nil && (f.AggStar || args.keepsShape()) {
		out = flow{}
	}
	for _, n := range f.AggOrder {
		out = out.and(a.expr(n, s))
	}
	out = out.and(a.expr(f.AggFilter, s))
	if f.Over != nil {
		out = out.and(a.window(f.Over, s))
	}
	if aggregate {
		rows := s.gathered(append(slices.Clip(f.Args), f.AggFilter)...)
		kept = kept && rows.constant() // else so many rows, so many elements
		s.folds = s.folds || f.Over == nil && a.aggregates(last(f.Funcname)) && s.owns(slices.Concat(f.Args, f.AggOrder, []*pg_query.Node{f.AggFilter}))
		out = out.and(rows)
	}
	computes := sqlscan.Computes(a.cat, f)
	if set {
		by := out.built(a.elements(f, s))
		by.unknown = by.unknown || !computes && a.systemOnly(last(f.Funcname)) // ts_stat runs a text
		s.multiply(by)
	}
	if !computes {
		s.decide.unknown = s.decide.unknown || set
		return unknown
	}
	out = out.built(kept)
	if len(each) == 1 && !aggregate && !set {
		out = out.converted(each[0])
	}
	return out
}

// aggregate is what every aggregate of a level derives from: what multiplies its rows,
// and conditions that are not known.
func (s *scope) aggregate() flow { return s.mult.and(flow{unknown: s.decide.unknown}) }

// gathered is what an aggregate with such arguments derives from beside them. It is one of the
// nearest level that a column of theirs is of (PostgreSQL manual, "Aggregate Expressions").
func (s *scope) gathered(args ...*pg_query.Node) flow {
	f := s.aggregate()
	if s.owns(args) {
		return f
	}
	for at := s.parent; at != nil; at = at.parent {
		f = f.and(at.aggregate())
	}
	return f
}

// owns reports whether a column of expressions is certainly one of the level itself, or they
// have none.
func (s *scope) owns(list []*pg_query.Node) bool {
	columns, own := false, false
	var look func(n *pg_query.Node, depth int)
	look = func(n *pg_query.Node, depth int) {
		if columns = columns || n.GetSubLink() != nil || depth > maxDepth; n.GetSubLink() != nil || depth > maxDepth {
			return // whose columns it has is not looked at
		}
		if c := n.GetColumnRef(); c != nil {
			columns, own = true, own || s.has(stringsOf(c.Fields))
			return
		}
		columns = !sqlscan.Children(n, func(c *pg_query.Node) { look(c, depth+1) }) || columns
	}
	for _, n := range list {
		if n != nil {
			look(n, 0)
		}
	}
	return own || !columns
}

// has reports whether a name of a column, with what stands before it, is certainly of the level.
func (s *scope) has(parts []string) bool {
	n := len(parts)
	if n == 1 {
		_, got := s.column(parts[0])
		return got == sure
	}
	return n > 1 && slices.ContainsFunc(s.visible(), func(it item) bool {
		return it.name == parts[n-2] && !it.silent && (n == 2 || it.real && it.schema == parts[n-3])
	})
}

// kinds says what a call may be: an aggregate or a window function; one that gives
// several rows.
func (a *analysis) kinds(f *pg_query.FuncCall) (aggregate, set bool) {
	aggregate, set = a.kindsOf(last(f.Funcname))
	return aggregate || f.AggStar || f.Over != nil || f.AggWithinGroup || f.AggFilter != nil, set
}

// kindsOf says so of the functions of a name.
func (a *analysis) kindsOf(name string) (aggregate, set bool) {
	for _, fn := range a.cat.Functions("", name) {
		aggregate = aggregate || fn.Kind == 'a' || fn.Kind == 'w'
		set = set || fn.Set
	}
	return aggregate, set
}

// aggregates reports whether every function of a name is an aggregate.
func (a *analysis) aggregates(name string) bool {
	found := a.cat.Functions("", name)
	return len(found) > 0 && !slices.ContainsFunc(found, func(fn *catalog.Function) bool { return fn.Kind != 'a' })
}

// counts reports whether a call is to PostgreSQL's count, which tells how many values
// are not NULL.
func (a *analysis) counts(f *pg_query.FuncCall) bool {
	if last(f.Funcname) != "count" {
		return false
	}
	for _, fn := range a.cat.Functions("", "count") {
		if !fn.System {
			return false
		}
	}
	return true
}

// window is what the rows of a window are chosen and ordered by. The answer comes in
// that order, too.
func (a *analysis) window(d *pg_query.WindowDef, s *scope) flow {
	if !a.enter() {
		return unknown
	}
	defer a.leave()
	var f flow
	for _, name := range []string{d.Name, d.Refname} {
		if name == "" {
			continue
		}
		if base, ok := s.windows[name]; ok && base != d {
			f = f.and(a.window(base, s))
		} else if !ok {
			return unknown
		}
	}
	for _, list := range [][]*pg_query.Node{d.PartitionClause, d.OrderClause, {d.StartOffset, d.EndOffset}} {
		for _, n := range list {
			f = f.and(a.expr(n, s))
		}
	}
	s.decide = s.decide.and(f)
	return f
}

// indirection is a field or an element of a value. A field may be a function of the
// row instead.
func (a *analysis) indirection(x *pg_query.A_Indirection, s *scope) flow {
	if c := x.Arg.GetColumnRef(); c != nil && len(c.Fields) == 1 && len(x.Indirection) == 1 {
		if row, field := last(c.Fields), last(x.Indirection); field != "" && !s.mayBeColumn(row) {
			f, _ := a.qualified(row, field, s) // (p).name is p.name
			return f
		}
	}
	f := a.expr(x.Arg, s).computed()
	for _, n := range x.Indirection {
		switch field := n.GetString_(); {
		case field != nil && a.callable(field.Sval):
			f = f.and(a.fieldFunction(field.Sval, f, s, s.gathered(x.Arg)))
		case field == nil && n.GetAStar() == nil:
			f = f.and(a.expr(n, s))
		}
	}
	return f
}

// subLink is a sub-select in an expression: its values, and what decides whether and
// which of them are there.
func (a *analysis) subLink(l *pg_query.SubLink, s *scope) flow {
	r := a.query(l.Subselect, s)
	f := r.decide.and(r.mult)
	if l.SubLinkType == pg_query.SubLinkType_EXISTS_SUBLINK {
		return f
	}
	f = f.and(r.whole()).and(a.expr(l.Testexpr, s))
	if l.Testexpr != nil {
		f = f.and(a.operator(l.OperName)).and(a.named("=", len(l.OperName) == 0))
	}
	return f
}
