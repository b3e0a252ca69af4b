package sqlscan

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Names that outputs have by themselves are those that the server gives them: by such a
// name a query around can use what stands behind it.
func TestImpliedName(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	known := 0
	for _, expr := range []string{
		"x", "r.x", "(r).x", "((r)).x", "r", "1", "'a'", "NULL", "x + 1", "x IS NULL", "NOT true", "x = 1 AND true", "nullif(x, 1)", "x::text", "(x + 1)::text", "1::int8", "max(x)::text", "count(*)",
		"coalesce(x, 1)", "greatest(x, 1)", "least(x, 1)", "ROW(x, 1)", "ARRAY[x]", "ARRAY(SELECT 1)", "EXISTS (SELECT 1)", "(SELECT max(x) FROM pg_class)", "(SELECT 1 AS one)", "(SELECT 1)",
		"(SELECT x::text)", "1 IN (SELECT 1)", "CASE WHEN true THEN x END", "CASE WHEN true THEN 1 ELSE x END", "CASE WHEN true THEN x ELSE 1::text::int END", "x COLLATE \"C\"", "'a' COLLATE \"C\"", "(ARRAY[x])[1]",
		"CASE WHEN true THEN 1 ELSE NULL::int END", "current_date", "CURRENT_USER", "x BETWEEN 1 AND 2", "x IN (1, 2)", "x LIKE 'a'", "extract(year FROM now())", "trim('a')", "xmlelement(name a)",
		"'1'::pg_catalog.int4", "int4 '1'", "interval '1 day'", "(SELECT x UNION SELECT 1)", "(VALUES (1))", "pg_catalog.lower('A')", "GROUPING(x)", "x AT TIME ZONE 'UTC'", "x OPERATOR(pg_catalog.+) 1",
	} {
		from := " FROM (SELECT 1 AS x) r"
		for _, typed := range []string{from, " FROM (SELECT text 'a' AS x) r", " FROM (SELECT now() AS x) r"} {
			described, err := conn.Prepare(t.Context(), "", "SELECT "+expr+typed)
			if err != nil {
				described, err = conn.Prepare(t.Context(), "", "SELECT "+expr+typed+" GROUP BY x")
			}
			if err != nil {
				continue
			}
			p, err := pool.Parse(t.Context(), "SELECT "+expr)
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			got := impliedName(p.Tree.GetStmts()[0].GetStmt().GetSelectStmt().GetTargetList()[0].GetResTarget().GetVal())
			if want := described.Fields[0].Name; got != want && got != anyName {
				t.Errorf("%s: %q, the server says %q", expr, got, want)
			}
			if known++; got == anyName {
				if strings.Contains(expr, "(r)") || strings.Contains(expr, "[") {
					t.Errorf("%s: the name is not known", expr)
				}
				known--
			}
			break
		}
	}
	if known < 40 {
		t.Errorf("only %d names are known", known)
	}
}
