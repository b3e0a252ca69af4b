package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// scope holds the names of common table expressions that are visible (PostgreSQL
// manual, "WITH Queries").
type scope struct {
	parent *scope
	ctes   map[string]*pg_query.CommonTableExpr
}

func (sc *scope) find(name string) *pg_query.CommonTableExpr {
	for ; sc != nil; sc = sc.parent {
		if c, ok := sc.ctes[name]; ok {
			return c
		}
	}
	return nil
}

// relation handles a RangeVar in a place where a CTE may be meant.
func (s *stmt) relation(rv *pg_query.RangeVar, sc *scope) {
	if rv.Schemaname == "" && sc.find(rv.Relname) != nil {
		_, columns, _ := s.itemColumns(&pg_query.Node{Node: &pg_query.Node_RangeVar{RangeVar: rv}}, sc, 0)
		s.names.alias(aliasOf(rv), source{derived: true, columns: columns})
		s.columnAliases(rv.Alias, false)
		return
	}
	found := s.read(rv)
	s.names.alias(aliasOf(rv), source{tables: found, derived: len(found) == 0})
	s.columnAliases(rv.Alias, false)
}

// read mentions a relation that the statement takes data from.
func (s *stmt) read(rv *pg_query.RangeVar) []*catalog.Table {
	var found []*catalog.Table
	s.taking(!s.defining, func() { found = s.mention(rv) })
	return found
}

// taking has what f notes be sources of the statement, and their rows be read where reading
// says so.
func (s *stmt) taking(reading bool, f func()) {
	sourcing, before := s.sourcing, s.reading
	s.sourcing, s.reading = true, reading
	f()
	s.sourcing, s.reading = sourcing, before
}

// defines has names that f walks stand for what is defined or changed. Queries in it read all
// the same.
func (s *stmt) defines(f func()) {
	before := s.defining
	s.defining = true
	f()
	s.defining = before
}

func aliasOf(rv *pg_query.RangeVar) string {
	if rv.Alias != nil && rv.Alias.Aliasname != "" {
		return rv.Alias.Aliasname
	}
	return rv.Relname
}

// mention resolves a relation's name and notes every table it may mean, with its
// partitions and inheritance relatives. The result is what the name itself may mean.
func (s *stmt) mention(rv *pg_query.RangeVar) []*catalog.Table {
	found := s.lookup(rv)
	if len(found) == 0 {
		s.stray, s.lost, s.out.Opaque = true, s.lost || s.reading, true
		s.anyType = s.anyType || s.sourcing // a table of the session's own may have columns of any type
		s.strays = append(s.strays, s.places(rv)...)
		if rv.Schemaname == "" {
			s.strays = append(s.strays, hoop.TableName("pg_temp", rv.Relname))
		}
		s.out.Strays = append(s.out.Strays, hoop.QuoteIdent(rv.Relname))
	}
	for _, t := range found {
		s.note(t)
	}
	return found
}

// lookup finds what a name may mean. Where it has no schema that is every relation of
// the name: the search_path is not trusted.
func (s *stmt) lookup(rv *pg_query.RangeVar) []*catalog.Table {
	return s.cat.Lookup(rv.Schemaname, rv.Relname)
}

// own reports whether a name can mean nothing but a table of the session's own.
func (s *stmt) own(rv *pg_query.RangeVar) bool {
	found := s.lookup(rv)
	return len(found) > 0 && !slices.ContainsFunc(found, func(t *catalog.Table) bool { return !t.Temporary })
}

func isTempSchema(name string) bool {
	return name == "pg_temp" || strings.HasPrefix(name, "pg_temp_") || strings.HasPrefix(name, "pg_toast_temp")
}

// note adds a table and its relatives, and what comes with reading it.
func (s *stmt) note(t *catalog.Table) {
	if s.tables[t] && (!s.sourcing || s.sources[t]) && (!s.reading || s.seen[t]) {
		return
	}
	s.tables[t] = true
	if s.sourcing {
		s.sources[t] = true
	}
	if s.reading {
		s.seen[t] = true
	}
	if t.System {
		s.systemRelation(t)
		return
	}
	if t.Temporary {
		s.holds(t)
		s.uses(t)
		return
	}
	for _, rel := range s.cat.Related(t) {
		s.note(rel)
	}
	if whole := s.cat.PartitionOf(t); whole != nil {
		s.wholes[t.Canonical()] = whole.Canonical()
	}
	if parents := s.cat.Ancestors(t); len(parents) > 0 {
		s.parents[t.Canonical()] = canonicals(parents)
	}
	switch t.Kind {
	case catalog.KindView:
		s.view(t)
	case catalog.KindMatView:
		s.stored(t)
	case catalog.KindForeign, catalog.KindToast:
		s.out.Opaque = true
	}
	if t.RowSecurity {
		s.out.Opaque = true // policies may read other tables
	}
	if t.Schema == "pg_toast" {
		s.out.Opaque = true
	}
}

// holds notes what a table of the session's own holds: as good as reading the tables
// that its values come from.
func (s *stmt) holds(t *catalog.Table) {
	all := t.Everything()
	s.out.Opaque = s.out.Opaque || all.Any
	for _, c := range all.Columns {
		from := s.cat.Base().Lookup(c.Schema, c.Table)
		for _, t := range from {
			s.note(t)
		}
		if len(from) == 0 {
			s.out.Opaque = true // it has another name by now
		}
	}
}

// view notes what a user's view reads and calls.
func (s *stmt) view(v *catalog.Table) {
	s.uses(v)
	for _, oid := range v.Types {
		s.values[oid] = true
	}
	for _, oid := range v.Calls {
		f, ok := s.cat.Function(oid)
		if !ok {
			s.opaque("view " + v.Canonical() + " calls a function that is not known")
			continue
		}
		s.function(f, call{name: f.Name, via: "view " + v.Canonical() + " calls "})
		if f.System && f.Name == "current_setting" {
			s.chosen(v)
		}
	}
}

// chosen notes what decides which rows a view has that reads a setting: the session can
// set that to one value after the other.
func (s *stmt) chosen(v *catalog.Table) {
	columns, known := s.viewColumns(v)[""]
	for _, c := range columns {
		s.decided[c] = true
	}
	for _, oid := range v.Uses {
		if t, ok := s.cat.Table(oid); ok && !known && !t.System {
			s.decided[hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: "*"}] = true
		}
	}
}

// uses notes the tables of the catalog that a view reads.
func (s *stmt) uses(v *catalog.Table) {
	s.out.Opaque = s.out.Opaque || v.Foggy
	for _, oid := range v.Uses {
		if t, ok := s.cat.Table(oid); ok {
			s.note(t)
		} else {
			s.out.Opaque = true
		}
	}
}

// stored notes what a materialized view's rows were made of, when it was refreshed.
// Nothing runs when they are read.
func (s *stmt) stored(v *catalog.Table) {
	s.uses(v)
	for _, oid := range v.Calls {
		if f, ok := s.cat.Function(oid); !ok || !computes(f) {
			s.out.Opaque = true
		}
	}
}

// places are the canonical names that a new object may get: in every schema, where
// the text names none.
func (s *stmt) places(rv *pg_query.RangeVar) []string {
	switch {
	case rv.Relpersistence == "t" || isTempSchema(rv.Schemaname):
		return []string{hoop.TableName("pg_temp", rv.Relname)}
	case rv.Schemaname != "":
		return []string{hoop.TableName(rv.Schemaname, rv.Relname)}
	case s.home != "":
		return []string{hoop.TableName(s.home, rv.Relname)}
	}
	return s.inEverySchema(rv.Relname)
}

func (s *stmt) inEverySchema(name string) []string {
	var out []string
	for _, schema := range s.cat.Schemas() {
		if userSchema(schema) {
			out = append(out, hoop.TableName(schema, name))
		}
	}
	return out
}

// canonical names the tables that rv means; "*" where it is not found, since then any
// table may be.
func (s *stmt) canonical(rv *pg_query.RangeVar) []string {
	if rv == nil {
		return []string{"*"}
	}
	if isTempSchema(rv.Schemaname) && len(s.lookup(rv)) == 0 {
		return []string{hoop.TableName(catalog.TempSchema, rv.Relname)}
	}
	found := s.mention(rv)
	if len(found) == 0 {
		return []string{"*"}
	}
	return s.withRelatives(found)
}

func (s *stmt) withRelatives(found []*catalog.Table) []string {
	var out []string
	for _, t := range found {
		out = append(out, t.Canonical())
		for _, rel := range s.cat.Related(t) {
			out = append(out, rel.Canonical())
		}
	}
	return sortedSet(out)
}

// rangeVar reads the name of an object: [catalog.][schema.]name.
func rangeVar(list []*pg_query.Node) *pg_query.RangeVar {
	parts := stringsOf(list)
	rv := &pg_query.RangeVar{}
	if n := len(parts); n > 0 {
		rv.Relname = parts[n-1]
		if n > 1 {
			rv.Schemaname = parts[n-2]
		}
	}
	return rv
}

func stringsOf(list []*pg_query.Node) []string {
	var out []string
	for _, n := range list {
		if str := n.GetString_(); str != nil {
			out = append(out, str.Sval)
		}
	}
	return out
}

// listOf gives the items of a List node.
func listOf(n *pg_query.Node) []*pg_query.Node { return n.GetList().GetItems() }
