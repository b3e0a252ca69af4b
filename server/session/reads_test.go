package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const readable = `
create table zed (id int primary key, note text);
create table secrets (id int primary key, ssn text);
insert into zed values (1, 'mine'), (2, 'mine');
insert into secrets values (1, '123-45-6789'), (2, '987-65-4321');
create table log (id int, line text);
create function peek() returns text language sql stable as 'select ssn from secrets limit 1';
create view shown as select ssn from secrets;
create materialized view stored as select ssn from secrets;
`

// waysIn read secrets for the sake of something else than an answer: each fills a place that
// may be read afterwards, or tells by what it changes.
var waysIn = []string{
	"SELECT ssn FROM secrets",
	"CREATE TEMP TABLE zed AS SELECT id, ssn AS note FROM secrets",
	"CREATE TEMP TABLE zed AS TABLE secrets",
	"SELECT * INTO TEMP zed FROM secrets",
	"SELECT * INTO TEMP zed FROM shown",
	"CREATE TEMP VIEW zed AS SELECT * FROM secrets",
	"CREATE TABLE copied AS SELECT ssn FROM secrets",
	"CREATE VIEW copied AS SELECT ssn FROM secrets",
	"CREATE MATERIALIZED VIEW copied AS SELECT ssn FROM secrets",
	"REFRESH MATERIALIZED VIEW stored",
	"SELECT * FROM stored",
	"CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM secrets",
	"INSERT INTO zed SELECT id + 10, ssn FROM secrets",
	"INSERT INTO zed VALUES (10, (SELECT max(ssn) FROM secrets))",
	"INSERT INTO zed TABLE secrets ON CONFLICT DO NOTHING",
	"INSERT INTO zed VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = (SELECT max(ssn) FROM secrets)",
	"INSERT INTO zed VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = 'x' WHERE EXISTS (SELECT 1 FROM secrets)",
	"UPDATE zed SET note = (SELECT max(ssn) FROM secrets) WHERE id = 1",
	"UPDATE zed SET (id, note) = (SELECT id, ssn FROM secrets WHERE id = 1) WHERE id = 1",
	"UPDATE zed SET note = ssn FROM secrets s WHERE s.id = zed.id AND s.id = 1",
	"UPDATE zed SET note = 'x' WHERE id IN (SELECT id FROM secrets WHERE ssn LIKE '1%')",
	"DELETE FROM zed WHERE id = 1 AND EXISTS (SELECT 1 FROM secrets WHERE ssn LIKE '9%')",
	"DELETE FROM zed USING secrets s WHERE s.id = zed.id AND s.id = 1",
	"DELETE FROM zed WHERE id = 1 AND note = peek()",
	"MERGE INTO zed USING secrets s ON s.id = zed.id AND zed.id = 1 WHEN MATCHED THEN UPDATE SET note = ssn",
	"MERGE INTO zed USING (VALUES (1)) v(i) ON v.i = zed.id WHEN MATCHED AND EXISTS (SELECT 1 FROM secrets) THEN DO NOTHING",
	"WITH s AS (SELECT ssn FROM secrets) INSERT INTO zed SELECT 10, ssn FROM s",
	"WITH d AS (DELETE FROM secrets WHERE id = 1 RETURNING ssn) INSERT INTO zed SELECT 10, ssn FROM d",
	"DECLARE c CURSOR FOR SELECT ssn FROM secrets",
	"COPY secrets TO STDOUT",
	"COPY (SELECT ssn FROM secrets) TO STDOUT",
	"COPY (INSERT INTO zed SELECT id + 20, ssn FROM secrets RETURNING id) TO STDOUT",
	"PREPARE p AS SELECT ssn FROM secrets",
	"PREPARE p AS INSERT INTO zed SELECT id + 10, ssn FROM secrets",
	"EXPLAIN UPDATE zed SET note = 'x' WHERE id IN (SELECT id FROM secrets)",
	"CREATE RULE r AS ON INSERT TO zed DO ALSO INSERT INTO zed SELECT id, ssn FROM secrets",
	"CREATE RULE r AS ON INSERT TO zed WHERE EXISTS (SELECT 1 FROM secrets WHERE ssn = new.note) DO NOTHING",
	"CREATE POLICY p ON zed USING (EXISTS (SELECT 1 FROM secrets))",
	"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM secrets'",
	"DO $$ BEGIN UPDATE zed SET note = (SELECT max(ssn) FROM secrets); END $$",
	"ALTER TABLE zed ALTER note TYPE text USING peek()",
	"CREATE INDEX ON zed ((peek()))",
	"ALTER TABLE secrets RENAME TO renamed",
	"ALTER TABLE secrets INHERIT zed",
	"SELECT 1 LIMIT (SELECT length(max(ssn)) FROM secrets)",
	"VALUES ((SELECT max(ssn) FROM secrets))",
	"SELECT peek()",
	"WITH w AS (UPDATE zed SET note = (SELECT max(ssn) FROM secrets) WHERE id = 1) SELECT 1",
}

// allowed runs everything that is not about reading.
func allowed(more string) string {
	return strings.Replace(servertest.Resources, "  effects: [ddl, destroy, role, unbounded-write, export, derive, opaque]\n  tables: [\"*\"]\n  decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}",
		"  effects: [ddl, destroy, role, unbounded-write, export, derive, opaque]\n  tables: [\"*\"]\n  decision: allow", 1) + more
}

// What a statement reads is judged whatever it does with it: by a grant's scope, by an
// agent's, and by a rule.
func TestRead_WhateverTheCommand(t *testing.T) {
	scope := hoop.Scope{Tables: []string{"public.zed"}}
	t.Run("grant", func(t *testing.T) {
		g := servertest.Start(t, servertest.Options{Setup: readable, Resources: allowed("")})
		conn := narrowed(t, g, scope)
		refusesAll(t, conn, "denied by your grant: read on public.secrets", "outside the scope of the grant")
		var refused *pgconn.PgError
		if _, err := conn.Exec(t.Context(), "SELECT ssn FROM secrets"); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "hoopctl request pg-prod,") {
			t.Errorf("the hint names no target: %+v", refused)
		}
		for _, sql := range []string{
			"SELECT lo_get(1)", "SELECT lo_open(1, 262144)", "DELETE FROM zed WHERE id = 1 AND lo_get(1) = ''", "SELECT * FROM pg_largeobject",
			"SELECT lo_from_bytea(0, 'x')", "SELECT pg_catalog.loread(0, 10)",
		} {
			refuses(t, conn, sql, "outside the scope of the grant", "on large objects (pg_catalog.pg_largeobject)")
		}
		refuses(t, conn, "SELECT pg_get_viewdef('shown'::regclass)", "outside the scope of the grant", "read on pg_catalog.pg_rewrite")
		refuses(t, conn, "SELECT pg_stat_get_backend_activity(1)", "outside the scope of the grant", "read on pg_catalog.pg_stat_activity")
	})
	t.Run("agent", func(t *testing.T) {
		g := servertest.Start(t, servertest.Options{Setup: readable, Resources: allowed("")})
		started, err := g.API("dba").NewAgent(t.Context(), api.NewAgent{Targets: []string{"pg-prod"}, Duration: hoop.Duration(10 * time.Minute), Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		g.Hold("agent-of-dba", started.Token)
		conn := connected(t, g.Connect("agent-of-dba", "pg-prod"))
		refusesAll(t, conn, "outside the scope of the grant", "read on public.secrets")
		refuses(t, conn, "SELECT lo_get(1)", "outside the scope of the grant", "on large objects")
	})
	t.Run("rule", func(t *testing.T) {
		g := servertest.Start(t, servertest.Options{Setup: readable, Resources: allowed(`
---
kind: StatementRule
name: nobody-reads-secrets
spec: {targets: [pg-prod], groups: ["*"], effects: [read], tables: [public.secrets], decision: deny}
`)})
		conn := connected(t, g.Connect("agent", "pg-prod"))
		refusesAll(t, conn, "denied by rule nobody-reads-secrets: read", "")
		run(t, conn, "INSERT INTO secrets VALUES (3, 'x')")
		run(t, conn, "UPDATE secrets SET ssn = 'y' WHERE id = 3")
		run(t, conn, "ALTER TABLE secrets ADD COLUMN more text")
	})
}

// A temporary object of one's own is within every scope, as whatever fills it is read within
// it; so is a write, which reads nothing but what it changes.
func TestRead_OwnTemporaryTables(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: readable, Resources: allowed("")})
	conn := narrowed(t, g, hoop.Scope{Tables: []string{"public.zed"}})
	for _, sql := range []string{
		"CREATE TEMP TABLE own AS SELECT * FROM zed", "SELECT * FROM own", "SELECT * FROM pg_temp.own",
		"CREATE TEMP TABLE plain (id int, note text)", "INSERT INTO plain SELECT id, note FROM zed", "UPDATE plain SET note = 'x'",
		"INSERT INTO plain SELECT id, note FROM own", "SELECT p.note FROM plain p JOIN own USING (id)", "DELETE FROM plain WHERE id = 1",
		"CREATE TEMP VIEW looks AS SELECT note FROM zed", "SELECT * FROM looks",
		"SELECT * INTO TEMP another FROM zed", "TABLE another", "DROP TABLE another",
		"BEGIN", "DECLARE c CURSOR FOR SELECT * FROM own", "FETCH c", "COMMIT",
	} {
		run(t, conn, sql)
	}
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"plain"}, []string{"id"}, pgx.CopyFromRows([][]any{{5}})); err != nil {
		t.Error(err)
	}
	for _, sql := range []string{
		"INSERT INTO own SELECT * FROM secrets", "UPDATE own SET note = (SELECT max(ssn) FROM secrets)", "DELETE FROM own WHERE note IN (SELECT ssn FROM secrets)",
		"MERGE INTO own USING secrets s ON s.id = own.id WHEN MATCHED THEN UPDATE SET note = ssn", "CREATE OR REPLACE TEMP VIEW looks AS SELECT ssn AS note FROM secrets",
	} {
		refuses(t, conn, sql, "outside the scope of the grant", "read on public.secrets")
	}
	g.Direct("drop table if exists copied")
	if n := g.Count("select count(*) from zed"); n != 2 {
		t.Errorf("%d rows", n)
	}
	writes := narrowed(t, g, hoop.Scope{Effects: []hoop.Effect{hoop.EffectWrite}, Tables: []string{"public.zed"}})
	for _, sql := range []string{"INSERT INTO zed VALUES (7, 'x')", "UPDATE zed SET note = note || '.' WHERE id = 7", "DELETE FROM zed WHERE id = 7"} {
		run(t, writes, sql)
	}
	refuses(t, writes, "DELETE FROM zed WHERE id = 1 RETURNING note", "outside the scope of the grant", "read")
	refuses(t, writes, "DELETE FROM zed WHERE id = (SELECT max(id) FROM zed)", "outside the scope of the grant", "read")
}

// What a scope's table is partitioned into is within the scope; what it is a partition of, what
// inherits from it, and other tables are not.
func TestRead_PartitionsOfATable(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Resources: allowed(""), Setup: readable + `;
		CREATE TABLE events (id int, at int) PARTITION BY RANGE (at);
		CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (at);
		CREATE TABLE events_1_1 PARTITION OF events_1 FOR VALUES FROM (0) TO (5);
		CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20);
		CREATE TABLE base (id int); CREATE TABLE derived (ssn text) INHERITS (base)`})
	conn := narrowed(t, g, hoop.Scope{Tables: []string{"public.events", "public.base"}})
	for _, sql := range []string{
		"INSERT INTO events VALUES (1, 2), (2, 12)", "SELECT * FROM events", "UPDATE events SET at = at + 1", "SELECT * FROM events_1_1",
		"SELECT * FROM events WHERE id IN (SELECT id FROM events_2)", "DELETE FROM events_1 WHERE id = 1",
	} {
		run(t, conn, sql)
	}
	refuses(t, conn, "SELECT * FROM derived", "outside the scope of the grant", "read on public.derived")
	refuses(t, conn, "INSERT INTO events SELECT id, 3 FROM secrets", "outside the scope of the grant", "read on public.secrets")
	for sql, effect := range map[string]string{ // what is no table at all
		"CREATE ROLE another": "role", "ALTER ROLE postgres SET work_mem = '5MB'": "role", "CREATE SCHEMA another": "ddl", "CREATE TYPE another AS (a int)": "ddl", "DROP FUNCTION IF EXISTS another()": "destroy",
	} {
		refuses(t, conn, sql, "outside the scope of the grant", effect+" on no table")
	}
	for _, sql := range []string{"SELECT 1", "SET work_mem = '5MB'", "NOTIFY another", "CREATE TEMP TABLE another (a int)", "DROP TABLE another"} {
		run(t, conn, sql)
	}
	part := narrowed(t, g, hoop.Scope{Tables: []string{"public.events_1"}})
	refuses(t, part, "SELECT * FROM events", "outside the scope of the grant", "read on public.events")
}

// narrowed is a connection of dba's under a grant of that scope.
func narrowed(t *testing.T, g *servertest.Gateway, scope hoop.Scope) *pgx.Conn {
	t.Helper()
	grants, err := g.API("dba").Grants(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, have := range grants {
		if _, err := g.API("dba").Revoke(t.Context(), have.ID, "another"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := g.API("dba").NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Scope: scope}); err != nil || got.Grant == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	return connected(t, g.Listen("dba", "pg-prod"))
}

func connected(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func refusesAll(t *testing.T, conn *pgx.Conn, by, why string) {
	t.Helper()
	for _, sql := range waysIn {
		refuses(t, conn, sql, by, why)
	}
	run(t, conn, "SELECT * FROM zed")
	if n, err := conn.Exec(t.Context(), "SELECT 1 FROM zed WHERE note <> 'mine'"); err != nil || n.RowsAffected() != 0 {
		t.Errorf("%s, %v", n, err)
	}
}

func refuses(t *testing.T, conn *pgx.Conn, sql, by, why string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	if state(err) != "42501" || !strings.Contains(err.Error(), by) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want %q, %q", sql, err, by, why)
	}
}
