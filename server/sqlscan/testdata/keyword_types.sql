-- A type whose name is a keyword of later versions' grammars.
CREATE TABLE t (id int);
CREATE FUNCTION notes(text) RETURNS boolean LANGUAGE sql AS 'insert into t values (1); select true';
CREATE DOMAIN public.json AS text CHECK (notes(value));
