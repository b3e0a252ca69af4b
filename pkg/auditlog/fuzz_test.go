package auditlog_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/pkg/auditlog"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// FuzzDecode: what is taken for an event encodes back to the same bytes.
func FuzzDecode(f *testing.F) {
	for _, e := range []hoop.Event{
		{Type: hoop.EventStart, Time: time.Unix(1, 2).UTC()},
		{Type: hoop.EventStatement, Session: "s", Counter: 2, Text: "select \xff <$1>", Tables: []string{"a"}, Result: &hoop.Result{}},
		{Type: hoop.EventSessionEnd, Record: &hoop.Record{SHA256: "00", Size: 1, Events: 3}, Details: []hoop.Detail{{Name: "n"}}},
	} {
		b, err := auditlog.Encode(&e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := auditlog.Decode(b)
		if err != nil {
			return
		}
		again, err := auditlog.Encode(e)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q encodes back to %q, %v", b, again, err)
		}
	})
}

// FuzzEncode: whatever an event says, its canonical bytes are canonical.
func FuzzEncode(f *testing.F) {
	f.Add("select 1", "alice", int64(5))
	f.Add("\xff\xfe\\ufffd\ufffd", "<>&\u2028", int64(-1))
	f.Fuzz(func(t *testing.T, text, subject string, at int64) {
		e := hoop.Event{Type: hoop.EventSignIn, Time: time.Unix(at%1e11, at%1e9), Text: text, Subject: subject, Details: []hoop.Detail{{Value: text}}}
		b, err := auditlog.Encode(auditlog.Fit(&e))
		if err != nil {
			return
		}
		if _, err := auditlog.Decode(b); err != nil {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// FuzzBundle: a bundle of entries is what its entries make again.
func FuzzBundle(f *testing.F) {
	f.Add(auditlog.AppendEntry(auditlog.AppendEntry(nil, []byte("one")), nil))
	f.Add([]byte{0, 5, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for rest := b; len(rest) > 0; {
			entry, tail, err := auditlog.NextEntry(rest)
			if err != nil {
				return
			}
			again, rest = auditlog.AppendEntry(again, entry), tail
		}
		if !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
	})
}

// FuzzCheckpoint: bytes that nobody signed are never taken.
func FuzzCheckpoint(f *testing.F) {
	folder := newFolder(f)
	good := folder.checkpoint()
	v, err := auditlog.NewVerifier([]byte(folder.key))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("test.example/audit\n0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := auditlog.OpenCheckpoint(b, v)
		if err == nil && (c.Size != 0 || !bytes.HasPrefix(b, good[:bytes.Index(good, []byte("\n\n"))])) {
			t.Errorf("%q was taken as %+v", b, c)
		}
	})
}
