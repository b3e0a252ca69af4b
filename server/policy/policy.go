// Package policy decides: a statement's effects to allow, approve or deny, and who may
// have a grant for which target.
//
// It owns the shipped Rego module (policy.rego) and runs it in OPA, without network,
// clock, randomness or environment. The declared resources are its data. A site may
// add a module of package hoop.site, which can only make a decision stricter (site.go).
// What is undefined, fails or is not understood is denied.
//
// Of several rules that match an effect the strictest decides: deny before approve
// before allow. Of several that want approval, the one that wants the most people,
// then the first by name. A rule takes the place of the default for the tables that it is
// about, so one that allows can lower it.
package policy

import (
	"context"
	"crypto/sha256"
	_ "embed" // policy.rego
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

//go:embed policy.rego
var shipped string

const (
	// cacheSize is how many decisions are remembered; about 1 KB each.
	cacheSize = 8192
	// offersSize is how many answers to who may have which target are; about 200 bytes each.
	offersSize = 4096
	// evalTimeout ends a site's module that does not end by itself.
	evalTimeout = 2 * time.Second
	// defaultTimeout is how long approvers have where a default asks them.
	defaultTimeout = hoop.Duration(2 * time.Minute)
)

// Engine decides by one state of the resources. It may be used concurrently.
type Engine struct {
	revision  string
	text      []byte // what revision is the digest of
	decide    rego.PreparedEvalQuery
	observe   rego.PreparedEvalQuery
	access    rego.PreparedEvalQuery
	emergency rego.PreparedEvalQuery
	within    rego.PreparedEvalQuery
	site      *rego.PreparedEvalQuery // nil without a site's module
	targets   map[string]bool         // what is declared
	observing map[string]bool         // targets with rules in mode observe
	demanding bool                    // there are rules with cosigned_within
	approvals map[string]*hoop.ApprovalRule
	grants    map[string]resource.AccessRule
	approvers *hoop.ApprovalRule // by default
	cache     *lru.Cache[key, hoop.Decision]
	offers    *lru.Cache[offerKey, string] // names of access rules, "" for none
}

// offerKey is who asks for which target, in an emergency or not.
type offerKey struct {
	input     key
	emergency bool
}

// New compiles the shipped module and the site's own, which may be nil, over the
// resources. The set must not change afterwards.
func New(ctx context.Context, set *resource.Set, module *Module) (*Engine, error) {
	data, err := document(set)
	if err != nil {
		return nil, err
	}
	compiler, err := compile(module)
	if err != nil {
		return nil, err
	}
	e := &Engine{targets: map[string]bool{}, observing: map[string]bool{}, approvals: map[string]*hoop.ApprovalRule{}, grants: map[string]resource.AccessRule{}}
	if e.text, err = text(module, data); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(e.text)
	e.revision = hex.EncodeToString(sum[:])
	for _, t := range set.Targets {
		e.targets[t.Name] = true
	}
	for _, r := range set.StatementRules {
		e.approvals[r.Name] = r.Approval
		e.demanding = e.demanding || r.CosignedWithin > 0
		for _, t := range set.Targets {
			if r.Mode == resource.ModeObserve && resource.NamesTarget(r.Targets, t.Name) {
				e.observing[t.Name] = true
			}
		}
	}
	for _, r := range set.AccessRules {
		e.grants[r.Name] = r
	}
	e.approvers = &hoop.ApprovalRule{Groups: set.GroupsWith(hoop.RoleApprover), Count: 1, Timeout: defaultTimeout}
	if e.cache, err = lru.New[key, hoop.Decision](cacheSize); err != nil {
		return nil, err
	}
	if e.offers, err = lru.New[offerKey, string](offersSize); err != nil {
		return nil, err
	}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	prepare := func(query string) (rego.PreparedEvalQuery, error) {
		return rego.New(
			rego.Query(query), rego.Compiler(compiler), rego.Store(store), rego.StrictBuiltinErrors(true),
		).PrepareForEval(ctx)
	}
	if e.decide, err = prepare("x := data.hoop.policy.decision"); err != nil {
		return nil, fmt.Errorf("prepare the decision: %w", err)
	}
	if e.observe, err = prepare("x := data.hoop.policy.observed"); err != nil {
		return nil, fmt.Errorf("prepare the observed decision: %w", err)
	}
	if e.within, err = prepare("x := data.hoop.policy.within"); err != nil {
		return nil, fmt.Errorf("prepare the age of cosignatures: %w", err)
	}
	if e.access, err = prepare("x := data.hoop.policy.access"); err != nil {
		return nil, fmt.Errorf("prepare access: %w", err)
	}
	if e.emergency, err = prepare("x := data.hoop.policy.emergency"); err != nil {
		return nil, fmt.Errorf("prepare access in emergencies: %w", err)
	}
	if module != nil {
		site, err := prepare(siteQuery)
		if err != nil {
			return nil, fmt.Errorf("prepare the site's module: %w", err)
		}
		e.site = &site
	}
	return e, nil
}

// compile checks the modules strictly, with only the built-in functions that depend on
// nothing but their arguments.
func compile(module *Module) (*ast.Compiler, error) {
	modules := map[string]*ast.Module{}
	opts := ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()}
	parsed, err := ast.ParseModuleWithOpts("policy.rego", shipped, opts)
	if err != nil {
		return nil, fmt.Errorf("parse the shipped policy: %w", err)
	}
	modules["policy.rego"] = parsed
	if module != nil {
		if parsed, err = ast.ParseModuleWithOpts(module.File, module.Text, opts); err != nil {
			return nil, fmt.Errorf("parse the site's policy: %w", err)
		}
		if got := parsed.Package.Path.String(); got != "data.hoop.site" {
			return nil, fmt.Errorf("%s: package %s: a site's module must be package hoop.site", parsed.Package.Location, strings.TrimPrefix(got, "data."))
		}
		modules[module.File] = parsed
	}
	c := ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).WithDefaultRegoVersion(ast.RegoV1)
	if c.Compile(modules); c.Failed() {
		return nil, fmt.Errorf("compile the policy: %w", c.Errors)
	}
	return c, nil
}

// elsewhere are families of functions, and functions, that reach out of the evaluation or
// give another answer next time or on another machine, beside those that OPA calls
// nondeterministic: zones are the machine's (TZ), certificates are verified as of now, and
// templates print addresses (%p).
var elsewhere = []string{
	"http.", "net.", "rand.", "uuid.", "opa.", "rego.", "providers.", "io.jwt.", "time.",
	"crypto.x509.parse_and_verify_certificates", "strings.render_template", "trace", "print", "internal.print",
}

// pure are the functions of those families that depend on nothing but their arguments.
var pure = []string{"time.parse_duration_ns", "time.parse_rfc3339_ns"}

// capabilities are OPA's without what reaches out of the evaluation or gives another
// answer next time.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		begins := func(prefix string) bool { return strings.HasPrefix(b.Name, prefix) }
		return b.Nondeterministic || slices.ContainsFunc(elsewhere, begins) && !slices.Contains(pure, b.Name)
	})
	return c
}

// text is modules and data in their canonical form: JSON with sorted keys and rules
// sorted by name. Secrets are scrubbed (resource.Secret).
func text(module *Module, data map[string]any) ([]byte, error) {
	site := ""
	if module != nil {
		site = module.Text
	}
	b, err := json.Marshal(map[string]any{"policy.rego": shipped, "site.rego": site, "data": data})
	if err != nil {
		return nil, fmt.Errorf("encode the policy: %w", err)
	}
	return b, nil
}

// Shipped is the text of the module that decides.
func Shipped() string { return shipped }

// Data is what the modules see as data, in JSON: {"hoop": {"resources", "index"}}.
// Secrets are not in it.
func Data(set *resource.Set) ([]byte, error) {
	data, err := document(set)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(data, "", "  ")
}

// Revision names the policy in force: the SHA-256, hex, of modules and data.
func (e *Engine) Revision() string { return e.revision }

// Text is the policy in force: the JSON whose SHA-256 is the revision. It has no
// secret. The caller must not change it.
func (e *Engine) Text() []byte { return e.text }

// Decide decides a statement by its effects. No effects are denied. An error is a
// denial too; the decision beside it says so.
func (e *Engine) Decide(ctx context.Context, id hoop.Identity, target string, uses []hoop.Use) (hoop.Decision, error) {
	in := &input{id, target, uses}
	key := in.key()
	d, ok := e.cache.Get(key)
	if !ok {
		var err error
		if d, err = e.evaluate(ctx, in); err != nil {
			return e.deny(), fmt.Errorf("decide on target %s: %w", target, err)
		}
		e.cache.Add(key, d)
	}
	return e.explained(d, uses), nil
}

// Approvers is who approves where no rule says; nil where no group has the role.
func (e *Engine) Approvers() *hoop.ApprovalRule {
	if len(e.approvers.Groups) == 0 {
		return nil
	}
	a := *e.approvers
	a.Groups = slices.Clone(a.Groups)
	return &a
}

func (e *Engine) deny() hoop.Decision {
	return hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleDefault, Reason: "the policy could not decide", Policy: e.revision}
}

// explained adds the reasons, in the words of the effects that decided. They are not
// part of the input, so not of the cache.
func (e *Engine) explained(d hoop.Decision, uses []hoop.Use) hoop.Decision {
	if d.Approval != nil {
		a := *d.Approval
		a.Groups = slices.Clone(a.Groups)
		d.Approval = &a
	}
	if d.Observed != nil {
		o := *d.Observed
		d.Observed = &o
	}
	if d.Also != nil {
		d.Also = slices.Clone(d.Also)
		for i := range d.Also {
			d.Also[i] = e.explained(d.Also[i], uses)
		}
	}
	if d.Reason != "" {
		return d
	}
	why := "the statement has no known effect"
	for _, u := range uses {
		if u.Effect == d.Effect {
			if why = string(u.Effect); u.Why != "" {
				why += ": " + u.Why
			}
			break
		}
	}
	switch d.Action {
	case hoop.Allow:
		d.Reason = why
	case hoop.Approve:
		d.Reason = "needs approval: " + why
	default:
		d.Reason = "denied: " + why
	}
	return d
}

// evaluate runs the modules.
func (e *Engine) evaluate(ctx context.Context, in *input) (hoop.Decision, error) {
	value := in.value()
	answer, err := eval(withoutEnd(ctx), e.decide, value)
	if err != nil {
		return hoop.Decision{}, err
	}
	d, err := e.decision(answer, in)
	if err != nil {
		return hoop.Decision{}, err
	}
	if e.observing[in.target] {
		if answer, err = eval(withoutEnd(ctx), e.observe, value); err != nil {
			return hoop.Decision{}, fmt.Errorf("what rules in mode observe say: %w", err)
		}
		other, err := e.decision(answer, in)
		if err != nil {
			return hoop.Decision{}, err
		}
		if other.Action != d.Action || other.Rule != d.Rule || other.Effect != d.Effect {
			d.Observed = &hoop.Observed{Action: other.Action, Effect: other.Effect, Rule: other.Rule}
		}
	}
	if e.demanding {
		if answer, err = eval(withoutEnd(ctx), e.within, value); err != nil {
			return hoop.Decision{}, fmt.Errorf("what rules with cosigned_within say: %w", err)
		}
		seconds, _ := answer.(json.Number)
		n, err := seconds.Int64()
		if err != nil {
			return hoop.Decision{}, fmt.Errorf("the policy answers %v", answer)
		}
		d.CosignedWithin = hoop.Duration(time.Duration(n) * time.Second)
	}
	switch d.Action {
	case hoop.Allow, hoop.Deny:
	case hoop.Approve:
		d = e.asking(d)
	default:
		return hoop.Decision{}, fmt.Errorf("the policy answers %q", d.Action)
	}
	if e.site == nil {
		return d, nil
	}
	ctx, cancel := context.WithTimeout(ctx, evalTimeout)
	defer cancel()
	return e.tighten(ctx, in, d)
}

// asking adds to an approval who is asked. Of rules of the same people one is enough.
func (e *Engine) asking(d hoop.Decision) hoop.Decision {
	var also []hoop.Decision
	asked := func(groups []string) bool {
		return slices.ContainsFunc(append(also, d), func(a hoop.Decision) bool { return hoop.SameGroups(a.Approval.Groups, groups) })
	}
	d.Approval = e.whom(d.Rule)
	for _, a := range d.Also {
		if a.Approval = e.whom(a.Rule); !asked(a.Approval.Groups) {
			also = append(also, a)
		}
	}
	d.Also = also
	if len(d.Approval.Groups) == 0 || slices.ContainsFunc(also, func(a hoop.Decision) bool { return len(a.Approval.Groups) == 0 }) {
		d.Action, d.Approval, d.Also = hoop.Deny, nil, nil
		d.Reason = fmt.Sprintf("denied: %s needs approval by default, and no group has the role approver", d.Effect)
	}
	return d
}

// whom is who approves by a rule, or by default.
func (e *Engine) whom(rule string) *hoop.ApprovalRule {
	if a := e.approvals[rule]; a != nil {
		return a
	}
	return e.approvers
}

// withoutEnd is for the shipped module, which ends by itself in less than a millisecond:
// OPA starts a goroutine for each evaluation that a context may end.
func withoutEnd(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

var errUndefined = errors.New("undefined")

// eval runs a query and gives its x: values as encoding/json makes them, numbers as
// json.Number. Undefined is an error.
func eval(ctx context.Context, q rego.PreparedEvalQuery, in ast.Value) (any, error) {
	rs, err := q.Eval(ctx, rego.EvalParsedInput(in))
	if err != nil {
		return nil, err
	}
	if len(rs) != 1 {
		return nil, errUndefined
	}
	return rs[0].Bindings["x"], nil
}

// decision reads the shipped module's answer, {action, rule, use, also}.
func (e *Engine) decision(answer any, in *input) (hoop.Decision, error) {
	m, _ := answer.(map[string]any)
	also, okAlso := m["also"].([]any)
	d, ok := e.part(m["action"], m["rule"], m["use"], in)
	for _, a := range also {
		pair, _ := a.([]any)
		if len(pair) != 2 {
			ok = false
			break
		}
		other, okOther := e.part(m["action"], pair[0], pair[1], in)
		d.Also, ok = append(d.Also, other), ok && okOther
	}
	if !ok || !okAlso || len(m) != 4 {
		return hoop.Decision{}, fmt.Errorf("the policy answers %v", answer)
	}
	return d, nil
}

// part reads one of the rules that decide: what it says, its name, and of which effect.
func (e *Engine) part(action, rule, use any, in *input) (hoop.Decision, bool) {
	does, ok := action.(string)
	name, okRule := rule.(string)
	number, okUse := use.(json.Number)
	i, err := number.Int64()
	d := hoop.Decision{Action: hoop.Action(does), Rule: name, Policy: e.revision}
	if err == nil && i >= 0 && i < int64(len(in.uses)) {
		d.Effect = in.uses[i].Effect
	}
	return d, ok && okRule && okUse && err == nil
}

// NoAccess is what whoever no access rule lets reach a target is told, of those that there
// are and of those that there are not.
func NoAccess(target string) *hoop.Error {
	return hoop.Errorf(hoop.CodeDenied, "no access rule lets you reach target %s", target).
		WithHint("hoopctl targets lists what you may ask for; an administrator can add a rule for one of your groups")
}

// Access finds the access rule for an identity on a target: one that asks nobody
// before one that does, then the longest, then the one that asks fewer people, then
// by name. Where there is none the error is a *hoop.Error of CodeDenied.
func (e *Engine) Access(ctx context.Context, id hoop.Identity, target string) (hoop.Access, error) {
	return e.offer(ctx, false, id, target, NoAccess(target))
}

// BreakGlass finds the access rule for an identity on a target in an emergency, as Access
// does among the other rules.
func (e *Engine) BreakGlass(ctx context.Context, id hoop.Identity, target string) (hoop.Access, error) {
	return e.offer(ctx, true, id, target, hoop.Errorf(hoop.CodeDenied, "no access rule with break_glass lets you reach target %s", target).
		WithHint("an administrator can add one for one of your groups"))
}

func (e *Engine) offer(ctx context.Context, emergency bool, id hoop.Identity, target string, denied *hoop.Error) (hoop.Access, error) {
	rule, err := e.accessRule(ctx, emergency, &input{identity: id, target: target})
	switch {
	case err != nil:
		return hoop.Access{}, denied.Wrap(fmt.Errorf("decide access to target %s: %w", target, err))
	case rule == "":
		return hoop.Access{}, denied
	}
	r, ok := e.grants[rule]
	if !ok {
		return hoop.Access{}, hoop.Errorf(hoop.CodeInternal, "the policy names access rule %s, which nobody declared", rule)
	}
	a := hoop.Access{
		Rule: r.Name, MaxDuration: r.MaxDuration, ReasonRequired: r.Reason == resource.ReasonRequired,
		MaxSessions: r.MaxSessions, MaxUses: r.MaxUses,
	}
	if r.BreakGlass != nil {
		a.Reviewers = slices.Clone(r.BreakGlass.Reviewers)
	}
	if r.Approval != nil {
		approval := *r.Approval
		approval.Groups = slices.Clone(approval.Groups)
		a.Approval = &approval
	}
	return a, nil
}

// accessRule asks the module which access rule is for somebody; "" where none is. Each
// new connection asks, so answers are remembered.
func (e *Engine) accessRule(ctx context.Context, emergency bool, in *input) (string, error) {
	key := offerKey{in.key(), emergency}
	if rule, ok := e.offers.Get(key); ok {
		return rule, nil
	}
	q := e.access
	if emergency {
		q = e.emergency
	}
	answer, err := eval(withoutEnd(ctx), q, in.value())
	rule, ok := answer.(string)
	switch {
	case errors.Is(err, errUndefined):
		rule = ""
	case err != nil:
		return "", err
	case !ok || rule == "":
		return "", fmt.Errorf("the policy answers %v", answer)
	}
	e.offers.Add(key, rule)
	return rule, nil
}
