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

// clashes notes on which columns a change of the tables can fail: of the columns in set,
// of all where it is nil.
func (s *stmt) clashes(tables []*catalog.Table, set []string) {
	for _, t := range tables {
		for _, t := range append(s.cat.Related(t), t) {
			for _, clash := range t.Clashes {
				touched := func(c hoop.ColumnRef) bool {
					return set == nil || c.Schema == t.Schema && c.Table == t.Name && slices.Contains(set, c.Column)
				}
				if slices.ContainsFunc(clash, touched) {
					s.wrote = append(s.wrote, hoop.Look{Columns: clash, Fails: true})
				}
			}
		}
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
func (s *stmt) inserted(q *pg_query.InsertStmt) {
	for _, t := range s.lookup(q.Relation) {
		names := columnNames(t)
		if len(q.Cols) > 0 {
			names = nil
			for _, n := range q.Cols {
				names = append(names, n.GetResTarget().GetName())
			}
		}
		before := len(s.wrote)
		switch src := q.SelectStmt.GetSelectStmt(); {
		case src == nil: // DEFAULT VALUES
		case len(src.ValuesLists) > 0:
			var rows [][]*pg_query.Node
			for _, row := range src.ValuesLists {
				rows = append(rows, listOf(row))
			}
			s.writeRows(t, names, rows)
		case len(src.FromClause) == 0 && src.Larg == nil && src.WithClause == nil:
			var exprs []*pg_query.Node
			for _, rt := range src.TargetList {
				exprs = append(exprs, rt.GetResTarget().GetVal())
			}
			s.writeRows(t, names, [][]*pg_query.Node{exprs})
		default:
			s.writeRows(t, names, nil)
		}
		if q.OnConflictClause != nil {
			s.arbitrated(t, q.OnConflictClause.Infer, s.wrote[before:])
		}
		s.clashes([]*catalog.Table{t}, nil)
	}
}

// arbitrated notes that ON CONFLICT compares what is written with what is stored, in the
// columns that it names, else in all that have to be unique.
func (s *stmt) arbitrated(t *catalog.Table, arbiter *pg_query.InferClause, wrote []hoop.Look) {
	var named []string
	for _, n := range arbiter.GetIndexElems() {
		if named = append(named, n.GetIndexElem().GetName()); n.GetIndexElem().GetName() == "" {
			named = nil
			break
		}
	}
	for _, look := range wrote {
		c := look.Columns[0]
		unique := slices.ContainsFunc(t.Clashes, func(clash []hoop.ColumnRef) bool { return slices.Contains(clash, c) })
		if !unique || named != nil && !slices.Contains(named, c.Column) {
			continue
		}
		look.Wrote, look.Exact = false, !look.Many && !look.Together
		s.conflicts = append(s.conflicts, look)
	}
}

// writeSet notes what SET writes.
func (s *stmt) writeSet(rv *pg_query.RangeVar, list []*pg_query.Node) {
	tables := s.lookup(rv)
	var set []string
	for _, n := range list {
		rt := n.GetResTarget()
		set = append(set, rt.GetName())
		rows := [][]*pg_query.Node{{rt.GetVal()}}
		if rt.GetVal().GetMultiAssignRef() != nil || len(rt.GetIndirection()) > 0 {
			rows = nil
		}
		for _, t := range tables {
			s.writeRows(t, []string{rt.GetName()}, rows)
		}
	}
	s.clashes(tables, set)
}

// loaded notes what COPY or MERGE writes into the columns named, into all where none is.
func (s *stmt) loaded(rv *pg_query.RangeVar, names []string) {
	for _, t := range s.lookup(rv) {
		into := names
		if len(into) == 0 {
			into = columnNames(t)
		}
		s.writeRows(t, into, nil)
		s.clashes([]*catalog.Table{t}, nil)
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
