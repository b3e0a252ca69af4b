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
	"github.com/jackc/pgx/v5/pgproto3"

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
    - {table: clinic.keys, column: u, values: ["6F2B1C9E-0d7a-4a4e-9c55-1f0e2d3c4b5a"]}
    - {table: clinic.keys, column: n, values: ["12.50"]}
    - {table: clinic.keys, column: d, values: ["2001-02-03"]}
    - {table: clinic.made, column: id, values: ["123456"]}
    - {table: clinic.coded, column: plain, values: ["Ünd-66"]}
    - {table: clinic.coded, column: folded, values: ["CI-66"]}
    - {table: clinic.coded, column: mail, values: ["CT-66"]}
    - {table: clinic.coded, column: own, values: ["DI-66"]}
    - {table: clinic.plain, column: code, values: ["Ünd-66"]}
  credential:`, file, action), 1)
}

// Every way to touch a decoy raises one alert, which has no value in it; what touches
// none raises none.
func TestDecoys_Alert(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup + `
		CREATE TABLE clinic.keys (u uuid, n numeric(10,2), d date);
		CREATE TABLE clinic.kept (i int);
		CREATE EXTENSION citext;
		CREATE COLLATION clinic.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE COLLATION clinic.shifted (provider = icu, locale = 'und-u-ks-level1-ka-shifted', deterministic = false);
		CREATE DOMAIN clinic.own_text AS text COLLATE clinic.ci;
		CREATE TABLE clinic.coded (plain text, folded text COLLATE clinic.ci, mail citext, own clinic.own_text, parts text[] COLLATE clinic.ci);
		INSERT INTO clinic.coded VALUES ('Ünd-66', 'CI-66', 'CT-66', 'DI-66', '{CI-66}');
		CREATE DOMAIN clinic.loose_text AS text COLLATE clinic.shifted;
		CREATE TABLE clinic.plain (code text);
		INSERT INTO clinic.plain VALUES ('Ünd-66');
		CREATE VIEW clinic.coded_view AS SELECT plain COLLATE clinic.shifted AS seen FROM clinic.coded;
		CREATE TABLE clinic.made (id int, twice text GENERATED ALWAYS AS ('no ' || id) STORED);
		INSERT INTO clinic.made VALUES (1), (123456);
		INSERT INTO clinic.keys VALUES ('6f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5a', 12.5, '2001-02-03');`, Resources: decoyed(t, "alert")})
	for name, c := range map[string]struct {
		sql  string
		args []any
		want string // "how" of the alerts
	}{
		"compared":             {"SELECT 1 FROM clinic.patients WHERE id = 50", nil, "compared"},
		"in a list":            {"SELECT 1 FROM clinic.patients WHERE id IN (1, 49)", nil, "compared"},
		"bound, binary":        {"SELECT 1 FROM clinic.patients WHERE id = $1", []any{48}, "compared"},
		"bound, array":         {"SELECT 1 FROM clinic.patients WHERE id = ANY($1)", []any{[]int32{1, 48}}, "compared"},
		"written":              {"UPDATE clinic.patients SET ward = 1 WHERE id = 50", nil, "compared"},
		"shown":                {"SELECT id FROM clinic.patients WHERE id > 48", nil, "delivered"},
		"under another name":   {"SELECT x.key FROM (SELECT id AS key, ward FROM clinic.patients) x WHERE x.key > 48", nil, "delivered"},
		"in text":              {"SELECT 'x' || ssn FROM clinic.patients WHERE ward = 0", nil, "delivered"},
		"untouched":            {"SELECT id, ssn FROM clinic.patients WHERE id < 48", nil, ""},
		"another column":       {"SELECT ward FROM clinic.patients WHERE ward = 50", nil, ""},
		"another table":        {"SELECT id FROM clinic.claims WHERE id = 50", nil, ""},
		"not shown":            {"SELECT count(*) FROM clinic.patients", nil, ""},
		"another number":       {"SELECT ward FROM clinic.patients WHERE id % 50 = 2 AND id < 48 ORDER BY ward LIMIT 48", nil, ""},
		"another spelling":     {"SELECT ward FROM clinic.patients WHERE id = 050.0", nil, "compared"},
		"as text":              {"SELECT ward FROM clinic.patients WHERE id::text = '50'", nil, "compared"},
		"in a row":             {"SELECT ward FROM clinic.patients WHERE (ward, id) = (2, 50)", nil, "compared"},
		"in the other place":   {"SELECT ward FROM clinic.patients WHERE (id, ward) = (2, 50)", nil, ""},
		"in rows":              {"SELECT ward FROM clinic.patients WHERE (ward, id) IN ((2, 3), (2, 50))", nil, "compared"},
		"in VALUES":            {"SELECT ward FROM clinic.patients WHERE id IN (VALUES (3), (50))", nil, "compared"},
		"in an array":          {"SELECT ward FROM clinic.patients WHERE ARRAY[id] <@ '{3,50}'", nil, "compared"},
		"in a query":           {"SELECT ward FROM clinic.patients WHERE id = (SELECT 50)", nil, "compared"},
		"in WITH":              {"WITH k AS (SELECT 50 AS i) SELECT ward FROM clinic.patients p, k WHERE p.id = k.i", nil, "compared"},
		"in CASE":              {"SELECT CASE id WHEN 50 THEN 1 END FROM clinic.patients WHERE id < 3", nil, "compared"},
		"by a join":            {"SELECT p.ward FROM clinic.claims c JOIN clinic.patients p ON p.id = c.id WHERE c.id = 50", nil, "compared"},
		"bound, in a row":      {"SELECT ward FROM clinic.patients WHERE (ward, id) = ($1, $2)", []any{2, 50}, "compared"},
		"whole rows":           {"SELECT patients FROM clinic.patients WHERE id > 49", nil, "delivered"},
		"as an array":          {"SELECT array_agg(id) FROM clinic.patients", nil, "delivered"},
		"as JSON":              {"SELECT jsonb_build_object('id', id) FROM clinic.patients WHERE id > 49", nil, "delivered"},
		"deleted":              {"DELETE FROM clinic.patients WHERE id = 50 AND ward = 99", nil, "compared"},
		"written, returned":    {"UPDATE clinic.patients SET ward = ward WHERE id > 49 RETURNING id", nil, "delivered"},
		"numeric, text":        {"SELECT 1 FROM clinic.keys WHERE n = 12.5", nil, "compared"},
		"numeric, binary":      {"SELECT n FROM clinic.keys", nil, "delivered"},
		"date, binary":         {"SELECT d FROM clinic.keys", nil, "delivered"},
		"date, bound":          {"SELECT 1 FROM clinic.keys WHERE d = $1", []any{"2001-02-03"}, "compared"},
		"UUID, binary":         {"SELECT u FROM clinic.keys", nil, "delivered"},
		"numeric, bound":       {"SELECT 1 FROM clinic.patients WHERE id = $1::float8", []any{50.0}, "compared"},
		"with an exponent":     {"SELECT 1 FROM clinic.patients WHERE id = 5e1", nil, "compared"},
		"as a pattern":         {"SELECT 1 FROM clinic.patients WHERE ssn LIKE '000000048%'", nil, "compared"},
		"as an expression":     {"SELECT 1 FROM clinic.patients WHERE ssn ~ '^000000048$'", nil, "compared"},
		"as a bound pattern":   {"SELECT 1 FROM clinic.patients WHERE ssn LIKE $1", []any{"%000000048"}, "compared"},
		"another pattern":      {"SELECT 1 FROM clinic.patients WHERE ssn LIKE '0000000481%'", nil, ""},
		"in a range":           {"SELECT ward FROM clinic.patients WHERE id BETWEEN 49 AND 60", nil, "compared"},
		"in a turned range":    {"SELECT ward FROM clinic.patients WHERE id BETWEEN SYMMETRIC 60 AND 50", nil, "compared"},
		"between two ends":     {"SELECT ward FROM clinic.patients WHERE 49 <= id AND ward >= 0 AND id < 60", nil, "compared"},
		"between bound ends":   {"SELECT ward FROM clinic.patients WHERE id > $1 AND id < $2", []any{47, 49}, "compared"},
		"in one of two ranges": {"SELECT p.ward FROM clinic.patients p WHERE ward = 7 OR (p.ward > 8 AND p.id >= 50 AND p.id <= 50)", nil, "compared"},
		"joined by a range":    {"SELECT p.ward FROM clinic.claims c JOIN clinic.patients p ON p.id BETWEEN 49.5 AND 1e3 AND c.id = 1", nil, "compared"},
		"in a range of texts":  {"SELECT ward FROM clinic.patients WHERE ssn BETWEEN '000000040' AND '000000048'", nil, "compared"},
		"by a collation":       {"SELECT ward FROM clinic.patients WHERE ssn COLLATE \"C\" = '000000048'", nil, "compared"},
		"in a collation":       {"SELECT ward FROM clinic.patients WHERE ssn IN ('000000003', '000000048' COLLATE \"C\")", nil, "compared"},
		"in a collated range":  {"SELECT ward FROM clinic.patients WHERE ssn COLLATE \"C\" >= '000000047' AND ssn < '000000049' COLLATE \"C\"", nil, "compared"},
		"by case":              {"SELECT 1 FROM clinic.coded WHERE folded = 'ci-66'", nil, "compared"},
		"by case, bound":       {"SELECT 1 FROM clinic.coded WHERE folded = ANY ($1)", []any{[]string{"x", "cI-66"}}, "compared"},
		"by case, a type's":    {"SELECT 1 FROM clinic.coded WHERE mail = 'ct-66'", nil, "compared"},
		"by case, a domain's":  {"SELECT 1 FROM clinic.coded WHERE own IN ('x', 'di-66')", nil, "compared"},
		"by case, a range":     {"SELECT 1 FROM clinic.coded WHERE folded BETWEEN 'ci-60' AND 'ci-69'", nil, "compared"},
		"by case, joined":      {"SELECT 1 FROM clinic.coded JOIN (VALUES ('ci-66')) v(k) ON folded = k", nil, "compared"},
		"by case, a set":       {"SELECT 'ci-66' COLLATE clinic.ci INTERSECT SELECT folded FROM clinic.coded", nil, "compared"},
		"by a set":             {"SELECT 'CI-66' COLLATE \"C\" EXCEPT SELECT folded COLLATE \"C\" FROM clinic.coded", nil, "compared"},
		"by case, cast":        {"SELECT 1 FROM clinic.coded WHERE plain::citext = 'ünd-66'", nil, "compared"},
		"by letters":           {"SELECT 1 FROM clinic.coded WHERE plain COLLATE clinic.shifted = 'ｕｎｄ6 6'", nil, "compared"},
		"by letters, a view":   {"SELECT 1 FROM clinic.coded_view WHERE seen = 'und66'", nil, "compared"},
		"by another case":      {"SELECT 1 FROM clinic.coded WHERE folded = 'ci-67' AND folded BETWEEN 'ci-67' AND 'ci-69'", nil, ""},
		"in a range of dates":  {"SELECT n FROM clinic.keys WHERE d > '2001-01-31' AND d < '2001-12-31' AND n > 99", nil, "compared"},
		"in a range of UUIDs":  {"SELECT 1 FROM clinic.keys WHERE u BETWEEN '60000000-0000-0000-0000-000000000000' AND '7f2b1c9e-0d7a-4a4e-9c55-1f0e2d3c4b5a'", nil, "compared"},
		"deleted by a range":   {"DELETE FROM clinic.patients WHERE id BETWEEN 50 AND 60 AND ward = 99", nil, "compared"},
		"beside a range":       {"SELECT ward FROM clinic.patients WHERE id BETWEEN 1 AND 47", nil, ""},
		"between open ends":    {"SELECT ward FROM clinic.patients WHERE id > 50 AND id < 60", nil, ""},
		"outside of a range":   {"SELECT ward FROM clinic.patients WHERE NOT (id BETWEEN 40 AND 60)", nil, ""},
		"above an end":         {"SELECT ward FROM clinic.patients WHERE id > 40", nil, ""},
		"ends of two columns":  {"SELECT ward FROM clinic.patients WHERE id > 40 AND ward < 60", nil, ""},
		"in a row of a range":  {"SELECT ward FROM clinic.patients WHERE id <@ int4range(50, 51)", nil, "compared"},
		"in a range's text":    {"SELECT ward FROM clinic.patients WHERE '[50,51)'::int4range @> id", nil, "compared"},
		"in a multirange":      {"SELECT ward FROM clinic.patients WHERE '{[1,3),[50,51)}'::int4multirange @> id", nil, "compared"},
		"outside a range":      {"SELECT ward FROM clinic.patients WHERE '{[1,3),(50,60)}'::int4multirange @> id", nil, ""},
		"beside range's end":   {"SELECT ward FROM clinic.patients WHERE id <@ int4range(40, 48)", nil, ""},
		"by a natural join":    {"SELECT p.ward FROM (VALUES (50)) u(id) NATURAL JOIN clinic.patients p", nil, "compared"},
		"by other names":       {"SELECT d FROM clinic.patients AS p (a, b, c, d) WHERE a = 50", nil, "compared"},
		"generated":            {"SELECT twice FROM clinic.made", nil, "delivered"},
		"in a dollar quote":    {"SELECT ward FROM clinic.patients WHERE id = $$50$$", nil, "compared"},
		"in an escape":         {"SELECT ward FROM clinic.patients WHERE id = E'\\x35\\x30'", nil, "compared"},
		"copied":               {"INSERT INTO clinic.kept SELECT id FROM clinic.patients", nil, "copied"},
		"copied, not all":      {"INSERT INTO clinic.kept SELECT id FROM clinic.patients ORDER BY id DESC LIMIT 1", nil, "copied"},
		"copied in WITH":       {"WITH x AS (INSERT INTO clinic.kept SELECT id FROM clinic.patients RETURNING 1) SELECT count(*) FROM x", nil, "copied"},
		"copied by an update":  {"UPDATE clinic.kept SET i = (SELECT max(id) FROM clinic.patients) WHERE i = 1", nil, "copied"},
		"one that a key names": {"INSERT INTO clinic.kept SELECT id FROM clinic.patients WHERE id = 7", nil, ""},
		"others copied":        {"INSERT INTO clinic.kept SELECT ward FROM clinic.patients WHERE id > 3", nil, ""},
		"others marked":        {"UPDATE clinic.kept SET i = 1 WHERE i IN (SELECT id FROM clinic.patients WHERE ward = 1)", nil, ""},
		"copied to one's own":  {"CREATE TEMP TABLE own AS SELECT id FROM clinic.patients", nil, ""},
		"UUID, without dashes": {"SELECT 1 FROM clinic.keys WHERE u = '6f2b1c9e0d7a4a4e9c551f0e2d3c4b5a'", nil, "compared"},
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
			if !strings.Contains(e, c.want) || !strings.Contains(e, "clinic.patients.") && !strings.Contains(e, "clinic.keys.") && !strings.Contains(e, "clinic.made.") && !strings.Contains(e, "clinic.coded.") {
				t.Errorf("%s", e)
			}
			for _, v := range []string{"48", "49", "50"} {
				if strings.Contains(fmt.Sprint(got[0].Text, got[0].Details, got[0].Reason), v) {
					t.Errorf("the value is in the event: %s", e)
				}
			}
		})
	}
	for name, script := range map[string][]string{
		"executed":        {"PREPARE q (int) AS SELECT ward FROM clinic.patients WHERE id = $1", "EXECUTE q (50)"},
		"executed, array": {"PREPARE q (int[]) AS SELECT ward FROM clinic.patients WHERE id = ANY ($1)", "EXECUTE q ('{1,50}')"},
		"by a cursor":     {"BEGIN", "DECLARE c CURSOR FOR SELECT id AS k FROM clinic.patients ORDER BY id", "FETCH 3 FROM c", "MOVE 40 IN c", "FETCH ALL FROM c"},
		"kept":            {"CREATE TEMP TABLE t AS SELECT id AS k, ward FROM clinic.patients", "SELECT ward FROM t WHERE k = 50"},
		"stored":          {"CREATE TEMP TABLE k (i int)", "INSERT INTO k VALUES (3), (50)", "SELECT ward FROM clinic.patients p JOIN k ON k.i = p.id"},
		"made, a list":    {"CREATE TEMP TABLE k AS SELECT 50 AS i", "SELECT ward FROM clinic.patients WHERE id IN (TABLE k)"},
		"made, EXISTS":    {"CREATE TEMP TABLE k AS VALUES (50)", "SELECT ward FROM clinic.patients p WHERE EXISTS (SELECT FROM k WHERE k.column1 = p.id)"},
		"stored, changed": {"CREATE TEMP TABLE k AS SELECT 1 AS i", "UPDATE k SET i = 50 WHERE i = 1", "SELECT ward FROM clinic.patients, k WHERE id = i"},
		"executed, row":   {"PREPARE q (int, int) AS SELECT ward FROM clinic.patients WHERE (ward, id) = ($1, $2)", "EXECUTE q (2, 50)"},
		"executed, range": {"PREPARE q (int, int) AS SELECT ward FROM clinic.patients WHERE id BETWEEN $1 AND $2", "EXECUTE q (49, 60)"},
		"executed, quote": {"PREPARE q (int) AS SELECT ward FROM clinic.patients WHERE id = $1", "EXECUTE q ($$50$$)"},
		"copied, behind":  {"SELECT 1; INSERT INTO clinic.kept SELECT id FROM clinic.patients"},
		"copied, kept":    {"CREATE TEMP TABLE t AS SELECT id AS k FROM clinic.patients", "INSERT INTO clinic.kept SELECT k FROM t"},
		"stored, behind":  {"CREATE TEMP TABLE k (i int)", "SELECT 1; INSERT INTO k VALUES (50)", "SELECT ward FROM clinic.patients JOIN k ON i = id"},
		"stored in WITH":  {"CREATE TEMP TABLE k (i int)", "WITH x AS (INSERT INTO k VALUES (50) RETURNING i) SELECT count(*) FROM x", "SELECT ward FROM clinic.patients JOIN k ON i = id"},
		"stored, carried": {"CREATE TEMP TABLE k AS SELECT 50 AS i", "CREATE TEMP TABLE l AS TABLE k", "SELECT ward FROM clinic.patients JOIN l ON i = id"},
		"stored, by case": {"CREATE TEMP TABLE k AS SELECT 'ci-66' AS i", "SELECT 1 FROM clinic.coded JOIN k ON folded = i"},
		"executed, case":  {"PREPARE q (text) AS SELECT 1 FROM clinic.coded WHERE folded = $1", "EXECUTE q ('ci-66')"},
		"among others":    {"SELECT 1; SELECT ward FROM clinic.patients WHERE id = 50; SELECT 2"},
	} {
		t.Run(name, func(t *testing.T) {
			before, conn := len(alerts(t, g)), open(t, g, nil)
			for _, sql := range script {
				if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if n := len(alerts(t, g)) - before; n == 0 {
				t.Error("no alert")
			}
		})
	}
	t.Run("by a parameter's type", func(t *testing.T) {
		before, typed := len(alerts(t, g)), open(t, g, nil)
		var oid uint32
		must(t, typed.QueryRow(t.Context(), "SELECT 'clinic.loose_text'::regtype::oid").Scan(&oid))
		must(t, typed.PgConn().ExecParams(t.Context(), "SELECT 1 FROM clinic.plain WHERE code = $1", [][]byte{[]byte("und66")}, []uint32{oid}, nil, nil).Read().Err)
		if n := len(alerts(t, g)) - before; n != 1 {
			t.Errorf("%d alerts, want one", n)
		}
	})
	for name, script := range map[string][]string{
		"stored only":           {"CREATE TEMP TABLE k (i int)", "INSERT INTO k VALUES (50)", "TABLE k"},
		"another value stored":  {"CREATE TEMP TABLE k AS SELECT 47 AS i", "SELECT ward FROM clinic.patients JOIN k ON i = id"},
		"another table's":       {"CREATE TEMP TABLE k AS SELECT 50 AS i", "SELECT ward FROM clinic.patients p JOIN clinic.claims c ON c.id = p.id WHERE p.id < 48"},
		"another column's join": {"CREATE TEMP TABLE k AS SELECT 50 AS i", "SELECT ward FROM clinic.patients JOIN k ON i = ward"},
	} {
		t.Run("no touch: "+name, func(t *testing.T) {
			before, conn := len(alerts(t, g)), open(t, g, nil)
			for _, sql := range script {
				if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if n := len(alerts(t, g)) - before; n != 0 {
				t.Errorf("%d alerts", n)
			}
		})
	}
	for _, sql := range []string{"COPY clinic.patients TO STDOUT", "SELECT 1; COPY clinic.patients TO STDOUT"} {
		before := len(alerts(t, g))
		if _, err := open(t, g, nil).PgConn().CopyTo(t.Context(), io.Discard, sql); err != nil {
			t.Fatal(err)
		}
		if n := len(alerts(t, g)) - before; n != 2 {
			t.Errorf("%s: %d alerts, want one for each column", sql, n)
		}
	}
	before := len(alerts(t, g))
	if _, err := open(t, g, nil).PgConn().Exec(t.Context(), "SELECT ('x ' || id)::int FROM clinic.patients WHERE id > 49").ReadAll(); state(err) != "22P02" {
		t.Fatal(err)
	}
	if got := alerts(t, g)[before:]; len(got) != 1 || detail(got[0], "how") != "delivered" {
		t.Errorf("in the text of an error: %d alerts", len(got))
	}
}

// With action end the row does not reach the client, and the session is over.
func TestDecoys_End(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: decoyed(t, "end")})
	for name, sql := range map[string]string{
		"compared": "SELECT ward FROM clinic.patients WHERE id = 50", "delivered": "SELECT id FROM clinic.patients WHERE id >= 45 ORDER BY id",
		"copied": "INSERT INTO clinic.guesses SELECT id::text FROM clinic.patients", "an error's text": "SELECT ('x ' || id)::int FROM clinic.patients WHERE id > 49",
	} {
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
	if n := len(alerts(t, g)); n != 4 {
		t.Errorf("%d alerts, want one each", n)
	}
}

// A function call by message that gives a decoy raises the alert as a row does, and ends the
// session where that is so ruled.
func TestDecoys_FunctionCall(t *testing.T) {
	for _, action := range []string{"alert", "end"} {
		g := servertest.Start(t, servertest.Options{Setup: inferSetup + `
			CREATE FUNCTION clinic.latest() RETURNS int LANGUAGE sql STABLE AS 'SELECT max(id) FROM clinic.patients';`, Resources: decoyed(t, action)})
		conn := open(t, g, nil).PgConn()
		f := conn.Frontend()
		f.Send(&pgproto3.FunctionCall{Function: uint32(g.Count("SELECT 'clinic.latest'::regproc::oid::int8"))})
		must(t, f.Flush())
		shown := false
		for done := false; !done; {
			m, err := f.Receive()
			if done = err != nil; done {
				break
			}
			switch m := m.(type) {
			case *pgproto3.FunctionCallResponse:
				shown = string(m.Result) == "50"
			case *pgproto3.ReadyForQuery:
				done = true
			}
		}
		if got := strings.Join(hows(alerts(t, g)), " "); got != "delivered" || shown != (action == "alert") {
			t.Errorf("%s: alerts %q, shown: %v", action, got, shown)
		}
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
