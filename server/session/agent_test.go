package session_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// asking are rules with a target, pg-two, for which so many of the dba must agree.
func asking(count int) string {
	return strings.Replace(servertest.Resources, `targets: ["*"], max_duration: 8h`, "targets: [pg-prod], max_duration: 8h", 1) + fmt.Sprintf(`
---
kind: Target
name: pg-two
spec: {type: postgres, address: "${ADDRESS}", database: postgres, tls: disable, credential: {username: postgres, password: {value: "${PASSWORD}"}}}
---
kind: AccessRule
name: two
spec: {groups: [agents, dba], targets: [pg-two], max_duration: 1h, approval: {groups: [dba], count: %d}}
`, count)
}

// What an agent asked for is nobody's once whoever started it has signed out, and the
// approval of a statement that it waits with runs nothing.
func TestAgent_EndsWithTheSignIn(t *testing.T) {
	a := startApprovals(t, servertest.Options{Resources: asking(1)})
	started, err := a.API("dba").NewAgent(t.Context(), api.NewAgent{Targets: []string{"pg-prod", "pg-two"}, Duration: hoop.Duration(10 * time.Minute)})
	must(t, err)
	a.Hold("agent-of-dba", started.Token)
	asked, err := a.API("agent-of-dba").NewRequest(t.Context(), api.NewRequest{Target: "pg-two"})
	must(t, err)
	conn, err := pgx.Connect(t.Context(), a.Connect("agent-of-dba", "pg-prod"))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	done := exec(conn, "UPDATE hits SET n = n + 1 WHERE true")
	held := a.inbox("second-dba", 2)[0]
	signOut(t, a.Gateway, "dba")
	if err := <-done; state(err) != "57P01" || !strings.Contains(err.Error(), "sign-in of who started the agent has ended") {
		t.Errorf("the statement that waits: %v", err)
	}
	for what, id := range map[string]int64{"the statement": held.ID, "the request for access": asked.Request.ID} {
		r, err := a.API("auditor").Request(t.Context(), id, 20*time.Second) // the session ends beside us
		if err != nil || r.Request.State != hoop.Cancelled {
			t.Errorf("%s: %+v, %v", what, r.Request, err)
		}
		if _, err := a.API("second-dba").Approve(t.Context(), id, ""); hoop.AsError(err).Code != hoop.CodeConflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	if a.hits() != 0 {
		t.Error("it has run")
	}
}

// An agent has a grant of its own, which ends with its token, for the targets that it was
// given, within the scope that it was given, whatever it asks for.
func TestAgent_HasLess(t *testing.T) {
	const two = servertest.Resources + `
---
kind: Target
name: pg-two
spec: {type: postgres, address: "${ADDRESS}", database: postgres, tls: disable, credential: {username: postgres, password: {value: "${PASSWORD}"}}}
`
	a := startApprovals(t, servertest.Options{Resources: two})
	started, err := a.API("dba").NewAgent(t.Context(), api.NewAgent{
		Targets: []string{"pg-prod"}, Duration: hoop.Duration(10 * time.Minute),
		Scope: hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead, hoop.EffectUnboundedWrite}, Tables: []string{"public.hits"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dba\u200b", "dba\u3164"} {
		if like, err := a.API("dba").NewAgent(t.Context(), api.NewAgent{Targets: []string{"pg-prod"}, Duration: hoop.Duration(time.Minute), Name: name}); err == nil {
			t.Errorf("an agent called %q: %+v", name, like.Subject)
		}
	}
	a.Hold("agent-of-dba", started.Token)
	agent := a.API("agent-of-dba")
	for what, ask := range map[string]api.NewRequest{
		"another target": {Target: "pg-two"},
		"an emergency":   {Target: "pg-prod", BreakGlass: true, Reason: "fire"},
		"a grant later":  {Target: "pg-prod", StartsAt: time.Now().Add(time.Hour)},
	} {
		if got, err := agent.NewRequest(t.Context(), ask); err == nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if targets, err := agent.Targets(t.Context()); err != nil || len(targets) != 1 || targets[0].Name != "pg-prod" {
		t.Errorf("targets: %+v, %v", targets, err)
	}
	// Targets that it may not reach look as those do that there are not.
	var told [3]string
	for i, database := range []string{"postgres", "postgres", "unlisted"} {
		target := []string{"pg-two", "pg-six", "pg-two"}[i]
		_, err := pgx.Connect(t.Context(), strings.Replace(a.Listen("agent-of-dba", target), "/postgres?", "/"+database+"?", 1))
		var pg *pgconn.PgError
		if !errors.As(err, &pg) {
			t.Fatalf("%s: %v", target, err)
		}
		told[i] = strings.ReplaceAll(pg.Message+"; "+pg.Hint, target, "TARGET")
	}
	if told[0] != told[1] || told[0] != told[2] {
		t.Errorf("what there is shows:\n%s", strings.Join(told[:], "\n"))
	}
	// A scope that it asks for widens nothing.
	got, err := agent.NewRequest(t.Context(), api.NewRequest{
		Target: "pg-prod", Duration: hoop.Duration(8 * time.Hour), Scope: hoop.Scope{Tables: []string{"*.*"}},
	})
	if err != nil || got.Grant == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.Grant.ExpiresAt.After(started.ExpiresAt) {
		t.Errorf("the grant ends at %s, the token at %s", got.Grant.ExpiresAt, started.ExpiresAt)
	}
	conn, err := pgx.Connect(t.Context(), a.Listen("agent-of-dba", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	run(t, conn, "SELECT n FROM public.hits")
	for _, sql := range []string{"SELECT n FROM allowed", "SELECT n FROM other.hits", "INSERT INTO public.hits VALUES (1)", "TRUNCATE public.hits", "SELECT 1 FROM pg_class"} {
		if _, err := conn.Exec(t.Context(), sql); state(err) != "42501" || !strings.Contains(err.Error(), "outside the scope of the agent's token") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// What its scope has is held as for everybody; neither it nor who started it decides.
	done := exec(conn, "UPDATE public.hits SET n = n + 1 WHERE true")
	held := a.inbox("second-dba", 1)[0]
	for _, who := range []string{"agent-of-dba", "dba"} {
		if _, err := a.API(who).Approve(t.Context(), held.ID, ""); hoop.AsError(err).Code != hoop.CodeDenied {
			t.Errorf("%s: %v", who, err)
		}
		if _, err := a.API(who).Deny(t.Context(), held.ID, "no"); hoop.AsError(err).Code != hoop.CodeDenied {
			t.Errorf("%s: %v", who, err)
		}
	}
	if _, err := a.API("second-dba").Approve(t.Context(), held.ID, ""); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil || a.hits() != 1 {
		t.Errorf("approved: %v", err)
	}
	// Everything it did names whom it acts for.
	seen := map[hoop.EventType]bool{}
	for _, e := range events(t, a.Gateway) {
		if e.Subject == started.Subject {
			seen[e.Type] = true
			if len(e.Chain) != 1 || e.Chain[0] != "dba" {
				t.Errorf("%s has the chain %v", e.Type, e.Chain)
			}
		}
	}
	for _, want := range []hoop.EventType{hoop.EventSignIn, hoop.EventRequest, hoop.EventGrant, hoop.EventSessionStart, hoop.EventStatement, hoop.EventAPIDenied} {
		if !seen[want] {
			t.Errorf("no %s on record", want)
		}
	}
}
