package sqlscan

import "testing"

// What commits by itself outside of a transaction is told from what a transaction can take
// back: of code, by what it and the procedures that it calls say.
func TestAnalyze_Commits(t *testing.T) {
	for sql, want := range map[string]bool{
		"UPDATE clinic.base SET id = 1":                           false,
		"CREATE TABLE made (n int)":                               false,
		"CREATE INDEX i ON clinic.base (id)":                      false,
		"CREATE INDEX CONCURRENTLY i ON clinic.base (id)":         true,
		"DROP INDEX i":                                            false,
		"DROP INDEX CONCURRENTLY i":                               true,
		"DROP TABLE clinic.base":                                  false,
		"REINDEX TABLE clinic.base":                               false,
		"REINDEX (CONCURRENTLY false) TABLE clinic.base":          false,
		"REINDEX TABLE CONCURRENTLY clinic.base":                  true,
		"REINDEX TABLE clinic.log":                                true,
		"REINDEX SCHEMA clinic":                                   true,
		"CLUSTER clinic.base USING i":                             false,
		"CLUSTER":                                                 true,
		"VACUUM clinic.base":                                      true,
		"ANALYZE clinic.base":                                     false,
		"ANALYZE clinic.base, clinic.child":                       true,
		"ALTER TABLE clinic.log DETACH PARTITION clinic.log_2024": false,
		"ALTER TABLE clinic.log DETACH PARTITION clinic.log_2024 CONCURRENTLY": true,
		"ALTER TABLE clinic.log ATTACH PARTITION clinic.log_2024 DEFAULT":      false,
		"ALTER DATABASE postgres CONNECTION LIMIT 5":                           false,
		"ALTER DATABASE postgres SET TABLESPACE pg_default":                    true,
		"CREATE DATABASE d":                             true,
		"ALTER SYSTEM SET work_mem = '1MB'":             true,
		"DISCARD ALL":                                   true,
		"DISCARD TEMP":                                  false,
		"CALL clinic.proc()":                            false,
		"CALL clinic.nobody()":                          true,
		"DO 'BEGIN UPDATE clinic.base SET id = 1; END'": false,
		"DO 'BEGIN CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1; END'":            false,
		"DO 'BEGIN -- COMMIT\n PERFORM ''ROLLBACK''; END'":                          false,
		"DO 'BEGIN UPDATE clinic.base SET id = 1; COMMIT; END'":                     true,
		"DO 'BEGIN IF true THEN ROLLBACK; END IF; END'":                             true,
		"DO 'BEGIN CALL clinic.proc(); END'":                                        false,
		"DO 'BEGIN DO ''BEGIN COMMIT; END''; END'":                                  true,
		"DO LANGUAGE plpython3u 'plpy.commit()'":                                    true,
		"DO 'BEGIN INSERT INTO clinic.base VALUES (1) ON CONFLICT DO NOTHING; END'": false,
	} {
		a := analyze(t, sql)
		if got := a.Commands[0].Commits; got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}
