-- One copy of this per attack that computes protected columns from themselves: $K is its
-- schema. Of card the mask leaves the last characters; note is free text.
CREATE SCHEMA $K;
CREATE TABLE $K.kept (id int PRIMARY KEY, secret text, tags text[], doc jsonb, card text, note text, at int);
INSERT INTO $K.kept VALUES (1, '{{ssn}}', ARRAY['{{word}}', 'x'], '{"a": "{{word}}"}', '{{card}}', 'Seen on Monday; SSN {{ssn}} is right.', 1);
