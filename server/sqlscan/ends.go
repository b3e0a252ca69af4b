package sqlscan

import (
	"math"
	"slices"
	"strconv"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// PostgreSQL's own OIDs of types whose ends are looked for (pg_type.dat).
const (
	oidBool = 16
	oidInt8 = 20
	oidInt2 = 21
	oidInt4 = 23
)

// ends are the first and last values of integer types.
var ends = map[uint32][2]float64{
	oidInt2: {-1 << 15, 1<<15 - 1}, oidInt4: {-1 << 31, 1<<31 - 1}, oidInt8: {-1 << 63, 1<<63 - 1},
}

// lasts are first and last values of other types, in lower case without blanks: of times,
// of places in a table, of arrays, ranges, JSON, uuid, bytea, addresses.
var lasts = map[string]bool{
	"infinity": true, "-infinity": true, "(0,0)": true, "(0,1)": true, "{}": true, "[]": true, "empty": true, `\x`: true, "0.0.0.0/0": true, "::/0": true,
	"4714-11-24bc": true, "4713-01-01bc": true, "00:00": true, "00:00:00": true, "24:00": true, "24:00:00": true,
	"00000000000000000000000000000000": true, "ffffffffffffffffffffffffffffffff": true,
}

// atEnd reports whether n is a constant at the end of a column's type, or beyond it.
func (l *limiter) atEnd(column, n *pg_query.Node) bool {
	if uncast(n).GetAConst().GetIsnull() {
		return false
	}
	text := strings.ToLower(strings.Join(strings.Fields(textOf(n)), ""))
	if text == "" {
		return uncast(n).GetAConst() != nil
	}
	if n, _ := strconv.ParseFloat(text, 64); math.Abs(n) >= math.MaxInt64 || math.IsNaN(n) { // beyond float64 it is infinite, with an error
		return true
	}
	types := l.typesOf(column)
	number, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if whole, err2 := strconv.ParseInt(text, 0, 64); err2 == nil && strings.ContainsAny(text, "xob") {
		number, err = float64(whole), nil
	}
	for _, oid := range types {
		if oid == oidBool {
			return true // there are two values
		}
		if end, ok := ends[oid]; ok && err == nil && (number <= end[0] || number >= end[1]) {
			return true
		}
	}
	if err == nil && !plainNumbers(types) {
		for _, end := range ends {
			if number == end[0] || number == end[1] {
				return true
			}
		}
	}
	return lasts[text] || lasts[strings.NewReplacer("-", "", "{", "", "}", "").Replace(text)]
}

// pastEnd reports whether an order with one side is as good as none: of rows, the first
// place counts.
func (l *limiter) pastEnd(left, right *pg_query.Node) bool {
	if lr, rr := left.GetRowExpr(), right.GetRowExpr(); len(lr.GetArgs()) > 0 && len(rr.GetArgs()) > 0 {
		left, right = lr.Args[0], rr.Args[0]
	}
	return l.atEnd(left, right) || l.atEnd(right, left)
}

// ofEnum gives the first and the last value of the enums that a column may be of.
func (l *limiter) ofEnum(column *pg_query.Node) (out [][]string) {
	for _, oid := range l.typesOf(column) {
		if t := l.base(oid); t != nil && len(t.Ends) > 0 {
			out = append(out, t.Ends)
		}
	}
	return out
}

// wholeEnum reports whether every value of a column's enum is in an order with a constant: at
// least the first, at most the last.
func (l *limiter) wholeEnum(op string, left, right *pg_query.Node) bool {
	end := map[string]int{">=": 0, "<=": 1}
	i, ok := end[op]
	is := func(n *pg_query.Node, i int) func(ends []string) bool {
		return func(ends []string) bool {
			return textOf(n) == ends[i] || lastOf(uncast(n).GetFuncCall().GetFuncname()) == [...]string{"enum_first", "enum_last"}[i]
		}
	}
	return ok && (slices.ContainsFunc(l.ofEnum(left), is(right, i)) || slices.ContainsFunc(l.ofEnum(right), is(left, 1-i)))
}

// opposite are the operators that tell what others, negated, tell.
var opposite = map[string]string{"<": ">=", ">": "<="}

// plainNumbers reports whether types are known, and all of them are integers.
func plainNumbers(types []uint32) bool {
	for _, oid := range types {
		if _, ok := ends[oid]; !ok {
			return false
		}
	}
	return len(types) > 0
}

// allAtEnd reports whether both bounds of BETWEEN are at the ends of a column's type. The same
// constant twice is one value, as = is.
func (l *limiter) allAtEnd(column *pg_query.Node, bounds []*pg_query.Node) bool {
	if len(bounds) == 2 && textOf(bounds[0]) != "" && textOf(bounds[0]) == textOf(bounds[1]) {
		return false
	}
	for _, n := range bounds {
		if !l.atEnd(column, n) && !l.wholeEnum(">=", column, n) && !l.wholeEnum("<=", column, n) {
			return false
		}
	}
	return len(bounds) == 2
}

// typesOf gives the types that a column can have; none where an expression is no column of a
// table that is known.
func (l *limiter) typesOf(n *pg_query.Node) (types []uint32) {
	c := n.GetColumnRef()
	if c == nil {
		return nil
	}
	u, _ := nameOf(c)
	for _, t := range l.tables[l.owner(c)] {
		col, ok := t.Column(u.name)
		if !ok {
			return nil
		}
		types = append(types, col.Type)
	}
	return types
}

// mayBeBoolean reports whether the values of an expression may be no more than two.
func (l *limiter) mayBeBoolean(n *pg_query.Node) bool {
	types := l.typesOf(n)
	for _, oid := range types {
		if t := l.base(oid); t == nil || t.OID == oidBool {
			return true
		}
	}
	return len(types) == 0
}

// base gives a type, of a domain the one that it is over; nil where it is not known.
func (l *limiter) base(oid uint32) *hoop.Type {
	t := l.s.cat.Type(oid)
	for t != nil && t.Kind == hoop.TypeDomain {
		t = t.Elem
	}
	return t
}
