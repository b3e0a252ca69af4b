package session_test

import (
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const protectedRules = `
---
kind: MaskRule
name: ssn
spec: {targets: [pg-prod], columns: [clinic.patients.ssn], with: redact}
---
kind: ServiceAccount
name: admin
spec: {groups: [admins], owner: it, secret: {value: admin-secret}}
---
kind: GroupRole
name: admins
spec: {group: admins, role: admin}
`

// Code that nobody can read has everything masked from then on, and a copy is masked as
// a whole; an administrator lifts either, with a reason that is on record, and nobody else.
func TestProtection_LiftedByAnAdministrator(t *testing.T) {
	g := servertest.Start(t, servertest.Options{
		Setup:     inferSetup + "CREATE TABLE clinic.wards (id int, name text); INSERT INTO clinic.wards VALUES (1, 'north');",
		Resources: strings.Replace(servertest.Resources, "  decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "  decision: allow", 1) + protectedRules,
	})
	conn := open(t, g, nil)
	shown := func(sql string) string {
		t.Helper()
		var v *string
		if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if v == nil {
			return "NULL"
		}
		return *v
	}
	const ward, copied = "SELECT name FROM clinic.wards", "SELECT secret FROM clinic.copies ORDER BY secret LIMIT 1"
	if got := shown(ward); got != "north" {
		t.Fatalf("at first: %s", got)
	}
	for _, sql := range []string{"CREATE TABLE clinic.copies AS SELECT ssn AS secret FROM clinic.patients", "DO $$ BEGIN EXECUTE concat('SELECT ', 1); END $$"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if got := shown(ward); got != "[masked]" {
		t.Errorf("after code that nobody can read: %s", got)
	}
	there, err := g.API("admin").Protections(t.Context())
	if err != nil || len(there) != 2 || there[0].Table != "*" || there[1].Table != "clinic.copies" || there[0].Target != "pg-prod" || there[0].By == "" {
		t.Fatalf("there is %+v, %v", there, err)
	}
	lift := func(account, table string) hoop.Code {
		err := g.API(account).Lift(t.Context(), api.Lift{Target: "pg-prod", Table: table, Reason: "I read the code"})
		if err == nil {
			return ""
		}
		return hoop.AsError(err).Code
	}
	if got := lift("agent", "*"); got != hoop.CodeDenied {
		t.Errorf("the agent itself: %s", got)
	}
	if got := lift("auditor", "*"); got != hoop.CodeDenied {
		t.Errorf("an auditor: %s", got)
	}
	if got := lift("admin", "clinic.patients"); got != hoop.CodeNotFound {
		t.Errorf("what a rule declares: %s", got)
	}
	if got := lift("admin", "*"); got != "" {
		t.Fatalf("the administrator: %s", got)
	}
	if a, b := shown(ward), shown(copied); a != "north" || b != "[masked]" {
		t.Errorf("* is lifted: %s, and the copy shows %s", a, b)
	}
	if got := lift("admin", "clinic.copies"); got != "" {
		t.Fatal(got)
	}
	if got := shown(copied); got == "[masked]" {
		t.Errorf("the copy is lifted: %s", got)
	}
	if got := shown("SELECT ssn FROM clinic.patients LIMIT 1"); got != "[masked]" {
		t.Errorf("what a rule declares is shown: %s", got)
	}
	var tables []string
	for _, e := range logged(t, g) {
		if e.Type == hoop.EventProtection {
			tables = append(tables, e.Subject+" "+strings.Join(e.Tables, ",")+" "+e.Target+" "+e.Reason)
		}
	}
	if got := strings.Join(tables, "; "); got != "service:admin * pg-prod I read the code; service:admin clinic.copies pg-prod I read the code" {
		t.Errorf("on record: %s", got)
	}
}
