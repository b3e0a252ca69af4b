package tui

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

const (
	frame = 50 * time.Millisecond // between two steps of a replay that plays
	leap  = 10 * time.Second      // of the keys [ and ]

	minSpeed = 0.125
	maxSpeed = 1024
)

// RecordingAPI is what a player asks of the gateway; *api.Client has it.
type RecordingAPI interface {
	Index(ctx context.Context, id string) (recording.Index, error)
	Part(ctx context.Context, id string, from recording.Position, bytes int64) ([]*recording.Record, recording.Position, bool, error)
}

// ReplayOptions are what a replay needs.
type ReplayOptions struct {
	API   RecordingAPI
	In    io.Reader
	Out   io.Writer
	Color bool
	Speed float64 // 2 is twice as fast
}

// RunReplay shows the recording of a session until the user quits.
func RunReplay(ctx context.Context, o ReplayOptions, info hoop.SessionInfo) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // what still comes in
	p := newPlayer(ctx, o.API, styles{o.Color}, defaultSize, info)
	p.speed, p.alone = min(max(o.Speed, minSpeed), maxSpeed), true
	return run(ctx, solo{p}, o.In, o.Out)
}

// solo is a player with nothing around it.
type solo struct{ p *player }

// Init implements tea.Model.
func (m solo) Init() tea.Cmd { return m.p.start() }

// View implements tea.Model.
func (m solo) View() string { return m.p.view() }

// Update implements tea.Model.
func (m solo) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.p.resize(size{msg.Width, msg.Height})
		return m, nil
	case tea.KeyMsg:
		if msg.Type == tea.KeyCtrlC {
			return m, tea.Quit
		}
	}
	cmd := m.p.update(msg)
	if m.p.closed {
		return m, tea.Quit
	}
	return m, cmd
}

// player is the replay of one session. Of its recording it holds the part around the
// place that is shown, and fetches others when they are gone to.
type player struct {
	api   RecordingAPI
	ctx   context.Context
	stop  context.CancelFunc
	style styles
	size  size
	info  hoop.SessionInfo
	alone bool // there is no list to go back to

	index   recording.Index // empty until it is here
	reel    reel
	feed    *feed  // what comes in behind the reel
	loading bool   // it is being asked
	maxText int    // bytes of text that the reel may have
	more    bool   // it has more
	stuck   bool   // it failed; a key tries again
	problem string // why there is no more
	goal    *goal  // where to go once it is here; nil: nowhere

	pos     time.Duration // within the session
	playing bool
	ticking bool // a frameMsg is on its way
	speed   float64
	top     int  // first line shown
	follow  bool // keep the last line in view

	asking   asking
	input    line
	searched string // last
	help     bool
	closed   bool
}

// asking is what a line is typed for.
type asking int

const (
	askNothing asking = iota
	askSearch
	askStatement
)

type frameMsg struct{ p *player }

type indexMsg struct {
	p     *player
	index recording.Index
	err   error
}

func newPlayer(ctx context.Context, a RecordingAPI, style styles, z size, info hoop.SessionInfo) *player {
	ctx, stop := context.WithCancel(ctx)
	p := &player{api: a, ctx: ctx, stop: stop, style: style, size: z, info: info, playing: true, speed: 1, follow: true, maxText: maxText}
	p.rewind(recording.Mark{})
	return p
}

// start reads the recording and begins to play.
func (p *player) start() tea.Cmd { return tea.Batch(p.find, p.load(), p.tick()) }

// find asks where the statements are. What is at the beginning is shown meanwhile.
func (p *player) find() tea.Msg {
	x, err := p.api.Index(p.ctx, p.info.ID)
	return indexMsg{p, x, err}
}

func (p *player) tick() tea.Cmd {
	p.ticking = true
	return tea.Tick(frame, func(time.Time) tea.Msg { return frameMsg{p} })
}

func (p *player) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case partMsg:
		if msg.feed == p.feed {
			return p.take(msg)
		}
	case indexMsg:
		if msg.p == p && msg.err == nil { // without it, everything is still there to be played
			p.index = msg.index
		}
	case frameMsg:
		if msg.p == p {
			return tea.Batch(p.step(), p.load())
		}
	case tea.KeyMsg:
		p.stuck, p.problem = false, ""
		var all []tea.Cmd
		for _, k := range strokes(msg) {
			all = append(all, p.key(k))
		}
		return tea.Batch(append(all, p.load())...)
	}
	return nil
}

// step moves a replay that plays on, by a frame.
func (p *player) step() tea.Cmd {
	p.ticking = false
	if !p.playing {
		return nil
	}
	if p.goal == nil {
		p.pos += time.Duration(float64(frame) * p.speed)
		if p.pos >= p.reel.length() {
			p.pos = p.reel.length()
			p.playing = p.more
		}
	}
	if !p.playing {
		return nil
	}
	return p.tick()
}

// length is the time of the last record.
func (p *player) length() time.Duration { return max(p.index.Length, p.reel.length()) }

func (p *player) key(k tea.KeyMsg) tea.Cmd {
	if p.asking != askNothing {
		p.keyInput(k)
		return nil
	}
	if p.help {
		p.help = false
		return nil
	}
	switch s := k.String(); s {
	case "esc":
		if p.goal != nil {
			p.giveUp()
			return nil
		}
		p.close()
	case "q":
		p.close()
	case "?", "h":
		p.help = true
	case " ", "p":
		return p.toggle()
	case "right", "n":
		p.statement(p.current() + 1)
	case "left", "N":
		p.statement(p.current() - 1)
	case "]":
		p.seek(p.pos + leap)
	case "[":
		p.seek(p.pos - leap)
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9":
		p.seek(p.length() / 10 * time.Duration(s[0]-'0'))
	case "home", "g":
		p.seek(0)
	case "end", "G":
		p.last()
	case "+", "=":
		p.speed = min(p.speed*2, maxSpeed)
	case "-":
		p.speed = max(p.speed/2, minSpeed)
	case "/":
		p.asking, p.input = askSearch, line{prompt: "/"}
	case "s", ":":
		p.asking, p.input = askStatement, line{prompt: "statement "}
	case "up", "k":
		p.scroll(-1)
	case "down", "j":
		p.scroll(1)
	case "pgup", "b":
		p.scroll(-(p.size.h - 4))
	case "pgdown", "f":
		p.scroll(p.size.h - 4)
	}
	return nil
}

func (p *player) close() {
	p.stop()
	p.closed = true
}

func (p *player) keyInput(k tea.KeyMsg) {
	switch k.Type {
	case tea.KeyEsc:
		p.asking = askNothing
	case tea.KeyEnter:
		what, text := p.asking, p.input.value()
		p.asking = askNothing
		if what == askSearch {
			if text != "" {
				p.searched = text
			}
			p.search(p.searched)
		} else if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
			p.statement(n)
		} else if text != "" {
			p.problem = "want the number of a statement"
		}
	default:
		p.input.key(k)
	}
}

// toggle plays or pauses; at the end it begins again.
func (p *player) toggle() tea.Cmd {
	p.playing = !p.playing
	if !p.playing {
		return nil
	}
	p.follow = true
	if !p.more && p.pos >= p.reel.length() {
		p.seek(0)
		p.playing = true
	}
	if p.ticking {
		return nil
	}
	return p.tick()
}

// current is the number of the statement that the replay is at: the last one shown; 0
// before the first.
func (p *player) current() int64 { return p.reel.statements(p.reel.shown(p.pos)) }

// show goes to event i and pauses there.
func (p *player) show(i int) {
	e := p.reel.events[i]
	p.pos, p.playing, p.follow, p.top, p.goal = e.at, false, false, e.line, nil
}

func (p *player) scroll(by int) {
	p.follow = false
	if by < 0 && p.top == 0 && p.reel.first > 0 {
		p.statement(p.reel.first) // what is above is not here
		return
	}
	p.top += by
}

// title is the first line.
func (p *player) title() string {
	s := iostreams.OneLine(fmt.Sprintf("%s  %s on %s", p.info.ID, p.info.Identity.Subject, p.info.Target))
	n := fmt.Sprintf("statement %d", p.current())
	if p.index.Statements > 0 {
		n = fmt.Sprintf("statement %d of %d", p.current(), p.index.Statements)
	}
	return p.style.bold(fit(s, max(p.size.w-len(n)-2, 0))) + "  " + n
}
