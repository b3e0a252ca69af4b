-- INSERT
INSERT INTO clinic.departments VALUES (10, 'Neurology', 4, 10.5, '2020-01-01', NULL)
-- INSERT RETURNING
INSERT INTO clinic.departments (id, name, floor) VALUES (11, 'Pediatrics', 1), (12, 'Surgery', 2) RETURNING id, name, floor
-- UPDATE
UPDATE clinic.departments SET head = 'Dr. N' WHERE id = 10
-- UPDATE RETURNING
UPDATE clinic.departments SET floor = floor + 1 WHERE id = 11 RETURNING *
-- UPDATE by an expression
UPDATE clinic.inventory SET qty = qty - 1, tags = array_append(tags, 'x') WHERE sku = 'G-1' RETURNING qty, tags
-- DELETE
DELETE FROM clinic.departments WHERE id = 12
-- DELETE RETURNING
DELETE FROM clinic.departments WHERE id = 11 RETURNING name
-- ON CONFLICT
INSERT INTO clinic.departments (id, name) VALUES (10, 'Neuro') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name RETURNING name
-- ON CONFLICT DO NOTHING
INSERT INTO clinic.departments (id, name) VALUES (1, 'x') ON CONFLICT DO NOTHING
-- INSERT SELECT of unprotected data
INSERT INTO clinic.rooms (id, dept_id, label) SELECT id + 100, id, 'N-' || id FROM clinic.departments WHERE id <= 3
-- a data-modifying CTE
WITH d AS (DELETE FROM clinic.rooms WHERE id > 100 RETURNING id) SELECT count(*) FROM d
-- UPDATE of an unprotected column of a protected table
UPDATE clinic.patients SET city = 'Astoria' WHERE id = 2
-- UPDATE of a protected column with a constant
UPDATE clinic.patients SET phone = NULL WHERE id = 2
-- DELETE from a protected table
DELETE FROM clinic.patients WHERE id = 900
-- a transaction
BEGIN
INSERT INTO clinic.rooms (id, label) VALUES (50, 'tmp')
SELECT label FROM clinic.rooms WHERE id = 50
ROLLBACK
SELECT count(*) FROM clinic.rooms WHERE id = 50
-- savepoints
BEGIN
SAVEPOINT a
INSERT INTO clinic.rooms (id, label) VALUES (1, 'dup')
ROLLBACK TO a
RELEASE a
COMMIT
-- isolation levels
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE
SELECT id FROM clinic.departments ORDER BY id
COMMIT
-- a read-only transaction refuses
BEGIN READ ONLY
UPDATE clinic.departments SET floor = 1 WHERE id = 1
ROLLBACK
-- a sequence
SELECT nextval('clinic.ticket_seq'), currval('clinic.ticket_seq')
-- several statements in one message
@only simple
SELECT 1; UPDATE clinic.departments SET head = 'Dr. Z' WHERE id = 1; SELECT head FROM clinic.departments WHERE id = 1
-- an implicit transaction that fails
@only simple
INSERT INTO clinic.rooms (id, label) VALUES (60, 'a'); SELECT 1/0; SELECT 2
SELECT count(*) FROM clinic.rooms WHERE id = 60
-- MERGE of unprotected data
MERGE INTO clinic.rooms r USING (VALUES (1, 'R-1'), (70, 'R-70')) v(id, label) ON r.id = v.id WHEN MATCHED THEN UPDATE SET beds = 3 WHEN NOT MATCHED THEN INSERT (id, label) VALUES (v.id, v.label)
-- COPY out
@only simple
COPY clinic.departments TO STDOUT
-- COPY out of a query
@only simple
COPY (SELECT id, name FROM clinic.departments ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)
-- COPY out of the open columns of a protected table
@only simple
COPY clinic.patients (id, state, visits) TO STDOUT
-- COPY out of a query on a protected table
@only simple
COPY (SELECT state, count(*) FROM clinic.patients GROUP BY state ORDER BY state) TO STDOUT WITH (FORMAT csv, HEADER)
-- COPY in
@copy 80\t1\tC-80\t2\tdone\n81\t1\tC-81\t\N\t\N\n
@only simple
COPY clinic.rooms FROM STDIN
-- COPY in that fails
@copy 82\tx\n
@only simple
COPY clinic.rooms (id, dept_id) FROM STDIN
-- COPY into a protected table
@copy 901\tOR\tSomebody Else\n
@only simple
COPY clinic.patients (id, state, full_name) FROM STDIN
-- INSERT into a protected table
BEGIN
INSERT INTO clinic.patients (id, full_name, ssn, state) VALUES (990, 'New Person', '900-00-0001', 'WA')
INSERT INTO clinic.patients (id, state) VALUES (991, 'WA') RETURNING id, state
ROLLBACK
-- COPY out in binary
@only simple
COPY clinic.rooms (id, label, beds) TO STDOUT WITH (FORMAT binary)

-- COPY of a whole table out in binary, without a row too
@only simple
COPY clinic.rooms TO STDOUT WITH (FORMAT binary)
BEGIN
DELETE FROM clinic.rooms WHERE id > 0
COPY clinic.rooms TO STDOUT BINARY
ROLLBACK
