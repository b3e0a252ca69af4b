package lineage

import (
	"slices"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// stored gives what a statement stores: origins joined by +, without the schema clinic; - for
// nothing, ? where it is not known.
func stored(t *testing.T, sql string) string {
	t.Helper()
	p := parse(t, sql)
	got := Stored(p, len(p.Tree.GetStmts())-1, snap)
	return summary([]Output{{Known: got.Known, Origins: got.Columns}})
}

// Which rows are stored is told apart from what is stored of them.
func TestStored_Values(t *testing.T) {
	for sql, want := range map[string]string{
		"insert into codes (kind) select state from patients where n = 1 order by mrn":                      "patients.state",
		"insert into codes (kind) select count(*)::text from patients where n = 1":                          "-",
		"update codes set kind = p.state from patients p where p.ssn = codes.kind":                          "patients.state",
		"create table new as select state, n from patients where ssn = '1' group by 1, 2":                   "patients.n+patients.state",
		"delete from codes where kind in (select state from patients)":                                      "-",
		"merge into codes c using patients p on c.kind = p.ssn when matched then update set kind = p.state": "patients.state",
	} {
		stored := Stored(parse(t, sql), 0, snap)
		if got := summary([]Output{{Known: stored.Known, Origins: stored.Values}}); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

func TestStored(t *testing.T) {
	for sql, want := range map[string]string{
		"insert into codes (kind) select state from patients":                                                                                                                   "patients.state",
		"insert into events (list[(select n from patients)]) values (1)":                                                                                                        "patients.n",
		"update events e set doc[p.state] = p.data from patients p where p.id = e.id":                                                                                           "events.id+patients.data+patients.id+patients.state",
		"insert into codes values ('x', $1)":                                                                                                                                    "-",
		"insert into codes (kind) values ('x'), ((select ssn from patients where id = 1))":                                                                                      "patients.id+patients.ssn",
		"insert into codes (kind) select state from patients where n = 1 order by mrn":                                                                                          "patients.mrn+patients.n+patients.state",
		"insert into codes (kind) select state from patients, generate_series(1, n)":                                                                                            "patients.n+patients.state",
		"insert into codes (kind) select count(*)::text from patients":                                                                                                          "-",
		"insert into codes (kind) select f(state) from patients":                                                                                                                "?",
		"insert into codes (kind) select x from secured":                                                                                                                        "?",
		"insert into codes (kind) values ('x') on conflict (kind) do update set label = codes.ssn where codes.kind = (select state from patients)":                              "codes.kind+codes.ssn+patients.state",
		"insert into codes (kind, label) select 'x', mrn from patients on conflict (kind) do update set kind = excluded.label":                                                  "codes.label+patients.mrn",
		"update codes set kind = 'x' where label = 'y'":                                                                                                                         "codes.label",
		"update codes set (kind, label) = (select state, mrn from patients where id = 1)":                                                                                       "patients.id+patients.mrn+patients.state",
		"update codes c set kind = p.state from patients p where p.mrn = c.label":                                                                                               "codes.label+patients.mrn+patients.state",
		"update triggered set x = p.state from patients p where p.id = triggered.id":                                                                                            "?",
		"delete from codes where kind = (select ssn from patients)":                                                                                                             "-",
		"merge into codes c using patients p on c.kind = p.mrn when matched and p.n = 1 then update set label = p.state when not matched then insert (ssn) values (p.id::text)": "codes.kind+patients.id+patients.mrn+patients.n+patients.state",
		"with i as (insert into codes (kind) select state from patients) select 1":                                                                                              "patients.state",
		"with recursive i as (update codes set kind = (select ssn from patients)) select 1":                                                                                     "patients.ssn",
		"with d as (delete from patients where n = 1 returning state) insert into codes (kind) select state from d":                                                             "patients.n+patients.state",
		"with i as (insert into codes (kind) select mrn from patients returning kind) insert into notes (body) select kind from i":                                              "codes.kind+patients.mrn",
		"create table new as select state from patients where mrn = 'x'":                                                                                                        "patients.mrn+patients.state",
		"create table new as table codes":                                                                                                                                       "codes.kind+codes.label+codes.ssn",
		"create table new as select state from patients, generate_series(1, n)":                                                                                                 "patients.n+patients.state",
		"create view new as select 1 from patients, unnest(tags)":                                                                                                               "patients.tags",
		"create table new as execute p":                                                                                                                                         "?",
		"select state into new from patients":                                                                                                                                   "patients.state",
		"select state into new from patients union select mrn from patients":                                                                                                    "patients.mrn+patients.state",
		"create view new as select state from patients where mrn = 'x'":                                                                                                         "patients.mrn+patients.state",
		"create materialized view new as select id from v_states":                                                                                                               "patients.id+v_states.id",
		"explain analyze insert into codes (kind) select state from patients":                                                                                                   "patients.state",
		"prepare p as insert into codes (kind) select state from patients where id = $1":                                                                                        "patients.id+patients.state",
		"copy (insert into codes (kind) select state from patients returning 1) to stdout":                                                                                      "patients.state",
		"select state from patients":                                                                                                                                            "-",
		"refresh materialized view stored":                                                                                                                                      "?",
		"alter table codes rename kind to x":                                                                                                                                    "?",
		"insert into notes select 1; insert into codes (kind) select state from patients":                                                                                       "patients.state",
		"execute p; insert into codes (kind) select state from patients":                                                                                                        "?",
	} {
		if got := stored(t, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// Values that are stored have the shape of stored ones, or one that may say anything.
func TestStored_Shaped(t *testing.T) {
	for sql, want := range map[string]bool{
		"insert into codes (kind) select state from patients where ssn like 'x%'":                                        true,
		"insert into codes values ('a', 'b', $1)":                                                                        true,
		"insert into codes table codes":                                                                                  true,
		"update codes set kind = p.state from patients p where p.n = 1":                                                  true,
		"create table new as select array[ssn, mrn] as a, tags from patients":                                            true,
		"insert into codes (kind) select upper(state) from patients":                                                     false,
		"insert into events (list) select array_fill(0, array[n]) from patients":                                         false,
		"insert into events (list[(select n from patients)]) values (1)":                                                 false,
		"update events set list[2] = 1":                                                                                  false,
		"update codes set kind = case when ssn > 'x' then null else kind end":                                            false,
		"update codes set (kind, label) = (select state, mrn from patients where id = 1)":                                false,
		"insert into codes values ('x') on conflict (kind) do update set label = nullif(codes.ssn, 'x')":                 false,
		"merge into codes c using patients p on c.kind = p.mrn when not matched then insert (ssn) values (left(ssn, 1))": false,
		"with i as (insert into codes (kind) select left(ssn, 1) from patients) select 1":                                false,
		"create table new as select left(ssn, 1) as a from patients":                                                     false,
		"create table new as execute p":                                                                                  false,
	} {
		if got := Stored(parse(t, sql), 0, snap).Shaped; got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}

// What decides which rows change counts where it is not in these rows.
func TestStored_Apart(t *testing.T) {
	for sql, want := range map[string]string{
		"update codes set label = 'x' where ssn = 'y'":                                                                                            "-",
		"update codes c set label = 'x' from patients p where p.mrn = c.ssn":                                                                      "patients.mrn",
		"update codes set label = 'x' where exists (select from patients p where p.mrn = ssn and codes.kind = p.state)":                           "patients.mrn+patients.ssn+patients.state",
		"update codes set label = 'x' where kind = current_setting('my.own')":                                                                     "?",
		"update triggered set x = 'x' from patients p where p.id = triggered.id and triggered.x = 'y'":                                            "patients.id",
		"update codes set label = 'x' from patients where f(mrn)":                                                                                 "?",
		"update codes set label = 'x' from patients, generate_series(1, n)":                                                                       "patients.n",
		"delete from codes using patients p where p.mrn = codes.ssn":                                                                              "patients.mrn",
		"delete from codes where label in (select mrn from patients order by n limit 1)":                                                          "patients.mrn+patients.n",
		"with d as (delete from codes where kind in (select state from patients) returning ssn) select ssn from d":                                "patients.state",
		"insert into codes (kind) values ('x') on conflict (kind) do update set label = 'y' where codes.ssn = (select mrn from patients limit 1)": "patients.mrn",
		"insert into codes (kind) select mrn from patients":                                                                                       "-",
	} {
		apart := Stored(parse(t, sql), 0, snap).Apart
		if got := summary([]Output{{Known: !slices.Contains(apart, hoop.AnyColumn), Origins: apart}}); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// How many rows are stored for each that is chosen is told apart from which are chosen; / stands
// before columns as many as whose values have elements.
func TestStored_Rows(t *testing.T) {
	for sql, want := range map[string]string{
		"create table new as select id from patients, generate_series(1, n)":                                                                                                                "patients.n",
		"select id into new from patients, generate_series(1, n)":                                                                                                                           "patients.n",
		"insert into codes (kind) select state from patients, generate_series(1, length(ssn))":                                                                                              "patients.ssn",
		"insert into codes (kind) select state from patients cross join lateral regexp_split_to_table(mrn, '') x":                                                                           "patients.mrn",
		"insert into codes (kind) select regexp_split_to_table(mrn, '') from patients":                                                                                                      "patients.mrn",
		"insert into codes (kind) select x.kind from (select state as kind, generate_series(1, n) from patients) x":                                                                         "patients.n",
		"with x as (select state, n from patients) insert into codes (kind) select state from x, generate_series(1, x.n)":                                                                   "patients.n",
		"insert into codes (kind) select state from patients, generate_series(1, n) union all select kind from events":                                                                      "patients.n",
		"insert into codes (kind) select state from patients limit (select n from patients where id = 1)":                                                                                   "patients.id+patients.n",
		"insert into codes (kind) select state from patients offset (select max(n) from patients)":                                                                                          "patients.n",
		"insert into codes (kind) select kind from codes union all (select 'x' limit (select n from patients))":                                                                             "patients.n",
		"insert into codes (kind) values ('a'), ('b') limit (select n from patients)":                                                                                                       "patients.n",
		"insert into codes (kind) select 'x' from events tablesample bernoulli ((select n from patients))":                                                                                  "patients.n",
		"insert into codes (kind) select 'x' from events, json_table(events.doc, '$[*]' columns (a text path '$'))":                                                                         "events.doc",
		"insert into codes (kind) select 'x' from patients, xmltable('/r' passing (ssn::xml) columns a text)":                                                                               "patients.ssn",
		"merge into codes c using (select state from patients, generate_series(1, n)) p on false when not matched then insert (kind) values (p.state)":                                      "patients.n",
		"with i as (insert into codes (kind) select state from patients, generate_series(1, n) returning kind) insert into notes (body) select kind from i":                                 "patients.n",
		"with i as (insert into codes (kind) select state from patients, generate_series(1, n)) select 1":                                                                                   "patients.n",
		"copy (insert into codes (kind) select state from patients, generate_series(1, n) returning 1) to stdout":                                                                           "patients.n",
		"explain analyze create table new as select id from patients, generate_series(1, n)":                                                                                                "patients.n",
		"prepare p as insert into codes (kind) select state from patients, generate_series($1, n)":                                                                                          "patients.n",
		"create table new as with recursive r as (select id, n, 1 as i from patients where ssn = '1' union all select id, n, i + 1 from r where i < n) select id from r":                    "patients.n",
		"create table new as with recursive r as (select id, n, 1 as i from patients union select id, n, least(i + 1, n) from r) select id from r":                                          "patients.n",
		"create table new as with recursive r as (select id, n, 1 as i from patients union all select id, n, least(i + 1, n) from r) cycle i set c using p select id from r":                "patients.n",
		"create table new as with recursive r as (select id from patients where ssn = '1' union all select e.patient_id from events e join r on e.id < r.id) select id from r":              "events.id+events.patient_id+patients.id",
		"create table new as with recursive r as (select id from patients where ssn = '1'), q as (select 1 as id from r union all select id from patients where mrn = '1') select * from q": "-",
		"insert into codes (kind) select state from patients, generate_series(1, f(state))":                                                                                                 "?",
		"prepare p as select id from patients, generate_series(1, n); create table new as execute p":                                                                                        "patients.n",
		"prepare p as select id from patients, unnest(tags); create table new as execute p":                                                                                                 "/patients.tags",
		"prepare p as select 1; deallocate p; prepare p as select id from patients, generate_series(1, n); create table new as execute p":                                                   "?",
		"prepare p as select 1; select 2; create table new as execute p":                                                                                                                    "-",
		"prepare p as select 1; select f('x'); create table new as execute p":                                                                                                               "?",
		"prepare p as select 1; insert into codes (kind) values ('x'); create table new as execute p":                                                                                       "?",
		"prepare p as select f('x'); create table new as execute p":                                                                                                                         "?",
		"prepare p as update codes set kind = 'x'; create table new as execute p":                                                                                                           "-",
		"prepare p as select 1; explain analyze create table new as execute p (f('x'))":                                                                                                     "?",
		"create table new as execute p (1 + 2)":                     "-", // the session says
		"execute p; create table new as select state from patients": "-",
		// Which rows, and how many of them, is for conditions to say.
		"insert into codes (kind) select state from patients where n = 1 and ssn like 'x%' order by mrn limit $1": "-",
		"insert into codes (kind) select p.state from patients p join codes c on c.ssn = p.ssn":                   "-",
		"insert into codes (kind) select p.state from patients p join generate_series(1, 9) g on g <= p.n":        "-",
		"insert into codes (kind) select distinct state from patients group by state, mrn having max(ssn) > 'x'":  "-",
		"insert into codes (kind) select (select max(x) from generate_series(1, n) x)::text from patients":        "-",
		"update codes set kind = 'x' from patients, generate_series(1, n)":                                        "-",
		"delete from codes using patients, generate_series(1, n)":                                                 "-",
		"insert into codes (kind) select state from patients where f(mrn)":                                        "-",
		"insert into codes (kind) select state from patients, secured":                                            "-",
		"execute p; update codes set kind = state from patients, generate_series(1, n)":                           "-",
		"execute p; with i as (insert into codes (kind) values ('x')) select 1":                                   "-",
		"execute p; alter table codes add x int":                                                                  "-",
		"execute p; explain select 1":                                                                             "-",
		// Which stored rows a recursive query finds by stored values is as in a join.
		"create table new as with recursive r as (select id from patients where ssn = '1' union all select e.patient_id from events e join r on e.id = r.id) select id from r":                                  "-",
		"create table new as with recursive r as (select ssn, mrn, 1 as depth from patients union select p.ssn, p.mrn, depth + 1 from patients p join r on p.mrn = r.ssn and p.state = 'NY') select ssn from r": "-",
		"create table new as with recursive r as (select ssn, state from patients union all select p.ssn, state from patients p join r using (state)) select ssn from r":                                        "-",
		"create table new as with recursive r as (select ssn, mrn from patients union all select p.ssn, p.mrn from patients p, r where p.mrn = r.ssn and p.n > 3) select ssn from r":                            "patients.n",
		"create table new as with recursive r as (select ssn, mrn from patients union all select p.ssn, p.mrn from patients p, r where p.mrn = r.ssn or p.n = 3) select ssn from r":                             "patients.mrn+patients.n+patients.ssn",
		"create table new as with recursive r as (select ssn, 1 as i from patients union all select p.ssn, i + 1 from patients p, r where p.n = r.i) select ssn from r":                                         "patients.n",
		"create table new as with recursive r as (select ssn from patients union all select p.ssn from patients p join r on left(p.mrn, 2) = r.ssn) select ssn from r":                                          "patients.mrn+patients.ssn",
		"create table new as with recursive r as (select ssn from patients union all select p.ssn from patients p, r where p.mrn = r.ssn limit (select n from patients)) select ssn from r":                     "patients.n",
		"create table new as with recursive r as (select mrn as a from patients union all select upper(r.a) from patients p, r where p.mrn = r.a) select a from r":                                              "patients.mrn",
		// As many rows as stored values make groups.
		"insert into codes (kind) select state from patients, generate_series(1, n) group by state":                                                                       "-",
		"insert into codes (kind) select state from patients p, generate_series(1, n) group by grouping sets ((1), (p.id, state), ())":                                    "-",
		"insert into codes (kind) select distinct state from patients, regexp_split_to_table(mrn, '') x":                                                                  "-",
		"insert into codes (kind) select distinct on (id) x from patients, regexp_split_to_table(mrn, '') x":                                                              "-",
		"insert into codes (kind) select distinct on (id) regexp_split_to_table(mrn, '') from patients":                                                                   "-",
		"insert into codes (kind) select x.k from (select state as k, x from patients, regexp_split_to_table(mrn, '') x) x group by k":                                    "-",
		"insert into codes (kind) select state from patients, generate_series(1, n) union select kind from codes":                                                         "-",
		"insert into codes (kind) select state from patients, generate_series(1, n) x group by state, x":                                                                  "patients.n",
		"insert into codes (kind) select state from patients, generate_series(1, n) x group by state, lower(state)":                                                       "patients.n",
		"insert into codes (kind) select distinct x from patients, regexp_split_to_table(mrn, '') x":                                                                      "patients.mrn",
		"insert into codes (kind) select state from patients, generate_series(1, n) x group by state, 1 + 1":                                                              "patients.n",
		"insert into codes (kind) select x as state from patients, regexp_split_to_table(mrn, '') x group by state, x":                                                    "patients.mrn",
		"insert into codes (kind) select distinct on (state) x as state from patients, regexp_split_to_table(mrn, '') x":                                                  "patients.mrn",
		"insert into codes (kind) select regexp_split_to_table(mrn, '') from patients group by mrn":                                                                       "patients.mrn",
		"insert into codes (kind) select distinct state, generate_series(1, n) from patients":                                                                             "patients.n",
		"insert into codes (kind) select state from (select state from patients limit (select n from patients)) x group by state":                                         "patients.n",
		"insert into codes (kind) select distinct kind from codes tablesample bernoulli ((select n from patients))":                                                       "patients.n",
		"insert into codes (kind) select id from (select id from events, generate_series(1, 2) offset (select n from patients)) x group by id":                            "patients.n",
		"insert into codes (kind) with recursive r as (select id, n, 1 as i from patients union all select id, n, i + 1 from r where i < n) select id from r group by id": "patients.n",
		// So many rows, whatever the values are.
		"insert into codes (kind) select count(*)::text from patients, generate_series(1, n)":                                                        "-",
		"insert into codes (kind) select x.all from patients p, lateral (select string_agg(w, '') as all from regexp_split_to_table(p.mrn, '') w) x": "-",
		"insert into codes (kind) select count(*)::text from patients, generate_series(1, n) group by lower(state)":                                  "patients.n",
		"insert into codes (kind) select generate_series(1, max(n))::text from patients":                                                             "patients.n",
		"insert into codes (kind) select count(*)::text from patients, generate_series(1, n) having count(*) > 1":                                    "patients.n",
		// What stored values have elements is shown with them.
		"insert into codes (kind) select x from patients, unnest(tags) x":                                    "/patients.tags",
		"insert into codes (kind) select unnest(array[ssn, mrn::text]) from patients":                        "/patients.mrn+patients.ssn",
		"insert into codes (kind) select x from patients, jsonb_array_elements_text(data -> 'a' #> '{b}') x": "/patients.data",
		"insert into codes (kind) select x from patients, jsonb_array_elements_text(data -> ssn) x":          "patients.data+patients.ssn",
		"insert into codes (kind) select x from patients, unnest(string_to_array(mrn, ',')) x":               "patients.mrn",
		"insert into codes (kind) select x from patients, unnest(array_fill(1, array[n])) x":                 "patients.n",
		"insert into codes (kind) select x from patients, unnest(tags) x, generate_series(1, n)":             "patients.n+patients.tags",
		// What shows rows is asked itself; how many rows a materialized view has is told of it as of a table.
		"create view new as select id from patients, generate_series(1, n)":              "-",
		"create materialized view new as select id from patients, generate_series(1, n)": "patients.n",
		"refresh materialized view stored":                                               "-",
	} {
		p := parse(t, sql)
		out := Stored(p, len(p.Tree.GetStmts())-1, snap)
		got := summary([]Output{{Known: !slices.Contains(out.Rows, hoop.AnyColumn), Origins: out.Rows}})
		if len(out.Elements) > 0 {
			got = strings.TrimPrefix(got, "-") + "/" + summary([]Output{{Known: true, Origins: out.Elements}})
		}
		if got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// A table that is made of a query holds what its answer derives from.
func TestStored_Outputs(t *testing.T) {
	made := 0
	for _, sql := range statements(t, "testdata/statements.txt") {
		p := parse(t, sql)
		if p.Tree.GetStmts()[0].GetStmt().GetSelectStmt() == nil || strings.Contains(sql, ";") {
			continue
		}
		out := Outputs(p, 0, snap)
		stored := Stored(parse(t, "create table new as "+sql), 0, snap)
		if !stored.Known {
			continue
		}
		made++
		for _, o := range out {
			if !o.Known || slices.ContainsFunc(o.Origins, func(c hoop.ColumnRef) bool { return !slices.Contains(stored.Columns, c) }) {
				t.Errorf("%s: stores %v, shows %s", sql, stored.Columns, summary(out))
			}
		}
	}
	if made < 100 {
		t.Errorf("%d statements store what is known", made)
	}
}
