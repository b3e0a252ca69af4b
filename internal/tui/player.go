package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/internal/replay"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

const (
	frame = 50 * time.Millisecond // between two steps of a replay that plays
	// maxText bounds what a replay keeps in memory, in bytes of text; a recording with
	// more is shown up to there.
	maxText = 64 << 20
	// batch is how many records are read before the screen is told.
	batch = 256
)

// player is the replay of one session. Records come in while it plays.
type player struct {
	o     SessionsOptions
	ctx   context.Context
	stop  context.CancelFunc
	style styles
	size  size
	info  hoop.SessionInfo

	events  []event
	lines   []string // of all events, wrapped to the screen
	ended   bool     // all records are here
	problem string   // why there are no more

	pos     time.Duration // within the session
	playing bool
	ticking bool // a frameMsg is on its way
	speed   float64
	top     int  // first line shown
	follow  bool // keep the last line in view

	search    line
	searching bool
	closed    bool
}

// event is one record as text.
type event struct {
	at        time.Duration
	statement bool
	text      []string
	first     int // index of its first line in player.lines
}

// eventsMsg are the next records of a player's recording, and how to get those after.
type eventsMsg struct {
	p      *player
	events []event
	more   tea.Cmd // nil at the end
	err    error
}

type frameMsg struct{ p *player }

func newPlayer(ctx context.Context, o SessionsOptions, style styles, z size, info hoop.SessionInfo) *player {
	ctx, stop := context.WithCancel(ctx)
	return &player{
		o: o, ctx: ctx, stop: stop, style: style, size: z, info: info,
		playing: true, speed: 1, follow: true, search: line{prompt: "/"},
	}
}

// resize wraps all text anew and stays at the same event.
func (p *player) resize(z size) {
	at := p.eventAt(p.top)
	p.size = z
	events := p.events
	p.events, p.lines = nil, nil
	p.add(events)
	if at >= 0 {
		p.top = p.events[at].first
	}
}

func (p *player) add(events []event) {
	for _, e := range events {
		e.first = len(p.lines)
		for _, l := range e.text {
			p.lines = append(p.lines, wrapText(l, p.size.w)...)
		}
		e.at = max(e.at, p.length())
		p.events = append(p.events, e)
	}
}

// shown is how many events have happened up to now.
func (p *player) shown() int {
	return sort.Search(len(p.events), func(i int) bool { return p.events[i].at > p.pos })
}

// linesUpTo is how many lines the first n events have.
func (p *player) linesUpTo(n int) int {
	if n < len(p.events) {
		return p.events[n].first
	}
	return len(p.lines)
}

// start reads the recording and begins to play.
func (p *player) start() tea.Cmd { return tea.Batch(p.open, p.tick()) }

func (p *player) tick() tea.Cmd {
	p.ticking = true
	return tea.Tick(frame, func(time.Time) tea.Msg { return frameMsg{p} })
}

func (p *player) open() tea.Msg {
	body, err := p.o.API.Recording(p.ctx, p.info.ID)
	if err != nil {
		return eventsMsg{p: p, err: err}
	}
	s := &source{p: p, body: body, in: replay.NewReader(body)}
	s.view = replay.NewRenderer(&s.text, replay.Style{
		Bold: p.style.bold, Dim: p.style.dim, Red: p.style.red, Yellow: p.style.yellow,
	})
	return s.next()
}

// source reads a recording, a batch of records for each message.
type source struct {
	p     *player
	body  io.ReadCloser
	in    *replay.Reader
	view  *replay.Renderer
	text  bytes.Buffer
	bytes int
}

func (s *source) next() tea.Msg {
	msg := eventsMsg{p: s.p}
	for range batch {
		rec, err := s.in.Next()
		if err == nil {
			err = s.view.Render(rec)
		}
		if err == nil && s.bytes > maxText {
			err = fmt.Errorf("only the first %d MiB are shown; hoopctl sessions replay shows all", maxText>>20)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				msg.err = err
			}
			if cerr := s.body.Close(); cerr != nil && msg.err == nil {
				msg.err = cerr
			}
			return msg
		}
		msg.events = append(msg.events, s.take(rec))
	}
	msg.more = s.next
	return msg
}

// take makes an event of what was rendered for a record.
func (s *source) take(rec *recording.Record) event {
	e := event{at: rec.At, statement: rec.Kind == recording.KindStatement}
	if s.text.Len() > 0 {
		e.text = strings.Split(strings.TrimSuffix(s.text.String(), "\n"), "\n")
	}
	s.bytes += s.text.Len()
	s.text.Reset()
	return e
}

func (p *player) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case eventsMsg:
		if msg.p == p {
			return p.take(msg)
		}
	case frameMsg:
		if msg.p == p {
			return p.step()
		}
	case tea.KeyMsg:
		return p.key(msg)
	}
	return nil
}

func (p *player) take(msg eventsMsg) tea.Cmd {
	p.add(msg.events)
	if msg.more == nil {
		p.ended = true
	}
	if msg.err != nil {
		p.problem = iostreams.OneLine(msg.err.Error())
	}
	return msg.more
}

// step moves a replay that plays on, by a frame.
func (p *player) step() tea.Cmd {
	p.ticking = false
	if !p.playing {
		return nil
	}
	p.pos += time.Duration(float64(frame) * p.speed)
	if end := p.length(); p.pos >= end && p.ended {
		p.pos, p.playing = end, false
		return nil
	}
	p.pos = min(p.pos, p.length())
	return p.tick()
}

// length is the time of the last record that is here.
func (p *player) length() time.Duration {
	if len(p.events) == 0 {
		return 0
	}
	return p.events[len(p.events)-1].at
}

func (p *player) key(k tea.KeyMsg) tea.Cmd {
	if p.searching {
		return p.keySearch(k)
	}
	switch k.String() {
	case "q", "esc":
		p.stop()
		p.closed = true
	case " ", "p":
		return p.toggle()
	case "right", "n":
		p.seek(1)
	case "left", "N":
		p.seek(-1)
	case "+", "=":
		p.speed = min(p.speed*2, 64)
	case "-":
		p.speed = max(p.speed/2, 0.125)
	case "/":
		p.searching = true
	case "home", "g":
		p.pos, p.top, p.follow = 0, 0, false
	case "end", "G":
		p.pos, p.follow = p.length(), true
	case "up", "k":
		p.scroll(-1)
	case "down", "j":
		p.scroll(1)
	case "pgup":
		p.scroll(-(p.size.h - 3))
	case "pgdown":
		p.scroll(p.size.h - 3)
	}
	return nil
}

// toggle plays or pauses; at the end it begins again.
func (p *player) toggle() tea.Cmd {
	p.playing = !p.playing
	if !p.playing {
		return nil
	}
	p.follow = true
	if p.ended && p.pos >= p.length() {
		p.pos, p.top = 0, 0
	}
	if p.ticking {
		return nil
	}
	return p.tick()
}

// seek goes to the next statement, or the one before.
func (p *player) seek(by int) {
	at := p.current()
	for i := at + by; i >= 0 && i < len(p.events); i += by {
		if p.events[i].statement {
			p.show(i)
			return
		}
	}
	if by > 0 {
		p.pos, p.follow = p.length(), true
	}
}

// current is the statement that the replay is at: the last one shown; -1 before the
// first.
func (p *player) current() int {
	for i := p.shown() - 1; i >= 0; i-- {
		if p.events[i].statement {
			return i
		}
	}
	return -1
}

// show goes to event i and pauses there.
func (p *player) show(i int) {
	p.pos, p.playing, p.follow, p.top = p.events[i].at, false, false, p.events[i].first
}

func (p *player) keySearch(k tea.KeyMsg) tea.Cmd {
	switch k.Type {
	case tea.KeyEsc:
		p.searching = false
		p.search.reset()
	case tea.KeyEnter:
		p.searching = false
		p.find()
	default:
		p.search.key(k)
	}
	return nil
}

// find goes to the next event, after the one that is shown first, in which the search
// text occurs, and from the end back to the beginning.
func (p *player) find() {
	want := strings.ToLower(p.search.value())
	if want == "" {
		return
	}
	from := p.eventAt(p.top) + 1
	for n := range p.events {
		i := (from + n) % len(p.events)
		for _, l := range p.events[i].text {
			if strings.Contains(strings.ToLower(l), want) {
				p.show(i)
				return
			}
		}
	}
	p.problem = "not found: " + iostreams.OneLine(p.search.value())
}

// eventAt is the event whose text is at a line; -1 where there is none.
func (p *player) eventAt(line int) int {
	return sort.Search(len(p.events), func(i int) bool { return p.events[i].first > line }) - 1
}

func (p *player) scroll(by int) {
	p.top += by
	p.follow = false
}
