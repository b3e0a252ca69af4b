package session_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// thousand changes what hit changes, otherwise.
const thousand = "UPDATE hits SET n = n + 1000 WHERE true"

// What a client sends behind a statement that waits finds it as it was: nothing made of its
// name, portal or connection meanwhile runs on its approval, and it runs once.
func TestApproval_NothingRidesBehindIt(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	sync := &pgproto3.Sync{}
	closeS, closeP := &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Close{ObjectType: 'P', Name: "p"}
	remade := &pgproto3.Parse{Name: "s", Query: thousand}
	bind, execute := &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s"}, &pgproto3.Execute{Portal: "p"}
	type msgs = []pgproto3.FrontendMessage
	for name, tt := range map[string]struct {
		behind msgs
		held   int      // statements that wait after the first was approved, and are denied
		ran    int64    // how often the first ran
		seen   []string // what the client is told after the first notice
	}{
		"nothing":                             {msgs{execute, sync}, 0, 1, []string{"UPDATE 1"}},
		"Sync and Flush":                      {msgs{sync, &pgproto3.Flush{}, sync}, 0, 0, nil},
		"Flush alone":                         {msgs{&pgproto3.Flush{}, execute, &pgproto3.Flush{}, sync}, 0, 1, []string{"UPDATE 1"}},
		"executed twice":                      {msgs{execute, execute, sync}, 0, 0, []string{"UPDATE 1", "55000"}},
		"after its transaction":               {msgs{sync, execute, sync}, 0, 0, []string{"34000"}},
		"the portal closed":                   {msgs{closeP, execute, sync}, 0, 0, []string{"34000"}},
		"the statement closed":                {msgs{closeS, execute, sync}, 0, 1, []string{"UPDATE 1"}},
		"the statement closed, bound again":   {msgs{closeS, execute, sync, bind, execute, sync}, 0, 1, []string{"UPDATE 1", "26000"}},
		"the statement made anew":             {msgs{execute, closeS, sync, remade, bind, execute, sync}, 1, 1, []string{"UPDATE 1", "notice", "42501"}},
		"the statement made anew before":      {msgs{closeS, remade, execute, sync}, 0, 1, []string{"UPDATE 1"}},
		"the portal bound to another":         {msgs{closeP, closeS, remade, bind, execute, sync}, 1, 0, []string{"notice", "42501"}},
		"bound again":                         {msgs{execute, sync, bind, execute, sync}, 1, 1, []string{"UPDATE 1", "notice", "42501"}},
		"the text again":                      {msgs{execute, sync, &pgproto3.Query{String: hit}}, 1, 1, []string{"UPDATE 1", "notice", "42501"}},
		"DEALLOCATE":                          {msgs{execute, sync, &pgproto3.Query{String: "DEALLOCATE s"}, bind, execute, sync}, 0, 1, []string{"UPDATE 1", "DEALLOCATE", "26000"}},
		"DISCARD ALL":                         {msgs{execute, sync, &pgproto3.Query{String: "DISCARD ALL"}, bind, execute, sync}, 0, 1, []string{"UPDATE 1", "DISCARD ALL", "26000"}},
		"DEALLOCATE and PREPARE":              {msgs{execute, sync, &pgproto3.Query{String: "DEALLOCATE s"}, &pgproto3.Query{String: "PREPARE s AS SELECT 1"}, bind, execute, sync}, 0, 1, []string{"UPDATE 1", "DEALLOCATE", "PREPARE", "SELECT 1"}},
		"a path that a savepoint brings back": {msgs{execute, sync, &pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: "SAVEPOINT a"}, &pgproto3.Query{String: "SET search_path = other"}, &pgproto3.Query{String: "ROLLBACK TO a"}, bind, execute, sync, &pgproto3.Query{String: "COMMIT"}}, 1, 1, []string{"UPDATE 1", "BEGIN", "SAVEPOINT", "SET", "ROLLBACK", "notice", "42501", "ROLLBACK"}},
		"data of a COPY":                      {msgs{execute, sync, &pgproto3.CopyData{Data: []byte("1000\n")}, &pgproto3.CopyDone{}, &pgproto3.Query{String: "SELECT 1"}}, 0, 1, []string{"UPDATE 1", "SELECT 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			l := dial(t, a)
			before := a.hits()
			l.send(&pgproto3.Parse{Name: "s", Query: hit}, sync)
			l.until(ready)
			l.send(bind)
			l.send(&pgproto3.Flush{})
			l.until(notice)
			first := a.pending(1)[0]
			l.send(tt.behind...)
			a.decide(first.ID, true)
			answers := 0
			for _, m := range tt.behind {
				switch m.(type) {
				case *pgproto3.Sync, *pgproto3.Query:
					answers++
				}
			}
			done := make(chan []string, 1)
			go func() {
				var seen []string
				for range answers {
					seen = append(seen, l.until(ready)...)
				}
				done <- seen
			}()
			for range tt.held {
				next := a.pending(1)[0]
				if next.ID == first.ID || next.Digest == first.Digest && next.Shape != first.Shape {
					t.Errorf("request %d stands for another statement: %+v", first.ID, next)
				}
				a.decide(next.ID, false)
			}
			if seen := <-done; !slices.Equal(seen, tt.seen) {
				t.Errorf("%q, want %q", seen, tt.seen)
			}
			if ran := a.hits() - before; ran != tt.ran {
				t.Errorf("it ran %d times, want %d", ran, tt.ran)
			}
			a.tooLate(first.ID)
			a.pending(0)
		})
	}
}

// A statement that SQL has prepared is asked about each time, and by what its name stands
// for then.
func TestApproval_PreparedNamesMadeAnew(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	asked := func(sql string, approve bool) hoop.Request {
		t.Helper()
		done := exec(conn, sql)
		held := a.pending(1)[0]
		a.decide(held.ID, approve)
		if err := <-done; (err == nil) != approve {
			t.Errorf("%s: %v", sql, err)
		}
		return held
	}
	asked("PREPARE p AS "+hit, true)
	first := asked("EXECUTE p", true)
	run(t, conn, "DEALLOCATE p")
	asked("PREPARE p AS "+thousand, true)
	second := asked("EXECUTE p", false)
	if first.Digest == second.Digest {
		t.Error("one digest stands for both")
	}
	if n := a.hits(); n != 1 {
		t.Errorf("the hits are %d", n)
	}

	// What another session left to be committed is nobody's statement here.
	held := asked("COMMIT PREPARED 'x'", false)
	if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool { return u.Effect == hoop.EffectOpaque }) {
		t.Errorf("%+v", held.Effects)
	}
}

// Data that a client sends before its COPY was let through is no statement, and is loaded
// only where people agreed.
func TestApproval_CopyDataBeforeTheDecision(t *testing.T) {
	a := startApprovals(t, servertest.Options{Resources: strings.Replace(servertest.Resources, "effects: [ddl,", "effects: [import, ddl,", 1)})
	for _, approve := range []bool{true, false} {
		l := dial(t, a)
		before := a.hits()
		l.send(&pgproto3.Query{String: "COPY hits FROM STDIN"})
		l.until(notice)
		held := a.pending(1)[0]
		l.send(&pgproto3.CopyData{Data: []byte("10\n")}, &pgproto3.CopyDone{}, &pgproto3.Query{String: "SELECT 1"})
		a.decide(held.ID, approve)
		want, loaded := []string{"COPY 1", "SELECT 1"}, int64(10)
		if !approve {
			want, loaded = []string{"42501", "SELECT 1"}, 0
		}
		if seen := append(l.until(ready), l.until(ready)...); !slices.Equal(seen, want) {
			t.Errorf("approved %v: %q", approve, seen)
		}
		if n := a.hits() - before; n != loaded {
			t.Errorf("approved %v: %d more", approve, n)
		}
	}
}

// Approvers race with whatever ends the wait: a cancel, Terminate, a closed connection, the
// time. There is one outcome; what was not approved did not run, and nothing ran twice.
func TestApproval_EndsRaceWithApprovals(t *testing.T) {
	a := startApprovals(t, servertest.Options{Resources: strings.Replace(servertest.Resources, "timeout: 30s", "timeout: 2s", 1)})
	for _, who := range []string{"dba", "second-dba"} { // to sign in takes longer than that
		if _, err := a.API(who).Requests(t.Context(), api.RequestFilter{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, end := range map[string]func(l *line){
		"cancel": func(l *line) {
			var d net.Dialer
			if nc, err := d.DialContext(context.Background(), "tcp", l.Conn.RemoteAddr().String()); err == nil {
				f := pgproto3.NewFrontend(nc, nc)
				f.Send(&pgproto3.CancelRequest{ProcessID: l.PID, SecretKey: l.SecretKey})
				_ = f.Flush() // the answer is that the connection closes
				_, _ = nc.Read(make([]byte, 1))
				_ = nc.Close()
			}
		},
		"terminate": func(l *line) { l.Frontend.Send(&pgproto3.Terminate{}); _ = l.Frontend.Flush() },
		"close":     func(l *line) { _ = l.Conn.Close() },
		"time":      func(*line) {},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			outcomes := map[hoop.RequestState]int{}
			for i := range 4 {
				l := dial(t, a)
				before := a.hits()
				l.send(&pgproto3.Query{String: hit})
				l.until(notice)
				held := a.pending(1)[0]
				if name == "time" {
					<-time.After(time.Until(held.ExpiresAt) - time.Duration(i)*5*time.Millisecond) // about the last moment
				}
				var race sync.WaitGroup
				said := make(chan struct{}, 2)
				for _, who := range []string{"dba", "second-dba"} {
					race.Go(func() {
						_, _ = a.API(who).Approve(context.Background(), held.ID, "") // too late for some
						said <- struct{}{}
					})
				}
				if i%2 == 1 {
					<-said // between the approval and its being forwarded
				}
				race.Go(func() { end(l) })
				race.Wait()
				got := a.ends(held.ID)
				outcomes[got.State]++
				if name == "cancel" || name == "time" {
					l.until(ready) // the statement has ended
				}
				_ = l.Conn.Close()
				a.gone(held.Session)
				switch ran := a.hits() - before; {
				case ran > 1 || ran == 1 && got.State != hoop.Approved:
					t.Errorf("%s, and it ran %d times", got.State, ran)
				case got.State != hoop.Approved && len(got.Approvals) > 0:
					t.Errorf("%s, with %d approvals", got.State, len(got.Approvals))
				}
				a.tooLate(held.ID)
			}
			t.Log(outcomes)
		})
	}
}

// gone waits until a session has ended.
func (a *approvals) gone(session string) {
	a.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); ; {
		if slices.ContainsFunc(events(a.t, a.Gateway), func(e hoop.Event) bool { return e.Type == hoop.EventSessionEnd && e.Session == session }) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			a.t.Fatalf("session %s does not end", session)
		}
	}
}

// Two gateways on one store: only the one that holds a statement lets it be approved, and
// people who press the button at both get one statement run once. No is for any to say.
func TestApproval_DoubleSpendAtTwoGateways(t *testing.T) {
	pg, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"DROP DATABASE IF EXISTS approvals_store", "CREATE DATABASE approvals_store"} {
		if err := pg.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	config := func(c *server.Config) { c.Store.URL = pg.DSN("approvals_store") }
	a := startApprovals(t, servertest.Options{Config: config})
	b := &approvals{servertest.Start(t, servertest.Options{PG: pg, Config: config}), t}
	here, there := open(t, a.Gateway, nil), open(t, b.Gateway, nil)
	ran := exec(here, hit)
	mine := a.pending(1)[0]
	other := exec(there, hit)
	both := a.pending(2)
	b.pending(2)
	theirs := both[slices.IndexFunc(both, func(r hoop.Request) bool { return r.ID != mine.ID })]
	if mine.Gateway == theirs.Gateway || mine.Digest == theirs.Digest {
		t.Errorf("both are held by %q, as %q", mine.Gateway, mine.Digest)
	}
	a.tooLate(theirs.ID) // a conflict: the other gateway has it
	b.tooLate(mine.ID)
	var race sync.WaitGroup
	for range 3 {
		for _, g := range []*approvals{a, b} {
			for _, who := range []string{"dba", "second-dba"} {
				race.Go(func() { _, _ = g.API(who).Approve(context.Background(), mine.ID, "") }) // one of them is first
			}
		}
	}
	race.Wait()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if r := a.ends(mine.ID); r.State != hoop.Approved || len(r.Approvals) != 1 {
		t.Errorf("%s by %d people", r.State, len(r.Approvals))
	}
	a.decide(theirs.ID, false)
	if err := <-other; state(err) != "42501" {
		t.Errorf("denied at another gateway: %v", err)
	}
	if n := a.hits(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// Where the target would not run a statement anyway, since its transaction or an earlier
// message of its pipeline failed, nobody is asked about it.
func TestApproval_NobodyIsAskedInVain(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, nil)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		run(t, conn, "BEGIN")
		if err := <-query(conn, "SELECT 1/0", mode); state(err) != "22012" {
			t.Fatal(err)
		}
		if err := <-query(conn, hit, mode); state(err) != "25P02" {
			t.Errorf("%s: in a transaction that failed: %v", mode, err)
		}
		run(t, conn, "ROLLBACK")
	}
	l := dial(t, a)
	l.send(slices.Concat(pipelined("SELECT 1/0"), pipelined(hit), []pgproto3.FrontendMessage{&pgproto3.Sync{}})...)
	if seen := l.until(ready); !slices.Equal(seen, []string{"22012"}) {
		t.Errorf("behind what failed: %v", seen)
	}
	asked, err := a.API("dba").Requests(t.Context(), api.RequestFilter{Inbox: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) > 0 {
		t.Errorf("people were asked: %+v", asked)
	}

	// What ends the transaction first would run.
	run(t, conn, "BEGIN")
	if _, err := conn.Exec(t.Context(), "SELECT 1/0"); state(err) != "22012" {
		t.Fatal(err)
	}
	done := exec(conn, "ROLLBACK; "+hit, pgx.QueryExecModeSimpleProtocol)
	a.decide(a.pending(1)[0].ID, true)
	if err := <-done; err != nil || a.hits() != 1 {
		t.Errorf("behind ROLLBACK: %v, it ran %d times", err, a.hits())
	}
}
