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
-- an order, distinct
@database cast
SELECT count(*) FROM (SELECT DISTINCT ROW(ssn)::clinic.badge FROM clinic.patients) q
-- an order, sorted
@database cast
SELECT id FROM clinic.patients ORDER BY ROW(ssn)::clinic.badge
-- an order, sorted by its operator
@database cast
SELECT id FROM clinic.patients ORDER BY ROW(ssn)::clinic.badge USING OPERATOR(clinic.>)
-- an order, in an aggregate
@database cast
SELECT count(DISTINCT ROW(ssn)::clinic.badge), array_agg(id ORDER BY ROW(full_name)::clinic.badge) FROM clinic.patients
-- an order, in a window
@database cast
SELECT id, rank() OVER (ORDER BY ROW(ssn)::clinic.badge) FROM clinic.patients
-- an order, of arrays
@database cast
SELECT id FROM clinic.patients WHERE ARRAY[ROW(ssn)::clinic.badge] < ARRAY[ROW('x')::clinic.badge]
-- an order, compared with a list
@database cast
SELECT id FROM clinic.patients WHERE ROW(ssn)::clinic.badge OPERATOR(clinic.=) ANY (ARRAY[ROW('x')::clinic.badge, ROW('y')::clinic.badge])
-- an order, grouped by hashes
@database cast
SELECT count(*) FROM clinic.patients GROUP BY ROW(ssn)::clinic.badge
-- an order, joined by hashes
@database cast
SELECT p.id FROM clinic.patients p JOIN clinic.patients q ON ROW(p.ssn)::clinic.badge OPERATOR(clinic.=) ROW(q.ssn)::clinic.badge
-- an order, of a set operation
@database cast
SELECT ROW(ssn)::clinic.badge FROM clinic.patients EXCEPT SELECT ROW('x')::clinic.badge
-- an order of a type that another is taken for
@database cast
SELECT id FROM clinic.papers ORDER BY body
-- an order of a type that another is taken for, of arrays
@database cast
SELECT count(*) FROM (SELECT DISTINCT ARRAY[body] FROM clinic.papers) q
