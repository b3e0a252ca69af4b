package lineage

import (
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// flow is what a value derives from. The zero value is a constant. It never changes.
type flow struct {
	ids     []int32 // of analysis.refs, sorted
	unknown bool    // and from anything else
	plain   bool    // the value is one that is stored in a column of a table, or a constant
	mixed   bool    // it may be a constant, where plain
	sole    bool    // it is made of one that is stored in a column, and of nothing else
	shaped  bool    // its shape (NULLs, sizes, nesting) is made of those of such values alone
}

var unknown = flow{unknown: true}

// and is what a value derives from that is computed of both.
func (f flow) and(g flow) flow {
	out := flow{unknown: f.unknown || g.unknown}
	switch {
	case len(g.ids) == 0:
		out.ids = f.ids
	case len(f.ids) == 0:
		out.ids = g.ids
	default:
		out.ids = merge(f.ids, g.ids)
	}
	return out
}

// or is what a value derives from that is one or the other, as it is.
func (f flow) or(g flow) flow {
	out := f.and(g)
	out.plain, out.sole = f.stored() && g.stored(), f.sole && g.sole
	out.mixed = f.mixed || g.mixed || f.constant() || g.constant()
	out.shaped = f.keepsShape() && g.keepsShape()
	return out
}

// times is what decides how many rows there are where f and g multiply them.
func (f flow) times(g flow) flow { return f.and(g).built(f.keepsShape() && g.keepsShape()) }

func (f flow) equal(g flow) bool {
	return f.unknown == g.unknown && f.plain == g.plain && f.sole == g.sole && f.mixed == g.mixed && f.shaped == g.shaped && slices.Equal(f.ids, g.ids)
}

// constant reports whether the value derives from nothing.
func (f flow) constant() bool { return len(f.ids) == 0 && !f.unknown }

func (f flow) stored() bool     { return f.plain || f.constant() }
func (f flow) keepsShape() bool { return f.shaped || f.stored() }

// given reports whether the value is certainly one that is stored in a column.
func (f flow) given() bool { return f.plain && !f.mixed && !f.unknown }

// computed is f for a value that is not shown as it is.
func (f flow) computed() flow {
	f.plain, f.sole, f.shaped = false, false, false
	return f
}

// built is f for a value that is made of such values in a shape of its own.
func (f flow) built(shaped bool) flow {
	f.plain, f.sole, f.shaped = false, false, shaped && !f.unknown
	return f
}

// converted is f for a value that is made of one of of, and of no other.
func (f flow) converted(of flow) flow {
	f.sole = of.sole && !f.unknown
	return f
}

func merge(a, b []int32) []int32 {
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// id numbers a column.
func (a *analysis) id(c hoop.ColumnRef) int32 {
	id, ok := a.ids[c]
	if !ok {
		id = int32(len(a.refs))
		a.ids[c] = id
		a.refs = append(a.refs, c)
	}
	return id
}
