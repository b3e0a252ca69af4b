package sqlscan

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// What is true for every value that a column can have limits nothing. There is no end of
// such conditions; these are the usual ones (docs/limitations.md).

// everything finds comparisons with a constant that no value, or next to none, fails.
func everything(e *pg_query.A_Expr, op string, constant *pg_query.Node) bool {
	switch e.Kind {
	case pg_query.A_Expr_Kind_AEXPR_IN:
		return bothBooleans(listOf(e.Rexpr))
	case pg_query.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		return reversed(listOf(e.Rexpr))
	case pg_query.A_Expr_Kind_AEXPR_BETWEEN, pg_query.A_Expr_Kind_AEXPR_BETWEEN_SYM:
		return !slices.ContainsFunc(listOf(e.Rexpr), func(bound *pg_query.Node) bool { return !atEnd(bound) })
	case pg_query.A_Expr_Kind_AEXPR_LIKE, pg_query.A_Expr_Kind_AEXPR_ILIKE, pg_query.A_Expr_Kind_AEXPR_SIMILAR:
		return unread(constant)
	case pg_query.A_Expr_Kind_AEXPR_OP_ANY:
		return oneMatchesAll(e, op)
	}
	switch op {
	case "~", "~*":
		p := constant.GetAConst().GetSval()
		return unread(constant) || p != nil && !demands(p.Sval)
	case "~~", "~~*", "^@":
		p := constant.GetAConst().GetSval()
		return unread(constant) || op == "^@" && p != nil && p.Sval == ""
	case "<", "<=", ">", ">=":
		return atEnd(e.Rexpr) || atEnd(e.Lexpr)
	case "@>", "&&":
		return unread(constant) || unlimited(e.Lexpr) || unlimited(e.Rexpr)
	}
	return false
}

// unread reports whether a constant is the result of an expression, which may be any:
// '%' || ”. One with a parameter is what the client makes of it.
func unread(n *pg_query.Node) bool {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().Arg
	}
	switch n.GetNode().(type) {
	case *pg_query.Node_FuncCall, *pg_query.Node_AExpr, *pg_query.Node_CoalesceExpr, *pg_query.Node_CaseExpr, *pg_query.Node_MinMaxExpr:
		return !hasParameter(n)
	case *pg_query.Node_AArrayExpr:
		return len(n.GetAArrayExpr().Elements) == 0
	}
	return false
}

func hasParameter(n *pg_query.Node) bool {
	found := n.GetParamRef() != nil
	children(n, func(c *pg_query.Node) { found = found || hasParameter(c) })
	return found
}

// reversed reports whether bounds are numbers that stand the wrong way round.
func reversed(bounds []*pg_query.Node) bool {
	if len(bounds) != 2 {
		return false
	}
	low, err := strconv.ParseFloat(textOf(bounds[0]), 64)
	high, err2 := strconv.ParseFloat(textOf(bounds[1]), 64)
	return err == nil && err2 == nil && low > high
}

// oneMatchesAll reports whether a pattern or value in an array is matched by everything.
func oneMatchesAll(e *pg_query.A_Expr, op string) bool {
	items := e.Rexpr.GetAArrayExpr().GetElements()
	for _, item := range items {
		if matchesAll(&pg_query.A_Expr{Kind: pg_query.A_Expr_Kind_AEXPR_OP, Name: e.Name, Lexpr: e.Lexpr, Rexpr: item}) {
			return true
		}
	}
	text := strings.ReplaceAll(textOf(e.Rexpr), " ", "")
	return op == "=" && (bothBooleans(items) || text == "{t,f}" || text == "{f,t}" || text == "{true,false}" || text == "{false,true}")
}

func bothBooleans(items []*pg_query.Node) bool {
	seen := map[bool]bool{}
	for _, item := range items {
		for item.GetTypeCast() != nil {
			item = item.GetTypeCast().Arg
		}
		if b := item.GetAConst().GetBoolval(); b != nil {
			seen[b.Boolval] = true
		}
	}
	return len(seen) == 2
}

// textOf gives the text of a constant, with its casts taken off.
func textOf(n *pg_query.Node) string {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().Arg
	}
	if a := n.GetAExpr(); a != nil && a.Lexpr == nil && len(stringsOf(a.Name)) == 1 && stringsOf(a.Name)[0] == "-" {
		return "-" + textOf(a.Rexpr)
	}
	if n.GetAConst() == nil {
		return ""
	}
	return constantText(n.GetAConst())
}

// lasts are the first and last values of types: those of integers, and the first place of a
// table.
var lasts = map[string]bool{
	"32767": true, "-32768": true, "2147483647": true, "-2147483648": true, "(0,0)": true, "(0,1)": true,
}

// atEnd reports whether an expression is a constant at the end of its type, or beyond: what
// bigint has no room for, infinities and NaN, the greatest of numbers.
func atEnd(n *pg_query.Node) bool {
	bare := n
	for bare.GetTypeCast() != nil {
		bare = bare.GetTypeCast().Arg
	}
	if s := bare.GetAConst().GetSval(); s != nil && s.Sval == "" {
		return true
	}
	text := strings.TrimSpace(textOf(n))
	number, err := strconv.ParseFloat(text, 64) // beyond float64 it is infinite, with an error
	return lasts[text] || math.Abs(number) >= math.MaxInt64 || err == nil && math.IsNaN(number)
}

// unlimited reports whether a constant is a range that has everything, or is in everything.
func unlimited(n *pg_query.Node) bool {
	switch strings.ToLower(strings.ReplaceAll(textOf(n), " ", "")) {
	case "(,)", "[,)", "(,]", "[,]", "empty", "{(,)}":
		return true
	}
	return false
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
