package catalog

import (
	"context"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// rawType is a row of pg_type, before types are tied together.
type rawType struct {
	ns, elem, rel, base  uint32
	collation            uint32 // 0 where its values have none
	name, typ            string
	length               int16
	mod                  int32
	subtype, rangeOfMult uint32   // of a range; of a multirange
	checked              bool     // a domain with a check of its own
	ends                 []string // of an enum: its first and its last value
}

func (l *loader) types(ctx context.Context) error {
	l.raw = map[uint32]*rawType{}
	var oid uint32
	var r rawType
	err := l.each(ctx, `select t.oid, t.typnamespace, t.typname::text, t.typtype::text, t.typlen, t.typelem, t.typrelid, t.typbasetype, t.typtypmod, t.typcollation,
			coalesce(r.rngsubtype, 0)::oid,
			exists(select from pg_catalog.pg_constraint c where c.contypid = t.oid and c.contype = 'c') from pg_catalog.pg_type t left join pg_catalog.pg_range r on r.rngtypid = t.oid`,
		[]any{&oid, &r.ns, &r.name, &r.typ, &r.length, &r.elem, &r.rel, &r.base, &r.mod, &r.collation, &r.subtype, &r.checked}, func() {
			if _, ok := l.schema[r.ns]; !ok {
				return
			}
			c := r
			l.raw[oid] = &c
			if oid >= firstUserOID && r.rel == 0 { // row types of tables run no code
				ut := UserType{Schema: l.schema[r.ns], Kind: kindOf(&r), OID: oid}
				ut.RunsCode = ut.Kind == hoop.TypeBase
				l.snap.userTypes[r.name] = append(l.snap.userTypes[r.name], ut)
			}
		})
	if err != nil {
		return err
	}
	var label string
	err = l.each(ctx, `select enumtypid, enumlabel::text from pg_catalog.pg_enum order by enumtypid, enumsortorder`, []any{&oid, &label}, func() {
		if r, ok := l.raw[oid]; ok {
			r.ends = append(r.ends[:min(1, len(r.ends))], label)
			if len(r.ends) == 1 {
				r.ends = append(r.ends, label)
			}
		}
	})
	if err != nil {
		return err
	}
	if l.snap.Server >= 140000 { // multiranges
		var multi, rng uint32
		err := l.each(ctx, `select rngmultitypid, rngtypid from pg_catalog.pg_range`, []any{&multi, &rng}, func() {
			if m, ok := l.raw[multi]; ok {
				m.rangeOfMult = rng
			}
		})
		if err != nil {
			return err
		}
	}
	for oid := range l.raw {
		l.typeOf(oid)
	}
	return nil
}

// typeOf builds the type and what it is made of. A type is entered before its parts
// are, so a composite that contains an array of itself is a cycle and no loop.
func (l *loader) typeOf(oid uint32) *hoop.Type {
	if t, ok := l.snap.types[oid]; ok {
		return t
	}
	r, ok := l.raw[oid]
	if !ok {
		return &hoop.Type{OID: oid, Kind: hoop.TypeUnknown, Mod: -1}
	}
	t := &hoop.Type{OID: oid, Name: l.typeName(r), Mod: -1}
	l.snap.types[oid] = t
	t.Kind = kindOf(r)
	switch t.Kind {
	case hoop.TypeArray:
		t.Elem = l.typeOf(r.elem)
	case hoop.TypeComposite:
		if rel, ok := l.snap.tables[r.rel]; ok {
			for _, c := range rel.Columns {
				t.Fields = append(t.Fields, l.field(c))
			}
		}
	case hoop.TypeDomain:
		t.Elem, t.Mod, t.Unchecked = l.typeOf(r.base), r.mod, !r.checked
	case hoop.TypeEnum:
		t.Ends = r.ends
	case hoop.TypeRange:
		t.Elem = l.typeOf(r.subtype)
	case hoop.TypeMultirange:
		t.Elem = l.typeOf(r.rangeOfMult)
	}
	return t
}

// field is a composite's field: its type with the modifier of the column.
func (l *loader) field(c Column) *hoop.Type {
	t := l.typeOf(c.Type)
	if c.Mod == -1 {
		return t
	}
	with := *t
	with.Mod = c.Mod
	return &with
}

func (l *loader) typeName(r *rawType) string {
	if schema := l.schema[r.ns]; schema != "pg_catalog" {
		return hoop.TableName(schema, r.name)
	}
	return r.name
}

// kindOf reads pg_type.typtype; a base type of variable length with elements is an
// array.
func kindOf(r *rawType) hoop.TypeKind {
	switch r.typ {
	case "b":
		if r.elem != 0 && r.length == -1 {
			return hoop.TypeArray
		}
		return hoop.TypeBase
	case "c":
		return hoop.TypeComposite
	case "d":
		return hoop.TypeDomain
	case "e":
		return hoop.TypeEnum
	case "r":
		return hoop.TypeRange
	case "m":
		return hoop.TypeMultirange
	case "p":
		return hoop.TypePseudo
	}
	return hoop.TypeUnknown
}
