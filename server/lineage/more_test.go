package lineage

import (
	"strings"
	"testing"
)

func TestOutputs_LaterCommands(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1; select upper(state) from clinic.patients":                                                                                                                            "patients.state",
		"begin; select upper(state) from clinic.patients; commit":                                                                                                                       "patients.state",
		"delete from clinic.notes; select upper(state) from clinic.patients":                                                                                                            "nil",
		"select upper(kind), count(*) from clinic.events; select upper(state) from clinic.patients":                                                                                     "patients.state",
		"select clinic.f('x'); select upper(state) from clinic.patients":                                                                                                                "nil",
		"select p.leak from clinic.patients p; select upper(state) from clinic.patients":                                                                                                "nil",
		"select (p).leak from clinic.patients p; select upper(state) from clinic.patients":                                                                                              "nil",
		"select 'x'::clinic.checked; select upper(state) from clinic.patients":                                                                                                          "nil",
		"select 'x' === 1; select upper(state) from clinic.patients":                                                                                                                    "nil",
		"select from clinic.seen; select upper(state) from clinic.patients":                                                                                                             "nil",
		"create temp table patients (state text); select upper(state) from patients":                                                                                                    "patients.state",
		"select ssn as state into temp patients from clinic.patients; select upper(state) from patients":                                                                                "patients.ssn+patients.state",
		"create temp table t (a text, b text); insert into t values ('x', 'y')":                                                                                                         "nil",
		"create temp table t (a text, b text default 'x') on commit drop; select a || '', b || '', count(*) from t":                                                                     "-, -, -",
		"create temp table t (like clinic.patients); select upper(state) from t":                                                                                                        "nil",
		"create temp table t () inherits (clinic.patients); select upper(state) from t":                                                                                                 "nil",
		"create temp table t (a clinic.checked); select a || '' from t":                                                                                                                 "nil",
		"create temp table t (a clinic.patients); select a::text from t":                                                                                                                "nil",
		"create temp table t (a text check (clinic.f(a) = '')); select a || '' from t":                                                                                                  "nil",
		"create temp table t (a text default clinic.f('x'), b text); select a || '', b || '' from t":                                                                                    "?, -",
		"create temp table t as execute p; select a || '' from t":                                                                                                                       "nil",
		"create temp view t as select ssn as a from clinic.patients; select a || '' from t":                                                                                             "nil",
		"create temp table t as select ssn, state, md5(ssn || n), 1 as one, count(*) over () from clinic.patients; select ssn || '', state || '', md5 || '', one + 1, count + 1 from t": "patients.ssn, patients.state, patients.n+patients.ssn, -, -",
		"create temp table t (x, y) as select ssn, state from clinic.patients; select x || '', y || '' from t":                                                                          "patients.ssn, patients.state",
		"create temp table t as select 1 as a from clinic.patients, generate_series(1, n); select count(*), a + 1 from t":                                                               "patients.n, -",
		"create temp table t as select clinic.f(ssn), state from clinic.patients; select f || '', state || '', count(*) from t":                                                         "nil",
		"create temp table t as select * from clinic.seen; select x || '' from t":                                                                                                       "nil",
		"explain analyze create temp table t as select ssn as a from clinic.patients; select a || '' from t":                                                                            "nil",
		"create temp table t as select ssn as a from clinic.patients union all select state from clinic.patients; select a || '' from pg_temp.t":                                        "patients.ssn+patients.state",
		"update clinic.patients set state = ssn; select upper(state) from clinic.patients":                                                                                              "nil",
		"with u as (update clinic.patients set state = ssn) select; select upper(state) from clinic.patients":                                                                           "nil",
		"set search_path = other; select upper(state) from clinic.patients":                                                                                                             "nil",
		"rollback; select upper(state) from clinic.patients":                                                                                                                            "nil",
	} {
		if got := summary(Outputs(parse(t, sql), 1, snap)); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	for sql, want := range map[string]string{
		"create temp table t (a text, b text); insert into t select state, ssn from clinic.patients; select a || '', b || '' from t":                                            "patients.state, patients.ssn",
		"create temp table t (a text, b text); insert into t (b) values ('x'); select a || '', b || '' from t":                                                                  "-, -",
		"create temp table t (a text, b text); update t set a = ssn from clinic.patients; select a || '', b || '' from t":                                                       "patients.ssn, -",
		"create temp table t (a text, b text); update t set (a, b) = (select ssn, state from clinic.patients limit 1); select a || '' from t":                                   "patients.ssn+patients.state",
		"create temp table t (a text, b text); insert into t values ('x') on conflict do update set b = (select max(ssn) from clinic.patients); select a || '', b || '' from t": "-, patients.ssn",
		"create temp table t (a text, b text); insert into t select 1, 2 from clinic.patients, generate_series(1, n); select a || '', count(*) from t":                          "-, patients.n",
		"create temp table t (a text, g text generated always as (a || 'x') stored); insert into t (a) select ssn from clinic.patients; select g || '' from t":                  "patients.ssn",
		"create temp table t (a text, b text); delete from t where a = 'x'; select a || '', b || '' from t":                                                                     "-, -",
		"create temp table t (a text, b text); with i as (insert into t select state, ssn from clinic.patients returning 1) select * from i; select a || '' from t":             "nil",
		"create temp table t (a text, b text); merge into t using clinic.patients p on true when not matched then insert values (p.ssn, 'x'); select a || '' from t":            "nil",
		"create temp table t (like clinic.codes including all); insert into t (ssn, kind) select state, 'x' from clinic.patients; select ssn || '', label || '' from t":         "patients.state, -",
		"create temp table t (like clinic.made including generated); insert into t (ssn) select ssn from clinic.patients; select tail || '', kind || '' from t":                 "patients.ssn, -",
		"create temp table t (like clinic.made); insert into t (ssn) select ssn from clinic.patients; select tail || '', kind || '' from t":                                     "-, -",
		"create temp table t (like clinic.patients); insert into t (ssn) select 'x'; select ssn || '' from t":                                                                   "nil",
		"create temp table t (like clinic.codes, extra text); insert into t (extra) select ssn from clinic.patients; select extra || '', label || '', ssn || '' from t":         "patients.ssn, -, -",
		"create temp table u (a text default 'x'); create temp table t (like u including defaults, b text); select a || '', b || '' from t":                                     "-, -",
		"create temp table t (like clinic.nothing); insert into t select * from clinic.patients; select ssn || '' from t":                                                       "nil",
		"create temp table t (a text, b text); insert into t select clinic.f('x'), 'x'; select a || '' from t":                                                                  "nil",
		"create temp table t (a text, b text); insert into clinic.notes select 1, 'x'; select a || '' from t":                                                                   "nil",
	} {
		if got := summary(Outputs(parse(t, sql), 2, snap)); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	// What stands in WITH is not told apart.
	p := parse(t, "create temp table t (a text, b text); with i as (insert into t select state from clinic.patients returning 1) select * from i")
	changes, ok := Local(p, 0, snap)
	more, ok2 := Local(p, 1, snap.After(changes))
	if !ok || !ok2 || len(more) != 1 || !more[0].Grown.Everything().Any {
		t.Errorf("an INSERT in WITH: %v %v, %+v", ok, ok2, more)
	}
	p = parse(t, "select 1")
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
