package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

func (s *stmt) alterCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AlterTableStmt:
		s.alterTable(x.AlterTableStmt)
	case *pg_query.Node_RenameStmt:
		s.rename(x.RenameStmt)
	case *pg_query.Node_AlterObjectSchemaStmt:
		s.moveToSchema(x.AlterObjectSchemaStmt)
	case *pg_query.Node_AlterSeqStmt:
		if s.altersOwn(x.AlterSeqStmt.Sequence) {
			s.ownAltered("ALTER SEQUENCE", x.AlterSeqStmt.Sequence)
			break
		}
		s.ddl("ALTER SEQUENCE", s.canonical(x.AlterSeqStmt.Sequence)...)
	case *pg_query.Node_AlterDomainStmt:
		s.ddl("ALTER DOMAIN", "*")
		if x.AlterDomainStmt.Subtype == "X" {
			s.use(hoop.EffectDestroy, "drops a constraint", "*")
		}
		var held, into []string
		for _, t := range s.cat.UserTypes(lastOf(x.AlterDomainStmt.TypeName)) {
			why := "a check of " + hoop.TableName(t.Schema, lastOf(x.AlterDomainStmt.TypeName))
			s.behind(why, true, func(in *stmt) { in.runAll(s.cat.TypeCode(t.OID)) })
			checks := newCode(s.cat)
			checks.functions(s.cat.TypeCode(t.OID))
			s.implicit(checks, why, nil)
			held, into = append(held, s.columnsOf(t.OID)...), append(into, checks.places()...)
		}
		s.parts(n)
		for _, name := range held { // what it complains of
			s.reads[name] = true
		}
		s.copied(hoop.Use{Why: "the values of a domain", Into: append(into, s.ran.places()...), Tables: held})
	case *pg_query.Node_AlterEnumStmt, *pg_query.Node_AlterTypeStmt:
		s.ddl("ALTER TYPE", "*")
		if _, ok := n.Node.(*pg_query.Node_AlterTypeStmt); ok {
			s.opaque("ALTER TYPE may set functions")
		}
	case *pg_query.Node_AlterFunctionStmt:
		s.code("ALTER FUNCTION", "*")
		s.functionOptions(x.AlterFunctionStmt.Actions)
	case *pg_query.Node_AlterOpFamilyStmt, *pg_query.Node_AlterOperatorStmt:
		s.code("ALTER OPERATOR", "*")
	case *pg_query.Node_AlterStatsStmt:
		s.ddl("ALTER STATISTICS")
	case *pg_query.Node_AlterCollationStmt:
		s.ddl("ALTER COLLATION")
	case *pg_query.Node_AlterTsdictionaryStmt, *pg_query.Node_AlterTsconfigurationStmt:
		s.ddl("ALTER TEXT SEARCH")
	case *pg_query.Node_AlterObjectDependsStmt:
		s.ddl("ALTER DEPENDS ON EXTENSION", "*")
	case *pg_query.Node_AlterEventTrigStmt:
		s.code("ALTER EVENT TRIGGER", "*")
		s.use(hoop.EffectServer, "event triggers see every command")
	case *pg_query.Node_CommentStmt:
		s.comment(x.CommentStmt)
	case *pg_query.Node_SecLabelStmt:
		s.ddl("SECURITY LABEL", "*")
		if x.SecLabelStmt.Objtype == pg_query.ObjectType_OBJECT_ROLE {
			s.role("SECURITY LABEL", "labels a role")
		}
	case *pg_query.Node_ReindexStmt:
		s.reindex(x.ReindexStmt)
	case *pg_query.Node_VacuumStmt:
		s.vacuum(x.VacuumStmt)
	default:
		return false
	}
	return true
}

// columnsOf names the tables that have columns of a type: their values are checked.
func (s *stmt) columnsOf(oid uint32) (names []string) {
	for t := range s.cat.Tables {
		if slices.ContainsFunc(t.Columns, func(c catalog.Column) bool { return holds(s.cat.Type(c.Type), oid, map[uint32]bool{}) }) {
			names = append(names, t.Canonical())
		}
	}
	return names
}

func (s *stmt) comment(c *pg_query.CommentStmt) {
	var tables []string
	switch c.Objtype {
	case pg_query.ObjectType_OBJECT_ROLE:
		s.role("COMMENT", "COMMENT ON ROLE")
		return
	case pg_query.ObjectType_OBJECT_TABLE, pg_query.ObjectType_OBJECT_VIEW, pg_query.ObjectType_OBJECT_MATVIEW,
		pg_query.ObjectType_OBJECT_FOREIGN_TABLE, pg_query.ObjectType_OBJECT_SEQUENCE, pg_query.ObjectType_OBJECT_INDEX:
		tables = s.canonical(rangeVar(listOf(c.Object)))
	case pg_query.ObjectType_OBJECT_COLUMN:
		if items := listOf(c.Object); len(items) > 1 {
			tables = s.canonical(rangeVar(items[:len(items)-1]))
		}
	}
	s.ddl("COMMENT", tables...)
}

// alterTable handles ALTER TABLE and its kin for views, sequences, indexes, types and
// foreign tables.
func (s *stmt) alterTable(a *pg_query.AlterTableStmt) {
	verb := "ALTER " + strings.ReplaceAll(strings.TrimPrefix(a.Objtype.String(), "OBJECT_"), "_", " ")
	if s.altersOwn(a.Relation) {
		s.ownAltered(verb, a.Relation)
		s.ownAltering(a.Relation)
		for _, n := range a.Cmds {
			if def := n.GetAlterTableCmd().GetDef(); def != nil {
				s.walkColumns(def)
			}
		}
		return
	}
	var tables []string
	if a.Objtype == pg_query.ObjectType_OBJECT_TYPE {
		tables = []string{"*"}
	} else {
		s.defines(func() { s.relation(a.Relation, nil) })
		tables = s.canonical(a.Relation)
	}
	s.ddl(verb, tables...)
	if a.Objtype != pg_query.ObjectType_OBJECT_TYPE {
		s.changed = append(s.changed, s.found(tables)...)
		s.rewritten(s.lookup(a.Relation))
	}
	if a.Objtype == pg_query.ObjectType_OBJECT_FOREIGN_TABLE {
		s.use(hoop.EffectServer, "a foreign table", tables...)
	}
	for _, n := range a.Cmds {
		c := n.GetAlterTableCmd()
		s.bounded(c.GetDef().GetPartitionCmd().GetBound())
		if c == nil {
			s.unknown("a part of ALTER TABLE that is not known")
			continue
		}
		if s.alterTableCmd(c, tables); c.Subtype == pg_query.AlterTableType_AT_AddInherit || c.Subtype == pg_query.AlterTableType_AT_AttachPartition {
			s.joins(a.Relation, c.Subtype == pg_query.AlterTableType_AT_AddInherit)
		}
		if rejoins[c.Subtype] && a.Objtype != pg_query.ObjectType_OBJECT_INDEX {
			s.passes(tables, c.Def)
			s.reaches(a.Relation, c.Def)
		}
		if c.Def != nil {
			s.cascades(a.Relation, c.Def)
			s.alterTableDef(a.Relation, c, tables)
		}
		if a.Objtype == pg_query.ObjectType_OBJECT_TABLE {
			s.altersRows(a.Relation, c)
		}
	}
	s.cmd.Verb = verb
}

// altersOwn reports whether a command changes the definition of nothing but an object of
// the session's own, in a way that is followed.
func (s *stmt) altersOwn(rv *pg_query.RangeVar) bool {
	return s.followed && !s.shifted && rv != nil && s.own(rv)
}

// ownAltered gives the effects of such a command. What it complains of are values of that
// table; those that the table holds afterwards may stand at another place.
func (s *stmt) ownAltered(verb string, rv *pg_query.RangeVar) {
	s.cmd.Verb, s.cataloging, s.owned = verb, true, true
	s.use(hoop.EffectSession, "a temporary object")
	s.defines(func() { s.relation(rv, nil) })
	tables := s.canonical(rv)
	s.changed = append(s.changed, tables...)
	s.derive(verb, tables)
}

func (s *stmt) alterTableCmd(c *pg_query.AlterTableCmd, tables []string) {
	switch c.Subtype {
	case pg_query.AlterTableType_AT_DropColumn, pg_query.AlterTableType_AT_DropConstraint, pg_query.AlterTableType_AT_DropExpression,
		pg_query.AlterTableType_AT_DropIdentity, pg_query.AlterTableType_AT_DropNotNull, pg_query.AlterTableType_AT_DropOids:
		s.use(hoop.EffectDestroy, "drops a column, a constraint or what it enforces", tables...)
	case pg_query.AlterTableType_AT_AlterColumnType:
		s.use(hoop.EffectUnboundedWrite, "rewrites a column", tables...)
		s.derive("ALTER COLUMN TYPE", tables)
	case pg_query.AlterTableType_AT_ChangeOwner:
		s.role("", "OWNER TO", tables...)
	case pg_query.AlterTableType_AT_EnableRowSecurity, pg_query.AlterTableType_AT_DisableRowSecurity,
		pg_query.AlterTableType_AT_ForceRowSecurity, pg_query.AlterTableType_AT_NoForceRowSecurity:
		s.role("", "row-level security", tables...)
	case pg_query.AlterTableType_AT_DetachPartition, pg_query.AlterTableType_AT_DetachPartitionFinalize, pg_query.AlterTableType_AT_DropInherit:
		// Rules on the parent covered the child until now.
		s.derive("leaves its parent", tables)
	case pg_query.AlterTableType_AT_EnableTrig, pg_query.AlterTableType_AT_EnableAlwaysTrig, pg_query.AlterTableType_AT_EnableReplicaTrig,
		pg_query.AlterTableType_AT_DisableTrig, pg_query.AlterTableType_AT_EnableTrigAll, pg_query.AlterTableType_AT_DisableTrigAll,
		pg_query.AlterTableType_AT_EnableTrigUser, pg_query.AlterTableType_AT_DisableTrigUser, pg_query.AlterTableType_AT_EnableRule,
		pg_query.AlterTableType_AT_EnableAlwaysRule, pg_query.AlterTableType_AT_EnableReplicaRule, pg_query.AlterTableType_AT_DisableRule:
		s.opaque("turns triggers or rules on or off")
		s.awakes = true
	case pg_query.AlterTableType_AT_SetTableSpace, pg_query.AlterTableType_AT_SetAccessMethod:
		s.use(hoop.EffectServer, "moves a table on the server's disks", tables...)
	case pg_query.AlterTableType_ALTER_TABLE_TYPE_UNDEFINED:
		s.unknown("a part of ALTER TABLE that is not known")
	case pg_query.AlterTableType_AT_GenericOptions, pg_query.AlterTableType_AT_AlterColumnGenericOptions:
		s.use(hoop.EffectServer, "options of a foreign table", tables...)
	case pg_query.AlterTableType_AT_ReplicaIdentity:
		s.use(hoop.EffectServer, "replication", tables...)
	case pg_query.AlterTableType_AT_SetRelOptions, pg_query.AlterTableType_AT_ResetRelOptions, pg_query.AlterTableType_AT_ReplaceRelOptions:
		for _, o := range listOf(c.Def) {
			if strings.HasPrefix(strings.ToLower(o.GetDefElem().GetDefname()), "security_") {
				s.role("", "a view's security", tables...)
			}
		}
	}
}

// rejoins are the parts of ALTER TABLE after which a table shows the rows of another, or does
// no longer.
var rejoins = map[pg_query.AlterTableType]bool{
	pg_query.AlterTableType_AT_AttachPartition: true, pg_query.AlterTableType_AT_AddInherit: true,
	pg_query.AlterTableType_AT_DetachPartition: true, pg_query.AlterTableType_AT_DetachPartitionFinalize: true,
	pg_query.AlterTableType_AT_DropInherit: true,
}

// passes says that rows of tables, or of what a definition names, are to be read as those of
// another table from now on: as good as reading them.
func (s *stmt) passes(tables []string, def *pg_query.Node) {
	for _, rv := range rangeVarsBelow(def) {
		tables = append(tables[:len(tables):len(tables)], s.canonical(rv)...)
	}
	if rv := def.GetRangeVar(); rv != nil {
		tables = append(tables[:len(tables):len(tables)], s.canonical(rv)...)
	}
	s.use(hoop.EffectRead, "rows are read by another name", tables...)
}

// reaches notes that what is done to a table, or to one that a definition names, may be done to
// the other.
func (s *stmt) reaches(rv *pg_query.RangeVar, def *pg_query.Node) {
	named := append(rangeVarsBelow(def), rv)
	if other := def.GetRangeVar(); other != nil {
		named = append(named, other)
	}
	for _, rv := range named {
		s.restates(rv.Relname, named...)
		for _, t := range s.lookup(rv) {
			for _, rel := range s.cat.Related(t) {
				s.restates(rel.Name, named...)
			}
		}
	}
}

// cascades notes that what is done to the table that a foreign key refers to is done to the
// one that has the key.
func (s *stmt) cascades(rv *pg_query.RangeVar, def *pg_query.Node) {
	for _, n := range append([]*pg_query.Node{def}, def.GetColumnDef().GetConstraints()...) {
		if k := n.GetConstraint(); k.GetContype() == pg_query.ConstrType_CONSTR_FOREIGN && (changesRows[k.FkDelAction] || changesRows[k.FkUpdAction]) {
			s.restates(k.Pktable.GetRelname(), rv)
		}
	}
}

// changesRows are the actions of foreign keys that change rows (FKCONSTR_ACTION_… in
// PostgreSQL's parsenodes.h): CASCADE, SET NULL, SET DEFAULT.
var changesRows = map[string]bool{"c": true, "n": true, "d": true}

// alterTableDef walks what a sub-command defines. A column that is computed from
// others, or rewritten from them, is a copy.
func (s *stmt) alterTableDef(rv *pg_query.RangeVar, c *pg_query.AlterTableCmd, tables []string) {
	def := c.Def.GetColumnDef()
	if def != nil {
		copied := def.RawDefault != nil && copiesOther(def.RawDefault, c.Name, rv, "")
		for _, con := range def.Constraints {
			if k := con.GetConstraint(); k.GetContype() == pg_query.ConstrType_CONSTR_GENERATED {
				copied = true
			}
		}
		if copied {
			s.derive("a column computed from others", tables, tables...)
		}
	} else if c.Subtype == pg_query.AlterTableType_AT_SetExpression {
		s.derive("a column computed from others", tables, tables...)
	}
	for _, other := range rangeVarsBelow(c.Def) {
		s.use(hoop.EffectDDL, "", s.canonical(other)...)
	}
	if rv := c.Def.GetRangeVar(); rv != nil {
		s.use(hoop.EffectDDL, "", s.canonical(rv)...)
		return
	}
	s.defines(func() { s.walkColumns(c.Def) })
}

// rename: a table or a column by another name is a place that no rule protects yet.
func (s *stmt) rename(r *pg_query.RenameStmt) {
	verb := "ALTER " + strings.ReplaceAll(strings.TrimPrefix(r.RenameType.String(), "OBJECT_"), "_", " ")
	switch r.RenameType {
	case pg_query.ObjectType_OBJECT_ROLE:
		s.role("ALTER ROLE", "renames a role")
		return
	case pg_query.ObjectType_OBJECT_DATABASE, pg_query.ObjectType_OBJECT_TABLESPACE, pg_query.ObjectType_OBJECT_FDW,
		pg_query.ObjectType_OBJECT_FOREIGN_SERVER, pg_query.ObjectType_OBJECT_SUBSCRIPTION, pg_query.ObjectType_OBJECT_PUBLICATION,
		pg_query.ObjectType_OBJECT_LANGUAGE:
		s.ddl(verb, "*")
		s.use(hoop.EffectServer, "renames what belongs to the server")
		return
	case pg_query.ObjectType_OBJECT_SCHEMA:
		if isTempSchema(r.Subname) {
			s.forbid("a schema of sessions' own objects gets another name, by which they would be everybody's")
		}
		s.ddl(verb, s.inSchema(r.Subname)...)
		for t := range s.cat.Tables {
			if t.Schema == r.Subname {
				s.standsFor(t.Name, []*catalog.Table{t})
			}
		}
		s.passes(s.inSchema(r.Subname), nil)
		s.out.Schemas, s.out.Named = append(s.out.Schemas, r.Newname), append(s.out.Named, s.movedTo(r.Subname, r.Newname)...)
		s.derive("a schema by another name", s.movedTo(r.Subname, r.Newname), s.inSchema(r.Subname)...)
		return
	case pg_query.ObjectType_OBJECT_POLICY:
		s.role(verb, "renames a policy", s.canonical(r.Relation)...)
		return
	}
	if r.Relation == nil {
		s.ddl(verb, "*")
		if r.RenameType == pg_query.ObjectType_OBJECT_FUNCTION || r.RenameType == pg_query.ObjectType_OBJECT_PROCEDURE ||
			r.RenameType == pg_query.ObjectType_OBJECT_ROUTINE || r.RenameType == pg_query.ObjectType_OBJECT_AGGREGATE {
			s.opaque("a function by another name")
			s.replaces(r.Object.GetObjectWithArgs().GetObjname(), -1)
		}
		return
	}
	if s.altersOwn(r.Relation) {
		s.ownAltered(verb, r.Relation)
		return
	}
	s.defines(func() { s.relation(r.Relation, nil) })
	tables := s.canonical(r.Relation)
	s.ddl(verb, tables...)
	if renamesTable(s.cat, r) { // ALTER TABLE renames views, too
		s.out.Renamed = append(s.out.Renamed, hoop.QuoteIdent(r.Newname))
		s.restates(r.Newname, r.Relation)
		if s.maybeOwn(r.Relation) {
			s.veil(r.Newname)
		}
		to := &pg_query.RangeVar{Schemaname: r.Relation.Schemaname, Relname: r.Newname}
		s.out.Named = append(s.out.Named, s.places(to)...)
		s.derive("a table by another name", s.places(to), tables...)
		s.passes(tables, nil)
	}
	if r.RenameType == pg_query.ObjectType_OBJECT_COLUMN || r.RenameType == pg_query.ObjectType_OBJECT_ATTRIBUTE {
		s.derive("a column by another name", tables, tables...)
	}
}

// valued reports whether there are values in t: a sequence has no columns, but a number.
func valued(t *catalog.Table) bool { return len(t.Columns) > 0 || t.Kind == catalog.KindSequence }

func (s *stmt) inSchema(schema string) []string {
	var out []string
	for t := range s.cat.Tables {
		if t.Schema == schema && valued(t) {
			out = append(out, t.Canonical())
		}
	}
	return out
}

func (s *stmt) movedTo(from, to string) []string {
	var out []string
	for t := range s.cat.Tables {
		if t.Schema == from && valued(t) {
			out = append(out, hoop.TableName(to, t.Name))
		}
	}
	return out
}

func (s *stmt) moveToSchema(a *pg_query.AlterObjectSchemaStmt) {
	verb := "ALTER " + strings.ReplaceAll(strings.TrimPrefix(a.ObjectType.String(), "OBJECT_"), "_", " ")
	if a.Relation == nil {
		s.code(verb, "*") // functions, operators, types, extensions by another name
		if a.ObjectType == pg_query.ObjectType_OBJECT_EXTENSION {
			s.use(hoop.EffectServer, "moves an extension")
		}
		return
	}
	s.defines(func() { s.relation(a.Relation, nil) })
	tables := s.canonical(a.Relation)
	s.ddl(verb, tables...)
	s.passes(tables, nil)
	s.restates(a.Relation.Relname, a.Relation)
	to := hoop.TableName(a.Newschema, a.Relation.Relname)
	s.out.Named = append(s.out.Named, to)
	s.derive("a table in another schema", []string{to}, tables...)
}

func (s *stmt) reindex(r *pg_query.ReindexStmt) {
	s.out.Opaque = true // index expressions run
	switch r.Kind {
	case pg_query.ReindexObjectType_REINDEX_OBJECT_INDEX, pg_query.ReindexObjectType_REINDEX_OBJECT_TABLE:
		s.cmd.Verb = "REINDEX"
		s.use(hoop.EffectDDL, "", s.canonical(r.Relation)...)
		s.indexes(r.Kind == pg_query.ReindexObjectType_REINDEX_OBJECT_INDEX) // of which table is not known
	case pg_query.ReindexObjectType_REINDEX_OBJECT_SCHEMA:
		s.cmd.Verb = "REINDEX"
		s.use(hoop.EffectDDL, "", s.inSchema(r.Name)...)
		s.indexes(true)
	default:
		s.cmd.Verb = "REINDEX"
		s.use(hoop.EffectServer, "REINDEX of a database", "*")
		s.indexes(true)
	}
}

// indexes adds the code of indexes and checks of the tables mentioned, or of all.
func (s *stmt) indexes(all bool) {
	for t := range s.cat.Tables {
		if t.RunsCode && (all || s.tables[t]) {
			s.checked(t)
			s.checks(t)
		}
	}
}

// rewritten adds the code that runs when the rows of tables are written anew: that of generated
// columns and checks. Defaults are for new rows, sequences too.
func (s *stmt) rewritten(tables []*catalog.Table) {
	for _, t := range tables {
		for _, t := range append(s.cat.Related(t), t) {
			s.made(t, updates)
		}
	}
}

func (s *stmt) vacuum(v *pg_query.VacuumStmt) {
	s.cmd.Verb = "ANALYZE"
	if v.IsVacuumcmd {
		s.cmd.Verb = "VACUUM"
	}
	var tables []string
	for _, n := range v.Rels {
		tables = append(tables, s.canonical(n.GetVacuumRelation().GetRelation())...)
	}
	if len(tables) == 0 {
		tables = []string{"*"}
	}
	s.out.Opaque = true        // index expressions run
	effect := hoop.EffectWrite // no row and no definition changes
	why := "maintenance"
	s.indexes(len(v.Rels) == 0)
	for _, o := range v.Options {
		if d := o.GetDefElem(); strings.EqualFold(d.GetDefname(), "full") && !isFalse(d.Arg) {
			effect, why = hoop.EffectServer, "VACUUM FULL"
		}
	}
	s.use(effect, why, tables...)
}

// isFalse reads a boolean option that is given, as defGetBoolean does.
func isFalse(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_Integer:
		return x.Integer.Ival == 0
	case *pg_query.Node_Boolean:
		return !x.Boolean.Boolval
	case *pg_query.Node_String_:
		v := strings.ToLower(x.String_.Sval)
		return v == "false" || v == "off"
	}
	return false
}
