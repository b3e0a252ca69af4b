-- a program that reaches back
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'; DELETE FROM clinic.victim
-- a large object out of a file
SELECT lo_import('PG_VERSION')
@undo SELECT lo_unlink(oid) FROM pg_largeobject_metadata
-- COPY from a program into a table
COPY clinic.half FROM PROGRAM 'echo 9'
-- an extension
CREATE EXTENSION dblink
@undo DROP EXTENSION dblink
-- the catalog
UPDATE pg_catalog.pg_proc SET prosecdef = true WHERE proname = 'wipe'
-- a large object, and what is behind it
SELECT lo_from_bytea(0, 'x'); SELECT clinic.wipe()
@undo SELECT lo_unlink(oid) FROM pg_largeobject_metadata
