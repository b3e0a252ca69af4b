package postgres

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

// psql's large-object commands are function calls by message.
func TestFunctionCall_LargeObjectsOfPsql(t *testing.T) {
	g := setup(t, "")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	data := bytes.Repeat([]byte("large\x00object\n"), 20_000)
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	psql := exec.Command("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", g.dsn(),
		"-c", `\lo_import `+in,
		"-c", `select oid from pg_largeobject_metadata`)
	text, err := psql.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	lines := strings.Fields(string(text))
	oid := lines[len(lines)-1]
	text, err = exec.Command("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", g.dsn(), "-c", `\lo_export `+oid+" "+out, "-c", `\lo_unlink `+oid).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(data), err)
	}
	var names []string
	for _, e := range g.audit.Of(hoop.EventStatement) {
		names = append(names, e.Text)
	}
	if all := strings.Join(names, "\n"); !strings.Contains(all, `SELECT "pg_catalog"."lowrite"($1, $2)`) || !strings.Contains(all, "lo_unlink") {
		t.Errorf("the log has\n%s", all)
	}
}

const callSchema = maskSchema + `;
	create function ssn_of(i int) returns text stable language sql as $$ select ssn from patients where id = i $$;
	create function wipe() returns int language sql as $$ delete from patients; select 1 $$`

func oidOf(g *gateway, function string) uint32 {
	g.t.Helper()
	var oid uint32
	check(g.t, g.direct().QueryRow(g.t.Context(), "select $1::regproc::oid", function).Scan(&oid))
	return oid
}

// A call by message is judged, and its result masked or refused, as in a SELECT.
func TestFunctionCall_IsJudged(t *testing.T) {
	t.Run("masked", func(t *testing.T) {
		g := setup(t, callSchema, maskRules()...)
		got := rawConn(t, g.dsn()).exchange(
			step{send: msgs(fastpath(oidOf(g, "ssn_of"), "1")), ready: 1}, step{send: msgs(fastpath(177, "20", "22")), ready: 1})
		if strings.Contains(got, marker) || !strings.Contains(got, "42501") || !strings.Contains(got, `"42"`) {
			t.Errorf("got\n%s", got)
		}
	})
	t.Run("values", func(t *testing.T) {
		g := setup(t, "", resource.MaskRule{Detect: []string{"email"}})
		got := rawConn(t, g.dsn()).exchange(step{send: msgs(fastpath(1258, "ann@ex", "ample.com")), ready: 1})
		if !strings.Contains(got, "[email]") || strings.Contains(got, "ann@example") {
			t.Errorf("got\n%s", got)
		}
	})
	t.Run("denied", func(t *testing.T) {
		g := setup(t, callSchema)
		g.policy.on(hoop.Deny, hoop.EffectOpaque)
		wipe := oidOf(g, "wipe")
		got := rawConn(t, g.dsn()).exchange(step{send: msgs(query("begin")), ready: 1}, step{send: msgs(fastpath(wipe)), ready: 1}, step{send: msgs(query("commit")), ready: 1})
		if !strings.Contains(got, "42501") || !strings.Contains(got, "ROLLBACK") {
			t.Errorf("got\n%s", got)
		}
		var n int
		check(t, g.direct().QueryRow(t.Context(), "select count(*) from patients").Scan(&n))
		if n != 3 {
			t.Errorf("%d patients are left of 3", n)
		}
	})
	t.Run("settings", func(t *testing.T) {
		g := setup(t, "")
		got := rawConn(t, g.dsn()).exchange(step{send: msgs(fastpath(oidOf(g, "set_config"), "hoop.user", "bob", "f")), ready: 1},
			step{send: msgs(query("select current_setting('hoop.user')")), ready: 1})
		if !strings.Contains(got, "42501") || !strings.Contains(got, "alice") {
			t.Errorf("got\n%s", got)
		}
	})
}

// With masks, large objects can be written and removed; what is in one is not read by
// message, as it cannot be masked there.
func TestFunctionCall_LargeObjectsOfMaskedIdentities(t *testing.T) {
	g := setup(t, callSchema, maskRules()...)
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, []byte("large"), 0o600); err != nil {
		t.Fatal(err)
	}
	psql := func(commands ...string) (string, error) {
		args := []string{"-X", "-At", "-v", "ON_ERROR_STOP=1", g.dsn()}
		for _, c := range commands {
			args = append(args, "-c", c)
		}
		text, err := exec.Command("psql", args...).CombinedOutput()
		return string(text), err
	}
	if text, err := psql(`\lo_import ` + in); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var oid, content string
	check(t, g.direct().QueryRow(t.Context(), "select oid::text, convert_from(lo_get(oid), 'UTF8') from pg_largeobject_metadata").Scan(&oid, &content))
	if content != "large" {
		t.Errorf("imported %q", content)
	}
	if text, err := psql(`\lo_export ` + oid + " " + in + ".out"); err == nil || !strings.Contains(text, "would have to be masked") {
		t.Errorf("export: %v: %s", err, text)
	}
	if text, err := psql(`\lo_unlink ` + oid); err != nil {
		t.Errorf("unlink: %v: %s", err, text)
	}
}

// A cursor that SQL declared runs by the protocol's Execute, and is judged and masked as
// FETCH is.
func TestCursor_OfSQLByExecute(t *testing.T) {
	g := setup(t, callSchema, maskRules()...)
	c := rawConn(t, g.dsn())
	out := c.exchange(
		step{ready: 1, send: msgs(query("begin; declare cur cursor for select id, ssn from patients order by id"))},
		step{ready: 1, send: msgs(execute("cur", 1), execute("cur", 1), &pgproto3.Sync{})},
		step{ready: 1, send: msgs(query("fetch 1 from cur"))},
		step{ready: 1, send: msgs(execute("nobody", 1), &pgproto3.Sync{})},
		step{ready: 1, send: msgs(query("rollback"))},
	)
	if strings.Contains(out, marker) || strings.Count(out, "DataRow") != 3 || strings.Count(out, "PortalSuspended") != 2 || !strings.Contains(out, "34000") {
		t.Errorf("got\n%s", out)
	}
	g.policy.on(hoop.Deny, hoop.EffectRead)
	out = c.exchange(step{ready: 1, send: msgs(query("begin"))}, step{ready: 1, send: msgs(execute("cur", 1), &pgproto3.Sync{})}, step{ready: 1, send: msgs(query("rollback"))})
	if strings.Contains(out, "DataRow") {
		t.Errorf("denied, but\n%s", out)
	}
	check(t, c.Conn.Close())
	check(t, g.ended())
	var fetched int
	for _, e := range g.audit.Of(hoop.EventStatement) {
		if strings.Contains(e.Text, "FETCH ALL FROM") {
			fetched++
		}
	}
	if fetched != 4 {
		t.Errorf("%d of 4 are in the log", fetched)
	}
}
