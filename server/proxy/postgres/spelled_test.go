package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/mask"
	"github.com/hoopctl/hoopctl/server/resource"
)

// Once code that nobody has read has run, a name of a column that the client did not write
// itself may be a value; so may the number of a column and a type's modifier.
func TestDescription_NamesOnceCodeHasRun(t *testing.T) {
	g := setup(t, `create table renamed ("`+marker+`" numeric(917, 5), plain text); insert into renamed values (1, 'x')`, maskRules()...)
	rules := maskRules()
	for i := range rules {
		rules[i].Targets, rules[i].With = []string{"*"}, resource.Redact
	}
	set, err := mask.Compile(rules, map[string][]string{"pg": {"*"}}, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	g.masks.set = set
	for sql, want := range map[string]string{
		"select * from renamed":                                "column1,column2",
		"table renamed":                                        "column1,column2",
		"select r.*, plain as other from renamed r":            "column1,column2,column3",
		"select (select * from (select plain from renamed) x)": "column1",
		"update renamed set plain = 'y' returning *":           "column1,column2",
		"select plain, upper(plain), 1 from renamed":           "plain,upper,?column?",
		"values (1, 2)":                                        "column1,column2",
		"delete from renamed where false returning plain":      "plain",
		"explain select * from renamed":                        "QUERY PLAN",
		"show search_path":                                     "column1",
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec} {
			conn, tap := g.tapped()
			rows, err := conn.Query(t.Context(), sql, mode)
			if err != nil {
				t.Fatal(err)
			}
			rows.Close()
			var names []string
			for _, f := range rows.FieldDescriptions() {
				names = append(names, f.Name)
				if f.TableOID != 0 || f.TableAttributeNumber != 0 || f.TypeModifier != -1 {
					t.Errorf("%s: %+v", sql, f)
				}
			}
			if got := strings.Join(names, ","); rows.Err() != nil || got != want || strings.Contains(tap.String(), marker) {
				t.Errorf("%s, %s: %s, want %s, %v", sql, mode, got, want, rows.Err())
			}
		}
	}
	conn, tap := g.tapped()
	for _, sql := range []string{"prepare p as select * from renamed", "execute p", "begin", "declare c cursor for table renamed", "fetch c"} {
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.PgConn().Prepare(t.Context(), "s", "execute p", nil); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(tap.String(), marker) {
		t.Error("a name came by EXECUTE or FETCH")
	}
}
