package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// What nobody was asked about since it only reads goes on as that, too: a portal, a cursor,
// what runs when the transaction ends. Where a function does more by then, people are asked
// or it is refused, whoever let the function be replaced.
func TestApproval_ReadsGoOnAsTheyWereJudged(t *testing.T) {
	const (
		calm, trigger = "CREATE OR REPLACE FUNCTION calm() RETURNS int LANGUAGE plpgsql AS 'BEGIN %s; RETURN 1; END'", "CREATE OR REPLACE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN %s; RETURN NULL; END'"
		reads, writes = "PERFORM n FROM public.allowed", "UPDATE public.hits SET n = n + 1 WHERE true"
		call          = "SELECT calm() FROM generate_series(1, 3)"
	)
	a := startApprovals(t, servertest.Options{Setup: movable + ";" + fmt.Sprintf(calm, reads) + ";" + fmt.Sprintf(trigger, reads) + `;
		CREATE TABLE later (n int);
		CREATE CONSTRAINT TRIGGER t AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fires()`})
	type msgs = []pgproto3.FrontendMessage
	text := func(sql string) msgs { return msgs{&pgproto3.Query{String: sql}} }
	bind := msgs{&pgproto3.Parse{Query: call}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{}}
	execute := msgs{&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{}}
	for name, tt := range map[string]struct {
		before msgs
		code   string
		goes   msgs
		asked  bool
	}{
		"Execute of a portal":   {bind, calm, execute, false},
		"FETCH from a portal":   {bind, calm, text("FETCH ALL FROM p"), true},
		"FETCH from a cursor":   {text("DECLARE c CURSOR FOR " + call), calm, text("FETCH ALL FROM c"), true},
		"a cursor WITH HOLD":    {text("DECLARE c CURSOR WITH HOLD FOR " + call), calm, text("COMMIT"), true},
		"a deferred trigger":    {text("INSERT INTO later VALUES (1)"), trigger, text("COMMIT"), true},
		"SET CONSTRAINTS":       {text("INSERT INTO later VALUES (1)"), trigger, text("SET CONSTRAINTS ALL IMMEDIATE"), true},
		"the end of a pipeline": {append(pipelined("INSERT INTO later VALUES (1)"), &pgproto3.Flush{}), trigger, msgs{&pgproto3.Sync{}}, false},
	} {
		for _, body := range []string{reads, writes} {
			t.Run(name+", "+body[:6], func(t *testing.T) {
				a.t = t
				l := dial(t, a)
				if _, flushed := tt.before[len(tt.before)-1].(*pgproto3.Flush); flushed {
					l.send(tt.before...)
					l.until(func(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.CommandComplete); return ok })
				} else {
					l.send(append(text("BEGIN"), tt.before...)...)
					l.until(ready)
					l.until(ready)
				}
				a.anew(fmt.Sprintf(tt.code, "NULL; "+body))
				l.send(tt.goes...)
				want := body == writes
				if want && tt.asked {
					l.until(notice)
					a.decide(a.pending(1)[0].ID, false)
				}
				if seen := l.until(ready); slices.Contains(seen, "42501") != want {
					t.Errorf("%v", seen)
				}
				l.send(text("ROLLBACK")...)
				l.until(ready)
				a.anew(fmt.Sprintf(tt.code, reads))
			})
		}
	}
	if n := a.hits(); n != 0 {
		t.Errorf("code ran %d times that nobody was asked about", n)
	}

	// Who agrees to a function that the transaction may run when it ends is told so.
	a.t = t
	for _, before := range []msgs{text("INSERT INTO later VALUES (1)"), text("DECLARE c CURSOR WITH HOLD FOR " + call)} {
		l := dial(t, a)
		l.send(append(text("BEGIN"), before...)...)
		l.until(ready)
		l.until(ready)
		l.send(text(fmt.Sprintf(trigger, writes))...)
		l.until(notice)
		held := a.pending(1)[0]
		if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool { return strings.HasPrefix(u.Why, "deferred triggers or a cursor WITH HOLD") }) {
			t.Errorf("nothing is said of what runs when the transaction ends: %+v", held.Effects)
		}
		a.decide(held.ID, false)
		l.until(ready)
	}
}

// What was protected while people thought is not compared, whoever agreed: a rule may deny that,
// and nobody was asked about it.
func TestApproval_ProtectedMeanwhileRefuses(t *testing.T) {
	const rules = servertest.Resources + `
---
kind: StatementRule
name: no-searches
spec: {targets: [pg-prod], groups: ["*"], effects: [infer], decision: deny}
`
	a := startApprovals(t, servertest.Options{Resources: rules})
	conn := open(t, a.Gateway, nil)
	const search = hit + "; SELECT FROM allowed WHERE n > 5"
	for _, protect := range []bool{false, true} {
		before := a.hits()
		done := exec(conn, search)
		held := a.pending(1)[0]
		if protect {
			a.Reload(rules+`
---
kind: MaskRule
name: numbers
spec: {targets: [pg-prod], columns: [public.allowed.n], with: redact}
`, "")
		}
		a.decide(held.ID, true)
		err := <-done
		switch ran := a.hits() - before; {
		case !protect && (err != nil || ran != 1):
			t.Errorf("it ran %d times: %v", ran, err)
		case protect && (state(err) != "42501" || !strings.Contains(err.Error(), "has changed while it waited, and it has effect") || ran != 0):
			t.Errorf("protected meanwhile, it ran %d times: %v", ran, err)
		}
	}
}
