package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// statistics reports whether the text may take values of tables out of a relation of
// pg_catalog that has statistics: it names a column that is made of such, or what could
// stand for one (*, the whole row, a natural join, other names for its columns). Without,
// there are only numbers: how many values are NULL, or different.
func (m *measurer) statistics(t *catalog.Table, alias string) bool {
	if m.words == nil {
		m.words = map[string]bool{}
		for _, raw := range m.tree.GetStmts() {
			m.collect(raw.GetStmt())
		}
	}
	columns := valueColumns[t.Name]
	return len(columns) == 0 || m.words["*"] || m.words[wholeRow+alias] || slices.ContainsFunc(columns, func(c string) bool { return m.words[c] })
}

// wholeRow stands before names that are the only part of a reference: of a table, they mean
// the whole row.
const wholeRow = "\x00"

// collect notes every name in a text that may be a column, and "*" where something stands
// for columns that are not named.
func (m *measurer) collect(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		if parts := x.ColumnRef.Fields; len(parts) == 1 {
			m.words[wholeRow+parts[0].GetString_().GetSval()] = true
		}
	case *pg_query.Node_AStar:
		m.words["*"] = true
	case *pg_query.Node_String_:
		m.words[x.String_.GetSval()] = true
	case *pg_query.Node_JoinExpr:
		m.words["*"] = m.words["*"] || x.JoinExpr.IsNatural || x.JoinExpr.Alias != nil
	case *pg_query.Node_Alias:
		m.words["*"] = m.words["*"] || len(x.Alias.Colnames) > 0
	}
	if !children(n, m.collect) {
		m.words["*"] = true
	}
}
