package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// What a table of the session's own has to compare or to compute of its rows may fail, and
// so tells something of their values. Whether a value is NULL is no comparison.

// clashesOf are clashes of a table of the session's own, by names of columns.
func clashesOf(table string, clashes [][]string) (out [][]hoop.ColumnRef) {
	for _, names := range clashes {
		var clash []hoop.ColumnRef
		for _, name := range names {
			clash = append(clash, hoop.ColumnRef{Schema: catalog.TempSchema, Table: table, Column: name})
		}
		out = append(out, clash)
	}
	return out
}

// names is the reverse of clashesOf.
func names(clashes [][]hoop.ColumnRef) (out [][]string) {
	for _, clash := range clashes {
		var names []string
		for _, c := range clash {
			names = append(names, c.Column)
		}
		out = append(out, names)
	}
	return out
}

// clashing notes that expressions over a row may fail, or have to be true of it.
func (l *locals) clashing(exprs ...*pg_query.Node) {
	var names []string
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if !l.enter() {
			return
		}
		defer l.leave()
		if c := n.GetColumnRef(); c != nil {
			names = append(names, last(c.Fields)) // the table's name, or "", is the whole row
			return
		}
		if !sqlscan.Children(n, look) {
			l.steps = 0
		}
	}
	for _, n := range exprs {
		if n != nil {
			look(n)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		l.clashes = append(l.clashes, slices.Compact(names))
	}
}

// index is CREATE INDEX: a unique one compares rows, and expressions and conditions of any
// are computed of each.
func (l *locals) index(x *pg_query.IndexStmt) {
	var names []string
	exprs := []*pg_query.Node{x.WhereClause}
	for _, n := range x.IndexParams {
		e := n.GetIndexElem()
		exprs = append(exprs, e.GetExpr())
		if x.Unique && e.GetExpr() == nil {
			names = append(names, e.GetName())
		}
	}
	l.clashes = nil
	if len(names) > 0 {
		l.clashes = append(l.clashes, names)
	}
	l.clashing(exprs...)
	if name := x.Relation.GetRelname(); len(l.clashes) > 0 && l.own(x.Relation) {
		l.changes = append(l.changes, catalog.Change{Grown: &catalog.Table{
			Schema: catalog.TempSchema, Name: name, Temporary: true, Clashes: clashesOf(name, l.clashes),
		}})
	}
}

// oidRegclass is the one type that looks a text up when it is assigned (REGCLASSOID in
// PostgreSQL's pg_type.dat).
const oidRegclass = 2205

// typed notes that the values of a column may not fit into its type: where it has a
// length, or names a table.
func (l *locals) typed(column string, t *pg_query.TypeName) {
	if len(t.GetTypmods()) > 0 || last(t.GetNames()) == "regclass" {
		l.clashes = append(l.clashes, []string{column})
	}
}

// likeClashes notes what a table may fail on that is made LIKE another; all says that
// constraints, indexes or generated columns come along. Foreign keys never do.
func (l *locals) likeClashes(from *catalog.Table, all bool) {
	for _, c := range from.Columns {
		if c.Mod != -1 || c.Type == oidRegclass {
			l.clashes = append(l.clashes, []string{c.Name})
		}
		if all && len(c.From) > 0 {
			l.clashes = append(l.clashes, c.From)
		}
	}
	for _, clash := range from.Clashes {
		if all && !slices.ContainsFunc(clash, func(c hoop.ColumnRef) bool { return c.Table != from.Name || c.Schema != from.Schema }) {
			l.clashes = append(l.clashes, names([][]hoop.ColumnRef{clash})...)
		}
	}
}
