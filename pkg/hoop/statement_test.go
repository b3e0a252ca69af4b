package hoop

import (
	"strings"
	"testing"
)

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

// What is beside a secret stays where it is once that is concealed.
func TestConceal_KeepsPlaces(t *testing.T) {
	const text = "DO $$BEGIN ALTER ROLE r PASSWORD 'a longer secret'; x('y'); END$$ -- z"
	at := func(s string) (start, end int) { start = strings.Index(text, s); return start, start + len(s) }
	start, end := at("'a longer secret'")
	secrets := []Secret{{Start: start, End: end, Shown: "'[secret]'"}}
	shown := Conceal(text, secrets)
	for _, part := range []string{"'a longer secret'", "'y'", "-- z", "$$BEGIN ALTER ROLE r PASSWORD 'a longer secret'; x('y'); END$$", "ER ROLE", "longer"} {
		var p Place
		p.Start, p.End = at(part)
		want := strings.ReplaceAll(part, "'a longer secret'", "'[secret]'")
		got := PlacesBeside([]Place{p}, secrets)
		switch {
		case part == "longer" && len(got) > 0:
			t.Errorf("a place in the secret is at %v", got)
		case part != "longer" && (len(got) != 1 || shown[got[0].Start:got[0].End] != want):
			t.Errorf("%s is at %v of %s", part, got, shown)
		}
	}
}
