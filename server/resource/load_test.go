package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestLoad_Contract(t *testing.T) {
	got, err := Load("testdata/resources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/resources.yaml"
	meta := func(name string, line int) Meta { return Meta{name, fmt.Sprintf("%s:%d", file, line)} }
	want := &Set{
		Targets: []Target{{
			Meta: meta("pg-prod", 2), Type: "postgres", Address: "127.0.0.1:5432", Database: "clinic",
			Databases: []string{"reporting"}, TLS: TLSVerifyFull, CAFile: "testdata/ca.pem", Record: hoop.RecordStrict,
			Credential: Credential{"app", SecretEnv("PG_PROD_PASSWORD")},
		}},
		AccessRules: []AccessRule{
			{Meta: meta("agents-read", 14), Groups: []string{"agents"}, Targets: []string{"pg-prod"}, MaxDuration: hoop.Duration(8 * time.Hour), Reason: "optional"},
			{
				Meta: meta("people", 18), Groups: []string{"*"}, Targets: []string{"*"}, MaxDuration: hoop.Duration(time.Hour), Reason: "required",
				Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 2, Timeout: hoop.Duration(time.Hour)},
			},
		},
		StatementRules: []StatementRule{{
			Meta: meta("risky-needs-a-human", 22), Targets: []string{"pg-prod"}, Groups: []string{"*"},
			Effects: []hoop.Effect{"ddl", "destroy", "role", "unbounded-write", "export", "derive", "opaque"},
			Tables:  []string{"*"}, Decision: hoop.Approve,
			Approval: &hoop.ApprovalRule{Groups: []string{"dba"}, Count: 1, Timeout: hoop.Duration(2 * time.Minute)}, Mode: ModeEnforce,
		}},
		MaskRules: []MaskRule{
			{
				Meta: meta("patient-identifiers", 27), Targets: []string{"pg-prod"}, With: Redact, Except: []string{"privacy-office"},
				Columns: []string{"public.patients.ssn", "*.patients.mrn", `clinic."PatientContacts"."E-Mail"`},
			},
			{
				Meta: meta("identifiers-in-free-text", 32), Targets: []string{"*"}, With: Redact,
				Detect: []string{"us-ssn", "email", "phone"}, Patterns: []Pattern{{"mrn", `MRN-\d{8}`}},
			},
		},
		ServiceAccounts: []ServiceAccount{{
			Meta: meta("ci-agent", 36), Groups: []string{"agents"}, Owner: "data-team", Secret: SecretFile("testdata/ci-agent.secret"),
		}},
		GroupRoles: []GroupRole{{Meta: meta("auditors", 40), Group: "compliance", Role: hoop.RoleAuditor}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); d != "" {
		t.Error(d)
	}
}

const target = `kind: Target
name: pg
spec:
  type: postgres
  address: db:5432
  database: clinic
  credential: {username: app, password: {value: hunter2}}
`

func TestLoad_Defaults(t *testing.T) {
	set, err := Parse("r.yaml", []byte(target+`---
kind: StatementRule
name: s
spec: {targets: [pg], groups: ["*"], effects: ["*"], decision: approve, approval: {groups: [dba]}}
---
kind: AccessRule
name: a
spec: {targets: [pg], groups: ["*"], max_duration: 1h, approval: {groups: [dba]}}
---
kind: MaskRule
name: m
spec: {targets: [pg], columns: ["*.*.phone"], with: partial}
`))
	if err != nil {
		t.Fatal(err)
	}
	if tg := set.Targets[0]; tg.TLS != TLSVerifyFull || tg.Record != hoop.RecordStrict {
		t.Errorf("target defaults: %v %v", tg.TLS, tg.Record)
	}
	if a := set.StatementRules[0].Approval; a.Count != 1 || a.Timeout != hoop.Duration(2*time.Minute) {
		t.Errorf("statement approval: %+v", a)
	}
	if a := set.AccessRules[0]; a.Approval.Count != 1 || a.Approval.Timeout != hoop.Duration(time.Hour) || a.Reason != "optional" {
		t.Errorf("access approval: %+v", a)
	}
	if set.MaskRules[0].Last != 4 {
		t.Errorf("last: %d", set.MaskRules[0].Last)
	}
}

func TestLoad_Errors(t *testing.T) {
	rule := func(spec string) string { return target + "---\nkind: MaskRule\nname: m\nspec: " + spec }
	stmt := func(spec string) string { return target + "---\nkind: StatementRule\nname: s\nspec: " + spec }
	access := func(spec string) string { return target + "---\nkind: AccessRule\nname: a\nspec: " + spec }
	account := func(spec string) string { return "kind: ServiceAccount\nname: a\nspec: " + spec }
	for name, c := range map[string]struct{ doc, want string }{
		"unknown kind":            {"kind: Foo\nname: a\nspec: {}", `r.yaml:1: unknown kind "Foo"`},
		"kind missing":            {"name: a\nspec: {}", `r.yaml:1: kind is missing`},
		"spec missing":            {"kind: Target\nname: a", `r.yaml:1: spec is missing`},
		"name with a space":       {"kind: Target\nname: a b\nspec: {}", `name "a b"`},
		"name of no rule":         {strings.Replace(stmt(`{targets: [pg], groups: ["*"], effects: [read], decision: deny}`), "name: s", "name: default", 1), `name "default": decisions that no declared rule made are called so`},
		"unknown top field":       {"kind: Target\nname: a\nspecs: {}", `r.yaml:3: unknown field "specs"`},
		"unknown field":           {strings.Replace(target, "database:", "databse:", 1), `r.yaml:6: unknown field "databse"`},
		"unknown nested field":    {strings.Replace(target, "username:", "user:", 1), `r.yaml:7: unknown field "user"`},
		"unknown approval field":  {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: {groups: [d], quorum: 2}}`), `r.yaml:11: unknown field "quorum"`},
		"field twice":             {strings.Replace(target, "  database:", "  type: postgres\n  database:", 1), `r.yaml:6: field "type" appears twice`},
		"declared twice":          {target + "---\n" + target, `r.yaml:9: Target pg is declared already, at r.yaml:1`},
		"not YAML":                {"kind: [", `r.yaml:`},
		"a list":                  {"- a", `r.yaml:1: want fields`},
		"wrong type":              {strings.Replace(target, "type: postgres", "type: oracle", 1), `r.yaml:4: type: "oracle" is not one of postgres`},
		"no port":                 {strings.Replace(target, "db:5432", "db", 1), `r.yaml:5: address`},
		"port zero":               {strings.Replace(target, "db:5432", "db:0", 1), `r.yaml:5: address`},
		"no host":                 {strings.Replace(target, "db:5432", "':5432'", 1), `r.yaml:5: address`},
		"a socket's folder":       {strings.Replace(target, "db:5432", "/tmp:5432", 1), `r.yaml:5: address`},
		"wrong tls":               {target + "  tls: prefer", `r.yaml:8: tls: "prefer"`},
		"certificate without key": {target + "  cert_file: c.pem", `r.yaml:8: cert_file: key_file is missing`},
		"key without certificate": {target + "  key_file: k.pem", `r.yaml:8: key_file: cert_file is missing`},
		"certificate without TLS": {target + "  tls: disable\n  cert_file: c.pem\n  key_file: k.pem", `r.yaml:9: cert_file: is not used`},
		"no time to connect":      {target + "  connect_timeout: 10ms", `r.yaml:8: connect_timeout: want 1s to 1m`},
		"idle at once":            {target + "  idle_timeout: 0s", `r.yaml:8: idle_timeout: want 1s at least`},
		"no sessions":             {target + "  max_sessions: 0", `r.yaml:8: max_sessions: want 1`},
		"no sessions of a grant":  {target + "  max_grant_sessions: -1", `r.yaml:8: max_grant_sessions: want 1`},
		"nothing to reuse":        {target + "  reuse: {max_idle: 0}", `r.yaml:8: reuse: max_idle: want 1 to 1000`},
		"reuse for an instant":    {target + "  reuse: {max_idle: 1, idle_timeout: 1ms}", `r.yaml:8: reuse: idle_timeout: want 1s to 1h`},
		"reuse for zero":          {target + "  reuse: {max_idle: 1, idle_timeout: 0s}", `r.yaml:8: reuse: idle_timeout: want 1s to 1h`},
		"reuse of what":           {target + "  reuse: 5", `r.yaml:8: `},
		"ca without verification": {target + "  tls: require\n  ca_file: ca.pem", `r.yaml:9: ca_file`},
		"wrong record":            {target + "  record: off", `r.yaml:8: record: "off"`},
		"empty export budgets":    {target + "  export_budgets: []", `r.yaml:8: export_budgets: want at least one`},
		"budget of no table":      {target + "  export_budgets: [{rows: 1, per: 1m}]", `r.yaml:8: export_budgets: tables: want at least one`},
		"budget of a bad table":   {target + "  export_budgets: [{tables: [a.b, patients], rows: 1, per: 1m}]", `r.yaml:8: tables: "patients": want schema.table`},
		"budget of no rows":       {target + "  export_budgets: [{tables: [a.b], rows: 0, per: 1m}]", `r.yaml:8: export_budgets: rows: want at least 1`},
		"budget without rows":     {target + "  export_budgets: [{tables: [a.b], per: 1m}]", `r.yaml:8: export_budgets: rows: want at least 1`},
		"budget without time":     {target + "  export_budgets: [{tables: [a.b], rows: 1}]", `r.yaml:8: export_budgets: per: want 1s to`},
		"budget for an instant":   {target + "  export_budgets: [{tables: [a.b], rows: 1, per: 1ms}]", `r.yaml:8: export_budgets: per: want 1s to`},
		"budget for a year":       {target + "  export_budgets: [{tables: [a.b], rows: 1, per: 8760h}]", `r.yaml:8: export_budgets: per: want 1s to`},
		"secret as text":          {strings.Replace(target, "{value: hunter2}", "hunter2", 1), `r.yaml:7: want exactly one of`},
		"secret twice":            {strings.Replace(target, "{value: hunter2}", "{value: hunter2, env: A}", 1), `r.yaml:7: want exactly one of`},
		"secret under other name": {strings.Replace(target, "{value: hunter2}", "{plain: hunter2}", 1), `r.yaml:7: want exactly one of`},
		"secret as list":          {strings.Replace(target, "{value: hunter2}", "{value: [hunter2]}", 1), `r.yaml:7: want a text`},
		"misspelt target":         {rule(`{targets: [pq], columns: [a.b.c], with: redact}`), `r.yaml:11: targets: there is no target "pq"`},
		"no targets":              {rule(`{columns: [a.b.c], with: redact}`), `r.yaml:11: targets: want at least one`},
		"two-part column":         {rule(`{targets: [pg], columns: [b.c], with: redact}`), `r.yaml:11: columns: "b.c": want schema.table.column`},
		"open quote":              {rule(`{targets: [pg], columns: ['a.b."c'], with: redact}`), `a quote is not closed`},
		"name too long":           {rule(`{targets: [pg], columns: [a.b.` + strings.Repeat("c", 64) + `], with: redact}`), `63 bytes`},
		"glob in a part":          {rule(`{targets: [pg], columns: ['a.pat*.c'], with: redact}`), `want a dot between the parts`},
		"nothing to protect":      {rule(`{targets: [pg], with: redact}`), `names nothing to protect`},
		"unknown transform":       {rule(`{targets: [pg], columns: [a.b.c], with: blur}`), `r.yaml:11: with: "blur"`},
		"transform missing":       {rule(`{targets: [pg], columns: [a.b.c]}`), `r.yaml:11: with: ""`},
		"null by value":           {rule(`{targets: [pg], detect: [email], with: "null"}`), `with: null works on columns`},
		"unknown detector":        {rule(`{targets: [pg], detect: [e-mail], with: redact}`), `there is no detector "e-mail"`},
		"bad expression":          {rule(`{targets: [pg], patterns: [{name: a, regex: '('}], with: redact}`), `r.yaml:11: patterns: error parsing regexp`},
		"look-ahead":              {rule(`{targets: [pg], patterns: [{name: a, regex: '(?=a)b'}], with: redact}`), `RE2 syntax`},
		"empty match":             {rule(`{targets: [pg], patterns: [{name: a, regex: 'a*'}], with: redact}`), `matches the empty text`},
		"pattern without name":    {rule(`{targets: [pg], patterns: [{regex: 'a'}], with: redact}`), `patterns: name ""`},
		"except everybody":        {rule(`{targets: [pg], columns: [a.b.c], with: redact, except: ["*"]}`), `except: "*" is no group`},
		"last too large":          {rule(`{targets: [pg], columns: [a.b.c], with: partial, last: 99}`), `last: want 1 to 16`},
		"last without partial":    {rule(`{targets: [pg], columns: [a.b.c], with: redact, last: 2}`), `last: belongs to`},
		"last no number":          {rule(`{targets: [pg], columns: [a.b.c], with: partial, last: "2"}`), `want a number`},
		"unknown effect":          {stmt(`{targets: [pg], groups: [a], effects: [drop], decision: deny}`), `there is no effect "drop"`},
		"unknown decision":        {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: ask}`), `decision: "ask"`},
		"approve by nobody":       {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: approve}`), `approval: is missing`},
		"approve by none":         {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: approve, approval: none}`), `approval: is missing`},
		"approve by no group":     {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: approve, approval: {groups: []}}`), `approval: groups`},
		"approval of a denial":    {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: deny, approval: {groups: [a]}}`), `belongs to decision approve`},
		"count zero":              {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: approve, approval: {groups: [a], count: 0}}`), `count: want 1`},
		"negative timeout":        {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: approve, approval: {groups: [a], timeout: -1s}}`), `must not be negative`},
		"no groups":               {stmt(`{targets: [pg], effects: [ddl], decision: deny}`), `groups: want at least one`},
		"bad table":               {stmt(`{targets: [pg], groups: [a], effects: [ddl], tables: [patients], decision: deny}`), `want schema.table`},
		"empty tables":            {stmt(`{targets: [pg], groups: [a], effects: [ddl], tables: [], decision: deny}`), `tables: want at least one`},
		"approval missing":        {access(`{groups: [g], targets: [pg], max_duration: 1h}`), `approval: is missing`},
		"emergency with approval": {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: {groups: [d]}, break_glass: {reviewers: [r]}}`), `r.yaml:11: approval: a rule with break_glass asks nobody`},
		"emergency for no reason": {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: none, reason: optional, break_glass: {reviewers: [r]}}`), `reason: a rule with break_glass always wants one`},
		"emergency, no reviewer":  {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: none, break_glass: {reviewers: []}}`), `reviewers: want at least one`},
		"emergency, all review":   {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: none, break_glass: {reviewers: ["*"]}}`), `"*" is no group`},
		"no session at all":       {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: none, max_sessions: 0}`), `max_sessions: want 1`},
		"no use at all":           {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: none, max_uses: 0}`), `max_uses: want 1`},
		"no such mode":            {stmt(`{targets: [pg], groups: [a], effects: [ddl], decision: deny, mode: watch}`), `mode: "watch"`},
		"no duration":             {access(`{groups: [g], targets: [pg], approval: none}`), `max_duration`},
		"duration without unit":   {access(`{groups: [g], targets: [pg], max_duration: 8, approval: none}`), `want a text`},
		"bad duration":            {access(`{groups: [g], targets: [pg], max_duration: 8x, approval: none}`), `want a number with a unit`},
		"bad reason":              {access(`{groups: [g], targets: [pg], max_duration: 1h, approval: none, reason: maybe}`), `reason: "maybe"`},
		"groups as text":          {access(`{groups: g, targets: [pg], max_duration: 1h, approval: none}`), `want a list`},
		"federation and secret":   {account(`{groups: [g], owner: o, secret: {value: hunter2}, federation: {issuer: "https://i", audience: b, subject: c}}`), `r.yaml:3: federation: want either`},
		"federation empty":        {account(`{groups: [g], owner: o, federation: }`), `r.yaml:3: want fields: issuer, audience, subject`},
		"issuer in clear":         {account(`{groups: [g], owner: o, federation: {issuer: "http://i", audience: b, subject: c}}`), `r.yaml:3: federation: issuer: want an https URL`},
		"issuer without host":     {account(`{groups: [g], owner: o, federation: {issuer: "https://:443/x", audience: b, subject: c}}`), `federation: issuer`},
		"issuer with a user":      {account(`{groups: [g], owner: o, federation: {issuer: "https://u:p@i", audience: b, subject: c}}`), `federation: issuer`},
		"issuer with a query":     {account(`{groups: [g], owner: o, federation: {issuer: "https://i?", audience: b, subject: c}}`), `federation: issuer`},
		"issuer with a fragment":  {account(`{groups: [g], owner: o, federation: {issuer: "https://i#", audience: b, subject: c}}`), `federation: issuer`},
		"audience missing":        {account(`{groups: [g], owner: o, federation: {issuer: "https://i", subject: c}}`), `federation: audience`},
		"subject missing":         {account(`{groups: [g], owner: o, federation: {issuer: "https://i", audience: b}}`), `federation: subject`},
		"subject as a pattern":    {account(`{groups: [g], owner: o, federation: {issuer: "https://i", audience: b, subject: "repo:org/*"}}`), `stands for nothing else`},
		"subject with a newline":  {account(`{groups: [g], owner: o, federation: {issuer: "https://i", audience: b, subject: "c\n"}}`), `federation: subject`},
		"account without secret":  {account(`{groups: [g], owner: o}`), `secret: is missing`},
		"account without owner":   {account(`{groups: [g], secret: {env: A}}`), `owner: is missing`},
		"account in every group":  {account(`{groups: ["*"], owner: o, secret: {env: A}}`), `in groups by name`},
		"wrong role":              {"kind: GroupRole\nname: a\nspec: {group: g, role: root}", `role: "root"`},
		"literals for approvers":  {"kind: GroupRole\nname: a\nspec: {group: g, role: approver, literals: true}", `approvers read no recordings`},
		"everybody has a role":    {"kind: GroupRole\nname: a\nspec: {group: \"*\", role: admin}", `want the name of one group`},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Parse("r.yaml", []byte(c.doc))
			if err == nil {
				t.Fatalf("was accepted: %+v", set)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to contain %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes a secret: %q", err)
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "r.yaml:") {
					t.Errorf("no file and line: %q", line)
				}
			}
		})
	}
}

func TestLoad_ReportsEveryFault(t *testing.T) {
	_, err := Parse("r.yaml", []byte("kind: Foo\nname: a\nspec: {}\n---\nkind: Bar\nname: a\nspec: {}\n"))
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 2 {
		t.Errorf("got %v", err)
	}
}

// Of a fault, nothing else is said than the fault: a rule on a target with a fault names
// no unknown target.
func TestLoad_NoFalseFollowUps(t *testing.T) {
	rule := "---\nkind: MaskRule\nname: m\nspec: {targets: [pg], columns: [a.b.c], with: redact}\n"
	for _, doc := range []string{
		strings.Replace(target, "type: postgres", "type: oracle", 1) + rule,
		strings.Replace(target, "database:", "databse:", 1) + rule,
		strings.Replace(target, "name: pg", "name: p g", 1) + rule,
		strings.Replace(target, "kind: Target", "kind: Tarjet", 1) + rule,
		strings.Replace(target, "spec:", "specs:", 1) + rule,
		"kind: Target\nname: pg\n" + rule,
		rule + "---\nkind: [\n",
	} {
		_, err := Parse("r.yaml", []byte(doc))
		var joined interface{ Unwrap() []error }
		if !errors.As(err, &joined) || len(joined.Unwrap()) != 1 || strings.Contains(err.Error(), "no target") {
			t.Errorf("%s\ngot %v", doc, err)
		}
	}
}

func TestLoad_EmptyDocuments(t *testing.T) {
	for _, doc := range []string{"", "---\n", "# nothing\n", "---\n---\n# x\n---\n", "---\n" + target + "---\n"} {
		if _, err := Parse("r.yaml", []byte(doc)); err != nil {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

func TestLoad_SeveralFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	// The rule comes first: names of targets are checked when all files are read.
	for path, doc := range map[string]string{a: "kind: MaskRule\nname: m\nspec: {targets: [pg], columns: [a.b.c], with: redact}\n", b: target} {
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(a, b); err != nil {
		t.Error(err)
	}
	if _, err := Load(a); err == nil {
		t.Error("a rule on a target nobody declared was accepted")
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("an absent file was accepted")
	}
}

func TestSecret_Scrubs(t *testing.T) {
	s := SecretValue("hunter2")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "in", Credential{"app", s})
	js, err := json.Marshal(Credential{"app", s})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		s.String(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%+v %#v", Credential{"app", s}, &Target{Credential: Credential{"app", s}}), log.String(), string(js),
	} {
		if strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") {
			t.Errorf("leaks: %s", got)
		}
	}
}

func TestSecret_Resolve(t *testing.T) {
	t.Setenv("HOOP_TEST_SECRET", "from env")
	t.Setenv("HOOP_TEST_EMPTY", "")
	file := filepath.Join(t.TempDir(), "s")
	empty := filepath.Join(t.TempDir(), "e")
	for path, text := range map[string]string{file: "from file \r\n", empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, s := range map[string]Secret{"from env": SecretEnv("HOOP_TEST_SECRET"), "from file ": SecretFile(file), "v": SecretValue("v")} {
		if got, err := s.Resolve(); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	for name, s := range map[string]Secret{
		"unset": SecretEnv("HOOP_TEST_UNSET"), "empty variable": SecretEnv("HOOP_TEST_EMPTY"),
		"no file": SecretFile(file + "x"), "empty file": SecretFile(empty), "none": {},
	} {
		if v, err := s.Resolve(); err == nil {
			t.Errorf("%s: resolved to %q", name, v)
		}
	}
}

func TestSet_Lookups(t *testing.T) {
	set, err := Load("testdata/resources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if tg, ok := set.Target("pg-prod"); !ok || tg.Public().HasDatabase("reporting") == false {
		t.Error("target")
	}
	if _, ok := set.Target("none"); ok {
		t.Error("a target nobody declared")
	}
	auditor := hoop.Identity{Groups: []string{"compliance"}}
	if d := cmp.Diff([]hoop.Role{hoop.RoleAuditor}, set.Roles(auditor)); d != "" {
		t.Error(d)
	}
	if roles := set.Roles(hoop.Identity{Groups: []string{"*"}}); len(roles) != 0 {
		t.Errorf("a group called * has roles: %v", roles)
	}
	if got := set.TargetsFor(auditor); len(got) != 1 {
		t.Errorf("targets: %v", got)
	}
	set.AccessRules = set.AccessRules[:1]
	if got := set.TargetsFor(auditor); len(got) != 0 {
		t.Errorf("targets without a rule: %v", got)
	}
	a, ok := set.ServiceAccount("ci-agent")
	if id := a.Identity(); !ok || id.Subject != "service:ci-agent" || id.Kind != hoop.Service || id.Owner != "data-team" {
		t.Errorf("account: %+v", id)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/resources.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(target))
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("kind: Target\nname: a\nspec: &a {type: *a}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := Parse("r.yaml", b)
		if (set == nil) == (err == nil) {
			t.Errorf("set %v, error %v", set, err)
		}
	})
}

func TestTarget_Budgets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	if err := os.WriteFile(file, []byte(target+`  export_budgets: [{tables: [clinic.member_directory, 'a."B c"'], rows: 500, per: 1m}, {tables: ["*"], rows: 9000000000, per: 24h}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []hoop.ExportBudget{
		{Tables: []string{"clinic.member_directory", `a."B c"`}, Rows: 500, Per: hoop.Duration(time.Minute)},
		{Tables: []string{"*"}, Rows: 9000000000, Per: hoop.Duration(24 * time.Hour)},
	}
	if d := cmp.Diff(want, set.Targets[0].Public().Budgets); d != "" {
		t.Error(d)
	}
}
