-- a table
COPY clinic.patients TO STDOUT
-- columns
COPY clinic.patients (id, ssn) TO STDOUT
-- a query
COPY (SELECT full_name AS city FROM clinic.patients) TO STDOUT
-- CSV
COPY (SELECT reverse(ssn) FROM clinic.patients) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *)
-- BINARY
COPY clinic.users TO STDOUT WITH (FORMAT binary)
-- a view by a query
COPY (SELECT * FROM clinic.contact_cards) TO STDOUT
-- a materialized view by a query
COPY (TABLE clinic.name_cache) TO STDOUT
-- a child
COPY clinic.vip_patients TO STDOUT
-- a partition
COPY clinic.claims_2024 (member_ssn) TO STDOUT
-- a query that writes
COPY (UPDATE $V.victim SET code = 'x' WHERE id = 2 RETURNING secret) TO STDOUT
-- a delimiter between the characters
COPY (SELECT regexp_split_to_table(ssn, '') FROM clinic.patients WHERE id = 1) TO STDOUT
-- a free text
COPY clinic.encounters TO STDOUT
-- beside another statement
SELECT 1; COPY (SELECT email FROM clinic.users) TO STDOUT; SELECT 2
-- a function
COPY (SELECT clinic.patient_ssn(1)) TO STDOUT
-- a temporary table
CREATE TEMP TABLE t AS SELECT full_name AS a FROM clinic.patients
COPY t TO STDOUT
-- a text that nobody declared
COPY clinic.messages TO STDOUT
-- a text that nobody declared, in CSV
COPY (SELECT body FROM clinic.messages) TO STDOUT WITH (FORMAT csv)
-- a text that nobody declared, in binary
COPY clinic.messages (body) TO STDOUT WITH (FORMAT binary)
-- a table with texts that nobody declared, in binary
COPY clinic.messages TO STDOUT WITH (FORMAT binary)
-- a table with texts that nobody declared, its columns the other way round, in binary
BEGIN
ALTER TABLE clinic.messages ALTER id TYPE text USING body, ALTER body TYPE text USING 'x'
COPY clinic.messages TO STDOUT WITH (FORMAT binary)
ROLLBACK
-- one column among others
COPY clinic.patients (id, state, mrn) TO STDOUT
-- under the name of an open column
COPY (SELECT id, full_name AS state FROM clinic.patients) TO STDOUT WITH (FORMAT csv, HEADER)
-- an open column beside a protected one, in binary
COPY clinic.users (id, username, api_token) TO STDOUT WITH (FORMAT binary)
-- a name that stands for another table once it is bound
BEGIN
PREPARE c AS SELECT 1
CREATE TEMP TABLE departments AS SELECT id, ssn AS name FROM clinic.patients
COPY departments (id, name) TO STDOUT
-- columns that changed their names
BEGIN
ALTER TABLE $V.victim RENAME code TO was
ALTER TABLE $V.victim RENAME secret TO code
COPY $V.victim (id, code) TO STDOUT
-- a generated column
COPY (SELECT id, search_key FROM clinic.patients) TO STDOUT
-- a set operation
COPY (SELECT state FROM clinic.patients UNION ALL SELECT ssn FROM clinic.patients) TO STDOUT
-- a text that nobody declared, between signs that stand in it
COPY clinic.messages TO STDOUT WITH (FORMAT csv, QUOTE '@', ESCAPE '.', DELIMITER '-')
-- a text that nobody declared, with its letters for signs
COPY clinic.messages (body, lines) TO STDOUT WITH (FORMAT csv, QUOTE 'e', ESCAPE 'a', DELIMITER 'x', FORCE_QUOTE *)
-- a text that nobody declared, between its own signs
COPY clinic.messages TO STDOUT WITH (DELIMITER '@', NULL 'Send')
-- a text that nobody declared, in the old way
COPY BINARY clinic.messages TO STDOUT
