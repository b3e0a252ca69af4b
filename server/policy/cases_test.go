package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTestFile(t *testing.T) {
	e := engine(t, rules, "")
	path := filepath.Join(t.TempDir(), "cases.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`cases:
  - {name: reads, groups: [agents], target: pg, uses: [{effect: read, tables: [clinic.wards]}], want: allow}
  - {name: vault, groups: [agents], target: pg, uses: [{effect: read, tables: [Vault.keys]}], want: deny, rule: vault}
  - {name: quoted, groups: [agents], target: pg, uses: [{effect: read, tables: ['"Vault".keys']}], want: allow}
  - {name: any, groups: [agents], target: pg, uses: [{effect: read, tables: ["*"]}], want: deny}
  - {name: wrong action, groups: [agents], target: pg, uses: [{effect: ddl}], want: allow}
  - {name: wrong rule, groups: [agents], target: pg, uses: [{effect: ddl}], want: approve, rule: vault}
  - {name: bad table, target: pg, uses: [{effect: ddl, tables: [x]}], want: approve}
  - {name: pattern, target: pg, uses: [{effect: ddl, tables: [a.*]}], want: approve}
  - {name: nothing wanted, target: pg, uses: [{effect: read}]}
  - {name: a statement, target: pg, sql: DROP TABLE x, want: approve}
  - {name: both, target: pg, sql: SELECT 1, uses: [{effect: read}], want: allow}
  - {name: database, target: pg, database: db, uses: [{effect: read}], want: allow}
  - {name: misspelt effect, target: pg, uses: [{effect: destory}], want: deny}
  - {name: misspelt target, target: gp, uses: [{effect: read}], want: deny}
  - {name: neither, target: pg, want: deny}
`)
	out, err := e.TestFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "", "", "", "got approve by rule risky", "rule risky decided", "want schema.table", "named tables", "want ", "hoopctl policy test FILE", "one of them", "goes with sql", `no effect "destory"`, `no target "gp"`, "neither uses nor sql"} {
		if got := out[i].Err; (got == nil) != (want == "") || got != nil && !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v, want %q", out[i].Case.Name, got, want)
		}
	}
	for _, text := range []string{"", "cases: []", "cases: [{nmae: x}]", "cases: 1", "[", "cases: [" + strings.Repeat("{name: x},", maxCases+1) + "]"} {
		write(text)
		if _, err := e.TestFile(t.Context(), path); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if _, err := e.TestFile(t.Context(), path+"x"); err == nil {
		t.Error("an absent file was accepted")
	}
}

func TestParseCases_SaysWhatIsMissing(t *testing.T) {
	for text, want := range map[string]string{
		"- {name: a, want: allow}": "write cases: before it",
		"cases: [{nam: a}]":        "field nam not found",
		"":                         "there are none",
	} {
		if _, err := ParseCases([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseCases([]byte("---\ncases: [{name: a, want: allow}]")); err != nil {
		t.Errorf("a document with a mark before it: %v", err)
	}
}

// A file of cases comes over the API, too: it is refused or has at most so many.
func FuzzParseCases(f *testing.F) {
	for _, seed := range []string{
		"cases: [{name: a, groups: [b], target: c, uses: [{effect: read, tables: ['*']}], want: allow}]", "cases: [{sql: SELECT 1}]",
		"cases: &a [*a]", "a: &a [x, x]\ncases: [{groups: *a}]", "cases:\n- name: \"\\x00\"", "---\n---", "{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cases, err := ParseCases(b)
		if (err == nil) != (len(cases) > 0) || len(cases) > maxCases {
			t.Errorf("%d cases, %v", len(cases), err)
		}
	})
}
