package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"github.com/charmbracelet/x/exp/teatest"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func now() time.Time { return noon }

// key is a key as Bubble Tea tells of it.
func key(s string) tea.KeyMsg {
	switch s {
	case "enter":
		return tea.KeyMsg{Type: tea.KeyEnter}
	case "esc":
		return tea.KeyMsg{Type: tea.KeyEsc}
	case "down":
		return tea.KeyMsg{Type: tea.KeyDown}
	case "right":
		return tea.KeyMsg{Type: tea.KeyRight}
	case "left":
		return tea.KeyMsg{Type: tea.KeyLeft}
	case "pgdown":
		return tea.KeyMsg{Type: tea.KeyPgDown}
	case "ctrl+c":
		return tea.KeyMsg{Type: tea.KeyCtrlC}
	case "space":
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(s)}
}

// drive sends messages to a model and forgets the commands that come of it.
func drive(m tea.Model, msgs ...tea.Msg) tea.Model {
	for _, msg := range msgs {
		m, _ = m.Update(msg)
	}
	return m
}

// fits fails where a view is not 24 lines of at most 80 columns.
func fits(t *testing.T, view string) string {
	t.Helper()
	lines := strings.Split(view, "\n")
	if len(lines) != 24 {
		t.Errorf("%d lines", len(lines))
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n > 80 {
			t.Errorf("line %d has %d columns", i, n)
		}
	}
	return view
}

// gateway is the API of both models in memory.
type gateway struct {
	mu       sync.Mutex
	requests []hoop.Request
	sessions []hoop.SessionInfo
	records  []recording.Record
	part     int // records of a part
	spacing  int // statements between marks
	parts    int // asked for
	decided  []string
	err      error
}

func (g *gateway) Requests(context.Context, api.RequestFilter) ([]hoop.Request, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]hoop.Request(nil), g.requests...), g.err
}

func (g *gateway) decide(verb string, id int64, reason string) (hoop.Request, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.decided = append(g.decided, fmt.Sprintf("%s %d %s", verb, id, reason))
	for i, r := range g.requests {
		if r.ID == id {
			g.requests = append(g.requests[:i:i], g.requests[i+1:]...)
			if r.Count > 1 { // waits for others, not for this one
				r.Approvals = append(r.Approvals, hoop.Approval{Approve: true})
				return r, nil
			}
			r.State = hoop.Approved
			return r, nil
		}
	}
	return hoop.Request{}, hoop.Errorf(hoop.CodeConflict, "request %d is expired already", id)
}

func (g *gateway) Approve(_ context.Context, id int64, reason string) (hoop.Request, error) {
	return g.decide("approve", id, reason)
}

func (g *gateway) Deny(_ context.Context, id int64, reason string) (hoop.Request, error) {
	return g.decide("deny", id, reason)
}

func (g *gateway) Sessions(context.Context, int) ([]hoop.SessionInfo, error) {
	return g.sessions, g.err
}

// Part gives g.part records at a time.
func (g *gateway) Part(_ context.Context, _ string, from recording.Position, _ int64) (records []*recording.Record, next recording.Position, more bool, err error) {
	n := int(from.Frame)
	for ; n < min(int(from.Frame)+max(g.part, 1), len(g.records)); n++ {
		r := g.records[n]
		records = append(records, &r)
	}
	g.parts++
	return records, recording.Position{Frame: uint64(n), Offset: int64(n)}, n < len(g.records), g.err
}

// Index has a mark every g.spacing statements.
func (g *gateway) Index(context.Context, string) (x recording.Index, err error) {
	for i, r := range g.records {
		if r.Kind == recording.KindStatement {
			if x.Statements%int64(max(g.spacing, 1)) == 0 {
				x.Marks = append(x.Marks, recording.Mark{Position: recording.Position{Frame: uint64(i), Offset: int64(i)}, At: r.At, Statements: x.Statements})
			}
			x.Statements++
		}
		x.Length = r.At
	}
	return x, g.err
}

func describe(w io.Writer, _ int, r hoop.Request) {
	fmt.Fprintf(w, "request %d from %s on %s\nWould run:\n  | %s\n", r.ID, r.Requester.Subject, r.Target, strings.ReplaceAll(r.Statement, "\n", "\n  | "))
}

func newGateway() *gateway {
	g := &gateway{}
	for i, text := range []string{"DELETE FROM patients", "DROP TABLE visits\x1b[2J", strings.Repeat("UPDATE t SET a = 1;\n", 60)} {
		g.requests = append(g.requests, hoop.Request{
			ID: int64(i + 17), Kind: hoop.RequestStatement, State: hoop.Pending, Requester: hoop.Identity{Subject: "dana"}, Target: "pg-prod",
			Statement: text, ExpiresAt: noon.Add(time.Duration(i+1) * time.Minute),
		})
	}
	for i := range 30 {
		g.sessions = append(g.sessions, hoop.SessionInfo{
			ID: fmt.Sprintf("s%d", 30-i), Identity: hoop.Identity{Subject: []string{"dana", "ci-agent"}[i%2]}, Target: "pg-prod", Protocol: "postgres", Client: "psql",
			StartedAt: noon.Add(-time.Duration(i+1) * time.Hour), EndedAt: noon.Add(-time.Duration(i+1)*time.Hour + 90*time.Second), Statements: int64(i), Rows: int64(i * i),
		})
	}
	g.records = []recording.Record{
		{Kind: recording.KindStart, Session: &hoop.SessionInfo{ID: "s30", Protocol: "postgres", Target: "pg-prod", Identity: hoop.Identity{Subject: "dana"}, StartedAt: noon}},
		statement(1, time.Second, "SELECT name FROM patients"),
		{Kind: recording.KindOutput, At: 1100 * time.Millisecond, Counter: 1, Wire: answer("Ann", "Bob")},
		statement(2, 65*time.Second, "SELECT 'needle'"),
		{Kind: recording.KindOutput, At: 66 * time.Second, Counter: 2, Wire: answer("needle")},
		{Kind: recording.KindEnd, At: 70 * time.Second},
	}
	return g
}

func statement(n int64, at time.Duration, text string) recording.Record {
	return recording.Record{Kind: recording.KindStatement, At: at, Counter: n, Statement: &recording.Statement{Text: text, Decision: hoop.Decision{Action: hoop.Allow, Rule: "default"}}}
}

func answer(cells ...string) []byte {
	b, err := (&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("name"), DataTypeOID: 25}}}).Encode(nil)
	for _, c := range cells {
		if err == nil {
			b, err = (&pgproto3.DataRow{Values: [][]byte{[]byte(c)}}).Encode(b)
		}
	}
	if err != nil {
		panic(err)
	}
	return b
}

func (g *gateway) inbox(t *testing.T) *inbox {
	return newInbox(t.Context(), InboxOptions{API: g, Now: now, Describe: describe})
}

// loaded is an inbox whose first request was on the screen for a moment.
func (g *gateway) loaded(t *testing.T) *inbox {
	m := g.inbox(t)
	drive(m, m.load(), seenMsg{17})
	return m
}

func TestInbox_Views(t *testing.T) {
	for name, keys := range map[string][]string{
		"list": nil, "details": {"enter"}, "denying": {"d", "no"}, "long": {"down", "down"}, "long_details": {"down", "down", "enter", "pgdown"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newGateway().loaded(t)
			for _, k := range keys {
				drive(m, key(k))
			}
			golden.RequireEqual(t, []byte(fits(t, m.View())))
		})
	}
	t.Run("empty", func(t *testing.T) {
		m := (&gateway{}).loaded(t)
		golden.RequireEqual(t, []byte(fits(t, m.View())))
	})
}

// press executes the command that a key led to, and tells the model.
func press(m *inbox, k string) {
	_, cmd := m.Update(key(k))
	if cmd == nil {
		return
	}
	if msg, ok := cmd().(decidedMsg); ok {
		m.Update(msg)
	}
}

// What was read is not what is there once the gateway has found out more.
func TestInbox_NewFactsAreToBeRead(t *testing.T) {
	g := newGateway()
	m := g.loaded(t)
	if m.read != 17 {
		t.Fatalf("read %d", m.read)
	}
	drive(m, m.load())
	if m.read != 17 {
		t.Error("nothing is new, and it counts as not read")
	}
	items := slices.Clone(m.items)
	items[m.index()].Facts = &hoop.Facts{Transaction: "none is open"}
	m.Update(requestsMsg{items: items})
	if m.read == 17 {
		t.Error("new facts count as read")
	}
	if press(m, "a"); m.status == "" {
		t.Error("approved without the new facts")
	}
}

func TestInbox_OneKeystroke(t *testing.T) {
	g := newGateway()
	m := g.loaded(t)
	press(m, "a")
	if got := fmt.Sprint(g.decided); got != "[approve 17 ]" {
		t.Fatalf("got %s", got)
	}
	// The next request does not slip under the finger.
	press(m, "a")
	press(m, "a")
	if len(g.decided) != 1 || m.selected != 0 {
		t.Errorf("got %v, cursor on %d", g.decided, m.selected)
	}
	drive(m, key("down"), seenMsg{18})
	press(m, "a")
	if got := fmt.Sprint(g.decided); got != "[approve 17  approve 18 ]" {
		t.Errorf("got %s", got)
	}
}

// The first of two approvals takes the request out of the inbox; it is not said to have ended.
func TestInbox_FirstOfTwoApprovals(t *testing.T) {
	g := newGateway()
	g.requests[0].Count = 2
	m := g.loaded(t)
	press(m, "a")
	m.Update(m.load())
	if got := fits(t, m.View()); !strings.Contains(got, "approved request 17; 1 of 2 approvals are there") || strings.Contains(got, "DELETE FROM patients") {
		t.Errorf("got\n%s", got)
	}
	m.decided(decidedMsg{"approved", 18, hoop.Request{ID: 18, State: hoop.Pending, Count: 2, Repeated: true, Approvals: []hoop.Approval{{Approve: true}}}, nil})
	if got := fits(t, m.View()); !strings.Contains(got, "request 18; your approval counted before, and counts once; 1 of 2") {
		t.Errorf("got\n%s", got)
	}
}

func TestInbox_TypedAheadApprovesNothing(t *testing.T) {
	g := newGateway()
	m := g.inbox(t)
	press(m, "a")
	drive(m, m.load())
	press(m, "a")
	drive(m, key("down"))
	press(m, "a")
	if len(g.decided) != 0 {
		t.Errorf("got %v", g.decided)
	}
	// What was read before the cursor moved does not count for another request.
	drive(m, key("down"), seenMsg{18})
	press(m, "a")
	if len(g.decided) != 0 {
		t.Errorf("got %v", g.decided)
	}
}

func TestInbox_LongStatementIsReadToItsEnd(t *testing.T) {
	g := newGateway()
	m := g.loaded(t)
	drive(m, key("down"), key("down"), seenMsg{19})
	press(m, "a")
	if len(g.decided) != 0 || !m.open {
		t.Fatalf("approved unread: %v", g.decided)
	}
	drive(m, seenMsg{19})
	press(m, "a")
	if len(g.decided) != 0 {
		t.Fatalf("approved half read: %v", g.decided)
	}
	for range 10 {
		drive(m, key("pgdown"))
	}
	drive(m, seenMsg{19})
	press(m, "a")
	if got := fmt.Sprint(g.decided); got != "[approve 19 ]" {
		t.Errorf("got %s", got)
	}
}

// The list changes under the fingers: another request must not get the key.
func TestInbox_RefreshKeepsTheCursorOnItsRequest(t *testing.T) {
	g := newGateway()
	m := g.loaded(t)
	g.requests = append([]hoop.Request{{ID: 3, Kind: hoop.RequestGrant, State: hoop.Pending}}, g.requests...)
	drive(m, m.load())
	press(m, "a")
	if got := fmt.Sprint(g.decided); got != "[approve 17 ]" {
		t.Fatalf("got %s", got)
	}
	drive(m, key("down"), key("down"))
	gone := m.selected
	g.requests = g.requests[:1]
	drive(m, m.load())
	if m.selected != 0 || !strings.Contains(m.status, fmt.Sprintf("request %d is no longer open", gone)) {
		t.Errorf("cursor on %d, %q", m.selected, m.status)
	}
	press(m, "a")
	if len(g.decided) != 1 {
		t.Errorf("got %v", g.decided)
	}
}

func TestInbox_DenyWantsAReason(t *testing.T) {
	g := newGateway()
	m := g.loaded(t)
	press(m, "d")
	press(m, "enter")
	if len(g.decided) != 0 {
		t.Errorf("denied without a reason")
	}
	for _, r := range "not a q" { // letters that are keys elsewhere
		press(m, string(r))
	}
	press(m, "enter")
	if got := fmt.Sprint(g.decided); got != "[deny 17 not a q]" {
		t.Errorf("got %s", got)
	}
}

func TestInbox_GatewayDown(t *testing.T) {
	g := newGateway()
	m := g.loaded(t)
	g.err = errors.New("down\x1b[2J")
	drive(m, m.load())
	if v := m.View(); !strings.Contains(v, `cannot refresh: down\x1b[2J`) || !strings.Contains(v, "DELETE FROM patients") {
		t.Errorf("got\n%s", v)
	}
}

func TestSessions_Views(t *testing.T) {
	for name, keys := range map[string][]string{
		"list": nil, "scrolled": {"pgdown", "down"}, "filter": {"/", "AGENT s2"}, "replay": {"enter"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			tm := teatest.NewTestModel(t, newSessions(t.Context(), SessionsOptions{API: g, Now: now}), teatest.WithInitialTermSize(80, 24))
			teatest.WaitFor(t, tm.Output(), func(b []byte) bool { return bytes.Contains(b, []byte("30")) })
			for _, k := range keys {
				tm.Send(key(k))
			}
			if name == "replay" {
				teatest.WaitFor(t, tm.Output(), func(b []byte) bool {
					tm.Send(key("G"))
					return bytes.Contains(b, []byte("ended after"))
				})
			}
			tm.Send(key("ctrl+c"))
			m := tm.FinalModel(t).(*sessions)
			if m.player != nil {
				m.player.playing = false
			}
			golden.RequireEqual(t, []byte(fits(t, m.View())))
		})
	}
}

// settle lets all come in that the player asks for.
func settle(m tea.Model, p *player) {
	drive(m, p.find())
	for p.loading {
		drive(m, p.feed.read())
	}
}

func TestPlayer(t *testing.T) {
	m := newSessions(t.Context(), SessionsOptions{API: newGateway(), Now: now})
	drive(m, m.load())
	drive(m, key("enter"))
	p := m.player
	settle(m, p)
	if p.more || p.length() != 70*time.Second {
		t.Fatalf("more %v, %s", p.more, p.length())
	}
	see := func(want string, there bool) {
		t.Helper()
		if got := strings.Contains(m.View(), want); got != there {
			t.Errorf("%q on the screen: %v, want %v\n%s", want, got, there, m.View())
		}
	}
	see("SELECT name", false)
	for range 30 { // 1.5 s
		drive(m, frameMsg{p})
	}
	see("Bob", true)
	see("needle", false)
	drive(m, key("space"))
	at := p.pos
	drive(m, frameMsg{p})
	if p.pos != at {
		t.Error("a paused replay goes on")
	}
	drive(m, key("right"))
	settle(m, p)
	see("SELECT 'needle'", true)
	if p.pos != 65*time.Second {
		t.Errorf("at %s", p.pos)
	}
	drive(m, key("left"))
	see("needle", false)
	drive(m, key("+"), key("+"))
	if p.speed != 4 {
		t.Errorf("speed %g", p.speed)
	}
	drive(m, key("/"), key("needle"), key("enter"))
	if p.pos != 65*time.Second {
		t.Errorf("searched, at %s", p.pos)
	}
	drive(m, key("/"), key("x"), key("esc"))
	drive(m, tea.WindowSizeMsg{Width: 40, Height: 10})
	if n := len(strings.Split(m.View(), "\n")); n != 10 {
		t.Errorf("%d lines", n)
	}
	drive(m, key("q"))
	if m.player != nil {
		t.Error("q did not go back")
	}
	if p.ctx.Err() == nil {
		t.Error("the recording still comes in")
	}
	drive(m, partMsg{feed: p.feed}, indexMsg{p: p}, frameMsg{p}) // late messages of a replay that was left
}

func TestPlayer_Unfinished(t *testing.T) {
	g := newGateway()
	g.records = g.records[:3]
	m := newSessions(t.Context(), SessionsOptions{API: g, Now: now})
	drive(m, m.load(), key("enter"))
	settle(m, m.player)
	drive(m, key("G"))
	settle(m, m.player)
	if v := m.View(); !strings.Contains(v, "Bob") || !strings.Contains(v, "the recording ends before") {
		t.Errorf("got\n%s", v)
	}
}
