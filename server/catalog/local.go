package catalog

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// TempSchema is the schema that canonical names of a session's own tables have.
const TempSchema = "pg_temp"

// Place is a column of a table of the session's own, by name. Without a column it is what
// decides how many rows that has.
type Place struct{ Table, Column string }

// Change is what a command makes of a table of the session's own.
type Change struct {
	// Made is a table that there may be from now on; its columns tell what they hold.
	Made *Table
	// Maybe says that the command succeeds where there is such a table already (IF NOT
	// EXISTS).
	Maybe bool
	// Brief says that the table is gone when the transaction ends.
	Brief bool

	// Grown tells, where Made is nil, what the tables of the name hold besides: its
	// columns by name, "*" for every column, and what they clash by.
	Grown *Table
}

// Size estimates the memory that the change takes, in bytes.
func (c Change) Size() int {
	t := c.Made
	if t == nil {
		t = c.Grown
	}
	n := 256 + 64*(len(t.Chosen.Columns)+len(t.Among))
	for _, col := range t.Columns {
		n += 128 + 64*(len(col.Holds.Columns)+len(col.Over))
	}
	for _, clash := range t.Clashes {
		n += 64 * len(clash)
	}
	return n + 4*len(t.Uses)
}

// With gives the snapshot with tables of a session's own beside the others. version
// tells such snapshots of the same s from one another. The session may have these
// tables, or some of them; a name without a schema means each of its name.
func (s *Snapshot) With(version string, local []*Table) *Snapshot {
	if len(local) == 0 {
		return s.Base()
	}
	out := *s.Base()
	out.base, out.local, out.memo = s.Base(), local, &memo{}
	out.Version += "+" + version
	return &out
}

// Base is the snapshot without tables of a session's own.
func (s *Snapshot) Base() *Snapshot {
	if s.base != nil {
		return s.base
	}
	return s
}

// Local are the tables of the session's own, oldest first. The result must not be
// changed.
func (s *Snapshot) Local() []*Table { return s.local }

// After is the snapshot after changes of a session's own tables.
func (s *Snapshot) After(changes []Change) *Snapshot {
	if len(changes) == 0 {
		return s
	}
	local := slices.Clone(s.local)
	for _, c := range changes {
		if c.Made != nil {
			local = append(local, c.Made)
			continue
		}
		for i, t := range local {
			if t.Name == c.Grown.Name {
				local[i], _, _ = t.Grow(c.Grown)
			}
		}
	}
	Follow(local)
	return s.With("text", local)
}

// Follow has views of the session's own show what the tables hold that they are over, and
// gives the places of those that changed. It replaces them.
func Follow(local []*Table) (changed []int) {
	for again := true; again; {
		again = false
		for i, v := range local {
			grown, more := v.follow(local)
			if !more {
				continue
			}
			if local[i], again = grown, true; !slices.Contains(changed, i) {
				changed = append(changed, i)
			}
		}
	}
	return changed
}

// follow adds what the places hold that a view is over.
func (t *Table) follow(local []*Table) (grown *Table, changed bool) {
	if t.Kind != KindView {
		return t, false
	}
	out := *t
	out.Columns = slices.Clone(t.Columns)
	add := func(h *Holds, over []Place, what func(of *Table, p Place) Holds) {
		for _, p := range over {
			for _, of := range local {
				if of.Name == p.Table {
					was := *h
					*h = h.And(what(of, p))
					changed = changed || !h.equal(was) || h.More != was.More
				}
			}
		}
	}
	at := func(of *Table, p Place) Holds { return of.at(p.Column) }
	for i := range out.Columns {
		add(&out.Columns[i].Holds, out.Columns[i].Over, at)
	}
	add(&out.Counts, out.Over, at)
	add(&out.Chosen, out.Among, at)
	add(&out.Chosen, out.Places(), func(of *Table, _ Place) Holds { return of.Chosen })
	if !changed {
		return t, false
	}
	return &out, true
}

// Places are those that a view of the session's own is over.
func (t *Table) Places() []Place {
	all := slices.Concat(t.Over, t.Among)
	for _, c := range t.Columns {
		all = append(all, c.Over...)
	}
	return all
}

// at is what a place of t holds; nothing where t has no such column.
func (t *Table) at(column string) Holds {
	if column == "" {
		return t.Counts
	}
	if c, ok := t.Column(column); ok {
		return c.Holds
	}
	return Holds{}
}

// Unproven is t, of a session's own, when it may show anything.
func (t *Table) Unproven() *Table {
	any := Holds{Any: true}
	out, _, _ := t.Grow(&Table{Counts: any, Chosen: any, Columns: []Column{{Name: "*", Holds: any}}})
	return out
}

// isTemp reports whether a schema is the session's own, by whatever name. Those of
// other sessions cannot be read.
func isTemp(schema string) bool { return schema == TempSchema || strings.HasPrefix(schema, "pg_temp_") }

func (s *Snapshot) ofSession(schema, name string) []*Table {
	if len(s.local) == 0 || schema != "" && !isTemp(schema) {
		return nil
	}
	var out []*Table
	for _, t := range s.local {
		if t.Name == name {
			out = append(out, t)
		}
	}
	return out
}

// Holds is what the values at a place come from.
type Holds struct {
	Columns []hoop.ColumnRef // of other tables, sorted
	Any     bool             // and from what is not known
	More    bool             // and from what no column has: constants, rows that functions make beside elements
}

// maxHolds is how many origins are told apart before they may be any.
const maxHolds = 500

// And is what a place holds that has the values of both.
func (h Holds) And(o Holds) Holds {
	if h.Any || o.Any {
		return Holds{Any: true}
	}
	if h.More = h.More || o.More; len(o.Columns) == 0 {
		return h
	}
	all := slices.Concat(h.Columns, o.Columns)
	slices.SortFunc(all, func(a, b hoop.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	if all = slices.Compact(all); len(all) > maxHolds {
		return Holds{Any: true}
	}
	return Holds{Columns: all, More: h.More}
}

// equal reports whether a place holds the same of other tables.
func (h Holds) equal(o Holds) bool { return h.Any == o.Any && slices.Equal(h.Columns, o.Columns) }

// Grow is t, of a session's own, when it also holds what delta does, and another table where that
// is anything. changed says that it holds more of other tables, mixed that a column has anything
// besides for the first time.
func (t *Table) Grow(delta *Table) (grown *Table, changed, mixed bool) {
	out := *t
	out.Columns = slices.Clone(t.Columns)
	out.Counts, out.Chosen = t.Counts.And(delta.Counts), t.Chosen.And(delta.Chosen)
	changed = !out.Counts.equal(t.Counts) || out.Counts.More != t.Counts.More
	for i := range out.Columns {
		c := &out.Columns[i]
		was := c.Holds
		for _, d := range delta.Columns {
			if d.Name == c.Name || d.Name == "*" || c.Generated {
				c.Holds = c.Holds.And(d.Holds)
			}
		}
		if !c.Holds.equal(was) {
			changed, c.Stored = true, false
		}
		mixed = mixed || c.Holds.More && !was.More
	}
	for _, clash := range delta.Clashes {
		if !slices.ContainsFunc(out.Clashes, func(c []hoop.ColumnRef) bool { return slices.Equal(c, clash) }) {
			out.Clashes, changed = append(slices.Clip(out.Clashes), clash), true
		}
	}
	if !changed && !mixed && out.Chosen.equal(t.Chosen) {
		return t, false, false
	}
	return &out, changed, mixed
}

// Held is what the values of a column of t, of a session's own, come from: of all columns
// where there is none of the name.
func (t *Table) Held(column string) Holds {
	if c, ok := t.Column(column); ok {
		return c.Holds
	}
	return t.Everything()
}

// Everything is what all values of t, of a session's own, come from.
func (t *Table) Everything() Holds {
	h := t.Counts
	for _, c := range t.Columns {
		h = h.And(c.Holds)
	}
	return h
}
