-- PREPARE
PREPARE d(int) AS SELECT name FROM clinic.departments WHERE id = $1
EXECUTE d(1)
EXECUTE d(2)
DEALLOCATE d
EXECUTE d(1)
-- a large object of harmless data
BEGIN
SELECT lo_create(0) > 0
ROLLBACK
