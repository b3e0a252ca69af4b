package sqlscan

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/pglex"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// freeLiterals says which literals of a text the analysis does not look at: see
// Analysis.Free. It looks for places where a literal becomes a constant whose value
// no analysis reads: compared with a column, stored by INSERT or UPDATE. A literal
// that is found nowhere (the length of a type, the number of a parameter) or elsewhere
// (LIMIT, an argument, a pattern, a condition without a column) counts.
func freeLiterals(p *pgparse.Parsed) []bool {
	if len(p.Tree.GetStmts()) != 1 {
		return nil
	}
	top := p.Tree.Stmts[0].GetStmt()
	switch x := top.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		if intoOf(x.SelectStmt) != nil {
			return nil
		}
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt:
	default:
		return nil
	}
	var text pglex.Text
	if !text.Read(p.SQL) {
		return nil
	}
	f := freer{sql: p.SQL, literals: text.Literals, free: make([]bool, len(text.Literals)), changes: changes(top, 0)}
	f.walk(top, 0)
	return f.free
}

// freer marks literals as free.
type freer struct {
	sql      string
	literals []pglex.Literal
	free     []bool
	changes  bool // there are conditions of writes: a comparison with the end of a type limits none
}

// changes reports whether a statement has a part that changes rows.
func changes(n *pg_query.Node, depth int) bool {
	switch n.GetNode().(type) {
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		return true
	}
	found := depth > maxDepth
	children(n, func(c *pg_query.Node) { found = found || changes(c, depth+1) })
	return found
}

func (f *freer) walk(n *pg_query.Node, depth int) {
	if depth > maxDepth {
		return
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AExpr:
		f.comparison(x.AExpr)
	case *pg_query.Node_InsertStmt:
		for _, row := range x.InsertStmt.SelectStmt.GetSelectStmt().GetValuesLists() {
			f.mark(listOf(row)...)
		}
	case *pg_query.Node_UpdateStmt:
		for _, t := range x.UpdateStmt.TargetList {
			f.mark(t.GetResTarget().GetVal())
		}
	}
	children(n, func(c *pg_query.Node) { f.walk(c, depth+1) })
}

// comparison marks what stands on the other side of a column.
func (f *freer) comparison(e *pg_query.A_Expr) {
	name := stringsOf(e.Name)
	if len(name) != 1 || len(e.Name) != 1 {
		return
	}
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_OP:
		if !plainOperators[name[0]] || f.changes && strings.ContainsAny(name[0], "<>") && name[0] != "<>" {
			return
		}
		if ofColumn(e.Lexpr) {
			f.mark(e.Rexpr)
		} else if ofColumn(e.Rexpr) {
			f.mark(e.Lexpr)
		}
	case pg_query.A_Expr_Kind_AEXPR_IN, pg_query.A_Expr_Kind_AEXPR_BETWEEN:
		if ofColumn(e.Lexpr) && !(f.changes && e.Kind == pg_query.A_Expr_Kind_AEXPR_BETWEEN) {
			f.mark(listOf(e.Rexpr)...)
		}
	}
}

// plainOperators are those of which no analysis asks for the value beside them.
var plainOperators = map[string]bool{
	"=": true, "<>": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true,
	"+": true, "-": true, "*": true, "/": true,
}

// ofColumn reports whether an expression is a column, or a function or cast of columns
// alone.
func ofColumn(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		return true
	case *pg_query.Node_TypeCast:
		return ofColumn(x.TypeCast.Arg)
	case *pg_query.Node_FuncCall:
		for _, a := range x.FuncCall.Args {
			if a.GetColumnRef() == nil {
				return false
			}
		}
		return len(x.FuncCall.Args) > 0 && !x.FuncCall.AggDistinct // beside which leastRows looks
	}
	return false
}

// mark frees those of the expressions that are constants. A literal is told by its
// place: the grammar puts a negative number where its minus sign stands.
func (f *freer) mark(exprs ...*pg_query.Node) {
	for _, n := range exprs {
		if c := n.GetTypeCast(); c != nil {
			if !plainType(c.TypeName) {
				continue
			}
			n = c.Arg
		}
		c := n.GetAConst()
		if c == nil || c.Location < 0 || int(c.Location) >= len(f.sql) {
			continue
		}
		for i, l := range f.literals {
			if l.Start >= int(c.Location) {
				if l.Start == int(c.Location) || f.sql[c.Location] == '-' {
					f.free[i] = true
				}
				break
			}
		}
	}
}

// plainType reports whether a type is one of PostgreSQL's own whose values name
// nothing, as regclass does.
func plainType(t *pg_query.TypeName) bool {
	parts := stringsOf(t.GetNames())
	return len(parts) > 0 && plainTypes[parts[len(parts)-1]]
}

var plainTypes = map[string]bool{
	"int2": true, "int4": true, "int8": true, "numeric": true, "float4": true, "float8": true, "text": true, "varchar": true,
	"bpchar": true, "date": true, "time": true, "timetz": true, "timestamp": true, "timestamptz": true, "interval": true,
	"uuid": true, "bool": true, "bytea": true, "json": true, "jsonb": true, "inet": true,
}
