package sqlscan

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Every volatile function that PostgreSQL has by itself stands in the list, with its
// effect; and what the list calls harmless writes nothing: where it can be called
// without arguments, a READ ONLY transaction of the real server takes it.
func TestFunctions_EveryVolatileOneIsListed(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `select proname::text, bool_or(pronargs = 0 and prokind = 'f' and prorettype <> 'internal'::regtype
			and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype))
		from pg_proc where provolatile = 'v' and pronamespace = 'pg_catalog'::regnamespace group by 1 order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	type function struct {
		Name  string
		Plain bool // can be called as f()
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[function])
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 200 {
		t.Errorf("only %d volatile functions", len(all))
	}
	called := 0
	for _, f := range all {
		h, listed := harmOf(f.Name)
		if !listed {
			t.Errorf("%s is not listed", f.Name)
			continue
		}
		if h.effect != "" && h.effect != hoop.EffectRead || !f.Plain {
			continue
		}
		called++
		if err := readOnly(t, conn, "select pg_catalog."+pgx.Identifier{f.Name}.Sanitize()+"()"); err != nil {
			t.Errorf("%s is called harmless: %v", f.Name, err)
		}
	}
	if called < 20 {
		t.Errorf("only %d were called", called)
	}
}
