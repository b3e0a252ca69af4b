package session_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

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

// Where the protection of a copy cannot be stored, nothing is copied, and the refusal is on
// record: with people's approval behind it, too.
func TestProtection_CannotBeStored(t *testing.T) {
	pg, config := sharing(t)
	g := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: servertest.Resources + protectedRules})
	conn := open(t, g, nil)
	must(t, pg.Exec(t.Context(), "store", `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;
		CREATE TRIGGER full_disk BEFORE INSERT ON inherited FOR EACH ROW EXECUTE FUNCTION full_disk()`))
	const copies = "CREATE TABLE clinic.copies AS SELECT ssn AS secret FROM clinic.patients"
	decided := answer(t, g, true, nil)
	_, err := conn.Exec(t.Context(), copies)
	must(t, <-decided)
	if err == nil || !strings.Contains(err.Error(), "protection could not be stored") {
		t.Errorf("%v", err)
	}
	if n := g.Count("SELECT count(*) FROM pg_class WHERE relname = 'copies'"); n != 0 {
		t.Error("the copy is there")
	}
	got := denials(t, g)
	if len(got) != 1 || got[0].Request == 0 || !slices.Contains(got[0].Effects, hoop.EffectDerive) || !strings.Contains(got[0].Reason, "protection could not be stored") {
		t.Errorf("events of it: %+v", got)
	}
	must(t, pg.Exec(t.Context(), "store", "DROP TRIGGER full_disk ON inherited"))
	decided = answer(t, g, true, nil)
	if _, err := conn.Exec(t.Context(), copies); err != nil {
		t.Errorf("once it can be: %v", err)
	}
	must(t, <-decided)
}

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

// An answer may be younger than its statement: what it waits for, what a function reads and the
// rest of a portal may be of after protected data was copied to where it comes from. Then it is
// masked as if it was asked for now, or ends.
func TestProtection_CountsForWhatIsUnderWay(t *testing.T) {
	const ward = `CREATE TABLE clinic.NAME (id int PRIMARY KEY, name text); INSERT INTO clinic.NAME VALUES (1, '1'), (2, '2');
		CREATE FUNCTION clinic.NAME(int) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT name FROM clinic.NAME WHERE id = $1';`
	// What a trigger copies that is deferred until its transaction ends.
	const late = `CREATE TABLE clinic.NAME_late (name text); CREATE TABLE clinic.NAME_fire (n int);
		CREATE FUNCTION clinic.NAME_copy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO clinic.NAME_late SELECT name FROM clinic.NAME WHERE id = 1; RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER copies AFTER INSERT ON clinic.NAME_fire DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION clinic.NAME_copy();`
	const carried, commit = "INSERT INTO clinic.further SELECT name FROM clinic.carried WHERE id = 1 FOR UPDATE", "COMMIT"
	// Into a table that is redacted whole, with a shape that is computed.
	const shaped = "INSERT INTO clinic.whole SELECT CASE WHEN name = '1' THEN NULL ELSE ARRAY['x'] END FROM clinic.shaped WHERE id = 1 FOR UPDATE"
	resources := strings.Replace(servertest.Resources, "  decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "  decision: allow", 1) + protectedRules +
		"\n---\nkind: MaskRule\nname: whole\nspec: {targets: [pg-prod], columns: ['clinic.whole.*'], with: redact}\n"
	const declared = "\n---\nkind: MaskRule\nname: declared\nspec: {targets: [pg-prod], columns: [clinic.declared.name], with: redact}\n"
	tests := []struct{ name, sql, want string }{
		{"carried", carried, ""}, // while nothing else is protected
		{"shaped", shaped, ""},
		{"deferred", commit, ""},
		{"declared", commit, ""}, // by other rules
		{"locked", "SELECT name FROM clinic.locked WHERE id = 1 FOR UPDATE", "[masked]"},
		{"failing", "SELECT name::int FROM clinic.failing WHERE id = 1 FOR UPDATE", "22P02"},
		{"changed", "UPDATE clinic.changed SET id = id WHERE id = 1 RETURNING name", "[masked]"},
		{"copied", "COPY (SELECT name FROM clinic.copied WHERE id = 1 FOR UPDATE) TO STDOUT", "42501"},
		{"bound", "", "[masked]"},
	}
	setup := inferSetup + "CREATE TABLE clinic.further (name text); CREATE TABLE clinic.whole (name text[]);"
	for _, tt := range tests {
		setup += strings.ReplaceAll(ward, "NAME", tt.name)
		if tt.sql == commit {
			setup += strings.ReplaceAll(late, "NAME", tt.name)
		}
	}
	g := servertest.Start(t, servertest.Options{
		Setup:     setup,
		Resources: resources,
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			one, other := open(t, g, nil), open(t, g, nil)
			f := one.PgConn().Frontend()
			switch tt.sql {
			case "":
				run(t, one, "BEGIN")
				f.Send(&pgproto3.Parse{Query: "SELECT clinic.bound(i) FROM generate_series(2, 1, -1) i"})
				f.Send(&pgproto3.Bind{DestinationPortal: "rest"})
				f.Send(&pgproto3.Execute{Portal: "rest", MaxRows: 1})
				f.Send(&pgproto3.Sync{})
				if got := told(t, f); !strings.HasPrefix(got, "2\n") {
					t.Fatalf("at first: %s", got)
				}
			case commit:
				run(t, one, "BEGIN")
				run(t, one, "INSERT INTO clinic."+tt.name+"_fire VALUES (1)")
				run(t, other, "BEGIN")
			default:
				run(t, other, "BEGIN")
				run(t, other, "UPDATE clinic."+tt.name+" SET name = name WHERE id = 1")
				f.Send(&pgproto3.Query{String: tt.sql})
				must(t, f.Flush())
				for until := time.Now().Add(time.Minute); g.Count("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0; {
					if time.Now().After(until) {
						t.Fatalf("it does not wait for the lock: %s", told(t, f))
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			derive := "UPDATE clinic." + tt.name + " SET name = (SELECT ssn || '?' FROM clinic.patients WHERE id = 7) WHERE id = 1"
			if tt.name == "declared" {
				g.Direct(derive)
				g.Reload(resources+declared, "")
			} else {
				run(t, other, derive)
			}
			switch tt.sql {
			case "":
				f.Send(&pgproto3.Execute{Portal: "rest"})
				f.Send(&pgproto3.Sync{})
			case commit:
				run(t, other, "COMMIT")
				f.Send(&pgproto3.Query{String: commit})
			default:
				run(t, other, "COMMIT")
			}
			if got := told(t, f); strings.Contains(got, "000000007") || !strings.Contains(got, tt.want) {
				t.Errorf("got %s", got)
			}
			into := map[string]string{carried: "further", shaped: "whole", commit: tt.name + "_late"}[tt.sql]
			want := map[string]string{shaped: "{}\n"}[tt.sql]
			if into != "" {
				f.Send(&pgproto3.Query{String: "SELECT name FROM clinic." + into})
				if got := told(t, f); got != cmp.Or(want, "[masked]\n") {
					t.Errorf("what it carried on is %s", got)
				}
			}
		})
	}
}

// told is what the gateway answers up to ReadyForQuery, or until it closes: rows, and errors.
func told(t *testing.T, f *pgproto3.Frontend) string {
	t.Helper()
	must(t, f.Flush())
	var b strings.Builder
	for {
		m, err := f.Receive()
		if err != nil {
			return b.String()
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			fmt.Fprintf(&b, "%s\n", m.Values[0])
		case *pgproto3.CopyData:
			fmt.Fprintf(&b, "%s", m.Data)
		case *pgproto3.ErrorResponse:
			fmt.Fprintf(&b, "%s %s\n", m.Code, m.Message)
		case *pgproto3.ReadyForQuery:
			return b.String()
		}
	}
}
