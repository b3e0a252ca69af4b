package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/bundle"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/audit"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/journal/faultfs"
	"github.com/hoopctl/hoopctl/server/record"
)

// bucket is an object store in memory.
type bucket map[string][]byte

func (b bucket) Put(_ context.Context, name string, data []byte, _ record.Keep) error {
	b[name] = bytes.Clone(data)
	return nil
}

func (b bucket) List(_ context.Context, prefix string) (list []record.Object, _ error) {
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if strings.HasPrefix(name, prefix) {
			list = append(list, record.Object{Name: name, Size: int64(len(b[name]))})
		}
	}
	return list, nil
}

func (b bucket) Get(_ context.Context, name string, from int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b[name][from:])), nil
}

func (b bucket) Delete(_ context.Context, prefix string) error {
	maps.DeleteFunc(b, func(name string, _ []byte) bool { return strings.HasPrefix(name, prefix) })
	return nil
}

func (bucket) Hold(context.Context, string, bool) error { return nil }

// mirrored starts a gateway's evidence whose recordings go to a bucket.
func mirrored(t *testing.T, fsys journal.FS, b bucket) *gateway {
	t.Helper()
	g, err := &gateway{}, error(nil)
	if g.journal, err = journal.Open("/data/journal", journal.Options{FS: fsys, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	if g.recorder, err = record.New(record.Options{
		Dir: "/data/recordings", Keys: "/data/keys", Journal: g.journal, FS: fsys, Log: quiet, Mirrored: true,
	}); err != nil {
		t.Fatal(err)
	}
	g.recorder.Mirror(b, time.Hour, 0, func(string) time.Duration { return time.Hour })
	if g.log, err = audit.Open(audit.Options{
		Dir: "/data/audit", Keys: "/data/keys", Origin: "test.example/audit", Journal: g.journal, Recordings: g.recorder, FS: fsys, Log: quiet, Every: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(g.recorder.Close(), g.close()) })
	if _, err := g.log.Append(&hoop.Event{Type: hoop.EventStart}); err != nil {
		t.Fatal(err)
	}
	return g
}

// inParts records a session that goes to the bucket in several parts.
func (g *gateway) inParts(t *testing.T, id string) {
	t.Helper()
	s := &session{g: g, ctx: t.Context(), id: id}
	if err := s.event(hoop.Event{Type: hoop.EventSessionStart}); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.rec, err = g.recorder.Open(hoop.SessionInfo{ID: id, Target: "pg"}, []byte("key")); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if err := errors.Join(s.statement(i), g.recorder.CopyAll(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	r, _, err := s.rec.Close(recording.Record{Kind: recording.KindEnd})
	if err != nil {
		t.Fatal(err)
	}
	r.Events = s.counter + 1
	if err := errors.Join(s.event(hoop.Event{Type: hoop.EventSessionEnd, Record: &r}), g.recorder.CopyAll(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// Every part of every recording in a bucket, changed in every way: a bundle that has the
// recordings from there cannot be made, or does not verify, and the recording is named.
func TestTamper_Bucket(t *testing.T) {
	whole := bucket{}
	g := mirrored(t, faultfs.New(), whole)
	for _, id := range []string{"first", "second"} {
		g.inParts(t, id)
	}
	if local, err := g.recorder.Sessions(); err != nil || len(local) > 0 {
		t.Fatalf("still here: %v, %v", local, err)
	}
	parts := slices.Sorted(maps.Keys(whole))
	of := func(session string) (list []string) {
		for _, p := range parts {
			if strings.HasPrefix(p, session+"/") {
				list = append(list, p)
			}
		}
		return list
	}
	if len(of("first")) < 4 || len(of("second")) < 4 {
		t.Fatalf("too few parts: %v", parts)
	}
	original := maps.Clone(whole)
	judge := func(change func(bucket)) error {
		change(whole)
		defer func() {
			clear(whole)
			maps.Copy(whole, original)
		}()
		made, err := g.log.Bundle(t.Context(), audit.BundleOptions{Recordings: true, Policy: policyFor})
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := made.Write(t.Context(), &out); err != nil {
			return err
		}
		_, err = bundle.Verify(bytes.NewReader(out.Bytes()), int64(out.Len()), bundle.Options{Key: g.log.VerifierKey()})
		return err
	}
	if err := judge(func(bucket) {}); err != nil {
		t.Fatal(err)
	}
	// A fork: the same session, recorded again.
	forked := bucket{}
	fork := mirrored(t, faultfs.New(), forked)
	fork.inParts(t, "first")

	for i, part := range parts {
		b := whole[part]
		next := parts[(i+1)%len(parts)]
		session, _, _ := strings.Cut(part, "/")
		beside, _, _ := strings.Cut(next, "/")
		ways := map[string]func(bucket){
			"flip a bit": func(c bucket) { c[part] = flipped(b, len(b)/2) },
			"drop":       func(c bucket) { delete(c, part) },
			"truncate":   func(c bucket) { c[part] = b[:len(b)-1] },
			"empty":      func(c bucket) { c[part] = nil },
			"append":     func(c bucket) { c[part] = append(slices.Clone(b), 'x') },
			"reorder":    func(c bucket) { c[part] = append(slices.Clone(b[len(b)/2:]), b[:len(b)/2]...) },
			"swap":       func(c bucket) { c[part], c[next] = c[next], c[part] },
			"rename":     func(c bucket) { delete(c, part); c[part+"1"] = b },
			"roll back": func(c bucket) { // to what there was when this part was the last
				maps.DeleteFunc(c, func(name string, _ []byte) bool { return strings.HasPrefix(name, session+"/") && name >= part })
			},
			"add": func(c bucket) { c[fmt.Sprintf("%s/%020d", session, 1<<40)] = b },
		}
		if other, ok := forked[part]; ok && !bytes.Equal(other, b) {
			ways["fork"] = func(c bucket) { c[part] = other }
		}
		for way, do := range ways {
			t.Run(part+"/"+way, func(t *testing.T) {
				err := judge(do)
				var fault *auditlog.Fault
				named := err != nil && (strings.Contains(err.Error(), session) || way == "swap" && strings.Contains(err.Error(), beside))
				if !named || errors.As(err, &fault) && !strings.HasPrefix(fault.File, "recordings/") {
					t.Errorf("got %v, want an error about recording %s", err, session)
				}
			})
		}
	}
}
