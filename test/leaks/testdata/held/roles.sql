-- roles, users, groups
CREATE ROLE intruder
CREATE USER intruder PASSWORD 'x'
CREATE GROUP intruders
ALTER ROLE plain SUPERUSER
ALTER USER plain PASSWORD 'x'
ALTER ROLE plain SET work_mem = '1MB'
ALTER ROLE plain RENAME TO other
ALTER GROUP plain ADD USER rt_agent
DROP ROLE plain
DROP USER IF EXISTS plain
COMMENT ON ROLE plain IS 'x'
