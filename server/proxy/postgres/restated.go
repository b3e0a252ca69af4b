package postgres

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// restated tells by name which tables are reached by DDL that no catalog shows yet, and what
// that sets off: see sqlscan.Analysis.Restates.
type restated map[string]sqlscan.Restated

// with gives r and more, which is done behind it.
func (r restated) with(more []sqlscan.Restated) restated {
	if len(more) == 0 {
		return r
	}
	out := restated{}
	maps.Copy(out, r)
	for _, m := range more {
		was := out[m.Name]
		tables, met := out.reach(m.Tables)
		for _, r := range append(met, m) {
			was.Read, was.Changed = slices.Concat(was.Read, r.Read), slices.Concat(was.Changed, r.Changed)
		}
		was.Tables, was.View = merge(was.Tables, tables), was.View || slices.ContainsFunc(append(met, m), func(m sqlscan.Restated) bool { return m.View })
		out[m.Name] = was
	}
	return out
}

// reach gives tables with those that they reach, and by what.
func (r restated) reach(tables []string) (all []string, met []sqlscan.Restated) {
	done := map[string]bool{}
	for again := true; again; {
		again = false
		for name, more := range r {
			if !done[name] && slices.ContainsFunc(tables, func(t string) bool { return strings.HasSuffix(t, "."+name) }) {
				tables, met = merge(tables, more.Tables), append(met, more)
				done[name], again = true, true
			}
		}
	}
	return tables, met
}

// shows reports whether what uses copy may come from a view, or what has another name that no catalog
// shows: how many rows that has is not known.
func (r restated) shows(uses []hoop.Use, strays []string) bool {
	return slices.ContainsFunc(uses, func(u hoop.Use) bool {
		_, met := r.reach(u.Tables)
		return u.Effect == hoop.EffectDerive && (slices.ContainsFunc(met, func(m sqlscan.Restated) bool { return m.View }) ||
			slices.ContainsFunc(strays, func(name string) bool { return r[name].View }))
	})
}

// lift gives uses with all that is reached, and why. strays are names of what no catalog has.
func (r restated) lift(uses []hoop.Use, strays []string, why string) []hoop.Use {
	if len(r) == 0 {
		return uses
	}
	out := slices.Clone(uses)
	var off []hoop.Use
	for i, u := range out {
		var read, changed []sqlscan.Restated
		out[i].Tables, read = r.reach(u.Tables)
		out[i].Into, changed = r.reach(u.Into)
		if slices.Contains(u.Tables, "*") {
			for _, name := range strays {
				if m, ok := r[name]; ok {
					read = append(read, m)
				}
			}
		}
		if !reading(u.Effect) && u.Effect != hoop.EffectDerive {
			read, changed = nil, append(read, changed...)
		}
		for _, m := range read {
			off = append(off, m.Read...)
		}
		for _, m := range changed {
			off = append(off, m.Changed...)
		}
		if !slices.Contains(u.Into, "*") { // the names are there that what is not known can have
			out[i].Into = slices.DeleteFunc(slices.Clone(out[i].Into), func(t string) bool { return t == "*" })
		}
		if len(out[i].Tables)+len(out[i].Into) > len(u.Tables)+len(u.Into) {
			out[i].Why = strings.TrimPrefix(u.Why+"; "+why, "; ")
		}
	}
	for _, u := range off {
		u.Tables, _ = r.reach(u.Tables)
		u.Into, _ = r.reach(u.Into)
		u.Why = strings.TrimPrefix(u.Why+"; "+why, "; ")
		if !slices.ContainsFunc(out, func(have hoop.Use) bool { return reflect.DeepEqual(have, u) }) {
			out = append(out, u)
		}
	}
	return out
}

const restatedWhy = "this transaction has changed what a name stands for"
