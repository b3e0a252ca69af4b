-- ts_headline
SELECT ts_headline('simple', full_name, to_tsquery('simple', 'zzz')) FROM clinic.patients
-- ts_debug
SELECT token FROM clinic.patients, ts_debug('simple', full_name)
-- ts_parse
SELECT p.token FROM clinic.patients, ts_parse('default', full_name) p
-- ts_lexize
SELECT ts_lexize('simple', full_name) FROM clinic.patients
-- words of a tsvector
SELECT tsvector_to_array(to_tsvector('simple', full_name)), u.lexeme FROM clinic.patients, unnest(to_tsvector('simple', full_name)) u
-- a query of words
SELECT querytree(plainto_tsquery('simple', full_name)), phraseto_tsquery('simple', full_name) FROM clinic.patients
-- keys of an hstore
SELECT akeys(hstore(full_name, 'x')), s FROM clinic.patients, skeys(hstore(ssn, 'x')) s
-- values of an hstore of a row
SELECT avals(hstore(p)), e.value FROM clinic.patients p, each(hstore(p)) e
-- an hstore as a matrix
SELECT hstore_to_matrix(hstore(p)), hstore_to_json(hstore(p)) FROM clinic.patients p
-- encrypted and back
SELECT convert_from(decrypt(encrypt(ssn::bytea, 'k', 'aes'), 'k', 'aes'), 'UTF8') FROM clinic.patients
-- encrypted by PGP and back
SELECT pgp_sym_decrypt(pgp_sym_encrypt(full_name, 'k'), 'k') FROM clinic.patients
-- in armour
SELECT armor(full_name::bytea), dearmor(armor(ssn::bytea)) FROM clinic.patients
-- a row by format
SELECT format('%s', p), format('%2$s', 1, p.ssn) FROM clinic.patients p
-- a row by concat
SELECT concat(p), concat_ws(',', p.*) FROM clinic.patients p
-- a row as an array of rows
SELECT array_agg(p), array_to_json(array_agg(p)) FROM clinic.patients p
-- xpath over rows
SELECT xpath('//ssn/text()', xmlelement(name r, xmlforest(p.ssn, p.full_name))) FROM clinic.patients p
-- nth of a path
SELECT jsonb_path_query(to_jsonb(p), '$.ssn'), to_jsonb(p) @? '$.ssn', to_jsonb(p) #>> '{full_name}' FROM clinic.patients p
-- the most frequent
SELECT mode() WITHIN GROUP (ORDER BY ssn), percentile_disc(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY full_name) FROM clinic.patients
-- quoted
SELECT quote_nullable(ssn), quote_literal(full_name), quote_ident(ssn) FROM clinic.patients
-- overlay and translate
SELECT overlay(ssn PLACING '' FROM 1 FOR 0), translate(ssn, '', ''), lpad(ssn, 11), rpad(full_name, 60) FROM clinic.patients
-- split and joined
SELECT string_to_array(full_name, NULL), array_to_string(string_to_array(full_name, NULL), ''), split_part(ssn, '#', 1) FROM clinic.patients
-- as a parameter's default
SELECT coalesce(NULL, ssn), nullif(ssn, ''), greatest(ssn, ''), least(full_name, '~') FROM clinic.patients
