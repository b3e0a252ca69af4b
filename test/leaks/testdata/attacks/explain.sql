-- a constant of a function that is folded
EXPLAIN (VERBOSE) SELECT 1 WHERE $V.fold() = 'x'
CREATE FUNCTION $V.fold() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT secret FROM $V.victim WHERE id = 2); END $$
EXPLAIN (VERBOSE) SELECT id FROM $V.scratch WHERE code = $V.fold()
-- a constant of a function, as JSON
CREATE FUNCTION $V.fold() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT secret FROM $V.victim WHERE id = 2); END $$
EXPLAIN (FORMAT json, VERBOSE) SELECT id FROM $V.scratch WHERE code = $V.fold()
-- a constant of a function, as XML
CREATE FUNCTION $V.fold() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT secret FROM $V.victim WHERE id = 2); END $$
EXPLAIN (FORMAT xml) SELECT id FROM $V.scratch WHERE code = $V.fold()
-- a constant of a function, as YAML
CREATE FUNCTION $V.fold() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT secret FROM $V.victim WHERE id = 2); END $$
EXPLAIN (FORMAT yaml) SELECT id FROM $V.scratch WHERE code = $V.fold()
-- a constant of a function, ANALYZE
CREATE FUNCTION $V.fold() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT secret FROM $V.victim WHERE id = 2); END $$
EXPLAIN (ANALYZE, TIMING off) SELECT id FROM $V.scratch WHERE code = $V.fold()
-- EXPLAIN ANALYZE writes
EXPLAIN ANALYZE INSERT INTO $V.scratch (id, code) SELECT id + 10, secret FROM $V.victim
SELECT code FROM $V.scratch
-- EXPLAIN ANALYZE fills a table of its own
CREATE TEMP TABLE t (x text)
EXPLAIN ANALYZE INSERT INTO t SELECT secret FROM $V.victim
SELECT x FROM t
-- EXPLAIN ANALYZE makes a table
EXPLAIN ANALYZE CREATE TABLE $V.out AS SELECT secret AS x FROM $V.victim
SELECT x FROM $V.out
-- EXPLAIN ANALYZE EXECUTE
PREPARE p AS INSERT INTO $V.scratch (id, code) SELECT id + 10, secret FROM $V.victim
EXPLAIN ANALYZE EXECUTE p
SELECT code FROM $V.scratch
-- EXPLAIN ANALYZE with a function that tells
EXPLAIN ANALYZE SELECT clinic.tell(2)
-- EXPLAIN of a prepared statement with a value of a function
PREPARE p(text) AS SELECT id FROM clinic.departments WHERE name = $1
EXPLAIN EXECUTE p(clinic.patient_label(2))
-- a value that a setting holds, as a constant of a plan
SELECT set_config('a.b', secret, false) FROM $V.victim WHERE id = 2
EXPLAIN (VERBOSE) SELECT id FROM $V.scratch WHERE code = current_setting('a.b')
SELECT current_setting('a.b')
-- statistics of a protected column, as the estimate of a plan and its constants
EXPLAIN (VERBOSE) SELECT id FROM clinic.patients WHERE full_name = (SELECT full_name FROM clinic.patients WHERE id = 2)
SELECT full_name FROM clinic.patients WHERE id = 2
