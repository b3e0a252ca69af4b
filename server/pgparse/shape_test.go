package pgparse

import (
	"strings"
	"testing"

	pg_query "github.com/pganalyze/pg_query_go/v6"
)

func TestParsed_ShapeHasNoLiterals(t *testing.T) {
	p := pool
	for _, tt := range []struct{ sql, want string }{
		{"SELECT 1", "SELECT $1"},
		{"select  *\n\tfrom t where a = 'secret'  and b=2;", "select * from t where a = $1 and b=$2;"},
		{"SELECT 'se''cret'", "SELECT $1"},
		{"SELECT E'se\\'cret'", "SELECT $1"},
		{"SELECT $$secret$$, $q$ secret $$ secret $q$", "SELECT $1, $2"},
		{"SELECT U&'secret\\0041', U&'!0041secret' UESCAPE '!'", "SELECT $1, $2 UESCAPE $3"},
		{"SELECT B'1010', X'5ec2e7', N'secret'", "SELECT $1, $2, N $3"},
		{"SELECT'secret'", "SELECT $1"},
		{"SELECT 1.5e10, 0x5EC, .5, 1_000, -7", "SELECT $1, $2, $3, $4, -$5"},
		{"SELECT 'sec'\n'ret'", "SELECT $1"},
		{"SELECT $2, 'secret', $1", "SELECT $2, $3, $1"},
		{"SELECT 1 -- secret\n, 2 /* secret /* secret */ */", "SELECT $1 , $2"},
		{"/* secret */ SELECT/**/1", " SELECT $1"},
		{"ALTER USER x PASSWORD 'secret'", "ALTER USER x PASSWORD $1"},
		{"COPY t FROM STDIN (FORMAT csv, NULL 'secret', DELIMITER ',')", "COPY t FROM STDIN (FORMAT csv, NULL $1, DELIMITER $2)"},
		{"SET a.b = 'secret', secret2", "SET a.b = $1, secret2"},
		{"DO $body$ secret $body$ LANGUAGE plpgsql", "DO $1 LANGUAGE plpgsql"},
		{"SELECT date 'secret', interval '1 secret'", "SELECT date $1, interval $2"},
		{"SELECT 'é secret ✓', \"naïve\"", "SELECT $1, \"naïve\""},
		{"COMMENT ON TABLE t IS 'secret'", "COMMENT ON TABLE t IS $1"},
		{"NOTIFY a, 'secret'", "NOTIFY a, $1"},
		{"SELECT a->>'secret' FROM t LIMIT 10", "SELECT a->>$1 FROM t LIMIT $2"},
		{"", ""},
		{"-- secret", ""},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			got := mustParse(t, p, tt.sql).Shape
			if got != strings.TrimLeft(tt.want, " ") {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if strings.Contains(got, "secret ") || strings.Contains(got, "5ec") || strings.Contains(got, "'") {
				t.Errorf("a literal got through: %q", got)
			}
			if got == "" {
				return
			}
			// What is shown reads like the statement, and has no literal left.
			if again, err := p.Parse(t.Context(), got); err == nil && again.Shape != got {
				t.Errorf("the shape of %q is %q", got, again.Shape)
			}
		})
	}
}

func TestShape_RefusesTokensThatDoNotFit(t *testing.T) {
	for name, tokens := range map[string][]*pg_query.ScanToken{
		"past the end": {{Start: 0, End: 9, Token: pg_query.Token_IDENT}},
		"backwards":    {{Start: 3, End: 1, Token: pg_query.Token_IDENT}},
		"negative":     {{Start: -1, End: 1, Token: pg_query.Token_IDENT}},
		"overlapping":  {{Start: 0, End: 3, Token: pg_query.Token_SCONST}, {Start: 1, End: 2, Token: pg_query.Token_IDENT}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := shape("abc", tokens); err == nil {
				t.Errorf("shape %q", got)
			}
		})
	}
}
