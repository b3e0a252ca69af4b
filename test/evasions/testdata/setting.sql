-- who the gateway says one is
SET hoop."user" = 'forged'
-- who the gateway says one is, by set_config
SELECT set_config('hoop.user', 'forged', false)
-- who the gateway says one is, in other letters
SELECT set_config('HOOP' || '.User', 'forged', false)
-- who the gateway says one is, in a loop over names
SELECT set_config(n, 'forged', false) FROM unnest(ARRAY['hoop.user']) n
-- no triggers
SET session_replication_role = replica
-- no triggers, by set_config
SELECT set_config('session_replication_role', 'replica', false)
-- no triggers, by pg_settings
UPDATE pg_settings SET setting = 'replica' WHERE name = 'session_replication_role'
-- statements into the server's log
SET log_statement = 'all'
-- statements into the server's log, in CASE
SELECT CASE WHEN true THEN set_config('log_statement', 'all', false) END
-- for every later session
ALTER ROLE postgres SET search_path = evil
@undo ALTER ROLE postgres RESET ALL
-- for every later session of the database
ALTER DATABASE past SET log_statement = 'all'
ALTER DATABASE through SET log_statement = 'all'
@undo ALTER DATABASE past RESET ALL; ALTER DATABASE through RESET ALL
-- strings that end elsewhere
SET standard_conforming_strings = off
-- strings that end elsewhere, by set_config
SELECT set_config('standard_conforming_strings', 'off', false)
-- strings that end elsewhere, and a text that uses it
SET standard_conforming_strings = off
SELECT '\'' AS a; DELETE FROM clinic.victim; --'
