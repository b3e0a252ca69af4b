package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// serverSettings are settings that reach beyond the session: what the server logs,
// replicates or loads (PostgreSQL manual, "Server Configuration"). The prefixes end
// in a dot or an underscore.
var serverSettings = map[string]bool{
	"session_replication_role": true, "allow_system_table_mods": true, "ignore_system_indexes": true,
	"ignore_checksum_failure": true, "zero_damaged_pages": true, "ignore_invalid_pages": true, "dynamic_library_path": true,
	"local_preload_libraries": true, "session_preload_libraries": true, "shared_preload_libraries": true,
	"lo_compat_privileges": true, "compute_query_id": true, "backtrace_functions": true, "update_process_title": true,
	"max_stack_depth": true, "temp_file_limit": true, "deadlock_timeout": true, "commit_delay": true, "jit_provider": true,
	"extension_control_path": true, "extension_destdir": true, "restrict_nonsystem_relation_kind": true,
	"event_triggers": true,
	// Code that procedural languages run when they begin.
	"plperl.on_init": true, "plperl.on_plperl_init": true, "plperl.on_plperlu_init": true, "pltcl.start_proc": true, "pltclu.start_proc": true,
	"plv8.start_proc": true,
}

var serverPrefixes = []string{
	"log_", "debug_", "trace_", "track_", "stats_", "wal_", "archive_", "auto_explain.", "pg_stat_statements.", "pgaudit.",
	"pg_hint_plan.", "plpgsql.extra_", "jit_debug", "jit_dump", "jit_profiling",
}

// setting judges one assignment. value is the new value where the text has it as a
// constant; known says so. A reset has the value that the gateway gave the session.
func (s *stmt) setting(name, value string, known, reset bool) {
	name = strings.ToLower(name)
	s.settings[name] = true
	switch {
	case name == "hoop" || strings.HasPrefix(name, "hoop."):
		s.forbid("hoop.* settings belong to the gateway")
	case name == "client_encoding" && !reset && !(known && isUTF8(value)):
		s.forbid("client_encoding can be set by a statement on its own only: the target stays with UTF8")
	case name == "standard_conforming_strings" && !reset && !(known && isOn(value)):
		s.forbid("standard_conforming_strings stays on: the gateway reads statements so")
	case name == "role" || name == "session_authorization":
		// A reset too: who was let become somebody with fewer rights gets the others back.
		s.out.Temp, s.shifted = true, true
		s.use(hoop.EffectRole, "sets "+name, "*")
	case name == "restrict_nonsystem_relation_kind" && known && value != "":
		s.use(hoop.EffectSession, "") // the session forgoes something
	case ServerSetting(name):
		if s.use(hoop.EffectServer, "setting "+name+" reaches beyond the session"); name == "allow_system_table_mods" && !reset {
			s.anything("the system catalog may be defined anew") // and is not looked at
		}
	default:
		s.use(hoop.EffectSession, "")
	}
}

// ServerSetting reports whether a setting, whose name is in lower case, reaches beyond the
// session.
func ServerSetting(name string) bool {
	if serverSettings[name] {
		return true
	}
	for _, p := range serverPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func isUTF8(v string) bool {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(v)) {
	case "utf8", "unicode":
		return true
	}
	return false
}

func isOn(v string) bool {
	switch strings.ToLower(v) {
	case "on", "true", "yes", "1":
		return true
	}
	return false
}

// set handles SET, RESET and the SET clauses of ALTER and CREATE FUNCTION.
func (s *stmt) set(v *pg_query.VariableSetStmt) {
	switch v.Kind {
	case pg_query.VariableSetKind_VAR_RESET_ALL:
		s.cmd.ResetAll = true
		s.use(hoop.EffectSession, "") // to what the session began with; not the role (GUC_NO_RESET_ALL in guc.c)
	case pg_query.VariableSetKind_VAR_SET_MULTI: // TRANSACTION, SESSION CHARACTERISTICS
		s.use(hoop.EffectSession, "")
	case pg_query.VariableSetKind_VAR_RESET, pg_query.VariableSetKind_VAR_SET_DEFAULT:
		s.setting(v.Name, "", false, true)
	case pg_query.VariableSetKind_VAR_SET_VALUE:
		value, known := "", false
		if len(v.Args) == 1 {
			value, known = setValue(v.Args[0])
		}
		if strings.EqualFold(v.Name, "search_path") && (s.node.GetVariableSetStmt() != nil || s.node.GetAlterSystemStmt() != nil) {
			for _, a := range v.Args {
				value, known := constant(a)
				s.path(value, known)
			}
		}
		s.setting(v.Name, value, known, false)
	case pg_query.VariableSetKind_VAR_SET_CURRENT:
		s.setting(v.Name, "", false, false)
	default:
		s.unknown("a kind of SET that is not known")
	}
}

func setValue(n *pg_query.Node) (string, bool) {
	if v, ok := constant(n); ok {
		return v, true
	}
	c := n.GetAConst()
	switch {
	case c == nil:
		return "", false
	case c.GetIval() != nil && c.GetIval().Ival == 1:
		return "1", true
	case c.GetBoolval() != nil && c.GetBoolval().Boolval:
		return "true", true
	}
	return "", false
}

// setConfig handles the function set_config(name, value, is_local).
func (s *stmt) setConfig(c call) {
	s.configured = true
	if !c.text || len(c.args) < 2 {
		s.forbid("set_config is called where its arguments are not in the text")
		return
	}
	for _, a := range c.args {
		if a.GetNamedArgExpr() != nil { // set_config(setting_name => …): order is the caller's
			s.forbid("set_config takes its arguments by position here")
			return
		}
	}
	name, ok := constant(c.args[0])
	if u, column := nameOf(c.args[0].GetColumnRef()); column && u.name == "name" && s.about != "" {
		name, ok, s.named = s.about, true, true
	}
	if !ok {
		s.forbid("set_config needs the name of the setting as a constant")
		return
	}
	if !s.on.given(c.args[1:]...) {
		s.forbid("a setting cannot take a value from a table, or from what may read one")
		return
	}
	value, known := constant(c.args[1])
	if strings.EqualFold(name, "search_path") {
		s.path(value, known)
	}
	s.setting(name, value, known, false)
}

// path notes what the session's search_path is set to, or a part of it.
func (s *stmt) path(value string, known bool) {
	s.out.Paths = s.out.Paths || !known || Temporary(value)
}

// Temporary reports whether a search_path may have the session's own schema in it: pg_temp,
// or the name that this stands for. A reset is to what the session began with.
func Temporary(path string) bool { return strings.Contains(strings.ToLower(path), "pg_temp") }

// oneSetting gives the name of a setting where a query is about it alone: FROM
// pg_settings WHERE name = 'work_mem'. pg_dump sets restrict_nonsystem_relation_kind so,
// as older servers do not have it.
func (s *stmt) oneSetting(q *pg_query.SelectStmt) string {
	if len(q.FromClause) != 1 || q.WithClause != nil {
		return ""
	}
	rv := q.FromClause[0].GetRangeVar()
	if rv == nil || rv.Relname != "pg_settings" || rv.Schemaname != "" && rv.Schemaname != "pg_catalog" || len(rv.Alias.GetColnames()) > 0 {
		return ""
	}
	e := q.WhereClause.GetAExpr()
	if e == nil || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP || !slices.Equal(stringsOf(e.Name), []string{"="}) {
		return ""
	}
	for _, op := range s.cat.Operators("=") {
		if f, ok := s.cat.Function(op.Function); !ok || !trusted(f) {
			return "" // a temporary table of the name may have a type with an operator of its own
		}
	}
	if u, ok := nameOf(e.Lexpr.GetColumnRef()); !ok || u.name != "name" {
		return ""
	}
	name := e.Rexpr.GetAConst().GetSval()
	if name == nil {
		return ""
	}
	return name.Sval
}

// plainSetting reports whether current_setting reads one of PostgreSQL's own settings.
func plainSetting(args []*pg_query.Node) bool {
	if len(args) == 0 {
		return false
	}
	name, ok := constant(args[0])
	return ok && !strings.Contains(name, ".")
}
