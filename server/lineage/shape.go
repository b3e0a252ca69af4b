package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// What becomes of a masked value keeps its shape: where it is NULL, how many elements it
// has, how it is nested. Of a value that is stored that says no more than what is stored;
// of one that is computed it could say anything: array_fill(0, ARRAY[n]) has n elements.
// So only what is listed here counts as made of stored values in a shape of their own.

// shaped are functions whose value has the shape of their arguments, with what they put
// around it; keyed ones have names of members at the even places.
var shaped = map[string]bool{
	"array_agg": true, "json_agg": true, "jsonb_agg": true, // as many elements as there are rows
	"to_json": true, "to_jsonb": true, "row_to_json": true, "json_build_array": true, "jsonb_build_array": true,
}

var keyed = map[string]bool{"json_build_object": true, "jsonb_build_object": true}

// shapes reports whether a call's value has the shape of its arguments alone.
func (a *analysis) shapes(f *pg_query.FuncCall, args []flow) bool {
	name := last(f.Funcname)
	if !shaped[name] && !keyed[name] || !a.systemOnly(name) || slices.ContainsFunc(args, func(g flow) bool { return !g.keepsShape() }) {
		return false
	}
	if f.FuncVariadic || f.AggDistinct || f.AggFilter != nil || f.Over != nil || len(f.AggOrder) > 0 || f.AggWithinGroup {
		return false
	}
	for i, n := range f.Args {
		if keyed[name] && i%2 == 0 && n.GetAConst() == nil { // jsonb drops members of the same name
			return false
		}
	}
	return true
}

// elements are functions that give as many rows as their argument has elements, or members.
var elements = map[string]bool{
	"unnest": true, "json_array_elements": true, "jsonb_array_elements": true, "json_array_elements_text": true, "jsonb_array_elements_text": true,
	"json_to_recordset": true, "jsonb_to_recordset": true, "json_populate_recordset": true, "jsonb_populate_recordset": true,
	"json_each": true, "jsonb_each": true, "json_each_text": true, "jsonb_each_text": true, "json_object_keys": true, "jsonb_object_keys": true,
}

// elements reports whether a call gives as many rows as a value has elements whose shape is that of
// stored ones, or a part of it that constants name.
func (a *analysis) elements(f *pg_query.FuncCall, s *scope) bool {
	name := last(f.Funcname)
	return elements[name] && a.systemOnly(name) && !f.FuncVariadic && !slices.ContainsFunc(f.Args, func(n *pg_query.Node) bool {
		for e := n.GetAExpr(); e != nil && e.Rexpr.GetAConst() != nil && (last(e.Name) == "->" || last(e.Name) == "#>"); e = n.GetAExpr() {
			n = e.Lexpr
		}
		return !a.expr(n, s).keepsShape()
	})
}

func (a *analysis) systemOnly(name string) bool {
	for _, fn := range a.cat.Functions("", name) {
		if !fn.System {
			return false
		}
	}
	return true
}

// textCast reports whether a cast makes a text of any value: it is NULL where that is.
func textCast(t *pg_query.TypeName) bool {
	if len(t.GetArrayBounds()) > 0 || t.GetSetof() || t.GetPctType() {
		return false
	}
	switch names := stringsOf(t.GetNames()); {
	case len(names) == 1:
		return names[0] == "text" || names[0] == "varchar"
	case len(names) == 2 && names[0] == "pg_catalog":
		return names[1] == "text" || names[1] == "varchar" || names[1] == "bpchar"
	}
	return false
}

// each gives what several values derive from together, and whether all of them have the
// shape of stored ones.
func (a *analysis) each(list []*pg_query.Node, s *scope) (f flow, kept bool) {
	kept = true
	for _, n := range list {
		g := a.expr(n, s)
		kept = kept && g.keepsShape()
		f = f.and(g)
	}
	return f, kept
}
