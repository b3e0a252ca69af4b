package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// index is the data that policy.rego looks things up in; its head describes it.
type index struct {
	Rules          map[string]byEffect            `json:"rules"`
	Observing      map[string]byEffect            `json:"observing"`
	StatementRules map[string][]any               `json:"statement_rules"`
	Access         map[string]map[string][]string `json:"access"`
	Emergency      map[string]map[string][]string `json:"emergency"`
	AccessRules    map[string]accessRule          `json:"access_rules"`
	Defaults       map[hoop.Effect][]any          `json:"defaults"`
	Masked         map[string]bool                `json:"masked"`
	Cosigned       map[string]int64               `json:"cosigned"`
}

// byEffect is effect -> group -> rules.
type byEffect map[hoop.Effect]map[string]*applying

// applying is the names of statement rules that apply to an effect of a group's statements.
type applying struct {
	All      []string                       `json:"all"`
	Anywhere []string                       `json:"anywhere"` // those that are not about certain tables
	Tables   map[string]map[string][]string `json:"tables"`   // schema -> table; "" stands for any
}

// rank orders actions as hoop.Action.Stricter does.
var rank = map[hoop.Action]int{hoop.Allow: 0, hoop.Approve: 1, hoop.Deny: 2}

type accessRule struct {
	Asks    bool  `json:"asks"`
	Count   int   `json:"count"`
	Seconds int64 `json:"seconds"`
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
		Rules: map[string]byEffect{}, Observing: map[string]byEffect{}, StatementRules: map[string][]any{},
		Access: map[string]map[string][]string{}, Emergency: map[string]map[string][]string{}, AccessRules: map[string]accessRule{},
		Defaults: map[hoop.Effect][]any{}, Masked: map[string]bool{}, Cosigned: map[string]int64{},
	}
	for _, e := range hoop.Effects {
		count := 0
		if e.Default == hoop.Approve {
			count = 1
		}
		ix.Defaults[e.Effect] = []any{-rank[e.Default], -count, 1, hoop.RuleDefault, e.Default}
	}
	for _, r := range set.StatementRules {
		if r.CosignedWithin > 0 {
			ix.Cosigned[r.Name] = int64(time.Duration(r.CosignedWithin) / time.Second)
		}
	}
	for _, t := range set.Targets {
		if err := ix.target(set, t.Name); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

func (ix *index) target(set *resource.Set, name string) error {
	var enforced, all []resource.StatementRule
	for _, r := range set.StatementRules {
		if !resource.NamesTarget(r.Targets, name) {
			continue
		}
		all = append(all, r)
		if r.Mode != resource.ModeObserve {
			enforced = append(enforced, r)
		}
	}
	var err error
	if ix.Rules[name], err = ix.statementRules(enforced); err != nil {
		return err
	}
	if len(all) > len(enforced) {
		if ix.Observing[name], err = ix.statementRules(all); err != nil {
			return err
		}
	}
	ix.Access[name], ix.Emergency[name] = map[string][]string{}, map[string][]string{}
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
			if r.BreakGlass != nil {
				ix.Emergency[name][g] = append(ix.Emergency[name][g], r.Name)
				continue
			}
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

func (ix *index) statementRules(rules []resource.StatementRule) (byEffect, error) {
	out := byEffect{}
	for _, e := range hoop.Effects {
		out[e.Effect] = map[string]*applying{}
	}
	for _, r := range rules {
		tables, err := patterns(r)
		if err != nil {
			return nil, fmt.Errorf("statement rule %s: %w", r.Name, err)
		}
		count := 0
		if r.Approval != nil {
			count = r.Approval.Count
		}
		ix.StatementRules[r.Name] = []any{-rank[r.Decision], -count, 0, r.Name, r.Decision}
		for effect, groups := range out {
			if !slices.Contains(r.Effects, effect) && !slices.Contains(r.Effects, "*") {
				continue
			}
			for _, g := range r.Groups {
				if groups[g] == nil {
					groups[g] = &applying{All: []string{}, Anywhere: []string{}, Tables: map[string]map[string][]string{}}
				}
				groups[g].add(r.Name, tables)
			}
		}
	}
	return out, nil
}

// patterns are the tables that a rule is about, none where it is about any.
func patterns(r resource.StatementRule) ([]resource.TablePattern, error) {
	var out []resource.TablePattern
	for _, t := range r.Tables {
		p, err := resource.ParseTable(t)
		if err != nil {
			return nil, err
		}
		if p.Any() {
			return nil, nil
		}
		out = append(out, p)
	}
	return out, nil
}

func (a *applying) add(rule string, tables []resource.TablePattern) {
	a.All = append(a.All, rule)
	if len(tables) == 0 {
		a.Anywhere = append(a.Anywhere, rule)
	}
	for _, p := range tables {
		schema, table := p.Schema.Name, p.Table.Name // empty where it is any
		if a.Tables[schema] == nil {
			a.Tables[schema] = map[string][]string{}
		}
		a.Tables[schema][table] = append(a.Tables[schema][table], rule)
	}
}
