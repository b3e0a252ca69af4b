-- a view that renames
SELECT who FROM clinic.patient_summary
-- a view that computes
SELECT code FROM clinic.patient_summary
-- a view of a view
SELECT * FROM clinic.contact_cards
-- a view joined
SELECT c.who FROM clinic.rooms r JOIN clinic.contact_cards c ON c.n = r.id
-- a materialized view
SELECT label, code FROM clinic.name_cache
-- an expression over a materialized view
SELECT reverse(code) FROM clinic.name_cache
-- a view of one's own
CREATE VIEW $V.mine AS SELECT secret AS a FROM $V.victim
SELECT a FROM $V.mine
-- a temporary view
CREATE TEMP VIEW peek AS SELECT full_name AS a FROM clinic.patients
SELECT a FROM peek
-- a materialized view of one's own
CREATE MATERIALIZED VIEW $V.mine AS SELECT secret || '' AS a FROM $V.victim
SELECT a FROM $V.mine
-- an existing view replaced
CREATE OR REPLACE VIEW $V.look AS SELECT id, secret || '' AS shown FROM $V.victim
SELECT shown FROM $V.look
-- a recursive view
CREATE RECURSIVE VIEW $V.mine (a) AS SELECT secret FROM $V.victim
SELECT a FROM $V.mine
-- a view renamed
ALTER VIEW $V.look RENAME TO other
SELECT shown FROM $V.other
-- a column of a view renamed
ALTER VIEW $V.look RENAME COLUMN shown TO code
SELECT code FROM $V.look
-- a view in another schema
ALTER VIEW $V.look SET SCHEMA public
SELECT shown FROM public.look
DROP VIEW public.look
-- a view behind a rule on a table
@until 16
CREATE TABLE $V.was_table (a text)
CREATE RULE "_RETURN" AS ON SELECT TO $V.was_table DO INSTEAD SELECT secret AS a FROM $V.victim
SELECT a FROM $V.was_table
-- a rule that answers an UPDATE
UPDATE clinic.ruled SET n = 2 WHERE id = 1
-- a rule of one's own
CREATE RULE r AS ON DELETE TO $V.scratch DO INSTEAD SELECT secret || '' AS x FROM $V.victim
DELETE FROM $V.scratch WHERE id = 1
-- a rule that copies
CREATE RULE r AS ON INSERT TO $V.scratch DO ALSO UPDATE $V.scratch SET code = v.secret FROM $V.victim v WHERE v.id = 2
INSERT INTO $V.scratch (id) VALUES (9)
SELECT code FROM $V.scratch
-- a view's definition over system catalogs
CREATE VIEW $V.stats AS SELECT most_common_vals::text AS m, histogram_bounds::text AS h FROM pg_stats WHERE schemaname = 'clinic' AND tablename = 'patients'
SELECT * FROM $V.stats
-- a temporary view in the place of a table
CREATE TEMP VIEW departments AS SELECT id, full_name AS name, 1 AS floor FROM clinic.patients
SELECT upper(name) FROM departments
-- a temporary view of a temporary table that is filled later
CREATE TEMP TABLE t (a text)
CREATE TEMP VIEW v AS SELECT a AS b FROM t
INSERT INTO t SELECT ssn FROM clinic.patients
SELECT b || '' FROM v
-- a temporary view renamed and rolled back
CREATE TEMP VIEW v AS SELECT ssn AS a, state AS b FROM clinic.patients
BEGIN
ALTER VIEW v RENAME a TO c
ALTER VIEW v RENAME b TO a
ROLLBACK
SELECT a || '' FROM v
-- a temporary view replaced, and what is over it
CREATE TEMP VIEW v AS SELECT state AS a FROM clinic.patients
CREATE TEMP VIEW w AS SELECT a || '' AS b FROM v
CREATE OR REPLACE TEMP VIEW v AS SELECT full_name AS a FROM clinic.patients
SELECT upper(b) FROM w
-- a temporary view replaced, and back to a savepoint
CREATE TEMP VIEW v AS SELECT ssn AS a FROM clinic.patients
BEGIN
SAVEPOINT s
CREATE OR REPLACE TEMP VIEW v AS SELECT state AS a FROM clinic.patients
ROLLBACK TO s
COMMIT
SELECT a || '' FROM v
-- a view that is temporary since it reads a temporary table
CREATE TEMP TABLE t AS SELECT 1 AS one
CREATE VIEW v AS SELECT (SELECT max(ssn) FROM clinic.patients) AS a FROM t
SELECT a FROM v
-- a temporary table filled by its view
CREATE TEMP TABLE t (a text, b text)
CREATE TEMP VIEW v AS SELECT a AS c FROM t
CREATE TEMP VIEW w AS SELECT c AS d FROM v
INSERT INTO w SELECT ssn FROM clinic.patients
SELECT a || '' FROM t
SELECT c || '' FROM v
-- a temporary table under a view that gets another name
CREATE TEMP TABLE t (a text, b text)
CREATE TEMP VIEW v AS SELECT a, b FROM t
ALTER TABLE t RENAME a TO c
ALTER TABLE t RENAME TO u
INSERT INTO u SELECT full_name, ssn FROM clinic.patients
SELECT a || '', b || '' FROM v
-- a temporary table under a view, filled by what was prepared
CREATE TEMP TABLE t (a text)
PREPARE fill AS INSERT INTO t SELECT ssn FROM clinic.patients
CREATE VIEW v AS SELECT a FROM t
EXECUTE fill
SELECT a || '' FROM v
-- a temporary recursive view
CREATE TEMP RECURSIVE VIEW v (n, a) AS SELECT 1, full_name FROM clinic.patients UNION ALL SELECT n + 1, substr(a, n) FROM v WHERE n < 5
SELECT a FROM v
-- a temporary view with a check that fails
CREATE TEMP VIEW v AS SELECT id, secret, code FROM $V.victim WHERE code <> 'x' WITH CASCADED CHECK OPTION
UPDATE v SET code = 'x' WHERE id = 2
-- a temporary view that changes what it shows
CREATE TEMP VIEW v AS SELECT id, code FROM $V.victim
UPDATE v SET code = (SELECT secret FROM $V.victim WHERE id = 2) WHERE id = 1
SELECT code FROM v
SELECT code FROM $V.victim
-- the columns of a temporary view by another list of names
CREATE TEMP VIEW v (state, full_name) AS SELECT full_name, state FROM clinic.patients
SELECT state || '' FROM v
-- whole rows of a temporary view
CREATE TEMP VIEW v AS SELECT * FROM clinic.patients
SELECT v, to_jsonb(v), (v).ssn FROM v
-- a temporary view over a view, by a cursor
CREATE TEMP VIEW v AS SELECT who FROM clinic.patient_summary
BEGIN
DECLARE c CURSOR FOR SELECT who || '' FROM v
FETCH ALL FROM c
COMMIT
-- a temporary view of a view that is replaced afterwards
CREATE TEMP VIEW v AS SELECT id, shown FROM $V.look
CREATE OR REPLACE VIEW $V.look AS SELECT id, secret || '' AS shown FROM $V.victim
SELECT shown || '' FROM v
-- a column under a temporary view that gets another name in the same transaction
BEGIN
ALTER TABLE $V.victim RENAME code TO other
ALTER TABLE $V.victim RENAME secret TO code
CREATE TEMP VIEW v AS SELECT code AS a FROM $V.victim
ALTER TABLE $V.victim RENAME code TO secret
ALTER TABLE $V.victim RENAME other TO code
COMMIT
SELECT a || '' FROM v
-- a temporary view that a function of one's own reads
CREATE TEMP VIEW v AS SELECT full_name AS a FROM clinic.patients
CREATE FUNCTION $V.peek() RETURNS SETOF text LANGUAGE sql AS 'SELECT a FROM pg_temp.v'
SELECT * FROM $V.peek()
-- a temporary view that fails on a value
CREATE TEMP VIEW v AS SELECT full_name::int AS a FROM clinic.patients
SELECT * FROM v
-- a temporary view and a table made of it
CREATE TEMP VIEW v AS SELECT ssn AS a FROM clinic.patients
CREATE TEMP TABLE t AS SELECT a AS b FROM v
DROP VIEW v
CREATE TEMP VIEW v AS SELECT b AS c FROM t
SELECT c || '' FROM v
-- old rows in RETURNING
@since 18
UPDATE $V.victim SET code = code RETURNING old.secret
-- old rows in RETURNING, computed
@since 18
UPDATE $V.victim SET code = code RETURNING reverse(old.secret), (old).secret, old, new
-- old rows by another name
@since 18
WITH d AS (DELETE FROM $V.victim RETURNING old.secret AS s, new.code AS c) SELECT s || '.', c FROM d
