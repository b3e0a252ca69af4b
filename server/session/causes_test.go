package session_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// endings are targets whose sessions end by themselves.
const endings = servertest.Resources + `
---
kind: Target
name: pg-idle
spec:
  type: postgres
  address: ${ADDRESS}
  database: postgres
  tls: disable
  idle_timeout: 1s
  credential: {username: postgres, password: {value: "${PASSWORD}"}}
---
kind: Target
name: pg-limits
spec:
  type: postgres
  address: ${ADDRESS}
  database: postgres
  tls: disable
  max_sessions: 1
  export_budgets: [{tables: [clinic.member_directory], rows: 50, per: 1h}]
  honeytokens: [{table: clinic.patients, column: id, values: ["48"], action: end}]
  credential: {username: postgres, password: {value: "${PASSWORD}"}}
---
kind: StatementRule
name: exports-are-denied
spec: {targets: [pg-limits], groups: [agents], effects: [export], tables: ["*"], decision: deny}
---
kind: Target
name: pg-nowhere
spec:
  type: postgres
  address: 127.0.0.1:1
  database: postgres
  tls: disable
  credential: {username: postgres, password: {value: "${PASSWORD}"}}
`

// Whoever ends a session says why in one word, which no change of a sentence changes.
func TestSessionEnd_HasItsCause(t *testing.T) {
	pg, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	g := servertest.Start(t, servertest.Options{PG: pg, DataDir: t.TempDir(), Resources: endings, Setup: `
		DROP SCHEMA IF EXISTS clinic CASCADE; CREATE SCHEMA clinic;
		CREATE TABLE clinic.member_directory (id int PRIMARY KEY); INSERT INTO clinic.member_directory SELECT generate_series(1, 1000);
		CREATE TABLE clinic.patients (id int PRIMARY KEY);`})
	dial := func(account, target string) *pgx.Conn {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), g.Connect(account, target))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	// gone waits for the session's last word.
	gone := func(conn *pgx.Conn) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := conn.WaitForNotification(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("the session goes on: %v", err)
		}
	}
	// listed waits until people see that a session has ended, and why.
	listed := func(name, id string, want hoop.Cause) {
		t.Helper()
		for {
			s, err := g.API("auditor").Session(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if !s.EndedAt.IsZero() {
				if s.Cause != want {
					t.Errorf("%s: listed with the cause %q, want %q", name, s.Cause, want)
				}
				return
			}
		}
	}
	seen := 0
	ended := func(name string, typ hoop.EventType, want hoop.Cause) {
		t.Helper()
		for {
			all := events(t, g)
			for i, e := range all[seen:] {
				if e.Type == typ {
					if seen += i + 1; e.Cause != want {
						t.Errorf("%s: cause %q (%s), want %q", name, e.Cause, e.Reason, want)
					}
					if typ == hoop.EventSessionEnd {
						listed(name, e.Session, want)
					}
					return
				}
			}
		}
	}
	end := hoop.EventSessionEnd

	conn := dial("agent", "pg-prod")
	must(t, conn.Close(t.Context()))
	ended("the client left", end, hoop.CauseClient)

	dsn, lose := g.Tunnel("agent", "pg-prod")
	if conn, err = pgx.Connect(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	waits := exec(conn, "SELECT pg_sleep(60)")
	for g.Count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 0 {
	}
	lose()
	ended("the tunnel was lost", end, hoop.CauseClient)
	if err := <-waits; err == nil {
		t.Error("it has waited")
	}

	conn = dial("agent", "pg-prod")
	grants, err := g.API("agent").Grants(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, grant := range grants { // whichever the session has
		if _, err := g.API("agent").Revoke(t.Context(), grant.ID, "the grant ended, it did nothing for me"); err != nil {
			t.Fatal(err)
		}
	}
	gone(conn)
	ended("revoked", end, hoop.CauseRevoked)

	if _, err := g.API("agent").NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Duration: hoop.Duration(5 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	short, err := pgx.Connect(t.Context(), g.Listen("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	gone(short)
	ended("expired", end, hoop.CauseExpired)

	if without, err := pgx.Connect(t.Context(), g.Listen("agent", "pg-prod")); err == nil {
		t.Error("a session without a grant", without.Close(t.Context()))
	}
	ended("without a grant", hoop.EventSessionDenied, hoop.CauseDenied)

	conn = dial("agent", "pg-prod")
	g.Reload(strings.Replace(endings, `spec: {groups: ["*"], targets: ["*"], max_duration: 8h`, `spec: {groups: [nobody], targets: ["*"], max_duration: 8h`, 1), "")
	gone(conn)
	ended("no rule any more", end, hoop.CauseAccess)
	g.Reload(endings, "")

	conn = dial("agent", "pg-prod")
	g.Reload(strings.Replace(endings, "groups: [agents], owner", "groups: [others], owner", 1), "")
	gone(conn)
	ended("other groups", end, hoop.CauseIdentity)
	g.Reload(endings, "")

	conn = dial("agent", "pg-prod")
	g.Reload(strings.Replace(endings, "name: agent\n", "name: another\n", 1), "")
	gone(conn)
	ended("no account any more", end, hoop.CauseAccount)
	g.Reload(endings, "")

	conn = dial("dba", "pg-prod")
	signOut(t, g, "dba")
	gone(conn)
	ended("signed out", hoop.EventSignOut, hoop.CauseSignedOut)
	ended("signed out", end, hoop.CauseSignIn)

	gone(dial("agent", "pg-idle"))
	ended("idle", end, hoop.CauseIdle)

	conn = dial("agent", "pg-limits")
	if second, err := pgx.Connect(t.Context(), g.Listen("agent", "pg-limits")); err == nil {
		t.Error("a second session", second.Close(t.Context()))
	}
	ended("one too many", end, hoop.CauseTooMany)
	if n, err := drain(t, conn, "SELECT id FROM clinic.member_directory WHERE id > $1", 0); err == nil {
		t.Errorf("%d rows", n)
	}
	ended("a budget", end, hoop.CauseLimit)

	conn = dial("agent", "pg-limits")
	if _, err := conn.Exec(t.Context(), "SELECT id FROM clinic.patients WHERE id = 48"); err == nil {
		t.Error("the decoy was touched")
	}
	ended("a decoy", end, hoop.CauseDecoy)

	if _, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-nowhere")); err == nil {
		t.Error("connected to nothing")
	}
	ended("no target", end, hoop.CauseTarget)

	conn = dial("agent", "pg-prod")
	var pid int
	if err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	g.Direct(fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
	gone(conn)
	ended("the target's administrator", end, hoop.CauseTarget)

	conn = dial("agent", "pg-prod")
	f := conn.PgConn().Frontend()
	f.Send(&pgproto3.PasswordMessage{Password: "CANARY-999"})
	must(t, f.Flush())
	gone(conn)
	ended("a message out of place", end, hoop.CauseProtocol)

	stays := dial("agent", "pg-prod")
	g.Stop()
	if stays.Ping(t.Context()) == nil {
		t.Error("a session without a gateway")
	}
	u, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	g = servertest.Start(t, servertest.Options{PG: pg, DataDir: g.DataDir, Resources: endings})
	ended("the gateway at "+u.Host+" stopped", end, hoop.CauseStopped)
	recounted(t, g, "sessions ended because they did nothing", "sessions ended because their grant reached its end", "sessions cut because their grant was revoked",
		"sessions cut because no access rule allowed the target any more", "sessions cut because the sign-in had ended", "sessions that a stop in order ended",
		"sessions cut because groups or account had changed, or the account was gone", "alerts to look at: a decoy value was touched",
		"sessions ended by a limit on exports or inference", "sessions refused", "stops of the gateway in order", "times that policy and resources were loaded again while the gateway ran")
	for _, e := range events(t, g) {
		ends := e.Type == hoop.EventSessionEnd || e.Type == hoop.EventSessionDenied || e.Type == hoop.EventSignOut
		if ends != (e.Cause != "") {
			t.Errorf("event %s has cause %q", e.Type, e.Cause)
		}
		if strings.Contains(e.Reason, "CANARY") {
			t.Errorf("the log has what was sent: %q", e.Reason)
		}
	}
}
