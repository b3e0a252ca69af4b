package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const described = `request    17 (statement), pending, expires in 1m30s
from       Dana (corp:dana), on behalf of corp:kim on pg-prod

Would run, exactly this:
  │ UPDATE patients SET ssn = '[masked]' WHERE state = $1 OR true
  $1 = NY
  1 value masked for you; what runs has them in clear
Effects:
  unbounded-write on public.patients: UPDATE with a condition that may be true
    for every row
What is known:
  session      psql from 127.0.0.1, clinic, since CLOCK: 4 statements, 1 row,
               2 cells masked
  rows         about 12,345 would change
  protected    public.patients: mrn, ssn; and others
  transaction  one is open, and keeps its locks while this waits
  locks        RowExclusiveLock on public.visits; 1 other backend waits for them
rule       risky-needs-a-human, approval by 2 people of dba, then 1 of ops
session    01a222d8df05af15962ae7a0
`

// All that deciding takes, in 20 lines where the statement is short: the inbox has them on
// a terminal of 24 lines, below the request that waits.
func TestDescribe_FitsATerminal(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	io, _, _, _ := iostreams.Test()
	f := &Factory{IO: io, Now: func() time.Time { return noon }}
	var b strings.Builder
	f.describe(&b, 80, hoop.Request{
		ID: 17, Kind: hoop.RequestStatement, State: hoop.Pending, Target: "pg-prod", ExpiresAt: noon.Add(90 * time.Second), Session: "01a222d8df05af15962ae7a0",
		Requester: hoop.Identity{Subject: "corp:dana", Name: "Dana", Kind: hoop.Human, Chain: []string{"corp:kim"}},
		Statement: "UPDATE patients SET ssn = '[masked]' WHERE state = $1 OR true", Params: []string{"NY"}, Hidden: 1, InTx: true,
		Reason: "needs approval: unbounded-write: UPDATE with a condition that may be true for every row",
		Rule:   "risky-needs-a-human", Groups: []string{"dba"}, Count: 2,
		Next:    []hoop.ApprovalRule{{Groups: []string{"ops"}, Count: 1}},
		Effects: []hoop.Use{{Effect: hoop.EffectUnboundedWrite, Tables: []string{"public.patients"}, Why: "UPDATE with a condition that may be true for every row"}},
		Facts: &hoop.Facts{
			Session:     hoop.SessionSoFar{Client: "psql", RemoteAddr: "127.0.0.1", Database: "clinic", StartedAt: noon.Add(-5 * time.Minute), Statements: 4, Rows: 1, Masked: 2},
			Transaction: "one is open, and keeps its locks while this waits", Estimate: hoop.Estimate{Known: true, Rows: 12345, What: "change"}, More: true,
			Protected: []hoop.ColumnRef{{Schema: "public", Table: "patients", Column: "mrn"}, {Schema: "public", Table: "patients", Column: "ssn"}},
			Locks:     hoop.Locks{Held: []hoop.Lock{{On: "public.visits", Mode: "RowExclusiveLock"}}, Blocked: 1},
		},
	})
	if diff := cmp.Diff(strings.Replace(described, "CLOCK", f.clock(noon.Add(-5*time.Minute)), 1), b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n := strings.Count(b.String(), "\n"); n > 20 {
		t.Errorf("%d lines", n)
	}
}

// However wide the terminal is, no text of others begins a line: there it could say what
// only hoopctl says.
func TestDescribe_NothingPassesForOurs(t *testing.T) {
	evil := strings.Repeat("漢字\t ", 9) + strings.Repeat("rule: EVIL ", 40) + "\nEVIL" + strings.Repeat("EVIL", 200)
	io, _, _, _ := iostreams.Test()
	f := &Factory{IO: io, Now: time.Now}
	for width := range 130 {
		var b strings.Builder
		f.describe(&b, width, hoop.Request{
			ID: 1, Kind: hoop.RequestStatement, State: hoop.Pending, Requester: hoop.Identity{Subject: evil, Chain: []string{evil}}, Statement: evil, Reason: evil,
			Params: []string{evil}, Executes: []string{evil}, Effects: []hoop.Use{{Effect: hoop.EffectDDL, Tables: []string{evil}, Why: evil}},
			Facts:     &hoop.Facts{Session: hoop.SessionSoFar{Client: evil}, Protected: []hoop.ColumnRef{{Table: evil}}, Locks: hoop.Locks{Held: []hoop.Lock{{On: evil}}}},
			Approvals: []hoop.Approval{{Name: evil, Reason: evil}},
		})
		for l := range strings.Lines(b.String()) {
			l = strings.TrimSuffix(l, "\n")
			if n := runewidth.StringWidth(l); width >= 20 && n > width {
				t.Fatalf("%d columns of %d: %q", n, width, l)
			}
			if strings.HasPrefix(l, "EVIL") || strings.HasPrefix(l, "rule: EVIL") || strings.HasPrefix(l, "漢") {
				t.Fatalf("width %d: %q", width, l)
			}
		}
	}
}

// A list keeps what people type for the next command, and has no columns in which there is
// nothing; the rest gives way until it fits the terminal.
func TestTable_KeepsWhatIsTyped(t *testing.T) {
	io, _, out, _ := iostreams.Test()
	io.SetTTY(true)
	tab := newTable("ID", "STATE", "TARGET", "OWNER", "RULE", "STARTS", "ENDS", "REASON", "SCOPE", "NOTE")
	for range 2 {
		tab.add(text("g-0123456789abcdef0123"), text("in force"), text("a-target-with-a-name"), text("agent:0123456789abcdef"), text("developers-read"),
			text("40m12s ago"), text("in 19m48s"), text(""), text("-"), text("restore the index of visits"))
	}
	if err := tab.write(io, ""); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(out.String()) {
		if l = strings.TrimSuffix(l, "\n"); runewidth.StringWidth(l) > 80 {
			t.Errorf("%d columns: %s", runewidth.StringWidth(l), l)
		}
	}
	if got := out.String(); strings.Count(got, "g-0123456789abcdef0123 ") != 2 || strings.Contains(got, "REASON") || strings.Contains(got, "SCOPE") || !strings.Contains(got, "NOTE") {
		t.Errorf("got\n%s", got)
	}
}

// Names are chosen by who has them: none passes for somebody else's, nor for more than a name.
func TestDescribe_Names(t *testing.T) {
	io, _, _, _ := iostreams.Test()
	f := &Factory{IO: io, Now: time.Now}
	var b strings.Builder
	f.describe(&b, 0, hoop.Request{
		Kind: hoop.RequestGrant, Target: "pg-prod", Requester: hoop.Identity{Subject: "agent:1f", Name: "Alex (corp:alex) on pg-test", Kind: hoop.Service, Chain: []string{"corp:dana"}},
		Approvals: []hoop.Approval{{By: "corp:robin", Name: "Alex", Approve: true}},
	})
	for _, want := range []string{"from       \"Alex (corp:alex) on pg-test\" (agent:1f), on behalf of corp:dana on pg-prod\n", "approved   Alex (corp:robin) at "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
