-- a real condition
BEGIN
DELETE FROM clinic.rooms WHERE id = 1
UPDATE clinic.rooms SET beds = 9 WHERE id = 2
UPDATE clinic.rooms SET beds = beds + 1 WHERE dept_id = 1 RETURNING id, beds
DELETE FROM clinic.rooms WHERE label LIKE 'R-2%' AND beds > 0
ROLLBACK
-- own temporary objects
CREATE TEMP TABLE mine AS SELECT id, label FROM clinic.rooms
INSERT INTO mine VALUES (9, 'x')
SELECT * FROM mine ORDER BY id
UPDATE mine SET label = 'y' WHERE id = 9
ALTER TABLE mine ADD COLUMN note text DEFAULT 'none', ALTER COLUMN label SET NOT NULL
ALTER TABLE mine ALTER COLUMN note TYPE varchar(9) USING upper(note)
ALTER TABLE mine RENAME COLUMN note TO remark
ALTER TABLE mine DROP COLUMN remark, ADD CONSTRAINT named UNIQUE (id)
CREATE TEMP SEQUENCE counter
ALTER SEQUENCE counter RESTART WITH 5
SELECT last_value FROM counter
DROP SEQUENCE counter
DROP TABLE mine
-- own temporary views
CREATE TEMP VIEW mine AS SELECT id, upper(label) AS label FROM clinic.rooms
SELECT label || '' FROM mine ORDER BY id
CREATE OR REPLACE TEMP VIEW mine AS SELECT id, lower(label) AS label FROM clinic.rooms WHERE id > 1
CREATE TEMP TABLE t AS SELECT id, label FROM mine
CREATE VIEW over AS SELECT t.id, t.label || '!' AS label FROM t JOIN mine USING (id)
DROP VIEW over
DROP VIEW pg_temp.mine
DROP TABLE t
-- the lock of pg_dump
BEGIN
LOCK TABLE clinic.rooms IN ACCESS SHARE MODE
ROLLBACK
-- ordinary settings
SET search_path = clinic, public
SET DateStyle = 'SQL, DMY'
SET TimeZone = 'Europe/Berlin'
SET work_mem = '8MB'
SET statement_timeout = '30s'
SET myapp.who = 'x'
SELECT current_setting('myapp.who'), current_setting('work_mem')
SELECT set_config('work_mem', '9MB', false)
RESET ALL
-- COPY both ways
@copy 900\tCellar\t0\n
COPY clinic.departments (id, name, floor) TO STDOUT
BEGIN
COPY clinic.departments (id, name, floor) FROM STDIN
SELECT name FROM clinic.departments WHERE id = 900
ROLLBACK
-- cursors
BEGIN
DECLARE c SCROLL CURSOR FOR SELECT id, label FROM clinic.rooms ORDER BY id
FETCH 2 FROM c
MOVE BACKWARD 1 FROM c
FETCH ALL FROM c
CLOSE c
COMMIT
-- PREPARE
PREPARE p (int) AS SELECT label FROM clinic.rooms WHERE id = $1
EXECUTE p (2)
DEALLOCATE p
-- transactions
BEGIN
SAVEPOINT a
INSERT INTO clinic.rooms (id, label) VALUES (1, 'twice')
ROLLBACK TO a
SELECT count(*) FROM clinic.rooms
COMMIT
-- LISTEN and NOTIFY
LISTEN news
UNLISTEN news
NOTIFY news, 'hello'
-- advisory locks
SELECT pg_advisory_lock(5), pg_try_advisory_lock(6), pg_advisory_unlock(5)
-- large objects
BEGIN
SELECT lo_from_bytea(424242, '\x68656c6c6f')
SELECT lo_unlink(424242)
ROLLBACK
-- catalog queries
SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'clinic' ORDER BY 1
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'clinic' ORDER BY 1, ordinal_position
-- functions that touch nothing protected
SELECT clinic.add_tax(10), clinic.dept_name(1), now() > '2020-01-01', lower('ABC'), generate_series(1, 3)
-- errors as they are
SELECT nothing FROM clinic.rooms
INSERT INTO clinic.rooms (id, label) VALUES (1, 'twice')
INSERT INTO clinic.rooms (id, dept_id, label) VALUES (800, 99, 'nowhere')
UPDATE clinic.inventory SET qty = -1 WHERE sku = 'G-1'
SELECT 1/0
SELECT 'abc'::int
-- counting what is budgeted
SELECT count(*) FROM clinic.member_directory
SELECT plan FROM clinic.member_directory WHERE id = 1
-- a temporary table like another, with an index
CREATE TEMP TABLE staged (LIKE clinic.rooms INCLUDING ALL)
CREATE INDEX ON staged (label)
INSERT INTO staged SELECT * FROM clinic.rooms
SELECT upper(label), beds + 1 FROM staged ORDER BY id
DROP TABLE staged
