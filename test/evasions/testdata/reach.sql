-- through a view
DELETE FROM clinic.shown
-- through a view with a condition
UPDATE clinic.shown SET name = 'x' WHERE id = id
-- a join
DELETE FROM clinic.victim v USING clinic.child c WHERE v.id = c.victim_id
-- a join without a condition
UPDATE clinic.victim SET name = 'x' FROM clinic.loose l WHERE l.id = 1
-- a series
DELETE FROM clinic.victim v USING generate_series(1, 100) n WHERE v.id = n
-- VALUES of all keys that there may be
UPDATE clinic.victim v SET name = 'x' FROM (SELECT generate_series(1, 100) AS id) s WHERE s.id = v.id
-- an upsert of everything
INSERT INTO clinic.victim SELECT * FROM clinic.victim ON CONFLICT (id) DO UPDATE SET name = 'x'
-- an upsert of a series
INSERT INTO clinic.victim (id) SELECT generate_series(1, 100) ON CONFLICT (id) DO UPDATE SET name = 'x'
-- TRUNCATE that cascades
TRUNCATE clinic.victim CASCADE
-- a partition
DELETE FROM clinic.parted_1
-- the partitioned table
UPDATE clinic.parted SET name = 'x' WHERE true
-- a locking cursor over everything
BEGIN
DECLARE c CURSOR FOR SELECT clinic.wipe(id) FROM clinic.victim FOR UPDATE
MOVE ALL FROM c
COMMIT
-- a column goes
ALTER TABLE clinic.victim DROP COLUMN data
-- the schema goes
DROP SCHEMA clinic CASCADE
-- what an owner has goes
BEGIN; ALTER TABLE clinic.victim OWNER TO plain; DROP OWNED BY plain CASCADE; COMMIT
