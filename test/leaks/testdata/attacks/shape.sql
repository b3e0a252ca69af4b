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
