package lineage

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// Undefined gives users' views that the text may read, by way of others too, and whose
// query the catalog was not told. Without it such a view may show anything.
func Undefined(p *pgparse.Parsed, cat *catalog.Snapshot) []*catalog.Table {
	var out []*catalog.Table
	seen := map[uint32]bool{}
	var follow func(t *catalog.Table)
	follow = func(t *catalog.Table) {
		if t.Definition == "" || seen[t.OID] {
			return
		}
		seen[t.OID] = true
		if cat.Query(t) == nil {
			out = append(out, t)
		}
		for _, oid := range t.Uses {
			if used, ok := cat.Table(oid); ok {
				follow(used)
			}
		}
	}
	steps := maxSteps
	var look func(n *pg_query.Node, depth int)
	look = func(n *pg_query.Node, depth int) {
		if steps--; steps < 0 || depth > maxDepth {
			return // such a text has no lineage
		}
		if rv := n.GetRangeVar(); rv != nil {
			for _, t := range cat.Lookup(rv.Schemaname, rv.Relname) {
				follow(t)
			}
		}
		sqlscan.Children(n, func(c *pg_query.Node) { look(c, depth+1) })
	}
	for _, raw := range p.Tree.GetStmts() {
		look(raw.GetStmt(), 0)
	}
	return out
}

// view is the relation of a user's view: its query's, under its own names. A
// materialized one holds what the query gave once, from the same columns.
func (a *analysis) view(t *catalog.Table) *relation {
	if r, ok := a.views[t.OID]; ok {
		if r == nil {
			return opaque()
		}
		return r
	}
	query := a.cat.Query(t)
	if query == nil || t.Foggy {
		r := opaque()
		r.mult.unknown = !t.System // PostgreSQL's own show what it counts itself
		r.cuts = r.mult
		return r
	}
	if a.views == nil {
		a.views = map[uint32]*relation{}
	}
	a.views[t.OID] = nil
	r := a.query(query, nil)
	if !r.fixed || len(r.cols) != len(t.Columns) {
		mult, cuts := r.mult, r.cuts
		r = opaque()
		r.mult, r.cuts = mult, cuts
	} else {
		named := *r
		named.cols = make([]column, len(r.cols))
		for i, c := range r.cols {
			// Rules may name the view's own column, and a view may have inherited some.
			own := flow{ids: []int32{a.id(hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: t.Columns[i].Name})}, plain: true, sole: true}
			named.cols[i] = column{name: t.Columns[i].Name, flow: c.flow.or(own), sure: true}
		}
		r = &named
	}
	a.views[t.OID] = r
	return r
}

// View gives, by name, the columns that those of a user's view derive from, its own among
// them, and those that decide which rows it has: see sqlscan.Lineage.
func View(t *catalog.Table, cat *catalog.Snapshot) map[string][]hoop.ColumnRef {
	if !sqlscan.PlainCasts(cat) {
		return nil
	}
	a := &analysis{cat: cat, ids: map[hoop.ColumnRef]int32{}, steps: maxSteps, depth: maxDepth}
	r := a.view(t)
	if !r.fixed || a.steps <= 0 {
		return nil
	}
	out := make(map[string][]hoop.ColumnRef, len(r.cols)+1)
	out[""] = a.origins(r.decide)
	for _, c := range r.cols {
		if !c.flow.unknown {
			out[c.name] = a.origins(c.flow)
		}
	}
	return out
}
