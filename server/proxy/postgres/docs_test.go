package postgres

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/jackc/pgx/v5/pgconn"
)

// endings are what acts, as docs/postgres.md says it, with the SQLSTATEs that our own
// code gives for it.
func endings(t *testing.T) map[string][]string {
	started := func(err error) string { return startFailure(err).state }
	ended := func(err error) string { return cut(err).state }
	code := func(c hoop.Code) error { return hoop.Errorf(c, "no") }
	var n counts
	enter := func() error {
		_, err := n.enter(hoop.Target{Name: "pg", MaxSessions: 1}, "g1")
		return err
	}
	if err := enter(); err != nil {
		t.Fatal(err)
	}
	gone := (&answerer{conn: &conn{ctx: t.Context()}}).upstreamError(net.ErrClosed)
	return map[string][]string{
		"the client did not sign in":             {signInTimeout(t)},
		"wrong user or password":                 {started(code(hoop.CodeBadPassword))},
		"no grant, or one that has ended":        {started(code(hoop.CodeDenied)), started(code(hoop.CodeExpired))},
		"`max_sessions` of the target":           {started(enter()), started(code(hoop.CodeTooMany))},
		"the target has no connection left":      {started(hoop.Errorf(hoop.CodeTooMany, "full").Wrap(&pgconn.PgError{Code: "53300"}))},
		"a database that the target does not":    {started(code(hoop.CodeNoDatabase))},
		"the target rejects the gateway's":       {started(hoop.Errorf(hoop.CodeTargetAuth, "no").Wrap(&pgconn.PgError{Code: "28P01"}))},
		"the target did not accept":              {started(code(hoop.CodeUnavailable)), started(hoop.Errorf(hoop.CodeUnavailable, "late").Wrap(context.DeadlineExceeded))},
		"nothing was done for `idle_timeout`":    {ended(code(hoop.CodeIdle))},
		"the grant expired":                      {ended(code(hoop.CodeExpired))},
		"the grant was revoked":                  {ended(code(hoop.CodeRevoked))},
		"a decoy value was touched":              {ended(code(hoop.CodeDenied))},
		"the target ended the connection":        {ended(gone)},
		"the target vanished":                    {ended(errSilent)},
		"the gateway stops":                      {ended(code(hoop.CodeShuttingDown)), started(code(hoop.CodeShuttingDown))},
		"the gateway cannot record":              {ended(code(hoop.CodeUnrecorded)), started(code(hoop.CodeUnrecorded))},
		"`hoopctl` cannot reach the gateway":     nil, // of internal/agent, and looked at there
		"the tunnel is lost while a client conn": nil,
		"the tunnel is lost later":               nil,
	}
}

// signInTimeout is what a client is told that takes too long to sign in.
func signInTimeout(t *testing.T) string {
	client, server := net.Pipe()
	defer client.Close() //nolint:errcheck // a pipe
	s := &starter{proxy: New(Config{}), nc: server}
	go func() { _ = s.fail(t.Context(), os.ErrDeadlineExceeded); _ = server.Close() }()
	m, err := pgproto3.NewFrontend(client, client).Receive()
	e, ok := m.(*pgproto3.ErrorResponse)
	if err != nil || !ok {
		t.Fatalf("got %T, %v", m, err)
	}
	return e.Code
}

// Each row of the table says what the code does, and every ending has a row.
func TestDocs_TableOfEndings(t *testing.T) {
	b, err := os.ReadFile("../../../docs/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(b), "| what acts | SQLSTATE | who sets it |\n|---|---|---|\n")
	if !ok {
		t.Fatal("docs/postgres.md has no table of endings")
	}
	known := endings(t)
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) < 2 {
			break
		}
		what := strings.TrimSpace(cells[0])
		found := false
		for key, want := range known {
			if !strings.HasPrefix(what, key) {
				continue
			}
			found = true
			delete(known, key)
			got := strings.Split(strings.TrimSpace(cells[1]), ", ")
			slices.Sort(want)
			slices.Sort(got)
			if want = slices.Compact(want); want != nil && !slices.Equal(got, want) {
				t.Errorf("%s: the table says %v, the code %v", what, got, want)
			}
		}
		if !found {
			t.Errorf("nothing looks at the row %q", what)
		}
	}
	for key := range known {
		t.Errorf("the table has no row for %q", key)
	}
}
