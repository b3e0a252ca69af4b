package postgres

import (
	"maps"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// own are names that the session has given, or gives, to relations of its own, and those that
// stand for others by DDL that no catalog shows yet.
type own struct{ tables, views []string }

// makes adds what a text makes; what is unplaced may be a view.
func (o *own) makes(a *sqlscan.Analysis, unplaced []string) {
	o.views = slices.Concat(o.views, a.Veils, unplaced)
	for _, r := range a.Restates {
		o.views = append(o.views, r.Name)
	}
	o.tables = append(o.tables, a.Hidden...)
	for _, cmd := range a.Commands {
		for _, c := range cmd.Local {
			switch {
			case c.Made == nil:
			case c.Made.Kind == catalog.KindView:
				o.views = append(o.views, hoop.QuoteIdent(c.Made.Name))
			default:
				o.tables = append(o.tables, c.Made.Name)
			}
		}
	}
}

// first gives the first of names that is the session's own. Of code that can find
// anything only views count, as they reach other tables.
func (o *own) first(names []string) (string, bool) {
	for _, name := range names {
		if slices.Contains(o.tables, name) || slices.Contains(o.views, hoop.QuoteIdent(name)) || name == "*" && len(o.views) > 0 {
			return name, true
		}
	}
	return "", false
}

// intercepts gives the use of a statement that sets off code which finds a relation of the
// session's own in the place of another: triggers, defaults, checks. Of the open
// transaction such code may be still to run, as deferred triggers are, where the statement
// makes that relation. c.mu is held.
func (c *conn) intercepts(m *meaning, also []executed) (uses []hoop.Use) {
	var made own
	all := []*sqlscan.Analysis{m.analysis}
	for _, x := range also {
		all = append(all, x.meaning.analysis)
	}
	for _, a := range all {
		made.makes(a, c.shadows.unplaced(a))
	}
	name, found := made.first(slices.Sorted(maps.Keys(c.finds)))
	into, later := slices.Clone(c.lands), found
	made.views = slices.AppendSeq(slices.AppendSeq(made.views, maps.Keys(c.veils)), maps.Keys(c.restated))
	made.tables = slices.AppendSeq(made.tables, maps.Keys(c.shadows.hidden))
	for _, l := range c.overlay.tables {
		made.tables = append(made.tables, l.table.Name)
	}
	for _, a := range all {
		if !found {
			name, found = made.first(a.Finds)
		}
		into = append(into, a.Lands...)
	}
	if !found {
		return nil
	}
	uses = []hoop.Use{{
		Effect: hoop.EffectOpaque, Tables: []string{"*"},
		Why: "a trigger, default or check finds what the session has made for itself by the name " + name,
	}}
	if later && len(into) > 0 { // what it was judged by had no such thing
		uses = append(uses, hoop.Use{Effect: hoop.EffectDerive, Why: uses[0].Why, Tables: []string{"*"}, Into: into})
	}
	return uses
}

// awaits notes what code of e may find until its transaction has ended. c.mu is held.
func (c *conn) awaits(e *expected) {
	for _, m := range e.run.meanings {
		for _, name := range m.analysis.Finds {
			if c.finds == nil {
				c.finds = map[string]bool{}
			}
			c.finds[name] = true
		}
		c.lands = merge(c.lands, m.analysis.Lands)
	}
}
