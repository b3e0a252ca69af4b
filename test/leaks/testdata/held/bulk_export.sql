-- computed of all of the table
SELECT string_agg(plan, ',') FROM clinic.member_directory
SELECT array_agg(plan) FROM clinic.member_directory
SELECT json_agg(m) FROM clinic.member_directory m
SELECT ARRAY(SELECT plan FROM clinic.member_directory)
SELECT max(plan) FROM clinic.member_directory
-- copied
CREATE TABLE clinic.copied AS SELECT plan FROM clinic.member_directory
INSERT INTO clinic.trail (detail) SELECT plan FROM clinic.member_directory
