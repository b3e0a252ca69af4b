package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/hoopctl/hoopctl/internal/iostreams"
)

// sheet writes lines of at most width columns; 0: as many as they need. It wraps them
// itself: what a terminal wraps begins in its first column, where a text of others could
// pass for ours.
type sheet struct {
	io    *iostreams.IOStreams
	w     io.Writer
	width int
}

// ours writes a text of this program's, which may be painted.
func (s *sheet) ours(text string) { s.lines("", s.fold(text, s.width, wordwise)) }

// leastText is how many columns a text must have beside its name.
const leastText = 12

// words writes a text behind a prefix of ours. It goes on below where it began, broken
// between words.
func (s *sheet) words(prefix, text string) {
	indent := strings.Repeat(" ", ansi.StringWidth(prefix))
	if s.width > 0 && len(indent)+leastText > s.width {
		s.ours(strings.TrimRight(prefix, " "))
		prefix, indent = "    ", "    "
	}
	for i, l := range s.fold(iostreams.OneLine(text), s.width-len(indent), wordwise) {
		if i > 0 {
			prefix = indent
		}
		s.lines(prefix, []string{l})
	}
}

// item writes one of several texts, which goes on a little to the right of where it began.
func (s *sheet) item(text string) {
	prefix := "  "
	for _, l := range s.fold(iostreams.OneLine(text), s.width-4, wordwise) {
		s.lines(prefix, []string{l})
		prefix = "    "
	}
}

// Bars before text of others: of a line of its own, and of one that goes on.
const (
	bar   = "  │ "
	barOn = "  ┊ "
)

// text writes a text of others, each line behind a bar, broken anywhere: nothing of it is
// left out, not even blanks.
func (s *sheet) text(text string) {
	for l := range strings.SplitSeq(text, "\n") {
		s.exact(bar, iostreams.Printable(l))
	}
}

// exact writes one line of others, which is printable, behind a prefix.
func (s *sheet) exact(prefix, l string) {
	if s.width > 0 {
		l = strings.ReplaceAll(l, "\t", "    ")
	}
	first, rest, more := strings.Cut(strings.Join(s.fold(l, s.width-ansi.StringWidth(prefix), anywhere), "\n"), "\n")
	s.lines(prefix, []string{first})
	if !more {
		return
	}
	// What goes on has other room than what began: the bars are narrower than some prefixes.
	for _, l := range s.fold(strings.ReplaceAll(rest, "\n", ""), s.width-ansi.StringWidth(barOn), anywhere) {
		s.lines(barOn, []string{l})
	}
}

func (s *sheet) lines(prefix string, lines []string) {
	for _, l := range lines {
		fmt.Fprintf(s.w, "%s%s\n", prefix, l)
	}
}

// Ways to break a line.
const (
	wordwise = iota
	anywhere
)

// fold breaks a line at width columns. Runes count for themselves, as in terminals that
// know no clusters: a line never has more columns than that.
func (s *sheet) fold(l string, width, how int) []string {
	if s.width <= 0 {
		return []string{l}
	}
	width = max(width, 2) // a wide rune
	if len(l) <= width {
		return []string{l}
	}
	if how == wordwise {
		out := strings.Split(ansi.WrapWc(l, width, " "), "\n")
		for i := range out {
			out[i] = strings.TrimRight(out[i], " ")
		}
		return out
	}
	if ascii(l) {
		var out []string
		for ; len(l) > width; l = l[width:] {
			out = append(out, l[:width])
		}
		return append(out, l)
	}
	return strings.Split(ansi.HardwrapWc(l, width, true), "\n")
}

// ascii reports whether every byte of s takes one column.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
