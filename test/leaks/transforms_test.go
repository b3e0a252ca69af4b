package leaks

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// transformed is a table each column of which another transform masks.
const transformed = `
CREATE TABLE public.kept (id int PRIMARY KEY, hashed text, number int, wide bigint, tokens text, born timestamptz, note text);
INSERT INTO public.kept VALUES (1, '123-45-6789', 123456789, 12345678901, '123-45-6789', '2023-12-31 20:07:08+00', 'SSN 123-45-6789 on file');`

const transforms = servertest.Resources + `
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
spec: {targets: ["*"], columns: [public.kept.born], with: year}
---
kind: MaskRule
name: in-text
spec: {targets: ["*"], detect: [us-ssn], with: hash}
`

// transformedLine gives a way to a database with such a table.
func transformedLine(t *testing.T, database string) (dsn string) {
	t.Helper()
	if err := pg.Exec(t.Context(), "postgres", "CREATE DATABASE "+database); err != nil {
		t.Fatal(err)
	}
	if err := pg.Exec(t.Context(), database, transformed); err != nil {
		t.Fatal(err)
	}
	g := servertest.Start(t, servertest.Options{PG: pg, Resources: strings.Replace(transforms, "database: postgres", "database: "+database, 1)})
	return g.Connect("agent", "pg-prod")
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
	dsn := transformedLine(t, "guesses")
	for column, guess := range map[string]string{
		"hashed": "'123-45-6789'", "number": "123456789", "wide": "12345678901", "tokens": "'123-45-6789'", "note": "'SSN 123-45-6789 on file'",
	} {
		for _, sql := range []string{
			"SELECT COL FROM kept UNION ALL SELECT GUESS",
			"SELECT COL FROM (SELECT COL FROM kept UNION ALL VALUES (GUESS)) x",
			"WITH RECURSIVE r(c, n) AS (SELECT COL, 1 FROM kept UNION ALL SELECT GUESS, 2 FROM r WHERE n = 1) SELECT c FROM r",
			"SELECT COL FROM kept UNION ALL SELECT min(x) FROM (VALUES (GUESS)) v(x)",
			"SELECT COALESCE(k.COL, GUESS) FROM generate_series(1, 1) LEFT JOIN kept k ON false",
			"INSERT INTO kept (id, COL) VALUES (2, GUESS) RETURNING COL",
			"INSERT INTO kept (id, COL) VALUES (1, GUESS) ON CONFLICT (id) DO UPDATE SET COL = GUESS RETURNING COL",
			"UPDATE kept SET COL = GUESS WHERE id = 1 RETURNING COL",
			"SELECT GUESS",
			"CREATE TEMP TABLE guesses AS SELECT GUESS AS COL; SELECT COL FROM guesses",
		} {
			sql := strings.NewReplacer("COL", column, "GUESS", guess).Replace(sql)
			for _, m := range []mode{simple, undescr} {
				if m.name == undescr.name && strings.Contains(sql, ";") {
					continue
				}
				w := open(t, dsn, "", nil)
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
