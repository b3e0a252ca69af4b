-- behind a SELECT
SELECT 1; DELETE FROM clinic.victim
-- behind empty statements
;;; ; DELETE FROM clinic.victim;;
-- between two SELECTs
SELECT 1; DROP TABLE clinic.child; SELECT 2
-- in a transaction of the text
BEGIN; DELETE FROM clinic.victim; COMMIT
-- behind a change of the search_path
SET search_path = clinic; DELETE FROM victim
-- behind a temporary table of the same name, which goes again
SET search_path = clinic; CREATE TEMP TABLE victim (id int); DROP TABLE pg_temp.victim; DELETE FROM victim
-- what is allowed does not run either
INSERT INTO clinic.half VALUES (7); SELECT clinic.wipe()
-- behind dollar quotes
SELECT $a$ ; $a$; DELETE FROM clinic.victim
-- behind quotes with a comment in them
SELECT $$--$$; DELETE FROM clinic.victim
-- behind a string of two parts
SELECT 'a'\n'--'; DELETE FROM clinic.victim
-- behind a bracket
(SELECT 1); (SELECT clinic.wipe())
-- behind a COMMIT
BEGIN; SELECT 1; COMMIT; TRUNCATE clinic.victim CASCADE
-- PREPARE and EXECUTE in one text
PREPARE p AS DELETE FROM clinic.victim; EXECUTE p
