package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Write says which parts of a text are values, and what each is good for; params is how
// many values are bound to it. It is sound before it is precise: a value is known to
// belong to a column only where it stands directly beside one whose name can mean
// nothing else, in one statement over plain tables.
func Write(p *pgparse.Parsed, cat *catalog.Snapshot, params int) hoop.Writing {
	w := &writing{cat: cat, sql: p.SQL}
	w.out.Params = make([]hoop.Purpose, params)
	w.out.Places, w.out.Known = places(p.SQL, p.Shape)
	if !w.out.Known {
		w.out.Places = nil
	}
	for _, raw := range p.Tree.GetStmts() {
		w.code(raw.GetStmt())
	}
	if len(p.Tree.GetStmts()) == 1 {
		top := p.Tree.Stmts[0].GetStmt()
		if w.gather(top, 0); !w.vague {
			w.purposes(top, 0)
		}
		for i := range w.out.Params {
			if w.uses[int32(i+1)] != 0 { // it is good for something else as well
				w.out.Params[i] = hoop.Purpose{}
			}
		}
	}
	return w.out
}

// writing finds out what the values of one statement are good for.
type writing struct {
	out   hoop.Writing
	cat   *catalog.Snapshot
	sql   string
	vague bool // names may mean what is not seen

	tables  []*catalog.Table
	aliases map[string][]*catalog.Table // nil where a name stands for something derived
	made    map[string]bool             // names of columns that the statement itself makes
	uses    map[int32]int               // of parameters, less those whose purpose is known
}

// code opens the bodies of DO and CREATE FUNCTION, so that those who decide can read
// them: what is a value in there is a place of its own. Other languages stay whole.
func (w *writing) code(n *pg_query.Node) {
	var options []*pg_query.Node
	language := "plpgsql"
	switch x := n.GetNode().(type) {
	case *pg_query.Node_DoStmt:
		options = x.DoStmt.Args
	case *pg_query.Node_CreateFunctionStmt:
		options, language = x.CreateFunctionStmt.Options, ""
	}
	var bodies []string
	for _, o := range options {
		switch d := o.GetDefElem(); d.GetDefname() {
		case "language":
			language = d.GetArg().GetString_().GetSval()
		case "as":
			if s := d.GetArg().GetString_(); s != nil {
				bodies = append(bodies, s.Sval)
			}
			bodies = append(bodies, stringsOf(listOf(d.GetArg()))...)
		}
	}
	if language != "sql" && language != "plpgsql" {
		return
	}
	var found []hoop.Place
	for _, p := range w.out.Places {
		inner, ok := w.body(p, bodies)
		if !ok {
			inner = []hoop.Place{p}
		}
		found = append(found, inner...)
	}
	w.out.Places = found
}

// body gives the places within a dollar-quoted literal that is one of bodies.
func (w *writing) body(p hoop.Place, bodies []string) ([]hoop.Place, bool) {
	text := w.sql[p.Start:p.End]
	if p.Comment || !strings.HasPrefix(text, "$") {
		return nil, false
	}
	tag := strings.IndexByte(text[1:], '$') + 2
	if len(text) < 2*tag || !slices.Contains(bodies, text[tag:len(text)-tag]) {
		return nil, false
	}
	l := placer{src: text[tag : len(text)-tag]}
	for l.at < len(l.src) {
		if !l.next() {
			return nil, false
		}
	}
	for i := range l.found {
		l.found[i].Start += p.Start + tag
		l.found[i].End += p.Start + tag
	}
	return l.found, true
}

// gather collects what names can mean. What it does not know makes everything vague.
func (w *writing) gather(n *pg_query.Node, depth int) {
	if w.aliases == nil {
		w.aliases, w.made, w.uses = map[string][]*catalog.Table{}, map[string]bool{}, map[int32]int{}
		switch n.GetNode().(type) {
		case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt:
		default:
			w.vague = true
		}
	}
	if depth > maxDepth {
		w.vague = true
	}
	if w.vague {
		return
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		for _, t := range x.SelectStmt.TargetList {
			w.makes(t.GetResTarget().GetName())
		}
		w.vague = w.vague || x.SelectStmt.IntoClause != nil
	case *pg_query.Node_InsertStmt:
		w.relation(x.InsertStmt.Relation)
	case *pg_query.Node_UpdateStmt:
		w.relation(x.UpdateStmt.Relation)
	case *pg_query.Node_DeleteStmt:
		w.relation(x.DeleteStmt.Relation)
	case *pg_query.Node_ParamRef:
		w.uses[x.ParamRef.Number]++
	case *pg_query.Node_RangeVar:
		w.relation(x.RangeVar)
		return
	case *pg_query.Node_CommonTableExpr, *pg_query.Node_RangeSubselect, *pg_query.Node_RangeFunction, *pg_query.Node_RangeTableFunc,
		*pg_query.Node_JsonTable, *pg_query.Node_MergeStmt, *pg_query.Node_RangeTableSample:
		w.vague = true // names of its columns may hide what they are made of
		return
	case *pg_query.Node_JoinExpr:
		w.vague = w.vague || x.JoinExpr.Alias != nil || x.JoinExpr.JoinUsingAlias != nil
	}
	if !children(n, func(c *pg_query.Node) { w.gather(c, depth+1) }) {
		w.vague = true
	}
}

func (w *writing) makes(name string) {
	if name != "" {
		w.made[name] = true
	}
}

// relation notes a table that is named.
func (w *writing) relation(rv *pg_query.RangeVar) {
	all := w.withRelatives(rv)
	if len(all) == 0 || isTempSchema(rv.GetSchemaname()) || len(rv.GetAlias().GetColnames()) > 0 {
		w.vague = true
		return
	}
	for _, t := range all {
		if t.Kind != catalog.KindOrdinary && t.Kind != catalog.KindPartitioned || t.System || t.Temporary {
			w.vague = true
		}
	}
	for _, t := range all {
		if !slices.Contains(w.tables, t) {
			w.tables = append(w.tables, t)
		}
		if alias := aliasOf(rv); !slices.Contains(w.aliases[alias], t) {
			w.aliases[alias] = append(w.aliases[alias], t)
		}
	}
}

// purposes notes what the values of comparisons and assignments belong to.
func (w *writing) purposes(n *pg_query.Node, depth int) {
	if depth > maxDepth {
		return
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AExpr:
		w.comparison(x.AExpr)
	case *pg_query.Node_SelectStmt:
		w.mark(hoop.Purpose{Known: true}, x.SelectStmt.LimitCount, x.SelectStmt.LimitOffset)
	case *pg_query.Node_InsertStmt:
		w.inserted(x.InsertStmt)
	case *pg_query.Node_UpdateStmt:
		for _, t := range x.UpdateStmt.TargetList {
			if rt := t.GetResTarget(); len(rt.GetIndirection()) == 0 {
				w.mark(w.stored(x.UpdateStmt.Relation, rt.GetName()), rt.GetVal())
			}
		}
	}
	children(n, func(c *pg_query.Node) { w.purposes(c, depth+1) })
}

// comparesOnly are operators that give true or false.
var comparesOnly = map[string]bool{
	"=": true, "<>": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true,
	"~~": true, "!~~": true, "~~*": true, "!~~*": true, "~": true, "!~": true, "~*": true, "!~*": true,
}

func (w *writing) comparison(e *pg_query.A_Expr) {
	name := stringsOf(e.Name)
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_OP, pg_query.A_Expr_Kind_AEXPR_OP_ANY, pg_query.A_Expr_Kind_AEXPR_OP_ALL,
		pg_query.A_Expr_Kind_AEXPR_LIKE, pg_query.A_Expr_Kind_AEXPR_ILIKE, pg_query.A_Expr_Kind_AEXPR_IN:
		if len(name) != 1 || !comparesOnly[name[0]] {
			return
		}
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN:
	default:
		return
	}
	if p := w.column(e.Lexpr); p.Known {
		w.mark(p, e.Rexpr)
		w.mark(p, listOf(e.Rexpr)...)
		w.mark(p, e.Rexpr.GetAArrayExpr().GetElements()...)
		return
	}
	w.mark(w.column(e.Rexpr), e.Lexpr)
}

// column is the purpose of what is compared with n.
func (w *writing) column(n *pg_query.Node) hoop.Purpose {
	c := n.GetColumnRef()
	if c == nil {
		return hoop.Purpose{}
	}
	parts := stringsOf(c.Fields)
	if len(parts) != len(c.Fields) || len(parts) == 0 || len(parts) > 2 { // a star
		return hoop.Purpose{}
	}
	name := parts[len(parts)-1]
	if w.made[name] {
		return hoop.Purpose{}
	}
	if len(parts) == 2 {
		return in(w.aliases[parts[0]], name)
	}
	if _, row := w.aliases[name]; row {
		return hoop.Purpose{}
	}
	var having []*catalog.Table
	for _, t := range w.tables {
		if _, ok := t.Column(name); ok {
			having = append(having, t)
		}
	}
	return in(having, name)
}

// in is the purpose of a value for the column of that name in each of tables.
func in(tables []*catalog.Table, column string) hoop.Purpose {
	p := hoop.Purpose{Known: len(tables) > 0}
	for _, t := range tables {
		if _, ok := t.Column(column); !ok {
			return hoop.Purpose{}
		}
		p.Columns = append(p.Columns, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: column})
	}
	return p
}

// stored is the purpose of what INSERT or UPDATE puts into a column.
func (w *writing) stored(rv *pg_query.RangeVar, column string) hoop.Purpose {
	return in(w.withRelatives(rv), column)
}

func (w *writing) withRelatives(rv *pg_query.RangeVar) []*catalog.Table {
	var all []*catalog.Table
	for _, t := range w.cat.Lookup(rv.GetSchemaname(), rv.GetRelname()) {
		all = append(append(all, t), w.cat.Related(t)...)
	}
	return all
}

func (w *writing) inserted(x *pg_query.InsertStmt) {
	var columns []string
	for _, c := range x.Cols {
		if len(c.GetResTarget().GetIndirection()) > 0 {
			return
		}
		columns = append(columns, c.GetResTarget().GetName())
	}
	if found := w.cat.Lookup(x.Relation.GetSchemaname(), x.Relation.GetRelname()); len(columns) == 0 && len(found) == 1 {
		for _, c := range found[0].Columns {
			columns = append(columns, c.Name)
		}
	}
	for _, row := range x.SelectStmt.GetSelectStmt().GetValuesLists() {
		for i, v := range listOf(row) {
			if i < len(columns) {
				w.mark(w.stored(x.Relation, columns[i]), v)
			}
		}
	}
}

// mark notes the purpose of those of the expressions that are a literal or a parameter.
func (w *writing) mark(p hoop.Purpose, exprs ...*pg_query.Node) {
	if !p.Known {
		return
	}
	for _, n := range exprs {
		if c := n.GetTypeCast(); c != nil && plainType(c.TypeName) {
			n = c.Arg
		}
		if r := n.GetParamRef(); r != nil {
			if i := int(r.Number) - 1; i >= 0 && i < len(w.out.Params) {
				w.out.Params[i] = hoop.Purpose{Known: true, Columns: slices.Concat(w.out.Params[i].Columns, p.Columns)}
				w.uses[r.Number]--
			}
			continue
		}
		c := n.GetAConst()
		if c == nil || c.Location < 0 || int(c.Location) >= len(w.sql) {
			continue
		}
		for i, pl := range w.out.Places {
			if pl.Start >= int(c.Location) && !pl.Comment {
				if pl.Start == int(c.Location) || w.sql[c.Location] == '-' {
					w.out.Places[i].Purpose = p
				}
				break
			}
		}
	}
}
