package session

import (
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What a scope leaves of a grant, and of an agent's token, effect by effect.
func TestScope_Judge(t *testing.T) {
	narrowed := newScope("the grant", hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead, hoop.EffectWrite, hoop.EffectDerive, hoop.EffectDDL, hoop.EffectOpaque}, Tables: []string{"clinic.*"}})
	for _, tt := range []struct {
		what    string
		use     hoop.Use
		outside bool
	}{
		{"a table of it", hoop.Use{Effect: hoop.EffectRead, Tables: []string{"clinic.wards"}}, false},
		{"another table", hoop.Use{Effect: hoop.EffectRead, Tables: []string{"clinic.wards", "vault.keys"}}, true},
		{"any table", hoop.Use{Effect: hoop.EffectRead, Tables: []string{"*"}}, true},
		{"where to", hoop.Use{Effect: hoop.EffectDerive, Tables: []string{"clinic.wards"}, Into: []string{"vault.keys"}}, true},
		{"to anywhere", hoop.Use{Effect: hoop.EffectDerive, Tables: []string{"clinic.wards"}, Into: []string{"*"}}, true},
		{"to a table of the session's own", hoop.Use{Effect: hoop.EffectDerive, Tables: []string{"clinic.wards"}, Into: []string{"pg_temp.t"}}, false},
		{"no table, read", hoop.Use{Effect: hoop.EffectRead}, false},
		{"no table, definitions", hoop.Use{Effect: hoop.EffectDDL}, true},
		{"no table, code", hoop.Use{Effect: hoop.EffectOpaque}, true},
		{"another effect", hoop.Use{Effect: hoop.EffectDestroy, Tables: []string{"clinic.wards"}}, true},
		{"the session", hoop.Use{Effect: hoop.EffectSession}, false},
		{"a partition", hoop.Use{Effect: hoop.EffectWrite, Tables: []string{"vault.part"}, Parts: map[string]string{"vault.part": "clinic.wards"}}, false},
	} {
		d := narrowed.judge([]hoop.Use{{Effect: hoop.EffectRead, Tables: []string{"clinic.wards"}}, tt.use})
		if got := d != nil; got != tt.outside {
			t.Errorf("%s: %+v", tt.what, d)
		} else if got && (d.Action != hoop.Deny || d.Rule != hoop.RuleScope || d.Effect != tt.use.Effect) {
			t.Errorf("%s: %+v", tt.what, d)
		}
	}
	if d := newScope("the grant", hoop.Scope{}).judge([]hoop.Use{{Effect: hoop.EffectDestroy, Tables: []string{"*"}}}); d != nil {
		t.Errorf("no scope: %+v", d)
	}
	agent := hoop.Identity{Delegation: &hoop.Delegation{Scope: hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead}}}}
	if all := scopes(agent, hoop.Scope{}); len(all) != 2 || all[1].judge([]hoop.Use{{Effect: hoop.EffectWrite, Tables: []string{"a.b"}}}) == nil {
		t.Errorf("the token's scope does not count: %+v", all)
	}
}
