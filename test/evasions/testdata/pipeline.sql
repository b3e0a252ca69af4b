-- behind a SELECT
SELECT 2
DELETE FROM clinic.victim
-- behind a write that is allowed: the transaction ends without it
INSERT INTO clinic.half VALUES (7)
DELETE FROM clinic.victim
INSERT INTO clinic.half VALUES (8)
@only pipeline
-- behind a change of the search_path
SET search_path = clinic
SELECT wipe()
-- behind a temporary table of the same name
SET search_path = pg_temp, clinic
CREATE TEMP TABLE victim (id int)
DROP TABLE pg_temp.victim
DELETE FROM victim
-- behind BEGIN
BEGIN
UPDATE clinic.loose SET note = 'z' WHERE id = 1
DELETE FROM clinic.victim
COMMIT
-- behind a savepoint
BEGIN
SAVEPOINT a
DELETE FROM clinic.victim
COMMIT
-- behind PREPARE
PREPARE p AS DELETE FROM clinic.victim
EXECUTE p
-- behind set_config of the search_path
SELECT set_config('search_path', 'clinic', false)
DELETE FROM victim
-- behind a view that becomes another one
CREATE TEMP VIEW v AS SELECT 1 AS a
CREATE OR REPLACE TEMP VIEW v AS SELECT clinic.wipe() AS a
SELECT * FROM v
