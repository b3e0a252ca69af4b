\set id random(1, 4)
\startpipeline
SELECT name, ssn FROM clinic.patients WHERE id = :id;
BEGIN;
INSERT INTO clinic.items VALUES (:id, 'pipe', 1);
SELECT reason FROM clinic.visits WHERE patient_id = :id;
COMMIT;
\endpipeline
