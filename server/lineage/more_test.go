package lineage

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/server/sqlscan"
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
		"select from clinic.seen; select upper(state) from clinic.patients":                                                                                                             "patients.state",
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
		"create temp view t as select ssn as a from clinic.patients; select a || '' from t":                                                                                             "patients.ssn",
		"create temp table t as select ssn, state, md5(ssn || n), 1 as one, count(*) over () from clinic.patients; select ssn || '', state || '', md5 || '', one + 1, count + 1 from t": "patients.ssn, patients.state, patients.n+patients.ssn, -, -",
		"create temp table t (x, y) as select ssn, state from clinic.patients; select x || '', y || '' from t":                                                                          "patients.ssn, patients.state",
		"create temp table t as select 1 as a from clinic.patients, generate_series(1, n); select count(*), a + 1 from t":                                                               "patients.n, -",
		"create temp table t as select clinic.f(ssn), state from clinic.patients; select f || '', state || '', count(*) from t":                                                         "nil",
		"create temp table t as select * from clinic.seen; select x || '' from t":                                                                                                       "patients.ssn+seen.x",
		"explain analyze create temp table t as select ssn as a from clinic.patients; select a || '' from t":                                                                            "nil",
		"create temp table t as select ssn as a from clinic.patients union all select state from clinic.patients; select a || '' from pg_temp.t":                                        "patients.ssn+patients.state",
		"update clinic.patients set state = ssn; select upper(state) from clinic.patients":                                                                                              "nil",
		"with u as (update clinic.patients set state = ssn) select; select upper(state) from clinic.patients":                                                                           "nil",
		"set search_path = other; select upper(state) from clinic.patients":                                                                                                             "nil",
		"rollback; select upper(state) from clinic.patients":                                                                                                                            "nil",
		"create temp view v (x, y) as select ssn, upper(state) from clinic.patients where n > 1; select x, y || '' from v":                                                              "patients.ssn, patients.state",
		"create or replace temp view v as select *, 1 as one from clinic.codes; select kind, one + 1 from pg_temp.v":                                                                    "codes.kind, -",
		"create view pg_temp.v as select count(*) from clinic.patients where ssn = 'x'; select count + 1 from v":                                                                        "-",
		"create temp recursive view v (n) as select 1 union all select n + 1 from v where n < 3; select n + 1 from v":                                                                   "-",
		"create temp view v as select x, id from clinic.seen with check option; select x, id + 1 from v":                                                                                "patients.ssn+seen.x, patients.id+seen.id",
		"create temp view v as select clinic.f(ssn) from clinic.patients; select f from v":                                                                                              "nil",
		"create temp view v as select random() as r from clinic.patients; select r from v":                                                                                              "-",
		"create temp table t (a text); select currval('clinic.notes_id_seq'), lastval() + 1, random() from clinic.patients":                                                             "?, ?, -",
		"create temp view v as select pg_notify('a', ssn)::text as x from clinic.patients; select 1 from v":                                                                             "nil",
		"create temp view v as select * from pg_stats; select 1 from v":                                                                                                                 "nil",
		"create temp view patients as select ssn as state, 1 as one from clinic.patients; select state || '' from patients":                                                             "patients.ssn+patients.state",
		"create view v as select ssn from clinic.patients; select 1 from clinic.codes":                                                                                                  "nil",
	} {
		if got := summary(Outputs(parse(t, sql), 1, snap)); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
	for sql, want := range map[string]string{
		"create temp table t (a text, b text); insert into t select state, ssn from clinic.patients; select a || '', b || '' from t":                                                                  "patients.state, patients.ssn",
		"create temp table t (a text, b text); insert into t (b) values ('x'); select a || '', b || '' from t":                                                                                        "-, -",
		"create temp table t (a text, b text); update t set a = ssn from clinic.patients; select a || '', b || '' from t":                                                                             "patients.ssn, -",
		"create temp table t (a text, b text); update t set (a, b) = (select ssn, state from clinic.patients limit 1); select a || '' from t":                                                         "patients.ssn+patients.state",
		"create temp table t (a text, b text); insert into t values ('x') on conflict do update set b = (select max(ssn) from clinic.patients); select a || '', b || '' from t":                       "-, patients.ssn",
		"create temp table t (a text, b text); insert into t select 1, 2 from clinic.patients, generate_series(1, n); select a || '', count(*) from t":                                                "-, patients.n",
		"create temp table t (a text, g text generated always as (a || 'x') stored); insert into t (a) select ssn from clinic.patients; select g || '' from t":                                        "patients.ssn",
		"create temp table t (a text, b text); delete from t where a = 'x'; select a || '', b || '' from t":                                                                                           "-, -",
		"create temp table t as select ssn as a, state as b from clinic.patients; alter table t rename a to c; select c || '', b || '' from t":                                                        "patients.ssn, patients.state",
		"create temp table t as select ssn as a, state as b from clinic.patients; alter table t rename a to c; alter table t rename b to a; select a || '' from t":                                    "patients.ssn+patients.state",
		"create temp table t as select ssn as a, state as b from clinic.patients; alter table t rename to u; select a || '', b || '' from u":                                                          "patients.ssn, patients.state",
		"create temp table t as select ssn as a from clinic.patients; alter table t rename to patients; select a || '' from pg_temp.patients":                                                         "patients.ssn",
		"create temp table t as select ssn as a, state as b from clinic.patients; alter table t alter b type text using a; select b || '' from t":                                                     "patients.ssn+patients.state",
		"create temp table t as select ssn as a, state as b from clinic.patients; alter table t alter a type text using 'x', alter b type text using a; select b || '' from t":                        "patients.ssn+patients.state",
		"create temp table t (a text); alter table t alter a type text using (select max(ssn) from clinic.patients); select a || '' from t":                                                           "patients.ssn",
		"create temp table t (a text); alter table t alter a type text using clinic.f('x'); select a || '' from t":                                                                                    "nil",
		"create temp table t as select ssn as a from clinic.patients; alter table t add g text generated always as (a) stored, add n int default 1; select g || '', n + 1 from t":                     "patients.ssn, -",
		"create temp table t as select ssn as a, 1 as b from clinic.patients; alter table t add a text default 'x', drop a; select a || '', b + 1 from t":                                             "patients.ssn, -",
		"create temp table t (a text, b text); alter table t add check (b <> ''), alter b set default 'x', add primary key (a); select a || '', b || '' from t":                                       "-, -",
		"create temp table t (a text); alter table t alter a set default clinic.f('x'); select a || '' from t":                                                                                        "nil",
		"create temp table t (a text); alter table t add b clinic.checked; select a || '' from t":                                                                                                     "nil",
		"create temp table t (a text); alter table t inherit clinic.patients; select a || '' from t":                                                                                                  "nil",
		"create temp table t (a text); alter table t drop a cascade; select state || '' from clinic.patients":                                                                                         "nil",
		"create temp table t (a text); alter table t drop nowhere; select a || '' from t":                                                                                                             "nil",
		"create temp sequence s; select last_value, state || '' from s, clinic.patients":                                                                                                              "-, patients.state",
		"create temp table patients (a text); alter table patients rename a to b; select b || '' from pg_temp.patients":                                                                               "nil",
		"create temp table t (a text, b text); with i as (insert into t select state, ssn from clinic.patients returning 1) select * from i; select a || '' from t":                                   "nil",
		"create temp table t (a text, b text); merge into t using clinic.patients p on true when not matched then insert values (p.ssn, 'x'); select a || '' from t":                                  "nil",
		"create temp table t (like clinic.codes including all); insert into t (ssn, kind) select state, 'x' from clinic.patients; select ssn || '', label || '' from t":                               "patients.state, -",
		"create temp table t (like clinic.made including generated); insert into t (ssn) select ssn from clinic.patients; select tail || '', kind || '' from t":                                       "patients.ssn, -",
		"create temp table t (like clinic.made); insert into t (ssn) select ssn from clinic.patients; select tail || '', kind || '' from t":                                                           "-, -",
		"create temp table t (like clinic.patients); insert into t (ssn) select 'x'; select ssn || '' from t":                                                                                         "nil",
		"create temp table t (like clinic.codes, extra text); insert into t (extra) select ssn from clinic.patients; select extra || '', label || '', ssn || '' from t":                               "patients.ssn, -, -",
		"create temp table u (a text default 'x'); create temp table t (like u including defaults, b text); select a || '', b || '' from t":                                                           "-, -",
		"create temp table t (like clinic.nothing); insert into t select * from clinic.patients; select ssn || '' from t":                                                                             "nil",
		"create temp table t (a text, b text); insert into t select clinic.f('x'), 'x'; select a || '' from t":                                                                                        "nil",
		"create temp table t (a text, b text); insert into clinic.notes select 1, 'x'; select a || '' from t":                                                                                         "nil",
		"create temp table t (a text, b text); create view v as select a as x, b as y, 1 as z from t; select x || '', z + 1 from v":                                                                   "-, -",
		"create temp table t (a text, b text); create temp view v as select a as x, b as y, 1 as z from t; insert into t select state, ssn from clinic.patients; select * from v":                     "patients.state, patients.ssn, -",
		"create temp table t (a text, b text); create temp view v as select a from t; create temp view w as select upper(a) as u from v; update t set a = ssn from clinic.patients; select u from w":  "patients.ssn",
		"create temp table t (a text, b text); create temp view v as select a from t; insert into v select ssn from clinic.patients; select b from t":                                                 "nil",
		"create temp table t (a text, b text); create temp view v as select a from t; create temp view w as select a from v; insert into w select ssn from clinic.patients; select a, b from t":       "nil",
		"create temp table t (a text, b text); create temp view v as select a from t; alter table t rename to u; insert into u select ssn from clinic.patients; select a from v":                      "?",
		"create temp table t (a text, b text); create temp view v as select a from t; alter table t rename a to c; insert into t select ssn from clinic.patients; select a from v":                    "?",
		"create temp table t (a text, b text); create temp view v as select a from t; create or replace temp view v as select ssn as a from clinic.patients; select a from v":                         "patients.ssn",
		"create temp view v as select state as a from clinic.patients; create temp view w as select a from v; create or replace temp view v as select ssn as a from clinic.patients; select a from w": "patients.ssn+patients.state",
		"create temp table t as select 1 as a; create temp view v as select 1 as one from t, generate_series(1, t.a); update t set a = n from clinic.patients; select count(*) from v":                "patients.n",
		"create temp view v as select ssn as a from clinic.patients; alter view v rename a to b; select b from v":                                                                                     "nil",
		"create temp view v as select ssn as a from clinic.patients; alter table v rename a to b; select b from v":                                                                                    "nil",
		"create temp view v as select ssn as a from clinic.patients; create rule r as on insert to v do instead nothing; select a from v":                                                             "nil",
		"create temp view v as select ssn as a from clinic.patients; update v set a = 'x'; select state from clinic.patients":                                                                         "nil",
		"create temp table t (a text); create view clinic.v as select a from t; select 1 from clinic.patients":                                                                                        "nil",
		"create temp table t (a text); create view v as with t as (select 1) select * from t; select 1 from clinic.patients":                                                                          "nil",
	} {
		p := parse(t, sql)
		if got := summary(Outputs(p, len(p.Tree.GetStmts())-1, snap)); got != want {
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
	doubled := "with c0 as (select 1 as x)"
	for i := range 40 {
		doubled += fmt.Sprintf(", c%d as (select * from c%d a, c%d b)", i+1, i, i)
	}
	if got := Outputs(parse(t, doubled+" select count(*) from c40"), 0, snap); got != nil {
		t.Errorf("2^40 columns: got %s", summary(got))
	}
	joined := "select 1 from clinic.patients p0" + strings.Repeat(" join clinic.patients on true", 900)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	Outputs(parse(t, joined), 0, snap)
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 1000 {
		t.Errorf("900 joins take %d MB", used)
	}
}

// What changes nothing but an object of the session's own, which nobody else sees, has
// effect session; where values of other tables may stand at another place afterwards,
// derive too.
func TestLocal_Effects(t *testing.T) {
	const own = "create temp table t as select ssn as a, state as b from clinic.patients; "
	for sql, want := range map[string]string{
		"create temp table t (a text); alter table t add b text default 'x', add check (a <> ''), alter a set not null": "session",
		"create temp table t (a text); alter table t drop a":                                                            "session",
		"create temp table t (a text); alter table only pg_temp.t rename a to b":                                        "session",
		"create temp table t (a text constraint c check (a <> '')); alter table t rename constraint c to d":             "session",
		"create temp table t (a text constraint c check (a <> '')); alter table t drop constraint c":                    "session",
		"create temp table t (a text); alter table t alter a type int using a::int":                                     "session",
		"create temp table t (a text); alter table t alter a type text using clinic.f(a)":                               "session derive",
		"create temp table t (a text); alter table t owner to postgres":                                                 "session ddl role+",
		"create temp table t (a text); alter table t drop a cascade":                                                    "session ddl destroy+",
		"create temp table t (a text); alter table t enable row level security":                                         "session ddl role+",
		"create temp table t (a text); alter table t disable trigger all":                                               "session ddl opaque+",
		"create temp table patients (a text); alter table patients drop ssn":                                            "session ddl destroy+",
		"create temp table patients (a text); alter table pg_temp.patients drop a":                                      "session",
		"create temp table t (a text); alter table clinic.patients rename to t; alter table t drop ssn":                 "read session ddl destroy derive+",
		own + "alter table t rename a to c":                                                                             "read session derive",
		own + "alter table t rename to u":                                                                               "read session derive",
		own + "alter table t alter b type text using a":                                                                 "read session derive",
		"create temp sequence s; alter sequence s restart with 5":                                                       "session",
		"create temp sequence s; drop sequence s":                                                                       "session",
		"create temp sequence s; drop sequence s, clinic.notes_id_seq":                                                  "session destroy",
		"create sequence s; alter sequence s restart":                                                                   "ddl+",
	} {
		a := sqlscan.Analyze(parse(t, sql), snap, sqlscan.Lineage{Local: Local, View: View})
		var got []string
		for _, u := range a.Uses {
			if e := string(u.Effect); !slices.Contains(got, e) && e != "infer" && e != "unbounded-write" {
				got = append(got, e)
			}
		}
		line := strings.Join(got, " ")
		if a.Temp || len(a.Unplaced) > 0 {
			line += "+" // what follows is not told apart
		}
		if line != want {
			t.Errorf("%s: %s, want %s", sql, line, want)
		}
	}
}
