-- an aggregate that is called count
CREATE AGGREGATE $V.count (text) (SFUNC = textcat, STYPE = text, INITCOND = '')
SET search_path = $V, public
SELECT count(secret) FROM $V.victim
-- an operator of PostgreSQL's function
CREATE OPERATOR $V.@~ (RIGHTARG = text, FUNCTION = reverse)
SELECT OPERATOR($V.@~) secret FROM $V.victim
-- an operator that makes rows
CREATE OPERATOR $V.### (LEFTARG = text, RIGHTARG = text, FUNCTION = string_to_table)
SELECT secret OPERATOR($V.###) '#' FROM $V.victim
-- a function of a module under another name
CREATE FUNCTION $V.run (text) RETURNS SETOF record LANGUAGE c IMMUTABLE AS '$libdir/tablefunc', 'crosstab'
SELECT * FROM $V.run('SELECT id, 1, secret FROM $V.victim ORDER BY 1') AS t (id int, a text)
-- a function of a module that connects
CREATE FUNCTION $V.run (text, text) RETURNS SETOF record LANGUAGE c IMMUTABLE AS '$libdir/dblink', 'dblink_record'
SELECT * FROM $V.run('host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port'), 'SELECT secret FROM $V.victim') AS t (a text)
-- a function of the server under another name
CREATE FUNCTION $V.run (text, bool, bool, text) RETURNS xml LANGUAGE internal IMMUTABLE AS 'query_to_xml'
SELECT $V.run('SELECT secret FROM $V.victim', true, false, '')
-- a function that runs a text as an operator
CREATE FUNCTION $V.run (text, bool) RETURNS xml LANGUAGE sql IMMUTABLE AS 'SELECT query_to_xml($1, true, $2, $$$$)'
CREATE OPERATOR $V.@@@ (LEFTARG = text, RIGHTARG = bool, FUNCTION = $V.run)
SELECT 'SELECT secret FROM $V.victim' OPERATOR($V.@@@) false
-- a type that is text by another name
CREATE TYPE $V.t
CREATE FUNCTION $V.t_in (cstring) RETURNS $V.t LANGUAGE internal IMMUTABLE STRICT AS 'textin'
CREATE FUNCTION $V.t_out ($V.t) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'
CREATE TYPE $V.t (INPUT = $V.t_in, OUTPUT = $V.t_out, LIKE = text)
CREATE CAST (text AS $V.t) WITHOUT FUNCTION AS IMPLICIT
SELECT secret::$V.t FROM $V.victim
-- a cast without a function
CREATE CAST (text AS bytea) WITHOUT FUNCTION AS IMPLICIT
SELECT encode(secret, 'hex') FROM $V.victim
-- a range of texts
CREATE TYPE $V.span AS RANGE (SUBTYPE = text)
SELECT $V.span(secret, NULL) FROM $V.victim
-- a range of texts by an aggregate
CREATE TYPE $V.span AS RANGE (SUBTYPE = text)
SELECT range_agg($V.span(secret, secret, '[]')), lower(range_agg($V.span(secret, NULL))) FROM $V.victim
-- an ordered aggregate
CREATE AGGREGATE $V.line (text) (SFUNC = textcat, STYPE = text, INITCOND = '', SORTOP = OPERATOR(pg_catalog.<))
SELECT $V.line(secret ORDER BY id) FROM $V.victim
-- a window function of one's own
CREATE AGGREGATE $V.line (text) (SFUNC = textcat, STYPE = text, INITCOND = '')
SELECT id, $V.line(secret) OVER (ORDER BY id) FROM $V.victim
-- a domain over a protected value
CREATE DOMAIN $V.named AS text CHECK (length(VALUE) > 0)
SELECT secret::$V.named FROM $V.victim
-- a collation
CREATE COLLATION $V.loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)
SELECT secret COLLATE $V.loose, max(secret COLLATE $V.loose) OVER () FROM $V.victim
-- a dictionary
CREATE TEXT SEARCH DICTIONARY $V.plain (TEMPLATE = simple)
CREATE TEXT SEARCH CONFIGURATION $V.plain (COPY = simple)
SELECT ts_lexize('$V.plain', secret), ts_headline('$V.plain', secret, to_tsquery('simple', 'zzz')) FROM $V.victim
-- a function of a module as an operator
CREATE FUNCTION $V.run (text, text) RETURNS text LANGUAGE c IMMUTABLE AS '$libdir/dblink', 'dblink_exec'
CREATE OPERATOR $V.@@@ (LEFTARG = text, RIGHTARG = text, FUNCTION = $V.run)
SELECT 'host=127.0.0.1 dbname=' || current_database() || ' user=rt_agent password=rt_agent_pw port=' || current_setting('port') OPERATOR($V.@@@) 'UPDATE $V.scratch SET code = secret FROM $V.victim v WHERE v.id = 2'
SELECT code FROM $V.scratch
-- a function of a module that an extension takes in
CREATE FUNCTION $V.run (text) RETURNS SETOF record LANGUAGE c IMMUTABLE AS '$libdir/tablefunc', 'crosstab'
ALTER EXTENSION tablefunc ADD FUNCTION $V.run (text)
SELECT * FROM $V.run('SELECT id, 1, secret FROM $V.victim ORDER BY 1') AS t (id int, a text)
