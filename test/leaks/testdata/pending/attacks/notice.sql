-- DO that renames a column to a value
DO $$ BEGIN EXECUTE format('ALTER TABLE $V.scratch RENAME COLUMN code TO %I', (SELECT secret FROM $V.victim WHERE id = 2)); END $$
SELECT * FROM $V.scratch
