package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// View implements tea.Model.
func (m *inbox) View() string {
	waits := "wait"
	if len(m.items) == 1 {
		waits = "waits"
	}
	title := m.style.bold(fmt.Sprintf("Approvals: %d %s for you", len(m.items), waits))
	i := m.index()
	if m.open && i >= 0 {
		lines := m.details(m.items[i])
		first := min(m.scroll, max(len(lines)-m.body(), 0)) // a resize or a status changes what fits
		end := min(first+m.body(), len(lines))
		title = m.style.bold(fmt.Sprintf("Request %d", m.selected))
		if len(lines) > m.body() {
			title += m.style.dim(fmt.Sprintf("  lines %d-%d of %d", first+1, end, len(lines)))
		}
		return m.screen(title, lines[first:end])
	}
	return m.screen(title, m.list(i))
}

// body is how many lines there are between the title and the status or the keys.
func (m *inbox) body() int {
	if m.status != "" {
		return max(m.size.h-3, 1)
	}
	return max(m.size.h-2, 1)
}

// screen puts the status above the keys, which stay.
func (m *inbox) screen(title string, body []string) string {
	if m.status != "" {
		body = append(slices.Clip(body), make([]string, max(m.body()-len(body), 0))...)
		body = append(body, m.style.yellow(m.status))
	}
	return m.size.screen(title, body, m.footer())
}

// listHeight is how many requests are listed above the details.
func (m *inbox) listHeight() int { return min(max(len(m.items), 1), max((m.size.h-4)/3, 1)) }

// paneHeight is how many lines the details have below the list.
func (m *inbox) paneHeight() int { return max(m.body()-m.listHeight()-1, 1) }

// list is the requests and, below, what the one under the cursor means.
func (m *inbox) list(selected int) []string {
	switch {
	case !m.loaded:
		return []string{"", "  asking the gateway…"}
	case len(m.items) == 0:
		return []string{"", "  Nothing waits for you. New requests appear here by themselves."}
	}
	first := max(0, min(selected-m.listHeight()/2, len(m.items)-m.listHeight()))
	var lines []string
	for i := first; i < first+m.listHeight(); i++ {
		lines = append(lines, m.item(m.items[i], i == selected))
	}
	lines = append(lines, m.style.dim(strings.Repeat("─", m.size.w)))
	if selected < 0 {
		return append(lines, "  ↑ and ↓ choose a request.")
	}
	details := m.details(m.items[selected])
	if len(details) > m.paneHeight() {
		details = append(details[:m.paneHeight()-1:m.paneHeight()-1], m.style.yellow("… more: enter shows all"))
	}
	return append(lines, details...)
}

// item is a request in one line. A narrow terminal has the target in the details.
func (m *inbox) item(r hoop.Request, selected bool) string {
	what := r.Reason
	if r.Kind == hoop.RequestStatement {
		what = r.Statement
	} else if what == "" {
		what = "access for " + r.Duration.String()
	}
	line := fmt.Sprintf("%5d  %s ", r.ID, fit(iostreams.OneLine(r.Requester.Subject), 14))
	if m.size.w >= narrow {
		line += fit(iostreams.OneLine(r.Target), 12) + " "
	}
	line += fmt.Sprintf("%5s  %s", ago(r.ExpiresAt.Sub(m.o.Now())), iostreams.OneLine(what))
	mark := "  "
	if selected {
		mark = "> "
	}
	line = fit(mark+line, m.size.w)
	if selected {
		return m.style.selected(line)
	}
	return line
}

// narrow is below which terminals have no room for everything, in columns.
const narrow = 60

// details is all that a request means, wrapped to the screen.
func (m *inbox) details(r hoop.Request) []string {
	var b strings.Builder
	m.o.Describe(&b, m.size.w, r)
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// short is the keys of a narrow terminal.
var short = strings.NewReplacer("enter details", "enter", "↑↓ choose", "↑↓", "↑↓ scroll", "↑↓")

func (m *inbox) footer() string {
	if m.denying {
		return m.reason.view(m.size.w)
	}
	keys := []string{"q quit"}
	if len(m.items) > 0 {
		keys = []string{"enter details", "↑↓ choose", "q quit"}
	}
	if m.open {
		keys = []string{"↑↓ scroll", "esc back"}
	}
	if m.index() >= 0 {
		keys = append([]string{"d deny"}, keys...)
	}
	if m.selected != 0 && m.read == m.selected {
		keys = append([]string{"a approve"}, keys...)
	}
	line := strings.Join(keys, " · ")
	if ansi.StringWidth(line) > m.size.w {
		line = short.Replace(line)
	}
	return m.style.dim(line)
}
