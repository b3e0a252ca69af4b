package session_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// hows are how decoys were touched, or what became of them, in alerts in a row.
func hows(list []hoop.Event) (out []string) {
	for _, e := range list {
		out = append(out, detail(e, "how"))
	}
	return out
}

// A decoy stays with its column, whatever somebody calls that: in the transaction that does,
// behind it, in another session, past the gateway, and while the gateway is down.
func TestDecoys_Renamed(t *testing.T) {
	res := strings.Replace(decoyed(t, "alert"), "decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "decision: allow", 1)
	o := servertest.Options{Setup: inferSetup, Resources: res, DataDir: t.TempDir()}
	g := servertest.Start(t, o)
	// run gives the alerts that the last of some statements raises on a connection of its own.
	run := func(t *testing.T, script ...string) []hoop.Event {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
		must(t, err)
		defer conn.Close(context.Background())
		before := 0
		for i, sql := range script {
			if i == len(script)-1 {
				before = len(alerts(t, g))
			}
			if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		return alerts(t, g)[before:]
	}
	// touches looks for the alerts of a touch, beside those that say where the column is now.
	touches := func(t *testing.T, list []hoop.Event, want string) {
		t.Helper()
		if got := strings.Join(hows(list), " "); !strings.HasSuffix(got, want) {
			t.Errorf("alerts %q, want %q last", got, want)
		}
		for _, e := range list {
			if strings.Contains(fmt.Sprint(e.Text, e.Reason, e.Details), "50") {
				t.Errorf("the value is in the event: %+v", e)
			}
		}
	}
	for name, rename := range map[string][2]string{
		"table":  {"ALTER TABLE clinic.patients RENAME TO p2", "ALTER TABLE clinic.p2 RENAME TO patients"},
		"column": {"ALTER TABLE clinic.patients RENAME id TO x", "ALTER TABLE clinic.patients RENAME x TO id"},
		"schema": {"ALTER SCHEMA clinic RENAME TO c2", "ALTER SCHEMA c2 RENAME TO clinic"},
		"moved":  {"ALTER TABLE clinic.patients SET SCHEMA public", "ALTER TABLE public.patients SET SCHEMA clinic"},
	} {
		t.Run(name, func(t *testing.T) {
			from, column := "clinic.patients", "id"
			switch name {
			case "table":
				from = "clinic.p2"
			case "column":
				column = "x"
			case "schema":
				from = "c2.patients"
			case "moved":
				from = "public.patients"
			}
			tested, shown := "SELECT ward FROM "+from+" WHERE "+column+" = 50", "SELECT "+column+" FROM "+from
			touches(t, run(t, "BEGIN", rename[0], tested), "compared")
			touches(t, run(t, "BEGIN", rename[0], shown), "delivered")
			touches(t, run(t, "BEGIN ISOLATION LEVEL SERIALIZABLE", rename[0], shown), "delivered")
			touches(t, run(t, "BEGIN; "+rename[0]+"; "+shown+"; ROLLBACK"), "copied") // names in one text are not followed
			touches(t, run(t, rename[0], tested), "compared")
			touches(t, run(t, shown), "delivered")
			touches(t, run(t, rename[1], "SELECT ward FROM clinic.patients WHERE id = 50"), "compared")
		})
	}
	before := len(alerts(t, g))
	g.Direct("ALTER TABLE clinic.patients RENAME id TO past; ALTER TABLE clinic.patients RENAME TO p3")
	conn := open(t, g, nil)
	for deadline := time.Now().Add(2 * time.Minute); ; { // until the gateway has looked
		_, err := conn.Exec(t.Context(), "SELECT past FROM clinic.p3 WHERE past = 50")
		must(t, err)
		if strings.HasSuffix(strings.Join(hows(alerts(t, g)[before:]), " "), "compared") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("what was renamed past the gateway is not watched")
		}
	}
	told := alerts(t, g)[before:]
	moved := told[slices.IndexFunc(told, func(e hoop.Event) bool {
		return detail(e, "how") == "renamed" && detail(e, "column") == "clinic.patients.id"
	})]
	if detail(moved, "now") != "clinic.p3.past" || moved.Session != "" || moved.Subject != "" {
		t.Errorf("the alert about the name: %+v", moved)
	}
	before = len(alerts(t, g))
	g.Stop()
	g.Direct("ALTER TABLE clinic.p3 RENAME TO p4; CREATE TABLE clinic.patients (id int, ssn text)")
	o.PG, o.Setup, o.DataDir = g.PG, "SELECT 1", g.DataDir
	g = servertest.Start(t, o)
	touches(t, run(t, "SELECT ward FROM clinic.p4 WHERE past = 50"), "compared")
	if got := strings.Join(hows(alerts(t, g)[before:]), " "); !strings.Contains(got, "renamed replaced") {
		t.Errorf("after a restart: alerts %q", got)
	}
	before = len(alerts(t, g))
	touches(t, run(t, "DROP TABLE clinic.patients", "DROP TABLE clinic.p4 CASCADE", "SELECT 1"), "dropped dropped")
	if n := len(alerts(t, g)) - before; n != 2 {
		t.Errorf("%d alerts about two columns that are gone", n)
	}
}
