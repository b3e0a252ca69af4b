package tui

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// refreshEvery is how often the inbox asks for what is new.
const refreshEvery = 2 * time.Second

// InboxAPI is what the inbox asks of the gateway; *api.Client has it.
type InboxAPI interface {
	Requests(ctx context.Context, f api.RequestFilter) ([]hoop.Request, error)
	Approve(ctx context.Context, id int64, reason string) (hoop.Request, error)
	Deny(ctx context.Context, id int64, reason string) (hoop.Request, error)
}

// InboxOptions are what an inbox needs.
type InboxOptions struct {
	API   InboxAPI
	In    io.Reader
	Out   io.Writer
	Color bool
	Now   func() time.Time
	// Describe writes all that a request means, nothing cut, in lines of at most width
	// columns.
	Describe func(w io.Writer, width int, r hoop.Request)
}

// RunInbox shows the requests that wait for me until the user quits.
func RunInbox(ctx context.Context, o InboxOptions) error {
	return run(ctx, newInbox(ctx, o), o.In, o.Out)
}

// inbox is the model. The request under the cursor is known by its number, never by
// its place: lists change under one's fingers, and a key that was meant for one
// request must not hit another. When it goes away, nothing is under the cursor.
type inbox struct {
	o        InboxOptions
	ctx      context.Context
	style    styles
	size     size
	items    []hoop.Request
	loaded   bool
	selected int64 // 0: nothing
	open     bool  // the details fill the screen
	scroll   int   // first line of the details that is shown
	read     int64 // request whose details were shown to their last line
	denying  bool
	reason   line
	status   string
}

type (
	requestsMsg struct {
		items []hoop.Request
		err   error
	}
	decidedMsg struct {
		verb string
		id   int64
		r    hoop.Request
		err  error
	}
	refreshMsg struct{}
	// seenMsg says that the details of a request were on the screen for a moment.
	seenMsg struct{ id int64 }
)

// moment is how long details must be on the screen before they count as read: a key
// typed ahead, or meant for the request before, approves nothing.
const moment = 250 * time.Millisecond

func newInbox(ctx context.Context, o InboxOptions) *inbox {
	return &inbox{o: o, ctx: ctx, style: styles{o.Color}, size: defaultSize, reason: line{prompt: "reason: "}}
}

// Init implements tea.Model.
func (m *inbox) Init() tea.Cmd { return m.load }

func (m *inbox) load() tea.Msg {
	items, err := m.o.API.Requests(m.ctx, api.RequestFilter{State: hoop.Pending, Inbox: true})
	return requestsMsg{items, err}
}

func (m *inbox) decide(verb string, id int64, reason string) tea.Cmd {
	return func() tea.Msg {
		f := m.o.API.Approve
		if verb == "denied" {
			f = m.o.API.Deny
		}
		r, err := f(m.ctx, id, reason)
		return decidedMsg{verb, id, r, err}
	}
}

// Update implements tea.Model.
func (m *inbox) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.size = size{msg.Width, msg.Height}
	case requestsMsg:
		m.take(msg)
		return m, tea.Batch(m.see(), tea.Tick(refreshEvery, func(time.Time) tea.Msg { return refreshMsg{} }))
	case seenMsg:
		if msg.id == m.selected && m.whole() {
			m.read = msg.id
		}
		return m, nil
	case refreshMsg:
		return m, m.load
	case decidedMsg:
		m.decided(msg)
	case tea.KeyMsg:
		return m.key(msg)
	}
	m.scroll = min(m.scroll, m.lastScroll())
	return m, m.see()
}

// take shows the list that came, oldest first, and keeps the cursor on its request.
func (m *inbox) take(msg requestsMsg) {
	if msg.err != nil {
		m.status = "cannot refresh: " + iostreams.OneLine(msg.err.Error())
		return
	}
	if strings.HasPrefix(m.status, "cannot refresh") {
		m.status = ""
	}
	first := !m.loaded
	before := m.index()
	var had hoop.Request
	if before >= 0 {
		had = m.items[before]
	}
	m.items, m.loaded = msg.items, true
	slices.SortFunc(m.items, func(a, b hoop.Request) int { return int(a.ID - b.ID) })
	if first && len(m.items) > 0 {
		m.pick(m.items[0].ID)
	}
	if i := m.index(); i >= 0 && before >= 0 && !reflect.DeepEqual(had, m.items[i]) {
		m.read = 0 // facts came, or an approval: there is something new to read
	}
	if m.selected != 0 && m.index() < 0 {
		m.status = fmt.Sprintf("request %d is no longer open; choose another", m.selected)
		m.pick(0)
	}
}

func (m *inbox) decided(msg decidedMsg) {
	if msg.err != nil {
		m.status = fmt.Sprintf("request %d: %s", msg.id, iostreams.OneLine(msg.err.Error()))
		return
	}
	m.status = fmt.Sprintf("%s request %d", msg.verb, msg.id)
	if msg.r.Repeated {
		m.status = fmt.Sprintf("request %d", msg.id)
	}
	if msg.r.State == hoop.Pending { // it waits for others now
		m.status += "; " + msg.r.Progress()
	}
	i := slices.IndexFunc(m.items, func(r hoop.Request) bool { return r.ID == msg.id })
	if i < 0 {
		return
	}
	m.items = slices.Delete(m.items, i, i+1)
	if m.selected == msg.id {
		m.pick(0)
	}
}

// pick puts the cursor on a request; 0 on none.
func (m *inbox) pick(id int64) {
	m.selected, m.scroll, m.read = id, 0, 0
	if id == 0 {
		m.open, m.denying = false, false
	}
}

func (m *inbox) index() int {
	return slices.IndexFunc(m.items, func(r hoop.Request) bool { return r.ID == m.selected })
}

func (m *inbox) move(by int) {
	if len(m.items) == 0 {
		return
	}
	i := m.index()
	if i < 0 {
		i, by = 0, 0
	}
	if id := m.items[min(max(i+by, 0), len(m.items)-1)].ID; id != m.selected {
		m.pick(id)
	}
}

func (m *inbox) key(k tea.KeyMsg) (tea.Model, tea.Cmd) {
	if k.Type == tea.KeyCtrlC {
		return m, tea.Quit
	}
	m.status = ""
	if m.denying {
		return m.keyDenying(k)
	}
	switch k.String() {
	case "q", "esc":
		if !m.open {
			return m, tea.Quit
		}
		m.open, m.scroll = false, 0
	case "up", "k":
		m.up(1)
	case "down", "j":
		m.down(1)
	case "pgup":
		m.up(m.body() - 1)
	case "pgdown", " ":
		m.down(m.body() - 1)
	case "enter":
		m.open = m.index() >= 0
	case "a":
		return m.approve()
	case "d":
		if m.index() >= 0 {
			m.denying = true
			m.reason.reset()
		}
	}
	return m, m.see()
}

func (m *inbox) up(n int) {
	if m.open {
		m.scroll = max(m.scroll-n, 0)
		return
	}
	m.move(-1)
}

func (m *inbox) down(n int) {
	if m.open {
		m.scroll = min(m.scroll+n, m.lastScroll())
		return
	}
	m.move(1)
}

func (m *inbox) keyDenying(k tea.KeyMsg) (tea.Model, tea.Cmd) {
	switch k.Type {
	case tea.KeyEsc:
		m.denying = false
		return m, nil
	case tea.KeyEnter:
		reason := strings.TrimSpace(m.reason.value())
		if reason == "" {
			m.status = "a denial wants a reason"
			return m, nil
		}
		m.denying = false
		return m, m.decide("denied", m.selected, reason)
	}
	m.reason.key(k)
	return m, nil
}

// approve approves what the approver has seen to its last line, and shows it first
// where not.
func (m *inbox) approve() (tea.Model, tea.Cmd) {
	if m.index() < 0 {
		return m, nil
	}
	if m.read == m.selected {
		return m, m.decide("approved", m.selected, "")
	}
	m.open = m.open || !m.whole()
	m.status = "read to the end, then press a"
	return m, m.see()
}

// whole reports whether the end of the details under the cursor is on the screen.
func (m *inbox) whole() bool {
	i := m.index()
	if i < 0 {
		return false
	}
	n := len(m.details(m.items[i]))
	if m.open {
		return m.scroll+m.body() >= n
	}
	return n <= m.paneHeight()
}

// see has the details count as read in a moment, where their end is on the screen.
func (m *inbox) see() tea.Cmd {
	if m.read == m.selected || !m.whole() {
		return nil
	}
	id := m.selected
	return tea.Tick(moment, func(time.Time) tea.Msg { return seenMsg{id} })
}

func (m *inbox) lastScroll() int {
	i := m.index()
	if i < 0 {
		return 0
	}
	return max(len(m.details(m.items[i]))-m.body(), 0)
}
