-- lo_from_bytea
SELECT lo_from_bytea(7001, full_name::bytea) FROM clinic.patients WHERE id = 2
SELECT lo_get(7001)
-- lo_put
SELECT lo_from_bytea(7002, '')
SELECT lo_put(7002, 0, full_name::bytea) FROM clinic.patients WHERE id = 2
SELECT convert_from(lo_get(7002), 'UTF8')
-- lowrite
BEGIN
SELECT lowrite(lo_open(lo_create(7003), 131072), full_name::bytea) FROM clinic.patients WHERE id = 2
COMMIT
SELECT encode(lo_get(7003), 'escape')
-- the catalog of large objects
SELECT lo_from_bytea(7004, full_name::bytea) FROM clinic.patients WHERE id = 2
SELECT data FROM pg_largeobject WHERE loid = 7004
-- another session
SELECT lo_from_bytea(7005, full_name::bytea) FROM clinic.patients WHERE id = 2
\connect
SELECT lo_get(7005)
-- another session reads the catalog
SELECT lo_from_bytea(7006, full_name::bytea) FROM clinic.patients WHERE id = 2
\connect
SELECT data FROM pg_largeobject
-- loread
SELECT lo_from_bytea(7008, full_name::bytea) FROM clinic.patients WHERE id = 2
BEGIN
SELECT loread(lo_open(7008, 262144), 100)
-- an export and a read
SELECT lo_from_bytea(7009, full_name::bytea) FROM clinic.patients WHERE id = 2
SELECT lo_export(7009, '$D/$V')
SELECT pg_read_file('$D/$V')
-- another session copies it to a table
SELECT lo_from_bytea(7007, full_name::bytea) FROM clinic.patients WHERE id = 2
\connect
UPDATE $V.scratch SET blob = lo_get(7007) WHERE id = 1
SELECT blob FROM $V.scratch
