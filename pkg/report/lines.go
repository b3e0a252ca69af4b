package report

import (
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// paragraph is one of 45 CFR and the kinds of event that support it.
type paragraph struct {
	id, title string
	lines     []line
	note      string // what must come from elsewhere
}

// line is a kind of event. It goes by what events have in words of their own (types,
// causes, details), never by their sentences.
type line struct {
	what  string
	match func(e *hoop.Event) bool // nil: what shows in several events; the builder finds it
}

func is(types ...hoop.EventType) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return slices.Contains(types, e.Type) }
}

func all(conditions ...func(*hoop.Event) bool) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool {
		return !slices.ContainsFunc(conditions, func(holds func(*hoop.Event) bool) bool { return !holds(e) })
	}
}

func decided(a hoop.Action) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return e.Type == hoop.EventStatement && e.Action == a }
}

func allowed(e *hoop.Event) bool { return e.Type == hoop.EventStatement && e.Action != hoop.Deny }

func effect(effects ...hoop.Effect) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool {
		return slices.ContainsFunc(e.Effects, func(f hoop.Effect) bool { return slices.Contains(effects, f) })
	}
}

func ended(t hoop.EventType, causes ...hoop.Cause) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return e.Type == t && slices.Contains(causes, e.Cause) }
}

func says(detail, value string) func(*hoop.Event) bool {
	return func(e *hoop.Event) bool { return e.Detail(detail) == value }
}

func changed(what string) func(*hoop.Event) bool {
	return all(is(hoop.EventResource), says("change", what))
}

func recorded(e *hoop.Event) bool { return e.Record != nil && e.Record.SHA256 != "" }

// emergency: an alert that has a request is that of a grant taken without approval; the
// others are of decoys.
func emergency(e *hoop.Event) bool { return e.Type == hoop.EventAlert && e.Request != 0 }

func decoy(e *hoop.Event) bool { return e.Type == hoop.EventAlert && e.Request == 0 }

func delivered(e *hoop.Event) bool { return e.Result != nil && e.Result.Rows > 0 }

var (
	changing   = []hoop.Effect{hoop.EffectWrite, hoop.EffectUnboundedWrite, hoop.EffectImport}
	structural = []hoop.Effect{hoop.EffectDDL, hoop.EffectDestroy, hoop.EffectRole, hoop.EffectDerive, hoop.EffectOpaque, hoop.EffectServer}

	readByOthers = line{"readings of recordings by others than their owners", all(is(hoop.EventRead), says(hoop.ReaderDetail, hoop.ReaderOther))}
	readByOwners = line{"readings of recordings by their owners", all(is(hoop.EventRead), says(hoop.ReaderDetail, hoop.ReaderOwner))}
	exports      = line{"exports of this log, and hours of following it", is(hoop.EventExport)}
	reviews      = line{"reviews of emergency access", is(hoop.EventReview)}
	grants       = line{"grants given or prolonged", is(hoop.EventGrant)}
	refusedCalls = line{"attempts over the API refused (of the same one the 1st, 2nd, 4th, 8th and so on)", is(hoop.EventAPIDenied)}
	crashed      = line{"sessions that a crash of the gateway ended, completed afterwards", is(hoop.EventRecovery)}
	unanswered   = line{what: "statements that were to run and have no result among these events"}
	restarted    = line{what: "starts of the gateway with other policy and resources than it had before"}
)

// paragraphs are those that the events of a gateway can say something about. Titles
// are those of the regulation.
var paragraphs = []paragraph{
	{"45 CFR 164.312(a)(1)", "Access control", []line{
		{"statements allowed by policy", decided(hoop.Allow)},
		{"statements allowed after people approved", decided(hoop.Approve)},
		{"statements denied", decided(hoop.Deny)},
		{"sessions that began under a grant", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && e.Grant != "" }},
		{"sessions refused", is(hoop.EventSessionDenied)},
		{"sessions ended by a limit on exports or inference", ended(hoop.EventSessionEnd, hoop.CauseLimit)},
		refusedCalls,
		grants,
	}, "Whether the gateway is the only way to the database is shown by network rules and database accounts, not by this log."},
	{"45 CFR 164.312(a)(2)(i)", "Unique user identification", []line{
		{"sessions with an identity of their own", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && e.Subject != "" }},
		{"sessions of programs that act for somebody (delegation chain)", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && len(e.Chain) > 0 }},
		{"sessions without an identity", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionStart && e.Subject == "" }},
	}, "That one person has one account at the identity provider is for the provider to show."},
	{"45 CFR 164.312(a)(2)(ii)", "Emergency access procedure", []line{
		{"grants taken in an emergency, without an approval", emergency},
		{"sessions under such a grant", all(is(hoop.EventSessionStart), says("break_glass", "true"))},
		reviews,
		{"starts of the gateway", is(hoop.EventStart)},
		{"stops of the gateway in order", is(hoop.EventStop)},
		{"sessions that a stop in order ended", ended(hoop.EventSessionEnd, hoop.CauseStopped)},
		crashed,
	}, "Emergency access past the gateway, and drills of it, leave no event here."},
	{"45 CFR 164.312(a)(2)(iii)", "Automatic logoff", []line{
		{"sessions ended because they did nothing", ended(hoop.EventSessionEnd, hoop.CauseIdle)},
		{"sessions ended because their grant reached its end", ended(hoop.EventSessionEnd, hoop.CauseExpired)},
		{"sign-ins that reached their end", ended(hoop.EventSignOut, hoop.CauseSignInOver)},
	}, "The limits in force are in the policy texts (idle_timeout of each target)."},
	{"45 CFR 164.312(a)(2)(iv)", "Encryption and decryption", []line{
		{"recordings written, encrypted (age X25519, AES-256-GCM)", recorded},
		readByOthers, readByOwners,
		{"readings that showed literals and parameters", all(is(hoop.EventRead), says("literals", "shown"))},
	}, "The gateway decrypts a recording for each reading. Encryption of the database itself is outside."},
	{"45 CFR 164.312(b)", "Audit controls", []line{
		{"statements on record", is(hoop.EventStatement)},
		{"results on record", is(hoop.EventResult)},
		unanswered,
		{"sessions that commit to the number of their events", func(e *hoop.Event) bool { return e.Type == hoop.EventSessionEnd && e.Record != nil }},
		crashed,
		readByOthers, readByOwners,
		exports,
	}, "A reading is one event, or one an hour where it comes in parts."},
	{"45 CFR 164.312(c)(1)", "Integrity", []line{
		{"statements that can change rows, allowed by policy", all(decided(hoop.Allow), effect(changing...))},
		{"statements that can change rows, approved by people", all(decided(hoop.Approve), effect(changing...))},
		{"statements that can change rows, denied", all(decided(hoop.Deny), effect(changing...))},
		{"statements that can change structure, roles or code, allowed by policy", all(decided(hoop.Allow), effect(structural...))},
		{"statements that can change structure, roles or code, approved by people", all(decided(hoop.Approve), effect(structural...))},
		{"statements that can change structure, roles or code, denied", all(decided(hoop.Deny), effect(structural...))},
		{"results in which the target says that rows were changed", func(e *hoop.Event) bool { return e.Result != nil && e.Result.Changed > 0 }},
	}, "A statement that can do both counts for both. What a change did inside the database is in the recording as far as the client was told."},
	{"45 CFR 164.312(c)(2)", "Mechanism to authenticate electronic protected health information", []line{
		{"results with a keyed digest of what was released", func(e *hoop.Event) bool { return e.Result != nil && e.Result.Digest != "" }},
		{"recordings bound to the log by hash", recorded},
		{"cosignatures of witnesses on this log's checkpoints", is(hoop.EventCheckpoint)},
	}, "This corroborates the record of access, not the database's files."},
	{"45 CFR 164.312(d)", "Person or entity authentication", []line{
		{"sign-ins", is(hoop.EventSignIn)},
		{"failed sign-ins", is(hoop.EventSignInFailed)},
		{"sign-ins that ended", is(hoop.EventSignOut)},
		{"accounts of a chat that decide in somebody's name from then on", is(hoop.EventChatLink)},
		{"sign-ins with other groups from then on", is(hoop.EventRegroup)},
	}, "How the identity provider verified the person is in the provider's log. The sign-in of a program that reaches its end leaves no event."},
	{"45 CFR 164.312(e)(1)", "Transmission security", []line{
		{"sessions over the gateway's tunnel (TLS 1.3 only)", is(hoop.EventSessionStart)},
	}, "How the connection to each target is secured is in the policy texts (tls of each target)."},
	{"45 CFR 164.312(e)(2)(i)-(ii)", "Integrity controls; encryption (in transmission)", []line{
		{"sessions over the gateway's tunnel (TLS 1.3 only)", is(hoop.EventSessionStart)},
	}, "Between the client program and hoopctl the bytes travel over the loopback of one machine."},
	{"45 CFR 164.308(a)(1)(ii)(D)", "Information system activity review", []line{
		readByOthers,
		exports,
		reviews,
		{"questions what the policy would decide", is(hoop.EventExplain)},
		{"denied statements to look at", decided(hoop.Deny)},
		{"alerts to look at: a decoy value was touched", decoy},
		{"attempts over the API to look at", is(hoop.EventAPIDenied)},
	}, "What reviewers found, and what was done about it, is kept elsewhere."},
	{"45 CFR 164.308(a)(3)(ii)(C)", "Termination procedures", []line{
		{"grants revoked", is(hoop.EventRevocation)},
		{"sign-ins ended by an administrator or the directory", ended(hoop.EventSignOut, hoop.CauseDisabled)},
		{"sign-ins ended because the identity provider vouches no more", ended(hoop.EventSignOut, hoop.CauseProvider)},
		{"sign-ins ended because a token was used twice", ended(hoop.EventSignOut, hoop.CauseTokenReused)},
		{"sessions cut because their grant was revoked", ended(hoop.EventSessionEnd, hoop.CauseRevoked)},
		{"sessions cut because no access rule allowed the target any more", ended(hoop.EventSessionEnd, hoop.CauseAccess)},
		{"sessions cut because the sign-in had ended", ended(hoop.EventSessionEnd, hoop.CauseSignIn)},
		{"sessions cut because groups or account had changed, or the account was gone", ended(hoop.EventSessionEnd, hoop.CauseIdentity, hoop.CauseAccount)},
	}, "When somebody left, and who was told, is kept elsewhere."},
	{"45 CFR 164.308(a)(4)", "Information access management", []line{
		{"requests for access", all(is(hoop.EventRequest), says("kind", string(hoop.RequestGrant)))},
		{"requests to run one statement", all(is(hoop.EventRequest), says("kind", string(hoop.RequestStatement)))},
		{"approvals by people", is(hoop.EventApproval)},
		{"denials by people", is(hoop.EventDenial)},
		{"requests that nobody decided in time", is(hoop.EventExpiry)},
		{"requests withdrawn", func(e *hoop.Event) bool { return e.Type == hoop.EventCancel && e.Request != 0 }},
		grants,
		{"grants revoked", is(hoop.EventRevocation)},
		{"times that policy and resources were loaded again while the gateway ran", is(hoop.EventPolicy)},
		restarted,
		{"targets, rules, accounts, roles and modules of the policy added", changed("added")},
		{"targets, rules, accounts, roles and modules of the policy changed", changed("changed")},
		{"targets, rules, accounts, roles and modules of the policy removed", changed("removed")},
		{"inherited protection of copies lifted", is(hoop.EventProtection)},
	}, ""},
	{"45 CFR 164.308(a)(5)(ii)(C)", "Log-in monitoring", []line{
		{"failed sign-ins", is(hoop.EventSignInFailed)},
		{"sessions refused", is(hoop.EventSessionDenied)},
		refusedCalls,
	}, ""},
	{"45 CFR 164.316(b)(2)(i)", "Time limit (retention of documentation)", []line{
		{"recordings whose time was over (their hash stays)", is(hoop.EventExpired)},
		{"legal holds set", all(is(hoop.EventLegalHold), says("hold", "true"))},
		{"legal holds lifted", all(is(hoop.EventLegalHold), says("hold", "false"))},
	}, "Events are never deleted. The policy texts in force are in this bundle (retention of each target; six years where there is none)."},
	{"45 CFR 164.528", "Accounting of disclosures of protected health information", []line{
		{"results that delivered rows", delivered},
		{"results with masked values", func(e *hoop.Event) bool { return e.Result != nil && e.Result.Masked > 0 }},
		unanswered,
		{"statements allowed with effect server, which can move rows past the gateway", all(allowed, effect(hoop.EffectServer))},
	}, "The table of rows delivered says who got how many rows of which tables, and what it could not place. Whose rows they were is in the recordings, not in this log. " +
		"Which disclosures are exempt from accounting is for the privacy office."},
}

// unseen is what a gateway cannot know.
var unseen = []string{
	"Access that does not pass the gateway: on the database host, by other network paths, from backups and replicas.",
	"What a person does with data after it was shown: screens, copies, printouts, other programs.",
	"Whether the identity provider's account was used by the person it belongs to.",
	"Which patients the rows were about: events carry no values. The recordings have what was shown.",
	"What code inside the database (triggers, jobs, functions) read or wrote on its own account.",
	"Where rows went that the target itself sent on, to files, programs or other servers.",
	"Whether a change was undone later: a transaction that was rolled back has changed nothing.",
	"Physical and organisational safeguards, training, risk analysis, contracts with business associates.",
	"Whether the person had a treatment relationship with the patient, or needed the data for the task.",
	"Events that a gateway never made. The numbers inside each session show that none of a session is missing.",
}
