package session_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/servertest"
)

// asked holds what otherwise passes.
const asked = servertest.Resources + `
---
kind: StatementRule
name: all-changes
spec: {targets: [pg-prod], groups: ["*"], effects: [write, import], tables: ["*"], decision: approve, approval: {groups: [dba], timeout: 30s}}
`

// alike is what the texts of TestApproval_AnswersArePostgreSQLs are about, and reset makes
// it what it is before each of them.
const alike = counted + `
	CREATE TABLE rows (n int UNIQUE DEFERRABLE INITIALLY DEFERRED, CHECK (n < 100)) WITH (autovacuum_enabled = false); -- rows stay in their order
	CREATE TABLE wide (n int);
	CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''row %'', NEW.n; RETURN NULL; END';
	CREATE CONSTRAINT TRIGGER told AFTER UPDATE ON rows DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION told();
	CREATE FUNCTION bump() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''bump''; UPDATE hits SET n = n + 1; RETURN 1; END';
	CREATE FUNCTION twice() RETURNS int LANGUAGE plpgsql AS 'BEGIN UPDATE rows SET n = 1; RETURN 1; END';
	CREATE PROCEDURE bare() LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''bare''; UPDATE hits SET n = n + 1; END';
	CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN UPDATE hits SET n = n + 1; COMMIT; UPDATE hits SET n = n + 1; END';`

const reset = "DELETE FROM rows; INSERT INTO rows VALUES (1), (2); UPDATE hits SET n = 0; DELETE FROM allowed"

// conversation sends messages one after the other, each when ReadyForQuery has come or, in
// COPY, CopyInResponse, and gives what came back but for the notice of an approval, which
// it waits for with held.
func (l *line) conversation(held func(), msgs ...[]pgproto3.FrontendMessage) (wires []string) {
	l.t.Helper()
	for _, some := range msgs {
		l.send(some...)
		for over := false; !over; {
			m, err := l.Frontend.Receive()
			if err != nil {
				l.t.Fatalf("after %q: %v", wires, err)
			}
			switch m := m.(type) {
			case *pgproto3.NoticeResponse:
				if strings.HasPrefix(m.Message, "approval ") {
					held()
					continue
				}
			case *pgproto3.NotificationResponse:
				m.PID = 0
			case *pgproto3.ErrorResponse:
				if m.Code == "22P05" { // of the gateway's own, with a hint, and without a place in PostgreSQL's sources
					m.Hint, m.File, m.Line, m.Routine = "", "", 0, ""
				}
			case *pgproto3.ReadyForQuery, *pgproto3.CopyInResponse:
				over = true
			}
			wire, err := m.Encode(nil)
			if err != nil {
				l.t.Fatal(err)
			}
			wires = append(wires, string(wire))
		}
	}
	return wires
}

// Whatever the gateway sends around what people agreed to, the client's answer is the one
// that PostgreSQL gives, byte for byte and in its order, and it does the same.
func TestApproval_AnswersArePostgreSQLs(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: alike, Resources: asked})
	type msgs = []pgproto3.FrontendMessage
	query := func(text string) msgs { return msgs{&pgproto3.Query{String: text}} }
	data := func(text string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(text)} }
	done := &pgproto3.CopyDone{}
	call := func(function string) func() msgs {
		return func() msgs {
			oid := a.Count("SELECT '" + function + "'::regproc::oid::bigint")
			return msgs{&pgproto3.FunctionCall{Function: uint32(oid), ResultFormatCode: 1}}
		}
	}
	for name, tt := range map[string]struct {
		sends []msgs
		call  func() msgs // sent behind them
		then  []msgs      // and behind that
		undo  string      // of DDL
	}{
		"several":                       {sends: []msgs{query("SELECT 1 AS a; UPDATE hits SET n = n + 1 WHERE true; SELECT n FROM hits")}},
		"several, the last with a tag":  {sends: []msgs{query("SELECT 1; UPDATE rows SET n = n + 10 WHERE true;")}},
		"a fault in the second":         {sends: []msgs{query("UPDATE hits SET n = 5 WHERE true; SELECT 1/0; SELECT 2")}},
		"a name that is not there":      {sends: []msgs{query("UPDATE hits SET n = 5 WHERE true;\n  SELECT 'ü', nope FROM hits")}},
		"notices":                       {sends: []msgs{query("DROP TABLE IF EXISTS nope; SELECT bump(); UPDATE hits SET n = 5 WHERE true")}},
		"a commit that fails":           {sends: []msgs{query("SELECT 1; UPDATE hits SET n = 5 WHERE true; UPDATE rows SET n = 1 WHERE true")}},
		"a commit of one that fails":    {sends: []msgs{query("UPDATE rows SET n = 1 WHERE true")}},
		"notices of a commit":           {sends: []msgs{query("UPDATE rows SET n = n + 10 WHERE true")}},
		"a setting":                     {sends: []msgs{query("SET TimeZone = 'Asia/Tokyo'; UPDATE hits SET n = 5 WHERE true"), query("SHOW TimeZone")}},
		"a setting of a transaction":    {sends: []msgs{query("SET LOCAL lock_timeout = 7; UPDATE hits SET n = 5 WHERE true; SHOW lock_timeout"), query("SHOW lock_timeout")}},
		"a notification":                {sends: []msgs{query("LISTEN me"), query("NOTIFY me, 'x'; UPDATE hits SET n = 5 WHERE true")}},
		"a notification by one":         {sends: []msgs{query("LISTEN me"), query("DO 'BEGIN NOTIFY me; UPDATE hits SET n = 5; END'")}},
		"no transaction for VACUUM":     {sends: []msgs{query("UPDATE hits SET n = 5 WHERE true; VACUUM hits")}},
		"VACUUM":                        {sends: []msgs{query("VACUUM hits")}},
		"an index, concurrently":        {sends: []msgs{query("CREATE INDEX CONCURRENTLY later ON wide (n)")}, undo: "DROP INDEX later"},
		"DDL":                           {sends: []msgs{query("ALTER TABLE wide ADD COLUMN m int DEFAULT 3")}, undo: "ALTER TABLE wide DROP COLUMN m"},
		"DDL that fails":                {sends: []msgs{query("ALTER TABLE hits\n ADD COLUMN n int")}},
		"several with DDL":              {sends: []msgs{query("CREATE TABLE made (n int PRIMARY KEY); INSERT INTO made VALUES (1); SELECT * FROM made")}, undo: "DROP TABLE made"},
		"DO":                            {sends: []msgs{query("DO 'BEGIN RAISE NOTICE ''done''; UPDATE hits SET n = 5; END'")}},
		"DO that commits":               {sends: []msgs{query("DO 'BEGIN UPDATE hits SET n = 5; COMMIT; RAISE EXCEPTION ''no''; END'")}},
		"DO that commits, among others": {sends: []msgs{query("UPDATE hits SET n = 7 WHERE true; DO 'BEGIN UPDATE hits SET n = 5; COMMIT; END'")}},
		"CALL":                          {sends: []msgs{query("CALL bare()")}},
		"CALL that commits":             {sends: []msgs{query("CALL commits()")}},
		"in a transaction":              {sends: []msgs{query("BEGIN"), query("UPDATE hits SET n = 5 WHERE true; SELECT n FROM hits"), query("COMMIT")}},
		"a fault in a transaction":      {sends: []msgs{query("BEGIN"), query("UPDATE hits SET n = 5 WHERE true; SELECT 1/0"), query("COMMIT")}},
		"one that begins a transaction": {sends: []msgs{query("BEGIN; UPDATE hits SET n = 5 WHERE true"), query("SELECT n FROM hits"), query("COMMIT")}},
		"one that begins and fails":     {sends: []msgs{query("UPDATE hits SET n = 5 WHERE true; BEGIN; SELECT 1/0"), query("COMMIT")}},
		"one that fails and begins":     {sends: []msgs{query("SELECT 1/0; BEGIN; UPDATE hits SET n = 5 WHERE true"), query("SELECT 1")}},
		"one that begins and ends":      {sends: []msgs{query("BEGIN; UPDATE hits SET n = 5 WHERE true; COMMIT; SELECT 1")}},
		"a savepoint in none":           {sends: []msgs{query("SAVEPOINT s; UPDATE hits SET n = 5 WHERE true"), query("SELECT 1")}},
		"a savepoint":                   {sends: []msgs{query("BEGIN"), query("SAVEPOINT s; UPDATE hits SET n = 5 WHERE true; ROLLBACK TO s"), query("COMMIT")}},
		"a cursor":                      {sends: []msgs{query("DECLARE c CURSOR FOR SELECT 1; FETCH c; UPDATE hits SET n = 5 WHERE true"), query("FETCH c")}},
		"a lock":                        {sends: []msgs{query("UPDATE hits SET n = 5 WHERE true; SELECT n FROM hits FOR UPDATE")}},
		"COPY":                          {sends: []msgs{query("COPY rows FROM STDIN"), {data("5\n"), data("6\n"), done}}},
		"COPY that the client ends":     {sends: []msgs{query("COPY rows FROM STDIN"), {data("5\n"), &pgproto3.CopyFail{Message: "enough"}}, query("SELECT 1")}},
		"COPY of what is not valid":     {sends: []msgs{query("COPY rows FROM STDIN"), {data("x\n")}, query("SELECT 1")}},
		"and data behind it":            {sends: []msgs{query("COPY rows FROM STDIN"), {data("x\n"), data("6\n"), done}, query("SELECT 1")}},
		"COPY that breaks a check":      {sends: []msgs{query("COPY rows FROM STDIN"), {data("5\n200\n"), done}, query("SELECT 1")}},
		"COPY that its commit breaks":   {sends: []msgs{query("COPY rows FROM STDIN"), {data("5\n5\n"), done}, query("SELECT 1")}},
		"COPY among others":             {sends: []msgs{query("UPDATE hits SET n = 5 WHERE true; COPY rows FROM STDIN; COPY rows FROM STDIN; SELECT n FROM hits"), {data("5\n"), done}, {data("6\n"), done}}},
		"COPY in a transaction":         {sends: []msgs{query("BEGIN"), query("COPY rows FROM STDIN"), {data("5\n"), done}, query("COMMIT")}},
		"a bad COPY in a transaction":   {sends: []msgs{query("BEGIN"), query("COPY rows FROM STDIN"), {data("x\n")}, query("COMMIT")}},
		"COPY and the next at once":     {sends: []msgs{query("COPY rows FROM STDIN"), {data("5\n"), done, &pgproto3.Query{String: "SELECT 1"}}, {&pgproto3.Sync{}}}},
		"COPY by Execute": {sends: []msgs{
			{&pgproto3.Parse{Query: "COPY rows FROM STDIN"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{}}, {data("5\n"), done, &pgproto3.Sync{}},
		}},
		"what the encoding does not have":    {sends: []msgs{query("SET client_encoding = 'LATIN1'"), query("UPDATE hits SET n = 5 WHERE true RETURNING U&'\\2713'"), query("SELECT n FROM hits")}},
		"the same among others":              {sends: []msgs{query("SET client_encoding = 'LATIN1'"), query("UPDATE hits SET n = 5 WHERE true; SELECT U&'\\2713'; SELECT 1"), query("SELECT n FROM hits")}},
		"the same in a transaction":          {sends: []msgs{query("SET client_encoding = 'LATIN1'"), query("BEGIN"), query("UPDATE hits SET n = 5 WHERE true; SELECT U&'\\2713'"), query("COMMIT"), query("SELECT n FROM hits")}},
		"a function by message":              {call: call("bump")},
		"a function whose commit fails":      {call: call("twice")},
		"a function by message, within":      {sends: []msgs{query("BEGIN")}, call: call("bump"), then: []msgs{query("COMMIT")}},
		"several behind others of a batch":   {sends: []msgs{{&pgproto3.Parse{Query: "INSERT INTO allowed VALUES (1)"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Query{String: "UPDATE hits SET n = 5 WHERE true; SELECT 1"}}, query("SELECT n FROM allowed")}},
		"a fault behind others of the batch": {sends: []msgs{{&pgproto3.Parse{Query: "INSERT INTO allowed VALUES (1)"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Query{String: "UPDATE hits SET n = 5 WHERE true; SELECT 1/0"}}, query("SELECT n FROM allowed")}},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			past, err := pgconn.Connect(t.Context(), a.PG.DSN("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			h, err := past.Hijack()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = h.Conn.Close() })
			_ = h.Conn.SetDeadline(time.Now().Add(time.Minute)) // a watchdog
			run := func(l *line, held func()) ([]string, int64) {
				a.Direct(reset)
				sends := tt.sends
				if tt.call != nil {
					sends = slices.Concat(sends, []msgs{tt.call()}, tt.then)
				}
				got := l.conversation(held, sends...)
				if tt.undo != "" {
					a.anew(tt.undo)
				}
				return got, a.Count("SELECT (SELECT coalesce(sum(n), 0) FROM hits) + 100 * (SELECT coalesce(sum(n), 0) FROM rows) + 10000 * (SELECT count(*) FROM allowed)")
			}
			oids := func(wires []string) []string { // tables are made anew for each run
				for i, w := range wires {
					if w[0] == 'T' {
						wires[i] = without(w)
					}
				}
				return wires
			}
			want, left := run(&line{h, t}, nil)
			asked := 0
			got, stands := run(dial(t, a), func() {
				asked++
				a.decide(a.pending(1)[0].ID, true)
			})
			if diff := cmp.Diff(oids(want), oids(got)); diff != "" {
				t.Errorf("-PostgreSQL +gateway\n%s", diff)
			}
			if left != stands || asked == 0 {
				t.Errorf("it leaves %d, want %d; asked about %d times", stands, left, asked)
			}
		})
	}
}

// without gives a RowDescription without OIDs of tables.
func without(wire string) string {
	b := []byte(wire)
	at := 7
	for range binary.BigEndian.Uint16(b[5:]) {
		at += strings.IndexByte(wire[at:], 0) + 1
		copy(b[at:], "\x00\x00\x00\x00")
		at += 18
	}
	return string(b)
}
