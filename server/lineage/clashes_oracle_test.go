package lineage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// What becomes of a command on a table of the session's own (its tag or SQLSTATE) is the
// same in databases that differ in protected values only, unless the command counts as a
// comparison of a protected column. The sessions are made at random: tables with constraints, indexes
// and generated columns, filled and changed in several ways.
// HOOP_LINEAGE_STATEMENTS sets how many commands there are, HOOP_LINEAGE_SEED the first seed.
func TestClashes_Oracle(t *testing.T) {
	number, seed := fromEnv(t, "HOOP_LINEAGE_STATEMENTS", 500), fromEnv(t, "HOOP_LINEAGE_SEED", 1)
	conns := databases(t)
	var ran, counted, told, failed int
	for i := 0; ran < number; i++ {
		g := newGenerator(uint64(seed + i))
		text := g.ownSession()
		several := conns
		if strings.Contains(strings.Join(text, ";"), "primary key") {
			several = conns[:2] // where there are NULLs is no comparison
		}
		for _, conn := range several {
			command(t, conn, "begin")
		}
		cat := snap
		for k, sql := range text {
			p := parseIn(t, sql, cat)
			a := sqlscan.Analyze(p, cat, sqlscan.Lineage{Local: Local, View: View})
			if a.Temp {
				t.Fatalf("seed %d: %s is not followed", seed+i, sql)
			}
			looks := slices.ContainsFunc(a.Looks, comparesProtected)
			var outcomes []string
			for _, conn := range several {
				outcomes = append(outcomes, command(t, conn, sql))
			}
			ran++
			if looks {
				counted++
			}
			if len(outcomes[0]) == 5 {
				failed++
			}
			if slices.ContainsFunc(outcomes, func(o string) bool { return o != outcomes[0] }) {
				if told++; !looks {
					t.Errorf("seed %d: %q, and counts as no comparison:\n%s", seed+i, outcomes, strings.Join(text[:k+1], ";\n"))
				}
				break
			}
			if len(outcomes[0]) == 5 {
				if os.Getenv("HOOP_LINEAGE_ERRORS") != "" {
					t.Logf("seed %d: %s: %s", seed+i, outcomes[0], sql)
				}
				break // the transaction is over
			}
			cat = cat.After(a.Commands[0].Local)
		}
		for _, conn := range several {
			command(t, conn, "rollback")
		}
	}
	t.Logf("%d commands ran, %d counted as comparisons, %d of them told values apart, %d failed", ran, counted, told, failed)
	if told < ran/200 {
		t.Errorf("only %d of %d commands told values apart", told, ran)
	}
	if counted > ran*7/10 {
		t.Errorf("%d of %d commands count as comparisons", counted, ran)
	}
}

func comparesProtected(l hoop.Look) bool {
	return !l.Wrote && !l.Hidden && slices.ContainsFunc(l.Columns, func(c hoop.ColumnRef) bool { return c == hoop.AnyColumn || protected[c.String()] })
}

// command runs a command in its transaction and gives its tag, or the SQLSTATE.
func command(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	tag, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return "done: " + tag.String()
	case !errors.As(err, &pgErr):
		t.Fatalf("%s: %v", sql, err)
	}
	return pgErr.Code
}

// Expressions over clinic.patients p and clinic.codes c, by type.
var ownSources = map[string][]string{
	"text": {"p.ssn", "p.ssn", "p.mrn", "c.ssn", "p.state", "c.label", "'x'", "'1100-2000'", "left(p.ssn, 4)", "p.state || p.ssn", "coalesce(p.ssn, 'x')", "case when p.ssn > '5' then 'a' end"},
	"int":  {"p.id", "p.n", "7", "p.n + 1", "length(p.ssn)", "p.id * 2"},
}

// ownSession makes the commands of a session with a table of its own.
func (g *generator) ownSession() []string {
	types := []string{"text", pick(g, []string{"text", "int"}), "int"}
	names := []string{"a", "b", "n"}
	out := []string{g.ownTable(names, types)}
	for range 3 + g.IntN(6) {
		out = append(out, g.ownCommand(names, types))
	}
	return out
}

func (g *generator) ownTable(names, types []string) string {
	var parts []string
	for i, name := range names {
		typ := types[i]
		if typ == "text" {
			typ = pick(g, []string{"text", "text", "varchar(20)", "varchar(6)"})
		} else {
			typ = pick(g, []string{"int", "bigint", "smallint"})
		}
		key := "primary key"
		if strings.Contains(strings.Join(parts, ""), key) {
			key = "unique"
		}
		if g.chance(35) {
			typ += " " + pick(g, []string{"unique", key, "check (" + g.ownCondition(types) + ")", "default " + map[string]string{"text": "'d'", "int": "5"}[types[i]]})
		}
		parts = append(parts, name+" "+typ)
	}
	if g.chance(25) {
		parts = append(parts, pick(g, []string{"unique (a, n)", "unique (n, b)", "check (" + g.ownCondition(types) + ")"}))
	}
	if g.chance(20) {
		parts = append(parts, pick(g, []string{"g int generated always as (10 / (length(a) - 6)) stored", "g text generated always as (a || b) stored unique", "g bool generated always as (a > '5') stored"}))
	}
	return "create temp table own (" + strings.Join(parts, ", ") + ")"
}

func (g *generator) ownCondition(types []string) string {
	list := []string{"a <> '1101-2001'", "a > '0' and n < 100", "length(a) < 12", "own is not null", "n >= 0", "a <> 'x'"}
	if types[1] == "text" {
		list = append(list, "a <> b", "b < 'y'", "coalesce(a, b) <> 'S1'")
	} else {
		list = append(list, "b <> n", "b < 1000")
	}
	return pick(g, list)
}

func (g *generator) ownCommand(names, types []string) string {
	i := g.IntN(len(names))
	name, value := names[i], pick(g, ownSources[types[i]])
	switch g.IntN(12) {
	case 0:
		return "insert into own (a) values ('S1')"
	case 1:
		return fmt.Sprintf("insert into own (%s) values (%s) on conflict do nothing", name, map[string]string{"text": "'1102-2002'", "int": "2"}[types[i]])
	case 2:
		return fmt.Sprintf("update own set %s = %s from clinic.patients p, clinic.codes c where p.id = 2", name, value)
	case 3:
		return fmt.Sprintf("update own set n = n + 1 where n > %d", g.IntN(4))
	case 4:
		unique := pick(g, []string{"unique ", ""})
		return fmt.Sprintf("create %sindex on own (%s)%s", unique, pick(g, []string{name, "(lower(a))", "(10 / (length(a) - 9))", "a, n"}), pick(g, []string{"", "", " where a > '5'"}))
	case 5:
		return "alter table own " + pick(g, []string{"add unique (" + name + ")", "add check (" + g.ownCondition(types) + ")", "alter a type varchar(9)", "alter a type text using left(a, 2)", "add d int default 3", "alter n drop not null"})
	case 6:
		return "delete from own where n = 1"
	}
	var list []string
	for k := range names {
		list = append(list, pick(g, ownSources[types[k]]))
	}
	from := pick(g, []string{
		"clinic.patients p, (select * from clinic.codes order by label limit 1) c", "clinic.patients p, clinic.codes c where p.id < 3 and c.label = 'L1'",
		"clinic.patients p left join clinic.codes c on c.label = 'L' || p.id",
	})
	sql := fmt.Sprintf("insert into own (a, b, n) select %s from %s", strings.Join(list, ", "), from)
	if g.chance(20) {
		sql += " union all select 'S2', " + map[string]string{"text": "'S3'", "int": "3"}[types[1]] + ", 4"
	}
	if g.chance(35) {
		sql += " on conflict do nothing"
	}
	return sql
}
