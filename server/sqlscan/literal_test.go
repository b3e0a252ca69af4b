package sqlscan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/pglex"
)

func TestAnalyze_TellsFreeLiterals(t *testing.T) {
	for _, tt := range []struct{ sql, want string }{ // y for each free literal, - for each that counts
		{"SELECT name FROM clinic.patients WHERE id = 5", "y"},
		{"SELECT name FROM clinic.patients WHERE id = -5 AND born > '2020-01-01' OR lower(name) <> 'x'", "yyy"},
		{"SELECT name FROM clinic.patients WHERE id IN (1, 2, 3) AND born BETWEEN date '2020-01-01' AND '2021-01-01'::date", "yyyyy"},
		{"UPDATE clinic.patients SET note = 'x', id = id + -(7) WHERE 5 = id", "yyy"},
		{"INSERT INTO clinic.patients (id, name) VALUES (1, 'x'), (-2, 'y')", "yyyy"},
		{"DELETE FROM clinic.patients WHERE id = - /* 8 */ 5", "y"},
		{"SELECT 1", "-"},
		{"DELETE FROM clinic.patients WHERE id <= 5 AND 6 > id AND name >= 'x' AND id <> 7", "---y"},
		{"WITH d AS (DELETE FROM clinic.patients WHERE id <= 5) SELECT id FROM clinic.visits WHERE id = 6", "-y"},
		{"SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'work_mem'", ""},
		{"SELECT name FROM clinic.patients LIMIT 5", "-"},
		{"SELECT name FROM clinic.patients WHERE id = 1 OFFSET 5 LIMIT 10", "y--"},
		{"SELECT name FROM clinic.patients FETCH FIRST 5 ROWS ONLY", "-"},
		{"SELECT name FROM clinic.patients ORDER BY 1", "-"},
		{"SELECT name, count(*) FROM clinic.patients GROUP BY 1 ORDER BY 2", "--"},
		{"SELECT name FROM clinic.patients WHERE 1 = 1", "--"},
		{"SELECT name FROM clinic.patients WHERE 1 = 2 OR id = 3", "--y"},
		{"DELETE FROM clinic.patients WHERE 'a' = 'a'", "--"},
		{"DELETE FROM clinic.patients WHERE id = 1 + 2", "--"},
		{"SELECT set_config('search_path', 'x', false)", "--"},
		{"SELECT set_config('work_mem', name, false) FROM clinic.patients", "-"},
		{"SELECT nextval('clinic.seq')", "-"},
		{"SELECT name FROM clinic.patients WHERE name LIKE '%'", "-"},
		{"SELECT name FROM clinic.patients WHERE name ~ 'x' OR tags @> '{}' OR name ILIKE 'y'", "---"},
		{"SELECT name FROM clinic.patients WHERE name IN ('a') AND tags = ARRAY['b']", "y-"},
		{"SELECT name FROM clinic.patients WHERE name SIMILAR TO 'a' OR name OPERATOR(pg_catalog.=) 'b'", "--"},
		{"SELECT name FROM clinic.patients WHERE data ->> 'k' = 'v'", "--"},
		{"SELECT name FROM clinic.patients WHERE id = 'clinic.seq'::regclass", "-"},
		{"SELECT name FROM clinic.patients WHERE id = '5'::float(24)", "y-"},
		{"SELECT name FROM clinic.patients WHERE id::varchar(3) = '5'", "-y"},
		{"SELECT name FROM clinic.patients WHERE born = interval '1' day + updated", "y"},
		{"SELECT name FROM clinic.patients WHERE (CASE WHEN id = 5 THEN 6 END) = 7", "y--"},
		{"SELECT name FROM clinic.patients WHERE id = 5;", "y"},
	} {
		got := make([]byte, 0, 8)
		for _, free := range analyze(t, tt.sql).Free {
			got = append(got, map[bool]byte{true: 'y', false: '-'}[free])
		}
		if string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.sql, got, tt.want)
		}
	}
}

func TestAnalyze_KnowsNothingOfLiteralsElsewhere(t *testing.T) {
	for _, sql := range []string{
		"SET work_mem = 5", "SELECT name INTO x FROM clinic.patients WHERE id = 5", "EXECUTE p(5)", "PREPARE p AS SELECT 1", "BEGIN",
		"SELECT 1 WHERE 2 = 3; SELECT 4", "FETCH 5 FROM c", "COPY clinic.patients TO STDOUT (DELIMITER ',')", "EXPLAIN SELECT name FROM clinic.patients WHERE id = 5",
		"SELECT name FROM clinic.patients WHERE id = 0x5", "SELECT name FROM clinic.patients WHERE name = E'5'", "DO 'x'", "NOTIFY a, 'b'", "MERGE INTO clinic.patients p USING clinic.visits v ON p.id = v.id WHEN MATCHED THEN UPDATE SET note = 'x'",
	} {
		if got := analyze(t, sql).Free; got != nil {
			t.Errorf("%s: %v", sql, got)
		}
	}
}

// hostile are values that an analysis would care for, were it to look.
var hostile = map[pglex.Kind][]string{
	pglex.String:  {"''", "'%'", "'.*'", "'{}'", "'hoop.user'", "'search_path'", "'clinic.seq'", "'on'", "'name'", "'lo_import'", "'clinic.patients'"},
	pglex.Int4:    {"0", "1", "2", "1000", "1001", "2147483647"},
	pglex.Int8:    {"2147483648", "9223372036854775807"},
	pglex.Numeric: {"0.0", "1.0", "9223372036854775808"},
}

// corpus are statements with literals in many places.
func corpus(t testing.TB) []string {
	return append(
		statements(t),
		"SELECT p.name, v.reason FROM clinic.patients p JOIN clinic.visits v ON v.patient_id = p.id AND v.reason = 'x' WHERE p.id = 5 AND p.ssn <> 'y' ORDER BY v.at",
		"WITH x AS (SELECT id FROM clinic.patients WHERE ssn = 'x') DELETE FROM clinic.visits v USING x WHERE v.patient_id = x.id AND v.id < 5 RETURNING reason",
		"UPDATE clinic.patients SET note = 'x', name = upper(name), id = id - 1 WHERE id = 5 AND EXISTS (SELECT 1 FROM clinic.visits WHERE patient_id = 7)",
		"INSERT INTO clinic.patients (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' WHERE patients.id = 5",
		"DELETE FROM clinic.patients WHERE id > 0 OR name = 'x' AND NOT active = '1'",
		"DELETE FROM clinic.patients WHERE id BETWEEN 1 AND 5 OR NOT (id BETWEEN 2 AND 3)",
		"DELETE FROM clinic.patients WHERE NOT (id BETWEEN 2 AND 3)",
	)
}

// TestAnalyze_FreeLiteralsChangeNothing puts other values into every statement of the
// corpus.
func TestAnalyze_FreeLiteralsChangeNothing(t *testing.T) {
	compared := 0
	for _, sql := range corpus(t) {
		compared += varied(t, sql)
	}
	if compared < 200 {
		t.Errorf("only %d texts were compared", compared)
	}
}

func FuzzAnalyze_FreeLiterals(f *testing.F) {
	for _, sql := range corpus(f) {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if _, err := pool.Parse(t.Context(), sql); err != nil || len(sql) > 2000 {
			return
		}
		varied(t, sql)
	})
}

// varied fails where a text with other values in its free literals is no SQL, or has
// another analysis. It gives the number of texts that were compared.
func varied(t *testing.T, sql string) int {
	t.Helper()
	a := analyze(t, sql)
	var text pglex.Text
	if !slices.Contains(a.Free, true) || !text.Read(sql) {
		return 0
	}
	const rounds = 11
	for round := range rounds {
		other := sql
		for i, l := range slices.Backward(text.Literals) {
			if a.Free[i] {
				of := hostile[l.Kind]
				other = other[:l.Start] + of[round%len(of)] + other[l.End:]
			}
		}
		b := analyze(t, other)
		for i := range b.Commands {
			b.Commands[i].End = a.Commands[i].End
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s\n%+v\n%s\n%+v", sql, a, other, b)
		}
		if a, b := carried(t, sql), carried(t, other); a != b {
			t.Errorf("%s carries %s\n%s carries %s", sql, a, other, b)
		}
	}
	return rounds
}

// TestAnalyze_ReadsConstantsWhereLiteralGoKnows fails where a function begins to look
// at constants. Before it is added here, its places must be none that freeLiterals
// frees: compared with a column by a plain operator, stored as they stand.
func TestAnalyze_ReadsConstantsWhereLiteralGoKnows(t *testing.T) {
	known := []string{
		"appends",       // beside ||, which frees nothing
		"atEnd",         // beside < and the like and in BETWEEN, where writes free nothing
		"bothBooleans",  // words, which are no literals
		"computed",      // whether there is one
		"Constants",     // of a text anew
		"constantText",  // values that infer counts, of texts without free literals
		"constant",      // arguments of functions, SET
		"castTo",        // the length of a type
		"cutTo",         // so, too
		"expression",    // whether there is one
		"numbers",       // whether it is a whole number
		"hasText",       // whether there is a string
		"figured",       // whether there is one
		"filled",        // beside @>, &&, ?&, which free nothing
		"fold",          // patterns; arguments of EXECUTE, which frees nothing
		"free",          // IN: leaves out what may be free
		"leastRows",     // beside count(*) and count(DISTINCT …)
		"limit",         // LIMIT
		"listsNumbers",  // a bare constant, which nothing frees
		"literal",       // arguments of functions
		"short",         // so
		"oneMatchesAll", // beside = ANY
		"pattern",       // patterns: LIKE, ~, ^@
		"put",           // values of parameters
		"mark",          // freeLiterals itself
		"notNull",       // whether it is NULL
		"isNull",        // so, too
		"sent",          // whether there is one
		"operand",       // which literal it is
		"woven",         // so, too
		"oneSetting",    // WHERE name = '…': such an analysis has no free literals
		"setValue",      // SET
		"textOf",        // of atEnd, and beside = ANY, &&, @>, NOT BETWEEN, which free nothing, and BETWEEN, which frees nothing in writes
		"smallLimit",    // LIMIT
		"lists",         // whether there is one
		"ofItself",      // whether there is one
		"argument",      // secrets: arguments, which nothing frees, and a text that has one is found as it is only
		"Held",          // so, of each EXECUTE anew
		"call",          // so
		"saysText",      // whether there is one
	}
	var readers []string
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := file.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "walk_gen.go" {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && readsConstants(f) {
				readers = append(readers, f.Name.Name)
			}
		}
	}
	for _, r := range readers {
		if !slices.Contains(known, r) {
			t.Errorf("%s looks at constants", r)
		}
	}
	if !slices.Contains(readers, "pattern") {
		t.Error("the test no longer finds what it looks for")
	}
}

func readsConstants(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			name := s.Sel.Name
			found = found || strings.HasPrefix(name, "A_Const") || strings.HasSuffix(name, "AConst") ||
				slices.Contains([]string{"GetIval", "GetFval", "GetBsval"}, name)
		}
		return true
	})
	return found
}
