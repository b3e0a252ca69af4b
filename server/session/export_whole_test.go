package session_test

import (
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
