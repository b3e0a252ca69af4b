-- another role by any spelling
SET ROLE plain
SET LOCAL ROLE plain
SET SESSION ROLE 'plain'
SET SESSION AUTHORIZATION plain
SET role TO plain
SELECT set_config('role', 'plain', false)
SELECT set_config('ro' || 'le', 'plain', true)
SELECT pg_catalog.set_config('session_authorization', 'plain', false)
