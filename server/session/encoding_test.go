package session_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// A database that is not UTF8: rules and decoys whose names and values are not ASCII hold there as
// they do elsewhere, and what the target cannot convert fails.
func TestSession_DatabaseOfAnotherEncoding(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	must(t, err)
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, db := range [][2]string{{"latin", "LATIN1"}, {"japan", "EUC_JP"}, {"bytes", "SQL_ASCII"}} {
		must(t, pg.Exec(t.Context(), "postgres", "CREATE DATABASE "+db[0]+" ENCODING '"+db[1]+"' LOCALE 'C' TEMPLATE template0"))
		cfg, err := pgx.ParseConfig(pg.DSN(db[0]))
		must(t, err)
		cfg.RuntimeParams["client_encoding"], cfg.DefaultQueryExecMode = "UTF8", pgx.QueryExecModeSimpleProtocol
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		must(t, err)
		_, err = conn.Exec(t.Context(), `CREATE SCHEMA klinik;
			CREATE TABLE klinik."ärzte" (id int PRIMARY KEY, "größe" text, "schlüssel" text, frei text);
			INSERT INTO klinik."ärzte" VALUES (1, 'secret é', 'Ködér-66', 'Herr Müller, jörg.doe@example.org');`)
		must(t, err)
		must(t, conn.Close(t.Context()))
	}
	must(t, pg.Exec(t.Context(), "bytes", `CREATE TABLE klinik.raw (id int, t text); INSERT INTO klinik.raw VALUES (1, E'jane.doe@example.org \xfc');`))
	resources := strings.Replace(servertest.Resources, "  credential:", `  databases: [latin, japan, bytes]
  honeytokens: [{table: klinik.ärzte, column: schlüssel, values: ["Ködér-66"]}]
  credential:`, 1) + "---\nkind: MaskRule\nname: groessen\nspec: {targets: [pg-prod], columns: [klinik.ärzte.größe], with: redact}\n" +
		"---\nkind: MaskRule\nname: mail\nspec: {targets: [pg-prod], detect: [email], with: redact}\n"
	g := servertest.Start(t, servertest.Options{PG: pg, Resources: resources})
	for _, db := range []string{"latin", "japan", "bytes"} {
		t.Run(db, func(t *testing.T) {
			conn := open(t, g, func(c *pgx.ConnConfig) { c.Database = db })
			for _, sql := range []string{
				`SELECT "größe" FROM klinik.ärzte`, `SELECT größe || 'é' FROM klinik.ärzte`, `SELECT Ä.größe || '' FROM klinik."ärzte" Ä`,
				`SELECT U&"gr\00f6\00dfe" || '' FROM klinik.U&"\00e4rzte"`,
			} {
				if strings.Contains(sql, "U&") && db == "bytes" {
					continue // Unicode escapes need an encoding
				}
				var got string
				if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != "[masked]" {
					t.Errorf("%s: %q, %v", sql, got, err)
				}
			}
			var free string
			must(t, conn.QueryRow(t.Context(), "SELECT frei FROM klinik.ärzte").Scan(&free))
			if !strings.HasPrefix(free, "Herr Müller, ") || strings.Contains(free, "example") {
				t.Errorf("a value in a text: %q", free)
			}
			if _, err := conn.Exec(t.Context(), "SELECT größe::int FROM klinik.ärzte"); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("an error: %v", err)
			}
			before := len(alerts(t, g))
			must(t, drained(t, conn, "SELECT id FROM klinik.ärzte WHERE schlüssel = 'Ködér-66'"))
			if n := len(alerts(t, g)) - before; n != 1 {
				t.Errorf("%d alerts for a decoy", n)
			}
		})
	}
	conn := open(t, g, func(c *pgx.ConnConfig) { c.Database = "bytes" })
	if err := drained(t, conn, "SELECT t FROM klinik.raw"); state(err) != "22021" {
		t.Errorf("bytes that are no character: %v, want 22021", err)
	}
	latin, err := pgx.ParseConfig(g.Connect("agent", "pg-prod"))
	must(t, err)
	latin.Database, latin.RuntimeParams["client_encoding"] = "latin", "LATIN1"
	latin.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	raw, err := pgx.ConnectConfig(t.Context(), latin)
	must(t, err)
	defer raw.Close(context.Background())
	out, err := raw.PgConn().Exec(t.Context(), "SELECT gr\xf6\xdfe || '\xe9', schl\xfcssel FROM klinik.\xe4rzte").ReadAll()
	must(t, err)
	if row := out[0].Rows[0]; string(row[0]) != "[masked]" || string(row[1]) != "K\xf6d\xe9r-66" {
		t.Errorf("a client with LATIN1: %q", row)
	}
}

func drained(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	_, err := drain(t, conn, sql)
	return err
}
