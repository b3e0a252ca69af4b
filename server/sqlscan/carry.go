package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// The rows that a statement takes out of tables. The rule, from the inside out:
//
// Every mention of a table in FROM puts one row of it into each row of the query, shown
// or not: what is joined and compared is told as well. So does every sub-select in an
// expression, once for each row of the query around it. A join of a table with itself
// carries two of its rows per row.
//
// An aggregate that shows values, a window function and ARRAY(SELECT …) gather: a row
// of the answer carries all the rows below them. These are any number (hoop.Whole),
// unless a unique key that is equal to a constant, a LIMIT or VALUES bounds them.
// count, and sum and avg of a column over a whole table, take nothing out of a query
// that gives one row; but a text with more than freeCounts counts under a condition, each of
// which may be about one row, takes a row for each.
//
// What the tree does not show counts as the whole: views, functions that do more than
// compute, a WITH query that refers to itself.

// load is how many rows of which tables one row carries. The key is canonical names,
// joined by NUL bytes: a row of one of these tables. It is never changed once made.
type load map[string]int

// most is where numbers end; beyond it is hoop.Whole.
const most = 1 << 30

func add(a, b int) int {
	if a == hoop.Whole || b == hoop.Whole || a+b > most {
		return hoop.Whole
	}
	return a + b
}

// times multiplies; any number of nothing is nothing.
func times(a, b int) int {
	switch {
	case a == 0 || b == 0:
		return 0
	case a == hoop.Whole || b == hoop.Whole || a > most/b:
		return hoop.Whole
	}
	return a * b
}

// fewer is the smaller number of rows.
func fewer(a, b int) int {
	switch {
	case a == hoop.Whole:
		return b
	case b == hoop.Whole:
		return a
	}
	return min(a, b)
}

// plus is what a row carries that carries both.
func (l load) plus(o load) load { return l.merge(o, add) }

// or is what a row carries that carries one of both.
func (l load) or(o load) load {
	return l.merge(o, func(a, b int) int {
		if a == hoop.Whole || b == hoop.Whole {
			return hoop.Whole
		}
		return max(a, b)
	})
}

func (l load) merge(o load, f func(a, b int) int) load {
	switch {
	case len(o) == 0:
		return l
	case len(l) == 0:
		return o
	}
	out := load{}
	for k, n := range l {
		out[k] = f(n, o[k])
	}
	for k, n := range o {
		if _, ok := l[k]; !ok {
			out[k] = n
		}
	}
	return out
}

// gathered is what a row carries that is made of n rows.
func (l load) gathered(n int) load {
	if n == 1 || len(l) == 0 {
		return l
	}
	out := load{}
	for k, have := range l {
		out[k] = times(have, n)
	}
	return out
}

// freeCounts is how many counts of some rows of a table a text has for nothing: as many as a
// page of figures has.
const freeCounts = 16

// answer is what a query gives: what a row carries, and how many rows at most.
type answer struct {
	load    load
	rows    int
	columns map[string]bool // of a WITH query: see item
	made    bool            // see item
}

// measurer finds out what a text takes out of tables.
type measurer struct {
	cat    *catalog.Snapshot
	tree   *pg_query.ParseResult
	on     *dependence
	copies load            // goes to another place; of the whole statement
	told   load            // what counts under a condition may be about; likewise
	seen   map[string]bool // tables that the text names and that are read as they are
	code   bool            // functions run that may read anything in Reads
	views  bool            // so do views
	lost   bool            // a part of the text is not understood
	depth  int
	// any says that LIMIT bounds nothing: it says how many rows, not which.
	any bool

	words     map[string]bool // see collect; nil until somebody asks
	params    []uint32        // types of parameters, as the client declared them
	mentioned map[int]int     // see exact; likewise
}

// Carries says what p takes out of tables, in a database that contains cat. reads are
// the tables that it can read, by its Analysis. The result depends on no literal that
// Analysis.Free names. params are types of parameters as the client declared them, 0 where
// the target finds one; it depends on those that are Inexact alone.
func Carries(p *pgparse.Parsed, cat *catalog.Snapshot, reads []string, params []uint32) []hoop.Carry {
	return newMeasurer(p, cat, params).carries(reads)
}

func newMeasurer(p *pgparse.Parsed, cat *catalog.Snapshot, params []uint32) *measurer {
	return &measurer{cat: cat, tree: p.Tree, on: newDependence(cat), seen: map[string]bool{}, params: params}
}

func (m *measurer) carries(reads []string) []hoop.Carry {
	var all load
	for _, raw := range m.tree.GetStmts() {
		all = all.or(m.statement(raw.GetStmt()))
	}
	for k, n := range m.told {
		if n == hoop.Whole || n > freeCounts {
			m.copies = m.copies.plus(load{k: n})
		}
	}
	out := append(all.list(false), m.copies.list(true)...)
	switch {
	case m.lost:
		out = append(out, hoop.Carry{Tables: []string{"*"}, Rows: hoop.Whole})
	case m.code && len(reads) > 0:
		out = append(out, hoop.Carry{Tables: reads, Rows: hoop.Whole})
	case m.views:
		// What the views' functions read is in no tree.
		rest := slices.DeleteFunc(slices.Clone(reads), func(t string) bool { return m.seen[t] })
		if len(rest) > 0 {
			out = append(out, hoop.Carry{Tables: rest, Rows: hoop.Whole})
		}
	}
	return out
}

// Keyed gives the tables of which p copies, but does not show, only rows that keys name, in a
// database that contains cat: LIMIT says how many, not which. The arguments are as those of
// Carries.
func Keyed(p *pgparse.Parsed, cat *catalog.Snapshot, reads []string, params []uint32) (tables []string) {
	m := newMeasurer(p, cat, params)
	m.any = true
	all := m.carries(reads)
	for _, c := range all {
		for _, t := range c.Tables {
			if !slices.ContainsFunc(all, func(c hoop.Carry) bool {
				return (!c.Copies || c.Rows == hoop.Whole) && (slices.Contains(c.Tables, t) || slices.Contains(c.Tables, "*"))
			}) {
				tables = append(tables, t)
			}
		}
	}
	return tables
}

func (l load) list(copies bool) []hoop.Carry {
	var out []hoop.Carry
	for k, n := range l {
		if n != 0 {
			out = append(out, hoop.Carry{Tables: strings.Split(k, "\x00"), Rows: n, Copies: copies})
		}
	}
	slices.SortFunc(out, func(a, b hoop.Carry) int { return slices.Compare(a.Tables, b.Tables) })
	return out
}

// statement gives what a row of the statement's answer carries.
func (m *measurer) statement(n *pg_query.Node) load {
	top := &level{m: m}
	switch x := n.GetNode().(type) {
	case nil:
		return nil
	case *pg_query.Node_SelectStmt:
		a := m.query(n, spot{})
		if intoOf(x.SelectStmt) != nil {
			m.copy(a.load, a.rows)
			return nil
		}
		return a.load
	case *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		return m.query(n, spot{}).load
	case *pg_query.Node_DeclareCursorStmt:
		return m.query(x.DeclareCursorStmt.Query, spot{}).load
	case *pg_query.Node_PrepareStmt:
		return m.statement(x.PrepareStmt.Query)
	case *pg_query.Node_ExecuteStmt:
		return top.exprs(x.ExecuteStmt.Params, true)
	case *pg_query.Node_ExplainStmt:
		return m.explain(x.ExplainStmt)
	case *pg_query.Node_CopyStmt:
		return m.copyTo(x.CopyStmt)
	case *pg_query.Node_CreateTableAsStmt:
		a := m.query(x.CreateTableAsStmt.Query, spot{})
		m.copy(a.load, a.rows)
		return nil
	case *pg_query.Node_ViewStmt:
		// Whoever reads the view later reads all that it shows.
		m.copy(m.query(x.ViewStmt.Query, spot{}).load, hoop.Whole)
		return nil
	case *pg_query.Node_AlterTableStmt:
		m.altered(x.AlterTableStmt)
	case *pg_query.Node_RenameStmt:
		m.renamed(x.RenameStmt)
	case *pg_query.Node_AlterObjectSchemaStmt:
		if x.AlterObjectSchemaStmt.Relation != nil {
			m.leaves(x.AlterObjectSchemaStmt.Relation)
		}
	}
	// Other commands deliver nothing; a query inside (CREATE RULE) will, later.
	m.copy(top.expr(n, false), hoop.Whole)
	return nil
}

// copy notes that n rows that carry l go to another place.
func (m *measurer) copy(l load, n int) { m.copies = m.copies.plus(l.gathered(n)) }

// explain: a plan without ANALYZE is made of the text, the catalog and estimates, and of
// what immutable functions give, which run while it is made: code still counts.
func (m *measurer) explain(e *pg_query.ExplainStmt) load {
	before := *m
	l := m.statement(e.Query)
	for _, o := range e.Options {
		if strings.EqualFold(o.GetDefElem().GetDefname(), "analyze") {
			return l
		}
	}
	m.copies, m.views = before.copies, before.views
	return nil
}

func (m *measurer) copyTo(c *pg_query.CopyStmt) load {
	top := &level{m: m}
	if c.IsFrom {
		m.copy(top.expr(c.WhereClause, true), hoop.Whole)
		return nil
	}
	var a answer
	switch {
	case c.Query != nil:
		a = m.query(c.Query, spot{})
	case c.Relation != nil:
		it := m.relation(c.Relation)
		a = answer{load: it.load, rows: hoop.Whole}
	}
	if c.IsProgram || c.Filename != "" {
		m.copy(a.load, a.rows)
		return nil
	}
	return a.load
}

// blindStatistics hold values of any table.
var blindStatistics = map[string]bool{
	"pg_statistic": true, "pg_statistic_ext_data": true, "pg_stats": true, "pg_stats_ext": true, "pg_stats_ext_exprs": true,
}

// relation is a table or view in FROM. Where its name has no schema it is every one of
// the name, and one of them in fact. A name that is not found is of this session alone:
// what went there was a copy.
func (m *measurer) relation(rv *pg_query.RangeVar) item {
	it := item{rows: hoop.Whole, only: !rv.Inh}
	var names []string
	for _, t := range m.cat.Lookup(rv.Schemaname, rv.Relname) {
		switch {
		case t.System && blindStatistics[t.Name] && !m.statistics(t, aliasOf(rv)):
		case t.System && blindStatistics[t.Name] || t.Kind == catalog.KindToast || t.Schema == "pg_toast":
			it.load = it.load.plus(load{"*": hoop.Whole})
		case t.Temporary && t.Kind == catalog.KindView:
			m.views, it.made = true, true
			it.load = it.load.plus(m.sources(t))
		case t.System:
		case t.Temporary:
			it.made = true // the session chose what is in it
		case t.Kind == catalog.KindView || t.Kind == catalog.KindMatView:
			m.views = true
			names = append(names, t.Canonical())
			m.seen[t.Canonical()] = true
			it.load = it.load.plus(m.sources(t))
		default:
			names = append(names, t.Canonical())
			m.seen[t.Canonical()] = true
			for _, rel := range m.cat.Related(t) {
				names = append(names, rel.Canonical())
				m.seen[rel.Canonical()] = true
			}
			it.tables = append(it.tables, t)
		}
	}
	if names = sortedSet(names); len(names) > 0 {
		it.load = it.load.plus(load{strings.Join(names, "\x00"): 1})
	}
	return it
}

// sources is what a row of a view can carry: the whole of what the view reads.
func (m *measurer) sources(v *catalog.Table) load {
	out, seen := load{}, map[uint32]bool{v.OID: true}
	for queue := slices.Clone(v.Uses); len(queue) > 0; queue = queue[1:] {
		t, ok := m.cat.Table(queue[0])
		if !ok || seen[queue[0]] {
			continue
		}
		seen[t.OID] = true
		queue = append(queue, t.Uses...)
		for _, rel := range m.cat.Related(t) {
			queue = append(queue, rel.OID)
		}
		switch {
		case !t.System:
			out[t.Canonical()], m.seen[t.Canonical()] = hoop.Whole, true
		case blindStatistics[t.Name]:
			out["*"] = hoop.Whole
		}
	}
	return out
}
