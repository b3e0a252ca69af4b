-- DELETE of every match
MERGE INTO clinic.victim v USING clinic.victim s ON v.id = s.id WHEN MATCHED THEN DELETE
-- UPDATE under a condition that is always true
MERGE INTO clinic.victim v USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET name = 'x'
-- a series that covers the table
MERGE INTO clinic.victim v USING generate_series(1, 1000) s ON v.id = s WHEN MATCHED THEN DELETE
-- a condition at WHEN that is always true
MERGE INTO clinic.victim v USING clinic.child c ON v.id = c.victim_id WHEN MATCHED AND v.id = v.id THEN DELETE
-- one bounded part and one that is not
MERGE INTO clinic.victim v USING clinic.child c ON v.id = c.victim_id WHEN MATCHED AND v.id = 1 THEN DO NOTHING WHEN MATCHED THEN DELETE
-- a writing function in INSERT
MERGE INTO clinic.loose l USING (VALUES (50)) s(id) ON l.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, clinic.wipe()::text)
