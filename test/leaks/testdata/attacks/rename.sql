-- a table
ALTER TABLE $V.victim RENAME TO other
SELECT secret FROM $V.other
-- a column
ALTER TABLE $V.victim RENAME COLUMN secret TO open_secret
SELECT open_secret FROM $V.victim
-- two columns swapped
ALTER TABLE $V.victim RENAME COLUMN code TO tmp
ALTER TABLE $V.victim RENAME COLUMN secret TO code
ALTER TABLE $V.victim RENAME COLUMN tmp TO secret
SELECT code FROM $V.victim
-- two columns swapped in one transaction
BEGIN
ALTER TABLE $V.victim RENAME COLUMN code TO tmp
ALTER TABLE $V.victim RENAME COLUMN secret TO code
ALTER TABLE $V.victim RENAME COLUMN tmp TO secret
SELECT code FROM $V.victim
COMMIT
SELECT code FROM $V.victim
-- a schema
ALTER SCHEMA $V RENAME TO renamed
SELECT secret FROM renamed.victim
ALTER SCHEMA renamed RENAME TO $V
-- another schema
ALTER TABLE $V.victim SET SCHEMA archive
SELECT secret FROM archive.victim
DROP TABLE archive.victim CASCADE
-- a child leaves
ALTER TABLE $V.child NO INHERIT $V.victim
SELECT secret FROM $V.child
-- a partition leaves
ALTER TABLE $V.parted DETACH PARTITION $V.part1
SELECT secret FROM $V.part1
-- a child leaves in one message
ALTER TABLE $V.child NO INHERIT $V.victim; SELECT secret FROM $V.child
-- a child's name
ALTER TABLE $V.child RENAME TO kid
SELECT secret FROM $V.kid
-- a new child of another table
CREATE TABLE $V.parent (secret text)
ALTER TABLE $V.victim INHERIT $V.parent
SELECT secret FROM $V.parent
-- a new child whose column is not named by the rule
CREATE TABLE $V.parent (id int)
ALTER TABLE $V.victim ALTER COLUMN id DROP NOT NULL
SELECT p.*, v.secret FROM $V.parent p RIGHT JOIN $V.victim v USING (id)
-- rolled back
BEGIN
ALTER TABLE $V.victim RENAME TO other
ROLLBACK
SELECT secret FROM $V.victim
-- a savepoint
BEGIN
SAVEPOINT s
ALTER TABLE $V.victim RENAME COLUMN secret TO x
SELECT x FROM $V.victim
ROLLBACK TO s
SELECT secret FROM $V.victim
-- dropped and made anew
CREATE TABLE $V.keep AS SELECT * FROM $V.victim
DROP TABLE $V.victim CASCADE
CREATE TABLE $V.victim (id int, code text)
INSERT INTO $V.victim SELECT id, secret FROM $V.keep
SELECT code FROM $V.victim
-- an attached partition
CREATE TABLE $V.p (id int, secret text, code text) PARTITION BY LIST (id)
ALTER TABLE $V.parted DETACH PARTITION $V.part1
ALTER TABLE $V.p ATTACH PARTITION $V.part1 FOR VALUES IN (1)
SELECT secret FROM $V.p
-- a row moves into a partition that is attached just now
CREATE TABLE $V.late (id int, secret text, code text)
BEGIN
ALTER TABLE $V.parted ATTACH PARTITION $V.late FOR VALUES IN (7)
UPDATE $V.parted SET id = 7 WHERE id = 1
SELECT secret FROM $V.late
COMMIT
SELECT secret FROM $V.late
-- a row moves into such a partition, in one message
CREATE TABLE $V.late (id int, secret text, code text)
ALTER TABLE $V.parted ATTACH PARTITION $V.late FOR VALUES IN (7); UPDATE $V.parted SET id = 7 WHERE id = 1; SELECT secret FROM $V.late
