package leaks

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// siteRules is what a site asks for, in its own words (testdata/site-rules.yaml).
type siteRules struct {
	Columns  []struct{ Table, Column string }
	Patterns []struct {
		Name  string
		Regex string
	}
	Approval []struct{ Class, What string }
}

func asked(t *testing.T) siteRules {
	t.Helper()
	var r siteRules
	if err := yaml.Unmarshal([]byte(file("site-rules.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Columns) < 28 || len(r.Patterns) != 4 || len(r.Approval) != 15 {
		t.Fatalf("%d columns, %d patterns, %d classes", len(r.Columns), len(r.Patterns), len(r.Approval))
	}
	return r
}

var allModes = []mode{simple, text, undescr, piecewise}

// Every table with columns that the site lists is shown whole: those columns are masked
// in each format with the type and the shape of the row as they are, every other column
// is byte for byte what a direct connection shows.
func TestSiteRules_Columns(t *testing.T) {
	search := newSearcher(canaries.all)
	l := start(t)
	listed := map[string][]string{}
	for _, c := range asked(t).Columns {
		listed[c.Table] = append(listed[c.Table], c.Column)
	}
	// Children and partitions are not written down.
	listed["clinic.vip_patients"] = listed["clinic.patients"]
	for _, part := range []string{"clinic.claims_2024", "clinic.claims_2025", "clinic.claims_2025_open", "archive.claims_rest"} {
		listed[part] = listed["clinic.claims"]
	}
	for _, table := range slices.Sorted(maps.Keys(listed)) {
		t.Run(table, func(t *testing.T) {
			whole := script{lines: []string{"SELECT * FROM " + table + " ORDER BY 1"}}
			want := shown(t, l, benignDirect, allModes, whole)
			var masked []int
			for i, name := range columnNames(want[0]) {
				if slices.Contains(listed[table], name) {
					masked = append(masked, i+1)
				}
			}
			if len(masked) != len(listed[table]) {
				t.Fatalf("the table has %d of the columns %v", len(masked), listed[table])
			}
			for i, got := range shown(t, l, benignRuled, allModes, whole) {
				if diff := compare(want[i], got, masked); diff != "" {
					t.Errorf("%s: %s", allModes[i].name, diff)
				}
				if found := search.in(views(got)); len(found) > 0 {
					t.Errorf("%s: %s", allModes[i].name, strings.Join(found, "; "))
				}
				differs(t, allModes[i].name, want[i], got, masked)
			}
			for _, name := range listed[table] {
				readable(t, l, table, name)
			}
		})
	}
}

// differs checks that no masked value is the value itself.
func differs(t *testing.T, how string, want, got []byte, masked []int) {
	t.Helper()
	a, b := cells(want), cells(got)
	for row := range min(len(a), len(b)) {
		for _, n := range masked {
			if v := a[row][n-1]; v != nil && bytes.Equal(v, b[row][n-1]) {
				t.Errorf("%s: row %d column %d is shown: %q", how, row, n, v)
			}
		}
	}
}

// readable checks that the target takes masked values back as values of the column's
// type, in text and in binary.
func readable(t *testing.T, l *line, table, column string) {
	t.Helper()
	quoted := `"` + column + `"`
	typ := string(cells(shown(t, l, benignDirect, []mode{simple}, script{lines: []string{
		"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '" + table + "'::regclass AND attname = '" + column + "'",
	}})[0])[0][0])
	for format, m := range []mode{text, undescr} {
		sql := "SELECT " + quoted + " FROM " + table + " ORDER BY id"
		if strings.Contains(table, "kv_store") {
			sql = "SELECT " + quoted + " FROM " + table + " ORDER BY k"
		} else if strings.Contains(table, "PatientContacts") {
			sql = "SELECT " + quoted + " FROM " + table + ` ORDER BY "Id"`
		}
		for _, row := range cells(shown(t, l, benignRuled, []mode{m}, script{lines: []string{sql}})[0]) {
			if row[0] == nil {
				continue
			}
			w := l.directly(benignDirect)
			if err := w.value("SELECT $1::"+typ, row[0], int16(format)); err != nil {
				t.Errorf("%s.%s, format %d: %q is no %s: %v", table, column, format, row[0], typ, err)
			}
		}
	}
}

// columnNames are those of the first RowDescription.
func columnNames(got []byte) []string {
	var names []string
	for m := range messages(got) {
		if m[0] != 'T' {
			continue
		}
		for b := m[7:]; len(b) > 0; {
			end := bytes.IndexByte(b, 0)
			names = append(names, string(b[:end]))
			b = b[end+19:]
		}
		break
	}
	return names
}

// In free text, and in any other text, only what a pattern matches changes, to at most
// 64 characters.
func TestSiteRules_Patterns(t *testing.T) {
	l := start(t)
	var exprs []string
	for _, p := range asked(t).Patterns {
		exprs = append(exprs, p.Regex)
	}
	all := regexp.MustCompile(strings.Join(exprs, "|"))
	hits := 0
	for _, sql := range []string{
		"SELECT note FROM clinic.encounters ORDER BY id",
		"SELECT comment FROM clinic.lab_results ORDER BY id",
		"SELECT body FROM clinic.messages ORDER BY id",
		"SELECT 'a ' || '123-45-6789' || ', MRN-123456789; (212) 555-0123 or a.b@example.org.'",
	} {
		want := shown(t, l, benignDirect, allModes, script{lines: []string{sql}})
		for i, got := range shown(t, l, benignRuled, allModes, script{lines: []string{sql}}) {
			a, b := cells(want[i]), cells(got)
			if len(a) != len(b) {
				t.Fatalf("%s: %d rows, want %d", sql, len(b), len(a))
			}
			for row := range a {
				hits += len(all.FindAll(a[row][0], -1))
				if all.Match(b[row][0]) {
					t.Errorf("%s: %q is shown", sql, b[row][0])
				}
				var around strings.Builder
				at := 0
				for _, m := range all.FindAllIndex(a[row][0], -1) {
					around.WriteString(regexp.QuoteMeta(string(a[row][0][at:m[0]])) + "[^ ]{0,64}?")
					at = m[1]
				}
				around.WriteString(regexp.QuoteMeta(string(a[row][0][at:])))
				if !regexp.MustCompile("^" + around.String() + "$").Match(b[row][0]) {
					t.Errorf("%s: %q became %q", sql, a[row][0], b[row][0])
				}
			}
		}
	}
	if hits < 4*len(exprs) {
		t.Errorf("only %d matches were there to be found", hits)
	}
}

// Every class that needs approval is refused by a rule that stands for it, in each of its
// spellings (statements of testdata/held), and what is only like it runs and answers as
// it does directly (testdata/free).
func TestSiteRules_Classes(t *testing.T) {
	l := start(t)
	groups := map[string]int{}
	w := open(t, l.dsn[ruled], ruled, nil)
	for _, s := range scripts(t, "held") {
		groups[s.group]++
		t.Run("held/"+s.group+"/"+s.title, func(t *testing.T) {
			for _, sql := range s.lines {
				for _, m := range []mode{simple, undescr} {
					if w.ended {
						w = open(t, l.dsn[ruled], ruled, nil)
					}
					at := len(w.got)
					if err := w.run(m, sql); err != nil {
						t.Fatalf("%s: %v", sql, err)
					}
					if got := told(w.got[at:]); !strings.Contains(got, " C42501 ") || !strings.Contains(got, "denied by ") && !strings.Contains(got, "no rule allows this through the gateway") {
						t.Errorf("%s, %s: %.300s", sql, m.name, got)
					}
				}
			}
		})
	}
	for _, c := range asked(t).Approval {
		if groups[c.Class] == 0 {
			t.Errorf("nothing is tried of class %s: %s", c.Class, c.What)
		}
		delete(groups, c.Class)
	}
	if len(groups) > 0 {
		t.Errorf("no classes: %v", groups)
	}
	for _, s := range scripts(t, "free") {
		t.Run("free/"+s.group+"/"+s.title, func(t *testing.T) {
			want := shown(t, l, benignDirect, []mode{simple}, s)[0]
			if got := shown(t, l, benignRuled, []mode{simple}, s)[0]; compare(want, got, nil) != "" {
				t.Errorf("%s\n%s", strings.Join(s.lines, "\n"), compare(want, got, nil))
			}
		})
	}
}

// What the site lists as columns and patterns stands in the documented file.
func TestSiteRules_AreDocumented(t *testing.T) {
	doc, rules := documented(), asked(t)
	for _, c := range rules.Columns {
		name := c.Column
		if strings.ToLower(name) != name || strings.Contains(name, "-") {
			name = `"` + name + `"`
		}
		if !strings.Contains(doc, fmt.Sprintf("    - %s.%s\n", c.Table, name)) {
			t.Errorf("%s.%s is not in the file", c.Table, name)
		}
	}
	for _, p := range rules.Patterns {
		if strings.Count(doc, fmt.Sprintf("{name: %s, regex: '%s'}", p.Name, p.Regex)) != 2 {
			t.Errorf("pattern %s is not in both rules of the file", p.Name)
		}
	}
}
