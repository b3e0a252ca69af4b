package postgres

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

const copiedSchema = maskSchema + `;
	create table made (id int, ssn text, tail text generated always as (right(ssn, 9)) stored, loud text generated always as (id::text || 'x') stored);
	create table secured (id int, ssn text); alter table secured enable row level security;
	insert into secured values (1, '` + marker + `');
	create schema other; create table other.twins (id int, ssn text, pub text); create table twins (id int, ssn text, pub text);
	insert into twins values (1, '` + marker + `', 'p'); insert into other.twins values (1, 'o', '` + marker + `');
	create table notes (id int, body text, open text); insert into notes values (1, 'x ` + marker + ` y', 'x ` + marker + ` y');
	create table parts (id int, ssn text) partition by list (id); create table part1 partition of parts for values in (1); insert into parts values (1, '` + marker + `');
	create view ruled as select 1 as id, ''::text as ssn; create function shown(int) returns text language sql stable as 'select ssn from patients where id = $1';
	create table calls (id int, n int generated always as (id + 1) stored); insert into calls values (1)`

func copiedRules() []resource.MaskRule {
	return append(maskRules(),
		resource.MaskRule{Columns: []string{"*.made.ssn", "*.secured.ssn", "public.twins.ssn", "other.twins.pub", "public.parts.ssn"}},
		resource.MaskRule{Columns: []string{"public.notes.body"}, Detect: []string{"us-ssn"}})
}

func copySetup(t *testing.T) *gateway {
	return setup(t, copiedSchema, copiedRules()...)
}

func copiedOut(t *testing.T, c *pgx.Conn, sql string) (string, error) {
	var out bytes.Buffer
	_, err := c.PgConn().CopyTo(t.Context(), &out, sql)
	return out.String(), err
}

// COPY TO of what no rule protects comes as it does directly, whatever else the table or
// the query has.
func TestCopyClear(t *testing.T) {
	g := copySetup(t)
	c, tap := g.tapped()
	direct, err := pgx.Connect(t.Context(), shared.pg.DSN(g.target.Database))
	check(t, err)
	t.Cleanup(func() { _ = direct.Close(t.Context()) })
	for _, sql := range []string{
		"copy patients (id, name) to stdout",
		"copy patients (name, id) to stdout (format csv, header, force_quote *)",
		"copy patients (id) to stdout (format binary)",
		"copy kids (id, name) to stdout",
		"copy part1 (id) to stdout",
		"copy calls to stdout",
		"copy made (id) to stdout",
		"copy (select id, name from patients order by id) to stdout",
		"copy (select id, upper(name) as n, 'x' from only patients order by 1) to stdout (format csv, header, delimiter ';')",
		"copy (select name, count(*), count(ssn) from patients group by name order by name) to stdout",
		"copy (select id from v order by id) to stdout (format binary)",
		"copy (with a as (select id, ssn from patients) select id from a order by id) to stdout",
		"copy (select loud from made) to stdout",
		"copy (select id from parts) to stdout",
		"select 1; copy (select id from patients order by id) to stdout",
	} {
		want, err := copiedOut(t, direct, sql)
		check(t, err)
		for range 2 { // what is remembered is right, too
			if got, err := copiedOut(t, c, sql); err != nil || got != want {
				t.Errorf("%s: %v\n got %q\nwant %q", sql, err, got, want)
			}
		}
	}
	_, err = c.Exec(t.Context(), "create temp table mine as select id, ssn as a from patients")
	check(t, err)
	if got, err := copiedOut(t, c, "copy mine (id) to stdout"); err != nil || got != "1\n2\n3\n" {
		t.Errorf("a temporary table: %q, %v", got, err)
	}
	if strings.Contains(tap.String(), marker) {
		t.Error("the client received the marker")
	}
}

// COPY TO with a column that is masked, or of which it is not certain, is refused, and
// says which it is where that is known.
func TestCopyClear_Refuses(t *testing.T) {
	for _, s := range []struct{ sql, columns string }{
		{"copy patients to stdout", "ssn, n, tags"},
		{"copy patients (id, ssn) to stdout", "ssn"},
		{"copy kids to stdout (format binary)", "ssn, n, tags"},
		{"copy patients (ssn) to stdout (format csv, header)", "ssn"},
		{"copy part1 to stdout", "ssn"},
		{"copy (select ssn as name, id from patients) to stdout", "name"},
		{"copy (select id, lower(ssn), 1 + 1, n + 1 from patients) to stdout", "lower, ?column?"},
		{"copy (select other from v) to stdout", "other"},
		{"copy (select max(ssn), count(*) from patients) to stdout", "max"},
		{"copy (select x from (values (1)) a, lateral (select ssn as x from patients) b) to stdout", "x"},
		{"copy (select id, case when ssn like '9%' then 1 end as c from patients) to stdout", "c"},
		{"copy (table patients) to stdout", "ssn, n, tags"},
		{"copy (select p from patients p) to stdout", "p"},
		{"copy (select id from patients union all select length(ssn) from patients) to stdout", "id"},
		{"copy (with a as (select id, ssn as b from patients) select b from a) to stdout", "b"},
		{"copy (select tail from made) to stdout", "tail"},
		{"copy made (id, ssn) to stdout", "ssn"},
		{"copy notes (id, body) to stdout", "body"},
		{"copy (select body from notes) to stdout (format csv)", "body"},
		{"copy secured (id) to stdout", ""},
		{"copy (select id from secured) to stdout", ""},
		{"copy twins (id, ssn) to stdout", ""}, // which of the two the search path says
		{"copy (select pub from twins) to stdout", "pub"},
		{"copy (select ssn from twins) to stdout", "ssn"},
		{"copy v (id) to stdout", ""},
		{"copy parts (id) to stdout", ""},
		{"copy patients (ctid) to stdout", ""},
		{"copy (select shown(1)) to stdout", ""},
		{"copy (select id, shown(id) from patients) to stdout", ""},
		{"copy (update patients set name = ssn where false returning name) to stdout", ""},
		{"copy (delete from patients where false returning id) to stdout", ""},
		{"copy (select id from patients where hint() = 1) to stdout", ""},
		{"alter table patients rename name to x; copy patients (x) to stdout", ""},
		{"create temp table patients as select id, ssn as name from public.patients; copy patients (name) to stdout", ""},
		{"select hint(); copy patients (id) to stdout", ""},
		{"select 1; copy patients (id, ssn) to stdout", "ssn"},
		{"copy patients (id) to stdout; copy patients (ssn) to stdout", ""}, // nothing is known of what stands behind COPY
	} {
		t.Run(s.sql, func(t *testing.T) {
			g := copySetup(t)
			c, tap := g.tapped()
			out, err := copiedOut(t, c, s.sql)
			if state(err) != "42501" || out != "" {
				t.Fatalf("got %q, %v", out, err)
			}
			if want := "masked for you: " + s.columns; s.columns != "" && !strings.HasSuffix(strings.Split(err.Error(), " (SQLSTATE")[0], want) {
				t.Errorf("got %v, want …%s", err, want)
			}
			if strings.Contains(tap.String(), marker) {
				t.Error("the client received the marker")
			}
		})
	}
}

// What changes the meaning of a COPY before, or after it was judged, lets no value out.
func TestCopyClear_OtherMeanings(t *testing.T) {
	sql := "copy patients (id, name) to stdout"
	shadow := "create temp table patients as select id, ssn as name from public.patients"
	rename := "alter table patients rename name to x; alter table patients rename ssn to name"
	for name, steps := range map[string][]step{
		"temporary table":            {{send: msgs(query(shadow)), ready: 1}, {send: msgs(query(sql)), ready: 1}},
		"temporary table, pipelined": {{send: msgs(query(shadow), query(sql)), ready: 2}},
		"temporary table after Bind": {
			{send: msgs(query("begin"), parse("s", sql), bind("p", "s"), syncMsg), ready: 2},
			{send: msgs(query(shadow)), ready: 1},
			{send: msgs(execute("p", 0), syncMsg), ready: 1},
		},
		"temporary table after Bind of what is not protected": {
			{send: msgs(query("begin"), parse("s", "copy calls to stdout"), bind("p", "s"), syncMsg), ready: 2},
			{send: msgs(query("create temp table calls as select id, ssn from patients")), ready: 1},
			{send: msgs(execute("p", 0), syncMsg), ready: 1},
		},
		"temporary table in one batch": {{send: msgs(parse("s", sql), bind("p", "s"), parse("", shadow), bind("", ""), execute("", 0), execute("p", 0), syncMsg), ready: 1}},
		"renamed":                      {{send: msgs(query(rename)), ready: 1}, {send: msgs(query(sql)), ready: 1}},
		"renamed in a transaction":     {{send: msgs(query("begin"), query(rename), query(sql)), ready: 3}},
		"renamed after Parse":          {{send: msgs(parse("s", sql), syncMsg), ready: 1}, {send: msgs(query(rename)), ready: 1}, {send: msgs(bind("", "s"), execute("", 0), syncMsg), ready: 1}},
		"renamed after Bind": {
			{send: msgs(query("begin"), parse("s", sql), bind("p", "s"), syncMsg), ready: 2},
			{send: msgs(query(rename)), ready: 1},
			{send: msgs(execute("p", 0), syncMsg), ready: 1},
		},
		"another search path": {
			{send: msgs(query("create schema a; create table a.patients as select id, ssn as name from public.patients")), ready: 1},
			{send: msgs(query("set search_path = a, public"), query(sql)), ready: 2},
		},
		"by EXECUTE": {{send: msgs(parse("s", "copy patients (id, ssn) to stdout"), syncMsg), ready: 1}, {send: msgs(query("execute s")), ready: 1}},
		"a rule": {
			{send: msgs(query(`create rule "_RETURN" as on select to ruled do instead select 1 as id, ssn from patients limit 1`)), ready: 1},
			{send: msgs(query("copy (select id, ssn from ruled) to stdout")), ready: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := copySetup(t)
			g.inherits(copiedRules())
			c := rawConn(t, g.dsn())
			var all []string
			for _, s := range steps {
				all = append(all, c.exchange(s))
			}
			if got := strings.Join(all, "\n"); strings.Contains(got, marker) || strings.Contains(got, fmt.Sprintf("%x", marker)) {
				t.Errorf("the client received the marker: %s", got)
			}
		})
	}
}

// Somebody else changes the table while COPY waits for it: what was judged is no more.
func TestCopyClear_ChangedWhileItWaited(t *testing.T) {
	for name, c := range map[string]struct{ change, want string }{
		"renamed":         {"alter table patients rename name to x; alter table patients rename ssn to name", ""},
		"not in question": {"create table something (a int)", "1\tAnn\n2\tBob\n"},
	} {
		t.Run(name, func(t *testing.T) {
			g := copySetup(t)
			conn, tap := g.tapped()
			other, err := pgx.Connect(t.Context(), shared.pg.DSN(g.target.Database))
			check(t, err)
			t.Cleanup(func() { _ = other.Close(t.Context()) })
			exec := func(sql string) {
				t.Helper()
				_, err := other.Exec(t.Context(), sql)
				check(t, err)
			}
			exec("begin; lock table patients in access exclusive mode; " + c.change)
			type answer struct {
				out string
				err error
			}
			got := make(chan answer)
			go func() {
				out, err := copiedOut(t, conn, "copy patients (id, name) to stdout")
				got <- answer{out, err}
			}()
			for waits := false; !waits; {
				check(t, other.QueryRow(t.Context(), "select exists (select from pg_locks where not granted and relation = 'patients'::regclass)").Scan(&waits))
			}
			exec("commit")
			a := <-got
			if a.out != c.want || (a.err == nil) != (c.want != "") {
				t.Errorf("got %q, %v", a.out, a.err)
			}
			if strings.Contains(tap.String(), marker) {
				t.Error("the client received the marker")
			}
		})
	}
}

func TestCopyHides_NamesFew(t *testing.T) {
	names := slices.Repeat([]string{"a"}, maxNamed+3)
	if got, want := hoop.AsError(copyHides(names)).Message, fmt.Sprintf("COPY TO would deliver values that are masked for you: %s and 3 more", strings.Join(names[:maxNamed], ", ")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
