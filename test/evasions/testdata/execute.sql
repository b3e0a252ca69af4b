-- in DO
DO $$ BEGIN EXECUTE 'DELETE FROM ' || 'clinic.victim'; END $$
-- in DO, put together of codes
DO $$ BEGIN EXECUTE convert_from(decode('44454c4554452046524f4d20636c696e69632e76696374696d', 'hex'), 'UTF8'); END $$
-- in a function that is there
SELECT clinic.run('DELETE FROM clinic.victim')
-- in a function that is there, with a result
SELECT clinic.run_as('DELETE FROM clinic.victim')
-- by way of format
SELECT clinic.run(format('%s FROM %I.%I', 'DELETE', 'clinic', 'victim'))
-- by a value of a row
SELECT clinic.run(note) FROM (SELECT 'DELETE FROM clinic.victim' AS note) q
-- in a new function
CREATE FUNCTION public.x() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM clinic.victim'; END $$
SELECT public.x()
@undo DROP FUNCTION public.x()
