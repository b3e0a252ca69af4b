package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// A table of the session's own that is not followed may compare whatever comes into it with
// anything, and fail: by constraints, foreign keys, bounds of partitions. So what is copied
// where such a one may be meant exceeds the limit, and what it may refer to when it is made.

// hides reports whether the statement may leave a table of the session's own that is not
// followed.
func (s *stmt) hides() bool {
	if s.known.Local == nil {
		return false // none is followed
	}
	made := func(rv *pg_query.RangeVar) bool {
		return (rv.GetRelpersistence() == "t" || isTempSchema(rv.GetSchemaname())) && !s.makesOwn()
	}
	altered := func(rv *pg_query.RangeVar) bool {
		return slices.ContainsFunc(s.lookup(rv), func(t *catalog.Table) bool { return t.Temporary }) && !(s.followed && s.own(rv))
	}
	switch x := s.node.GetNode().(type) {
	case *pg_query.Node_CreateStmt:
		return made(x.CreateStmt.Relation)
	case *pg_query.Node_CreateTableAsStmt:
		return made(x.CreateTableAsStmt.Into.GetRel())
	case *pg_query.Node_SelectStmt:
		return made(x.SelectStmt.IntoClause.GetRel())
	case *pg_query.Node_AlterTableStmt:
		return altered(x.AlterTableStmt.Relation)
	case *pg_query.Node_RenameStmt:
		return x.RenameStmt.Relation != nil && altered(x.RenameStmt.Relation)
	case *pg_query.Node_IndexStmt:
		return altered(x.IndexStmt.Relation)
	case *pg_query.Node_ExplainStmt, *pg_query.Node_PrepareStmt: // of one that makes a table
		return !s.followed
	}
	return false
}

// hidden adds the looks at what tables may compare that are not followed.
func (s *stmt) hidden() {
	hides := s.hides()
	if hides && s.node.GetCreateTableAsStmt() == nil {
		for _, rv := range rangeVarsBelow(s.node) {
			for _, t := range s.lookup(rv) {
				if t.Temporary {
					s.anyhow(t.Everything(), false)
				}
			}
		}
	}
	if s.out.Hides = s.out.Hides || hides; hides {
		s.out.Hidden = append(s.out.Hidden, s.hiding()...)
	}
	if !slices.ContainsFunc(s.targets, func(rv *pg_query.RangeVar) bool { return rv.GetSchemaname() == "" || isTempSchema(rv.Schemaname) }) {
		return
	}
	for _, u := range s.copying {
		s.anyhow(s.taken(u), !s.out.Hides)
	}
}

// hiding gives the names that tables get which are not followed.
func (s *stmt) hiding() (names []string) {
	if r := s.node.GetRenameStmt(); r != nil {
		return []string{r.Newname}
	}
	for _, rv := range s.targets {
		if rv.GetRelpersistence() == "t" || isTempSchema(rv.GetSchemaname()) {
			names = append(names, rv.Relname)
		}
	}
	return names
}

// anyhow adds a look at what is compared with anything; hidden as in hoop.Look.
func (s *stmt) anyhow(h catalog.Holds, hidden bool) {
	if h.Any {
		h.Columns = append(slices.Clip(h.Columns), hoop.AnyColumn)
	}
	if len(h.Columns) == 0 {
		return
	}
	look := hoop.Look{Columns: h.Columns, Many: true, Hidden: hidden}
	if hidden {
		s.out.Looks = append(s.out.Looks, look)
	} else {
		s.conflicts = append(s.conflicts, look)
	}
}

// taken is what a copy may take.
func (s *stmt) taken(u hoop.Use) catalog.Holds {
	h := catalog.Holds{Columns: u.Columns}
	if len(u.Columns) > 0 {
		return h
	}
	for _, name := range u.Tables {
		named := false
		for t := range s.tables {
			if t.Canonical() == name {
				h.Columns = append(h.Columns, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: "*"})
				named = true
			}
		}
		h.Any = h.Any || !named
	}
	return h
}
