package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

func (lv *level) exprs(list []*pg_query.Node, deciding bool) load {
	var l load
	for _, n := range list {
		l = l.plus(lv.expr(n, deciding))
	}
	return l
}

// expr gives what the value of an expression carries by its sub-selects, and notes what
// its functions do with the rows of the query. deciding says that the value is not
// shown: an error can show it all the same, so whatever gathers does so here too; but
// min and max are one value.
func (lv *level) expr(n *pg_query.Node, deciding bool) load {
	if n.GetNode() == nil {
		return nil
	}
	m := lv.m
	if m.depth++; m.depth > maxDepth {
		m.depth--
		m.lost = true
		return nil
	}
	defer func() { m.depth-- }()
	var l load
	switch x := n.Node.(type) {
	case *pg_query.Node_SubLink:
		return lv.subLink(x.SubLink, deciding)
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		// JSON_ARRAY(SELECT …), the commands of a rule: all the rows at once.
		a := m.query(n, lv.subSpot(deciding))
		return a.load.gathered(a.rows)
	case *pg_query.Node_FuncCall:
		lv.call(x.FuncCall, deciding)
	case *pg_query.Node_JsonObjectAgg, *pg_query.Node_JsonArrayAgg:
		lv.gather(n)
	case *pg_query.Node_AExpr:
		m.code = m.code || !PlainOperator(m.cat, x.AExpr.Name)
	case *pg_query.Node_ColumnRef:
		lv.columnRef(x.ColumnRef)
	case *pg_query.Node_AIndirection:
		for _, name := range stringsOf(x.AIndirection.Indirection) {
			if isAggregate(lv.m.cat, name) {
				lv.gather(n)
			}
		}
	case *pg_query.Node_TypeName:
		m.code = m.code || !PlainType(m.cat, x.TypeName)
	}
	if !children(n, func(c *pg_query.Node) { l = l.plus(lv.expr(c, deciding)) }) {
		m.lost = true
	}
	return l
}

func (lv *level) subSpot(deciding bool) spot {
	p := lv.spotInside()
	p.deciding = deciding
	return p
}

// subLink is a sub-select in an expression: evaluated for each row, it gives a value
// of one row, or of all with ARRAY.
func (lv *level) subLink(s *pg_query.SubLink, deciding bool) load {
	lv.m.code = lv.m.code || !PlainOperator(lv.m.cat, s.OperName)
	a := lv.m.query(s.Subselect, lv.subSpot(deciding))
	l := lv.expr(s.Testexpr, deciding)
	if s.SubLinkType == pg_query.SubLinkType_ARRAY_SUBLINK {
		return l.plus(a.load.gathered(a.rows))
	}
	return l.plus(a.load)
}

// columnRef looks out for t.json_agg, which means json_agg(t) where t has no such column.
func (lv *level) columnRef(c *pg_query.ColumnRef) {
	u, ok := nameOf(c)
	if !ok || u.qualifier == "" || !isAggregate(lv.m.cat, u.name) {
		return
	}
	for l := lv; l != nil; l = l.outer {
		// The nearest of the name is meant, whatever columns it has.
		if i := slices.IndexFunc(l.items, func(it item) bool { return it.goesBy(u, schemaOf(c)) }); i >= 0 {
			if l.items[i].hasColumn(u.name) {
				return
			}
			break
		}
	}
	for l := lv; l != nil; l = l.outer {
		l.gathers = true
	}
}

// hasColumn reports whether a column is certainly there.
func (it *item) hasColumn(name string) bool {
	if it.renamed {
		return false
	}
	missing := slices.ContainsFunc(it.tables, func(t *catalog.Table) bool { _, ok := t.Column(name); return !ok })
	return it.columns[name] || len(it.tables) > 0 && !missing
}

// lacksColumn reports whether a column is certainly not there.
func (it *item) lacksColumn(name string) bool {
	have := slices.ContainsFunc(it.tables, func(t *catalog.Table) bool { _, ok := t.Column(name); return ok })
	return len(it.tables) > 0 && !have && !it.renamed && !systemColumns[name]
}

// numbering are the window functions that show the place of a row, not its values.
var numbering = map[string]bool{
	"row_number": true, "rank": true, "dense_rank": true, "percent_rank": true, "cume_dist": true, "ntile": true, "count": true,
}

// call notes what a function does with the rows of its query. It is judged by every
// function of its name.
func (lv *level) call(f *pg_query.FuncCall, deciding bool) {
	parts := stringsOf(f.Funcname)
	if len(parts) == 0 {
		lv.m.lost = true
		return
	}
	name, schema := parts[len(parts)-1], ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	found := lv.m.cat.Functions(schema, name)
	has := func(kind func(*catalog.Function) bool) bool { return slices.ContainsFunc(found, kind) }
	users := has(func(fn *catalog.Function) bool { return !fn.System && !computes(fn) })
	lv.spreads = lv.spreads || len(found) == 0 || has(func(fn *catalog.Function) bool { return fn.Set })
	aggregate := has(func(fn *catalog.Function) bool { return fn.Kind == 'a' })
	switch {
	case f.Over != nil:
		if users || !numbering[name] {
			lv.gather(node(f))
		}
		return
	case !aggregate:
		lv.m.code = lv.m.code || len(found) == 0 || has(func(fn *catalog.Function) bool { return lv.m.takesAway(fn, f.Args) })
		return
	}
	lv.m.code = lv.m.code || users
	lv.aggregates = true
	switch name {
	case "count":
		lv.counted++
		lv.singles = lv.singles || f.AggFilter != nil || len(f.Args) > 0 && !column(f.Args[0])
	case "sum", "avg":
		lv.values = true
		if f.AggFilter != nil || f.AggDistinct || len(f.AggOrder) > 0 || len(f.Args) != 1 || !column(f.Args[0]) || lv.makes() {
			lv.gather(node(f)) // a sum can be made to show its parts
		}
	case "min", "max":
		lv.values = true
		if !deciding {
			lv.gather(node(f))
			break
		}
		if f.AggFilter != nil || len(f.Args) != 1 || !column(f.Args[0]) { // it says of a row as much as a count of it
			lv.counted++
			lv.singles = true
		}
	default:
		lv.gather(node(f))
	}
	if users {
		lv.gather(node(f))
	}
}

// takesAway reports whether a function can read what the text does not show, or keep
// its arguments where they can be read again.
func (m *measurer) takesAway(fn *catalog.Function, args []*pg_query.Node) bool {
	h, listed := harmOf(fn.Name)
	switch {
	case !fn.System:
		return !computes(fn)
	case !listed:
		return fn.Volatility == catalog.Volatile
	case h.keeps || fn.Name == "set_config":
		return !m.on.given(args...)
	case h.effect == hoop.EffectWrite || h.effect == hoop.EffectSession:
		return h.blind // nextval, pg_sleep
	}
	return h != harmless
}

func node(f *pg_query.FuncCall) *pg_query.Node {
	return &pg_query.Node{Node: &pg_query.Node_FuncCall{FuncCall: f}}
}

// column reports whether an expression is a column, cast or not.
func column(n *pg_query.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		return column(c.Arg)
	}
	return n.GetColumnRef() != nil
}

// gather notes that a value is made of many rows: of this query, and of those around it
// where nothing in the call is proven to be of this one (manual, "Aggregate
// Expressions": an aggregate belongs to the nearest query that its columns are of).
func (lv *level) gather(call *pg_query.Node) {
	lv.gathers = true
	if !lv.owns(call) {
		for out := lv.outer; out != nil; out = out.outer {
			out.gathers = true
		}
	}
}

// owns reports whether a call has a column that is certainly of this query, or none.
func (lv *level) owns(call *pg_query.Node) bool {
	columns, own := 0, false
	var look func(n *pg_query.Node)
	look = func(n *pg_query.Node) {
		if n.GetSubLink() != nil {
			columns++ // whose columns it has is not looked at
			return
		}
		if c := n.GetColumnRef(); c != nil {
			columns++
			own = own || lv.has(c)
		}
		children(n, look)
	}
	look(call)
	return own || columns == 0
}

// has reports whether a column is certainly of this query.
func (lv *level) has(c *pg_query.ColumnRef) bool {
	u, ok := nameOf(c)
	schema := schemaOf(c)
	switch {
	case !ok:
		return false
	case schema != "":
		return slices.ContainsFunc(lv.items, func(it item) bool { return it.goesBy(u, schema) })
	case u.qualifier != "":
		return lv.names[u.qualifier]
	case u.name == "*" || slices.ContainsFunc(lv.items, func(it item) bool { return it.hasColumn(u.name) }):
		return true
	}
	if !lv.names[u.name] {
		return false
	}
	// It is the whole row here only where no query around has such a column.
	for out := lv.outer; out != nil; out = out.outer {
		if slices.ContainsFunc(out.items, func(it item) bool { return !it.lacksColumn(u.name) }) {
			return false
		}
	}
	return true
}

// insert: what the source carries goes into the table. RETURNING shows what was sent,
// or rows that were there before with ON CONFLICT DO UPDATE.
func (lv *level) insert(q *pg_query.InsertStmt) answer {
	lv.withClause(q.WithClause)
	src := answer{rows: 1} // DEFAULT VALUES
	if q.SelectStmt != nil {
		src = lv.m.query(q.SelectStmt, spot{outer: lv.outer, with: lv.with, each: lv.each})
		lv.m.copy(src.load, src.rows)
	}
	target := lv.target(q.Relation)
	shown := src.load
	if oc := q.OnConflictClause; oc != nil {
		lv.names["excluded"] = true
		lv.copyExprs(oc.TargetList, hoop.Whole)
		lv.rekeyed(oc.TargetList, target, hoop.Whole)
		deciding := lv.expr(oc.WhereClause, true)
		lv.mark(deciding, target, hoop.Whole)
		shown = shown.plus(deciding)
		if oc.Action == pg_query.OnConflictAction_ONCONFLICT_UPDATE {
			shown = shown.plus(target.load)
		}
	}
	return lv.returning(q.ReturningList, shown, src.rows)
}

func (lv *level) update(q *pg_query.UpdateStmt) answer {
	lv.withClause(q.WithClause)
	for _, n := range q.FromClause {
		lv.from(n)
	}
	var from load
	for _, it := range lv.items {
		from = from.plus(it.load)
	}
	lv.target(q.Relation)
	lv.keys(q.WhereClause)
	target := lv.items[len(lv.items)-1]
	lv.m.copy(from, target.rows)
	lv.copyExprs(q.TargetList, target.rows)
	lv.rekeyed(q.TargetList, target, target.rows)
	deciding := lv.exprs(lv.quals, true).plus(lv.expr(q.WhereClause, true))
	lv.mark(deciding, target, target.rows)
	return lv.returning(q.ReturningList, target.load.plus(from).plus(deciding), target.rows)
}

func (lv *level) delete(q *pg_query.DeleteStmt) answer {
	lv.withClause(q.WithClause)
	for _, n := range q.UsingClause {
		lv.from(n)
	}
	lv.target(q.Relation)
	lv.keys(q.WhereClause)
	target := lv.items[len(lv.items)-1]
	deciding := lv.exprs(lv.quals, true).plus(lv.expr(q.WhereClause, true))
	for _, it := range lv.items[:len(lv.items)-1] {
		deciding = deciding.plus(it.load)
	}
	lv.mark(deciding, target, target.rows)
	if target.rows == hoop.Whole && target.cascades(func(c catalog.Cascade) bool { return c.OnDelete }) { // of one, the tag tells as much
		lv.m.copy(target.load, hoop.Whole)
	}
	return lv.returning(q.ReturningList, target.load.plus(deciding), target.rows)
}

// cascades reports whether a foreign key of another table follows what is done to its rows.
func (it *item) cascades(does func(catalog.Cascade) bool) bool {
	return slices.ContainsFunc(it.tables, func(t *catalog.Table) bool {
		return slices.ContainsFunc(t.Cascades, func(c catalog.Cascade) bool { return c.Table != t.OID && does(c) })
	})
}

// rekeyed notes what a list of SET puts into keys of n rows of a table: other tables get it, too,
// whose foreign keys follow.
func (lv *level) rekeyed(list []*pg_query.Node, target item, n int) {
	if !target.cascades(func(c catalog.Cascade) bool { return c.OnUpdate }) {
		return
	}
	for _, set := range list {
		name := set.GetResTarget().GetName()
		if slices.ContainsFunc(target.tables, func(t *catalog.Table) bool {
			return slices.ContainsFunc(t.Keys, func(key []string) bool { return slices.Contains(key, name) })
		}) {
			lv.m.copy(target.load, n)
			return
		}
	}
}

// mark notes that what a row of l says decides which of n rows of another table are changed:
// whoever reads that table later learns it.
func (lv *level) mark(l load, target item, n int) {
	others := load{}
	for k, have := range l {
		if _, own := target.load[k]; !own {
			others[k] = have
		}
	}
	lv.m.copy(others, n)
}

func (lv *level) merge(q *pg_query.MergeStmt) answer {
	lv.withClause(q.WithClause)
	lv.from(q.SourceRelation)
	lv.keys(nil)
	var all load
	rows := 1
	for _, it := range lv.items {
		all = all.plus(it.load)
		rows = times(rows, it.rows)
	}
	lv.m.copy(all, rows)
	target, deciding := lv.target(q.Relation), lv.expr(q.JoinCondition, true)
	for _, n := range q.MergeWhenClauses {
		c := n.GetMergeWhenClause()
		lv.rekeyed(c.GetTargetList(), target, hoop.Whole)
		if c.GetCommandType() == pg_query.CmdType_CMD_DELETE && target.cascades(func(c catalog.Cascade) bool { return c.OnDelete }) {
			lv.m.copy(target.load, hoop.Whole)
		}
		deciding = deciding.plus(lv.expr(c.GetCondition(), true))
		lv.copyExprs(c.GetTargetList(), hoop.Whole)
		lv.copyExprs(c.GetValues(), hoop.Whole)
	}
	lv.mark(deciding, target, hoop.Whole)
	all = all.plus(target.load).plus(deciding)
	return lv.returning(q.ReturningList, all, hoop.Whole)
}

// target adds the table that is changed. It never means a WITH query.
func (lv *level) target(rv *pg_query.RangeVar) item {
	it := lv.m.relation(rv)
	it.named(rv)
	lv.add(it)
	return it
}

// copyExprs measures what is stored in each of n rows.
func (lv *level) copyExprs(list []*pg_query.Node, n int) {
	lv.m.copy(lv.exprs(list, false), n)
}

// returning is what a row of RETURNING carries, where there is one.
func (lv *level) returning(list []*pg_query.Node, shown load, rows int) answer {
	if len(list) == 0 {
		return answer{}
	}
	made := lv.makes() || slices.ContainsFunc(list, computed)
	extra := lv.exprs(list, false)
	if lv.gathers {
		return answer{load: shown.plus(extra).gathered(hoop.Whole), rows: rows, made: made}
	}
	return answer{load: shown.plus(extra), rows: rows, made: made}
}
