package sqlscan

import (
	"slices"
	"strconv"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A set operation, and VALUES of several rows, put rows of several origins under the names
// that the first one gives: what decides by such a name is told apart from the others' rows.

// pile is what stands in one place of all branches. In a pile of any place it is not known
// which branch's column is where.
type pile struct {
	name     string // of the column; "": not known
	any      bool
	exprs    []*pg_query.Node
	branches int
}

// piled is an expression that goes by a name in a pile.
type piled struct {
	name string
	expr *pg_query.Node
}

// cell is a column of a branch.
type cell struct {
	name string
	expr *pg_query.Node
}

// stack notes what a set operation puts under one name.
func (s *stmt) stack(q *pg_query.SelectStmt, sc *scope) {
	rows, known := s.stacked(q, sc)
	known = known && len(rows) > 0 && !slices.ContainsFunc(rows, func(r []cell) bool { return len(r) != len(rows[0]) })
	if !known {
		p := pile{any: true, branches: len(rows)}
		for _, r := range rows {
			for _, c := range r {
				p.exprs = append(p.exprs, c.expr)
			}
		}
		s.pile(p)
		return
	}
	for i, first := range rows[0] {
		p := pile{name: first.name, branches: len(rows)}
		for _, r := range rows {
			p.exprs = append(p.exprs, r[i].expr)
		}
		s.pile(p)
	}
}

// byNumber notes the columns that a set operation, or VALUES, is sorted by, where they have numbers
// there.
func (s *stmt) byNumber(q *pg_query.SelectStmt, sc *scope) {
	places := numbers(q)
	if len(places) == 0 {
		return
	}
	rows, known := s.stacked(q, sc)
	for _, i := range places {
		if !known || len(rows) == 0 || i < 1 || i > len(rows[0]) {
			s.names.all = true
			s.usedAt(usedName{name: anyName}, nil)
			continue
		}
		s.usedAt(usedName{name: rows[0][i-1].name}, nil)
	}
}

// pile has the expressions of p go by its name, or by any.
func (s *stmt) pile(p pile) {
	name := p.name
	if p.any {
		name = anyName
	}
	for _, e := range p.exprs {
		if at := (piled{name, e}); !s.names.piled[at] {
			s.names.piled[at] = true
			s.names.derived[name] = append(s.names.derived[name], e)
		}
	}
	s.names.piles = append(s.names.piles, p)
}

// branches are the queries that a set operation puts together.
func branches(q *pg_query.SelectStmt) []*pg_query.SelectStmt {
	if q == nil {
		return nil
	}
	if q.Larg == nil && q.Rarg == nil {
		return []*pg_query.SelectStmt{q}
	}
	return append(branches(q.Larg), branches(q.Rarg)...)
}

// stacked gives the rows of all branches, as rowsOf does. What q itself has in WITH is in sc.
func (s *stmt) stacked(q *pg_query.SelectStmt, sc *scope) (rows [][]cell, ok bool) {
	ok = !setWith(q.GetLarg()) && !setWith(q.GetRarg())
	for _, leaf := range branches(q) {
		r, known := s.rowsOf(leaf, sc, 0)
		rows, ok = append(rows, r...), ok && known
	}
	return rows, ok
}

// setWith reports whether a set operation has WITH queries of its own, which its branches
// may name.
func setWith(q *pg_query.SelectStmt) bool {
	return q.GetLarg() != nil && (q.WithClause != nil || setWith(q.Larg) || setWith(q.Rarg))
}

// rowsOf gives the columns of a query: of VALUES, one row each. ok is false where some are
// not known; their place holds *.
func (s *stmt) rowsOf(q *pg_query.SelectStmt, sc *scope, depth int) (rows [][]cell, ok bool) {
	ok = true
	for _, list := range q.GetValuesLists() {
		var row []cell
		for i, e := range listOf(list) {
			row = append(row, cell{"column" + strconv.Itoa(i+1), e})
		}
		rows = append(rows, row)
	}
	if rows != nil {
		return rows, true
	}
	var row []cell
	for _, t := range q.GetTargetList() {
		rt := t.GetResTarget()
		u, named := nameOf(rt.GetVal().GetColumnRef())
		if in := rt.GetVal().GetAIndirection().GetIndirection(); len(in) > 0 && in[len(in)-1].GetAStar() != nil { // (row).*
			row, ok = append(row, cell{expr: rt.Val}), false
			continue
		}
		if !named || u.name != "*" {
			name := rt.GetName()
			if name == "" {
				name = impliedName(rt.GetVal())
			}
			row = append(row, cell{name, rt.GetVal()})
			continue
		}
		star, known := s.starCells(q, u.qualifier, sc, depth)
		if !known || q.WithClause != nil || len(rt.Val.GetColumnRef().Fields) > 2 { // its own WITH queries, a schema
			star, ok = []cell{{expr: rt.GetVal()}}, false
		}
		row = append(row, star...)
	}
	return [][]cell{row}, ok
}

// starCells gives the columns that * or alias.* stands for.
func (s *stmt) starCells(q *pg_query.SelectStmt, alias string, sc *scope, depth int) (out []cell, ok bool) {
	if s.stars++; depth > maxDepth/8 || s.stars > maxStars {
		return nil, false
	}
	for _, n := range q.FromClause {
		name, columns, known := s.itemColumns(n, sc, depth)
		if alias != "" && name != alias && known {
			continue
		}
		if !known || len(out)+len(columns) > maxColumns {
			return nil, false
		}
		for _, c := range columns {
			out = append(out, cell{c, refersTo(name, c)})
		}
	}
	return out, len(out) > 0
}

// A query in WITH can have twice the columns of the one before it, and read it twice, so the work
// on * is bounded: of more it is not known what they stand for.
const (
	maxStars   = 2000 // in a statement, those of queries as often as these are read
	maxColumns = 1664 // MaxTupleAttributeNumber of PostgreSQL's htup_details.h: it refuses more
)

// itemColumns gives the names of the columns of an item of FROM.
func (s *stmt) itemColumns(n *pg_query.Node, sc *scope, depth int) (alias string, columns []string, ok bool) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		rv := x.RangeVar
		if len(rv.GetAlias().GetColnames()) > 0 {
			return "", nil, false
		}
		if cte := sc.find(rv.Relname); rv.Schemaname == "" && cte != nil {
			if cte.SearchClause != nil || cte.CycleClause != nil { // which add columns
				return "", nil, false
			}
			columns, ok = s.queryColumns(cte.GetCtequery().GetSelectStmt(), stringsOf(cte.GetAliascolnames()), sc, depth)
			return aliasOf(rv), columns, ok
		}
		for i, t := range s.lookup(rv) {
			var names []string
			for _, c := range t.Columns {
				names = append(names, c.Name)
			}
			if i > 0 && !slices.Equal(names, columns) {
				return "", nil, false
			}
			columns = names
		}
		return aliasOf(rv), columns, len(columns) > 0
	case *pg_query.Node_RangeSubselect:
		a := x.RangeSubselect.Alias
		columns, ok = s.queryColumns(x.RangeSubselect.Subquery.GetSelectStmt(), stringsOf(a.GetColnames()), sc, depth)
		return a.GetAliasname(), columns, ok
	}
	return "", nil, false
}

// queryColumns gives the names of a query's columns; those that an alias lists come first.
func (s *stmt) queryColumns(q *pg_query.SelectStmt, listed []string, sc *scope, depth int) ([]string, bool) {
	all := branches(q)
	if len(all) == 0 || q.WithClause != nil {
		return nil, false
	}
	rows, ok := s.rowsOf(all[0], sc, depth+1)
	if !ok {
		return nil, false
	}
	var names []string
	for i, c := range rows[0] {
		if i < len(listed) {
			c.name = listed[i]
		}
		names = append(names, c.name)
	}
	return names, true
}

// refersTo is a reference to a column, as the text would have it.
func refersTo(alias, name string) *pg_query.Node {
	var fields []*pg_query.Node
	for _, part := range []string{alias, name} {
		if part != "" {
			fields = append(fields, pg_query.MakeStrNode(part))
		}
	}
	return pg_query.MakeColumnRefNode(fields, -1)
}

// blend adds to a sight what its column is put together with under the name that r
// resolved: by an expression of a query inside, or by the branches of a set operation. What
// the reference itself stands in goes by its name outside only.
func (s *stmt) blend(l *looker, r *resolver, p *sight, d deciding) {
	made := r.made
	if r.vague { // any column of a query inside may be meant
		made = append(slices.Clone(made), s.mixing(l)...)
	}
	for _, e := range made {
		if e.GetColumnRef() == nil && !slices.Contains(l.parts(e, false).refs, d.ref) {
			all := l.madeOf(e)
			l.together(p, all)
			p.many = p.many || all.tally && all.alone > 0
		}
	}
	for _, pile := range s.names.piles {
		if pile.branches > 1 && (pile.any || r.vague || slices.ContainsFunc(pile.exprs, func(e *pg_query.Node) bool { return r.visited[e] })) {
			s.piled(l, p, pile)
		}
	}
	p.many = p.many || l.recurs && !s.placed(d.name) && len(r.out) > 0 && len(made) > 0 && !r.vague
}

// mixing gives the expressions of queries inside that put several columns together.
func (s *stmt) mixing(l *looker) []*pg_query.Node {
	if l.mixed == nil {
		l.mixed = []*pg_query.Node{}
		for _, exprs := range s.names.derived {
			for _, e := range exprs {
				if all := l.madeOf(e); different(all.refs)+len(all.read) > 1 {
					l.mixed = append(l.mixed, e)
				}
			}
		}
	}
	return l.mixed
}

// placed reports whether it is known where WITH queries have the column of a name.
func (s *stmt) placed(u usedName) bool {
	_, ok := s.names.listed[u.name]
	return ok && !s.names.lost[u.name]
}

// counts reports whether a name is that of a column which a recursion makes of constants
// and itself, and can be nothing else: it counts rounds.
func (s *stmt) counts(u usedName) bool {
	return s.placed(u) && !s.names.more[u.name] && len(s.names.derived[u.name]) == 0 && !s.tablesHave(u.name)
}

// tablesHave reports whether a table of the statement has a column of the name.
func (s *stmt) tablesHave(name string) bool {
	for t := range s.tables {
		if _, ok := t.Column(name); ok {
			return true
		}
	}
	return false
}

// rounds tells of a name whose columns each round of a recursion can compute anew, so that
// it is compared with any number of values.
func (s *stmt) rounds(l *looker, d deciding) (look hoop.Look, ok bool) {
	if !l.recurs || d.ref == nil {
		return look, false
	}
	r := s.resolved(d.name)
	if s.counts(d.name) {
		return look, false
	}
	if len(r.out) == 0 || s.plainName(d.name) && !r.vague {
		return look, false
	}
	_, listed := s.names.listed[d.name.name]
	return hoop.Look{Columns: r.columns(), Many: true}, listed || r.vague
}

// ofItself reports whether an expression is made of constants and the column called name.
func ofItself(n *pg_query.Node, name string) bool {
	switch n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		u, ok := nameOf(n.GetColumnRef())
		return ok && u == (usedName{name: name})
	case *pg_query.Node_AConst, *pg_query.Node_TypeCast, *pg_query.Node_TypeName, *pg_query.Node_AExpr, *pg_query.Node_String_:
		own := true
		return children(n, func(c *pg_query.Node) { own = own && ofItself(c, name) }) && own
	}
	return false
}

// lists notes the names that a query in WITH or FROM is given for its columns, and what
// stands there.
func (s *stmt) lists(names []string, q *pg_query.SelectStmt, sc *scope) {
	if len(names) == 0 {
		return
	}
	rows, known := s.stacked(q, sc)
	known = known && !setWith(q)
	for i, name := range names {
		s.loose(name, s.givenRows(q))
		if !known || len(rows) == 0 {
			s.names.lost[name] = true
		}
		for n, r := range rows {
			if i >= len(r) {
				s.names.lost[name] = true
				continue
			}
			s.names.listed[name] = append(s.names.listed[name], r[i].expr)
			s.names.more[name] = s.names.more[name] || n == 0 && r[i].expr.GetAConst() == nil || !ofItself(r[i].expr, name)
		}
	}
}

// together adds the columns of one expression to a sight of one of them.
func (l *looker) together(p *sight, all *parts) {
	if different(all.refs)+len(all.read) < 2 {
		return
	}
	p.with = append(p.with, all.refs...)
	p.crossed = true
	p.many = p.many || l.lists || l.makes || all.code
}

// piled adds what other branches have in the place of a column.
func (s *stmt) piled(l *looker, p *sight, pile pile) {
	for _, e := range pile.exprs {
		all := l.madeOf(e)
		p.with = append(p.with, all.refs...)
		op, listed := l.operand(e)
		switch {
		case len(all.refs) > 0:
			p.many, p.crossed = p.many || all.code || s.freshens(e), p.crossed || different(all.refs) > 1
			if op, some := l.woven(e); some {
				p.operands = append(p.operands, op)
			}
		case listed:
			p.operands = append(p.operands, op)
		default:
			p.many = true
		}
	}
}

// woven gives the constants of an expression that has columns, too, as one value: 0 * n + 7 is 7.
// some is false where there are none.
func (l *looker) woven(e *pg_query.Node) (op hoop.Operand, some bool) {
	op.Literal = -1
	var visit func(n *pg_query.Node)
	visit = func(n *pg_query.Node) {
		switch x := n.GetNode().(type) {
		case *pg_query.Node_AConst, *pg_query.Node_ParamRef:
			if part, ok := l.operand(n); ok {
				op.Parts = append(op.Parts, part)
			}
			return
		case *pg_query.Node_TypeName: // the length of varchar(5) is none
			return
		case *pg_query.Node_AExpr:
			op.Text += " " + lastOf(x.AExpr.Name)
		case *pg_query.Node_FuncCall:
			op.Text += " " + lastOf(x.FuncCall.Funcname)
		}
		op.Text += "("
		children(n, visit)
		op.Text += ")"
	}
	visit(e)
	return op, len(op.Parts) > 0
}

// madeOf gives the columns that make an expression's value, without those that only decide
// which of several it is: these are places of their own.
func (l *looker) madeOf(n *pg_query.Node) *parts {
	p := &parts{value: true}
	l.gather(n, false, p)
	return p
}

// different counts names, each once.
func different(refs []*pg_query.ColumnRef) int {
	var names []usedName
	for _, c := range refs {
		if u, ok := nameOf(c); !ok || !slices.Contains(names, u) {
			names = append(names, u)
		}
	}
	return len(names)
}

// key looks at what rows are sorted, grouped or told apart by.
func (l *looker) key(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case nil, *pg_query.Node_ColumnRef:
	case *pg_query.Node_RowExpr:
		for _, a := range x.RowExpr.Args {
			l.key(a)
		}
	case *pg_query.Node_GroupingSet:
		for _, a := range x.GroupingSet.Content {
			l.key(a)
		}
	case *pg_query.Node_List:
		for _, a := range x.List.Items {
			l.key(a)
		}
	case *pg_query.Node_SortBy:
		l.key(x.SortBy.Node)
	default:
		all := l.madeOf(n)
		l.tallied(all)
		for _, c := range all.refs {
			l.together(l.at(c), all)
			l.at(c).many = l.at(c).many || all.rows
		}
	}
}

// calm are functions that take any text, and fail for none.
var calm = map[string]bool{
	"upper": true, "lower": true, "initcap": true, "btrim": true, "ltrim": true, "rtrim": true, "length": true, "char_length": true,
	"concat": true, "concat_ws": true, "md5": true, "reverse": true, "left": true, "right": true, "to_json": true, "to_jsonb": true,
	"json_build_object": true, "jsonb_build_object": true, "json_build_array": true, "jsonb_build_array": true, "row_to_json": true,
	"count": true, "array_agg": true, "string_agg": true, "json_agg": true, "jsonb_agg": true, "quote_literal": true, "quote_nullable": true,
}
