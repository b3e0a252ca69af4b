-- CREATE TABLE AS
CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- SELECT INTO
SELECT i INTO archive.tally FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- EXPLAIN ANALYZE CREATE TABLE AS
EXPLAIN ANALYZE CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- CREATE TABLE AS EXECUTE
PREPARE p AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
CREATE TABLE archive.tally AS EXECUTE p
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- INSERT
CREATE TABLE archive.tally (i int)
INSERT INTO archive.tally SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a function in the list
CREATE TABLE archive.tally (i int, n int)
INSERT INTO archive.tally SELECT i, generate_series(1, ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- EXECUTE
CREATE TABLE archive.tally (i int)
PREPARE p (int) AS INSERT INTO archive.tally SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = $1
EXECUTE p (1)
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- COPY of an INSERT
CREATE TABLE archive.tally (i int)
COPY (INSERT INTO archive.tally SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1 RETURNING 1) TO STDOUT
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- MERGE
CREATE TABLE archive.tally (i int)
MERGE INTO archive.tally USING (SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1) s ON false WHEN NOT MATCHED THEN INSERT VALUES (s.i)
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- INSERT in WITH
CREATE TABLE archive.tally (i int)
WITH x AS (INSERT INTO archive.tally SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1) SELECT 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- what an INSERT in WITH returns, inserted
CREATE TEMP TABLE t (i int)
CREATE TABLE archive.tally (i int)
WITH x AS (INSERT INTO t SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1 RETURNING i) INSERT INTO archive.tally SELECT i FROM x
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a temporary table copied
CREATE TEMP TABLE t AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
CREATE TABLE archive.tally AS SELECT i FROM t
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a temporary table filled in a way that is not followed, copied
CREATE TEMP TABLE t (i int)
MERGE INTO t USING (SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1) s ON false WHEN NOT MATCHED THEN INSERT VALUES (s.i)
CREATE TABLE archive.tally AS SELECT i FROM t
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a view copied
CREATE VIEW $V.many AS SELECT i FROM $V.victim, generate_series(1, 11) i, generate_series(1, ascii(substr(secret, i, 1))) WHERE id = 1
CREATE TABLE $V.out AS SELECT i FROM $V.many
SELECT count(*) FROM $V.out GROUP BY i ORDER BY i
-- a materialized view
CREATE MATERIALIZED VIEW $V.many AS SELECT i FROM $V.victim, generate_series(1, 11) i, generate_series(1, ascii(substr(secret, i, 1))) WHERE id = 1
SELECT count(*) FROM $V.many GROUP BY i ORDER BY i
-- beside a number of a sequence
CREATE TABLE archive.tally (i int, n int)
INSERT INTO archive.tally SELECT i, nextval('clinic.ticket_seq') FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- LIMIT
CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT FROM generate_series(1, 127) LIMIT ascii(substr(ssn, i, 1))) x WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- OFFSET
CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT FROM generate_series(1, 127) OFFSET 127 - ascii(substr(ssn, i, 1))) x WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a recursive query
CREATE TABLE archive.tally AS WITH RECURSIVE r AS (SELECT i, 1 AS n, ascii(substr(ssn, i, 1)) AS m FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 UNION ALL SELECT i, n + 1, m FROM r WHERE n < m) SELECT i FROM r
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a recursive query that ends where rows come again
CREATE TABLE archive.tally AS WITH RECURSIVE r AS (SELECT i, 1 AS n, ascii(substr(ssn, i, 1)) AS m FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 UNION SELECT i, least(n + 1, m), m FROM r) SELECT i FROM r
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- XMLTABLE
CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, XMLTABLE('/r/x' PASSING (('<r>' || repeat('<x/>', ascii(substr(ssn, i, 1))) || '</r>')::xml) COLUMNS a text PATH '.') WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- elements that are computed
CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, unnest(array_fill(1, ARRAY[ascii(substr(ssn, i, 1))])) WHERE id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- elements that were computed before
INSERT INTO $V.scratch (id, doc) SELECT 100 + i, (SELECT jsonb_agg(1) FROM generate_series(1, ascii(substr(secret, i, 1)))) FROM $V.victim, generate_series(1, 11) i WHERE id = 1
CREATE TABLE $V.out AS SELECT s.id FROM $V.scratch s, jsonb_array_elements(doc) WHERE s.id > 100
SELECT count(*) FROM $V.out GROUP BY id ORDER BY id
-- what another command of the text has filled
INSERT INTO $V.scratch (id, code) SELECT 100 + i, substr(secret, i, 1) FROM $V.victim, generate_series(1, 11) i WHERE id = 1; CREATE TABLE $V.out AS SELECT s.id FROM $V.scratch s, generate_series(1, ascii(code)) WHERE s.id > 100
SELECT count(*) FROM $V.out GROUP BY id ORDER BY id
-- a users' function
CREATE FUNCTION $V.series(n int) RETURNS SETOF int LANGUAGE sql IMMUTABLE AS 'SELECT generate_series(1, n)'
CREATE TABLE $V.out AS SELECT i FROM $V.victim, generate_series(1, 11) i, $V.series(ascii(substr(secret, i, 1))) WHERE id = 1
SELECT count(*) FROM $V.out GROUP BY i ORDER BY i
-- a users' function in an argument
CREATE FUNCTION $V.number(t text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT ascii(t)'
CREATE TABLE $V.out AS SELECT i FROM $V.victim, generate_series(1, 11) i, generate_series(1, $V.number(substr(secret, i, 1))) WHERE id = 1
SELECT count(*) FROM $V.out GROUP BY i ORDER BY i
-- a users' function in the list, counted
CREATE FUNCTION $V.series(n int) RETURNS SETOF int LANGUAGE sql IMMUTABLE AS 'SELECT generate_series(1, n)'
SELECT count(*) FROM (SELECT i, $V.series(ascii(substr(secret, i, 1))) FROM $V.victim, generate_series(1, 11) i WHERE id = 1) x GROUP BY i ORDER BY i
-- LIMIT in FROM, counted
SELECT count(*) FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT FROM generate_series(1, 127) LIMIT ascii(substr(ssn, i, 1))) x WHERE id = 1 GROUP BY i ORDER BY i
-- OFFSET in FROM, counted
SELECT count(*) FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT FROM generate_series(1, 127) OFFSET 127 - ascii(substr(ssn, i, 1))) x WHERE id = 1 GROUP BY i ORDER BY i
-- LIMIT of VALUES and of a UNION, counted
SELECT count(*) FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT g FROM generate_series(1, 64) g UNION ALL SELECT g FROM generate_series(1, 63) g LIMIT ascii(substr(ssn, i, 1))) x WHERE id = 1 GROUP BY i ORDER BY i
-- a recursive query, counted
WITH RECURSIVE r AS (SELECT i, 1 AS n, ascii(substr(ssn, i, 1)) AS m FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 UNION ALL SELECT i, n + 1, m FROM r WHERE n < m) SELECT count(*) FROM r GROUP BY i ORDER BY i
-- a recursive query that ends where rows come again, counted
WITH RECURSIVE r AS (SELECT i, 1 AS n, ascii(substr(ssn, i, 1)) AS m FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 UNION SELECT i, least(n + 1, m), m FROM r) SELECT count(*) FROM r GROUP BY i ORDER BY i
-- a recursive query that ends at a cycle, counted
WITH RECURSIVE r AS (SELECT i, 1 AS n, ascii(substr(ssn, i, 1)) - 1 AS m FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 UNION ALL SELECT i, least(n + 1, m), m FROM r) CYCLE i, n SET c USING p SELECT count(*) FROM r GROUP BY i ORDER BY i
-- how many rows an INSERT in WITH returns
CREATE TEMP TABLE t (i int)
WITH x AS (INSERT INTO t SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1 RETURNING i) SELECT count(*) FROM x GROUP BY i ORDER BY i
-- which rows an INSERT in WITH returns
CREATE TEMP TABLE t (i int, n int)
WITH x AS (INSERT INTO t SELECT i, n FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 AND n = ascii(substr(ssn, i, 1)) RETURNING i, n) SELECT (SELECT n FROM x WHERE x.i = j) FROM generate_series(1, 11) j ORDER BY j
-- how many rows an UPDATE in WITH returns
CREATE TEMP TABLE t AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
WITH x AS (UPDATE t SET i = i RETURNING i) SELECT count(*) FROM x GROUP BY i ORDER BY i
-- how many rows a DELETE in WITH returns
CREATE TEMP TABLE t AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
WITH x AS (DELETE FROM t RETURNING i) SELECT count(*) FROM x GROUP BY i ORDER BY i
-- a temporary table of a name that another table has
CREATE TEMP TABLE departments AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
SELECT count(*) FROM departments GROUP BY i ORDER BY i
-- CREATE TABLE AS EXECUTE with a parameter that code computes
CREATE FUNCTION $V.numbers() RETURNS int[] LANGUAGE sql STABLE AS 'SELECT array_agg(ascii(substr(secret, i, 1)) ORDER BY i) FROM $V.victim, generate_series(1, 11) i WHERE id = 1'
PREPARE p (int[]) AS SELECT i FROM generate_series(1, 11) i, generate_series(1, $1[i])
CREATE TABLE $V.out AS EXECUTE p ($V.numbers())
SELECT count(*) FROM $V.out GROUP BY i ORDER BY i
-- CREATE TABLE AS EXECUTE of what the same text prepares
PREPARE p AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1; CREATE TABLE archive.tally AS EXECUTE p
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a temporary table made AS EXECUTE, copied
PREPARE p AS SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
CREATE TEMP TABLE t AS EXECUTE p
CREATE TABLE archive.tally AS SELECT i FROM t
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- a temporary table that is not followed, copied
CREATE TEMP TABLE t (i int) PARTITION BY LIST (i)
CREATE TEMP TABLE u PARTITION OF t DEFAULT
INSERT INTO t SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1
CREATE TABLE archive.tally AS SELECT i FROM t
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
-- rows behind DISTINCT that a limit has left
CREATE TABLE archive.tally AS SELECT i FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT DISTINCT g.id FROM (SELECT c.oid AS id FROM pg_class c LIMIT ascii(substr(patients.ssn, i, 1))) g) x WHERE patients.id = 1
SELECT count(*) FROM archive.tally GROUP BY i ORDER BY i
DROP TABLE archive.tally
