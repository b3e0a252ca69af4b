package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const swayed = `
drop table if exists noted;
create table noted (id int primary key, note text, data jsonb, live bool, at timestamptz, during tstzrange);
insert into noted values (1, 'a', '{"a": 1}', true, now(), '[2020-01-01,2021-01-01)'), (2, 'b', '{"b": 1}', false, now(), '[2020-01-01,2021-01-01)');
`

// noWide denies what is unbounded-write.
const noWide = `
---
kind: StatementRule
name: not-all-rows
spec: {targets: [pg-prod], groups: ["*"], effects: [unbounded-write], tables: ["*"], decision: deny}
`

// A condition that the values of parameters make true for every row is none, in whichever
// way they come; with other values the same statement runs.
func TestSwayed_EveryWay(t *testing.T) {
	g := startApprovals(t, servertest.Options{Setup: swayed, Resources: allowed(noWide)})
	type value struct {
		typ  uint32
		name string
		text string // of a constant
		arg  any
	}
	text := func(s string) value { return value{pgtype.TextOID, "text", "'" + s + "'", s} }
	number := func(n int32) value { return value{pgtype.Int4OID, "int", fmt.Sprint(n), n} }
	for _, c := range []struct {
		where      string
		wide, some value
	}{
		{"note LIKE $1", text("%"), text("a%")},
		{"note LIKE '%' || $1 || '%'", text(""), text("a")},
		{"note ~ $1", text(".*"), text("^a")},
		{"data @> $1", value{pgtype.JSONBOID, "jsonb", "'{}'", map[string]any{}}, value{pgtype.JSONBOID, "jsonb", `'{"a": 1}'`, map[string]any{"a": 1}}},
		{"live = ANY ($1)", value{pgtype.BoolArrayOID, "bool[]", "'{t,f}'", []bool{true, false}}, value{pgtype.BoolArrayOID, "bool[]", "'{t}'", []bool{true}}},
		{"id > $1", number(-2147483648), number(1)},
		{"id BETWEEN $1 AND 2147483647", number(-2147483648), number(1)},
		{"at < $1", value{pgtype.TimestamptzOID, "timestamptz", "'infinity'", pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}}, value{pgtype.TimestamptzOID, "timestamptz", "'2021-01-01'", pgtype.Timestamptz{Time: date(2021), Valid: true}}},
		{"during && $1", value{pgtype.TstzrangeOID, "tstzrange", "'(,)'", pgtype.Range[pgtype.Timestamptz]{LowerType: pgtype.Unbounded, UpperType: pgtype.Unbounded, Valid: true}}, value{pgtype.TstzrangeOID, "tstzrange", "'(,2020-02-01)'", pgtype.Range[pgtype.Timestamptz]{LowerType: pgtype.Unbounded, Upper: pgtype.Timestamptz{Time: date(2020), Valid: true}, UpperType: pgtype.Exclusive, Valid: true}}},
	} {
		sql := "UPDATE noted SET note = note WHERE " + c.where
		conn, simple := open(t, g.Gateway, nil), open(t, g.Gateway, func(cfg *pgx.ConnConfig) { cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
		run(t, simple, fmt.Sprintf("PREPARE p (%s) AS %s", c.some.name, sql))
		ways := map[string]func(v value) error{
			"constants": func(v value) error {
				_, err := simple.Exec(t.Context(), strings.ReplaceAll(sql, "$1", v.text))
				return err
			},
			"EXECUTE": func(v value) error {
				_, err := simple.Exec(t.Context(), "EXECUTE p ("+v.text+")")
				return err
			},
			"PREPARE and EXECUTE": func(v value) error {
				if v.text == c.some.text {
					return nil // in one text, they are not told from other values
				}
				_, err := simple.Exec(t.Context(), fmt.Sprintf("PREPARE q (%s) AS %s; EXECUTE q (%s)", c.some.name, sql, v.text))
				return err
			},
			"described": func(v value) error {
				_, err := conn.Exec(t.Context(), sql, v.arg)
				return err
			},
		}
		for _, binary := range []bool{false, true} {
			name, format := "text", int16(pgx.TextFormatCode)
			if binary {
				name, format = "binary", pgx.BinaryFormatCode
			}
			ways[name] = func(v value) error {
				encoded, err := pgtype.NewMap().Encode(v.typ, format, v.arg, []byte{})
				if err != nil {
					t.Fatal(err)
				}
				return conn.PgConn().ExecParams(t.Context(), sql, [][]byte{encoded}, []uint32{v.typ}, []int16{format}, nil).Read().Err
			}
		}
		for way, with := range ways {
			if err := with(c.wide); state(err) != "42501" || !strings.Contains(err.Error(), "not-all-rows") {
				t.Errorf("%s by %s: %v", c.where, way, err)
			}
			if err := with(c.some); err != nil {
				t.Errorf("%s by %s: %v", c.where, way, err)
			}
		}
	}
	// A binary value of which nobody said the type may be any.
	conn := open(t, g.Gateway, nil)
	unread := func(sql string, v []byte) error {
		return conn.PgConn().ExecParams(t.Context(), sql, [][]byte{v}, nil, []int16{1}, nil).Read().Err
	}
	if err := unread("UPDATE noted SET note = note WHERE id > $1", []byte{0, 0, 0, 1}); state(err) != "42501" {
		t.Errorf("without a type: %v", err)
	}
	if err := unread("UPDATE noted SET note = note WHERE id = $1", []byte{0, 0, 0, 1}); err != nil {
		t.Errorf("without a type: %v", err)
	}
	said := 0
	for _, e := range events(t, g.Gateway) {
		if e.Type == hoop.EventStatement && slices.Contains(e.Effects, hoop.EffectUnboundedWrite) {
			said++
		}
	}
	if want := 9*6 + 1; said != want {
		t.Errorf("%d events say so, want %d", said, want)
	}
}

// People are asked about a statement with these values, and about others anew.
func TestSwayed_Approval(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: swayed})
	conn := open(t, a.Gateway, nil)
	const sql = "UPDATE noted SET note = $1 WHERE note LIKE $2"
	if _, err := conn.Exec(t.Context(), sql, "c", "a%"); err != nil {
		t.Fatal(err)
	}
	done := exec(conn, sql, "d", "%")
	held := a.pending(1)[0]
	if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool {
		return u.Effect == hoop.EffectUnboundedWrite && slices.Contains(u.Tables, "public.noted")
	}) {
		t.Errorf("%+v", held.Effects)
	}
	a.decide(held.ID, true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := a.Count("SELECT count(*) FROM noted WHERE note = 'd'"); n != 2 {
		t.Errorf("%d rows", n)
	}
	done = exec(conn, sql, "e", "%%")
	a.decide(a.pending(1)[0].ID, false)
	if err := <-done; state(err) != "42501" {
		t.Error(err)
	}
}

func date(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
