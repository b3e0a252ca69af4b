package postgres

import (
	"strings"
	"testing"
)

// A column that the target generates from a protected one is protected with it, and one
// that it generates from others is not.
func TestMask_GeneratedColumns(t *testing.T) {
	rules := maskRules()
	rules[0].Columns = []string{"public.made.ssn", "public.part_a.ssn"}
	g := setup(t, maskSchema+`;
		create table made (name text, ssn text, tail text generated always as (right(ssn, 9)) stored, loud text generated always as (upper(name)) stored);
		insert into made values ('Ann', '`+marker+`');
		create table part (like made including generated) partition by list (name);
		create table part_a partition of part for values in ('Ann'); insert into part values ('Ann', '`+marker+`')`, rules...)
	c, tap := g.tapped()
	for sql, want := range map[string]string{
		"select tail, loud from made":                        "[masked]|ANN",
		"select tail || '', loud || '' from made":            "[masked]|ANN",
		"select tail, loud from part":                        "[masked]|ANN",
		"select t.tail, t.loud from (select * from part) t":  "[masked]|ANN",
		"insert into made values ('x') returning tail, loud": "[masked]|X",
	} {
		results, err := c.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var row []string
		for _, v := range results[0].Rows[0] {
			row = append(row, string(v))
		}
		if got := strings.Join(row, "|"); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
	if got := tap.String(); strings.Contains(got, "55-1234") {
		t.Error("the client received the marker's end")
	}
}
