package sqlscan

import (
	"slices"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A user's function that reads is as a sub-select where it is compared with a column,
// or says how many rows come.
func TestAnalyze_ManyByFunction(t *testing.T) {
	snap := database(t, "code", "manying")
	for sql, many := range map[string]bool{
		"SELECT code.label(1)": false,

		"WITH RECURSIVE r (ssn) AS (SELECT '1' UNION ALL SELECT ssn || '1' FROM r) SELECT p.id FROM code.patients p, r WHERE p.ssn = r.ssn":                                              true,
		"SELECT p.id FROM code.patients p, (SELECT a.k AS id FROM generate_series(1, 9) a(k)) q WHERE p.id = q.id":                                                                       true,
		"WITH q AS (SELECT generate_series(1, 9) AS id) SELECT p.id FROM code.patients p, q WHERE p.id = q.id":                                                                           true,
		"SELECT p.id FROM code.patients p JOIN (SELECT generate_series(1, 9) AS id) q USING (id)":                                                                                        true,
		"SELECT p.id FROM code.patients p, (SELECT 0 * id + generate_series(1, 9) AS id FROM code.patients) q WHERE p.id = q.id":                                                         true,
		"SELECT p.id FROM code.patients p, (SELECT c.m FROM (SELECT generate_series(1, 9) AS m) c) q(id) WHERE p.id = q.id":                                                              true,
		"SELECT p.id FROM code.patients p, (SELECT (r).id AS k FROM (SELECT g AS r FROM (SELECT generate_series(1, 9) AS id) g) x) q WHERE p.id = q.k":                                   true,
		"SELECT p.id FROM code.patients p, jsonb_populate_recordset(NULL::code.patients, '[{\"id\": 1}, {\"id\": 2}]') q WHERE p.id = q.id":                                              true,
		"SELECT p.id FROM code.patients p, jsonb_array_elements('[1]') e, code.patients r WHERE p.id = r.id":                                                                             false,
		"SELECT q.t FROM code.patients p, (SELECT 0 * id + row_number() OVER () AS k, row_number() OVER () AS t FROM code.patients) q WHERE p.id = q.k":                                  true,
		"SELECT p.id FROM code.patients p, (SELECT sum(0 * a.id + 1) AS k FROM code.patients a, code.patients b WHERE a.id > b.id) q WHERE p.id = q.k":                                   true,
		"SELECT p.id FROM code.patients p, (SELECT 0 * id + random() AS k FROM code.patients) q WHERE p.id = q.k":                                                                        true,
		"SELECT p.id FROM code.patients p, (SELECT cmin::text::int AS id FROM code.patients) q WHERE p.id = q.id":                                                                        true,
		"SELECT p.id FROM code.patients p, (SELECT grouping(id + 0, id + 1) AS k FROM code.patients GROUP BY CUBE (id + 0, id + 1)) q WHERE p.id = q.k":                                  true,
		"SELECT p.id FROM code.patients p, (SELECT max(id) OVER (PARTITION BY ssn) AS k FROM code.patients) q WHERE p.id = q.k":                                                          false,
		"SELECT max(t) FROM (SELECT id AS k, NULL::bigint AS t FROM code.patients UNION ALL SELECT 0 * id + row_number() OVER (), row_number() OVER () FROM code.patients) q GROUP BY k": true,
		"SELECT k FROM (SELECT id AS k FROM code.patients UNION ALL SELECT 2 * id FROM code.patients) q GROUP BY k":                                                                      false,
		"SELECT p.id FROM code.patients p JOIN (SELECT 0 * id + row_number() OVER () AS id FROM code.patients) q USING (id)":                                                             true,
		"SELECT t FROM (SELECT ssn FROM code.patients) p NATURAL JOIN (SELECT ssn || row_number() OVER () AS ssn, row_number() OVER () AS t FROM code.patients) q":                       true,
		"SELECT p.id FROM code.patients p JOIN code.patients q USING (ssn)":                                                                                                              false,
		"SELECT a.id, count(*) FROM code.patients a, code.patients b GROUP BY a.id, b.id HAVING a.id = count(*)":                                                                         true,
		"SELECT avg(id) FROM code.patients GROUP BY ssn HAVING count(DISTINCT id) > 3 AND sum(id) > max(id)":                                                                             false,
		"SELECT id FROM code.patients ORDER BY id = row_number() OVER (PARTITION BY ssn) DESC":                                                                                           true,
		"SELECT id FROM code.patients p WHERE id = (SELECT count(*) FROM code.patients q WHERE q.id <= p.id)":                                                                            true,
		"SELECT ssn FROM code.patients p WHERE (SELECT count(*) FROM code.patients q WHERE q.id <= p.id) > 3 ORDER BY id":                                                                false,
		"SELECT p.id, q.id FROM code.patients p, code.patients q WHERE p.id = 100 * random()":                                                                                            true,
		"SELECT r FROM (SELECT row_number() OVER () AS r, id - row_number() OVER () AS h FROM code.patients) q WHERE h = 9":                                                              true,
		"SELECT id FROM code.patients ORDER BY random()":                                                                                                                                 false,
		"SELECT p.id FROM code.patients p, (SELECT unnest(ARRAY[1, 2]) AS id) q WHERE p.id = q.id":                                                                                       false,
		"SELECT p.id FROM code.patients p JOIN (SELECT ssn AS id FROM code.patients) q ON p.ssn = q.id":                                                                                  false,

		"SELECT 0 AS k, id FROM code.patients UNION ALL SELECT g, g FROM generate_series(1, 9) g ORDER BY 2":                                               true,
		"SELECT id, ssn FROM code.patients UNION ALL SELECT id, ssn FROM code.patients ORDER BY 2":                                                         false,
		"SELECT 0, (ROW(id, 1)).* FROM code.patients UNION ALL SELECT g, g, g FROM generate_series(1, 9) g ORDER BY 2":                                     true,
		"VALUES ((SELECT id FROM code.patients), 0), (length(random()::text), 1) ORDER BY 1":                                                               true,
		"SELECT greatest(g, id) FROM code.patients, generate_series(1, 9) g GROUP BY 1":                                                                    true,
		"SELECT g, greatest(g, id) FROM code.patients, generate_series(1, 9) g ORDER BY 2, 1 DESC":                                                         true,
		"SELECT g, greatest(g, id) FROM code.patients, generate_series(1, 9) g ORDER BY 1":                                                                 false,
		"SELECT DISTINCT greatest(g, id) FROM code.patients, generate_series(1, 9) g":                                                                      true,
		"SELECT DISTINCT ON (1) greatest(g, id) FROM code.patients, generate_series(1, 9) g":                                                               true,
		"SELECT DISTINCT id, lower(ssn) FROM code.patients":                                                                                                false,
		"SELECT 1 FROM (SELECT array_fill(0, ARRAY[id]) AS k FROM code.patients) q, unnest(q.k)":                                                           true,
		"SELECT unnest(k) FROM (SELECT array_fill(0, ARRAY[id]) AS k FROM code.patients) q":                                                                true,
		"WITH q AS (SELECT to_jsonb(array_fill(0, ARRAY[id])) AS k FROM code.patients) SELECT 1 FROM q, jsonb_array_elements(k) e":                         true,
		"SELECT 1 FROM (SELECT ssn AS k FROM code.patients) q, jsonb_array_elements(k) AS e(item), jsonb_array_elements(item)":                             false,
		"SELECT array_agg(t) AS ssn FROM code.patients, unnest(ssn) t":                                                                                     false,
		"SELECT 1 FROM code.patients, XMLTABLE('/r/i' PASSING (repeat('<i/>', id)::xml) COLUMNS x int PATH '.')":                                           true,
		"SELECT 1 FROM code.patients, XMLTABLE('/r/i' PASSING (ssn::xml) COLUMNS x int PATH '.')":                                                          false,
		"SELECT 1 FROM code.patients, JSON_TABLE(to_jsonb(array_fill(0, ARRAY[id])), '$[*]' COLUMNS (x int PATH '$'))":                                     true,
		"SELECT s.code FROM code.patients p, code.scratch s, XMLTABLE(XMLNAMESPACES(p.ssn AS x), '/x:r' PASSING (s.code::xml) COLUMNS k FOR ORDINALITY) v": true,
		"SELECT 1 FROM code.patients p, XMLTABLE('/r' PASSING ('<r/>'::xml) COLUMNS k int PATH ('a' || p.ssn)) v WHERE k = 1":                              true,
		"MERGE INTO code.scratch s USING code.patients p ON textlike(s.code, p.ssn) WHEN MATCHED THEN DO NOTHING":                                          true,
		"INSERT INTO code.scratch AS s VALUES (1) ON CONFLICT (id) DO UPDATE SET code = 'x' WHERE textlike(s.code, (SELECT ssn FROM code.patients))":       true,

		// Lists that a query inside crosses, in whichever order they stand.
		"SELECT p.id, x.k FROM code.patients p, (SELECT a.b + 2 * b.b AS k FROM (VALUES (0), (1)) a(b), (VALUES (0), (1)) b(b)) x WHERE p.id = x.k":                                     true,
		"SELECT p.id, x.k FROM code.patients p, (SELECT b + 2 * c AS k FROM (SELECT a.b, b.b AS c FROM unnest('{0,1}'::int[]) a(b), unnest('{0,1}'::int[]) b(b)) y) x WHERE p.id = x.k": true,
		"SELECT p.id FROM code.patients p, (VALUES ('0'), ('1')) a(d), (VALUES ('0'), ('1')) b(d) WHERE starts_with(p.ssn, a.d || b.d)":                                                 true,
		"SELECT p.id FROM code.patients p JOIN (SELECT a.b + 2 * b.b AS id FROM (VALUES (0), (1)) a(b), (VALUES (0), (1)) b(b)) x USING (id)":                                           true,
		"SELECT a.b + 2 * b.b FROM (VALUES (0), (1)) a(b), (VALUES (0), (1)) b(b) INTERSECT SELECT id FROM code.patients":                                                               true,
		"SELECT p.id FROM code.patients p WHERE p.id IN (SELECT a.b + 2 * b.b FROM (VALUES (0), (1)) a(b), (VALUES (0), (1)) b(b))":                                                     true,
		"SELECT p.id FROM code.patients p, (SELECT a.b + 1 AS k FROM (VALUES (0), (1)) a(b)) x WHERE p.id = x.k":                                                                        false,
		// What gives another value each time.
		"SELECT clock_timestamp() FROM code.patients WHERE id > extract(epoch FROM clock_timestamp())":                         true,
		"SELECT 1 FROM code.patients WHERE ssn > gen_random_uuid()::text":                                                      true,
		"SELECT 1 FROM code.patients WHERE id > extract(epoch FROM now())":                                                     false,
		"SELECT 1 FROM code.patients WHERE id = pg_sequence_last_value('code.s')":                                              true,
		"SELECT 1 FROM code.patients WHERE ssn = current_setting('a.b')":                                                       false,
		"SELECT set_config('application_name', '1', false) FROM code.patients WHERE ssn = current_setting('application_name')": true,
		"SELECT id, unnest('{1,2}'::int[]) AS u FROM code.patients ORDER BY id = unnest('{1,2}'::int[]) DESC":                  true,
		"SELECT ssn, unnest('{1,2}'::int[]) AS u FROM code.patients ORDER BY 2, id":                                            false,

		"SELECT id FROM code.departments WHERE code.label(1) = 'x'":                                                          false,
		"SELECT id FROM code.departments LIMIT 3":                                                                            false,
		"SELECT id FROM code.departments WHERE id = length(code.label(1))":                                                   true,
		"SELECT id FROM code.departments WHERE id = (SELECT length(ssn) FROM code.patients)":                                 true,
		"SELECT id FROM code.departments WHERE id = (SELECT length(code.label(1)))":                                          true,
		"SELECT id < length(code.label(1)) FROM code.departments":                                                            true,
		"SELECT d.id FROM code.departments d JOIN code.scratch s ON s.code = code.label(d.id)":                               true,
		"SELECT id FROM code.departments WHERE name = 1 OPERATOR(code.@@@) 2":                                                true,
		"SELECT id FROM code.departments LIMIT length(code.label(1))":                                                        true,
		"SELECT id FROM code.departments LIMIT (SELECT length(ssn) FROM code.patients)":                                      true,
		"SELECT id FROM code.departments OFFSET length(code.nested(1)) - 5":                                                  true,
		"SELECT id FROM code.departments FETCH FIRST (length(code.label(1))) ROWS ONLY":                                      true,
		"SELECT id FROM code.departments TABLESAMPLE bernoulli (length(code.label(1)))":                                      true,
		"SELECT id FROM code.departments TABLESAMPLE bernoulli (9) REPEATABLE (length(code.label(1)))":                       true,
		"SELECT id FROM code.departments TABLESAMPLE bernoulli ((SELECT length(ssn) FROM code.patients))":                    true,
		"SELECT count(*) OVER (ROWS length(code.label(1)) PRECEDING) FROM code.departments":                                  true,
		"SELECT count(*) OVER (ROWS (SELECT length(ssn) FROM code.patients) PRECEDING) FROM code.departments":                true,
		"SELECT generate_series(1, length(code.label(1)))":                                                                   true,
		"SELECT pg_sleep(length(code.label(1)))":                                                                             true,
		"SELECT pg_sleep(length(ssn)) FROM code.patients":                                                                    true,
		"SELECT id FROM code.departments INTERSECT SELECT length(code.label(1))":                                             true,
		"SELECT n FROM generate_series(1, 9) n WHERE n = length(code.label(1))":                                              true,
		"SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY id ORDER BY ssn) AS r FROM code.patients) q WHERE r = 1": false,
		"SELECT id FROM (SELECT id, CASE WHEN id = 1 THEN ssn END AS r FROM code.patients) q ORDER BY r":                     false,
		"SELECT id, ssn FROM code.patients GROUP BY id, ssn ORDER BY (id, lower(ssn))":                                       false,
		"SELECT ssn AS a FROM code.patients UNION ALL SELECT ssn FROM code.patients ORDER BY a":                              false,
		// A list somewhere in the text does not say what others have in theirs.
		"SELECT p.id FROM code.patients p, code.scratch AS q (a, b), (VALUES ('1')) v (x) WHERE p.ssn = q.b":                               true,
		"WITH q (k) AS (SELECT code FROM code.scratch), v (x) AS (VALUES ('1')) SELECT p.id FROM code.patients p, q, v WHERE p.ssn = q.k":  true,
		"SELECT k FROM code.patients p, (SELECT row_number() OVER () AS k FROM code.departments) q, (VALUES (1)) v (x) WHERE p.id = q.k":   true,
		"SELECT k FROM code.patients p, (SELECT row_number() OVER () AS k FROM code.departments) q, unnest(ARRAY[1]) v WHERE p.id = q.k":   true,
		"SELECT p.id FROM code.patients p JOIN (SELECT row_number() OVER () AS id FROM code.departments) q USING (id), (VALUES (1)) v (x)": true,
		"SELECT p.id FROM code.patients p, (VALUES ('1')) v (x) WHERE p.ssn = v.x":                                                         false,
		"WITH v (x) AS (VALUES ('1')) SELECT p.id FROM code.patients p, v WHERE p.ssn = v.x":                                               false,
		"SELECT p.id FROM code.patients p JOIN (VALUES ('1')) v (ssn) USING (ssn)":                                                         false,
		"SELECT p.id FROM code.patients p, unnest('{1,2}'::int[]) k WHERE p.id = k":                                                        false,
		"SELECT p.id FROM code.patients p JOIN unnest('{1,2}'::int[]) WITH ORDINALITY u (k, n) ON p.id = u.k":                              false,

		// What a function in FROM, VALUES or XMLTABLE computes is compared by its name.
		"SELECT s.id FROM code.patients p, code.scratch s, LATERAL abs(p.id - s.id) k WHERE k = 0":                                                                       true,
		"SELECT s.id FROM code.patients p, code.scratch s, LATERAL (VALUES (p.id - s.id)) v ORDER BY abs(v.column1)":                                                     true,
		"SELECT b FROM (code.scratch s CROSS JOIN (SELECT ssn FROM code.patients) p CROSS JOIN LATERAL concat(p.ssn, s.code) k) j (a, b, c, d) WHERE d = 'x'":            true,
		"SELECT x FROM (code.scratch s CROSS JOIN (SELECT ssn FROM code.patients) p CROSS JOIN LATERAL (VALUES (concat(p.ssn, s.code))) v) j (a, x, c, d) WHERE d = 'x'": true,
		"SELECT s.id FROM code.patients p, code.scratch s, LATERAL greatest(p.id, s.id) k ORDER BY k":                                                                    true,
		"SELECT s.id FROM code.patients p, code.scratch s, jsonb_populate_record(NULL::code.scratch, jsonb_build_object('id', p.id)) r WHERE r.id = s.id":                true,
		"SELECT p.id FROM code.patients p, LATERAL abs(p.id - 1) k WHERE k = 0":                                                                                          false,
		"SELECT a.id FROM code.patients a JOIN code.patients b ON b.id <= a.id, code.patients p GROUP BY a.id, p.id HAVING b.count = p.id":                               true,
		"SELECT p.id FROM code.patients p, (SELECT max(id) FROM code.patients) q WHERE p.id = q.max":                                                                     false,
		"WITH q AS (SELECT max(id), min(id) AS count FROM code.patients) SELECT p.id FROM code.patients p, q WHERE p.id = q.max OR p.id = q.count":                       false,
		"SELECT p.id FROM code.patients p, (SELECT id FROM code.patients) q, (SELECT 1 AS count) z GROUP BY p.id HAVING p.id = q.count":                                  true,
		"SELECT a.id FROM code.patients a JOIN code.patients b ON b.id <= a.id GROUP BY a.id HAVING (b).count > 3":                                                       false,
		"SELECT v FROM (VALUES ('a'), ('b')) x(v) WHERE v = code.label(1)":                                                                                               true,
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		got := slices.ContainsFunc(Analyze(p, snap, Lineage{}).Looks, func(l hoop.Look) bool {
			against := slices.ContainsFunc(l.Against, func(group []hoop.ColumnRef) bool { return group[0].Table == "scratch" })
			return (l.Many || l.Joined && against) && slices.ContainsFunc(l.Columns, func(c hoop.ColumnRef) bool { return c.Table == "patients" })
		})
		if got != many {
			t.Errorf("%s: many is %v", sql, got)
		}
	}
}
