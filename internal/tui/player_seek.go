package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// goal is a place to go to, while what lies before it comes in.
type goal struct {
	what    string              // for people
	reached func(e *event) bool // by this event
	arrive  func(i int)         // at the event that reached it
	missed  func()              // there is no more, and none did
	back    *place              // where to go when it is given up
}

// place is where one was.
type place struct {
	statement int64
	pos       time.Duration
}

// head sets out to a goal: with what is here from event i on, then with what comes in.
func (p *player) head(g goal, i int) {
	if g.back == nil {
		g.back = p.place()
	}
	p.goal = &g
	p.look(i)
}

// place is where one is, or was before one set out.
func (p *player) place() *place {
	if p.goal != nil {
		return p.goal.back
	}
	return &place{p.current(), p.pos}
}

// look checks the events from i on.
func (p *player) look(i int) {
	for ; p.goal != nil && i < len(p.reel.events); i++ {
		if p.goal.reached(&p.reel.events[i]) {
			g := p.goal
			p.goal = nil
			g.arrive(i)
			return
		}
	}
	if p.goal != nil && !p.more && !p.loading {
		g := p.goal
		p.goal = nil
		g.missed()
	}
}

// giveUp goes back to where one was.
func (p *player) giveUp() {
	back := p.goal.back
	p.goal = nil
	p.goBack(back, "")
}

// goBack goes to where one was, paused, and says why.
func (p *player) goBack(to *place, why string) {
	p.goTo(to.statement, func() { p.pos, p.problem = max(p.pos, min(to.pos, p.reel.length())), why })
}

// rewind begins to read at a mark.
func (p *player) rewind(m recording.Mark) {
	p.reel = reel{first: m.Statements, begin: m.At, w: p.size.w}
	p.feed = newFeed(p, m)
	p.more, p.loading, p.top = true, false, 0
}

// near makes what is at a mark, or behind it, come next: it is here, or comes in
// already before the mark does, or it is read from the mark on.
func (p *player) near(m recording.Mark, here bool) {
	if here || m.Statements >= p.reel.first && m.Position.Offset <= p.feed.next.Offset {
		return
	}
	p.rewind(m)
}

// statement goes to a statement by its number, from 1.
func (p *player) statement(n int64) {
	switch {
	case n < 1:
		p.seek(0)
	case p.index.Statements > 0 && n > p.index.Statements:
		p.last()
	default:
		p.goTo(n, func() {})
	}
}

// goTo goes to a statement, or the beginning, and does then.
func (p *player) goTo(n int64, then func()) {
	m := p.index.Before(func(m recording.Mark) bool { return m.Statements < n })
	p.near(m, n > p.reel.first && n <= p.reel.statements(len(p.reel.events)))
	p.head(goal{
		what:    fmt.Sprintf("statement %d", n),
		reached: func(e *event) bool { return e.statement == n || n == 0 },
		arrive: func(i int) {
			p.show(i)
			then()
		},
		missed: p.end,
	}, 0)
}

// seek goes to a time, and plays on from there if it played.
func (p *player) seek(to time.Duration) {
	to = max(min(to, p.length()), 0)
	m := p.index.Before(func(m recording.Mark) bool { return m.At <= to })
	p.near(m, to >= p.reel.begin && (to <= p.reel.length() && len(p.reel.events) > 0))
	arrive := func() {
		p.pos, p.follow = to, true
		if to == 0 && len(p.reel.events) > 0 { // who goes to the beginning sees how it begins
			p.pos = p.reel.events[0].at
		}
	}
	p.head(goal{
		what:    mark(to),
		reached: func(e *event) bool { return e.at >= to },
		arrive:  func(int) { arrive() },
		missed:  arrive,
	}, 0)
}

// last goes to the end.
func (p *player) last() {
	if n := len(p.index.Marks); n > 0 {
		p.near(p.index.Marks[n-1], !p.more)
	}
	p.head(goal{what: "the end", reached: func(*event) bool { return false }, missed: p.end}, 0)
}

func (p *player) end() { p.pos, p.follow = p.reel.length(), true }

// search goes to the next event, after the one that is shown first, in which the text
// occurs, and from the end back to the beginning.
func (p *player) search(text string) {
	want := strings.ToLower(text)
	if want == "" {
		return
	}
	from := p.reel.eventAt(p.top)
	if p.follow {
		from = p.reel.shown(p.pos) - 1
	}
	has := func(e *event) bool {
		for _, l := range e.text {
			if strings.Contains(strings.ToLower(ansi.Strip(l)), want) {
				return true
			}
		}
		return false
	}
	g := goal{what: iostreams.OneLine(text), reached: has, arrive: p.show, back: p.place()}
	g.missed = func() {
		again := g
		again.missed = func() { p.goBack(g.back, "not found: "+g.what) }
		if p.reel.first > 0 || p.reel.cut {
			p.rewind(recording.Mark{})
		}
		p.head(again, 0)
	}
	p.head(g, from+1)
}
