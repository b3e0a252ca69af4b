package sqlscan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

func usesOf(a *Analysis, e hoop.Effect) (tables, into, columns []string) {
	for _, u := range a.Uses {
		if u.Effect != e {
			continue
		}
		tables, into = append(tables, u.Tables...), append(into, u.Into...)
		for _, c := range u.Columns {
			columns = append(columns, c.String())
		}
	}
	return sortedSet(tables), sortedSet(into), sortedSet(columns)
}

func TestAnalyze_Reads(t *testing.T) {
	for _, tt := range []struct {
		sql  string
		want string
	}{
		{"SELECT 1", ""},
		{"SELECT * FROM clinic.patients", "clinic.patients"},
		{"SELECT * FROM patients", "clinic.patients"},
		{"SELECT * FROM notes", "other.notes public.notes"},
		{"SELECT * FROM other.notes", "other.notes"},
		{`SELECT * FROM "clinic"."patients"`, "clinic.patients"},
		{"SELECT * FROM clinic.log_2024", "clinic.log clinic.log_2024"},
		{"SELECT * FROM clinic.log", "clinic.log clinic.log_2024"},
		{"SELECT * FROM clinic.child", "clinic.base clinic.child"},
		{"SELECT * FROM clinic.active", "clinic.active clinic.patients"},
		{"SELECT * FROM nowhere", ""},
		{"SELECT (SELECT body FROM public.notes LIMIT 1) FROM clinic.patients", "clinic.patients public.notes"},
		{"SELECT * FROM clinic.patients p WHERE EXISTS (SELECT 1 FROM clinic.visits)", "clinic.patients clinic.visits"},
		// A CTE hides a table in its scope only, and never from a write.
		{"WITH notes AS (SELECT 1) SELECT * FROM notes", ""},
		{"WITH notes AS (SELECT * FROM notes) SELECT * FROM notes", "other.notes public.notes"},
		{"WITH RECURSIVE notes AS (SELECT 1 UNION ALL SELECT * FROM notes) SELECT * FROM notes", ""},
		{"WITH notes AS (SELECT 1) SELECT * FROM public.notes", "public.notes"},
		{"SELECT * FROM (WITH notes AS (SELECT 1) SELECT * FROM notes) a, notes", "other.notes public.notes"},
		{"WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", ""},
		{"WITH notes AS (SELECT 1) DELETE FROM notes", "other.notes public.notes"},
		{"WITH notes AS (SELECT 1 AS id, 'x' AS body) INSERT INTO public.notes SELECT * FROM notes", "public.notes"},
		// What is written, and what foreign keys change with it, shows in errors.
		{"INSERT INTO public.notes VALUES (1, 'x')", "public.notes"},
		{"DELETE FROM clinic.patients WHERE id = 1", "clinic.patients clinic.visits"},
		{"CREATE UNIQUE INDEX ON clinic.patients (ssn)", "clinic.patients"},
		{"EXPLAIN SELECT * FROM clinic.patients", "clinic.patients"},
		{"PREPARE p AS SELECT * FROM clinic.patients", "clinic.patients"},
		{"COPY clinic.patients TO STDOUT", "clinic.patients"},
		{"SELECT 1; SELECT * FROM clinic.patients", "clinic.patients"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			if got := strings.Join(analyze(t, tt.sql).Reads, " "); got != tt.want {
				t.Errorf("reads %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnalyze_Infer(t *testing.T) {
	for _, tt := range []struct{ sql, want string }{
		{"SELECT ssn FROM clinic.patients", ""},
		{"SELECT ssn AS x, name || 'a' FROM clinic.patients", "clinic.patients.name"},
		{"SELECT id FROM clinic.patients WHERE ssn = '1'", "clinic.patients.ssn"},
		{"SELECT p.id FROM clinic.patients p, clinic.visits v WHERE v.id = 1", "clinic.visits.id"},
		{"SELECT 1 FROM clinic.patients p, clinic.visits v WHERE reason = 'x'", "clinic.visits.reason"},
		{"SELECT 1 FROM clinic.patients p JOIN clinic.visits v USING (id)", "clinic.patients.id clinic.visits.id"},
		{"SELECT 1 FROM clinic.patients ORDER BY ssn", "clinic.patients.ssn"},
		{"SELECT name, ssn FROM clinic.patients ORDER BY 2", "clinic.patients.name clinic.patients.ssn"},
		{"SELECT ssn AS s FROM clinic.patients ORDER BY s", "clinic.patients.ssn"},
		{"SELECT count(*) FROM clinic.patients GROUP BY ssn", "clinic.patients.ssn"},
		{"SELECT count(*) FROM clinic.patients HAVING max(ssn) > '5'", "clinic.patients.ssn"},
		{"SELECT DISTINCT ssn FROM clinic.patients", "clinic.patients.ssn"},
		{"SELECT DISTINCT * FROM clinic.visits", `clinic.visits.*`},
		{"SELECT ssn FROM clinic.patients EXCEPT SELECT 'a'", "clinic.patients.ssn"},
		{"TABLE clinic.visits EXCEPT TABLE clinic.visits", `clinic.visits.*`},
		{"SELECT 1 FROM clinic.patients p WHERE p::text LIKE '%1%'", `clinic.patients.*`},
		{"SELECT 1 FROM clinic.patients p WHERE (p).ssn = '1'", `clinic.patients.*`},
		{"SELECT 1 FROM clinic.patients p WHERE p.row_to_json::text LIKE '%1%'", `clinic.patients.*`},
		{"SELECT 1 FROM (SELECT ssn AS x FROM clinic.patients) q WHERE x = '1'", "clinic.patients.ssn"},
		{"SELECT 1 FROM (SELECT ssn AS id FROM clinic.patients) q WHERE id = '1'", "clinic.patients.id clinic.patients.ssn"},
		{"SELECT 1 FROM (SELECT ssn FROM clinic.patients) q(x) WHERE x = '1'", "clinic.patients.ssn"},
		{"SELECT 1 FROM (SELECT * FROM clinic.visits) q(x, y) WHERE x = 1", "clinic.visits.id"},
		{"SELECT 1 FROM clinic.visits q(x) WHERE x = 1", `clinic.visits.*`},
		{"SELECT 1 FROM (SELECT upper(ssn) FROM clinic.patients) q WHERE upper = '1'", "clinic.patients.ssn"},
		{"WITH c(x) AS (SELECT ssn FROM clinic.patients) SELECT 1 FROM c WHERE x = '1'", "clinic.patients.ssn"},
		{"WITH RECURSIVE t(a, n) AS (SELECT id, 0 FROM clinic.patients UNION ALL SELECT p.id, t.n + 1 FROM clinic.patients p JOIN t ON p.id = t.a) SELECT a FROM t ORDER BY n", "clinic.patients.id"},
		{"WITH c(x, y, z) AS (SELECT (p).*, 1 FROM clinic.patients p) SELECT 1 FROM c WHERE y = 1", `clinic.patients.*`},
		{"WITH d AS (SELECT 1 AS a), c(x) AS (WITH d AS (SELECT ssn FROM clinic.patients) SELECT * FROM d) SELECT 1 FROM c WHERE x = '1'", `clinic.patients.*`},
		{"WITH d AS (SELECT 1 AS a), c(x) AS (WITH d AS (SELECT ssn FROM clinic.patients) SELECT * FROM d UNION SELECT * FROM d) SELECT 1 FROM c WHERE x = '1'", `clinic.patients.*`},
		{"WITH RECURSIVE d(a) AS (SELECT name FROM clinic.patients UNION ALL SELECT a FROM d) CYCLE a SET b USING p, c(x, y, z, w) AS (SELECT d.*, 1 FROM d) SELECT 1 FROM c WHERE y", `clinic.patients.* clinic.patients.name`},
		{"WITH c(x) AS (SELECT 1) SELECT 1 FROM c, jsonb_to_record((SELECT to_jsonb(p) FROM clinic.patients p)) f(x int) WHERE f.x = 1", `clinic.patients.*`},
		{"WITH c(x) AS (SELECT 1) SELECT 1 FROM c, clinic.patients p, LATERAL upper(p.ssn) x WHERE x = '1'", `clinic.patients.* clinic.patients.ssn`},
		{"WITH c AS (SELECT ssn || '' AS y FROM clinic.patients), d AS (SELECT y AS z FROM c) SELECT 1 FROM d WHERE z = '1'", "clinic.patients.ssn"},
		{"SELECT '1' IN (SELECT ssn FROM clinic.patients)", "clinic.patients.ssn"},
		{"SELECT 1 WHERE '1' = ANY (SELECT ssn FROM clinic.patients)", "clinic.patients.ssn"},
		{"SELECT 1 FROM clinic.patients LIMIT (SELECT length(ssn) FROM clinic.patients LIMIT 1)", "clinic.patients.ssn"},
		{"SELECT generate_series(1, length(ssn)) FROM clinic.patients", "clinic.patients.ssn"},
		{"SELECT 1 FROM clinic.patients, generate_series(1, length(ssn))", "clinic.patients.ssn"},
		{"SELECT CASE ssn WHEN '1' THEN 1/0 END FROM clinic.patients", "clinic.patients.ssn"},
		{"SELECT row_number() OVER (ORDER BY ssn) FROM clinic.patients", "clinic.patients.ssn"},
		{"SELECT rank() OVER w FROM clinic.patients WINDOW w AS (PARTITION BY ssn)", "clinic.patients.ssn"},
		{"SELECT count(*) FILTER (WHERE ssn = '1') FROM clinic.patients", "clinic.patients.ssn"},
		{"SELECT array_agg(id ORDER BY ssn) FROM clinic.patients", "clinic.patients.id clinic.patients.ssn"},
		{"UPDATE clinic.patients SET name = 'x' WHERE ssn = '1'", "clinic.patients.ssn"},
		{"DELETE FROM clinic.patients WHERE ssn = '1' RETURNING id", "clinic.patients.ssn"},
		{"DECLARE c CURSOR FOR SELECT 1 FROM clinic.patients ORDER BY ssn", "clinic.patients.ssn"},
		{"COPY (SELECT 1 FROM clinic.patients ORDER BY ssn) TO STDOUT", "clinic.patients.ssn"},
		{"INSERT INTO public.notes SELECT 1, name FROM clinic.patients WHERE ssn = '1'", "clinic.patients.ssn"},
		{"SELECT 1 FROM clinic.child WHERE x = 'a'", "clinic.base.x clinic.child.x"},
		{"SELECT 1 FROM clinic.child c WHERE c.y = 'a'", "clinic.child.y"},
		{"SELECT 1 FROM clinic.base b WHERE b.y = 'a'", `clinic.base.* clinic.child.y`},
		{"SELECT 1 FROM clinic.patients GROUP BY GROUPING SETS ((ssn), ())", "clinic.patients.ssn"},
		{"MERGE INTO public.notes n USING clinic.patients p ON n.body = p.ssn WHEN MATCHED THEN DO NOTHING", "clinic.patients.ssn public.notes.body"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			_, _, columns := usesOf(analyze(t, tt.sql), hoop.EffectInfer)
			if got := strings.Join(columns, " "); got != tt.want {
				t.Errorf("columns %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnalyze_Derive(t *testing.T) {
	for _, tt := range []struct{ sql, from, into string }{
		{"CREATE TABLE clinic.n AS SELECT * FROM clinic.patients", "clinic.patients", "clinic.n"},
		{"CREATE TABLE n AS SELECT * FROM public.notes", "public.notes", "clinic.n other.n public.n"},
		{"CREATE TEMP TABLE n AS SELECT * FROM clinic.patients", "clinic.patients", "pg_temp.n"},
		{"SELECT ssn INTO other.x FROM clinic.patients", "clinic.patients", "other.x"},
		{`CREATE VIEW "Other"."V" AS SELECT * FROM clinic.patients`, "clinic.patients", `"Other"."V"`},
		{"INSERT INTO clinic.archive SELECT * FROM clinic.patients", "clinic.patients", "clinic.archive"},
		{"INSERT INTO public.notes VALUES (1, (SELECT ssn FROM clinic.patients LIMIT 1))", "clinic.patients", "public.notes"},
		{"INSERT INTO public.notes VALUES (1, 'x')", "", ""},
		{"INSERT INTO public.notes SELECT 1, $1", "", ""},
		{"WITH d AS (DELETE FROM clinic.patients WHERE id = 1 RETURNING ssn) INSERT INTO public.notes SELECT 1, ssn FROM d", "clinic.patients", "public.notes"},
		{"WITH d AS (UPDATE clinic.patients SET name = 'x' WHERE id = 1 RETURNING ssn) INSERT INTO public.notes SELECT 1, ssn FROM d", "clinic.patients", "public.notes"},
		{"UPDATE clinic.patients SET note = ssn WHERE id = 1", "clinic.patients", "clinic.patients"},
		{"UPDATE clinic.patients SET id = id + 1 WHERE id = 1", "clinic.patients", "clinic.patients"},
		{"UPDATE public.notes n SET body = p.ssn FROM clinic.patients p WHERE p.id = n.id AND n.id = 5", "clinic.patients public.notes", "public.notes"},
		// What a subscript says is stored.
		{"INSERT INTO public.notes (body[(SELECT ssn FROM clinic.patients LIMIT 1)]) VALUES (1)", "clinic.patients", "public.notes"},
		{"INSERT INTO public.notes (body[1]) VALUES (1)", "", ""},
		{"UPDATE public.notes SET body[(SELECT ssn FROM clinic.patients LIMIT 1)] = 1 WHERE id = 1", "clinic.patients public.notes", "public.notes"},
		{"UPDATE public.notes n SET body[p.id] = 1 FROM clinic.patients p WHERE n.id = 1", "clinic.patients public.notes", "public.notes"},
		{"INSERT INTO public.notes VALUES (1) ON CONFLICT (id) DO UPDATE SET body[(SELECT id FROM clinic.patients LIMIT 1)] = 1", "clinic.patients public.notes", "public.notes"},
		{"UPDATE clinic.patients SET tags[1] = 'x' WHERE id = 1", "", ""},
		{"UPDATE clinic.patients SET data['x'] = '1' WHERE id = 1", "clinic.patients", "clinic.patients"},
		// What decides how many of them are stored is told by how many there are.
		{"INSERT INTO public.notes (id) (VALUES (1), (2) LIMIT (SELECT id FROM clinic.patients LIMIT 1))", "clinic.patients", "public.notes"},
		{"INSERT INTO public.notes (id) (VALUES (1), (2) OFFSET (SELECT id FROM clinic.patients LIMIT 1))", "clinic.patients", "public.notes"},
		{"INSERT INTO public.notes (id) (VALUES (1), (2) ORDER BY (SELECT id FROM clinic.patients LIMIT 1))", "clinic.patients", "public.notes"},
		// A column of the same name is another's.
		{"UPDATE clinic.archive a SET ssn = p.ssn FROM clinic.patients p WHERE p.id = a.id AND a.id = 5", "clinic.archive clinic.patients", "clinic.archive"},
		{"UPDATE clinic.archive SET ssn = coalesce(archive.ssn, clinic.patients.ssn) FROM clinic.patients WHERE archive.id = 5", "clinic.archive clinic.patients", "clinic.archive"},
		{"UPDATE other.notes SET body = public.notes.body FROM public.notes WHERE other.notes.id = 5", "other.notes public.notes", "other.notes"},
		// What others choose can be seen in the rows.
		{"UPDATE other.notes SET body = 'x', id = other.notes.id FROM public.notes WHERE other.notes.id = 5", "public.notes", "other.notes"},
		{"UPDATE clinic.archive a SET ssn = a.ssn FROM clinic.patients p WHERE p.id = a.id AND a.id = 5", "clinic.patients", "clinic.archive"},
		{"DELETE FROM public.notes WHERE id IN (SELECT id FROM clinic.patients WHERE ssn = 'x')", "clinic.patients", "public.notes"},
		{"UPDATE notes SET body = 'x' FROM other.notes o WHERE o.id = notes.id", "other.notes", "other.notes public.notes"},
		{"UPDATE clinic.archive SET ssn = 'x' WHERE id IN (SELECT id FROM clinic.archive WHERE ssn = 'y' LIMIT 10)", "", ""},
		{"MERGE INTO public.notes n USING clinic.patients p ON n.id = p.id WHEN NOT MATCHED THEN INSERT VALUES (1, p.ssn)", "clinic.patients", "public.notes"},
		{"ALTER TABLE clinic.patients RENAME ssn TO x", "clinic.patients", "clinic.patients"},
		{"ALTER TABLE clinic.patients RENAME TO people", "clinic.patients", "clinic.people"},
		{"ALTER INDEX clinic.patients RENAME TO people", "clinic.patients", "clinic.people"}, // it renames tables, too
		{"ALTER TABLE public.notes SET SCHEMA clinic", "public.notes", "clinic.notes"},
		{"ALTER SCHEMA other RENAME TO x", "other.notes", "x.notes"},
		{"REFRESH MATERIALIZED VIEW clinic.stats", "clinic.patients", "clinic.stats"},
		{"PREPARE p AS INSERT INTO clinic.archive SELECT * FROM clinic.patients", "clinic.patients", "clinic.archive"},
		{"CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM clinic.patients", "clinic.patients", "s.v"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			from, into, _ := usesOf(analyze(t, tt.sql), hoop.EffectDerive)
			if got := strings.Join(from, " "); got != tt.from {
				t.Errorf("from %q, want %q", got, tt.from)
			}
			if got := strings.Join(into, " "); got != tt.into {
				t.Errorf("into %q, want %q", got, tt.into)
			}
		})
	}
}

// What is copied is judged by columns where it is known that there are no others.
func TestAnalyze_DeriveByColumn(t *testing.T) {
	const any = "" // of the tables
	name := hoop.ColumnRef{Schema: "clinic", Table: "patients", Column: "name"}
	for sql, want := range map[string]string{
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients":                                               "clinic.patients.name",
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients WHERE ssn = 'x'":                               "clinic.patients.name clinic.patients.ssn",
		"INSERT INTO clinic.archive (ssn) SELECT name FROM clinic.patients ON CONFLICT DO NOTHING":                       "clinic.patients.name", // the target's columns are no source
		"INSERT INTO public.notes (id, body) SELECT nextval('clinic.seq'), name FROM clinic.patients":                    "clinic.patients.name clinic.seq.*",
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients WHERE lo_get(1) = ''":                          any,
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients WHERE current_setting('my.own') = ''":          any,
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients, nowhere":                                      any,
		"UPDATE clinic.patients SET note = ssn WHERE id = 1":                                                             "clinic.patients.ssn",
		"UPDATE public.notes SET body = (SELECT name FROM clinic.patients WHERE id = 1)":                                 "clinic.patients.id clinic.patients.name public.notes.id",
		"UPDATE public.notes SET body = p.name FROM clinic.patients p WHERE p.id = 1":                                    "clinic.patients.id clinic.patients.name",
		"CREATE TABLE clinic.new AS SELECT name FROM clinic.patients":                                                    "clinic.patients.name",
		"MERGE INTO public.notes n USING clinic.patients p ON false WHEN NOT MATCHED THEN INSERT (body) VALUES (p.name)": "clinic.patients.name",
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		known := func(known bool) Lineage {
			return Lineage{Stored: func(*pgparse.Parsed, int, *catalog.Snapshot) Stored {
				return Stored{Columns: []hoop.ColumnRef{name}, Known: known}
			}}
		}
		from, _, columns := usesOf(study(t, p, snap, known(true)), hoop.EffectDerive)
		if got := strings.Join(columns, " "); got != want || len(from) == 0 {
			t.Errorf("%s: %q of %v, want %q", sql, got, from, want)
		}
		if _, _, columns := usesOf(study(t, p, snap, known(false)), hoop.EffectDerive); len(columns) > 0 && !strings.Contains(sql, "note = ssn") {
			t.Errorf("%s: not known, and %v", sql, columns)
		}
	}
	p, err := pool.Parse(t.Context(), "INSERT INTO public.notes SELECT 1 FROM clinic.patients")
	if err != nil {
		t.Fatal(err)
	}
	nothing := Lineage{Stored: func(*pgparse.Parsed, int, *catalog.Snapshot) Stored {
		return Stored{Known: true}
	}}
	if a := study(t, p, snap, nothing); a.Has(hoop.EffectDerive) {
		t.Errorf("a constant is a copy: %+v", a.Uses)
	}
}

// What multiplies rows is told of tables that others see, however far the rest is known.
func TestAnalyze_Rows(t *testing.T) {
	by := []hoop.ColumnRef{{Schema: "clinic", Table: "patients", Column: "ssn"}}
	for sql, want := range map[string]bool{
		"CREATE TABLE clinic.new AS SELECT name FROM clinic.patients":                                           true,
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients":                                      true,
		"INSERT INTO public.notes (id, body) SELECT nextval('clinic.seq'), name FROM clinic.patients":           true,
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients WHERE current_setting('my.own') = ''": true,
		"INSERT INTO public.notes (body) SELECT name FROM clinic.patients, nowhere":                             true,
		"CREATE TEMP TABLE new AS SELECT name FROM clinic.patients":                                             false,
		"UPDATE public.notes SET body = 'x' FROM clinic.patients p WHERE p.name = 'y'":                          false,
		"SELECT name FROM clinic.patients":                                                                      false,
	} {
		p, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		told := Lineage{Stored: func(*pgparse.Parsed, int, *catalog.Snapshot) Stored {
			return Stored{Columns: by, Known: true, Apart: by, Rows: by, Elements: by, Fills: true}
		}}
		got := false
		a := study(t, p, snap, told)
		if fills := len(a.Commands[0].Fills) > 0; fills != want {
			t.Errorf("%s: fills %v", sql, a.Commands[0].Fills)
		}
		for _, u := range a.Uses {
			if slices.Equal(u.Rows, by) != slices.Equal(u.Elements, by) || len(u.Rows) > 0 && u.Effect != hoop.EffectDerive {
				t.Errorf("%s: %+v", sql, u)
			}
			got = got || len(u.Rows) > 0
		}
		if got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}

func TestAnalyze_TablesOfEffects(t *testing.T) {
	for _, tt := range []struct {
		sql    string
		effect hoop.Effect
		want   string
	}{
		{"UPDATE clinic.log SET line = 'x' WHERE line = 'y'", hoop.EffectWrite, "clinic.log clinic.log_2024"},
		{"DELETE FROM clinic.patients WHERE id = 1", hoop.EffectWrite, "clinic.patients clinic.visits"},
		{"UPDATE clinic.patients SET name = 'x' WHERE id = 1", hoop.EffectWrite, "clinic.patients"},
		{"DELETE FROM notes", hoop.EffectUnboundedWrite, "other.notes public.notes"},
		{"DELETE FROM nowhere", hoop.EffectUnboundedWrite, "*"},
		{"TRUNCATE clinic.patients CASCADE", hoop.EffectDestroy, "clinic.billing clinic.patients clinic.visits"},
		{"DROP TABLE clinic.log", hoop.EffectDestroy, "clinic.log clinic.log_2024"},
		{"DROP SCHEMA other", hoop.EffectDestroy, "other.notes"},
		{"GRANT SELECT ON clinic.patients TO public", hoop.EffectRole, "clinic.patients"},
		{"ALTER TABLE clinic.patients ENABLE ROW LEVEL SECURITY", hoop.EffectRole, "clinic.patients"},
		{"COPY clinic.patients FROM STDIN", hoop.EffectImport, "clinic.patients"},
		{"SELECT * FROM clinic.patients FOR UPDATE", hoop.EffectWrite, "clinic.patients"},
		{"SELECT nextval('clinic.seq')", hoop.EffectWrite, "clinic.seq"},
		{"DO 'x'", hoop.EffectOpaque, "*"},
		{"CREATE TEMP TABLE notes AS SELECT id FROM clinic.patients", hoop.EffectRead, "clinic.patients"},
		{"INSERT INTO public.notes SELECT id, name FROM clinic.active", hoop.EffectRead, "clinic.active clinic.patients"},
		{"DELETE FROM public.notes WHERE id = 1", hoop.EffectRead, ""},
		{"DELETE FROM public.notes WHERE id = (SELECT max(id) FROM public.notes)", hoop.EffectRead, "public.notes"},
		{"UPDATE public.notes SET body = 'x' FROM clinic.child c WHERE c.id = notes.id", hoop.EffectRead, "clinic.base clinic.child"},
		{"INSERT INTO public.notes VALUES (1, 'x') RETURNING body", hoop.EffectRead, "public.notes"},
		{"INSERT INTO public.notes SELECT id FROM nowhere", hoop.EffectRead, "*"},
		{"DELETE FROM public.notes WHERE lo_get(id::oid) = ''", hoop.EffectRead, "pg_catalog.pg_largeobject"},
		{"SELECT lo_put(1, 0, 'x')", hoop.EffectWrite, "pg_catalog.pg_largeobject"},
		{"SELECT pg_read_file('x')", hoop.EffectServer, "*"},
		{"COPY public.notes FROM '/x'", hoop.EffectServer, "*"},
		{"CREATE POLICY p ON public.notes USING (EXISTS (SELECT 1 FROM clinic.visits))", hoop.EffectRead, "clinic.visits"},
		{"CREATE RULE r AS ON INSERT TO other.notes WHERE EXISTS (SELECT 1 FROM clinic.visits) DO NOTHING", hoop.EffectRead, "clinic.visits other.notes"},
		{"CREATE INDEX ON clinic.patients (id)", hoop.EffectRead, ""},
		{"ALTER TABLE public.notes ADD more text", hoop.EffectRead, ""},
		{"ALTER TABLE public.notes RENAME TO more", hoop.EffectRead, "public.notes"},
		{"ALTER INDEX public.notes RENAME TO more", hoop.EffectRead, "public.notes"},
		{"ALTER TABLE clinic.log DETACH PARTITION clinic.log_2024", hoop.EffectRead, "clinic.log clinic.log_2024"},
		{"CREATE INDEX ON clinic.patients (id)", hoop.EffectDDL, "clinic.patients"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			tables, _, _ := usesOf(analyze(t, tt.sql), tt.effect)
			if got := strings.Join(tables, " "); got != tt.want {
				t.Errorf("tables %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnalyze_Commands(t *testing.T) {
	for sql, want := range map[string]Command{
		"SELECT 1":                               {Verb: "SELECT", ReturnsRows: true, End: 8},
		"BEGIN":                                  {Verb: "BEGIN", Tx: TxBegin, End: 5},
		"COMMIT AND CHAIN":                       {Verb: "COMMIT", Tx: TxCommit, Chain: true, End: 16},
		"END":                                    {Verb: "COMMIT", Tx: TxCommit, End: 3},
		"ABORT":                                  {Verb: "ROLLBACK", Tx: TxRollback, End: 5},
		"COPY clinic.patients FROM STDIN":        {Verb: "COPY", CopyIn: true, End: 31},
		"COPY clinic.patients TO STDOUT":         {Verb: "COPY", CopyOut: true, End: 30},
		"COPY (SELECT 1) TO STDOUT":              {Verb: "COPY", CopyOut: true, End: 25},
		"COPY clinic.patients TO '/x'":           {Verb: "COPY", End: 28},
		"COPY clinic.patients FROM '/x'":         {Verb: "COPY", CopyFile: true, End: 30},
		"PREPARE p AS SELECT 1":                  {Verb: "PREPARE", Prepare: "p", End: 21},
		"EXECUTE p":                              {Verb: "EXECUTE", Execute: "p", ReturnsRows: true, End: 9},
		"EXPLAIN EXECUTE p":                      {Verb: "EXPLAIN", Execute: "p", Explain: true, ReturnsRows: true, End: 17},
		"CREATE TABLE clinic.z AS EXECUTE p":     {Verb: "CREATE TABLE AS", Execute: "p", End: 34},
		"DEALLOCATE ALL":                         {Verb: "DEALLOCATE", Deallocate: "*", End: 14},
		"DISCARD ALL":                            {Verb: "DISCARD", Deallocate: "*", CloseCursor: "*", Discard: true, ResetAll: true, Untemp: true, Commits: true, End: 11},
		"DECLARE c CURSOR FOR SELECT 1":          {Verb: "DECLARE CURSOR", Declare: "c", End: 29},
		"DECLARE c CURSOR WITH HOLD FOR TABLE t": {Verb: "DECLARE CURSOR", Declare: "c", Holds: true, End: 38},
		"FETCH ALL FROM c":                       {Verb: "FETCH", Fetch: "c", ReturnsRows: true, End: 16},
		"CLOSE c":                                {Verb: "CLOSE", CloseCursor: "c", End: 7},
		"INSERT INTO notes VALUES (1)":           {Verb: "INSERT", End: 28},
		"DELETE FROM notes RETURNING id":         {Verb: "DELETE", ReturnsRows: true, End: 30},
		"DROP TABLE notes":                       {Verb: "DROP TABLE", End: 16},
		"CREATE TABLE clinic.z AS SELECT 1":      {Verb: "CREATE TABLE AS", End: 33},
		"EXPLAIN DELETE FROM notes":              {Verb: "EXPLAIN", Explain: true, ReturnsRows: true, End: 25},
		"CREATE MATERIALIZED VIEW z AS SELECT":   {Verb: "CREATE MATERIALIZED VIEW", End: 36},
		"ALTER FOREIGN TABLE z ADD a int":        {Verb: "ALTER FOREIGN TABLE", End: 31},
	} {
		t.Run(sql, func(t *testing.T) {
			if diff := cmp.Diff([]Command{want}, analyze(t, sql).Commands); diff != "" {
				t.Error(diff)
			}
		})
	}
	a := analyze(t, "  SELECT 1 ; /* x */ DELETE FROM notes;")
	if a.Multi != 2 || a.Verb != "SELECT" || len(a.Commands) != 2 {
		t.Fatalf("%+v", a)
	}
	if c := a.Commands[1]; c.Verb != "DELETE" || c.Start != 12 || c.End != 38 {
		t.Errorf("second command %+v", c)
	}
}

// A statement keeps its effects wherever it is put.
func TestAnalyze_EmbeddedStatementsKeepTheirEffects(t *testing.T) {
	for _, sql := range statements(t) {
		if strings.Contains(sql, ";") {
			continue
		}
		inner := analyze(t, sql)
		for _, wrap := range []string{"EXPLAIN %", "EXPLAIN (ANALYZE) %", "PREPARE pp AS %", "SELECT 1; %", "%; SELECT 1", "DECLARE cc CURSOR FOR %", "COPY (%) TO STDOUT", "CREATE SCHEMA ss %", "/* SELECT */ %"} {
			outer := strings.ReplaceAll(wrap, "%", sql)
			p, err := pool.Parse(t.Context(), outer)
			if err != nil {
				continue // the grammar does not allow it there
			}
			got := Analyze(p, snap, Lineage{})
			for _, u := range inner.Uses {
				if u.Effect != hoop.EffectRead && !got.Has(u.Effect) {
					t.Errorf("%s: %s, alone %s", outer, summary(got), summary(inner))
				}
			}
			if inner.Opaque && !got.Opaque || inner.Temp && !got.Temp || inner.Forbidden != "" && got.Forbidden == "" {
				t.Errorf("%s: %s, alone %s", outer, summary(got), summary(inner))
			}
			for _, r := range inner.Reads {
				if !slices.Contains(got.Reads, r) {
					t.Errorf("%s: reads %v, alone %v", outer, got.Reads, inner.Reads)
				}
			}
		}
	}
}

// Hostile statements take bounded time.
func TestAnalyze_HostileStatementsEnd(t *testing.T) {
	nested := "SELECT id FROM clinic.visits"
	for range 30 {
		nested = "SELECT a.id FROM clinic.patients a, clinic.patients b, clinic.patients c WHERE a.id IN (" + nested + ") AND b.id = 1"
	}
	ctes := "WITH c0 AS (SELECT id FROM clinic.patients WHERE id = 1)"
	for i := range 60 {
		ctes += fmt.Sprintf(", c%d AS (SELECT a.id FROM c%d a, c%d b WHERE a.id = b.id)", i+1, i, i)
	}
	doubled := "WITH c0 AS (SELECT 1 AS x)"
	for i := range 40 {
		doubled += fmt.Sprintf(", c%d AS (SELECT *, a.* FROM c%d a, c%d b)", i+1, i, i)
	}
	exists := "a0.id = 1"
	for range 25 {
		exists = "EXISTS (SELECT 1 FROM clinic.patients a, clinic.visits b WHERE a.id = b.id AND " + strings.ReplaceAll(exists, "a0", "a") + ")"
	}
	for name, sql := range map[string]string{
		"nested IN":     "DELETE FROM clinic.patients WHERE id IN (" + nested + ")",
		"chained CTEs":  ctes + " DELETE FROM clinic.patients USING c60 x, c60 y WHERE patients.id = x.id",
		"nested EXISTS": "DELETE FROM clinic.patients WHERE " + exists,
		"wide":          "SELECT 1 FROM clinic.patients WHERE " + strings.Repeat("ssn = 'x' OR ", 20_000) + "true",
		"many names":    "SELECT 1 FROM (SELECT " + strings.Repeat("upper(ssn || 'x'), ", 2000) + "1 FROM clinic.patients) q WHERE " + strings.Repeat("z1 = 2 AND ", 2000) + "true",
		"doubled CTEs":  doubled + " SELECT * FROM c40 UNION ALL SELECT 1",
		"itself":        "WITH RECURSIVE r AS (SELECT * FROM r a, r b) SELECT * FROM r, r c UNION ALL SELECT * FROM r",
		"rows":          "INSERT INTO notes VALUES (1)" + strings.Repeat(", (1)", 100_000),
		"statements":    strings.Repeat("DELETE FROM notes; ", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := pool.Parse(t.Context(), sql)
			if err != nil {
				t.Fatal(err) // too much for the parser: the test shows nothing
			}
			started := time.Now()
			Analyze(p, snap, Lineage{})
			if took := time.Since(started); took > 30*time.Second { // far more than any takes, far less than without a bound
				t.Errorf("took %v for %d bytes", took, len(sql))
			}
		})
	}
}

func BenchmarkAnalyze(b *testing.B) {
	for name, sql := range map[string]string{
		"select 1": "SELECT 1",
		"point":    "SELECT id, name, ssn FROM clinic.patients WHERE id = $1",
		"report":   "WITH v AS (SELECT patient_id, count(*) AS n FROM clinic.visits WHERE at > now() - interval '1 year' GROUP BY 1) SELECT p.id, p.name, v.n, upper(p.mrn) FROM clinic.patients p JOIN v ON v.patient_id = p.id LEFT JOIN clinic.billing b ON b.visit_id = p.id WHERE p.active AND p.born < $1 ORDER BY v.n DESC LIMIT 50",
		"insert":   "INSERT INTO clinic.patients (id, name) VALUES " + strings.TrimSuffix(strings.Repeat("(1, 'x'), ", 1000), ", "),
	} {
		p, err := pool.Parse(b.Context(), sql)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Analyze(p, snap, Lineage{})
			}
		})
	}
}

// An empty query is asked by drivers to see whether the connection lives.
func TestAnalyze_EmptyTextReads(t *testing.T) {
	for _, sql := range []string{"", " ", ";", " ; ;", "-- nothing", "/* nothing */ ;"} {
		parsed, err := pool.Parse(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		a := Analyze(parsed, snap, Lineage{})
		if len(a.Uses) != 1 || a.Uses[0].Effect != hoop.EffectRead || a.Opaque || len(a.Commands) != 0 {
			t.Errorf("%q: %+v", sql, a)
		}
	}
}

// A rule on one table does not decide the DROP of another that is not there (yet), or
// is the session's own.
func TestAnalyze_DropOfWhatIsNotThere(t *testing.T) {
	for sql, want := range map[string]string{
		"DROP TABLE IF EXISTS nowhere":        "clinic.nowhere other.nowhere pg_temp.nowhere public.nowhere",
		"DROP TABLE clinic.nowhere":           "clinic.nowhere",
		"DROP TABLE clinic.nowhere, patients": "clinic.nowhere clinic.patients",
	} {
		if tables, _, _ := usesOf(analyze(t, sql), hoop.EffectDestroy); strings.Join(tables, " ") != want {
			t.Errorf("%s: %v, want %s", sql, tables, want)
		}
	}
}

// setval copies no more than its argument: to set a sequence to the highest id is
// everyday work.
func TestAnalyze_SetvalCopiesItsArgument(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT setval('clinic.seq', max(id)) FROM clinic.patients":                    "clinic.patients.id",
		"SELECT setval('clinic.seq', (SELECT max(id) FROM clinic.patients))":           "clinic.patients.id",
		"SELECT setval('clinic.seq', replace(ssn, '-', '')::int) FROM clinic.patients": "clinic.patients.ssn",
		"SELECT setval('clinic.seq', x) FROM (SELECT id AS x FROM clinic.patients) q":  "clinic.patients.id",
		"SELECT setval('clinic.seq', p::text::int) FROM clinic.patients p":             `clinic.patients.*`,
		"SELECT setval('clinic.seq', n) FROM nowhere":                                  "",
		"SELECT setval('clinic.seq', id) FROM clinic.active":                           `clinic.active.id clinic.patients.* clinic.patients.id`,
	} {
		_, into, columns := usesOf(analyze(t, sql), hoop.EffectDerive)
		if strings.Join(columns, " ") != want || !slices.Equal(into, []string{"clinic.seq"}) {
			t.Errorf("%s: %v into %v, want %q", sql, columns, into, want)
		}
	}
	if a := analyze(t, "SELECT setval('clinic.seq', 5)"); a.Has(hoop.EffectDerive) {
		t.Errorf("a constant is a copy: %+v", a.Uses)
	}
}

func TestBlindColumn(t *testing.T) {
	for column, want := range map[string]bool{
		"pg_attribute.attmissingval": true, "pg_attribute.attname": false, "pg_locks.objid": true, "pg_locks.pid": false,
		"pg_statistic.stavalues1": true, "pg_largeobject_metadata.oid": true, "pg_authid.rolpassword": true, "pg_class.relname": false,
	} {
		table, name, _ := strings.Cut(column, ".")
		if got := BlindColumn(snap.Lookup("pg_catalog", table)[0], name); got != want {
			t.Errorf("%s: %v, want %v", column, got, want)
		}
	}
	for sql, want := range map[string]bool{
		"SELECT attname FROM pg_attribute": false, "SELECT attmissingval FROM pg_attribute": true, "SELECT a.* FROM pg_attribute a": true,
		"SELECT a FROM pg_attribute a": true, "SELECT (a).attmissingval FROM pg_attribute a": true, "SELECT to_json(pg_attribute) FROM pg_attribute": true,
		"SELECT y FROM pg_attribute AS t(x, y)": true, "TABLE pg_attribute": true, "SELECT count(*) FROM pg_attribute": false,
		"SELECT * FROM (SELECT attname FROM pg_attribute) a": false, "SELECT * FROM (SELECT * FROM pg_attribute) a": true,
		"SELECT * FROM pg_class JOIN pg_attribute a ON true": true, "SELECT c.* FROM pg_class c JOIN pg_attribute a ON true": false,
		"SELECT j FROM (pg_class c JOIN pg_attribute a ON true) AS j": true, "WITH a AS (TABLE pg_attribute) SELECT * FROM a": true,
		"SELECT *, (SELECT attname FROM pg_attribute LIMIT 1) FROM pg_class": false, "SELECT * FROM pg_attribute TABLESAMPLE system (1)": true,
		"UPDATE clinic.patients SET id = 1 FROM pg_attribute WHERE attnum = patients.id RETURNING *": true,
		"SELECT attmissingval(a) FROM pg_attribute a":                                                true, "SELECT pid FROM pg_locks": false, "SELECT objid FROM pg_locks": true,
	} {
		if a := analyze(t, sql); a.Opaque != want {
			t.Errorf("%s: opaque %v, want %v", sql, a.Opaque, want)
		}
	}
}

func TestAnalyze_DiscardEndsWhatIsTemporary(t *testing.T) {
	for sql, want := range map[string]bool{
		"DISCARD ALL": true, "DISCARD TEMP": true, "DISCARD TEMPORARY": true, "DISCARD PLANS": false, "DISCARD SEQUENCES": false,
		"RESET ALL": false, "DEALLOCATE ALL": false, "DROP TABLE pg_temp.x": false,
	} {
		if a := analyze(t, sql); len(a.Commands) != 1 || a.Commands[0].Untemp != want {
			t.Errorf("%s: %+v, want Untemp %v", sql, a.Commands, want)
		}
	}
}

// A column that is computed from itself may show more of it than its mask leaves.
func TestAnalyze_Recomputed(t *testing.T) {
	const all, shape, nothing = "", "keeps its shape", "keeps nothing"
	for expr, want := range map[string]string{
		"name = 'x'": all, "name = $1": all, "name = DEFAULT": all, "name = now()::text": all, "name = upper('a' || $1)": all,
		"name = name": all, "name = coalesce(name, 'x')": all, "name = name || ' more'": all, "name = coalesce(name, '') || E'\nmore'": all,
		"name = name::text": all, "id = (CASE WHEN $1 THEN 1 ELSE 2 END)": all, "(id, name) = (1, 'x')": all,
		"name = lower(name)": shape, "name = name || 'x'": shape, "name = ' x' || name": shape, "name = name || $1": shape,
		"name = replace(name, '-', '')": shape, "name = replace(name, '-', '_')": shape, "name = trim(both ' ' from name)": shape, "id = round(id, -1)": shape, "id = id + 1": shape, "id = -id": shape, "name = name::varchar(3)": shape,
		"name = replace(name, '1', 'longer')": nothing, "name = replace('longer', name, '')": nothing, "name = replace(name, '1', $1)": nothing, "name = name || name": nothing,
		"name = round(0.123456789, id)": nothing, "id = round(0.123456789, id)": nothing, "data['hiv'] = '1'": nothing, "data['a']['hiv'] = $1": nothing,
		"tags[3] = 'x'": all, "tags[2:3] = '{x,y}'": all, "tags[id] = 'x'": nothing,
		"name = reverse(name)": nothing, "name = nullif(name, 'x')": nothing, "name = left(name, 1)": nothing,
		"name = CASE WHEN name LIKE 'a%' THEN 'x' END": nothing, "name = (name::json)::text": nothing, "name = array_fill(0, array[length(name)])::text": nothing,
	} {
		t.Run(expr, func(t *testing.T) {
			got := all
			for _, u := range analyze(t, "UPDATE clinic.patients SET "+expr+" WHERE id = 1").Uses {
				if u.Effect != hoop.EffectDerive {
					continue
				}
				if got = nothing; u.Keeps {
					got = shape
				}
				if len(u.Columns) == 0 || !strings.Contains(expr, u.Columns[0].Column) || strings.Join(u.Into, " ") != "clinic.patients" {
					t.Errorf("got %+v", u)
				}
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
