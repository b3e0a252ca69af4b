package audit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/record"
)

// gateway is the evidence side of one.
type gateway struct {
	journal  *journal.Journal
	recorder *record.Recorder
	log      *audit.Log
}

// start opens the evidence below dir as the server does.
func start(dir string, fsys journal.FS) (*gateway, error) {
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{FS: fsys, SegmentBytes: 64 << 10})
	if err != nil {
		return nil, err
	}
	g := &gateway{journal: j}
	g.recorder, err = record.New(record.Options{
		Dir: filepath.Join(dir, "recordings"), Keys: filepath.Join(dir, "keys"), Journal: j, FS: fsys,
	})
	if err != nil {
		_ = j.Close()
		return nil, err
	}
	g.log, err = audit.Open(audit.Options{
		Dir: filepath.Join(dir, "audit"), Keys: filepath.Join(dir, "keys"), Origin: "test.example/audit",
		Journal: j, Recordings: g.recorder, FS: fsys,
	})
	if err != nil {
		_ = j.Close()
		return nil, err
	}
	return g, nil
}

func (g *gateway) close() error {
	if err := g.log.Close(); err != nil {
		_ = g.journal.Close()
		return err
	}
	return g.journal.Close()
}

// session runs a whole session of n statements and waits for each.
func (g *gateway) session(ctx context.Context, id string, n int) error {
	counter := int64(0)
	event := func(e hoop.Event) error {
		counter++
		e.Session, e.Counter, e.Target, e.Subject = id, counter, "pg", "alice"
		return g.log.Write(ctx, &e)
	}
	if err := event(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
		return err
	}
	rec, err := g.recorder.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("key"))
	if err != nil {
		return err
	}
	for i := range n {
		if err := event(hoop.Event{Type: hoop.EventStatement, Text: fmt.Sprintf("select %d", i), Action: hoop.Allow}); err != nil {
			return err
		}
		pos, err := rec.Append(recording.Record{Kind: recording.KindOutput, Counter: counter, Wire: []byte("DATA")})
		if err != nil {
			return err
		}
		if err := g.journal.Wait(ctx, pos); err != nil {
			return err
		}
		if err := event(hoop.Event{Type: hoop.EventResult, Result: &hoop.Result{Statement: counter, Tag: "SELECT 1"}}); err != nil {
			return err
		}
	}
	r, _, err := rec.Close(recording.Record{Kind: recording.KindEnd})
	if err != nil {
		return err
	}
	r.Events = counter + 1
	return event(hoop.Event{Type: hoop.EventSessionEnd, Record: &r})
}

func TestLog_GoesOnAfterRestart(t *testing.T) {
	dir := t.TempDir()
	for run := range 4 {
		g, err := start(dir, journal.OS{})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.session(t.Context(), fmt.Sprintf("s%d", run), 100); err != nil {
			t.Fatal(err)
		}
		if got, want := g.log.Size(), int64(run+1)*202; got != want {
			t.Fatalf("size %d, want %d", got, want)
		}
		if err := g.close(); err != nil {
			t.Fatal(err)
		}
	}
}
