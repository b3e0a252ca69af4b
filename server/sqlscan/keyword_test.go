package sqlscan

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What a later version's grammar reads as syntax is a call of a user's function, or a
// column, in an earlier one: the gateway parses with the later one.
func TestKeyword_IsANameInAnOlderServer(t *testing.T) {
	old := database(t, "keywords", "keywords")
	if old.Server >= 160000 {
		t.Fatalf("the tests' PostgreSQL is %d: all of these are keywords in it", old.Server)
	}
	newer := *old
	newer.Server = 170000
	conn, err := pgx.Connect(t.Context(), server.DSN("keywords"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	for _, tt := range []struct {
		sql     string
		unknown bool // in the older version
	}{
		{"SELECT json_scalar(1)", true},
		{"SELECT count(*) FROM t WHERE json_scalar(id) = '1'", true},
		{"WITH x AS (SELECT json_scalar(1) AS a) SELECT a FROM x", true},
		{"SELECT json_value('{}'::jsonb, '$')", true},
		{"SELECT json_query('{}'::jsonb, '$')", true},
		{"SELECT json_exists('{}'::jsonb, '$')", true},
		{"SELECT json_array(1, 2)", true},
		{"SELECT json_object()", true},
		{"SELECT json_arrayagg(1)", true},
		{"SELECT json_serialize('1')", true},
		{"SELECT merge_action()", true},
		{"SELECT system_user FROM t", true},
		{"SELECT system_user FROM (SELECT 'x' AS system_user) s", true},
		{"SELECT json('1')", false},
		{"SELECT json_object('{a,b}')", false},
		{"SELECT t.system_user FROM t", false},
		{`SELECT "system_user" FROM t`, false},
	} {
		// The older version takes it as we say.
		if _, err := conn.Exec(t.Context(), tt.sql); err != nil {
			t.Errorf("%s: %v", tt.sql, err)
		}
		p, err := pool.Parse(t.Context(), tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		if got := Analyze(p, old, Lineage{}).Has(hoop.EffectUnknown); got != tt.unknown {
			t.Errorf("%s: unknown %v, want %v", tt.sql, got, tt.unknown)
		}
		if Analyze(p, &newer, Lineage{}).Has(hoop.EffectUnknown) {
			t.Errorf("%s: unknown in the version that has it", tt.sql)
		}
	}
	p, err := pool.Parse(t.Context(), "SELECT * FROM json_table('{}'::jsonb, '$' COLUMNS (a int)) x, json_scalar(2)")
	if err != nil {
		t.Fatal(err)
	}
	if !Analyze(p, old, Lineage{}).Has(hoop.EffectUnknown) {
		t.Error("functions in FROM are not seen")
	}
}

// So the type json is, which the grammar puts into pg_catalog.
func TestKeyword_IsATypeInAnOlderServer(t *testing.T) {
	old := database(t, "keyword_types", "keyword_types")
	newer := *old
	newer.Server = 170000
	for _, sql := range []string{"SELECT '1'::json", "SELECT json '1'", "SELECT CAST('{1}' AS json[])", "CREATE TEMP TABLE x (a json)"} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if !Analyze(p, old, Lineage{}).Has(hoop.EffectOpaque) {
			t.Errorf("%s: the check of the domain does not count", sql)
		}
		if Analyze(p, &newer, Lineage{}).Has(hoop.EffectOpaque) {
			t.Errorf("%s: opaque in the version that has the type", sql)
		}
	}
}
