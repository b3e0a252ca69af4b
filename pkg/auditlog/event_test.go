package auditlog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// A statement is never refused because its text is too long for the log: the event says
// how long it was, and the recording has it whole.
func TestFit(t *testing.T) {
	short := &hoop.Event{Text: "select $1"}
	if auditlog.Fit(short) != short {
		t.Error("a short event was copied")
	}
	var tables []string
	for i := range 20_000 {
		tables = append(tables, fmt.Sprintf("public.table_%05d", i))
	}
	const kept = 32 << 10 / len(`"public.table_00000",`)
	for _, n := range []int{65, 300, kept} {
		some := &hoop.Event{Type: hoop.EventStatement, Text: strings.Repeat("x", 10<<20), Tables: tables[:n]}
		if got := auditlog.Fit(some); len(got.Tables) != n || got.Detail(auditlog.TablesDetail) != "" {
			t.Errorf("of %d tables %d are named", n, len(got.Tables))
		}
	}
	for name, table := range map[string]string{"escaped": strings.Repeat("<", 60) + ".t", "not UTF-8": strings.Repeat("\xff", 60)} {
		e := &hoop.Event{Type: hoop.EventStatement, Text: strings.Repeat("\x01", 60_000), Tables: slices.Repeat([]string{table}, 5000), Reason: strings.Repeat("r", 1000)}
		if b, err := auditlog.Encode(auditlog.Fit(e)); err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	for name, text := range map[string]string{
		"plain":         strings.Repeat("x", 10<<20),
		"escaped":       strings.Repeat("<", 60_000),
		"not UTF-8":     strings.Repeat("\xff", 60_000),
		"cut in a rune": "x" + strings.Repeat("é", 60_000),
	} {
		e := &hoop.Event{Type: hoop.EventStatement, Text: text, Tables: tables, Details: []hoop.Detail{{Name: "a", Value: "b"}}}
		b, err := auditlog.Encode(auditlog.Fit(e))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := auditlog.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := fmt.Sprint([]hoop.Detail{{Name: "a", Value: "b"}, {Name: "text_bytes", Value: fmt.Sprint(len(text))}, {Name: "tables_count", Value: "20000"}})
		if fmt.Sprint(got.Details) != want || len(got.Tables) != kept {
			t.Errorf("%s: details %v, %d tables", name, got.Details, len(got.Tables))
		}
		if len(e.Text) != len(text) || len(e.Details) != 1 {
			t.Errorf("%s: the caller's event was changed", name)
		}
	}
	if _, err := auditlog.Encode(&hoop.Event{Reason: strings.Repeat("x", 70_000)}); hoop.AsError(err).Code != hoop.CodeTooLarge {
		t.Errorf("got %v", err)
	}
}

// The canonical form is pinned: a change of the type's fields or of the encoder would
// make every old log unreadable.
func TestEncode_Pinned(t *testing.T) {
	at := time.Date(2026, 3, 1, 13, 0, 0, 120_000_000, time.FixedZone("", 3600))
	e := hoop.Event{
		Time: at, Type: hoop.EventResult, Subject: "a<b", Chain: []string{"c"}, Target: "t", Grant: "g", Request: 1, Session: "s", Counter: 2,
		Policy: "00", Text: "x\x01\u2028é\xff", Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"u"}, Action: hoop.Deny, Rule: "r", Reason: "w", Cause: hoop.CauseIdle,
		Result: &hoop.Result{Statement: 1, Tag: "T", SQLState: "00000", Changed: 6, Digest: "d"}, Record: &hoop.Record{SHA256: "e", Size: 3, Events: 4},
		Details: []hoop.Detail{{Name: "n", Value: "v"}}, Duration: 5,
	}
	got, err := auditlog.Encode(&e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2026-03-01T12:00:00.12Z","type":"result","subject":"a\u003cb","chain":["c"],"target":"t","grant":"g","request":1,` +
		`"session":"s","counter":2,"policy":"00","text":"x\u0001\u2028é` + "\ufffd" + `","effects":["read"],"tables":["u"],"action":"deny","rule":"r","reason":"w","cause":"idle",` +
		`"result":{"statement":1,"tag":"T","sqlstate":"00000","rows":0,"changed":6,"bytes":0,"masked":0,"digest":"d"},` +
		`"recording":{"sha256":"e","size":3,"events":4},"details":[{"name":"n","value":"v"}],"duration_us":5}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
