// Package resource is what an administrator declares in files: targets, access,
// statement and mask rules, service accounts and roles of groups.
//
// It owns the form of those documents, their validation and looking them up. What a
// rule means is left to others: policy decides by access and statement rules, mask
// masks by mask rules, target dials by credentials. A Set is a plain value that
// nothing changes after Load.
//
// A file holds YAML documents of kind, name and spec. What is not understood is an
// error with file and line; so is what is understood and not offered by this version,
// because a rule that is read and not enforced is worse than none.
package resource

import "github.com/hoopctl/hoopctl/pkg/hoop"

//go:generate go test -run TestReference -update

// Meta is what every document has.
type Meta struct {
	Name   string `json:"name"`
	Source string `json:"-"` // "resources.yaml:12", where it was declared
}

// TLSMode is how the gateway secures its connection to a target.
type TLSMode string

// The TLS modes, named as in libpq.
const (
	TLSDisable    TLSMode = "disable"     // plain TCP; the password then goes by SCRAM or not at all
	TLSRequire    TLSMode = "require"     // encrypted; the certificate is not checked
	TLSVerifyFull TLSMode = "verify-full" // encrypted; the certificate must be valid for the address
)

// Target is a database one may reach.
type Target struct {
	Meta

	// What it is: postgres.
	Type string `json:"type"`
	// Where it is, host:port.
	Address string `json:"address"`
	// The database a connection gets when it names none.
	Database string `json:"database"`
	// Other databases that may be asked for.
	Databases []string `json:"databases,omitempty"`
	// How the connection to it is secured: verify-full, require or disable.
	TLS TLSMode `json:"tls"`
	// Certificates (PEM) that its own must chain to; left out, those of the system.
	CAFile string `json:"ca_file,omitempty"`
	// The gateway's own certificate (PEM), for a target that asks for one.
	CertFile string `json:"cert_file,omitempty"`
	// The key (PEM) of cert_file.
	KeyFile string `json:"key_file,omitempty"`
	// How long the target has to accept a connection, sign-in included; 10s when left out.
	ConnectTimeout hoop.Duration `json:"connect_timeout,omitempty"`
	// How long a connection may do nothing before it is ended; left out, as long as it likes.
	IdleTimeout hoop.Duration `json:"idle_timeout,omitempty"`
	// How many sessions the target has at once; left out, any number.
	MaxSessions int `json:"max_sessions,omitempty"`
	// How many of them one grant has; left out, any number.
	MaxGrantSessions int `json:"max_grant_sessions,omitempty"`
	// Which of its connections are kept for the same user's next one; left out, none.
	Reuse *Reuse `json:"reuse,omitempty"`
	// When an answer is released: strict (its record is durable) or batched (it is at most 50 ms ahead of the disk).
	Record hoop.RecordMode `json:"record"`
	// How many rows of which tables one identity may get; what would exceed it has the effect export.
	ExportBudgets []ExportBudget `json:"export_budgets,omitempty"`
	// How long recordings of its sessions are kept, days as in 2190d; six years (2190d) when left out.
	Retention hoop.Duration `json:"retention,omitempty"`
	// How old the newest witness's cosignature of the audit log may be for a statement to run; left out, none is needed.
	CosignedWithin hoop.Duration `json:"cosigned_within,omitempty"`
	// What one identity may learn of protected columns by comparing them (effect infer); beyond it people
	// must approve. Columns that none names: 50 values and 20 scans in 1h, groups of 5 rows.
	InferenceLimits []InferenceLimit `json:"inference_limits,omitempty"`
	// Values that no honest query touches. Whoever compares with one, gets a row that has one, or copies their
	// column, raises an alert event; so does what renames or drops the column.
	Honeytokens []Honeytoken `json:"honeytokens,omitempty"`
	// What the gateway signs in with.
	Credential Credential `json:"credential"`
}

// Reuse keeps connections that did nothing but ordinary reading and writing, for the
// next one of the same user, grant and connection options, once DISCARD ALL has cleaned
// them. What the target's random numbers were seeded with (setseed) stays.
type Reuse struct {
	// How many of the target's connections wait at once, of all users together.
	MaxIdle int `json:"max_idle"`
	// How long one waits; 5m when left out.
	IdleTimeout hoop.Duration `json:"idle_timeout,omitempty"`
}

// InferenceLimit limits how often one identity may have protected columns decide which
// rows come back, over all its sessions together.
type InferenceLimit struct {
	// schema.table.column, quoted as in SQL; a part may be *. Each column counts on its own.
	Columns []string `json:"columns"`
	// How many different values may be compared for equality; members of IN, arrays and VALUES count
	// each. 50 when left out.
	Values int `json:"values,omitempty"`
	// How many other uses: ranges, patterns, functions, joins, ORDER BY, GROUP BY, DISTINCT. 20 when left
	// out.
	Scans int `json:"scans,omitempty"`
	// In what time: any stretch of that length; 1h when left out.
	Per hoop.Duration `json:"per,omitempty"`
	// The rows that each group of an aggregate must have where the column filters or groups them, other
	// than by equality with listed values. Counts of one table alone are NULL below it; of anything else the
	// statement must say so: HAVING count(*) >= 5 over one table, or HAVING count(DISTINCT …) >= 5 of its key.
	// 0 asks for nothing; 5 when left out.
	MinGroup int `json:"min_group,omitempty"`
	// Who must approve what exceeds it; left out, the groups with the role approver.
	Approval *hoop.ApprovalRule `json:"approval,omitempty"`
}

// Hidden is texts that are not shown to anybody. It prints and marshals as "[secret]".
type Hidden []string

// Honeytoken declares decoys: values of a column in rows that stand for nobody.
type Honeytoken struct {
	// schema.table, quoted as in SQL.
	Table string `json:"table"`
	// The column that has the values.
	Column string `json:"column"`
	// The values, as the target shows them in text.
	Values Hidden `json:"values,omitempty"`
	// More of them, one a line, in a file or an environment variable.
	From Secret `json:"from,omitempty"`
	// alert (raise an event), or end (end the session with 42501 too, before the row is shown). alert when left out.
	Action string `json:"action,omitempty"`
}

// ExportBudget limits the rows that one identity may get of some tables, over all its
// sessions together.
type ExportBudget struct {
	// Names as in SQL; a part may be *. A table stands for its partitions and children too.
	Tables []string `json:"tables"`
	// How many rows, of all the tables together.
	Rows int `json:"rows"`
	// In what time: any stretch of that length.
	Per hoop.Duration `json:"per"`
}

// Credential is what the gateway signs in to a target with.
type Credential struct {
	// The role or user at the target.
	Username string `json:"username"`
	// Its password.
	Password Secret `json:"password"`
}

// AccessRule says who may have a grant for which targets.
type AccessRule struct {
	Meta

	// Who; "*" is everybody.
	Groups []string `json:"groups"`
	// For what; "*" is every target.
	Targets []string `json:"targets"`
	// The longest grant.
	MaxDuration hoop.Duration `json:"max_duration"`
	// none, or who must approve.
	Approval *hoop.ApprovalRule `json:"approval"`
	// Whether a reason must be given: optional or required.
	Reason string `json:"reason"`
	// Makes the rule one for emergencies: a grant at once to whoever says --break-glass and
	// why. It alerts, and is reviewed afterwards. Wants approval: none.
	BreakGlass *BreakGlass `json:"break_glass,omitempty"`
	// How many sessions a grant has at once, on all gateways; left out, any number.
	MaxSessions int `json:"max_sessions,omitempty"`
	// How many sessions may begin under a grant in all; left out, any number.
	MaxUses int `json:"max_uses,omitempty"`
}

// BreakGlass says what follows a grant that was taken in an emergency.
type BreakGlass struct {
	// Groups one of whose members reviews it; never its owner.
	Reviewers []string `json:"reviewers"`
}

// StatementRule says what effects of statements lead to.
type StatementRule struct {
	Meta

	// Where; "*" is every target.
	Targets []string `json:"targets"`
	// Whose statements; "*" is everybody's.
	Groups []string `json:"groups"`
	// Which effects; "*" is all.
	Effects []hoop.Effect `json:"effects"`
	// On which tables: names as in SQL, a part may be *. Left out, or with "*": on anything.
	Tables []string `json:"tables,omitempty"`
	// allow, approve or deny.
	Decision hoop.Action `json:"decision"`
	// With decision approve: who must.
	Approval *hoop.ApprovalRule `json:"approval,omitempty"`
	// How old the newest witness's cosignature of the audit log may be for a statement that the
	// rule matches to run, whichever rule decides it; left out, the rule demands none.
	CosignedWithin hoop.Duration `json:"cosigned_within,omitempty"`
	// enforce, or observe: the rule decides nothing, and events say what it would have decided.
	Mode string `json:"mode"`
}

// Modes of a statement rule.
const (
	ModeEnforce = "enforce"
	ModeObserve = "observe"
)

// Transform is what a mask makes of a value.
type Transform string

// The transforms.
const (
	Redact   Transform = "redact"   // nothing of it; the type stays
	Null     Transform = "null"     // NULL
	Partial  Transform = "partial"  // the last n characters of text, the rest as *
	Hash     Transform = "hash"     // keyed and stable, so that joins still work
	Year     Transform = "year"     // of a date, none that shows an age over 89
	Age90    Transform = "age-90"   // an age in whole years, 90 for all above 89; of a date what year leaves
	Zip3     Transform = "zip3"     // first three digits, 000 for sparse areas
	Tokenize Transform = "tokenize" // format-preserving (FF1, NIST SP 800-38G)
)

// MaskRule says what is protected: columns, values in any text, or free-text columns
// (columns with detect or patterns).
type MaskRule struct {
	Meta

	// Where; "*" is every target.
	Targets []string `json:"targets"`
	// schema.table.column, quoted as in SQL; a part may be *.
	Columns []string `json:"columns,omitempty"`
	// Detectors to look for in text.
	Detect []string `json:"detect,omitempty"`
	// Regular expressions to look for in text.
	Patterns []Pattern `json:"patterns,omitempty"`
	// What becomes of a protected value: a transform.
	With Transform `json:"with"`
	// With partial: how many characters stay; 4 when left out.
	Last int `json:"last,omitempty"`
	// Groups that see the clear value.
	Except []string `json:"except,omitempty"`
}

// Pattern is a site's own detector.
type Pattern struct {
	// Shown where it matched: mrn leaves [mrn].
	Name string `json:"name"`
	// RE2 syntax; must not match the empty text.
	Regex string `json:"regex"`
}

// ServiceAccount is a program that signs in without a person.
type ServiceAccount struct {
	Meta

	// The groups it is in.
	Groups []string `json:"groups"`
	// Who answers for it: a subject, an e-mail address or a group. Its owner cannot approve what it asks.
	Owner string `json:"owner"`
	// What it signs in with; this or federation.
	Secret Secret `json:"secret"`
	// Sign-in by another issuer's token (workload identity), in place of a secret.
	Federation *Federation `json:"federation,omitempty"`
}

// Federation names the tokens of another issuer that stand for a service account.
type Federation struct {
	// The issuer's https URL, as the tokens have it (iss). Its keys are found by OpenID Connect Discovery.
	Issuer string `json:"issuer"`
	// What the token must be made for (aud), and for nothing else. Best a name only this gateway uses: its URL.
	Audience string `json:"audience"`
	// Whom the token must be made out to (sub), compared as it is: no patterns.
	Subject string `json:"subject"`
	// PEM file of the authorities that the issuer's certificate must chain to; left out, those of the system.
	CAFile string `json:"ca_file,omitempty"`
}

// GroupRole says what a group may do in hoop itself.
type GroupRole struct {
	Meta

	// The group.
	Group string `json:"group"`
	// admin, approver or auditor.
	Role hoop.Role `json:"role"`
	// With true, whoever has the role through this group sees recordings of others with the literals of statements, their parameters and
	// COPY data as the client sent it. Left out, statements are shown as the audit log has them. For auditor and admin.
	Literals bool `json:"literals,omitempty"`
}
