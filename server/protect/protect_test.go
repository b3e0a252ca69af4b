package protect

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// memory is a store that can fail.
type memory struct {
	there []hoop.Protection
	err   error
}

func (m *memory) Inherit(_ context.Context, target string, tables []string, _ string) error {
	if m.err != nil {
		return m.err
	}
	for _, table := range tables {
		m.there = append(m.there, hoop.Protection{Target: target, Table: table})
	}
	return nil
}

func (m *memory) Inherited(context.Context) ([]hoop.Protection, error) {
	return slices.Clone(m.there), m.err
}

func (m *memory) Disinherit(_ context.Context, target, table string) error {
	if m.err != nil {
		return m.err
	}
	m.there = slices.DeleteFunc(m.there, func(p hoop.Protection) bool { return p.Target == target && p.Table == table })
	return nil
}

func rules(t *testing.T, store Store) *Rules {
	t.Helper()
	set, err := resource.Parse("test.yaml", []byte(`
kind: Target
name: db
spec: {type: postgres, address: "db.example:5432", database: x, tls: disable, credential: {username: u, password: {value: p}}}
---
kind: Target
name: same
spec: {type: postgres, address: "DB.example:5432", database: y, databases: [x], tls: disable, credential: {username: u, password: {value: p}}}
---
kind: Target
name: open
spec: {type: postgres, address: "db.example:5432", database: x, tls: disable, credential: {username: u, password: {value: p}}}
---
kind: Target
name: far
spec: {type: postgres, address: "db.example:5433", database: x, tls: disable, credential: {username: u, password: {value: p}}}
---
kind: Target
name: apart
spec: {type: postgres, address: "db.example:5432", database: z, tls: disable, credential: {username: u, password: {value: p}}}
---
kind: MaskRule
name: ssn
spec: {targets: [db, same, far, apart], columns: [public.patients.ssn], with: redact, except: [privacy]}
`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(t.Context(), store, set, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRules_InheritedAtOnceAndForGood(t *testing.T) {
	store := &memory{}
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
	if got := store.there; len(got) != 1 {
		t.Errorf("stored %q; a temporary table ends with its session", got)
	}
	if !r.For(dev, "db").ProtectsTable("public.patients") || r.For(officer, "db").ProtectsTable("public.patients") {
		t.Error("rules of one identity were given to another")
	}
}

// What was copied by way of one target is protected by way of others that lead to the same
// database, for whom column rules apply there.
func TestRules_InheritedBesides(t *testing.T) {
	r := rules(t, &memory{})
	dev, officer := hoop.Identity{Groups: []string{"devs"}}, hoop.Identity{Groups: []string{"privacy"}}
	check := func(when string, want map[string]bool) {
		t.Helper()
		for target, want := range want {
			if got := r.For(dev, target).ProtectsTable("public.copies"); got != want {
				t.Errorf("%s: on %s the copy is protected: %v", when, target, got)
			}
			if r.For(officer, target).ProtectsTable("public.copies") {
				t.Errorf("%s: on %s it is protected from who sees what it is a copy of", when, target)
			}
		}
	}
	for _, from := range []string{"db", "same"} {
		if err := r.Inherit(t.Context(), from, []string{"public.copies"}, "s1"); err != nil {
			t.Fatal(err)
		}
		check("copied by way of "+from, map[string]bool{"db": true, "same": true, "open": false, "far": false, "apart": false})
		if err := r.Lift(t.Context(), from, "public.copies"); err != nil {
			t.Fatal(err)
		}
		check("lifted again", map[string]bool{"db": false, "same": false, "open": false, "far": false, "apart": false})
	}
}

func TestRules_StoreFailureRefuses(t *testing.T) {
	store := &memory{}
	r := rules(t, store)
	store.err = errors.New("disk full")
	if err := r.Inherit(t.Context(), "db", []string{"public.copies"}, "s1"); err == nil {
		t.Error("a copy was let through that is not remembered as protected")
	}
}

// What somebody lifts is shown again, and nothing else; where the store fails it stays.
func TestRules_Lift(t *testing.T) {
	store := &memory{}
	r, other := rules(t, store), rules(t, store)
	dev := hoop.Identity{Groups: []string{"devs"}}
	if err := r.Inherit(t.Context(), "db", []string{"public.copies", "public.more", "*"}, "s1"); err != nil {
		t.Fatal(err)
	}
	protected := func(r *Rules, table string) bool { return r.For(dev, "db").ProtectsTable(table) }
	if protected(other, "public.copies") {
		t.Error("another gateway knows before it looks")
	}
	if err := other.Refresh(t.Context()); err != nil || !protected(other, "public.copies") || !protected(other, "public.any") {
		t.Errorf("another gateway does not follow: %v", err)
	}
	store.err = errors.New("disk full")
	if err := r.Lift(t.Context(), "db", "*"); err == nil || !protected(r, "public.any") {
		t.Errorf("the store failed (%v), and it was lifted", err)
	}
	if err := other.Refresh(t.Context()); err == nil || !protected(other, "public.any") {
		t.Errorf("the store failed (%v), and it was forgotten", err)
	}
	store.err = nil
	for _, table := range []string{"*", "public.copies"} {
		if err := r.Lift(t.Context(), "db", table); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]*Rules{"now": r, "after a restart": rules(t, store)} {
		if protected(r, "public.any") || protected(r, "public.copies") || !protected(r, "public.more") || !protected(r, "public.patients") {
			t.Errorf("%s: what is protected is not what was left", name)
		}
	}
	before := other.state.Load()
	if err := other.Refresh(t.Context()); err != nil || protected(other, "public.copies") {
		t.Errorf("another gateway does not follow: %v", err)
	}
	after := other.state.Load()
	if err := other.Refresh(t.Context()); err != nil || before == after || other.state.Load() != after {
		t.Error("what did not change is compiled anew")
	}
}
