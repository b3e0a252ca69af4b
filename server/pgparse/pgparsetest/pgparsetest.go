// Package pgparsetest gives tests a parser that the race detector does not slow down.
//
// A worker is the test binary itself, started again. Built with -race it needs 7.5 s
// of CPU time instead of 1.1 to compile the grammar, and ten times as long for each
// text, in every package anew. `make test` therefore builds the worker alone,
// without -race, and names it in the environment. One worker does one thing at a time;
// its loop is under the detector in the tests of pgparse.
package pgparsetest

import (
	"os"

	"github.com/hoopctl/hoopctl/server/pgparse"
)

// programEnv names a worker built from pgparsetest/worker; without it tests start
// themselves.
const programEnv = "HOOP_TEST_PARSER"

// New is pgparse.New with the worker that the environment names.
func New(o pgparse.Options) (*pgparse.Pool, error) {
	o.Program = os.Getenv(programEnv)
	return pgparse.New(o)
}
