package pglex

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	pg_query "github.com/pganalyze/pg_query_go/v6"
	"github.com/wasilibs/go-pgquery/parser"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgparse/pgparsetest"
)

var pool *pgparse.Pool // set by TestMain, used by every test

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if pool, err = pgparsetest.New(pgparse.Options{Workers: 1, Timeout: time.Minute}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer pool.Close()
	return m.Run()
}

// inside are texts of the subset, with their keys; a literal's NUL is written as ¤.
var inside = []struct{ sql, key string }{
	{"SELECT abalance FROM pgbench_accounts WHERE aid = 4711;", "SELECT abalance FROM pgbench_accounts WHERE aid = ¤i;"},
	{"UPDATE t SET a = a + -3463 WHERE id = 5", "UPDATE t SET a = a + -¤i WHERE id = ¤i"},
	{"  select\t*\r\n from  T -- 'x\n where \"A \"\" b\"='it''s' ", `select * from T where "A "" b"=¤s`},
	{"SELECT 2147483647, 2147483648, 9223372036854775807, 9223372036854775808, 1.50", "SELECT ¤i, ¤l, ¤l, ¤n, ¤n"},
	{"SELECT 007, 00000000000000000000000000007", "SELECT ¤i, ¤i"},
	{"SELECT'x'", "SELECT ¤s"},
	{"SELECT 'x''y'y, 'é', \"é\"", "SELECT ¤sy, ¤s, \"é\""},
	{"SELECT $2, '$1'::text, $11", "SELECT $2, ¤s::text, $11"},
	{"SELECT/**/1/* x **/+ 1", "SELECT ¤i + ¤i"},
	{"SELECT a- -1, a-1, a- 1, a<-1, a->>'x'", "SELECT a- -¤i, a-¤i, a- ¤i, a<-¤i, a->>¤s"},
	{"SELECT a[1:2], a.b.c, x::int[], f(a=>1)", "SELECT a[¤i:¤i], a.b.c, x::int[], f(a=>¤i)"},
	{"SELECT date '2020-01-01', interval '1' day, interval(3) '1'", "SELECT date ¤s, interval ¤s day, interval(¤i) ¤s"},
	{"SELECT e, u, n, b, x FROM E u", "SELECT e, u, n, b, x FROM E u"},
	{"SELECT 1 ; -- the end", "SELECT ¤i ;"},
	{"SELECT 'a', 'b'", "SELECT ¤s, ¤s"},
	{"FETCH 5 FROM c", "FETCH ¤i FROM c"},
	{"SET x = 5", "SET x = ¤i"},
	{"COPY t FROM STDIN (DELIMITER ',', NULL '')", "COPY t FROM STDIN (DELIMITER ¤s, NULL ¤s)"},
	{"SELECT '--', '/*', ';' FROM t", "SELECT ¤s, ¤s, ¤s FROM t"},
	{"SELECT 1 /* ' */ , '*/' ", "SELECT ¤i , ¤s"},
}

// outside are texts that it leaves to the parser.
var outside = []string{
	"", " ", "-- x", "SELECT E'a'", "SELECT e'a'", `SELECT U&'a'`, `SELECT u&"a"`, "SELECT B'1'", "SELECT x'1f'", "SELECT N'a'",
	"SELECT $$a$$", "SELECT $a$b$a$", "SELECT $", "SELECT 'a\\b'", "SELECT é", "SELECT aé", "SELECT 1é", "SELECT $1é",
	"SELECT 'a'\n'b'", "SELECT 'a' 'b'", "SELECT 'a' -- c\n 'b'", "SELECT 'a'/**/\n/**/'b'",
	"SELECT /* /* */ */ 1", "SELECT /*/*/ 1", "SELECT /*", "SELECT 1 /* a /**/", "SELECT 1 +-- x\n 2", "SELECT 1 +/* x */ 2", "SELECT a*/**/b",
	"SELECT 1.", "SELECT .5", "SELECT a.5", "SELECT 1e5", "SELECT 1.5e5", "SELECT 0x1F", "SELECT 1_000", "SELECT 1a", "SELECT 1.5a", "SELECT 1..2", "SELECT 1.5.2",
	"SELECT 1'a'", `SELECT 1"a"`, "SELECT 1$2", "SELECT $1a", "SELECT $1$2", "SELECT $99999999999999999999",
	"SELECT 1; SELECT 2", "SELECT 1;;", "; SELECT 1", "SELECT 'a", `SELECT "a`, `SELECT ""`, "SELECT 1\x00", "SELECT '\x00'", "SELECT /* \x00 */ 1", "SELECT '\xff'",
	"SELECT\v1", "SELECT \x01", "SELECT {", "SELECT \\",
	"SELECT '" + strings.Repeat("x", MaxBytes) + "'",
}

func TestText_ReadsTheSubset(t *testing.T) {
	for _, tt := range inside {
		t.Run(tt.sql, func(t *testing.T) {
			var text Text
			if !text.Read(tt.sql) {
				t.Fatal("refused")
			}
			if got := strings.ReplaceAll(string(text.Key), "\x00", "¤"); got != tt.key {
				t.Errorf("key %q, want %q", got, tt.key)
			}
			agrees(t, tt.sql, &text)
		})
	}
}

func TestText_LeavesTheRestToTheParser(t *testing.T) {
	for _, sql := range outside {
		if new(Text).Read(sql) {
			t.Errorf("%.40q was read", sql)
		}
	}
}

func TestText_UsesItsMemoryAgain(t *testing.T) {
	var text Text
	if !text.Read("SELECT $7, 'a', 1") || !text.Read("SELECT 2") {
		t.Fatal("refused")
	}
	if got := text.Shape(); got != "SELECT $1" || len(text.Literals) != 1 {
		t.Errorf("shape %q, literals %v", got, text.Literals)
	}
	if n := testing.AllocsPerRun(100, func() { text.Read("SELECT a FROM b WHERE c = 5 AND d = 'x'") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// agrees fails unless PostgreSQL's own scanner finds the same literals, and the same
// shape where the text parses.
func agrees(t *testing.T, sql string, text *Text) {
	t.Helper()
	reply, err := parser.ScanToProtobuf(sql)
	if err != nil {
		return // no SQL: the parser refuses it too, so nothing is known of its key
	}
	var scan pg_query.ScanResult
	if err := proto.Unmarshal(reply, &scan); err != nil {
		t.Fatal(err)
	}
	var want []Literal
	end := len(sql)
	for _, tok := range scan.Tokens {
		l := Literal{Start: int(tok.Start), End: int(tok.End)}
		switch tok.Token {
		case pg_query.Token_ICONST:
			l.Kind = Int4
		case pg_query.Token_FCONST:
			l.Kind = Numeric
		case pg_query.Token_SCONST:
			l.Kind = String
		case pg_query.Token_ASCII_59:
			end = l.Start
			continue
		case pg_query.Token_BCONST, pg_query.Token_XCONST, pg_query.Token_USCONST, pg_query.Token_UIDENT:
			t.Fatalf("%q has a token %s, which is outside of the subset", sql, tok.Token)
		default:
			continue
		}
		want = append(want, l)
	}
	if len(want) != len(text.Literals) {
		t.Fatalf("%q: literals %v, want %v", sql, text.Literals, want)
	}
	for i, got := range text.Literals {
		if got.Kind == Int8 {
			got.Kind = Numeric // one token for the scanner
		}
		if got != want[i] {
			t.Errorf("%q: literal %d is %v, want %v", sql, i, got, want[i])
		}
	}
	if text.End != end {
		t.Errorf("%q: the statement ends at %d, want %d", sql, text.End, end)
	}
	parsed, err := pool.Parse(context.Background(), sql)
	if err != nil {
		return
	}
	if got := text.Shape(); got != parsed.Shape {
		t.Errorf("shape %q, want %q", got, parsed.Shape)
	}
}

// FuzzText_Read compares with PostgreSQL's scanner, and texts of one key with each
// other: the key itself, written out with other literals, must have the same tree.
func FuzzText_Read(f *testing.F) {
	for _, tt := range inside {
		f.Add(tt.sql, uint64(1))
	}
	for _, sql := range outside {
		f.Add(sql[:min(len(sql), 100)], uint64(2))
	}
	for _, sql := range expressions {
		f.Add(sql, uint64(3))
	}
	f.Fuzz(func(t *testing.T, sql string, seed uint64) {
		if len(sql) > 2000 {
			return
		}
		var text Text
		if !text.Read(sql) {
			return
		}
		agrees(t, sql, &text)
		alike(t, sql, rand.New(rand.NewPCG(seed, 0)))
	})
}

// expressions hold literals only where they become constants of the tree.
var expressions = []string{
	"SELECT a FROM t WHERE b = 1 AND c IN ('x', 'y') OR d BETWEEN 1.5 AND 9999999999",
	"SELECT a - 1, - 1, -(1), - 1.5, -'1', a- -1, +1, 2-1, 2 -1, - -1 FROM t",
	"SELECT '1'::int, date '2020-01-01', interval '1' day, CAST('1' AS numeric), 1::text || 'x'",
	"SELECT a FROM t ORDER BY 1 LIMIT 5 OFFSET 10",
	"SELECT count(*) FROM t GROUP BY 1 HAVING count(*) > 2",
	"SELECT a[1], a[1:2], f(1, x => 'y'), ARRAY[1, 2], ROW(1, 'x'), CASE WHEN a = 1 THEN 'x' ELSE 'y' END FROM t",
	"INSERT INTO t (a, b) VALUES (1, 'x'), (-2, 'y') ON CONFLICT (a) DO UPDATE SET b = 'z' WHERE t.a <> 5 RETURNING *",
	"UPDATE t SET a = a + -5, b = 'x' WHERE c LIKE 'y%' ESCAPE '!' AND d AT TIME ZONE 'UTC' > '2020-01-01'",
	"DELETE FROM t USING u WHERE t.a = u.a AND u.b ->> 'k' = 'v'",
	"WITH x AS (SELECT 1 AS a) SELECT * FROM x WHERE a = 2 FETCH FIRST 3 ROWS ONLY",
	"SELECT extract(year FROM a), substring(b FROM 1 FOR 2), substring(b FOR 2), trim('x' FROM b), position('x' IN b) FROM t TABLESAMPLE system (10)",
	"SELECT * FROM generate_series(1, 10) AS g(x) WHERE x <> 3 AND NOT x = -4",
}

// TestText_EqualKeysMeanEqualTrees writes expressions anew with other literals and
// white space.
func TestText_EqualKeysMeanEqualTrees(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, sql := range expressions {
		for range 5 {
			if !alike(t, sql, random) {
				t.Errorf("%q was not compared", sql)
			}
		}
	}
}

// values of each kind, to put in place of others.
var values = map[Kind][]string{
	String:  {"''", "'x'", "'it''s'", "'%'", "'-- '", "'/*'", "';'", "'$1'", "'é'", "'1'", `'"'`},
	Int4:    {"0", "1", "2147483647", "007"},
	Int8:    {"2147483648", "9223372036854775807"},
	Numeric: {"1.5", "0.0", "9223372036854775808"},
}

var gaps = []string{" ", "\n", "\t\r\n ", "/**/", " /* ' \" $$ */", "-- x '\n"}

// alike fails where sql and another text of the same key parse to trees that differ in
// more than constants. It reports whether both are SQL.
func alike(t *testing.T, sql string, random *rand.Rand) bool {
	t.Helper()
	var text, again Text
	if !text.Read(sql) {
		return false
	}
	other := rewrite(&text, random)
	if !again.Read(other) || string(again.Key) != string(text.Key) {
		t.Fatalf("%q has the key %q, %q has %q", sql, text.Key, other, again.Key)
	}
	a, err := pool.Parse(t.Context(), sql)
	b, otherErr := pool.Parse(t.Context(), other)
	if err != nil || otherErr != nil {
		var syntax *pgparse.SyntaxError
		if (err == nil) != (otherErr == nil) && !(errors.As(errors.Join(err, otherErr), &syntax) && valued(syntax.Message)) {
			t.Errorf("%q: %v, but %q: %v", sql, err, other, otherErr)
		}
		return false
	}
	if a.Shape != b.Shape {
		t.Errorf("%q has the shape %q, %q has %q", sql, a.Shape, other, b.Shape)
	}
	if !plain(a.Tree) || strings.Contains(strings.ToLower(sql), "float") { // float(1) and float(25) are two types
		return false
	}
	if x, y := skeleton(a.Tree), skeleton(b.Tree); !proto.Equal(x, y) {
		t.Errorf("%q and %q have different trees:\n%v\n%v", sql, other, x, y)
	}
	return true
}

// valued tells errors that the value of a literal makes in the grammar.
func valued(message string) bool {
	for _, s := range []string{"precision for type float", "must be", "invalid", "out of range", "conflicting", "unrecognized", "not recognized"} {
		if strings.Contains(message, s) {
			return true
		}
	}
	return false
}

// rewrite gives another text of the same key.
func rewrite(t *Text, random *rand.Rand) string {
	var b strings.Builder
	quote := false
	for i := 0; i < len(t.Key); i++ {
		switch c := t.Key[i]; {
		case c == 0:
			i++
			of := values[Kind(t.Key[i])]
			b.WriteString(of[random.IntN(len(of))])
		case c == ' ' && !quote:
			b.WriteString(" " + gaps[random.IntN(len(gaps))] + " ") // "+--" is no comment of the subset
		default:
			quote = quote != (c == '"')
			b.WriteByte(c)
		}
	}
	return b.String()
}

// plain reports whether the tree is that of a query or of a change of rows: other
// commands have literals that do not become constants.
func plain(tree *pg_query.ParseResult) bool {
	for _, s := range tree.Stmts {
		switch s.Stmt.GetNode().(type) {
		case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt:
		default:
			return false
		}
	}
	return true
}

// skeleton is a tree without places and without the values of constants.
func skeleton(tree *pg_query.ParseResult) *pg_query.ParseResult {
	out := proto.Clone(tree).(*pg_query.ParseResult)
	strip(out.ProtoReflect())
	return out
}

func strip(m protoreflect.Message) {
	switch c := m.Interface().(type) {
	case *pg_query.Integer: // the length of an array
		c.Ival = 0
	case *pg_query.A_Const:
		switch v := c.Val.(type) {
		case *pg_query.A_Const_Sval:
			v.Sval.Sval = ""
		case *pg_query.A_Const_Ival:
			v.Ival.Ival = 0
		case *pg_query.A_Const_Fval:
			v.Fval.Fval = ""
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case strings.HasSuffix(string(f.Name()), "location") || f.Name() == "stmt_len" || f.Name() == "typmod":
			m.Clear(f)
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for i := range v.List().Len() {
				strip(v.List().Get(i).Message())
			}
		default:
			strip(v.Message())
		}
		return true
	})
}

func BenchmarkText_Read(b *testing.B) {
	for _, tt := range inside[:3] {
		b.Run(tt.sql[:10], func(b *testing.B) {
			var text Text
			b.SetBytes(int64(len(tt.sql)))
			b.ReportAllocs()
			for b.Loop() {
				text.Read(tt.sql)
			}
		})
	}
}
