package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// wire encodes messages one after the other.
func wire(t testing.TB, msgs ...pgproto3.Message) []byte {
	t.Helper()
	var b []byte
	var err error
	for _, m := range msgs {
		if b, err = m.Encode(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func described(format int16, cols ...any) *pgproto3.RowDescription {
	m := &pgproto3.RowDescription{}
	for i := 0; i < len(cols); i += 2 {
		m.Fields = append(m.Fields, pgproto3.FieldDescription{Name: []byte(cols[i].(string)), DataTypeOID: uint32(cols[i+1].(int)), Format: format})
	}
	return m
}

func row(cells ...string) *pgproto3.DataRow {
	m := &pgproto3.DataRow{}
	for _, c := range cells {
		m.Values = append(m.Values, []byte(c))
	}
	return m
}

func render(t testing.TB, recs ...recording.Record) string {
	t.Helper()
	var out bytes.Buffer
	r := NewRenderer(&out, Style{})
	for i := range recs {
		if err := r.Render(&recs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func output(b []byte) recording.Record {
	return recording.Record{Kind: recording.KindOutput, Counter: 1, Wire: b}
}

// session is a recording with something of everything.
func session(t testing.TB) []recording.Record {
	allow := hoop.Decision{Action: hoop.Allow, Rule: "default"}
	return []recording.Record{
		{Kind: recording.KindStart, Session: &hoop.SessionInfo{
			ID: "s1", Protocol: "postgres", Target: "pg-prod", Database: "clinic", Client: "psql",
			Identity: hoop.Identity{Subject: "dana"}, StartedAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		}},
		{Kind: recording.KindStatement, At: 1200 * time.Millisecond, Counter: 1, Statement: &recording.Statement{
			Text: "SELECT id, name, ssn\nFROM patients WHERE id > $1", Decision: allow, Params: []recording.Param{{Type: pgtype.Int4OID, Binary: true, Value: []byte{0, 0, 0, 7}}, {Null: true}},
		}},
		{Kind: recording.KindOutput, At: 1210 * time.Millisecond, Counter: 1, Wire: wire(t,
			described(0, "id", pgtype.Int4OID, "name", pgtype.TextOID, "ssn", pgtype.TextOID),
			row("8", "Ann", "***"), &pgproto3.DataRow{Values: [][]byte{[]byte("10"), []byte("Bartholomew"), nil}},
			&pgproto3.CommandComplete{CommandTag: []byte("SELECT 2")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})},
		{Kind: recording.KindResult, At: 1210 * time.Millisecond, Counter: 1, Result: &hoop.Result{Rows: 2, Masked: 2}},
		{Kind: recording.KindApproval, At: 2 * time.Second, Request: &hoop.Request{ID: 17, State: hoop.Pending, Count: 1, Groups: []string{"dba"}}},
		{Kind: recording.KindNotice, At: 2 * time.Second, Text: "waiting for approval 17"},
		{Kind: recording.KindApproval, At: 9 * time.Second, Request: &hoop.Request{ID: 17, State: hoop.Denied, Approvals: []hoop.Approval{{By: "alex", Reason: "no"}}, Facts: &hoop.Facts{
			Estimate: hoop.Estimate{Known: true, Rows: 2, What: "change"}, Protected: []hoop.ColumnRef{{Table: "patients", Column: "ssn"}}, Transaction: "none is open",
		}}},
		{Kind: recording.KindStatement, At: 9 * time.Second, Counter: 2, Statement: &recording.Statement{
			Text: "DROP TABLE patients", Decision: hoop.Decision{Action: hoop.Deny, Rule: "risky", Reason: "denied by alex"},
		}},
		{Kind: recording.KindOutput, At: 9 * time.Second, Counter: 2, Wire: wire(t, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "denied", Hint: "ask"})},
		{Kind: recording.KindEnd, At: 10 * time.Second, Text: "the client went away", Session: &hoop.SessionInfo{Statements: 2, Rows: 2, Bytes: 99, Masked: 2}},
	}
}

const sessionText = `══ session s1: dana on pg-prod/clinic, psql, began 2026-11-23T12:00:00Z

── #1  +1.2s  allow by default
│ SELECT id, name, ssn
│ FROM patients WHERE id > $1
│ $1 = 7
│ $2 = ∅
  id │ name        │ ssn
  ───┼─────────────┼────
  8  │ Ann         │ ***
  10 │ Bartholomew │ ∅
= SELECT 2
── 2 cells masked
── request 17 waits for 1 of dba
hoop: waiting for approval 17
── request 17 denied; denied by alex: no
── they saw: about 2 would change; 1 protected columns; transaction: none is open; locks: none are held

── #2  +9s  deny by risky: denied by alex
│ DROP TABLE patients
! ERROR 42501: denied
! HINT: ask
══ ended after +10s: the client went away (2 statements, 2 rows, 99 bytes, 2 cells masked)
`

func TestRender(t *testing.T) {
	if diff := cmp.Diff(sessionText, render(t, session(t)...)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Windows of an answer end anywhere, also within a message.
func TestRender_CutAnywhere(t *testing.T) {
	whole := wire(t, described(0, "a", pgtype.TextOID), row("one"), row("two"), &pgproto3.CommandComplete{CommandTag: []byte("SELECT 2")})
	for cut := range len(whole) {
		got := render(t, output(whole[:cut]), output(whole[cut:]))
		for _, want := range []string{"one\n", "two\n", "= SELECT 2\n"} {
			if strings.Count(got, want) != 1 {
				t.Fatalf("cut at %d: want %q once in\n%s", cut, want, got)
			}
		}
	}
}

func TestRender_Binary(t *testing.T) {
	m := pgtype.NewMap()
	for _, tc := range []struct {
		name string
		oid  uint32
		val  any
		want string
	}{
		{"int8", pgtype.Int8OID, int64(-5), "-5"},
		{"bool", pgtype.BoolOID, true, "t"},
		{"numeric", pgtype.NumericOID, pgtype.Numeric{Int: big.NewInt(1250), Exp: -2, Valid: true}, "12.50"},
		{"text", pgtype.TextOID, "a\tb", `a\tb`},
		{"uuid", pgtype.UUIDOID, [16]byte{0x5b, 0x30, 0x85, 0x7f, 0x0b, 0xfa, 0x48, 0xb5, 0xac, 0x0b, 0x5c, 0x64, 0xe2, 0x80, 0x78, 0xd1}, "5b30857f-0bfa-48b5-ac0b-5c64e28078d1"},
		{"date", pgtype.DateOID, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), "2026-11-23"},
		{"timestamptz", pgtype.TimestamptzOID, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), "2026-11-23 12:00:00Z"},
		{"jsonb", pgtype.JSONBOID, map[string]any{"a": "b"}, `{"a":"b"}`},
		{"array", pgtype.TextArrayOID, []string{"a", "b c"}, `{a,"b c"}`},
		{"bytea", pgtype.ByteaOID, []byte{1, 0xff}, `\x01ff`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := m.Encode(tc.oid, pgtype.BinaryFormatCode, tc.val, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := cellText(m, column{typ: tc.oid, binary: true}, b)
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	for name, c := range map[string]column{"unknown type": {typ: 999999, binary: true}, "damaged value": {typ: pgtype.Int8OID, binary: true}} {
		if got := cellText(m, c, []byte{0xab, 0xcd}); got != `\xabcd` {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if got := cellText(m, column{}, []byte(null)); got == null {
		t.Error("a text passes for NULL")
	}
}

// Data cannot move the cursor, nor pass for another part of the replay.
func TestRender_DataIsNotObeyed(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;cm0=\x07\r\b\u009b1A\u202e\n══ ended after +1s\n── #9  +1s  allow"
	name := strings.ReplaceAll(evil, "\x00", "")
	got := render(t,
		recording.Record{Kind: recording.KindStart, Session: &hoop.SessionInfo{ID: "s", Protocol: "postgres", Client: evil, Target: evil, Identity: hoop.Identity{Subject: evil}}},
		recording.Record{Kind: recording.KindStatement, Counter: 1, Statement: &recording.Statement{
			Text: evil, Params: []recording.Param{{Value: []byte(evil)}}, Decision: hoop.Decision{Action: hoop.Deny, Rule: evil, Reason: evil},
		}},
		recording.Record{Kind: recording.KindApproval, Request: &hoop.Request{ID: 1, Approvals: []hoop.Approval{{By: evil, Reason: evil}}}},
		recording.Record{Kind: recording.KindNotice, Text: evil},
		output(wire(t, described(0, name, pgtype.TextOID, "b", pgtype.TextOID), row(evil, evil), &pgproto3.CommandComplete{CommandTag: []byte("── #9  +1s" + name)},
			&pgproto3.ErrorResponse{Severity: evil, Code: evil, Message: evil, Detail: evil, Hint: evil, Where: evil},
			&pgproto3.NoticeResponse{Message: evil}, &pgproto3.NotificationResponse{Channel: evil, Payload: evil},
			&pgproto3.CopyOutResponse{}, &pgproto3.CopyData{Data: []byte(evil)})),
		recording.Record{Kind: recording.KindInput, Wire: wire(t, &pgproto3.CopyData{Data: []byte(evil)}, &pgproto3.CopyFail{Message: evil})},
		recording.Record{Kind: recording.KindEnd, Text: evil},
	)
	for _, bad := range []string{"\x1b", "\x07", "\r", "\b", "\u009b", "\u202e"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is in the replay", bad)
		}
	}
	ours := map[string]int{"══ session ": 1, "══ ended ": 1, "── #": 1}
	for l := range strings.Lines(got) {
		for prefix := range ours {
			if strings.HasPrefix(l, prefix) {
				ours[prefix]--
			}
		}
	}
	for prefix, n := range ours {
		if n != 0 {
			t.Errorf("lines that begin with %q: %d too few\n%s", prefix, n, got)
		}
	}
}

func TestRender_Copy(t *testing.T) {
	got := render(t,
		output(wire(t, &pgproto3.CopyInResponse{OverallFormat: 0})),
		recording.Record{Kind: recording.KindInput, Wire: wire(t, &pgproto3.CopyData{Data: []byte("1\tAnn\n2\tBob\n")})},
		recording.Record{Kind: recording.KindInput, Dropped: 100},
		output(wire(t, &pgproto3.CopyOutResponse{OverallFormat: 1}, &pgproto3.CopyData{Data: []byte{1, 2}}, &pgproto3.CopyDone{})),
	)
	want := "> 1\tAnn\n> 2\tBob\n── 100 bytes of the client's data are beyond the recording's size limit; their digests are kept\n< \\x0102\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRender_DroppedAndDamaged(t *testing.T) {
	begun := wire(t, row("lost"))[:6]
	got := render(t, output(begun), recording.Record{Kind: recording.KindOutput, Dropped: 12, Digest: "x"},
		output(wire(t, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})), output([]byte("?????????")), output(wire(t, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 2")})))
	want := "── 12 bytes of the answer are beyond the recording's size limit; their digests are kept\n= SELECT 1\n── 9 bytes are not understood\n= SELECT 2\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A message above the limit is passed over without being held.
func TestRender_HugeMessage(t *testing.T) {
	m := wire(t, row(strings.Repeat("x", maxMessage+100)), row("after"))
	r := NewRenderer(io.Discard, Style{})
	var out bytes.Buffer
	r.out = &out
	for len(m) > 0 {
		n := min(1<<20, len(m))
		rec := output(m[:n])
		if err := r.Render(&rec); err != nil {
			t.Fatal(err)
		}
		if cap(r.wire.buf) > 2<<20 {
			t.Fatalf("holds %d bytes", cap(r.wire.buf))
		}
		m = m[n:]
	}
	if got := out.String(); !strings.Contains(got, "is too large to show") || !strings.Contains(got, "after") {
		t.Errorf("got %q", got)
	}
}

func TestRender_ManyRowsAreNotHeld(t *testing.T) {
	var b []byte
	for range 10 * maxHeld {
		b = append(b, wire(t, row("a", "b"))...)
	}
	r := NewRenderer(io.Discard, Style{})
	rec := output(b)
	if err := r.Render(&rec); err != nil {
		t.Fatal(err)
	}
	if n := cap(r.wire.rows.held); n > 2*maxHeld {
		t.Errorf("holds %d rows", n)
	}
}

// ndjson is the API's form of records.
func ndjson(t testing.TB, recs ...recording.Record) io.Reader {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, r := range recs {
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func TestPlay_Timing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		speed float64
		want  time.Duration
	}{{"real time", 1, 10 * time.Second}, {"four times as fast", 4, 2500 * time.Millisecond}, {"half", 0.5, 20 * time.Second}, {"no waiting", 0, 0}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				began := time.Now()
				if err := (&Player{Out: &out, Speed: tc.speed}).Play(t.Context(), ndjson(t, session(t)...)); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(began); got != tc.want {
					t.Errorf("took %s, want %s", got, tc.want)
				}
				if diff := cmp.Diff(sessionText, out.String()); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestPlay_Interrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := (&Player{Out: io.Discard, Speed: 1}).Play(ctx, ndjson(t, session(t)...))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPlay_Unfinished(t *testing.T) {
	var out bytes.Buffer
	recs := session(t)
	err := (&Player{Out: &out}).Play(t.Context(), ndjson(t, recs[:3]...))
	if !errors.Is(err, recording.ErrUnfinished) || !strings.Contains(out.String(), "Bartholomew") {
		t.Errorf("got %v after\n%s", err, out.String())
	}
	if err := (&Player{Out: &out}).Play(t.Context(), strings.NewReader("{}\nnot json\n")); err == nil {
		t.Error("damaged JSON: want an error")
	}
}

func FuzzRender(f *testing.F) {
	for _, r := range session(f) {
		f.Add(r.Wire, true)
	}
	f.Add(wire(f, described(1, "a", pgtype.NumericOID), row("\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01")), true)
	f.Add(wire(f, described(1, "a", pgtype.TextArrayOID), row("\x00\x00\x00\x01")), false)
	f.Add([]byte{'D', 0x7f, 0xff, 0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		var out bytes.Buffer
		r := NewRenderer(&out, Style{})
		parts := [][]byte{b}
		if !whole {
			parts = [][]byte{b[:len(b)/2], b[len(b)/2:]}
		}
		for _, p := range parts {
			for _, k := range []recording.Kind{recording.KindOutput, recording.KindInput} {
				if err := r.Render(&recording.Record{Kind: k, Wire: p}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range out.String() {
			if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 {
				t.Fatalf("%q lets %U through", b, c)
			}
		}
	})
}
