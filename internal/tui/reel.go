package tui

import (
	"bytes"
	"sort"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/internal/replay"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

const (
	// maxText is how much a player holds of a recording before it forgets what is behind,
	// in bytes of text.
	maxText = 8 << 20
	// ahead is how much text is there before it is shown, in bytes.
	ahead = 256 << 10
	// partBytes is how much of a recording is asked for at once, in bytes of the file.
	partBytes = 128 << 10
)

// reel is the part of a recording that is in memory: events that follow one another,
// and their lines as they fit the screen.
type reel struct {
	first  int64         // statements before it
	begin  time.Duration // the time it begins at
	cut    bool          // its beginning was dropped
	events []event
	lines  []string
	bytes  int // of text
	w      int // columns
}

// event is one record as text.
type event struct {
	at        time.Duration
	statement int64 // its number, from 1; 0: it is none
	text      []string
	bytes     int
	line      int // index of its first line
}

func (r *reel) add(events []event) {
	for _, e := range events {
		e.line = len(r.lines)
		for _, l := range e.text {
			r.lines = append(r.lines, wrapText(l, r.w)...)
		}
		e.at = max(e.at, r.length())
		r.bytes += e.bytes
		r.events = append(r.events, e)
	}
}

// drop forgets the first n events.
func (r *reel) drop(n int) (lines int) {
	if n <= 0 {
		return 0
	}
	r.first, r.begin, r.cut = r.statements(n), r.events[n-1].at, true
	lines = r.linesUpTo(n)
	for _, e := range r.events[:n] {
		r.bytes -= e.bytes
	}
	r.events = append([]event(nil), r.events[n:]...)
	r.lines = append([]string(nil), r.lines[lines:]...)
	for i := range r.events {
		r.events[i].line -= lines
	}
	return lines
}

// wrap breaks all text anew, for a screen of w columns.
func (r *reel) wrap(w int) {
	events := r.events
	r.events, r.lines, r.bytes, r.w = nil, nil, 0, w
	r.add(events)
}

// length is the time of the last event.
func (r *reel) length() time.Duration {
	if len(r.events) == 0 {
		return r.begin
	}
	return r.events[len(r.events)-1].at
}

// shown is how many events have happened up to a time.
func (r *reel) shown(at time.Duration) int {
	return sort.Search(len(r.events), func(i int) bool { return r.events[i].at > at })
}

// statements is how many there are up to the first n events, those before the reel too.
func (r *reel) statements(n int) int64 {
	for i := n - 1; i >= 0; i-- {
		if s := r.events[i].statement; s > 0 {
			return s
		}
	}
	return r.first
}

// linesUpTo is how many lines the first n events have.
func (r *reel) linesUpTo(n int) int {
	if n < len(r.events) {
		return r.events[n].line
	}
	return len(r.lines)
}

// eventAt is the event whose text is at a line; -1 where there is none.
func (r *reel) eventAt(line int) int {
	return sort.Search(len(r.events), func(i int) bool { return r.events[i].line > line }) - 1
}

// feed reads a recording from a mark on, a part for each message.
type feed struct {
	p          *player
	next       recording.Position
	statements int64 // read so far, those before the mark too
	view       *replay.Renderer
	text       bytes.Buffer
}

// partMsg is the next part.
type partMsg struct {
	feed   *feed
	next   recording.Position
	events []event
	more   bool
	ended  bool // its last record is that of the session's end
	err    error
}

func newFeed(p *player, m recording.Mark) *feed {
	f := &feed{p: p, next: m.Position, statements: m.Statements}
	f.view = replay.NewRenderer(&f.text, replay.Style{Bold: p.style.bold, Dim: p.style.dim, Red: p.style.red, Yellow: p.style.yellow})
	f.view.Protocol(p.info.Protocol)
	return f
}

// read asks for the next part. One read at a time.
func (f *feed) read() tea.Msg {
	msg := partMsg{feed: f}
	var records []*recording.Record
	records, msg.next, msg.more, msg.err = f.p.api.Part(f.p.ctx, f.p.info.ID, f.next, partBytes)
	if msg.err != nil {
		return msg
	}
	for _, rec := range records {
		if err := f.view.Render(rec); err != nil {
			msg.err = err
			return msg
		}
		msg.ended = rec.Kind == recording.KindEnd
		msg.events = append(msg.events, f.event(rec))
	}
	return msg
}

// event is what was rendered for a record.
func (f *feed) event(rec *recording.Record) event {
	e := event{at: rec.At, bytes: f.text.Len()}
	if rec.Kind == recording.KindStatement {
		f.statements++
		e.statement = f.statements
	}
	if e.bytes > 0 {
		e.text = strings.Split(strings.TrimSuffix(f.text.String(), "\n"), "\n")
	}
	f.text.Reset()
	return e
}

// load asks for more where more is needed; nil where it is not.
func (p *player) load() tea.Cmd {
	if p.loading || !p.more || p.stuck || p.goal == nil && p.waiting() > ahead {
		return nil
	}
	p.loading = true
	return p.feed.read
}

// waiting is how much text is here that was not shown yet, in bytes.
func (p *player) waiting() (n int) {
	for i := p.reel.shown(p.pos); i < len(p.reel.events) && n <= ahead; i++ {
		n += p.reel.events[i].bytes
	}
	return n
}

// take adds a part.
func (p *player) take(msg partMsg) tea.Cmd {
	p.loading = false
	if msg.err != nil {
		p.stuck, p.problem, p.goal = true, iostreams.OneLine(msg.err.Error()), nil
		return nil
	}
	if p.more = msg.more; p.more {
		p.feed.next = msg.next
	}
	n := len(p.reel.events)
	p.reel.add(msg.events)
	if !msg.more && !msg.ended {
		p.reel.add([]event{{text: []string{"", p.style.yellow("── " + recording.ErrUnfinished.Error())}}})
	}
	p.look(n)
	p.trim()
	return p.load()
}

// trim forgets what is behind, where too much is here.
func (p *player) trim() {
	if p.reel.bytes <= p.maxText {
		return
	}
	keep := len(p.reel.events) - 1 // on the way to a goal nothing here is looked at
	if p.goal == nil {
		keep = p.reel.shown(p.pos) - 1
		if !p.follow {
			keep = min(keep, p.reel.eventAt(p.top))
		}
	}
	n, left := 0, p.reel.bytes
	for ; n < keep && left > p.maxText/2; n++ {
		left -= p.reel.events[n].bytes
	}
	p.top = max(p.top-p.reel.drop(n), 0)
}

// resize wraps all text anew and stays at the same event.
func (p *player) resize(z size) {
	at := p.reel.eventAt(p.top)
	p.size = z
	p.reel.wrap(z.w)
	if at >= 0 {
		p.top = p.reel.events[at].line
	}
}
