package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/server/resource"
)

// typeSchema makes every kind of type; typeColumns has a column of each with its value.
const typeSchema = `create extension citext; create extension hstore;
	create type mood as enum ('CANARY77', 'other');
	create domain coded as text check (value ~ '^[A-Z0-9]+$');
	create domain loose as text; create domain short as varchar(6); create domain coded_again as coded;
	create domain counted as int check (value > 0);
	create domain dated as date; create domain valued as numeric; create domain keyed as uuid; create domain documented as jsonb;
	create domain listed as text[];
	create type home as (street text, no int, moved date, tags text[]);
	create type nested as (h home, j jsonb);
	create type spanned as range (subtype = text);`

var typeColumns = []struct{ typ, value string }{
	{"text", `'CANARY77'`},
	{"varchar(20)", `'CANARY77 é'`},
	{"varchar(6)", `'CANARY'`},
	{"char(12)", `'CANARY77'`},
	{"char(3)", `'CAN'`},
	{"name", `'CANARY77'`},
	{`"char"`, `'C'`},
	{"citext", `'CANARY77'`},
	{"xml", `'<a>CANARY77</a>'`},
	{"json", `'{"CANARY77": ["CANARY77", 77.5, true, null]}'`},
	{"jsonb", `'{"CANARY77": ["CANARY77", 77.5, true, null]}'`},
	{"hstore", `'CANARY77=>CANARY77'`},
	{"tsvector", `'CANARY77 b'`},
	{"tsquery", `'CANARY77 & b'`},
	{"bytea", `'CANARY77'`},
	{"int2", `77`},
	{"int4", `7777`},
	{"int8", `777777777777`},
	{"numeric", `77.75`},
	{"numeric(10,2)", `104.5`},
	{"float4", `77.5`},
	{"float8", `104.25`},
	{"money", `'77.77'`},
	{"bool", `true`},
	{"bit(4)", `B'0111'`},
	{"varbit", `B'0111'`},
	{"uuid", `'77777777-7777-4777-8777-777777777777'`},
	{"date", `'1984-03-12'`},
	{"timestamp", `'1984-03-12 07:07:07'`},
	{"timestamptz", `'1984-03-12 07:07:07+00'`},
	{"time", `'07:07:07'`},
	{"timetz", `'07:07:07+02'`},
	{"interval", `'77 days'`},
	{"inet", `'10.77.77.7'`},
	{"cidr", `'10.77.77.0/24'`},
	{"macaddr", `'77:77:77:77:77:77'`},
	{"macaddr8", `'77:77:77:77:77:77:77:77'`},
	{"point", `'(77,77)'`},
	{"box", `'(77,77),(7,7)'`},
	{"pg_lsn", `'77/77'`},
	{"int4range", `'[77,7777)'`},
	{"numrange", `'[77.5,78)'`},
	{"daterange", `'[1984-03-12,1984-04-12)'`},
	{"datemultirange", `'{[1984-03-12,1984-04-12)}'`},
	{"spanned", `'[CANARY77,D)'`},
	{"mood", `'CANARY77'`},
	{"coded", `'CANARY77'`},
	{"loose", `'CANARY77'`},
	{"short", `'CANARY'`},
	{"coded_again", `'CANARY77'`},
	{"counted", `77`},
	{"dated", `'1984-03-12'`},
	{"valued", `104`},
	{"keyed", `'77777777-7777-4777-8777-777777777777'`},
	{"documented", `'{"CANARY77": 77}'`},
	{"listed", `'{CANARY77}'`},
	{"home", `row('CANARY77, "x"', 77, '1984-03-12', array['CANARY77', null])`},
	{"nested", `row(row('CANARY77', 77, null, '{}')::home, '{"a": "CANARY77"}')`},
	{"text[]", `'{CANARY77,"CANARY77 \"x\"",NULL}'`},
	{"text[]", `'[2:3][0:0]={{CANARY77},{b}}'`},
	{"varchar(6)[]", `'{CANARY}'`},
	{"int4[]", `'{77,104}'`},
	{"numeric[]", `'{77.5}'`},
	{"date[]", `'{1984-03-12,1930-01-01}'`},
	{"uuid[]", `'{77777777-7777-4777-8777-777777777777}'`},
	{"bytea[]", `array['CANARY77'::bytea]`},
	{"jsonb[]", `array['{"a": "CANARY77"}'::jsonb]`},
	{"mood[]", `'{CANARY77}'`},
	{"coded[]", `'{CANARY77}'`},
	{"int4range[]", `array['[77,78)'::int4range]`},
	{"home[]", `array[row('CANARY77', 77, '1984-03-12', '{CANARY77}')::home, null]`},
	{"text", `'02139-7777'`},
	{"text", `'104'`},
	{"text", `'1984-03-12'`},
}

var everyTransform = []resource.Transform{
	resource.Redact, resource.Null, resource.Partial, resource.Hash, resource.Year, resource.Age90, resource.Zip3, resource.Tokenize,
}

// Every type under every transform, in text and in binary: pgx decodes it, the target
// takes it back as a value of the type, and the description of the answer stays. What
// comes out stands in testdata/transforms.golden.
func TestMask_EveryTypeAndTransform(t *testing.T) {
	var columns, values []string
	for i, c := range typeColumns {
		columns = append(columns, fmt.Sprintf("c%d %s", i, c.typ))
		values = append(values, c.value)
	}
	schema := typeSchema + "create table plain (" + strings.Join(columns, ", ") + "); insert into plain values (" + strings.Join(values, ", ") + ");"
	var rules []resource.MaskRule
	for _, with := range everyTransform {
		table := "m_" + strings.ReplaceAll(string(with), "-", "")
		schema += fmt.Sprintf("create table %s (like plain); insert into %s select * from plain;", table, table)
		rules = append(rules, resource.MaskRule{Columns: []string{"public." + table + ".*"}, With: with, Last: 4})
	}
	g := setup(t, schema, rules...)
	masked := g.connect()
	direct, err := pgx.Connect(t.Context(), shared.pg.DSN(g.target.Database))
	check(t, err)
	defer direct.Close(context.Background()) //nolint:errcheck // the test is over
	for _, c := range []*pgx.Conn{masked, direct} {
		types, err := c.LoadTypes(t.Context(), []string{"mood", "coded", "loose", "short", "coded_again", "counted", "dated", "valued", "keyed", "documented", "listed", "home", "nested", "spanned"})
		check(t, err)
		c.TypeMap().RegisterTypes(types)
	}
	var golden strings.Builder
	originals := oneRow(t, direct, "select * from plain", 0)
	for _, with := range everyTransform {
		sql := "select * from m_" + strings.ReplaceAll(string(with), "-", "")
		keeps := with == resource.Age90 || with == resource.Zip3 // an age of 77, what is three digits
		text, binary := oneRow(t, masked, sql, 0), oneRow(t, masked, sql, 1)
		if d := cmp.Diff(described(t, direct, sql), described(t, masked, sql)); d != "" {
			t.Errorf("%s: the description differs: %s", with, d)
		}
		for i, c := range typeColumns {
			name := fmt.Sprintf("%s of %s", with, c.typ)
			shown := back(t, direct, name, c.typ, text[i], 0)
			if inBinary := back(t, direct, name, c.typ, binary[i], 1); inBinary != shown {
				t.Errorf("%s: %s in text, %s in binary", name, shown, inBinary)
			}
			if with != resource.Partial && strings.Contains(strings.ToUpper(shown), "CANARY") || string(originals[i]) == shown && !keeps {
				t.Errorf("%s leaves %q", name, shown)
			}
			if with == resource.Null {
				if shown != "NULL" {
					t.Errorf("%s: %q", name, shown)
				}
				continue
			}
			fmt.Fprintf(&golden, "%-8s | %-14s | %-58s | %s\n", with, c.typ, c.value, steady(with, c.typ, shown))
		}
		// pgx makes Go values of them, whatever it asks for.
		for name, mode := range modes {
			rows, err := masked.Query(t.Context(), sql, mode)
			check(t, err)
			for rows.Next() {
				if got, err := rows.Values(); err != nil || len(got) != len(typeColumns) {
					t.Errorf("%s, %s: %d values, %v", with, name, len(got), err)
				}
			}
			check(t, rows.Err())
		}
	}
	path := filepath.Join("testdata", "transforms.golden")
	if *update {
		check(t, os.WriteFile(path, []byte(golden.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(golden.String(), "\n")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// steady says of a keyed value only that it is there: the key is another in each run.
func steady(with resource.Transform, typ, shown string) string {
	if (with == resource.Hash || with == resource.Tokenize) && shown != "NULL" {
		return fmt.Sprintf("%d characters", len([]rune(shown)))
	}
	return shown
}

// oneRow gives the values of a query's only row in a format.
func oneRow(t *testing.T, c *pgx.Conn, sql string, format int16) [][]byte {
	t.Helper()
	res := c.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, []int16{format}).Read()
	check(t, res.Err)
	if len(res.Rows) != 1 {
		t.Fatalf("%s: %d rows", sql, len(res.Rows))
	}
	return res.Rows[0]
}

// described is the columns of a query's answer, without the OID of the table.
func described(t *testing.T, c *pgx.Conn, sql string) []pgconn.FieldDescription {
	t.Helper()
	d, err := c.PgConn().Prepare(t.Context(), "", sql, nil)
	check(t, err)
	return d.Fields
}

// back has the target read a value of a type, and write it as text.
func back(t *testing.T, c *pgx.Conn, name, typ string, v []byte, format int16) string {
	t.Helper()
	if v == nil {
		return "NULL"
	}
	res := c.PgConn().ExecParams(t.Context(), "select ($1::"+typ+")::text", [][]byte{v}, nil, []int16{format}, []int16{0}).Read()
	if res.Err != nil {
		t.Errorf("%s, format %d: %q: %v", name, format, v, res.Err)
		return "?"
	}
	return string(res.Rows[0][0])
}
