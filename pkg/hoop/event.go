package hoop

import "time"

// EventType says what happened.
type EventType string

// The types of event, as the contract lists them.
const (
	EventStart         EventType = "start"
	EventStop          EventType = "stop"
	EventSignIn        EventType = "sign-in"
	EventSignInFailed  EventType = "sign-in-failed"
	EventSignOut       EventType = "sign-out"
	EventRequest       EventType = "request"
	EventApproval      EventType = "approval"
	EventDenial        EventType = "denial"
	EventExpiry        EventType = "expiry" // of a request nobody decided
	EventGrant         EventType = "grant"
	EventRevocation    EventType = "revocation"
	EventAlert         EventType = "alert"  // somebody took a grant in an emergency, or touched a decoy
	EventReview        EventType = "review" // of such a grant, after its end
	EventSessionStart  EventType = "session-start"
	EventSessionDenied EventType = "session-denied" // refused before it began
	EventSessionEnd    EventType = "session-end"    // commits to the session's event count
	EventStatement     EventType = "statement"      // with its decision
	EventResult        EventType = "result"
	EventCancel        EventType = "cancel"
	EventRecovery      EventType = "recovery"       // after a crash: commits the count found
	EventPolicy        EventType = "policy"         // policy and resources were loaded again
	EventResource      EventType = "resource"       // one was added, changed or removed
	EventExplain       EventType = "policy-explain" // somebody asked what would happen to a statement, or to cases
	EventAPIDenied     EventType = "api-denied"     // asked for over the API and refused; details count attempts
	EventRead          EventType = "recording-read"
	EventExport        EventType = "audit-export"
	EventCheckpoint    EventType = "checkpoint"        // a witness cosigned one
	EventExpired       EventType = "recording-expired" // its time was over: the file is gone, its hash stays
	EventChatLink      EventType = "chat-link"         // an account of a chat decides in somebody's name from now on
	EventLegalHold     EventType = "legal-hold"        // a recording must stay, or need not any more
	EventProtection    EventType = "protection-lifted" // a copy of protected data is shown from now on
	EventRegroup       EventType = "groups-changed"    // of a sign-in: the identity provider says others than before
)

// EventTypes lists them all.
var EventTypes = []EventType{
	EventStart,
	EventStop,
	EventSignIn,
	EventSignInFailed,
	EventSignOut,
	EventRequest,
	EventApproval,
	EventDenial,
	EventExpiry,
	EventGrant,
	EventRevocation,
	EventAlert,
	EventReview,
	EventSessionStart,
	EventSessionDenied,
	EventSessionEnd,
	EventStatement,
	EventResult,
	EventCancel,
	EventRecovery,
	EventPolicy,
	EventExplain,
	EventResource,
	EventAPIDenied,
	EventRead,
	EventExport,
	EventCheckpoint,
	EventExpired,
	EventChatLink,
	EventLegalHold,
	EventProtection,
	EventRegroup,
}

// Event is one entry of the audit log. Its JSON encoding, fields in this order and
// empty ones left out, is its canonical form: the bytes that the log hashes
// (pkg/auditlog/spec.md). It carries no literal, no parameter, no credential.
type Event struct {
	Time     time.Time `json:"time"`              // UTC
	Mono     int64     `json:"mono_ns,omitempty"` // nanoseconds since its log was opened, by a clock that nobody sets
	Type     EventType `json:"type"`
	Subject  string    `json:"subject,omitempty"` // who did it
	Chain    []string  `json:"chain,omitempty"`   // on whose behalf
	Target   string    `json:"target,omitempty"`
	Grant    string    `json:"grant,omitempty"`
	Request  int64     `json:"request,omitempty"`
	Session  string    `json:"session,omitempty"`
	Counter  int64     `json:"counter,omitempty"`   // within the session, from 1
	Policy   string    `json:"policy,omitempty"`    // revision in force, hex
	Text     string    `json:"text,omitempty"`      // a statement without literals; a sentence otherwise
	Effects  []Effect  `json:"effects,omitempty"`   //
	Tables   []string  `json:"tables,omitempty"`    //
	Action   Action    `json:"action,omitempty"`    // what was decided
	Rule     string    `json:"rule,omitempty"`      // by which rule
	Reason   string    `json:"reason,omitempty"`    // for people; nothing may be read out of it
	Cause    Cause     `json:"cause,omitempty"`     // of an end, or of a session that did not begin
	Result   *Result   `json:"result,omitempty"`    // of a statement
	Record   *Record   `json:"recording,omitempty"` // of a session's end
	Details  []Detail  `json:"details,omitempty"`   // what has no field of its own
	Duration int64     `json:"duration_us,omitempty"`
}

// Detail is a name and a value of an event.
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ReaderDetail is the detail of EventRead that says who reads a recording: ReaderOwner is
// whose session it was, or on whose behalf, ReaderOther anybody else.
const (
	ReaderDetail = "reader"
	ReaderOwner  = "owner"
	ReaderOther  = "other"
)

// Detail gives the value of a detail; empty where there is none.
func (e *Event) Detail(name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// TellsPolicy reports whether the event tells which policy was in force when it happened:
// what a gateway does by itself before its start has the new one already.
func (e *Event) TellsPolicy() bool {
	switch e.Type {
	case EventStart, EventStop, EventPolicy:
		return true
	}
	return e.Counter > 0 && e.Type != EventRecovery
}

// Result is how a statement ended, as the client saw it.
type Result struct {
	Statement int64  `json:"statement"` // counter of the statement event it answers
	Tag       string `json:"tag,omitempty"`
	SQLState  string `json:"sqlstate,omitempty"` // of an error
	Rows      int64  `json:"rows"`               // delivered to the client, COPY TO and RETURNING included
	Changed   int64  `json:"changed,omitempty"`  // inserted, updated, deleted, merged or copied in, as the target's tags say
	Bytes     int64  `json:"bytes"`
	Masked    int64  `json:"masked"`           // cells
	Digest    string `json:"digest,omitempty"` // keyed, hex; the key is in the recording
}

// Record binds a session's recording to the log.
type Record struct {
	SHA256 string `json:"sha256"` // of the whole file, hex
	Size   int64  `json:"size"`   // bytes
	Events int64  `json:"events"` // of the session, this one included
}
