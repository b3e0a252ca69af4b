package hoop

import "testing"

func TestColumnRef_String(t *testing.T) {
	for want, c := range map[string]ColumnRef{
		"public.patients.ssn":               {Schema: "public", Table: "patients", Column: "ssn"},
		`clinic."PatientContacts"."E-Mail"`: {Schema: "clinic", Table: "PatientContacts", Column: "E-Mail"},
		"public.patients.*":                 {Schema: "public", Table: "patients", Column: "*"},
		"*.*.*":                             AnyColumn,
		`a."*b"."""*"""`:                    {Schema: "a", Table: "*b", Column: `"*"`},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
