-- A cast that reads what is protected; it counts in the whole database.
CREATE CAST (clinic.ticketno AS text) WITH FUNCTION clinic.ticket_text(clinic.ticketno) AS ASSIGNMENT;
CREATE FUNCTION clinic.address_text(a clinic.address_t) RETURNS text LANGUAGE sql STABLE AS 'SELECT clinic.patient_label(a.street::int)';

-- More code that runs without being named, and counts for whatever may have a value of its type: checks of domains, policies, indexes, generated columns.
CREATE FUNCTION clinic.told(t text) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RAISE NOTICE 'tells %', clinic.patient_label(1); RETURN true; END $$;
CREATE FUNCTION clinic.folded(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'folds %', clinic.patient_label(1); RETURN n::text; END $$;
CREATE FUNCTION clinic.named(n int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT clinic.patient_label(n)';
CREATE DOMAIN clinic.tagged AS text CHECK (clinic.told(VALUE));
CREATE TYPE clinic.tagged_pair AS (first_tag clinic.tagged, pair_no int);
CREATE TABLE clinic.labels (id int PRIMARY KEY, tag clinic.tagged);
CREATE TABLE clinic.guarded (id int PRIMARY KEY, n int);
INSERT INTO clinic.guarded VALUES (1, 1);
ALTER TABLE clinic.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY asks ON clinic.guarded USING (clinic.told(n::text));
GRANT USAGE ON SCHEMA clinic TO plain;
GRANT SELECT ON clinic.guarded TO plain;
CREATE TABLE clinic.indexed (id int PRIMARY KEY, n int);
INSERT INTO clinic.indexed VALUES (0, 0);
CREATE INDEX ON clinic.indexed (clinic.folded(n));
CREATE TABLE clinic.made (id int PRIMARY KEY, shown text GENERATED ALWAYS AS (clinic.named(id)) STORED);

-- How values of a type are compared is code that nothing names.
CREATE TYPE clinic.badge AS (code text);
CREATE FUNCTION clinic.badge_cmp(a clinic.badge, b clinic.badge) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'compares % and %', a.code, b.code; RETURN bttextcmp(a.code, b.code); END $$;
CREATE FUNCTION clinic.badge_lt(a clinic.badge, b clinic.badge) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT clinic.badge_cmp(a, b) < 0';
CREATE FUNCTION clinic.badge_le(a clinic.badge, b clinic.badge) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT clinic.badge_cmp(a, b) <= 0';
CREATE FUNCTION clinic.badge_eq(a clinic.badge, b clinic.badge) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT clinic.badge_cmp(a, b) = 0';
CREATE FUNCTION clinic.badge_ge(a clinic.badge, b clinic.badge) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT clinic.badge_cmp(a, b) >= 0';
CREATE FUNCTION clinic.badge_gt(a clinic.badge, b clinic.badge) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT clinic.badge_cmp(a, b) > 0';
CREATE FUNCTION clinic.badge_hash(a clinic.badge) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'hashes %', a.code; RETURN hashtext(a.code); END $$;
CREATE OPERATOR clinic.< (LEFTARG = clinic.badge, RIGHTARG = clinic.badge, FUNCTION = clinic.badge_lt);
CREATE OPERATOR clinic.<= (LEFTARG = clinic.badge, RIGHTARG = clinic.badge, FUNCTION = clinic.badge_le);
CREATE OPERATOR clinic.= (LEFTARG = clinic.badge, RIGHTARG = clinic.badge, FUNCTION = clinic.badge_eq, HASHES, MERGES);
CREATE OPERATOR clinic.>= (LEFTARG = clinic.badge, RIGHTARG = clinic.badge, FUNCTION = clinic.badge_ge);
CREATE OPERATOR clinic.> (LEFTARG = clinic.badge, RIGHTARG = clinic.badge, FUNCTION = clinic.badge_gt);
CREATE OPERATOR CLASS clinic.badge_ops DEFAULT FOR TYPE clinic.badge USING btree AS OPERATOR 1 clinic.<, OPERATOR 2 clinic.<=, OPERATOR 3 clinic.=, OPERATOR 4 clinic.>=, OPERATOR 5 clinic.>, FUNCTION 1 clinic.badge_cmp(clinic.badge, clinic.badge);
CREATE OPERATOR CLASS clinic.badge_hash_ops DEFAULT FOR TYPE clinic.badge USING hash AS OPERATOR 1 clinic.=, FUNCTION 1 clinic.badge_hash(clinic.badge);
