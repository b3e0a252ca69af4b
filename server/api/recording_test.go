package api_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/api"
)

// secret stands in everything that a client sent, and in nothing that came back.
const secret = "078-05-1120"

// withLiterals is all that can carry a literal or a parameter.
func withLiterals() []recording.Record {
	return []recording.Record{
		{Kind: recording.KindStart, DigestKey: []byte("k3y"), Session: &hoop.SessionInfo{ID: "s1"}},
		{Kind: recording.KindStatement, Counter: 2, Statement: &recording.Statement{
			Text: "SELECT 1 FROM t WHERE ssn = '" + secret + "' AND a = $1", Raw: []byte(secret), Shape: "SELECT $2 FROM t WHERE ssn = $3 AND a = $1",
			Params: []recording.Param{{Type: 25, Value: []byte(secret)}, {Type: 25, Null: true}}, Decision: hoop.Decision{Action: hoop.Allow},
		}},
		{Kind: recording.KindApproval, Request: &hoop.Request{
			ID: 17, Kind: hoop.RequestStatement, Statement: secret, Params: []string{secret}, Executes: []string{secret}, Shape: "SELECT $1",
			Facts: &hoop.Facts{Transaction: "none is open"}, // the gateway's own words
		}},
		{Kind: recording.KindStatement, Counter: 3, Statement: &recording.Statement{Text: "SELEC '" + secret, Decision: hoop.Decision{Action: hoop.Deny}}},
		{Kind: recording.KindInput, Counter: 4, Wire: []byte("d    " + secret)},
		{Kind: recording.KindInput, Counter: 4, Dropped: 9, Digest: "keyed"},
		{Kind: recording.KindOutput, Counter: 4, Wire: []byte("what came back")},
		{Kind: recording.KindEnd},
	}
}

func TestRecording_LiteralsHaveAPermissionOfTheirOwn(t *testing.T) {
	for _, tt := range []struct {
		who, session string
		shown, key   bool
		reader       string
	}{
		{"alice", "alice", true, false, hoop.ReaderOwner}, // she typed them
		{"alice", "agent", true, false, hoop.ReaderOwner}, // in her name
		{"ann", "alice", false, false, hoop.ReaderOther},  // an auditor
		{"root", "alice", false, false, hoop.ReaderOther}, // an administrator
		{"paul", "alice", true, true, hoop.ReaderOther},   // an auditor with the permission
		{"ann", "ann", true, true, hoop.ReaderOwner},      // an auditor's own
	} {
		t.Run(tt.who+" reads "+tt.session, func(t *testing.T) {
			g := newGateway(t)
			g.session("s1", tt.session, true)
			g.tape = &tape{end: io.EOF, records: withLiterals()}
			body, err := g.as(tt.who).Recording(t.Context(), "s1")
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(body)
			if err := body.Close(); err != nil {
				t.Error(err)
			}
			if err != nil || bytes.Count(b, []byte("\n")) != len(withLiterals()) {
				t.Fatalf("%s, %v", b, err)
			}
			if got := strings.Contains(string(b), secret); got != tt.shown {
				t.Errorf("literals are there: %v\n%s", got, b)
			}
			if got := strings.Contains(string(b), "digest_key"); got != tt.key {
				t.Errorf("the key of digests is there: %v", got)
			}
			if got := strings.Count(string(b), `"hidden":true`); got != 0 == tt.shown {
				t.Errorf("%d records say that something is hidden", got)
			}
			for _, want := range []string{"ssn = $3", `"wire":"d2hhdCBjYW1lIGJhY2s="`, `"dropped":9`} {
				if !strings.Contains(string(b), want) {
					t.Errorf("%s is not there", want)
				}
			}
			want := hoop.Detail{Name: "literals", Value: map[bool]string{true: "shown", false: "hidden"}[tt.shown]}
			if e := g.log.Events()[0]; e.Type != hoop.EventRead || !slices.Contains(e.Details, want) || e.Detail(hoop.ReaderDetail) != tt.reader {
				t.Errorf("the event %+v", e)
			}
		})
	}
}

// filmed is a gateway whose recordings are a real one of n statements.
func filmed(t *testing.T, n int) *gateway {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	e, err := recording.NewEncoder(hoop.SessionInfo{ID: "s1"}, nil, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	b := e.AppendHeader(nil)
	for i := range n {
		at := time.Duration(i) * time.Second
		for _, r := range []recording.Record{
			{Kind: recording.KindStatement, At: at, Counter: int64(i), Statement: &recording.Statement{Text: "SELECT '" + secret + "'", Shape: fmt.Sprint("statement ", i)}},
			{Kind: recording.KindOutput, At: at, Counter: int64(i), Wire: make([]byte, 20_000)},
		} {
			if b, err = e.Append(b, &r); err != nil {
				t.Fatal(err)
			}
		}
	}
	b = e.AppendEnd(b)
	g := newGateway(t)
	g.session("s1", "alice", true)
	g.film = func() api.Recording {
		rd, err := recording.NewReader(bytes.NewReader(b), id)
		if err != nil {
			t.Error(err)
		}
		return film{rd, int64(len(b))}
	}
	return g
}

func TestRecording_InParts(t *testing.T) {
	g := filmed(t, 40)
	c := g.as("ann")
	x, err := c.Index(t.Context(), "s1")
	if err != nil || x.Statements != 40 || !x.Finished || len(x.Marks) < 5 {
		t.Fatalf("%+v, %v", x, err)
	}
	if n := len(g.log.Of(hoop.EventRead)); n != 0 {
		t.Errorf("the index alone is %d events", n)
	}
	var all []*recording.Record
	parts := 0
	for next, more := (recording.Position{}), true; more; parts++ {
		var records []*recording.Record
		if records, next, more, err = c.Part(t.Context(), "s1", next, 100_000); err != nil {
			t.Fatal(err)
		}
		all = append(all, records...)
	}
	if len(all) != 80 || parts < 5 || parts > 12 {
		t.Errorf("%d records in %d parts", len(all), parts)
	}
	for i, r := range all {
		if r.Kind == recording.KindStatement && r.Statement.Text != fmt.Sprint("statement ", i/2) {
			t.Fatalf("record %d is %q", i, r.Statement.Text)
		}
	}
	if n := len(g.log.Of(hoop.EventRead)); n != 1 {
		t.Errorf("%d parts within the hour are %d events", parts, n)
	}
	last := x.Marks[len(x.Marks)-1]
	records, _, _, err := c.Part(t.Context(), "s1", last.Position, 1)
	if err != nil || len(records) != 1 || records[0].Statement.Text != fmt.Sprint("statement ", last.Statements) {
		t.Errorf("at the last mark: %+v, %v", records, err)
	}
	if _, _, _, err := g.as("paul").Part(t.Context(), "s1", last.Position, 1); err != nil || len(g.log.Of(hoop.EventRead)) != 2 {
		t.Errorf("another reader: %v, %d events", err, len(g.log.Of(hoop.EventRead)))
	}
	g.now = time.Now().Add(time.Hour + time.Minute)
	if _, _, _, err := c.Part(t.Context(), "s1", last.Position, 1); err != nil || len(g.log.Of(hoop.EventRead)) != 3 {
		t.Errorf("an hour later: %v, %d events", err, len(g.log.Of(hoop.EventRead)))
	}
}

func TestRecording_APartThatBeginsNowhere(t *testing.T) {
	g := filmed(t, 20)
	c := g.as("ann")
	x, err := c.Index(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	good := x.Marks[1].Position
	for _, p := range []recording.Position{
		{Frame: good.Frame, Offset: good.Offset + 1}, {Frame: good.Frame + 1, Offset: good.Offset}, {Frame: 1, Offset: 1},
	} {
		_, _, _, err := c.Part(t.Context(), "s1", p, 1)
		wantCode(t, err, hoop.CodeInvalid)
	}
	for _, q := range []string{"?from=x", "?from=1.-1", "?bytes=-1"} {
		if got := g.raw("GET", "/api/v1/sessions/s1/recording"+q, "", "Authorization", "Bearer token-ann"); got.status != 400 {
			t.Errorf("%s: %d, %s", q, got.status, got.body)
		}
	}
	_, err = g.as("eve").Index(t.Context(), "s1")
	wantCode(t, err, hoop.CodeNotFound)
	_, _, _, err = g.as("eve").Part(t.Context(), "s1", good, 1)
	wantCode(t, err, hoop.CodeNotFound)
}
