package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/server/resource"
)

// Whoever gets no plan is told why, and what to do, in whatever way it was asked for; who
// gets one is told nothing.
func TestPlans_ToldWhyWithheld(t *testing.T) {
	rules := append(maskRules(), resource.MaskRule{Detect: []string{"us-ssn"}}) // which looks at plans that are shown
	g := setup(t, maskSchema+"; create table free (a int); create function own(int) returns int language sql as 'select 1'", rules...)
	for name, c := range map[string]struct{ sql, message, hint string }{
		"a protected table":  {"explain select name from patients", "public.patients", "may see"},
		"in another format":  {"explain (format json) select 1 from free, patients", "public.patients", "may see"},
		"a users' function":  {"explain select own(a) from free", "not known", "without options"},
		"with options":       {"explain analyze select a from free", "not known", "without options"},
		"behind others":      {"select 1; explain select name from patients", "public.patients", "may see"},
		"nothing protected":  {"explain select a from free", "", ""},
		"no plan":            {"select ssn from patients", "", ""},
		"a plan before rows": {"explain select a from free; select ssn from patients", "public.patients", "may see"},
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
			if strings.Contains(c.sql, ";") && mode != pgx.QueryExecModeSimpleProtocol {
				continue
			}
			t.Run(name+", "+mode.String(), func(t *testing.T) {
				cfg, err := pgx.ParseConfig(g.dsn())
				if err != nil {
					t.Fatal(err)
				}
				var told []*pgconn.Notice
				cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { told = append(told, n) }
				conn, err := pgx.ConnectConfig(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close(context.WithoutCancel(t.Context()))
				if err := runIn(t.Context(), conn, mode, c.sql); err != nil {
					t.Fatal(err)
				}
				switch {
				case c.message == "" && len(told) == 0:
				case c.message == "" || len(told) != 1:
					t.Errorf("%d notices: %v", len(told), told)
				case !strings.Contains(told[0].Message, c.message) || !strings.Contains(told[0].Hint, c.hint) || told[0].Severity != "NOTICE":
					t.Errorf("told %q, hint %q", told[0].Message, told[0].Hint)
				}
			})
		}
	}
}
