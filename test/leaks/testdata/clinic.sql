-- The clinic of docs/clinic-rules.md. What stands in double braces is a canary of that
-- kind: a value that is found nowhere else and must reach nobody.
CREATE EXTENSION dblink;
CREATE EXTENSION tablefunc;
CREATE EXTENSION pageinspect;
CREATE EXTENSION hstore;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION citext;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;
CREATE SCHEMA clinic;
CREATE SCHEMA archive;

CREATE DOMAIN clinic.ssn_dom AS text CHECK (VALUE ~ '^\d{3}-\d{2}-\d{4}$');
CREATE TYPE clinic.address_t AS (street text, city text, zip text);
CREATE TYPE clinic.status_t AS ENUM ('planned', 'done', 'cancelled');

CREATE TABLE clinic.patients (
	id int PRIMARY KEY,
	mrn text, full_name text, dob date, ssn text UNIQUE, phone text, email text, address text, insurance_id text,
	home clinic.address_t, profile jsonb, alt_ids text[], scan bytea,
	search_key text GENERATED ALWAYS AS (lower(full_name) || ' ' || ssn) STORED,
	state text NOT NULL CHECK (state ~ '^[A-Z]{2}$'), city text, visits int DEFAULT 0 CHECK (visits >= 0), created date
);
CREATE TABLE clinic.vip_patients (vip_since date, lounge text) INHERITS (clinic.patients);

INSERT INTO clinic.patients (id, mrn, full_name, dob, ssn, phone, email, address, insurance_id, home, profile, alt_ids, scan, state, city, visits, created) VALUES
(1, '{{mrn}}', '{{name twin}}', '{{date}}', '{{ssn}}', '{{phone}}', '{{email}}', '{{word}}', '{{word}}',
	ROW('{{word}}', 'Salem', '{{word}}'), '{"allergy": "{{word}}", "next": {"kin": "{{name}}"}}', ARRAY['{{word}}', '{{word}}'], '\x{{hex}}', 'OR', 'Salem', 3, '2020-01-02'),
(2, '{{mrn}}', '{{name}}', '{{date}}', '{{ssn}}', '{{phone}}', '{{email}}', '{{word}}', '{{word}}',
	ROW('{{word}}', 'Bend', '{{word}}'), '{"allergy": "{{word}}", "list": ["{{word}}", 1]}', ARRAY['{{word}}'], '\x{{hex}}', 'OR', 'Bend', 0, '2020-02-03'),
(3, '{{mrn}}', '{{name twin}}', '{{date}}', '{{ssn}}', '{{phone}}', '{{email}}', '{{word}}', '{{word}}',
	ROW('{{word}}', 'Utica', '{{word}}'), '{"allergy": "{{word}}"}', ARRAY['{{word}}', NULL], '\x{{hex}}', 'NY', 'Utica', 7, '2021-03-04');
INSERT INTO clinic.vip_patients (id, mrn, full_name, dob, ssn, phone, email, address, insurance_id, home, profile, alt_ids, scan, state, city, visits, created, vip_since, lounge) VALUES
(101, '{{mrn}}', '{{name}}', '{{date}}', '{{ssn}}', '{{phone}}', '{{email}}', '{{word}}', '{{word}}',
	ROW('{{word}}', 'Reno', '{{word}}'), '{"allergy": "{{word}}"}', ARRAY['{{word}}'], '\x{{hex}}', 'NV', 'Reno', 1, '2022-04-05', '2022-05-06', 'blue');

CREATE TABLE archive.patients (id int PRIMARY KEY, mrn text, full_name text, ssn text, phone text, archived_on date);
INSERT INTO archive.patients VALUES (1, '{{mrn}}', '{{name}}', '{{ssn}}', '{{phone}}', '2019-01-01'), (2, '{{mrn}}', '{{name}}', '{{ssn}}', '{{phone}}', '2019-02-02');

CREATE TABLE clinic.claims (id int, patient_id int, member_ssn clinic.ssn_dom, amount numeric(10,2), status text, service_date date NOT NULL) PARTITION BY RANGE (service_date);
CREATE TABLE clinic.claims_2024 PARTITION OF clinic.claims FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE clinic.claims_2025 PARTITION OF clinic.claims FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (status);
CREATE TABLE clinic.claims_2025_open PARTITION OF clinic.claims_2025 FOR VALUES IN ('open');
CREATE TABLE archive.claims_rest PARTITION OF clinic.claims DEFAULT;
INSERT INTO clinic.claims VALUES
(1, 1, '{{ssn}}', 120.50, 'paid', '2024-03-01'), (2, 2, '{{ssn}}', 80, 'open', '2025-03-01'), (3, 3, '{{ssn}}', 10, 'odd', '2030-01-01');

CREATE TABLE clinic.users (id int PRIMARY KEY, username text UNIQUE, email text, password_hash text, api_token text, role text, active bool DEFAULT true);
INSERT INTO clinic.users VALUES
(1, 'avery', '{{email}}', '{{word}}', '{{word}}', 'admin', true), (2, 'sam', '{{email}}', '{{word}}', '{{word}}', 'nurse', true), (3, 'kim', '{{email}}', '{{word}}', '{{word}}', 'nurse', false);

CREATE TABLE clinic.kv_store (k text PRIMARY KEY, c1 text, c2 text, c3 text, updated date);
INSERT INTO clinic.kv_store VALUES ('a', '{{word}}', '{{name}}', '{{ssn}}', '2024-01-01'), ('b', '{{word}}', '{{name}}', '{{ssn}}', '2024-01-02');

CREATE TABLE clinic."PatientContacts" ("Id" int PRIMARY KEY, "FullName" text, "Ssn" text, "E-Mail" text, "Relation Kind" text);
INSERT INTO clinic."PatientContacts" VALUES (1, '{{name}}', '{{ssn}}', '{{email}}', 'mother'), (2, '{{name}}', '{{ssn}}', '{{email}}', 'brother');

CREATE TABLE clinic.member_directory (id int PRIMARY KEY, full_name text, ssn text, plan text);
INSERT INTO clinic.member_directory VALUES (1, '{{name}}', '{{ssn}}', 'gold'), (2, '{{name}}', '{{ssn}}', 'silver');

CREATE TABLE clinic.encounters (id int PRIMARY KEY, patient_id int, kind text, note text, at date);
INSERT INTO clinic.encounters VALUES
(1, 1, 'visit', 'Patient seen; SSN {{ssn}} confirmed, call {{phone}} on Monday.', '2024-05-01'),
(2, 2, 'phone', 'Chart {{mrn}} merged. Mail {{email}} bounced.', '2024-05-02'),
(3, 3, 'visit', 'Blood pressure normal, no complaints.', '2024-05-03');
CREATE TABLE clinic.lab_results (id int PRIMARY KEY, patient_id int, test text, value numeric, comment text);
INSERT INTO clinic.lab_results VALUES (1, 1, 'HbA1c', 6.1, 'Reported to {{email}} by phone {{phone}}.'), (2, 2, 'TSH', 2.4, 'Within range.');
-- Not declared as free text: only the values in it are protected.
CREATE TABLE clinic.messages (id int PRIMARY KEY, body text, meta jsonb, lines text[], fixed char(60));
INSERT INTO clinic.messages VALUES (1, 'Send the form to {{email}} please', '{"cc": "{{email}}"}', ARRAY['tel {{phone}}', 'ok'], 'id {{ssn}}'), (2, 'nothing here', '{}', '{}', 'plain');

-- What everybody may see.
CREATE TABLE clinic.departments (id int PRIMARY KEY, name text UNIQUE, floor int, budget numeric(12,2), opened date, head text);
INSERT INTO clinic.departments VALUES (1, 'Cardiology', 2, 1200000.50, '1999-04-01', 'Dr. A'), (2, 'Oncology', 3, 900000, '2001-05-02', 'Dr. B'), (3, 'Radiology', 1, 450000.25, '2010-06-03', NULL);
CREATE TABLE clinic.inventory (sku text PRIMARY KEY, label text, qty int CHECK (qty >= 0), price numeric(8,2), tags text[], attrs jsonb, dept int REFERENCES clinic.departments, photo bytea, added timestamptz, uid uuid);
INSERT INTO clinic.inventory VALUES
('G-1', 'Gloves', 500, 0.12, '{box,"with space"}', '{"size": "M", "n": [1, 2.50]}', 1, '\x00ff', '2024-01-02 03:04:05+00', '6f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5a'),
('M-1', 'Masks', 0, 1.5, NULL, NULL, 2, NULL, NULL, NULL);
CREATE TABLE clinic.rooms (id int PRIMARY KEY, dept_id int REFERENCES clinic.departments ON DELETE CASCADE, label varchar(12), beds smallint, status clinic.status_t);
INSERT INTO clinic.rooms VALUES (1, 1, 'R-101', 2, 'planned'), (2, 1, 'R-102', 4, 'done'), (3, 2, 'R-201', 1, 'cancelled');
CREATE SEQUENCE clinic.ticket_seq;
CREATE INDEX rooms_by_dept ON clinic.rooms (dept_id);
COMMENT ON TABLE clinic.departments IS 'where people work';

CREATE VIEW clinic.patient_summary AS SELECT p.id, p.full_name AS who, left(p.ssn, 3) || substr(p.ssn, 4) AS code, p.state FROM clinic.patients p;
CREATE VIEW clinic.contact_cards AS SELECT id AS n, who FROM clinic.patient_summary;
CREATE VIEW clinic.patient_states AS SELECT id, state, city FROM clinic.patients;
CREATE VIEW clinic.dept_floors AS SELECT id, name, floor FROM clinic.departments;
CREATE MATERIALIZED VIEW clinic.name_cache AS SELECT id, full_name AS label, ssn AS code FROM clinic.patients;
CREATE MATERIALIZED VIEW clinic.dept_cache AS SELECT id, name FROM clinic.departments;

CREATE FUNCTION clinic.patient_ssn(n int) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT ssn FROM clinic.patients WHERE id = n';
CREATE FUNCTION clinic.patient_label(n int) RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE r text; BEGIN SELECT full_name INTO r FROM clinic.patients WHERE id = n; RETURN r; END $$;
CREATE FUNCTION clinic.all_patients() RETURNS SETOF clinic.patients LANGUAGE sql STABLE AS 'SELECT * FROM clinic.patients';
CREATE FUNCTION clinic.any_query(q text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE q; END $$;
CREATE FUNCTION clinic.tell(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'patient %', clinic.patient_label(n) USING HINT = clinic.patient_ssn(n); RETURN n; END $$;
CREATE FUNCTION clinic.fail(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'patient %', clinic.patient_label(n) USING DETAIL = clinic.patient_ssn(n), TABLE = clinic.patient_label(n), CONSTRAINT = clinic.patient_ssn(n); END $$;
CREATE FUNCTION clinic.open_names() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'names'; BEGIN OPEN c FOR SELECT full_name || '' AS x FROM clinic.patients; RETURN c; END $$;
CREATE FUNCTION clinic.out_ssn(n int, OUT code text, OUT ok bool) LANGUAGE sql STABLE AS 'SELECT ssn, true FROM clinic.patients WHERE id = n';
CREATE PROCEDURE clinic.give_ssn(n int, INOUT code text) LANGUAGE plpgsql AS $$ BEGIN code := clinic.patient_ssn(n); END $$;
CREATE FUNCTION clinic.agg_step(acc text, n int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT coalesce(acc, '') || ' ' || coalesce(clinic.patient_label(n), '') $$;
CREATE AGGREGATE clinic.gather(int) (SFUNC = clinic.agg_step, STYPE = text);
CREATE FUNCTION clinic.op_label(a int, b int) RETURNS text LANGUAGE sql STABLE AS 'SELECT clinic.patient_label(a)';
CREATE OPERATOR clinic.@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = clinic.op_label);
-- What stands for NOT (a @= b) is an operator of its own.
CREATE FUNCTION clinic.op_same(a int, b int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN a = b; END $$;
CREATE FUNCTION clinic.op_other(a int, b int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE NOTICE 'patient %', clinic.patient_label(a); RETURN a <> b; END $$;
CREATE OPERATOR clinic.@= (LEFTARG = int, RIGHTARG = int, FUNCTION = clinic.op_same, NEGATOR = OPERATOR(clinic.@<>));
CREATE OPERATOR clinic.@<> (LEFTARG = int, RIGHTARG = int, FUNCTION = clinic.op_other, NEGATOR = OPERATOR(clinic.@=));
CREATE VIEW clinic.other_rooms AS SELECT id FROM clinic.rooms WHERE NOT (id OPERATOR(clinic.@=) 2);
CREATE TYPE clinic.ticketno AS (n int);
CREATE FUNCTION clinic.ticket_text(t clinic.ticketno) RETURNS text LANGUAGE sql STABLE AS 'SELECT clinic.patient_label(t.n)';
CREATE FUNCTION clinic.add_tax(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT n * 1.2';
CREATE FUNCTION clinic.dept_name(n int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM clinic.departments WHERE id = n';

CREATE TABLE clinic.tickets (id int PRIMARY KEY, topic text, opener text DEFAULT clinic.patient_label(1));
CREATE TABLE clinic.appointments (id int PRIMARY KEY, patient_id int, room int, status clinic.status_t, shown text);
CREATE TABLE clinic.trail (id serial PRIMARY KEY, detail text);
CREATE FUNCTION clinic.on_appointment() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	NEW.shown := clinic.patient_label(NEW.patient_id);
	INSERT INTO clinic.trail (detail) VALUES (clinic.patient_ssn(NEW.patient_id));
	RETURN NEW; END $$;
CREATE TRIGGER appointment_made BEFORE INSERT OR UPDATE ON clinic.appointments FOR EACH ROW EXECUTE FUNCTION clinic.on_appointment();
CREATE TABLE clinic.checked (id int PRIMARY KEY, n int);
CREATE FUNCTION clinic.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no: %', clinic.patient_label(1) USING ERRCODE = 'P0123'; END $$;
CREATE CONSTRAINT TRIGGER checked_late AFTER INSERT ON clinic.checked DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION clinic.shout();
CREATE TABLE clinic.ruled (id int PRIMARY KEY, n int);
INSERT INTO clinic.ruled VALUES (1, 1);
CREATE RULE ruled_shows AS ON UPDATE TO clinic.ruled DO INSTEAD SELECT full_name || '' AS x FROM clinic.patients;
CREATE FUNCTION clinic.visible(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row of %', clinic.patient_label(1); RETURN true; END $$;
CREATE TABLE clinic.vaulted (id int PRIMARY KEY, n int CHECK (clinic.visible(n)));
INSERT INTO clinic.vaulted VALUES (1, 1);

-- Small enough to be toasted only when told to, and large enough to be.
CREATE TABLE clinic.long_notes (id int PRIMARY KEY);
ALTER TABLE clinic.kv_store ALTER COLUMN c1 SET STORAGE EXTERNAL;
INSERT INTO clinic.kv_store VALUES ('long', repeat('x', 3000) || '{{word}}', 'n', 'n', '2024-01-03');
INSERT INTO clinic.kv_store SELECT 'k' || n, NULL, NULL, NULL, NULL FROM generate_series(1, 20) n;
-- The same database by way of a foreign server, under names that no rule has.
DO $$ BEGIN EXECUTE format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host ''127.0.0.1'', port %L, dbname ''rt_clinic'')', current_setting('port')); END $$;
CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'rt_agent', password 'rt_agent_pw');
CREATE FOREIGN TABLE clinic.far (id int, full_name text OPTIONS (column_name 'full_name'), ssn text) SERVER loop OPTIONS (schema_name 'clinic', table_name 'patients');
CREATE VIEW clinic.farther AS SELECT id, full_name || '' AS who FROM clinic.far;
ANALYZE;
-- A collation that calls texts equal which differ.
CREATE COLLATION clinic.folding (provider = icu, locale = 'und-u-ks-level1-ka-shifted', deterministic = false);
CREATE DOMAIN clinic.folded_text AS text COLLATE clinic.folding;
