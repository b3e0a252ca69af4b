-- a maximum up to it, by FILTER
SELECT max(n) FILTER (WHERE n <= ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a count up to it, by FILTER
SELECT count(*) FILTER (WHERE n <= ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a count of a CASE
SELECT count(CASE WHEN n <= ascii(substr(ssn, i, 1)) THEN n END) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a sum of a CASE
SELECT sum(CASE WHEN n <= ascii(substr(ssn, i, 1)) THEN 1 ELSE 0 END) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a sum of casts
SELECT sum((n <= ascii(substr(ssn, i, 1)))::int) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a count of values that differ
SELECT count(DISTINCT least(n, ascii(substr(ssn, i, 1)))) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- the first in an order
SELECT (array_agg(n ORDER BY n <= ascii(substr(ssn, i, 1)) DESC, n DESC))[1] FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a percentile in an order
SELECT percentile_disc(1) WITHIN GROUP (ORDER BY CASE WHEN n <= ascii(substr(ssn, i, 1)) THEN n END) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i ORDER BY i
-- a rank among others
SELECT rank(ascii(substr(ssn, i, 1))) WITHIN GROUP (ORDER BY n) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 GROUP BY i, ssn ORDER BY i
-- the rows of a function in a sub-select
SELECT (SELECT count(*) FROM generate_series(1, ascii(substr(ssn, i, 1)))) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- the rows of a function in FROM
SELECT count(*) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1 GROUP BY i ORDER BY i
-- the rows of a function in a list
SELECT count(*) FROM (SELECT i, generate_series(1, ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1) x GROUP BY i ORDER BY i
-- the rows of a function of an array
SELECT count(*) FROM clinic.patients, generate_series(1, 11) i, unnest(array_fill(1, ARRAY[ascii(substr(ssn, i, 1))])) WHERE id = 1 GROUP BY i ORDER BY i
-- the rows of XMLTABLE
SELECT count(*) FROM clinic.patients, generate_series(1, 11) i, XMLTABLE('/r/x' PASSING (('<r>' || repeat('<x/>', ascii(substr(ssn, i, 1))) || '</r>')::xml) COLUMNS a text PATH '.') WHERE id = 1 GROUP BY i ORDER BY i
-- how often a row comes, in a common table expression
WITH x AS (SELECT i FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1) SELECT count(*) FROM x GROUP BY i ORDER BY i
-- how many elements an aggregate has
SELECT cardinality(array_agg(1)) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WHERE id = 1 GROUP BY i ORDER BY i
-- an ordinality
SELECT max(o) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, ascii(substr(ssn, i, 1))) WITH ORDINALITY AS g (v, o) WHERE id = 1 GROUP BY i ORDER BY i
-- the partition of a window
SELECT DISTINCT ON (i) max(n) OVER (PARTITION BY i, n <= ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 ORDER BY i, n
-- the order of a window
SELECT DISTINCT ON (i) max(n) OVER (PARTITION BY i ORDER BY n > ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 ORDER BY i, n
-- the partition of a named window
SELECT DISTINCT ON (i) max(n) OVER w FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 WINDOW w AS (PARTITION BY i, n <= ascii(substr(ssn, i, 1))) ORDER BY i, n
-- the order of a window that goes on with another
SELECT DISTINCT ON (i) count(*) OVER (w ORDER BY n > ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 WINDOW w AS (PARTITION BY i) ORDER BY i, n
-- a window that goes on with another
SELECT DISTINCT ON (i) count(*) OVER (w ORDER BY 1) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 WINDOW w AS (PARTITION BY i, n <= ascii(substr(ssn, i, 1))) ORDER BY i, n
-- a rank in a window
SELECT DISTINCT ON (i) rank() OVER (PARTITION BY i ORDER BY n > ascii(substr(ssn, i, 1))) - 1 FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 ORDER BY i, n DESC
-- the filter of an aggregate as a window
SELECT DISTINCT ON (i) max(n) FILTER (WHERE n <= ascii(substr(ssn, i, 1))) OVER (PARTITION BY i) FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 ORDER BY i, n
-- a set-returning function in column notation
SELECT count(*) FROM (SELECT i, (x.a).unnest FROM clinic.patients, generate_series(1, 11) i, LATERAL (SELECT array_fill(1, ARRAY[ascii(substr(ssn, i, 1))]) AS a) x WHERE id = 1) y GROUP BY i ORDER BY i
-- the frame of a window
SELECT max(c1) - 1, max(c2) - 1, max(c3) - 1, max(c4) - 1, max(c5) - 1, max(c6) - 1, max(c7) - 1, max(c8) - 1, max(c9) - 1, max(c10) - 1, max(c11) - 1 FROM (SELECT count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 1, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c1, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 2, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c2, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 3, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c3, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 4, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c4, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 5, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c5, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 6, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c6, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 7, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c7, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 8, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c8, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 9, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c9, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 10, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c10, count(*) OVER (ORDER BY n ROWS (SELECT ascii(substr(ssn, 11, 1)) FROM clinic.patients WHERE id = 1) PRECEDING) AS c11 FROM generate_series(1, 127) n) x
-- LIMIT of a sub-select
SELECT (SELECT max(g) FROM (SELECT g FROM generate_series(1, 127) g ORDER BY g LIMIT ascii(substr(ssn, i, 1))) x) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- OFFSET of a sub-select
SELECT (SELECT g FROM generate_series(0, 127) g ORDER BY g OFFSET ascii(substr(ssn, i, 1)) LIMIT 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- WHERE of a sub-select
SELECT (SELECT g FROM generate_series(0, 127) g WHERE g = ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- ORDER BY of a sub-select
SELECT (SELECT g FROM generate_series(0, 127) g ORDER BY g <> ascii(substr(ssn, i, 1)) LIMIT 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- HAVING of a sub-select
SELECT (SELECT g FROM generate_series(0, 127) g GROUP BY g HAVING g = ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- a join of a sub-select
SELECT (SELECT a.g FROM generate_series(0, 127) a(g) JOIN generate_series(0, 127) b(g) ON a.g = ascii(substr(ssn, i, 1)) AND b.g = 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- USING of a sub-select
SELECT (SELECT b.v FROM (SELECT ascii(substr(ssn, i, 1)) AS g) a JOIN (SELECT g, g AS v FROM generate_series(0, 127) g) b USING (g)) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- INTERSECT in a sub-select
SELECT (SELECT g FROM generate_series(0, 127) g INTERSECT SELECT ascii(substr(ssn, i, 1))) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- EXCEPT in a sub-select
SELECT (SELECT g FROM generate_series(ascii(substr(ssn, i, 1)), ascii(substr(ssn, i, 1)) + 1) g EXCEPT SELECT ascii(substr(ssn, i, 1)) + 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- DISTINCT ON in a sub-select
SELECT (SELECT DISTINCT ON (g > ascii(substr(ssn, i, 1))) g FROM generate_series(0, 127) g ORDER BY g > ascii(substr(ssn, i, 1)), g DESC LIMIT 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- ARRAY of a sub-select with a condition
SELECT (ARRAY(SELECT g FROM generate_series(0, 127) g WHERE g = ascii(substr(ssn, i, 1))))[1] FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- a subscript
SELECT (ARRAY(SELECT g FROM generate_series(1, 127) g))[ascii(substr(ssn, i, 1))] FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- the ends of a slice
SELECT cardinality((ARRAY(SELECT g FROM generate_series(1, 127) g))[1:ascii(substr(ssn, i, 1))]) FROM clinic.patients, generate_series(1, 11) i WHERE id = 1 ORDER BY i
-- a simple CASE
@only simple
SELECT CASE n WHEN ascii(substr(ssn, i, 1)) THEN n END FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 ORDER BY i, n
-- the argument of a CASE
@only simple
SELECT CASE ascii(substr(ssn, i, 1)) WHEN n THEN n END FROM clinic.patients, generate_series(1, 11) i, generate_series(1, 127) n WHERE id = 1 ORDER BY i, n
