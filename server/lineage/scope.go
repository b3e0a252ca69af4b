package lineage

import (
	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// scope is a query level while it is analysed: the ParseState of PostgreSQL's
// parse_node.h.
type scope struct {
	parent  *scope
	items   []item
	ctes    map[string]*cte
	windows map[string]*pg_query.WindowDef

	building bool // FROM is being read: items are seen by lateral neighbours only
	lateral  bool // and such a one is being read now

	decide flow // what decides rows
	mult   flow // see relation
	cuts   flow // see relation
	listed flow // of that, by functions that do not stand in FROM
	folds  bool // an aggregate makes one row of all, or of each group
	keyed  bool // conditions that compare stored values for equality decide nothing
}

// item is a name in FROM: the ParseNamespaceItem of PostgreSQL's parse_node.h.
type item struct {
	name   string // "" where it has none
	schema string // of a table that goes by its own name; "" for any
	real   bool   // a table that goes by its own name: schema.name finds it
	rel    *relation
	hidden bool // its columns are seen with their qualifier only
	silent bool // it cannot be named
}

// visible gives the names that a reference at this moment can mean in the level itself.
func (s *scope) visible() []item {
	if s.building && !s.lateral {
		return nil
	}
	return s.items
}

// add takes a relation into account that the rows of the level are made of.
func (s *scope) add(r *relation) {
	s.decide, s.mult, s.cuts = s.decide.and(r.decide), s.mult.times(r.mult), s.cuts.times(r.cuts)
}

// multiply notes a function that gives rows.
func (s *scope) multiply(by flow) { s.mult, s.listed = s.mult.times(by), s.listed.times(by) }

// columnRef finds what a reference derives from; false where PostgreSQL would find
// nothing either, as far as is known.
func (a *analysis) columnRef(c *pg_query.ColumnRef, s *scope) (flow, bool) {
	var parts []string
	star := false
	for _, f := range c.Fields {
		switch {
		case f.GetAStar() != nil:
			star = true
		case f.GetString_() != nil && !star:
			parts = append(parts, f.GetString_().Sval)
		default:
			return unknown, false
		}
	}
	if star {
		var all flow
		rels, ok := starred(parts, s)
		for _, r := range rels {
			all = all.and(r.whole())
		}
		if !ok {
			return unknown, false
		}
		return all, true
	}
	switch n := len(parts); n {
	case 0:
		return unknown, false
	case 1:
		return bare(parts[0], s)
	case 2:
		return a.qualified(parts[0], parts[1], s)
	default:
		return a.inSchema(parts[n-3], parts[n-2], parts[n-1], s)
	}
}

// bare resolves a name that stands alone: a column, innermost level first, or a whole
// row.
func bare(name string, s *scope) (flow, bool) {
	var seen []flow
	for at := s; at != nil; at = at.parent {
		f, got := at.column(name)
		if got == sure {
			return oneOf(append(seen, f)), true
		}
		if got == maybe {
			seen = append(seen, f)
		}
	}
	for at := s; at != nil; at = at.parent {
		for _, it := range at.visible() {
			if it.name == name && !it.silent {
				return oneOf(append(seen, it.rel.row())), true
			}
		}
	}
	if len(seen) == 0 {
		return unknown, false
	}
	return oneOf(seen), true
}

// oneOf is a value that is one of several, it is not known which.
func oneOf(flows []flow) flow {
	f := flows[0]
	for _, g := range flows[1:] {
		f = f.or(g)
	}
	return f
}

// column finds a column by its bare name in one level. Where a relation has it for
// sure no other one does: PostgreSQL would call the name ambiguous.
func (s *scope) column(name string) (flow, found) {
	var certain, loose []flow
	for _, it := range s.visible() {
		if it.hidden {
			continue
		}
		switch f, got := it.rel.lookup(name); got {
		case sure:
			certain = append(certain, f)
		case maybe:
			loose = append(loose, f)
		}
	}
	if len(certain) > 0 {
		return oneOf(certain), sure
	}
	if len(loose) > 0 {
		return oneOf(loose), maybe
	}
	return flow{}, none
}

// qualified resolves alias.name: a column, or a function of the row.
func (a *analysis) qualified(alias, name string, s *scope) (flow, bool) {
	for at := s; at != nil; at = at.parent {
		var got []flow
		for _, it := range at.visible() {
			if it.name != alias || it.silent {
				continue
			}
			f, how := it.rel.lookup(name)
			if how != sure && a.callable(name) {
				f = f.and(it.rel.whole())
				f = f.and(a.fieldFunction(name, f, s, at.aggregate()))
			} else if how == none {
				f = unknown
			}
			got = append(got, f)
		}
		if len(got) > 0 {
			return oneOf(got), true
		}
	}
	return unknown, false
}

// callable reports whether row.name may be name(row): PostgreSQL manual, "Using
// Composite Types in Queries".
func (a *analysis) callable(name string) bool { return len(a.cat.Functions("", name)) > 0 }

// fieldFunction is what the function adds to what its argument derives from, where it stands
// at level s; rows are what an aggregate there derives from.
func (a *analysis) fieldFunction(name string, arg flow, s *scope, rows flow) flow {
	call := &pg_query.FuncCall{Funcname: []*pg_query.Node{pg_query.MakeStrNode(name)}}
	aggregate, set := a.kindsOf(name)
	if set {
		s.multiply(arg.computed())
	}
	if !sqlscan.Computes(a.cat, call) {
		s.decide.unknown = s.decide.unknown || set
		return unknown
	}
	if aggregate {
		return rows
	}
	return flow{}
}

// inSchema resolves schema.table.name. Which of the tables of a name is meant is not
// known, so those of outer levels count too.
func (a *analysis) inSchema(schema, table, name string, s *scope) (flow, bool) {
	var got []flow
	for at := s; at != nil; at = at.parent {
		for _, it := range at.visible() {
			if it.name != table || it.silent || !it.real || it.schema != "" && it.schema != schema {
				continue
			}
			f, how := it.rel.lookup(name)
			if how == none || how == maybe && a.callable(name) {
				f = unknown // a function of the row
			}
			got = append(got, f)
		}
	}
	if len(got) == 0 {
		return unknown, false
	}
	return oneOf(got), true
}

// starred gives the relations whose columns * or alias.* stands for, in order; false
// where that is not known.
func starred(parts []string, s *scope) ([]*relation, bool) {
	var out []*relation
	if len(parts) == 0 {
		for _, it := range s.visible() {
			if !it.hidden {
				out = append(out, it.rel)
			}
		}
		return out, len(out) > 0
	}
	schema, table := "", parts[len(parts)-1]
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	for at := s; at != nil; at = at.parent {
		for _, it := range at.visible() {
			if it.name == table && !it.silent && (schema == "" || it.real && (it.schema == "" || it.schema == schema)) {
				out = append(out, it.rel)
			}
		}
		if len(out) > 0 && schema == "" {
			break
		}
	}
	return out, len(out) == 1
}
