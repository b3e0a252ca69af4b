package session_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// limited is a target with both, of 20 rows, 3 values and 1 search.
func limited() string {
	return strings.Replace(inferring(3, 1), "  credential:",
		"  export_budgets: [{tables: [clinic.member_directory], rows: 20, per: 1h}]\n  credential:", 1) + `
---
kind: StatementRule
name: exports-are-denied
spec: {targets: [pg-prod], groups: [agents], effects: [export], tables: ["*"], decision: deny}
`
}

// sharing starts a PostgreSQL with the clinic and an empty store beside it.
func sharing(t *testing.T) (pg *pgserver.Server, config func(*server.Config)) {
	t.Helper()
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, pg.Stop()) })
	must(t, pg.Exec(t.Context(), "postgres", "CREATE DATABASE store"))
	must(t, pg.Exec(t.Context(), "postgres", directorySetup+strings.Replace(inferSetup, "CREATE SCHEMA clinic;", "", 1)))
	return pg, func(c *server.Config) { c.Store.URL = pg.DSN("store") }
}

// spend takes what there may be through a gateway: how many rows, and whether a value
// could be compared and a search be made.
func spend(t *testing.T, g *servertest.Gateway, value string) (rows int, compared, searched bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "SELECT id FROM clinic.patients WHERE ssn = '"+value+"'")
	compared = err == nil
	_, err = conn.Exec(t.Context(), "SELECT id FROM clinic.patients WHERE ssn LIKE '0%'")
	searched = err == nil
	for id := range 12 {
		n, err := drain(t, conn, "SELECT * FROM clinic.member_directory WHERE id = $1", id+1)
		if err != nil && state(err) != "42501" {
			t.Error(err)
		}
		rows += n
	}
	return rows, compared, searched
}

// Neither another gateway nor a restart gives anybody more.
func TestCounts_AreOfTheStore(t *testing.T) {
	pg, config := sharing(t)
	a := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: limited()})
	b := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: limited()})
	rows, compared, searched := spend(t, a, "1")
	if rows != 12 || !compared || !searched {
		t.Fatalf("%d rows, %v, %v", rows, compared, searched)
	}
	rows, compared, searched = spend(t, b, "2")
	if rows != 8 || !compared || searched {
		t.Errorf("another gateway: %d rows of 8, value %v, second search %v", rows, compared, searched)
	}
	b.Stop()
	again := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: limited(), DataDir: b.DataDir})
	if rows, compared, _ := spend(t, again, "3"); rows != 0 || !compared {
		t.Errorf("after a restart: %d rows, third value %v", rows, compared)
	}
	if _, compared, _ := spend(t, a, "4"); compared {
		t.Error("a fourth value could be compared")
	}
	if _, compared, _ := spend(t, a, "1"); !compared {
		t.Error("a value that was compared before counts again")
	}
}

// A gateway that starts anew on a file of its own finds what was counted.
func TestCounts_OutliveARestart(t *testing.T) {
	pg, _ := sharing(t)
	g := servertest.Start(t, servertest.Options{PG: pg, Resources: limited()})
	if rows, compared, searched := spend(t, g, "1"); rows != 12 || !compared || !searched {
		t.Fatalf("%d rows, %v, %v", rows, compared, searched)
	}
	g.Stop()
	g = servertest.Start(t, servertest.Options{PG: pg, Resources: limited(), DataDir: g.DataDir})
	if rows, compared, searched := spend(t, g, "1"); rows != 8 || !compared || searched {
		t.Errorf("after a restart: %d rows of 8, the same value %v, second search %v", rows, compared, searched)
	}
}

// What cannot be counted is not given: before a statement is forwarded, in the middle of
// its answer, and for the text of its error. All else goes on.
func TestCounts_StoreFails(t *testing.T) {
	pg, config := sharing(t)
	g := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: limited()})
	fails := map[string]string{
		"the answer":   "SELECT ssn FROM clinic.member_directory WHERE id = 1",
		"an error":     "SELECT ssn::date FROM clinic.member_directory WHERE id = 1",
		"a comparison": "SELECT id FROM clinic.patients WHERE ssn = '1'",
	}
	for how, sql := range map[string]string{
		"read only": `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;
			CREATE TRIGGER no BEFORE INSERT OR UPDATE ON counts FOR EACH ROW EXECUTE FUNCTION no()`,
		"unreadable": "ALTER TABLE counts RENAME TO gone",
	} {
		must(t, pg.Exec(t.Context(), "store", sql))
		for what, sql := range fails {
			conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
			n, err := drain(t, conn, sql)
			if n != 0 || state(err) != "57P03" || strings.Contains(err.Error(), "000000001") {
				t.Errorf("%s, %s: %d rows, %v; want 57P03", how, what, n, err)
			}
		}
		if n, err := drain(t, open(t, g, nil), "SELECT * FROM clinic.visits"); n != directoryRows || err != nil {
			t.Errorf("%s: what is in no budget: %d rows, %v", how, n, err)
		}
		must(t, pg.Exec(t.Context(), "store", "DROP TRIGGER IF EXISTS no ON counts; DROP FUNCTION IF EXISTS no; ALTER TABLE IF EXISTS gone RENAME TO counts"))
	}
	if rows, compared, _ := spend(t, g, "1"); rows != 12 || !compared {
		t.Errorf("when the store works again: %d rows, %v", rows, compared)
	}
}
