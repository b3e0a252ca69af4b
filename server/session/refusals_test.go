package session_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// wire is a message that pgproto3 would not write: its type, and a body.
type wire string

func (wire) Frontend()           {}
func (wire) Decode([]byte) error { return nil }
func (m wire) Encode(dst []byte) ([]byte, error) {
	dst = append(dst, m[0])
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m)+3))
	return append(dst, m[1:]...), nil
}

// denials are the events of refused statements.
func denials(t *testing.T, g *servertest.Gateway) []hoop.Event {
	t.Helper()
	return slices.DeleteFunc(events(t, g), func(e hoop.Event) bool { return e.Type != hoop.EventStatement || e.Action != hoop.Deny })
}

// Every error that the gateway puts in the place of the target's answer is a refused
// statement on record, with an effect and a reason, whatever part of the gateway refused.
func TestRefusals_AreEvents(t *testing.T) {
	a := startApprovals(t, servertest.Options{Setup: movable, Resources: servertest.Resources + `
---
kind: StatementRule
name: never
spec: {targets: [pg-prod], groups: ["*"], effects: [write], tables: [public.allowed], decision: deny}
`})
	type msgs = []pgproto3.FrontendMessage
	query := func(text string) pgproto3.FrontendMessage { return &pgproto3.Query{String: text} }
	sync := &pgproto3.Sync{}
	bound := func(text string) pgproto3.FrontendMessage {
		return &pgproto3.Parse{Query: text}
	}
	bind, execute := &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Execute{Portal: "p"}
	// changed binds a portal in a transaction, does something else, and executes it.
	changed := func(text, meanwhile string) []msgs {
		return []msgs{{query("BEGIN")}, {bound(text), bind, sync}, {query(meanwhile)}, {execute, sync}}
	}
	for name, tt := range map[string]struct {
		sends  []msgs // each up to ReadyForQuery; the last is refused
		state  string
		reason string
	}{
		"a rule":                            {[]msgs{{query("UPDATE allowed SET n = 1 WHERE n = 0")}}, "42501", "rule never"},
		"a rule, at Parse":                  {[]msgs{append(pipelined("UPDATE allowed SET n = 1 WHERE n = 0"), sync)}, "42501", "rule never"},
		"what does not parse":               {[]msgs{{query("SELEC 1")}}, "42601", "does not parse"},
		"what does not parse, at Parse":     {[]msgs{append(pipelined("SELEC 1"), sync)}, "42601", "does not parse"},
		"a setting of the gateway's":        {[]msgs{{query("SET hoop.session = 'x'")}}, "42501", "hoop"},
		"an encoding in a transaction":      {[]msgs{{query("BEGIN")}, {query("SET client_encoding = 'LATIN1'")}}, "0A000", "encoding"},
		"the same by Execute":               {[]msgs{{query("BEGIN")}, append(pipelined("SET client_encoding = 'LATIN1'"), sync)}, "0A000", "encoding"},
		"an encoding that is not known":     {[]msgs{{query("SET client_encoding = 'MULE_INTERNAL'")}}, "0A000", ""},
		"a portal after SET":                {changed("INSERT INTO hits VALUES (1)", "SET search_path = other"), "42501", "have changed since the portal was bound"},
		"EXECUTE after PREPARE":             {append([]msgs{{query("PREPARE s AS SELECT 1")}}, changed("EXECUTE s", "PREPARE z AS SELECT 2")...), "42501", "may run another one"},
		"a portal that is not there":        {[]msgs{{&pgproto3.Execute{}, sync}}, "34000", "34000"},
		"a statement that is not there":     {[]msgs{{&pgproto3.Bind{PreparedStatement: "none"}, sync}}, "26000", "26000"},
		"EXECUTE of one that is not there":  {[]msgs{{query("EXECUTE none")}}, "26000", "26000"},
		"a function that is not there":      {[]msgs{{&pgproto3.FunctionCall{Function: 4294967000}}}, "42883", "42883"},
		"a malformed Query":                 {[]msgs{{wire("Qx")}}, "08P01", "08P01"},
		"a malformed Parse":                 {[]msgs{{wire("Px"), sync}}, "08P01", "08P01"},
		"a malformed Bind":                  {[]msgs{{wire("Bx"), sync}}, "08P01", "08P01"},
		"a malformed Describe":              {[]msgs{{wire("Dx"), sync}}, "08P01", "08P01"},
		"a malformed Execute":               {[]msgs{{wire("Ex"), sync}}, "08P01", "08P01"},
		"a malformed Close":                 {[]msgs{{wire("Cx"), sync}}, "08P01", "08P01"},
		"a malformed FunctionCall":          {[]msgs{{wire("Fx")}}, "08P01", "08P01"},
		"what its encoding does not have":   {[]msgs{{query("SET client_encoding = 'EUC_JP'")}, {query("SELECT '\xff'")}}, "22021", "22021"},
		"the same in Parse":                 {[]msgs{{query("SET client_encoding = 'EUC_JP'")}, append(pipelined("SELECT '\xff'"), sync)}, "22021", "22021"},
		"what is not UTF8":                  {[]msgs{{query("SELECT '\xff'")}}, "22021", ""},
		"savepoints around refused portals": {[]msgs{{query("BEGIN")}, {query("SAVEPOINT s")}, {bound("INSERT INTO hits VALUES (1)"), bind, sync}, {query("SET LOCAL search_path = other")}, {execute, sync}}, "42501", "have changed"},
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			l := dial(t, a)
			last := len(tt.sends) - 1
			for _, some := range tt.sends[:last] {
				l.send(some...)
				for _, seen := range l.until(ready) {
					if len(seen) == 5 && strings.ToUpper(seen) == seen && strings.ContainsAny(seen, "0123456789") {
						t.Fatalf("%v: %s", some, seen)
					}
				}
			}
			before := len(denials(t, a.Gateway))
			l.send(tt.sends[last]...)
			if seen := l.until(ready); !slices.Equal(seen, []string{tt.state}) {
				t.Fatalf("%v, want %s", seen, tt.state)
			}
			got := denials(t, a.Gateway)[before:]
			if len(got) != 1 {
				t.Fatalf("%d events of a refused statement: %+v", len(got), got)
			}
			if e := got[0]; len(e.Effects) == 0 || e.Reason == "" || !strings.Contains(e.Reason, tt.reason) || e.Policy == "" {
				t.Errorf("%+v", e)
			}
			if n := a.hits() + a.Count("SELECT sum(n) FROM allowed"); n != 0 {
				t.Errorf("something has run: %d", n)
			}
		})
	}
	t.Run("a message that is too long", func(t *testing.T) {
		before := len(denials(t, a.Gateway))
		l := dial(t, a)
		if _, err := l.Conn.Write(binary.BigEndian.AppendUint32([]byte{'Q'}, 64<<20+100)); err != nil {
			t.Fatal(err)
		}
		if seen := l.until(func(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.ErrorResponse); return ok }); seen[0] != "54000" {
			t.Error(seen)
		}
		if n := len(denials(t, a.Gateway)) - before; n != 1 {
			t.Errorf("%d events", n)
		}
	})
	t.Run("what connecting asks for", func(t *testing.T) {
		refused := func() (n int) {
			for _, e := range events(t, a.Gateway) {
				if e.Type == hoop.EventSessionDenied {
					n++
				}
			}
			return n
		}
		for _, param := range [][2]string{{"replication", "true"}, {"client_encoding", "MULE_INTERNAL"}} {
			before := refused()
			config, err := pgx.ParseConfig(a.Connect("agent", "pg-prod"))
			if err != nil {
				t.Fatal(err)
			}
			config.RuntimeParams[param[0]] = param[1]
			if conn, err := pgconn.ConnectConfig(t.Context(), &config.Config); err == nil {
				_ = conn.Close(context.Background())
				t.Errorf("%s: connected", param[0])
			}
			open(t, a.Gateway, nil) // whose beginning is durable, and so is what came before it
			if n := refused() - before; n != 1 {
				t.Errorf("%s: %d events", param[0], n)
			}
		}
	})
}

// A hint names what would help: a rule allows nothing that another one, or the site's own
// module, denies.
func TestDenied_HintsAtWhatHelps(t *testing.T) {
	g := servertest.Start(t, servertest.Options{
		Resources: servertest.Resources + `
---
kind: StatementRule
name: never
spec: {targets: [pg-prod], groups: ["*"], effects: [session], decision: deny}
`,
		Module: "package hoop.site\n\ndeny contains \"no answers\" if {\n\tsome use in input.uses\n\tuse.effect == \"read\"\n}\n",
	})
	conn, err := pgx.Connect(t.Context(), g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the test is over
	for sql, want := range map[string]string{
		"SELECT 1":            "the site's own policy module denies it",
		"SET work_mem = 1000": "no other rule can allow what one denies",
		"VACUUM FULL":         "a StatementRule for effect server",
	} {
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || !strings.Contains(pgErr.Hint, want) {
			t.Errorf("%s: %v, want the hint %q", sql, err, want)
		}
	}
}
