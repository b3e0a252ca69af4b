package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// maxStored is how many columns it may be that something stored derives from: all of them are
// put on record with the statement.
const maxStored = 2000

// Stored says what everything derives from that the text of command i stores, wherever in it
// that is, or that a view which it makes shows; ON CONFLICT changes rows as UPDATE does. What chose
// the rows of tables of the session's own that it reads is nowhere in it.
//
// It is what sqlscan.Lineage asks for; like Outputs it must not be asked where one relation can
// stand in for another. What triggers, rules, defaults and the like store is not in the text.
// It never fails, and may be called concurrently.
func Stored(p *pgparse.Parsed, i int, cat *catalog.Snapshot) sqlscan.Stored {
	stmts, any := p.Tree.GetStmts(), []hoop.ColumnRef{hoop.AnyColumn}
	out := sqlscan.Stored{Apart: any, Rows: any}
	if i < 0 || i >= len(stmts) {
		return out
	}
	a := &analysis{cat: cat, ids: map[hoop.ColumnRef]int32{}, steps: maxSteps, depth: maxDepth, apart: &flow{}}
	if out.Fills = fills(stmts[i].GetStmt()); !out.Fills {
		out.Rows = nil
	}
	a.before = stmts[:i]
	a.storing(stmts[i].GetStmt())
	if a.steps <= 0 {
		return out
	}
	behind := slices.ContainsFunc(stmts[:i], executes) // what that has put into tables of the session's own is not in cat
	if out.Elements = a.origins(a.parts); !a.rows.unknown && !(behind && a.readsOwn) {
		out.Rows = a.origins(a.rows)
	}
	if behind {
		return out
	}
	if !sqlscan.PlainCasts(cat) {
		return out
	}
	if !a.apart.unknown && len(a.apart.ids) <= maxStored {
		out.Apart = a.origins(*a.apart)
	}
	if !a.kept.unknown && len(a.kept.ids) <= maxStored {
		out.Columns, out.Values, out.Known, out.Shaped = a.origins(a.kept), a.origins(a.stored), true, !a.computed
	}
	return out
}

// Multiplied says what multiplies the rows with which what the text prepares answers, as
// sqlscan.Stored has it: the one command of the text is PREPARE, or what the protocol prepares.
func Multiplied(p *pgparse.Parsed, cat *catalog.Snapshot) (rows, elements []hoop.ColumnRef) {
	a := &analysis{cat: cat, ids: map[hoop.ColumnRef]int32{}, steps: maxSteps, depth: maxDepth}
	if stmts := p.Tree.GetStmts(); len(stmts) == 1 {
		n := stmts[0].GetStmt()
		if x := n.GetPrepareStmt(); x != nil {
			n = x.Query
		}
		a.executed(n)
	} else {
		a.rows = unknown
	}
	if a.rows.unknown || a.steps <= 0 {
		return []hoop.ColumnRef{hoop.AnyColumn}, nil
	}
	return a.origins(a.rows), a.origins(a.parts)
}

// fills reports whether a command puts rows into a table, wherever in it that is.
func fills(n *pg_query.Node) bool {
	a := &analysis{steps: maxSteps, depth: maxDepth}
	return a.fills(n)
}

func (a *analysis) fills(n *pg_query.Node) bool {
	if !a.enter() {
		return true
	}
	defer a.leave()
	switch x := n.GetNode().(type) {
	case *pg_query.Node_CreateTableAsStmt, *pg_query.Node_InsertStmt, *pg_query.Node_MergeStmt:
		return true
	case *pg_query.Node_SelectStmt:
		if x.SelectStmt.IntoClause != nil {
			return true
		}
	}
	found := false
	known := sqlscan.Children(n, func(c *pg_query.Node) { found = found || a.fills(c) })
	return found || !known
}

// storing reads a command that may store something.
func (a *analysis) storing(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ExplainStmt:
		a.storing(x.ExplainStmt.Query)
	case *pg_query.Node_PrepareStmt:
		a.storing(x.PrepareStmt.Query)
	case *pg_query.Node_CopyStmt:
		a.storing(x.CopyStmt.Query)
	case *pg_query.Node_CreateTableAsStmt:
		r := a.shown(x.CreateTableAsStmt.Query)
		if e := x.CreateTableAsStmt.Query.GetExecuteStmt(); e != nil {
			a.execution(e)
		} else {
			a.multiplies(r.mult)
		}
	case *pg_query.Node_ViewStmt:
		a.shown(x.ViewStmt.Query)
	case *pg_query.Node_SelectStmt:
		if makesTable(x.SelectStmt) {
			a.multiplies(a.shown(n).mult)
		} else {
			a.query(n, nil)
		}
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		a.query(n, nil)
	default:
		a.kept = unknown
	}
}

// execution is CREATE TABLE AS EXECUTE: of what the text itself prepares it is known here what
// multiplies the rows. Its parameters are the client's own values, if the arguments are.
func (a *analysis) execution(e *pg_query.ExecuteStmt) {
	for _, n := range e.Params {
		a.rows.unknown = a.rows.unknown || a.expr(n, &scope{}).unknown
	}
	for _, before := range a.before {
		n := before.GetStmt()
		p := n.GetPrepareStmt()
		if p != nil && p.Name == e.Name {
			a.rows, a.parts = flow{unknown: a.rows.unknown}, flow{} // what had the name before has it no more
			a.executed(p.Query)
		}
		if !a.harmless(n) && (p == nil || !a.reads(n)) { // it may prepare something else, or fill what is read
			a.rows.unknown = true
		}
	}
}

// executed notes what multiplies the rows that a prepared statement answers with, of which a table
// is made. PostgreSQL makes none of others than SELECT (ExecuteQuery of its prepare.c).
func (a *analysis) executed(n *pg_query.Node) {
	if n.GetSelectStmt() != nil {
		a.multiplies(a.query(n, nil).mult)
	}
}

// shown keeps what a query answers with.
func (a *analysis) shown(query *pg_query.Node) *relation {
	r := a.query(query, nil)
	a.stored = a.stored.and(r.whole())
	a.kept = a.kept.and(r.whole()).and(r.decide).and(r.mult)
	a.puts(r)
	return r
}

// puts notes whether rows that are stored have values of a shape that is computed.
func (a *analysis) puts(r *relation) { a.computed = a.computed || !r.row().shaped }

// multiplies notes what decides how many rows are put into a table.
func (a *analysis) multiplies(by flow) {
	if by.keepsShape() {
		a.parts = a.parts.and(by)
	} else {
		a.rows = a.rows.and(by)
	}
}

// keeps notes what a statement stores.
func (a *analysis) keeps(x *assigned) {
	a.stored = a.stored.and(x.rest)
	a.kept = a.kept.and(x.rest).and(x.rows).and(x.decide)
	a.multiplies(x.mult)
	for _, f := range x.byName {
		a.stored = a.stored.and(f)
		a.kept = a.kept.and(f)
	}
}
