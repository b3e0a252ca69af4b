package hoop

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Effect is one thing a statement can do. A statement has every effect that it can
// have; each is decided, and the strictest decision decides the statement.
type Effect string

// The effects, as the contract lists them.
const (
	EffectRead           Effect = "read"
	EffectSession        Effect = "session"
	EffectWrite          Effect = "write"
	EffectImport         Effect = "import"
	EffectInfer          Effect = "infer"
	EffectUnboundedWrite Effect = "unbounded-write"
	EffectDDL            Effect = "ddl"
	EffectDestroy        Effect = "destroy"
	EffectRole           Effect = "role"
	EffectExport         Effect = "export"
	EffectDerive         Effect = "derive"
	EffectOpaque         Effect = "opaque"
	EffectServer         Effect = "server"
	EffectUnknown        Effect = "unknown"
)

// Effects lists every effect with the decision taken where no rule matches.
var Effects = []struct {
	Effect  Effect
	Default Action
}{
	{EffectRead, Allow},
	{EffectSession, Allow},
	{EffectWrite, Allow},
	{EffectImport, Allow},
	{EffectInfer, Allow},
	{EffectUnboundedWrite, Approve},
	{EffectDDL, Approve},
	{EffectDestroy, Approve},
	{EffectRole, Approve},
	{EffectExport, Approve},
	{EffectDerive, Approve},
	{EffectOpaque, Approve},
	{EffectServer, Deny},
	{EffectUnknown, Deny},
}

// Known reports whether there is such an effect.
func (e Effect) Known() bool {
	for _, known := range Effects {
		if known.Effect == e {
			return true
		}
	}
	return false
}

// Changes reports whether the effect can leave anything behind in the target, so
// that its intent must be durable before it is forwarded.
func (e Effect) Changes() bool {
	switch e {
	case EffectRead, EffectSession, EffectInfer, EffectExport:
		return false
	}
	return true
}

// Use is one effect of a statement and what it touches.
type Use struct {
	Effect  Effect      `json:"effect"`
	Tables  []string    `json:"tables,omitempty"`  // canonical names (TableName); "*" where it could be any
	Columns []ColumnRef `json:"columns,omitempty"` // of infer: what decides rows, counts or order; of derive: what is copied, too
	Into    []string    `json:"into,omitempty"`    // of derive: where the data goes; canonical names
	// Keeps, of derive, says that only texts and numbers are computed, each NULL where
	// what it is computed of is: what hides all of a value hides this as well.
	Keeps bool `json:"keeps,omitempty"`
	// Rows, of what copies, are columns that decide how many rows are put there for each that is
	// chosen, as an argument of generate_series does; AnyColumn where that is not known. What
	// the statement chooses rows by is an infer. Elements are columns as many rows as whose
	// values have elements are put there.
	Rows, Elements []ColumnRef `json:"-"`
	// Shaped, of derive, says that all that is put there has the shape (NULLs, sizes, nesting) of
	// values that are stored; that of what is computed may say anything.
	Shaped bool `json:"-"`
	// Behind, of derive, says that code does it which exists already and which the text does not call,
	// as a trigger does.
	Behind bool `json:"-"`
	// Exact, of derive, says that it is one by its tables alone: what else the statement may
	// reach makes no difference.
	Exact bool `json:"-"`
	// Parts gives, for each of Tables and Into that is a partition, the table that it is a
	// partition of.
	Parts map[string]string `json:"-"`
	// Parents gives, for each of Tables that inherits from others or is a partition, those,
	// directly or not.
	Parents map[string][]string `json:"-"`
	Why     string              `json:"why,omitempty"` // for people: "DELETE without a condition"
}

// Line is the effect for people: what, on which tables, into which, by which columns, why.
func (u Use) Line() string {
	s := string(u.Effect)
	if len(u.Tables) > 0 {
		s += " on " + strings.Join(u.Tables, ", ")
	}
	if len(u.Into) > 0 {
		s += " into " + strings.Join(u.Into, ", ")
	}
	for i, c := range u.Columns {
		s += map[bool]string{true: " by ", false: ", "}[i == 0] + c.String()
	}
	if u.Why != "" {
		s += ": " + u.Why
	}
	return s
}

// Statement is what a client wants to run: one Query message, or one bound portal.
// Its fields are set by the proxy and read by the line; nothing changes them after
// Judge.
type Statement struct {
	Text     string   // exactly as sent
	Shape    string   // Text with literals replaced by $n: what events may carry
	Params   []Param  // bound values, in order
	Uses     []Use    // effects with what they touch
	Reads    []string // tables whose values can reach the client, an error text or a new place; canonical names
	Opaque   bool     // it can read what its text does not show: views, functions, triggers, cursors
	Measured bool     // Carries is complete; otherwise anything in Reads may come out at once
	Carries  []Carry  // how much of which tables it can deliver
	Looks    []Look   // places where columns decide which rows come back, how often, or in what order
	Opens    []string // cursors that it opens, named portals too: FETCH can read them
	Fetches  []string // cursors whose rows it delivers, which other statements opened
	Verb     string   // "SELECT", "DROP TABLE": for lists and notices
	Verbs    []string // those of all its commands, of what it executes by name too
	// Copied is what its own text may put where it is not followed, of rows that no key
	// names: Columns, or where there are none anything of Tables.
	Copied   []Use
	InTx     bool // a transaction is open (implicit ones count), so a hold keeps locks
	Database string
	// Dialect stands for the settings by which values that are written in Text, or bound, are
	// read as times. Where it is the same, so are they.
	Dialect string
	// Secrets are the credentials in Text, in order, and SecretParams the parameters, from 1,
	// that hold one: the target gets them, no record and no person.
	Secrets      []Secret
	SecretParams []int
	// Literal gives a literal of Text by its number, as it stands there; ok is false where
	// it cannot. Nil where nobody asks.
	Literal func(n int) (text string, ok bool)
}

// Secret is a credential in a text: what stands there, and what is shown in its place.
type Secret struct {
	Start, End int    // bytes; End is exclusive
	Shown      string // a literal that says what it was
	// Values are what it says, in every spelling that an error may quote.
	Values []string
}

// Hidden stands where a credential was.
const Hidden = "[secret]"

// Conceal gives a text with what is shown in place of its secrets.
func Conceal(text string, secrets []Secret) string {
	if len(secrets) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, s := range secrets {
		b.WriteString(text[at:s.Start] + s.Shown)
		at = s.End
	}
	return b.String() + text[at:]
}

// Shown is Text as records have it and people see it.
func (s *Statement) Shown() string { return Conceal(s.Text, s.Secrets) }

// Quotes reports whether a message quotes one of the secrets.
func Quotes(message []byte, secrets []Secret) bool {
	return slices.ContainsFunc(secrets, func(x Secret) bool {
		return slices.ContainsFunc(x.Values, func(v string) bool { return v != "" && bytes.Contains(message, []byte(v)) })
	})
}

// Param is one bound value of a statement.
type Param struct {
	Type   uint32 // type OID, 0 where unspecified
	Binary bool
	Value  []byte // nil is NULL; valid as long as the statement
}

// Look is one place of a statement where a column decides which rows come back, how
// often, or in what order.
type Look struct {
	Columns  []ColumnRef // which it may be
	Operands []Operand   // what it is compared with
	Exact    bool        // whether it is equal to one of Operands, and nothing else
	Joined   bool        // it is compared with other columns
	// Against is what these may be: columns of tables, those of partitions and inheritance
	// relatives together.
	Against [][]ColumnRef
	Many    bool // it is compared with values that the text does not list
	Split   bool // there are as many rows as it has elements
	View    bool // it is a column of a view
	// Near are further values that it is tested for, in ways that are no plain comparison of
	// the column: in rows, under casts and functions, by way of other columns.
	Near []Operand
	// Listed are the values that what is made of it is tested for, one after the other, where
	// it is not Exact; Computed is how many more are computed.
	Listed   []Operand
	Computed int
	// Between are ranges that it is wanted from.
	Between []Range
	// Loose says that texts may be compared by a collation or a type that calls other ones equal.
	Loose bool
	// Wrote says that Operands, or any number of values, are written into it: it decides
	// nothing until it is searched. Together they make one value.
	Wrote, Together bool
	// Fails says that a constraint may compare it with what is written: it decides where that
	// fails, and where Errs in any other way too.
	Fails, Errs bool
	// Hidden says that it decides only where the session may have tables of its own that are
	// not followed.
	Hidden bool
	// Counted says that it may decide which rows an aggregate counts, Least how many rows
	// the statement itself wants in every group that it shows; 0 where that is not proven.
	Counted bool
	Least   int
	// Counts are the columns of the answer, from 0, that say how many rows a group of these
	// has, where the statement shows nothing else of its groups but what they are grouped
	// by; nil where it does, or may.
	Counts []int
}

// Range is what lies between two values.
type Range struct {
	Low, High         Operand
	LowOpen, HighOpen bool // without the value itself
}

// Operand is a value that a column is compared with: a literal, a parameter or a text.
type Operand struct {
	Literal int       // which of the text, from 0; -1 for none
	Param   int       // which parameter, from 1; 0 for none
	Text    string    // where it is neither
	Parts   []Operand // what an expression is made of that is one value, Text being how
	Array   bool      // it holds several values, as an array does
	Words   bool      // of Array: where it is none, each word is a value, as in an int2vector or a tsvector
	Cast    string    // the types that it is cast to, the last one first; "" for none
}

// Whole is any number of rows.
const Whole = -1

// Carry says how many rows of a table a statement can take out of it.
type Carry struct {
	Tables []string `json:"tables"` // one of these, canonical names; "*" could be any
	Rows   int      `json:"rows"`   // that one row of the answer can carry values of; Whole is any number
	// Copies says that they go to another place in the target, not to the client: Rows
	// is then of the statement, not of a row.
	Copies bool `json:"copies,omitempty"`
}

// Changes reports whether the statement can leave anything behind.
func (s *Statement) Changes() bool {
	for _, u := range s.Uses {
		if u.Effect.Changes() {
			return true
		}
	}
	return false
}

// Action is what a decision says. They are ordered: Allow < Approve < Deny.
type Action string

// The actions.
const (
	Allow   Action = "allow"
	Approve Action = "approve"
	Deny    Action = "deny"
)

func (a Action) rank() int {
	switch a {
	case Allow:
		return 0
	case Approve:
		return 1
	default: // Deny, and whatever we do not know
		return 2
	}
}

// Stricter compares actions: positive when a is stricter than b.
func (a Action) Stricter(b Action) int { return cmp.Compare(a.rank(), b.rank()) }

// Decision is the policy's word on one statement.
type Decision struct {
	Action   Action        `json:"action"`
	Effect   Effect        `json:"effect,omitempty"` // the one that decided
	Rule     string        `json:"rule,omitempty"`   // name of the rule, or RuleDefault and the like
	Reason   string        `json:"reason"`           // for people
	Approval *ApprovalRule `json:"approval,omitempty"`
	// Also is what must be approved besides: rules as strict as Rule, whose people are others.
	Also   []Decision `json:"also,omitempty"`
	Policy string     `json:"policy"` // revision in force, hex
	// Observed is what rules in mode observe would have made of it; nil where nothing else.
	Observed *Observed `json:"observed,omitempty"`
	// CosignedWithin is how old the newest cosignature of the audit log may be for the
	// statement to run; zero: it needs none.
	CosignedWithin Duration `json:"cosigned_within,omitempty"`
}

// SameGroups reports whether two lists name the same groups.
func SameGroups(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Names in Decision.Rule of what decided where no declared rule did.
const (
	RuleDefault   = "default"         // what an effect leads to where no rule is about it
	RuleMasked    = "masked"          // unknown statements where masks apply
	RuleSite      = "site"            // the site's own policy module
	RuleScope     = "grant-scope"     // what the grant was narrowed to
	RuleGateway   = "gateway"         // refused whatever the rules say
	RuleInference = "inference-limit" // more comparisons with protected columns than a limit allows
)

// Observed is a decision that was not taken.
type Observed struct {
	Action Action `json:"action"`
	Effect Effect `json:"effect,omitempty"`
	Rule   string `json:"rule"`
}

// String is for events: "deny by rule vault on read".
func (o Observed) String() string {
	return string(o.Action) + " by rule " + o.Rule + " on " + string(o.Effect)
}

// ColumnRef names one column of one table, unquoted.
type ColumnRef struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Column string `json:"column"` // "*" is every column
}

// ColumnID is a column by numbers, which it keeps whatever it is called.
type ColumnID struct {
	Table uint32 `json:"oid"`    // pg_class.oid
	Attr  int16  `json:"attnum"` // pg_attribute.attnum
}

// AnyColumn stands for a column that may be any of the target's.
var AnyColumn = ColumnRef{Schema: "*", Table: "*", Column: "*"}

// String is the canonical name, quoted as in SQL where needed; "*" is bare.
func (c ColumnRef) String() string {
	parts := []string{c.Schema, c.Table, c.Column}
	for i, p := range parts {
		if p != "*" {
			parts[i] = QuoteIdent(p)
		}
	}
	return strings.Join(parts, ".")
}

// TableName is the canonical name of a table: schema.table, quoted as in SQL where
// needed.
func TableName(schema, table string) string {
	return QuoteIdent(schema) + "." + QuoteIdent(table)
}

// QuoteIdent quotes an identifier when PostgreSQL would fold or refuse it bare
// (PostgreSQL manual, "Identifiers and Key Words"). Key words are left bare: these
// names are compared and shown, never run.
func QuoteIdent(s string) string {
	plain := s != ""
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '$') {
			continue
		}
		plain = false
		break
	}
	if plain {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// TypeKind is the shape of a type: what a mask must keep.
type TypeKind byte

// The kinds of type (pg_type.typtype, with arrays told apart).
const (
	TypeBase TypeKind = iota
	TypeArray
	TypeComposite
	TypeEnum
	TypeDomain
	TypeRange
	TypeMultirange
	TypePseudo
	TypeUnknown
)

// Type is a type of the target, with what it is made of.
type Type struct {
	OID    uint32
	Name   string // "text", "clinic.address_t"
	Kind   TypeKind
	Elem   *Type    // of an array, a domain's base, a range's bound
	Fields []*Type  // of a composite
	Ends   []string // of an enum: its first and its last value, none where it has none
	Mod    int32    // type modifier, -1 for none; varchar(n) has n+4

	Unchecked bool // a domain that is known to have no check of its own
}

// Column is one column of an answer as the proxy could prove it.
type Column struct {
	Name   string
	Type   *Type
	Binary bool
	// Proven says that the values are exactly those of Origins, Derived that they are
	// computed from Origins and from nothing else. Otherwise they may be anything that the
	// statement reads, and Origins is empty.
	Proven, Derived bool
	// Plain says that each value is one that is stored in a column of Origins, as it is: none is
	// a constant, and none was made one of another type. Shaped says that its shape (where it is
	// NULL, how many elements and members it has, how it is nested) is made of those of such
	// values and of constants. Plain values are Shaped.
	Plain, Shaped bool
	// From are the columns that those of Origins are generated from by the target itself.
	From    []ColumnRef
	Origins []ColumnRef
}

// ApprovalRule says who must approve, and how soon.
type ApprovalRule struct {
	Groups  []string `json:"groups"`
	Count   int      `json:"count"`
	Timeout Duration `json:"timeout"`
}

// Access is what a rule offers one identity on one target: how it may get a grant.
type Access struct {
	Rule           string
	MaxDuration    Duration
	Approval       *ApprovalRule // nil: nobody is asked
	ReasonRequired bool
	MaxSessions    int // of a grant at once; 0: any number
	MaxUses        int // sessions that begin under a grant; 0: any number
	// Reviewers are groups that review a grant taken in an emergency; nil for others.
	Reviewers []string
}
