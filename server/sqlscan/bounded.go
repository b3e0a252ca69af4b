package sqlscan

import (
	"maps"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/server/catalog"
)

// limiter decides whether a condition limits which rows of a table change. It proves:
// a condition limits an alias where a column of it is compared with something that
// does not depend on the row, or where it is equal to a column of a limited alias. All
// else reaches every row as far as the text can show.
type limiter struct {
	s      *stmt
	scope  *scope
	tables map[string][]*catalog.Table // alias: tables
	fixed  map[string]bool             // aliases with a limited number of rows by themselves
	quals  []*pg_query.Node            // conditions of inner joins
}

func (s *stmt) limiter(sc *scope) *limiter {
	return &limiter{s: s, scope: sc, tables: map[string][]*catalog.Table{}, fixed: map[string]bool{}}
}

func (l *limiter) target(rv *pg_query.RangeVar) { l.tables[aliasOf(rv)] = l.s.lookup(rv) }

// from adds a FROM item. The conditions of outer joins limit nothing.
func (l *limiter) from(n *pg_query.Node) {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_RangeVar:
		alias := aliasOf(x.RangeVar)
		if x.RangeVar.Schemaname == "" {
			if cte := l.scope.find(x.RangeVar.Relname); cte != nil {
				l.tables[alias] = nil
				l.fixed[alias] = l.cte(cte)
				return
			}
		}
		l.target(x.RangeVar)
	case *pg_query.Node_RangeSubselect:
		alias := x.RangeSubselect.GetAlias().GetAliasname()
		l.tables[alias] = nil
		l.fixed[alias] = l.query(x.RangeSubselect.Subquery)
	case *pg_query.Node_RangeFunction:
		alias := x.RangeFunction.GetAlias().GetAliasname()
		if items := x.RangeFunction.Functions; alias == "" && len(items) == 1 && len(listOf(items[0])) > 0 {
			alias = lastOf(listOf(items[0])[0].GetFuncCall().GetFuncname())
		}
		l.tables[alias] = nil
		l.fixed[alias] = alias != "" && l.s.listFunction(x.RangeFunction)
	case *pg_query.Node_JoinExpr:
		l.from(x.JoinExpr.Larg)
		l.from(x.JoinExpr.Rarg)
		if x.JoinExpr.Jointype == pg_query.JoinType_JOIN_INNER && x.JoinExpr.Quals != nil {
			l.quals = append(l.quals, x.JoinExpr.Quals)
		}
	}
}

// cte reports whether a WITH query is limited; one that refers to itself is not.
func (l *limiter) cte(c *pg_query.CommonTableExpr) bool {
	if got, ok := l.s.limitedCTE[c]; ok {
		return got
	}
	l.s.limitedCTE[c] = false
	l.s.limitedCTE[c] = l.query(c.Ctequery)
	return l.s.limitedCTE[c]
}

// maxSteps bounds the work of limiters on one statement: nested sub-selects are looked
// at once for every table around them.
const maxSteps = 200_000

// spend takes a step and reports whether there was one left.
func (s *stmt) spend() bool {
	s.steps++
	return s.steps <= maxSteps
}

// listFunction reports whether a function in FROM only spreads a value that the
// client sent.
func (s *stmt) listFunction(rf *pg_query.RangeFunction) bool {
	for _, item := range rf.Functions {
		for _, n := range listOf(item) {
			f := n.GetFuncCall()
			if f == nil {
				continue
			}
			parts := stringsOf(f.Funcname)
			if !spreading[parts[len(parts)-1]] || !s.on.given(f.Args...) {
				return false
			}
		}
	}
	return len(rf.Functions) > 0
}

// bounds has judge decide whether the rows that change have a limit. Where they have one
// whatever the values of parameters, judge is not asked about these (Analysis.Swayed).
func (s *stmt) bounds(sc *scope, judge func(l *limiter) (why string, bounded bool)) (why string, bounded bool) {
	s.met = false
	why, bounded = judge(s.limiter(sc))
	if !bounded || !s.met || s.known.Values != nil || s.out.Swayed {
		return why, bounded
	}
	known := s.limitedCTE
	s.limitedCTE, s.doubting = map[*pg_query.CommonTableExpr]bool{}, true
	_, always := judge(s.limiter(sc))
	s.limitedCTE, s.doubting = known, false
	s.out.Swayed = !always
	return why, bounded
}

// spreading are functions that give the parts of a value, each once.
var spreading = map[string]bool{
	"unnest": true, "json_array_elements": true, "jsonb_array_elements": true, "json_array_elements_text": true, "jsonb_array_elements_text": true,
	"json_to_recordset": true, "jsonb_to_recordset": true, "json_populate_recordset": true, "jsonb_populate_recordset": true,
	"json_each": true, "jsonb_each": true, "json_each_text": true, "jsonb_each_text": true, "json_object_keys": true, "jsonb_object_keys": true,
	"string_to_table": true, "regexp_split_to_table": true,
}

// verdict decides a statement's WHERE for its target.
func (l *limiter) verdict(cond *pg_query.Node, alias string) (why string, bounded bool) {
	switch {
	case l.limits(cond, alias):
		return "", true
	case cond == nil && len(l.quals) == 0:
		return "without a condition", false
	case len(l.tables) > 1:
		return "with a condition that may reach every row through a join", false
	}
	return "with a condition that may be true for every row", false
}

// limits reports whether cond, with the conditions of inner joins, limits alias.
func (l *limiter) limits(cond *pg_query.Node, alias string) bool {
	conjuncts := l.quals
	if cond != nil {
		conjuncts = append([]*pg_query.Node{cond}, l.quals...)
	}
	limited := maps.Clone(l.fixed)
	links := map[string][]string{}
	for _, c := range conjuncts {
		for a := range l.aliases(c, place{}) {
			limited[a] = true
		}
		l.links(c, links)
	}
	return reaches(alias, limited, links, map[string]bool{})
}

func reaches(alias string, limited map[string]bool, links map[string][]string, seen map[string]bool) bool {
	if limited[alias] {
		return true
	}
	seen[alias] = true
	for _, next := range links[alias] {
		if !seen[next] && reaches(next, limited, links, seen) {
			return true
		}
	}
	return false
}

// place is where a condition stands.
type place struct {
	negated bool // under NOT
	// either says that it is one of several conditions that suffice. There only those
	// count that pick values: a = 1 OR a <> 1 is true for every row.
	either bool
}

// aliases are those that cond limits.
func (l *limiter) aliases(cond *pg_query.Node, in place) map[string]bool {
	if !l.s.spend() {
		return nil
	}
	switch x := cond.GetNode().(type) {
	case *pg_query.Node_BoolExpr:
		return l.boolean(x.BoolExpr, in)
	case *pg_query.Node_AExpr:
		return l.comparison(x.AExpr, in)
	case *pg_query.Node_NullTest:
		isNull := x.NullTest.Nulltesttype == pg_query.NullTestType_IS_NULL
		if isNull != in.negated { // IS NOT NULL is true for every row of many a column
			return set(l.column(x.NullTest.Arg))
		}
	case *pg_query.Node_BooleanTest:
		switch x.BooleanTest.Booltesttype {
		case pg_query.BoolTestType_IS_TRUE:
			if !in.either || !in.negated {
				return set(l.column(x.BooleanTest.Arg))
			}
		case pg_query.BoolTestType_IS_FALSE, pg_query.BoolTestType_IS_NOT_TRUE, pg_query.BoolTestType_IS_NOT_FALSE:
			if !in.either {
				return set(l.column(x.BooleanTest.Arg))
			}
		} // IS UNKNOWN is as IS NULL
	case *pg_query.Node_ColumnRef: // a boolean column
		if !in.either || !in.negated {
			return set(l.column(cond))
		}
	case *pg_query.Node_SubLink:
		if !in.negated {
			return l.subLink(x.SubLink)
		}
	case *pg_query.Node_CurrentOfExpr: // one row, of the target
		if !in.negated {
			all := map[string]bool{}
			for a := range l.tables {
				all[a] = true
			}
			return all
		}
	}
	return nil
}

func set(alias string) map[string]bool {
	if alias == "" {
		return nil
	}
	return map[string]bool{alias: true}
}

// boolean: AND limits what one of its terms limits, OR what all of them do; under NOT
// they change places.
func (l *limiter) boolean(b *pg_query.BoolExpr, in place) map[string]bool {
	if b.Boolop == pg_query.BoolExprType_NOT_EXPR {
		in.negated = !in.negated
		return l.aliases(b.Args[0], in)
	}
	oneIsEnough := (b.Boolop == pg_query.BoolExprType_AND_EXPR) != in.negated
	in.either = in.either || !oneIsEnough
	var out map[string]bool
	for i, arg := range b.Args {
		got := l.aliases(arg, in)
		switch {
		case oneIsEnough && len(got) > 0:
			if out == nil {
				out = map[string]bool{}
			}
			maps.Copy(out, got)
		case !oneIsEnough && i == 0:
			out = maps.Clone(got)
		case !oneIsEnough:
			maps.DeleteFunc(out, func(a string, _ bool) bool { return !got[a] })
		}
	}
	return out
}

// comparisons are the operators that tell values apart. Containment is not among
// them, save @>: everything contains, or is contained in, something empty.
var comparisons = map[string]bool{
	"=": true, "<>": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true,
	"~": true, "~*": true, "!~": true, "!~*": true, "~~": true, "!~~": true, "~~*": true, "!~~*": true,
	"?": true, "?|": true, "?&": true, "@>": true, "&&": true, "@@": true, "^@": true,
}

// comparison handles column op value, both ways round.
func (l *limiter) comparison(e *pg_query.A_Expr, in place) map[string]bool {
	if in.either && (in.negated || !picks(e)) {
		return nil
	}
	e = l.s.valued(e)
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_OP:
		if parts := stringsOf(e.Name); len(parts) == 0 || !comparisons[parts[len(parts)-1]] {
			return nil
		}
		if in.negated && lastOf(e.Name) == "=" && (isNull(e.Lexpr) || isNull(e.Rexpr)) { // with transform_null_equals it is IS NOT NULL
			return nil
		}
	case pg_query.A_Expr_Kind_AEXPR_OP_ANY:
		if in.negated || !picks(e) && !ordered[lastOf(e.Name)] { // NOT x = ANY ('{}'), x <> ANY ('{1,2}')
			return nil
		}
	case pg_query.A_Expr_Kind_AEXPR_DISTINCT: // IS DISTINCT FROM NULL is IS NOT NULL
		if !notNull(e.Rexpr) {
			return nil
		}
	case pg_query.A_Expr_Kind_AEXPR_IN, pg_query.A_Expr_Kind_AEXPR_NOT_DISTINCT,
		pg_query.A_Expr_Kind_AEXPR_LIKE, pg_query.A_Expr_Kind_AEXPR_ILIKE, pg_query.A_Expr_Kind_AEXPR_SIMILAR,
		pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM,
		pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN, pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		if e.Kind == pg_query.A_Expr_Kind_AEXPR_NOT_DISTINCT && in.negated && !notNull(e.Rexpr) {
			return nil
		}
		if in.negated && e.Kind == pg_query.A_Expr_Kind_AEXPR_BETWEEN && reversed(listOf(e.Rexpr)) { // NOT x BETWEEN 5 AND 4
			return nil
		}
	default: // = ALL ('{}') is true, NULLIF is no condition
		return nil
	}
	if l.matchesAll(e) || in.negated && e.Kind == pg_query.A_Expr_Kind_AEXPR_OP && l.wholeEnum(opposite[lastOf(e.Name)], e.Lexpr, e.Rexpr) {
		return nil
	}
	if lr, rr := e.Lexpr.GetRowExpr(), e.Rexpr.GetRowExpr(); lr != nil && rr != nil {
		return l.rows(stringsOf(e.Name), lr, rr)
	}
	if a := l.column(e.Lexpr); a != "" && l.value(e, e.Rexpr) {
		return set(a)
	}
	if a := l.column(e.Rexpr); a != "" && e.Kind == pg_query.A_Expr_Kind_AEXPR_OP && l.value(e, e.Lexpr) {
		return set(a)
	}
	return nil
}

// picks reports whether a comparison is for what is alike, not for all the rest.
func picks(e *pg_query.A_Expr) bool {
	parts := stringsOf(e.Name)
	if len(parts) == 0 {
		return false
	}
	op := parts[len(parts)-1]
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg_query.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		return true
	case pg_query.A_Expr_Kind_AEXPR_OP, pg_query.A_Expr_Kind_AEXPR_OP_ANY, pg_query.A_Expr_Kind_AEXPR_IN,
		pg_query.A_Expr_Kind_AEXPR_LIKE, pg_query.A_Expr_Kind_AEXPR_ILIKE, pg_query.A_Expr_Kind_AEXPR_SIMILAR:
		switch op {
		case "<>", "!=", "<", ">", "<=", ">=", "!~", "!~*", "!~~", "!~~*":
			return false
		}
		return true
	}
	return false
}

// isNull reports whether an expression is the word NULL.
func isNull(n *pg_query.Node) bool { return n.GetAConst().GetIsnull() }

// notNull reports whether an expression is a constant other than NULL.
func notNull(n *pg_query.Node) bool {
	if c := n.GetTypeCast(); c != nil {
		return notNull(c.Arg)
	}
	c := n.GetAConst()
	return c != nil && !c.Isnull
}

// rows compares row by row: equal ones are so in every place, for order the first one counts,
// and it takes a single difference to be unequal.
func (l *limiter) rows(op []string, left, right *pg_query.RowExpr) map[string]bool {
	places := min(len(left.Args), len(right.Args))
	switch op[len(op)-1] {
	case "=":
	case "<", ">", "<=", ">=":
		places = min(places, 1)
	default:
		return nil
	}
	for i := range places {
		if a := l.column(left.Args[i]); a != "" && l.s.on.same(right.Args[i]) {
			return set(a)
		}
		if a := l.column(right.Args[i]); a != "" && l.s.on.same(left.Args[i]) {
			return set(a)
		}
	}
	return nil
}

// value reports whether the other side of a comparison does not depend on the row.
func (l *limiter) value(e *pg_query.A_Expr, n *pg_query.Node) bool {
	if sub := n.GetSubLink(); sub != nil && e.Kind == pg_query.A_Expr_Kind_AEXPR_OP {
		// One value, the same for every row; greater than the least reaches them all.
		op := stringsOf(e.Name)
		return sub.SubLinkType == pg_query.SubLinkType_EXPR_SUBLINK && len(op) > 0 && op[len(op)-1] == "=" && l.independent(sub.Subselect)
	}
	if e.Kind == pg_query.A_Expr_Kind_AEXPR_OP_ANY { // as many as it has elements
		return l.s.on.given(n)
	}
	return l.s.on.same(n)
}

// column gives the alias whose column the expression shows without folding its values
// together; "" where it is no such expression.
func (l *limiter) column(n *pg_query.Node) string {
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		return l.owner(x.ColumnRef)
	case *pg_query.Node_TypeCast:
		if parts := stringsOf(x.TypeCast.TypeName.GetNames()); len(parts) > 0 && parts[len(parts)-1] == "bool" {
			return ""
		}
		return l.column(x.TypeCast.Arg)
	case *pg_query.Node_CollateClause:
		return l.column(x.CollateClause.Arg)
	case *pg_query.Node_FuncCall:
		return l.inFunction(x.FuncCall)
	case *pg_query.Node_AExpr:
		if parts := stringsOf(x.AExpr.Name); x.AExpr.Kind == pg_query.A_Expr_Kind_AEXPR_OP && len(parts) > 0 && x.AExpr.Lexpr != nil {
			switch parts[len(parts)-1] {
			case "+", "-", "->", "->>", "#>", "#>>", "||":
				if l.s.on.same(x.AExpr.Rexpr) {
					return l.column(x.AExpr.Lexpr)
				}
			}
		}
	}
	return ""
}

// inFunction looks through functions that keep values apart well enough.
func (l *limiter) inFunction(f *pg_query.FuncCall) string {
	parts := stringsOf(f.Funcname)
	if len(parts) == 0 {
		return ""
	}
	switch parts[len(parts)-1] {
	case "lower", "upper", "btrim", "ltrim", "rtrim", "md5", "date_trunc", "date_part", "extract", "timezone", "date":
	default:
		return ""
	}
	alias := ""
	for _, a := range f.Args {
		if l.s.on.same(a) {
			continue
		}
		got := l.column(a)
		if got == "" || alias != "" {
			return ""
		}
		alias = got
	}
	return alias
}

// owner finds the alias that a column belongs to; "" where that is not certain.
func (l *limiter) owner(c *pg_query.ColumnRef) string {
	u, ok := nameOf(c)
	if !ok || u.name == "*" || u.name != "ctid" && systemColumns[u.name] {
		return ""
	}
	if u.qualifier != "" {
		if _, ok := l.tables[u.qualifier]; ok {
			return u.qualifier
		}
		return ""
	}
	if _, isAlias := l.tables[u.name]; isAlias && !l.has(u.name, u.name) {
		return "" // a whole row
	}
	if len(l.tables) == 1 {
		for alias, tables := range l.tables {
			if len(tables) == 0 || l.has(alias, u.name) || u.name == "ctid" {
				return alias
			}
		}
		return ""
	}
	found := ""
	for alias, tables := range l.tables {
		if len(tables) > 0 && !l.has(alias, u.name) {
			continue
		}
		if found != "" {
			return ""
		}
		found = alias
	}
	return found
}

func (l *limiter) has(alias, column string) bool {
	for _, t := range l.tables[alias] {
		if _, ok := t.Column(column); ok {
			return true
		}
	}
	return false
}

// links notes pairs of aliases whose columns are equal.
func (l *limiter) links(cond *pg_query.Node, out map[string][]string) {
	if b := cond.GetBoolExpr(); b != nil && b.Boolop == pg_query.BoolExprType_AND_EXPR {
		for _, a := range b.Args {
			l.links(a, out)
		}
		return
	}
	e := cond.GetAExpr()
	if e == nil || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP {
		return
	}
	if parts := stringsOf(e.Name); len(parts) == 0 || parts[len(parts)-1] != "=" {
		return
	}
	a, b := l.column(e.Lexpr), l.column(e.Rexpr)
	if a != "" && b != "" && a != b {
		out[a], out[b] = append(out[a], b), append(out[b], a)
	}
}
