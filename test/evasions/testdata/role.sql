-- SET ROLE
SET ROLE intruder
-- SET LOCAL ROLE
BEGIN
SET LOCAL ROLE intruder
-- SET SESSION ROLE
SET SESSION ROLE 'intruder'
-- the setting
SET role = 'intruder'
-- the setting in quotes
SET "role" TO 'intruder'
-- the setting in other letters
SET ROLE TO intruder
SET RoLe = intruder
-- SET SESSION AUTHORIZATION
SET SESSION AUTHORIZATION intruder
SET ROLE plain
-- set_config
SELECT set_config('role', 'intruder', false)
-- set_config in other letters
SELECT set_config('ROLE', 'intruder', false)
-- set_config of a name that is put together
SELECT set_config('ro' || 'le', 'intruder', false)
-- set_config of a name out of a table
SELECT set_config(name, 'intruder', false) FROM (VALUES ('role')) t(name)
-- in a function's settings
CREATE FUNCTION public.x() RETURNS void LANGUAGE sql SET role = 'intruder' AS 'DELETE FROM clinic.victim'
SELECT public.x()
@undo DROP FUNCTION public.x()
-- a membership
GRANT intruder TO plain
@undo REVOKE intruder FROM plain
-- a new role
CREATE ROLE another SUPERUSER LOGIN
@undo DROP ROLE another
-- a privilege
GRANT ALL ON clinic.victim TO plain
-- an owner
ALTER TABLE clinic.victim OWNER TO plain
-- in DO
DO $$ BEGIN SET ROLE intruder; END $$
