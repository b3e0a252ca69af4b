-- set_config and current_setting
SELECT set_config('my.value', full_name, false) FROM clinic.patients WHERE id = 2
SELECT current_setting('my.value')
-- set_config and SHOW
SELECT set_config('my.value', full_name, false) FROM clinic.patients WHERE id = 2
SHOW my.value
-- set_config of the application's name
SELECT set_config('application_name', full_name, false) FROM clinic.patients WHERE id = 2
-- set_config of the search_path
SELECT set_config('search_path', quote_ident(full_name), false) FROM clinic.patients WHERE id = 2
-- set_config in a WHERE
SELECT 1 FROM clinic.patients WHERE id = 2 AND set_config('my.value', full_name, false) IS NULL
SELECT current_setting('my.value', true)
-- set_config by an update of pg_settings
UPDATE pg_settings SET setting = (SELECT full_name FROM clinic.patients WHERE id = 2) WHERE name = 'application_name'
SHOW application_name
-- set_config by its number of arguments and a sub-select
SELECT set_config('my.value', (SELECT full_name FROM clinic.patients WHERE id = 2), false)
SHOW ALL
SELECT current_setting('my.value')
-- a setting of a function
CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql AS $$ SELECT set_config('my.value', secret, false) FROM $V.victim WHERE id = 2 $$
SELECT $V.f()
SHOW my.value
-- a setting of a time zone
SELECT set_config('TimeZone', '<' || replace(full_name, ' ', '') || '>0', false) FROM clinic.patients WHERE id = 2
SHOW TimeZone
-- a setting of a function, written to a table
CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql AS $$ SELECT set_config('my.value', secret, false) FROM $V.victim WHERE id = 2 $$
SELECT $V.f()
UPDATE $V.scratch SET code = current_setting('my.value') WHERE id = 1
SELECT code FROM $V.scratch
-- a function's value
SELECT set_config('my.value', clinic.patient_label(2), false)
SHOW my.value
-- a function's value, changed and put together
SELECT set_config('my.value', 'x' || reverse(clinic.patient_label(2)), false)
SELECT current_setting('my.value')::int
-- a function's value, of the application's name
SELECT 1 ORDER BY set_config('application_name', reverse(clinic.patient_label(2)), false)
SHOW application_name
-- a function's value, of the search_path
VALUES (set_config('search_path', quote_ident(clinic.patient_ssn(1)), false))
SHOW search_path
-- a function's value, by a function in FROM
SELECT 1 FROM set_config('my.value', clinic.patient_ssn(1), false) x
SHOW my.value
-- a function's value, by a cursor
BEGIN
DECLARE c CURSOR FOR SELECT set_config('my.value', clinic.patient_label(2), false) IS NULL
FETCH c
SHOW my.value
-- a function's value, by a prepared statement
PREPARE p AS SELECT set_config('my.value', clinic.patient_label(2), false) IS NULL
EXECUTE p
SHOW my.value
-- a function's value, as the argument of a prepared statement
PREPARE p (text) AS SELECT set_config('my.value', $1, false) IS NULL
EXECUTE p (clinic.patient_label(2))
SHOW my.value
-- a function's value, stored by a prepared statement
PREPARE p (text) AS UPDATE $V.scratch SET code = $1 WHERE id = 1
EXECUTE p (clinic.patient_label(2))
SELECT code || '' FROM $V.scratch
-- a function's value, stored by a prepared statement in a table of the session's own
CREATE TEMP TABLE t (a text)
PREPARE p AS INSERT INTO t VALUES ($1)
EXECUTE p (clinic.patient_label(2))
SELECT a || '' FROM t
-- a function's value, kept by a prepared statement that makes a table
PREPARE p (text) AS SELECT set_config('my.value', $1, false) IS NULL
CREATE TEMP TABLE t AS EXECUTE p (clinic.patient_label(2))
SHOW my.value
-- a function's value, kept by a prepared statement whose plan is asked for
PREPARE p (text) AS SELECT set_config('my.value', $1, false) IS NULL
EXPLAIN ANALYZE EXECUTE p (clinic.patient_label(2))
SHOW my.value
-- a function that calls another
SELECT set_config('my.value', format('%s', clinic.agg_step('', 2)), false) IS NULL
SHOW my.value
-- an operator's value
SELECT set_config('my.value', 2 OPERATOR(clinic.@@@) 1, false) IS NULL
SHOW my.value
-- an aggregate's value
SELECT set_config('my.value', clinic.gather(2), false) IS NULL
SHOW my.value
-- a column of what a function gives
SELECT set_config('my.value', (clinic.out_ssn(1)).code, false) IS NULL
SHOW my.value
-- the default of a table of the session
CREATE TEMP TABLE d (a int, b text DEFAULT set_config('my.value', clinic.patient_label(2), false))
INSERT INTO d (a) VALUES (1)
SHOW my.value
-- the default of a column that is added
CREATE TEMP TABLE d (a int)
ALTER TABLE d ADD COLUMN b text DEFAULT set_config('my.value', clinic.patient_label(2), false)
INSERT INTO d (a) VALUES (1)
SHOW my.value
-- a check of a table of the session
CREATE TEMP TABLE d (a int CHECK (set_config('my.value', clinic.patient_label(2), false) <> ''))
INSERT INTO d (a) VALUES (1)
SHOW my.value
-- a large object
SELECT lo_from_bytea(7088, full_name::bytea) FROM clinic.patients WHERE id = 2
SELECT set_config('my.value', encode(lo_get(7088), 'escape'), false) IS NULL
SHOW my.value
