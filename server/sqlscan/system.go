package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// blindRelations are relations of pg_catalog that hold values from users' tables or
// the text of statements.
var blindRelations = map[string]bool{
	"pg_statistic": true, "pg_statistic_ext_data": true, "pg_stats": true, "pg_stats_ext": true, "pg_stats_ext_exprs": true,
	"pg_stat_activity": true, "pg_stat_statements": true, "pg_prepared_statements": true, "pg_cursors": true,
	"pg_largeobject": true, "pg_largeobject_metadata": true, "pg_stat_ssl": true, "pg_stat_gssapi": true, "pg_stat_replication": true,
	// How long the values are that a cursor holds.
	"pg_backend_memory_contexts": true,
	// Whether an UPDATE changed a value.
	"pg_stat_xact_all_tables": true, "pg_stat_xact_user_tables": true, "pg_stat_xact_sys_tables": true,
}

// valueColumns are those of such relations that are made of stored values: what they are
// compared with, any column of the target is.
var valueColumns = map[string][]string{
	"pg_stats":              {"most_common_vals", "histogram_bounds", "most_common_elems"},
	"pg_stats_ext_exprs":    {"most_common_vals", "histogram_bounds", "most_common_elems"},
	"pg_stats_ext":          {"most_common_vals"},
	"pg_statistic":          {"stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"},
	"pg_largeobject":        {"data"},
	"pg_attribute":          {"attmissingval"},
	"pg_statistic_ext_data": {"stxdmcv", "stxdexpr"},
	"pg_stat_database":      spilled,
	"pg_stat_activity":      {"query"},
	"pg_stat_statements":    {"query"},
}

// spilled are counters of what sorts and the like had no room for in memory: how long the values
// of a statement are, however they are computed.
var spilled = []string{"temp_files", "temp_bytes"}

// spells reports whether a column is made of values of any table; "*" is each that the
// statement may mean by a name that is not known. Of a relation that everybody reads, that is
// none of these where it neither names them, but to show them, nor may have them go by other names.
func (s *stmt) spells(t *catalog.Table, column string) bool {
	names := valueColumns[t.Name]
	if !t.System || len(names) == 0 || column != "*" {
		return t.System && slices.Contains(names, column)
	}
	if blindRelations[t.Name] {
		return true
	}
	for alias, sources := range s.names.aliases {
		if !slices.ContainsFunc(sources, func(src source) bool { return slices.Contains(src.tables, t) }) {
			continue
		}
		if s.renames(alias) || slices.ContainsFunc(names, func(c string) bool { return s.names.shown[c] && !s.onlyShows(c) }) {
			return true
		}
	}
	return false
}

// onlyShows reports whether a column is named in what the outermost query shows alone, in no
// query inside of it: nothing in the statement that decides has its values by another name.
func (s *stmt) onlyShows(column string) bool {
	shown := 0
	for _, rt := range s.node.GetSelectStmt().GetTargetList() {
		shown += namings(rt, column, false)
	}
	return shown == namings(s.node, column, true)
}

// namings counts references to a column, those in queries inside of n where inside says so.
func namings(n *pg_query.Node, column string, inside bool) (found int) {
	if c := n.GetColumnRef(); c != nil && lastOf(c.Fields) == column {
		found++
	}
	if n.GetSubLink() != nil && !inside {
		return found
	}
	children(n, func(n *pg_query.Node) { found += namings(n, column, inside) })
	return found
}

// blindColumns are columns of other relations that hold such values: defaults of columns
// that were added later, the number of an advisory lock or of a sequence, which a
// statement may have taken from a row.
var blindColumns = map[string][]string{
	"pg_attribute": {"attmissingval"}, "pg_locks": {"classid", "objid", "objsubid"}, "pg_sequences": {"last_value"},
	"pg_stat_database": spilled,
}

// BlindColumn reports whether a column of pg_catalog or information_schema holds values
// of users' tables, texts of statements or credentials: to come from it proves nothing.
func BlindColumn(t *catalog.Table, column string) bool {
	return t.System && (blindRelations[t.Name] || secretRelations[t.Name] || slices.Contains(blindColumns[t.Name], column))
}

// describes are functions that show texts of the catalog, by the relation that they
// read. (What they show is masked where code may have written there.)
var describes = map[string]string{
	"obj_description": "pg_description", "col_description": "pg_description", "shobj_description": "pg_shdescription",
	"pg_get_viewdef": "pg_rewrite", "pg_get_ruledef": "pg_rewrite", "pg_get_functiondef": "pg_proc", "pg_get_function_sqlbody": "pg_proc",
	"pg_get_expr": "pg_attrdef", "pg_get_constraintdef": "pg_constraint", "pg_get_indexdef": "pg_index", "pg_get_triggerdef": "pg_trigger",
	"pg_get_partkeydef": "pg_partitioned_table", "pg_get_statisticsobjdef": "pg_statistic_ext", "pg_describe_object": "pg_class",
	"pg_identify_object": "pg_class", "format_type": "pg_type",
}

// blindParts makes statements opaque that name a blind column or may show it by other
// names: with the whole row, or with names that the statement gives to columns.
func (s *stmt) blindParts() {
	for alias, sources := range s.names.aliases {
		for _, src := range sources {
			for _, t := range src.tables {
				s.out.Opaque = s.out.Opaque || s.showsBlind(alias, t)
			}
		}
	}
}

// showsBlind reports whether the statement names a blind column of a table that it calls
// alias, or may show one by another name.
func (s *stmt) showsBlind(alias string, t *catalog.Table) bool {
	columns, ok := blindColumns[t.Name]
	if !ok || !t.System {
		return false
	}
	return s.renames(alias) || slices.ContainsFunc(columns, func(c string) bool { return s.names.shown[c] })
}

// renames reports whether columns of what the statement calls alias may go by other names: those
// of the whole row, or that the statement gives them.
func (s *stmt) renames(alias string) bool {
	return s.names.stars && len(s.names.shown) > 0 || s.names.starred[alias] || s.names.shown[alias] || s.names.renamed[alias] || s.names.all
}

// secretRelations hold credentials.
var secretRelations = map[string]bool{
	"pg_authid": true, "pg_shadow": true, "pg_user_mapping": true, "pg_user_mappings": true, "pg_subscription": true,
	"pg_hba_file_rules": true, "pg_ident_file_mappings": true, "pg_file_settings": true, "pg_dist_authinfo": true,
	"user_mapping_options": true, "_pg_user_mappings": true, // of information_schema
}

// systemRelation judges reading a relation of pg_catalog or information_schema.
func (s *stmt) systemRelation(t *catalog.Table) {
	if strings.HasPrefix(t.Name, "pg_stat_xact_") && blindRelations[t.Name] {
		s.tells()
	}
	switch {
	case secretRelations[t.Name]:
		s.out.Opaque = true
		s.use(hoop.EffectServer, "reads credentials or the server's own files", t.Canonical())
	case blindRelations[t.Name] || strings.HasPrefix(t.Name, "pg_stat_progress"):
		s.out.Opaque = true
	}
}

// systemWrite judges DML on the catalog, after which names may stand for anything, and code do
// anything. pg_settings passes it on to set_config.
func (s *stmt) systemWrite(t *catalog.Table) {
	s.use(hoop.EffectServer, "changes the system catalog", t.Canonical())
	s.anything("changes the system catalog")
	if t.Name == "pg_settings" {
		s.forbid("settings are set with SET")
	}
}

// replaces refuses what may give one of PostgreSQL's own functions other code or another name:
// they are known by their names. args is how many arguments it has, below 0 where that is not known.
func (s *stmt) replaces(name []*pg_query.Node, args int) {
	parts := stringsOf(name)
	if len(parts) == 0 || len(parts) > 1 && userSchema(parts[len(parts)-2]) {
		return
	}
	if slices.ContainsFunc(s.cat.Functions("", parts[len(parts)-1]), func(f *catalog.Function) bool { return f.System && (args < 0 || f.Args == args) }) {
		s.forbid("one of PostgreSQL's own functions may be meant, whose code and name stay as they are: write the schema of your own")
	}
}

// redefines refuses what may have one of PostgreSQL's own views show something else: nobody looks
// at what those read.
func (s *stmt) redefines(rv *pg_query.RangeVar) {
	if slices.ContainsFunc(s.lookup(rv), func(t *catalog.Table) bool { return t.System }) {
		s.forbid("one of PostgreSQL's own views or tables may be meant, whose definition stays as it is: write the schema of your own")
	}
}

// tells notes that the statement can see whether values that are written had been there
// before: by counters of what its transaction changed, or by a lock.
func (s *stmt) tells() {
	s.conflicts = append(s.conflicts, hoop.Look{Columns: []hoop.ColumnRef{hoop.AnyColumn}})
}
