//go:build clients

package clients

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestPgDump dumps a schema and the data of tables that nothing is protected in, and
// restores them. Dumps of protected tables are refused: COPY TO cannot be masked.
func TestPgDump(t *testing.T) {
	compare(t, "pgdump", "", func(t *testing.T, dsn string, r route) string {
		dir := t.TempDir()
		custom := filepath.Join(dir, "dump")
		out := ""
		if !r.core { // the query for columns reads pg_attribute.attmissingval, so all that it computes is masked
			out += "== schema\n" + program(t, dsn, r, "", "pg_dump", "--no-subscriptions", "--schema-only")
		}
		out += "== data\n" + program(t, dsn, r, "", "pg_dump", "--no-subscriptions", "--data-only", "-t", "clinic.visits", "-t", "clinic.kinds")
		out += "== inserts\n" + program(t, dsn, r, "", "pg_dump", "--no-subscriptions", "--data-only", "--inserts", "--rows-per-insert=7", "-t", "clinic.visits")
		out += program(t, dsn, r, "", "pg_dump", "--no-subscriptions", "-Fc", "-f", custom, "-t", "clinic.visits", "-t", "clinic.items")
		out += "== list\n" + comments(program(t, dsn, r, "", "pg_restore", "-l", custom))
		if !r.core {
			out += "== restore\n" + program(t, dsn, r, "", "psql", "-c", "DROP TABLE clinic.items, clinic.visits CASCADE")
			out += program(t, dsn, r, "", "pg_restore", "--no-owner", "-j2", "-d", database(t, dsn), custom)
			out += program(t, dsn, r, "", "psql", "-c", "SELECT count(*), max(id), nextval('clinic.visits_id_seq') FROM clinic.visits", "-c", `\d clinic.visits`)
			out += program(t, dsn, r, "", "pg_dump", "--no-subscriptions", "--data-only", "-t", "clinic.patients")
			out += program(t, dsn, r, "", "pg_dump", "--no-subscriptions", "-Fd", "-j2", "-f", filepath.Join(dir, "folder"))
			return out
		}
		if r.masked {
			text, err := attempt(t, dsn, r, "", "pg_dump", "--no-subscriptions", "--data-only", "-t", "clinic.patients")
			if err == nil || !strings.Contains(text, "COPY TO would deliver values that are masked for you") {
				t.Errorf("a dump of protected data: %v\n%s", err, text)
			}
		}
		return out
	})
}

// comments leaves out the lines that begin with a semicolon: they have the time.
func comments(list string) string {
	var out []string
	for line := range strings.Lines(list) {
		_, rest, ok := strings.Cut(line, "; ")
		if fields := strings.Fields(rest); ok && len(fields) > 2 && !strings.HasPrefix(line, ";") {
			out = append(out, strings.Join(fields[2:], " ")) // without two OIDs
		}
	}
	return strings.Join(out, "\n") + "\n"
}
