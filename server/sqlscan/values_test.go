package sqlscan

import (
	"slices"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// given makes values of texts; "?" is one that is not known, "NULL" is NULL.
func given(texts ...string) []Value {
	out := []Value{}
	for _, text := range texts {
		switch text {
		case "?":
			out = append(out, Value{})
		case "NULL":
			out = append(out, Value{Null: true, Known: true})
		default:
			out = append(out, Value{Text: text, Known: true})
		}
	}
	return out
}

// What a statement changes has a limit or none by the values of its parameters.
func TestAnalyze_Values(t *testing.T) {
	const least, last = "-9223372036854775808", "9223372036854775807"
	for _, c := range []struct {
		where     string
		all, some [][]string // values with which every row may change, and with which not
		not       bool       // no value makes a difference
		always    bool       // it has no limit whatever they are
	}{
		{where: "note LIKE $1", all: [][]string{{"%"}, {"%%"}, {"_%"}, {""}, {"?"}}, some: [][]string{{"a%"}, {"%x%"}, {"NULL"}}},
		{where: "note ILIKE $1::varchar(1)", all: [][]string{{"%"}, {"%abc"}}, some: [][]string{{"a%"}}},
		{where: "note NOT LIKE $1", all: [][]string{{"?"}}, some: [][]string{{"a%"}}},
		{where: "note LIKE $1 ESCAPE '!'", all: [][]string{{"%"}}, some: [][]string{{"!%"}, {"x%"}}},
		{where: "note SIMILAR TO $1", all: [][]string{{"%"}, {"a|%"}}, some: [][]string{{"a%"}}},
		{where: "note LIKE '%' || $1 || '%'", all: [][]string{{""}, {"%"}, {"?"}}, some: [][]string{{"x"}, {"NULL"}}},
		{where: "note LIKE concat('%', $1, '%')", all: [][]string{{""}, {"NULL"}}, some: [][]string{{"x"}}},
		{where: "upper(note) LIKE upper($1::text)", all: [][]string{{"%"}}, some: [][]string{{"x%"}}},
		{where: "note LIKE coalesce($1, '%')", all: [][]string{{"NULL"}, {"%"}}, some: [][]string{{"x"}}},
		{where: "note LIKE replace($1, '*', '%')", all: [][]string{{"*"}}, some: [][]string{{"x*"}}},
		{where: "note LIKE translate($1, '*', '%')", all: [][]string{{"*"}, {"x"}}},
		{where: "note ~ $1", all: [][]string{{".*"}, {""}, {"a|"}, {"?"}}, some: [][]string{{"^a"}, {"^555"}}},
		{where: "note !~ $1", all: [][]string{{"?"}}, some: [][]string{{"^a"}}},
		{where: "note ^@ $1", all: [][]string{{""}}, some: [][]string{{"a"}}},
		{where: "data @> $1", all: [][]string{{"{}"}, {"[]"}, {" { } "}, {"?"}}, some: [][]string{{`{"a": 1}`}, {"NULL"}}},
		{where: "data @> $1::jsonb", all: [][]string{{"{}"}}, some: [][]string{{`{"a": {}}`}}},
		{where: "data ?& $1", all: [][]string{{"{}"}}, some: [][]string{{"{a}"}}},
		{where: "tags @> $1", all: [][]string{{"{}"}}, some: [][]string{{"{a}"}}},
		{where: "tags && $1", all: [][]string{{"?"}}, some: [][]string{{"{a,b}"}}},
		{where: "tags && string_to_array($1, ',')", all: [][]string{{""}}, some: [][]string{{"a,b"}}},
		{where: "tags @> ARRAY[$1]", some: [][]string{{"a"}, {"?"}}, not: true},
		{where: "data @> jsonb_build_object('a', $1::text)", some: [][]string{{"a"}, {"?"}}, not: true},
		{where: "int8range(id, id + 1) && int8range($1, $2)", all: [][]string{{"NULL", "NULL"}}, always: true},
		{where: "$1::int8range @> id", all: [][]string{{"(,)"}, {"?"}}, some: [][]string{{"[1,5)"}}},
		{where: "id > $1", all: [][]string{{least}, {"-9223372036854775808"}, {"-9300000000000000000"}, {"?"}}, some: [][]string{{"5"}, {"-2147483648"}, {"NULL"}}},
		{where: "$1 < id", all: [][]string{{least}, {"?"}}, some: [][]string{{"5"}}},
		{where: "id <= $1", all: [][]string{{last}, {"9_223_372_036_854_775_807"}, {"0x7fffffffffffffff"}, {"\t9223372036854775807\n"}}, some: [][]string{{"5"}}},
		{where: "id BETWEEN $1 AND $2", all: [][]string{{least, last}, {"?", "5"}}, some: [][]string{{"1", "5"}, {least, "5"}}},
		{where: "id NOT BETWEEN $1 AND $2", all: [][]string{{"5", "1"}, {"?", "?"}}, some: [][]string{{"1", "5"}}},
		{where: "(id, name) > ($1, $2)", all: [][]string{{least, ""}, {"?", "a"}}, some: [][]string{{"5", "a"}}},
		{where: "updated < $1", all: [][]string{{"infinity"}, {" Infinity "}, {"?"}}, some: [][]string{{"2030-01-01"}}},
		{where: "updated < now() - $1::interval", all: [][]string{{"?"}}, some: [][]string{{"1 day"}}},
		{where: "born > $1", all: [][]string{{"-infinity"}, {"4714-11-24 BC"}}, some: [][]string{{"2000-01-01"}}},
		{where: "name >= $1", all: [][]string{{""}}, some: [][]string{{"a"}}},
		{where: "active = ANY ($1)", all: [][]string{{"{t,f}"}, {"{true, false}"}, {`{"t",f,t}`}, {"?"}, {"{{t},{f}}"}}, some: [][]string{{"{t}"}, {"{}"}, {"{f,NULL}"}}},
		{where: "active IN ($1, $2)", all: [][]string{{"t", "f"}, {"?", "f"}, {"on", "0"}}, some: [][]string{{"t", "t"}}},
		{where: "active > $1", all: [][]string{{"f"}, {"t"}}},
		{where: "name LIKE ANY ($1)", all: [][]string{{"{a,%}"}, {"?"}}, some: [][]string{{"{a%,b}"}}},
		{where: "id > ANY ($1)", all: [][]string{{"{5," + least + "}"}, {"?"}}, some: [][]string{{"{5}"}}},
		{where: "id <> ANY ($1)", all: [][]string{{"{1,2}"}, {"{1}"}}, always: true},
		{where: "id IN (SELECT patient_id FROM clinic.visits WHERE reason LIKE $1)", all: [][]string{{"%"}, {"?"}}, some: [][]string{{"a%"}}},
		{where: "EXISTS (SELECT FROM clinic.visits v WHERE v.patient_id = patients.id AND v.reason LIKE $1)", all: [][]string{{"%"}}, some: [][]string{{"a"}}},
		{where: "name = 'x' AND note LIKE $1", some: [][]string{{"%"}, {"?"}}, not: true},
		{where: "note LIKE $1 OR id = 1", all: [][]string{{"%"}}, some: [][]string{{"a%"}}},
		{where: "NOT note LIKE $1", all: [][]string{{"?"}}, some: [][]string{{"a%"}}},
		{where: "note LIKE $2 AND name LIKE $1", all: [][]string{{"%", "%"}, {"?", "%"}}, some: [][]string{{"a", "%"}, {"%", "a"}}},
		{where: "id = $1", some: [][]string{{"5"}, {least}, {"?"}}, not: true},
		{where: "id = ANY ($1)", some: [][]string{{"{1,2}"}, {"?"}}, not: true},
		{where: "id IN ($1, $2)", some: [][]string{{"1", "0"}, {"?", "?"}}, not: true},
		{where: "id IN (SELECT $1::bigint)", some: [][]string{{"1"}, {"?"}}, not: true},
		{where: "$1", all: [][]string{{"t"}, {"?"}}, always: true},
		{where: "$1 = $1", all: [][]string{{"1"}}, always: true},
		{where: "id = id OR $1", all: [][]string{{"t"}}, always: true},
		{where: "id = 1 OR $1", all: [][]string{{"t"}}, always: true},
		{where: "coalesce(name, $1) = $1", all: [][]string{{"x"}}, always: true},
		{where: "coalesce(active, $1)", all: [][]string{{"t"}}, always: true},
	} {
		for _, verb := range []string{"UPDATE clinic.patients SET mrn = 'x' WHERE ", "DELETE FROM clinic.patients WHERE "} {
			sql := verb + c.where
			a := analyze(t, sql)
			if got, want := a.Swayed, !c.not && !c.always; got != want {
				t.Errorf("%s: swayed %t", sql, got)
			}
			if got := a.Has(hoop.EffectUnboundedWrite); got != c.always {
				t.Errorf("%s without values: %s", sql, summary(a))
			}
			p, err := pool.Parse(t.Context(), sql)
			if err != nil {
				t.Fatal(err)
			}
			for _, values := range slices.Concat(c.all, c.some) {
				with := Analyze(p, snap, Lineage{Values: given(values...)})
				all := slices.ContainsFunc(c.all, func(v []string) bool { return slices.Equal(v, values) })
				if with.Has(hoop.EffectUnboundedWrite) != all || with.Has(hoop.EffectWrite) == all {
					t.Errorf("%s with %q: %s", sql, values, summary(with))
				}
			}
		}
	}
}
