-- objects of every kind
DROP TABLE clinic.rooms
DROP TABLE IF EXISTS clinic.rooms, clinic.departments CASCADE
DROP VIEW clinic.dept_floors
DROP MATERIALIZED VIEW clinic.dept_cache
DROP SCHEMA clinic CASCADE
DROP INDEX clinic.rooms_by_dept
DROP SEQUENCE clinic.ticket_seq
DROP TYPE clinic.status_t CASCADE
DROP DOMAIN clinic.ssn_dom CASCADE
DROP FUNCTION clinic.add_tax(numeric)
DROP TRIGGER appointment_made ON clinic.appointments
DROP RULE ruled_shows ON clinic.ruled
-- all that somebody owns
DROP OWNED BY plain
-- columns and constraints
ALTER TABLE clinic.rooms DROP COLUMN beds
ALTER TABLE clinic.rooms DROP CONSTRAINT rooms_pkey
ALTER TABLE clinic.rooms ADD COLUMN x int, DROP COLUMN beds
-- another spelling
/* x */ dRoP/**/TABLE clinic.rooms
SELECT 1; DROP TABLE clinic.rooms
