package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// Who may not see literals sees them in nothing that the gateway says of a statement, a
// refused one too; only in answers, which are what the client saw: docs/recordings.md.
func TestSession_LiteralsShowInAnswersOnly(t *testing.T) {
	pg, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	g := servertest.Start(t, servertest.Options{PG: pg})
	conn := open(t, g, nil)
	statements := []string{
		"SELECT 1 'SECRET'", "SELECT 'x' FROM 'SECRET'", "SET work_mem = 'SECRET'", "SELECT 'SECRET'::int", "SELECT U&'SECRET\\zz'",
		"SELECT $$SECRET$$ 'f'", "SELECT pg_read_file('/etc/SECRET')", "DO $$BEGIN RAISE 'SECRET'; END$$",
	}
	answer := answer(t, g, false, nil)
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s ran", sql)
		}
	}
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	sessions, err := g.API("auditor").Sessions(t.Context(), 1)
	if err != nil || len(sessions) != 1 {
		t.Fatal(sessions, err)
	}
	r, err := g.API("auditor").Recording(t.Context(), sessions[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	kinds, quoted := map[recording.Kind]int{}, 0
	for dec := json.NewDecoder(r); ; {
		var rec recording.Record
		err := dec.Decode(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[rec.Kind]++
		if rec.Kind == recording.KindOutput && bytes.Contains(rec.Wire, []byte("SECRET")) {
			quoted++
			rec.Wire = nil
		}
		b, err := json.Marshal(&rec)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("SECRET")) || bytes.Contains(rec.Wire, []byte("SECRET")) {
			t.Errorf("a %s tells: %s", rec.Kind, b)
		}
	}
	if kinds[recording.KindStatement] != len(statements) || kinds[recording.KindApproval] != 2 || quoted == 0 {
		t.Errorf("%v, %d answers quote a literal", kinds, quoted)
	}
	log, err := g.API("auditor").Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	events, err := io.ReadAll(log)
	if err := errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(events, []byte("pg_read_file")) || bytes.Contains(events, []byte("SECRET")) {
		t.Error("an event tells")
	}
}
