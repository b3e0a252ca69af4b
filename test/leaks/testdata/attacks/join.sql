-- inner join
SELECT d.name, p.full_name FROM clinic.departments d JOIN clinic.patients p ON p.id = d.id
-- USING merges columns
SELECT full_name FROM clinic.patients p JOIN (SELECT 'x' AS k) x ON true JOIN clinic.name_cache n USING (id)
-- a merged column that is protected
SELECT full_name FROM clinic.patients JOIN clinic.patients q USING (full_name)
-- a merged column of a full join
SELECT ssn FROM clinic.patients FULL JOIN (SELECT 'zz' AS ssn) x USING (ssn)
-- NATURAL JOIN
SELECT * FROM clinic.users NATURAL JOIN (SELECT 1 AS id) x
-- an alias of the join
SELECT j.* FROM (clinic.patients p CROSS JOIN clinic.rooms r) AS j
-- an alias of USING
SELECT u.ssn FROM clinic.patients JOIN clinic.patients q USING (ssn) AS u
-- LEFT JOIN on false
SELECT p.email FROM clinic.departments d LEFT JOIN clinic.patients p ON d.id = p.id
-- a self join with coalesce
SELECT coalesce(a.ssn, b.ssn) FROM clinic.patients a JOIN clinic.patients b ON a.id = b.id
-- RIGHT JOIN to a view
SELECT s.who FROM clinic.departments d RIGHT JOIN clinic.patient_summary s ON s.id = d.id
-- a comma
SELECT p.phone FROM clinic.rooms r, clinic.patients p WHERE p.id = r.id
