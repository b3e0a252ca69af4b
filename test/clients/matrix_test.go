package clients

import (
	"os"
	"strings"
	"testing"
)

// features are what the clients' users do, in the columns of the table in doc.go.
var features = []string{"introspection", "prepared", "arrays, json", "COPY", "cursors", "cancel", "LISTEN"}

// matrix says of each client in which files its part is and by which words in them each
// feature is used, in the order of features; "-": the client has no such thing.
var matrix = []struct {
	client string
	files  []string
	uses   [7]string
}{
	{"psql", []string{"testdata/psql.sql", "cancel_test.go"}, [7]string{`\d+ clinic.visits`, "EXECUTE q(2)", "'k' ->> 1", `\copy clinic.items FROM`, "FETCH BACKWARD 2 FROM c", "Process.Signal(os.Interrupt)", "LISTEN a;"}},
	{"pg_dump, pg_restore", []string{"pgdump_test.go"}, [7]string{`"--schema-only"`, `"--schema-only"`, `"clinic.kinds"`, `"--data-only", "-t"`, `"--inserts"`, "-", "-"}},
	{"pgbench", []string{"pgbench_test.go", "testdata/pipeline.sql"}, [7]string{"-", `"prepared"`, "-", `"tgvpf"`, "-", "-", "-"}},
	{"pgx", []string{"pgx_test.go"}, [7]string{"c.rows(columnsOfCatalog)", "QueryExecModeCacheStatement", "$1::int[], $2::jsonb", "c.conn.CopyFrom(", "FETCH 2 FROM cur", "CancelRequest(c.ctx)", "WaitForNotification"}},
	{"lib/pq", []string{"pq_test.go"}, [7]string{"u.rows(columnsOfCatalog)", "PrepareContext(", `pq.Array([]string{"a",`, `"COPY clinic.items (id, label) FROM STDIN"`, "FETCH PRIOR FROM cur", "u.db.ExecContext(ctx,", "l.Listen("}},
	{"node pg", []string{"testdata/node/pg.js"}, [7]string{"pg_catalog.pg_class", "name: 'by-id'", "$1::json AS j, $2::int[] AS a", "copyFrom('COPY", "new Cursor(", "other.cancel(client, slow)", "'LISTEN news'"}},
	{"node postgres", []string{"testdata/node/postgres.js"}, [7]string{"pg_catalog.pg_class", "`.describe()", "sql.array([1, 2, 3])", "COPY clinic.items FROM STDIN`.writable()", ".cursor(3)", "slow.cancel()", "sql.listen("}},
	{"psycopg2", []string{"testdata/psycopg2.py"}, [7]string{"information_schema.columns", "EXECUTE by_id(%s)", "psycopg2.extras.Json(", "copy_expert(", `conn.cursor("named"`, "conn.cancel()", "LISTEN news"}},
	{"psycopg 3", []string{"testdata/psycopg3.py"}, [7]string{"information_schema.columns", "prepare=prepare", "[1, 2, None], Jsonb(", "copy.write_row(", "conn.cursor(\"named\"", "conn.cancel()", "LISTEN news"}},
	{"asyncpg", []string{"testdata/asyncpg.py"}, [7]string{"information_schema.columns", "await conn.prepare(", "$1::int[], $2::jsonb", "copy_records_to_table(", "conn.cursor(", "task.cancel()", "add_listener("}},
	{"SQLAlchemy", []string{"testdata/sqlalchemy_orm.py"}, [7]string{"sa.inspect(engine)", "EXECUTE by_id(2)", "pgd.ARRAY(sa.Integer)", "copy_expert(", "stream_results=True", "driver_connection.cancel()", "LISTEN news"}},
	{"JDBC", []string{"testdata/Jdbc.java"}, [7]string{"m.getIndexInfo(", "c.prepareStatement(", "createArrayOf(", "copy.copyIn(", "s.setFetchSize(2)", "s.cancel()", "LISTEN news"}},
}

// The table in the package's comment is what the clients' scripts do.
func TestMatrix(t *testing.T) {
	lines := []string{"//\t" + row("", features)}
	for _, m := range matrix {
		var text strings.Builder
		for _, name := range m.files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(b)
		}
		var cells []string
		for i, words := range m.uses {
			switch {
			case words == "-":
				cells = append(cells, "-")
			case strings.Contains(text.String(), words):
				cells = append(cells, "yes")
			default:
				t.Errorf("%s: %s: nothing in %v has %q", m.client, features[i], m.files, words)
			}
		}
		lines = append(lines, "//\t"+row(m.client, cells))
	}
	table := strings.Join(lines, "\n") + "\n"
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), table) {
		t.Errorf("doc.go does not have this table:\n%s", table)
	}
}

// row is a line of the table: the client, and its cells as wide as the features.
func row(client string, cells []string) string {
	line := client + strings.Repeat(" ", 20-len(client))
	for i, c := range cells {
		line += c + strings.Repeat(" ", len(features[i])+1-len(c))
	}
	return strings.TrimRight(line, " ")
}
