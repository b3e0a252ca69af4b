-- reading
SELECT pg_read_file('PG_VERSION')
SELECT pg_read_binary_file('PG_VERSION')
SELECT pg_stat_file('PG_VERSION')
SELECT pg_ls_dir('.')
SELECT pg_ls_logdir()
SELECT pg_ls_waldir()
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/hoopctl-object')
-- by another spelling
SELECT f FROM pg_catalog.pg_ls_dir('.') f
SELECT count(*) FROM clinic.rooms WHERE pg_read_file('PG_VERSION') <> ''
