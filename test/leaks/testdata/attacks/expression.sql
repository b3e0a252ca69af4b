-- concatenation
SELECT 'x' || ssn || 'y' FROM clinic.patients
-- reverse
SELECT reverse(ssn) FROM clinic.patients
-- upper
SELECT upper(full_name) FROM clinic.patients
-- without dashes
SELECT translate(ssn, '-', '') FROM clinic.patients
-- hex
SELECT encode(full_name::bytea, 'hex') FROM clinic.patients
-- base64
SELECT encode(('a' || ssn)::bytea, 'base64') FROM clinic.patients
-- md5
SELECT md5(ssn) FROM clinic.patients
-- sha256
SELECT sha256(ssn::bytea) FROM clinic.patients
-- pgcrypto's digest
SELECT digest(ssn, 'sha1') FROM clinic.patients
-- a character per row
SELECT substr(full_name, n, 1) FROM clinic.patients, generate_series(1, 25) n WHERE id = 2 ORDER BY n
-- a character per column
SELECT substr(ssn, 1, 1), substr(ssn, 2, 1), substr(ssn, 3, 1), substr(ssn, 5, 1), substr(ssn, 6, 1), substr(ssn, 8, 1), substr(ssn, 9, 1), substr(ssn, 10, 1), substr(ssn, 11, 1) FROM clinic.patients WHERE id = 1
-- code points
SELECT ascii(substr(full_name, n, 1)) FROM clinic.patients, generate_series(1, 25) n WHERE id = 2 ORDER BY n
-- code points in columns
SELECT ascii(ssn), ascii(substr(ssn, 2)), ascii(substr(ssn, 3)), ascii(substr(ssn, 5)), ascii(substr(ssn, 6)), ascii(substr(ssn, 8)), ascii(substr(ssn, 9)), ascii(substr(ssn, 10)), ascii(substr(ssn, 11)) FROM clinic.patients WHERE id = 1
-- bytes
SELECT get_byte(full_name::bytea, n) FROM clinic.patients, generate_series(0, 20) n WHERE id = 2 ORDER BY n
-- string_to_table
SELECT string_to_table(ssn, NULL) FROM clinic.patients WHERE id = 1
-- regexp_matches
SELECT (regexp_matches(ssn, '(\d+)-(\d+)-(\d+)')) FROM clinic.patients
-- regexp_replace
SELECT regexp_replace(full_name, ' ', '_') FROM clinic.patients
-- overlay
SELECT overlay('xxxxxxxxxxxxxxxx' PLACING ssn FROM 3) FROM clinic.patients
-- lpad
SELECT lpad(full_name, 60, '.') FROM clinic.patients
-- greatest
SELECT greatest(ssn, ''), least(full_name, 'zzzz'), nullif(email, ''), coalesce(NULL, mrn) FROM clinic.patients
-- CASE
SELECT CASE id WHEN 1 THEN ssn ELSE full_name END FROM clinic.patients
-- CASE with conditions
SELECT CASE WHEN id = 1 THEN ssn ELSE full_name END FROM clinic.patients
-- a protected part of a JSON path
SELECT profile -> 'allergy', profile ->> 'allergy', profile #>> '{next,kin}' FROM clinic.patients
-- subscripts of JSON
SELECT profile['allergy'] FROM clinic.patients
-- jsonb_each
SELECT (jsonb_each_text(profile)).value FROM clinic.patients
-- jsonb_path_query
SELECT jsonb_path_query(profile, '$.**') FROM clinic.patients
-- keys of JSON
SELECT jsonb_object_keys(jsonb_build_object(ssn, 1)) FROM clinic.patients
-- an element of an array
SELECT alt_ids[1] FROM clinic.patients
-- a slice
SELECT alt_ids[1:1], array_to_string(alt_ids, '') FROM clinic.patients
-- unnest
SELECT unnest(alt_ids) FROM clinic.patients
-- a field of a composite
SELECT (home).street, (p.home).zip FROM clinic.patients p
-- all fields of a composite
SELECT (home).* FROM clinic.patients
-- the generated column
SELECT search_key FROM clinic.patients
-- a part of the generated column
SELECT split_part(search_key, ' ', 3) FROM clinic.patients
-- COLLATE
SELECT ssn COLLATE "C" FROM clinic.patients
-- ENUM laundering by a type's input
SELECT concat_ws('-', VARIADIC ARRAY[ssn, full_name]) FROM clinic.patients
-- a free text that is computed from
SELECT replace(note, '-', '_') FROM clinic.encounters
-- a free text in pieces
SELECT substr(note, n, 1) FROM clinic.encounters, generate_series(1, 70) n WHERE id = 1 ORDER BY n
-- a free text backwards
SELECT reverse(comment) FROM clinic.lab_results
-- a free text as it is
SELECT note FROM clinic.encounters
-- a free text as an array and as JSON
SELECT ARRAY[note], to_json(note), json_build_object('n', note) FROM clinic.encounters
-- words of a free text
SELECT to_tsvector('simple', note) FROM clinic.encounters
-- hex of a free text
SELECT encode(comment::bytea, 'hex') FROM clinic.lab_results
-- protected values in texts that nobody declared
SELECT body, meta, lines, fixed FROM clinic.messages
-- the same as one row
SELECT m FROM clinic.messages m
-- the same as JSON
SELECT to_jsonb(m), row_to_json(m, true) FROM clinic.messages m
-- the same in other types
SELECT body::varchar, body::bpchar, body::name, body::citext, ARRAY[ARRAY[body]], hstore('b', body), xmlelement(name b, body) FROM clinic.messages
-- a long value
SELECT c1 FROM clinic.kv_store WHERE k = 'long'
-- the end of a long value
SELECT substr(c1, 2990) FROM clinic.kv_store WHERE k = 'long'
