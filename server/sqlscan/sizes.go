package sqlscan

import (
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// sizeFunctions tell how much room tables and their indexes take.
var sizeFunctions = map[string]bool{
	"pg_relation_size": true, "pg_table_size": true, "pg_total_relation_size": true, "pg_indexes_size": true,
	"pg_database_size": true, "pg_tablespace_size": true,
}

// tellsSize reports whether a function of PostgreSQL's own tells how much room tables take, or
// how many rows they have.
func tellsSize(name string) bool {
	return sizeFunctions[name] || strings.HasPrefix(name, "pg_stat_get_")
}

// sizes notes that the statement can see how much room the session's own tables take, how many
// rows they have, or in which page of one a row is. Somebody who copies one value often enough
// learns how long it is, and by an index whether values are the same: it counts as a search of
// what these tables hold. called says that a function tells.
func (s *stmt) sizes(called bool) {
	var held catalog.Holds
	for _, t := range s.cat.Local() {
		held = held.And(t.Everything())
	}
	columns := held.Columns
	if held.Any {
		columns = []hoop.ColumnRef{hoop.AnyColumn}
	}
	if len(columns) == 0 || s.sized || !called && !s.measures() {
		return
	}
	s.sized = true
	s.conflicts = append(s.conflicts, hoop.Look{Columns: columns})
}

// measures reports whether the statement names where rows are, or how many of them or of pages a
// relation has.
func (s *stmt) measures() bool {
	if s.names.shown["ctid"] {
		return true
	}
	for _, sources := range s.names.aliases {
		for _, src := range sources {
			for _, t := range src.tables {
				if t.System && (counters(t.Name) || t.Name == "pg_class" && (s.names.shown["relpages"] || s.names.shown["reltuples"] || s.names.shown["*"])) {
					return true
				}
			}
		}
	}
	return false
}

// counters reports whether a view has a row of counters for each relation
// (pg_stat_user_tables, pg_statio_all_indexes).
func counters(view string) bool {
	return strings.HasPrefix(view, "pg_stat") && (strings.HasSuffix(view, "_tables") || strings.HasSuffix(view, "_indexes") || strings.HasPrefix(view, "pg_statio_"))
}
