package session_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const reportSetup = `
	CREATE SCHEMA clinic;
	CREATE TABLE clinic.patients (id int PRIMARY KEY, ssn text);
	INSERT INTO clinic.patients SELECT n, lpad(n::text, 9, '0') FROM generate_series(1, 50) n;
	CREATE VIEW clinic.roster AS SELECT id FROM clinic.patients;
	CREATE FUNCTION clinic.ids() RETURNS SETOF int LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM clinic.patients; END;
	CREATE TABLE clinic.notes (id int, txt text);
	CREATE TABLE clinic.visits (id int, patient int);
	INSERT INTO clinic.visits SELECT n, n FROM generate_series(1, 10) n;
	CREATE TABLE clinic.scratch (x int);`

// Whoever counts the events of a run again finds what the report says; what was changed
// is no disclosure, and what was delivered is one of every table that it came from.
func TestReport_IsTrue(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: reportSetup, Resources: strings.Replace(servertest.Resources,
		`spec: {groups: ["*"], targets: ["*"], max_duration: 8h, approval: none, reason: optional}`,
		`spec: {groups: [agents, dba], targets: ["*"], max_duration: 8h, approval: none, reason: optional}
---
kind: AccessRule
name: emergency
spec: {groups: [compliance], targets: ["*"], max_duration: 1h, approval: none, break_glass: {reviewers: [dba]}}
---
kind: MaskRule
name: numbers
spec: {targets: [pg-prod], columns: [clinic.patients.ssn], with: redact}`, 1)})
	conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeExec })
	pc := conn.PgConn()
	run := func(sql string) {
		t.Helper()
		if _, err := pc.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("SELECT id, ssn FROM clinic.patients WHERE id <= 7")                                           // 7 of patients, masked
	run("SELECT id FROM clinic.roster WHERE id <= 5")                                                  // 5 of patients, by a view
	run("SELECT clinic.ids() LIMIT 3")                                                                 // 3 of patients, by a function
	run("SELECT v.id FROM clinic.visits v JOIN clinic.patients p ON p.id = v.patient WHERE v.id <= 2") // 2 of both
	run("SELECT 1")                                                                                    // of no table
	run("INSERT INTO clinic.notes SELECT n, 'n' FROM generate_series(1, 20) n")
	run("INSERT INTO clinic.notes VALUES (21, 'n') RETURNING id") // 1 of notes
	run("UPDATE clinic.notes SET txt = 'm' WHERE id <= 4")
	run("BEGIN; DECLARE c CURSOR FOR SELECT id FROM clinic.visits WHERE id <= 6; FETCH 4 FROM c; COMMIT") // 4 of visits
	if _, err := pc.CopyTo(t.Context(), new(bytes.Buffer), "COPY (SELECT id FROM clinic.visits WHERE id <= 3) TO STDOUT WITH (FORMAT csv, HEADER)"); err != nil {
		t.Fatal(err) // 3 of visits
	}
	if _, err := pc.CopyFrom(t.Context(), strings.NewReader("31\ta\n32\tb\n"), "COPY clinic.notes FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	for _, approve := range []bool{true, false} {
		decided := answer(t, g, approve, nil)
		_, _ = pc.Exec(t.Context(), "DROP TABLE clinic.scratch").ReadAll() // once it runs, once it is denied
		if err := <-decided; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pc.Exec(t.Context(), "COPY clinic.patients TO PROGRAM 'true'").ReadAll(); err == nil {
		t.Error("COPY to a program")
	}

	// An emergency, and what is made of it.
	if _, err := g.API("auditor").NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Reason: "the grant was revoked", BreakGlass: true}); err != nil {
		t.Fatal(err)
	}
	emergency, err := pgx.Connect(t.Context(), g.Listen("auditor", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := emergency.Exec(t.Context(), "SELECT id FROM clinic.visits WHERE id <= 9"); err != nil {
		t.Fatal(err)
	}
	must(t, emergency.Close(t.Context()))
	waiting, err := g.API("auditor").Reviews(t.Context(), false)
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	if _, err := g.API("dba").Revoke(t.Context(), waiting[0].ID, "over"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.API("dba").Review(t.Context(), waiting[0].ID, "as it should be"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Token(t.Context(), "nobody"); err == nil {
		t.Error("nobody signed in")
	}

	// What runs has no result yet.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	slow := open(t, g, nil)
	asked := make(chan error, 1)
	go func() {
		_, err := slow.Exec(ctx, "SELECT id, pg_sleep(600) FROM clinic.patients")
		asked <- err
	}()
	for g.Count("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()") == 0 {
		runtime.Gosched()
	}
	recounted(t, g, "results in which the target says that rows were changed", "results with masked values", "grants taken in an emergency, without an approval",
		"sessions under such a grant", "reviews of emergency access", "failed sign-ins", "grants revoked", "denials by people", "approvals by people",
		"statements that can change rows, allowed by policy", "statements that can change structure, roles or code, approved by people",
		"statements that can change structure, roles or code, denied", "requests to run one statement", "requests for access")
	facts := factsOf(t, exported(t, g))
	if n := len(withoutResult(facts)); n != 1 {
		t.Errorf("%d statements without result, want the one that runs", n)
		for _, i := range withoutResult(facts) {
			t.Log(facts[i])
		}
	}
	rows := given(facts)
	for who, want := range map[string]int64{
		"service:agent[] pg-prod clinic.patients": 7 + 5 + 3 + 2,
		"service:agent[] pg-prod clinic.visits":   2 + 4 + 3,
		"service:agent[] pg-prod clinic.notes":    1,
		"service:auditor[] pg-prod clinic.visits": 9,
	} {
		if rows[who] != want {
			t.Errorf("%s: %d rows, want %d", who, rows[who], want)
		}
	}
	stop()
	<-asked
}
