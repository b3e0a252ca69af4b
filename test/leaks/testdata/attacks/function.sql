-- a SECURITY DEFINER function
SELECT clinic.patient_ssn(1)
-- a PL/pgSQL function
SELECT clinic.patient_label(2)
-- in FROM
SELECT * FROM clinic.patient_ssn(1) AS t(name)
-- a function that returns rows
SELECT full_name FROM clinic.all_patients()
-- rows of a function as one
SELECT clinic.all_patients()
-- dynamic SQL inside
SELECT clinic.any_query('SELECT ssn FROM clinic.patients')
-- OUT parameters
SELECT (clinic.out_ssn(1)).code
-- OUT parameters in FROM
SELECT * FROM clinic.out_ssn(2)
-- a procedure
CALL clinic.give_ssn(1, NULL)
-- an operator
SELECT 2 OPERATOR(clinic.@@@) 1
-- beside an unprotected column
SELECT name, clinic.patient_label(id) FROM clinic.departments
-- as an argument
SELECT upper(clinic.patient_label(2))
-- in LATERAL
SELECT x FROM generate_series(1, 3) n, LATERAL clinic.patient_ssn(n) x
-- in VALUES
VALUES (clinic.patient_ssn(1))
-- a function of one's own
CREATE FUNCTION $V.f() RETURNS SETOF text LANGUAGE sql AS 'SELECT secret FROM $V.victim'
SELECT $V.f()
-- a function of this session
CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE sql AS 'SELECT full_name FROM clinic.patients'
SELECT pg_temp.f()
-- a built-in's name in another schema
CREATE FUNCTION $V.lower(text) RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 2'
SET search_path = $V, pg_catalog
SELECT lower('x')
-- a built-in operator's name
CREATE FUNCTION $V.plus(int, int) RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 2'
CREATE OPERATOR $V.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = $V.plus)
SELECT 1 OPERATOR($V.+) 2
SET search_path = $V, pg_catalog
SELECT 1 + 2
-- an immutable function
CREATE FUNCTION $V.f() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT secret FROM $V.victim WHERE id = 2); END $$
SELECT $V.f()
-- a function in place of a harmless one
CREATE OR REPLACE FUNCTION $V.tax(n numeric) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''x'''
CREATE OR REPLACE FUNCTION $V.tax(n numeric) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT secret FROM $V.victim WHERE id = 2'
SELECT $V.tax(1)
-- a standard SQL body
CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT secret FROM $V.victim WHERE id = 2; END
SELECT $V.f()
-- a value of a function inserted
INSERT INTO $V.scratch (id, code) VALUES (7, clinic.patient_ssn(1))
SELECT code FROM $V.scratch
-- a value of a function in RETURNING
INSERT INTO $V.scratch (id, code) VALUES (7, clinic.patient_ssn(1)) RETURNING code
-- a default set and used
ALTER TABLE $V.scratch ALTER COLUMN code SET DEFAULT clinic.patient_ssn(1)
INSERT INTO $V.scratch (id) VALUES (5) RETURNING code
-- a parameter of EXECUTE
PREPARE ins(text) AS INSERT INTO $V.scratch (id, code) VALUES (6, $1)
EXECUTE ins(clinic.patient_ssn(1))
SELECT code FROM $V.scratch
-- an aggregate of one's own
CREATE AGGREGATE $V.gather(int) (SFUNC = clinic.agg_step, STYPE = text)
SELECT $V.gather(id) FROM clinic.rooms
-- a cursor that a function opens
BEGIN
SELECT clinic.open_names()
FETCH ALL FROM names
-- a column's default
INSERT INTO clinic.tickets (id, topic) VALUES (1, 't') RETURNING opener
-- a column's default, read later
INSERT INTO clinic.tickets (id, topic) VALUES (2, 't')
SELECT opener FROM clinic.tickets
-- a function that writes what it reads
CREATE FUNCTION $V.f() RETURNS void LANGUAGE sql AS 'UPDATE $V.scratch SET code = secret FROM $V.victim v WHERE v.id = 2'
SELECT $V.f()
SELECT code FROM $V.scratch
-- a value of a function by UPDATE
UPDATE $V.scratch SET code = clinic.patient_label(2) WHERE id = 1
SELECT code FROM $V.scratch
-- a value of an operator by UPDATE
UPDATE $V.scratch SET code = 2 OPERATOR(clinic.@@@) 1 WHERE id = 1 RETURNING code
-- a stable default added
ALTER TABLE $V.scratch ADD COLUMN extra text DEFAULT clinic.patient_label(2)
SELECT extra FROM $V.scratch
-- a stable default in the catalog
ALTER TABLE $V.scratch ADD COLUMN extra text DEFAULT clinic.patient_label(2)
SELECT attmissingval FROM pg_attribute WHERE attrelid = '$V.scratch'::regclass
