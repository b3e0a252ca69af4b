package sqlscan

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// What a later version's grammar reads as syntax is a call of a user's function, or a
// column, in an earlier one: the gateway parses with the later one.
func TestKeyword_IsANameInAnOlderServer(t *testing.T) {
	if snap.Server >= 160000 {
		areKeywords(t)
		return
	}
	old := database(t, "keywords", "keywords")
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

// areKeywords asks a newer server from which version on which of these can be no function of
// users: what the gateway takes for syntax is syntax there, too.
func areKeywords(t *testing.T) {
	for _, k := range []keyword{
		{name: "json_array", since: 160000},
		{name: "json_object", since: 160000},
		{name: "json_arrayagg", since: 160000},
		{name: "json_objectagg", since: 160000},
		{name: "system_user", since: 160000},
		{name: "json_scalar", since: 170000},
		{name: "json_serialize", since: 170000},
		{name: "json_value", since: 170000},
		{name: "json_query", since: 170000},
		{name: "json_exists", since: 170000},
		{name: "json_table", since: 170000},
		{name: "merge_action", since: 170000},
	} {
		err := server.Exec(t.Context(), "postgres", "create function "+k.name+"(int) returns int language sql as 'select 1'")
		if pe := (*pgconn.PgError)(nil); (k.since <= snap.Server) != (errors.As(err, &pe) && pe.Code == "42601") {
			t.Errorf("%s is a keyword from %d on, and version %d says: %v", k.name, k.since, snap.Server, err)
		}
	}
}

// So the type json is, which the grammar puts into pg_catalog.
func TestKeyword_IsATypeInAnOlderServer(t *testing.T) {
	made := database(t, "keyword_types", "keyword_types")
	older, newer := *made, *made
	older.Server, newer.Server = 150000, 170000
	for _, sql := range []string{"SELECT '1'::json", "SELECT json '1'", "SELECT CAST('{1}' AS json[])", "CREATE TEMP TABLE x (a json)"} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if !Analyze(p, &older, Lineage{}).Has(hoop.EffectOpaque) {
			t.Errorf("%s: the check of the domain does not count", sql)
		}
		if Analyze(p, &newer, Lineage{}).Has(hoop.EffectOpaque) {
			t.Errorf("%s: opaque in the version that has the type", sql)
		}
	}
}
