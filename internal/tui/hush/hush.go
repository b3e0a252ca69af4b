// Package hush keeps Bubble Tea from asking the terminal for its colours when the
// program starts. Its package initialisation (tea_init.go) sends OSC 11 and a cursor
// report to the terminal and reads the answer from the keyboard's stream: every
// hoopctl command would cost a round trip, swallow what was typed ahead, and hang for
// five seconds where nothing answers (pseudo-terminals of CI and of agents).
//
// Go initialises packages whose imports are ready in the order of their paths (Go
// specification, "Package initialization"; since Go 1.21). This one imports only the
// standard library, so it comes before golang.org/x/sys, which Bubble Tea needs; a
// test in internal/cli runs hoopctl on a pseudo-terminal and sees that it stays mute.
package hush

import "os"

// term is TERM as the user set it. Termenv asks no terminal that is dumb.
var term, had = func() (string, bool) {
	t, ok := os.LookupEnv("TERM")
	if err := os.Setenv("TERM", "dumb"); err != nil {
		return t, ok
	}
	return t, ok
}()

// Over puts TERM back. A package that imports Bubble Tea calls it when it is
// initialised, which is after Bubble Tea was.
func Over() struct{} {
	if !had {
		os.Unsetenv("TERM")
		return struct{}{}
	}
	os.Setenv("TERM", term)
	return struct{}{}
}
