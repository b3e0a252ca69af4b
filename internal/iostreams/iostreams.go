// Package iostreams is where a command reads from and writes to: In, Out and ErrOut,
// and what is known about them: which is a terminal, how wide it is, whether colour
// is wanted. It also makes text of others fit to be shown at a terminal (Printable).
//
// It decides nothing about what is printed; commands do.
package iostreams

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// defaultWidth is the width of a terminal that does not tell, in columns.
const defaultWidth = 80

// IOStreams are the three streams of a command. Out is the answer, ErrOut the talk.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	InTTY  bool
	OutTTY bool
	ErrTTY bool

	color bool
	width func() int
}

// System gives the streams of this process. Colour is used where Out is a terminal,
// unless NO_COLOR is set (no-color.org) or TERM is dumb.
func System(getenv func(string) string) *IOStreams {
	s := &IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		InTTY:  isTerminal(os.Stdin),
		OutTTY: isTerminal(os.Stdout),
		ErrTTY: isTerminal(os.Stderr),
	}
	s.color = s.OutTTY && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	s.width = func() int {
		w, _, err := term.GetSize(int(os.Stdout.Fd()))
		if err != nil || w <= 0 {
			return defaultWidth
		}
		return w
	}
	return s
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Test gives streams over buffers, none of them a terminal until the test says so.
func Test() (s *IOStreams, in, out, errOut *bytes.Buffer) {
	in, out, errOut = &bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{In: in, Out: out, ErrOut: errOut}, in, out, errOut
}

// SetTTY makes all streams terminals, or none; for tests.
func (s *IOStreams) SetTTY(tty bool) { s.InTTY, s.OutTTY, s.ErrTTY = tty, tty, tty }

// Interactive reports whether a person can be asked: input and output are terminals.
func (s *IOStreams) Interactive() bool { return s.InTTY && s.OutTTY }

// CanPrompt reports whether a question on ErrOut can be answered on In.
func (s *IOStreams) CanPrompt() bool { return s.InTTY && s.ErrTTY }

// Color reports whether Out takes colour.
func (s *IOStreams) Color() bool { return s.color }

// Width is the width of Out in columns; 80 where it is no terminal.
func (s *IOStreams) Width() int {
	if s.width == nil {
		return defaultWidth
	}
	return s.width()
}

// The few colours in use (ECMA-48 SGR).
const (
	reset  = "\x1b[0m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

func (s *IOStreams) paint(code, text string) string {
	if !s.color {
		return text
	}
	return code + text + reset
}

// Bold is for headings.
func (s *IOStreams) Bold(t string) string { return s.paint(bold, t) }

// Dim is for what matters less.
func (s *IOStreams) Dim(t string) string { return s.paint(dim, t) }

// Red is for what failed or was denied.
func (s *IOStreams) Red(t string) string { return s.paint(red, t) }

// Green is for what is done or in force.
func (s *IOStreams) Green(t string) string { return s.paint(green, t) }

// Yellow is for what waits.
func (s *IOStreams) Yellow(t string) string { return s.paint(yellow, t) }
