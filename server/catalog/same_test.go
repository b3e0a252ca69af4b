package catalog

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What a statement touches is the same after changes of other tables, and not after any
// of its own, of what it stands on, or of code.
func TestSame(t *testing.T) {
	db, conn := database(t, `
		CREATE SCHEMA s;
		CREATE TABLE s.base (id int PRIMARY KEY, x int);
		CREATE TABLE s.child () INHERITS (s.base);
		CREATE TABLE s.other (id int);
		CREATE VIEW s.v AS SELECT id FROM s.base WHERE id = 1;
		CREATE VIEW s.vv AS SELECT id FROM s.v;
		CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';`)
	c := newCatalog(t, db, Options{})
	refresh := func() *Snapshot {
		t.Helper()
		s, err := c.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		change string
		names  []string
		same   bool
	}{
		{"SELECT 1", []string{"*"}, true},
		{"CREATE TABLE s.new (id int)", []string{"s.vv", "s.base"}, true},
		{"ALTER TABLE s.other ADD COLUMN y int", []string{"s.vv", "s.base"}, true},
		{"ALTER TABLE s.other ADD COLUMN z int", []string{"s.other"}, false},
		{"ALTER TABLE s.other ADD COLUMN zz int", []string{"*"}, false},
		{"CREATE TABLE s.third (id int)", []string{"s.third"}, false},
		{"DROP TABLE s.third", []string{"s.third"}, false},
		{"CREATE OR REPLACE VIEW s.v AS SELECT id FROM s.base WHERE true", []string{"s.v"}, false},
		{"CREATE OR REPLACE VIEW s.v AS SELECT id FROM s.base WHERE id > 0", []string{"s.vv"}, false},
		{"ALTER TABLE s.child ADD COLUMN w int", []string{"s.base"}, false},
		{"CREATE TRIGGER t BEFORE INSERT ON s.base FOR EACH ROW EXECUTE FUNCTION s.fire()", []string{"s.base"}, false},
		{"ALTER TABLE s.base ENABLE ROW LEVEL SECURITY", []string{"s.base"}, false},
		{"CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 2'", []string{"s.other"}, false},
		{"CREATE RULE r AS ON DELETE TO s.base DO INSTEAD NOTHING", []string{"s.base"}, false},
		{"DROP TABLE s.new; CREATE TABLE s.new (id int)", []string{"s.new"}, false},
		{"CREATE TABLE s.fourth (id int)", []string{"s.yet_to_come"}, true},
		{"CREATE SCHEMA s2", []string{"s.other"}, false},
	} {
		before := refresh()
		mustExec(t, conn, tt.change)
		if got := Same(before, refresh(), tt.names); got != tt.same {
			t.Errorf("%s: %v is the same: %v, want %v", tt.change, tt.names, got, tt.same)
		}
	}
}

// Whatever says what a statement does to a table counts, however little of it the
// analysis reads: word for word, and as it is switched on or off.
func TestSame_HoldsDefinitionsWordForWord(t *testing.T) {
	db, conn := database(t, `
		CREATE SCHEMA s;
		CREATE DOMAIN s.d AS int CHECK (VALUE > 0);
		CREATE TYPE s.mood AS ENUM ('good', 'bad');
		CREATE TYPE s.pair AS (a int, b int);
		CREATE SEQUENCE s.free;
		CREATE TABLE s.owners (id int PRIMARY KEY);
		CREATE TABLE s.loose (id int);
		CREATE VIEW s.allowed AS SELECT id FROM s.owners WHERE id > 0;
		CREATE TABLE s.t (id serial PRIMARY KEY, x int DEFAULT 1, y int GENERATED ALWAYS AS (1) STORED, z int CHECK (z > 0), n s.d,
			o int REFERENCES s.owners ON DELETE CASCADE, num int GENERATED ALWAYS AS IDENTITY);
		CREATE INDEX ON s.t ((x + 1));
		CREATE POLICY p ON s.t USING (x > 0) WITH CHECK (x > 0);
		CREATE POLICY asks ON s.t USING (id IN (SELECT id FROM s.allowed));
		CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER tr BEFORE INSERT OR UPDATE ON s.t FOR EACH ROW WHEN (NEW.x > 0) EXECUTE FUNCTION s.fire();
		CREATE CONSTRAINT TRIGGER late AFTER INSERT ON s.t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION s.fire();
		CREATE RULE r AS ON DELETE TO s.owners WHERE OLD.id > 0 DO ALSO DELETE FROM s.loose;
		CREATE TABLE s.parts (id int) PARTITION BY RANGE (id);
		CREATE TABLE s.part PARTITION OF s.parts FOR VALUES FROM (0) TO (10);
		CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION s.eq(int, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
		CREATE FUNCTION s.ne(int, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
		CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = text, FUNCTION = s.eq);
		CREATE FUNCTION s.num(s.mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
		CREATE FUNCTION s.cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
		CREATE OPERATOR CLASS s.ints FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 s.cmp(int, int);
		CREATE COLLATION s.c (provider = libc, locale = 'C');
		CREATE TEXT SEARCH CONFIGURATION s.words (COPY = simple);
		CREATE FUNCTION s.ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
		CREATE EVENT TRIGGER ev ON ddl_command_end EXECUTE FUNCTION s.ev();
		CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS (host 'a');
		CREATE FOREIGN TABLE s.away (id int) SERVER far OPTIONS (name 'a');
		CREATE AGGREGATE s.total (int) (sfunc = s.cmp, stype = int, initcond = '0');
		CREATE ROLE same_policies; CREATE ROLE same_member;`)
	t.Cleanup(func() {
		mustExecLate(t, conn, "DROP EVENT TRIGGER ev; DROP OWNED BY same_policies; DROP ROLE same_member; DROP SCHEMA s CASCADE; DROP ROLE same_policies")
	})
	c := newCatalog(t, db, Options{})
	const table = "s.t"
	for _, tt := range []struct{ change, table string }{
		{"ALTER POLICY p ON s.t USING (x > 1)", table},
		{"ALTER POLICY p ON s.t WITH CHECK (x > 1)", table},
		{"ALTER POLICY p ON s.t TO same_policies", table},
		{"CREATE POLICY q ON s.t AS RESTRICTIVE USING (true)", table},
		{"DROP POLICY q ON s.t", table},
		{"CREATE OR REPLACE VIEW s.allowed AS SELECT id FROM s.owners", table},
		{"ALTER TABLE s.t ENABLE ROW LEVEL SECURITY", table},
		{"ALTER TABLE s.t FORCE ROW LEVEL SECURITY", table},
		{"ALTER TABLE s.t OWNER TO same_policies", table},
		{"ALTER ROLE same_policies BYPASSRLS", table},
		{"GRANT same_policies TO same_member", table},
		{"ALTER TABLE s.t ALTER x SET DEFAULT 2", table},
		{"ALTER TABLE s.t DROP COLUMN y, ADD COLUMN y int GENERATED ALWAYS AS (2) STORED", table},
		{"ALTER TABLE s.t ALTER x SET NOT NULL", table},
		{"ALTER TABLE s.t ALTER num SET GENERATED BY DEFAULT", table},
		{"ALTER TABLE s.t DROP CONSTRAINT t_z_check, ADD CONSTRAINT t_z_check CHECK (z > 1)", table},
		{"ALTER TABLE s.t ADD CONSTRAINT later CHECK (z < 100) NOT VALID", table},
		{"ALTER TABLE s.t VALIDATE CONSTRAINT later", table},
		{"ALTER TABLE s.t ADD EXCLUDE USING btree (x WITH =)", table},
		{"ALTER TABLE s.t DISABLE TRIGGER tr", table},
		{"ALTER TABLE s.t ENABLE REPLICA TRIGGER tr", table},
		{"DROP TRIGGER tr ON s.t; CREATE TRIGGER tr BEFORE INSERT ON s.t FOR EACH ROW WHEN (NEW.x > 1) EXECUTE FUNCTION s.fire()", table},
		{"DROP TRIGGER late ON s.t; CREATE CONSTRAINT TRIGGER late AFTER INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.fire()", table},
		{"ALTER TABLE s.owners DISABLE TRIGGER ALL", "s.owners"}, // those of the foreign key too
		{"ALTER TABLE s.owners DISABLE RULE r", "s.owners"},
		{"CREATE OR REPLACE RULE r AS ON DELETE TO s.owners WHERE OLD.id > 1 DO ALSO DELETE FROM s.loose", "s.owners"},
		{"ALTER TABLE s.t DROP CONSTRAINT t_o_fkey, ADD CONSTRAINT t_o_fkey FOREIGN KEY (o) REFERENCES s.owners ON DELETE SET NULL", "s.owners"},
		{"ALTER TABLE s.t DROP CONSTRAINT t_o_fkey, ADD CONSTRAINT t_o_fkey FOREIGN KEY (o) REFERENCES s.owners ON DELETE SET DEFAULT", "s.owners"},
		{"ALTER TABLE s.t ALTER CONSTRAINT t_o_fkey DEFERRABLE INITIALLY DEFERRED", table},
		{"ALTER SEQUENCE s.t_id_seq INCREMENT 100", table},
		{"ALTER SEQUENCE s.free MAXVALUE 5", "s.free"},
		{"ALTER TABLE s.parts ATTACH PARTITION s.loose FOR VALUES FROM (10) TO (20)", "s.parts"},
		{"ALTER TABLE s.parts DETACH PARTITION s.part; ALTER TABLE s.parts ATTACH PARTITION s.part FOR VALUES FROM (0) TO (9)", "s.part"},
		{"ALTER VIEW s.allowed SET (security_barrier)", "s.allowed"},
		{"ALTER VIEW s.allowed ALTER id SET DEFAULT 7", "s.allowed"},
		{"ALTER DOMAIN s.d ADD CHECK (VALUE < 1000)", table},
		{"ALTER DOMAIN s.d SET DEFAULT 4", table},
		{"ALTER DOMAIN s.d SET NOT NULL", table},
		{"ALTER TYPE s.mood ADD VALUE 'so so' BEFORE 'bad'", table},
		{"ALTER TYPE s.pair ALTER ATTRIBUTE a TYPE bigint", table},
		{"DROP OPERATOR s.=== (int, text); CREATE OPERATOR s.=== (LEFTARG = int, RIGHTARG = text, FUNCTION = s.ne)", table},
		{"CREATE CAST (s.mood AS int) WITH FUNCTION s.num(s.mood)", table},
		{"DROP CAST (s.mood AS int); CREATE CAST (s.mood AS int) WITH FUNCTION s.num(s.mood) AS ASSIGNMENT", table},
		{"DROP OPERATOR CLASS s.ints USING btree; CREATE OPERATOR CLASS s.ints FOR TYPE int USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 s.cmp(int, int)", table},
		{"DROP COLLATION s.c; CREATE COLLATION s.c (provider = icu, locale = 'en')", table},
		{"ALTER TEXT SEARCH CONFIGURATION s.words DROP MAPPING FOR word", table},
		{"ALTER FUNCTION s.f() SET search_path = s", table},
		{"ALTER FUNCTION s.f() SECURITY DEFINER", table},
		{"ALTER FUNCTION s.f() OWNER TO same_policies", table},
		{"ALTER FUNCTION s.f() STABLE", table},
		{"ALTER FUNCTION s.eq(int, text) STRICT", table},
		{"CREATE OR REPLACE FUNCTION s.eq(int, text DEFAULT 'x') RETURNS boolean LANGUAGE sql AS 'SELECT true'", table},
		{"CREATE OR REPLACE AGGREGATE s.total (int) (sfunc = s.cmp, stype = int, initcond = '5')", table},
		{"CREATE OR REPLACE FUNCTION pg_catalog.pi() RETURNS double precision LANGUAGE sql AS 'SELECT 3.0::float8'", table},
		{"ALTER EVENT TRIGGER ev DISABLE", table},
		{"ALTER SERVER far OPTIONS (SET host 'b')", "s.away"},
		{"ALTER FOREIGN TABLE s.away OPTIONS (SET name 'b')", "s.away"},
		{"CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (who 'me')", "s.away"},
		{"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO same_policies", table},
	} {
		before := snapshot(t, c)
		mustExec(t, conn, tt.change)
		after, err := c.Refresh(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", tt.change, err)
		}
		if Same(before, after, []string{tt.table}) {
			t.Errorf("%s: %s is the same (the version differs: %v)", tt.change, tt.table, before.Version != after.Version)
		}
	}
	// What goes on every day is no change.
	for _, change := range []string{
		"INSERT INTO s.parts VALUES (1); ANALYZE; SELECT nextval('s.free')",
		"GRANT SELECT ON s.t TO PUBLIC; GRANT EXECUTE ON FUNCTION s.f() TO PUBLIC",
		"CREATE TABLE s.besides (id serial PRIMARY KEY, m s.mood[], CHECK (id > 0)); CREATE VIEW s.besides2 AS SELECT 1 AS one",
		"CREATE INDEX ON s.t (x)", "COMMENT ON TABLE s.t IS 'told'", "CREATE ROLE same_new; DROP ROLE same_new",
		"CREATE TEMP TABLE own (id serial PRIMARY KEY, m s.mood, CHECK (id > 1)); CREATE DOMAIN pg_temp.own_d AS int CHECK (VALUE > 1)",
	} {
		before := snapshot(t, c)
		mustExec(t, conn, change)
		after, err := c.Refresh(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", change, err)
		}
		if !Same(before, after, []string{table}) {
			t.Errorf("%s: %s is another", change, table)
		}
	}
}

// mustExecLate runs sql when the test has ended.
func mustExecLate(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
}
