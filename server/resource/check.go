package resource

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"go.yaml.in/yaml/v3"
)

// Whether a grant request must say why.
const (
	ReasonOptional = "optional"
	ReasonRequired = "required"
)

// How long approvers have when a rule does not say. A held statement keeps its locks,
// so its time is short.
const (
	accessTimeout    = hoop.Duration(time.Hour)
	statementTimeout = hoop.Duration(2 * time.Minute)
	maxTimeout       = hoop.Duration(7 * 24 * time.Hour)
	maxGrant         = hoop.Duration(30 * 24 * time.Hour)
	maxConnect       = hoop.Duration(time.Minute)
	maxIdle          = 1000
)

// checker reports faults of one spec at the line of the field they are in.
type checker struct {
	*decoder
	loader *loader
	spec   *yaml.Node
}

// at finds the node at a path of field names and list indexes, or the closest above.
func (c *checker) at(path ...any) *yaml.Node {
	n := c.spec
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	return n
}

func child(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	}
	return nil
}

func (c *checker) has(field string) bool { return child(c.spec, field) != nil }

// required reports an absent or empty list of names.
func (c *checker) required(field string, list []string) {
	if len(list) == 0 {
		c.errorf(c.at(field), "%s: want at least one", field)
	}
	for i, s := range list {
		if strings.TrimSpace(s) != s || s == "" {
			c.errorf(c.at(field, i), "%s: %q is no name", field, s)
		}
	}
}

// targets checks names of targets once all are known: a rule on a misspelt target
// would protect nothing. A target that is declared with a fault is declared; and where
// some document could not be read, nobody knows what it declares.
func (c *checker) targets(list []string) {
	c.required("targets", list)
	c.loader.late = append(c.loader.late, func() {
		for i, name := range list {
			if _, ok := c.loader.seen["Target "+name]; !ok && name != "*" && !c.loader.lost {
				c.loader.errs = append(c.loader.errs, fmt.Errorf("%s:%d: targets: there is no target %q", c.file, c.at("targets", i).Line, name))
			}
		}
	})
}

func (c *checker) oneOf(field, got string, want ...string) {
	if !slices.Contains(want, got) {
		c.errorf(c.at(field), "%s: %q is not one of %s", field, got, strings.Join(want, ", "))
	}
}

// approval checks who must approve, and fills in what was left out.
func (c *checker) approval(a *hoop.ApprovalRule, timeout hoop.Duration) {
	c.approvalAt(a, timeout, "approval")
}

func (c *checker) approvalAt(a *hoop.ApprovalRule, timeout hoop.Duration, path ...any) {
	at := func(field string) []any { return append(slices.Clone(path), field) }
	if len(a.Groups) == 0 || slices.Contains(a.Groups, "") {
		c.errorf(c.at(at("groups")...), "approval: groups: want at least one, each with a name")
	}
	if child(c.at(path...), "count") == nil {
		a.Count = 1
	}
	if a.Count < 1 || a.Count > 100 {
		c.errorf(c.at(at("count")...), "approval: count: want 1 to 100 people")
	}
	if child(c.at(path...), "timeout") == nil {
		a.Timeout = timeout
	}
	if a.Timeout <= 0 || a.Timeout > maxTimeout {
		c.errorf(c.at(at("timeout")...), "approval: timeout: want more than 0 and at most %s", maxTimeout)
	}
}

func (t *Target) check(c *checker) {
	c.oneOf("type", t.Type, "postgres")
	c.address(t.Address)
	if t.Database == "" {
		c.errorf(c.at("database"), "database: want the name of the default database")
	}
	for i, name := range append([]string{t.Database}, t.Databases...) {
		if len(name) > maxIdent || strings.ContainsRune(name, 0) || i > 0 && name == "" {
			c.errorf(c.at("databases", i-1), "databases: %q is no name of a database", name)
		}
	}
	c.oneOf("tls", string(t.TLS), string(TLSVerifyFull), string(TLSRequire), string(TLSDisable))
	if t.CAFile != "" {
		t.CAFile = c.path(t.CAFile)
		if t.TLS != TLSVerifyFull {
			c.errorf(c.at("ca_file"), "ca_file: is used with tls: verify-full only, and tls is %s", t.TLS)
		}
	}
	t.checkCertificate(c)
	t.checkLimits(c)
	c.oneOf("record", string(t.Record), string(hoop.RecordStrict), string(hoop.RecordBatched))
	t.checkBudgets(c)
	t.checkInference(c)
	t.checkHoneytokens(c)
	if t.Credential.Username == "" {
		c.errorf(c.at("credential"), "credential: username is missing")
	}
	if t.Credential.Password.IsZero() && t.CertFile == "" {
		c.errorf(c.at("credential"), "credential: password is missing")
	}
}

// maxBudgetTime bounds how long the gateway must remember what it delivered.
const maxBudgetTime = hoop.Duration(31 * 24 * time.Hour)

func (t *Target) checkBudgets(c *checker) {
	const field = "export_budgets"
	if c.has(field) && len(t.ExportBudgets) == 0 {
		c.errorf(c.at(field), "export_budgets: want at least one, or leave the field out")
	}
	for i, b := range t.ExportBudgets {
		if len(b.Tables) == 0 {
			c.errorf(c.at(field, i), "export_budgets: tables: want at least one")
		}
		c.tables(b.Tables, field, i, "tables")
		if b.Rows < 1 {
			c.errorf(c.at(field, i, "rows"), "export_budgets: rows: want at least 1; to hold every row, use a StatementRule")
		}
		if b.Per < hoop.Duration(time.Second) || b.Per > maxBudgetTime {
			c.errorf(c.at(field, i, "per"), "export_budgets: per: want 1s to %s", maxBudgetTime)
		}
	}
}

// What one identity may compare with a protected column when the target does not say.
const (
	InferenceValues = 50
	InferenceScans  = 20
	InferencePer    = hoop.Duration(time.Hour)
	InferenceGroup  = 5
)

// maxInference bounds the memory of a count.
const maxInference = 100_000

func (t *Target) checkInference(c *checker) {
	const field = "inference_limits"
	if c.has(field) && len(t.InferenceLimits) == 0 {
		c.errorf(c.at(field), "inference_limits: want at least one, or leave the field out")
	}
	for i := range t.InferenceLimits {
		l := &t.InferenceLimits[i]
		if len(l.Columns) == 0 {
			c.errorf(c.at(field, i), "inference_limits: columns: want at least one")
		}
		for k, s := range l.Columns {
			if _, err := ParseColumn(s); err != nil {
				c.errorf(c.at(field, i, "columns", k), "inference_limits: columns: %s", err)
			}
		}
		if child(c.at(field, i), "values") == nil {
			l.Values = InferenceValues
		}
		if child(c.at(field, i), "scans") == nil {
			l.Scans = InferenceScans
		}
		if child(c.at(field, i), "per") == nil {
			l.Per = InferencePer
		}
		if child(c.at(field, i), "min_group") == nil {
			l.MinGroup = InferenceGroup
		}
		if l.MinGroup < 0 || l.MinGroup > maxInference {
			c.errorf(c.at(field, i, "min_group"), "inference_limits: min_group: want 0 to %d", maxInference)
		}
		if l.Values < 0 || l.Values > maxInference || l.Scans < 0 || l.Scans > maxInference {
			c.errorf(c.at(field, i), "inference_limits: values and scans: want 0 to %d", maxInference)
		}
		if l.Per < hoop.Duration(time.Second) || l.Per > maxBudgetTime {
			c.errorf(c.at(field, i, "per"), "inference_limits: per: want 1s to %s", maxBudgetTime)
		}
		if l.Approval != nil {
			c.approvalAt(l.Approval, statementTimeout, field, i, "approval")
		}
	}
}

func (t *Target) checkHoneytokens(c *checker) {
	const field = "honeytokens"
	for i := range t.Honeytokens {
		h := &t.Honeytokens[i]
		if p, err := ParseTable(h.Table); err != nil || p.Schema.Any || p.Table.Any {
			c.errorf(c.at(field, i, "table"), "honeytokens: table: %q: want schema.table, quoted as in SQL", h.Table)
		}
		if h.Column == "" {
			c.errorf(c.at(field, i), "honeytokens: column is missing")
		}
		if h.Action == "" {
			h.Action = HoneytokenAlert
		}
		if h.Action != HoneytokenAlert && h.Action != HoneytokenEnd {
			c.errorf(c.at(field, i, "action"), "honeytokens: action: %q is not one of alert, end", h.Action)
		}
		if d, err := h.decoy(); err != nil {
			c.errorf(c.at(field, i), "honeytokens: %s", err)
		} else if len(d.Values) == 0 {
			c.errorf(c.at(field, i), "honeytokens: values: want at least one, here or by from")
		} else {
			h.Values = d.Values
		}
	}
}

// What touching a honeytoken leads to.
const (
	HoneytokenAlert = "alert"
	HoneytokenEnd   = "end"
)

// decoy reads the values. Errors name where they should be, never what they are.
func (h *Honeytoken) decoy() (hoop.Decoy, error) {
	p, err := ParseTable(h.Table)
	if err != nil {
		return hoop.Decoy{}, err
	}
	column, err := splitName(h.Column)
	if err != nil || len(column) != 1 || column[0].Any {
		return hoop.Decoy{}, fmt.Errorf("column: %q: want the name of one column, quoted as in SQL", h.Column)
	}
	d := hoop.Decoy{
		Column: hoop.ColumnRef{Schema: p.Schema.Name, Table: p.Table.Name, Column: column[0].Name},
		Values: slices.Clone([]string(h.Values)), End: h.Action == HoneytokenEnd,
	}
	if !h.From.IsZero() {
		text, err := h.From.Resolve()
		if err != nil {
			return d, err
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				d.Values = append(d.Values, line)
			}
		}
	}
	return d, nil
}

func (t *Target) checkCertificate(c *checker) {
	if t.CertFile == "" && t.KeyFile == "" {
		return
	}
	switch {
	case t.CertFile == "":
		c.errorf(c.at("key_file"), "key_file: cert_file is missing")
	case t.KeyFile == "":
		c.errorf(c.at("cert_file"), "cert_file: key_file is missing")
	case t.TLS == TLSDisable:
		c.errorf(c.at("cert_file"), "cert_file: is not used with tls: disable")
	}
	t.CertFile, t.KeyFile = c.path(t.CertFile), c.path(t.KeyFile)
}

func (t *Target) checkLimits(c *checker) {
	if c.has("connect_timeout") && (t.ConnectTimeout < hoop.Duration(time.Second) || t.ConnectTimeout > maxConnect) {
		c.errorf(c.at("connect_timeout"), "connect_timeout: want 1s to %s", maxConnect)
	}
	if c.has("retention") && t.Retention < hoop.Day {
		c.errorf(c.at("retention"), "retention: want 1d at least")
	}
	c.cosigned(t.CosignedWithin)
	if c.has("idle_timeout") && t.IdleTimeout < hoop.Duration(time.Second) {
		c.errorf(c.at("idle_timeout"), "idle_timeout: want 1s at least")
	}
	if c.has("max_sessions") && t.MaxSessions < 1 {
		c.errorf(c.at("max_sessions"), "max_sessions: want 1 at least")
	}
	if c.has("max_grant_sessions") && t.MaxGrantSessions < 1 {
		c.errorf(c.at("max_grant_sessions"), "max_grant_sessions: want 1 at least")
	}
	if r := t.Reuse; r != nil {
		if r.MaxIdle < 1 || r.MaxIdle > maxIdle {
			c.errorf(c.at("reuse", "max_idle"), "reuse: max_idle: want 1 to %d", maxIdle)
		}
		if child(c.at("reuse"), "idle_timeout") != nil && (r.IdleTimeout < hoop.Duration(time.Second) || r.IdleTimeout > hoop.Duration(time.Hour)) {
			c.errorf(c.at("reuse", "idle_timeout"), "reuse: idle_timeout: want 1s to 1h")
		}
	}
}

func (c *checker) address(address string) {
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" || n == 0 || strings.ContainsAny(host, "/\\@ \x00") {
		c.errorf(c.at("address"), "address: %q: want host:port, as in db.example.org:5432", address)
	}
}

func (c *checker) tables(list []string, path ...any) {
	for i, s := range list {
		if _, err := ParseTable(s); err != nil {
			c.errorf(c.at(append(slices.Clone(path), i)...), "tables: %s", err)
		}
	}
}

func (r *AccessRule) check(c *checker) {
	c.required("groups", r.Groups)
	c.targets(r.Targets)
	if r.MaxDuration <= 0 || r.MaxDuration > maxGrant {
		c.errorf(c.at("max_duration"), "max_duration: want more than 0 and at most %s", maxGrant)
	}
	switch {
	case !c.has("approval"):
		c.errorf(c.spec, "approval: is missing: say none, or who must approve")
	case r.Approval != nil:
		c.approval(r.Approval, accessTimeout)
	}
	c.oneOf("reason", r.Reason, ReasonOptional, ReasonRequired)
	r.checkBreakGlass(c)
	if c.has("max_sessions") && r.MaxSessions < 1 {
		c.errorf(c.at("max_sessions"), "max_sessions: want 1 at least")
	}
	if c.has("max_uses") && r.MaxUses < 1 {
		c.errorf(c.at("max_uses"), "max_uses: want 1 at least")
	}
}

func (r *AccessRule) checkBreakGlass(c *checker) {
	if r.BreakGlass == nil {
		return
	}
	if r.Approval != nil {
		c.errorf(c.at("approval"), "approval: a rule with break_glass asks nobody: approval: none")
	}
	if c.has("reason") && r.Reason != ReasonRequired {
		c.errorf(c.at("reason"), "reason: a rule with break_glass always wants one")
	}
	r.Reason = ReasonRequired
	if len(r.BreakGlass.Reviewers) == 0 {
		c.errorf(c.at("break_glass"), "break_glass: reviewers: want at least one group")
	}
	for i, g := range r.BreakGlass.Reviewers {
		if g == "" || g == "*" || strings.TrimSpace(g) != g {
			c.errorf(c.at("break_glass", "reviewers", i), "break_glass: reviewers: %q is no group", g)
		}
	}
}

// undeclared are the names by which decisions say that no declared rule made them: what is
// decided by default would be asked of whom a rule of that name asks.
var undeclared = []string{hoop.RuleDefault, hoop.RuleMasked, hoop.RuleSite, hoop.RuleScope, hoop.RuleInference}

func (r *StatementRule) check(c *checker) {
	if slices.Contains(undeclared, r.Name) {
		c.errorf(c.spec, "name %q: decisions that no declared rule made are called so; give the rule another name", r.Name)
	}
	c.targets(r.Targets)
	c.required("groups", r.Groups)
	if len(r.Effects) == 0 {
		c.errorf(c.at("effects"), "effects: want at least one")
	}
	for i, e := range r.Effects {
		if !e.Known() && e != "*" {
			c.errorf(c.at("effects", i), "effects: there is no effect %q", e)
		}
	}
	if c.has("tables") {
		c.required("tables", r.Tables)
	}
	c.tables(r.Tables, "tables")
	c.oneOf("decision", string(r.Decision), string(hoop.Allow), string(hoop.Approve), string(hoop.Deny))
	c.oneOf("mode", r.Mode, ModeEnforce, ModeObserve)
	c.cosigned(r.CosignedWithin)
	switch {
	case r.Decision == hoop.Approve && r.Approval == nil:
		c.errorf(c.at("decision"), "approval: is missing: decision approve wants {groups, count, timeout}")
	case r.Decision != hoop.Approve && c.has("approval"):
		c.errorf(c.at("approval"), "approval: belongs to decision approve only")
	case r.Approval != nil:
		c.approval(r.Approval, statementTimeout)
	}
}

// cosigned checks the field cosigned_within of a document.
func (c *checker) cosigned(within hoop.Duration) {
	if !c.has("cosigned_within") {
		return
	}
	switch d := time.Duration(within); {
	case d < 2*time.Minute:
		c.errorf(c.at("cosigned_within"), "cosigned_within: want 2m at least: witnesses are asked every minute")
	case d%time.Second != 0:
		c.errorf(c.at("cosigned_within"), "cosigned_within: want whole seconds")
	}
}

func (r *MaskRule) check(c *checker) {
	c.targets(r.Targets)
	if len(r.Columns)+len(r.Detect)+len(r.Patterns) == 0 {
		c.errorf(c.spec, "want columns, detect or patterns: the rule names nothing to protect")
	}
	for i, s := range r.Columns {
		if _, err := ParseColumn(s); err != nil {
			c.errorf(c.at("columns", i), "columns: %s", err)
		}
	}
	for i, name := range r.Detect {
		if !slices.ContainsFunc(Detectors, func(d Detector) bool { return d.Name == name }) {
			c.errorf(c.at("detect", i), "detect: there is no detector %q; known are %s", name, detectorNames())
		}
	}
	r.checkPatterns(c)
	r.checkTransform(c)
	for i, g := range r.Except {
		if g == "" || g == "*" {
			c.errorf(c.at("except", i), "except: %q is no group; a rule that excepts everybody protects nothing", g)
		}
	}
}

var patternName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$`)

func (r *MaskRule) checkPatterns(c *checker) {
	for i, p := range r.Patterns {
		if !patternName.MatchString(p.Name) {
			c.errorf(c.at("patterns", i), "patterns: name %q: want 1 to 60 letters, digits, dots, dashes and underscores", p.Name)
		}
		re, err := regexp.Compile(p.Regex)
		switch {
		case err != nil:
			c.errorf(c.at("patterns", i, "regex"), "patterns: %s (RE2 syntax)", err)
		case re.MatchString(""):
			c.errorf(c.at("patterns", i, "regex"), "patterns: the expression matches the empty text")
		}
	}
}

func (r *MaskRule) checkTransform(c *checker) {
	byValue := len(r.Detect)+len(r.Patterns) > 0
	switch r.With {
	case Redact, Hash:
	case Partial:
		if !c.has("last") {
			r.Last = 4
		}
		if r.Last < 1 || r.Last > 16 {
			c.errorf(c.at("last"), "last: want 1 to 16 characters")
		}
	case Null, Year, Age90, Zip3, Tokenize:
		if byValue {
			c.errorf(c.at("with"), "with: %s works on columns; detect and patterns want redact, hash or partial", r.With)
		}
	default:
		c.errorf(c.at("with"), "with: %q is not one of redact, null, partial, hash, year, age-90, zip3, tokenize", r.With)
	}
	if c.has("last") && r.With != Partial {
		c.errorf(c.at("last"), "last: belongs to with: partial only")
	}
}

func (a *ServiceAccount) check(c *checker) {
	c.required("groups", a.Groups)
	if slices.Contains(a.Groups, "*") {
		c.errorf(c.at("groups"), "groups: an account is in groups by name; \"*\" belongs in rules")
	}
	if a.Owner == "" {
		c.errorf(c.at("owner"), "owner: is missing: who answers for the account, a subject or a group")
	}
	switch {
	case c.has("federation") && c.has("secret"):
		c.errorf(c.at("federation"), "federation: want either secret or federation, not both")
	case c.has("federation"):
		a.Federation.check(c)
	case a.Secret.IsZero():
		c.errorf(c.spec, "secret: is missing, or federation in its place")
	}
}

func (f *Federation) check(c *checker) {
	if f.CAFile != "" {
		f.CAFile = c.path(f.CAFile)
	}
	u, err := url.Parse(f.Issuer)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" || strings.ContainsAny(f.Issuer, "?# ") {
		c.errorf(c.at("federation", "issuer"), "federation: issuer: want an https URL without user, query and fragment, as the tokens have it")
	}
	if f.Audience == "" || f.Audience != strings.TrimSpace(f.Audience) {
		c.errorf(c.at("federation", "audience"), "federation: audience: want the one audience of the token, without blanks around it")
	}
	switch {
	case f.Subject == "" || f.Subject != strings.TrimSpace(f.Subject):
		c.errorf(c.at("federation", "subject"), "federation: subject: want the subject of the token, without blanks around it")
	case strings.Contains(f.Subject, "*"):
		c.errorf(c.at("federation", "subject"), "federation: subject: is compared as it is, and * stands for nothing else; declare an account for each subject")
	}
}

func (r *GroupRole) check(c *checker) {
	if r.Group == "" || r.Group == "*" {
		c.errorf(c.at("group"), "group: want the name of one group")
	}
	c.oneOf("role", string(r.Role), string(hoop.RoleAdmin), string(hoop.RoleApprover), string(hoop.RoleAuditor))
	if r.Literals && r.Role == hoop.RoleApprover {
		c.errorf(c.at("literals"), "literals: approvers read no recordings of others; set it with role: auditor or admin")
	}
}
