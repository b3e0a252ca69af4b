package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// parts are what an expression is made of: of a sub-select, what it shows.
type parts struct {
	refs  []*pg_query.ColumnRef
	read  []*code // of users' functions in it: they stand for a column of what they read
	code  bool    // functions make what a sub-select shows, or stand for a column
	value bool    // gather nothing that only decides which value it is
	tally bool    // there are numbers of rows in it
	rows  bool    // functions in it make rows
	alone int     // how many of refs are not in these
	under int     // how many of these what is gathered now is in
}

func (l *looker) parts(n *pg_query.Node, inner bool) *parts {
	p := &parts{}
	l.gather(n, inner, p)
	return p
}

func (l *looker) gather(n *pg_query.Node, inner bool, p *parts) {
	if read := l.read(n); len(read) > 0 {
		p.read, p.code = append(p.read, read...), true
		if n.GetFuncCall() != nil {
			return // what it is asked about is not what it gives
		}
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		p.refs = append(p.refs, x.ColumnRef)
		if l.tally(n) {
			p.tally = true
		} else if p.under == 0 {
			p.alone++
		}
		return
	case *pg_query.Node_AIndirection:
		if l.tally(n) {
			p.tally = true
			p.under++
			defer func() { p.under-- }()
		}
	case *pg_query.Node_WindowDef, *pg_query.Node_SortBy:
		if p.value {
			return
		}
	case *pg_query.Node_CaseWhen:
		if p.value {
			l.gather(x.CaseWhen.Result, inner, p)
			return
		}
	case *pg_query.Node_SubLink:
		l.gather(x.SubLink.Testexpr, inner, p)
		if x.SubLink.SubLinkType != pg_query.SubLinkType_EXISTS_SUBLINK {
			l.gather(x.SubLink.Subselect, true, p)
		}
		return
	case *pg_query.Node_SelectStmt:
		q := x.SelectStmt
		for _, t := range q.TargetList {
			l.gather(t, true, p)
		}
		l.gather(selectNode(q.Larg), true, p)
		l.gather(selectNode(q.Rarg), true, p)
		return
	case *pg_query.Node_FuncCall:
		if inner && !aggregates(x.FuncCall) {
			p.code = true
		}
		p.rows = p.rows || !inner && spawns(l.cat, x.FuncCall)
		if l.tallies(x.FuncCall) {
			p.tally = true
			p.under++
			defer func() { p.under-- }()
		}
	}
	children(n, func(c *pg_query.Node) { l.gather(c, inner, p) })
}

// tallied notes columns that are put together with numbers of rows, which are for whoever
// writes the statement to say.
func (l *looker) tallied(p *parts) {
	if p.tally && p.alone > 0 {
		for _, c := range p.refs {
			l.at(c).many = true
		}
	}
}

// tallies reports whether a function tells how many rows there are, in whichever way, or may
// give another value for each. The sum or average of a column is taken for one of its values.
func (l *looker) tallies(f *pg_query.FuncCall) bool {
	switch name := lastOf(f.Funcname); name {
	case "count", "regr_count", "array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg":
		return true
	case "current_setting":
		return l.sets
	case "sum", "avg":
		w := f.Over
		return len(f.Args) == 1 && bare(f.Args[0]) == nil ||
			w != nil && (w.Name != "" || w.Refname != "" || len(w.OrderClause) > 0 || w.FrameOptions&frameGiven != 0)
	}
	return f.Over != nil && !picked[lastOf(f.Funcname)] || l.turns(f)
}

// turns reports whether a function may give another value whenever it is called, by nothing
// that it is given: chance, the clock, a sequence. The clock of the statement's begin goes on
// with each FETCH. What users declare volatile mostly is none.
func (l *looker) turns(f *pg_query.FuncCall) bool {
	name := lastOf(f.Funcname)
	return name == "statement_timestamp" || name != "timezone" && slices.ContainsFunc(l.cat.Functions("", name), func(fn *catalog.Function) bool {
		return fn.Volatility == catalog.Volatile && (fn.System || fn.Extension)
	})
}

// frameGiven is FRAMEOPTION_NONDEFAULT of PostgreSQL's nodes/parsenodes.h.
const frameGiven = 1

// picked are aggregates and window functions that give one of several values as it is.
var picked = map[string]bool{"min": true, "max": true, "mode": true, "lag": true, "lead": true, "first_value": true, "last_value": true, "nth_value": true}

func aggregates(f *pg_query.FuncCall) bool {
	parts := stringsOf(f.Funcname)
	if len(parts) == 0 {
		return false
	}
	switch parts[len(parts)-1] {
	case "min", "max", "count", "sum", "avg":
		return true
	}
	return false
}
