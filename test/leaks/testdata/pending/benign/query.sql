-- a view of unprotected data
SELECT * FROM clinic.dept_floors ORDER BY id
-- a materialized view of unprotected data
SELECT * FROM clinic.dept_cache ORDER BY id
-- a view over unprotected columns of a protected table
SELECT id, state, city FROM clinic.patient_states ORDER BY id
-- EXPLAIN of an unprotected table
EXPLAIN (COSTS off) SELECT * FROM clinic.departments WHERE id = 1
