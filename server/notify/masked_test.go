package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// maskedRules show the columns of patients to the privacy office only, and hold everything
// that touches them.
var maskedRules = strings.NewReplacer(
	"groups: [dba], count: 1", "groups: [dba, privacy-office], count: 1",
	"[ddl, destroy, role, unbounded-write, export, derive, opaque]", "[ddl, destroy, role, unbounded-write, export, derive, opaque, write, import, infer]",
).Replace(servertest.Resources) + `
---
kind: MaskRule
name: patients
spec: {targets: [pg-prod], columns: [clinic.patients.ssn, clinic.patients.tags, clinic.patients.doc], with: redact, except: [privacy-office]}
`

// surfaces are where people read of requests.
type surfaces struct {
	t    *testing.T
	g    *servertest.Gateway
	hook chan map[string]any
	chat chan string
}

// startSurfaces starts a gateway with a webhook, a Slack channel and those two's doubles.
func startSurfaces(t *testing.T) *surfaces {
	t.Helper()
	hook := &receiver{t: t, failed: true, events: make(chan map[string]any, 1000)}
	chat := &slack{t: t, calls: make(chan string, 1000)}
	configure := doubles(t, hook, chat, "[request, approval, denial, statement, result]", "[{account: T1/U1, subject: second-dba}]")
	return &surfaces{t, servertest.Start(t, servertest.Options{
		Resources: maskedRules, Configure: configure,
		Setup: `create schema clinic; create table clinic.patients (id int primary key, ssn text, tags text[], doc jsonb);
			create table clinic.copies (id int, ssn text); insert into clinic.patients values (1, 'a', '{}', '{}')`,
	}), hook.events, chat.calls}
}

// browser is somebody's, signed in.
func (s *surfaces) browser(who string) *authtest.Browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.g.HTTP()
	c.Jar = jar
	b := &authtest.Browser{Client: c}
	if err := b.Open(s.t.Context(), s.g.URL+"/"); err != nil {
		s.t.Fatal(err)
	}
	if _, ok := b.Form("/signin/dev"); !ok {
		s.t.Fatalf("no sign-in at %s: %s", b.URL, b.Text)
	}
	if err := b.Submit(s.t.Context(), "/signin/dev", map[string][]string{"user": {who}}); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// reads is all that somebody reads of a request: API, list and one; pages, inbox and one.
func (s *surfaces) reads(who string, b *authtest.Browser, id int64) string {
	s.t.Helper()
	var all strings.Builder
	list, err := s.g.API(who).Requests(s.t.Context(), api.RequestFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	one, err := s.g.API(who).Request(s.t.Context(), id, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range []any{list, one} {
		j, err := json.Marshal(v)
		if err != nil {
			s.t.Fatal(err)
		}
		all.Write(j)
	}
	for _, page := range []string{"/", "/requests", fmt.Sprintf("/requests/%d", id)} {
		if err := b.Open(s.t.Context(), s.g.URL+page); err != nil || b.Status != 200 {
			s.t.Fatalf("%s: %d, %v", page, b.Status, err)
		}
		all.WriteString(b.Text)
	}
	return all.String()
}

// pending waits until a statement is held with its facts; ran says that it is over.
func (s *surfaces) pending(ran chan error) hoop.Request {
	s.t.Helper()
	for {
		all, err := s.g.API("second-dba").Requests(s.t.Context(), api.RequestFilter{State: hoop.Pending})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(all) == 1 && all[0].Facts != nil && !all[0].Facts.Pending {
			return all[0]
		}
		select {
		case err := <-ran:
			s.t.Fatalf("it was not held: %v", err)
		default:
		}
	}
}

// TestGateway_MaskedOnEverySurface has two people look at the same held statements: one for
// whom columns are masked, and one for whom they are not. The values that belong to them, in
// whatever form they were sent, are in nothing that the one reads, before and after the
// decision, and before it in what the other does; and in no event, no webhook and no message of the
// chat.
func TestGateway_MaskedOnEverySurface(t *testing.T) {
	s := startSurfaces(t)
	conn, err := pgx.Connect(t.Context(), s.g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	masked, clear := s.browser("second-dba"), s.browser("privacy-officer")
	const simple = pgx.QueryExecModeSimpleProtocol
	n := 0 // values are told apart
	mark := func(sql string) (string, []string) {
		var marks []string
		for strings.Contains(sql, "@M@") {
			n++
			m := fmt.Sprintf("MRK%04dQ", n)
			marks = append(marks, m)
			sql = strings.Replace(sql, "@M@", m, 1)
		}
		return sql, marks
	}
	for _, tt := range []struct {
		sql     string
		args    []any  // those of a bound statement
		approve bool   // and let it run
		wants   string // of the error that its client gets then
	}{
		{sql: "UPDATE clinic.patients SET ssn = '@M@' WHERE ssn = '@M@' OR ssn LIKE '%@M@%' -- @M@"},
		{sql: "UPDATE clinic.patients SET ssn = E'@M@', doc = '{\"ssn\": \"@M@\"}' WHERE ssn IN (U&'@M@', $$@M@$$, '@M@' || '@M@') /* @M@ */"},
		{sql: "UPDATE clinic.patients SET tags = ARRAY['@M@', '@M@'], ssn = upper('@M@') WHERE tags && '{@M@}'::text[]"},
		{sql: "INSERT INTO clinic.patients VALUES (7, '@M@', '{@M@,b}', jsonb_build_object('a', '@M@')) ON CONFLICT (id) DO UPDATE SET ssn = '@M@'"},
		{sql: "MERGE INTO clinic.patients p USING (VALUES ('@M@')) v (x) ON p.ssn = v.x WHEN MATCHED THEN UPDATE SET ssn = '@M@'"},
		{sql: "WITH x AS (SELECT '@M@' AS v) DELETE FROM clinic.patients USING x WHERE ssn = v"},
		{sql: "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM clinic.patients WHERE ssn = '@M@'"},
		{sql: "COPY (SELECT id FROM clinic.patients WHERE ssn = '@M@') TO STDOUT"},
		{sql: "EXPLAIN ANALYZE DELETE FROM clinic.patients WHERE ssn = '@M@'"},
		{sql: "CREATE TABLE clinic.other AS SELECT ssn FROM clinic.patients WHERE ssn = '@M@'"},
		{sql: "DO $do$ BEGIN DELETE FROM clinic.patients WHERE ssn = '@M@'; END $do$"},
		{sql: "SELECT 1; DELETE FROM clinic.patients WHERE ssn = '@M@'; SELECT '@M@'"},
		{sql: "PREPARE p (text, text) AS UPDATE clinic.patients SET ssn = $1 WHERE ssn = $2 OR ssn = '@M@'", approve: true},
		{sql: "PREPARE q (text) AS SELECT ssn FROM clinic.patients WHERE ssn IN ($1, '@M@')", approve: true},
		{sql: "EXECUTE p('@M@', '@M@')"},
		{sql: "CREATE TEMP TABLE other AS EXECUTE q('@M@')"},
		{sql: "EXPLAIN ANALYZE EXECUTE p('@M@', '@M@')"},
		{sql: "UPDATE clinic.patients SET ssn = $1, tags = $2, doc = $3 WHERE ssn = ANY ($4)", args: []any{"@M@", []string{"@M@", "@M@"}, map[string]string{"a": "@M@"}, []string{"@M@"}}},
		{sql: "UPDATE clinic.patients SET ssn = encode($1::bytea, 'escape')", args: []any{[]byte("@M@")}},
		{sql: "UPDATE clinic.patients SET id = (ssn || '@M@')::int WHERE true", approve: true, wants: "withheld"},
	} {
		sql, marks := mark(tt.sql)
		args := []any{simple}
		if tt.args != nil {
			args = nil
		}
		for _, a := range tt.args {
			j, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			var m []string
			switch a := a.(type) {
			case string:
				v, found := mark(a)
				args, m = append(args, v), found
			case []byte:
				v, _ := mark(string(a))
				args = append(args, []byte(v)) // seen as hex, by whoever sees it
			case []string:
				v, found := mark(strings.Join(a, " "))
				args, m = append(args, strings.Fields(v)), found
			default:
				v, found := mark(string(j))
				args, m = append(args, json.RawMessage(v)), found
			}
			marks = append(marks, m...)
		}
		ran := make(chan error, 1)
		go func() {
			_, err := conn.Exec(context.Background(), sql, args...)
			ran <- err
		}()
		r := s.pending(ran)
		if got := s.reads("second-dba", masked, r.ID); strings.Contains(got, "MRK") || strings.Contains(got, "4d524b") {
			t.Errorf("%s: who may not see it reads:\n%s", sql, around(got, "MRK"))
		}
		got := s.reads("privacy-officer", clear, r.ID)
		for _, m := range marks {
			if !strings.Contains(got, m) {
				t.Errorf("%s: who may see it does not read %s:\n%s", sql, m, got)
			}
		}
		decide := s.g.API("second-dba").Deny
		if tt.approve {
			decide = s.g.API("second-dba").Approve
		}
		if _, err := decide(t.Context(), r.ID, "no"); err != nil {
			t.Fatal(err)
		}
		switch err := <-ran; {
		case !tt.approve && (err == nil || !strings.Contains(err.Error(), "denied")):
			t.Errorf("%s: %v", sql, err)
		case tt.approve && tt.wants == "" && err != nil, tt.wants != "" && (err == nil || !strings.Contains(err.Error(), tt.wants)):
			t.Errorf("%s: %v", sql, err)
		}
		for who, b := range map[string]*authtest.Browser{"second-dba": masked, "privacy-officer": clear} {
			if got := s.reads(who, b, r.ID); strings.Contains(got, "MRK") {
				t.Errorf("%s: %s reads after the decision:\n%s", sql, who, around(got, "MRK"))
			}
		}
	}
	// The lines of a COPY come once it may run.
	sql := "COPY clinic.patients (id, ssn) FROM STDIN"
	ran := make(chan error, 1)
	go func() {
		_, err := conn.PgConn().CopyFrom(context.Background(), strings.NewReader("9\tMRK9999Q\n"), sql)
		ran <- err
	}()
	r := s.pending(ran)
	if got := s.reads("second-dba", masked, r.ID); strings.Contains(got, "MRK") {
		t.Errorf("a line of COPY shows: %s", around(got, "MRK"))
	}
	if _, err := s.g.API("second-dba").Approve(t.Context(), r.ID, ""); err != nil {
		t.Fatal(err)
	}
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	log, err := s.g.API("auditor").Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	events, err := io.ReadAll(log)
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(events), "MRK") || !strings.Contains(string(events), "clinic.patients") {
		t.Errorf("an event tells: %s", around(string(events), "MRK"))
	}
	s.g.Stop() // everything is told then
	s.evidence()
}

// evidence looks through what was told to the webhook and the chat.
func (s *surfaces) evidence() {
	s.t.Helper()
	told := map[string]int{}
	for {
		select {
		case e := <-s.hook:
			b, err := json.Marshal(e)
			if err != nil {
				s.t.Fatal(err)
			}
			told["webhook"]++
			if strings.Contains(string(b), "MRK") {
				s.t.Errorf("a webhook tells: %s", b)
			}
		case c := <-s.chat:
			told["chat"]++
			if strings.Contains(c, "MRK") {
				s.t.Errorf("the chat is told: %s", c)
			}
		default:
			if told["webhook"] < 20 || told["chat"] < 20 {
				s.t.Errorf("too little was told: %v", told)
			}
			return
		}
	}
}

// around is where text stands in a long one.
func around(s, text string) string {
	i := strings.Index(s, text)
	return s[max(i-200, 0):min(max(i, 0)+100, len(s))]
}
