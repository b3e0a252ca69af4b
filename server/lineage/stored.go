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

// Stored gives the columns from which everything derives that the text of command i
// stores, wherever in it that is, or that a view which it makes shows, and those that decide
// there which rows these are, and how many. known is false where there may be others. apart
// are the columns that decide which rows an UPDATE or DELETE in it changes, or ON CONFLICT, beside
// those of these rows themselves; hoop.AnyColumn where that is not known. What chose the rows
// of tables of the session's own that it reads is in neither.
//
// It is what sqlscan.Lineage asks for; like Outputs it must not be asked where one relation can
// stand in for another. What triggers, rules, defaults and the like store is not in the text.
// It never fails, and may be called concurrently.
func Stored(p *pgparse.Parsed, i int, cat *catalog.Snapshot) (columns, values, apart []hoop.ColumnRef, known bool) {
	stmts, any := p.Tree.GetStmts(), []hoop.ColumnRef{hoop.AnyColumn}
	if i < 0 || i >= len(stmts) || slices.ContainsFunc(stmts[:i], executes) || !sqlscan.PlainCasts(cat) {
		return nil, nil, any, false
	}
	a := &analysis{cat: cat, ids: map[hoop.ColumnRef]int32{}, steps: maxSteps, depth: maxDepth, apart: &flow{}}
	a.storing(stmts[i].GetStmt())
	if a.steps <= 0 {
		return nil, nil, any, false
	}
	if apart = any; !a.apart.unknown && len(a.apart.ids) <= maxStored {
		apart = a.origins(*a.apart)
	}
	if a.kept.unknown || len(a.kept.ids) > maxStored {
		return nil, nil, apart, false
	}
	return a.origins(a.kept), a.origins(a.stored), apart, true
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
		a.shown(x.CreateTableAsStmt.Query)
	case *pg_query.Node_ViewStmt:
		a.shown(x.ViewStmt.Query)
	case *pg_query.Node_SelectStmt:
		if makesTable(x.SelectStmt) {
			a.shown(n)
		} else {
			a.query(n, nil)
		}
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		a.query(n, nil)
	default:
		a.kept = unknown
	}
}

// shown keeps what a query answers with.
func (a *analysis) shown(query *pg_query.Node) {
	r := a.query(query, nil)
	a.stored = a.stored.and(r.whole())
	a.kept = a.kept.and(r.whole()).and(r.decide).and(r.mult)
}

// keeps notes what a statement stores.
func (a *analysis) keeps(x *assigned) {
	a.stored = a.stored.and(x.rest)
	a.kept = a.kept.and(x.rest).and(x.rows).and(x.decide)
	for _, f := range x.byName {
		a.stored = a.stored.and(f)
		a.kept = a.kept.and(f)
	}
}
