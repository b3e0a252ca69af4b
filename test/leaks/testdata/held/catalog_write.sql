-- DML on the catalog
UPDATE pg_class SET relname = 'x' WHERE relname = 'rooms'
UPDATE pg_catalog.pg_attribute SET attname = 'x' WHERE attname = 'ssn'
DELETE FROM pg_catalog.pg_rewrite WHERE oid = 1
INSERT INTO pg_catalog.pg_description VALUES (1, 1, 0, 'x')
