-- a shape that nothing protects
SELECT array_fill(0, ARRAY[floor]), CASE WHEN floor > 1 THEN 'up' END, jsonb_build_object(name, floor) FROM clinic.departments ORDER BY id
-- an unprotected column that is computed from itself
UPDATE clinic.rooms SET beds = CASE WHEN beds > 2 THEN beds - 1 ELSE beds END, label = left(label, 12) WHERE id = 1 RETURNING beds, label
UPDATE clinic.patients SET visits = visits + 1, city = initcap(city) WHERE id = 1
-- a free text that gets another sentence
UPDATE clinic.encounters SET note = note || ' Seen again.' WHERE id = 3
UPDATE clinic.encounters SET note = coalesce(note, '') || E'\nSigned.' WHERE id = 3
SELECT note FROM clinic.encounters WHERE id = 3
-- a protected column that is tidied up
UPDATE clinic.users SET email = lower(trim(email)) WHERE id = 1
UPDATE clinic.users SET email = coalesce(email, 'nobody') WHERE id = 2
-- a free text through a view and a sub-select
SELECT kind, note FROM (SELECT * FROM clinic.encounters) e WHERE id = 3
-- rows as JSON
@masked 2
SELECT id, row_to_json(p) FROM (SELECT id, full_name, alt_ids FROM clinic.patients) p ORDER BY id
