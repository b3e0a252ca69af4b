-- Protected: ssn (redact), card (partial, last 4) and born (null). Their values have
-- the width of what they become, so that tables stay aligned.
CREATE SCHEMA clinic;
CREATE TYPE clinic.mood AS ENUM ('low', 'fair', 'high');
CREATE DOMAIN clinic.zip AS text CHECK (VALUE ~ '^\d{5}$');
CREATE TYPE clinic.address AS (street text, zip clinic.zip);
CREATE TABLE clinic.patients (
	id int PRIMARY KEY,
	name text NOT NULL,
	ssn text UNIQUE,
	card varchar(9),
	born date,
	active boolean DEFAULT true
);
COMMENT ON TABLE clinic.patients IS 'who came';
INSERT INTO clinic.patients VALUES
	(1, 'Ann', '900-0001', '411111111', '1931-05-07', true),
	(2, 'Bob', '900-0002', '422222222', '1942-06-08', false),
	(3, 'Cyd', '900-0003', '433333333', '1953-07-09', NULL),
	(4, 'Dee', NULL, NULL, NULL, true);
CREATE TABLE clinic.visits (
	id serial PRIMARY KEY,
	patient_id int NOT NULL REFERENCES clinic.patients ON DELETE CASCADE,
	reason text,
	at timestamptz DEFAULT '2026-01-02 03:04:05+00'
);
CREATE INDEX visits_patient ON clinic.visits (patient_id) WHERE reason IS NOT NULL;
INSERT INTO clinic.visits (patient_id, reason) SELECT 1 + i % 4, 'reason ' || i FROM generate_series(1, 20) i;
CREATE VIEW clinic.busy AS SELECT patient_id, count(*) AS n FROM clinic.visits GROUP BY patient_id;
CREATE FUNCTION clinic.shout(s text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'shouting %', s USING HINT = 'be calm'; RETURN upper(s); END $$;
CREATE TABLE clinic.kinds (
	id int PRIMARY KEY, b boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric,
	t text, v varchar(10), c char(5), ba bytea, d date, ti time, tz timestamptz, ts timestamp, iv interval,
	u uuid, j json, jb jsonb, ia int[], ta text[], na numeric[][], nw inet, ci cidr, ma macaddr,
	r int4range, mood clinic.mood, moods clinic.mood[], zip clinic.zip, addr clinic.address, bits bit varying(8), p point, x xml
);
INSERT INTO clinic.kinds VALUES
(1, true, 32767, 2147483647, 9223372036854775807, 1.5, 2.25, 12345678901234567890.123456789,
 'héllo wörld ✓ 😀', 'varying', 'chr', '\x00ff10', '2026-02-28', '23:59:59.123456', '2026-03-01 12:00:00.5+02', '2026-03-01 12:00:00', '1 year 2 mons 3 days 04:05:06',
 '11111111-2222-3333-4444-555555555555', '{"a": [1, 2, {"b": null}]}', '{"k": "v", "n": 1.50}', '{1,NULL,3}', '{"a b","c,d","",NULL,"\"q\""}', '{{1.5,2.5},{3.5,4.5}}', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03',
 '[1,10)', 'high', '{low,high}', '12345', '("1 Main St",54321)', '10101', '(1,2)', '<a>1</a>'),
(2, false, -32768, -2147483648, -9223372036854775808, '-Infinity', 'NaN', -0.0000001,
 '', '', '', '', '0001-01-01', '00:00:00', '1970-01-01 00:00:00+00', '9999-12-31 23:59:59.999999', '-1 day',
 '00000000-0000-0000-0000-000000000000', '[]', 'null', '{}', '{}', '{}', '::1', '::/0', '00:00:00:00:00:00',
 'empty', 'low', '{}', '00000', '(,)', '', '(-1.5,0)', '<b/>');
INSERT INTO clinic.kinds (id) VALUES (3);
CREATE TABLE clinic.items (id int, label text, price numeric(8,2));
CREATE PROCEDURE clinic.tidy() LANGUAGE sql AS 'DELETE FROM clinic.items WHERE id < 0';
