-- a trigger fills another table
INSERT INTO clinic.appointments (id, patient_id) VALUES (13, 1)
SELECT detail FROM clinic.trail
-- a deferred trigger that fails at COMMIT
BEGIN
INSERT INTO clinic.checked VALUES (1, 1)
COMMIT
-- a deferred trigger without a transaction
INSERT INTO clinic.checked VALUES (2, 1)
-- SET CONSTRAINTS
BEGIN
INSERT INTO clinic.checked VALUES (3, 1)
SET CONSTRAINTS ALL IMMEDIATE
-- a check that tells
INSERT INTO clinic.vaulted VALUES (2, 2)
-- VALIDATE CONSTRAINT calls a function
ALTER TABLE clinic.vaulted ADD CONSTRAINT again CHECK (clinic.visible(id))
-- suppress_redundant_updates and a transition table
CREATE FUNCTION $V.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(secret, ',') FROM gone); RETURN NULL; END $$
CREATE TRIGGER t AFTER DELETE ON $V.victim REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION $V.f()
DELETE FROM $V.victim WHERE id = 2
-- a trigger fills a column
INSERT INTO clinic.appointments (id, patient_id) VALUES (11, 2) RETURNING shown
-- a trigger fills a column, read later
INSERT INTO clinic.appointments (id, patient_id) VALUES (12, 2)
SELECT shown FROM clinic.appointments
-- COPY fires it
@copy 14\t2\n
COPY clinic.appointments (id, patient_id) FROM STDIN
SELECT shown FROM clinic.appointments WHERE id = 14
-- a trigger of one's own
CREATE FUNCTION $V.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.code := (SELECT secret FROM $V.victim WHERE id = 2); RETURN NEW; END $$
CREATE TRIGGER t BEFORE UPDATE ON $V.scratch FOR EACH ROW EXECUTE FUNCTION $V.f()
UPDATE $V.scratch SET n = 1 WHERE id = 1 RETURNING code
