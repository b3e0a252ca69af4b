-- nothing at all
@empty
-- a comment
/* nothing */
-- a semicolon
;
-- a constant
SELECT 1
-- constants of many types
SELECT 1::int2, 2::int8, 3.5::float4, 4.25::float8, 5.125::numeric, 'x'::text, 'y'::char(3), 'z'::varchar(9), true, NULL::text, '2024-01-02'::date, '03:04'::time, '{1,2}'::int[], '{"a":[1,null]}'::jsonb, '\x00ff'::bytea, '10.0.0.1/8'::inet, '[1,5)'::int4range, '1 day'::interval
-- a whole table
SELECT * FROM clinic.departments ORDER BY id
-- a table of many types
SELECT * FROM clinic.inventory ORDER BY sku
-- an enum
SELECT id, status, status::text FROM clinic.rooms ORDER BY id
-- expressions
SELECT name || ' on floor ' || floor, budget * 2, opened + 1, upper(head), coalesce(head, 'none') FROM clinic.departments ORDER BY id
-- aggregates
SELECT count(*), sum(budget), avg(budget), min(name), max(opened), string_agg(name, ',' ORDER BY id), array_agg(floor ORDER BY id), json_agg(name ORDER BY id) FROM clinic.departments
-- GROUP BY
SELECT dept_id, count(*), sum(beds), bool_or(beds > 2) FROM clinic.rooms GROUP BY dept_id HAVING count(*) > 0 ORDER BY dept_id
-- a join
SELECT d.name, r.label, r.beds FROM clinic.departments d LEFT JOIN clinic.rooms r ON r.dept_id = d.id ORDER BY 1, 2
-- a window
SELECT name, rank() OVER (ORDER BY budget DESC), lag(name) OVER (ORDER BY id) FROM clinic.departments ORDER BY 1
-- a CTE
WITH big AS (SELECT * FROM clinic.departments WHERE budget > 500000) SELECT name, upper(name) FROM big ORDER BY 1
-- a recursive CTE
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n, n * n FROM t
-- a set operation
SELECT name FROM clinic.departments UNION SELECT label FROM clinic.rooms ORDER BY 1
-- a sub-select
SELECT name, (SELECT count(*) FROM clinic.rooms r WHERE r.dept_id = d.id) FROM clinic.departments d ORDER BY id
-- EXISTS and IN
SELECT name FROM clinic.departments d WHERE EXISTS (SELECT FROM clinic.rooms WHERE dept_id = d.id) AND id IN (1, 2) ORDER BY 1
-- LATERAL
SELECT d.name, x.label FROM clinic.departments d, LATERAL (SELECT label FROM clinic.rooms WHERE dept_id = d.id ORDER BY id LIMIT 1) x ORDER BY 1
-- JSON
SELECT attrs ->> 'size', attrs -> 'n' -> 1, jsonb_array_length(attrs -> 'n'), row_to_json(i) FROM clinic.inventory i ORDER BY sku
-- arrays
SELECT tags[1], unnest(tags), array_length(tags, 1) FROM clinic.inventory ORDER BY sku
-- a whole row
SELECT d, ROW(d.id, d.name) FROM clinic.departments d ORDER BY id
-- VALUES
VALUES (1, 'a'), (2, NULL)
-- TABLE
TABLE clinic.rooms
-- generate_series
SELECT n, n % 3 FROM generate_series(1, 20) n
-- two hundred columns
SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
-- many rows
SELECT n, repeat('x', 100) FROM generate_series(1, 3000) n
-- a long value
SELECT repeat('long ', 100000)
-- no rows
SELECT * FROM clinic.departments WHERE false
-- no columns
SELECT FROM clinic.departments
-- unprotected columns of a protected table
SELECT id, state, city, visits, created FROM clinic.patients ORDER BY id
-- unprotected columns of a child
SELECT id, vip_since, lounge FROM clinic.vip_patients
-- unprotected columns by a condition on them
SELECT id, city FROM clinic.patients WHERE state = 'OR' AND visits > 0
-- unprotected columns of a partitioned table
SELECT id, amount, status FROM clinic.claims ORDER BY id
-- protected columns beside others
@masked 2 3
SELECT id, ssn, full_name, city FROM clinic.patients ORDER BY id
-- a join with a protected table
@masked 2
SELECT p.id, p.full_name, d.name FROM clinic.patients p JOIN clinic.departments d ON d.id = p.id ORDER BY 1
-- quoted identifiers
@masked 2
SELECT "Id", "FullName", "Relation Kind" FROM clinic."PatientContacts" ORDER BY 1
-- every column of a table with protected ones
@masked 3 4 5
SELECT * FROM clinic.users ORDER BY id
-- unprotected columns of users
SELECT id, username, role, active FROM clinic.users ORDER BY id
-- free text
@masked 2
SELECT id, note, kind FROM clinic.encounters ORDER BY id
-- free text without anything in it
SELECT note FROM clinic.encounters WHERE id = 3
-- text without anything in it
SELECT body, lines, meta FROM clinic.messages WHERE id = 2
-- a CTE over unprotected columns of a protected table
WITH o AS (SELECT id, city FROM clinic.patients WHERE state = 'OR') SELECT city, id FROM o ORDER BY id
-- a function of the site that touches nothing
@only simple
SELECT random() < 2, now() IS NOT NULL, clock_timestamp() > '2000-01-01', gen_random_uuid() IS NOT NULL
-- expressions over unprotected columns of a protected table
SELECT upper(city), visits + 1, state || '-' || city FROM clinic.patients ORDER BY id
-- counting a protected table
SELECT count(*) FROM clinic.patients
-- counting by an unprotected column
SELECT state, count(*), max(visits) FROM clinic.patients GROUP BY state ORDER BY state
-- a sum over a join with a protected table
SELECT d.name, count(p.id) FROM clinic.departments d LEFT JOIN clinic.patients p ON p.id = d.id GROUP BY d.name ORDER BY 1
-- a window over unprotected columns of a protected table
SELECT city, row_number() OVER (ORDER BY id) FROM clinic.patients ORDER BY 2
-- a function that touches no protected column
SELECT clinic.add_tax(100), clinic.dept_name(1)
-- a view of unprotected data
SELECT * FROM clinic.dept_floors ORDER BY id
-- a materialized view of unprotected data
SELECT * FROM clinic.dept_cache ORDER BY id
-- a view over unprotected columns of a protected table
SELECT id, state, city FROM clinic.patient_states ORDER BY id
-- a view over protected data joined with an unprotected table
@masked 2 3
SELECT s.id, s.who, s.code, d.name FROM clinic.patient_summary s JOIN clinic.departments d ON d.id = s.id ORDER BY s.id
-- a view over protected data filtered and grouped by unprotected columns
SELECT state, count(*) FROM clinic.patient_summary WHERE id < 100 GROUP BY state HAVING count(*) >= 1 ORDER BY state
-- a materialized view over protected data joined by its key
@masked 1
SELECT n.label, s.city FROM clinic.name_cache n JOIN clinic.patient_states s USING (id) ORDER BY id
-- EXPLAIN of an unprotected table
EXPLAIN (COSTS off) SELECT * FROM clinic.departments WHERE id = 1
EXPLAIN (VERBOSE, COSTS off) SELECT d.name, count(*) FROM clinic.departments d JOIN clinic.rooms r ON r.dept_id = d.id WHERE r.beds > 1 GROUP BY d.name ORDER BY 1
EXPLAIN (FORMAT json, COSTS off) UPDATE clinic.rooms SET beds = 3 WHERE id = 1
-- a field of a row beside USING
SELECT id, (home).city, kind FROM clinic.patients JOIN clinic.encounters USING (id) ORDER BY 1
@masked 2
-- EXPLAIN as tools send it, each option named
EXPLAIN (FORMAT JSON, ANALYZE FALSE, VERBOSE FALSE, COSTS FALSE, BUFFERS FALSE, TIMING FALSE, SUMMARY FALSE, SETTINGS FALSE, WAL FALSE) SELECT * FROM clinic.departments WHERE id = 1
