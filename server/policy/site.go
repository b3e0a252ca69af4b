package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// siteQuery asks the site's module. It says deny by a set of reasons, and approve by a
// set of {reason, groups, count, timeout}; what it does not define it does not ask for:
//
//	package hoop.site
//
//	deny contains "agents may not touch billing" if {
//		"agents" in input.identity.groups
//		some use in input.uses
//		some table in use.tables
//		table.schema == "billing"
//	}
//
// Beside the input of the shipped module it sees that one's answer as input.decision.
const siteQuery = `x := {
	"deny": [reason | some reason in data.hoop.site.deny],
	"approve": [rule | some rule in data.hoop.site.approve],
	"wrong": [name | some name in ["deny", "approve"]; value := data.hoop.site[name]; not is_set(value)],
}`

// Module is a site's own.
type Module struct {
	File string // for messages
	Text string
}

// maxModule is the most bytes of a site's module; far above any real one.
const maxModule = 1 << 20

// ReadModule reads a site's module from a file; New says whether it is any good.
func ReadModule(path string) (*Module, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the site's policy: %w", err)
	}
	if len(b) > maxModule {
		return nil, fmt.Errorf("%s: a site's policy has at most %d bytes", path, maxModule)
	}
	return &Module{File: path, Text: string(b)}, nil
}

type siteAnswer struct {
	Deny    []string       `json:"deny"`
	Approve []siteApproval `json:"approve"`
	Wrong   []string       `json:"wrong"`
}

type siteApproval struct {
	Reason string `json:"reason"`
	hoop.ApprovalRule
}

// readAnswer decodes strictly what the site's module said.
func readAnswer(said any) (a siteAnswer, err error) {
	b, err := json.Marshal(said)
	if err != nil {
		return a, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return a, dec.Decode(&a)
}

// tighten asks the site's module and takes what makes the decision stricter: a denial;
// an approval where the decision was to allow; more people where it was to approve.
// Who may approve stays with the rule that asked first.
func (e *Engine) tighten(ctx context.Context, in *input, d hoop.Decision) (hoop.Decision, error) {
	value, err := in.valueWith(d)
	if err != nil {
		return d, fmt.Errorf("encode the decision: %w", err)
	}
	said, err := eval(ctx, *e.site, value)
	if err != nil {
		return d, fmt.Errorf("the site's module: %w", err)
	}
	answer, err := readAnswer(said)
	if err != nil {
		return d, fmt.Errorf("the site's module: %w", err)
	}
	if len(answer.Wrong) > 0 {
		return d, fmt.Errorf("the site's module: %s must be a set of values", answer.Wrong[0])
	}
	if len(answer.Deny) > 0 && d.Action != hoop.Deny {
		slices.Sort(answer.Deny)
		return hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleSite, Effect: d.Effect, Reason: "denied: " + answer.Deny[0], Policy: d.Policy, Observed: d.Observed}, nil
	}
	for _, a := range answer.Approve {
		if len(a.Groups) == 0 || slices.Contains(a.Groups, "") || a.Count < 1 || a.Timeout <= 0 {
			return d, fmt.Errorf("the site's module: an approval wants groups, a count and a timeout")
		}
		d = stricter(d, a)
	}
	return d, nil
}

// stricter adds one approval of the site's to a decision.
func stricter(d hoop.Decision, a siteApproval) hoop.Decision {
	switch {
	case d.Action == hoop.Allow:
		d.Action, d.Rule, d.Approval = hoop.Approve, hoop.RuleSite, &a.ApprovalRule
		if a.Reason != "" {
			d.Reason = "needs approval: " + a.Reason
		}
	case d.Action == hoop.Approve && a.Count > d.Approval.Count:
		more := *d.Approval
		more.Count = a.Count
		d.Approval = &more
	}
	return d
}
