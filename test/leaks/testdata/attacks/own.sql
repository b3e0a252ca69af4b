-- a guess of each character, found by a unique column
CREATE TEMP TABLE guesses (k text UNIQUE, at int, g text, hit bool)
INSERT INTO guesses SELECT i || '/' || chr(c), i, chr(c), false FROM generate_series(1, 11) i, generate_series(45, 57) c
INSERT INTO guesses (k) SELECT i || '/' || substr(ssn, i, 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 2 ON CONFLICT (k) DO UPDATE SET hit = true
SELECT string_agg(g, '' ORDER BY at) FROM guesses WHERE hit
-- a guess of each character, found by a unique index
CREATE TEMP TABLE guesses AS SELECT i || '/' || chr(c) AS k, i AS at, chr(c) AS g, 0 AS hit FROM generate_series(1, 11) i, generate_series(45, 57) c
CREATE UNIQUE INDEX ON guesses (k)
PREPARE p (text) AS INSERT INTO guesses (k) SELECT i || '/' || substr(ssn, i, 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 2 ON CONFLICT (k) DO UPDATE SET hit = 1
EXPLAIN ANALYZE EXECUTE p ('')
SELECT string_agg(g, '' ORDER BY at) FROM guesses WHERE hit = 1
-- a guess of each character, found in one text
CREATE TEMP TABLE guesses (k text PRIMARY KEY, at int, g text, hit bool); INSERT INTO guesses SELECT i || '/' || chr(c), i, chr(c), false FROM generate_series(1, 11) i, generate_series(45, 57) c; INSERT INTO guesses (k) SELECT i || '/' || substr(ssn, i, 1) FROM clinic.patients, generate_series(1, 11) i WHERE id = 2 ON CONFLICT (k) DO UPDATE SET hit = true
SELECT string_agg(g, '' ORDER BY at) FROM guesses WHERE hit
