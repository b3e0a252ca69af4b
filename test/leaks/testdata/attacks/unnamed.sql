-- the negator of an operator
SELECT id FROM clinic.rooms WHERE NOT (id OPERATOR(clinic.@=) 2)
-- the negator of an operator, of a list
SELECT id FROM clinic.rooms WHERE NOT (id OPERATOR(clinic.@=) ANY (ARRAY[2, 3]))
-- the negator of an operator, in CASE
SELECT CASE WHEN NOT (id OPERATOR(clinic.@=) 2) THEN 1 END FROM clinic.rooms
-- the negator of an operator, in a view
SELECT * FROM clinic.other_rooms
-- the negator of an operator, deleted by
DELETE FROM $V.scratch WHERE NOT (id OPERATOR(clinic.@=) 2)
