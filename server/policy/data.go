package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/open-policy-agent/opa/v1/ast"
)

var errUndefined = errors.New("undefined")

// table is the name of a table, or a pattern of names where nil is any.
type table struct {
	Schema *string `json:"schema"`
	Table  *string `json:"table"`
}

// index is the data that policy.rego looks things up in; its head describes it.
type index struct {
	Rules          map[string]map[hoop.Effect]map[string][]string `json:"rules"`
	StatementRules map[string]statementRule                       `json:"statement_rules"`
	Access         map[string]map[string][]string                 `json:"access"`
	AccessRules    map[string]accessRule                          `json:"access_rules"`
	Defaults       map[hoop.Effect]fallback                       `json:"defaults"`
	Masked         map[string]bool                                `json:"masked"`
}

type statementRule struct {
	Decision hoop.Action `json:"decision"`
	Count    int         `json:"count"`
	AnyTable bool        `json:"any_table"`
	Tables   []table     `json:"tables"`
}

type accessRule struct {
	Asks    bool  `json:"asks"`
	Count   int   `json:"count"`
	Seconds int64 `json:"seconds"`
}

type fallback struct {
	Decision hoop.Action `json:"decision"`
	Count    int         `json:"count"`
}

// document builds the data of the modules: {"hoop": {"resources": …, "index": …}}.
func document(set *resource.Set) (map[string]any, error) {
	ix, err := newIndex(set)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(map[string]any{"hoop": map[string]any{"resources": canonical(set), "index": ix}})
	if err != nil {
		return nil, fmt.Errorf("encode resources: %w", err)
	}
	var data map[string]any
	return data, json.Unmarshal(b, &data)
}

// canonical sorts by name, so that moving a document is no change of policy.
func canonical(set *resource.Set) *resource.Set {
	byName := func(a, b resource.Meta) int { return cmp.Compare(a.Name, b.Name) }
	s := &resource.Set{
		Targets: slices.Clone(set.Targets), AccessRules: slices.Clone(set.AccessRules), StatementRules: slices.Clone(set.StatementRules),
		MaskRules: slices.Clone(set.MaskRules), ServiceAccounts: slices.Clone(set.ServiceAccounts), GroupRoles: slices.Clone(set.GroupRoles),
	}
	slices.SortFunc(s.Targets, func(a, b resource.Target) int { return byName(a.Meta, b.Meta) })
	slices.SortFunc(s.AccessRules, func(a, b resource.AccessRule) int { return byName(a.Meta, b.Meta) })
	slices.SortFunc(s.StatementRules, func(a, b resource.StatementRule) int { return byName(a.Meta, b.Meta) })
	slices.SortFunc(s.MaskRules, func(a, b resource.MaskRule) int { return byName(a.Meta, b.Meta) })
	slices.SortFunc(s.ServiceAccounts, func(a, b resource.ServiceAccount) int { return byName(a.Meta, b.Meta) })
	slices.SortFunc(s.GroupRoles, func(a, b resource.GroupRole) int { return byName(a.Meta, b.Meta) })
	return s
}

func newIndex(set *resource.Set) (*index, error) {
	ix := &index{
		Rules: map[string]map[hoop.Effect]map[string][]string{}, StatementRules: map[string]statementRule{},
		Access: map[string]map[string][]string{}, AccessRules: map[string]accessRule{},
		Defaults: map[hoop.Effect]fallback{}, Masked: map[string]bool{},
	}
	for _, e := range hoop.Effects {
		d := fallback{Decision: e.Default}
		if d.Decision == hoop.Approve {
			d.Count = 1
		}
		ix.Defaults[e.Effect] = d
	}
	for _, t := range set.Targets {
		if err := ix.target(set, t.Name); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

func (ix *index) target(set *resource.Set, name string) error {
	ix.Rules[name] = map[hoop.Effect]map[string][]string{}
	for _, e := range hoop.Effects {
		ix.Rules[name][e.Effect] = map[string][]string{}
	}
	for _, r := range set.StatementRules {
		if !resource.NamesTarget(r.Targets, name) {
			continue
		}
		if err := ix.statementRule(r); err != nil {
			return fmt.Errorf("statement rule %s: %w", r.Name, err)
		}
		for effect, groups := range ix.Rules[name] {
			if !slices.Contains(r.Effects, effect) && !slices.Contains(r.Effects, "*") {
				continue
			}
			for _, g := range r.Groups {
				groups[g] = append(groups[g], r.Name)
			}
		}
	}
	ix.Access[name] = map[string][]string{}
	for _, r := range set.AccessRules {
		if !resource.NamesTarget(r.Targets, name) {
			continue
		}
		a := accessRule{Seconds: int64(time.Duration(r.MaxDuration) / time.Second), Asks: r.Approval != nil}
		if a.Asks {
			a.Count = r.Approval.Count
		}
		ix.AccessRules[r.Name] = a
		for _, g := range r.Groups {
			ix.Access[name][g] = append(ix.Access[name][g], r.Name)
		}
	}
	for _, r := range set.MaskRules {
		if resource.NamesTarget(r.Targets, name) {
			ix.Masked[name] = true
		}
	}
	return nil
}

func (ix *index) statementRule(r resource.StatementRule) error {
	s := statementRule{Decision: r.Decision, AnyTable: len(r.Tables) == 0, Tables: []table{}}
	if r.Approval != nil {
		s.Count = r.Approval.Count
	}
	for _, t := range r.Tables {
		p, err := resource.ParseTable(t)
		if err != nil {
			return err
		}
		s.AnyTable = s.AnyTable || p.Any()
		s.Tables = append(s.Tables, table{part(p.Schema), part(p.Table)})
	}
	ix.StatementRules[r.Name] = s
	return nil
}

func part(p resource.Part) *string {
	if p.Any {
		return nil
	}
	return &p.Name
}

// input is what the modules decide on. Its JSON form, whole, is the key of the cache.
type input struct {
	Identity identity       `json:"identity"`
	Target   string         `json:"target"`
	Uses     []use          `json:"uses"`
	Decision *hoop.Decision `json:"decision,omitempty"` // of the shipped module, for the site's
}

type identity struct {
	Subject  string            `json:"subject"`
	Kind     hoop.IdentityKind `json:"kind"`
	Provider string            `json:"provider"`
	Groups   []string          `json:"groups"`
	Chain    []string          `json:"chain"`
}

type use struct {
	Effect   hoop.Effect      `json:"effect"`
	AnyTable bool             `json:"any_table"`
	Tables   []table          `json:"tables"`
	Columns  []hoop.ColumnRef `json:"columns"`
	Into     []string         `json:"into"`
}

func newInput(id hoop.Identity, target string, uses []hoop.Use) *input {
	in := &input{
		Identity: identity{id.Subject, id.Kind, id.Provider, append([]string{}, id.Groups...), append([]string{}, id.Chain...)},
		Target:   target, Uses: make([]use, 0, len(uses)),
	}
	slices.Sort(in.Identity.Groups)
	for _, u := range uses {
		v := use{Effect: u.Effect, Tables: []table{}, Columns: append([]hoop.ColumnRef{}, u.Columns...), Into: append([]string{}, u.Into...)}
		for _, name := range u.Tables {
			schema, bare, ok := resource.SplitTable(name)
			if !ok { // "*", or no canonical name
				v.AnyTable = true
				continue
			}
			v.Tables = append(v.Tables, table{&schema, &bare})
		}
		in.Uses = append(in.Uses, v)
	}
	return in
}

func (in *input) digest() (key [sha256.Size]byte, err error) {
	b, err := json.Marshal(in)
	if err != nil {
		return key, fmt.Errorf("encode the policy's input: %w", err)
	}
	return sha256.Sum256(b), nil
}

func (in *input) value() (ast.Value, error) {
	v, err := ast.InterfaceToValue(in)
	if err != nil {
		return nil, fmt.Errorf("encode the policy's input: %w", err)
	}
	return v, nil
}
