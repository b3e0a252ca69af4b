-- a foreign table of the same database
SELECT id, full_name, ssn FROM clinic.far ORDER BY id
-- a foreign table, computed
SELECT reverse(full_name) FROM clinic.far WHERE id = 1
-- a foreign table, as JSON
SELECT to_jsonb(f) FROM clinic.far f WHERE id = 2
-- a view of a foreign table
SELECT who FROM clinic.farther ORDER BY 1
-- a foreign table in a sub-select
SELECT d.name, (SELECT min(full_name) FROM clinic.far) FROM clinic.departments d WHERE d.id = 1
-- COPY of a foreign table
COPY (SELECT full_name FROM clinic.far) TO STDOUT
-- a cursor over a foreign table
BEGIN
DECLARE c CURSOR FOR SELECT ssn FROM clinic.far
FETCH ALL FROM c
COMMIT
-- an error of a foreign table
SELECT full_name::int FROM clinic.far WHERE id = 1
-- a copy of a foreign table
CREATE TEMP TABLE near AS SELECT full_name FROM clinic.far
SELECT * FROM near
-- a foreign table of one's own
CREATE FOREIGN TABLE $V.mine (id int, mrn text) SERVER loop OPTIONS (schema_name 'clinic', table_name 'patients')
SELECT mrn FROM $V.mine
-- a foreign schema
IMPORT FOREIGN SCHEMA archive LIMIT TO (patients) FROM SERVER loop INTO $V
SELECT full_name FROM $V.patients
-- a foreign table of a file
COPY (SELECT full_name FROM clinic.patients) TO '$D/far-$V'
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw
CREATE FOREIGN TABLE $V.out (x text) SERVER files OPTIONS (filename '$D/far-$V')
SELECT x FROM $V.out
