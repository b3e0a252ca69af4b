package postgres

import (
	"slices"
	"strconv"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// maxLocal is how many tables of its own a session may have that are followed.
const maxLocal = 200

// overlay is the session's own tables, as far as its texts tell of them. It has each
// table that there may be, since a name means all of its name; so what is dropped or
// rolled back stays until it is known for sure that it is gone. It is guarded by
// conn.mu.
type overlay struct {
	tables  []*local
	version int64             // counts what became of tables
	grew    int64             // counts what there may be besides
	mixed   int64             // counts columns that got anything besides values of other tables
	snap    *catalog.Snapshot // with tables; nil where it is to be made

	settled int64 // last batch after which no transaction was open
	broken  int64 // last batch that failed, or had a ROLLBACK
}

// local is a table of the session's own.
type local struct {
	table *catalog.Table
	seen  *catalog.Snapshot // of a view: the catalog that it is known to be the same in
	batch int64
	by    *catalog.Change // first change of the command: its tables are alternatives
	maybe bool            // there may have been one before, which stays
	brief bool            // gone when no transaction is open
	made  bool            // the target has said so
	kept  bool            // and committed it
}

// on gives base with the session's own tables.
func (o *overlay) on(base *catalog.Snapshot) *catalog.Snapshot {
	if len(o.tables) == 0 {
		return base
	}
	if o.snap == nil || o.snap.Base() != base {
		o.verify(base)
		o.snap = base.With(strconv.FormatInt(o.version, 10), o.list())
	}
	return o.snap
}

func (o *overlay) list() []*catalog.Table {
	tables := make([]*catalog.Table, len(o.tables))
	for i, l := range o.tables {
		tables[i] = l.table
	}
	return tables
}

// verify has views show anything whose tables are defined otherwise in base than in the
// catalog that they were followed with: a column of theirs may go by another name.
func (o *overlay) verify(base *catalog.Snapshot) {
	for _, l := range o.tables {
		if l.table.Kind != catalog.KindView || l.seen == base {
			continue
		}
		if !catalog.SameUses(l.seen, base, l.table) {
			l.table = l.table.Unproven()
			o.grew++
			o.version++
		}
		l.seen = base
	}
	o.follow()
}

// follow has views show what the tables hold by now that they are over.
func (o *overlay) follow() {
	tables := o.list()
	changed := catalog.Follow(tables)
	for _, i := range changed {
		o.tables[i].table = tables[i]
	}
	if len(changed) > 0 {
		o.grew++
		o.changed()
	}
}

func (o *overlay) changed() {
	o.version++
	o.snap = nil
}

// forwarded notes what commands of e make of the session's own tables: those of m,
// which e runs (outer is -1), or which its command outer runs by name. It reports whether
// all of it can be followed: nothing can unless the catalog shows what they are made of,
// which settled says.
func (o *overlay) forwarded(e *expected, outer int, m *meaning, settled bool) bool {
	followed := true
	for i, cmd := range m.analysis.Commands {
		switch cmd.Tx {
		case sqlscan.TxRollback, sqlscan.TxRollbackTo, sqlscan.TxPrepare:
			o.broken = e.batch
		}
		at := i
		if outer >= 0 {
			at = outer
		}
		followed = followed && (settled || len(cmd.Local) == 0)
		for _, c := range cmd.Local {
			if c.Made == nil {
				o.grow(c.Grown)
				continue
			}
			if len(o.tables) >= maxLocal {
				return false
			}
			l := &local{table: c.Made, batch: e.batch, by: &cmd.Local[0], maybe: c.Maybe, brief: c.Brief}
			if c.Made.Kind == catalog.KindView {
				l.seen = e.run.by.snap.Base()
			}
			o.make(e, at, l)
		}
	}
	o.follow()
	return followed
}

func (o *overlay) make(e *expected, at int, l *local) {
	o.tables = append(o.tables, l)
	o.grew++
	o.changed()
	e.settles = append(e.settles, settling{at, func(ok bool) {
		if l.made = ok; !ok {
			o.remove(func(x *local) bool { return x == l })
		}
	}})
}

func (o *overlay) grow(delta *catalog.Table) {
	for _, l := range o.tables {
		if l.table.Name != delta.Name {
			continue
		}
		was, more, mixed := l.table, false, false
		if l.table, more, mixed = was.Grow(delta); l.table != was {
			o.changed()
		}
		if more {
			o.grew++
		}
		if mixed {
			o.mixed++
		}
	}
}

func (o *overlay) remove(gone func(*local) bool) {
	n := len(o.tables)
	if o.tables = slices.DeleteFunc(o.tables, gone); len(o.tables) != n {
		o.changed()
	}
}

// failed notes that e failed.
func (o *overlay) failed(e *expected) { o.broken = max(o.broken, e.batch) }

// ready notes that no transaction is open after e. What was made in one that certainly
// committed takes the place of what had its name before: there is one table of a name.
func (o *overlay) ready(e *expected) {
	committed := o.broken <= o.settled
	o.settled = e.batch
	if len(o.tables) == 0 {
		return
	}
	o.remove(func(l *local) bool { return l.brief && l.batch <= e.batch })
	for i := 0; i < len(o.tables); i++ {
		l := o.tables[i]
		if !l.made || l.kept || l.batch > e.batch {
			continue
		}
		if l.kept = true; !committed || l.maybe {
			continue
		}
		before := slices.DeleteFunc(slices.Clone(o.tables[:i]), func(x *local) bool { return x.by == l.by && x.batch == l.batch })
		o.remove(func(x *local) bool { return x.table.Name == l.table.Name && slices.Contains(before, x) })
		i = slices.Index(o.tables, l)
	}
}

// discarded notes that the tables made up to e are gone for good.
func (o *overlay) discarded(e *expected) {
	o.remove(func(l *local) bool { return l.batch <= e.batch })
}
