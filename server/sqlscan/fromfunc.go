package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// rangeFunction notes the names that functions in FROM give their columns: in an alias, in
// definitions of columns, by the function's own name.
func (s *stmt) rangeFunction(rf *pg_query.RangeFunction) {
	f := fromFunction{stmt: s, given: s.on.given(rf.Functions...)}
	defs, single := rf.Coldeflist, len(rf.Functions) == 1
	var called []string
	for _, item := range rf.Functions {
		parts := listOf(item)
		if len(parts) == 0 {
			continue
		}
		f.exprs, f.rows = append(f.exprs, parts[0]), f.rows || s.makesRows(parts[0])
		for _, more := range parts[1:] {
			defs = append(slices.Clip(defs), listOf(more)...)
		}
		if name := lastOf(parts[0].GetFuncCall().GetFuncname()); name != "" {
			called = append(called, name)
		}
	}
	s.names.rows, s.names.splitting = true, s.split(rf)
	for _, c := range defs {
		f.name(c.GetColumnDef().GetColname())
	}
	if a := rf.Alias; a != nil {
		s.names.alias(a.Aliasname, source{derived: true, given: f.given})
		for _, c := range stringsOf(a.GetColnames()) {
			s.names.renamed[a.Aliasname] = true
			f.name(c)
		}
		f.name(a.Aliasname)
	}
	for _, name := range called {
		s.names.alias(name, source{derived: true, given: f.given})
		f.name(name)
	}
	if c := s.names.splitting; c != nil && called[0] != "unnest" {
		f.name("key") // of json_each
		f.name("value")
	} else if f.given || f.rows && (c == nil || !s.arrayOfRows(c)) || single && (len(defs) > 0 || s.scalar(f.exprs)) {
		// Rows that are made of a column exceed the limit of it, whatever names they have.
	} else { // they may have columns that nothing names
		s.names.derived[anyName] = append(s.names.derived[anyName], f.exprs...)
	}
	s.names.splitting = nil
	if rf.Ordinality {
		s.loosens("ordinality", true)
	}
}

// arrayOfRows reports whether a column may be an array whose elements have columns of names of
// their own.
func (s *stmt) arrayOfRows(c *pg_query.ColumnRef) bool {
	u, _ := nameOf(c)
	for t := range s.tables {
		if col, ok := t.Column(u.name); ok {
			typ := s.cat.Type(col.Type)
			if typ != nil && typ.Kind == hoop.TypeArray && (typ.Elem == nil || typ.Elem.Kind == hoop.TypeComposite) {
				return true
			}
		}
	}
	return false
}

// fromFunction is functions in FROM while their names are noted.
type fromFunction struct {
	*stmt
	exprs []*pg_query.Node
	given bool // they have nothing but what the text and the parameters say
	rows  bool // they may make more than one row
}

// name notes a name that one of their columns has. Of those that make no rows it is known
// what stands behind it: what they compute.
func (f *fromFunction) name(name string) {
	if f.rows {
		f.loosens(name, f.given)
		return
	}
	f.loose(name, f.given)
	f.names.listed[name], f.names.more[name] = append(f.names.listed[name], f.exprs...), true
	f.names.derived[name] = append(f.names.derived[name], f.exprs...) // by the alias of a join, too
}

// makesRows reports whether an expression in FROM may give several rows.
func (s *stmt) makesRows(n *pg_query.Node) bool {
	f := n.GetFuncCall()
	if f == nil {
		return false // COALESCE, CAST and the like
	}
	found := s.cat.Functions("", lastOf(f.Funcname))
	return len(found) == 0 || slices.ContainsFunc(found, func(fn *catalog.Function) bool { return fn.Set })
}

// scalar reports whether what a function in FROM gives is certainly no row, which has columns
// of names of its own.
func (s *stmt) scalar(exprs []*pg_query.Node) bool {
	if len(exprs) != 1 || exprs[0].GetFuncCall() == nil {
		return false
	}
	found := s.cat.Functions("", lastOf(exprs[0].GetFuncCall().Funcname))
	return len(found) > 0 && !slices.ContainsFunc(found, func(fn *catalog.Function) bool {
		t := s.cat.Type(fn.Returns)
		return len(fn.OutTypes) > 0 || t == nil || t.Kind != hoop.TypeBase && t.Kind != hoop.TypeEnum && t.Kind != hoop.TypeArray
	})
}

// gathers reports whether n is an aggregate in column notation: t.count is count(t), where t
// has no such column (PostgreSQL manual, "Using Composite Types in Queries").
func (s *stmt) gathers(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		u, ok := nameOf(x.ColumnRef)
		return ok && u.qualifier != "" && isAggregate(s.cat, u.name) && !s.hasColumn(u)
	case *pg_query.Node_AIndirection:
		return slices.ContainsFunc(stringsOf(x.AIndirection.Indirection), func(name string) bool { return isAggregate(s.cat, name) })
	}
	return false
}

// hasColumn reports whether a qualified name is a column for sure, as isColumn does, or one of a
// query in FROM.
func (s *stmt) hasColumn(u usedName) bool {
	sources := s.names.aliases[u.qualifier]
	for _, src := range sources {
		if src.derived && !slices.Contains(src.columns, u.name) {
			return false
		}
		for _, t := range src.tables {
			if _, ok := t.Column(u.name); !ok {
				return false
			}
		}
	}
	return len(sources) > 0
}

// isAggregate reports whether an aggregate has the name.
func isAggregate(cat *catalog.Snapshot, name string) bool {
	return slices.ContainsFunc(cat.Functions("", name), func(fn *catalog.Function) bool { return fn.Kind == 'a' })
}
