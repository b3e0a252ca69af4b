package leaks

import (
	"fmt"
	"strings"
	"testing"
)

// Attacks on the export budget of the directory: what the last statement of each would tell
// of every row, it would take out past the count. Those of before make room for it.
var exports = map[string][]string{
	"a sum of powers says which rows were joined": {
		"CREATE TEMP TABLE w (id int, v numeric)",
		"INSERT INTO w SELECT g, 256::numeric ^ (g - 1) FROM generate_series(1, 1200) g",
		"SELECT sum(w.v) FROM w JOIN clinic.member_directory d ON d.id = w.id WHERE d.plan = 'gold'",
	},
	"a sum of powers, by a sub-select": {
		"CREATE TEMP TABLE w AS SELECT g AS id, 256::numeric ^ (g - 1) AS v FROM generate_series(1, 1200) g",
		"SELECT sum(v) FROM w WHERE id IN (SELECT id FROM clinic.member_directory WHERE plan = 'gold')",
	},
	"a sum of constants": {
		"SELECT sum(s.v) FROM clinic.member_directory d JOIN (VALUES (1, 1), (2, 256)) s(id, v) USING (id) WHERE d.plan = 'gold'",
	},
	"rows are deleted that a condition finds": {
		"CREATE TEMP TABLE w AS SELECT g AS id FROM generate_series(1, 1200) g",
		"DELETE FROM w WHERE EXISTS (SELECT FROM clinic.member_directory d WHERE d.id = w.id AND d.plan = 'gold')",
	},
	"rows are deleted that a join finds": {
		"CREATE TEMP TABLE w AS SELECT g AS id FROM generate_series(1, 1200) g",
		"DELETE FROM w USING clinic.member_directory d WHERE d.id = w.id AND d.plan = 'gold'",
	},
	"rows are marked": {
		"CREATE TEMP TABLE w AS SELECT g AS id, false AS gold FROM generate_series(1, 1200) g",
		"UPDATE w SET gold = true WHERE id IN (SELECT id FROM clinic.member_directory WHERE plan = 'gold')",
	},
	"a count for each row": {
		"SELECT " + each(600, ", ", "count(*) FILTER (WHERE id = %d AND plan = 'gold')") + " FROM clinic.member_directory",
	},
	"a count for each row, one below the other": {
		each(600, " UNION ALL ", "SELECT count(*) FROM clinic.member_directory WHERE id = %d AND plan = 'gold'"),
	},
	"statistics": {
		"SELECT most_common_vals FROM pg_stats WHERE tablename = 'member_directory'",
	},
}

// each is a text for each of the numbers from 1 to n.
func each(n int, between, format string) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(format, i+1))
	}
	return strings.Join(parts, between)
}

func TestExports(t *testing.T) {
	l := start(t)
	for title, lines := range exports {
		t.Run(title, func(t *testing.T) {
			for _, m := range []mode{simple, undescr} {
				for _, database := range []string{direct, ruled} {
					w := l.directly(direct)
					if database == ruled {
						w = open(t, l.dsn[ruled], ruled, nil)
					}
					at := 0
					for _, sql := range lines {
						at = len(w.got)
						if err := w.run(m, sql); err != nil {
							t.Fatal(err)
						}
					}
					got := told(w.got[at:])
					switch refused := strings.Contains(got, " C42501 ") && strings.Contains(got, "export"); {
					case database == direct && strings.Contains(got, "SERROR"):
						t.Fatalf("no attack: %.300s", got)
					case database == ruled && !refused:
						t.Errorf("%s: not refused: %.300s", m.name, got)
					}
				}
			}
		})
	}
	// Ordinary figures of the same table are nobody's rows.
	for _, sql := range []string{
		"SELECT count(*), count(*) FILTER (WHERE plan = 'gold'), avg(id) FROM clinic.member_directory",
		"SELECT null_frac, n_distinct FROM pg_stats WHERE tablename = 'departments'",
		"UPDATE clinic.rooms SET beds = beds WHERE id = 1 AND NOT EXISTS (SELECT FROM clinic.member_directory WHERE plan = 'lead')",
	} {
		w := open(t, l.dsn[ruled], ruled, nil)
		if err := w.run(simple, sql); err != nil || strings.Contains(told(w.got), "SERROR") {
			t.Errorf("%s: %v: %.300s", sql, err, told(w.got))
		}
	}
}
