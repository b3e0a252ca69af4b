package postgres

import (
	"encoding/binary"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/session"
)

// description: RowDescription or NoData, the answer to Describe or the beginning of a
// result of a Query message.
func (a *answerer) description(e *expected, kind byte, m []byte) error {
	if e.kind != 'D' {
		if kind == 'n' || e.run == nil || e.kind != 'Q' {
			return a.fault("message of type %q while an answer to %q is due", kind, e.kind)
		}
		if err := a.describes(e, m); err != nil {
			return err
		}
		return a.prepare(e, m[headerSize:])
	}
	if e.portal != nil && kind == 'T' {
		e.portal.fields = append([]byte(nil), m[headerSize:]...)
	}
	switch {
	case e.injected, e.ahead && kind == 'n':
		a.drop(len(m))
	case kind == 'n':
		a.relayed(len(m))
	default:
		if err := a.describes(e, m); err != nil {
			return err
		}
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.popLocked()
	return nil
}

// describes relays a RowDescription: as it is, unless code that nobody has read may have
// put a value into it.
func (a *answerer) describes(e *expected, m []byte) error {
	if !a.sess.Rules().Everything() {
		a.relayed(len(m))
		return nil
	}
	out, err := anonymous(nil, m, a.ownNames(e))
	if err != nil {
		return a.fault("RowDescription: %v", err)
	}
	a.drop(len(m))
	a.win = append(a.win, out...)
	return nil
}

// prepare finds out how rows that look like fields are masked.
func (a *answerer) prepare(e *expected, fields []byte) error {
	r := e.run
	r.planned, r.plan, r.columns = true, nil, nil
	if !r.masks {
		return nil
	}
	snap, err := a.cat.Snapshot(a.ctx)
	if err != nil {
		return err
	}
	cols, err := columns(fields, snap)
	if own := r.by.own; err == nil && own != nil {
		before := cols
		if cols, err = columns(fields, own.snap); err == nil {
			renamed(cols, before)
		}
		if own.others.Version == snap.Version { // else what is computed was judged by what is past
			snap = own.snap
		}
	}
	if err != nil {
		return a.fault("RowDescription: %v", err)
	}
	a.derive(e, cols, snap)
	a.unproven(r, cols)
	r.columns = cols
	if plan := r.run.Plan(cols); !plan.Clear() {
		r.plan = plan
		a.tellPlan(e)
	}
	return nil
}

// renamed adds to columns the names that they go by for everybody else: rules may know them
// by these.
func renamed(cols, before []hoop.Column) {
	for i, b := range before {
		if !b.Proven {
			continue
		}
		for _, o := range b.Origins {
			if !slices.Contains(cols[i].Origins, o) {
				cols[i].Origins = append(slices.Clip(cols[i].Origins), o)
			}
		}
		for _, o := range b.From {
			if !slices.Contains(cols[i].From, o) {
				cols[i].From = append(slices.Clip(cols[i].From), o)
			}
		}
	}
}

// unproven takes back what is proven of columns while the catalog does not show which
// tables have got rows of which others.
func (a *answerer) unproven(r *running, cols []hoop.Column) {
	a.conn.mu.Lock()
	joined := a.joined && r.by.own == nil || a.adopted >= 0
	a.conn.mu.Unlock()
	if !joined {
		return
	}
	for i := range cols {
		cols[i].Proven, cols[i].Derived, cols[i].Origins, cols[i].From = false, false, nil, nil
	}
}

// masked reports whether the rows of the current statement must be masked, and fails
// where that is not known.
func (a *answerer) masked() (bool, error) {
	if a.rows != nil {
		_, err := a.renewed(a.rows.run)
		return a.rows.run.plan != nil, err
	}
	e := a.head()
	if e == nil || e.run == nil || e.kind != 'Q' && e.kind != 'E' {
		return false, a.fault("a row that was not asked for")
	}
	a.answers(e)
	r := e.run
	if _, err := a.renewed(r); err != nil {
		return false, err
	}
	if !r.planned && e.portal != nil && (e.portal.fields != nil || !r.masks) {
		if err := a.prepare(e, e.portal.fields); err != nil {
			return false, err
		}
	}
	if !r.planned && r.masks {
		return false, a.fault("a row without a description")
	}
	a.rows = e
	return r.plan != nil, nil
}

// dataRow: 2B n + n values of 4B length + bytes. It is relayed as it is unless a
// column is masked.
func (a *answerer) dataRow(m []byte) error {
	if a.rows == nil {
		if e := a.head(); e != nil && e.looks != nil {
			return a.looks(e, 'D', m)
		}
	}
	masked, err := a.masked()
	if err != nil {
		return err
	}
	if a.rows.unconverted {
		a.drop(len(m))
		return nil
	}
	if err := a.run.row(); err != nil {
		return err
	}
	if !masked {
		if failed, err := a.convert(a.rows, m); failed || err != nil {
			a.drop(len(m))
			return err
		}
		a.run.gave(len(m))
		a.relayed(len(m))
		return nil
	}
	row, changed, err := maskRow(a.row[:0], m[headerSize:], a.run)
	if err != nil {
		return a.fault("DataRow: %v", err)
	}
	if err := a.run.run.Touched(); err != nil {
		return err
	}
	a.drop(len(m))
	if failed, err := a.convert(a.rows, row); failed || err != nil {
		return err
	}
	a.run.res.Masked += changed
	a.run.gave(len(row))
	if len(a.win)+len(row) > cap(a.win) && cap(a.win) <= keptSize {
		a.win = append(window(), a.win...) // it is going to be a long answer
	}
	a.win = append(a.win, row...)
	a.row = row
	return nil
}

// maskRow appends the message with its values masked.
func maskRow(dst, body []byte, r *running) (out []byte, changed int64, err error) {
	dst, start := begin(dst, 'D')
	if dst, changed, err = maskValues(dst, body, r); err != nil {
		return nil, 0, err
	}
	return end(dst, start), changed, nil
}

// maskValues appends 2B n + n values, masked.
func maskValues(dst, body []byte, r *running) (out []byte, changed int64, err error) {
	f := fields{b: body}
	n := int(f.uint16())
	if n != len(r.plan.Columns) || f.err != nil {
		return nil, 0, errMalformed
	}
	dst = append(dst, body[:2]...)
	for _, t := range r.plan.Columns {
		rest := f.b
		value := f.value()
		if f.err != nil {
			return nil, 0, f.err
		}
		if t == nil {
			dst = append(dst, rest[:len(rest)-len(f.b)]...)
			continue
		}
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		var null, c bool
		if dst, null, c = t.Append(dst, value); c {
			changed++
		}
		if null {
			dst = append(dst[:at], 0xff, 0xff, 0xff, 0xff)
			continue
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, changed, f.done()
}

// columns reads a RowDescription: 2B n + n of name + 4B table + 2B attribute + 4B type +
// 2B size + 4B modifier + 2B format.
func columns(body []byte, snap *catalog.Snapshot) ([]hoop.Column, error) {
	f := fields{b: body}
	n := int(f.uint16())
	if n > len(body)/19+1 {
		return nil, errMalformed
	}
	cols := make([]hoop.Column, 0, n)
	for range n {
		col := hoop.Column{Name: string(f.cstring())}
		table, attr, typ := f.uint32(), int16(f.uint16()), f.uint32()
		f.uint16()
		mod, format := int32(f.uint32()), f.uint16()
		if f.err != nil {
			return nil, f.err
		}
		col.Binary = format == 1
		col.Type = typeOf(snap, typ, mod)
		if col.Origins, col.Proven = origins(snap, table, attr); col.Proven {
			col.From = generatedFrom(snap, table, col.Origins)
			col.Plain = len(col.From) == 0
			col.Type = declared(snap, table, attr, col.Type)
		}
		cols = append(cols, col)
	}
	return cols, f.done()
}

// generatedFrom gives what generated columns among those of a table and its relatives
// are computed from.
func generatedFrom(snap *catalog.Snapshot, oid uint32, origins []hoop.ColumnRef) []hoop.ColumnRef {
	t, ok := snap.Table(oid)
	if !ok {
		return nil
	}
	var refs []hoop.ColumnRef
	for _, t := range append(snap.Related(t), t) {
		for _, col := range t.Columns {
			if col.Generated && slices.Contains(origins, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: col.Name}) {
				for _, from := range col.From {
					refs = append(refs, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: from})
				}
			}
		}
	}
	return refs
}

// declared is the type of a table's column: where that is a domain, or holds one, the
// target describes it by its base.
func declared(snap *catalog.Snapshot, table uint32, attr int16, described *hoop.Type) *hoop.Type {
	t, _ := snap.Table(table)
	for _, col := range t.Columns {
		if col.Attr == attr && col.Type != described.OID && snap.Type(col.Type) != nil {
			return typeOf(snap, col.Type, col.Mod)
		}
	}
	return described
}

func typeOf(snap *catalog.Snapshot, oid uint32, mod int32) *hoop.Type {
	t := snap.Type(oid)
	if t == nil {
		return &hoop.Type{OID: oid, Kind: hoop.TypeUnknown, Mod: mod}
	}
	if mod == -1 || mod == t.Mod {
		return t
	}
	own := *t
	own.Mod = mod
	return &own
}

// System catalogs that hold values of users' tables.
const (
	oidStatistic        = 2619 // pg_statistic
	oidStatisticExtData = 3429 // pg_statistic_ext_data
	oidLargeObject      = 2613 // pg_largeobject
	oidLargeObjectMeta  = 2995 // pg_largeobject_metadata: the numbers are for their makers to choose
	oidAttribute        = 1249 // pg_attribute, of which one column does
)

// origins proves where a column's values come from: the table that the target names,
// and its partitions and inheritance relatives, whose rows it may show.
func origins(snap *catalog.Snapshot, oid uint32, attr int16) ([]hoop.ColumnRef, bool) {
	t, ok := snap.Table(oid)
	if !ok || attr <= 0 || t.Kind != catalog.KindOrdinary && t.Kind != catalog.KindPartitioned {
		return nil, false
	}
	switch oid {
	case oidStatistic, oidStatisticExtData, oidLargeObject, oidLargeObjectMeta:
		return nil, false
	}
	var refs []hoop.ColumnRef
	for _, col := range t.Columns {
		if col.Attr != attr {
			continue
		}
		if oid == oidAttribute && col.Name == "attmissingval" { // a default, once it is computed
			return nil, false
		}
		refs = append(refs, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: col.Name})
		for _, rel := range snap.Related(t) {
			if _, ok := rel.Column(col.Name); ok {
				refs = append(refs, hoop.ColumnRef{Schema: rel.Schema, Table: rel.Name, Column: col.Name})
			}
		}
	}
	return refs, len(refs) > 0
}

// session gives the session's view of the statement that the window answers.
func (a *answerer) session() *session.Run {
	switch {
	case a.denied != nil:
		return a.denied
	case a.run == nil:
		return nil
	}
	return a.run.run
}
