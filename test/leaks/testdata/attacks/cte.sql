-- a common table expression
WITH x AS (SELECT ssn AS a FROM clinic.patients) SELECT a FROM x
-- names of columns of one
WITH x(id, city) AS (SELECT id, full_name FROM clinic.patients) SELECT city FROM x
-- MATERIALIZED
WITH x AS MATERIALIZED (SELECT * FROM clinic.patients) SELECT x.full_name AS n FROM x
-- NOT MATERIALIZED
WITH x AS NOT MATERIALIZED (SELECT email e FROM clinic.users) SELECT e FROM x
-- recursive
WITH RECURSIVE x(n, t) AS (SELECT 1, ssn FROM clinic.patients WHERE id = 1 UNION ALL SELECT n + 1, t FROM x WHERE n < 2) SELECT t FROM x
-- recursive, one character each
WITH RECURSIVE x(n, c) AS (SELECT 1, substr(full_name, 1, 1) FROM clinic.patients WHERE id = 2 UNION ALL SELECT n + 1, (SELECT substr(full_name, n + 1, 1) FROM clinic.patients WHERE id = 2) FROM x WHERE n < 25) SELECT c FROM x
-- the name of another table
WITH departments AS (SELECT id, full_name AS name FROM clinic.patients) SELECT name FROM departments
-- the table's own name
WITH patients AS (SELECT full_name AS city FROM clinic.patients) SELECT city FROM patients
-- nested
WITH a AS (WITH b AS (SELECT ssn s FROM clinic.patients) SELECT s FROM b) SELECT * FROM a
-- SEARCH and CYCLE
WITH RECURSIVE x(id, s) AS (SELECT id, ssn FROM clinic.patients UNION ALL SELECT id, s FROM x WHERE false) SEARCH DEPTH FIRST BY s SET o SELECT o FROM x
-- an UPDATE that gives rows
WITH u AS (UPDATE $V.victim SET code = code WHERE id = 2 RETURNING secret AS r) SELECT r FROM u
-- a DELETE that gives rows
WITH d AS (DELETE FROM $V.victim WHERE id = 2 RETURNING *) SELECT d.secret FROM d
-- an INSERT that gives rows
WITH i AS (INSERT INTO $V.scratch (id, code) SELECT id + 10, secret FROM $V.victim RETURNING code) SELECT code FROM i
-- in a sub-select
SELECT (WITH x AS (SELECT full_name f FROM clinic.patients WHERE id = 2) SELECT f FROM x)
