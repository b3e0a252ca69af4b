-- settings and signals
ALTER SYSTEM SET work_mem = '1MB'
ALTER DATABASE clinic_ruled SET work_mem = '1MB'
SELECT pg_reload_conf()
SELECT pg_terminate_backend(1)
SELECT pg_cancel_backend(1)
SET log_statement = 'none'
SET session_replication_role = replica
SELECT set_config('log_min_messages', 'panic', false)
-- what is created
CREATE DATABASE x
CREATE TABLESPACE x LOCATION '/tmp'
CREATE EXTENSION file_fdw
CREATE SERVER x FOREIGN DATA WRAPPER nothing
CREATE SUBSCRIPTION x CONNECTION 'host=127.0.0.1' PUBLICATION y
CREATE PUBLICATION x FOR ALL TABLES
-- replication
SELECT pg_create_physical_replication_slot('x')
SELECT pg_create_logical_replication_slot('x', 'test_decoding')
SELECT pg_drop_replication_slot('x')
