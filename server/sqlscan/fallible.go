package sqlscan

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Commands that read the rows of a table to make an index, check a constraint or change a type
// tell something of every row by whether they fail, as a statement that writes does.

// indexed notes the columns that CREATE INDEX can fail on: by values that are the same, or too
// long, and by what its expressions do.
func (s *stmt) indexed(x *pg_query.IndexStmt) {
	columns := columnsBelow(x.WhereClause)
	for _, n := range x.IndexParams {
		if e := n.GetIndexElem(); e.GetExpr() != nil {
			columns = append(columns, columnsBelow(e.Expr)...)
		} else {
			columns = append(columns, e.GetName())
		}
	}
	s.fallible(x.Relation, columns)
}

// altersRows notes the columns that a part of ALTER TABLE can fail on.
func (s *stmt) altersRows(rv *pg_query.RangeVar, c *pg_query.AlterTableCmd) {
	switch c.Subtype {
	case pg_query.AlterTableType_AT_AlterColumnType:
		s.fallible(rv, []string{c.Name})
	case pg_query.AlterTableType_AT_ValidateConstraint, pg_query.AlterTableType_AT_AttachPartition, pg_query.AlterTableType_AT_AddIndexConstraint:
		s.fallible(rv, []string{"*"})
	case pg_query.AlterTableType_AT_AddConstraint:
		x := c.Def.GetConstraint()
		columns := append(stringsOf(x.GetKeys()), stringsOf(x.GetFkAttrs())...)
		if len(x.GetExclusions()) > 0 {
			columns = []string{"*"}
		}
		s.fallible(rv, columns) // what CHECK compares is looked at where it stands
	}
}

// columnsBelow are the columns that an expression names.
func columnsBelow(n *pg_query.Node) (names []string) {
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if c := n.GetColumnRef(); c != nil {
			if u, ok := nameOf(c); ok {
				names = append(names, u.name)
			} else {
				names = append(names, "*")
			}
			return
		}
		if !children(n, look) {
			names = append(names, "*")
		}
	}
	if n != nil {
		look(n)
	}
	return names
}

// fallible notes that the statement fails on columns of a table, "*" for all. A name that
// no column has may be the whole row.
func (s *stmt) fallible(rv *pg_query.RangeVar, names []string) {
	for _, t := range s.lookup(rv) {
		for _, t := range append(s.cat.Related(t), t) {
			var columns []hoop.ColumnRef
			for _, name := range names {
				if _, ok := t.Column(name); !ok {
					columns = nil
					for _, all := range columnNames(t) {
						columns = append(columns, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: all})
					}
					break
				}
				columns = append(columns, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: name})
			}
			if len(columns) > 0 {
				s.clashing = append(s.clashing, clash{look: hoop.Look{Fails: true, Errs: true}, columns: columns})
			}
		}
	}
}
