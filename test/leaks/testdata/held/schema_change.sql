-- tables, types, schemas, views
ALTER TABLE clinic.rooms ADD COLUMN x int
ALTER TABLE clinic.rooms RENAME TO chambers
ALTER TABLE clinic.rooms ALTER COLUMN beds TYPE bigint
ALTER TYPE clinic.status_t ADD VALUE 'x'
ALTER SCHEMA clinic RENAME TO x
ALTER VIEW clinic.dept_floors RENAME TO x
ALTER INDEX clinic.rooms_by_dept RENAME TO x
CREATE OR REPLACE VIEW clinic.dept_floors AS SELECT id, name, floor FROM clinic.departments
SECURITY LABEL ON TABLE clinic.rooms IS 'x'
