package mask

import (
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// A demanding site's rules, from the file to the value.
func TestCompile_DemandingSite(t *testing.T) {
	set, err := resource.Parse("clinic.yaml", []byte(`kind: Target
name: clinic
spec: {type: postgres, address: "db:5432", database: clinic, credential: {username: app, password: {env: X}}}
---
kind: MaskRule
name: columns
spec:
  targets: [clinic]
  columns: [clinic.patients.ssn, clinic.patients.home, clinic.patients.profile, clinic.claims.member_ssn,
            clinic."PatientContacts"."FullName", clinic."PatientContacts"."E-Mail"]
  with: redact
---
kind: MaskRule
name: values
spec:
  targets: [clinic]
  patterns:
    - {name: ssn,   regex: '\b\d{3}-\d{2}-\d{4}\b'}
    - {name: mrn,   regex: '\bMRN-\d{9}\b'}
    - {name: phone, regex: '\(\d{3}\) \d{3}-\d{4}'}
    - {name: email, regex: '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}'}
  with: redact
`))
	if err != nil {
		t.Fatal(err)
	}
	masks, err := Compile(set.MaskRules, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := masks.For(anybody, "clinic")
	for column, want := range map[string]bool{
		"clinic.patients.ssn": true, "clinic.PatientContacts.E-Mail": true, "clinic.PatientContacts.FullName": true,
		"clinic.patientcontacts.E-Mail": false, "clinic.patients.id": false, "archive.patients.ssn": false,
	} {
		if _, got := r.Protects(ref(column)); got != want {
			t.Errorf("%s: %v", column, got)
		}
	}
	const text = "Seen 3/4; SSN 123-45-6789, MRN-123456789, call (212) 555-0123 or jane@clinic.example. BP 120/80"
	const want = "Seen 3/4; SSN [ssn], [mrn], call [phone] or [email]. BP 120/80"
	if got := string(r.Text(nil, []byte(text))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	col := proven(base(oidText), false, "clinic.encounters.note")
	if out, _, _ := r.Plan(&hoop.Statement{}, []hoop.Column{col}).Columns[0].Append(nil, []byte(text)); !strings.HasSuffix(string(out), "BP 120/80") {
		t.Errorf("%q", out)
	}
}
