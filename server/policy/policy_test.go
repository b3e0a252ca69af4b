package policy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/tester"
	"pgregory.net/rapid"
)

// TestRego runs policy_test.rego in OPA's own tester.
func TestRego(t *testing.T) {
	modules := map[string]*ast.Module{}
	for _, name := range []string{"policy.rego", "policy_test.rego"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if modules[name], err = ast.ParseModuleWithOpts(name, string(b), ast.ParserOptions{RegoVersion: ast.RegoV1}); err != nil {
			t.Fatal(err)
		}
	}
	c := ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true)
	results, err := tester.NewRunner().SetCompiler(c).SetDefaultRegoVersion(ast.RegoV1).RaiseBuiltinErrors(true).
		SetTimeout(time.Minute).SetModules(modules).RunTests(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := range results {
		n++
		if !r.Pass() {
			t.Errorf("%s: %s", r.Name, r)
		}
	}
	if n < 9 {
		t.Errorf("only %d tests ran", n)
	}
}

const targets = `kind: Target
name: pg
spec: {type: postgres, address: "db:5432", database: clinic, credential: {username: app, password: {value: hunter2}}}
---
kind: Target
name: test
spec: {type: postgres, address: "db:5432", database: clinic, credential: {username: app, password: {value: hunter2}}}
---
kind: GroupRole
name: approvers
spec: {group: oncall, role: approver}
---
`

func load(t testing.TB, docs string) *resource.Set {
	t.Helper()
	set, err := resource.Parse("r.yaml", []byte(targets+docs))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func engine(t testing.TB, docs, site string) *Engine {
	t.Helper()
	var module *Module
	if site != "" {
		module = &Module{"site.rego", site}
	}
	e, err := New(t.Context(), load(t, docs), module)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decide(t testing.TB, e *Engine, groups string, target string, uses ...hoop.Use) hoop.Decision {
	t.Helper()
	d, err := e.Decide(t.Context(), hoop.Identity{Subject: "alice", Groups: strings.Fields(groups)}, target, uses)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecide_Defaults(t *testing.T) {
	e := engine(t, "", "")
	for _, c := range hoop.Effects {
		d := decide(t, e, "agents", "pg", hoop.Use{Effect: c.Effect, Why: "because"})
		if d.Action != c.Default || d.Rule != hoop.RuleDefault || d.Effect != c.Effect || d.Policy != e.Revision() {
			t.Errorf("%s: %+v", c.Effect, d)
		}
		if !strings.Contains(d.Reason, "because") {
			t.Errorf("%s: reason %q", c.Effect, d.Reason)
		}
		if c.Default == hoop.Approve {
			want := &hoop.ApprovalRule{Groups: []string{"oncall"}, Count: 1, Timeout: defaultTimeout}
			if diff := cmp.Diff(want, d.Approval); diff != "" {
				t.Error(diff)
			}
		} else if d.Approval != nil {
			t.Errorf("%s: %+v", c.Effect, d.Approval)
		}
	}
}

const rules = `kind: StatementRule
name: risky
spec: {targets: [pg], groups: ["*"], effects: [ddl, destroy, role], tables: ["*"], decision: approve, approval: {groups: [dba], count: 1, timeout: 2m}}
---
kind: StatementRule
name: vault
spec: {targets: ["*"], groups: [agents], effects: ["*"], tables: ["vault.*", 'clinic."Keys"'], decision: deny}
---
kind: StatementRule
name: free
spec: {targets: [test], groups: ["*"], effects: ["*"], decision: allow}
---
kind: StatementRule
name: scratch
spec: {targets: [pg], groups: ["*"], effects: ["*"], tables: ["scratch.*"], decision: allow}
---
kind: StatementRule
name: two-for-billing
spec: {targets: [pg], groups: ["*"], effects: [destroy], tables: [billing.invoices], decision: approve, approval: {groups: [cfo], count: 2, timeout: 5m}}
---
kind: MaskRule
name: ssn
spec: {targets: [pg], columns: ["*.*.ssn"], with: redact}
---
`

// A rule's demand for a cosignature counts wherever the rule matches, also where another
// decides; the shortest counts, and one that only observes demands nothing.
func TestDecide_CosignedWithin(t *testing.T) {
	e := engine(t, `kind: StatementRule
name: careful
spec: {targets: [pg], groups: ["*"], effects: [read], tables: [clinic.patients], decision: allow, cosigned_within: 10m}
---
kind: StatementRule
name: more-careful
spec: {targets: [pg], groups: [agents], effects: ["*"], tables: [clinic.patients], decision: allow, cosigned_within: 5m}
---
kind: StatementRule
name: nobody
spec: {targets: [pg], groups: ["*"], effects: [destroy], decision: deny}
---
kind: StatementRule
name: trial
spec: {targets: ["*"], groups: ["*"], effects: ["*"], decision: allow, cosigned_within: 2m, mode: observe}
`, `package hoop.site
deny contains "never" if input.target == "none"`)
	use := func(effect hoop.Effect, table string) hoop.Use {
		return hoop.Use{Effect: effect, Tables: []string{table}}
	}
	for _, tc := range []struct {
		groups, target string
		uses           []hoop.Use
		want           time.Duration
	}{
		{"agents", "pg", []hoop.Use{use(hoop.EffectRead, "clinic.patients")}, 5 * time.Minute},
		{"staff", "pg", []hoop.Use{use(hoop.EffectRead, "clinic.patients")}, 10 * time.Minute},
		{"staff", "pg", []hoop.Use{use(hoop.EffectWrite, "clinic.patients")}, 0},
		{"agents", "pg", []hoop.Use{use(hoop.EffectRead, "clinic.wards")}, 0},
		{"agents", "pg", []hoop.Use{use(hoop.EffectRead, "clinic.wards"), use(hoop.EffectDestroy, "clinic.patients")}, 5 * time.Minute},
		{"agents", "pg", []hoop.Use{use(hoop.EffectRead, "*")}, 5 * time.Minute},
		{"agents", "test", []hoop.Use{use(hoop.EffectRead, "clinic.patients")}, 0},
	} {
		if d := decide(t, e, tc.groups, tc.target, tc.uses...); time.Duration(d.CosignedWithin) != tc.want {
			t.Errorf("%s on %s, %v: got %+v, want %s", tc.groups, tc.target, tc.uses, d, tc.want)
		}
	}
}

func TestDecide_Rules(t *testing.T) {
	e := engine(t, rules, "")
	use := func(effect hoop.Effect, tables ...string) hoop.Use {
		return hoop.Use{Effect: effect, Tables: tables}
	}
	for _, c := range []struct {
		name, groups, target string
		uses                 []hoop.Use
		action               hoop.Action
		rule                 string
	}{
		{"read", "agents", "pg", []hoop.Use{use("read", "clinic.wards")}, hoop.Allow, hoop.RuleDefault},
		{"a denied schema", "agents", "pg", []hoop.Use{use("read", "vault.keys")}, hoop.Deny, "vault"},
		{"a denied quoted table", "agents", "pg", []hoop.Use{use("read", `clinic."Keys"`)}, hoop.Deny, "vault"},
		{"another case", "agents", "pg", []hoop.Use{use("read", "clinic.keys")}, hoop.Allow, hoop.RuleDefault},
		{"any table", "agents", "pg", []hoop.Use{use("read", "*")}, hoop.Deny, "vault"},
		{"no canonical name", "agents", "pg", []hoop.Use{use("read", "vault")}, hoop.Deny, "vault"},
		{"another group", "people", "pg", []hoop.Use{use("read", "vault.keys")}, hoop.Allow, hoop.RuleDefault},
		{"no table", "agents", "pg", []hoop.Use{use("session")}, hoop.Allow, hoop.RuleDefault},
		{"no table, rule on all", "agents", "pg", []hoop.Use{use("role")}, hoop.Approve, "risky"},
		{"strictest effect", "agents", "pg", []hoop.Use{use("read", "clinic.wards"), use("ddl", "clinic.wards"), use("read", "vault.x")}, hoop.Deny, "vault"},
		{"most people", "agents", "pg", []hoop.Use{use("destroy", "billing.invoices")}, hoop.Approve, "two-for-billing"},
		{"most people over effects", "agents", "pg", []hoop.Use{use("ddl", "clinic.wards"), use("destroy", "billing.invoices")}, hoop.Approve, "two-for-billing"},
		{"a rule before a default", "agents", "pg", []hoop.Use{use("opaque"), use("ddl")}, hoop.Approve, "risky"},
		{"a rule may allow more than the default", "people", "test", []hoop.Use{use("server"), use("unknown")}, hoop.Allow, "free"},
		{"a rule on tables allows those", "people", "pg", []hoop.Use{use("opaque", "scratch.a", "scratch.b")}, hoop.Allow, "scratch"},
		{"what inherits from them", "people", "pg", []hoop.Use{{Effect: "destroy", Tables: []string{"clinic.kid", "scratch.a"}, Parents: map[string][]string{"clinic.kid": {"scratch.a"}}}}, hoop.Approve, "risky"},
		{"what inherits from them, of another effect", "people", "pg", []hoop.Use{{Effect: "server", Tables: []string{"clinic.kid", "scratch.a"}, Parents: map[string][]string{"clinic.kid": {"scratch.a"}}}}, hoop.Allow, "scratch"},
		{"no others beside them", "people", "pg", []hoop.Use{use("server", "clinic.kid", "scratch.a")}, hoop.Deny, hoop.RuleDefault},
		{"nothing that could be any", "people", "pg", []hoop.Use{use("server", "*")}, hoop.Deny, hoop.RuleDefault},
		{"nothing that names none", "people", "pg", []hoop.Use{use("server")}, hoop.Deny, hoop.RuleDefault},
		{"deny beats allow", "agents", "test", []hoop.Use{use("read", "vault.x")}, hoop.Deny, "vault"},
		{"unknown where masks apply", "agents", "pg", []hoop.Use{use("unknown")}, hoop.Deny, hoop.RuleMasked},
		{"no effects", "agents", "pg", nil, hoop.Deny, hoop.RuleDefault},
		{"an effect nobody knows", "people", "test", []hoop.Use{use("levitate")}, hoop.Deny, hoop.RuleDefault},
		{"a target nobody declared", "people", "elsewhere", []hoop.Use{use("read")}, hoop.Deny, hoop.RuleDefault},
		{"a group called *", "*", "pg", []hoop.Use{use("read", "vault.keys")}, hoop.Allow, hoop.RuleDefault},
	} {
		for _, round := range []string{"evaluated", "cached"} {
			d := decide(t, e, c.groups, c.target, c.uses...)
			if d.Action != c.action || d.Rule != c.rule {
				t.Errorf("%s, %s: %s by %s, want %s by %s", c.name, round, d.Action, d.Rule, c.action, c.rule)
			}
		}
	}
}

// A rule that observes decides nothing; where it would decide otherwise, the decision
// says so.
func TestDecide_Observe(t *testing.T) {
	e := engine(t, rules+`kind: StatementRule
name: watch-wards
spec: {targets: [pg], groups: [agents], effects: [read], tables: [clinic.wards], decision: deny, mode: observe}
---
kind: StatementRule
name: watch-ddl
spec: {targets: [pg], groups: ["*"], effects: [ddl], decision: allow, mode: observe}
`, "")
	for _, c := range []struct {
		name, groups, target string
		use                  hoop.Use
		action               hoop.Action
		rule                 string
		observed             *hoop.Observed
	}{
		{"stricter", "agents", "pg", hoop.Use{Effect: "read", Tables: []string{"clinic.wards"}}, hoop.Allow, hoop.RuleDefault, &hoop.Observed{Action: hoop.Deny, Effect: "read", Rule: "watch-wards"}},
		{"another group", "people", "pg", hoop.Use{Effect: "read", Tables: []string{"clinic.wards"}}, hoop.Allow, hoop.RuleDefault, nil},
		{"another table", "agents", "pg", hoop.Use{Effect: "read", Tables: []string{"clinic.beds"}}, hoop.Allow, hoop.RuleDefault, nil},
		{"another target", "agents", "test", hoop.Use{Effect: "read", Tables: []string{"clinic.wards"}}, hoop.Allow, "free", nil},
		{"no effect that is known", "people", "pg", hoop.Use{Effect: "levitate"}, hoop.Deny, hoop.RuleDefault, nil},
		{"laxer than a rule that decides", "people", "pg", hoop.Use{Effect: "ddl"}, hoop.Approve, "risky", nil},
	} {
		if d := decide(t, e, c.groups, c.target); d.Action != hoop.Deny || d.Observed != nil {
			t.Errorf("no effects: %+v", d)
		}
		for _, round := range []string{"evaluated", "cached"} {
			d := decide(t, e, c.groups, c.target, c.use)
			if d.Action != c.action || d.Rule != c.rule || !cmp.Equal(d.Observed, c.observed) {
				t.Errorf("%s, %s: %+v, observed %+v; want %s by %s, %+v", c.name, round, d, d.Observed, c.action, c.rule, c.observed)
			}
		}
	}
}

func TestDecide_UnknownIsNeverAllowedWhereMasksApply(t *testing.T) {
	e := engine(t, strings.ReplaceAll(rules, "targets: [test]", "targets: [\"*\"]"), "")
	if d := decide(t, e, "people", "pg", hoop.Use{Effect: hoop.EffectUnknown}); d.Action != hoop.Deny {
		t.Errorf("%+v", d)
	}
}

func TestDecide_NobodyCanApprove(t *testing.T) {
	set := load(t, "")
	set.GroupRoles = nil
	e, err := New(t.Context(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := decide(t, e, "agents", "pg", hoop.Use{Effect: hoop.EffectDDL}); d.Action != hoop.Deny || !strings.Contains(d.Reason, "approver") {
		t.Errorf("%+v", d)
	}
}

func TestDecide_CallersMayChangeTheAnswer(t *testing.T) {
	e := engine(t, rules, "")
	d := decide(t, e, "agents", "pg", hoop.Use{Effect: hoop.EffectDDL})
	d.Approval.Groups[0] = "agents"
	d.Approval.Count = 0
	if d := decide(t, e, "agents", "pg", hoop.Use{Effect: hoop.EffectDDL}); d.Approval.Groups[0] != "dba" || d.Approval.Count != 1 {
		t.Errorf("the cache was changed: %+v", d.Approval)
	}
}

func TestDecide_ReasonIsNotCached(t *testing.T) {
	e := engine(t, rules, "")
	for _, why := range []string{"CREATE TABLE a", "CREATE TABLE b"} {
		if d := decide(t, e, "agents", "pg", hoop.Use{Effect: hoop.EffectDDL, Why: why}); d.Reason != "needs approval: ddl: "+why {
			t.Error(d.Reason)
		}
	}
}

// Two questions have one key only where the modules could not tell them apart.
func TestKey_IsTheWholeInput(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b", "ab", "a\x00b", "\x01a"})
	words := rapid.SliceOfN(word, 0, 2)
	draw := func(rt *rapid.T) *input {
		in := &input{
			identity: hoop.Identity{Subject: word.Draw(rt, "subject"), Kind: hoop.IdentityKind(word.Draw(rt, "kind")), Provider: word.Draw(rt, "provider"), Groups: words.Draw(rt, "groups"), Chain: words.Draw(rt, "chain")},
			target:   word.Draw(rt, "target"),
		}
		for range rapid.IntRange(0, 2).Draw(rt, "uses") {
			u := hoop.Use{Effect: hoop.Effect(word.Draw(rt, "effect")), Tables: words.Draw(rt, "tables"), Into: words.Draw(rt, "into")}
			for range rapid.IntRange(0, 2).Draw(rt, "columns") {
				u.Columns = append(u.Columns, hoop.ColumnRef{Schema: word.Draw(rt, "schema"), Table: word.Draw(rt, "table"), Column: word.Draw(rt, "column")})
			}
			in.uses = append(in.uses, u)
		}
		return in
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := draw(rt), draw(rt)
		same := a.value().Compare(b.value()) == 0
		if a.key() == b.key() && !same {
			rt.Fatalf("one key for %+v and %+v", a, b)
		}
		if again := *a; again.key() != a.key() {
			rt.Fatalf("two keys for %+v", a)
		}
	})
}

func TestKey_ChangesWithEveryMember(t *testing.T) {
	base := func() *input {
		return &input{
			identity: hoop.Identity{Subject: "s", Kind: "k", Provider: "p", Groups: []string{"g"}, Chain: []string{"c"}}, target: "t",
			uses: []hoop.Use{{Effect: "e", Tables: []string{"a.b"}, Parents: map[string][]string{"a.b": {"m.n"}}, Columns: []hoop.ColumnRef{{Schema: "x", Table: "y", Column: "z"}}, Into: []string{"i.j"}}},
		}
	}
	seen := map[key]string{base().key(): "nothing"}
	for what, change := range map[string]func(*input){
		"subject": func(in *input) { in.identity.Subject = "S" }, "kind": func(in *input) { in.identity.Kind = "K" },
		"provider": func(in *input) { in.identity.Provider = "P" }, "groups": func(in *input) { in.identity.Groups[0] = "G" },
		"chain": func(in *input) { in.identity.Chain[0] = "C" }, "target": func(in *input) { in.target = "T" },
		"effect": func(in *input) { in.uses[0].Effect = "E" }, "tables": func(in *input) { in.uses[0].Tables[0] = "a.B" },
		"schema": func(in *input) { in.uses[0].Columns[0].Schema = "X" }, "table": func(in *input) { in.uses[0].Columns[0].Table = "Y" },
		"column": func(in *input) { in.uses[0].Columns[0].Column = "Z" }, "into": func(in *input) { in.uses[0].Into[0] = "i.J" },
		"parents": func(in *input) { in.uses[0].Parents["a.b"][0] = "m.N" }, "no parents": func(in *input) { in.uses[0].Parents = nil },
	} {
		in := base()
		change(in)
		if was, ok := seen[in.key()]; ok {
			t.Errorf("%s has the key of %s", what, was)
		}
		seen[in.key()] = what
	}
}

func TestAccess(t *testing.T) {
	e := engine(t, `kind: AccessRule
name: agents
spec: {groups: [agents], targets: [pg], max_duration: 8h, approval: none}
---
kind: AccessRule
name: everybody
spec: {groups: ["*"], targets: ["*"], max_duration: 24h, approval: {groups: [dba], count: 2, timeout: 1h}, reason: required}
---
kind: AccessRule
name: oncall
spec: {groups: [oncall], targets: ["*"], max_duration: 9h, approval: none, reason: required}
---
kind: AccessRule
name: oncall-b
spec: {groups: [oncall], targets: ["*"], max_duration: 9h, approval: none}
`, "")
	asked := &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 2, Timeout: hoop.Duration(time.Hour)}
	for _, c := range []struct {
		groups, target string
		want           hoop.Access
	}{
		{"agents", "pg", hoop.Access{Rule: "agents", MaxDuration: hoop.Duration(8 * time.Hour), Approval: nil, ReasonRequired: false}},
		{"agents", "test", hoop.Access{Rule: "everybody", MaxDuration: hoop.Duration(24 * time.Hour), Approval: asked, ReasonRequired: true}},
		{"agents oncall", "pg", hoop.Access{Rule: "oncall", MaxDuration: hoop.Duration(9 * time.Hour), Approval: nil, ReasonRequired: true}},
		{"", "pg", hoop.Access{Rule: "everybody", MaxDuration: hoop.Duration(24 * time.Hour), Approval: asked, ReasonRequired: true}},
	} {
		got, err := e.Access(t.Context(), hoop.Identity{Groups: strings.Fields(c.groups)}, c.target)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s on %s: %s", c.groups, c.target, d)
		}
	}
	for _, e := range []*Engine{e, engine(t, "", "")} {
		_, err := e.Access(t.Context(), hoop.Identity{Groups: []string{"agents"}}, "elsewhere")
		var denied *hoop.Error
		if !errors.As(err, &denied) || denied.Code != hoop.CodeDenied || denied.Hint == "" {
			t.Errorf("%v", err)
		}
	}
}

// A rule with break_glass is for emergencies only.
func TestAccess_BreakGlass(t *testing.T) {
	e := engine(t, `kind: AccessRule
name: glass
spec: {groups: [oncall], targets: [pg], max_duration: 15m, approval: none, break_glass: {reviewers: [compliance]}}
`, "")
	oncall := hoop.Identity{Subject: "alice", Groups: []string{"oncall"}}
	if _, err := e.Access(t.Context(), oncall, "pg"); err == nil {
		t.Error("access without an emergency")
	}
	want := hoop.Access{Rule: "glass", MaxDuration: hoop.Duration(15 * time.Minute), ReasonRequired: true, Reviewers: []string{"compliance"}}
	got, err := e.BreakGlass(t.Context(), oncall, "pg")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, id := range []hoop.Identity{{Subject: "bob", Groups: []string{"dba"}}, {}} {
		if _, err := e.BreakGlass(t.Context(), id, "pg"); err == nil {
			t.Errorf("%v may break the glass", id.Groups)
		}
	}
	if _, err := e.BreakGlass(t.Context(), oncall, "test"); err == nil {
		t.Error("on another target")
	}
}

func TestRevision(t *testing.T) {
	docs := strings.Split(strings.TrimSuffix(rules, "---\n"), "---\n")
	backwards := docs[1] + "---\n" + docs[0] + "---\n" + strings.Join(docs[2:], "---\n")
	a := engine(t, rules, "").Revision()
	if len(a) != 64 {
		t.Error(a)
	}
	if b := engine(t, backwards, "").Revision(); a != b {
		t.Error("the order of documents changes the revision")
	}
	seen := map[string]string{a: "rules"}
	for name, e := range map[string]*Engine{
		"another timeout": engine(t, strings.Replace(rules, "2m", "3m", 1), ""),
		"another mask":    engine(t, strings.Replace(rules, "ssn", "mrn", 1), ""),
		"a site's module": engine(t, rules, "package hoop.site\n"),
		"no rules":        engine(t, "", ""),
	} {
		if was, ok := seen[e.Revision()]; ok {
			t.Errorf("%s has the revision of %s", name, was)
		}
		seen[e.Revision()] = name
	}
}

func TestNew_RefusesModules(t *testing.T) {
	for name, c := range map[string]struct{ module, want string }{
		"another package":  {"package hoop.policy\ndecision := {\"action\": \"allow\"}", "must be package hoop.site"},
		"no package":       {"x := 1", "parse the site's policy"},
		"does not parse":   {"package hoop.site\ndeny contains", "parse the site's policy"},
		"network":          {"package hoop.site\ndeny contains \"a\" if http.send({\"method\": \"get\", \"url\": \"http://x\"}).status_code == 1", "http.send"},
		"look-up":          {"package hoop.site\ndeny contains \"a\" if net.lookup_ip_addr(\"x\")", "net.lookup_ip_addr"},
		"clock":            {"package hoop.site\ndeny contains \"a\" if time.now_ns() > 1", "time.now_ns"},
		"randomness":       {"package hoop.site\ndeny contains \"a\" if rand.intn(\"x\", 2) == 1", "rand.intn"},
		"uuid":             {"package hoop.site\ndeny contains \"a\" if uuid.rfc4122(\"x\")", "uuid.rfc4122"},
		"environment":      {"package hoop.site\ndeny contains \"a\" if opa.runtime().env.HOME", "opa.runtime"},
		"output":           {"package hoop.site\ndeny contains \"a\" if trace(\"x\")", "trace"},
		"tokens":           {"package hoop.site\ndeny contains \"a\" if io.jwt.decode_verify(\"x\", {})", "io.jwt"},
		"the zone":         {"package hoop.site\ndeny contains \"a\" if time.clock([0, \"Local\"])[0] > 1", "time.clock"},
		"zone of a text":   {"package hoop.site\ndeny contains \"a\" if time.parse_ns(\"MST\", \"CET\") > 1", "time.parse_ns"},
		"clock of a chain": {"package hoop.site\ndeny contains \"a\" if crypto.x509.parse_and_verify_certificates(\"x\")[0]", "crypto.x509.parse_and_verify_certificates"},
		"clock by option":  {"package hoop.site\ndeny contains \"a\" if crypto.x509.parse_and_verify_certificates_with_options(\"x\", {})[0]", "crypto.x509.parse_and_verify_certificates_with_options"},
		"addresses":        {"package hoop.site\ndeny contains strings.render_template(\"{{printf `%p` .}}\", {})", "strings.render_template"},
		"remote schemas":   {"package hoop.site\ndeny contains \"a\" if json.match_schema({}, {\"$ref\": \"http://x\"})[0]", "json.match_schema"},
		"recursion":        {"package hoop.site\ndeny contains x if some x in deny", "recursive"},
		"unused, strict":   {"package hoop.site\nimport data.a\n", "unused"},
		"asks the shipped": {"package hoop.site\ndeny contains \"a\" if data.hoop.policy.nothing(1)", "undefined function"},
	} {
		_, err := New(t.Context(), load(t, rules), &Module{"site.rego", c.module})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestCapabilities_SameAnswerNextTime(t *testing.T) {
	known := 0
	for _, b := range capabilities().Builtins {
		known++
		if b.Nondeterministic {
			t.Errorf("%s gives another answer next time", b.Name)
		}
	}
	if known < 100 {
		t.Errorf("only %d functions are left", known)
	}
	if net := capabilities().AllowNet; net == nil || len(net) > 0 {
		t.Errorf("network: %v", net)
	}
}

// Who the rule wants is at least who is asked, whatever the site's module says.
func TestSite_FewerPeopleAreNotEnough(t *testing.T) {
	e := engine(t, rules, "package hoop.site\napprove contains {\"groups\": [\"x\"], \"count\": 1, \"timeout\": \"9h\"}")
	d := decide(t, e, "agents", "pg", hoop.Use{Effect: "destroy", Tables: []string{"billing.invoices"}})
	want := &hoop.ApprovalRule{Groups: []string{"cfo"}, Count: 2, Timeout: hoop.Duration(5 * time.Minute)}
	if diff := cmp.Diff(want, d.Approval); diff != "" {
		t.Error(diff)
	}
}

func TestSite(t *testing.T) {
	approve := `approve contains {"reason": "billing", "groups": ["cfo"], "count": 3, "timeout": "5m"}`
	for _, c := range []struct {
		name, module string
		effect       hoop.Effect
		want         hoop.Decision // without reason and policy
	}{
		{"says nothing", "", "read", hoop.Decision{Action: hoop.Allow, Rule: hoop.RuleDefault, Effect: "read"}},
		{"denies", `deny contains "no" if input.identity.subject == "alice"`, "read", hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleSite, Effect: "read"}},
		{"denies others", `deny contains "no" if input.identity.subject == "bob"`, "read", hoop.Decision{Action: hoop.Allow, Rule: hoop.RuleDefault, Effect: "read"}},
		{"asks", approve, "read", hoop.Decision{Action: hoop.Approve, Rule: hoop.RuleSite, Effect: "read", Approval: &hoop.ApprovalRule{Groups: []string{"cfo"}, Count: 3, Timeout: hoop.Duration(5 * time.Minute)}}},
		{"asks for more people", approve, "ddl", hoop.Decision{Action: hoop.Approve, Rule: "risky", Effect: "ddl", Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 3, Timeout: hoop.Duration(2 * time.Minute)}}},
		{"asks for fewer people", strings.Replace(approve, "3", "1", 1), "destroy", hoop.Decision{Action: hoop.Approve, Rule: "risky", Effect: "destroy", Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1, Timeout: hoop.Duration(2 * time.Minute)}}},
		{"asks what is denied", approve, "server", hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleDefault, Effect: "server"}},
		{"sees the decision", `deny contains "no" if input.decision.action == "allow"`, "read", hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleSite, Effect: "read"}},
		{"sees the documents", `deny contains "no" if data.hoop.resources.targets[0].name == "pg"`, "read", hoop.Decision{Action: hoop.Deny, Rule: hoop.RuleSite, Effect: "read"}},
	} {
		e := engine(t, rules, "package hoop.site\n"+c.module)
		got := decide(t, e, "agents", "pg", hoop.Use{Effect: c.effect, Tables: []string{"clinic.wards"}})
		got.Reason, got.Policy = "", ""
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestSite_FaultsDeny(t *testing.T) {
	for name, module := range map[string]string{
		"fails":              `deny contains "a" if 1 / count([]) == 1`,
		"no set":             `deny := true`,
		"an array":           `deny := ["a"]`,
		"no reason":          `deny contains 1`,
		"conflict":           "f := 1 if input.target\nf := 2 if input.target\ndeny contains \"a\" if f == 3",
		"approval of nobody": `approve contains {"groups": [], "count": 1, "timeout": "1m"}`,
		"approval by none":   `approve contains {"groups": ["a"], "count": 0, "timeout": "1m"}`,
		"no time-out":        `approve contains {"groups": ["a"], "count": 1}`,
		"unknown field":      `approve contains {"groups": ["a"], "count": 1, "timeout": "1m", "quorum": 2}`,
		"approval no object": `approve contains "dba"`,
		"approve no set":     `approve := {"groups": ["a"]}`,
	} {
		e, err := New(t.Context(), load(t, rules), &Module{"site.rego", "package hoop.site\n" + module})
		if err != nil {
			continue // refused before anything is decided
		}
		d, err := e.Decide(t.Context(), hoop.Identity{}, "pg", []hoop.Use{{Effect: hoop.EffectRead}})
		if err == nil || d.Action != hoop.Deny {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestSite_EndedContextDenies(t *testing.T) {
	e := engine(t, rules, `package hoop.site
deny contains "a" if count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i * j == 7]) == 0
`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d, err := e.Decide(ctx, hoop.Identity{}, "pg", []hoop.Use{{Effect: hoop.EffectRead}}); err == nil || d.Action != hoop.Deny {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestSite_SecretsAreNotData(t *testing.T) {
	e := engine(t, rules, `package hoop.site
deny contains "leak" if contains(json.marshal(data.hoop.resources), "hunter2")
`)
	if d, err := e.Decide(t.Context(), hoop.Identity{}, "pg", []hoop.Use{{Effect: hoop.EffectRead}}); err == nil && d.Rule == hoop.RuleSite {
		t.Error("the policy's data holds a credential")
	}
}

// siteRules are forms that a rule of the site's may have, with holes for a name, groups, a
// count and a condition: sets, and what is none, is undefined, fails or does not end soon.
var siteRules = []string{
	"deny contains %[1]q if %[4]s",
	"deny contains x if { x := {%[1]q, \"\"}[_]; %[4]s }",
	"deny contains 7 if %[4]s",
	"deny := {%[1]q} if %[4]s",
	"deny := true if %[4]s",
	"default deny := {%[1]q}",
	"default deny := false",
	"default approve := {\"action\": \"allow\"}",
	"deny := set() if %[4]s else := {%[1]q}",
	"deny.%[1]s contains %[1]q if %[4]s",
	"deny[%[1]q] := \"allow\" if %[4]s",
	"deny(x) := x",
	"f(x) := 1 if x\nf(x) := %[3]d if x\ndeny contains %[1]q if f(%[4]s) == 1",
	"deny contains %[1]q if 1 / (%[3]d - 1) == 1",
	"deny contains %[1]q if data.hoop.resources.nothing.here",
	"deny contains %[1]q if { every u in input.uses { u.effect != \"ddl\" }; not input.nothing }",
	"deny contains %[1]q if { some rule in data.hoop.policy.decision; rule == \"allow\" }",
	"decision := {\"action\": \"allow\", \"rule\": \"site\", \"use\": 0}",
	"allow contains %[1]q",
	"approve contains {\"reason\": %[1]q, \"groups\": %[2]s, \"count\": %[3]d, \"timeout\": \"1m\"} if %[4]s",
	"approve contains {\"groups\": %[2]s, \"count\": %[3]d, \"timeout\": \"900h\"} if %[4]s",
	"approve contains {\"groups\": %[2]s, \"count\": %[3]d, \"timeout\": \"-1m\"} if %[4]s",
	"approve contains {\"groups\": %[2]s, \"count\": 1.5, \"timeout\": \"1m\", \"action\": \"allow\"} if %[4]s",
	"approve contains object.union(input.decision, {\"action\": \"allow\"}) if %[4]s",
	"approve := [] if %[4]s",
	"approve contains null if %[4]s",
}

// A site's module, whatever it says, makes no decision laxer.
func TestSite_OnlyStricter(t *testing.T) {
	plain := engine(t, rules, "")
	compiled := 0
	rapid.Check(t, func(rt *rapid.T) {
		var module strings.Builder
		module.WriteString("package hoop.site\n")
		condition := rapid.SampledFrom([]string{"true", "false", `input.target == "pg"`, `"agents" in input.identity.groups`, `input.decision.action == "approve"`, `input.uses[_].effect == "ddl"`})
		for i := range rapid.IntRange(0, 3).Draw(rt, "rules") {
			fmt.Fprintf(&module, rapid.SampledFrom(siteRules).Draw(rt, "form")+"\n%.0[1]s%.0[2]s%.0[3]d%.0[4]s", fmt.Sprintf("r%d", i),
				rapid.SampledFrom([]string{`["agents"]`, `["dba"]`, `["x", "agents"]`, `[]`, `[""]`}).Draw(rt, "groups"), rapid.IntRange(0, 3).Draw(rt, "count"), condition.Draw(rt, "if"))
		}
		e, err := New(t.Context(), load(t, rules), &Module{"site.rego", module.String()})
		if err != nil {
			return // nothing is decided by what was refused
		}
		compiled++
		id := hoop.Identity{Subject: "alice", Groups: rapid.SliceOfN(rapid.SampledFrom([]string{"agents", "dba", "people"}), 0, 2).Draw(rt, "groups")}
		var uses []hoop.Use
		for range rapid.IntRange(0, 3).Draw(rt, "uses") {
			uses = append(uses, hoop.Use{
				Effect: rapid.SampledFrom(hoop.Effects).Draw(rt, "effect").Effect,
				Tables: rapid.SliceOfN(rapid.SampledFrom([]string{"vault.x", "clinic.wards", "billing.invoices", "*"}), 0, 2).Draw(rt, "tables"),
			})
		}
		before, err := plain.Decide(t.Context(), id, "pg", uses)
		if err != nil {
			rt.Fatal(err)
		}
		after, err := e.Decide(t.Context(), id, "pg", uses)
		if err != nil && after.Action != hoop.Deny {
			rt.Fatalf("failed and not denied: %+v", after)
		}
		if after.Action.Stricter(before.Action) < 0 {
			rt.Fatalf("%s\n%+v became %+v", module.String(), before, after)
		}
		if before.Action == hoop.Approve && after.Action == hoop.Approve {
			if after.Approval.Count < before.Approval.Count || !cmp.Equal(after.Approval.Groups, before.Approval.Groups) || after.Approval.Timeout > before.Approval.Timeout {
				rt.Fatalf("%s\n%+v became %+v", module.String(), before.Approval, after.Approval)
			}
		}
	})
	if compiled < 10 {
		t.Errorf("only %d modules were good enough to be asked", compiled)
	}
}

// Rules that want as many people are all asked, those of the same groups once.
func TestDecide_RulesAsStrict(t *testing.T) {
	rule := func(name, effects, who string) string {
		return fmt.Sprintf("\n---\nkind: StatementRule\nname: %s\nspec: {targets: [pg], groups: ['*'], effects: [%s], tables: ['*'], decision: approve, approval: {groups: [%s], count: 1, timeout: 1m}}", name, effects, who)
	}
	e := engine(t, rule("b-ddl", "ddl", "dba, ops")+rule("a-derive", "derive", "privacy")+rule("c-write", "write", "ops, dba")+rule("d-write", "write", "owners"), "")
	uses := []hoop.Use{
		{Effect: hoop.EffectDDL, Tables: []string{"scratch.copy"}, Why: "CREATE TABLE AS"},
		{Effect: hoop.EffectDerive, Tables: []string{"scratch.copy"}, Why: "copies ssn"},
		{Effect: hoop.EffectWrite, Tables: []string{"scratch.copy"}, Why: "CREATE TABLE AS"},
	}
	for _, how := range []string{"asked", "cached"} {
		d, err := e.Decide(t.Context(), hoop.Identity{Subject: "corp:1", Groups: []string{"agents"}}, "pg", uses)
		var got []string
		for _, d := range append([]hoop.Decision{d}, d.Also...) {
			got = append(got, fmt.Sprintf("%s %s %v: %s", d.Action, d.Rule, d.Approval.Groups, d.Reason))
			d.Approval.Groups[0] = "changed by the caller"
		}
		want := []string{
			"approve a-derive [privacy]: needs approval: derive: copies ssn", "approve b-ddl [dba ops]: needs approval: ddl: CREATE TABLE AS",
			"approve d-write [owners]: needs approval: write: CREATE TABLE AS",
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\ngot  %q\nwant %q", how, err, got, want)
		}
	}
}
