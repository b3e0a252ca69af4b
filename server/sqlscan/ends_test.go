package sqlscan

import (
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// An order with the end of an enum is true for every value, as the catalog has them; with
// others it is a limit, whatever they are spelled like.
func TestAnalyze_EndsOfEnums(t *testing.T) {
	for where, all := range map[string]bool{
		"grade >= 'Not yet'":                           true,
		"grade >= 'Not yet'::clinic.grade":             true,
		"'Not yet' <= grade":                           true,
		"grade <= 'fine'":                              true,
		"again <= 'fine'":                              true,
		"'fine' >= grade":                              true,
		"NOT grade < 'Not yet'":                        true,
		"NOT grade > 'fine'":                           true,
		"grade BETWEEN 'Not yet' AND 'fine'":           true,
		"grade BETWEEN SYMMETRIC 'fine' AND 'Not yet'": true,
		"grade >= enum_first(NULL::clinic.grade)":      true,
		"grade <= enum_last(NULL::clinic.grade)":       true,
		"grade = ANY (enum_range(NULL::clinic.grade))": true,
		"grade >= 'Not yet' OR id = 1":                 true,
		"grade > 'Not yet'":                            false,
		"grade < 'fine'":                               false,
		"grade <= 'Not yet'":                           false,
		"grade >= 'fine'":                              false,
		"grade >= 'fair'":                              false,
		"grade = 'Not yet'":                            false,
		"grade <> 'Not yet'":                           false,
		"grade IN ('Not yet', 'fine')":                 false,
		"grade BETWEEN 'Not yet' AND 'fair'":           false,
		"grade BETWEEN 'Not yet' AND 'Not yet'":        false,
		"grade BETWEEN SYMMETRIC 'fine' AND 'fine'":    false,
		"id BETWEEN 2147483647 AND 2147483647":         false,
		"id BETWEEN -2147483648 AND 2147483647":        true,
		"id NOT BETWEEN 2147483647 AND -2147483648":    true,
		"NOT grade >= 'fair'":                          false,
		"grade >= 'Not yet' AND id = 1":                false,
		"grade = ANY ('{fair}')":                       false,
		"grade >= enum_last(NULL::clinic.grade)":       false,
	} {
		for _, verb := range []string{"UPDATE clinic.grades SET id = 7 WHERE ", "DELETE FROM clinic.grades WHERE "} {
			if a := analyze(t, verb+where); a.Has(hoop.EffectUnboundedWrite) != all || a.Has(hoop.EffectWrite) == all {
				t.Errorf("%s%s: %s", verb, where, summary(a))
			}
		}
	}
	const param = "DELETE FROM clinic.grades WHERE grade >= $1"
	p, err := pool.Parse(t.Context(), param)
	if err != nil {
		t.Fatal(err)
	}
	for value, all := range map[string]bool{"Not yet": true, "?": true, "not yet": false, "fair": false, "NULL": false} {
		if a := Analyze(p, snap, Lineage{Values: given(value)}); a.Has(hoop.EffectUnboundedWrite) != all {
			t.Errorf("%s with %s: %s", param, value, summary(a))
		}
	}
}
