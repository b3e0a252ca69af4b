// Package tui is what hoopctl shows full-screen: the inbox of approvals and the
// browser of sessions with its replay. They are Bubble Tea models; what they ask for
// is the gateway's answer, what they show of others is escaped (iostreams.Printable).
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/hoopctl/hoopctl/internal/tui/hush"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// Bubble Tea is initialised by now.
var _ = hush.Over()

// run runs a model full-screen until it quits or ctx ends.
func run(ctx context.Context, m tea.Model, in io.Reader, out io.Writer) error {
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out),
		tea.WithAltScreen(), tea.WithoutSignalHandler()).Run()
	if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, context.Canceled) {
		return hoop.Errorf(hoop.CodeCancelled, "interrupted")
	}
	return err
}

// strokes are the keys of what came as one because it was typed faster than it was
// read. What was pasted stays whole.
func strokes(k tea.KeyMsg) []tea.KeyMsg {
	if k.Type != tea.KeyRunes || k.Paste {
		return []tea.KeyMsg{k}
	}
	var all []tea.KeyMsg
	for _, r := range k.Runes {
		all = append(all, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt})
	}
	return all
}

// size is the terminal's, in columns and rows; 80x24 until it is known.
type size struct{ w, h int }

var defaultSize = size{80, 24}

// styles paint, where colour is wanted.
type styles struct{ color bool }

func (s styles) sgr(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s styles) bold(t string) string   { return s.sgr("1", t) }
func (s styles) dim(t string) string    { return s.sgr("2", t) }
func (s styles) red(t string) string    { return s.sgr("31", t) }
func (s styles) yellow(t string) string { return s.sgr("33", t) }

// selected marks the line of the cursor; without colour by its mark alone.
func (s styles) selected(t string) string { return s.sgr("7", t) }

// fit cuts a line at w columns, or fills it up.
func fit(s string, w int) string {
	if n := ansi.StringWidth(s); n <= w {
		return s + strings.Repeat(" ", w-n)
	}
	return ansi.Truncate(s, w, "…")
}

// wrapText breaks text of several lines at w columns; nothing is left out.
func wrapText(s string, w int) []string {
	var lines []string
	w = max(w, 1)
	for l := range strings.SplitSeq(s, "\n") {
		if plain(l) {
			for ; len(l) > w; l = l[w:] {
				lines = append(lines, l[:w])
			}
			lines = append(lines, l)
			continue
		}
		lines = append(lines, strings.Split(ansi.Hardwrap(strings.ReplaceAll(l, "\t", "    "), w, true), "\n")...)
	}
	return lines
}

// plain reports whether every byte of s takes one column.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// screen puts a title, a body of exactly as many lines as fit, and a footer together.
func (z size) screen(title string, body []string, footer string) string {
	var b strings.Builder
	b.WriteString(fit(title, z.w))
	for i := range z.h - 2 {
		b.WriteByte('\n')
		if i < len(body) {
			b.WriteString(ansi.Truncate(body[i], z.w, "…"))
		}
	}
	b.WriteByte('\n')
	b.WriteString(fit(footer, z.w))
	return b.String()
}

// ago says how long ago, or in how long, in one unit.
func ago(d time.Duration) string {
	sign := ""
	if d < 0 {
		d, sign = -d, "-"
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%s%ds", sign, d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%s%dm", sign, d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%s%dh", sign, d/time.Hour)
	}
	return fmt.Sprintf("%s%dd", sign, d/(24*time.Hour))
}
