package auditlog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Within one run mono_ns goes forward, whatever the wall clock says; at a run's begin it
// may go back. Whoever holds the key and moves events of a run is found out.
func TestVerify_MonotonicTimeGoesForwardInARun(t *testing.T) {
	at := func(mono int64, e hoop.Event) hoop.Event {
		e.Mono = mono
		return e
	}
	start, in := hoop.Event{Type: hoop.EventStart}, hoop.Event{Type: hoop.EventSignIn}
	begun := hoop.Event{Type: hoop.EventSessionStart, Session: "s", Counter: 1}
	recovered := hoop.Event{Type: hoop.EventRecovery, Session: "s", Counter: 2, Record: &hoop.Record{Events: 2}}
	witnessed := hoop.Event{Type: hoop.EventCheckpoint}
	past := in
	past.Time = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	const back = "mono_ns goes back"
	for _, tc := range []struct {
		name   string
		events []hoop.Event
		want   string // empty: fine
	}{
		{"in order", []hoop.Event{at(5, start), at(7, in), at(7, in), at(9, in)}, ""},
		{"a restart", []hoop.Event{at(5, start), at(7, in), at(3, start), at(4, in)}, ""},
		{"a restart after a longer time", []hoop.Event{at(5, start), at(7, in), at(8, start), at(9, in)}, ""},
		{"the wall clock jumps", []hoop.Event{at(5, start), at(7, in), at(8, past), at(9, in)}, ""},
		{"a crash", []hoop.Event{at(5, start), at(7, begun), at(2, recovered), at(3, witnessed), at(4, start), at(5, in)}, ""},
		{"a crash, and one before the start", []hoop.Event{at(5, start), at(7, begun), at(4, recovered), at(2, witnessed), at(3, start), at(4, in)}, ""},
		{"killed before the start", []hoop.Event{at(5, start), at(7, begun), at(2, recovered)}, ""},
		{"a version without that clock", []hoop.Event{at(0, start), at(0, in), at(5, start), at(6, in), at(0, in), at(7, in)}, ""},
		{"two exchanged", []hoop.Event{at(5, start), at(8, in), at(7, in)}, back + ", from 8 to 7 at event 2"},
		{"a session's exchanged", []hoop.Event{at(5, start), at(8, in), at(7, begun)}, back},
		{"an event without an own run between", []hoop.Event{at(5, start), at(8, in), at(6, witnessed), at(7, in)}, back + ", from 8 to 6 at event 2"},
		{"a start left out", []hoop.Event{at(5, start), at(8, in), at(6, in)}, back},
		{"a session's start before the gateway's", []hoop.Event{at(5, start), at(8, in), at(1, begun), at(2, start)}, back},
		{"below zero", []hoop.Event{at(-1, in)}, "below zero"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFolder(t)
			for _, e := range tc.events {
				f.raw(e)
			}
			f.checkpoint()
			_, err := f.verify(nil)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
