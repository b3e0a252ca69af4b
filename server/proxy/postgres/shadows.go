package postgres

import (
	"maps"

	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// shadows counts the statements that may have made session-local objects, or changed
// what names mean: texts that follow count as opaque. It is guarded by conn.mu.
//
// DISCARD ALL and DISCARD TEMP undo that, but only once nothing can roll them back: as
// the one statement of a batch after which no transaction is open.
type shadows struct {
	last   int64          // batch of the statement that was forwarded last
	made   int            // statements forwarded that may cast one
	hid    int            // made, at the last of those that may leave a table which is not followed
	sown   int            // made, at the last of those that leave code: see sqlscan.Analysis.Plants
	unsure bool           // code has run since that may have left something: see sqlscan.Analysis.Leaves
	types  int            // made, at the last of those that make what is no table: see sqlscan.Analysis.Types
	left   []sqlscan.Left // what that is
	undone int            // how many of these are undone
	hidden map[string]int // names of tables that are not followed: made, when one got it last
	first  bool           // pg_temp may be in the search_path that the session began with
	paths  int            // statements forwarded that may put it there
	reset  int            // how many of these DISCARD ALL has undone
	undo   *expected      // the DISCARD under way, nil for none
	before int            // made, when it was forwarded
	pathed int            // paths, when it was forwarded
}

func (s *shadows) any() bool { return s.made > s.undone }

// unplaced are the names that a gives to what may be the session's own: since pg_temp may
// stand first in the search_path, or something not followed may have had another name.
func (s *shadows) unplaced(a *sqlscan.Analysis) (names []string) {
	if s.tempFirst(a) {
		names = append(names, a.Unplaced...)
	}
	if s.any() || a.Temp {
		names = append(names, a.Renamed...)
	}
	return names
}

// tempFirst reports whether pg_temp may stand first in the search_path while a runs.
func (s *shadows) tempFirst(a *sqlscan.Analysis) bool {
	return s.first || s.paths > s.reset || a.Paths
}

// hides reports whether one may be a table that is not followed.
func (s *shadows) hides() bool { return s.hid > s.undone }

// sows reports whether something of the session's own may run code that no catalog shows.
func (s *shadows) sows() bool { return s.sown > s.undone }

// plants notes that there is such code from now on.
func (s *shadows) plants() {
	s.made++
	s.sown = s.made
}

// lost notes that a table is not followed.
func (s *shadows) lost() {
	s.made++
	s.hid = s.made
}

// hide notes names of tables that are not followed.
func (s *shadows) hide(names ...string) {
	if len(names) > 0 && s.hidden == nil {
		s.hidden = map[string]int{}
	}
	for _, name := range names {
		s.hidden[name] = s.made
	}
}

// forwarded notes what e runs.
func (s *shadows) forwarded(e *expected) {
	alone := s.last != e.batch
	s.last = e.batch
	if !alone {
		s.undo = nil
	}
	for _, m := range e.run.meanings {
		a := m.analysis
		if a.Paths {
			s.paths++
		}
		switch {
		case a.Hides, len(s.unplaced(a)) > 0:
			s.lost()
		case a.Temp:
			s.made++
		}
		if a.Types {
			s.types = s.made
		}
		s.unsure = s.unsure || a.Leaves
		if a.Plants || a.PlantsUnplaced && (s.tempFirst(a) || s.hides() || s.types > s.undone) {
			s.plants()
			s.left = sqlscan.Leave(s.left, a.Left...)
		}
		s.hide(a.Hidden...)
	}
	cmds := e.run.meaning.analysis.Commands
	if len(cmds) == 1 && cmds[0].Untemp && alone {
		s.undo, s.before, s.pathed = e, s.made, s.paths
	}
}

// failed notes that a message failed.
func (s *shadows) failed(e *expected) {
	if s.undo != nil && s.undo.batch == e.batch {
		s.undo = nil
	}
}

// ready notes the end of e's batch; idle says that no transaction is open after it. It
// reports whether the session's own objects are gone.
func (s *shadows) ready(e *expected, idle bool) (gone bool) {
	if s.undo == nil || s.undo.batch != e.batch {
		return false
	}
	if idle {
		if s.undone = s.before; s.undo.run.meaning.analysis.Commands[0].Discard {
			s.reset = s.pathed
		}
		if !s.sows() {
			s.left = nil
		}
		maps.DeleteFunc(s.hidden, func(_ string, at int) bool { return at <= s.undone })
	}
	s.undo = nil
	return idle
}
