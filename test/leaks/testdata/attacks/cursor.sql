-- DECLARE and FETCH
BEGIN
DECLARE c CURSOR FOR SELECT ssn AS city FROM clinic.patients
FETCH ALL FROM c
-- an expression
BEGIN
DECLARE c CURSOR FOR SELECT reverse(ssn) FROM clinic.patients
FETCH FORWARD 2 FROM c
FETCH NEXT FROM c
-- BINARY
BEGIN
DECLARE c BINARY CURSOR FOR SELECT full_name, dob FROM clinic.patients
FETCH ALL c
-- WITH HOLD
DECLARE c CURSOR WITH HOLD FOR SELECT full_name || '' FROM clinic.patients
FETCH ALL FROM c
-- SCROLL
BEGIN
DECLARE c SCROLL CURSOR FOR SELECT email FROM clinic.users
FETCH LAST FROM c
FETCH PRIOR FROM c
FETCH ABSOLUTE 1 FROM c
-- in one message
BEGIN; DECLARE c CURSOR FOR SELECT c1 || '' FROM clinic.kv_store WHERE k = 'a'; FETCH c; COMMIT
-- a quoted name
BEGIN
DECLARE "A b" CURSOR FOR SELECT upper(full_name) FROM clinic.patients
FETCH ALL FROM "A b"
-- a name that an unprotected cursor had
BEGIN
DECLARE c CURSOR FOR SELECT name FROM clinic.departments
CLOSE c
DECLARE c CURSOR FOR SELECT full_name || '' AS name FROM clinic.patients
FETCH ALL FROM c
-- a cursor over a view
BEGIN
DECLARE c CURSOR FOR SELECT * FROM clinic.contact_cards
FETCH ALL FROM c
-- a cursor in the place of another, after a savepoint
BEGIN
DECLARE c CURSOR FOR SELECT upper(name) FROM clinic.departments
CLOSE c
SAVEPOINT s
DECLARE c CURSOR FOR SELECT upper(full_name) FROM clinic.patients
FETCH ALL FROM c
-- a cursor that code opens under a known name
BEGIN
DECLARE c CURSOR FOR SELECT upper(name) FROM clinic.departments
DO $$ DECLARE r refcursor := 'c'; BEGIN CLOSE r; OPEN r FOR SELECT upper(full_name) FROM clinic.patients; END $$
FETCH ALL FROM c
