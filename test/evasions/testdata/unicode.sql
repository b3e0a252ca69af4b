-- a table
DELETE FROM U&"clinic".U&"\0076ictim"
-- a table with another escape
DELETE FROM clinic.U&"!0076ictim" UESCAPE '!'
-- a table with six digits
DELETE FROM clinic.U&"\+000076ictim"
-- a function
SELECT clinic.U&"\0077ipe"()
-- a setting
SELECT set_config(U&'\0072ole', 'intruder', false)
-- a setting with escapes
SELECT set_config(E'\x72ole', 'intruder', false)
-- a setting with octal escapes
SELECT set_config(E'\162ole', 'intruder', false)
-- the name of SET
SET U&"\0072ole" TO intruder
-- hoop's own
SELECT set_config(E'hoo\u0070.user', 'forged', false)
-- a condition
DELETE FROM clinic.victim WHERE U&'\0061' = 'a'
-- a non-ASCII letter before it
SELECT 'é', 'ﬀ', '漢'; DELETE FROM clinic.victim
-- a string that looks as if it ended
SELECT U&'\0027; -- '; DELETE FROM clinic.victim
