package tui

import (
	"fmt"
	"strings"

	"github.com/hoopctl/hoopctl/internal/iostreams"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// View implements tea.Model.
func (m *inbox) View() string {
	title := m.style.bold(fmt.Sprintf("Approvals: %d wait for you", len(m.items)))
	i := m.index()
	if m.open && i >= 0 {
		lines := m.details(m.items[i])
		end := min(m.scroll+m.size.h-2, len(lines))
		title = m.style.bold(fmt.Sprintf("Request %d", m.selected))
		if len(lines) > m.size.h-2 {
			title += m.style.dim(fmt.Sprintf("  lines %d-%d of %d", m.scroll+1, end, len(lines)))
		}
		return m.size.screen(title, lines[min(m.scroll, end):end], m.footer())
	}
	return m.size.screen(title, m.list(i), m.footer())
}

// listHeight is how many requests are listed above the details.
func (m *inbox) listHeight() int { return min(max(len(m.items), 1), max((m.size.h-4)/3, 1)) }

// paneHeight is how many lines the details have below the list.
func (m *inbox) paneHeight() int { return m.size.h - 2 - m.listHeight() - 1 }

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

// item is a request in one line.
func (m *inbox) item(r hoop.Request, selected bool) string {
	what := r.Reason
	if r.Kind == hoop.RequestStatement {
		what = r.Statement
	} else if what == "" {
		what = "access for " + r.Duration.String()
	}
	line := fmt.Sprintf("%5d  %-14s %-12s %5s  %s", r.ID, fit(iostreams.OneLine(r.Requester.Subject), 14),
		fit(iostreams.OneLine(r.Target), 12), ago(r.ExpiresAt.Sub(m.o.Now())), iostreams.OneLine(what))
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

// details is all that a request means, wrapped to the screen.
func (m *inbox) details(r hoop.Request) []string {
	var b strings.Builder
	m.o.Describe(&b, r)
	return wrapText(strings.TrimRight(b.String(), "\n"), m.size.w)
}

func (m *inbox) footer() string {
	switch {
	case m.denying:
		if m.status != "" {
			return m.reason.view() + "  " + m.style.red(m.status)
		}
		return m.reason.view()
	case m.status != "":
		return m.style.yellow(m.status)
	}
	keys := "q quit"
	if len(m.items) > 0 {
		keys = "enter details · ↑↓ choose · q quit"
	}
	if m.open {
		keys = "↑↓ scroll · esc back"
	}
	if m.index() >= 0 {
		keys = "d deny · " + keys
	}
	if m.selected != 0 && m.read == m.selected {
		keys = "a approve · " + keys
	}
	return m.style.dim(keys)
}
