package lineage

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// protected are the columns in which the databases of the oracle differ.
var protected = map[string]bool{
	"clinic.patients.ssn": true, "clinic.patients.mrn": true, "clinic.patients.n": true, "clinic.patients.tags": true,
	"clinic.patients.data": true, "clinic.patients.home": true, "clinic.codes.ssn": true, "clinic.child.secret": true,
	"clinic.made.ssn": true, "clinic.made.tail": true,
}

// fill makes databases that differ in protected values only: their text and order in
// variant 1, which of them are NULL or the same in variant 2.
func fill(t *testing.T, conn *pgx.Conn, variant int) {
	t.Helper()
	schema, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	secret := func(i int) string {
		switch variant {
		case 1:
			return fmt.Sprintf("'9%03d-%04d'", 700-i*31%100, 7000-i)
		case 2:
			if i%3 == 0 {
				return "null"
			}
			return "'x000-1111'"
		}
		return fmt.Sprintf("'1%03d-%04d'", 100+i, 2000+i)
	}
	num := func(i int) int { return [3]int{i % 4, 3 - i%4, i * 7 % 5}[variant] }
	var b strings.Builder
	b.Write(schema)
	for i := range 6 {
		fmt.Fprintf(&b, "insert into clinic.patients values (%d, 'S%d', %s, %s, %d, array[%[3]s, 'S1'], jsonb_build_object('k', %[3]s, 'n', %[5]d), row(%[3]s, %[4]s));\n",
			i, i%3, secret(i), secret(i+3), num(i))
		fmt.Fprintf(&b, "insert into clinic.events values (%d, %d, 'S%d', %d.5, '2024-01-0%d', '{\"k\": \"S%d\"}', array[%d, 2]);\n", i, i%4, i%2, i, i+1, i%2, i)
		fmt.Fprintf(&b, "insert into clinic.codes values ('S%d', 'L%d', %s);\n", i%3, i, secret(i+6))
		fmt.Fprintf(&b, "insert into clinic.base values (%d, 'L%d'); insert into clinic.child values (%[1]d, 'C%[1]d', %[3]s);\n", i, i%2, secret(i+9))
		fmt.Fprintf(&b, "insert into clinic.made (id, ssn, kind) values (%d, %s, 'S%d');\n", i, secret(i+12), i%3)
	}
	b.WriteString("refresh materialized view clinic.stored; refresh materialized view clinic.m_codes;")
	if _, err := conn.Exec(t.Context(), b.String()); err != nil {
		t.Fatal(err)
	}
}

func databases(t *testing.T) []*pgx.Conn {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	var out []*pgx.Conn
	for v := range 3 {
		name := fmt.Sprintf("%s%d", strings.ToLower(t.Name()), v)
		if _, err := admin.Exec(t.Context(), "create database "+name+" strategy file_copy"); err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), server.DSN(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		fill(t, conn, v)
		out = append(out, conn)
	}
	return out
}

// answer runs a statement and rolls it back.
func answer(t *testing.T, conn *pgx.Conn, sql string) (*pgconn.Result, error) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "begin; set local statement_timeout = '5s'"); err != nil {
		t.Fatal(err)
	}
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if _, err := conn.Exec(t.Context(), "rollback; deallocate all"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sql, "clinic.codes c") || strings.Contains(sql, "insert") {
		// Dead rows would take up room by the length of what they hold, and change plans.
		if _, err := conn.Exec(t.Context(), "vacuum clinic.codes"); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		return nil, err
	}
	return results[len(results)-1], nil
}

// Columns that are not masked have the same values, in the same order, in databases that
// differ in protected values only: those that lineage calls clear, and those that it does
// not know of statements that read nothing protected. Masked ones look the same. The
// statements are made at random; conditions of the statement itself are on columns that
// are not protected.
// HOOP_LINEAGE_STATEMENTS sets their number, HOOP_LINEAGE_SEED the first seed.
func TestOutputs_Oracle(t *testing.T) {
	number, seed := fromEnv(t, "HOOP_LINEAGE_STATEMENTS", 380), fromEnv(t, "HOOP_LINEAGE_SEED", 1)
	conns := databases(t)
	var ran, alone, columns, cleared, could, found, shuffled, shown, landed int
	for i := range number {
		g := newGenerator(uint64(seed + i))
		sql, taints := g.statement()
		p := parse(t, sql)
		command := g.command
		if command < 0 {
			command = len(p.Tree.GetStmts()) - 1
		}
		out := Outputs(p, command, snap)
		st := reading(sqlscan.Analyze(p, snap, sqlscan.Lineage{Local: Local, View: View}))
		checks := []judged{{st, out}}
		if apart, ok := g.apart(t, sql); ok {
			checks = append(checks, apart)
			alone++
		}
		var answers []*pgconn.Result
		var failure error
		for _, conn := range conns {
			res, err := answer(t, conn, sql)
			if err != nil {
				failure = err
				break
			}
			answers = append(answers, res)
		}
		if failure != nil {
			if os.Getenv("HOOP_LINEAGE_ERRORS") != "" {
				t.Logf("seed %d: %v\n%s", seed+i, failure, sql)
			}
			continue
		}
		ran++
		if lands(t, sql) {
			landed++
			for v, other := range answers[1:] {
				if was, is := rows(answers[0]), rows(other); !slices.Equal(was, is) {
					t.Errorf("seed %d: a table of it is no copy, and differs in variant %d\n%s\n%q\n%q", seed+i, v+1, sql, was, is)
				}
			}
		}
		first := answers[0]
		if len(first.Rows) == 0 { // pgconn does not say which columns there are
			continue
		}
		for _, j := range checks {
			if j.out != nil && len(j.out) != len(first.FieldDescriptions) {
				t.Errorf("seed %d: %d outputs, the server has %d columns\n%s", seed+i, len(j.out), len(first.FieldDescriptions), sql)
				continue
			}
			for c := range first.FieldDescriptions {
				free := c < len(taints) && !taints[c] && !g.called
				columns++
				if free {
					could++
				}
				var o Output // nothing is known
				if j.out != nil {
					o = j.out[c]
				}
				was, hidden := seen(t, first, c, o, j.st)
				if hidden {
					shown++
				} else if cleared++; free {
					found++
				}
				for v, other := range answers[1:] {
					if hidden && v > 0 {
						break // variant 1 has NULLs and sizes where the first has them
					}
					is, _ := seen(t, other, c, o, j.st)
					if slices.Equal(was, is) {
						continue
					}
					// Rows without ORDER BY, and those of equal keys, come in any order.
					slices.Sort(was)
					slices.Sort(is)
					if slices.Equal(was, is) {
						if !hidden && !g.ordered {
							shuffled++
						}
						continue
					}
					t.Errorf("seed %d: column %d (%s, reads %v, opaque %v) is hidden: %v, and differs in variant %d\n%s\n%q\n%q",
						seed+i, c, summary(j.out), j.st.Reads, j.st.Opaque, hidden, v+1, sql, was, is)
					break
				}
			}
		}
	}
	t.Logf("%d statements ran, %d read as messages of their own too, %d columns, %d clear, %d masked; of %d that hold nothing protected lineage found %d; %d copy nothing", ran, alone, columns, cleared, shown, could, found, landed)
	if landed < number/20 {
		t.Errorf("only %d statements copy nothing protected", landed)
	}
	if shuffled > columns/100 {
		t.Errorf("%d clear columns come in another order", shuffled)
	}
	if alone < number/20 {
		t.Errorf("only %d statements could be read as messages of their own", alone)
	}
	if ran < number*8/10 {
		t.Errorf("only %d of %d statements ran", ran, number)
	}
	if found < could*8/10 {
		t.Errorf("lineage found only %d of %d columns that hold nothing protected", found, could)
	}
}

// lands reports whether a table made of a query is no copy of protected data.
func lands(t *testing.T, sql string) bool {
	t.Helper()
	p := parse(t, sql)
	if q := p.Tree.GetStmts()[0].GetStmt().GetSelectStmt(); q == nil || makesTable(q) || len(p.Tree.GetStmts()) > 1 {
		return false
	}
	a := sqlscan.Analyze(parse(t, "create table clinic.landing as "+sql), snap, sqlscan.Lineage{Local: Local, Stored: Stored, View: View})
	st := reading(a)
	st.Uses = a.Uses
	return !slices.ContainsFunc(redacted().For(hoop.Identity{}, "pg").Uses(st), func(u hoop.Use) bool { return u.Effect == hoop.EffectDerive })
}

// rows gives the rows of an answer in an order that says nothing.
func rows(r *pgconn.Result) (out []string) {
	for _, row := range r.Rows {
		out = append(out, fmt.Sprintf("%q", row))
	}
	slices.Sort(out)
	return out
}

// What tells of protected values by its shape does not once it is masked, and would if
// lineage took it for a shape of stored values.
func TestOutputs_OracleOfShapes(t *testing.T) {
	conns := databases(t)
	for _, x := range []string{
		"array_fill(0, array[n + 1])", "case when n > 1 then ssn end", "nullif(ssn, '1101-2001')", "string_to_array(repeat('a,', n), ',')",
		"to_jsonb(array_fill(0, array[n + 1]))", "jsonb_strip_nulls(jsonb_build_object('a', nullif(n, 1)))", "coalesce(nullif(ssn, '1101-2001'), null)",
		"array(select 1 from generate_series(0, n))", "array_remove(tags, '1101-2001')", "(select ssn where n > 1)", "array[tags[n + 1]]", "data -> case when n > 1 then 'k' end",
	} {
		sql := "select " + x + " from clinic.patients order by id"
		out := Outputs(parse(t, sql), 0, snap)
		var hidden, shown [2][]string
		for v := range hidden {
			res, err := answer(t, conns[v], sql)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			hidden[v] = masked(t, res, 0, out[0])
			lax := out[0]
			lax.Shaped = true
			shown[v] = masked(t, res, 0, lax)
		}
		if !slices.Equal(hidden[0], hidden[1]) {
			t.Errorf("%s (%s): %q and %q", sql, summary(out), hidden[0], hidden[1])
		}
		if slices.Equal(shown[0], shown[1]) {
			t.Errorf("%s tells nothing by its shape either: %q", sql, shown[0])
		}
	}
}

// masked is what a client sees of a column where every protected one is redacted.
func masked(t *testing.T, r *pgconn.Result, c int, o Output) []string {
	t.Helper()
	out, _ := seen(t, r, c, o, &hoop.Statement{Reads: []string{"clinic.patients"}})
	return out
}

// judged is how the gateway reads a text: what it can read, and what lineage knows of the
// columns of its answer.
type judged struct {
	st  *hoop.Statement
	out []Output
}

func reading(a *sqlscan.Analysis) *hoop.Statement {
	return &hoop.Statement{Reads: a.Reads, Opaque: a.Opaque}
}

// apart reads the last command of a text as one of its own, in a session that did those
// before it; ok is false where that does not tell what they did.
func (g *generator) apart(t *testing.T, sql string) (j judged, ok bool) {
	t.Helper()
	parts := strings.Split(sql, "; ")
	if len(parts) < 2 || g.command >= 0 {
		return j, false
	}
	cat := snap
	for _, part := range parts[:len(parts)-1] {
		p := parseIn(t, part, cat)
		a := sqlscan.Analyze(p, cat, sqlscan.Lineage{Local: Local, View: View})
		if a.Temp || a.DDL {
			return j, false
		}
		cat = cat.After(a.Commands[0].Local)
	}
	p := parseIn(t, parts[len(parts)-1], cat)
	return judged{reading(sqlscan.Analyze(p, cat, sqlscan.Lineage{Local: Local, View: View})), Outputs(p, 0, cat)}, true
}

// seen is what a client sees of a column where every protected one is redacted, and
// whether that hides it.
func seen(t *testing.T, r *pgconn.Result, c int, o Output, st *hoop.Statement) (out []string, hidden bool) {
	t.Helper()
	oid := r.FieldDescriptions[c].DataTypeOID
	typ := snap.Type(oid)
	if typ == nil || oid >= 16384 { // numbered otherwise in each database
		typ = &hoop.Type{OID: oid, Kind: hoop.TypeUnknown, Mod: -1}
	}
	col := hoop.Column{Type: typ, Derived: o.Known, Plain: o.Plain, Shaped: o.Shaped, Origins: o.Origins}
	tr := redacted().For(hoop.Identity{}, "pg").Plan(st, []hoop.Column{col}).Columns[0]
	if tr == nil {
		return values(r, c), false
	}
	for _, row := range r.Rows {
		v, null, _ := tr.Append(nil, row[c])
		out = append(out, fmt.Sprintf("%v %s", null, v))
	}
	return out, true
}

// redacted is rules that redact every protected column.
var redacted = sync.OnceValue(func() *mask.Set {
	rule := resource.MaskRule{Targets: []string{"*"}, With: resource.Redact}
	for name := range protected {
		rule.Columns = append(rule.Columns, name)
	}
	set, err := mask.Compile([]resource.MaskRule{rule}, nil, nil)
	if err != nil {
		panic(err)
	}
	return set
})

func values(r *pgconn.Result, c int) []string {
	var out []string
	for _, row := range r.Rows {
		v := "NULL"
		if row[c] != nil {
			v = "=" + string(row[c])
		}
		out = append(out, v)
	}
	return out
}

func fromEnv(t *testing.T, name string, value int) int {
	if s := os.Getenv(name); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	return value
}
