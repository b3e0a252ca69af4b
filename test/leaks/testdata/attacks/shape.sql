-- the same text but for a literal that names a setting
SELECT current_setting('work_mem') || full_name FROM clinic.patients
SELECT current_setting('TimeZone') || full_name FROM clinic.patients
-- the same text but for the number of a column
SELECT id, full_name FROM clinic.patients GROUP BY 1, 2 ORDER BY 1
SELECT id, full_name FROM clinic.patients GROUP BY 2, 1 ORDER BY 2
-- a setting of another name
SELECT current_setting('work_mem')
DO $$ BEGIN PERFORM set_config('work_mem2.x', (SELECT full_name FROM clinic.patients WHERE id = 2), false); END $$
SELECT current_setting('work_mem2.x')
-- a relation by another name
SELECT nextval('clinic.ticket_seq')
SELECT setval('$V.seq', replace(secret, '-', '')::bigint) FROM $V.victim WHERE id = 1
SELECT nextval('$V.seq')
-- a query by another text
SELECT query_to_xml('SELECT 1', true, false, '')
SELECT query_to_xml('TABLE clinic.users', true, false, '')
-- names of members, blanks and subscripts that spell a value
SELECT json_build_object(split_part(full_name, ' ', 2), 1) FROM clinic.patients
SELECT jsonb_build_object(replace(full_name, ' ', '_'), 1) FROM clinic.patients
SELECT json_object_agg(address, id) FROM clinic.patients
SELECT to_jsonb(hstore(address, 'x')) FROM clinic.patients
SELECT row_to_json(r) FROM (SELECT jsonb_build_object(address, 1) AS a) r, clinic.patients
SELECT array_fill(0, ARRAY[1], ARRAY[replace(ssn, '-', '')::int]) FROM clinic.patients
SELECT array_fill(NULL::text, ARRAY[1], ARRAY[replace(ssn, '-', '')::int]) FROM clinic.patients
SELECT ROW(array_fill(NULL::text, ARRAY[1], ARRAY[replace(ssn, '-', '')::int])) FROM clinic.patients
-- the same by way of a protected column that may hold them
UPDATE clinic.patients SET profile = jsonb_build_object(address, 1) WHERE id = 1
SELECT profile FROM clinic.patients WHERE id = 1
UPDATE clinic.patients SET alt_ids = array_fill('x'::text, ARRAY[1], ARRAY[replace(ssn, '-', '')::int]) WHERE id = 1
SELECT alt_ids FROM clinic.patients WHERE id = 1
