-- SET ROLE
CREATE VIEW $V.vv AS SELECT secret AS x FROM $V.victim
GRANT USAGE ON SCHEMA $V TO plain
GRANT SELECT ON $V.vv TO plain
SET ROLE plain
SELECT x FROM $V.vv
-- SET SESSION AUTHORIZATION
SET SESSION AUTHORIZATION postgres
SELECT reverse(ssn) FROM clinic.patients
-- SET LOCAL ROLE in a transaction
BEGIN
SET LOCAL ROLE postgres
SELECT full_name || '' FROM clinic.patients
-- set_config of the role
SELECT set_config('role', 'postgres', false)
SELECT full_name || '' FROM clinic.patients
-- RESET ALL and DISCARD ALL
DISCARD ALL
RESET ALL
SELECT ssn FROM clinic.patients
-- row-level security
ALTER TABLE $V.scratch ENABLE ROW LEVEL SECURITY
CREATE POLICY p ON $V.scratch USING (code = (SELECT secret FROM $V.victim WHERE id = 2))
SELECT pg_get_expr(polqual, polrelid), s.secret FROM pg_policy, $V.victim s
-- hoop's own settings
SET hoop.user = 'nobody'
SELECT ssn FROM clinic.patients
