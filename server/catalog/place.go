package catalog

import "github.com/hoopctl/hoopctl/pkg/hoop"

// Place finds a column by its name.
func (s *Snapshot) Place(c hoop.ColumnRef) (p hoop.ColumnID, ok bool) {
	for _, t := range s.Base().Lookup(c.Schema, c.Table) {
		if col, ok := t.Column(c.Column); ok {
			return hoop.ColumnID{Table: t.OID, Attr: col.Attr}, true
		}
	}
	return p, false
}

// Named gives the name of the column at a place.
func (s *Snapshot) Named(p hoop.ColumnID) (c hoop.ColumnRef, ok bool) {
	t, ok := s.Base().Table(p.Table)
	if !ok {
		return c, false
	}
	for _, col := range t.Columns {
		if col.Attr == p.Attr {
			return hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: col.Name}, true
		}
	}
	return c, false
}
