-- Functions, and a type, whose names are keywords of later versions' grammars.
CREATE TABLE t (id int, "system_user" text);
CREATE FUNCTION json_scalar(int) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_value(jsonb, text) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_query(jsonb, text) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_exists(jsonb, text) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_array(int, int) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_object() RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_arrayagg(int) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_serialize(text) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION json_table(jsonb, text) RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE FUNCTION merge_action() RETURNS text LANGUAGE sql AS 'delete from t returning id::text';
CREATE DOMAIN json_objectagg AS text;
