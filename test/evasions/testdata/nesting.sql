-- in the list
SELECT clinic.wipe()
-- in a condition
SELECT 1 FROM clinic.loose WHERE id = clinic.wipe()
-- in FROM
SELECT * FROM clinic.wipe()
-- in ROWS FROM
SELECT * FROM ROWS FROM (clinic.wipes(), generate_series(1, 2)) AS t(a, b)
-- in LATERAL
SELECT * FROM clinic.loose l, LATERAL clinic.wipe(l.id) w
-- in ORDER BY
SELECT id FROM clinic.loose ORDER BY clinic.wipe(id)
-- in GROUP BY
SELECT count(*) FROM clinic.loose GROUP BY clinic.wipe(id)
-- in HAVING
SELECT count(*) FROM clinic.loose HAVING clinic.wipe() = 1
-- in LIMIT
SELECT 1 LIMIT clinic.wipe()
-- in OFFSET
SELECT 1 OFFSET clinic.wipe()
-- in VALUES
VALUES (clinic.wipe())
-- in CASE
SELECT CASE WHEN true THEN clinic.wipe() END
-- in coalesce
SELECT coalesce(NULL, clinic.wipe())
-- in an array
SELECT ARRAY[clinic.wipe()]
-- in a subscript
SELECT (ARRAY[1, 2])[clinic.wipe()]
-- in ARRAY of a subselect
SELECT ARRAY(SELECT clinic.wipe())
-- in EXISTS
SELECT EXISTS (SELECT clinic.wipe())
-- in IN
SELECT 1 IN (SELECT clinic.wipe())
-- in JOIN … ON
SELECT 1 FROM clinic.loose a JOIN clinic.loose b ON clinic.wipe() = 1
-- in FILTER
SELECT count(*) FILTER (WHERE clinic.wipe() = 1) FROM clinic.loose
-- in a window
SELECT sum(id) OVER (ORDER BY clinic.wipe(id)) FROM clinic.loose
-- in a named window
SELECT sum(id) OVER w FROM clinic.loose WINDOW w AS (PARTITION BY clinic.wipe(id))
-- in an aggregate
SELECT clinic.wipe_all(id) FROM clinic.loose
-- in an operator
SELECT 1 OPERATOR(clinic.###) 2
-- in an operator of the search_path
SET search_path = clinic
SELECT 1 ### 2
-- in a cast
SELECT 1::clinic.bomb
-- in CAST
SELECT CAST(id AS clinic.bomb) FROM clinic.loose
-- in a domain
SELECT 1::clinic.checked
-- in JSON that becomes a domain
SELECT * FROM json_to_record('{"a": 1}') AS t(a clinic.checked)
-- as a field of a row
SELECT l.wipe_row FROM clinic.loose l
-- as a field of a row in brackets
SELECT (l).wipe_row FROM clinic.loose l
-- as a field of a row in brackets, cast
SELECT ((l).wipe_row)::text FROM clinic.loose l
-- as a field of a row, and a column of the answer has its name
SELECT 1 AS wipe_row, (l).wipe_row FROM clinic.loose l
-- as a field of a sub-select's row, and a column of the answer has its name
SELECT 1 AS wipe_record, q.wipe_record FROM (SELECT id FROM clinic.loose) q
-- in a view
SELECT * FROM clinic.wiping
-- in a set operation
SELECT 1 UNION ALL SELECT clinic.wipe()
-- in a recursive query
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT clinic.wipe() + n FROM r WHERE n < 2) SELECT * FROM r
-- in INSERT
INSERT INTO clinic.loose VALUES (99, clinic.wipe()::text)
-- in ON CONFLICT
INSERT INTO clinic.loose VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = clinic.wipe()::text
-- in SET of an UPDATE
UPDATE clinic.loose SET note = clinic.wipe()::text WHERE id = 1
-- in RETURNING
UPDATE clinic.loose SET note = 'x' WHERE id = 1 RETURNING clinic.wipe()
-- in COPY
COPY (SELECT clinic.wipe()) TO STDOUT
-- in COPY of a DELETE
COPY (DELETE FROM clinic.victim RETURNING *) TO STDOUT
-- in EXPLAIN ANALYZE
EXPLAIN ANALYZE DELETE FROM clinic.victim
-- in EXPLAIN with options
EXPLAIN (COSTS off, ANALYZE true, SUMMARY off) SELECT clinic.wipe()
-- in a temporary table
CREATE TEMP TABLE t AS SELECT clinic.wipe()
-- in SELECT INTO
SELECT clinic.wipe() INTO TEMP t
-- in a cursor
BEGIN
DECLARE c CURSOR FOR SELECT clinic.wipe()
FETCH c
COMMIT
-- in a cursor WITH HOLD
DECLARE c CURSOR WITH HOLD FOR SELECT clinic.wipe()
-- in a default of a temporary table
CREATE TEMP TABLE t (a int DEFAULT clinic.wipe())
INSERT INTO t DEFAULT VALUES
-- in a check of a temporary table
CREATE TEMP TABLE t (a int CHECK (clinic.wipe(a) = 1))
INSERT INTO t VALUES (1)
-- in a temporary view
CREATE TEMP VIEW v AS SELECT clinic.wipe()
SELECT * FROM v
-- in a temporary function
CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT clinic.wipe()'
SELECT pg_temp.f()
-- in CALL
CALL clinic.wiper()
-- in TABLESAMPLE
SELECT * FROM clinic.loose TABLESAMPLE bernoulli (clinic.wipe())
-- in XMLTABLE
SELECT * FROM XMLTABLE('/a' PASSING (SELECT xmlparse(content '<a/>') FROM clinic.wipe()) COLUMNS x text PATH '.')
