-- EXPLAIN of an unprotected table
EXPLAIN (COSTS off) SELECT * FROM clinic.departments WHERE id = 1
