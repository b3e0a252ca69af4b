-- a scalar
SELECT (SELECT ssn FROM clinic.patients WHERE id = 1)
-- beside unprotected columns
SELECT d.id, (SELECT p.full_name FROM clinic.patients p WHERE p.id = d.id) FROM clinic.departments d
-- in FROM
SELECT t.x FROM (SELECT id, email AS x FROM clinic.patients) t
-- three deep
SELECT a FROM (SELECT a FROM (SELECT mrn AS a FROM clinic.patients) x) y
-- ARRAY of a sub-select
SELECT ARRAY(SELECT ssn FROM clinic.patients)
-- a row of a sub-select
SELECT (SELECT ROW(full_name, ssn) FROM clinic.patients WHERE id = 2)
-- in CASE
SELECT CASE WHEN true THEN (SELECT phone FROM clinic.patients WHERE id = 1) ELSE 'x' END
-- in LIMIT's company
SELECT name || (SELECT string_agg(ssn, ',') FROM clinic.patients) FROM clinic.departments LIMIT 1
-- LATERAL
SELECT l.x FROM clinic.departments d, LATERAL (SELECT p.full_name AS x FROM clinic.patients p WHERE p.id = d.id) l
-- LATERAL over a function
SELECT l.x FROM clinic.patients p, LATERAL unnest(ARRAY[p.ssn]) AS l(x)
-- LATERAL VALUES
SELECT l.a FROM clinic.patients p CROSS JOIN LATERAL (VALUES (p.full_name)) AS l(a)
-- ROWS FROM
SELECT x.* FROM clinic.patients p, LATERAL ROWS FROM (unnest(ARRAY[p.ssn]), generate_series(1, 1)) AS x(a, b)
-- ordinality
SELECT c FROM clinic.patients p, LATERAL regexp_split_to_table(p.ssn, '') WITH ORDINALITY AS r(c, n) WHERE p.id = 1 ORDER BY n
