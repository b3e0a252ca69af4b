-- a division by zero
SELECT 1/0
-- a column that does not exist
SELECT nome FROM clinic.departments
-- an operator that does not exist
SELECT 1 || true || '2024-01-01'::date || clinic.departments FROM clinic.departments
-- a type that does not exist
SELECT 1::no_such_type
-- an invalid integer
SELECT 'abc'::int
-- an invalid date
SELECT '2024-13-45'::date
-- invalid JSON
SELECT '{"a": }'::json
-- a value out of range
SELECT 99999999999::int4
-- a cast of an unprotected column
SELECT name::int FROM clinic.departments
-- a unique violation
INSERT INTO clinic.departments (id, name) VALUES (1, 'Again')
-- another unique violation
INSERT INTO clinic.departments (id, name) VALUES (99, 'Cardiology')
-- a check violation
UPDATE clinic.inventory SET qty = -1 WHERE sku = 'G-1'
-- a foreign key violation
INSERT INTO clinic.rooms (id, dept_id) VALUES (90, 9999)
-- a foreign key that still refers
DELETE FROM clinic.departments WHERE id = 1 AND EXISTS (SELECT FROM clinic.inventory WHERE dept = 1)
-- NOT NULL
INSERT INTO clinic.departments (id, name) VALUES (NULL, 'x')
-- a value that is too long
INSERT INTO clinic.rooms (id, label) VALUES (91, 'a label that is too long')
-- a bad enum value
INSERT INTO clinic.rooms (id, status) VALUES (92, 'nope')
-- a sub-select with two rows
SELECT (SELECT id FROM clinic.departments)
-- GROUP BY is missing
SELECT name, count(*) FROM clinic.departments
-- an ambiguous column
SELECT id FROM clinic.departments, clinic.rooms
-- a wrong number of values
INSERT INTO clinic.departments (id, name) VALUES (1)
-- a statement after an error in a transaction
BEGIN
SELECT 1/0
SELECT 1
ROLLBACK
-- a setting that does not exist
SHOW no_such_setting
-- a setting with an invalid value
SET work_mem = 'much'
-- a regular expression
SELECT 'a' ~ '['
-- a statement that is too slow
SET statement_timeout = '250ms'
SELECT pg_sleep(3)
-- a domain
SELECT 'x'::clinic.ssn_dom
-- an array subscript
SELECT ('{1,2}'::int[])['a']
-- a column of a protected table that does not exist
SELECT ssm FROM clinic.patients
-- a table that does not exist
SELECT * FROM clinic.no_such_table
-- a cursor that does not exist
FETCH ALL FROM nobody
CLOSE nobody
-- a function that does not exist
SELECT no_such_function(1)
-- a syntax error
SELEC 1
-- a syntax error at the end
SELECT 1 FROM
-- a syntax error with a position after other text
SELECT 'äöü', "x FROM t
