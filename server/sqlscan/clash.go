package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// What is written into a column is known to whoever writes it: sorted or joined with, it
// tells the others. And where a constraint or a unique index compares it with what is
// stored, whether the statement fails tells as much as a search.

// writeRows notes what rows that are written have in the columns named, in their order; without
// rows it is not known.
func (s *stmt) writeRows(t *catalog.Table, names []string, rows [][]*pg_query.Node) {
	for i, name := range names {
		all := hoop.Look{Columns: []hoop.ColumnRef{{Schema: t.Schema, Table: t.Name, Column: name}}, Wrote: true, Many: rows == nil}
		for _, row := range rows {
			if i >= len(row) || row[i].GetSetToDefault() != nil {
				continue
			}
			one := hoop.Look{Columns: all.Columns, Wrote: true}
			if s.value(&one, row[i], name); one.Together && !one.Many {
				s.wrote = append(s.wrote, one)
				continue
			}
			all.Operands, all.Many = append(all.Operands, one.Operands...), all.Many || one.Many
		}
		if all.Many || len(all.Operands) > 0 {
			s.wrote = append(s.wrote, all)
		}
	}
}

// value reads what an expression gives the column called name: one value that the text
// has, put together where it is computed, or any number.
func (s *stmt) value(look *hoop.Look, n *pg_query.Node, name string) {
	l := s.reader()
	if op, ok := l.operand(n); ok {
		look.Operands = []hoop.Operand{op}
		return
	}
	all := l.parts(n, false)
	if len(all.read) > 0 || n == nil || slices.ContainsFunc(all.refs, func(c *pg_query.ColumnRef) bool { u, ok := nameOf(c); return !ok || u.name != name }) {
		look.Many = true
		return
	}
	if len(all.refs) > 0 {
		return // it is made of what was stored
	}
	var gather func(n *pg_query.Node)
	gather = func(n *pg_query.Node) {
		if op, ok := l.operand(n); ok {
			look.Operands = append(look.Operands, op)
			return
		}
		if n.GetSelectStmt() != nil || n.GetFuncCall() != nil && slices.ContainsFunc(s.cat.Functions("", lastOf(n.GetFuncCall().Funcname)), func(f *catalog.Function) bool { return f.Set }) {
			look.Many = true
		}
		look.Many = look.Many || !children(n, gather)
	}
	gather(n)
	look.Together = true
}

// reader is a looker that reads expressions, and looks at nothing.
func (s *stmt) reader() *looker {
	if s.given == nil {
		s.given = s.newLooker()
	}
	return s.given
}

// filling is what a statement has for the columns that it writes.
type filling struct {
	names   []string
	rows    [][]*pg_query.Node // what goes into them, in their order
	unknown bool               // there are others
}

// fills adds to a clash what goes into those of its columns that are compared.
func (s *stmt) fills(f filling, c *clash, compared func(column string) bool) {
	for i, name := range f.names {
		if !compared(name) {
			continue
		}
		c.unknown = c.unknown || f.unknown
		for _, row := range f.rows {
			if i >= len(row) {
				continue
			}
			if _, plain := s.reader().operand(row[i]); !plain {
				c.exprs = append(c.exprs, row[i])
			}
		}
	}
}

// clash is a place where a table compares what is written with what it holds.
type clash struct {
	look    hoop.Look
	columns []hoop.ColumnRef // of tables
	exprs   []*pg_query.Node // what is written there
	unknown bool             // it may be anything that the statement reads
}

// clashes notes on which columns a change of the tables can fail: of the columns in set,
// of all where it is nil. A table of the session's own may compute with a setting, so that a
// row that has not changed can fail.
func (s *stmt) clashes(tables []*catalog.Table, set []string, f filling) {
	for _, t := range tables {
		for _, t := range append(s.cat.Related(t), t) {
			for _, columns := range t.Clashes {
				touched := func(c hoop.ColumnRef) bool {
					return set == nil || t.Temporary || c.Schema == t.Schema && c.Table == t.Name && slices.Contains(set, c.Column)
				}
				if slices.ContainsFunc(columns, touched) {
					c := clash{look: hoop.Look{Fails: true, Errs: t.Temporary}, columns: columns}
					s.fills(f, &c, func(column string) bool {
						return slices.ContainsFunc(columns, func(c hoop.ColumnRef) bool { return c.Column == column })
					})
					s.clashing = append(s.clashing, c)
				}
			}
		}
	}
}

// ownAltering notes that a table of the session's own compares the rows that it has.
func (s *stmt) ownAltering(rv *pg_query.RangeVar) {
	for _, t := range s.cat.After(s.cmd.Local).Lookup(rv.GetSchemaname(), rv.GetRelname()) {
		for _, columns := range t.Clashes {
			s.clashing = append(s.clashing, clash{look: hoop.Look{Fails: true, Errs: true}, columns: columns})
		}
	}
}

// clashed adds the looks at what is compared, now that it is known what names mean and
// what tables of the session's own hold.
func (s *stmt) clashed() {
	after := s.cat.After(s.cmd.Local)
	for _, c := range s.clashing {
		r := s.newResolver()
		for _, e := range c.exprs {
			r.within(e)
		}
		if c.unknown {
			r.everything()
		}
		for _, ref := range c.columns {
			r.held(after, ref)
		}
		if c.look.Columns = r.columns(); len(c.look.Columns) == 0 {
			continue
		}
		if c.look.Fails {
			s.wrote = append(s.wrote, c.look)
		} else {
			s.conflicts = append(s.conflicts, c.look)
		}
	}
}

// held adds a column of a table, or what one of the session's own holds there.
func (r *resolver) held(cat *catalog.Snapshot, c hoop.ColumnRef) {
	if c.Schema != catalog.TempSchema {
		r.out[c] = true
		return
	}
	for _, t := range cat.Lookup(c.Schema, c.Table) {
		r.holding(t.Held(c.Column))
	}
}

// holding adds what a place of a table of the session's own holds.
func (r *resolver) holding(h catalog.Holds) {
	for _, from := range h.Columns {
		r.out[from] = true
	}
	if h.Any {
		r.out[hoop.AnyColumn] = true
	}
}

// columnNames are those of a table, in order.
func columnNames(t *catalog.Table) (names []string) {
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

// inserted notes what an INSERT writes, and what ON CONFLICT compares of it.
func (s *stmt) inserted(q *pg_query.InsertStmt, sc *scope) {
	for _, t := range s.lookup(q.Relation) {
		f := filling{names: columnNames(t)}
		if len(q.Cols) > 0 {
			f.names = nil
			for _, n := range q.Cols {
				f.names = append(f.names, n.GetResTarget().GetName())
			}
		}
		before := len(s.wrote)
		if src := q.SelectStmt.GetSelectStmt(); src != nil { // else DEFAULT VALUES
			f.rows, f.unknown = s.filledBy(src, sc)
			rows := f.rows
			if len(src.ValuesLists) == 0 && (len(src.FromClause) > 0 || src.Larg != nil || src.WithClause != nil) {
				rows = nil // any number
			}
			s.writeRows(t, f.names, rows)
		}
		if q.OnConflictClause != nil {
			s.arbitrated(t, q.OnConflictClause.Infer, s.wrote[before:], f)
		}
		s.clashes([]*catalog.Table{t}, nil, f)
	}
}

// filledBy gives the rows of expressions that a query has in its columns; unknown says that
// it may have others.
func (s *stmt) filledBy(q *pg_query.SelectStmt, sc *scope) (rows [][]*pg_query.Node, unknown bool) {
	for _, leaf := range branches(q) {
		for _, list := range leaf.GetValuesLists() { // maybe many thousands
			rows = append(rows, listOf(list))
		}
		if len(leaf.GetValuesLists()) > 0 {
			continue
		}
		cells, ok := s.rowsOf(leaf, sc, 0)
		for _, row := range cells {
			exprs := make([]*pg_query.Node, len(row))
			for i, c := range row {
				u, named := nameOf(c.expr.GetColumnRef())
				exprs[i], ok = c.expr, ok && !(named && u.name == "*")
			}
			rows = append(rows, exprs)
		}
		unknown = unknown || !ok || stars(leaf) && q.WithClause != nil
	}
	return rows, unknown
}

// stars reports whether a query shows all columns of something.
func stars(q *pg_query.SelectStmt) bool {
	return slices.ContainsFunc(q.TargetList, func(n *pg_query.Node) bool {
		u, ok := nameOf(n.GetResTarget().GetVal().GetColumnRef())
		return ok && u.name == "*"
	})
}

// arbitrated notes that ON CONFLICT compares what is written with what is stored, in the
// columns that it names, else in all that have to be unique.
func (s *stmt) arbitrated(t *catalog.Table, arbiter *pg_query.InferClause, wrote []hoop.Look, f filling) {
	var named []string
	for _, n := range arbiter.GetIndexElems() {
		if named = append(named, n.GetIndexElem().GetName()); n.GetIndexElem().GetName() == "" {
			named = nil
			break
		}
	}
	compares := func(column string) bool {
		c := hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: column}
		unique := slices.ContainsFunc(t.Clashes, func(clash []hoop.ColumnRef) bool { return slices.Contains(clash, c) })
		return unique && (named == nil || slices.Contains(named, column))
	}
	for _, look := range wrote {
		if compares(look.Columns[0].Column) {
			columns := look.Columns
			look.Wrote, look.Exact, look.Columns = false, !look.Many && !look.Together, nil
			s.clashing = append(s.clashing, clash{look: look, columns: columns})
		}
	}
	// What is copied is compared with what others, or the same, have put there.
	copied := clash{look: hoop.Look{Many: true}}
	s.fills(f, &copied, compares)
	s.clashing = append(s.clashing, copied)
}

// writeSet notes what SET writes.
func (s *stmt) writeSet(rv *pg_query.RangeVar, list []*pg_query.Node) {
	tables := s.lookup(rv)
	var set []string
	var vals []*pg_query.Node
	several := false // values of one expression
	for _, n := range list {
		rt := n.GetResTarget()
		set = append(set, rt.GetName())
		vals = append(vals, rt.GetVal())
		rows := [][]*pg_query.Node{{rt.GetVal()}}
		if rt.GetVal().GetMultiAssignRef() != nil || len(rt.GetIndirection()) > 0 {
			rows, several = nil, true
		}
		for _, t := range tables {
			s.writeRows(t, []string{rt.GetName()}, rows)
		}
	}
	s.clashes(tables, set, filling{set, [][]*pg_query.Node{vals}, several})
}

// loaded notes what COPY or MERGE writes into the columns named, into all where none is;
// copies says that it may be what the statement reads.
func (s *stmt) loaded(rv *pg_query.RangeVar, names []string, copies bool) {
	for _, t := range s.lookup(rv) {
		into := names
		if len(into) == 0 {
			into = columnNames(t)
		}
		s.writeRows(t, into, nil)
		s.clashes([]*catalog.Table{t}, nil, filling{names: into, unknown: copies})
	}
}

// deleted notes that rows which others refer to cannot go.
func (s *stmt) deleted(rv *pg_query.RangeVar) {
	for _, t := range s.lookup(rv) {
		for _, clash := range t.Clashes {
			if slices.ContainsFunc(clash, func(c hoop.ColumnRef) bool { return c.Schema != t.Schema || c.Table != t.Name }) {
				s.wrote = append(s.wrote, hoop.Look{Columns: clash, Fails: true})
			}
		}
	}
}
