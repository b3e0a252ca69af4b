package tui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// SessionsAPI is what the browser asks of the gateway; *api.Client has it.
type SessionsAPI interface {
	RecordingAPI
	Sessions(ctx context.Context, limit int) ([]hoop.SessionInfo, error)
}

// SessionsOptions are what the browser needs.
type SessionsOptions struct {
	API   SessionsAPI
	In    io.Reader
	Out   io.Writer
	Color bool
	Now   func() time.Time
	Limit int // of sessions; 0: as many as the gateway gives
}

// RunSessions shows the session browser until the user quits.
func RunSessions(ctx context.Context, o SessionsOptions) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // a recording that still comes in
	return run(ctx, newSessions(ctx, o), o.In, o.Out)
}

// sessions is the model: the list, and over it the replay of one.
type sessions struct {
	o         SessionsOptions
	ctx       context.Context
	style     styles
	size      size
	all       []hoop.SessionInfo
	shown     []hoop.SessionInfo // those that match the filter
	cursor    int
	loaded    bool
	filter    line
	filtering bool
	status    string
	player    *player // nil: the list
}

type sessionsMsg struct {
	items []hoop.SessionInfo
	err   error
}

func newSessions(ctx context.Context, o SessionsOptions) *sessions {
	return &sessions{o: o, ctx: ctx, style: styles{o.Color}, size: defaultSize, filter: line{prompt: "/"}}
}

// Init implements tea.Model.
func (m *sessions) Init() tea.Cmd { return m.load }

func (m *sessions) load() tea.Msg {
	items, err := m.o.API.Sessions(m.ctx, m.o.Limit)
	return sessionsMsg{items, err}
}

// Update implements tea.Model.
func (m *sessions) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.size = size{msg.Width, msg.Height}
		if m.player != nil {
			m.player.resize(m.size)
		}
		return m, nil
	case sessionsMsg:
		m.take(msg)
		return m, nil
	case tea.KeyMsg:
		if msg.Type == tea.KeyCtrlC {
			return m, tea.Quit
		}
		if m.player == nil {
			var all []tea.Cmd
			for _, k := range strokes(msg) {
				_, cmd := m.key(k)
				all = append(all, cmd)
			}
			return m, tea.Batch(all...)
		}
	}
	if m.player == nil {
		return m, nil
	}
	cmd := m.player.update(msg)
	if m.player.closed {
		m.player = nil
	}
	return m, cmd
}

func (m *sessions) take(msg sessionsMsg) {
	m.loaded, m.status = true, ""
	if msg.err != nil {
		m.status = iostreams.OneLine(msg.err.Error())
		return
	}
	m.all = msg.items
	m.match()
}

// match keeps the sessions in which every word of the filter occurs.
func (m *sessions) match() {
	m.shown = nil
	words := strings.Fields(strings.ToLower(m.filter.value()))
	for _, s := range m.all {
		text := strings.ToLower(strings.Join([]string{s.ID, s.Target, s.Database, s.Identity.Subject, s.Identity.Name, s.Client, s.RemoteAddr}, " "))
		hit := true
		for _, w := range words {
			hit = hit && strings.Contains(text, w)
		}
		if hit {
			m.shown = append(m.shown, s)
		}
	}
	m.cursor = min(m.cursor, max(len(m.shown)-1, 0))
}

func (m *sessions) key(k tea.KeyMsg) (tea.Model, tea.Cmd) {
	if m.filtering {
		return m.keyFilter(k)
	}
	page := m.size.h - 4
	switch k.String() {
	case "q":
		return m, tea.Quit
	case "esc":
		if m.filter.value() == "" {
			return m, tea.Quit
		}
		m.filter.reset()
		m.match()
	case "/":
		m.filtering = true
	case "r":
		m.status = "asking the gateway…"
		return m, m.load
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-page)
	case "pgdown", " ":
		m.move(page)
	case "home", "g":
		m.move(-len(m.shown))
	case "end", "G":
		m.move(len(m.shown))
	case "enter":
		if m.cursor < len(m.shown) {
			m.player = newPlayer(m.ctx, m.o.API, m.style, m.size, m.shown[m.cursor])
			return m, m.player.start()
		}
	}
	return m, nil
}

func (m *sessions) move(by int) { m.cursor = max(min(m.cursor+by, len(m.shown)-1), 0) }

func (m *sessions) keyFilter(k tea.KeyMsg) (tea.Model, tea.Cmd) {
	switch k.Type {
	case tea.KeyEsc:
		m.filter.reset()
		m.filtering = false
	case tea.KeyEnter:
		m.filtering = false
	default:
		m.filter.key(k)
	}
	m.match()
	return m, nil
}

// View implements tea.Model.
func (m *sessions) View() string {
	if m.player != nil {
		return m.player.view()
	}
	title := m.style.bold(fmt.Sprintf("Sessions: %d", len(m.all)))
	if len(m.shown) != len(m.all) {
		title = m.style.bold(fmt.Sprintf("Sessions: %d of %d", len(m.shown), len(m.all)))
	}
	return m.size.screen(title, m.list(), m.footer())
}

func (m *sessions) list() []string {
	switch {
	case !m.loaded:
		return []string{"", "  asking the gateway…"}
	case len(m.all) > 0 && len(m.shown) == 0:
		return []string{"", "  No session has that in it."}
	case len(m.shown) == 0:
		return []string{"", "  No sessions."}
	}
	lines := []string{m.style.dim(m.row("STARTED", "WHO", "TARGET", "LASTED", "STMTS", "ROWS", "MASKED", "CLIENT"))}
	rows := m.size.h - 3
	first := max(0, min(m.cursor-rows/2, len(m.shown)-rows))
	for i := first; i < min(first+rows, len(m.shown)); i++ {
		l := m.session(m.shown[i])
		if i == m.cursor {
			lines = append(lines, m.style.selected(fit("> "+l[2:], m.size.w)))
			continue
		}
		lines = append(lines, l)
	}
	return lines
}

func (m *sessions) session(s hoop.SessionInfo) string {
	lasted := "running"
	if !s.EndedAt.IsZero() {
		lasted = ago(s.EndedAt.Sub(s.StartedAt))
	}
	return m.row(ago(m.o.Now().Sub(s.StartedAt))+" ago", s.Identity.Subject, s.Target, lasted,
		fmt.Sprint(s.Statements), fmt.Sprint(s.Rows), fmt.Sprint(s.Masked), s.Client)
}

func (m *sessions) row(started, who, target, lasted, statements, rows, masked, client string) string {
	return fmt.Sprintf("  %8s  %s  %s  %7s  %5s  %6s  %6s  %s", started, fit(iostreams.OneLine(who), 12),
		fit(iostreams.OneLine(target), 10), lasted, statements, rows, masked, iostreams.OneLine(client))
}

func (m *sessions) footer() string {
	switch {
	case m.filtering:
		return m.filter.view(m.size.w)
	case m.status != "":
		return m.style.yellow(m.status)
	case m.filter.value() != "":
		return m.style.dim("filter: ") + iostreams.OneLine(m.filter.value()) + m.style.dim(" · enter replay · esc clear")
	}
	return m.style.dim("enter replay · / filter · r refresh · ↑↓ choose · q quit")
}
