package sqlscan

import (
	"math"
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

// plainNumbers reports whether types are known, and all of them are integers.
func plainNumbers(types []uint32) bool {
	for _, oid := range types {
		if _, ok := ends[oid]; !ok {
			return false
		}
	}
	return len(types) > 0
}

// allAtEnd reports whether both bounds of BETWEEN are at the ends of a column's type.
func (l *limiter) allAtEnd(column *pg_query.Node, bounds []*pg_query.Node) bool {
	for _, n := range bounds {
		if !l.atEnd(column, n) {
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
		t := l.s.cat.Type(oid)
		for t != nil && t.Kind == hoop.TypeDomain {
			t = t.Elem
		}
		if t == nil || t.OID == oidBool {
			return true
		}
	}
	return len(types) == 0
}
