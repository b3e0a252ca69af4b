-- a comparison
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- one with a list
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 IN (1, 3) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- one with an array
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = ANY (ARRAY[1, 3]) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- one with all of an array
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 <> ALL (ARRAY[0, 3]) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- BETWEEN
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) BETWEEN 1 AND 2 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- BETWEEN SYMMETRIC
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) BETWEEN SYMMETRIC 2 AND 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- NOT BETWEEN
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) NOT BETWEEN -1 AND 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- NOT BETWEEN SYMMETRIC
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) NOT BETWEEN SYMMETRIC 0 AND -1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS DISTINCT FROM
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) IS DISTINCT FROM 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS NOT DISTINCT FROM
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) IS NOT DISTINCT FROM 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- LIKE
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text LIKE '1' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- ILIKE
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text ILIKE '1%' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- SIMILAR TO
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text SIMILAR TO '(1|3)' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a regular expression
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text ~ '1' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- AND
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 AND true FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- OR
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 OR false FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- NOT
@only simple
SELECT NOT (ascii(substr(ssn, i, 1)) >> b) & 1 = 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS NOT NULL
@only simple
SELECT nullif((ascii(substr(ssn, i, 1)) >> b) & 1, 0) IS NOT NULL FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS TRUE
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1 = 1) IS TRUE FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS NOT UNKNOWN
@only simple
SELECT (nullif((ascii(substr(ssn, i, 1)) >> b) & 1, 0) = 1) IS NOT UNKNOWN FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a cast
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::bool FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a row
@only simple
SELECT ROW((ascii(substr(ssn, i, 1)) >> b) & 1, 1) = ROW(1, 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- EXISTS
@only simple
SELECT EXISTS (SELECT WHERE (ascii(substr(ssn, i, 1)) >> b) & 1 = 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IN of a sub-select
@only simple
SELECT 1 IN (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- ANY of a sub-select
@only simple
SELECT 0 < ANY (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- ALL of a sub-select
@only simple
SELECT 1 = ALL (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a value in a sub-select
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 IN (SELECT dept_id FROM clinic.rooms WHERE dept_id = 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a row and a sub-select
@only simple
SELECT (1, 2) = (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1, 2) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- whether a sub-select has rows
@only simple
SELECT (SELECT true FROM clinic.departments d WHERE d.id = (ascii(substr(ssn, i, 1)) >> b) & 1) IS NOT NULL FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- XMLEXISTS
@only simple
SELECT xmlexists('/r[. = 1]' PASSING BY REF xmlelement(name r, (ascii(substr(ssn, i, 1)) >> b) & 1)) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS DOCUMENT
@only simple
SELECT xmlconcat(xmlelement(name r), CASE (ascii(substr(ssn, i, 1)) >> b) & 1 WHEN 0 THEN xmlelement(name r) END) IS DOCUMENT FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- OVERLAPS
@only simple
SELECT (date '2024-01-01', date '2024-01-02') OVERLAPS (date '2024-01-02' - ((ascii(substr(ssn, i, 1)) >> b) & 1), date '2024-01-03') FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- whether a count has something
@only simple
SELECT (SELECT count(*) FROM clinic.departments d WHERE (ascii(substr(ssn, i, 1)) >> b) & 1 = 1) > 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- where a greatest is
@only simple
SELECT greatest((ascii(substr(ssn, i, 1)) >> b) & 1, 0) = 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a member of JSON
@only simple
SELECT jsonb_build_object(((ascii(substr(ssn, i, 1)) >> b) & 1)::text, 1) ? '1' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a count of what is told apart
@only simple
SELECT (SELECT count(*) FROM (SELECT DISTINCT x FROM (VALUES (1), ((ascii(substr(p.ssn, i, 1)) >> b) & 1)) q(x)) z) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of a UNION
@only simple
SELECT (SELECT count(*) FROM (SELECT 1 UNION SELECT (ascii(substr(p.ssn, i, 1)) >> b) & 1) z) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of groups that have something
@only simple
SELECT (SELECT count(*) FROM (SELECT 1 HAVING (ascii(substr(p.ssn, i, 1)) >> b) & 1 = 1) z) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of a sample
@only simple
SELECT (SELECT count(*) FROM clinic.departments TABLESAMPLE BERNOULLI (100 * ((ascii(substr(p.ssn, i, 1)) >> b) & 1))) > 0 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count up to a limit
@only simple
SELECT (SELECT count(*) FROM (SELECT 1 LIMIT (ascii(substr(p.ssn, i, 1)) >> b) & 1) z) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of a UNION up to a limit
@only simple
SELECT (SELECT count(*) FROM (SELECT 1 UNION ALL SELECT 2 LIMIT (ascii(substr(p.ssn, i, 1)) >> b) & 1) z) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of a join
@only simple
SELECT (SELECT count(*) FROM clinic.departments d JOIN clinic.departments e ON d.id = e.id AND (ascii(substr(p.ssn, i, 1)) >> b) & 1 = 1) > 0 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of a join by a column of both
@only simple
SELECT (SELECT count(*) FROM (VALUES (1)) q(x) JOIN (SELECT (ascii(substr(p.ssn, i, 1)) >> b) & 1 AS x) r USING (x)) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of nodes of XML
@only simple
SELECT (SELECT count(*) FROM XMLTABLE('/r/a' PASSING xmlparse(DOCUMENT '<r>' || repeat('<a/>', (ascii(substr(p.ssn, i, 1)) >> b) & 1) || '</r>') COLUMNS z int)) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- what comes first of VALUES
@only simple
SELECT (SELECT x FROM (VALUES (false, 0.5), (true, (ascii(substr(p.ssn, i, 1)) >> b) & 1) ORDER BY 2 DESC LIMIT 1) q(x, y)) FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- what comes first by a window
@only simple
SELECT (SELECT x FROM (SELECT x, CASE WHEN random() >= 0 THEN row_number() OVER (ORDER BY y DESC) END FROM (VALUES (false, 0.5), (true, (ascii(substr(p.ssn, i, 1)) >> b) & 1)) q(x, y)) z LIMIT 1) FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count of a branch of a UNION
@only simple
SELECT (SELECT count(*) FROM (SELECT 1 WHERE (ascii(substr(p.ssn, i, 1)) >> b) & 1 = 1 UNION ALL SELECT 2 WHERE false) z) = 1 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE p.id = 1 ORDER BY i, b DESC
-- a count in which rows are multiplied
@only simple
SELECT count(*) = 2 FROM clinic.patients p, generate_series(1, 11) i, generate_series(7, 0, -1) b, LATERAL generate_series(0, (ascii(substr(p.ssn, i, 1)) >> b) & 1) g WHERE p.id = 1 GROUP BY i, b ORDER BY i, b DESC
-- which rows ON CONFLICT changes
@only simple
CREATE TABLE $V.bits (i int, b int, v int, PRIMARY KEY (i, b))
INSERT INTO $V.bits SELECT i, b, 0 FROM generate_series(1, 11) i, generate_series(7, 0, -1) b
INSERT INTO $V.bits AS t SELECT i, b, 0 FROM generate_series(1, 11) i, generate_series(7, 0, -1) b ON CONFLICT (i, b) DO UPDATE SET v = 1 WHERE (SELECT (ascii(substr(secret, t.i, 1)) >> t.b) & 1 = 1 FROM $V.victim WHERE id = 1)
SELECT v = 1 FROM $V.bits ORDER BY i, b DESC
-- which rows UPDATE changes
@only simple
CREATE TABLE $V.bits (i int, b int, v int, PRIMARY KEY (i, b))
INSERT INTO $V.bits SELECT i, b, 0 FROM generate_series(1, 11) i, generate_series(7, 0, -1) b
UPDATE $V.bits t SET v = 1 FROM $V.victim s WHERE s.id = 1 AND (ascii(substr(s.secret, t.i, 1)) >> t.b) & 1 = 1
SELECT v = 1 FROM $V.bits ORDER BY i, b DESC
-- which rows DELETE leaves
@only simple
CREATE TABLE $V.bits (i int, b int, v int, PRIMARY KEY (i, b))
INSERT INTO $V.bits SELECT i, b, 0 FROM generate_series(1, 11) i, generate_series(7, 0, -1) b
DELETE FROM $V.bits t USING $V.victim s WHERE s.id = 1 AND (ascii(substr(s.secret, t.i, 1)) >> t.b) & 1 = 0
SELECT EXISTS (SELECT FROM $V.bits t WHERE t.i = x.i AND t.b = x.b) FROM (SELECT i, b FROM generate_series(1, 11) i, generate_series(7, 0, -1) b) x ORDER BY i, b DESC
-- which rows MERGE changes
@only simple
CREATE TABLE $V.bits (i int, b int, v int, PRIMARY KEY (i, b))
INSERT INTO $V.bits SELECT i, b, 0 FROM generate_series(1, 11) i, generate_series(7, 0, -1) b
MERGE INTO $V.bits t USING $V.victim s ON s.id = 1 WHEN MATCHED AND (ascii(substr(s.secret, t.i, 1)) >> t.b) & 1 = 1 THEN UPDATE SET v = 1
SELECT v = 1 FROM $V.bits ORDER BY i, b DESC
-- which rows a temporary table was made of
@only simple
CREATE TEMP TABLE s AS SELECT i, b FROM $V.victim, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 AND (ascii(substr(secret, i, 1)) >> b) & 1 = 1
CREATE TEMP TABLE t AS SELECT i, b FROM s
CREATE TABLE $V.bits AS SELECT i, b FROM t
SELECT EXISTS (SELECT FROM $V.bits t WHERE t.i = x.i AND t.b = x.b) FROM (SELECT i, b FROM generate_series(1, 11) i, generate_series(7, 0, -1) b) x ORDER BY i, b DESC
-- which rows a temporary table was filled with
@only simple
CREATE TEMP TABLE t (i int, b int)
INSERT INTO t SELECT i, b FROM $V.victim, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 AND (ascii(substr(secret, i, 1)) >> b) & 1 = 1
CREATE TABLE $V.bits AS SELECT i, b FROM t
SELECT EXISTS (SELECT FROM $V.bits t WHERE t.i = x.i AND t.b = x.b) FROM (SELECT i, b FROM generate_series(1, 11) i, generate_series(7, 0, -1) b) x ORDER BY i, b DESC
-- which rows are left in a temporary table
@only simple
CREATE TEMP TABLE t AS SELECT i, b FROM generate_series(1, 11) i, generate_series(7, 0, -1) b
DELETE FROM t USING $V.victim s WHERE s.id = 1 AND (ascii(substr(s.secret, t.i, 1)) >> t.b) & 1 = 0
CREATE TABLE $V.bits AS SELECT i, b FROM t
SELECT EXISTS (SELECT FROM $V.bits t WHERE t.i = x.i AND t.b = x.b) FROM (SELECT i, b FROM generate_series(1, 11) i, generate_series(7, 0, -1) b) x ORDER BY i, b DESC
-- which rows a temporary view has
@only simple
CREATE TEMP VIEW t AS SELECT i, b FROM $V.victim, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 AND (ascii(substr(secret, i, 1)) >> b) & 1 = 1
CREATE TABLE $V.bits AS SELECT i, b FROM t
SELECT EXISTS (SELECT FROM $V.bits t WHERE t.i = x.i AND t.b = x.b) FROM (SELECT i, b FROM generate_series(1, 11) i, generate_series(7, 0, -1) b) x ORDER BY i, b DESC
-- how many rows a temporary table was made of
@only simple
CREATE TEMP TABLE t AS SELECT i, b FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b, LATERAL generate_series(0, (ascii(substr(ssn, i, 1)) >> b) & 1) WHERE id = 1
SELECT count(*) = 2 FROM t GROUP BY i, b ORDER BY i, b DESC
-- how many rows a temporary table was filled with
@only simple
CREATE TEMP TABLE t (i int, b int)
INSERT INTO t SELECT i, b FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b, LATERAL generate_series(0, (ascii(substr(ssn, i, 1)) >> b) & 1) WHERE id = 1
SELECT count(*) = 2 FROM t GROUP BY i, b ORDER BY i, b DESC
