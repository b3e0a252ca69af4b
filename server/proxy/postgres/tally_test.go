package postgres

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A row that was changed was not disclosed, and one that was disclosed was not changed,
// but where RETURNING does both: whatever a text is sent as, its result tells them apart.
func TestResult_RowsGivenAndRowsChanged(t *testing.T) {
	g := setup(t, `create table notes (id int, txt text); insert into notes select n, 'n' from generate_series(1, 10) n;
		create function two() returns setof int language sql begin atomic select 1 union all select 2; end`)
	c := g.connect()
	pc := c.PgConn()
	seen := 0
	told := func() string {
		t.Helper()
		var all []string
		results := g.audit.Of(hoop.EventResult)
		for _, e := range results[seen:] {
			all = append(all, fmt.Sprintf("%d given %d changed", e.Result.Rows, e.Result.Changed))
		}
		seen = len(results)
		return strings.Join(all, "; ")
	}
	for _, tc := range []struct{ sql, want string }{
		{"select id from notes", "10 given 0 changed"},
		{"select id from notes where false", "0 given 0 changed"},
		{"select from notes", "10 given 0 changed"},
		{"insert into notes values (11, 'a'), (12, 'b')", "0 given 2 changed"},
		{"insert into notes values (13, 'c') returning id", "1 given 1 changed"},
		{"update notes set txt = 'u' where id < 4", "0 given 3 changed"},
		{"update notes set txt = 'u' where id < 4 returning txt", "3 given 3 changed"},
		{"delete from notes where id = 13", "0 given 1 changed"},
		{"delete from notes where id > 10 returning id", "2 given 2 changed"},
		{"merge into notes n using (values (1), (99)) v(id) on n.id = v.id when matched then update set txt = 'm' when not matched then insert values (v.id, 'm')", "0 given 2 changed"},
		{"with gone as (delete from notes where id = 99 returning id) select id from gone", "1 given 0 changed"},
		{"create table kept as select id from notes", "0 given 10 changed"},
		{"select id into kept2 from notes where id < 3", "0 given 2 changed"},
		{"select two()", "2 given 0 changed"},
		{"explain (costs off) insert into notes values (1)", "2 given 0 changed"},
		{"truncate kept2", "0 given 0 changed"},
		{"insert into notes values (14, 'd'); select id from notes where id < 3; update notes set txt = 'v' where id = 14", "2 given 2 changed"},
		{"select id from notes where id < 3; create table kept3 as select id from notes where id < 5", "2 given 4 changed"},
		{`copy notes from program 'printf "71\tx\n72\ty\n"'`, "0 given 2 changed"},
		{"copy notes to program 'cat >/dev/null'", "0 given 0 changed"},
		{"select 1/0", "0 given 0 changed"},
	} {
		_, err := pc.Exec(t.Context(), tc.sql).ReadAll()
		if got := told(); got != tc.want {
			t.Errorf("%s: %s, want %s (%v)", tc.sql, got, tc.want, err)
		}
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := pc.Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	exec("prepare put(int) as insert into notes values ($1, 'p')")
	exec("prepare ask(int) as select id from notes where id <= $1")
	told()
	for sql, want := range map[string]string{
		"execute put(15)": "0 given 1 changed",
		"execute ask(4)":  "4 given 0 changed",
	} {
		if exec(sql); told() != want {
			t.Errorf("%s: want %s", sql, want)
		}
	}
	exec("begin; declare c cursor for select id from notes where id <= 6")
	told()
	for _, tc := range []struct{ sql, want string }{{"fetch 4 from c", "4 given 0 changed"}, {"move 1 from c", "0 given 0 changed"}, {"fetch all from c", "1 given 0 changed"}} {
		exec(tc.sql)
		if got := told(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.sql, got, tc.want)
		}
	}
	exec("commit")
	told()

	for sql, want := range map[string]string{
		"copy (select id from notes where id <= 7) to stdout":                           "7 given 0 changed",
		"copy (select id from notes where id <= 7) to stdout with (format csv, header)": "7 given 0 changed",
		"copy (select id from notes where id <= 7) to stdout with (format binary)":      "7 given 0 changed",
	} {
		if _, err := pc.CopyTo(t.Context(), new(bytes.Buffer), sql); err != nil {
			t.Fatal(err)
		}
		if got := told(); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	if _, err := pc.CopyFrom(t.Context(), strings.NewReader("81\tq\n82\tr\n83\ts\n"), "copy notes from stdin"); err != nil {
		t.Fatal(err)
	}
	if got := told(); got != "0 given 3 changed" {
		t.Errorf("COPY FROM STDIN: %s", got)
	}

	const int4pl = 177 // pg_proc.dat
	if err := batch(t, pc, &pgproto3.FunctionCall{Function: int4pl, Arguments: [][]byte{[]byte("1"), []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	if got := told(); got != "1 given 0 changed" {
		t.Errorf("FunctionCall: %s", got)
	}

	// The extended protocol, with a limit, and with a portal that is left half read.
	extended := func(sql string, limit uint32) {
		t.Helper()
		res := batch(t, pc, &pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: limit}, &pgproto3.Sync{})
		if res != nil {
			t.Fatal(res)
		}
	}
	for _, tc := range []struct {
		sql   string
		limit uint32
		want  string
	}{
		{"update notes set txt = 'w' where id < 3", 0, "0 given 2 changed"},
		{"update notes set txt = 'w' where id < 3 returning id", 0, "2 given 2 changed"},
		{"select id from notes where id <= 6", 0, "6 given 0 changed"},
		{"select id from notes where id <= 6", 2, "2 given 0 changed"},
		{"create table kept4 as select id from notes where id < 5", 0, "0 given 4 changed"},
	} {
		extended(tc.sql, tc.limit)
		exec("select from notes where false") // the portal's result, where it was left
		if got, _, _ := strings.Cut(told(), ";"); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.sql, got, tc.want)
		}
	}
	check(t, c.Close(t.Context()))
	check(t, g.ended())
}

// batch sends messages and reads up to ReadyForQuery.
func batch(t *testing.T, pc *pgconn.PgConn, messages ...pgproto3.FrontendMessage) error {
	t.Helper()
	f := pc.Frontend()
	for _, m := range messages {
		f.Send(m)
	}
	if err := f.Flush(); err != nil {
		return err
	}
	for {
		m, err := f.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("%s: %s", m.Code, m.Message)
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}
