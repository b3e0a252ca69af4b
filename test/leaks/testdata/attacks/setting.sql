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
