-- PREPARE
PREPARE d(int) AS SELECT name FROM clinic.departments WHERE id = $1
EXECUTE d(1)
EXECUTE d(2)
DEALLOCATE d
EXECUTE d(1)
-- a temporary table
CREATE TEMP TABLE t (a int PRIMARY KEY, b text)
INSERT INTO t VALUES (1, 'x'), (2, 'y') RETURNING *
SELECT * FROM t ORDER BY a
UPDATE t SET b = 'z' WHERE a = 1
DROP TABLE t
-- a temporary table of unprotected data
CREATE TEMP TABLE t AS SELECT id, name FROM clinic.departments
SELECT name FROM t ORDER BY id
SELECT count(*), max(name) FROM t
-- a temporary table on commit
BEGIN
CREATE TEMP TABLE t (n int) ON COMMIT DROP
INSERT INTO t SELECT generate_series(1, 3)
SELECT sum(n) FROM t
COMMIT
-- a large object of harmless data
BEGIN
SELECT lo_create(0) > 0
ROLLBACK
