package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// ownView is CREATE VIEW of a view of the session's own. Its names are resolved now, as
// PostgreSQL does (manual, "CREATE VIEW"): each column shows what its query computes of
// the columns that there are. What it shows of tables of the session's own grows with
// them. It is false where that is not known.
func (l *locals) ownView(v *pg_query.ViewStmt) bool {
	if !l.becomesOwn(v) || !l.reads(v.Query) {
		return false
	}
	l.names = true
	defer func() { l.names = false }()
	r := l.query(v.Query, nil).renamed(stringsOf(v.Aliases))
	if !r.fixed || r.decide.unknown {
		return false
	}
	t := &catalog.Table{Schema: catalog.TempSchema, Name: v.View.GetRelname(), Kind: catalog.KindView, Temporary: true, Uses: l.beneathView(v.Query)}
	t.Counts, t.Over = l.split(r.mult)
	t.Counts.More = !r.mult.keepsShape()
	t.Chosen, t.Among = l.split(r.decide.and(l.among))
	all := t.Counts
	for _, c := range r.cols {
		if c.name == anyName || c.name == "" || !c.sure {
			return false // another name could be taken for it
		}
		col := catalog.Column{Name: c.name, Mod: -1, Stored: c.flow.plain && !c.flow.mixed}
		col.Holds, col.Over = l.split(c.flow)
		col.Holds.More = !c.flow.sole
		all = all.And(col.Holds)
		t.Columns = append(t.Columns, col)
	}
	if all.Any {
		return false
	}
	l.ok = true
	l.add(t, false, pg_query.OnCommitAction_ONCOMMIT_NOOP)
	return l.ok
}

// becomesOwn reports whether a new view is the session's own: by its text, or because its
// query reads a table that is (isQueryUsingTempRelation in PostgreSQL's parse_relation.c).
func (a *analysis) becomesOwn(v *pg_query.ViewStmt) bool {
	if temporary(v.View) {
		return true
	}
	if v.View.GetSchemaname() != "" {
		return false
	}
	named, found := map[string]bool{}, false
	var look func(n *pg_query.Node, visit func(n *pg_query.Node)) // every node
	look = func(n *pg_query.Node, visit func(n *pg_query.Node)) {
		if !a.enter() {
			return
		}
		defer a.leave()
		visit(n)
		sqlscan.Children(n, func(c *pg_query.Node) { look(c, visit) })
	}
	look(v.Query, func(n *pg_query.Node) {
		if q := n.GetCommonTableExpr(); q != nil {
			named[q.Ctename] = true
		}
	})
	look(v.Query, func(n *pg_query.Node) {
		rv := n.GetRangeVar()
		found = found || rv != nil && (rv.Schemaname != "" || !named[rv.Relname]) && a.ownOrView(rv)
	})
	return found
}

func (a *analysis) ownOrView(rv *pg_query.RangeVar) bool {
	found := a.cat.Lookup(rv.GetSchemaname(), rv.GetRelname())
	return len(found) > 0 && !slices.ContainsFunc(found, func(t *catalog.Table) bool { return !t.Temporary })
}

// beneathView gives the relations of the catalog that a view's query can read, by way of
// other views of the session's own too.
func (a *analysis) beneathView(query *pg_query.Node) (oids []uint32) {
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if !a.enter() {
			return
		}
		defer a.leave()
		if rv := n.GetRangeVar(); rv != nil {
			for _, t := range a.cat.Lookup(rv.Schemaname, rv.Relname) {
				if oids = append(oids, t.Uses...); !t.Temporary {
					oids = append(oids, t.OID)
				}
			}
		}
		sqlscan.Children(n, look)
	}
	look(query)
	slices.Sort(oids)
	return slices.Compact(oids)
}

// calm reports whether reading a view runs nothing but functions that compute. Of a view
// of the session's own that was seen when it was made.
func (a *analysis) calm(v *catalog.Table, seen map[uint32]bool) bool {
	switch {
	case v.Kind != catalog.KindView:
		return readable(v)
	case v.Temporary || seen[v.OID]:
		return true
	case v.Foggy || v.Definition == "":
		return false
	}
	seen[v.OID] = true
	for _, oid := range v.Calls {
		if f, ok := a.cat.Function(oid); !ok || !sqlscan.ComputesAlone(f) {
			return false
		}
	}
	return !slices.ContainsFunc(v.Uses, func(oid uint32) bool {
		t, ok := a.cat.Table(oid)
		return !ok || !a.calm(t, seen)
	})
}

// place is a column of a table of the session's own as an origin, where they are told.
func (a *analysis) place(t *catalog.Table, column string) flow {
	if !a.names {
		return flow{}
	}
	return flow{ids: []int32{a.id(hoop.ColumnRef{Schema: catalog.TempSchema, Table: t.Name, Column: column})}}
}

// split tells what a place holds now from the places that it grows with.
func (l *locals) split(f flow) (h catalog.Holds, over []catalog.Place) {
	h = l.holds(f)
	columns := slices.Clone(h.Columns)
	for _, c := range columns {
		if c.Schema == catalog.TempSchema {
			over = append(over, catalog.Place{Table: c.Table, Column: c.Column})
		}
	}
	h.Columns = slices.DeleteFunc(columns, func(c hoop.ColumnRef) bool { return c.Schema == catalog.TempSchema })
	return h, over
}

// beneath gives the tables of the session's own that one of a name is over, where it may be
// a view: rows that are changed by way of it may be in any of these.
func (l *locals) beneath(name string) (tables []string, view bool) {
	queue, seen := []string{name}, map[string]bool{name: true}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, v := range l.cat.Local() {
			if v.Name != queue[0] || v.Kind != catalog.KindView {
				continue
			}
			view = true
			for _, p := range v.Places() {
				if !seen[p.Table] {
					seen[p.Table] = true
					queue, tables = append(queue, p.Table), append(tables, p.Table)
				}
			}
		}
	}
	return tables, view
}

// lost notes that views over a table of the session's own are not told any more what is
// stored there, since it has another name, or a column of it.
func (l *locals) lost(rv *pg_query.RangeVar) {
	for _, v := range l.cat.Local() {
		if v.Kind == catalog.KindView && slices.ContainsFunc(v.Places(), func(p catalog.Place) bool { return p.Table == rv.GetRelname() }) {
			l.grown(v.Name, nil)
		}
	}
}
