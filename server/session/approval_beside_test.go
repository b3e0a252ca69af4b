package session_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// What waits for a lock runs over what stands there after the commit of who held it. So DDL that
// another session has not committed counts for it, and waits for what was judged before.
func TestApproval_DDLOfOtherSessions(t *testing.T) {
	a := startApprovals(t, servertest.Options{Resources: servertest.Resources + `
---
kind: StatementRule
name: nobody-writes-allowed
spec: {targets: [pg-prod], groups: ["*"], effects: [write, unbounded-write], tables: [public.allowed], decision: deny}
`, Setup: movable + `;
		CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.bump(); RETURN NULL; END';
		CREATE TABLE fired (n int);
		CREATE TRIGGER t AFTER INSERT ON fired FOR EACH ROW EXECUTE FUNCTION fires();
		CREATE TABLE later (n int);
		CREATE VIEW shown AS SELECT 1 AS n;
		CREATE TABLE quiet (n int)`})
	simple := func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol }
	const update, inherit = "UPDATE hits SET n = n WHERE n < 1000", "ALTER TABLE allowed INHERIT hits"
	one, other := open(t, a.Gateway, simple), open(t, a.Gateway, simple)
	denied := func(sql string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), sql); state(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	run(t, other, "PREPARE p AS "+update)
	a.runs(one, []string{"BEGIN", inherit}, []bool{false, true})
	denied(update)
	denied("EXECUTE p")
	run(t, one, "ROLLBACK")
	run(t, other, update)

	a.runs(one, []string{"BEGIN", "ALTER TABLE later RENAME TO was", "ALTER TABLE fired RENAME TO later"}, []bool{false, true, true})
	a.refuses(other, "INSERT INTO later VALUES (1)")
	a.runs(one, []string{"ROLLBACK", "BEGIN", "CREATE TRIGGER t AFTER INSERT ON later FOR EACH ROW EXECUTE FUNCTION fires()"}, []bool{false, false, true})
	a.refuses(other, "INSERT INTO later VALUES (1)")
	a.runs(one, []string{"ROLLBACK", "BEGIN", "CREATE OR REPLACE VIEW shown AS SELECT bump() AS n"}, []bool{false, false, true})
	a.refuses(other, "SELECT n FROM shown")
	a.runs(one, []string{"ROLLBACK", "BEGIN", "CREATE VIEW over AS SELECT n FROM quiet"}, []bool{false, false, true})
	run(t, other, "INSERT INTO quiet VALUES (1)")
	run(t, one, "ROLLBACK")

	// Who is gone has nothing open.
	gone := open(t, a.Gateway, simple)
	a.runs(gone, []string{"BEGIN", inherit}, []bool{false, true})
	_ = gone.Close(t.Context())
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := other.Exec(t.Context(), update); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}

	sleeps := exec(other, "SELECT pg_sleep(1); UPDATE hits SET n = n + 1 WHERE n < 1000")
	time.Sleep(300 * time.Millisecond)
	a.runs(one, []string{inherit}, []bool{true})
	if err := <-sleeps; err != nil {
		t.Error(err)
	}
	denied(update)
	if n, m := a.Count("SELECT sum(n) FROM allowed"), a.Count("SELECT sum(n) FROM ONLY hits"); n != 0 || m != 1 {
		t.Errorf("the table that nobody may write has %d, the other %d", n, m)
	}
}
