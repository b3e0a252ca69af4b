package postgres

import (
	"maps"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// restated tells by name which tables are reached by DDL that no catalog shows yet: see
// sqlscan.Analysis.Restates.
type restated map[string][]string

// with gives r and more, which is done behind it.
func (r restated) with(more []sqlscan.Restated) restated {
	if len(more) == 0 {
		return r
	}
	out := restated{}
	maps.Copy(out, r)
	for _, m := range more {
		out[m.Name] = merge(out[m.Name], out.reach(m.Tables))
	}
	return out
}

// reach gives tables with those that they reach.
func (r restated) reach(tables []string) []string {
	for {
		known := len(tables)
		for name, more := range r {
			if slices.ContainsFunc(tables, func(t string) bool { return strings.HasSuffix(t, "."+name) }) {
				tables = merge(tables, more)
			}
		}
		if len(tables) == known {
			return tables
		}
	}
}

// lift gives uses with all that is reached.
func (r restated) lift(uses []hoop.Use) []hoop.Use {
	if len(r) == 0 {
		return uses
	}
	out := slices.Clone(uses)
	for i, u := range out {
		out[i].Tables, out[i].Into = r.reach(u.Tables), r.reach(u.Into)
		if !slices.Contains(u.Into, "*") { // the names are there that what is not known can have
			out[i].Into = slices.DeleteFunc(slices.Clone(out[i].Into), func(t string) bool { return t == "*" })
		}
		if len(out[i].Tables)+len(out[i].Into) > len(u.Tables)+len(u.Into) {
			out[i].Why = strings.TrimPrefix(u.Why+"; this transaction has changed what a name stands for", "; ")
		}
	}
	return out
}
