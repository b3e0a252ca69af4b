package sqlscan

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v6"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// recomputed notes that a column gets what is computed of its own value. The whole of
// what a mask shows of it (the last characters, the year, the number of elements) may
// then be of somebody's choice: a place that no rule protects.
func (s *stmt) recomputed(rt *pg_query.ResTarget, rv *pg_query.RangeVar, into []string) {
	u := hoop.Use{Effect: hoop.EffectDerive, Why: "a column is computed from itself", Tables: into, Into: s.found(into)}
	how := fixed
	for _, t := range s.lookup(rv) {
		for _, t := range append(s.cat.Related(t), t) {
			u.Columns = append(u.Columns, hoop.ColumnRef{Schema: t.Schema, Table: t.Name, Column: rt.Name})
			var k keeper
			if c, ok := t.Column(rt.Name); ok {
				k.typ = s.cat.Type(c.Type)
			}
			how = min(how, k.assignment(rt))
		}
	}
	if len(u.Columns) == 0 {
		how = keeper{}.assignment(rt)
	}
	if how >= keepsAll {
		return
	}
	if u.Keeps = how == keepsShape; u.Keeps {
		u.Why = "a column is computed from itself, in the same shape"
	}
	s.add(u)
}

// kept says what an expression over one column keeps of its value.
type kept byte

const (
	keepsNothing kept = iota
	keepsShape        // of a scalar: whether it is NULL
	keepsAll          // the value, and something around it that hides nothing of it
	fixed             // there is none
)

// keeper reads expressions that read no column but the one they are stored in, of type
// typ; nil where that is not known.
type keeper struct{ typ *hoop.Type }

// base is the type behind domains; nil where it is not known.
func (k keeper) base() *hoop.Type {
	t := k.typ
	for t != nil && t.Kind == hoop.TypeDomain {
		t = t.Elem
	}
	return t
}

// scalar reports whether a value has no parts that a mask keeps apart; text, whether it
// is one.
func (k keeper) scalar() bool {
	t := k.base()
	return t != nil && (t.Kind == hoop.TypeBase && t.OID != oidJSON && t.OID != oidJSONB || t.Kind == hoop.TypeEnum)
}

func (k keeper) text() bool {
	return k.typ != nil && (k.typ.OID == oidText || k.typ.OID == oidVarchar)
}

// OIDs of pg_type.dat.
const oidText, oidVarchar, oidJSON, oidJSONB = 25, 1043, 114, 3802

// assignment is what SET column = … keeps of the column.
func (k keeper) assignment(rt *pg_query.ResTarget) kept {
	how := k.keeps(rt.Val, 0)
	for _, n := range rt.Indirection { // which element is changed may depend on it
		if k.keeps(n, 0) != fixed || !k.holds(n) {
			return keepsNothing
		}
	}
	if how == keepsShape && (!k.scalar() || len(rt.Indirection) > 0) {
		return keepsNothing
	}
	return how
}

// holds reports whether the part of a value that is assigned to is one of those that it has by its
// type, or a place in an array. As many members as JSON has afterwards say whether it had one of
// that name.
func (k keeper) holds(part *pg_query.Node) bool {
	t := k.base()
	return t != nil && (t.Kind == hoop.TypeArray || t.Kind == hoop.TypeComposite && part.GetString_() != nil)
}

// keeps is what an expression keeps of the value. What it does not know keeps nothing.
func (k keeper) keeps(n *pg_query.Node, depth int) kept {
	if depth > maxDepth {
		return keepsNothing
	}
	switch x := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		return keepsAll
	case *pg_query.Node_SubLink:
		return keepsNothing
	case *pg_query.Node_MultiAssignRef:
		return worth(k.keeps(x.MultiAssignRef.Source, depth+1))
	case *pg_query.Node_TypeCast:
		if how := k.keeps(x.TypeCast.Arg, depth+1); how != fixed {
			return min(how, castKeeps(x.TypeCast))
		}
		return fixed
	case *pg_query.Node_CoalesceExpr:
		return k.all(n, depth)
	case *pg_query.Node_AExpr:
		e := x.AExpr
		l, r := k.keeps(e.Lexpr, depth+1), k.keeps(e.Rexpr, depth+1)
		switch name := stringsOf(e.Name); {
		case min(l, r) == fixed || min(l, r) == keepsNothing || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP || len(name) != 1:
			return worth(min(l, r))
		case name[0] == "||" && k.text() && appends(e.Rexpr):
			return l
		case name[0] == "||" && max(l, r) != fixed: // it takes so much more room
			return keepsNothing
		case scalarOperators[name[0]]:
			return keepsShape
		}
		return keepsNothing
	case *pg_query.Node_FuncCall:
		parts := stringsOf(x.FuncCall.Funcname)
		if len(parts) == 2 && parts[0] == "pg_catalog" { // trim(x) is pg_catalog.btrim(x)
			parts = parts[1:]
		}
		how := k.all(n, depth)
		if how != keepsNothing && how != fixed && len(parts) == 1 && scalarFunctions[parts[0]] && k.short(x.FuncCall.Args, parts[0] == "replace", depth) {
			return keepsShape
		}
	}
	return worth(k.all(n, depth))
}

// worth is what is left of values in an expression that is not known.
func worth(how kept) kept {
	if how == fixed {
		return fixed
	}
	return keepsNothing
}

// all is the least that is kept by what stands below n.
func (k keeper) all(n *pg_query.Node, depth int) kept {
	least := fixed
	if !children(n, func(c *pg_query.Node) { least = min(least, k.keeps(c, depth+1)) }) {
		return keepsNothing
	}
	return least
}

// short reports whether what a function makes of its first argument takes little more room than that,
// whatever it says: how much room a value takes can be told afterwards.
func (k keeper) short(args []*pg_query.Node, replaces bool, depth int) bool {
	for _, n := range args[1:] {
		if k.keeps(n, depth+1) != fixed {
			return false
		}
	}
	if !replaces {
		return true
	}
	if len(args) != 3 {
		return false
	}
	from, to := args[1].GetAConst().GetSval(), args[2].GetAConst().GetSval()
	return from != nil && to != nil && len(to.Sval) <= len(from.Sval)
}

// scalarOperators and scalarFunctions give a scalar that is NULL where an argument is.
// || of a text and a text is one; of arrays and JSON it says no more than theirs.
var (
	scalarOperators = map[string]bool{"+": true, "-": true, "*": true, "/": true, "%": true, "||": true}
	scalarFunctions = map[string]bool{
		"lower": true, "upper": true, "initcap": true, "btrim": true, "ltrim": true, "rtrim": true, "trim": true,
		"replace": true, "abs": true, "round": true, "ceil": true, "floor": true,
	}
)

// castKeeps: of the casts that everybody knows, those between texts keep all.
func castKeeps(c *pg_query.TypeCast) kept {
	switch {
	case !textCast(c):
		parts := stringsOf(c.TypeName.GetNames())
		if len(parts) > 0 && exactTypes[parts[len(parts)-1]] && len(c.TypeName.GetArrayBounds()) == 0 {
			return keepsShape
		}
		return keepsNothing
	case len(c.TypeName.GetTypmods()) > 0:
		return keepsShape
	}
	return keepsAll
}

// appends reports whether a constant text begins with a blank: what stands before it is
// found as it was.
func appends(n *pg_query.Node) bool {
	c := n.GetAConst().GetSval()
	return c != nil && len(c.Sval) > 0 && strings.ContainsRune(" \t\n\r", rune(c.Sval[0]))
}
