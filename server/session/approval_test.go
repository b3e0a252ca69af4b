package session_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// counted is a table whose one row says how often a held statement ran.
const counted = `
	DROP SCHEMA IF EXISTS other, postgres, public CASCADE;
	DROP ROLE IF EXISTS plain;
	CREATE SCHEMA public;
	CREATE TABLE hits (n int);
	CREATE INDEX hits_n ON hits (n);
	INSERT INTO hits VALUES (0);
	CREATE TABLE allowed (n int);
	CREATE SCHEMA other;
	CREATE TABLE other.hits (n int);
	INSERT INTO other.hits VALUES (0);
	CREATE ROLE plain;
	GRANT USAGE ON SCHEMA other TO plain;
	GRANT ALL ON hits, other.hits TO plain;
	CREATE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';`

const hit = "UPDATE hits SET n = n + 1 WHERE true"

func (a *approvals) hits() int64 {
	a.t.Helper()
	return a.Count("SELECT (SELECT sum(n) FROM hits) + (SELECT sum(n) FROM other.hits)")
}

// approvals is a gateway with people who decide.
type approvals struct {
	*servertest.Gateway
	t *testing.T
}

// pending waits until exactly so many statements wait for the dba, newest first.
func (a *approvals) pending(n int) []hoop.Request {
	a.t.Helper()
	return a.inbox("dba", n)
}

// inbox waits until exactly so many requests wait for somebody, newest first.
func (a *approvals) inbox(who string, n int) []hoop.Request {
	a.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); ; {
		found, err := a.API(who).Requests(a.t.Context(), api.RequestFilter{State: hoop.Pending, Inbox: true})
		if err != nil {
			a.t.Fatal(err)
		}
		if len(found) == n {
			return found
		}
		select {
		case <-tick.C:
		case <-deadline:
			a.t.Fatalf("%d statements wait, want %d", len(found), n)
		}
	}
}

func (a *approvals) decide(id int64, approve bool) {
	a.t.Helper()
	var err error
	if approve {
		_, err = a.API("dba").Approve(a.t.Context(), id, "")
	} else {
		_, err = a.API("dba").Deny(a.t.Context(), id, "not this")
	}
	if err != nil {
		a.t.Error(err)
	}
}

// ends waits until the request is not pending any more.
func (a *approvals) ends(id int64) hoop.Request {
	a.t.Helper()
	r, err := a.API("dba").Request(a.t.Context(), id, time.Minute)
	if err != nil {
		a.t.Fatal(err)
	}
	if r.Request.State == hoop.Pending {
		a.t.Fatalf("request %d is still pending", id)
	}
	return r.Request
}

// tooLate sees that nobody can approve the request any more.
func (a *approvals) tooLate(id int64) {
	a.t.Helper()
	var e *hoop.Error
	if _, err := a.API("dba").Approve(a.t.Context(), id, ""); !errors.As(err, &e) || e.Code != hoop.CodeConflict {
		a.t.Errorf("approved afterwards: %v", err)
	}
}

func startApprovals(t *testing.T, o servertest.Options) *approvals {
	t.Helper()
	if o.Setup == "" {
		o.Setup = counted
	}
	var err error
	if o.PG, err = shared(); err != nil {
		t.Fatal(err)
	}
	return &approvals{servertest.Start(t, o), t}
}

// exec runs sql in the background.
func exec(conn *pgx.Conn, sql string, args ...any) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), sql, args...)
		done <- err
	}()
	return done
}

// query runs sql in the background in the mode that args or conn say: Exec sends a Query message whatever they
// say, where there are no arguments for the statement itself.
func query(conn *pgx.Conn, sql string, args ...any) <-chan error {
	done := make(chan error, 1)
	go func() {
		rows, err := conn.Query(context.Background(), sql, args...)
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
		done <- err
	}()
	return done
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// An approval is for one statement in one session, once. Whatever differs is asked about
// anew, and what was approved before is worth nothing to it.
func TestApproval_IsForThisOnly(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn, second := open(t, a.Gateway, nil), open(t, a.Gateway, nil)
	const param = "UPDATE hits SET n = n + $1 WHERE true"
	asked := func(what string, conn *pgx.Conn, sql string, args ...any) {
		t.Helper()
		before := a.hits()
		done := exec(conn, sql, args...)
		held := a.pending(1)[0]
		a.decide(held.ID, false)
		if err := <-done; state(err) != "42501" {
			t.Errorf("%s: %v", what, err)
		}
		if n := a.hits(); n != before {
			t.Errorf("%s: it ran", what)
		}
	}
	for sql, args := range map[string][]any{hit: nil, param: {1}} {
		before := a.hits()
		done := exec(conn, sql, args...)
		held := a.pending(1)[0]
		// While this one waits, another session asks for the same and gets a number of its own.
		same := exec(second, sql, args...)
		both := a.pending(2)
		a.decide(held.ID, true)
		if err := <-done; err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		other := both[slices.IndexFunc(both, func(r hoop.Request) bool { return r.ID != held.ID })]
		if other.Digest == held.Digest || other.Session == held.Session {
			t.Error("two sessions share an approval")
		}
		a.decide(other.ID, false)
		if err := <-same; state(err) != "42501" {
			t.Errorf("another session: %v", err)
		}
		if n := a.hits(); n != before+1 {
			t.Errorf("%s ran %d times", sql, n-before)
		}
		asked("a second use", conn, sql, args...)
	}
	asked("another literal", conn, "UPDATE hits SET n = n + 2 WHERE true")
	asked("another parameter", conn, param, 2)
	asked("a parameter for a literal", conn, param, 1)
	run(t, conn, "SET search_path = other, public")
	asked("another search_path", conn, hit)
	run(t, conn, "RESET search_path")
	role := exec(conn, "SET ROLE plain")
	a.decide(a.pending(1)[0].ID, true)
	if err := <-role; err != nil {
		t.Fatal(err)
	}
	asked("another role", conn, hit)

	// White space, comments and case are no change.
	digest := func(sql string) string {
		done := exec(conn, sql)
		held := a.pending(1)[0]
		a.decide(held.ID, false)
		<-done
		return held.Digest
	}
	if digest(hit) != digest("update /* me */ HITS\n set n = n + 1 -- really\n where TRUE") {
		t.Error("how a statement is written changes what is approved")
	}
}

// What is approved must still mean the same when it runs.
func TestApproval_ChangesMeanwhileRefuse(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	for what, tt := range map[string]struct{ sql, change, back string }{
		"a table of that name in front of it": {hit, "CREATE SCHEMA postgres; CREATE TABLE postgres.hits (n int)", "DROP SCHEMA postgres CASCADE"},
		"a function's body":                   {"UPDATE hits SET n = n + step() WHERE true", "CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1000'", "CREATE OR REPLACE FUNCTION step() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'"},
		"a function that fits better":         {"UPDATE hits SET n = n + abs(n + 1) WHERE true", "CREATE FUNCTION public.abs(int) RETURNS int LANGUAGE sql AS 'SELECT 1000'; ALTER DATABASE postgres SET search_path = public, pg_catalog", "DROP FUNCTION public.abs(int); ALTER DATABASE postgres RESET search_path"},
		"a trigger":                           {hit, "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.n := 1000; RETURN NEW; END'; CREATE TRIGGER x BEFORE UPDATE ON hits FOR EACH ROW EXECUTE FUNCTION tf()", "DROP TRIGGER x ON hits; DROP FUNCTION tf()"},
		"a rule":                              {hit, "CREATE RULE r AS ON UPDATE TO hits DO ALSO UPDATE other.hits SET n = 1000", "DROP RULE r ON hits"},
		"a cascade":                           {"DELETE FROM allowed", "ALTER TABLE allowed ADD PRIMARY KEY (n); CREATE TABLE dependent (n int REFERENCES allowed ON DELETE CASCADE)", "DROP TABLE dependent; ALTER TABLE allowed DROP CONSTRAINT allowed_pkey"},
		"the table itself":                    {hit, "ALTER TABLE hits RENAME TO former; CREATE VIEW hits AS SELECT n FROM other.hits", "DROP VIEW hits; ALTER TABLE former RENAME TO hits"},
	} {
		t.Run(what, func(t *testing.T) {
			a.t = t
			conn := open(t, a.Gateway, nil)
			before := a.hits()
			done := exec(conn, tt.sql)
			held := a.pending(1)[0]
			a.Direct(tt.change)
			a.decide(held.ID, true)
			if err := <-done; state(err) != "42501" {
				t.Errorf("approved for something else, and yet: %v", err)
			}
			a.Direct(tt.back)
			if n := a.hits(); n != before {
				t.Errorf("it ran: %d", n-before)
			}
		})
	}
}

func TestApproval_StricterRulesMeanwhileRefuse(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	conn := open(t, a.Gateway, nil)
	const asks = "decision: approve\n  approval: {groups: [dba], count: 1, timeout: 30s}"
	for change, want := range map[string]string{
		"decision: deny":                                 "denied by rule risky-needs-a-human",
		strings.Replace(asks, "dba", "boss", 1):          "the rules changed",
		strings.Replace(asks, "count: 1", "count: 2", 1): "the rules changed",
		strings.Replace(asks, "30s", "10s", 1):           "",
	} {
		before := a.hits()
		done := exec(conn, hit)
		held := a.pending(1)[0]
		a.Reload(strings.Replace(servertest.Resources, asks, change, 1), "")
		a.decide(held.ID, true)
		err := <-done
		switch ran := a.hits() - before; {
		case want == "" && (err != nil || ran != 1):
			t.Errorf("%s: it ran %d times: %v", change, ran, err)
		case want != "" && (state(err) != "42501" || !strings.Contains(err.Error(), want) || ran != 0):
			t.Errorf("%s: it ran %d times; want %q: %v", change, ran, want, err)
		}
		a.Reload(servertest.Resources, "")
	}
}

// Where a statement meets rules that are as strict, the people of each are asked: who wrote
// it could else choose between them, by what it touches besides.
func TestApproval_RulesAsStrict(t *testing.T) {
	const rule = `
---
kind: StatementRule
name: a-comes-first-by-name
spec: {targets: [pg-prod], groups: ["*"], effects: [write], tables: [public.allowed], decision: approve, approval: {groups: [privacy-office], count: 1, timeout: 30s}}
`
	a := startApprovals(t, servertest.Options{Resources: servertest.Resources + rule})
	const sql = "WITH x AS (INSERT INTO allowed VALUES (1)) UPDATE hits SET n = n + 1"
	conn := open(t, a.Gateway, nil)
	for _, both := range []bool{false, true} {
		before := a.hits()
		done := exec(conn, sql)
		first := a.inbox("privacy-officer", 1)[0]
		if others := a.inbox("dba", 0); first.Rule != "a-comes-first-by-name" {
			t.Errorf("rule %s, and %d others wait", first.Rule, len(others))
		}
		answer, err := a.API("privacy-officer").Approve(t.Context(), first.ID, "")
		must(t, err)
		if first.AskedNext() != "1 of dba" || answer.AskedNext() != "1 of dba" {
			t.Errorf("asked next: %q, in the answer %q", first.AskedNext(), answer.AskedNext())
		}
		second := a.inbox("dba", 1)[0]
		if second.Rule != "risky-needs-a-human" || second.Next != nil || !strings.Contains(second.Reason, "unbounded-write") {
			t.Errorf("then: rule %s, %s", second.Rule, second.Reason)
		}
		a.decide(second.ID, both)
		err = <-done
		if n := a.hits() - before; both && (err != nil || n != 1) || !both && (state(err) != "42501" || n != 0) {
			t.Errorf("agreed by both %v: %v, it ran %d times", both, err, n)
		}
	}
	// A rule that is as strict, and came while others were asked.
	a.Reload(servertest.Resources, "")
	before, done := a.hits(), exec(conn, sql)
	held := a.pending(1)[0]
	a.Reload(servertest.Resources+rule, "")
	a.decide(held.ID, true)
	if err := <-done; state(err) != "42501" || a.hits() != before {
		t.Errorf("approved by one, when the rules want both: %v, it ran %d times", err, a.hits()-before)
	}
}

// Many sessions want the same, many people agree at once to one of them: it runs once.
func TestApproval_DoubleSpend(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	const sessions = 6
	var done []<-chan error
	for range sessions {
		done = append(done, exec(open(t, a.Gateway, nil), hit))
	}
	held := a.pending(sessions)
	one := held[2]
	var people sync.WaitGroup
	for _, who := range []string{"dba", "second-dba", "dba", "second-dba"} {
		people.Go(func() { _, _ = a.API(who).Approve(context.Background(), one.ID, "") }) // one of them is first
	}
	people.Wait()
	if r := a.ends(one.ID); r.State != hoop.Approved || len(r.Approvals) != 1 {
		t.Errorf("%s by %d people", r.State, len(r.Approvals))
	}
	for _, r := range held {
		if r.ID != one.ID {
			a.decide(r.ID, false)
		}
	}
	ran := 0
	for _, d := range done {
		if err := <-d; err == nil {
			ran++
		} else if state(err) != "42501" {
			t.Error(err)
		}
	}
	if n := a.hits(); ran != 1 || n != 1 {
		t.Errorf("%d sessions ran it, %d times", ran, n)
	}

	// The same statement twice in one go is asked about twice.
	conn := open(t, a.Gateway, nil)
	batch := &pgx.Batch{}
	batch.Queue(hit)
	batch.Queue(hit)
	result := make(chan error, 1)
	go func() { result <- conn.SendBatch(context.Background(), batch).Close() }()
	first := a.pending(1)[0]
	a.decide(first.ID, true)
	again := a.pending(1)[0]
	if again.ID == first.ID || !again.InTx {
		t.Errorf("the second is request %d, in a transaction %v", again.ID, again.InTx)
	}
	a.decide(again.ID, false)
	if err := <-result; state(err) != "42501" {
		t.Errorf("%v", err)
	}
	if n := a.hits(); n != 1 {
		t.Errorf("%d: what was approved was not rolled back with its transaction, or ran twice", n)
	}
}

// Who agrees to a cursor over code agrees to its running once: going back would run it
// again, and is asked about. Going on is not, nor going back where nothing but rows come.
func TestApproval_CursorsRunOnce(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	a.Direct("CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.hits SET n = n + 1 WHERE true; RETURN 1; END'")
	conn := open(t, a.Gateway, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	run(t, conn, "BEGIN")
	done := exec(conn, "DECLARE c SCROLL CURSOR FOR SELECT bump() FROM generate_series(1, 3)")
	a.decide(a.pending(1)[0].ID, true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	run(t, conn, "DECLARE harmless SCROLL CURSOR FOR SELECT n FROM allowed")
	for _, sql := range []string{"FETCH 1 FROM c", "FETCH FORWARD 1 FROM c", "FETCH ALL FROM harmless", "MOVE ABSOLUTE 0 FROM harmless", "FETCH NEXT FROM c", "SAVEPOINT s"} {
		run(t, conn, sql)
	}
	for _, sql := range []string{"MOVE ABSOLUTE 0 FROM c", "FETCH FIRST FROM c", "FETCH PRIOR FROM c", "FETCH RELATIVE 0 FROM c", "FETCH 0 FROM c", "MOVE -1 FROM c", "FETCH BACKWARD ALL FROM c", "SELECT 1; FETCH LAST FROM c"} {
		done := exec(conn, sql)
		held := a.pending(1)[0]
		if !slices.ContainsFunc(held.Effects, func(u hoop.Use) bool { return u.Effect == hoop.EffectOpaque }) {
			t.Errorf("%s: %+v", sql, held.Effects)
		}
		a.decide(held.ID, false)
		if err := <-done; state(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
		run(t, conn, "ROLLBACK TO s")
	}
	run(t, conn, "COMMIT")
	if n := a.hits(); n != 3 {
		t.Errorf("it ran %d times for 3 rows", n)
	}

	// A portal of the protocol is a cursor too.
	l := dial(t, a)
	l.send(&pgproto3.Query{String: "BEGIN"})
	l.until(ready)
	l.send(
		&pgproto3.Parse{Query: "SELECT bump() FROM generate_series(1, 3)"}, &pgproto3.Bind{DestinationPortal: "p"},
		&pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Flush{},
	)
	l.until(notice)
	a.decide(a.pending(1)[0].ID, true)
	l.until(func(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.PortalSuspended); return ok })
	l.send(&pgproto3.Sync{})
	l.until(ready)
	l.send(&pgproto3.Query{String: "MOVE BACKWARD ALL FROM p"})
	l.until(notice)
	a.decide(a.pending(1)[0].ID, false)
	if seen := l.until(ready); !slices.Equal(seen, []string{"42501"}) {
		t.Errorf("going back in a portal: %v", seen)
	}
}

// line is a client that sends and reads messages itself.
type line struct {
	*pgconn.HijackedConn
	t *testing.T
}

func dial(t *testing.T, a *approvals) *line {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), a.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SyncConn(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	_ = h.Conn.SetDeadline(time.Now().Add(time.Minute)) // a watchdog
	return &line{h, t}
}

func (l *line) send(msgs ...pgproto3.FrontendMessage) {
	l.t.Helper()
	for _, m := range msgs {
		l.Frontend.Send(m)
	}
	if err := l.Frontend.Flush(); err != nil {
		l.t.Fatal(err)
	}
}

// until reads up to a message that f wants.
func (l *line) until(f func(pgproto3.BackendMessage) bool) (seen []string) {
	l.t.Helper()
	for {
		m, err := l.Frontend.Receive()
		if err != nil {
			l.t.Fatalf("after %v: %v", seen, err)
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			seen = append(seen, m.Code)
		case *pgproto3.CommandComplete:
			seen = append(seen, string(m.CommandTag))
		case *pgproto3.NoticeResponse:
			seen = append(seen, "notice")
		}
		if f(m) {
			return seen
		}
	}
}

func notice(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.NoticeResponse); return ok }
func ready(m pgproto3.BackendMessage) bool  { _, ok := m.(*pgproto3.ReadyForQuery); return ok }

func pipelined(sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{}}
}

// In a pipeline what came before is answered first, the target gets nothing of the
// statement that waits, and the transaction of the pipeline counts as open.
func TestApproval_InAPipeline(t *testing.T) {
	a := startApprovals(t, servertest.Options{})
	l := dial(t, a)
	l.send(slices.Concat(pipelined("INSERT INTO allowed VALUES (1)"), pipelined(hit), pipelined(hit), []pgproto3.FrontendMessage{&pgproto3.Sync{}})...)
	if seen := l.until(notice); !slices.Equal(seen, []string{"INSERT 0 1", "notice"}) {
		t.Errorf("before the decision: %v", seen)
	}
	held := a.pending(1)[0]
	if !held.InTx || held.ExpiresAt.Sub(held.CreatedAt) > time.Minute {
		t.Errorf("in a transaction: %v, for %s", held.InTx, held.ExpiresAt.Sub(held.CreatedAt))
	}
	// Bind plans, and that locks the index.
	planned := func() bool { return a.Count("SELECT count(*) FROM pg_locks WHERE relation = 'hits_n'::regclass") > 0 }
	if planned() {
		t.Error("the target has it already")
	}
	if n := a.Count("SELECT count(*) FROM pg_locks WHERE relation = 'allowed'::regclass"); n == 0 {
		t.Error("the one before it is not there")
	}
	a.decide(held.ID, true)
	if seen := l.until(notice); !slices.Equal(seen, []string{"UPDATE 1", "notice"}) {
		t.Errorf("after the first: %v", seen)
	}
	if !planned() {
		t.Error("what ran has no lock on the index: this test shows nothing")
	}
	a.decide(a.pending(1)[0].ID, true)
	if seen := l.until(ready); !slices.Equal(seen, []string{"UPDATE 1"}) {
		t.Errorf("after the second: %v", seen)
	}
	if n, m := a.hits(), a.Count("SELECT count(*) FROM allowed"); n != 2 || m != 1 {
		t.Errorf("it ran %d times, with %d others", n, m)
	}
}

// Cancel, Terminate, a closed connection and time end the wait, also behind what the
// client went on sending; approving is too late then.
func TestApproval_ClientsEndIt(t *testing.T) {
	resources := strings.Replace(servertest.Resources, "timeout: 30s", "timeout: 20s", 1)
	a := startApprovals(t, servertest.Options{Resources: resources})
	more := &pgproto3.Query{String: "SELECT 1 /* " + strings.Repeat("x", 50_000) + " */"}
	type end struct {
		behind int // messages of 50 KB that follow the held statement
		how    func(l *line)
		state  hoop.RequestState
	}
	cancel := func(l *line) {
		var d net.Dialer
		nc, err := d.DialContext(t.Context(), "tcp", l.Conn.RemoteAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		f := pgproto3.NewFrontend(nc, nc)
		f.Send(&pgproto3.CancelRequest{ProcessID: l.PID, SecretKey: l.SecretKey})
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(nc) // closed without an answer
	}
	for name, e := range map[string]end{
		"terminate":                        {0, func(l *line) { l.send(&pgproto3.Terminate{}) }, hoop.Cancelled},
		"terminate behind others":          {15, func(l *line) { l.send(&pgproto3.Terminate{}) }, hoop.Cancelled},
		"close":                            {0, func(l *line) { _ = l.Conn.Close() }, hoop.Cancelled},
		"close behind others":              {15, func(l *line) { _ = l.Conn.Close() }, hoop.Cancelled},
		"cancel":                           {0, cancel, hoop.Cancelled},
		"cancel behind more than it reads": {60, cancel, hoop.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			l := dial(t, a)
			l.send(&pgproto3.Query{String: hit})
			l.until(notice)
			held := a.pending(1)[0]
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for range e.behind {
					b, err := more.Encode(nil)
					if err != nil {
						panic(err)
					}
					if _, err := l.Conn.Write(b); err != nil {
						return // it has ended
					}
				}
			}()
			if e.behind < 20 {
				<-sent
			}
			e.how(l)
			got := a.ends(held.ID)
			if got.State != e.state {
				t.Errorf("%s: %s", got.State, got.DecisionWhy)
			}
			a.tooLate(held.ID)
			_ = l.Conn.Close()
			<-sent
		})
	}
	if n := a.hits(); n != 0 {
		t.Errorf("it ran %d times", n)
	}
}

func TestApproval_TimeIsUp(t *testing.T) {
	a := startApprovals(t, servertest.Options{Resources: strings.Replace(servertest.Resources, "timeout: 30s", "timeout: 200ms", 1)})
	err := <-exec(open(t, a.Gateway, nil), hit)
	if state(err) != "42501" || !strings.Contains(err.Error(), "nobody in dba decided in time") {
		t.Error(err)
	}
	over, err := a.API("dba").Requests(t.Context(), api.RequestFilter{State: hoop.Expired})
	if err != nil || len(over) != 1 {
		t.Fatalf("%+v, %v", over, err)
	}
	a.tooLate(over[0].ID)
	if n := a.hits(); n != 0 {
		t.Errorf("it ran %d times", n)
	}
}

// What people decided is there after a restart; a statement that was held died with its
// session, and nothing brings it back.
func TestApproval_Restart(t *testing.T) {
	const two = servertest.Resources + `
---
kind: Target
name: pg-two
spec: {type: postgres, address: "${ADDRESS}", database: postgres, tls: disable, credential: {username: postgres, password: {value: "${PASSWORD}"}}}
---
kind: AccessRule
name: two-agree
spec: {groups: [agents], targets: [pg-two], max_duration: 1h, approval: {groups: [dba], count: 2, timeout: 1h}}
`
	resources := strings.Replace(two, `targets: ["*"], max_duration: 8h`, `targets: [pg-prod], max_duration: 8h`, 1)
	dir := t.TempDir()
	a := startApprovals(t, servertest.Options{Resources: resources, DataDir: dir})
	asked, err := a.API("agent").NewRequest(t.Context(), api.NewRequest{Target: "pg-two", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	a.decide(asked.Request.ID, true)
	done := exec(open(t, a.Gateway, nil), hit)
	held := a.pending(1)[0] // the other one waits for somebody else
	a.Stop()
	if err := <-done; state(err) != "57P01" || !strings.Contains(err.Error(), "the gateway is stopping") {
		t.Errorf("the client that waits is told %v", err)
	}

	b := startApprovals(t, servertest.Options{Resources: resources, DataDir: dir, Setup: "SELECT 1"})
	if r := b.ends(held.ID); r.State != hoop.Cancelled || r.DecisionWhy != "the gateway is stopping" {
		t.Errorf("the held one: %+v", r)
	}
	b.tooLate(held.ID)
	for _, who := range []string{"dba", "second-dba"} { // the first again: it counts once
		if _, err := b.API(who).Approve(t.Context(), asked.Request.ID, ""); err != nil {
			t.Fatal(err)
		}
		r, err := b.API("dba").Request(t.Context(), asked.Request.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if granted := r.Request.State == hoop.Approved; granted != (who == "second-dba") || len(r.Request.Approvals) == 0 {
			t.Errorf("after %s: %s with %d approvals", who, r.Request.State, len(r.Request.Approvals))
		}
	}
	if n := b.hits(); n != 0 {
		t.Errorf("it ran %d times", n)
	}
}

// Two people out of the group, each counted once; never who owns the account that asks,
// not even as administrator; not whoever is in no such group, nor a program.
func TestApproval_WhoMay(t *testing.T) {
	resources := strings.NewReplacer(
		"count: 1", "count: 2", "owner: data-team", "owner: dba",
	).Replace(servertest.Resources) + `
---
kind: GroupRole
name: admins
spec: {group: dba, role: admin}
`
	a := startApprovals(t, servertest.Options{Resources: resources})
	code := func(who string, id int64) hoop.Code {
		t.Helper()
		_, err := a.API(who).Approve(t.Context(), id, "")
		var e *hoop.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e == nil {
			return ""
		}
		return e.Code
	}
	// The owner is the group of all who could: nobody may, nobody has it in the inbox.
	done := exec(open(t, a.Gateway, nil), hit)
	var held []hoop.Request
	for len(held) == 0 {
		var err error
		if held, err = a.API("agent").Requests(t.Context(), api.RequestFilter{State: hoop.Pending}); err != nil {
			t.Fatal(err)
		}
	}
	for who, want := range map[string]hoop.Code{"dba": hoop.CodeDenied, "second-dba": hoop.CodeDenied, "agent": hoop.CodeDenied, "auditor": hoop.CodeDenied} {
		if got := code(who, held[0].ID); got != want {
			t.Errorf("%s: %q", who, got)
		}
	}
	a.pending(0)
	if _, err := a.API("agent").Cancel(t.Context(), held[0].ID); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("it ran")
	}

	// Somebody else's account: one of them twice is not enough.
	a.Stop()
	b := startApprovals(t, servertest.Options{Resources: strings.Replace(resources, "owner: dba", "owner: data-team", 1)})
	done = exec(open(t, b.Gateway, nil), hit)
	one := b.pending(1)[0]
	a = b
	for range 2 {
		if got := code("dba", one.ID); got != "" {
			t.Errorf("dba: %q", got)
		}
	}
	r, err := b.API("dba").Request(t.Context(), one.ID, 0)
	if err != nil || r.Request.State != hoop.Pending || len(r.Request.Approvals) != 1 {
		t.Fatalf("after one person said yes twice: %+v, %v", r, err)
	}
	if _, err := b.API("second-dba").Deny(t.Context(), one.ID, "  "); err == nil {
		t.Error("denied without a reason")
	}
	if got := code("second-dba", one.ID); got != "" {
		t.Errorf("second-dba: %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := b.hits(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}
