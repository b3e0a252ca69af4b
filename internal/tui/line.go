package tui

import (
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

// maxLine bounds what is typed into a line, in characters.
const maxLine = 500

// line is one line being typed: a reason, a filter. Editing is at its end.
type line struct {
	prompt string
	text   []rune
}

func (l *line) value() string { return string(l.text) }

func (l *line) reset() { l.text = nil }

// key takes one key; pasted text comes as one as well.
func (l *line) key(k tea.KeyMsg) {
	switch k.Type {
	case tea.KeyBackspace, tea.KeyCtrlH:
		if len(l.text) > 0 {
			l.text = l.text[:len(l.text)-1]
		}
	case tea.KeyCtrlU:
		l.text = nil
	case tea.KeyCtrlW:
		for len(l.text) > 0 && l.text[len(l.text)-1] == ' ' {
			l.text = l.text[:len(l.text)-1]
		}
		for len(l.text) > 0 && l.text[len(l.text)-1] != ' ' {
			l.text = l.text[:len(l.text)-1]
		}
	case tea.KeyRunes, tea.KeySpace:
		for _, r := range k.Runes {
			if len(l.text) < maxLine && unicode.IsPrint(r) {
				l.text = append(l.text, r)
			}
		}
	}
}

// view is the line in w columns: its end, where it is longer.
func (l *line) view(w int) string {
	v := l.prompt + iostreams.OneLine(string(l.text)) + "█"
	if over := ansi.StringWidth(v) - w; over > 0 {
		v = ansi.TruncateLeft(v, over+1, "…")
	}
	return v
}
