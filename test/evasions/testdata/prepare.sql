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
-- a pattern that is everything
PREPARE p (text) AS DELETE FROM clinic.victim WHERE name LIKE $1
EXECUTE p ('%')
-- a pattern that is put together
PREPARE p (text) AS DELETE FROM clinic.victim WHERE name LIKE '%' || $1 || '%'
EXECUTE p ('')
-- an object that everything contains
PREPARE p (jsonb) AS DELETE FROM clinic.victim WHERE data @> $1
EXECUTE p ('{}')
-- the least number
PREPARE p (int) AS DELETE FROM clinic.victim WHERE id > $1
EXECUTE p (-2147483648)
-- both truth values
PREPARE p (boolean[]) AS DELETE FROM clinic.victim WHERE active = ANY ($1)
EXECUTE p ('{t,f}')
-- a pattern, at once
PREPARE p (text) AS DELETE FROM clinic.victim WHERE name LIKE $1; EXECUTE p ('%')
