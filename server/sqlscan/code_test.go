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
func database(t *testing.T, name string) *catalog.Snapshot {
	t.Helper()
	schema, err := os.ReadFile("testdata/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range [][2]string{{"postgres", "create database " + name}, {name, string(schema)}} {
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
	snap := database(t, "code")
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
		{"UPDATE code.scratch SET code = code.label(2) WHERE id = 1", "write infer derive", "patients scratch", "patients -> scratch"},
		{"UPDATE code.scratch SET code = code.tax(2) WHERE id = 1", "write infer", "scratch", ""},
		{"UPDATE code.scratch SET code = 2 OPERATOR(code.@@@) 1 WHERE id = 1", "write infer derive", "patients scratch", "patients -> scratch"},
		{"INSERT INTO code.scratch VALUES (8, code.tree(2)) RETURNING code", "read write infer derive", "patients scratch", "patients -> scratch"},
		{"CREATE TABLE code.new AS SELECT code.label(1) AS x", "ddl infer derive +TD", "patients", "patients -> new"},
		{"SELECT code.label(1) AS x INTO code.new", "ddl infer derive +TD", "patients", "patients -> new"},
		{"ALTER TABLE code.scratch ADD COLUMN extra text DEFAULT code.label(2)", "ddl infer derive +TD", "patients scratch", "patients -> scratch"},
		// functions that write, or leave something in the session
		{"SELECT code.writes()", "read infer derive opaque +O", "patients scratch", "patients scratch -> scratch"},
		{"SELECT code.dynamic('select 1')", "read derive opaque +OTD", "", "* -> *"},
		{"SELECT code.bitemp()", "read infer derive opaque +OTD", "departments patients scratch", "departments patients scratch -> departments patients scratch"},
		{"SELECT code.sets()", "read infer opaque +OTD", "patients", ""},
		{"SELECT code.xml()", "read derive opaque +OTD", "", "* -> *"},
		{"SELECT code.stats()", "read opaque +O", "", ""},
		{"CALL code.writes()", "read infer derive opaque +OTD", "patients scratch", "patients scratch -> scratch"},
		{"DO $$ BEGIN UPDATE code.scratch SET code = (SELECT ssn FROM code.patients); END $$", "infer derive opaque +OTD", "patients scratch", "patients scratch -> scratch"},
		{"DO $$ BEGIN CREATE TABLE code.made AS SELECT ssn FROM code.patients; END $$", "infer derive opaque +OTD", "patients", "patients -> made"},
		{"DO $$ BEGIN EXECUTE 'x'; END $$", "derive opaque +OTD", "", "* -> *"},
		{"DO LANGUAGE plperl $$ x $$", "derive opaque +OTD", "", "* -> *"},
		{"DO $$ BEGIN RAISE NOTICE 'x'; END $$", "opaque +OTD", "", ""},
		// casts, where values of their types can be
		{"SELECT ROW(2)::code.ticket::text", "read infer", "patients", ""},
		{"SELECT code.uses_cast(NULL)", "read infer", "patients", ""},
		{"INSERT INTO code.scratch VALUES (8, ROW(2)::code.ticket) RETURNING code", "read write infer derive", "patients scratch", "patients -> scratch"},
		{"UPDATE code.ticketed SET note = t WHERE id = 1", "write infer derive", "patients ticketed", "patients ticketed -> ticketed"},
		{"SELECT t::text FROM code.ticketed", "read", "patients ticketed", ""},
		{"SELECT id FROM code.scratch", "read", "scratch", ""},
		// defaults, domains
		{"INSERT INTO code.tickets (id) VALUES (1) RETURNING opener", "read write derive", "patients tickets", "patients -> tickets"},
		{"COPY code.tickets (id) FROM STDIN", "import derive", "patients tickets", "patients -> tickets"},
		{"INSERT INTO code.numbered (price) VALUES (1)", "write", "numbered", ""},
		{"SELECT public.uuid_generate_v4()", "read", "", ""},
		{"INSERT INTO code.checking VALUES (1, 'x')", "write", "checking patients", ""},
		{"SELECT 'x'::code.checked", "read infer", "patients", ""},
		// triggers
		{"INSERT INTO code.touched (id) VALUES (1)", "write infer derive", "touched", "pg_catalog.pg_settings -> touched"},
		{"INSERT INTO code.audited VALUES (1, 'x')", "write derive", "audit audited", "audit audited -> audit"},
		{"DELETE FROM code.audited WHERE id = 1", "write infer", "audited", ""},
		{"INSERT INTO code.shown (id, patient) VALUES (1, 2) RETURNING shown", "read write derive", "audit patients shown", "audit patients shown -> audit shown"},
		{"COPY code.shown (id, patient) FROM STDIN", "import derive", "audit patients shown", "audit patients shown -> audit shown"},
		{"UPDATE code.moved SET ssn = 'x' WHERE id = 1", "write infer derive", "moved", "moved -> moved"},
		{"INSERT INTO code.moved VALUES (1)", "write", "moved", ""},
		{"INSERT INTO code.routed VALUES (1)", "write derive +OTD", "routed", "* routed -> * routed"},
		// views and rules pass changes on
		{"INSERT INTO code.cards (c) SELECT ssn FROM code.patients", "write derive opaque +O", "cards patients scratch", "patients -> cards scratch"},
		{"INSERT INTO code.departments VALUES (1, 'x')", "write derive opaque infer +O", "departments patients scratch", "departments patients scratch -> departments patients scratch"},
		// values from elsewhere
		{"UPDATE code.scratch SET code = lo_get(7)::text WHERE id = 1", "write infer derive +O", "scratch", "* -> scratch"},
		{"UPDATE code.scratch SET code = current_setting('my.value') WHERE id = 1", "write infer derive", "scratch", "pg_catalog.pg_settings -> scratch"},
		{"UPDATE code.scratch SET code = pg_read_file('x') WHERE id = 1", "write infer derive server +O", "scratch", "* -> scratch"},
		{"COPY code.scratch FROM '/tmp/x'", "import derive server", "scratch", "* -> scratch"},
		{"SELECT dblink_exec('dbname=x', 'UPDATE code.scratch SET code = 1')", "read infer derive opaque server +O", "scratch", "* scratch -> scratch"},
		{"SELECT dblink_exec('dbname=x', name) FROM code.departments", "read infer derive opaque server +OTD", "departments", "* departments -> *"},
		{"SELECT query_to_xml('SELECT code.writes()', true, false, '')", "read infer derive opaque +O", "patients scratch", "* patients scratch -> scratch"},
		{"SELECT setval('code.trail_id_seq', max(id)) FROM code.patients", "read write infer derive opaque +O", "patients trail_id_seq", "patients -> trail_id_seq"},
		{"SELECT setval(pg_get_serial_sequence('code.trail', 'id'), max(id)) FROM code.patients", "read write infer derive opaque +O", "patients", "patients -> trail_id_seq"},
		{"SELECT currval('code.trail_id_seq')", "read", "trail_id_seq", ""},
		// a table that the catalog does not have
		{"INSERT INTO nowhere VALUES (1, code.label(1))", "write infer derive +O", "patients", "patients -> nowhere pg_temp.nowhere public.nowhere"},
		{"INSERT INTO code.nowhere SELECT ssn FROM code.patients", "write derive +O", "patients", "* patients -> nowhere"},
		// code of the same text
		{"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM code.patients'; UPDATE code.scratch SET code = f() WHERE id = 1", "write ddl infer derive opaque +OTD", "scratch", "patients -> scratch"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			p, err := pool.Parse(t.Context(), tt.sql)
			if err != nil {
				t.Fatal(err)
			}
			a := Analyze(p, snap)
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
