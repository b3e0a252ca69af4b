-- to varchar
SELECT ssn::varchar(20), CAST(full_name AS char(40)) FROM clinic.patients
-- to name
SELECT full_name::name FROM clinic.patients
-- to bytea
SELECT full_name::bytea, convert_to(ssn, 'UTF8') FROM clinic.patients
-- to a number
SELECT replace(ssn, '-', '')::int, replace(ssn, '-', '')::numeric, replace(ssn, '-', '')::bigint FROM clinic.patients
-- to oid
SELECT replace(ssn, '-', '')::oid FROM clinic.patients
-- to an array
SELECT ('{' || ssn || '}')::text[] FROM clinic.patients
-- to json
SELECT to_json(ssn), to_jsonb(full_name) FROM clinic.patients
-- to xml
SELECT xmlparse(content full_name) FROM clinic.patients
-- to a domain
SELECT ssn::clinic.ssn_dom FROM clinic.patients
-- to a bit string and back
SELECT ('x' || encode(full_name::bytea, 'hex'))::varbit FROM clinic.patients WHERE full_name IS NULL UNION ALL SELECT NULL WHERE false
SELECT encode(full_name::bytea, 'hex') FROM clinic.patients
-- to a composite
SELECT ROW(ssn, full_name, mrn)::clinic.address_t FROM clinic.patients
-- to a range
SELECT textrange FROM (SELECT numrange(replace(ssn, '-', '')::numeric, NULL) AS textrange FROM clinic.patients) x
-- to a multirange
SELECT int8multirange(int8range(replace(ssn, '-', '')::bigint, NULL)) FROM clinic.patients
-- to tsvector
SELECT to_tsvector('simple', full_name) FROM clinic.patients
-- to tsquery
SELECT plainto_tsquery('simple', full_name) FROM clinic.patients
-- to jsonpath
SELECT ('$."' || full_name || '"')::jsonpath FROM clinic.patients
-- to hstore
SELECT hstore('k', full_name) FROM clinic.patients
-- to citext
SELECT full_name::citext FROM clinic.patients
-- to a path
SELECT ('[(' || replace(ssn, '-', '') || ',1),(2,2)]')::path FROM clinic.patients
-- to a point
SELECT point(replace(ssn, '-', '')::float8, 1) FROM clinic.patients
-- to an interval
SELECT (replace(ssn, '-', '') || ' hours')::interval FROM clinic.patients
-- to money
SELECT replace(ssn, '-', '')::numeric::money FROM clinic.patients
-- to inet
SELECT ('::' || substr(encode(ssn::bytea, 'hex'), 1, 4) || ':' || substr(encode(ssn::bytea, 'hex'), 5, 4))::inet, encode(ssn::bytea, 'hex') FROM clinic.patients
-- to uuid
SELECT encode(ssn::bytea, 'hex') || '0000000000', (encode(ssn::bytea, 'hex') || '0000000000')::uuid FROM clinic.patients WHERE id = 1
-- to xid8
SELECT replace(ssn, '-', '')::xid8, replace(ssn, '-', '')::xid FROM clinic.patients
-- to regclass text
SELECT replace(ssn, '-', '')::regclass::text, replace(ssn, '-', '')::regtype FROM clinic.patients
-- to refcursor
SELECT ssn::refcursor FROM clinic.patients
-- to aclitem's kin
SELECT full_name::cstring FROM clinic.patients
-- to "char" one by one
SELECT substr(ssn, n, 1)::"char" FROM clinic.patients, generate_series(1, 11) n WHERE id = 1 ORDER BY n
-- a date to text
SELECT dob::text, to_char(dob, 'YYYY-MM-DD') FROM clinic.patients
-- a date to seconds
SELECT extract(epoch FROM dob)::bigint FROM clinic.patients
-- a date to timestamps
SELECT dob::timestamptz AT TIME ZONE 'UTC', age(dob, '1900-01-01'), dob + 0 FROM clinic.patients
-- quote functions
SELECT quote_literal(ssn), quote_ident(full_name), format('%s', email) FROM clinic.patients
