package sqlscan

import (
	"maps"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// spot is where a query stands.
type spot struct {
	outer    *level // the query whose columns it sees; nil for none
	with     *withs // the WITH queries it sees
	each     bool   // it is evaluated for each row of another one
	deciding bool   // its rows only decide something: WHERE x = (SELECT …)
}

// withs are WITH queries in force (see scope).
type withs struct {
	parent *withs
	byName map[string]answer
}

func (w *withs) find(name string) (answer, bool) {
	for ; w != nil; w = w.parent {
		if a, ok := w.byName[name]; ok {
			return a, true
		}
	}
	return answer{}, false
}

// level is one SELECT, or a data-modifying statement, while it is measured.
type level struct {
	spot
	m     *measurer
	items []item
	names map[string]bool  // of FROM: aliases
	quals []*pg_query.Node // conditions of joins
	full  bool             // FULL JOIN: rows of one side stand beside those of the other

	aggregates bool // it groups
	counted    int  // how many counts it has
	singles    bool // one of them counts some of its rows
	values     bool // an aggregate shows or compares values: sum, avg, min, max
	gathers    bool // one row shows values of many
	spreads    bool // a function makes several rows of one
}

// item is an item of FROM.
type item struct {
	load   load // of a row
	rows   int  // how many different rows at most, by itself
	alias  string
	tables []*catalog.Table // what it is, where it is a table; all that the name may mean
	only   bool             // without its children
	schema string           // of a table without an alias: that which may be written before its name
	hidden bool             // a join around it has an alias: no column goes by its own one
	// renamed says that its columns have other names here than in the catalog.
	renamed bool
	columns map[string]bool // of a sub-select: those whose names the text shows
	made    bool            // a column of it may be computed or chosen by the client: one sum of it can show all its parts
}

func (lv *level) spotInside() spot {
	return spot{outer: lv, with: lv.with, each: true, deciding: lv.deciding}
}

// query measures a query of any kind.
func (m *measurer) query(n *pg_query.Node, p spot) answer {
	if m.depth++; m.depth > maxDepth {
		m.depth--
		m.lost = true
		return answer{rows: hoop.Whole}
	}
	defer func() { m.depth-- }()
	lv := &level{spot: p, m: m, names: map[string]bool{}}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		return lv.selectStmt(x.SelectStmt)
	case *pg_query.Node_InsertStmt:
		return lv.insert(x.InsertStmt)
	case *pg_query.Node_UpdateStmt:
		return lv.update(x.UpdateStmt)
	case *pg_query.Node_DeleteStmt:
		return lv.delete(x.DeleteStmt)
	case *pg_query.Node_MergeStmt:
		return lv.merge(x.MergeStmt)
	case *pg_query.Node_ExecuteStmt: // CREATE TABLE AS EXECUTE: judged as what it executes
		return answer{load: lv.exprs(x.ExecuteStmt.Params, true), rows: hoop.Whole}
	}
	m.lost = true
	return answer{rows: hoop.Whole}
}

// withClause measures the queries of a WITH clause.
func (lv *level) withClause(c *pg_query.WithClause) {
	if c == nil {
		return
	}
	lv.with = &withs{parent: lv.with, byName: map[string]answer{}}
	var names []string
	for _, n := range c.Ctes {
		names = append(names, n.GetCommonTableExpr().GetCtename())
	}
	for i, n := range c.Ctes {
		cte := n.GetCommonTableExpr()
		recursive := c.Recursive && mentions(cte.GetCtequery(), names[i:])
		p := spot{outer: lv.outer, with: lv.with, each: lv.each, deciding: lv.deciding}
		if recursive {
			lv.with.byName[cte.GetCtename()] = answer{rows: hoop.Whole, made: true}
		}
		a := lv.m.query(cte.GetCtequery(), p)
		if recursive {
			// Each round can add to what the row before carries.
			a = answer{load: a.load.gathered(hoop.Whole), rows: hoop.Whole, made: true}
		}
		a.columns = shownNames(cte.GetCtequery(), &pg_query.Alias{Colnames: cte.GetAliascolnames()})
		lv.with.byName[cte.GetCtename()] = a
	}
}

// shownNames are the names of a query's columns, as far as its text shows them.
func shownNames(n *pg_query.Node, alias *pg_query.Alias) map[string]bool {
	names := map[string]bool{}
	for _, c := range stringsOf(alias.GetColnames()) {
		names[c] = true
	}
	q := n.GetSelectStmt()
	for q.GetLarg() != nil {
		q = q.Larg
	}
	for i, t := range q.GetTargetList() {
		rt := t.GetResTarget()
		switch {
		case i < len(alias.GetColnames()):
		case rt.GetName() != "":
			names[rt.Name] = true
		case rt.GetVal().GetColumnRef() != nil:
			if u, ok := nameOf(rt.Val.GetColumnRef()); ok {
				names[u.name] = true
			}
		default:
			if parts := stringsOf(rt.GetVal().GetFuncCall().GetFuncname()); len(parts) > 0 {
				names[parts[len(parts)-1]] = true
			}
		}
	}
	return names
}

// mentions reports whether a query reads a relation called one of names.
func mentions(n *pg_query.Node, names []string) bool {
	if rv := n.GetRangeVar(); rv != nil && rv.Schemaname == "" && slices.Contains(names, rv.Relname) {
		return true
	}
	found := false
	known := children(n, func(c *pg_query.Node) { found = found || mentions(c, names) })
	return found || !known
}

func (lv *level) selectStmt(q *pg_query.SelectStmt) answer {
	lv.withClause(q.WithClause)
	var a answer
	switch {
	case q.Op != pg_query.SetOperation_SETOP_NONE && q.Op != pg_query.SetOperation_SET_OPERATION_UNDEFINED:
		a = lv.setOperation(q)
	case len(q.ValuesLists) > 0:
		for _, row := range q.ValuesLists {
			a.load = a.load.or(lv.exprs(listOf(row), lv.deciding))
		}
		a.rows, a.made = len(q.ValuesLists), true
	default:
		a = lv.simple(q)
	}
	// ORDER BY and LIMIT of a set operation stand here too; of a simple SELECT they are
	// measured with it.
	if n, ok := limit(q); ok && !lv.m.any {
		a.rows = fewer(a.rows, n)
	}
	return a
}

func (lv *level) setOperation(q *pg_query.SelectStmt) answer {
	p := spot{outer: lv.outer, with: lv.with, each: lv.each, deciding: lv.deciding}
	l, r := lv.m.query(selectNode(q.Larg), p), lv.m.query(selectNode(q.Rarg), p)
	a := answer{load: l.load.or(r.load), rows: add(l.rows, r.rows), made: l.made || r.made || listsNumbers(q.Larg) || listsNumbers(q.Rarg)}
	if q.Op != pg_query.SetOperation_SETOP_UNION {
		a.load, a.rows = l.load.plus(r.load), l.rows // a row says something of both
	}
	for _, list := range [][]*pg_query.Node{q.SortClause, {q.LimitCount}, {q.LimitOffset}} {
		a.load = a.load.plus(lv.exprs(list, true))
	}
	return a
}

// listsNumbers reports whether a SELECT gives a constant that can be summed.
func listsNumbers(q *pg_query.SelectStmt) bool {
	return slices.ContainsFunc(q.GetTargetList(), func(target *pg_query.Node) bool {
		c := target.GetResTarget().GetVal().GetAConst()
		return c.GetIval() != nil || c.GetFval() != nil || strings.ContainsAny(c.GetSval().GetSval(), "0123456789")
	})
}

// limit reads LIMIT n.
func limit(q *pg_query.SelectStmt) (int, bool) {
	c := q.LimitCount.GetAConst()
	if c == nil || c.Isnull || c.GetIval() == nil || q.LimitOption == pg_query.LimitOption_LIMIT_OPTION_WITH_TIES {
		return 0, false
	}
	return max(0, int(c.GetIval().Ival)), true
}

func (lv *level) simple(q *pg_query.SelectStmt) answer {
	for _, n := range q.FromClause {
		lv.from(n)
	}
	lv.keys(q.WhereClause)
	extra := lv.exprs(q.TargetList, lv.deciding)
	for _, list := range [][]*pg_query.Node{
		lv.quals, {q.WhereClause}, q.GroupClause, {q.HavingClause}, q.DistinctClause, q.WindowClause, q.SortClause, {q.LimitCount}, {q.LimitOffset},
	} {
		extra = extra.plus(lv.exprs(list, true))
	}
	return lv.answer(extra, q)
}

// answer puts together what FROM and the expressions carry.
func (lv *level) answer(extra load, q *pg_query.SelectStmt) answer {
	var from, all load
	rows := 1
	for _, it := range lv.items {
		from = from.plus(it.load)
		all = all.plus(it.load.gathered(it.rows))
		if it.rows != 0 { // an outer join makes a row of none
			rows = times(rows, it.rows)
		}
	}
	if lv.full {
		rows = hoop.Whole
	}
	one := lv.aggregates && len(q.GroupClause) == 0
	a := answer{load: from.plus(extra), rows: rows, made: lv.makes() || slices.ContainsFunc(q.TargetList, computed)}
	switch {
	case lv.gathers:
		a.load = all.plus(extra.gathered(rows))
	case one && !lv.each && lv.counts(q):
		a.load = extra
		if lv.singles || q.WhereClause != nil {
			lv.m.told = lv.m.told.plus(from.gathered(lv.counted))
		}
	}
	if one {
		a.rows = 1
	}
	if lv.spreads {
		a.rows = hoop.Whole
	}
	return a
}

// makes reports whether a column of what stands in FROM, here or around, may be computed.
func (lv *level) makes() bool {
	for l := lv; l != nil; l = l.outer {
		if slices.ContainsFunc(l.items, func(it item) bool { return it.made }) {
			return true
		}
	}
	return false
}

// computed reports whether an output is something else than a column, cast or not, a plain
// aggregate or a constant.
func computed(target *pg_query.Node) bool {
	val := target.GetResTarget().GetVal()
	if f := val.GetFuncCall(); f != nil && f.Over == nil {
		switch parts := stringsOf(f.Funcname); parts[len(parts)-1] {
		case "count":
			return false
		case "sum", "avg", "min", "max":
			return len(f.Args) != 1 || !column(f.Args[0])
		}
	}
	return !column(val) && val.GetAConst() == nil
}

// counts reports whether a query with aggregates and no groups says nothing of single
// rows: count of a table, sum and avg of a whole table. A condition, or a join with as
// many rows as a value says, could make a sum or a count say the value of one row.
func (lv *level) counts(q *pg_query.SelectStmt) bool {
	return len(lv.items) == 1 && len(lv.items[0].tables) > 0 && (!lv.values || q.WhereClause == nil && lv.items[0].wholeTable())
}

// wholeTable reports whether it has all rows of a table: a part of one may have a single row.
func (it *item) wholeTable() bool {
	return !slices.ContainsFunc(it.tables, func(t *catalog.Table) bool { return len(t.Parents) > 0 || it.only && len(t.Children) > 0 })
}

// from adds an item of FROM.
func (lv *level) from(n *pg_query.Node) {
	inner := spot{outer: lv.outer, with: lv.with, each: lv.each, deciding: lv.deciding}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		lv.rangeVar(x.RangeVar)
	case *pg_query.Node_RangeTableSample:
		lv.from(x.RangeTableSample.Relation)
		lv.add(item{load: lv.exprs(append([]*pg_query.Node{x.RangeTableSample.Repeatable}, x.RangeTableSample.Args...), true), rows: 1})
	case *pg_query.Node_RangeSubselect:
		if x.RangeSubselect.Lateral {
			inner.outer, inner.each = lv, true
		}
		a := lv.m.query(x.RangeSubselect.Subquery, inner)
		if x.RangeSubselect.Lateral {
			a.rows = hoop.Whole // for each row beside it
		}
		alias := x.RangeSubselect.GetAlias()
		lv.add(item{load: a.load, rows: a.rows, alias: alias.GetAliasname(), columns: shownNames(x.RangeSubselect.Subquery, alias), made: a.made})
	case *pg_query.Node_JoinExpr:
		lv.join(x.JoinExpr)
	case *pg_query.Node_RangeFunction:
		alias, columns := x.RangeFunction.GetAlias(), map[string]bool{}
		for _, c := range stringsOf(alias.GetColnames()) {
			columns[c] = true
		}
		lv.add(item{load: lv.expr(n, lv.deciding), rows: hoop.Whole, alias: alias.GetAliasname(), columns: columns, made: true})
	default: // XMLTABLE, JSON_TABLE
		lv.add(item{load: lv.expr(n, lv.deciding), rows: hoop.Whole, made: true})
	}
}

// join adds both sides of a join. Where it has an alias, their columns go by that one alone,
// and maybe by other names (manual, "Table and Column Aliases").
func (lv *level) join(j *pg_query.JoinExpr) {
	before, names := len(lv.items), maps.Clone(lv.names)
	lv.from(j.Larg)
	lv.from(j.Rarg)
	lv.full = lv.full || j.Jointype == pg_query.JoinType_JOIN_FULL
	if j.Quals != nil {
		lv.quals = append(lv.quals, j.Quals)
	}
	if j.Alias != nil {
		lv.names = names
		lv.names[j.Alias.Aliasname] = true
		for i := range lv.items[before:] {
			it := &lv.items[before+i]
			it.hidden, it.renamed = true, true
		}
	}
}

func (lv *level) add(it item) {
	lv.items = append(lv.items, it)
	lv.names[it.alias] = true
}

func (lv *level) rangeVar(rv *pg_query.RangeVar) {
	if rv.Schemaname == "" {
		if a, ok := lv.with.find(rv.Relname); ok {
			it := item{load: a.load, rows: a.rows, columns: a.columns, made: a.made}
			it.named(rv)
			lv.add(it)
			return
		}
	}
	it := lv.m.relation(rv)
	it.named(rv)
	lv.add(it)
}

// named says how columns of it are written.
func (it *item) named(rv *pg_query.RangeVar) {
	it.alias, it.renamed = aliasOf(rv), len(rv.GetAlias().GetColnames()) > 0
	if rv.Alias != nil || len(it.tables) == 0 {
		return
	}
	it.schema = it.tables[0].Schema
	if slices.ContainsFunc(it.tables, func(t *catalog.Table) bool { return t.Schema != it.schema }) {
		it.schema = ""
	}
}

// goesBy reports whether a qualifier, with a schema before it or "", is it.
func (it *item) goesBy(u usedName, schema string) bool {
	return !it.hidden && it.alias == u.qualifier && (schema == "" || it.schema == schema)
}

// schemaOf reads the schema in schema.table.column; "" where there is none.
func schemaOf(c *pg_query.ColumnRef) string {
	if n := len(c.GetFields()); n > 2 {
		return c.Fields[n-3].GetString_().GetSval()
	}
	return ""
}

// keys finds tables of which a condition leaves one row: a unique key is equal to
// values that the client sent.
func (lv *level) keys(cond *pg_query.Node) {
	for i := range lv.items {
		it := &lv.items[i]
		fixed := map[string]bool{}
		lv.equals(cond, it, fixed)
		unique := len(it.tables) > 0 && !it.renamed
		for _, t := range it.tables {
			unique = unique && lv.unique(t, it.only, fixed)
		}
		if unique {
			it.rows = 1
		}
	}
}

func (lv *level) unique(t *catalog.Table, only bool, fixed map[string]bool) bool {
	if t.Kind != catalog.KindPartitioned && len(t.Children) > 0 && !only {
		return false // a key is of one table, not of its children
	}
	return slices.ContainsFunc(t.Keys, func(key []string) bool {
		return !slices.ContainsFunc(key, func(col string) bool { return !fixed[col] })
	})
}

// equals notes the columns of it that cond makes equal to a value.
func (lv *level) equals(cond *pg_query.Node, it *item, fixed map[string]bool) {
	if b := cond.GetBoolExpr(); b != nil && b.Boolop == pg_query.BoolExprType_AND_EXPR {
		for _, c := range b.Args {
			lv.equals(c, it, fixed)
		}
		return
	}
	e := cond.GetAExpr()
	if e == nil || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || stringsOf(e.Name)[0] != "=" || !PlainOperator(lv.m.cat, e.Name) {
		return
	}
	for _, side := range [2][2]*pg_query.Node{{e.Lexpr, e.Rexpr}, {e.Rexpr, e.Lexpr}} {
		c := side[0].GetColumnRef()
		if c == nil || !lv.m.sent(side[1]) {
			continue
		}
		if u, ok := nameOf(c); ok && lv.means(u, schemaOf(c), it) {
			fixed[u.name] = true
		}
	}
}

// means reports whether a name is a column of it and of nothing else in FROM.
func (lv *level) means(u usedName, schema string, it *item) bool {
	if u.qualifier == "" {
		return len(lv.items) == 1
	}
	n := 0
	for _, other := range lv.items {
		if !other.hidden && other.alias == u.qualifier {
			n++
		}
	}
	return n == 1 && it.goesBy(u, schema)
}

// sent reports whether a value comes from the client as it is. A cast to a type whose
// values are equal to several of a column's is left out: to float8, to bpchar.
func (m *measurer) sent(n *pg_query.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		return m.exactly(c.TypeName) && m.sent(c.Arg)
	}
	if p := n.GetParamRef(); p != nil {
		return m.exact(int(p.Number))
	}
	return n.GetAConst() != nil
}

func (m *measurer) exactly(t *pg_query.TypeName) bool {
	name := lastOf(t.GetNames())
	return exactTypes[name] && len(t.ArrayBounds) == 0 && len(m.cat.UserTypes(name)) == 0
}

var exactTypes = map[string]bool{"int2": true, "int4": true, "int8": true, "numeric": true, "text": true, "varchar": true, "uuid": true, "date": true}

// exact reports whether a parameter has no type of which a value is equal to several of
// another: it is declared as none such, and has that of the column beside it where nothing
// else in the text could give it one.
func (m *measurer) exact(param int) bool {
	if param <= len(m.params) && inexact(m.cat, m.params[param-1]) {
		return false
	}
	if m.mentioned == nil {
		m.mentioned = map[int]int{}
		var look func(n *pg_query.Node)
		look = func(n *pg_query.Node) {
			switch x := n.GetNode().(type) {
			case *pg_query.Node_ParamRef:
				m.mentioned[int(x.ParamRef.Number)]++
			case *pg_query.Node_TypeCast:
				if x.TypeCast.Arg.GetParamRef() != nil && m.exactly(x.TypeCast.TypeName) {
					return
				}
			case *pg_query.Node_PrepareStmt:
				for i, t := range x.PrepareStmt.Argtypes {
					if !m.exactly(t.GetTypeName()) {
						m.mentioned[i+1] = 2
					}
				}
			}
			if !children(n, look) {
				m.lost = true
			}
		}
		for _, raw := range m.tree.GetStmts() {
			look(raw.GetStmt())
		}
	}
	return m.mentioned[param] < 2
}

// Inexact reports whether parameters of declared types may be equal to several values of a key.
func Inexact(cat *catalog.Snapshot, types []uint32) bool {
	return slices.ContainsFunc(types, func(oid uint32) bool { return inexact(cat, oid) })
}

// inexact reports so of one type: a number of floating point, a text that is compared without its
// blanks or by a collation of the type's own, or a type that the catalog does not have.
func inexact(cat *catalog.Snapshot, oid uint32) bool {
	if oid != 0 && cat.Type(oid) == nil || cat.Collates(oid) {
		return true
	}
	for t := cat.Type(oid); t != nil && t.Kind == hoop.TypeDomain; t = t.Elem {
		oid = t.Elem.OID
	}
	return oid == 700 || oid == 701 || oid == 1042 // float4, float8, bpchar (pg_type.dat)
}
