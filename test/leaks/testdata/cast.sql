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

-- A type that another is taken for, without a cast that anybody sees.
CREATE TYPE clinic.docket;
CREATE FUNCTION clinic.docket_in(cstring) RETURNS clinic.docket LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION clinic.docket_out(clinic.docket) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE clinic.docket (INPUT = clinic.docket_in, OUTPUT = clinic.docket_out, LIKE = text);
CREATE TYPE clinic.paper;
CREATE FUNCTION clinic.paper_in(cstring) RETURNS clinic.paper LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION clinic.paper_out(clinic.paper) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE clinic.paper (INPUT = clinic.paper_in, OUTPUT = clinic.paper_out, LIKE = text);
CREATE CAST (clinic.paper AS clinic.docket) WITHOUT FUNCTION AS IMPLICIT;
CREATE FUNCTION clinic.docket_cmp(a clinic.docket, b clinic.docket) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'compares for %', clinic.patient_label(1); RETURN 0; END $$;
CREATE FUNCTION clinic.docket_lt(a clinic.docket, b clinic.docket) RETURNS bool LANGUAGE sql AS 'SELECT clinic.docket_cmp(a, b) < 0';
CREATE FUNCTION clinic.docket_eq(a clinic.docket, b clinic.docket) RETURNS bool LANGUAGE sql AS 'SELECT clinic.docket_cmp(a, b) = 0';
CREATE FUNCTION clinic.docket_gt(a clinic.docket, b clinic.docket) RETURNS bool LANGUAGE sql AS 'SELECT clinic.docket_cmp(a, b) > 0';
CREATE OPERATOR clinic.<@@ (LEFTARG = clinic.docket, RIGHTARG = clinic.docket, FUNCTION = clinic.docket_lt);
CREATE OPERATOR clinic.=@@ (LEFTARG = clinic.docket, RIGHTARG = clinic.docket, FUNCTION = clinic.docket_eq);
CREATE OPERATOR clinic.>@@ (LEFTARG = clinic.docket, RIGHTARG = clinic.docket, FUNCTION = clinic.docket_gt);
CREATE OPERATOR CLASS clinic.docket_ops DEFAULT FOR TYPE clinic.docket USING btree AS OPERATOR 1 clinic.<@@, OPERATOR 3 clinic.=@@, OPERATOR 5 clinic.>@@, FUNCTION 1 clinic.docket_cmp(clinic.docket, clinic.docket);
CREATE TABLE clinic.papers (id int PRIMARY KEY, body clinic.paper);
INSERT INTO clinic.papers VALUES (1, 'a'), (2, 'b');
