package lineage

import (
	"strings"
	"testing"
)

// What keeps the value of a stored column, what its shape, and what may say anything.
func TestOutputs_Shape(t *testing.T) {
	for sql, want := range map[string]string{
		"select ssn, tags, data, home, 1 from clinic.patients":                                                                                                  "plain plain plain plain shaped",
		"select s from (select ssn, tags from clinic.patients) x(s, u)":                                                                                         "plain",
		"with x as (select ssn from clinic.patients) select ssn from x union all select null":                                                                   "shaped",
		"select p.*::text, p from (select id, tags from clinic.patients) p":                                                                                     "computed shaped",
		"select id, x from clinic.seen":                                                                                                                         "plain plain",
		"select id, state, ssn from clinic.v_states":                                                                                                            "computed plain computed",
		"select kind, label, ssn from clinic.m_codes":                                                                                                           "plain computed computed",
		"select array[ssn, mrn], row(ssn, 1), coalesce(ssn, 'x'), ssn::text, ssn::varchar(5), data::text from clinic.patients":                                  "shaped shaped shaped shaped shaped shaped",
		"select ssn::int, ssn::text[], ssn::json, array[upper(ssn)], row(n + 1) from clinic.patients":                                                           "computed computed computed computed computed",
		"select json_build_object('a', ssn), jsonb_build_object(ssn, 1), to_jsonb(tags), to_jsonb(n + 1), json_build_array(variadic tags) from clinic.patients": "shaped computed shaped computed computed",
		"select array_agg(ssn), json_agg(p), array_agg(ssn order by n), array_agg(ssn) filter (where n > 1), array_agg(distinct ssn), string_agg(ssn, '') from clinic.patients p": "shaped shaped computed computed computed computed",
		"select array_agg(p.ssn) over (partition by p.n) from clinic.patients p":                                                                                                  "computed",
		"select array_agg(p.ssn) from clinic.patients p, generate_series(1, p.n)":                                                                                                 "computed",
		"select array_fill(0, array[n]), case when ssn like '1%' then 'x' end, nullif(ssn, '1'), lower(ssn), ssn || '' from clinic.patients":                                      "computed computed computed computed computed",
		"select (select ssn from clinic.patients p where p.id = 1), array(select ssn from clinic.patients), (home).zip, tags[1] from clinic.patients":                             "computed computed computed computed",
		"select tail, ssn from clinic.made":                                                                     "computed plain",
		"select m from clinic.made m":                                                                           "computed",
		"insert into clinic.patients (ssn, tags) values ('1', $1) returning ssn, tags":                          "shaped shaped",
		"update clinic.patients set tags = array_fill('x'::text, array[n]), ssn = 'x' returning tags, ssn, mrn": "computed shaped plain",
		"update clinic.patients set ssn = reverse(ssn) returning ssn":                                           "computed",
		"with u as (update clinic.patients set ssn = mrn returning ssn, mrn) select * from u":                   "computed plain",
	} {
		var got []string
		for _, o := range Outputs(parse(t, sql), 0, snap) {
			switch {
			case o.Plain:
				got = append(got, "plain")
			case o.Shaped:
				got = append(got, "shaped")
			default:
				got = append(got, "computed")
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, got, want)
		}
	}
}

// Which values are stored ones, and which may be what the client itself wrote.
func TestOutputs_Plain(t *testing.T) {
	for sql, want := range map[string]bool{
		"select ssn from clinic.patients": true,
		"select s from (select ssn from clinic.patients union all select mrn from clinic.patients) x(s)":                             true,
		"with x as (select ssn from clinic.patients) select x.ssn from x left join clinic.patients p using (ssn)":                    true,
		"select ssn from clinic.patients union all select '123456789'":                                                               false,
		"select $1 union all select ssn from clinic.patients":                                                                        false,
		"select ssn from clinic.patients union select g::text from generate_series(1, 9) g":                                          false,
		"values ('1') except select ssn from clinic.patients":                                                                        false,
		"select s from (select ssn from clinic.patients intersect values ('1')) x(s)":                                                false,
		"with recursive r(s) as (select ssn from clinic.patients union all select '1' from r) select s from r":                       false,
		"with recursive r(s) as (values ('1') union all select ssn from clinic.patients, r) select s from r":                         false,
		"select ssn from (values ('1')) v(ssn) full join clinic.patients using (ssn)":                                                false,
		"insert into clinic.patients (ssn) values ('1') returning ssn":                                                               false,
		"insert into clinic.patients (ssn) select g::text from generate_series(1, 9) g returning ssn":                                false,
		"update clinic.patients set ssn = 'x' returning ssn":                                                                         false,
		"update clinic.patients set mrn = 'x' returning ssn":                                                                         true,
		"merge into clinic.patients p using clinic.patients q on p.id = q.id when matched then update set ssn = '1' returning p.ssn": false,
		"select 'x'": false,
	} {
		out := Outputs(parse(t, sql), 0, snap)
		if len(out) != 1 {
			t.Errorf("%s: %d outputs", sql, len(out))
		} else if out[0].Plain != want {
			t.Errorf("%s: plain is %v", sql, out[0].Plain)
		}
	}
}
