package sqlscan

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/catalog/catalogtest"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgparse/pgparsetest"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Set by TestMain, used by every test.
var (
	pool   *pgparse.Pool
	server *pgserver.Server
	snap   *catalog.Snapshot
)

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, err); return 1 }
	ctx := context.Background()
	var err error
	if pool, err = pgparsetest.New(pgparse.Options{Workers: 1}); err != nil {
		return fail(err)
	}
	defer pool.Close()
	if server, err = pgserver.Start(ctx, pgserver.Options{}); err != nil {
		return fail(err)
	}
	defer server.Stop()
	if snap, err = catalogtest.Load(ctx, server, "testdata/schema.sql"); err != nil {
		return fail(err)
	}
	return m.Run()
}

func analyze(t testing.TB, sql string) *Analysis {
	t.Helper()
	p, err := pool.Parse(context.Background(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return study(t, p, snap, Lineage{})
}

// study analyses a text as the gateway does.
func study(t testing.TB, p *pgparse.Parsed, snap *catalog.Snapshot, known Lineage) *Analysis {
	t.Helper()
	a, err := Study(p, snap, known, func(sql string) (*pgparse.Parsed, error) { return pool.Parse(context.Background(), sql) })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// summary is an analysis in one line: effects, then O for Opaque, T for Temp, D for
// DDL, F for Forbidden.
func summary(a *Analysis) string {
	var out []string
	for _, u := range a.Uses {
		if s := string(u.Effect); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	flags := ""
	for _, f := range []struct {
		name string
		set  bool
	}{{"O", a.Opaque || a.Cursors}, {"T", a.Temp}, {"U", len(a.Unplaced) > 0}, {"P", a.Paths}, {"D", a.DDL}, {"F", a.Forbidden != ""}} {
		if f.set {
			flags += f.name
		}
	}
	if flags != "" {
		out = append(out, "+"+flags)
	}
	return strings.Join(out, " ")
}

// statements reads testdata/statements.txt: SQL lines, each followed by its golden
// effects in testdata/statements.golden.
func statements(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/statements.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func TestAnalyze_Statements(t *testing.T) {
	all := statements(t)
	if len(all) < 800 {
		t.Errorf("%d statements, want at least 800", len(all))
	}
	var b strings.Builder
	for _, sql := range all {
		if _, err := pool.Parse(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		fmt.Fprintf(&b, "%-46s | %s\n", summary(analyze(t, sql)), sql)
	}
	golden(t, "testdata/statements.golden", b.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantLines, gotLines := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(wantLines), len(gotLines)) {
		w, g := "", ""
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if w != g {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, g, w)
		}
	}
}

// What is called a read never draws SQLSTATE 25006 (read_only_sql_transaction) from a
// real server.
func TestAnalyze_ReadsAreReads(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	reads := 0
	for _, sql := range statements(t) {
		a := analyze(t, sql)
		if slices.ContainsFunc(a.Uses, func(u hoop.Use) bool {
			return u.Effect != hoop.EffectRead && u.Effect != hoop.EffectInfer && u.Effect != hoop.EffectSession
		}) || a.DDL || a.Commands == nil || slices.ContainsFunc(a.Commands, func(c Command) bool { return c.Tx != TxNone }) {
			continue
		}
		reads++
		if err := readOnly(t, conn, sql); err != nil {
			t.Errorf("%s is called %s: %v", sql, summary(a), err)
		}
	}
	if reads < 80 {
		t.Errorf("only %d statements are reads", reads)
	}
}

func readOnly(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := conn.Exec(ctx, "begin read only; set local statement_timeout = '2s'"); err != nil {
		t.Fatal(err)
	}
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "discard all"); err != nil {
		t.Fatal(err)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "25006" {
		return err
	}
	return nil
}
