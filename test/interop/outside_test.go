package interop

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/record"
	"github.com/hoopctl/hoopctl/server/witness"
)

// The second reader refuses what ours refuses of a bundle, too, of which what it rests on
// stands outside of its entries: that a recording is gone, and that a witness cosigned.
func TestPython_ReadsWhatStandsOutside(t *testing.T) {
	dir, quiet, fsys := t.TempDir(), slog.New(slog.DiscardHandler), journal.OS{}
	keys := filepath.Join(dir, "keys")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{FS: fsys, Log: quiet})
	must(err)
	t.Cleanup(func() { must(j.Close()) })
	rec, err := record.New(record.Options{Dir: filepath.Join(dir, "recordings"), Keys: keys, Journal: j, FS: fsys, Log: quiet})
	must(err)
	log, err := audit.Open(audit.Options{
		Dir: filepath.Join(dir, "audit"), Keys: keys, Origin: "gw.example/audit", Journal: j, Recordings: rec, FS: fsys, Log: quiet, Every: time.Hour,
	})
	must(err)
	t.Cleanup(func() { must(log.Close()) })
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	add := func(e hoop.Event) {
		t.Helper()
		at = at.Add(time.Second)
		e.Time = at
		must(log.Write(t.Context(), &e))
	}
	others := func(n int) {
		t.Helper()
		for range n {
			at = at.Add(time.Second)
			_, err := log.Append(&hoop.Event{Time: at, Type: hoop.EventSignIn, Subject: "ada"})
			must(err)
		}
	}
	add(hoop.Event{Type: hoop.EventStart})
	hashes := map[string]string{}
	for _, id := range []string{"a", "b", "c"} {
		add(hoop.Event{Type: hoop.EventSessionStart, Session: id, Counter: 1})
		one, err := rec.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("key"))
		must(err)
		r, _, err := one.Close(recording.Record{Kind: recording.KindEnd})
		must(err)
		r.Events = 2
		hashes[id] = r.SHA256
		add(hoop.Event{Type: hoop.EventSessionEnd, Session: id, Counter: 2, Record: &r})
	}
	until := at.Add(time.Second)
	others(600)
	add(hoop.Event{Type: hoop.EventExpired, Session: "a", Details: []hoop.Detail{{Name: auditlog.ExpiredHash, Value: hashes["a"]}}})
	others(300)
	w, err := witness.New(witness.Options{Dir: filepath.Join(dir, "witness"), Key: filepath.Join(keys, "witness"), Name: "w.example", Logs: []string{log.VerifierKey()}, FS: fsys, Log: quiet})
	must(err)
	signed, c, _, err := log.Prove(t.Context(), 0)
	must(err)
	line, err := w.Add(append([]byte("old 0\n\n"), signed...))
	must(err)
	must(log.Cosigned(t.Context(), witness.Cosignature{Witness: "w.example", Checkpoint: c, Signature: strings.Fields(string(line))[2], At: at}))
	add(hoop.Event{Type: hoop.EventExpired, Session: "b", Details: []hoop.Detail{{Name: auditlog.ExpiredHash, Value: hashes["b"]}}})

	made, err := log.Bundle(t.Context(), audit.BundleOptions{To: until, Recordings: true, Since: 300})
	must(err)
	var out bytes.Buffer
	must(made.Write(t.Context(), &out))
	file, key := filepath.Join(dir, "outside.zip"), log.VerifierKey()
	must(os.WriteFile(file, out.Bytes(), 0o600))
	r, err := bundle.Verify(bytes.NewReader(out.Bytes()), int64(out.Len()), bundle.Options{Key: key, Witnesses: []string{w.VerifierKey()}})
	must(err)
	identity := filepath.Join(keys, "recording.key")
	theirs := python(t, []string{file}, "bundles", key, identity)[0]
	if r.Expired != 2 || r.Recordings != 1 || theirs.Refused != "" || theirs.Size != r.Size || theirs.Root != r.Root || len(theirs.Recordings) != 1 {
		t.Errorf("we find %+v, they %+v", r, theirs)
	}
	if names, data := members(t, file); bytes.Count(data[5], []byte("\n")) != 3 || names[5] != auditlog.OutsideFile {
		t.Errorf("%s has %q, want two ends and a cosignature", names[5], data[5])
	}
	tampered(t, file, key, identity)
}
