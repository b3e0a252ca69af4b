package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const directoryRows = 1000

const directorySetup = `
	CREATE SCHEMA clinic;
	CREATE TABLE clinic.member_directory (id int PRIMARY KEY, name text, ssn text, plan int);
	INSERT INTO clinic.member_directory SELECT g, 'name-' || g, lpad(g::text, 9, '0'), g % 7 FROM generate_series(1, 1000) g;
	CREATE VIEW clinic.members AS SELECT id, name FROM clinic.member_directory;
	CREATE TABLE clinic.visits (id int PRIMARY KEY, member int, note text);
	INSERT INTO clinic.visits SELECT g, g, 'visit' FROM generate_series(1, 1000) g;
	CREATE TABLE clinic.copy (id int, name text);
	CREATE FUNCTION clinic.everybody() RETURNS text LANGUAGE sql STABLE AS $$ SELECT string_agg(ssn, ',') FROM clinic.member_directory $$;
	CREATE FUNCTION clinic.frozen() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT string_agg(ssn, ',') FROM clinic.member_directory $$;
	CREATE FUNCTION clinic.loop() RETURNS text LANGUAGE plpgsql STABLE AS $$
		DECLARE r record; a text := ''; BEGIN FOR r IN SELECT ssn FROM clinic.member_directory LOOP a := a || r.ssn; END LOOP; RETURN a; END $$;
	CREATE FUNCTION clinic.cursor() RETURNS refcursor LANGUAGE plpgsql AS $$
		DECLARE c refcursor := 'hidden'; BEGIN OPEN c FOR SELECT ssn FROM clinic.member_directory; RETURN c; END $$;
	CREATE FUNCTION clinic.known() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF NOT EXISTS (SELECT FROM clinic.member_directory WHERE id = NEW.id) THEN RAISE 'no such member'; END IF; RETURN NEW; END $$;
	CREATE TABLE clinic.checked (id int);
	CREATE TRIGGER known BEFORE INSERT ON clinic.checked FOR EACH ROW EXECUTE FUNCTION clinic.known();`

// budgeted is the sample resources with a budget of so many rows.
func budgeted(rows int) string {
	return strings.Replace(servertest.Resources, "  credential:",
		fmt.Sprintf("  export_budgets: [{tables: [clinic.member_directory], rows: %d, per: 1h}]\n  credential:", rows), 1) + `
---
kind: ServiceAccount
name: reader
spec: {groups: [agents], owner: data-team, secret: {value: reader-secret}}
---
kind: StatementRule
name: exports-are-denied
spec: {targets: [pg-prod], groups: [agents], effects: [export], tables: ["*"], decision: deny}
`
}

func directory(t *testing.T, rows int) *servertest.Gateway {
	t.Helper()
	return servertest.Start(t, servertest.Options{Setup: directorySetup, Resources: budgeted(rows)})
}

// drain reads all rows of a statement until it ends or is cut.
func drain(t *testing.T, conn *pgx.Conn, sql string, args ...any) (n int, err error) {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		return 0, err
	}
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// Whatever is tried in whichever mode: no more rows than the budget has, and the
// stream is cut with 42501.
func TestExport_StreamIsCut(t *testing.T) {
	g := directory(t, 50)
	copyOut := func(t *testing.T, sql string) (int, error) {
		var b bytes.Buffer
		_, err := open(t, g, nil).PgConn().CopyTo(t.Context(), &b, sql)
		return bytes.Count(b.Bytes(), []byte("\n")), err
	}
	total := 0
	for name, run := range map[string]func(t *testing.T) (int, error){
		"simple": func(t *testing.T) (int, error) {
			conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
			return drain(t, conn, "SELECT * FROM clinic.member_directory")
		},
		"extended": func(t *testing.T) (int, error) {
			return drain(t, open(t, g, nil), "SELECT * FROM clinic.member_directory WHERE id > $1", 0)
		},
		"copy": func(t *testing.T) (int, error) { return copyOut(t, "COPY clinic.member_directory TO STDOUT") },
	} {
		n, err := run(t)
		if state(err) != "42501" {
			t.Errorf("%s: %d rows, then %v; want 42501", name, n, err)
		}
		total += n
	}
	if total > 50 {
		t.Errorf("%d rows were delivered, the budget is 50", total)
	}
	if total < 50 {
		t.Errorf("only %d rows were delivered before the first cut", total)
	}
	// Another identity has its own.
	conn, err := pgx.Connect(t.Context(), g.Connect("reader", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if n, err := drain(t, conn, "SELECT * FROM clinic.member_directory WHERE id <= 50"); n != 50 || err != nil {
		t.Errorf("another identity got %d rows, %v", n, err)
	}
}

// Rows count whether what they show is masked or not.
func TestExport_MaskedRowsCount(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: directorySetup, Resources: budgeted(50) + `---
kind: MaskRule
name: identifiers
spec: {targets: [pg-prod], columns: [clinic.member_directory.ssn], with: redact}
`})
	conn := open(t, g, nil)
	rows, err := conn.Query(t.Context(), "SELECT ssn FROM clinic.member_directory")
	if err != nil {
		t.Fatal(err)
	}
	n, values := 0, ""
	for rows.Next() {
		n++
		values += string(rows.RawValues()[0]) + " "
	}
	if n != 50 || state(rows.Err()) != "42501" || values != strings.Repeat("[masked] ", 50) {
		t.Errorf("%d rows, then %v; want 50 masked ones and 42501: %s", n, rows.Err(), values)
	}
}

// A stream that reaches the limit is cut even where a person could approve an export:
// nobody is asked while it waits.
func TestExport_CutIsNotHeld(t *testing.T) {
	res := strings.Replace(budgeted(50), "effects: [export], tables: [\"*\"], decision: deny", "effects: [infer], decision: allow", 1)
	g := servertest.Start(t, servertest.Options{Setup: directorySetup, Resources: res})
	conn := open(t, g, nil)
	if n, err := drain(t, conn, "SELECT * FROM clinic.member_directory"); n != 50 || state(err) != "42501" {
		t.Errorf("%d rows, then %v; want 50 and 42501", n, err)
	}
	if held, err := g.API("dba").Requests(t.Context(), api.RequestFilter{}); err != nil || len(held) > 0 {
		t.Errorf("%d requests, %v; want none", len(held), err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the connection is held open")
	}
}

// Each of these alone would deliver more than there is room for, in fewer rows.
func TestExport_GatheringIsDecidedFirst(t *testing.T) {
	g := directory(t, 50)
	conn := open(t, g, nil)
	_, err := conn.Exec(t.Context(), "PREPARE by_note(text) AS SELECT * FROM clinic.visits WHERE note = $1")
	must(t, err)
	for _, sql := range []string{
		"SELECT string_agg(ssn, ',') FROM clinic.member_directory",
		"SELECT json_agg(m) FROM clinic.member_directory m",
		"SELECT array_agg(ssn) FROM clinic.member_directory",
		"SELECT m.json_agg FROM clinic.member_directory m",
		"SELECT max(ssn) FROM clinic.member_directory",
		"SELECT ARRAY(SELECT ssn FROM clinic.member_directory)",
		"SELECT (SELECT string_agg(m.ssn, ',')) FROM clinic.member_directory m",
		"SELECT sum(ssn::numeric * 10::numeric ^ (9 * id)) FROM clinic.member_directory",
		"SELECT string_agg(ssn, ',') OVER () FROM clinic.member_directory",
		"SELECT clinic.everybody()", "SELECT clinic.loop()", "SELECT clinic.cursor()",
		"SELECT * FROM clinic.visits WHERE note = clinic.loop()",
		"SELECT count(set_config('my.a', coalesce(current_setting('my.a', true), '') || ssn, false)) FROM clinic.member_directory",
		"SELECT lo_from_bytea(0, (SELECT string_agg(ssn, ',') FROM clinic.member_directory)::bytea)",
		"SELECT pg_notify('c', (SELECT string_agg(ssn, ',') FROM clinic.member_directory WHERE id < 100))",
		"MERGE INTO clinic.visits v USING clinic.member_directory m ON v.id = m.id WHEN MATCHED THEN UPDATE SET note = m.ssn",
		"EXPLAIN ANALYZE SELECT string_agg(ssn, ',') FROM clinic.member_directory",
		"EXPLAIN VERBOSE SELECT clinic.frozen()", // the plan has what it gives
		"EXPLAIN EXECUTE by_note(clinic.everybody())",
		"COPY (SELECT string_agg(ssn, ',') FROM clinic.member_directory) TO STDOUT",
		"WITH d AS (DELETE FROM clinic.member_directory WHERE id > 0 RETURNING ssn) SELECT string_agg(ssn, ',') FROM d",
		"SELECT JSON_ARRAYAGG(ssn) FROM clinic.member_directory",
		"SELECT table_to_xml('clinic.member_directory', true, false, '')",
		"SELECT query_to_xml('SELECT * FROM clinic.member_directory', true, false, '')",
		"SELECT * FROM clinic.members",
		"SELECT * FROM pg_stats WHERE tablename = 'member_directory'",
		"SELECT 1 WHERE (SELECT string_agg(ssn, ',') FROM clinic.member_directory)::int = 1",
		"WITH RECURSIVE r AS (SELECT 1 AS id, '' AS a UNION ALL SELECT id + 1, a || (SELECT ssn FROM clinic.member_directory m WHERE m.id = r.id) FROM r WHERE id < 1000) SELECT a FROM r ORDER BY id DESC LIMIT 1",
		"INSERT INTO clinic.copy SELECT id, name FROM clinic.member_directory",
		"CREATE TEMP TABLE mine AS SELECT id, name FROM clinic.member_directory",
		"CREATE TEMP VIEW mine AS SELECT string_agg(ssn, ',') FROM clinic.member_directory",
		"UPDATE clinic.visits SET note = m.name FROM clinic.member_directory m WHERE m.id = visits.member",
		"UPDATE clinic.member_directory SET name = (SELECT string_agg(ssn, ',') FROM clinic.member_directory) WHERE id = 1",
		"PREPARE p AS SELECT string_agg(ssn, ',') FROM clinic.member_directory",
		"DECLARE c CURSOR WITH HOLD FOR SELECT string_agg(ssn, ',') FROM clinic.member_directory",
		"ALTER INDEX clinic.member_directory RENAME TO by_another_name", // it renames tables, too
		"DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(ssn, ',') FROM clinic.member_directory); END $$",
	} {
		if _, err := conn.Exec(t.Context(), sql); state(err) != "42501" {
			t.Errorf("%s: %v, want 42501", sql, err)
		}
	}
	// A number of this type is equal to many keys.
	oid := []uint32{pgtype.Float8OID}
	if err := conn.PgConn().ExecParams(t.Context(), "SELECT string_agg(ssn, ',') FROM clinic.member_directory WHERE id = $1", [][]byte{[]byte("1")}, oid, nil, nil).Read().Err; state(err) != "42501" {
		t.Errorf("a key that is equal to a float8: %v, want 42501", err)
	}
	if n := g.Count("SELECT count(*) FROM clinic.copy"); n != 0 {
		t.Errorf("%d rows were copied", n)
	}
	if n, err := drain(t, conn, "SELECT * FROM clinic.member_directory WHERE id <= 50"); n != 50 || err != nil {
		t.Errorf("what was refused was counted: %d rows, %v", n, err)
	}
}

// A key bounds a statement by its own collation, not by one that calls many keys equal,
// whichever way that comes.
func TestExport_KeyByAnotherCollation(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Resources: budgeted(50), Setup: directorySetup + `
		CREATE COLLATION clinic.shifted (provider = icu, locale = 'und-u-ks-level1-ka-shifted', deterministic = false);
		CREATE DOMAIN clinic.shifted_text AS text COLLATE clinic.shifted;
		ALTER TABLE clinic.member_directory ADD code text UNIQUE;
		UPDATE clinic.member_directory SET code = repeat('-', id) || 'x';`})
	conn := open(t, g, nil)
	var oid uint32
	must(t, conn.QueryRow(t.Context(), "SELECT 'clinic.shifted_text'::regtype::oid").Scan(&oid))
	ask := func(oid uint32) error {
		return conn.PgConn().ExecParams(t.Context(), "SELECT string_agg(ssn, ',') FROM clinic.member_directory WHERE code = $1", [][]byte{[]byte("-x")}, []uint32{oid}, nil, nil).Read().Err
	}
	for _, oid := range []uint32{0, pgtype.TextOID, pgtype.VarcharOID} {
		must(t, ask(oid))
	}
	if err := ask(oid); state(err) != "42501" {
		t.Errorf("a parameter of a type with the collation: %v, want 42501", err)
	}
	for _, cond := range []string{
		"code COLLATE clinic.shifted = 'x'", "code = 'x' COLLATE clinic.shifted", "code = 'x'::clinic.shifted_text", "code::clinic.shifted_text = 'x'",
	} {
		if _, err := conn.Exec(t.Context(), "SELECT string_agg(ssn, ',') FROM clinic.member_directory WHERE "+cond); state(err) != "42501" {
			t.Errorf("%s: %v, want 42501", cond, err)
		}
	}
}

// Who agreed to more of one table agreed to no more of another than its budget has.
func TestExport_AgreedForOneBudget(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: directorySetup, Resources: strings.NewReplacer(
		"export_budgets: [", "export_budgets: [{tables: [clinic.visits], rows: 5, per: 1h}, ",
		`effects: [export], tables: ["*"], decision: deny`, "effects: [export], tables: [clinic.visits], decision: allow",
		"unbounded-write, export, derive", "unbounded-write, derive",
	).Replace(budgeted(50))})
	conn := open(t, g, nil)
	if n, err := drain(t, conn, "SELECT * FROM clinic.visits WHERE id <= 5"); n != 5 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	if n, err := drain(t, conn, "SELECT * FROM clinic.visits WHERE id <= 5"); n != 5 || err != nil {
		t.Errorf("what a rule allows: %d rows, %v", n, err)
	}
	n, err := drain(t, conn, "SELECT v.note, m.ssn FROM clinic.visits v JOIN clinic.member_directory m ON m.id = v.member")
	if n != 50 || state(err) != "42501" {
		t.Errorf("with another table: %d rows, %v; want 50 and 42501", n, err)
	}
}

// Many sessions, small queries, slices, joins: together no more than the budget.
func TestExport_SessionsShareTheBudget(t *testing.T) {
	g := directory(t, 50)
	var got atomic.Int64
	var wg sync.WaitGroup
	conns := make([]*pgx.Conn, 6)
	for i := range conns {
		conns[i] = open(t, g, nil)
	}
	for i, conn := range conns {
		wg.Go(func() {
			for k := range 30 {
				id := i*30 + k
				rows, err := conn.Query(t.Context(), "SELECT a.ssn FROM clinic.member_directory a WHERE id = $1", id+1)
				if err == nil {
					for rows.Next() {
						got.Add(1)
					}
					err = rows.Err()
				}
				if err != nil {
					if state(err) != "42501" {
						t.Errorf("%v, want 42501", err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n != 50 {
		t.Errorf("%d rows were delivered, want 50", n)
	}
}

// The weight of a row counts: a row of a join with itself carries two of the table's.
func TestExport_RowsAreWeighed(t *testing.T) {
	for name, c := range map[string]struct {
		sql  string
		want int
	}{
		"join with itself": {"SELECT a.ssn, b.ssn FROM clinic.member_directory a JOIN clinic.member_directory b ON b.id = a.id + 1", 10},
		"scalars":          {"SELECT (SELECT ssn FROM clinic.member_directory WHERE id = g), (SELECT ssn FROM clinic.member_directory WHERE id = g + 1) FROM generate_series(1, 100) g", 10},
		"slices":           {"SELECT ssn FROM clinic.member_directory WHERE id < 15 UNION ALL SELECT ssn FROM clinic.member_directory WHERE id > 985", 20},
		"join":             {"SELECT v.note, m.name FROM clinic.visits v JOIN clinic.member_directory m ON m.id = v.member", 20},
		"whole row":        {"SELECT to_jsonb(m) FROM clinic.member_directory m", 20},
		"not shown":        {"SELECT g FROM generate_series(1, 1000) g WHERE EXISTS (SELECT FROM clinic.member_directory m WHERE m.id = g)", 20},
		"returning":        {"UPDATE clinic.member_directory SET plan = plan WHERE id > 0 AND id < 500 RETURNING ssn", 20},
		"limited arrays":   {"SELECT ARRAY(SELECT ssn FROM clinic.member_directory m WHERE m.id > g LIMIT 5) FROM generate_series(1, 10) g", 4},
	} {
		t.Run(name, func(t *testing.T) {
			g := directory(t, 20)
			n, err := drain(t, open(t, g, nil), c.sql)
			if n != c.want || state(err) != "42501" {
				t.Errorf("%d rows, then %v; want %d and 42501", n, err, c.want)
			}
		})
	}
}

func TestExport_PortalsAndCursors(t *testing.T) {
	g := directory(t, 50)
	total := 0
	t.Run("portal", func(t *testing.T) {
		conn := open(t, g, nil).PgConn()
		total += portalRows(t, conn)
	})
	t.Run("portal as a cursor", func(t *testing.T) {
		conn := open(t, g, nil)
		f := conn.PgConn().Frontend()
		f.SendQuery(&pgproto3.Query{String: "BEGIN"})
		f.SendParse(&pgproto3.Parse{Query: "SELECT ssn FROM clinic.member_directory"})
		f.SendBind(&pgproto3.Bind{DestinationPortal: "p"})
		f.SendParse(&pgproto3.Parse{Query: "FETCH 5 FROM p"})
		f.SendBind(&pgproto3.Bind{})
		f.SendExecute(&pgproto3.Execute{})
		f.SendSync(&pgproto3.Sync{})
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		rows, idle := 0, 0
		for idle < 2 {
			m, err := f.Receive()
			if err != nil {
				t.Fatal(err)
			}
			switch m.(type) {
			case *pgproto3.DataRow:
				rows++
			case *pgproto3.ReadyForQuery:
				idle++
			}
		}
		if rows != 5 {
			t.Errorf("FETCH of a portal gave %d rows", rows)
		}
		total += rows
	})
	for name, step := range map[string]string{"cursor": "FETCH 7 FROM c", "backwards": "FETCH BACKWARD 7 FROM c", "absolute": "FETCH ABSOLUTE 3 FROM c", "executed": "FETCH 7 FROM c"} {
		t.Run(name, func(t *testing.T) {
			conn := open(t, g, nil)
			_, err := conn.Exec(t.Context(), "BEGIN")
			declare := "DECLARE c SCROLL CURSOR FOR SELECT ssn FROM clinic.member_directory"
			if name == "executed" { // by SQL, after the protocol prepared it
				_, err = conn.Prepare(t.Context(), "d", declare)
				declare = "EXECUTE d"
			}
			if err == nil {
				_, err = conn.Exec(t.Context(), declare)
			}
			if err == nil && name == "backwards" {
				_, err = conn.Exec(t.Context(), "MOVE FORWARD ALL IN c")
			}
			for i := 0; err == nil && i < 100; i++ {
				var n int
				n, err = drain(t, conn, step)
				total += n
			}
			if state(err) != "42501" && state(err) != "25P02" {
				t.Errorf("%v, want 42501", err)
			}
		})
	}
	if total != 50 {
		t.Errorf("%d rows were delivered, want 50", total)
	}
}

// portalRows executes a portal again and again, three rows at a time.
func portalRows(t *testing.T, conn *pgconn.PgConn) (n int) {
	t.Helper()
	f := conn.Frontend()
	f.SendParse(&pgproto3.Parse{Query: "SELECT ssn FROM clinic.member_directory LIMIT 20"})
	f.SendBind(&pgproto3.Bind{DestinationPortal: "p"})
	for range 10 {
		f.SendExecute(&pgproto3.Execute{Portal: "p", MaxRows: 3})
	}
	f.SendSync(&pgproto3.Sync{})
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch m.(type) {
		case *pgproto3.DataRow:
			n++
		case *pgproto3.ReadyForQuery:
			return n
		}
	}
}

// An error tells a value: it counts, and once there is no room it is withheld.
func TestExport_ErrorsCount(t *testing.T) {
	g := directory(t, 10)
	conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	shown := 0
	for i := range 30 {
		_, err := conn.Exec(t.Context(), fmt.Sprintf("SELECT count(*) FROM clinic.member_directory WHERE id = %d AND name::int = 1", i+1))
		if err == nil {
			t.Fatal("no error")
		}
		if strings.Contains(err.Error(), "name-") {
			shown++
		}
	}
	if shown > 10 {
		t.Errorf("%d errors showed a value, the budget is 10", shown)
	}
}

// What must run, whatever the budget and however little of it is left.
func TestExport_HarmlessRuns(t *testing.T) {
	g := directory(t, 50)
	conn := open(t, g, nil)
	run := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT * FROM clinic.member_directory WHERE id = 1",
		"SELECT json_agg(m) FROM clinic.member_directory m WHERE id = 2",
		"SELECT m.name, v.note FROM clinic.visits v JOIN clinic.member_directory m ON m.id = v.member WHERE v.id = 3",
		"PREPARE one AS SELECT name FROM clinic.member_directory WHERE id = $1", "EXECUTE one(4)",
		"INSERT INTO clinic.copy SELECT id, name FROM clinic.member_directory WHERE id = 5",
		"SELECT active, n FROM (SELECT true AS active, count(*) AS n FROM clinic.member_directory) s",
		"BEGIN", "DECLARE c CURSOR FOR SELECT * FROM clinic.visits", "FETCH 900 FROM c", "CLOSE c",
		"LOCK TABLE clinic.member_directory IN ACCESS SHARE MODE", "COMMIT",
		"CREATE TEMP TABLE scratch AS SELECT * FROM clinic.visits", "SELECT * FROM scratch",
	} {
		run(sql)
	}
	if n, err := drain(t, conn, "SELECT * FROM clinic.member_directory"); n == 0 || n > 50 || state(err) != "42501" {
		t.Fatalf("%d rows, then %v", n, err)
	}
	conn = open(t, g, nil)
	for _, sql := range []string{
		"SELECT count(*) FROM clinic.member_directory",
		"SELECT count(*), count(DISTINCT plan) FROM clinic.member_directory WHERE plan = 3",
		"SELECT sum(plan), avg(plan) FROM clinic.member_directory",
		"SELECT * FROM clinic.visits",
		"UPDATE clinic.member_directory SET plan = 1 WHERE id = 1",
		"DELETE FROM clinic.member_directory WHERE id = 999",
		"INSERT INTO clinic.member_directory VALUES (2000, 'x', 'y', 1) RETURNING id",
		"EXPLAIN SELECT * FROM clinic.member_directory",
		"SELECT relname FROM pg_class WHERE oid = 'clinic.member_directory'::regclass",
		"COPY clinic.visits TO STDOUT",
		"INSERT INTO clinic.checked VALUES (1)",
	} {
		run(sql)
	}
	if _, err := conn.Exec(t.Context(), "SELECT name FROM clinic.member_directory WHERE id = 1"); state(err) != "42501" {
		t.Errorf("without room: %v, want 42501", err)
	}
}

// Whoever agrees to an export agrees to all of it, and it counts.
func TestExport_ApprovedDeliversAll(t *testing.T) {
	res := strings.Replace(budgeted(50), "effects: [export], tables: [\"*\"], decision: deny", "effects: [infer], decision: allow", 1)
	g := servertest.Start(t, servertest.Options{Setup: directorySetup, Resources: res})
	conn := open(t, g, nil)
	if n, err := drain(t, conn, "SELECT * FROM clinic.member_directory WHERE id <= 50"); n != 50 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	for sql, want := range map[string]int{
		"SELECT * FROM clinic.member_directory":                    directoryRows,
		"SELECT string_agg(ssn, ',') FROM clinic.member_directory": 1,
	} {
		decided := answer(t, g, true, nil)
		n, err := drain(t, conn, sql)
		if derr := <-decided; derr != nil {
			t.Fatal(derr)
		}
		if n != want || err != nil {
			t.Errorf("%s: %d rows, %v; want all %d", sql, n, err, want)
		}
	}
	decided := answer(t, g, false, nil)
	if _, err := drain(t, conn, "SELECT * FROM clinic.member_directory WHERE id = 1"); state(err) != "42501" {
		t.Errorf("after it: %v, want 42501", err)
	}
	if err := <-decided; err != nil {
		t.Error(err)
	}
	var pg *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "SELECT 1"); errors.As(err, &pg) {
		t.Errorf("the connection: %v", err)
	}
}
