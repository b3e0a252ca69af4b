package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// As many rows as a stored value has elements are told by reading it. As many as a statement
// makes of it, or of elements that it puts together, tell what it is.

// splits notes what rows are made of: as many as a stored value has elements say no more than
// that; otherwise it is for whoever writes the statement to say.
func (l *looker) splits(n *pg_query.Node) {
	c := n.GetColumnRef()
	if c == nil {
		l.spells(n)
		return
	}
	l.at(c).split, l.at(c).around = true, slices.Clone(l.around)
}

// rows looks at functions that give several rows.
func (l *looker) rows(f *pg_query.FuncCall) {
	switch c := elementsOf(f); {
	case c != nil && !spawns(l.cat, f):
		l.splits(f.Args[0])
	case spawns(l.cat, f) || strings.HasPrefix(lastOf(f.Funcname), "pg_sleep"):
		for _, a := range f.Args {
			l.spells(a)
		}
	}
}

// spawns reports whether a function makes rows, other than the elements of a column.
func spawns(cat *catalog.Snapshot, f *pg_query.FuncCall) bool {
	column := elementsOf(f) != nil
	return slices.ContainsFunc(cat.Functions("", lastOf(f.Funcname)), func(fn *catalog.Function) bool { return fn.Set && !(column && fn.System) })
}

// elementsOf gives the column whose elements a function gives, each as a row; nil where it
// is none.
func elementsOf(f *pg_query.FuncCall) *pg_query.ColumnRef {
	if !elements[lastOf(f.GetFuncname())] || len(f.Args) != 1 {
		return nil
	}
	return f.Args[0].GetColumnRef()
}

var elements = map[string]bool{
	"unnest": true, "json_array_elements": true, "jsonb_array_elements": true, "json_array_elements_text": true, "jsonb_array_elements_text": true,
	"json_each": true, "jsonb_each": true, "json_each_text": true, "jsonb_each_text": true, "json_object_keys": true, "jsonb_object_keys": true,
}

// split gives the column whose elements are all that functions in FROM give; nil where there
// is none.
func (s *stmt) split(rf *pg_query.RangeFunction) *pg_query.ColumnRef {
	if len(rf.Functions) != 1 || len(listOf(rf.Functions[0])) == 0 {
		return nil
	}
	f := listOf(rf.Functions[0])[0].GetFuncCall()
	if f == nil || spawns(s.cat, f) {
		return nil
	}
	return elementsOf(f)
}

// storedValue reports whether a name means a value that a table stores, or an element of one. A
// query around it gives no names to what it reads itself.
func (s *stmt) storedValue(u usedName, around []*pg_query.SelectStmt, depth int) bool {
	n := &s.names
	switch {
	case u.qualifier != "" && s.isColumn(u):
		return true
	case u.name == "*" || len(n.derived[anyName]) > 0 || depth > maxDepth/8 || n.loosened[u.name] != len(n.split[u.name]):
		return false
	}
	is := func(c *pg_query.ColumnRef) bool {
		in, ok := nameOf(c)
		return ok && (in.name == u.name || s.storedValue(in, nil, depth+1))
	}
	for _, e := range n.derived[u.name] {
		if !slices.ContainsFunc(around, func(q *pg_query.SelectStmt) bool { return shows(q, e) }) && !is(e.GetColumnRef()) {
			return false
		}
	}
	return !slices.ContainsFunc(n.split[u.name], func(c *pg_query.ColumnRef) bool { return !is(c) })
}

// shows reports whether an expression stands in the list of a query.
func shows(q *pg_query.SelectStmt, e *pg_query.Node) bool {
	return slices.ContainsFunc(q.TargetList, func(t *pg_query.Node) bool { return t.GetResTarget().GetVal() == e })
}
