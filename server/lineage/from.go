package lineage

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// from reads a FROM clause into the level (transformFromClause).
func (a *analysis) from(list []*pg_query.Node, s *scope) {
	s.building = true
	for _, n := range list {
		s.items = append(s.items, a.fromItem(n, s)...)
	}
	s.building = false
}

// fromItem gives the names that an item of FROM adds.
func (a *analysis) fromItem(n *pg_query.Node, s *scope) []item {
	if !a.enter() {
		return []item{{rel: opaque()}}
	}
	defer a.leave()
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		return []item{a.rangeVar(x.RangeVar, s)}
	case *pg_query.Node_RangeTableSample:
		items := a.fromItem(x.RangeTableSample.Relation, s)
		sample := a.beside(s, true, func() *relation {
			f := a.expr(x.RangeTableSample.Repeatable, s)
			for _, n := range x.RangeTableSample.Args {
				f = f.and(a.expr(n, s))
			}
			return &relation{decide: f, mult: f.computed(), cuts: f.computed()}
		})
		s.add(sample)
		return items
	case *pg_query.Node_RangeSubselect:
		r := a.beside(s, x.RangeSubselect.Lateral, func() *relation { return a.query(x.RangeSubselect.Subquery, s) })
		return one(x.RangeSubselect.Alias, r, s)
	case *pg_query.Node_RangeFunction:
		r := a.beside(s, true, func() *relation { return a.rangeFunction(x.RangeFunction, s) })
		return one(x.RangeFunction.Alias, r, s, functionName(x.RangeFunction))
	case *pg_query.Node_RangeTableFunc:
		r := a.beside(s, true, func() *relation { return a.xmlTable(x.RangeTableFunc, s) })
		return one(x.RangeTableFunc.Alias, r, s, "xmltable")
	case *pg_query.Node_JsonTable:
		r := a.beside(s, true, func() *relation { return a.jsonTable(x.JsonTable, s) })
		return one(x.JsonTable.Alias, r, s, "json_table")
	case *pg_query.Node_JoinExpr:
		return a.join(x.JoinExpr, s)
	}
	s.add(opaque())
	return []item{{rel: opaque()}}
}

// beside reads an item that sees its neighbours to the left, or does not.
func (a *analysis) beside(s *scope, lateral bool, read func() *relation) *relation {
	before := s.lateral
	s.lateral = lateral
	defer func() { s.lateral = before }()
	return read()
}

// one is an item under its alias, or else under the name given.
func one(alias *pg_query.Alias, r *relation, s *scope, name ...string) []item {
	s.add(r)
	it := item{rel: r.renamed(stringsOf(alias.GetColnames())), name: alias.GetAliasname()}
	if alias == nil && len(name) > 0 {
		it.name = name[0]
	}
	it.silent = it.name == ""
	return []item{it}
}

// rangeVar is a common table expression or a table.
func (a *analysis) rangeVar(rv *pg_query.RangeVar, s *scope) item {
	it := item{name: rv.Relname, schema: rv.Schemaname, real: true}
	if c := s.cte(rv); c != nil {
		it.rel, it.real = a.reference(c), false
	} else {
		it.rel = a.table(rv)
	}
	s.add(it.rel)
	if rv.Alias != nil {
		it.name, it.real = rv.Alias.Aliasname, false
		it.rel = it.rel.renamed(stringsOf(rv.Alias.Colnames))
	}
	return it
}

// table is what a name means that is no common table expression: every table of the
// name, in any schema. Indexes and composite types cannot be read.
func (a *analysis) table(rv *pg_query.RangeVar) *relation {
	if strings.HasPrefix(rv.Schemaname, "pg_toast") {
		return opaque()
	}
	return a.anyOf(rv, func(t *catalog.Table) *relation {
		switch t.Kind {
		case catalog.KindIndex, catalog.KindPartIndex, catalog.KindComposite:
			return nil
		}
		return a.tableColumns(t)
	})
}

// anyOf is what a name means where each table of the name is what as gives; nil is none.
func (a *analysis) anyOf(rv *pg_query.RangeVar, as func(*catalog.Table) *relation) *relation {
	var out *relation
	for _, t := range a.cat.Lookup(rv.GetSchemaname(), rv.GetRelname()) {
		switch r := as(t); {
		case r == nil:
		case out == nil:
			out = r
		default:
			out = alternatives(out, r)
		}
	}
	if out == nil {
		return opaque()
	}
	return out
}

// readable reports whether a table shows its own rows, all of them, as they are.
func readable(t *catalog.Table) bool {
	return (t.Kind == catalog.KindOrdinary || t.Kind == catalog.KindPartitioned) && !t.RowSecurity && t.Schema != "pg_toast" && !sqlscan.Blind(t)
}

func (a *analysis) tableColumns(t *catalog.Table) *relation {
	if t.Temporary {
		return a.local(t)
	}
	if len(t.Columns) == 0 { // there is no use of it but as a name for another, or with columns that it gets
		return opaque()
	}
	if t.Kind == catalog.KindView || t.Kind == catalog.KindMatView {
		return a.view(t)
	}
	related := a.cat.Related(t)
	if !readable(t) || slices.ContainsFunc(related, func(r *catalog.Table) bool { return !readable(r) }) {
		return opaque()
	}
	out := &relation{fixed: true, table: true, cols: make([]column, 0, len(t.Columns))}
	for _, c := range t.Columns {
		f := a.tableColumn(t, &c)
		for _, r := range related {
			if same, ok := r.Column(c.Name); ok {
				f = f.or(a.tableColumn(r, same))
			}
		}
		out.cols = append(out.cols, column{name: c.Name, flow: f, sure: true})
	}
	return out
}

// valueColumns of the system catalog hold values of users' tables: defaults of columns
// that were added later, and bounds of partitions.
var valueColumns = map[string]string{"pg_attribute": "attmissingval", "pg_class": "relpartbound"}

// tableColumn is what a column holds; a generated one also what it is computed from.
func (a *analysis) tableColumn(t *catalog.Table, c *catalog.Column) flow {
	if t.System && valueColumns[t.Name] == c.Name {
		return unknown
	}
	own := flow{ids: []int32{a.id(hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: c.Name})}}
	if own.plain, own.sole = !c.Generated, !c.Generated; own.plain {
		return own
	}
	f := own
	for _, other := range c.From {
		f = f.and(flow{ids: []int32{a.id(hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: other})}})
	}
	return f
}

// alternatives is a table that is one of two.
func alternatives(l, r *relation) *relation {
	if l.fixed && r.fixed && slices.EqualFunc(l.cols, r.cols, func(a, b column) bool { return a.name == b.name }) {
		out := either(l, r)
		out.table = true
		return out
	}
	out := &relation{table: true, decide: l.decide.and(r.decide), mult: l.mult.times(r.mult), cuts: l.cuts.times(r.cuts)}
	if l.rest != nil || r.rest != nil {
		return opaque()
	}
	for _, side := range [2][2]*relation{{l, r}, {r, l}} {
		for _, c := range side[0].cols {
			if slices.ContainsFunc(out.cols, func(have column) bool { return have.name == c.name }) {
				continue
			}
			if f, got := side[1].lookup(c.name); got != none {
				c.flow, c.sure = c.flow.or(f), c.sure && got == sure
			} else {
				c.sure = false
			}
			out.cols = append(out.cols, c)
		}
	}
	return out
}
