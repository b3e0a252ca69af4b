-- the check of a domain
@database cast
SELECT 'x'::clinic.tagged
-- the check of a domain in an array
@database cast
SELECT '{x,y}'::clinic.tagged[]
-- the check of a domain in a row that is a constant
@database cast
SELECT '(x,1)'::clinic.tagged_pair
-- the check of a domain that fails, in an array
@database cast
SELECT '{x,no}'::clinic.tagged[], 1 / 0
-- the check of a domain in a row
@database cast
SELECT ROW('x', 1)::clinic.tagged_pair
-- the check of a domain, by JSON
@database cast
SELECT * FROM jsonb_populate_record(NULL::clinic.tagged_pair, '{"first_tag": "x"}')
-- the check of a domain, inserted
@database cast
INSERT INTO clinic.labels VALUES (1, 'x')
-- the check of a domain, copied in
@database cast
COPY clinic.labels FROM STDIN
@copy 2\tx\n
-- the check of a domain, of a parameter
@database cast
PREPARE p (clinic.tagged) AS SELECT $1
EXECUTE p ('x')
-- the policy of a table
@database cast
SET ROLE plain
SELECT n FROM clinic.guarded
-- the policy of a table, counted
@database cast
SET ROLE plain
SELECT count(*) FROM clinic.guarded
-- the policy of a table, copied out
@database cast
SET ROLE plain
COPY clinic.guarded TO STDOUT
-- the expression of an index, inserted
@database cast
INSERT INTO clinic.indexed VALUES (1, 1)
-- the expression of an index, planned
@database cast
EXPLAIN SELECT id FROM clinic.indexed WHERE clinic.folded(n) = clinic.folded(5)
-- the expression of an index, built again
@database cast
REINDEX TABLE clinic.indexed
-- a generated column, returned
@database cast
INSERT INTO clinic.made (id) VALUES (1) RETURNING shown
-- a generated column, read later
@database cast
INSERT INTO clinic.made (id) VALUES (2)
SELECT shown FROM clinic.made
