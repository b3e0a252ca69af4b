-- no condition, or one that is always true
UPDATE clinic.rooms SET beds = 0
UPDATE clinic.rooms SET beds = 0 WHERE true
UPDATE clinic.rooms SET beds = 0 WHERE 'a' = 'a'
UPDATE clinic.rooms SET beds = 0 WHERE id IN (SELECT id FROM clinic.rooms)
UPDATE clinic.rooms r SET beds = 0 FROM clinic.rooms o WHERE r.id = o.id
-- MERGE and upsert
MERGE INTO clinic.rooms r USING clinic.departments d ON true WHEN MATCHED THEN UPDATE SET beds = 0
MERGE INTO clinic.rooms r USING clinic.rooms o ON r.id = o.id WHEN MATCHED THEN DELETE
INSERT INTO clinic.rooms (id, label) SELECT id, label FROM clinic.rooms ON CONFLICT (id) DO UPDATE SET beds = 0
