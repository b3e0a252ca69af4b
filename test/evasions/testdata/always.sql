-- true
DELETE FROM clinic.victim WHERE true
-- 1 = 1
DELETE FROM clinic.victim WHERE 1 = 1
-- a column and itself
DELETE FROM clinic.victim WHERE id = id
-- a column and itself by another name
DELETE FROM clinic.victim v WHERE v.id = id
-- OR true
DELETE FROM clinic.victim WHERE id = 1 OR true
-- not false
DELETE FROM clinic.victim WHERE NOT false
-- NOT NULL
DELETE FROM clinic.victim WHERE id IS NOT NULL
-- NULL-safe
DELETE FROM clinic.victim WHERE id IS NOT DISTINCT FROM id
-- both halves
DELETE FROM clinic.victim WHERE id < 5 OR id >= 5
-- both halves in IN
DELETE FROM clinic.victim WHERE id IN (1) OR id NOT IN (1)
-- a condition and its opposite
DELETE FROM clinic.victim WHERE active OR NOT active
-- a condition, its opposite, and NULL
DELETE FROM clinic.victim WHERE (name = 'a') IS NOT NULL
-- LIKE everything
DELETE FROM clinic.victim WHERE name LIKE '%'
-- LIKE everything, twice
DELETE FROM clinic.victim WHERE name LIKE '%%%'
-- SIMILAR TO everything
DELETE FROM clinic.victim WHERE name SIMILAR TO '%'
-- every pattern
DELETE FROM clinic.victim WHERE name ~ '.*'
-- the empty pattern
DELETE FROM clinic.victim WHERE name ~* ''
-- a prefix of nothing
DELETE FROM clinic.victim WHERE starts_with(name, '')
-- the empty JSON
DELETE FROM clinic.victim WHERE data @> '{}'
-- the empty array
DELETE FROM clinic.victim WHERE tags @> '{}'
-- ALL of nothing
DELETE FROM clinic.victim WHERE id <> ALL ('{}'::int[])
-- a sum that cancels
DELETE FROM clinic.victim WHERE id - id = 0
-- a product that is nothing
DELETE FROM clinic.victim WHERE id * 0 = 0
-- a length
DELETE FROM clinic.victim WHERE length(name) >= 0
-- coalesce
DELETE FROM clinic.victim WHERE coalesce(active, true) OR id > 0
-- CASE
DELETE FROM clinic.victim WHERE CASE WHEN id = 1 THEN true ELSE true END
-- BETWEEN itself
DELETE FROM clinic.victim WHERE id BETWEEN id AND id
-- rows
DELETE FROM clinic.victim WHERE (id, name) = (id, name)
-- the whole row
DELETE FROM clinic.victim WHERE victim IS NOT NULL
-- the table that it is in
DELETE FROM clinic.victim WHERE tableoid = 'clinic.victim'::regclass
-- a place of the row
DELETE FROM clinic.victim WHERE ctid IS NOT NULL
-- the clock
DELETE FROM clinic.victim WHERE now() > '2000-01-01'
-- chance
DELETE FROM clinic.victim WHERE random() >= 0
-- who one is
DELETE FROM clinic.victim WHERE current_user = current_user
-- a subselect of everything
DELETE FROM clinic.victim WHERE id IN (SELECT id FROM clinic.victim)
-- an array of everything
DELETE FROM clinic.victim WHERE id = ANY (ARRAY(SELECT id FROM clinic.victim))
-- EXISTS
DELETE FROM clinic.victim WHERE EXISTS (SELECT 1)
-- EXISTS of itself
DELETE FROM clinic.victim v WHERE EXISTS (SELECT 1 FROM clinic.victim w WHERE w.id = v.id)
-- at least the least
DELETE FROM clinic.victim WHERE id >= (SELECT min(id) FROM clinic.victim)
-- an UPDATE
UPDATE clinic.victim SET name = 'x' WHERE 'a' = 'a'
-- an enum from its first value on
DELETE FROM clinic.victim WHERE mood >= 'Calm down'
-- an enum up to its last value
DELETE FROM clinic.victim WHERE 'upset'::clinic.mood >= mood
-- an enum not before its first value
DELETE FROM clinic.victim WHERE NOT mood < 'Calm down'
-- an enum between its ends
DELETE FROM clinic.victim WHERE mood BETWEEN 'Calm down' AND 'upset'
-- an enum from its first value on, as a function gives it
DELETE FROM clinic.victim WHERE mood >= enum_first(NULL::clinic.mood)
-- one of all values of an enum
DELETE FROM clinic.victim WHERE mood = ANY (enum_range(NULL::clinic.mood))
-- an enum from its first value on, as a parameter
PREPARE p AS DELETE FROM clinic.victim WHERE mood >= $1
EXECUTE p ('Calm down')
