// Package lineage says which columns the outputs of a PostgreSQL statement derive from.
//
// It is pure: a parse tree and a snapshot of the catalog in, a set of columns for every
// output out. A value derives from a column when another value there could make it
// another value: by way of functions, operators, conditions inside of an expression
// (CASE, FILTER, a sub-select's WHERE) and the order that an aggregate takes its input
// in. Which rows come back, how often and in what order is no part of it: conditions,
// joins and grouping keys of the statement itself, and of what stands in FROM, are the
// effect infer, which sqlscan finds. So count(*) derives from nothing, and so does
// count(x) of a plain column.
//
// It is sound before it is precise. A table's name without a schema means every table
// of that name. A name that may mean several columns means all of them. Views, foreign
// tables, row-level security, users' functions, operators and casts, names that are
// not found and nodes that are not known make an output that may be anything. Names are
// resolved as PostgreSQL does (parse_relation.c, parse_clause.c, parse_target.c,
// parse_cte.c of its sources).
//
// Tables that the session made for itself are followed by Local, and have to be in the
// snapshot. Whoever uses lineage must not do so where one that is not there can stand in
// for another: where sqlscan calls the statement, or what went before it, opaque.
package lineage

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// Output is one column of an answer.
type Output struct {
	Name string // as PostgreSQL calls it; "" where that is not known
	// Origins are the columns that the values derive from, sorted, with the same columns
	// of partitions and inheritance relatives. A merged column has several.
	Origins []hoop.ColumnRef
	// Known says that the values derive from nothing else. Otherwise they may be anything
	// that the statement reads, and Origins is nil.
	Known bool
	// Plain and Shaped are those of hoop.Column; of types nothing is known here.
	Plain, Shaped bool
}

// Outputs gives the columns of the answer to command i of the text, in a database that
// contains cat; of PREPARE and DECLARE, those of what EXECUTE and FETCH answer with, and of
// COPY TO, those of its data. It is nil where there is none, or where their number is not
// known. It never fails, and may be called concurrently.
func Outputs(p *pgparse.Parsed, i int, cat *catalog.Snapshot) []Output {
	stmts := p.Tree.GetStmts()
	if i < 0 || i >= len(stmts) {
		return nil
	}
	a := &analysis{cat: cat, ids: map[hoop.ColumnRef]int32{}, steps: maxSteps, depth: maxDepth}
	for k, before := range stmts[:i] {
		changes, ok := Local(p, k, a.cat)
		if !ok || !a.harmless(before.GetStmt()) && !a.onOwn(before.GetStmt()) {
			return nil
		}
		a.cat = a.cat.After(changes)
	}
	r := a.top(stmts[i].GetStmt())
	if r == nil || !r.fixed || a.steps <= 0 {
		return nil
	}
	plain := sqlscan.PlainCasts(cat)
	out := make([]Output, len(r.cols))
	for i, c := range r.cols {
		if c.name != anyName {
			out[i].Name = c.name
		}
		if !plain || c.flow.unknown {
			continue
		}
		out[i].Known, out[i].Plain, out[i].Shaped = true, c.flow.plain && !c.flow.mixed, c.flow.keepsShape()
		out[i].Origins = a.origins(c.flow)
	}
	return out
}

// harmless reports whether after a command names mean what they did before it, and
// tables hold the same: it stores nothing, and runs no user's code that could.
func (a *analysis) harmless(n *pg_query.Node) bool {
	switch x := n.GetNode().(type) {
	case nil:
		return true
	case *pg_query.Node_SelectStmt:
		return !makesTable(x.SelectStmt) && !changes(x.SelectStmt) && a.reads(n)
	case *pg_query.Node_TransactionStmt:
		k := x.TransactionStmt.Kind
		return k == pg_query.TransactionStmtKind_TRANS_STMT_BEGIN || k == pg_query.TransactionStmtKind_TRANS_STMT_START
	}
	return false
}

// reads reports whether everything at and below n computes, from tables that show
// their own rows.
func (a *analysis) reads(n *pg_query.Node) bool {
	if !a.enter() {
		return false
	}
	defer a.leave()
	ok := true
	switch x := n.GetNode().(type) {
	case *pg_query.Node_FuncCall:
		ok = sqlscan.Computes(a.cat, x.FuncCall)
	case *pg_query.Node_AExpr:
		ok = sqlscan.PlainOperator(a.cat, x.AExpr.Name)
	case *pg_query.Node_TypeName:
		ok = sqlscan.PlainType(a.cat, x.TypeName)
	case *pg_query.Node_RangeVar: // the name of a common table expression may hide a view's
		ok = !slices.ContainsFunc(a.cat.Lookup(x.RangeVar.Schemaname, x.RangeVar.Relname), func(t *catalog.Table) bool { return !readable(t) && !a.calm(t, map[uint32]bool{}) })
	case *pg_query.Node_ColumnRef: // row.f is f(row)
		ok = len(x.ColumnRef.Fields) < 2 || !a.userFunction(last(x.ColumnRef.Fields))
	case *pg_query.Node_AIndirection:
		ok = !a.userFunction(last(x.AIndirection.Indirection))
	}
	known := sqlscan.Children(n, func(c *pg_query.Node) { ok = ok && a.reads(c) })
	return ok && known
}

func (a *analysis) userFunction(name string) bool {
	return slices.ContainsFunc(a.cat.Functions("", name), func(f *catalog.Function) bool { return !f.System })
}

// changes reports whether a WITH query changes data; PostgreSQL allows such queries at
// the top of a statement only.
func changes(q *pg_query.SelectStmt) bool {
	return slices.ContainsFunc(q.WithClause.GetCtes(), func(n *pg_query.Node) bool {
		return n.GetCommonTableExpr().GetCtequery().GetSelectStmt() == nil
	})
}

// makesTable finds SELECT … INTO, which stands in the leftmost branch of a set operation.
func makesTable(q *pg_query.SelectStmt) bool {
	for ; q != nil; q = q.Larg {
		if q.IntoClause != nil {
			return true
		}
	}
	return false
}

// The work on one statement is bounded: deeper or larger ones have no lineage.
const (
	maxSteps = 100_000 // nodes looked at, those of recursive queries several times
	maxDepth = 2_000
)

// analysis is the work on one statement.
type analysis struct {
	cat      *catalog.Snapshot
	names    bool                 // places of the session's own tables count as origins
	views    map[uint32]*relation // users' views; nil while one is read
	kept     flow                 // what everything that is stored derives from
	stored   flow                 // of that, what is stored itself
	rows     flow                 // what multiplies the rows that are stored,
	parts    flow                 // or has as many elements
	computed bool                 // of what is stored, the shape may be
	apart    *flow                // what decides which rows an UPDATE or DELETE changes, beside their own columns; nil where nobody asks
	among    flow                 // what chose the rows of the session's own tables that were read
	readsOwn bool                 // a table of the session's own was read
	before   []*pg_query.RawStmt  // the commands of the text before one that stores
	left     map[string]flow      // what decides which rows are deleted, by table; nil where nobody asks
	refs     []hoop.ColumnRef
	ids      map[hoop.ColumnRef]int32 // index in refs
	steps    int                      // left
	depth    int                      // left
}

// enter takes a step down, and a leave goes with it; false where there is none left, and
// then there is no lineage.
func (a *analysis) enter() bool {
	a.steps--
	a.depth--
	if a.depth <= 0 {
		a.steps = 0
	}
	return a.steps > 0
}

func (a *analysis) leave() { a.depth++ }

// top handles the statements that answer with rows of their own.
func (a *analysis) top(n *pg_query.Node) *relation {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_PrepareStmt: // what EXECUTE answers with
		return a.top(x.PrepareStmt.Query)
	case *pg_query.Node_DeclareCursorStmt: // what FETCH does
		return a.top(x.DeclareCursorStmt.Query)
	case *pg_query.Node_CopyStmt:
		switch {
		case x.CopyStmt.IsFrom:
		case x.CopyStmt.Query != nil:
			return a.top(x.CopyStmt.Query)
		default:
			return a.copied(x.CopyStmt)
		}
	case *pg_query.Node_SelectStmt:
		if makesTable(x.SelectStmt) {
			return nil
		}
		return a.query(n, nil)
	case *pg_query.Node_InsertStmt:
		if len(x.InsertStmt.ReturningList) > 0 {
			return a.query(n, nil)
		}
	case *pg_query.Node_UpdateStmt:
		if len(x.UpdateStmt.ReturningList) > 0 {
			return a.query(n, nil)
		}
	case *pg_query.Node_DeleteStmt:
		if len(x.DeleteStmt.ReturningList) > 0 {
			return a.query(n, nil)
		}
	case *pg_query.Node_MergeStmt:
		if len(x.MergeStmt.ReturningList) > 0 {
			return a.query(n, nil)
		}
	}
	return nil
}

func (a *analysis) origins(f flow) []hoop.ColumnRef {
	out := make([]hoop.ColumnRef, len(f.ids))
	for i, id := range f.ids {
		out[i] = a.refs[id]
	}
	slices.SortFunc(out, func(a, b hoop.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	return out
}
