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
		`{"[masked-1]":"[masked]","[masked-2]":null,"[masked-3]":null,"[masked-4]":null,"[masked-5]":["[masked]",{"[masked-6]":"[masked]"}]}`,
	},
	{
		`'{"name": "CANARY77\" \\u0041", "n": 7777.5e3, "CANARY77 x": {"a@b.org": 1}}'::jsonb`, base(oidJSONB),
		`{"[masked-1]": null, "[masked-2]": "[masked]", "[masked-3]": {"[masked-4]": null}}`,
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
	{`'[2:3][0:0]={{CANARY77},{b}}'::text[]`, arrayOf(base(oidText)), "{{[masked]},{[masked]}}"},
	{`'[77777777:77777777]={x}'::text[]`, arrayOf(base(oidText)), "{[masked]}"},
	{`'[7777:7777][-7777:-7776]={{NULL,NULL}}'::int[]`, arrayOf(base(oidInt4)), "{{NULL,NULL}}"},
	{`row('[7777:7777]={NULL}'::int[])::subscripted`, rowOf(arrayOf(base(oidInt4))), "({NULL})"},
	{`'{CANAR,C}'::varchar(5)[]`, &hoop.Type{Kind: hoop.TypeArray, Elem: base(oidVarchar), Mod: 5 + varHdrSize}, "{*****,*****}"},
	{`'{7777,NULL}'::int[]`, arrayOf(base(oidInt4)), "{NULL,NULL}"},
	{`array['{"a": "CANARY77"}'::jsonb]`, arrayOf(base(oidJSONB)), `{"{\"[masked-1]\": \"[masked]\"}"}`},
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
CREATE TYPE nothing AS (); CREATE TYPE single AS (one text);
CREATE TYPE subscripted AS (list int[])`

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
				} else if strings.HasPrefix(s.expr, "row('[") {
					typ = "subscripted"
				} else if strings.HasPrefix(s.expr, "row(array") {
					typ = "nested"
				} else if typ == "" {
					typ = string(fetch(t, conn, "SELECT pg_typeof("+s.expr+")::text", 0))
				}
				value := fetch(t, conn, "SELECT "+s.expr, int16(format))
				out, null := apply(t, resource.Redact, s.typ, format == 1, value)
				for _, canary := range []string{"CANARY", "7777", "CAN", "\x00\x00\x1e\x61", "\x04\xa2\xcb\x71"} { // 7777 and 77777777 in binary
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
		{resource.Age90, `42::numeric`, base(oidNumeric), "42"},
		{resource.Age90, `89.99::numeric`, base(oidNumeric), "89.00"},
		{resource.Age90, `89.9999::numeric(9,4)`, base(oidNumeric), "89.0000"},
		{resource.Age90, `0.5::numeric`, base(oidNumeric), "0.0"},
		{resource.Age90, `0::numeric`, base(oidNumeric), "0"},
		{resource.Age90, `90.5::numeric`, base(oidNumeric), "90.0"},
		{resource.Age90, `123456.5::numeric`, base(oidNumeric), "90.0"},
		{resource.Age90, `'-1'::numeric`, base(oidNumeric), ""},
		{resource.Age90, `'NaN'::numeric`, base(oidNumeric), ""},
		{resource.Age90, `'Infinity'::numeric`, base(oidNumeric), ""},
		{resource.Age90, `42.75::float8`, base(oidFloat8), "42"},
		{resource.Age90, `1e30::float8`, base(oidFloat8), "90"},
		{resource.Age90, `101.5::float4`, base(oidFloat4), "90"},
		{resource.Age90, `'NaN'::float8`, base(oidFloat8), ""},
		{resource.Age90, `'-0.5'::float4`, base(oidFloat4), ""},
		{resource.Age90, `'42.5'::text`, base(oidText), "42"},
		{resource.Age90, `'1e5'::text`, base(oidText), "[masked]"},
		{resource.Age90, `'99999999999999999999999'::text`, base(oidText), "90"},
		{resource.Age90, `'{12,95}'::int[]`, arrayOf(base(oidInt4)), "{12,90}"},
		{resource.Age90, `'1984-03-12'::date`, base(oidDate), "1984-01-01"},
		{resource.Age90, `'1936-12-31'::date`, base(oidDate), ""},
		{resource.Age90, `'1984-03-12 23:59'::timestamp`, base(oidTimestamp), "1984-01-01 00:00:00"},
		{resource.Age90, `89::int4`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidInt4)}, "89"},
		{resource.Age90, `91::int4`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidInt4)}, ""},
		{resource.Age90, `90::int4`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidInt4)}, ""},
		{resource.Age90, `'90'::text`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}, ""},
		{resource.Age90, `'1984-01-01'::date`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidDate)}, ""},
		{resource.Age90, `42.0::numeric`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidNumeric)}, ""},
		{resource.Zip3, `'02139'::text`, base(oidText), "021"},
		{resource.Zip3, `'03601-1234'::text`, base(oidText), "000"},
		{resource.Zip3, `'02139'::char(5)`, typeMod(oidBpchar, 5), "021  "},
		{resource.Zip3, `'SW1A 1AA'::text`, base(oidText), "[masked]"},
		{resource.Zip3, `2139`, base(oidInt4), ""},
		{resource.Tokenize, `'hello'::bytea`, base(oidBytea), ""},
		{resource.Tokenize, `'abc'::text`, base(oidText), "[masked]"},
		{resource.Tokenize, `'abc'::text`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}, ""},
		{resource.Tokenize, `'{abc}'::text[]`, arrayOf(&hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidText)}), "{NULL}"},
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
		"text": base(oidText), "varchar(12)": typeMod(oidVarchar, 12), "uuid": base(oidUUID), "int8": base(oidInt8), "int4": base(oidInt4), "bytea": base(oidBytea),
	}
	for typ, desc := range types {
		seen := map[string]bool{}
		for _, v := range []string{"77777777-7777-4777-8777-777777777777", "12345678-1234-4234-8234-123456789012"} {
			literal := map[string]string{"int8": v[:8], "int4": v[:8], "varchar(12)": v[:12]}[typ]
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

// Whatever DateStyle and TimeZone the client sets, year gives a first of January, which
// the server reads as such, and nothing of month, day, time or season.
func TestYear_DateStyles(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), dsn(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, style := range []string{"ISO, MDY", "ISO, DMY", "SQL, MDY", "SQL, DMY", "German", "Postgres, MDY", "Postgres, DMY"} {
		for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "<UTC>+100:07", "<UTC>-167"} {
			if _, err := conn.Exec(t.Context(), "SET DateStyle = '"+style+"'; SET TimeZone = '"+zone+"'"); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				typ  string
				desc *hoop.Type
			}{{"date", base(oidDate)}, {"timestamp", base(oidTimestamp)}, {"timestamptz", base(oidTimestamptz)}} {
				seen := map[string]string{}
				for _, v := range []string{"1984-03-12 12:07:07.25", "1984-07-30 23:59:59", "1984-12-31 12:00", "1984-01-01 00:30", "1984-12-31 23:30", "2001-02-03 04:05:06", "2400-05-06 07:08:09"} {
					shown := fetch(t, conn.PgConn(), "SELECT '"+v+utcSuffix(c.typ)+"'::"+c.typ, 0)
					out, null := apply(t, resource.Year, c.desc, false, shown)
					if named := c.typ == "timestamptz" && !strings.HasPrefix(style, "ISO"); named || null {
						if named == null {
							continue // a zone by name could be any
						}
						t.Errorf("%s, %s: %q became NULL", style, zone, shown)
						continue
					}
					if got := fetch(t, conn.PgConn(), "SELECT (($1::"+c.typ+") AT TIME ZONE 'UTC' AT TIME ZONE 'UTC')::text = ('"+v[:4]+"-01-01'::timestamp AT TIME ZONE 'UTC' AT TIME ZONE 'UTC')::text", 0, out); c.typ != "date" && string(got) != "t" && c.typ == "timestamp" {
						t.Errorf("%s, %s: %q became %q, which is no first of January", style, zone, shown, out)
					}
					if got := fetch(t, conn.PgConn(), "SELECT extract(doy FROM ($1::"+c.typ+")"+utc(c.typ)+") = 1 AND extract(year FROM ($1::"+c.typ+")"+utc(c.typ)+") = "+v[:4], 0, out); string(got) != "t" {
						t.Errorf("%s, %s: %q became %q, which is no first of January", style, zone, shown, out)
					}
					if was, ok := seen[v[:4]]; ok && was != string(out) {
						t.Errorf("%s, %s: days of one year become %q and %q", style, zone, was, out)
					}
					seen[v[:4]] = string(out)
				}
				if old, null := apply(t, resource.Year, c.desc, false, fetch(t, conn.PgConn(), "SELECT '1930-03-12'::"+c.typ, 0)); !null {
					t.Errorf("%s: an age over 89 is shown: %q", style, old)
				}
				for _, v := range []string{"0044-03-15 BC", "infinity", "-infinity", "12345-06-07"} {
					if out, null := apply(t, resource.Year, c.desc, false, fetch(t, conn.PgConn(), "SELECT '"+v+"'::"+c.typ, 0)); !null {
						t.Errorf("%s: %s became %q", style, v, out)
					}
				}
			}
		}
	}
}

func utcSuffix(typ string) string {
	if typ == "timestamptz" {
		return "+00"
	}
	return ""
}

func utc(typ string) string {
	if typ == "timestamptz" {
		return " AT TIME ZONE 'UTC'"
	}
	return ""
}

// moreSamples complete the types for TestTransforms_Matrix.
var moreSamples = []struct {
	expr string
	typ  *hoop.Type
}{
	{`7777::int2`, base(oidInt2)},
	{`7777.7::float4`, base(oidFloat4)},
	{`'7777.77'::money`, base(oidMoney)},
	{`'10.77.77.0/24'::cidr`, base(oidCidr)},
	{`'77:77:77:77:77:77'::macaddr`, base(oidMacaddr)},
	{`'07:07:07'::time`, base(oidTime)},
	{`'77 days'::interval`, base(oidInterval)},
	{`'1984-03-12 07:07'::timestamp`, base(oidTimestamp)},
	{`'2400-03-12 07:07'::timestamp`, base(oidTimestamp)},
	{`'2400-03-12 07:07'::timestamptz`, base(oidTimestamptz)},
	{`'2400-03-12'::date`, base(oidDate)},
	{`B'0111'::bit(4)`, base(oidBit)},
	{`'[7777.5,7778)'::numrange`, &hoop.Type{Kind: hoop.TypeRange, Elem: base(oidNumeric)}},
	{`'{[1984-03-12,1984-04-12)}'::datemultirange`, &hoop.Type{Kind: hoop.TypeMultirange, Elem: base(oidDate)}},
	{`'{1984-03-12,1937-01-01}'::date[]`, arrayOf(base(oidDate))},
	{`'{77777777-7777-7777-7777-777777777777}'::uuid[]`, arrayOf(base(oidUUID))},
	{`array['10.77.77.7'::inet]`, arrayOf(base(oidInet))},
	{`7777::counted`, &hoop.Type{Kind: hoop.TypeDomain, Elem: base(oidInt4)}},
	{`'123456'::text`, base(oidText)},
	{`'02139-7777'::text`, base(oidText)},
}

// Every transform of every type gives a value that the server takes back as one of the
// type, in both formats alike, and nothing of the original but what the transform
// leaves.
func TestTransforms_Matrix(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA matrix; SET search_path = matrix; "+sampleTypes+"; CREATE DOMAIN counted AS int CHECK (value > 0)").ReadAll(); err != nil {
		t.Fatal(err)
	}
	type one struct {
		expr string
		typ  *hoop.Type
	}
	var all []one
	for _, s := range samples {
		all = append(all, one{s.expr, s.typ})
	}
	for _, s := range moreSamples {
		all = append(all, one{s.expr, s.typ})
	}
	transforms := []resource.Transform{resource.Redact, resource.Null, resource.Partial, resource.Hash, resource.Year, resource.Age90, resource.Zip3, resource.Tokenize}
	for _, s := range all {
		typ := string(fetch(t, conn, "SELECT format_type((SELECT oid FROM pg_type WHERE oid = pg_typeof("+s.expr+")::oid), NULL)", 0))
		original := string(fetch(t, conn, "SELECT ("+s.expr+")::text", 0))
		for _, with := range transforms {
			var results [2]string
			for format := range results {
				out, null := apply(t, with, s.typ, format == 1, fetch(t, conn, "SELECT "+s.expr, int16(format)))
				if null {
					results[format] = "NULL"
					continue
				}
				res := conn.ExecParams(t.Context(), "SELECT ($1::"+typ+")::text", [][]byte{append([]byte{}, out...)}, nil, []int16{int16(format)}, []int16{0}).Read()
				if res.Err != nil {
					t.Errorf("%s of %s, format %d: %q: %v", with, s.expr, format, out, res.Err)
					continue
				}
				results[format] = string(res.Rows[0][0])
			}
			if results[0] != results[1] {
				t.Errorf("%s of %s: %q in text, %q in binary", with, s.expr, results[0], results[1])
			}
			if results[0] == original && original != "{}" && original != "()" && original != "" {
				t.Errorf("%s of %s changes nothing", with, s.expr)
			}
			if with != resource.Partial && strings.Contains(results[0], "CANARY") {
				t.Errorf("%s of %s leaks: %q", with, s.expr, results[0])
			}
		}
	}
}

// Masking a value of any type allocates nothing, in both formats.
func TestTransforms_AllocateNothing(t *testing.T) {
	conn := connect(t)
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA allocate; SET search_path = allocate; "+sampleTypes+"; CREATE DOMAIN counted AS int CHECK (value > 0)").ReadAll(); err != nil {
		t.Fatal(err)
	}
	check := func(expr string, typ *hoop.Type) {
		for format := range int16(2) {
			value := fetch(t, conn, "SELECT "+expr, format)
			for _, with := range []resource.Transform{resource.Redact, resource.Null, resource.Partial, resource.Hash, resource.Year} {
				r := compile(t, resource.MaskRule{Columns: []string{"a.b.c"}, With: with, Last: 4}).For(anybody, "pg")
				tr := r.Plan(&hoop.Statement{}, []hoop.Column{proven(typ, format == 1, "a.b.c")}).Columns[0]
				buf := make([]byte, 0, 4096)
				tr.Append(buf, value)
				if n := testing.AllocsPerRun(20, func() { tr.Append(buf, value) }); n != 0 {
					t.Errorf("%s of %s, format %d: %v allocations", with, expr, format, n)
				}
			}
		}
	}
	for _, s := range samples {
		check(s.expr, s.typ)
	}
	for _, s := range moreSamples {
		check(s.expr, s.typ)
	}
}
