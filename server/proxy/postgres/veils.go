package postgres

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// veils are names of views of the session's own, each with the batch that made it last.
// PostgreSQL finds those before any table of that name, and what goes through them reaches
// the tables that they show. They are guarded by conn.mu.
type veils map[string]int64

// forwarded notes the views that a text makes, whether it succeeds or not.
func (v *veils) forwarded(e *expected, a *sqlscan.Analysis) {
	for _, name := range a.Veils {
		if *v == nil {
			*v = veils{}
		}
		(*v)[name] = e.batch
	}
}

// discarded notes that the views made up to e are gone for good.
func (v veils) discarded(e *expected) {
	for name, batch := range v {
		if batch <= e.batch {
			delete(v, name)
		}
	}
}

// lift gives uses with any table in the place of one that such a view may stand before:
// a view of the session's, or of the text itself.
func (v veils) lift(uses []hoop.Use, own []string) []hoop.Use {
	if len(v) == 0 && len(own) == 0 {
		return uses
	}
	hidden := func(table string) bool {
		ends := func(name string) bool { return strings.HasSuffix(table, "."+name) }
		if slices.ContainsFunc(own, ends) {
			return true
		}
		for name := range v {
			if ends(name) {
				return true
			}
		}
		return false
	}
	out := slices.Clone(uses)
	for i, u := range out {
		if slices.ContainsFunc(u.Tables, hidden) {
			out[i].Tables = merge(u.Tables, []string{"*"})
		}
		if slices.ContainsFunc(u.Into, hidden) {
			out[i].Into = merge(u.Into, []string{"*"})
		}
		if len(out[i].Tables)+len(out[i].Into) > len(u.Tables)+len(u.Into) {
			out[i].Why = strings.TrimPrefix(u.Why+"; the session has a view of its own of that name, which may reach any table", "; ")
		}
	}
	return out
}

// moves reports whether a text may change what code finds by name, or reads of settings.
func moves(a *sqlscan.Analysis) bool {
	return a.Temp || len(a.Settings) > 0 || slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
		return cmd.ResetAll || cmd.Discard || len(cmd.Local) > 0
	})
}

// beyond are the uses that do more than read.
func beyond(uses []hoop.Use) (more []hoop.Use) {
	for _, u := range uses {
		switch u.Effect {
		case hoop.EffectRead, hoop.EffectSession, hoop.EffectInfer:
		default:
			more = append(more, u)
		}
	}
	return more
}
