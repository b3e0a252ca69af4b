-- DELETE
WITH d AS (DELETE FROM clinic.victim RETURNING *) SELECT count(*) FROM d
-- DELETE that nobody reads
WITH d AS (DELETE FROM clinic.victim) SELECT 1
-- UPDATE
WITH u AS (UPDATE clinic.victim SET name = 'x' RETURNING id) SELECT * FROM u LIMIT 1
-- beside a bounded one
WITH a AS (DELETE FROM clinic.victim WHERE id = 1 RETURNING id), b AS (DELETE FROM clinic.victim WHERE true) SELECT * FROM a
-- before an INSERT
WITH d AS (DELETE FROM clinic.victim RETURNING id) INSERT INTO clinic.loose SELECT 1000 + id, 'x' FROM d
-- before a bounded UPDATE
WITH d AS (DELETE FROM clinic.victim) UPDATE clinic.loose SET note = 'x' WHERE id = 1
-- of the name of another table
WITH loose AS (DELETE FROM clinic.victim RETURNING id) SELECT * FROM loose
-- MATERIALIZED
WITH d AS MATERIALIZED (DELETE FROM clinic.victim RETURNING id) TABLE d
-- in a text of VALUES
WITH d AS (DELETE FROM clinic.victim RETURNING id) VALUES (1)
-- in a cursor's place: COPY
COPY (WITH d AS (DELETE FROM clinic.victim RETURNING id) SELECT * FROM d) TO STDOUT
-- the condition comes out of the CTE
WITH all_of_them AS (SELECT id FROM clinic.victim) DELETE FROM clinic.victim v USING all_of_them a WHERE v.id = a.id
-- INSERT that overwrites
WITH i AS (INSERT INTO clinic.victim SELECT * FROM clinic.victim ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING id) SELECT * FROM i
