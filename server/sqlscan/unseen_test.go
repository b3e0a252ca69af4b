package sqlscan

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// unseen gives a database that was made by a file of testdata, and a connection to it.
func unseen(t *testing.T, file string) (*catalog.Snapshot, *pgx.Conn) {
	t.Helper()
	name := strings.ToLower(file + strings.TrimPrefix(t.Name(), "TestUnseen"))
	snap := database(t, file, name)
	cfg, err := pgx.ParseConfig(server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // DISCARD ALL forgets prepared statements
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	// A superuser's rows are not for policies to judge.
	if _, err := conn.Exec(t.Context(), `grant pg_write_all_data to pg_monitor; grant pg_read_all_data to pg_monitor`); err != nil {
		t.Fatal(err)
	}
	return snap, conn
}

// onlyReads reports whether an analysis says that nothing but reading happens.
func onlyReads(a *Analysis) bool {
	return !slices.ContainsFunc(a.Uses, func(u hoop.Use) bool {
		return u.Effect != hoop.EffectRead && u.Effect != hoop.EffectInfer && u.Effect != hoop.EffectSession
	})
}

func analyzeWith(t *testing.T, sql string, snap *catalog.Snapshot, params ...uint32) *Analysis {
	t.Helper()
	p, err := pool.Parse(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return study(t, p, snap, Lineage{Params: params})
}

// drawn runs f in a READ ONLY transaction and gives the error that says that it wrote.
func drawn(t *testing.T, conn *pgx.Conn, path string, f func(ctx context.Context) error) error {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "begin read only; set local role pg_monitor; set local statement_timeout = '5s'; set local search_path = "+path); err != nil {
		t.Fatal(err)
	}
	err := f(t.Context())
	if _, err := conn.Exec(t.Context(), "rollback; discard all"); err != nil {
		if _, err := conn.Exec(t.Context(), "discard all"); err != nil {
			t.Fatal(err)
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "25006" {
		return err
	}
	return nil
}

// What is called a read never draws SQLSTATE 25006, whatever code runs where the text
// names none.
func TestUnseen_Reads(t *testing.T) { neverWrites(t, "unseen", "public", 100) }

// Nor where users' operators stand first in the search_path.
func TestUnseen_Shadowed(t *testing.T) { neverWrites(t, "shadow", "shadow, pg_catalog, public", 13) }

// neverWrites runs the statements of a file, of which so many at least write.
func neverWrites(t *testing.T, file, path string, least int) {
	snap, conn := unseen(t, file)
	b, err := os.ReadFile("testdata/" + file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	wrote := 0
	for line := range strings.Lines(string(b)) {
		sql := strings.TrimSpace(line)
		if sql == "" || strings.HasPrefix(sql, "#") {
			continue
		}
		a := analyzeWith(t, sql, snap)
		err := drawn(t, conn, path, func(ctx context.Context) error {
			_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
			return err
		})
		if err == nil {
			continue
		}
		if wrote++; onlyReads(a) {
			t.Errorf("%s is called %s: %v", sql, summary(a), err)
		}
	}
	if wrote < least {
		t.Errorf("only %d statements ran code that writes", wrote)
	}
}

// A parameter's declared type counts as a cast to it.
func TestUnseen_Parameters(t *testing.T) {
	snap, conn := unseen(t, "unseen")
	for _, tt := range []struct{ sql, typ, value string }{
		{"SELECT $1", "evild", "1"},
		{"SELECT $1", "over_evild", "1"},
		{"SELECT $1", "seqd", "1"},
		{"SELECT $1", "comp", "(1)"},
		{"SELECT $1", "comp[]", `{"(1)"}`},
		{"SELECT $1", "outer_comp", `("(1)",)`},
		{"SELECT $1", "dcol", "(1)"},
		{"SELECT $1", "mrange", `["(1)","(2)"]`},
		{"SELECT $1", "mmultirange", `{["(1)","(2)"]}`},
		{"SELECT $1::text", "money2", "(1)"},
		{"SELECT upper($1)", "money2", "(1)"},
		{"SELECT $1 + 1", "enumx", "a"},
		{"SELECT abs($1)", "enumx", "a"},
		{"SELECT $1::int", "enumx", "a"},
		{"SELECT $1 < $1", "money2[]", `{(1)}`},
		{"SELECT $1::money2", "int", "1"},
		{"SELECT $1::evild", "int", "1"},
		{"SELECT takes_evild($1)", "int", "1"},
		{"SELECT COALESCE($1, d) FROM dcol", "int", "1"},
	} {
		var oid uint32
		if err := conn.QueryRow(t.Context(), "select $1::text::regtype::oid", tt.typ).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		for _, oid := range []uint32{oid, 0} {
			a := analyzeWith(t, tt.sql, snap, oid)
			err := drawn(t, conn, "public", func(ctx context.Context) error {
				return conn.PgConn().ExecParams(ctx, tt.sql, [][]byte{[]byte(tt.value)}, []uint32{oid}, nil, nil).Read().Err
			})
			if err != nil && onlyReads(a) {
				t.Errorf("%s with type %s (%d) is called %s: %v", tt.sql, tt.typ, oid, summary(a), err)
			}
			if err == nil && oid != 0 && tt.typ != "int" {
				t.Errorf("%s with type %s ran no code that writes", tt.sql, tt.typ)
			}
		}
	}
	if a := analyzeWith(t, "SELECT coalesce('5', d) FROM of_the_session", snap); onlyReads(a) {
		t.Errorf("a table that may have columns of every type is called %s", summary(a))
	}
	if a := analyzeWith(t, "SELECT $1", snap, 4_000_000_000); !a.Has(hoop.EffectOpaque) {
		t.Errorf("a parameter of an unknown type is called %s", summary(a))
	}
}

// Ordinary types and tables are no reason to hold a statement.
func TestUnseen_Ordinary(t *testing.T) {
	snap, _ := unseen(t, "ordinary")
	oid := func(name string) uint32 {
		for _, ut := range snap.UserTypes(name) {
			return ut.OID
		}
		t.Fatalf("no type %s", name)
		return 0
	}
	for _, sql := range []string{
		"SELECT * FROM plain", "SELECT m::int, 'glad'::mood, 5::positive, 'A'::code, 'B'::judged FROM plain ORDER BY m",
		"SELECT DISTINCT ci, h FROM plain WHERE ci = 'x' AND h @> 'a=>1'", "SELECT ci::text || c, h::jsonb FROM plain",
		"SELECT CASE id WHEN 1 THEN 2 END FROM plain JOIN plain p USING (ci)", "SELECT $1::text",
		"SELECT id % 2, word FROM words WHERE bare(word) = bare('x')", "SELECT unaccent(word) FROM words WHERE word % 'wrod' ORDER BY word <-> 'wrod'",
	} {
		a := analyzeWith(t, sql, snap, oid("mood"), oid("positive"), oid("judged"), oid("citext"), oid("hstore"))
		if !onlyReads(a) || a.Opaque {
			t.Errorf("%s is called %s: %v", sql, summary(a), a.Uses)
		}
	}
	if a := analyzeWith(t, "SELECT * FROM tenants", snap); !onlyReads(a) {
		t.Errorf("a table with a policy is called %s", summary(a))
	}
}
