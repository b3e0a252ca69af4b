package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Change is what became of a resource, or of a module of the policy, from one policy to
// another.
type Change struct {
	Kind string // of the resource, or KindModule
	Name string
	What string // Added, Changed or Removed
}

// KindModule is the kind of a change of a module; its name is as in the policy's text.
const KindModule = "Module"

// What can become of a resource.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
)

// kinds are the lists in a policy's text, in the order of the reference.
var kinds = []struct{ list, kind string }{
	{"targets", "Target"},
	{"access_rules", "AccessRule"},
	{"statement_rules", "StatementRule"},
	{"mask_rules", "MaskRule"},
	{"service_accounts", "ServiceAccount"},
	{"group_roles", "GroupRole"},
}

// Changes compares two policies by their texts (Engine.Text): by kind, then by name. A
// secret is in neither, so that one was changed does not show.
func Changes(former, next []byte) ([]Change, error) {
	was, err := parts(former)
	if err != nil {
		return nil, err
	}
	is, err := parts(next)
	if err != nil {
		return nil, err
	}
	var found []Change
	for _, key := range union(was, is) {
		c := Change{Kind: key.kind, Name: key.name}
		before, had := was[key]
		after, has := is[key]
		switch {
		case !had:
			c.What = Added
		case !has:
			c.What = Removed
		case !bytes.Equal(before, after):
			c.What = Changed
		default:
			continue
		}
		found = append(found, c)
	}
	return found, nil
}

// partKey names a part of a policy.
type partKey struct {
	order      int // of the kind
	kind, name string
}

// parts takes a policy's text apart.
func parts(text []byte) (map[partKey][]byte, error) {
	var doc struct {
		Shipped string `json:"policy.rego"`
		Site    string `json:"site.rego"`
		Data    struct {
			Hoop struct {
				Resources map[string][]json.RawMessage `json:"resources"`
			} `json:"hoop"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read a policy's text: %w", err)
	}
	found := map[partKey][]byte{{len(kinds), KindModule, "policy.rego"}: []byte(doc.Shipped)}
	if doc.Site != "" {
		found[partKey{len(kinds), KindModule, "site.rego"}] = []byte(doc.Site)
	}
	for i, k := range kinds {
		for _, r := range doc.Data.Hoop.Resources[k.list] {
			var meta struct{ Name string }
			if err := json.Unmarshal(r, &meta); err != nil {
				return nil, fmt.Errorf("read a policy's text: %w", err)
			}
			found[partKey{i, k.kind, meta.Name}] = r
		}
	}
	return found, nil
}

// union is the keys of both, in order.
func union(a, b map[partKey][]byte) []partKey {
	var keys []partKey
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b partKey) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.name, b.name))
	})
	return keys
}
