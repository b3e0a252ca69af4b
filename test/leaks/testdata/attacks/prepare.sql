-- PREPARE and EXECUTE
PREPARE p AS SELECT ssn AS city FROM clinic.patients
EXECUTE p
-- an expression with a parameter
PREPARE p(int) AS SELECT reverse(full_name) FROM clinic.patients WHERE id = $1
EXECUTE p(2)
-- a name used again
PREPARE p AS SELECT name FROM clinic.departments
DEALLOCATE p
PREPARE p AS SELECT full_name || '' AS name FROM clinic.patients
EXECUTE p
-- the search_path between
SET search_path = public
CREATE TEMP TABLE patients (id int, full_name text)
SET search_path = pg_temp, clinic
PREPARE p AS SELECT full_name || '' FROM patients
SET search_path = clinic, pg_catalog
DROP TABLE pg_temp.patients
EXECUTE p
-- a table between
CREATE TABLE $V.between (id int, secret2 text)
PREPARE p AS SELECT secret2 FROM $V.between
DROP TABLE $V.between
ALTER TABLE $V.victim RENAME COLUMN secret TO secret2
ALTER TABLE $V.victim RENAME TO between
EXECUTE p
-- in one message
PREPARE p AS SELECT max(full_name) FROM clinic.patients; EXECUTE p
-- CREATE TABLE AS EXECUTE of a temporary table
PREPARE p AS SELECT full_name AS name FROM clinic.patients
CREATE TEMP TABLE departments AS EXECUTE p
SELECT name FROM departments
-- EXECUTE of an INSERT
PREPARE p AS INSERT INTO $V.scratch (id, code) SELECT id + 10, secret FROM $V.victim
EXECUTE p
SELECT code FROM $V.scratch
-- a copy between tables of the session's own that was prepared while they were empty
CREATE TEMP TABLE a1 (v text)
CREATE TEMP TABLE a2 (v text)
PREPARE mv AS INSERT INTO a2 SELECT v || '' FROM a1
INSERT INTO a1 SELECT full_name FROM clinic.patients
EXECUTE mv
SELECT v || '' FROM a2
-- a field of a row that a function in FROM makes
SELECT r.label || '' FROM clinic.patients p, jsonb_populate_record(NULL::clinic.inventory, jsonb_build_object('label', p.full_name)) r
