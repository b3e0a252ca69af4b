package lineage

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// copied gives the columns that COPY of a table writes: those of its list, or all that are
// not generated. It is nil where the name may mean several tables or something else than a
// table with rows of its own, which alone COPY takes.
func (a *analysis) copied(c *pg_query.CopyStmt) *relation {
	rv := c.Relation
	found := a.cat.Lookup(rv.GetSchemaname(), rv.GetRelname())
	if len(found) != 1 || found[0].Kind != catalog.KindOrdinary {
		return nil
	}
	t, r := found[0], a.table(rv)
	if !r.fixed {
		return nil
	}
	var names []string
	for _, n := range c.Attlist {
		name := n.GetString_().GetSval()
		if _, ok := t.Column(name); !ok {
			return nil
		}
		names = append(names, name)
	}
	if len(c.Attlist) == 0 {
		for _, col := range t.Columns {
			if !col.Generated {
				names = append(names, col.Name)
			}
		}
	}
	out := &relation{fixed: true}
	for _, name := range names {
		f, got := r.lookup(name)
		if got != sure {
			return nil
		}
		out.cols = append(out.cols, column{name: name, flow: f, sure: true})
	}
	return out
}
