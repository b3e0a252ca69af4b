package sqlscan

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan/internal/walkgen"
)

// docs/effects.md is written from the tables of this package and the golden
// statements; go generate ./server/sqlscan does it.
func TestReference_IsCurrent(t *testing.T) {
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "../../docs/effects.md", reference(t))
}

func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Effects of PostgreSQL statements

<!-- Written by go generate ./server/sqlscan. Do not edit. -->

A statement has every effect that it can have, and each one is decided by your rules, or by the default below where no
rule matches. The strictest decision decides the statement. ` + "`hoopctl policy explain`" + ` shows the effects of a statement
on a target.

| effect | default |
|---|---|
`)
	for _, e := range hoop.Effects {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.Effect, e.Default)
	}
	b.WriteString(`
## How it is decided

- Names without a schema mean every table of that name, in any schema, with its partitions and inheritance relatives.
- Every table that a statement reads has the effect ` + "`read`" + `, whatever the command and whether rows come back: as PostgreSQL demands the
  privilege SELECT on it. What a write changes is not read for its own condition and expressions, but is where it stands besides
  (a sub-select, FROM, RETURNING). Rows that another name shows from now on (RENAME, SET SCHEMA, INHERIT, ATTACH) count as read, and so
  does what the text of a function, trigger or rule reads that is made.
- The session's own temporary objects are under ` + "`pg_temp`" + `. Reading one also reads what it was filled from. A grant that is narrowed to
  tables always covers them: what went into one was read within the grant.
- Large objects are the table ` + "`pg_catalog.pg_largeobject`" + `: a grant that is narrowed to other tables does not cover them.
- A function counts as every function of its name. The body of a user's function in SQL or PL/pgSQL is read: one that only
  computes and reads counts as a read of the tables that it names, any other is ` + "`opaque`" + `, as is one with EXECUTE or in another
  language. Functions that came with an extension and are immutable, or make random values, are harmless. PostgreSQL's own are
  harmless unless they are listed below or volatile.
- Users' code that reading may run unseen counts as if it were called, where it does more than compute: checks of domains, casts,
  the comparison of values of a type (operator classes), the negator and the commutator of an operator, policies of tables, and immutable functions in indexes, statistics and
  constraints, which the planner may evaluate. Types of expressions are not inferred. A statement that reads a column of the type
  (inside a composite, an array or a range, too), names it, declares a parameter of it, or calls a function that takes or gives
  it, counts as running the code of the type; one that reads the table, as running the table's. A cast runs where both of its
  types can be there; a parameter whose type nobody knows is ` + "`opaque`" + `.
- What a change sets off (triggers that fire for the command, with the functions in their WHEN; functions of users in defaults, generated columns,
  constraints, policies, domains and casts; in indexes and statistics for ANALYZE and REINDEX, too) counts as if the statement did it: each statement and expression in a body in SQL or PL/pgSQL is read by PostgreSQL's
  grammar, and has its own effects on its own tables, with what it fires and calls in turn. What is put into a variable counts as a value of its type. Variables, NEW and OLD are values of which nothing is known: a condition
  ` + "`id = NEW.id`" + ` limits, ` + "`name LIKE NEW.name`" + ` does not. In a loop over anything but the parts of a value or a query with a limit, and
  for each row of a change that has none (INSERT from a query, too), UPDATE and DELETE are ` + "`unbounded-write`" + `. What cannot be read (EXECUTE, other languages) is ` + "`opaque`" + `, but for trigger functions of PostgreSQL and its extensions that only look at the row.
  A trigger that is switched off does not count, nor does UPDATE OF other columns; ENABLE REPLICA does. So a grant or a rule that is narrowed to tables
  must name what triggers write and read: whoever writes a log's rows by a trigger writes the log. What columns decide in there is not counted.
- Event triggers have no effect of their own. Rules make a statement ` + "`opaque`" + `.
- What a change sets off copies, too: a ` + "`derive`" + ` from the tables that its body names and the row it gets, into the tables that it writes and
  the row it makes. Code that cannot be read may copy anything to anywhere (` + "`*`" + `). A trigger that only assigns to a column
  what is computed from nothing else (` + "`NEW.updated := now()`" + `) copies nothing.
- What a query, SET or MERGE copies, and a table or view is made of, is judged by columns where it is known what they derive from: it is a ` + "`derive`" + ` where a
  rule protects one of these, or one that decides which rows are copied, how often or in what order, by conditions, joins, groups, windows and limits. Where
  that is not known (functions of users, row-level security, the rows of tables with triggers that are updated, REFRESH), it is judged by the tables that are read. What one
  command of a text copies, others copy on. The table below shows the effect whatever is protected.
- Which rows an UPDATE, DELETE or ON CONFLICT DO UPDATE changes can be seen afterwards, whatever it stores: it is a ` + "`derive`" + ` where a protected column of another
  table decides that. Conditions on the columns of the table itself are ` + "`infer`" + ` alone. What decided which rows a temporary table has counts where it is copied from.
- A column that is computed from itself (` + "`SET card = reverse(card)`" + `) is a ` + "`derive`" + ` where a rule protects it: its mask would leave
  another part of the value. Constants, COALESCE, casts to text and ` + "`|| ' …'`" + ` (a constant that begins with a blank) keep the value; lower, upper,
  trim, replace, arithmetic and || keep what a redacted column shows, and count where a rule leaves more of it to anybody, and where what is made has
  as much room as the value says (` + "`replace(ssn, '1', 'something longer')`, `round(0.123, n)`, `ssn || ssn`" + `). So does a member of JSON that is set by its name (` + "`SET doc['a'] = '1'`" + `): it may be one more.
- A place that is masked whole (a rule redacts every column of it, for whomever and wherever one on columns counts in that database; a copy) takes protected data as
  it is stored without a ` + "`derive`" + `, rows of ARRAY[…], ROW(…), COALESCE and JSON made of such values too. What is computed in any other way is one, but for what triggers and defaults compute: how much room it takes is told of any table.
- A write is bounded where a column of the table is compared with something that does not depend on the row, or is equal to
  a column of another table that is limited so. ` + "`IS NOT NULL`, `x = x`, `LIKE '%'`, `@> '{}'`, `= ALL (…)`" + ` and expressions that fold
  values together do not count, nor does a pattern that needs no certain character, one that is computed from constants, a comparison
  with the end of a type, or a sub-select that names columns of the row itself: such a write is ` + "`unbounded-write`" + `.
- Values of parameters count where the limit of a write hangs on them, as of ` + "`note LIKE $1`, `data @> $1`, `live = ANY ($1)`, `id > $1`" + `: bound
  ones, in text or binary, and the constants that EXECUTE has. Where one cannot be read (binary, of a type that nobody declared or that has parts;
  PREPARE and EXECUTE in one text), the write is ` + "`unbounded-write`" + `. Patterns that are put together with ||, concat, coalesce, lower, upper and
  replace are put together for that; other expressions beside a pattern's operator count as any pattern.
- ` + "`opaque`" + ` is an effect that is decided. Apart from it a statement can be *opaque to the gateway* (` + "`O`" + ` below): it can read what its
  text does not show, as views, triggers and cursors do. Where mask rules apply, its results and error texts count as touching
  protected data.
- What did not parse, or is not known here, is ` + "`unknown`" + `.

## Always refused

Whatever the rules say: setting ` + "`hoop.*`" + `; ` + "`client_encoding`" + ` other than UTF8 among other statements; ` + "`standard_conforming_strings`" + ` off; ` + "`set_config`" + ` with a
name that is not a constant, with named arguments, with a value that is not given (see below), or in a view, default or check, where it runs later; writing to ` + "`pg_settings`" + `;
another name for a schema of temporary objects (` + "`pg_temp_3`" + `).

To whom a column is masked, putting as many rows into a table or materialized view that others see as its values say: by an argument of a function that gives rows (` + "`generate_series(1, length(ssn))`" + `,
` + "`regexp_split_to_table(note, ' ')`" + `), XMLTABLE or JSON_TABLE, but where GROUP BY, DISTINCT or UNION behind that leaves no more rows than there are stored values of the columns that it compares
(` + "`SELECT id, count(*) … GROUP BY id`" + `); by LIMIT, OFFSET, TABLESAMPLE or where a recursive query ends, whatever groups them, but for rows that it finds as a join does: by conditions with AND and ` + "`=`" + ` between columns
and constants (` + "`JOIN r ON p.manager = r.ssn`" + `). How many rows a table has is shown, and no decision lifts a mask. The elements of stored arrays and JSON (` + "`unnest(tags)`" + `, ` + "`jsonb_array_elements(data -> 'items')`" + `)
may be rows, as it is shown how many there are, also by way of a temporary table that has a row for each; but not those of arrays and JSON that a temporary table holds.
One row for each, with an aggregate of the others, is no such copy: ` + "`SELECT id, (SELECT array_agg(w) FROM regexp_split_to_table(note, ' ') w)`" + `. ` + "`CREATE TABLE … AS EXECUTE`" + ` is what was prepared.
So it is where it is not known: behind commands of the same text that may prepare something else, or fill what that reads; temporary tables that MERGE or a change in WITH has filled; values by users'
functions in such an argument; views, and what has their names, that the transaction has made and no catalog shows yet, and views whose query is longer than 256 KiB. A table of the session's own that is not followed (one made ` + "`AS EXECUTE`" + `, or a partition, say) is as one that others see.

## Settings that reach beyond the session (` + "`server`" + `)

`)
	fmt.Fprintf(&b, "By name: %s. By prefix: %s.\n", quoted(slices.Sorted(maps.Keys(serverSettings))), quoted(serverPrefixes))
	b.WriteString("\n## PostgreSQL's functions that do more than compute\n\n`…` marks a family. *Blind* ones can read what the text does not show; *keeping* ones are `opaque` with a value that is not *given*: one that is made of anything but constants, parameters and functions, operators and types that compute from these alone, however deep. A column, a sub-select, a user's function that reads a table, a large object, a custom setting and another session's state are not. What such a call copies can be told afterwards by whoever asks for it (which locks are held, which large objects there are): a `derive` to anywhere (`*`), but for the contents of large objects and notifications.\n\n| function | effect | |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(harmful)) {
		writeHarm(&b, name, harmful[name])
	}
	for _, name := range slices.Sorted(maps.Keys(harmfulPrefixes)) {
		writeHarm(&b, name+"…", harmfulPrefixes[name])
	}
	var blindNames []string
	for name, is := range blindRelations {
		if is {
			blindNames = append(blindNames, name)
		}
	}
	slices.Sort(blindNames)
	fmt.Fprintf(&b, "\n## System relations\n\nThose of pg_catalog and information_schema are harmless, except: %s and `pg_stat_progress…` (opaque to the gateway: they carry values and statements); %s (`server`: credentials and files).\n",
		quoted(blindNames), quoted(slices.Sorted(maps.Keys(secretRelations))))
	b.WriteString("\n## Commands\n\nEvery command of PostgreSQL's reference, with all the effects that its statements below have.\n\n| command | effects |\n|---|---|\n" + commandTable(t))
	b.WriteString("\n## Statements\n\nEvery statement is tested to have exactly these effects. `O` opaque to the gateway, `T` later statements of the session are, `U` they are where `pg_temp` may stand first in the search_path, which `P` can bring about, `D` changes the catalog, `F` always refused.\n\n| statement | effects |\n|---|---|\n")
	for _, sql := range statements(t) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(sql, "|", `\|`), summary(analyze(t, sql)))
	}
	return b.String()
}

func quoted(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

func writeHarm(b *strings.Builder, name string, h harm) {
	if h == harmless {
		return
	}
	notes := []string{}
	if h.what != "" {
		notes = append(notes, h.what)
	}
	if h.blind {
		notes = append(notes, "*blind*")
	}
	if h.in != "" {
		notes = append(notes, "on `pg_catalog."+h.in+"`")
	}
	if h.keeps {
		notes = append(notes, "*keeping*")
	}
	effect := string(h.effect)
	if effect == "" {
		effect = "read"
	}
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, effect, strings.Join(notes, ", "))
}

// walk_gen.go covers every node of the grammar that is linked in.
func TestChildren_KnowsEveryNode(t *testing.T) {
	want, err := os.ReadFile("walk_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	got, err := walkgen.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("walk_gen.go is old: go generate ./server/sqlscan")
	}
}
