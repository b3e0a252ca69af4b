package pgparse

import (
	"bytes"
	"testing"
)

// How a statement is written leaves no trace in its canonical form; what it says does.
func TestCanonical(t *testing.T) {
	p := pool
	canonical := func(sql string) []byte {
		t.Helper()
		b, err := p.Canonical(t.Context(), sql)
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %v", sql, err)
		}
		return b
	}
	const sql = "DELETE FROM clinic.patients p WHERE p.id = 7 AND name IN ('Ada', $1)"
	want := canonical(sql)
	for _, same := range []string{
		"delete  from\n clinic . patients as p where p.id=7 and name in('Ada',$1)",
		"/* a reason */ DELETE FROM clinic.patients p -- all of them?\nWHERE p.id = 7 AND name IN ('Ada', $1);",
		`DELETE FROM "clinic".PATIENTS p WHERE p.ID = 7 AND NAME IN ('Ada', $1)`,
	} {
		if !bytes.Equal(canonical(same), want) {
			t.Errorf("%s\nis another statement than\n%s", same, sql)
		}
	}
	for _, other := range []string{
		"DELETE FROM clinic.patients p WHERE p.id = 8 AND name IN ('Ada', $1)",
		"DELETE FROM clinic.patients p WHERE p.id = '7' AND name IN ('Ada', $1)",
		"DELETE FROM clinic.patients p WHERE p.id = 7 AND name IN ('ada', $1)",
		"DELETE FROM clinic.patients p WHERE p.id = 7 AND name IN ('Ada', $2)",
		"DELETE FROM clinic.patients p WHERE p.id = 7 OR name IN ('Ada', $1)",
		`DELETE FROM clinic."Patients" p WHERE p.id = 7 AND name IN ('Ada', $1)`,
		"DELETE FROM patients p WHERE p.id = 7 AND name IN ('Ada', $1)",
		"DELETE FROM ONLY clinic.patients p WHERE p.id = 7 AND name IN ('Ada', $1)",
		sql + "; SELECT 1",
		"EXPLAIN " + sql,
	} {
		if bytes.Equal(canonical(other), want) {
			t.Errorf("%s\nis the same statement as\n%s", other, sql)
		}
	}
	if _, err := p.Canonical(t.Context(), "DELETE FORM t"); err == nil {
		t.Error("a syntax error has a canonical form")
	}
}
