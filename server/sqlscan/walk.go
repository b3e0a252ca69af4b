package sqlscan

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// maxDepth bounds the walk. PostgreSQL's own stack limit (2 MB) ends deeper statements.
const maxDepth = 5000

// where is the place of a node in its statement.
type where struct {
	scope *scope
	// output says that a column reference here is only shown (or stored), so it does
	// not decide which rows come back.
	output bool
}

// walk visits a node and everything below it: tables, functions, operators, types,
// and names that decide.
func (s *stmt) walk(n *pg_query.Node, w where) {
	if n.GetNode() == nil {
		return
	}
	if s.depth++; s.depth > maxDepth {
		s.depth--
		s.unknown("nested too deeply")
		return
	}
	defer func() { s.depth-- }()
	s.keyword(n)
	switch x := n.Node.(type) {
	case *pg_query.Node_SelectStmt:
		s.selectStmt(x.SelectStmt, w)
		return
	case *pg_query.Node_InsertStmt:
		s.insertStmt(x.InsertStmt, w)
		return
	case *pg_query.Node_UpdateStmt:
		s.updateStmt(x.UpdateStmt, w)
		return
	case *pg_query.Node_DeleteStmt:
		s.deleteStmt(x.DeleteStmt, w)
		return
	case *pg_query.Node_MergeStmt:
		s.mergeStmt(x.MergeStmt, w)
		return
	case *pg_query.Node_RangeVar:
		s.relation(x.RangeVar, w.scope)
		return
	case *pg_query.Node_ColumnRef:
		if u, ok := nameOf(x.ColumnRef); ok {
			s.names.shown[u.name] = true
			if u.name == "*" && u.qualifier != "" {
				s.names.starred[u.qualifier] = true
			}
			if u.qualifier != "" {
				s.names.fields[u] = true
			}
		}
		if !w.output {
			s.decides(x.ColumnRef)
		}
		return
	case *pg_query.Node_SubLink:
		s.implied(n)
		s.subLink(x.SubLink, w)
		return
	case *pg_query.Node_TypeName:
		s.typeName(x.TypeName)
	case *pg_query.Node_CurrentOfExpr:
		s.out.Opaque = true // the cursor's query is not in the text
	case *pg_query.Node_Query, *pg_query.Node_RangeTblEntry:
		s.unknown("an analysed query in a raw tree")
		return
	default:
		w = s.expression(n, w)
	}
	if !children(n, func(c *pg_query.Node) { s.walk(c, w) }) {
		s.unknown("a part of the statement that is not known")
	}
}

// expression handles nodes whose children are walked all the same. It returns the
// place of the children.
func (s *stmt) expression(n *pg_query.Node, w where) where {
	switch x := n.Node.(type) {
	case *pg_query.Node_FuncCall:
		s.funcCall(x.FuncCall, w)
		if !harmlessOutput(x.FuncCall) {
			w.output = false
		}
	case *pg_query.Node_AIndirection:
		for _, name := range stringsOf(x.AIndirection.Indirection) {
			s.names.fields[usedName{name: name}] = true
		}
	case *pg_query.Node_AExpr:
		s.operator(x.AExpr.Name)
		s.implied(n)
		w.output = false
	case *pg_query.Node_CaseExpr:
		s.implied(n)
		w.output = false
	case *pg_query.Node_SortBy:
		s.operator(x.SortBy.UseOp)
		w.output = false
	case *pg_query.Node_TypeCast:
		w.output = w.output && textCast(x.TypeCast)
	case *pg_query.Node_JoinExpr:
		s.joinExpr(x.JoinExpr)
		s.implied(n)
		w.output = false
	case *pg_query.Node_RangeSubselect:
		s.subselectAlias(x.RangeSubselect, w.scope)
		w.output = true
	case *pg_query.Node_RangeFunction:
		s.rangeFunction(x.RangeFunction)
		w.output = false
	case *pg_query.Node_RangeTableFunc:
		s.derivedAlias(x.RangeTableFunc.Alias, false)
		for _, c := range x.RangeTableFunc.Columns {
			s.loosens(c.GetRangeTableFuncCol().GetColname(), false)
		}
		w.output = false
	case *pg_query.Node_JsonTable:
		s.derivedAlias(x.JsonTable.Alias, false)
		w.output = false
	case *pg_query.Node_JsonTableColumn:
		s.loosens(x.JsonTableColumn.Name, false)
	case *pg_query.Node_RangeTableSample:
		if m := stringsOf(x.RangeTableSample.Method); len(m) != 1 || m[0] != "system" && m[0] != "bernoulli" {
			s.opaque("a sampling method that is not PostgreSQL's")
		}
		w.output = false
	case *pg_query.Node_JsonObjectConstructor: // UNIQUE compares keys, and a type may be too short
		w.output = w.output && !x.JsonObjectConstructor.Unique && x.JsonObjectConstructor.Output == nil
	case *pg_query.Node_JsonArrayConstructor:
		w.output = w.output && x.JsonArrayConstructor.Output == nil
	case *pg_query.Node_JsonObjectAgg:
		w.output = w.output && !x.JsonObjectAgg.Unique && x.JsonObjectAgg.Constructor.GetOutput() == nil
	case *pg_query.Node_JsonArrayAgg:
		w.output = w.output && x.JsonArrayAgg.Constructor.GetOutput() == nil
	case *pg_query.Node_JsonValueExpr: // FORMAT JSON reads a text
		w.output = w.output && x.JsonValueExpr.GetFormat().GetFormatType() <= pg_query.JsonFormatType_JS_FORMAT_DEFAULT
	case *pg_query.Node_ResTarget, *pg_query.Node_List, *pg_query.Node_RowExpr, *pg_query.Node_AArrayExpr,
		*pg_query.Node_CoalesceExpr, *pg_query.Node_JsonKeyValue,
		*pg_query.Node_NamedArgExpr, *pg_query.Node_CollateClause:
		// what they hold is shown as it is
	case *pg_query.Node_String_, *pg_query.Node_Integer, *pg_query.Node_Float, *pg_query.Node_AConst, *pg_query.Node_Alias:
	default:
		w.output = false
	}
	return w
}

func (s *stmt) derivedAlias(a *pg_query.Alias, given bool) {
	if a != nil {
		s.names.alias(a.Aliasname, source{derived: true, given: given})
		s.columnAliases(a, given)
	}
}

// subselectAlias notes what a sub-select in FROM, and its columns, are called.
func (s *stmt) subselectAlias(r *pg_query.RangeSubselect, sc *scope) {
	if r.Alias == nil {
		return
	}
	q, names := r.Subquery.GetSelectStmt(), stringsOf(r.Alias.Colnames)
	columns, _ := s.queryColumns(q, names, sc, 0)
	s.names.alias(r.Alias.Aliasname, source{derived: true, given: s.givenRows(q), columns: columns})
	s.names.renamed[r.Alias.Aliasname] = s.names.renamed[r.Alias.Aliasname] || len(names) > 0
	s.lists(names, q, sc)
}

// joinExpr notes the columns that USING and NATURAL compare.
func (s *stmt) joinExpr(j *pg_query.JoinExpr) {
	if j.IsNatural {
		s.names.all, s.names.natural = true, true
	}
	for _, c := range stringsOf(j.UsingClause) {
		s.usedAt(usedName{name: c}, nil)
		s.names.places[len(s.names.places)-1].join = true
	}
	s.names.stars = s.names.stars || j.Alias != nil // it stands for tables under other names
	s.derivedAlias(j.Alias, false)
	s.derivedAlias(j.JoinUsingAlias, false)
}

// subLink handles a sub-select in an expression. What IN, ANY and ALL select is
// compared, so it decides; what a scalar one selects is used as the expression is.
func (s *stmt) subLink(l *pg_query.SubLink, w where) {
	s.operator(l.OperName)
	s.walk(l.Testexpr, where{scope: w.scope})
	switch l.SubLinkType {
	case pg_query.SubLinkType_EXPR_SUBLINK, pg_query.SubLinkType_ARRAY_SUBLINK, pg_query.SubLinkType_MULTIEXPR_SUBLINK:
		s.walk(l.Subselect, w)
	case pg_query.SubLinkType_EXISTS_SUBLINK:
		s.walk(l.Subselect, where{scope: w.scope, output: true})
	default:
		s.walk(l.Subselect, where{scope: w.scope})
	}
}

// operator notes an operator that a user made, other than an extension's.
func (s *stmt) operator(name []*pg_query.Node) {
	parts := stringsOf(name)
	if len(parts) > 0 && isTempSchema(parts[0]) {
		s.anything("an operator is the session's own")
	}
	for _, op := range usersOperators(s.cat, parts) {
		switch f, ok := s.cat.Function(op.Function); {
		case !ok:
			s.opaque("operator " + op.Name + " is not known")
			return
		case f.System:
			s.function(f, call{name: f.Name, via: "operator " + op.Name + " calls "})
		case !supplied(f):
			s.called(f, call{}, "operator "+op.Name+" is a user's")
		}
	}
}

// typeName notes types that the text names: making their values may run users' functions.
func (s *stmt) typeName(t *pg_query.TypeName) {
	parts := stringsOf(t.Names)
	if len(parts) == 0 || systemType(s.cat, parts) {
		return
	}
	if t.PctType && len(parts) > 1 { // table.column%TYPE
		return
	}
	s.namedType(parts[len(parts)-1])
}

// textCast reports whether a cast cannot fail whatever the value: to text.
func textCast(c *pg_query.TypeCast) bool {
	parts := stringsOf(c.TypeName.GetNames())
	if len(parts) == 0 || len(c.TypeName.GetArrayBounds()) > 0 {
		return false
	}
	last := parts[len(parts)-1]
	return last == "text" || last == "varchar"
}
