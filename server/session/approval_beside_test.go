package session_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

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
		CREATE TABLE quiet (n int);
		CREATE FUNCTION puts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO later VALUES (1); RETURN NULL; END';
		CREATE TABLE put (n int);
		CREATE CONSTRAINT TRIGGER t AFTER INSERT ON put DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION puts()`})
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
	run(t, one, "ROLLBACK")
	for _, end := range []string{"ROLLBACK", "COMMIT"} { // what is put off runs behind both
		run(t, other, "BEGIN")
		run(t, other, "INSERT INTO put VALUES (1)")
		a.runs(one, []string{"BEGIN", "ALTER TABLE later RENAME TO was", "ALTER TABLE fired RENAME TO later"}, []bool{false, true, true})
		if end == "ROLLBACK" {
			a.refuses(other, "COMMIT")
			run(t, one, end)
		} else {
			run(t, one, end)
			a.refuses(other, "COMMIT")
		}
		run(t, other, "ROLLBACK")
	}
	a.runs(one, []string{"ALTER TABLE later RENAME TO fired", "ALTER TABLE was RENAME TO later"}, []bool{true, true})
	a.runs(one, []string{"BEGIN", "CREATE TRIGGER t AFTER INSERT ON later FOR EACH ROW EXECUTE FUNCTION fires()"}, []bool{false, true})
	a.refuses(other, "INSERT INTO later VALUES (1)")
	a.runs(one, []string{"ROLLBACK", "BEGIN", "CREATE OR REPLACE VIEW shown AS SELECT bump() AS n"}, []bool{false, false, true})
	a.refuses(other, "SELECT n FROM shown")
	a.runs(one, []string{"ROLLBACK", "BEGIN", "CREATE VIEW over AS SELECT n FROM quiet"}, []bool{false, false, true})
	run(t, other, "INSERT INTO quiet VALUES (1)")
	run(t, one, "ROLLBACK")

	// Who agrees to something behind the session's own DDL agrees to what it means, whatever else
	// others define meanwhile.
	for i, define := range []string{"CREATE TABLE unrelated (n int)", "CREATE TABLE beside (n int) INHERITS (quiet)"} {
		a.runs(one, []string{"BEGIN", "ALTER TABLE later ADD more int"}, []bool{false, true})
		done := exec(one, "UPDATE quiet SET n = n + 1 WHERE true")
		held := a.pending(1)[0]
		a.Direct(define)
		a.decide(held.ID, true)
		if err := <-done; i == 0 && err != nil || i == 1 && state(err) != "42501" {
			t.Errorf("behind %s: %v", define, err)
		}
		run(t, one, "ROLLBACK")
	}

	eventually := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("not in time: " + what)
			}
		}
	}
	updates := func() bool { _, err := other.Exec(t.Context(), update); return err == nil }

	// Who is gone has nothing open.
	gone := open(t, a.Gateway, simple)
	a.runs(gone, []string{"BEGIN", inherit}, []bool{false, true})
	_ = gone.Close(t.Context())
	eventually("it runs", updates)

	// Nor does anybody see what is prepared, until it is ended.
	a.runs(one, []string{"BEGIN", inherit, "PREPARE TRANSACTION 'kept'"}, []bool{false, true, false})
	denied(update)
	a.runs(one, []string{"ROLLBACK PREPARED 'kept'"}, []bool{true})
	eventually("it runs", updates)

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

	// Who leaves while COMMIT waits for a standby commits when that is cancelled, and nobody tells.
	a.Direct("ALTER TABLE allowed NO INHERIT hits")
	system := func(texts ...string) {
		for _, sql := range append(texts, "SELECT pg_reload_conf()") {
			a.Direct(sql)
		}
	}
	system("ALTER SYSTEM SET synchronous_commit = local", "ALTER SYSTEM SET synchronous_standby_names = nobody")
	defer system("ALTER SYSTEM RESET synchronous_standby_names", "ALTER SYSTEM RESET synchronous_commit")
	eventually("it runs", updates)
	gone = open(t, a.Gateway, simple)
	run(t, gone, "SET synchronous_commit = on")
	a.runs(gone, []string{"BEGIN", inherit}, []bool{false, true})
	raw, err := gone.PgConn().Hijack() // pgx would cancel what runs when it is closed
	must(t, err)
	raw.Frontend.Send(&pgproto3.Query{String: "COMMIT"})
	must(t, raw.Frontend.Flush())
	eventually("COMMIT waits", func() bool { return a.Count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == 1 })
	must(t, raw.Conn.Close())
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		denied(update)
	}
	if n := a.Count("SELECT count(*) FROM pg_inherits WHERE inhrelid = 'allowed'::regclass"); n != 1 {
		t.Errorf("it was not committed")
	}
}
