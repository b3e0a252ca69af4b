package session

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// scope is what a grant, or an agent's token, was narrowed to.
type scope struct {
	hoop.Scope
	of     string // "the grant"
	tables []resource.TablePattern
}

// scopes are what a grant of an identity was narrowed to, and what the identity itself
// was.
func scopes(id hoop.Identity, granted hoop.Scope) []scope {
	all := []scope{newScope("the grant", granted)}
	if id.Delegation != nil {
		all = append(all, newScope("the agent's token", id.Delegation.Scope))
	}
	return all
}

// newScope reads a scope. A pattern that cannot be read names nothing.
func newScope(of string, s hoop.Scope) scope {
	out := scope{Scope: s, of: of}
	for _, name := range s.Tables {
		if p, err := resource.ParseTable(name); err == nil {
			out.tables = append(out.tables, p)
		}
	}
	return out
}

// judge gives the denial of a statement that reaches beyond the scope, nil where it
// does not. What has the effect session touches no data, and no connection does
// without it.
func (s scope) judge(uses []hoop.Use) *hoop.Decision {
	for _, u := range uses {
		var why string
		switch {
		case len(s.Effects) > 0 && u.Effect != hoop.EffectSession && !slices.Contains(s.Effects, u.Effect):
			why = string(u.Effect)
		case len(s.Tables) > 0:
			why = s.stray(u)
		}
		if why != "" {
			return &hoop.Decision{
				Action: hoop.Deny, Rule: hoop.RuleScope, Effect: u.Effect,
				Reason: fmt.Sprintf("denied: %s is outside the scope of %s, which is %s", why, s.of, s.Scope),
			}
		}
	}
	return nil
}

// ofObjects are the effects of what changes more than rows: roles, schemas, functions, settings of
// others. Where they name no table they are about none of a scope's.
var ofObjects = []hoop.Effect{
	hoop.EffectDDL, hoop.EffectDestroy, hoop.EffectRole, hoop.EffectServer, hoop.EffectOpaque, hoop.EffectUnknown,
}

// stray names something that a use touches beside the scope's tables. The session's own
// temporary tables are no such thing: what is in them the session brought along, or read
// from within the scope.
func (s scope) stray(u hoop.Use) string {
	if len(u.Tables)+len(u.Into) == 0 && slices.Contains(ofObjects, u.Effect) {
		return string(u.Effect) + " on no table"
	}
	for _, name := range slices.Concat(u.Tables, u.Into) {
		if _, _, ok := resource.SplitTable(name); !ok {
			return string(u.Effect) + " on what could be any table"
		}
		if strings.HasPrefix(name, "pg_temp.") {
			continue
		}
		if s.names(name, u.Parts) {
			continue
		}
		if name == "pg_catalog.pg_largeobject" {
			name = "large objects (" + name + ")"
		}
		return string(u.Effect) + " on " + name
	}
	return ""
}

// names reports whether a table is among the scope's, by itself or as a partition of one.
func (s scope) names(table string, parts map[string]string) bool {
	for ok := true; ok; table, ok = parts[table] {
		if slices.ContainsFunc(s.tables, func(p resource.TablePattern) bool { return p.Match(table) }) {
			return true
		}
	}
	return false
}
