-- a comparison
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- one with a list
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 IN (1, 3) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- one with an array
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = ANY (ARRAY[1, 3]) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- one with all of an array
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 <> ALL (ARRAY[0, 3]) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- BETWEEN
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) BETWEEN 1 AND 2 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- BETWEEN SYMMETRIC
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) BETWEEN SYMMETRIC 2 AND 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- NOT BETWEEN
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) NOT BETWEEN -1 AND 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- NOT BETWEEN SYMMETRIC
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) NOT BETWEEN SYMMETRIC 0 AND -1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS DISTINCT FROM
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) IS DISTINCT FROM 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS NOT DISTINCT FROM
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1) IS NOT DISTINCT FROM 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- LIKE
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text LIKE '1' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- ILIKE
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text ILIKE '1%' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- SIMILAR TO
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text SIMILAR TO '(1|3)' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a regular expression
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::text ~ '1' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- AND
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 AND true FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- OR
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 OR false FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- NOT
@only simple
SELECT NOT (ascii(substr(ssn, i, 1)) >> b) & 1 = 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS NOT NULL
@only simple
SELECT nullif((ascii(substr(ssn, i, 1)) >> b) & 1, 0) IS NOT NULL FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS TRUE
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1 = 1) IS TRUE FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS NOT UNKNOWN
@only simple
SELECT (nullif((ascii(substr(ssn, i, 1)) >> b) & 1, 0) = 1) IS NOT UNKNOWN FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a cast
@only simple
SELECT ((ascii(substr(ssn, i, 1)) >> b) & 1)::bool FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a row
@only simple
SELECT ROW((ascii(substr(ssn, i, 1)) >> b) & 1, 1) = ROW(1, 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- EXISTS
@only simple
SELECT EXISTS (SELECT WHERE (ascii(substr(ssn, i, 1)) >> b) & 1 = 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IN of a sub-select
@only simple
SELECT 1 IN (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- ANY of a sub-select
@only simple
SELECT 0 < ANY (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- ALL of a sub-select
@only simple
SELECT 1 = ALL (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a value in a sub-select
@only simple
SELECT (ascii(substr(ssn, i, 1)) >> b) & 1 IN (SELECT dept_id FROM clinic.rooms WHERE dept_id = 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a row and a sub-select
@only simple
SELECT (1, 2) = (SELECT (ascii(substr(ssn, i, 1)) >> b) & 1, 2) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- whether a sub-select has rows
@only simple
SELECT (SELECT true FROM clinic.departments d WHERE d.id = (ascii(substr(ssn, i, 1)) >> b) & 1) IS NOT NULL FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- XMLEXISTS
@only simple
SELECT xmlexists('/r[. = 1]' PASSING BY REF xmlelement(name r, (ascii(substr(ssn, i, 1)) >> b) & 1)) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- IS DOCUMENT
@only simple
SELECT xmlconcat(xmlelement(name r), CASE (ascii(substr(ssn, i, 1)) >> b) & 1 WHEN 0 THEN xmlelement(name r) END) IS DOCUMENT FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- OVERLAPS
@only simple
SELECT (date '2024-01-01', date '2024-01-02') OVERLAPS (date '2024-01-02' - ((ascii(substr(ssn, i, 1)) >> b) & 1), date '2024-01-03') FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- whether a count has something
@only simple
SELECT (SELECT count(*) FROM clinic.departments d WHERE (ascii(substr(ssn, i, 1)) >> b) & 1 = 1) > 0 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- where a greatest is
@only simple
SELECT greatest((ascii(substr(ssn, i, 1)) >> b) & 1, 0) = 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
-- a member of JSON
@only simple
SELECT jsonb_build_object(((ascii(substr(ssn, i, 1)) >> b) & 1)::text, 1) ? '1' FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 ORDER BY i, b DESC
