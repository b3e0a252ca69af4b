-- a whole row
SELECT p FROM clinic.patients p
-- a whole row as text
SELECT p::text FROM clinic.patients p
-- a whole row of a child
SELECT v FROM clinic.vip_patients v
-- ROW of the star
SELECT ROW(p.*) FROM clinic.patients p
-- ROW of columns
SELECT ROW(1, ssn, ROW(full_name)) FROM clinic.patients
-- an array of rows
SELECT ARRAY[p] FROM clinic.patients p
-- array_agg of rows
SELECT array_agg(p) FROM clinic.patients p
-- a field of a whole row
SELECT (p).ssn FROM clinic.patients p
-- the star of a whole row
SELECT (p).* FROM clinic.patients p
-- row_to_json
SELECT row_to_json(p) FROM clinic.patients p
-- to_jsonb minus
SELECT to_jsonb(p) - 'id' FROM clinic.patients p
-- json_build_object
SELECT json_build_object('a', ssn, 'b', ARRAY[full_name]) FROM clinic.patients
-- jsonb_populate_record
SELECT (jsonb_populate_record(NULL::clinic.departments, jsonb_build_object('name', p.full_name))).name FROM clinic.patients p
-- json_to_recordset
SELECT x.ssn FROM json_to_recordset((SELECT json_agg(p) FROM clinic.patients p)) AS x(ssn text)
-- jsonb_array_elements
SELECT jsonb_array_elements(jsonb_agg(p)) FROM clinic.patients p
-- xmlforest
SELECT xmlforest(ssn, full_name) FROM clinic.patients
-- XMLTABLE
SELECT x.a FROM clinic.patients p, XMLTABLE('/r' PASSING xmlelement(name r, p.full_name) COLUMNS a text PATH '.') x
-- xpath
SELECT xpath('/r/text()', xmlelement(name r, ssn)) FROM clinic.patients
-- hstore of a row
SELECT hstore(p) FROM clinic.patients p
-- each of hstore
SELECT (each(hstore(u))).value FROM clinic.users u
-- a whole row of a view
SELECT s FROM clinic.patient_summary s
-- a row from a sub-select
SELECT x FROM (SELECT ssn, full_name FROM clinic.patients) x
-- a field of a row from a sub-select
SELECT (x).full_name FROM (SELECT p AS x FROM clinic.patients p) y
-- a composite of a CTE
WITH c AS (SELECT p AS x FROM clinic.patients p) SELECT (c.x).email FROM c
-- a quoted whole row
SELECT "PatientContacts" FROM clinic."PatientContacts"
-- hstore populate
SELECT populate_record(NULL::clinic.departments, hstore('name', full_name)) FROM clinic.patients
-- a whole row of free text
SELECT e, row_to_json(e) FROM clinic.encounters e
