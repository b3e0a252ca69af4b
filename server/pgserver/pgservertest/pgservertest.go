// Package pgservertest gives a package's tests a PostgreSQL of their own.
package pgservertest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/hoopctl/hoopctl/server/pgserver"
)

// Main runs a package's tests with a server, which it puts into server first, and stops it
// after them; then it exits.
func Main(m *testing.M, server **pgserver.Server, opts pgserver.Options) {
	s, err := pgserver.Start(context.Background(), opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	*server = s
	code := m.Run()
	if err := s.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var databases atomic.Int64

// NewDatabase makes an empty database, which lives as long as the server, and gives its URL.
func NewDatabase(t testing.TB, s *pgserver.Server) string {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := s.Exec(context.Background(), "postgres", "CREATE DATABASE "+name+" STRATEGY file_copy"); err != nil {
		t.Fatal(err)
	}
	return s.DSN(name)
}
