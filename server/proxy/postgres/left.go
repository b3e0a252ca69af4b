package postgres

import (
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
