-- a view that renames
SELECT who FROM clinic.patient_summary
-- a view that computes
SELECT code FROM clinic.patient_summary
-- a view of a view
SELECT * FROM clinic.contact_cards
-- a view joined
SELECT c.who FROM clinic.rooms r JOIN clinic.contact_cards c ON c.n = r.id
-- a materialized view
SELECT label, code FROM clinic.name_cache
-- an expression over a materialized view
SELECT reverse(code) FROM clinic.name_cache
-- a view of one's own
CREATE VIEW $V.mine AS SELECT secret AS a FROM $V.victim
SELECT a FROM $V.mine
-- a temporary view
CREATE TEMP VIEW peek AS SELECT full_name AS a FROM clinic.patients
SELECT a FROM peek
-- a materialized view of one's own
CREATE MATERIALIZED VIEW $V.mine AS SELECT secret || '' AS a FROM $V.victim
SELECT a FROM $V.mine
-- an existing view replaced
CREATE OR REPLACE VIEW $V.look AS SELECT id, secret || '' AS shown FROM $V.victim
SELECT shown FROM $V.look
-- a recursive view
CREATE RECURSIVE VIEW $V.mine (a) AS SELECT secret FROM $V.victim
SELECT a FROM $V.mine
-- a view renamed
ALTER VIEW $V.look RENAME TO other
SELECT shown FROM $V.other
-- a column of a view renamed
ALTER VIEW $V.look RENAME COLUMN shown TO code
SELECT code FROM $V.look
-- a view in another schema
ALTER VIEW $V.look SET SCHEMA public
SELECT shown FROM public.look
DROP VIEW public.look
-- a view behind a rule on a table
CREATE TABLE $V.was_table (a text)
CREATE RULE "_RETURN" AS ON SELECT TO $V.was_table DO INSTEAD SELECT secret AS a FROM $V.victim
SELECT a FROM $V.was_table
-- a rule that answers an UPDATE
UPDATE clinic.ruled SET n = 2 WHERE id = 1
-- a rule of one's own
CREATE RULE r AS ON DELETE TO $V.scratch DO INSTEAD SELECT secret || '' AS x FROM $V.victim
DELETE FROM $V.scratch WHERE id = 1
-- a rule that copies
CREATE RULE r AS ON INSERT TO $V.scratch DO ALSO UPDATE $V.scratch SET code = v.secret FROM $V.victim v WHERE v.id = 2
INSERT INTO $V.scratch (id) VALUES (9)
SELECT code FROM $V.scratch
-- a view's definition over system catalogs
CREATE VIEW $V.stats AS SELECT most_common_vals::text AS m, histogram_bounds::text AS h FROM pg_stats WHERE schemaname = 'clinic' AND tablename = 'patients'
SELECT * FROM $V.stats
-- a temporary view in the place of a table
CREATE TEMP VIEW departments AS SELECT id, full_name AS name, 1 AS floor FROM clinic.patients
SELECT upper(name) FROM departments
-- a temporary view of a temporary table that is filled later
CREATE TEMP TABLE t (a text)
CREATE TEMP VIEW v AS SELECT a AS b FROM t
INSERT INTO t SELECT ssn FROM clinic.patients
SELECT b || '' FROM v
-- a temporary view renamed and rolled back
CREATE TEMP VIEW v AS SELECT ssn AS a, state AS b FROM clinic.patients
BEGIN
ALTER VIEW v RENAME a TO c
ALTER VIEW v RENAME b TO a
ROLLBACK
SELECT a || '' FROM v
