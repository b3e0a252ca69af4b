package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// Somebody comes through two gateways on one store at once: together they have what one budget
// and one limit have, and no more once a gateway was started anew.
func TestLimits_AcrossGateways(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	must(t, err)
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	must(t, pg.Exec(t.Context(), "postgres", "CREATE DATABASE store"))
	shared := func(c *server.Config) { c.Store.URL = pg.DSN("store") }
	resources := strings.NewReplacer(
		"  credential:", `  export_budgets: [{tables: [clinic.claims], rows: 30, per: 1h}]
  inference_limits: [{columns: [clinic.patients.ssn], values: 9, scans: 4, min_group: 0, per: 1h, approval: {groups: [nobody], count: 1, timeout: 1s}}]
  credential:`,
		"  decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "  decision: deny",
	).Replace(servertest.Resources) + "---\nkind: MaskRule\nname: ssn\nspec: {targets: [pg-prod], columns: [clinic.patients.ssn], with: redact}\n"
	a := servertest.Start(t, servertest.Options{PG: pg, Config: shared, Resources: resources, Setup: `
		CREATE SCHEMA clinic;
		CREATE TABLE clinic.patients (id int PRIMARY KEY, ssn text);
		INSERT INTO clinic.patients SELECT g, lpad(g::text, 9, '0') FROM generate_series(1, 50) g;
		CREATE TABLE clinic.claims (id int PRIMARY KEY, note text);
		INSERT INTO clinic.claims SELECT g, 'claim' FROM generate_series(1, 500) g;`})
	b := servertest.Start(t, servertest.Options{PG: pg, Config: shared, Resources: resources, Beside: a})
	ways := []string{a.Connect("dba", "pg-prod"), b.Connect("dba", "pg-prod")}
	var rows, values, scans atomic.Int64
	var all sync.WaitGroup
	for who := range 4 {
		conn, err := pgx.Connect(t.Context(), ways[who%2])
		must(t, err)
		all.Go(func() {
			defer conn.Close(context.Background())
			for n := range 3 {
				for sql, allowed := range map[string]*atomic.Int64{
					fmt.Sprintf("SELECT count(*) FROM clinic.patients WHERE ssn = '%d-%d'", who, n): &values,
					fmt.Sprintf("SELECT count(*) FROM clinic.patients WHERE ssn > '%d-%d'", who, n): &scans,
				} {
					if _, err := conn.Exec(t.Context(), sql); err == nil {
						allowed.Add(1)
					}
				}
			}
			for range 5 { // a stream that is cut ends the connection
				for _, sql := range []string{"SELECT * FROM clinic.claims WHERE id = 7", "SELECT * FROM clinic.claims WHERE note = 'claim' LIMIT 5"} {
					got, _ := drain(t, conn, sql)
					rows.Add(int64(got))
				}
			}
		})
	}
	all.Wait()
	if rows.Load() > 30 || values.Load() != 9 || scans.Load() != 4 {
		t.Errorf("%d rows, %d values and %d searches; want no more than 30, 9 and 4", rows.Load(), values.Load(), scans.Load())
	}
	b.Stop()
	b = servertest.Start(t, servertest.Options{PG: pg, Config: shared, Resources: resources, Beside: a})
	conn, err := pgx.Connect(t.Context(), b.Connect("dba", "pg-prod"))
	must(t, err)
	defer conn.Close(context.Background())
	for _, sql := range []string{"SELECT * FROM clinic.claims LIMIT 30", "SELECT count(*) FROM clinic.patients WHERE ssn = 'y'", "SELECT count(*) FROM clinic.patients WHERE ssn < 'y'"} {
		if _, err := drain(t, conn, sql); state(err) != "42501" {
			t.Errorf("%s, through a gateway that was started anew: %v, want 42501", sql, err)
		}
	}
}
