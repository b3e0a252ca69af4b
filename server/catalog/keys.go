package catalog

import "context"

// keys finds what makes rows of a table unique: valid unique indexes on plain columns,
// without a condition, checked at once. An index with another operator class than the
// type's own may call other values equal than = does.
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
		order by i.indrelid, i.indexrelid`,
		[]any{&rel, &cols}, func() {
			if t, ok := l.snap.tables[rel]; ok && len(cols) > 0 {
				t.Keys = append(t.Keys, cols)
			}
			cols = nil
		})
}
