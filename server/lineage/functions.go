package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// rangeFunction is functions in FROM. Their columns are computed from their arguments;
// the names of most of them depend on types, so any name may be one.
func (a *analysis) rangeFunction(rf *pg_query.RangeFunction, s *scope) *relation {
	var f flow
	var only *pg_query.FuncCall
	for _, n := range rf.Functions {
		items := n.GetList().GetItems()
		if len(items) == 0 {
			return opaque()
		}
		only = items[0].GetFuncCall()
		if only != nil && !a.rowFunction(only) {
			f.unknown = true
		}
		f = f.and(a.expr(items[0], s))
		for _, def := range items[1:] {
			f = f.and(a.definitions(def.GetList().GetItems()))
		}
	}
	f = f.and(a.definitions(rf.Coldeflist))
	r := &relation{rest: &f, decide: flow{unknown: f.unknown}} // call has said what multiplies rows
	switch {
	case len(rf.Functions) != 1 || only == nil:
	case len(rf.Coldeflist) > 0: // never with ORDINALITY (transformRangeFunction)
		for _, n := range rf.Coldeflist {
			r.cols = append(r.cols, column{name: n.GetColumnDef().GetColname(), flow: f, sure: true})
		}
		r.fixed, r.rest = true, nil
	case scalarRows(only):
		name := rf.GetAlias().GetAliasname()
		if name == "" {
			name = last(only.Funcname)
		}
		r.cols = []column{{name: name, flow: f, sure: true}}
		if rf.Ordinality {
			r.cols = append(r.cols, column{name: "ordinality", flow: f, sure: true})
		}
		r.fixed, r.rest = true, nil
	}
	return r
}

// functionName is what a function in FROM goes by without an alias.
func functionName(rf *pg_query.RangeFunction) string {
	if len(rf.Functions) != 1 {
		return ""
	}
	items := rf.Functions[0].GetList().GetItems()
	if len(items) == 0 {
		return ""
	}
	return last(items[0].GetFuncCall().GetFuncname())
}

// definitions says what a list of column definitions adds: their types may run code.
func (a *analysis) definitions(list []*pg_query.Node) flow {
	for _, n := range list {
		if !sqlscan.PlainType(a.cat, n.GetColumnDef().GetTypeName()) {
			return unknown
		}
	}
	return flow{}
}

// rowFunctions are stable for reasons other than reading tables: the time zone, and
// input functions of types.
var rowFunctions = []string{
	"generate_series", "json_populate_record", "json_populate_recordset", "jsonb_populate_record", "jsonb_populate_recordset",
	"json_to_record", "json_to_recordset", "jsonb_to_record", "jsonb_to_recordset", "jsonb_path_query_tz",
}

// rowFunction reports whether a function in FROM gives what its arguments hold.
func (a *analysis) rowFunction(f *pg_query.FuncCall) bool {
	name := last(f.Funcname)
	for _, fn := range a.cat.Functions("", name) {
		if fn.Volatility != catalog.Immutable && !slices.Contains(rowFunctions, name) {
			return false
		}
	}
	return sqlscan.Computes(a.cat, f)
}

// scalarRows reports whether a function in FROM has one column, which goes by its
// alias or its own name.
func scalarRows(f *pg_query.FuncCall) bool {
	switch last(f.Funcname) {
	case "generate_series", "generate_subscripts", "string_to_table", "regexp_split_to_table":
		return true
	case "unnest":
		return len(f.Args) == 1 && scalarArray(f.Args[0])
	}
	return false
}

// scalarArray reports whether an array's elements are no rows, which unnest would take
// apart.
func scalarArray(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_TypeCast:
		return len(x.TypeCast.TypeName.GetArrayBounds()) > 0 && slices.Contains(scalarTypes, last(x.TypeCast.TypeName.GetNames()))
	case *pg_query.Node_AArrayExpr:
		return len(x.AArrayExpr.Elements) > 0 && !slices.ContainsFunc(x.AArrayExpr.Elements, func(e *pg_query.Node) bool {
			return e.GetAConst() == nil && !scalarArray(e)
		})
	}
	return false
}

var scalarTypes = []string{
	"int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar", "bpchar", "date", "timestamp", "timestamptz", "uuid", "bool",
}

// xmlTable is XMLTABLE: every column is computed of the document and all expressions.
func (a *analysis) xmlTable(x *pg_query.RangeTableFunc, s *scope) *relation {
	f := a.expr(x.Docexpr, s).and(a.expr(x.Rowexpr, s))
	r := &relation{fixed: true}
	for _, n := range x.Namespaces {
		f = f.and(a.expr(n.GetResTarget().GetVal(), s))
	}
	for _, n := range x.Columns {
		c := n.GetRangeTableFuncCol()
		f = f.and(a.expr(c.GetColexpr(), s)).and(a.expr(c.GetColdefexpr(), s))
		if !sqlscan.PlainType(a.cat, c.GetTypeName()) {
			f.unknown = true
		}
		r.cols = append(r.cols, column{name: c.GetColname(), sure: true})
	}
	for i := range r.cols {
		r.cols[i].flow = f
	}
	r.mult = f.computed()
	return r
}

// jsonTable is JSON_TABLE; the order of nested columns is left open.
func (a *analysis) jsonTable(x *pg_query.JsonTable, s *scope) *relation {
	f := a.children(&pg_query.Node{Node: &pg_query.Node_JsonTable{JsonTable: x}}, s)
	return &relation{rest: &f, mult: f.computed()}
}

// last is the last part of a name.
func last(name []*pg_query.Node) string {
	parts := stringsOf(name)
	if len(parts) == 0 {
		return ""
	}
	return parts[len(parts)-1]
}
