package api

import "github.com/hoopctl/hoopctl/pkg/hoop"

// MaxExplained is how long the bodies of PathExplain and PathCases may be, in bytes.
const MaxExplained = 1 << 20

// Explain asks what would happen to a statement. Nothing runs.
type Explain struct {
	Target   string `json:"target"`
	Database string `json:"database,omitempty"` // left out: the target's default
	// Groups ask on behalf of somebody who is in these and nothing else, which auditors and
	// administrators may; nil asks for oneself.
	Groups []string `json:"groups,omitempty"`
	SQL    string   `json:"sql"`
}

// Explanation is the answer: what the line would say to the statement, sent alone on a
// new connection.
type Explanation struct {
	Target   string            `json:"target"`
	Database string            `json:"database"`
	Groups   []string          `json:"groups"`   // of whom the answer is about
	Shape    string            `json:"shape"`    // the statement without its literals
	Decision hoop.Decision     `json:"decision"` // the strictest
	Effects  []ExplainedEffect `json:"effects"`
	Columns  []ExplainedColumn `json:"columns"`
	// Withheld says that texts of the statement's errors and notices would be withheld.
	Withheld bool     `json:"texts_withheld"`
	Notes    []string `json:"notes"`
}

// ExplainedEffect is one effect of the statement and what it alone leads to.
type ExplainedEffect struct {
	hoop.Use
	Decision hoop.Decision `json:"decision"`
}

// Transforms that no rule names.
const (
	TransformClear = "clear" // the value as it is
	TransformScan  = "scan"  // what value rules find in it is replaced
	TransformDeny  = "deny"  // COPY is refused because of it
)

// ExplainedColumn is one column of an answer.
type ExplainedColumn struct {
	Command int      `json:"command"` // in the statement's text, from 1
	Name    string   `json:"name"`    // "*": every column, where their number is not known; "" where the name is not
	Known   bool     `json:"known"`   // the values derive from Origins and nothing else
	Origins []string `json:"origins"`
	// Rule and Transform hold where the target's description of the answer proves nothing
	// about the column. Together with it they can only be as strict or, in Itself, what is
	// said there.
	Rule      string `json:"rule,omitempty"`
	Transform string `json:"transform"`
	Why       string `json:"why"`
	// Itself holds instead where the target's description proves that the column shows a
	// column of a table as it is. It is left out where that makes no difference, or cannot be.
	Itself *Treatment `json:"itself,omitempty"`
}

// Treatment is what becomes of a column's values.
type Treatment struct {
	Rule      string `json:"rule,omitempty"`
	Transform string `json:"transform"`
}

// PolicyCases is a file of policy cases (docs/policy.md), to be decided by the policy in
// force.
type PolicyCases struct {
	Text string `json:"text"` // YAML
}

// PolicyOutcome is what became of one case.
type PolicyOutcome struct {
	Name   string      `json:"name"`
	OK     bool        `json:"ok"`
	Want   hoop.Action `json:"want"`
	Action hoop.Action `json:"action,omitempty"` // what was decided
	Rule   string      `json:"rule,omitempty"`
	Why    string      `json:"why,omitempty"` // where it is not ok
}
