package sqlscan

import (
	"slices"
	"strings"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// harm is what calling one of PostgreSQL's own functions does beyond computing a
// value.
type harm struct {
	effect hoop.Effect // "" for none
	blind  bool        // it can read what the text does not show
	keeps  bool        // it puts its arguments where they can be read again
	in     string      // the relation of pg_catalog that it reads, or changes, where it is one
	what   string
}

// call is one use of a function.
type call struct {
	name string
	via  string // "view clinic.names calls ", "" where the text calls it
	args []*pg_query.Node
	text bool // the text calls it, so args are known
}

// funcCall judges a function by every function of its name: which one runs depends on
// the types of its arguments and the search_path.
func (s *stmt) funcCall(f *pg_query.FuncCall, w where) {
	parts := stringsOf(f.Funcname)
	if len(parts) == 0 {
		s.unknown("a function without a name")
		return
	}
	c := call{name: parts[len(parts)-1], args: f.Args, text: true}
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	found := s.cat.Functions(schema, c.name)
	if len(found) == 0 {
		s.notAFunction(c, f)
		return
	}
	for _, fn := range found {
		s.function(fn, c)
	}
	if !w.output && slices.ContainsFunc(found, func(fn *catalog.Function) bool { return fn.System && carries(fn.Name) }) {
		s.conflicts = append(s.conflicts, hoop.Look{Columns: []hoop.ColumnRef{hoop.AnyColumn}, Many: true})
	}
	if len(c.args) == 1 { // a cast goes before functions that take another type (func_get_detail in parse_func.c)
		s.scalarType(c.name)
	}
	if s.searches(found) {
		s.asks++
		rows := !s.on.given(c.args...)
		s.asksRows = s.asksRows || rows
		s.asksMany = s.asksMany || rows && (!w.output || s.nests())
	}
}

// searches reports whether a call may be of code that reads tables: it can look for its
// arguments there.
func (s *stmt) searches(found []*catalog.Function) bool {
	return slices.ContainsFunc(found, func(f *catalog.Function) bool {
		return len(s.on.codeOf(f).sources) > 0
	})
}

// nests reports whether the statement has queries inside, so that what one of them shows
// may decide in another.
func (s *stmt) nests() bool {
	queries := 0
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if n.GetSelectStmt() != nil {
			queries++
		}
		if queries < 2 {
			children(n, look)
		}
	}
	look(s.node)
	return queries > 1
}

// notAFunction handles a call that no function of the catalog answers: one of this
// session (pg_temp), a column or a type in function notation, or an error.
func (s *stmt) notAFunction(c call, f *pg_query.FuncCall) {
	if len(f.Args) == 1 && f.Over == nil && len(f.AggOrder) == 0 {
		for t := range s.tables {
			if _, ok := t.Column(c.name); ok {
				s.usedAt(usedName{name: c.name}, nil)
			}
		}
	}
	s.coded = true
	if s.absent(c, f) {
		s.out.Absent, s.opened = "function "+c.name+" is not known", true
		return
	}
	if slices.ContainsFunc(stringsOf(f.Funcname), isTempSchema) {
		s.anything("function " + c.name + " is the session's own")
		return
	}
	s.opaque("function " + c.name + " is not known")
}

// absent reports whether a call that no function of the catalog answers must fail before
// anything runs: no statement before it in the text can have made the function, its
// schema is not the session's own, and the name cannot be a column or a type in function notation (ParseFuncOrColumn in parse_func.c
// takes it for one where it has one argument).
func (s *stmt) absent(c call, f *pg_query.FuncCall) bool {
	if s.shifted || slices.ContainsFunc(stringsOf(f.Funcname), func(name string) bool { return isTempSchema(name) || !ascii(name) }) {
		return false
	}
	return len(f.Args) != 1 || s.on.given(f.Args[0]) && len(s.cat.UserTypes(c.name)) == 0
}

// ascii reports whether a name means the same in any encoding: a target that has another than
// UTF8 may write two characters as one, fold them to lower case and cut names elsewhere.
func ascii(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
}

// function judges one function that may be meant.
func (s *stmt) function(f *catalog.Function, c call) {
	if !f.System {
		if trusted(f) {
			s.takes(f)
			return
		}
		s.coded = true
		if retains(f) {
			h := keepingExtensions[f.Name]
			s.use(h.effect, c.via+h.what)
			s.keepsArgs(c)
			return
		}
		if h, listed := harmOf(f.Name); listed && f.Language == "c" && h.effect == hoop.EffectServer {
			s.use(hoop.EffectServer, c.via+h.what)
		}
		if strings.HasPrefix(f.Name, "dblink") && f.Language == "c" && s.runsText(c, c.via+"function "+f.Name+" is a user's") {
			return
		}
		s.called(f, c, c.via+"function "+hoop.TableName(f.Schema, f.Name)+" is a user's")
		return
	}
	if relation, ok := describes[f.Name]; ok {
		s.reads[hoop.TableName("pg_catalog", relation)] = true
		s.inside[hoop.TableName("pg_catalog", relation)] = true
	}
	if tellsSize(f.Name) {
		s.sizes(true)
	}
	h, listed := harmOf(f.Name)
	if !listed {
		if f.Volatility == catalog.Volatile {
			s.opaque(c.via + "function " + f.Name + " is not known to be harmless")
		}
		return
	}
	if f.Name == "set_config" {
		s.setConfig(c)
		return
	}
	if h.blind {
		s.out.Opaque, s.ran.reads = true, true
		if strings.HasPrefix(f.Name, "pg_stat_get_xact_tuples_") {
			s.tells()
		}
		if h.in != "" {
			s.inside[hoop.TableName("pg_catalog", h.in)] = true
		}
	}
	s.ran.session = s.ran.session || f.Name == "current_setting"
	if h.effect == hoop.EffectOpaque {
		if s.opaque(c.via + h.what); !s.runsText(c, c.via+h.what) {
			s.ran.unreadable()
		}
	} else if h.effect != "" {
		s.use(h.effect, c.via+h.what, s.harmTables(h, c)...)
	}
	if h.keeps && f.Name == "setval" && c.text {
		if !s.on.given(c.args...) {
			s.kept = append(s.kept, keptCall{call: c, sequence: true})
			s.coded = s.coded || sequenceOf(c) == nil // it may be one that no catalog shows
		}
	} else if h.keeps && (c.text || f.Name != "nextval") { // a view knows its sequence
		s.keepsArgs(c)
	}
	if readsSequence[f.Name] {
		for _, t := range s.sequences(c) {
			s.reads[t.Canonical()] = true
			s.ran.sources[t] = true
			if h.blind { // of others' sessions
				s.seen[t] = true
			}
		}
	}
}

// keptCall is a call that keeps its arguments: as the number of a sequence, or where no rule
// protects them.
type keptCall struct {
	call
	sequence bool
	content  bool // to where it is masked
}

// contents are functions whose last argument goes to where it is masked as it is, a large object or
// a notification; the others say which one.
var contents = map[string]bool{"lo_from_bytea": true, "lo_put": true, "lowrite": true, "pg_notify": true}

// keepsArgs makes a call opaque whose arguments can be read again, unless whoever wrote
// the text knows them.
func (s *stmt) keepsArgs(c call) {
	if c.text && s.on.given(c.args...) {
		return
	}
	s.keeps(c.via + c.name)
	if contents[c.name] && len(c.args) > 0 {
		last := len(c.args) - 1
		if content := c; c.text {
			content.args = c.args[last:]
			s.kept = append(s.kept, keptCall{call: content, content: true})
		}
		c.args = c.args[:last]
	}
	if !c.text || !s.on.given(c.args...) {
		s.kept = append(s.kept, keptCall{call: c})
	}
}

// keeps says that what a call gets can be told by anybody who asks for it, without reading a
// table: the number of a lock or a large object, a channel, a seed.
func (s *stmt) keeps(what string) {
	s.opened = true // and opaque to the gateway: see flushKept
	s.holding = true
	s.use(hoop.EffectOpaque, what+" keeps a value outside of any table", "*")
}

// readsSequence are functions that show the value of a sequence, where setval may have
// put a number of a row.
var readsSequence = map[string]bool{
	"nextval": true, "currval": true, "lastval": true, "pg_sequence_last_value": true, "pg_get_sequence_data": true,
}

// runsText adds the SQL that a function gets as constants; it reports whether all its
// arguments are some.
func (s *stmt) runsText(c call, why string) bool {
	if !c.text {
		return false
	}
	ran := newCode(s.cat)
	for _, arg := range c.args {
		if text, ok := constant(arg); ok {
			ran.body(text, "sql")
		} else if !literal(arg) {
			return false
		}
	}
	ran.reads, ran.acts = true, true // not all that it reads has a name in the text
	s.explicit(ran, why)
	return true
}

// literal reports whether an expression is a constant of any type.
func literal(n *pg_query.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		return literal(c.Arg)
	}
	return n.GetAConst() != nil
}

// harmTables names what a function changes: the sequence of nextval, else anything.
func (s *stmt) harmTables(h harm, c call) []string {
	switch {
	case h.in != "":
		return []string{hoop.TableName("pg_catalog", h.in)}
	case h.effect == hoop.EffectSession || h.effect == hoop.EffectServer && !h.blind:
		return nil
	case c.name == "nextval" || c.name == "setval":
		if len(c.args) > 0 {
			if name, ok := constant(c.args[0]); ok {
				if rv := splitName(name); rv != nil {
					return s.canonical(rv)
				}
			}
		}
	}
	return []string{"*"}
}

// sequences are those that a function may mean by its first argument.
func (s *stmt) sequences(c call) []*catalog.Table {
	if rv := sequenceOf(c); rv != nil {
		return s.mention(rv)
	}
	return allSequences(s.cat)
}

// sequenceOf gives the name of a sequence that is the first argument of a function; nil where
// that is not known.
func sequenceOf(c call) *pg_query.RangeVar {
	if !c.text || len(c.args) == 0 {
		return nil
	}
	if name, ok := constant(c.args[0]); ok {
		return splitName(name)
	}
	return nil
}

// allSequences are those of the database and the session's own.
func allSequences(cat *catalog.Snapshot) []*catalog.Table {
	var all []*catalog.Table
	for _, t := range slices.AppendSeq(slices.Clone(cat.Local()), cat.Tables) {
		if t.Kind == catalog.KindSequence {
			all = append(all, t)
		}
	}
	return all
}

func canonicals(tables []*catalog.Table) []string {
	var out []string
	for _, t := range tables {
		out = append(out, t.Canonical())
	}
	return out
}

// flushKept tells what is copied by calls that keep it: a sequence is a place for numbers, and
// what can be told without reading a table may be anywhere. Where all of the arguments are
// columns that are known, these are what is copied, with those that choose the rows.
func (s *stmt) flushKept(deciding []hoop.ColumnRef) {
	unseen := s.out.Opaque
	s.out.Opaque = unseen || s.holding
	for _, c := range s.kept {
		u := hoop.Use{Effect: hoop.EffectDerive, Why: c.name, Into: []string{"*"}, Tables: s.origins()}
		if c.sequence {
			s.out.Temp = s.out.Temp || len(s.cat.Local()) > 0 // it may be a sequence of theirs, and what that gives is not followed
			u.Into = s.numbered(c.call)
		}
		r := s.newResolver()
		for _, a := range c.args {
			r.within(a)
		}
		u.Columns, _ = s.among()
		for col := range r.out {
			u.Columns = append(u.Columns, col)
		}
		if taken := u; !c.sequence && len(u.Tables) > 0 && (len(u.Columns) > 0 || s.stray || unseen) { // a sequence holds one number
			taken.Columns = slices.Clone(u.Columns)
			s.out.Copied = append(s.out.Copied, taken)
		}
		if c.content {
			continue
		}
		if len(u.Columns) == 0 || s.stray || unseen || len(s.ran.names()) > 0 {
			u.Columns, u.Tables = nil, append(u.Tables, s.ran.names()...)
		} else {
			u.Columns, u.Exact = append(u.Columns, decide(deciding, u.Tables)...), !c.sequence
		}
		if len(u.Tables) > 0 {
			s.add(u)
		}
	}
}

// decide gives the columns of tables, and any that is not known.
func decide(deciding []hoop.ColumnRef, tables []string) []hoop.ColumnRef {
	return slices.DeleteFunc(slices.Clone(deciding), func(c hoop.ColumnRef) bool {
		return c != hoop.AnyColumn && !slices.Contains(tables, hoop.TableName(c.Schema, c.Table))
	})
}

// numbered are the names of the sequences that setval may set, whether the catalog shows them
// or not.
func (s *stmt) numbered(c call) []string {
	rv := sequenceOf(c)
	if rv == nil {
		return canonicals(allSequences(s.cat))
	}
	if found := s.mention(rv); len(found) > 0 {
		return canonicals(found)
	}
	return s.places(rv)
}

// splitName reads schema.name as regclass does, where nothing is quoted.
func splitName(name string) *pg_query.RangeVar {
	if strings.ContainsAny(name, `" `) {
		return nil
	}
	parts := strings.Split(strings.ToLower(name), ".")
	switch len(parts) {
	case 1:
		return &pg_query.RangeVar{Relname: parts[0]}
	case 2:
		return &pg_query.RangeVar{Schemaname: parts[0], Relname: parts[1]}
	}
	return nil
}

// carries reports whether a function gives values of any table, or tells how long some are, or
// statements of others that have such in them. What these decide is a search of whatever is
// protected, by as many values as the statement makes.
func carries(name string) bool {
	switch name {
	case "lo_get", "loread", "pg_stat_get_activity", "pg_stat_get_backend_activity":
		return true
	}
	return strings.HasPrefix(name, "pg_stat_get_xact_tuples_") || strings.HasPrefix(name, "pg_stat_get_db_temp_")
}

// constant gives the text of a string constant, with casts around it.
func constant(n *pg_query.Node) (string, bool) {
	if c := n.GetTypeCast(); c != nil {
		return constant(c.Arg)
	}
	if v := n.GetAConst().GetSval(); v != nil {
		return v.Sval, true
	}
	return "", false
}

// harmlessOutput reports whether a function of a shown column cannot fail or branch
// on its value, so that it decides nothing.
func harmlessOutput(f *pg_query.FuncCall) bool {
	if f.AggFilter != nil || f.Over != nil || len(f.AggOrder) > 0 || f.AggDistinct {
		return false
	}
	parts := stringsOf(f.Funcname)
	return len(parts) > 0 && totalFunctions[parts[len(parts)-1]]
}

// totalFunctions give a value for every argument and tell it to nobody but the one
// who sees the (masked) result.
var totalFunctions = map[string]bool{
	"row_to_json": true, "to_json": true, "to_jsonb": true, "json_agg": true, "jsonb_agg": true, "json_build_object": true,
	"jsonb_build_object": true, "json_build_array": true, "jsonb_build_array": true, "array_agg": true, "string_agg": true,
	"array_to_json": true, "concat": true, "concat_ws": true, "lower": true, "upper": true, "initcap": true, "btrim": true,
	"ltrim": true, "rtrim": true, "length": true, "count": true, "min": true, "max": true, "md5": true, "reverse": true,
	"quote_literal": true, "quote_nullable": true, "quote_ident": true,
}

// harmOf finds a function in the table: by name, then by the longest prefix.
func harmOf(name string) (harm, bool) {
	if h, ok := harmful[name]; ok {
		return h, true
	}
	best := ""
	for p := range harmfulPrefixes {
		if strings.HasPrefix(name, p) && len(p) > len(best) {
			best = p
		}
	}
	if best != "" {
		return harmfulPrefixes[best], true
	}
	if strings.HasSuffix(name, "_to_xml") || strings.HasSuffix(name, "_to_xmlschema") || strings.HasSuffix(name, "_to_xml_and_xmlschema") {
		return dynamic, true
	}
	return harm{}, false
}

var (
	harmless   = harm{}
	dynamic    = harm{effect: hoop.EffectOpaque, blind: true, what: "runs SQL or reads tables that it gets as values"}
	typed      = harm{effect: hoop.EffectOpaque, blind: true, what: "runs the code of a type or table that it gets as a value"}
	files      = harm{effect: hoop.EffectServer, blind: true, what: "reads or writes server files"}
	lobFile    = harm{effect: hoop.EffectServer, blind: true, keeps: true, what: "reads or writes server files"}
	backends   = harm{effect: hoop.EffectServer, what: "acts on other backends"}
	operates   = harm{effect: hoop.EffectServer, what: "operates the server"}
	labels     = harm{effect: hoop.EffectServer, keeps: true, what: "operates the server"}
	statistics = harm{effect: hoop.EffectServer, keeps: true, what: "changes the system catalog"}
	replicas   = harm{effect: hoop.EffectServer, what: "replication"}
	slots      = harm{effect: hoop.EffectServer, keeps: true, what: "replication"}
	locks      = harm{effect: hoop.EffectSession, keeps: true, what: "advisory lock"}
	internal   = harm{effect: hoop.EffectOpaque, what: "is for the server to call"}
	lobRead    = harm{blind: true, in: "pg_largeobject"}
	lobMove    = harm{blind: true, keeps: true, in: "pg_largeobject"}                                    // which one is open, and where it is read
	lobWrite   = harm{effect: hoop.EffectWrite, keeps: true, in: "pg_largeobject", what: "large object"} // gives back numbers of its arguments, or new ones
)

// blind functions show what a relation of pg_catalog has, values of users' tables among it.
func blind(relation string) harm { return harm{blind: true, in: relation} }

// harmfulPrefixes covers families of built-in functions.
var harmfulPrefixes = map[string]harm{
	"pg_read_": files, "pg_ls_": files, "pg_stat_get_": blind("pg_stat_activity"), "pg_advisory_": locks, "pg_try_advisory_": locks,
	"pg_logical_": replicas, "pg_replication_": replicas, "pg_replication_origin_": slots, "pg_replication_slot_": slots, "pg_create_": slots, "pg_drop_": replicas, "pg_copy_": slots,
	"pg_wal_replay_": replicas, "pg_sync_replication_": replicas, "pg_backup_": labels, "pg_log_": operates, "pg_stat_reset": operates,
	"lo_": lobWrite, "dblink": {effect: hoop.EffectServer, blind: true, what: "connects to another server"},
	"RI_FKey_": internal, "dsnowball_": internal, "plpgsql_": internal,
	"binary_upgrade_": labels, "pg_control_": harmless, "txid_": harmless, "pg_xact_": harmless,
}

// harmful lists PostgreSQL's own functions that do more than compute, and volatile
// ones that do not (PostgreSQL manual, chapter "Functions and Operators", mostly
// "System Administration Functions"). A volatile function that stands nowhere here is
// opaque.
var harmful = map[string]harm{
	// files
	"lo_import": lobFile, "lo_export": lobFile, "pg_stat_file": files, "pg_file_write": files, "pg_file_rename": files,
	"pg_file_unlink": files, "pg_file_sync": files, "pg_hba_file_rules": files, "pg_ident_file_mappings": files,
	"pg_show_all_file_settings": files, "pg_current_logfile": harmless,
	// the server and other backends
	"pg_terminate_backend": backends, "pg_cancel_backend": backends, "pg_reload_conf": operates, "pg_rotate_logfile": operates,
	"pg_rotate_logfile_old": operates, "pg_promote": operates, "pg_switch_wal": operates, "pg_start_backup": labels,
	"pg_stop_backup": operates, "pg_import_system_collations": operates, "pg_stat_force_next_flush": operates,
	"pg_prewarm": operates, "pg_nextoid": operates, "pg_stop_making_pinned_objects": operates, "pg_extension_config_dump": operates,
	"pg_restore_relation_stats": statistics, "pg_restore_attribute_stats": statistics, "pg_clear_relation_stats": statistics,
	"pg_clear_attribute_stats":      statistics,
	"pg_get_wal_replay_pause_state": harmless, "pg_is_wal_replay_paused": harmless,
	"pg_stat_clear_snapshot": {effect: hoop.EffectSession, what: "statistics snapshot"},
	// SQL in values
	"query_to_xml": dynamic, "cursor_to_xml": dynamic, "table_to_xml": dynamic, "schema_to_xml": dynamic, "database_to_xml": dynamic,
	"ts_stat": dynamic, "ts_rewrite": dynamic, "xmlexists": harmless,
	"currtid": dynamic, "currtid2": dynamic,
	// types and tables in values
	"domain_in": typed, "array_in": typed, "record_in": typed, "range_in": typed, "multirange_in": typed,
	"pg_input_is_valid": typed, "pg_input_error_info": typed, "satisfies_hash_partition": typed,
	// triggers, methods of access and of sampling
	"suppress_redundant_updates_trigger": internal, "tsvector_update_trigger": internal, "tsvector_update_trigger_column": internal,
	"unique_key_recheck": internal, "brinhandler": internal, "bthandler": internal, "ginhandler": internal, "gisthandler": internal,
	"hashhandler": internal, "spghandler": internal, "heap_tableam_handler": internal, "bernoulli": internal, "system": internal,
	// values outside of tables
	"lo_get": lobRead, "loread": lobMove, "lo_open": lobMove, "lo_lseek": lobMove, "lo_lseek64": lobMove, "lo_tell": lobRead,
	"lo_tell64": lobRead, "lo_close": lobMove, "lowrite": lobWrite, "has_largeobject_privilege": lobRead,
	"nextval": {effect: hoop.EffectWrite, keeps: true, what: "advances a sequence"}, "currval": harmless, "lastval": harmless,
	"setval":     {effect: hoop.EffectWrite, keeps: true, what: "sets a sequence"},
	"set_config": {effect: hoop.EffectSession, what: "sets a setting"}, "current_setting": {},
	"pg_notify":                  {effect: hoop.EffectSession, keeps: true, what: "notifies"},
	"pg_prepared_statement":      blind("pg_prepared_statements"),
	"current_query":              {blind: true}, // its own text
	"pg_cursor":                  blind("pg_cursors"),
	"pg_mcv_list_items":          blind("pg_statistic_ext_data"),
	"pg_logical_emit_message":    {effect: hoop.EffectServer, keeps: true, what: "writes to the WAL"},
	"pg_export_snapshot":         {effect: hoop.EffectSession, what: "exports a snapshot"},
	"pg_sleep":                   {effect: hoop.EffectSession, what: "waits"},
	"pg_sleep_for":               {effect: hoop.EffectSession, what: "waits"},
	"pg_sleep_until":             {effect: hoop.EffectSession, what: "waits"},
	"setseed":                    {effect: hoop.EffectSession, keeps: true, what: "seeds random()"},
	"pg_get_keywords":            harmless,
	"brin_summarize_new_values":  {effect: hoop.EffectDDL, what: "maintains an index"},
	"brin_summarize_range":       {effect: hoop.EffectDDL, what: "maintains an index"},
	"brin_desummarize_range":     {effect: hoop.EffectDDL, what: "maintains an index"},
	"gin_clean_pending_list":     {effect: hoop.EffectDDL, what: "maintains an index"},
	"pg_show_all_settings":       harmless,
	"pg_get_replication_slots":   harmless,
	"pg_available_extensions":    harmless,
	"pg_available_wal_summaries": harmless, "pg_wal_summary_contents": harmless, "pg_get_wal_summarizer_state": harmless,
	// volatile, and harmless all the same
	"random": harmless, "random_normal": harmless, "gen_random_uuid": harmless, "clock_timestamp": harmless, "timeofday": harmless,
	"array_sample": harmless, "array_shuffle": harmless, "timezone": harmless,
	"uuidv4": harmless, "uuidv7": harmless, "pg_current_xact_id": harmless, "pg_current_xact_id_if_assigned": harmless,
	"pg_current_snapshot": harmless, "pg_is_in_recovery": harmless, "pg_is_in_backup": harmless, "pg_backup_start_time": harmless,
	"pg_current_wal_lsn": harmless, "pg_current_wal_insert_lsn": harmless, "pg_current_wal_flush_lsn": harmless,
	"pg_last_wal_receive_lsn": harmless, "pg_last_wal_replay_lsn": harmless, "pg_last_xact_replay_timestamp": harmless,
	"pg_last_committed_xact": harmless, "pg_blocking_pids": harmless, "pg_safe_snapshot_blocking_pids": harmless,
	"pg_isolation_test_session_is_blocked": harmless, "pg_notification_queue_usage": harmless, "pg_lock_status": blind("pg_locks"),
	"pg_prepared_xact": harmless, "pg_database_size": harmless, "pg_table_size": harmless, "pg_indexes_size": harmless,
	"pg_relation_size": harmless, "pg_total_relation_size": harmless, "pg_tablespace_size": harmless, "pg_tablespace_databases": harmless,
	"pg_collation_actual_version": harmless, "pg_database_collation_actual_version": harmless, "pg_jit_available": harmless,
	"pg_get_shmem_allocations": harmless, "pg_get_shmem_allocations_numa": harmless, "pg_get_aios": harmless,
	"pg_get_loaded_modules": harmless, "pg_get_wait_events": harmless, "pg_get_backend_memory_contexts": blind("pg_backend_memory_contexts"), "pg_sequence_last_value": {blind: true},
	"pg_partition_tree": harmless, "pg_partition_ancestors": harmless, "pg_visible_in_snapshot": harmless,
	"pg_show_replication_origin_status": harmless, "pg_sequence_parameters": harmless,
	"pg_get_sequence_data": {blind: true}, "pg_config": harmless, "amvalidate": harmless, "pg_get_wal_resource_managers": harmless,
	"pg_stat_have_stats": harmless, "pg_event_trigger_ddl_commands": harmless,
	"pg_event_trigger_dropped_objects": harmless, "row_security_active": harmless, "pg_get_multixact_members": harmless,
}
