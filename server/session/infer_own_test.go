package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// copying is inferring for a target where anybody may copy what is protected into tables
// of their own.
func copying(values, scans int) string {
	return strings.Replace(inferring(values, scans), "effects: [ddl, destroy, role, unbounded-write, export, derive, opaque]", "effects: [role, export, opaque]", 1) + `---
kind: StatementRule
name: copies-are-free
spec: {targets: [pg-prod], groups: ["*"], effects: [ddl, destroy, unbounded-write, derive], tables: ["*"], decision: allow}
`
}

// as connects as an account of the test's own, which has counted nothing yet.
func as(t *testing.T, g *servertest.Gateway, resources, name string) *pgx.Conn {
	t.Helper()
	g.Reload(resources+fmt.Sprintf("---\nkind: ServiceAccount\nname: %[1]s\nspec: {groups: [agents], owner: data-team, secret: {value: %[1]s-secret}}\n", account(name)), "")
	conn, err := pgx.Connect(t.Context(), g.Connect(account(name), "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

const fill = "INSERT INTO t SELECT ssn FROM clinic.patients"

// What a table of the session's own fails on counts as a search of what it holds, and ON
// CONFLICT, or a table that is not followed, may compare it with anything.
func TestInference_OwnTables(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup + `
		CREATE TABLE clinic.checked (ssn text CHECK (ssn <> '000000005'), CONSTRAINT one UNIQUE (ssn));
		CREATE TABLE clinic.hits (k text UNIQUE, at int);`, Resources: copying(3, 1)})
	const own = "CREATE TEMP TABLE t AS SELECT ssn AS s FROM clinic.patients"
	for name, c := range map[string]struct {
		before []string
		sql    string
		fails  string // with which SQLSTATE, once; "" where it exceeds the limit at once
	}{
		"a check":                   {[]string{"CREATE TEMP TABLE t (s text CHECK (s <> '000000005'))"}, fill, "23514"},
		"a check of the table":      {[]string{"CREATE TEMP TABLE t (s text, CHECK (s <> '000000005'))"}, fill, "23514"},
		"a check of whole rows":     {[]string{"CREATE TEMP TABLE t (s text, CHECK (t::text <> '(000000005)'))"}, fill, "23514"},
		"a check with another":      {[]string{"CREATE TEMP TABLE t (s text, g text, CHECK (s <> g))"}, "INSERT INTO t SELECT p.ssn, g.x FROM clinic.patients p, clinic.guesses g", "23514"},
		"an update":                 {[]string{"CREATE TEMP TABLE t (s text CHECK (s <> '0'))", fill}, "UPDATE t SET s = '0'", "23514"},
		"a check of a time zone":    {[]string{"CREATE TEMP TABLE t (s text CHECK (to_timestamp(s::int)::time <> '01:00:05'), n int)", "SET timezone = 'UTC'", "INSERT INTO t SELECT ssn FROM clinic.patients", "SET timezone = 'Europe/London'"}, "UPDATE t SET n = 1", "23514"},
		"a plan that runs":          {[]string{"CREATE TEMP TABLE t (s text CHECK (s <> '000000005'))"}, "EXPLAIN ANALYZE " + fill, "23514"},
		"prepared before":           {[]string{"CREATE TEMP TABLE t (s text CHECK (s <> '000000005'))", "PREPARE p AS " + fill}, "EXECUTE p", "23514"},
		"in one text":               {nil, "CREATE TEMP TABLE t (s text CHECK (s <> '000000005')); " + fill, "23514"},
		"a constant before":         {[]string{"CREATE TEMP TABLE t (s text UNIQUE)", "INSERT INTO t VALUES ('000000005')"}, fill, "23505"},
		"a constant after":          {[]string{"CREATE TEMP TABLE t (s text PRIMARY KEY)", fill}, "INSERT INTO t VALUES ('000000005')", "23505"},
		"by COPY":                   {[]string{"CREATE TEMP TABLE t (s text UNIQUE)", fill}, "COPY t FROM STDIN", "23505"},
		"an index":                  {[]string{own, "INSERT INTO t VALUES ('000000005')"}, "CREATE UNIQUE INDEX ON t (s)", "23505"},
		"an index of an expression": {[]string{own}, "CREATE INDEX ON t ((1 / (ascii(s) - 48)))", "22012"},
		"an index of some rows":     {[]string{own, "CREATE INDEX ON t ((1)) WHERE 1 / (ascii(s) - 47) > 0"}, "INSERT INTO t VALUES ('/')", "22012"},
		"a generated column":        {[]string{"CREATE TEMP TABLE t (s text, g int GENERATED ALWAYS AS (1 / (ascii(s) - 48)) STORED)"}, "INSERT INTO t (s) SELECT ssn FROM clinic.patients", "22012"},
		"a column added":            {[]string{own}, "ALTER TABLE t ADD g int GENERATED ALWAYS AS (1 / (ascii(s) - 48)) STORED", "22012"},
		"a constraint added":        {[]string{own}, "ALTER TABLE t ADD CHECK (s <> '000000005')", "23514"},
		"a key added":               {[]string{own, "INSERT INTO t VALUES ('000000005')"}, "ALTER TABLE t ADD PRIMARY KEY (s)", "23505"},
		"another type":              {[]string{own}, "ALTER TABLE t ALTER s TYPE varchar(4)", "22001"},
		"a short type":              {[]string{"CREATE TEMP TABLE t (s varchar(4))"}, fill, "22001"},
		"a column by another name":  {[]string{"CREATE TEMP TABLE t (s text CHECK (s <> '000000005'))", "ALTER TABLE t RENAME s TO r", "ALTER TABLE t RENAME TO u"}, "INSERT INTO u SELECT ssn FROM clinic.patients", "23514"},
		"like a table":              {[]string{"CREATE TEMP TABLE t (LIKE clinic.checked INCLUDING ALL)"}, fill, "23514"},
		"like one of the session":   {[]string{"CREATE TEMP TABLE o (s text CHECK (s <> '000000005'))", "CREATE TEMP TABLE t (LIKE o INCLUDING ALL)"}, fill, "23514"},
		"in the place of a table":   {[]string{"CREATE TEMP TABLE checked (x text CHECK (x <> '000000005'))"}, "INSERT INTO checked SELECT ssn FROM clinic.patients", "23514"},
		"a table of others":         {nil, "INSERT INTO clinic.checked SELECT ssn FROM clinic.patients", "23514"},

		"on conflict":                  {[]string{"CREATE TEMP TABLE t (s text UNIQUE, hit bool)", "INSERT INTO t SELECT x FROM clinic.guesses"}, "INSERT INTO t (s) SELECT ssn FROM clinic.patients ON CONFLICT (s) DO UPDATE SET hit = true", ""},
		"on conflict of any":           {[]string{"CREATE TEMP TABLE t (s text UNIQUE)"}, fill + " ON CONFLICT DO NOTHING", ""},
		"on conflict of a table":       {[]string{"INSERT INTO clinic.hits SELECT g, g FROM generate_series(1, 9) g"}, "INSERT INTO clinic.hits SELECT ssn FROM clinic.patients ON CONFLICT (k) DO UPDATE SET k = 'x' RETURNING at", ""},
		"on conflict of all":           {nil, "INSERT INTO clinic.hits (k) SELECT p.* FROM (SELECT ssn FROM clinic.patients) p JOIN clinic.guesses g ON true ON CONFLICT DO NOTHING", ""},
		"on conflict of a value":       {nil, "INSERT INTO clinic.hits VALUES ((SELECT ssn FROM clinic.patients WHERE id = 2)) ON CONFLICT DO NOTHING", ""},
		"a foreign key":                {[]string{"CREATE TEMP TABLE o AS SELECT x FROM clinic.guesses", "ALTER TABLE o ADD UNIQUE (x)", "CREATE TEMP TABLE t (s text REFERENCES o (x))"}, fill, ""},
		"a foreign key added":          {[]string{"CREATE TEMP TABLE o (x text UNIQUE)", own}, "ALTER TABLE t ADD FOREIGN KEY (s) REFERENCES o (x)", ""},
		"rows to refer to":             {[]string{"CREATE TEMP TABLE o (x text UNIQUE)", "INSERT INTO o SELECT ssn FROM clinic.patients"}, "CREATE TEMP TABLE t (s text REFERENCES o (x))", ""},
		"a check of a setting":         {[]string{"CREATE TEMP TABLE t (s text CHECK (s IS DISTINCT FROM current_setting('app.g', true)))"}, fill, ""},
		"an exclusion":                 {[]string{"CREATE TEMP TABLE t (s text, EXCLUDE USING btree (s WITH =))"}, fill, ""},
		"an exclusion added":           {[]string{own}, "ALTER TABLE t ADD EXCLUDE USING btree (s WITH =)", ""},
		"one that inherits":            {[]string{"CREATE TEMP TABLE t (s text CHECK (s <> '5')) INHERITS (clinic.guesses)"}, "INSERT INTO t (s) SELECT ssn FROM clinic.patients", ""},
		"a partition":                  {[]string{"CREATE TEMP TABLE t (s text) PARTITION BY LIST (s)", "CREATE TEMP TABLE p PARTITION OF t FOR VALUES IN ('5')"}, fill, ""},
		"not followed in one text":     {nil, "CREATE TEMP TABLE t (s text, EXCLUDE USING btree (s WITH =)); " + fill, ""},
		"guesses in a view":            {[]string{"CREATE TEMP VIEW t AS SELECT ssn AS s FROM clinic.patients UNION ALL SELECT lpad(g::text, 9, '0') FROM generate_series(1, 9) g"}, "SELECT 1 FROM t GROUP BY s HAVING count(*) > 1", ""},
		"guesses in a table":           {[]string{"CREATE TEMP TABLE t AS SELECT ssn AS s, 0 AS g FROM clinic.patients UNION ALL SELECT lpad(g::text, 9, '0'), g FROM generate_series(1, 9) g"}, "SELECT s, g FROM t ORDER BY s", ""},
		"guesses of another table":     {[]string{own, "INSERT INTO t SELECT x FROM clinic.guesses"}, "SELECT DISTINCT s FROM t", ""},
		"guesses one by one":           {[]string{own, "INSERT INTO t VALUES ('000000005')"}, "SELECT 1 FROM t a JOIN t b USING (s)", ""},
		"guesses before":               {[]string{"CREATE TEMP TABLE t (s text)", "INSERT INTO t VALUES ('000000005')", fill}, "SELECT rank() OVER (ORDER BY s) FROM t", ""},
		"guesses before it is altered": {[]string{"CREATE TEMP TABLE t (s text)", "INSERT INTO t VALUES ('000000005')", "ALTER TABLE t ADD note text", "INSERT INTO t (s) SELECT ssn FROM clinic.patients"}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses copied before":        {[]string{"CREATE TEMP TABLE o (s text)", "SELECT s FROM o", "CREATE TEMP TABLE t (s text)", "INSERT INTO o VALUES ('000000005')", "INSERT INTO t SELECT s FROM o", fill}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses that are set":         {[]string{own, "UPDATE t SET s = '000000005' WHERE false"}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses by default":           {[]string{own, "ALTER TABLE t ALTER s SET DEFAULT '000000005'"}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses by COPY":              {[]string{own, "COPY t FROM STDIN"}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses that are computed":    {[]string{"CREATE TEMP TABLE t AS SELECT CASE WHEN g = 0 THEN ssn ELSE g::text END AS s FROM clinic.patients, generate_series(0, 9) g"}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses in USING":             {[]string{"CREATE TEMP TABLE t AS SELECT ssn AS s, 'x' AS g FROM clinic.patients", "ALTER TABLE t ALTER s TYPE text USING concat(left(s, 0), '000000005')", fill}, "SELECT 1 FROM t GROUP BY s", ""},
		"guesses under a view":         {[]string{own, "CREATE TEMP VIEW v AS SELECT s AS w FROM t", "CREATE TEMP TABLE u AS SELECT w FROM v", "INSERT INTO t SELECT x FROM clinic.guesses"}, "SELECT 1 FROM (SELECT w AS k FROM v) q GROUP BY k", ""},
		"guesses that are copied":      {[]string{own, "INSERT INTO t VALUES ('000000005')", "CREATE TEMP TABLE u AS SELECT upper(s) AS w FROM t"}, "SELECT a.w FROM u a, u b WHERE a.w = b.w", ""},
		"guesses in rows":              {[]string{own, "INSERT INTO t VALUES ('000000005')"}, "SELECT 1 FROM t GROUP BY t", ""},
		"guesses told apart":           {[]string{own, "INSERT INTO t VALUES ('000000005')"}, "SELECT count(DISTINCT s) FROM t", ""},
		"guesses that may be any":      {[]string{"CREATE TEMP TABLE t (s text)", "WITH n AS (INSERT INTO t SELECT ssn FROM clinic.patients UNION ALL SELECT x FROM clinic.guesses RETURNING 1) SELECT 1"}, "SELECT 1 FROM t GROUP BY s", ""},
		"a table that may hold any":    {[]string{"CREATE TEMP TABLE t (s text)", "WITH n AS (INSERT INTO t SELECT ssn FROM clinic.patients RETURNING 1) SELECT 1", "SELECT 1 FROM t WHERE s > '1'"}, "SELECT 1 FROM t WHERE s > '2'", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn := as(t, g, copying(3, 1), name)
			run := func(sql string) error {
				if strings.HasPrefix(sql, "COPY") {
					_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("000000005\n"), sql)
					return err
				}
				_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
				return err
			}
			for _, sql := range c.before {
				if err := run(sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			if c.fails != "" {
				if err := run(c.sql); state(err) != c.fails {
					t.Errorf("%s: %v, want %s", c.sql, err, c.fails)
				}
			}
			if err := run(c.sql); state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "infer") {
				t.Errorf("%s: %v, want 42501 for the inference limit", c.sql, err)
			}
		})
	}
}

// Ordinary tables of the session's own compare nothing that is protected.
func TestInference_OwnTablesAreFree(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup + "CREATE TABLE clinic.kept (id int PRIMARY KEY, ssn text, ward int)", Resources: copying(1, 1)})
	conn := open(t, g, nil)
	for _, sql := range []string{
		"CREATE TEMP TABLE t (id int PRIMARY KEY, ssn text NOT NULL, mrn text, ward int CHECK (ward >= 0), UNIQUE (id, ward))",
		"INSERT INTO t SELECT id, ssn, mrn, ward FROM clinic.patients", "INSERT INTO t VALUES (1000, '1', 'M', 2) ON CONFLICT (id) DO UPDATE SET ward = EXCLUDED.ward",
		"INSERT INTO t SELECT id, ssn, mrn, ward FROM clinic.patients ON CONFLICT DO NOTHING",
		"CREATE INDEX ON t (ssn)", "CREATE INDEX ON t (ward) WHERE ward > 1", "UPDATE t SET ward = ward + 1 WHERE id = 3", "UPDATE t SET mrn = p.mrn FROM clinic.patients p WHERE p.id = t.id",
		"ALTER TABLE t ADD note text DEFAULT 'x', ALTER mrn SET NOT NULL", "ALTER TABLE t ADD CHECK (ward < 1000)", "DELETE FROM t WHERE id = 4", "SELECT id, ssn FROM t WHERE ward = 1",
		"CREATE TEMP TABLE c (LIKE clinic.claims INCLUDING ALL)", "INSERT INTO c SELECT * FROM clinic.claims", "INSERT INTO c VALUES (1001, '2')", "TRUNCATE c", "DROP TABLE c",
		"CREATE TEMP TABLE own (code text UNIQUE CHECK (code <> ''), n smallint)", "INSERT INTO own VALUES ('a', 1), ('b', 2)", "INSERT INTO own VALUES ('a', 1) ON CONFLICT (code) DO NOTHING",
		"CREATE TEMP TABLE same AS SELECT ssn FROM clinic.patients", "CREATE UNIQUE INDEX ON same (ssn)", "INSERT INTO same VALUES ('x')", "INSERT INTO clinic.guesses SELECT x FROM clinic.guesses LIMIT 1",
		"INSERT INTO clinic.kept SELECT id, ssn, ward FROM clinic.patients ON CONFLICT (id) DO UPDATE SET ssn = EXCLUDED.ssn",

		"CREATE TEMP TABLE hidden () INHERITS (clinic.guesses)", "INSERT INTO clinic.claims SELECT id + 100, ssn FROM clinic.patients", "INSERT INTO hidden VALUES ('a')",
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// What stands in a table of the session's own as it was stored, or made of that alone, counts as
// what it was made of does: once where it decides.
func TestInference_OwnTablesCountOnce(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: copying(3, 9)})
	conn := open(t, g, nil)
	for _, sql := range []string{
		"CREATE TEMP TABLE t AS SELECT id, ssn, ward, 'x' AS k FROM clinic.patients", "INSERT INTO t SELECT id, ssn, ward FROM clinic.patients", "UPDATE t SET ssn = p.ssn, k = 'y' FROM clinic.patients p WHERE p.id = t.id", "INSERT INTO t (id) VALUES (99)",
		"CREATE TEMP VIEW v AS SELECT id, ssn AS s FROM t", "CREATE TEMP TABLE u AS SELECT id, lower(s)::varchar AS s FROM v", "CREATE TEMP TABLE w AS SELECT id, code AS s FROM clinic.people",
		"SELECT id, ssn FROM t ORDER BY ssn", "SELECT DISTINCT ssn FROM t", "SELECT s FROM v ORDER BY s", "SELECT s FROM u ORDER BY s",
		"SELECT id FROM w ORDER BY s", "SELECT k FROM t GROUP BY k, ward", "SELECT DISTINCT * FROM u", "SELECT id FROM u WHERE s > '000000005'",
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// How much room the session's own tables take, and where in them a row is, tells how long what
// was copied into them is: it counts as a search of that, and as none where nothing was.
func TestInference_Sizes(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: copying(3, 1)})
	for name, sql := range map[string]string{
		"a size":               "SELECT pg_relation_size('t')",
		"a size, all of it":    "SELECT pg_size_pretty(pg_total_relation_size('t'::regclass))",
		"sizes of indexes":     "SELECT relname, pg_indexes_size(oid) FROM pg_class WHERE relname = 't'",
		"a size of everything": "SELECT pg_database_size(current_database())",
		"a place":              "SELECT ctid FROM t",
		"a place, compared":    "SELECT count(*) FROM t WHERE ctid < '(1,0)'",
		"a number of pages":    "SELECT relpages FROM pg_class WHERE relname = 't'",
		"all of a row":         "SELECT * FROM pg_class WHERE relname = 't'",
		"a number of blocks":   "SELECT heap_blks_hit FROM pg_statio_user_tables",
		"a number of rows":     "SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 't'",
		"a number of reads":    "SELECT idx_tup_read FROM pg_stat_all_indexes",
		"an estimate of rows":  "SELECT reltuples FROM pg_class WHERE relname = 't'",
		"a counter":            "SELECT pg_stat_get_tuples_inserted('t'::regclass)",
		"by a function":        "SELECT r.n FROM pg_class c, LATERAL (SELECT pg_table_size(c.oid) AS n) r WHERE relname = 't'",
	} {
		t.Run(name, func(t *testing.T) {
			for table, refused := range map[string]bool{"SELECT repeat(x, 10) AS s FROM clinic.guesses": false, "SELECT ssn AS s FROM clinic.patients, generate_series(1, 9)": true} {
				conn := as(t, g, copying(3, 1), strings.ReplaceAll(name, ",", "")+fmt.Sprint(refused))
				if _, err := conn.PgConn().Exec(t.Context(), "CREATE TEMP TABLE t AS "+table).ReadAll(); err != nil {
					t.Fatal(err)
				}
				var err error
				for range 3 {
					_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
				}
				if (err != nil) != refused || refused && (state(err) != "42501" || !strings.Contains(err.Error(), "clinic.patients.ssn")) {
					t.Errorf("after %s: %v", table, err)
				}
			}
		})
	}
}

// DDL that reads the rows of a table counts as a search where it fails; what does not fail tells
// nothing.
func TestInference_DDL(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup + "INSERT INTO clinic.cardholders VALUES ('2', 2, 0, 5)", Resources: copying(3, 2)})
	for name, c := range map[string]struct{ sql, state string }{
		"a unique index":            {"CREATE UNIQUE INDEX ON clinic.cardholders (pin)", "23505"},
		"an index of an expression": {"CREATE INDEX ON clinic.cardholders ((1 / (pin - 5)))", "22012"},
		"an index of some rows":     {"CREATE INDEX ON clinic.cardholders (id) WHERE 1 / (pin - 5) > 0", "22012"},
		"another type":              {"ALTER TABLE clinic.cardholders ALTER pin TYPE numeric(1, 1)", "22003"},
		"another type, computed":    {"ALTER TABLE clinic.cardholders ALTER id TYPE int USING 1 / (pin - 5)", "22012"},
		"a key":                     {"ALTER TABLE clinic.cardholders ADD UNIQUE (pin)", "23505"},
		"a foreign key":             {"ALTER TABLE clinic.cardholders ADD FOREIGN KEY (pin) REFERENCES clinic.payments (id)", "23503"},
		"an exclusion":              {"ALTER TABLE clinic.cardholders ADD EXCLUDE USING btree (pin WITH =)", "23P01"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := as(t, g, copying(3, 2), name+" by ddl")
			try := func(sql string) error {
				_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
				return err
			}
			for range 5 {
				if err := try("CREATE INDEX other ON clinic.cardholders (pin) WHERE id > 0; ALTER TABLE clinic.cardholders ALTER id TYPE int; DROP INDEX clinic.other"); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := try(c.sql); state(err) != c.state {
					t.Fatalf("%v, want the target's error", err)
				}
			}
			if err := try(c.sql); state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "infer") {
				t.Errorf("%v, want 42501 for the inference limit", err)
			}
			if err := try("CREATE INDEX other ON clinic.guesses (x); DROP INDEX clinic.other"); err != nil {
				t.Errorf("what reads no protected column: %v", err)
			}
		})
	}
}

// Whether what is made of a protected value has room tells how long it is. Who tries that often
// reads nothing protected any more.
func TestInference_NoRoom(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: inferSetup, Resources: inferring(3, 2)})
	conn := open(t, g, nil)
	const crowded = "SELECT concat(ssn, array_fill(1, ARRAY[100000, 100000 + ward])) FROM clinic.patients"
	for range 3 { // with nothing protected it tells nothing
		if _, err := conn.PgConn().Exec(t.Context(), "SELECT array_fill(1, ARRAY[100000, 100000 + length(x)]) FROM clinic.guesses").ReadAll(); state(err) != "54000" {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := conn.PgConn().Exec(t.Context(), crowded).ReadAll(); state(err) != "54000" {
			t.Errorf("%s: %v, want the target's error", crowded, err)
		}
	}
	for _, sql := range []string{crowded, "SELECT ssn FROM clinic.patients WHERE id = 1"} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); state(err) != "42501" || !strings.Contains(fmt.Sprint(err), "room") {
			t.Errorf("%s: %v, want 42501 for the room", sql, err)
		}
	}
	if _, err := conn.PgConn().Exec(t.Context(), "SELECT x FROM clinic.guesses").ReadAll(); err != nil {
		t.Errorf("what reads nothing protected: %v", err)
	}
}
