-- a cast to int
SELECT full_name::int FROM clinic.patients WHERE id = 2
-- a cast to date
SELECT ssn::date FROM clinic.patients WHERE id = 1
-- a cast to uuid
SELECT ssn::uuid FROM clinic.patients WHERE id = 1
-- a cast to json
SELECT full_name::json FROM clinic.patients WHERE id = 2
-- a cast to boolean
SELECT full_name::bool FROM clinic.patients WHERE id = 2
-- a cast to an enum
SELECT full_name::clinic.status_t FROM clinic.patients WHERE id = 2
-- a cast to inet
SELECT email::inet FROM clinic.patients WHERE id = 2
-- a cast to regclass
SELECT ('"' || full_name || '"')::regclass FROM clinic.patients WHERE id = 2
-- a cast to a role
SELECT has_table_privilege(full_name, 'clinic.rooms', 'SELECT') FROM clinic.patients WHERE id = 2
-- a cast to a time zone
SELECT now() AT TIME ZONE full_name FROM clinic.patients WHERE id = 2
-- a number that is too large
SELECT (replace(ssn, '-', '') || '999999999')::int FROM clinic.patients WHERE id = 1
-- a range
SELECT ('[' || full_name)::int4range FROM clinic.patients WHERE id = 2
-- an interval
SELECT full_name::interval FROM clinic.patients WHERE id = 2
-- to_number and to_date
SELECT to_date(ssn, 'Mon') FROM clinic.patients WHERE id = 1
-- a setting that does not exist
SELECT current_setting(replace(full_name, ' ', '')) FROM clinic.patients WHERE id = 2
-- an encoding that does not exist
SELECT convert_from('x', full_name) FROM clinic.patients WHERE id = 2
-- a unit that does not exist
SELECT date_trunc(full_name, now()) FROM clinic.patients WHERE id = 2
-- a text search configuration
SELECT to_tsvector(replace(full_name, ' ', '')::regconfig, 'x') FROM clinic.patients WHERE id = 2
-- a failing row of a check
UPDATE clinic.patients SET visits = -1 WHERE id = 1
-- a failing row of NOT NULL
UPDATE clinic.patients SET state = NULL WHERE id = 1
-- a failing row of a check on insert by select
INSERT INTO clinic.patients (id, state, full_name) SELECT 50, 'x', full_name FROM clinic.patients WHERE id = 2
-- a unique violation
INSERT INTO clinic.patients (id, state, ssn) SELECT 51, 'OR', ssn FROM clinic.patients WHERE id = 1
-- a unique index that cannot be built
CREATE UNIQUE INDEX ON clinic.patients (full_name)
-- a unique constraint that cannot be added
ALTER TABLE clinic.patients ADD CONSTRAINT u UNIQUE (full_name)
-- an exclusion constraint
ALTER TABLE clinic.patients ADD EXCLUDE USING btree (full_name WITH =)
-- an index over a cast
CREATE INDEX ON clinic.patients ((full_name::int))
-- a foreign key that cannot be added
CREATE TABLE $V.codes (code text PRIMARY KEY)
ALTER TABLE $V.victim ADD FOREIGN KEY (secret) REFERENCES $V.codes
-- a column's type that cannot be changed
ALTER TABLE clinic.patients ALTER COLUMN mrn TYPE int USING mrn::int
-- a generated column that cannot be computed
ALTER TABLE clinic.patients ADD COLUMN n int GENERATED ALWAYS AS (mrn::int) STORED
-- a check over a cast
ALTER TABLE clinic.patients ADD CHECK (mrn::int > 0)
-- a partition's bound
CREATE TABLE $V.lp (k text) PARTITION BY LIST (k)
INSERT INTO $V.lp SELECT secret FROM $V.victim
-- a sub-select in a WHERE
SELECT 1 FROM clinic.departments WHERE id = (SELECT full_name::int FROM clinic.patients WHERE id = 2)
-- a sub-select in ORDER BY
SELECT id FROM clinic.departments ORDER BY (SELECT full_name::int FROM clinic.patients WHERE id = 2)
-- a sub-select in LIMIT
SELECT id FROM clinic.departments LIMIT (SELECT full_name::int FROM clinic.patients WHERE id = 2)
-- a sub-select in an UPDATE
UPDATE clinic.departments SET floor = (SELECT full_name::int FROM clinic.patients WHERE id = 2) WHERE id = 1
-- a view
SELECT who::int FROM clinic.patient_summary WHERE id = 2
-- a materialized view
SELECT label::int FROM clinic.name_cache WHERE id = 2
-- a function that raises
SELECT clinic.fail(2)
-- a function whose result does not fit
SELECT clinic.patient_label(2)::int
-- a function in a WHERE
SELECT id FROM clinic.departments WHERE clinic.patient_label(2)::int = 1
-- a cursor
BEGIN
DECLARE c CURSOR FOR SELECT full_name::int FROM clinic.patients WHERE id = 2
FETCH c
-- a prepared statement
PREPARE p AS SELECT full_name::int FROM clinic.patients WHERE id = 2
EXECUTE p
-- EXPLAIN ANALYZE
EXPLAIN ANALYZE SELECT full_name::int FROM clinic.patients WHERE id = 2
-- COPY
COPY (SELECT full_name::int FROM clinic.patients WHERE id = 2) TO STDOUT
-- a temporary table
CREATE TEMP TABLE t AS SELECT full_name AS a FROM clinic.patients WHERE id = 2
SELECT a::int FROM t
-- a temporary table's check
CREATE TEMP TABLE t (a text CHECK (length(a) < 3))
INSERT INTO t SELECT full_name FROM clinic.patients WHERE id = 2
-- a temporary table's unique key
CREATE TEMP TABLE t (a text UNIQUE)
INSERT INTO t SELECT full_name FROM clinic.patients WHERE id IN (1, 3)
-- a free text
SELECT note::int FROM clinic.encounters WHERE id = 1
-- a free text as a failing row
ALTER TABLE clinic.encounters ADD CONSTRAINT never CHECK (id < 0) NOT VALID
UPDATE clinic.encounters SET kind = 'x' WHERE id = 2
ALTER TABLE clinic.encounters DROP CONSTRAINT never
-- an array
SELECT ('{' || full_name)::text[] FROM clinic.patients WHERE id = 2
-- a composite
SELECT ('(' || full_name)::clinic.address_t FROM clinic.patients WHERE id = 2
-- decode
SELECT decode('x', full_name) FROM clinic.patients WHERE id = 2
-- setval out of bounds
SELECT setval('clinic.ticket_seq', -replace(ssn, '-', '')::bigint) FROM clinic.patients WHERE id = 1
-- xml
SELECT ('<a>' || full_name)::xml FROM clinic.patients WHERE id = 2
-- a tsquery
SELECT ('a b ' || full_name)::tsquery FROM clinic.patients WHERE id = 2
-- a key that is not there
SELECT jsonb_set('{}', full_name::text[], '1') FROM clinic.patients WHERE id = 2
-- nextval by name
SELECT nextval('"' || full_name || '"') FROM clinic.patients WHERE id = 2
-- lo_get
SELECT lo_get(replace(ssn, '-', '')::oid) FROM clinic.patients WHERE id = 1
-- a JSON value
SELECT jsonb_path_query(profile, 'strict $.allergy.datetime()') FROM clinic.patients
-- a JSON value's type
SELECT (profile ->> 'allergy')::int FROM clinic.patients
-- a foreign key that still refers
CREATE TABLE $V.refers (secret text)
CREATE UNIQUE INDEX ON $V.victim (secret)
INSERT INTO $V.refers SELECT secret FROM $V.victim WHERE id = 2
ALTER TABLE $V.refers ADD FOREIGN KEY (secret) REFERENCES $V.victim (secret)
DELETE FROM $V.victim WHERE id = 2
-- refresh of a materialized view
CREATE MATERIALIZED VIEW $V.bad AS SELECT secret::int AS n FROM $V.victim WITH NO DATA
REFRESH MATERIALIZED VIEW $V.bad
-- reindex and analyze
CREATE FUNCTION $V.f(t text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'at %', t; RETURN 1; END $$
CREATE INDEX ON $V.victim ($V.f(secret))
REINDEX TABLE $V.victim
-- a text that nobody declared
SELECT body::int FROM clinic.messages WHERE id = 1
