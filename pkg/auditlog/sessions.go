package auditlog

import (
	"crypto/sha256"
	"fmt"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// ledger checks that sessions are complete: their events count from 1 without a gap,
// up to the number that the session's end commits to.
type ledger struct {
	open      map[string]int64  // counter of the last event
	ended     map[[16]byte]bool // hashes of IDs: there may be many
	committed []committed       // recordings
	closed    int64
	recovered int64
	// entered means that earlier events were not seen: a session may go on without a
	// start. Its numbers must not have a gap from there on.
	entered bool
	expired map[string]expiry // recordings that are gone, by session
}

// committed is a recording that an event commits to.
type committed struct {
	index     int64
	session   string
	record    hoop.Record
	recovered bool
}

// expiry is the first event that says of a recording that it is gone.
type expiry struct {
	index int64
	hash  string
}

func shortHash(id string) [16]byte {
	sum := sha256.Sum256([]byte(id))
	return [16]byte(sum[:16])
}

// take checks the next event; what it returns is the fault, or empty.
func (l *ledger) take(index int64, e *hoop.Event) string {
	if l.open == nil {
		l.open, l.ended = make(map[string]int64), make(map[[16]byte]bool)
	}
	if e.Counter < 0 || e.Counter > 0 && e.Session == "" {
		return "it has a counter and no session"
	}
	switch e.Type {
	case hoop.EventStart:
		for id := range l.open {
			return fmt.Sprintf("the gateway started again, and session %s neither ended nor was recovered", id)
		}
	case hoop.EventExpired:
		return l.expire(index, e)
	case hoop.EventSessionStart:
		return l.begin(e)
	case hoop.EventStatement, hoop.EventResult, hoop.EventSessionEnd, hoop.EventRecovery:
		if e.Counter == 0 {
			return fmt.Sprintf("a %s event without its place in a session", e.Type)
		}
	}
	if e.Counter == 0 {
		return ""
	}
	last, ok := l.open[e.Session]
	switch {
	case !ok && l.ended[shortHash(e.Session)]:
		return fmt.Sprintf("session %s goes on after its end", e.Session)
	case !ok && l.entered:
		// It began before what was seen.
	case !ok:
		return fmt.Sprintf("session %s goes on without a start", e.Session)
	case e.Counter != last+1:
		return fmt.Sprintf("session %s has event %d after event %d", e.Session, e.Counter, last)
	case e.Result != nil && e.Result.Statement >= e.Counter:
		return fmt.Sprintf("session %s has a result before its statement %d", e.Session, e.Result.Statement)
	}
	l.open[e.Session] = e.Counter
	if e.Type == hoop.EventSessionEnd || e.Type == hoop.EventRecovery {
		return l.end(index, e)
	}
	return ""
}

func (l *ledger) begin(e *hoop.Event) string {
	_, open := l.open[e.Session]
	switch {
	case e.Session == "" || e.Counter != 1:
		return "a session's start without an ID, or not the first event of its session"
	case open || l.ended[shortHash(e.Session)]:
		return fmt.Sprintf("session %s starts twice", e.Session)
	}
	l.open[e.Session] = 1
	return ""
}

func (l *ledger) end(index int64, e *hoop.Event) string {
	if e.Record == nil {
		return fmt.Sprintf("session %s ends without committing to its events", e.Session)
	}
	if e.Record.Events != e.Counter {
		return fmt.Sprintf("session %s commits to %d events, and the log has %d", e.Session, e.Record.Events, e.Counter)
	}
	delete(l.open, e.Session)
	l.ended[shortHash(e.Session)] = true
	l.closed++
	recovered := e.Type == hoop.EventRecovery
	if recovered {
		l.recovered++
	}
	l.committed = append(l.committed, committed{index, e.Session, *e.Record, recovered})
	return ""
}

// ExpiredHash is the detail of hoop.EventExpired that has the recording's SHA-256.
const ExpiredHash = "sha256"

func (l *ledger) expire(index int64, e *hoop.Event) string {
	if e.Session == "" || e.Counter != 0 {
		return "a recording's expiry without a session, or inside one"
	}
	for _, d := range e.Details {
		if d.Name == ExpiredHash {
			if l.expired == nil {
				l.expired = make(map[string]expiry)
			}
			if _, ok := l.expired[e.Session]; !ok {
				l.expired[e.Session] = expiry{index, d.Value}
			}
			return ""
		}
	}
	return "a recording's expiry without the hash"
}
