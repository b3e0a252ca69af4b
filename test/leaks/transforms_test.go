package leaks

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// transformed is a table each column of which another transform masks.
const transformed = `
CREATE TABLE public.kept (id int PRIMARY KEY, hashed text, number int, wide bigint, tokens text, born timestamptz, day date, long varchar, note text);
INSERT INTO public.kept VALUES (1, '123-45-6789', 123456789, 12345678901, '123-45-6789', '2023-12-31 20:07:08+00', '2024-01-03', 'CANARY' || repeat('.', 48) || 'CARD4444 and more',
	'SSN 123-45-6789 on file');`

var transforms = strings.Replace(servertest.Resources, "decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}", "decision: deny", 1) + `
---
kind: MaskRule
name: hashed
spec: {targets: ["*"], columns: [public.kept.hashed, public.kept.number, public.kept.wide], with: hash}
---
kind: MaskRule
name: tokens
spec: {targets: ["*"], columns: [public.kept.tokens], with: tokenize}
---
kind: MaskRule
name: born
spec: {targets: ["*"], columns: [public.kept.born, public.kept.day], with: year}
---
kind: MaskRule
name: ends
spec: {targets: ["*"], columns: [public.kept.long], with: partial, last: 4}
---
kind: MaskRule
name: in-text
spec: {targets: ["*"], detect: [us-ssn], with: hash}
`

// account names one of those that withAccounts declares. What they write and compare counts
// for each.
func account(n int) string { return fmt.Sprintf("w%d", n) }

// withAccounts is resources with n accounts more.
func withAccounts(resources string, n int) string {
	out := resources
	for i := range n {
		out += fmt.Sprintf("\n---\nkind: ServiceAccount\nname: %s\nspec: {groups: [agents], owner: data-team, secret: {value: %[1]s-secret}}\n", account(i))
	}
	return out
}

// transformedLine gives a way to a database with such a table.
func transformedLine(t *testing.T, database string) (dsn string) {
	t.Helper()
	return transformedGateway(t, database, transforms).Connect("agent", "pg-prod")
}

// transformedGateway starts a gateway before a database with such a table.
func transformedGateway(t *testing.T, database, resources string) *servertest.Gateway {
	t.Helper()
	if err := pg.Exec(t.Context(), "postgres", "CREATE DATABASE "+database); err != nil {
		t.Fatal(err)
	}
	if err := pg.Exec(t.Context(), database, transformed); err != nil {
		t.Fatal(err)
	}
	return servertest.Start(t, servertest.Options{PG: pg, Resources: strings.Replace(resources, "database: postgres", "database: "+database, 1)})
}

// first is the first value that a statement is answered with.
func first(t *testing.T, w *wire, m mode, sql string) []byte {
	t.Helper()
	at := len(w.got)
	if err := w.run(m, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	rows := cells(w.got[at:])
	if len(rows) == 0 {
		t.Fatalf("%s: %.300s", sql, told(w.got[at:]))
	}
	return rows[0][0]
}

// What hash and tokenize make of a value cannot be tried out by who may only read, nor by
// what a command that stores values says of them: guesses, one of which is right, do not
// become what the column shows.
func TestTransforms_Guesses(t *testing.T) {
	guesses := map[string]string{
		"hashed": "'123-45-6789'", "number": "123456789", "wide": "12345678901", "tokens": "'123-45-6789'", "note": "'SSN 123-45-6789 on file'",
	}
	ways := []string{
		"SELECT COL FROM kept UNION ALL SELECT GUESS",
		"SELECT COL FROM (SELECT COL FROM kept UNION ALL VALUES (GUESS)) x",
		"WITH RECURSIVE r(c, n) AS (SELECT COL, 1 FROM kept UNION ALL SELECT GUESS, 2 FROM r WHERE n = 1) SELECT c FROM r",
		"SELECT COL FROM kept UNION ALL SELECT min(x) FROM (VALUES (GUESS)) v(x)",
		"SELECT COALESCE(k.COL, GUESS) FROM generate_series(1, 1) LEFT JOIN kept k ON false",
		"INSERT INTO kept (id, COL) VALUES (2, GUESS) RETURNING COL",
		"INSERT INTO kept (id, COL) VALUES (1, GUESS) ON CONFLICT (id) DO UPDATE SET COL = GUESS RETURNING COL",
		"INSERT INTO kept (id, COL) VALUES (1, GUESS) ON CONFLICT (id) DO UPDATE SET COL = excluded.COL RETURNING COL",
		"UPDATE kept SET COL = GUESS WHERE id = 1 RETURNING COL",
		"UPDATE kept k SET COL = v.x FROM (VALUES (GUESS)) v(x) WHERE k.id = 1 RETURNING k.COL",
		"UPDATE kept SET (COL, id) = (GUESS, 1) WHERE id = 1 RETURNING kept.COL",
		"WITH i AS (INSERT INTO kept (id, COL) VALUES (2, GUESS) RETURNING COL) SELECT COL FROM i",
		"WITH i AS (UPDATE kept SET COL = GUESS WHERE id = 1 RETURNING *) SELECT i.COL FROM i LEFT JOIN kept k ON false",
		"SELECT GUESS",
		"CREATE TEMP TABLE guesses AS SELECT GUESS AS COL; SELECT COL FROM guesses",
	}
	g, next := transformedGateway(t, "guesses", withAccounts(transforms, 2*len(guesses)*len(ways))), 0
	for column, guess := range guesses {
		for _, sql := range ways {
			sql := strings.NewReplacer("COL", column, "GUESS", guess).Replace(sql)
			for _, m := range []mode{simple, undescr} {
				if m.name == undescr.name && strings.Contains(sql, ";") {
					continue
				}
				w := open(t, g.Connect(account(next), "pg-prod"), "", nil)
				next++
				shown := first(t, w, m, "SELECT "+column+" FROM kept WHERE id = 1")
				if shown == nil || bytes.Contains(shown, []byte("masked")) {
					t.Fatalf("%s is shown as %q", column, shown)
				}
				at := len(w.got)
				if err := w.run(simple, "BEGIN"); err != nil {
					t.Fatal(err)
				}
				if err := w.run(m, sql); err != nil {
					t.Errorf("%s: %s: %v", m.name, sql, err)
				}
				for _, row := range cells(w.got[at:]) {
					if bytes.Equal(row[0], shown) {
						t.Errorf("%s: %s is answered with %q", m.name, sql, row[0])
					}
				}
				_ = w.Close()
			}
		}
	}
}

// Whoever writes values where they are hashed sees what becomes of them. Of more than may be
// compared with a column nothing is shown any more, in whatever way they were written.
func TestTransforms_Written(t *testing.T) {
	columns := []struct{ name, cast string }{{"hashed", "::text"}, {"number", ""}, {"tokens", "::text || '123456'"}, {"wide", ""}}
	ways := map[string][]string{
		"few":         {"INSERT INTO kept (id, COL) VALUES (NUM, NUM CAST)"},
		"INSERT":      {"INSERT INTO kept (id, COL) SELECT g, g CAST FROM generate_series(100, 999) g"},
		"UPDATE":      {"INSERT INTO kept (id) SELECT g FROM generate_series(100, 999) g", "UPDATE kept SET COL = id CAST WHERE id > 99"},
		"one by one":  slices.Repeat([]string{"INSERT INTO kept (id, COL) VALUES (NUM, NUM CAST)"}, 51),
		"from WITH":   {"WITH w AS (SELECT g FROM generate_series(100, 999) g) INSERT INTO kept (id, COL) SELECT g, g CAST FROM w"},
		"prepared":    {"PREPARE w AS INSERT INTO kept (id, COL) SELECT g, g CAST FROM generate_series(100, 999) g", "EXECUTE w"},
		"in one text": {"INSERT INTO kept (id, COL) SELECT g, g CAST FROM generate_series(100, 999) g; SELECT COL FROM kept WHERE id = 101"},
	}
	g, next := transformedGateway(t, "written", withAccounts(transforms, len(columns)*len(ways))), 0
	for _, c := range columns {
		for way, lines := range ways {
			w := open(t, g.Connect(account(next), "pg-prod"), "", nil)
			next++
			for n, sql := range slices.Concat([]string{"BEGIN"}, lines, []string{"SELECT COL FROM kept WHERE id IN (1, 101)"}) {
				if err := w.run(simple, strings.NewReplacer("COL", c.name, "CAST", c.cast, "NUM", fmt.Sprint(100+n)).Replace(sql)); err != nil {
					t.Errorf("%s, %s: %s: %v", c.name, way, sql, err)
				} else if got := told(w.got); strings.Contains(got, "SERROR") {
					t.Fatalf("%s, %s: no attack: %.300s", c.name, way, got)
				}
			}
			shown := 0
			for _, row := range cells(w.got) {
				if len(row[0]) > 4 && !bytes.Equal(row[0], []byte("[masked]")) {
					shown++
				}
			}
			if way == "few" && shown != 2 || way != "few" && shown > 0 {
				t.Errorf("%s, %s: %d values are shown: %.400s", c.name, way, shown, told(w.got))
			}
			_ = w.Close()
		}
	}
}

// A UNION makes values of another type of what is stored, without saying so: the end of a
// name is not that of the text, and a day is a moment that hangs on the time zone.
func TestTransforms_OtherTypes(t *testing.T) {
	w := open(t, transformedLine(t, "converted"), "", nil)
	for _, sql := range []string{
		"SELECT day FROM kept UNION ALL SELECT now()",
		"SELECT day FROM kept UNION ALL SELECT born FROM kept",
		"SELECT day FROM kept UNION ALL SELECT born FROM kept WHERE false",
		"SELECT relname FROM pg_class WHERE false UNION ALL SELECT long FROM kept",
		"SELECT long FROM kept UNION ALL SELECT 'x'::name",
		"SELECT x FROM (SELECT 'x'::name UNION ALL SELECT long FROM kept) q(x) UNION ALL SELECT 'a'::text",
		"SELECT x FROM (SELECT relname FROM pg_class WHERE false UNION ALL SELECT long FROM kept) q(x) UNION ALL SELECT note FROM kept WHERE false",
		"SELECT x FROM (SELECT $1 UNION ALL SELECT long FROM kept) q(x) UNION ALL SELECT note FROM kept WHERE false",
	} {
		for _, zone := range []string{"UTC", "<UTC>+100", "<UTC>-100"} {
			if err := w.run(simple, "SET TimeZone = '"+zone+"'"); err != nil {
				t.Fatal(err)
			}
			at := len(w.got)
			if strings.Contains(sql, "$1") {
				w.send(
					&pgproto3.Parse{Query: sql, ParameterOIDs: []uint32{pgtype.NameOID}}, &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}},
					&pgproto3.Execute{}, &pgproto3.Sync{},
				)
				drain(w, "Z", 1)
			} else if err := w.run(simple, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			for _, row := range cells(w.got[at:]) {
				if row[0] != nil && !bytes.Contains(row[0], []byte("[masked]")) {
					t.Errorf("%s: %s: %q", zone, sql, row[0])
				}
			}
		}
	}
	for _, sql := range []string{
		"SELECT day FROM kept UNION ALL SELECT day FROM kept WHERE false",
		"SELECT long FROM (SELECT long FROM kept UNION ALL SELECT long FROM kept) x",
	} {
		if got := string(first(t, w, simple, sql)); got != "2024-01-01" && !strings.HasSuffix(got, "*more") {
			t.Errorf("%s: %s", sql, got)
		}
	}
}

// The year of a moment is that in UTC. In a zone of the client's choice it would tell, hour
// by hour, how far from New Year the moment is.
func TestTransforms_Zones(t *testing.T) {
	w := open(t, transformedLine(t, "zones"), "", nil)
	for _, style := range []string{"ISO", "SQL", "German", "Postgres"} {
		var was []byte
		for i, zone := range []string{"UTC", "<UTC>-3:52", "<UTC>-3:53", "<UTC>-167", "<UTC>+167", "Asia/Tokyo"} {
			if err := w.run(simple, "SET DateStyle = '"+style+"'; SET TimeZone = '"+zone+"'"); err != nil {
				t.Fatal(err)
			}
			got := first(t, w, simple, "SELECT born FROM kept")
			if i > 0 && !bytes.Equal(got, was) {
				t.Errorf("%s: %q becomes %q in %s", style, was, got, zone)
			}
			was = got
		}
		if style == "ISO" && string(was) != "2023-01-01 00:00:00+00" {
			t.Errorf("%q", was)
		}
	}
}
