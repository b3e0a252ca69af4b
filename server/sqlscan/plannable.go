package sqlscan

import (
	"fmt"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// Plannable tells whether PostgreSQL's planner may be asked about a text without any
// code of users being run: the planner folds immutable functions of constants, asks
// stable ones for estimates, compares statistics by the operators of a column's type,
// evaluates what indexes, checks, policies and views compute, and asks foreign servers.
// So it is one SELECT, INSERT, UPDATE or DELETE over plain tables whose every function,
// operator, cast and type is PostgreSQL's own, and no function is volatile. Otherwise
// why is for people. schemas are those that names without a schema need in the
// search_path; each such name means one table only, whatever the path.
func Plannable(p *pgparse.Parsed, cat *catalog.Snapshot) (schemas []string, why string) {
	stmts := p.Tree.GetStmts()
	if len(stmts) != 1 {
		return nil, "the text has several statements"
	}
	return plans(stmts[0].GetStmt(), cat)
}

// plans does so for one statement.
func plans(top *pg_query.Node, cat *catalog.Snapshot) (schemas []string, why string) {
	switch x := top.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		if intoOf(x.SelectStmt) != nil {
			return nil, "it makes a table"
		}
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt:
	default:
		return nil, "PostgreSQL plans only SELECT, INSERT, UPDATE and DELETE"
	}
	for _, k := range cat.Casts() {
		if k.Source < firstUserOID && k.Target < firstUserOID {
			return nil, "the database has casts of its users between PostgreSQL's own types"
		}
	}
	c := &planning{cat: cat, named: map[string]bool{}}
	c.queries(top, 0)
	c.message(top.ProtoReflect(), 0)
	slices.Sort(c.schemas)
	return slices.Compact(c.schemas), c.why
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
		if len(c.cat.TypeCode(col.Type)) > 0 || !c.plannableType(c.cat.Type(col.Type), 0) {
			c.no("%s has a column of a user's type", t.Name)
		}
	}
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
