package resource

import (
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"pgregory.net/rapid"
)

func TestParseColumn_Match(t *testing.T) {
	ref := func(s, t, c string) hoop.ColumnRef { return hoop.ColumnRef{Schema: s, Table: t, Column: c} }
	for _, c := range []struct {
		pattern string
		ref     hoop.ColumnRef
		want    bool
	}{
		{"public.patients.ssn", ref("public", "patients", "ssn"), true},
		{"public.patients.ssn", ref("public", "patients", "mrn"), false},
		{"public.patients.ssn", ref("public", "patients", "*"), true},
		{"public.patients.ssn", ref("clinic", "patients", "*"), false},
		{"Public.Patients.SSN", ref("public", "patients", "ssn"), true},
		{`public.patients."SSN"`, ref("public", "patients", "ssn"), false},
		{`public.patients."SSN"`, ref("public", "patients", "SSN"), true},
		{"*.patients.mrn", ref("archive", "patients", "mrn"), true},
		{`"*".patients.mrn`, ref("archive", "patients", "mrn"), false},
		{`"*".patients.mrn`, ref("*", "patients", "mrn"), true},
		{"*.*.*", ref("a", "b", "c"), true},
		{`clinic."PatientContacts"."E-Mail"`, ref("clinic", "PatientContacts", "E-Mail"), true},
		{`clinic.PatientContacts."E-Mail"`, ref("clinic", "PatientContacts", "E-Mail"), false},
		{`a."b"".c".d`, ref("a", `b".c`, "d"), true},
		{"größe.Ärzte.ö", ref("größe", "Ärzte", "ö"), true},
		{"a.b$1._c", ref("a", "b$1", "_c"), true},
	} {
		p, err := ParseColumn(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match(c.ref); got != c.want {
			t.Errorf("%s matches %v: %v", c.pattern, c.ref, got)
		}
	}
}

func TestParse_RefusesNames(t *testing.T) {
	for _, s := range []string{"", "a", "a.b", "a.b.", ".a.b", "a..b", "a.b.c.d", `a.b."c`, `a.b.""`, "a.b.c d", "a.1b.c", "a.b.c*", "a.b-c.d", "a.b.\"c\"d", "**.a.b", " a.b.c"} {
		if p, err := ParseColumn(s); err == nil {
			t.Errorf("%q became %+v", s, p)
		}
	}
	for _, s := range []string{"", "a", "a.b.c", "a."} {
		if p, err := ParseTable(s); err == nil {
			t.Errorf("%q became %+v", s, p)
		}
	}
}

func TestTablePattern_Match(t *testing.T) {
	for _, c := range []struct {
		pattern, table string
		want           bool
	}{
		{"*", "clinic.patients", true},
		{"*", "*", true},
		{"clinic.patients", "*", true},
		{"clinic.*", "clinic.patients", true},
		{"clinic.*", "public.patients", false},
		{`clinic."A.b"`, `clinic."A.b"`, true},
		{"clinic.a", "no canonical name", true},
	} {
		p, err := ParseTable(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(c.table); got != c.want {
			t.Errorf("%s matches %s: %v", c.pattern, c.table, got)
		}
	}
}

// Whatever PostgreSQL can call a column, its canonical name is a pattern of exactly it; "*" is
// every one.
func TestParseColumn_ReadsCanonicalNames(t *testing.T) {
	ident := rapid.StringMatching(`[\x01-\x7fä*"."]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		ref := hoop.ColumnRef{Schema: ident.Draw(t, "schema"), Table: ident.Draw(t, "table"), Column: ident.Draw(t, "column")}
		p, err := ParseColumn(ref.String())
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		part := func(name string) Part {
			if name == "*" {
				return Part{Any: true}
			}
			return Part{Name: name}
		}
		if p != (ColumnPattern{part(ref.Schema), part(ref.Table), part(ref.Column)}) {
			t.Fatalf("%s became %+v", ref, p)
		}
	})
}

// Splitting a table's name is its own shortcut: it must say what reading a pattern says.
func TestSplitTable_AgreesWithPatterns(t *testing.T) {
	long := strings.Repeat("x", 63)
	for _, s := range []string{
		"public.people", "Public.People", `"Public"."a.b"`, `"a""b".c`, "a", "a.b.c", "*", "a.*", "*.b", ".b", "a.", "",
		`"".b`, `"a.b`, "1.b", "a.1", "a b.c", "é.ü", long + "." + long, long + "x." + long, long + "." + long + "x",
	} {
		want, err := ParseTable(s)
		known := err == nil && !want.Schema.Any && !want.Table.Any
		schema, table, ok := SplitTable(s)
		if ok != known || ok && (schema != want.Schema.Name || table != want.Table.Name) {
			t.Errorf("SplitTable(%q): %q, %q, %v; the pattern is %+v, %v", s, schema, table, ok, want, err)
		}
	}
}
