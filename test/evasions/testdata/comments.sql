-- a comment says that it reads
/* SELECT 1 */ DELETE FROM clinic.victim
-- a comment says that it is bounded
DELETE FROM clinic.victim /* WHERE id = 1 */
-- a line comment takes the condition away
DELETE FROM clinic.victim -- WHERE id = 1
-- comments instead of spaces
DELETE/**/FROM/**/clinic.victim
-- a comment inside a name
DELETE FROM clinic/**/./**/victim
-- nested comments
/* /* */ SELECT 1; */ DELETE FROM clinic.victim
-- a line comment ends at a line feed
SELECT 1 -- ' nothing here\n; DELETE FROM clinic.victim
-- a line comment ends at a carriage return
SELECT 1 -- ' nothing here\r; DELETE FROM clinic.victim
-- quotes in comments
/* ' */ DELETE FROM clinic.victim /* ' WHERE id = 1 */
-- comment signs in strings
UPDATE clinic.victim SET name = '/* WHERE id = 1 */ -- '
-- an operator that looks like a comment
DELETE FROM clinic.victim WHERE 1 - -1 = 2 -- AND id = 1
-- a comment between the words of DROP
DROP /* a */ -- b\n TABLE clinic.child
