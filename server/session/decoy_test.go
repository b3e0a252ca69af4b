package session_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// decoyed is the sample resources with decoys, some of them in a file.
func decoyed(t *testing.T, action string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "decoys")
	if err := os.WriteFile(file, []byte("49\n50\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(servertest.Resources, "  credential:", fmt.Sprintf(`  honeytokens:
    - {table: clinic.patients, column: id, values: ["48"], from: {file: %s}, action: %s}
    - {table: clinic.patients, column: ssn, values: ["000000048"]}
  credential:`, file, action), 1)
}

// Every way to touch a decoy raises one alert, which has no value in it; what touches
// none raises none.
func TestDecoys_Alert(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: decoyed(t, "alert")})
	for name, c := range map[string]struct {
		sql  string
		args []any
		want string // "how" of the alerts
	}{
		"compared":           {"SELECT 1 FROM clinic.patients WHERE id = 50", nil, "compared"},
		"in a list":          {"SELECT 1 FROM clinic.patients WHERE id IN (1, 49)", nil, "compared"},
		"bound, binary":      {"SELECT 1 FROM clinic.patients WHERE id = $1", []any{48}, "compared"},
		"bound, array":       {"SELECT 1 FROM clinic.patients WHERE id = ANY($1)", []any{[]int32{1, 48}}, "compared"},
		"written":            {"UPDATE clinic.patients SET ward = 1 WHERE id = 50", nil, "compared"},
		"in a row":           {"SELECT id FROM clinic.patients WHERE id > 48", nil, "delivered"},
		"under another name": {"SELECT x.key FROM (SELECT id AS key, ward FROM clinic.patients) x WHERE x.key BETWEEN 49 AND 60", nil, "delivered"},
		"in text":            {"SELECT 'x' || ssn FROM clinic.patients WHERE ward = 0", nil, "delivered"},
		"untouched":          {"SELECT id, ssn FROM clinic.patients WHERE id < 48", nil, ""},
		"another column":     {"SELECT ward FROM clinic.patients WHERE ward = 50", nil, ""},
		"another table":      {"SELECT id FROM clinic.claims WHERE id = 50", nil, ""},
		"not shown":          {"SELECT count(*) FROM clinic.patients", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(alerts(t, g))
			if _, err := drain(t, open(t, g, nil), c.sql, c.args...); err != nil {
				t.Fatal(err)
			}
			got := alerts(t, g)[before:]
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("%d alerts", len(got))
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d alerts, want one", len(got))
			}
			e := fmt.Sprint(got[0])
			if !strings.Contains(e, c.want) || !strings.Contains(e, "clinic.patients.") {
				t.Errorf("%s", e)
			}
			for _, v := range []string{"48", "49", "50"} {
				if strings.Contains(fmt.Sprint(got[0].Text, got[0].Details, got[0].Reason), v) {
					t.Errorf("the value is in the event: %s", e)
				}
			}
		})
	}
	var b strings.Builder
	conn := open(t, g, nil)
	before := len(alerts(t, g))
	if _, err := conn.PgConn().CopyTo(t.Context(), &b, "COPY clinic.patients TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	if n := len(alerts(t, g)) - before; n != 2 {
		t.Errorf("COPY of the table: %d alerts, want one for each column", n)
	}
}

// With action end the row does not reach the client, and the session is over.
func TestDecoys_End(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: decoyed(t, "end")})
	for name, sql := range map[string]string{"compared": "SELECT ward FROM clinic.patients WHERE id = 50", "delivered": "SELECT id FROM clinic.patients WHERE id >= 45 ORDER BY id"} {
		conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		n, err := drain(t, conn, sql)
		if state(err) != "42501" || n > 3 {
			t.Errorf("%s: %d rows, then %v", name, n, err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("%s: the session goes on", name)
		}
	}
	if n := len(alerts(t, g)); n != 2 {
		t.Errorf("%d alerts, want 2", n)
	}
}

// alerts are the alert events so far.
func alerts(t *testing.T, g *servertest.Gateway) (out []hoop.Event) {
	t.Helper()
	for _, e := range logged(t, g) {
		if e.Type == hoop.EventAlert {
			out = append(out, e)
		}
	}
	return out
}

// logged are the events of the audit log so far.
func logged(t *testing.T, g *servertest.Gateway) (out []hoop.Event) {
	t.Helper()
	body, err := g.API("auditor").Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	seen := map[string]bool{}
	for tr := tar.NewReader(body); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(h.Name, "tile/entries/") {
			continue
		}
		rest, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		for len(rest) > 0 {
			var entry []byte
			if entry, rest, err = auditlog.NextEntry(rest); err != nil {
				t.Fatal(err)
			}
			if seen[string(entry)] {
				continue
			}
			seen[string(entry)] = true
			e, err := auditlog.Decode(entry)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, *e)
		}
	}
}
