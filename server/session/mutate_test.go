package session_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// mutable is what the statements of TestApproval_DefinitionsMeanwhileRefuse stand on.
const mutable = counted + `
	DROP ROLE IF EXISTS reader;
	DROP EVENT TRIGGER IF EXISTS ev;
	CREATE ROLE reader;
	CREATE TABLE owners (id int PRIMARY KEY);
	CREATE TABLE loose (n int);
	INSERT INTO owners VALUES (1);
	CREATE VIEW mine AS SELECT id FROM owners WHERE id = 1;
	CREATE DOMAIN small AS int CHECK (VALUE < 1000);
	CREATE TYPE mood AS ENUM ('good', 'bad');
	CREATE TABLE rich (id serial, n int DEFAULT 1, g int GENERATED ALWAYS AS (1) STORED, c int CHECK (c > 0), s small, m mood,
		o int REFERENCES owners ON DELETE CASCADE);
	INSERT INTO rich (c, s, o) VALUES (1, 1, 1);
	CREATE TABLE guarded (n int, owner int);
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
	CREATE POLICY p ON guarded USING (n > 0) WITH CHECK (n > 0);
	CREATE POLICY asks ON guarded USING (owner IN (SELECT id FROM mine));
	CREATE TABLE parts (n int) PARTITION BY RANGE (n);
	CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TRIGGER fires BEFORE UPDATE ON rich FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE RULE also AS ON UPDATE TO loose DO ALSO DELETE FROM allowed WHERE n = OLD.n;
	CREATE FUNCTION inner_step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
	CREATE FUNCTION outer_step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT inner_step()';
	CREATE FUNCTION same_as(int, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
	CREATE FUNCTION any_as(int, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE OPERATOR === (LEFTARG = int, RIGHTARG = text, FUNCTION = same_as);
	CREATE FUNCTION mood_n(mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
	CREATE FUNCTION cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
	CREATE OPERATOR CLASS ints FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 cmp(int, int);
	CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
	INSERT INTO parts VALUES (1);
	INSERT INTO guarded VALUES (1, 1);
	INSERT INTO allowed VALUES (1);
	INSERT INTO loose VALUES (1);`

// rows is a number that changes with any row version, and with the tables that there are.
func (a *approvals) rows() int64 {
	a.t.Helper()
	return a.Count(`SELECT hashtextextended(string_agg(r, ' ' ORDER BY r), 0) FROM (
		SELECT 'hits' || ctid || n FROM hits UNION ALL SELECT 'rich' || ctid || rich::text FROM rich UNION ALL SELECT 'owners' || ctid FROM owners
		UNION ALL SELECT 'guarded' || ctid FROM guarded UNION ALL SELECT 'parts' || ctid FROM parts UNION ALL SELECT 'allowed' || ctid FROM allowed
		UNION ALL SELECT 'loose' || ctid FROM loose UNION ALL SELECT 'table' || relname FROM pg_class WHERE relkind = 'r') t(r)`)
}

// A held statement, once approved, is refused where anything that says what it does was
// defined otherwise meanwhile: who may see which row, what a value is, what fires, what
// a name of the code that it runs stands for. The refusal is on record.
func TestApproval_DefinitionsMeanwhileRefuse(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: mutable})
	const (
		rich    = "UPDATE rich SET n = n + 1 WHERE true"
		insert  = "INSERT INTO rich (c, s) SELECT n, n FROM hits; DELETE FROM rich WHERE true"
		guarded = "DELETE FROM guarded WHERE true"
	)
	refusals := func() (n int) {
		for _, e := range events(t, a.Gateway) {
			if e.Type == hoop.EventStatement && e.Action == hoop.Deny && e.Reason == "the catalog changed while the statement waited, and with it what the statement does" {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct{ what, sql, change string }{
		{"a policy's USING", guarded, "ALTER POLICY p ON guarded USING (n > -1)"},
		{"a policy's WITH CHECK", guarded, "ALTER POLICY p ON guarded WITH CHECK (n > -1)"},
		{"a policy's roles", guarded, "ALTER POLICY p ON guarded TO reader"},
		{"a further policy", guarded, "CREATE POLICY more ON guarded AS RESTRICTIVE USING (n < 5)"},
		{"no policy any more", guarded, "DROP POLICY more ON guarded"},
		{"a view that a policy asks", guarded, "CREATE OR REPLACE VIEW mine AS SELECT id FROM owners"},
		{"forced policies", guarded, "ALTER TABLE guarded FORCE ROW LEVEL SECURITY"},
		{"no policies at all", guarded, "ALTER TABLE guarded DISABLE ROW LEVEL SECURITY"},
		{"whom policies do not count for", guarded, "ALTER ROLE reader BYPASSRLS"},
		{"the owner", guarded, "ALTER TABLE guarded OWNER TO reader"},
		{"a membership", guarded, "GRANT reader TO plain"},
		{"a default", insert, "ALTER TABLE rich ALTER n SET DEFAULT 2"},
		{"a generated column", insert, "ALTER TABLE rich DROP COLUMN g, ADD COLUMN g int GENERATED ALWAYS AS (2) STORED"},
		{"a check", insert, "ALTER TABLE rich DROP CONSTRAINT rich_c_check, ADD CONSTRAINT rich_c_check CHECK (c > -1)"},
		{"NOT NULL", insert, "ALTER TABLE rich ALTER c SET NOT NULL"},
		{"a sequence behind a default", insert, "ALTER SEQUENCE rich_id_seq INCREMENT 100"},
		{"a domain's check", insert, "ALTER DOMAIN small ADD CHECK (VALUE > -1000)"},
		{"a domain's default", insert, "ALTER DOMAIN small SET DEFAULT 1"},
		{"an enum's labels", rich, "ALTER TYPE mood ADD VALUE 'so so' BEFORE 'bad'"},
		{"a trigger switched off", rich, "ALTER TABLE rich DISABLE TRIGGER fires"},
		{"a trigger's function", rich, "CREATE OR REPLACE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := 0; RETURN NEW; END'"},
		{"a rule switched off", "UPDATE loose SET n = 1 WHERE true", "ALTER TABLE loose DISABLE RULE also"},
		{"a rule's action", "UPDATE loose SET n = 1 WHERE true", "CREATE OR REPLACE RULE also AS ON UPDATE TO loose DO ALSO DELETE FROM allowed WHERE n = OLD.n + 1"},
		{"what a cascade does", "DELETE FROM owners WHERE true", "ALTER TABLE rich DROP CONSTRAINT rich_o_fkey, ADD CONSTRAINT rich_o_fkey FOREIGN KEY (o) REFERENCES owners ON DELETE SET NULL"},
		{"cascades switched off", "DELETE FROM owners WHERE true", "ALTER TABLE owners DISABLE TRIGGER ALL"},
		{"another partition", "UPDATE parts SET n = n WHERE true", "CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20)"},
		{"other bounds", "UPDATE parts SET n = n WHERE true", "ALTER TABLE parts DETACH PARTITION part2; ALTER TABLE parts ATTACH PARTITION part2 FOR VALUES FROM (10) TO (30)"},
		{"an operator", "DELETE FROM hits WHERE n === '1' OR true", "DROP OPERATOR === (int, text); CREATE OPERATOR === (LEFTARG = int, RIGHTARG = text, FUNCTION = any_as)"},
		{"a cast", "UPDATE rich SET n = m::int WHERE true", "CREATE CAST (mood AS int) WITH FUNCTION mood_n(mood)"},
		{"an operator class", "DELETE FROM hits WHERE true", "DROP OPERATOR CLASS ints USING btree; CREATE OPERATOR CLASS ints FOR TYPE int USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 cmp(int, int)"},
		{"a function that a function calls", "UPDATE hits SET n = n + outer_step() WHERE true", "CREATE OR REPLACE FUNCTION inner_step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1000'"},
		{"a function's settings", "UPDATE hits SET n = n + outer_step() WHERE true", "ALTER FUNCTION inner_step() SET search_path = other"},
		{"a function's owner", "UPDATE hits SET n = n + outer_step() WHERE true", "ALTER FUNCTION inner_step() OWNER TO reader"},
		{"a function of PostgreSQL's", "UPDATE hits SET n = n + pi()::int WHERE true", "CREATE OR REPLACE FUNCTION pg_catalog.pi() RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 3000::float8'"},
		{"an event trigger", "DROP TABLE allowed", "CREATE EVENT TRIGGER ev ON sql_drop EXECUTE FUNCTION noted()"},
		{"an event trigger switched off", "DROP TABLE allowed", "ALTER EVENT TRIGGER ev DISABLE"},
		{"rights of what will be made", "CREATE TABLE made (n int)", "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			a.t = t
			refused := refusals()
			conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
			done := exec(conn, tt.sql)
			held := a.pending(1)[0]
			a.Direct(tt.change)
			before := a.rows()
			a.decide(held.ID, true)
			if err := <-done; state(err) != "42501" {
				t.Errorf("approved for something else, and yet: %v", err)
			}
			if a.rows() != before {
				t.Error("it ran")
			}
			if got := refusals(); got != refused+1 {
				t.Errorf("%d refusals on record, want one more than %d", got, refused)
			}
		})
	}
	a.Direct("DROP EVENT TRIGGER ev; CREATE OR REPLACE FUNCTION pg_catalog.pi() RETURNS float8 LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'dpi'; " +
		"ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC; ALTER TABLE guarded OWNER TO postgres; ALTER FUNCTION inner_step() OWNER TO postgres")
}
