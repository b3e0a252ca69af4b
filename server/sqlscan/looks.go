package sqlscan

import (
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pglex"
)

// A look is one place where a column decides. What it is compared with tells how much
// somebody can learn: one value, a list of them, or as many as another table has.

// sight is where one column reference stands.
type sight struct {
	exact    bool // compared for equality with operands, and nothing else
	operands []hoop.Operand
	with     []*pg_query.ColumnRef  // other columns that it is compared with
	shown    bool                   // it is in the answer, as masked as that
	many     bool                   // with values that the text does not list
	crossed  bool                   // with several put together: a short list makes a long one
	listed   bool                   // with those that it lists
	near     []hoop.Operand         // see hoop.Look
	between  []hoop.Range           // likewise
	members  []hoop.Operand         // likewise, Listed
	computed int                    // likewise
	split    bool                   // there are as many rows as it has elements
	around   []*pg_query.SelectStmt // of what is split: the queries that it stands in
}

// looker finds the sights of a statement before it is walked.
type looker struct {
	cat    *catalog.Snapshot
	tally  func(n *pg_query.Node) bool // see stmt.gathers
	text   *pglex.Text                 // nil where the text is none that pglex reads
	sql    string
	sights map[*pg_query.ColumnRef]*sight
	list   []hoop.Operand   // members of VALUES and of unnest
	lists  bool             // there are such
	makes  bool             // functions in FROM, or recursion, make rows
	recurs bool             // there is WITH RECURSIVE
	sets   bool             // settings may change while it runs
	mixed  []*pg_query.Node // see mixing; nil until somebody asks
	on     *dependence
	pairs  [][2]*pg_query.ColumnRef // columns that are equal to each other
	made   []hoop.Operand           // what queries of nothing but constants give
	told   map[hoop.ColumnRef]bool  // read by functions whose values are told in full
	around []*pg_query.SelectStmt   // the queries that what is visited stands in
	loose  bool                     // a collation or a type is named that compares loosely
	depth  int
}

func (s *stmt) looker() *looker {
	l := s.newLooker()
	l.visit(s.node)
	l.pass()
	l.shows(s.node.GetSelectStmt())
	return l
}

func (s *stmt) newLooker() *looker {
	l := &looker{cat: s.cat, tally: s.gathers, sql: s.sql, sets: s.configured, sights: map[*pg_query.ColumnRef]*sight{}, on: s.on, told: map[hoop.ColumnRef]bool{}}
	var text pglex.Text
	if text.Read(s.sql) {
		l.text = &text
	}
	return l
}

// visit looks at the conditions at and below n.
func (l *looker) visit(n *pg_query.Node) {
	if l.depth++; l.depth > maxDepth {
		l.depth--
		return
	}
	defer func() { l.depth-- }()
	switch x := n.GetNode().(type) {
	case nil:
		return
	case *pg_query.Node_AExpr:
		if compares(x.AExpr) {
			l.leaf(n)
		}
		l.comparison(x.AExpr)
		l.tests(x.AExpr)
	case *pg_query.Node_SubLink:
		l.leaf(n)
		if t := x.SubLink.SubLinkType; t == pg_query.SubLinkType_ANY_SUBLINK || t == pg_query.SubLinkType_ALL_SUBLINK {
			l.among(x.SubLink)
			l.equal(x.SubLink.Testexpr, x.SubLink.Subselect)
		}
	case *pg_query.Node_CaseExpr:
		if arg := x.CaseExpr.Arg; arg != nil { // what it results in is compared with neither
			compared := []*pg_query.Node{arg}
			for _, when := range x.CaseExpr.Args {
				compared = append(compared, when.GetCaseWhen().GetExpr())
				l.equal(arg, when.GetCaseWhen().GetExpr())
			}
			l.leaf(pg_query.MakeListNode(compared))
		}
	case *pg_query.Node_CaseWhen:
		l.condition(x.CaseWhen.Expr)
	case *pg_query.Node_JoinExpr:
		l.where(x.JoinExpr.Quals)
	case *pg_query.Node_OnConflictClause:
		l.where(x.OnConflictClause.WhereClause)
	case *pg_query.Node_MergeStmt:
		l.where(x.MergeStmt.JoinCondition)
	case *pg_query.Node_MergeWhenClause:
		l.where(x.MergeWhenClause.Condition)
	case *pg_query.Node_UpdateStmt:
		l.where(x.UpdateStmt.WhereClause)
	case *pg_query.Node_DeleteStmt:
		l.where(x.DeleteStmt.WhereClause)
	case *pg_query.Node_SelectStmt:
		l.where(x.SelectStmt.WhereClause)
		l.condition(x.SelectStmt.HavingClause)
		l.selected(x.SelectStmt)
		for _, n := range slices.Concat(x.SelectStmt.GroupClause, x.SelectStmt.DistinctClause, toldApart(x.SelectStmt)) {
			l.key(n)
		}
		l.spells(x.SelectStmt.LimitCount)
		l.spells(x.SelectStmt.LimitOffset)
		l.around = append(l.around, x.SelectStmt)
		defer func() { l.around = l.around[:len(l.around)-1] }()
	case *pg_query.Node_FuncCall:
		l.loose = l.loose || l.cat.Loose(lastOf(x.FuncCall.Funcname))
		l.rows(x.FuncCall)
	case *pg_query.Node_CollateClause:
		l.loose = l.loose || l.cat.Loose(lastOf(x.CollateClause.Collname))
	case *pg_query.Node_TypeCast:
		l.loose = l.loose || l.cat.Loose(lastOf(x.TypeCast.TypeName.GetNames()))
	case *pg_query.Node_SortBy:
		l.key(n)
	case *pg_query.Node_WindowDef:
		for _, n := range x.WindowDef.PartitionClause {
			l.key(n)
		}
		l.spells(x.WindowDef.StartOffset)
		l.spells(x.WindowDef.EndOffset)
	case *pg_query.Node_RangeTableSample:
		for _, a := range append([]*pg_query.Node{x.RangeTableSample.Repeatable}, x.RangeTableSample.Args...) {
			l.spells(a)
		}
	case *pg_query.Node_RangeFunction:
		l.function(x.RangeFunction)
	case *pg_query.Node_RangeTableFunc:
		l.makes = true
		l.splits(uncast(x.RangeTableFunc.Docexpr))
		l.spells(x.RangeTableFunc.Rowexpr)
		for _, n := range x.RangeTableFunc.Namespaces {
			l.spells(n)
		}
		for _, c := range x.RangeTableFunc.Columns { // which nothing else says what they are made of
			l.spells(c.GetRangeTableFuncCol().GetColexpr())
			l.spells(c.GetRangeTableFuncCol().GetColdefexpr())
		}
	case *pg_query.Node_JsonTable:
		l.makes = true
		l.splits(uncast(x.JsonTable.ContextItem.GetRawExpr()))
		l.spells(x.JsonTable.Pathspec.GetString_())
		for _, a := range x.JsonTable.Passing {
			l.spells(a)
		}
	case *pg_query.Node_WithClause:
		l.makes, l.recurs = l.makes || x.WithClause.Recursive, l.recurs || x.WithClause.Recursive
	}
	children(n, l.visit)
}

// spells notes what says how many rows come, or how long they take: a number that spells
// any value.
func (l *looker) spells(n *pg_query.Node) {
	if c := n.GetColumnRef(); c != nil {
		l.at(c).many = true
		return
	}
	l.tell(l.read(n))
	if l.depth++; l.depth <= maxDepth {
		children(n, l.spells)
	}
	l.depth--
}

// read gives what users' functions read that n itself calls, as a function, an operator
// or a type.
func (l *looker) read(n *pg_query.Node) (code []*code) {
	called, _ := l.on.calls(n)
	for _, f := range called {
		if f.System || trusted(f) {
			continue
		}
		if c := l.on.codeOf(f); len(c.sources) > 0 {
			code = append(code, c)
		}
	}
	return code
}

// tell notes that a value of what code reads is told in full, as a number of rows or by
// what it is compared with.
func (l *looker) tell(read []*code) {
	for _, c := range read {
		for t := range c.sources {
			l.told[hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: "*"}] = true
		}
	}
}

func (l *looker) at(c *pg_query.ColumnRef) *sight {
	if l.sights[c] == nil {
		l.sights[c] = &sight{}
	}
	return l.sights[c]
}

// compares reports whether an operator tells values apart.
func compares(e *pg_query.A_Expr) bool {
	if e.Kind != pg_query.A_Expr_Kind_AEXPR_OP {
		return true
	}
	name := stringsOf(e.Name)
	if len(name) != 1 {
		return true
	}
	switch name[0] {
	case "||", "+", "-", "*", "/", "%", "^", "->", "->>", "#>", "#>>":
		return false
	}
	return true
}

// condition looks at what is a condition itself, and no comparison: starts_with(a, b),
// (a - b)::bool.
func (l *looker) condition(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_BoolExpr:
		for _, a := range x.BoolExpr.Args {
			l.condition(a)
		}
	case *pg_query.Node_BooleanTest:
		l.condition(x.BooleanTest.Arg)
	case *pg_query.Node_NullTest:
		l.condition(x.NullTest.Arg)
	case *pg_query.Node_TypeCast:
		l.condition(x.TypeCast.Arg)
	case *pg_query.Node_CaseExpr:
		for _, w := range x.CaseExpr.Args {
			l.condition(w.GetCaseWhen().GetResult())
		}
		l.condition(x.CaseExpr.Defresult)
	case *pg_query.Node_SubLink: // visited as one
	default:
		l.leaf(n)
	}
}

// shows notes the columns that the answer itself shows, by way of nothing that can fail
// or tell values apart: they decide nothing that a mask does not hide.
func (l *looker) shows(q *pg_query.SelectStmt) {
	if q == nil || q.Op > pg_query.SetOperation_SETOP_NONE || len(q.DistinctClause) > 0 || ordinals(q) {
		return
	}
	for _, t := range q.TargetList {
		l.shown(t.GetResTarget().GetVal())
	}
}

func (l *looker) shown(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		l.at(x.ColumnRef).shown = true
	case *pg_query.Node_AExpr:
		if name := stringsOf(x.AExpr.Name); len(name) == 1 && name[0] == "||" && x.AExpr.Kind == pg_query.A_Expr_Kind_AEXPR_OP {
			l.shown(x.AExpr.Lexpr)
			l.shown(x.AExpr.Rexpr)
		}
	case *pg_query.Node_TypeCast:
		if textCast(x.TypeCast) {
			l.shown(x.TypeCast.Arg)
		}
	case *pg_query.Node_CoalesceExpr:
		for _, a := range x.CoalesceExpr.Args {
			l.shown(a)
		}
	case *pg_query.Node_RowExpr:
		for _, a := range x.RowExpr.Args {
			l.shown(a)
		}
	case *pg_query.Node_AArrayExpr:
		for _, a := range x.AArrayExpr.Elements {
			l.shown(a)
		}
	case *pg_query.Node_FuncCall:
		f := x.FuncCall
		if parts := stringsOf(f.Funcname); len(parts) == 1 && calm[parts[0]] && len(f.AggOrder) == 0 && f.AggFilter == nil && f.Over == nil && !f.AggDistinct {
			for _, a := range f.Args {
				l.shown(a)
			}
		}
	}
}

// leaf notes which columns an expression puts together.
func (l *looker) leaf(n *pg_query.Node) {
	p := l.parts(n, false)
	refs, code := p.refs, p.code
	l.tallied(p)
	if p.rows {
		for _, c := range refs {
			l.at(c).many = true
		}
	}
	if len(refs)+len(p.read) < 2 {
		if len(refs) == 1 && code {
			l.at(refs[0]).many = true
		}
		return
	}
	l.tell(p.read)
	plain := false
	if e := n.GetAExpr(); e != nil {
		plain = bare(e.Lexpr) != nil && (bare(e.Rexpr) != nil)
	}
	if sub := n.GetSubLink(); sub != nil {
		plain = bare(sub.Testexpr) != nil && !code && len(refs) == 2
	}
	for _, c := range refs {
		p := l.at(c)
		for _, other := range refs {
			if other != c && !slices.Contains(p.with, other) {
				p.with = append(p.with, other)
			}
		}
		p.crossed = p.crossed || !plain
		p.many = p.many || !plain && (l.lists || l.makes) || code
	}
}

// comparison notes a column that is equal, or not, to constants.
func (l *looker) comparison(e *pg_query.A_Expr) {
	c, other := bare(e.Lexpr), e.Rexpr
	if c == nil {
		if c, other = bare(e.Rexpr), e.Lexpr; c == nil || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP {
			return
		}
	}
	equal := l.equates(stringsOf(e.Name))
	p := l.at(c)
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_OP, pg_query.A_Expr_Kind_AEXPR_DISTINCT, pg_query.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		if op, ok := l.operand(other); ok && equal {
			p.exact, p.operands = true, append(p.operands, op)
		}
	case pg_query.A_Expr_Kind_AEXPR_IN:
		all := true
		for _, n := range listOf(other) {
			op, ok := l.operand(n)
			if all = all && ok; ok {
				p.operands = append(p.operands, op)
			}
		}
		p.exact = all && equal
	case pg_query.A_Expr_Kind_AEXPR_OP_ANY, pg_query.A_Expr_Kind_AEXPR_OP_ALL:
		ops, ok := l.array(other)
		p.operands = append(p.operands, ops...)
		p.exact = ok && equal
		p.many = p.many || !ok
	}
}

// equates reports whether an operator tells whether two values are equal, and nothing else:
// PostgreSQL's own, where nobody made another of the name for types of PostgreSQL's.
func (l *looker) equates(name []string) bool {
	if len(name) != 1 || name[0] != "=" && name[0] != "<>" && name[0] != "!=" {
		return false
	}
	return !slices.ContainsFunc(l.cat.Operators(strings.Replace(name[0], "!=", "<>", 1)), func(op *catalog.Operator) bool {
		f, ok := l.cat.Function(op.Function)
		return !ok || !trusted(f) && !slices.ContainsFunc(f.ArgTypes, func(oid uint32) bool { return oid >= firstUserOID })
	})
}

// selected notes what a SELECT lists and makes, and what set operations compare.
func (l *looker) selected(q *pg_query.SelectStmt) {
	for _, t := range q.TargetList {
		if f := t.GetResTarget().GetVal().GetFuncCall(); f != nil && spawns(l.cat, f) {
			l.members(f)
		}
	}
	if len(q.FromClause) == 0 {
		for _, t := range q.TargetList {
			l.made = append(l.made, l.values(t.GetResTarget().GetVal())...)
		}
	}
	for _, row := range q.ValuesLists {
		l.lists = true
		for _, v := range listOf(row) {
			if op, ok := l.operand(v); ok {
				l.list = append(l.list, op)
			} else {
				l.makes = true
			}
		}
	}
	if q.Op == pg_query.SetOperation_SETOP_NONE || q.Op == pg_query.SetOperation_SET_OPERATION_UNDEFINED ||
		q.Op == pg_query.SetOperation_SETOP_UNION && q.All {
		return
	}
	all := l.parts(selectNode(q), true)
	l.tell(all.read)
	for _, c := range all.refs {
		p := l.at(c)
		p.many, p.listed = p.many || all.code, true
		for _, other := range all.refs {
			if other != c {
				p.with = append(p.with, other)
			}
		}
	}
	for _, side := range []*pg_query.SelectStmt{q.Larg, q.Rarg} {
		for _, t := range side.GetTargetList() {
			if op, ok := l.operand(t.GetResTarget().GetVal()); ok {
				l.lists = true
				l.list = append(l.list, op)
			}
			l.near(all.refs, l.values(t.GetResTarget().GetVal()))
			if one := l.parts(t, true); different(one.refs) > 1 {
				for _, c := range all.refs {
					l.at(c).crossed = true
				}
			}
		}
	}
}

// function notes what a function in FROM lists: the members of unnest, or more than
// the text tells.
func (l *looker) function(rf *pg_query.RangeFunction) {
	for _, item := range rf.Functions {
		for _, n := range listOf(item) {
			if f := n.GetFuncCall(); f != nil {
				l.members(f)
			}
		}
	}
}

// members notes what a function that makes rows lists.
func (l *looker) members(f *pg_query.FuncCall) {
	if lastOf(f.Funcname) != "unnest" {
		l.makes = true
		return
	}
	for _, a := range f.Args {
		ops, ok := l.array(a)
		l.lists, l.makes = l.lists || ok, l.makes || !ok
		l.list = append(l.list, ops...)
	}
}

// deciding is a use of a name in a place that decides.
type deciding struct {
	name usedName
	ref  *pg_query.ColumnRef // nil for names that stand alone
	join bool                // in USING: columns of that name are compared with each other
}

// looks resolves the sights of what decides.
func (s *stmt) looks() []hoop.Look {
	if s.quiet || len(s.names.places)+len(s.decided) == 0 && !s.names.all {
		return nil
	}
	l, g := s.looker(), s.groups()
	var out []hoop.Look
	seen := map[*pg_query.ColumnRef]bool{}
	for _, d := range s.names.places {
		if d.ref != nil && seen[d.ref] {
			continue
		}
		seen[d.ref] = d.ref != nil
		if p := l.sights[d.ref]; p != nil && p.shown {
			continue
		}
		look, r := s.look(l, d)
		out = append(out, look)
		g.look(&out[len(out)-1], d.ref)
		if p := l.sights[d.ref]; p == nil || d.join || p.many || p.listed || p.split || len(p.with) > 0 { // else it is compared with constants
			out = append(out, s.mixed(r)...)
		}
		if look, ok := s.rounds(l, d); ok {
			out = append(out, look)
		}
	}
	for c := range s.decided {
		for range max(s.asks, 1) {
			out = append(out, hoop.Look{Columns: []hoop.ColumnRef{c}, Many: s.asksMany || s.asksRows && l.makes || l.told[c]})
			g.look(&out[len(out)-1], nil)
		}
	}
	if s.names.all {
		r := s.newResolver()
		r.everything()
		look := hoop.Look{Columns: r.columns(), Joined: s.names.natural, Many: s.names.natural && (l.makes || s.freshensAny())}
		if s.names.natural {
			look.Near = slices.Concat(l.list, l.made)
			look.Against = r.relatives()
		}
		if l.lists {
			look.Operands = l.list
		}
		g.look(&look, nil)
		out = append(append(out, look), s.mixed(r)...)
	}
	if l.loose || s.comparesLoosely() {
		for i := range out {
			out[i].Loose = true
		}
	}
	return out
}

// comparesLoosely reports whether a table or a view of the statement has a column that is compared
// loosely, or a parameter or a function a type with such a collation: what is compared with those is, too.
func (s *stmt) comparesLoosely() bool {
	for oid := range s.values {
		if s.cat.Collates(oid) {
			return true
		}
	}
	for t := range s.tables {
		if slices.ContainsFunc(t.Columns, func(c catalog.Column) bool { return c.Loose }) {
			return true
		}
	}
	return false
}

// mixed gives the looks at columns of the session's own tables whose values are told apart
// from others under one name, where r found such.
func (s *stmt) mixed(r *resolver) (out []hoop.Look) {
	for _, h := range r.own {
		in := s.newResolver()
		in.holding(h)
		views := slices.DeleteFunc(in.columns(), func(c hoop.ColumnRef) bool { return !in.ofView(c) })
		if len(views) < len(in.out) { // what they show is there, too
			for _, c := range views {
				in.shown[c] = true
			}
		}
		switch against := in.relatives(); {
		case h.Any || h.More && len(in.out) > 0:
			out = append(out, hoop.Look{Columns: in.columns(), Many: true})
		case len(against) > 1:
			out = append(out, hoop.Look{Columns: in.columns(), Joined: true, Against: against})
		}
	}
	return out
}

// freshensAny reports whether a query inside has values under a name that no column has.
func (s *stmt) freshensAny() bool {
	for _, made := range s.names.derived {
		if slices.ContainsFunc(made, s.freshens) {
			return true
		}
	}
	return false
}

func (s *stmt) look(l *looker, d deciding) (look hoop.Look, r *resolver) {
	r = s.resolved(d.name)
	look = hoop.Look{Columns: r.columns(), View: r.blind}
	p := l.sights[d.ref]
	if p != nil {
		look.Between = p.between
	}
	if d.join {
		look.Joined, look.Many, look.Against = true, l.makes || r.invents || r.fresh && !l.lists || l.lists && l.crosses(r), r.relatives()
		if l.lists {
			look.Operands = l.list
		}
		return look, r
	}
	if p == nil {
		p = &sight{}
	}
	p = &sight{
		exact: p.exact, operands: slices.Clone(p.operands), with: slices.Clone(p.with), listed: p.listed, near: p.near, members: p.members, computed: p.computed,
		many: p.many || p.split && !s.storedValue(d.name, p.around, 0), split: p.split, crossed: p.crossed,
	}
	s.blend(l, r, p, d)
	look.Operands, look.Near = p.operands, p.near
	look.Exact = p.exact && len(p.with) == 0 && s.plainName(d.name)
	look.Many, look.Split = p.many, p.split
	if !look.Exact {
		look.Listed, look.Computed = p.members, p.computed
	}
	if p.listed && l.lists {
		look.Operands, look.Many = append(slices.Clone(look.Operands), l.list...), look.Many || l.makes
	}
	for _, c := range p.with {
		u, ok := nameOf(c)
		if !ok {
			look.Many = true
			continue
		}
		if u.name == d.name.name && s.counts(u) {
			continue
		}
		if l.recurs && u.name == d.name.name && s.placed(u) { // a recursion makes it of itself: see rounds
			look.Against = append(look.Against, s.resolved(u).relatives()...)
			look.Joined = look.Joined || len(look.Against) > 0
			continue
		}
		other := s.resolved(u)
		look.Joined = true
		made := s.names.loose[u.name] || other.fresh || other.vague
		switch {
		case made && l.lists && !l.makes && !s.names.open[u.name] && !other.invents && !p.crossed && !l.crosses(other):
			look.Operands = append(slices.Clone(look.Operands), l.list...)
		case made || len(other.out) == 0:
			look.Many = true
		}
		if !s.names.loose[u.name] {
			look.Against = append(look.Against, other.relatives()...)
		}
	}
	return look, r
}

// crosses reports whether a query inside puts several columns together under the names that
// were resolved: of a short list that makes a long one.
func (l *looker) crosses(r *resolver) bool {
	return slices.ContainsFunc(r.made, func(e *pg_query.Node) bool { return different(l.madeOf(e).refs) > 1 })
}

// plainName reports whether the name can be nothing but a column of a table, not one
// that is computed.
func (s *stmt) plainName(u usedName) bool {
	if s.names.loose[u.name] || len(s.names.derived[anyName]) > 0 || u.name == "*" {
		return false
	}
	for _, e := range s.names.derived[u.name] {
		if c := e.GetColumnRef(); c == nil {
			return false
		} else if in, ok := nameOf(c); !ok || in.name != u.name {
			return false
		}
	}
	return true
}

func (r *resolver) columns() []hoop.ColumnRef {
	out := make([]hoop.ColumnRef, 0, len(r.out))
	for c := range r.out {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b hoop.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// relatives gives the columns in groups: those of a table with its partitions and
// inheritance relatives. A whole row is each of its columns.
func (r *resolver) relatives() (out [][]hoop.ColumnRef) {
	for _, t := range r.rows {
		in := r.s.newResolver()
		for _, c := range t.Columns {
			in.add(t, c.Name)
		}
		out = append(out, in.relatives()...)
	}
	done := map[hoop.ColumnRef]bool{}
	for _, c := range r.columns() {
		if done[c] || r.shown[c] {
			continue
		}
		group := []hoop.ColumnRef{c}
		for t := range r.s.tables {
			if t.Schema != c.Schema || t.Name != c.Table {
				continue
			}
			for _, related := range r.s.cat.Related(t) {
				other := hoop.ColumnRef{Schema: related.Schema, Table: related.Name, Column: c.Column}
				if r.out[other] && !done[other] && other != c {
					group = append(group, other)
				}
			}
		}
		for _, c := range group {
			done[c] = true
		}
		out = append(out, group)
	}
	return out
}
