package postgres

import (
	"maps"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// leftUses gives the derives of a statement behind code and defaults that no catalog shows:
// of the open transaction, unless m sees what that has, and of the session's own objects. c.mu is held.
func (c *conn) leftUses(m *meaning, also []executed, sees bool) (uses []hoop.Use) {
	all := []*sqlscan.Analysis{m.analysis}
	for _, x := range also {
		all = append(all, x.meaning.analysis)
	}
	for _, a := range all {
		if a.Inert() {
			continue
		}
		for _, l := range c.behind {
			if u, ok := l.Copies(a); ok && !sees {
				uses = append(uses, c.widened(u))
			}
		}
		for _, l := range c.shadows.left {
			if u, ok := l.Planted(a); ok {
				uses = append(uses, u)
			}
		}
	}
	return uses
}

// widened gives the derive of code that was read by the catalog: it may also read what the
// transaction has filled. Where the session has something of its own that is not followed,
// names may stand for that.
func (c *conn) widened(u hoop.Use) hoop.Use {
	u.Tables = merge(u.Tables, c.filled)
	for _, r := range c.restated {
		u.Tables = merge(u.Tables, r.Tables)
	}
	u.Exact = !c.shadows.any()
	return u
}

// fresh are names that no catalog shows yet: of relations by their own, quoted where
// necessary, and of schemas.
type fresh struct {
	tables  map[string][]string
	schemas []string
}

// with gives f and what a text makes.
func (f fresh) with(a *sqlscan.Analysis) fresh {
	if len(a.Named) > 0 {
		tables := maps.Clone(f.tables)
		for _, table := range a.Named {
			if tables == nil {
				tables = map[string][]string{}
			}
			_, name := splitTable(table)
			tables[name] = merge(tables[name], []string{table})
		}
		f.tables = tables
	}
	f.schemas = merge(f.schemas, a.Schemas)
	return f
}

// lift gives uses that copy to all that the names of where they copy to may stand for.
func (f fresh) lift(uses []hoop.Use) []hoop.Use {
	if len(f.tables)+len(f.schemas) == 0 {
		return uses
	}
	out := slices.Clone(uses)
	for i, u := range out {
		if u.Effect != hoop.EffectDerive {
			continue
		}
		into := slices.Clone(u.Into)
		for _, table := range u.Into {
			_, name := splitTable(table)
			into = append(into, f.tables[name]...)
			for _, schema := range f.schemas {
				if name != "" {
					into = append(into, hoop.QuoteIdent(schema)+"."+name)
				}
			}
		}
		out[i].Into = merge(into, nil)
	}
	return out
}

// splitTable gives the schema and the name of a canonical name, as they stand there; the name is
// "" where it is none.
func splitTable(table string) (schema, name string) {
	quoted := false
	for i := range len(table) {
		switch table[i] {
		case '"':
			quoted = !quoted
		case '.':
			if !quoted {
				return table[:i], table[i+1:]
			}
		}
	}
	return table, ""
}

// fills notes where e copies to. c.mu is held.
func (c *conn) fills(e *expected) {
	if c.ddl < 0 && !slices.ContainsFunc(e.run.uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectDDL }) {
		return
	}
	for _, u := range e.run.uses {
		if u.Effect == hoop.EffectDerive {
			c.filled = merge(c.filled, u.Into)
		}
	}
}
