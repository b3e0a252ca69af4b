-- CREATE TABLE AS
CREATE TABLE $V.out AS SELECT secret AS x FROM $V.victim
SELECT x FROM $V.out
-- CREATE TABLE AS of an expression
CREATE TABLE $V.out AS SELECT reverse(secret) AS x FROM $V.victim
SELECT x FROM $V.out
-- SELECT INTO
SELECT secret AS x INTO $V.out FROM $V.victim
SELECT * FROM $V.out
-- CREATE TABLE AS TABLE
CREATE TABLE $V.out AS TABLE $V.victim
SELECT code, secret FROM $V.out
-- CREATE TABLE AS in one message
CREATE TABLE $V.out AS SELECT secret AS x FROM $V.victim; SELECT x FROM $V.out
-- CREATE TABLE AS EXECUTE
PREPARE p AS SELECT secret AS x FROM $V.victim
CREATE TABLE $V.out AS EXECUTE p
SELECT x FROM $V.out
-- an unqualified destination
SET search_path = $V
CREATE TABLE out2 AS SELECT secret AS x FROM victim
SELECT x FROM out2
-- a quoted destination
CREATE TABLE $V."a ""b"".c" AS SELECT secret AS "x y" FROM $V.victim
SELECT "x y" FROM $V."a ""b"".c"
-- INSERT SELECT
INSERT INTO $V.scratch (id, code) SELECT id + 10, secret FROM $V.victim
SELECT code FROM $V.scratch
-- INSERT SELECT RETURNING
INSERT INTO $V.scratch (id, code) SELECT id + 10, secret FROM $V.victim RETURNING code
-- INSERT VALUES of a sub-select
INSERT INTO $V.scratch (id, code) VALUES (10, (SELECT secret FROM $V.victim WHERE id = 2))
SELECT code FROM $V.scratch
-- ON CONFLICT DO UPDATE
INSERT INTO $V.scratch (id, code) SELECT 1, secret FROM $V.victim WHERE id = 2 ON CONFLICT (id) DO UPDATE SET code = EXCLUDED.code
SELECT code FROM $V.scratch
-- ON CONFLICT with a sub-select
INSERT INTO $V.scratch (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET code = (SELECT secret FROM $V.victim WHERE id = 2) RETURNING code
-- ON CONFLICT with a subscript
INSERT INTO $V.scratch (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET doc[(SELECT secret FROM $V.victim WHERE id = 2)] = '1'
SELECT doc FROM $V.scratch
-- INSERT of a row's fields
CREATE TABLE $V.fields (id int, plain text, code text, n bigint)
INSERT INTO $V.fields SELECT (q.r).* FROM (SELECT v AS r FROM $V.victim v) q
SELECT plain FROM $V.fields
-- INSERT with a subscript
INSERT INTO $V.scratch (id, doc[(SELECT secret FROM $V.victim WHERE id = 2)]) VALUES (10, '1')
SELECT doc FROM $V.scratch
-- UPDATE FROM
UPDATE $V.scratch SET code = v.secret FROM $V.victim v WHERE v.id = 2 AND scratch.id = 1
SELECT code FROM $V.scratch
-- UPDATE FROM RETURNING
UPDATE $V.scratch s SET n = 1 FROM $V.victim v WHERE v.id = 2 AND s.id = 1 RETURNING s.id, v.secret
-- UPDATE with a sub-select
UPDATE $V.scratch SET code = (SELECT secret FROM $V.victim WHERE id = 2) WHERE id = 1
SELECT code FROM $V.scratch
-- UPDATE of several columns
UPDATE $V.scratch SET (n, code) = (SELECT 1, secret FROM $V.victim WHERE id = 2) WHERE id = 1
SELECT code FROM $V.scratch
-- UPDATE within the table
UPDATE $V.victim SET code = secret WHERE id = 2
SELECT code FROM $V.victim
-- UPDATE within the table RETURNING
UPDATE $V.victim SET code = reverse(secret) WHERE id = 2 RETURNING code
-- UPDATE swaps
UPDATE $V.victim SET code = secret, secret = code WHERE id = 2
SELECT code FROM $V.victim
-- UPDATE of a child by its parent
UPDATE $V.victim SET code = secret WHERE id = 3
SELECT code FROM $V.child
-- UPDATE RETURNING a protected column
UPDATE $V.victim SET code = 'x' WHERE id = 2 RETURNING secret AS y
-- DELETE RETURNING
DELETE FROM $V.victim WHERE id = 2 RETURNING secret
-- DELETE USING RETURNING
DELETE FROM $V.scratch s USING $V.victim v WHERE v.id = 2 AND s.id = 1 RETURNING v.secret AS z
-- MERGE
MERGE INTO $V.scratch s USING $V.victim v ON s.id = v.id WHEN MATCHED THEN UPDATE SET code = v.secret WHEN NOT MATCHED THEN INSERT (id, code) VALUES (v.id, v.secret)
SELECT code FROM $V.scratch
-- MERGE from a sub-select
MERGE INTO $V.scratch s USING (SELECT id, secret || '' AS z FROM $V.victim) v ON s.id = v.id WHEN MATCHED THEN UPDATE SET code = z
SELECT code FROM $V.scratch
-- MERGE that updates
MERGE INTO $V.scratch s USING $V.victim v ON s.id = v.id WHEN MATCHED THEN UPDATE SET code = v.secret
SELECT code FROM $V.scratch
-- MERGE that inserts
MERGE INTO $V.scratch s USING $V.victim v ON s.id = v.id + 10 WHEN NOT MATCHED THEN INSERT (id, code) VALUES (v.id + 10, v.secret)
SELECT code FROM $V.scratch
-- a number
UPDATE $V.scratch SET n = (SELECT replace(secret, '-', '')::bigint FROM $V.victim WHERE id = 1) WHERE id = 1
SELECT n FROM $V.scratch
-- a bytea
UPDATE $V.scratch SET blob = (SELECT secret::bytea FROM $V.victim WHERE id = 2) WHERE id = 1
SELECT blob FROM $V.scratch
-- JSON
UPDATE $V.scratch SET doc = (SELECT to_jsonb(v) FROM $V.victim v WHERE id = 2) WHERE id = 1
SELECT doc FROM $V.scratch
-- two hops
CREATE TABLE $V.hop AS SELECT secret AS x FROM $V.victim
INSERT INTO $V.scratch (id, code) SELECT 20, x FROM $V.hop WHERE x LIKE 'Q%' LIMIT 1
SELECT code FROM $V.scratch
-- a copy renamed
CREATE TABLE $V.hop AS SELECT secret AS x FROM $V.victim
ALTER TABLE $V.hop RENAME TO hip
SELECT x FROM $V.hip
-- a copy moved
CREATE TABLE $V.hop AS SELECT secret AS x FROM $V.victim
ALTER TABLE $V.hop SET SCHEMA archive
SELECT x FROM archive.hop
DROP TABLE archive.hop
-- a copy dropped, and an unprotected table of its name
CREATE TABLE $V.hop AS SELECT secret AS x FROM $V.victim
CREATE VIEW $V.over AS SELECT x || '' AS y FROM $V.hop
SELECT y FROM $V.over
-- a column added that is computed
ALTER TABLE $V.victim ADD COLUMN open_secret text GENERATED ALWAYS AS (secret) STORED
SELECT open_secret FROM $V.victim
-- a column's type rewritten
ALTER TABLE $V.victim ALTER COLUMN code TYPE text USING secret
SELECT code FROM $V.victim
-- a temporary table
CREATE TEMP TABLE t AS SELECT full_name AS name FROM clinic.patients
SELECT name FROM t
-- a temporary table with an unprotected name
CREATE TEMP TABLE departments AS SELECT id, full_name AS name FROM clinic.patients
SELECT name FROM departments
-- a temporary table by its schema
CREATE TEMP TABLE rooms AS SELECT ssn AS label FROM clinic.patients
SELECT label FROM pg_temp.rooms
-- a temporary table filled later
CREATE TEMP TABLE t (a text)
INSERT INTO t SELECT ssn FROM clinic.patients
SELECT a FROM t
-- a temporary table in one message
CREATE TEMP TABLE t AS SELECT ssn AS a FROM clinic.patients; SELECT a FROM t
-- a temporary table in a transaction
BEGIN
CREATE TEMP TABLE inventory ON COMMIT DROP AS SELECT email AS sku FROM clinic.users
SELECT sku FROM inventory
-- an UPDATE through a cursor
BEGIN
DECLARE c CURSOR FOR SELECT * FROM $V.scratch WHERE id = 1 FOR UPDATE
FETCH c
UPDATE $V.scratch SET code = (SELECT secret FROM $V.victim WHERE id = 2) WHERE CURRENT OF c RETURNING code
-- COPY a query to a table by way of the client is masked
INSERT INTO $V.scratch (id, code) SELECT 30, string_agg(secret, ' ') FROM $V.victim
SELECT regexp_split_to_table(code, '') FROM $V.scratch WHERE id = 30
-- a temporary table that takes the place of another, by its column's name
CREATE TEMP TABLE departments AS SELECT id, ssn AS name, 1 AS floor FROM clinic.patients
SELECT upper(name) FROM departments
-- a temporary table filled by UPDATE FROM
CREATE TEMP TABLE t AS SELECT id, 'x'::text AS a FROM clinic.departments
UPDATE t SET a = p.full_name FROM clinic.patients p
SELECT a || '' FROM t
-- a temporary table dropped and rolled back
CREATE TEMP TABLE t AS SELECT full_name AS a FROM clinic.patients
BEGIN
DROP TABLE t
CREATE TEMP TABLE t AS SELECT 'x' AS a
ROLLBACK
SELECT a || '' FROM t
-- a temporary table filled in WITH
CREATE TEMP TABLE t (a text)
WITH i AS (INSERT INTO t SELECT full_name FROM clinic.patients RETURNING 1) SELECT count(*) FROM i
SELECT reverse(a) FROM t
-- a temporary table filled by a prepared statement
CREATE TEMP TABLE t (a text)
PREPARE i AS INSERT INTO t SELECT ssn FROM clinic.patients
EXECUTE i
SELECT a || '' FROM t
-- a temporary table's default
CREATE TEMP TABLE t (n serial, a text)
SELECT setval('t_n_seq', (SELECT replace(ssn, '-', '')::bigint FROM clinic.patients WHERE id = 2))
INSERT INTO t (a) VALUES ('x')
SELECT n - 1 + 0 FROM t
-- how many rows a temporary table has
CREATE TEMP TABLE t AS SELECT p.id, g FROM clinic.patients p, LATERAL generate_series(1, length(p.full_name)) g WHERE p.id = 2
SELECT string_agg(chr(64 + ascii(substr(full_name, t.g, 1)) - 64), '') FROM t, clinic.patients q WHERE q.id = t.id
-- a temporary table's column by another name
CREATE TEMP TABLE t AS SELECT full_name AS a, 'x'::text AS b FROM clinic.patients
ALTER TABLE t RENAME a TO c
ALTER TABLE t RENAME b TO a
ALTER TABLE t RENAME c TO b
SELECT a, b || '' FROM t
-- columns of a temporary table that change their names, rolled back
CREATE TEMP TABLE t AS SELECT ssn AS a, 'x'::text AS b FROM clinic.patients
BEGIN
SAVEPOINT s
ALTER TABLE t RENAME a TO c
ALTER TABLE t RENAME b TO a
ALTER TABLE t RENAME c TO b
ROLLBACK TO s
ALTER TABLE t RENAME a TO z
COMMIT
SELECT z || '' FROM t
-- a temporary table's column dropped and added, rolled back
CREATE TEMP TABLE t AS SELECT email AS a FROM clinic.users
BEGIN
ALTER TABLE t DROP a, ADD a text DEFAULT 'x'
ROLLBACK
SELECT a || '' FROM t
-- a temporary table's column takes the values of another
CREATE TEMP TABLE t AS SELECT ssn AS a, 'x'::text AS b FROM clinic.patients
ALTER TABLE t ALTER b TYPE text USING reverse(a), DROP a
SELECT b FROM t
-- a temporary table's columns change places
CREATE TEMP TABLE t AS SELECT full_name AS a, 'x'::text AS b FROM clinic.patients
ALTER TABLE t ALTER a TYPE text USING b, ALTER b TYPE text USING a
SELECT upper(b) FROM t
-- a temporary table's column takes protected values by way of a prepared row
CREATE TEMP TABLE t (a text, b text)
PREPARE i AS INSERT INTO t SELECT 'x', ssn FROM clinic.patients
ALTER TABLE t RENAME a TO c
ALTER TABLE t RENAME b TO a
EXECUTE i
SELECT a || '' FROM t
-- a temporary table's column computed from one that protects
CREATE TEMP TABLE t AS SELECT ssn AS a FROM clinic.patients
ALTER TABLE t ADD g text GENERATED ALWAYS AS (replace(a, '-', '')) STORED
ALTER TABLE t ALTER g DROP EXPRESSION, DROP a
SELECT g FROM t
-- a temporary table by the name of another
CREATE TEMP TABLE t AS SELECT id, ssn AS name, 1 AS floor FROM clinic.patients
ALTER TABLE t RENAME TO departments
SELECT upper(name) FROM departments
-- a temporary table altered, all in one message
CREATE TEMP TABLE t AS SELECT full_name AS a FROM clinic.patients; ALTER TABLE t RENAME a TO state; ALTER TABLE t RENAME TO patients; SELECT state || '' FROM patients
-- an error of a temporary table's new type
CREATE TEMP TABLE t AS SELECT ssn AS a FROM clinic.patients
ALTER TABLE t ALTER a TYPE int USING a::int
-- an error of a temporary table's new check
CREATE TEMP TABLE t AS SELECT full_name AS a FROM clinic.patients
ALTER TABLE t ADD PRIMARY KEY (a), ADD CHECK (a::int > 1)
-- a sequence of the session's own
CREATE TEMP SEQUENCE s
SELECT setval('s', replace(ssn, '-', '')::bigint) > 0 FROM clinic.patients WHERE id = 2
SELECT last_value + 0 FROM s
-- a temporary table made anew, filled by name and copied in one message
CREATE TEMP TABLE t (a text)
PREPARE i AS INSERT INTO t SELECT ssn FROM clinic.patients
DROP TABLE t
CREATE TEMP TABLE t (a text)
EXECUTE i; CREATE TEMP TABLE u AS SELECT a AS b FROM t
SELECT b, b || '' FROM u
-- a temporary table made anew, filled by name and put elsewhere in one message
CREATE TEMP TABLE t (a text)
CREATE TEMP TABLE u (b text)
PREPARE i AS INSERT INTO t SELECT full_name FROM clinic.patients
DROP TABLE t
CREATE TEMP TABLE t (a text)
EXECUTE i; INSERT INTO u SELECT a FROM t
SELECT b, b || '' FROM u
-- a temporary table made anew, filled by name and renamed in one message
CREATE TEMP TABLE t (a text)
PREPARE i AS INSERT INTO t SELECT ssn FROM clinic.patients
DROP TABLE t
CREATE TEMP TABLE t (a text)
EXECUTE i; ALTER TABLE t RENAME a TO b
SELECT b, b || '' FROM t
-- a temporary child whose rows show in its parent
CREATE TEMP TABLE t () INHERITS ($V.scratch)
INSERT INTO t (id, code) SELECT id + 10, secret FROM $V.victim
SELECT code FROM $V.scratch
SELECT code || '' FROM $V.scratch
-- a temporary child of a temporary table
CREATE TEMP TABLE p (a text)
CREATE TEMP TABLE t (b text) INHERITS (p)
INSERT INTO t (a) SELECT full_name FROM clinic.patients
SELECT a FROM p
SELECT a || '' FROM p
-- a temporary child of the protected table
CREATE TEMP TABLE t () INHERITS ($V.victim)
INSERT INTO t (id, code) SELECT id + 10, secret FROM $V.victim
SELECT code || '' FROM $V.victim
-- a temporary partition
CREATE TEMP TABLE p (id int, a text) PARTITION BY LIST (id)
CREATE TEMP TABLE t PARTITION OF p DEFAULT
INSERT INTO t SELECT id, full_name FROM clinic.patients
SELECT a || '' FROM p
-- a temporary table made a child later
CREATE TEMP TABLE t (LIKE $V.scratch INCLUDING ALL)
INSERT INTO t (id, code) SELECT id + 10, secret FROM $V.victim
ALTER TABLE t INHERIT $V.scratch
SELECT code FROM $V.scratch
-- CREATE TEMP TABLE AS EXECUTE
PREPARE p (int) AS SELECT secret || '' AS x FROM $V.victim WHERE id >= $1
CREATE TEMP TABLE t AS EXECUTE p (1)
SELECT x || '' FROM t
-- what a temporary child holds, copied by way of its parent
CREATE TABLE $V.kept (a text)
CREATE TEMP TABLE t () INHERITS ($V.scratch)
INSERT INTO t (id, code) SELECT id + 10, secret FROM $V.victim
INSERT INTO $V.kept SELECT code FROM $V.scratch
DISCARD ALL
SELECT a FROM $V.kept
-- what INSERT into a temporary table returns
CREATE TEMP TABLE t (a text)
INSERT INTO t SELECT full_name FROM clinic.patients RETURNING a || ''
-- what UPDATE of a temporary table returns
CREATE TEMP TABLE t AS SELECT 'x'::text AS a
UPDATE t SET a = p.full_name FROM clinic.patients p WHERE p.id = 2 RETURNING t.a || ''
-- what ON CONFLICT in a temporary table returns
CREATE TEMP TABLE t (id int PRIMARY KEY, a text, b text)
INSERT INTO t VALUES (1)
INSERT INTO t (id, a) SELECT 1, full_name FROM clinic.patients WHERE id = 2 ON CONFLICT (id) DO UPDATE SET b = EXCLUDED.a RETURNING b || ''
-- what INSERT into a temporary table returns of a generated column
CREATE TEMP TABLE t (a text, g text GENERATED ALWAYS AS (lower(a)) STORED)
INSERT INTO t (a) SELECT full_name FROM clinic.patients RETURNING g
-- a temporary table filled with a row's fields
CREATE TEMP TABLE t (id int, a text, b text, c bigint)
INSERT INTO t SELECT (q.r).* FROM (SELECT v AS r FROM $V.victim v) q
SELECT a || '' FROM t
-- a temporary table filled from a file
CREATE TEMP TABLE t (a text)
COPY (SELECT full_name FROM clinic.patients) TO '$D/own'
COPY t FROM '$D/own'
SELECT a || '' FROM t
-- MERGE within the table
MERGE INTO $V.victim v USING $V.scratch s ON v.id = s.id WHEN MATCHED THEN UPDATE SET code = v.secret
SELECT code FROM $V.victim
