package lineage

import (
	"strings"
	"testing"
)

func TestOutputs_LaterCommands(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1; select upper(state) from clinic.patients":                                                  "patients.state",
		"begin; select upper(state) from clinic.patients; commit":                                             "patients.state",
		"delete from clinic.notes; select upper(state) from clinic.patients":                                  "nil",
		"select upper(kind), count(*) from clinic.events; select upper(state) from clinic.patients":           "patients.state",
		"select clinic.f('x'); select upper(state) from clinic.patients":                                      "nil",
		"select p.leak from clinic.patients p; select upper(state) from clinic.patients":                      "nil",
		"select (p).leak from clinic.patients p; select upper(state) from clinic.patients":                    "nil",
		"select 'x'::clinic.checked; select upper(state) from clinic.patients":                                "nil",
		"select 'x' === 1; select upper(state) from clinic.patients":                                          "nil",
		"select from clinic.seen; select upper(state) from clinic.patients":                                   "nil",
		"create temp table patients (state text); select upper(state) from patients":                          "nil",
		"select ssn as state into temp patients from clinic.patients; select upper(state) from patients":      "nil",
		"update clinic.patients set state = ssn; select upper(state) from clinic.patients":                    "nil",
		"with u as (update clinic.patients set state = ssn) select; select upper(state) from clinic.patients": "nil",
		"set search_path = other; select upper(state) from clinic.patients":                                   "nil",
		"rollback; select upper(state) from clinic.patients":                                                  "nil",
	} {
		if got := summary(Outputs(parse(t, sql), 1, snap)); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	p := parse(t, "select 1")
	if Outputs(p, -1, snap) != nil || Outputs(p, 1, snap) != nil {
		t.Error("outputs of a command that is not there")
	}
}

// A user's cast happens unasked, wherever a value changes its type.
func TestOutputs_UserCasts(t *testing.T) {
	const sql = "select upper(state), count(*) from clinic.patients"
	if got := summary(Outputs(parse(t, sql), 0, snapshotWith(t, `
		create type pair as (a text, b text);
		create function as_pair(int) returns pair language sql as $$ select row('a', (select ssn from clinic.patients limit 1))::pair $$;
		create cast (int as pair) with function as_pair(int)`))); got != "?, ?" {
		t.Errorf("with a user's cast: got %s", got)
	}
}

// A user's function, operator or table of a name that PostgreSQL has counts as well.
func TestOutputs_Shadowing(t *testing.T) {
	cat := snapshotWith(t, `
		create function public.upper(int) returns text language sql as $$ select max(ssn) from clinic.patients $$;
		create function public.count(text) returns text language sql as $$ select max(ssn) from clinic.patients $$;
		create function public.plus(int, int) returns int language sql as $$ select 1 $$;
		create operator public.+ (leftarg = int, rightarg = int, function = public.plus);
		create view other.events as select * from clinic.patients;
		create table other.patients (state text)`)
	for sql, want := range map[string]string{
		"select upper(state), lower(state) from clinic.patients":                              "?, patients.state",
		"select pg_catalog.upper(state) from clinic.patients":                                 "patients.state",
		"select count(ssn), count(*) from clinic.patients":                                    "?, ?",
		"select n + 1, n - 1, n operator(pg_catalog.+) 1 from clinic.patients":                "?, patients.n, patients.n",
		"select kind, upper(kind) from events":                                                "?, ?",
		"select kind from clinic.events":                                                      "events.kind",
		"select state from patients":                                                          "patients.state+other.patients.state",
		"select clinic.patients.state from clinic.patients":                                   "patients.state",
		"select (select ssn from other.patients) from clinic.patients":                        "patients.ssn",
		"select (select clinic.patients.state from other.patients) from clinic.patients":      "patients.state",
		"select (select patients.state from other.patients) from clinic.patients":             "other.patients.state",
		"select ssn from patients":                                                            "patients.ssn",
		"select (select ssn from patients p) from (select mrn as ssn from clinic.patients) q": "patients.mrn+patients.ssn",
	} {
		if got := summary(Outputs(parse(t, sql), 0, cat)); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}

// Work on hostile statements is bounded: such a statement has no lineage.
func TestOutputs_Bounded(t *testing.T) {
	deep := "select " + strings.Repeat("upper(", 600) + "state" + strings.Repeat(")", 600) + " from clinic.patients"
	if got := summary(Outputs(parse(t, deep), 0, snap)); got != "patients.state" {
		t.Errorf("600 calls: got %s", got)
	}
	chain := "select state" + strings.Repeat(" || 'x'", 3000) + " from clinic.patients"
	if got := Outputs(parse(t, chain), 0, snap); got != nil {
		t.Errorf("3000 operators: got %s", summary(got))
	}
	nested := "select a from clinic.patients"
	for range 12 {
		nested = "with recursive r(a, b) as (select state, ssn from clinic.patients union all select b, a from (" + nested +
			") x(a), r) select a from r"
	}
	Outputs(parse(t, nested), 0, snap) // returns
}
