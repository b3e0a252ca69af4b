-- first_value
SELECT first_value(ssn) OVER (ORDER BY id) FROM clinic.patients
-- lag
SELECT lag(full_name, 1) OVER (ORDER BY id), lead(full_name) OVER (ORDER BY id) FROM clinic.patients
-- nth_value of a named window
SELECT nth_value(email, 1) OVER w FROM clinic.users WINDOW w AS (ORDER BY id)
-- an aggregate as a window
SELECT string_agg(ssn, '') OVER (ORDER BY id) FROM clinic.patients
-- min and max
SELECT min(ssn), max(full_name) FROM clinic.patients
-- array_agg
SELECT array_agg(full_name ORDER BY id) FROM clinic.patients
-- string_agg
SELECT string_agg(ssn, E'\n') FROM clinic.patients
-- json_agg of rows
SELECT json_agg(p) FROM clinic.patients p
-- jsonb_object_agg
SELECT jsonb_object_agg(id, ssn) FROM clinic.patients
-- mode
SELECT mode() WITHIN GROUP (ORDER BY full_name) FROM clinic.patients
-- percentile_disc
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM clinic.patients
-- xmlagg
SELECT xmlagg(xmlelement(name p, full_name)) FROM clinic.patients
-- GROUP BY
SELECT ssn, count(*) FROM clinic.patients GROUP BY ssn
-- DISTINCT
SELECT DISTINCT full_name FROM clinic.patients
-- DISTINCT ON
SELECT DISTINCT ON (ssn) ssn FROM clinic.patients
-- GROUPING SETS
SELECT email, grouping(email) FROM clinic.users GROUP BY ROLLUP (email)
-- max of digits as a number
SELECT max(replace(ssn, '-', '')::bigint) FROM clinic.patients
-- sum of one
SELECT sum(replace(ssn, '-', '')::bigint), avg(replace(ssn, '-', '')::numeric)::bigint FROM clinic.patients WHERE id = 1
-- bit_or of one
SELECT bit_or(replace(ssn, '-', '')::int) FROM clinic.patients WHERE id = 2
-- FILTER
SELECT max(full_name) FILTER (WHERE id = 2) FROM clinic.patients
-- HAVING
SELECT max(ssn) FROM clinic.patients GROUP BY state HAVING count(*) > 0
-- a user's aggregate
SELECT clinic.gather(id) FROM clinic.rooms
-- range_agg
SELECT range_agg(int8range(replace(ssn, '-', '')::bigint, NULL)) FROM clinic.patients WHERE id = 3
