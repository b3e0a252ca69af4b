package catalog

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// TempSchema is the schema that canonical names of a session's own tables have.
const TempSchema = "pg_temp"

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
	// columns by name, "*" for every column.
	Grown *Table
}

// Size estimates the memory that the change takes, in bytes.
func (c Change) Size() int {
	t := c.Made
	if t == nil {
		t = c.Grown
	}
	n := 256
	for _, col := range t.Columns {
		n += 128 + 64*len(col.Holds.Columns)
	}
	return n
}

// With gives the snapshot with tables of a session's own beside the others. version
// tells such snapshots of the same s from one another. The session may have these
// tables, or some of them; a name without a schema means each of its name.
func (s *Snapshot) With(version string, local []*Table) *Snapshot {
	if len(local) == 0 {
		return s.Base()
	}
	out := *s.Base()
	out.base, out.local = s.Base(), local
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
		local = c.apply(local)
	}
	return s.With("text", local)
}

func (c Change) apply(local []*Table) []*Table {
	if c.Made != nil {
		return append(local, c.Made)
	}
	for i, t := range local {
		if t.Name == c.Grown.Name {
			local[i], _ = t.Grow(c.Grown)
		}
	}
	return local
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
}

// maxHolds is how many origins are told apart before they may be any.
const maxHolds = 500

// And is what a place holds that has the values of both.
func (h Holds) And(o Holds) Holds {
	if h.Any || o.Any {
		return Holds{Any: true}
	}
	if len(o.Columns) == 0 {
		return h
	}
	all := slices.Concat(h.Columns, o.Columns)
	slices.SortFunc(all, func(a, b hoop.ColumnRef) int { return strings.Compare(a.String(), b.String()) })
	if all = slices.Compact(all); len(all) > maxHolds {
		return Holds{Any: true}
	}
	return Holds{Columns: all}
}

func (h Holds) equal(o Holds) bool { return h.Any == o.Any && slices.Equal(h.Columns, o.Columns) }

// Grow is t, of a session's own, when it also holds what delta does; changed is false
// where it did already.
func (t *Table) Grow(delta *Table) (grown *Table, changed bool) {
	out := *t
	out.Columns = slices.Clone(t.Columns)
	out.Counts = t.Counts.And(delta.Counts)
	changed = !out.Counts.equal(t.Counts)
	for i := range out.Columns {
		c := &out.Columns[i]
		was := c.Holds
		for _, d := range delta.Columns {
			if d.Name == c.Name || d.Name == "*" || c.Generated {
				c.Holds = c.Holds.And(d.Holds)
			}
		}
		changed = changed || !c.Holds.equal(was)
	}
	if !changed {
		return t, false
	}
	return &out, true
}

// Everything is what all values of t, of a session's own, come from.
func (t *Table) Everything() Holds {
	h := t.Counts
	for _, c := range t.Columns {
		h = h.And(c.Holds)
	}
	return h
}
