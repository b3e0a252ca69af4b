package postgres

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	for _, e := range g.audit.of(hoop.EventStatement) {
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
		g.policy.on(hoop.EffectOpaque, hoop.Deny)
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
