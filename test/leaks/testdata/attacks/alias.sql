-- a column by another name
SELECT ssn AS harmless FROM clinic.patients
-- the names of columns that are not protected
SELECT full_name AS city, ssn AS state FROM clinic.patients
-- names of columns given to a table
SELECT t.d FROM clinic.users AS t(a, b, c, d)
-- no AS
SELECT password_hash "id" FROM clinic.users u
-- a quoted table and quoted columns
SELECT "Ssn", "E-Mail" AS x, "FullName" FROM clinic."PatientContacts"
-- the star
SELECT * FROM clinic.patients
-- the star of an alias
SELECT p.id, p.* FROM clinic.patients p
-- TABLE
TABLE clinic.users
-- a child of the table
SELECT ssn AS s, full_name FROM clinic.vip_patients
-- the parent shows rows of the child
SELECT ssn FROM clinic.patients WHERE id = 101
-- ONLY
SELECT email FROM ONLY clinic.patients
-- the same name in another schema
SELECT mrn, phone FROM archive.patients
-- an unqualified name by the search_path
SET search_path = archive, clinic
SELECT full_name FROM patients
-- a partition
SELECT member_ssn AS status FROM clinic.claims_2024
-- a partition of a partition
SELECT member_ssn FROM clinic.claims_2025_open
-- a partition in another schema
SELECT * FROM archive.claims_rest
-- a sample
SELECT full_name FROM clinic.patients TABLESAMPLE SYSTEM (100)
-- function notation for a column
SELECT ssn(p) FROM clinic.patients p
-- a system column beside it
SELECT ctid, tableoid, ssn FROM clinic.patients
-- a type's name as alias
SELECT c1 AS "int4", c2 AS "null" FROM clinic.kv_store
-- an empty-looking alias
SELECT c3 AS " " FROM clinic.kv_store
-- a date in every style
SET DateStyle = 'SQL, DMY'
SELECT dob FROM clinic.patients
-- a date as it is
SELECT dob, dob::timestamp FROM clinic.patients
-- bytea in the escape format
SET bytea_output = 'escape'
SELECT scan FROM clinic.patients
-- bytea as it is
SELECT scan FROM clinic.patients
