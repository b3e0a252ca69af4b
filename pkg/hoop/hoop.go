// Package hoop holds the nouns that every part of hoopctl shares: who asks
// (Identity), for what (Target, Grant), in which connection (Session), what runs
// (Statement), what was decided (Decision), what happened (Event), and the errors
// that may be shown to people.
//
// It imports the standard library only, does no I/O and holds no rules: those live
// in the packages that use it.
package hoop

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// IdentityKind tells people from programs.
type IdentityKind string

// The kinds of identity.
const (
	Human   IdentityKind = "human"
	Service IdentityKind = "service"
)

// Identity is who is calling, as the gateway established it. It is a value; copies
// do not change when the directory does.
type Identity struct {
	Subject  string       `json:"subject"`            // unique and stable; "alice", "corp:2482", "service:ci-agent"
	Name     string       `json:"name"`               // for people to read; decides nothing
	Email    string       `json:"email,omitempty"`    // for people to read; gives no right: two identities of one address count as one approver
	Kind     IdentityKind `json:"kind"`               //
	Provider string       `json:"provider,omitempty"` // identity provider that vouched for it; "service-account", "dev"
	Groups   []string     `json:"groups"`             //
	Owner    string       `json:"owner,omitempty"`    // of a service account: a subject or a group
	Chain    []string     `json:"chain,omitempty"`    // subjects on whose behalf it acts, nearest first
	// Delegation is what an agent was given by the person who started it; nil for all others.
	Delegation *Delegation `json:"delegation,omitempty"`
}

// Delegation narrows what an agent may do of what the person may who started it.
type Delegation struct {
	SignIn    string    `json:"sign_in"` // of that person; the agent ends with it
	Targets   []string  `json:"targets"`
	Scope     Scope     `json:"scope,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Reaches reports whether the identity is not kept from a target by what it was given.
func (id Identity) Reaches(target string) bool {
	return id.Delegation == nil || slices.Contains(id.Delegation.Targets, target)
}

// InGroup reports whether the identity is in group; "*" names everybody.
func (id Identity) InGroup(group string) bool {
	return group == "*" || slices.Contains(id.Groups, group)
}

// InAnyGroup reports whether the identity is in one of groups.
func (id Identity) InAnyGroup(groups []string) bool {
	return slices.ContainsFunc(groups, id.InGroup)
}

// Role is what a group may do in hoop itself (kind GroupRole).
type Role string

// The roles.
const (
	RoleAdmin    Role = "admin"
	RoleApprover Role = "approver"
	RoleAuditor  Role = "auditor"
)

// RecordMode says when an answer may be released.
type RecordMode string

// The record modes of a target.
const (
	RecordStrict  RecordMode = "strict"  // the record of an answer is durable before the answer is released
	RecordBatched RecordMode = "batched" // durable within a stated window (50 ms) after release
)

// Target is a database or host one may reach, without its credential.
type Target struct {
	Name      string     `json:"name"`
	Type      string     `json:"type"`    // "postgres"
	Address   string     `json:"address"` // host:port
	Database  string     `json:"database"`
	Databases []string   `json:"databases,omitempty"` // others that may be asked for
	Record    RecordMode `json:"record"`
	// CosignedWithin is how old the newest cosignature of the audit log may be for a
	// statement to run; zero: none is needed.
	CosignedWithin Duration `json:"cosigned_within,omitempty"`
	// Limits; zero is none.
	IdleTimeout      Duration `json:"idle_timeout,omitempty"`       // of a connection that does nothing
	MaxSessions      int      `json:"max_sessions,omitempty"`       // of the target, at once
	MaxGrantSessions int      `json:"max_grant_sessions,omitempty"` // of one grant, at once
	Reuse            Reuse    `json:"reuse,omitzero"`               // of its connections
	// Budgets limit how many rows of some tables one identity may get.
	Budgets []ExportBudget `json:"export_budgets,omitempty"`
	// Inference limits what one identity may learn of masked columns by comparing them.
	Inference []InferenceLimit `json:"inference_limits,omitempty"`
	// Decoys are key values that no honest query touches; never shown.
	Decoys []Decoy `json:"-"`
}

// InferenceLimit limits comparisons with protected columns by one identity, over all
// its sessions together.
type InferenceLimit struct {
	Columns  []string      `json:"columns"`   // names as in SQL; a part may be *
	Values   int           `json:"values"`    // different ones compared
	Scans    int           `json:"scans"`     // searches by range or pattern, sorts, groupings, joins
	Per      Duration      `json:"per"`       // any stretch of that length
	MinGroup int           `json:"min_group"` // rows in each group of an aggregate whose rows such a column decides
	Approval *ApprovalRule `json:"approval,omitempty"`
}

// Decoy is a set of values of a column that no honest query touches.
type Decoy struct {
	Column ColumnRef
	Values []string
	End    bool // touching one ends the session
}

// Reuse says how many of a target's connections are kept for the next session of the
// same identity.
type Reuse struct {
	MaxIdle     int      `json:"max_idle"`     // at once; zero: none
	IdleTimeout Duration `json:"idle_timeout"` // how long one is kept
}

// ExportBudget limits the rows that one identity may get of some tables, over all its
// sessions together.
type ExportBudget struct {
	Tables []string `json:"tables"` // names as in SQL; a part may be *
	Rows   int64    `json:"rows"`
	Per    Duration `json:"per"` // any stretch of that length
}

// HasDatabase reports whether database may be asked for on the target.
func (t Target) HasDatabase(database string) bool {
	return database == t.Database || slices.Contains(t.Databases, database)
}

// Scope narrows what a grant is good for. What is left out does not narrow it.
type Scope struct {
	Effects []Effect `json:"effects,omitempty"` // only these, and session
	Tables  []string `json:"tables,omitempty"`  // only these: names as in SQL; a part may be *
}

// IsZero reports whether the scope narrows nothing.
func (s Scope) IsZero() bool { return len(s.Effects) == 0 && len(s.Tables) == 0 }

// Equal reports whether two scopes are written the same.
func (s Scope) Equal(other Scope) bool {
	return slices.Equal(s.Effects, other.Effects) && slices.Equal(s.Tables, other.Tables)
}

// String is for people: "read on clinic.*".
func (s Scope) String() string {
	effects := "everything"
	if len(s.Effects) > 0 {
		words := make([]string, len(s.Effects))
		for i, e := range s.Effects {
			words[i] = string(e)
		}
		effects = strings.Join(words, ", ")
	}
	if len(s.Tables) == 0 {
		return effects
	}
	return effects + " on " + strings.Join(s.Tables, ", ")
}

// RequestKind tells what a request asks for.
type RequestKind string

// The kinds of request.
const (
	RequestGrant     RequestKind = "grant"     // time-bounded access to a target
	RequestStatement RequestKind = "statement" // one exact statement, held on the wire
)

// RequestState is where a request stands. All but Pending are final.
type RequestState string

// The states of a request.
const (
	Pending   RequestState = "pending"
	Approved  RequestState = "approved"
	Denied    RequestState = "denied"
	Expired   RequestState = "expired"   // nobody decided in time
	Cancelled RequestState = "cancelled" // the requester went away
)

// Request is a question put to approvers; it stays readable after it ended.
type Request struct {
	ID          int64          `json:"id"` // the number people type: hoopctl approve 17
	Kind        RequestKind    `json:"kind"`
	State       RequestState   `json:"state"`
	Requester   Identity       `json:"requester"`
	Target      string         `json:"target"`
	Reason      string         `json:"reason,omitempty"`
	Rule        string         `json:"rule,omitempty"` // the rule that demands approval
	Groups      []string       `json:"groups"`         // who may approve
	Count       int            `json:"count"`          // how many distinct people must
	Next        []ApprovalRule `json:"next,omitempty"` // of a held statement: who is asked after them, one after the other
	Duration    Duration       `json:"duration,omitzero"`
	Scope       Scope          `json:"scope,omitzero"`        // of the grant
	StartsAt    time.Time      `json:"starts_at,omitzero"`    // the grant's start, where that is after its approval
	BreakGlass  bool           `json:"break_glass,omitempty"` // granted at once, and reviewed afterwards
	Renews      string         `json:"renews,omitempty"`      // the grant that is to end later, instead of another one
	Session     string         `json:"session,omitempty"`     // of a held statement
	Statement   string         `json:"statement,omitempty"`   // of a held statement: its exact text but for credentials, as long as it is pending
	Params      []string       `json:"params,omitempty"`      // of a held statement: what was bound, printable
	Executes    []string       `json:"executes,omitempty"`    // of a held statement: what it runs that was prepared before
	Hidden      int            `json:"hidden,omitempty"`      // how many values of Statement, Params and Executes are masked for the viewer
	Facts       *Facts         `json:"facts,omitempty"`       // of a held statement: for those who may decide it
	Writing     []Writing      `json:"-"`                     // of Statement, then of each of Executes
	Shape       string         `json:"shape,omitempty"`       // of a held statement: its text without literals; stays when Statement and Params go
	Gateway     string         `json:"gateway,omitempty"`     // of a held statement: the gateway that holds it
	GatewayURL  string         `json:"gateway_url,omitempty"` // the same: where it can be approved
	Effects     []Use          `json:"effects,omitempty"`
	Digest      string         `json:"digest,omitempty"` // hex; binds the approval to the statement
	InTx        bool           `json:"in_transaction,omitempty"`
	CreatedAt   time.Time      `json:"created_at"` // UTC, as all times here
	ExpiresAt   time.Time      `json:"expires_at"` // the question, not the grant
	DecidedAt   time.Time      `json:"decided_at,omitzero"`
	DecisionWhy string         `json:"decision_reason,omitempty"`
	Approvals   []Approval     `json:"approvals,omitempty"`
	Repeated    bool           `json:"repeated,omitempty"` // in the answer to an approval: the same person gave it before, and counts once
	Grant       string         `json:"grant,omitempty"`    // what an approved grant request led to
}

// Progress says how many have approved, of those who must, and whoever approved twice that
// it counts once.
func (r *Request) Progress() string {
	yes := 0
	for _, a := range r.Approvals {
		if a.Approve {
			yes++
		}
	}
	s := fmt.Sprintf("%d of %d approvals are there", yes, max(1, r.Count))
	if r.Repeated {
		return "your approval counted before, and counts once; " + s
	}
	return s
}

// AskedNext says who is asked once the request is approved: "1 of privacy, then 2 of dba or
// ops"; "" where nobody is.
func (r Request) AskedNext() string {
	var who []string
	for _, a := range r.Next {
		who = append(who, fmt.Sprintf("%d of %s", max(1, a.Count), strings.Join(a.Groups, " or ")))
	}
	return strings.Join(who, ", then ")
}

// Approval is one person's answer to a request.
type Approval struct {
	By      string    `json:"by"` // subject
	Name    string    `json:"name"`
	Email   string    `json:"email,omitempty"` // two approvals of one address are one person's
	Approve bool      `json:"approve"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// Seat is a session's place among those that its grant may have at once. It counts until
// then, unless its gateway, which lives, puts that off.
type Seat struct {
	ID      string
	Grant   string
	Gateway string
	Until   time.Time
}

// Grant is access to one target for one identity, from its approval to its end.
type Grant struct {
	ID        string    `json:"id"`
	Request   int64     `json:"request"`
	Owner     Identity  `json:"owner"`
	Target    string    `json:"target"`
	Rule      string    `json:"rule"`
	Reason    string    `json:"reason,omitempty"`
	Scope     Scope     `json:"scope,omitzero"`
	StartsAt  time.Time `json:"starts_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Renewals  []int64   `json:"renewals,omitempty"` // the requests that put its end off
	// BreakGlass says that nobody was asked; Reviewers are the groups one of whose members
	// says what they think of it afterwards.
	BreakGlass bool     `json:"break_glass,omitempty"`
	Reviewers  []string `json:"reviewers,omitempty"`
	Review     *Review  `json:"review,omitempty"`
	// Limits; zero is none.
	MaxSessions int       `json:"max_sessions,omitempty"` // at once, on all gateways
	MaxUses     int       `json:"max_uses,omitempty"`     // sessions begun, in all
	Uses        int       `json:"uses,omitempty"`         // sessions begun so far, where they are counted
	Revocable   bool      `json:"revocable,omitempty"`    // in a list of all: by the viewer
	RevokedAt   time.Time `json:"revoked_at,omitzero"`
	RevokedBy   string    `json:"revoked_by,omitempty"`
	Why         string    `json:"revoked_reason,omitempty"`
}

// InForce reports whether the grant holds at now.
func (g Grant) InForce(now time.Time) bool {
	return g.RevokedAt.IsZero() && !now.Before(g.StartsAt) && now.Before(g.ExpiresAt)
}

// Review is what somebody else found about a grant that was taken in an emergency.
type Review struct {
	By      string    `json:"by"` // subject
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Finding string    `json:"finding"`
}

// UsedUp reports whether no session may begin under the grant any more.
func (g Grant) UsedUp() bool { return g.MaxUses > 0 && g.Uses >= g.MaxUses }

// SessionInfo describes one session: one stream, one ID, one recording.
type SessionInfo struct {
	ID         string    `json:"id"`
	Identity   Identity  `json:"identity"`
	Target     string    `json:"target"`
	Database   string    `json:"database,omitempty"`
	Protocol   string    `json:"protocol"` // "postgres"
	Grant      string    `json:"grant"`
	Client     string    `json:"client,omitempty"` // what the client calls itself
	RemoteAddr string    `json:"remote_addr"`
	Gateway    string    `json:"gateway,omitempty"` // whose log has it: the log's verifier key
	StartedAt  time.Time `json:"started_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	Why        string    `json:"ended_reason,omitempty"`
	Cause      Cause     `json:"ended_cause,omitempty"` // as in the log; empty where a crash kept the gateway from noting it
	Statements int64     `json:"statements"`
	Rows       int64     `json:"rows"`              // delivered to the client
	Changed    int64     `json:"changed,omitempty"` // at the target
	Bytes      int64     `json:"bytes"`
	Masked     int64     `json:"masked"` // cells
}
