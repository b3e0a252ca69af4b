package sqlscan

import (
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What an UPDATE takes from columns of its own row, and from nothing else, are those
// columns; else any column of any table that it reads.
func TestUpdate_TakesFromColumns(t *testing.T) {
	for sql, want := range map[string]string{
		"UPDATE clinic.patients SET note = name WHERE id = 1":                                          "name",
		"UPDATE clinic.patients p SET note = p.name || ' ' || upper(mrn)":                              "mrn name",
		"UPDATE clinic.patients SET note = coalesce($1, name), ssn = CASE WHEN active THEN mrn END":    "active mrn name",
		"UPDATE clinic.patients SET note = name FROM clinic.visits v WHERE v.patient_id = patients.id": "*",
		"WITH w AS (SELECT 1) UPDATE clinic.patients SET note = name":                                  "*",
		"UPDATE clinic.patients SET note = (SELECT ssn FROM clinic.patients LIMIT 1) || name":          "*",
		"UPDATE clinic.patients SET note = patients::text":                                             "*",
		"UPDATE clinic.patients p SET note = to_json(p)::text":                                         "*",
		"UPDATE clinic.patients SET (note, name) = (name, mrn)":                                        "*",
		"UPDATE clinic.patients SET note = clinic.patients.name":                                       "*",
		"UPDATE clinic.patients SET note = nothing":                                                    "*",
		"WITH u AS (UPDATE clinic.patients SET note = name RETURNING id) SELECT * FROM u":              "*",
	} {
		var got []string
		for _, u := range analyze(t, sql).Uses {
			if u.Effect != hoop.EffectDerive || u.Why != "UPDATE from other columns" {
				continue
			}
			if len(u.Columns) == 0 {
				got = append(got, "*")
			}
			for _, c := range u.Columns {
				if c.Table != "patients" || c.Schema != "clinic" {
					t.Errorf("%s: %s", sql, c)
				}
				got = append(got, c.Column)
			}
		}
		slices.Sort(got)
		if got := strings.Join(slices.Compact(got), " "); got != want {
			t.Errorf("%s: from %s, want %s", sql, got, want)
		}
	}
}
