-- a column with its schema
SELECT clinic.patients.full_name || '.' FROM clinic.patients
-- an alias of a join
SELECT j.full_name || '.' FROM (clinic.patients p CROSS JOIN (SELECT 1 AS one) d) AS j
-- an alias of a join, with names
SELECT j.id || '.' FROM (clinic.member_directory m CROSS JOIN (SELECT 1 AS one) d) AS j (full_name, id)
-- a merged column
SELECT full_name || '.' FROM clinic.patients JOIN clinic.patients q USING (full_name)
-- a merged column whose left side is protected
SELECT s || '.' FROM (SELECT full_name AS s FROM clinic.patients) a FULL JOIN (SELECT 'zz' AS s) b USING (s)
-- a merged column whose right side is protected
SELECT s || '.' FROM (SELECT 'zz' AS s) a FULL JOIN (SELECT full_name AS s FROM clinic.patients) b USING (s)
-- an alias of USING
SELECT u.full_name || '.' FROM clinic.patients JOIN clinic.patients q USING (full_name) AS u
-- NATURAL JOIN
SELECT password_hash || '.' FROM clinic.users NATURAL JOIN (SELECT id, password_hash FROM clinic.users) x
-- NATURAL JOIN with what has no names
SELECT password_hash || '.' FROM (SELECT (u).* FROM clinic.users u) x NATURAL JOIN (SELECT id FROM clinic.users) y
-- names of a table
SELECT t.id || '.' FROM clinic.patients AS t (full_name, mrn, id)
-- names of a sub-select
SELECT t.id || '.' FROM (SELECT id, full_name FROM clinic.patients) t (full_name, id)
-- names of VALUES
SELECT v.a || '.' FROM (VALUES ((SELECT max(full_name) FROM clinic.patients), 1)) v (a)
-- the last row of VALUES
SELECT v.a || '.' FROM (VALUES ('x'), ((SELECT max(full_name) FROM clinic.patients))) v (a)
-- the first row of VALUES
SELECT v.a || '.' FROM (VALUES ((SELECT max(full_name) FROM clinic.patients)), ('x')) v (a)
-- the star in a sub-select
SELECT full_name || '.' FROM (SELECT * FROM clinic.patients) x
-- the star of an alias in a sub-select
SELECT x.full_name || '.' FROM (SELECT 1 AS one, p.* FROM clinic.departments d, clinic.patients p) x
-- the star of a composite in a sub-select
SELECT y.street || '.' FROM (SELECT (home).* FROM clinic.patients) y
-- the left side of a UNION
SELECT a || '.' FROM (SELECT full_name AS a FROM clinic.patients UNION ALL SELECT name FROM clinic.departments) x
-- the right side of a UNION
SELECT a || '.' FROM (SELECT name AS a FROM clinic.departments UNION ALL SELECT full_name FROM clinic.patients) x
-- the left side of an INTERSECT
SELECT a || '.' FROM (SELECT full_name AS a FROM clinic.patients INTERSECT SELECT label FROM clinic.name_cache) x
-- the left side of an EXCEPT
SELECT a || '.' FROM (SELECT full_name AS a FROM clinic.patients EXCEPT SELECT name FROM clinic.departments) x
-- a side of a UNION with other names
SELECT a || '.' FROM (SELECT (r.x).* FROM (SELECT ROW('x', 'y', 'z')::clinic.address_t AS x) r UNION ALL SELECT 'x', full_name, 'y' FROM clinic.patients) x (b, a, c)
-- an outer column
SELECT (SELECT full_name || '.') FROM clinic.patients
-- an outer column of an alias
SELECT (SELECT p.full_name || '.') FROM clinic.patients p
-- an outer row
SELECT (SELECT p::text || '.') FROM clinic.patients p
-- a function in column notation
SELECT p.row_to_json::text || '.' FROM clinic.patients p
-- a function of a row in parentheses
SELECT (p).row_to_json::text || '.' FROM clinic.patients p
-- an aggregate in column notation
SELECT p.json_agg::text || '.' FROM clinic.patients p
-- columns that are defined
SELECT x.full_name || '.' FROM clinic.patients p, json_to_record(row_to_json(p)) AS x (full_name text)
-- columns that are defined in ROWS FROM
SELECT x.full_name || '.' FROM clinic.patients p, ROWS FROM (json_to_record(row_to_json(p)) AS (full_name text)) x
-- the generated column
SELECT reverse(search_key) FROM clinic.patients
-- a partition
SELECT replace(member_ssn, '-', '') FROM clinic.claims_2024
-- what is partitioned
SELECT replace(member_ssn, '-', '') FROM clinic.claims
-- a child
SELECT v.full_name || '.' FROM clinic.vip_patients v
-- a sample
SELECT full_name || '.' FROM clinic.patients TABLESAMPLE SYSTEM (100)
-- arguments by name
SELECT jsonb_path_query_first(target => profile, path => '$.allergy') FROM clinic.patients
-- XMLSERIALIZE
SELECT xmlserialize(CONTENT xmlelement(name r, full_name) AS text) FROM clinic.patients
-- an attribute of XML
SELECT xmlelement(name r, xmlattributes(full_name AS a)) FROM clinic.patients
-- XMLCONCAT
SELECT xmlconcat(xmlelement(name r), xmlelement(name s, full_name)) FROM clinic.patients
-- XMLPI
SELECT xmlpi(name php, full_name) FROM clinic.patients
-- XMLROOT
SELECT xmlroot(xmlelement(name r, full_name), version '1.0', standalone yes) FROM clinic.patients
-- XMLPARSE
SELECT xmlparse(CONTENT '<r>' || full_name || '</r>') FROM clinic.patients
-- a column of XMLTABLE
SELECT x.a || '.' FROM clinic.patients p, XMLTABLE('/r' PASSING xmlelement(name r, p.full_name) COLUMNS a text PATH '.') x
-- a default of XMLTABLE
SELECT x.a || '.' FROM clinic.patients p, XMLTABLE('/r' PASSING '<r/>' COLUMNS a text PATH 'b' DEFAULT p.full_name) x
-- a path of XMLTABLE
SELECT x.a || '.' FROM clinic.patients p, XMLTABLE('/r' PASSING '<r/>' COLUMNS a text PATH ('concat("", "' || p.full_name || '")')) x
-- a row of XMLTABLE
SELECT x.a || '.' FROM clinic.patients p, XMLTABLE('/r' PASSING '<r/>' COLUMNS n FOR ORDINALITY, a text PATH ('"' || p.full_name || '"')) x
-- CYCLE
WITH RECURSIVE x (id, s) AS (SELECT id, full_name FROM clinic.patients UNION ALL SELECT id, s FROM x WHERE false) CYCLE s SET c USING path SELECT path::text || '.' FROM x
-- SEARCH
WITH RECURSIVE x (id, s) AS (SELECT id, full_name FROM clinic.patients UNION ALL SELECT id, s FROM x WHERE false) SEARCH BREADTH FIRST BY s SET o SELECT o::text || '.' FROM x
-- the second branch of a recursion
WITH RECURSIVE x (n, t) AS (SELECT 1, '' UNION ALL SELECT n + 1, (SELECT max(full_name) FROM clinic.patients p WHERE p.id = n) FROM x WHERE n < 4) SELECT t || '.' FROM x
-- the third step of a recursion
WITH RECURSIVE x (n, a, b, c) AS (SELECT 1, (SELECT max(full_name) FROM clinic.patients), '', '' UNION ALL SELECT n + 1, '', a, b FROM x WHERE n < 3) SELECT c || '.' FROM x
-- names of a common table expression
WITH x (city) AS (SELECT full_name FROM clinic.patients) SELECT city || '.' FROM x
-- a key of what is assigned
UPDATE $V.scratch SET doc[(SELECT secret FROM $V.victim WHERE id = 2)] = '1' WHERE id = 1 RETURNING doc
-- an element that is assigned
UPDATE $V.scratch SET doc['a'] = (SELECT to_jsonb(secret) FROM $V.victim WHERE id = 2) WHERE id = 1 RETURNING doc
-- EXCLUDED
INSERT INTO $V.scratch (id, code) SELECT 1, secret FROM $V.victim WHERE id = 2 ON CONFLICT (id) DO UPDATE SET code = EXCLUDED.code || '.' RETURNING code
-- rows of an array in FROM, with names
SELECT q.a || '.' FROM (SELECT array_agg(p ORDER BY p.id) AS r FROM clinic.patients p) x, unnest(x.r) WITH ORDINALITY AS q (id, mrn, a)
