-- a table renamed
BEGIN
ALTER TABLE $V.victim RENAME TO other
SELECT secret, upper(secret) FROM $V.other
-- two columns swapped
BEGIN
ALTER TABLE $V.victim RENAME code TO tmp
ALTER TABLE $V.victim RENAME secret TO code
ALTER TABLE $V.victim RENAME tmp TO secret
SELECT code, code || '' FROM $V.victim
-- a copy, and more of it
BEGIN
CREATE TABLE $V.copy (a text)
INSERT INTO $V.copy SELECT secret FROM $V.victim
CREATE TABLE $V.again AS SELECT a AS b FROM $V.copy
SELECT b, b || '' FROM $V.again
-- a copy into a column that is new
BEGIN
ALTER TABLE $V.scratch ADD more text
UPDATE $V.scratch s SET more = v.secret FROM $V.victim v WHERE v.id = s.id
SELECT more, more || '' FROM $V.scratch
-- a view replaced after it was read
BEGIN
CREATE VIEW $V.seen AS SELECT code AS a FROM $V.victim
SELECT a || '' FROM $V.seen
CREATE OR REPLACE VIEW $V.seen AS SELECT secret AS a FROM $V.victim
SELECT a || '' FROM $V.seen
-- a view brought back
BEGIN
CREATE VIEW $V.seen AS SELECT secret AS a FROM $V.victim
SAVEPOINT s
CREATE OR REPLACE VIEW $V.seen AS SELECT code AS a FROM $V.victim
SELECT a || '' FROM $V.seen
ROLLBACK TO s
SELECT a || '' FROM $V.seen
-- a partition leaves
BEGIN
ALTER TABLE $V.parted DETACH PARTITION $V.part1
SELECT secret, secret || '' FROM $V.part1
-- a partition that had rows before
BEGIN
CREATE TABLE $V.loose AS SELECT id, secret, code FROM $V.victim WHERE id = 2
ALTER TABLE $V.parted ATTACH PARTITION $V.loose FOR VALUES IN (2)
SELECT code, secret || '' FROM $V.parted WHERE id = 2
-- a function replaced
BEGIN
CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql AS 'SELECT code FROM $V.victim WHERE id = 1'
SELECT $V.f()
CREATE OR REPLACE FUNCTION $V.f() RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 1'
SELECT $V.f() || ''
-- a trigger that copies
BEGIN
CREATE FUNCTION $V.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.code := (SELECT secret FROM $V.victim WHERE id = 1); RETURN NEW; END'
CREATE TRIGGER t BEFORE UPDATE ON $V.scratch FOR EACH ROW EXECUTE FUNCTION $V.t()
UPDATE $V.scratch SET n = 5 WHERE id = 1
SELECT code, code || '' FROM $V.scratch
-- a default that reads
BEGIN
CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 1'
ALTER TABLE $V.scratch ALTER code SET DEFAULT $V.f()
INSERT INTO $V.scratch (id) VALUES (7)
SELECT code, code || '' FROM $V.scratch WHERE id = 7
-- a generated column
BEGIN
ALTER TABLE $V.victim ADD g text GENERATED ALWAYS AS (upper(secret)) STORED
SELECT g, g || '' FROM $V.victim
-- by name
BEGIN
PREPARE p AS SELECT code FROM $V.victim
ALTER TABLE $V.victim RENAME code TO tmp
ALTER TABLE $V.victim RENAME secret TO code
EXECUTE p
-- columns swapped by code
BEGIN
CREATE TABLE $V.more (a int)
CREATE FUNCTION $V.f() RETURNS int LANGUAGE plpgsql AS 'BEGIN ALTER TABLE $V.victim RENAME code TO tmp; ALTER TABLE $V.victim RENAME secret TO code; RETURN 1; END'
SELECT $V.f()
SELECT code, code || '' FROM $V.victim
-- columns swapped by a trigger that is put off
BEGIN
CREATE FUNCTION $V.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ALTER TABLE $V.victim RENAME code TO tmp; ALTER TABLE $V.victim RENAME secret TO code; RETURN NULL; END'
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON $V.scratch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION $V.t()
INSERT INTO $V.scratch (id) VALUES (7)
SELECT code || '' FROM $V.victim
SET CONSTRAINTS ALL IMMEDIATE
SELECT code, code || '' FROM $V.victim
