package leaks

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// evidence looks for canaries in what the gateway keeps of the attacks, none of which
// says one itself: its folder with the events, its log, and the latest recordings, opened.
func (l *line) evidence(t *testing.T, search *searcher) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	plain := index{}
	for _, c := range canaries.all {
		plain.add(c.kind+" "+c.value, []byte(c.value))
	}
	look := func(where string, b []byte) {
		plain.find(b, func(what string) { t.Errorf("LEAK in %s: %s", where, what) })
	}
	dir := l.gateway.DataDir
	must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path == filepath.Join(dir, "recordings") { // encrypted: opened below
			return fs.SkipDir
		}
		if err == nil && d.Type().IsRegular() {
			var b []byte
			b, err = os.ReadFile(path)
			look(path, b)
		}
		if errors.Is(err, fs.ErrNotExist) { // the log goes on meanwhile
			return nil
		}
		return err
	}))
	look("the log", []byte(l.gateway.Log.String()))
	auditor := l.gateway.API("auditor")
	defer auditor.HTTP.CloseIdleConnections()
	recordings, err := filepath.Glob(filepath.Join(dir, "recordings", "*.hrec"))
	must(err)
	shown := 0
	for _, path := range recordings { // a list of sessions would end with the newest 1,000
		session := strings.TrimSuffix(filepath.Base(path), ".hrec")
		answers, rest := l.recorded(t, auditor, session)
		if found := search.in([][]byte{answers}); len(found) > 0 {
			t.Errorf("LEAK in the recording of %s: %s", session, strings.Join(found[:min(len(found), 3)], "; "))
		}
		look("the recording of "+session, rest)
		shown += len(answers)
	}
	if shown == 0 {
		t.Errorf("no answers are in the recordings of %d sessions", len(recordings))
	}
	t.Logf("%d recordings, %d bytes of answers", len(recordings), shown)
}

// recorded gives a recording's bytes of the protocol, and all else that is in it.
func (l *line) recorded(t *testing.T, auditor *api.Client, session string) (wire, rest []byte) {
	t.Helper()
	r, err := auditor.Recording(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for dec := json.NewDecoder(r); ; {
		var rec recording.Record
		err := dec.Decode(&rec)
		if errors.Is(err, io.EOF) {
			return wire, rest
		}
		if err != nil {
			t.Fatal(err)
		}
		wire, rec.Wire = append(wire, rec.Wire...), nil
		b, err := json.Marshal(&rec)
		if err != nil {
			t.Fatal(err)
		}
		rest = append(append(rest, b...), '\n')
	}
}
