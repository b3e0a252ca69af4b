package report

import (
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// paragraph is one of 45 CFR and the kinds of event that support it.
type paragraph struct {
	id, title string
	lines     []line
	note      string // what must come from elsewhere
}

// line is a kind of event.
type line struct {
	what  string
	match func(e *hoop.Event) bool
}

func is(types ...hoop.EventType) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return slices.Contains(types, e.Type) }
}

func decided(a hoop.Action) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return e.Type == hoop.EventStatement && e.Action == a }
}

func having(a hoop.Action, effects ...hoop.Effect) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool {
		return e.Type == hoop.EventStatement && e.Action == a &&
			slices.ContainsFunc(e.Effects, func(f hoop.Effect) bool { return slices.Contains(effects, f) })
	}
}

func reason(t hoop.EventType, part string) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return e.Type == t && strings.Contains(e.Reason, part) }
}

var (
	changing   = []hoop.Effect{hoop.EffectWrite, hoop.EffectUnboundedWrite, hoop.EffectImport}
	structural = []hoop.Effect{hoop.EffectDDL, hoop.EffectDestroy, hoop.EffectRole, hoop.EffectDerive, hoop.EffectOpaque, hoop.EffectServer}
)

// paragraphs are those that the events of a gateway can say something about. Titles
// are those of the regulation.
var paragraphs = []paragraph{
	{"45 CFR 164.312(a)(1)", "Access control", []line{
		{"statements allowed by policy", decided(hoop.Allow)},
		{"statements allowed after people approved", decided(hoop.Approve)},
		{"statements denied", decided(hoop.Deny)},
		{"sessions that began under a grant", is(hoop.EventSessionStart)},
		{"sessions refused", is(hoop.EventSessionDenied)},
		{"attempts over the API refused", is(hoop.EventAPIDenied)},
		{"grants", is(hoop.EventGrant)},
	}, "Whether the gateway is the only way to the database is shown by network rules and database accounts, not by this log."},
	{"45 CFR 164.312(a)(2)(i)", "Unique user identification", []line{
		{"sessions with an identity of their own", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && e.Subject != "" }},
		{"sessions of programs that act for somebody (delegation chain)", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && len(e.Chain) > 0 }},
		{"sessions without an identity", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && e.Subject == "" }},
	}, "That one person has one account at the identity provider is for the provider to show."},
	{"45 CFR 164.312(a)(2)(ii)", "Emergency access procedure", []line{
		{"grants taken in an emergency, and other alerts", is(hoop.EventAlert)},
		{"reviews of emergency access", is(hoop.EventReview)},
		{"stops of the gateway that ended sessions (recovered afterwards)", is(hoop.EventRecovery)},
	}, "Emergency access past the gateway, and drills of it, leave no event here."},
	{"45 CFR 164.312(a)(2)(iii)", "Automatic logoff", []line{
		{"sessions ended because they did nothing", reason(hoop.EventSessionEnd, "it did nothing for")},
		{"sessions ended because the grant ended", reason(hoop.EventSessionEnd, "grant")},
	}, "The limits in force are in the policy texts (idle_timeout of each target)."},
	{"45 CFR 164.312(a)(2)(iv)", "Encryption and decryption", []line{
		{"recordings kept encrypted (age X25519, AES-256-GCM)", func(e *hoop.Event) bool { return e.Record != nil && e.Record.SHA256 != "" }},
		{"recordings read in clear", is(hoop.EventRead)},
	}, "Encryption of the database itself is outside."},
	{"45 CFR 164.312(b)", "Audit controls", []line{
		{"statements on record", is(hoop.EventStatement)},
		{"results on record", is(hoop.EventResult)},
		{"sessions that commit to the number of their events", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionEnd && e.Record != nil }},
		{"sessions completed after a crash", is(hoop.EventRecovery)},
		{"recordings examined", is(hoop.EventRead)},
		{"exports of this log", is(hoop.EventExport)},
	}, ""},
	{"45 CFR 164.312(c)(1)", "Integrity", []line{
		{"changes of rows allowed", having(hoop.Allow, changing...)},
		{"changes of rows approved by people", having(hoop.Approve, changing...)},
		{"changes of rows denied", having(hoop.Deny, changing...)},
		{"changes of structure, roles or code allowed", having(hoop.Allow, structural...)},
		{"changes of structure, roles or code approved by people", having(hoop.Approve, structural...)},
		{"changes of structure, roles or code denied", having(hoop.Deny, structural...)},
	}, "What a change did inside the database is in the recording as far as the client was told."},
	{"45 CFR 164.312(c)(2)", "Mechanism to authenticate electronic protected health information", []line{
		{"results with a keyed digest of what was released", func(e *hoop.Event) bool { return e.Result != nil && e.Result.Digest != "" }},
		{"recordings bound to the log by hash", func(e *hoop.Event) bool { return e.Record != nil && e.Record.SHA256 != "" }},
		{"checkpoints cosigned by a witness", is(hoop.EventCheckpoint)},
	}, "This corroborates the record of access, not the database's files."},
	{"45 CFR 164.312(d)", "Person or entity authentication", []line{
		{"sign-ins", is(hoop.EventSignIn)},
		{"failed sign-ins", is(hoop.EventSignInFailed)},
		{"sign-ins that ended", is(hoop.EventSignOut)},
	}, "How the identity provider verified the person is in the provider's log."},
	{"45 CFR 164.312(e)(1)", "Transmission security", []line{
		{"sessions over the gateway's tunnel (TLS 1.3 only)", is(hoop.EventSessionStart)},
	}, "How the connection to each target is secured is in the policy texts (tls of each target)."},
	{"45 CFR 164.312(e)(2)(i)-(ii)", "Integrity controls; encryption (in transmission)", []line{
		{"sessions over the gateway's tunnel (TLS 1.3 only)", is(hoop.EventSessionStart)},
	}, "Between the client program and hoopctl the bytes travel over the loopback of one machine."},
	{"45 CFR 164.308(a)(1)(ii)(D)", "Information system activity review", []line{
		{"recordings examined", is(hoop.EventRead)},
		{"exports of this log", is(hoop.EventExport)},
		{"reviews of emergency access", is(hoop.EventReview)},
		{"denied statements to look at", decided(hoop.Deny)},
	}, "What reviewers found, and what was done about it, is kept elsewhere."},
	{"45 CFR 164.308(a)(3)(ii)(C)", "Termination procedures", []line{
		{"grants revoked", is(hoop.EventRevocation)},
		{"sign-ins that ended", is(hoop.EventSignOut)},
		{"sessions cut by a revocation or the end of a sign-in", func(e *hoop.Event) bool {
			return e.Type == hoop.EventSessionEnd && (strings.Contains(e.Reason, "revoked") || strings.Contains(e.Reason, "sign-in has ended"))
		}},
	}, ""},
	{"45 CFR 164.308(a)(4)", "Information access management", []line{
		{"requests", is(hoop.EventRequest)},
		{"approvals", is(hoop.EventApproval)},
		{"denials", is(hoop.EventDenial)},
		{"requests that nobody decided in time", is(hoop.EventExpiry)},
		{"grants", is(hoop.EventGrant)},
		{"grants revoked", is(hoop.EventRevocation)},
		{"changes of policy and resources", is(hoop.EventPolicy, hoop.EventResource)},
		{"inherited protection of copies lifted", is(hoop.EventProtection)},
		{"questions what the policy would decide", is(hoop.EventExplain)},
	}, ""},
	{"45 CFR 164.308(a)(5)(ii)(C)", "Log-in monitoring", []line{
		{"failed sign-ins", is(hoop.EventSignInFailed)},
		{"sessions refused", is(hoop.EventSessionDenied)},
		{"calls of the API refused", is(hoop.EventAPIDenied)},
	}, ""},
	{"45 CFR 164.316(b)(2)(i)", "Time limit (retention of documentation)", []line{
		{"recordings whose time was over (their hash stays)", is(hoop.EventExpired)},
		{"legal holds set or lifted", is(hoop.EventLegalHold)},
	}, "Events are never deleted. The policy texts in force are in this bundle."},
	{"45 CFR 164.528", "Accounting of disclosures of protected health information", []line{
		{"results that delivered rows", func(e *hoop.Event) bool { return e.Result != nil && e.Result.Rows > 0 }},
		{"results with masked values", func(e *hoop.Event) bool { return e.Result != nil && e.Result.Masked > 0 }},
	}, "The table of disclosures says who got how many rows of which tables. Whose rows they were is in the recordings, not in this log."},
}

// unseen is what a gateway cannot know.
var unseen = []string{
	"Access that does not pass the gateway: on the database host, by other network paths, from backups and replicas.",
	"What a person does with data after it was shown: screens, copies, printouts, other programs.",
	"Whether the identity provider's account was used by the person it belongs to.",
	"Which patients the rows were about: events carry no values. The recordings have what was shown.",
	"What code inside the database (triggers, jobs, functions) read or wrote on its own account.",
	"Physical and organisational safeguards, training, risk analysis, contracts with business associates.",
	"Whether the person had a treatment relationship with the patient, or needed the data for the task.",
	"Events that a gateway never made. The numbers inside each session show that none of a session is missing.",
}
