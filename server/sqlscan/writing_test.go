package sqlscan

import (
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
)

// told writes a text with each literal and comment replaced by what it is good for.
func told(t *testing.T, sql string, params int) string {
	t.Helper()
	p, err := pool.Parse(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	w := Write(p, snap, params)
	if !w.Known {
		return "unknown"
	}
	purpose := func(p hoop.Purpose) string {
		var names []string
		for _, c := range p.Columns {
			names = append(names, c.Table+"."+c.Column)
		}
		switch {
		case !p.Known:
			return "?"
		case len(names) == 0:
			return "rows"
		}
		return strings.Join(names, ",")
	}
	var b strings.Builder
	at := 0
	for _, pl := range w.Places {
		b.WriteString(sql[at:pl.Start])
		at = pl.End
		if pl.Comment {
			b.WriteString("<comment>")
			continue
		}
		b.WriteString("<" + purpose(pl.Purpose) + ">")
	}
	b.WriteString(sql[at:])
	for _, p := range w.Params {
		b.WriteString(" <" + purpose(p) + ">")
	}
	return b.String()
}

func TestWrite_TellsWhatValuesAreGoodFor(t *testing.T) {
	for _, tt := range []struct {
		sql    string
		params int
		want   string
	}{
		{"DELETE FROM clinic.patients WHERE id = 7", 0, "DELETE FROM clinic.patients WHERE id = <patients.id>"},
		{"DELETE FROM clinic.patients WHERE -7 < id", 0, "DELETE FROM clinic.patients WHERE -<patients.id> < id"},
		{
			"SELECT id FROM clinic.patients p WHERE p.ssn = '1' AND p.id IN (1, 2) LIMIT 5", 0,
			"SELECT id FROM clinic.patients p WHERE p.ssn = <patients.ssn> AND p.id IN (<patients.id>, <patients.id>) LIMIT <rows>",
		},
		{
			"UPDATE clinic.patients SET name = 'x', ssn = DATE '2020-01-01' WHERE id BETWEEN 1 AND 2", 0,
			"UPDATE clinic.patients SET name = <patients.name>, ssn = DATE <patients.ssn> WHERE id BETWEEN <patients.id> AND <patients.id>",
		},
		{
			"INSERT INTO clinic.member_directory VALUES (1, 'x'), (2, upper('y'))", 0,
			"INSERT INTO clinic.member_directory VALUES (<member_directory.id>, <member_directory.name>), (<member_directory.id>, upper(<?>))",
		},
		{"INSERT INTO clinic.member_directory (name) VALUES ($1)", 1, "INSERT INTO clinic.member_directory (name) VALUES ($1) <member_directory.name>"},
		{"DELETE FROM clinic.patients WHERE id = ANY ($1) OR ssn LIKE $2", 2, "DELETE FROM clinic.patients WHERE id = ANY ($1) OR ssn LIKE $2 <patients.id> <patients.ssn>"},
		// A parameter that is good for something else as well may be anything.
		{"DELETE FROM clinic.patients WHERE id::text = $1 OR name = $1", 1, "DELETE FROM clinic.patients WHERE id::text = $1 OR name = $1 <?>"},
		{"DELETE FROM clinic.patients WHERE name = $1 OR mrn = $1", 1, "DELETE FROM clinic.patients WHERE name = $1 OR mrn = $1 <patients.name,patients.mrn>"},
		// Names that the statement makes itself hide what they are made of.
		{"SELECT * FROM (SELECT ssn AS id FROM clinic.patients) x WHERE id = '1'", 0, "SELECT * FROM (SELECT ssn AS id FROM clinic.patients) x WHERE id = <?>"},
		{"WITH x(id) AS (SELECT ssn FROM clinic.patients) SELECT * FROM x WHERE id = '1'", 0, "WITH x(id) AS (SELECT ssn FROM clinic.patients) SELECT * FROM x WHERE id = <?>"},
		{"SELECT * FROM clinic.patients AS p(id, name, mrn) WHERE mrn = '1'", 0, "SELECT * FROM clinic.patients AS p(id, name, mrn) WHERE mrn = <?>"},
		{"SELECT ssn AS id FROM clinic.patients ORDER BY id = '1'", 0, "SELECT ssn AS id FROM clinic.patients ORDER BY id = <?>"},
		// A function in column notation: patients has no column leak, and none amount.
		{"SELECT 1 FROM clinic.patients p WHERE p.leak = 'x'", 0, "SELECT <?> FROM clinic.patients p WHERE p.leak = <?>"},
		{"SELECT 1 FROM clinic.patients p, clinic.billing b WHERE p.amount = 1", 0, "SELECT <?> FROM clinic.patients p, clinic.billing b WHERE p.amount = <?>"},
		// A name of two tables belongs to both.
		{
			"DELETE FROM clinic.patients USING clinic.visits WHERE patient_id = 1 AND name = 'x'", 0,
			"DELETE FROM clinic.patients USING clinic.visits WHERE patient_id = <visits.patient_id> AND name = <patients.name>",
		},
		// Views, unknown tables, other statements: anything.
		{"SELECT id FROM clinic.active WHERE id = 1", 0, "SELECT id FROM clinic.active WHERE id = <?>"},
		{"DELETE FROM nowhere WHERE id = 1", 0, "DELETE FROM nowhere WHERE id = <?>"},
		{"COMMENT ON TABLE clinic.patients IS 'x'", 0, "COMMENT ON TABLE clinic.patients IS <?>"},
		{"DELETE FROM clinic.patients WHERE id = 1; SELECT 2", 0, "DELETE FROM clinic.patients WHERE id = <?>; SELECT <?>"},
		// What PostgreSQL's scanner reads.
		{
			"SELECT E'a\\'b', U&'\\0041', B'1', 1e5, .5, $$x'$$, $a$ $$ $a$ -- c\n/* /* d */ */", 0,
			"SELECT <?>, <?>, <?>, <?>, <?>, <?>, <?> <comment>\n<comment>",
		},
		{`SELECT "a'b", 'it''s' FROM clinic.patients`, 0, `SELECT "a'b", <?> FROM clinic.patients`},
		{"SELECT 'a'\n'b'", 0, "unknown"}, // one literal of two pieces
		// Code can be read; what is a value in it cannot.
		{"DO $$BEGIN DELETE FROM x WHERE a = 'John Doe'; END$$", 0, "DO $$BEGIN DELETE FROM x WHERE a = <?>; END$$"},
		{"DO LANGUAGE plpython3u $$x = \"John Doe\"$$", 0, "DO LANGUAGE plpython3u <?>"},
		{"SELECT $$John Doe$$", 0, "SELECT <?>"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			if got := told(t, tt.sql, tt.params); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestPlannable(t *testing.T) {
	for _, tt := range []struct{ sql, want string }{
		{"SELECT * FROM clinic.patients WHERE lower(name) = 'x'", "function lower is a user's"}, // public.lower(int) may be meant
		{"SELECT * FROM clinic.patients WHERE upper(name) = 'x' AND born < now()", ""},
		{"SELECT id FROM patients WHERE id = $1", ""},
		{"DELETE FROM clinic.patients WHERE id > 7", ""},
		{"UPDATE clinic.patients SET name = upper(name)", ""},
		{"INSERT INTO clinic.member_directory SELECT id, name FROM clinic.patients", ""},
		{"WITH x AS (SELECT id FROM clinic.patients) DELETE FROM clinic.visits USING x WHERE x.id = patient_id", ""},
		{"SELECT clinic.f('x')", "function f is a user's"},
		{"SELECT random()", "function random is volatile"},
		{"SELECT nextval('clinic.seq')", "function nextval is volatile"},
		{"SELECT * FROM clinic.patients p WHERE p.leak = 'x'", "column leak may be a function"},
		{"SELECT (p).leak FROM clinic.patients p", "a field of a row may be a function"},
		{"SELECT * FROM clinic.patients WHERE name OPERATOR(clinic.===) 1", "operator === is a user's"},
		{"SELECT 'x'::clinic.checked", "type checked is a user's"},
		{"SELECT id FROM clinic.active", "active is not a plain table"},
		{"SELECT * FROM clinic.wraps", "wraps is not a plain table"},
		{"INSERT INTO clinic.ruled VALUES (1)", "ruled has rewrite rules"},
		{"SELECT * FROM clinic.secured", "secured has row-level security"},
		{"SELECT * FROM notes", "notes is a table in several schemas"},
		{"SELECT * FROM pg_temp.notes", "notes is not a plain table"},
		{"SELECT * FROM nowhere", "nowhere is not in the catalog"},
		{"SELECT * FROM pg_authid", "pg_authid is of PostgreSQL's own catalog"},
		{"SELECT 1; SELECT 2", "the text has several statements"},
		{"EXPLAIN (ANALYZE, ANALYZE off) DELETE FROM clinic.patients", "it plans, and runs nothing"},
		{"EXPLAIN ANALYZE DELETE FROM clinic.patients", ""},
		{"DECLARE c CURSOR WITH HOLD FOR SELECT id FROM clinic.patients", ""},
		{"DECLARE c CURSOR FOR SELECT clinic.f('x')", "function f is a user's"},
		{"CREATE TABLE x AS SELECT id FROM clinic.patients", ""},
		{"CREATE TEMP TABLE x AS SELECT random()", "function random is volatile"},
		{"CREATE TABLE x AS SELECT id FROM clinic.patients WITH NO DATA", "it stores no rows"},
		{"CREATE MATERIALIZED VIEW x AS SELECT id FROM clinic.active", "active is not a plain table"},
		{"COPY (SELECT id FROM clinic.patients) TO STDOUT", ""},
		{"COPY (SELECT clinic.f('x')) TO STDOUT", "function f is a user's"},
		{"COPY (DELETE FROM clinic.patients RETURNING id) TO STDOUT", ""},
		{"COPY clinic.patients (id) TO STDOUT", ""},
		{"COPY clinic.secured TO STDOUT", "secured has row-level security"},
		{"COPY clinic.patients FROM STDIN", "PostgreSQL plans only SELECT, INSERT, UPDATE and DELETE"},
		{"PREPARE x AS SELECT 1", "of PREPARE, only EXECUTE is"},
		{"EXECUTE x", "what it executes is not known"},
		// Of PostgreSQL's own, and all the same code of users may run.
		{"SELECT table_to_xml('clinic.active', true, true, '')", "function table_to_xml may run code that it gets as a value"},
		{"SELECT domain_in('x', 'clinic.checked'::regtype, -1)", "function domain_in may run code that it gets as a value"},
		{"SELECT satisfies_hash_partition('clinic.parted'::regclass, 2, 0, 1)", "function satisfies_hash_partition may run code that it gets as a value"},
		{"DROP TABLE clinic.patients", "PostgreSQL plans only SELECT, INSERT, UPDATE and DELETE"},
		{"SELECT * INTO x FROM clinic.patients", "it makes a table"},
		{"WITH notes AS (SELECT 1) SELECT * FROM public.notes", "notes is a table and a WITH query"},
	} {
		t.Run(tt.sql, func(t *testing.T) {
			p, err := pool.Parse(t.Context(), tt.sql)
			if err != nil {
				t.Fatal(err)
			}
			if _, got := Plannable(p, nil, nil, snap); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// An EXECUTE is planned as what its name stands for, and its arguments are evaluated.
func TestPlannable_Execute(t *testing.T) {
	checked := snap.UserTypes("checked")[0].OID
	for _, tt := range []struct {
		sql, prepared string
		types         []uint32
		want          string
	}{
		{"EXECUTE x(1)", "PREPARE x (int) AS DELETE FROM clinic.patients WHERE id > $1", nil, ""},
		{"EXECUTE x(-1, NULL, 'a'::text, ARRAY[1, 2], now())", "PREPARE x AS DELETE FROM clinic.patients", nil, ""},
		{"EXECUTE x(1)", "DELETE FROM clinic.patients WHERE id > $1", []uint32{23}, ""},
		{"CREATE TABLE y AS EXECUTE x(1)", "PREPARE x AS SELECT id FROM clinic.patients WHERE id > $1", nil, ""},
		{"EXPLAIN ANALYZE EXECUTE x(1)", "PREPARE x AS SELECT id FROM clinic.patients WHERE id > $1", nil, ""},
		{"EXECUTE x(clinic.f('x'))", "PREPARE x AS SELECT id FROM clinic.patients WHERE name = $1", nil, "function f is a user's"},
		{"EXECUTE x(random())", "PREPARE x AS SELECT $1", nil, "function random is volatile"},
		{"EXECUTE x('x'::clinic.checked)", "PREPARE x AS SELECT $1", nil, "type checked is a user's"},
		{"EXECUTE x(1 OPERATOR(clinic.===) 1)", "PREPARE x AS SELECT $1", nil, "operator === is a user's"},
		{"EXECUTE x('x')", "PREPARE x (clinic.checked) AS SELECT $1", nil, "type checked is a user's"},
		{"EXECUTE x('x')", "SELECT $1", []uint32{checked}, "a parameter has a user's type"},
		{"EXECUTE x(1)", "PREPARE x AS SELECT clinic.f('x')", nil, "function f is a user's"},
		{"EXECUTE x(1)", "PREPARE x AS SELECT id FROM clinic.active", nil, "active is not a plain table"},
		{"EXECUTE x", "TRUNCATE clinic.patients", nil, "PostgreSQL plans only SELECT, INSERT, UPDATE and DELETE"},
		{"EXECUTE x", "EXECUTE y", nil, "PostgreSQL plans only SELECT, INSERT, UPDATE and DELETE"},
		{"EXECUTE x", "SELECT 1; PREPARE x AS SELECT 1", nil, "it was prepared among other statements"},
		// Bound in the protocol.
		{"SELECT id FROM clinic.patients WHERE name = $1", "", []uint32{checked}, "a parameter has a user's type"},
		{"SELECT id FROM clinic.patients WHERE name = $1", "", []uint32{0}, ""},
	} {
		t.Run(tt.sql+" of "+tt.prepared, func(t *testing.T) {
			p, err := pool.Parse(t.Context(), tt.sql)
			if err != nil {
				t.Fatal(err)
			}
			var prepared *pgparse.Parsed
			if tt.prepared != "" {
				if prepared, err = pool.Parse(t.Context(), tt.prepared); err != nil {
					t.Fatal(err)
				}
			}
			if _, got := Plannable(p, prepared, tt.types, snap); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
