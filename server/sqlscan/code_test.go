package sqlscan

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// database gives what a database contains that was made by a file of testdata.
func database(t *testing.T, file, name string) *catalog.Snapshot {
	t.Helper()
	schema, err := os.ReadFile("testdata/" + file + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]string{{"postgres", "create database " + name + " strategy file_copy"}, {name, string(schema)}} {
		if err := server.Exec(t.Context(), x[0], x[1]); err != nil {
			t.Fatal(err)
		}
	}
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, server.DSN(name)) }})
	t.Cleanup(func() {
		if err := cat.Close(); err != nil {
			t.Error(err)
		}
	})
	snap, err := cat.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// derives gives what a statement copies in short: "a b -> c d".
func derives(a *Analysis) string {
	from, into, _ := usesOf(a, hoop.EffectDerive)
	if len(into) == 0 {
		return ""
	}
	return strings.ReplaceAll(strings.Join(from, " ")+" -> "+strings.Join(into, " "), "code.", "")
}

// Code that runs with a statement counts as what it reads and writes. Where it is
// called and does more than read, it is opaque; where it cannot be read, it may do
// anything.
func TestCode(t *testing.T) {
	snap := database(t, "code", "code")
	for _, tt := range []struct{ sql, effects, reads, derives string }{
		// functions that only read
		{"SELECT code.dept(1), code.tax(2)", "read infer", "departments", ""},
		{"SELECT code.label(1)", "read infer", "patients", ""},
		{"SELECT code.tree(1)", "read infer", "patients", ""},
		{"SELECT code.nested(1)", "read infer", "patients", ""},
		{"SELECT code.byname(1)", "read infer", "patients", ""},
		{"SELECT code.defaulted()", "read infer", "patients", ""},
		{"SELECT code.gather(1)", "read infer", "patients", ""},
		{"SELECT code.uses_op()", "read infer", "patients", ""},
		{"SELECT 1 OPERATOR(code.@@@) 2", "read infer", "patients", ""},
		// what they give is copied
		{"UPDATE code.scratch SET code = code.label(2) WHERE id = 1", "read write infer derive", "patients scratch", "patients -> scratch"},
		{"UPDATE code.scratch SET code = code.tax(2) WHERE id = 1", "write infer", "scratch", ""},
		{"UPDATE code.scratch SET code = 2 OPERATOR(code.@@@) 1 WHERE id = 1", "read write infer derive", "patients scratch", "patients -> scratch"},
		{"INSERT INTO code.scratch VALUES (8, code.tree(2)) RETURNING code", "read write infer derive", "patients scratch", "patients -> scratch"},
		{"CREATE TABLE code.new AS SELECT code.label(1) AS x", "read ddl infer derive +D", "patients", "patients -> new"},
		{"SELECT code.label(1) AS x INTO code.new", "read ddl infer derive +D", "patients", "patients -> new"},
		{"ALTER TABLE code.scratch ADD COLUMN extra text DEFAULT code.label(2)", "read ddl infer derive +D", "patients scratch", "patients -> scratch"},
		// functions that write, or leave something in the session
		{"SELECT code.writes()", "read infer derive opaque +O", "patients scratch", "patients scratch -> scratch"},
		{"SELECT code.dynamic('select 1')", "read derive opaque +OTPD", "", "* -> *"},
		{"SELECT code.bitemp()", "read infer derive opaque +OTPD", "departments patients scratch", "departments patients scratch -> departments patients scratch public.departments"},
		{"SELECT code.sets()", "read infer opaque +OTPD", "patients", ""},
		{"SELECT code.xml()", "read derive opaque +OTPD", "", "* -> *"},
		{"SELECT code.stats()", "read opaque +O", "", ""},
		{"CALL code.writes()", "read infer derive opaque +OTPD", "patients scratch", "patients scratch -> scratch"},
		{"DO $$ BEGIN UPDATE code.scratch SET code = (SELECT ssn FROM code.patients); END $$", "read infer derive opaque +OTPD", "patients scratch", "patients scratch -> scratch"},
		{"DO $$ BEGIN CREATE TABLE code.made AS SELECT ssn FROM code.patients; END $$", "read infer derive opaque +OTPD", "patients", "patients -> made"},
		{`DO $$ BEGIN UPDATE code.scratch "." SET code = ".".id FROM code.audit ","; END $$`, "read infer derive opaque +OTPD", "audit scratch", "audit scratch -> scratch"},
		{"DO $$ DECLARE c refcursor; BEGIN OPEN c FOR UPDATE code.scratch SET code = 1 RETURNING 1; END $$", "read infer derive opaque +OTPD", "scratch", "scratch -> scratch"},
		{"DO $$ BEGIN PERFORM 1 FROM code.audit FOR UPDATE OF audit; END $$", "read infer opaque +OTPD", "audit", ""},
		{"DO $$ BEGIN CREATE SCHEMA new; CREATE TABLE audit AS SELECT ssn FROM code.patients; END $$", "read infer derive opaque +OTPD", "audit patients", "audit patients -> audit new.audit public.audit"},
		{"DO $$ BEGIN CREATE SCHEMA AUTHORIZATION CURRENT_USER; END $$", "derive opaque +OTPD", "", "* -> *"},
		{"DO $$ BEGIN EXECUTE 'x'; END $$", "derive opaque +OTPD", "", "* -> *"},
		{"DO LANGUAGE plperl $$ x $$", "derive opaque +OTPD", "", "* -> *"},
		{"DO $$ BEGIN RAISE NOTICE 'x'; END $$", "opaque +OTPD", "", ""},
		// casts, where values of their types can be
		{"SELECT ROW(2)::code.ticket::text", "read infer", "patients", ""},
		{"SELECT code.uses_cast(NULL)", "read infer", "patients", ""},
		{"INSERT INTO code.scratch VALUES (8, ROW(2)::code.ticket) RETURNING code", "read write infer derive", "patients scratch", "patients -> scratch"},
		{"UPDATE code.ticketed SET note = t WHERE id = 1", "read write infer derive", "patients ticketed", "patients ticketed -> ticketed"},
		{"SELECT t::text FROM code.ticketed", "read infer", "patients ticketed", ""},
		{"SELECT id FROM code.scratch", "read", "scratch", ""},
		// defaults, domains
		{"INSERT INTO code.tickets (id) VALUES (1) RETURNING opener", "read write derive", "patients tickets", "patients -> tickets"},
		{"COPY code.tickets (id) FROM STDIN", "read import derive", "patients tickets", "patients -> tickets"},
		{"INSERT INTO code.numbered (price) VALUES (1)", "write", "numbered", ""},
		{"SELECT public.uuid_generate_v4()", "read", "", ""},
		{"INSERT INTO code.checking VALUES (1, 'x')", "read write", "checking patients", ""},
		{"SELECT 'x'::code.checked", "read infer", "patients", ""},
		// triggers
		{"INSERT INTO code.touched (id) VALUES (1)", "write infer derive", "touched", "pg_catalog.pg_settings -> touched"},
		{"INSERT INTO code.audited VALUES (1, 'x')", "write derive", "audit audited", "audit audited -> audit"},
		{"DELETE FROM code.audited WHERE id = 1", "write infer", "audited", ""},
		{"INSERT INTO code.shown (id, patient) VALUES (1, 2) RETURNING shown", "read write derive", "audit patients shown", "audit patients shown -> audit shown"},
		{"COPY code.shown (id, patient) FROM STDIN", "read write import derive", "audit patients shown", "audit patients shown -> audit shown"},
		{"UPDATE code.moved SET ssn = 'x' WHERE id = 1", "write infer derive", "moved", "moved -> moved"},
		{"INSERT INTO code.moved VALUES (1)", "write", "moved", ""},
		{"INSERT INTO code.routed VALUES (1)", "write derive opaque +OTPD", "routed", "* routed -> * routed"},
		// views and rules pass changes on
		{"INSERT INTO code.cards (c) SELECT ssn FROM code.patients", "read write derive opaque +O", "cards patients scratch", "patients -> cards scratch"},
		{"INSERT INTO code.departments VALUES (1, 'x')", "read write derive opaque infer +O", "departments patients scratch", "departments patients scratch -> departments patients scratch"},
		// values from elsewhere
		{"UPDATE code.scratch SET code = lo_get(7)::text WHERE id = 1", "read write infer derive +O", "scratch", "* -> scratch"},
		{"UPDATE code.scratch SET code = current_setting('my.value') WHERE id = 1", "write infer derive", "scratch", "pg_catalog.pg_settings -> scratch"},
		{"UPDATE code.scratch SET code = pg_read_file('x') WHERE id = 1", "write infer derive server +O", "scratch", "* -> scratch"},
		{"COPY code.scratch FROM '/tmp/x'", "import derive server", "scratch", "* -> scratch"},
		{"SELECT dblink_exec('dbname=x', 'UPDATE code.scratch SET code = 1')", "read infer derive opaque server +O", "scratch", "* scratch -> scratch"},
		{"SELECT dblink_exec('dbname=x', name) FROM code.departments", "read infer derive opaque server +OTPD", "departments", "* departments -> *"},
		{"SELECT query_to_xml('SELECT code.writes()', true, false, '')", "read infer derive opaque +O", "patients scratch", "* patients scratch -> scratch"},
		{"SELECT domain_in('x', 'code.checked'::regtype, -1)", "read infer opaque +O", "patients", ""},
		{"SELECT setval('code.trail_id_seq', max(id)) FROM code.patients", "read write infer derive", "patients trail_id_seq", "patients -> trail_id_seq"},
		{"SELECT setval(pg_get_serial_sequence('code.trail', 'id'), max(id)) FROM code.patients", "read write infer derive", "patients", "patients -> identical_id_seq trail_id_seq"},
		{"INSERT INTO code.trail DEFAULT VALUES", "write derive", "trail trail_id_seq", "trail_id_seq -> trail"},
		{"INSERT INTO code.identical DEFAULT VALUES", "write derive", "identical identical_id_seq", "identical_id_seq -> identical"},
		{"SELECT obj_description(1, 'pg_class')", "read", "pg_catalog.pg_description", ""},
		{"INSERT INTO code.scratch VALUES (nextval('code.trail_id_seq'))", "write derive", "scratch trail_id_seq", "trail_id_seq -> scratch"},
		{"INSERT INTO code.scratch VALUES (nextval('code.trail' || '_id_seq'))", "write derive", "identical_id_seq scratch trail_id_seq", "identical_id_seq trail_id_seq -> scratch"},
		{"SELECT lastval()", "read", "identical_id_seq trail_id_seq", ""},
		{"SELECT currval('code.trail_id_seq')", "read", "trail_id_seq", ""},
		// a table that the catalog does not have
		{"INSERT INTO nowhere VALUES (1, code.label(1))", "read write infer derive +O", "patients", "patients -> nowhere pg_temp.nowhere public.nowhere"},
		{"INSERT INTO code.nowhere SELECT ssn FROM code.patients", "read write derive +O", "patients", "* patients -> nowhere"},
		// code of the same text
		{"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM code.patients'; UPDATE code.scratch SET code = f() WHERE id = 1", "read write ddl infer derive opaque +OUD", "scratch", "patients scratch -> scratch"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			p, err := pool.Parse(t.Context(), tt.sql)
			if err != nil {
				t.Fatal(err)
			}
			a := study(t, p, snap, Lineage{})
			want := strings.Fields(tt.effects)
			slices.Sort(want)
			got := strings.Fields(summary(a))
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("effects %v, want %v", got, want)
			}
			if got := strings.ReplaceAll(strings.Join(a.Reads, " "), "code.", ""); got != tt.reads {
				t.Errorf("reads %q, want %q", got, tt.reads)
			}
			if got := derives(a); got != tt.derives {
				t.Errorf("derives %q, want %q", got, tt.derives)
			}
		})
	}
}

// A rule on a table is one on its partitions and inheritance relatives: whichever of
// them a statement names, all count.
func TestAnalyze_Relatives(t *testing.T) {
	snap := database(t, "code", "relatives")
	for _, tt := range []struct{ sql, reads, into, columns string }{
		{"SELECT secret FROM code.parent", "child parent", "", ""},
		{"SELECT secret FROM code.child", "child parent", "", ""},
		{"SELECT secret FROM ONLY code.parent", "child parent", "", ""},
		{"SELECT secret FROM code.parted", "part1 parted", "", ""},
		{"SELECT secret FROM code.part1", "part1 parted", "", ""},
		{"SELECT 1 FROM code.parent WHERE secret = 'x'", "child parent", "", "child.secret parent.secret"},
		{"SELECT 1 FROM code.child c WHERE c.secret = 'x'", "child parent", "", "child.secret parent.secret"},
		{"SELECT 1 FROM code.child c WHERE c.extra = 'x'", "child parent", "", "child.extra"},
		{"SELECT 1 FROM code.part1 ORDER BY secret", "part1 parted", "", "part1.secret parted.secret"},
		{"INSERT INTO code.parent SELECT 1, ssn FROM code.patients", "child parent patients", "child parent", ""},
		{"INSERT INTO code.child SELECT 1, ssn FROM code.patients", "child parent patients", "child parent", ""},
		{"INSERT INTO code.part1 SELECT 1, ssn FROM code.patients", "part1 parted patients", "part1 parted", ""},
		{"UPDATE code.parted SET secret = (SELECT ssn FROM code.patients) WHERE id = 1", "part1 parted patients", "part1 parted", "part1.id parted.id patients.id"},
		{"CREATE TABLE code.new AS SELECT * FROM code.part1", "part1 parted", "new", ""},
		{"DO $$ BEGIN INSERT INTO code.part1 SELECT 1, ssn FROM code.patients; END $$", "part1 parted patients", "part1 parted", `part1.* parted.* patients.*`},
	} {
		p, err := pool.Parse(t.Context(), tt.sql)
		if err != nil {
			t.Fatal(err)
		}
		a := study(t, p, snap, Lineage{})
		_, into, _ := usesOf(a, hoop.EffectDerive)
		_, _, columns := usesOf(a, hoop.EffectInfer)
		for what, x := range map[string][2]string{
			"reads": {strings.Join(a.Reads, " "), tt.reads}, "into": {strings.Join(into, " "), tt.into}, "columns": {strings.Join(columns, " "), tt.columns},
		} {
			if got := strings.ReplaceAll(x[0], "code.", ""); got != x[1] {
				t.Errorf("%s: %s %q, want %q", tt.sql, what, got, x[1])
			}
		}
	}
}

// What a transaction changes of code is not in the catalog yet: the proxy takes what
// follows for any code.
func TestAnalysis_Recodes(t *testing.T) {
	snap := database(t, "code", "leaves")
	for sql, want := range map[string]bool{
		"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT 1'":                              true,
		"CREATE OR REPLACE PROCEDURE p() LANGUAGE plperl AS 'x'":                                   true,
		"ALTER FUNCTION code.label(int) RENAME TO other":                                           true,
		"ALTER FUNCTION code.label(int) SET SCHEMA public":                                         true,
		"CREATE TRIGGER x BEFORE INSERT ON code.scratch FOR EACH ROW EXECUTE FUNCTION code.show()": true,
		"CREATE RULE x AS ON INSERT TO code.departments DO ALSO NOTIFY x":                          true,
		"CREATE OPERATOR = (leftarg = int, rightarg = text, function = code.same)":                 true,
		"CREATE DOMAIN d AS int CHECK (VALUE > 0)":                                                 true,
		"ALTER DOMAIN code.d ADD CHECK (VALUE > 0)":                                                true,
		"ALTER TYPE code.t RENAME TO u":                                                            true,
		"CREATE POLICY p ON code.patients USING (true)":                                            true,
		"CREATE EXTENSION citext":                                                                  true,
		"ALTER TABLE code.scratch ALTER code SET DEFAULT code.label(1)":                            true,
		"CREATE VIEW v AS SELECT code.label(1)":                                                    true,
		"CREATE TABLE code.plain (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1":  true,
		"ALTER TABLE code.scratch ALTER code SET DEFAULT 'x'":                                      false,
		"ALTER TABLE code.scratch ADD COLUMN a int CHECK (a > 0)":                                  false,
		"CREATE VIEW v AS SELECT id FROM code.patients":                                            false,
		"CREATE TABLE code.plain (id int DEFAULT 1)":                                               false,
		"CREATE TEMP TABLE plain AS SELECT 1":                                                      false,
		"CREATE TABLE plain AS SELECT code.label(1)":                                               false,
		"SELECT code.label(1) INTO plain":                                                          false,
		"EXPLAIN ANALYZE CREATE TABLE plain AS SELECT code.label(1)":                               false,
		"CREATE MATERIALIZED VIEW v AS SELECT code.label(1)":                                       true,
		"EXPLAIN ANALYZE CREATE MATERIALIZED VIEW v AS SELECT code.label(1)":                       true,
		"CREATE INDEX ON code.scratch (code)":                                                      false,
		"DROP FUNCTION code.label(int)":                                                            false,
		"GRANT SELECT ON code.scratch TO PUBLIC":                                                   false,
		"COMMENT ON TABLE code.scratch IS 'x'":                                                     false,
		"SELECT 1":                                                                                 false,
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if got := study(t, p, snap, Lineage{}).Recodes; got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}

func TestSimpleTrigger(t *testing.T) {
	for body, want := range map[string]string{
		"BEGIN NEW.a := now(); RETURN NEW; END":                                                                  "yes",
		"begin new.a = lower(new.a); return new; end;":                                                           "yes",
		"BEGIN IF NEW.a IS DISTINCT FROM OLD.a THEN NEW.b := 1; END IF; RETURN NEW; END":                         "yes a a",
		"BEGIN IF (NEW IS NOT DISTINCT FROM OLD) THEN RETURN NULL; ELSE RETURN NEW; END IF; END":                 "yes * *",
		"BEGIN IF TG_OP = 'INSERT' THEN NEW.a := 1; ELSIF TG_OP <> 'x' THEN RETURN OLD; END IF; RETURN NEW; END": "yes",
		"BEGIN NEW.a := NEW.b; RETURN NEW; END":                                                                  "no",
		"BEGIN NEW.a := OLD.b; RETURN NEW; END":                                                                  "no",
		"BEGIN NEW.a := row_to_json(NEW); RETURN NEW; END":                                                       "no",
		"BEGIN NEW.a := (NEW).b; RETURN NEW; END":                                                                "no",
		`BEGIN NEW.a := "new".b; RETURN NEW; END`:                                                                "no",
		"BEGIN NEW.a := (SELECT 1); RETURN NEW; END":                                                             "no",
		"BEGIN NEW.a.b := 1; RETURN NEW; END":                                                                    "no",
		"BEGIN NEW := OLD; RETURN NEW; END":                                                                      "no",
		"BEGIN IF NEW.a = 'x' THEN NEW.b := 1; END IF; RETURN NEW; END":                                          "no",
		"BEGIN NEW.a := 1; IF NEW.a IS DISTINCT FROM OLD.a THEN NEW.b := 1; END IF; RETURN NEW; END":             "no",
		"BEGIN NEW.a := 1; IF NEW IS DISTINCT FROM OLD THEN NEW.b := 1; END IF; RETURN NEW; END":                 "no",
		"DECLARE x int; BEGIN RETURN NEW; END":                                                                   "no",
		"BEGIN LOOP NEW.a := 1; END LOOP; END":                                                                   "no",
		"BEGIN RAISE NOTICE '%', NEW.a; RETURN NEW; END":                                                         "no",
		"BEGIN RETURN NEW; END; x":                                                                               "no",
		"BEGIN RETURN NEW;":                                                                                      "no",
		"":                                                                                                       "no",
	} {
		columns, ok := simpleTrigger(&catalog.Function{Language: "plpgsql", Source: body})
		got := "no"
		if ok {
			got = strings.Join(append([]string{"yes"}, columns...), " ")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if _, ok := simpleTrigger(&catalog.Function{Language: "c", Source: "begin return new; end"}); ok {
		t.Error("a function in C is simple")
	}
}

func TestTokenize(t *testing.T) {
	for src, want := range map[string]string{
		`SELECT "A b""c", e'x\'y', 'it''s' FROM T -- x`: `select A b"c , ` + escaped + ` , it's from t`,
		"a/* x /* y */ z */b $x$ 'q' $x$ $1 c$d":        "a b  'q'  $ c$d",
		"1..10 2.5 x.y":                                 "0 . . 0 0 x . y",
		"a@-1 b*-1 c<>-d e||'f' g!=1 h!=-1":             "a @- 0 b * - 0 c <> - d e || f g <> 0 h !=- 0",
		"x:=1::int4":                                    "x := 0 :: int4",
		"'a' -- b\n'c''d' 'e'--\n\t-- 'g'\n'h' $1in":    "ac'd eh $ in",
		"e'a'\n'\\x20'":                                 escaped,
		strings.Repeat("É", 40):                         strings.Repeat("É", 31),
	} {
		toks, ok := tokenize(src)
		var got []string
		for _, tok := range toks {
			got = append(got, tok.text)
		}
		if !ok || strings.Join(got, " ") != want {
			t.Errorf("%s: %q %v, want %q", src, strings.Join(got, " "), ok, want)
		}
	}
	for _, src := range []string{`'a\'`, `U&"x"`, `u&'x'`, "'open", `"open`, "/* open", "$$ open", `e'open\'`} {
		if toks, ok := tokenize(src); ok {
			t.Errorf("%s: read as %v", src, toks)
		}
	}
}

func FuzzTokenize(f *testing.F) {
	for _, seed := range []string{`select 'a', e'b\'', "c" -- d`, "$a$ x $a$ /* /* */ */ 1..2 @-", "begin new.a := 1; end"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		toks, ok := tokenize(src)
		if ok && len(toks) > len(src) {
			t.Errorf("%d words in %d bytes", len(toks), len(src))
		}
		simpleTrigger(&catalog.Function{Language: "plpgsql", Source: src})
		newCode(snap).body(src, "plpgsql")
		newCode(snap).definition(src, true)
	})
}
