package session_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// exchange sends messages, and what belongs into each COPY when that is asked for, and
// gives tags and SQLSTATEs up to ReadyForQuery.
func (l *line) exchange(copied []pgproto3.FrontendMessage, msgs ...pgproto3.FrontendMessage) <-chan []string {
	done := make(chan []string, 1)
	l.send(msgs...)
	go func() {
		var seen []string
		defer func() { done <- seen }()
		for {
			m, err := l.Frontend.Receive()
			if err != nil {
				seen = append(seen, err.Error())
				return
			}
			switch m := m.(type) {
			case *pgproto3.ErrorResponse:
				seen = append(seen, m.Code)
			case *pgproto3.CommandComplete:
				seen = append(seen, string(m.CommandTag))
			case *pgproto3.CopyInResponse:
				for _, c := range copied {
					l.Frontend.Send(c)
				}
				if err := l.Frontend.Flush(); err != nil {
					seen = append(seen, err.Error())
					return
				}
			case *pgproto3.ReadyForQuery:
				return
			}
		}
	}()
	return done
}

// What others define past the gateway while an approved statement waits in the target is
// found before the statement is committed, also of what one message commits: several
// statements, COPY, a call by message, DDL, DO and CALL. Then nothing of it stays.
func TestApproval_DefinitionsOfOthersBeforeTheCommit(t *testing.T) {
	a := startApprovals(t, servertest.Options{Resources: asked, Setup: raced + `
		CREATE TABLE copied (n int);
		CREATE TRIGGER own BEFORE INSERT ON copied FOR EACH ROW EXECUTE FUNCTION own();
		CREATE PROCEDURE bumps() LANGUAGE plpgsql AS 'BEGIN UPDATE fired SET n = n + 1 WHERE true; END'`})
	const own, bump = "CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"CREATE OR REPLACE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE public.hits SET n = n + 1 WHERE true; RETURN 1; END'"
	writes := strings.NewReplacer("hits", "allowed", "BEGIN RETURN", "BEGIN UPDATE public.allowed SET n = n + 1 WHERE true; RETURN")
	a.anew(bump)
	call := &pgproto3.FunctionCall{Function: uint32(a.Count("SELECT 'bump'::regproc::oid::bigint")), ResultFormatCode: 1}
	type msgs = []pgproto3.FrontendMessage
	text := func(text string) msgs { return msgs{&pgproto3.Query{String: text}} }
	data := msgs{&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{}}
	const everything = "SELECT (SELECT sum(n) FROM hits) + (SELECT sum(n) FROM fired) + (SELECT count(*) FROM copied) + (SELECT count(*) FROM pg_attribute WHERE attrelid = 'fired'::regclass)"
	for name, tt := range map[string]struct {
		sends   msgs
		copied  msgs
		lock    string
		changes string
	}{
		"several":         {text("SELECT 1; UPDATE fired SET n = n + 1 WHERE true; SELECT 2"), nil, "UPDATE fired SET n = n", own},
		"COPY":            {text("COPY copied FROM STDIN"), data, "LOCK TABLE copied IN SHARE MODE", own},
		"COPY and others": {text("UPDATE hits SET n = n + 1 WHERE true; COPY copied FROM STDIN; SELECT 1"), data, "LOCK TABLE copied IN SHARE MODE", own},
		"COPY by Execute": {msgs{&pgproto3.Parse{Query: "COPY copied FROM STDIN"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}, append(data[:2:2], &pgproto3.Sync{}), "LOCK TABLE copied IN SHARE MODE", own},
		"a call":          {msgs{call}, nil, "UPDATE hits SET n = n", bump},
		"DO":              {text("DO 'BEGIN UPDATE fired SET n = n + 1 WHERE true; END'"), nil, "UPDATE fired SET n = n", own},
		"CALL":            {text("CALL bumps()"), nil, "UPDATE fired SET n = n", own},
		"DDL":             {text("ALTER TABLE fired ADD COLUMN m int DEFAULT bump()"), nil, "UPDATE fired SET n = n", bump},
		"DDL by Execute":  {append(pipelined("ALTER TABLE fired ADD COLUMN m int DEFAULT bump()"), &pgproto3.Sync{}), nil, "UPDATE fired SET n = n", bump},
	} {
		for _, within := range []bool{false, true} {
			name := name
			if within {
				name += ", in a transaction"
			}
			t.Run(name, func(t *testing.T) {
				a.t = t
				before, stood := a.refusals(), a.Count(everything)
				l := dial(t, a)
				if within {
					<-l.exchange(nil, text("BEGIN")...)
				}
				done := l.exchange(tt.copied, tt.sends...)
				other := a.behind(l.PID, a.pending(1)[0], tt.lock)
				a.Direct(writes.Replace(tt.changes))
				run(t, other, "COMMIT")
				if seen := <-done; len(seen) == 0 || seen[len(seen)-1] != "42501" {
					t.Errorf("it went on: %v", seen)
				}
				if within {
					if seen := <-l.exchange(nil, text("COMMIT")...); len(seen) != 1 || seen[0] != "ROLLBACK" {
						t.Errorf("COMMIT of its transaction: %v", seen)
					}
				}
				if n := a.Count(everything); n != stood {
					t.Errorf("it left %d, want %d", n, stood)
				}
				if n := a.refusals(); n != before+1 {
					t.Errorf("%d refusals on record, want one more than %d", n, before)
				}
				if seen := <-l.exchange(nil, text("SELECT 1")...); len(seen) != 1 || seen[0] != "SELECT 1" {
					t.Errorf("afterwards: %v", seen)
				}
				a.anew(tt.changes)
				a.Direct("UPDATE allowed SET n = 0")
			})
		}
	}
}
