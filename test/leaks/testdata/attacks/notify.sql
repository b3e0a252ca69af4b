-- pg_notify
LISTEN tell
SELECT pg_notify('tell', full_name) FROM clinic.patients WHERE id = 2
SELECT 1
-- pg_notify without the text of the row
LISTEN tell
WITH x AS (SELECT full_name AS f FROM clinic.patients WHERE id = 2) SELECT count(pg_notify('tell', f)) FROM x
SELECT 1
-- pg_notify in a RETURNING
LISTEN tell
UPDATE $V.scratch s SET n = 5 FROM $V.victim v WHERE s.id = 1 AND v.id = 2 RETURNING pg_notify('tell', v.secret)
SELECT 1
-- pg_notify by way of a view
CREATE TEMP VIEW shout AS SELECT pg_notify('tell', full_name)::text AS x FROM clinic.patients WHERE id = 2
LISTEN tell
SELECT x FROM shout
SELECT 1
-- pg_notify with a channel of a value
DO $$ BEGIN EXECUTE 'LISTEN ' || (SELECT quote_ident(full_name) FROM clinic.patients WHERE id = 2); END $$
SELECT pg_notify(full_name, '') FROM clinic.patients WHERE id = 2
SELECT 1
