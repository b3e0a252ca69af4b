package postgres

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// veils are names of views of the session's own. PostgreSQL finds those before any table of
// that name, and what goes through them reaches the tables that they show. They are guarded
// by conn.mu.
type veils map[string]veil

// veil is what is known of such a name.
type veil struct {
	batch int64 // that made a view of the name last
	shown bool  // the overlay tells what these views show, so that reading them is known
}

// forwarded notes the views that a text makes, whether it succeeds or not, and what is
// unplaced. followed says that the overlay has those that the text tells of.
func (v *veils) forwarded(e *expected, a *sqlscan.Analysis, unplaced []string, followed bool) {
	for _, name := range slices.Concat(a.Veils, unplaced) {
		v.add(name, veil{batch: e.batch})
	}
	for _, cmd := range a.Commands {
		for _, c := range cmd.Local {
			if c.Made != nil && c.Made.Kind == catalog.KindView {
				v.add(hoop.QuoteIdent(c.Made.Name), veil{batch: e.batch, shown: followed})
			}
		}
	}
}

func (v *veils) add(name string, x veil) {
	if *v == nil {
		*v = veils{}
	}
	if have, ok := (*v)[name]; ok {
		x.shown = x.shown && have.shown
	}
	(*v)[name] = x
}

// discarded notes that the views made up to e are gone for good.
func (v veils) discarded(e *expected) {
	for name, x := range v {
		if x.batch <= e.batch {
			delete(v, name)
		}
	}
}

// unseen are the names of such views of which it is not known what they show; own are those of the
// text itself.
func (v veils) unseen(own []string) restated {
	out := restated{}
	for name, x := range v {
		if !x.shown {
			out[name] = sqlscan.Restated{Name: name, View: true}
		}
	}
	for _, name := range own {
		out[name] = sqlscan.Restated{Name: name, View: true}
	}
	return out
}

// lift gives uses with any table in the place of one that such a view may stand before:
// a view of the session's, or of the text itself.
func (v veils) lift(uses []hoop.Use, own []string) []hoop.Use {
	if len(v) == 0 && len(own) == 0 {
		return uses
	}
	out := slices.Clone(uses)
	for i, u := range out {
		hidden := func(table string) bool {
			ends := func(name string) bool { return strings.HasSuffix(table, "."+name) }
			if slices.ContainsFunc(own, ends) {
				return true
			}
			for name, x := range v {
				if ends(name) && !(x.shown && showing(u.Effect)) {
					return true
				}
			}
			return false
		}
		if slices.ContainsFunc(u.Tables, hidden) {
			out[i].Tables = merge(u.Tables, []string{"*"})
		}
		if slices.ContainsFunc(u.Into, hidden) {
			out[i].Into = merge(u.Into, []string{"*"})
		}
		if len(out[i].Tables)+len(out[i].Into) > len(u.Tables)+len(u.Into) {
			out[i].Why = strings.TrimPrefix(u.Why+"; the session may have a view of its own of that name, which may reach any table", "; ")
		}
	}
	return out
}

// moves reports whether a text may change what code finds by name, or reads of settings.
func moves(a *sqlscan.Analysis) bool {
	return a.Temp || a.DDL || len(a.Settings) > 0 || slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
		return cmd.ResetAll || cmd.Discard || cmd.Untemp || cmd.Drops || len(cmd.Local) > 0
	})
}

// showing reports whether an effect goes through a view no further than the overlay tells.
func showing(e hoop.Effect) bool {
	return reading(e) || e == hoop.EffectDerive || e == hoop.EffectExport
}

// beyond are the uses that do more than read.
func beyond(uses []hoop.Use) (more []hoop.Use) {
	for _, u := range uses {
		if !reading(u.Effect) {
			more = append(more, u)
		}
	}
	return more
}

func reading(e hoop.Effect) bool {
	return e == hoop.EffectRead || e == hoop.EffectSession || e == hoop.EffectInfer
}
