package sqlscan

import (
	"maps"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// called notes a user's function that the statement calls, in its own text or by a
// view. One that only computes, on tables that are known, is what it reads; any other
// is opaque. So is one that keeps what it gets, unless that is in the text.
func (s *stmt) called(f *catalog.Function, by call, why string) {
	s.coded = true
	if s.takes(f); s.unseen {
		s.effectsOf(f, nil, why)
		return
	}
	c := s.on.codeOf(f)
	s.explicit(c, why)
	if by.name = f.Name; c.keeps && len(c.names()) > 0 {
		s.keeps(why + " and")
		s.kept = append(s.kept, keptCall{call: by})
	} else if c.keeps {
		s.keepsArgs(by)
	}
}

// explicit adds code that the statement runs by its text.
func (s *stmt) explicit(c *code, why string) {
	if len(c.seen) > 0 || c.bytes > 0 {
		c.unnamed()
	}
	s.runs(c, why, c.opaque(), true)
}

// anything adds code that runs by the text and may do anything.
func (s *stmt) anything(why string) {
	c := newCode(s.cat)
	c.unreadable()
	s.explicit(c, why)
}

// runs adds code that runs with the statement. opens says that this is effect opaque,
// gives that the statement goes on with what the code gives.
func (s *stmt) runs(c *code, why string, opens, gives bool) {
	if opens {
		s.opaque(why)
	}
	s.out.Opaque = s.out.Opaque || c.reads
	s.identity(c)
	s.keep(c)
	if opens || gives {
		s.ran.add(c)
	}
	s.taking(true, func() {
		for t := range c.sources {
			s.note(t)
			if len(t.Columns) > 0 {
				s.decided[hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: "*"}] = true
			}
		}
	})
}

// implicit adds what code copies, and leaves in the session, that runs though the text does
// not call it; its other effects are those of its statements: see behind. row is the table whose rows it gets, nil for none; into are the tables whose
// rows it makes. What it copies is a derive.
func (s *stmt) implicit(c *code, why string, row *catalog.Table, into ...*catalog.Table) {
	if len(c.seen) > 0 {
		c.unnamed()
	}
	if c.reads || c.writes {
		s.out.Opaque = true
	}
	s.keep(c)
	s.lookedUp(c)
	for t := range c.sources {
		s.note(t)
	}
	places, tables := c.places(), c.names()
	for _, t := range into {
		places = append(places, t.Canonical())
	}
	if len(c.finds) > 0 {
		s.out.Lands = append(s.out.Lands, places...)
	}
	if row != nil {
		tables = append(tables, row.Canonical())
	}
	s.copied(hoop.Use{Why: why, Into: places, Tables: tables, Behind: true})
}

// lookedUp notes the names by which code finds tables that the text does not call.
func (s *stmt) lookedUp(c *code) {
	for name := range c.finds {
		if s.finds == nil {
			s.builder.finds = map[string]bool{}
		}
		s.finds[name] = true
	}
}

// keep notes what code may leave in the session.
func (s *stmt) keep(c *code) {
	// What code writes is not followed: it may be a table or a sequence of the session's own.
	if c.temp || c.writes && len(s.cat.Local()) > 0 {
		s.leavesAny()
	}
	if c.leaves() {
		s.out.Leaves, s.out.Plants, s.out.Recodes = true, true, true
	}
	s.out.Hidden = append(s.out.Hidden, slices.Sorted(maps.Keys(c.hides))...)
	s.out.Schemas = append(s.out.Schemas, slices.Sorted(maps.Keys(c.schemas))...)
	if !s.unseen && !s.foretells {
		for _, name := range slices.Sorted(maps.Keys(c.views)) { // until the catalog shows them
			s.standsFor(name, slices.Collect(maps.Keys(c.sources)))
		}
	}
}

// copied adds a derive where there is something to copy and a place for it.
func (s *stmt) copied(u hoop.Use) {
	if u.Effect = hoop.EffectDerive; len(u.Into) > 0 && len(u.Tables) > 0 {
		s.add(u)
	}
}

// fires adds what a change of a table sets off: triggers, defaults, checks.
func (s *stmt) fires(t *catalog.Table, c change) {
	for _, tr := range t.Triggers {
		if s.concerns(t, tr, events(c)) {
			s.trigger(t, tr)
		}
	}
	if c&(inserts|updates) != 0 {
		s.made(t, c)
	}
	if c&truncates == 0 {
		s.behind("a policy of "+t.Canonical(), true, func(in *stmt) { in.runAll(t.Policies) })
	}
}

// concerns reports whether a trigger fires for a change: UPDATE OF only where the command
// sets one of the columns, or one that is generated may change with those.
func (s *stmt) concerns(t *catalog.Table, tr catalog.Trigger, by catalog.Event) bool {
	if tr.On&by != catalog.OnUpdate || len(tr.Columns) == 0 || s.assigned == nil {
		return tr.On&by != 0
	}
	return slices.ContainsFunc(tr.Columns, func(name string) bool {
		col, ok := t.Column(name)
		return !ok || col.Generated || s.assigned[name]
	})
}

// made adds what runs when rows of a table are made. Defaults are for new rows, and where
// they are asked for.
func (s *stmt) made(t *catalog.Table, c change) {
	fresh := c&inserts != 0 || s.resets
	var run, numbering []uint32
	for _, oid := range t.Values {
		if f, ok := s.cat.Function(oid); fresh || !ok || f.Volatility == catalog.Immutable {
			run = append(run, oid)
		}
	}
	if fresh {
		numbering = t.Sequences
	}
	s.behind("a default or a generated column of "+t.Canonical(), true, func(in *stmt) { in.runAll(run) })
	s.checked(t)
	rows := s.beneath(t)
	for _, oid := range numbering {
		u := hoop.Use{Effect: hoop.EffectDerive, Why: "a number of a sequence", Into: canonicals(rows), Exact: true}
		if seq, ok := s.cat.Table(oid); ok {
			u.Tables = []string{seq.Canonical()}
		} else {
			u.Why, u.Exact, u.Tables = "a number of a sequence that is not known", false, []string{sequences}
		}
		if oid == 0 {
			u.Tables = append(u.Tables, canonicals(allSequences(s.cat))...)
		}
		for _, name := range u.Tables {
			s.reads[name] = true
		}
		s.add(u)
	}
	if len(run) > 0 {
		values := newCode(s.cat)
		values.functions(run)
		s.implicit(values, "a default or a generated column", nil, rows...)
	}
	s.checks(t)
}

// sequences stands for those that are not known: another session's own, say.
const sequences = "pg_catalog.pg_sequences"

// beneath gives a table, or a view with all that rows put into it may go to.
func (s *stmt) beneath(t *catalog.Table) []*catalog.Table {
	all := []*catalog.Table{t}
	for i := 0; i < len(all); i++ {
		if all[i].Kind != catalog.KindView {
			continue
		}
		for _, oid := range all[i].Uses {
			if used, ok := s.cat.Table(oid); ok && !used.System && !slices.Contains(all, used) {
				all = append(all, used)
			}
		}
	}
	return all
}

// checked adds the effects of constraints, indexes and domains.
func (s *stmt) checked(t *catalog.Table) {
	s.behind("a check of "+t.Canonical(), true, func(in *stmt) {
		in.runAll(t.Checks)
		for _, col := range t.Columns {
			in.runAll(s.cat.TypeCode(col.Type))
		}
	})
	s.out.Defers = s.out.Defers || t.Defers && t.RunsCode
}

// checks adds what is copied by the code of constraints, indexes, policies and domains.
func (s *stmt) checks(t *catalog.Table) {
	c := newCode(s.cat)
	c.functions(t.Checks)
	c.functions(t.Policies)
	for _, col := range t.Columns {
		c.functions(s.cat.TypeCode(col.Type))
	}
	s.implicit(c, "a constraint, an index or a policy", t)
}

func events(c change) catalog.Event {
	var e catalog.Event
	for _, x := range [...]struct {
		change change
		event  catalog.Event
	}{{inserts, catalog.OnInsert}, {updates, catalog.OnUpdate}, {deletes, catalog.OnDelete}, {truncates, catalog.OnTruncate}} {
		if c&x.change != 0 {
			e |= x.event
		}
	}
	return e
}

func (s *stmt) trigger(t *catalog.Table, tr catalog.Trigger) {
	s.out.Defers = s.out.Defers || tr.Defers
	s.behind("trigger "+tr.Name+" of "+t.Canonical(), tr.EachRow || len(tr.Moved) > 0, func(in *stmt) {
		in.values[t.RowType] = true
		in.runAll(tr.Calls)
		if f, ok := s.cat.Function(tr.Function); ok {
			in.effectsOf(f, tr.Moved, "function "+hoop.TableName(f.Schema, f.Name))
		} else {
			in.opaque("a function that is not known")
		}
	})
	c := newCode(s.cat)
	c.functions([]uint32{tr.Function})
	c.functions(tr.Calls)
	f, ok := s.cat.Function(tr.Function)
	if !tr.Rewrites || ok && trusted(f) {
		s.implicit(c, "trigger "+tr.Name, t)
		return
	}
	if ok && !c.opaque() && len(c.sources) == 0 {
		if columns, simple := simpleTrigger(f); simple {
			for _, column := range columns {
				s.decided[hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: column}] = true
			}
			s.implicit(c, "trigger "+tr.Name, nil, t)
			return
		}
	}
	s.implicit(c, "trigger "+tr.Name, t, t)
}

// flushCode tells what the code of the statement copies: into what it writes, and into
// what the statement does with its results.
func (s *stmt) flushCode() {
	s.unnamed()
	if s.cataloging || s.alerted {
		events := newCode(s.cat)
		events.functions(s.cat.EventTriggers())
		s.implicit(events, "an event trigger", nil)
	}
	sources := s.ran.names()
	s.copied(hoop.Use{Why: "values from code", Into: s.changed, Tables: sources})
	s.copied(hoop.Use{Why: "code that writes", Into: s.ran.places(), Tables: slices.Concat(sources, s.origins(), s.changed)})
	for _, l := range s.out.Left {
		if u, ok := l.copies(s.codes(), s.found(s.tableNames()), s.changed); ok && !oneName(slices.Concat(u.Tables, u.Into)) {
			s.add(u)
		}
	}
}

// codes reports whether the statement may run users' code, or reach what no catalog shows.
func (s *stmt) codes() bool {
	return s.coded || s.stray || (s.opened || s.out.Opaque) && !s.leaving || converts(s.cat) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(s.values)), func(oid uint32) bool { return len(s.cat.TypeCode(oid)) > 0 })
}

// converts reports whether users' code that can be replaced casts values, or compares them.
func converts(cat *catalog.Snapshot) bool {
	written := func(oid uint32) bool {
		f, ok := cat.Function(oid)
		return !ok || !f.System && !supplied(f)
	}
	for _, functions := range cat.Comparisons {
		if slices.ContainsFunc(functions, written) {
			return true
		}
	}
	return slices.ContainsFunc(cat.Casts(), func(c catalog.Cast) bool { return c.Function != 0 && written(c.Function) })
}

// mentions reports whether the text names a user's type.
func (s *stmt) mentions(oid uint32) bool {
	t := s.cat.Type(oid)
	return t != nil && oid >= firstUserOID && s.types[t.Name]
}

// firstUserOID is FirstNormalObjectId of PostgreSQL's access/transam.h.
const firstUserOID = 16384

// occurs reports whether values of a type can be in the statement.
func (s *stmt) occurs(oid uint32) bool {
	return s.mentions(oid) || occurs(s.cat, oid, s.values, s.tables)
}

// occurs reports whether values of a type can be where values of types and of tables
// are: PostgreSQL's own can be anywhere. Values of another type are compared as such where an
// implicit cast without a function makes them the same (IsBinaryCoercible in parse_coerce.c).
func occurs(cat *catalog.Snapshot, oid uint32, types map[uint32]bool, tables map[*catalog.Table]bool) bool {
	return present(cat, oid, types, tables) || slices.ContainsFunc(cat.Casts(), func(c catalog.Cast) bool {
		return c.Target == oid && c.Function == 0 && c.Implicit && present(cat, c.Source, types, tables)
	})
}

func present(cat *catalog.Snapshot, oid uint32, types map[uint32]bool, tables map[*catalog.Table]bool) bool {
	if oid < firstUserOID {
		return true
	}
	seen := map[uint32]bool{}
	for typ := range types {
		if holds(cat.Type(typ), oid, seen) {
			return true
		}
	}
	name := ""
	if t := cat.Type(oid); t != nil {
		name = t.Name
	}
	for t := range tables {
		if t.Canonical() == name {
			return true // a whole row
		}
		for _, col := range t.Columns {
			if holds(cat.Type(col.Type), oid, seen) {
				return true
			}
		}
	}
	return false
}

// holds reports whether values of type t have values of another in them.
func holds(t *hoop.Type, oid uint32, seen map[uint32]bool) bool {
	if t == nil || seen[t.OID] {
		return false
	}
	if t.OID == oid {
		return true
	}
	seen[t.OID] = true
	if holds(t.Elem, oid, seen) {
		return true
	}
	for _, f := range t.Fields {
		if holds(f, oid, seen) {
			return true
		}
	}
	return false
}
