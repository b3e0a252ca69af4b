package lineage

import (
	"strconv"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

func numbered(i int) string { return "column" + strconv.Itoa(i+1) }

// impliedName is the name of an output column without AS (FigureColname in
// PostgreSQL's parse_target.c), or anyName where servers differ.
func impliedName(n *pg_query.Node) string {
	name, strength := figureName(n)
	if strength == 0 {
		return "?column?"
	}
	return name
}

// figureName gives a name and how good it is: 0 for none, 1 for that of a type, 2.
func figureName(n *pg_query.Node) (string, int) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		if name := last(x.ColumnRef.Fields); name != "" {
			return name, 2
		}
	case *pg_query.Node_AIndirection:
		if name := last(x.AIndirection.Indirection); name != "" {
			return name, 2
		}
		return figureName(x.AIndirection.Arg)
	case *pg_query.Node_FuncCall:
		if x.FuncCall.Funcformat != pg_query.CoercionForm_COERCE_SQL_SYNTAX {
			return last(x.FuncCall.Funcname), 2
		}
	case *pg_query.Node_AExpr:
		if x.AExpr.Kind == pg_query.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
		return "", 0
	case *pg_query.Node_TypeCast:
		if name, strength := figureName(x.TypeCast.Arg); strength > 1 {
			return name, strength
		}
		if name := last(x.TypeCast.TypeName.GetNames()); name != "" {
			return name, 1
		}
	case *pg_query.Node_CollateClause:
		return figureName(x.CollateClause.Arg)
	case *pg_query.Node_CaseExpr:
		if name, strength := figureName(x.CaseExpr.Defresult); strength > 1 {
			return name, strength
		}
		return "case", 1
	case *pg_query.Node_SubLink:
		return subLinkName(x.SubLink)
	case *pg_query.Node_AArrayExpr:
		return "array", 2
	case *pg_query.Node_RowExpr:
		return "row", 2
	case *pg_query.Node_CoalesceExpr:
		return "coalesce", 2
	case *pg_query.Node_GroupingFunc:
		return "grouping", 2
	case *pg_query.Node_AConst:
		if x.AConst.GetBoolval() == nil { // a cast, before PostgreSQL 15
			return "", 0
		}
	case nil, *pg_query.Node_ParamRef, *pg_query.Node_BoolExpr, *pg_query.Node_NullTest, *pg_query.Node_BooleanTest:
		return "", 0
	}
	return anyName, 2
}

func subLinkName(l *pg_query.SubLink) (string, int) {
	switch l.SubLinkType {
	case pg_query.SubLinkType_EXISTS_SUBLINK:
		return "exists", 2
	case pg_query.SubLinkType_ARRAY_SUBLINK:
		return "array", 2
	case pg_query.SubLinkType_EXPR_SUBLINK:
		return anyName, 2
	}
	return "", 0
}
