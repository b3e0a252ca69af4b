// Package api is what hoopctl and the gateway say to each other over HTTP: the paths,
// the requests and answers, and the Go client.
//
// Every path below /api/v1 wants "Authorization: Bearer TOKEN". Bodies are JSON; lists
// are objects with one field, items. An error is a Problem with a fitting status. The
// OAuth endpoints (RFC 8628, RFC 6749, RFC 7009) are found by discovery (OpenID
// Connect Discovery 1.0) and are not described here.
package api

import (
	"net/http"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Paths. {id} is a request's number, a grant's or a session's ID.
const (
	PathVersion     = "/api/v1/version"                       // GET, no token: Version
	PathMe          = "/api/v1/me"                            // GET: Me
	PathTargets     = "/api/v1/targets"                       // GET: List[Target]
	PathRequests    = "/api/v1/requests"                      // GET ?state=&inbox=1: List[hoop.Request]; POST NewRequest: RequestAnswer
	PathRequest     = "/api/v1/requests/{id}"                 // GET ?wait=30s: RequestAnswer, at once when it is decided
	PathApprove     = "/api/v1/requests/{id}/approve"         // POST Verdict: hoop.Request
	PathDeny        = "/api/v1/requests/{id}/deny"            // POST Verdict: hoop.Request
	PathCancel      = "/api/v1/requests/{id}/cancel"          // POST: hoop.Request; by its requester
	PathGrants      = "/api/v1/grants"                        // GET ?all=1: List[hoop.Grant]
	PathRevoke      = "/api/v1/grants/{id}/revoke"            // POST Verdict: hoop.Grant
	PathReview      = "/api/v1/grants/{id}/review"            // POST Verdict: hoop.Grant; of one taken in an emergency
	PathReviews     = "/api/v1/reviews"                       // GET ?all=1: List[hoop.Grant], those that want a review
	PathSessions    = "/api/v1/sessions"                      // GET ?limit=: List[hoop.SessionInfo], newest first
	PathSession     = "/api/v1/sessions/{id}"                 // GET: hoop.SessionInfo
	PathRecording   = "/api/v1/sessions/{id}/recording"       // GET ?from=&bytes=: the recording in clear, or a part, application/x-ndjson of recording.Record
	PathIndex       = "/api/v1/sessions/{id}/recording/index" // GET: recording.Index
	PathHold        = "/api/v1/sessions/{id}/hold"            // POST Hold: Hold
	PathExport      = "/api/v1/audit/export"                  // GET: application/x-tar of an evidence folder (pkg/auditlog)
	PathEvents      = "/api/v1/audit/events"                  // GET ?from=&wait=30s: application/x-ndjson of siem.Entry, as far as the log has come
	PathBundle      = "/api/v1/audit/bundle"                  // GET ?from=&to=&recordings=1&size=&since=: application/zip (pkg/bundle)
	PathLogKey      = "/api/v1/audit/key"                     // GET: LogKey
	PathExplain     = "/api/v1/policy/explain"                // POST Explain: Explanation
	PathCases       = "/api/v1/policy/test"                   // POST PolicyCases: List[PolicyOutcome]; for auditors and administrators
	PathDisable     = "/api/v1/identities/disable"            // POST Disable: Disabled; for administrators
	PathAgents      = "/api/v1/agents"                        // POST NewAgent: Agent; for people, in their own name
	PathProtections = "/api/v1/protections"                   // GET: List[hoop.Protection]; for auditors and administrators
	PathLift        = "/api/v1/protections/lift"              // POST Lift: Lift; for administrators
)

// HeaderNext is the trailer of an answer with a part of a recording (?bytes=): the
// position at which the next part begins. Without it, there is none.
const HeaderNext = "Hoop-Next"

// Version is what runs.
type Version struct {
	Version string `json:"version"`
	Tunnel  string `json:"tunnel"` // ALPN protocol
}

// Me is who the token says I am.
type Me struct {
	Identity hoop.Identity `json:"identity"`
	Roles    []hoop.Role   `json:"roles"`
	Literals bool          `json:"literals,omitempty"` // I see literals and parameters in recordings of others
}

// Target is a target I may reach, and how.
type Target struct {
	Name        string        `json:"name"`
	Type        string        `json:"type"`
	Database    string        `json:"database"`
	Databases   []string      `json:"databases,omitempty"`
	MaxDuration hoop.Duration `json:"max_duration"`
	Approval    string        `json:"approval"` // "none", "2 of dba", or "break-glass"
	Reason      string        `json:"reason"`   // "optional" or "required"
	Rule        string        `json:"rule"`
	Grant       *hoop.Grant   `json:"grant,omitempty"` // mine, where one is in force
}

// NewRequest asks for a grant.
type NewRequest struct {
	Target   string        `json:"target"`
	Duration hoop.Duration `json:"duration,omitzero"` // zero: the rule's maximum, at most 1h
	Reason   string        `json:"reason,omitempty"`
	Scope    hoop.Scope    `json:"scope,omitzero"`     // zero: all that the rules allow
	StartsAt time.Time     `json:"starts_at,omitzero"` // zero: with the approval
	Renews   string        `json:"renews,omitempty"`   // a grant in force that is to end later
	// BreakGlass asks for a grant in an emergency, under a rule made for that.
	BreakGlass bool `json:"break_glass,omitempty"`
}

// RequestAnswer is a request and the grant it led to, once there is one.
type RequestAnswer struct {
	Request hoop.Request `json:"request"`
	Grant   *hoop.Grant  `json:"grant,omitempty"`
}

// Verdict is what goes with an approval, denial or revocation.
type Verdict struct {
	Reason string `json:"reason,omitempty"`
}

// Hold is a legal hold on a recording: it is not deleted when its time is over.
type Hold struct {
	On     bool   `json:"on"`
	Reason string `json:"reason"`
	// Waiting says in an answer that the object store could not be told yet. The hold is in
	// the log and counts; the gateway goes on telling.
	Waiting bool `json:"waiting,omitempty"`
}

// Disable ends every grant and every sign-in of an identity, its requests for access and its
// live sessions.
type Disable struct {
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
}

// Disabled is what that ended.
type Disabled struct {
	Subject  string `json:"subject"`
	Grants   int    `json:"grants"` // those given on its behalf too, and those to come
	Requests int    `json:"requests"`
	SignIns  int    `json:"sign_ins"`
}

// NewAgent asks for a token of an agent that acts for the caller, with less than the
// caller has.
type NewAgent struct {
	Name     string        `json:"name,omitempty"` // for people
	Targets  []string      `json:"targets"`
	Scope    hoop.Scope    `json:"scope,omitzero"`
	Duration hoop.Duration `json:"duration"` // at most; it ends with the caller's sign-in
}

// Agent is that agent. The token is told this once.
type Agent struct {
	Token     string     `json:"token"`
	Subject   string     `json:"subject"`
	Name      string     `json:"name"`
	Chain     []string   `json:"chain"`
	Targets   []string   `json:"targets"`
	Scope     hoop.Scope `json:"scope,omitzero"`
	ExpiresAt time.Time  `json:"expires_at"`
}

// Lift ends an inherited protection.
type Lift struct {
	Target string `json:"target"`
	Table  string `json:"table"`
	Reason string `json:"reason"`
}

// LogKey is the audit log's public key, to be kept elsewhere.
type LogKey struct {
	Verifier string `json:"verifier"` // C2SP signed-note verifier key: "name+hash+key"
}

// List is what lists answer.
type List[T any] struct {
	Items []T `json:"items"`
}

// Problem is an error (RFC 9457, application/problem+json).
type Problem struct {
	Status int       `json:"status"`
	Code   hoop.Code `json:"code"`
	Title  string    `json:"title"` // hoop.Error.Message
	Hint   string    `json:"hint,omitempty"`
}

// Status is the HTTP status of an error code.
func Status(c hoop.Code) int {
	switch c {
	case hoop.CodeInvalid:
		return http.StatusBadRequest
	case hoop.CodeUnauthenticated:
		return http.StatusUnauthorized
	case hoop.CodeDenied, hoop.CodeExpired, hoop.CodeRevoked:
		return http.StatusForbidden
	case hoop.CodeNotFound, hoop.CodeNoDatabase:
		return http.StatusNotFound
	case hoop.CodeConflict, hoop.CodeCancelled, hoop.CodePending:
		return http.StatusConflict
	case hoop.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case hoop.CodeTooMany, hoop.CodeLimitExceeded:
		return http.StatusTooManyRequests
	case hoop.CodeUnavailable, hoop.CodeUnrecorded, hoop.CodeShuttingDown:
		return http.StatusServiceUnavailable
	case hoop.CodeUnsupported:
		return http.StatusNotImplemented
	default:
		return http.StatusInternalServerError
	}
}
