-- a rule, and a harmless INSERT
CREATE RULE r AS ON INSERT TO clinic.ruled DO INSTEAD DELETE FROM clinic.victim
INSERT INTO clinic.ruled VALUES (1)
-- a rule DO ALSO
CREATE RULE r AS ON UPDATE TO clinic.ruled DO ALSO DELETE FROM clinic.victim
UPDATE clinic.ruled SET id = 2 WHERE id = 1
-- a rule on a temporary table
CREATE TEMP TABLE t (a int)
CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM clinic.victim
INSERT INTO t VALUES (1)
-- a rule on a temporary view
CREATE TEMP VIEW v AS SELECT 1 AS a
CREATE RULE r AS ON INSERT TO v DO INSTEAD DELETE FROM clinic.victim
INSERT INTO v VALUES (1)
-- a rule that makes a SELECT of another one
CREATE OR REPLACE VIEW clinic.shown AS SELECT clinic.wipe() AS id, 'x'::text AS name
SELECT * FROM clinic.shown
