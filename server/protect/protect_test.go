package protect

import (
	"context"
	"errors"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// memory is a store that can fail.
type memory struct {
	tables map[string][]string
	err    error
}

func (m *memory) Inherit(_ context.Context, target string, tables []string, _ string) error {
	if m.err != nil {
		return m.err
	}
	m.tables[target] = append(m.tables[target], tables...)
	return nil
}

func (m *memory) Inherited(context.Context) (map[string][]string, error) { return m.tables, m.err }

func rules(t *testing.T, store Store) *Rules {
	t.Helper()
	set, err := resource.Parse("test.yaml", []byte(`
kind: Target
name: db
spec: {type: postgres, address: "127.0.0.1:5432", database: x, tls: disable, credential: {username: u, password: {value: p}}}
---
kind: MaskRule
name: ssn
spec: {targets: [db], columns: [public.patients.ssn], with: redact, except: [privacy]}
`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(t.Context(), store, set.MaskRules, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRules_InheritedAtOnceAndForGood(t *testing.T) {
	store := &memory{tables: map[string][]string{}}
	r := rules(t, store)
	dev, officer := hoop.Identity{Groups: []string{"devs"}}, hoop.Identity{Groups: []string{"devs", "privacy"}}
	if r.For(dev, "db").ProtectsTable("public.copies") {
		t.Fatal("a table is protected that nobody named")
	}
	if err := r.Inherit(t.Context(), "db", []string{"public.copies", "pg_temp.t"}, "s1"); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Rules{"now": r, "after a restart": rules(t, store)} {
		if !r.For(dev, "db").ProtectsTable("public.copies") {
			t.Errorf("%s: the copy is not protected", name)
		}
	}
	if got := store.tables["db"]; len(got) != 1 {
		t.Errorf("stored %q; a temporary table ends with its session", got)
	}
	if !r.For(dev, "db").ProtectsTable("public.patients") || r.For(officer, "db").ProtectsTable("public.patients") {
		t.Error("rules of one identity were given to another")
	}
}

func TestRules_StoreFailureRefuses(t *testing.T) {
	store := &memory{tables: map[string][]string{}}
	r := rules(t, store)
	store.err = errors.New("disk full")
	if err := r.Inherit(t.Context(), "db", []string{"public.copies"}, "s1"); err == nil {
		t.Error("a copy was let through that is not remembered as protected")
	}
}
