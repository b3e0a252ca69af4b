-- grants
GRANT SELECT ON clinic.patients TO plain
GRANT plain TO rt_agent
REVOKE SELECT ON clinic.patients FROM plain
ALTER DEFAULT PRIVILEGES IN SCHEMA clinic GRANT SELECT ON TABLES TO plain
-- owners
ALTER TABLE clinic.rooms OWNER TO plain
ALTER SCHEMA clinic OWNER TO plain
REASSIGN OWNED BY plain TO rt_agent
-- row-level security
CREATE POLICY p ON clinic.rooms USING (true)
ALTER TABLE clinic.rooms ENABLE ROW LEVEL SECURITY
ALTER TABLE clinic.rooms DISABLE ROW LEVEL SECURITY
