package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// unkeyed are the parts of ALTER TABLE after which a condition on a key may be true for many rows.
var unkeyed = map[pg_query.AlterTableType]bool{
	pg_query.AlterTableType_AT_DropConstraint: true, pg_query.AlterTableType_AT_DropColumn: true,
}

// altered notes the tables whose rows a change of a table puts under another name, or takes
// a key from: whoever reads them later may read them all.
func (m *measurer) altered(a *pg_query.AlterTableStmt) {
	for _, n := range a.Cmds {
		c := n.GetAlterTableCmd()
		child := c.GetDef().GetPartitionCmd().GetName()
		switch {
		case rejoins[c.GetSubtype()] && child != nil:
			m.leaves(child)
		case rejoins[c.GetSubtype()] || unkeyed[c.GetSubtype()]:
			m.leaves(a.Relation)
		}
	}
}

// renamed is altered for RENAME.
func (m *measurer) renamed(r *pg_query.RenameStmt) {
	switch {
	case r.RenameType == pg_query.ObjectType_OBJECT_SCHEMA:
		for t := range m.cat.Tables {
			if t.Schema == r.Subname && !t.System && len(t.Columns) > 0 {
				m.leaves(&pg_query.RangeVar{Schemaname: t.Schema, Relname: t.Name, Inh: true})
			}
		}
	case r.Relation != nil && (r.RenameType == pg_query.ObjectType_OBJECT_COLUMN || renamesTable(m.cat, r)):
		m.leaves(r.Relation)
	}
}

// leaves notes that all rows of a table may be read later in a way that is not measured.
func (m *measurer) leaves(rv *pg_query.RangeVar) { m.copy(m.relation(rv).load, hoop.Whole) }

// renamesTable reports whether a table, a view or a sequence gets another name: ALTER INDEX does
// that, too, where it names one.
func renamesTable(cat *catalog.Snapshot, r *pg_query.RenameStmt) bool {
	switch r.RenameType {
	case pg_query.ObjectType_OBJECT_TABLE, pg_query.ObjectType_OBJECT_VIEW, pg_query.ObjectType_OBJECT_MATVIEW, pg_query.ObjectType_OBJECT_FOREIGN_TABLE,
		pg_query.ObjectType_OBJECT_SEQUENCE:
		return true
	case pg_query.ObjectType_OBJECT_INDEX:
		return slices.ContainsFunc(cat.Lookup(r.Relation.GetSchemaname(), r.Relation.GetRelname()), func(t *catalog.Table) bool {
			return t.Kind != catalog.KindIndex && t.Kind != catalog.KindPartIndex
		})
	}
	return false
}
