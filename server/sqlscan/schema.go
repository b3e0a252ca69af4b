package sqlscan

import (
	"cmp"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// ddl gives the effect of changing what other people see.
func (s *stmt) ddl(verb string, tables ...string) {
	s.cmd.Verb = verb
	s.changesCatalog()
	s.use(hoop.EffectDDL, "", tables...)
}

// veil notes the name of a view that may be the session's own.
func (s *stmt) veil(name string) {
	s.out.Veils = append(s.out.Veils, hoop.QuoteIdent(name))
}

// restates notes that a name stands for what others mean, or reaches it, from now on.
func (s *stmt) restates(name string, reached ...*pg_query.RangeVar) {
	var all []*catalog.Table
	var lost []string
	for _, rv := range reached {
		found := s.lookup(rv)
		if len(found) == 0 { // it may have just got the name
			lost = append(append(lost, s.places(rv)...), "*")
		}
		all = append(all, found...)
	}
	s.standsFor(name, all, lost...)
}

// standsFor notes that a name stands for tables, or reaches them, from now on. lost are names of others.
func (s *stmt) standsFor(name string, tables []*catalog.Table, lost ...string) {
	out := Restated{Name: hoop.QuoteIdent(name), View: slices.ContainsFunc(tables, func(t *catalog.Table) bool { return t.Kind == catalog.KindView || t.Kind == catalog.KindMatView })}
	out.Tables = sortedSet(slices.Concat(lost, s.withRelatives(tables), s.under(tables, map[uint32]bool{})))
	out.Read, out.Changed = s.setsOff(tables, 0), s.setsOff(tables, inserts|updates|deletes|truncates)
	s.out.Restates = append(s.out.Restates, out)
}

// setsOff gives what reading tables sets off beside that, and what changing them so does. How
// many rows are changed is not known.
func (s *stmt) setsOff(tables []*catalog.Table, c change) []hoop.Use {
	return s.effects(func(in *stmt) {
		in.taking(true, func() {
			for _, t := range tables {
				in.note(t)
			}
		})
		for _, t := range tables {
			if c != 0 {
				in.consequences(t, c, map[uint32]bool{})
			}
		}
		in.unnamed()
	})
}

// effects gives those of what run notes for each row of a change, but for what is read or copied
// by a name that is said elsewhere.
func (s *stmt) effects(run func(in *stmt)) (uses []hoop.Use) {
	b := newBuilder(s.cat, Lineage{View: s.known.View, Values: []Value{}})
	b.views, b.foretells = s.views, true
	in := newStmt(b, nil)
	in.many = true
	run(in)
	out := b.finish()
	s.out.Untold = append(s.out.Untold, out.Untold...)
	for _, u := range out.Uses {
		switch u.Effect {
		case hoop.EffectRead, hoop.EffectInfer, hoop.EffectDerive, hoop.EffectSession:
		default:
			uses = append(uses, u)
		}
	}
	return uses
}

// under names what the views among tables are over.
func (s *stmt) under(tables []*catalog.Table, seen map[uint32]bool) (names []string) {
	for _, t := range tables {
		for _, oid := range t.Uses {
			if used, ok := s.cat.Table(oid); ok && !seen[oid] {
				seen[oid] = true
				over := []*catalog.Table{used}
				names = append(append(names, s.withRelatives(over)...), s.under(over, seen)...)
			}
		}
	}
	return names
}

func (s *stmt) changesCatalog() {
	s.out.DDL, s.shifted, s.cataloging = true, true, true
}

// makes notes where the command puts what it makes. Once that is committed the catalog shows
// it, but for what is the session's own: in pg_temp, or without a schema where that stands
// first in the search_path.
func (s *stmt) makes(rv *pg_query.RangeVar) {
	switch {
	case rv.GetRelpersistence() == "t" || isTempSchema(rv.GetSchemaname()):
		s.out.Temp = true
	case rv.GetSchemaname() == "" && s.home == "":
		s.out.Unplaced = append(s.out.Unplaced, hoop.QuoteIdent(rv.GetRelname()))
	}
}

// makesNamed does so of what is no relation.
func (s *stmt) makesNamed(name []*pg_query.Node) {
	rv := rangeVar(name)
	s.makes(rv)
	s.out.Types = s.out.Types || isTempSchema(rv.Schemaname)
}

// ownToo reports whether the command may alter, or be about, something of the session's own,
// other than in a way that is followed.
func (s *stmt) ownToo() bool {
	if len(s.cat.Local()) == 0 {
		return false // what is not followed is known to be there
	}
	switch x := s.node.GetNode().(type) {
	case *pg_query.Node_DropStmt:
		return x.DropStmt.Behavior == pg_query.DropBehavior_DROP_CASCADE // columns, say; what is gone otherwise may still be there
	case *pg_query.Node_CommentStmt, *pg_query.Node_CreateStmt, *pg_query.Node_CreateTableAsStmt, *pg_query.Node_SelectStmt, *pg_query.Node_CreateSeqStmt,
		*pg_query.Node_CreateFunctionStmt, *pg_query.Node_CreateEnumStmt, *pg_query.Node_CreateDomainStmt, *pg_query.Node_CreateSchemaStmt:
		return false
	case *pg_query.Node_IndexStmt, *pg_query.Node_AlterTableStmt, *pg_query.Node_AlterSeqStmt, *pg_query.Node_RenameStmt,
		*pg_query.Node_ViewStmt, *pg_query.Node_CreateTrigStmt, *pg_query.Node_RuleStmt, *pg_query.Node_CreatePolicyStmt, *pg_query.Node_GrantStmt:
		named := rangeVarsBelow(s.node)
		return len(named) == 0 || slices.ContainsFunc(named, s.maybeOwn)
	}
	return true
}

// maybeOwn reports whether a name may mean a relation of the session's own that is followed.
func (s *stmt) maybeOwn(rv *pg_query.RangeVar) bool {
	return slices.ContainsFunc(s.lookup(rv), func(t *catalog.Table) bool { return t.Temporary })
}

// role gives the effect of changing who may do what.
func (s *stmt) role(verb, why string, tables ...string) {
	if verb != "" {
		s.cmd.Verb = verb
	}
	s.changesCatalog()
	s.use(hoop.EffectRole, why, tables...)
}

// parts walks everything below a command that names columns only to define something.
func (s *stmt) parts(n *pg_query.Node) {
	s.defines(func() { s.quietly(func() { children(n, func(c *pg_query.Node) { s.walk(c, where{}) }) }) })
}

// code gives the effect of leaving code behind that runs later, unseen.
func (s *stmt) code(verb string, tables ...string) {
	s.ddl(verb, tables...)
	s.opaque(verb)
	s.leaving = true
}

// plainDDL are commands on relations and privileges: names that are new with them are in no
// catalog, and what relations are made of is found again by the names in them.
var plainDDL = map[string]bool{
	"CREATE TABLE": true, "CREATE TABLE AS": true, "SELECT INTO": true, "CREATE INDEX": true, "CREATE SEQUENCE": true, "CREATE VIEW": true,
	"CREATE MATERIALIZED VIEW": true, "CREATE STATISTICS": true, "CREATE SCHEMA": true, "ALTER TABLE": true, "ALTER COLUMN": true,
	"ALTER TABCONSTRAINT": true, "ALTER INDEX": true, "ALTER SEQUENCE": true, "ALTER VIEW": true, "ALTER MATVIEW": true,
	"ALTER FOREIGN TABLE": true, "ALTER STATISTICS": true, "COMMENT": true, "GRANT": true, "REVOKE": true, "ALTER DEFAULT PRIVILEGES": true,
	"EXPLAIN": true,
}

// recodes reports whether the command may change what code runs by a name or with a type.
// code tells that there is some in it. Without something that was dropped, another of its
// name is found, which counted before.
func (s *stmt) recodes(code bool) bool {
	return s.keepsCode() && !s.owned && (code || s.awakes || !plainDDL[s.cmd.Verb])
}

// recoded notes a relation that gets a trigger or a rule, and a view that runs code.
func (s *stmt) recoded() {
	var rv *pg_query.RangeVar
	var called []*catalog.Function
	switch x := s.node.GetNode().(type) {
	case *pg_query.Node_CreateTrigStmt:
		rv = x.CreateTrigStmt.Relation
		if parts := stringsOf(x.CreateTrigStmt.Funcname); len(parts) > 0 {
			called = s.cat.Functions("", parts[len(parts)-1])
		}
	case *pg_query.Node_RuleStmt:
		rv = x.RuleStmt.Relation
	case *pg_query.Node_ViewStmt:
		rv = x.ViewStmt.View
	default:
		return
	}
	out := Restated{Name: hoop.QuoteIdent(rv.GetRelname()), Code: true, View: s.node.GetCreateTrigStmt() == nil}
	out.Changed = s.effects(func(in *stmt) {
		for _, f := range called {
			in.effectsOf(f, nil, "function "+hoop.TableName(f.Schema, f.Name))
		}
		if len(called) == 0 {
			in.opaque("code of " + out.Name + " is new")
		}
	})
	if s.node.GetCreateTrigStmt() == nil {
		out.Read = out.Changed
	}
	s.out.Restates = append(s.out.Restates, out)
}

// keepsCode reports whether code of the command may stay: not of one that runs it at once.
func (s *stmt) keepsCode() bool {
	n := s.node
	if x := n.GetExplainStmt(); x != nil {
		n = x.Query
	}
	if c := n.GetCreateTableAsStmt(); c != nil && c.Objtype != pg_query.ObjectType_OBJECT_MATVIEW || n.GetSelectStmt() != nil {
		return false
	}
	return s.cataloging && !strings.HasPrefix(s.cmd.Verb, "DROP ")
}

// plant notes code that the command leaves in something of the session's own.
func (s *stmt) plant() {
	if s.fresh != nil && s.typed() {
		private := s.owned || s.fresh.Relpersistence == "t" || isTempSchema(s.fresh.Schemaname)
		s.plants(private, s.fresh.Schemaname == "" && s.home == "")
		s.out.Recodes = s.out.Recodes || !private
	}
	if !s.keepsCode() {
		return
	}
	if s.configured && !strings.HasSuffix(s.cmd.Verb, "FUNCTION") && !strings.HasSuffix(s.cmd.Verb, "PROCEDURE") {
		s.forbid("set_config is called where it runs later, unseen")
	}
	if !s.opened && !s.planted {
		return
	}
	s.plants(s.owned, false)
	for _, rv := range rangeVarsBelow(s.node) {
		s.plants(rv.Relpersistence == "t" || isTempSchema(rv.Schemaname) || s.maybeOwn(rv), rv.Schemaname == "" && s.home == "")
	}
	for _, name := range typesIn(s.node) {
		rv := rangeVar(name)
		s.plants(isTempSchema(rv.Schemaname) || rv.Schemaname == "" && s.maybeOwn(rv), rv.Schemaname == "")
	}
}

func (s *stmt) plants(private, unplaced bool) {
	s.out.Plants, s.out.PlantsUnplaced = s.out.Plants || private, s.out.PlantsUnplaced || unplaced
}

// typed reports whether what the statement makes may have columns of types of which values run
// code that does more than read.
func (s *stmt) typed() bool {
	return slices.ContainsFunc(hooks(s.cat), func(h *hook) bool {
		return h.ofType() && h.setOff(s.cat, s.values, s.tables, s.anyType || s.cmd.Execute != "")
	})
}

// typesIn gives the names of what a command gives code that is no relation, and of the types for which it does.
func typesIn(n *pg_query.Node) (names [][]*pg_query.Node) {
	var typed func(*pg_query.Node)
	typed = func(n *pg_query.Node) {
		if t := n.GetTypeName(); t != nil {
			names = append(names, t.Names)
		}
		children(n, typed)
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateDomainStmt:
		names = append(names, x.CreateDomainStmt.Domainname)
	case *pg_query.Node_AlterDomainStmt:
		names = append(names, x.AlterDomainStmt.TypeName)
	case *pg_query.Node_DefineStmt:
		names = append(names, x.DefineStmt.Defnames)
	case *pg_query.Node_CreateRangeStmt:
		names = append(names, x.CreateRangeStmt.TypeName)
	case *pg_query.Node_AlterTypeStmt:
		names = append(names, x.AlterTypeStmt.TypeName)
	case *pg_query.Node_CreateCastStmt, *pg_query.Node_CreateTransformStmt, *pg_query.Node_CreateOpClassStmt,
		*pg_query.Node_AlterOpFamilyStmt, *pg_query.Node_AlterOperatorStmt:
		children(n, typed)
	case *pg_query.Node_CreateConversionStmt:
		names = append(names, x.CreateConversionStmt.ConversionName)
	}
	return names
}

// schemaCommand handles DDL and privileges.
func (s *stmt) schemaCommand(n *pg_query.Node) bool {
	return s.createCommand(n) || s.alterCommand(n) || s.roleCommand(n) || s.dropCommand(n)
}

func (s *stmt) createCommand(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateStmt:
		s.createTable(n, x.CreateStmt)
	case *pg_query.Node_CreateTableAsStmt:
		s.createTableAs(x.CreateTableAsStmt)
	case *pg_query.Node_ViewStmt:
		s.createView(x.ViewStmt)
	case *pg_query.Node_IndexStmt:
		if s.own(x.IndexStmt.Relation) {
			s.ownIndex(n, x.IndexStmt)
			break
		}
		s.ddl("CREATE INDEX", s.canonical(x.IndexStmt.Relation)...)
		s.parts(n)
		s.indexed(x.IndexStmt)
		s.rewritten(s.lookup(x.IndexStmt.Relation))
	case *pg_query.Node_CreateSeqStmt:
		s.cmd.Verb = "CREATE SEQUENCE"
		s.newTable(x.CreateSeqStmt.Sequence)
	case *pg_query.Node_CreateSchemaStmt:
		s.ddl("CREATE SCHEMA")
		if x.CreateSchemaStmt.Authrole != nil {
			s.role("", "a schema for another role")
		}
		if s.home = cmp.Or(x.CreateSchemaStmt.Schemaname, x.CreateSchemaStmt.GetAuthrole().GetRolename()); s.home == "" {
			s.forbid("a schema gets the name of the role of the moment, which the text does not say: write its name")
		}
		s.out.Schemas = append(s.out.Schemas, s.home)
		for _, e := range x.CreateSchemaStmt.SchemaElts {
			s.utility(e)
		}
		s.home = ""
		s.cmd.Verb = "CREATE SCHEMA"
	case *pg_query.Node_CompositeTypeStmt, *pg_query.Node_CreateEnumStmt, *pg_query.Node_CreateRangeStmt:
		s.ddl("CREATE TYPE")
		s.makesType(n)
		s.parts(n)
		if x, ok := n.Node.(*pg_query.Node_CreateRangeStmt); ok && mentionsFunction(x.CreateRangeStmt.Params) {
			s.opaque("a range type with functions of its own")
		}
	case *pg_query.Node_CreateDomainStmt:
		s.ddl("CREATE DOMAIN")
		s.makesNamed(x.CreateDomainStmt.Domainname)
		s.parts(n)
	case *pg_query.Node_CreateStatsStmt:
		s.ddl("CREATE STATISTICS")
		s.makesNamed(x.CreateStatsStmt.Defnames)
		s.parts(n)
		s.out.Opaque = true
	case *pg_query.Node_CreateFunctionStmt:
		s.createFunction(x.CreateFunctionStmt)
	case *pg_query.Node_CreateTrigStmt:
		s.code("CREATE TRIGGER", s.canonical(x.CreateTrigStmt.Relation)...)
		s.fired = s.canonical(x.CreateTrigStmt.Relation)
	case *pg_query.Node_RuleStmt:
		s.code("CREATE RULE", s.canonical(x.RuleStmt.Relation)...)
		s.redefines(x.RuleStmt.Relation)
		s.quietly(func() { s.walk(x.RuleStmt.WhereClause, where{}) })
		for _, a := range x.RuleStmt.Actions {
			s.walk(a, where{output: true})
		}
		s.cmd.Verb = "CREATE RULE"
	case *pg_query.Node_CreateEventTrigStmt:
		s.code("CREATE EVENT TRIGGER", "*")
		s.use(hoop.EffectServer, "event triggers see every command")
	case *pg_query.Node_CreateCastStmt:
		s.code("CREATE CAST", "*")
	case *pg_query.Node_CreateConversionStmt:
		s.code("CREATE CONVERSION", "*")
		s.makesNamed(x.CreateConversionStmt.ConversionName)
	case *pg_query.Node_CreateOpClassStmt:
		s.code("CREATE OPERATOR CLASS", "*")
		s.makesNamed(x.CreateOpClassStmt.Opclassname)
	case *pg_query.Node_CreateOpFamilyStmt:
		s.code("CREATE OPERATOR FAMILY", "*")
		s.makesNamed(x.CreateOpFamilyStmt.Opfamilyname)
	case *pg_query.Node_CreateTransformStmt:
		s.code("CREATE TRANSFORM", "*")
	case *pg_query.Node_DefineStmt:
		s.define(x.DefineStmt)
	default:
		return false
	}
	return true
}

// createView: one of the session's own that is followed shows what its query reads, and
// nobody else sees it.
func (s *stmt) createView(x *pg_query.ViewStmt) {
	v := x.View
	switch {
	case s.makesOwn():
		v = &pg_query.RangeVar{Schemaname: catalog.TempSchema, Relname: v.Relname}
	case v.Relpersistence == "t" || isTempSchema(v.Schemaname) || slices.ContainsFunc(rangeVarsBelow(x.Query), s.maybeOwn):
		s.veil(v.Relname) // over what is the session's own, a view is too (DefineView in PostgreSQL's view.c)
	default:
		s.restates(v.Relname, rangeVarsBelow(x.Query)...)
		s.out.Restates[len(s.out.Restates)-1].View = true
		if v.Schemaname == "" && s.home == "" {
			s.out.Renamed = append(s.out.Renamed, hoop.QuoteIdent(v.Relname))
		}
	}
	if s.newTable(v); !s.makesOwn() {
		s.changesCatalog()
	}
	if x.Replace && !s.makesOwn() {
		s.redefines(v)
	}
	s.walk(x.Query, where{output: true})
	s.derive("CREATE VIEW", s.places(v))
	s.cmd.Verb = "CREATE VIEW"
}

// makesType is for CREATE TYPE but of base types.
func (s *stmt) makesType(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CompositeTypeStmt:
		s.makes(x.CompositeTypeStmt.Typevar)
		s.out.Types = s.out.Types || isTempSchema(x.CompositeTypeStmt.Typevar.GetSchemaname())
	case *pg_query.Node_CreateEnumStmt:
		s.makesNamed(x.CreateEnumStmt.TypeName)
	case *pg_query.Node_CreateRangeStmt:
		s.makesNamed(x.CreateRangeStmt.TypeName)
	}
}

func mentionsFunction(list []*pg_query.Node) bool {
	for _, n := range list {
		switch strings.ToLower(n.GetDefElem().GetDefname()) {
		case "canonical", "subtype_diff":
			return true
		}
	}
	return false
}

// define handles CREATE AGGREGATE, OPERATOR, TYPE, COLLATION and TEXT SEARCH.
func (s *stmt) define(d *pg_query.DefineStmt) {
	s.makesNamed(d.Defnames)
	switch d.Kind {
	case pg_query.ObjectType_OBJECT_COLLATION:
		s.ddl("CREATE COLLATION")
	case pg_query.ObjectType_OBJECT_TSCONFIGURATION, pg_query.ObjectType_OBJECT_TSDICTIONARY:
		s.ddl("CREATE TEXT SEARCH")
	default:
		s.code("CREATE "+strings.ReplaceAll(strings.TrimPrefix(d.Kind.String(), "OBJECT_"), "_", " "), "*")
	}
	if d.Replace {
		s.replaces(d.Defnames, -1)
	}
}

func (s *stmt) createTable(n *pg_query.Node, c *pg_query.CreateStmt) {
	s.newTable(c.Relation)
	var others []string
	for _, rv := range rangeVarsBelow(n) {
		if rv == c.Relation || s.makesOwn() && likes(c, rv) {
			continue
		}
		others = append(others, s.canonical(rv)...) // parents, LIKE, references
	}
	if len(others) > 0 {
		s.use(hoop.EffectDDL, "", others...)
	}
	s.bounded(c.Partbound)
	if c.Partbound != nil || len(c.InhRelations) > 0 {
		s.changesCatalog()
		s.joins(c.Relation, c.Partbound == nil)
		for _, n := range c.InhRelations {
			s.restates(c.Relation.GetRelname(), n.GetRangeVar())
		}
	}
	for _, e := range c.TableElts {
		s.likened(e.GetTableLikeClause())
	}
	if c.OfTypename != nil {
		s.walk(&pg_query.Node{Node: &pg_query.Node_TypeName{TypeName: c.OfTypename}}, where{})
	}
	s.quietly(func() {
		for _, list := range [][]*pg_query.Node{c.TableElts, c.Constraints} {
			for _, e := range list {
				s.walkColumns(e)
			}
		}
		if c.Partspec != nil {
			s.walkColumns(&pg_query.Node{Node: &pg_query.Node_PartitionSpec{PartitionSpec: c.Partspec}})
		}
		if c.Partbound != nil {
			s.walkColumns(&pg_query.Node{Node: &pg_query.Node_PartitionBoundSpec{PartitionBoundSpec: c.Partbound}})
		}
	})
	s.cmd.Verb = "CREATE TABLE"
}

// bounded refuses bounds of a partition that are not given: their values stand in the catalog
// then, by which anybody tells them.
func (s *stmt) bounded(b *pg_query.PartitionBoundSpec) {
	for _, n := range slices.Concat(b.GetListdatums(), b.GetLowerdatums(), b.GetUpperdatums()) {
		if n.GetColumnRef() == nil && !s.on.given(n) { // MINVALUE is a name
			s.forbid("a bound of a partition is computed from what is stored")
		}
	}
}

// joins notes that the rows of a table will stand in another, too. No permanent table has partitions that are (MergeAttributes and
// ATExecAttachPartition in PostgreSQL's tablecmds.c), but it may have such children.
func (s *stmt) joins(child *pg_query.RangeVar, inherits bool) {
	s.out.Joins = true
	own := child.GetRelpersistence() == "t" || isTempSchema(child.GetSchemaname()) || s.maybeOwn(child)
	s.out.JoinsOwn = s.out.JoinsOwn || own && inherits
}

// likes reports whether a name is that of a table whose definition LIKE copies: where the
// copy is the session's own, nobody else sees anything of it.
func likes(c *pg_query.CreateStmt, rv *pg_query.RangeVar) bool {
	return slices.ContainsFunc(c.TableElts, func(e *pg_query.Node) bool { return e.GetTableLikeClause().GetRelation() == rv })
}

// likened adds what runs when rows go into a copy of a table's definition: of its defaults,
// checks and indexes nothing is known any more once the copy is there.
func (s *stmt) likened(like *pg_query.TableLikeClause) {
	if like.GetOptions() == 0 {
		return
	}
	before := len(s.builder.uses)
	for _, t := range s.lookup(like.Relation) {
		if t.RunsCode {
			s.made(t, inserts)
		}
	}
	s.planted = s.planted || slices.ContainsFunc(s.builder.uses[before:], func(u *hoop.Use) bool {
		return u.Effect == hoop.EffectUnboundedWrite || u.Effect == hoop.EffectDestroy || u.Effect == hoop.EffectRole
	})
}

// ownIndex is CREATE INDEX on a table of the session's own. What it complains of are
// values of that table.
func (s *stmt) ownIndex(n *pg_query.Node, x *pg_query.IndexStmt) {
	s.cmd.Verb, s.cataloging, s.owned = "CREATE INDEX", true, true
	s.use(hoop.EffectSession, "a temporary object")
	s.ownAltering(x.Relation)
	for _, t := range s.lookup(x.Relation) {
		s.note(t)
	}
	s.parts(n)
}

// walkColumns walks the expressions of column definitions; the relations in them were
// handled.
func (s *stmt) walkColumns(n *pg_query.Node) {
	if n.GetRangeVar() != nil {
		return
	}
	switch n.GetNode().(type) {
	case *pg_query.Node_ColumnDef, *pg_query.Node_Constraint, *pg_query.Node_TableLikeClause:
		if !children(n, s.walkColumns) {
			s.unknown("a part of the statement that is not known")
		}
	default:
		s.walk(n, where{})
	}
}

func rangeVarsBelow(n *pg_query.Node) []*pg_query.RangeVar {
	var out []*pg_query.RangeVar
	var look func(*pg_query.Node)
	look = func(n *pg_query.Node) {
		if rv := n.GetRangeVar(); rv != nil {
			out = append(out, rv)
			return
		}
		children(n, look)
	}
	children(n, look)
	return out
}

func (s *stmt) createTableAs(c *pg_query.CreateTableAsStmt) {
	rel := c.Into.GetRel()
	if rel == nil {
		s.unknown("CREATE TABLE AS without a name")
		return
	}
	s.newTable(rel)
	if e := c.Query.GetExecuteStmt(); e != nil {
		s.execute(e)
		s.derive("CREATE TABLE AS EXECUTE", s.places(rel), "*")
	} else {
		s.walk(c.Query, where{output: true})
		s.derive("CREATE TABLE AS", s.places(rel))
	}
	s.cmd.Verb = "CREATE TABLE AS"
	if c.Objtype == pg_query.ObjectType_OBJECT_MATVIEW {
		s.cmd.Verb = "CREATE MATERIALIZED VIEW"
	}
}

// createFunction: its body is code. In a language of the server's own (C, internal)
// it is the server's.
func (s *stmt) createFunction(c *pg_query.CreateFunctionStmt) {
	verb := "CREATE FUNCTION"
	if c.IsProcedure {
		verb = "CREATE PROCEDURE"
	}
	s.code(verb, "*")
	if s.makesNamed(c.Funcname); c.Replace {
		s.replaces(c.Funcname, len(slices.DeleteFunc(slices.Clone(c.Parameters), func(n *pg_query.Node) bool {
			mode := n.GetFunctionParameter().GetMode()
			return mode == pg_query.FunctionParameterMode_FUNC_PARAM_OUT || mode == pg_query.FunctionParameterMode_FUNC_PARAM_TABLE
		})))
	}
	s.functionOptions(c.Options)
	s.cmd.Verb = verb
}

func (s *stmt) functionOptions(list []*pg_query.Node) {
	for _, o := range list {
		d := o.GetDefElem()
		switch strings.ToLower(d.GetDefname()) {
		case "language":
			switch lang := strings.ToLower(d.Arg.GetString_().GetSval()); lang {
			case "sql", "plpgsql":
			default:
				s.use(hoop.EffectServer, "code in language "+lang)
			}
		case "set":
			if v := d.Arg.GetVariableSetStmt(); v != nil {
				s.set(v)
			}
		case "security":
			if d.Arg.GetBoolean().GetBoolval() {
				s.use(hoop.EffectRole, "SECURITY DEFINER")
			}
		case "support":
			s.use(hoop.EffectServer, "a planner support function")
		}
	}
}
