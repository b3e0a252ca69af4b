package sqlscan

import (
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// From version 18 on old and new are the target's rows in RETURNING, though the grammar of 17
// takes them for any alias, which the statement may have elsewhere.
func TestReturning_OldAndNew(t *testing.T) {
	newer := *snap
	newer.Server = 180000
	for _, name := range []string{"old", "new"} {
		for _, sql := range []string{
			"WITH d AS (UPDATE clinic.patients SET note = '' WHERE id = 1 RETURNING OLD.ssn AS s) SELECT count(*) FROM d WHERE s = '1'",
			"WITH d AS (UPDATE clinic.patients SET note = '' WHERE id IN (SELECT OLD.id FROM public.notes OLD) RETURNING OLD.ssn AS s) SELECT count(*) FROM d WHERE s = '1'",
			"WITH d AS (DELETE FROM clinic.patients WHERE id IN (SELECT OLD.id FROM public.notes OLD) RETURNING OLD AS r) SELECT count(*) FROM d WHERE (r).ssn = '1'",
			"WITH OLD AS (SELECT 1 AS ssn), d AS (INSERT INTO clinic.patients (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = '' RETURNING OLD.ssn AS s) SELECT count(*) FROM d WHERE s = '1'",
		} {
			sql = strings.ReplaceAll(sql, "OLD", name)
			p, err := pool.Parse(t.Context(), sql)
			if err != nil {
				t.Fatal(err)
			}
			var found bool
			for _, u := range study(t, p, &newer, Lineage{}).Uses {
				found = found || u.Effect == hoop.EffectInfer && slices.ContainsFunc(u.Columns, func(c hoop.ColumnRef) bool {
					return c.Table == "patients" && (c.Column == "ssn" || c.Column == "*")
				})
			}
			if !found {
				t.Errorf("%s: no search in ssn", sql)
			}
		}
	}
}
