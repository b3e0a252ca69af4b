package leaks

import (
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// TestHeld: the documented file as it is, with decision approve. Nobody approves, so
// what is held ends refused and has changed nothing.
func TestHeld(t *testing.T) {
	file := strings.NewReplacer(
		"timeout: 2m", "timeout: 300ms", "database: rt_clinic", "database: "+ruled, "db.example.org:5432", "${ADDRESS}",
		"tls: verify-full", "tls: disable", "{env: RT_CLINIC_PASSWORD}", "{value: rt_agent_pw}",
	).Replace(documented())
	_, accounts, _ := strings.Cut(openTarget, "kind: AccessRule")
	g := servertest.Start(t, servertest.Options{PG: pg, Resources: file + "\n---\nkind: AccessRule" + accounts})
	w := open(t, g.Connect("agent", "rt-clinic"), ruled, nil)
	for class, sql := range map[string]string{
		"drop":               "DROP TABLE clinic.rooms",
		"truncate":           "TRUNCATE clinic.rooms",
		"delete_all":         "DELETE FROM clinic.rooms",
		"update_all":         "UPDATE clinic.rooms SET beds = 0 WHERE true",
		"roles":              "CREATE ROLE intruder",
		"privileges":         "GRANT SELECT ON clinic.patients TO plain",
		"identity":           "SET ROLE plain",
		"catalog_write":      "UPDATE pg_class SET relname = 'x' WHERE relname = 'rooms'",
		"program":            "COPY clinic.rooms TO PROGRAM 'cat'",
		"server_files":       "SELECT pg_read_file('PG_VERSION')",
		"server_control":     "SELECT pg_reload_conf()",
		"locks_and_rewrites": "LOCK TABLE clinic.rooms IN SHARE MODE",
		"code":               "DO $$ BEGIN NULL; END $$",
		"schema_change":      "ALTER TABLE clinic.rooms ADD COLUMN x int",
		"copies":             "CREATE TABLE clinic.copy AS SELECT ssn FROM clinic.patients",
		"bulk_export":        "SELECT string_agg(plan, ',') FROM clinic.member_directory",
		"inference":          "SELECT p.id FROM clinic.patients p JOIN generate_series(100000000, 999999999) g ON replace(p.ssn, '-', '') = g::text",
	} {
		t.Run(class, func(t *testing.T) {
			at := len(w.got)
			if err := w.run(simple, sql); err != nil {
				t.Fatal(err)
			}
			got := told(w.got[at:])
			if !strings.Contains(got, "nobody in privacy-office decided in time") {
				t.Errorf("%s: %s", sql, got)
			}
		})
	}
	at := len(w.got)
	if err := w.run(simple, "SELECT count(*), sum(beds) FROM clinic.rooms"); err != nil {
		t.Fatal(err)
	}
	if got := string(cells(w.got[at:])[0][0]); got != "3" {
		t.Errorf("the table has %s rows, want 3", got)
	}
	// Within the budget a listed table is read as any other; beyond it the stream is cut.
	at = len(w.got)
	if err := w.run(simple, "SELECT plan FROM clinic.member_directory WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if got := cells(w.got[at:]); len(got) != 1 {
		t.Errorf("%d rows of one member", len(got))
	}
	at = len(w.got)
	if err := w.run(simple, "SELECT m.plan FROM clinic.member_directory m, generate_series(1, 1000)"); err == nil {
		t.Error("2000 rows' worth of the directory did not end the connection")
	}
	if got := cells(w.got[at:]); len(got) > 500 || !strings.Contains(told(w.got[at:]), "export budget") {
		t.Errorf("%d rows, then: %.200s", len(got), told(w.got[at:]))
	}
}
