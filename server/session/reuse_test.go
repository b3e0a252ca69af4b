package session_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// A connection to the target serves the next session of the same user only as long as
// nothing has changed that it depends on: rules, credential, target.
func TestReuse_EndsWhereItMust(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	resources := strings.Replace(servertest.Resources, `{username: postgres, password: {value: "${PASSWORD}"}}`, "{username: app, password: {file: "+file+"}}\n  reuse: {max_idle: 5, idle_timeout: 1h}", 1)
	password := func(s string) { must(t, os.WriteFile(file, []byte(s), 0o600)) }
	password("one")
	g := servertest.Start(t, servertest.Options{Resources: resources, Setup: setup + "CREATE ROLE app SUPERUSER LOGIN PASSWORD 'one'"})
	backends := func() (pids []int64) {
		conn, err := pgx.Connect(t.Context(), g.PG.DSN("postgres"))
		must(t, err)
		defer conn.Close(context.Background()) //nolint:errcheck // read only
		rows, err := conn.Query(t.Context(), "SELECT pid::int8 FROM pg_stat_activity WHERE application_name LIKE 'hoopctl:%' ORDER BY 1")
		must(t, err)
		pids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		must(t, err)
		return pids
	}
	until := func(what string, n int) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(2 * time.Minute); len(backends()) != n; <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d backends, want %d", what, len(backends()), n)
			}
		}
	}
	dsn := g.Connect("agent", "pg-prod") // one grant for all
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), dsn)
		must(t, err)
		return conn
	}
	// session serves one and gives its backend's number; the connection is idle afterwards.
	session := func() (pid int64) {
		conn := connect()
		must(t, conn.QueryRow(t.Context(), "SELECT pg_backend_pid()::int8").Scan(&pid))
		must(t, conn.Close(t.Context()))
		return pid
	}
	// again opens sessions until one has a backend that served before: cleaning one takes
	// a moment.
	again := func() (pid int64) {
		served := map[int64]bool{}
		for range 50 {
			if pid = session(); served[pid] {
				return pid
			}
			served[pid] = true
		}
		t.Fatal("no connection is used again")
		return 0
	}
	first := again()

	g.Reload(resources+"---\nkind: MaskRule\nname: identifiers\nspec: {targets: [pg-prod], columns: [public.patients.ssn], with: redact}\n", "")
	until("after other rules were loaded", 0)
	conn := connect()
	var pid int64
	var ssn string
	must(t, conn.QueryRow(t.Context(), "SELECT pg_backend_pid()::int8, ssn FROM patients WHERE id = 1").Scan(&pid, &ssn))
	if pid == first || ssn != "[masked]" {
		t.Errorf("backend %d, then %d; %s", first, pid, ssn)
	}
	// One that has begun under former rules is not kept when it ends.
	g.Reload(resources, "")
	must(t, conn.Close(t.Context()))
	second := again()
	if second == pid {
		t.Error("a backend of a session under former rules is used")
	}

	// A credential that changes in its file counts from the next connection on.
	g.Direct("ALTER ROLE app PASSWORD 'two'")
	password("two")
	if third := session(); third == second {
		t.Error("a connection of the former credential is used")
	}
	until("after the credential has changed", 1)
	password("three")
	if _, err := pgx.Connect(t.Context(), dsn); state(err) != "08004" {
		t.Errorf("a credential that the target rejects: %v", err)
	}
	until("after the credential was spoilt", 0)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
