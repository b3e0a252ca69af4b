package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// long is a player of a session of n statements, one a second, with answers of as many
// lines; in parts of 10 records, and with a mark every 20 statements.
func long(t *testing.T, n, lines int) (*gateway, *solo) {
	t.Helper()
	g := newGateway()
	g.part, g.spacing = 10, 20
	g.records = []recording.Record{{Kind: recording.KindStart, Session: &hoop.SessionInfo{ID: "s1", Protocol: "postgres"}}}
	for i := 1; i <= n; i++ {
		at := time.Duration(i) * time.Second
		g.records = append(g.records, statement(int64(2*i), at, fmt.Sprintf("SELECT %d", i)), recording.Record{
			Kind: recording.KindNotice, At: at + 100*time.Millisecond, Text: strings.Repeat(fmt.Sprintf("answer %d\n", i), lines),
		})
	}
	g.records = append(g.records, recording.Record{Kind: recording.KindEnd, At: time.Duration(n+1) * time.Second})
	m := &solo{newPlayer(t.Context(), g, styles{}, defaultSize, hoop.SessionInfo{ID: "s1", Protocol: "postgres"})}
	m.p.playing = false
	m.p.load()
	return g, m
}

func strike(m *solo, keys ...string) {
	for _, k := range keys {
		drive(m, key(k))
		settle(m, m.p)
	}
}

func at(t *testing.T, m *solo, statement int64, text string) {
	t.Helper()
	view := m.View()
	if got := m.p.current(); got != statement || !strings.Contains(view, text) {
		t.Errorf("at statement %d, want %d and %q on the screen\n%s", got, statement, text, view)
	}
}

// What is gone to is read, and not what lies before it.
func TestPlayer_GoesAnywhereInALongSession(t *testing.T) {
	g, m := long(t, 5000, 300)
	settle(m, m.p)
	if g.parts > 500 {
		t.Errorf("opening reads %d parts of 1000", g.parts)
	}
	for _, tt := range []struct {
		keys      []string
		statement int64
		text      string
	}{
		{[]string{"s", "4321", "enter"}, 4321, "│ SELECT 4321"},
		{[]string{"left"}, 4320, "│ SELECT 4320"},
		{[]string{"right", "right"}, 4322, "│ SELECT 4322"},
		{[]string{"5"}, 2500, "answer 2500"},
		{[]string{"]"}, 2510, "answer 2510"},
		{[]string{"[", "["}, 2490, "answer 2490"},
		{[]string{"G"}, 5000, "ended after +1h23m21s"},
		{[]string{"left"}, 4999, "│ SELECT 4999"},
		{[]string{"g"}, 0, "══ session s1"},
		{[]string{"s", "9999", "enter"}, 5000, "ended after"},
		{[]string{"s", "0", "enter"}, 0, "statement 0 of"},
		{[]string{"s", "x", "enter"}, 0, "want the number of a statement"},
		{[]string{"s12", "enter"}, 12, "│ SELECT 12"}, // two keys, read as one
		{[]string{"/", "answer 60", "enter"}, 60, "answer 60"},
	} {
		g.parts = 0
		strike(m, tt.keys...)
		at(t, m, tt.statement, tt.text)
		if g.parts > 60 && tt.keys[0] != "/" {
			t.Errorf("%q reads %d parts", tt.keys, g.parts)
		}
	}
	strike(m, "s", "3000", "enter", "/", "enter")
	at(t, m, 60, "answer 60")
}

func TestPlayer_SearchesAll(t *testing.T) {
	g, m := long(t, 500, 1)
	settle(m, m.p)
	strike(m, "s", "300", "enter", "/", "answer 299", "enter")
	at(t, m, 299, "answer 299")
	strike(m, "/", "no such text", "enter")
	at(t, m, 299, "not found: no such text")
	// Given up on the way.
	g.part = 1
	strike(m, "s", "10", "enter")
	m.p.rewind(recording.Mark{})
	drive(m, key("/"), key("answer 499"), key("enter"))
	if m.p.goal == nil {
		t.Fatal("it was found at once")
	}
	if v := m.View(); !strings.Contains(v, "looking for answer 499") || !strings.Contains(v, "esc stays here") {
		t.Errorf("got\n%s", v)
	}
	strike(m, "esc")
	if m.p.closed || m.p.goal != nil || m.p.current() > 10 {
		t.Errorf("closed %v, goal %v, at statement %d", m.p.closed, m.p.goal, m.p.current())
	}
}

// However much text a session has, what is in memory is bounded, while it plays, and
// while it is searched.
func TestPlayer_MemoryIsBounded(t *testing.T) {
	g, m := long(t, 80, 0)
	for i := range g.records {
		if g.records[i].Kind == recording.KindNotice {
			g.records[i].Text = strings.Repeat(strings.Repeat("0123456789abcdef", 4)[1:]+"\n", 1<<15/64)
		}
	}
	m.p.maxText = 1 << 20
	most := 0
	watch := func() {
		for m.p.loading {
			drive(m, m.p.feed.read())
			most = max(most, m.p.reel.bytes)
		}
	}
	drive(m, m.p.find(), key("/"), key("no such text"), key("enter"))
	watch()
	drive(m, key("g"))
	watch()
	m.p.playing, m.p.speed = true, maxSpeed
	for m.p.playing {
		drive(m, frameMsg{m.p})
		watch()
	}
	if m.p.pos != 81*time.Second {
		t.Errorf("played to %s: %s", m.p.pos, m.p.problem)
	}
	if most > 3<<19 || most < 1<<19 {
		t.Errorf("%d KiB in memory", most>>10)
	}
}

func TestPlayer_TriesAgain(t *testing.T) {
	g, m := long(t, 50, 1)
	g.err = errors.New("the gateway is away\x1b[2J")
	settle(m, m.p)
	if v := m.View(); !strings.Contains(v, `the gateway is away\x1b[2J`) {
		t.Errorf("got\n%s", v)
	}
	g.err = nil
	strike(m, "right")
	at(t, m, 1, "SELECT 1")
}

func TestPlayer_Keys(t *testing.T) {
	_, m := long(t, 50, 1)
	settle(m, m.p)
	strike(m, "?")
	if v := fits(t, m.View()); !strings.Contains(v, "a statement by its number") || !strings.Contains(v, "any key goes back") {
		t.Errorf("got\n%s", v)
	} else if n := strings.Count(v, "…"); n != 1 { // that of the key 0 … 9
		t.Errorf("%d lines of the help do not fit:\n%s", n-1, v)
	}
	strike(m, "q")
	if m.p.help || m.p.closed {
		t.Error("a key does not just end the help")
	}
	if _, cmd := m.Update(key("q")); cmd == nil || !m.p.closed {
		t.Error("q does not quit")
	}
}
