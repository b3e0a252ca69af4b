package lineage

import (
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

// anyName is the name of a column of which it is not known how PostgreSQL calls it.
const anyName = "\x00"

// column is a column of a relation.
type column struct {
	name string
	flow flow
	sure bool // it is there, whichever table a name means
}

// relation is what stands in FROM, or the answer to a query.
type relation struct {
	cols []column
	// fixed says that cols are all there is, in order. Otherwise they are what is known.
	fixed bool
	rest  *flow // what columns derive from that are not among cols; nil where there are none
	table bool  // it has system columns

	decide flow // what decides which rows it has
	// mult is what decides how many, but for conditions: arguments of functions that give rows,
	// limits, and where a recursive query ends. It is shaped where stored values have so many elements.
	mult flow
	// cuts is of that what leaves rows out: limits, samples, where a recursive query ends. Without it
	// there are as many groups of rows as stored values make.
	cuts flow
}

// opaque is a relation of which nothing is known.
func opaque() *relation {
	f := unknown
	return &relation{rest: &f, table: true, decide: unknown}
}

// whole is what a row derives from.
func (r *relation) whole() flow {
	var f flow
	for _, c := range r.cols {
		f = f.and(c.flow)
	}
	if r.rest != nil {
		f = f.and(*r.rest)
	}
	return f
}

// row is what a whole row derives from, as one value.
func (r *relation) row() flow {
	shaped := r.fixed && !slices.ContainsFunc(r.cols, func(c column) bool { return !c.flow.keepsShape() })
	return r.whole().built(shaped)
}

// given reports whether all columns are certainly values that are stored.
func (r *relation) given() bool {
	return r.fixed && !slices.ContainsFunc(r.cols, func(c column) bool { return !c.flow.given() })
}

// smeared is r with all order and names forgotten.
func (r *relation) smeared() *relation {
	f := r.whole()
	return &relation{rest: &f, decide: r.decide, mult: r.mult, cuts: r.cuts}
}

// found says how far a name is known to mean a column.
type found byte

const (
	none found = iota
	maybe
	sure
)

// systemColumns exist in every table and hold no data (PostgreSQL manual, "System
// Columns").
var systemColumns = []string{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}

// lookup finds a column by name.
func (r *relation) lookup(name string) (flow, found) {
	var f, loose flow
	got := none
	any := r.rest != nil
	for _, c := range r.cols {
		switch {
		case c.name == name:
			if got == none {
				f = c.flow
			} else {
				f = f.or(c.flow)
			}
			got = max(got, maybe)
			if c.sure {
				got = sure
			}
		case c.name == anyName:
			any, loose = true, loose.and(c.flow)
		}
	}
	if got == sure {
		return f, sure
	}
	if r.table && slices.Contains(systemColumns, name) && r.rest == nil {
		return flow{}, sure
	}
	if !any {
		return f, got
	}
	if r.rest != nil {
		loose = loose.and(*r.rest)
	}
	return f.and(loose), maybe
}

// renamed is r under an alias with a list of column names.
func (r *relation) renamed(names []string) *relation {
	if len(names) == 0 {
		return r
	}
	if !r.fixed {
		return r.smeared()
	}
	out := *r
	out.table = r.table
	out.cols = slices.Clone(r.cols)
	for i, n := range names {
		if i < len(out.cols) {
			out.cols[i].name = n
		}
	}
	return &out
}

// either is a set operation of l and r: columns by position, names from the left.
func either(l, r *relation) *relation {
	out := &relation{decide: l.decide.and(r.decide), mult: l.mult.times(r.mult), cuts: l.cuts.times(r.cuts)}
	if !l.fixed || !r.fixed || len(l.cols) != len(r.cols) {
		f := l.whole().and(r.whole())
		out.rest = &f
		return out
	}
	out.fixed = true
	for i, c := range l.cols {
		c.flow = c.flow.or(r.cols[i].flow)
		out.cols = append(out.cols, c)
	}
	return out
}

// same reports whether two approximations of a recursive query are the same.
func (r *relation) same(o *relation) bool {
	rest := r.rest == nil && o.rest == nil || r.rest != nil && o.rest != nil && r.rest.equal(*o.rest)
	return rest && r.fixed == o.fixed && r.decide.equal(o.decide) && r.mult.equal(o.mult) && r.cuts.equal(o.cuts) &&
		slices.EqualFunc(r.cols, o.cols, func(a, b column) bool { return a.name == b.name && a.flow.equal(b.flow) })
}

func stringsOf(list []*pg_query.Node) []string {
	var out []string
	for _, n := range list {
		if s := n.GetString_(); s != nil {
			out = append(out, s.Sval)
		}
	}
	return out
}
