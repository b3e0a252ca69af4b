package sqlscan

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// What is true for every value that a column can have limits nothing. There is no end of
// such conditions; these are the usual ones (docs/limitations.md).

// matchesAll finds comparisons with a constant that no value, or next to none, fails, as
// in LIKE '%', ~ '.*', @> '{}', and those of which a value is not known.
func (l *limiter) matchesAll(e *pg_query.A_Expr) bool {
	op := strings.TrimPrefix(strings.Join(stringsOf(e.Name), "."), "pg_catalog.")
	if l.s.doubts() && (hasParameter(e.Lexpr) || hasParameter(e.Rexpr)) {
		return l.sways(e, op)
	}
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_IN:
		return l.mayBeBoolean(e.Lexpr) && bothBooleans(slices.DeleteFunc(slices.Clone(listOf(e.Rexpr)), free))
	case pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		return reversed(listOf(e.Rexpr))
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM:
		return l.allAtEnd(e.Lexpr, listOf(e.Rexpr))
	case pg_query.A_Expr_Kind_AEXPR_LIKE, pg_query.A_Expr_Kind_AEXPR_ILIKE:
		return l.likesAll(e.Rexpr)
	case pg_query.A_Expr_Kind_AEXPR_SIMILAR:
		p, ok := l.s.pattern(e.Rexpr)
		return !ok || !demands(strings.NewReplacer("%", ".*", "_", ".").Replace(p))
	case pg_query.A_Expr_Kind_AEXPR_OP_ANY:
		return l.oneMatchesAll(e, op)
	}
	switch op {
	case "~~", "~~*", "!~~", "!~~*":
		return l.likesAll(e.Rexpr)
	case "^@":
		p, ok := l.s.pattern(e.Rexpr)
		return !ok || p == ""
	case "<", "<=", ">", ">=":
		return l.pastEnd(e.Lexpr, e.Rexpr) || l.wholeEnum(op, e.Lexpr, e.Rexpr)
	case "@>", "&&", "?&":
		return !l.s.filled(e.Rexpr) || l.s.rangeOfAll(e.Rexpr) || l.s.rangeOfAll(e.Lexpr)
	case "~", "~*":
		p, ok := l.s.pattern(e.Rexpr)
		return !ok || !demands(p)
	case "!~", "!~*":
		p, ok := l.s.pattern(e.Rexpr)
		return ok && vague(p)
	}
	return false
}

// free reports whether a member of IN is a literal that Analysis.Free has: its value counts
// for nothing.
func free(n *pg_query.Node) bool {
	c := uncast(n).GetAConst()
	return c.GetSval() != nil && c.Location >= 0
}

// ordered are the operators that the end of a type makes true for all.
var ordered = map[string]bool{"<": true, "<=": true, ">": true, ">=": true}

// sways reports whether a comparison with a parameter may be true for every row.
func (l *limiter) sways(e *pg_query.A_Expr, op string) bool {
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_IN:
		return l.mayBeBoolean(e.Lexpr)
	case pg_query.A_Expr_Kind_AEXPR_OP_ANY:
		return op != "=" || l.mayBeBoolean(e.Lexpr)
	case pg_query.A_Expr_Kind_AEXPR_OP:
		switch op {
		case "~~", "~~*", "!~~", "!~~*", "^@", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*":
			return true
		case "@>", "&&", "?&":
			return !sure(e.Rexpr)
		}
		return false
	case pg_query.A_Expr_Kind_AEXPR_DISTINCT, pg_query.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		return false
	}
	return true
}

// likesAll reports whether a pattern of LIKE is matched by everything, or may be.
func (l *limiter) likesAll(n *pg_query.Node) bool {
	p, ok := l.s.pattern(n)
	return !ok || strings.Trim(p, "%_") == ""
}

// vague finds regular expressions without a letter: what such a one does not match may be all.
func vague(p string) bool {
	return strings.Trim(p, `^$.*+?(){}[]|\-%_,0123456789wWsSdD `) == ""
}

// filled reports whether what a value must contain is certainly something: a constant that
// is not empty, an array or an object with members.
func (s *stmt) filled(n *pg_query.Node) bool {
	if sure(n) {
		return true
	}
	n = uncast(n)
	switch x := n.GetNode().(type) {
	case *pg_query.Node_AConst:
		return x.AConst.GetSval() == nil || strings.Trim(x.AConst.GetSval().Sval, "{}[] ") != ""
	case *pg_query.Node_FuncCall:
		switch name := lastOf(x.FuncCall.Funcname); {
		case hasParameter(n), strings.HasSuffix(name, "range"):
			return true
		case len(x.FuncCall.Args) > 0 && (name == "string_to_array" || name == "to_jsonb"):
			text, null, ok := s.fold(x.FuncCall.Args[0], 0)
			return ok && (null || strings.Trim(text, "{}[] ") != "")
		}
		return false
	case *pg_query.Node_AExpr, *pg_query.Node_CoalesceExpr, *pg_query.Node_CaseExpr, *pg_query.Node_MinMaxExpr, *pg_query.Node_AArrayExpr:
		return hasParameter(n)
	}
	return true
}

// sure reports whether an expression has members whatever its values.
func sure(n *pg_query.Node) bool {
	n = uncast(n)
	if a := n.GetAArrayExpr(); a != nil {
		return len(a.Elements) > 0
	}
	f := n.GetFuncCall()
	switch lastOf(f.GetFuncname()) {
	case "jsonb_build_object", "jsonb_build_array":
		return len(f.Args) > 0
	}
	return false
}

func hasParameter(n *pg_query.Node) bool {
	found := n.GetParamRef() != nil
	children(n, func(c *pg_query.Node) { found = found || hasParameter(c) })
	return found
}

// reversed reports whether bounds stand the wrong way round: as numbers, or by their text.
func reversed(bounds []*pg_query.Node) bool {
	if len(bounds) != 2 {
		return false
	}
	low, high := textOf(bounds[0]), textOf(bounds[1])
	a, err := strconv.ParseFloat(low, 64)
	b, err2 := strconv.ParseFloat(high, 64)
	if err == nil && err2 == nil {
		return a > b
	}
	return low > high
}

// oneMatchesAll reports whether a pattern or value in an array is matched by everything.
func (l *limiter) oneMatchesAll(e *pg_query.A_Expr, op string) bool {
	if lastOf(uncast(e.Rexpr).GetFuncCall().GetFuncname()) == "enum_range" {
		return true
	}
	items := uncast(e.Rexpr).GetAArrayExpr().GetElements()
	if text := uncast(e.Rexpr).GetAConst().GetSval(); text != nil {
		elements, ok := arrayElements(text.Sval)
		if !ok {
			return l.sways(e, op)
		}
		for _, el := range elements {
			items = append(items, pg_query.MakeAConstStrNode(el, -1))
		}
	}
	if op == "=" {
		return l.mayBeBoolean(e.Lexpr) && bothBooleans(items)
	}
	for _, item := range items {
		if l.matchesAll(&pg_query.A_Expr{Kind: pg_query.A_Expr_Kind_AEXPR_OP, Name: e.Name, Lexpr: e.Lexpr, Rexpr: item}) {
			return true
		}
	}
	return false
}

// bothBooleans reports whether both truth values are among constants.
func bothBooleans(items []*pg_query.Node) bool {
	seen := map[bool]bool{}
	for _, item := range items {
		switch strings.ToLower(strings.TrimSpace(textOf(item))) {
		case "t", "true", "y", "yes", "on", "1":
			seen[true] = true
		case "f", "false", "n", "no", "off", "0":
			seen[false] = true
		}
	}
	return len(seen) == 2
}

// textOf gives the text of a constant, with its casts taken off.
func textOf(n *pg_query.Node) string {
	n = uncast(n)
	if a := n.GetAExpr(); a != nil && a.Lexpr == nil && len(stringsOf(a.Name)) == 1 && stringsOf(a.Name)[0] == "-" {
		return "-" + textOf(a.Rexpr)
	}
	if n.GetAConst() == nil {
		return ""
	}
	return constantText(n.GetAConst())
}

// demands reports whether a regular expression is shown to need a certain character in each
// of its branches (manual, "POSIX Regular Expressions"). Classes do not count.
func demands(pattern string) bool {
	if strings.HasPrefix(pattern, "***") || strings.Contains(pattern, "(?") {
		return false
	}
	r := regular{s: pattern}
	return r.branches(0)
}

// regular is a regular expression that is read.
type regular struct {
	s string
	i int
}

func (r *regular) at() byte {
	if r.i < len(r.s) {
		return r.s[r.i]
	}
	return 0
}

// maxGroups is how deep groups are followed.
const maxGroups = 100

func (r *regular) branches(depth int) bool {
	all := depth < maxGroups
	for {
		found := false
		for r.i < len(r.s) && r.at() != '|' && r.at() != ')' {
			demanded := depth < maxGroups && r.atom(depth)
			if depth >= maxGroups {
				r.i = len(r.s)
			}
			found = !r.optional() && demanded || found
		}
		all = all && found
		if r.at() != '|' {
			return all
		}
		r.i++
	}
}

// atom reads one and reports whether it needs a certain character.
func (r *regular) atom(depth int) bool {
	switch c := r.at(); {
	case c == '(':
		r.i++
		demanded := r.branches(depth + 1)
		r.i++
		return demanded
	case c == '[':
		r.bracket()
		return false
	case c == '\\':
		r.i += 2 // a class, or nothing, or a character
		return false
	case strings.IndexByte("^$.*+?{}", c) >= 0:
		r.i++
		return false
	}
	_, size := utf8.DecodeRuneInString(r.s[r.i:])
	r.i += size
	return true
}

// bracket reads [a-z], []a], [^]a] and [[:alpha:]].
func (r *regular) bracket() {
	r.i++
	if r.at() == '^' {
		r.i++
	}
	if r.at() == ']' {
		r.i++
	}
	for ; r.i < len(r.s) && r.at() != ']'; r.i++ {
		if r.at() != '[' || r.i+1 >= len(r.s) || strings.IndexByte(":.=", r.s[r.i+1]) < 0 {
			continue
		}
		if n := strings.Index(r.s[r.i+2:], r.s[r.i+1:r.i+2]+"]"); n >= 0 {
			r.i += n + 3
		}
	}
	r.i++
}

// optional reads quantifiers and reports whether one of them lets its atom be left out.
func (r *regular) optional() bool {
	optional := false
	for {
		switch r.at() {
		case '*', '?':
			optional = true
		case '+':
		case '{':
			least := byte('0')
			if r.i+1 < len(r.s) {
				least = r.s[r.i+1]
			}
			optional = optional || least < '1' || least > '9'
			for r.i < len(r.s) && r.at() != '}' {
				r.i++
			}
		default:
			return optional
		}
		r.i++
	}
}
