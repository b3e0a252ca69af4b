-- a trigger, and a harmless INSERT
CREATE TRIGGER x AFTER INSERT ON clinic.loose FOR EACH ROW EXECUTE FUNCTION clinic.wipe_trigger()
INSERT INTO clinic.loose VALUES (50, 'x')
-- a trigger of the statement
CREATE TRIGGER x AFTER UPDATE ON clinic.loose EXECUTE FUNCTION clinic.wipe_trigger()
UPDATE clinic.loose SET note = 'x' WHERE id = 1
-- a constraint trigger, at COMMIT
BEGIN
CREATE CONSTRAINT TRIGGER x AFTER INSERT ON clinic.loose DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION clinic.wipe_trigger()
INSERT INTO clinic.loose VALUES (50, 'x')
COMMIT
-- a trigger on a temporary table
CREATE TEMP TABLE t (a int)
CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION clinic.wipe_trigger()
INSERT INTO t VALUES (1)
-- a trigger that was switched off
ALTER TABLE clinic.triggered ENABLE TRIGGER t
INSERT INTO clinic.triggered VALUES (1)
-- an event trigger
CREATE FUNCTION clinic.e() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM clinic.wipe(); END $$
CREATE EVENT TRIGGER e ON ddl_command_start WHEN tag IN ('CREATE SEQUENCE') EXECUTE FUNCTION clinic.e()
CREATE TEMP SEQUENCE s
-- a policy
ALTER TABLE clinic.loose ENABLE ROW LEVEL SECURITY
CREATE POLICY p ON clinic.loose USING (clinic.wipe() = 1)
-- a trigger that was there
INSERT INTO clinic.trapped VALUES (1)
-- a trigger that was there, by a trigger that was there
UPDATE clinic.chained SET note = 'x' WHERE id = 1
-- a trigger that was there, by a cascade
DELETE FROM clinic.owner WHERE id = 1
-- a trigger that was there, by COPY
COPY clinic.loaded FROM '/dev/null'
-- a default that was there
INSERT INTO clinic.defaulting DEFAULT VALUES
-- a check that was there
INSERT INTO clinic.checking VALUES (1)
-- a trigger that runs text
INSERT INTO clinic.running VALUES (1)
