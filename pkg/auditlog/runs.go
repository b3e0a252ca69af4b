package auditlog

import (
	"fmt"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// runs checks that within one run of a gateway the clock that nobody sets goes forward.
// A run begins where it stands lower than before, or with its start; until its start it
// has nothing that takes a gateway at work.
type runs struct {
	last   int64  // mono_ns of the event before
	unborn string // why the run should have its start by now; empty where it has
}

// take checks the next event; what it returns is the fault, or empty.
func (r *runs) take(index int64, e *hoop.Event) string {
	switch {
	case e.Mono < 0:
		return "its mono_ns is below zero"
	case e.Type == hoop.EventStart:
		*r = runs{last: e.Mono}
		return ""
	case e.Mono == 0:
		return "" // of a version that had no such clock
	case e.Mono < r.last:
		r.unborn = fmt.Sprintf("mono_ns goes back, from %d to %d at event %d", r.last, e.Mono, index)
	}
	r.last = e.Mono
	if r.unborn != "" && atWork(e) {
		return r.unborn + ", and the gateway did not start in between: events were moved, or left out"
	}
	return ""
}

// atWork reports whether an event takes a gateway that has started.
func atWork(e *hoop.Event) bool {
	switch e.Type {
	case hoop.EventRecovery:
		return false
	case hoop.EventStop, hoop.EventSignIn, hoop.EventSignInFailed, hoop.EventSignOut, hoop.EventRequest, hoop.EventSessionDenied,
		hoop.EventAPIDenied, hoop.EventExplain, hoop.EventRead, hoop.EventExport:
		return true
	}
	return e.Counter > 0
}
