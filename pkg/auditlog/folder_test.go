package auditlog_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
)

// folder writes an evidence folder, as the gateway exports it.
type folder struct {
	tb         testing.TB
	dir        string
	signer     note.Signer
	key        string
	edge       auditlog.Edge
	bundle     []byte
	now        time.Time
	recipient  age.Recipient
	counters   map[string]int64
	recordings bool
}

func newFolder(tb testing.TB) *folder {
	skey, vkey, err := note.GenerateKey(rand.Reader, "test.example/audit")
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return &folder{
		tb: tb, dir: tb.TempDir(), signer: signer, key: vkey, recipient: id.Recipient(), recordings: true,
		now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), counters: make(map[string]int64),
	}
}

func (f *folder) write(path string, b []byte) {
	name := filepath.Join(f.dir, path)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		f.tb.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		f.tb.Fatal(err)
	}
}

// add appends an event; of a session, with its counter.
func (f *folder) add(e hoop.Event) {
	f.now = f.now.Add(time.Millisecond)
	e.Time = f.now
	if e.Session != "" {
		f.counters[e.Session]++
		e.Counter = f.counters[e.Session]
	}
	if e.Record != nil && e.Record.Events == 0 {
		e.Record.Events = e.Counter
	}
	f.raw(e)
}

// raw appends an event as it is.
func (f *folder) raw(e hoop.Event) {
	b, err := auditlog.Encode(&e)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.entry(b)
}

func (f *folder) entry(b []byte) {
	f.bundle = auditlog.AppendEntry(f.bundle, b)
	err := f.edge.Add(tlog.RecordHash(b), func(level int, n int64, hashes []tlog.Hash) error {
		if level == 0 {
			f.write(auditlog.EntriesPath(n, auditlog.TileWidth), f.bundle)
			f.bundle = nil
		}
		f.write(auditlog.TilePath(level, n, auditlog.TileWidth), auditlog.TileBytes(hashes))
		return nil
	})
	if err != nil {
		f.tb.Fatal(err)
	}
}

// session appends a whole session of n statements, with its recording.
func (f *folder) session(id string, n int) {
	f.begin(id)
	for i := range n {
		f.statement(id, i)
	}
	f.add(hoop.Event{Type: hoop.EventSessionEnd, Session: id, Record: f.recording(id, true)})
}

func (f *folder) begin(id string) {
	f.add(hoop.Event{Type: hoop.EventSessionStart, Subject: "alice", Target: "pg-prod", Session: id, Grant: "g1"})
}

func (f *folder) statement(id string, i int) {
	f.add(hoop.Event{
		Type: hoop.EventStatement, Subject: "alice", Chain: []string{"bob"}, Target: "pg-prod", Session: id, Policy: "0123456789abcdef",
		Text: fmt.Sprintf("SELECT name, email FROM patients WHERE id = $1 AND ward < $2 LIMIT %d", i), Effects: []hoop.Effect{hoop.EffectRead},
		Tables: []string{"public.patients"}, Action: hoop.Allow, Rule: "default", Grant: "g1",
	})
	f.add(hoop.Event{Type: hoop.EventResult, Session: id, Duration: 812, Result: &hoop.Result{
		Statement: f.counters[id], Tag: "SELECT 1", Rows: 1, Bytes: 231, Masked: 2,
		Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}})
}

// recording writes a session's recording.
func (f *folder) recording(id string, finished bool) *hoop.Record {
	if !f.recordings {
		return &hoop.Record{}
	}
	enc, err := recording.NewEncoder(hoop.SessionInfo{ID: id}, nil, f.recipient)
	if err != nil {
		f.tb.Fatal(err)
	}
	b := enc.AppendHeader(nil)
	for _, s := range []string{"one", "two"} {
		if b, err = enc.Append(b, &recording.Record{Kind: recording.KindOutput, Wire: []byte(s)}); err != nil {
			f.tb.Fatal(err)
		}
	}
	if finished {
		b = enc.AppendEnd(b)
	}
	f.write(auditlog.RecordingFile(id), b)
	sum := sha256.Sum256(b)
	return &hoop.Record{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b))}
}

// checkpoint signs the log as it stands and writes what is partial.
func (f *folder) checkpoint() []byte {
	size := f.edge.Size()
	for level := range auditlog.Levels(size) {
		n, width := auditlog.Widths(size, level)
		if width == 0 {
			continue
		}
		f.write(auditlog.TilePath(level, n, width), auditlog.TileBytes(f.edge.Partial(level)))
		if level == 0 {
			f.write(auditlog.EntriesPath(n, width), f.bundle)
		}
	}
	b, err := auditlog.Checkpoint{Origin: f.signer.Name(), Size: size, Root: f.edge.Root()}.Sign(f.signer)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.write(auditlog.CheckpointFile, b)
	f.write(auditlog.KeyFile, []byte(f.key+"\n"))
	f.write(auditlog.ReadmeFile, []byte(auditlog.Readme))
	return b
}

func (f *folder) verify(old []byte) (*auditlog.Report, error) {
	return auditlog.Verify(os.DirFS(f.dir), auditlog.Options{Key: f.key, OldCheckpoint: old})
}

// copied gives a copy of the folder to do harm to.
func (f *folder) copied(tb testing.TB) *folder {
	c := *f
	c.tb, c.dir = tb, tb.TempDir()
	if err := os.CopyFS(c.dir, os.DirFS(f.dir)); err != nil {
		tb.Fatal(err)
	}
	return &c
}
