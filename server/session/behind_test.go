package session_test

import (
	"slices"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

const fired = `
drop schema public cascade;
create schema public;
create table people (id int primary key, name text, changed timestamptz);
insert into people values (1, 'a'), (2, 'b'), (3, 'c');
create table log (line text);
create function logs() returns trigger language plpgsql as $$ begin new.changed := now(); insert into log values (tg_op || new.id); return new; end $$;
create trigger t before insert or update on people for each row execute function logs();
create table notes (id int, note text);
create function wipes() returns trigger language plpgsql as $$ begin delete from people; return null; end $$;
create trigger t after insert on notes for each row execute function wipes();
`

// An audit trigger holds nobody up, and one that deletes everybody is for people to agree to.
func TestBehind_Approval(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: fired})
	conn := open(t, a.Gateway, nil)
	run(t, conn, "INSERT INTO people VALUES (4, 'd')")
	if _, err := conn.Exec(t.Context(), "UPDATE people SET name = $1 WHERE id = $2", "e", 4); err != nil {
		t.Fatal(err)
	}
	run(t, conn, "UPDATE notes SET note = 'x' WHERE id = 1")
	done := exec(conn, "INSERT INTO notes VALUES ($1, $2)", 1, "x")
	held := a.pending(1)[0]
	if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool {
		return u.Effect == hoop.EffectUnboundedWrite && slices.Contains(u.Tables, "public.people") && u.Why == "trigger t of public.notes: DELETE without a condition"
	}) {
		t.Errorf("%+v", held.Effects)
	}
	a.decide(held.ID, false)
	if err := <-done; state(err) != "42501" {
		t.Error(err)
	}
	if n := a.Count("SELECT count(*) FROM people"); n != 4 {
		t.Errorf("%d rows are left", n)
	}
	x, err := a.API("agent").Explain(t.Context(), api.Explain{Target: "pg-prod", SQL: "INSERT INTO notes VALUES (1)"})
	if err != nil {
		t.Fatal(err)
	}
	if x.Decision.Action != hoop.Approve {
		t.Errorf("%+v", x)
	}
}

// Who may change a table only, may not change by way of it what its triggers change.
func TestBehind_Scope(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: fired, Resources: allowed("")})
	conn := narrowed(t, g, hoop.Scope{Tables: []string{"public.people"}})
	refuses(t, conn, "INSERT INTO people VALUES (5, 'x')", "outside the scope of the grant", "write on public.log")
	run(t, conn, "DELETE FROM people WHERE id = 3")
	conn = narrowed(t, g, hoop.Scope{Tables: []string{"public.people", "public.log"}})
	run(t, conn, "INSERT INTO people VALUES (5, 'x')")
	conn = narrowed(t, g, hoop.Scope{Tables: []string{"public.notes"}})
	refuses(t, conn, "INSERT INTO notes VALUES (5, 'x')", "outside the scope of the grant", "unbounded-write on public.people")
}
