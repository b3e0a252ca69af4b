package mask

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

var (
	testKey = bytes.Repeat([]byte("k"), 32)
	anybody = hoop.Identity{Subject: "alice", Groups: []string{"agents"}}
)

func base(oid uint32) *hoop.Type { return &hoop.Type{OID: oid, Mod: -1} }

func typeMod(oid uint32, n int32) *hoop.Type { return &hoop.Type{OID: oid, Mod: n + varHdrSize} }

func arrayOf(t *hoop.Type) *hoop.Type { return &hoop.Type{Kind: hoop.TypeArray, Elem: t, Mod: -1} }

func rowOf(fields ...*hoop.Type) *hoop.Type {
	return &hoop.Type{Kind: hoop.TypeComposite, Fields: fields, Mod: -1}
}

func compile(t testing.TB, rules ...resource.MaskRule) *Set {
	t.Helper()
	for i := range rules {
		rules[i].Name = fmt.Sprintf("rule-%d", i)
		if rules[i].Targets == nil {
			rules[i].Targets = []string{"pg"}
		}
		if rules[i].With == "" {
			rules[i].With = resource.Redact
		}
	}
	s, err := Compile(rules, map[string][]string{"pg": {"work.copy"}}, testKey)
	if err != nil {
		t.Fatal(err)
	}
	s.Now = func() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }
	return s
}

func ref(s string) hoop.ColumnRef {
	p := strings.Split(s, ".")
	return hoop.ColumnRef{Schema: p[0], Table: p[1], Column: p[2]}
}

func proven(typ *hoop.Type, binary bool, origins ...string) hoop.Column {
	c := hoop.Column{Type: typ, Binary: binary, Proven: true, Plain: true}
	for _, o := range origins {
		c.Origins = append(c.Origins, ref(o))
	}
	return c
}

func derived(typ *hoop.Type, origins ...string) hoop.Column {
	c := proven(typ, false, origins...)
	c.Proven, c.Derived, c.Plain = false, true, false
	return c
}

// generated is a stored column that is computed from others of its table.
func generated(typ *hoop.Type, column string, from ...string) hoop.Column {
	c := proven(typ, false, column)
	for _, f := range from {
		c.From = append(c.From, ref(f))
	}
	c.Plain = false
	return c
}

// apply masks one value of a column that the rule protects.
func apply(t testing.TB, with resource.Transform, typ *hoop.Type, binary bool, v []byte) (out []byte, null bool) {
	t.Helper()
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: with, Last: 4}).For(anybody, "pg")
	p := r.Plan(&hoop.Statement{}, []hoop.Column{proven(typ, binary, "a.b.c")})
	if p.Columns[0] == nil {
		return v, false
	}
	out, null, _ = p.Columns[0].Append(nil, v)
	return out, null
}

func TestFor_TargetsAndExceptions(t *testing.T) {
	s := compile(t,
		resource.MaskRule{Columns: []string{"a.b.c"}, Except: []string{"privacy"}},
		resource.MaskRule{Columns: []string{"a.b.d"}, Targets: []string{"*"}},
	)
	for _, c := range []struct {
		name, target, group, column string
		want                        bool
	}{
		{"the target's", "pg", "agents", "a.b.c", true},
		{"excepted", "pg", "privacy", "a.b.c", false},
		{"excepted from one rule only", "pg", "privacy", "a.b.d", true},
		{"another target", "other", "agents", "a.b.c", false},
		{"every target", "other", "agents", "a.b.d", true},
		{"a copy", "pg", "agents", "work.copy.x", true},
		{"a copy elsewhere", "other", "agents", "work.copy.x", false},
		{"the table of it", "pg", "agents", "a.b.*", true},
		{"another table", "pg", "agents", "a.x.*", false},
	} {
		r := s.For(hoop.Identity{Groups: []string{c.group}}, c.target)
		if _, got := r.Protects(ref(c.column)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	r := s.For(anybody, "pg")
	for table, want := range map[string]bool{"a.b": true, "a.x": false, "*": true, "work.copy": true, "not canonical": true} {
		if got := r.ProtectsTable(table); got != want {
			t.Errorf("ProtectsTable(%s): %v", table, got)
		}
	}
	if none := s.For(hoop.Identity{}, "x"); none.ProtectsTable("*") != true {
		t.Error("a rule on every target does not protect *")
	}
	if none := compile(t).For(anybody, "other"); none.Any() || none.ProtectsTable("*") {
		t.Error("no rules protect something")
	}
}

func TestPlan(t *testing.T) {
	text := base(oidText)
	rules := []resource.MaskRule{
		{Columns: []string{"clinic.patients.ssn"}},
		{Columns: []string{"clinic.patients.phone"}, With: resource.Partial, Last: 4},
		{Columns: []string{"*.patients.phone"}, With: resource.Null},
		{Columns: []string{"clinic.encounters.note"}, Detect: []string{"us-ssn"}},
		{Detect: []string{"email"}},
	}
	reads := func(tables ...string) *hoop.Statement { return &hoop.Statement{Reads: tables} }
	const in = "a@b.org 123-45-6789"
	for _, c := range []struct {
		name string
		st   *hoop.Statement
		col  hoop.Column
		want string // "NULL" for NULL, in for untouched but for the e-mail address
	}{
		{"protected", reads("clinic.patients"), proven(text, false, "clinic.patients.ssn"), marker},
		{"one of two origins", reads("clinic.patients"), proven(text, false, "clinic.x.y", "clinic.patients.ssn"), marker},
		{"strictest of two rules", reads("clinic.patients"), proven(text, false, "clinic.patients.phone"), "NULL"},
		{"strictest of two origins", reads("clinic.patients"), proven(text, false, "clinic.patients.phone", "clinic.patients.ssn"), marker},
		{"not protected", reads("clinic.patients"), proven(text, false, "clinic.patients.name"), "[email] 123-45-6789"},
		{"no origin", reads(), proven(text, false), "[email] 123-45-6789"},
		{"a copy", reads("work.copy"), proven(text, false, "work.copy.x"), marker},
		{"unproven, reads protected", reads("clinic.patients"), hoop.Column{Type: text}, marker},
		{"unproven, reads anything", reads("*"), hoop.Column{Type: text}, marker},
		{"unproven, reads free text", reads("clinic.encounters"), hoop.Column{Type: text}, marker},
		{"unproven, reads a copy", reads("work.copy"), hoop.Column{Type: text}, marker},
		{"unproven, opaque", &hoop.Statement{Opaque: true}, hoop.Column{Type: text}, marker},
		{"unproven, unprotected", reads("clinic.wards"), hoop.Column{Type: text}, "[email] 123-45-6789"},
		{"unproven number", reads("clinic.patients"), hoop.Column{Type: base(oidInt4)}, "NULL"},
		{"unproven, no type", reads("clinic.patients"), hoop.Column{}, "NULL"},
		{"derived of protected", reads("clinic.patients"), derived(text, "clinic.patients.name", "clinic.patients.ssn"), marker},
		{"derived of partly shown", reads("clinic.patients"), derived(text, "clinic.patients.phone"), marker},
		{"derived number", reads("clinic.patients"), derived(base(oidInt4), "clinic.patients.ssn"), "NULL"},
		{"derived of a row", reads("clinic.patients"), derived(text, "clinic.patients.*"), marker},
		{"derived of free text", reads("clinic.encounters"), derived(text, "clinic.encounters.note"), marker},
		{"derived of a copy", reads("work.copy"), derived(text, "work.copy.x"), marker},
		{"stored, and generated from protected", reads("clinic.patients"), generated(text, "clinic.patients.tail", "clinic.patients.name", "clinic.patients.ssn"), marker},
		{"stored, and generated from unprotected", reads("clinic.patients"), generated(text, "clinic.patients.tail", "clinic.patients.name"), "[email] 123-45-6789"},
		{"derived of unprotected", reads("clinic.patients"), derived(text, "clinic.patients.name"), "[email] 123-45-6789"},
		{"derived of nothing", reads("clinic.patients"), derived(text), "[email] 123-45-6789"},
		{"derived in an opaque statement", &hoop.Statement{Opaque: true}, derived(text, "clinic.patients.name"), marker},
		{"free text", reads("clinic.encounters"), proven(text, false, "clinic.encounters.note"), "[email] [us-ssn]"},
		{"free text that cannot be scanned", reads("clinic.encounters"), proven(base(oidBytea), false, "clinic.encounters.note"), `\x`},
		{"free text or protected", reads("clinic.encounters"), proven(text, false, "clinic.encounters.note", "clinic.patients.ssn"), marker},
		{"proven in an opaque statement", &hoop.Statement{Opaque: true}, proven(text, false, "clinic.wards.name"), "[email] 123-45-6789"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compile(t, rules...).For(anybody, "pg")
			got := "clear"
			if tr := r.Plan(c.st, []hoop.Column{c.col}).Columns[0]; tr != nil {
				out, null, changed := tr.Append([]byte("kept:"), []byte(in))
				if !changed {
					t.Error("not reported as changed")
				}
				got = strings.TrimPrefix(string(out), "kept:")
				if null {
					if got != "" {
						t.Errorf("NULL with bytes: %q", got)
					}
					got = "NULL"
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What one transform hides another may show: where two of them meet, nothing stays.
// Code that nobody can read may have copied protected data to anywhere.
func TestCompile_CopiedAnywhere(t *testing.T) {
	s, err := Compile([]resource.MaskRule{
		{Meta: resource.Meta{Name: "c"}, Targets: []string{"*"}, Columns: []string{"a.b.c"}, Except: []string{"privacy"}, With: resource.Redact},
		{Meta: resource.Meta{Name: "v"}, Targets: []string{"*"}, Detect: []string{"email"}, With: resource.Redact},
	}, map[string][]string{"pg": {"*"}}, testKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target, group string
		want          bool
	}{{"pg", "agents", true}, {"pg", "privacy", false}, {"other", "agents", false}} {
		r := s.For(hoop.Identity{Groups: []string{c.group}}, c.target)
		if rule, got := r.Protects(ref("x.y.z")); got != c.want || got && rule != Inherited {
			t.Errorf("%s on %s: column protected by %q: %v", c.group, c.target, rule, got)
		}
		if got := r.ProtectsTable("x.y"); got != c.want {
			t.Errorf("%s on %s: table protected: %v", c.group, c.target, got)
		}
		if got := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidInt4), false, "x.y.z")}).Clear(); got == c.want {
			t.Errorf("%s on %s: relayed as it is: %v", c.group, c.target, got)
		}
		described := &hoop.Statement{Reads: []string{"pg_catalog.pg_description"}}
		if got := r.Plan(described, []hoop.Column{{Type: base(oidInt4), Derived: true}}).Clear(); got == c.want {
			t.Errorf("%s on %s: computed from the catalog, relayed as it is: %v", c.group, c.target, got)
		}
		uses := []hoop.Use{{Effect: hoop.EffectDerive, Tables: []string{"a.b"}, Into: []string{"*"}}}
		if got := r.counts(&hoop.Statement{}, uses[0]); got != (c.target == "other") {
			t.Errorf("%s on %s: another copy counts: %v", c.group, c.target, got)
		}
	}
}

func TestPlan_TransformsThatMeet(t *testing.T) {
	r := compile(t,
		resource.MaskRule{Columns: []string{"a.b.age"}, With: resource.Age90},
		resource.MaskRule{Columns: []string{"a.b.pin"}, With: resource.Partial, Last: 1},
		resource.MaskRule{Columns: []string{"a.b.pin2"}, With: resource.Partial, Last: 2},
		resource.MaskRule{Columns: []string{"a.b.key"}, With: resource.Hash},
		resource.MaskRule{Columns: []string{"a.c.age"}, With: resource.Age90},
		resource.MaskRule{Columns: []string{"a.d.note"}, Detect: []string{"us-ssn"}},
	).For(anybody, "pg")
	for _, c := range []struct {
		name    string
		origins []string
		want    string
	}{
		{"one", []string{"a.b.age"}, "42"},
		{"two kinds", []string{"a.b.age", "a.b.pin"}, marker},
		{"two kinds, other order", []string{"a.b.pin", "a.b.age"}, marker},
		{"one kind", []string{"a.b.pin2", "a.b.pin"}, "*2"},
		{"the same twice", []string{"a.b.age", "a.c.age"}, "42"},
		{"a whole row", []string{"a.c.*"}, marker},
		{"a whole row of free text", []string{"a.d.*"}, marker},
		{"free text and another", []string{"a.d.note", "a.b.age"}, marker},
		{"a copy and another", []string{"work.copy.x", "a.b.age"}, marker},
	} {
		tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false, c.origins...)}).Columns[0]
		if out, _, _ := tr.Append(nil, []byte("42")); string(out) != c.want {
			t.Errorf("%s: %q, want %q", c.name, out, c.want)
		}
	}
	tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false, "a.b.key", "a.b.pin")}).Columns[0]
	if tr.with != resource.Hash {
		t.Errorf("hash and partial: %s", tr.with)
	}
}

func TestPlan_Clear(t *testing.T) {
	cols := []hoop.Column{proven(base(oidText), false, "a.b.c"), {}, {Type: base(oidInt4)}}
	if p := compile(t).For(anybody, "other").Plan(&hoop.Statement{Opaque: true, Reads: []string{"*"}}, cols); !p.Clear() || len(p.Columns) != 3 {
		t.Errorf("without rules: %+v", p)
	}
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}).For(anybody, "pg")
	if p := r.Plan(&hoop.Statement{Reads: []string{"a.x"}}, cols[1:]); !p.Clear() {
		t.Error("an unprotected statement is masked")
	}
	if p := r.Plan(&hoop.Statement{Reads: []string{"a.b"}}, cols[:1]); p.Clear() {
		t.Error("a protected column is not masked")
	}
}

func TestAppend_NullStaysNull(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}).For(anybody, "pg")
	tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(base(oidText), false, "a.b.c")}).Columns[0]
	if out, null, changed := tr.Append([]byte("x"), nil); !null || changed || string(out) != "x" {
		t.Errorf("%q %v %v", out, null, changed)
	}
	if out, null, _ := tr.Append(nil, []byte{}); null || string(out) != marker {
		t.Errorf("the empty text: %q %v", out, null)
	}
}

func TestWithheld(t *testing.T) {
	columns := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}).For(anybody, "pg")
	s, err := Compile([]resource.MaskRule{{Meta: resource.Meta{Name: "v"}, Targets: []string{"*"}, Detect: []string{"email"}, With: resource.Redact}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	values, none := s.For(anybody, "pg"), compile(t).For(anybody, "other")
	for _, c := range []struct {
		name string
		r    *Rules
		st   hoop.Statement
		want bool
	}{
		{"reads protected", columns, hoop.Statement{Reads: []string{"a.b"}}, true},
		{"reads anything", columns, hoop.Statement{Reads: []string{"*"}}, true},
		{"reads other", columns, hoop.Statement{Reads: []string{"a.x"}}, false},
		{"opaque", columns, hoop.Statement{Opaque: true}, true},
		{"opaque, value rules", values, hoop.Statement{Opaque: true}, true},
		{"value rules", values, hoop.Statement{Reads: []string{"a.b"}}, false},
		{"no rules", none, hoop.Statement{Opaque: true, Reads: []string{"*"}}, false},
	} {
		if got := c.r.Withheld(&c.st); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestUses(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}, resource.MaskRule{Columns: []string{"vault.*.*"}},
		resource.MaskRule{Columns: []string{"half.*.*"}, With: resource.Partial}).For(anybody, "pg")
	derive := func(into string, tables ...string) hoop.Use {
		return hoop.Use{Effect: hoop.EffectDerive, Tables: tables, Into: []string{into}}
	}
	as := func(into string, tables ...string) hoop.Use { // what is stored, as it is
		u := derive(into, tables...)
		u.Shaped = true
		return u
	}
	by := func(into, c string, tables ...string) hoop.Use {
		return hoop.Use{Effect: hoop.EffectDerive, Tables: tables, Columns: []hoop.ColumnRef{ref(c)}, Into: []string{into}}
	}
	infer := func(c string) hoop.Use {
		return hoop.Use{Effect: hoop.EffectInfer, Columns: []hoop.ColumnRef{ref(c)}}
	}
	for _, c := range []struct {
		name string
		st   hoop.Statement
		keep bool
	}{
		{"derive of protected", hoop.Statement{Uses: []hoop.Use{derive("x.y", "a.b")}}, true},
		{"derive of anything", hoop.Statement{Uses: []hoop.Use{derive("x.y", "*")}}, true},
		{"derive of what is not known", hoop.Statement{Reads: []string{"a.b"}, Uses: []hoop.Use{derive("x.y")}}, true},
		{"derive of unprotected", hoop.Statement{Uses: []hoop.Use{derive("x.y", "a.x")}}, false},
		{"derive of opaque", hoop.Statement{Opaque: true, Uses: []hoop.Use{derive("x.y", "a.x")}}, true},
		{"derive into a copy", hoop.Statement{Uses: []hoop.Use{as("work.copy", "a.b")}}, false},
		{"derive into what a rule covers", hoop.Statement{Uses: []hoop.Use{as("vault.t", "a.b")}}, false},
		{"derive of what is computed into a copy", hoop.Statement{Uses: []hoop.Use{derive("work.copy", "a.b")}}, true},
		{"derive of what is computed into what a rule covers", hoop.Statement{Uses: []hoop.Use{derive("vault.t", "a.b")}}, true},
		{"derive of what a trigger computes into what a rule covers", hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectDerive, Tables: []string{"vault.t"}, Into: []string{"vault.t"}, Behind: true}}}, false},
		{"derive of what a trigger computes", hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectDerive, Tables: []string{"vault.t"}, Into: []string{"x.y"}, Behind: true}}}, true},
		{"derive of what is computed of unprotected data", hoop.Statement{Uses: []hoop.Use{derive("vault.t", "a.x")}}, false},
		{"derive of what gets protected data, computed", hoop.Statement{Uses: []hoop.Use{derive("vault.t", "x.y"), as("x.y", "a.b")}}, true},
		{"derive into what a rule covers in part", hoop.Statement{Uses: []hoop.Use{derive("half.t", "a.b")}}, true},
		{"derive by what is not known", hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectDerive, Tables: []string{"a.b"}, Columns: []hoop.ColumnRef{hoop.AnyColumn}, Into: []string{"x.y"}}}}, true},
		{"infer by what is not known", hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectInfer, Columns: []hoop.ColumnRef{hoop.AnyColumn}}}}, true},
		{"derive into its own table", hoop.Statement{Uses: []hoop.Use{derive("a.b", "a.b")}}, true},
		{"derive of what gets protected data", hoop.Statement{Uses: []hoop.Use{derive("z.z", "x.z"), derive("x.z", "x.y"), derive("x.y", "a.b")}}, true},
		{"derive by protected column", hoop.Statement{Uses: []hoop.Use{by("x.y", "a.b.c", "a.b")}}, true},
		{"derive by unprotected column", hoop.Statement{Uses: []hoop.Use{by("x.y", "a.b.d", "a.b")}}, false},
		{"derive by unprotected column, opaque", hoop.Statement{Opaque: true, Uses: []hoop.Use{by("x.y", "a.b.d", "a.b")}}, true},
		{"derive by column of no source", hoop.Statement{Uses: []hoop.Use{by("x.y", "a.b.c", "a.x")}}, false},
		{"derive by column of what gets some", hoop.Statement{Uses: []hoop.Use{derive("x.y", "a.b"), by("x.z", "x.y.c")}}, true},
		{"infer by protected", hoop.Statement{Uses: []hoop.Use{infer("a.b.c")}}, true},
		{"infer by unprotected", hoop.Statement{Uses: []hoop.Use{infer("a.b.d")}}, false},
		{"infer, whole row", hoop.Statement{Uses: []hoop.Use{infer("a.b.*")}}, true},
		{"read", hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectRead}}}, true},
		{"unknown", hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectUnknown}}}, true},
	} {
		read := hoop.Use{Effect: hoop.EffectRead}
		c.st.Uses = append(c.st.Uses, read)
		got := r.Uses(&c.st)
		want := []hoop.Use{read}
		if c.keep {
			want = c.st.Uses
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	// Whom the rule of the place excepts, or who comes by way of another target, would be shown it.
	for name, rule := range map[string]resource.MaskRule{
		"excepts":       {Columns: []string{"vault.*.*"}, Except: []string{"billing"}},
		"other targets": {Columns: []string{"vault.*.*"}, Targets: []string{"pg"}},
	} {
		st := hoop.Statement{Uses: []hoop.Use{as("vault.t", "a.b")}}
		source := resource.MaskRule{Columns: []string{"a.b.c"}, Targets: []string{"pg", "pg-2"}}
		if got := compile(t, source, rule).For(anybody, "pg").Uses(&st); len(got) != 1 || got[0].Effect != hoop.EffectDerive {
			t.Errorf("%s: %v", name, got)
		}
		rule.Targets, source.Except = append(source.Targets, "pg-3"), append(rule.Except, "audit")
		if got := compile(t, source, rule).For(anybody, "pg").Uses(&st); len(got) != 1 || got[0].Effect != hoop.EffectWrite {
			t.Errorf("%s, and the source's too: %v", name, got)
		}
		// So would whom another rule shows more than this one does.
		other := resource.MaskRule{Columns: []string{"a.b.c"}, Targets: rule.Targets, Except: []string{"agents"}, With: resource.Partial}
		rule.Except = []string{"clerks"}
		source.Except = rule.Except
		if got := compile(t, source, other, rule).For(anybody, "pg").Uses(&st); len(got) != 1 || got[0].Effect != hoop.EffectDerive {
			t.Errorf("%s, of what others are shown a part of: %v", name, got)
		}
		keeps := hoop.Statement{Uses: []hoop.Use{by("a.b", "a.b.c", "a.b")}}
		keeps.Uses[0].Keeps = true
		for want, other := range map[hoop.Effect]resource.MaskRule{hoop.EffectDerive: other, hoop.EffectWrite: {Columns: []string{"a.b.d"}, Targets: rule.Targets, With: resource.Partial}} {
			if got := compile(t, source, other).For(anybody, "pg").Uses(&keeps); len(got) != 1 || got[0].Effect != want {
				t.Errorf("%s, computed from itself beside %v: %v", name, other, got)
			}
		}
	}
	// On another database it is no matter.
	apart := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, Targets: []string{"pg", "pg-2"}}, resource.MaskRule{Columns: []string{"vault.*.*"}, Targets: []string{"pg"}})
	apart.Beside = func(target string) []string { return []string{target} }
	if got := apart.For(anybody, "pg").Uses(&hoop.Statement{Uses: []hoop.Use{as("vault.t", "a.b")}}); len(got) != 1 || got[0].Effect != hoop.EffectWrite {
		t.Errorf("another database: %v", got)
	}
	if got := compile(t).For(anybody, "other").Uses(&hoop.Statement{Opaque: true, Uses: []hoop.Use{derive("x.y", "*"), infer("a.b.c")}}); len(got) != 1 || got[0].Effect != hoop.EffectWrite {
		t.Errorf("without rules: %v", got)
	}
	for want, use := range map[hoop.Effect]hoop.Use{hoop.EffectWrite: derive("x.y", "a.x"), hoop.EffectRead: infer("a.b.d")} {
		if got := r.Uses(&hoop.Statement{Uses: []hoop.Use{use}}); len(got) != 1 || got[0].Effect != want {
			t.Errorf("alone, %s becomes %v", use.Effect, got)
		}
	}
}

func TestMultiplied(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}).For(anybody, "pg")
	for _, c := range []struct {
		name string
		use  hoop.Use
		want string
	}{
		{"nothing", hoop.Use{Tables: []string{"a.b"}}, ""},
		{"protected", hoop.Use{Rows: []hoop.ColumnRef{ref("a.b.c"), ref("a.b.d")}}, "a.b.c"},
		{"unprotected", hoop.Use{Rows: []hoop.ColumnRef{ref("a.b.d")}, Elements: []hoop.ColumnRef{ref("a.b.d")}}, ""},
		{"inherited", hoop.Use{Rows: []hoop.ColumnRef{ref("work.copy.x")}}, "work.copy.x"},
		{"not known, of protected", hoop.Use{Tables: []string{"a.b"}, Rows: []hoop.ColumnRef{hoop.AnyColumn}}, hoop.AnyColumn.String()},
		{"not known, of unprotected", hoop.Use{Tables: []string{"a.x"}, Rows: []hoop.ColumnRef{hoop.AnyColumn}}, ""},
		{"elements", hoop.Use{Elements: []hoop.ColumnRef{ref("a.b.c")}}, ""},
		{"elements that may be computed", hoop.Use{Elements: []hoop.ColumnRef{ref("work.copy.x")}}, "work.copy.x"},
	} {
		c.use.Effect, c.use.Into = hoop.EffectDerive, []string{"x.y"}
		var got []string
		columns, into := r.Multiplied(&hoop.Statement{Uses: []hoop.Use{{Effect: hoop.EffectRead}, c.use}})
		for _, c := range columns {
			got = append(got, c.String())
		}
		if strings.Join(got, " ") != c.want || (len(into) > 0) != (c.want != "") {
			t.Errorf("%s: %v into %v, want %q", c.name, got, into, c.want)
		}
	}
}

func TestKnowing_Columns(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"*.*.phone"}}).For(anybody, "pg")
	if !r.ProtectsTable("a.wards") {
		t.Error("a table with columns nobody knows is not protected")
	}
	r = r.Knowing(func(table string) ([]string, bool) {
		switch table {
		case "a.wards":
			return []string{"id", "name"}, true
		case "a.people":
			return []string{"id", "phone"}, true
		case "work.copy": // whatever its columns are called
			return []string{"x"}, true
		}
		return nil, false
	})
	for table, want := range map[string]bool{"a.wards": false, "a.people": true, "a.other": true, "*": true, "work.copy": true} {
		if got := r.ProtectsTable(table); got != want {
			t.Errorf("%s: %v", table, got)
		}
	}
}

func TestCompile_Errors(t *testing.T) {
	for name, r := range map[string]resource.MaskRule{
		"nothing":           {With: resource.Redact},
		"unknown transform": {Columns: []string{"a.b.c"}, With: "blur"},
		"unknown detector":  {Detect: []string{"x"}, With: resource.Redact},
		"bad column":        {Columns: []string{"a"}, With: resource.Redact},
		"bad expression":    {Patterns: []resource.Pattern{{Name: "a", Regex: "("}}, With: resource.Redact},
		"hash, short key":   {Columns: []string{"a.b.c"}, With: resource.Hash},
		"tokenize, no key":  {Columns: []string{"a.b.c"}, With: resource.Tokenize},
	} {
		if _, err := Compile([]resource.MaskRule{r}, nil, []byte("short")); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whoever computes JSON or an array chooses its names, blanks and subscripts: nothing
// of them stays, in whatever the value is nested.
func TestRedact_NothingSpelled(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}).For(anybody, "pg")
	for _, c := range []struct {
		typ         *hoop.Type
		value, want string
		computed    string // where the shape may not stay either
	}{
		{base(oidJSON), `{"Otto_Hassan" : 1,"x":{"jbf_hc_jddd":null}}`, `{"[masked-1]":null,"[masked-2]":{"[masked-3]":null}}`, `"[masked]"`},
		{base(oidJSON), " \t \n\r null", `null`, `"[masked]"`},
		{base(oidJSON), "[ \t]", `[]`, `"[masked]"`},
		{base(oidJSONB), `{"Hassan": [true]}`, `{"[masked-1]": [null]}`, `"[masked]"`},
		{arrayOf(base(oidJSON)), "{\" \t null\"}", `{"null"}`, "{}"},
		{rowOf(base(oidJSON)), "(\" \t{}\")", `({})`, `("""[masked]""")`},
		{arrayOf(base(oidText)), "[915729333:915729333]={x}", `{[masked]}`, "{}"},
	} {
		shaped := derived(c.typ, "a.b.c")
		shaped.Shaped = true
		for name, col := range map[string]hoop.Column{
			"proven": proven(c.typ, false, "a.b.c"), "derived": derived(c.typ, "a.b.c"), "unproven": {Type: c.typ}, "shaped": shaped,
			"a copy": proven(c.typ, false, "work.copy.c"),
		} {
			want := c.computed
			if name == "proven" || name == "shaped" {
				want = c.want
			}
			for _, value := range [][]byte{[]byte(c.value), nil} {
				if value == nil && want == c.want {
					continue // NULL stays
				}
				out, null, _ := r.Plan(&hoop.Statement{Opaque: col.Origins == nil}, []hoop.Column{col}).Columns[0].Append(nil, value)
				if string(out) != want || null {
					t.Errorf("%s %q: %s, want %s", name, value, out, want)
				}
			}
		}
	}
}

// The shape of a stored value shows where a rule protects its column, and does not where
// somebody computed what is stored there.
func TestComputed_ShapeOfACopy(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: resource.Redact}).For(anybody, "pg")
	for origin, want := range map[string]string{"a.b.c": "{[masked],NULL}", "work.copy.x": "{}"} {
		col := derived(arrayOf(base(oidText)), origin)
		col.Shaped = true
		out, null, _ := r.Plan(&hoop.Statement{}, []hoop.Column{col}).Columns[0].Append(nil, []byte("{a,NULL}"))
		if null || string(out) != want {
			t.Errorf("%s: %q, want %q", origin, out, want)
		}
	}
}

// Nothing of a computed value depends on the value, in either format.
func TestComputed_IsConstant(t *testing.T) {
	for _, with := range []resource.Transform{resource.Redact, resource.Null, resource.Hash, resource.Partial, resource.Year, resource.Zip3, resource.Age90, resource.Tokenize} {
		r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: with, Last: 4}).For(anybody, "pg")
		for _, c := range []struct {
			typ    *hoop.Type
			values []string
		}{
			{base(oidText), []string{"", "12345", "1984-03-12", "77", "x"}},
			{base(oidDate), []string{"1984-03-12", "infinity"}},
			{base(oidInt4), []string{"7", "89"}},
			{base(oidBytea), []string{`\x`, `\x00`}},
			{base(oidUUID), []string{"6f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5a"}},
			{arrayOf(base(oidInt4)), []string{"{}", "{1,2}", "{{1},{NULL}}"}},
			{rowOf(base(oidText)), []string{"()", "(a)"}},
		} {
			for _, binary := range []bool{false, true} {
				col := derived(c.typ, "a.b.c")
				col.Binary = binary
				tr := r.Plan(&hoop.Statement{}, []hoop.Column{col}).Columns[0]
				first, firstNull, _ := tr.Append(nil, nil)
				for _, v := range c.values {
					if out, null, _ := tr.Append(nil, []byte(v)); null != firstNull || !bytes.Equal(out, first) {
						t.Errorf("%s of %v, binary %v: %q and %q", with, c.typ.OID, binary, out, first)
					}
					s := tr.Stream(int64(len(v)))
					n, null := s.Len(int64(len(v)))
					out, _ := s.End(s.Append(nil, []byte(v)))
					if null != firstNull || !bytes.Equal(out, first) || int(n) != len(first) {
						t.Errorf("%s of %v, binary %v, in pieces: %q and %q", with, c.typ.OID, binary, out, first)
					}
				}
			}
		}
	}
}

func TestReshaped(t *testing.T) {
	r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}}, resource.MaskRule{Columns: []string{"vault.*.*"}}).For(anybody, "pg")
	for _, c := range []struct {
		name string
		use  hoop.Use
		want string
	}{
		{"by a trigger", hoop.Use{Tables: []string{"a.b"}, Into: []string{"vault.t"}, Behind: true}, "vault.t"},
		{"by the text", hoop.Use{Tables: []string{"a.b"}, Into: []string{"vault.t"}}, ""},
		{"of unprotected", hoop.Use{Tables: []string{"a.x"}, Into: []string{"vault.t"}, Behind: true}, ""},
		{"a derive", hoop.Use{Tables: []string{"a.b"}, Into: []string{"x.y"}, Behind: true}, ""},
		{"into a copy", hoop.Use{Tables: []string{"a.b"}, Into: []string{"work.copy"}, Behind: true}, ""},
	} {
		c.use.Effect = hoop.EffectDerive
		if got := strings.Join(r.Reshaped(&hoop.Statement{Uses: []hoop.Use{c.use}}), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
