// Package explain says what would happen to a statement, and why. It asks the parts
// that would decide, in their order, and runs nothing: the proxy reads the text under
// the target's catalog, the session foresees the decision, the mask rules plan the
// answer. It owns the words, and no rule but one: who may ask.
package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/policy"
	"github.com/hoopctl/hoopctl/server/proxy/postgres"
	"github.com/hoopctl/hoopctl/server/session"
)

// Options of a Service. All are needed.
type Options struct {
	// Read says what a text would do; *postgres.Proxy has it.
	Read func(ctx context.Context, target hoop.Target, database, text string) (*postgres.Reading, error)
	// Foresee says what the line would decide; *session.Line has it.
	Foresee func(ctx context.Context, id hoop.Identity, target hoop.Target, narrowed hoop.Scope, st *hoop.Statement) (session.Foresight, error)
	// Try decides a case that begins with effects; *policy.Engine has it.
	Try func(ctx context.Context, c policy.Case) policy.Outcome
	// InForce gives the grant that a session of id would stand on. An error that denies says
	// that there is none.
	InForce func(ctx context.Context, id hoop.Identity, target string) (hoop.Grant, error)
	// Target finds a declared target; Targets those that some access rule lets id have.
	Target  func(name string) (hoop.Target, bool)
	Targets func(id hoop.Identity) []hoop.Target
	Roles   func(id hoop.Identity) []hoop.Role
}

// Service explains. It may be used concurrently.
type Service struct{ Options }

// New makes a Service.
func New(o Options) *Service { return &Service{o} }

// Explain answers id. The error is a *hoop.Error and may quote the statement: it is for
// whoever asks, not for logs.
func (s *Service) Explain(ctx context.Context, id hoop.Identity, ask api.Explain) (api.Explanation, error) {
	t, err := s.target(id, ask)
	if err != nil {
		return api.Explanation{}, err
	}
	if ask.Groups != nil {
		return s.explain(ctx, hoop.Identity{Groups: ask.Groups}, t, hoop.Scope{}, ask)
	}
	g, err := s.InForce(ctx, id, t.Name)
	note := ""
	if e := (*hoop.Error)(nil); errors.As(err, &e) && e.Code != hoop.CodeInternal && e.Code != hoop.CodeUnavailable {
		note, err = "you have no grant in force, which comes first: "+e.Message, nil
	}
	if err != nil {
		return api.Explanation{}, err
	}
	x, err := s.explain(ctx, id, t, g.Scope, ask)
	if note != "" {
		x.Notes = append(x.Notes, note)
	}
	return x, err
}

// target is the one that is asked about, where id may ask.
func (s *Service) target(id hoop.Identity, ask api.Explain) (hoop.Target, error) {
	examines := s.examines(id)
	if ask.Groups != nil && !examines {
		return hoop.Target{}, hoop.Errorf(hoop.CodeDenied, "only auditors and administrators ask on behalf of other groups").
			WithHint("leave --as-groups out to ask for yourself")
	}
	t, known := s.Target(ask.Target)
	if !known || !examines && !slices.ContainsFunc(s.Targets(id), func(t hoop.Target) bool { return t.Name == ask.Target }) {
		return hoop.Target{}, hoop.Errorf(hoop.CodeDenied, "there is no target %q for you", ask.Target).
			WithHint("hoopctl targets lists what you may reach")
	}
	return t, nil
}

func (s *Service) examines(id hoop.Identity) bool {
	return slices.ContainsFunc(s.Roles(id), func(r hoop.Role) bool { return r == hoop.RoleAuditor || r == hoop.RoleAdmin })
}

// explain answers about somebody: as, who may have a grant that is narrowed so.
func (s *Service) explain(ctx context.Context, as hoop.Identity, t hoop.Target, narrowed hoop.Scope, ask api.Explain) (api.Explanation, error) {
	database := ask.Database
	if database == "" {
		database = t.Database
	}
	if !t.HasDatabase(database) {
		return api.Explanation{}, hoop.Errorf(hoop.CodeNoDatabase, "database %q of target %s is not offered", database, t.Name).
			WithHint("the target lists %s; an administrator can add others", strings.Join(append([]string{t.Database}, t.Databases...), ", "))
	}
	r, err := s.Read(ctx, t, database, ask.SQL)
	if syntax := (*pgparse.SyntaxError)(nil); errors.As(err, &syntax) {
		at := ""
		if syntax.Position > 0 {
			at = fmt.Sprintf(" (at character %d)", syntax.Position)
		}
		return api.Explanation{}, hoop.Errorf(hoop.CodeInvalid, "the statement does not parse: %s%s", syntax.Message, at).
			WithHint("the gateway denies it as effect unknown; it reads PostgreSQL 17's grammar")
	}
	if err != nil {
		return api.Explanation{}, err
	}
	f, err := s.Foresee(ctx, as, t, narrowed, r.Statement)
	if err != nil {
		return api.Explanation{}, err
	}
	x := api.Explanation{
		Target: t.Name, Database: database, Groups: append([]string{}, as.Groups...), Shape: r.Statement.Shape, Decision: f.Decision,
		Effects: []api.ExplainedEffect{}, Columns: []api.ExplainedColumn{}, Withheld: f.Withheld, Notes: []string{},
	}
	for i, u := range f.Uses {
		x.Effects = append(x.Effects, api.ExplainedEffect{Use: u, Decision: f.Each[i]})
	}
	refused := cmp.Or(r.Forbidden, f.Refused)
	if refused == nil {
		refused = r.Uncovered(f.Withheld, f.Rules)
	}
	if e := (*hoop.Error)(nil); errors.As(refused, &e) {
		x.Decision = hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleGateway, Reason: "denied: " + e.Message + "; " + e.Hint, Policy: f.Decision.Policy}
	}
	for _, a := range r.Answers {
		x.Columns = append(x.Columns, columns(f.Rules, r.Statement, a)...)
	}
	if r.Absent != "" {
		x.Notes = append(x.Notes, r.Absent+" there, so that the target refuses the statement")
	}
	if f.Least > 0 {
		x.Notes = append(x.Notes, fmt.Sprintf("counts below %d are NULL in the answer, since a protected column decides what is counted", f.Least))
	}
	if f.Rules.Any() && slices.ContainsFunc(r.Answers, func(a postgres.Answer) bool { return !a.Copy }) {
		x.Notes = append(x.Notes, "the server's description of the answer decides together with this: where the two contradict each other, the column is masked")
	}
	return x, nil
}

// columns says what becomes of an answer's columns.
func columns(rules *mask.Rules, st *hoop.Statement, a postgres.Answer) []api.ExplainedColumn {
	seen := a.Columns
	if seen == nil {
		seen = []postgres.Foreseen{{Column: hoop.Column{Name: "*", Type: anyType}}}
	}
	var all, itself []hoop.Column
	for _, c := range seen {
		all = append(all, c.Column)
		if c.Itself != nil {
			itself = append(itself, *c.Itself)
		}
	}
	plan, proven := rules.Plan(st, all).Columns, rules.Plan(st, itself).Columns
	var out []api.ExplainedColumn
	for i, c := range seen {
		x := api.ExplainedColumn{Command: a.Command + 1, Name: c.Name, Origins: []string{}}
		treated := treatment(rules, plan[i])
		x.Rule, x.Transform = treated.Rule, treated.Transform
		x.Known = c.Derived && !st.Opaque && x.Rule != mask.Unproven
		if x.Known {
			for _, o := range c.Origins {
				x.Origins = append(x.Origins, o.String())
			}
		}
		x.Why = why(rules, st, a, c, x)
		if a.Copy && !rules.Open(plan[i]) {
			x.Transform, x.Why = api.TransformDeny, x.Why+"; COPY cannot mask it"
		}
		if c.Itself != nil {
			if t := treatment(rules, proven[0]); t != treated {
				x.Itself = &t
			}
			proven = proven[1:]
		}
		out = append(out, x)
	}
	return out
}

// anyType is the type of columns of which nothing is known: values are looked for.
var anyType = &hoop.Type{OID: 25, Name: "text", Mod: -1}

func treatment(rules *mask.Rules, t *mask.Transform) api.Treatment {
	switch {
	case t == nil:
		return api.Treatment{Transform: api.TransformClear}
	case t.With() == mask.Scan && t.Rule == "":
		return api.Treatment{Rule: strings.Join(rules.ValueRules(), ","), Transform: api.TransformScan}
	}
	return api.Treatment{Rule: t.Rule, Transform: string(t.With())}
}

// why says why the column is treated so where its description proves nothing.
func why(rules *mask.Rules, st *hoop.Statement, a postgres.Answer, c postgres.Foreseen, x api.ExplainedColumn) string {
	origin := "not provable: what it is computed from is not followed"
	switch {
	case x.Known && len(c.Origins) == 0:
		origin = "it derives from no column"
	case x.Known:
		origin = "no rule protects what it derives from"
	case a.Plan:
		origin = "not provable: the answer is a plan, whose text can carry values"
	case st.Opaque:
		origin = "not provable: the statement runs or reads what its text does not show"
	case a.Columns == nil:
		origin = "not provable: its columns are not known before it runs"
	}
	switch {
	case !rules.Any():
		return "clear: no mask rule applies here"
	case x.Rule == mask.Unproven && a.Copy:
		return origin + "; it could be any column that the statement can read"
	case x.Rule == mask.Unproven:
		return origin + "; masked as the most sensitive column that the statement can read, unless the server describes it as a column of a table that no rule protects"
	case x.Transform == api.TransformScan:
		for _, o := range c.Origins {
			if _, declared := rules.Protects(o); declared && x.Known {
				return fmt.Sprintf("%s is free text: what the rule finds in it is replaced, and what is computed of it is masked", o)
			}
		}
		return origin + "; what the rule finds in it is replaced, where it is text"
	case x.Transform == api.TransformClear && x.Known:
		return "clear: " + origin
	case x.Transform == api.TransformClear:
		return "clear: the statement reads nothing protected"
	}
	for _, o := range c.Origins {
		if _, protected := rules.Protects(o); protected {
			return fmt.Sprintf("%s is protected, and so is what is computed of it", o)
		}
	}
	return origin
}

// Test decides the cases of a file, for auditors and administrators. The error is about
// the file or who asks.
func (s *Service) Test(ctx context.Context, id hoop.Identity, ask api.PolicyCases) ([]api.PolicyOutcome, error) {
	if !s.examines(id) {
		return nil, hoop.Errorf(hoop.CodeDenied, "only auditors and administrators ask on behalf of others, as cases do").
			WithHint("hoopctl policy explain asks for yourself")
	}
	cases, err := policy.ParseCases([]byte(ask.Text))
	if err != nil {
		return nil, hoop.Errorf(hoop.CodeInvalid, "policy cases: %s", err).WithHint("docs/policy.md shows the form")
	}
	var out []api.PolicyOutcome
	for _, c := range cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o := s.test(ctx, c)
		x := api.PolicyOutcome{Name: c.Name, OK: o.Err == nil, Want: c.Want, Action: o.Got.Action, Rule: o.Got.Rule}
		if o.Err != nil {
			x.Why = o.Err.Error()
		}
		out = append(out, x)
	}
	return out, nil
}

func (s *Service) test(ctx context.Context, c policy.Case) policy.Outcome {
	o := policy.Outcome{Case: c}
	t, known := s.Target(c.Target)
	switch {
	case !known:
		o.Err = fmt.Errorf("no target %q is declared", c.Target)
	case c.SQL == "" || len(c.Uses) > 0:
		return s.Try(ctx, c)
	default:
		x, err := s.explain(ctx, hoop.Identity{Subject: c.Subject, Groups: c.Groups}, t, hoop.Scope{}, api.Explain{Database: c.Database, SQL: c.SQL})
		o.Got, o.Err = x.Decision, err
		if err == nil {
			o.Err = c.Differs(x.Decision)
		}
	}
	return o
}
