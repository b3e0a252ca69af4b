package sqlscan

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// names gathers which names decide rows, counts, order or failure, and what names the
// statement itself makes. They are resolved when the whole statement was walked,
// without regard to nesting: a name counts as everything it may mean anywhere.
type names struct {
	used      []usedName
	places    []deciding
	aliases   map[string][]source
	derived   map[string][]*pg_query.Node      // output name: expressions that go by it
	loose     map[string]bool                  // column names given by an alias list or a function
	open      map[string]bool                  // of these: they may stand for more than the text gives
	loosened  map[string]int                   // of these: how often
	split     map[string][]*pg_query.ColumnRef // of these: columns whose elements they are
	splitting *pg_query.ColumnRef              // what has elements that get names now
	listed    map[string][]*pg_query.Node      // of these: what WITH queries have in their places
	lost      map[string]bool                  // of these: it is not known what they are
	more      map[string]bool                  // of these: they are made of more than constants and themselves
	fields    map[usedName]bool                // every qualified name: a function in column notation, where it is no column
	all       bool                             // every column of every table decides
	natural   bool                             // they are compared with each other
	shown     map[string]bool                  // every name of a column reference, "*" too
	piled     map[piled]bool                   // of derived: those of piles
	piles     []pile                           // what set operations put under one name
	renamed   map[string]bool                  // aliases that give their columns other names
	starred   map[string]bool                  // aliases that * stands for, in whichever SELECT
	rows      bool                             // functions in FROM make rows, whose columns may have any name
	stars     bool                             // * may stand for any alias
}

// usedName is a column reference in a deciding place: qualifier and name; name "*" is
// the whole row.
type usedName struct{ qualifier, name string }

// source is what an alias stands for.
type source struct {
	tables  []*catalog.Table
	derived bool     // a sub-select, a CTE, a function, or not found
	given   bool     // of these: it gives nothing but what the text and the parameters have
	columns []string // of these: the names of its columns, where they are known
}

func newNames() names {
	return names{aliases: map[string][]source{}, derived: map[string][]*pg_query.Node{}, piled: map[piled]bool{}, loose: map[string]bool{}, open: map[string]bool{}, loosened: map[string]int{}, split: map[string][]*pg_query.ColumnRef{}, listed: map[string][]*pg_query.Node{}, lost: map[string]bool{}, more: map[string]bool{}, fields: map[usedName]bool{}, shown: map[string]bool{}, renamed: map[string]bool{}, starred: map[string]bool{}}
}

func (n *names) alias(name string, src source) { n.aliases[name] = append(n.aliases[name], src) }

func (s *stmt) columnAliases(a *pg_query.Alias, given bool) {
	for _, c := range stringsOf(a.GetColnames()) {
		s.names.renamed[a.Aliasname] = true
		s.loosens(c, given)
	}
}

// loosens notes a name that something in FROM gives a column, which may be any; given says
// that what it stands for is in the text and the parameters alone.
func (s *stmt) loosens(name string, given bool) {
	s.names.lost[name] = true
	s.loose(name, given)
}

func (s *stmt) loose(name string, given bool) {
	if s.names.loosened[name]++; s.names.splitting != nil {
		s.names.split[name] = append(s.names.split[name], s.names.splitting)
	}
	s.names.loose[name] = true
	s.names.open[name] = s.names.open[name] || !given
}

// givenRows reports whether a query is nothing but VALUES of the text and the parameters.
func (s *stmt) givenRows(q *pg_query.SelectStmt) bool {
	return len(q.GetValuesLists()) > 0 && q.WithClause == nil && s.on.given(q.ValuesLists...)
}

// decides notes that a column reference is in a deciding place.
func (s *stmt) decides(c *pg_query.ColumnRef) {
	if u, ok := nameOf(c); ok {
		s.usedAt(u, c)
	} else {
		s.names.all = true
	}
}

// usedAt notes that a name decides; c is nil where it stands in no expression.
func (s *stmt) usedAt(u usedName, c *pg_query.ColumnRef) {
	s.names.used = append(s.names.used, u)
	s.names.places = append(s.names.places, deciding{name: u, ref: c})
}

// nameOf reads [[catalog.]schema.]table.column, table.* or *.
func nameOf(c *pg_query.ColumnRef) (usedName, bool) {
	var parts []string
	for _, f := range c.GetFields() { // none where the node is none
		switch {
		case f.GetAStar() != nil:
			parts = append(parts, "*")
		case f.GetString_() != nil:
			parts = append(parts, f.GetString_().Sval)
		default:
			return usedName{}, false
		}
	}
	switch n := len(parts); n {
	case 0:
		return usedName{}, false
	case 1:
		return usedName{name: parts[0]}, true
	default:
		return usedName{qualifier: parts[n-2], name: parts[n-1]}, true
	}
}

// output notes an expression that goes by a name outside the SELECT that has it.
func (s *stmt) output(rt *pg_query.ResTarget) {
	if rt.Val == nil {
		return
	}
	name := rt.Name
	if name == "" {
		name = impliedName(rt.Val)
	}
	s.names.derived[name] = append(s.names.derived[name], rt.Val)
}

// anyName stands for names that PostgreSQL makes up and we do not follow.
const anyName = "\x00"

// impliedName is the name of an output column without AS (FigureColname in
// PostgreSQL's parse_target.c), or anyName.
func impliedName(n *pg_query.Node) string {
	if name, _ := figured(n, 0); name != "" {
		return name
	}
	return "?column?"
}

// figured is the name that an expression suggests, "" for none; weak says that a cast or
// CASE around it has a better one.
func figured(n *pg_query.Node, depth int) (name string, weak bool) {
	if depth > maxDepth {
		return anyName, false
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		if u, ok := nameOf(x.ColumnRef); ok {
			return u.name, false
		}
	case *pg_query.Node_FuncCall:
		if name := lastOf(x.FuncCall.Funcname); name != "" {
			return name, false
		}
	case *pg_query.Node_AExpr:
		if x.AExpr.Kind == pg_query.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", false
		}
		return "", true
	case nil, *pg_query.Node_AConst, *pg_query.Node_ParamRef, *pg_query.Node_BoolExpr, *pg_query.Node_NullTest:
		return "", true
	case *pg_query.Node_TypeCast:
		name, weak := figured(x.TypeCast.Arg, depth+1)
		if as := lastOf(x.TypeCast.TypeName.GetNames()); weak && as != "" {
			return as, true
		}
		return name, weak
	case *pg_query.Node_CaseExpr:
		if name, weak := figured(x.CaseExpr.Defresult, depth+1); !weak {
			return name, false
		}
		return "case", true
	case *pg_query.Node_AIndirection: // the last field, whatever subscripts there are
		for _, i := range slices.Backward(x.AIndirection.Indirection) {
			if field := i.GetString_(); field != nil {
				return field.Sval, false
			}
			if i.GetAStar() != nil {
				return anyName, false
			}
		}
		return figured(x.AIndirection.Arg, depth+1)
	case *pg_query.Node_CollateClause:
		return figured(x.CollateClause.Arg, depth+1)
	case *pg_query.Node_CoalesceExpr:
		return "coalesce", false
	case *pg_query.Node_MinMaxExpr:
		if x.MinMaxExpr.Op == pg_query.MinMaxOp_IS_LEAST {
			return "least", false
		}
		return "greatest", false
	case *pg_query.Node_RowExpr:
		return "row", false
	case *pg_query.Node_AArrayExpr:
		return "array", false
	case *pg_query.Node_SubLink:
		switch q := x.SubLink.Subselect.GetSelectStmt(); {
		case x.SubLink.SubLinkType == pg_query.SubLinkType_EXISTS_SUBLINK:
			return "exists", false
		case x.SubLink.SubLinkType == pg_query.SubLinkType_ARRAY_SUBLINK:
			return "array", false
		case x.SubLink.SubLinkType == pg_query.SubLinkType_EXPR_SUBLINK && len(q.GetTargetList()) == 1:
			rt := q.TargetList[0].GetResTarget()
			if rt.GetName() != "" {
				return rt.Name, false
			}
			return impliedName(rt.GetVal()), false
		}
	}
	return anyName, false
}

// inferred resolves the names in deciding places to columns.
func (s *stmt) inferred() []hoop.ColumnRef {
	if s.quiet {
		return nil
	}
	r := s.newResolver()
	if s.names.all {
		r.everything()
	}
	for _, u := range s.names.used {
		r.resolve(u)
	}
	var out []hoop.ColumnRef
	for c := range r.out {
		out = append(out, c)
	}
	return out
}

func (s *stmt) newResolver() *resolver {
	return &resolver{s: s, seen: map[usedName]bool{}, visited: map[*pg_query.Node]bool{}, out: map[hoop.ColumnRef]bool{}, shown: map[hoop.ColumnRef]bool{}}
}

// resolved is what a name may stand for.
func (s *stmt) resolved(u usedName) *resolver {
	r := s.newResolver()
	r.resolve(u)
	return r
}

type resolver struct {
	s       *stmt
	seen    map[usedName]bool
	visited map[*pg_query.Node]bool
	out     map[hoop.ColumnRef]bool
	shown   map[hoop.ColumnRef]bool // of out: columns of views, whose origins are there too
	rows    []*catalog.Table        // tables of which whole rows are meant: any column can be read out of these
	own     []catalog.Holds         // of columns of tables of the session's own
	blind   bool                    // a column whose origins are not known
	made    []*pg_query.Node        // what queries inside have under the names that were resolved
	vague   bool                    // it may be any column
	fresh   bool                    // it may have values that no column has and no constant is
	invents bool                    // likewise, and for certain not those of a list in FROM alone
}

func (r *resolver) add(t *catalog.Table, column string) {
	for _, c := range t.Columns {
		for _, from := range c.From {
			if c.Name == column {
				r.out[hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: from}] = true
			}
		}
	}
	if len(t.Uses) > 0 && !t.Temporary && !r.traced(t, column) {
		for _, oid := range t.Uses {
			if from, ok := r.s.cat.Table(oid); ok && !from.System {
				r.whole(from)
			}
		}
	}
	r.blind = r.blind || t.Kind == catalog.KindForeign
	if r.s.spells(t, column) {
		r.out[hoop.AnyColumn] = true
	}
	if t.Temporary {
		r.holding(t.Counts)
		r.holding(t.Held(column)) // of * there is none
		for _, c := range t.Columns {
			if column == c.Name || column == "*" {
				r.own = append(r.own, c.Holds)
			}
		}
	}
	r.out[hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: column}] = true
}

// traced adds what a view's column derives from, where that is known.
func (r *resolver) traced(t *catalog.Table, column string) bool {
	known := r.s.viewColumns(t)
	var from []hoop.ColumnRef
	for _, c := range t.Columns {
		refs, ok := known[c.Name]
		if !ok && (column == c.Name || column == "*") {
			r.blind = true
			return false
		}
		if column == c.Name || column == "*" {
			from = append(from, refs...)
		}
	}
	ofTables := slices.ContainsFunc(from, func(c hoop.ColumnRef) bool { return !r.ofView(c) })
	for _, c := range from {
		r.out[c] = true
		r.shown[c] = r.shown[c] || ofTables && r.ofView(c)
	}
	return true
}

func (r *resolver) ofView(c hoop.ColumnRef) bool {
	return slices.ContainsFunc(r.s.cat.Lookup(c.Schema, c.Table), func(t *catalog.Table) bool { return len(t.Uses) > 0 })
}

// viewColumns is what is known of a view's columns.
func (b *builder) viewColumns(t *catalog.Table) map[string][]hoop.ColumnRef {
	if b.known.View == nil {
		return nil
	}
	if known, ok := b.views[t]; ok {
		return known
	}
	if b.views == nil {
		b.views = map[*catalog.Table]map[string][]hoop.ColumnRef{}
	}
	b.views[t] = b.known.View(t, b.cat)
	return b.views[t]
}

func (r *resolver) everything() {
	r.vague = true
	for t := range r.s.tables {
		r.whole(t)
	}
}

func (r *resolver) whole(t *catalog.Table) {
	if len(t.Columns) > 0 && t.Kind != catalog.KindComposite {
		r.add(t, "*")
	}
}

// systemColumns exist in every table and hold no data (PostgreSQL manual, "System
// Columns").
var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

func (r *resolver) resolve(u usedName) {
	if r.seen[u] {
		return
	}
	r.seen[u] = true
	if u.qualifier != "" && r.qualified(u) {
		return
	}
	if u.name == "*" {
		r.everything()
		return
	}
	r.fresh = r.fresh || r.s.names.rows || systemColumns[u.name]
	exprs, placed := r.s.names.listed[u.name]
	if placed = placed && !r.s.names.lost[u.name]; placed {
		for _, e := range exprs {
			r.makes(e)
		}
	}
	found := false
	for t := range r.s.tables {
		if _, ok := t.Column(u.name); ok {
			r.add(t, u.name)
			found = true
		}
	}
	if u.qualifier == "" { // an alias alone is the whole row
		for _, src := range r.s.names.aliases[u.name] {
			found = true
			r.wholeSource(src)
		}
	}
	for _, made := range [2][]*pg_query.Node{r.s.names.derived[u.name], r.s.names.derived[anyName]} {
		for _, expr := range made {
			found = true
			r.makes(expr)
		}
	}
	loose := r.s.names.loose[u.name]
	r.fresh = r.fresh || loose && !r.s.names.open[u.name]
	if !placed && (loose && r.s.names.open[u.name] || !loose && !found && !systemColumns[u.name]) {
		r.everything()
	}
}

// qualified resolves alias.column where the alias stands for tables only.
func (r *resolver) qualified(u usedName) bool {
	sources := r.s.names.aliases[u.qualifier]
	if len(sources) == 0 {
		return false
	}
	for _, src := range sources {
		if src.derived {
			return false
		}
	}
	if u.name != "*" && r.s.names.loose[u.name] {
		return false
	}
	r.fresh = r.fresh || systemColumns[u.name]
	for _, src := range sources {
		for _, named := range src.tables {
			_, column := named.Column(u.name)
			for _, t := range append(r.s.cat.Related(named), named) {
				if u.name == "*" {
					r.row(t)
				} else if _, ok := t.Column(u.name); ok {
					r.add(t, u.name)
				} else if !column && !systemColumns[u.name] {
					r.whole(t) // a function in column notation, or a column we do not know
				}
			}
		}
	}
	return true
}

func (r *resolver) wholeSource(src source) {
	if src.derived && !src.given {
		r.everything()
	}
	for _, t := range src.tables {
		for _, t := range append(r.s.cat.Related(t), t) {
			r.row(t)
		}
	}
}

// row adds a whole row that an expression means: (p).id and to_jsonb(p) ->> 'id' are columns of
// it.
func (r *resolver) row(t *catalog.Table) {
	r.whole(t)
	r.rows = append(r.rows, t)
}

// makes resolves an expression that goes by the name.
func (r *resolver) makes(n *pg_query.Node) {
	r.made = append(r.made, n)
	fresh := !r.visited[n] && r.s.freshens(n)
	r.fresh = r.fresh || fresh
	r.invents = r.invents || fresh && lastOf(n.GetFuncCall().GetFuncname()) != "unnest" // what that has is listed, or makes more
	r.within(n)
}

// freshens reports whether an expression calls functions of no column, makes rows or
// numbers them.
func (s *stmt) freshens(n *pg_query.Node) bool {
	column, call, rows := false, false, false
	var visit func(*pg_query.Node)
	visit = func(n *pg_query.Node) {
		column, rows = column || n.GetColumnRef() != nil, rows || n.GetGroupingFunc() != nil || s.gathers(n)
		if f := n.GetFuncCall(); f != nil {
			call, rows = true, rows || spawns(s.cat, f) || s.numbers(f) || s.random(f)
		}
		children(n, visit)
	}
	visit(n)
	return rows || call && !column
}

// numbers reports whether a function may tell by how many rows there are, whatever is in
// them: an aggregate or window function, other than those that pick a value.
func (s *stmt) numbers(f *pg_query.FuncCall) bool {
	name := lastOf(f.Funcname)
	if picked[name] {
		return false
	}
	return f.Over != nil || isAggregate(s.cat, name)
}

// random reports whether a function may give another value each time.
func (s *stmt) random(f *pg_query.FuncCall) bool {
	return slices.ContainsFunc(s.cat.Functions("", lastOf(f.Funcname)), func(fn *catalog.Function) bool { return fn.Volatility == catalog.Volatile })
}

// within resolves every column reference of an expression, sub-selects included.
func (r *resolver) within(n *pg_query.Node) {
	if r.visited[n] {
		return
	}
	r.visited[n] = true
	if c := n.GetColumnRef(); c != nil {
		if u, ok := nameOf(c); ok {
			r.resolve(u)
		} else {
			r.everything()
		}
		return
	}
	if !children(n, r.within) {
		r.everything()
	}
}

// fieldFunctions finds functions in column notation: p.f is f(p) where p has no column
// f (PostgreSQL manual, "Using Composite Types in Queries").
func (s *stmt) fieldFunctions() {
	for u := range s.names.fields {
		if u.name == "*" || s.isColumn(u) {
			continue
		}
		for _, f := range s.cat.Functions("", u.name) {
			if f.Args > 0 {
				s.function(f, call{name: f.Name, via: "column notation: "})
			}
		}
	}
}

// isColumn reports whether a qualified name is a column for sure: its qualifier is a table
// that has one of this name. What a sub-select, or a row in brackets, has is not looked for.
func (s *stmt) isColumn(u usedName) bool {
	sources := s.names.aliases[u.qualifier]
	for _, src := range sources {
		if src.derived {
			return false
		}
		for _, t := range src.tables {
			if _, ok := t.Column(u.name); !ok {
				return false
			}
		}
	}
	return len(sources) > 0
}
