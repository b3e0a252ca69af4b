package explain_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/servertest"
)

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(m.Run())
}

const schema = `
	create domain code as text check (value <> '');
	create table patients (
		id int primary key, name text, ssn text, phone text, born date, tags text[], code code, note text,
		initials text generated always as (left(ssn, 3)) stored);
	insert into patients values
		(1, 'Ann', '917-55-1234', '555-0100', '1930-02-03', array['917-55-1234'], 'c1', 'ssn 917-55-1234 said Ann'),
		(2, 'Bob 917-55-9999', '917-55-5678', '555-0199', '1980-02-03', null, 'c2', 'nothing');
	create table kids () inherits (patients);
	insert into kids values (3, 'Kid', '917-55-4321', '555-0142', '2020-01-01', '{}', 'c3', null);
	create table wards (id int, title text);
	insert into wards values (1, 'west'), (2, 'call 917-55-7777');
	create view v as select id, name, ssn as other from patients;
	create function f(int) returns text language sql stable as 'select ssn from patients where id = $1';
	create function h(int) returns text language plpgsql as 'declare s text; begin execute ''select ssn from patients where id = $1'' into s using $1; return s; end';
	create function g(int) returns text language plpgsql as 'begin return (select ssn from patients where id = $1); end'`

const masks = `
---
kind: Target
name: pg-counted
spec:
  type: postgres
  address: ${ADDRESS}
  database: postgres
  tls: disable
  inference_limits: [{columns: [public.patients.ssn], values: 2, scans: 2, per: 1h}]
  export_budgets: [{tables: [public.wards], rows: 1, per: 1h}]
  credential: {username: postgres, password: {value: "${PASSWORD}"}}
---
kind: MaskRule
name: numbers
spec: {targets: [pg-prod, pg-counted], columns: [public.patients.ssn, public.patients.tags, public.patients.code], with: redact, except: [privacy]}
---
kind: MaskRule
name: phones
spec: {targets: [pg-prod], columns: [public.patients.phone], with: partial, last: 2, except: [privacy]}
---
kind: MaskRule
name: births
spec: {targets: [pg-prod], columns: [public.patients.born], with: year, except: [privacy]}
---
kind: MaskRule
name: notes
spec: {targets: [pg-prod], columns: [public.patients.note], detect: [us-ssn], with: redact, except: [privacy]}
---
kind: MaskRule
name: anywhere
spec: {targets: [pg-prod], detect: [us-ssn], with: redact, except: [privacy, readers]}
---
kind: ServiceAccount
name: reader
spec: {groups: [agents, readers], owner: data-team, secret: {value: reader-secret}}
---
kind: GroupRole
name: approvers
spec: {group: dba, role: approver}
---
kind: StatementRule
name: code-runs
spec: {targets: [pg-prod], groups: [readers], effects: [opaque, derive], tables: ["*"], decision: allow}
---
kind: StatementRule
name: free-patients
spec: {targets: [pg-counted], groups: ["*"], effects: [destroy, ddl, opaque], tables: [public.patients], decision: allow}
---
kind: StatementRule
name: no-wards
spec: {targets: [pg-prod], groups: [interns], effects: [read], tables: [public.wards], decision: deny}
`

func start(t *testing.T) *servertest.Gateway {
	rules := strings.Replace(servertest.Resources, "effects: [ddl, destroy, role, unbounded-write, export, derive, opaque]", "effects: [ddl, destroy, role, unbounded-write, export]", 1)
	return servertest.Start(t, servertest.Options{Resources: rules + masks, Setup: schema})
}

// What explain says about a column is never laxer than what the client gets: where a
// cell differs from the target's, explain did not call the column clear, not even as it
// is where the target described it so.
func TestExplain_NeverLaxerThanTheWire(t *testing.T) {
	g := start(t)
	direct := dial(t, g.PG.DSN("postgres"))
	var clear, covered int
	for _, account := range []string{"agent", "reader"} { // values are looked for, and are not
		masked, client := dial(t, g.Connect(account, "pg-prod")), g.API(account)
		for _, sql := range ordinary {
			compare(t, client, direct, masked, sql, &clear, &covered)
		}
	}
	// Otherwise it could call everything masked.
	if clear < 40 || covered < 80 {
		t.Errorf("%d columns are called clear and %d not: the statements show nothing", clear, covered)
	}
	// Code that nobody reads, and what is left after it.
	for _, sql := range []string{
		"insert into wards select id, name from patients where id = 1 returning title, id",
		"select h(id), id, name from patients order by id",
		"select name, upper(title), title from patients join wards using (id) order by 1", "select 1",
	} {
		// A new connection, which is what explain is about: code may have left something in it.
		compare(t, g.API("reader"), direct, dial(t, g.Connect("reader", "pg-prod")), sql, &clear, &covered)
	}
}

var ordinary = []string{
	"select * from patients order by id",
	"select id, name, ssn as s, phone, born, tags, code, note, initials from only patients order by id",
	"select upper(name), lower(ssn), phone || '', born + 1, tags[1], code || 'x', left(note, 5), upper(initials) from patients order by id",
	"select count(*), count(ssn), min(ssn), max(name), string_agg(phone, ',' order by id) from patients",
	"select v.*, w.title, w from v cross join wards w where v.id = 1 and w.id = 1",
	"select p from patients p order by id",
	"select row_to_json(p), to_jsonb(p) - 'ssn', array_agg(name) from patients p group by p.id order by p.id",
	"with c as (select id, ssn as name from patients) select name, id from c order by 2",
	"select name from patients union all select ssn from patients",
	"select name from only patients union all select title from wards order by 1",
	"select f(id), id, name from patients order by id",
	"select g(id), id, name from patients order by id",
	"select title, 1, 'x', now() is null from wards order by id",
	"select id, title from wards where id = 2; select ssn, name from only patients where id = 1; select 2",
	"select (select ssn from patients where id = 1), (select title from wards where id = 1)",
	"select case when ssn like '917%' then name else title end from patients cross join wards where patients.id = 1 and wards.id = 1",
	"update wards set title = title where id = 2 returning title, upper(title), id",
	"update patients set name = name where id = 1 returning *",
	"explain (costs off) select * from patients where ssn = '917-55-1234'",
	"show work_mem",
	"begin; declare c cursor for select ssn, name from only patients order by id; fetch 1 from c; commit",
	"select x.a, x.b from (values ('917-55-1234', 1), ('y', 2)) x(a, b)",
	"select relname, reltuples >= -1 from pg_class where relname = 'wards'",
	"select histogram_bounds, n_distinct is null from pg_stats where tablename = 'wards'",
	"table wards order by id",
	"select unnest(tags), id from patients order by id",
	"select p.ssn, (p).phone, (p).* from only patients p order by p.id",
}

// compare runs sql past the gateway and through it, and holds what explain says against
// both. It counts the columns that are called clear, and others.
func compare(t *testing.T, client *api.Client, direct, masked *pgx.Conn, sql string, clear, covered *int) {
	t.Helper()
	x, err := client.Explain(t.Context(), api.Explain{Target: "pg-prod", SQL: sql})
	if err != nil {
		t.Errorf("%s: %v", sql, err)
		return
	}
	if x.Decision.Action != hoop.Allow {
		t.Errorf("%s: %s by %s: it was to run", sql, x.Decision.Action, x.Decision.Rule)
		return
	}
	want, got := run(t, direct, sql), run(t, masked, sql)
	for i, result := range got {
		for k, field := range result.FieldDescriptions {
			said, ok := about(x.Columns, i+1, k)
			if !ok {
				t.Errorf("%s: nothing is said about column %d of command %d", sql, k, i+1)
				continue
			}
			if said.Name != "*" && said.Name != "" && said.Name != field.Name {
				t.Errorf("%s: column %q is called %q", sql, field.Name, said.Name)
			}
			changed := slices.ContainsFunc(rows(result, want[i]), func(n int) bool { return !cmp.Equal(result.Rows[n][k], want[i].Rows[n][k]) })
			lax := said.Transform == api.TransformClear || said.Itself != nil && field.TableOID != 0 && said.Itself.Transform == api.TransformClear
			if lax {
				*clear++
			} else {
				*covered++
			}
			if changed && lax {
				t.Errorf("%s: column %q is masked, and called %+v", sql, field.Name, said)
			}
		}
	}
}

func rows(a, b *pgconn.Result) []int {
	var out []int
	for i := range min(len(a.Rows), len(b.Rows)) {
		out = append(out, i)
	}
	return out
}

// about finds what is said of column k of a command's answer.
func about(all []api.ExplainedColumn, command, k int) (api.ExplainedColumn, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(c api.ExplainedColumn) bool { return c.Command != command })
	switch {
	case len(all) == 1 && all[0].Name == "*":
		return all[0], true
	case k >= len(all):
		return api.ExplainedColumn{}, false
	}
	return all[k], true
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func run(t *testing.T, c *pgx.Conn, sql string) []*pgconn.Result {
	t.Helper()
	out, err := c.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// What explain says, of whom, to whom; and that nothing of the statement stays.
func TestExplain(t *testing.T) {
	g := start(t)
	agent, auditor := g.API("agent"), g.API("auditor")

	t.Run("a function that others have just made", func(t *testing.T) {
		const sql = "select * from newest(1, 2)"
		const absent = "function newest is not known there, so that the target refuses the statement"
		if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: sql}); !slices.Contains(x.Notes, absent) {
			t.Errorf("got %+v", x)
		}
		g.Direct("create function newest(int, int) returns setof text language plpgsql as 'begin return query execute ''select ssn from patients''; end'")
		if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: sql}); slices.Contains(x.Notes, absent) || !slices.ContainsFunc(x.Effects, func(e api.ExplainedEffect) bool { return e.Effect == hoop.EffectOpaque }) {
			t.Errorf("got %+v", x)
		}
	})
	t.Run("columns and reasons", func(t *testing.T) {
		x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: "select name, phone, upper(ssn) as s, count(*), g(1) is null, 1 from patients group by 1, 2, 3"})
		var got []string
		for _, c := range x.Columns {
			line := c.Name + " " + c.Transform + " " + c.Rule
			if c.Itself != nil {
				line += " / " + c.Itself.Transform + " " + c.Itself.Rule
			}
			got = append(got, line)
		}
		want := []string{
			"name scan anywhere", "phone partial phones", "s redact numbers", "count scan anywhere",
			"?column? redact unproven", "?column? scan anywhere",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if x.Decision.Action != hoop.Approve || !strings.Contains(x.Decision.Reason, "groups of fewer than 5 rows") || !x.Withheld || x.Database != "postgres" || !slices.Equal(x.Groups, []string{"agents"}) {
			t.Errorf("got %+v", x)
		}
	})
	t.Run("why each column is shown so", func(t *testing.T) {
		for column, want := range map[string]string{
			"note":          "public.patients.note is free text: what the rule finds in it is replaced, and what is computed of it is masked",
			"left(note, 3)": "public.patients.note is protected, and so is what is computed of it",
			"name":          "no rule protects what it derives from; what the rule finds in it is replaced, where it is text",
			"ssn":           "public.patients.ssn is protected, and so is what is computed of it",
			"count(*)":      "it derives from no column; what the rule finds in it is replaced, where it is text",
			"h(1)":          "not provable: the statement runs or reads what its text does not show; masked as the most sensitive column that the statement can read, unless the server describes it as a column of a table that no rule protects",
		} {
			if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: "select " + column + " from only patients"}); len(x.Columns) != 1 || x.Columns[0].Why != want {
				t.Errorf("%s: %+v, want %q", column, x.Columns, want)
			}
		}
	})
	t.Run("effects and rules", func(t *testing.T) {
		x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: "create table copy as select ssn from patients where name = 'x'"})
		var got []string
		for _, e := range x.Effects {
			got = append(got, string(e.Effect)+" "+string(e.Decision.Action)+" "+e.Decision.Rule)
		}
		if want := []string{"read allow default", "ddl approve risky-needs-a-human", "derive approve default"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if a := x.Decision.Approval; a == nil || a.Count != 1 || !slices.Equal(a.Groups, []string{"dba"}) {
			t.Errorf("approval %+v", a)
		}
		if n := g.Count("select count(*) from pg_class where relname = 'copy'"); n != 0 {
			t.Error("it ran")
		}
	})
	t.Run("for other groups", func(t *testing.T) {
		sql := "select ssn, title from patients join wards using (id)"
		x := ask(t, auditor, api.Explain{Target: "pg-prod", Groups: []string{"privacy"}, SQL: sql})
		if len(x.Columns) != 2 || x.Columns[0].Transform != api.TransformClear || x.Decision.Action != hoop.Allow {
			t.Errorf("privacy: %+v", x)
		}
		if x = ask(t, auditor, api.Explain{Target: "pg-prod", Groups: []string{"interns"}, SQL: sql}); x.Decision.Action != hoop.Deny || x.Decision.Rule != "no-wards" {
			t.Errorf("interns: %+v", x.Decision)
		}
	})
	t.Run("refused whatever the rules say", func(t *testing.T) {
		for _, sql := range []string{
			"copy patients (ssn) to stdout", "copy (select title from wards) to stdout (format binary)", "set hoop.subject = 'root'",
			"create table copy as select id from patients, generate_series(1, length(ssn))", "insert into wards select id from patients, regexp_split_to_table(note, ' ')",
			"prepare p as select id from patients, generate_series(1, length(ssn)); create table copy as execute p", "prepare p as select id from patients; do 'begin end'; create table copy as execute p",
		} {
			if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: sql}); x.Decision.Action != hoop.Deny || x.Decision.Rule != hoop.RuleGateway {
				t.Errorf("%s: %+v", sql, x.Decision)
			}
		}
		if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: "prepare p as select id, ssn from patients; create table copy as execute p"}); x.Decision.Rule == hoop.RuleGateway {
			t.Errorf("of what the text itself prepares: %+v", x.Decision)
		}
		if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: "copy patients (id, ssn, code) to stdout"}); !strings.Contains(x.Decision.Reason, "masked for you: ssn, code; leave them out") {
			t.Errorf("the reason is %q", x.Decision.Reason)
		}
		for sql, want := range map[string]string{
			"copy patients (id, ssn, note) to stdout":                                             "id scan [public.kids.id public.patients.id], ssn deny [public.kids.ssn public.patients.ssn], note deny [public.kids.note public.patients.note]",
			"copy (select title, id || phone as x from wards join patients using (id)) to stdout": "title scan [public.wards.title], x deny [public.kids.id public.kids.phone public.patients.id public.patients.phone public.wards.id]",
			"copy (select title from wards) to stdout":                                            "title scan [public.wards.title]",
			"copy (select h(id) from patients) to stdout":                                         "h deny []",
		} {
			var got []string
			x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: sql})
			for _, c := range x.Columns {
				got = append(got, fmt.Sprintf("%s %s %v", c.Name, c.Transform, c.Origins))
				if denied := strings.HasSuffix(c.Why, "; COPY cannot mask it"); denied != (c.Transform == api.TransformDeny) || c.Itself != nil {
					t.Errorf("%s: %+v", sql, c)
				}
			}
			if s := strings.Join(got, ", "); s != want {
				t.Errorf("%s: %s, want %s", sql, s, want)
			}
		}
		for _, sql := range []string{"copy patients (id, name) to stdout", "copy (select id, upper(name) from v) to stdout (format csv, header)"} {
			if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: sql}); x.Decision.Action != hoop.Allow || !x.Withheld {
				t.Errorf("%s: %+v", sql, x)
			}
		}
	})
	t.Run("limits and budgets", func(t *testing.T) {
		for sql, rule := range map[string]string{
			"select 1 from patients where ssn in ('1', '2')":      "default",
			"select 1 from patients where ssn in ('1', '2', '3')": "inference-limit",
			"select title from wards where id = 1":                "default",
			// A rule on a table is one on what inherits from it, and on nothing else.
			"truncate patients":          "free-patients",
			"alter table kids add x int": "free-patients",
			"truncate patients, wards":   "default",
		} {
			for range 2 { // asking uses nothing up
				if x := ask(t, agent, api.Explain{Target: "pg-counted", SQL: sql}); x.Decision.Rule != rule {
					t.Errorf("%s: %+v, want rule %s", sql, x.Decision, rule)
				}
			}
		}
		if x := ask(t, agent, api.Explain{Target: "pg-counted", SQL: "select string_agg(title, ',') from wards"}); x.Decision.Effect != hoop.EffectExport || x.Decision.Action != hoop.Approve {
			t.Errorf("export: %+v", x.Decision)
		}
	})
	t.Run("the grant's scope", func(t *testing.T) {
		if _, err := agent.NewRequest(t.Context(), api.NewRequest{Target: "pg-prod", Scope: hoop.Scope{Tables: []string{"public.wards"}}}); err != nil {
			t.Fatal(err)
		}
		if x := ask(t, agent, api.Explain{Target: "pg-prod", SQL: "select 1 from patients"}); x.Decision.Rule != "grant-scope" {
			t.Errorf("got %+v", x.Decision)
		}
	})
	t.Run("errors", func(t *testing.T) {
		for _, c := range []struct {
			who  *api.Client
			ask  api.Explain
			code hoop.Code
		}{
			{agent, api.Explain{Target: "pg-prod", SQL: "selec 'x"}, hoop.CodeInvalid},
			{agent, api.Explain{Target: "pg-prod", SQL: " "}, hoop.CodeInvalid},
			{agent, api.Explain{Target: "pg-prod", SQL: "select '\x00'"}, hoop.CodeInvalid},
			{agent, api.Explain{Target: "pg-prod", SQL: "execute p"}, hoop.CodeInvalid},
			{agent, api.Explain{SQL: "select 1"}, hoop.CodeInvalid},
			{agent, api.Explain{Target: "other", SQL: "select 1"}, hoop.CodeDenied},
			{agent, api.Explain{Target: "pg-prod", Groups: []string{"privacy"}, SQL: "select 1"}, hoop.CodeDenied},
			{agent, api.Explain{Target: "pg-prod", Database: "template1", SQL: "select 1"}, hoop.CodeNoDatabase},
			{agent, api.Explain{Target: "pg-prod", SQL: strings.Repeat("x", api.MaxExplained)}, hoop.CodeTooLarge},
		} {
			_, err := c.who.Explain(t.Context(), c.ask)
			if e := (*hoop.Error)(nil); !errors.As(err, &e) || e.Code != c.code {
				t.Errorf("%.80s: error %v, want %s", c.ask.SQL, err, c.code)
			}
		}
	})
	t.Run("nothing of the literals stays", func(t *testing.T) {
		const literal = "Zq7Literal7qZ"
		ask(t, agent, api.Explain{Target: "pg-prod", SQL: "select name from patients where ssn = '" + literal + "' -- " + literal})
		for _, sql := range []string{"selec '" + literal + "'", "copy patients to '" + literal + "'", "execute p('" + literal + "')"} {
			_, _ = agent.Explain(t.Context(), api.Explain{Target: "pg-prod", SQL: sql})
		}
		if strings.Contains(g.Log.String(), literal) {
			t.Error("the gateway's log has the literal")
		}
		told := false
		err := filepath.WalkDir(g.DataDir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(literal)) {
				t.Errorf("%s has the literal", path)
			}
			told = told || bytes.Contains(b, []byte("select name from patients where ssn = $1"))
			return err
		})
		if err != nil || !told {
			t.Errorf("no event tells of the statement (%v)", err)
		}
	})
	t.Run("cases", func(t *testing.T) {
		text := `cases:
  - {name: reads, groups: [agents], target: pg-prod, sql: "select name from patients", want: allow}
  - {name: drops, groups: [agents], target: pg-prod, database: postgres, sql: drop table wards, want: approve, rule: risky-needs-a-human}
  - {name: interns, groups: [interns], target: pg-prod, sql: table wards, want: deny, rule: no-wards}
  - {name: by effect, groups: [agents], target: pg-prod, uses: [{effect: ddl}], want: approve}
  - {name: copies, groups: [agents], target: pg-prod, sql: copy patients to stdout, want: deny, rule: gateway}
  - {name: laxer than it is, groups: [agents], target: pg-prod, sql: drop table wards, want: allow}
  - {name: does not parse, groups: [agents], target: pg-prod, sql: selec, want: deny}
  - {name: no such target, target: other, sql: select 1, want: deny}
  - {name: both, target: pg-prod, sql: select 1, uses: [{effect: ddl}], want: allow}
`
		out, err := auditor.TestPolicy(t.Context(), api.PolicyCases{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range out {
			if o.Why != "" && o.OK {
				t.Errorf("%+v", o)
			}
			if !o.OK {
				got = append(got, o.Name)
			}
		}
		if want := []string{"laxer than it is", "does not parse", "no such target", "both"}; !slices.Equal(got, want) {
			t.Errorf("failed: %q, want %q", got, want)
		}
		if _, err := agent.TestPolicy(t.Context(), api.PolicyCases{Text: text}); err == nil || hoop.AsError(err).Code != hoop.CodeDenied {
			t.Errorf("the agent: %v", err)
		}
		if _, err := auditor.TestPolicy(t.Context(), api.PolicyCases{Text: "cases: [{nmae: x}]"}); err == nil || hoop.AsError(err).Code != hoop.CodeInvalid {
			t.Errorf("an unknown field: %v", err)
		}
	})
}

func ask(t *testing.T, c *api.Client, q api.Explain) api.Explanation {
	t.Helper()
	x, err := c.Explain(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", q.SQL, err)
	}
	return x
}
