package lineage

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/catalog/catalogtest"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgparse/pgparsetest"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

//go:generate go test -run Golden -update .

var update = flag.Bool("update", false, "rewrite golden files")

// Set by TestMain, used by every test.
var (
	pool   *pgparse.Pool
	server *pgserver.Server
	snap   *catalog.Snapshot // of testdata/schema.sql
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
	if server, err = pgserver.Start(ctx, pgserver.Options{Settings: map[string]string{"autovacuum": "off", "jit": "off"}}); err != nil {
		return fail(err)
	}
	defer server.Stop()
	if snap, err = catalogtest.Load(ctx, server, "testdata/schema.sql"); err != nil {
		return fail(err)
	}
	return m.Run()
}

func parse(t testing.TB, sql string) *pgparse.Parsed {
	t.Helper()
	return parseIn(t, sql, snap)
}

func parseIn(t testing.TB, sql string, cat *catalog.Snapshot) *pgparse.Parsed {
	t.Helper()
	p, err := pool.Parse(context.Background(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	define(t, p, cat)
	return p
}

// define tells cat the queries of the views that p may read.
func define(t testing.TB, p *pgparse.Parsed, cat *catalog.Snapshot) {
	t.Helper()
	for _, v := range Undefined(p, cat) {
		q, err := pool.Parse(context.Background(), v.Definition)
		if err != nil {
			t.Fatalf("%s: %v", v.Definition, err)
		}
		cat.Define(v, q.Tree.GetStmts()[0].GetStmt())
	}
	if left := Undefined(p, cat); len(left) > 0 {
		t.Fatalf("%s is still not defined", left[0].Canonical())
	}
}

// summary is the outputs in one line: origins joined by +, without the schema clinic;
// - derives from nothing, ? is not known, nil stands for no outputs.
func summary(out []Output) string {
	if out == nil {
		return "nil"
	}
	cols := []string{}
	for _, o := range out {
		var refs []string
		for _, r := range o.Origins {
			refs = append(refs, strings.TrimPrefix(r.String(), "clinic."))
		}
		switch {
		case !o.Known:
			cols = append(cols, "?")
		case len(refs) == 0:
			cols = append(cols, "-")
		default:
			cols = append(cols, strings.Join(refs, "+"))
		}
	}
	return strings.Join(cols, ", ")
}

func statements(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
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

// Every line of the golden file was read by a person: what stands there is right, or
// less precise than right.
func TestOutputs_Golden(t *testing.T) {
	all := statements(t, "testdata/statements.txt")
	if len(all) < 200 {
		t.Errorf("%d statements, want at least 200", len(all))
	}
	var b strings.Builder
	for _, sql := range all {
		fmt.Fprintf(&b, "%s\n    %s\n", sql, summary(Outputs(parse(t, sql), 0, snap)))
	}
	const path = "testdata/statements.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wants, gots := strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")
	for i, sql := range all {
		if at := 2*i + 1; at >= len(wants) || wants[at] != gots[at] || wants[at-1] != sql {
			t.Errorf("%s:\n got %s\nwant %s", sql, gots[at], strings.Join(wants[min(at, len(wants)-1):min(at+1, len(wants))], ""))
		}
	}
}

// snapshotWith is the catalog of a database of its own, with more in it.
func snapshotWith(t *testing.T, sql string) *catalog.Snapshot {
	t.Helper()
	schema, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(t.Name())
	admin, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(t.Context(), "create database "+name+" strategy file_copy"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), string(schema)+sql); err != nil {
		t.Fatal(err)
	}
	cat := catalog.New(catalog.Options{Connect: func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, server.DSN(name))
	}})
	t.Cleanup(func() { _ = cat.Close() })
	snap, err := cat.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}
