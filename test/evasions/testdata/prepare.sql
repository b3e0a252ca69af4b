-- PREPARE and EXECUTE
PREPARE p AS DELETE FROM clinic.victim
EXECUTE p
-- a parameter that is true
PREPARE p (boolean) AS DELETE FROM clinic.victim WHERE $1
EXECUTE p (true)
-- a condition on parameters alone
PREPARE p (int, int) AS DELETE FROM clinic.victim WHERE $1 = $2
EXECUTE p (1, 1)
-- the same name again, for something else
PREPARE p AS SELECT 1
DEALLOCATE p
PREPARE p AS DELETE FROM clinic.victim
EXECUTE p
-- the name in other letters
PREPARE "P p" AS DELETE FROM clinic.victim
EXECUTE "P p"
-- a harmless statement and a writing argument
PREPARE p (int) AS SELECT $1
EXECUTE p (clinic.wipe())
-- EXPLAIN ANALYZE EXECUTE
PREPARE p AS DELETE FROM clinic.victim
EXPLAIN ANALYZE EXECUTE p
-- CREATE TABLE AS EXECUTE
PREPARE p AS SELECT clinic.wipe()
CREATE TEMP TABLE t AS EXECUTE p
-- prepared under another search_path
SET search_path = public
PREPARE p AS DELETE FROM clinic.victim WHERE true
SET search_path = clinic
EXECUTE p
-- a name that the transaction brings back
BEGIN
PREPARE p AS SELECT 1
ROLLBACK
PREPARE p AS SELECT clinic.wipe()
EXECUTE p
