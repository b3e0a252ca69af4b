package audit_test

import (
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
)

// A clock that is set back or forward shows: what lies between two events by mono_ns is
// what lay between them.
func TestLog_AClockThatJumpsShows(t *testing.T) {
	fsys := faultfs.New()
	j, err := journal.Open("/journal", journal.Options{FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	wall, mono := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), time.Duration(0)
	l, err := audit.Open(audit.Options{
		Dir: "/audit", Keys: "/keys", Origin: "gateway.example/audit", Journal: j, FS: fsys, Every: time.Hour,
		Now: func() time.Time { return wall }, Mono: func() time.Duration { return mono },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, jump := range []time.Duration{0, 0, -time.Hour, 48 * time.Hour, 0} {
		wall, mono = wall.Add(time.Second+jump), mono+time.Second
		if err := l.Write(t.Context(), &hoop.Event{Type: hoop.EventSignIn, Subject: "dana"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var last *hoop.Event
	var jumps []time.Duration
	for e, err := range l.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if last != nil {
			jumps = append(jumps, e.Event.Time.Sub(last.Time)-time.Duration(e.Event.Mono-last.Mono))
		}
		last = e.Event
	}
	if len(jumps) != 4 || jumps[0] != 0 || jumps[1] != -time.Hour || jumps[2] != 48*time.Hour || jumps[3] != 0 {
		t.Errorf("jumps %v", jumps)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// Every event has both clocks, whoever set its time.
func TestLog_EveryEventHasTheMonotonicClock(t *testing.T) {
	fsys := faultfs.New()
	j, err := journal.Open("/journal", journal.Options{FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(audit.Options{Dir: "/audit", Keys: "/keys", Origin: "gateway.example/audit", Journal: j, FS: fsys, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range hoop.EventTypes {
		switch typ {
		case hoop.EventStatement, hoop.EventResult, hoop.EventSessionStart, hoop.EventSessionEnd, hoop.EventRecovery:
			continue // they belong to sessions
		}
		if err := l.Write(t.Context(), &hoop.Event{Type: typ, Time: time.Now().UTC()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	n, last := 0, int64(0)
	for e, err := range l.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Mono < last || e.Event.Mono == 0 || e.Event.Time.IsZero() {
			t.Errorf("%s: mono_ns %d after %d", e.Event.Type, e.Event.Mono, last)
		}
		last = e.Event.Mono
		n++
	}
	if n < 20 {
		t.Errorf("%d events", n)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
