package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// What gathers a budgeted table counts as the whole of it, whatever the target believes
// its size to be: a count that was never taken, is out of date or says that the table is
// small lets nothing pass. The target hears of none of it.
func TestExport_WholeTableWhateverItsSize(t *testing.T) {
	const whole = "SELECT string_agg(ssn, ',') AS gathered FROM clinic.member_directory"
	g := servertest.Start(t, servertest.Options{Resources: budgeted(50), Setup: `
		CREATE SCHEMA clinic;
		CREATE TABLE clinic.member_directory (id int PRIMARY KEY, ssn text) WITH (autovacuum_enabled = false)`})
	const tuples = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'clinic.member_directory'::regclass"
	heard := func() int64 {
		return g.Count("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%gathered%' AND query NOT LIKE '%pg_stat_activity%'")
	}
	modes := map[string]pgx.QueryExecMode{
		"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "described": pgx.QueryExecModeDescribeExec, "prepared": pgx.QueryExecModeCacheStatement,
	}
	early := open(t, g, nil) // has its statement from when the table was empty
	if _, err := early.Prepare(t.Context(), "few", "SELECT ssn FROM clinic.member_directory WHERE id <= $1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change string
		tuples int64
	}{
		{"", -1},
		{"INSERT INTO clinic.member_directory SELECT g, g::text FROM generate_series(1, 3) g", -1},
		{"ANALYZE clinic.member_directory", 3},
		{"INSERT INTO clinic.member_directory SELECT g, g::text FROM generate_series(4, 1000) g", 3},
		{"ANALYZE clinic.member_directory", 1000},
		{"DELETE FROM clinic.member_directory WHERE id > 900; UPDATE pg_class SET reltuples = 0 WHERE oid = 'clinic.member_directory'::regclass", 0},
	} {
		if c.change != "" {
			g.Direct(c.change)
		}
		if n := g.Count(tuples); n != c.tuples {
			t.Fatalf("%s: reltuples is %d, want %d", c.change, n, c.tuples)
		}
		conn := open(t, g, nil)
		for name, mode := range modes {
			if _, err := conn.Exec(t.Context(), whole, mode); state(err) != "42501" {
				t.Errorf("reltuples %d, %s: %v, want 42501", c.tuples, name, err)
			}
			if n := heard(); n != 0 {
				t.Errorf("reltuples %d, %s: %d backends of the target heard of it", c.tuples, name, n)
			}
		}
	}
	// With a bound it is forwarded, and then is heard of.
	conn := open(t, g, nil)
	if n, err := drain(t, conn, whole+" WHERE id = 7"); n != 1 || err != nil || heard() == 0 {
		t.Errorf("%d rows, %v, heard %d", n, err, heard())
	}
	if n, err := drain(t, early, "few", 1000); n > 49 || state(err) != "42501" {
		t.Errorf("a statement from when the table was empty gave %d rows, %v", n, err)
	}
}

// What a change of a budgeted table's keys does to other tables tells of every row that it
// reached, even where it is rolled back; and so do many conditions on what an aggregate of a text gives.
func TestExport_ToldBeside(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: directorySetup + `
		CREATE TABLE clinic.cards (member int REFERENCES clinic.member_directory (id) ON UPDATE CASCADE ON DELETE CASCADE);
		INSERT INTO clinic.cards SELECT id FROM clinic.member_directory;`, Resources: budgeted(50)})
	conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	for _, sql := range []string{
		"UPDATE clinic.member_directory SET id = id + 10000 * plan WHERE id > 0",
		"UPDATE clinic.member_directory SET id = id + 10000 WHERE plan = 3",
		"DELETE FROM clinic.member_directory WHERE plan = 3",
		"MERGE INTO clinic.member_directory d USING (VALUES (3)) v(p) ON d.plan = v.p WHEN MATCHED THEN UPDATE SET id = id + 10000",
		"MERGE INTO clinic.member_directory d USING (VALUES (3)) v(p) ON d.plan = v.p WHEN MATCHED THEN DELETE",
		"INSERT INTO clinic.member_directory SELECT g FROM generate_series(1, 900) g ON CONFLICT (id) DO UPDATE SET id = excluded.id + 10000 WHERE member_directory.plan = 3",
		strings.TrimSuffix(strings.Repeat("SELECT 1 FROM clinic.member_directory HAVING max(CASE WHEN id = 5 THEN plan END) = 3 UNION ALL ", 60), " UNION ALL "),
		"SELECT " + strings.TrimSuffix(strings.Repeat("(SELECT 1 FROM clinic.member_directory HAVING min(plan) FILTER (WHERE id = 5) = 3), ", 60), ", "),
	} {
		if _, err := conn.Exec(t.Context(), sql); state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "export") {
			t.Errorf("%.100s: %v, want 42501 for an export", sql, err)
		}
	}
	for _, sql := range []string{
		"UPDATE clinic.member_directory SET plan = 3 WHERE plan = 4",
		"UPDATE clinic.member_directory SET id = 20000 WHERE id = 1",
		"DELETE FROM clinic.member_directory WHERE id = 2",
		"DELETE FROM clinic.cards WHERE member = 3",
		"SELECT 1 FROM clinic.member_directory HAVING max(id) > 5",
		"SELECT 1 FROM clinic.member_directory HAVING max(CASE WHEN id = 5 THEN plan END) = 3",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
