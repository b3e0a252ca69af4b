-- the number of elements of an array
SELECT array_fill(0, ARRAY[ascii(substr(ssn, i, 1))]) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- of a text array
SELECT string_to_array(repeat('a,', ascii(substr(full_name, i, 1)) - 1), ',') FROM clinic.patients, generate_series(1, 20) i ORDER BY id, i
-- of an array in a view of one's own query
SELECT x.a FROM (SELECT array_fill(''::text, ARRAY[ascii(substr(ssn, i, 1))]) AS a, id, i FROM clinic.patients, generate_series(1, 11) i) x ORDER BY id, i
-- of an array from a sub-select
SELECT ARRAY(SELECT 1 FROM generate_series(1, ascii(substr(ssn, i, 1)))) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- of an array that is gathered
SELECT array_agg(1) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) j GROUP BY id, i ORDER BY id, i
-- of a JSON array
SELECT to_json(array_fill(0, ARRAY[ascii(substr(ssn, i, 1))])) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- the nesting of JSON
SELECT (repeat('[', ascii(substr(ssn, i, 1))) || repeat(']', ascii(substr(ssn, i, 1))))::json FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- the members of jsonb
SELECT (SELECT jsonb_object_agg(j, j) FROM generate_series(1, ascii(substr(ssn, i, 1))) j) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- where there is NULL
SELECT CASE WHEN (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 THEN 'x' END FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b ORDER BY id, i, b DESC
-- where there is NULL, by nullif
SELECT nullif(substr(ssn, i, 1) || b, substr(ssn, i, 1) || (b + 8 * (1 - (ascii(substr(ssn, i, 1)) >> b) & 1) - 8)) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b ORDER BY id, i, b DESC
-- where an element is NULL
SELECT (ARRAY['x'])[2 - (ascii(substr(ssn, i, 1)) >> b) & 1] FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b ORDER BY id, i, b DESC
-- where JSON has a member
SELECT jsonb_build_object('a', full_name) -> substr('ba', 1 + ((ascii(substr(ssn, i, 1)) >> b) & 1), 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b ORDER BY id, i, b DESC
-- where there is NULL through a materialized copy of a view's query
WITH x AS MATERIALIZED (SELECT CASE WHEN (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 THEN full_name END AS v, id, i, b FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b) SELECT v FROM x ORDER BY id, i, b DESC
-- a row that is NULL
SELECT CASE WHEN (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 THEN home END FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b ORDER BY id, i, b DESC
-- a protected array that gets as many elements as a character says
INSERT INTO $K.kept (id, at, tags) SELECT 100 + i, i, tags FROM $K.kept, generate_series(1, 14) i WHERE id = 1
UPDATE $K.kept SET tags = array_fill(''::text, ARRAY[ascii(substr(tags[1], id - 100, 1))]) WHERE id > 100
SELECT tags FROM $K.kept WHERE id > 100 ORDER BY id
-- a protected array, from itself alone
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = array_fill(tags[1], ARRAY[ascii(tags[1])])
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = array_fill(tags[1], ARRAY[ascii(substr(tags[1], 2))])
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = array_fill(tags[1], ARRAY[ascii(substr(tags[1], 3))])
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = array_fill(tags[1], ARRAY[ascii(substr(tags[1], 4))])
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = array_fill(tags[1], ARRAY[ascii(substr(tags[1], 5))])
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = array_fill(tags[1], ARRAY[ascii(substr(tags[1], 6))])
SELECT tags FROM $K.kept
-- a protected array that gets its size from another column
INSERT INTO $K.kept (id, tags) SELECT 100 + i, array_fill(''::text, ARRAY[ascii(substr(secret, i, 1))]) FROM $K.kept, generate_series(1, 11) i WHERE id = 1
SELECT tags FROM $K.kept WHERE id > 100 ORDER BY id
-- a protected column that is NULL where a bit is not set
INSERT INTO $K.kept (id, secret) SELECT 100 + 8 * i - b, CASE WHEN (ascii(substr(secret, i, 1)) >> b) & 1 = 1 THEN 'x' END FROM $K.kept, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1
SELECT secret FROM $K.kept WHERE id > 100 ORDER BY id
-- RETURNING of a protected array that is computed
INSERT INTO $K.kept (id, tags) SELECT 100 + i, array_fill(''::text, ARRAY[ascii(substr(secret, i, 1))]) FROM $K.kept, generate_series(1, 11) i WHERE id = 1 RETURNING tags
-- RETURNING through WITH of what is NULL where a bit is not set
WITH x AS (INSERT INTO $K.kept (id, secret) SELECT 100 + 8 * i - b, CASE WHEN (ascii(substr(secret, i, 1)) >> b) & 1 = 1 THEN 'x' END FROM $K.kept, generate_series(1, 11) i, generate_series(7, 0, -1) b WHERE id = 1 RETURNING secret, id) SELECT secret FROM x ORDER BY id
-- the end of other parts of a value
SELECT right(substr(card, 1, 4 * i), 4) FROM $K.kept, generate_series(1, 4) i ORDER BY i
-- the end of the value in other places
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.kept
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.kept
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.kept
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.kept
-- the same by RETURNING
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4) RETURNING card
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4) RETURNING card
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4) RETURNING card
UPDATE $K.kept SET card = substr(card, 5) || left(card, 4) RETURNING card
-- the value without its end, again and again
SELECT card FROM $K.kept
UPDATE $K.kept SET card = left(card, -4)
SELECT card FROM $K.kept
UPDATE $K.kept SET card = left(card, -4)
SELECT card FROM $K.kept
UPDATE $K.kept SET card = left(card, -2)
SELECT card FROM $K.kept
-- a free text that is stored in another way
UPDATE $K.kept SET note = replace(note, '-', '_')
SELECT note FROM $K.kept
-- a free text that is stored with something between
UPDATE $K.kept SET note = regexp_replace(note, '([0-9])', '\1.', 'g')
SELECT note FROM $K.kept
-- a free text that gets another end to its number
UPDATE $K.kept SET note = left(note, 31) || '0' || substr(note, 32)
SELECT note FROM $K.kept
-- a protected column by ON CONFLICT
INSERT INTO $K.kept VALUES (1) ON CONFLICT (id) DO UPDATE SET note = replace(kept.note, '-', '_')
SELECT note FROM $K.kept
