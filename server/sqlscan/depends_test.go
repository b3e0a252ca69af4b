package sqlscan

import (
	"slices"
	"strings"
	"testing"
)

// An expression is given by the text only where all that it calls computes; it is the
// same for every row where nothing in it changes.
func TestDependence(t *testing.T) {
	snap := database(t, "code", "dependence")
	for _, tt := range []struct {
		expr        string
		given, same bool
	}{
		{"1", true, true},
		{"$1", true, true},
		{"upper('x') || md5($1::text)", true, true},
		{"hashtext('x')", true, true},
		{"now()", true, true},
		{"current_user", true, true},
		{"'x'::code.plain", true, true},
		{"code.tax(2)", true, true},
		{"ROW(1, 2)", true, true},
		{"ARRAY[1, $2]", true, true},
		{"CASE WHEN $1 = 'x' THEN 1 END", true, true},
		{"current_setting('search_path')", true, true},
		{"set_config('a.b', 'x', false)", true, true},
		{"pg_get_serial_sequence('code.trail', 'id')", true, true},
		{"public.similarity('a', 'b')", true, true},
		// chance
		{"random()", true, false},
		{"gen_random_uuid()::text", true, false},
		{"code.lucky(5)", true, false},
		{"public.uuid_generate_v4()", true, false},
		// what is stored
		{"name", false, false},
		{"(SELECT 1)", false, false},
		{"upper((SELECT ssn FROM code.patients))", false, false},
		{"code.label(1)", false, true},
		{"code.tree(1)", false, true},
		{"left(reverse(code.nested(1)), 2)::int", false, true},
		{"code.defaulted('x')", false, false},
		{"code.gather(1)", false, true},
		{"1 OPERATOR(code.@@@) 2", false, true},
		{"ROW(2)::code.ticket::text", false, true},
		{"'x'::code.checked", false, true},
		{"(ROW(2)::code.ticket).ticket_text", false, true},
		{"code.next()", false, false},
		{"code.writes()", false, false},
		{"code.dynamic('select 1')", false, false},
		{"code.nowhere(1)", false, false},
		{"lo_get(7)", false, true},
		{"pg_stat_get_backend_activity(1)", false, true},
		{"pg_try_advisory_lock(1)", false, true},
		{"query_to_xml('select 1', true, false, '')", false, false},
		{"pg_read_file('x')", false, true},
		{"obj_description(1, 'pg_class')", false, true},
		{"current_setting('app.user')", false, true},
		{"code.who()", false, true},
		{"nextval('code.trail_id_seq')", false, false},
		{"currval('code.trail_id_seq')", false, true},
	} {
		p, err := pool.Parse(t.Context(), "SELECT "+tt.expr)
		if err != nil {
			t.Fatalf("%s: %v", tt.expr, err)
		}
		on := newDependence(snap)
		n := p.Tree.Stmts[0].GetStmt().GetSelectStmt().TargetList[0].GetResTarget().Val
		if got := on.given(n); got != tt.given {
			t.Errorf("%s: given is %v", tt.expr, got)
		}
		if got := on.same(n); got != tt.same {
			t.Errorf("%s: same is %v", tt.expr, got)
		}
	}
}

// What keeps a value where it can be read again is opaque, or refused, unless the value
// is given by the text.
func TestAnalyze_Keeps(t *testing.T) {
	snap := database(t, "code", "keeping")
	for _, tt := range []struct{ sql, effects string }{
		{"SELECT set_config('my.x', 'a' || $1, false)", "read session"},
		{"SELECT set_config('my.x', code.tax(1)::text, false)", "read session"},
		{"SELECT set_config('my.x', gen_random_uuid()::text, false)", "read session"},
		{"SELECT set_config('my.x', 'a', code.tax(1) > 1)", "read session"},
		{"SELECT set_config('my.x', code.label(1), false)", "read infer unknown +F"},
		{"SELECT set_config('my.x', 'a', code.label(1) > 'b')", "read infer unknown +F"},
		{"SELECT set_config('my.x', upper(code.nested(1)), false)", "read infer unknown +F"},
		{"SELECT set_config('my.x', encode(lo_get(7), 'escape'), false)", "read infer unknown +OF"},
		{"SELECT set_config('my.x', pg_stat_get_backend_activity(1), false)", "read infer unknown +OF"},
		{"SELECT set_config('my.x', code.who(), false)", "read unknown +F"},
		{"SELECT setval('code.trail_id_seq', 1 + 1)", "read write"},
		{"SELECT setval('code.trail_id_seq', length(code.label(1)))", "read write infer derive"},
		{"SELECT nextval(('code.' || 'trail_id_seq')::regclass)", "read write"},
		{"SELECT nextval(pg_get_serial_sequence('code.trail', 'id'))", "read write"},
		{"SELECT nextval('code.s' || length(name)) FROM code.patients", "read write infer derive opaque +O"},
		{"SELECT nextval('code.s' || length(code.label(1)))", "read write infer derive opaque +O"},
		{"SELECT setseed(0.5)", "read session"},
		{"SELECT setseed(length(name) / 100.0) FROM code.patients", "read session infer derive opaque +O"},
		{"SELECT setseed(length(code.label(1)) / 100.0)", "read session infer derive opaque +O"},
		{"SELECT public.set_limit(0.4)", "read session"},
		{"SELECT public.set_limit(length(name) / 100.0) FROM code.patients", "read session infer derive opaque +O"},
		{"SELECT public.show_limit()", "read"},
		{"SELECT code.threshold(0.4)", "read"},
		{"SELECT code.threshold(length(name) / 100.0) FROM code.patients", "read infer derive opaque +O"},
		{"SELECT pg_advisory_lock(hashtext('x'))", "read session"},
		{"SELECT pg_try_advisory_lock(length(code.label(1)))", "read session infer derive opaque +O"},
		{"SELECT code.locks('x' || $1)", "read"},
		{"SELECT code.locks(ssn) FROM code.patients", "read infer derive opaque +O"},
		{"SELECT code.locks(code.label(1))", "read infer derive opaque +O"},
		{"SELECT code.locks_all()", "read infer derive opaque +O"},
		{"SELECT pg_notify('a', 'b' || $1)", "read session"},
		{"SELECT pg_notify('a', code.label(1))", "read session infer opaque +O"},
		{"SELECT lo_create(7)", "read write"},
		{"SELECT lo_create(length(code.label(1))::oid)", "read write infer derive opaque +O"},
		{"SELECT loread(lo_open(7, 262144), 9)", "read +O"},
		{"SELECT lo_lseek(lo_open(7, 262144), length(code.label(1)), 0)", "read infer derive opaque +O"},
		{"SELECT pg_create_restore_point(code.label(1))", "read infer derive server opaque +O"},
		{"CREATE TEMP TABLE d (a text DEFAULT set_config('my.x', code.label(1), false))", "read session infer unknown +TDF"},
		{"CREATE TEMP TABLE d (a int8 DEFAULT setval('code.trail_id_seq', length(code.label(1))))", "read session write infer derive +TD"},
	} {
		p, err := pool.Parse(t.Context(), tt.sql)
		if err != nil {
			t.Fatalf("%s: %v", tt.sql, err)
		}
		got, want := strings.Fields(summary(Analyze(p, snap, Lineage{}))), strings.Fields(tt.effects)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tt.sql, got, want)
		}
	}
}
