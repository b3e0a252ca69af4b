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
-- a stored array through UNION with a computed one
SELECT alt_ids FROM clinic.patients WHERE false UNION ALL (SELECT array_fill(''::text, ARRAY[ascii(substr(ssn, i, 1))]) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i)
-- a computed array that goes by the name of a stored one
SELECT alt_ids FROM (SELECT id, i, array_fill(''::text, ARRAY[ascii(substr(ssn, i, 1))]) AS alt_ids FROM clinic.patients, generate_series(1, 11) i) patients ORDER BY id, i
-- a recursive query that grows an array
WITH RECURSIVE r(id, i, a) AS (SELECT id, 1, alt_ids FROM clinic.patients UNION ALL SELECT r.id, r.i + 1, array_fill(''::text, ARRAY[ascii(substr(p.ssn, r.i, 1))]) FROM r JOIN clinic.patients p USING (id) WHERE r.i < 12) SELECT a FROM r WHERE i > 1 ORDER BY id, i
-- array_agg with nothing but rows multiplied
SELECT array_agg(s.x) FROM (SELECT id, i, unnest(array_fill('x'::text, ARRAY[ascii(substr(ssn, i, 1))])) AS x FROM clinic.patients, generate_series(1, 11) i) s GROUP BY id, i ORDER BY id, i
-- json_agg of unprotected columns over rows that a value multiplies
SELECT json_agg(g) FROM clinic.patients, generate_series(1, 11) i, LATERAL generate_series(1, ascii(substr(ssn, i, 1))) g GROUP BY id, i ORDER BY id, i
-- json_agg of constants over rows that LIMIT cuts
SELECT (SELECT json_agg(1) FROM (SELECT 1 FROM generate_series(1, 200) LIMIT ascii(substr(ssn, i, 1))) q) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- array_agg in a lateral sub-select
@denied
SELECT q.a FROM clinic.patients p, generate_series(1, 11) i, LATERAL (SELECT array_agg(g) AS a FROM generate_series(1, 200) g WHERE g <= ascii(substr(p.ssn, i, 1))) q ORDER BY id, i
-- how many rows there are by LIMIT
@denied
SELECT q.n FROM clinic.patients p, generate_series(1, 11) i, LATERAL (SELECT count(*) AS n FROM (SELECT FROM generate_series(1, 200) LIMIT ascii(substr(p.ssn, i, 1))) z) q ORDER BY id, i
-- array_agg in a lateral sub-select with LIMIT
@denied
SELECT q.a FROM clinic.patients p, generate_series(1, 11) i, LATERAL (SELECT array_agg(g) AS a FROM (SELECT g FROM generate_series(1, 200) g LIMIT ascii(substr(p.ssn, i, 1))) z) q ORDER BY id, i
-- COALESCE that hides where there is NULL
SELECT coalesce(x, y) FROM (SELECT id, i, b, CASE WHEN (ascii(substr(ssn, i, 1)) >> b) & 1 = 1 THEN full_name END AS x, NULL::text AS y FROM clinic.patients, generate_series(1, 11) i, generate_series(7, 0, -1) b) q ORDER BY id, i, b
-- NULL by an outer join whose other side is whole
SELECT q.full_name FROM clinic.patients p CROSS JOIN generate_series(1, 11) i CROSS JOIN generate_series(7, 0, -1) b LEFT JOIN clinic.patients q ON q.id = p.id AND (ascii(substr(p.ssn, i, 1)) >> b) & 1 = 1 ORDER BY p.id, i, b
-- members by concatenation of jsonb
SELECT jsonb_build_array(profile) || (SELECT jsonb_agg(j) FROM generate_series(2, ascii(substr(ssn, i, 1))) j) FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i
-- a VALUES list of computed arrays
SELECT v.a FROM clinic.patients, generate_series(1, 11) i, LATERAL (VALUES (array_fill(0, ARRAY[ascii(substr(ssn, i, 1))]))) v(a) ORDER BY id, i
-- a row of computed arrays that is taken apart
SELECT (r).f1 FROM (SELECT ROW(array_fill(0, ARRAY[ascii(substr(ssn, i, 1))])) AS r, id, i FROM clinic.patients, generate_series(1, 11) i) q ORDER BY id, i
-- a cast of a whole row
SELECT row_to_json(q) FROM (SELECT array_fill(0, ARRAY[ascii(substr(ssn, i, 1))]) AS a FROM clinic.patients, generate_series(1, 11) i ORDER BY id, i) q
-- a MERGE that computes a protected array from itself
INSERT INTO $K.kept (id, at, tags) SELECT 100 + i, i, tags FROM $K.kept, generate_series(1, 14) i WHERE id = 1
MERGE INTO $K.kept k USING (SELECT 1) s ON k.id > 100 WHEN MATCHED THEN UPDATE SET tags = array_fill(''::text, ARRAY[ascii(substr(tags[1], id - 100, 1))])
SELECT tags FROM $K.kept WHERE id > 100 ORDER BY id
-- an element of a protected array at a place that a value says
UPDATE $K.kept SET tags[ascii(tags[1])] = 'x'
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = ARRAY[tags[1]]
UPDATE $K.kept SET tags[ascii(substr(tags[1], 2))] = 'x'
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = ARRAY[tags[1]]
UPDATE $K.kept SET tags[ascii(substr(tags[1], 3))] = 'x'
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = ARRAY[tags[1]]
UPDATE $K.kept SET tags[ascii(substr(tags[1], 4))] = 'x'
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = ARRAY[tags[1]]
UPDATE $K.kept SET tags[ascii(substr(tags[1], 5))] = 'x'
SELECT tags FROM $K.kept
UPDATE $K.kept SET tags = ARRAY[tags[1]]
UPDATE $K.kept SET tags[ascii(substr(tags[1], 6))] = 'x'
SELECT tags FROM $K.kept
-- the whole column by way of another row's
UPDATE $K.kept SET (card, at) = (SELECT substr(card, 5) || left(card, 4), 1)
SELECT card FROM $K.kept
UPDATE $K.kept SET (card, at) = (SELECT substr(card, 5) || left(card, 4), 1)
SELECT card FROM $K.kept
UPDATE $K.kept SET (card, at) = (SELECT substr(card, 5) || left(card, 4), 1)
SELECT card FROM $K.kept
UPDATE $K.kept SET (card, at) = (SELECT substr(card, 5) || left(card, 4), 1)
SELECT card FROM $K.kept
-- a card through a view of one's own
CREATE VIEW $K.v AS SELECT id, card FROM $K.kept
UPDATE $K.v SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.v
UPDATE $K.v SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.v
UPDATE $K.v SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.v
UPDATE $K.v SET card = substr(card, 5) || left(card, 4)
SELECT card FROM $K.v
-- a card that is prepared to be turned
PREPARE t AS UPDATE $K.kept SET card = substr(card, 5) || left(card, 4)
EXECUTE t
SELECT card FROM $K.kept
EXECUTE t
SELECT card FROM $K.kept
EXECUTE t
SELECT card FROM $K.kept
EXECUTE t
SELECT card FROM $K.kept
-- parts of a card by UNION of views
SELECT card FROM (SELECT id, card FROM $K.kept UNION ALL SELECT id, left(card, 4) FROM $K.kept UNION ALL SELECT id, left(card, 8) FROM $K.kept UNION ALL SELECT id, left(card, 12) FROM $K.kept UNION ALL SELECT id, card FROM $K.kept) q
-- a card through a column alias of a join with parts
SELECT k.card FROM $K.kept k JOIN LATERAL (SELECT left(k.card, n) AS card FROM generate_series(4, 16, 4) n) c ON true
SELECT c.card FROM $K.kept k JOIN LATERAL (SELECT left(k.card, n) AS card FROM generate_series(4, 16, 4) n) c ON true
-- a note whose number is cut in two by ||
UPDATE $K.kept SET note = note || ' x' || note
SELECT note FROM $K.kept
UPDATE $K.kept SET note = translate(note, '-', ' ') || ' '
SELECT note FROM $K.kept
-- a note through a view, cut by a cast
SELECT note::varchar(33), note::varchar(30) FROM $K.kept
SELECT n FROM (SELECT note::varchar(33) AS n FROM $K.kept) q
SELECT note FROM $K.kept
-- EXPLAIN of an unprotected table with a value of a protected one
EXPLAIN (VERBOSE, COSTS off) SELECT * FROM $K.kept WHERE secret = 'x'
EXPLAIN (VERBOSE) DELETE FROM clinic.departments WHERE name = (SELECT secret FROM $K.kept)
SELECT secret FROM $K.kept
