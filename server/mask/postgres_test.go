package mask

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// server starts at its first use: fuzzing needs none.
var server = sync.OnceValues(func() (*pgserver.Server, error) {
	started.Store(true)
	return pgserver.Start(context.Background(), pgserver.Options{})
})

var started atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if started.Load() {
		if s, err := server(); err == nil {
			if err := s.Stop(); err != nil {
				log.Print(err)
			}
		}
	}
	os.Exit(code)
}

func dsn(t testing.TB) string {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return s.DSN("postgres")
}

// samples are values that hold the canary CANARY77 (or 7777 in numbers), in every kind
// of type, and what redact makes of them in text; "" is NULL.
var samples = []struct {
	expr string
	typ  *hoop.Type
	want string
}{
	{`'CANARY77'::text`, base(oidText), "[masked]"},
	{`''::text`, base(oidText), "[masked]"},
	{`'CANARY77 é'::varchar(20)`, typeMod(oidVarchar, 20), "[masked]"},
	{`'CANARY'::varchar(6)`, typeMod(oidVarchar, 6), "******"},
	{`'CANARY77'::varchar`, base(oidVarchar), "[masked]"},
	{`'CANARY77'::char(10)`, typeMod(oidBpchar, 10), "[masked]  "},
	{`'CAN'::char(3)`, typeMod(oidBpchar, 3), "***"},
	{`'C'::char(1)`, typeMod(oidBpchar, 1), "*"},
	{`'CANARY77'::name`, base(oidName), "[masked]"},
	{`'C'::"char"`, base(oidChar), "*"},
	{`'<a>CANARY77</a>'::xml`, base(oidXML), "[masked]"},
	{
		`'{"name": "CANARY77", "n": 7777, "ok": true, "none": null, "list": ["CANARY77", {"deep": "CANARY77"}]}'::json`, base(oidJSON),
		`{"name": "[masked]", "n": null, "ok": null, "none": null, "list": ["[masked]", {"deep": "[masked]"}]}`,
	},
	{
		`'{"name": "CANARY77\" \\u0041", "n": 7777.5e3, "CANARY77 x": {"a@b.org": 1}}'::jsonb`, base(oidJSONB),
		`{"n": null, "name": "[masked]", "[masked-1]": {"[masked-2]": null}}`,
	},
	{`'"CANARY77"'::jsonb`, base(oidJSONB), `"[masked]"`},
	{`'7777'::jsonb`, base(oidJSONB), `null`},
	{`'\x43414e4152593737'::bytea`, base(oidBytea), `\x`},
	{`7777`, base(oidInt4), ""},
	{`7777::bigint`, base(oidInt8), ""},
	{`7777.77::numeric`, base(oidNumeric), ""},
	{`7777.7::float8`, base(oidFloat8), ""},
	{`true`, base(oidBool), ""},
	{`'1984-03-12'::date`, base(oidDate), ""},
	{`'1984-03-12 07:07'::timestamptz`, base(oidTimestamptz), ""},
	{`'77777777-7777-7777-7777-777777777777'::uuid`, base(oidUUID), ""},
	{`'10.77.77.7'::inet`, base(oidInet), ""},
	{`'CANARY77 x'::tsvector`, base(3614), ""},
	{`'[7777,7778)'::int4range`, &hoop.Type{Kind: hoop.TypeRange, Elem: base(oidInt4)}, ""},
	{`'CANARY77'::mood`, &hoop.Type{Kind: hoop.TypeEnum}, ""},
	{`'123-45-6789'::ssn`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}, ""},
	{`'{CANARY77,"CANARY77, \"x\" \\ y",NULL,"NULL",""}'::text[]`, arrayOf(base(oidText)), "{[masked],[masked],NULL,[masked],[masked]}"},
	{`'{}'::text[]`, arrayOf(base(oidText)), "{}"},
	{`'[2:3][0:0]={{CANARY77},{b}}'::text[]`, arrayOf(base(oidText)), "[2:3][0:0]={{[masked]},{[masked]}}"},
	{`'{CANAR,C}'::varchar(5)[]`, &hoop.Type{Kind: hoop.TypeArray, Elem: base(oidVarchar), Mod: 5 + varHdrSize}, "{*****,*****}"},
	{`'{7777,NULL}'::int[]`, arrayOf(base(oidInt4)), "{NULL,NULL}"},
	{`array['{"a": "CANARY77"}'::jsonb]`, arrayOf(base(oidJSONB)), `{"{\"a\": \"[masked]\"}"}`},
	{`'{(1,1),(0,0);(2,2),(1,1)}'::box[]`, arrayOf(base(oidBox)), "{NULL;NULL}"},
	{`row('CANARY77, "7"', 7777, null, '')::address`, rowOf(base(oidText), base(oidInt4), base(oidText), base(oidText)), "([masked],,,[masked])"},
	{`array[row('CANARY77', 7777, null, '(a)')::address, null]`, arrayOf(rowOf(base(oidText), base(oidInt4), base(oidText), base(oidText))), `{"([masked],,,[masked])",NULL}`},
	{
		`row(array['CANARY77'], row('CANARY77', 1, 'x"y', null)::address)::nested`,
		rowOf(arrayOf(base(oidText)), rowOf(base(oidText), base(oidInt4), base(oidText), base(oidText))), `({[masked]},"([masked],,[masked],)")`,
	},
	{`row()::nothing`, &hoop.Type{Kind: hoop.TypeComposite, Fields: []*hoop.Type{}}, "()"},
	{`row(null)::single`, rowOf(base(oidText)), "()"},
	{`row('CANARY77')::single`, rowOf(base(oidText)), "([masked])"},
}

const sampleTypes = `CREATE TYPE mood AS ENUM ('CANARY77', 'other');
CREATE DOMAIN ssn AS text CHECK (value ~ '^\d{3}-\d{2}-\d{4}$');
CREATE TYPE address AS (street text, no int, city text, zip text);
CREATE TYPE nested AS (list text[], home address);
CREATE TYPE nothing AS (); CREATE TYPE single AS (one text)`

func connect(t testing.TB) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// fetch runs a query of one value in a format; nil is NULL.
func fetch(t testing.TB, conn *pgconn.PgConn, sql string, format int16, args ...[]byte) []byte {
	t.Helper()
	formats := make([]int16, len(args))
	for i := range formats {
		formats[i] = format
	}
	res := conn.ExecParams(t.Context(), sql, args, nil, formats, []int16{format}).Read()
	if res.Err != nil {
		t.Fatalf("%s: %v", sql, res.Err)
	}
	return res.Rows[0][0]
}

// What redact makes of a value the server takes back as a value of the type, in both
// formats, with nothing of the original in it.
func TestRedact_ServerTakesItBack(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), sampleTypes).ReadAll(); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		for format, name := range []string{"text", "binary"} {
			t.Run(s.expr+" "+name, func(t *testing.T) {
				_, typ, _ := strings.Cut(s.expr, "::")
				if strings.HasPrefix(s.expr, "array[row") {
					typ = "address[]"
				} else if strings.HasPrefix(s.expr, "array[") {
					typ = "jsonb[]"
				} else if strings.HasPrefix(s.expr, "row(array") {
					typ = "nested"
				} else if typ == "" {
					typ = string(fetch(t, conn, "SELECT pg_typeof("+s.expr+")::text", 0))
				}
				value := fetch(t, conn, "SELECT "+s.expr, int16(format))
				out, null := apply(t, resource.Redact, s.typ, format == 1, value)
				for _, canary := range []string{"CANARY", "7777", "CAN"} {
					if strings.Contains(string(out), canary) {
						t.Errorf("%q leaks", out)
					}
				}
				if null {
					if s.want != "" {
						t.Errorf("became NULL, want %q", s.want)
					}
					return
				}
				// Back in the same format, out as text: what a client would understand.
				back := append([]byte{}, out...) // never nil: that would be NULL
				if format == 1 {
					got := conn.ExecParams(t.Context(), "SELECT $1::"+typ, [][]byte{back}, nil, []int16{1}, []int16{0}).Read()
					if got.Err != nil {
						t.Fatalf("%x: %v", out, got.Err)
					}
					back = got.Rows[0][0]
				} else {
					back = fetch(t, conn, "SELECT $1::"+typ, 0, back)
				}
				if got := string(back); got != s.want {
					t.Errorf("got %q, want %q", got, s.want)
				}
			})
		}
	}
}

// An anonymous row shows the types of its fields in binary only.
func TestRedact_AnonymousRow(t *testing.T) {
	conn := connect(t)
	const expr = `row('CANARY77', 7777, null, 'a,b', array['CANARY77'])`
	text, _ := apply(t, resource.Redact, base(oidRecord), false, fetch(t, conn, "SELECT "+expr, 0))
	if string(text) != "([masked],[masked],,[masked],[masked])" {
		t.Errorf("%s", text)
	}
	out, null := apply(t, resource.Redact, base(oidRecord), true, fetch(t, conn, "SELECT "+expr, 1))
	if null || strings.Contains(string(out), "CANARY") || strings.Count(string(out), marker) != 2 {
		t.Errorf("%q", out)
	}
}

func TestTransforms(t *testing.T) {
	conn := connect(t)
	for _, c := range []struct {
		with resource.Transform
		expr string
		typ  *hoop.Type
		want string // "" is NULL, "~" a prefix of length and shape only
	}{
		{resource.Null, `'x'::text`, base(oidText), ""},
		{resource.Partial, `'123-45-6789'::text`, base(oidText), "*******6789"},
		{resource.Partial, `'1234'::text`, base(oidText), "****"},
		{resource.Partial, `'äöüßé'::text`, base(oidText), "*öüßé"},
		{resource.Partial, `'12345'::char(8)`, typeMod(oidBpchar, 8), "*2345   "},
		{resource.Partial, `'{123456,"a b c d e"}'::text[]`, arrayOf(base(oidText)), `{**3456,"***** d e"}`},
		{resource.Partial, `123456`, base(oidInt4), ""},
		{resource.Year, `'1984-03-12'::date`, base(oidDate), "1984-01-01"},
		{resource.Year, `'1937-03-12'::date`, base(oidDate), "1937-01-01"},
		{resource.Year, `'1936-12-31'::date`, base(oidDate), ""},
		{resource.Year, `'0044-03-15 BC'::date`, base(oidDate), ""},
		{resource.Year, `'infinity'::date`, base(oidDate), ""},
		{resource.Year, `'1999-12-31'::date`, base(oidDate), "1999-01-01"},
		{resource.Year, `'2000-01-01'::date`, base(oidDate), "2000-01-01"},
		{resource.Year, `'1984-03-12 23:59:59.5'::timestamp`, base(oidTimestamp), "1984-01-01 00:00:00"},
		{resource.Year, `'1984-03-12 12:00+00'::timestamptz`, base(oidTimestamptz), "1984-01-01 00:00:00+00"},
		{resource.Year, `'1999-12-31 12:00'::timestamp`, base(oidTimestamp), "1999-01-01 00:00:00"},
		{resource.Year, `'-infinity'::timestamp`, base(oidTimestamp), ""},
		{resource.Year, `'1900-03-12 12:00'::timestamp`, base(oidTimestamp), ""},
		{resource.Year, `'1984-03-12'::text`, base(oidText), "1984"},
		{resource.Year, `'12 March 1984'::text`, base(oidText), "[masked]"},
		{resource.Year, `5`, base(oidInt4), ""},
		{resource.Age90, `42`, base(oidInt4), "42"},
		{resource.Age90, `89::int2`, base(oidInt2), "89"},
		{resource.Age90, `90::int8`, base(oidInt8), "90"},
		{resource.Age90, `104`, base(oidInt4), "90"},
		{resource.Age90, `'104'::text`, base(oidText), "90"},
		{resource.Age90, `'old'::text`, base(oidText), "[masked]"},
		{resource.Age90, `-5`, base(oidInt4), ""},
		{resource.Zip3, `'02139'::text`, base(oidText), "021"},
		{resource.Zip3, `'03601-1234'::text`, base(oidText), "000"},
		{resource.Zip3, `'02139'::char(5)`, typeMod(oidBpchar, 5), "021  "},
		{resource.Zip3, `'SW1A 1AA'::text`, base(oidText), "[masked]"},
		{resource.Zip3, `2139`, base(oidInt4), ""},
		{resource.Tokenize, `'hello'::bytea`, base(oidBytea), ""},
		{resource.Tokenize, `'abc'::text`, base(oidText), "[masked]"},
		{resource.Hash, `true`, base(oidBool), ""},
	} {
		for format, name := range []string{"text", "binary"} {
			t.Run(fmt.Sprintf("%s %s %s", c.with, c.expr, name), func(t *testing.T) {
				want := c.want
				out, null := apply(t, c.with, c.typ, format == 1, fetch(t, conn, "SELECT "+c.expr, int16(format)))
				if null != (want == "") {
					t.Fatalf("NULL is %v, got %q", null, out)
				}
				if null {
					return
				}
				_, typ, ok := strings.Cut(c.expr, "::")
				if !ok {
					typ = "int4"
				}
				if got := fetch(t, conn, "SELECT ($1::"+typ+")::text", int16(format), out); string(got) != strings.TrimRight(want, " ") && string(got) != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

// A hash is the same for the same value, in text and in binary, whatever the column,
// so that joins still work; and it is a value of the type.
func TestHash_Joins(t *testing.T) {
	conn := connect(t)
	types := map[string]*hoop.Type{
		"text": base(oidText), "varchar(12)": typeMod(oidVarchar, 12), "uuid": base(oidUUID), "int8": base(oidInt8), "bytea": base(oidBytea),
	}
	for typ, desc := range types {
		seen := map[string]bool{}
		for _, v := range []string{"77777777-7777-4777-8777-777777777777", "12345678-1234-4234-8234-123456789012"} {
			literal := map[string]string{"int8": v[:8], "varchar(12)": v[:12]}[typ]
			if literal == "" {
				literal = v
			}
			expr := "SELECT '" + literal + "'::" + typ
			text, null := apply(t, resource.Hash, desc, false, fetch(t, conn, expr, 0))
			if null || strings.Contains(string(text), v[:4]) {
				t.Fatalf("%s: %q", typ, text)
			}
			bin, null := apply(t, resource.Hash, desc, true, fetch(t, conn, expr, 1))
			if null {
				t.Fatalf("%s: NULL in binary", typ)
			}
			if got := conn.ExecParams(t.Context(), "SELECT $1::"+typ, [][]byte{bin}, nil, []int16{1}, []int16{0}).Read(); got.Err != nil || string(got.Rows[0][0]) != string(text) {
				t.Errorf("%s: %q in text, %q in binary (%v)", typ, text, got.Rows[0][0], got.Err)
			}
			if seen[string(text)] {
				t.Errorf("%s: two values have the hash %s", typ, text)
			}
			seen[string(text)] = true
		}
	}
	padded, _ := apply(t, resource.Hash, typeMod(oidBpchar, 20), false, []byte("abc                 "))
	bare, _ := apply(t, resource.Hash, base(oidText), false, []byte("abc"))
	if string(padded) != string(bare[:20]) {
		t.Errorf("char(20) %q, text %q", padded, bare)
	}
}

// The client may set DateStyle; a date in another style is withheld, not shown.
func TestYear_OtherDateStyles(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), dsn(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, style := range []string{"SQL, MDY", "German", "Postgres, DMY"} {
		if _, err := conn.Exec(t.Context(), "SET DateStyle = '"+style+"'"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			expr string
			typ  *hoop.Type
		}{{"'1984-03-12'::date", base(oidDate)}, {"'1984-03-12 12:00'::timestamp", base(oidTimestamp)}} {
			v := fetch(t, conn.PgConn(), "SELECT "+c.expr, 0)
			if out, null := apply(t, resource.Year, c.typ, false, v); !null {
				t.Errorf("%s: %q became %q", style, v, out)
			}
		}
	}
}
