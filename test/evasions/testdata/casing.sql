-- words
dElEtE fRoM clinic.victim
-- names
DELETE FROM CLINIC.VICTIM
-- names in quotes
DELETE FROM "clinic"."victim"
-- with white space
\t DELETE\n\n FROM\t\tclinic . victim \n
-- without any
DELETE FROM"clinic"."victim"WHERE(1=1)
-- a function
SELECT Clinic."wipe"()
-- DROP
dRoP tAbLe If ExIsTs Clinic.Child
-- a setting
sET "session_replication_role" tO 'RePlIcA'
-- ONLY and a star
DELETE FROM ONLY (clinic.victim)
-- a table with its descendants
DELETE FROM clinic.victim *
