package catalog

import (
	"context"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// loose finds what calls texts equal that differ: collations that are not deterministic, types
// that are not PostgreSQL's own (citext), what is made of such, and columns of these.
func (l *loader) loose(ctx context.Context) error {
	var oid uint32
	var name string
	collations := map[uint32]bool{}
	if err := l.each(ctx, `select oid, collname::text from pg_catalog.pg_collation where not collisdeterministic`, []any{&oid, &name}, func() {
		collations[oid], l.snap.loose[name] = true, true
	}); err != nil {
		return err
	}
	if len(collations) > 0 {
		var num int16
		if err := l.each(ctx, `select a.attrelid, a.attnum from pg_catalog.pg_attribute a join pg_catalog.pg_collation k on k.oid = a.attcollation
			where not k.collisdeterministic and a.attnum > 0 and not a.attisdropped`, []any{&oid, &num}, func() {
			if t, ok := l.snap.tables[oid]; ok {
				for i := range t.Columns {
					t.Columns[i].Loose = t.Columns[i].Loose || t.Columns[i].Attr == num
				}
			}
		}); err != nil {
			return err
		}
	}
	types := map[uint32]bool{}
	for oid, r := range l.raw {
		if collations[r.collation] {
			l.snap.collating[oid] = true
		}
		types[oid] = collations[r.collation] || oid >= firstUserOID && kindOf(r) == hoop.TypeBase
	}
	for grown := true; grown; {
		grown = false
		for oid, r := range l.raw {
			if !types[oid] && (types[r.elem] || types[r.base] || types[r.subtype] || types[r.rangeOfMult] || l.looseRow(r, types)) {
				types[oid], grown = true, true
			}
		}
	}
	for oid, r := range l.raw {
		if types[oid] {
			l.snap.loose[r.name] = true
		}
	}
	for _, t := range l.snap.tables {
		for i := range t.Columns {
			t.Columns[i].Loose = t.Columns[i].Loose || types[t.Columns[i].Type]
		}
	}
	return nil
}

// looseRow reports whether a type is one of rows with a column that is compared loosely.
func (l *loader) looseRow(r *rawType, types map[uint32]bool) bool {
	if t, ok := l.snap.tables[r.rel]; ok {
		for _, c := range t.Columns {
			if c.Loose || types[c.Type] {
				return true
			}
		}
	}
	return false
}
