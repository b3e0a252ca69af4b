-- a table whose alias is a dot is written
DO $$ BEGIN UPDATE $V.scratch "." SET code = secret FROM $V.victim v WHERE v.id = 2; END $$
SELECT code FROM $V.scratch
-- a table whose alias is a dot is read
CREATE FUNCTION $V.f() RETURNS SETOF text LANGUAGE sql AS 'SELECT "."."secret" FROM $V.victim "."'
SELECT $V.f()
-- a cursor that updates
DO $$ DECLARE c refcursor; BEGIN OPEN c FOR UPDATE $V.scratch SET code = secret FROM $V.victim v WHERE v.id = 2 RETURNING v.id; MOVE c; END $$
SELECT code FROM $V.scratch
-- a declared cursor that updates
DO $$ DECLARE c CURSOR FOR UPDATE $V.scratch SET code = secret FROM $V.victim v WHERE v.id = 2 RETURNING v.id; BEGIN OPEN c; MOVE c; END $$
SELECT code FROM $V.scratch
-- a table in a schema that the same code makes
DO $$ BEGIN CREATE SCHEMA $V_new; SET LOCAL search_path = $V_new; CREATE TABLE made AS SELECT secret AS x FROM $V.victim; END $$
SELECT x FROM $V_new.made
-- the same, read by another session
DO $$ BEGIN CREATE SCHEMA $V_new; PERFORM set_config('search_path', '$V_new', true); CREATE TABLE made AS SELECT secret AS x FROM $V.victim; END $$
\connect
SELECT x FROM $V_new.made
-- the bounds of a partition that code makes
CREATE TABLE $V.named (c text) PARTITION BY LIST (c)
DO $$ BEGIN CREATE TABLE $V.one PARTITION OF $V.named FOR VALUES IN (clinic.patient_ssn(1)); END $$
SELECT pg_get_expr(relpartbound, oid) FROM pg_class
-- an operator by its other spelling
CREATE FUNCTION $V.ne(int, int) RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 2'
CREATE OPERATOR $V.<> (LEFTARG = int, RIGHTARG = int, FUNCTION = $V.ne)
CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql AS 'SELECT 1 OPERATOR($V.!=) 2'
SELECT $V.f()
-- a table of a name that others have, in another schema
DO $$ BEGIN SET LOCAL search_path = $V; CREATE TABLE rooms AS SELECT secret AS x FROM victim; END $$
\connect
SELECT x FROM $V.rooms
-- a view that code makes, and writes by
DO $$ BEGIN CREATE TEMP VIEW w AS SELECT id, code FROM $V.scratch; INSERT INTO w SELECT 7, secret FROM $V.victim WHERE id = 2; END $$
SELECT code FROM $V.scratch
-- a view that code makes, written by afterwards
BEGIN ISOLATION LEVEL SERIALIZABLE
DO $$ BEGIN CREATE VIEW $V.w AS SELECT id, code FROM $V.scratch; END $$
INSERT INTO $V.w SELECT 7, secret FROM $V.victim WHERE id = 2
COMMIT
SELECT code FROM $V.scratch
-- a view that code makes, written by in the same text
DO $$ BEGIN CREATE VIEW $V.w AS SELECT id, code FROM $V.scratch; END $$; INSERT INTO $V.w SELECT 7, secret FROM $V.victim WHERE id = 2
SELECT code FROM $V.scratch
-- a child that code makes, and writes to
DO $$ BEGIN CREATE TABLE $V.k () INHERITS ($V.scratch); INSERT INTO $V.k (id, code) SELECT 7, secret FROM $V.victim WHERE id = 2; END $$
SELECT code FROM $V.scratch
