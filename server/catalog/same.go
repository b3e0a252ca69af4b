package catalog

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Same reports whether what the names stand for is defined the same in both snapshots:
// the tables with all that they inherit from, are views of, fire, cascade to, number
// their rows with and ask who may see a row, and all code and types of the database,
// since what runs unseen is not told apart. names are canonical names of tables; with "*" the snapshots must be the same.
// Snapshots without tables of a session's
// own are compared.
func Same(a, b *Snapshot, names []string) bool {
	a, b = a.Base(), b.Base()
	if a.Version == b.Version {
		return true
	}
	return sameCode(a, b) && sameTables(a, b, names)
}

// SameUses reports whether the relations that a view of the session's own reads are
// defined the same in both snapshots, with all that Same names. Code that is no view's is not compared:
// such a view calls none.
func SameUses(a, b *Snapshot, view *Table) bool {
	seen := map[uint32]bool{}
	return a.Version == b.Version || !slices.ContainsFunc(view.Uses, func(oid uint32) bool { return !sameTable(a, b, oid, seen) })
}

func sameTables(a, b *Snapshot, names []string) bool {
	seen := map[uint32]bool{}
	for _, name := range names {
		before, after := a.called(name), b.called(name)
		if name == "*" || !slices.Equal(before, after) {
			return false
		}
		for _, oid := range before {
			if !sameTable(a, b, oid, seen) {
				return false
			}
		}
	}
	return true
}

// called lists the tables of a canonical name.
func (s *Snapshot) called(name string) (oids []uint32) {
	for oid, t := range s.tables {
		if t.Canonical() == name {
			oids = append(oids, oid)
		}
	}
	slices.Sort(oids)
	return oids
}

func sameTable(a, b *Snapshot, oid uint32, seen map[uint32]bool) bool {
	if seen[oid] {
		return true
	}
	seen[oid] = true
	before, after := a.tables[oid], b.tables[oid]
	if before == nil || after == nil {
		return before == after
	}
	if !reflect.DeepEqual(before, after) {
		return false
	}
	next := slices.Concat(before.Parents, before.Children, before.Uses, before.RuleUses, before.PolicyUses, before.Sequences)
	for _, c := range before.Cascades {
		next = append(next, c.Table)
	}
	for _, oid := range next {
		if !sameTable(a, b, oid, seen) {
			return false
		}
	}
	return true
}

// sameCode compares everything that is no table.
func sameCode(a, b *Snapshot) bool {
	return a.rest == b.rest && reflect.DeepEqual(a.byOID, b.byOID) && reflect.DeepEqual(a.schemas, b.schemas) &&
		reflect.DeepEqual(a.typeCode, b.typeCode) && reflect.DeepEqual(sorted(a.events), sorted(b.events)) &&
		sameLists(a.operators, b.operators) && sameLists(madeTypes(a), madeTypes(b)) &&
		reflect.DeepEqual(sortedCasts(a.casts), sortedCasts(b.casts))
}

// madeTypes leaves out what comes with every table: the array of its rows.
func madeTypes(s *Snapshot) map[string][]UserType {
	out := map[string][]UserType{}
	for name, list := range s.userTypes {
		for _, ut := range list {
			if ut.Kind != hoop.TypeArray || ut.RunsCode {
				out[name] = append(out[name], ut)
			}
		}
	}
	return out
}

func sorted(oids []uint32) []uint32 {
	out := slices.Clone(oids)
	slices.Sort(out)
	return out
}

func sortedCasts(casts []Cast) []Cast {
	out := slices.Clone(casts)
	slices.SortFunc(out, func(x, y Cast) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Target, y.Target))
	})
	return out
}

// sameLists compares lists by name as sets.
func sameLists[T any](a, b map[string][]T) bool {
	if len(a) != len(b) {
		return false
	}
	for name, list := range a {
		other := b[name]
		if len(list) != len(other) {
			return false
		}
		for _, x := range list {
			if !slices.ContainsFunc(other, func(y T) bool { return reflect.DeepEqual(x, y) }) {
				return false
			}
		}
	}
	return true
}
