-- UNION with constants
SELECT 'x' UNION SELECT ssn FROM clinic.patients
-- UNION ALL under an unprotected column
SELECT name FROM clinic.departments UNION ALL SELECT full_name FROM clinic.patients
-- INTERSECT
SELECT ssn FROM clinic.patients INTERSECT SELECT ssn FROM clinic.patients
-- EXCEPT
SELECT email FROM clinic.users EXCEPT SELECT 'x'
-- VALUES with a sub-select
VALUES ((SELECT ssn FROM clinic.patients WHERE id = 1)), ('x')
-- VALUES in FROM
SELECT v.a FROM (VALUES ((SELECT full_name FROM clinic.patients WHERE id = 2))) AS v(a)
-- nested and ordered
(SELECT name AS n FROM clinic.departments ORDER BY 1 LIMIT 1) UNION ALL (SELECT c1 FROM clinic.kv_store) LIMIT 9
-- UNION of whole tables
TABLE clinic.departments UNION ALL SELECT id, full_name, 1, 1, dob, email FROM clinic.patients
