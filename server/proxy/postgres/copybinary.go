package postgres

import (
	"bytes"
	"cmp"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// copied gives the columns that COPY of a table writes, in their order; nil where it is
// not certain which table that is, or what its columns are.
func copied(c *pg_query.CopyStmt, snap *catalog.Snapshot) []hoop.Column {
	rv := c.GetRelation()
	if rv == nil {
		return nil
	}
	found := snap.Lookup(rv.GetSchemaname(), rv.GetRelname())
	if len(found) != 1 || found[0].Kind != catalog.KindOrdinary {
		return nil
	}
	t := found[0]
	var cols []hoop.Column
	for _, col := range listed(t, c.GetAttlist()) {
		if col == nil || snap.Type(col.Type) == nil {
			return nil
		}
		cols = append(cols, hoop.Column{
			Name: col.Name, Type: typeOf(snap, col.Type, col.Mod), Binary: true, Proven: true, Plain: true,
			Origins: []hoop.ColumnRef{{Schema: t.Schema, Table: t.Name, Column: col.Name}},
		})
	}
	return cols
}

// listed gives the columns of a list, nil for those that the table does not have; without
// a list those that are not generated, in the order of their numbers.
func listed(t *catalog.Table, list []*pg_query.Node) []*catalog.Column {
	var cols []*catalog.Column
	for _, n := range list {
		col, _ := t.Column(n.GetString_().GetSval())
		cols = append(cols, col)
	}
	if len(list) > 0 {
		return cols
	}
	for i := range t.Columns {
		if col := &t.Columns[i]; !col.Generated {
			cols = append(cols, col)
		}
	}
	slices.SortFunc(cols, func(a, b *catalog.Column) int { return cmp.Compare(a.Attr, b.Attr) })
	return cols
}

// copySignature begins COPY data in binary format (manual, "COPY", "Binary Format"):
// signature + 4B flags + 4B length + as many bytes.
var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

// binaryRow appends the data of one CopyData message of COPY TO in binary format with its
// values masked: a row as in DataRow or 2B -1 at the end, behind the header in the first
// one.
func (r *running) binaryRow(dst, data []byte) (out []byte, changed int64, err error) {
	if !r.headed {
		rest, ok := bytes.CutPrefix(data, copySignature)
		if !ok {
			return dst, 0, errMalformed
		}
		f := fields{b: rest}
		f.uint32()
		f.value()
		if f.err != nil {
			return dst, 0, f.err
		}
		r.headed = true
		dst, data = append(dst, data[:len(data)-len(f.b)]...), f.b
	}
	if len(data) == 0 || bytes.Equal(data, []byte{0xff, 0xff}) {
		return append(dst, data...), 0, nil
	}
	return maskValues(dst, data, r)
}
