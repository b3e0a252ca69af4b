-- a function that tells
SELECT clinic.tell(2)
-- DO with RAISE NOTICE
DO $$ BEGIN RAISE NOTICE '%', (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
-- DO with RAISE INFO and a hint
DO $$ BEGIN RAISE INFO 'x' USING HINT = (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
-- DO with RAISE LOG at the client's level
SET client_min_messages = 'log'
DO $$ BEGIN RAISE LOG '%', (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
-- DO with an SQLSTATE of a value
DO $$ DECLARE s text := (SELECT upper(full_name) FROM clinic.patients WHERE id = 2); BEGIN FOR i IN 0..1 LOOP RAISE NOTICE 'x' USING ERRCODE = substr(s, i * 5 + 1, 5); END LOOP; END $$
-- DO with the names of objects
DO $$ BEGIN RAISE NOTICE 'x' USING TABLE = (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
-- DO with ASSERT
DO $$ BEGIN ASSERT false, (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
-- DO with an error of dynamic SQL
DO $$ BEGIN EXECUTE (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
-- DO that writes a comment
DO $$ BEGIN EXECUTE format('COMMENT ON TABLE $V.scratch IS %L', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT obj_description('$V.scratch'::regclass)
-- DO that makes an enum of a value
DO $$ BEGIN EXECUTE format('CREATE TYPE $V.e AS ENUM (%L)', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT enum_range(NULL::$V.e)
-- DO that makes a default of a value, in the catalog
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch ALTER code SET DEFAULT %L', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
-- DO that makes a view of a value
DO $$ BEGIN EXECUTE format('CREATE VIEW $V.w AS SELECT %L::text AS c', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT pg_get_viewdef('$V.w')
-- DO that makes a view of a value, selected
DO $$ BEGIN EXECUTE format('CREATE VIEW $V.w AS SELECT %L::text AS c', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT c FROM $V.w
-- DO that prepares a statement
DO $$ BEGIN EXECUTE format('PREPARE q AS SELECT %L::text AS c', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
EXECUTE q
-- DO that opens a cursor
BEGIN
DO $$ DECLARE c refcursor := 'cc'; BEGIN OPEN c FOR SELECT full_name AS name FROM clinic.patients; END $$
FETCH ALL FROM cc
-- DO that sets a setting
DO $$ BEGIN PERFORM set_config('my.value', (SELECT full_name FROM clinic.patients WHERE id = 2), false); END $$
SHOW my.value
-- DO that sets the name of the application
DO $$ BEGIN PERFORM set_config('application_name', (SELECT full_name FROM clinic.patients WHERE id = 2), false); END $$
SHOW application_name
-- DO that sets the search_path
DO $$ BEGIN PERFORM set_config('search_path', (SELECT quote_ident(full_name) FROM clinic.patients WHERE id = 2), false); END $$
SELECT current_setting('search_path')
-- DO that notifies
LISTEN tell
DO $$ BEGIN PERFORM pg_notify('tell', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT 1
-- channels that are listened to
DO $$ BEGIN EXECUTE format('LISTEN %I', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT pg_listening_channels()
-- DO that makes a role
DO $$ BEGIN EXECUTE format('CREATE ROLE %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT rolname FROM pg_roles
DO $$ BEGIN EXECUTE format('DROP ROLE %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
-- DO that leaves a savepoint's error
BEGIN
DO $$ BEGIN RAISE EXCEPTION '%', (SELECT full_name FROM clinic.patients WHERE id = 2); END $$
SELECT 1
-- DO that moves a sequence
DO $$ BEGIN PERFORM setval('$V.seq', (SELECT replace(secret, '-', '')::bigint FROM $V.victim WHERE id = 1)); END $$
SELECT last_value FROM $V.seq
-- DO that makes a view of a value, read by another session
DO $$ BEGIN EXECUTE format('CREATE VIEW $V.w AS SELECT %L::text AS c', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
\connect
SELECT c FROM $V.w
-- DO that makes a column of a value, seen in the catalog
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch ADD COLUMN %I int', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT attname FROM pg_attribute WHERE attrelid = '$V.scratch'::regclass
-- DO that makes a table
DO $$ BEGIN CREATE TABLE $V.made AS SELECT secret AS x FROM $V.victim; END $$
SELECT x FROM $V.made
-- DO that writes a table
DO $$ BEGIN UPDATE $V.scratch SET code = (SELECT secret FROM $V.victim WHERE id = 2) WHERE id = 1; END $$
SELECT code FROM $V.scratch
-- DO that makes an enum of a value, in the catalog
DO $$ BEGIN EXECUTE format('CREATE TYPE $V.e AS ENUM (%L)', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT enumlabel FROM pg_enum
-- DO that makes a default of a value
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch ALTER code SET DEFAULT %L', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
INSERT INTO $V.scratch (id) VALUES (77) RETURNING code
-- DO that makes a function of a value
DO $$ BEGIN EXECUTE format('CREATE FUNCTION $V.f() RETURNS text LANGUAGE sql AS $f$ SELECT %L::text $f$', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT prosrc FROM pg_proc WHERE proname = 'f'
-- DO that notifies a channel of a value
DO $$ BEGIN EXECUTE format('LISTEN %I', (SELECT full_name FROM clinic.patients WHERE id = 2)); EXECUTE format('NOTIFY %I', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT 1
-- DO that sets a default of the role
DO $$ BEGIN EXECUTE format('CREATE ROLE $V; ALTER ROLE $V SET my.note = %L', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT setconfig FROM pg_db_role_setting
DROP ROLE $V
-- DO that writes a table, read by another session
DO $$ BEGIN UPDATE $V.scratch SET code = (SELECT secret FROM $V.victim WHERE id = 2) WHERE id = 1; END $$
\connect
SELECT code FROM $V.scratch
-- DO that writes a comment, read by another session
DO $$ BEGIN EXECUTE format('COMMENT ON TABLE $V.scratch IS %L', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
\connect
SELECT obj_description('$V.scratch'::regclass)
-- DO that writes a comment, read from the catalog by another session
DO $$ BEGIN EXECUTE format('COMMENT ON TABLE $V.scratch IS %L', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
\connect
SELECT description FROM pg_description
-- DO that makes a role, seen by another session
DO $$ BEGIN EXECUTE format('CREATE ROLE %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
\connect
SELECT rolname FROM pg_roles
DO $$ BEGIN EXECUTE format('DROP ROLE %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
-- DO that makes a table's name of a value, seen by another session
DO $$ BEGIN EXECUTE format('CREATE TABLE $V.%I ()', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
\connect
SELECT relname FROM pg_class
-- DO that renames a column to a value
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch RENAME COLUMN code TO %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT * FROM $V.scratch
-- DO that renames a column to a value, fetched from a cursor
BEGIN
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch RENAME COLUMN code TO %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
DECLARE c CURSOR FOR SELECT * FROM $V.scratch
FETCH c
-- DO that renames a column to a value, named by a sub-select
DO $$ BEGIN EXECUTE format('CREATE TABLE $V.named (%I int)', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT (SELECT * FROM $V.named)
-- DO that renames a column to a value, returned
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch RENAME COLUMN code TO %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
DELETE FROM $V.scratch WHERE id = 1 RETURNING *
-- DO that renames a column to a value, executed by name
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch RENAME COLUMN code TO %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
PREPARE q AS SELECT * FROM $V.scratch
EXECUTE q
