package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// A credential in a statement reaches the target, and nothing else: not who is asked, not the
// recording of who may see literals, not the store, the log or an answer that quotes it.
func TestSession_CredentialsAreOnNoRecord(t *testing.T) {
	const canary = "C4NARY"
	asked := strings.NewReplacer("role, unbounded", "role, server, unbounded", "role: auditor}", "role: auditor, literals: true}", "timeout: 30s", "timeout: 60s").Replace(servertest.Resources)
	a := startApprovals(t, servertest.Options{Resources: asked, Setup: counted + `
		CREATE EXTENSION IF NOT EXISTS dblink; CREATE EXTENSION IF NOT EXISTS postgres_fdw;
		DROP ROLE IF EXISTS keeper; CREATE ROLE keeper;
		DROP SERVER IF EXISTS elsewhere CASCADE; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;`})
	defer a.Direct("DROP EXTENSION dblink; DROP EXTENSION postgres_fdw CASCADE; DROP ROLE keeper")
	conn := open(t, a.Gateway, nil)
	prepared := make(chan error, 1)
	go func() {
		_, err := conn.PgConn().Exec(t.Context(), "PREPARE d (text, text) AS SELECT dblink_connect($1), $2").ReadAll()
		prepared <- err
	}()
	a.decide(a.pending(1)[0].ID, true)
	if err := <-prepared; err != nil {
		t.Fatal(err)
	}
	if _, err := conn.PgConn().Prepare(t.Context(), "lax", "SELECT dblink_connect('password=x "+canary+"')", nil); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		for _, tt := range []struct {
			sql, state string
			args       []any
			held       bool
		}{
			{sql: "ALTER ROLE keeper PASSWORD '" + canary + "'", held: true},
			{sql: "alter user keeper encrypted/* it's */password E'C4NAR\\131'", held: true},
			{sql: "ALTER ROLE keeper PASSWORD U&'C4NAR!0059' UESCAPE '!'", held: true},
			{sql: "ALTER ROLE nobody PASSWORD $$" + canary + "$$", state: "42704", held: true},
			{sql: "ALTER ROLE keeper PASSWORD 'C4'\n'NARY'", state: "42501"},
			{sql: "CREATE USER MAPPING FOR keeper SERVER elsewhere OPTIONS (user 'u', password '" + canary + "')", held: true},
			{sql: "DROP USER MAPPING FOR keeper SERVER elsewhere", held: true},
			{sql: "ALTER SERVER elsewhere OPTIONS (passphrase '" + canary + "')", state: "HV00D", held: true},
			{sql: "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 password=" + canary + "' PUBLICATION p WITH (create_slot = false)", state: "08006", held: true},
			{sql: "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 password=x " + canary + "' PUBLICATION p WITH (create_slot = false)", state: "42601", held: true},
			{sql: "SELECT dblink_connect('shown')", state: "08001", held: true}, // alike but for the literal
			{sql: "SELECT dblink_connect('host=127.0.0.1 port=1 password=" + canary + "')", state: "08001", held: true},
			{sql: "SELECT dblink_connect($1)", args: []any{"host=127.0.0.1 port=1 password=" + canary}, state: "08001", held: true},
			{sql: "SELECT dblink_connect('password=" + canary + "'::int::text)", state: "22P02", held: mode == pgx.QueryExecModeSimpleProtocol},
			{sql: "EXECUTE lax", state: "08001", held: true},
			{sql: "EXECUTE d('host=127.0.0.1 port=1 password=" + canary + "', 'shown')", state: "08001", held: true},
			{sql: "SELECT dblink_connect('password=' || '" + canary + "' || ' host=127.0.0.1 port=1')", state: "08001", held: true},
			{sql: "SELECT dblink_connect('postgres://u:" + canary + "@127.0.0.1:1/d?application_name=@g')", state: "42501"},
			{sql: "SELECT dblink_exec('DROP TABLE shown')", state: "08003", held: true}, // no connection yet
			{sql: "ALTER ROLE keeper PASSWORD \"" + canary + "\"", state: "42601"},
			{sql: "ALTER ROLE keeper PASWORD '" + canary, state: "42601"},
		} {
			if mode == pgx.QueryExecModeExec && tt.args == nil {
				tt.args = []any{} // pgx sends a Query message otherwise
			}
			done := query(conn, tt.sql, append([]any{mode}, tt.args...)...)
			if tt.held {
				held := a.pending(1)[0]
				shown, err := json.Marshal(held)
				if err != nil || bytes.Contains(shown, []byte(canary)) || !strings.HasPrefix(tt.sql, "DROP") && !bytes.Contains(shown, []byte("[secret]")) && !strings.Contains(tt.sql, "shown") ||
					strings.Contains(tt.sql, "shown") && !bytes.Contains(shown, []byte("shown")) {
					t.Errorf("%s: whoever decides sees %s", tt.sql, shown)
				}
				noneTells(t, a.DataDir, canary)
				a.decide(held.ID, true)
			}
			err := <-done
			if state(err) != tt.state {
				t.Errorf("%s: %v", tt.sql, err)
			}
		}
	}
	if a.Count("SELECT count(*) FROM pg_authid WHERE rolname = 'keeper' AND rolpassword IS NOT NULL") != 1 {
		t.Error("no password was set")
	}
	_ = conn.Close(t.Context())
	events, err := json.Marshal(events(t, a.Gateway))
	if err != nil || bytes.Contains(events, []byte(canary)) {
		t.Error("an event tells", err)
	}
	a.Stop()
	if strings.Contains(a.Log.String(), canary) {
		t.Error("the gateway's log tells")
	}
	secrets := 0
	for _, rec := range recorded(t, a.Gateway) {
		b, err := json.Marshal(&rec)
		if err != nil || bytes.Contains(b, []byte(canary)) || bytes.Contains(rec.Wire, []byte(canary)) {
			t.Errorf("a %s tells: %s %q", rec.Kind, b, rec.Wire)
		}
		if st := rec.Statement; st != nil {
			secrets += st.Secrets
			for _, p := range st.Params {
				if bytes.Contains(p.Value, []byte(canary)) {
					t.Errorf("%s tells %q", st.Text, p.Value)
				}
				if p.Secret {
					secrets++
				}
			}
		}
	}
	if secrets < 29 {
		t.Errorf("%d secrets", secrets)
	}
}

// noneTells demands that no file of a folder has a text.
func noneTells(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			t.Errorf("%s tells", path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
