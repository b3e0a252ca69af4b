\set VERBOSITY verbose
\set SHOW_CONTEXT always
\pset null '¤'
\echo == introspection
\d
\d clinic.patients
\d+ clinic.visits
\dt+ clinic.*
\dn+
\df clinic.*
\dT+ clinic.*
\dv+ clinic.*
\di+ clinic.*
\dp clinic.patients
\du
\l+ template*
\dx
\sf clinic.shout
\sv clinic.busy
\dd
\echo == rows
SELECT id, name, ssn, card, active FROM clinic.patients ORDER BY id;
\pset null ''
\pset format unaligned
SELECT id, born FROM clinic.patients ORDER BY id;
\pset format aligned
\pset null '¤'
\x
SELECT * FROM clinic.kinds ORDER BY id;
\x
SELECT p.name, v.id, v.reason, p.ssn FROM clinic.patients p JOIN clinic.visits v ON v.patient_id = p.id ORDER BY v.id LIMIT 3;
\if :full
TABLE clinic.busy ORDER BY 1;
\endif
SELECT;
SELECT 1 AS a, 2 AS b \gset got_
\echo :got_a :got_b
SELECT 1 \; SELECT 2 \; SELECT 3 ;
\echo == arrays and json
SELECT ARRAY[1, NULL, 3] || 4 AS a, '{"a b","c,d",NULL}'::text[] AS t, ('{7,8,9}'::int[])[2:3] AS part, unnest(ARRAY['x', 'y']) AS u;
SELECT '{"k": [1, {"b": null}]}'::jsonb AS doc, '{"k": [1, 2]}'::jsonb -> 'k' ->> 1 AS two, '{"z":1, "a":2}'::json AS kept;
SELECT id, ia, ta, j, jb FROM clinic.kinds WHERE 3 = ANY (ia) OR jb ? 'k' ORDER BY id;
\echo == errors
SELECT nothing FROM clinic.visits;
SELECT 1/0;
\set VERBOSITY default
SELEC 1;
\set VERBOSITY verbose
\if :full
SELECT * FROM clinic.nowhere;
\endif
INSERT INTO clinic.visits (patient_id) VALUES (999);
SELECT 'abc'::int;
\errverbose
\echo :SQLSTATE :ERROR :ROW_COUNT
BEGIN;
INSERT INTO clinic.items VALUES (1, 'one', 1.10);
SAVEPOINT s;
SELECT 1/0;
SELECT 1;
ROLLBACK TO s;
INSERT INTO clinic.items VALUES (2, 'two', 2.20);
COMMIT;
SELECT * FROM clinic.items ORDER BY id;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 'still here';
COMMIT;
\set ON_ERROR_ROLLBACK off
\echo == variables, conditions, formats
\set who Ann
SELECT id FROM clinic.patients WHERE name = :'who';
SELECT EXISTS (SELECT 1 FROM clinic.items) AS have \gset
\if :have
\echo have items
\endif
\pset format csv
SELECT id, label, price FROM clinic.items ORDER BY id;
\pset format unaligned
\pset fieldsep '|'
SELECT id, ssn, card FROM clinic.patients ORDER BY id;
\pset format aligned
SELECT reason, patient_id, count(*) FROM clinic.visits WHERE id < 4 GROUP BY 1, 2 ORDER BY 1 \crosstabview
SELECT id, label, price AS p FROM clinic.items \gdesc
\timing off
\echo == copy
\copy clinic.items FROM stdin (FORMAT csv)
10,"ten, quoted",10.00
11,,11.00
\.
\copy (SELECT * FROM clinic.items ORDER BY id) TO stdout (FORMAT csv, HEADER)
\copy clinic.items TO 'items.txt'
TRUNCATE clinic.items;
\copy clinic.items FROM 'items.txt'
COPY clinic.items TO STDOUT;
COPY clinic.items FROM STDIN;
12	twelve	12
bad	line	x
\.
SELECT count(*) FROM clinic.items;
\echo == prepared, cursors
PREPARE q (int) AS SELECT name, ssn FROM clinic.patients WHERE id = $1;
EXECUTE q(2);
DEALLOCATE q;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, name, ssn FROM clinic.patients ORDER BY id;
FETCH 2 FROM c;
MOVE 1 IN c;
FETCH ALL FROM c;
FETCH BACKWARD 2 FROM c;
CLOSE c;
COMMIT;
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id, reason FROM clinic.visits ORDER BY id;
COMMIT;
FETCH 3 FROM h;
CLOSE h;
\set FETCH_COUNT 3
SELECT id, ssn FROM clinic.patients ORDER BY id;
SELECT id, reason FROM clinic.visits ORDER BY id;
\unset FETCH_COUNT
\echo == write
INSERT INTO clinic.visits (patient_id, reason) VALUES (1, 'x'), (2, 'y') RETURNING id, reason;
UPDATE clinic.visits SET reason = 'z' WHERE id = 1 RETURNING *;
DELETE FROM clinic.visits WHERE id = 2;
INSERT INTO clinic.items VALUES (20, 'twenty', 1) ON CONFLICT DO NOTHING;
MERGE INTO clinic.items i USING (VALUES (20, 'new')) v(id, label) ON i.id = v.id WHEN MATCHED THEN UPDATE SET label = v.label;
SHOW search_path;
SHOW client_encoding;
SET work_mem = '1MB';
SET TIME ZONE 'UTC';
\if :full
SELECT 'CREATE TABLE clinic.made' || i || ' (a int)' FROM generate_series(1, 2) i \gexec
EXPLAIN (COSTS off) SELECT 1;
CALL clinic.tidy();
CREATE TEMP TABLE mine AS SELECT id, reason FROM clinic.visits;
SELECT count(*) FROM mine;
SET search_path = clinic;
SELECT count(*) FROM patients;
SELECT shout('x');
DO $$ BEGIN RAISE WARNING 'careful' USING ERRCODE = '01234'; END $$;
SELECT lo_from_bytea(4242, 'large');
SELECT lo_get(4242);
\lo_list
SELECT lo_unlink(4242);
LISTEN a;
NOTIFY a, 'payload';
VACUUM visits;
ANALYZE visits;
DROP TABLE made1, made2;
\endif
