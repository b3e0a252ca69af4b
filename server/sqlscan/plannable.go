package sqlscan

import (
	"fmt"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Planned is what may be asked of PostgreSQL's planner about a text.
type Planned struct {
	// Query is the part that is planned: an EXECUTE where Execute says so, the whole text
	// where Whole does.
	Query          *pg_query.Node
	Whole, Execute bool
	Text           string // where the statement has no query: one that is planned in its place
	// Schemas are those that names without a schema need in the search_path; each such
	// name means one table only, whatever the path.
	Schemas []string
	// What becomes of the rows, for people: "be stored". "" is for the plan to say.
	What string
}

// Plannable tells whether PostgreSQL's planner may be asked about a text without any
// code of users being run: the planner folds immutable functions of constants, asks
// stable ones for estimates, compares statistics by the operators of a column's type,
// evaluates what indexes, checks, policies and views compute, and asks foreign servers;
// EXPLAIN of an EXECUTE evaluates its arguments. So it is one SELECT, INSERT, UPDATE or
// DELETE over plain tables whose every function, operator, cast and type is PostgreSQL's
// own, and no function is volatile, or what stores, copies, keeps or measures the rows of
// one. An EXECUTE is that of prepared, the text that its name stands for; nil where that
// is not known. types are the OIDs of parameters, as far as a client declared them. Otherwise
// why is for people.
func Plannable(p, prepared *pgparse.Parsed, types []uint32, cat *catalog.Snapshot) (plan Planned, why string) {
	stmts := p.Tree.GetStmts()
	if len(stmts) != 1 {
		return plan, "the text has several statements"
	}
	c := &planning{cat: cat, named: map[string]bool{}}
	plan = planned(stmts[0].GetStmt())
	switch {
	case plan.Query == nil && plan.What != "":
		return Planned{}, plan.What
	case plan.Execute && prepared == nil:
		return plan, "what it executes is not known"
	case plan.Execute:
		for _, arg := range plan.Query.GetExecuteStmt().GetParams() {
			c.message(arg.ProtoReflect(), 0)
		}
		c.executes(prepared)
	default:
		c.plans(plan.Query)
	}
	for _, t := range types {
		if t != 0 && !c.builtin(t) {
			c.no("a parameter has a user's type")
		}
	}
	slices.Sort(c.schemas)
	plan.Schemas = slices.Compact(c.schemas)
	return plan, c.why
}

// unplanned is why other statements have no plan.
const unplanned = "PostgreSQL plans only SELECT, INSERT, UPDATE and DELETE"

// planned finds the query in a statement. Where there is none, What is why.
func planned(top *pg_query.Node) Planned {
	inside := func(query *pg_query.Node, what string) Planned {
		if query == nil {
			return Planned{What: unplanned}
		}
		return Planned{Query: query, What: what, Execute: query.GetExecuteStmt() != nil}
	}
	switch x := top.GetNode().(type) {
	case *pg_query.Node_ExecuteStmt:
		return Planned{Query: top, Whole: true, Execute: true}
	case *pg_query.Node_CreateTableAsStmt:
		if x.CreateTableAsStmt.GetInto().GetSkipData() {
			return Planned{What: "it stores no rows"}
		}
		return inside(x.CreateTableAsStmt.Query, "be stored")
	case *pg_query.Node_DeclareCursorStmt:
		return inside(x.DeclareCursorStmt.Query, "")
	case *pg_query.Node_CopyStmt:
		if x.CopyStmt.Relation != nil && !x.CopyStmt.IsFrom {
			return wholeTable(x.CopyStmt.Relation)
		}
		return inside(x.CopyStmt.Query, "")
	case *pg_query.Node_ExplainStmt:
		if !analyzes(x.ExplainStmt) {
			return Planned{What: "it plans, and runs nothing"}
		}
		q := x.ExplainStmt.Query
		if q.GetSelectStmt() != nil {
			return inside(q, "be read")
		}
		return inside(q, "")
	case *pg_query.Node_PrepareStmt:
		return Planned{What: "of PREPARE, only EXECUTE is"}
	}
	return Planned{Query: top, Whole: true}
}

// wholeTable is what COPY reads of a table: all rows of its own.
func wholeTable(rv *pg_query.RangeVar) Planned {
	name := identifier(rv.Relname)
	if rv.Schemaname != "" {
		name = identifier(rv.Schemaname) + "." + name
	}
	return Planned{Query: &pg_query.Node{Node: &pg_query.Node_RangeVar{RangeVar: rv}}, Text: "SELECT FROM ONLY " + name}
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// analyzes reports whether an EXPLAIN runs what it is about. Of an option that stands there
// several times the last counts (PostgreSQL's ExplainQuery).
func analyzes(e *pg_query.ExplainStmt) (yes bool) {
	for _, o := range e.Options {
		if d := o.GetDefElem(); d.GetDefname() == "analyze" {
			yes = chosen(d)
		}
	}
	return yes
}

// chosen reports whether an option is not switched off (PostgreSQL's defGetBoolean).
func chosen(d *pg_query.DefElem) bool {
	switch v := d.GetArg().GetNode().(type) {
	case *pg_query.Node_String_:
		return !strings.EqualFold(v.String_.Sval, "false") && !strings.EqualFold(v.String_.Sval, "off")
	case *pg_query.Node_Integer:
		return v.Integer.Ival != 0
	case *pg_query.Node_Boolean:
		return v.Boolean.Boolval
	}
	return true
}

// executes looks at the text that an EXECUTE's name stands for: a PREPARE, or one that
// was prepared in the protocol.
func (c *planning) executes(prepared *pgparse.Parsed) {
	stmts := prepared.Tree.GetStmts()
	if len(stmts) != 1 {
		c.no("it was prepared among other statements")
		return
	}
	top := stmts[0].GetStmt()
	if x := top.GetPrepareStmt(); x != nil {
		for _, t := range x.Argtypes {
			c.message(t.ProtoReflect(), 0)
		}
		top = x.Query
	}
	c.plans(top)
}

// plans says why a statement alone may not be planned, "" where it may.
func plans(top *pg_query.Node, cat *catalog.Snapshot) (why string) {
	c := &planning{cat: cat, named: map[string]bool{}}
	c.plans(top)
	return c.why
}

// plans looks at one query.
func (c *planning) plans(top *pg_query.Node) {
	switch x := top.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		if intoOf(x.SelectStmt) != nil {
			c.no("it makes a table")
		}
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_RangeVar:
	default:
		c.no(unplanned)
	}
	for _, k := range c.cat.Casts() {
		if k.Source < firstUserOID && k.Target < firstUserOID {
			c.no("the database has casts of its users between PostgreSQL's own types")
		}
	}
	c.queries(top, 0)
	c.message(top.ProtoReflect(), 0)
}

// planning looks at every message of a tree, of whatever kind.
type planning struct {
	cat     *catalog.Snapshot
	named   map[string]bool // common table expressions
	schemas []string
	why     string
}

func (c *planning) no(format string, args ...any) {
	if c.why == "" {
		c.why = fmt.Sprintf(format, args...)
	}
}

func (c *planning) message(m protoreflect.Message, depth int) {
	if c.why != "" {
		return
	}
	if depth > 4*maxDepth {
		c.no("it is nested too deep")
		return
	}
	switch x := m.Interface().(type) {
	case *pg_query.RangeVar:
		c.table(x)
	case *pg_query.FuncCall:
		c.function(stringsOf(x.Funcname))
	case *pg_query.A_Expr:
		c.operator(stringsOf(x.Name))
	case *pg_query.SubLink:
		c.operator(stringsOf(x.OperName))
	case *pg_query.SortBy:
		c.operator(stringsOf(x.UseOp))
	case *pg_query.TypeName:
		c.typeName(x)
	case *pg_query.ColumnRef:
		c.column(x)
	case *pg_query.A_Indirection:
		for _, n := range x.Indirection {
			if n.GetString_() != nil { // a field, or a function in field notation
				c.no("a field of a row may be a function")
			}
		}
	case *pg_query.XmlExpr, *pg_query.XmlSerialize, *pg_query.RangeTableFunc, *pg_query.RangeTableSample, *pg_query.CollateClause,
		*pg_query.JsonTable, *pg_query.CurrentOfExpr, *pg_query.IntoClause, *pg_query.LockingClause:
		c.no("it has a part that is not estimated: %s", m.Descriptor().Name())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				c.message(v.List().Get(i).Message(), depth+1)
			}
		default:
			c.message(v.Message(), depth+1)
		}
		return c.why == ""
	})
}

// queries notes the names of WITH queries. Where they are visible is not asked, so no
// table may have such a name.
func (c *planning) queries(n *pg_query.Node, depth int) {
	if depth > maxDepth {
		c.no("it is nested too deep")
		return
	}
	if q := n.GetCommonTableExpr(); q != nil {
		c.named[q.Ctename] = true
		if len(c.cat.Lookup("", q.Ctename)) > 0 {
			c.no("%s is a table and a WITH query", q.Ctename)
		}
	}
	if !children(n, func(x *pg_query.Node) { c.queries(x, depth+1) }) {
		c.no("it has a part that is not known")
	}
}

func (c *planning) table(rv *pg_query.RangeVar) {
	if rv.Schemaname == "" && c.named[rv.Relname] {
		return
	}
	if rv.Catalogname != "" || isTempSchema(rv.Schemaname) {
		c.no("%s is not a plain table", rv.Relname)
		return
	}
	found := c.cat.Lookup(rv.Schemaname, rv.Relname)
	switch {
	case len(found) == 0:
		c.no("%s is not in the catalog", rv.Relname)
		return
	case len(found) > 1:
		c.no("%s is a table in several schemas", rv.Relname)
		return
	}
	if rv.Schemaname == "" {
		c.schemas = append(c.schemas, found[0].Schema)
	}
	for _, t := range append(c.cat.Related(found[0]), found[0]) {
		c.plain(t)
	}
}

// plain refuses tables that the planner needs code or a foreign server for.
func (c *planning) plain(t *catalog.Table) {
	switch {
	case t.Temporary:
		c.no("%s is a temporary table", t.Name)
	case t.System:
		c.no("%s is of PostgreSQL's own catalog", t.Name)
	case t.Kind != catalog.KindOrdinary && t.Kind != catalog.KindPartitioned && t.Kind != catalog.KindMatView:
		c.no("%s is not a plain table", t.Name)
	case t.HasRules:
		c.no("%s has rewrite rules", t.Name)
	case t.RowSecurity:
		c.no("%s has row-level security", t.Name)
	case t.RunsCode:
		c.no("%s has defaults, checks or indexes with functions of users", t.Name)
	}
	for _, col := range t.Columns {
		if !c.builtin(col.Type) {
			c.no("%s has a column of a user's type", t.Name)
		}
	}
}

// builtin reports whether values of a type are made, compared and cast by PostgreSQL's own
// functions.
func (c *planning) builtin(oid uint32) bool {
	return len(c.cat.TypeCode(oid)) == 0 && c.plannableType(c.cat.Type(oid), 0)
}

// plannableType reports whether values of a type are compared, and cast, by PostgreSQL's
// own functions.
func (c *planning) plannableType(t *hoop.Type, depth int) bool {
	switch {
	case t == nil || depth > 8:
		return false
	case t.OID < firstUserOID:
		return true
	case slices.ContainsFunc(c.cat.Casts(), func(k catalog.Cast) bool { return k.Source == t.OID || k.Target == t.OID }):
		return false
	case t.Kind == hoop.TypeArray, t.Kind == hoop.TypeDomain:
		return c.plannableType(t.Elem, depth+1)
	}
	return t.Kind == hoop.TypeEnum
}

func (c *planning) function(parts []string) {
	if len(parts) == 0 {
		c.no("a function without a name")
		return
	}
	schema, name := "", parts[len(parts)-1]
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	found := c.cat.Functions(schema, name)
	if len(found) == 0 {
		c.no("function %s is not in the catalog", name)
	}
	for _, f := range found {
		switch {
		case !f.System:
			c.no("function %s is a user's", name)
		case f.Volatility == catalog.Volatile:
			c.no("function %s is volatile", name)
		}
	}
	if h, _ := harmOf(name); h.effect != "" {
		c.no("function %s may run code that it gets as a value", name)
	}
}

// operator refuses operators that users made: their estimators and functions are code.
// Those of users' types only are not meant where there are no values of such types.
func (c *planning) operator(parts []string) {
	if len(parts) == 0 {
		return
	}
	for _, op := range c.cat.Operators(parts[len(parts)-1]) {
		f, ok := c.cat.Function(op.Function)
		if !ok || len(f.ArgTypes) == 0 || slices.ContainsFunc(f.ArgTypes, c.reachable) {
			c.no("operator %s is a user's", op.Name)
		}
	}
}

// reachable reports whether a value of PostgreSQL's own types may be taken for one of
// the type, unasked.
func (c *planning) reachable(oid uint32) bool {
	return oid < firstUserOID || slices.ContainsFunc(c.cat.Casts(), func(k catalog.Cast) bool {
		return k.Target == oid && k.Implicit && k.Source < firstUserOID
	})
}

func (c *planning) typeName(t *pg_query.TypeName) {
	parts := stringsOf(t.Names)
	if len(parts) == 0 || t.PctType {
		c.no("a type that is not named")
		return
	}
	name := parts[len(parts)-1]
	if len(c.cat.UserTypes(name)) > 0 || len(c.cat.Lookup("", name)) > 0 {
		c.no("type %s is a user's", name)
	}
}

// column refuses what may be a function in column notation: a.b, where b is no column.
func (c *planning) column(ref *pg_query.ColumnRef) {
	parts := stringsOf(ref.Fields)
	if len(parts) < 2 || len(parts) != len(ref.Fields) {
		return
	}
	name := parts[len(parts)-1]
	for _, f := range c.cat.Functions("", name) {
		if !f.System || f.Volatility == catalog.Volatile {
			c.no("column %s may be a function", name)
		}
	}
}
