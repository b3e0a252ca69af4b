-- ordinary settings
SET DateStyle = 'ISO, DMY'
SET TimeZone = 'UTC'
SET work_mem = '8MB'
SET statement_timeout = '30s'
SHOW work_mem
SELECT opened FROM clinic.departments ORDER BY id
RESET ALL
-- DateStyle changes dates
SET DateStyle = 'German'
SELECT opened, added FROM clinic.departments, clinic.inventory ORDER BY 1
-- the search_path
SET search_path = clinic, public
SELECT name FROM departments ORDER BY 1
-- set_config
SELECT set_config('work_mem', '9MB', false)
SELECT current_setting('work_mem')
-- SET LOCAL
BEGIN
SET LOCAL statement_timeout = '10s'
SHOW statement_timeout
COMMIT
SHOW statement_timeout
-- application_name
SET application_name = 'tests'
SHOW application_name
-- a cursor
BEGIN
DECLARE c SCROLL CURSOR FOR SELECT id, name FROM clinic.departments ORDER BY id
FETCH 2 FROM c
MOVE BACKWARD 1 FROM c
FETCH ALL FROM c
CLOSE c
COMMIT
-- a cursor WITH HOLD
DECLARE h CURSOR WITH HOLD FOR SELECT label FROM clinic.rooms WHERE id < 4 ORDER BY id
FETCH FORWARD 2 FROM h
CLOSE h
-- LISTEN and NOTIFY
LISTEN news
UNLISTEN news
-- advisory locks
SELECT pg_advisory_lock(42)
SELECT pg_try_advisory_lock(43)
SELECT pg_advisory_unlock(42)
SELECT pg_advisory_unlock_all()
-- an advisory lock that is not held
SELECT pg_advisory_unlock(99)
-- DISCARD
DISCARD ALL
SELECT 1
-- SET TRANSACTION
BEGIN
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
SHOW transaction_isolation
COMMIT
-- LOCK in ACCESS SHARE
BEGIN
LOCK TABLE clinic.patients IN ACCESS SHARE MODE
COMMIT
-- BEGIN inside of one
BEGIN
BEGIN
COMMIT
-- ROLLBACK TO what is not there
BEGIN
ROLLBACK TO nowhere
SELECT 1
COMMIT
-- notices
SET LOCAL work_mem = '8MB'
-- a notice about an identifier that is too long
SET my.an_identifier_that_is_much_longer_than_the_sixty_three_bytes_that_postgresql_keeps = 'x'
-- a custom setting
SET my.note = 'hello'
SHOW my.note
SELECT current_setting('my.note')
-- COMMIT outside of a transaction
COMMIT
-- a temporary table
CREATE TEMP TABLE t (a int PRIMARY KEY, b text)
INSERT INTO t VALUES (1, 'x'), (2, 'y') RETURNING *
SELECT * FROM t ORDER BY a
UPDATE t SET b = 'z' WHERE a = 1
DROP TABLE t
-- a temporary table of unprotected data
CREATE TEMP TABLE t AS SELECT id, name FROM clinic.departments
SELECT name FROM t ORDER BY id
SELECT count(*), max(name) FROM t
-- a temporary table that is altered
CREATE TEMP TABLE t AS SELECT id, name FROM clinic.departments
ALTER TABLE t ADD COLUMN note text DEFAULT 'none', ADD PRIMARY KEY (id)
ALTER TABLE t RENAME COLUMN name TO label
ALTER TABLE t ALTER COLUMN id TYPE bigint, ALTER COLUMN note SET DEFAULT 'x', ALTER COLUMN label SET NOT NULL
INSERT INTO t (id, label) VALUES (901, 'Attic')
UPDATE t SET note = upper(label) WHERE id < 3
ALTER TABLE t DROP COLUMN id
ALTER TABLE t RENAME TO u
SELECT upper(label), note || '' FROM u ORDER BY label
SELECT upper(state), city || '' FROM clinic.patients WHERE id = 1
-- a temporary table altered in a transaction
BEGIN
CREATE TEMP TABLE t (n int) ON COMMIT DROP
ALTER TABLE t ADD COLUMN m int GENERATED ALWAYS AS (n * 2) STORED
INSERT INTO t SELECT generate_series(1, 3)
SELECT sum(m) FROM t
COMMIT
SELECT upper(state), city || '' FROM clinic.patients WHERE id = 1
-- a sequence of the session's own
CREATE TEMP SEQUENCE s START 5
ALTER SEQUENCE s INCREMENT 2
SELECT last_value + 1, is_called FROM s
DROP SEQUENCE s
SELECT upper(state), city || '' FROM clinic.patients WHERE id = 1
-- a temporary table on commit
BEGIN
CREATE TEMP TABLE t (n int) ON COMMIT DROP
INSERT INTO t SELECT generate_series(1, 3)
SELECT sum(n) FROM t
COMMIT
-- a cursor of computed values
BEGIN
DECLARE c CURSOR FOR SELECT upper(name), floor + 1 FROM clinic.departments ORDER BY id
FETCH 2 FROM c
FETCH ALL FROM c
CLOSE c
COMMIT
-- EXECUTE of what was prepared, again and again
PREPARE p(int) AS SELECT upper(state), city || '' FROM clinic.patients WHERE id = $1
EXECUTE p(1)
EXECUTE p(2)
DEALLOCATE p
-- a large object that is made
BEGIN
SELECT lo_create(0) > 0
ROLLBACK
-- PREPARE, and EXECUTE of what is no longer prepared
@only simple
PREPARE d(int) AS SELECT name FROM clinic.departments WHERE id = $1
EXECUTE d(1)
EXECUTE d(2)
DEALLOCATE d
EXECUTE d(1)
-- temporary views
CREATE TEMP VIEW staged AS SELECT id, upper(label) AS label, beds FROM clinic.rooms
SELECT label || '', beds + 1 FROM staged ORDER BY id
SELECT label, beds FROM pg_temp.staged WHERE id = 1
CREATE OR REPLACE TEMP VIEW staged AS SELECT id, lower(label) AS label, beds, 1 AS one FROM clinic.rooms
SELECT max(label), sum(beds + one) FROM staged
SELECT upper(name) FROM clinic.departments ORDER BY id
DROP VIEW staged
SELECT upper(state) FROM clinic.patients ORDER BY id
-- a temporary view of a temporary table, columns by a list
CREATE TEMP TABLE t (a int, b text)
CREATE VIEW shown (x, y) AS SELECT a + 1, b || '!' FROM t
INSERT INTO t SELECT id, name FROM clinic.departments
SELECT x + 1, upper(y) FROM shown ORDER BY x
BEGIN
DROP VIEW pg_temp.shown
ROLLBACK
SELECT count(*), max(y) FROM shown
SELECT nothing FROM shown
DROP VIEW shown
DROP TABLE t
-- a recursive temporary view
CREATE TEMP RECURSIVE VIEW numbers (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 4
SELECT n * 2 FROM numbers
DROP VIEW numbers
-- values of the text and of functions that compute
SELECT set_config('my.value', upper('x') || md5('y'), false), set_config('my.other', clinic.add_tax(10)::text, false)
SELECT current_setting('my.value'), current_setting('my.other')
SELECT set_config('search_path', current_setting('search_path') || ', clinic', false)
SHOW search_path
SELECT setseed(0.5)
SELECT random()
SELECT pg_try_advisory_lock(hashtext('x')), pg_advisory_unlock(hashtext('x'))
CREATE TEMP SEQUENCE counter
SELECT setval('counter', 40 + 1), nextval('counter'), nextval(('coun' || 'ter')::regclass)
SELECT last_value FROM counter
DROP SEQUENCE counter
