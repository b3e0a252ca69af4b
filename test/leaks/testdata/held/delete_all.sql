-- no condition, or one that is always true
DELETE FROM clinic.rooms
DELETE FROM clinic.rooms WHERE true
DELETE FROM clinic.rooms WHERE 1 = 1
DELETE FROM clinic.rooms WHERE id = id
DELETE FROM clinic.rooms WHERE id = 1 OR true
DELETE FROM clinic.rooms WHERE NOT false
DELETE FROM clinic.rooms WHERE id IS NOT NULL
DELETE FROM clinic.rooms WHERE label LIKE '%' COLLATE "C"
DELETE FROM clinic.rooms WHERE label >= '' COLLATE "C"
DELETE FROM clinic.rooms WHERE label LIKE (ARRAY['%'])[1]
-- what reaches every row
DELETE FROM clinic.rooms r USING clinic.rooms o WHERE r.id = o.id
DELETE FROM clinic.rooms WHERE id IN (SELECT id FROM clinic.rooms)
DELETE FROM clinic.rooms r WHERE EXISTS (SELECT 1 FROM clinic.departments)
WITH gone AS (DELETE FROM clinic.rooms RETURNING 1) SELECT count(*) FROM gone
