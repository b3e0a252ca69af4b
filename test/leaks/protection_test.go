package leaks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// unprotect begins an attack on a database of a target: it lifts what earlier ones let it inherit, and
// fails where something stays in force. After code that nobody can read everything of a
// target is masked, and no later attack could show that it leaks.
func (l *line) unprotect(t *testing.T, target, database string) {
	t.Helper()
	for _, p := range l.inherited(t, target) {
		if err := l.admin.Lift(t.Context(), api.Lift{Target: target, Table: p.Table, Reason: "the next attack"}); err != nil {
			t.Fatal(err)
		}
	}
	if why := l.protection(t, target, database); why != "" {
		t.Fatalf("no attack: %s at its beginning", why)
	}
}

// protection says what is in force on a target beside the rules, by what it shows of a
// column that none names in one of its databases; "" for nothing.
func (l *line) protection(t *testing.T, target, database string) string {
	t.Helper()
	w := l.watch[database]
	if w == nil {
		w = open(l.tb, l.dsn[target], database, nil)
		l.watch[database] = w
	}
	w.got, w.read = w.got[:0], 0
	if err := w.run(simple, "SELECT name FROM clinic.departments WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if rows := cells(w.got); len(rows) != 1 || string(rows[0][0]) != "Cardiology" {
		return fmt.Sprintf("%s masks what no rule names: %s", database, told(w.got))
	}
	for _, p := range l.inherited(t, target) {
		return fmt.Sprintf("%s protects %s", target, p.Table)
	}
	return ""
}

func (l *line) inherited(t *testing.T, target string) (out []hoop.Protection) {
	t.Helper()
	all, err := l.admin.Protections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Target == target {
			out = append(out, p)
		}
	}
	return out
}

// An attack that would meet what another let the target inherit is none, and does not
// pass for one; what is lifted before the next.
func TestAttacks_MeetNoProtection(t *testing.T) {
	l := start(t)
	for what, sql := range map[string]string{
		"everything": "DO $$ BEGIN EXECUTE concat('SELECT ', 1); END $$",
		"a copy":     "CREATE TABLE archive.copy_left AS SELECT ssn FROM clinic.patients",
	} {
		l.unprotect(t, open1, open1)
		shown(t, l, open1, []mode{simple}, script{lines: []string{sql}, changes: true})
		if l.protection(t, open1, open1) == "" {
			t.Errorf("%s is protected, and not seen to be", what)
		}
		if got := shown(t, l, open1, []mode{simple}, script{lines: []string{"SELECT name FROM clinic.rooms r JOIN clinic.departments d ON d.id = r.dept_id ORDER BY name LIMIT 1"}}); string(cells(got[0])[0][0]) != "Cardiology" {
			t.Errorf("the attack after it, %s: %s", what, told(got[0]))
		}
	}
	for _, row := range cells(shown(t, l, open1, []mode{simple}, script{lines: []string{"DROP TABLE archive.copy_left"}, changes: true})[0]) {
		t.Errorf("dropped: %q", row)
	}
}

// What was copied by way of one target is masked by way of every other that leads to the
// same database, until it is lifted.
func TestCopies_ThroughAnotherTarget(t *testing.T) {
	l := start(t)
	search := newSearcher(canaries.all)
	l.unprotect(t, open1, open1)
	w := open(t, l.gateway.Connect("agent", beside), open1, nil)
	read := func() [][]byte {
		at := len(w.got)
		for _, m := range allModes {
			if err := w.run(m, "SELECT full_name AS x FROM archive.copy_beside"); err != nil {
				t.Fatal(err)
			}
		}
		return views(w.got[at:])
	}
	shown(t, l, open1, []mode{simple}, script{lines: []string{"CREATE TABLE archive.copy_beside AS SELECT full_name FROM clinic.patients"}, changes: true})
	if found := search.in(read()); len(found) > 0 {
		t.Errorf("LEAK through %s: %s", beside, strings.Join(found[:min(len(found), 3)], "; "))
	}
	l.unprotect(t, open1, open1)
	if found := search.in(read()); len(found) == 0 {
		t.Error("no attack: nothing is shown where the copy is not protected")
	}
	shown(t, l, open1, []mode{simple}, script{lines: []string{"DROP TABLE archive.copy_beside"}, changes: true})
}

// Copies with as many rows as conditions, joins, groups and stored elements make are let in, also of
// protected data, and so is one row for each with what multiplies them gathered in it.
func TestCopies_Ordinary(t *testing.T) {
	l := start(t)
	for _, sql := range []string{
		"SELECT p.id, p.ssn, c.id AS claim FROM clinic.patients p LEFT JOIN clinic.claims c ON c.member_ssn = p.ssn",
		"SELECT p.state, p.mrn FROM clinic.patients p JOIN archive.patients a USING (mrn) WHERE p.dob < now() ORDER BY p.full_name LIMIT 10",
		"SELECT DISTINCT state, substr(ssn, 1, 3) AS area, count(*), max(dob) FROM clinic.patients GROUP BY 1, 2 HAVING count(DISTINCT ssn) > 0",
		"SELECT id, row_number() OVER (PARTITION BY full_name ORDER BY dob) AS n FROM clinic.patients WHERE ssn LIKE '9%' OR email IS NULL",
		"SELECT p.id, g, p.full_name FROM clinic.patients p, generate_series(1, 3) g",
		"SELECT p.id, a FROM clinic.patients p, unnest(p.alt_ids) a",
		"SELECT p.id, e.key, e.value FROM clinic.patients p, jsonb_each(p.profile) e",
		"SELECT id, unnest(ARRAY[phone, email]) AS contact FROM clinic.patients",
		"SELECT p.id, w.words, w.n FROM clinic.patients p, LATERAL (SELECT array_agg(w) AS words, count(*) AS n FROM regexp_split_to_table(p.full_name, ' ') w) w",
		"SELECT id, (SELECT string_agg(w, ' ' ORDER BY w) FROM regexp_split_to_table(full_name, ' ') w) AS sorted FROM clinic.patients",
		"SELECT count(*), count(DISTINCT w) AS words FROM clinic.patients, regexp_split_to_table(full_name, ' ') w",
		"WITH RECURSIVE r AS (SELECT id, full_name, 1 AS n FROM clinic.patients UNION ALL SELECT id, full_name, n + 1 FROM r WHERE n < 3) SELECT * FROM r",
		"WITH RECURSIVE r AS (SELECT id, ssn, 1 AS n FROM clinic.patients WHERE id < 3 UNION SELECT p.id, p.ssn, n + 1 FROM clinic.patients p JOIN r ON p.ssn = r.ssn AND p.id = r.n) SELECT * FROM r",
		"SELECT p.id, count(*) AS words, max(w) AS last FROM clinic.patients p, regexp_split_to_table(p.full_name, ' ') w WHERE w <> '' GROUP BY p.id",
		"SELECT DISTINCT p.id, p.full_name FROM clinic.patients p, unnest(string_to_array(p.full_name, ' ')) w",
		"SELECT id, full_name FROM clinic.patients WHERE id = ANY ($$ {1,2} $$) UNION ALL SELECT id, full_name FROM archive.patients",
	} {
		l.unprotect(t, open1, open1)
		got := told(shown(t, l, open1, []mode{simple}, script{lines: []string{
			"CREATE TABLE archive.ordinary AS " + sql, "INSERT INTO archive.ordinary " + sql, "DROP TABLE archive.ordinary",
		}, changes: true})[0])
		if strings.Contains(got, "ERROR") || !strings.Contains(got, "INSERT 0 ") {
			t.Errorf("%s: %s", sql, got)
		}
	}
	for _, sql := range []string{
		"PREPARE p (int) AS SELECT id, ssn FROM clinic.patients WHERE id > $1\nCREATE TABLE archive.ordinary AS EXECUTE p (2)",
		"PREPARE p AS SELECT id, a FROM clinic.patients, unnest(alt_ids) a; CREATE TABLE archive.ordinary AS EXECUTE p",
		"CREATE TEMP TABLE t AS SELECT id, a FROM clinic.patients, unnest(alt_ids) a\nCREATE TABLE archive.ordinary AS SELECT * FROM t",
	} {
		l.unprotect(t, open1, open1)
		got := told(shown(t, l, open1, []mode{simple}, script{lines: append(strings.Split(sql, "\n"), "SELECT count(*) FROM archive.ordinary", "DROP TABLE archive.ordinary"), changes: true})[0])
		if strings.Contains(got, "ERROR") || !strings.Contains(got, "DROP TABLE") {
			t.Errorf("%s: %s", sql, got)
		}
	}
}
