package catalog

import (
	"context"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// keys finds what makes rows of a table unique: valid unique indexes on plain columns,
// without a condition, checked at once. An index with another operator class than the
// type's own, or another collation than the column's, may call other values equal than = does.
func (l *loader) keys(ctx context.Context) error {
	var rel uint32
	var cols []string
	return l.each(ctx, `select i.indrelid, array(select a.attname::text
				from pg_catalog.unnest(i.indkey) with ordinality k(num, ord)
				join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num
				where k.ord <= i.indnkeyatts order by k.ord)
		from pg_catalog.pg_index i
		where i.indexrelid >= 16384 and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
			and not exists (select from pg_catalog.unnest(i.indclass) c join pg_catalog.pg_opclass o on o.oid = c where not o.opcdefault)
			and not exists (select from rows from (pg_catalog.unnest(i.indkey), pg_catalog.unnest(i.indcollation)) k(num, coll)
				join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num where k.coll <> a.attcollation)
		order by i.indrelid, i.indexrelid`,
		[]any{&rel, &cols}, func() {
			if t, ok := l.snap.tables[rel]; ok && len(cols) > 0 {
				t.Keys = append(t.Keys, cols)
			}
			cols = nil
		})
}

// clashes finds what a change of a table may fail on: the columns of its constraints and
// unique indexes, in expressions and conditions too, and those that foreign keys join.
func (l *loader) clashes(ctx context.Context) error {
	var rel, of, at uint32
	var column string
	var last uint32
	var clash []hoop.ColumnRef
	tables := map[uint32]bool{}
	end := func() {
		for oid := range tables {
			t := l.snap.tables[oid]
			t.Clashes = append(t.Clashes, slices.Clone(clash))
		}
		clear(tables)
		clash = nil
	}
	err := l.each(ctx, `with k as (
			select 'pg_catalog.pg_constraint'::regclass as class, oid, conrelid as rel from pg_catalog.pg_constraint
				where conrelid >= 16384 and contype in ('u', 'x', 'p', 'c', 'f')
			union all select 'pg_catalog.pg_class'::regclass, indexrelid, indrelid from pg_catalog.pg_index
				where indrelid >= 16384 and (indisunique or indisexclusion))
		select k.oid, k.rel, d.refobjid, a.attname::text from k
			join pg_catalog.pg_depend d on d.classid = k.class and d.objid = k.oid and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0
			join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
		order by k.rel, k.oid, d.refobjid, d.refobjsubid`,
		[]any{&of, &rel, &at, &column}, func() {
			if of != last {
				end()
				last = of
			}
			for _, oid := range []uint32{at, rel} {
				if _, ok := l.snap.tables[oid]; ok {
					tables[oid] = true
				}
			}
			if t, ok := l.snap.tables[at]; ok {
				if c := (hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: column}); !slices.Contains(clash, c) {
					clash = append(clash, c)
				}
			}
		})
	end()
	return err
}
