package sqlscan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// carried shows what sql takes out of tables: "patients:1", "copies patients:*".
func carried(t testing.TB, sql string) string {
	t.Helper()
	return carriedIn(t, snap, sql)
}

// carriedIn is carried in a database that contains snap.
func carriedIn(t testing.TB, snap *catalog.Snapshot, sql string) string {
	t.Helper()
	p, err := pool.Parse(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var out []string
	for _, c := range Carries(p, snap, Analyze(p, snap, Lineage{}).Reads, nil) {
		n := fmt.Sprint(c.Rows)
		if c.Rows == hoop.Whole {
			n = "*"
		}
		name := strings.ReplaceAll(strings.Join(c.Tables, "|"), "clinic.", "") + ":" + n
		if c.Copies {
			name = "copies " + name
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

func TestCarries(t *testing.T) {
	for sql, want := range map[string]string{
		// Row to row.
		"SELECT * FROM clinic.patients": "patients:1",
		"TABLE clinic.patients":         "patients:1",
		"SELECT name::text, upper(ssn) FROM clinic.patients p WHERE id = 1":                                                                    "patients:1",
		"SELECT to_jsonb(p) FROM clinic.patients p":                                                                                            "patients:1",
		"SELECT row_number() OVER (ORDER BY id), name FROM clinic.patients":                                                                    "patients:1",
		"SELECT 1 FROM clinic.patients":                                                                                                        "patients:1",
		"SELECT name FROM clinic.patients GROUP BY name":                                                                                       "patients:1",
		"SELECT active, count(*), sum(id) FROM clinic.patients GROUP BY 1":                                                                     "patients:1",
		"SELECT DISTINCT name FROM clinic.patients":                                                                                            "patients:1",
		"WITH p AS (SELECT * FROM clinic.patients) SELECT * FROM p":                                                                            "patients:1",
		"SELECT * FROM (SELECT * FROM clinic.patients LIMIT 10) s":                                                                             "patients:1",
		"DECLARE c CURSOR FOR SELECT * FROM clinic.patients":                                                                                   "patients:1",
		"PREPARE p AS SELECT * FROM clinic.patients WHERE id = $1":                                                                             "patients:1",
		"COPY clinic.patients TO STDOUT":                                                                                                       "patients:1",
		"COPY (SELECT name FROM clinic.patients) TO STDOUT":                                                                                    "patients:1",
		"EXPLAIN ANALYZE SELECT * FROM clinic.patients":                                                                                        "patients:1",
		"SELECT * FROM clinic.base":                                                                                                            "base|child:1",
		"SELECT * FROM notes":                                                                                                                  "other.notes|public.notes:1",
		"SELECT name FROM clinic.patients UNION ALL SELECT name FROM clinic.patients":                                                          "patients:1",
		"SELECT v.id, p.name FROM clinic.visits v JOIN clinic.patients p ON p.id = v.patient_id":                                               "patients:1, visits:1",
		"SELECT id FROM clinic.visits WHERE patient_id IN (SELECT id FROM clinic.patients)":                                                    "patients:1, visits:1",
		"SELECT a.ssn, b.ssn FROM clinic.patients a, clinic.patients b":                                                                        "patients:2",
		"SELECT (SELECT name FROM clinic.patients WHERE id = 1), (SELECT name FROM clinic.patients WHERE id = 2)":                              "patients:2",
		"SELECT g FROM generate_series(1, 9) g WHERE EXISTS (SELECT FROM clinic.patients WHERE id = g)":                                        "patients:1",
		"SELECT g, (SELECT count(*) FROM clinic.patients WHERE id = g) FROM generate_series(1, 9) g":                                           "patients:1",
		"SELECT name FROM clinic.patients WHERE id = (SELECT max(id) FROM clinic.patients)":                                                    "patients:2",
		"WITH p AS (SELECT name FROM clinic.patients) SELECT a.name, b.name FROM p a, p b":                                                     "patients:2",
		"SELECT v.id, (SELECT json_agg(b.amount) FROM clinic.billing b WHERE b.visit_id = v.id) FROM clinic.visits v":                          "billing:*, visits:1",
		"SELECT s.count, p.name FROM clinic.patients p, (SELECT count(*) FROM clinic.visits) s":                                                "patients:1",
		"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9), p AS (SELECT * FROM clinic.patients) SELECT * FROM t, p": "patients:1",
		// Nothing of single rows.
		"SELECT null_frac, n_distinct FROM pg_stats WHERE tablename = 'patients' ORDER BY attname":                                           "",
		"SELECT s.stanullfrac FROM pg_statistic s":                                                                                           "",
		"SELECT count(*) FILTER (WHERE id = 1)" + strings.Repeat(", count(*) FILTER (WHERE id = 2)", freeCounts-1) + " FROM clinic.patients": "",
		"SELECT count(*)" + strings.Repeat(", count(*)", freeCounts) + " FROM clinic.patients":                                               "",
		"SELECT count(*) FROM clinic.patients":                                                                                               "",
		"SELECT count(DISTINCT name), avg(id), sum(id::numeric) FROM clinic.patients":                                                        "",
		"SELECT count(*) FROM clinic.patients WHERE active":                                                                                  "",
		"SELECT c FROM (SELECT count(*) AS c FROM clinic.patients) s":                                                                        "",
		"SELECT count(*) FILTER (WHERE active) FROM clinic.patients":                                                                         "",
		"COPY (SELECT count(*) FROM clinic.patients) TO STDOUT":                                                                              "",
		"EXPLAIN SELECT string_agg(name, ',') FROM clinic.patients":                                                                          "",
		"LOCK TABLE clinic.patients IN ACCESS SHARE MODE":                                                                                    "",
		"UPDATE clinic.patients SET name = upper(name) WHERE id = 1":                                                                         "",
		"DELETE FROM clinic.patients WHERE id = 1":                                                                                           "",
		"INSERT INTO clinic.patients (id) VALUES (1) RETURNING id":                                                                           "",
		"INSERT INTO clinic.patients (id) VALUES (nextval('clinic.seq'))":                                                                    "",
		"SELECT relname FROM pg_catalog.pg_class":                                                                                            "",
		"FETCH 10 FROM c": "",
		"SELECT 1":        "",
		// One row says something of each that was summed.
		"SELECT sum(x) FROM (SELECT id AS x FROM clinic.patients) s":                          "patients:1",
		"SELECT avg(n) FROM (SELECT active, count(*) AS n FROM clinic.patients GROUP BY 1) s": "patients:1",
		// A condition can single out a row.
		"SELECT sum(id) FROM clinic.patients WHERE id = 1":                               "patients:1",
		"SELECT count(*) FROM clinic.patients p, generate_series(1, p.id)":               "patients:1",
		"SELECT count(*) FROM clinic.patients p, generate_series(1, p.id) GROUP BY p.id": "patients:1",
		"SELECT sum(id) OVER (ORDER BY id) FROM clinic.patients":                         "patients:*",
		// The whole.
		"SELECT string_agg(name, ',') FROM clinic.patients":                                                                                                                     "patients:*",
		"SELECT array_agg(name), json_agg(p) FROM clinic.patients p":                                                                                                            "patients:*",
		"SELECT max(name) FROM clinic.patients":                                                                                                                                 "patients:*",
		"SELECT min(id), count(*) FROM clinic.patients GROUP BY active":                                                                                                         "patients:*",
		"SELECT ARRAY(SELECT name FROM clinic.patients)":                                                                                                                        "patients:*",
		"SELECT JSON_ARRAY(SELECT name FROM clinic.patients)":                                                                                                                   "patients:*",
		"SELECT JSON_ARRAYAGG(name) FROM clinic.patients":                                                                                                                       "patients:*",
		"SELECT JSON_OBJECTAGG(id : name) FROM clinic.patients":                                                                                                                 "patients:*",
		"SELECT string_agg(x, ',') FROM (SELECT to_jsonb(p)::text FROM clinic.patients p) s(x)":                                                                                 "patients:*",
		"SELECT sum(ssn::numeric * 10 ^ (9 * id)) FROM clinic.patients":                                                                                                         "patients:*",
		"SELECT sum(x) FROM (SELECT id * power(1000::numeric, id) AS x FROM clinic.patients) s":                                                                                 "patients:*",
		"SELECT sum(x) FROM (SELECT x FROM (SELECT id * 1000 AS x FROM clinic.patients) s) t":                                                                                   "patients:*",
		"WITH s AS (SELECT id * 1000 AS x FROM clinic.patients) SELECT sum(x) FROM s":                                                                                           "patients:*",
		"SELECT sum(x) FROM clinic.patients p, LATERAL (SELECT p.id * 1000 AS x) s":                                                                                             "patients:*",
		"SELECT sum(x) FROM clinic.patients p, power(1000, p.id) AS x":                                                                                                          "patients:*",
		"SELECT avg(x) FROM (SELECT id FROM clinic.patients UNION ALL SELECT id * 1000 FROM clinic.patients) s(x)":                                                              "patients:*",
		"SELECT (SELECT sum(s.x)) FROM (SELECT id * 1000 AS x FROM clinic.patients) s":                                                                                          "patients:*",
		"SELECT sum(x) FROM clinic.patients p, LATERAL (VALUES (p.id * 1000)) s(x)":                                                                                             "patients:*",
		"SELECT sum(s.x) FROM clinic.patients p JOIN (VALUES (1, 1), (2, 1000)) s(id, x) ON s.id = p.id":                                                                        "patients:*",
		"SELECT sum(s.x) FROM clinic.patients p JOIN (SELECT 1 AS id, 1 AS x UNION ALL SELECT 2, 1000) s ON s.id = p.id":                                                        "patients:*",
		"SELECT sum(s.x::numeric) FROM (SELECT 1 AS id, '1' AS x UNION ALL SELECT 2, '1000') s WHERE EXISTS (SELECT FROM clinic.patients p WHERE p.id = s.id)":                  "patients:2",
		"SELECT sum(s.x) FROM clinic.patients p JOIN (SELECT 1 AS id, 1::int8 AS x UNION ALL SELECT 2, 1000::int8) s ON s.id = p.id":                                            "patients:*",
		"SELECT sum(s.x) FROM clinic.patients p JOIN (SELECT 1 AS id, 10 ^ 0 AS x UNION ALL SELECT 2, 10 ^ 3) s ON s.id = p.id":                                                 "patients:*",
		"SELECT sum(s.x) FROM clinic.patients p JOIN (SELECT p.id, $1::int AS x FROM clinic.patients p UNION ALL SELECT p.id, $2::int FROM clinic.patients p) s ON s.id = p.id": "patients:*",
		"WITH u AS (UPDATE clinic.patients SET name = 'x' WHERE active RETURNING id * 1000 AS x) SELECT sum(x) FROM u":                                                          "patients:*",
		"SELECT sum(id) FILTER (WHERE id = 1), sum(id) FILTER (WHERE id = 2) FROM clinic.patients":                                                                              "patients:*",
		"SELECT lag(name) OVER (ORDER BY id) FROM clinic.patients":                                                                                                              "patients:*",
		"SELECT string_agg(name, ',') OVER () FROM clinic.patients":                                                                                                             "patients:*",
		"SELECT (SELECT string_agg(p.name, ',')) FROM clinic.patients p":                                                                                                        "patients:*",
		"SELECT (SELECT x FROM (SELECT string_agg(p.name, ',') AS x) s) FROM clinic.patients p":                                                                                 "patients:*",
		"SELECT (SELECT array_agg(p.name || v.reason) FROM clinic.visits v) FROM clinic.patients p":                                                                             "patients:1, visits:*",
		"SELECT p.json_agg FROM clinic.patients p":                                                                                                                              "patients:*",
		"SELECT (p).json_agg FROM clinic.patients p":                                                                                                                            "patients:*",
		"SELECT count(*) FROM clinic.patients HAVING string_agg(name, ',')::int = 1":                                                                                            "patients:*",
		"SELECT 1 WHERE (SELECT string_agg(name, ',') FROM clinic.patients)::int = 1":                                                                                           "patients:*",
		"SELECT count(set_config('my.a', current_setting('my.a') || name, false)) FROM clinic.patients":                                                                         "patients:*",
		"WITH RECURSIVE r AS (SELECT 1 AS id, '' AS a UNION ALL SELECT id + 1, a || (SELECT name FROM clinic.patients p WHERE p.id = r.id) FROM r) SELECT a FROM r":             "patients:*",
		"SELECT * FROM clinic.active":                                                                  "active:1, patients:*",
		"SELECT * FROM clinic.stats":                                                                   "patients:*, stats:1",
		"SELECT count(*) FROM clinic.active":                                                           "active:1, patients:*",
		"SELECT * FROM pg_catalog.pg_stats":                                                            "*:*",
		"SELECT s FROM pg_stats s":                                                                     "*:*",
		"SELECT most_common_vals(s) FROM pg_stats s":                                                   "*:*, pg_catalog.pg_stats:*",
		"SELECT null_frac FROM pg_stats WHERE histogram_bounds IS NULL":                                "*:*",
		"SELECT 1 FROM pg_stats NATURAL JOIN clinic.visits v":                                          "*:*, visits:1",
		"SELECT a FROM pg_stats s(a, b, c)":                                                            "*:*",
		"SELECT j FROM (pg_stats s JOIN clinic.visits v ON true) j":                                    "*:*, visits:1",
		"SELECT stanullfrac FROM pg_statistic JOIN clinic.visits v USING (stavalues1)":                 "*:*, visits:1",
		"SELECT x FROM pg_catalog.pg_stats_ext s, unnest(s.most_common_vals) x":                        "*:*",
		"SELECT xmlagg(xmlelement(name x, name)) FROM clinic.patients":                                 "patients:*",
		"SELECT mode() WITHIN GROUP (ORDER BY name) FROM clinic.patients":                              "patients:*",
		"SELECT * FROM json_to_recordset((SELECT json_agg(p) FROM clinic.patients p)) AS x(name text)": "patients:*",
		// Bounded.
		"SELECT string_agg(name, ',') FROM clinic.patients WHERE id = 1":                                              "patients:1",
		"SELECT json_agg(p) FROM clinic.patients p WHERE p.id = $1":                                                   "patients:1",
		"SELECT max(name) FROM clinic.patients WHERE '7'::int8 = id AND active":                                       "patients:1",
		"SELECT json_agg(v.reason) FROM clinic.visits v JOIN clinic.patients p ON p.id = v.patient_id WHERE p.id = 1": "patients:1, visits:*",
		"SELECT array_agg(x) FROM (SELECT name FROM clinic.patients LIMIT 10) s(x)":                                   "patients:10",
		"SELECT max(clinic.patients.name) FROM clinic.patients WHERE clinic.patients.id = 1":                          "patients:1",
		"SELECT max(name) FROM clinic.patients WHERE id = $1":                                                         "patients:1",
		"SELECT max(name) FROM clinic.patients WHERE id = $1 AND 7 < $1::int8":                                        "patients:1",
		"PREPARE p (int) AS SELECT max(name) FROM clinic.patients WHERE id = $1":                                      "patients:1",
		"SELECT (SELECT string_agg(x, ',') FROM unnest(string_to_array(note, ' ')) x) FROM clinic.patients":           "patients:1",
		"SELECT (SELECT string_agg(v, ',') FROM unnest(string_to_array(note, ' ')) x (v)) FROM clinic.patients":       "patients:1",
		// A part of a table may have one row.
		"SELECT sum(x) FROM clinic.base":       "",
		"SELECT sum(x) FROM ONLY clinic.base":  "base|child:1",
		"SELECT avg(x) FROM clinic.child":      "base|child:1",
		"SELECT count(x) FROM clinic.log_2024": "",
		// A parameter may have a type of which one value is equal to many of the key.
		"SELECT max(name), $1::float8 FROM clinic.patients WHERE id = $1":           "patients:*",
		"SELECT max(name) FROM clinic.patients WHERE id = $1 AND sqrt($1) > 1":      "patients:*",
		"PREPARE p (float8) AS SELECT max(name) FROM clinic.patients WHERE id = $1": "patients:*",
		// Names mean what they do for PostgreSQL: behind the alias of a join there is nothing else,
		// other names for columns replace them, a schema chooses the table, and a column of a query
		// around comes before a whole row.
		"SELECT string_agg(x.name, ',') FROM (clinic.patients AS x CROSS JOIN (VALUES (1)) AS v(k)) AS x(pid, name, ssn, active, note, id) WHERE x.id = 1": "patients:*",
		"SELECT (SELECT string_agg(name, ',') FROM (clinic.patients AS x CROSS JOIN (SELECT 1) v) AS j WHERE x.id = 1) FROM (VALUES (1)) AS x(id)":         "patients:*",
		"SELECT (SELECT string_agg(name, ',') FROM clinic.patients AS visits WHERE clinic.visits.id = 1) FROM clinic.visits":                               "patients:*, visits:1",
		"SELECT (SELECT string_agg(s.name, ',') FROM ((SELECT 1) s CROSS JOIN (SELECT 2) u) AS j) FROM clinic.patients s":                                  "patients:*",
		"SELECT (SELECT string_agg(name, ',') FROM ((SELECT 1 AS name) s CROSS JOIN (SELECT 2) u) AS j(zz, qq)) FROM clinic.patients p":                    "patients:*",
		"SELECT (SELECT string_agg(clinic.patients.name, ',') FROM (SELECT 1) AS patients) FROM clinic.patients":                                           "patients:*",
		"WITH c AS (SELECT 1 AS name) SELECT (SELECT string_agg(name, ',') FROM c AS c(zz)) FROM clinic.patients":                                          "patients:*",
		"SELECT (SELECT string_agg(name, ',') FROM (SELECT 1) AS name) FROM clinic.patients p":                                                             "patients:*",
		"SELECT (SELECT x.json_agg FROM clinic.patients x) FROM (SELECT 1 AS json_agg) x":                                                                  "patients:*",
		"WITH i AS (INSERT INTO clinic.patients DEFAULT VALUES ON CONFLICT (id) DO UPDATE SET note = 'x' RETURNING name) SELECT max(name) FROM i":          "patients:1",
		"SELECT ARRAY(SELECT name FROM clinic.patients ORDER BY 1 LIMIT 3)":                                                                                "patients:3",
		"SELECT max(name) FROM clinic.patients WHERE id = 1 OR active":                                                                                     "patients:*",
		"SELECT max(name) FROM clinic.patients WHERE id = 1e0::float8":                                                                                     "patients:*",
		"SELECT max(name) FROM clinic.patients p(x, id) WHERE id = 'a'":                                                                                    "patients:*",
		"SELECT max(x.name) FROM clinic.patients x, clinic.patients y WHERE y.id = 1":                                                                      "patients:*",
		"SELECT max(name) FROM clinic.member_directory WHERE id = 1":                                                                                       "member_directory:*",
		"SELECT array_agg(name) FROM (SELECT name FROM clinic.patients ORDER BY 1 FETCH FIRST 1 ROW WITH TIES) s":                                          "patients:*",
		"SELECT ARRAY(SELECT unnest(tags) FROM clinic.patients WHERE id = 1)":                                                                              "patients:*",
		// Elsewhere.
		"CREATE TABLE x AS SELECT * FROM clinic.patients":                                                    "copies patients:*",
		"SELECT * INTO x FROM clinic.patients":                                                               "copies patients:*",
		"CREATE TEMP VIEW x AS SELECT name FROM clinic.patients":                                             "copies patients:*",
		"CREATE MATERIALIZED VIEW x AS SELECT name FROM clinic.patients":                                     "copies patients:*",
		"INSERT INTO clinic.archive SELECT * FROM clinic.patients":                                           "copies patients:*",
		"INSERT INTO clinic.archive SELECT * FROM clinic.patients WHERE id = 1":                              "copies patients:1",
		"INSERT INTO clinic.log VALUES (now(), (SELECT name FROM clinic.patients LIMIT 1))":                  "copies patients:1",
		"INSERT INTO clinic.patients (id, note) SELECT 1, string_agg(name, ',') FROM clinic.patients":        "copies patients:*",
		"UPDATE clinic.visits SET reason = (SELECT name FROM clinic.patients WHERE id = patient_id)":         "copies patients:*",
		"UPDATE clinic.visits SET reason = (SELECT name FROM clinic.patients WHERE id = 1) WHERE id = 1":     "copies patients:1",
		"UPDATE clinic.visits v SET reason = p.name FROM clinic.patients p WHERE p.id = v.patient_id":        "copies patients:*",
		"UPDATE clinic.patients SET note = (SELECT string_agg(name, ',') FROM clinic.patients) WHERE id = 1": "copies patients:*",
		// What decides which rows of another table are changed can be read there.
		"UPDATE clinic.visits SET reason = 'x' WHERE patient_id IN (SELECT id FROM clinic.patients WHERE active)":                                                          "copies patients:*",
		"UPDATE clinic.visits SET reason = 'x' WHERE id = 1 AND EXISTS (SELECT FROM clinic.patients WHERE active)":                                                         "copies patients:1",
		"DELETE FROM clinic.visits v USING clinic.patients p WHERE p.id = v.patient_id AND p.active":                                                                       "copies patients:*",
		"DELETE FROM clinic.visits v WHERE EXISTS (SELECT FROM clinic.patients p WHERE p.id = v.patient_id)":                                                               "copies patients:*",
		"MERGE INTO clinic.visits v USING (VALUES (1)) s(id) ON v.id = s.id AND EXISTS (SELECT FROM clinic.patients p WHERE p.id = v.patient_id) WHEN MATCHED THEN DELETE": "copies patients:*",
		"INSERT INTO clinic.visits (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET reason = 'x' WHERE EXISTS (SELECT FROM clinic.patients WHERE active)":                    "copies patients:*",
		"UPDATE clinic.patients SET active = true WHERE id IN (SELECT max(id) FROM clinic.patients)":                                                                       "",
		"DELETE FROM clinic.patients WHERE id IN (SELECT id FROM clinic.patients WHERE active)":                                                                            "copies patients:*", // visits go with them
		"SELECT count(*) FILTER (WHERE id = 1)" + strings.Repeat(", count(*) FILTER (WHERE id = 2)", freeCounts) + " FROM clinic.patients":                                 fmt.Sprintf("copies patients:%d", freeCounts+1),
		"SELECT count(*) FROM clinic.patients WHERE id = 1" + strings.Repeat(" UNION ALL SELECT count(*) FROM clinic.patients WHERE id = 2", freeCounts):                   fmt.Sprintf("copies patients:%d", freeCounts+1),
		"MERGE INTO clinic.visits v USING clinic.patients p ON v.id = p.id WHEN MATCHED THEN UPDATE SET reason = p.name":                                                   "copies patients:*",
		"COPY clinic.patients TO '/tmp/x'": "copies patients:*",
		"WITH x AS (INSERT INTO clinic.archive SELECT * FROM clinic.patients RETURNING *) SELECT count(*) FROM x": "patients:1, copies patients:*",
		// By another name, or by a column that is no key any more, they can be read later.
		"ALTER TABLE clinic.patients RENAME TO people":                                      "copies patients:*",
		"ALTER INDEX clinic.patients RENAME TO people":                                      "copies patients:*",
		"ALTER TABLE clinic.patients RENAME COLUMN name TO label":                           "copies patients:*",
		"ALTER TABLE clinic.patients RENAME CONSTRAINT a TO b":                              "",
		"ALTER INDEX clinic.patients_pkey RENAME TO b":                                      "",
		"ALTER TABLE clinic.patients SET SCHEMA public":                                     "copies patients:*",
		"ALTER SCHEMA other RENAME TO x":                                                    "copies other.notes:*",
		"ALTER TABLE clinic.patients INHERIT clinic.visits":                                 "copies patients:*",
		"ALTER TABLE clinic.child NO INHERIT clinic.base":                                   "copies base|child:*",
		"ALTER TABLE clinic.visits ATTACH PARTITION clinic.patients DEFAULT":                "copies patients:*",
		"ALTER TABLE clinic.base DETACH PARTITION clinic.child":                             "copies base|child:*",
		"ALTER TABLE clinic.patients DROP CONSTRAINT patients_pkey":                         "copies patients:*",
		"ALTER TABLE clinic.patients DROP COLUMN id, ADD COLUMN id int":                     "copies patients:*",
		"ALTER TABLE clinic.patients ADD COLUMN x int, ALTER name SET NOT NULL":             "",
		"ALTER TABLE clinic.visits ADD FOREIGN KEY (patient_id) REFERENCES clinic.patients": "",
		// RETURNING shows rows that were there.
		"UPDATE clinic.patients SET name = 'x' WHERE active RETURNING *":                                       "patients:1",
		"DELETE FROM clinic.patients WHERE active RETURNING *":                                                 "patients:1, copies patients:*",
		"DELETE FROM clinic.visits v USING clinic.patients p WHERE p.id = v.id RETURNING p.*":                  "patients:1, visits:1, copies patients:*",
		"INSERT INTO clinic.patients (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET active = true RETURNING *": "patients:1",
		"WITH d AS (DELETE FROM clinic.patients RETURNING name) SELECT string_agg(name, ',') FROM d":           "patients:*, copies patients:*",
		// Several statements: the worst row.
		"SELECT 1; SELECT name FROM clinic.patients": "patients:1",
	} {
		if got := carried(t, sql); got != want {
			t.Errorf("%s\ncarries %q, want %q", sql, got, want)
		}
	}
}

// What a session has stored for itself may be numbers of which a sum shows its parts.
func TestCarries_SumsOfOwnTables(t *testing.T) {
	own := snap.After([]catalog.Change{{Made: &catalog.Table{Schema: catalog.TempSchema, Name: "weights", Temporary: true}}})
	for sql, want := range map[string]string{
		"SELECT sum(w.x) FROM clinic.patients p JOIN weights w ON w.id = p.id":            "patients:*",
		"SELECT avg(x) FROM pg_temp.weights WHERE id IN (SELECT id FROM clinic.patients)": "patients:*",
		"SELECT count(*) FROM clinic.patients p JOIN weights w ON w.id = p.id":            "patients:1",
		"SELECT sum(x) FROM weights": "",
		"SELECT sum(v.id) FROM clinic.patients p JOIN clinic.visits v ON v.patient_id = p.id": "patients:1, visits:1",
	} {
		if got := carriedIn(t, own, sql); got != want {
			t.Errorf("%s\ncarries %q, want %q", sql, got, want)
		}
	}
}
