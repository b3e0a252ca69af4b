package resource

import (
	"slices"
	"strings"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Set is everything that was declared, in the order of the files. It may be read
// concurrently; nothing changes it after Load.
type Set struct {
	Targets         []Target         `json:"targets"`
	AccessRules     []AccessRule     `json:"access_rules"`
	StatementRules  []StatementRule  `json:"statement_rules"`
	MaskRules       []MaskRule       `json:"mask_rules"`
	ServiceAccounts []ServiceAccount `json:"service_accounts"`
	GroupRoles      []GroupRole      `json:"group_roles"`
}

// Public is the target without its credential.
func (t *Target) Public() hoop.Target {
	p := hoop.Target{
		Name: t.Name, Type: t.Type, Address: t.Address, Database: t.Database,
		Databases: slices.Clone(t.Databases), Record: t.Record,
		IdleTimeout: t.IdleTimeout, CosignedWithin: t.CosignedWithin, MaxSessions: t.MaxSessions, MaxGrantSessions: t.MaxGrantSessions,
	}
	for _, b := range t.ExportBudgets {
		p.Budgets = append(p.Budgets, hoop.ExportBudget{Tables: slices.Clone(b.Tables), Rows: int64(b.Rows), Per: b.Per})
	}
	if t.Reuse != nil {
		p.Reuse = hoop.Reuse{MaxIdle: t.Reuse.MaxIdle, IdleTimeout: t.Reuse.IdleTimeout}
		if p.Reuse.IdleTimeout == 0 {
			p.Reuse.IdleTimeout = hoop.Duration(reuseIdle)
		}
	}
	for _, l := range t.InferenceLimits {
		p.Inference = append(p.Inference, hoop.InferenceLimit{
			Columns: slices.Clone(l.Columns), Values: l.Values, Scans: l.Scans, Per: l.Per, MinGroup: l.MinGroup, Approval: l.Approval,
		})
	}
	for _, h := range t.Honeytokens {
		h.From = Secret{} // Load has read it
		if d, err := h.decoy(); err == nil {
			p.Decoys = append(p.Decoys, d)
		}
	}
	return p
}

// reuseIdle is how long a connection waits for its reuse where the target does not say.
const reuseIdle = 5 * time.Minute

// Target finds a target by its name.
func (s *Set) Target(name string) (*Target, bool) {
	for i := range s.Targets {
		if s.Targets[i].Name == name {
			return &s.Targets[i], true
		}
	}
	return nil, false
}

// Beside gives the names of the targets that lead to a database of t: of one address, and
// of t itself.
func (s *Set) Beside(t *Target) (names []string) {
	for i := range s.Targets {
		if other := &s.Targets[i]; strings.EqualFold(other.Address, t.Address) && slices.ContainsFunc(other.all(), func(d string) bool { return slices.Contains(t.all(), d) }) {
			names = append(names, other.Name)
		}
	}
	return names
}

// all are the databases that may be asked for.
func (t *Target) all() []string { return append(slices.Clone(t.Databases), t.Database) }

// ServiceAccount finds a service account by its name.
func (s *Set) ServiceAccount(name string) (*ServiceAccount, bool) {
	for i := range s.ServiceAccounts {
		if s.ServiceAccounts[i].Name == name {
			return &s.ServiceAccounts[i], true
		}
	}
	return nil, false
}

// Identity is who the account signs in as.
func (a *ServiceAccount) Identity() hoop.Identity {
	return hoop.Identity{
		Subject: "service:" + a.Name, Name: a.Name, Kind: hoop.Service, Provider: "service-account",
		Groups: slices.Clone(a.Groups), Owner: a.Owner,
	}
}

// Roles lists what the identity may do in hoop itself, each once, in the order admin,
// approver, auditor.
func (s *Set) Roles(id hoop.Identity) []hoop.Role {
	var roles []hoop.Role
	for _, role := range []hoop.Role{hoop.RoleAdmin, hoop.RoleApprover, hoop.RoleAuditor} {
		if id.InAnyGroup(s.GroupsWith(role)) {
			roles = append(roles, role)
		}
	}
	return roles
}

// Literals reports whether the identity sees literals and parameters in recordings of
// others.
func (s *Set) Literals(id hoop.Identity) bool {
	return slices.ContainsFunc(s.GroupRoles, func(r GroupRole) bool { return r.Literals && id.InGroup(r.Group) })
}

// GroupsWith lists the groups that have a role, sorted.
func (s *Set) GroupsWith(role hoop.Role) []string {
	var groups []string
	for _, r := range s.GroupRoles {
		if r.Role == role {
			groups = append(groups, r.Group)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// TargetsFor lists the targets that some access rule lets the identity ask for, in
// the order they were declared.
func (s *Set) TargetsFor(id hoop.Identity) []*Target {
	var out []*Target
	for i := range s.Targets {
		t := &s.Targets[i]
		if slices.ContainsFunc(s.AccessRules, func(r AccessRule) bool {
			return NamesTarget(r.Targets, t.Name) && id.InAnyGroup(r.Groups)
		}) {
			out = append(out, t)
		}
	}
	return out
}

// NamesTarget reports whether a rule's list of targets names target.
func NamesTarget(list []string, target string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, target)
}
